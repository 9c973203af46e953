/*
 * ext/target/synproxy.c - "-j SYNPROXY": clients prove that they exist before the server hears of them.
 * The target answers SYNs and takes the ACKs that answer back; the hook just before confirmation plays the client to the
 * server, and later moves sequence numbers and clocks, since the two sides were told different ones.
 */
#include "base/uapi.h"

#include <stdlib.h>

#include "base/procfs.h"
#include "conntrack/conntrack.h"
#include "ext/ip6walk.h"
#include "ext/option.h"
#include "ext/state.h"
#include "ext/synproxy.h"

enum {
	TS_BITS = 6,			/* of the clock that a SYN/ACK tells hold what the client's SYN had */
	TS_WSCALE_NONE = 0xf, TS_SACK_PERM = 1 << 4, TS_ECN = 1 << 5,
	OPTION_END = 0, OPTION_NOP = 1, OPTION_TIMESTAMP = 8, TIMESTAMP_LEN = 10,
};

struct synproxy {
	struct instance *inst;
	struct ct *template;		/* of the connections to servers */
	unsigned int rules4, rules6;
	struct { uint32_t syn_received, cookie_invalid, cookie_valid, cookie_retrans, conn_reopened; } stats;
};

static void stats_print(void *priv, struct strbuf *out)
{
	const struct synproxy *proxy = priv;

	sb_adds(out, "entries\t\tsyn_received\tcookie_invalid\tcookie_valid\tcookie_retrans\tconn_reopened\n");
	sb_printf(out, "%08x\t%08x\t%08x\t%08x\t%08x\t%08x\n", 0, proxy->stats.syn_received, proxy->stats.cookie_invalid,
		  proxy->stats.cookie_valid, proxy->stats.cookie_retrans, proxy->stats.conn_reopened);
}

static void synproxy_init(struct instance *inst, void *state)
{
	struct synproxy *proxy = state;

	proxy->inst = inst;
	proxy->template = ct_template_new(inst, NULL);
	if (proxy->template && !ct_synproxy_add(proxy->template)) {
		ct_put(inst, proxy->template);
		proxy->template = NULL;
	}
	proc_register(inst->files, &(struct proc_file){ .path = "/proc/net/stat/synproxy", .print = stats_print, .priv = proxy });
}

static void synproxy_end(struct instance *inst, void *state)
{
	ct_put(inst, ((struct synproxy *)state)->template);
}

static const struct ext_state_kind synproxy_kind = {
	.size = sizeof(struct synproxy), .init = synproxy_init, .end = synproxy_end,
};

/* --- what a segment says --- */

struct segment {
	uint32_t off, seq, ack;
	uint16_t window;
	uint8_t flags;
};

static bool segment_read(const struct pkt *pkt, uint32_t off, struct segment *seg)
{
	const uint8_t *tcp = pkt_at(pkt, off, sizeof(struct tcphdr));

	if (!tcp)
		return false;
	*seg = (struct segment){ .off = off, .seq = get_be32(tcp + 4), .ack = get_be32(tcp + 8), .window = get_be16(tcp + 14),
				 .flags = tcp[13] };
	return true;
}

/* --- the client's side --- */

/* With a clock, the client keeps for us what its SYN wanted; without one, only the MSS survives in the cookie. */
static void answer_syn(struct synproxy *proxy, const struct pkt *pkt, const struct segment *seg, struct syn_options *opts,
		       const struct xt_synproxy_info *info)
{
	struct syn_segment synack = { .back = true, .flags = TCP_SYN | TCP_ACK, .ack = seg->seq + 1, .opts = opts, .ct = pkt->ct,
				      .ctinfo = IP_CT_ESTABLISHED_REPLY };

	proxy->stats.syn_received++;
	if ((seg->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR))
		opts->options |= XT_SYNPROXY_OPT_ECN;
	opts->options &= info->options;
	synack.seq = syn_cookie_make(proxy->inst, pkt, seg->off, opts->mss);
	opts->mss = info->mss;
	if (opts->options & XT_SYNPROXY_OPT_TIMESTAMP) {
		uint32_t now_ms = (uint32_t)(proxy->inst->now_ns / NSEC_PER_MSEC) >> TS_BITS << TS_BITS;

		opts->tsecr = opts->tsval;
		opts->tsval = now_ms | (opts->options & XT_SYNPROXY_OPT_WSCALE ? opts->wscale : TS_WSCALE_NONE) |
			      (opts->options & XT_SYNPROXY_OPT_SACK_PERM ? TS_SACK_PERM : 0) |
			      (opts->options & XT_SYNPROXY_OPT_ECN ? TS_ECN : 0);
		opts->wscale = info->wscale;
	} else {
		opts->options &= ~(XT_SYNPROXY_OPT_WSCALE | XT_SYNPROXY_OPT_SACK_PERM | XT_SYNPROXY_OPT_ECN);
	}
	if (opts->options & XT_SYNPROXY_OPT_ECN)
		synack.flags |= TCP_ECE;
	syn_send(proxy->inst, pkt, seg->off, &synack);
}

/* The cookie came back: a SYN to the server in the client's name. Its ack number tells the hook what the client was told. */
static bool take_ack(struct synproxy *proxy, const struct pkt *pkt, const struct segment *seg, struct syn_options *opts,
		     uint32_t first)
{
	uint16_t mss = syn_cookie_check(proxy->inst, pkt, seg->off, seg->ack - 1);
	struct syn_segment syn = { .flags = TCP_SYN, .seq = first - 1, .ack = seg->ack - 1, .window = seg->window, .opts = opts,
				   .ct = proxy->template, .ctinfo = IP_CT_NEW };

	if (!mss) {
		proxy->stats.cookie_invalid++;
		return false;
	}
	proxy->stats.cookie_valid++;
	opts->mss = mss;
	opts->options |= XT_SYNPROXY_OPT_MSS;
	if (opts->options & XT_SYNPROXY_OPT_TIMESTAMP) {
		opts->wscale = opts->tsecr & 0xf;
		if (opts->wscale != TS_WSCALE_NONE)
			opts->options |= XT_SYNPROXY_OPT_WSCALE;
		if (opts->tsecr & TS_SACK_PERM)
			opts->options |= XT_SYNPROXY_OPT_SACK_PERM;
		if (opts->tsecr & TS_ECN)
			opts->options |= XT_SYNPROXY_OPT_ECN;
	}
	if (opts->options & XT_SYNPROXY_OPT_ECN)
		syn.flags |= TCP_ECE | TCP_CWR;
	syn_send(proxy->inst, pkt, seg->off, &syn);
	return true;
}

static bool checksum_holds(const struct pkt *pkt, uint32_t off)
{
	uint32_t len, sum;

	if (pkt->flags & PKT_FLAG_CSUM_TRUSTED)
		return true;
	if (off > pkt->len)
		return false;
	len = pkt->len - off;
	sum = pkt->l.family == NFPROTO_IPV4 ? csum_pseudo4(pkt_ip4(pkt)->saddr, pkt_ip4(pkt)->daddr, IPPROTO_TCP, len) :
					      csum_pseudo6(&pkt_ip6(pkt)->saddr, &pkt_ip6(pkt)->daddr, IPPROTO_TCP, len);
	return csum_fold(csum_partial(pkt->data + off, len, sum)) == 0;
}

static unsigned int gone(struct instance *inst, struct pkt *pkt)
{
	pkt_free(inst, pkt);
	return NF_STOLEN;
}

static unsigned int synproxy_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_synproxy_info *info = data;
	struct synproxy *proxy = ext_state_if_any(call->inst, &synproxy_kind);
	struct syn_options opts = { 0 };
	struct segment seg;

	if (!checksum_holds(pkt, call->thoff) || !segment_read(pkt, call->thoff, &seg) ||
	    !syn_options_read(pkt, seg.off, &opts))
		return NF_DROP;
	if (seg.flags & TCP_SYN && !(seg.flags & (TCP_ACK | TCP_FIN | TCP_RST))) {
		answer_syn(proxy, pkt, &seg, &opts, info);
		return gone(call->inst, pkt);
	}
	if (seg.flags & TCP_ACK && !(seg.flags & (TCP_FIN | TCP_RST | TCP_SYN)))
		return take_ack(proxy, pkt, &seg, &opts, seg.seq) ? gone(call->inst, pkt) : NF_DROP;
	return XT_CONTINUE;
}

/* --- the server's side --- */

/* The server has answered: the handshake is finished in the client's name, and the client learns the window. */
static void finish_handshake(struct synproxy *proxy, const struct pkt *pkt, const struct segment *seg, struct syn_options *opts)
{
	struct instance *inst = proxy->inst;
	struct ct *ct = pkt->ct;
	struct ct_synproxy *told = ct_synproxy_of(ct);
	uint32_t server_clock = opts->tsval, client_clock = opts->tsecr;
	struct syn_segment to_server = { .back = true, .flags = TCP_ACK, .seq = seg->ack, .ack = seg->seq + 1, .opts = opts,
					 .window = (uint16_t)ct->proto.tcp.seen[IP_CT_DIR_ORIGINAL].td_maxwin };
	struct syn_segment to_client = { .flags = TCP_ACK, .seq = seg->seq + 1, .ack = seg->ack, .opts = opts,
					 .window = seg->window >> opts->wscale, .ct = ct, .ctinfo = IP_CT_ESTABLISHED_REPLY };

	if (opts->options & XT_SYNPROXY_OPT_TIMESTAMP) {
		told->tsoff = server_clock - told->its;
		ct_event_note(ct, IPCT_SYNPROXY);
	}
	opts->options &= ~(XT_SYNPROXY_OPT_MSS | XT_SYNPROXY_OPT_WSCALE | XT_SYNPROXY_OPT_SACK_PERM);
	opts->tsval = client_clock;
	opts->tsecr = server_clock;
	syn_send(inst, pkt, seg->off, &to_server);
	ct_seqadj_begin(ct, ctinfo_dir(pkt->ctinfo), (int32_t)(told->isn - seg->seq));
	ct_event_note(ct, IPCT_SEQADJ);
	opts->tsval = server_clock;
	opts->tsecr = client_clock;
	syn_send(inst, pkt, seg->off, &to_client);
}

/* What the server's clock says is shown to the client as the clock it was told, and its echo turned back. */
static void move_clock(struct pkt *pkt, uint32_t off, int dir, uint32_t by)
{
	uint8_t *tcp = pkt->data + off, *at = tcp + sizeof(struct tcphdr), *end = tcp + (tcp[12] >> 4) * 4;
	be16 check;

	if (!by || end > pkt->data + pkt->len)
		return;
	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return;
		if (at[0] == OPTION_TIMESTAMP && at[1] == TIMESTAMP_LEN) {
			uint8_t *clock = dir == IP_CT_DIR_REPLY ? at + 2 : at + 6;
			be32 before, after = htonl(dir == IP_CT_DIR_REPLY ? get_be32(clock) - by : get_be32(clock) + by);

			memcpy(&before, clock, sizeof(before));
			memcpy(clock, &after, sizeof(after));
			memcpy(&check, tcp + offsetof(struct tcphdr, check), sizeof(check));
			csum_replace4(&check, before, after);
			memcpy(tcp + offsetof(struct tcphdr, check), &check, sizeof(check));
		}
		at += at[1];
	}
}

static unsigned int proxied(struct synproxy *proxy, struct pkt *pkt, uint32_t off)
{
	struct instance *inst = proxy->inst;
	struct ct *ct = pkt->ct;
	struct ct_synproxy *told = ct_synproxy_of(ct);
	int dir = ctinfo_dir(pkt->ctinfo);
	struct syn_options opts = { 0 };
	struct segment seg;

	if (!segment_read(pkt, off, &seg))
		return NF_DROP;
	switch (ct->proto.tcp.state) {
	case TCP_CONNTRACK_CLOSE:
		if (seg.flags & TCP_RST && dir != IP_CT_DIR_ORIGINAL) {	/* the server refuses: in numbers that the client knows */
			ct_seqadj_begin(ct, dir, (int32_t)(told->isn - seg.seq + 1));
			break;
		}
		if (!(seg.flags & TCP_SYN) || seg.flags & TCP_ACK || dir != IP_CT_DIR_ORIGINAL)
			break;
		told->tsoff = 0;		/* begun again; the new numbers come with the server's answer */
		proxy->stats.conn_reopened++;
		/* fallthrough */
	case TCP_CONNTRACK_SYN_SENT:
		if (!syn_options_read(pkt, off, &opts))
			return NF_DROP;
		if (!(seg.flags & TCP_SYN) && seg.flags & TCP_ACK && dir == IP_CT_DIR_ORIGINAL) {
			/* a keep-alive repeats the number before its next one */
			if (!take_ack(proxy, pkt, &seg, &opts, seg.seq + 1))
				return NF_DROP;
			proxy->stats.cookie_retrans++;
			return gone(inst, pkt);
		}
		told->isn = seg.ack;
		if (opts.options & XT_SYNPROXY_OPT_TIMESTAMP)
			told->its = opts.tsecr;
		ct_event_note(ct, IPCT_SYNPROXY);
		break;
	case TCP_CONNTRACK_SYN_RECV:
		if ((seg.flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK))
			break;
		if (!syn_options_read(pkt, off, &opts))
			return NF_DROP;
		finish_handshake(proxy, pkt, &seg, &opts);
		return gone(inst, pkt);
	}
	move_clock(pkt, off, dir, told->tsoff);
	return NF_ACCEPT;
}

static unsigned int synproxy_hook(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	uint32_t off;

	if (!pkt->ct || !ct_synproxy_of(pkt->ct) || (pkt->in && pkt->in->is_loopback))
		return NF_ACCEPT;
	if (state->family == NFPROTO_IPV4) {
		if (pkt_ip4(pkt)->protocol != IPPROTO_TCP)
			return NF_ACCEPT;
		off = pkt_ip4(pkt)->ihl * 4;
	} else {
		struct ip6_walk walk = ip6_walk(pkt);

		if (!walk.ok || walk.proto != IPPROTO_TCP)
			return NF_ACCEPT;
		off = walk.off;
	}
	return proxied(ext_state_if_any(state->inst, &synproxy_kind), pkt, off);
}

#define SYNPROXY_HOOK(family, hook) { family, hook, NF_IP_PRI_CONNTRACK_CONFIRM - 1, synproxy_hook, "synproxy" }
static const struct hook_ops hooks4[] = {
	SYNPROXY_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_IN), SYNPROXY_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING),
};
static const struct hook_ops hooks6[] = {
	SYNPROXY_HOOK(NFPROTO_IPV6, NF_INET_LOCAL_IN), SYNPROXY_HOOK(NFPROTO_IPV6, NF_INET_POST_ROUTING),
};

static int synproxy_check(void *data, const struct ext_check *check, struct refusal *why)
{
	bool is4 = check->family == NFPROTO_IPV4;
	struct synproxy *proxy;
	unsigned int *rules;

	if (check->proto != IPPROTO_TCP || check->proto_inverted || (!is4 && !(check->ip6_flags & IP6T_F_PROTO)))
		return refuse(why, -EINVAL, "SYNPROXY: only with -p tcp");
	proxy = ext_state(check->inst, &synproxy_kind);
	if (!proxy || !proxy->template || ct_hooks_get(check->inst, check->family))
		return refuse(why, -ENOMEM, "SYNPROXY: no memory");
	rules = is4 ? &proxy->rules4 : &proxy->rules6;
	if (!*rules && hook_register_all(check->inst->hooks, is4 ? hooks4 : hooks6, ARRAY_SIZE(hooks4), NULL)) {
		ct_hooks_put(check->inst, check->family);
		return refuse(why, -ENOMEM, "SYNPROXY: no memory for its hooks");
	}
	++*rules;
	return 0;
}

static void synproxy_destroy(void *data, const struct ext_check *check)
{
	struct synproxy *proxy = ext_state_if_any(check->inst, &synproxy_kind);
	bool is4 = check->family == NFPROTO_IPV4;
	unsigned int *rules = is4 ? &proxy->rules4 : &proxy->rules6;

	if (!--*rules)
		hook_unregister_all(check->inst->hooks, is4 ? hooks4 : hooks6, ARRAY_SIZE(hooks4), NULL);
	ct_hooks_put(check->inst, check->family);
}

/* --- text --- */

/* 32 bits are read and as many kept as there is room for, as upstream does. */
static int parse_number(struct opt_call *call, struct refusal *why)
{
	struct xt_synproxy_info *info = call->info;
	uint64_t number;

	if (!opt_u64(call->arg, 0, UINT32_MAX, &number))
		return refuse(why, -EINVAL, "SYNPROXY: --%s takes a number, not \"%s\"", call->name, call->arg);
	if (strcmp(call->opt->name, "mss") == 0)
		info->mss = (uint16_t)number;
	else
		info->wscale = (uint8_t)number;
	return 0;
}

#define SETS(bits) .set_at = offsetof(struct xt_synproxy_info, options), .set_bits = (bits), .set_width = 1

static const struct opt synproxy_options[] = {
	{ .name = "mss", .type = OPT_CUSTOM, .parse = parse_number, SETS(XT_SYNPROXY_OPT_MSS), .arg = "value",
	  .help = "MSS that is told to clients" },
	{ .name = "wscale", .type = OPT_CUSTOM, .parse = parse_number, SETS(XT_SYNPROXY_OPT_WSCALE), .arg = "value",
	  .help = "window scale that is told to clients" },
	{ .name = "sack-perm", .type = OPT_FLAG, SETS(XT_SYNPROXY_OPT_SACK_PERM), .help = "pass the client's SACK-permitted on" },
	{ .name = "timestamp", .type = OPT_FLAG, SETS(XT_SYNPROXY_OPT_TIMESTAMP), .help = "pass timestamps on; needed for the others" },
	{ .name = "ecn", .type = OPT_FLAG, SETS(XT_SYNPROXY_OPT_ECN), .help = "pass ECN on" },
	OPT_END
};

static void synproxy_add(const struct xt_synproxy_info *info, const char *before, const char *after, struct strbuf *out)
{
	if (info->options & XT_SYNPROXY_OPT_SACK_PERM)
		sb_printf(out, "%ssack-perm%s", before, after);
	if (info->options & XT_SYNPROXY_OPT_TIMESTAMP)
		sb_printf(out, "%stimestamp%s", before, after);
	if (info->options & XT_SYNPROXY_OPT_WSCALE)
		sb_printf(out, "%swscale %u%s", before, info->wscale, after);
	if (info->options & XT_SYNPROXY_OPT_MSS)
		sb_printf(out, "%smss %u%s", before, info->mss, after);
	if (info->options & XT_SYNPROXY_OPT_ECN)
		sb_printf(out, "%secn%s", before, after);
}

static void synproxy_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	synproxy_add(data, " --", "", out);
}

static void synproxy_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " SYNPROXY ");
	synproxy_add(data, "", " ", out);
}

static const struct ext_text synproxy_text = {
	.options = synproxy_options, .help_head = "SYNPROXY target options:", .save = synproxy_save, .print = synproxy_print,
};

const struct target target_synproxy = {
	.name = "SYNPROXY", .families = FAMILY_ANY, .info_size = sizeof(struct xt_synproxy_info),
	.hooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD, .depends = DEP_STATE | DEP_TIME | DEP_BYTES,
	.target = synproxy_target, .checkentry = synproxy_check, .destroy = synproxy_destroy, .text = &synproxy_text,
};
