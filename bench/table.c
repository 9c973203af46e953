/*
 * bench/table.c - the connection table alone, at one and at five million connections with NAT: insert, look up, walk, expire;
 * and the longest single step that an insert (the tables grow meanwhile) and a clock tick (connections end) took.
 *
 *	bench-table [MILLIONS...] > JSON lines
 *
 * A machine interrupts, and a virtual one is interrupted without knowing it: a long step may be anybody's. So the whole is done two or three times, each
 * step is the same work each time, and what a step costs is the least that it took; "anyhow" and "clock" say the longest that was seen at all, in CPU time
 * of this thread and by the clock. Where the system gave memory meanwhile (2 MiB to be cleared, and on a virtual machine perhaps to be fetched from its
 * host) is said apart; "reserved" is the same after nf_conntrack_weir_reserve.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/hash.h"
#include "base/sysctl.h"
#include "conntrack/conntrack_internal.h"
#include "nat/nat.h"
#include "measure.h"

enum { MILLION = 1000000, LOOKUPS = 2 * MILLION, LIFE_SEC = 100, ROUNDS = 3, ROUNDS_MANY = 2, EXPIRE_BATCH = 500 };

struct plan { unsigned int millions; bool is_reserved; };

static long page_faults(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_minflt;
}

/* One kind of step: what each took at least, and the longest. */
struct steps {
	float *least;			/* by number: CPU time over all rounds */
	bool *had_fault;		/* the system gave memory, in some round */
	uint32_t count;
	double cpu, clock;
	double began_cpu, began_clock;
	long began_faults;
};

static bool steps_new(struct steps *steps, uint32_t count)
{
	*steps = (struct steps){ .least = malloc(count * sizeof(float)), .had_fault = calloc(count, sizeof(bool)), .count = count };
	for (uint32_t i = 0; steps->least && i < count; i++)
		steps->least[i] = 1e18f;
	return steps->least && steps->had_fault;
}

static void step_begin(struct steps *steps)
{
	steps->began_faults = page_faults();
	steps->began_clock = clock_of(CLOCK_MONOTONIC);
	steps->began_cpu = cpu_ns();
}

static void step_end(struct steps *steps, uint32_t i)
{
	const double cpu = cpu_ns() - steps->began_cpu, clock = clock_of(CLOCK_MONOTONIC) - steps->began_clock;

	if (i >= steps->count)
		return;
	steps->least[i] = MIN_OF(steps->least[i], (float)cpu);
	steps->had_fault[i] |= page_faults() != steps->began_faults;
	steps->cpu = MAX_OF(steps->cpu, cpu);
	steps->clock = MAX_OF(steps->clock, clock);
}

static double longest_of(const struct steps *steps, bool with_fault)
{
	double longest = 0;

	for (uint32_t i = 0; i < steps->count; i++)
		if (steps->had_fault[i] == with_fault && steps->least[i] < 1e18f)
			longest = MAX_OF(longest, (double)steps->least[i]);
	return longest;
}

static void row_of(const struct plan *plan, const char *name, const char *unit, double value, const char *what)
{
	char full[64];

	snprintf(full, sizeof(full), "table_%s%s_%um", name, plan->is_reserved ? "_reserved" : "", plan->millions);
	row(full, unit, &value, 1, what);
}

static struct ct_tuple tuple_of(uint32_t i)
{
	struct ct_tuple t;

	memset(&t, 0, sizeof(t));
	t.family = NFPROTO_IPV4;
	t.proto = IPPROTO_TCP;
	t.src.ip = htonl(0x0a000000u + i / 60000u);
	t.dst.ip = htonl(0xcb007105u);
	t.src_l4.port = htons((uint16_t)(1024 + i % 60000u));
	t.dst_l4.port = htons(443);
	return t;
}

static bool set(struct instance *inst, const char *name, const char *value)
{
	struct refusal why = { 0 };

	if (!sysctl_set(inst->sysctls, name, value, &why))
		return true;
	fprintf(stderr, "bench-table: %s\n", why.text);
	return false;
}

static bool visit(void *priv, struct ct *ct)
{
	*(uint64_t *)priv += ct->status;
	return true;
}

static bool insert(struct instance *inst, uint32_t i)
{
	struct ct_tuple orig = tuple_of(i), reply;
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS, .min_addr = orig.src, .max_addr = orig.src };
	struct ct *ct;
	bool done;

	ct_tuple_invert(&reply, &orig);
	ct = ct_new(inst, NULL, &orig, &reply);
	if (!ct)
		return false;
	if (nat_setup(inst, ct, &range, NAT_MANIP_SRC) != NF_ACCEPT)
		return false;
	ct_set_timeout_sec(inst, ct, LIFE_SEC);
	ct->proto.tcp.state = TCP_CONNTRACK_ESTABLISHED;
	done = !ct_insert(inst, ct);
	ct_put(inst, ct);
	return done;
}

struct totals { double insert, lookup, walk, expire; };

static bool round_once(const struct plan *plan, struct steps *inserts, struct steps *ends, struct totals *least)
{
	uint32_t count = plan->millions * MILLION, found = 0, tick = 0;
	struct refusal why = { 0 };
	struct instance *inst = instance_new(1, NSEC_PER_SEC, &why);
	char reserve[16];
	struct rng rng;
	uint64_t sum = 0;
	double begin;

	if (!inst || !set(inst, "net.netfilter.nf_conntrack_max", "8000000") || !set(inst, "net.netfilter.nf_conntrack_weir_expire_batch", "500"))
		return false;
	snprintf(reserve, sizeof(reserve), "%u", count);
	if (plan->is_reserved && !set(inst, "net.netfilter.nf_conntrack_weir_reserve", reserve))
		return false;
	begin = cpu_ns();
	for (uint32_t i = 0; i < count / 2; i++)
		if (!insert(inst, i))
			return false;
	least->insert = MIN_OF(least->insert, (cpu_ns() - begin) / (count / 2));
	for (uint32_t i = count / 2; i < count; i++) {
		bool done;

		step_begin(inserts);
		done = insert(inst, i);
		step_end(inserts, i - count / 2);
		if (!done)
			return false;
	}
	rng_seed(&rng, 7);
	begin = cpu_ns();
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct ct_tuple t = tuple_of(rng_below(&rng, count));
		struct ct *ct = ct_find(inst, NULL, &t, NULL);

		found += ct != NULL;
		ct_put(inst, ct);
	}
	least->lookup = MIN_OF(least->lookup, (cpu_ns() - begin) / LOOKUPS);
	begin = cpu_ns();
	ct_each(inst, visit, &sum);
	least->walk = MIN_OF(least->walk, (cpu_ns() - begin) / count);
	begin = cpu_ns();
	instance_advance(inst, inst->now_ns + (LIFE_SEC - 1ll) * NSEC_PER_SEC);
	for (int64_t now = inst->now_ns; ct_count(inst); now += NSEC_PER_JIFFY) {
		step_begin(ends);
		instance_advance(inst, now);
		step_end(ends, tick++);
	}
	least->expire = MIN_OF(least->expire, (cpu_ns() - begin) / count);
	instance_free(inst);
	return found == LOOKUPS;
}

static int run(const struct plan plan)
{
	const uint32_t count = plan.millions * MILLION;
	struct totals least = { 1e18, 1e18, 1e18, 1e18 };
	struct steps inserts, ends;

	if (!steps_new(&inserts, count / 2) || !steps_new(&ends, count / EXPIRE_BATCH + 10000))
		return 1;
	for (unsigned int i = 0; i < (plan.millions > 1 ? ROUNDS_MANY : ROUNDS); i++)
		if (!round_once(&plan, &inserts, &ends, &least))
			return 1;
	row_of(&plan, "insert", "ns", least.insert, "a connection made, given its NAT and put into the tables");
	row_of(&plan, "insert_longest", "us", longest_of(&inserts, false) / 1000, "the longest of them, the tables grow: the least CPU time that this step took in all rounds");
	row_of(&plan, "insert_longest_memory", "us", longest_of(&inserts, true) / 1000, "the same of those where the system gave memory meanwhile");
	row_of(&plan, "insert_longest_anyhow", "us", inserts.cpu / 1000, "the longest in any round, in CPU time");
	row_of(&plan, "insert_longest_clock", "us", inserts.clock / 1000, "the longest in any round, by the clock");
	row_of(&plan, "lookup", "ns", least.lookup, "a random connection found, one after the other");
	row_of(&plan, "walk", "ns", least.walk, "a connection visited in order of creation");
	row_of(&plan, "expire", "ns", least.expire, "the end of a connection; all end at one tick, 500 a step");
	row_of(&plan, "expire_longest", "us", MAX_OF(longest_of(&ends, false), longest_of(&ends, true)) / 1000, "the longest step: the least CPU time that it took in all rounds");
	row_of(&plan, "expire_longest_anyhow", "us", ends.cpu / 1000, "the longest in any round, in CPU time");
	row_of(&plan, "expire_longest_clock", "us", ends.clock / 1000, "the longest in any round, by the clock");
	free(inserts.least);
	free(inserts.had_fault);
	free(ends.least);
	free(ends.had_fault);
	return 0;
}

static int both(unsigned int millions)
{
	return run((struct plan){ millions, false }) || run((struct plan){ millions, true });
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return both(1) || both(5);
	for (int i = 1; i < argc; i++)
		if (both((unsigned int)strtoul(argv[i], NULL, 0)))
			return 1;
	return 0;
}
