/* ext/spis.h - a range of 32-bit numbers as esp, ah and frag hold, print and save it. */
#ifndef WEIR_EXT_SPIS_H
#define WEIR_EXT_SPIS_H

#include "ext/option.h"

static inline bool range32_has(const uint32_t range[2], uint32_t value, bool invert)
{
	return (value >= range[0] && value <= range[1]) != invert;
}

/* " ! --ahspi 5:7"; nothing for the whole range. */
static inline void range32_save(struct strbuf *out, const char *option, const uint32_t range[2], bool invert)
{
	if (range[0] == 0 && range[1] == UINT32_MAX)
		return;
	sb_printf(out, "%s --%s %u", invert ? " !" : "", option, range[0]);
	if (range[0] != range[1])
		sb_printf(out, ":%u", range[1]);
}

/* "spis:!5:7", without a blank before it. */
static inline void range32_print(struct strbuf *out, const char *word, const uint32_t range[2], bool invert)
{
	if (range[0] == 0 && range[1] == UINT32_MAX && !invert)
		return;
	sb_printf(out, "%s%s:%s%u", word, range[0] == range[1] ? "" : "s", invert ? "!" : "", range[0]);
	if (range[0] != range[1])
		sb_printf(out, ":%u", range[1]);
}

#endif
