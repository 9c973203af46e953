/* ext/target/answer.h - packets that a target makes in answer to one: TARPIT, DELUDE, ECHO. */
#ifndef WEIR_EXT_TARGET_ANSWER_H
#define WEIR_EXT_TARGET_ANSWER_H

#include "ext/ext.h"

/* The TCP header of a whole packet whose sum is right; NULL: it is not to be answered. @payload: bytes behind the header. */
const uint8_t *answerable_segment(const struct pkt *pkt, uint8_t family, uint32_t *payload);
/*
 * A packet from @cause's destination to its source, with room for @l4_len bytes; addresses, ports of @l4 (turned round) and
 * length are filled in. Given to answer_send(); NULL: no memory.
 */
struct pkt *answer_new(struct instance *inst, const struct pkt *cause, uint8_t family, uint8_t proto, uint32_t l4_len,
		       const uint8_t *ports, uint8_t **l4);
/* Fills in the sum and sends it on its way. @hops 0: what the route says. */
void answer_send(struct instance *inst, struct pkt *made, struct pkt *cause, uint8_t family, uint8_t hops);

#endif
