/*
 * table/verify.c - nothing in a blob is believed. First every entry's own sizes, then how entries hang
 * together (hooks, policies, jumps, loops); what extensions say comes last (entry_exts.c). The order decides which errno a bad
 * blob gets, and it is the kernel's.
 */
#include "table/table_internal.h"

#include <stdlib.h>

#define SAME_PLACE(field) \
	_Static_assert(offsetof(struct ipt_replace, field) == offsetof(struct ip6t_replace, field), #field)
SAME_PLACE(valid_hooks);
SAME_PLACE(num_entries);
SAME_PLACE(size);
SAME_PLACE(hook_entry);
SAME_PLACE(underflow);
SAME_PLACE(num_counters);
SAME_PLACE(counters);
SAME_PLACE(entries);

const char *const hook_chain_names[NF_INET_NUMHOOKS] = {
	[NF_INET_PRE_ROUTING] = "PREROUTING", [NF_INET_LOCAL_IN] = "INPUT", [NF_INET_FORWARD] = "FORWARD",
	[NF_INET_LOCAL_OUT] = "OUTPUT", [NF_INET_POST_ROUTING] = "POSTROUTING",
};

enum { HOOK_UNSET = -1, NO_ENTRY = -1 };

bool entry_is_unconditional(const void *e, uint8_t family)
{
	static const struct ipt_ip any4;
	static const struct ip6t_ip6 any6;

	if (entry_target_offset(e, family) != entry_head_size(family))
		return false;
	return family == NFPROTO_IPV4 ? !memcmp(e, &any4, sizeof(any4)) : !memcmp(e, &any6, sizeof(any6));
}

static int entry_number_at(const struct ruleset *rs, uint32_t offset)
{
	uint32_t low = 0, high = rs->number;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (rs->offsets[mid] == offset)
			return (int)mid;
		if (rs->offsets[mid] < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return NO_ENTRY;
}

/* --- step 1: one entry by itself --- */

static bool verdict_is_valid(int verdict)
{
	switch (verdict) {
	case XT_RETURN:
	case -NF_ACCEPT - 1:
	case -NF_DROP - 1:
	case -NF_QUEUE - 1:
		return true;
	}
	return verdict > 0;		/* a jump: where to, is seen later */
}

static bool matches_fit(const uint8_t *e, size_t head, uint16_t target_offset)
{
	for (size_t at = head; at < target_offset;) {
		uint16_t size;

		if (at % __alignof__(struct xt_entry_match) || target_offset - at < sizeof(struct xt_entry_match))
			return false;
		memcpy(&size, e + at, sizeof(size));
		if (size < sizeof(struct xt_entry_match) || size > target_offset - at)
			return false;
		at += size;
	}
	return true;
}

const char *blob_entry_misfit(const void *entry, uint32_t left, uint8_t family)
{
	const size_t head = entry_head_size(family);
	const uint8_t *e = entry;
	uint16_t target_offset, next_offset, target_size;
	const uint8_t *target;

	if (left <= head)
		return "it is cut short";
	target_offset = entry_target_offset(e, family);
	next_offset = entry_next_offset(e, family);
	if (next_offset > left)
		return "it reaches beyond the blob";
	if (next_offset < head + sizeof(struct xt_entry_target))
		return "it is too small for a target";
	if (entry_flags(e, family) & ~(family == NFPROTO_IPV4 ? IPT_F_MASK : IP6T_F_MASK))
		return "unknown flags";
	if (entry_invflags(e, family) & ~(family == NFPROTO_IPV4 ? IPT_INV_MASK : IP6T_INV_MASK))
		return "unknown inversion flags";
	if (target_offset < head || target_offset + sizeof(struct xt_entry_target) > next_offset)
		return "its target lies outside";
	target = e + target_offset;
	memcpy(&target_size, target, sizeof(target_size));
	if (target_size < sizeof(struct xt_entry_target) || target_offset + target_size > next_offset)
		return "its target's size is impossible";
	if (target_is_standard(target)) {
		if (XT_ALIGN(target_offset + sizeof(struct xt_standard_target)) != next_offset)
			return "its standard target has a wrong size";
	} else if (target_is_error(target)) {
		const char *name = (const char *)target + offsetof(struct xt_error_target, errorname);

		if (target_size != sizeof(struct xt_error_target) ||
		    strnlen(name, XT_FUNCTION_MAXNAMELEN) == XT_FUNCTION_MAXNAMELEN)
			return "its ERROR target is malformed";
	}
	return matches_fit(e, head, target_offset) ? NULL : "its matches do not fill the room before the target";
}

const char *blob_entry_fault(const void *entry, uint32_t left, uint8_t family)
{
	const char *fault = blob_entry_misfit(entry, left, family);
	const uint8_t *target = (const uint8_t *)entry + (fault ? 0 : entry_target_offset(entry, family));

	if (!fault && target_is_standard(target) && !verdict_is_valid(raw_verdict(target)))
		return "its standard target has an unknown verdict";
	return fault;
}

static bool is_policy(const void *e, uint8_t family)
{
	const void *target = entry_target(e, family);
	int verdict;

	if (!entry_is_unconditional(e, family) || !target_is_standard(target))
		return false;
	verdict = raw_verdict(target);
	return verdict == -NF_DROP - 1 || verdict == -NF_ACCEPT - 1;
}

static int entries_check(struct ruleset *rs, const struct ipt_replace *head, struct refusal *why)
{
	const uint32_t room = rs->size / (entry_head_size(rs->family) + sizeof(struct xt_entry_target)) + 1;
	uint32_t i = 0;

	if (head->num_entries > BLOB_SIZE_MAX / sizeof(uint32_t))
		return refuse(why, -ENOMEM, "table %s: %u entries are too many", rs->table, head->num_entries);
	rs->offsets = calloc(room, sizeof(*rs->offsets));
	if (!rs->offsets)
		return refuse(why, -ENOMEM, "table %s: no memory", rs->table);
	for (uint32_t at = 0; at < rs->size; i++) {
		uint8_t *e = rs->entries + at;
		const char *fault = at % __alignof__(struct ipt_entry) ? "it is not aligned"
				    : blob_entry_fault(e, rs->size - at, rs->family);

		if (fault)
			return refuse(why, -EINVAL, "table %s: entry %u at byte %u: %s", rs->table, i, at, fault);
		for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
			if (!(rs->valid_hooks & 1u << hook))
				continue;
			if (at == head->hook_entry[hook])
				rs->hook_entry[hook] = at;
			if (at == head->underflow[hook]) {
				if (!is_policy(e, rs->family))
					return refuse(why, -EINVAL,
						      "table %s: the policy of %s at byte %u is not one", rs->table,
						      hook_chain_names[hook], at);
				rs->underflow[hook] = at;
			}
		}
		if (!rs->keep_counters)
			*entry_counters(e, rs->family) = (struct xt_counters){ 0 };
		*entry_comefrom(e, rs->family) = 0;
		rs->stack_size += target_is_error(entry_target(e, rs->family));
		rs->offsets[i] = at;
		at += entry_next_offset(e, rs->family);
	}
	rs->number = i;
	if (i != head->num_entries)
		return refuse(why, -EINVAL, "table %s: %u entries announced, %u found", rs->table,
			      head->num_entries, i);
	return 0;
}

/* --- step 2: hooks, then what is reachable from them --- */

static int hooks_check(const struct ruleset *rs, struct refusal *why)
{
	int last = HOOK_UNSET;

	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(rs->valid_hooks & 1u << hook))
			continue;
		if (rs->hook_entry[hook] == UINT32_MAX || rs->underflow[hook] == UINT32_MAX)
			return refuse(why, -EINVAL, "table %s: %s has no entry or no policy", rs->table,
				      hook_chain_names[hook]);
		if (last != HOOK_UNSET && (rs->hook_entry[last] >= rs->hook_entry[hook] ||
					   rs->underflow[last] >= rs->underflow[hook]))
			return refuse(why, -EINVAL, "table %s: %s does not come after %s", rs->table,
				      hook_chain_names[hook], hook_chain_names[last]);
		last = hook;
	}
	return 0;
}

struct chain_visit {
	uint32_t first;		/* entry where this visit of a chain began */
	uint32_t from;		/* the rule that jumped here */
};

/*
 * Depth first from each hook, every entry once per hook: an entry seen before is as good as the end of
 * its chain, one that is on the way right now closes a loop. Leaves in comefrom the hooks that reach an entry.
 */
static int reach_from_hook(struct ruleset *rs, unsigned int hook, uint8_t *on_way, struct chain_visit *visits)
{
	uint32_t depth = 0, at = (uint32_t)entry_number_at(rs, rs->hook_entry[hook]);

	visits[0] = (struct chain_visit){ .first = at };
	for (;;) {
		void *e = blob_entry(rs, at), *target = entry_target(e, rs->family);
		unsigned int *reached = entry_comefrom(e, rs->family);
		bool seen = *reached & 1u << hook;

		if (on_way[at])
			return -ELOOP;
		*reached |= 1u << hook;
		on_way[at] = 1;
		if (seen || (target_is_standard(target) && raw_verdict(target) < 0 &&
			     entry_is_unconditional(e, rs->family))) {
			memset(on_way + visits[depth].first, 0, at - visits[depth].first + 1);
			if (!depth)
				return 0;
			at = visits[depth--].from;
		} else if (target_is_standard(target) && raw_verdict(target) >= 0) {
			int to = entry_number_at(rs, (uint32_t)raw_verdict(target));

			if (to == NO_ENTRY)
				return -ELOOP;
			if ((uint32_t)to != at + 1)
				visits[++depth] = (struct chain_visit){ .first = (uint32_t)to, .from = at };
			at = (uint32_t)to;
			continue;
		}
		if (++at >= rs->number)
			return -ELOOP;
	}
}

static int reach_check(struct ruleset *rs, struct refusal *why)
{
	uint8_t *on_way = calloc(rs->number + 1, 1);
	/* each visit stands on another entry of the way, so there are never more */
	struct chain_visit *visits = calloc(rs->number + 1, sizeof(*visits));
	int err = 0;

	if (!on_way || !visits)
		err = refuse(why, -ENOMEM, "table %s: no memory", rs->table);
	for (unsigned int hook = 0; !err && hook < NF_INET_NUMHOOKS; hook++) {
		if (!(rs->valid_hooks & 1u << hook))
			continue;
		err = reach_from_hook(rs, hook, on_way, visits);
		if (err)
			refuse(why, err, "table %s: the rules reached from %s run in a loop or off their chain",
			       rs->table, hook_chain_names[hook]);
	}
	free(on_way);
	free(visits);
	return err;
}

int blob_verify(struct ruleset *rs, const struct ipt_replace *head, struct refusal *why)
{
	int err = entries_check(rs, head, why);

	if (!err)
		err = hooks_check(rs, why);
	return err ? err : reach_check(rs, why);
}
