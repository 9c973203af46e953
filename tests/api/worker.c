/* Two threads of an embedding program on one instance, and a third that controls it; nothing of src/ is included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/netfilter.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

enum { THREADS = 2, BURSTS = 2000, FLOWS = 64, LEN = 32 };

struct hand {
	pthread_t thread;
	struct weir *weir;
	struct weir_port *in;
	unsigned int sent, left, dropped;
	_Alignas(64) char end[64];
};

static void on_transmit(void *priv, const char *out, const struct weir_pkt *pkt, const void *frame, size_t len)
{
	struct hand *hand = priv;

	assert_string_equal(out, "tun1");
	assert_string_equal(weir_pkt_in(pkt), "tun0");
	hand->left++;
}

static void on_drop(void *priv, const struct weir_pkt *pkt, const char *reason, const char *sentence)
{
	((struct hand *)priv)->dropped++;
}

/* UDP 10.0.0.2:@sport -> 10.1.0.2:53 without a UDP checksum. */
static void write_packet(uint8_t *p, uint8_t sport)
{
	static const uint8_t bytes[LEN] = { 0x45, 0, 0, LEN, 0, 1, 0, 0, 64, 17, 0x66, 0xc8, 10, 0, 0, 2, 10, 1, 0, 2,
					    3, 0, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd' };

	memcpy(p, bytes, LEN);
	p[21] = sport;
}

static void *work(void *arg)
{
	struct hand *hand = arg;
	struct weir_observer observer = { .priv = hand, .transmit = on_transmit, .drop = on_drop };
	struct weir_worker *worker = weir_worker_new(hand->weir, &observer, NULL);
	uint8_t bytes[WEIR_BURST_MAX][LEN];
	struct weir_arrival arrivals[WEIR_BURST_MAX];

	if (!worker)
		return NULL;
	for (unsigned int i = 0; i < BURSTS; i++) {
		for (unsigned int k = 0; k < 8; k++) {
			write_packet(bytes[k], (uint8_t)((i * 8 + k) % FLOWS));
			arrivals[k] = (struct weir_arrival){ hand->in, bytes[k], LEN };
		}
		hand->sent += (unsigned int)weir_worker_receive(worker, arrivals, 8);
	}
	weir_worker_free(worker);
	return NULL;
}

static void threads_share_an_instance(void **state)
{
	struct weir_error error = { 0 };
	struct weir *weir = weir_open(1, 1000000000, &error);
	struct weir_worker *first;
	struct hand hands[THREADS] = { { 0 } };
	unsigned int sent = 0, done = 0;
	uint8_t p[LEN];
	char *rules;

	assert_non_null(weir);
	assert_int_equal(weir_ip(weir, "tuntap add tun0 mode tun\ntuntap add tun1 mode tun\nlink set tun0 up\nlink set tun1 up\n"
				       "addr add 10.0.0.1/24 dev tun0\naddr add 10.1.0.1/24 dev tun1\n", &error), 0);
	assert_int_equal(weir_sysctl_set(weir, "net.ipv4.ip_forward", "1", &error), 0);
	assert_int_equal(weir_rules_restore(weir, NFPROTO_IPV4, "*filter\n:FORWARD DROP\n-A FORWARD\n-A FORWARD -m conntrack --ctstate "
					    "NEW,ESTABLISHED -j ACCEPT\nCOMMIT\n", 0, &error), 0);
	first = weir_worker_new(weir, NULL, &error);
	assert_non_null(first);
	for (int i = 0; i < THREADS; i++) {
		hands[i].weir = weir;
		hands[i].in = weir_port(weir, "tun0");
		assert_non_null(hands[i].in);
	}
	assert_null(weir_port(weir, "tun9"));
	write_packet(p, 1);
	assert_int_equal(weir_worker_receive(first, &(struct weir_arrival){ hands[0].in, p, LEN }, 1), 1);
	assert_int_equal(weir_spread(p, LEN, true), weir_spread(p, LEN, true));
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&hands[i].thread, NULL, work, &hands[i]), 0);
	while (done < THREADS) {
		weir_alone_begin(weir);
		weir_advance(weir, weir_now(weir) + 1000000);
		assert_int_equal(weir_rules_restore(weir, NFPROTO_IPV4, "*mangle\n-A FORWARD -j MARK --set-mark 1\nCOMMIT\n", 0, &error), 0);
		weir_alone_end(weir);
		if (done < THREADS && !pthread_join(hands[done].thread, NULL))
			done++;
	}
	for (int i = 0; i < THREADS; i++) {
		sent += hands[i].sent;
		assert_int_equal(hands[i].sent, BURSTS * 8);
		assert_int_equal(hands[i].left, hands[i].sent);
		assert_int_equal(hands[i].dropped, 0);
	}
	weir_alone_begin(weir);
	rules = weir_rules_save(weir, NFPROTO_IPV4, true);
	weir_alone_end(weir);
	assert_non_null(rules);
	assert_non_null(strstr(rules, "[32001:1024032] -A FORWARD\n"));
	assert_int_equal(sent, 32000);
	free(rules);
	weir_worker_free(first);
	weir_close(weir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(threads_share_an_instance) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
