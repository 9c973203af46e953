/*
 * cli/daemon_apply.c - rules for a running daemon: all that was sent, or nothing; and back to what was, when nobody says in time
 * that the new rules let him in. Connections stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "cli/daemon.h"
#include "cli/run.h"
#include "path/worker.h"

enum { CONFIRM_SEC_MAX = 24 * 3600 };

/* As it was: rules with their counters, by family, what they remember, and the settings that changed. */
struct before { struct strbuf rules[2], memory, settings; };

struct pending {
	struct daemon *daemon;
	struct before before;
	int timer;
};

static uint8_t family_of(int six) { return six ? NFPROTO_IPV6 : NFPROTO_IPV4; }

static void before_free(struct before *b)
{
	sb_free(&b->rules[0]);
	sb_free(&b->rules[1]);
	sb_free(&b->memory);
	sb_free(&b->settings);
}

struct newcomers { const struct strbuf *old; struct strbuf *out; };

/* A table that nobody had named then is as one that nobody has named: empty, and open. */
static void add_if_new(void *priv, const char *name)
{
	const struct table_kind *const *kind = table_kinds;
	struct newcomers *n = priv;
	char line[64];

	snprintf(line, sizeof(line), "*%s\n", name);
	if (strstr(sb_str(n->old), line))
		return;
	sb_adds(n->out, line);
	while (*kind && strcmp((*kind)->name, name))
		kind++;
	for (unsigned int hook = 0; *kind && hook < NF_INET_NUMHOOKS; hook++)
		if ((*kind)->valid_hooks & 1u << hook)
			sb_printf(n->out, ":%s ACCEPT [0:0]\n", hook_chain_names[hook]);
	sb_adds(n->out, "COMMIT\n");
}

/* One or two families' rules, made beside workers. */
struct staging { struct instance *inst; struct rules_stage *stages[2]; };

static int stage_text(struct staging *s, int six, const char *text, size_t len, const char *file, struct refusal *why)
{
	if (!s->stages[six])
		s->stages[six] = rules_stage_new(s->inst, family_of(six));
	if (!s->stages[six])
		return refuse(why, -ENOMEM, "no memory for rules");
	return rules_stage_text(s->stages[six], text, len, file, why);
}

static void stages_apply(struct staging *s)
{
	for (int six = 0; six < 2; six++)
		if (s->stages[six])
			rules_stage_apply(s->stages[six]);
}

static void stages_free(struct staging *s)
{
	const bool paused = worker_alone_pause(s->inst);

	rules_stage_free(s->stages[0]);
	rules_stage_free(s->stages[1]);
	worker_alone_resume(s->inst, paused);
}

static int stage_before(struct staging *s, const struct before *b, int six, struct strbuf *text, struct refusal *why)
{
	struct newcomers n = { &b->rules[six], text };
	int err;

	sb_add(text, sb_str(&b->rules[six]), b->rules[six].len);
	tables_each(s->inst, family_of(six), add_if_new, &n);
	err = text->failed ? refuse(why, -ENOMEM, "no memory") : stage_text(s, six, sb_str(text), text->len, "the rules before", why);
	if (!err)
		err = rules_stage_prepare(s->stages[six], why);
	if (err) {		/* the other family's go back all the same */
		rules_stage_free(s->stages[six]);
		s->stages[six] = NULL;
	}
	return err;
}

static int put_back(struct instance *inst, const struct before *b, struct refusal *why)
{
	struct strbuf text[2] = { STRBUF_INIT, STRBUF_INIT };
	struct staging staging = { .inst = inst };
	const bool paused = worker_alone_pause(inst);
	int err = 0, first = 0;

	for (int six = 0; six < 2; six++) {
		err = stage_before(&staging, b, six, &text[six], why);
		first = first ? first : err;
	}
	worker_alone_resume(inst, paused);
	stages_apply(&staging);
	err = tables_memory_load(inst, sb_str(&b->memory), b->memory.len, why);
	first = first ? first : err;
	err = sysctl_conf_load(inst, sb_str(&b->settings), b->settings.len, "the settings before", why);
	stages_free(&staging);
	sb_free(&text[0]);
	sb_free(&text[1]);
	return first ? first : err;
}

/* Of each setting that the text names, the value that it has now. */
static void note_settings(struct instance *inst, const char *text, struct strbuf *out)
{
	struct line_reader reader = { text, text + strlen(text), 0 };
	const char *line;
	size_t len;

	while (line_next(&reader, &line, &len)) {
		const char *equal = memchr(line, '=', len);
		struct strbuf value = STRBUF_INIT;
		char name[256], key[256];

		if (equal && (size_t)(equal - line) < sizeof(name)) {
			memcpy(name, line, (size_t)(equal - line));
			name[equal - line] = '\0';
			if (sscanf(name, " %*[-] %255s", key) != 1 && sscanf(name, " %255s", key) != 1)
				continue;
			if (*key != '#' && *key != ';' && !sysctl_get(inst->sysctls, key, &value, NULL))
				sb_printf(out, "-%s = %s\n", key, sb_str(&value));
		}
		sb_free(&value);
	}
}

void daemon_roll_back(struct daemon *d)
{
	struct pending *p = d->pending;
	struct refusal why = { 0 };

	if (!p)
		return;
	if (put_back(d->inst, &p->before, &why))
		report_refusal("weir daemon: the rules before cannot be put back", &why);
	server_unwatch(d->server, p->timer);
	close(p->timer);
	before_free(&p->before);
	free(p);
	d->pending = NULL;
}

static void on_too_late(void *priv, uint32_t events)
{
	struct pending *p = priv;

	fprintf(stderr, "weir daemon: nobody confirmed: the rules before are back\n");
	daemon_roll_back(p->daemon);
}

static int wait_for_word(struct daemon *d, struct before *before, uint32_t seconds, struct refusal *why)
{
	struct itimerspec when = { .it_value.tv_sec = seconds };
	struct pending *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return refuse(why, -ENOMEM, "no memory for --confirm");
	p->daemon = d;
	p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = p->timer < 0 || timerfd_settime(p->timer, 0, &when, NULL) ? -errno :
	      server_watch(d->server, p->timer, EPOLLIN, on_too_late, p);
	if (err) {
		if (p->timer >= 0)
			close(p->timer);
		free(p);
		return refuse(why, err, "no timer for --confirm: %s", strerror(-err));
	}
	p->before = *before;
	*before = (struct before){ .settings = STRBUF_INIT };
	d->pending = p;
	return 0;
}

/* What a client sends: pairs of KIND:NAME and text, KIND a part of a snapshot. */
enum part { PART_NONE, PART_RULES, PART_SETTINGS };

static enum part part_of(const char *pair, const char **name)
{
	const char *colon = strchr(pair, ':');
	size_t kind = colon ? (size_t)(colon - pair) : 0;

	*name = kind ? colon + 1 : "";
	if (kind == 8 && !strncmp(pair, "rules.v", 7) && (pair[7] == '4' || pair[7] == '6'))
		return PART_RULES;
	return kind == 11 && !strncmp(pair, "sysctl.conf", 11) ? PART_SETTINGS : PART_NONE;
}

static int stage_pairs(struct staging *s, int count, char **pairs, struct refusal *why)
{
	const char *name;
	int err = 0;

	for (int i = 0; i + 1 < count && !err; i += 2) {
		switch (part_of(pairs[i], &name)) {
		case PART_RULES:
			err = stage_text(s, pairs[i][7] == '6', pairs[i + 1], strlen(pairs[i + 1]), name, why);
			break;
		case PART_SETTINGS:
			break;
		default:
			err = refuse(why, -EINVAL, "\"%.40s\" cannot be applied", pairs[i]);
		}
	}
	for (int six = 0; six < 2 && !err; six++)
		if (s->stages[six])
			err = rules_stage_prepare(s->stages[six], why);
	return err;
}

/* @own_only: weir's own, which say where rules that are loaded find their files; a packet's way rests on the others. */
static int settings_load(struct daemon *d, int count, char **pairs, bool own_only, struct refusal *why)
{
	const char *name, *line;
	int err = 0;

	for (int i = 0; i + 1 < count && !err; i += 2) {
		struct line_reader reader = { pairs[i + 1], pairs[i + 1] + strlen(pairs[i + 1]), 0 };
		struct strbuf text = STRBUF_INIT;
		size_t len;

		if (part_of(pairs[i], &name) != PART_SETTINGS)
			continue;
		while (line_next(&reader, &line, &len)) {	/* a line that is left out is an empty one: numbers stay */
			if (!own_only || memmem(line, len, "net.weir.", 9) || memmem(line, len, "net/weir/", 9))
				sb_add(&text, line, len);
			sb_addc(&text, '\n');
		}
		err = text.failed ? refuse(why, -ENOMEM, "no memory for settings") : sysctl_conf_load(d->inst, sb_str(&text), text.len, name, why);
		sb_free(&text);
	}
	return err;
}

/* All that takes time is done beside workers; then settings and rules become others between two packets. */
static int apply_pairs(struct daemon *d, int count, char **pairs, uint32_t seconds, struct refusal *why)
{
	struct before before = { .settings = STRBUF_INIT };
	struct staging staging = { .inst = d->inst };
	struct refusal nobody;
	bool paused;
	int err;

	for (int i = 0; i + 1 < count; i += 2)
		if (!strncmp(pairs[i], "sysctl.conf:", 12))
			note_settings(d->inst, pairs[i + 1], &before.settings);
	err = settings_load(d, count, pairs, true, why);
	paused = worker_alone_pause(d->inst);
	for (int six = 0; six < 2 && seconds; six++)
		rules_save(d->inst, family_of(six), true, -1, &before.rules[six]);
	if (!err)
		err = stage_pairs(&staging, count, pairs, why);
	worker_alone_resume(d->inst, paused);
	if (!err && seconds)
		tables_memory_save(d->inst, &before.memory);
	if (before.rules[0].failed || before.rules[1].failed || before.memory.failed || before.settings.failed)
		err = refuse(why, -ENOMEM, "no memory to remember the rules");
	if (!err)
		err = settings_load(d, count, pairs, false, why);
	if (!err && seconds)
		err = wait_for_word(d, &before, seconds, why);
	if (err)
		sysctl_conf_load(d->inst, sb_str(&before.settings), before.settings.len, "the settings before", &nobody);
	else
		stages_apply(&staging);
	stages_free(&staging);
	before_free(&before);
	return err;
}

/* apply SECONDS (0: at once, for good) KIND:NAME TEXT ... */
int daemon_apply(struct daemon *d, int argc, char **argv, struct strbuf *out, struct strbuf *errors)
{
	uint32_t seconds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	struct refusal why = { 0 };
	struct timespec from, to;
	int err;

	if (argc < 4 || argc % 2 || seconds > CONFIRM_SEC_MAX) {
		sb_adds(errors, "weir apply: nothing to apply\n");
		return EXIT_USAGE;
	}
	if (d->pending) {
		sb_adds(errors, "weir apply: rules wait for `weir confirm` already\n");
		return EXIT_INPUT;
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	err = apply_pairs(d, argc - 2, argv + 2, seconds, &why);
	if (err) {
		refusal_print(errors, "weir apply", &why);
		return EXIT_INPUT;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	sb_printf(out, "applied in %.1f ms\n", (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6);
	if (seconds)
		sb_printf(out, "the rules before come back in %u s, unless: weir confirm\n", seconds);
	return EXIT_DONE;
}

int daemon_confirm(struct daemon *d, struct strbuf *out, struct strbuf *errors)
{
	struct pending *p = d->pending;

	if (!p) {
		sb_adds(errors, "weir confirm: nothing waits for it\n");
		return EXIT_FINDINGS;
	}
	server_unwatch(d->server, p->timer);
	close(p->timer);
	before_free(&p->before);
	free(p);
	d->pending = NULL;
	sb_adds(out, "confirmed\n");
	return EXIT_DONE;
}
