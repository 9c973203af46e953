/* ext/numnames.h - numbers that have names in a file of /etc/iproute2, and "value[/mask]" that takes either. */
#ifndef WEIR_EXT_NUMNAMES_H
#define WEIR_EXT_NUMNAMES_H

#include "ext/option.h"

/* The name that @file gives to @number; false: none. @buf: 64 bytes. */
bool numnames_find(const char *file, uint32_t number, char *buf);
/* A name of @file (then the mask is all ones), or value[/mask]. */
int numnames_parse(const char *file, const char *text, uint32_t *value, uint32_t *mask);
/* " name" where the mask is all ones and @named; " 0x1", " 0x1/0xff" otherwise. */
void numnames_print(const char *file, uint32_t value, uint32_t mask, bool named, struct strbuf *out);

#endif
