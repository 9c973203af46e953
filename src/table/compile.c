/*
 * table/compile.c - chains as classifiers. What is known of a rule is what its header asks for and what its matches
 * declare (struct match's .classify), up to the first that declares nothing: from there on somebody may remember
 * having been asked. The walker tries every rule that is found, so nothing here has to be exact, but a rule may
 * be passed over only when trying it would have had no effect at all.
 *
 * A packet whose L4 header is not all there can be dropped by the very question for its ports. Such packets ask a second
 * classifier, made of headers alone, when the first of them comes.
 */
#include "classify/needles.h"
#include "conntrack/conntrack.h"
#include "route/route.h"
#include "table/alone.h"
#include "table/table_internal.h"

#include <linux/netfilter/xt_conntrack.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	COMPILE_MIN = 32,		/* shorter chains are walked as fast: bench-acl --sizes 16,24,32,48 with and without --walk */
	ENTRY_LINES = 4,		/* cache lines of a usual rule */
	STRINGS_MIN = 4,		/* fewer are sought one by one */
	STRINGS_ADDED_MAX = 16,		/* sought one by one until the chain is compiled anew */
};

/* --- rules --- */

static void ask_iface(struct class_rule *rule, const char *name, const unsigned char *mask, bool inverted, bool in)
{
	if (inverted || mask[0])
		class_rule_name(rule, in, name, mask, inverted);
	else if (memcmp(mask, (const unsigned char[IFNAMSIZ]){ 0 }, IFNAMSIZ))
		rule->is_partial = true;	/* iptables makes no such mask, a blob may hold one */
}

static void ask_proto(struct class_rule *rule, uint16_t proto, bool inverted)
{
	if (proto > UINT8_MAX)
		return;
	if (inverted)
		class_rule_unless(rule, CLASS_HEAD, (uint32_t)proto << CLASS_HEAD_PROTO, 0xffu << CLASS_HEAD_PROTO);
	else
		class_rule_bits(rule, CLASS_HEAD, (uint32_t)proto << CLASS_HEAD_PROTO, 0xffu << CLASS_HEAD_PROTO);
}

static void ask_address(struct class_rule *rule, enum class_word first, const void *addr, const void *mask, bool inverted)
{
	(inverted ? class_rule_unless_address : class_rule_address)(rule, first, addr, mask);
}

static void ask_header4(const struct ipt_ip *ip, struct class_rule *rule)
{
	const uint8_t inv = ip->invflags;

	ask_address(rule, CLASS_SRC, &ip->src, &ip->smsk, inv & IPT_INV_SRCIP);
	ask_address(rule, CLASS_DST, &ip->dst, &ip->dmsk, inv & IPT_INV_DSTIP);
	ask_iface(rule, ip->iniface, ip->iniface_mask, inv & IPT_INV_VIA_IN, true);
	ask_iface(rule, ip->outiface, ip->outiface_mask, inv & IPT_INV_VIA_OUT, false);
	if (ip->proto)
		ask_proto(rule, ip->proto, inv & IPT_INV_PROTO);
	if (ip->flags & IPT_F_FRAG)
		class_rule_bits(rule, CLASS_HEAD, (inv & IPT_INV_FRAG ? 0 : 1u) << CLASS_HEAD_LATER, 1u << CLASS_HEAD_LATER);
}

/* -p of IPv6 is asked last, and of a broken chain of headers asking is the end. */
static void ask_header6(const struct ip6t_ip6 *ip6, bool all, struct class_rule *rule)
{
	const uint8_t inv = ip6->invflags;

	ask_address(rule, CLASS_SRC, &ip6->src, &ip6->smsk, inv & IP6T_INV_SRCIP);
	ask_address(rule, CLASS_DST, &ip6->dst, &ip6->dmsk, inv & IP6T_INV_DSTIP);
	ask_iface(rule, ip6->iniface, ip6->iniface_mask, inv & IP6T_INV_VIA_IN, true);
	ask_iface(rule, ip6->outiface, ip6->outiface_mask, inv & IP6T_INV_VIA_OUT, false);
	if (all && ip6->flags & IP6T_F_PROTO && ip6->proto)
		ask_proto(rule, ip6->proto, inv & IP6T_INV_PROTO);
}

/* Is all that the header asks for in its class_rule? */
static bool header_is_said(const uint8_t *e, uint8_t family)
{
	const struct ipt_ip *ip = &((const struct ipt_entry *)e)->ip;
	const struct ip6t_ip6 *ip6 = &((const struct ip6t_entry *)e)->ipv6;

	if (entry_proto(e, family) > UINT8_MAX)
		return false;
	if (family == NFPROTO_IPV4)
		return !(ip->invflags & IPT_INV_FRAG && !(ip->flags & IPT_F_FRAG));
	return !(ip6->invflags & ~(IP6T_INV_SRCIP | IP6T_INV_DSTIP | IP6T_INV_PROTO | IP6T_INV_VIA_IN | IP6T_INV_VIA_OUT)) &&
	       !(ip6->invflags & IP6T_INV_PROTO && !(ip6->flags & IP6T_F_PROTO && ip6->proto));
}

static bool has_matches(const uint8_t *e, uint8_t family)
{
	return entry_target_offset(e, family) > entry_head_size(family);
}

static uint8_t standard_note(const struct xt_standard_target *t)
{
	return t->verdict == -NF_DROP - 1 ? NOTE_DROP : t->verdict == -NF_ACCEPT - 1 ? NOTE_ACCEPT : NOTE_NONE;
}

/* What a found rule need not be asked again. */
static void entry_is_sure(const uint8_t *e, uint8_t family, bool header_said, struct class_rule *rule)
{
	const struct xt_standard_target *t = entry_target(e, family);
	const bool is_standard = !((const struct target *)t->target.u.kernel.target)->target;

	if (rule->is_partial)
		return;
	rule->sure = CLASS_MATCHES_FIT;
	if (!header_said || (family == NFPROTO_IPV6 && !is_standard))	/* whose targets hear from the header where L4 begins */
		return;
	rule->sure = CLASS_ALL_FITS;
	rule->note = is_standard ? standard_note(t) : NOTE_NONE;
}

static void entry_asks(const uint8_t *e, uint8_t family, bool all, struct class_rule *rule)
{
	bool header_said;

	class_rule_init(rule, family);
	if (family == NFPROTO_IPV4)
		ask_header4(&((const struct ipt_entry *)e)->ip, rule);
	else
		ask_header6(&((const struct ip6t_entry *)e)->ipv6, all, rule);
	header_said = !rule->is_partial && header_is_said(e, family);
	rule->is_partial = false;
	/* a protocol without IP6T_F_PROTO is not asked for, but matches that need it read the packet from its first byte on */
	if (!all || (family == NFPROTO_IPV6 && !(entry_flags(e, family) & IP6T_F_PROTO) && entry_proto(e, family) &&
		     has_matches(e, family)))
		return;
	for_each_match(m, e, family) {
		const struct match *match = (const struct match *)m->u.kernel.match;

		if (!match->classify || rule->closed)
			return;
		match->classify(m->data, rule);
	}
	entry_is_sure(e, family, header_said, rule);
}

/* --- chains --- */

struct asking {
	const struct ruleset *rs;
	const uint32_t *ids;
	bool all;
};

static void rule_by_id(void *priv, uint32_t id, struct class_rule *rule)
{
	const struct asking *a = priv;

	entry_asks(a->rs->at[a->rs->place[id]], a->rs->family, a->all, rule);
}

static void rule_of(void *priv, uint32_t n, struct class_rule *rule)
{
	rule_by_id(priv, ((const struct asking *)priv)->ids[n], rule);
}

static struct classifier *ids_classifier(struct instance *inst, const struct ruleset *rs, const uint32_t *ids, uint32_t count,
					 bool all)
{
	struct asking a = { rs, ids, all };

	return classifier_new(count, ids, 0, rs->id_room, rs->family, (uint32_t)inst->hash_key.k[0], rule_of, &a);
}

/* Its rules' ids, in order. @needles: room for as many; those that want bytes go behind the others, and are counted. */
static uint32_t *segment_ids(const struct ruleset *rs, const struct segment *segment, struct needle *needles, uint32_t *strings)
{
	const uint32_t count = segment->last - segment->first;
	uint32_t *ids = malloc((count + 1) * sizeof(*ids)), plain = 0, behind = 0;

	for (uint32_t i = 0; ids && needles && i < count; i++) {
		struct class_rule rule;

		entry_asks(rs->at[segment->first + i], rs->family, true, &rule);
		*strings += rule.needle != NULL;
	}
	if (*strings < STRINGS_MIN)
		*strings = 0;
	for (uint32_t i = 0; ids && i < count; i++) {
		const uint32_t id = entry_id(rs, rs->at[segment->first + i]);
		struct class_rule rule = { .needle = NULL };

		if (*strings)
			entry_asks(rs->at[segment->first + i], rs->family, true, &rule);
		if (rule.needle) {
			needles[behind] = *rule.needle;
			ids[count - *strings + behind++] = id;
		} else {
			ids[plain++] = id;
		}
	}
	return ids;
}

/* All that is known of the rules, and the strings that some want. */
static void segment_classifiers(struct instance *inst, const struct ruleset *rs, struct segment *segment)
{
	const uint32_t count = segment->last - segment->first;
	struct needle *needles = malloc((count + 1) * sizeof(*needles));
	uint32_t strings = 0, *ids = segment_ids(rs, segment, needles, &strings);
	struct classifier *heads = NULL;

	if (!ids)
		goto out;
	segment->all = ids_classifier(inst, rs, ids, count - strings, true);
	if (!segment->all || !strings)
		goto out;
	heads = ids_classifier(inst, rs, ids + count - strings, strings, true);
	segment->strings = heads ? strings_new(heads, needles, ids + count - strings, strings) : NULL;
	if (!segment->strings) {
		classifier_free(heads);
		classifier_free(segment->all);
		segment->all = NULL;
	}
out:
	free(needles);
	free(ids);
}

static struct classifier *segment_bare(struct instance *inst, const struct ruleset *rs, const struct segment *segment)
{
	uint32_t strings = 0, *ids = segment_ids(rs, segment, NULL, &strings);
	struct classifier *c = ids ? ids_classifier(inst, rs, ids, segment->last - segment->first, false) : NULL;

	free(ids);
	return c;
}

/* A policy, a foot: nothing is asked there. */
static void segment_end(const struct ruleset *rs, struct segment *segment)
{
	const uint8_t *e = rs->at[segment->last];
	const struct xt_standard_target *t = entry_target(e, rs->family);

	segment->end_fits = entry_is_unconditional(e, rs->family) && !has_matches(e, rs->family) &&
			    !((const struct target *)t->target.u.kernel.target)->target;
	segment->end_id = entry_id(rs, e);
	segment->end_note = segment->end_fits ? standard_note(t) : NOTE_NONE;
}

static void segment_depends(struct segment *segment)
{
	struct class_rule asked, strings;

	segment->is_open = classifier_is_open(segment->all);
	classifier_asks(segment->all, &asked);
	if (segment->strings) {
		classifier_asks(strings_heads(segment->strings), &strings);
		for (unsigned int w = 0; w < CLASS_WORDS; w++)
			asked.mask[w] |= strings.mask[w];
		asked.sport_count |= strings.sport_count;
		asked.dport_count |= strings.dport_count;
		asked.states &= strings.states;
	}
	segment->depends = DEP_NOTHING | (asked.mask[CLASS_IFACES] ? DEP_IFACES : 0) | (asked.mask[CLASS_MARK] ? DEP_MARK : 0) |
			   (asked.sport_count || asked.dport_count ? DEP_L4_PORTS | DEP_L3_FRAG : 0) |
			   (asked.mask[CLASS_HEAD] >> CLASS_HEAD_LATER & 1 ? DEP_L3_FRAG : 0) |
			   (asked.mask[CLASS_HEAD] >> CLASS_HEAD_TOS & 0xff ? DEP_L3_TOS : 0) |
			   (asked.states != CLASS_STATE_ANY ? DEP_CT_STATE : 0) | DEP_L3_ADDRS | DEP_L3_PROTO;
	segment->tcp_flags = (uint8_t)(asked.mask[CLASS_HEAD] >> CLASS_HEAD_FLAGS);
	if (segment->tcp_flags)
		segment->depends |= DEP_L4_FLAGS;
}

static void segment_forget(struct segment *segment)
{
	classifier_free(segment->all);
	classifier_free(segment->bare);
	strings_free(segment->strings);
	segment->strings = NULL;
	segment->all = segment->bare = NULL;
	segment->compiled = segment->strings_added = 0;
	segment->bare_failed = segment->is_worn = false;
}

void ruleset_forget_compiled(struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->segment_count; i++)
		segment_forget(&rs->segments[i]);
}

/* A worker that makes it for its packet lets all others wait. */
static void bare_make(struct instance *inst, const struct ruleset *rs, struct segment *segment)
{
	segment->bare = segment_bare(inst, rs, segment);
	segment->bare_failed = !segment->bare;
}

static void segment_compile(struct instance *inst, const struct ruleset *rs, struct segment *segment)
{
	const enum rules_mode mode = inst->tables->mode;
	const uint32_t min = mode == RULES_CHECK ? 1 : COMPILE_MIN;

	segment_forget(segment);
	if (mode == RULES_WALK || segment->last - segment->first < min)
		return;
	segment_classifiers(inst, rs, segment);
	if (!segment->all)
		return;
	segment->compiled = segment->last - segment->first;
	segment_end(rs, segment);
	segment_depends(segment);
	if (inst->crew)
		bare_make(inst, rs, segment);
}

void ruleset_compile(struct instance *inst, struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->segment_count; i++)
		segment_compile(inst, rs, &rs->segments[i]);
}

/* Nobody else changes the rules meanwhile: what is made of them aside fits when it is done. */
void segment_settle(struct instance *inst, struct ruleset *rs, struct segment *segment)
{
	struct segment fresh = { .first = segment->first, .last = segment->last }, worn;

	if (!segment->is_worn)
		return;
	segment_compile(inst, rs, &fresh);
	worker_alone_begin(inst, NULL);
	ahead_forget(&inst->tables->ahead);
	worn = *segment;
	*segment = fresh;
	worker_alone_end(inst, NULL);
	segment_forget(&worn);
}

static bool is_worn(const struct segment *segment)
{
	return segment->strings_added > STRINGS_ADDED_MAX + segment->compiled / 4 || (segment->strings && strings_are_worn(segment->strings)) ||
	       classifier_is_worn(segment->all);
}

void compiled_add(struct instance *inst, struct ruleset *rs, struct segment *segment, uint32_t id)
{
	struct class_rule rule;
	const uint8_t *e = rs->at[rs->place[id]];

	ahead_forget(&inst->tables->ahead);
	entry_asks(e, rs->family, true, &rule);
	segment->strings_added += rule.needle != NULL;
	if (!segment->all || classifier_add(segment->all, id, &rule, rs->place)) {
		segment_forget(segment);
		segment->is_worn = true;
		return;
	}
	segment->is_worn = is_worn(segment) || (classifier_is_crowded(segment->all) &&
			   classifier_regroup(segment->all, rs->place, rule_by_id, &(struct asking){ rs, NULL, true }));
	segment->compiled++;
	segment_depends(segment);
	if (!segment->bare)
		return;
	entry_asks(e, rs->family, false, &rule);
	if (classifier_add(segment->bare, id, &rule, rs->place)) {
		classifier_free(segment->bare);
		segment->bare = NULL;
		segment->is_worn = true;
	}
}

void compiled_remove(struct instance *inst, struct ruleset *rs, struct segment *segment, uint32_t id)
{
	struct class_rule rule;

	ahead_forget(&inst->tables->ahead);
	if (!segment->all)
		return;
	entry_asks(rs->at[rs->place[id]], rs->family, true, &rule);
	if (!segment->strings || !strings_remove(segment->strings, id, &rule))
		classifier_remove(segment->all, id, &rule);
	segment->compiled--;
	if (segment->bare) {
		entry_asks(rs->at[rs->place[id]], rs->family, false, &rule);
		classifier_remove(segment->bare, id, &rule);
	}
}

/* --- packets --- */

/* Bytes of L4 that matches with a .classify may ask for without further thought. */
static const uint8_t l4_bytes[256] = {
	[IPPROTO_TCP] = 20, [IPPROTO_UDP] = 8, [IPPROTO_UDPLITE] = 8, [IPPROTO_ICMP] = 8, [IPPROTO_ICMPV6] = 8,
	[IPPROTO_SCTP] = 12, [IPPROTO_DCCP] = 12,
};

static inline void key_l4(struct compiled_key *k, const struct pkt *pkt, uint8_t proto, uint32_t off)
{
	const uint32_t want = l4_bytes[proto];
	const uint8_t *l4 = pkt_at(pkt, off, want);
	uint32_t *word = k->key.word;

	word[CLASS_HEAD] |= (uint32_t)proto << CLASS_HEAD_PROTO;
	word[CLASS_PORTS] = 0;
	k->has_l4 = l4 != NULL;
	if (!l4 || !want)
		return;
	word[CLASS_PORTS] = get_be32(l4);
	if (proto == IPPROTO_TCP)
		word[CLASS_HEAD] |= (uint32_t)l4[13] << CLASS_HEAD_FLAGS;
	else if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		word[CLASS_PORTS] = (uint32_t)l4[0] << 16 | l4[1];
}

static inline void key4(struct compiled_key *k, const struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	uint32_t *word = k->key.word;

	memset(word, 0, CLASS_PORTS * sizeof(*word));
	word[CLASS_SRC] = ntohl(ip->saddr);
	word[CLASS_DST] = ntohl(ip->daddr);
	word[CLASS_HEAD] = (uint32_t)ip->tos << CLASS_HEAD_TOS;
	if (ip->frag_off & htons(IP4_OFFSET_MASK)) {
		word[CLASS_HEAD] |= 1u << CLASS_HEAD_LATER | (uint32_t)ip->protocol << CLASS_HEAD_PROTO;
		word[CLASS_PORTS] = 0;
		k->has_l4 = false;
		return;
	}
	key_l4(k, pkt, ip->protocol, ip->ihl * 4u);
}

static void key6(struct compiled_key *k, const struct pkt *pkt)
{
	const struct ipv6hdr *ip6 = pkt_ip6(pkt);
	uint32_t *word = k->key.word;
	struct chain_end end;

	for (unsigned int i = 0; i < 4; i++) {
		word[CLASS_SRC + i] = ntohl(ip6->saddr.s6_addr32[i]);
		word[CLASS_DST + i] = ntohl(ip6->daddr.s6_addr32[i]);
	}
	word[CLASS_HEAD] = (get_be32(ip6) >> 20 & 0xff) << CLASS_HEAD_TOS;
	word[CLASS_PORTS] = 0;
	chain_end_find(pkt, &end);
	if (end.broken || end.frag_off || !end.offset)
		k->has_l4 = false;
	else
		key_l4(k, pkt, end.proto, end.offset);
}

uint16_t compiled_states(const struct pkt *pkt)
{
	if (!pkt->ct)
		return pkt->ctinfo == IP_CT_UNTRACKED ? XT_CONNTRACK_STATE_UNTRACKED : XT_CONNTRACK_STATE_INVALID;
	return (uint16_t)(XT_CONNTRACK_STATE_BIT(pkt->ctinfo) |
			  (pkt->ct->status & IPS_SRC_NAT ? XT_CONNTRACK_STATE_SNAT : 0) |
			  (pkt->ct->status & IPS_DST_NAT ? XT_CONNTRACK_STATE_DNAT : 0));
}

void compiled_name(struct class_key *key, enum class_word word, const struct iface *iface)
{
	if (iface)
		memcpy(key->word + word, iface->name, IFNAMSIZ);
	else
		memset(key->word + word, 0, IFNAMSIZ);
}

/* What the routing tables think of an address: IPv4's one type, or those of IPv6 that a route is asked for. */
static uint32_t key_types(const struct compiled_key *k, unsigned int at)
{
	const struct iface *const ifaces[] = { NULL, k->state->in, k->state->out };
	const struct iface *iface = ifaces[at / 2];
	struct in6_addr addr;

	if (k->state->family == NFPROTO_IPV4)
		return 1u << route_addr_type4(k->state->inst, iface, at & 1 ? pkt_ip4(k->pkt)->daddr : pkt_ip4(k->pkt)->saddr);
	memcpy(&addr, at & 1 ? &pkt_ip6(k->pkt)->daddr : &pkt_ip6(k->pkt)->saddr, sizeof(addr));
	return route_addr_types6(k->state->inst, iface, &addr, true);
}

static uint32_t key_ct(const struct pkt *pkt)
{
	if (!pkt->ct)
		return 0;
	return CLASS_CT_KNOWN | (ctinfo_dir(pkt->ctinfo) == IP_CT_DIR_ORIGINAL ? 0 : CLASS_CT_REPLY) |
	       (uint32_t)ct_proto_num(pkt->ct) << CLASS_CT_PROTO | (pkt->ct->status & CLASS_CT_STATUS);
}

/* What only terms are about, when one comes to be asked. */
static void key_fill(struct class_key *key, unsigned int word)
{
	const struct compiled_key *k = (const struct compiled_key *)((char *)key - offsetof(struct compiled_key, key));
	const struct pkt *pkt = k->pkt;
	const bool v4 = k->state->family == NFPROTO_IPV4;

	switch (word) {
	case CLASS_CTMARK:
		key->word[word] = pkt->ct ? pkt->ct->mark : 0;
		return;
	case CLASS_LENGTH:
		key->word[word] = v4 ? ntohs(pkt_ip4(pkt)->tot_len) : pkt->len;
		return;
	case CLASS_KIND:
		key->word[word] = (uint32_t)(v4 ? pkt_ip4(pkt)->ttl : pkt_ip6(pkt)->hop_limit) << 8 | pkt_kind(pkt, k->state->family);
		return;
	case CLASS_CT:
		key->word[word] = key_ct(pkt);
		return;
	}
	if (word < CLASS_IN_NAME)
		key->word[word] = key_types(k, word - CLASS_TYPES);
	else if (word < CLASS_OUT_NAME)
		compiled_name(key, CLASS_IN_NAME, k->state->in);
	else
		compiled_name(key, CLASS_OUT_NAME, k->state->out);
}

static void key_make(struct compiled_key *k, uint8_t family, const struct pkt *pkt, const struct hook_state *state)
{
	k->known = true;
	k->pkt = pkt;
	k->state = state;
	k->key.missing = CLASS_LATE;
	k->key.fill = key_fill;
	k->strings = 0;
	k->cursor.c = NULL;
	if (family == NFPROTO_IPV4)
		key4(k, pkt);
	else
		key6(k, pkt);
	k->has_ifaces = false;
	k->key.word[CLASS_IFACES] = 0;
	k->key.word[CLASS_MARK] = pkt->mark;
	k->key.states = compiled_states(pkt);
}

bool compiled_key_ahead(struct class_key *key, uint8_t family, const struct pkt *pkt)
{
	struct compiled_key k;

	if (family == NFPROTO_IPV4)
		key4(&k, pkt);
	else
		key6(&k, pkt);
	k.key.word[CLASS_MARK] = pkt->mark;
	memcpy(key->word, k.key.word, CLASS_WORDS * sizeof(*key->word));
	key->unknown = CLASS_LATE;
	key->missing = 0;
	return k.has_l4;
}

static uint32_t place_of(const struct ruleset *rs, const struct segment *segment, struct class_found *found)
{
	if (found->id != CLASS_NONE)
		return rs->moved ? rs->place[found->id] : found->id;
	*found = (struct class_found){ .id = CLASS_NONE, .sure = segment->end_fits ? CLASS_ALL_FITS : CLASS_MAYBE };
	return segment->last;
}

/* All but addresses and ports. */
#define RECORDED_UNKNOWN (CLASS_LATE | 1u << CLASS_HEAD | 1u << CLASS_IFACES | 1u << CLASS_MARK | 1u << CLASS_STATES)

/* A rule that wants some bytes may come before what was found. */
static inline uint32_t strings_too(struct instance *inst, const struct ruleset *rs, const struct segment *segment,
				   struct compiled_key *k, const struct pkt *pkt, uint32_t from, uint32_t at,
				   struct class_found *found)
{
	uint32_t place;

	if (likely(!segment->strings))
		return at;
	place = strings_find(segment->strings, rs, &inst->tables->string_stamps, k, pkt, from, at);
	if (place < at)
		*found = (struct class_found){ .id = entry_id(rs, rs->at[place]) };
	return place;
}

static inline void key_complete(struct compiled_key *k, const struct ruleset *rs, const struct segment *segment,
				const struct pkt *pkt, const struct hook_state *state)
{
	if (!k->known)
		key_make(k, rs->family, pkt, state);
	/* while a way is recorded, what it may rest on is what any rule asks for in bits; terms about more are for the rule to say */
	k->key.unknown = unlikely(state->inst->record) ? RECORDED_UNKNOWN | (segment->depends & DEP_L4_PORTS ? 0 : 1u << CLASS_PORTS) : 0;
	if (segment->depends & DEP_IFACES && !k->has_ifaces) {
		k->has_ifaces = true;
		k->key.word[CLASS_IFACES] = (uint32_t)class_name_hash(state->in ? state->in->name : "") << 16 |
					    class_name_hash(state->out ? state->out->name : "");
	}
}

uint32_t compiled_ahead(struct instance *inst, const struct ruleset *rs, struct segment *segment, struct compiled_key *k,
			const struct pkt *pkt, const struct hook_state *state, struct class_found *found)
{
	struct ahead_chain *chain = ahead_chain_of(&inst->tables->ahead, segment);
	const struct class_found *answer = chain && chain->made ? ahead_take(chain, pkt, state) : NULL;
	uint32_t at;

	if (!answer)
		return NO_PLACE;
	*found = *answer;
	at = place_of(rs, segment, found);
	if (unlikely(segment->strings)) {
		key_complete(k, rs, segment, pkt, state);
		at = strings_too(inst, rs, segment, k, pkt, segment->first, at, found);
	}
	if (at >= segment->first + TRIED_FIRST)		/* else it would have come without a look-up */
		ahead_taken(chain, pkt, state);
	return at;
}

uint32_t compiled_find(struct instance *inst, const struct ruleset *rs, struct segment *segment, uint32_t at,
		       struct compiled_key *k, const struct pkt *pkt, const struct hook_state *state,
		       struct class_found *found)
{
	const struct classifier *c = segment->all;
	const uint32_t from = at;

	key_complete(k, rs, segment, pkt, state);
	if (unlikely(!k->has_l4)) {
		if (!segment->bare && !segment->bare_failed)
			bare_make(inst, rs, segment);
		if (segment->bare_failed)
			return at;
		c = segment->bare;
	} else if (at == segment->first + TRIED_FIRST) {
		ahead_note(&inst->tables->ahead, rs, segment, &k->key, state);
	}
	if (likely(!segment->is_open))
		*found = classifier_find(c, &k->key, rs->moved ? rs->place : NULL, at);
	else
		*found = classifier_find_next(c, &k->key, rs->moved ? rs->place : NULL, at, &k->cursor);
	at = place_of(rs, segment, found);
	if (k->has_l4)
		at = strings_too(inst, rs, segment, k, pkt, from, at, found);
	if (found->id == CLASS_NONE)
		return at;
	__builtin_prefetch(&rs->counters[found->id], 1);
	__builtin_prefetch(&rs->refs[found->id]);
	for (unsigned int line = 0; line < ENTRY_LINES && !found->note; line++)
		__builtin_prefetch(rs->at[at] + line * 64);
	return at;
}

/* --- what people ask --- */

void compiled_differs(struct instance *inst, const struct ruleset *rs, uint32_t place, const char *what)
{
	const struct table_rule_ref *ref = table_rule(rs, entry_id(rs, rs->at[place]));
	struct tables *tables = inst->tables;

	if (!tables->differs[0])
		snprintf(tables->differs, sizeof(tables->differs), "table %s, %s rule %u: the compiled rules %s", ref->table, ref->chain,
			 ref->number, what);
}

const char *tables_difference(const struct instance *inst)
{
	return inst->tables->differs[0] ? inst->tables->differs : NULL;
}

void tables_set_mode(struct instance *inst, enum rules_mode mode)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };

	inst->tables->mode = mode;
	ahead_forget(&inst->tables->ahead);
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		list_for_each(node, tables_of(inst->tables, families[f]))
			ruleset_compile(inst, list_entry(node, struct table, node)->rules);
}

void tables_serve_workers(struct instance *inst)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		list_for_each(node, tables_of(inst->tables, families[f])) {
			const struct ruleset *rs = list_entry(node, struct table, node)->rules;

			for (uint32_t i = 0; i < rs->segment_count; i++)
				if (rs->segments[i].all && !rs->segments[i].bare && !rs->segments[i].bare_failed)
					bare_make(inst, rs, &rs->segments[i]);
		}
	}
}

struct tables_compiled tables_compiled(const struct instance *inst)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	struct tables_compiled sum = { 0 };

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		list_for_each(node, tables_of(inst->tables, families[f])) {
			const struct ruleset *rs = list_entry(node, struct table, node)->rules;

			for (uint32_t i = 0; i < rs->segment_count; i++) {
				const struct segment *segment = &rs->segments[i];

				sum.chains += segment->compiled != 0;
				sum.rules += segment->compiled;
				sum.bytes += (segment->all ? classifier_bytes(segment->all) : 0) +
					     (segment->bare ? classifier_bytes(segment->bare) : 0) +
					     (segment->strings ? strings_bytes(segment->strings) : 0);
			}
		}
	}
	return sum;
}
