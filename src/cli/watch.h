/*
 * cli/watch.h - what a daemon's packets come to, for people who watch: counted as the instance tells of them, shown as Prometheus
 * text, as the page's JSON, and as the lines that `weir top` reads.
 */
#ifndef WEIR_CLI_WATCH_H
#define WEIR_CLI_WATCH_H

#include "base/strbuf.h"
#include "instance.h"
#include "packet/drop.h"

enum { WATCH_RULES_MAX = 256, WATCH_RECENT = 24 };

struct table_rule_ref;

struct watch {
	uint64_t delivered, forwarded, sent;		/* frames to the host's side, through it, from it */
	uint64_t drops, reasons[DROP_REASON_COUNT], hooks[NF_INET_NUMHOOKS + 1];	/* the last: in no hook */
	struct { const struct table_rule_ref *ref; char *text; uint64_t packets; } rules[WATCH_RULES_MAX];	/* text: owned */
	unsigned int rule_count;
	struct { int64_t when_ns; char text[192]; } recent[WATCH_RECENT];	/* a ring */
	uint64_t recent_count;
	int64_t began_ns;
};

void watch_transmit(struct watch *watch, const struct instance *inst, const struct pkt *cause);
void watch_deliver(struct watch *watch, const struct instance *inst);
void watch_drop(struct watch *watch, struct instance *inst, const struct pkt *pkt);
void watch_end(struct watch *watch);

void watch_metrics(const struct watch *watch, struct instance *inst, struct strbuf *out);
void watch_json(const struct watch *watch, struct instance *inst, struct strbuf *out);
/* Lines "KIND packets bytes text": rule, flow, drop, link. */
void watch_lines(const struct watch *watch, struct instance *inst, struct strbuf *out);

#endif
