/* The public headers as an embedding program uses them: linked with libweir.so, nothing of src/ is included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

struct seen {
	struct weir *weir;
	unsigned int sent, delivered, dropped, asked, events;
	char out[16], reason[32], line[512];
	struct weir_pkt *queued;
	unsigned int verdict;
};

static void on_transmit(void *priv, const char *out, const struct weir_pkt *pkt, const void *frame, size_t len)
{
	struct seen *seen = priv;

	seen->sent++;
	strcpy(seen->out, out);
	if (!weir_pkt_in(pkt))		/* the host's own */
		return;
	assert_int_equal(len, 32);
	assert_string_equal(weir_pkt_in(pkt), "tun0");
}

static void on_deliver(void *priv, const struct weir_pkt *pkt)
{
	((struct seen *)priv)->delivered++;
}

static void on_drop(void *priv, const struct weir_pkt *pkt, const char *reason, const char *sentence)
{
	struct seen *seen = priv;

	seen->dropped++;
	strcpy(seen->reason, reason);
}

static void on_event(void *priv, enum weir_event event, const struct weir_ct *ct, const char *line)
{
	struct seen *seen = priv;

	seen->events++;
	strncpy(seen->line, line, sizeof(seen->line) - 1);
}

static unsigned int hook(void *priv, struct weir_pkt *pkt, int number)
{
	struct seen *seen = priv;

	assert_int_equal(number, NF_INET_FORWARD);
	seen->asked++;
	weir_pkt_set_mark(pkt, 7);
	if (seen->verdict == NF_STOLEN)
		weir_pkt_free(seen->weir, pkt);
	return seen->verdict;
}

static int queue(void *priv, struct weir_pkt *pkt, int number, unsigned int queue_number)
{
	struct seen *seen = priv;

	assert_int_equal(queue_number, 5);
	seen->queued = pkt;
	return 0;
}

/* UDP 10.0.0.2:1000 -> 10.1.0.2:@dport without a UDP checksum. */
static void receive(struct weir *weir, uint8_t dport)
{
	uint8_t p[] = { 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0x66, 0xc8, 10, 0, 0, 2, 10, 1, 0, 2,
			3, 0xe8, 0, dport, 0, 12, 0, 0, 'a', 'b', 'c', 'd' };
	struct weir_frame frame = { p, sizeof(p) };

	assert_int_equal(weir_receive(weir, "tun0", &frame, 1), 1);
}

static int open_gateway(void **state)
{
	static struct seen seen;
	struct weir_observer observer = { &seen, on_transmit, on_deliver, on_drop, on_event, NULL };
	struct weir_error error = { 0 };

	memset(&seen, 0, sizeof(seen));
	seen.weir = weir_open(1, 1000000000, &error);
	assert_non_null(seen.weir);
	if (weir_ip(seen.weir, "tuntap add tun0 mode tun\ntuntap add tun1 mode tun\nlink set tun0 up\nlink set tun1 up\n"
			       "addr add 10.0.0.1/24 dev tun0\naddr add 10.1.0.1/24 dev tun1\n", &error))
		fail_msg("%s", error.text);
	assert_int_equal(weir_sysctl_set(seen.weir, "net.ipv4.ip_forward", "1", &error), 0);
	weir_observe(seen.weir, &observer);
	*state = &seen;
	return 0;
}

static int close_gateway(void **state)
{
	weir_close(((struct seen *)*state)->weir);
	return 0;
}

static void packets_go_their_way(void **state)
{
	struct seen *seen = *state;
	struct weir_frame none = { "", 0 };

	receive(seen->weir, 53);
	assert_int_equal(seen->sent, 1);
	assert_string_equal(seen->out, "tun1");
	assert_int_equal(weir_receive(seen->weir, "tun9", &none, 1), -ENODEV);
	assert_int_equal(weir_send_local(seen->weir, "", 0), -EINVAL);
	assert_true(weir_now(seen->weir) == 1000000000);
}

static void hooks_decide(void **state)
{
	struct seen *seen = *state;
	struct weir_hook ops = { NFPROTO_IPV4, NF_INET_FORWARD, NF_IP_PRI_FILTER - 1, hook, seen, "test" };

	assert_int_equal(weir_hook_register(seen->weir, &ops), 0);
	seen->verdict = NF_DROP;
	receive(seen->weir, 53);
	assert_int_equal(seen->dropped, 1);
	assert_string_equal(seen->reason, "hook");
	seen->verdict = NF_STOLEN;
	receive(seen->weir, 53);
	assert_int_equal(seen->sent + seen->dropped, 1);
	weir_queue(seen->weir, queue, seen);
	seen->verdict = NF_QUEUE_NR(5);
	receive(seen->weir, 53);
	assert_non_null(seen->queued);
	assert_int_equal(seen->sent, 0);
	weir_reinject(seen->weir, seen->queued, NF_ACCEPT);
	assert_int_equal(seen->sent, 1);
	assert_int_equal(weir_hook_unregister(seen->weir, &ops), 0);
	assert_int_equal(weir_hook_unregister(seen->weir, &ops), -ENOENT);
	receive(seen->weir, 53);
	assert_int_equal(seen->asked, 3);
	ops.hook = 17;
	assert_int_equal(weir_hook_register(seen->weir, &ops), -EINVAL);
}

static void rules_count_and_refuse(void **state)
{
	struct seen *seen = *state;
	char *argv[] = { "iptables", "-S", "FORWARD", NULL }, *text;
	struct weir_error error = { 0 };

	assert_int_equal(weir_rules_restore(seen->weir, NFPROTO_IPV4,
		"*filter\n-A FORWARD -p udp --dport 53 -j DROP\nCOMMIT\n", 0, &error), 0);
	receive(seen->weir, 53);
	assert_int_equal(seen->dropped, 1);
	assert_string_equal(seen->reason, "rule");
	text = weir_rules_save(seen->weir, NFPROTO_IPV4, true);
	assert_non_null(strstr(text, "[1:32] -A FORWARD -p udp -m udp --dport 53 -j DROP"));
	free(text);
	assert_int_equal(weir_iptables(seen->weir, 3, argv, &text, &error), 0);
	assert_string_equal(text, "-P FORWARD ACCEPT\n-A FORWARD -p udp -m udp --dport 53 -j DROP\n");
	free(text);
	assert_int_not_equal(weir_rules_restore(seen->weir, NFPROTO_IPV4, "*filter\n-A FORWARD -j NOWHERE\nCOMMIT\n", 0, &error), 0);
	assert_int_equal(error.line, 2);
	assert_int_not_equal(weir_ip(seen->weir, "addr add 1.2.3.4/99 dev tun0\n", &error), 0);
	assert_int_equal(error.column, 10);
	assert_int_equal(weir_sysctl_set(seen->weir, "net.ipv4.ip_forwrad", "1", &error), -ENOENT);
	text = weir_sysctl_get(seen->weir, "net.ipv4.ip_forward", &error);
	assert_string_equal(text, "1");
	free(text);
}

static void expect_file(struct weir *weir, const char *path, const char *wanted)
{
	char *text = weir_proc_read(weir, path, NULL);

	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text);
}

static bool count_path(void *priv, const char *path)
{
	*(int *)priv += strncmp(path, "/proc/net/", 10) == 0;
	return true;
}

/* The numbers are those that Linux 6.18 showed in the same ticks after the same packet. */
static void state_is_visible(void **state)
{
	struct seen *seen = *state;
	struct weir_error error = { 0 };
	int files = 0;

	assert_int_equal(weir_rules_restore(seen->weir, NFPROTO_IPV4, "*filter\n"
		"-A FORWARD -m hashlimit --hashlimit-upto 5/s --hashlimit-name a --hashlimit-mode srcip,dstport\n"
		"-A FORWARD -m hashlimit --hashlimit-upto 7/min --hashlimit-burst 3 --hashlimit-name b\n"
		"-A FORWARD -m hashlimit --hashlimit-upto 1000b/s --hashlimit-burst 5000b --hashlimit-name c\n"
		"-A FORWARD -m recent --set --name r\n-A FORWARD -m recent --rcheck --rdest --name r -j DROP\nCOMMIT\n", 0, &error), 0);
	receive(seen->weir, 53);
	expect_file(seen->weir, "/proc/net/ipt_hashlimit/a", "1 10.0.0.2:0->0.0.0.0:53 109951162400000 137438953000000 27487790600000\n");
	weir_advance(seen->weir, weir_now(seen->weir) + 48000000);
	expect_file(seen->weir, "/proc/net/ipt_hashlimit/a", "0 10.0.0.2:0->0.0.0.0:53 116548232166656 137438953000000 27487790600000\n");
	expect_file(seen->weir, "/proc/net/ipt_hashlimit/b", "59 0.0.0.0:0->0.0.0.0:0 2362693249836424 3534144270104652 1178048090034884\n");
	expect_file(seen->weir, "/proc/net/ipt_hashlimit/c", "59 0.0.0.0:0->0.0.0.0:0 4194304000 6 66576253\n");
	expect_file(seen->weir, "/proc/net/xt_recent/r", "src=10.0.0.2 ttl: 64 last_seen: 250 oldest_pkt: 1 250\n");
	assert_int_equal(weir_proc_write(seen->weir, "/proc/net/xt_recent/r", "+10.1.0.2\n", 10, &error), 0);
	receive(seen->weir, 53);
	assert_int_equal(seen->dropped, 1);
	assert_int_equal(weir_proc_write(seen->weir, "/proc/net/xt_recent/r", "/", 1, &error), 0);
	expect_file(seen->weir, "/proc/net/xt_recent/r", "");
	assert_int_equal(weir_proc_write(seen->weir, "/proc/net/xt_recent/r", "+10.1.0\n", 8, &error), -EINVAL);
	assert_int_equal(weir_proc_write(seen->weir, "/proc/net/ipt_hashlimit/a", "x", 1, &error), -EACCES);
	assert_int_equal(weir_proc_write(seen->weir, "/proc/net/xt_recent/s", "/", 1, &error), -ENOENT);
	assert_null(weir_proc_read(seen->weir, "/proc/net/xt_recent/s", &error));
	weir_proc_each(seen->weir, count_path, &files);
	assert_int_equal(files, 4 + 3);	/* connection tracking has three of its own */
	assert_int_equal(weir_rules_restore(seen->weir, NFPROTO_IPV4, "*filter\nCOMMIT\n", 0, &error), 0);
	files = 0;
	weir_proc_each(seen->weir, count_path, &files);
	assert_int_equal(files, 3);
	expect_file(seen->weir, "/proc/net/nf_conntrack_expect", "");
}

static bool end_it(void *priv, struct weir_ct *ct)
{
	struct seen *seen = priv;
	char *text = weir_ct_text(seen->weir, ct);

	assert_non_null(strstr(text, "src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=53"));
	free(text);
	assert_int_equal(weir_ct_timeout(seen->weir, ct), 30);
	assert_int_equal(weir_ct_set_timeout(seen->weir, ct, 0), -ERANGE);
	assert_int_equal(weir_ct_set_timeout(seen->weir, ct, 99), 0);
	assert_int_equal(weir_ct_timeout(seen->weir, ct), 99);
	assert_int_equal(weir_ct_end(seen->weir, ct), 0);
	return true;
}

static void connections_are_seen_and_ended(void **state)
{
	struct seen *seen = *state;

	assert_int_equal(weir_ct_enable(seen->weir, NFPROTO_IPV4), 0);
	receive(seen->weir, 53);
	assert_int_equal(weir_ct_count(seen->weir), 1);
	assert_int_equal(seen->events, 1);
	assert_non_null(strstr(seen->line, "[NEW]"));
	weir_ct_each(seen->weir, end_it, seen);
	assert_int_equal(weir_ct_count(seen->weir), 0);
	assert_non_null(strstr(seen->line, "[DESTROY]"));
	receive(seen->weir, 53);
	weir_advance(seen->weir, weir_now(seen->weir) + 40000000000);
	assert_int_equal(weir_ct_count(seen->weir), 0);
}

static unsigned int look(void *priv, struct weir_pkt *pkt, int number)
{
	struct seen *seen = priv;
	const char *socket = weir_pkt_socket(pkt), *context = weir_pkt_secctx(seen->weir, pkt);

	snprintf(seen->line, sizeof(seen->line), "%s %s", socket ? socket : "-", context ? context : "-");
	return NF_ACCEPT;
}

/* What the host sends belongs to whom its ports say, or to whom the program says. */
static void sockets_own_packets(void **state)
{
	struct seen *seen = *state;
	uint8_t p[] = { 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x13, 0x88, 0, 53, 0, 8, 0, 0 };
	struct weir_hook h = { NFPROTO_IPV4, NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER + 1, look, seen, "look" };
	struct weir_error error = { 0 };

	assert_int_equal(weir_host(seen->weir, "socket add a udp 10.0.0.1:5000 uid 1000\nsocket add b raw 0.0.0.0 uid 7\n"
				   "secctx add one\nsecctx add two\n", &error), 0);
	assert_int_not_equal(weir_host(seen->weir, "socket add\n", &error), 0);
	assert_int_equal(error.column, 11);
	assert_int_equal(weir_rules_restore(seen->weir, NFPROTO_IPV4, "*mangle\n-A OUTPUT -m owner --uid-owner 1000 -j SECMARK --selctx two\n"
					    "COMMIT\n", 0, &error), 0);
	assert_int_not_equal(weir_rules_restore(seen->weir, NFPROTO_IPV4, "*security\n-A INPUT -j SECMARK --selctx three\nCOMMIT\n", 0,
						&error), 0);
	assert_int_equal(weir_hook_register(seen->weir, &h), 0);
	assert_int_equal(weir_send_local(seen->weir, p, sizeof(p)), 0);
	assert_string_equal(seen->line, "a two");
	assert_int_equal(weir_send_from(seen->weir, "b", p, sizeof(p)), 0);
	assert_string_equal(seen->line, "b -");
	assert_int_equal(weir_send_from(seen->weir, "c", p, sizeof(p)), -ENOENT);
	assert_int_equal(weir_host(seen->weir, "socket del a\n", &error), 0);
	assert_int_equal(weir_send_local(seen->weir, p, sizeof(p)), 0);
	assert_string_equal(seen->line, "b -");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packets_go_their_way, open_gateway, close_gateway),
		cmocka_unit_test_setup_teardown(hooks_decide, open_gateway, close_gateway),
		cmocka_unit_test_setup_teardown(rules_count_and_refuse, open_gateway, close_gateway),
		cmocka_unit_test_setup_teardown(state_is_visible, open_gateway, close_gateway),
		cmocka_unit_test_setup_teardown(sockets_own_packets, open_gateway, close_gateway),
		cmocka_unit_test_setup_teardown(connections_are_seen_and_ended, open_gateway, close_gateway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
