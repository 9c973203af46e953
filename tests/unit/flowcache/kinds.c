/*
 * tests/unit/flowcache/kinds.c - which traffic goes remembered ways: through the router, to the host and from the host, IPv4 and IPv6,
 * UDP, TCP and echoes, under each kind of NAT and each target whose work is the same for every packet of a connection. Once a
 * connection is established every packet of it must hit; and the packets must be what they are without the cache.
 */
#include "path/path_test.h"

#include "flowcache/flowcache.h"
#include "table/table.h"

enum { ROUNDS = 18, SETTLED = 12, DATA = 10, PACKET_MAX = 200 };
enum place { THROUGH, TO_HOST, FROM_HOST, PLACES };
enum proto { UDP, TCP, ECHO, PROTOS };

static const char *const place_names[] = { "through", "to the host", "from the host" }, *const proto_names[] = { "udp", "tcp", "echo" };

/* What the packets meet; fill_in() has the family's words for addresses. */
struct kind { const char *name, *rules; bool v4_only; };

static const struct kind kinds[] = {
	{ "plain", "" },
	{ "MASQUERADE", "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n" },
	{ "SNAT", "*nat\n-A POSTROUTING -j SNAT --to-source ADDR_OWN\nCOMMIT\n" },
	{ "SNAT in INPUT", "*nat\n-A INPUT -j SNAT --to-source ADDR_FAR\nCOMMIT\n" },
	{ "DNAT", "*nat\n-A PREROUTING -i eth0 -j DNAT --to-destination ADDR_SERVER\n-A OUTPUT -j DNAT --to-destination ADDR_SERVER\nCOMMIT\n" },
	{ "REDIRECT", "*nat\n-A PREROUTING -i eth0 -j REDIRECT\nCOMMIT\n" },
	{ "NETMAP", "*nat\n-A POSTROUTING -o eth1 -j NETMAP --to ADDR_NET\nCOMMIT\n" },
	{ "MARK", "*mangle\n-A PREROUTING -j MARK --set-mark 5\n-A OUTPUT -j MARK --set-mark 6\n-A FORWARD -m mark --mark 5 -j MARK --or-mark 8\n"
		  "-A POSTROUTING -j MARK --xor-mark 64\nCOMMIT\n" },
	{ "CONNMARK set", "*mangle\n-A PREROUTING -j CONNMARK --set-mark 7\n-A OUTPUT -j CONNMARK --set-mark 7\nCOMMIT\n" },
	{ "CONNMARK save and restore", "*mangle\n-A PREROUTING -j CONNMARK --restore-mark\n-A OUTPUT -j CONNMARK --restore-mark\n"
				       "-A FORWARD -m mark --mark 0 -j MARK --set-mark 9\n-A POSTROUTING -j CONNMARK --save-mark\nCOMMIT\n" },
	{ "connmark", "*mangle\n-A PREROUTING -m connmark --mark 0 -j CONNMARK --set-mark 3\n-A POSTROUTING -m connmark --mark 3 -j CLASSIFY --set-class 1:3\n"
		      "-A OUTPUT -m connmark --mark 0 -j CONNMARK --set-mark 3\nCOMMIT\n" },
	{ "DSCP", "*mangle\n-A PREROUTING -j DSCP --set-dscp 10\n-A OUTPUT -j DSCP --set-dscp 10\nCOMMIT\n" },
	{ "TOS", "*mangle\n-A FORWARD -j TOS --set-tos 0x10/0x3f\n-A INPUT -j TOS --set-tos 0x10/0x3f\n-A OUTPUT -j TOS --set-tos 0x08/0x3f\nCOMMIT\n" },
	{ "TTL set", "*mangle\n-A PREROUTING -j TTL --ttl-set 77\n-A OUTPUT -j TTL --ttl-set 77\nCOMMIT\n" },
	{ "TTL inc and dec", "*mangle\n-A PREROUTING -j TTL --ttl-inc 3\n-A POSTROUTING -j TTL --ttl-dec 2\nCOMMIT\n" },
	{ "CLASSIFY", "*mangle\n-A POSTROUTING -j CLASSIFY --set-class 1:2\n-A FORWARD -j CLASSIFY --set-class 3:4\nCOMMIT\n" },
	{ "ECN in IP", "*mangle\n-A PREROUTING -j ECN --ecn-ip-ect 1\n-A OUTPUT -j ECN --ecn-ip-ect 2\nCOMMIT\n", true },
	{ "ECN", "*mangle\n-A PREROUTING -p tcp -j ECN --ecn-tcp-remove\nCOMMIT\n", true },
	{ "HMARK", "*mangle\n-A PREROUTING -j HMARK --hmark-tuple src,dst,sport,dport --hmark-mod 8 --hmark-offset 1 --hmark-rnd 1\nCOMMIT\n" },
	{ "IPMARK", "*mangle\n-A PREROUTING -j IPMARK --addr src --and-mask 0xff\nCOMMIT\n" },
	{ "TCPMSS", "*mangle\n-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n" },
	{ "states", "*filter\n:FORWARD DROP\n:INPUT DROP\n:OUTPUT DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n"
		    "-A FORWARD -m conntrack --ctstate NEW -j ACCEPT\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -j ACCEPT\n"
		    "-A OUTPUT -m state --state ESTABLISHED,NEW -j ACCEPT\nCOMMIT\n" },
	{ "long chain", "LONG" },
};

struct world {
	struct router *r;
	uint8_t last[PACKET_MAX];	/* what came out, as IP */
	uint32_t last_len;
	uint64_t seen;
	const struct iface *out;	/* NULL: delivered */
};

static void mix_in(uint64_t *sum, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*sum = (*sum ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
}

static void came_out(struct world *w, const struct iface *out, const struct pkt *pkt, const uint8_t *ip, uint32_t len)
{
	const uint32_t meta[] = { out ? out->index : 0, len, pkt->mark, pkt->priority, pkt->rule ? pkt->rule->number : 99 };

	assert_true(len <= PACKET_MAX);
	memcpy(w->last, ip, len);
	w->last_len = len;
	w->out = out;
	mix_in(&w->seen, meta, sizeof(meta));
	mix_in(&w->seen, ip, len);
}

static void on_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	came_out(priv, out, cause, (const uint8_t *)frame + ETH_HLEN, len - ETH_HLEN);
}

static void on_deliver(void *priv, const struct pkt *pkt)
{
	came_out(priv, NULL, pkt, pkt->data, pkt->len);
}

/* --- packets --- */

static void sums(uint8_t *ip, uint32_t len)
{
	const bool six = ip[0] >> 4 == 6;
	const uint32_t head = six ? 40 : 20;
	const uint8_t proto = six ? ip[6] : ip[9];
	uint8_t *sum = ip + head + (proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2);
	be16 value = 0;

	memset(sum, 0, 2);
	if (!six) {
		struct iphdr h;

		memcpy(&h, ip, sizeof(h));
		csum_ip4_header(&h);
		memcpy(ip, &h, sizeof(h));
	}
	if (six)
		value = csum_fold(csum_partial(ip + head, len - head, csum_pseudo6(ip + 8, ip + 24, proto, len - head)));
	else if (proto == IPPROTO_ICMP)
		value = csum_fold(csum_partial(ip + head, len - head, 0));
	else
		value = csum_fold(csum_partial(ip + head, len - head, csum_partial(ip + 12, 8, csum_pseudo4(0, 0, proto, len - head))));
	memcpy(sum, &value, 2);
}

static uint32_t ip_head(uint8_t *ip, bool six, uint8_t proto, const char *src, const char *dst, uint32_t body)
{
	memset(ip, 0, PACKET_MAX);
	if (six) {
		put_be32(ip, 6u << 28);
		put_be16(ip + 4, (uint16_t)body);
		ip[6] = proto;
		ip[7] = 64;
	} else {
		const struct iphdr h = { .version = 4, .ihl = 5, .tot_len = htons((uint16_t)(20 + body)), .ttl = 64, .id = htons(7), .protocol = proto };

		memcpy(ip, &h, sizeof(h));
	}
	inet_pton(six ? AF_INET6 : AF_INET, src, ip + (six ? 8 : 12));
	inet_pton(six ? AF_INET6 : AF_INET, dst, ip + (six ? 24 : 16));
	return six ? 40 : 20;
}

static uint32_t ask(uint8_t *ip, bool six, enum proto proto, const char *src, const char *dst, unsigned int round)
{
	static const uint8_t numbers[2][PROTOS] = { { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP }, { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMPV6 } };
	const uint32_t body = (proto == TCP ? 20 : 8) + DATA, at = ip_head(ip, six, numbers[six][proto], src, dst, body);
	uint8_t *l4 = ip + at;

	if (proto == ECHO) {
		l4[0] = six ? 128 : 8;
		put_be16(l4 + 4, 77);
	} else {
		put_be16(l4, 4000);
		put_be16(l4 + 2, 2000);
	}
	if (proto == UDP)
		put_be16(l4 + 4, (uint16_t)body);
	if (proto == TCP) {
		put_be32(l4 + 4, round ? 1001 + round * DATA : 1000 + DATA);
		put_be32(l4 + 8, round ? 5001 + DATA + (round - 1) * DATA : 0);
		l4[12] = 5 << 4;
		l4[13] = round ? 0x10 : 0x02;
		put_be16(l4 + 14, 20000);
	}
	return at + body;
}

static void swap(uint8_t *a, uint8_t *b, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		const uint8_t kept = a[i];

		a[i] = b[i];
		b[i] = kept;
	}
}

/* What came out becomes its answer. */
static void answer(uint8_t *ip, enum proto proto, unsigned int round)
{
	const bool six = ip[0] >> 4 == 6;
	uint8_t *l4 = ip + (six ? 40 : 20);

	if (six)
		swap(ip + 8, ip + 24, 16);
	else
		swap(ip + 12, ip + 16, 4);
	ip[six ? 7 : 8] = 64;
	if (six)
		put_be16(ip, 6u << 12);
	else
		ip[1] = 0;
	if (proto == ECHO)
		l4[0] = six ? 129 : 0;
	else
		swap(l4, l4 + 2, 2);
	if (proto != TCP)
		return;
	put_be32(l4 + 4, round ? 5001 + round * DATA : 5000 + DATA);
	put_be32(l4 + 8, 1001 + (round + 1) * DATA);
	l4[13] = round ? 0x10 : 0x12;
}

/* --- a world with such rules --- */

static void fill_in(const char *text, bool six, struct strbuf *out)
{
	static const char *const words[][3] = { { "ADDR_SERVER", "10.1.0.2", "fd00:1::2" }, { "ADDR_OWN", "10.1.0.1", "fd00:1::1" },
						{ "ADDR_NET", "10.1.0.0/24", "fd00:1::/64" }, { "ADDR_FAR", "10.1.0.77", "fd00:1::77" },
						{ "TTL --ttl", "TTL --ttl", "HL --hl" } };

	if (!strcmp(text, "LONG")) {
		sb_adds(out, "*filter\n");
		for (unsigned int i = 0; i < 60; i++)
			sb_printf(out, "-A FORWARD ! -i ppp%u+ -s %s -p udp -m udp --dport %u -j ACCEPT\n", i, six ? "fd00:9::/64" : "10.9.0.0/16", i + 1);
		sb_adds(out, "COMMIT\n");
		return;
	}
	while (*text) {
		size_t w = 0;

		while (w < ARRAY_SIZE(words) && strncmp(text, words[w][0], strlen(words[w][0])))
			w++;
		if (w == ARRAY_SIZE(words)) {
			sb_printf(out, "%c", *text++);
			continue;
		}
		sb_adds(out, words[w][six ? 2 : 1]);
		text += strlen(words[w][0]);
	}
}

static void world_open(struct world *w, const struct kind *kind, bool six, enum flow_mode mode)
{
	struct strbuf rules = STRBUF_INIT;
	struct refusal why = { 0 };

	memset(w, 0, sizeof(*w));
	router_open((void **)&w->r);
	flowcache_set_mode(w->r->inst, mode);
	set(w->r, "net.ipv4.conf.all.rp_filter", "0");
	w->r->inst->observer = (struct observer){ .priv = w, .transmit = on_transmit, .deliver = on_deliver };
	sb_adds(&rules, "*raw\nCOMMIT\n");
	fill_in(kind->rules, six, &rules);
	if (rules_restore(w->r->inst, six ? NFPROTO_IPV6 : NFPROTO_IPV4, sb_str(&rules), rules.len, kind->name, 0, &why))
		fail_msg("%s: %s", kind->name, why.text);
	assert_int_equal(ct_hooks_get(w->r->inst, six ? NFPROTO_IPV6 : NFPROTO_IPV4), 0);
	sb_free(&rules);
}

static void inject(struct world *w, int port, uint8_t *ip, uint32_t len)
{
	struct instance *inst = w->r->inst;
	uint8_t frame[PACKET_MAX + ETH_HLEN] = { 2, 0, 0, 0, (uint8_t)port, 1, 2, 0, 0, 0, (uint8_t)port, 2 };
	struct pkt *pkt;

	sums(ip, len);
	put_be16(frame + 12, ip[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
	memcpy(frame + ETH_HLEN, ip, len);
	if (port < 0) {
		pkt = pkt_from_raw_ip(inst, NULL, ip, len);
		assert_non_null(pkt);
		path_send_local(inst, pkt);
		return;
	}
	pkt = pkt_from_frame(inst, w->r->port[port], frame, ETH_HLEN + len);
	assert_non_null(pkt);
	path_receive(inst, &pkt, 1);
}

/* Return: how many of the packets that were sent when all was settled did not hit. */
static unsigned int converse(struct world *w, enum place place, bool six, enum proto proto, bool *is_lost)
{
	static const char *const ends[PLACES][2][2] = { { { "10.0.0.2", "10.1.0.2" }, { "fd00::2", "fd00:1::2" } },
							{ { "10.0.0.2", "10.0.0.1" }, { "fd00::2", "fd00::1" } },
							{ { "10.1.0.1", "10.1.0.2" }, { "fd00:1::1", "fd00:1::2" } } };
	uint64_t before = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint8_t ip[PACKET_MAX];
		const uint32_t len = ask(ip, six, proto, ends[place][six][0], ends[place][six][1], round);

		if (round == SETTLED)
			before = flowcache_stats(w->r->inst)->hits;
		w->last_len = 0;
		inject(w, place == FROM_HOST ? -1 : 0, ip, len);
		*is_lost |= !w->last_len;
		if (!w->last_len)
			return 0;
		answer(w->last, proto, round);
		w->last_len = 0;
		inject(w, !w->out ? -1 : w->out == w->r->port[1] ? 1 : 0, w->last, len);
		*is_lost |= !w->last_len;
		instance_advance(w->r->inst, w->r->inst->now_ns + NSEC_PER_SEC);
	}
	return 2 * (ROUNDS - SETTLED) - (unsigned int)(flowcache_stats(w->r->inst)->hits - before);
}

static void settled_connections_go_remembered_ways(void **state)
{
	unsigned int missing = 0;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (unsigned int what = 0; what < PLACES * PROTOS * 2; what++) {
			const enum place place = what % PLACES;
			const enum proto proto = what / PLACES % PROTOS;
			const bool six = what / PLACES / PROTOS;
			struct world with, without, judge;
			bool is_lost = false;
			unsigned int missed;

			if (six && kinds[k].v4_only)
				continue;
			world_open(&with, &kinds[k], six, FLOW_ON);
			world_open(&without, &kinds[k], six, FLOW_OFF);
			missed = converse(&with, place, six, proto, &is_lost);
			converse(&without, place, six, proto, &is_lost);
			world_open(&judge, &kinds[k], six, FLOW_CHECK);
			converse(&judge, place, six, proto, &is_lost);
			assert_null(flowcache_difference(judge.r->inst));
			if (is_lost)
				print_error("lost: %s, %s, IPv%d %s\n", kinds[k].name, place_names[place], six ? 6 : 4, proto_names[proto]);
			if (missed)
				print_error("%s, %s, IPv%d %s: %u packets took the full way\n", kinds[k].name, place_names[place], six ? 6 : 4, proto_names[proto], missed);
			missing += missed != 0 || is_lost;
			assert_true(with.seen == without.seen);
			router_close((void **)&with.r);
			router_close((void **)&without.r);
			router_close((void **)&judge.r);
		}
	}
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(settled_connections_go_remembered_ways) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
