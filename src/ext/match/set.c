/*
 * ext/match/set.c - "-m set": the packet's addresses and ports are in an IP set. Sets come with ipset; until then rules are read
 * and written, and refused when they are loaded (ext/setname.h).
 */
#include "base/uapi.h"

#include <inttypes.h>

#include "ext/setname.h"

static bool set_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return false;	/* not reached: no set exists, so that no such rule is loaded */
}

static int set_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	return setname_check(check->inst, "set", ((const struct xt_set_info_match_v1 *)data)->match_set.index, why);
}

static int set_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	return setname_check(check->inst, "set", ((const struct xt_set_info_match_v0 *)data)->match_set.index, why);
}

static int parse_set(struct opt_call *call, struct refusal *why)
{
	return setname_parse(call, &((struct xt_set_info_match_v4 *)call->info)->match_set, why);
}

/* "! --update-counters" is the only form that says something. */
static int parse_update(struct opt_call *call, struct refusal *why)
{
	if (call->invert)
		((struct xt_set_info_match_v4 *)call->info)->flags |= (uint32_t)call->opt->size;
	return 0;
}

/* The row's .size holds the comparison; only equality can be inverted. */
static int parse_counter(struct opt_call *call, struct refusal *why)
{
	struct ip_set_counter_match *counter = (void *)((char *)call->info + call->opt->at);
	uint64_t value;

	if (counter->op != IPSET_COUNTER_NONE)
		return refuse(why, -EINVAL, "set: only one of --%.*s-eq, -lt and -gt is allowed",
			      (int)strcspn(call->opt->name, "-"), call->opt->name);
	if (!opt_u64(call->arg, 0, UINT64_MAX, &value))
		return refuse(why, -EINVAL, "set: --%s takes a number, not \"%s\"", call->opt->name, call->arg);
	counter->op = call->invert ? IPSET_COUNTER_NE : (uint8_t)call->opt->size;
	counter->value = value;
	return 0;
}

#define COUNTER(n, field, compare, f, h) { .name = n, .type = OPT_CUSTOM, .flags = f, .parse = parse_counter, \
	.at = offsetof(struct xt_set_info_match_v4, field), .size = compare, .arg = "value", .help = h }
#define UPDATE(n, bit, h) { .name = n, .type = OPT_FLAG, .flags = OPT_INVERTIBLE | OPT_REPEATABLE, .parse = parse_update, \
	.size = bit, .help = h }

static const struct opt set_options[] = {
	{ .name = "match-set", .type = OPT_CUSTOM, .words = 2, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_set,
	  .invert_at = offsetof(struct xt_set_info_match_v4, match_set.flags), .invert_bits = IPSET_INV_MATCH, .invert_width = 1,
	  .arg = "name flags", .help = "the set, and src or dst for each of its parts, with commas between them" },
	{ .name = "set", .type = OPT_CUSTOM, .words = 2, .same_as = "match-set" },
	{ .name = "return-nomatch", .type = OPT_FLAG, .flags = OPT_REPEATABLE,
	  .set_at = offsetof(struct xt_set_info_match_v4, flags), .set_bits = IPSET_FLAG_RETURN_NOMATCH, .set_width = 4,
	  .help = "entries marked nomatch are what is asked for" },
	UPDATE("update-counters", IPSET_FLAG_SKIP_COUNTER_UPDATE, "inverted: the set's counters stay as they are"),
	UPDATE("update-subcounters", IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE, "inverted: counters of a list's members stay as they are"),
	COUNTER("packets-eq", packets, IPSET_COUNTER_EQ, OPT_INVERTIBLE, "the entry's packet counter"),
	COUNTER("packets-lt", packets, IPSET_COUNTER_LT, 0, "the entry's packet counter is less"),
	COUNTER("packets-gt", packets, IPSET_COUNTER_GT, 0, "the entry's packet counter is greater"),
	COUNTER("bytes-eq", bytes, IPSET_COUNTER_EQ, OPT_INVERTIBLE, "the entry's byte counter"),
	COUNTER("bytes-lt", bytes, IPSET_COUNTER_LT, 0, "the entry's byte counter is less"),
	COUNTER("bytes-gt", bytes, IPSET_COUNTER_GT, 0, "the entry's byte counter is greater"),
	OPT_END
};

static void counter_show(const struct ip_set_counter_match *c, const char *dashes, const char *name, struct strbuf *out)
{
	static const char *const words[] = { [IPSET_COUNTER_EQ] = "eq", [IPSET_COUNTER_NE] = "eq", [IPSET_COUNTER_LT] = "lt",
					     [IPSET_COUNTER_GT] = "gt" };

	if (c->op && c->op < ARRAY_SIZE(words))
		sb_printf(out, "%s %s%s-%s %" PRIu64, c->op == IPSET_COUNTER_NE ? " !" : "", dashes, name, words[c->op],
			  (uint64_t)c->value);
}

static void set_show(const struct xt_set_info_match_v4 *info, const char *dashes, const struct ext_view *view,
		     struct strbuf *out)
{
	sb_printf(out, "%s %smatch-set", info->match_set.flags & IPSET_INV_MATCH ? " !" : "", dashes);
	setname_print(view, &info->match_set, out);
	if (info->flags & IPSET_FLAG_RETURN_NOMATCH)
		sb_printf(out, " %sreturn-nomatch", dashes);
	if (info->flags & IPSET_FLAG_SKIP_COUNTER_UPDATE)
		sb_printf(out, " ! %supdate-counters", dashes);
	if (info->flags & IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE)
		sb_printf(out, " ! %supdate-subcounters", dashes);
	counter_show(&info->packets, dashes, "packets", out);
	counter_show(&info->bytes, dashes, "bytes", out);
}

static void set_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	set_show(data, "--", view, out);
}

static void set_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	set_show(data, "", view, out);
}

static const struct ext_text set_text = {
	.options = set_options, .help_head = "set match options:", .save = set_save, .print = set_print,
};

#define SET_COMMON .name = "set", .depends = DEP_STATE, .match = set_match

const struct match match_set_0 = {
	SET_COMMON, .revision = 0, .families = FAMILY_V4, .info_size = sizeof(struct xt_set_info_match_v0),
	.checkentry = set_check_0,
};
const struct match match_set_1 = {
	SET_COMMON, .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_set_info_match_v1),
	.checkentry = set_check_1,
};
const struct match match_set_2 = {
	SET_COMMON, .revision = 2, .families = FAMILY_ANY, .info_size = sizeof(struct xt_set_info_match_v1),
	.checkentry = set_check_1,
};
const struct match match_set_3 = {
	SET_COMMON, .revision = 3, .families = FAMILY_ANY, .info_size = sizeof(struct xt_set_info_match_v3),
	.checkentry = set_check_1,
};
const struct match match_set_4 = {
	SET_COMMON, .revision = 4, .families = FAMILY_ANY, .info_size = sizeof(struct xt_set_info_match_v4),
	.checkentry = set_check_1, .text = &set_text,
};
