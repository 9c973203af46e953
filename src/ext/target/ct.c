/*
 * ext/target/ct.c - "-j CT" and "-j NOTRACK": how, or whether, the packet's connection will be tracked.
 * A rule owns one template; a packet carries a share of it to connection tracking, which reads it there.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_CT.h>

#include "conntrack/conntrack.h"
#include "conntrack/helper.h"
#include "conntrack/timeout.h"
#include "conntrack/user_helper.h"
#include "ext/option.h"

static unsigned int attach(struct pkt *pkt, struct ct *template, struct instance *inst)
{
	if (!pkt->ct && !pkt->ctinfo) {	/* seen before over loopback: left alone */
		if (template)
			pkt_ct_set(inst, pkt, template, IP_CT_NEW);
		else
			pkt->ctinfo = IP_CT_UNTRACKED;
	}
	return XT_CONTINUE;
}

static unsigned int notrack_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return attach(pkt, NULL, call->inst);
}

static unsigned int ct_target_0(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return attach(pkt, (struct ct *)((const struct xt_ct_target_info *)data)->ct, call->inst);
}

static unsigned int ct_target_1(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return attach(pkt, (struct ct *)((const struct xt_ct_target_info_v1 *)data)->ct, call->inst);
}

enum { EVENT_OF_NOBODY = 1 << 15 };	/* only expectations are told of */

static void drop_template(struct ct *template, const struct ext_check *check)
{
	struct ct_user_helper *user;

	if (!template)
		return;
	user = ct_user_helper_of(ct_helper_of(template));
	if (user)
		user->rules--;
	ct_hooks_put(check->inst, check->family);
	ct_policy_detach(check->inst, template);
	ct_put(check->inst, template);
}

static int find_helper(const char name[16], const struct ext_check *check, const struct ct_helper **out,
		       struct refusal *why)
{
	if (!memchr(name, '\0', 16))
		return refuse(why, -ENAMETOOLONG, "CT: a helper's name has at most 15 letters");
	if (!check->proto || check->proto_inverted)
		return refuse(why, -ENOENT, "CT: --helper needs a protocol, without \"!\"");
	*out = ct_helper_find(check->inst, name, check->family, (uint8_t)check->proto);
	if (!*out)
		return refuse(why, -ENOENT, "CT: there is no helper \"%s\" for this protocol", name);
	return 0;
}

static int find_policy(const char name[CT_POLICY_NAME_MAX], const struct ext_check *check,
		       struct ct_timeout_policy **out, struct refusal *why)
{
	const struct ct_proto *proto = ct_proto_of(check->inst, (uint8_t)check->proto);

	if (!memchr(name, '\0', CT_POLICY_NAME_MAX))
		return refuse(why, -ENAMETOOLONG, "CT: a timeout policy's name has at most 31 letters");
	*out = ct_policy_find(check->inst, name);
	if (!*out)
		return refuse(why, -ENOENT, "CT: there is no timeout policy \"%s\"", name);
	if ((*out)->family != check->family)
		return refuse(why, -EINVAL, "CT: the timeout policy \"%s\" is of the other family", name);
	if ((*out)->proto != proto)
		return refuse(why, -EINVAL, "CT: the timeout policy \"%s\" is for %s", name, (*out)->proto->name);
	return 0;
}

static int make_template(const struct xt_ct_target_info_v1 *info, const struct ext_check *check, struct ct **out,
			 struct refusal *why)
{
	unsigned int dir = info->flags & (XT_CT_ZONE_DIR_ORIG | XT_CT_ZONE_DIR_REPL);
	struct ct_zone zone = {
		.id = info->zone,
		.flags = info->flags & XT_CT_ZONE_MARK ? CT_ZONE_FLAG_MARK : 0,
		.dir = dir == XT_CT_ZONE_DIR_ORIG ? CT_ZONE_DIR_ORIGINAL : dir == XT_CT_ZONE_DIR_REPL ? CT_ZONE_DIR_REPLY :
		       CT_ZONE_DIR_BOTH,
	};
	const struct ct_helper *helper = NULL;
	struct ct_timeout_policy *policy = NULL;
	struct ct *template;
	int err;

	*out = NULL;
	if (info->flags & XT_CT_NOTRACK)
		return 0;
	if (info->helper[0]) {
		err = find_helper(info->helper, check, &helper, why);
		if (err)
			return err;
	}
	if (info->timeout[0] && (!check->proto || check->proto_inverted))
		return refuse(why, -EINVAL, "CT: --timeout needs a protocol, without \"!\"");
	if (info->timeout[0]) {
		err = find_policy(info->timeout, check, &policy, why);
		if (err)
			return err;
	}
	err = ct_hooks_get(check->inst, check->family);
	if (err)
		return refuse(why, err, "CT: connection tracking cannot be switched on");
	template = ct_template_new(check->inst, &zone);
	if (!template) {
		ct_hooks_put(check->inst, check->family);
		return refuse(why, -ENOMEM, "CT: no memory for the template");
	}
	if (info->ct_events || info->exp_events)
		template->event_wanted = info->ct_events ? info->ct_events : EVENT_OF_NOBODY;
	if (helper) {
		struct ct_help *help = ct_help_add(template, helper);

		if (!help) {
			drop_template(template, check);
			return refuse(why, -ENOMEM, "CT: no memory for the helper");
		}
		if (ct_user_helper_of(helper))
			ct_user_helper_of(helper)->rules++;
		if (template->event_wanted)
			help->events_wanted = (uint8_t)info->exp_events;
	}
	if (policy && ct_policy_attach(check->inst, template, policy)) {
		drop_template(template, check);
		return refuse(why, -ENOMEM, "CT: no memory for the timeouts");
	}
	template->status |= IPS_CONFIRMED;
	*out = template;
	return 0;
}

static int ct_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_ct_target_info *info = data;
	struct xt_ct_target_info_v1 full = { .flags = info->flags, .zone = info->zone, .ct_events = info->ct_events,
					     .exp_events = info->exp_events };
	struct ct *template;
	int err;

	if (info->flags & ~XT_CT_NOTRACK)
		return refuse(why, -EINVAL, "CT: unknown flags %#x", info->flags);
	memcpy(full.helper, info->helper, sizeof(full.helper));
	err = make_template(&full, check, &template, why);
	info->ct = (struct nf_conn *)template;
	return err;
}

static int check_flags(struct xt_ct_target_info_v1 *info, unsigned int known, const struct ext_check *check,
		       struct refusal *why)
{
	struct ct *template;
	int err;

	if (info->flags & ~known)
		return refuse(why, -EINVAL, "CT: unknown flags %#x", info->flags);
	err = make_template(info, check, &template, why);
	info->ct = (struct nf_conn *)template;
	return err;
}

static int ct_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	return check_flags(data, XT_CT_NOTRACK, check, why);
}

static int ct_check_2(void *data, const struct ext_check *check, struct refusal *why)
{
	return check_flags(data, XT_CT_MASK, check, why);
}

static void ct_destroy_0(void *data, const struct ext_check *check)
{
	drop_template((struct ct *)((struct xt_ct_target_info *)data)->ct, check);
}

static void ct_destroy_1(void *data, const struct ext_check *check)
{
	drop_template((struct ct *)((struct xt_ct_target_info_v1 *)data)->ct, check);
}

/* --- text --- */

static const struct opt_word event_words[] = {
	{ "new", 1 << IPCT_NEW }, { "related", 1 << IPCT_RELATED }, { "destroy", 1 << IPCT_DESTROY },
	{ "reply", 1 << IPCT_REPLY }, { "assured", 1 << IPCT_ASSURED }, { "protoinfo", 1 << IPCT_PROTOINFO },
	{ "helper", 1 << IPCT_HELPER }, { "mark", 1 << IPCT_MARK }, { "natseqinfo", 1 << IPCT_NATSEQADJ },
	{ "secmark", 1 << IPCT_SECMARK }, { NULL }
};
static const struct opt_word exp_event_words[] = { { "new", 1 << IPEXP_NEW }, { NULL } };

static int parse_events(struct opt_call *call, struct refusal *why)
{
	const struct opt_word *words = *call->opt->name == 'c' ? event_words : exp_event_words;
	const char *list = call->arg;
	uint32_t bits = 0;

	for (;;) {
		size_t len = strcspn(list, ",");
		const struct opt_word *word = words;

		while (word->name && (strncmp(word->name, list, len) || word->name[len]))
			word++;
		if (!word->name)
			return refuse(why, -EINVAL, "CT: --%s does not know the event \"%.*s\"",
				      call->opt->name, (int)len,
				      list);
		bits |= word->value;
		if (!list[len])
			break;
		list += len + 1;
	}
	memcpy((char *)call->info + call->opt->at, &bits, sizeof(bits));
	return 0;
}

static int parse_zone(struct opt_call *call, struct refusal *why)
{
	struct xt_ct_target_info_v1 *info = call->info;
	uint64_t zone;

	info->zone = 0;		/* the last option says all of it */
	if (strcmp(call->arg, "mark") == 0)
		info->flags |= XT_CT_ZONE_MARK;
	else if (opt_u64(call->arg, 0, UINT16_MAX, &zone))
		info->zone = zone;
	else
		return refuse(why, -EINVAL, "CT: --%s takes a number of 16 bits or \"mark\", not \"%s\"",
			      call->opt->name, call->arg);
	return 0;
}

#define CT_FLAGS(bits) .set_at = offsetof(struct xt_ct_target_info_v1, flags), .set_bits = bits, .set_width = 2
#define CT_AT(field) .at = offsetof(struct xt_ct_target_info_v1, field)

static const struct opt ct_options[] = {
	{ .name = "notrack", .type = OPT_FLAG, CT_FLAGS(XT_CT_NOTRACK), .help = "don't track connection" },
	{ .name = "helper", .type = OPT_TEXT, CT_AT(helper),
	  .size = sizeof(((struct xt_ct_target_info_v1 *)0)->helper),
	  .arg = "name", .help = "use conntrack helper 'name' for connection" },
	{ .name = "timeout", .type = OPT_TEXT, CT_AT(timeout),
	  .size = sizeof(((struct xt_ct_target_info_v1 *)0)->timeout),
	  .arg = "name", .help = "use timeout policy 'name' for connection" },
	{ .name = "ctevents", .type = OPT_CUSTOM, CT_AT(ct_events), .parse = parse_events,
	  .arg = "event[,event...]",
	  .help = "generate specified conntrack events for connection" },
	{ .name = "expevents", .type = OPT_CUSTOM, CT_AT(exp_events), .parse = parse_events,
	  .arg = "event[,event...]",
	  .help = "generate specified expectation events for connection" },
	{ .name = "zone", .type = OPT_CUSTOM, .parse = parse_zone, .arg = "{ID|mark}",
	  .help = "assign ID or packet mark as the zone" },
	{ .name = "zone-orig", .type = OPT_CUSTOM, .parse = parse_zone, CT_FLAGS(XT_CT_ZONE_DIR_ORIG),
	  .arg = "{ID|mark}", .help = "for the original direction only" },
	{ .name = "zone-reply", .type = OPT_CUSTOM, .parse = parse_zone, CT_FLAGS(XT_CT_ZONE_DIR_REPL),
	  .arg = "{ID|mark}", .help = "for the reply direction only" },
	OPT_END
};

static void show_events(const char *dashes, const char *option, const struct opt_word *word, uint32_t events,
			struct strbuf *out)
{
	const char *sep = " ";

	if (!events)
		return;
	sb_printf(out, " %s%s", dashes, option);
	for (; word->name; word++) {
		if (events & word->value) {
			sb_printf(out, "%s%s", sep, word->name);
			sep = ",";
		}
	}
}

static void ct_show(const struct xt_ct_target_info_v1 *info, const char *dashes, struct strbuf *out)
{
	unsigned int dir = info->flags & (XT_CT_ZONE_DIR_ORIG | XT_CT_ZONE_DIR_REPL);
	const char *zone = dir == XT_CT_ZONE_DIR_ORIG ? "zone-orig" : dir == XT_CT_ZONE_DIR_REPL ? "zone-reply" : "zone";

	if (info->flags & XT_CT_NOTRACK)
		sb_printf(out, " %snotrack", dashes);
	if (info->helper[0])
		sb_printf(out, " %shelper %.*s", dashes, (int)sizeof(info->helper), info->helper);
	if (info->timeout[0])
		sb_printf(out, " %stimeout %.*s", dashes, (int)sizeof(info->timeout), info->timeout);
	show_events(dashes, "ctevents", event_words, info->ct_events, out);
	show_events(dashes, "expevents", exp_event_words, info->exp_events, out);
	if (info->flags & XT_CT_ZONE_MARK)
		sb_printf(out, " %s%s mark", dashes, zone);
	else if (info->zone)
		sb_printf(out, " %s%s %u", dashes, zone, info->zone);
}

static void ct_target_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_ct_target_info_v1 *info = data;

	if (!(info->flags & XT_CT_NOTRACK_ALIAS))
		ct_show(info, "--", out);
}

static void ct_target_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_ct_target_info_v1 *info = data;

	if (info->flags & XT_CT_NOTRACK_ALIAS) {
		sb_adds(out, " NOTRACK");
		return;
	}
	sb_adds(out, " CT");
	ct_show(info, "", out);
}

static const char *ct_target_printed_name(const void *data)
{
	return ((const struct xt_ct_target_info_v1 *)data)->flags & XT_CT_NOTRACK_ALIAS ? "NOTRACK" : NULL;
}

static const struct ext_text ct_text = {
	.options = ct_options, .help_head = "CT target options:",
	.save = ct_target_save, .print = ct_target_print, .printed_name = ct_target_printed_name,
};

static const struct opt notrack_options[] = { OPT_END };

static void notrack_init(void *data)
{
	((struct xt_ct_target_info_v1 *)data)->flags = XT_CT_NOTRACK | XT_CT_NOTRACK_ALIAS;
}

static const struct ext_text notrack_text = {
	.options = notrack_options, .help_head = "NOTRACK has no options", .init = notrack_init,
	.save = ct_target_save, .print = ct_target_print,
};

#define CT_COMMON .families = FAMILY_ANY, .table = "raw", .depends = DEP_CT_STATE | DEP_MARK
#define CT_FULL CT_COMMON, .info_size = sizeof(struct xt_ct_target_info_v1), .target = ct_target_1, \
	.user_size = offsetof(struct xt_ct_target_info, ct), .destroy = ct_destroy_1

const struct target target_notrack = {
	.name = "NOTRACK", .revision = 0, CT_COMMON, .info_size = 0, .target = notrack_target,
};

const struct target target_ct_0 = {
	.name = "CT", .revision = 0, CT_COMMON, .info_size = sizeof(struct xt_ct_target_info),
	.user_size = offsetof(struct xt_ct_target_info, ct),
	.target = ct_target_0, .checkentry = ct_check_0, .destroy = ct_destroy_0,
};

const struct target target_ct_1 = { .name = "CT", .revision = 1, CT_FULL, .checkentry = ct_check_1 };

const struct target target_ct_2 = { .name = "CT", .revision = 2, CT_FULL, .checkentry = ct_check_2,
	.text = &ct_text };

const struct target target_notrack_text = {
	.name = "NOTRACK", .revision = 2, CT_FULL, .checkentry = ct_check_2, .abi_name = "CT",
	.text = &notrack_text,
};
