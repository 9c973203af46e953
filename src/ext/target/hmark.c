/*
 * ext/target/hmark.c - "-j HMARK": a mark from a hash over addresses, ports and protocol, so that both directions
 * of a flow, and the ICMP errors about it, get the same one. The rule says which bits count.
 */
#include "base/uapi.h"

#include <inttypes.h>
#include <linux/netfilter/xt_HMARK.h>

#include "conntrack/conntrack.h"
#include "ext/option.h"

#define HAS(info, flag) ((info)->flags & XT_HMARK_FLAG(flag))

enum { ICMP_TYPE_LAST = 18, ICMP_HEADER_LEN = 8, AH_SPI_AT = 4 };

struct flow {
	uint32_t source, dest;		/* network order; IPv6 addresses are folded */
	uint32_t ports;
	uint8_t proto;
};

static uint32_t masked_addr(uint8_t family, const void *addr, const union nf_inet_addr *mask)
{
	uint32_t words[4], folded = 0;

	memcpy(words, addr, family == NFPROTO_IPV4 ? 4 : 16);
	if (family == NFPROTO_IPV4)
		return words[0] & mask->all[0];
	for (unsigned int i = 0; i < 4; i++)
		folded ^= words[i] & mask->all[i];
	return folded;
}

/* The larger port first: the same for both directions. */
static uint32_t ordered_ports(be16 source, be16 dest, const struct xt_hmark_info *info)
{
	union hmark_ports ports = { .b16 = { source, dest } };
	uint16_t a, b;

	ports.b32 = (ports.b32 & info->port_mask.b32) | info->port_set.b32;
	a = ntohs(ports.b16.src);
	b = ntohs(ports.b16.dst);
	return (uint32_t)MAX_OF(a, b) << 16 | MIN_OF(a, b);
}

static bool connection_flow(const struct pkt *pkt, const struct xt_hmark_info *info, struct flow *flow)
{
	const struct ct_tuple *original, *reply;

	if (!pkt->ct)
		return false;
	original = ct_tuple(pkt->ct, IP_CT_DIR_ORIGINAL);
	reply = ct_tuple(pkt->ct, IP_CT_DIR_REPLY);
	flow->source = masked_addr(original->family, &original->src, &info->src_mask);
	flow->dest = masked_addr(original->family, &reply->src, &info->dst_mask);
	if (HAS(info, XT_HMARK_METHOD_L3))
		return true;
	flow->proto = original->proto;
	if (flow->proto != IPPROTO_ICMP)
		flow->ports = ordered_ports(original->src_l4.all, reply->src_l4.all, info);
	return true;
}

static void packet_ports(const struct pkt *pkt, uint32_t off, const struct xt_hmark_info *info, struct flow *flow)
{
	const uint8_t *at;
	be16 words[2];

	switch (flow->proto) {
	case IPPROTO_TCP: case IPPROTO_UDP: case IPPROTO_DCCP: case IPPROTO_ESP: case IPPROTO_SCTP: case IPPROTO_UDPLITE:
		break;
	case IPPROTO_AH:
		off += AH_SPI_AT;
		break;
	default:
		return;
	}
	at = pkt_at(pkt, off, sizeof(words));
	if (!at)
		return;
	memcpy(words, at, sizeof(words));
	flow->ports = ordered_ports(words[0], words[1], info);
}

static bool is_icmp_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static bool packet_flow4(const struct pkt *pkt, const struct xt_hmark_info *info, struct flow *flow)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	uint32_t off = 0;

	if (ip->protocol == IPPROTO_ICMP) {
		const uint8_t *icmp = pkt_at(pkt, ip->ihl * 4, ICMP_HEADER_LEN);

		if (icmp && icmp[0] <= ICMP_TYPE_LAST && is_icmp_error(icmp[0])) {
			off = ip->ihl * 4 + ICMP_HEADER_LEN;
			ip = pkt_at(pkt, off, sizeof(*ip));
			if (!ip)
				return false;
		}
	}
	flow->source = masked_addr(NFPROTO_IPV4, &ip->saddr, &info->src_mask);
	flow->dest = masked_addr(NFPROTO_IPV4, &ip->daddr, &info->dst_mask);
	if (HAS(info, XT_HMARK_METHOD_L3))
		return true;
	flow->proto = ip->protocol;
	if (flow->proto != IPPROTO_ICMP && !(ip->frag_off & htons(IP4_MF | IP4_OFFSET_MASK)))
		packet_ports(pkt, off + ip->ihl * 4, info, flow);
	return true;
}

struct chain6 { uint32_t off; uint8_t proto; bool is_fragment; };

/* The end of the header chain that begins with the IPv6 header at @chain->off; AH ends it, too. */
static bool chain_end6(const struct pkt *pkt, struct chain6 *chain)
{
	const struct ipv6hdr *ip = pkt_at(pkt, chain->off, sizeof(*ip));

	if (!ip || (chain->off && ip->version != 6))
		return false;
	chain->proto = ip->nexthdr;
	chain->is_fragment = false;
	chain->off += sizeof(*ip);
	while (ip6_is_ext_header(chain->proto) && chain->proto != IPPROTO_NONE && chain->proto != IPPROTO_AH) {
		bool is_longer = chain->proto == IPPROTO_FRAGMENT || chain->proto == IPPROTO_ROUTING;
		const uint8_t *header = pkt_at(pkt, chain->off, is_longer ? 4 : 2);

		if (!header)
			return false;
		if (chain->proto == IPPROTO_FRAGMENT) {
			chain->is_fragment = true;
			if (get_be16(header + 2) & IP6_OFFSET_MASK) {
				if (ip6_is_ext_header(header[0]) && header[0] != IPPROTO_NONE)
					return false;
				chain->proto = header[0];
				return true;
			}
			chain->off += 8;
		} else {
			chain->off += (header[1] + 1u) * 8;
		}
		chain->proto = header[0];
	}
	return true;
}

static bool packet_flow6(const struct pkt *pkt, const struct xt_hmark_info *info, struct flow *flow)
{
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	struct chain6 chain = { .off = 0 };

	if (!chain_end6(pkt, &chain))
		return true;	/* the mark of an empty flow */
	if (!chain.is_fragment && chain.proto == IPPROTO_ICMPV6) {
		const uint8_t *icmp = pkt_at(pkt, chain.off, ICMP_HEADER_LEN);

		if (icmp && icmp[0] && icmp[0] < 128) {
			chain.off += ICMP_HEADER_LEN;
			ip = pkt_at(pkt, chain.off, sizeof(*ip));
			if (!ip || !chain_end6(pkt, &chain))
				return false;
		}
	}
	flow->source = masked_addr(NFPROTO_IPV6, &ip->saddr, &info->src_mask);
	flow->dest = masked_addr(NFPROTO_IPV6, &ip->daddr, &info->dst_mask);
	if (HAS(info, XT_HMARK_METHOD_L3))
		return true;
	flow->proto = chain.proto;
	if (flow->proto != IPPROTO_ICMPV6 && !chain.is_fragment)
		packet_ports(pkt, chain.off, info, flow);
	return true;
}

static unsigned int hmark_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_hmark_info *info = data;
	struct flow flow = { 0 };
	uint32_t words[3], a, b, hash;
	bool known = HAS(info, XT_HMARK_CT) ? connection_flow(pkt, info, &flow) :
		     call->family == NFPROTO_IPV4 ? packet_flow4(pkt, info, &flow) : packet_flow6(pkt, info, &flow);

	if (!known)
		return XT_CONTINUE;
	a = ntohl(flow.source);
	b = ntohl(flow.dest);
	words[0] = MIN_OF(a, b);
	words[1] = MAX_OF(a, b);
	words[2] = flow.ports;
	hash = jhash_words(words, 3, info->hashrnd) ^ (flow.proto & info->proto_mask);
	pkt->mark = hash_scale(hash, info->hmodulus) + info->hoffset;
	return XT_CONTINUE;
}

static int hmark_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_hmark_info *info = data;

	if (!info->hmodulus)
		return refuse(why, -EINVAL, "HMARK: a modulus of 0");
	if (info->proto_mask && HAS(info, XT_HMARK_METHOD_L3))
		return refuse(why, -EINVAL, "HMARK: only addresses are asked for: the protocol mask must be 0");
	if (HAS(info, XT_HMARK_SPI_MASK) && (HAS(info, XT_HMARK_SPORT_MASK) || HAS(info, XT_HMARK_DPORT_MASK)))
		return refuse(why, -EINVAL, "HMARK: SPI mask and port masks exclude each other");
	if (HAS(info, XT_HMARK_SPI) && (HAS(info, XT_HMARK_SPORT) || HAS(info, XT_HMARK_DPORT)))
		return refuse(why, -EINVAL, "HMARK: SPI and ports exclude each other");
	return 0;
}

/* Words may be shortened, to one letter even: the first that begins so. */
static int take_word(struct xt_hmark_info *info, const char *word, size_t len)
{
	static const char *const words[] = { "ct", "src", "dst", "sport", "dport", "proto", "spi" };
	unsigned int i = 0;

	while (i < ARRAY_SIZE(words) && strncasecmp(word, words[i], len))
		i++;
	switch (i) {
	case 0:
		info->flags |= XT_HMARK_FLAG(XT_HMARK_CT);
		return 0;
	case 1:
		memset(&info->src_mask, 0xff, sizeof(info->src_mask));
		info->flags |= XT_HMARK_FLAG(XT_HMARK_SADDR_MASK);
		return 0;
	case 2:
		memset(&info->dst_mask, 0xff, sizeof(info->dst_mask));
		info->flags |= XT_HMARK_FLAG(XT_HMARK_DADDR_MASK);
		return 0;
	case 3:
		info->port_mask.p16.src = UINT16_MAX;
		info->flags |= XT_HMARK_FLAG(XT_HMARK_SPORT_MASK);
		return 0;
	case 4:
		info->port_mask.p16.dst = UINT16_MAX;
		info->flags |= XT_HMARK_FLAG(XT_HMARK_DPORT_MASK);
		return 0;
	case 5:
		info->proto_mask = UINT16_MAX;
		info->flags |= XT_HMARK_FLAG(XT_HMARK_PROTO_MASK);
		return 0;
	case 6:
		info->port_mask.v32 = UINT32_MAX;
		info->flags |= XT_HMARK_FLAG(XT_HMARK_SPI_MASK);
		return 0;
	}
	return -EINVAL;
}

static int parse_tuple(struct opt_call *call, struct refusal *why)
{
	for (const char *word = call->arg; word; ) {
		const char *comma = strchr(word, ',');
		size_t len = comma ? (size_t)(comma - word) : strlen(word);

		if (!len || take_word(call->info, word, len))
			return refuse(why, -EINVAL, "HMARK: --hmark-tuple takes a list of ct, src, dst, sport, dport, "
				      "proto, spi, not \"%s\"", call->arg);
		word = comma ? comma + 1 : NULL;
	}
	return 0;
}

/* What --hmark-tuple has asked for cannot be asked for again; the other way round it can. */
static int claim(struct opt_call *call, struct refusal *why)
{
	struct xt_hmark_info *info = call->info;

	if (info->flags & call->opt->set_bits)
		return refuse(why, -EINVAL, "HMARK: --%s can only be given once, --hmark-tuple says it, too", call->opt->name);
	info->flags |= call->opt->set_bits;
	return 0;
}

/* A length or a mask; one with holes is all ones over the union. */
static int parse_prefix(struct opt_call *call, struct refusal *why)
{
	union nf_inet_addr mask;

	if (!opt_mask(call->arg, call->family, &mask))
		return refuse(why, -EINVAL, "HMARK: --%s takes a length, not \"%s\"", call->opt->name, call->arg);
	if (claim(call, why))
		return -EINVAL;
	memcpy((uint8_t *)call->info + call->opt->at, &mask, sizeof(mask));
	return 0;
}

/* Ports and SPIs are kept in network order. */
static int parse_field(struct opt_call *call, struct refusal *why)
{
	uint8_t *at = (uint8_t *)call->info + call->opt->at;
	uint64_t value;

	if (!opt_u64(call->arg, 0, call->opt->max, &value))
		return refuse(why, -EINVAL, "HMARK: --%s takes a number up to %" PRIu64 ", not \"%s\"", call->opt->name,
			      call->opt->max, call->arg);
	if (claim(call, why))
		return -EINVAL;
	if (call->opt->at == offsetof(struct xt_hmark_info, proto_mask))
		((struct xt_hmark_info *)call->info)->proto_mask = value;
	else if (call->opt->max == UINT16_MAX)
		put_be16(at, value);
	else
		put_be32(at, value);
	return 0;
}

static int hmark_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	const struct xt_hmark_info *info = data;
	uint32_t what = XT_HMARK_FLAG(XT_HMARK_CT) | (XT_HMARK_FLAG(XT_HMARK_RND) - 1);

	if (HAS(info, XT_HMARK_SPI_MASK) && (HAS(info, XT_HMARK_SPORT_MASK) || HAS(info, XT_HMARK_DPORT_MASK)))
		return refuse(why, -EINVAL, "HMARK: --hmark-spi-mask excludes --hmark-sport-mask and --hmark-dport-mask");
	if (!(info->flags & what))
		return refuse(why, -EINVAL, "HMARK: what to hash is not said: --hmark-tuple");
	return 0;
}

static int prefix_len(const union nf_inet_addr *mask, uint8_t family)
{
	unsigned int len = 0, max = family == NFPROTO_IPV4 ? 32 : 128;

	while (len < max && ((const uint8_t *)mask)[len / 8] & 0x80 >> len % 8)
		len++;
	for (unsigned int i = len; i < max; i++)
		if (((const uint8_t *)mask)[i / 8] & 0x80 >> i % 8)
			return -1;	/* a mask with holes */
	return len;
}

static void save_prefix(const struct xt_hmark_info *info, uint8_t family, struct strbuf *out)
{
	if (HAS(info, XT_HMARK_SADDR_MASK))
		sb_printf(out, " --hmark-src-prefix %d", prefix_len(&info->src_mask, family));
	if (HAS(info, XT_HMARK_DADDR_MASK))
		sb_printf(out, " --hmark-dst-prefix %d", prefix_len(&info->dst_mask, family));
}

static void hmark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_hmark_info *info = data;

	save_prefix(info, view->family, out);
	if (HAS(info, XT_HMARK_SPORT_MASK))
		sb_printf(out, " --hmark-sport-mask 0x%04x", ntohs(info->port_mask.b16.src));
	if (HAS(info, XT_HMARK_DPORT_MASK))
		sb_printf(out, " --hmark-dport-mask 0x%04x", ntohs(info->port_mask.b16.dst));
	if (HAS(info, XT_HMARK_SPI_MASK))
		sb_printf(out, " --hmark-spi-mask 0x%08x", ntohl(info->port_mask.b32));
	if (HAS(info, XT_HMARK_SPORT))
		sb_printf(out, " --hmark-sport 0x%04x", ntohs(info->port_set.b16.src));
	if (HAS(info, XT_HMARK_DPORT))
		sb_printf(out, " --hmark-dport 0x%04x", ntohs(info->port_set.b16.dst));
	if (HAS(info, XT_HMARK_SPI))
		sb_printf(out, " --hmark-spi 0x%08x", ntohl(info->port_set.b32));
	if (HAS(info, XT_HMARK_PROTO_MASK))
		sb_printf(out, " --hmark-proto-mask 0x%02x", info->proto_mask);
	if (HAS(info, XT_HMARK_RND))
		sb_printf(out, " --hmark-rnd 0x%08x", info->hashrnd);
	if (HAS(info, XT_HMARK_MODULUS))
		sb_printf(out, " --hmark-mod %u", info->hmodulus);
	if (HAS(info, XT_HMARK_OFFSET))
		sb_printf(out, " --hmark-offset %u", info->hoffset);
	if (HAS(info, XT_HMARK_CT))
		sb_adds(out, " --hmark-tuple ct");
}

/* A full IPv6 mask is shown as nothing. */
static void print_prefix(const char *word, const union nf_inet_addr *mask, uint8_t family, struct strbuf *out)
{
	int len = prefix_len(mask, family);
	char text[INET6_ADDRSTRLEN];

	if (family == NFPROTO_IPV4)
		sb_printf(out, "%s %u ", word, len);
	else if (len == 128)
		sb_printf(out, "%s  ", word);
	else if (len < 0)
		sb_printf(out, "%s %s ", word, inet_ntop(AF_INET6, mask, text, sizeof(text)));
	else
		sb_printf(out, "%s %d ", word, len);
}

static void hmark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_hmark_info *info = data;

	sb_adds(out, " HMARK ");
	if (HAS(info, XT_HMARK_MODULUS))
		sb_printf(out, "mod %u ", info->hmodulus);
	if (HAS(info, XT_HMARK_OFFSET))
		sb_printf(out, "+ 0x%x ", info->hoffset);
	if (HAS(info, XT_HMARK_CT))
		sb_adds(out, "ct, ");
	if (HAS(info, XT_HMARK_SADDR_MASK))
		print_prefix("src-prefix", &info->src_mask, view->family, out);
	if (HAS(info, XT_HMARK_DADDR_MASK))
		print_prefix("dst-prefix", &info->dst_mask, view->family, out);
	if (HAS(info, XT_HMARK_SPORT_MASK))
		sb_printf(out, "sport-mask 0x%x ", ntohs(info->port_mask.b16.src));
	if (HAS(info, XT_HMARK_DPORT_MASK))
		sb_printf(out, "dport-mask 0x%x ", ntohs(info->port_mask.b16.dst));
	if (HAS(info, XT_HMARK_SPI_MASK))
		sb_printf(out, "spi-mask 0x%x ", ntohl(info->port_mask.b32));
	if (HAS(info, XT_HMARK_SPORT))
		sb_printf(out, "sport 0x%x ", ntohs(info->port_set.b16.src));
	if (HAS(info, XT_HMARK_DPORT))
		sb_printf(out, "dport 0x%x ", ntohs(info->port_set.b16.dst));
	if (HAS(info, XT_HMARK_SPI))
		sb_printf(out, "spi 0x%x ", ntohl(info->port_set.b32));
	if (HAS(info, XT_HMARK_PROTO_MASK))
		sb_printf(out, "proto-mask 0x%x ", info->proto_mask);
	if (HAS(info, XT_HMARK_RND))
		sb_printf(out, "rnd 0x%x ", info->hashrnd);
}

#define HMARK_FIELD(n, most, field, bit, p, a, h) { .name = "hmark-" n, .type = OPT_CUSTOM, .max = most, \
	.at = offsetof(struct xt_hmark_info, field), .set_bits = XT_HMARK_FLAG(bit), .parse = p, .arg = a, .help = h }

static const struct opt hmark_options[] = {
	{ .name = "hmark-tuple", .type = OPT_CUSTOM, .parse = parse_tuple, .arg = "list",
	  .help = "hash over these: src, dst, sport, dport, spi, proto, or ct for the connection's" },
	HMARK_FIELD("src-prefix", 0, src_mask, XT_HMARK_SADDR_MASK, parse_prefix, "length", "prefix of the source address"),
	HMARK_FIELD("dst-prefix", 0, dst_mask, XT_HMARK_DADDR_MASK, parse_prefix, "length",
		    "prefix of the destination address"),
	HMARK_FIELD("sport-mask", UINT16_MAX, port_mask.p16.src, XT_HMARK_SPORT_MASK, parse_field, "value",
		    "AND the source port"),
	HMARK_FIELD("dport-mask", UINT16_MAX, port_mask.p16.dst, XT_HMARK_DPORT_MASK, parse_field, "value",
		    "AND the destination port"),
	HMARK_FIELD("spi-mask", UINT32_MAX, port_mask.v32, XT_HMARK_SPI_MASK, parse_field, "value",
		    "AND the SPI of ESP and AH"),
	HMARK_FIELD("sport", UINT16_MAX, port_set.p16.src, XT_HMARK_SPORT, parse_field, "value", "OR the source port"),
	HMARK_FIELD("dport", UINT16_MAX, port_set.p16.dst, XT_HMARK_DPORT, parse_field, "value", "OR the destination port"),
	HMARK_FIELD("spi", UINT32_MAX, port_set.v32, XT_HMARK_SPI, parse_field, "value", "OR the SPI of ESP and AH"),
	HMARK_FIELD("proto-mask", UINT16_MAX, proto_mask, XT_HMARK_PROTO_MASK, parse_field, "value", "AND the protocol"),
	{ .name = "hmark-rnd", .type = OPT_U32, .flags = OPT_REQUIRED, .at = offsetof(struct xt_hmark_info, hashrnd),
	  .set_at = offsetof(struct xt_hmark_info, flags), .set_bits = XT_HMARK_FLAG(XT_HMARK_RND), .set_width = 4,
	  .arg = "value", .help = "seed of the hash" },
	{ .name = "hmark-mod", .type = OPT_U32, .flags = OPT_REQUIRED, .min = 1, .max = UINT32_MAX,
	  .at = offsetof(struct xt_hmark_info, hmodulus), .set_at = offsetof(struct xt_hmark_info, flags),
	  .set_bits = XT_HMARK_FLAG(XT_HMARK_MODULUS), .set_width = 4, .arg = "value", .help = "number of marks" },
	{ .name = "hmark-offset", .type = OPT_U32, .at = offsetof(struct xt_hmark_info, hoffset),
	  .set_at = offsetof(struct xt_hmark_info, flags), .set_bits = XT_HMARK_FLAG(XT_HMARK_OFFSET), .set_width = 4,
	  .arg = "value", .help = "the first mark" },
	OPT_END
};

static const struct ext_text hmark_text = {
	.options = hmark_options, .help_head = "HMARK target options:", .finish = hmark_finish,
	.save = hmark_save, .print = hmark_print,
};

const struct target target_hmark = {
	.name = "HMARK", .families = FAMILY_ANY, .info_size = sizeof(struct xt_hmark_info),
	.depends = DEP_L3_ADDRS | DEP_L3_PROTO | DEP_L3_LEN | DEP_L3_FRAG | DEP_L3_OPTIONS | DEP_L4_PORTS | DEP_PAYLOAD |
		   DEP_CT_STATE | DEP_CT_TUPLE,
	.depends_whole = DEP_L3_ADDRS | DEP_L3_PROTO | DEP_L4_PORTS | DEP_CT_STATE | DEP_CT_TUPLE,
	.target = hmark_target, .checkentry = hmark_check, .text = &hmark_text,
};
