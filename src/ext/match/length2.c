/*
 * ext/match/length2.c - "-m length2": how long the packet is, counted from the network header, from the transport header, or
 * from what the transport carries. A packet without that layer does not match. (xtables-addons)
 */
#include "base/uapi.h"

#include "classify/classify.h"
#include "ext/addons.h"

enum { LAYERS = XT_LENGTH_LAYER3 | XT_LENGTH_LAYER4 | XT_LENGTH_LAYER5 | XT_LENGTH_LAYER7 };
enum { SCTP_HEADER = 12, SCTP_CHUNK = 4, SCTP_DATA = 0, AH_HEADER = 12, ESP_HEADER = 8, ICMP_HEADER = 8 };

/* What the transport's own header takes away; false: it is cut short, or its protocol is not known here. */
static bool header_len(const struct pkt *pkt, uint8_t proto, uint32_t at, uint32_t *len)
{
	const uint8_t *head;

	switch (proto) {
	case IPPROTO_TCP:
		head = pkt_at(pkt, at, sizeof(struct tcphdr));
		*len = head ? (head[12] >> 4) * 4u : 0;
		break;
	case IPPROTO_DCCP:
		head = pkt_at(pkt, at, 12);
		*len = head ? head[4] * 4u : 0;
		break;
	case IPPROTO_UDP: case IPPROTO_UDPLITE:
		*len = sizeof(struct udphdr);
		head = pkt_at(pkt, at, *len);
		break;
	case IPPROTO_SCTP:
		*len = SCTP_HEADER;
		head = pkt_at(pkt, at, *len);
		break;
	case IPPROTO_ICMP: case IPPROTO_ICMPV6:
		*len = proto == IPPROTO_ICMP ? ICMP_HEADER : 4;
		head = pkt_at(pkt, at, *len);
		break;
	case IPPROTO_AH:
		*len = AH_HEADER;
		head = pkt_at(pkt, at, *len);
		break;
	case IPPROTO_ESP:
		*len = ESP_HEADER;
		head = pkt_at(pkt, at, *len);
		break;
	default:
		return false;
	}
	return head;
}

/* The user data in an SCTP packet: its DATA chunks. */
static bool sctp_data_len(const struct pkt *pkt, uint32_t at, uint32_t *len)
{
	*len = 0;
	for (at += SCTP_HEADER; at < pkt->len;) {
		const uint8_t *chunk = pkt_at(pkt, at, SCTP_CHUNK);
		uint16_t size = chunk ? get_be16(chunk + 2) : 0;

		if (size < SCTP_CHUNK)
			return false;
		if (chunk[0] == SCTP_DATA)
			*len += size;
		at += (size + 3u) & ~3u;
	}
	return true;
}

static bool length_of(const struct pkt *pkt, uint16_t flags, const struct ext_call *call, uint32_t *len)
{
	uint32_t at = call->family == NFPROTO_IPV4 ? pkt_ip4(pkt)->ihl * 4u : pkt->l.l4_off, header;
	uint8_t proto = call->family == NFPROTO_IPV4 ? pkt_ip4(pkt)->protocol : pkt->l.l4proto;

	*len = pkt->len;
	if (flags & XT_LENGTH_LAYER3)
		return true;
	if ((call->family == NFPROTO_IPV6 && !pkt->l.has_l4) || at > pkt->len)
		return false;
	*len = pkt->len - at;
	if (flags & XT_LENGTH_LAYER4)
		return true;
	if (call->fragoff)
		return false;	/* what stands there is no header */
	if (flags & XT_LENGTH_LAYER7 && proto == IPPROTO_SCTP)
		return sctp_data_len(pkt, at, len);
	if (!header_len(pkt, proto, at, &header))
		return false;
	*len -= MIN_OF(*len, header);
	return true;
}

static bool length2_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_length_mtinfo2 *info = data;
	uint32_t len;

	if (!length_of(pkt, info->flags, call, &len))
		return false;
	return (len >= info->min && len <= info->max) != !!(info->flags & XT_LENGTH_INVERT);
}

static int length2_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_length_mtinfo2 *info = data;
	unsigned int layer = info->flags & LAYERS;

	if (info->flags & ~(XT_LENGTH_INVERT | LAYERS) || !layer || layer & (layer - 1))
		return refuse(why, -EINVAL, "length2: unknown flags %#x", info->flags);
	return 0;
}

#define LAYER(n, bit, h) { .name = n, .type = OPT_FLAG, .set_at = offsetof(struct xt_length_mtinfo2, flags), \
	.set_bits = bit, .set_width = 2, .excludes = "layer3 layer4 layer5 layer7", .help = h }

static const struct opt length2_options[] = {
	{ .name = "length", .type = OPT_U32_RANGE, .flags = OPT_REQUIRED | OPT_INVERTIBLE,
	  .at = offsetof(struct xt_length_mtinfo2, min), .size = 8, .invert_at = offsetof(struct xt_length_mtinfo2, flags),
	  .invert_bits = XT_LENGTH_INVERT, .invert_width = 2, .arg = "n[:n]", .help = "match packet length against value or range" },
	LAYER("layer3", XT_LENGTH_LAYER3, "compare with layer 3, headers and all (default)"),
	LAYER("layer4", XT_LENGTH_LAYER4, "compare with layer 4, its header and data"),
	LAYER("layer5", XT_LENGTH_LAYER5, "compare with what the transport carries"),
	LAYER("layer7", XT_LENGTH_LAYER7, "the same, of SCTP only its DATA chunks"),
	OPT_END
};

static int length2_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_length_mtinfo2 *info = data;

	if (!(info->flags & LAYERS))
		info->flags |= XT_LENGTH_LAYER3;
	return 0;
}

static void add_layer(const struct xt_length_mtinfo2 *info, const char *dashes, struct strbuf *out)
{
	for (unsigned int i = 1; i < 5; i++)
		if (info->flags & length2_options[i].set_bits)
			sb_printf(out, "%s%s ", dashes, length2_options[i].name);
}

static void length2_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_length_mtinfo2 *info = data;

	sb_adds(out, info->flags & XT_LENGTH_INVERT ? " ! --length " : " --length ");
	if (info->min == info->max)
		sb_printf(out, "%u ", info->min);
	else
		sb_printf(out, "%u:%u ", info->min, info->max);
	add_layer(info, "--", out);
}

static void length2_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_length_mtinfo2 *info = data;

	sb_addc(out, ' ');
	add_layer(info, "", out);
	sb_adds(out, info->flags & XT_LENGTH_INVERT ? "! length " : "length ");
	if (info->min == info->max)
		sb_printf(out, "%u ", info->min);
	else
		sb_printf(out, "%u-%u ", info->min, info->max);
}

static const struct ext_text length2_text = {
	.options = length2_options, .help_head = "length2 match options:", .finish = length2_finish,
	.save = length2_save, .print = length2_print,
};

const struct match match_length2 = {
	.name = "length2", .revision = 2, .families = FAMILY_ANY, .info_size = sizeof(struct xt_length_mtinfo2),
	.depends = DEP_BYTES, .match = length2_match, .classify = class_rule_nothing, .checkentry = length2_check, .text = &length2_text,
};
