/*
 * ext/match/lscan.c - "-m lscan": scans that show in one connection: a packet that belongs to none (stealth), one that ends after two
 * packets (SYN scan), after the handshake (connect scan), or after the server's greeting (grab scan). What was seen of a
 * connection stands in its mark, that a packet was looked at in the packet's. (xtables-addons; --synscan as documented: the
 * module asks for it by the bit of --stealth)
 */
#include "base/uapi.h"

#include "conntrack/conntrack.h"
#include "ext/addons.h"

/* The module's defaults: marks of connections, and of a packet that was looked at. */
enum { SYN_SEEN = 1, CLOSED, SYN_SCAN, ESTABLISHED_1, ESTABLISHED_2, CONNECT_SCAN, GRAB_SCAN, VALID, PACKET_SEEN };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, END3 = FIN | SYN | RST, END4 = END3 | ACK, ALL6 = END4 | PSH | URG };

/* Refusals of our own attempts are no scan, nor is a lone RST. */
static bool is_stealth(uint8_t flags)
{
	return (flags & END4) != (ACK | RST) && (flags & END3) != RST && (flags & END4) != SYN;
}

static uint32_t next_mark(uint32_t mark, const struct pkt *pkt, uint8_t flags, uint32_t payload, bool loopback)
{
	bool ends = (flags & END3) == RST || (flags & END3) == FIN, bare_ack = (flags & END4) == ACK && !payload;

	switch (mark) {
	case ESTABLISHED_2:
		return bare_ack ? mark : ends ? GRAB_SCAN : VALID;
	case ESTABLISHED_1:
		return ends ? CONNECT_SCAN : !loopback && bare_ack ? ESTABLISHED_2 : VALID;
	case SYN_SEEN:
		if (loopback && (flags & END4) == (SYN | ACK))
			return mark;
		if (loopback && (flags & END4) == (RST | ACK))
			return CLOSED;
		return (flags & ALL6) == ACK ? ESTABLISHED_1 : SYN_SCAN;
	}
	return pkt->ctinfo == IP_CT_NEW && (flags & END4) == SYN ? SYN_SEEN : mark;
}

static bool lscan_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_lscan_mtinfo *info = data;
	const uint8_t *tcp = call->fragoff ? NULL : pkt_at(pkt, call->thoff, sizeof(struct tcphdr));
	uint32_t header;
	struct ct *ct = pkt->ct;

	if (!tcp)
		return false;
	if (info->match_fl1 & LSCAN_MIRAI && call->family == NFPROTO_IPV4 && memcmp(&pkt_ip4(pkt)->daddr, tcp + 4, 4) == 0)
		return true;
	if (!ct)
		return info->match_fl1 & LSCAN_STEALTH && is_stealth(tcp[13]);
	if (ct->mark != VALID && pkt->mark != PACKET_SEEN) {
		header = call->thoff + (tcp[12] >> 4) * 4u;
		ct->mark = next_mark(ct->mark, pkt, tcp[13], pkt->len > header ? pkt->len - header : 0,
				     call->state->in && call->state->in->is_loopback);
		((struct pkt *)pkt)->mark = PACKET_SEEN;
	}
	return (info->match_fl2 & LSCAN_SYN && ct->mark == SYN_SCAN) || (info->match_fl3 & LSCAN_CN && ct->mark == CONNECT_SCAN) ||
	       (info->match_fl4 & LSCAN_GR && ct->mark == GRAB_SCAN);
}

static int lscan_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_lscan_mtinfo *info = data;
	int err;

	if (info->match_fl1 & ~(LSCAN_STEALTH | LSCAN_MIRAI) || info->match_fl2 & ~LSCAN_SYN || info->match_fl3 & ~LSCAN_CN ||
	    info->match_fl4 & ~LSCAN_GR)
		return refuse(why, -EINVAL, "lscan: unknown flags");
	err = ct_hooks_get(check->inst, check->family);
	return err ? refuse(why, err, "lscan: connection tracking cannot be switched on") : 0;
}

static void lscan_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

#define SCAN(n, field, bit, h) { .name = n, .type = OPT_FLAG, .set_at = offsetof(struct xt_lscan_mtinfo, field), \
	.set_bits = bit, .set_width = 1, .help = h }

static const struct opt lscan_options[] = {
	SCAN("stealth", match_fl1, LSCAN_STEALTH, "packets that belong to no connection"),
	SCAN("synscan", match_fl2, LSCAN_SYN, "a connection that ends before it is established"),
	SCAN("cnscan", match_fl3, LSCAN_CN, "a connection that ends as soon as it is established"),
	SCAN("grscan", match_fl4, LSCAN_GR, "a connection in which only the server has spoken"),
	SCAN("mirai", match_fl1, LSCAN_MIRAI, "the first sequence number is the destination's address"),
	OPT_END
};

static void lscan_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	for (const struct opt *opt = lscan_options; opt->name; opt++)
		if (((const uint8_t *)data)[opt->set_at] & opt->set_bits)
			sb_printf(out, " --%s ", opt->name);
}

static void lscan_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m lscan");
	lscan_save(data, view, out);
}

static const struct ext_text lscan_text = {
	.options = lscan_options, .help_head = "lscan match options:", .save = lscan_save, .print = lscan_print,
};

const struct match match_lscan = {
	.name = "lscan", .families = FAMILY_ANY, .proto = IPPROTO_TCP, .info_size = sizeof(struct xt_lscan_mtinfo),
	.depends = DEP_STATE, .match = lscan_match, .checkentry = lscan_check, .destroy = lscan_destroy, .text = &lscan_text,
};
