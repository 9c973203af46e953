/*
 * cli/summary.c - what a run comes to: totals by verdict, drops by rule, connections, rules that nothing hit,
 * and what was uncertain, said once.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/run.h"
#include "conntrack/conntrack.h"

enum { TEXT_ROWS_MAX = 12 };

/* A string that JSON can hold, whatever its bytes; NULL is null. */
static json_t *json_text(const char *text)
{
	struct strbuf utf8 = STRBUF_INIT;
	json_t *string;

	if (!text)
		return json_null();
	sb_add_utf8(&utf8, text);
	string = json_string(sb_str(&utf8));
	sb_free(&utf8);
	return string;
}

static json_t *json_rule(uint8_t family, const char *table, const char *chain, unsigned int number, const char *file,
			 unsigned int line, const char *text)
{
	return json_pack("{s:i, s:s, s:o, s:i, s:o, s:i, s:o}", "family", family == NFPROTO_IPV4 ? 4 : 6, "table", table,
			 "chain", json_text(chain), "number", (int)number, "file", json_text(file), "line", (int)line,
			 "text", json_text(text));
}

/* --- drops, most frequent first --- */

struct drop_row {
	const struct rule_note *note;	/* NULL: the reason says it all */
	enum drop_reason reason;
	uint64_t packets;
	bool is_reject;
};

static int by_packets(const void *a, const void *b)
{
	const struct drop_row *x = a, *y = b;

	if (x->packets != y->packets)
		return x->packets > y->packets ? -1 : 1;
	if (x->note && y->note)
		return strcmp(x->note->comment, y->note->comment);
	return (x->note != NULL) != (y->note != NULL) ? (x->note ? -1 : 1) : (int)x->reason - (int)y->reason;
}

static bool told_by_rule(enum drop_reason reason)
{
	return reason == DROP_RULE || reason == DROP_POLICY || reason == DROP_REJECT || reason == DROP_HOTDROP ||
	       reason == DROP_QUEUE;
}

/* Given: free(). */
static struct drop_row *drop_rows(const struct run *run, size_t *count)
{
	uint64_t by_rule = 0, of_rules = 0;
	struct drop_row *rows;
	size_t room = DROP_REASON_COUNT + 1, n = 0;

	for (const struct rule_note *note = run->notes.all; note; note = note->next)
		room += 2;
	rows = calloc(room, sizeof(*rows));
	*count = 0;
	if (!rows)
		return NULL;
	for (const struct rule_note *note = run->notes.all; note; note = note->next) {
		if (note->drops)
			rows[n++] = (struct drop_row){ note, DROP_RULE, note->drops, false };
		if (note->rejects)
			rows[n++] = (struct drop_row){ note, DROP_REJECT, note->rejects, true };
		by_rule += note->drops + note->rejects;
	}
	for (enum drop_reason reason = DROP_NONE + 1; reason < DROP_REASON_COUNT; reason++) {
		if (told_by_rule(reason))
			of_rules += run->stats->drops[reason];
		else if (run->stats->drops[reason])
			rows[n++] = (struct drop_row){ NULL, reason, run->stats->drops[reason], false };
	}
	if (of_rules > by_rule)		/* a rule's verdict whose rule is not known: a queue nobody reads */
		rows[n++] = (struct drop_row){ NULL, DROP_RULE, of_rules - by_rule, false };
	qsort(rows, n, sizeof(*rows), by_packets);
	*count = n;
	return rows;
}

/* --- coverage --- */

struct coverage {
	const struct run *run;
	struct instance *inst;
	uint64_t rules, hit;
	json_t *never_json;		/* NULL when text is made */
	struct strbuf *never_text;
	unsigned int listed;
	struct rule_printer *printer;
	uint8_t family;
};

static int compare_starts(const void *a, const void *b)
{
	const struct rule_start *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

struct start_list {
	struct run *run;
	size_t room;
	bool failed;
};

static void note_start(void *priv, const struct table_rule_view *rule)
{
	struct start_list *list = priv;
	struct run *run = list->run;

	if (rule->is_policy || !rule->ref.file || !rule->counters.pcnt || list->failed)
		return;
	if (run->start_count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		struct rule_start *more = realloc(run->starts, room * sizeof(*more));

		list->failed = !more;
		if (list->failed)
			return;
		run->starts = more;
		list->room = room;
	}
	run->starts[run->start_count++] = (struct rule_start){ rule->ref.family, rule->ref.line, rule->counters.pcnt };
}

int coverage_begin(struct run *run, struct refusal *why)
{
	struct start_list list = { .run = run };

	tables_each_rule(run->inst, NFPROTO_IPV4, note_start, &list);
	tables_each_rule(run->inst, NFPROTO_IPV6, note_start, &list);
	if (list.failed)
		return refuse(why, -ENOMEM, "no memory to remember the rules' counters");
	if (run->start_count)
		qsort(run->starts, run->start_count, sizeof(*run->starts), compare_starts);
	return 0;
}

/* Hit in this run: beyond what the snapshot's text said; counters that were set to zero meanwhile count from there. */
static bool was_hit(const struct run *run, const struct table_rule_view *rule)
{
	struct rule_start key = { rule->ref.family, rule->ref.line, 0 }, *start = NULL;

	if (rule->ref.file && run->start_count)
		start = bsearch(&key, run->starts, run->start_count, sizeof(key), compare_starts);
	return rule->counters.pcnt && (!start || rule->counters.pcnt != start->packets);
}

static void coverage_rule(void *priv, const struct table_rule_view *rule)
{
	struct coverage *c = priv;
	struct strbuf text = STRBUF_INIT;

	if (rule->is_policy)
		return;
	c->rules++;
	if (was_hit(c->run, rule)) {
		c->hit++;
		return;
	}
	if (!c->never_json && (!c->never_text || c->listed >= TEXT_ROWS_MAX)) {
		c->listed++;
		return;
	}
	rule_printer_print(c->printer, &rule->ref, &text);
	while (text.len && text.s[text.len - 1] == '\n')
		text.s[--text.len] = '\0';
	if (c->never_json)
		json_array_append_new(c->never_json, json_rule(c->family, rule->ref.table, rule->ref.chain, rule->ref.number,
							       rule->ref.file, rule->ref.line, sb_str(&text)));
	if (c->never_text && c->listed++ < TEXT_ROWS_MAX) {
		if (rule->ref.file)
			sb_printf(c->never_text, "           %s:%u  %s\n", rule->ref.file, rule->ref.line, sb_str(&text));
		else
			sb_printf(c->never_text, "           %s %s rule %u  %s\n", rule->ref.table, rule->ref.chain,
				  rule->ref.number, sb_str(&text));
	}
	sb_free(&text);
}

static void coverage_walk(struct run *run, struct coverage *c)
{
	c->run = run;
	c->inst = run->inst;
	c->printer = rule_printer_new(run->inst);
	c->family = NFPROTO_IPV4;
	tables_each_rule(run->inst, NFPROTO_IPV4, coverage_rule, c);
	c->family = NFPROTO_IPV6;
	tables_each_rule(run->inst, NFPROTO_IPV6, coverage_rule, c);
	rule_printer_free(c->printer);
}

/* --- what is said once --- */

static void note_add(struct strbuf *text, json_t *array, const char *file, uint64_t n, const char *sentence)
{
	char count[TIME_TEXT_MAX];

	if (!n)
		return;
	if (text)
		sb_printf(text, "note       %s: %s packet%s %s\n", file, count_text(n, count), n == 1 ? "" : "s", sentence);
	if (array)
		json_array_append_new(array, json_pack("{s:o, s:I, s:s}", "file", json_text(file), "packets", (json_int_t)n, "note",
						       sentence));
}

static void notes_add(const struct run *run, struct strbuf *text, json_t *array)
{
	for (unsigned int i = 0; i < run->inputs.count; i++) {
		const struct input *in = &run->inputs.list[i];

		note_add(text, array, in->path, in->truncated,
			 "were cut short by the capture; the missing bytes count as zero and their checksums as right");
		note_add(text, array, in->path, in->offloaded,
			 "had a checksum that was left to the network card; it was filled in");
		note_add(text, array, in->path, in->outbound, "are marked as sent by the captured host; they are not input");
		note_add(text, array, in->path, in->too_short, "are shorter than their link-layer header; they were passed over");
		note_add(text, array, in->path, in->back_in_time,
			 "are stamped earlier than a packet before them; they were taken in file order");
	}
	note_add(text, array, run->options.snapshot, run->stats->drops[DROP_OTHERHOST],
		 "were in frames for another host's address; is the interface's MAC in net.ip (link set IFACE address ...)?");
}

/* --- text --- */

static void text_drops(struct run *run, struct strbuf *out)
{
	char count[TIME_TEXT_MAX];
	struct drop_row *rows;
	size_t n, shown;

	rows = drop_rows(run, &n);
	shown = MIN_OF(n, (size_t)TEXT_ROWS_MAX);
	for (size_t i = 0; i < shown; i++) {
		const struct rule_note *note = rows[i].note;

		sb_printf(out, "%-10s %10s  ", i == 0 ? "drops" : "", count_text(rows[i].packets, count));
		if (!note) {
			sb_printf(out, "%s\n", drop_reason_sentence(rows[i].reason));
			continue;
		}
		if (note->file)
			sb_printf(out, "%s:%u  ", note->file, note->line);
		if (note->number)
			sb_printf(out, "%s %s: %s\n", note->table, note->chain, note->text);
		else
			sb_printf(out, "%s%s %s policy\n", note->family == NFPROTO_IPV6 ? "ip6 " : "", note->table, note->chain);
	}
	if (n > shown)
		sb_printf(out, "%-10s %zu more: --out DIR and see summary.json\n", "", n - shown);
	free(rows);
}

void summary_text(struct run *run, struct strbuf *out)
{
	struct run_stats *s = run->stats;
	struct strbuf never = STRBUF_INIT;
	struct coverage coverage = { .never_text = &never };
	char a[TIME_TEXT_MAX], b[TIME_TEXT_MAX], c[TIME_TEXT_MAX], d[TIME_TEXT_MAX];
	double seconds = (double)(s->last_ns - s->first_ns) / NSEC_PER_SEC;

	sb_printf(out, "%s packets over %.1f s%s   accept %s  drop %s  reject %s", count_text(s->packets, a), seconds,
		  s->interrupted ? " (interrupted)" : "", count_text(s->outcomes[OUTCOME_ACCEPT], b),
		  count_text(s->outcomes[OUTCOME_DROP], c), count_text(s->outcomes[OUTCOME_REJECT], d));
	if (s->outcomes[OUTCOME_HELD])
		sb_printf(out, "  kept %s (ARP and ND, fragments, waiting)", count_text(s->outcomes[OUTCOME_HELD], a));
	sb_addc(out, '\n');
	sb_printf(out, "%-10s %s forwarded, %s delivered to the host, %s made by weir\n", "out",
		  count_text(s->forwarded, a), count_text(s->delivered, b), count_text(s->made, c));
	text_drops(run, out);
	sb_printf(out, "%-10s %s now, peak %s; events: %s new, %s update, ", "conntrack",
		  count_text(ct_count(run->inst), a), count_text(ct_count_peak(run->inst), b),
		  count_text(s->events[CT_EVENT_NEW], c), count_text(s->events[CT_EVENT_UPDATE], d));
	sb_printf(out, "%s destroy\n", count_text(s->events[CT_EVENT_DESTROY], a));
	coverage_walk(run, &coverage);
	if (coverage.rules)
		sb_printf(out, "%-10s %llu of %llu rules hit%s\n", "coverage", (unsigned long long)coverage.hit,
			  (unsigned long long)coverage.rules, coverage.hit < coverage.rules ? "; never hit:" : "");
	sb_add(out, sb_str(&never), never.len);
	if (coverage.listed > TEXT_ROWS_MAX)
		sb_printf(out, "           %u more: --out DIR and see summary.json\n", coverage.listed - TEXT_ROWS_MAX);
	if (s->commands)
		sb_printf(out, "%-10s %s commands, %s failed\n", "script", count_text(s->commands, a),
			  count_text(s->commands_failed, b));
	if (s->logged || s->nflogged || s->invalid)
		sb_printf(out, "%-10s %s lines, %s to NFLOG, %s reasons for INVALID\n", "logged", count_text(s->logged, a),
			  count_text(s->nflogged, b), count_text(s->invalid, c));
	notes_add(run, out, NULL);
	if (run->options.out)
		sb_printf(out, "%-10s %s\n", "written", run->options.out);
	sb_free(&never);
}

/* --- JSON --- */

static json_t *json_drops(struct run *run)
{
	json_t *array = json_array();
	struct drop_row *rows;
	size_t n;

	rows = drop_rows(run, &n);
	for (size_t i = 0; i < n; i++) {
		const struct rule_note *note = rows[i].note;
		json_t *row = json_pack("{s:I, s:s}", "packets", (json_int_t)rows[i].packets, "reason",
					note && !note->number ? drop_reason_word(DROP_POLICY) :
					drop_reason_word(rows[i].reason));

		if (note)
			json_object_set_new(row, "rule", json_rule(note->family, note->table, note->chain, note->number,
								   note->file, note->line, note->text));
		json_array_append_new(array, row);
	}
	free(rows);
	return array;
}

static json_t *json_inputs(const struct run *run)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < run->inputs.count; i++) {
		const struct input *in = &run->inputs.list[i];

		json_array_append_new(array, json_pack("{s:o, s:o, s:I, s:I}", "file", json_text(in->path),
			"interface", json_text(in->is_local ? "local" : in->port), "packets", (json_int_t)in->packets, "filtered",
			(json_int_t)in->filtered));
	}
	return array;
}

static json_t *json_ifaces(const struct run *run)
{
	json_t *object = json_object();

	list_for_each(node, &run->inst->ifaces) {
		const struct iface *i = list_entry(node, struct iface, node);

		struct strbuf name = STRBUF_INIT;

		sb_add_utf8(&name, i->name);
		json_object_set_new(object, sb_str(&name), json_pack("{s:I, s:I, s:I, s:I}",
			"rx_packets", (json_int_t)i->stats.rx_packets, "rx_bytes", (json_int_t)i->stats.rx_bytes,
			"tx_packets", (json_int_t)i->stats.tx_packets, "tx_bytes", (json_int_t)i->stats.tx_bytes));
		sb_free(&name);
	}
	return object;
}

void summary_json(struct run *run, struct strbuf *out)
{
	struct run_stats *s = run->stats;
	struct coverage coverage = { .never_json = json_array() };
	char now[TIME_TEXT_MAX], first[TIME_TEXT_MAX], last[TIME_TEXT_MAX], *text;
	json_t *root, *notes = json_array();

	coverage_walk(run, &coverage);
	notes_add(run, NULL, notes);
	root = json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:b, s:o}", "schema", 1, "weir", WEIR_VERSION, "seed",
			 (json_int_t)run->options.seed, "first", time_text(s->first_ns, first), "last",
			 time_text(s->last_ns, last), "now", time_text(run->inst->now_ns, now), "interrupted",
			 (int)s->interrupted, "inputs", json_inputs(run));
	json_object_set_new(root, "packets", json_integer((json_int_t)s->packets));
	json_object_set_new(root, "bytes", json_integer((json_int_t)s->bytes));
	json_object_set_new(root, "verdicts", json_pack("{s:I, s:I, s:I, s:I}",
		"accept", (json_int_t)s->outcomes[OUTCOME_ACCEPT], "drop", (json_int_t)s->outcomes[OUTCOME_DROP],
		"reject", (json_int_t)s->outcomes[OUTCOME_REJECT], "kept", (json_int_t)s->outcomes[OUTCOME_HELD]));
	json_object_set_new(root, "out", json_pack("{s:I, s:I, s:I, s:I}", "forwarded", (json_int_t)s->forwarded,
		"delivered", (json_int_t)s->delivered, "made", (json_int_t)s->made, "made_dropped", (json_int_t)s->made_lost));
	json_object_set_new(root, "interfaces", json_ifaces(run));
	json_object_set_new(root, "drops", json_drops(run));
	json_object_set_new(root, "conntrack", json_pack("{s:i, s:i, s:I, s:I, s:I, s:I}", "entries",
		(int)ct_count(run->inst), "peak", (int)ct_count_peak(run->inst), "new", (json_int_t)s->events[CT_EVENT_NEW],
		"update", (json_int_t)s->events[CT_EVENT_UPDATE], "destroy", (json_int_t)s->events[CT_EVENT_DESTROY],
		"invalid_reasons", (json_int_t)s->invalid));
	json_object_set_new(root, "coverage", json_pack("{s:I, s:I, s:o}", "rules", (json_int_t)coverage.rules, "hit",
		(json_int_t)coverage.hit, "never_hit", coverage.never_json));
	json_object_set_new(root, "logged", json_pack("{s:I, s:I}", "lines", (json_int_t)s->logged, "nflog",
		(json_int_t)s->nflogged));
	json_object_set_new(root, "script", json_pack("{s:I, s:I}", "commands", (json_int_t)s->commands, "failed",
		(json_int_t)s->commands_failed));
	json_object_set_new(root, "notes", notes);
	text = json_dumps(root, JSON_INDENT(1));
	if (text) {
		sb_adds(out, text);
		sb_addc(out, '\n');
	} else {
		out->failed = true;
	}
	free(text);
	json_decref(root);
}
