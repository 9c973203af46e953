/*
 * helper/sip_media.c - SIP: the media that a session description announces.
 * Each stream has an address (its own c= line, or the session's) and a port (its m= line): RTP comes to the even port, RTCP to
 * the odd one behind it. The same description is seen again and again, on several connections: what is known already stays.
 */
#include "helper/sip_internal.h"
#include "route/route.h"

enum { STREAMS_MAX = 3 };	/* of one description */

static const struct { const char *word; unsigned int class; } kinds[] = {
	{ "audio ", SIP_AUDIO }, { "video ", SIP_VIDEO }, { "image ", SIP_IMAGE },
};

/* Do packets to @addr leave where this one leaves? Then the other side reaches it without us. */
static bool is_beyond(const struct sip_msg *msg, const union nf_inet_addr *addr)
{
	const struct pkt *pkt = msg->call->pkt;
	struct route_flow flow = { .family = ct_family(msg->call->ct), .daddr = *addr };
	struct pkt_route route;

	return pkt->route.oif && !route_output(msg->call->inst, &flow, &route) && route.oif == pkt->route.oif;
}

/*
 * Has another connection announced this already, with the same helper and for the same kind of media? When that one and
 * this one are both translated, the two sides reach each other directly: *addr, *port become what is behind NAT there.
 */
static bool find_known(const struct sip_msg *msg, unsigned int class, struct ct_tuple *tuple, bool *direct)
{
	const struct ct *ct = msg->call->ct;

	for (;;) {
		const struct ct_expect *exp = ct_expect_find(msg->call->inst, &ct->zone, tuple);

		if (!exp || exp->master == ct || exp->helper != sip_help_data(msg)->helper || exp->class != class)
			return false;
		if (*direct || !sip_is_translated(msg) ||
		    (ct_addr_equal(&exp->saved_addr, &exp->tuple.dst) && exp->saved_port == exp->tuple.dst_l4.port))
			return true;
		tuple->dst = exp->saved_addr;
		tuple->dst_l4.port = exp->saved_port;
		*direct = true;
	}
}

static bool add_pair(struct instance *inst, struct ct_expect *rtp, struct ct_expect *rtcp)
{
	struct ct_expect *made = NULL;
	int err = ct_expect_add(inst, rtp, &made);

	if (err && err != -EALREADY)
		return false;
	err = ct_expect_add(inst, rtcp, NULL);
	if (!err || err == -EALREADY)
		return true;
	if (made)
		ct_expect_remove(inst, made);
	return false;
}

/* One stream; *addr becomes the address that the packet is to name. */
static unsigned int announce(struct sip_msg *msg, union nf_inet_addr *addr, be16 port, unsigned int class,
			     struct sip_span port_text)
{
	const struct ct_help_call *call = msg->call;
	const struct ct_helper_conf *conf = ct_helper_conf(call->inst);
	struct ct_tuple tuple = { .family = ct_family(call->ct), .proto = IPPROTO_UDP };
	const union nf_inet_addr *from = NULL;
	bool is_known, direct = false;
	struct ct_expect rtp, rtcp;
	uint16_t first;

	if (conf->sip.direct_media) {
		if (!ct_addr_equal(addr, &sip_tuple(msg, call->dir)->src))
			return NF_ACCEPT;
		from = &sip_tuple(msg, !call->dir)->src;
		tuple.src = *from;
	} else if (conf->sip.external_media && is_beyond(msg, addr)) {
		return NF_ACCEPT;
	}
	tuple.dst = *addr;
	tuple.dst_l4.port = port;
	is_known = find_known(msg, class, &tuple, &direct);
	*addr = tuple.dst;
	first = ntohs(tuple.dst_l4.port) & ~1u;
	if (direct && !sip_nat_media_port(msg, port_text, first))
		return NF_DROP;
	if (is_known)
		return NF_ACCEPT;
	ct_expect_init(&rtp, call->ct, class, from, addr, IPPROTO_UDP, htons(first));
	ct_expect_init(&rtcp, call->ct, class, from, addr, IPPROTO_UDP, htons((uint16_t)(first + 1)));
	rtp.once_for_all = rtcp.once_for_all = true;
	if (sip_is_translated(msg) && !direct)
		return sip_nat_expect_media(msg, &rtp, &rtcp, port_text, addr);
	return add_pair(call->inst, &rtp, &rtcp) ? NF_ACCEPT : NF_DROP;
}

unsigned int sip_media(struct sip_msg *msg)
{
	union nf_inet_addr session_addr, addr;
	bool has_session_addr, has_addr = false;
	struct sip_span text, media;
	int32_t session;
	int streams = 0;

	if (sdp_line(msg, 0, SDP_VERSION, SDP_ANY, &text) != SIP_FOUND)
		return NF_ACCEPT;
	session = text.off;
	has_session_addr = sdp_addr(msg, session, SDP_CONNECTION, SDP_MEDIA, &text, &session_addr) == SIP_FOUND;
	if (has_session_addr) {
		addr = session_addr;
		has_addr = true;
	}
	media.off = session;
	while (streams < STREAMS_MAX && sdp_line(msg, media.off, SDP_MEDIA, SDP_ANY, &media) == SIP_FOUND) {
		bool has_own_addr;
		uint32_t port;
		int32_t end;
		size_t kind = 0;

		while (kind < ARRAY_SIZE(kinds) && (media.len < (int32_t)strlen(kinds[kind].word) ||
		       memcmp(sip_bytes(msg) + media.off, kinds[kind].word, strlen(kinds[kind].word)) != 0))
			kind++;
		if (kind == ARRAY_SIZE(kinds)) {
			media.off += media.len;
			continue;
		}
		media.off += (int32_t)strlen(kinds[kind].word);
		media.len -= (int32_t)strlen(kinds[kind].word);
		port = sip_number(msg, media.off, &end);
		if (!port || end == media.off)
			continue;		/* not in use */
		if (port < SIP_PORT_MIN || port > UINT16_MAX)
			return ct_help_refuse(msg->call, "wrong port %u", port);
		has_own_addr = sdp_addr(msg, media.off, SDP_CONNECTION, SDP_MEDIA, &text, &addr) == SIP_FOUND;
		if (!has_own_addr && !has_session_addr)
			return ct_help_refuse(msg->call, "cannot parse SDP message");
		if (!has_own_addr)
			addr = session_addr;
		has_addr = true;
		if (announce(msg, &addr, htons((uint16_t)port), kinds[kind].class, media) != NF_ACCEPT)
			return ct_help_refuse(msg->call, "cannot add expectation for voice");
		if (has_own_addr && sip_is_translated(msg) && !sip_nat_media_addr(msg, media.off, &addr))
			return ct_help_refuse(msg->call, "cannot mangle SDP");
		streams++;
	}
	if (sip_is_translated(msg) && has_addr && !sip_nat_session_addr(msg, session, &addr))
		return NF_DROP;
	return NF_ACCEPT;
}
