/*
 * tests/unit/flowcache/nat.c - NAT targets decide once, for the first packet of a connection; what is remembered of the later ones
 * never rests on them. So every field is flipped under a bound connection, the rules that bound it give way to others that
 * would bind it elsewhere, and addresses come and go: with the flow cache, without it, and with the cache checked, each packet leaves
 * as the first one said, and none of the new rules is asked.
 */
#include "path/path_test.h"

#include "conntrack/conntrack.h"
#include "flowcache/flowcache.h"
#include "table/table.h"

enum { PACKETS = 200, MODES = 3, CLIENT_PORT = 3000, SERVER_PORT = 53 };

struct nat_case {
	uint8_t family;
	const char *rules;
};

/* Each with the rule that lets in what comes back first, so that something is remembered in both directions. */
static const struct nat_case cases[] = {
	{ NFPROTO_IPV4, "-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.70-10.1.0.90" },
	{ NFPROTO_IPV4, "-A POSTROUTING -o eth1 -p udp -j SNAT --to-source 10.1.0.70:5000-6000 --random" },
	{ NFPROTO_IPV4, "-A POSTROUTING -o eth1 -j MASQUERADE" },
	{ NFPROTO_IPV4, "-A POSTROUTING -o eth1 -p udp -j MASQUERADE --to-ports 4000-5000 --random" },
	{ NFPROTO_IPV4, "-A POSTROUTING -o eth1 -j NETMAP --to 10.1.0.64/28" },
	{ NFPROTO_IPV4, "-A POSTROUTING -o eth1 -p udp -j FULLCONE\n-A PREROUTING -i eth1 -p udp -j FULLCONE" },
	{ NFPROTO_IPV4, "-A POSTROUTING -o eth1 -j DNETMAP --prefix 10.1.0.64/28\n-A PREROUTING -i eth1 -j DNETMAP" },
	{ NFPROTO_IPV4, "-A PREROUTING -i eth0 -d 10.2.0.0/16 -p udp -j DNAT --to-destination 10.1.0.2:99" },
	{ NFPROTO_IPV4, "-A PREROUTING -i eth0 -d 10.2.0.0/16 -j NETMAP --to 10.1.0.0/24" },
	{ NFPROTO_IPV4, "-A PREROUTING -i eth0 -d 10.2.0.0/16 -p udp -j REDIRECT --to-ports 2011" },
	{ NFPROTO_IPV6, "-A POSTROUTING -o eth1 -j SNAT --to-source fd00:1::70-fd00:1::90" },
	{ NFPROTO_IPV6, "-A POSTROUTING -o eth1 -j MASQUERADE" },
	{ NFPROTO_IPV6, "-A POSTROUTING -o eth1 -j NETMAP --to fd00:1::40/122" },
	{ NFPROTO_IPV6, "-A PREROUTING -i eth0 -d fd00:2::/64 -p udp -j DNAT --to-destination [fd00:1::2]:99" },
	{ NFPROTO_IPV6, "-A PREROUTING -i eth0 -d fd00:2::/64 -j NETMAP --to fd00:1::/64" },
	{ NFPROTO_IPV6, "-A PREROUTING -i eth0 -d fd00:2::/64 -p udp -j REDIRECT --to-ports 2011" },
};

static const char other_rules4[] = "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A PREROUTING -p udp -j DNAT --to-destination 10.1.0.99:7\n-A INPUT -p udp -j SNAT --to-source 10.0.0.99\n"
	"-A POSTROUTING -p udp -j SNAT --to-source 10.1.0.98:77\nCOMMIT\n";
static const char other_rules6[] = "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A PREROUTING -p udp -j DNAT --to-destination [fd00:1::99]:7\n-A INPUT -p udp -j SNAT --to-source fd00::99\n"
	"-A POSTROUTING -p udp -j SNAT --to-source [fd00:1::98]:77\nCOMMIT\n";

static void load(struct router *r, uint8_t family, const char *text)
{
	struct refusal why = { 0 };

	if (rules_restore(r->inst, family, text, strlen(text), "rules", 0, &why))
		fail_msg("%s: %s", text, why.text);
}

/* A UDP packet in a frame for port @no; what may be flipped is drawn from @rng. */
static void send_udp(struct router *r, int no, uint8_t family, const uint8_t *from, const uint8_t *to, uint16_t sport, uint16_t dport,
		     struct rng *rng)
{
	uint8_t frame[FRAME_MAX] = { 2, 0, 0, 0, (uint8_t)no, 1, 2, 0, 0, 0, (uint8_t)no, 2 }, *ip = frame + ETH_HLEN, *l4;
	uint32_t head = family == NFPROTO_IPV4 ? 20 : 40, size = family == NFPROTO_IPV4 ? 4 : 16, len = 9 + rng_below(rng, 90);
	struct pkt *pkt;
	be16 sum;

	put_be16(frame + 12, family == NFPROTO_IPV4 ? ETH_P_IP : ETH_P_IPV6);
	frame[10] = (uint8_t)rng_u32(rng);			/* another neighbour */
	if (family == NFPROTO_IPV4) {
		struct iphdr h = { .version = 4, .ihl = 5, .tos = (uint8_t)rng_u32(rng), .tot_len = htons((uint16_t)(head + len)),
				   .ttl = (uint8_t)(2 + rng_below(rng, 250)), .id = htons((uint16_t)rng_u32(rng)), .protocol = IPPROTO_UDP,
				   .frag_off = rng_below(rng, 2) ? htons(IP4_DF) : 0 };

		memcpy(&h.saddr, from, size);
		memcpy(&h.daddr, to, size);
		csum_ip4_header(&h);
		memcpy(ip, &h, sizeof(h));
	} else {
		put_be32(ip, 6u << 28 | (rng_u32(rng) & 0xfffffff));
		put_be16(ip + 4, (uint16_t)len);
		ip[6] = IPPROTO_UDP;
		ip[7] = (uint8_t)(2 + rng_below(rng, 250));
		memcpy(ip + 8, from, size);
		memcpy(ip + 24, to, size);
	}
	l4 = ip + head;
	put_be16(l4, sport);
	put_be16(l4 + 2, dport);
	put_be16(l4 + 4, (uint16_t)len);
	for (uint32_t i = 8; i < len; i++)
		l4[i] = (uint8_t)rng_u32(rng);
	sum = csum_fold(csum_partial(l4, len, family == NFPROTO_IPV4 ? csum_partial(ip + 12, 8, csum_pseudo4(0, 0, IPPROTO_UDP, len)) :
				     csum_pseudo6(ip + 8, ip + 24, IPPROTO_UDP, len)));
	sum = sum ? sum : 0xffff;
	memcpy(l4 + 6, &sum, 2);
	pkt = pkt_from_frame(r->inst, r->port[no], frame, ETH_HLEN + head + len);
	assert_non_null(pkt);
	path_receive(r->inst, &pkt, 1);
}

/* Addresses and ports of the last frame or delivered packet. */
struct ends {
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
};

static struct ends delivered_ends;

static void ends_of(const uint8_t *ip, uint8_t family, struct ends *ends)
{
	uint32_t head = family == NFPROTO_IPV4 ? 20 : 40, size = family == NFPROTO_IPV4 ? 4 : 16;

	memset(ends, 0, sizeof(*ends));
	memcpy(ends->src, ip + head - 2 * size, size);
	memcpy(ends->dst, ip + head - size, size);
	ends->sport = get_be16(ip + head);
	ends->dport = get_be16(ip + head + 2);
}

static void note_delivered(void *priv, const struct pkt *pkt)
{
	((struct router *)priv)->delivered++;
	ends_of(pkt->data, pkt->l.family, &delivered_ends);
}

/* What became of the packet; false: nothing. */
static bool took(struct router *r, uint8_t family, struct ends *ends)
{
	if (r->delivered)
		*ends = delivered_ends;
	else if (r->frames)
		ends_of(r->frame[r->frames - 1].bytes + ETH_HLEN, family, ends);
	return r->frames + r->delivered == 1;
}

static void flip_the_world(struct router *r, const struct nat_case *c, unsigned int step, uint32_t value)
{
	struct iface_addr extra = { .family = NFPROTO_IPV4, .prefix_len = 24, .addr.ip = htonl(0x0a010050), .peer.ip = htonl(0x0a010050),
				    .iface = r->port[1] };

	if (step == PACKETS / 4)
		load(r, c->family, c->family == NFPROTO_IPV4 ? other_rules4 : other_rules6);
	if (step == PACKETS / 2)
		assert_int_equal(route_addr_add(r->inst, r->port[1], &extra, NULL), 0);
	if (value % 8 == 0)
		rng_u32(&r->inst->rng);
	instance_advance(r->inst, r->inst->now_ns + (int64_t)(value % 900) * NSEC_PER_MSEC);
}

static unsigned int asked_of(struct router *r, uint8_t family)
{
	struct strbuf out = STRBUF_INIT;
	unsigned int sum = 0, packets;

	rules_save(r->inst, family, true, -1, &out);
	for (const char *at = sb_str(&out); at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (sscanf(at, "[%u:%*u] -A", &packets) == 1)
			sum += packets;
	sb_free(&out);
	return sum;
}

static void bound_once(const struct nat_case *c, enum flow_mode mode, struct ends *there, uint64_t *hits)
{
	const int af = c->family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	const bool turns = strstr(c->rules, "-d ");
	uint8_t client[16], server[16];
	struct ends first, back, got;
	unsigned int asked;
	struct router *r;
	struct rng rng;
	char text[512];

	router_open((void **)&r);
	r->inst->observer.deliver = note_delivered;
	flowcache_set_mode(r->inst, mode);
	rng_seed(&rng, 5);
	snprintf(text, sizeof(text), "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n%s\nCOMMIT\n", c->rules);
	load(r, c->family, text);
	inet_pton(af, c->family == NFPROTO_IPV4 ? "10.0.0.2" : "fd00::2", client);
	inet_pton(af, c->family == NFPROTO_IPV4 ? (turns ? "10.2.0.2" : "10.1.0.2") : turns ? "fd00:2::2" : "fd00:1::2", server);
	for (unsigned int step = 0; step < PACKETS; step++) {
		const bool answers = step && rng_below(&rng, 2);

		if (step)
			flip_the_world(r, c, step, rng_u32(&rng));
		r->frames = r->delivered = 0;
		if (answers && strstr(c->rules, "REDIRECT"))
			continue;	/* the host would answer */
		if (answers)
			send_udp(r, 1, c->family, first.dst, first.src, first.dport, first.sport, &rng);
		else
			send_udp(r, 0, c->family, client, server, CLIENT_PORT, SERVER_PORT, &rng);
		if (!took(r, c->family, &got))
			fail_msg("\"%s\", mode %d, packet %u went nowhere", c->rules, mode, step);
		if (!step) {
			first = got;
			back = (struct ends){ .sport = SERVER_PORT, .dport = CLIENT_PORT };
			memcpy(back.src, server, af == AF_INET ? 4 : 16);
			memcpy(back.dst, client, af == AF_INET ? 4 : 16);
			asked = asked_of(r, c->family);
			assert_int_equal(asked, 1);
		}
		if (memcmp(&got, answers ? &back : &first, sizeof(got)))
			fail_msg("\"%s\", mode %d, packet %u goes another way than the first", c->rules, mode, step);
		if (asked_of(r, c->family) != (step < PACKETS / 4 ? 1 : 0))
			fail_msg("\"%s\", mode %d: packet %u asked the nat table", c->rules, mode, step);
		if (flowcache_difference(r->inst))
			fail_msg("\"%s\": %s", c->rules, flowcache_difference(r->inst));
	}
	*there = first;
	*hits = flowcache_stats(r->inst)->hits;
	router_close((void **)&r);
}

static void bound_connections_do_not_ask(void **state)
{
	static const enum flow_mode modes[MODES] = { FLOW_OFF, FLOW_ON, FLOW_CHECK };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ends there[MODES];
		uint64_t hits[MODES];

		for (int m = 0; m < MODES; m++) {
			bound_once(&cases[i], modes[m], &there[m], &hits[m]);
			assert_memory_equal(&there[m], &there[0], sizeof(there[0]));
		}
		if (hits[1] < PACKETS / 4)
			fail_msg("\"%s\": only %llu ways were remembered", cases[i].rules, (unsigned long long)hits[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bound_connections_do_not_ask) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
