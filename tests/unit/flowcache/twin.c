/*
 * tests/unit/flowcache/twin.c - the cache's law: two routers get the same packets and the same changes, one remembers ways and
 * the other does not. Every frame, drop, event, counter and connection must be equal at every step; a third one compares by itself,
 * a fourth one has two workers that take turns (what they do at once is tests/unit/path/workers.c).
 */
#include "flowcache/twin.h"

enum { STEPS = 30000 };

static const char rules4[] =
	"*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n"
	"-A PREROUTING -p udp -m udp --dport 1012 -j CT --notrack\n"
	"-A PREROUTING -p udp -m udp --dport 1013 -m dscp --dscp 8 -j DROP\nCOMMIT\n"
	"*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n:more -\n"
	"-A PREROUTING -p tcp -m tcp --tcp-flags SYN,RST SYN -j MARK --set-xmark 0x3/0xffffffff\n"
	"-A PREROUTING -p udp -m dscp --dscp 8 -j MARK --set-xmark 0x10/0x10\n"
	"-A PREROUTING -p udp -m udp --dport 1009 -j CONNMARK --restore-mark\n"
	"-A FORWARD -p udp -m udp --dport 1003 -j DSCP --set-dscp 10\n"
	"-A FORWARD -p udp -m udp --dport 1004 -j TTL --ttl-set 33\n"
	"-A FORWARD -p udp -m udp --dport 1006 -j TTL --ttl-dec 1\n"
	"-A FORWARD -p udp -m udp --dport 1005 -m limit --limit 5/s -j ACCEPT\n"
	"-A FORWARD -p udp -m udp --dport 1008 -m length --length 0:100 -j more\n"
	"-A FORWARD -m mark --mark 0x10/0x10 -j more\n"
	"-A OUTPUT -p udp -m udp --sport 1003 -j MARK --set-xmark 0x9/0xffffffff\n"
	"-A POSTROUTING -m connmark --mark 0x7 -j CLASSIFY --set-class 0001:0002\n"
	"-A POSTROUTING -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\n"
	"-A more -p udp -j TOS --set-tos 0x04/0x3f\n-A more\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A PREROUTING -i eth0 -p tcp -m tcp --dport 1010 -j DNAT --to-destination 10.1.0.2:2010\n"
	"-A PREROUTING -i eth0 -p udp -m udp --dport 1011 -j REDIRECT --to-ports 2011\n"
	"-A POSTROUTING -o eth1 -p icmp -j MASQUERADE --random\n"
	"-A POSTROUTING -o eth1 -p udp -j MASQUERADE\nCOMMIT\n"
	"*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n"
	"-A INPUT -m conntrack --ctstate ESTABLISHED\n"
	"-A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
	"-A FORWARD -p udp -m udp --dport 1007 -m conntrack --ctstatus ASSURED -j REJECT\n"
	"-A FORWARD -p udp -m udp --dport 1002 -m ttl --ttl-gt 60 -j ACCEPT\n"
	"-A FORWARD -p icmp -m icmp --icmp-type echo-reply\n"
	"-A FORWARD -i eth0 -s 10.0.0.0/29 -p udp -m udp --sport 3001\n"
	"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	"-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n";

static const char rules6[] =
	"*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A FORWARD -p udp -m udp --dport 1003 -j DSCP --set-dscp 10\n"
	"-A FORWARD -p udp -m udp --dport 1004 -j HL --hl-set 33\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
	"-A POSTROUTING -o eth1 -p udp -m udp --dport 1005 -j MASQUERADE\n"
	"-A POSTROUTING -o eth1 -p ipv6-icmp -j MASQUERADE --random\n"
	"-A PREROUTING -i eth0 -p tcp -m tcp --dport 1010 -j DNAT --to-destination [fd00:1::2]:2010\nCOMMIT\n"
	"*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n"
	"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	"-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n";

static void twin_open(struct twin *t, enum flow_mode mode)
{
	const union nf_inet_addr second4 = { .ip = htonl(0x0a010003) }, second6 = { .in6.s6_addr = { 0xfd, 0, 0, 1, [15] = 3 } };
	const uint8_t mac[6] = { 2, 0, 0, 0, 1, 3 };
	struct router *r;

	router_open((void **)&r);
	t->inst = r->inst;
	t->port[0] = r->port[0];
	t->port[1] = r->port[1];
	free(r);
	flowcache_set_mode(t->inst, mode);
	route_iface_set_mtu(t->inst, t->port[1], 1300);
	assert_int_equal(neigh_set_permanent(t->inst, t->port[1], NFPROTO_IPV4, &second4, mac, NULL), 0);
	assert_int_equal(neigh_set_permanent(t->inst, t->port[1], NFPROTO_IPV6, &second6, mac, NULL), 0);
	ct_accounting_on(t->inst);
	t->inst->observer = (struct observer){ .priv = t, .transmit = on_transmit, .deliver = on_deliver, .drop = on_drop,
					       .ct_event = on_event };
	assert_int_equal(rules_restore(t->inst, NFPROTO_IPV4, rules4, strlen(rules4), "r4", 0, NULL), 0);
	assert_int_equal(rules_restore(t->inst, NFPROTO_IPV6, rules6, strlen(rules6), "r6", 0, NULL), 0);
}

/* --- packets --- */

struct drawn {
	bool six, tcp, echo, answer, local;
	uint16_t flow;
	uint16_t sport, dport, len;
	uint8_t tos, ttl, flags;
	uint32_t seq, ack;
	bool df, broken;
};

static struct drawn draw(struct rng *rng, uint32_t seq[FLOWS][2])
{
	uint32_t flow = rng_below(rng, FLOWS);
	struct drawn d = { .six = flow % 4 == 3, .tcp = flow % 3 == 0, .echo = flow % 3 == 1 && flow % 5 < 2, .flow = (uint16_t)flow, .answer = rng_below(rng, 3) == 0, .local = flow % 7 == 6,
			   .sport = (uint16_t)(3000 + flow), .dport = (uint16_t)(1000 + flow % 14), .ttl = 64,
			   .len = (uint16_t)(10 + rng_below(rng, 90)), .flags = 0x10, .df = rng_below(rng, 2) };

	if (rng_below(rng, 12) == 0)
		d.tos = (uint8_t)(rng_below(rng, 2) ? 0x20 : rng_below(rng, 256));
	if (rng_below(rng, 25) == 0)
		d.ttl = (uint8_t)(rng_below(rng, 2) ? rng_below(rng, 4) : rng_below(rng, 256));
	if (rng_below(rng, 30) == 0)
		d.len = (uint16_t)(1200 + rng_below(rng, 120));
	if (d.tcp && rng_below(rng, 6) == 0)
		d.flags = (uint8_t)(rng_below(rng, 5) ? 0x18 : rng_below(rng, 64));
	if (d.tcp && rng_below(rng, 40) == 0)
		d.flags = d.answer ? 0x12 : 0x02;
	d.broken = rng_below(rng, 60) == 0;
	d.seq = seq[flow][d.answer];
	d.ack = seq[flow][!d.answer];
	seq[flow][d.answer] += d.len - 10 + ((d.flags & 3) != 0);
	return d;
}

/* Addresses as the other side sees them: answers to a translated flow go to its translation. */
static void write_addrs(const struct drawn *d, uint8_t *saddr, uint8_t *daddr, uint16_t *dport)
{
	bool masked = !d->local && !d->tcp && (d->echo || !d->six || d->dport == 1005);
	bool turned = d->tcp && d->dport == 1010, redirected = !d->six && !d->tcp && !d->echo && d->dport == 1011;
	const bool is_second = d->flow % 2 && !turned;	/* two servers, next to each other */
	const char *server = d->local ? (d->six ? "fd00::1" : "10.0.0.1") : d->six ? (is_second ? "fd00:1::3" : "fd00:1::2") :
			     is_second ? "10.1.0.3" : "10.1.0.2";
	const char *client = d->six ? "fd00::2" : "10.0.0.2";
	const char *seen = masked && d->answer ? (d->six ? "fd00:1::1" : "10.1.0.1") : client;
	int family = d->six ? AF_INET6 : AF_INET;

	if (redirected && d->answer)
		seen = client;
	if (turned && d->answer)
		*dport = 2010;
	inet_pton(family, d->answer ? server : client, saddr);
	inet_pton(family, d->answer ? seen : server, daddr);
}

/* @id: as the other side saw the question's. */
static void write_echo(const struct drawn *d, uint8_t *l4, uint16_t id)
{
	be16 own = htons(d->sport);

	l4[0] = d->six ? (d->answer ? 129 : 128) : (d->answer ? 0 : 8);
	memcpy(l4 + 4, d->answer && id ? &id : &own, 2);
	put_be16(l4 + 6, d->flow);
}

static uint32_t write_frame(const struct drawn *d, const struct iface *to, uint8_t *frame, const uint16_t *echo_ids)
{
	uint32_t head = d->tcp ? 20 : 8, len = head + d->len, at = ETH_HLEN + (d->six ? 40 : 20);
	uint8_t *ip = frame + ETH_HLEN, *l4 = frame + at;
	uint16_t server_port = d->dport;
	be16 sum;

	memset(frame, 0, at + len);
	memcpy(frame, to->mac, 6);
	frame[6] = 2;
	frame[11] = 9;
	put_be16(frame + 12, d->six ? ETH_P_IPV6 : ETH_P_IP);
	if (d->six) {
		put_be32(ip, 6u << 28 | (uint32_t)d->tos << 20 | 0x12345);
		put_be16(ip + 4, (uint16_t)len);
		ip[6] = d->tcp ? IPPROTO_TCP : d->echo ? IPPROTO_ICMPV6 : IPPROTO_UDP;
		ip[7] = d->ttl;
		write_addrs(d, ip + 8, ip + 24, &server_port);
	} else {
		struct iphdr h = { .version = 4, .ihl = 5, .tos = d->tos, .tot_len = htons((uint16_t)(20 + len)), .ttl = d->ttl,
				   .id = htons(7), .frag_off = d->df ? htons(IP4_DF) : 0,
				   .protocol = d->tcp ? IPPROTO_TCP : d->echo ? IPPROTO_ICMP : IPPROTO_UDP };

		write_addrs(d, (uint8_t *)&h.saddr, (uint8_t *)&h.daddr, &server_port);
		csum_ip4_header(&h);
		memcpy(ip, &h, sizeof(h));
	}
	if (d->echo) {
		write_echo(d, l4, d->local ? 0 : echo_ids[d->flow]);
	} else {
		put_be16(l4, d->answer ? server_port : d->sport);
		put_be16(l4 + 2, d->answer ? d->sport : server_port);
	}
	if (d->tcp) {
		put_be32(l4 + 4, d->seq);
		put_be32(l4 + 8, d->flags & 0x10 ? d->ack : 0);
		l4[12] = 5 << 4;
		l4[13] = d->flags;
		put_be16(l4 + 14, 20000);
	} else if (!d->echo) {
		put_be16(l4 + 4, (uint16_t)len);
	}
	memset(l4 + head, 'x', d->len);
	if (d->six)
		sum = csum_fold(csum_partial(l4, len, csum_pseudo6(ip + 8, ip + 24, ip[6], len)));
	else if (d->echo)
		sum = csum_fold(csum_partial(l4, len, 0));
	else
		sum = csum_fold(csum_partial(l4, len, csum_partial(ip + 12, 8, csum_pseudo4(0, 0, ip[9], len))));
	if (!sum)
		sum = 0xffff;
	if (d->broken)
		sum ^= 0x1234;
	memcpy(l4 + (d->tcp ? 16 : d->echo ? 2 : 6), &sum, 2);
	return at + len;
}

/* The host sends: through a raw socket, to the host behind eth1. */
static void send_own(struct twin *t, uint32_t value)
{
	struct drawn d = { .six = value % 5 == 0, .tcp = value % 3 == 0, .sport = (uint16_t)(50 + value % 4), .dport = 1003,
			   .tos = value % 32 == 1 ? 0x20 : 0, .ttl = value % 16 == 1 ? 1 : 64, .len = (uint16_t)(10 + value % 60), .flags = 0x10,
			   .answer = true, .seq = value, .ack = 5 };
	uint8_t frame[FRAME_MAX];
	uint32_t len = write_frame(&d, t->port[0], frame, t->echo_id);
	struct pkt *pkt;

	if (value % 3 == 1)
		return;
	inet_pton(d.six ? AF_INET6 : AF_INET, d.six ? "fd00:1::1" : "10.1.0.1", frame + ETH_HLEN + (d.six ? 8 : 12));
	inet_pton(d.six ? AF_INET6 : AF_INET, d.six ? "fd00:1::2" : "10.1.0.2", frame + ETH_HLEN + (d.six ? 24 : 16));
	pkt = pkt_from_raw_ip(t->inst, NULL, frame + ETH_HLEN, len - ETH_HLEN);
	assert_non_null(pkt);
	path_send_local(t->inst, pkt);
}

/* --- changes --- */

static bool mark_it(void *priv, struct ct *ct)
{
	ct->mark = *(uint32_t *)priv;
	return true;
}

/* A route for one TOS that leads nowhere. */
static void pretend_tos_route(struct twin *t, bool add)
{
	struct route_spec spec = { .family = NFPROTO_IPV4, .type = RTN_UNREACHABLE, .prefix_len = 32, .tos = 0x04,
				   .dst.ip = htonl(0x0a010002) };

	if (add)
		route_add(t->inst, &spec, false, NULL);
	else
		route_del(t->inst, &spec, NULL);
}

static void change(struct twin *t, uint32_t what, uint32_t value)
{
	union nf_inet_addr host = { .ip = htonl(0x0a010002) };
	uint8_t mac[6] = { 2, 0, 0, 0, 1, (uint8_t)value };
	uint32_t mark = value % 3 ? 0 : 7;

	switch (what) {
	case 0:
		command(t, "iptables -t mangle -L FORWARD -v -n -x -Z");
		break;
	case 1:
		command(t, "iptables -I FORWARD -p udp --dport 1001 -j DROP");
		break;
	case 2:
		command(t, "iptables -D FORWARD -p udp --dport 1001 -j DROP");
		break;
	case 3:
		ct_each(t->inst, mark_it, &mark);
		break;
	case 4:
		assert_int_equal(neigh_set_permanent(t->inst, t->port[1], NFPROTO_IPV4, &host, mac, NULL), 0);
		break;
	case 5:
		sysctl_set(t->inst->sysctls, "net.ipv4.ip_forward_update_priority", value % 2 ? "0" : "1", NULL);
		break;
	case 6:
		neigh_del(t->inst, t->port[1], NFPROTO_IPV4, &host, NULL);
		assert_int_equal(neigh_set_permanent(t->inst, t->port[1], NFPROTO_IPV4, &host, mac, NULL), 0);
		break;
	case 8:
		pretend_tos_route(t, value % 2);
		break;
	case 7:
		route_iface_set_mtu(t->inst, t->port[1], 1290 + value % 30);
		break;
	default:
		instance_advance(t->inst, t->inst->now_ns + (int64_t)(value % 40000) * NSEC_PER_MSEC);
		break;
	}
}

/* Flows whose echoes went out with an id that is not theirs. */
static unsigned int echoes(const struct twin *t)
{
	unsigned int changed = 0;

	for (int i = 0; i < FLOWS; i++)
		changed += t->echo_id[i] && ntohs(t->echo_id[i]) != 3000 + i;
	return changed;
}

static void remembered_ways_are_the_full_way(void **state)
{
	struct twin twins[TWINS] = { { 0 } };
	uint32_t seq[FLOWS][2] = { { 0 } };
	const struct flow_stats *stats;
	struct rng rng;

	rng_seed(&rng, 11);
	for (int i = 0; i < TWINS; i++)
		twin_open(&twins[i], twin_modes[i]);
	workers_open(&twins[MODES]);
	for (int step = 0; step < STEPS; step++) {
		uint32_t n = 1 + rng_below(&rng, 8), what = rng_below(&rng, 150), value = rng_below(&rng, 1u << 20);
		uint8_t frames[8][FRAME_MAX];
		struct drawn d[8];
		uint32_t len[8];
		bool out[8];
		char word[32];

		for (uint32_t k = 0; k < n; k++) {
			d[k] = draw(&rng, seq);
			out[k] = d[k].answer && !d[k].local;
			len[k] = write_frame(&d[k], twins[0].port[out[k]], frames[k], twins[0].echo_id);
		}
		for (int i = 0; i < TWINS; i++) {
			receive(&twins[i], frames, len, out, n);
			worker_alone_begin(twins[i].inst, NULL);
			send_own(&twins[i], value);
			if (what < 10)
				change(&twins[i], what, value);
			if (step % 500 == 499)
				see_state(&twins[i]);
			instance_advance(twins[i].inst, twins[i].inst->now_ns + 3 * NSEC_PER_MSEC);
			worker_alone_end(twins[i].inst, NULL);
		}
		snprintf(word, sizeof(word), "change %u", what);
		must_be_equal(twins, step, word);
	}
	stats = flowcache_stats(twins[1].inst);
	print_message("hits %llu learned %llu refused %llu late %llu guessed %llu; left %llu dropped %llu delivered %llu events %llu\n",
		      (unsigned long long)stats->hits, (unsigned long long)stats->recorded, (unsigned long long)stats->refused,
		      (unsigned long long)stats->late, (unsigned long long)stats->guessed, (unsigned long long)twins[0].left, (unsigned long long)twins[0].dropped,
		      (unsigned long long)twins[0].delivered, (unsigned long long)twins[0].events);
	assert_true(stats->hits > STEPS);
	assert_true(stats->late > 100);
	assert_true(stats->guessed > 1000);
	assert_true(echoes(&twins[0]) > 3);
	assert_true(twins[0].delivered > 1000 && twins[0].dropped > 1000 && twins[0].events > 100);
	assert_true(flowcache_stats(twins[MODES].inst)->hits > STEPS);
	for (int i = 0; i < TWINS; i++)
		twin_close(&twins[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembered_ways_are_the_full_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
