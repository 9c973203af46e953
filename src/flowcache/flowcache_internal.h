/*
 * flowcache/flowcache_internal.h - actions, where they are kept, and the record of a way under way.
 */
#ifndef WEIR_FLOWCACHE_INTERNAL_H
#define WEIR_FLOWCACHE_INTERNAL_H

#include "flowcache/flowcache.h"
#include "hook/record.h"
#include "table/table.h"

enum {
	FLOW_SLOTS = 8192,		/* actions at once; the oldest makes room */
	FLOW_COPY_MAX = 2048,		/* longer packets are not recorded */
	FLOW_ALIKE_SETS = 256, FLOW_ALIKE_WAYS = 4,
	FLOW_FIRST_SETS = 64, FLOW_FIRST_WAYS = 4, FLOW_FIRST_KINDS = 256,
};

/* What a packet and its connection must look like. Cleared before it is filled: compared as bytes. */
struct flow_fit {
	const struct iface *in;
	uint32_t status, status_mask;	/* IPS_*: also after the tracker */
	uint32_t mark;
	uint32_t ct_mark, ct_mark_mask;	/* mask 0: it does not matter */
	uint32_t fields, fields_mask;	/* flow_fields(): TOS, TTL, TCP flags as far as they matter */
	uint32_t len_max;
	uint64_t flags_alike;		/* a bit for each set of FIN to URG that goes this way */
};

/* What is done with it, beside the rewriting that the connection's tuples say. */
struct flow_result {
	struct pkt_route route;
	const struct neigh *neigh;
	const struct table_rule_ref *rule;
	uint32_t mark, priority, secmark;
	uint16_t flags;			/* enum pkt_flag that the way adds */
	uint8_t way;			/* enum flow_way */
	uint8_t tos, ttl;
	bool has_tos_priority;		/* the priority follows from the packet's TOS */
	bool sets_tos, sets_ttl;	/* else TOS stays, and forwarding takes one from the TTL */
};

struct flow_action {
	uint32_t id;			/* 0: unused; its slot is id % FLOW_SLOTS */
	uint32_t next;			/* slot + 1 of the next one in the same bucket */
	struct flow_fit fit;
	struct flow_result result;
	struct tally tally;
	uint32_t hash;
};

/* The way of one packet, being recorded. */
struct flow_recording {
	struct record rec;
	struct ct *ct;			/* holds a share; NULL: there was none yet */
	int dir;
	struct flow_fit fit;		/* as the packet came */
	uint32_t began;			/* the connection's status before its tracker saw the packet */
	uint32_t ct_mark, fields;
	uint32_t expected;		/* FLOW_CHECK: the action that would have been taken; 0 = none */
	const struct flow_first *expected_first;
	const struct neigh *expected_neigh;
	struct record_first first;	/* while .rec says so */
	struct pkt_layers layers;	/* as it came */
	uint32_t len;
	uint8_t copy[FLOW_COPY_MAX];	/* the packet as it came */
};

/* What a connection's direction looks like to those who go by more than an action's fit; 0 where nobody asks. */
struct flow_look {
	uint32_t masq_ifindex;
	be16 ports[4];			/* source as it comes and as it leaves; destination */
	uint8_t family, proto, dir, asks;
};
struct flow_alike { struct flow_look look; uint32_t id; };

/* What a packet that begins a connection must have asked for, beside its fit: ports only if somebody asked. */
struct flow_first_look { uint8_t family, proto, asks, unused; be16 ports[2]; };
_Static_assert(sizeof(struct flow_first_look) == sizeof(uint64_t), "compared as one word");

/* The way of a first packet, and of all that look the same. */
struct flow_first {
	uint64_t look;			/* struct flow_first_look; 0: unused */
	struct flow_fit fit;
	struct flow_result result;
	struct record_first asked;
	struct tally tally;
};

struct flowcache {
	enum flow_mode mode;
	uint64_t changes;		/* inst->changes when the actions were learned */
	uint32_t last_id;
	uint32_t mismatches;
	struct flow_action *slots;	/* NULL until the first is needed */
	uint32_t buckets[FLOW_SLOTS];	/* slot + 1 */
	struct flow_alike alike[FLOW_ALIKE_SETS][FLOW_ALIKE_WAYS];	/* ways that are not one connection's alone */
	uint8_t alike_asks;		/* 1 << flow_look.asks of those */
	struct flow_first *first;	/* FLOW_FIRST_SETS of FLOW_FIRST_WAYS each; NULL until the first is needed */
	uint8_t first_asks;		/* as above */
	uint32_t first_next;		/* whose turn it is to make room */
	uint32_t first_changes;		/* how often .first changed: nobody is aside then */
	uint32_t guessed_at;		/* .first_changes, when guesses were made of the packets that somebody alone has in hand */
	/* By interface and service: first packets that pass before the next is recorded; how many after one that was for nothing. */
	struct flow_patience { uint16_t left, pause; } first_patience[FLOW_FIRST_KINDS];
	struct flow_recording recording;
	struct flow_stats stats;
	char *difference;		/* owned */
};

/* TOS or traffic class, TTL or hop limit, TCP flags: what an action may ask for, in one word. */
static inline uint32_t flow_fields(const struct pkt *pkt)
{
	uint32_t flags = pkt->l.l4proto == IPPROTO_TCP ? pkt->data[pkt->l.l4_off + 13] : 0;

	if (pkt->l.family == NFPROTO_IPV4)
		return pkt_ip4(pkt)->tos | (uint32_t)pkt_ip4(pkt)->ttl << 8 | flags << 16;
	return (uint8_t)(get_be16(pkt->data) >> 4) | (uint32_t)pkt_ip6(pkt)->hop_limit << 8 | flags << 16;
}
enum { FLOW_FIELD_TOS = 0xff, FLOW_FIELD_PRIORITY = 0x1e, FLOW_FIELD_TTL = 0xff00, FLOW_FIELD_FLAGS_SHIFT = 16 };

static inline struct flow_action *flow_action_of(const struct flowcache *cache, uint32_t id)
{
	struct flow_action *action = &cache->slots[id % FLOW_SLOTS];

	return id && action->id == id ? action : NULL;
}

/* --- action.c --- */
/* The number of an action that is equal, or of a new one; 0 without memory. */
uint32_t flow_action_get(struct instance *inst, const struct flow_fit *fit, const struct flow_result *result,
			 struct xt_counters *const *counted, uint32_t count);
void flow_forget_all(struct instance *inst);
/* The bytes: what @result and the tuples of @ct say. @data: a packet of ct_is_simple(). */
void flow_rewrite(uint8_t *data, const struct ct *ct, int dir, const struct flow_result *result);

/* --- cache.c, company.c --- */
/* A packet of which nothing is known yet but what its bytes say. */
static inline bool flow_is_fresh(const struct pkt *pkt)
{
	const uint16_t raw_socket = PKT_FLAG_LOCAL | PKT_FLAG_HDRINCL;

	_Static_assert(!PACKET_HOST, "compared together with what must not be there");
	if ((uintptr_t)pkt->ct | (uintptr_t)pkt->socket | (uintptr_t)pkt->piece_len | pkt->ctinfo | pkt->frag_max_size | pkt->type)
		return false;
	if (pkt->flags & PKT_FLAG_LOCAL)	/* the route of such a one follows from its address and mark */
		return pkt->flags == raw_socket && pkt->route.kind == ROUTE_OUTPUT;
	return !(pkt->flags & (uint16_t)~(PKT_FLAG_VLAN | PKT_FLAG_CSUM_TRUSTED)) && pkt->route.kind == ROUTE_NONE;
}

/* The same of received packets; false for others. */
static inline bool flow_is_fresh_received(const struct pkt *pkt)
{
	const struct { uint8_t ctinfo; pkt_type_t type; uint16_t flags; } may = { .flags = PKT_FLAG_VLAN | PKT_FLAG_CSUM_TRUSTED };
	uint32_t is, may_be;

	_Static_assert(sizeof(may) == sizeof(is) && offsetof(struct pkt, type) == offsetof(struct pkt, ctinfo) + 1 &&
		       offsetof(struct pkt, flags) == offsetof(struct pkt, ctinfo) + 2, "asked as one word");
	memcpy(&is, &pkt->ctinfo, sizeof(is));
	memcpy(&may_be, &may, sizeof(may_be));
	return !((uintptr_t)pkt->ct | (uintptr_t)pkt->socket | (uintptr_t)pkt->piece_len | pkt->frag_max_size |
		 (pkt->route.kind ^ ROUTE_NONE) | (is & ~may_be));
}

/* @status: the connection's, or what it is about to be; @mark: its mark; @fields: flow_fields(). */
static inline bool flow_fit_holds_with(const struct flow_fit *fit, const struct pkt *pkt, uint32_t mark, uint32_t status,
				       uint32_t fields)
{
	/* One jump: all of it holds nearly always. */
	return !(((uintptr_t)fit->in ^ (uintptr_t)pkt->in) | ((fit->status ^ status) & fit->status_mask) | (fit->mark ^ pkt->mark) |
		 (~fit->flags_alike >> (fields >> FLOW_FIELD_FLAGS_SHIFT & 0x3f) & 1) |
		 ((fit->ct_mark ^ mark) & fit->ct_mark_mask) | ((fit->fields ^ fields) & fit->fields_mask) |
		 (pkt->len > fit->len_max) | ((fields & FLOW_FIELD_TTL) <= 0x100));
}

static inline bool flow_fit_holds(const struct flow_fit *fit, const struct pkt *pkt, uint32_t mark, uint32_t status)
{
	return flow_fit_holds_with(fit, pkt, mark, status, flow_fields(pkt));
}

static inline bool flow_fits_as(const struct flow_action *action, const struct pkt *pkt, const struct ct *ct, uint32_t status)
{
	return flow_fit_holds(&action->fit, pkt, ct->mark, status);
}

static inline bool flow_fits(const struct flow_action *action, const struct pkt *pkt, const struct ct *ct)
{
	return flow_fits_as(action, pkt, ct, ct->status);
}

/* All but counting and the bytes. */
static inline void flow_apply_fields(struct pkt *pkt, const struct flow_result *result)
{
	pkt->mark = result->mark;
	pkt->priority = result->has_tos_priority ? ip4_tos_priority(pkt->data[1]) : result->priority;
	pkt->secmark = result->secmark;
	pkt->flags |= result->flags;
	pkt->rule = result->rule;
	pkt->route = result->route;
	pkt->out = result->route.oif;
}

static inline void flow_apply(struct pkt *pkt, const struct ct *ct, int dir, const struct flow_result *result)
{
	flow_rewrite(pkt->data, ct, dir, result);
	flow_apply_fields(pkt, result);
}

struct route_aside *flow_company_routes(const struct flow_company *own);

/* --- learn.c --- */
/* Connections whose packets are looked into, or that are not found by addresses and ports alone. */
bool flow_is_special(const struct ct *ct);
void flow_record_begin(struct instance *inst, const struct pkt *pkt, struct ct *ct, int dir, uint32_t expected);

/* The same for a connection's first packet; @expected is FLOW_CHECK's, or NULL. */
void flow_record_first(struct instance *inst, const struct pkt *pkt, const struct flow_first *expected, const struct neigh *neigh);
/* What the record says of the way that ends here. */
void flow_result_of(struct flow_recording *way, const struct pkt *pkt, enum flow_way ended, struct flow_result *result);
/* Narrows the fit to what was asked. */
void flow_fit_narrow(struct instance *inst, struct flow_recording *way);
bool flow_is_plain_route(const struct pkt *pkt, enum flow_way way);
/* Does @result turn the packet as it came into what it is now? */
bool flow_reproduces(const struct flow_recording *way, const struct pkt *pkt, const struct flow_result *result);
/* FLOW_CHECK: is the way what @want and @tally say? If not, that is the cache's difference. */
void flow_compare(struct flowcache *cache, const struct pkt *pkt, const struct flow_result *result, const struct flow_result *want,
		  const struct tally *tally);
void flow_differ(struct flowcache *cache, const struct pkt *pkt, const char *what);

/* --- first.c --- */
struct flow_company;
/* flowcache_take() for a packet whose connection nobody knows. */
enum flow_way flow_first_take(struct instance *inst, struct pkt *pkt, const struct neigh **neigh);
/* The full way of one that is recorded ends: well, or elsewhere. */
void flow_first_note(struct instance *inst, struct pkt *pkt, enum flow_way ended, const union nf_inet_addr *addr);
void flow_first_finish(struct instance *inst);
void flow_first_forget(struct instance *inst);

/* --- alike.c --- */
/* What a way may rest on beside its fit, and be others' way as well. No targets of extensions: they may change what routes look at. */
#define DEP_ALIKE (DEP_NOTHING | DEP_L3_PROTO | DEP_L3_FRAG | DEP_L3_OPTIONS | DEP_L4_PORTS | \
		   DEP_IFACES | DEP_PKT_TYPE | DEP_MARK | DEP_CT_STATE | DEP_CT_STATUS | DEP_L3_TOS | DEP_L3_TTL | DEP_L4_FLAGS | \
		   DEP_CT_MARK)
enum { ASKS_SPORT = 1, ASKS_DPORT = 2, ASKS_ALL = 4 };
static inline uint8_t flow_asks(uint32_t depends)
{
	return (uint8_t)((depends & DEP_L4_SPORT ? ASKS_SPORT : 0) | (depends & DEP_L4_DPORT ? ASKS_DPORT : 0));
}
/* Who is next door on the way of @want: its gateway, or @to; NULL: nobody is known, or the link needs no address. */
const struct neigh *flow_neigh_of(struct instance *inst, const struct pkt *pkt, const struct flow_result *want, const union nf_inet_addr *to);
/* Is it routed as @want says, with @to (NULL: its own) as destination? Then *neigh is who is next door. */
bool flow_is_routed_alike(struct instance *inst, struct pkt *pkt, const struct ct_tuple *to, const struct flow_result *want,
			  const struct neigh **neigh);
/* @way was learned as action @id: others that look the same may go it. */
void flow_alike_note(struct instance *inst, const struct flow_recording *way, const struct flow_result *result, uint32_t id);
/* The way of somebody that looks the same; NULL: not known. The packet is as before. */
struct flow_action *flow_alike_find(struct instance *inst, struct pkt *pkt, const struct ct *ct, int dir);

#endif
