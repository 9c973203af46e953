/*
 * conntrack/proto/udplite.c - UDP-Lite: as UDP, but the checksum may cover less than the datagram and is
 * never absent. Its timeouts are UDP's, and a reply makes it a stream at once.
 */
#include "conntrack/conntrack_internal.h"


extern const struct ct_proto ct_proto_udp;

/* The kernel sums with UDP's protocol number in the pseudo header, which no sender of UDP-Lite does. */
static bool checksum_wrong(const struct pkt *pkt, const struct ct_l4 *l4, uint32_t coverage)
{
	uint32_t off = (uint32_t)(l4->at - pkt->data), sum;

	if (pkt->flags & PKT_FLAG_CSUM_TRUSTED)
		return false;
	if (pkt->l.family == NFPROTO_IPV4) {
		sum = csum_pseudo4(pkt_ip4(pkt)->saddr, pkt_ip4(pkt)->daddr, IPPROTO_UDP, l4->len);
		sum = csum_partial(pkt->data, off, sum);
	} else {
		sum = csum_pseudo6(&pkt_ip6(pkt)->saddr, &pkt_ip6(pkt)->daddr, IPPROTO_UDP, l4->len);
	}
	return csum_fold(csum_partial(l4->at, coverage, sum)) != 0;
}

static bool udplite_refused(struct instance *inst, const struct pkt *pkt, const struct ct_l4 *l4,
			    const struct hook_state *state)
{
	uint32_t coverage;

	if (l4->len < sizeof(struct udphdr)) {
		ct_invalid(inst, pkt, "short packet");
		return true;
	}
	coverage = get_be16(l4->at + offsetof(struct udphdr, len));
	if (coverage == 0) {
		coverage = l4->len;
	} else if (coverage < sizeof(struct udphdr) || coverage > l4->len) {
		ct_invalid(inst, pkt, "invalid checksum coverage");
		return true;
	}
	if (!get_be16(l4->at + offsetof(struct udphdr, check))) {
		ct_invalid(inst, pkt, "checksum missing");
		return true;
	}
	if (state->hooknum == NF_INET_PRE_ROUTING && inst->ct->conf.checksum && checksum_wrong(pkt, l4, coverage)) {
		ct_invalid(inst, pkt, "bad checksum");
		return true;
	}
	return false;
}

static int udplite_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4,
			  uint8_t ctinfo, const struct hook_state *state)
{
	bool stream = ct->status & IPS_SEEN_REPLY;

	if (udplite_refused(inst, pkt, l4, state))
		return -NF_ACCEPT;
	ct_refresh(inst, ct, ctinfo, pkt, ct_timeout(inst, ct, &ct_proto_udp, stream ? CT_UDP_STREAM : CT_UDP_UNREPLIED));
	if (stream && !(ct->status & (IPS_ASSURED | CT_STATUS_NAT_CLASH))) {
		ct->status |= IPS_ASSURED;
		ct_event_note(ct, IPCT_ASSURED);
	}
	return NF_ACCEPT;
}

const struct ct_proto ct_proto_udplite = {
	.name = "udplite", .number = IPPROTO_UDPLITE, .allow_clash = true,
	.read_tuple = ct_read_ports,
	.packet = udplite_packet, .same_timeouts_as = &ct_proto_udp,
};
