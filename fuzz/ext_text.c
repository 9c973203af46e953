/*
 * fuzz/ext_text.c - any words as options of any match or target: what its parser takes is saved, read again from its
 * own words, and asked about packets.
 *
 * Input: family and table, which extension, protocol; then options: a row, a byte of flags (1 inverted, 2 without its
 * argument), the argument's length and bytes. Two arguments are parted by a zero byte.
 */
#include "rule_packets.h"

#include "ext/option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS = 60, WORD_SIZE = 264 };

static const char *const tables_tried[] = { "filter", "mangle", "nat", "raw", "security" };
static const char *const protos_tried[] = { NULL, "tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "esp", "ah", "ipcomp", "mh", "udplite" };

struct line {
	char room[WORDS][WORD_SIZE];
	char *argv[WORDS];
	int argc;
};

static void word(struct line *line, const char *bytes, size_t len)
{
	if (line->argc == WORDS)
		return;
	len = MIN_OF(len, (size_t)WORD_SIZE - 1);
	memcpy(line->room[line->argc], bytes, len);
	line->room[line->argc][len] = '\0';
	line->argv[line->argc] = line->room[line->argc];
	line->argc++;
}

static void words(struct line *line, const char *text)
{
	word(line, text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf out = STRBUF_INIT, saved = STRBUF_INIT, again = STRBUF_INIT;
	size_t matches = 0, targets = 0, at = 3, rows = 0, number;
	const struct ext_text *text;
	struct refusal why = { 0 };
	struct world *world;
	struct line *line;
	/* upstream saves an empty word as nothing, and some names without quotes or with bare quotes, whatever is in them */
	bool is_lossy = false, is_bare;
	uint8_t family;

	if (size < 3 || size > 4096)
		return 0;
	while (ext_matches[matches])
		matches++;
	while (ext_targets[targets])
		targets++;
	number = data[1] % (matches + targets);
	text = number < matches ? ext_matches[number]->text : ext_targets[number - matches]->text;
	if (!text)
		return 0;
	is_bare = number < matches ? !strcmp(ext_matches[number]->name, "physdev") || !strcmp(ext_matches[number]->name, "condition") :
		  !strcmp(ext_targets[number - matches]->name, "LOGMARK");
	family = data[0] & 1 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	line = calloc(1, sizeof(*line));
	words(line, family == NFPROTO_IPV4 ? "iptables" : "ip6tables");
	words(line, "-t");
	words(line, tables_tried[(data[0] >> 1) % ARRAY_SIZE(tables_tried)]);
	words(line, "-A");
	words(line, data[0] & 0x80 ? "PREROUTING" : data[0] & 0x40 ? "OUTPUT" : data[0] & 0x20 ? "POSTROUTING" : "FORWARD");
	if (protos_tried[data[2] % ARRAY_SIZE(protos_tried)]) {
		words(line, "-p");
		words(line, protos_tried[data[2] % ARRAY_SIZE(protos_tried)]);
	}
	words(line, number < matches ? "-m" : "-j");
	words(line, number < matches ? ext_matches[number]->name : ext_targets[number - matches]->name);
	for (const struct opt *opt = text->options; opt && opt->name; opt++)
		rows++;
	while (rows && at + 3 <= size) {
		const struct opt *opt = &text->options[data[at] % rows];
		const size_t len = MIN_OF((size_t)data[at + 2], size - at - 3), first = strnlen((const char *)data + at + 3, len);
		char name[80];

		if (data[at + 1] & 1)
			words(line, "!");
		snprintf(name, sizeof(name), "--%s", opt->name);
		words(line, name);
		if (opt_words(opt) && !(data[at + 1] & 2))
			word(line, (const char *)data + at + 3, first);
		if (first < len)
			word(line, (const char *)data + at + 4 + first, len - first - 1);
		at += 3 + len;
	}
	for (int i = 0; i < line->argc; i++)
		is_lossy |= !line->argv[i][0] || (is_bare && strpbrk(line->argv[i], "\"'\\ \t\n\v\f\r"));
	world = world_new(false);
	if (rules_command(world->inst, line->argc, line->argv, &out, &why)) {
		if (!why.text[0])
			abort();
	} else {
		rules_save(world->inst, family, true, -1, &saved);
		if (!rules_restore(world->inst, family, sb_str(&saved), saved.len, "saved", RESTORE_COUNTERS | RESTORE_ALL_OR_NOTHING,
				   &why)) {
			rules_save(world->inst, family, true, -1, &again);
			if (!is_lossy && strcmp(sb_str(&saved), sb_str(&again)))
				abort();
		}
		rule_packets_send(world);
	}
	sb_free(&out);
	sb_free(&saved);
	sb_free(&again);
	free(line);
	world_free(world);
	return 0;
}
