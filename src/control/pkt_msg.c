/* control/pkt_msg.c - attributes of packets that NFQUEUE's and NFLOG's messages share. */
#include "base/uapi.h"

#include <linux/netfilter/nfnetlink_queue.h>

#include "control/ct_msg.h"
#include "control/pkt_msg.h"
#include "host/socket.h"

enum { ETH_SENDER_AT = 6 };

void pkt_put_sender(const struct pkt *pkt, const struct hook_state *state, uint16_t type, struct strbuf *out)
{
	struct nfqnl_msg_packet_hw hw = { .hw_addrlen = htons(ETH_ALEN) };

	if (!state->in || !pkt->mac || pkt->mac_len < ETH_SENDER_AT + ETH_ALEN)
		return;
	memcpy(hw.hw_addr, pkt->mac + ETH_SENDER_AT, ETH_ALEN);
	nl_put(out, type, &hw, sizeof(hw));
}

void pkt_put_stamp(const struct pkt *pkt, const struct hook_state *state, uint16_t type, struct strbuf *out)
{
	be32 stamp[4] = { 0 };	/* two 64-bit numbers: seconds, microseconds */
	uint64_t sec = (uint64_t)(pkt->stamp_ns / NSEC_PER_SEC);

	if (state->hooknum > NF_INET_FORWARD || !pkt->in || !pkt->stamp_ns)
		return;
	stamp[0] = htonl((uint32_t)(sec >> 32));
	stamp[1] = htonl((uint32_t)sec);
	stamp[3] = htonl((uint32_t)(pkt->stamp_ns % NSEC_PER_SEC / 1000));
	nl_put(out, type, stamp, sizeof(stamp));
}

void pkt_put_owner(const struct pkt *pkt, uint16_t uid_type, uint16_t gid_type, struct strbuf *out)
{
	if (!pkt->socket || pkt->socket->spec.no_program)
		return;
	nl_put_u32(out, uid_type, pkt->socket->spec.uid);
	nl_put_u32(out, gid_type, pkt->socket->spec.gid);
}

void pkt_put_ct(const struct instance *inst, const struct pkt *pkt, uint16_t type, uint16_t info_type, struct strbuf *out)
{
	size_t at;

	if (!pkt->ct)
		return;
	at = nl_nest(out, type);
	ct_put_attached(inst, pkt->ct, out);
	nl_nest_end(out, at);
	nl_put_u32(out, info_type, pkt->ctinfo);
}
