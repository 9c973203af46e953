/*
 * packet/packet.c - buffers: made, copied, grown, given back.
 *
 * A packet and its standard buffer are one allocation that waits in the instance's pool for the next packet; only
 * packets that outgrow it get a buffer of their own. With AddressSanitizer there is no pool and no spare
 * tailroom, so that a byte read beyond the packet is found.
 */
#include "packet/packet.h"

#include <stdlib.h>

#include "conntrack/conntrack.h"
#include "host/socket.h"
#include "instance.h"

#if defined(__SANITIZE_ADDRESS__)
#define WEIR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_ASAN 1
#endif
#endif
#ifndef WEIR_ASAN
#define WEIR_ASAN 0
#endif

enum {
	MAC_ROOM = 16,		/* an Ethernet header, with data behind it aligned to 16 */
	BUFFER_LEN = PKT_HEADROOM + MAC_ROOM + 1536 + PKT_TAILROOM,
	PLAIN_MAX = 1536 + ETH_HLEN,	/* a frame that fits in there */
	POOL_MAX = 1024,	/* more than a few bursts with all that they cause */
};

struct pooled {
	struct pkt pkt;
	struct pooled *next;
	_Alignas(16) uint8_t buf[];
};

struct pkt_pool {
	struct pooled *free;
	unsigned int count;
};

struct pkt_pool *pkt_pool_new(void)
{
	return calloc(1, sizeof(struct pkt_pool));
}

void pkt_pool_free(struct pkt_pool *pool)
{
	while (pool && pool->free) {
		struct pooled *item = pool->free;

		pool->free = item->next;
		free(item);
	}
	free(pool);
}

/* NULL of NULL. */
static struct pooled *pooled_of(struct pkt *pkt)
{
	_Static_assert(!offsetof(struct pooled, pkt), "one address");
	return (struct pooled *)pkt;
}

/* Piece by piece: for the whole of it gcc writes "rep stos" or calls somebody, which takes longer to start than this takes in all. */
static inline void clear(struct pkt *pkt)
{
	enum { PIECE = 48 };
	uint8_t *at = (uint8_t *)pkt;

	_Static_assert(sizeof(*pkt) == 7 * PIECE, "as many pieces as there are");
	memset(at, 0, PIECE);
	memset(at + 1 * PIECE, 0, PIECE);
	memset(at + 2 * PIECE, 0, PIECE);
	memset(at + 3 * PIECE, 0, PIECE);
	memset(at + 4 * PIECE, 0, PIECE);
	memset(at + 5 * PIECE, 0, PIECE);
	memset(at + 6 * PIECE, 0, PIECE);
}

/* A packet whose buffer holds @buf_len bytes; everything else zero. */
static inline struct pkt *begin(struct pooled *item, uint8_t *buf, uint32_t buf_len)
{
	clear(&item->pkt);
	item->pkt.buf = buf;
	item->pkt.buf_len = buf_len;
	item->pkt.drop_hook = NF_INET_NUMHOOKS;
	return &item->pkt;
}

static __attribute__((noinline)) struct pkt *pkt_make(struct pkt_pool *pool, uint32_t buf_len)
{
	struct pooled *item = pool->free;
	uint8_t *own = NULL;

	if (WEIR_ASAN || buf_len > BUFFER_LEN) {
		own = malloc(buf_len);
		if (!own)
			return NULL;
	}
	if (item) {
		pool->free = item->next;
		pool->count--;
	} else {
		item = malloc(sizeof(*item) + (WEIR_ASAN ? 0 : BUFFER_LEN));
		if (!item) {
			free(own);
			return NULL;
		}
	}
	return begin(item, own ? own : item->buf, own ? buf_len : BUFFER_LEN);
}

static inline struct pkt *pkt_take(struct pkt_pool *pool, uint32_t buf_len)
{
	struct pooled *item = pool->free;

	if (WEIR_ASAN || unlikely(!item || buf_len > BUFFER_LEN))
		return pkt_make(pool, buf_len);
	pool->free = item->next;
	pool->count--;
	return begin(item, item->buf, BUFFER_LEN);
}

static inline struct pkt *pkt_with_room(const struct instance *inst, struct pkt_pool *pool, uint32_t len, const uint64_t *serial)
{
	struct pkt *pkt = pkt_take(pool, PKT_HEADROOM + MAC_ROOM + len + (WEIR_ASAN ? 0 : PKT_TAILROOM));

	if (!pkt)
		return NULL;
	pkt->data = pkt->buf + PKT_HEADROOM + MAC_ROOM;
	pkt->len = len;
	pkt->stamp_ns = inst->now_ns;
	pkt->serial = *serial;
	return pkt;
}

struct pkt *pkt_new(struct instance *inst, uint32_t len)
{
	struct pkt *pkt = pkt_with_room(inst, inst->pkt_pool, len, &inst->serial);

	if (pkt)
		memset(pkt->data, 0, len);
	return pkt;
}

static inline void give_back(struct pkt_pool *pool, struct pkt *pkt)
{
	struct pooled *item = pooled_of(pkt);

	if (unlikely(pkt->piece_len))
		free(pkt->piece_len);
	if (unlikely(pkt->buf != item->buf))
		free(pkt->buf);
	if (WEIR_ASAN || unlikely(pool->count >= POOL_MAX)) {
		free(item);
		return;
	}
	item->next = pool->free;
	pool->free = item;
	pool->count++;
}

static __attribute__((noinline)) void free_slowly(struct instance *inst, struct pkt *pkt)
{
	if (pkt->ct)
		ct_put(inst, pkt->ct);
	if (pkt->socket)
		host_socket_put(pkt->socket);
	give_back(inst->pkt_pool, pkt);
}

void pkt_free(struct instance *inst, struct pkt *pkt)
{
	struct pkt_pool *pool = inst->pkt_pool;
	struct pooled *item = pooled_of(pkt);
	struct ct *ct;

	if (unlikely(!pkt))
		return;
	ct = pkt->ct;
	/* nothing of its own, and not the last one that knows its connection */
	if (WEIR_ASAN || unlikely((uintptr_t)pkt->socket | (uintptr_t)pkt->piece_len | ((uintptr_t)pkt->buf ^ (uintptr_t)item->buf) |
				  (pool->count >= POOL_MAX)) || (ct && unlikely(ct->refs < 2))) {
		free_slowly(inst, pkt);
		return;
	}
	if (ct)
		ct->refs--;
	item->next = pool->free;
	pool->free = item;
	pool->count++;
}

void pkt_give_back(struct pkt_pool *pool, struct pkt *pkt)
{
	give_back(pool, pkt);
}

/* Metadata of @from with @to's own buffer, whose data begins as far behind its start. */
static void take_meta(struct pkt *to, const struct pkt *from)
{
	uint8_t *buf = to->buf;
	uint32_t buf_len = to->buf_len;

	*to = *from;
	to->buf = buf;
	to->buf_len = buf_len;
	to->data = buf + (from->data - from->buf);
	to->node = (struct list){ NULL, NULL };
	to->hook = NULL;
	to->piece_len = NULL;
	to->piece_count = 0;
	to->socket = NULL;	/* a copy is nobody's */
	if (from->mac) {
		to->mac = buf + (from->mac - from->buf);
		memcpy(to->mac, from->mac, from->mac_len);
	}
	if (to->ct)
		ct_get(to->ct);
}

struct pkt *pkt_new_like(struct instance *inst, const struct pkt *like, uint32_t len)
{
	uint32_t head = (uint32_t)(like->data - like->buf);
	struct pkt *pkt = pkt_take(inst->pkt_pool, head + len + (WEIR_ASAN ? 0 : PKT_TAILROOM));

	if (!pkt)
		return NULL;
	take_meta(pkt, like);
	pkt->len = len;
	return pkt;
}

struct pkt *pkt_copy(struct instance *inst, const struct pkt *pkt)
{
	struct pkt *copy = pkt_take(inst->pkt_pool, pkt->buf_len);

	if (!copy)
		return NULL;
	take_meta(copy, pkt);
	if (pkt->piece_len) {
		size_t size = pkt->piece_count * sizeof(*pkt->piece_len);

		copy->piece_len = malloc(size);
		if (copy->piece_len) {
			memcpy(copy->piece_len, pkt->piece_len, size);
			copy->piece_count = pkt->piece_count;
		}
	}
	memcpy(copy->data, pkt->data, pkt->len);
	return copy;
}

void pkt_become(struct instance *inst, struct pkt *pkt, struct pkt *from)
{
	struct pooled *item = pooled_of(pkt), *other = pooled_of(from);
	const struct hook_state *hook = pkt->hook;

	if (pkt->ct)
		ct_put(inst, pkt->ct);
	if (pkt->socket)
		host_socket_put(pkt->socket);
	free(pkt->piece_len);
	if (pkt->buf != item->buf)
		free(pkt->buf);
	*pkt = *from;
	pkt->hook = hook;
	if (from->buf == other->buf) {		/* inside @from: only its bytes can move */
		uint32_t used = (uint32_t)(from->data - from->buf);

		pkt->buf = item->buf;
		memcpy(pkt->buf, from->buf, used + from->len);
		pkt->data = pkt->buf + used;
		if (from->mac)
			pkt->mac = pkt->buf + (from->mac - from->buf);
	}
	from->buf = other->buf;
	from->ct = NULL;
	from->socket = NULL;
	from->piece_len = NULL;
	pkt_free(inst, from);
}

static int grow(struct pkt *pkt, uint32_t head, uint32_t tail)
{
	uint32_t used = (uint32_t)(pkt->data - pkt->buf);	/* before data, kept: the link-layer header is there */
	uint32_t buf_len = used + head + pkt->len + tail;
	uint8_t *buf = malloc(buf_len);

	if (!buf)
		return -ENOMEM;
	memcpy(buf + head, pkt->buf, used);
	memcpy(buf + head + used, pkt->data, pkt->len);
	pkt->data = buf + head + used;
	if (pkt->mac)
		pkt->mac = buf + head + (pkt->mac - pkt->buf);
	if (pkt->buf != pooled_of(pkt)->buf)
		free(pkt->buf);
	pkt->buf = buf;
	pkt->buf_len = buf_len;
	return 0;
}

int pkt_grow_head(struct pkt *pkt, uint32_t more)
{
	uint32_t room = (uint32_t)(pkt->data - pkt->buf);
	uint32_t tail = pkt->buf_len - room - pkt->len;

	return room >= more ? 0 : grow(pkt, ALIGN_UP(more - room, 16u) + (WEIR_ASAN ? 0 : PKT_HEADROOM), tail);
}

int pkt_grow_tail(struct pkt *pkt, uint32_t more)
{
	uint32_t room = pkt->buf_len - (uint32_t)(pkt->data - pkt->buf) - pkt->len;

	return room >= more ? 0 : grow(pkt, 0, more + (WEIR_ASAN ? 0 : PKT_TAILROOM));
}

void pkt_pull_pieces(struct pkt *pkt, uint32_t len)
{
	uint32_t first = pkt->len, want, from = 1, to = 1;

	if (pkt->piece_count < 2 || len > pkt->len)
		return;
	for (uint32_t i = 1; i < pkt->piece_count; i++)
		first -= MIN_OF(first, (uint32_t)pkt->piece_len[i]);
	if (len <= first)
		return;
	want = len - first;
	pkt->piece_len[0] = (uint16_t)MIN_OF(pkt->piece_len[0] + want, 0xffffu);
	for (; from < pkt->piece_count; from++) {
		uint32_t eaten = MIN_OF(want, (uint32_t)pkt->piece_len[from]);

		want -= eaten;
		if (pkt->piece_len[from] > eaten)
			pkt->piece_len[to++] = (uint16_t)(pkt->piece_len[from] - eaten);
	}
	pkt->piece_count = (uint16_t)to;
	if (to < 2)
		pkt_forget_pieces(pkt);
}

/* Below 0x600 the field is a length: 802.3 with LLC or Novell's raw form, of no interest to IP. */
static uint16_t ether_protocol(uint16_t field, const uint8_t *payload, uint32_t len)
{
	if (field >= ETH_P_802_3_MIN)
		return field;
	return len >= 2 && get_be16(payload) == 0xffff ? ETH_P_802_3 : ETH_P_802_2;
}

static bool is_vlan(uint16_t protocol)
{
	return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD;
}

static pkt_type_t frame_type(const uint8_t *dst, const struct iface *in)
{
	static const uint8_t broadcast[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (memcmp(dst, in->mac, ETH_ALEN) == 0)
		return PACKET_HOST;
	if (!(dst[0] & 1))
		return PACKET_OTHERHOST;
	return memcmp(dst, broadcast, ETH_ALEN) == 0 ? PACKET_BROADCAST : PACKET_MULTICAST;
}

/* Whatever it is: tagged, for somebody else, longer than usual. */
static __attribute__((noinline)) struct pkt *from_any_frame(const struct instance *inst, struct pkt_pool *pool, struct iface *in,
							    const void *frame, uint32_t len, const uint64_t *serial)
{
	const uint8_t *bytes = frame;
	uint32_t off = ETH_HLEN;
	uint16_t protocol, tci = 0;
	bool tagged = false;
	pkt_type_t type;
	struct pkt *pkt;

	if (len < ETH_HLEN)
		return NULL;
	protocol = ether_protocol(get_be16(bytes + 12), bytes + off, len - off);
	type = frame_type(bytes, in);
	while (is_vlan(protocol)) {
		struct iface *child = NULL;

		if (len - off < 6)	/* the tag and something behind it */
			return NULL;
		tci = get_be16(bytes + off);
		tagged = true;
		if (protocol == ETH_P_8021Q)
			child = iface_vlan_child(inst, in, tci & 0xfff);
		protocol = ether_protocol(get_be16(bytes + off + 2), bytes + off + 4, len - off - 4);
		off += 4;
		if (child) {
			in = child;
			if (type == PACKET_OTHERHOST && memcmp(bytes, child->mac, ETH_ALEN) == 0)
				type = PACKET_HOST;
		} else if (tci & 0xfff) {	/* id 0 is a priority tag: as if untagged */
			type = PACKET_OTHERHOST;
			break;
		}
	}
	pkt = pkt_with_room(inst, pool, len - off, serial);
	if (!pkt)
		return NULL;
	memcpy(pkt->data, bytes + off, len - off);
	pkt->mac = pkt->data - ETH_HLEN;
	pkt->mac_len = ETH_HLEN;
	memcpy(pkt->mac, bytes, 2 * ETH_ALEN);
	memcpy(pkt->mac + 2 * ETH_ALEN, bytes + off - 2, 2);	/* the tags are gone, the inner type stays */
	pkt->in = in;
	pkt->type = type;
	pkt->protocol = protocol;
	pkt->vlan_tci = tci;
	if (tagged)
		pkt->flags |= PKT_FLAG_VLAN;
	return pkt;
}

static __attribute__((noinline)) struct pkt *with_bytes(struct pkt *pkt, const uint8_t *bytes, uint32_t len)
{
	memcpy(pkt->data, bytes, len);
	return pkt;
}

/* An IP packet for this interface in a plain frame; what is not one takes the long way. Inlined, said aloud: the pool's place is known. */
static inline __attribute__((always_inline)) struct pkt *from_frame(const struct instance *inst, struct pkt_pool *pool, struct iface *in,
								    const void *frame, uint32_t len, const uint64_t *serial)
{
	enum { SHORT_MIN = 32, SHORT_MAX = 64, HALF = 16 };
	struct pooled *item = pool->free;
	const uint8_t *bytes = frame;
	struct pkt *pkt;
	uint16_t type;

	if (WEIR_ASAN || unlikely(len < ETH_HLEN || len > PLAIN_MAX || !item))
		return from_any_frame(inst, pool, in, frame, len, serial);
	memcpy(&type, bytes + 2 * ETH_ALEN, sizeof(type));
	if (unlikely((type != htons(ETH_P_IP) && type != htons(ETH_P_IPV6)) || memcmp(bytes, in->mac, ETH_ALEN)))
		return from_any_frame(inst, pool, in, frame, len, serial);
	pool->free = item->next;
	pool->count--;
	pkt = begin(item, item->buf, BUFFER_LEN);
	pkt->data = item->buf + PKT_HEADROOM + MAC_ROOM;
	pkt->mac = pkt->data - ETH_HLEN;
	pkt->mac_len = ETH_HLEN;
	pkt->protocol = ntohs(type);
	pkt->in = in;
	pkt->stamp_ns = inst->now_ns;
	pkt->serial = *serial;
	memcpy(pkt->mac, bytes, 8);	/* a word that is read does not lie across two that were written */
	memcpy(pkt->mac + 6, bytes + 6, 8);
	len -= ETH_HLEN;
	bytes += ETH_HLEN;
	pkt->len = len;
	if (unlikely(len < SHORT_MIN || len > SHORT_MAX))
		return with_bytes(pkt, bytes, len);
	memcpy(pkt->data, bytes, HALF);
	memcpy(pkt->data + HALF, bytes + HALF, HALF);
	memcpy(pkt->data + len - 2 * HALF, bytes + len - 2 * HALF, HALF);
	memcpy(pkt->data + len - HALF, bytes + len - HALF, HALF);
	return pkt;
}

struct pkt *pkt_from_frame(struct instance *inst, struct iface *in, const void *frame, uint32_t len)
{
	inst->serial++;
	return from_frame(inst, inst->pkt_pool, in, frame, len, &inst->serial);
}

static struct pkt *from_raw_ip(const struct instance *inst, struct pkt_pool *pool, struct iface *in, const void *bytes, uint32_t len,
			       const uint64_t *serial)
{
	uint8_t version = len ? *(const uint8_t *)bytes >> 4 : 0;
	struct pkt *pkt;

	if (version != 4 && version != 6)
		return NULL;
	pkt = pkt_with_room(inst, pool, len, serial);
	if (!pkt)
		return NULL;
	memcpy(pkt->data, bytes, len);
	pkt->in = in;
	pkt->type = PACKET_HOST;
	pkt->protocol = version == 4 ? ETH_P_IP : ETH_P_IPV6;
	return pkt;
}

struct pkt *pkt_from_raw_ip(struct instance *inst, struct iface *in, const void *bytes, uint32_t len)
{
	inst->serial++;
	return from_raw_ip(inst, inst->pkt_pool, in, bytes, len, &inst->serial);
}

struct pkt *pkt_arrive(const struct instance *inst, struct pkt_pool *pool, struct iface *in, const void *bytes, uint32_t len,
		       uint64_t serial)
{
	return in->type == ARPHRD_ETHER ? from_frame(inst, pool, in, bytes, len, &serial) : from_raw_ip(inst, pool, in, bytes, len, &serial);
}
