/*
 * tests/unit/path/workers.c - two threads on one instance.
 * First what does not depend on who came first: two workers leave behind the counters and connections that one leaves. Then
 * at full rate with a control thread that changes rules, reads and flushes, moves the clock: nothing is lost or counted twice.
 * Then rules that are replaced beside them, alone only as the tables themselves want it.
 */
#include "path/path_test.h"

#include <pthread.h>
#include <stdlib.h>

#include "conntrack/conntrack.h"
#include "flowcache/flowcache.h"
#include "path/worker.h"
#include "rules_line.h"
#include "table/table.h"

enum { WORKERS = 2, FLOWS = 300, BURSTS = 1500, WILD_BURSTS = 2500, FRAME_LEN = ETH_HLEN + 20 + 20 + 12,
       FIRST_NEW = 1000, NEW = 15000 };	/* flows that nobody opened, for each worker */

static const char rules[] =
	"*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A PREROUTING\n-A POSTROUTING\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A POSTROUTING -o eth1 -p udp -j MASQUERADE\nCOMMIT\n"
	"*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n"
	"-A FORWARD -p udp -m udp --dport 1003 -m limit --limit 5/s\n"
	"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	"-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n";

/* What a thread sends, and what it saw leave. */
struct hand {
	pthread_t thread;
	struct worker *worker;
	struct router *r;
	uint64_t seed, sent, left, dropped;
	bool wild, begins;		/* changing traffic; new flows before all */
	uint32_t first_new, next_new;
	_Alignas(64) char end[64];
};

struct scene { struct router *r; struct hand hands[WORKERS]; };

static void count_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	((struct hand *)priv)->left++;
}

static void count_drop(void *priv, const struct pkt *pkt)
{
	((struct hand *)priv)->dropped++;
}

/* Flow @no: UDP, every third one TCP. Answers to UDP go to what MASQUERADE made of the client. */
static void write_frame(uint8_t *frame, uint32_t no, bool answer, uint8_t tcp_flags, uint32_t step)
{
	bool tcp = no % 3 == 0;
	uint16_t client = (uint16_t)(3000 + no), server = (uint16_t)(1000 + no % 7);
	struct iphdr h = { .version = 4, .ihl = 5, .tot_len = htons(FRAME_LEN - ETH_HLEN), .ttl = 64, .frag_off = htons(IP4_DF),
			   .protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP,
			   .saddr = htonl(answer ? 0x0a010002 : 0x0a000002),
			   .daddr = htonl(!answer ? 0x0a010002 : tcp ? 0x0a000002 : 0x0a010001) };
	uint8_t *l4 = frame + ETH_HLEN + 20;
	uint32_t len = FRAME_LEN - ETH_HLEN - 20;
	be16 sum;

	memset(frame, 0, FRAME_LEN);
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, answer, 1, 2, 0, 0, 0, answer, 2 }, 12);
	put_be16(frame + 12, ETH_P_IP);
	csum_ip4_header(&h);
	memcpy(frame + ETH_HLEN, &h, sizeof(h));
	put_be16(l4, answer ? server : client);
	put_be16(l4 + 2, answer ? client : server);
	if (tcp) {
		put_be32(l4 + 4, 1000 + (tcp_flags & 2 ? 0 : 1));
		put_be32(l4 + 8, tcp_flags & 0x10 ? 1001 : 0);
		l4[12] = 5 << 4;
		l4[13] = tcp_flags;
		put_be16(l4 + 14, (uint16_t)(20000 + step % 10000));	/* not a retransmission, whoever was before */
	} else {
		put_be16(l4 + 4, (uint16_t)len);
	}
	if (!(tcp_flags & 2))
		memset(l4 + 20, (int)step, 12);
	else	/* no data in a SYN */
		memset(l4 + 20, 0, 12);
	sum = csum_fold(csum_partial(l4, len, csum_partial(frame + ETH_HLEN + 12, 8, csum_pseudo4(0, 0, h.protocol, len))));
	memcpy(l4 + (tcp ? 16 : 6), sum ? &sum : &(be16){ 0xffff }, 2);
}

static void send_burst(struct hand *hand, uint8_t frames[][FRAME_LEN], const bool *answer, unsigned int n)
{
	struct worker_frame burst[PKT_BURST_MAX];

	for (unsigned int i = 0; i < n; i++)
		burst[i] = (struct worker_frame){ hand->r->port[answer[i]], frames[i], FRAME_LEN };
	hand->sent += worker_receive(hand->worker, burst, n);
}

/* Every flow is there and answered. */
static void open_flows(struct hand *hand)
{
	static const struct { bool answer; uint8_t flags; } steps[] = { { false, 2 }, { true, 0x12 }, { false, 0x10 }, { true, 0x10 }, { false, 0x10 } };

	for (uint32_t no = 0; no < FLOWS; no++) {
		for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
			uint8_t frame[1][FRAME_LEN];

			write_frame(frame[0], no, steps[i].answer, steps[i].flags, 0);
			send_burst(hand, frame, &steps[i].answer, 1);
		}
	}
}

static void *send_all(void *arg)
{
	struct hand *hand = arg;
	struct rng rng;

	rng_seed(&rng, hand->seed);
	for (int k = 0; k < (hand->wild ? WILD_BURSTS : BURSTS); k++) {
		uint8_t frames[PKT_BURST_MAX][FRAME_LEN];
		bool answer[PKT_BURST_MAX];
		unsigned int n = 1 + rng_below(&rng, 32);

		for (unsigned int i = 0; i < n; i++) {
			uint32_t no = rng_below(&rng, FLOWS);
			uint8_t flags = 0x10;

			answer[i] = rng_below(&rng, 2);
			if (hand->begins && (!hand->wild || k % 4)) {
				no = hand->first_new + (rng_below(&rng, 20) ? hand->next_new++ : hand->next_new) % NEW;
				flags = 2;
				answer[i] = false;
			}
			if (hand->wild && rng_below(&rng, 30) == 0)
				no = rng_below(&rng, 20000);
			if (hand->wild && rng_below(&rng, 40) == 0)
				flags = (uint8_t)rng_below(&rng, 32);
			write_frame(frames[i], no, answer[i], flags, rng_u32(&rng));
			if (hand->wild && rng_below(&rng, 200) == 0)
				frames[i][ETH_HLEN + rng_below(&rng, 30)] ^= (uint8_t)(1 << rng_below(&rng, 8));
		}
		send_burst(hand, frames, answer, n);
	}
	return NULL;
}

static void scene_open(struct scene *s, unsigned int workers, bool wild, bool begins)
{
	memset(s, 0, sizeof(*s));
	router_open((void **)&s->r);
	ct_accounting_on(s->r->inst);
	assert_int_equal(rules_restore(s->r->inst, NFPROTO_IPV4, rules, strlen(rules), "r4", 0, NULL), 0);
	for (unsigned int i = 0; i < WORKERS; i++) {
		struct observer observer = { .priv = &s->hands[i], .transmit = count_transmit, .drop = count_drop };

		s->hands[i].r = s->r;
		s->hands[i].seed = 5 + i;
		s->hands[i].wild = wild;
		s->hands[i].begins = begins;
		s->hands[i].first_new = FIRST_NEW + i * NEW;
		if (i < workers) {
			s->hands[i].worker = worker_new(s->r->inst, &observer);
			assert_non_null(s->hands[i].worker);
		} else {
			s->hands[i].worker = s->hands[0].worker;	/* works for both */
		}
	}
	open_flows(&s->hands[0]);
}

static void scene_close(struct scene *s, unsigned int workers)
{
	for (unsigned int i = 0; i < workers; i++)
		worker_free(s->hands[i].worker);
	router_close((void **)&s->r);
}

/* --- the same as one --- */

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

struct lines { char *line[WORKERS * NEW + 1000]; size_t count; struct instance *inst; };

static bool add_line(void *priv, struct ct *ct)
{
	struct lines *lines = priv;
	struct strbuf text = STRBUF_INIT;

	ct_print(lines->inst, ct, CT_TEXT_EXTENDED, &text);
	assert_true(lines->count < ARRAY_SIZE(lines->line));
	lines->line[lines->count++] = strdup(sb_str(&text));
	sb_free(&text);
	return true;
}

static void what_is_left(struct scene *s, struct strbuf *out)
{
	static struct lines lines;

	lines = (struct lines){ .inst = s->r->inst };
	worker_alone_begin(s->r->inst, NULL);
	rules_save(s->r->inst, NFPROTO_IPV4, true, -1, out);
	ct_each(s->r->inst, add_line, &lines);
	for (int i = 0; i < 2; i++)
		sb_printf(out, "%s %llu %llu %llu %llu\n", s->r->port[i]->name, (unsigned long long)s->r->port[i]->stats.rx_packets,
			  (unsigned long long)s->r->port[i]->stats.rx_bytes, (unsigned long long)s->r->port[i]->stats.tx_packets,
			  (unsigned long long)s->r->port[i]->stats.tx_bytes);
	worker_alone_end(s->r->inst, NULL);
	qsort(lines.line, lines.count, sizeof(char *), by_text);
	for (size_t i = 0; i < lines.count; i++) {
		sb_printf(out, "%s\n", lines.line[i]);
		free(lines.line[i]);
	}
}

static struct flow_stats two_leave_as_one(bool begins)
{
	struct strbuf text[2] = { STRBUF_INIT, STRBUF_INIT };
	struct flow_stats stats = { 0 };
	uint64_t left[2] = { 0 };
	struct scene s;

	for (unsigned int workers = 1; workers <= WORKERS; workers++) {
		scene_open(&s, workers, false, begins);
		for (unsigned int i = 0; i < WORKERS; i++) {
			if (workers == 1)
				send_all(&s.hands[i]);
			else
				assert_int_equal(pthread_create(&s.hands[i].thread, NULL, send_all, &s.hands[i]), 0);
		}
		for (unsigned int i = 0; i < WORKERS && workers > 1; i++)
			pthread_join(s.hands[i].thread, NULL);
		what_is_left(&s, &text[workers - 1]);
		for (unsigned int i = 0; i < WORKERS; i++)
			left[workers - 1] += s.hands[i].left;
		stats = *flowcache_stats(s.r->inst);
		scene_close(&s, workers);
	}
	assert_string_equal(sb_str(&text[0]), sb_str(&text[1]));
	assert_int_equal(left[0], left[1]);
	sb_free(&text[0]);
	sb_free(&text[1]);
	return stats;
}

static void two_leave_what_one_leaves(void **state)
{
	assert_true(two_leave_as_one(false).hits > BURSTS * 16);
}

static void two_begin_what_one_begins(void **state)
{
	assert_true(two_leave_as_one(true).begun > NEW / 3);
}

/* --- at full rate, under control --- */

static bool end_some(void *priv, struct ct *ct)
{
	struct instance *inst = priv;

	if (ct->serial % 3 == 0)
		ct_kill(inst, ct);
	return true;
}

/* Of the first rule of a chain in mangle: its packets, read as anybody would. */
static uint64_t counted(struct instance *inst, const char *chain)
{
	struct strbuf text = STRBUF_INIT;
	unsigned long long packets = 0, bytes;
	char head[64];
	const char *at;

	rules_save(inst, NFPROTO_IPV4, true, -1, &text);
	for (at = sb_str(&text); at; at = strchr(at, '\n')) {
		at += *at == '\n';
		snprintf(head, sizeof(head), "] -A %s\n", chain);
		if (*at == '[' && sscanf(at, "[%llu:%llu]", &packets, &bytes) == 2 && !strncmp(strchr(at, ']'), head, strlen(head)))
			break;
		packets = 0;
	}
	sb_free(&text);
	return packets;
}

static void control(struct instance *inst, unsigned int step)
{
	union nf_inet_addr host = { .ip = htonl(0x0a010002) };
	uint8_t mac[6] = { 2, 0, 0, 0, 1, (uint8_t)step };

	switch (step % 8) {
	case 0:
		assert_int_equal(rules_line(inst, "iptables -I FORWARD -p udp --dport 1001 -j DROP"), 0);
		break;
	case 1:
		assert_int_equal(rules_line(inst, "iptables -D FORWARD -p udp --dport 1001 -j DROP"), 0);
		break;
	case 2:
		assert_int_equal(rules_line(inst, "iptables -t filter -L FORWARD -v -n -x"), 0);
		break;
	case 3:
		ct_each(inst, end_some, inst);
		break;
	case 4:
		assert_int_equal(neigh_set_permanent(inst, iface_find(inst, "eth1"), NFPROTO_IPV4, &host, mac, NULL), 0);
		break;
	case 5:
		instance_advance(inst, inst->now_ns + 40 * (int64_t)NSEC_PER_SEC);
		break;
	case 6:
		sysctl_set(inst->sysctls, "net.ipv4.ip_forward_update_priority", step % 16 < 8 ? "0" : "1", NULL);
		break;
	default:
		instance_advance(inst, inst->now_ns + NSEC_PER_MSEC);
		break;
	}
}

static void go_under_control(bool begins)
{
	struct instance *inst;
	uint64_t sent = 0, left = 0, dropped = 0, rx, tx, last = 0;
	unsigned int steps = 0;
	struct scene s;

	scene_open(&s, WORKERS, true, begins);
	inst = s.r->inst;
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&s.hands[i].thread, NULL, send_all, &s.hands[i]), 0);
	for (bool more = true; more; steps++) {
		worker_alone_begin(inst, NULL);
		control(inst, steps);
		tx = counted(inst, "POSTROUTING");
		assert_true(tx >= last);
		last = tx;
		/* nobody is under way: all who passed the rule have left */
		left = s.hands[0].left + s.hands[1].left;
		assert_int_equal(inst->lo->stats.tx_packets + s.r->port[0]->stats.tx_packets + s.r->port[1]->stats.tx_packets, left);
		assert_true(tx <= left + s.hands[0].dropped + s.hands[1].dropped);
		worker_alone_end(inst, NULL);
		nanosleep(&(struct timespec){ 0, 200000 }, NULL);
		more = false;
		for (unsigned int i = 0; i < WORKERS; i++)
			more |= s.hands[i].thread && pthread_tryjoin_np(s.hands[i].thread, NULL) ? true : (s.hands[i].thread = 0);
	}
	worker_alone_begin(inst, NULL);
	rx = s.r->port[0]->stats.rx_packets + s.r->port[1]->stats.rx_packets;
	for (unsigned int i = 0; i < WORKERS; i++) {
		sent += s.hands[i].sent;
		dropped += s.hands[i].dropped;
	}
	left = s.hands[0].left + s.hands[1].left;
	print_message("%u changes; %llu sent, %llu left, %llu dropped; %llu hits, %llu late\n", steps, (unsigned long long)sent,
		      (unsigned long long)left, (unsigned long long)dropped, (unsigned long long)flowcache_stats(inst)->hits,
		      (unsigned long long)flowcache_stats(inst)->late);
	assert_int_equal(rx, sent);
	assert_true(flowcache_stats(inst)->hits > 10000);
	assert_true(!begins || flowcache_stats(inst)->begun > 1000);
	instance_advance(inst, inst->now_ns + 6 * 24 * 3600 * (int64_t)NSEC_PER_SEC);
	assert_int_equal(ct_count(inst), 0);	/* no share was lost */
	worker_alone_end(inst, NULL);
	scene_close(&s, WORKERS);
}

static void nothing_is_lost_under_control(void **state)
{
	go_under_control(false);
	go_under_control(true);
}

/* As iptables does it: the same rules again, and then what the old ones had counted. */
static void replace_by_blob(struct instance *inst)
{
	struct ipt_getinfo info = { .name = "mangle" };
	struct ipt_replace *replace;
	struct xt_counters_info *add;
	struct xt_counters *old;

	assert_int_equal(tables_get_info(inst, NFPROTO_IPV4, &info, NULL), 0);
	replace = calloc(1, sizeof(*replace) + info.size);
	old = calloc(info.num_entries, sizeof(*old));
	add = calloc(1, sizeof(*add) + info.num_entries * sizeof(*old));
	assert_non_null(replace);
	assert_non_null(old);
	assert_non_null(add);
	strcpy(replace->name, "mangle");
	replace->valid_hooks = info.valid_hooks;
	replace->num_entries = replace->num_counters = info.num_entries;
	replace->size = info.size;
	memcpy(replace->hook_entry, info.hook_entry, sizeof(info.hook_entry));
	memcpy(replace->underflow, info.underflow, sizeof(info.underflow));
	assert_int_equal(tables_get_entries(inst, NFPROTO_IPV4, "mangle", replace->entries, info.size, NULL, NULL), 0);
	assert_int_equal(tables_replace(inst, NFPROTO_IPV4, replace, sizeof(*replace) + info.size, old, NULL, NULL), 0);
	strcpy(add->name, "mangle");
	add->num_counters = info.num_entries;
	memcpy(add->counters, old, info.num_entries * sizeof(*old));
	worker_alone_begin(inst, NULL);
	assert_int_equal(tables_add_counters(inst, NFPROTO_IPV4, add, sizeof(*add) + info.num_entries * sizeof(*old), NULL), 0);
	worker_alone_end(inst, NULL);
	free(replace);
	free(old);
	free(add);
}

/* A chain that is long enough to be compiled, with some who remember, some who want bytes, and one who names what others made. */
static void replace_by_text(struct instance *inst, unsigned int step)
{
	struct strbuf text = STRBUF_INIT;

	sb_adds(&text, "*mangle\n:big - [0:0]\n");
	for (unsigned int i = 0; i < 300 + step % 7; i++)
		sb_printf(&text, "-A big -s 172.16.%u.%u -p udp --dport %u -j MARK --set-mark 1\n", i >> 8, i & 255, 1 + i);
	sb_adds(&text, "-A big -m limit --limit 5/s\n-A big -m conntrack --ctstate INVALID\n-A big -m recent --name workers --set\n");
	for (unsigned int i = 0; i < 8; i++)
		sb_printf(&text, "-A big -m string --string word%u --algo bm -j MARK --set-mark 2\n", i);
	sb_adds(&text, "COMMIT\n");
	assert_int_equal(rules_restore(inst, NFPROTO_IPV4, sb_str(&text), text.len, "big", RESTORE_NOFLUSH | (step % 3 ? RESTORE_ALL_OR_NOTHING : 0), NULL), 0);
	sb_free(&text);
}

/* The second half of the text is wrong: nothing of it may stay. */
static void refuse_text(struct instance *inst)
{
	static const char text[] = "*mangle\n:other - [0:0]\n-A PREROUTING -j other\n-A other -m recent --name none --set\nCOMMIT\n"
				   "*filter\n-A FORWARD -j TTL --ttl-set 1\nCOMMIT\n";
	struct refusal why;

	assert_int_not_equal(rules_restore(inst, NFPROTO_IPV4, text, strlen(text), "bad", RESTORE_NOFLUSH | RESTORE_ALL_OR_NOTHING, &why), 0);
	assert_int_not_equal(rules_line(inst, "iptables -t mangle -X other"), 0);
}

static void reload(struct instance *inst, unsigned int step)
{
	switch (step % 8) {
	case 0:
	case 4:
		replace_by_text(inst, step);
		break;
	case 1:
		replace_by_blob(inst);
		break;
	case 2:
		assert_int_equal(rules_line(inst, "iptables -t mangle -I big -p tcp --dport 9 -j MARK --set-mark 3"), 0);
		break;
	case 3:
		assert_int_equal(rules_line(inst, "iptables -t mangle -D big -p tcp --dport 9 -j MARK --set-mark 3"), 0);
		break;
	case 5:		/* until the chain is worn, and compiled anew */
		for (int i = 0; i < 60; i++)
			assert_int_equal(rules_line(inst, "iptables -t mangle -A big -p udp --dport 11 -j MARK --set-mark 3"), 0);
		break;
	case 6:
		refuse_text(inst);
		break;
	default:
		assert_int_equal(rules_line(inst, "iptables -t mangle -L big -v -n -x"), 0);
		break;
	}
}

/* Nobody is alone here but as much as the rules themselves want it. */
static void rules_are_replaced_beside_workers(void **state)
{
	struct instance *inst;
	unsigned int steps = 0;
	struct scene s;

	scene_open(&s, WORKERS, false, true);
	inst = s.r->inst;
	replace_by_text(inst, 0);
	assert_int_equal(rules_line(inst, "iptables -t mangle -A PREROUTING -p tcp -j big"), 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&s.hands[i].thread, NULL, send_all, &s.hands[i]), 0);
	for (bool more = true; more; steps++) {
		reload(inst, steps);
		more = false;
		for (unsigned int i = 0; i < WORKERS; i++)
			more |= s.hands[i].thread && pthread_tryjoin_np(s.hands[i].thread, NULL) ? true : (s.hands[i].thread = 0);
	}
	worker_alone_begin(inst, NULL);
	print_message("%u reloads, %llu sent, %llu hits\n", steps, (unsigned long long)(s.hands[0].sent + s.hands[1].sent),
		      (unsigned long long)flowcache_stats(inst)->hits);
	assert_int_equal(s.r->port[0]->stats.rx_packets + s.r->port[1]->stats.rx_packets, s.hands[0].sent + s.hands[1].sent);
	assert_int_equal(counted(inst, "PREROUTING"), s.hands[0].sent + s.hands[1].sent);
	worker_alone_end(inst, NULL);
	scene_close(&s, WORKERS);
}

static void flows_are_spread_as_one(void **state)
{
	uint8_t there[FRAME_LEN], back[FRAME_LEN];
	unsigned int lots[4] = { 0 };

	for (uint32_t no = 0; no < 3000; no += 3) {
		write_frame(there, no, false, 0x10, 0);
		write_frame(back, no, true, 0x10, 0);
		assert_int_equal(worker_spread(there, FRAME_LEN, false), worker_spread(back, FRAME_LEN, false));
		lots[worker_spread(there, FRAME_LEN, false) % 4]++;
		for (uint32_t len = 0; len < 60; len++)
			worker_spread(there, len, false);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(lots[i], 150, 350);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_leave_what_one_leaves),
		cmocka_unit_test(two_begin_what_one_begins),
		cmocka_unit_test(nothing_is_lost_under_control),
		cmocka_unit_test(rules_are_replaced_beside_workers),
		cmocka_unit_test(flows_are_spread_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
