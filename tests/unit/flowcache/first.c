/*
 * tests/unit/flowcache/first.c - floods of connections that begin: what one of them asked is remembered for those that look the same.
 * Rules ask for addresses, ports, interfaces, TOS and flags; NAT runs out of ports; the table is full; settings, rules and routes
 * change. Frames, drops, events, connections, counters and statistics must be what they are without the cache (twin.h).
 */
#include "flowcache/twin.h"

enum { BEGINNINGS = 12000, SERVERS = 5 };

static const char rules4[] =
	"*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n"
	"-A PREROUTING -p udp -m udp --dport 1006 -j CT --notrack\n-A PREROUTING -s 10.0.0.32/30\nCOMMIT\n"
	"*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A PREROUTING -p udp -m udp --sport 3000:3003\n"
	"-A FORWARD -d 10.1.0.5 -p udp -j CONNMARK --set-mark 4\n"
	"-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -m tcp --dport 1004 -j TCPMSS --clamp-mss-to-pmtu\n"
	"-A POSTROUTING -o eth1 ! -s 10.0.0.128/25 -p udp\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n:far -\n"
	"-A PREROUTING -i eth0 -d 10.1.0.4 -p tcp -m tcp --dport 1005 -j DNAT --to-destination 10.1.0.2:2010\n"
	"-A PREROUTING -i eth0 -d 10.0.0.1 -p udp -m udp --dport 1001 -j REDIRECT --to-ports 2011\n"
	"-A POSTROUTING -s 10.0.0.0/27 -o eth1 -j MASQUERADE\n"
	"-A POSTROUTING -s 10.0.0.32/27 -o eth1 -p udp -m udp --dport 1003 -j MASQUERADE --to-ports 5000-5007\n"
	"-A POSTROUTING -s 10.0.0.32/27 -o eth1 -p udp -j SNAT --to-source 10.1.0.1-10.1.0.3\n"
	"-A POSTROUTING -s 10.0.0.64/27 -o eth1 -p udp -j SNAT --to-source 10.1.0.1 --random\n"
	"-A POSTROUTING -s 10.0.0.96/27 -j far\n"
	"-A far -p tcp -j SNAT --to-source 10.1.0.1:7000-7003\n-A far -j NETMAP --to 10.1.0.0/24\nCOMMIT\n"
	"*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n:new -\n"
	"-A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
	"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	"-A FORWARD -s 10.0.0.7/32 -p udp -m udp --dport 1002 -j DROP\n"
	"-A FORWARD -d 10.1.0.4 -m dscp --dscp 8 -j REJECT\n"
	"-A FORWARD -m ttl --ttl-lt 4 -j DROP\n"
	"-A FORWARD -p udp -m udp --dport 1000 -m limit --limit 50/s -j ACCEPT\n"
	"-A FORWARD -i eth0 -m conntrack --ctstate NEW -j new\n"
	"-A FORWARD -i eth1 -d 10.0.0.9 -p udp -j ACCEPT\n"
	"-A new -p tcp -m tcp ! --syn -m tcp --dport 1001 -j DROP\n-A new -m mark --mark 0 -j ACCEPT\nCOMMIT\n";

static const char rules6[] =
	"*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A POSTROUTING -s fd00::/124 -o eth1 -p udp -j MASQUERADE\n"
	"-A POSTROUTING ! -s fd00::20/123 -o eth1 -p udp -j SNAT --to-source fd00:1::1-fd00:1::3\n"
	"-A POSTROUTING -o eth1 -p tcp -m tcp --dport 1003 -j MASQUERADE\nCOMMIT\n"
	"*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n"
	"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	"-A FORWARD -s fd00::7/128 -p udp -j DROP\n-A FORWARD -d fd00:1::4 -p tcp -m tcp --dport 1002 -j REJECT\n"
	"-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n";

static void first_open(struct twin *t, enum flow_mode mode)
{
	struct router *r;

	router_open((void **)&r);
	*t = (struct twin){ .inst = r->inst, .port = { r->port[0], r->port[1] } };
	free(r);
	flowcache_set_mode(t->inst, mode);
	for (uint8_t server = 3; server < SERVERS + 1; server++) {	/* not the last one: nobody knows where that is */
		const union nf_inet_addr four = { .ip = htonl(0x0a010000u + server) }, six = { .in6.s6_addr = { 0xfd, 0, 0, 1, [15] = server } };
		const uint8_t mac[6] = { 2, 0, 0, 0, 1, server };

		assert_int_equal(neigh_set_permanent(t->inst, t->port[1], NFPROTO_IPV4, &four, mac, NULL), 0);
		assert_int_equal(neigh_set_permanent(t->inst, t->port[1], NFPROTO_IPV6, &six, mac, NULL), 0);
	}
	t->inst->observer = (struct observer){ .priv = t, .transmit = on_transmit, .deliver = on_deliver, .drop = on_drop, .ct_event = on_event };
	assert_int_equal(rules_restore(t->inst, NFPROTO_IPV4, rules4, strlen(rules4), "r4", 0, NULL), 0);
	assert_int_equal(rules_restore(t->inst, NFPROTO_IPV6, rules6, strlen(rules6), "r6", 0, NULL), 0);
}

/* From anybody behind eth0 to one of the servers behind eth1; rarely to the router, or the other way round. */
static uint32_t draw_beginning(struct rng *rng, uint8_t *frame, bool *from_outside)
{
	const bool six = rng_below(rng, 4) == 0, tcp = rng_below(rng, 3) == 0, outside = rng_below(rng, 20) == 0;
	const uint32_t head = tcp ? 20 : 8, len = head + rng_below(rng, 30) + (rng_below(rng, 30) ? 0 : 1290), at = ETH_HLEN + (six ? 40 : 20);
	const uint8_t client = (uint8_t)(rng_below(rng, 3) ? 2 + rng_below(rng, 250) : 2 + rng_below(rng, 8));
	const uint8_t server = (uint8_t)(2 + rng_below(rng, SERVERS)), ttl = (uint8_t)(rng_below(rng, 25) ? 64 : rng_below(rng, 5));
	const uint8_t tos = (uint8_t)(rng_below(rng, 12) ? 0 : rng_below(rng, 2) ? 0x20 : rng_below(rng, 256));
	uint8_t *ip = frame + ETH_HLEN, *l4 = frame + at, *from, *to;
	be16 sum;

	memset(frame, 0, at + len);
	frame[6] = 2;
	frame[11] = 9;
	put_be16(frame + 12, six ? ETH_P_IPV6 : ETH_P_IP);
	if (six) {
		put_be32(ip, 6u << 28 | (uint32_t)tos << 20);
		put_be16(ip + 4, (uint16_t)len);
		ip[6] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
		ip[7] = ttl;
		from = ip + 8;
		to = ip + 24;
		inet_pton(AF_INET6, outside ? "fd00:1::" : "fd00::", from);
		inet_pton(AF_INET6, outside ? "fd00::" : "fd00:1::", to);
		from[15] = client;
		to[15] = server;
	} else {
		struct iphdr h = { .version = 4, .ihl = 5, .tos = tos, .tot_len = htons((uint16_t)(20 + len)), .ttl = ttl, .id = htons(9),
				   .frag_off = rng_below(rng, 2) ? htons(IP4_DF) : 0, .protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP };

		h.saddr = htonl((outside ? 0x0a010000u : 0x0a000000u) + client);
		h.daddr = htonl(rng_below(rng, 15) ? (outside ? 0x0a000000u : 0x0a010000u) + server : 0x0a000001u);
		csum_ip4_header(&h);
		memcpy(ip, &h, sizeof(h));
	}
	put_be16(l4, (uint16_t)(3000 + rng_below(rng, 12)));
	put_be16(l4 + 2, (uint16_t)(1000 + rng_below(rng, 7)));
	if (tcp) {
		put_be32(l4 + 4, 7000);
		l4[12] = 5 << 4;
		l4[13] = (uint8_t)(rng_below(rng, 6) ? 0x02 : rng_below(rng, 64));
		put_be16(l4 + 14, 20000);
	} else {
		put_be16(l4 + 4, (uint16_t)len);
	}
	sum = six ? csum_fold(csum_partial(l4, len, csum_pseudo6(ip + 8, ip + 24, ip[6], len))) :
		    csum_fold(csum_partial(l4, len, csum_partial(ip + 12, 8, csum_pseudo4(0, 0, ip[9], len))));
	if (!sum)
		sum = 0xffff;
	if (rng_below(rng, 40) == 0)
		sum ^= 0x1234;
	memcpy(l4 + (tcp ? 16 : 6), &sum, 2);
	*from_outside = outside;
	return at + len;
}

/* What left last comes back with its ends changed: sums stay right. */
static uint32_t answer(const struct twin *t, uint8_t *frame)
{
	const bool six = t->last[0] >> 4 == 6;
	const uint32_t len = t->last_len, at = six ? 40 : 20, size = six ? 16 : 4, src = six ? 8 : 12;
	uint8_t *ip = frame + ETH_HLEN;

	if (len < at + 20)
		return 0;
	memset(frame, 0, ETH_HLEN);
	frame[6] = 2;
	frame[11] = 9;
	put_be16(frame + 12, six ? ETH_P_IPV6 : ETH_P_IP);
	memcpy(ip, t->last, len);
	memcpy(ip + src, t->last + src + size, size);
	memcpy(ip + src + size, t->last + src, size);
	memcpy(ip + at, t->last + at + 2, 2);
	memcpy(ip + at + 2, t->last + at, 2);
	return ETH_HLEN + len;
}

static void change(struct twin *t, uint32_t what, uint32_t value)
{
	static const char *const lines[] = {
		"iptables -I FORWARD -p udp --dport 1001 -j DROP", "iptables -D FORWARD -p udp --dport 1001 -j DROP",
		"iptables -t nat -I POSTROUTING -s 10.0.0.5 -j ACCEPT", "iptables -t nat -D POSTROUTING 1",
		"iptables -t mangle -L -v -n -x -Z", "iptables -t nat -L -v -n -x", "iptables -L -v -n -x -Z",
		"ip6tables -A FORWARD -i eth1 -p udp -j ACCEPT", "ip6tables -D FORWARD -i eth1 -p udp -j ACCEPT",
	};
	static const char *const settings[][2] = {
		{ "net.netfilter.nf_conntrack_max", "150" }, { "net.netfilter.nf_conntrack_max", "60" }, { "net.netfilter.nf_conntrack_max", "0" },
		{ "net.netfilter.nf_conntrack_weir_nat_exact", "64" }, { "net.netfilter.nf_conntrack_weir_nat_exact", "0" },
		{ "net.netfilter.nf_conntrack_acct", "1" }, { "net.netfilter.nf_conntrack_acct", "0" },
		{ "net.netfilter.nf_conntrack_tcp_loose", "0" }, { "net.netfilter.nf_conntrack_tcp_loose", "1" },
		{ "net.ipv4.conf.eth0.rp_filter", "1" }, { "net.ipv4.ip_forward", "0" },
	};
	static const char *const usual[][2] = {
		{ "net.netfilter.nf_conntrack_max", "3000" }, { "net.netfilter.nf_conntrack_weir_nat_exact", "0" },
		{ "net.netfilter.nf_conntrack_tcp_loose", "1" }, { "net.ipv4.ip_forward", "1" },
	};

	switch (what) {
	case 0:
	case 1:
		command(t, lines[value % ARRAY_SIZE(lines)]);
		break;
	case 2:
		sysctl_set(t->inst->sysctls, settings[value % ARRAY_SIZE(settings)][0], settings[value % ARRAY_SIZE(settings)][1], NULL);
		break;
	case 3:
		route_iface_set_mtu(t->inst, t->port[1], 1290 + value % 30);
		break;
	case 4:
		instance_advance(t->inst, t->inst->now_ns + (int64_t)(value % 40000) * NSEC_PER_MSEC);
		break;
	case 5:
	case 6:
		for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
			sysctl_set(t->inst->sysctls, usual[i][0], usual[i][1], NULL);
		break;
	default:
		break;
	}
}

static void connections_begin_as_without_the_cache(void **state)
{
	struct twin twins[TWINS];
	const struct flow_stats *stats;
	struct rng rng;

	rng_seed(&rng, 23);
	for (int i = 0; i < TWINS; i++)
		first_open(&twins[i], twin_modes[i]);
	workers_open(&twins[MODES]);
	for (int step = 0; step < BEGINNINGS; step++) {
		const uint32_t n = 1 + rng_below(&rng, 8), what = rng_below(&rng, 200), value = rng_below(&rng, 1u << 20);
		uint8_t frames[8][FRAME_MAX];
		uint32_t len[8];
		bool out[8];
		char word[32];

		for (uint32_t k = 0; k < n; k++) {
			len[k] = draw_beginning(&rng, frames[k], &out[k]);
			if (k + 1 == n && rng_below(&rng, 4) == 0 && answer(&twins[0], frames[k])) {
				len[k] = answer(&twins[0], frames[k]);
				out[k] = true;
			}
		}
		for (int i = 0; i < TWINS; i++) {
			receive(&twins[i], frames, len, out, n);
			worker_alone_begin(twins[i].inst, NULL);
			change(&twins[i], what, value);
			if (step % 100 == 99) {
				see_state(&twins[i]);
				see(&twins[i], ct_stats(twins[i].inst), sizeof(struct ct_stats));
			}
			instance_advance(twins[i].inst, twins[i].inst->now_ns + 5 * NSEC_PER_MSEC);
			worker_alone_end(twins[i].inst, NULL);
		}
		snprintf(word, sizeof(word), "change %u, %u", what, value);
		must_be_equal(twins, step, word);
	}
	stats = flowcache_stats(twins[1].inst);
	print_message("began as others did: %llu; learned %llu, refused %llu, late %llu; left %llu, dropped %llu; early drops %llu, failed %llu\n",
		      (unsigned long long)stats->begun, (unsigned long long)stats->recorded, (unsigned long long)stats->refused,
		      (unsigned long long)stats->late, (unsigned long long)twins[0].left, (unsigned long long)twins[0].dropped,
		      (unsigned long long)ct_stats(twins[0].inst)->early_drop, (unsigned long long)ct_stats(twins[0].inst)->insert_failed);
	assert_true(stats->begun > BEGINNINGS / 4 && stats->late > 50);
	assert_true(flowcache_stats(twins[MODES].inst)->begun > BEGINNINGS / 4);
	assert_true(ct_stats(twins[0].inst)->early_drop > 100 && ct_stats(twins[0].inst)->insert_failed > 10);
	for (int i = 0; i < TWINS; i++)
		twin_close(&twins[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(connections_begin_as_without_the_cache) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
