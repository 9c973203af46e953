/*
 * ext/match/cgroup.c - "-m cgroup": the control group of the program whose socket the packet belongs to: by its net_cls
 * number, or below a path of cgroup2. weir knows that of declared sockets (host/socket.h). It has no tree of groups of its own,
 * so that every path is taken; Linux refuses those that do not exist when the rule is loaded.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_cgroup.h>

#include "classify/classify.h"
#include "ext/option.h"
#include "host/socket.h"

/* Is @cgroup the group at @path, or below it? Blank parts of paths do not count. */
static bool is_below(const char *cgroup, const char *path)
{
	for (;;) {
		size_t len;

		path += strspn(path, "/");
		cgroup += strspn(cgroup, "/");
		len = strcspn(path, "/");
		if (!len)
			return true;
		if (strncmp(cgroup, path, len) || (cgroup[len] && cgroup[len] != '/'))
			return false;
		path += len;
		cgroup += len;
	}
}

static bool by_class(const struct pkt *pkt, uint32_t classid, bool invert)
{
	return pkt->socket && (pkt->socket->spec.classid == classid) != invert;
}

static bool by_path(const struct pkt *pkt, const char *path, bool invert)
{
	const char *cgroup = pkt->socket && pkt->socket->spec.cgroup ? pkt->socket->spec.cgroup : "";

	return pkt->socket && is_below(cgroup, path) != invert;
}

static bool cgroup_match_0(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_cgroup_info_v0 *info = data;

	return by_class(pkt, info->id, info->invert);
}

static bool cgroup_match_1(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_cgroup_info_v1 *info = data;

	return info->has_path ? by_path(pkt, info->path, info->invert_path) :
	       by_class(pkt, info->classid, info->invert_classid);
}

static bool cgroup_match_2(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_cgroup_info_v2 *info = data;

	return info->has_path ? by_path(pkt, info->path, info->invert_path) :
	       by_class(pkt, info->classid, info->invert_classid);
}

static int cgroup_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_cgroup_info_v0 *info = data;

	return info->invert & ~1u ? refuse(why, -EINVAL, "cgroup: unknown flags %#x", info->invert) : 0;
}

static int check_either(uint8_t has_path, uint8_t has_classid, uint8_t inverted, const char *path, size_t size,
			struct refusal *why)
{
	if (inverted & ~1u)
		return refuse(why, -EINVAL, "cgroup: unknown flags %#x", inverted);
	if (!has_path == !has_classid)
		return refuse(why, -EINVAL, "cgroup: %s --path and --cgroup", has_path ? "not both" : "one is needed of");
	if (has_path && strnlen(path, size) == size)
		return refuse(why, -ENAMETOOLONG, "cgroup: the path does not end");
	return 0;
}

static int cgroup_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_cgroup_info_v1 *info = data;

	info->priv = NULL;
	return check_either(info->has_path, info->has_classid, info->invert_path | info->invert_classid, info->path,
			    sizeof(info->path), why);
}

static int cgroup_check_2(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_cgroup_info_v2 *info = data;

	info->priv = NULL;
	return check_either(info->has_path, info->has_classid, info->invert_path | info->invert_classid, info->path,
			    sizeof(info->path), why);
}

#define CGROUP_FLAGS(has, inverted) .flags = OPT_INVERTIBLE, \
	.set_at = offsetof(struct xt_cgroup_info_v2, has), .set_bits = 1, .set_width = 1, \
	.invert_at = offsetof(struct xt_cgroup_info_v2, inverted), .invert_bits = 1, .invert_width = 1

static int path_fits(struct opt_call *call, struct refusal *why)
{
	if (strlen(call->arg) >= call->opt->size)
		return refuse(why, -EINVAL, "cgroup: a path has less than %zu bytes", call->opt->size);
	return 0;
}

static const struct opt cgroup_options[] = {
	{ .name = "path", .type = OPT_TEXT, .at = offsetof(struct xt_cgroup_info_v2, path),
	  .size = sizeof(((struct xt_cgroup_info_v2 *)0)->path), CGROUP_FLAGS(has_path, invert_path), .parse = path_fits,
	  .arg = "path", .help = "match sockets of this path below the root of cgroup2 and below (declared by \"socket add\")" },
	{ .name = "cgroup", .type = OPT_U32, .at = offsetof(struct xt_cgroup_info_v2, classid), .size = 4,
	  CGROUP_FLAGS(has_classid, invert_classid), .arg = "classid",
	  .help = "match sockets of this net_cls number, cannot be used with --path" },
	OPT_END
};

static void cgroup_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_cgroup_info_v2 *info = data;

	if (info->has_path) {
		sb_adds(out, info->invert_path ? " ! --path" : " --path");
		save_quoted(out, info->path);
	}
	if (info->has_classid)
		sb_printf(out, "%s --cgroup %u", info->invert_classid ? " !" : "", info->classid);
}

static void cgroup_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_cgroup_info_v2 *info = data;

	sb_adds(out, " cgroup");
	if (info->has_path)
		sb_printf(out, " %s%s", info->invert_path ? "! " : "", info->path);
	if (info->has_classid)
		sb_printf(out, " %s%u", info->invert_classid ? "! " : "", info->classid);
}

static const struct ext_text cgroup_text = {
	.options = cgroup_options, .help_head = "cgroup match options:", .save = cgroup_save, .print = cgroup_print,
};

#define CGROUP_COMMON .name = "cgroup", .families = FAMILY_ANY, .depends = DEP_OWNER, \
	.hooks = 1 << NF_INET_LOCAL_OUT | 1 << NF_INET_POST_ROUTING | 1 << NF_INET_LOCAL_IN

const struct match match_cgroup_0 = {
	CGROUP_COMMON, .revision = 0, .info_size = sizeof(struct xt_cgroup_info_v0), .match = cgroup_match_0, .classify = class_rule_nothing,
	.checkentry = cgroup_check_0,
};
const struct match match_cgroup_1 = {
	CGROUP_COMMON, .revision = 1, .info_size = sizeof(struct xt_cgroup_info_v1),
	.user_size = offsetof(struct xt_cgroup_info_v1, priv), .match = cgroup_match_1, .classify = class_rule_nothing, .checkentry = cgroup_check_1,
};
const struct match match_cgroup_2 = {
	CGROUP_COMMON, .revision = 2, .info_size = sizeof(struct xt_cgroup_info_v2),
	.user_size = offsetof(struct xt_cgroup_info_v2, priv), .match = cgroup_match_2, .classify = class_rule_nothing, .checkentry = cgroup_check_2,
	.text = &cgroup_text,
};
