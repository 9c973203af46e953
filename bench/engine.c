/*
 * bench/engine.c - what the engine costs a packet, a new connection, and a connection's memory, without files.
 *
 * Instances are made as `weir run` makes them (lines of ip -batch, sysctls, iptables-save text) and are fed
 * frames from memory in bursts, by path_receive(); an observer counts what leaves. Time is this thread's CPU time
 * around taking the frames in (copied into packets, as the drivers do) and everything until they are gone; writing the
 * frames of the next round is left out. Stages are differences between instances that have one thing more each. All
 * cases take turns, round after round, so that a noisy minute hits every one of them.
 *
 *	bench-engine [--rounds N] [--only ROW,ROW] [--quick] > JSON lines
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "cli/cli.h"
#include "cli/netip.h"
#include "conntrack/conntrack.h"
#include "flowcache/flowcache.h"
#include "path/path.h"
#include "table/table.h"
#include "measure.h"

enum {
	FRAME_LEN = 60,
	FRAME6_LEN = 62,
	ROUND_FRAMES = 4096,	/* written ahead, then timed together: 256 KiB */
	HOSTS = 1021,
	PORTS_USED = 60000,
	MILLION = 1000000,
};

/* --- worlds: instances to send packets through --- */

static const char net_plain[] =
	"link add dev in0 address 02:00:00:00:00:01\n"
	"link add dev out0 address 02:00:00:00:00:02\n"
	"link set dev in0 up\nlink set dev out0 up\n"
	"addr add 10.1.255.254/16 brd + dev in0\n"
	"addr add 203.0.113.2/24 brd + dev out0\n"
	"route add default via 203.0.113.1\n"
	"neigh add 203.0.113.1 lladdr 02:00:00:00:00:03 dev out0 nud permanent\n";

static const char net_six[] =
	"addr add 2001:db8:1::ffff/48 dev in0 nodad\n"
	"addr add 2001:db8:2::2/64 dev out0 nodad\n"
	"route add default via 2001:db8:2::1\n"
	"neigh add 2001:db8:2::1 lladdr 02:00:00:00:00:03 dev out0 nud permanent\n";

static const char sysctl_plain[] =
	"net.ipv4.ip_forward = 1\n"
	"net.ipv6.conf.all.forwarding = 1\n"
	"net.netfilter.nf_conntrack_max = 8000000\n"
	"net.netfilter.nf_conntrack_udp_timeout = 600000\n"
	"net.netfilter.nf_conntrack_udp_timeout_stream = 600000\n";

static const char rules_stateful[] =
	"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	"-A FORWARD -i in0 -p udp -m udp --dport 53 -j ACCEPT\n"
	"COMMIT\n";

static const char rules_nat[] =
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
	"-A POSTROUTING -o out0 -j MASQUERADE\nCOMMIT\n";

struct world {
	struct instance *inst;
	struct iface *in, *out;
	uint64_t left, dropped;
	uint32_t flows;
	uint32_t next_new;		/* the number of the next new flow */
	struct rng rng;
	bool is_edge;
	bool is_six;			/* its flows are of IPv6 */
};

static void die(const char *what, const struct refusal *why)
{
	report_refusal("bench-engine", why);
	fprintf(stderr, "bench-engine: %s\n", what);
	exit(1);
}

static void count_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	((struct world *)priv)->left++;
}

static void count_drop(void *priv, const struct pkt *pkt)
{
	((struct world *)priv)->dropped++;
}

static void set(struct world *w, const char *name, const char *value)
{
	struct refusal why = { 0 };

	if (sysctl_set(w->inst->sysctls, name, value, &why))
		die(name, &why);
}

static void set_all(struct world *w, const char *text)
{
	char line[256];
	size_t len;

	for (; *text; text += len + (text[len] == '\n')) {
		char *equal;

		len = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		equal = strstr(line, " = ");
		if (!equal)
			continue;
		*equal = '\0';
		set(w, line, equal + 3);
	}
}

static void add_rules_of(struct world *w, uint8_t family, const char *text, const char *file)
{
	struct refusal why = { 0 };

	if (rules_restore(w->inst, family, text, strlen(text), file, RESTORE_ALL_OR_NOTHING | RESTORE_COUNTERS, &why))
		die(file, &why);
}

static void add_rules(struct world *w, const char *text, const char *file)
{
	add_rules_of(w, NFPROTO_IPV4, text, file);
}

static void world_new(struct world *w, const char *net, const char *sysctls, const char *in, const char *out)
{
	struct refusal why = { 0 };
	struct netip ip = { .loading = true };

	*w = (struct world){ .inst = instance_new(1, 1700000000ll * NSEC_PER_SEC, &why) };
	if (!w->inst)
		die("instance", &why);
	ip.inst = w->inst;
	if (netip_load(&ip, net, strlen(net), "net.ip", &why))
		die("net.ip", &why);
	set_all(w, sysctls);
	w->in = iface_find(w->inst, in);
	w->out = iface_find(w->inst, out);
	w->inst->observer = (struct observer){ .priv = w, .transmit = count_transmit, .drop = count_drop };
	rng_seed(&w->rng, 7);
}

static void world_plain(struct world *w)
{
	world_new(w, net_plain, sysctl_plain, "in0", "out0");
}

/* samples/edge as it is shipped, but for a table that holds what is put into it. */
static void world_edge(struct world *w)
{
	static const char *const names[] = { "samples/edge/net.ip", "samples/edge/sysctl.conf", "samples/edge/rules.v4" };
	struct strbuf text[3] = { STRBUF_INIT, STRBUF_INIT, STRBUF_INIT };
	struct refusal why = { 0 };

	for (int i = 0; i < 3; i++)
		if (file_read(names[i], 1 << 20, &text[i], &why))
			die("run it where samples/ is", &why);
	world_new(w, sb_str(&text[0]), sb_str(&text[1]), "lan0", "wan0");
	set_all(w, sysctl_plain);
	add_rules(w, sb_str(&text[2]), names[2]);
	w->is_edge = true;
	for (int i = 0; i < 3; i++)
		sb_free(&text[i]);
}

/* --- frames: UDP flow @i there, or its answer as NAT lets it look --- */

struct flow_addr { uint32_t src, dst; uint16_t sport; };

static struct flow_addr flow_of(const struct world *w, uint32_t i)
{
	return (struct flow_addr){
		.src = w->is_edge ? 0xc0a80714 : 0x0a010001 + i % HOSTS,
		.dst = 0xc6120001 + i / PORTS_USED, .sport = (uint16_t)(1024 + i % PORTS_USED),
	};
}

static void write_frame(uint8_t *frame, const struct iface *to, uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	static const uint8_t peer[6] = { 2, 0, 0, 0, 0, 9 };
	struct iphdr ip = { .version = 4, .ihl = 5, .tot_len = htons(46), .ttl = 64, .protocol = IPPROTO_UDP,
			    .saddr = htonl(src), .daddr = htonl(dst) };
	be16 sum;

	memset(frame, 0, FRAME_LEN);
	memcpy(frame, to->mac, 6);
	memcpy(frame + 6, peer, 6);
	put_be16(frame + 12, ETH_P_IP);
	csum_ip4_header(&ip);
	memcpy(frame + 14, &ip, sizeof(ip));
	put_be16(frame + 34, sport);
	put_be16(frame + 36, dport);
	put_be16(frame + 38, 26);
	memset(frame + 42, 'w', 18);
	sum = csum_fold(csum_partial(frame + 34, 26, csum_pseudo4(ip.saddr, ip.daddr, IPPROTO_UDP, 26)));
	if (!sum)
		sum = 0xffff;
	memcpy(frame + 40, &sum, 2);
}

/* The same of IPv6, without data: a frame of a lot has room for no more. */
static void write_frame6(uint8_t *frame, const struct iface *to, uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	static const uint8_t peer[6] = { 2, 0, 0, 0, 0, 9 };
	struct ipv6hdr ip = { .version = 6, .payload_len = htons(8), .nexthdr = IPPROTO_UDP, .hop_limit = 64 };
	be16 sum;

	memset(frame, 0, FRAME6_LEN);
	memcpy(frame, to->mac, 6);
	memcpy(frame + 6, peer, 6);
	put_be16(frame + 12, ETH_P_IPV6);
	put_be32(ip.saddr.s6_addr, 0x20010db8);
	put_be16(ip.saddr.s6_addr + 4, 1);
	put_be32(ip.saddr.s6_addr + 12, src);
	put_be32(ip.daddr.s6_addr, 0x20010db8);
	put_be16(ip.daddr.s6_addr + 4, 3);
	put_be32(ip.daddr.s6_addr + 12, dst);
	memcpy(frame + 14, &ip, sizeof(ip));
	put_be16(frame + 54, sport);
	put_be16(frame + 56, dport);
	put_be16(frame + 58, 8);
	sum = csum_fold(csum_partial(frame + 54, 8, csum_pseudo6(&ip.saddr, &ip.daddr, IPPROTO_UDP, 8)));
	if (!sum)
		sum = 0xffff;
	memcpy(frame + 60, &sum, 2);
}

struct lot {			/* a round's frames, and by which port each comes */
	uint8_t (*frame)[64];
	struct iface **in;
	uint32_t count;
};

static void lot_forward(struct lot *lot, struct world *w, uint32_t flow)
{
	struct flow_addr f = flow_of(w, flow);

	lot->in[lot->count] = w->in;
	(w->is_six ? write_frame6 : write_frame)(lot->frame[lot->count++], w->in, f.src, f.dst, f.sport, 53);
}

static void lot_reply(struct lot *lot, struct world *w, uint32_t flow)
{
	struct flow_addr f = flow_of(w, flow);

	lot->in[lot->count] = w->out;
	write_frame(lot->frame[lot->count++], w->out, f.dst, 0xcb007102, 53, f.sport);
}

static void run_lot(struct world *w, const struct lot *lot, uint32_t burst_len)
{
	struct pkt *burst[PKT_BURST_MAX];

	for (uint32_t i = 0; i < lot->count; i += burst_len) {
		uint32_t n = MIN_OF(burst_len, lot->count - i);

		for (uint32_t k = 0; k < n; k++)
			burst[k] = pkt_from_frame(w->inst, lot->in[i + k], lot->frame[i + k], w->is_six ? FRAME6_LEN : FRAME_LEN);
		path_receive(w->inst, burst, n);
	}
}

/* Begins flows [from, to) and lets each see an answer, as NAT lets it look, and go on: its ways are known then. */
static void open_flows(struct world *w, struct lot *lot, uint32_t from, uint32_t to, bool answered)
{
	for (uint32_t at = from; at < to;) {
		uint32_t n = MIN_OF((uint32_t)ROUND_FRAMES, to - at);

		lot->count = 0;
		for (uint32_t i = 0; i < n; i++)
			lot_forward(lot, w, at + i);
		run_lot(w, lot, 32);
		lot->count = 0;
		for (uint32_t i = 0; i < n && answered; i++)
			lot_reply(lot, w, at + i);
		run_lot(w, lot, 32);
		lot->count = 0;
		for (uint32_t i = 0; i < n && answered; i++)
			lot_forward(lot, w, at + i);
		run_lot(w, lot, 32);
		at += n;
	}
}

/* --- cases --- */

enum work { WORK_TAKE, WORK_CHECK, WORK_FORWARD, WORK_BOTH_WAYS, WORK_NEW };

struct bench_case {
	const char *row, *what;
	enum work work;
	bool conntrack, stateful, many_rules, nat, edge, full;	/* full: no flow cache */
	uint32_t flows, burst;
	struct world *world;
	double ns[ROUNDS_MAX];
	unsigned int rounds;
	double extra[ROUNDS_MAX];	/* WORK_NEW: what its end costs */
	double growing[ROUNDS_MAX];	/* WORK_NEW: while the tables double */
	unsigned int growing_rounds;
};

static struct bench_case cases[] = {
	{ "take", "a frame becomes a packet, and is freed", WORK_TAKE, .burst = 32 },
	{ "check", "... parsed, checked, dropped at the first hook", WORK_CHECK, .burst = 32 },
	{ "forward", "plain forwarding: routed, sent", WORK_FORWARD, .flows = 10000, .burst = 32 },
	{ "forward_b64", "the same in bursts of 64", WORK_FORWARD, .flows = 10000, .burst = 64 },
	{ "ct_10k", "forward + conntrack, 10,000 established UDP flows", WORK_FORWARD, .conntrack = true, .flows = 10000,
	  .burst = 32, .full = true },
	{ "ct_rules_10k", "forward + conntrack + stateful rules", WORK_FORWARD, .conntrack = true, .stateful = true,
	  .flows = 10000, .burst = 32, .full = true },
	{ "est_nat_1", "stateful rules + MASQUERADE, 1 established UDP flow", WORK_FORWARD, .stateful = true, .nat = true,
	  .flows = 1, .burst = 32 },
	{ "est_nat_1k", "the same, 1,000 flows at random", WORK_FORWARD, .stateful = true, .nat = true, .flows = 1000,
	  .burst = 32 },
	{ "est_nat_10k", "the same, 10,000 flows at random", WORK_FORWARD, .stateful = true, .nat = true, .flows = 10000,
	  .burst = 32 },
	{ "est_nat_10k_b64", "the same in bursts of 64", WORK_FORWARD, .stateful = true, .nat = true, .flows = 10000,
	  .burst = 64 },
	{ "est_nat_10k_b1", "the same one by one", WORK_FORWARD, .stateful = true, .nat = true, .flows = 10000, .burst = 1 },
	{ "est_nat_1m", "the same, 1,000,000 flows at random", WORK_FORWARD, .stateful = true, .nat = true, .flows = MILLION,
	  .burst = 32 },
	{ "full_10k", "10,000 flows on the full way (cache off)", WORK_FORWARD, .stateful = true, .nat = true, .full = true,
	  .flows = 10000, .burst = 32 },
	{ "full_50r_10k", "the same, 50 rules passed before the one that accepts", WORK_FORWARD, .stateful = true,
	  .many_rules = true, .nat = true, .full = true, .flows = 10000, .burst = 32 },
	{ "est_50r_10k", "the same with the cache", WORK_FORWARD, .stateful = true,
	  .many_rules = true, .nat = true, .flows = 10000, .burst = 32 },
	{ "edge_10k", "samples/edge, both directions, 10,000 UDP flows", WORK_BOTH_WAYS, .edge = true, .flows = 10000,
	  .burst = 32 },
	{ "new_1m", "a new UDP connection through stateful rules, into a million", WORK_NEW, .conntrack = true,
	  .stateful = true, .flows = MILLION, .burst = 32 },
	{ "new_nat_1m", "the same with MASQUERADE", WORK_NEW, .stateful = true, .nat = true, .flows = MILLION, .burst = 32 },
};

/* Accepts only behind rules that all look at the packet and say no. */
static void add_fifty_rules(struct world *w)
{
	struct strbuf text = STRBUF_INIT;

	sb_adds(&text, "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n");
	for (int i = 0; i < 50; i++) {
		if (i % 2)
			sb_printf(&text, "-A FORWARD -s 10.%d.0.0/16 -p tcp -m tcp --dport %d -j DROP\n", 20 + i, 1000 + i);
		else
			sb_printf(&text, "-A FORWARD -p udp -m udp --dport %d -j DROP\n", 5000 + i);
	}
	sb_adds(&text, "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
		       "-A FORWARD -i in0 -p udp -m udp --dport 53 -j ACCEPT\nCOMMIT\n");
	add_rules(w, sb_str(&text), "fifty.v4");
	sb_free(&text);
}

static unsigned int drop_all(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	return NF_DROP;
}

static const struct hook_ops drop_first = { .family = NFPROTO_IPV4, .hooknum = NF_INET_PRE_ROUTING, .priority = -1000,
					    .fn = drop_all, .name = "bench" };

static bool same_world(const struct bench_case *a, const struct bench_case *b)
{
	return a->full == b->full && (a->work == WORK_NEW) == (b->work == WORK_NEW) && a->conntrack == b->conntrack && a->stateful == b->stateful && a->nat == b->nat && a->edge == b->edge &&
	       a->many_rules == b->many_rules && a->flows == b->flows && (a->work == WORK_CHECK) == (b->work == WORK_CHECK);
}

/* Cases that differ only in how they send share one world. */
static void case_prepare(struct bench_case *c, struct lot *lot)
{
	struct world *w;

	for (struct bench_case *before = cases; before < c && !c->world; before++)
		if (before->world && same_world(before, c))
			c->world = before->world;
	if (c->world)
		return;
	w = calloc(1, sizeof(*w));
	if (!w)
		exit(1);
	if (c->edge) {
		world_edge(w);
	} else {
		world_plain(w);
		if (c->many_rules)
			add_fifty_rules(w);
		else if (c->stateful)
			add_rules(w, rules_stateful, "filter.v4");
		if (c->nat)
			add_rules(w, rules_nat, "nat.v4");
	}
	if (c->full)
		flowcache_set_mode(w->inst, FLOW_OFF);
	if (c->conntrack)
		ct_hooks_get(w->inst, NFPROTO_IPV4);
	if (c->work == WORK_CHECK)
		hook_register(w->inst->hooks, &drop_first);
	c->world = w;
	w->flows = MAX_OF(c->flows, 1u);
	if (ct_is_on(w->inst, NFPROTO_IPV4)) {
		open_flows(w, lot, 0, w->flows, c->nat || c->edge);
		/* without NAT an answer has another address: begin it by the reply tuple's own frame */
		for (uint32_t at = 0; at < w->flows && !c->nat && !c->edge; at += lot->count) {
			lot->count = 0;
			for (uint32_t i = at; i < w->flows && lot->count < ROUND_FRAMES; i++) {
				struct flow_addr f = flow_of(w, i);

				lot->in[lot->count] = w->out;
				write_frame(lot->frame[lot->count++], w->out, f.dst, f.src, 53, f.sport);
			}
			run_lot(w, lot, 32);
		}
		if (ct_count(w->inst) != w->flows) {
			fprintf(stderr, "bench-engine: %s has %u connections, not %u\n", c->row, ct_count(w->inst), w->flows);
			exit(1);
		}
	}
	w->next_new = w->flows;
}

static void fill_lot(struct bench_case *c, struct lot *lot)
{
	struct world *w = c->world;

	lot->count = 0;
	while (lot->count < ROUND_FRAMES) {
		uint32_t flow = rng_below(&w->rng, w->flows);

		if (c->work == WORK_BOTH_WAYS && lot->count & 1)
			lot_reply(lot, w, flow);
		else
			lot_forward(lot, w, flow);
	}
}

static void take_only(struct world *w, const struct lot *lot)
{
	for (uint32_t i = 0; i < lot->count; i += 32) {
		struct pkt *burst[32];

		for (uint32_t k = 0; k < 32; k++)
			burst[k] = pkt_from_frame(w->inst, lot->in[i + k], lot->frame[i + k], FRAME_LEN);
		for (uint32_t k = 0; k < 32; k++)
			pkt_free(w->inst, burst[k]);
	}
}

static void expect_counts(const struct bench_case *c, uint64_t left, uint64_t dropped, uint32_t sent)
{
	uint64_t out = c->world->left - left, lost = c->world->dropped - dropped;

	if (c->work == WORK_TAKE || (c->work == WORK_CHECK ? lost == sent : out == sent))
		return;
	fprintf(stderr, "bench-engine: %s: of %u packets %llu left, %llu were dropped\n", c->row, sent,
		(unsigned long long)out, (unsigned long long)lost);
	exit(1);
}

static void round_steady(struct bench_case *c, struct lot *lot, int lots)
{
	struct world *w = c->world;
	uint64_t left = w->left, dropped = w->dropped;
	double ns = 0, begin;

	for (int i = 0; i < lots; i++) {
		fill_lot(c, lot);
		begin = cpu_ns();
		if (c->work == WORK_TAKE)
			take_only(w, lot);
		else
			run_lot(w, lot, c->burst);
		ns += cpu_ns() - begin;
		instance_advance(w->inst, w->inst->now_ns + 1000000);
	}
	expect_counts(c, left, dropped, (uint32_t)lots * ROUND_FRAMES);
	c->ns[c->rounds] = ns / (lots * (double)ROUND_FRAMES);
}

/* New flows that nobody answers; afterwards their time runs out. */
static void round_new(struct bench_case *c, struct lot *lot, int lots)
{
	struct world *w = c->world;
	uint64_t left = w->left, dropped = w->dropped;
	double ns = 0, begin;
	uint32_t sent = 0;

	set(w, "net.netfilter.nf_conntrack_udp_timeout", "30");
	for (int i = 0; i < lots; i++) {
		lot->count = 0;
		while (lot->count < ROUND_FRAMES)
			lot_forward(lot, w, w->next_new++);
		begin = cpu_ns();
		run_lot(w, lot, c->burst);
		ns += cpu_ns() - begin;
		sent += lot->count;
	}
	expect_counts(c, left, dropped, sent);
	c->ns[c->rounds] = ns / sent;
	begin = cpu_ns();
	instance_advance(w->inst, w->inst->now_ns + 31ll * NSEC_PER_SEC);
	c->extra[c->rounds] = (cpu_ns() - begin) / sent;
	if (ct_count(w->inst) != w->flows) {
		fprintf(stderr, "bench-engine: %s: %u connections are left\n", c->row, ct_count(w->inst));
		exit(1);
	}
}

/* --- rows --- */

static struct bench_case *case_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (strcmp(cases[i].row, name) == 0)
			return cases[i].rounds ? &cases[i] : NULL;
	return NULL;
}

/* What @more costs beyond @less: round by round, so that both saw the same minute. */
static void row_between(const char *name, const char *less, const char *more, const char *what)
{
	const struct bench_case *a = case_of(less), *b = case_of(more);
	double between[ROUNDS_MAX];

	if (!a || !b)
		return;
	for (unsigned int i = 0; i < b->rounds; i++)
		between[i] = b->ns[i] - a->ns[i];
	row(name, "ns", between, b->rounds, what);
}

/* What the process grows by, everything included: records, both hash tables. */
static void bytes_per_connection(struct lot *lot, const char *name, uint32_t count, bool nat, bool six)
{
	char what[128];
	struct world w;
	size_t before;
	double bytes;

	malloc_trim(0);
	world_plain(&w);
	if (six) {
		struct netip ip = { .inst = w.inst, .loading = true };
		struct refusal why = { 0 };

		if (netip_load(&ip, net_six, strlen(net_six), "net.ip", &why))
			die("net.ip", &why);
		w.is_six = true;
	}
	add_rules_of(&w, six ? NFPROTO_IPV6 : NFPROTO_IPV4, rules_stateful, "filter");
	if (nat)
		add_rules_of(&w, six ? NFPROTO_IPV6 : NFPROTO_IPV4, rules_nat, "nat");
	before = resident();
	open_flows(&w, lot, 0, count, false);
	bytes = (double)(resident() - before) / ct_count(w.inst);
	if (ct_count(w.inst) != count || w.left != count) {
		fprintf(stderr, "bench-engine: %s: %u connections, %llu packets left, not %u\n", name, ct_count(w.inst),
			(unsigned long long)w.left, count);
		exit(1);
	}
	snprintf(what, sizeof(what), "a connection%s, by what %u make the process grow: records, hash tables",
		 six ? " of IPv6" : "", count);
	row(name, "bytes", &bytes, 1, what);
	instance_free(w.inst);
}

static void load_rules(unsigned int count, const char *name, const char *what, unsigned int rounds)
{
	struct strbuf text = STRBUF_INIT;
	double ms[ROUNDS_MAX];
	struct rng rng;
	struct world w;

	rng_seed(&rng, 5);
	sb_adds(&text, "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n");
	for (unsigned int i = 0; i < count; i++)
		sb_printf(&text, "-A FORWARD -s 10.%u.%u.%u/32 -d 198.18.%u.0/24 -p tcp -m tcp --dport %u -j ACCEPT\n",
			  rng_below(&rng, 256), rng_below(&rng, 256), rng_below(&rng, 256), rng_below(&rng, 256),
			  1 + rng_below(&rng, 65535));
	sb_adds(&text, "COMMIT\n");
	for (unsigned int i = 0; i < rounds; i++) {
		double begin;

		world_plain(&w);
		begin = cpu_ns();
		add_rules(&w, sb_str(&text), "many.v4");
		ms[i] = (cpu_ns() - begin) / 1e6;
		instance_free(w.inst);
	}
	row(name, "ms", ms, rounds, what);
	sb_free(&text);
}

/* A table that reached a million doubles with what comes next: that is measured apart, until it has done so. */
static void let_it_grow(struct bench_case *c, struct lot *lot)
{
	const uint32_t enough = c->world->next_new + MILLION + MILLION / 10;

	while (c->world->next_new < enough && c->growing_rounds < ROUNDS_MAX) {
		round_new(c, lot, 12);
		c->growing[c->growing_rounds++] = c->ns[0];
	}
}

static bool is_wanted(const char *only, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = only; at && (at = strstr(at, name)); at += len)
		if ((at == only || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
			return true;
	return !only;
}

int main(int argc, char **argv)
{
	struct lot lot = { .frame = aligned_alloc(64, ROUND_FRAMES * 64), .in = calloc(ROUND_FRAMES, sizeof(struct iface *)) };
	unsigned int rounds = 9;
	const char *only = NULL;
	int lots = 24;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
			rounds = (unsigned int)strtoul(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
			only = argv[++i];
		else if (strcmp(argv[i], "--quick") == 0)
			lots = 4;
	}
	rounds = MAX_OF(1u, MIN_OF(rounds, (unsigned int)ROUNDS_MAX));
	if (!lot.frame || !lot.in)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (is_wanted(only, cases[i].row))
			case_prepare(&cases[i], &lot);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (cases[i].world && cases[i].work == WORK_NEW)
			let_it_grow(&cases[i], &lot);
	for (unsigned int r = 0; r < rounds; r++) {
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct bench_case *c = &cases[i];

			if (!c->world)
				continue;
			if (c->work == WORK_NEW)
				round_new(c, &lot, MAX_OF(lots / 2, 1));
			else
				round_steady(c, &lot, lots);
			c->rounds++;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (cases[i].rounds)
			row(cases[i].row, "ns", cases[i].ns, cases[i].rounds, cases[i].what);
	row_between("stage_check", "take", "check", "parse and check");
	row_between("stage_route", "check", "forward", "route, forward, send");
	row_between("stage_conntrack", "forward", "ct_10k", "connection tracking");
	row_between("stage_rules", "ct_10k", "ct_rules_10k", "filter: one rule, -m conntrack");
	row_between("stage_nat", "ct_rules_10k", "full_10k", "MASQUERADE: address, port, checksums");
	if (case_of("new_nat_1m") && case_of("new_nat_1m")->growing_rounds)
		row("new_nat_1m_growing", "ns", case_of("new_nat_1m")->growing, case_of("new_nat_1m")->growing_rounds,
		    "the same while both tables double, which a table of twice that size has done once");
	if (case_of("new_nat_1m"))
		row("expire_nat_1m", "ns", case_of("new_nat_1m")->extra, case_of("new_nat_1m")->rounds,
		    "the end of a connection whose time ran out");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t k = i + 1; k < ARRAY_SIZE(cases); k++)
			if (cases[k].world == cases[i].world)
				cases[k].world = NULL;
		if (cases[i].world) {
			instance_free(cases[i].world->inst);
			free(cases[i].world);
		}
	}
	if (is_wanted(only, "bytes_per_conn")) {
		double size = sizeof(struct ct);

		row("sizeof_ct", "bytes", &size, 1, "one record: both directions, state, NAT");
		bytes_per_connection(&lot, "bytes_per_conn_no_nat", MILLION, false, false);
		bytes_per_connection(&lot, "bytes_per_conn", MILLION, true, false);
		bytes_per_connection(&lot, "bytes_per_conn_v6", MILLION, true, true);
		bytes_per_connection(&lot, "bytes_per_conn_most", MILLION + MILLION / 10, true, false);
	}
	if (is_wanted(only, "load_10k"))
		load_rules(10000, "load_10k", "10,000 rules, text to ready", 3);
	if (is_wanted(only, "load_100k"))
		load_rules(100000, "load_100k", "100,000 rules, text to ready", 1);
	free(lot.frame);
	free(lot.in);
	return 0;
}
