/*
 * ext/match/tcpmss.c - "-m tcpmss": the maximum segment size that a TCP packet announces.
 * It looks wherever the L4 header would be, in later fragments too; without the option only "!" fits.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_tcpmss.h>

#include "ext/option.h"

enum { TCP_HEADER_MIN = 20, OPTION_MSS = 2, OPTION_MSS_LEN = 4 };

static bool tcpmss_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_tcpmss_match_info *info = data;
	const uint8_t *tcp = pkt_at(pkt, call->thoff, TCP_HEADER_MIN), *options;
	unsigned int doff = tcp ? (tcp[12] >> 4) * 4 : 0, len, at = 0;

	options = doff >= TCP_HEADER_MIN ? pkt_at(pkt, call->thoff, doff) : NULL;
	if (!options) {
		call->hotdrop = true;
		return false;
	}
	options += TCP_HEADER_MIN;
	len = doff - TCP_HEADER_MIN;
	while (at < len) {
		const uint8_t *option = options + at;

		if (option[0] == OPTION_MSS && len - at >= OPTION_MSS_LEN && option[1] == OPTION_MSS_LEN) {
			uint16_t mss = get_be16(option + 2);

			return (mss >= info->mss_min && mss <= info->mss_max) ^ info->invert;
		}
		at += option[0] < 2 || at + 1 == len || option[1] == 0 ? 1 : option[1];
	}
	return info->invert;
}

static int check_range(struct opt_call *call, struct refusal *why)
{
	struct xt_tcpmss_match_info *info = call->info;

	if (info->mss_min > info->mss_max)
		return refuse(why, -EINVAL, "tcpmss: the range \"%s\" runs backwards", call->arg);
	return 0;
}

static const struct opt tcpmss_options[] = {
	{ .name = "mss", .type = OPT_U16_RANGE, .size = 4, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = check_range,
	  .at = offsetof(struct xt_tcpmss_match_info, mss_min),
	  .invert_at = offsetof(struct xt_tcpmss_match_info, invert), .invert_bits = 1, .invert_width = 1,
	  .arg = "value[:value]", .help = "match TCP MSS range" },
	OPT_END
};

static void add_range(struct strbuf *out, const struct xt_tcpmss_match_info *info)
{
	sb_printf(out, "%u", info->mss_min);
	if (info->mss_min != info->mss_max)
		sb_printf(out, ":%u", info->mss_max);
}

static void tcpmss_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tcpmss_match_info *info = data;

	sb_adds(out, info->invert ? " ! --mss " : " --mss ");
	add_range(out, info);
}

static void tcpmss_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tcpmss_match_info *info = data;

	sb_adds(out, info->invert ? " tcpmss match !" : " tcpmss match ");
	add_range(out, info);
}

static const struct ext_text tcpmss_text = {
	.options = tcpmss_options, .help_head = "tcpmss match options:", .save = tcpmss_save, .print = tcpmss_print,
};

const struct match match_tcpmss = {
	.name = "tcpmss", .families = FAMILY_ANY, .proto = IPPROTO_TCP,
	.info_size = sizeof(struct xt_tcpmss_match_info), .depends = DEP_L4_OPTIONS | DEP_L3_FRAG | DEP_L3_LEN,
	.match = tcpmss_match, .text = &tcpmss_text,
};
