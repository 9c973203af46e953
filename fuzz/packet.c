/*
 * fuzz/packet.c - anything as a packet: parse and checksum, then the whole way through a configured instance.
 *
 * Input: records of one control byte, two bytes of length and that many bytes of packet.
 *   bits 0-1  which interface       bit 2  the host sends it     bit 3  the bytes are IP: a frame is put before
 *   bit 4     sums of IP bytes are made right   bit 5  half a second passes before it; with bit 6, half a minute
 */
#include <stdio.h>

#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 24, PACKET_MAX = 4000 };

/* So that the fuzzer does not have to guess sums to get past the first checks. */
static void make_sums_right(uint8_t *bytes, uint32_t len)
{
	uint32_t l4_off, l4_len, sum;
	uint8_t proto;

	if (len >= 20 && bytes[0] >> 4 == 4) {
		struct iphdr *ip = (struct iphdr *)bytes;

		if (ip->ihl < 5 || ip->ihl * 4u > len)
			return;
		if (ntohs(ip->tot_len) > len)
			ip->tot_len = htons((uint16_t)len);
		csum_ip4_header(ip);
		l4_off = ip->ihl * 4u;
		if (ntohs(ip->tot_len) < l4_off)
			return;
		l4_len = ntohs(ip->tot_len) - l4_off;
		proto = ip->protocol;
		sum = proto == IPPROTO_ICMP ? 0 : csum_pseudo4(ip->saddr, ip->daddr, proto, l4_len);
	} else if (len >= 40 && bytes[0] >> 4 == 6) {
		struct ipv6hdr *ip6 = (struct ipv6hdr *)bytes;

		if (ntohs(ip6->payload_len) > len - 40)
			ip6->payload_len = htons((uint16_t)(len - 40));
		l4_off = 40;
		l4_len = ntohs(ip6->payload_len);
		proto = ip6->nexthdr;
		sum = csum_pseudo6(&ip6->saddr, &ip6->daddr, proto, l4_len);
	} else {
		return;
	}
	/* where each protocol keeps its sum */
	uint32_t at = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 :
		      proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? 2 : UINT32_MAX;
	if (at == UINT32_MAX || l4_len < at + 2)
		return;
	memset(bytes + l4_off + at, 0, 2);
	be16 check = csum_fold(csum_partial(bytes + l4_off, l4_len, sum));
	memcpy(bytes + l4_off + at, &check, 2);
}

static struct pkt *packet_of(struct world *world, uint8_t control, const uint8_t *data, uint32_t len)
{
	struct iface *in = world->iface[control & 3];
	/* its own allocation, ending with the packet: reads beyond it are found; the IP header is aligned */
	uint8_t *room = malloc(16 + len), *bytes = room + 2, *ip = bytes + 14;
	struct pkt *pkt;

	memcpy(ip, data, len);
	if (control & 0x10) {
		if (control & 8 || control & 4 || in->type == ARPHRD_NONE)
			make_sums_right(ip, len);
	}
	if (control & 4) {
		pkt = pkt_from_raw_ip(world->inst, NULL, ip, len);
	} else if (in->type == ARPHRD_NONE) {
		pkt = pkt_from_raw_ip(world->inst, in, ip, len);
	} else if (control & 8) {
		memcpy(bytes, in->mac, 6);
		memcpy(bytes + 6, "\2\0\0\0\0\x77", 6);
		put_be16(bytes + 12, len && ip[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
		pkt = pkt_from_frame(world->inst, in, bytes, 14 + len);
	} else {
		uint8_t *exact = malloc(len ? len : 1);

		memcpy(exact, ip, len);
		pkt = pkt_from_frame(world->inst, in, exact, len);
		free(exact);
	}
	free(room);
	return pkt;
}

static void look(struct instance *inst, struct pkt *pkt)
{
	struct pkt *copy = pkt_copy(inst, pkt);

	if (copy) {
		if (pkt_parse(copy) == 0) {
			if (copy->l.l4_off > copy->len || copy->l.l4_len > copy->len - copy->l.l4_off)
				abort();
			if (pkt_l4_checksum_ok(copy) && pkt_l4(copy, 8) && copy->l.frag_off)
				abort();
			pkt_checksum_holds(copy, copy->l.l4proto);
		} else if (copy->l.has_l4) {
			abort();
		}
		pkt_free(inst, copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *kept;
	struct world *world = world_get(&kept, true);

	for (int i = 0; i < RECORDS_MAX && size >= 3; i++) {
		uint8_t control = data[0];
		uint32_t len = get_be16(data + 1);
		struct pkt *pkt;

		data += 3;
		size -= 3;
		len = MIN_OF(MIN_OF(len, (uint32_t)size), (uint32_t)PACKET_MAX);
		if (control & 0x20)
			instance_advance(world->inst, world->inst->now_ns +
					 (control & 0x40 ? 30ll * NSEC_PER_SEC : NSEC_PER_SEC / 2));
		pkt = packet_of(world, control, data, len);
		data += len;
		size -= len;
		if (!pkt)
			continue;
		look(world->inst, pkt);
		if (control & 4)
			path_send_local(world->inst, pkt);
		else
			path_receive(world->inst, &pkt, 1);
	}
	world_put(&kept, world);
	return 0;
}
