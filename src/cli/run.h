/*
 * cli/run.h - one `weir run`: its options, its inputs merged by time, its script, what it counts and writes.
 */
#ifndef WEIR_CLI_RUN_H
#define WEIR_CLI_RUN_H

#include "cli/cli.h"
#include "cli/netip.h"
#include "cli/words.h"
#include "driver/pcap.h"
#include "instance.h"
#include "packet/drop.h"
#include "table/table.h"

struct bpf_program;
struct outputs;
struct script;
struct worker;

/* --- options --- */

struct run_port { const char *iface, *path; };		/* -i IFACE=FILE; iface NULL: by the names in the capture */

struct run_options {
	const char *snapshot;
	struct run_port *ports;		/* owned array; texts are argv's */
	unsigned int port_count;
	const char **locals, **scripts;
	unsigned int local_count, script_count;
	struct run_port *maps;		/* iface = name in the snapshot, path = name in the capture */
	unsigned int map_count;
	const char *filter, *out;
	int64_t until_ns;
	bool has_until, conntrack_on, is_json, is_quiet, host_echo, host_silent, strict_checksums;
	enum rules_mode rules;		/* RULES_COMPILED unless WEIR_RULES in the environment says otherwise */
	uint32_t workers;
	int flow_mode;			/* enum flow_mode */
	uint64_t seed;
};
/* EXIT_DONE: go on; anything else is the exit code (help was printed, or the usage was wrong: said so). -1: help. */
int run_options_parse(int argc, char **argv, struct run_options *options);
void run_options_free(struct run_options *options);

/* --- inputs: captures read side by side, the earliest packet first --- */

enum { INPUT_HEADS = 16 };
struct input {
	const char *path, *port;	/* port NULL: mapped by name */
	bool is_local;
	struct capture *cap;
	struct iface **ifaces;		/* by the capture's interface number, once resolved */
	uint32_t iface_count;
	uint64_t packets, filtered, outbound, truncated, too_short, offloaded, back_in_time;
	int64_t last_ns;
	struct capture_packet *head, *heads_end;	/* the next packets, while there is one: inputs->next_ns */
	struct capture_packet heads[INPUT_HEADS];
};

struct inputs {
	struct run_options *options;
	struct input *list;
	int64_t *next_ns;		/* when the head of each one comes; INT64_MAX: it is read to its end */
	unsigned int count;
	struct { uint32_t linktype; struct bpf_program *program; } filters[8];	/* compiled as link types appear */
	unsigned int filter_count;
	struct pcap_calls *pcap;	/* libpcap's compiler, once a filter was asked for */
};

int inputs_open(struct inputs *inputs, struct run_options *options, struct refusal *why);
void inputs_close(struct inputs *inputs);
/* The input whose packet is the earliest (the first named among equals); NULL when all are read. */
/* @ns: when it comes. */
static inline struct input *inputs_next(const struct inputs *inputs, int64_t *ns)
{
	unsigned int first = inputs->count;
	int64_t first_ns = INT64_MAX;

	for (unsigned int i = 0; i < inputs->count; i++) {
		const bool is_earlier = inputs->next_ns[i] < first_ns;

		first_ns = is_earlier ? inputs->next_ns[i] : first_ns;
		first = is_earlier ? i : first;
	}
	*ns = first_ns;
	return first < inputs->count ? &inputs->list[first] : NULL;
}
/* Its head counts now. */
static inline void input_show(struct inputs *inputs, struct input *input)
{
	const int64_t stamp_ns = input->head->stamp_ns;

	if (unlikely(stamp_ns < input->last_ns))
		input->back_in_time++;
	else
		input->last_ns = stamp_ns;
	inputs->next_ns[input - inputs->list] = MIN_OF(stamp_ns, INT64_MAX - 1);
}
int input_refill(struct inputs *inputs, struct input *input, struct refusal *why);
/* Moves on to the input's next packet. 0 or negative errno. */
static inline int input_advance(struct inputs *inputs, struct input *input, struct refusal *why)
{
	if (unlikely(++input->head >= input->heads_end))
		return input_refill(inputs, input, why);
	input_show(inputs, input);
	return 0;
}
/* Whose packet the head is. NULL and refused: no such interface. Never called for local inputs. */
struct iface *input_iface_find(struct inputs *inputs, struct input *input, struct instance *inst, struct refusal *why);
static inline struct iface *input_iface(struct inputs *inputs, struct input *input, struct instance *inst, struct refusal *why)
{
	const uint32_t index = input->head->iface;
	struct iface *known = likely(index < input->iface_count) ? input->ifaces[index] : NULL;

	return likely(known != NULL) ? known : input_iface_find(inputs, input, inst, why);
}
/* After a script changed interfaces. */
void inputs_forget_ifaces(struct inputs *inputs);
/* ARPHRD_* of a port by name; 0: no port of this run. For struct netip. */
unsigned short inputs_port_type(void *inputs, const char *name);
/* Bytes read and to be read, for the progress bar; total 0: unknown. */
void inputs_progress(const struct inputs *inputs, uint64_t *done, uint64_t *total);

/* --- snapshot: the directory that an instance is made of --- */

struct snapshot_paths { char *net, *sysctl, *host, *nfct, *labels, *rules4, *rules6; };	/* owned; NULL: not there */
/* The same files as texts; failed or empty: not there. */
enum snapshot_part { PART_NET, PART_SYSCTL, PART_HOST, PART_NFCT, PART_LABELS, PART_RULES4, PART_RULES6, PART_COUNT };
extern const char *const snapshot_part_names[PART_COUNT];
struct snapshot_texts { struct strbuf part[PART_COUNT]; };
void snapshot_texts_free(struct snapshot_texts *texts);
/* What the instance is now, so that it can be made again. PART_HOST is left as it is: only its maker knows it. */
void snapshot_take(struct instance *inst, struct snapshot_texts *texts);
/* "net.ipv4.conf.eth0.forwarding": of one interface, and not of all or of those to come. */
bool setting_is_of_iface(const char *name);
int snapshot_texts_write(const struct snapshot_texts *texts, const char *dir, struct refusal *why);
int snapshot_find(const char *dir, struct snapshot_paths *paths, struct refusal *why);
void snapshot_paths_free(struct snapshot_paths *paths);
int snapshot_load(struct instance *inst, const struct snapshot_paths *paths, struct inputs *inputs, bool conntrack_on,
		  struct refusal *why);
/* In two steps, from files or (@kept not NULL) texts: all but rules, rules. */
int snapshot_load_host(struct instance *inst, const struct snapshot_paths *paths, const struct snapshot_texts *kept,
		       struct inputs *inputs, bool conntrack_on, struct refusal *why);
int snapshot_load_rules(struct instance *inst, const struct snapshot_paths *paths, const struct snapshot_texts *kept,
			struct refusal *why);
int sysctl_conf_load(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why);

/* --- what is counted --- */

struct rule_note {		/* a rule as people see it; outlives its rule set */
	char *table, *chain, *file, *text;
	unsigned int number, line;
	uint8_t family;
	char *comment;		/* "filter FORWARD rule 3 (rules.v4:14): -A FORWARD ..." */
	uint64_t drops, rejects;
	struct rule_note *next;
};

struct notes {
	struct { const struct table_rule_ref *ref; struct rule_note *note; } *slots;	/* by address, until rules change */
	size_t slot_count, used;
	struct rule_note *all;	/* newest first */
};
struct rule_note *note_of(struct notes *notes, struct instance *inst, const struct table_rule_ref *ref);
void notes_forget_refs(struct notes *notes);
void notes_free(struct notes *notes);

enum outcome { OUTCOME_HELD, OUTCOME_DROP, OUTCOME_REJECT, OUTCOME_ACCEPT, OUTCOME_COUNT };	/* the better one counts */
enum { OUTCOME_WINDOW = 65536 };	/* how far back a late outcome (fragments, neighbours) is still known */

struct run_stats {
	uint64_t packets, local_packets, bytes;
	uint64_t outcomes[OUTCOME_COUNT];	/* by input packet: they add up to packets */
	uint8_t window[OUTCOME_WINDOW];		/* outcome of packet serial % OUTCOME_WINDOW; bit 7: sent by the host */
	uint64_t forwarded, delivered, made, made_lost;
	uint64_t drops[DROP_REASON_COUNT];
	uint64_t logged, events[3], nflogged, invalid, commands, commands_failed;
	int64_t first_ns, last_ns;
	bool interrupted;
};

/* --- the run --- */

/* What a snapshot's own counters said of its rules before the first packet: coverage counts from there. */
struct rule_start {
	uint8_t family;
	unsigned int line;
	uint64_t packets;
};

struct run {
	struct rule_start *starts;	/* owned; by family and line, both ascending */
	size_t start_count;
	struct run_options options;
	struct inputs inputs;
	struct script *script;
	struct snapshot_paths paths;
	struct instance *inst;
	struct worker **workers;	/* NULL: one */
	unsigned int turn;
	bool has_begun;			/* the instance is held alone */
	struct outputs *out;
	struct notes notes;
	struct run_stats *stats;
};

/* --- outputs: files of --out and of `snapshot DIR`, fed by the instance's observer --- */

int outputs_open(struct run *run, struct outputs **out, struct refusal *why);
/* Puts the finished files in place; 0 or negative errno. */
int outputs_finish(struct outputs *out, struct refusal *why);
/* Throws the files away when they were not finished. */
void outputs_free(struct outputs *out);
int outputs_snapshot(struct outputs *out, const char *dir, struct refusal *why);
void outputs_script_line(struct outputs *out, int64_t when_ns, const char *command, const char *text, int code);
void outputs_rules_changed(struct outputs *out);

/* --- visible files: /proc/net/... of the instance --- */

/* Below @dir as they would stand below /. */
int visible_write(struct instance *inst, const char *dir, struct refusal *why);
/* Script lines; words[1] is the command. 0, or the exit code. */
int visible_cat(struct instance *inst, const struct words *w, struct strbuf *out, struct refusal *why);
int visible_echo(struct instance *inst, const struct words *w, struct strbuf *out, struct refusal *why);

/* nfacct(8) and nfnl_osf(8) as script lines; words[1] is the command. 0, or the exit code. */
int nfacct_command(struct instance *inst, const struct words *w, struct strbuf *out, struct refusal *why);
int nfnl_osf_command(struct instance *inst, const struct words *w, struct refusal *why);

/* --- script --- */

int script_open(struct run *run, struct script **out, struct refusal *why);
void script_free(struct script *script);
int64_t script_next_ns(const struct script *script);	/* INT64_MAX: no more lines */
/* Runs the next line, at its time. Its failures are said and counted, never fatal. */
void script_step(struct run *run);
/* From a text, unsorted: for tests and fuzzing. */
int script_parse(const char *text, size_t len, const char *file, struct script **out, struct refusal *why);
bool script_takes_snapshots(const struct script *script);

/* --- summary --- */

/* Remembers the counters that the snapshot brought. */
int coverage_begin(struct run *run, struct refusal *why);
void summary_text(struct run *run, struct strbuf *out);
void summary_json(struct run *run, struct strbuf *out);

/* --- progress bar on stderr --- */
struct progress { int64_t began_ns, shown_ns; unsigned int unseen; bool on, visible; };
void progress_begin(struct progress *progress, bool quiet);
void progress_step(struct progress *progress, const struct run *run, unsigned int packets);
void progress_end(struct progress *progress, const struct run *run);

#endif
