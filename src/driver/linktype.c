/*
 * driver/linktype.c - link types by name, and from each to a received packet.
 * Cooked captures lost their Ethernet header; what it said about the receiver (for us, broadcast,
 * for somebody else) was kept, and is enough to put an equal one back.
 */
#include "base/types.h"

#include "driver/pcap.h"
#include "instance.h"
#include "packet/packet.h"

enum {
	SLL_HEADER = 16,
	SLL2_HEADER = 20,
	SLL_OUTGOING = 4,
	WIRE_LEN_MAX = PKT_LEN_MAX + 64,
};

const char *linktype_name(uint32_t linktype)
{
	static const struct { uint32_t number; const char *name; } names[] = {
		{ LINK_NULL, "BSD loopback" }, { LINK_ETHERNET, "Ethernet" }, { 6, "Token Ring" }, { 9, "PPP" },
		{ 10, "FDDI" }, { LINK_RAW_12, "raw IP" }, { LINK_RAW_14, "raw IP" }, { 50, "PPP over serial" },
		{ 51, "PPP over Ethernet" }, { LINK_RAW, "raw IP" }, { 104, "Cisco HDLC" }, { 105, "IEEE 802.11" },
		{ 107, "Frame Relay" }, { LINK_LOOP, "OpenBSD loopback" }, { LINK_LINUX_SLL, "Linux cooked" },
		{ 117, "pflog" }, { 119, "Prism and 802.11" }, { 127, "radiotap and 802.11" },
		{ 147, "user type 0" }, { 187, "Bluetooth HCI" }, { 189, "USB" }, { 195, "IEEE 802.15.4" },
		{ 201, "Bluetooth HCI with direction" }, { 220, "Linux USB" }, { 227, "CAN" },
		{ LINK_IPV4, "IPv4" }, { LINK_IPV6, "IPv6" }, { 239, "nflog" }, { 242, "IP over InfiniBand" },
		{ 249, "USBPcap" }, { 252, "Wireshark upper PDU" }, { 253, "netlink" },
		{ LINK_LINUX_SLL2, "Linux cooked v2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].number == linktype)
			return names[i].name;
	return NULL;
}

bool linktype_is_usable(uint32_t linktype)
{
	return linktype == LINK_ETHERNET || linktype == LINK_LINUX_SLL || linktype == LINK_LINUX_SLL2 ||
	       linktype_is_ip(linktype);
}

bool linktype_is_ip(uint32_t linktype)
{
	switch (linktype) {
	case LINK_NULL: case LINK_LOOP: case LINK_RAW_12: case LINK_RAW_14: case LINK_RAW: case LINK_IPV4: case LINK_IPV6:
		return true;
	default:
		return false;
	}
}

/* The destination that a frame of this packet type had, as far as the receiver could tell. */
static void cooked_destination(uint8_t mac[6], unsigned int type, uint16_t protocol, const struct iface *in,
			       const uint8_t *l3, uint32_t len)
{
	memcpy(mac, in->mac, 6);
	if (type == PACKET_BROADCAST) {
		memset(mac, 0xff, 6);
	} else if (type == PACKET_MULTICAST) {
		static const uint8_t v4[] = { 0x01, 0x00, 0x5e }, v6[] = { 0x33, 0x33 };

		memcpy(mac, v4, sizeof(v4));
		if (protocol == ETH_P_IP && len >= 20) {
			memcpy(mac + 3, l3 + 17, 3);
			mac[3] &= 0x7f;
		} else if (protocol == ETH_P_IPV6 && len >= 40) {
			memcpy(mac, v6, sizeof(v6));
			memcpy(mac + 2, l3 + 36, 4);
		}
	} else if (type == PACKET_OTHERHOST) {
		mac[5] ^= 0x01;		/* anybody's but ours */
	}
}

static enum take take_cooked(struct instance *inst, struct iface *in, const struct capture_packet *cap,
			     const uint8_t *p, uint32_t len, struct pkt **made)
{
	bool v2 = cap->linktype == LINK_LINUX_SLL2;
	uint32_t head = v2 ? SLL2_HEADER : SLL_HEADER;
	uint16_t protocol;
	unsigned int type;
	const uint8_t *source;
	uint8_t frame[ETH_HLEN + 64];
	struct pkt *pkt;

	if (len < head)
		return TAKE_SHORT;
	type = v2 ? p[10] : get_be16(p);
	protocol = get_be16(v2 ? p : p + 14);
	source = v2 ? p + 12 : p + 6;
	if (type == SLL_OUTGOING)
		return TAKE_OUTBOUND;
	if (!in || in->type != ARPHRD_ETHER) {
		*made = pkt_from_raw_ip(inst, in, p + head, len - head);
		return *made ? TAKE_OK : TAKE_SHORT;
	}
	cooked_destination(frame, type, protocol, in, p + head, len - head);
	memcpy(frame + 6, source, 6);
	put_be16(frame + 12, protocol);
	/* Head first, the rest after it: the packet's room is made once it is known to be one. */
	if (len - head <= sizeof(frame) - ETH_HLEN) {
		memcpy(frame + ETH_HLEN, p + head, len - head);
		*made = pkt_from_frame(inst, in, frame, ETH_HLEN + len - head);
		return *made ? TAKE_OK : TAKE_SHORT;
	}
	memcpy(frame + ETH_HLEN, p + head, 64);
	pkt = pkt_from_frame(inst, in, frame, ETH_HLEN + 64);
	if (!pkt)
		return TAKE_SHORT;
	if (pkt_grow_tail(pkt, len - head - 64)) {
		pkt_free(inst, pkt);
		return TAKE_NO_MEMORY;
	}
	memcpy(pkt->data + pkt->len, p + head + 64, len - head - 64);
	pkt->len += len - head - 64;
	*made = pkt;
	return TAKE_OK;
}

static enum take take_ip(struct instance *inst, struct iface *in, const struct capture_packet *cap, const uint8_t *p,
			 uint32_t len, struct pkt **made)
{
	uint32_t head = cap->linktype == LINK_NULL || cap->linktype == LINK_LOOP ? 4 : 0;

	if (len <= head)
		return TAKE_SHORT;
	*made = pkt_from_raw_ip(inst, in, p + head, len - head);
	return *made ? TAKE_OK : TAKE_SHORT;
}

enum take capture_take(struct instance *inst, struct iface *in, const struct capture_packet *cap, struct pkt **made)
{
	uint32_t missing;
	enum take took;

	if (unlikely(cap->outbound))
		return TAKE_OUTBOUND;
	if (likely(cap->linktype == LINK_ETHERNET)) {
		*made = pkt_from_frame(inst, in, cap->bytes, cap->len);
		took = *made ? TAKE_OK : TAKE_SHORT;
	} else if (linktype_is_ip(cap->linktype)) {
		took = take_ip(inst, in, cap, cap->bytes, cap->len, made);
	} else {
		took = take_cooked(inst, in, cap, cap->bytes, cap->len, made);
	}
	if (unlikely(took != TAKE_OK))
		return took;
	if (unlikely(cap->wire_len > cap->len) && cap->len < WIRE_LEN_MAX) {
		missing = MIN_OF(cap->wire_len, (uint32_t)WIRE_LEN_MAX) - cap->len;
		if (pkt_grow_tail(*made, missing)) {
			pkt_free(inst, *made);
			return TAKE_NO_MEMORY;
		}
		memset((*made)->data + (*made)->len, 0, missing);
		(*made)->len += missing;
		(*made)->flags |= PKT_FLAG_CSUM_TRUSTED;
	}
	(*made)->stamp_ns = cap->stamp_ns;
	return TAKE_OK;
}
