/*
 * ext/match/hbh.c - "-m hbh" and "-m dst": length and options of the hop-by-hop and the destination header.
 * The options must be the first ones of the header, in order; 255 stands for any length.
 */
#include "base/uapi.h"

#include <linux/netfilter_ipv6/ip6t_opts.h>

#include <stdlib.h>

#include "ext/ip6find.h"
#include "ext/option.h"

enum { ANY_LENGTH = 0xff };

/* @at, @left: what follows the two bytes of the header. */
static bool options_fit(const struct pkt *pkt, const struct ip6t_opts *info, uint32_t at, uint32_t left)
{
	for (unsigned int i = 0; i < info->optsnr; i++) {
		const uint8_t *option = left ? pkt_at(pkt, at, 1) : NULL;
		uint8_t wanted = info->opts[i] & 0xff;
		uint32_t len = 1;

		if (!option || option[0] != info->opts[i] >> 8)
			return false;
		if (option[0]) {
			if (left < 2 || !pkt_at(pkt, at, 2) || (wanted != ANY_LENGTH && wanted != option[1]))
				return false;
			len = option[1] + 2u;
		}
		if (i + 1 < info->optsnr && (left < len || at + len > pkt->len))
			return false;
		at += len;
		left -= MIN_OF(left, len);
	}
	return true;
}

static bool header_fits(const struct pkt *pkt, const struct ip6t_opts *info, struct ext_call *call, uint8_t kind)
{
	uint32_t off = 0, len;
	int err = ip6_find(pkt, kind, &off);
	const uint8_t *header = err ? NULL : pkt_at(pkt, off, 2);

	len = header ? (header[1] + 1u) * 8 : 0;
	if (!header || !pkt_at(pkt, off, len)) {
		call->hotdrop |= err != -ENOENT;
		return false;
	}
	if ((info->flags & IP6T_OPTS_LEN) && (info->hdrlen == len) == !!(info->invflags & IP6T_OPTS_INV_LEN))
		return false;
	return !(info->flags & IP6T_OPTS_OPTS) || options_fit(pkt, info, off + 2, len - 2);
}

static bool hbh_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return header_fits(pkt, data, call, IPPROTO_HOPOPTS);
}

static bool dst_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return header_fits(pkt, data, call, IPPROTO_DSTOPTS);
}

static int opts_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ip6t_opts *info = data;

	if ((info->invflags & ~IP6T_OPTS_INV_MASK) || (info->flags & IP6T_OPTS_NSTRICT) || info->optsnr > IP6T_OPTS_OPTSNR)
		return refuse(why, -EINVAL, "hbh, dst: unknown flags %#x, %#x or too many options (%u)", info->flags,
			      info->invflags, info->optsnr);
	return 0;
}

/* Any number, the last byte of it: -1 is 255. */
static bool read_byte(const char **at, uint8_t *out)
{
	const char *start = *at;
	char *end;

	errno = 0;
	*out = (uint8_t)strtoul(start, &end, 0);
	*at = end;
	return end != start && errno != ERANGE;
}

static int parse_opts(struct opt_call *call, struct refusal *why)
{
	struct ip6t_opts *info = call->info;

	for (const char *at = call->arg;; at++) {
		uint8_t type, len = ANY_LENGTH;
		bool ok = info->optsnr < IP6T_OPTS_OPTSNR && read_byte(&at, &type);

		/* Pad1 has no length, and there is no room for that of the last */
		if (ok && *at == ':') {
			at++;
			ok = type && info->optsnr < IP6T_OPTS_OPTSNR - 1 && read_byte(&at, &len);
		}
		if (!ok || (*at && *at != ','))
			return refuse(why, -EINVAL, "--%s takes up to %d type[:length], not \"%s\"", call->opt->name,
				      IP6T_OPTS_OPTSNR, call->arg);
		info->opts[info->optsnr++] = type << 8 | len;
		if (!*at)
			return 0;
	}
}

#define OPTS_ROWS(prefix) { \
	{ .name = prefix "-len", .type = OPT_U32, .size = 4, .at = offsetof(struct ip6t_opts, hdrlen), .flags = OPT_INVERTIBLE, \
	  .set_at = offsetof(struct ip6t_opts, flags), .set_bits = IP6T_OPTS_LEN, .set_width = 1, \
	  .invert_at = offsetof(struct ip6t_opts, invflags), .invert_bits = IP6T_OPTS_INV_LEN, .invert_width = 1, \
	  .arg = "length", .help = "total length of this header" }, \
	{ .name = prefix "-opts", .type = OPT_CUSTOM, .parse = parse_opts, \
	  .set_at = offsetof(struct ip6t_opts, flags), .set_bits = IP6T_OPTS_OPTS, .set_width = 1, \
	  .arg = "type[:len],...", .help = "options and their lengths (max: 16)" }, \
	OPT_END }

static const struct opt hbh_options[] = OPTS_ROWS("hbh");
static const struct opt dst_options[] = OPTS_ROWS("dst");

static void add_opts(const struct ip6t_opts *info, struct strbuf *out)
{
	for (unsigned int i = 0; i < MIN_OF(info->optsnr, IP6T_OPTS_OPTSNR); i++) {
		sb_printf(out, "%c%u", i ? ',' : ' ', info->opts[i] >> 8);
		if ((info->opts[i] & 0xff) != ANY_LENGTH)
			sb_printf(out, ":%u", info->opts[i] & 0xff);
	}
}

static void opts_save(const struct ip6t_opts *info, const char *name, struct strbuf *out)
{
	if (info->flags & IP6T_OPTS_LEN)
		sb_printf(out, "%s --%s-len %u", info->invflags & IP6T_OPTS_INV_LEN ? " !" : "", name, info->hdrlen);
	if (info->flags & IP6T_OPTS_OPTS)
		sb_printf(out, " --%s-opts", name);
	add_opts(info, out);
}

static void opts_print(const struct ip6t_opts *info, const char *name, struct strbuf *out)
{
	sb_printf(out, " %s", name);
	if (info->flags & IP6T_OPTS_LEN)
		sb_printf(out, " length:%s%u", info->invflags & IP6T_OPTS_INV_LEN ? "!" : "", info->hdrlen);
	if (info->flags & IP6T_OPTS_OPTS)
		sb_adds(out, " opts");
	add_opts(info, out);
}

static void hbh_save(const void *data, const struct ext_view *view, struct strbuf *out) { opts_save(data, "hbh", out); }
static void dst_save(const void *data, const struct ext_view *view, struct strbuf *out) { opts_save(data, "dst", out); }
static void hbh_print(const void *data, const struct ext_view *view, struct strbuf *out) { opts_print(data, "hbh", out); }
static void dst_print(const void *data, const struct ext_view *view, struct strbuf *out) { opts_print(data, "dst", out); }

static const struct ext_text hbh_text = {
	.options = hbh_options, .help_head = "hbh match options:", .save = hbh_save, .print = hbh_print,
};

static const struct ext_text dst_text = {
	.options = dst_options, .help_head = "dst match options:", .save = dst_save, .print = dst_print,
};

const struct match match_hbh = {
	.name = "hbh", .families = FAMILY_V6, .info_size = sizeof(struct ip6t_opts), .depends = DEP_BYTES,
	.match = hbh_match, .checkentry = opts_check, .text = &hbh_text,
};

const struct match match_dst = {
	.name = "dst", .families = FAMILY_V6, .info_size = sizeof(struct ip6t_opts), .depends = DEP_BYTES,
	.match = dst_match, .checkentry = opts_check, .text = &dst_text,
};
