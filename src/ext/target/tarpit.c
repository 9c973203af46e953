/*
 * ext/target/tarpit.c - "-j TARPIT": plays a listening server without keeping anything, and drops the packet: --tarpit accepts the
 * connection and closes its window, --honeypot goes on acknowledging, --reset resets. "-j DELUDE" answers a SYN as if
 * the port were open and resets everything else. "-j CHAOS" rejects or plays with one in a hundred packets each, by chance, and
 * drops the rest. (xtables-addons; TARPIT of IPv6 does what that of IPv4 does)
 */
#include "base/uapi.h"

#include "ext/addons.h"
#include "ext/target/answer.h"
#include "path/path.h"
#include "route/route.h"

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };
enum { SEQ = 4, ACK_SEQ = 8, OFFSET = 12, FLAGS = 13, WINDOW = 14 };	/* in the TCP header */
enum { TARPIT_WINDOW = 5, HONEYPOT_HOPS = 128, WORTH_READING = 100 };
enum { HOOKS_IN = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD };
static const uint32_t honeypot_seq = 0xdeadbeef;	/* of its resets: who answers them gives himself away */

static unsigned int dropped(struct pkt *pkt)
{
	pkt->drop_reason = DROP_RULE;
	return NF_DROP;
}

/* A window of 5 lets the handshake pass, 0 keeps the other side asking. */
static bool play_tarpit(uint8_t *out, const uint8_t *in)
{
	uint8_t flags = in[FLAGS];

	if (flags & (TCP_RST | TCP_FIN) || !(flags & (TCP_SYN | TCP_ACK)))
		return false;
	if (flags & TCP_ACK)
		memcpy(out + SEQ, in + ACK_SEQ, 4);
	if (flags & TCP_SYN && flags & TCP_ACK) {
		out[FLAGS] = TCP_RST;
		return true;
	}
	put_be16(out + WINDOW, flags & TCP_SYN ? TARPIT_WINDOW : 0);
	out[FLAGS] = TCP_ACK | (flags & TCP_SYN);
	put_be32(out + ACK_SEQ, get_be32(in + SEQ) + !!(flags & TCP_SYN));
	return true;
}

static bool play_honeypot(struct rng *rng, uint8_t *out, const uint8_t *in, uint32_t payload)
{
	uint8_t flags = in[FLAGS];
	/* a window of its sender's own bits, a little different each time */
	uint16_t window = get_be16(in + WINDOW) & (uint16_t)(rng_below(rng, 32) - 15);

	if (flags & TCP_RST || get_be32(in + SEQ) == honeypot_seq)
		return false;
	if (flags & TCP_SYN && flags & TCP_ACK) {
		out[FLAGS] = TCP_RST | TCP_PSH;
		put_be32(out + ACK_SEQ, honeypot_seq);
		memcpy(out + SEQ, in + ACK_SEQ, 4);
	} else if (flags & TCP_SYN) {
		out[FLAGS] = TCP_SYN | TCP_ACK;
		put_be16(out + WINDOW, window);
		put_be32(out + SEQ, rng_u32(rng));
		put_be32(out + ACK_SEQ, get_be32(in + SEQ) + 1);
	} else if (flags & TCP_ACK && !(flags & TCP_FIN)) {
		out[FLAGS] = TCP_ACK;
		put_be16(out + WINDOW, window);
		put_be32(out + ACK_SEQ, get_be32(in + SEQ) + (payload > WORTH_READING ? payload : 0));
		memcpy(out + SEQ, in + ACK_SEQ, 4);
	}
	if (flags & TCP_FIN) {
		out[FLAGS] = TCP_RST;
		put_be16(out + WINDOW, 0);
		memcpy(out + SEQ, in + ACK_SEQ, 4);
		memcpy(out + ACK_SEQ, in + ACK_SEQ, 4);
	}
	return true;
}

static void tarpit_answer(struct instance *inst, struct pkt *pkt, uint8_t variant, uint8_t family)
{
	uint32_t payload = 0;
	const uint8_t *in = answerable_segment(pkt, family, &payload);
	bool plays = true, is_honeypot = variant == XTTARPIT_HONEYPOT;
	struct pkt *made;
	uint8_t *out;

	made = in ? answer_new(inst, pkt, family, IPPROTO_TCP, sizeof(struct tcphdr), in, &out) : NULL;
	if (!made)
		return;
	out[OFFSET] = sizeof(struct tcphdr) / 4 << 4;
	if (variant == XTTARPIT_RESET) {
		out[FLAGS] = TCP_RST;
		memcpy(out + SEQ, in + ACK_SEQ, 4);
		memcpy(out + ACK_SEQ, in + SEQ, 4);
	} else {
		plays = is_honeypot ? play_honeypot(&inst->rng, out, in, payload) : play_tarpit(out, in);
	}
	if (!plays) {
		pkt_free(inst, made);
		return;
	}
	if (family == NFPROTO_IPV4) {
		pkt_ip4(made)->tos = pkt_ip4(pkt)->tos;
		pkt_ip4(made)->id = is_honeypot ? (be16)(~pkt_ip4(pkt)->id + 1) : 0;
	}
	answer_send(inst, made, pkt, family, is_honeypot ? HONEYPOT_HOPS : 0);
}

/* Whole packets to one host, without options. */
static bool is_plain(const struct pkt *pkt, uint8_t family)
{
	if (pkt->type != PACKET_HOST || pkt->route.kind == ROUTE_NONE || pkt->route.flags & (ROUTE_BROADCAST | ROUTE_MULTICAST))
		return false;
	return pkt->l.l4_off == (family == NFPROTO_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) && !pkt->l.frag_off;
}

static unsigned int tarpit_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	if (is_plain(pkt, call->family))
		tarpit_answer(call->inst, pkt, ((const struct xt_tarpit_tginfo *)data)->variant, call->family);
	return dropped(pkt);
}

static void delude_answer(struct instance *inst, struct pkt *pkt)
{
	uint32_t payload = 0, end;
	const uint8_t *in = answerable_segment(pkt, NFPROTO_IPV4, &payload);
	struct pkt *made;
	uint8_t *out, flags;

	if (!in || in[FLAGS] & TCP_RST)
		return;
	made = answer_new(inst, pkt, NFPROTO_IPV4, IPPROTO_TCP, sizeof(struct tcphdr), in, &out);
	if (!made)
		return;
	flags = in[FLAGS];
	end = get_be32(in + SEQ) + !!(flags & TCP_SYN) + !!(flags & TCP_FIN) + payload;
	out[OFFSET] = sizeof(struct tcphdr) / 4 << 4;
	if ((flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN)
		out[FLAGS] = TCP_SYN | TCP_ACK;
	else
		out[FLAGS] = flags & TCP_ACK ? TCP_RST : TCP_RST | TCP_ACK;
	if (out[FLAGS] & TCP_ACK)
		put_be32(out + ACK_SEQ, end);
	else
		memcpy(out + SEQ, in + ACK_SEQ, 4);
	answer_send(inst, made, pkt, NFPROTO_IPV4, 0);
}

static unsigned int delude_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	delude_answer(call->inst, pkt);
	return dropped(pkt);
}

/* The module's own chances of 2^32: 1 % are rejected, of the rest 1.01 % are played with. */
static unsigned int chaos_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	static const uint32_t reject_chance = (uint32_t)(UINT32_MAX * .01), play_chance = (uint32_t)(UINT32_MAX * .0101);
	uint8_t variant = ((const struct xt_chaos_tginfo *)data)->variant;
	struct instance *inst = call->inst;

	if (rng_u32(&inst->rng) <= reject_chance) {
		icmp_send(inst, pkt, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		pkt->drop_reason = DROP_REJECT;
		return NF_DROP;
	}
	if (variant != XTCHAOS_NORMAL && pkt_ip4(pkt)->protocol == IPPROTO_TCP && call->state->hooknum != NF_INET_LOCAL_OUT &&
	    rng_u32(&inst->rng) <= play_chance) {
		if (variant == XTCHAOS_DELUDE)
			delude_answer(inst, pkt);
		else if (is_plain(pkt, NFPROTO_IPV4))
			tarpit_answer(inst, pkt, XTTARPIT_TARPIT, NFPROTO_IPV4);
	}
	return dropped(pkt);
}

static int tarpit_check(void *data, const struct ext_check *check, struct refusal *why)
{
	uint8_t variant = ((const struct xt_tarpit_tginfo *)data)->variant;

	return variant > XTTARPIT_RESET ? refuse(why, -EINVAL, "TARPIT: unknown mode %u", variant) : 0;
}

static int chaos_check(void *data, const struct ext_check *check, struct refusal *why)
{
	uint8_t variant = ((const struct xt_chaos_tginfo *)data)->variant;

	return variant > XTCHAOS_DELUDE ? refuse(why, -EINVAL, "CHAOS: unknown mode %u", variant) : 0;
}

/* Both structs are one byte, the mode; a row's .size holds it. */
static int parse_mode(struct opt_call *call, struct refusal *why)
{
	*(uint8_t *)call->info = (uint8_t)call->opt->size;
	return 0;
}

static const struct opt tarpit_options[] = {
	{ .name = "tarpit", .type = OPT_FLAG, .parse = parse_mode, .size = XTTARPIT_TARPIT, .excludes = "honeypot reset",
	  .help = "accept connections and keep their window closed (default)" },
	{ .name = "honeypot", .type = OPT_FLAG, .parse = parse_mode, .size = XTTARPIT_HONEYPOT, .excludes = "tarpit reset",
	  .help = "accept connections and what they send" },
	{ .name = "reset", .type = OPT_FLAG, .parse = parse_mode, .size = XTTARPIT_RESET, .excludes = "tarpit honeypot",
	  .help = "reset connections" },
	OPT_END
};

static const struct opt chaos_options[] = {
	{ .name = "delude", .type = OPT_FLAG, .parse = parse_mode, .size = XTCHAOS_DELUDE, .excludes = "tarpit",
	  .help = "answer TCP as DELUDE does, by chance" },
	{ .name = "tarpit", .type = OPT_FLAG, .parse = parse_mode, .size = XTCHAOS_TARPIT, .excludes = "delude",
	  .help = "answer TCP as TARPIT does, by chance" },
	OPT_END
};

static const struct opt delude_options[] = { OPT_END };

static void tarpit_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	uint8_t variant = ((const struct xt_tarpit_tginfo *)data)->variant;

	if (variant <= XTTARPIT_RESET)
		sb_printf(out, " --%s ", tarpit_options[variant].name);
}

static void tarpit_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -j TARPIT");
	tarpit_save(data, view, out);
}

static void chaos_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	uint8_t variant = ((const struct xt_chaos_tginfo *)data)->variant;

	if (variant == XTCHAOS_TARPIT || variant == XTCHAOS_DELUDE)
		sb_adds(out, variant == XTCHAOS_DELUDE ? " --delude " : " --tarpit ");
}

static void chaos_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -j CHAOS");
	chaos_save(data, view, out);
}

static const struct ext_text tarpit_text = {
	.options = tarpit_options, .help_head = "TARPIT target options:", .save = tarpit_save, .print = tarpit_print,
};
static const struct ext_text delude_text = { .options = delude_options, .help_head = "DELUDE takes no options" };
static const struct ext_text chaos_text = {
	.options = chaos_options, .help_head = "CHAOS target options:", .save = chaos_save, .print = chaos_print,
};

const struct target target_tarpit = {
	.name = "TARPIT", .families = FAMILY_ANY, .proto = IPPROTO_TCP, .hooks = HOOKS_IN,
	.info_size = sizeof(struct xt_tarpit_tginfo), .depends = DEP_STATE, .target = tarpit_target,
	.checkentry = tarpit_check, .text = &tarpit_text,
};
const struct target target_delude = {
	.name = "DELUDE", .families = FAMILY_V4, .proto = IPPROTO_TCP, .hooks = HOOKS_IN, .table = "filter",
	.depends = DEP_STATE, .target = delude_target, .text = &delude_text,
};
const struct target target_chaos = {
	.name = "CHAOS", .families = FAMILY_V4, .hooks = HOOKS_IN | 1 << NF_INET_LOCAL_OUT, .table = "filter",
	.info_size = sizeof(struct xt_chaos_tginfo), .depends = DEP_STATE | DEP_RANDOM, .target = chaos_target,
	.checkentry = chaos_check, .text = &chaos_text,
};
