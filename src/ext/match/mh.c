/* ext/match/mh.c - "-m mh": the message type of a mobility header. */
#include "base/uapi.h"

#include <linux/netfilter_ipv6/ip6t_mh.h>

#include <stdio.h>

#include "ext/option.h"

enum { MH_HEADER = 6 };

static bool mh_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ip6t_mh *info = data;
	const uint8_t *mh;

	if (call->fragoff)
		return false;
	mh = pkt_at(pkt, call->thoff, MH_HEADER);
	if (!mh || mh[0] != IPPROTO_NONE) {
		call->hotdrop = true;
		return false;
	}
	return (mh[2] >= info->types[0] && mh[2] <= info->types[1]) != !!(info->invflags & IP6T_MH_INV_TYPE);
}

static int mh_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ip6t_mh *info = data;

	if (info->invflags & ~IP6T_MH_INV_MASK)
		return refuse(why, -EINVAL, "mh: unknown flags %#x", info->invflags);
	return 0;
}

static void mh_init(void *data)
{
	((struct ip6t_mh *)data)->types[1] = UINT8_MAX;
}

static const struct { const char *name, *alias; } type_words[] = {
	{ "binding-refresh-request", "brr" }, { "home-test-init", "hoti" }, { "careof-test-init", "coti" },
	{ "home-test", "hot" }, { "careof-test", "cot" }, { "binding-update", "bu" }, { "binding-acknowledgement", "ba" },
	{ "binding-error", "be" },
};

/* A number, a name, or the beginning of one, if of no letter: then the first that fits. */
static bool read_type(const char *word, uint8_t *out)
{
	uint64_t number;
	size_t len = strlen(word);

	if (opt_u64(word, 0, UINT8_MAX, &number)) {
		*out = number;
		return true;
	}
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (uint8_t i = 0; i < ARRAY_SIZE(type_words); i++) {
			if (pass ? !strncasecmp(type_words[i].name, word, len) || !strncasecmp(type_words[i].alias, word, len) :
			    !strcasecmp(type_words[i].name, word) || !strcasecmp(type_words[i].alias, word)) {
				*out = i;
				return true;
			}
		}
	}
	return false;
}

static int parse_types(struct opt_call *call, struct refusal *why)
{
	struct ip6t_mh *info = call->info;
	const char *colon = strchr(call->arg, ':');
	char head[64];
	bool ok;

	snprintf(head, sizeof(head), "%.*s", colon ? (int)(colon - call->arg) : 63, call->arg);
	info->types[0] = 0;
	info->types[1] = UINT8_MAX;
	ok = (colon && !head[0]) || read_type(head, &info->types[0]);
	if (ok && !colon)
		info->types[1] = info->types[0];
	else if (ok && colon[1])
		ok = read_type(colon + 1, &info->types[1]);
	if (!ok || info->types[0] > info->types[1])
		return refuse(why, -EINVAL, "mh: --mh-type takes type[:type] (0 to 255 or names), not \"%s\"", call->arg);
	return 0;
}

static const struct opt mh_options[] = {
	{ .name = "mh-type", .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, .parse = parse_types,
	  .invert_at = offsetof(struct ip6t_mh, invflags), .invert_bits = IP6T_MH_INV_TYPE, .invert_width = 1,
	  .arg = "type[:type]", .help = "match mh type" },
	OPT_END
};

static bool says_nothing(const struct ip6t_mh *info)
{
	return info->types[0] == 0 && info->types[1] == UINT8_MAX && !(info->invflags & IP6T_MH_INV_TYPE);
}

static void mh_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ip6t_mh *info = data;

	if (info->types[0] == 0 && info->types[1] == UINT8_MAX)
		return;
	sb_printf(out, "%s --mh-type %u", info->invflags & IP6T_MH_INV_TYPE ? " !" : "", info->types[0]);
	if (info->types[0] != info->types[1])
		sb_printf(out, ":%u", info->types[1]);
}

static void add_type(struct strbuf *out, uint8_t type, bool numeric)
{
	if (!numeric && type < ARRAY_SIZE(type_words))
		sb_adds(out, type_words[type].name);
	else
		sb_printf(out, "%u", type);
}

static void mh_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ip6t_mh *info = data;

	sb_adds(out, " mh");
	if (says_nothing(info))
		return;
	sb_adds(out, info->invflags & IP6T_MH_INV_TYPE ? " !" : " ");
	add_type(out, info->types[0], view->numeric);
	if (info->types[0] != info->types[1]) {
		sb_addc(out, ':');
		add_type(out, info->types[1], view->numeric);
	}
}

static const struct ext_text mh_text = {
	.options = mh_options, .help_head = "mh match options:", .init = mh_init, .save = mh_save, .print = mh_print,
};

const struct match match_mh = {
	.name = "mh", .families = FAMILY_V6, .proto = IPPROTO_MH, .info_size = sizeof(struct ip6t_mh),
	.depends = DEP_L4_PORTS | DEP_L3_FRAG | DEP_L3_LEN,	/* the type lies where ports would */
	.match = mh_match, .checkentry = mh_check, .text = &mh_text,
};
