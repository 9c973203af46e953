/*
 * ext/target/secmark.c - "-j SECMARK" and "-j CONNSECMARK": security labels of packets and connections.
 * Which label a context's name means only a security module knows. weir has none: contexts that were declared
 * ("secctx add CONTEXT") are known, others are refused as Linux refuses those that its module does not know.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_CONNSECMARK.h>
#include <linux/netfilter/xt_SECMARK.h>

#include "conntrack/conntrack.h"
#include "ext/option.h"
#include "host/secctx.h"

static bool is_table_of_labels(const struct ext_check *check)
{
	return strcmp(check->table, "mangle") == 0 || strcmp(check->table, "security") == 0;
}

static unsigned int secmark_target_1(struct pkt *pkt, const void *data, struct ext_call *call)
{
	pkt->secmark = ((const struct xt_secmark_target_info_v1 *)data)->secid;
	return XT_CONTINUE;
}

static unsigned int secmark_target_0(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_secmark_target_info *info = data;

	pkt->secmark = info->secid;
	return XT_CONTINUE;
}

static int secmark_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_secmark_target_info_v1 *info = data;

	if (!is_table_of_labels(check))
		return refuse(why, -EINVAL, "SECMARK: only works in the mangle and security tables");
	if (info->mode != SECMARK_MODE_SEL)
		return refuse(why, -EINVAL, "SECMARK: unknown mode %u", info->mode);
	info->secctx[sizeof(info->secctx) - 1] = '\0';
	info->secid = secctx_find(check->inst, info->secctx);
	if (info->secid)
		return 0;
	return refuse(why, -ENOENT, "SECMARK: no security module knows the context \"%s\" (\"secctx add\" declares one)", info->secctx);
}

static int secmark_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_secmark_target_info *info = data;
	struct xt_secmark_target_info_v1 full = { .mode = info->mode };
	int err;

	memcpy(full.secctx, info->secctx, sizeof(full.secctx));
	err = secmark_check_1(&full, check, why);
	info->secid = full.secid;
	return err;
}

static void secmark_init(void *data)
{
	((struct xt_secmark_target_info_v1 *)data)->mode = SECMARK_MODE_SEL;
}

static void show_context(const void *data, const char *words, struct strbuf *out)
{
	const struct xt_secmark_target_info_v1 *info = data;

	sb_printf(out, " %s %.*s", words, (int)sizeof(info->secctx), info->secctx);
}

static void secmark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_context(data, "--selctx", out);
}

static void secmark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_context(data, "SECMARK selctx", out);
}

static const struct opt secmark_options[] = {
	{ .name = "selctx", .type = OPT_TEXT, .flags = OPT_REQUIRED, .at = offsetof(struct xt_secmark_target_info_v1, secctx),
	  .size = SECMARK_SECCTX_MAX, .arg = "value", .help = "security context for the packet; one that was declared by \"secctx add\"" },
	OPT_END
};

static const struct ext_text secmark_text = {
	.options = secmark_options, .help_head = "SECMARK target options:", .init = secmark_init,
	.save = secmark_save, .print = secmark_print,
};

#define SECMARK_COMMON .name = "SECMARK", .families = FAMILY_ANY, .depends = DEP_NOTHING

const struct target target_secmark_0 = {
	SECMARK_COMMON, .revision = 0, .info_size = sizeof(struct xt_secmark_target_info), .checkentry = secmark_check_0,
	.target = secmark_target_0,
};
const struct target target_secmark_1 = {
	SECMARK_COMMON, .revision = 1, .info_size = sizeof(struct xt_secmark_target_info_v1),
	.user_size = offsetof(struct xt_secmark_target_info_v1, secid), .checkentry = secmark_check_1,
	.target = secmark_target_1,
	.text = &secmark_text,
};

/* A label that is there is never replaced. */
static unsigned int connsecmark_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	bool is_save = ((const struct xt_connsecmark_target_info *)data)->mode == CONNSECMARK_SAVE;

	if (!pkt->ct)
		return XT_CONTINUE;
	if (is_save && pkt->secmark && !ct_secmark(pkt->ct)) {
		if (ct_set_secmark(pkt->ct, pkt->secmark))
			ct_event_note(pkt->ct, IPCT_SECMARK);
	} else if (!is_save && !pkt->secmark) {
		pkt->secmark = ct_secmark(pkt->ct);
	}
	return XT_CONTINUE;
}

static int connsecmark_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_connsecmark_target_info *info = data;
	int err;

	if (!is_table_of_labels(check))
		return refuse(why, -EINVAL, "CONNSECMARK: only works in the mangle and security tables");
	if (info->mode != CONNSECMARK_SAVE && info->mode != CONNSECMARK_RESTORE)
		return refuse(why, -EINVAL, "CONNSECMARK: unknown mode %u", info->mode);
	err = ct_hooks_get(check->inst, check->family);
	return err ? refuse(why, err, "CONNSECMARK: connection tracking cannot be switched on") : 0;
}

static void connsecmark_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

static int connsecmark_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "CONNSECMARK: --save or --restore is required");
}

static void show_mode(const void *data, const char *words, struct strbuf *out)
{
	uint8_t mode = ((const struct xt_connsecmark_target_info *)data)->mode;

	if (mode == CONNSECMARK_SAVE || mode == CONNSECMARK_RESTORE)
		sb_printf(out, " %s%s", words, mode == CONNSECMARK_SAVE ? "save" : "restore");
}

static void connsecmark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_mode(data, "--", out);
}

static void connsecmark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_mode(data, "CONNSECMARK ", out);
}

#define MODE(n, value, other, h) { .name = n, .type = OPT_FLAG, .set_bits = value, .set_width = 1, \
	.set_at = offsetof(struct xt_connsecmark_target_info, mode), .excludes = other, .help = h }

static const struct opt connsecmark_options[] = {
	MODE("save", CONNSECMARK_SAVE, "restore", "copy the packet's security mark to its connection"),
	MODE("restore", CONNSECMARK_RESTORE, "save", "copy the connection's security mark to the packet"),
	OPT_END
};

static const struct ext_text connsecmark_text = {
	.options = connsecmark_options, .help_head = "CONNSECMARK target options:", .finish = connsecmark_finish,
	.save = connsecmark_save, .print = connsecmark_print,
};

const struct target target_connsecmark = {
	.name = "CONNSECMARK", .families = FAMILY_ANY, .info_size = sizeof(struct xt_connsecmark_target_info),
	.depends = DEP_STATE, .target = connsecmark_target, .checkentry = connsecmark_check,
	.destroy = connsecmark_destroy, .text = &connsecmark_text,
};
