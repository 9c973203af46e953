/*
 * ext/target/synproxy_tcp.c - the proxy's segments: TCP options, cookies, and the packets themselves, byte for byte as Linux makes
 * them but for the cookie, whose keys are the instance's own.
 */
#include "ext/synproxy.h"

#include "conntrack/conntrack.h"
#include "path/path.h"
#include "route/route.h"

enum {
	OPT_NUM_END = 0, OPT_NUM_NOP = 1, OPT_NUM_MSS = 2, OPT_NUM_WSCALE = 3, OPT_NUM_SACK_PERM = 4, OPT_NUM_TIMESTAMP = 8,
	OPT_LEN_MSS = 4, OPT_LEN_WSCALE = 3, OPT_LEN_SACK_PERM = 2, OPT_LEN_TIMESTAMP = 10,
	WSCALE_MAX = 14,
	COOKIE_PERIOD_SEC = 60,
	COOKIE_PERIODS = 2,		/* how long a cookie is good */
	COOKIE_BITS = 24,
	COOKIE_MASK = (1 << COOKIE_BITS) - 1,
	TCP_OPTIONS_MAX = 20,
};

/* --- options --- */

static void option_read(const uint8_t *at, struct syn_options *opts)
{
	if (at[0] == OPT_NUM_MSS && at[1] == OPT_LEN_MSS) {
		opts->mss = get_be16(at + 2);
		opts->options |= XT_SYNPROXY_OPT_MSS;
	} else if (at[0] == OPT_NUM_WSCALE && at[1] == OPT_LEN_WSCALE) {
		opts->wscale = MIN_OF(at[2], WSCALE_MAX);
		opts->options |= XT_SYNPROXY_OPT_WSCALE;
	} else if (at[0] == OPT_NUM_TIMESTAMP && at[1] == OPT_LEN_TIMESTAMP) {
		opts->tsval = get_be32(at + 2);
		opts->tsecr = get_be32(at + 6);
		opts->options |= XT_SYNPROXY_OPT_TIMESTAMP;
	} else if (at[0] == OPT_NUM_SACK_PERM && at[1] == OPT_LEN_SACK_PERM) {
		opts->options |= XT_SYNPROXY_OPT_SACK_PERM;
	}
}

bool syn_options_read(const struct pkt *pkt, uint32_t off, struct syn_options *opts)
{
	uint32_t len = (pkt->data[off + 12] >> 4) * 4u, left;
	const uint8_t *at;

	if (len < sizeof(struct tcphdr))
		return false;
	left = len - sizeof(struct tcphdr);
	at = pkt_at(pkt, off + sizeof(struct tcphdr), left);
	if (!at)
		return false;
	while (left && *at != OPT_NUM_END) {
		uint8_t size = 1;

		if (*at != OPT_NUM_NOP) {
			if (left < 2 || at[1] < 2 || at[1] > left)
				return true;	/* what was read so far counts */
			size = at[1];
			option_read(at, opts);
		}
		at += size;
		left -= size;
	}
	return true;
}

uint32_t syn_options_size(const struct syn_options *opts)
{
	uint32_t size = 0;

	if (opts->options & XT_SYNPROXY_OPT_MSS)
		size += 4;
	if (opts->options & XT_SYNPROXY_OPT_TIMESTAMP)
		size += 12;
	else if (opts->options & XT_SYNPROXY_OPT_SACK_PERM)
		size += 4;
	if (opts->options & XT_SYNPROXY_OPT_WSCALE)
		size += 4;
	return size;
}

void syn_options_write(const struct syn_options *opts, uint8_t *at)
{
	bool sack = opts->options & XT_SYNPROXY_OPT_SACK_PERM;

	if (opts->options & XT_SYNPROXY_OPT_MSS) {
		put_be32(at, OPT_NUM_MSS << 24 | OPT_LEN_MSS << 16 | opts->mss);
		at += 4;
	}
	if (opts->options & XT_SYNPROXY_OPT_TIMESTAMP) {
		at[0] = sack ? OPT_NUM_SACK_PERM : OPT_NUM_NOP;
		at[1] = sack ? OPT_LEN_SACK_PERM : OPT_NUM_NOP;
		at[2] = OPT_NUM_TIMESTAMP;
		at[3] = OPT_LEN_TIMESTAMP;
		put_be32(at + 4, opts->tsval);
		put_be32(at + 8, opts->tsecr);
		at += 12;
	} else if (sack) {
		put_be32(at, OPT_NUM_NOP << 24 | OPT_NUM_NOP << 16 | OPT_NUM_SACK_PERM << 8 | OPT_LEN_SACK_PERM);
		at += 4;
	}
	if (opts->options & XT_SYNPROXY_OPT_WSCALE)
		put_be32(at, OPT_NUM_NOP << 24 | OPT_NUM_WSCALE << 16 | OPT_LEN_WSCALE << 8 | opts->wscale);
}

/* --- cookies --- */

/* A cookie knows an MSS by its place here. */
static const uint16_t mss_steps4[] = { 536, 1300, 1440, 1460 };
static const uint16_t mss_steps6[] = { 1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60 };

static const uint16_t *mss_steps(const struct pkt *pkt)
{
	return pkt->l.family == NFPROTO_IPV4 ? mss_steps4 : mss_steps6;
}

static uint32_t period_now(const struct instance *inst)
{
	return (uint32_t)(inst_jiffies(inst) / (COOKIE_PERIOD_SEC * WEIR_HZ));
}

/* Of the packet's addresses and ports in one of two ways, and of a period. */
static uint32_t flow_hash(const struct instance *inst, const struct pkt *pkt, uint32_t off, uint32_t period, uint32_t way)
{
	struct hash_key key = { { inst->hash_key.k[0] ^ 0x73796e70726f7879ull, inst->hash_key.k[1] + way } };
	uint8_t bytes[16 + 16 + 4 + 4] = { 0 };

	if (pkt->l.family == NFPROTO_IPV4)
		memcpy(bytes, &pkt_ip4(pkt)->saddr, 8);
	else
		memcpy(bytes, &pkt_ip6(pkt)->saddr, 32);
	memcpy(bytes + 32, pkt->data + off, 4);
	memcpy(bytes + 36, &period, 4);
	return (uint32_t)siphash(bytes, sizeof(bytes), &key);
}

uint32_t syn_cookie_make(struct instance *inst, const struct pkt *syn, uint32_t off, uint16_t mss)
{
	const uint16_t *steps = mss_steps(syn);
	uint32_t step = ARRAY_SIZE(mss_steps4) - 1, period = period_now(inst);

	while (step && mss < steps[step])
		step--;
	return flow_hash(inst, syn, off, 0, 0) + get_be32(syn->data + off + 4) + (period << COOKIE_BITS) +
	       ((flow_hash(inst, syn, off, period, 1) + step) & COOKIE_MASK);
}

uint16_t syn_cookie_check(struct instance *inst, const struct pkt *ack, uint32_t off, uint32_t cookie)
{
	uint32_t period = period_now(inst), age, step;

	cookie -= flow_hash(inst, ack, off, 0, 0) + get_be32(ack->data + off + 4) - 1;
	age = (period - (cookie >> COOKIE_BITS)) & (UINT32_MAX >> COOKIE_BITS);
	if (age >= COOKIE_PERIODS)
		return 0;
	step = (cookie - flow_hash(inst, ack, off, period - age, 1)) & COOKIE_MASK;
	return step < ARRAY_SIZE(mss_steps4) ? mss_steps(ack)[step] : 0;
}

/* --- packets --- */

static bool address4(struct instance *inst, const struct pkt *cause, struct pkt *made, bool back)
{
	const struct iphdr *ip = pkt_ip4(cause);

	made->protocol = ETH_P_IP;
	*pkt_ip4(made) = (struct iphdr){
		.version = 4, .ihl = 5, .tot_len = htons(made->len), .frag_off = htons(IP4_DF),
		.ttl = path_hop_limit(inst, NFPROTO_IPV4, &(struct pkt_route){ 0 }), .protocol = IPPROTO_TCP,
		.saddr = back ? ip->daddr : ip->saddr, .daddr = back ? ip->saddr : ip->daddr,
	};
	csum_ip4_header(pkt_ip4(made));
	made->route = cause->route;	/* a start for route_me_harder() */
	pkt_parse(made);
	return route_me_harder(inst, made) == 0;
}

static bool address6(struct instance *inst, const struct pkt *cause, struct pkt *made, bool back, const uint8_t *tcp)
{
	struct route_flow flow = { .family = NFPROTO_IPV6, .proto = IPPROTO_TCP, .any_src = true };
	const struct ipv6hdr *ip = pkt_ip6(cause);
	struct in6_addr src = back ? ip->daddr : ip->saddr, dst = back ? ip->saddr : ip->daddr;

	made->protocol = ETH_P_IPV6;
	*pkt_ip6(made) = (struct ipv6hdr){
		.version = 6, .payload_len = htons(made->len - sizeof(struct ipv6hdr)), .nexthdr = IPPROTO_TCP,
		.hop_limit = (uint8_t)iface_conf_all(inst)->hop_limit6, .saddr = src, .daddr = dst,
	};
	flow.saddr.in6 = src;
	flow.daddr.in6 = dst;
	memcpy(&flow.sport, tcp, 2);
	memcpy(&flow.dport, tcp + 2, 2);
	pkt_parse(made);
	return route_output(inst, &flow, &made->route) == 0;
}

void syn_send(struct instance *inst, const struct pkt *cause, uint32_t off, const struct syn_segment *segment)
{
	bool is4 = cause->l.family == NFPROTO_IPV4;
	uint32_t header = is4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	uint32_t tcp_len = sizeof(struct tcphdr) + syn_options_size(segment->opts), sum;
	struct pkt *made = path_made_new(inst, cause, header + tcp_len);
	const uint8_t *ports = cause->data + off;
	uint8_t *tcp;

	if (!made)
		return;
	made->l.family = cause->l.family;
	tcp = made->data + header;
	memset(tcp, 0, sizeof(struct tcphdr));
	memcpy(tcp, ports + (segment->back ? 2 : 0), 2);
	memcpy(tcp + 2, ports + (segment->back ? 0 : 2), 2);
	put_be32(tcp + 4, segment->seq);
	put_be32(tcp + 8, segment->ack);
	tcp[12] = (uint8_t)(tcp_len / 4 << 4);
	tcp[13] = segment->flags;
	put_be16(tcp + 14, segment->window);
	syn_options_write(segment->opts, tcp + sizeof(struct tcphdr));
	if (!(is4 ? address4(inst, cause, made, segment->back) : address6(inst, cause, made, segment->back, tcp))) {
		pkt_free(inst, made);
		return;
	}
	tcp = made->data + header;
	sum = is4 ? csum_pseudo4(pkt_ip4(made)->saddr, pkt_ip4(made)->daddr, IPPROTO_TCP, tcp_len) :
		    csum_pseudo6(&pkt_ip6(made)->saddr, &pkt_ip6(made)->daddr, IPPROTO_TCP, tcp_len);
	((struct tcphdr *)tcp)->check = csum_fold(csum_partial(tcp, tcp_len, sum));
	made->flags |= PKT_FLAG_CSUM_TRUSTED | PKT_FLAG_CSUM_LATER | PKT_FLAG_NO_SOCKET;
	if (segment->ct)
		pkt_ct_set(inst, made, segment->ct, segment->ctinfo);
	path_made_send(inst, made, cause);
}
