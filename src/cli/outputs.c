/*
 * cli/outputs.c - what a run leaves behind: listens to the instance, counts, and writes captures and texts.
 * Everything is stamped with the instance's clock, which stands at the time of the cause.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/run.h"
#include "cli/sink.h"
#include "conntrack/conntrack.h"
#include "conntrack/expect.h"

enum { PORT_INDEX_MAX = 4096, HOST_SENT = 0x80 };

struct outputs {
	struct run *run;
	struct sinks *sinks;		/* NULL: nothing is written, only counted */
	struct sink *events, *log, *nflog, *invalid, *script;
	struct pcapng *local, *dropped;
	struct port { char name[IFNAMSIZ]; struct pcapng *ng; int number; struct port *next; } *ports;
	struct port *by_index[PORT_INDEX_MAX];
	struct strbuf line, comment;	/* reused */
};

static struct pcapng *capture_new(struct outputs *out, const char *name, struct refusal *why)
{
	char file[64];
	struct sink *sink;
	struct pcapng *ng;

	snprintf(file, sizeof(file), "%s.pcapng", name);
	sink = sink_open(out->sinks, file, why);
	if (!sink)
		return NULL;
	ng = pcapng_new(sink_write, sink, "weir " WEIR_VERSION);
	if (!ng)
		refuse(why, -ENOMEM, "no memory for %s", file);
	return ng;
}

static uint32_t iface_linktype(const struct iface *iface)
{
	return iface->type == ARPHRD_NONE ? LINK_RAW : LINK_ETHERNET;
}

static struct port *port_of(struct outputs *out, const struct iface *iface, struct refusal *why)
{
	struct port *port;

	if (iface->index < PORT_INDEX_MAX && out->by_index[iface->index])
		return out->by_index[iface->index];
	for (port = out->ports; port; port = port->next)
		if (strcmp(port->name, iface->name) == 0)
			break;
	if (!port) {
		port = calloc(1, sizeof(*port));
		if (!port) {
			refuse(why, -ENOMEM, "no memory for %s.pcapng", iface->name);
			return NULL;
		}
		snprintf(port->name, sizeof(port->name), "%s", iface->name);
		port->ng = capture_new(out, iface->name, why);
		port->number = port->ng ? pcapng_iface(port->ng, iface->name, iface_linktype(iface)) : -1;
		if (port->number < 0) {
			pcapng_free(port->ng);
			free(port);
			return NULL;
		}
		port->next = out->ports;
		out->ports = port;
	}
	if (iface->index < PORT_INDEX_MAX)
		out->by_index[iface->index] = port;
	return port;
}

/* --- counting --- */

static inline bool is_made(const struct outputs *out, const struct pkt *pkt)
{
	return (pkt->flags & PKT_FLAG_LOCAL) && !(out->run->stats->window[pkt->serial % OUTCOME_WINDOW] & HOST_SENT);
}

/* The best that became of an input packet counts: it left or arrived, else it was rejected, else dropped. */
static inline void outcome_note(struct outputs *out, const struct pkt *pkt, enum outcome now)
{
	struct run_stats *stats = out->run->stats;
	uint8_t *slot = &stats->window[pkt->serial % OUTCOME_WINDOW];
	enum outcome before = *slot & 3;

	if (pkt->serial == 0 || pkt->serial + OUTCOME_WINDOW <= stats->packets || now <= before)
		return;
	stats->outcomes[before]--;
	stats->outcomes[now]++;
	*slot = (uint8_t)((*slot & HOST_SENT) | now);
}

/* --- comments --- */

static void comment_begin(struct outputs *out, const char *word, const struct table_rule_ref *rule)
{
	const struct rule_note *note = note_of(&out->run->notes, out->run->inst, rule);

	sb_reset(&out->comment);
	sb_adds(&out->comment, word);
	if (note)
		sb_printf(&out->comment, " by %s", note->comment);
}

/* What left an interface is written. */
static __attribute__((noinline)) void transmit_write(struct outputs *out, const struct iface *iface, const struct pkt *cause, bool made, const void *frame, uint32_t len)
{
	struct port *port = port_of(out, iface, NULL);

	if (!port)
		return;
	if (made) {
		sb_reset(&out->comment);
		if (cause && cause->serial)
			sb_printf(&out->comment, "made by weir, caused by input packet %llu", (unsigned long long)cause->serial);
		else
			sb_adds(&out->comment, "made by weir");
	} else {
		comment_begin(out, "accept", cause->rule);
	}
	pcapng_packet(port->ng, port->number, out->run->inst->now_ns, NULL, 0, frame, len, sb_str(&out->comment));
}

static void on_transmit(void *priv, struct iface *iface, const struct pkt *cause, const void *frame, uint32_t len)
{
	struct outputs *out = priv;
	const bool made = unlikely(!cause) || is_made(out, cause);

	if (made) {
		out->run->stats->made++;
	} else {
		out->run->stats->forwarded++;
		outcome_note(out, cause, OUTCOME_ACCEPT);
	}
	if (out->sinks)
		transmit_write(out, iface, cause, made, frame, len);
}

static void on_deliver(void *priv, const struct pkt *pkt)
{
	struct outputs *out = priv;
	int number;

	out->run->stats->delivered++;
	if (!is_made(out, pkt))
		outcome_note(out, pkt, OUTCOME_ACCEPT);
	if (!out->sinks)
		return;
	number = pcapng_iface(out->local, pkt->in ? pkt->in->name : "lo", LINK_RAW);
	if (number < 0)
		return;
	comment_begin(out, "accept", pkt->rule);
	pcapng_packet(out->local, number, out->run->inst->now_ns, NULL, 0, pkt->data, pkt->len, sb_str(&out->comment));
}

static bool is_rules_doing(enum drop_reason reason)
{
	return reason == DROP_RULE || reason == DROP_POLICY || reason == DROP_REJECT || reason == DROP_HOTDROP ||
	       reason == DROP_QUEUE;
}

static void on_drop(void *priv, const struct pkt *pkt)
{
	struct outputs *out = priv;
	struct run_stats *stats = out->run->stats;
	enum drop_reason reason = pkt->drop_reason < DROP_REASON_COUNT ? pkt->drop_reason : DROP_HOOK;
	const struct table_rule_ref *rule = is_rules_doing(reason) ? pkt->rule : NULL;
	uint8_t header[ETH_HLEN];
	uint32_t header_len = 0;
	int number;

	if (is_made(out, pkt)) {
		stats->made_lost++;
	} else {
		struct rule_note *note = note_of(&out->run->notes, out->run->inst, rule);

		outcome_note(out, pkt, reason == DROP_REJECT ? OUTCOME_REJECT : OUTCOME_DROP);
		stats->drops[reason]++;
		if (note && reason == DROP_REJECT)
			note->rejects++;
		else if (note)
			note->drops++;
	}
	if (!out->sinks)
		return;
	if (pkt->mac && pkt->mac_len >= ETH_HLEN && pkt->in) {	/* addresses as received, type of what follows now */
		header_len = ETH_HLEN;
		memcpy(header, pkt->mac, 12);
		if (pkt->protocol >= ETH_P_802_3_MIN)
			put_be16(header + 12, pkt->protocol);
		else
			memcpy(header + 12, pkt->mac + 12, 2);
	}
	number = pcapng_iface(out->dropped, pkt->in ? pkt->in->name : "local", header_len ? LINK_ETHERNET : LINK_RAW);
	if (number < 0)
		return;
	comment_begin(out, reason == DROP_REJECT ? "reject" : "drop", rule);
	if (!rule)
		sb_printf(&out->comment, ": %s", drop_reason_sentence(reason));
	pcapng_packet(out->dropped, number, out->run->inst->now_ns, header, header_len, pkt->data, pkt->len,
		      sb_str(&out->comment));
}

static void line_begin(struct outputs *out)
{
	char when[TIME_TEXT_MAX];

	sb_reset(&out->line);
	sb_printf(&out->line, "%s ", time_text(out->run->inst->now_ns, when));
}

static void on_ct_event(void *priv, const struct ct_event *event)
{
	struct outputs *out = priv;
	size_t from;

	if ((size_t)event->kind < ARRAY_SIZE(out->run->stats->events))
		out->run->stats->events[event->kind]++;
	if (!out->sinks)
		return;
	line_begin(out);
	from = out->line.len;
	ct_event_print(out->run->inst, event, CT_TEXT_EXTENDED, &out->line);
	while (out->line.len > from && out->line.s[out->line.len - 1] == '\n')
		out->line.s[--out->line.len] = '\0';
	sb_addc(&out->line, '\n');
	sink_text(out->events, &out->line);
}

static void on_expect_event(void *priv, const struct ct_expect *exp, bool ended)
{
	struct outputs *out = priv;

	if (!out->sinks)
		return;
	line_begin(out);
	ct_expect_event_print(out->run->inst, exp, ended, &out->line);
	sb_addc(&out->line, '\n');
	sink_text(out->events, &out->line);
}

static void on_helper(void *priv, const struct pkt *pkt, const char *name, const char *reason)
{
	struct outputs *out = priv;

	if (!out->sinks)
		return;
	line_begin(out);
	sb_printf(&out->line, "nf_ct_%s: dropping packet: %s\n", name, reason);
	sink_text(out->invalid, &out->line);
}

static void on_log(void *priv, int level, const char *text)
{
	struct outputs *out = priv;

	out->run->stats->logged++;
	if (!out->sinks)
		return;
	line_begin(out);
	sb_printf(&out->line, "<%d>", level);
	for (; *text; text++)		/* a newline within shows as in /dev/kmsg */
		sb_printf(&out->line, *text == '\n' ? "\\x0a" : "%c", *text);
	sb_addc(&out->line, '\n');
	sink_text(out->log, &out->line);
}

static void json_text(struct strbuf *sb, const char *text)
{
	sb_addc(sb, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			sb_printf(sb, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)		/* prefixes are bytes; Latin-1 keeps each of them */
			sb_printf(sb, "\\u%04x", c);
		else
			sb_addc(sb, (char)c);
	}
	sb_addc(sb, '"');
}

static void json_hex(struct strbuf *sb, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	sb_addc(sb, '"');
	for (size_t i = 0; i < len; i++) {
		sb_addc(sb, digits[bytes[i] >> 4]);
		sb_addc(sb, digits[bytes[i] & 15]);
	}
	sb_addc(sb, '"');
}

static void on_nflog(void *priv, const struct pkt *pkt, const struct nflog *log)
{
	struct outputs *out = priv;
	char when[TIME_TEXT_MAX];
	struct strbuf *sb = &out->line;
	static const char *const hooks[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

	out->run->stats->nflogged++;
	if (!out->sinks)
		return;
	sb_reset(sb);
	sb_printf(sb, "{\"time\":\"%s\",\"group\":%u,\"prefix\":", time_text(out->run->inst->now_ns, when), log->group);
	json_text(sb, log->prefix);
	sb_printf(sb, ",\"family\":%u", pkt->l.family);
	if (pkt->hook && pkt->hook->hooknum < ARRAY_SIZE(hooks))
		sb_printf(sb, ",\"hook\":\"%s\"", hooks[pkt->hook->hooknum]);
	if (pkt->hook && pkt->hook->in) {
		sb_adds(sb, ",\"in\":");
		json_text(sb, pkt->hook->in->name);
	}
	if (pkt->hook && pkt->hook->out) {
		sb_adds(sb, ",\"out\":");
		json_text(sb, pkt->hook->out->name);
	}
	sb_printf(sb, ",\"mark\":%u,\"packet\":", pkt->mark);
	json_hex(sb, pkt->data, MIN_OF(log->copy_len, pkt->len));
	sb_adds(sb, "}\n");
	sink_text(out->nflog, sb);
}

static void on_invalid(void *priv, const struct pkt *pkt, uint8_t l4proto, const char *reason)
{
	struct outputs *out = priv;

	out->run->stats->invalid++;
	if (!out->sinks)
		return;
	line_begin(out);
	sb_printf(&out->line, "nf_ct_proto_%u: %.*s\n", l4proto, (int)strcspn(reason, "\n"), reason);
	sink_text(out->invalid, &out->line);
}

/* --- life --- */

static int files_open(struct outputs *out, struct refusal *why)
{
	static const struct { const char *name; size_t at; } texts[] = {
		{ "events.txt", offsetof(struct outputs, events) }, { "log.txt", offsetof(struct outputs, log) },
		{ "nflog.jsonl", offsetof(struct outputs, nflog) }, { "invalid.txt", offsetof(struct outputs, invalid) },
		{ "script.txt", offsetof(struct outputs, script) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct sink *sink = sink_open(out->sinks, texts[i].name, why);

		if (!sink)
			return -EIO;
		memcpy((char *)out + texts[i].at, &sink, sizeof(sink));
	}
	out->local = capture_new(out, "local", why);
	out->dropped = capture_new(out, "dropped", why);
	if (!out->local || !out->dropped)
		return -EIO;
	list_for_each(node, &out->run->inst->ifaces) {
		struct iface *iface = list_entry(node, struct iface, node);

		if (!iface->is_loopback && !iface->vlan_parent && !port_of(out, iface, why))
			return -EIO;
	}
	return 0;
}

int outputs_open(struct run *run, struct outputs **given, struct refusal *why)
{
	struct outputs *out = calloc(1, sizeof(*out));
	struct observer *observer = &run->inst->observer;
	int err = 0;

	if (!out)
		return refuse(why, -ENOMEM, "no memory for the outputs");
	out->run = run;
	if (run->options.out || (run->script && script_takes_snapshots(run->script)))
		err = sinks_new(run->options.out, &out->sinks, why);
	if (!err && out->sinks)
		err = files_open(out, why);
	if (err) {
		outputs_free(out);
		return err;
	}
	*observer = (struct observer){
		.priv = out, .transmit = on_transmit, .deliver = on_deliver, .drop = on_drop, .ct_event = on_ct_event,
		.log = on_log, .nflog = on_nflog, .invalid = on_invalid,
		.expect_event = on_expect_event, .helper = on_helper,
	};
	*given = out;
	return 0;
}

void outputs_free(struct outputs *out)
{
	if (!out)
		return;
	if (out->run->inst)
		out->run->inst->observer = (struct observer){ 0 };
	for (struct port *p = out->ports, *next; p; p = next) {
		next = p->next;
		pcapng_free(p->ng);
		free(p);
	}
	pcapng_free(out->local);
	pcapng_free(out->dropped);
	sinks_free(out->sinks);
	sb_free(&out->line);
	sb_free(&out->comment);
	free(out);
}

static void print_expectation(void *priv, const struct ct_expect *exp)
{
	void **args = priv;
	struct strbuf *text = args[1];

	ct_expect_print(args[0], exp, text);
	sb_addc(text, '\n');
}

static bool print_connection(void *priv, struct ct *ct)
{
	void **args = priv;
	struct strbuf *text = args[1];

	ct_print(args[0], ct, CT_TEXT_EXTENDED, text);
	if (text->len && text->s[text->len - 1] != '\n')
		sb_addc(text, '\n');
	return true;
}

/* What is not a stream but a state: rules, connections, the summary. */
static int state_write(struct outputs *out, const char *dir, struct refusal *why)
{
	struct instance *inst = out->run->inst;
	struct strbuf text = STRBUF_INIT;
	void *args[] = { inst, &text };
	int err;

	rules_save(inst, NFPROTO_IPV4, true, inst->now_ns, &text);
	err = file_write(dir, "rules.v4", &text, why);
	sb_reset(&text);
	rules_save(inst, NFPROTO_IPV6, true, inst->now_ns, &text);
	if (!err)
		err = file_write(dir, "rules.v6", &text, why);
	sb_reset(&text);
	ct_each(inst, print_connection, args);
	if (!err)
		err = file_write(dir, "conntrack.txt", &text, why);
	sb_reset(&text);
	ct_expect_each(inst, print_expectation, args);
	if (!err)
		err = file_write(dir, "expect.txt", &text, why);
	summary_json(out->run, &text);
	if (!err)
		err = file_write(dir, "summary.json", &text, why);
	if (!err)
		err = visible_write(inst, dir, why);
	sb_free(&text);
	return err;
}

int outputs_finish(struct outputs *out, struct refusal *why)
{
	int err = 0;

	if (!out->sinks || !out->run->options.out)
		return 0;
	err = state_write(out, sinks_dir(out->sinks), why);
	return err ? err : sinks_finish(out->sinks, why);
}

int outputs_snapshot(struct outputs *out, const char *dir, struct refusal *why)
{
	int err = dir_make(dir, why);

	if (!err)
		err = sinks_copy(out->sinks, dir, why);
	return err ? err : state_write(out, dir, why);
}

void outputs_script_line(struct outputs *out, int64_t when_ns, const char *command, const char *text, int code)
{
	char when[TIME_TEXT_MAX];
	size_t len = strlen(text);

	if (!out->sinks)
		return;
	sb_reset(&out->line);
	sb_printf(&out->line, "%s $ %s\n%s%s[exit %d]\n", time_text(when_ns, when), command, text,
		  len && text[len - 1] != '\n' ? "\n" : "", code);
	sink_text(out->script, &out->line);
}

void outputs_rules_changed(struct outputs *out)
{
	notes_forget_refs(&out->run->notes);
}
