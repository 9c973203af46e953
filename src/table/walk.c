/*
 * table/walk.c - a packet through the rules of one hook, one after the other, until one decides.
 * The plain linear walker: whatever becomes faster later is compared with this one.
 */
#include "table/table_internal.h"

#include "hook/record.h"
#include "route/route.h"

/* What a walk knows of an IPv6 packet's header chain; found at most once per packet version. */
struct chain_end {
	bool known, broken;		/* broken: the chain is cut short before any L4 */
	uint8_t proto;
	uint16_t offset, frag_off;	/* offset 0 in later fragments, as nothing was found there */
};

static inline bool iface_is(const char *name, const char *want, const unsigned char *mask)
{
	uint64_t a[2], b[2], m[2];

	memcpy(a, name, sizeof(a));
	memcpy(b, want, sizeof(b));
	memcpy(m, mask, sizeof(m));
	return !(((a[0] ^ b[0]) & m[0]) | ((a[1] ^ b[1]) & m[1]));
}

_Static_assert(IFNAMSIZ == 2 * sizeof(uint64_t), "iface_is() compares 16 bytes");

static inline bool header_matches4(const struct iphdr *ip, const struct ipt_ip *want, const char *in,
				   const char *out, bool later_fragment)
{
	const uint8_t inv = want->invflags;

	if (((ip->saddr & want->smsk.s_addr) == want->src.s_addr) == !!(inv & IPT_INV_SRCIP) ||
	    ((ip->daddr & want->dmsk.s_addr) == want->dst.s_addr) == !!(inv & IPT_INV_DSTIP))
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

static bool is_extension_header(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_AH || proto == IPPROTO_NONE || proto == IPPROTO_DSTOPTS;
}

static bool ends_chain(uint8_t proto)
{
	return !is_extension_header(proto) || proto == IPPROTO_NONE;
}

/* Where -p finds its protocol. A fragment in the middle of extension headers counts as broken. */
static void chain_end_find(const struct pkt *pkt, struct chain_end *end)
{
	uint32_t at = sizeof(struct ipv6hdr);
	uint8_t proto = pkt_ip6(pkt)->nexthdr;

	*end = (struct chain_end){ .known = true, .broken = true };
	while (!ends_chain(proto)) {
		const uint8_t *h = pkt->data + at;
		uint32_t left = pkt->len > at ? pkt->len - at : 0, len;

		if (left < 2 || (proto == IPPROTO_ROUTING && left < 4))
			return;
		len = proto == IPPROTO_AH ? (h[1] + 2u) * 4 : (h[1] + 1u) * 8;
		if (proto == IPPROTO_FRAGMENT) {
			uint16_t frag_off;

			if (left < 4)
				return;
			frag_off = get_be16(h + 2) & IP6_OFFSET_MASK;
			if (frag_off) {
				if (!ends_chain(h[0]))
					return;
				end->broken = false;
				end->proto = h[0];
				end->frag_off = frag_off;
				return;
			}
			len = 8;
		}
		/* a header may reach beyond the packet: only the next one's first bytes are asked for */
		proto = h[0];
		at += len;
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

	if (addr6_is(&ip6->saddr, &want->smsk, &want->src) == !!(inv & IP6T_INV_SRCIP) ||
	    addr6_is(&ip6->daddr, &want->dmsk, &want->dst) == !!(inv & IP6T_INV_DSTIP))
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

static inline unsigned int decided(struct pkt *pkt, const struct ruleset *rs, const struct xt_counters *counter,
				   unsigned int verdict, bool by_number)
{
	const uint32_t i = (uint32_t)(counter - rs->counters);

	if (verdict != NF_ACCEPT || !pkt->rule || pkt->rule->weight <= rs->refs[i]->weight)
		pkt->rule = rs->refs[i];
	if ((verdict & NF_VERDICT_MASK) == NF_DROP) {
		if (by_number)
			pkt->drop_reason = rs->roles[i] == ROLE_POLICY ? DROP_POLICY : DROP_RULE;
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
	if (depends & DEP_L4_FLAGS)
		rec->tcp_flags |= match->tcp_flags_of ? match->tcp_flags_of(m->data) : 0xff;
}

static __attribute__((noinline)) void record_target(struct record *rec, const struct target *target)
{
	rec->has_target = true;
	rec->is_spoiled |= !target->depends;
	rec->depends |= target->depends;
	if (target->depends & DEP_L4_FLAGS)
		rec->tcp_flags = 0xff;
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
	uint32_t *stack = rs->stack + (rs->nesting ? rs->stack_size : 0);
	struct ext_call call = { .inst = state->inst, .state = state, .family = family };
	struct chain_end end = { .known = false };
	const uint8_t *e = rs->entries + rs->hook_entry[state->hooknum];
	const uint8_t goto_flag = family == NFPROTO_IPV4 ? IPT_F_GOTO : IP6T_F_GOTO;
	unsigned int verdict = NF_DROP;
	struct xt_counters *counter;
	uint32_t depth = 0;
	struct record *rec = unlikely(state->inst->record) ? record_of(state->inst, pkt) : NULL;

	if (family == NFPROTO_IPV4) {
		call.fragoff = ntohs(pkt_ip4(pkt)->frag_off) & IP4_OFFSET_MASK;
		call.thoff = pkt_ip4(pkt)->ihl * 4;
	}
	rs->nesting++;
	for (;;) {
		const uint8_t *next = e + entry_next_offset(e, family);
		const struct xt_entry_target *t;
		const struct target *target;
		bool matches;

		__builtin_prefetch(next + 64);
		if (family == NFPROTO_IPV4) {
			matches = header_matches4(pkt_ip4(pkt), &((const struct ipt_entry *)e)->ip, in, out,
						  call.fragoff);
		} else {
			call.thoff = 0;
			matches = header_matches6(pkt, &((const struct ip6t_entry *)e)->ipv6, in, out, &end, &call);
		}
		counter = (struct xt_counters *)(uintptr_t)entry_counters((void *)e, family)->pcnt;
		if (matches) {
			for_each_match(m, e, family) {
				if (unlikely(rec))
					record_match(rec, m);
				matches = ((const struct match *)m->u.kernel.match)->match(pkt, m->data, &call);
				if (!matches)
					break;
			}
		}
		if (!matches) {
			if (unlikely(call.hotdrop))
				break;
			e = next;
			continue;
		}
		counter->pcnt++;
		counter->bcnt += pkt->len;
		if (unlikely(rec))
			record_count(rec, counter);
		if (unlikely(pkt->flags & PKT_FLAG_TRACED))
			table_trace(table, e, (uint32_t)(counter - rs->counters), pkt, state);
		t = entry_target(e, family);
		target = (const struct target *)t->u.kernel.target;
		if (!target->target) {
			int v = ((const struct xt_standard_target *)t)->verdict;

			if (v >= 0) {
				const uint8_t *to = rs->entries + v;

				if (to != next && !(entry_flags(e, family) & goto_flag)) {
					if (unlikely(depth >= rs->stack_size)) {
						verdict = decided(pkt, rs, counter, NF_DROP, true);
						break;
					}
					stack[depth++] = (uint32_t)(next - rs->entries);
				}
				e = to;
			} else if (v != XT_RETURN) {
				verdict = decided(pkt, rs, counter, (unsigned int)-v - 1, true);
				break;
			} else {
				e = rs->entries + (depth ? stack[--depth] : rs->underflow[state->hooknum]);
			}
		} else {
			if (unlikely(rec))
				record_target(rec, target);
			verdict = target->target(pkt, t->data, &call);
			if (verdict != XT_CONTINUE) {
				verdict = decided(pkt, rs, counter, verdict, false);
				break;
			}
			end.known = false;	/* the packet may be another one now */
			e = next;
		}
		if (unlikely(call.hotdrop))
			break;
	}
	rs->nesting--;
	if (unlikely(call.hotdrop)) {
		pkt->rule = rs->refs[counter - rs->counters];
		pkt->drop_reason = DROP_HOTDROP;
		return NF_DROP;
	}
	return verdict;
}

unsigned int table_walk4(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	return walk(priv, pkt, state, NFPROTO_IPV4);
}

unsigned int table_walk6(void *priv, struct pkt *pkt, const struct hook_state *state)
{
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
