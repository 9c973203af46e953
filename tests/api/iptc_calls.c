/*
 * Calls of libiptc as its programs make them: reads commands, one a line, does them on a handle, prints what each call
 * gave. Compiled with libiptc and with weir's; tests/kernel/libiptc_test.py compares the two.
 */
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libiptc/libiptc.h>
#include <libiptc/libip6tc.h>
#include <linux/netfilter/xt_mark.h>

struct rule4 {
	struct ipt_entry e;
	struct xt_entry_match m;
	struct xt_mark_mtinfo1 mark;
	struct xt_standard_target t;
};

struct rule6 {
	struct ip6t_entry e;
	struct xt_standard_target t;
};

/* "-m mark --mark N -j TARGET" for protocol N % 3 */
static void make4(struct rule4 *r, unsigned int n, const char *target)
{
	memset(r, 0, sizeof(*r));
	r->e.ip.proto = (unsigned short)(n % 3 ? 6 : 0);
	r->e.ip.src.s_addr = htonl(0x0a000000 + n);
	r->e.ip.smsk.s_addr = ~0u;
	r->e.target_offset = offsetof(struct rule4, t);
	r->e.next_offset = sizeof(*r);
	r->e.counters.pcnt = n;
	r->e.counters.bcnt = 10 * n;
	r->m.u.match_size = offsetof(struct rule4, t) - offsetof(struct rule4, m);
	r->m.u.user.revision = 1;
	strcpy(r->m.u.user.name, "mark");
	r->mark.mark = n;
	r->mark.mask = ~0u;
	r->t.target.u.target_size = sizeof(r->t);
	memcpy(r->t.target.u.user.name, target, strnlen(target, sizeof(r->t.target.u.user.name) - 1));
}

static void make6(struct rule6 *r, unsigned int n, const char *target)
{
	memset(r, 0, sizeof(*r));
	r->e.ipv6.src.s6_addr[15] = (unsigned char)n;
	memset(&r->e.ipv6.smsk, 0xff, sizeof(r->e.ipv6.smsk));
	r->e.target_offset = offsetof(struct rule6, t);
	r->e.next_offset = sizeof(*r);
	r->e.counters.pcnt = n;
	r->t.target.u.target_size = sizeof(r->t);
	memcpy(r->t.target.u.user.name, target, strnlen(target, sizeof(r->t.target.u.user.name) - 1));
}

static int said(int done, const char *(*words)(int))
{
	int err = errno;

	if (done)
		puts("ok");
	else
		printf("no: %d %s\n", err, words(err));
	return done;
}

#define RUN(tc, entry, rule, make, dump)									\
static void show_##tc(struct xtc_handle *h)									\
{														\
	for (const char *chain = tc##_first_chain(h); chain; chain = tc##_next_chain(h)) {			\
		struct xt_counters n = { 0 };									\
		unsigned int refs = 0;										\
		const char *policy = tc##_get_policy(chain, &n, h);						\
														\
		tc##_get_references(&refs, chain, h);								\
		printf("chain %s %d %s %llu %u\n", chain, tc##_builtin(chain, h), policy ? policy : "-",	\
		       (unsigned long long)n.pcnt, refs);							\
		for (const struct entry *e = tc##_first_rule(chain, h); e; e = tc##_next_rule(e, h))		\
			printf("  %s %llu %llu %u %u\n", tc##_get_target(e, h), (unsigned long long)e->counters.pcnt,	\
			       (unsigned long long)e->counters.bcnt, e->target_offset, e->next_offset);		\
	}													\
}														\
														\
static void run_##tc(const char *table)									\
{														\
	struct xtc_handle *h = tc##_init(table);								\
	char line[256], op[32], a[64], b[64];									\
														\
	if (!h) {												\
		printf("no handle: %d %s\n", errno, tc##_strerror(errno));					\
		return;												\
	}													\
	while (fgets(line, sizeof(line), stdin)) {								\
		struct xt_counters n = { 7, 70 }, *got;								\
		unsigned char mask[sizeof(struct rule)];							\
		unsigned int at = 0;										\
		struct rule r;											\
														\
		a[0] = b[0] = '\0';										\
		if (sscanf(line, "%31s %60s %60s %u", op, a, b, &at) < 1)					\
			continue;										\
		make(&r, at, b);										\
		memset(mask, 0xff, sizeof(mask));								\
		printf("> %s", line);										\
		errno = 0;											\
		if (!strcmp(op, "append"))									\
			said(tc##_append_entry(a, &r.e, h), tc##_strerror);					\
		else if (!strcmp(op, "insert"))									\
			said(tc##_insert_entry(a, &r.e, at % 4, h), tc##_strerror);				\
		else if (!strcmp(op, "replace"))								\
			said(tc##_replace_entry(a, &r.e, at % 4, h), tc##_strerror);				\
		else if (!strcmp(op, "delete"))									\
			said(tc##_delete_entry(a, &r.e, mask, h), tc##_strerror);				\
		else if (!strcmp(op, "check"))									\
			said(tc##_check_entry(a, &r.e, mask, h), tc##_strerror);				\
		else if (!strcmp(op, "delnum"))									\
			said(tc##_delete_num_entry(a, (unsigned int)atoi(b), h), tc##_strerror);		\
		else if (!strcmp(op, "flush"))									\
			said(tc##_flush_entries(a, h), tc##_strerror);						\
		else if (!strcmp(op, "zero"))									\
			said(tc##_zero_entries(a, h), tc##_strerror);						\
		else if (!strcmp(op, "create"))									\
			said(tc##_create_chain(a, h), tc##_strerror);						\
		else if (!strcmp(op, "remove"))									\
			said(tc##_delete_chain(a, h), tc##_strerror);						\
		else if (!strcmp(op, "rename"))									\
			said(tc##_rename_chain(a, b, h), tc##_strerror);					\
		else if (!strcmp(op, "policy"))									\
			said(tc##_set_policy(a, b, at ? &n : NULL, h), tc##_strerror);				\
		else if (!strcmp(op, "read")) {									\
			got = tc##_read_counter(a, (unsigned int)atoi(b), h);					\
			said(got != NULL, tc##_strerror);							\
			if (got)										\
				printf("%llu %llu\n", (unsigned long long)got->pcnt, (unsigned long long)got->bcnt);	\
		} else if (!strcmp(op, "zerocounter"))								\
			said(tc##_zero_counter(a, (unsigned int)atoi(b), h), tc##_strerror);			\
		else if (!strcmp(op, "setcounter"))								\
			said(tc##_set_counter(a, (unsigned int)atoi(b), &n, h), tc##_strerror);			\
		else if (!strcmp(op, "chain"))									\
			printf("%d\n", tc##_is_chain(a, h));							\
		else if (!strcmp(op, "show"))									\
			show_##tc(h);										\
		else if (!strcmp(op, "dump"))									\
			dump(h);										\
		else if (!strcmp(op, "ops"))									\
			printf("%s %d %d\n", tc##_ops.first_chain(h), tc##_ops.builtin(a, h), tc##_ops.is_chain(a, h));	\
		else if (!strcmp(op, "commit")) {								\
			said(tc##_commit(h), tc##_strerror);							\
			tc##_free(h);										\
			h = tc##_init(table);									\
			if (!h) {										\
				printf("no handle: %d\n", errno);							\
				return;										\
			}											\
		}												\
	}													\
	tc##_free(h);												\
}

RUN(iptc, ipt_entry, rule4, make4, dump_entries)
RUN(ip6tc, ip6t_entry, rule6, make6, dump_entries6)

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (argv[1][0] == '6')
		run_ip6tc(argv[2]);
	else
		run_iptc(argv[2]);
	return 0;
}
