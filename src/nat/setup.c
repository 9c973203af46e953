/*
 * nat/setup.c - which tuple a connection gets.
 * The reply tuple is the whole truth: a mapping is chosen by asking whether the reply it would bring is still
 * free in the connection table. Where Linux has a rule for the choice it is followed; where Linux rolls dice,
 * the instance's random source does.
 */
#include <stdlib.h>

#include "nat/nat_internal.h"

enum {
	ATTEMPTS_MAX = 128,		/* tries from one random start; then from others, half as many each time */
	ATTEMPTS_MIN = 16,
	EVICT_ATTEMPTS = ATTEMPTS_MAX / 4,	/* near the end of a search, finished connections make room */
};

/* Would the answers to @tuple be somebody else's already? */
static bool is_taken(const struct nat_choice *c, const struct ct_tuple *tuple)
{
	struct ct_tuple reply;

	if (!ct_tuple_invert(&reply, tuple))
		return false;
	return ct_tuple_taken(c->inst, &reply, ct_reply_hash(c->inst, c->ct, &reply), c->ct);
}

/*
 * The same for the tuple as it came: when the holder is the same flow seen from the other side, and neither is
 * translated, the tuple is left alone and confirm settles the clash.
 */
static bool is_taken_unchanged(const struct nat_choice *c, const struct ct_tuple *tuple)
{
	const uint32_t translated = IPS_NAT_MASK | IPS_SEQ_ADJUST;
	struct ct_tuple reply;
	bool taken;
	struct ct *other;
	int dir;

	if (!is_taken(c, tuple))
		return false;
	if (!ct_proto_of(c->inst, ct_proto_num(c->ct))->allow_clash || (c->ct->status & translated))
		return true;
	other = ct_find(c->inst, &c->ct->zone, tuple, &dir);
	if (!other && ct_tuple_invert(&reply, tuple))
		other = ct_find(c->inst, &c->ct->zone, &reply, &dir);
	if (!other)
		return false;
	taken = (other->status & translated) ||
		!ct_tuple_equal(ct_tuple(other, IP_CT_DIR_ORIGINAL), ct_tuple(c->ct, IP_CT_DIR_REPLY));
	ct_put(c->inst, other);
	return taken;
}

/* A TCP connection that is over, and whose late segments a new one cannot mistake for its own. */
static bool may_evict(const struct ct *old, const struct ct *new)
{
	return old->proto.tcp.state >= TCP_CONNTRACK_TIME_WAIT &&
	       !(old->status & (IPS_FIXED_TIMEOUT | IPS_DYING)) && (old->status & IPS_SRC_NAT) &&
	       (int32_t)(new->proto.tcp.seen[0].td_end - old->proto.tcp.seen[0].td_end) > 0;
}

bool nat_is_taken(const struct nat_choice *c, const struct ct_tuple *tuple, uint32_t attempts_left)
{
	struct ct_tuple reply;
	bool taken = true;
	struct ct *old;
	int dir;

	if (attempts_left > EVICT_ATTEMPTS || tuple->proto != IPPROTO_TCP ||
	    c->ct->proto.tcp.state != TCP_CONNTRACK_SYN_SENT)
		return is_taken(c, tuple);
	if (!ct_tuple_invert(&reply, tuple))
		return false;
	old = ct_find(c->inst, &c->ct->zone, &reply, &dir);
	if (!old)
		return false;
	if (dir == IP_CT_DIR_REPLY && old != c->ct && may_evict(old, c->ct) && ct_kill(c->inst, old))
		taken = false;
	ct_put(c->inst, old);
	return taken;
}

/* Varies the port until nobody has it; false: all tries failed, the last one stands. */
static bool search_key(const struct nat_choice *c, struct ct_tuple *tuple)
{
	struct nat_keys keys;
	uint32_t attempts;
	uint16_t offset;

	if (!nat_range_keys(c->range, c->manip, ct_master(c->ct) != NULL, tuple, &keys) || keys.count == 0)
		return !c->inst->nat->exact_tries || !is_taken(c, tuple);
	if (c->range->flags & NF_NAT_RANGE_PROTO_OFFSET)
		offset = ntohs(*keys.key) - ntohs(c->range->base_proto.all);
	else if (c->manip == NAT_MANIP_DST && !(c->range->flags & NF_NAT_RANGE_PROTO_RANDOM_ALL))
		offset = 0;		/* destinations fill up in order */
	else
		offset = rng_u16(&c->inst->rng);
	for (attempts = MIN_OF(keys.count, (uint32_t)ATTEMPTS_MAX);; attempts /= 2) {
		for (uint32_t i = 0; i < attempts; i++, offset++) {
			*keys.key = htons(keys.first + offset % keys.count);
			if (!nat_is_taken(c, tuple, attempts - i))
				return true;
		}
		if (attempts >= keys.count || attempts < ATTEMPTS_MIN)
			return false;
		offset = rng_u16(&c->inst->rng);
	}
}

/* false: nothing is free, and that is certain. Without certainty confirm drops the packet when the answers clash. */
static bool choose(const struct nat_choice *c, const struct ct_tuple *current, struct ct_tuple *tuple)
{
	const struct nf_nat_range2 *range = c->range;
	bool is_random = range->flags & NF_NAT_RANGE_PROTO_RANDOM_ALL, is_exact = c->inst->nat->exact_tries;

	/* A source keeps what it has: its own tuple when the range holds it, else the mapping it got before. */
	if (c->manip == NAT_MANIP_SRC && !is_random) {
		if (nat_range_holds_source(range, current)) {
			if (!is_taken_unchanged(c, current)) {
				*tuple = *current;
				return true;
			}
		} else if (nat_source_find(c->inst, c->ct, current, range, tuple)) {
			if (!is_taken(c, tuple))
				return true;
		}
	}
	*tuple = *current;
	nat_range_pick_addr(range, &c->ct->zone, c->manip, tuple);
	if (!is_random) {
		if (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
			if (!(range->flags & NF_NAT_RANGE_PROTO_OFFSET) && nat_range_holds_l4(range, tuple, c->manip) &&
			    ((range->min_proto.all == range->max_proto.all && !is_exact) || !is_taken(c, tuple)))
				return true;
		} else if (!is_taken(c, tuple)) {
			return true;
		}
	}
	return search_key(c, tuple) || !is_exact || nat_exact_search(c, tuple) != NAT_EXACT_FULL;
}

void nat_record(const struct instance *inst, enum nat_manip manip, enum record_nat_kind kind, const struct nf_nat_range2 *range)
{
	struct record_nat *nat;

	if (likely(!inst->record || !inst->record->first))
		return;
	nat = &inst->record->first->nat[manip];
	nat->kind = nat->kind == RECORD_NAT_NONE ? kind : RECORD_NAT_ODD;
	if (range)
		nat->range = *range;
}

unsigned int nat_setup(struct instance *inst, struct ct *ct, const struct nf_nat_range2 *range, enum nat_manip manip)
{
	nat_record(inst, manip, RECORD_NAT_RANGE, range);
	return nat_choose(inst, ct, range, manip);
}

unsigned int nat_choose(struct instance *inst, struct ct *ct, const struct nf_nat_range2 *range, enum nat_manip manip)
{
	const struct nat_choice c = { .inst = inst, .ct = ct, .range = range, .manip = manip };
	uint32_t done = manip == NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
	struct ct_tuple current, chosen, reply;

	if (ct_is_confirmed(ct))
		return NF_ACCEPT;		/* too late: it stays as it is */
	if (ct->status & done)
		return NF_DROP;
	if (!ct_tuple_invert(&current, ct_tuple(ct, IP_CT_DIR_REPLY)))
		return NF_DROP;
	if (!choose(&c, &current, &chosen))
		return NF_DROP;
	if (!ct_tuple_equal(&chosen, &current)) {
		if (!ct_tuple_invert(&reply, &chosen))
			return NF_DROP;
		ct_set_reply_tuple(inst, ct, &reply, ct_reply_hash(inst, ct, &reply));
		if (manip == NAT_MANIP_SRC)
			nat_guess_note(inst->nat, &chosen);
		ct->status |= manip == NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT;
	}
	if (manip == NAT_MANIP_SRC)
		nat_source_add(inst, ct);
	ct->status |= done;
	return NF_ACCEPT;
}
