/* ext/ports.h - port ranges as the tcp and udp matches hold them: two numbers, an invert bit elsewhere. */
#ifndef WEIR_EXT_PORTS_H
#define WEIR_EXT_PORTS_H

#include "classify/classify.h"
#include "ext/option.h"

static inline bool port_in(const uint16_t range[2], uint16_t port, bool invert)
{
	return (port >= range[0] && port <= range[1]) != invert;
}

static inline void ports_classify(const uint16_t range[2], bool source, bool inverted, struct class_rule *rule)
{
	const struct class_range one = { range[0], range[1] };

	if (inverted)
		class_rule_unless_ports(rule, source, &one, 1);
	else
		(source ? class_rule_sports : class_rule_dports)(rule, &one, 1);
}

/* "a", "a:b", ":b", "a:" with service names of @proto. */
int ports_parse(const char *text, const char *proto, uint16_t range[2], struct refusal *why);
/* " ! --dport 1:2"; nothing for the whole range. */
void ports_save(struct strbuf *out, const char *option, const uint16_t range[2], bool invert);
/* " dpts:!1:2" */
void ports_print(struct strbuf *out, const char *word, const uint16_t range[2], bool invert, const char *proto,
		 const struct ext_view *view);

/* Of the ports those that are asked for at all. */
static inline uint32_t ports_depends(const uint16_t sports[2], const uint16_t dports[2])
{
	return (sports[0] || sports[1] != UINT16_MAX ? DEP_L4_SPORT : 0) | (dports[0] || dports[1] != UINT16_MAX ? DEP_L4_DPORT : 0);
}

#endif
