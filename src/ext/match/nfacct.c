/*
 * ext/match/nfacct.c - "-m nfacct": counts the packet into a named object of nfacct(8).
 * Without a quota it always matches; with one it matches beyond it. A packet is counted whatever the rule's other matches say.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_nfacct.h>

#include <stdio.h>

#include "ext/nfacct.h"
#include "ext/option.h"

static bool nfacct_match_0(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_nfacct_match_info *info = data;

	return acct_count((struct acct_object *)info->nfacct, pkt->len);
}

static bool nfacct_match_1(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_nfacct_match_info_v1 *info = data;

	return acct_count((struct acct_object *)info->nfacct, pkt->len);
}

static struct nf_acct *object_of(const struct ext_check *check, const char *name, struct refusal *why)
{
	struct acct_object *acct = acct_get(check->inst, name);

	if (!acct)
		refuse(why, -ENOENT, "nfacct: there is no object \"%.*s\" (make it with: nfacct add)", NFACCT_NAME_MAX, name);
	return (struct nf_acct *)acct;
}

static int nfacct_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_nfacct_match_info *info = data;

	info->nfacct = object_of(check, info->name, why);
	return info->nfacct ? 0 : -ENOENT;
}

static int nfacct_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_nfacct_match_info_v1 *info = data;

	info->nfacct = object_of(check, info->name, why);
	return info->nfacct ? 0 : -ENOENT;
}

static void nfacct_destroy_0(void *data, const struct ext_check *check)
{
	acct_put((struct acct_object *)((struct xt_nfacct_match_info *)data)->nfacct);
}

static void nfacct_destroy_1(void *data, const struct ext_check *check)
{
	acct_put((struct acct_object *)((struct xt_nfacct_match_info_v1 *)data)->nfacct);
}

static int parse_name(struct opt_call *call, struct refusal *why)
{
	struct xt_nfacct_match_info_v1 *info = call->info;

	if (!*call->arg)
		return refuse(why, -EINVAL, "nfacct: --nfacct-name takes a name");
	snprintf(info->name, sizeof(info->name), "%s", call->arg);
	return 0;
}

static const struct opt nfacct_options[] = {
	{ .name = "nfacct-name", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_name, .arg = "name",
	  .help = "the accounting object's name" },
	OPT_END
};

static void nfacct_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_printf(out, " --nfacct-name  %.*s", NFACCT_NAME_MAX, ((const struct xt_nfacct_match_info_v1 *)data)->name);
}

static void nfacct_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_printf(out, " nfacct-name  %.*s", NFACCT_NAME_MAX, ((const struct xt_nfacct_match_info_v1 *)data)->name);
}

static const struct ext_text nfacct_text = {
	.options = nfacct_options, .help_head = "nfacct match options:", .save = nfacct_save, .print = nfacct_print,
};

#define NFACCT_COMMON(n) .name = "nfacct", .revision = n, .families = FAMILY_ANY, .depends = DEP_STATE | DEP_L3_LEN, \
	.match = nfacct_match_##n, .checkentry = nfacct_check_##n, .destroy = nfacct_destroy_##n

const struct match match_nfacct_0 = {
	NFACCT_COMMON(0), .info_size = sizeof(struct xt_nfacct_match_info), .user_size = offsetof(struct xt_nfacct_match_info, nfacct),
};
const struct match match_nfacct_1 = {
	NFACCT_COMMON(1), .info_size = sizeof(struct xt_nfacct_match_info_v1),
	.user_size = offsetof(struct xt_nfacct_match_info_v1, nfacct), .text = &nfacct_text,
};
