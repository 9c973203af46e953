/*
 * bench/table.c - the connection table alone, at one and at five million connections: insert, look up, walk, expire;
 * and the longest single step that an insert (the tables grow meanwhile) and a clock tick (connections end) took.
 *
 *	bench-table [MILLIONS...] > JSON lines
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/hash.h"
#include "base/sysctl.h"
#include "conntrack/conntrack_internal.h"

enum { MILLION = 1000000, LOOKUPS = 2 * MILLION, LIFE_SEC = 100 };

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static long page_faults(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_minflt;
}

static void row(unsigned int millions, const char *name, const char *unit, double value, const char *what)
{
	printf("{\"row\": \"table_%s_%um\", \"unit\": \"%s\", \"median\": %.1f, \"min\": %.1f, \"max\": %.1f, \"what\": \"%s\"}\n", name,
	       millions, unit, value, value, value, what);
	fflush(stdout);
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
	struct ct *ct;
	bool done;

	ct_tuple_invert(&reply, &orig);
	ct = ct_new(inst, NULL, &orig, &reply);
	if (!ct)
		return false;
	ct_set_timeout_sec(inst, ct, LIFE_SEC);
	ct->proto.tcp.state = TCP_CONNTRACK_ESTABLISHED;
	done = !ct_insert(inst, ct);
	ct_put(inst, ct);
	return done;
}

static int run(unsigned int millions)
{
	uint32_t count = millions * MILLION, found = 0;
	struct refusal why = { 0 };
	struct instance *inst = instance_new(1, NSEC_PER_SEC, &why);
	double begin, step, longest = 0, longest_anyway = 0;
	long faults;
	struct rng rng;
	uint64_t sum = 0;

	if (!inst || !set(inst, "net.netfilter.nf_conntrack_max", "8000000") || !set(inst, "net.netfilter.nf_conntrack_weir_expire_batch", "500"))
		return 1;
	begin = cpu_ns();
	for (uint32_t i = 0; i < count / 2; i++)
		if (!insert(inst, i))
			return 1;
	row(millions, "insert", "ns", (cpu_ns() - begin) / (count / 2), "a connection made and put into the table");
	for (uint32_t i = count / 2; i < count; i++) {
		bool done;

		faults = page_faults();
		step = cpu_ns();
		done = insert(inst, i);
		step = cpu_ns() - step;
		if (!done)
			return 1;
		longest_anyway = MAX_OF(step, longest_anyway);
		if (page_faults() == faults)
			longest = MAX_OF(step, longest);
	}
	row(millions, "insert_longest", "us", longest / 1000, "the longest of them, a table may grow");
	row(millions, "insert_longest_fault", "us", longest_anyway / 1000, "the same where the system gave memory meanwhile");

	rng_seed(&rng, 7);
	begin = cpu_ns();
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct ct_tuple t = tuple_of(rng_below(&rng, count));
		struct ct *ct = ct_find(inst, NULL, &t, NULL);

		found += ct != NULL;
		ct_put(inst, ct);
	}
	row(millions, "lookup", "ns", (cpu_ns() - begin) / LOOKUPS, "a random connection found, one after the other");
	begin = cpu_ns();
	ct_each(inst, visit, &sum);
	row(millions, "walk", "ns", (cpu_ns() - begin) / count, "a connection visited in order of creation");

	longest = 0;
	begin = cpu_ns();
	instance_advance(inst, inst->now_ns + (LIFE_SEC - 1ll) * NSEC_PER_SEC);
	for (int64_t now = inst->now_ns; ct_count(inst); now += NSEC_PER_JIFFY) {
		step = cpu_ns();
		instance_advance(inst, now);
		step = cpu_ns() - step;
		longest = step > longest ? step : longest;
	}
	row(millions, "expire", "ns", (cpu_ns() - begin) / count, "the end of a connection; all end at one tick, 500 a step");
	row(millions, "expire_longest", "us", longest / 1000, "the longest step");
	instance_free(inst);
	return found == LOOKUPS ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return run(1) || run(5);
	for (int i = 1; i < argc; i++)
		if (run((unsigned int)strtoul(argv[i], NULL, 0)))
			return 1;
	return 0;
}
