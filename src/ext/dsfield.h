/* ext/dsfield.h - the byte that is TOS, DSCP or traffic class, and the words people use for its values. */
#ifndef WEIR_EXT_DSFIELD_H
#define WEIR_EXT_DSFIELD_H

#include "ext/option.h"

static inline uint8_t dsfield_get(const struct pkt *pkt, uint8_t family)
{
	return family == NFPROTO_IPV4 ? pkt_ip4(pkt)->tos : (uint8_t)(get_be16(pkt->data) >> 4);
}

/* Keeps the IPv4 header checksum right. */
void dsfield_set(struct pkt *pkt, uint8_t family, uint8_t value);

/* "EF", "AF11", "CS3", "BE". */
int dscp_parse_class(const char *text, uint8_t *dscp, struct refusal *why);
/* value[/mask], or a name with the mask 0x3f. */
int tos_parse(const char *text, uint8_t *value, uint8_t *mask, struct refusal *why);
const char *tos_name(uint8_t value, uint8_t mask);	/* NULL when none */

#endif
