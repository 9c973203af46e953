/* control/pkt_msg.h - what messages about packets (NFQUEUE, NFLOG) have in common. */
#ifndef WEIR_CONTROL_PKT_MSG_H
#define WEIR_CONTROL_PKT_MSG_H

#include "control/control_internal.h"

/* Where it came from, as its link-layer header says (struct nfqnl_msg_packet_hw, nfulnl_msg_packet_hw). */
void pkt_put_sender(const struct pkt *pkt, const struct hook_state *state, uint16_t type, struct strbuf *out);
/* When it arrived; packets that the machine sends have no such time. */
void pkt_put_stamp(const struct pkt *pkt, const struct hook_state *state, uint16_t type, struct strbuf *out);
/* Whose it is. */
void pkt_put_owner(const struct pkt *pkt, uint16_t uid_type, uint16_t gid_type, struct strbuf *out);
/* Its connection, and what it is to it. */
void pkt_put_ct(const struct instance *inst, const struct pkt *pkt, uint16_t type, uint16_t info_type, struct strbuf *out);
/* The device whose link-layer header the packet has. */
static inline const struct iface *pkt_dev(const struct pkt *pkt, const struct hook_state *state)
{
	return state->hooknum == NF_INET_POST_ROUTING && state->out ? state->out : pkt->in;
}

#endif
