/*
 * A table kept as an image does what a table of an instance does: the same commands, one by one, the image closed
 * and opened between them, with the log, without it, and torn in the middle of a write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "instance.h"
#include "table/edit_log.h"
#include "table/image.h"

/* One table in memory. */
struct kept {
	struct table_source tables;	/* first */
	uint8_t *bytes;
	size_t len;
	bool always_whole;		/* no log is kept from one command to the next */
	unsigned int wholes, tails;
};

static void no_release(const void *addr, size_t len)
{
	free((void *)addr);
}

static void put(struct kept *kept, size_t at, const void *bytes, size_t len)
{
	const size_t end = ALIGN_UP(at + len, (size_t)8);
	uint8_t *grown = calloc(1, end + 64);

	if (kept->bytes)
		memcpy(grown, kept->bytes, MIN_OF(at, kept->len));
	memcpy(grown + at, bytes, len);
	free(kept->bytes);
	kept->bytes = grown;
	kept->len = end;
}

static int kept_write(struct kept *kept, struct edit *edit, struct refusal *why)
{
	struct image_change change;
	int err;

	if (kept->always_whole)
		edit->log->overflow = true;
	err = image_change_make(edit, 1, &change, why);
	if (err)
		return err;
	if (change.whole) {
		kept->len = 0;
		put(kept, 0, change.head, change.head_len);
		put(kept, change.head_len, change.blob.entries, change.blob.head.size);
		kept->wholes++;
	} else {
		put(kept, change.at, change.head, change.head_len);
		kept->tails++;
	}
	image_change_free(&change);
	return 0;
}

static int kept_open(struct table_source *from, uint8_t family, const char *table, bool create, struct edit **out,
		     struct refusal *why)
{
	struct kept *kept = (struct kept *)from;
	struct image_bytes bytes = { NULL, kept->len, no_release };

	if (!kept->bytes)
		return image_new(from->inst, family, table, out, why);
	bytes.addr = malloc(kept->len);
	memcpy((void *)bytes.addr, kept->bytes, kept->len);
	return image_open(from->inst, family, table, &bytes, out, why);
}

static int kept_commit(struct table_source *from, struct edit *edit, struct refusal *why)
{
	int err = image_check(from, edit, why);

	return err ? err : kept_write((struct kept *)from, edit, why);
}

static void kept_each(struct table_source *from, uint8_t family, void (*visit)(void *priv, const char *name), void *priv)
{
	if (((struct kept *)from)->bytes)
		visit(priv, "filter");
}

static struct kept kept_new(struct instance *inst)
{
	return (struct kept){ .tables = { inst, 0, kept_open, kept_commit, NULL, kept_each } };
}

static int say(struct table_source *tables, const char *line, struct strbuf *out, struct refusal *why)
{
	char text[256], *argv[40], *save = NULL;
	int argc = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return rules_command_in(tables, argc, argv, out, why);
}

static const char *one_of(struct rng *rng, const char *const *list, unsigned int count)
{
	return list[rng_u64(rng) % count];
}

static void random_line(struct rng *rng, char line[static 256])
{
	static const char *const chains[] = { "INPUT", "FORWARD", "OUTPUT", "a", "b", "c" };
	static const char *const rules[] = {
		"-j ACCEPT", "-p tcp --dport 80 -j DROP", "-s 10.0.0.0/8", "-j a", "-g b", "-p udp -j c", "-j LOG -s 1.2.3.4", "-p tcp -j REJECT",
		"-m mark --mark 1 -j RETURN", "-d 1.1.1.1,2.2.2.2 -j DROP", "-i eth0 -j b", "-m limit --limit 5/s", "-j DROP", "-j a -c 3 4",
		"-m physdev --physdev-is-bridged --physdev-out x", "-j TCPMSS --clamp-mss-to-pmtu -p tcp --syn",
	};
	static const char *const forms[] = {
		"-A %s %s", "-A %s %s", "-A %s %s", "-I %s %s", "-I %s 2 %s", "-R %s 1 %s", "-R %s 2 %s", "-D %s %s", "-C %s %s",
	};
	static const char *const others[] = {
		"-D %s 1", "-D %s 2", "-N %s", "-N %s", "-X %s", "-F %s", "-Z %s", "-Z %s 1", "-S %s -v", "-L %s -v -n", "-P %s DROP",
		"-P %s ACCEPT -c 5 6", "-E %s d", "-E d %s",
	};
	const char *chain = one_of(rng, chains, ARRAY_SIZE(chains));
	char format[64];

	strcpy(line, "iptables ");
	if (rng_u64(rng) % 3) {
		snprintf(format, sizeof(format), "%s", one_of(rng, forms, ARRAY_SIZE(forms)));
		snprintf(line + 9, 240, format, chain, one_of(rng, rules, ARRAY_SIZE(rules)));
	} else {
		snprintf(format, sizeof(format), "%s", one_of(rng, others, ARRAY_SIZE(others)));
		snprintf(line + 9, 240, format, chain);
	}
	if (rng_u64(rng) % 97 == 0)
		strcpy(line, rng_u64(rng) % 2 ? "iptables -F" : "iptables -Z");
}

/* Everything that both say is equal, and what they then hold. */
static void same_rules(struct instance *inst, struct kept *kept, const char *line)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	struct table_source own = table_source_of(inst);

	assert_int_equal(rules_save_in(&own, NFPROTO_IPV4, "filter", true, -1, &a, NULL), 0);
	assert_int_equal(rules_save_in(&kept->tables, NFPROTO_IPV4, "filter", true, -1, &b, NULL), 0);
	if (strcmp(sb_str(&a), sb_str(&b)))
		fail_msg("after \"%s\":\n%s\nkept:\n%s", line, sb_str(&a), sb_str(&b));
	sb_free(&a);
	sb_free(&b);
}

static void run_random(uint64_t seed, bool always_whole)
{
	struct instance *inst = instance_new(1, 0, NULL), *other = instance_new(1, 0, NULL);
	struct kept kept = kept_new(other);
	struct table_source own = table_source_of(inst);
	struct rng rng;

	rng_seed(&rng, seed);
	kept.always_whole = always_whole;
	for (unsigned int i = 0; i < 700; i++) {
		struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
		struct refusal why_a, why_b;
		char line[256];
		int code_a, code_b;

		random_line(&rng, line);
		code_a = say(&own, line, &a, &why_a);
		code_b = say(&kept.tables, line, &b, &why_b);
		if (code_a != code_b || strcmp(sb_str(&a), sb_str(&b)) || (code_a && strcmp(why_a.text, why_b.text)))
			fail_msg("\"%s\": %d %s%s\nkept: %d %s%s", line, code_a, code_a ? why_a.text : "", sb_str(&a), code_b,
				 code_b ? why_b.text : "", sb_str(&b));
		sb_free(&a);
		sb_free(&b);
		if (!code_a)
			same_rules(inst, &kept, line);
	}
	assert_true(always_whole ? kept.wholes > 100 : kept.tails > 100 && kept.wholes >= 1);
	free(kept.bytes);
	instance_free(inst);
	instance_free(other);
}

static void test_same_as_instance(void **state)
{
	for (uint64_t seed = 1; seed <= 12; seed++)
		run_random(seed, seed % 2);
}

/* A write that did not come to its end never was: for each cut, the rules are those before it. */
static void test_torn_tail(void **state)
{
	struct instance *inst = instance_new(1, 0, NULL);
	struct kept kept = kept_new(inst);
	struct strbuf before = STRBUF_INIT;
	struct refusal why;
	size_t old_len;

	assert_int_equal(say(&kept.tables, "iptables -N a", NULL, &why), 0);
	assert_int_equal(say(&kept.tables, "iptables -A INPUT -p tcp -j a", NULL, &why), 0);
	rules_save_in(&kept.tables, NFPROTO_IPV4, "filter", true, -1, &before, NULL);
	old_len = kept.len;
	assert_int_equal(say(&kept.tables, "iptables -A a -p udp --dport 53 -j DROP", NULL, &why), 0);
	for (size_t len = old_len; len < kept.len; len += 3) {
		struct kept cut = kept_new(inst);
		struct strbuf after = STRBUF_INIT;

		put(&cut, 0, kept.bytes, len);
		cut.len = len;
		rules_save_in(&cut.tables, NFPROTO_IPV4, "filter", true, -1, &after, NULL);
		assert_string_equal(sb_str(&before), sb_str(&after));
		assert_int_equal(say(&cut.tables, "iptables -A a -j ACCEPT", NULL, &why), 0);	/* and life goes on */
		sb_free(&after);
		free(cut.bytes);
	}
	sb_free(&before);
	free(kept.bytes);
	instance_free(inst);
}

/* A damaged image is refused or read, never believed: no byte makes a crash. */
static void test_damaged(void **state)
{
	struct instance *inst = instance_new(1, 0, NULL);
	struct kept kept = kept_new(inst);
	struct refusal why;

	assert_int_equal(say(&kept.tables, "iptables -N a", NULL, &why), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(say(&kept.tables, "iptables -A a -p tcp -m tcp --dport 1 -j LOG", NULL, &why), 0);
	for (size_t at = 0; at < kept.len; at++) {
		struct kept bad = kept_new(inst);
		struct strbuf out = STRBUF_INIT;

		put(&bad, 0, kept.bytes, kept.len);
		bad.bytes[at] ^= 1 << at % 8;
		rules_save_in(&bad.tables, NFPROTO_IPV4, "filter", true, -1, &out, NULL);
		say(&bad.tables, "iptables -A a -j ACCEPT", &out, &why);
		sb_free(&out);
		free(bad.bytes);
	}
	free(kept.bytes);
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_instance), cmocka_unit_test(test_torn_tail), cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
