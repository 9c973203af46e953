/*
 * cli/nfacct_cmd.c - nfacct(8): as script lines, whose mistakes have a place, and as the command, which says what nfacct 1.0.2
 * says.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cli/nfacct_cmd.h"
#include "cli/run.h"
#include "ext/nfacct.h"
#include "ext/option.h"

static int usage(const struct words *w, unsigned int word, struct refusal *why, const char *sentence)
{
	refuse_at(why, words_at(w, MIN_OF(word, w->count)), -EINVAL, "%s", sentence);
	return 1;
}

/* nfacct add NAME [packet|byte QUOTA] */
static int run_add(struct instance *inst, const struct words *w, struct refusal *why)
{
	uint32_t flags = 0;
	uint64_t quota = 0;

	if (w->count != 4 && w->count != 6)
		return usage(w, 3, why, "nfacct add takes NAME [packet|byte QUOTA]");
	if (w->count == 6) {
		if (strcmp(w->argv[4], "packet") == 0)
			flags = NFACCT_F_QUOTA_PKTS;
		else if (strcmp(w->argv[4], "byte") == 0)
			flags = NFACCT_F_QUOTA_BYTES;
		else
			return usage(w, 4, why, "a quota is of packet or byte");
		if (!opt_u64(w->argv[5], 0, UINT64_MAX, &quota))
			return usage(w, 5, why, "the quota is a number");
	}
	return acct_add(inst, w->argv[3], flags, quota, why) ? 1 : 0;
}

int nfacct_command(struct instance *inst, const struct words *w, struct strbuf *out, struct refusal *why)
{
	const char *verb = w->count > 2 ? w->argv[2] : "";

	if (strcmp(verb, "add") == 0)
		return run_add(inst, w, why);
	if (strcmp(verb, "delete") == 0)
		return w->count == 4 ? acct_delete(inst, w->argv[3], why) != 0 : usage(w, 3, why, "nfacct delete takes NAME");
	if (strcmp(verb, "flush") == 0) {
		acct_flush(inst);
		return 0;
	}
	if (strcmp(verb, "list") == 0)
		return acct_print(inst, NULL, w->count > 3 && strcmp(w->argv[3], "reset") == 0, out, why) ? 1 : 0;
	if (strcmp(verb, "get") == 0 && w->count > 3)
		return acct_print(inst, w->argv[3], w->count > 4 && strcmp(w->argv[4], "reset") == 0, out, why) ? 1 : 0;
	return usage(w, 2, why, "nfacct takes add, delete, flush, list or get");
}

/* --- the command --- */

static const char say_usage[] = "Usage: nfacct command [parameters]...\n";

static int fail(struct strbuf *err, const char *sentence)
{
	sb_printf(err, "nfacct v1.0.2: %s\n", sentence);
	return 1;
}

/* The kernel's number for it, in the C library's words. */
static int answer(int error, struct strbuf *err)
{
	if (!error)
		return 0;
	sb_printf(err, "nfacct v1.0.2: error: %s\n", strerror(error == -EEXIST ? EBUSY : -error));
	return 1;
}

static int add(struct instance *inst, int argc, char **argv, struct strbuf *err)
{
	uint32_t flags = 0;
	uint64_t quota = 0;
	char *end;

	if (argc < 3)
		return fail(err, "missing object name");
	if (argc > 3) {
		flags = !strcmp(argv[3], "byte") ? NFACCT_F_QUOTA_BYTES : !strcmp(argv[3], "packet") ? NFACCT_F_QUOTA_PKTS : 0;
		if (!flags)
			return fail(err, "argument must \"byte\" or \"packet\"");
		if (argc < 5)
			return fail(err, "missing quota value");
		quota = strtoull(argv[4], &end, 10);
		if (end == argv[4])
			return fail(err, "error reading quota");
		if (argc > 5)
			return fail(err, "too many arguments");
	}
	return answer(acct_add(inst, argv[2], flags, quota, NULL), err);
}

enum form { FORM_PLAIN, FORM_XML, FORM_JSON };

struct printing {
	struct strbuf *out;
	enum form form;
	bool reset, later;
};

static void print_object(void *priv, struct acct_object *acct)
{
	struct printing *p = priv;
	struct acct_values v;

	acct_read(acct, p->reset, &v);
	if (p->form == FORM_XML) {
		sb_printf(p->out, "<obj><name>%s</name><pkts>%.20" PRIu64 "</pkts><bytes>%.20" PRIu64 "</bytes></obj>\n", v.name, v.packets,
			  v.bytes);
		return;
	}
	sb_printf(p->out, "%s  { \"pkts\" : %" PRIu64 ", \"bytes\" : %" PRIu64 ", ", p->later ? ",\n" : "", v.packets, v.bytes);
	if (v.flags & (NFACCT_F_QUOTA_PKTS | NFACCT_F_QUOTA_BYTES))
		sb_printf(p->out, "\"quota\" : %" PRIu64 ", \"mode\" = \"%s\", \"overquota\" = %d, ", v.quota,
			  v.flags & NFACCT_F_QUOTA_BYTES ? "byte" : "packet", (v.flags & NFACCT_F_OVERQUOTA) != 0);
	sb_printf(p->out, "\"name\" : \"%s\" }", v.name);
	p->later = true;
}

static bool shortened(const char *word, const char *whole)
{
	return *word && !strncmp(word, whole, strlen(word));
}

/* @name NULL: all. @at: the words behind. */
static int show(struct instance *inst, const char *name, int argc, char **argv, int at, struct strbuf *out, struct strbuf *err)
{
	struct printing p = { .out = out };
	struct acct_object *acct;

	for (; at < argc; at++) {
		const bool xml = shortened(argv[at], "xml"), json = !xml && shortened(argv[at], "json");

		if (!xml && !json && !shortened(argv[at], "reset"))
			return fail(err, "unknown argument");
		if (!xml && !json) {
			p.reset = true;
			continue;
		}
		if (p.form) {
			sb_printf(err, "Error: duplicate \"%s\" or collision with another option \n", xml ? "xml" : "json");
			return 1;
		}
		p.form = xml ? FORM_XML : FORM_JSON;
	}
	acct = name ? acct_find(inst, name) : NULL;
	if (name && !acct)
		return answer(-ENOENT, err);
	if (p.form == FORM_PLAIN)
		return acct_print(inst, name, p.reset, out, NULL) ? 1 : 0;
	if (p.form == FORM_XML)
		sb_adds(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<nfacct>\n");
	else
		sb_printf(out, "{ \"timestamp\" : %" PRId64 ", \n  \"nfacct_counters\" : [\n", inst->now_ns / (int64_t)NSEC_PER_SEC);
	if (acct)
		print_object(&p, acct);
	else
		acct_each(inst, print_object, &p);
	sb_adds(out, p.form == FORM_XML ? "</nfacct>\n" : "\n] }\n");
	return 0;
}

int nfacct_words(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err)
{
	const char *verb = argc > 1 ? argv[1] : NULL;

	if (!verb) {
		sb_adds(err, say_usage);
		return 1;
	}
	if (shortened(verb, "list"))
		return show(inst, NULL, argc, argv, 2, out, err);
	if (shortened(verb, "add"))
		return add(inst, argc, argv, err);
	if (shortened(verb, "delete")) {
		if (argc != 3)
			return fail(err, argc < 3 ? "missing object name" : "too many arguments");
		return answer(acct_delete(inst, argv[2], NULL), err);
	}
	if (shortened(verb, "get")) {
		if (argc < 3)
			return fail(err, "missing object name");
		return show(inst, argv[2], argc, argv, 3, out, err);
	}
	if (shortened(verb, "flush")) {
		if (argc > 2)
			return fail(err, "too many arguments");
		acct_flush(inst);
		return 0;
	}
	if (shortened(verb, "restore") || shortened(verb, "monitor")) {
		sb_printf(err, "weir nfacct: no %s here; weir exec -- nfacct %s\n", verb, verb);
		return 1;
	}
	sb_printf(err, "nfacct v1.0.2: Unknown command: %s\n%s", verb, say_usage);
	return 1;
}
