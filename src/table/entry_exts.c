/*
 * table/entry_exts.c - one entry's extensions: where each may stand, and what each says of its data. What was asked and
 * said yes is released in the same order, with the same words.
 */
#include "table/alone.h"
#include "table/table_internal.h"

#include <limits.h>
#include <stdio.h>

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
		.was_taken = rs->was_taken,
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

static int match_check(struct xt_entry_match *m, const struct ext_check *check, struct ext_memo *memo, struct alone_steps *steps,
		       struct refusal *why)
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
	if (!err && match->checkentry) {
		if (!match->checks_rule_only)
			alone_step(steps);
		err = match->checkentry(m->data, check, why);
	}
	if (!err)
		m->u.kernel.match = (struct xt_match *)match;
	return err > 0 ? -EIO : err;
}

static int target_check(struct xt_entry_target *t, const struct ext_check *check, struct ext_memo *memo, struct alone_steps *steps,
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
	if (!err && target->checkentry) {
		if (!target->checks_rule_only)
			alone_step(steps);
		err = target->checkentry(t->data, check, why);
	}
	if (!err)
		t->u.kernel.target = (struct xt_target *)target;
	return err > 0 ? -EIO : err;
}

/* Undoes the checks of @matches matches (UINT_MAX: all) and, if @with_target, of the target. */
static void release(struct alone_steps *steps, const struct ruleset *rs, void *e, unsigned int matches, bool with_target)
{
	struct ext_check check = check_for(steps->inst, rs, e);

	for_each_match(m, e, rs->family) {
		if (!matches--)
			break;
		if (!match_of(m)->destroy)
			continue;
		alone_step(steps);
		match_of(m)->destroy(m->data, &check);
	}
	if (with_target) {
		struct xt_entry_target *t = entry_target(e, rs->family);

		if (!target_of(t)->destroy)
			return;
		alone_step(steps);
		target_of(t)->destroy(t->data, &check);
	}
}

int entry_exts_check(struct alone_steps *steps, const struct ruleset *rs, void *e, struct ext_memo *memo, struct refusal *why)
{
	struct ext_check check = check_for(steps->inst, rs, e);
	unsigned int done = 0;
	int err = 0;

	const char *about = "";

	for_each_match(m, e, rs->family) {
		about = m->u.user.name;
		err = match_check(m, &check, memo, steps, why);
		if (err)
			break;
		done++;
	}
	if (!err) {
		struct xt_entry_target *t = entry_target(e, rs->family);

		about = t->u.user.name;
		err = target_check(t, &check, memo, steps, why);
	}
	if (err) {
		if (why)
			snprintf(why->about, sizeof(why->about), "%.*s", XT_EXTENSION_MAXNAMELEN - 1, about);
		release(steps, rs, e, done, false);
	}
	alone_stepped(steps);
	return err;
}

void entry_exts_release(struct alone_steps *steps, const struct ruleset *rs, void *e)
{
	release(steps, rs, e, UINT_MAX, true);
	alone_stepped(steps);
}

bool entry_exts_share(const void *e, uint8_t family, struct ext_memo *memo)
{
	const struct xt_entry_target *t = entry_target(e, family);
	const struct target *target;

	for_each_match(m, e, family) {
		const struct match *match = strnlen(m->u.user.name, XT_EXTENSION_MAXNAMELEN) == XT_EXTENSION_MAXNAMELEN ? NULL :
					    match_find_again(memo, m->u.user.name, m->u.user.revision, family);

		if (match && match->names_shared)
			return true;
	}
	if (!t->u.user.name[0] || strnlen(t->u.user.name, XT_EXTENSION_MAXNAMELEN) == XT_EXTENSION_MAXNAMELEN)
		return false;
	target = target_find_again(memo, t->u.user.name, t->u.user.revision, family);
	return target && target->names_shared;
}

bool entry_exts_hold(const struct ruleset *rs, void *e)
{
	const struct xt_entry_target *t = entry_target(e, rs->family);

	for_each_match(m, e, rs->family)
		if (match_of(m)->destroy)
			return true;
	return target_of(t)->destroy;
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

int rule_check_alone(struct instance *inst, uint8_t family, const char *table, void *entry, uint32_t hook_mask,
		     struct refusal *why)
{
	struct ruleset rs = { .entries = entry, .family = family };
	struct alone_steps steps = { inst };
	struct ext_memo memo = { 0 };
	const char *fault = blob_entry_fault(entry, entry_next_offset(entry, family), family);
	int err;

	if (fault)
		return refuse(why, -EINVAL, "table %s: the rule: %s", table, fault);
	snprintf(rs.table, sizeof(rs.table), "%s", table);
	*entry_comefrom(entry, family) = hook_mask;
	err = entry_exts_check(&steps, &rs, entry, &memo, why);
	if (!err)
		entry_exts_release(&steps, &rs, entry);
	alone_steps_end(&steps);
	return err;
}
