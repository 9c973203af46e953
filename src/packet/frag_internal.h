/*
 * packet/frag_internal.h - what both families' reassembly shares: queues of pieces that wait for the rest.
 *
 * While a fragment waits, its pkt->l says where it belongs: frag_off is its place in the datagram, l4_off and
 * l4_len its payload; pkt->len ends with that payload. Everything before l4_off is kept for errors to quote.
 */
#ifndef WEIR_PACKET_FRAG_INTERNAL_H
#define WEIR_PACKET_FRAG_INTERNAL_H

#include "packet/defrag.h"
#include "packet/drop.h"

enum {
	FRAG_BUCKETS = 1024,
	FRAG_FIRST_IN = 1 << 0,		/* the piece at offset 0 is there */
	FRAG_LAST_IN = 1 << 1,		/* the end is known */
	ECN_BROKEN = 0xff,		/* fragments that disagree about ECN as no network makes them */
};

struct frag_key {			/* compared as bytes: padding is zero */
	union nf_inet_addr saddr, daddr;
	be32 id;
	uint32_t user;
	uint32_t ifindex;		/* IPv6 multicast and link-local destinations only */
	uint32_t proto;			/* IPv4 only */
};

/* Counts the fragments a source sent (IPv4): a queue that many others overtook holds a reused id. */
struct frag_peer {
	struct frag_peer *next;
	be32 saddr;
	uint32_t refs, count;
};

struct frag_queue {
	struct frag_queue *next;	/* in its bucket */
	struct frags *frags;
	struct frag_key key;
	struct timer timer;
	struct list pieces;		/* in order of arrival */
	uint32_t piece_count;
	uint8_t flags;			/* FRAG_*_IN */
	uint8_t ecn;			/* a bit per ECN code point seen */
	bool in_order;			/* pieces came in order of offset */
	uint16_t nexthdr_off;		/* IPv6: where the first fragment says that a fragment header follows */
	uint32_t len;			/* of the datagram's payload, as far as known */
	uint32_t meat;			/* bytes of it that are there */
	uint32_t max_size, max_df_size;	/* largest fragment; largest with DF */
	uint32_t tail_end;		/* end of the piece farthest behind */
	/*
	 * A bit per 8 bytes of payload: what is there, and where a run begins. A run is what came in order: a
	 * fragment inside one run repeats what is known, one that touches two or a gap contradicts it.
	 */
	uint64_t *covered, *run_start;
	uint32_t units;			/* both bitmaps' size in bits */
	struct iface *in;		/* of the latest fragment */
	struct frag_peer *peer;
	uint32_t peer_count;		/* the peer's count at our latest fragment */
};

struct frags {				/* one pool of queues with its own limits */
	struct defrag *defrag;
	struct frag_queue *bucket[FRAG_BUCKETS];
	uint64_t mem;			/* as the kernel would count it */
	unsigned int queue_charge;	/* what a queue itself counts */
	unsigned int high_thresh, low_thresh, timeout_sec;
	int max_dist;			/* IPv4 */
	void (*expire)(struct instance *inst, struct frag_queue *queue);
};

struct defrag {
	struct instance *inst;
	struct frags ip4, ip6, ct6;	/* IPv6 as a host and for conntrack are apart, IPv4 is not */
	struct frag_peer *peer[FRAG_BUCKETS];
	unsigned int hooks_used[2];	/* by family */
};

enum frag_place { FRAG_PLACED, FRAG_DUPLICATE, FRAG_OVERLAP, FRAG_NO_MEMORY };

/* Finds or makes the queue; NULL when the limit is reached. */
struct frag_queue *frag_queue_get(struct frags *frags, const struct frag_key *key);
/* Puts @pkt (pkt->l as above) among the pieces; on anything but FRAG_PLACED the caller keeps it. */
enum frag_place frag_queue_insert(struct frag_queue *queue, struct pkt *pkt);
/* Ends a queue: its pieces are dropped and reported. */
void frag_queue_kill(struct frag_queue *queue, enum drop_reason reason);
/* Drops the pieces and starts anew with the same queue. */
void frag_queue_restart(struct frag_queue *queue);
struct pkt *frag_queue_first(struct frag_queue *queue);
static inline bool frag_queue_is_complete(const struct frag_queue *queue)
{
	return queue->flags == (FRAG_FIRST_IN | FRAG_LAST_IN) && queue->meat == queue->len;
}
/*
 * Puts the datagram together in @pkt, which is one of the pieces: the first @header_len bytes of the first
 * piece, then all payloads. Metadata is the first piece's, the interface and the time are @pkt's own.
 * The queue ends. -ENOMEM: everything was dropped, @pkt too.
 */
int frag_queue_assemble(struct frag_queue *queue, struct pkt *pkt, uint32_t header_len);
/* What ECN bits to add to the datagram's, or ECN_BROKEN. */
uint8_t frag_queue_ecn(const struct frag_queue *queue);

/* The two families; see defrag_packet(). */
int defrag4_packet(struct defrag *defrag, struct pkt *pkt, uint32_t user);
int defrag6_packet(struct defrag *defrag, struct pkt *pkt, uint32_t user);	/* conntrack's */
int defrag6_local(struct defrag *defrag, struct pkt *pkt, uint32_t at, uint32_t nexthdr_off);	/* the host's */
void defrag4_expire(struct instance *inst, struct frag_queue *queue);
void defrag6_expire(struct instance *inst, struct frag_queue *queue);

struct frag_peer *frag_peer_get(struct defrag *defrag, be32 saddr);
void frag_peer_put(struct defrag *defrag, struct frag_peer *peer);

#endif
