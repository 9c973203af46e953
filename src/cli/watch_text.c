/*
 * cli/watch_text.c - what was counted, as text. Of rules and connections only the busiest are shown: whoever watches asks every
 * second, and there may be a million.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "cli/cli.h"
#include "cli/watch.h"
#include "conntrack/conntrack.h"
#include "conntrack/expect.h"
#include "table/table.h"

enum { TOP_RULES = 24, TOP_FLOWS = 24, FLOWS_SORTED_MAX = 100000, METRIC_RULES_MAX = 5000 };

static const char *const hook_names[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "elsewhere" };

/* --- the busiest --- */

struct top_rule { struct table_rule_ref ref; struct xt_counters counters; };
struct top_rules { struct top_rule at[TOP_RULES]; unsigned int count; };

static void note_rule(void *priv, const struct table_rule_view *rule)
{
	struct top_rules *top = priv;
	unsigned int i = top->count;

	if (rule->is_policy || !rule->ref.number || !rule->counters.pcnt)
		return;
	if (top->count < TOP_RULES)
		top->count++;
	else if (top->at[--i].counters.pcnt >= rule->counters.pcnt)
		return;
	for (; i && top->at[i - 1].counters.pcnt < rule->counters.pcnt; i--)
		top->at[i] = top->at[i - 1];
	top->at[i] = (struct top_rule){ rule->ref, rule->counters };
}

struct top_flows { struct ct *at[TOP_FLOWS]; uint64_t weight[TOP_FLOWS]; unsigned int count; };

static uint64_t bytes_of(const struct ct *ct)
{
	const struct ct_counter *a = ct_counter(ct, IP_CT_DIR_ORIGINAL), *b = ct_counter(ct, IP_CT_DIR_REPLY);

	return a && b ? a->bytes + b->bytes : 0;
}

static uint64_t packets_of(const struct ct *ct)
{
	const struct ct_counter *a = ct_counter(ct, IP_CT_DIR_ORIGINAL), *b = ct_counter(ct, IP_CT_DIR_REPLY);

	return a && b ? a->packets + b->packets : 0;
}

static bool note_flow(void *priv, struct ct *ct)
{
	struct top_flows *top = priv;
	uint64_t weight = bytes_of(ct);
	unsigned int i = top->count;

	if (top->count < TOP_FLOWS)
		top->count++;
	else if (top->weight[--i] >= weight)
		return true;
	for (; i && top->weight[i - 1] < weight; i--) {
		top->at[i] = top->at[i - 1];
		top->weight[i] = top->weight[i - 1];
	}
	top->at[i] = ct;
	top->weight[i] = weight;
	return true;
}

/* "tcp ESTABLISHED src=... dst=..." without the counters that stand beside it. */
static void flow_text(const struct instance *inst, const struct ct *ct, struct strbuf *out)
{
	const struct ct_tuple *o = ct_tuple(ct, IP_CT_DIR_ORIGINAL), *r = ct_tuple(ct, IP_CT_DIR_REPLY);
	int family = o->family == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN], c[INET6_ADDRSTRLEN];
	bool has_ports = o->proto == IPPROTO_TCP || o->proto == IPPROTO_UDP || o->proto == IPPROTO_SCTP;

	inet_ntop(family, &o->src, a, sizeof(a));
	inet_ntop(family, &o->dst, b, sizeof(b));
	sb_printf(out, "%s %s", ct_proto_name(o->proto), o->proto == IPPROTO_TCP ? ct_tcp_state_name(ct->proto.tcp.state) : "");
	if (o->proto == IPPROTO_TCP)
		sb_addc(out, ' ');
	if (has_ports)
		sb_printf(out, "%s:%u > %s:%u", a, ntohs(o->src_l4.port), b, ntohs(o->dst_l4.port));
	else
		sb_printf(out, "%s > %s", a, b);
	if (ct->status & IPS_SRC_NAT) {
		inet_ntop(family, &r->dst, c, sizeof(c));
		sb_printf(out, has_ports ? " as %s:%u" : " as %s", c, ntohs(r->dst_l4.port));
	}
	if (ct->status & IPS_DST_NAT) {
		inet_ntop(family, &r->src, c, sizeof(c));
		sb_printf(out, has_ports ? " at %s:%u" : " at %s", c, ntohs(r->src_l4.port));
	}
	if (ct->mark)
		sb_printf(out, " mark %u", ct->mark);
}

static void rule_text(struct rule_printer *printer, const struct table_rule_ref *ref, struct strbuf *out)
{
	sb_printf(out, "%s%s %s %u: ", ref->family == NFPROTO_IPV6 ? "v6 " : "", ref->table, ref->chain, ref->number);
	if (printer)
		rule_printer_print(printer, ref, out);
}

static struct top_rules *busiest_rules(struct instance *inst)
{
	struct top_rules *top = calloc(1, sizeof(*top));

	if (!top)
		return NULL;
	tables_each_rule(inst, NFPROTO_IPV4, note_rule, top);
	tables_each_rule(inst, NFPROTO_IPV6, note_rule, top);
	return top;
}

/* --- lines --- */

/* One line whatever the rule's comment holds. */
static void end_line(struct strbuf *out, size_t from)
{
	for (size_t i = from; i < out->len; i++)
		if ((unsigned char)out->s[i] < ' ')
			out->s[i] = ' ';
	sb_addc(out, '\n');
}

void watch_lines(const struct watch *w, struct instance *inst, struct strbuf *out)
{
	struct rule_printer *printer = rule_printer_new(inst);
	struct top_rules *rules = busiest_rules(inst);
	struct top_flows flows = { .count = 0 };
	size_t from;

	sb_printf(out, "sum %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u\n", w->forwarded, w->delivered, w->sent, w->drops,
		  ct_count(inst));
	list_for_each(node, &inst->ifaces) {
		const struct iface *i = list_entry(node, struct iface, node);

		sb_printf(out, "link %" PRIu64 " %" PRIu64 " %s in\nlink %" PRIu64 " %" PRIu64 " %s out\n", i->stats.rx_packets,
			  i->stats.rx_bytes, i->name, i->stats.tx_packets, i->stats.tx_bytes, i->name);
	}
	for (unsigned int i = 0; rules && i < rules->count; i++) {
		sb_printf(out, "rule %" PRIu64 " %" PRIu64 " ", (uint64_t)rules->at[i].counters.pcnt, (uint64_t)rules->at[i].counters.bcnt);
		from = out->len;
		rule_text(printer, &rules->at[i].ref, out);
		end_line(out, from);
	}
	if (ct_count(inst) <= FLOWS_SORTED_MAX)
		ct_each(inst, note_flow, &flows);
	for (unsigned int i = 0; i < flows.count; i++) {
		sb_printf(out, "flow %" PRIu64 " %" PRIu64 " ", packets_of(flows.at[i]), flows.weight[i]);
		flow_text(inst, flows.at[i], out);
		sb_addc(out, '\n');
	}
	for (unsigned int i = 0; i < w->rule_count; i++) {
		sb_printf(out, "drop %" PRIu64 " 0 ", w->rules[i].packets);
		from = out->len;
		sb_adds(out, w->rules[i].text);
		end_line(out, from);
	}
	for (unsigned int i = 0; i < DROP_REASON_COUNT; i++)
		if (w->reasons[i] && i != DROP_RULE && i != DROP_POLICY && i != DROP_REJECT)
			sb_printf(out, "drop %" PRIu64 " 0 %s\n", w->reasons[i], drop_reason_sentence(i));
	rule_printer_free(printer);
	free(rules);
}

/* --- JSON --- */

static void add_text(struct strbuf *out, const char *text)
{
	struct strbuf utf8 = STRBUF_INIT;

	sb_add_utf8(&utf8, text);
	sb_addc(out, '"');
	for (const char *c = sb_str(&utf8); *c; c++) {
		if (*c == '"' || *c == '\\')
			sb_addc(out, '\\');
		if ((unsigned char)*c < ' ')
			sb_printf(out, "\\u%04x", *c);
		else
			sb_addc(out, *c);
	}
	sb_addc(out, '"');
	sb_free(&utf8);
}

/* A chain of a hook: its rules' packets and its policy's. */
struct chains {
	struct strbuf *out;
	bool any;
	char table[XT_TABLE_MAXNAMELEN], chain[XT_EXTENSION_MAXNAMELEN];
	uint8_t family;
	unsigned int rules;
	uint64_t hits;
};

static void note_chain(void *priv, const struct table_rule_view *rule)
{
	struct chains *c = priv;

	if (strcmp(c->table, rule->ref.table) || strcmp(c->chain, rule->ref.chain) || c->family != rule->ref.family) {
		snprintf(c->table, sizeof(c->table), "%s", rule->ref.table);
		snprintf(c->chain, sizeof(c->chain), "%s", rule->ref.chain);
		c->family = rule->ref.family;
		c->rules = 0;
		c->hits = 0;
	}
	if (!rule->is_policy) {
		c->rules++;
		c->hits += rule->counters.pcnt;
		return;
	}
	if (!rule->policy)
		return;
	sb_printf(c->out, "%s{\"v\":%d,\"table\":\"%s\",\"chain\":", c->any ? "," : "", c->family == NFPROTO_IPV6 ? 6 : 4, c->table);
	add_text(c->out, c->chain);
	sb_printf(c->out, ",\"rules\":%u,\"hits\":%" PRIu64 ",\"policy\":\"%s\",\"packets\":%" PRIu64 "}", c->rules, c->hits, rule->policy,
		  (uint64_t)rule->counters.pcnt);
	c->any = true;
}

static void add_links(const struct instance *inst, struct strbuf *out)
{
	const char *sep = "";

	sb_adds(out, ",\"links\":[");
	list_for_each(node, &inst->ifaces) {
		const struct iface *i = list_entry(node, struct iface, node);

		sb_printf(out, "%s{\"name\":", sep);
		add_text(out, i->name);
		sb_printf(out, ",\"up\":%s,\"in\":[%" PRIu64 ",%" PRIu64 "],\"out\":[%" PRIu64 ",%" PRIu64 "],\"lost\":%" PRIu64 "}",
			  i->up ? "true" : "false", i->stats.rx_packets, i->stats.rx_bytes, i->stats.tx_packets, i->stats.tx_bytes,
			  i->stats.rx_dropped);
		sep = ",";
	}
	sb_addc(out, ']');
}

static void add_drops(const struct watch *w, struct strbuf *out)
{
	uint64_t first = w->recent_count > WATCH_RECENT ? w->recent_count - WATCH_RECENT : 0;
	const char *sep = "";

	sb_adds(out, ",\"drops\":[");
	for (unsigned int i = 0; i < w->rule_count; i++, sep = ",") {
		sb_printf(out, "%s[%" PRIu64 ",", sep, w->rules[i].packets);
		add_text(out, w->rules[i].text);
		sb_addc(out, ']');
	}
	for (unsigned int i = 0; i < DROP_REASON_COUNT; i++) {
		if (!w->reasons[i] || i == DROP_RULE || i == DROP_POLICY || i == DROP_REJECT)
			continue;
		sb_printf(out, "%s[%" PRIu64 ",", sep, w->reasons[i]);
		add_text(out, drop_reason_sentence(i));
		sb_addc(out, ']');
		sep = ",";
	}
	sb_adds(out, "],\"recent\":[");
	sep = "";
	for (uint64_t i = w->recent_count; i-- > first; sep = ",") {
		sb_printf(out, "%s[%" PRId64 ",", sep, w->recent[i % WATCH_RECENT].when_ns / 1000000);
		add_text(out, w->recent[i % WATCH_RECENT].text);
		sb_addc(out, ']');
	}
	sb_addc(out, ']');
}

static void add_busiest(struct instance *inst, struct strbuf *out)
{
	struct rule_printer *printer = rule_printer_new(inst);
	struct top_rules *rules = busiest_rules(inst);
	struct top_flows flows = { .count = 0 };
	struct strbuf text = STRBUF_INIT;

	sb_adds(out, ",\"rules\":[");
	for (unsigned int i = 0; rules && i < rules->count; i++) {
		sb_reset(&text);
		rule_text(printer, &rules->at[i].ref, &text);
		sb_printf(out, "%s[%" PRIu64 ",%" PRIu64 ",", i ? "," : "", (uint64_t)rules->at[i].counters.pcnt,
			  (uint64_t)rules->at[i].counters.bcnt);
		add_text(out, sb_str(&text));
		sb_addc(out, ']');
	}
	sb_adds(out, "],\"flows\":[");
	if (ct_count(inst) <= FLOWS_SORTED_MAX)
		ct_each(inst, note_flow, &flows);
	for (unsigned int i = 0; i < flows.count; i++) {
		sb_reset(&text);
		flow_text(inst, flows.at[i], &text);
		sb_printf(out, "%s[%" PRIu64 ",%" PRIu64 ",%u,", i ? "," : "", packets_of(flows.at[i]), flows.weight[i],
			  ct_expires_sec(inst, flows.at[i]));
		add_text(out, sb_str(&text));
		sb_addc(out, ']');
	}
	sb_addc(out, ']');
	rule_printer_free(printer);
	free(rules);
	sb_free(&text);
}

void watch_json(const struct watch *w, struct instance *inst, struct strbuf *out)
{
	struct chains chains = { .out = out };
	struct strbuf max = STRBUF_INIT;

	sysctl_get(inst->sysctls, "net.netfilter.nf_conntrack_max", &max, NULL);
	sb_printf(out, "{\"now\":%" PRId64 ",\"up\":%" PRId64 ",\"forwarded\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"sent\":%" PRIu64
		  ",\"dropped\":%" PRIu64 ",\"at\":[", inst->now_ns / 1000000, (inst->now_ns - w->began_ns) / NSEC_PER_SEC, w->forwarded,
		  w->delivered, w->sent, w->drops);
	for (size_t i = 0; i < ARRAY_SIZE(w->hooks); i++)
		sb_printf(out, "%s%" PRIu64, i ? "," : "", w->hooks[i]);
	sb_printf(out, "],\"ct\":%u,\"ctmax\":%s,\"ctpeak\":%u", ct_count(inst), max.len ? sb_str(&max) : "0", ct_count_peak(inst));
	add_links(inst, out);
	sb_adds(out, ",\"chains\":[");
	tables_each_rule(inst, NFPROTO_IPV4, note_chain, &chains);
	tables_each_rule(inst, NFPROTO_IPV6, note_chain, &chains);
	sb_addc(out, ']');
	add_drops(w, out);
	add_busiest(inst, out);
	sb_addc(out, '}');
	sb_free(&max);
}

/* --- Prometheus --- */

static void label(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			sb_addc(out, '\\');
		if (*text == '\n')
			sb_adds(out, "\\n");
		else
			sb_addc(out, *text);
	}
}

static void metric(struct strbuf *out, const char *name, const char *kind, const char *help)
{
	sb_printf(out, "# HELP weir_%s %s\n# TYPE weir_%s %s\n", name, help, name, kind);
}

struct rule_metrics { struct strbuf *out; bool bytes; unsigned int count; };

static void rule_metric(void *priv, const struct table_rule_view *rule)
{
	struct rule_metrics *m = priv;

	if (m->count++ >= METRIC_RULES_MAX || (rule->is_policy && !rule->policy))
		return;
	sb_printf(m->out, "weir_rule_%s_total{family=\"%s\",table=\"%s\",chain=\"", m->bytes ? "bytes" : "packets",
		  rule->ref.family == NFPROTO_IPV6 ? "ipv6" : "ipv4", rule->ref.table);
	label(m->out, rule->ref.chain);
	if (rule->is_policy)
		sb_adds(m->out, "\",rule=\"policy");
	else
		sb_printf(m->out, "\",rule=\"%u", rule->ref.number);
	sb_printf(m->out, "\"} %" PRIu64 "\n", (uint64_t)(m->bytes ? rule->counters.bcnt : rule->counters.pcnt));
}

static void link_metrics(const struct instance *inst, struct strbuf *out)
{
	static const struct { const char *name, *help; size_t at; } counters[] = {
		{ "receive_packets_total", "packets that came in", offsetof(struct iface, stats.rx_packets) },
		{ "receive_bytes_total", "bytes that came in", offsetof(struct iface, stats.rx_bytes) },
		{ "transmit_packets_total", "packets that left", offsetof(struct iface, stats.tx_packets) },
		{ "transmit_bytes_total", "bytes that left", offsetof(struct iface, stats.tx_bytes) },
		{ "receive_dropped_total", "frames that could not be taken in", offsetof(struct iface, stats.rx_dropped) },
	};

	for (size_t k = 0; k < ARRAY_SIZE(counters); k++) {
		metric(out, counters[k].name, "counter", counters[k].help);
		list_for_each(node, &inst->ifaces) {
			const struct iface *i = list_entry(node, struct iface, node);

			sb_printf(out, "weir_%s{device=\"", counters[k].name);
			label(out, i->name);
			sb_printf(out, "\"} %" PRIu64 "\n", *(const uint64_t *)((const char *)i + counters[k].at));
		}
	}
}

static void conntrack_metrics(const struct instance *inst, struct strbuf *out)
{
	const struct ct_stats *s = ct_stats(inst);
	const struct { const char *name; uint64_t value; } stats[] = {
		{ "found", s->found }, { "invalid", s->invalid }, { "insert", s->insert }, { "insert_failed", s->insert_failed },
		{ "drop", s->drop }, { "early_drop", s->early_drop }, { "error", s->error }, { "clash_resolve", s->clash_resolved },
		{ "table_full", s->full }, { "expect_new", s->expect_new }, { "expect_create", s->expect_create },
		{ "expect_delete", s->expect_delete },
	};

	metric(out, "conntrack_entries", "gauge", "connections that are tracked");
	sb_printf(out, "weir_conntrack_entries %u\n", ct_count(inst));
	metric(out, "conntrack_entries_peak", "gauge", "the most there have been");
	sb_printf(out, "weir_conntrack_entries_peak %u\n", ct_count_peak(inst));
	metric(out, "conntrack_expectations", "gauge", "connections that were announced");
	sb_printf(out, "weir_conntrack_expectations %u\n", ct_expect_count(inst));
	metric(out, "conntrack_stat_total", "counter", "what conntrack -S counts");
	for (size_t i = 0; i < ARRAY_SIZE(stats); i++)
		sb_printf(out, "weir_conntrack_stat_total{stat=\"%s\"} %" PRIu64 "\n", stats[i].name, stats[i].value);
}

void watch_metrics(const struct watch *w, struct instance *inst, struct strbuf *out)
{
	struct rule_metrics rules = { .out = out };

	metric(out, "up_seconds", "gauge", "since the daemon began");
	sb_printf(out, "weir_up_seconds %" PRId64 "\n", (inst->now_ns - w->began_ns) / NSEC_PER_SEC);
	metric(out, "packets_total", "counter", "what became of packets");
	sb_printf(out, "weir_packets_total{to=\"forward\"} %" PRIu64 "\nweir_packets_total{to=\"host\"} %" PRIu64
		  "\nweir_packets_total{to=\"sent\"} %" PRIu64 "\n", w->forwarded, w->delivered, w->sent);
	metric(out, "dropped_packets_total", "counter", "packets that ended, by reason");
	for (unsigned int i = 1; i < DROP_REASON_COUNT; i++)
		sb_printf(out, "weir_dropped_packets_total{reason=\"%s\"} %" PRIu64 "\n", drop_reason_word(i), w->reasons[i]);
	metric(out, "dropped_at_hook_packets_total", "counter", "packets that ended, by hook");
	for (size_t i = 0; i < ARRAY_SIZE(w->hooks); i++)
		sb_printf(out, "weir_dropped_at_hook_packets_total{hook=\"%s\"} %" PRIu64 "\n", hook_names[i], w->hooks[i]);
	link_metrics(inst, out);
	conntrack_metrics(inst, out);
	metric(out, "rule_packets_total", "counter", "a rule's packets; of very long rule sets the first 5000");
	tables_each_rule(inst, NFPROTO_IPV4, rule_metric, &rules);
	tables_each_rule(inst, NFPROTO_IPV6, rule_metric, &rules);
	rules = (struct rule_metrics){ .out = out, .bytes = true };
	metric(out, "rule_bytes_total", "counter", "a rule's bytes");
	tables_each_rule(inst, NFPROTO_IPV4, rule_metric, &rules);
	tables_each_rule(inst, NFPROTO_IPV6, rule_metric, &rules);
}
