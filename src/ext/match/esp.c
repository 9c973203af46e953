/* ext/match/esp.c - "-m esp": the security parameter index of an encrypted packet. */
#include "base/uapi.h"

#include <linux/netfilter/xt_esp.h>

#include "ext/spis.h"

enum { ESP_HEADER = 8 };

static bool esp_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_esp *info = data;
	const void *esp;

	if (call->fragoff)
		return false;
	esp = pkt_at(pkt, call->thoff, ESP_HEADER);
	if (!esp) {
		call->hotdrop = true;
		return false;
	}
	return range32_has(info->spis, get_be32(esp), info->invflags & XT_ESP_INV_SPI);
}

static int esp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_esp *info = data;

	if (info->invflags & ~XT_ESP_INV_MASK)
		return refuse(why, -EINVAL, "esp: unknown flags %#x", info->invflags);
	return 0;
}

static void esp_init(void *data)
{
	((struct xt_esp *)data)->spis[1] = UINT32_MAX;
}

static const struct opt esp_options[] = {
	{ .name = "espspi", .type = OPT_U32_RANGE, .size = 8, .flags = OPT_INVERTIBLE, .at = offsetof(struct xt_esp, spis),
	  .invert_at = offsetof(struct xt_esp, invflags), .invert_bits = XT_ESP_INV_SPI, .invert_width = 1,
	  .arg = "spi[:spi]", .help = "match spi (range)" },
	OPT_END
};

static void esp_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_esp *info = data;

	range32_save(out, "espspi", info->spis, info->invflags & XT_ESP_INV_SPI);
}

static void esp_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_esp *info = data;

	sb_adds(out, " esp");
	range32_print(out, " spi", info->spis, info->invflags & XT_ESP_INV_SPI);
}

static const struct ext_text esp_text = {
	.options = esp_options, .help_head = "esp match options:", .init = esp_init, .save = esp_save, .print = esp_print,
};

const struct match match_esp = {
	.name = "esp", .families = FAMILY_ANY, .proto = IPPROTO_ESP, .info_size = sizeof(struct xt_esp),
	.depends = DEP_L4_PORTS | DEP_L3_FRAG | DEP_L3_LEN,	/* the index lies where ports would */
	.match = esp_match, .checkentry = esp_check, .checks_rule_only = true, .text = &esp_text,
};
