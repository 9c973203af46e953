/*
 * ext/match/sctp.c - "-p sctp": ports, and which kinds of chunks a packet carries: any of a set, all of it, or
 * nothing else. A kind may come with flags that must be set or clear.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_sctp.h>

#include <ctype.h>

#include "classify/classify.h"
#include "ext/ports.h"

enum { SCTP_HEADER = 12, CHUNK_HEADER = 4, CHUNK_KINDS = 256 };

static bool in_map(const uint32_t *map, unsigned int kind)
{
	return map[kind / 32] & 1u << kind % 32;
}

static bool flags_fit(const struct xt_sctp_info *info, const uint8_t *chunk)
{
	for (int i = 0; i < info->flag_count; i++)
		if (info->flag_info[i].chunktype == chunk[0])
			return (chunk[1] & info->flag_info[i].flag_mask) == info->flag_info[i].flag;
	return true;
}

static bool chunks_fit(const struct pkt *pkt, const struct xt_sctp_info *info, struct ext_call *call)
{
	uint32_t missing[CHUNK_KINDS / 32];
	uint32_t at = call->thoff + SCTP_HEADER, left = 0;

	memcpy(missing, info->chunkmap, sizeof(missing));
	do {
		const uint8_t *chunk = pkt_at(pkt, at, CHUNK_HEADER);
		bool listed, fits;

		if (!chunk || get_be16(chunk + 2) == 0) {
			call->hotdrop = true;
			return false;
		}
		at += ALIGN_UP((uint32_t)get_be16(chunk + 2), 4);
		listed = in_map(info->chunkmap, chunk[0]);
		fits = listed && flags_fit(info, chunk);
		if (info->chunk_match_type == SCTP_CHUNK_MATCH_ANY && fits)
			return true;
		if (info->chunk_match_type == SCTP_CHUNK_MATCH_ONLY && !fits)
			return false;
		if (fits)
			missing[chunk[0] / 32] &= ~(1u << chunk[0] % 32);
	} while (at < pkt->len);
	for (unsigned int i = 0; i < ARRAY_SIZE(missing); i++)
		left |= missing[i];
	return info->chunk_match_type == SCTP_CHUNK_MATCH_ONLY ||
	       (info->chunk_match_type == SCTP_CHUNK_MATCH_ALL && !left);
}

#define ASKED(bit) (info->flags & (bit))
#define NOT(bit) (!!(info->invflags & (bit)))

static bool sctp_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_sctp_info *info = data;
	const uint8_t *sctp;

	if (call->fragoff)
		return false;
	sctp = pkt_at(pkt, call->thoff, SCTP_HEADER);
	if (!sctp) {
		call->hotdrop = true;
		return false;
	}
	return (!ASKED(XT_SCTP_SRC_PORTS) || port_in(info->spts, get_be16(sctp), NOT(XT_SCTP_SRC_PORTS))) &&
	       (!ASKED(XT_SCTP_DEST_PORTS) || port_in(info->dpts, get_be16(sctp + 2), NOT(XT_SCTP_DEST_PORTS))) &&
	       (!ASKED(XT_SCTP_CHUNK_TYPES) || chunks_fit(pkt, info, call) != NOT(XT_SCTP_CHUNK_TYPES));
}

static void sctp_classify(const void *data, struct class_rule *rule)
{
	const struct xt_sctp_info *info = data;

	if (ASKED(XT_SCTP_SRC_PORTS) && !NOT(XT_SCTP_SRC_PORTS))
		class_rule_sports(rule, &(struct class_range){ info->spts[0], info->spts[1] }, 1);
	if (ASKED(XT_SCTP_DEST_PORTS) && !NOT(XT_SCTP_DEST_PORTS))
		class_rule_dports(rule, &(struct class_range){ info->dpts[0], info->dpts[1] }, 1);
	if (ASKED(XT_SCTP_CHUNK_TYPES))
		class_rule_close(rule);		/* chunks that are cut off */
	class_rule_partly(rule);
}

static int sctp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_sctp_info *info = data;

	if (info->flag_count < 0 || info->flag_count > XT_NUM_SCTP_FLAGS)
		return refuse(why, -EINVAL, "sctp: flags of %d kinds of chunks, at most %d", info->flag_count, XT_NUM_SCTP_FLAGS);
	if (((info->flags | info->invflags) & ~XT_SCTP_VALID_FLAGS) || (info->invflags & ~info->flags))
		return refuse(why, -EINVAL, "sctp: unknown flags %#x, %#x", info->flags, info->invflags);
	if (ASKED(XT_SCTP_CHUNK_TYPES) &&
	    !(info->chunk_match_type & (SCTP_CHUNK_MATCH_ALL | SCTP_CHUNK_MATCH_ANY | SCTP_CHUNK_MATCH_ONLY)))
		return refuse(why, -EINVAL, "sctp: unknown way to match chunks (%u)", info->chunk_match_type);
	return 0;
}

static uint32_t sctp_depends(const void *data)
{
	const struct xt_sctp_info *info = data;

	return DEP_L4_PORTS | DEP_L3_FRAG | DEP_L3_LEN | (ASKED(XT_SCTP_CHUNK_TYPES) ? DEP_L4_FLAGS | DEP_L4_OPTIONS | DEP_PAYLOAD : 0);
}

/* Letters of the flags from bit 7 down. */
static const struct { const char *name; uint8_t kind; const char *letters; } chunk_words[] = {
	{ "DATA", 0, "----IUBE" }, { "INIT", 1, "--------" }, { "INIT_ACK", 2, "--------" }, { "SACK", 3, "--------" },
	{ "HEARTBEAT", 4, "--------" }, { "HEARTBEAT_ACK", 5, "--------" }, { "ABORT", 6, "-------T" },
	{ "SHUTDOWN", 7, "--------" }, { "SHUTDOWN_ACK", 8, "--------" }, { "ERROR", 9, "--------" },
	{ "COOKIE_ECHO", 10, "--------" }, { "COOKIE_ACK", 11, "--------" }, { "ECN_ECNE", 12, "--------" },
	{ "ECN_CWR", 13, "--------" }, { "SHUTDOWN_COMPLETE", 14, "-------T" }, { "I_DATA", 64, "----IUBE" },
	{ "RE_CONFIG", 130, "--------" }, { "PAD", 132, "--------" }, { "ASCONF", 193, "--------" },
	{ "ASCONF_ACK", 128, "--------" }, { "FORWARD_TSN", 192, "--------" }, { "I_FORWARD_TSN", 194, "--------" },
};

static int word_of_kind(unsigned int kind)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(chunk_words); i++)
		if (chunk_words[i].kind == kind)
			return i;
	return -1;
}

static int parse_ports(struct opt_call *call, struct refusal *why)
{
	return ports_parse(call->arg, "sctp", (uint16_t *)((char *)call->info + call->opt->at), why);
}

/* ":IuB": capitals must be set, small letters clear. */
static int parse_flags(struct xt_sctp_info *info, unsigned int word, const char *letters, size_t len, struct refusal *why)
{
	struct xt_sctp_flag_info *flags = NULL;

	for (int i = 0; i < info->flag_count && !flags; i++)
		if (info->flag_info[i].chunktype == chunk_words[word].kind)
			flags = &info->flag_info[i];
	if (!flags) {
		if (info->flag_count == XT_NUM_SCTP_FLAGS)
			return refuse(why, -EINVAL, "sctp: flags of at most %d kinds of chunks", XT_NUM_SCTP_FLAGS);
		flags = &info->flag_info[info->flag_count++];
		flags->chunktype = chunk_words[word].kind;
	}
	for (; len; len--, letters++) {
		const char *at = *letters == '-' ? NULL : strchr(chunk_words[word].letters, toupper((unsigned char)*letters));
		uint8_t bit = at ? 0x80 >> (at - chunk_words[word].letters) : 0;

		if (!at)
			return refuse(why, -EINVAL, "sctp: chunk %s has no flag '%c'", chunk_words[word].name, *letters);
		flags->flag_mask |= bit;
		if (isupper((unsigned char)*letters))
			flags->flag |= bit;
	}
	return 0;
}

static int parse_list(struct xt_sctp_info *info, const char *list, struct refusal *why)
{
	if (strcasecmp(list, "ALL") == 0 || strcasecmp(list, "NONE") == 0) {
		memset(info->chunkmap, toupper((unsigned char)*list) == 'A' ? 0xff : 0, sizeof(info->chunkmap));
		return 0;
	}
	for (const char *at = list;; at++) {
		unsigned int word = 0;
		size_t len, name;
		int err;

		at += strspn(at, ",");
		if (!*at)
			return 0;
		len = strcspn(at, ",");
		name = strcspn(at, ":,");
		while (word < ARRAY_SIZE(chunk_words) &&
		       (strncasecmp(chunk_words[word].name, at, name) || chunk_words[word].name[name]))
			word++;
		if (word == ARRAY_SIZE(chunk_words))
			return refuse(why, -EINVAL, "sctp: \"%.*s\" is not a kind of chunk", (int)name, at);
		info->chunkmap[chunk_words[word].kind / 32] |= 1u << chunk_words[word].kind % 32;
		err = name < len ? parse_flags(info, word, at + name + 1, len - name - 1, why) : 0;
		if (err)
			return err;
		at += len;
		if (!*at)
			return 0;
	}
}

static const struct { const char *name; uint32_t type; } how_words[] = {
	{ "any", SCTP_CHUNK_MATCH_ANY }, { "all", SCTP_CHUNK_MATCH_ALL }, { "only", SCTP_CHUNK_MATCH_ONLY },
};

static int parse_chunks(struct opt_call *call, struct refusal *why)
{
	struct xt_sctp_info *info = call->info;

	for (unsigned int i = 0; i < ARRAY_SIZE(how_words); i++) {
		if (strcasecmp(how_words[i].name, call->arg) == 0) {
			info->chunk_match_type = how_words[i].type;
			return parse_list(info, call->arg2, why);
		}
	}
	return refuse(why, -EINVAL, "sctp: --chunk-types takes any, all or only, not \"%s\"", call->arg);
}

static void sctp_init(void *data)
{
	struct xt_sctp_info *info = data;

	for (unsigned int i = 0; i < XT_NUM_SCTP_FLAGS; i++)
		info->flag_info[i].chunktype = 0xff;
}

#define SCTP_BITS(bit) .flags = OPT_INVERTIBLE, \
	.set_at = offsetof(struct xt_sctp_info, flags), .set_bits = bit, .set_width = 4, \
	.invert_at = offsetof(struct xt_sctp_info, invflags), .invert_bits = bit, .invert_width = 4

static const struct opt sctp_options[] = {
	{ .name = "source-port", .type = OPT_CUSTOM, SCTP_BITS(XT_SCTP_SRC_PORTS), .parse = parse_ports,
	  .at = offsetof(struct xt_sctp_info, spts), .arg = "port[:port]", .help = "match source port(s)" },
	{ .name = "sport", .same_as = "source-port" },
	{ .name = "destination-port", .type = OPT_CUSTOM, SCTP_BITS(XT_SCTP_DEST_PORTS), .parse = parse_ports,
	  .at = offsetof(struct xt_sctp_info, dpts), .arg = "port[:port]", .help = "match destination port(s)" },
	{ .name = "dport", .same_as = "destination-port" },
	{ .name = "chunk-types", .type = OPT_CUSTOM, .words = 2, SCTP_BITS(XT_SCTP_CHUNK_TYPES), .parse = parse_chunks,
	  .arg = "all|any|only chunk[:flags],...", .help = "match if all, any or only chunk types are present" },
	OPT_END
};

static void add_chunks(const struct xt_sctp_info *info, bool numeric, struct strbuf *out)
{
	const char *sep = "";
	uint32_t any = 0, all = UINT32_MAX;

	for (unsigned int i = 0; i < ARRAY_SIZE(how_words); i++)
		if (how_words[i].type == info->chunk_match_type)
			sb_printf(out, " %s ", how_words[i].name);
	for (unsigned int i = 0; i < ARRAY_SIZE(info->chunkmap); i++) {
		any |= info->chunkmap[i];
		all &= info->chunkmap[i];
	}
	if (!any || all == UINT32_MAX) {
		sb_adds(out, any ? "ALL" : "NONE");
		return;
	}
	for (unsigned int kind = 0; kind < CHUNK_KINDS; kind++) {
		int word = word_of_kind(kind);

		if (!in_map(info->chunkmap, kind))
			continue;
		sb_adds(out, sep);
		sep = ",";
		if (numeric)
			sb_printf(out, "0x%04X", kind);
		else if (word >= 0)
			sb_adds(out, chunk_words[word].name);
		for (int i = 0; word >= 0 && i < MIN_OF(info->flag_count, XT_NUM_SCTP_FLAGS); i++) {
			if (info->flag_info[i].chunktype != kind)
				continue;
			sb_addc(out, ':');
			for (unsigned int bit = 0; bit < 8; bit++) {
				char letter = chunk_words[word].letters[bit];

				if (info->flag_info[i].flag_mask & 0x80 >> bit)
					sb_addc(out, info->flag_info[i].flag & 0x80 >> bit ? letter :
						tolower((unsigned char)letter));
			}
		}
	}
}

static void save_ports(struct strbuf *out, const char *option, const uint16_t range[2], bool invert)
{
	sb_printf(out, "%s --%s %u", invert ? " !" : "", option, range[0]);
	if (range[0] != range[1])
		sb_printf(out, ":%u", range[1]);
}

static void sctp_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_sctp_info *info = data;

	if (ASKED(XT_SCTP_SRC_PORTS))
		save_ports(out, "sport", info->spts, NOT(XT_SCTP_SRC_PORTS));
	if (ASKED(XT_SCTP_DEST_PORTS))
		save_ports(out, "dport", info->dpts, NOT(XT_SCTP_DEST_PORTS));
	if (ASKED(XT_SCTP_CHUNK_TYPES)) {
		sb_adds(out, NOT(XT_SCTP_CHUNK_TYPES) ? " ! --chunk-types" : " --chunk-types");
		add_chunks(info, false, out);
	}
}

static void sctp_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_sctp_info *info = data;

	sb_adds(out, " sctp");
	if (ASKED(XT_SCTP_SRC_PORTS))
		ports_print(out, "spt", info->spts, NOT(XT_SCTP_SRC_PORTS), "sctp", view);
	if (ASKED(XT_SCTP_DEST_PORTS))
		ports_print(out, "dpt", info->dpts, NOT(XT_SCTP_DEST_PORTS), "sctp", view);
	if (ASKED(XT_SCTP_CHUNK_TYPES)) {
		sb_adds(out, NOT(XT_SCTP_CHUNK_TYPES) ? " !" : "");
		add_chunks(info, view->numeric, out);
	}
}

static const struct ext_text sctp_text = {
	.options = sctp_options, .help_head = "sctp match options", .init = sctp_init,
	.save = sctp_save, .print = sctp_print,
};

const struct match match_sctp = {
	.name = "sctp", .families = FAMILY_ANY, .proto = IPPROTO_SCTP, .info_size = sizeof(struct xt_sctp_info),
	.depends = DEP_L4_PORTS | DEP_L4_FLAGS | DEP_L4_OPTIONS | DEP_L3_FRAG | DEP_L3_LEN | DEP_PAYLOAD,
	.depends_of = sctp_depends, .match = sctp_match, .classify = sctp_classify, .checkentry = sctp_check, .checks_rule_only = true, .text = &sctp_text,
};
