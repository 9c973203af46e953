/*
 * port/segment.c - what a sender left to its network card to cut up. Each piece is the frame that Linux's own segmentation
 * would send: IPv4 ids count up, TCP's FIN and PSH are on the last piece, CWR on the first.
 */
#include <linux/virtio_net.h>

#include "packet/packet.h"
#include "port/port.h"

/* VIRTIO_NET_HDR_GSO_UDP_L4 of newer headers */
enum { GSO_UDP_L4 = 5 };
enum { FRAME_MAX = 65536 + 64, TCP_FIN_PSH = 0x09, TCP_CWR = 0x80 };

struct layout {
	uint32_t l3, l4, payload;	/* offsets in the frame */
	bool v6, udp;
};

static bool find_layers(const uint8_t *f, uint32_t len, const struct port_offload *o, struct layout *out)
{
	uint32_t l3 = ETH_HLEN;

	if (len >= l3 + 4 && get_be16(f + 12) == ETH_P_8021Q)
		l3 += 4;
	if (len < l3 + sizeof(struct iphdr))
		return false;
	out->l3 = l3;
	out->v6 = f[l3] >> 4 == 6;
	out->l4 = o->sum_start;
	out->udp = o->gso == GSO_UDP_L4;
	if (!o->needs_sum || out->l4 < l3 + (out->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) || out->l4 >= len)
		return false;
	if (out->udp) {
		out->payload = out->l4 + sizeof(struct udphdr);
	} else {
		if (len < out->l4 + sizeof(struct tcphdr))
			return false;
		out->payload = out->l4 + (f[out->l4 + 12] >> 4) * 4u;
		if (out->payload < out->l4 + sizeof(struct tcphdr))
			return false;
	}
	return out->payload < len && o->segment_len;
}

static void finish(uint8_t *f, uint32_t len, const struct layout *at, uint32_t sent, bool first, bool last, uint16_t id)
{
	uint32_t l4_len = len - at->l4, pseudo;
	uint8_t proto = at->udp ? IPPROTO_UDP : IPPROTO_TCP, *l4 = f + at->l4;
	uint8_t *sum_at = l4 + (at->udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	be16 sum;

	if (at->v6) {
		put_be16(f + at->l3 + 4, (uint16_t)(len - at->l3 - sizeof(struct ipv6hdr)));
		pseudo = csum_pseudo6((const void *)(f + at->l3 + 8), (const void *)(f + at->l3 + 24), proto, l4_len);
	} else {
		be32 saddr, daddr;

		put_be16(f + at->l3 + 2, (uint16_t)(len - at->l3));
		put_be16(f + at->l3 + 4, id);
		memset(f + at->l3 + 10, 0, 2);
		sum = csum_fold(csum_partial(f + at->l3, (f[at->l3] & 15) * 4u, 0));
		memcpy(f + at->l3 + 10, &sum, sizeof(sum));
		memcpy(&saddr, f + at->l3 + 12, 4);
		memcpy(&daddr, f + at->l3 + 16, 4);
		pseudo = csum_pseudo4(saddr, daddr, proto, l4_len);
	}
	if (at->udp) {
		put_be16(l4 + 4, (uint16_t)l4_len);
	} else {
		put_be32(l4 + 4, get_be32(l4 + 4) + sent);
		if (!last)
			l4[13] &= (uint8_t)~TCP_FIN_PSH;
		if (!first)
			l4[13] &= (uint8_t)~TCP_CWR;
	}
	memset(sum_at, 0, 2);
	sum = csum_fold(csum_partial(l4, l4_len, pseudo));
	if (at->udp && !sum)
		sum = 0xffff;
	memcpy(sum_at, &sum, sizeof(sum));
}

bool port_segment(const uint8_t *frame, uint32_t len, const struct port_offload *offload,
		  void (*emit)(void *priv, uint8_t *frame, uint32_t len), void *priv)
{
	uint8_t piece[FRAME_MAX];
	struct layout at;
	uint16_t id;

	if (len > FRAME_MAX || !find_layers(frame, len, offload, &at))
		return false;
	if (at.payload + offload->segment_len > FRAME_MAX)
		return false;
	id = at.v6 ? 0 : get_be16(frame + at.l3 + 4);
	for (uint32_t sent = 0, total = len - at.payload; sent < total; sent += offload->segment_len) {
		uint32_t part = MIN_OF(total - sent, (uint32_t)offload->segment_len);

		memcpy(piece, frame, at.payload);
		memcpy(piece + at.payload, frame + at.payload + sent, part);
		finish(piece, at.payload + part, &at, sent, sent == 0, sent + part == total, id++);
		emit(priv, piece, at.payload + part);
	}
	return true;
}
