/*
 * bench/scale.c - several workers on one instance: what a second one adds, what they wait for, what a flood does to them.
 *
 * A million established flows through stateful rules and MASQUERADE; each worker has frames of its own, of random flows in both
 * directions, written before the clock runs. One worker alone and two at once take turns, round after round. A worker's rate is
 * by its thread's CPU time, so that a busy machine does not decide; the wall's word is given beside it.
 *
 *	bench-scale [--rounds N] [--flows N] [--quick] [--new] [--reload [--hold]] > JSON lines; --new: connections that begin, nothing
 *		else; --reload: rules that are replaced, nothing else; --hold: by somebody who is alone meanwhile
 *	bench-scale --flood SECONDS [--workers 1]	random tuples, SYNs, fragments: memory, connections, how long a burst takes
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "cli/cli.h"
#include "cli/netip.h"
#include "conntrack/conntrack.h"
#include "path/path.h"
#include "path/worker.h"
#include "table/table.h"
#include "measure.h"
#include "pair.h"

enum { WORKERS = 2, FRAME_LEN = 60, FRAMES = 1 << 16, BURST = 32, HOSTS = 1021, PORTS_USED = 60000 };

static const char net[] =
	"link add dev in0 address 02:00:00:00:00:01\nlink add dev out0 address 02:00:00:00:00:02\n"
	"link set dev in0 up\nlink set dev out0 up\n"
	"addr add 10.255.0.1/24 brd + dev in0\naddr add 203.0.113.2/24 brd + dev out0\n"
	"route add default via 203.0.113.1\nroute add 10.0.0.0/15 via 10.255.0.2\n"
	"neigh add 10.255.0.2 lladdr 02:00:00:00:00:04 dev in0 nud permanent\n"
	"neigh add 203.0.113.1 lladdr 02:00:00:00:00:03 dev out0 nud permanent\n";

static const char rules_head[] =
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
	"-A POSTROUTING -o out0 -j MASQUERADE\nCOMMIT\n"
	"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
static const char rules_tail[] = "-A FORWARD -i in0 -p udp -m udp --dport 53 -j ACCEPT\n-A FORWARD -i in0 -p tcp -j ACCEPT\nCOMMIT\n";

/* How often something took so many nanoseconds: exact to a sixteenth. */
struct times { uint64_t count, max, lot[64 * 16]; };

struct hand {
	pthread_t thread;
	struct worker *worker;
	struct rng rng;
	uint8_t (*frame)[64];
	struct worker_frame *lot;
	uint64_t left, dropped, delivered;
	uint32_t first_new;	/* flow; 0: established ones */
	double cpu_ns, begin_ns, end_ns;
	/* of each burst by the wall's clock, by its thread's; of nothing at all, by its thread's; by the wall's if no other thread came between */
	struct times clock, cpu, idle, own;
	_Alignas(64) char end[64];
};

struct world {
	struct instance *inst;
	struct iface *in, *out;
	uint32_t flows, next_new;
	int workers;
	struct hand hands[WORKERS];
	pthread_barrier_t start;
	bool stop;
	bool holds_on;		/* reloads with everybody else outside from beginning to end */
};

static struct world world = { .workers = WORKERS, };

static void die(const char *what, const struct refusal *why)
{
	report_refusal("bench-scale", why);
	fprintf(stderr, "bench-scale: %s\n", what);
	exit(1);
}

static void on_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	((struct hand *)priv)->left++;
}

static void on_deliver(void *priv, const struct pkt *pkt) { ((struct hand *)priv)->delivered++; }
static void on_drop(void *priv, const struct pkt *pkt) { ((struct hand *)priv)->dropped++; }

static void set(const char *name, const char *value)
{
	struct refusal why = { 0 };

	if (sysctl_set(world.inst->sysctls, name, value, &why))
		die(name, &why);
}

/* @more rules stand before those that accept, and match nothing. Says how many ms it took, text to effect. */
static double load_rules(unsigned int more)
{
	struct strbuf text = STRBUF_INIT;
	struct refusal why = { 0 };
	double ns;

	sb_adds(&text, rules_head);
	for (unsigned int i = 0; i < more; i++)
		sb_printf(&text, "-A FORWARD -s 172.16.%u.%u/32 -p udp -m udp --dport %u -j DROP\n", i >> 8 & 255, i & 255, 1000 + i % 60000);
	sb_adds(&text, rules_tail);
	ns = -clock_of(CLOCK_MONOTONIC);
	if (world.holds_on)
		worker_alone_begin(world.inst, NULL);
	if (rules_restore(world.inst, NFPROTO_IPV4, sb_str(&text), text.len, "scale.v4", RESTORE_ALL_OR_NOTHING | RESTORE_COUNTERS, &why))
		die("rules", &why);
	if (world.holds_on)
		worker_alone_end(world.inst, NULL);
	ns += clock_of(CLOCK_MONOTONIC);
	sb_free(&text);
	return ns / 1e6;
}

/* @reserve: connections whose tables are there from the start, so that none grows while the clock runs. */
static void open_world(const char *reserve)
{
	struct refusal why = { 0 };
	struct netip ip = { .loading = true };

	world.inst = instance_new(1, 1700000000ll * NSEC_PER_SEC, &why);
	if (!world.inst)
		die("instance", &why);
	ip.inst = world.inst;
	if (netip_load(&ip, net, strlen(net), "net.ip", &why))
		die("net.ip", &why);
	set("net.ipv4.ip_forward", "1");
	set("net.netfilter.nf_conntrack_max", "8000000");
	set("net.netfilter.nf_conntrack_weir_reserve", reserve);
	load_rules(0);
	world.in = iface_find(world.inst, "in0");
	world.out = iface_find(world.inst, "out0");
	for (int i = 0; i < world.workers; i++) {
		struct hand *hand = &world.hands[i];
		struct observer observer = { .priv = hand, .transmit = on_transmit, .deliver = on_deliver, .drop = on_drop };

		hand->worker = worker_new(world.inst, &observer);
		hand->frame = aligned_alloc(64, FRAMES * sizeof(*hand->frame));
		hand->lot = calloc(FRAMES, sizeof(*hand->lot));
		rng_seed(&hand->rng, 7 + (uint64_t)i);
		if (!hand->worker || !hand->frame || !hand->lot)
			die("no memory", &why);
	}
}

/* --- frames --- */

static void put_frame(struct hand *hand, uint32_t i, struct iface *to, struct iphdr ip, uint16_t sport, uint16_t dport, uint8_t tcp_flags)
{
	static const uint8_t peer[6] = { 2, 0, 0, 0, 0, 9 };
	uint8_t *frame = hand->frame[i], *l4 = frame + 34;
	be16 sum;

	memset(frame, 0, FRAME_LEN);
	memcpy(frame, to->mac, 6);
	memcpy(frame + 6, peer, 6);
	put_be16(frame + 12, ETH_P_IP);
	ip.version = 4;
	ip.ihl = 5;
	ip.tot_len = htons(46);
	ip.ttl = 64;
	csum_ip4_header(&ip);
	memcpy(frame + 14, &ip, sizeof(ip));
	put_be16(l4, sport);
	put_be16(l4 + 2, dport);
	if (ip.protocol == IPPROTO_TCP) {
		put_be32(l4 + 4, rng_u32(&hand->rng));
		l4[12] = 5 << 4;
		l4[13] = tcp_flags;
		put_be16(l4 + 14, 30000);
	} else {
		put_be16(l4 + 4, 26);
		memset(l4 + 8, 'w', 18);
	}
	sum = csum_fold(csum_partial(l4, 26, csum_pseudo4(ip.saddr, ip.daddr, ip.protocol, 26)));
	memcpy(l4 + (ip.protocol == IPPROTO_TCP ? 16 : 6), sum ? &sum : &(be16){ 0xffff }, 2);
	hand->lot[i] = (struct worker_frame){ to, frame, FRAME_LEN };
}

static void put_flow(struct hand *hand, uint32_t i, uint32_t flow, bool answer)
{
	uint32_t client = 0x0a010001 + flow % HOSTS, server = 0xc6120001 + flow / PORTS_USED;
	uint16_t port = (uint16_t)(1024 + flow % PORTS_USED);
	struct iphdr ip = { .protocol = IPPROTO_UDP, .saddr = htonl(answer ? server : client), .daddr = htonl(answer ? 0xcb007102 : server) };

	put_frame(hand, i, answer ? world.out : world.in, ip, answer ? 53 : port, answer ? port : 53, 0);
}

static void draw_flood(struct hand *hand, uint32_t i)
{
	struct rng *rng = &hand->rng;
	uint32_t kind = rng_below(rng, 10);
	struct iphdr ip = { .protocol = kind < 5 ? IPPROTO_TCP : IPPROTO_UDP, .saddr = htonl(0x0a010000 + rng_below(rng, 65000)),
			    .daddr = htonl(0xc6000000 + rng_below(rng, 1 << 24)) };
	uint8_t flags = kind < 4 ? 2 : (uint8_t)rng_below(rng, 64);

	if (kind >= 8) {		/* a first, or some later, fragment that nothing follows */
		ip.id = rng_u16(rng);
		ip.frag_off = htons(kind == 8 ? 0x2000 : (uint16_t)(rng_below(rng, 0x1fff) | 0x2000 * rng_below(rng, 2)));
	}
	put_frame(hand, i, world.in, ip, rng_u16(rng), kind == 5 ? 53 : rng_u16(rng), flags);
	if (kind == 4 && rng_below(rng, 4) == 0)
		hand->frame[i][14 + rng_below(rng, 46)] ^= (uint8_t)rng_u32(rng);
}

/* --- work --- */

static void run_lot(struct hand *hand, uint32_t count)
{
	for (uint32_t i = 0; i < count; i += BURST)
		worker_receive(hand->worker, hand->lot + i, MIN_OF((uint32_t)BURST, count - i));
}

static unsigned int lot_of(uint64_t ns)
{
	unsigned int bit = ns < 16 ? 4 : (unsigned int)(63 - __builtin_clzll(ns));

	return ns < 16 ? (unsigned int)ns : (bit - 3) * 16 + (unsigned int)(ns >> (bit - 4) & 15);
}

static double lot_end_us(unsigned int lot)
{
	return lot < 16 ? (lot + 1) / 1e3 : (double)((lot % 16 + 17ull) << (lot / 16 - 1)) / 1e3;
}

static void times_add(struct times *times, uint64_t ns)
{
	times->count++;
	times->max = MAX_OF(times->max, ns);
	times->lot[lot_of(ns)]++;
}

static void times_join(struct times *sum, const struct times *more)
{
	sum->count += more->count;
	sum->max = MAX_OF(sum->max, more->max);
	for (size_t i = 0; i < ARRAY_SIZE(sum->lot); i++)
		sum->lot[i] += more->lot[i];
}

static double percentile_us(const struct times *times, double percent)
{
	uint64_t seen = 0, wanted = (uint64_t)(percent / 100 * (double)times->count);

	for (unsigned int i = 0; i < ARRAY_SIZE(times->lot); i++) {
		seen += times->lot[i];
		if (seen > wanted)
			return MIN_OF(lot_end_us(i), (double)times->max / 1e3);
	}
	return (double)times->max / 1e3;
}

/* As long as a burst, nothing but arithmetic: what the machine itself (its timer, its host) adds to whatever runs. */
static void time_nothing(struct hand *hand)
{
	static uint32_t turns = 40000;
	volatile uint64_t x = 1;

	for (int k = 0; k < 8; k++) {
		double begin = clock_of(CLOCK_THREAD_CPUTIME_ID);

		for (uint32_t i = 0; i < turns; i++)
			x = x * 3 + 1;
		times_add(&hand->idle, (uint64_t)(clock_of(CLOCK_THREAD_CPUTIME_ID) - begin));
	}
}

/* The same, each burst by the clock, and by what its thread has used: others who have the processor meanwhile are in the first alone. */
static void run_lot_timed(struct hand *hand, uint32_t count)
{
	double begin = clock_of(CLOCK_MONOTONIC), end, cpu_begin = clock_of(CLOCK_THREAD_CPUTIME_ID), cpu_end;

	for (uint32_t i = 0; i < count; i += BURST, begin = end, cpu_begin = cpu_end) {
		worker_receive(hand->worker, hand->lot + i, MIN_OF((uint32_t)BURST, count - i));
		end = clock_of(CLOCK_MONOTONIC);
		cpu_end = clock_of(CLOCK_THREAD_CPUTIME_ID);
		times_add(&hand->clock, (uint64_t)(end - begin));
		times_add(&hand->cpu, (uint64_t)(cpu_end - cpu_begin));
	}
}

static void open_flows(struct hand *hand, uint32_t flows)
{
	set("net.netfilter.nf_conntrack_udp_timeout", "600000");
	set("net.netfilter.nf_conntrack_udp_timeout_stream", "600000");
	for (uint32_t at = 0; at < flows;) {
		uint32_t n = MIN_OF((uint32_t)FRAMES, flows - at);

		for (int step = 0; step < 4; step++) {
			for (uint32_t i = 0; i < n; i++)
				put_flow(hand, i, at + i, step & 1);
			run_lot(hand, n);
		}
		at += n;
	}
	world.flows = world.next_new = flows;
	if (ct_count(world.inst) != flows) {
		fprintf(stderr, "bench-scale: %u connections, not %u\n", ct_count(world.inst), flows);
		exit(1);
	}
}

/* Each worker has a processor, and writes its own frames: where they lie, and whose cache they are in, is the same in every round. */
static void stay_on_processor(long number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned long)(number % sysconf(_SC_NPROCESSORS_ONLN)), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *timed_round(void *arg)
{
	struct hand *hand = arg;

	stay_on_processor(hand - world.hands);
	for (uint32_t k = 0; k < FRAMES; k++)
		put_flow(hand, k, hand->first_new ? hand->first_new + k : rng_below(&hand->rng, world.flows),
			 !hand->first_new && rng_below(&hand->rng, 2));
	pthread_barrier_wait(&world.start);
	hand->begin_ns = clock_of(CLOCK_MONOTONIC);
	hand->cpu_ns = -cpu_ns();
	run_lot(hand, FRAMES);
	hand->cpu_ns += cpu_ns();
	hand->end_ns = clock_of(CLOCK_MONOTONIC);
	return NULL;
}

/*
 * One worker has a machine of its own, as two have: what others do on the second processor meanwhile (DRAM answers a third later)
 * would be counted as the second worker's gain.
 */
static void *keep_others_away(void *arg)
{
	volatile uint64_t x = 1;

	stay_on_processor((struct hand *)arg - world.hands);
	pthread_barrier_wait(&world.start);
	while (!__atomic_load_n(&world.stop, __ATOMIC_RELAXED))
		for (int i = 0; i < 1000; i++)
			x = x * 3 + 1;
	return NULL;
}

struct rate { double cpu, wall; };	/* packets a microsecond */

static struct rate round_of(unsigned int workers, bool is_new)
{
	struct rate rate = { 0 };
	double begin = 0, end = 0;

	for (unsigned int i = 0; i < workers; i++) {
		world.hands[i].first_new = is_new ? world.next_new : 0;
		world.next_new += is_new ? FRAMES : 0;
	}
	world.stop = false;
	pthread_barrier_init(&world.start, NULL, WORKERS);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_create(&world.hands[i].thread, NULL, i < workers ? timed_round : keep_others_away, &world.hands[i]);
	for (unsigned int i = 0; i < workers; i++) {
		pthread_join(world.hands[i].thread, NULL);
		begin = i ? MIN_OF(begin, world.hands[i].begin_ns) : world.hands[i].begin_ns;
		end = i ? MAX_OF(end, world.hands[i].end_ns) : world.hands[i].end_ns;
	}
	__atomic_store_n(&world.stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = workers; i < WORKERS; i++)
		pthread_join(world.hands[i].thread, NULL);
	rate.wall = workers * (double)FRAMES / (end - begin) * 1e3;
	for (unsigned int i = 0; i < workers; i++)
		rate.cpu += FRAMES / world.hands[i].cpu_ns * 1e3;
	pthread_barrier_destroy(&world.start);
	return rate;
}

/* --- rows --- */

static void end_new(void)
{
	worker_alone_begin(world.inst, NULL);
	instance_advance(world.inst, world.inst->now_ns + 31ll * NSEC_PER_SEC);
	worker_alone_end(world.inst, NULL);
}

struct rounds { double one[ROUNDS_MAX], ratio[ROUNDS_MAX], wall[ROUNDS_MAX], line[ROUNDS_MAX]; unsigned int count, lines; };

static void rounds_add(struct rounds *rounds, struct rate a, struct rate b, double line_ns)
{
	rounds->one[rounds->count] = 1e3 / a.cpu;
	rounds->ratio[rounds->count] = b.cpu / a.cpu;
	rounds->wall[rounds->count++] = b.wall / a.wall;
	if (line_ns > 0)		/* else others had the processors when it was looked at */
		rounds->line[rounds->lines++] = line_ns;
}

/* Looked at before, between and after: both processors were whole cores, as far as the best that was ever seen tells. */
static bool is_even(const struct pair pair[3])
{
	static double least = 1e9;
	double most = 0;

	for (int i = 0; i < 3; i++) {
		most = MAX_OF(most, MAX_OF(pair[i].work_ns[0], pair[i].work_ns[1]));
		if (pair[i].alone_ns > 0)
			least = MIN_OF(least, pair[i].alone_ns);
	}
	return most < least * 1.1;
}

/*
 * A core that another machine of the host uses, too, is slower by half: when it is the second one, the second worker seems to bring
 * nothing. Such rounds are done again, up to three times as many; when nearly all are so, all count.
 */
static void rows_of(unsigned int rounds, bool is_new)
{
	struct rounds even = { .count = 0 }, all = { .count = 0 }, *taken;
	double left_out;

	while (even.count < rounds && all.count < MIN_OF(3 * rounds, (unsigned int)ROUNDS_MAX)) {
		struct pair pair[3];
		struct rate a, b;

		pair[0] = pair_look();
		a = round_of(1, is_new);
		pair[1] = pair_look();
		b = round_of(2, is_new);
		pair[2] = pair_look();
		if (is_new)
			end_new();
		rounds_add(&all, a, b, pair[1].line_ns);
		if (is_even(pair))
			rounds_add(&even, a, b, pair[1].line_ns);
	}
	taken = even.count >= MIN_OF(rounds, 3u) ? &even : &all;
	row(is_new ? "workers_1_new" : "workers_1", "ns", taken->one, taken->count, is_new ? "a new UDP connection, by one worker" :
	    "established flows at random, both directions, by one worker, CPU a packet");
	row(is_new ? "workers_2_new" : "workers_2", "x", taken->ratio, taken->count, is_new ? "two workers against one: only one at a time begins connections, by their threads' CPU time" :
	    "two workers against one, by their threads' CPU time");
	row(is_new ? "workers_2_new_wall" : "workers_2_wall", "x", taken->wall, taken->count, "the same by the clock on the wall");
	left_out = all.count - taken->count;
	if (taken->lines)
		row(is_new ? "line_there_and_back_new" : "line_there_and_back", "ns", taken->line, taken->lines,
		    "a cache line to the other processor and back, meanwhile: beyond 200 the two share no cache");
	row(is_new ? "workers_left_out_new" : "workers_left_out", "rounds", &left_out, 1,
	    "done again, because a processor was not a whole core: the host gave it to others, too");
}

static void bursts_begin(void)
{
	for (int i = 0; i < world.workers; i++)
		memset(&world.hands[i].clock, 0, 4 * sizeof(struct times));
}

/* All workers together, of what lies @at in a hand. */
static struct times times_of(size_t at)
{
	struct times all = { 0 };

	for (int i = 0; i < world.workers; i++)
		times_join(&all, (const struct times *)((const char *)&world.hands[i] + at));
	return all;
}

static const double percents[] = { 50, 99, 99.9, 100 };

static void bursts_percentiles(size_t at, double us[4])
{
	struct times all = times_of(at);

	for (size_t i = 0; i < ARRAY_SIZE(percents); i++)
		us[i] = percentile_us(&all, percents[i]);
}

static void *work_until_stopped(void *arg)
{
	struct hand *hand = arg;

	while (!__atomic_load_n(&world.stop, __ATOMIC_RELAXED)) {
		for (uint32_t k = 0; k < 4096; k++)
			put_flow(hand, k, rng_below(&hand->rng, world.flows), rng_below(&hand->rng, 2));
		run_lot_timed(hand, 4096);
	}
	return NULL;
}

static void start_all(void *(*work)(void *))
{
	world.stop = false;
	bursts_begin();
	for (int i = 0; i < world.workers; i++)
		pthread_create(&world.hands[i].thread, NULL, work, &world.hands[i]);
}

static void stop_all(void)
{
	__atomic_store_n(&world.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < world.workers; i++)
		pthread_join(world.hands[i].thread, NULL);
}

static long taken_away(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nivcsw;
}

/* Three threads share two processors: a burst whose thread had to give its own away says nothing about doors. */
static void *work_beside_control(void *arg)
{
	struct hand *hand = arg;

	while (!__atomic_load_n(&world.stop, __ATOMIC_RELAXED)) {
		for (uint32_t k = 0; k < 4096; k++)
			put_flow(hand, k, rng_below(&hand->rng, world.flows), rng_below(&hand->rng, 2));
		for (uint32_t i = 0; i < 4096; i += BURST) {
			const long taken = taken_away();
			double ns = -clock_of(CLOCK_MONOTONIC);

			worker_receive(hand->worker, hand->lot + i, BURST);
			ns += clock_of(CLOCK_MONOTONIC);
			times_add(&hand->clock, (uint64_t)ns);
			if (taken_away() == taken)
				times_add(&hand->own, (uint64_t)ns);
		}
	}
	return NULL;
}

/* Two workers at full rate, while the table of rules is replaced again and again. */
static void rows_of_reload(const char *name, unsigned int rules, unsigned int reloads)
{
	double us[4], ms[ROUNDS_MAX];
	char full[64], what[128];

	load_rules(rules);		/* what goes is as much as what comes */
	start_all(work_beside_control);
	for (unsigned int i = 0; i < reloads; i++) {
		ms[i] = load_rules(rules);
		usleep(20000);
	}
	stop_all();
	snprintf(what, sizeof(what), "%u rules replaced under two workers at full rate, text to effect", rules);
	row(name, "ms", ms, reloads, what);
	bursts_percentiles(offsetof(struct hand, clock), us);
	snprintf(full, sizeof(full), "%s_burst_p99", name);
	row(full, "us", &us[1], 1, "a burst meanwhile, 20 ms between reloads: 99 percent are done");
	snprintf(full, sizeof(full), "%s_burst_max", name);
	row(full, "us", &us[3], 1, "the longest one: three threads on two processors");
	bursts_percentiles(offsetof(struct hand, own), us);
	snprintf(full, sizeof(full), "%s_wait_p999", name);
	row(full, "us", &us[2], 1, "bursts that kept their processor: 99.9 percent are done");
	snprintf(full, sizeof(full), "%s_wait_max", name);
	row(full, "us", &us[3], 1, "the longest of these: what it waited for the reload");
}

/* One rule comes and goes so often that the chain is compiled anew once or twice. */
static void rows_of_changes(void)
{
	char line[] = "iptables -A FORWARD -s 172.16.0.1/32 -p udp -m udp --dport 9 -j DROP", *argv[16];
	const unsigned int changes = 24000;
	int argc = 0;
	double us[4], each = 0;

	for (char *at, *word = strtok_r(line, " ", &at); word; word = strtok_r(NULL, " ", &at))
		argv[argc++] = word;
	load_rules(10000);
	start_all(work_beside_control);
	for (unsigned int i = 0; i < changes; i++) {
		struct strbuf out = STRBUF_INIT;
		struct refusal why = { 0 };
		char add[] = "-A", del[] = "-D";

		argv[1] = i & 1 ? del : add;
		each -= clock_of(CLOCK_MONOTONIC);
		if (world.holds_on)
			worker_alone_begin(world.inst, NULL);
		if (rules_command(world.inst, argc, argv, &out, &why))
			die("a rule", &why);
		if (world.holds_on)
			worker_alone_end(world.inst, NULL);
		each += clock_of(CLOCK_MONOTONIC);
		sb_free(&out);
		usleep(20);
	}
	stop_all();
	each /= changes * 1e3;
	row("change_10k", "us", &each, 1, "a rule appended to 10,000, or deleted from them, under workers at full rate; twice all are compiled anew");
	bursts_percentiles(offsetof(struct hand, own), us);
	row("change_10k_wait_p999", "us", &us[2], 1, "bursts meanwhile that kept their processor: 99.9 percent are done");
	row("change_10k_wait_max", "us", &us[3], 1, "the longest one");
}

static void rows_of_reloads(unsigned int rounds)
{
	double us[4];

	start_all(work_until_stopped);
	usleep(500000);
	stop_all();
	bursts_percentiles(offsetof(struct hand, clock), us);
	row("burst_p50", "us", &us[0], 1, "a burst of 32 established flows' packets, two workers, no control");
	row("burst_p999", "us", &us[2], 1, "the same, 99.9 percent of the bursts are done");
	rows_of_reload("reload_1k", 1000, MIN_OF(rounds * 5, (unsigned int)ROUNDS_MAX));
	rows_of_reload("reload_10k", 10000, MIN_OF(rounds * 2, (unsigned int)ROUNDS_MAX));
	rows_of_reload("reload_100k", 100000, MIN_OF(rounds, 5u));
	rows_of_changes();
	load_rules(0);
}

/* --- flood --- */

static void *flood(void *arg)
{
	struct hand *hand = arg;

	while (!__atomic_load_n(&world.stop, __ATOMIC_RELAXED)) {
		for (uint32_t k = 0; k < 4096; k++) {
			if (rng_below(&hand->rng, 4))
				draw_flood(hand, k);
			else
				put_flow(hand, k, rng_below(&hand->rng, world.flows), rng_below(&hand->rng, 2));
		}
		run_lot_timed(hand, 4096);
		time_nothing(hand);
	}
	return NULL;
}

static void print_times(const char *what, const struct times *times)
{
	fprintf(stderr, " %s %.1f/%.1f/%.1f/%.0f", what, percentile_us(times, 50), percentile_us(times, 99), percentile_us(times, 99.9), (double)times->max / 1e3);
}

static void row_of_times(const char *name, const struct times *times, const char *what)
{
	static const char *const end[] = { "p50", "p99", "p999", "max" };

	for (size_t i = 0; i < ARRAY_SIZE(percents); i++) {
		double us = percentile_us(times, percents[i]);
		char full[64];

		snprintf(full, sizeof(full), "%s_%s", name, end[i]);
		row(full, "us", &us, 1, what);
	}
}

/*
 * The clock is the machine's; memory is looked at when the table has been full for a while, and at the end. A burst's time is told
 * twice: by the clock, where a busy machine takes the processor away for milliseconds, and by its thread's CPU time, waiting for
 * the other worker included as long as the thread looks on. Beside it what the machine does to a thread that has no work.
 */
static int run_flood(unsigned int seconds)
{
	const int64_t base_ns = world.inst->now_ns;
	static struct times all[3];
	double begin = clock_of(CLOCK_MONOTONIC), first = 0, last = 0, value, next_look = 0;

	set("net.netfilter.nf_conntrack_max", "300000");
	set("net.netfilter.nf_conntrack_weir_expire_batch", "500");
	set("net.netfilter.nf_conntrack_udp_timeout", "30");
	start_all(flood);
	for (double at = 0; at < seconds; at = (clock_of(CLOCK_MONOTONIC) - begin) / 1e9) {
		struct times now[3];

		usleep(2000);
		worker_alone_begin(world.inst, NULL);
		instance_advance(world.inst, base_ns + (int64_t)(at * 1e9));
		worker_alone_end(world.inst, NULL);
		if (at < next_look)
			continue;
		next_look = at + MAX_OF(seconds / 60.0, 1.0);
		last = resident_mib();
		if (!first && at >= seconds / 5.0)
			first = last;
		stop_all();
		now[0] = times_of(offsetof(struct hand, clock));
		now[1] = times_of(offsetof(struct hand, cpu));
		now[2] = times_of(offsetof(struct hand, idle));
		for (int i = 0; i < 3; i++)
			times_join(&all[i], &now[i]);
		fprintf(stderr, "%5.0f s: %.1f MiB, %u connections, %llu early drops; us of a burst (median/p99/p99.9/longest)", at, last,
			ct_count(world.inst), (unsigned long long)ct_stats(world.inst)->early_drop);
		print_times("by the clock", &now[0]);
		print_times("by CPU", &now[1]);
		print_times("of nothing", &now[2]);
		fprintf(stderr, "\n");
		start_all(flood);
	}
	stop_all();
	value = (double)all[0].count * BURST;
	row("flood_packets", "packets", &value, 1, "random tuples, SYNs, fragments beside 1,000 good flows");
	value = last - first;
	row("flood_growth", "MiB", &value, 1, "resident memory at the end against that after a fifth of the time");
	row_of_times("flood_burst_clock", &all[0], "a burst of 32 by the clock");
	row_of_times("flood_burst_cpu", &all[1], "the same by the thread's CPU time");
	row_of_times("flood_nothing_cpu", &all[2], "arithmetic of that length, by the thread's CPU time: what the machine does to it");
	return last - first > 16;
}

int main(int argc, char **argv)
{
	unsigned int rounds = 9, flood_s = 0, flows = 1000000;
	bool only_new = false, only_reload = false;
	char reserve[16];

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
			rounds = (unsigned int)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--flood") && i + 1 < argc)
			flood_s = (unsigned int)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--flows") && i + 1 < argc)
			flows = (unsigned int)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--workers") && i + 1 < argc)
			world.workers = strtoul(argv[++i], NULL, 0) == 1 ? 1 : WORKERS;
		else if (!strcmp(argv[i], "--new"))
			only_new = true;
		else if (!strcmp(argv[i], "--reload"))
			only_reload = true;
		else if (!strcmp(argv[i], "--hold"))
			world.holds_on = true;
		else if (!strcmp(argv[i], "--quick"))
			rounds = 3;
	}
	rounds = MAX_OF(1u, MIN_OF(rounds, (unsigned int)ROUNDS_MAX));
	snprintf(reserve, sizeof(reserve), "%u", flood_s ? 0 : flows + 9 * FRAMES);
	open_world(reserve);
	if (flood_s) {
		open_flows(&world.hands[0], 1000);
		return run_flood(flood_s);
	}
	open_flows(&world.hands[0], flows);
	if (!only_new && !only_reload)
		rows_of(rounds, false);
	if (!only_new)
		rows_of_reloads(rounds);
	if (only_reload)
		goto out;
	set("net.netfilter.nf_conntrack_udp_timeout", "30");
	for (int i = 0; i < 4; i++)	/* their records have been others' before, as later ones' will */
		round_of(world.workers, true);
	end_new();
	rows_of(rounds, true);
out:
	for (int i = 0; i < world.workers; i++) {
		worker_free(world.hands[i].worker);
		free(world.hands[i].frame);
		free(world.hands[i].lot);
	}
	instance_free(world.inst);
	return 0;
}
