/*
 * ext/mmdb.h - the addresses of a country or a network as a MaxMind database (.mmdb) has them, as ranges. Needs
 * libmaxminddb when weir is built.
 */
#ifndef WEIR_EXT_MMDB_H
#define WEIR_EXT_MMDB_H

#include "ext/georanges.h"

bool is_mmdb_path(const char *path);
/*
 * @name: a country's two letters, or a network's number. -ENOENT: no such file, or the database knows no such addresses; -EINVAL:
 * it is damaged; -EOPNOTSUPP: built without libmaxminddb; -ENOMEM.
 */
int mmdb_ranges(const char *path, const char *name, uint8_t family, struct georanges **out, struct refusal *why);

#endif
