/* A state taken of one instance and given to another: nothing of a connection is lost, and what is damaged is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/sysctl.h"
#include "cli/daemon_state.h"
#include "conntrack/control.h"
#include "conntrack/conntrack_internal.h"
#include "conntrack/labels.h"
#include "conntrack/timeout.h"
#include "nat/mangle.h"
#include "nat/nat.h"

#define BEGAN_NS ((int64_t)1700000000 * NSEC_PER_SEC)

static const char rules[] =
	"*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n*filter\n:FORWARD DROP [3:30]\n"
	"-A FORWARD -m connlabel --label 3 -j ACCEPT\n[5:50] -A FORWARD -p tcp -j ACCEPT\n[6:60] -A FORWARD -p tcp -j ACCEPT\nCOMMIT\n";

static struct instance *instance(void)
{
	struct instance *inst = instance_new(1, BEGAN_NS, NULL);
	struct ct_policy_value value = { 0, 99 };
	struct iface *iface;

	assert_non_null(inst);
	assert_int_equal(iface_add(inst, "eth0", ARPHRD_ETHER, &iface, NULL), 0);
	assert_int_equal(ct_policy_add(inst, "slow", NFPROTO_IPV4, IPPROTO_TCP, &value, 1), 0);
	return inst;
}

static struct ct_tuple tuple(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	struct ct_tuple t = { .family = NFPROTO_IPV4, .proto = IPPROTO_TCP };

	t.src.ip = htonl(src);
	t.dst.ip = htonl(dst);
	t.src_l4.port = htons(sport);
	t.dst_l4.port = htons(dport);
	return t;
}

static struct ct *connection(struct instance *inst, uint16_t sport)
{
	struct ct_tuple orig = tuple(0x0a000002, 0xc0000202, sport, 21), reply = tuple(0xc0000202, 0xc6336401, 21, sport);
	struct ct *ct = ct_new(inst, NULL, &orig, &reply);
	struct ct_extra *e;

	assert_non_null(ct);
	e = ct_extra_get(ct);
	e->has_acct = e->has_stamp = e->has_labels = e->has_synproxy = true;
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		e->acct[dir] = (struct ct_counter){ 100u + dir, 1ull << 40 | dir };
		e->seq[dir] = (struct ct_seqadj){ 77u + dir, -5, 1000 + dir };
		ct->proto.tcp.seen[dir] = (struct ct_tcp_side){ 1, 2u + dir, 3, 4, 7, IP_CT_TCP_FLAG_WINDOW_SCALE };
	}
	e->labels[0] = 1 << 3;
	e->synproxy = (struct ct_synproxy){ 9, 8, 7 };
	e->policy = ct_policy_find(inst, "slow");
	e->policy->shares++;
	assert_non_null(ct_help_add(ct, ct_helper_find(inst, "ftp", NFPROTO_IPV4, IPPROTO_TCP)));
	ct_help_of(ct)->of.ftp.lines[1] = 2;
	ct_help_of(ct)->of.ftp.after_line[1][1] = 4711;
	ct->proto.tcp.state = TCP_CONNTRACK_ESTABLISHED;
	ct->proto.tcp.last_win = 512;
	ct->mark = 42;
	ct->nat_masq_ifindex = iface_find(inst, "eth0")->index;
	ct->expires_tick = 100 * WEIR_HZ;
	ct->status |= IPS_ASSURED | IPS_SEEN_REPLY | IPS_SRC_NAT | IPS_NAT_DONE_MASK | IPS_SEQ_ADJUST;
	assert_int_equal(ct_insert(inst, ct), 0);
	e->start_ns = BEGAN_NS - 5;
	nat_ct_restored(inst, ct);
	return ct;
}

static void announce(struct instance *inst, struct ct *master)
{
	struct ct_expect exp, *made;
	union nf_inet_addr dst = { .ip = htonl(0x0a000002) };

	ct_expect_init(&exp, master, 0, NULL, &dst, IPPROTO_TCP, htons(2000));
	exp.saved_port = htons(3000);
	exp.dir = IP_CT_DIR_REPLY;
	exp.arrived = nat_follow_master;
	assert_int_equal(ct_expect_add(inst, &exp, &made), 0);
}

static bool print_one(void *priv, struct ct *ct)
{
	void **args = priv;

	ct_print(args[0], ct, CT_TEXT_EXTENDED | CT_TEXT_LABELS | CT_TEXT_ID | CT_TEXT_TIMESTAMP, args[1]);
	return true;
}

static void print_expectation(void *priv, const struct ct_expect *exp)
{
	void **args = priv;

	ct_expect_print(args[0], exp, args[1]);
}

static void print_all(struct instance *inst, struct strbuf *out)
{
	void *args[] = { inst, out };

	sb_reset(out);
	ct_each(inst, print_one, args);
	ct_expect_each(inst, print_expectation, args);
}

static struct ct *only_one(struct instance *inst)
{
	struct ct_tuple orig = tuple(0x0a000002, 0xc0000202, 1000, 21);
	struct ct *ct;
	int dir;

	ct = ct_find(inst, &ct_zone_default, &orig, &dir);
	assert_non_null(ct);
	ct_put(inst, ct);
	return ct;
}

static void test_nothing_is_lost(void **state)
{
	struct instance *a = instance(), *b = instance();
	struct strbuf one = STRBUF_INIT, two = STRBUF_INIT, bytes = STRBUF_INIT, again = STRBUF_INIT;
	struct ct_state_report report;
	const struct ct *x, *y;
	struct ct *ct = connection(a, 1000);

	announce(a, ct);
	ct_put(a, ct);
	ct_state_save(a, &bytes);
	assert_int_equal(ct_state_load(b, bytes.s, bytes.len, &report, NULL), 0);
	assert_int_equal(report.connections, 1);
	assert_int_equal(report.expectations, 1);
	print_all(a, &one);
	print_all(b, &two);
	assert_string_equal(one.s, two.s);
	ct_state_save(b, &again);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.s, bytes.s, bytes.len);
	x = only_one(a);
	y = only_one(b);
	assert_memory_equal(&x->proto.tcp, &y->proto.tcp, sizeof(x->proto.tcp));
	assert_memory_equal(x->extra->seq, y->extra->seq, sizeof(x->extra->seq));
	assert_memory_equal(&ct_help_of(x)->of.ftp, &ct_help_of(y)->of.ftp, sizeof(ct_help_of(x)->of.ftp));
	assert_string_equal(y->extra->policy->name, "slow");
	assert_int_equal(y->nat_masq_ifindex, iface_find(b, "eth0")->index);
	assert_true(y->has_source);
	sb_free(&one);
	sb_free(&two);
	sb_free(&bytes);
	sb_free(&again);
	instance_free(a);
	instance_free(b);
}

static void test_what_was_due_does_not_come_back(void **state)
{
	struct instance *a = instance(), *b = instance();
	struct strbuf bytes = STRBUF_INIT;
	struct ct_state_report report;

	ct_put(a, connection(a, 1000));
	ct_state_save(a, &bytes);
	instance_advance(b, BEGAN_NS + 40ll * NSEC_PER_SEC);
	assert_int_equal(ct_state_load(b, bytes.s, bytes.len, &report, NULL), 0);
	assert_int_equal(ct_expires_sec(b, only_one(b)), 60);
	instance_free(b);
	b = instance();
	instance_advance(b, BEGAN_NS + 101ll * NSEC_PER_SEC);
	assert_int_equal(ct_state_load(b, bytes.s, bytes.len, &report, NULL), 0);
	assert_int_equal(report.connections, 0);
	assert_int_equal(report.expired, 1);
	assert_int_equal(ct_count(b), 0);
	sb_free(&bytes);
	instance_free(a);
	instance_free(b);
}

/* Each single byte, and each length: refused, or taken without harm; never beyond the end. */
static void test_damage(void **state)
{
	struct instance *a = instance();
	struct strbuf bytes = STRBUF_INIT, whole = STRBUF_INIT;
	struct state_file file;
	struct refusal why = { 0 };
	struct ct_state_report report;
	struct ct *ct = connection(a, 1000);

	announce(a, ct);
	ct_put(a, ct);
	ct_state_save(a, &bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		struct instance *b = instance();
		uint8_t *copy = malloc(bytes.len);

		memcpy(copy, bytes.s, bytes.len);
		copy[i] ^= 0xff;
		ct_state_load(b, copy, bytes.len, &report, NULL);
		free(copy);
		instance_free(b);
		b = instance();
		copy = malloc(i + 1);
		memcpy(copy, bytes.s, i);
		assert_int_not_equal(ct_state_load(b, copy, i, &report, NULL), 0);
		free(copy);
		instance_free(b);
	}
	kept_take(a, NULL, true, false, &whole);
	for (size_t i = 0; i < whole.len; i++) {
		whole.s[i] ^= 1;
		assert_int_not_equal(state_open(whole.s, whole.len, "x", &file, &why), 0);
		whole.s[i] ^= 1;
		assert_int_not_equal(state_open(whole.s, i, "x", &file, &why), 0);
	}
	assert_int_equal(state_open(whole.s, whole.len, "x", &file, &why), 0);
	sb_free(&bytes);
	sb_free(&whole);
	instance_free(a);
}

static struct instance *made_of(const struct snapshot_texts *texts)
{
	struct instance *inst = instance_new(2, BEGAN_NS, NULL);
	struct snapshot_paths none = { 0 };
	struct run_options options = { 0 };
	struct inputs inputs = { .options = &options };
	struct refusal why = { 0 };

	if (snapshot_load_host(inst, &none, texts, &inputs, false, &why) || snapshot_load_rules(inst, &none, texts, &why))
		fail_msg("%s", why.text);
	return inst;
}

static void test_texts_make_the_same(void **state)
{
	struct snapshot_texts one = { 0 }, two = { 0 }, three = { 0 };
	struct instance *a = instance(), *b, *c;
	struct refusal why = { 0 };

	assert_int_equal(rules_restore(a, NFPROTO_IPV4, rules, sizeof(rules) - 1, "r", RESTORE_ALL_OR_NOTHING | RESTORE_COUNTERS, &why), 0);
	assert_int_equal(sysctl_set(a->sysctls, "net.ipv4.conf.all.forwarding", "1", NULL), 0);
	assert_int_equal(sysctl_set(a->sysctls, "net.ipv4.conf.eth0.forwarding", "0", NULL), 0);
	snapshot_take(a, &one);
	b = made_of(&one);
	snapshot_take(b, &two);
	c = made_of(&two);
	snapshot_take(c, &three);
	for (int i = 0; i < PART_COUNT; i++) {
		if (i != PART_SYSCTL)		/* an mtu that was said is a setting from then on */
			assert_string_equal(sb_str(&one.part[i]), sb_str(&two.part[i]));
		assert_string_equal(sb_str(&two.part[i]), sb_str(&three.part[i]));
	}
	assert_non_null(strstr(sb_str(&three.part[PART_SYSCTL]), "net.ipv4.conf.eth0.forwarding = 0\n"));
	snapshot_texts_free(&one);
	snapshot_texts_free(&two);
	snapshot_texts_free(&three);
	instance_free(a);
	instance_free(b);
	instance_free(c);
}

static void test_counters_stay_with_equal_rules(void **state)
{
	static const char old[] = "*filter\n:INPUT DROP [3:30]\n[1:10] -A INPUT -i a -j ACCEPT\n[2:20] -A INPUT -i a -j ACCEPT\nCOMMIT\n"
				  "*nat\n[9:90] -A INPUT -i b -j ACCEPT\nCOMMIT\n";
	static const char text[] = "*filter\n:INPUT ACCEPT [0:0]\n[0:0] -A INPUT -i b -j ACCEPT\n[0:0] -A INPUT -i a -j ACCEPT\n"
				   "[0:0] -A INPUT -i a -j ACCEPT\n[0:0] -A INPUT -i a -j ACCEPT\nCOMMIT\n";
	struct strbuf out = STRBUF_INIT;

	counters_carry(old, sizeof(old) - 1, text, sizeof(text) - 1, &out);
	assert_string_equal(sb_str(&out), "*filter\n:INPUT ACCEPT [3:30]\n[0:0] -A INPUT -i b -j ACCEPT\n[1:10] -A INPUT -i a -j ACCEPT\n"
					  "[2:20] -A INPUT -i a -j ACCEPT\n[0:0] -A INPUT -i a -j ACCEPT\nCOMMIT\n");
	sb_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_lost), cmocka_unit_test(test_what_was_due_does_not_come_back),
		cmocka_unit_test(test_damage), cmocka_unit_test(test_texts_make_the_same),
		cmocka_unit_test(test_counters_stay_with_equal_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
