/*
 * tests/unit/daemon/storm.c - two workers at full rate under everything that control does, all at once: for the thread sanitizer.
 * Under MASQUERADE: UDP, TCP, floods, datagrams in pieces that two workers share, TFTP whose answers are expected, IPv6; meanwhile rules are
 * replaced, appended and deleted, connections changed, deleted, listed and flushed through netlink, events read, sysctls
 * turned, the clock moved. What is asserted besides: nothing is lost or counted twice, and each of these did happen.
 */
#include "path/path_test.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "conntrack/conntrack.h"
#include "conntrack/expect.h"
#include "control/control_internal.h"
#include "flowcache/flowcache.h"
#include "path/worker.h"
#include "rules_line.h"
#include "table/table.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { SECONDS = 15 };
#else
enum { SECONDS = 1 };
#endif
#elif defined(__SANITIZE_THREAD__)
enum { SECONDS = 15 };
#else
enum { SECONDS = 1 };
#endif

enum { WORKERS = 2, FLOWS = 400, LEN_MAX = 128, CLIENT = 0x0a000002, SERVER = 0x0a010002, ROUTER = 0x0a010001 };

static const char rules_counting[] =
	"*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n-A PREROUTING -p udp -m udp --dport 69 -j CT --helper tftp\nCOMMIT\n"
	"*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A PREROUTING -m conntrack --ctstate RELATED\n"
	"-A INPUT\n"
	"-A FORWARD -m length --length 150:65535\n"
	"-A POSTROUTING\nCOMMIT\n";
static const char rules_nat[] =
	"*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n";
static const char rules_filter[] =
	"*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n%s"
	"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	"-A FORWARD -p udp -m udp --dport 1003 -m limit --limit 5/s\n"
	"-A FORWARD -m string --algo bm --string xyzzy -j DROP\n"
	"-A FORWARD -p tcp -m tcp --dport 1005 -m hashlimit --hashlimit-upto 50/s --hashlimit-mode srcip --hashlimit-name s -j ACCEPT\n"
	"-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n";

struct hand {
	pthread_t thread;
	struct worker *worker;
	struct router *r;
	struct rng rng;
	uint64_t sent, left, dropped;
	_Alignas(64) char end[64];
};

static struct scene {
	struct router *r;
	struct control *control;
	struct observer tell;		/* control's: whoever listens hears of what workers do */
	struct nl_sock *asks, *hears;
	uint64_t heard, answers;
	struct hand hands[WORKERS];
	bool stop;
} scene;

static void count_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	((struct hand *)priv)->left++;
}

static void count_drop(void *priv, const struct pkt *pkt) { ((struct hand *)priv)->dropped++; }
static void tell_event(void *priv, const struct ct_event *event) { scene.tell.ct_event(scene.tell.priv, event); }
static void tell_expect(void *priv, const struct ct_expect *exp, bool ended) { scene.tell.expect_event(scene.tell.priv, exp, ended); }

/* --- what comes --- */

struct frame { uint32_t len; bool answer; uint8_t bytes[LEN_MAX]; };

static uint8_t *begin_frame(struct frame *f, bool answer, uint16_t type)
{
	memset(f, 0, sizeof(*f));
	f->answer = answer;
	memcpy(f->bytes, (uint8_t[]){ 2, 0, 0, 0, answer, 1, 2, 0, 0, 0, answer, 2 }, 12);
	put_be16(f->bytes + 12, type);
	return f->bytes + ETH_HLEN;
}

/* @len bytes of payload stand behind the IP header already. @frag: of frag_off, in host order. */
static void put_ip4(struct frame *f, uint8_t proto, uint32_t from, uint32_t to, uint16_t id, uint16_t frag, uint32_t len)
{
	struct iphdr h = { .version = 4, .ihl = 5, .tot_len = htons((uint16_t)(20 + len)), .ttl = 64, .protocol = proto, .id = htons(id),
			   .frag_off = htons(frag), .saddr = htonl(from), .daddr = htonl(to) };
	uint8_t *l4 = f->bytes + ETH_HLEN + 20;
	be16 sum;

	csum_ip4_header(&h);
	memcpy(f->bytes + ETH_HLEN, &h, sizeof(h));
	f->len = ETH_HLEN + 20 + len;
	if (frag & (IP4_MF | IP4_OFFSET_MASK))
		return;
	sum = csum_fold(csum_partial(l4, len, csum_pseudo4(h.saddr, h.daddr, proto, len)));
	memcpy(l4 + (proto == IPPROTO_TCP ? 16 : 6), sum ? &sum : &(be16){ 0xffff }, 2);
}

static void put_udp(struct frame *f, bool answer, uint16_t from, uint16_t to, const void *data, uint32_t len)
{
	uint8_t *l4 = begin_frame(f, answer, ETH_P_IP) + 20;

	put_be16(l4, from);
	put_be16(l4 + 2, to);
	put_be16(l4 + 4, (uint16_t)(8 + len));
	memcpy(l4 + 8, data, len);
	put_ip4(f, IPPROTO_UDP, answer ? SERVER : CLIENT, answer ? ROUTER : SERVER, 0, 0, 8 + len);
}

static void put_tcp(struct hand *hand, struct frame *f, bool answer, uint16_t from, uint16_t to, uint8_t flags)
{
	uint8_t *l4 = begin_frame(f, answer, ETH_P_IP) + 20;

	put_be16(l4, from);
	put_be16(l4 + 2, to);
	put_be32(l4 + 4, 1000 + !(flags & 2));
	put_be32(l4 + 8, flags & 0x10 ? 1001 : 0);
	l4[12] = 5 << 4;
	l4[13] = flags;
	put_be16(l4 + 14, (uint16_t)(20000 + rng_below(&hand->rng, 10000)));
	put_ip4(f, IPPROTO_TCP, answer ? SERVER : CLIENT, answer ? ROUTER : SERVER, 0, 0, 20);
}

/* One of the two pieces of a datagram of 176 bytes without a checksum; the other one comes at another time, maybe to the other worker. */
static void put_piece(struct hand *hand, struct frame *f)
{
	const bool first = rng_below(&hand->rng, 2);
	const uint16_t id = (uint16_t)rng_below(&hand->rng, 64);
	uint8_t *l4 = begin_frame(f, false, ETH_P_IP) + 20;

	if (first) {
		put_be16(l4, (uint16_t)(7000 + id));
		put_be16(l4 + 2, 1000);
		put_be16(l4 + 4, 8 + 80 + 88);
	}
	put_ip4(f, IPPROTO_UDP, CLIENT, SERVER, id, first ? IP4_MF : 88 / 8, 88);
}

static void put_udp6(struct frame *f, bool answer, uint16_t client)
{
	uint8_t *ip = begin_frame(f, answer, ETH_P_IPV6), *l4 = ip + 40;
	be16 sum;

	ip[0] = 0x60;
	put_be16(ip + 4, 20);
	ip[6] = IPPROTO_UDP;
	ip[7] = 64;
	assert_int_equal(inet_pton(AF_INET6, answer ? "fd00:1::2" : "fd00::2", ip + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, answer ? "fd00::2" : "fd00:1::2", ip + 24), 1);
	put_be16(l4, answer ? 1000 : client);
	put_be16(l4 + 2, answer ? client : 1000);
	put_be16(l4 + 4, 20);
	sum = csum_fold(csum_partial(l4, 20, csum_partial(ip + 8, 32, csum_pseudo4(0, 0, IPPROTO_UDP, 20))));
	memcpy(l4 + 6, &sum, 2);
	f->len = ETH_HLEN + 60;
}

static void draw_frame(struct hand *hand, struct frame *f)
{
	struct rng *rng = &hand->rng;
	const uint32_t kind = rng_below(rng, 100);
	const uint16_t no = (uint16_t)rng_below(rng, FLOWS), client = (uint16_t)(3000 + no), server = (uint16_t)(1000 + no % 7);
	const bool answer = rng_below(rng, 2);

	if (kind < 40)
		put_udp(f, answer, answer ? server : client, answer ? client : server, kind ? "some more words" : "xyzzy, it was said", 15);
	else if (kind < 60)
		put_tcp(hand, f, answer, answer ? server : client, answer ? client : server, kind < 42 ? answer ? 0x12 : 2 : kind == 42 ? 4 : 0x10);
	else if (kind < 70)
		put_udp6(f, answer, client);
	else if (kind < 80)
		put_piece(hand, f);
	else if (kind < 84)	/* a flood */
		put_tcp(hand, f, false, rng_u16(rng), rng_u16(rng), 2);
	else if (kind < 88)
		put_udp(f, false, rng_u16(rng), rng_u16(rng), "flood", 5);
	else if (kind < 94)
		put_udp(f, false, (uint16_t)(20000 + no % 32), 69, "\0\1file\0octet", 13);
	else if (kind < 99)	/* what was asked for comes from any port */
		put_udp(f, true, (uint16_t)(30000 + rng_below(rng, 1000)), (uint16_t)(20000 + no % 32), "\0\3\0\1data", 8);
	else			/* damaged */
		put_udp(f, answer, client, server, "word", 4), f->bytes[ETH_HLEN + rng_below(rng, 30)] ^= (uint8_t)(1 << rng_below(rng, 8));
}

static void *send_all(void *arg)
{
	struct hand *hand = arg;

	while (!__atomic_load_n(&scene.stop, __ATOMIC_RELAXED)) {
		struct frame frames[PKT_BURST_MAX];
		struct worker_frame burst[PKT_BURST_MAX];
		const unsigned int n = 1 + rng_below(&hand->rng, 32);

		for (unsigned int i = 0; i < n; i++) {
			draw_frame(hand, &frames[i]);
			burst[i] = (struct worker_frame){ hand->r->port[frames[i].answer], frames[i].bytes, frames[i].len };
		}
		hand->sent += worker_receive(hand->worker, burst, n);
	}
	return NULL;
}

/* --- what is done meanwhile --- */

static void restore(struct instance *inst, const char *text)
{
	struct refusal why = { 0 };

	assert_int_equal(rules_restore(inst, NFPROTO_IPV4, text, strlen(text), "storm.v4", 0, &why), 0);
}

static void replace_filter(struct instance *inst, unsigned int more)
{
	struct strbuf head = STRBUF_INIT, text = STRBUF_INIT;

	for (unsigned int i = 0; i < more; i++)
		sb_printf(&head, "-A FORWARD -s 172.16.%u.%u/32 -p udp -m udp --dport %u -j DROP\n", i >> 8, i & 255, 1000 + i);
	sb_printf(&text, rules_filter, sb_str(&head));
	restore(inst, sb_str(&text));
	sb_free(&text);
	sb_free(&head);
}

static void turn_sysctl(struct instance *inst, const char *name, const char *value)
{
	assert_int_equal(sysctl_set(inst->sysctls, name, value, NULL), 0);
}

static uint64_t read_all(struct nl_sock *sock)
{
	struct nl_datagram *d;
	uint64_t n = 0;

	for (; (d = nl_sock_next(sock)); n++)
		free(d);
	return n;
}

static void put_tuple(struct strbuf *out, uint16_t client, uint16_t server)
{
	size_t tuple = nl_nest(out, CTA_TUPLE_ORIG), part = nl_nest(out, CTA_TUPLE_IP);

	nl_put_u32(out, CTA_IP_V4_SRC, CLIENT);
	nl_put_u32(out, CTA_IP_V4_DST, SERVER);
	nl_nest_end(out, part);
	part = nl_nest(out, CTA_TUPLE_PROTO);
	nl_put_u8(out, CTA_PROTO_NUM, IPPROTO_UDP);
	nl_put_u16(out, CTA_PROTO_SRC_PORT, client);
	nl_put_u16(out, CTA_PROTO_DST_PORT, server);
	nl_nest_end(out, part);
	nl_nest_end(out, tuple);
}

/* A request of ctnetlink about UDP flow @no, or (@no = FLOWS) about all. */
static void ask(unsigned int subsystem, unsigned int cmd, uint16_t flags, uint16_t no)
{
	struct strbuf out = STRBUF_INIT;
	size_t at = nl_begin(&out, (uint16_t)(subsystem << 8 | cmd), (uint16_t)(NLM_F_REQUEST | flags), 1, 0, NFPROTO_IPV4, 0, 0);

	if (no < FLOWS)
		put_tuple(&out, (uint16_t)(3000 + no), (uint16_t)(1000 + no % 7));
	if (cmd == IPCTNL_MSG_CT_NEW && no < FLOWS) {
		nl_put_u32(&out, CTA_MARK, no);
		nl_put_u32(&out, CTA_TIMEOUT, 20);
	}
	nl_end(&out, at);
	assert_false(out.failed);
	assert_int_equal(nl_sock_send(scene.asks, out.s, out.len), 0);
	scene.answers += read_all(scene.asks);
	sb_free(&out);
}

static void control(struct instance *inst, unsigned int step)
{
	union nf_inet_addr host = { .ip = htonl(SERVER) };
	uint8_t mac[6] = { 2, 0, 0, 0, 1, (uint8_t)step };
	const uint16_t no = (uint16_t)(step * 7 % FLOWS);
	const bool odd = step / 16 & 1;

	switch (step % 16) {
	case 0:
		replace_filter(inst, odd ? 200 : 0);
		break;
	case 1:
		rules_line(inst, "iptables -A FORWARD -p udp --dport 1001 -j DROP");
		rules_line(inst, "iptables -I FORWARD 1 -m recent --name r --set");
		break;
	case 2:
		/* a replacement may have taken the rule */
		rules_line(inst, "iptables -D FORWARD -m recent --name r --set");
		break;
	case 3:
		for (uint16_t i = 0; i < 20; i++)
			ask(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, (uint16_t)((no + i) % FLOWS));
		break;
	case 4:
		for (uint16_t i = 0; i < 20; i++)
			ask(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, NLM_F_ACK, (uint16_t)((no + i) % FLOWS));
		break;
	case 5:
		ask(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, FLOWS);
		break;
	case 6:
		turn_sysctl(inst, "net.netfilter.nf_conntrack_max", odd ? "300" : "100000");
		break;
	case 7:
		turn_sysctl(inst, "net.netfilter.nf_conntrack_acct", odd ? "1" : "0");
		turn_sysctl(inst, "net.netfilter.nf_conntrack_udp_timeout", odd ? "10" : "30");
		break;
	case 8:
		instance_advance(inst, inst->now_ns + (odd ? 40 : 3) * (int64_t)NSEC_PER_SEC);
		break;
	case 9:
		ask(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET, NLM_F_DUMP, FLOWS);
		if (odd)
			ask(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_DELETE, NLM_F_ACK, FLOWS);
		break;
	case 10:
		assert_int_equal(neigh_set_permanent(inst, iface_find(inst, "eth1"), NFPROTO_IPV4, &host, mac, NULL), 0);
		break;
	case 11:
		if (odd)
			ask(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, FLOWS);
		break;
	case 12:
		restore(inst, rules_nat);
		break;
	case 13:
		turn_sysctl(inst, "net.ipv4.ip_forward_update_priority", odd ? "0" : "1");
		turn_sysctl(inst, "net.netfilter.nf_conntrack_weir_expire_batch", odd ? "20" : "0");
		break;
	case 14:
		rules_line(inst, "iptables -L FORWARD -v -n -x");
		rules_line(inst, "iptables -Z FORWARD");
		break;
	default:
		instance_advance(inst, inst->now_ns + NSEC_PER_MSEC);
		break;
	}
	scene.heard += read_all(scene.hears);
}

/* Of the first rule of a chain in mangle: its packets, read as anybody would. */
static uint64_t counted(struct instance *inst, const char *rule)
{
	struct strbuf text = STRBUF_INIT;
	unsigned long long packets = 0;
	const char *at;

	rules_save(inst, NFPROTO_IPV4, true, -1, &text);
	at = strstr(sb_str(&text), "\n*mangle");
	at = at ? at : sb_str(&text);
	at = strstr(at, rule);
	assert_non_null(at);
	while (*at != '[')
		at--;
	assert_int_equal(sscanf(at, "[%llu:", &packets), 1);
	sb_free(&text);
	return packets;
}

static void open_scene(void)
{
	const struct control_callbacks none = { 0 };
	struct instance *inst;

	router_open((void **)&scene.r);
	inst = scene.r->inst;
	turn_sysctl(inst, "net.netfilter.nf_conntrack_events", "1");
	scene.control = control_new(inst, &none);
	assert_non_null(scene.control);
	assert_int_equal(nl_sock_open(scene.control, 12, 0, 1, (struct control_cred){ true }, NULL, &scene.asks), 0);
	assert_int_equal(nl_sock_open(scene.control, 12, 0, 1, (struct control_cred){ true }, NULL, &scene.hears), 0);
	assert_int_equal(nl_sock_bind(scene.hears, 0, 63), 0);
	scene.tell = inst->observer;
	restore(inst, rules_counting);
	restore(inst, rules_nat);
	replace_filter(inst, 0);
	for (int i = 0; i < WORKERS; i++) {
		struct hand *hand = &scene.hands[i];
		struct observer observer = { .priv = hand, .transmit = count_transmit, .drop = count_drop, .ct_event = tell_event, .expect_event = tell_expect };

		hand->r = scene.r;
		rng_seed(&hand->rng, 11 + (uint64_t)i);
		hand->worker = worker_new(inst, &observer);
		assert_non_null(hand->worker);
	}
}

static void all_at_once(void **state)
{
	struct timespec begin, now;
	struct instance *inst;
	uint64_t sent = 0, left = 0, dropped = 0, last = 0;
	unsigned int steps = 0;

	open_scene();
	inst = scene.r->inst;
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&scene.hands[i].thread, NULL, send_all, &scene.hands[i]), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		uint64_t here = 0;

		worker_alone_begin(inst, NULL);
		control(inst, steps++);
		if (steps % 8 == 0) {
			uint64_t tx = counted(inst, "-A POSTROUTING\n");

			assert_true(tx >= last);
			last = tx;
		}
		for (int i = 0; i < WORKERS; i++)
			here += scene.hands[i].left;
		assert_int_equal(inst->lo->stats.tx_packets + scene.r->port[0]->stats.tx_packets + scene.r->port[1]->stats.tx_packets, here);
		worker_alone_end(inst, NULL);
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < SECONDS * 1000 || steps < 128);
	__atomic_store_n(&scene.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(scene.hands[i].thread, NULL);
	worker_alone_begin(inst, NULL);
	for (int i = 0; i < WORKERS; i++) {
		sent += scene.hands[i].sent;
		left += scene.hands[i].left;
		dropped += scene.hands[i].dropped;
	}
	print_message("%u changes; %llu sent, %llu left, %llu dropped; %llu hits; %llu events, %llu answers; %llu whole, %llu related, %llu expected, %llu early drops\n",
		      steps, (unsigned long long)sent, (unsigned long long)left, (unsigned long long)dropped, (unsigned long long)flowcache_stats(inst)->hits,
		      (unsigned long long)scene.heard, (unsigned long long)scene.answers, (unsigned long long)counted(inst, "--length 150:65535\n"),
		      (unsigned long long)counted(inst, "--ctstate RELATED\n"), (unsigned long long)ct_stats(inst)->expect_create,
		      (unsigned long long)ct_stats(inst)->early_drop);
	assert_int_equal(scene.r->port[0]->stats.rx_packets + scene.r->port[1]->stats.rx_packets, sent);
	assert_true(flowcache_stats(inst)->hits > 0 && scene.heard > 0 && scene.answers > 0);
	assert_true(counted(inst, "--length 150:65535\n") > 0 && counted(inst, "--ctstate RELATED\n") > 0);
	assert_true(ct_stats(inst)->expect_create > 0 && ct_stats(inst)->early_drop > 0);
	read_all(scene.hears);
	turn_sysctl(inst, "net.netfilter.nf_conntrack_weir_expire_batch", "0");	/* all at once */
	instance_advance(inst, inst->now_ns + 6 * 24 * 3600 * (int64_t)NSEC_PER_SEC);
	assert_int_equal(ct_count(inst), 0);	/* no share was lost */
	assert_int_equal(ct_expect_count(inst), 0);
	worker_alone_end(inst, NULL);
	for (int i = 0; i < WORKERS; i++)
		worker_free(scene.hands[i].worker);
	control_free(scene.control);
	router_close((void **)&scene.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_at_once) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
