/*
 * conntrack/conntrack.h - connections: who talks to whom, in which state, for how long.
 *
 * One record holds both directions. Its two tuple nodes hang in one hash table; the original
 * tuple never changes, the reply tuple is what NAT expects back. Constants (IPS_*, IP_CT_*) are
 * the kernel's own from <linux/netfilter/nf_conntrack_common.h>.
 */
#ifndef WEIR_CONNTRACK_H
#define WEIR_CONNTRACK_H

#include "base/uapi.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>

#include "base/crew.h"
#include "base/strbuf.h"
#include "instance.h"

struct ct_tuple {
	union nf_inet_addr src, dst;
	union { be16 all, port, icmp_id, gre_key; } src_l4;
	union { be16 all, port, gre_key; struct { uint8_t type, code; } icmp; } dst_l4;
	uint8_t family;		/* NFPROTO_IPV4, NFPROTO_IPV6 */
	uint8_t proto;		/* IPPROTO_* */
	uint8_t dir;		/* enum ip_conntrack_dir; not part of equality */
	uint8_t pad;		/* zero: tuples are compared and hashed as bytes without dir */
};

/*
 * A link of a bucket's chain: who comes next, and in the upper 16 bits one bit of the hash of each from there on. Most tuples
 * that nobody has are known not to be there by their bucket alone. Bits of those who left may stay a while.
 */
typedef uint64_t ct_link;
enum { CT_LINK_SHIFT = 48 };
static inline uint64_t ct_link_bit(uint32_t hash) { return 1ull << (CT_LINK_SHIFT + (hash & 15)); }

struct ct_node {		/* one direction in the table */
	ct_link next;
	struct ct_tuple tuple;
};

static inline struct ct_node *ct_link_node(ct_link link)
{
	return (struct ct_node *)(uintptr_t)(link & ((1ull << CT_LINK_SHIFT) - 1));
}
/* All ones: somebody from here on has this hash, or had it. Else zero. */
static inline uint64_t ct_link_mask(ct_link link, uint32_t hash)
{
	return -(link >> (CT_LINK_SHIFT + (hash & 15)) & 1);
}
/* The next one; NULL: from here on nobody has this hash. */
static inline struct ct_node *ct_link_towards(ct_link link, uint32_t hash)
{
	return link & ct_link_bit(hash) ? ct_link_node(link) : NULL;
}

/* A place in a line of records: numbers of neighbours, or of the line itself. */
struct ct_links { uint32_t next, prev; };

/* nf_conntrack_zone: default id 0, both directions. */
enum { CT_ZONE_DIR_ORIGINAL = 1, CT_ZONE_DIR_REPLY = 2, CT_ZONE_DIR_BOTH = 3, CT_ZONE_FLAG_MARK = 1 };
struct ct_zone { uint16_t id; uint8_t flags, dir; };

struct ct_tcp_side {		/* struct ip_ct_tcp_state */
	uint32_t td_end, td_maxend, td_maxwin, td_maxack;
	uint8_t td_scale, flags;	/* IP_CT_TCP_FLAG_* */
} __attribute__((packed, aligned(2)));	/* two of them without a gap */
struct ct_tcp {			/* struct ip_ct_tcp */
	struct ct_tcp_side seen[2];
	uint8_t state, last_dir, retrans, last_index, last_wscale, last_flags;
	uint16_t last_win;
	uint32_t last_seq, last_ack, last_end;
};

struct ct_sctp {
	be32 vtag[IP_CT_DIR_MAX];	/* what packets of this direction carry; 0 = not known */
	uint8_t state, last_dir;
	bool init[IP_CT_DIR_MAX];	/* this direction sent an INIT that is not settled */
	bool heartbeat_vtag_failed;
};

struct ct_counter { uint64_t packets, bytes; };
struct ct_seqadj {		/* sequence numbers of one direction, changed by what somebody did to its bytes */
	uint32_t position;	/* the segment that was changed last */
	int32_t before, after;	/* offsets up to it, and behind it */
};
/* A handshake that SYNPROXY answered for the server: its first number, and its clock, as the client was told. */
struct ct_synproxy { uint32_t isn, its, tsoff; };
/* What only some connections carry: nf_conntrack_acct or _timestamp was on when they began, or they are helped or proxied. */
struct ct_help;
struct ct_timeout_policy;
enum { CT_LABELS = 128, CT_LABEL_BYTES = CT_LABELS / 8 };
struct ct_extra {
	struct ct_counter acct[IP_CT_DIR_MAX];
	int64_t start_ns, stop_ns;	/* 0 = not yet */
	bool has_acct, has_stamp, has_labels, has_synproxy;
	uint8_t labels[CT_LABEL_BYTES];	/* conntrack/labels.h; bit 0 is the lowest of the first byte */
	struct ct_timeout_policy *policy;	/* conntrack/timeout.h; a share of it; NULL = the sysctls hold */
	struct ct_seqadj seq[IP_CT_DIR_MAX];	/* all zero unless IPS_SEQ_ADJUST */
	struct ct_synproxy synproxy;
	struct ct_help *help;		/* conntrack/helper.h; NULL = no helper */
	struct ct *master;		/* who announced it; a share of it; NULL = nobody */
	struct nat_cone *cone;		/* nat/cone.c; a share of its mapping; NULL = none */
	struct nat_cone *hairpin_cone;	/* it goes to one inside socket's mapping, @cone, and comes from another's */
	uint32_t secmark;
};

/* Makes it when there is none yet; NULL: no memory. */
struct ct_extra *ct_extra_get(struct ct *ct);

enum { CT_STATUS_NAT_CLASH = IPS_UNTRACKED };	/* lost a clash: hashed in its reply direction only, for a second */

struct ct {
	struct ct_node node[IP_CT_DIR_MAX];
	/* what every packet looks at */
	uint32_t status;		/* IPS_* */
	uint32_t mark;
	uint32_t expires_tick;		/* jiffies modulo 2^32; before confirm: the timeout */
	uint32_t look_tick;		/* when the wheel looks at it; before confirm: the original tuple's hash */
	uint32_t refs;			/* the table, each packet and each expectation hold one */
	union {
		uint32_t flow[IP_CT_DIR_MAX];	/* flowcache: what is remembered of each direction's way; 0 = nothing */
		struct { uint32_t reply, guess; } hash;	/* before confirm: for ct_reply_hash(); 0 = not known */
	};
	struct ct_zone zone;
	struct ct_extra *extra;		/* NULL = nothing of it */
	uint16_t event_mask;		/* 1 << IPCT_*: gathered for this packet */
	uint8_t lock;			/* while instance->in_company: path/worker.h */
	bool has_source;		/* nat: it hangs among the connections of its source */
	union {
		struct { uint32_t stream_tick; } udp;	/* up to here a packet that the flow cache knows looks */
		struct ct_tcp tcp;
		struct ct_sctp sctp;
		struct { uint32_t timeout, stream_timeout; } gre;
	} proto;
	uint16_t event_wanted;		/* 1 << IPCT_*: of these the observer hears; all, unless a CT rule chose */
	uint32_t has_nat_ext : 1;
	uint32_t nat_masq_ifindex : 31;	/* MASQUERADE left by this interface; 0 = no MASQUERADE */
	uint32_t serial;		/* order of creation */
	/* what few do */
	union {
		struct ct_links by_source;	/* nat: connections by original source, while has_source */
		struct { uint32_t guess_addr, source_hash; } early;	/* until then: what hash.guess is of; 0 = not known */
	};
	struct ct_links age;		/* in a line of the wheel; in none when next == 0 */
} __attribute__((aligned(32)));
_Static_assert(sizeof(void *) != 8 || sizeof(struct ct) <= 224, "with its share of the hash tables a connection has 256 bytes");

/*
 * Where records lie. A record's number is that of its piece and where in it, in units of 32 bytes; 0 is nobody's, and those with
 * the highest bit are free for other uses.
 */
enum { CT_CHUNK_SIZE = 2 << 20, CT_CHUNK_SHIFT = 16, CT_NUMBER_UNIT = 32, CT_CHUNKS_MAX = 1 << 15 };
#define CT_NUMBER_NONE (1u << 31)
struct ct_chunk {
	uint32_t number, room, used;	/* records; those from @used on were never touched */
	struct ct records[] __attribute__((aligned(64)));
};
_Static_assert(CT_CHUNK_SIZE / CT_NUMBER_UNIT == 1 << CT_CHUNK_SHIFT && sizeof(struct ct) % CT_NUMBER_UNIT == 0, "each has a number");

static inline uint32_t ct_number(const struct ct *ct)
{
	uintptr_t inside = (uintptr_t)ct & (CT_CHUNK_SIZE - 1);
	const struct ct_chunk *chunk = (const struct ct_chunk *)((uintptr_t)ct - inside);

	return chunk->number << CT_CHUNK_SHIFT | (uint32_t)(inside / CT_NUMBER_UNIT);
}
struct ct *ct_of_number(const struct instance *inst, uint32_t number);

static inline uint8_t ct_family(const struct ct *ct) { return ct->node[IP_CT_DIR_ORIGINAL].tuple.family; }
static inline uint8_t ct_proto_num(const struct ct *ct) { return ct->node[IP_CT_DIR_ORIGINAL].tuple.proto; }
static inline const struct ct_tuple *ct_tuple(const struct ct *ct, int dir) { return &ct->node[dir].tuple; }
static inline bool ct_is_confirmed(const struct ct *ct) { return ct->status & IPS_CONFIRMED; }
static inline bool ct_is_dying(const struct ct *ct) { return ct->status & IPS_DYING; }
/* Who announced it; NULL: nobody. */
static inline struct ct *ct_master(const struct ct *ct) { return ct->extra ? ct->extra->master : NULL; }
static inline uint32_t ct_secmark(const struct ct *ct) { return ct->extra ? ct->extra->secmark : 0; }
/* false: no memory. */
bool ct_set_secmark(struct ct *ct, uint32_t secmark);
/* Counters of a direction; NULL when they are not kept. */
static inline const struct ct_counter *ct_counter(const struct ct *ct, int dir)
{
	return ct->extra && ct->extra->has_acct ? &ct->extra->acct[dir] : NULL;
}
/* NULL: no handshake of it was answered by SYNPROXY. */
static inline struct ct_synproxy *ct_synproxy_of(const struct ct *ct)
{
	return ct->extra && ct->extra->has_synproxy ? &ct->extra->synproxy : NULL;
}
/* For templates and new connections; false: no memory. */
bool ct_synproxy_add(struct ct *ct);
/* All numbers of this direction move by @offset (0: nothing is changed). */
void ct_seqadj_begin(struct ct *ct, int dir, int32_t offset);
static inline int ctinfo_dir(uint8_t ctinfo)
{
	return ctinfo >= IP_CT_IS_REPLY ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL;
}

/* --- life --- */
struct ct_table *ct_table_new(struct instance *inst);	/* registers net.netfilter.nf_conntrack_* */
void ct_table_free(struct instance *inst, struct ct_table *table);

/* Tracking is on per family while somebody holds it (a rule that needs it, --conntrack on). Counted. */
int ct_hooks_get(struct instance *inst, uint8_t family);
void ct_hooks_put(struct instance *inst, uint8_t family);
bool ct_is_on(const struct instance *inst, uint8_t family);
/* Connections that begin from now on count packets and bytes: nf_conntrack_acct = 1. */
void ct_accounting_on(struct instance *inst);

static inline struct ct *pkt_ct(const struct pkt *pkt) { return pkt->ct; }
static inline void ct_get(struct ct *ct) { ct->refs++; }
void ct_put(struct instance *inst, struct ct *ct);	/* frees at zero; NULL is fine */
/* Detaches the packet from its connection: nf_reset_ct(). */
void pkt_ct_reset(struct instance *inst, struct pkt *pkt);
void pkt_ct_set(struct instance *inst, struct pkt *pkt, struct ct *ct, uint8_t ctinfo);	/* shares @ct */

/* nf_ct_get_tuple from the packet's headers; false when they do not hold one. */
bool ct_tuple_of_packet(const struct instance *inst, const struct pkt *pkt, struct ct_tuple *out);
/* nf_ct_invert_tuple; false for ICMP types without an answer. */
bool ct_tuple_invert(struct ct_tuple *out, const struct ct_tuple *in);
static inline bool ct_addr_equal(const union nf_inet_addr *a, const union nf_inet_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}
static inline bool ct_tuple_equal(const struct ct_tuple *a, const struct ct_tuple *b)
{
	uint64_t x[4], y[4];
	uint32_t l4a, l4b;
	uint16_t pa, pb;

	_Static_assert(offsetof(struct ct_tuple, dir) == 38, "everything before dir is compared as bytes");
	memcpy(x, a, 32);
	memcpy(y, b, 32);
	memcpy(&l4a, &a->src_l4, 4);
	memcpy(&l4b, &b->src_l4, 4);
	memcpy(&pa, &a->family, 2);
	memcpy(&pb, &b->family, 2);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (l4a ^ l4b) | (pa ^ pb)) == 0;
}

/* The connection one of whose tuples is @tuple, shared (ct_put()), with the direction in *dir; NULL. Expired ones are not found. */
struct ct *ct_find(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple, int *dir);
/* nf_conntrack_tuple_taken(): does somebody else than @ignore hold it as a tuple? @hash: ct_reply_hash(). */
bool ct_tuple_taken(struct instance *inst, const struct ct_tuple *tuple, uint32_t hash, const struct ct *ignore);
/* The hash of @reply as a reply tuple of @ct, which is not confirmed. Mostly known from its packet's burst. */
uint32_t ct_reply_hash(const struct instance *inst, const struct ct *ct, const struct ct_tuple *reply);

/* An unconfirmed connection of one share for this tuple (INIT by rules, control and helpers). */
struct ct *ct_new(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *orig,
		  const struct ct_tuple *reply);
/* Template of a CT rule: zone, timeouts, helper for packets of raw; never in the table. */
struct ct *ct_template_new(struct instance *inst, const struct ct_zone *zone);
/* Before confirm only: what the answers will look like (nf_conntrack_alter_reply). */
void ct_set_reply_tuple(struct instance *inst, struct ct *ct, const struct ct_tuple *reply, uint32_t hash);	/* @hash: ct_reply_hash(); 0 = not known */
/* The hook of NF_IP_PRI_CONNTRACK, callable by REJECT for a packet that was not seen: nf_conntrack_in. */
unsigned int ct_packet_in(struct instance *inst, struct pkt *pkt, const struct hook_state *state);
/* Makes it visible: NF_ACCEPT or NF_DROP. */
unsigned int ct_confirm(struct instance *inst, struct pkt *pkt);
/* Ends it now, with a DESTROY event; false when it was already dying. */
bool ct_kill(struct instance *inst, struct ct *ct);
/* Seconds left, 0 when expired. */
uint32_t ct_expires_sec(const struct instance *inst, const struct ct *ct);
void ct_set_timeout_sec(struct instance *inst, struct ct *ct, uint32_t seconds);
/* Counts the packet and moves the timeout (nf_ct_refresh_acct). */
void ct_refresh(struct instance *inst, struct ct *ct, uint8_t ctinfo, const struct pkt *pkt, uint32_t timeout_jiffies);
/* Counts it where accounting is on. */
void ct_count_packet(struct ct *ct, int dir, uint32_t bytes);
/* Control puts a connection of ct_new() into the table as it is; -EEXIST when a tuple is taken. No event. */
int ct_insert(struct instance *inst, struct ct *ct);
/* A RST is on its way in answer to it: a TCP connection in the table is CLOSE from now on. NULL is fine. */
void ct_set_closing(struct instance *inst, struct ct *ct);
/* Attached to generated packets (ICMP errors, RST): nf_ct_attach(). */
void ct_attach_made(struct instance *inst, struct pkt *made, const struct pkt *cause);

/* As conntrack -o id: told nobody's address, unique among living connections. */
uint32_t ct_id(const struct instance *inst, const struct ct *ct);
/* --- walking and changing, for control --- */
/* In order of creation, those that were there at the beginning; @visit returns false to stop. Confirmed, living connections. */
void ct_each(struct instance *inst, bool (*visit)(void *priv, struct ct *ct), void *priv);
uint32_t ct_count(const struct instance *inst);
uint32_t ct_count_peak(const struct instance *inst);

/* What conntrack -S and -S expect count, and @full: packets that found the table full. */
struct ct_stats {
	uint64_t found, invalid, insert, insert_failed, drop, early_drop, error, clash_resolved, full;
	uint64_t expect_new, expect_create, expect_delete, ended;
};
const struct ct_stats *ct_stats(const struct instance *inst);

/* --- events (conntrack -E) --- */
enum ct_event_kind { CT_EVENT_NEW, CT_EVENT_UPDATE, CT_EVENT_DESTROY };
struct ct_event {
	enum ct_event_kind kind;
	const struct ct *ct;
	uint32_t mask;		/* 1 << IPCT_* (enum ip_conntrack_events) of what changed */
	bool expired;		/* DESTROY by timeout: no timeout in the text */
};
/* Notes an event; delivered to the observer after the hook as nf_ct_deliver_cached_events() does. */
static inline void ct_event_note(struct ct *ct, unsigned int ipct) { ct->event_mask |= 1u << ipct; }
/* Tells what was noted, now. */
void ct_events_deliver(struct instance *inst, struct ct *ct);

/* --- text: byte for byte as conntrack-tools 1.4.7 print it --- */
enum ct_text_flag { CT_TEXT_EXTENDED = 1, CT_TEXT_ID = 2, CT_TEXT_TIMESTAMP = 4, CT_TEXT_LABELS = 8 };
/* One line without newline, as `conntrack -L -o extended`. */
void ct_print(const struct instance *inst, const struct ct *ct, unsigned int flags, struct strbuf *out);
/* "    [NEW] ipv4     2 tcp ..." as `conntrack -E -o extended`. */
void ct_event_print(const struct instance *inst, const struct ct_event *event, unsigned int flags, struct strbuf *out);
const char *ct_proto_name(uint8_t proto);
const char *ct_tcp_state_name(uint8_t state);
const char *ct_sctp_state_name(uint8_t state);

/* Reports the kernel's reason when a packet is not tracked (observer.invalid). */
void ct_invalid(struct instance *inst, const struct pkt *pkt, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* --- one L4 protocol: conntrack/proto/NAME.c --- */
struct ct_l4 {			/* the L4 part of a packet, or of one quoted in an ICMP error */
	const uint8_t *at;
	uint32_t len;		/* bytes at @at; may be short of a header */
	uint8_t proto;
};
struct ct_timeout { const char *sysctl; uint32_t seconds; };	/* net.netfilter.nf_conntrack_<sysctl> */
struct ct_proto {
	const char *name;
	uint8_t number;
	bool allow_clash;	/* two packets may both have begun it: udp and unknown protocols */
	/* Reads ports, ids, keys; false when the header is too short. NULL: there is nothing to read. */
	bool (*read_tuple)(const struct instance *inst, const uint8_t *l4, uint32_t l4_len, struct ct_tuple *tuple);
	bool (*invert_tuple)(struct ct_tuple *out, const struct ct_tuple *in);	/* L4 part only; NULL: swap */
	/*
	 * Checks the packet and moves state and timeout: NF_ACCEPT, -NF_ACCEPT (goes on as INVALID),
	 * NF_DROP, -NF_REPEAT (look up again: the old connection is gone).
	 */
	int (*packet)(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4,
		      uint8_t ctinfo, const struct hook_state *state);
	bool (*can_early_drop)(const struct ct *ct);
	void (*print_state)(const struct ct *ct, struct strbuf *out);	/* "ESTABLISHED " */
	const struct ct_timeout *timeouts;
	size_t timeout_count;
	const struct ct_proto *same_timeouts_as;	/* it has none of its own; NULL */
};
extern const struct ct_proto *const ct_protos[];	/* made by tools/list-variants; NULL-terminated */
/* The tracker of a protocol number; the generic one when it has none of its own. */
const struct ct_proto *ct_proto_of(const struct instance *inst, uint8_t number);
/* The timeout @which of this tracker for this connection, in jiffies: as its policy says, or the sysctl now. */
uint32_t ct_timeout(const struct instance *inst, const struct ct *ct, const struct ct_proto *proto, unsigned int which);

/* --- for the flow cache: a packet meets its connection before the hooks do --- */
static inline bool ct_has_ports(const struct pkt *pkt)
{
	return pkt->l.l4proto == IPPROTO_TCP || pkt->l.l4proto == IPPROTO_UDP;
}
/* An echo's question or answer, with a whole header. */
static inline bool ct_is_echo(const struct pkt *pkt)
{
	uint8_t type;

	if (pkt->l.l4_len < sizeof(struct icmphdr))
		return false;
	type = pkt->data[pkt->l.l4_off];
	if (pkt->l.family == NFPROTO_IPV4)
		return pkt->l.l4proto == IPPROTO_ICMP && (type == ICMP_ECHO || type == ICMP_ECHOREPLY);
	return pkt->l.l4proto == IPPROTO_ICMPV6 && (type == ICMPV6_ECHO_REQUEST || type == ICMPV6_ECHO_REPLY);
}
/* A whole IPv4 header without options, and @len bytes of @proto's behind it. */
static inline bool ct_is_plain4(const struct pkt *pkt, uint8_t proto, uint32_t len)
{
	const struct pkt_layers plain = { .family = NFPROTO_IPV4, .l4proto = proto, .has_l4 = true };
	uint32_t is, wanted;

	_Static_assert(offsetof(struct pkt_layers, is_fragment) == 3, "what is compared is one word");
	memcpy(&is, &pkt->l, sizeof(is));
	memcpy(&wanted, &plain, sizeof(wanted));
	return is == wanted && pkt->l.l4_off == sizeof(struct iphdr) && pkt->l.l4_len >= len;
}
static inline bool ct_is_plain_udp4(const struct pkt *pkt) { return ct_is_plain4(pkt, IPPROTO_UDP, sizeof(struct udphdr)); }
static inline bool ct_is_plain_tcp4(const struct pkt *pkt) { return ct_is_plain4(pkt, IPPROTO_TCP, sizeof(struct tcphdr)); }
/* A whole TCP, UDP or echo packet right behind the IP header: its addresses and ports (type, code, id) say all. */
static inline bool ct_is_simple(const struct pkt *pkt)
{
	uint32_t ip_len = pkt->l.family == NFPROTO_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	if (ct_is_plain_udp4(pkt) || ct_is_plain_tcp4(pkt))
		return true;
	return (pkt->l.l4proto == IPPROTO_TCP ? pkt->l.l4_len >= sizeof(struct tcphdr) :
		pkt->l.l4proto == IPPROTO_UDP ? pkt->l.l4_len >= sizeof(struct udphdr) : ct_is_echo(pkt)) &&
	       pkt->l.has_l4 && !pkt->l.is_fragment && pkt->l.l4_off == ip_len;
}
/*
 * Hashes a burst, asks for the memory that it will need, and notes whose tuple each packet has. Simple packets that begin a
 * connection, for all that is known now, go to @fresh; returns how many. @is_hashed: by ct_known_hash().
 */
unsigned int ct_known_prefetch(const struct instance *inst, struct pkt *const *burst, unsigned int count, bool is_hashed,
			       struct pkt **fresh);
/* After it: for the counters of who was found, where connections count. */
void ct_known_prefetch_counters(const struct instance *inst, struct pkt *const *burst, unsigned int count);
/* Where a tuple of the default zone would hang, asked for, with its hash; who hangs there may be asked for afterwards. */
struct ct_place { const ct_link *bucket; uint32_t hash; };
struct ct_place ct_tuple_prefetch(const struct instance *inst, const struct ct_tuple *tuple);
struct ct_place ct_place_of(const struct instance *inst, uint32_t hash);
/*
 * For workers aside: others may be changing the table. Hashes a burst, sums it up, and asks for its buckets.
 */
void ct_known_hash(const struct instance *inst, struct pkt *const *burst, unsigned int count);
/*
 * Hints: what hangs in the buckets just now is asked for, and nothing rests on it. Buckets and lists of records are given back only
 * when nobody is aside, records never, so whatever is read can be read; the thread sanitizer has been told.
 */
#define HINTS __attribute__((noinline, no_sanitize("thread")))
void ct_known_hint(const struct instance *inst, struct pkt *const *burst, unsigned int count);
void ct_places_hint(const struct instance *inst, const uint32_t *hashes, unsigned int count);
const struct ct *ct_hint_of_number(const struct instance *inst, uint32_t number);	/* NULL: it is too new */
/* The hashes of the answers to hashed IPv4 packets with ports, to where they came from or to @to. Room as siphash_pairs() wants it. */
void ct_answers_hash(const struct instance *inst, struct pkt *const *pkts, unsigned int count, const be32 *to, uint32_t *hashes);
struct ct_window { uintptr_t buckets; unsigned int shift; };
struct ct_window ct_window(const struct instance *inst);
static inline void ct_window_prefetch(struct ct_window window, uint32_t hash)
{
	__builtin_prefetch((const void *)(window.buckets + (uintptr_t)(hash >> window.shift) * sizeof(ct_link)), 1);
}
/*
 * The packet's connection, or NULL. Nobody's share is taken: good until a packet is processed. An echo with a wrong sum has
 * none: what is said of it is conntrack's hook's affair.
 */
struct ct *ct_known(const struct instance *inst, struct pkt *pkt, int *dir);
/*
 * The same by its burst's note alone, of a packet of ct_is_plain_udp4() that has one, and only for ct_track_plain_udp4() to take: it
 * may be dying. NULL: nothing is said.
 */
struct ct *ct_known_noted(const struct instance *inst, const struct pkt *pkt, int *dir);
/*
 * Its protocol's tracker looks at the packet of @ct, as the hook of conntrack would. The packet has its connection and ctinfo
 * when the answer is true, and the connection @status as far as @status_mask goes; else the answer waits for the hook, and the packet is as before.
 */
bool ct_track_known(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir, uint32_t status, uint32_t status_mask);
/*
 * The same for a received UDP packet that changes nothing but when its connection ends: true, and the packet has its connection. false:
 * nothing is said of it, and nothing is done.
 */
bool ct_track_plain_udp(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir);
/* ... of ct_is_plain_udp4(). */
bool ct_track_plain_udp4(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir);
/* The packet has gone: an answer that waits for a hook it never came to is forgotten. */
void ct_track_forget(struct instance *inst, const struct pkt *pkt);

/* --- for workers in company: nobody makes or ends connections meanwhile, and each is changed under its lock --- */
static inline void ct_lock(struct ct *ct) { spin_lock(&ct->lock); }
static inline void ct_unlock(struct ct *ct) { spin_unlock(&ct->lock); }
/* A tracker's answer that was asked for before the hooks: the conntrack hook takes it instead of asking again. */
enum ct_met {
	CT_MET_TRACKED,		/* .answer is its tracker's */
	CT_MET_NOBODY,		/* nor could it begin one */
	CT_MET_FULL,		/* for want of room */
};
struct ct_early {
	const struct pkt *pkt;		/* NULL: none waits */
	struct ct *ct;			/* holds a share; NULL where there is none */
	uint8_t ctinfo, met;		/* enum ct_met */
	int answer;
};
/*
 * Conntrack's hook for a simple packet that nobody knows. true: it has begun a plain connection, as such packets do; else the hook
 * finds the answer waiting.
 */
bool ct_track_first(struct instance *inst, struct pkt *pkt);
/* An answer waits for its packet: until that has come, no other can have one waiting. */
bool ct_owes_answer(const struct instance *inst);
/* ct_known(), locked: ct_unlock(). A TCP packet that may begin or end something is not known. */
struct ct *ct_meet(const struct instance *inst, struct pkt *pkt, int *dir);
/* ct_track_known() for a locked one. The packet has no share of it: it ends before its worker leaves the company. */
bool ct_track_met(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir, uint32_t status, struct ct_early *early);
/* A tracker wants more than may be done in company: to be looked at sooner, or an event to be told. */
static inline bool ct_wants_alone(const struct ct *ct)
{
	return (ct->event_mask && ct->event_wanted) || (int32_t)(ct->expires_tick - ct->look_tick) < 0;
}
/* Alone: does that, and gives back a share. */
void ct_settle(struct instance *inst, struct ct *ct);
/* Alone: the answer waits for its packet; takes the share. */
void ct_early_put(struct instance *inst, const struct ct_early *early);

/* Touches the buckets that a burst will look up; no effect otherwise. */
void ct_prefetch(struct instance *inst, struct pkt *const *burst, unsigned int count);

#endif
