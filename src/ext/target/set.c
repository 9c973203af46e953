/*
 * ext/target/set.c - "-j SET": puts the packet's addresses and ports into an IP set, takes them out, or takes mark, priority and
 * queue from it. Sets come with ipset; until then rules are read and written, and refused when they are loaded.
 */
#include "base/uapi.h"

#include "ext/setname.h"

static unsigned int set_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return XT_CONTINUE;	/* not reached: no set exists, so that no such rule is loaded */
}

static int check_sets(const struct xt_set_info *sets, unsigned int count, const struct ext_check *check, struct refusal *why)
{
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		if (sets[i].index != IPSET_INVALID_ID)
			err = setname_check(check->inst, "SET", sets[i].index, why);
	return err;
}

static int set_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_set_info_target_v0 *info = data;
	const struct xt_set_info sets[] = { { .index = info->add_set.index }, { .index = info->del_set.index } };

	return check_sets(sets, 2, check, why);
}

static int set_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	return check_sets(&((const struct xt_set_info_target_v1 *)data)->add_set, 2, check, why);
}

static int set_check_3(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_set_info_target_v3 *info = data;

	if (info->map_set.index != IPSET_INVALID_ID && strcmp(check->table, "mangle"))
		return refuse(why, -EINVAL, "SET: --map-set only works in the mangle table");
	if (info->flags & IPSET_FLAG_MAP_SKBPRIO && info->map_set.index != IPSET_INVALID_ID &&
	    check->hook_mask & ~(1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT | 1 << NF_INET_POST_ROUTING))
		return refuse(why, -EINVAL, "SET: --map-prio is for FORWARD, OUTPUT and POSTROUTING");
	return check_sets(&info->add_set, 3, check, why);
}

static void set_init(void *data)
{
	struct xt_set_info_target_v3 *info = data;

	info->add_set.index = info->del_set.index = info->map_set.index = IPSET_INVALID_ID;
	info->timeout = UINT32_MAX;
}

static int parse_set(struct opt_call *call, struct refusal *why)
{
	return setname_parse(call, (struct xt_set_info *)((char *)call->info + call->opt->at), why);
}

enum { ROW_ADD, ROW_DEL, ROW_EXIST, ROW_TIMEOUT, ROW_MAP, ROW_MARK, ROW_PRIO, ROW_QUEUE };

#define TARGET_SET(n, field, h) { .name = n, .type = OPT_CUSTOM, .words = 2, .parse = parse_set, \
	.at = offsetof(struct xt_set_info_target_v3, field), .arg = "name flags", .help = h }
#define TARGET_FLAG(n, bit, h) { .name = n, .type = OPT_FLAG, .flags = OPT_REPEATABLE, \
	.set_at = offsetof(struct xt_set_info_target_v3, flags), .set_bits = bit, .set_width = 4, .help = h }

static const struct opt set_options[] = {
	[ROW_ADD] = TARGET_SET("add-set", add_set, "add to this set; src or dst for each of its parts"),
	[ROW_DEL] = TARGET_SET("del-set", del_set, "take out of this set"),
	[ROW_EXIST] = TARGET_FLAG("exist", IPSET_FLAG_EXIST, "an entry that is there already gets its timeout anew"),
	[ROW_TIMEOUT] = { .name = "timeout", .type = OPT_U32, .flags = OPT_REPEATABLE, .max = UINT32_MAX - 1, .arg = "seconds",
			  .at = offsetof(struct xt_set_info_target_v3, timeout), .size = 4, .help = "how long a new entry stays" },
	[ROW_MAP] = TARGET_SET("map-set", map_set, "take what the entry of this set says"),
	[ROW_MARK] = TARGET_FLAG("map-mark", IPSET_FLAG_MAP_SKBMARK, "the mark"),
	[ROW_PRIO] = TARGET_FLAG("map-prio", IPSET_FLAG_MAP_SKBPRIO, "the priority"),
	[ROW_QUEUE] = TARGET_FLAG("map-queue", IPSET_FLAG_MAP_SKBQUEUE, "the queue of the network card"),
	OPT_END
};

static int set_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	const uint64_t maps = 1 << ROW_MARK | 1 << ROW_PRIO | 1 << ROW_QUEUE;

	if (!(seen & (1 << ROW_ADD | 1 << ROW_DEL | 1 << ROW_MAP)))
		return refuse(why, -EINVAL, "SET: --add-set, --del-set or --map-set is required");
	if (!(seen & 1 << ROW_ADD) && seen & (1 << ROW_EXIST | 1 << ROW_TIMEOUT))
		return refuse(why, -EINVAL, "SET: --exist and --timeout go with --add-set only");
	if (!(seen & 1 << ROW_MAP) != !(seen & maps))
		return refuse(why, -EINVAL, "SET: --map-set goes with --map-mark, --map-prio or --map-queue");
	return 0;
}

static void show_set(const char *dashes, const char *name, const struct xt_set_info *info, const struct ext_view *view,
		     struct strbuf *out)
{
	if (info->index == IPSET_INVALID_ID)
		return;
	sb_printf(out, " %s%s", dashes, name);
	setname_print(view, info, out);
}

static void set_show(const struct xt_set_info_target_v3 *info, const char *dashes, const struct ext_view *view,
		     struct strbuf *out)
{
	show_set(dashes, "add-set", &info->add_set, view, out);
	if (info->flags & IPSET_FLAG_EXIST)
		sb_printf(out, " %sexist", dashes);
	if (info->timeout != UINT32_MAX)
		sb_printf(out, " %stimeout %u", dashes, info->timeout);
	show_set(dashes, "del-set", &info->del_set, view, out);
	show_set(dashes, "map-set", &info->map_set, view, out);
	for (unsigned int row = ROW_MARK; row <= ROW_QUEUE; row++)
		if (info->flags & set_options[row].set_bits)
			sb_printf(out, " %s%s", dashes, set_options[row].name);
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
	.options = set_options, .help_head = "SET target options:", .init = set_init, .finish = set_finish,
	.save = set_save, .print = set_print,
};

#define SET_COMMON .name = "SET", .depends = DEP_STATE, .target = set_target

const struct target target_set_0 = {
	SET_COMMON, .revision = 0, .families = FAMILY_V4, .info_size = sizeof(struct xt_set_info_target_v0),
	.checkentry = set_check_0,
};
const struct target target_set_1 = {
	SET_COMMON, .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_set_info_target_v1),
	.checkentry = set_check_1,
};
const struct target target_set_2 = {
	SET_COMMON, .revision = 2, .families = FAMILY_ANY, .info_size = sizeof(struct xt_set_info_target_v2),
	.checkentry = set_check_1,
};
const struct target target_set_3 = {
	SET_COMMON, .revision = 3, .families = FAMILY_ANY, .info_size = sizeof(struct xt_set_info_target_v3),
	.checkentry = set_check_3, .text = &set_text,
};
