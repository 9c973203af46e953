/*
 * fuzz/ext_text.c - any words as options of any match or target: what its parser takes is saved, read again from its
 * own words, and asked about packets.
 *
 * Input: family and table, which extension, protocol; then options: a row, a byte of flags (1 inverted, 2 without its
 * argument), the argument's length and bytes. Two arguments are parted by a zero byte.
 */
#include "rule_packets.h"
#include "seeds.h"

#include "ext/option.h"

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
	/* upstream saves an empty word as nothing, and some names without quotes or with bare quotes, whatever is in them; "! --monthdays 0" as what is not saved */
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
		is_lossy |= strstr(sb_str(&saved), "--monthdays 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31 ") != NULL;
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

/* --- what a run begins with: every option of every extension --- */

static void seed_option(uint8_t family, uint8_t number, uint8_t proto, uint8_t row, uint8_t flags, const char *arg)
{
	uint8_t seed[64] = { family == NFPROTO_IPV6, number, proto, row, flags, (uint8_t)strlen(arg) };

	memcpy(seed + 6, arg, strlen(arg));
	seed_use(seed, 6 + strlen(arg));
}

static void seeds_of_text(uint8_t number, const struct ext_text *text, unsigned int families, uint16_t proto)
{
	static const char *const args[] = { "1", "10.0.0.1", "a,b", "1:2", "NEW", "00:11:22:33:44:55", "0xffffffff/0xff", "-1" };
	static const uint16_t protos[] = { 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, 132, 33, 50, 51, 108, 135, 136 };
	uint8_t at = 0, row = 0;

	while (at + 1u < ARRAY_SIZE(protos) && protos[at] != proto)
		at++;
	for (const struct opt *opt = text->options; opt && opt->name; opt++, row++) {
		for (size_t i = 0; i < (opt_words(opt) ? ARRAY_SIZE(args) : 1); i++) {
			const uint8_t flags = i & 1 && opt->flags & OPT_INVERTIBLE;

			seed_option(families & FAMILY_V4 ? NFPROTO_IPV4 : NFPROTO_IPV6, number, at, row, flags, opt_words(opt) ? args[i] : "");
		}
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	unsigned int number = 0;

	for (const struct match *const *m = ext_matches; *m; m++, number++)
		if ((*m)->text)
			seeds_of_text((uint8_t)number, (*m)->text, (*m)->families, (*m)->proto);
	for (const struct target *const *t = ext_targets; *t; t++, number++)
		if ((*t)->text)
			seeds_of_text((uint8_t)number, (*t)->text, (*t)->families, (*t)->proto);
	if (number > 255)
		abort();	/* one byte chooses: make it two */
	return 0;
}
