/*
 * helper/sip.c - SIP: calls, over UDP and TCP.
 * A REGISTER says where calls may come in: a permanent expectation of the registrar's, asleep until it says yes. An offer
 * or an answer (INVITE, UPDATE, PRACK, ACK and what is said to them) describes media: two expectations for each stream,
 * until the call ends. A message that cannot be understood is dropped, for so does Linux.
 */
#include "helper/sip_internal.h"
#include "nat/mangle.h"

enum { SIP_MESSAGE_MIN = sizeof("SIP/2.0 200") - 1, STATUS_LINE = sizeof("SIP/2.0 ") - 1 };

static void forget_media(const struct sip_msg *msg)
{
	list_for_each_safe(node, &sip_help_data(msg)->expectations) {
		struct ct_expect *exp = list_entry(node, struct ct_expect, by_master);

		if (exp->class != SIP_SIGNALLING)
			ct_expect_remove(msg->call->inst, exp);
	}
}

static void forget_registration(const struct sip_msg *msg)
{
	list_for_each_safe(node, &sip_help_data(msg)->expectations) {
		struct ct_expect *exp = list_entry(node, struct ct_expect, by_master);

		if (exp->class == SIP_SIGNALLING) {
			ct_expect_remove(msg->call->inst, exp);
			return;
		}
	}
}

/* The registrar confirmed it; false: we know of none. */
static bool wake_registration(const struct sip_msg *msg, const struct sip_place *place, uint8_t proto, uint32_t expires_sec)
{
	list_for_each(node, &sip_help_data(msg)->expectations) {
		struct ct_expect *exp = list_entry(node, struct ct_expect, by_master);

		if (exp->class != SIP_SIGNALLING || exp->tuple.proto != proto || exp->tuple.dst_l4.port != place->port ||
		    !ct_addr_equal(&exp->tuple.dst, &place->addr))
			continue;
		exp->flags &= ~(uint32_t)NF_CT_EXPECT_INACTIVE;
		ct_expect_extend(msg->call->inst, exp, expires_sec);
		return true;
	}
	return false;
}

/* --- requests --- */
static unsigned int invite_request(struct sip_msg *msg, uint32_t cseq)
{
	unsigned int verdict;

	forget_media(msg);
	verdict = sip_media(msg);
	if (verdict == NF_ACCEPT)
		sip_help_data(msg)->of.sip.invite_cseq = cseq;
	return verdict;
}

static unsigned int media_request(struct sip_msg *msg, uint32_t cseq)
{
	return sip_media(msg);
}

static unsigned int bye_request(struct sip_msg *msg, uint32_t cseq)
{
	forget_media(msg);
	return NF_ACCEPT;
}

static uint32_t expires_header(const struct sip_msg *msg)
{
	struct sip_span value;
	int32_t end;

	return sip_header(msg, 0, SIP_EXPIRES, &value) == SIP_FOUND ? sip_number(msg, value.off, &end) : 0;
}

static int32_t behind(struct sip_span span) { return span.off + span.len; }

static unsigned int register_request(struct sip_msg *msg, uint32_t cseq)
{
	const struct ct_help_call *call = msg->call;
	uint32_t expires_sec = expires_header(msg);
	unsigned int verdict = NF_ACCEPT;
	struct sip_place contact;
	enum sip_found found;
	struct sip_span text;
	struct ct_expect exp;
	uint8_t proto;

	/* What was called in by a registration does not register. */
	if (call->ct->status & IPS_EXPECTED)
		return NF_ACCEPT;
	found = sip_header_place(msg, SIP_CONTACT, &contact);
	if (found == SIP_BAD)
		return ct_help_refuse(call, "cannot parse contact");
	/* Nobody registers another host. */
	if (found == SIP_ABSENT || !ct_addr_equal(&sip_tuple(msg, call->dir)->src, &contact.addr) ||
	    !sip_param_transport(msg, behind(contact.text), &proto))
		return NF_ACCEPT;
	if (sip_param_number(msg, behind(contact.text), "expires=", &text, &expires_sec) == SIP_BAD)
		return ct_help_refuse(call, "cannot parse expires");
	if (expires_sec) {
		ct_expect_init(&exp, call->ct, SIP_SIGNALLING,
			       ct_helper_conf(call->inst)->sip.direct_signalling ? &sip_tuple(msg, !call->dir)->src : NULL,
			       &contact.addr, proto, contact.port);
		exp.assign_helper = sip_help_data(msg)->helper;
		exp.flags = NF_CT_EXPECT_PERMANENT | NF_CT_EXPECT_INACTIVE;
		if (sip_is_translated(msg))
			verdict = sip_nat_expect(msg, &exp, contact.text);
		else if (ct_expect_add(call->inst, &exp, NULL))
			verdict = ct_help_refuse(call, "cannot add expectation");
	}	/* else the answer to it ends the registration */
	if (verdict == NF_ACCEPT)
		sip_help_data(msg)->of.sip.register_cseq = cseq;
	return verdict;
}

/* --- responses --- */
static unsigned int media_response(struct sip_msg *msg, uint32_t cseq, uint32_t code)
{
	if (code >= 100 && code <= 299)
		return sip_media(msg);
	if (sip_help_data(msg)->of.sip.invite_cseq == cseq)
		forget_media(msg);
	return NF_ACCEPT;
}

static unsigned int register_response(struct sip_msg *msg, uint32_t cseq, uint32_t code)
{
	const struct ct_help_call *call = msg->call;
	struct sip_walk walk = { 0 };
	struct sip_place contact;
	uint32_t expires_sec;

	/* Late answers to earlier requests, and preliminary ones, change nothing. */
	if (sip_help_data(msg)->of.sip.register_cseq != cseq || (code >= 100 && code <= 199))
		return NF_ACCEPT;
	expires_sec = code >= 200 && code <= 299 ? expires_header(msg) : 0;
	while (code >= 200 && code <= 299) {
		uint32_t contact_sec = expires_sec;
		enum sip_found found = sip_next_place(msg, SIP_CONTACT, &walk, &contact);
		struct sip_span text;
		uint8_t proto;

		if (found == SIP_BAD)
			return ct_help_refuse(call, "cannot parse contact");
		if (found == SIP_ABSENT)
			break;
		if (!ct_addr_equal(&sip_tuple(msg, call->dir)->dst, &contact.addr) ||
		    !sip_param_transport(msg, behind(contact.text), &proto))
			continue;
		if (sip_param_number(msg, behind(contact.text), "expires=", &text, &contact_sec) == SIP_BAD)
			return ct_help_refuse(call, "cannot parse expires");
		if (!contact_sec)
			break;
		if (wake_registration(msg, &contact, proto, contact_sec))
			return NF_ACCEPT;
	}
	forget_registration(msg);
	return NF_ACCEPT;
}

static const struct method {
	const char *name;
	unsigned int (*request)(struct sip_msg *msg, uint32_t cseq);
	unsigned int (*response)(struct sip_msg *msg, uint32_t cseq, uint32_t code);
} methods[] = {
	{ "INVITE", invite_request, media_response },
	{ "UPDATE", media_request, media_response },
	{ "ACK", media_request, NULL },
	{ "PRACK", media_request, media_response },
	{ "BYE", bye_request, NULL },
	{ "REGISTER", register_request, register_response },
};

/* CSeq's number; NF_DROP with the reason told: there is none. */
static unsigned int read_cseq(const struct sip_msg *msg, uint32_t *cseq, struct sip_span *text)
{
	int32_t end;

	if (sip_header(msg, 0, SIP_CSEQ, text) != SIP_FOUND)
		return ct_help_refuse(msg->call, "cannot parse cseq");
	*cseq = sip_number(msg, text->off, &end);
	return end == text->off ? ct_help_refuse(msg->call, "cannot get cseq") : NF_ACCEPT;
}

static unsigned int response(struct sip_msg *msg)
{
	struct sip_span text;
	uint32_t code, cseq;
	int32_t end;

	if (msg->len < SIP_MESSAGE_MIN)
		return NF_ACCEPT;
	code = sip_number(msg, STATUS_LINE, &end);
	if (!code)
		return ct_help_refuse(msg->call, "cannot get code");
	if (read_cseq(msg, &cseq, &text) != NF_ACCEPT)
		return NF_DROP;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].response && msg->len >= behind(text) + 1 + (int32_t)strlen(methods[i].name) &&
		    sip_has_word(msg, behind(text) + 1, methods[i].name))
			return methods[i].response(msg, cseq, code);
	return NF_ACCEPT;
}

static unsigned int request(struct sip_msg *msg)
{
	const struct ct_tuple *tuple = sip_tuple(msg, msg->call->dir);
	struct sip_place via;

	/* Phones that send from one port and listen at another say so; NAT will bring the answers there. */
	if (sip_header_place(msg, SIP_VIA_UDP, &via) == SIP_FOUND && via.port != tuple->src_l4.port &&
	    ct_addr_equal(&via.addr, &tuple->src))
		sip_help_data(msg)->of.sip.forced_port = via.port;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		int32_t len = (int32_t)strlen(methods[i].name);
		struct sip_span text;
		uint32_t cseq;

		if (msg->len < len + 2 || !sip_has_word(msg, 0, methods[i].name) || sip_bytes(msg)[len] != ' ' ||
		    !sip_is_alpha(sip_bytes(msg)[len + 1]))
			continue;
		if (read_cseq(msg, &cseq, &text) != NF_ACCEPT)
			return NF_DROP;
		return methods[i].request(msg, cseq);
	}
	return NF_ACCEPT;
}

static unsigned int message(struct sip_msg *msg)
{
	unsigned int verdict = sip_has_word(msg, 0, "SIP/2.0 ") ? response(msg) : request(msg);

	if (verdict == NF_ACCEPT && sip_is_translated(msg) && sip_nat_message(msg) != NF_ACCEPT)
		return ct_help_refuse(msg->call, "cannot NAT SIP message");
	return verdict;
}

static void begin(const struct ct_help_call *call)
{
	ct_refresh(call->inst, call->ct, call->ctinfo, NULL, ct_helper_conf(call->inst)->sip.timeout * WEIR_HZ);
	pkt_forget_pieces(call->pkt);		/* Linux makes it linear here */
}

static unsigned int sip_udp_help(const struct ct_help_call *call)
{
	struct sip_msg msg = { .call = call, .at = call->l4_off + (uint32_t)sizeof(struct udphdr) };

	if (msg.at >= call->pkt->len)
		return NF_ACCEPT;
	begin(call);
	msg.len = (int32_t)(call->pkt->len - msg.at);
	return msg.len < SIP_MESSAGE_MIN ? NF_ACCEPT : message(&msg);
}

/* How long the first message of a stream is, by its Content-Length; 0: it does not say, or its headers do not end. */
static int64_t framed_length(const struct sip_msg *stream)
{
	static const char end_of_headers[] = "\r\n\r\n";
	const int32_t end_len = sizeof(end_of_headers) - 1;
	struct sip_span value;
	int32_t off;
	uint32_t body;

	if (sip_header(stream, 0, SIP_CONTENT_LENGTH, &value) != SIP_FOUND)
		return 0;
	body = sip_number(stream, value.off, &off);
	if (off == value.off || body > (uint32_t)stream->len)
		return 0;
	for (; off + end_len <= stream->len; off++)
		if (memcmp(sip_bytes(stream) + off, end_of_headers, (size_t)end_len) == 0)
			return (int64_t)off + end_len + body;
	return 0;
}

/* Messages that are all there; what is cut, at the end of a segment or at its beginning, passes unread. */
static unsigned int sip_tcp_help(const struct ct_help_call *call)
{
	unsigned int verdict = NF_ACCEPT;
	int32_t longer = 0;
	uint32_t at, len;

	if (!ct_help_is_established(call) || !ct_help_tcp_payload(call, &at, &len))
		return NF_ACCEPT;
	begin(call);
	if (len < SIP_MESSAGE_MIN)
		return NF_ACCEPT;
	while (verdict == NF_ACCEPT) {
		struct sip_msg msg = { .call = call, .at = at, .len = (int32_t)(call->pkt->len - at) };
		int64_t framed = framed_length(&msg);

		if (!framed)
			break;
		/* Linux leaves here at once: what was changed before it in this segment stays without new numbers. */
		if (framed > msg.len)
			return NF_ACCEPT;
		msg.len = (int32_t)framed;
		verdict = message(&msg);
		longer += msg.len - (int32_t)framed;
		at += (uint32_t)msg.len;
	}
	if (verdict == NF_ACCEPT && call->ct->status & IPS_NAT_MASK)
		ct_seqadj_note(call->ct, call->dir, get_be32(call->pkt->data + call->l4_off + 4), longer);
	return verdict;
}

static const struct ct_expect_policy media_policies[] = {
	[SIP_AUDIO - 1] = { .max_expected = 2 * IP_CT_DIR_MAX, .timeout_sec = 180, .name = "audio" },
	[SIP_VIDEO - 1] = { .max_expected = 2 * IP_CT_DIR_MAX, .timeout_sec = 180, .name = "video" },
	[SIP_IMAGE - 1] = { .max_expected = IP_CT_DIR_MAX, .timeout_sec = 180, .name = "image" },
};

const struct ct_helper ct_helper_sip_udp = {
	.name = "sip", .proto = IPPROTO_UDP, .ip4 = true, .ip6 = true,
	.policy = { .max_expected = 1, .timeout_sec = 180, .name = "signalling" }, .more_policies = media_policies,
	.help = sip_udp_help, .arrivals = { sip_nat_arrived }, .arrival_names = { "sip" },
};

const struct ct_helper ct_helper_sip_tcp = {
	.name = "sip", .proto = IPPROTO_TCP, .ip4 = true, .ip6 = true,
	.policy = { .max_expected = 1, .timeout_sec = 180, .name = "signalling" }, .more_policies = media_policies,
	.help = sip_tcp_help, .arrivals = { sip_nat_arrived }, .arrival_names = { "sip" },
};
