/*
 * table/verify.c - nothing in a blob is believed. First every entry's own sizes, then how entries hang
 * together (hooks, policies, jumps, loops), at last what extensions say; the order decides which errno
 * a bad blob gets, and it is the kernel's.
 */
#include "base/bigmem.h"
#include "table/table_internal.h"

#include <limits.h>
#include <stdio.h>
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

enum { HOOK_UNSET = -1, NO_ENTRY = -1, ROOM_SPARE = 16 };

bool entry_is_unconditional(const void *e, uint8_t family)
{
	static const struct ipt_ip any4;
	static const struct ip6t_ip6 any6;

	if (entry_target_offset(e, family) != entry_head_size(family))
		return false;
	return family == NFPROTO_IPV4 ? !memcmp(e, &any4, sizeof(any4)) : !memcmp(e, &any6, sizeof(any6));
}

static void *entry_at(const struct ruleset *rs, uint32_t i)
{
	return rs->entries + rs->offsets[i];
}

static bool is_standard(const void *target)
{
	return raw_target_name(target)[0] == '\0';
}

static bool is_error(const void *target)
{
	return !strncmp(raw_target_name(target), XT_ERROR_TARGET, sizeof(XT_ERROR_TARGET));
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

static const char *entry_fault(const uint8_t *e, uint32_t left, uint8_t family)
{
	const size_t head = entry_head_size(family);
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
	if (is_standard(target)) {
		if (XT_ALIGN(target_offset + sizeof(struct xt_standard_target)) != next_offset)
			return "its standard target has a wrong size";
		if (!verdict_is_valid(raw_verdict(target)))
			return "its standard target has an unknown verdict";
	} else if (is_error(target)) {
		const char *name = (const char *)target + offsetof(struct xt_error_target, errorname);

		if (target_size != sizeof(struct xt_error_target) ||
		    strnlen(name, XT_FUNCTION_MAXNAMELEN) == XT_FUNCTION_MAXNAMELEN)
			return "its ERROR target is malformed";
	}
	return matches_fit(e, head, target_offset) ? NULL : "its matches do not fill the room before the target";
}

static bool is_policy(const void *e, uint8_t family)
{
	const void *target = entry_target(e, family);
	int verdict;

	if (!entry_is_unconditional(e, family) || !is_standard(target))
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
				    : entry_fault(e, rs->size - at, rs->family);

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
		rs->stack_size += is_error(entry_target(e, rs->family));
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
		void *e = entry_at(rs, at), *target = entry_target(e, rs->family);
		unsigned int *reached = entry_comefrom(e, rs->family);
		bool seen = *reached & 1u << hook;

		if (on_way[at])
			return -ELOOP;
		*reached |= 1u << hook;
		on_way[at] = 1;
		if (seen || (is_standard(target) && raw_verdict(target) < 0 &&
			     entry_is_unconditional(e, rs->family))) {
			memset(on_way + visits[depth].first, 0, at - visits[depth].first + 1);
			if (!depth)
				return 0;
			at = visits[depth--].from;
		} else if (is_standard(target) && raw_verdict(target) >= 0) {
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

/* --- step 3: names for people --- */

static enum entry_role role_of(const struct ruleset *rs, uint32_t i)
{
	const void *e = entry_at(rs, i), *target = entry_target(e, rs->family);

	if (is_error(target))
		return i + 1 == rs->number ? ROLE_END : ROLE_HEAD;
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (rs->valid_hooks & 1u << hook && rs->underflow[hook] == rs->offsets[i])
			return ROLE_POLICY;
	if (i + 1 < rs->number && is_error(entry_target(entry_at(rs, i + 1), rs->family)) && is_standard(target) &&
	    raw_verdict(target) == XT_RETURN && entry_is_unconditional(e, rs->family))
		return ROLE_FOOT;
	return ROLE_RULE;
}

/* Entry @i for people, who come in order: @ref carries over what was said of the entry before. */
static void ref_step(struct ruleset *rs, const struct rule_source *lines, uint32_t i, struct table_rule_ref *ref)
{
	const void *target = entry_target(entry_at(rs, i), rs->family);
	enum entry_role role = role_of(rs, i);

	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (rs->valid_hooks & 1u << hook && rs->hook_entry[hook] == rs->offsets[i]) {
			ref->chain = hook_chain_names[hook];
			ref->number = 0;
		}
	}
	if (role == ROLE_HEAD) {
		ref->chain = (const char *)target + offsetof(struct xt_error_target, errorname);
		ref->number = 0;
	}
	if (role == ROLE_RULE)
		ref->number++;
	ref->file = lines ? lines[i].file : NULL;
	ref->line = lines ? lines[i].line : 0;
	if (rs->roles)
		rs->roles[i] = (uint8_t)role;
}

static int refs_make(struct ruleset *rs, struct tables *tables, const struct rule_source *lines,
		     struct refusal *why)
{
	struct table_rule_ref ref = { .table = rs->table, .chain = "", .family = rs->family };

	for (uint32_t i = 0; i < rs->number; i++) {
		struct table_rule_ref own;

		ref_step(rs, lines, i, &ref);
		own = ref;
		if (rs->roles[i] != ROLE_RULE)
			own.number = 0;
		own.weight = (uint8_t)(2 * !strcmp(rs->table, "filter") + (own.number != 0));
		rs->refs[i] = ref_intern(tables->refs, &own);
		if (!rs->refs[i])
			return refuse(why, -ENOMEM, "table %s: no memory", rs->table);
	}
	return 0;
}

/* The same for one entry, when nobody needed the others. */
static struct table_rule_ref ref_of(struct ruleset *rs, const struct rule_source *lines, uint32_t number)
{
	struct table_rule_ref ref = { .table = rs->table, .chain = "", .family = rs->family };

	for (uint32_t i = 0; i <= number; i++)
		ref_step(rs, lines, i, &ref);
	return ref;
}

/* --- step 4: extensions --- */

static struct ext_check check_for(struct instance *inst, const struct ruleset *rs, void *e)
{
	return (struct ext_check){
		.inst = inst,
		.table = rs->table,
		.hook_mask = *entry_comefrom(e, rs->family),
		.family = rs->family,
		.proto = entry_proto(e, rs->family),
		.proto_inverted = entry_invflags(e, rs->family) & XT_INV_PROTO,
		.ip6_flags = rs->family == NFPROTO_IPV6 ? entry_flags(e, rs->family) : 0,
		.entry = e,
	};
}

struct ext_kind {
	const char *what, *name, *table;
	uint32_t info_size, hooks;
	uint16_t proto;
};

static void hooks_text(uint32_t mask, char out[static 64])
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (mask & 1u << hook)
			len += (size_t)snprintf(out + len, 64 - len, "%s%s", len ? "/" : "", hook_chain_names[hook]);
}

static int restrictions_check(const struct ext_kind *kind, size_t data_size, const struct ext_check *check,
			      struct refusal *why)
{
	if (XT_ALIGN(kind->info_size) != data_size)
		return refuse(why, -EINVAL, "%s %s: its data has %zu bytes, not %zu", kind->what, kind->name,
			      data_size, (size_t)XT_ALIGN(kind->info_size));
	if (kind->table && strcmp(kind->table, check->table))
		return refuse(why, -EINVAL, "%s %s: only valid in the %s table, not %s", kind->what, kind->name,
			      kind->table, check->table);
	if (kind->hooks && check->hook_mask & ~kind->hooks) {
		char used[64], allowed[64];

		hooks_text(check->hook_mask, used);
		hooks_text(kind->hooks, allowed);
		return refuse(why, -EINVAL, "%s %s: used from %s, but only valid from %s", kind->what, kind->name,
			      used, allowed);
	}
	if (kind->proto && (kind->proto != check->proto || check->proto_inverted))
		return refuse(why, -EINVAL, "%s %s: only valid for protocol %u", kind->what, kind->name, kind->proto);
	return 0;
}

static const struct match *match_of(const struct xt_entry_match *m)
{
	return (const struct match *)m->u.kernel.match;
}

static const struct target *target_of(const struct xt_entry_target *t)
{
	return (const struct target *)t->u.kernel.target;
}

/*
 * The kernel keeps these in its list for all families, and tells an unknown revision of such a name from an
 * unknown name; of the others, which it lists by family, it does not.
 */
static const char *const listed_for_all[] = {
	"AUDIT", "DNAT", "NFQUEUE", "SNAT", "bpf", "cgroup", "comment", "connbytes", "connlabel", "connmark",
	"conntrack", "cpu", "devgroup", "helper", "limit", "mark", "nfacct", "pkttype", "quota", "rateest", "state",
	"statistic", "string", "time", "u32",
};

static int unknown_extension(const char *what, const char *name, uint8_t revision, bool known, struct refusal *why)
{
	if (!known)
		return refuse(why, -ENOENT, "unknown %s '%s'", what, name);
	for (size_t i = 0; i < ARRAY_SIZE(listed_for_all); i++)
		if (!strcmp(listed_for_all[i], name))
			return refuse(why, -EPROTOTYPE, "%s '%s' has no revision %u", what, name, revision);
	return refuse(why, -ENOENT, "%s '%s' has no revision %u", what, name, revision);
}

static int match_check(struct xt_entry_match *m, const struct ext_check *check, struct ext_memo *memo, struct refusal *why)
{
	const char *name = m->u.user.name;
	const struct match *match;
	int err;

	if (strnlen(name, XT_EXTENSION_MAXNAMELEN) == XT_EXTENSION_MAXNAMELEN)
		return refuse(why, -EINVAL, "a match's name does not end");
	match = match_find_again(memo, name, m->u.user.revision, check->family);
	if (!match)
		return unknown_extension("match", name, m->u.user.revision,
					 tables_get_revision(check->family, name, false, 0) != -ENOENT, why);
	err = restrictions_check(&(struct ext_kind){ "match", match->name, match->table, match->info_size,
						     match->hooks, match->proto },
				 m->u.match_size - sizeof(*m), check, why);
	if (!err && match->checkentry)
		err = match->checkentry(m->data, check, why);
	if (!err)
		m->u.kernel.match = (struct xt_match *)match;
	return err > 0 ? -EIO : err;
}

static int target_check(struct xt_entry_target *t, const struct ext_check *check, struct ext_memo *memo,
			struct refusal *why)
{
	const char *name = t->u.user.name;
	const struct target *target;
	int err;

	if (strnlen(name, XT_EXTENSION_MAXNAMELEN) == XT_EXTENSION_MAXNAMELEN)
		return refuse(why, -EINVAL, "a target's name does not end");
	target = target_find_again(memo, name, t->u.user.revision, check->family);
	if (!target)
		return unknown_extension("target", name, t->u.user.revision,
					 tables_get_revision(check->family, name, true, 0) != -ENOENT, why);
	err = restrictions_check(&(struct ext_kind){ "target", target->name, target->table, target->info_size,
						     target->hooks, target->proto },
				 t->u.target_size - sizeof(*t), check, why);
	if (!err && target->checkentry)
		err = target->checkentry(t->data, check, why);
	if (!err)
		t->u.kernel.target = (struct xt_target *)target;
	return err > 0 ? -EIO : err;
}

/* Undoes the checks of @matches matches (UINT_MAX: all) and, if @with_target, of the target. */
static void entry_release(struct instance *inst, struct ruleset *rs, void *e, unsigned int matches, bool with_target)
{
	struct ext_check check = check_for(inst, rs, e);

	for_each_match(m, e, rs->family) {
		if (!matches--)
			break;
		if (match_of(m)->destroy)
			match_of(m)->destroy(m->data, &check);
	}
	if (with_target) {
		struct xt_entry_target *t = entry_target(e, rs->family);

		if (target_of(t)->destroy)
			target_of(t)->destroy(t->data, &check);
	}
}

static int entry_check(struct instance *inst, struct ruleset *rs, void *e, struct ext_memo *memo, struct refusal *why)
{
	struct ext_check check = check_for(inst, rs, e);
	unsigned int done = 0;
	int err = 0;

	for_each_match(m, e, rs->family) {
		err = match_check(m, &check, memo, why);
		if (err)
			break;
		done++;
	}
	if (!err)
		err = target_check(entry_target(e, rs->family), &check, memo, why);
	if (err)
		entry_release(inst, rs, e, done, false);
	return err;
}

/* Says which rule it was; a sentence without a place gets one. */
static void blame(const struct table_rule_ref *ref, struct refusal *why)
{
	char text[sizeof(why->text)];

	if (!why)
		return;
	if (ref->file && ref->line) {
		if (!why->at.line)
			why->at = (struct text_pos){ .file = ref->file, .line = ref->line, .column = 1 };
		return;
	}
	memcpy(text, why->text, sizeof(text));
	snprintf(why->text, sizeof(why->text), "table %s, %s rule %u: %.400s", ref->table, ref->chain, ref->number, text);
}

static int extensions_check(struct instance *inst, struct ruleset *rs, const struct rule_source *lines,
			    struct refusal *why)
{
	struct ext_memo memo = { 0 };

	if (why)
		*why = (struct refusal){ 0 };
	for (uint32_t i = 0; i < rs->number; i++) {
		int err = entry_check(inst, rs, entry_at(rs, i), &memo, why);

		if (err) {
			if (why && !why->text[0])
				refuse(why, err, "an extension refused it: %s", strerror(-err));
			const struct table_rule_ref ref = ref_of(rs, lines, i);

			blame(&ref, why);
			while (i--)
				entry_release(inst, rs, entry_at(rs, i), UINT_MAX, true);
			return err;
		}
	}
	return 0;
}

static void ruleset_drop(struct ruleset *rs)
{
	ruleset_forget_compiled(rs);
	free(rs->segments);
	free(rs->anchors);
	free(rs->place);
	free(rs->remembers);
	free(rs->refs);
	bigmem_free(rs->counters, rs->id_room * sizeof(*rs->counters));
	for (uint32_t i = 0; rs->at && i < rs->number; i++)
		if (rs->at[i] < rs->entries || rs->at[i] >= rs->entries + rs->arena_size)
			free(rs->at[i]);
	free(rs->at);
	free(rs->sources);
	free(rs->free_ids);
	bigmem_free(rs->entries, (size_t)rs->arena_size + 1);
	free(rs->offsets);
	free(rs->roles);
	free(rs->stack);
	free(rs);
}

/* Everything but names for people. @entries: taken, or with @in_place the caller's, whose counters stay. */
static int ruleset_verify(uint8_t family, const struct ipt_replace *head, uint8_t *entries, bool in_place,
			  struct ruleset **out, struct refusal *why)
{
	struct ruleset *rs = calloc(1, sizeof(*rs));
	int err;

	if (!rs) {
		if (!in_place)
			bigmem_free(entries, (size_t)head->size + 1);
		return refuse(why, -ENOMEM, "no memory for a rule set");
	}
	rs->family = family;
	rs->valid_hooks = head->valid_hooks;
	rs->size = rs->arena_size = head->size;
	memcpy(rs->table, head->name, sizeof(rs->table) - 1);
	memset(rs->hook_entry, 0xff, sizeof(rs->hook_entry));
	memset(rs->underflow, 0xff, sizeof(rs->underflow));
	rs->entries = entries;
	rs->keep_counters = in_place;
	err = entries_check(rs, head, why);
	if (!err)
		err = hooks_check(rs, why);
	if (!err)
		err = reach_check(rs, why);
	if (err) {
		if (in_place)
			rs->entries = NULL;
		ruleset_drop(rs);
	} else {
		*out = rs;
	}
	return err;
}

int ruleset_build(struct instance *inst, struct tables *tables, uint8_t family, const struct ipt_replace *head,
		  const void *entries, const struct rule_source *lines, struct ruleset **out, struct refusal *why)
{
	uint8_t *copy = bigmem_alloc((size_t)head->size + 1);
	struct ruleset *rs;
	int err;

	if (!copy)
		return refuse(why, -ENOMEM, "table %s: no memory for %u bytes of rules", head->name, head->size);
	memcpy(copy, entries, head->size);
	err = ruleset_verify(family, head, copy, false, &rs, why);
	if (err)
		return err;
	rs->id_room = rs->number + rs->number / ROOM_SPARE + ROOM_SPARE;
	rs->id_used = rs->number;
	rs->ref_pool = tables->refs;
	rs->refs = calloc(rs->id_room, sizeof(*rs->refs));
	rs->roles = calloc(rs->id_room, sizeof(*rs->roles));
	rs->counters = bigmem_alloc(rs->id_room * sizeof(*rs->counters));
	rs->stack = calloc(2 * (size_t)rs->stack_size + 1, sizeof(*rs->stack));
	if (!rs->refs || !rs->roles || !rs->counters || !rs->stack) {
		err = refuse(why, -ENOMEM, "table %s: no memory", rs->table);
		goto err_drop;
	}
	err = refs_make(rs, tables, lines, why);
	if (!err)
		err = extensions_check(inst, rs, lines, why);
	if (err)
		goto err_drop;
	for (uint32_t i = 0; i < rs->number; i++)
		entry_counters(entry_at(rs, i), family)->pcnt = (uintptr_t)&rs->counters[i];
	err = ruleset_link(rs);
	if (err) {
		for (uint32_t i = 0; i < rs->number; i++)
			entry_release(inst, rs, entry_at(rs, i), UINT_MAX, true);
		refuse(why, err, "table %s: no memory", rs->table);
		goto err_drop;
	}
	*out = rs;
	return 0;

err_drop:
	ruleset_drop(rs);
	return err;
}

/* One entry and what its extensions hold, until the last entry was asked: a later one may rest on it. */
struct held_entry {
	struct held_entry *next;
	_Alignas(16) uint8_t entry[];
};

static bool entry_holds(const struct ruleset *rs, void *e)
{
	const struct xt_entry_target *t = entry_target(e, rs->family);

	for_each_match(m, e, rs->family)
		if (match_of(m)->destroy)
			return true;
	return target_of(t)->destroy;
}

int ruleset_check(struct instance *inst, uint8_t family, const struct ipt_replace *head, void *entries,
		  const struct rule_source *lines, const uint32_t *starts, uint32_t *masks, uint32_t count,
		  struct refusal *why)
{
	struct held_entry *held = NULL, *room = malloc(sizeof(*room) + UINT16_MAX + 1);
	struct ext_memo memo = { 0 };
	struct ruleset *rs;
	int err = room ? 0 : refuse(why, -ENOMEM, "no memory");

	if (!err)
		err = ruleset_verify(family, head, entries, true, &rs, why);
	if (err) {
		free(room);
		return err;
	}
	for (uint32_t i = 0; i < count; i++)
		masks[i] = *entry_comefrom(rs->entries + starts[i], family);
	for (uint32_t i = 0; !err && i < rs->number; i++) {
		uint8_t *e = entry_at(rs, i);

		memcpy(room->entry, e, entry_next_offset(e, family));
		*entry_comefrom(e, family) = 0;
		err = entry_check(inst, rs, room->entry, &memo, why);
		if (err) {
			const struct table_rule_ref ref = ref_of(rs, lines, i);

			if (why && !why->text[0])
				refuse(why, err, "an extension refused it: %s", strerror(-err));
			blame(&ref, why);
		} else if (entry_holds(rs, room->entry)) {
			/* it stays where it was asked, so it is asked again there */
			struct held_entry *own = malloc(sizeof(*own) + entry_next_offset(e, family));

			entry_release(inst, rs, room->entry, UINT_MAX, true);
			if (!own) {
				err = refuse(why, -ENOMEM, "no memory");
				break;
			}
			memcpy(own->entry, e, entry_next_offset(e, family));
			*entry_comefrom(own->entry, family) = *entry_comefrom(room->entry, family);
			err = entry_check(inst, rs, own->entry, &memo, why);
			if (err) {
				free(own);
				break;
			}
			own->next = held;
			held = own;
		}
	}
	for (struct held_entry *next; held; held = next) {
		next = held->next;
		entry_release(inst, rs, held->entry, UINT_MAX, true);
		free(held);
	}
	free(room);
	rs->entries = NULL;	/* the caller's */
	ruleset_drop(rs);
	return err;
}

int ruleset_check_all(struct instance *inst, uint8_t family, const struct ipt_replace *head, const void *entries,
		      const struct rule_source *lines, refusal_visit visit, void *priv)
{
	uint8_t *copy = bigmem_alloc((size_t)head->size + 1);
	struct table_rule_ref ref = { .table = head->name, .chain = "", .family = family };
	struct refusal why = { 0 };
	struct ext_memo memo = { 0 };
	struct ruleset *rs;
	int first = 0;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, entries, head->size);
	first = ruleset_verify(family, head, copy, false, &rs, &why);
	if (first) {
		visit(priv, &why);
		return first;
	}
	for (uint32_t i = 0; i < rs->number; i++) {
		int err;

		why = (struct refusal){ 0 };
		ref_step(rs, lines, i, &ref);
		err = entry_check(inst, rs, entry_at(rs, i), &memo, &why);
		if (!err) {
			entry_release(inst, rs, entry_at(rs, i), UINT_MAX, true);
			continue;
		}
		if (!why.text[0])
			refuse(&why, err, "an extension refused it: %s", strerror(-err));
		blame(&ref, &why);
		visit(priv, &why);
		first = first ? first : err;
	}
	ruleset_drop(rs);
	return first;
}

int ruleset_entry_check(struct instance *inst, struct ruleset *rs, void *entry, struct refusal *why)
{
	if (why)
		*why = (struct refusal){ 0 };
	struct ext_memo memo = { 0 };

	return entry_check(inst, rs, entry, &memo, why);
}

void ruleset_entry_release(struct instance *inst, struct ruleset *rs, void *entry)
{
	entry_release(inst, rs, entry, UINT_MAX, true);
}

static bool keeps_state(uint32_t depends, uint32_t user_size, uint32_t info_size)
{
	return !depends || depends & DEP_STATE || (user_size && user_size < info_size);
}

bool entry_remembers(const void *entry, uint8_t family)
{
	const struct target *target = target_of(entry_target(entry, family));

	for_each_match(m, entry, family)
		if (keeps_state(match_of(m)->depends, match_of(m)->user_size, match_of(m)->info_size))
			return true;
	return target->target && keeps_state(target->depends, target->user_size, target->info_size);
}

const char *blob_entry_fault(const void *entry, uint32_t left, uint8_t family)
{
	return entry_fault(entry, left, family);
}

int rule_check_alone(struct instance *inst, uint8_t family, const char *table, void *entry, uint32_t hook_mask,
		     struct refusal *why)
{
	struct ruleset rs = { .entries = entry, .family = family };
	struct ext_memo memo = { 0 };
	const char *fault = entry_fault(entry, entry_next_offset(entry, family), family);
	int err;

	if (fault)
		return refuse(why, -EINVAL, "table %s: the rule: %s", table, fault);
	snprintf(rs.table, sizeof(rs.table), "%s", table);
	*entry_comefrom(entry, family) = hook_mask;
	err = entry_check(inst, &rs, entry, &memo, why);
	if (!err)
		entry_release(inst, &rs, entry, UINT_MAX, true);
	return err;
}

void ruleset_free(struct instance *inst, struct ruleset *rs)
{
	if (!rs)
		return;
	for (uint32_t i = 0; i < rs->number; i++)
		entry_release(inst, rs, rs->at ? rs->at[i] : entry_at(rs, i), UINT_MAX, true);
	ruleset_drop(rs);
}
