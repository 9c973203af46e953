/*
 * ext/georanges.h - files of address ranges, as xt_geoip_build and xt_asn_build write them: /usr/share/xt_geoip/DE.iv4 and .iv6,
 * /usr/share/xt_asn/NUMBER.iv4 and .iv6: pairs of first and last address in network order, ascending.
 */
#ifndef WEIR_EXT_GEORANGES_H
#define WEIR_EXT_GEORANGES_H

#include "ext/ext.h"

struct georanges {
	unsigned int shares;
	uint32_t count;
	uint8_t width;		/* bytes of an address: 4 or 16 */
	uint8_t bytes[];	/* count pairs */
};

/* The settings net.weir.geoip_dir and net.weir.asn_dir: folders of such files, or a MaxMind database (NAME.mmdb). */
int georanges_settings(struct instance *inst);
/* The ranges of @dir/@name for @family. -ENOENT, -EINVAL (not such a file), -ENOMEM. */
int georanges_load(const char *dir, const char *name, uint8_t family, struct georanges **out, struct refusal *why);
bool georanges_has(const struct georanges *ranges, const void *addr);

#endif
