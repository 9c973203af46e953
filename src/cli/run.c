/*
 * cli/run.c - `weir run`: captures in, verdicts out, in virtual time.
 * The clock is moved by the inputs: to each packet's stamp, to each script line, at last to --until. A script
 * line runs before the packets of its time; each packet is processed to its end before the next.
 */
#include "cli/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "conntrack/conntrack.h"
#include "flowcache/flowcache.h"
#include "path/path.h"
#include "path/worker.h"

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
	interrupts++;
	signal(number, SIG_DFL);	/* the second one ends it */
}

/*
 * Packets are read a little ahead, so that the memory they need is on its way when their turn comes. Nothing happens to
 * them before: the clock goes from one's time to the next one's, and script lines come where they belong.
 */
struct ahead {
	struct pkt *pkts[PKT_BURST_MAX];	/* stamped with their times */
	struct input *inputs[PKT_BURST_MAX];	/* where each is from */
	unsigned int count, locals;
	uint64_t bytes;			/* on the wire */
	uint64_t serial;		/* of the last one read */
};

static inline void input_count(struct run *run, const struct pkt *pkt, bool is_local)
{
	struct run_stats *stats = run->stats;

	stats->packets++;
	stats->outcomes[OUTCOME_HELD]++;
	stats->window[pkt->serial % OUTCOME_WINDOW] = OUTCOME_HELD | (is_local ? 0x80 : 0);
}

static void clock_to(struct run *run, int64_t ns)
{
	if (ns > run->inst->now_ns)
		instance_advance(run->inst, ns);
}

/*
 * With several workers, packets go by each in turn, each to its end before the next: order decides what comes out. Between packets
 * everything belongs to this thread.
 */
static void receive(struct run *run, struct pkt *pkt)
{
	if (likely(run->options.workers < 2)) {
		path_go_on(run->inst, pkt);
		return;
	}
	worker_alone_end(run->inst, NULL);
	worker_receive_one(run->workers[run->turn++ % run->options.workers], pkt);
	worker_alone_begin(run->inst, NULL);
}

static int workers_begin(struct run *run, struct refusal *why)
{
	if (run->options.workers < 2)
		return 0;
	run->workers = calloc(run->options.workers, sizeof(struct worker *));
	for (unsigned int i = 0; run->workers && i < run->options.workers; i++) {
		run->workers[i] = worker_new(run->inst, NULL);
		if (!run->workers[i])
			return refuse(why, -ENOMEM, "no memory for workers");
	}
	if (!run->workers)
		return refuse(why, -ENOMEM, "no memory for workers");
	worker_alone_begin(run->inst, NULL);
	run->has_begun = true;
	return 0;
}

static void workers_end(struct run *run)
{
	if (run->has_begun)
		worker_alone_end(run->inst, NULL);
	for (unsigned int i = 0; run->workers && i < run->options.workers; i++)
		worker_free(run->workers[i]);
	free(run->workers);
}

/*
 * Sums that were left to a network card are filled in. Nearly all sums are good, and conntrack wants to know that anyway: who
 * turns out to have a good one needs no second look.
 */
static void complete_sums(struct run *run, struct ahead *ahead)
{
	const bool is_asked = ct_is_on(run->inst, NFPROTO_IPV4) || ct_is_on(run->inst, NFPROTO_IPV6);

	for (unsigned int i = 0; i < ahead->count; i++) {
		struct pkt *pkt = ahead->pkts[i];

		if (is_asked && pkt->drop_reason == DROP_NONE && ct_has_ports(pkt) && ct_is_simple(pkt) && !ahead->inputs[i]->is_local)
			pkt_l4_checksum_early(pkt);
		if (unlikely(!(pkt->flags & PKT_FLAG_CSUM_TRUSTED)) && pkt_complete_partial_sum(pkt))
			ahead->inputs[i]->offloaded++;
	}
}

/* All that were received are checked, and the memory that they will need is asked for. */
static void arrive(struct run *run, struct ahead *ahead)
{
	struct pkt *burst[PKT_BURST_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; ahead->locals && i < ahead->count; i++)
		if (!ahead->inputs[i]->is_local)
			burst[n++] = ahead->pkts[i];
	if (likely(!ahead->locals))
		path_arrive(run->inst, ahead->pkts, ahead->count);
	else
		path_arrive(run->inst, burst, n);
	if (!run->options.strict_checksums)
		complete_sums(run, ahead);
	ct_known_prefetch_counters(run->inst, ahead->pkts, ahead->count);	/* the records have come meanwhile */
}

/* What was read goes its way. */
static void ahead_process(struct run *run, struct ahead *ahead)
{
	struct instance *inst = run->inst;
	struct run_stats *stats = run->stats;

	if (!ahead->count)
		return;
	arrive(run, ahead);
	if (!stats->packets)
		stats->first_ns = ahead->pkts[0]->stamp_ns;
	for (unsigned int i = 0; i < ahead->count; i++) {
		struct pkt *pkt = ahead->pkts[i];
		const bool is_local = ahead->locals && ahead->inputs[i]->is_local;

		clock_to(run, pkt->stamp_ns);
		pkt->stamp_ns = inst->now_ns;
		input_count(run, pkt, is_local);
		if (unlikely(is_local)) {
			inst->serial = pkt->serial;
			path_send_local(inst, pkt);
		} else {
			receive(run, pkt);
		}
	}
	stats->last_ns = inst->now_ns;
	stats->bytes += ahead->bytes;
	stats->local_packets += ahead->locals;
	ahead->count = ahead->locals = 0;
	ahead->bytes = 0;
}

/* The head of @input becomes a packet. */
static inline int packet_read(struct run *run, struct input *input, struct ahead *ahead, struct refusal *why)
{
	struct iface *in = NULL;
	struct pkt *pkt;

	if (likely(!input->is_local)) {
		in = input_iface(&run->inputs, input, run->inst, why);
		if (unlikely(!in))
			return why->err;
	}
	switch (capture_take(run->inst, in, input->head, &pkt)) {
	case TAKE_OUTBOUND:
		input->outbound++;
		return 0;
	case TAKE_SHORT:
		input->too_short++;
		return 0;
	case TAKE_NO_MEMORY:
		return refuse(why, -ENOMEM, "no memory for a packet");
	case TAKE_OK:
		break;
	}
	input->packets++;
	input->truncated += input->head->wire_len > input->head->len;
	ahead->pkts[ahead->count] = pkt;
	ahead->inputs[ahead->count++] = input;
	ahead->locals += input->is_local;
	ahead->bytes += input->head->wire_len;
	return 0;
}

/* Reads what comes before @until_ns, as much as there is room for. */
static int ahead_read(struct run *run, struct ahead *ahead, int64_t until_ns, struct refusal *why)
{
	const uint64_t serial = run->inst->serial;
	struct input *input;
	int64_t ns;
	int err = 0;

	run->inst->serial = ahead->serial;
	while (!err && !interrupts && ahead->count < PKT_BURST_MAX && (input = inputs_next(&run->inputs, &ns)) && ns < until_ns) {
		err = packet_read(run, input, ahead, why);
		if (likely(!err))
			err = input_advance(&run->inputs, input, why);
	}
	ahead->serial = run->inst->serial;
	run->inst->serial = serial;
	return err;
}

/* --flow-cache=check or --rules=check found something: that is the engine's fault, and the end. */
static int ways_agree(struct run *run, struct refusal *why)
{
	const char *cache = flowcache_difference(run->inst), *rules = tables_difference(run->inst);

	if (rules)
		return refuse(why, -EPROTO, "%s", rules);
	return cache ? refuse(why, -EPROTO, "flow cache: %s", cache) : 0;
}

static int run_inputs(struct run *run, struct progress *progress, struct refusal *why)
{
	struct ahead ahead = { .count = 0 };
	int err = 0;

	while (!err && !interrupts) {
		const int64_t script_ns = script_next_ns(run->script);
		unsigned int count;

		err = ahead_read(run, &ahead, script_ns, why);
		count = ahead.count;
		ahead_process(run, &ahead);
		progress_step(progress, run, count);
		if (!err)
			err = ways_agree(run, why);
		if (err || interrupts || count == PKT_BURST_MAX)
			continue;
		if (script_ns == INT64_MAX)
			break;
		clock_to(run, script_ns);
		script_step(run);
	}
	run->stats->interrupted = interrupts > 0;
	if (!err && !interrupts && run->options.has_until)
		clock_to(run, run->options.until_ns);
	return err;
}

/* The instance begins at the first thing that happens. */
static int64_t begin_ns(const struct run *run)
{
	int64_t ns = script_next_ns(run->script), first_ns;

	if (inputs_next(&run->inputs, &first_ns) && first_ns < ns)
		ns = first_ns;
	if (ns == INT64_MAX)
		ns = run->options.has_until ? run->options.until_ns : 0;
	return ns;
}

/* Captures that name interfaces which are not there are refused before anything is done. */
static int heads_check(struct run *run, struct refusal *why)
{
	for (unsigned int i = 0; i < run->inputs.count; i++) {
		struct input *input = &run->inputs.list[i];

		if (run->inputs.next_ns[i] != INT64_MAX && !input->is_local && !input_iface(&run->inputs, input, run->inst, why))
			return why->err;
	}
	return 0;
}

static int run_prepare(struct run *run, struct refusal *why)
{
	int err = snapshot_find(run->options.snapshot, &run->paths, why);

	if (!err)
		err = script_open(run, &run->script, why);
	if (!err)
		err = inputs_open(&run->inputs, &run->options, why);
	if (err)
		return err;
	run->inst = instance_new(run->options.seed, begin_ns(run), why);
	if (!run->inst)
		return why->err ? why->err : refuse(why, -ENOMEM, "no memory for an instance");
	flowcache_set_mode(run->inst, (enum flow_mode)run->options.flow_mode);
	run->inst->host_echo = run->options.host_echo;
	run->inst->host_silent = run->options.host_silent;
	tables_set_mode(run->inst, run->options.rules);
	err = snapshot_load(run->inst, &run->paths, &run->inputs, run->options.conntrack_on, why);
	if (!err)
		err = coverage_begin(run, why);
	if (!err)
		err = heads_check(run, why);
	if (!err)
		err = outputs_open(run, &run->out, why);
	if (!err)
		err = workers_begin(run, why);
	return err;
}

static void print_summary(struct run *run)
{
	struct strbuf text = STRBUF_INIT;

	if (run->options.is_json)
		summary_json(run, &text);
	else
		summary_text(run, &text);
	fputs(sb_str(&text), stdout);
	sb_free(&text);
}

static int exit_code_of(int err)
{
	return err == -ENOMEM || err == -EPROTO ? EXIT_INTERNAL : EXIT_INPUT;
}

static void run_free(struct run *run)
{
	workers_end(run);
	outputs_free(run->out);
	if (run->inst)
		instance_free(run->inst);
	inputs_close(&run->inputs);
	script_free(run->script);
	snapshot_paths_free(&run->paths);
	notes_free(&run->notes);
	free(run->starts);
	run_options_free(&run->options);
	free(run->stats);
}

int cmd_run(int argc, char **argv)
{
	struct run run = { .stats = calloc(1, sizeof(*run.stats)) };
	struct refusal why = { 0 };
	struct progress progress;
	int err, code = run_options_parse(argc, argv, &run.options);

	if (code || !run.stats) {
		run_free(&run);
		return code < 0 ? EXIT_DONE : code ? code : EXIT_INTERNAL;
	}
	err = run_prepare(&run, &why);
	if (!err) {
		signal(SIGINT, on_interrupt);
		signal(SIGTERM, on_interrupt);
		signal(SIGHUP, on_interrupt);
		signal(SIGPIPE, SIG_IGN);	/* whoever reads the summary may stop: the files are finished */
		progress_begin(&progress, run.options.is_quiet);
		err = run_inputs(&run, &progress, &why);
		progress_end(&progress, &run);
	}
	if (!err)
		err = outputs_finish(run.out, &why);
	if (err) {
		report_refusal("weir run", &why);
		code = exit_code_of(err);
	} else if (!run.options.is_quiet) {
		print_summary(&run);
	}
	run_free(&run);
	return code;
}
