/*
 * control/queue_msg.c - what a program is told of a packet that waits for its verdict: attributes in the kernel's order. The
 * packet's bytes come last and are not padded.
 */
#include "base/uapi.h"

#include <linux/netfilter/nfnetlink_queue.h>

#include "control/pkt_msg.h"
#include "control/queue_internal.h"
#include "host/secctx.h"
#include "host/socket.h"

enum { ATTR_CGROUP_CLASSID = NFQA_PRIORITY + 1 };	/* newer than Debian's headers */

/* Nobody has looked at the checksum of a packet that came from outside, or it is yet to be made. */
static uint32_t sum_flags(const struct pkt *pkt, const struct hook_state *state)
{
	bool from_outside = state->hooknum <= NF_INET_FORWARD || (state->hooknum == NF_INET_POST_ROUTING && !pkt->socket);

	if (pkt->flags & PKT_FLAG_CSUM_LATER)
		return NFQA_SKB_CSUMNOTREADY;
	return from_outside && !(pkt->flags & PKT_FLAG_CSUM_TRUSTED) ? NFQA_SKB_CSUM_NOTVERIFIED : 0;
}

static void put_context(const struct packet_queue *queue, const struct pkt *pkt, struct strbuf *out)
{
	const char *name;

	if (!(queue->flags & NFQA_CFG_F_SECCTX) || !pkt->socket || !pkt->secmark)
		return;
	name = secctx_name(queue->control->inst, pkt->secmark);
	if (name)
		nl_put_text(out, NFQA_SECCTX, name);
}

static void put_bytes(const struct packet_queue *queue, struct pkt *pkt, uint32_t len, struct strbuf *out)
{
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + len), .nla_type = NFQA_PAYLOAD };
	be16 sum = pkt_sum_put_off(pkt);

	sb_add(out, (const char *)&a, sizeof(a));
	sb_add(out, (const char *)pkt->data, len);
	pkt_sum_put_back(pkt, sum);
}

void queue_put_packet(const struct packet_queue *queue, struct pkt *pkt, const struct hook_state *state, uint32_t id,
		      struct strbuf *out)
{
	const bool wants_bytes = queue->copy_mode == NFQNL_COPY_PACKET;
	struct nfqnl_msg_packet_hdr head = { .packet_id = htonl(id), .hook = state->hooknum,
					     .hw_protocol = htons(state->family == NFPROTO_IPV6 ? ETH_P_IPV6 : ETH_P_IP) };
	uint32_t bytes = wants_bytes ? MIN_OF(queue->copy_range, pkt->len) : 0, len;
	size_t at = nl_begin(out, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, 0, 0, 0, state->family, NFNETLINK_V0, queue->number);

	if (wants_bytes && !(queue->flags & NFQA_CFG_F_GSO))
		pkt_sum_finish(pkt);
	nl_put(out, NFQA_PACKET_HDR, &head, sizeof(head));
	if (state->in)
		nl_put_u32(out, NFQA_IFINDEX_INDEV, state->in->index);
	if (state->out)
		nl_put_u32(out, NFQA_IFINDEX_OUTDEV, state->out->index);
	if (pkt->mark)
		nl_put_u32(out, NFQA_MARK, pkt->mark);
	if (pkt->priority)
		nl_put_u32(out, NFQA_PRIORITY, pkt->priority);
	pkt_put_sender(pkt, state, NFQA_HWADDR, out);
	pkt_put_stamp(pkt, state, NFQA_TIMESTAMP, out);
	if (queue->flags & NFQA_CFG_F_UID_GID)
		pkt_put_owner(pkt, NFQA_UID, NFQA_GID, out);
	if (pkt->socket && pkt->socket->spec.classid)
		nl_put_u32(out, ATTR_CGROUP_CLASSID, pkt->socket->spec.classid);
	put_context(queue, pkt, out);
	if (queue->flags & NFQA_CFG_F_CONNTRACK)
		pkt_put_ct(queue->control->inst, pkt, NFQA_CT, NFQA_CT_INFO, out);
	if (wants_bytes && pkt->len > bytes)
		nl_put_u32(out, NFQA_CAP_LEN, pkt->len);
	if (sum_flags(pkt, state))
		nl_put_u32(out, NFQA_SKB_INFO, sum_flags(pkt, state));
	if (bytes)
		put_bytes(queue, pkt, bytes, out);
	len = (uint32_t)(out->len - at);
	if (!out->failed)
		memcpy(out->s + at, &len, sizeof(len));
}
