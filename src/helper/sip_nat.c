/*
 * helper/sip_nat.c - SIP through NAT: each address of the connection that a message names is named as the other side sees it.
 * Headers, parameters and session descriptions are rewritten one after the other; Content-Length follows.
 */
#include <stdio.h>

#include "helper/sip_internal.h"
#include "nat/mangle.h"
#include "nat/nat.h"

enum { ADDR_TEXT_MAX = sizeof("[0000:0000:0000:0000:0000:0000:0000:0000]:65535") };

static bool replace(struct sip_msg *msg, struct sip_span span, const char *text)
{
	const struct ct_help_call *call = msg->call;
	bool is_tcp = ct_proto_num(call->ct) == IPPROTO_TCP;
	uint32_t payload = call->l4_off + (is_tcp ? (call->pkt->data[call->l4_off + 12] >> 4) * 4u :
					   (uint32_t)sizeof(struct udphdr));
	uint32_t off = msg->at - payload + (uint32_t)span.off;

	if (!(is_tcp ? nat_mangle_tcp_part(call, off, (uint32_t)span.len, text) :
		       nat_mangle_udp(call, off, (uint32_t)span.len, text)))
		return false;
	msg->len += (int32_t)strlen(text) - span.len;
	return true;
}

/* In short form, as the kernel writes it: the first longest run of zeros, mapped and ISATAP addresses with dots. */
static char *write_addr6(const struct in6_addr *addr, char *text)
{
	const uint8_t *b = addr->s6_addr;
	bool is_mapped = !memcmp(b, (uint8_t[12]){ [10] = 0xff, [11] = 0xff }, 12);
	bool is_isatap = (b[8] | 2) == 2 && !b[9] && b[10] == 0x5e && b[11] == 0xfe;
	int groups = is_mapped || is_isatap ? 6 : 8, run = 1, run_at = -1;

	for (int i = 0; i < groups; i++) {
		int len = 0;

		while (i + len < groups && !b[2 * (i + len)] && !b[2 * (i + len) + 1])
			len++;
		if (len > run) {
			run = len;
			run_at = i;
		}
	}
	for (int i = 0; i < groups; i++) {
		if (i == run_at) {
			text += sprintf(text, i ? ":" : "::");
			i += run - 1;
			continue;
		}
		text += sprintf(text, "%x", b[2 * i] << 8 | b[2 * i + 1]);
		if (i < 7)
			*text++ = ':';
	}
	if (groups == 6)
		text += sprintf(text, "%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
	*text = '\0';
	return text;
}

static char *write_addr(const struct sip_msg *msg, const union nf_inet_addr *addr, bool in_brackets, char *text)
{
	const uint8_t *b = (const uint8_t *)addr;

	if (ct_family(msg->call->ct) == NFPROTO_IPV4)
		return text + sprintf(text, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	if (in_brackets)
		*text++ = '[';
	text = write_addr6(&addr->in6, text);
	if (in_brackets)
		text = stpcpy(text, "]");
	return text;
}

static void write_place(const struct sip_msg *msg, const union nf_inet_addr *addr, be16 port, char *text)
{
	sprintf(write_addr(msg, addr, true, text), ":%u", ntohs(port));
}

/* One end of the connection is named as the other side knows it; anybody else stays. */
static bool map_place(struct sip_msg *msg, const struct sip_place *place)
{
	const struct ct_tuple *here = sip_tuple(msg, msg->call->dir), *there = sip_tuple(msg, !msg->call->dir);
	be16 forced = sip_help_data(msg)->of.sip.forced_port, port;
	const union nf_inet_addr *addr;
	char text[ADDR_TEXT_MAX];

	if (ct_addr_equal(&here->src, &place->addr) && here->src_l4.port == place->port) {
		addr = &there->dst;
		port = there->dst_l4.port;
	} else if (ct_addr_equal(&here->dst, &place->addr) && here->dst_l4.port == place->port) {
		addr = &there->src;
		port = forced ? forced : there->src_l4.port;
	} else {
		return true;
	}
	if (ct_addr_equal(addr, &place->addr) && port == place->port)
		return true;
	write_place(msg, addr, port, text);
	return replace(msg, place->text, text);
}

static bool map_header(struct sip_msg *msg, enum sip_header_id id)
{
	struct sip_place place;

	return sip_header_place(msg, id, &place) != SIP_FOUND || map_place(msg, &place);
}

/* An address in a parameter: @old in this direction is @new on the other side. */
static bool map_param_addr(struct sip_msg *msg, int32_t from, const char *name, bool is_uri, const union nf_inet_addr *old,
			   const union nf_inet_addr *new)
{
	union nf_inet_addr addr;
	char text[ADDR_TEXT_MAX];
	struct sip_span span;

	if (!sip_param_addr(msg, from, name, is_uri, &span, &addr) || !ct_addr_equal(&addr, old) || ct_addr_equal(&addr, new))
		return true;
	write_addr(msg, new, is_uri, text);
	return replace(msg, span, text);
}

static bool map_rport(struct sip_msg *msg, int32_t from, be16 old, be16 new)
{
	char text[sizeof("65535")];
	struct sip_span span;
	uint32_t port;

	if (sip_param_number(msg, from, "rport=", &span, &port) != SIP_FOUND || port < SIP_PORT_MIN || port > UINT16_MAX ||
	    htons((uint16_t)port) != old || old == new)
		return true;
	snprintf(text, sizeof(text), "%u", ntohs(new));
	return replace(msg, span, text);
}

/* The topmost Via, when it is about this connection, with its parameters: where the sender was seen. */
static unsigned int map_via(struct sip_msg *msg, bool is_request)
{
	const struct ct_help_call *call = msg->call;
	const struct ct_tuple *here = sip_tuple(msg, call->dir), *there = sip_tuple(msg, !call->dir);
	const union nf_inet_addr *addr = is_request ? &here->src : &here->dst;
	be16 port = is_request ? here->src_l4.port : here->dst_l4.port;
	int32_t len = msg->len, behind;
	struct sip_place via;

	if (sip_header_place(msg, ct_proto_num(call->ct) == IPPROTO_TCP ? SIP_VIA_TCP : SIP_VIA_UDP, &via) != SIP_FOUND ||
	    !ct_addr_equal(&via.addr, addr) || via.port != port)
		return NF_ACCEPT;
	if (!map_place(msg, &via))
		return ct_help_refuse(call, "cannot mangle Via header");
	behind = via.text.off + via.text.len + msg->len - len;
	if (!map_param_addr(msg, behind, "maddr=", true, &here->src, &there->dst))
		return ct_help_refuse(call, "cannot mangle maddr");
	if (!map_param_addr(msg, behind, "received=", false, &here->dst, &there->src))
		return ct_help_refuse(call, "cannot mangle received");
	if (!map_rport(msg, behind, here->dst_l4.port, there->src_l4.port))
		return ct_help_refuse(call, "cannot mangle rport");
	return NF_ACCEPT;
}

/* Answers go to the port where the phone listens, not to the one it sent from. */
static unsigned int force_port(struct sip_msg *msg)
{
	const struct ct_help_call *call = msg->call;

	if (ct_proto_num(call->ct) != IPPROTO_UDP)
		return NF_DROP;
	memcpy(call->pkt->data + call->l4_off + offsetof(struct udphdr, dest), &sip_help_data(msg)->of.sip.forced_port,
	       sizeof(be16));
	return nat_mangle_udp(call, 0, 0, "") ? NF_ACCEPT : ct_help_refuse(call, "cannot mangle packet");
}

unsigned int sip_nat_message(struct sip_msg *msg)
{
	const struct ct_help_call *call = msg->call;
	bool is_request = !sip_has_word(msg, 0, "SIP/2.0");
	struct sip_walk walk = { 0 };
	struct sip_place place;

	if (is_request && sip_request_place(msg, &place) == SIP_FOUND && !map_place(msg, &place))
		return ct_help_refuse(call, "cannot mangle SIP message");
	if (map_via(msg, is_request) != NF_ACCEPT)
		return NF_DROP;
	/* The next one is looked for where this one ended before it changed its length: Linux may miss it, too. */
	while (sip_next_place(msg, SIP_CONTACT, &walk, &place) == SIP_FOUND)
		if (!map_place(msg, &place))
			return ct_help_refuse(call, "cannot mangle contact");
	if (!map_header(msg, SIP_FROM) || !map_header(msg, SIP_TO))
		return ct_help_refuse(call, "cannot mangle SIP from/to");
	if (call->dir == IP_CT_DIR_REPLY && sip_help_data(msg)->of.sip.forced_port)
		return force_port(msg);
	return NF_ACCEPT;
}

/* --- expectations --- */
/* The other half of a call's media: what goes out from where the announced one of the pair comes in. */
static const struct ct_expect *find_pair(const struct ct *ct)
{
	const struct ct_help *help = ct_help_of(ct_master(ct));
	const struct ct_tuple *tuple = ct_tuple(ct, IP_CT_DIR_ORIGINAL);

	if (!help)
		return NULL;
	list_for_each(node, &help->expectations) {
		const struct ct_expect *exp = list_entry(node, struct ct_expect, by_master);

		if (exp->tuple.family == tuple->family && exp->tuple.proto == tuple->proto &&
		    ct_addr_equal(&exp->saved_addr, &tuple->src) && exp->saved_port == tuple->src_l4.port)
			return exp;
	}
	return NULL;
}

/* ct_expect.arrived: it goes to who was meant, and comes from where answers to it are expected. */
void sip_nat_arrived(struct instance *inst, struct ct *ct, const struct ct_expect *exp)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED };
	const struct ct_expect *pair;

	range.min_addr = range.max_addr = exp->saved_addr;
	range.min_proto.all = range.max_proto.all = exp->saved_port;
	nat_setup(inst, ct, &range, NAT_MANIP_DST);
	pair = exp->class == SIP_SIGNALLING ? NULL : find_pair(ct);
	if (pair) {
		range.min_addr = range.max_addr = pair->tuple.dst;
		range.min_proto.all = range.max_proto.all = pair->tuple.dst_l4.all;
	} else if (ct_addr_equal(&ct_tuple(ct, IP_CT_DIR_ORIGINAL)->src, &ct_tuple(exp->master, exp->dir)->src)) {
		range.flags = NF_NAT_RANGE_MAP_IPS;
		range.min_addr = range.max_addr = ct_tuple(exp->master, !exp->dir)->dst;
	} else {
		return;
	}
	nat_setup(inst, ct, &range, NAT_MANIP_SRC);
}

/* From @exp's destination as its owner knows it to the one seen outside; the port stays, so far. */
static void turn_outside(const struct sip_msg *msg, struct ct_expect *exp)
{
	const struct ct_tuple *here = sip_tuple(msg, msg->call->dir), *there = sip_tuple(msg, !msg->call->dir);

	exp->saved_addr = exp->tuple.dst;
	exp->saved_port = exp->tuple.dst_l4.port;
	exp->dir = !msg->call->dir;
	exp->arrived = sip_nat_arrived;
	if (!ct_addr_equal(&here->src, &there->dst))
		exp->tuple.dst = there->dst;
}

unsigned int sip_nat_expect(struct sip_msg *msg, struct ct_expect *exp, struct sip_span span)
{
	const struct ct_help_call *call = msg->call;
	be16 forced = sip_help_data(msg)->of.sip.forced_port;
	be16 sent_from = forced ? forced : sip_tuple(msg, call->dir)->src_l4.port;
	struct ct_expect *made;
	char text[ADDR_TEXT_MAX];
	uint16_t port;

	turn_outside(msg, exp);
	/* Where it sends from is where it listens: let it be one port outside, too. */
	if (exp->tuple.dst_l4.port == sent_from)
		exp->tuple.dst_l4.port = sip_tuple(msg, !call->dir)->dst_l4.port;
	port = nat_expect_port(call->inst, exp, &made);
	if (!port)
		return ct_help_refuse(call, "all ports in use for SIP");
	if (ct_addr_equal(&exp->tuple.dst, &exp->saved_addr) && htons(port) == exp->saved_port)
		return NF_ACCEPT;
	write_place(msg, &exp->tuple.dst, htons(port), text);
	if (replace(msg, span, text))
		return NF_ACCEPT;
	ct_expect_remove(call->inst, made);
	return ct_help_refuse(call, "cannot mangle packet");
}

/* The pair's own ports, or the next two that are free. false: there are none. */
static bool add_pair(struct instance *inst, struct ct_expect *rtp, struct ct_expect *rtcp, struct ct_expect *made[2])
{
	for (uint32_t port = ntohs(rtp->tuple.dst_l4.port); port && port <= UINT16_MAX; port += 2) {
		int err;

		rtp->tuple.dst_l4.port = htons((uint16_t)port);
		err = ct_expect_add(inst, rtp, &made[0]);
		if (err == -EBUSY)
			continue;
		if (err)
			return false;
		rtcp->tuple.dst_l4.port = htons((uint16_t)(port + 1));
		err = ct_expect_add(inst, rtcp, &made[1]);
		if (!err)
			return true;
		ct_expect_remove(inst, made[0]);
		if (err != -EBUSY)
			return false;
	}
	return false;
}

unsigned int sip_nat_expect_media(struct sip_msg *msg, struct ct_expect *rtp, struct ct_expect *rtcp, struct sip_span port,
				  union nf_inet_addr *addr)
{
	const struct ct_help_call *call = msg->call;
	struct ct_expect *made[2];

	turn_outside(msg, rtp);
	turn_outside(msg, rtcp);
	*addr = rtp->tuple.dst;
	if (!add_pair(call->inst, rtp, rtcp, made))
		return ct_help_refuse(call, "all ports in use for SDP media");
	if (rtp->tuple.dst_l4.port == rtp->saved_port || sip_nat_media_port(msg, port, ntohs(rtp->tuple.dst_l4.port)))
		return NF_ACCEPT;
	ct_expect_remove(call->inst, made[0]);
	ct_expect_remove(call->inst, made[1]);
	return ct_help_refuse(call, "cannot mangle SDP message");
}

/* --- session descriptions --- */
static bool fix_content_length(struct sip_msg *msg)
{
	struct sip_span version, length;
	char text[sizeof("4294967295")];

	if (sdp_line(msg, 0, SDP_VERSION, SDP_ANY, &version) != SIP_FOUND ||
	    sip_header(msg, 0, SIP_CONTENT_LENGTH, &length) != SIP_FOUND)
		return false;
	snprintf(text, sizeof(text), "%u", (uint32_t)(msg->len - version.off) + (uint32_t)sizeof("v=") - 1);
	return replace(msg, length, text);
}

bool sip_nat_media_port(struct sip_msg *msg, struct sip_span port, uint16_t value)
{
	char text[sizeof("65535")];

	snprintf(text, sizeof(text), "%u", value);
	return replace(msg, port, text) && fix_content_length(msg);
}

bool sip_nat_media_addr(struct sip_msg *msg, int32_t from, const union nf_inet_addr *addr)
{
	char text[ADDR_TEXT_MAX];
	struct sip_span span;

	write_addr(msg, addr, false, text);
	return sdp_line(msg, from, SDP_CONNECTION, SDP_MEDIA, &span) == SIP_FOUND && replace(msg, span, text) &&
	       fix_content_length(msg);
}

bool sip_nat_session_addr(struct sip_msg *msg, int32_t from, const union nf_inet_addr *addr)
{
	char text[ADDR_TEXT_MAX];
	struct sip_span span;

	write_addr(msg, addr, false, text);
	if (sdp_line(msg, from, SDP_OWNER, SDP_MEDIA, &span) != SIP_FOUND || !replace(msg, span, text))
		return false;
	/* Where each stream has an address of its own the session needs none. */
	if (sdp_line(msg, from, SDP_CONNECTION, SDP_MEDIA, &span) == SIP_FOUND && !replace(msg, span, text))
		return false;
	return fix_content_length(msg);
}
