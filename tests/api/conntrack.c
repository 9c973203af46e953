/* weir/conntrack.h and weir/expect.h as an embedding program uses them: found, made, changed, ended, heard of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

struct fixture { struct weir *weir; unsigned int made, changed, ended, announced, forgotten; char line[512]; };

static void on_ct(void *priv, enum weir_event event, const struct weir_ct *ct, const char *line)
{
	struct fixture *f = priv;

	*(event == WEIR_CT_NEW ? &f->made : event == WEIR_CT_UPDATE ? &f->changed : &f->ended) += 1;
	strncpy(f->line, line, sizeof(f->line) - 1);
}

static void on_expect(void *priv, bool ended, const struct weir_expect *exp, const char *line)
{
	struct fixture *f = priv;

	*(ended ? &f->forgotten : &f->announced) += 1;
	strncpy(f->line, line, sizeof(f->line) - 1);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct weir_observer observer = { .priv = f, .conntrack = on_ct, .expect = on_expect };

	f->weir = weir_open(1, 1000000000, NULL);
	assert_int_equal(weir_ip(f->weir, "tuntap add tun0 mode tun\nlink set tun0 up\naddr add 10.0.0.1/24 dev tun0\n", NULL), 0);
	assert_int_equal(weir_ct_enable(f->weir, NFPROTO_IPV4), 0);
	weir_observe(f->weir, &observer);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_close(f->weir);
	free(f);
	return 0;
}

static struct weir_tuple tuple(const char *src, uint16_t sport, const char *dst, uint16_t dport, uint8_t proto)
{
	struct weir_tuple t = { .family = NFPROTO_IPV4, .proto = proto, .src_port = sport, .dst_port = dport };

	assert_int_equal(inet_pton(AF_INET, src, t.src), 1);
	assert_int_equal(inet_pton(AF_INET, dst, t.dst), 1);
	return t;
}

static void made_by_hand(void **state)
{
	struct fixture *f = *state;
	struct weir_ct_request req = { .original = tuple("10.0.0.2", 1000, "10.0.0.3", 80, IPPROTO_TCP), .timeout = 100,
				       .has_timeout = true, .has_mark = true, .mark = 7, .has_tcp_state = true, .tcp_state = 3 };
	struct weir_tuple reply = tuple("10.0.0.3", 80, "10.0.0.2", 1000, IPPROTO_TCP), got;
	struct weir_error error;
	enum weir_dir dir;
	struct weir_ct *ct;
	uint64_t packets, bytes;

	assert_int_equal(weir_ct_create(f->weir, &req, &error), 0);
	assert_int_equal(weir_ct_create(f->weir, &req, &error), -EEXIST);
	assert_int_equal(error.code, -EEXIST);
	assert_int_equal(f->made, 1);
	ct = weir_ct_find(f->weir, 0, &reply, &dir);
	assert_non_null(ct);
	assert_int_equal(dir, WEIR_REPLY);
	assert_string_equal(weir_ct_state(ct), "ESTABLISHED");
	assert_int_equal(weir_ct_mark(ct), 7);
	assert_int_equal(weir_ct_timeout(f->weir, ct), 100);
	assert_null(weir_ct_helper(ct));
	assert_null(weir_ct_master(ct));
	assert_false(weir_ct_has_label(ct, 3));
	assert_false(weir_ct_counters(ct, WEIR_ORIGINAL, &packets, &bytes));
	weir_ct_tuple(ct, WEIR_ORIGINAL, &got);
	assert_memory_equal(&got, &req.original, sizeof(got));
	assert_null(weir_ct_find(f->weir, 5, &reply, NULL));

	req = (struct weir_ct_request){ .has_mark = true, .mark = 0xff, .mark_mask = 0xf0, .has_timeout = true, .timeout = 50 };
	assert_int_equal(weir_ct_update(f->weir, ct, &req, NULL), 0);
	assert_int_equal(weir_ct_mark(ct), 0xf7);
	assert_int_equal(weir_ct_timeout(f->weir, ct), 50);
	assert_int_equal(f->changed, 1);

	assert_int_equal(weir_ct_end(f->weir, ct), 0);
	assert_int_equal(f->ended, 1);
	assert_int_equal(weir_ct_update(f->weir, ct, &req, &error), -ESTALE);
	weir_ct_put(f->weir, ct);	/* outlived the table's share */
	assert_int_equal(weir_ct_count(f->weir), 0);
}

static void a_query_has_an_id_and_a_type(void **state)
{
	struct fixture *f = *state;
	struct weir_ct_request req = { .original = tuple("10.0.0.2", 77, "10.0.0.3", 0, IPPROTO_ICMP), .timeout = 10, .has_timeout = true };
	struct weir_ct_stats stats;
	struct weir_tuple got;
	struct weir_ct *ct;

	req.original.icmp_type = 8;
	assert_int_equal(weir_ct_create(f->weir, &req, NULL), 0);
	ct = weir_ct_find(f->weir, 0, &req.original, NULL);
	assert_non_null(ct);
	weir_ct_tuple(ct, WEIR_REPLY, &got);
	assert_int_equal(got.src_port, 77);
	assert_int_equal(got.icmp_type, 0);
	weir_ct_put(f->weir, ct);
	weir_ct_stats(f->weir, &stats);
	assert_int_equal(stats.insert, 1);
	weir_ct_flush(f->weir);
	assert_int_equal(f->ended, 1);
	req.original.icmp_type = 3;	/* nothing answers to an error */
	assert_int_equal(weir_ct_create(f->weir, &req, NULL), -EINVAL);
}

/* A TFTP request, helped by a rule; a connection is announced for it by hand. */
static const unsigned char tftp[] = "E\0\0\x1f\0\1\0\0@\x11\x66\xcb\12\0\0\2\12\0\0\1\x0b\xb8\0E\0\x0b\0\0\0\5x";

static void count(void *priv, const struct weir_expect *exp)
{
	++*(unsigned int *)priv;
}

static void announced_by_hand(void **state)
{
	struct fixture *f = *state;
	struct weir_frame frame = { tftp, sizeof(tftp) - 1 };
	struct weir_tuple master = tuple("10.0.0.2", 3000, "10.0.0.1", 69, IPPROTO_UDP);
	struct weir_expect_info info = { .tuple = tuple("10.0.0.9", 0, "10.0.0.1", 500, IPPROTO_UDP) }, got;
	struct weir_error error;
	struct weir_expect *exp;
	unsigned int seen = 0;
	struct weir_ct *ct;
	char *text;

	memset(info.src_mask, 0xff, 4);
	assert_int_equal(weir_rules_restore(f->weir, NFPROTO_IPV4, "*raw\n-A PREROUTING -p udp --dport 69 -j CT --helper tftp\nCOMMIT\n", 0,
					    &error), 0);
	assert_int_equal(weir_receive(f->weir, "tun0", &frame, 1), 1);
	ct = weir_ct_find(f->weir, 0, &master, NULL);
	assert_non_null(ct);
	assert_string_equal(weir_ct_helper(ct), "tftp");
	assert_int_equal(weir_expect_create(f->weir, ct, &info, &error), 0);
	assert_int_equal(weir_expect_create(f->weir, ct, &info, &error), -EEXIST);
	assert_int_equal(f->announced, 1);
	assert_int_equal(weir_expect_count(f->weir), 1);
	weir_expect_each(f->weir, count, &seen);
	assert_int_equal(seen, 1);
	info.tuple.src_port = 4321;	/* any will do */
	exp = weir_expect_find(f->weir, 0, &info.tuple);
	assert_non_null(exp);
	assert_ptr_equal(weir_expect_master(exp), ct);
	weir_expect_info(f->weir, exp, &got);
	assert_int_equal(got.tuple.dst_port, 500);
	assert_int_equal(got.timeout, 300);
	text = weir_expect_text(f->weir, exp);
	assert_non_null(strstr(text, "src=10.0.0.9 dst=10.0.0.1 sport=0 dport=500"));
	free(text);
	weir_expect_end(f->weir, exp);
	assert_int_equal(f->forgotten, 1);
	assert_int_equal(weir_expect_count(f->weir), 0);
	weir_ct_put(f->weir, ct);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_by_hand, setup, teardown),
		cmocka_unit_test_setup_teardown(a_query_has_an_id_and_a_type, setup, teardown),
		cmocka_unit_test_setup_teardown(announced_by_hand, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
