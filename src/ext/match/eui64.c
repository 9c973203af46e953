/* ext/match/eui64.c - "-m eui64": does the IPv6 source end in the identifier made of the frame's source address? */
#include "base/uapi.h"

#include "ext/option.h"

static bool eui64_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct iface *in = call->state->in;
	const uint8_t *mac = pkt->mac ? pkt->mac + ETH_ALEN : NULL;

	if (!in || in->type != ARPHRD_ETHER)
		return false;
	if (!mac || pkt->mac_len < ETH_HLEN) {
		call->hotdrop = true;
		return false;
	}
	const uint8_t id[8] = { mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

	return get_be16(pkt->mac + 2 * ETH_ALEN) == ETH_P_IPV6 && pkt->data[0] >> 4 == 6 &&
	       memcmp((const uint8_t *)&pkt_ip6(pkt)->saddr + 8, id, sizeof(id)) == 0;
}

static const struct opt eui64_options[] = { OPT_END };

static void eui64_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
}

static void eui64_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, "eui64 ");
}

static const struct ext_text eui64_text = {
	.options = eui64_options, .help_head = "eui64 match options:", .save = eui64_save, .print = eui64_print,
};

const struct match match_eui64 = {
	.name = "eui64", .families = FAMILY_V6, .info_size = sizeof(int),
	.hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD,
	.depends = DEP_MAC | DEP_L3_ADDRS | DEP_IFACES, .match = eui64_match, .text = &eui64_text,
};
