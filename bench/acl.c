/*
 * bench/acl.c - what a packet costs in long chains of five-tuple rules, weir beside DPDK's librte_acl.
 *
 * Rule sets are drawn from a seed, like those of ClassBench: acl (long prefixes, exact destination ports), fw (many wildcards and
 * ranges) and ipc (between the two); addresses are drawn from a tree of sites, so that prefixes nest; narrow rules come
 * first. weir gets a set as iptables-save text and is asked as its hooks ask it, packet by packet in bursts of 32, each
 * packet's header written before; librte_acl gets the same rules and packets, 32 at a time. Two traces: "miss" are packets
 * made of parts of such that match (another port, another rule's address) and that match nothing, "hit" are nineteen in
 * twenty points of random rules. Both engines' answers are compared with each other, or with a linear search.
 *
 *	bench-acl [--rounds N] [--only ROW,ROW] [--sizes N,N] [--peer-max N] [--quick] [--walk] [--singly] > JSON lines
 *
 * --walk measures the plain walk instead: where a classifier begins to pay, and what it saves. --singly: packets that come
 * one by one, without the burst's look ahead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "table/table_internal.h"
#include "measure.h"

#ifdef WEIR_HAVE_DPDK
#include <rte_acl.h>
#include <rte_eal.h>
#endif

enum {
	TRACE = 65536,
	CHUNK = 8192,			/* packets of one timing */
	BURST = 32,
	APPENDS = 200,
	BUILDS = 5,
	LARGE = 10000,
	MISS_TRIES = 400,		/* per packet that is wanted */
};

/* --- rule sets --- */

struct weighted { unsigned int weight; uint8_t src[2], dst[2]; };	/* prefix lengths, from and to */

enum port_class { ANY_PORT, HIGH, LOW, RANGE, EXACT };

struct seed {
	const char *name;
	struct weighted prefixes[8];
	uint8_t protos[4][2];		/* weight, protocol (0: any) */
	uint8_t sports[5], dports[5];	/* weight by enum port_class */
};

static const struct seed seeds[] = {
	{ "acl",
	  { { 30, { 24, 32 }, { 32, 32 } }, { 25, { 32, 32 }, { 32, 32 } }, { 15, { 21, 28 }, { 24, 30 } }, { 15, { 16, 24 }, { 27, 32 } },
	    { 8, { 0, 0 }, { 27, 32 } }, { 5, { 8, 16 }, { 24, 32 } }, { 2, { 27, 32 }, { 16, 24 } } },
	  { { 80, 6 }, { 12, 17 }, { 4, 1 }, { 4, 0 } }, { 100 }, { 30, 6, 0, 2, 62 } },
	{ "fw",
	  { { 25, { 0, 0 }, { 32, 32 } }, { 20, { 32, 32 }, { 0, 0 } }, { 18, { 32, 32 }, { 32, 32 } }, { 10, { 0, 0 }, { 24, 30 } },
	    { 8, { 16, 28 }, { 0, 0 } }, { 8, { 24, 32 }, { 24, 32 } }, { 6, { 0, 0 }, { 0, 0 } }, { 5, { 14, 24 }, { 14, 24 } } },
	  { { 55, 6 }, { 28, 17 }, { 6, 1 }, { 11, 0 } }, { 76, 10, 1, 2, 11 }, { 35, 10, 2, 13, 40 } },
	{ "ipc",
	  { { 35, { 32, 32 }, { 32, 32 } }, { 20, { 24, 32 }, { 24, 32 } }, { 15, { 16, 26 }, { 28, 32 } }, { 10, { 0, 0 }, { 30, 32 } },
	    { 10, { 30, 32 }, { 0, 0 } }, { 8, { 8, 20 }, { 16, 28 } }, { 2, { 0, 0 }, { 8, 20 } } },
	  { { 50, 6 }, { 35, 17 }, { 5, 1 }, { 10, 0 } }, { 72, 6, 1, 4, 17 }, { 38, 6, 1, 10, 45 } },
};

struct five_rule {
	uint32_t src, dst;
	uint8_t src_len, dst_len, proto;
	uint16_t sport[2], dport[2];
	int32_t rank;
};

struct five { uint32_t src, dst; uint16_t sport, dport; uint8_t proto; };

static double uniform(struct rng *rng)
{
	return (double)(rng_u64(rng) >> 11) / 9007199254740992.0;
}

static uint32_t prefix_of(uint8_t len)
{
	return len ? UINT32_MAX << (32 - len) : 0;
}

/* Sites: a few /8, in them some /16, in them /24; the first of a list are the ones most used. */
struct sites { uint32_t *nets; uint32_t count; };

static uint32_t skewed(struct rng *rng, uint32_t count)
{
	const double u = uniform(rng);

	return (uint32_t)(count * u * u);
}

static void sites_make(struct rng *rng, uint32_t rules, struct sites *out)
{
	const uint32_t mid = MAX_OF(8u, rules / 200);
	uint32_t *sixteens = calloc(mid, sizeof(*sixteens)), eights[12];

	for (unsigned int i = 0; i < ARRAY_SIZE(eights); i++)
		eights[i] = 1 + rng_below(rng, 223);
	for (uint32_t i = 0; i < mid; i++)
		sixteens[i] = eights[rng_below(rng, ARRAY_SIZE(eights))] << 8 | rng_below(rng, 256);
	out->count = MAX_OF(16u, rules / 6);
	out->nets = calloc(out->count, sizeof(*out->nets));
	for (uint32_t i = 0; i < out->count; i++)
		out->nets[i] = sixteens[skewed(rng, mid)] << 8 | rng_below(rng, 256);
	free(sixteens);
}

static uint32_t site_address(struct rng *rng, const struct sites *sites, uint8_t len)
{
	return (sites->nets[skewed(rng, sites->count)] << 8 | rng_below(rng, 256)) & prefix_of(len);
}

static unsigned int pick_weighted(struct rng *rng, const uint8_t *weights, unsigned int step, unsigned int count)
{
	unsigned int sum = 0, at = 0;
	uint32_t x;

	for (unsigned int i = 0; i < count; i++)
		sum += weights[i * step];
	x = rng_below(rng, sum);
	while (x >= weights[at * step])
		x -= weights[at++ * step];
	return at;
}

static void draw_ports(struct rng *rng, const uint8_t *weights, uint16_t out[2])
{
	static const uint16_t common[] = { 80, 443, 53, 25, 22, 21, 23, 110, 143, 123, 161, 389, 445, 139, 135, 1521, 1433, 3306, 3389,
					   5060, 8080, 1024, 1812, 514, 6000 };
	static const uint16_t ranges[][2] = { { 137, 139 }, { 6000, 6063 }, { 1024, 5000 }, { 20, 21 }, { 1812, 1813 }, { 33434, 33600 },
					      { 5060, 5061 }, { 67, 68 }, { 161, 162 }, { 8000, 8100 }, { 2300, 2400 }, { 49152, 65535 } };
	static const uint16_t spans[] = { 1, 2, 3, 9, 15, 63, 99, 255, 1000 };
	uint32_t span;

	out[0] = 0;
	out[1] = UINT16_MAX;
	switch ((enum port_class)pick_weighted(rng, weights, 1, 5)) {
	case ANY_PORT:
		return;
	case HIGH:
		out[0] = 1024;
		return;
	case LOW:
		out[1] = 1023;
		return;
	case EXACT:
		out[0] = out[1] = rng_below(rng, 10) < 6 ? common[rng_below(rng, ARRAY_SIZE(common))] : (uint16_t)(1 + rng_below(rng, 65535));
		return;
	case RANGE:
		break;
	}
	if (rng_below(rng, 10) < 6) {
		memcpy(out, ranges[rng_below(rng, ARRAY_SIZE(ranges))], 2 * sizeof(*out));
		return;
	}
	span = spans[rng_below(rng, ARRAY_SIZE(spans))];
	out[0] = (uint16_t)(1 + rng_below(rng, 64999));
	out[1] = (uint16_t)MIN_OF(65535u, out[0] + span);
}

static bool is_any(const uint16_t port[2])
{
	return port[0] == 0 && port[1] == UINT16_MAX;
}

static bool draw_rule(struct rng *rng, const struct seed *seed, const struct sites *src, const struct sites *dst, bool few_wild,
		      struct five_rule *out)
{
	unsigned int total = 0, at = 0;
	uint32_t x;

	for (unsigned int i = 0; i < ARRAY_SIZE(seed->prefixes); i++)
		total += seed->prefixes[i].weight;
	x = rng_below(rng, total);
	while (x >= seed->prefixes[at].weight)
		x -= seed->prefixes[at++].weight;
	const struct weighted *p = &seed->prefixes[at];

	*out = (struct five_rule){ .sport = { 0, UINT16_MAX }, .dport = { 0, UINT16_MAX } };
	out->src_len = (uint8_t)(p->src[0] + rng_below(rng, p->src[1] - p->src[0] + 1u));
	out->dst_len = (uint8_t)(p->dst[0] + rng_below(rng, p->dst[1] - p->dst[0] + 1u));
	if (!out->src_len && !out->dst_len && few_wild && rng_below(rng, 20))
		return false;
	out->proto = seed->protos[pick_weighted(rng, &seed->protos[0][0], 2, 4)][1];
	if (out->proto == IPPROTO_TCP || out->proto == IPPROTO_UDP) {
		draw_ports(rng, seed->sports, out->sport);
		draw_ports(rng, seed->dports, out->dport);
	}
	if (!out->src_len && !out->dst_len && is_any(out->sport) && is_any(out->dport))
		return false;		/* all behind it would be dead */
	out->src = site_address(rng, src, out->src_len);
	out->dst = site_address(rng, dst, out->dst_len);
	/* narrow rules first, as in sets written by hand, with some disorder */
	out->rank = out->src_len + out->dst_len + (out->sport[0] == out->sport[1]) * 16 + (out->dport[0] == out->dport[1]) * 16;
	out->rank = out->rank * 1000 - (int32_t)(12000 * (uniform(rng) + uniform(rng) + uniform(rng) + uniform(rng) - 2) * 1.7);
	return true;
}

static int by_rank(const void *a, const void *b)
{
	return ((const struct five_rule *)b)->rank - ((const struct five_rule *)a)->rank;
}

static struct five_rule *rules_draw(const struct seed *seed, uint32_t count)
{
	struct five_rule *rules = calloc(count, sizeof(*rules));
	struct sites src, dst;
	struct rng rng;

	rng_seed(&rng, 0xac1 + count + (uint64_t)(seed - seeds) * 1000003);
	sites_make(&rng, count, &src);
	sites_make(&rng, count, &dst);
	for (uint32_t n = 0; n < count;)
		n += draw_rule(&rng, seed, &src, &dst, n > 200, &rules[n]);
	free(src.nets);
	free(dst.nets);
	qsort(rules, count, sizeof(*rules), by_rank);
	return rules;
}

static bool rule_fits(const struct five_rule *r, const struct five *p)
{
	return !((p->src ^ r->src) & prefix_of(r->src_len)) && !((p->dst ^ r->dst) & prefix_of(r->dst_len)) &&
	       (!r->proto || r->proto == p->proto) && p->sport >= r->sport[0] && p->sport <= r->sport[1] && p->dport >= r->dport[0] &&
	       p->dport <= r->dport[1];
}

static uint32_t linear_find(const struct five_rule *rules, uint32_t count, const struct five *p)
{
	uint32_t i = 0;

	while (i < count && !rule_fits(&rules[i], p))
		i++;
	return i;
}

static void rule_text(const struct five_rule *r, uint32_t number, struct strbuf *out)
{
	static const char *const names[] = { [IPPROTO_TCP] = "tcp", [IPPROTO_UDP] = "udp", [IPPROTO_ICMP] = "icmp" };
	const be32 src = htonl(r->src), dst = htonl(r->dst);
	char text[INET_ADDRSTRLEN];

	sb_adds(out, "-A FORWARD");
	if (r->src_len)
		sb_printf(out, " -s %s/%u", inet_ntop(AF_INET, &src, text, sizeof(text)), r->src_len);
	if (r->dst_len)
		sb_printf(out, " -d %s/%u", inet_ntop(AF_INET, &dst, text, sizeof(text)), r->dst_len);
	if (r->proto)
		sb_printf(out, " -p %s", names[r->proto]);
	if (!is_any(r->sport) || !is_any(r->dport)) {
		sb_printf(out, " -m %s", names[r->proto]);
		if (!is_any(r->sport))
			sb_printf(out, " --sport %u:%u", r->sport[0], r->sport[1]);
		if (!is_any(r->dport))
			sb_printf(out, " --dport %u:%u", r->dport[0], r->dport[1]);
	}
	sb_printf(out, " -j %s\n", number % 10 < 7 ? "ACCEPT" : "DROP");
}

/* --- weir --- */

struct weir {
	struct instance *inst;
	struct table *table;
	struct hook_state state;
	struct iface in, out;
	struct pkt pkts[BURST];
	uint8_t bytes[BURST][64];
	bool looks_ahead;
};

static void die(const char *what, const struct refusal *why)
{
	if (why)
		report_refusal("bench-acl", why);
	fprintf(stderr, "bench-acl: %s\n", what);
	exit(1);
}

static void weir_new(struct weir *w, const char *text, size_t len)
{
	struct refusal why = { 0 };

	memset(w, 0, sizeof(*w));
	w->inst = instance_new(1, 0, &why);
	if (!w->inst)
		die("no instance", &why);
	tables_set_mode(w->inst, RULES_WALK);
	if (rules_restore(w->inst, NFPROTO_IPV4, text, len, "rules", 0, &why))
		die("rules", &why);
	w->table = table_find(w->inst, NFPROTO_IPV4, "filter");
	strcpy(w->in.name, "in0");
	strcpy(w->out.name, "out0");
	w->state = (struct hook_state){ .inst = w->inst, .family = NFPROTO_IPV4, .hooknum = NF_INET_FORWARD, .in = &w->in, .out = &w->out };
	for (unsigned int i = 0; i < BURST; i++) {
		struct pkt *pkt = &w->pkts[i];

		pkt->data = w->bytes[i];
		pkt->len = 60;
		pkt->protocol = ETH_P_IP;
		*pkt_ip4(pkt) = (struct iphdr){ .version = 4, .ihl = 5, .tot_len = htons(60), .ttl = 64, .protocol = IPPROTO_UDP };
		w->bytes[i][32] = 0x50;
		pkt_parse(pkt);
	}
}

/* What decided; its number is read when the clock has stopped. */
static const struct table_rule_ref *weir_ask(struct weir *w, unsigned int slot)
{
	struct pkt *pkt = &w->pkts[slot];

	pkt->rule = NULL;
	table_walk4(w->table, pkt, &w->state);
	return pkt->rule;
}

static void weir_write(struct weir *w, unsigned int slot, const struct five *p)
{
	struct iphdr *ip = pkt_ip4(&w->pkts[slot]);

	ip->saddr = htonl(p->src);
	ip->daddr = htonl(p->dst);
	ip->protocol = p->proto;
	put_be16(w->bytes[slot] + 20, p->sport);
	put_be16(w->bytes[slot] + 22, p->dport);
}

static void weir_classify(struct weir *w, const struct five *trace, uint32_t count, const struct table_rule_ref **answers)
{
	struct pkt *burst[BURST];

	for (unsigned int k = 0; k < BURST; k++)
		burst[k] = &w->pkts[k];
	for (uint32_t i = 0; i < count; i += BURST) {
		for (unsigned int k = 0; k < BURST; k++)
			weir_write(w, k, &trace[i + k]);
		if (w->looks_ahead)
			tables_look_ahead(w->inst, NFPROTO_IPV4, burst, BURST);
		for (unsigned int k = 0; k < BURST; k++)
			answers[i + k] = weir_ask(w, k);
	}
}

/* --- the peer --- */

struct peer { void *acl; double build_s; const uint8_t **keys; void *room; };

#ifdef WEIR_HAVE_DPDK
struct acl_key { uint8_t proto, spare[3]; be32 src, dst; be16 sport, dport; };
enum { ACL_PROTO, ACL_SRC, ACL_DST, ACL_SPORT, ACL_DPORT, ACL_FIELDS };
RTE_ACL_RULE_DEF(acl_five, ACL_FIELDS);

static bool peer_start(void)
{
	static char *args[] = { "bench-acl", "--no-huge", "-m", "6000", "--no-pci", "-l", NULL, "--log-level=1", "--no-telemetry", NULL };
	static char core[16];

	snprintf(core, sizeof(core), "%d", sched_getcpu());
	args[6] = core;
	return rte_eal_init(9, args) >= 0;
}

static bool peer_new(struct peer *peer, const struct five_rule *rules, uint32_t count)
{
	struct rte_acl_param param = { .name = "bench", .socket_id = SOCKET_ID_ANY, .rule_size = RTE_ACL_RULE_SZ(ACL_FIELDS),
				       .max_rule_num = count };
	struct rte_acl_config config = { .num_categories = 1, .num_fields = ACL_FIELDS, .defs = {
		{ RTE_ACL_FIELD_TYPE_BITMASK, 1, ACL_PROTO, 0, offsetof(struct acl_key, proto) },
		{ RTE_ACL_FIELD_TYPE_MASK, 4, ACL_SRC, 1, offsetof(struct acl_key, src) },
		{ RTE_ACL_FIELD_TYPE_MASK, 4, ACL_DST, 2, offsetof(struct acl_key, dst) },
		{ RTE_ACL_FIELD_TYPE_RANGE, 2, ACL_SPORT, 3, offsetof(struct acl_key, sport) },
		{ RTE_ACL_FIELD_TYPE_RANGE, 2, ACL_DPORT, 3, offsetof(struct acl_key, dport) } } };
	double began = cpu_ns();

	*peer = (struct peer){ .acl = rte_acl_create(&param) };
	if (!peer->acl)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct acl_five r = { .data = { .category_mask = 1, .priority = RTE_ACL_MAX_PRIORITY - 1 - (int32_t)i, .userdata = i + 1 } };

		r.field[ACL_PROTO].value.u8 = rules[i].proto;
		r.field[ACL_PROTO].mask_range.u8 = rules[i].proto ? 0xff : 0;
		r.field[ACL_SRC].value.u32 = rules[i].src;
		r.field[ACL_SRC].mask_range.u32 = rules[i].src_len;
		r.field[ACL_DST].value.u32 = rules[i].dst;
		r.field[ACL_DST].mask_range.u32 = rules[i].dst_len;
		r.field[ACL_SPORT].value.u16 = rules[i].sport[0];
		r.field[ACL_SPORT].mask_range.u16 = rules[i].sport[1];
		r.field[ACL_DPORT].value.u16 = rules[i].dport[0];
		r.field[ACL_DPORT].mask_range.u16 = rules[i].dport[1];
		if (rte_acl_add_rules(peer->acl, (struct rte_acl_rule *)&r, 1))
			return false;
	}
	if (rte_acl_build(peer->acl, &config))
		return false;
	peer->build_s = (cpu_ns() - began) / 1e9;
	peer->keys = calloc(TRACE, sizeof(*peer->keys));
	peer->room = calloc(TRACE, sizeof(struct acl_key));
	return true;
}

static void peer_keys(struct peer *peer, const struct five *trace)
{
	struct acl_key *keys = peer->room;

	for (uint32_t i = 0; i < TRACE; i++) {
		keys[i] = (struct acl_key){ .proto = trace[i].proto, .src = htonl(trace[i].src), .dst = htonl(trace[i].dst),
					    .sport = htons(trace[i].sport), .dport = htons(trace[i].dport) };
		peer->keys[i] = (const uint8_t *)&keys[i];
	}
}

static void peer_classify(struct peer *peer, uint32_t from, uint32_t count, uint32_t *answers)
{
	for (uint32_t i = 0; i < count; i += BURST)
		rte_acl_classify(peer->acl, peer->keys + from + i, answers + i, BURST, 1);
}

static void peer_free(struct peer *peer)
{
	rte_acl_free(peer->acl);
	free(peer->keys);
	free(peer->room);
}
#else
static bool peer_start(void) { return false; }
static bool peer_new(struct peer *peer, const struct five_rule *rules, uint32_t count) { return false; }
static void peer_keys(struct peer *peer, const struct five *trace) { }
static void peer_classify(struct peer *peer, uint32_t from, uint32_t count, uint32_t *answers) { }
static void peer_free(struct peer *peer) { }
#endif

/* --- traces --- */

static void draw_hit(struct rng *rng, const struct five_rule *rules, uint32_t count, struct five *out)
{
	const struct five_rule *r = &rules[rng_below(rng, count)];

	*out = (struct five){ rng_u32(rng), rng_u32(rng), rng_u16(rng), rng_u16(rng), rng_below(rng, 2) ? 6 : 17 };
	if (!rng_below(rng, 20))
		return;
	out->src = r->src | (out->src & ~prefix_of(r->src_len));
	out->dst = r->dst | (out->dst & ~prefix_of(r->dst_len));
	out->sport = (uint16_t)(r->sport[0] + rng_below(rng, r->sport[1] - r->sport[0] + 1u));
	out->dport = (uint16_t)(r->dport[0] + rng_below(rng, r->dport[1] - r->dport[0] + 1u));
	if (r->proto)
		out->proto = r->proto;
	if (out->proto == IPPROTO_ICMP)
		out->sport = 0x0800;
}

/* Parts of packets that match, put together so that nothing does. weir says what matches; its answers are compared later. */
static uint32_t trace_misses(struct weir *w, struct rng *rng, const struct five_rule *rules, uint32_t count, struct five *trace)
{
	uint32_t n = 0;

	for (uint64_t tries = 0; n < TRACE && tries < (uint64_t)TRACE * MISS_TRIES; tries++) {
		struct five p, other;

		draw_hit(rng, rules, count, &p);
		draw_hit(rng, rules, count, &other);
		switch (rng_below(rng, 4)) {
		case 0:
			p.dport = rng_u16(rng);
			break;
		case 1:
			p.src = other.src;
			break;
		case 2:
			p.dst = other.dst;
			p.dport = other.dport;
			break;
		case 3:
			p.dst ^= rng_below(rng, 256);
			p.sport = other.sport;
			break;
		}
		weir_write(w, 0, &p);
		if (weir_ask(w, 0)->number == 0)
			trace[n++] = p;
	}
	for (uint32_t i = n; n && i < TRACE; i++)	/* dense sets: fewer packets, again */
		trace[i] = trace[i % n];
	return n;
}

/* --- measuring --- */

struct options { unsigned int rounds; uint32_t sizes[8]; unsigned int size_count; uint32_t peer_max; const char *only; bool walks, singly; };

static void row_print(const char *row, const char *unit, double *values, unsigned int count, double peer, const char *what)
{
	const double mid = median(values, count);

	printf("{\"row\": \"%s\", \"unit\": \"%s\", \"median\": %.*f, \"min\": %.*f, \"max\": %.*f", row, unit, mid < 1 ? 6 : 1, mid,
	       mid < 1 ? 6 : 1, values[0], mid < 1 ? 6 : 1, values[count - 1]);
	if (peer > 0)
		printf(", \"peer\": {\"rte_acl\": %.*f}, \"ratio\": {\"rte_acl\": %.2f}", peer < 1 ? 6 : 1, peer, peer / mid);
	else
		printf(", \"peer\": {}, \"ratio\": {}");
	printf(", \"what\": \"%s\"}\n", what);
	fflush(stdout);
}

static void size_name(uint32_t count, char *out, size_t len)
{
	if (count % 1000 == 0)
		snprintf(out, len, "%uk", count / 1000);
	else
		snprintf(out, len, "%u", count);
}

/* Of the three kinds of sets, the one that takes longest. */
struct spread { double median, min, max; };
struct worst { struct spread build, append, insert; };

static void worst_note(struct spread *worst, double *values, unsigned int count)
{
	const double mid = median(values, count);

	if (mid > worst->median)
		*worst = (struct spread){ mid, values[0], values[count - 1] };
}

static void worst_print(const char *row, uint32_t count, const struct spread *worst, const char *what)
{
	double values[3] = { worst->min, worst->median, worst->max };
	char name[64], size[16];

	if (!worst->median)
		return;
	size_name(count, size, sizeof(size));
	snprintf(name, sizeof(name), "%s_%s", row, size);
	row_print(name, "s", values, 3, 0, what);
}

struct bench {
	struct worst *worst;
	const struct options *options;
	const struct seed *seed;
	const struct five_rule *rules;
	uint32_t count;
	struct weir *weir;
	struct peer *peer;		/* NULL: not here, or too large for it */
	struct five trace[TRACE];
	const struct table_rule_ref *answers[CHUNK];
	uint32_t theirs[CHUNK];
};

/* weir's numbers of rules against the linear search, and the peer's against weir's. */
static void answers_check(struct bench *b, uint32_t from)
{
	const uint32_t sure = b->count > 10000 ? 64 : 512;

	for (uint32_t i = 0; i < sure; i++) {
		const uint32_t found = linear_find(b->rules, b->count, &b->trace[from + i]);

		if (b->answers[i]->number != (found == b->count ? 0 : found + 1))
			die("weir's answer differs from the linear search", NULL);
	}
	for (uint32_t i = 0; b->peer && i < CHUNK; i++)
		if (b->answers[i]->number != b->theirs[i])
			die("rte_acl's answer differs from weir's", NULL);
}

static void measure(struct bench *b, const char *suffix, const char *what)
{
	double ours[ROUNDS_MAX], peers[ROUNDS_MAX];
	char row[64], size[16];

	if (b->peer)
		peer_keys(b->peer, b->trace);
	for (unsigned int r = 0; r < b->options->rounds; r++) {
		const uint32_t from = r * CHUNK % TRACE;
		double began = cpu_ns();

		weir_classify(b->weir, b->trace + from, CHUNK, b->answers);
		ours[r] = (cpu_ns() - began) / CHUNK;
		if (b->peer) {
			began = cpu_ns();
			peer_classify(b->peer, from, CHUNK, b->theirs);
			peers[r] = (cpu_ns() - began) / CHUNK;
		}
		answers_check(b, from);
	}
	size_name(b->count, size, sizeof(size));
	snprintf(row, sizeof(row), "%s_%s%s", b->seed->name, size, suffix);
	row_print(row, "ns", ours, b->options->rounds, b->peer ? median(peers, b->options->rounds) : 0, what);
}

static void measure_build(struct bench *b)
{
	double seconds[BUILDS], bytes;
	char row[64], size[16];

	for (unsigned int r = 0; r < ARRAY_SIZE(seconds); r++) {
		double began;

		tables_set_mode(b->weir->inst, RULES_WALK);
		began = cpu_ns();
		tables_set_mode(b->weir->inst, RULES_COMPILED);
		seconds[r] = (cpu_ns() - began) / 1e9;
	}
	worst_note(&b->worst->build, seconds, ARRAY_SIZE(seconds));
	size_name(b->count, size, sizeof(size));
	snprintf(row, sizeof(row), "build_%s_%s", size, b->seed->name);
	row_print(row, "s", seconds, ARRAY_SIZE(seconds), b->peer ? b->peer->build_s : 0, "the chain becomes a classifier");
	bytes = (double)tables_compiled(b->weir->inst).bytes;
	snprintf(row, sizeof(row), "bytes_%s_%s", size, b->seed->name);
	row_print(row, "bytes", &bytes, 1, 0, "memory of the classifier");
}

/* One rule more at the end of the chain, then in front of it, as `iptables -A` and `-I` in a script end. */
static void measure_changes(struct bench *b, bool in_front)
{
	struct { struct ipt_entry e; struct xt_standard_target t; } rule = {
		.e = { .target_offset = sizeof(struct ipt_entry), .next_offset = sizeof(rule), .ip.smsk.s_addr = UINT32_MAX },
		.t.target.u.user = { .target_size = sizeof(rule.t), .name = "DROP" },
	};
	struct rule_change change = { .kind = CHANGE_INSERT, .is_append = !in_front, .chain = "FORWARD", .entry = &rule, .entry_len = sizeof(rule) };
	double seconds[APPENDS];
	char row[64], size[16];

	for (unsigned int i = 0; i < APPENDS; i++) {
		double began;

		rule.e.ip.src.s_addr = htonl(0x0b000000 + i);
		began = cpu_ns();
		if (tables_change_rule(b->weir->inst, NFPROTO_IPV4, "filter", &change, NULL))
			die("a rule is refused", NULL);
		seconds[i] = (cpu_ns() - began) / 1e9;
	}
	worst_note(in_front ? &b->worst->insert : &b->worst->append, seconds, APPENDS);
	size_name(b->count, size, sizeof(size));
	snprintf(row, sizeof(row), "%s_%s_%s", in_front ? "insert" : "append", size, b->seed->name);
	row_print(row, "s", seconds, APPENDS, 0, in_front ? "one rule more in front of the chain, in use" : "one rule more behind the chain, in use");
}

static bool is_wanted(const struct options *o, const char *seed, uint32_t count)
{
	char row[64], size[16];

	size_name(count, size, sizeof(size));
	snprintf(row, sizeof(row), "%s_%s", seed, size);
	return !o->only || strstr(o->only, row);
}

static void bench_set(const struct options *o, const struct seed *seed, uint32_t count, bool has_peer, struct worst *worst)
{
	struct five_rule *rules = rules_draw(seed, count);
	struct strbuf text = STRBUF_INIT;
	struct weir *w = malloc(sizeof(*w));
	struct bench *b = calloc(1, sizeof(*b));
	struct peer peer;
	struct rng rng;

	sb_adds(&text, "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n");
	for (uint32_t i = 0; i < count; i++)
		rule_text(&rules[i], i, &text);
	sb_adds(&text, "COMMIT\n");
	weir_new(w, sb_str(&text), text.len);
	w->looks_ahead = !o->singly;
	*b = (struct bench){ .worst = worst, .options = o, .seed = seed, .rules = rules, .count = count, .weir = w };
	if (has_peer && count <= o->peer_max && peer_new(&peer, rules, count))
		b->peer = &peer;
	rng_seed(&rng, count);
	if (!o->walks)
		measure_build(b);
	if (trace_misses(w, &rng, rules, count, b->trace))
		measure(b, "", "verdict of a packet that no rule matches");
	for (uint32_t i = 0; i < TRACE; i++)
		draw_hit(&rng, rules, count, &b->trace[i]);
	measure(b, "_hit", "verdict where 95 % fall into a random rule");
	if (count >= LARGE) {		/* a small table is made anew as fast */
		measure_changes(b, false);
		measure_changes(b, true);
	}
	if (b->peer)
		peer_free(b->peer);
	instance_free(w->inst);
	free(w);
	free(b);
	sb_free(&text);
	free(rules);
}

static void options_read(int argc, char **argv, struct options *o)
{
	*o = (struct options){ .rounds = 25, .sizes = { 100, 1000, 10000, 100000 }, .size_count = 4, .peer_max = 10000 };
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(argv[i], "--quick")) {
			o->rounds = 9;
			o->peer_max = MIN_OF(o->peer_max, 1000u);
		} else if (!strcmp(argv[i], "--walk")) {
			o->walks = true;
			o->peer_max = 0;
		} else if (!strcmp(argv[i], "--singly")) {
			o->singly = true;
		} else if (!strcmp(argv[i], "--rounds")) {
			o->rounds = MIN_OF((unsigned int)strtoul(value, NULL, 10), (unsigned int)ROUNDS_MAX);
			i++;
		} else if (!strcmp(argv[i], "--peer-max")) {
			o->peer_max = (uint32_t)strtoul(value, NULL, 10);
			i++;
		} else if (!strcmp(argv[i], "--only")) {
			o->only = value;
			i++;
		} else if (!strcmp(argv[i], "--sizes")) {
			char *at = argv[++i];

			for (o->size_count = 0; at && *at && o->size_count < ARRAY_SIZE(o->sizes); at += *at == ',')
				o->sizes[o->size_count++] = (uint32_t)strtoul(at, &at, 10);
		} else {
			die("usage: bench-acl [--rounds N] [--only ROW,ROW] [--sizes N,N] [--peer-max N] [--quick] [--walk] [--singly]", NULL);
		}
	}
	if (!o->rounds)
		o->rounds = 1;
}

int main(int argc, char **argv)
{
	struct options o;
	bool has_peer;

	options_read(argc, argv, &o);
	has_peer = o.peer_max && peer_start();
	if (!has_peer)
		fprintf(stderr, "bench-acl: librte_acl is not here (Debian: libdpdk-dev before configuring): no ratios\n");
	for (unsigned int n = 0; n < o.size_count; n++) {
		struct worst worst = { 0 };

		for (unsigned int s = 0; s < ARRAY_SIZE(seeds); s++)
			if (is_wanted(&o, seeds[s].name, o.sizes[n]))
				bench_set(&o, &seeds[s], o.sizes[n], has_peer, &worst);
		worst_print("build", o.sizes[n], &worst.build, "a chain becomes a classifier, the slowest of the three");
		worst_print("append", o.sizes[n], &worst.append, "one rule more behind the chain, in use, the slowest of the three");
		worst_print("insert", o.sizes[n], &worst.insert, "one rule more in front of it");
	}
	return 0;
}
