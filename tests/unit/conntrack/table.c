/* The table: growth, limit, zones, clashes, what walks it. */
#include "drive.h"

static int begin(struct drive *d, unsigned int i)
{
	return drive_pkt(d, drive_udp(d, CLIENT, SERVER, (uint16_t)(i % 60000 + 1), (uint16_t)(i / 60000 + 1)));
}

static bool count_one(void *priv, struct ct *ct)
{
	unsigned int *expected = priv;

	assert_int_equal(ntohs(ct_tuple(ct, 0)->src_l4.port), *expected % 60000 + 1);
	(*expected)++;
	return true;
}

static bool end_one(void *priv, struct ct *ct)
{
	ct_kill(priv, ct);
	return true;
}

static void growth(void **state)
{
	struct drive *d = *state;
	unsigned int n = 100000, seen = 0;

	d->inst->observer.ct_event = NULL;
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(begin(d, i), IP_CT_NEW);
	assert_int_equal(ct_count(d->inst), n);
	ct_each(d->inst, count_one, &seen);		/* in order of creation */
	assert_int_equal(seen, n);
	for (unsigned int i = 0; i < n; i += 7)
		begin(d, i);
	assert_int_equal(ct_count(d->inst), n);		/* all were found */
	drive_wait_ms(d, 30000);
	assert_int_equal(ct_count(d->inst), 0);
	assert_int_equal(d->inst->ct->nodes, 0);
}

static void full(void **state)
{
	struct drive *d = *state;

	drive_sysctl(d, "max", "3");
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(begin(d, i), IP_CT_NEW);
	/* Of 262144 buckets the eight next to the new one hold nothing expendable. */
	assert_int_equal(begin(d, 3), CTSTATE_DROPPED);
	assert_int_equal(begin(d, 1), IP_CT_NEW);
	/* With few buckets they do. */
	drive_sysctl(d, "buckets", "4");
	assert_int_equal(begin(d, 3), IP_CT_NEW);
	assert_true(ct_count(d->inst) <= 3);
	drive_sysctl(d, "max", "0");
	for (unsigned int i = 4; i < 100; i++)
		assert_int_equal(begin(d, i), IP_CT_NEW);
	ct_each(d->inst, end_one, d->inst);
	assert_int_equal(ct_count(d->inst), 0);
}

/* A table that is full while it grows makes room among those that have moved and those that have not. */
static void full_while_growing(void **state)
{
	struct drive *d = *state;
	unsigned int n = 0, room = 0;

	d->inst->observer.ct_event = NULL;
	drive_sysctl(d, "buckets", "256");
	while (d->inst->ct->old_bits < 12 || d->inst->ct->moved < 1500)
		assert_int_equal(begin(d, n++), IP_CT_NEW);
	assert_true(d->inst->ct->moved < 1u << d->inst->ct->old_bits);
	d->inst->ct->conf.max = ct_count(d->inst);
	for (unsigned int i = 0; i < 400; i++) {
		const uint32_t before = ct_count(d->inst);

		assert_int_equal(begin(d, n++), IP_CT_NEW);
		room += ct_count(d->inst) <= before;
		assert_true(ct_count(d->inst) <= d->inst->ct->conf.max);
	}
	assert_true(room > 5 && d->inst->ct->old_buckets);
	drive_wait_ms(d, 30000);
	assert_int_equal(ct_count(d->inst), 0);
	assert_int_equal(d->inst->ct->nodes, 0);
}

/* After it was full a live instance ends what is expendable some a tick, until a twentieth is free. */
static void thinned_in_steps(void **state)
{
	struct drive *d = *state;
	unsigned int n = 0;

	drive_sysctl(d, "weir_expire_batch", "20");
	drive_sysctl(d, "udp_timeout", "600");
	while (n < 1000)
		begin(d, n++);
	drive_sysctl(d, "max", "1000");
	assert_int_equal(begin(d, n), CTSTATE_DROPPED);
	for (int i = 0; i < 60; i++)
		drive_wait_ms(d, 1000);
	assert_true(ct_count(d->inst) >= 980);
	for (uint32_t before = ct_count(d->inst); ct_count(d->inst) >= 950; before = ct_count(d->inst)) {
		drive_wait_ms(d, 4);
		assert_in_range(before - ct_count(d->inst), 1, 20);
	}
	drive_wait_ms(d, 1000);
	assert_int_equal(ct_count(d->inst), 949);
}

/* Room that was asked for before, in the middle, or not at all: nobody can tell. */
static void reserved(void **state)
{
	struct drive *d = *state;
	unsigned int n = 60000, seen = 0;
	uint32_t bits, chunks;

	d->inst->observer.ct_event = NULL;
	for (unsigned int i = 0; i < 1500; i++)
		begin(d, i);
	drive_sysctl(d, "weir_reserve", "60000");
	assert_null(d->inst->ct->old_buckets);
	bits = d->inst->ct->bits;
	chunks = d->inst->ct->chunk_count;
	assert_true(1u << bits >= 2 * n && chunks > 5);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(begin(d, i), IP_CT_NEW);
	assert_true(d->inst->ct->bits == bits && d->inst->ct->chunk_count == chunks && !d->inst->ct->old_buckets);
	ct_each(d->inst, count_one, &seen);
	assert_int_equal(seen, n);
	for (unsigned int i = n; i < n + 20000; i++)	/* and more */
		assert_int_equal(begin(d, i), IP_CT_NEW);
	assert_int_equal(ct_count(d->inst), n + 20000);
}

static void zones(void **state)
{
	static const struct ct_zone five = { 5, 0, CT_ZONE_DIR_BOTH }, reply_six = { 6, 0, CT_ZONE_DIR_REPLY };
	struct drive *d = *state;
	struct strbuf line = STRBUF_INIT;
	struct ct *marked = ct_template_new(d->inst, &(struct ct_zone){ 0, CT_ZONE_FLAG_MARK, CT_ZONE_DIR_BOTH });
	struct ct *in_five = ct_template_new(d->inst, &five), *in_six = ct_template_new(d->inst, &reply_six);
	struct pkt *pkt;

	assert_int_equal(begin(d, 1), IP_CT_NEW);
	d->template = in_five;
	assert_int_equal(begin(d, 1), IP_CT_NEW);
	assert_int_equal(ct_count(d->inst), 2);
	/* The mark says which zone. */
	d->template = marked;
	pkt = drive_udp(d, SERVER, CLIENT, 1, 2);
	pkt->mark = 5;
	assert_int_equal(drive_pkt(d, pkt), IP_CT_ESTABLISHED_REPLY);
	assert_int_equal(ct_count(d->inst), 2);
	/* A zone of the reply direction: original tuples still are unique in zone 0. */
	d->template = in_six;
	assert_int_equal(begin(d, 1), IP_CT_NEW);
	assert_int_equal(ct_count(d->inst), 2);
	assert_int_equal(begin(d, 2), IP_CT_NEW);
	d->template = NULL;
	assert_int_equal(drive_pkt(d, drive_udp(d, SERVER, CLIENT, 1, 3)), CTSTATE_DROPPED);	/* its answers would be taken */
	ct_put(d->inst, marked);
	ct_put(d->inst, in_five);
	ct_put(d->inst, in_six);
	sb_free(&line);
}

/* Two packets on their way at once. */
static void clash(void **state)
{
	struct drive *d = *state;
	struct pkt *first;

	drive_sysctl(d, "acct", "1");
	d->hold = true;
	assert_int_equal(begin(d, 1), IP_CT_NEW);
	first = d->held;
	assert_int_equal(begin(d, 1), IP_CT_NEW);
	assert_int_equal(ct_count(d->inst), 2);
	assert_int_equal(ct_confirm(d->inst, first), NF_ACCEPT);
	assert_int_equal(ct_confirm(d->inst, d->held), NF_ACCEPT);
	assert_ptr_equal(first->ct, d->held->ct);
	assert_int_equal(ct_count(d->inst), 1);
	assert_int_equal(ct_counter(first->ct, 0)->packets, 2);
	pkt_free(d->inst, first);
	pkt_free(d->inst, d->held);
	/* The second has got another mapping: it is answered, hidden, and gone soon. */
	assert_int_equal(begin(d, 2), IP_CT_NEW);
	first = d->held;
	assert_int_equal(begin(d, 2), IP_CT_NEW);
	assert_int_equal(ct_confirm(d->inst, first), NF_ACCEPT);
	pkt_free(d->inst, first);
	ct_set_reply_tuple(d->inst, d->held->ct, &(struct ct_tuple){
		.src = ct_tuple(d->held->ct, 1)->src, .dst = { .ip = htonl(0x0a000009) },
		.src_l4.port = ct_tuple(d->held->ct, 1)->src_l4.port, .dst_l4.port = htons(77),
		.family = NFPROTO_IPV4, .proto = IPPROTO_UDP }, 0);
	assert_int_equal(ct_confirm(d->inst, d->held), NF_ACCEPT);
	assert_int_equal(ct_count(d->inst), 3);
	pkt_free(d->inst, d->held);
	drive_wait_ms(d, 1000);
	assert_int_equal(ct_count(d->inst), 2);
	/* TCP does not share: the second is dropped. */
	assert_int_equal(drive_tcp(d, 0, "S", 1, 0, 0), IP_CT_NEW);
	first = d->held;
	assert_int_equal(drive_tcp(d, 0, "S", 1, 0, 0), IP_CT_NEW);
	assert_int_equal(ct_confirm(d->inst, first), NF_ACCEPT);
	assert_int_equal(ct_confirm(d->inst, d->held), NF_DROP);
	pkt_free(d->inst, first);
}

static void listing(void **state)
{
	struct drive *d = *state;
	struct strbuf line = STRBUF_INIT;
	struct ct *ct;

	drive_sysctl(d, "acct", "1");
	drive_sysctl(d, "timestamp", "1");
	begin(d, 1);
	ct = drive_ct(d);
	ct->mark = 9;
	drive_wait_ms(d, 1500);
	ct_print(d->inst, ct, CT_TEXT_EXTENDED, &line);
	assert_string_equal(sb_str(&line), "ipv4     2 udp      17 28 src=10.0.0.2 dst=10.1.0.2 sport=2 dport=1 "
			    "packets=1 bytes=32 [UNREPLIED] src=10.1.0.2 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 "
			    "mark=9 delta-time=1 use=1");
	sb_reset(&d->events);
	ct_kill(d->inst, ct);
	drive_assert_events(d, "[DESTROY] udp      17 28 src=10.0.0.2 dst=10.1.0.2 sport=2 dport=1 "
			    "packets=1 bytes=32 [UNREPLIED] src=10.1.0.2 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 "
			    "mark=9 delta-time=1\n");
	sb_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(growth, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(full, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(full_while_growing, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(thinned_in_steps, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(reserved, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(zones, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(clash, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(listing, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
