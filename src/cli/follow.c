/*
 * cli/follow.c - see follow.h. The lines that hold now are kept, so that after a loss of messages the difference to a new dump can
 * be made up for.
 */
#include "cli/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sorted.h"
#include "cli/netip.h"

/* --- the rules that are always there --- */

static const char *const own_rules[2][3] = {
	{ "-4 rule add pref 0 lookup 255", "-4 rule add pref 32766 lookup 254", "-4 rule add pref 32767 lookup 253" },
	{ "-6 rule add pref 0 lookup 255", "-6 rule add pref 32766 lookup 254", NULL },
};

bool rtnl_rule_comes_by_itself(struct rtnl_rules_seen *rules, const struct rtnl_line *line)
{
	for (int six = 0; six < 2 && line->kind == RTNL_RULE && !line->is_del; six++)
		for (int i = 0; i < 3; i++)
			if (own_rules[six][i] && !rules->seen[six][i] && !strcmp(line->text, own_rules[six][i])) {
				rules->seen[six][i] = true;
				return true;
			}
	return false;
}

/* "-4 rule add ..." becomes "-4 rule delete ...", whatever the verb. */
static void delete_text(const char *line, struct strbuf *out)
{
	const char *rest = line;
	int words = *line == '-' ? 2 : 1;

	while (words-- && rest)
		rest = (rest = strchr(rest, ' ')) ? rest + 1 : NULL;
	if (!rest)
		return;
	sb_add(out, line, (size_t)(rest - line));
	sb_adds(out, "delete");
	rest = strchr(rest, ' ');
	sb_adds(out, rest ? rest : "");
}

void rtnl_rules_missing(const struct rtnl_rules_seen *rules, struct strbuf *out)
{
	for (int six = 0; six < 2; six++) {
		for (int i = 0; i < 3; i++) {
			if (!own_rules[six][i] || rules->seen[six][i])
				continue;
			delete_text(own_rules[six][i], out);
			sb_addc(out, '\n');
		}
	}
}

/* --- one line --- */

int follow_line(struct instance *inst, const struct rtnl_line *line, struct refusal *why)
{
	struct netip ip = { .inst = inst, .loading = true };
	const char *text = line->text, *second = line->kind == RTNL_LINK ? strchr(text, '\n') : NULL;
	struct iface *iface = line->kind == RTNL_LINK && line->ifname ? iface_find(inst, line->ifname) : NULL;
	int err;

	if (line->kind == RTNL_LINK && line->is_del && !iface)
		return 0;
	if (second && iface)
		text = second + 1;	/* it is there: only what can change */
	err = netip_load(&ip, text, strlen(text), "rtnetlink", why);
	/* what is there is there, what is gone is gone, and some went with their interface */
	if (err == -EEXIST || (line->is_del && err))
		err = 0;
	return err;
}

/* --- following --- */

struct follow {
	struct instance *inst;
	struct rtnl *rtnl;
	bool (*passes_over)(void *priv, const char *link);
	void *priv;
	bool verbose;
	char **lines;			/* sorted; what holds, of addresses, routes, rules and neighbours */
	size_t count, room;
	struct strbuf seen;		/* during a dump: the lines of it, each with its NUL */
	struct rtnl_rules_seen rules;
};

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static const char *line_at(const void *priv, size_t at) { return ((const struct follow *)priv)->lines[at]; }

static size_t place_of(const struct follow *f, const char *text, bool *found)
{
	return sorted_place(0, f->count, text, line_at, f, found);
}

static void keep_line(struct follow *f, const char *text)
{
	bool found;
	size_t at = place_of(f, text, &found);

	if (found)
		return;
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		char **more = realloc(f->lines, room * sizeof(*more));

		if (!more)
			return;
		f->lines = more;
		f->room = room;
	}
	memmove(&f->lines[at + 1], &f->lines[at], (f->count - at) * sizeof(*f->lines));
	f->lines[at] = strdup(text);
	if (f->lines[at])
		f->count++;
	else
		memmove(&f->lines[at], &f->lines[at + 1], (f->count - at) * sizeof(*f->lines));
}

static void drop_line(struct follow *f, size_t at)
{
	free(f->lines[at]);
	f->count--;
	memmove(&f->lines[at], &f->lines[at + 1], (f->count - at) * sizeof(*f->lines));
}

/* The kept line that this one takes away: equal but for the verb, as far as the shorter one goes. */
static void forget_line(struct follow *f, const char *text)
{
	struct strbuf one = STRBUF_INIT;

	for (size_t i = 0; i < f->count; i++) {
		const char *verb = strstr(text, " delete ");

		sb_reset(&one);
		delete_text(f->lines[i], &one);
		if (verb && !strcmp(sb_str(&one), text)) {
			drop_line(f, i);
			break;
		}
	}
	sb_free(&one);
}

/* " dev eth0 table 254" */
static bool is_passed_over(const struct follow *f, const struct rtnl_line *line)
{
	const char *dev = line->text ? strstr(line->text, " dev ") : NULL;
	char name[IFNAMSIZ];

	if (line->kind == RTNL_LINK)
		return line->ifname && f->passes_over(f->priv, line->ifname);
	return dev && sscanf(dev, " dev %15s", name) == 1 && f->passes_over(f->priv, name);
}

static void apply(struct follow *f, const struct rtnl_line *line)
{
	struct refusal why = { 0 };

	if (is_passed_over(f, line))
		return;

	if (line->unknown && f->verbose)
		fprintf(stderr, "weir daemon: --follow: %s\n", line->unknown);
	if (!line->text || follow_line(f->inst, line, &why) == 0)
		return;
	fprintf(stderr, "weir daemon: --follow: \"%s\": %s\n", line->text, why.text);
}

static void on_change(void *priv, const struct rtnl_line *line)
{
	struct follow *f = priv;

	apply(f, line);
	if (!line->text || line->kind == RTNL_LINK)
		return;
	if (line->is_del)
		forget_line(f, line->text);
	else
		keep_line(f, line->text);
}

static void on_dumped(void *priv, const struct rtnl_line *line)
{
	struct follow *f = priv;

	if (line->text && rtnl_rule_comes_by_itself(&f->rules, line))
		return;
	apply(f, line);
	if (!line->text)
		return;
	if (line->kind == RTNL_LINK)
		sb_printf(&f->seen, "link %s", line->ifname ? line->ifname : "");
	else
		sb_adds(&f->seen, line->text);
	sb_addc(&f->seen, 0);
}

/* What was there before the dump and is not in it has gone. */
static void sweep(struct follow *f)
{
	struct { char **at; size_t count; } seen = { NULL, 0 };
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < f->seen.len; i += strlen(f->seen.s + i) + 1)
		seen.count++;
	seen.at = calloc(seen.count + 1, sizeof(*seen.at));
	if (!seen.at)
		return;
	seen.count = 0;
	for (size_t i = 0; i < f->seen.len; i += strlen(f->seen.s + i) + 1)
		seen.at[seen.count++] = f->seen.s + i;
	qsort(seen.at, seen.count, sizeof(*seen.at), compare);
	for (size_t i = f->count; i--;) {
		struct rtnl_line line = { .kind = RTNL_ROUTE, .is_del = true };

		if (bsearch(&f->lines[i], seen.at, seen.count, sizeof(*seen.at), compare))
			continue;
		sb_reset(&text);
		delete_text(f->lines[i], &text);
		line.text = sb_str(&text);
		apply(f, &line);
		drop_line(f, i);
	}
	list_for_each_safe(node, &f->inst->ifaces) {
		struct iface *iface = list_entry(node, struct iface, node);
		char name[IFNAMSIZ + 8], *key = name;

		snprintf(name, sizeof(name), "link %s", iface->name);
		if (!iface->is_loopback && !iface->driver_priv && !bsearch(&key, seen.at, seen.count, sizeof(*seen.at), compare))
			iface_remove(f->inst, iface);
	}
	for (size_t i = 0; i < seen.count; i++)
		if (strncmp(seen.at[i], "link ", 5))
			keep_line(f, seen.at[i]);
	free(seen.at);
	sb_free(&text);
}

static int take_all(struct follow *f, struct refusal *why)
{
	struct strbuf missing = STRBUF_INIT;
	struct netip ip = { .inst = f->inst, .loading = true };
	int err;

	sb_reset(&f->seen);
	f->rules = (struct rtnl_rules_seen){ .seen = { { false } } };
	err = rtnl_dump(f->rtnl, on_dumped, f, why);
	if (err)
		return err;
	sweep(f);
	rtnl_rules_missing(&f->rules, &missing);
	for (char *at = missing.s, *eol; at && (eol = strchr(at, '\n')); at = eol + 1)
		netip_load(&ip, at, (size_t)(eol - at), "rtnetlink", NULL);	/* it may have gone already */
	sb_free(&missing);
	return 0;
}

struct follow *follow_open(struct instance *inst, bool (*passes_over)(void *priv, const char *link), void *priv, bool verbose,
			   struct refusal *why)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (!f) {
		refuse(why, -ENOMEM, "no memory for --follow");
		return NULL;
	}
	f->inst = inst;
	f->passes_over = passes_over;
	f->priv = priv;
	f->verbose = verbose;
	f->rtnl = rtnl_open(true, why);
	if (f->rtnl && !take_all(f, why))
		return f;
	follow_close(f);
	return NULL;
}

int follow_fd(const struct follow *f) { return rtnl_fd(f->rtnl); }

int follow_changes(struct follow *f)
{
	int err = rtnl_changes(f->rtnl, on_change, f);

	return err == -ENOBUFS ? take_all(f, NULL) : err;
}

void follow_close(struct follow *f)
{
	if (!f)
		return;
	rtnl_close(f->rtnl);
	while (f->count)
		drop_line(f, f->count - 1);
	free(f->lines);
	sb_free(&f->seen);
	free(f);
}
