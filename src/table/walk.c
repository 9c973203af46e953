/*
 * table/walk.c - a packet through the rules of one hook, one after the other, until one decides.
 * In a compiled chain only those rules are tried that the packet can match (compile.c); each is tried as always. Under
 * RULES_CHECK all are tried, and one that does anything although it was to be passed over is a difference.
 */
#include "table/table_internal.h"

#include "hook/record.h"
#include "route/route.h"

static inline bool iface_is(const char *name, const char *want, const unsigned char *mask)
{
	uint64_t a[2], b[2], m[2];

	memcpy(a, name, sizeof(a));
	memcpy(b, want, sizeof(b));
	memcpy(m, mask, sizeof(m));
	return !(((a[0] ^ b[0]) & m[0]) | ((a[1] ^ b[1]) & m[1]));
}

_Static_assert(IFNAMSIZ == 2 * sizeof(uint64_t), "iface_is() compares 16 bytes");

_Static_assert(offsetof(struct ipt_ip, dst) == offsetof(struct ipt_ip, src) + 4 &&
	       offsetof(struct ipt_ip, dmsk) == offsetof(struct ipt_ip, smsk) + 4, "both addresses are compared at once");

static inline bool addrs_fit4(const struct iphdr *ip, const struct ipt_ip *want)
{
	return ((ip->saddr & want->smsk.s_addr) == want->src.s_addr) != !!(want->invflags & IPT_INV_SRCIP) &&
	       ((ip->daddr & want->dmsk.s_addr) == want->dst.s_addr) != !!(want->invflags & IPT_INV_DSTIP);
}

static inline bool header_matches4(const struct iphdr *ip, const struct ipt_ip *want, const char *in,
				   const char *out, bool later_fragment)
{
	const uint8_t inv = want->invflags;
	uint64_t addrs, mask, asked;

	if (likely(!inv && !(want->flags & IPT_F_FRAG))) {
		memcpy(&addrs, &ip->saddr, sizeof(addrs));
		memcpy(&mask, &want->smsk, sizeof(mask));
		memcpy(&asked, &want->src, sizeof(asked));
		return !((addrs & mask) ^ asked) && (!want->proto || want->proto == ip->protocol) &&
		       iface_is(in, want->iniface, want->iniface_mask) && iface_is(out, want->outiface, want->outiface_mask);
	}
	if (!addrs_fit4(ip, want))
		return false;
	if (iface_is(in, want->iniface, want->iniface_mask) == !!(inv & IPT_INV_VIA_IN) ||
	    iface_is(out, want->outiface, want->outiface_mask) == !!(inv & IPT_INV_VIA_OUT))
		return false;
	if (want->proto && (ip->protocol == want->proto) == !!(inv & IPT_INV_PROTO))
		return false;
	return !(want->flags & IPT_F_FRAG && !later_fragment) != !!(inv & IPT_INV_FRAG);
}

static inline bool addr6_is(const struct in6_addr *addr, const struct in6_addr *mask, const struct in6_addr *want)
{
	uint64_t a[2], m[2], w[2];

	memcpy(a, addr, sizeof(a));
	memcpy(m, mask, sizeof(m));
	memcpy(w, want, sizeof(w));
	return !(((a[0] & m[0]) ^ w[0]) | ((a[1] & m[1]) ^ w[1]));
}

static inline bool addrs_fit6(const struct ipv6hdr *ip6, const struct ip6t_ip6 *want)
{
	return addr6_is(&ip6->saddr, &want->smsk, &want->src) != !!(want->invflags & IP6T_INV_SRCIP) &&
	       addr6_is(&ip6->daddr, &want->dmsk, &want->dst) != !!(want->invflags & IP6T_INV_DSTIP);
}

void chain_end_find(const struct pkt *pkt, struct chain_end *end)
{
	uint32_t at = sizeof(struct ipv6hdr);
	uint8_t proto = pkt_ip6(pkt)->nexthdr;

	*end = (struct chain_end){ .known = true, .broken = true };
	while (!ip6_ends_chain(proto)) {
		const uint8_t *h = pkt->data + at;
		uint32_t left = pkt->len > at ? pkt->len - at : 0;

		if (left < 2 || (proto == IPPROTO_ROUTING && left < 4))
			return;
		if (proto == IPPROTO_FRAGMENT) {
			uint16_t frag_off;

			if (left < 4)
				return;
			frag_off = get_be16(h + 2) & IP6_OFFSET_MASK;
			if (frag_off) {
				if (!ip6_ends_chain(h[0]))
					return;
				end->broken = false;
				end->proto = h[0];
				end->frag_off = frag_off;
				return;
			}
		}
		/* a header may reach beyond the packet: only the next one's first bytes are asked for */
		at += ip6_ext_len(proto, h);
		proto = h[0];
	}
	end->broken = false;
	end->proto = proto;
	end->offset = (uint16_t)MIN_OF(at, 0xffffu);
}

static inline bool header_matches6(const struct pkt *pkt, const struct ip6t_ip6 *want, const char *in,
				   const char *out, struct chain_end *end, struct ext_call *call)
{
	const struct ipv6hdr *ip6 = pkt_ip6(pkt);
	const uint8_t inv = want->invflags;

	if (!addrs_fit6(ip6, want))
		return false;
	if (iface_is(in, want->iniface, want->iniface_mask) == !!(inv & IP6T_INV_VIA_IN) ||
	    iface_is(out, want->outiface, want->outiface_mask) == !!(inv & IP6T_INV_VIA_OUT))
		return false;
	if (!(want->flags & IP6T_F_PROTO))
		return true;
	if (!end->known)
		chain_end_find(pkt, end);
	if (end->broken) {
		call->hotdrop = true;
		return false;
	}
	if (end->offset)
		call->thoff = end->offset;
	call->fragoff = end->frag_off;
	if (want->proto == end->proto)
		return !(inv & IP6T_INV_PROTO);
	return !want->proto || inv & IP6T_INV_PROTO;
}

static inline unsigned int decided(struct pkt *pkt, const struct ruleset *rs, uint32_t id, unsigned int verdict, bool by_number)
{
	const struct table_rule_ref *ref = table_rule(rs, id);

	if (verdict == NF_STOLEN)	/* the target has taken the packet: it may be gone */
		return verdict;
	/* the least that a rule of this table weighs is asked first: what is known of it may be far away */
	if (verdict != NF_ACCEPT || !pkt->rule || pkt->rule->weight <= rs->weight || pkt->rule->weight <= ref->weight)
		pkt->rule = ref;
	if ((verdict & NF_VERDICT_MASK) == NF_DROP) {
		if (by_number)
			pkt->drop_reason = rs->roles[id] == ROLE_POLICY ? DROP_POLICY : DROP_RULE;
		else if (pkt->drop_reason == DROP_NONE)
			pkt->drop_reason = DROP_RULE;
	}
	return verdict;
}

/* --- for the flow cache: what this walk rests on --- */

static __attribute__((noinline)) struct record *record_of(const struct instance *inst, const struct pkt *pkt)
{
	if (inst->record->pkt == pkt)
		return inst->record;
	inst->record->is_spoiled = true;
	return NULL;
}

static __attribute__((noinline)) void record_match(struct record *rec, const struct xt_entry_match *m)
{
	const struct match *match = (const struct match *)m->u.kernel.match;
	uint32_t depends = match->depends_of ? match->depends_of(m->data) : match->depends;

	rec->is_spoiled |= !depends;
	rec->depends |= depends;
	if (depends & DEP_L4_FLAGS && rec->pkt->l.l4proto == IPPROTO_TCP) {
		uint64_t alike = match->tcp_flags_alike && rec->pkt->l.l4_len >= sizeof(struct tcphdr) ?
				 match->tcp_flags_alike(m->data, rec->pkt->data[rec->pkt->l.l4_off + 13]) : 0;

		rec->tcp_flags |= alike ? 0 : 0xff;
		rec->flags_alike &= alike ? alike : ~0ull;
	}
}

static bool header_addrs_fit(const uint8_t *e, uint8_t family, const struct pkt *pkt)
{
	if (family == NFPROTO_IPV4)
		return addrs_fit4(pkt_ip4(pkt), &((const struct ipt_entry *)e)->ip);
	return addrs_fit6(pkt_ip6(pkt), &((const struct ip6t_entry *)e)->ipv6);
}

/* For one connection's packets the answer stays; of one that begins the question is kept. */
static void record_addrs(struct record *rec, const uint8_t *e, uint8_t family)
{
	struct record_first *first = rec->first;

	if (!first || first->asked_count == RECORD_ASKED_MAX) {
		rec->depends |= DEP_L3_ADDRS;
		return;
	}
	first->asked[first->asked_count].entry = e;
	first->asked[first->asked_count++].fits = header_addrs_fit(e, family, rec->pkt);
}

bool table_still_fits(const struct record_first *first, uint8_t family, const struct pkt *pkt)
{
	for (unsigned int i = 0; i < first->asked_count; i++)
		if (header_addrs_fit(first->asked[i].entry, family, pkt) != first->asked[i].fits)
			return false;
	return true;
}

/* Addresses were asked for, and all else that the rule's header wants was there: the answer was theirs. */
static __attribute__((noinline)) void record_header(struct record *rec, const uint8_t *e, uint8_t family, const char *in, const char *out)
{
	static const union nf_inet_addr none[2];
	const struct ip6t_ip6 *six = &((const struct ip6t_entry *)e)->ipv6;
	const struct ipt_ip *four = &((const struct ipt_entry *)e)->ip;
	const struct pkt *pkt = rec->pkt;

	if (family == NFPROTO_IPV4) {
		if ((four->smsk.s_addr | four->dmsk.s_addr) &&
		    iface_is(in, four->iniface, four->iniface_mask) != !!(four->invflags & IPT_INV_VIA_IN) &&
		    iface_is(out, four->outiface, four->outiface_mask) != !!(four->invflags & IPT_INV_VIA_OUT) &&
		    (!four->proto || (pkt_ip4(pkt)->protocol == four->proto) != !!(four->invflags & IPT_INV_PROTO)))
			record_addrs(rec, e, family);
	} else if ((memcmp(&six->smsk, none, sizeof(six->smsk)) || memcmp(&six->dmsk, none, sizeof(six->dmsk))) &&
		   iface_is(in, six->iniface, six->iniface_mask) != !!(six->invflags & IP6T_INV_VIA_IN) &&
		   iface_is(out, six->outiface, six->outiface_mask) != !!(six->invflags & IP6T_INV_VIA_OUT)) {
		record_addrs(rec, e, family);
	}
}

static __attribute__((noinline)) void record_target(struct record *rec, const struct target *target, const struct table_rule_ref *rule)
{
	const uint32_t depends = target->depends_whole ? target->depends_whole : target->depends;	/* others are not recorded */

	if (rec->first && target->is_nat_source) {	/* nat_setup() says the rest */
		rec->first->nat_rule = rule;
		return;
	}
	rec->has_target = true;
	rec->is_spoiled |= !depends;
	rec->depends |= depends;
	if (depends & DEP_L4_FLAGS)
		rec->tcp_flags = 0xff;
}

/* Passing over rules rests on what was asked for them all. */
static __attribute__((noinline)) void record_segment(struct record *rec, const struct segment *segment)
{
	rec->depends |= segment->depends;
	rec->tcp_flags |= segment->tcp_flags;
}

/* --- the walk --- */

/* Where a walk is, and what it knows. */
struct walk {
	struct ruleset *rs;
	struct segment *segment;
	uint64_t *stack;		/* of segment << 32 | place */
	uint32_t depth;
	uint32_t place;
	uint32_t passed;		/* RULES_CHECK: the places before this one were to be passed over */
	bool checks;
	struct class_found found;	/* of the rule at .place, if it was found */
	struct compiled_key key;
	struct record *rec;
};

static inline void walk_to(struct walk *w, const struct anchor *to)
{
	w->place = to->place;
	w->segment = &w->rs->segments[to->segment];
	w->passed = 0;
}

/* Where the walk goes on from w->place, in a chain that is compiled. */
static __attribute__((noinline)) void walk_seek_compiled(struct walk *w, const struct pkt *pkt, const struct hook_state *state)
{
	struct segment *segment = w->segment;

	if (unlikely(w->rec))
		record_segment(w->rec, segment);
	if (unlikely(w->checks)) {
		if (w->place >= w->passed)
			w->passed = compiled_find(state->inst, w->rs, segment, w->place, &w->key, pkt, state, &w->found);
		else
			w->found.sure = CLASS_MAYBE;
		return;
	}
	if (w->place >= segment->first + TRIED_FIRST) {
		w->place = compiled_find(state->inst, w->rs, segment, w->place, &w->key, pkt, state, &w->found);
	} else if (w->place == segment->first && state->inst->tables->ahead.has_answers) {
		const uint32_t place = compiled_ahead(state->inst, w->rs, segment, &w->key, pkt, state, &w->found);

		if (place != NO_PLACE)
			w->place = place;
	}
	if (unlikely(w->rec)) {			/* wants to hear from each match */
		w->found.sure = w->found.note = 0;
		w->rec->depends |= w->key.known && w->key.strings ? DEP_BYTES : 0;
	}
}

_Static_assert(TRIED_FIRST == 2, "the second place is the last that is tried without a look-up");

static inline void walk_seek(struct walk *w, const struct pkt *pkt, const struct hook_state *state)
{
	w->found.sure = w->found.note = 0;
	if (unlikely(w->place > w->segment->last)) {	/* only in blobs whose chains have no end */
		w->segment++;
		w->passed = 0;
	}
	if (likely(!w->segment->all) || w->place >= w->segment->last ||
	    (w->place == w->segment->first + (TRIED_FIRST - 1) && !w->checks && !w->rec))	/* tried without a thought */
		return;
	walk_seek_compiled(w, pkt, state);
}

/* RULES_CHECK: nobody may learn of a packet in a rule that it was to pass over. */
static void check_passed(const struct walk *w, const struct match *match, const struct hook_state *state)
{
	if (w->place < w->passed && !match->classify &&
	    (!match->depends || match->depends & (DEP_STATE | DEP_RANDOM)))
		compiled_differs(state->inst, w->rs, w->place, "pass over it, but it asks a match that remembers");
}

/* RULES_CHECK: what is said of a rule that was found must hold. */
static void check_found(const struct walk *w, bool header_matches, bool matches, const uint8_t *e, struct instance *inst)
{
	const struct xt_standard_target *t = entry_target(e, w->rs->family);
	const uint8_t sure = w->found.sure, note = w->found.note;

	if (w->place != w->passed)
		return;
	if ((sure == CLASS_ALL_FITS && !matches) || (sure == CLASS_MATCHES_FIT && header_matches && !matches))
		compiled_differs(inst, w->rs, w->place, "say that it matches, but it does not");
	if (note && (((const struct target *)t->target.u.kernel.target)->target ||
		     t->verdict != (note == NOTE_DROP ? -NF_DROP - 1 : -NF_ACCEPT - 1)))
		compiled_differs(inst, w->rs, w->place, "say that it decides otherwise");
}

/* One body for both families: @family is a constant in each of the two callers. */
static inline __attribute__((always_inline)) unsigned int
walk(struct table *table, struct pkt *pkt, const struct hook_state *state, const uint8_t family)
{
	static const char no_iface[IFNAMSIZ];
	struct ruleset *rs = table->rules;
	const char *in = state->in ? state->in->name : no_iface;
	const char *out = state->out ? state->out->name : no_iface;
	/* A target may send a packet of its own through this same table: its jumps go above ours. */
	struct walk w;
	struct ext_call call = { .inst = state->inst, .state = state, .family = family };
	struct chain_end end = { .known = false };
	const uint8_t goto_flag = family == NFPROTO_IPV4 ? IPT_F_GOTO : IP6T_F_GOTO;
	unsigned int verdict = NF_DROP;
	struct xt_counters *counter;

	/* one by one: the key is large, and seldom asked for */
	w.rs = rs;
	w.stack = rs->stack + (rs->nesting ? rs->stack_size : 0);
	w.depth = 0;
	w.checks = state->inst->tables->mode == RULES_CHECK;
	w.found.id = CLASS_NONE;
	w.key.known = false;
	w.rec = unlikely(state->inst->record) ? record_of(state->inst, pkt) : NULL;
	if (family == NFPROTO_IPV4) {
		call.fragoff = ntohs(pkt_ip4(pkt)->frag_off) & IP4_OFFSET_MASK;
		call.thoff = pkt_ip4(pkt)->ihl * 4;
	}
	rs->nesting++;
	walk_to(&w, &rs->begin[state->hooknum]);
	for (;;) {
		const struct xt_entry_target *t;
		const struct target *target;
		const uint8_t *e;
		bool matches, header_matches;
		uint8_t sure;

		walk_seek(&w, pkt, state);
		sure = unlikely(w.checks) ? CLASS_MAYBE : w.found.sure;
		if (sure == CLASS_ALL_FITS && w.found.note && likely(!(pkt->flags & PKT_FLAG_TRACED))) {
			counter = &rs->counters[w.found.id];
			counter->pcnt++;
			counter->bcnt += pkt->len;
			verdict = decided(pkt, rs, w.found.id, w.found.note == NOTE_DROP ? NF_DROP : NF_ACCEPT, true);
			break;
		}
		e = rs->at[w.place];
		__builtin_prefetch(e + entry_next_offset(e, family) + 64);
		if (sure == CLASS_ALL_FITS) {
			matches = true;
		} else if (family == NFPROTO_IPV4) {
			matches = header_matches4(pkt_ip4(pkt), &((const struct ipt_entry *)e)->ip, in, out,
						  call.fragoff);
		} else {
			call.thoff = 0;
			matches = header_matches6(pkt, &((const struct ip6t_entry *)e)->ipv6, in, out, &end, &call);
		}
		header_matches = matches;
		if (unlikely(w.rec))
			record_header(w.rec, e, family, in, out);
		counter = (struct xt_counters *)(uintptr_t)entry_counters((void *)e, family)->pcnt;
		if (matches && sure == CLASS_MAYBE) {
			for_each_match(m, e, family) {
				const struct match *match = (const struct match *)m->u.kernel.match;

				if (unlikely(w.rec))
					record_match(w.rec, m);
				if (unlikely(w.checks))
					check_passed(&w, match, state);
				matches = match->match(pkt, m->data, &call);
				if (!match->classify) {		/* it may have given the packet another mark or type */
					w.key.known = false;
					w.passed = MIN_OF(w.passed, w.place + 1);
				}
				if (!matches)
					break;
			}
		}
		if (unlikely(w.place < w.passed) && (matches || call.hotdrop))
			compiled_differs(state->inst, rs, w.place, matches ? "pass over it, but it matches" : "pass over it, but it drops");
		if (unlikely(w.checks))
			check_found(&w, header_matches, matches, e, state->inst);
		if (!matches) {
			if (unlikely(call.hotdrop))
				break;
			w.place++;
			continue;
		}
		counter->pcnt++;
		counter->bcnt += pkt->len;
		if (unlikely(w.rec))
			record_count(w.rec, counter);
		if (unlikely(pkt->flags & PKT_FLAG_TRACED))
			table_trace(table, e, (uint32_t)(counter - rs->counters), pkt, state);
		t = entry_target(e, family);
		target = (const struct target *)t->u.kernel.target;
		if (!target->target) {
			int v = ((const struct xt_standard_target *)t)->verdict;

			if (v == VERDICT_NEXT) {
				w.place++;
			} else if (v >= 0) {
				if (!(entry_flags(e, family) & goto_flag)) {
					if (unlikely(w.depth >= rs->stack_size)) {
						verdict = decided(pkt, rs, (uint32_t)(counter - rs->counters), NF_DROP, true);
						break;
					}
					w.stack[w.depth++] = (uint64_t)(w.segment - rs->segments) << 32 | (w.place + 1);
				}
				walk_to(&w, &rs->anchors[v]);
			} else if (v != XT_RETURN) {
				verdict = decided(pkt, rs, (uint32_t)(counter - rs->counters), (unsigned int)-v - 1, true);
				break;
			} else if (w.depth) {
				const uint64_t back = w.stack[--w.depth];

				walk_to(&w, &(struct anchor){ .place = (uint32_t)back, .segment = (uint32_t)(back >> 32) });
			} else {
				walk_to(&w, &rs->end[state->hooknum]);
			}
		} else {
			if (unlikely(w.rec))
				record_target(w.rec, target, table_rule(rs, (uint32_t)(counter - rs->counters)));
			verdict = target->target(pkt, t->data, &call);
			if (verdict != XT_CONTINUE) {
				verdict = decided(pkt, rs, (uint32_t)(counter - rs->counters), verdict, false);
				break;
			}
			end.known = false;	/* the packet may be another one now */
			w.key.known = false;
			w.passed = 0;
			w.place++;
		}
		if (unlikely(call.hotdrop))
			break;
	}
	rs->nesting--;
	if (unlikely(call.hotdrop)) {
		pkt->rule = table_rule(rs, (uint32_t)(counter - rs->counters));
		pkt->drop_reason = DROP_HOTDROP;
		return NF_DROP;
	}
	return verdict;
}

/* What a burst's look ahead said of this packet, where that is the verdict: a walk without a walk. */
static __attribute__((noinline)) bool ahead_decides(const struct table *table, struct pkt *pkt, const struct hook_state *state, unsigned int *verdict)
{
	const struct ruleset *rs = table->rules;
	const struct anchor *begin = &rs->begin[state->hooknum];
	struct segment *segment = &rs->segments[begin->segment];
	struct ahead_chain *chain = ahead_chain_of(&state->inst->tables->ahead, segment);
	const struct class_found *answer;
	struct xt_counters *counter;
	uint32_t id;
	uint8_t note;

	if (!chain || !chain->made || begin->place != segment->first || segment->strings || state->inst->record ||
	    pkt->flags & PKT_FLAG_TRACED || state->inst->tables->mode != RULES_COMPILED)
		return false;
	answer = ahead_take(chain, pkt, state);
	if (!answer)
		return false;
	if (answer->id == CLASS_NONE) {
		id = segment->end_id;
		note = segment->end_note;
	} else {
		id = answer->id;
		note = answer->sure == CLASS_ALL_FITS ? answer->note : NOTE_NONE;
	}
	if (!note) {			/* the walk asks again */
		chain->used--;
		return false;
	}
	ahead_taken(chain, pkt, state);
	counter = &rs->counters[id];
	counter->pcnt++;
	counter->bcnt += pkt->len;
	*verdict = decided(pkt, rs, id, note == NOTE_DROP ? NF_DROP : NF_ACCEPT, true);
	return true;
}

unsigned int table_walk4(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	unsigned int verdict;

	if (unlikely(state->inst->tables->ahead.has_answers) && ahead_decides(priv, pkt, state, &verdict))
		return verdict;
	return walk(priv, pkt, state, NFPROTO_IPV4);
}

unsigned int table_walk6(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	unsigned int verdict;

	if (unlikely(state->inst->tables->ahead.has_answers) && ahead_decides(priv, pkt, state, &verdict))
		return verdict;
	return walk(priv, pkt, state, NFPROTO_IPV6);
}

static unsigned int reroute(struct pkt *pkt, const struct hook_state *state, unsigned int verdict)
{
	int err = route_me_harder(state->inst, pkt);

	if (err < 0) {
		pkt->drop_reason = DROP_NO_ROUTE;
		return NF_DROP;
	}
	return verdict;
}

unsigned int table_reroute4(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	const struct iphdr before = *pkt_ip4(pkt), *ip;
	const uint32_t mark = pkt->mark;
	unsigned int verdict = table_walk4(priv, pkt, state);

	if (verdict == NF_DROP || verdict == NF_STOLEN)
		return verdict;
	ip = pkt_ip4(pkt);
	if (ip->saddr != before.saddr || ip->daddr != before.daddr || pkt->mark != mark || ip->tos != before.tos)
		return reroute(pkt, state, verdict);
	return verdict;
}

unsigned int table_reroute6(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	const struct ipv6hdr before = *pkt_ip6(pkt), *ip6;
	const uint32_t mark = pkt->mark;
	unsigned int verdict = table_walk6(priv, pkt, state);

	if (verdict == NF_DROP || verdict == NF_STOLEN)
		return verdict;
	ip6 = pkt_ip6(pkt);
	/* the first word: priority and flow label */
	if (memcmp(&ip6->saddr, &before.saddr, 2 * sizeof(struct in6_addr)) || pkt->mark != mark ||
	    ip6->hop_limit != before.hop_limit || memcmp(ip6, &before, sizeof(uint32_t)))
		return reroute(pkt, state, verdict);
	return verdict;
}
