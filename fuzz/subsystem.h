/*
 * fuzz/subsystem.h - one subsystem of nfnetlink and whatever a program may send it: a file that names SUBSYSTEM is a target. The instance has
 * connections of each protocol, one with a helper and what it announced, a policy, an accounting object and a helper that is a program; somebody listens to all.
 *
 * Input: steps of a kind, two bytes of length and that many bytes: a message as it is but for its subsystem; one built from a command, flags, a family and
 * attributes (type, length, bytes; from 0x80 on the bytes are attributes again); seconds that pass; a packet that a rule logs.
 */
#include <linux/netfilter/nfnetlink_acct.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_cthelper.h>
#include <linux/netfilter/nfnetlink_cttimeout.h>
#include <stdlib.h>

#include "conntrack/control.h"
#include "control/control_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP_MESSAGE, STEP_BUILT, STEP_TIME, STEP_LOG, STEP_COUNT };
enum { STEPS_MAX = 64, DEPTH_MAX = 5 };

struct program { struct instance *inst; struct control *control; struct nl_sock *sock, *listener; };

static void drain(struct nl_sock *sock)
{
	struct nl_datagram *d;

	while ((d = nl_sock_next(sock)))
		free(d);
}

static void send_to(struct program *p, const struct strbuf *msg)
{
	if (!msg->failed)
		nl_sock_send(p->sock, msg->s, msg->len);
	drain(p->sock);
	drain(p->listener);
}

static void add_attrs(struct strbuf *out, const uint8_t *data, size_t len, int depth)
{
	while (len >= 2) {
		const uint16_t type = data[0] & 0x7f;
		const size_t part = MIN_OF((size_t)data[1], len - 2);

		if (data[0] & 0x80 && depth < DEPTH_MAX) {
			size_t at = nl_nest(out, type);

			add_attrs(out, data + 2, part, depth + 1);
			nl_nest_end(out, at);
		} else {
			nl_put(out, type, data + 2, part);
		}
		data += 2 + part;
		len -= 2 + part;
	}
}

static void send_built(struct program *p, const uint8_t *data, size_t len)
{
	static const uint8_t families[] = { NFPROTO_UNSPEC, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_BRIDGE };
	struct strbuf out = STRBUF_INIT;
	size_t at;

	if (len < 3)
		return;
	at = nl_begin(&out, (uint16_t)(SUBSYSTEM << 8 | data[0] % 12), (uint16_t)(NLM_F_REQUEST | (data[1] & 0x3c) | (data[1] & 0x83) << 8), 1, 0, families[data[2] & 3], 0,
		      data[2] >> 2);
	add_attrs(&out, data + 3, len - 3, 0);
	nl_end(&out, at);
	send_to(p, &out);
	sb_free(&out);
}

/* Its length is right as often as not. */
static void send_message(struct program *p, const uint8_t *data, size_t len)
{
	struct strbuf out = STRBUF_INIT;

	sb_add(&out, (const char *)data, len);
	if (!out.failed && len >= sizeof(struct nlmsghdr))
		out.s[5] = SUBSYSTEM;
	if (out.s)
		send_to(p, &out);
	sb_free(&out);
}

static void log_packet(struct program *p, const uint8_t *data, size_t len)
{
	const struct hook_state state = { .inst = p->inst, .hooknum = NF_INET_FORWARD, .family = NFPROTO_IPV4 };
	const struct nflog log = { .prefix = "fuzz", .state = &state, .group = len ? data[0] & 3 : 0, .copy_len = len, .threshold = 2 };
	struct pkt *pkt = pkt_from_raw_ip(p->inst, NULL, data, (uint32_t)len);

	if (pkt && p->inst->observer.nflog)
		p->inst->observer.nflog(p->inst->observer.priv, pkt, &log);
	if (pkt)
		pkt_free(p->inst, pkt);
	drain(p->sock);
}

static void begin_connections(struct instance *inst)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_GRE };

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		struct ct_request req = { .has_orig = true, .has_reply = true, .has_timeout = true, .timeout_sec = 100, .zone.dir = CT_ZONE_DIR_BOTH };

		req.orig = (struct ct_tuple){ .family = NFPROTO_IPV4, .proto = protos[i], .src.ip = htonl(0xc0000201), .dst.ip = htonl(0xc0000202), .src_l4.port = htons(21), .dst_l4.port = htons(21) };
		if (protos[i] == IPPROTO_ICMP)
			req.orig.dst_l4.icmp.type = 8, req.orig.dst_l4.icmp.code = 0;
		if (protos[i] == IPPROTO_TCP)
			req.helper = "ftp";
		if (ct_tuple_invert(&req.reply, &req.orig))
			ct_control_new(inst, &req);
	}
}

/* What the subsystems' requests may name: "chat" is a helper, "quick" a policy, "count" an account. */
static void make_objects(struct program *p)
{
	static const uint8_t helper[] = { NFCTH_NAME, 5, 'c', 'h', 'a', 't', 0, 0x80 | NFCTH_TUPLE, 9, NFCTH_TUPLE_L3PROTONUM, 2, 0, 2, NFCTH_TUPLE_L4PROTONUM, 1, 6, 0, 0, NFCTH_PRIV_DATA_LEN, 4, 0, 0, 0, 8,
		0x80 | NFCTH_POLICY, 30, NFCTH_POLICY_SET_NUM, 4, 0, 0, 0, 1, 0x80 | NFCTH_POLICY_SET1, 22, NFCTH_POLICY_NAME, 5, 't', 'a', 'l', 'k', 0, NFCTH_POLICY_EXPECT_MAX, 4, 0, 0, 0, 4,
		NFCTH_POLICY_EXPECT_TIMEOUT, 4, 0, 0, 0, 60, 0 };
	static const uint8_t policy[] = { CTA_TIMEOUT_NAME, 6, 'q', 'u', 'i', 'c', 'k', 0, CTA_TIMEOUT_L3PROTO, 2, 0, 2, CTA_TIMEOUT_L4PROTO, 1, 6, 0x80 | CTA_TIMEOUT_DATA, 6, 1, 4, 0, 0, 0, 9 };
	static const uint8_t account[] = { NFACCT_NAME, 6, 'c', 'o', 'u', 'n', 't', 0 };
	static const struct { unsigned int subsystem; const uint8_t *attrs; size_t len; } objects[] = {
		{ NFNL_SUBSYS_CTHELPER, helper, sizeof(helper) }, { NFNL_SUBSYS_CTNETLINK_TIMEOUT, policy, sizeof(policy) }, { NFNL_SUBSYS_ACCT, account, sizeof(account) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		struct strbuf out = STRBUF_INIT;
		size_t at = nl_begin(&out, (uint16_t)(objects[i].subsystem << 8), NLM_F_REQUEST | NLM_F_CREATE, 1, 0, NFPROTO_IPV4, 0, 0);

		add_attrs(&out, objects[i].attrs, objects[i].len, 0);
		nl_end(&out, at);
		send_to(p, &out);
		sb_free(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct control_callbacks none = { 0 };
	struct program p = { .inst = instance_new(1, (int64_t)1000 * NSEC_PER_SEC, NULL) };

	p.control = p.inst ? control_new(p.inst, &none) : NULL;
	if (!p.control || nl_sock_open(p.control, 12, 0, 1, (struct control_cred){ true }, NULL, &p.sock) ||
	    nl_sock_open(p.control, 12, 0, 1, (struct control_cred){ false }, NULL, &p.listener))
		abort();
	nl_sock_bind(p.listener, 0, UINT32_MAX);
	ct_hooks_get(p.inst, NFPROTO_IPV4);
	begin_connections(p.inst);
	make_objects(&p);
	for (int i = 0; i < STEPS_MAX && size >= 3; i++) {
		const size_t len = MIN_OF((size_t)get_be16(data + 1), size - 3);

		switch (data[0] % STEP_COUNT) {
		case STEP_MESSAGE:
			send_message(&p, data + 3, len);
			break;
		case STEP_BUILT:
			send_built(&p, data + 3, len);
			break;
		case STEP_TIME:
			instance_advance(p.inst, p.inst->now_ns + (int64_t)(len ? data[3] : 1) * NSEC_PER_SEC);
			break;
		case STEP_LOG:
			log_packet(&p, data + 3, len);
			break;
		}
		data += 3 + len;
		size -= 3 + len;
	}
	ct_hooks_put(p.inst, NFPROTO_IPV4);
	control_free(p.control);
	instance_free(p.inst);
	return 0;
}
