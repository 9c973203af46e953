/*
 * What a blob must not get away with. Every case starts from a blob that is good, damages one thing, and names
 * the errno; tests/kernel/mutate_test.py holds the same against the kernel at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table_fixture.h"

static const char rules[] =
	"*filter\n"
	":A - [0:0]\n"
	":B - [0:0]\n"
	"-A FORWARD -s 10.0.0.0/8 -j A\n"
	"-A A -m comment --comment x -j B\n"
	"-A B -p tcp -m tcp --dport 80 -j LOG --log-prefix \"p\"\n"
	"COMMIT\n";

/* Entries of the blob above, in order. */
enum { INPUT_POLICY, FORWARD_RULE, FORWARD_POLICY, OUTPUT_POLICY, A_HEAD, A_RULE, A_FOOT, B_HEAD, B_RULE, B_FOOT, END };

struct blob {
	struct ipt_replace head;
	uint8_t entries[8192];
};

static struct ipt_entry *entry(struct blob *b, unsigned int n)
{
	uint8_t *at = b->entries;

	while (n--)
		at += ((struct ipt_entry *)at)->next_offset;
	return (void *)at;
}

static struct xt_standard_target *target(struct blob *b, unsigned int n)
{
	return (void *)((char *)entry(b, n) + entry(b, n)->target_offset);
}

static struct xt_entry_match *first_match(struct blob *b, unsigned int n)
{
	return (void *)entry(b, n)->elems;
}

static int offset(struct blob *b, unsigned int n)
{
	return (int)((uint8_t *)entry(b, n) - b->entries);
}

static void jump(struct blob *b, unsigned int from, unsigned int to)
{
	target(b, from)->verdict = offset(b, to);
}

#define DAMAGE(name) static void name(struct blob *b)

/* sizes and offsets (class 3, 7) */
DAMAGE(next_beyond_end) { entry(b, END)->next_offset += 8; }
DAMAGE(next_zero) { entry(b, 0)->next_offset = 0; }
DAMAGE(next_unaligned) { entry(b, B_RULE)->next_offset -= 4; }
DAMAGE(next_smaller_than_head) { entry(b, 0)->next_offset = sizeof(struct ipt_entry); }
DAMAGE(target_inside_head) { entry(b, 0)->target_offset = sizeof(struct ipt_entry) - 8; }
DAMAGE(target_outside) { entry(b, 0)->target_offset = 0xfff8; }
DAMAGE(target_at_the_end) { entry(b, B_RULE)->target_offset = entry(b, B_RULE)->next_offset; }
DAMAGE(target_too_small) { target(b, B_RULE)->target.u.target_size = 8; }
DAMAGE(target_too_large) { target(b, B_RULE)->target.u.target_size = 0xffff; }
DAMAGE(target_size_off) { target(b, B_RULE)->target.u.target_size -= 8; }
DAMAGE(match_size_zero) { first_match(b, B_RULE)->u.match_size = 0; }
DAMAGE(match_size_beyond_target) { first_match(b, B_RULE)->u.match_size += 8; }
DAMAGE(match_size_short) { first_match(b, B_RULE)->u.match_size -= 8; }
DAMAGE(standard_too_long)
{
	/* as a 32-bit tool pads it */
	entry(b, INPUT_POLICY)->next_offset -= 4;
}
DAMAGE(blob_cut) { b->head.size -= 16; }
DAMAGE(blob_empty) { b->head.size = 0; b->head.num_entries = 0; }
DAMAGE(blob_size_wraps) { b->head.size = 0xffffff00; }
DAMAGE(count_too_low) { b->head.num_entries--; }
DAMAGE(count_too_high) { b->head.num_entries++; }
DAMAGE(count_huge) { b->head.num_entries = 0x7fffffff; }
DAMAGE(counters_none) { b->head.num_counters = 0; }
DAMAGE(counters_huge) { b->head.num_counters = 0x7fffffff; }
DAMAGE(counters_other) { b->head.num_counters++; }
DAMAGE(counters_many) { b->head.num_counters = (512u << 20) / 16 + 1; }

/* flags and names */
DAMAGE(unknown_flag) { entry(b, FORWARD_RULE)->ip.flags = 0x80; }
DAMAGE(unknown_inversion) { entry(b, FORWARD_RULE)->ip.invflags = 0x80; }
DAMAGE(match_name_endless) { memset(first_match(b, B_RULE)->u.user.name, 'x', 29); }
DAMAGE(target_name_endless) { memset(target(b, B_RULE)->target.u.user.name, 'x', 29); }
DAMAGE(match_name_unknown) { first_match(b, B_RULE)->u.user.name[0] = 'X'; }
DAMAGE(target_name_unknown) { target(b, B_RULE)->target.u.user.name[0] = 'X'; }
DAMAGE(match_revision_unknown) { first_match(b, B_RULE)->u.user.revision = 9; }
DAMAGE(chain_name_endless)
{
	memset(((struct xt_error_target *)target(b, A_HEAD))->errorname, 'x', XT_FUNCTION_MAXNAMELEN);
}
DAMAGE(table_unknown) { strcpy(b->head.name, "nosuch"); }

/* restrictions (class 3, 4) */
DAMAGE(match_wants_proto) { entry(b, B_RULE)->ip.proto = 17; }
DAMAGE(match_wants_uninverted_proto) { entry(b, B_RULE)->ip.invflags = XT_INV_PROTO; }

/* hooks and policies */
DAMAGE(hook_nowhere) { b->head.hook_entry[NF_INET_FORWARD] += 8; }
DAMAGE(policy_nowhere) { b->head.underflow[NF_INET_FORWARD] += 8; }
DAMAGE(policy_is_a_rule) { b->head.underflow[NF_INET_FORWARD] = (unsigned int)offset(b, FORWARD_RULE); }
DAMAGE(policy_returns) { target(b, FORWARD_POLICY)->verdict = XT_RETURN; }
DAMAGE(policy_has_condition) { entry(b, FORWARD_POLICY)->ip.src.s_addr = 1; }
DAMAGE(hooks_swapped)
{
	b->head.hook_entry[NF_INET_LOCAL_IN] = (unsigned int)offset(b, FORWARD_RULE);
	b->head.hook_entry[NF_INET_FORWARD] = 0;
}
DAMAGE(hooks_same)
{
	b->head.hook_entry[NF_INET_LOCAL_OUT] = b->head.hook_entry[NF_INET_FORWARD];
}
DAMAGE(hook_too_many) { b->head.valid_hooks |= 1 << NF_INET_PRE_ROUTING; }
DAMAGE(hook_missing) { b->head.valid_hooks &= ~(1u << NF_INET_LOCAL_OUT); }

/* verdicts and jumps (class 1: verdict init; 15: loops) */
DAMAGE(verdict_zero) { target(b, FORWARD_RULE)->verdict = 0; }
DAMAGE(verdict_stolen) { target(b, FORWARD_RULE)->verdict = -NF_STOLEN - 1; }
DAMAGE(verdict_least) { target(b, FORWARD_RULE)->verdict = INT32_MIN; }
DAMAGE(verdict_with_errno) { target(b, FORWARD_RULE)->verdict = -(NF_DROP | 1 << 16) - 1; }
DAMAGE(jump_into_a_rule) { target(b, FORWARD_RULE)->verdict += 8; }
DAMAGE(jump_beyond_end) { target(b, FORWARD_RULE)->verdict = (int)b->head.size; }
DAMAGE(jump_far) { target(b, FORWARD_RULE)->verdict = INT32_MAX; }
DAMAGE(jump_to_itself) { jump(b, FORWARD_RULE, FORWARD_RULE); }
DAMAGE(jump_back) { jump(b, A_RULE, A_RULE); }
DAMAGE(jump_in_a_circle)
{
	/* B's rule becomes a jump back into A */
	struct xt_standard_target *t = target(b, B_FOOT);

	t->verdict = offset(b, A_RULE);
}
DAMAGE(jump_to_the_end) { jump(b, FORWARD_RULE, END); }
DAMAGE(chain_falls_off)
{
	target(b, B_FOOT)->verdict = offset(b, END);
}

static const struct {
	void (*damage)(struct blob *b);
	const char *name;
	int err;
} cases[] = {
#define CASE(name, err) { name, #name, err }
	CASE(next_beyond_end, -EINVAL), CASE(next_zero, -EINVAL), CASE(next_unaligned, -EINVAL),
	CASE(next_smaller_than_head, -EINVAL), CASE(target_inside_head, -EINVAL), CASE(target_outside, -EINVAL),
	CASE(target_at_the_end, -EINVAL), CASE(target_too_small, -EINVAL), CASE(target_too_large, -EINVAL),
	CASE(target_size_off, -EINVAL), CASE(match_size_zero, -EINVAL), CASE(match_size_beyond_target, -EINVAL),
	CASE(match_size_short, -EINVAL), CASE(standard_too_long, -EINVAL), CASE(blob_cut, -EINVAL),
	CASE(blob_empty, -EINVAL), CASE(blob_size_wraps, -EINVAL), CASE(count_too_low, -EINVAL),
	CASE(count_too_high, -EINVAL), CASE(count_huge, -ENOMEM), CASE(counters_none, -EINVAL),
	CASE(counters_huge, -ENOMEM), CASE(counters_other, -EAGAIN), CASE(counters_many, -ENOMEM),
	CASE(unknown_flag, -EINVAL), CASE(unknown_inversion, -EINVAL), CASE(match_name_endless, -EINVAL),
	CASE(target_name_endless, -EINVAL), CASE(match_name_unknown, -ENOENT), CASE(target_name_unknown, -ENOENT),
	CASE(match_revision_unknown, -ENOENT), CASE(chain_name_endless, -EINVAL), CASE(table_unknown, -ENOENT),
	CASE(match_wants_proto, -EINVAL), CASE(match_wants_uninverted_proto, -EINVAL),
	CASE(hook_nowhere, -EINVAL), CASE(policy_nowhere, -EINVAL), CASE(policy_is_a_rule, -EINVAL),
	CASE(policy_returns, -EINVAL), CASE(policy_has_condition, -EINVAL), CASE(hooks_swapped, -EINVAL),
	CASE(hooks_same, -EINVAL), CASE(hook_too_many, -EINVAL), CASE(hook_missing, -EINVAL),
	CASE(verdict_zero, -EINVAL), CASE(verdict_stolen, -EINVAL), CASE(verdict_least, -EINVAL),
	CASE(verdict_with_errno, -EINVAL), CASE(jump_into_a_rule, -ELOOP), CASE(jump_beyond_end, -ELOOP),
	CASE(jump_far, -ELOOP), CASE(jump_to_itself, -ELOOP), CASE(jump_back, -ELOOP),
	CASE(jump_in_a_circle, -ELOOP), CASE(jump_to_the_end, -ELOOP), CASE(chain_falls_off, -ELOOP),
};

static void blob_take(struct instance *inst, struct blob *b)
{
	struct ipt_getinfo info = { .name = "filter" };

	memset(b, 0, sizeof(*b));
	assert_int_equal(tables_get_info(inst, NFPROTO_IPV4, &info, NULL), 0);
	assert_true(info.size < sizeof(b->entries));
	strcpy(b->head.name, "filter");
	b->head.valid_hooks = info.valid_hooks;
	b->head.num_entries = b->head.num_counters = info.num_entries;
	b->head.size = info.size;
	memcpy(b->head.hook_entry, info.hook_entry, sizeof(info.hook_entry));
	memcpy(b->head.underflow, info.underflow, sizeof(info.underflow));
	assert_int_equal(tables_get_entries(inst, NFPROTO_IPV4, "filter", b->entries, info.size, NULL, NULL), 0);
}

/* In a block of exactly its size, so that a sanitizer sees every byte read too far. */
static int replace(struct instance *inst, const struct blob *b, size_t len, struct refusal *why)
{
	uint8_t *exact = malloc(len);
	struct xt_counters old[64];
	int err;

	memcpy(exact, b, len);
	err = tables_replace(inst, NFPROTO_IPV4, exact, len, old, NULL, why);
	free(exact);
	return err;
}

static void damaged_blobs_are_refused(void **state)
{
	struct instance *inst = fixture_new();
	struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;
	struct blob good, b;
	size_t len;

	restore_ok(inst, rules, 0);
	rules_save(inst, NFPROTO_IPV4, true, -1, &before);
	blob_take(inst, &good);
	len = BLOB_HEAD_SIZE + good.head.size;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal why = { 0 };
		int err;

		b = good;
		cases[i].damage(&b);
		err = replace(inst, &b, len, &why);
		if (err != cases[i].err || !why.text[0])
			fail_msg("%s: %s (%s)", cases[i].name, strerror(-err), why.text);
	}
	/* nothing of all that left a trace, and the good one is still good */
	rules_save(inst, NFPROTO_IPV4, true, -1, &after);
	assert_string_equal(sb_str(&before), sb_str(&after));
	assert_int_equal(replace(inst, &good, len, NULL), 0);
	for (size_t cut = 0; cut < len; cut += 4)
		assert_true(replace(inst, &good, cut, NULL) < 0);
	sb_free(&before);
	sb_free(&after);
	fixture_free(inst);
}

/* A diamond of 60 levels has 2^60 ways through; each rule is visited once. Class 15. */
static void reach_is_linear(void **state)
{
	struct instance *inst = fixture_new();
	struct strbuf text = STRBUF_INIT;

	sb_adds(&text, "*filter\n");
	for (unsigned int i = 0; i < 60; i++)
		sb_printf(&text, ":C%02u - [0:0]\n", i);
	sb_adds(&text, "-A FORWARD -j C00\n");
	for (unsigned int i = 0; i + 1 < 60; i++)
		sb_printf(&text, "-A C%02u -s 1.1.1.1 -j C%02u\n-A C%02u -j C%02u\n", i, i + 1, i, i + 1);
	sb_adds(&text, "COMMIT\n");
	restore_ok(inst, sb_str(&text), 0);
	sb_free(&text);
	fixture_free(inst);
}

/* A chain that nothing reaches may point anywhere: the kernel takes it, and nobody walks there. */
static void unreached_chains_are_not_judged(void **state)
{
	struct instance *inst = fixture_new();
	struct strbuf out = STRBUF_INIT;
	struct blob b;

	restore_ok(inst, rules, 0);
	blob_take(inst, &b);
	target(&b, FORWARD_RULE)->verdict = -NF_ACCEPT - 1;
	target(&b, A_RULE)->verdict = 0x7ffffff0;
	assert_int_equal(replace(inst, &b, BLOB_HEAD_SIZE + b.head.size, NULL), 0);
	/* no chains can be made of it: it is neither saved nor edited */
	rules_save(inst, NFPROTO_IPV4, true, -1, &out);
	assert_string_equal(sb_str(&out), "");
	sb_free(&out);
	fixture_free(inst);
}

/* What user space reads back holds no pointers and nothing beyond what it gave. Class 6. */
static void entries_come_back_clean(void **state)
{
	struct instance *inst = fixture_new();
	struct blob a, b;

	restore_ok(inst, rules, 0);
	blob_take(inst, &a);
	memset(first_match(&a, B_RULE)->u.user.name + 4, 0xaa, 20);	/* behind the name's end */
	((uint8_t *)first_match(&a, B_RULE))[first_match(&a, B_RULE)->u.match_size - 1] = 0xaa;	/* padding */
	assert_int_equal(replace(inst, &a, BLOB_HEAD_SIZE + a.head.size, NULL), 0);
	blob_take(inst, &b);
	for (unsigned int i = 4; i < 24; i++)
		assert_int_equal(first_match(&b, B_RULE)->u.user.name[i], 0);
	assert_int_equal(((uint8_t *)first_match(&b, B_RULE))[first_match(&b, B_RULE)->u.match_size - 1], 0);
	fixture_free(inst);
}

static void counters_are_handed_over(void **state)
{
	struct instance *inst = fixture_new();
	struct pkt *pkt = udp_packet("10.0.0.1", "10.0.0.2");
	struct xt_counters old[64];
	struct {
		struct xt_counters_info info;
		struct xt_counters counters[64];
	} add = { .info = { .name = "filter" } };
	struct blob b;

	restore_ok(inst, rules, 0);
	forward(inst, pkt);
	blob_take(inst, &b);
	assert_int_equal(entry(&b, FORWARD_RULE)->counters.pcnt, 1);
	assert_int_equal(tables_replace(inst, NFPROTO_IPV4, &b, BLOB_HEAD_SIZE + b.head.size, old, NULL, NULL), 0);
	assert_int_equal(old[FORWARD_RULE].pcnt, 1);
	assert_int_equal(old[FORWARD_RULE].bcnt, 28);
	assert_int_equal(rule_packets(inst, "FORWARD", 1), 0);
	add.info.num_counters = b.head.num_entries;
	add.counters[FORWARD_RULE].pcnt = 5;
	const size_t len = sizeof(add.info) + b.head.num_entries * sizeof(struct xt_counters);
	assert_int_equal(tables_add_counters(inst, NFPROTO_IPV4, &add, len, NULL), 0);
	assert_int_equal(rule_packets(inst, "FORWARD", 1), 5);
	assert_int_equal(tables_add_counters(inst, NFPROTO_IPV4, &add, len - 1, NULL), -EINVAL);
	assert_int_equal(tables_add_counters(inst, NFPROTO_IPV4, &add, sizeof(add.info), NULL), -EINVAL);
	add.info.num_counters = UINT32_MAX;
	assert_int_equal(tables_add_counters(inst, NFPROTO_IPV4, &add, len, NULL), -EINVAL);
	free_packet(pkt);
	fixture_free(inst);
}

static void revisions_are_known(void **state)
{
	assert_int_equal(tables_get_revision(NFPROTO_IPV4, "tcp", false, 0), 0);
	assert_int_equal(tables_get_revision(NFPROTO_IPV4, "tcp", false, 1), -EPROTONOSUPPORT);
	assert_int_equal(tables_get_revision(NFPROTO_IPV4, "nosuch", false, 0), -ENOENT);
	assert_int_equal(tables_get_revision(NFPROTO_IPV4, "icmp6", false, 0), -ENOENT);
	assert_true(tables_get_revision(NFPROTO_IPV6, "MARK", true, 2) >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_blobs_are_refused),
		cmocka_unit_test(reach_is_linear),
		cmocka_unit_test(unreached_chains_are_not_judged),
		cmocka_unit_test(entries_come_back_clean),
		cmocka_unit_test(counters_are_handed_over),
		cmocka_unit_test(revisions_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
