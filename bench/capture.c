/*
 * bench/capture.c - writes the captures of a busy hour at samples/edge: lan0.pcap, dmz0.pcap, wan0.pcap, what arrived
 * at each port of the gateway. Whole conversations (TCP from SYN to FIN, UDP, pings, both families, from the inside
 * out and from outside to the published server, with some scans and refused mail), several hundred going on at
 * any time. The answers carry the addresses that NAT gives, since every client port is used once.
 *
 *	bench-capture DIR [PACKETS [CONNECTIONS [SEED]]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "packet/packet.h"

enum { LAN, DMZ, WAN, PORTS };
enum { GOING_ON = 600, FRAME_MAX = 1514, STEP_NS_MAX = 100000 };
enum kind { KIND_TCP, KIND_UDP, KIND_PING, KIND_SCAN, KIND_MAIL };

struct end {			/* one side of a conversation, with the address that the other side sees */
	int port;
	uint8_t addr[16], seen[16];
	uint16_t l4, seen_l4;	/* port, or the id of a ping */
	uint32_t seq;
};

struct talk {
	enum kind kind;
	bool six;
	uint32_t step, steps;
	struct end end[2];	/* who began, who answers */
};

struct writer {
	FILE *file[PORTS];
	struct rng rng;
	uint64_t now_ns;
	uint32_t begun;
};

static const uint8_t gateway_mac[PORTS][6] = { { 2, 7, 0, 0, 0, 1 }, { 2, 8, 0, 0, 0, 1 }, { 2, 9, 0, 0, 0, 1 } };
static const uint8_t host_mac[PORTS][6] = { { 0x72, 0x45, 0x3f, 0x5c, 0x2d, 0x2e }, { 0x6a, 0xae, 0xd5, 0xd1, 0xe6, 0x5c },
					    { 0xa2, 0x64, 0xdc, 0x8a, 0x8e, 0xa3 } };

static void addr4(uint8_t out[16], uint32_t addr)
{
	put_be32(out, addr);
}

static void addr6(uint8_t out[16], uint32_t high, uint32_t mid, uint32_t low)
{
	memset(out, 0, 16);
	put_be32(out, high);
	put_be32(out + 4, mid);
	put_be32(out + 12, low);
}

/* From the inside to somewhere outside; IPv4 leaves as 203.0.113.2, IPv6 as it is. */
static void begin_outward(struct writer *w, struct talk *talk, uint16_t service)
{
	uint32_t where = rng_below(&w->rng, 80);
	struct end *client = &talk->end[0], *server = &talk->end[1];

	*client = (struct end){ .port = LAN };
	*server = (struct end){ .port = WAN, .l4 = service, .seen_l4 = service };
	client->l4 = client->seen_l4 = talk->kind == KIND_PING ? w->begun : 1024 + w->begun % 60000;
	if (talk->six) {
		addr6(client->addr, 0xfd070007, 0, 0x20);
		addr6(client->seen, 0xfd070007, 0, 0x20);
		addr6(server->addr, 0x20010db8, 0x00020000, 1 + where);
		addr6(server->seen, 0x20010db8, 0x00020000, 1 + where);
	} else {
		addr4(client->addr, 0xc0a80714);
		addr4(client->seen, 0xcb007102);
		addr4(server->addr, 0xc6336401 + where);
		addr4(server->seen, 0xc6336401 + where);
	}
}

/* From outside to the published web server. */
static void begin_inward(struct writer *w, struct talk *talk, uint16_t service)
{
	struct end *client = &talk->end[0], *server = &talk->end[1];
	uint32_t from = 0xcb007200 + rng_below(&w->rng, 65536);
	uint16_t port = 1024 + w->begun % 60000;

	*client = (struct end){ .port = WAN, .l4 = port, .seen_l4 = port };
	*server = (struct end){ .port = DMZ, .l4 = service, .seen_l4 = service };
	talk->six = false;
	addr4(client->addr, from);
	addr4(client->seen, from);
	addr4(server->addr, 0xc0a80850);
	addr4(server->seen, 0xcb007102);
}

static void talk_begin(struct writer *w, struct talk *talk, uint32_t steps)
{
	static const uint16_t tcp_services[] = { 443, 443, 443, 80, 22, 53 };
	uint32_t dice = rng_below(&w->rng, 100);

	*talk = (struct talk){ .steps = steps, .six = rng_below(&w->rng, 100) < 15 };
	talk->kind = dice < 58 ? KIND_TCP : dice < 88 ? KIND_UDP : dice < 97 ? KIND_PING : dice < 99 ? KIND_SCAN : KIND_MAIL;
	if (talk->kind == KIND_TCP && steps < 7)
		talk->kind = KIND_UDP;
	if (talk->kind == KIND_TCP && dice < 12)
		begin_inward(w, talk, dice < 8 ? 443 : 80);
	else if (talk->kind == KIND_SCAN)
		begin_inward(w, talk, (uint16_t)(1024 + rng_below(&w->rng, 60000)));
	else if (talk->kind == KIND_MAIL)
		begin_outward(w, talk, 25);
	else
		begin_outward(w, talk, talk->kind == KIND_TCP ? tcp_services[rng_below(&w->rng, 6)] :
					       dice & 1 ? 53 : 443);
	talk->end[0].seq = rng_u32(&w->rng);
	talk->end[1].seq = rng_u32(&w->rng);
	w->begun++;
}

/* --- one frame --- */

static void put_record(struct writer *w, int port, const uint8_t *frame, uint32_t len)
{
	uint32_t head[4] = { (uint32_t)(w->now_ns / NSEC_PER_SEC), (uint32_t)(w->now_ns % NSEC_PER_SEC), len, len };

	if (fwrite(head, sizeof(head), 1, w->file[port]) != 1 || fwrite(frame, len, 1, w->file[port]) != 1) {
		perror("bench-capture");
		exit(1);
	}
}

static void send_l4(struct writer *w, const struct talk *talk, int from, uint8_t proto, uint8_t *frame, uint32_t l4_len)
{
	const struct end *src = &talk->end[from], *dst = &talk->end[!from];
	uint8_t *ip = frame + ETH_HLEN, *l4 = ip + (talk->six ? 40 : 20);
	uint32_t pseudo, at = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
	be16 sum;

	memcpy(frame, gateway_mac[src->port], 6);
	memcpy(frame + 6, host_mac[src->port], 6);
	put_be16(frame + 12, talk->six ? ETH_P_IPV6 : ETH_P_IP);
	if (talk->six) {
		memset(ip, 0, 40);
		ip[0] = 0x60;
		put_be16(ip + 4, (uint16_t)l4_len);
		ip[6] = proto;
		ip[7] = 64;
		memcpy(ip + 8, src->addr, 16);
		memcpy(ip + 24, dst->seen, 16);
		pseudo = csum_pseudo6(ip + 8, ip + 24, proto, l4_len);
	} else {
		struct iphdr head = { .version = 4, .ihl = 5, .tot_len = htons((uint16_t)(20 + l4_len)), .ttl = 64,
				      .protocol = proto, .id = htons((uint16_t)rng_u32(&w->rng)), .frag_off = htons(0x4000) };

		memcpy(&head.saddr, src->addr, 4);
		memcpy(&head.daddr, dst->seen, 4);
		csum_ip4_header(&head);
		memcpy(ip, &head, sizeof(head));
		pseudo = proto == IPPROTO_ICMP ? 0 : csum_pseudo4(head.saddr, head.daddr, proto, l4_len);
	}
	memset(l4 + at, 0, 2);
	sum = csum_fold(csum_partial(l4, l4_len, pseudo));
	if (!sum && proto == IPPROTO_UDP)
		sum = 0xffff;
	memcpy(l4 + at, &sum, 2);
	put_record(w, src->port, frame, (uint32_t)(l4 - frame) + l4_len);
}

static uint8_t *l4_of(const struct talk *talk, uint8_t *frame)
{
	return frame + ETH_HLEN + (talk->six ? 40 : 20);
}

static void send_tcp(struct writer *w, struct talk *talk, int from, uint8_t flags, uint32_t payload)
{
	struct end *src = &talk->end[from], *dst = &talk->end[!from];
	uint8_t frame[FRAME_MAX] = { 0 }, *l4 = l4_of(talk, frame);
	uint32_t head = flags & 2 ? 24 : 20;

	put_be16(l4, src->l4);
	put_be16(l4 + 2, dst->seen_l4);
	put_be32(l4 + 4, src->seq);
	put_be32(l4 + 8, flags & 0x10 ? dst->seq : 0);
	l4[12] = (uint8_t)(head / 4 << 4);
	l4[13] = flags;
	put_be16(l4 + 14, 64000);
	if (flags & 2)
		put_be32(l4 + 20, 0x020405b4);		/* largest segment 1460 */
	memset(l4 + head, 'w', payload);
	send_l4(w, talk, from, IPPROTO_TCP, frame, head + payload);
	src->seq += payload + !!(flags & 3);
}

static void send_udp(struct writer *w, struct talk *talk, int from, uint32_t payload)
{
	uint8_t frame[FRAME_MAX] = { 0 }, *l4 = l4_of(talk, frame);

	put_be16(l4, talk->end[from].l4);
	put_be16(l4 + 2, talk->end[!from].seen_l4);
	put_be16(l4 + 4, (uint16_t)(8 + payload));
	memset(l4 + 8, 'u', payload);
	send_l4(w, talk, from, IPPROTO_UDP, frame, 8 + payload);
}

static void send_ping(struct writer *w, struct talk *talk, int from)
{
	uint8_t frame[FRAME_MAX] = { 0 }, *l4 = l4_of(talk, frame);

	l4[0] = talk->six ? (from ? 129 : 128) : (from ? 0 : 8);
	put_be16(l4 + 4, from ? talk->end[0].seen_l4 : talk->end[0].l4);
	put_be16(l4 + 6, (uint16_t)(talk->step / 2));
	memset(l4 + 8, 'p', 56);
	send_l4(w, talk, from, talk->six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, frame, 64);
}

static void tcp_step(struct writer *w, struct talk *talk)
{
	enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };
	uint32_t left = talk->steps - talk->step;

	if (talk->step == 0)
		send_tcp(w, talk, 0, SYN, 0);
	else if (talk->step == 1)
		send_tcp(w, talk, 1, SYN | ACK, 0);
	else if (left == 3)
		send_tcp(w, talk, 0, FIN | ACK, 0);
	else if (left == 2)
		send_tcp(w, talk, 1, FIN | ACK, 0);
	else if (talk->step == 2 || left == 1)
		send_tcp(w, talk, 0, ACK, 0);
	else if (talk->step % 2)
		send_tcp(w, talk, 0, ACK | PSH, rng_below(&w->rng, 4) ? 0 : rng_below(&w->rng, 200));
	else
		send_tcp(w, talk, 1, ACK | PSH, rng_below(&w->rng, 8) ? rng_below(&w->rng, 160) : 1400);
}

static void talk_step(struct writer *w, struct talk *talk)
{
	switch (talk->kind) {
	case KIND_TCP:
		tcp_step(w, talk);
		break;
	case KIND_UDP:
		send_udp(w, talk, talk->step % 2, 20 + rng_below(&w->rng, talk->step % 2 ? 300 : 60));
		break;
	case KIND_PING:
		send_ping(w, talk, talk->step % 2);
		break;
	default:		/* the same SYN again and again: nobody answers, or a RST does */
		send_tcp(w, talk, 0, 2, 0);
		talk->end[0].seq--;
		break;
	}
	talk->step++;
}

/* So many packets for the next one that in the end the sum is right. */
static uint32_t share(struct writer *w, uint64_t packets, uint32_t connections)
{
	uint32_t mean;

	if (connections == 1)
		return (uint32_t)packets;
	mean = (uint32_t)(packets / connections);
	return mean < 3 ? 1 : 2 + rng_below(&w->rng, 2 * mean - 3);
}

int main(int argc, char **argv)
{
	static const char *const names[PORTS] = { "lan0", "dmz0", "wan0" };
	static const uint32_t head[6] = { 0xa1b23c4d, 4 << 16 | 2, 0, 0, 262144, 1 };
	uint64_t packets = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;
	uint32_t connections = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : 50000, going_on = 0;
	struct writer w = { .now_ns = 1700000000ull * NSEC_PER_SEC };
	struct talk talks[GOING_ON];
	char path[4096];

	if (argc < 2 || !connections || packets < connections) {
		fprintf(stderr, "usage: bench-capture DIR [PACKETS [CONNECTIONS [SEED]]]\n");
		return 2;
	}
	rng_seed(&w.rng, argc > 4 ? strtoull(argv[4], NULL, 0) : 1);
	for (int i = 0; i < PORTS; i++) {
		snprintf(path, sizeof(path), "%s/%s.pcap", argv[1], names[i]);
		w.file[i] = fopen(path, "wb");
		if (!w.file[i] || fwrite(head, sizeof(head), 1, w.file[i]) != 1) {
			perror(path);
			return 1;
		}
	}
	while (connections || going_on) {
		uint32_t i;

		while (going_on < GOING_ON && connections) {
			uint32_t steps = share(&w, packets, connections--);

			packets -= steps;
			talk_begin(&w, &talks[going_on++], steps);
		}
		i = rng_below(&w.rng, going_on);
		w.now_ns += rng_below(&w.rng, STEP_NS_MAX);
		talk_step(&w, &talks[i]);
		if (talks[i].step == talks[i].steps)
			talks[i] = talks[--going_on];
	}
	for (int i = 0; i < PORTS; i++) {
		if (fclose(w.file[i]) != 0) {
			perror(names[i]);
			return 1;
		}
	}
	return 0;
}
