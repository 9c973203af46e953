/*
 * ext/match/string.c - "-m string": some bytes anywhere between two offsets.
 * Both algorithms find the same, except that bm searches each piece of a reassembled packet by itself while kmp
 * goes on from one to the next. One automaton (Knuth, Morris, Pratt) serves both: a hostile packet costs no more.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_string.h>

#include <ctype.h>
#include <stdlib.h>

#include "classify/classify.h"
#include "classify/needles.h"
#include "ext/option.h"

struct ts_config {
	struct needle needle;
	bool each_piece, fold_case;
	uint8_t len, pattern[XT_STRING_MAX_PATTERN_SIZE];
	uint8_t shorter[XT_STRING_MAX_PATTERN_SIZE];	/* [n]: the longest other beginning that n + 1 bytes end with */
};

/* The end of the first occurrence in [from, to); 0: none. */
static uint32_t find(const struct ts_config *config, const uint8_t *bytes, uint32_t from, uint32_t to)
{
	uint8_t have = 0;

	for (uint32_t at = from; at < to; at++) {
		uint8_t byte = config->fold_case ? needle_fold(bytes[at]) : bytes[at];

		while (have && config->pattern[have] != byte)
			have = config->shorter[have - 1];
		have += config->pattern[have] == byte;
		if (have == config->len)
			return at + 1;
	}
	return 0;
}

static uint32_t find_in_pieces(const struct ts_config *config, const struct pkt *pkt, uint32_t from)
{
	uint32_t start = 0, end = pkt->l.l4_off, found = 0;

	for (unsigned int i = 0; i < pkt->piece_count && !found; i++, start = end) {
		end = i + 1 == pkt->piece_count ? pkt->len : MIN_OF(end + pkt->piece_len[i], pkt->len);
		if (end > from)
			found = find(config, pkt->data, MAX_OF(start, from), end);
	}
	return found;
}

static bool string_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_string_info *info = data;
	uint32_t end = info->config->each_piece && pkt->piece_count ?
		       find_in_pieces(info->config, pkt, info->from_offset) :
		       find(info->config, pkt->data, info->from_offset, pkt->len);

	return (end && end <= info->to_offset) != !!(info->u.v1.flags & XT_STRING_FLAG_INVERT);
}

static void string_classify(const void *data, struct class_rule *rule)
{
	const struct xt_string_info *info = data;

	if (info->u.v1.flags & XT_STRING_FLAG_INVERT)
		class_rule_partly(rule);
	else
		class_rule_needle(rule, &info->config->needle);
}

static struct ts_config *prepare(const struct xt_string_info *info)
{
	struct ts_config *config = calloc(1, sizeof(*config));
	uint8_t have = 0;

	if (!config)
		return NULL;
	config->each_piece = strcmp(info->algo, "bm") == 0;
	config->fold_case = info->u.v1.flags & XT_STRING_FLAG_IGNORECASE;
	config->len = info->patlen;
	for (unsigned int i = 0; i < config->len; i++)
		config->pattern[i] = config->fold_case ? needle_fold((uint8_t)info->pattern[i]) : (uint8_t)info->pattern[i];
	for (unsigned int i = 1; i < config->len; i++) {
		while (have && config->pattern[have] != config->pattern[i])
			have = config->shorter[have - 1];
		have += config->pattern[have] == config->pattern[i];
		config->shorter[i] = have;
	}
	config->needle = (struct needle){ config->pattern, config->len, info->from_offset, info->to_offset, config->fold_case };
	return config;
}

static int string_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_string_info *info = data;

	if (info->from_offset > info->to_offset)
		return refuse(why, -EINVAL, "string: --from lies behind --to");
	if (info->algo[sizeof(info->algo) - 1] || info->patlen > XT_STRING_MAX_PATTERN_SIZE || !info->patlen)
		return refuse(why, -EINVAL, "string: a pattern has 1 to %d bytes", XT_STRING_MAX_PATTERN_SIZE);
	if (info->u.v1.flags & ~(XT_STRING_FLAG_INVERT | XT_STRING_FLAG_IGNORECASE))
		return refuse(why, -EINVAL, "string: unknown flags %#x", info->u.v1.flags);
	if (strcmp(info->algo, "bm") && strcmp(info->algo, "kmp"))
		return refuse(why, -ENOENT, "string: the algorithms are bm and kmp, not \"%s\"", info->algo);
	info->config = prepare(info);
	return info->config ? 0 : refuse(why, -ENOMEM, "string: no memory for the pattern");
}

static void string_destroy(void *data, const struct ext_check *check)
{
	free(((struct xt_string_info *)data)->config);
}

static void string_init(void *data)
{
	((struct xt_string_info *)data)->to_offset = UINT16_MAX;
}

static int parse_string(struct opt_call *call, struct refusal *why)
{
	struct xt_string_info *info = call->info;
	size_t len = strlen(call->arg);

	if (len > XT_STRING_MAX_PATTERN_SIZE)
		return refuse(why, -EINVAL, "string: the pattern has more than %d bytes", XT_STRING_MAX_PATTERN_SIZE);
	memcpy(info->pattern, call->arg, len);
	info->patlen = len;
	return 0;
}

static int hex_value(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/*
 * Between bars stand pairs of hex digits, a blank after each and more after the first bar; elsewhere text, in which a backslash makes the next byte plain.
 * As upstream reads it, what follows a bar that closes is plain, too, and the last bar may be missing behind nothing or a blank.
 */
static int parse_hex(struct opt_call *call, struct refusal *why)
{
	struct xt_string_info *info = call->info;
	const char *at = call->arg;
	bool hex = false;
	size_t len = 0;

	while (*at) {
		bool plain = false;

		if (len == XT_STRING_MAX_PATTERN_SIZE)
			return refuse(why, -EINVAL, "string: the pattern has more than %d bytes", XT_STRING_MAX_PATTERN_SIZE);
		if (*at == '|') {
			hex = !hex;
			at++;
			plain = !hex;
			if (hex)
				at += strspn(at, " ");
			if (!*at)
				break;
		}
		if (hex) {
			if (hex_value(at[0]) < 0 || hex_value(at[1]) < 0 || !at[2])
				return refuse(why, -EINVAL, "string: between bars stand pairs of hex digits, not \"%.2s\"", at);
			info->pattern[len++] = hex_value(at[0]) * 16 + hex_value(at[1]);
			at += at[2] == ' ' ? 3 : 2;
			continue;
		}
		if (!plain && *at == '\\' && !*++at)
			return refuse(why, -EINVAL, "string: nothing follows the last backslash");
		info->pattern[len++] = *at++;
	}
	info->patlen = len;
	return 0;
}

#define STRING_INVERT .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct xt_string_info, u.v1.flags), \
	.invert_bits = XT_STRING_FLAG_INVERT, .invert_width = 1

static const struct opt string_options[] = {
	{ .name = "string", .type = OPT_CUSTOM, STRING_INVERT, .parse = parse_string, .excludes = "hex-string",
	  .arg = "string", .help = "match a string in a packet" },
	{ .name = "hex-string", .type = OPT_CUSTOM, STRING_INVERT, .parse = parse_hex, .excludes = "string",
	  .arg = "string", .help = "match a hex string in a packet: text|0d 0a|" },
	{ .name = "algo", .type = OPT_TEXT, .flags = OPT_REQUIRED, .at = offsetof(struct xt_string_info, algo),
	  .size = XT_STRING_MAX_ALGO_NAME_SIZE, .arg = "name", .help = "algorithm: bm or kmp" },
	{ .name = "from", .type = OPT_U16, .at = offsetof(struct xt_string_info, from_offset), .size = 2, .arg = "offset",
	  .help = "offset to start searching from" },
	{ .name = "to", .type = OPT_U16, .at = offsetof(struct xt_string_info, to_offset), .size = 2, .arg = "offset",
	  .help = "offset that a match must end at or before" },
	{ .name = "icase", .type = OPT_FLAG, .set_at = offsetof(struct xt_string_info, u.v1.flags),
	  .set_bits = XT_STRING_FLAG_IGNORECASE, .set_width = 1, .help = "ignore case" },
	OPT_END
};

static int string_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen & 3 ? 0 : refuse(why, -EINVAL, "string: --string or --hex-string is required");
}

static void add_pattern(const struct xt_string_info *info, const char *option, const char *hex_option, struct strbuf *out)
{
	unsigned int len = MIN_OF(info->patlen, XT_STRING_MAX_PATTERN_SIZE);
	bool hex = len && info->pattern[len - 1] == '\\';

	for (unsigned int i = 0; i < len; i++)
		hex |= (uint8_t)info->pattern[i] < 0x20 || (uint8_t)info->pattern[i] > 0x7e;
	sb_printf(out, "%s \"%s", hex ? hex_option : option, hex ? "|" : "");
	for (unsigned int i = 0; i < len; i++) {
		if (hex) {
			sb_printf(out, "%02x", (uint8_t)info->pattern[i]);
		} else {
			if (strchr("\"\\", info->pattern[i]))
				sb_addc(out, '\\');
			sb_addc(out, info->pattern[i]);
		}
	}
	sb_adds(out, hex ? "|\"" : "\"");
}

static void string_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_string_info *info = data;

	sb_adds(out, info->u.v1.flags & XT_STRING_FLAG_INVERT ? " !" : "");
	add_pattern(info, " --string", " --hex-string", out);
	sb_printf(out, " --algo %.*s", XT_STRING_MAX_ALGO_NAME_SIZE, info->algo);
	if (info->from_offset)
		sb_printf(out, " --from %u", info->from_offset);
	if (info->to_offset != UINT16_MAX)
		sb_printf(out, " --to %u", info->to_offset);
	if (info->u.v1.flags & XT_STRING_FLAG_IGNORECASE)
		sb_adds(out, " --icase");
}

static void string_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_string_info *info = data;

	sb_adds(out, info->u.v1.flags & XT_STRING_FLAG_INVERT ? " STRING match !" : " STRING match ");
	add_pattern(info, "", "", out);
	sb_printf(out, " ALGO name %.*s", XT_STRING_MAX_ALGO_NAME_SIZE, info->algo);
	if (info->from_offset)
		sb_printf(out, " FROM %u", info->from_offset);
	if (info->to_offset != UINT16_MAX)
		sb_printf(out, " TO %u", info->to_offset);
	if (info->u.v1.flags & XT_STRING_FLAG_IGNORECASE)
		sb_adds(out, " ICASE");
}

static const struct ext_text string_text = {
	.options = string_options, .help_head = "string match options:", .init = string_init, .finish = string_finish,
	.save = string_save, .print = string_print,
};

const struct match match_string = {
	.name = "string", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_string_info),
	.user_size = offsetof(struct xt_string_info, config), .depends = DEP_BYTES,
	.match = string_match, .classify = string_classify, .checkentry = string_check, .destroy = string_destroy, .text = &string_text,
};
