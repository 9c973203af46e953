/* rule_packets.h - a few packets of every kind for rule sets that a fuzzer made. */
#ifndef WEIR_FUZZ_RULE_PACKETS_H
#define WEIR_FUZZ_RULE_PACKETS_H

#include "world.h"

static void rule_packet4(struct world *world, uint8_t proto, uint16_t frag_off, uint32_t daddr, uint32_t l4_len)
{
	uint8_t bytes[128] = { 0 };
	struct iphdr *ip = (struct iphdr *)bytes;
	struct pkt *pkt;

	*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = proto, .frag_off = htons(frag_off),
			      .tot_len = htons((uint16_t)(20 + l4_len)), .saddr = htonl(0x0a000002), .daddr = htonl(daddr) };
	csum_ip4_header(ip);
	memcpy(bytes + 20, (uint8_t[]){ 0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02 }, 14);
	pkt = pkt_from_raw_ip(world->inst, world->iface[3], bytes, 20 + l4_len);
	if (pkt)
		path_receive(world->inst, &pkt, 1);
}

static void rule_packet6(struct world *world, uint8_t nexthdr, const uint8_t *rest, uint32_t len)
{
	uint8_t bytes[128] = { 0x60, [5] = (uint8_t)len, [6] = nexthdr, [7] = 64 };
	struct pkt *pkt;

	memcpy(bytes + 8, (uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8, [15] = 2 }, 16);
	memcpy(bytes + 24, (uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 2 }, 16);
	memcpy(bytes + 40, rest, len);
	pkt = pkt_from_raw_ip(world->inst, world->iface[3], bytes, 40 + len);
	if (pkt)
		path_receive(world->inst, &pkt, 1);
}

static void rule_packets_send(struct world *world)
{
	static const uint8_t l4[40] = { 0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02 };
	static const uint8_t hop[16] = { 6, 0, 1, 4 }, cut[3] = { 6, 1, 0 }, later[16] = { 17, 0, 0, 8, 0, 0, 0, 9 };

	rule_packet4(world, IPPROTO_TCP, 0, 0xc0000202, 40);
	rule_packet4(world, IPPROTO_UDP, 0, 0xc0000201, 20);
	rule_packet4(world, IPPROTO_UDP, 0, 0xc0000202, 5);
	rule_packet4(world, IPPROTO_UDP, 0x2002, 0xc0000202, 16);
	rule_packet4(world, IPPROTO_ICMP, 0, 0x0a000001, 16);
	rule_packet4(world, 47, 0, 0xc0000202, 0);
	rule_packet6(world, IPPROTO_TCP, l4, sizeof(l4));
	rule_packet6(world, IPPROTO_UDP, l4, 8);
	rule_packet6(world, IPPROTO_HOPOPTS, hop, sizeof(hop));
	rule_packet6(world, IPPROTO_HOPOPTS, cut, sizeof(cut));
	rule_packet6(world, IPPROTO_FRAGMENT, later, sizeof(later));
	rule_packet6(world, IPPROTO_ICMPV6, l4, 20);
}

#endif
