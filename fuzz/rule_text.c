/*
 * fuzz/rule_text.c - any bytes as a rule file, or as iptables command lines; what loads is saved, listed, loaded again
 * from its own words, and asked about packets.
 *
 * Input: a byte of flags (1 IPv6, 2 -n, 4 -c, 8 all or nothing, 16 --test, 32 lines are commands), then the text.
 */
#include "rule_packets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { V6 = 1, NOFLUSH = 2, COUNTERS = 4, ALL_OR_NOTHING = 8, TEST = 16, COMMANDS = 32 };

static void run_commands(struct world *world, uint8_t family, const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *lines = NULL;

	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		char program[] = "iptables", program6[] = "ip6tables";
		char *argv[64] = { family == NFPROTO_IPV4 ? program : program6 }, *words = NULL;
		struct strbuf out = STRBUF_INIT;
		struct refusal why = { 0 };
		int argc = 1;

		for (char *word = strtok_r(line, " ", &words); word && argc < 63; word = strtok_r(NULL, " ", &words))
			argv[argc++] = word;
		if (rules_command(world->inst, argc, argv, &out, &why) && !why.text[0])
			abort();
		sb_free(&out);
	}
	free(text);
}

static void list_all(void *priv, const char *name)
{
	struct world *world = priv;
	char program[] = "iptables", t[] = "-t", table[32], list[] = "-vL", save[] = "-vS";
	char *argv[] = { program, t, table, list }, *argv2[] = { program, t, table, save };
	struct strbuf out = STRBUF_INIT;

	snprintf(table, sizeof(table), "%s", name);
	rules_command(world->inst, 4, argv, &out, NULL);
	rules_command(world->inst, 4, argv2, &out, NULL);
	sb_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf saved = STRBUF_INIT, again = STRBUF_INIT;
	struct refusal why = { 0 };
	struct world *world;
	uint8_t flags, family;

	if (!size || size > 32768)
		return 0;
	flags = data[0];
	family = flags & V6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	world = world_new(flags & NOFLUSH);
	if (flags & COMMANDS) {
		run_commands(world, family, data + 1, size - 1);
	} else {
		unsigned int options = (flags & NOFLUSH ? RESTORE_NOFLUSH : 0) | (flags & COUNTERS ? RESTORE_COUNTERS : 0) |
				       (flags & ALL_OR_NOTHING ? RESTORE_ALL_OR_NOTHING : 0) |
				       (flags & TEST ? RESTORE_TEST : 0);

		if (rules_restore(world->inst, family, (const char *)data + 1, size - 1, "rules", options, &why) &&
		    (!why.text[0] || !why.at.line))
			abort();
	}
	rules_save(world->inst, family, true, -1, &saved);
	tables_each(world->inst, family, list_all, world);
	/* not all that loads can be loaded again (odd chain names); what can comes out the same */
	if (!rules_restore(world->inst, family, sb_str(&saved), saved.len, "saved",
			   RESTORE_COUNTERS | RESTORE_ALL_OR_NOTHING, &why)) {
		rules_save(world->inst, family, true, -1, &again);
		if (strcmp(sb_str(&saved), sb_str(&again)))
			abort();
	}
	rule_packets_send(world);
	sb_free(&saved);
	sb_free(&again);
	world_free(world);
	return 0;
}
