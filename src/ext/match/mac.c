/* ext/match/mac.c - "-m mac": the source address of the frame; never on an interface that has none. */
#include "base/uapi.h"

#include <linux/netfilter/xt_mac.h>

#include <stdlib.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool mac_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_mac_info *info = data;
	const struct iface *in = call->state->in;

	if (!in || in->type != ARPHRD_ETHER || !pkt->mac || pkt->mac_len < ETH_HLEN)
		return false;
	return (memcmp(pkt->mac + ETH_ALEN, info->srcaddr, ETH_ALEN) == 0) != !!info->invert;
}

static int mac_parse(struct opt_call *call, struct refusal *why)
{
	struct xt_mac_info *info = call->info;
	const char *at = call->arg;

	for (unsigned int i = 0; i < ETH_ALEN; i++) {
		char *end;
		unsigned long byte = strtoul(at, &end, 16);	/* two characters: none, or a sign, are as good as a digit to upstream */

		if (end - at > 2 || *end != (i + 1 < ETH_ALEN ? ':' : '\0'))
			return refuse(why, -EINVAL, "mac: --mac-source takes XX:XX:XX:XX:XX:XX, not \"%s\"",
				      call->arg);
		info->srcaddr[i] = (uint8_t)byte;
		at = end + 1;
	}
	return 0;
}

static const struct opt mac_options[] = {
	{ .name = "mac-source", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = mac_parse,
	  .invert_at = offsetof(struct xt_mac_info, invert), .invert_bits = 1, .invert_width = 4,
	  .arg = "XX:XX:XX:XX:XX:XX", .help = "match source MAC address" },
	OPT_END
};

static void add_mac(struct strbuf *out, const uint8_t *mac)
{
	sb_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void mac_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_mac_info *info = data;

	sb_adds(out, info->invert ? " ! --mac-source " : " --mac-source ");
	add_mac(out, info->srcaddr);
}

static void mac_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_mac_info *info = data;

	sb_adds(out, info->invert ? " MAC ! " : " MAC ");
	add_mac(out, info->srcaddr);
}

static const struct ext_text mac_text = {
	.options = mac_options, .help_head = "mac match options:", .save = mac_save, .print = mac_print,
};

const struct match match_mac = {
	.name = "mac", .families = FAMILY_ANY,
	.hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD,
	.info_size = sizeof(struct xt_mac_info), .depends = DEP_MAC | DEP_IFACES,
	.match = mac_match, .classify = class_rule_nothing, .text = &mac_text,
};
