/*
 * nat/nat_internal.h - what the files of nat/ share: the by-source index, choosing, rewriting.
 */
#ifndef WEIR_NAT_INTERNAL_H
#define WEIR_NAT_INTERNAL_H

#include "hook/record.h"
#include "nat/nat.h"

enum { NAT_LOOKUPS_MAX = 8, NAT_HOOKS = 4, NAT_FULL_KNOWN = 64 };

/* One family's half: who is asked about first packets, in the order they came. */
struct nat_family {
	struct instance *inst;
	uint8_t family;
	unsigned int lookup_count;
	struct { nat_lookup_fn fn; void *priv; unsigned int users; } lookups[NAT_LOOKUPS_MAX];
};

/* A search of nat/exact.c that found nothing free: true until a connection ends, and not beyond its tick. */
struct nat_full { uint64_t question, tick, ended; };

struct nat {
	struct nat_family v4, v6;
	uint64_t *by_source;		/* connections by the source of their first packet, newest first */
	uint32_t bucket_mask, source_count;
	uint64_t *old_by_source;	/* half as many buckets; those from @moved on are still in use */
	uint32_t moved, move_debt;
	uint64_t *retired[32];		/* tables that moved, by the bits of their size: as ct_table's */
	union nf_inet_addr last_source[2];	/* IPv4, IPv6: the address that a source was given last */
	struct nat_cones *cones;		/* cone.c; NULL until a rule makes the first */
	uint32_t exact_tries;			/* sysctl weir_nat_exact */
	struct nat_full full[NAT_FULL_KNOWN];
};

/* The next one may well be given the same address. Workers aside read IPv4's. */
static inline void nat_guess_note(struct nat *nat, const struct ct_tuple *chosen)
{
	if (chosen->family == NFPROTO_IPV6)
		nat->last_source[1] = chosen->src;
	else if (nat->last_source[0].ip != chosen->src.ip)
		__atomic_store_n(&nat->last_source[0].ip, chosen->src.ip, __ATOMIC_RELAXED);
}

/* --- setup.c: one half of a connection's tuple, about to be chosen --- */
struct nat_choice {
	struct instance *inst;
	struct ct *ct;
	const struct nf_nat_range2 *range;
	enum nat_manip manip;
};
/* nat_setup() that nobody hears of; nat_record() is how those hear who record a connection's first packet. */
unsigned int nat_choose(struct instance *inst, struct ct *ct, const struct nf_nat_range2 *range, enum nat_manip manip);
void nat_record(const struct instance *inst, enum nat_manip manip, enum record_nat_kind kind, const struct nf_nat_range2 *range);
/* Would the answers to @tuple be somebody else's? Near the end of a search finished connections make room. */
bool nat_is_taken(const struct nat_choice *c, const struct ct_tuple *tuple, uint32_t attempts_left);

/* --- exact.c: what is free is found, or nothing is --- */
enum nat_exact { NAT_EXACT_FOUND, NAT_EXACT_FULL, NAT_EXACT_GAVE_UP };
enum nat_exact nat_exact_search(const struct nat_choice *c, struct ct_tuple *tuple);

/* --- source.c: connections by original source --- */
bool nat_source_index_new(struct nat *nat);
void nat_source_index_free(struct nat *nat);
void nat_source_add(struct instance *inst, struct ct *ct);
/*
 * A source that is mapped already keeps its mapping: @result is @tuple with the newest mapped source that
 * @range allows. false: none.
 */
bool nat_source_find(struct instance *inst, const struct ct *ct, const struct ct_tuple *tuple,
		     const struct nf_nat_range2 *range, struct ct_tuple *result);

/* Where a source's connections hang, asked for. */
const uint64_t *nat_source_prefetch(struct instance *inst, const struct ct_tuple *tuple, uint32_t *hash);
/* ... and what is asked of them, once the bucket is there. */
void nat_source_prefetch_first(struct instance *inst, const uint64_t *bucket, const struct ct_tuple *tuple);
/* The first half for many IPv4 packets that are hashed; others may be changing the index meanwhile. Room as siphash_pairs() wants it. */
void nat_sources_hash(const struct instance *inst, struct pkt *const *pkts, unsigned int count, uint32_t *hashes);
void nat_sources_hint(const struct instance *inst, const uint32_t *hashes, unsigned int count);
const uint64_t *nat_source_bucket(const struct instance *inst, uint32_t hash);

/* --- range.c: what a range allows --- */
bool nat_range_holds_source(const struct nf_nat_range2 *range, const struct ct_tuple *tuple);
bool nat_range_holds_l4(const struct nf_nat_range2 *range, const struct ct_tuple *tuple, enum nat_manip manip);
/* Puts the range's address for this tuple's source and destination into the manipulated half. */
void nat_range_pick_addr(const struct nf_nat_range2 *range, const struct ct_zone *zone, enum nat_manip manip,
			 struct ct_tuple *tuple);
/* The key that may vary (port, ICMP id, GRE call) and the values it may take. */
struct nat_keys { be16 *key; uint32_t first, count; };
/* false: this protocol, or a destination without a port range, has nothing to vary. */
bool nat_range_keys(const struct nf_nat_range2 *range, enum nat_manip manip, bool has_master,
		    struct ct_tuple *tuple, struct nat_keys *keys);

/* --- manip.c: bytes --- */
/*
 * Makes one half of the IP header at @ip_off, and of the L4 header behind it, look like @target.
 * Works on outer and on quoted headers; checksums follow. false: headers are cut too short.
 */
bool nat_rewrite(struct pkt *pkt, uint32_t ip_off, const struct ct_tuple *target, enum nat_manip manip);
/* IPv6: where the extension headers behind @off end (ipv6_skip_exthdr); -1: cut short or no next header. */
int nat_skip_ext_headers(const uint8_t *data, uint32_t len, uint32_t off, uint8_t *proto, uint16_t *frag_off);

/* The IPS_*_NAT bit that says whether @manip applies to packets of direction @dir. */
static inline uint32_t nat_status_bit(enum nat_manip manip, int dir)
{
	bool is_source = (manip == NAT_MANIP_SRC) == (dir == IP_CT_DIR_ORIGINAL);

	return is_source ? IPS_SRC_NAT : IPS_DST_NAT;
}

/* --- masquerade.c --- */
/* The address of the way out; false: it has none. */
bool nat_masquerade_addr(struct pkt *pkt, const struct hook_state *state, union nf_inet_addr *source);

/* --- cone.c --- */
void nat_cones_free(struct nat *nat);

/* --- icmp.c --- */
/* Translates an ICMP error about a connection, outside and inside; false: drop it. */
bool nat_icmp_error(struct pkt *pkt, uint8_t hooknum, uint32_t icmp_off);

#endif
