/*
 * fuzz/fragments.c - streams of fragments through the reassembler and through the whole way.
 *
 * Every payload byte follows from its place in the datagram, whoever sends it: what comes out must hold exactly
 * these bytes, however pieces repeat, overlap, arrive late or end twice. When all is over no memory is charged.
 * Input: six bytes a fragment: what and whose, offset (2), length, flags, header oddities.
 */
#include <stdio.h>

#include "packet/defrag.h"
#include "packet/frag_internal.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAGMENTS_MAX = 300 };

static uint8_t byte_at(uint32_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 7);
}

static void check_whole(const struct pkt *pkt, uint32_t header_len)
{
	for (uint32_t i = header_len; i < pkt->len; i++)
		if (pkt->data[i] != byte_at(i - header_len))
			abort();
}

struct recipe {
	bool ip6, direct, local, more, df;
	uint8_t id, ecn, odd;
	uint32_t offset, len;
};

static uint32_t build4(uint8_t *out, const struct recipe *r)
{
	uint32_t header_len = r->odd & 1 ? 28 : 20;
	struct iphdr ip = { .version = 4, .ihl = header_len / 4, .tos = r->ecn, .id = htons(r->id), .ttl = 9,
			    .tot_len = htons((uint16_t)(header_len + r->len)), .protocol = 253,
			    .saddr = htonl(0x0a000002), .daddr = htonl(r->local ? 0x0a000001 : 0xc0000202) };

	ip.frag_off = htons((uint16_t)(r->offset / 8 | (r->more ? IP4_MF : 0) | (r->df ? IP4_DF : 0)));
	memcpy(out, &ip, 20);
	memset(out + 20, 1, header_len - 20);	/* options: no-ops */
	csum_ip4_header((struct iphdr *)out);
	for (uint32_t i = 0; i < r->len; i++)
		out[header_len + i] = byte_at(r->offset + i);
	return header_len + r->len;
}

static uint32_t build6(uint8_t *out, const struct recipe *r)
{
	uint32_t at = 40;
	struct ipv6hdr ip6 = { .version = 6, .nexthdr = IPPROTO_FRAGMENT, .hop_limit = 9 };

	inet_pton(AF_INET6, "2001:db8::2", &ip6.saddr);
	inet_pton(AF_INET6, r->local ? "2001:db8::1" : "2001:db8:1::2", &ip6.daddr);
	if (r->odd & 1) {	/* destination options in front */
		ip6.nexthdr = IPPROTO_DSTOPTS;
		memcpy(out + at, (uint8_t[]){ IPPROTO_FRAGMENT, 0, 1, 4, 0, 0, 0, 0 }, 8);
		at += 8;
	}
	out[at] = r->odd & 2 ? IPPROTO_DSTOPTS : 253;
	out[at + 1] = 0;
	put_be16(out + at + 2, (uint16_t)(r->offset | (r->more ? IP6_MF : 0)));
	put_be32(out + at + 4, r->id);
	at += 8;
	for (uint32_t i = 0; i < r->len; i++)
		out[at + i] = byte_at(r->offset + i);
	ip6.payload_len = htons((uint16_t)(at + r->len - 40 - (r->odd & 4 ? 3 : 0)));
	memcpy(out, &ip6, 40);
	out[1] |= (uint8_t)(r->ecn << 4);
	return at + r->len;
}

static void send_fragment(struct world *world, const struct recipe *r)
{
	uint8_t *room = malloc(2 + 14 + 64 + r->len), *frame = room + 2;	/* aligns the IP header */
	uint32_t len = r->ip6 ? build6(frame + 14, r) : build4(frame + 14, r);
	struct pkt *pkt;

	memcpy(frame, world->iface[0]->mac, 6);
	memcpy(frame + 6, "\2\0\0\0\1\2", 6);
	put_be16(frame + 12, r->ip6 ? ETH_P_IPV6 : ETH_P_IP);
	if (r->ip6 && r->odd & 4 && len > 43)
		len -= 3;
	pkt = pkt_from_frame(world->inst, world->iface[0], frame, 14 + len);
	free(room);
	if (!pkt)
		return;
	if (!r->direct) {
		path_receive(world->inst, &pkt, 1);
		return;
	}
	pkt_parse(pkt);
	if ((r->ip6 && r->local && pkt->len >= 56
	     ? defrag6_host(world->inst, &pkt, r->odd & 1 ? 48 : 40, r->odd & 1 ? 40 : 6)
	     : defrag_packet(world->inst, &pkt, r->local ? DEFRAG_LOCAL_DELIVER : DEFRAG_CONNTRACK_IN)) >= 0) {
		if (pkt->flags & PKT_FLAG_REASSEMBLED && !pkt->l.is_fragment && pkt->l.l4proto == 253)
			check_whole(pkt, pkt->l.l4_off);
		pkt_free(world->inst, pkt);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *kept;
	struct world *world = world_get(&kept, false);
	struct frags *pools[] = { &world->inst->defrag->ip4, &world->inst->defrag->ip6, &world->inst->defrag->ct6 };

	for (int i = 0; i < FRAGMENTS_MAX && size >= 6; i++, data += 6, size -= 6) {
		struct recipe r = {
			.ip6 = data[0] & 1, .direct = data[0] & 2, .local = data[0] & 4, .id = data[0] >> 4,
			.offset = get_be16(data + 1) & 0xfff8u, .len = data[3], .more = data[4] & 1,
			.df = data[4] & 2, .ecn = data[4] >> 2 & 3, .odd = data[5] & 7,
		};

		if (data[4] & 0x10)	/* short trains meet more often */
			r.offset &= 0xff;
		if (data[4] & 0x20)
			r.len *= 100;
		if (data[4] & 0x40)
			r.len &= ~7u;
		if (data[4] & 0x80)
			instance_advance(world->inst, world->inst->now_ns + (int64_t)(data[5] >> 3) * NSEC_PER_SEC);
		send_fragment(world, &r);
	}
	instance_advance(world->inst, world->inst->now_ns + 3600ll * NSEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(pools); i++)
		if (pools[i]->mem)
			abort();
	world_put(&kept, world);
	return 0;
}
