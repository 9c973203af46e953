/*
 * ext/match/geoip.c - "-m geoip" and "-m asn": the country or the network that an address belongs to, by files of ranges
 * (ext/georanges.h) in the folders that net.weir.geoip_dir and net.weir.asn_dir name. (xtables-addons)
 */
#include "base/uapi.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "classify/classify.h"
#include "ext/addons.h"
#include "ext/georanges.h"

/* Upstream puts pointers into user space here; weir reads the files itself, and keeps what it read. */
static struct georanges *loaded(const uint64_t *mem, unsigned int i)
{
	return (struct georanges *)(uintptr_t)mem[i];
}

static bool any_has(const struct pkt *pkt, uint8_t flags, uint8_t count, const uint64_t *mem, const struct ext_call *call)
{
	const uint8_t *addr;

	if (call->family == NFPROTO_IPV4)
		addr = pkt->data + (flags & XT_GEO_SRC ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
	else
		addr = pkt->data + (flags & XT_GEO_SRC ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr));
	for (unsigned int i = 0; i < count; i++)
		if (georanges_has(loaded(mem, i), addr))
			return !(flags & XT_GEO_INV);
	return flags & XT_GEO_INV;
}

static bool geoip_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_geoip_match_info *info = data;

	return any_has(pkt, info->flags, info->count, info->mem, call);
}

static bool asn_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_asn_match_info *info = data;

	return any_has(pkt, info->flags, info->count, info->mem, call);
}

static void free_all(uint64_t *mem, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		free(loaded(mem, i));
}

static int check_head(uint8_t flags, uint8_t count, const char *name, struct refusal *why)
{
	unsigned int sides = flags & (XT_GEO_SRC | XT_GEO_DST);

	if (flags & ~(XT_GEO_SRC | XT_GEO_DST | XT_GEO_INV) || !sides || sides == (XT_GEO_SRC | XT_GEO_DST) || !count ||
	    count > XT_GEO_MAX)
		return refuse(why, -EINVAL, "%s: unknown flags %#x or a count of %u", name, flags, count);
	return 0;
}

static const char *dir_of(const struct instance *inst, bool asn)
{
	const char *dir = asn ? inst->asn_dir : inst->geoip_dir;

	return dir ? dir : asn ? "/usr/share/xt_asn" : "/usr/share/xt_geoip";
}

static int load_one(uint64_t *mem, unsigned int i, const char *name, bool asn, const struct ext_check *check, struct refusal *why)
{
	struct georanges *ranges = NULL;
	int err = georanges_load(dir_of(check->inst, asn), name, check->family, &ranges, why);

	if (err)
		free_all(mem, i);
	else
		mem[i] = (uintptr_t)ranges;
	return err;
}

static int geoip_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_geoip_match_info *info = data;
	int err = check_head(info->flags, info->count, "geoip", why);

	for (unsigned int i = 0; i < info->count && !err; i++) {
		char name[3] = { (char)(info->cc[i] >> 8), (char)info->cc[i], '\0' };

		if (!isalnum((unsigned char)name[0]) || !isalnum((unsigned char)name[1])) {
			free_all(info->mem, i);
			return refuse(why, -EINVAL, "geoip: %#x is not a country code", info->cc[i]);
		}
		err = load_one(info->mem, i, name, false, check, why);
	}
	return err;
}

static int asn_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_asn_match_info *info = data;
	int err = check_head(info->flags, info->count, "asn", why);

	for (unsigned int i = 0; i < info->count && !err; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", info->asn[i]);
		err = load_one(info->mem, i, name, true, check, why);
	}
	return err;
}

static void geoip_destroy(void *data, const struct ext_check *check)
{
	struct xt_geoip_match_info *info = data;

	free_all(info->mem, info->count);
}

static void asn_destroy(void *data, const struct ext_check *check)
{
	struct xt_asn_match_info *info = data;

	free_all(info->mem, info->count);
}

static int parse_countries(struct opt_call *call, struct refusal *why)
{
	struct xt_geoip_match_info *info = call->info;
	const char *at = call->arg;

	for (;;) {
		size_t len = strcspn(at, ",");

		if (len != 2 || !isalnum((unsigned char)at[0]) || !isalnum((unsigned char)at[1]))
			return refuse(why, -EINVAL, "geoip: \"%.*s\" is not a country code of two letters (ISO 3166)", (int)len, at);
		if (info->count == XT_GEO_MAX)
			return refuse(why, -EINVAL, "geoip: more than %d countries", XT_GEO_MAX);
		info->cc[info->count++] = (uint16_t)(toupper((unsigned char)at[0]) << 8 | toupper((unsigned char)at[1]));
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

static int parse_numbers(struct opt_call *call, struct refusal *why)
{
	struct xt_asn_match_info *info = call->info;
	const char *at = call->arg;

	for (;;) {
		char *end;
		unsigned long number;

		errno = 0;
		number = isdigit((unsigned char)*at) ? strtoul(at, &end, 10) : 0;
		if (!number || errno || number > UINT32_MAX || (*end && *end != ','))
			return refuse(why, -EINVAL, "asn: \"%s\" is not a list of numbers", call->arg);
		if (info->count == XT_GEO_MAX)
			return refuse(why, -EINVAL, "asn: more than %d numbers", XT_GEO_MAX);
		info->asn[info->count++] = (uint32_t)number;
		if (!*end)
			return 0;
		at = end + 1;
	}
}

#define GEO(s, n, bit, p, other, a, h) { .name = n, .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, .parse = p, \
	.set_at = offsetof(struct s, flags), .set_bits = bit, .set_width = 1, .invert_at = offsetof(struct s, flags), \
	.invert_bits = XT_GEO_INV, .invert_width = 1, .excludes = other, .arg = a, .help = h }

static const struct opt geoip_options[] = {
	GEO(xt_geoip_match_info, "src-cc", XT_GEO_SRC, parse_countries, "dst-cc", "country[,country...]", "where it comes from"),
	GEO(xt_geoip_match_info, "dst-cc", XT_GEO_DST, parse_countries, "src-cc", "country[,country...]", "where it goes"),
	{ .name = "source-country", .type = OPT_CUSTOM, .same_as = "src-cc" },
	{ .name = "destination-country", .type = OPT_CUSTOM, .same_as = "dst-cc" },
	OPT_END
};

static const struct opt asn_options[] = {
	GEO(xt_asn_match_info, "src-asn", XT_GEO_SRC, parse_numbers, "dst-asn", "number[,number...]", "whose network it comes from"),
	GEO(xt_asn_match_info, "dst-asn", XT_GEO_DST, parse_numbers, "src-asn", "number[,number...]", "whose network it goes to"),
	{ .name = "source-number", .type = OPT_CUSTOM, .same_as = "src-asn" },
	{ .name = "destination-number", .type = OPT_CUSTOM, .same_as = "dst-asn" },
	OPT_END
};

static int geoip_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "geoip: --src-cc or --dst-cc is required");
}

static int asn_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "asn: --src-asn or --dst-asn is required");
}

static void geoip_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_geoip_match_info *info = data;

	sb_printf(out, "%s --%s ", info->flags & XT_GEO_INV ? " !" : "",
		  info->flags & XT_GEO_SRC ? "source-country" : "destination-country");
	for (unsigned int i = 0; i < MIN_OF(info->count, XT_GEO_MAX); i++)
		sb_printf(out, "%s%c%c", i ? "," : "", info->cc[i] >> 8, info->cc[i] & 0xff);
	sb_addc(out, ' ');
}

static void geoip_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m geoip");
	geoip_save(data, view, out);
}

static void asn_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_asn_match_info *info = data;

	sb_printf(out, "%s --%s ", info->flags & XT_GEO_INV ? " !" : "", info->flags & XT_GEO_SRC ? "src-asn" : "dst-asn");
	for (unsigned int i = 0; i < MIN_OF(info->count, XT_GEO_MAX); i++)
		sb_printf(out, "%s%u", i ? "," : "", info->asn[i]);
}

static void asn_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m asn");
	asn_save(data, view, out);
}

static const struct ext_text geoip_text = {
	.options = geoip_options, .help_head = "geoip match options:", .finish = geoip_finish,
	.save = geoip_save, .print = geoip_print,
};
static const struct ext_text asn_text = {
	.options = asn_options, .help_head = "asn match options:", .finish = asn_finish, .save = asn_save, .print = asn_print,
};

const struct match match_geoip = {
	.name = "geoip", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_geoip_match_info),
	.user_size = offsetof(struct xt_geoip_match_info, mem), .depends = DEP_L3_ADDRS, .match = geoip_match, .classify = class_rule_nothing,
	.checkentry = geoip_check, .destroy = geoip_destroy, .text = &geoip_text,
};
const struct match match_asn = {
	.name = "asn", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_asn_match_info),
	.user_size = offsetof(struct xt_asn_match_info, mem), .depends = DEP_L3_ADDRS, .match = asn_match, .classify = class_rule_nothing,
	.checkentry = asn_check, .destroy = asn_destroy, .text = &asn_text,
};
