/*
 * table/table.h - rules, as data and as a program.
 *
 * The one exchange form is the kernel's blob (struct ipt_replace / ip6t_replace). It is verified as
 * strictly as the kernel does, then published by one pointer. A packet sees one generation of a table
 * from end to end of a hook.
 */
#ifndef WEIR_TABLE_H
#define WEIR_TABLE_H

#include "base/strbuf.h"
#include "ext/ext.h"

/* Where a verdict came from, for people. Lives as long as the tables: equal ones are one object. */
struct table_rule_ref {
	const char *table, *chain;
	unsigned int number;		/* of the rule in its chain, from 1; 0: the chain's policy */
	const char *file;		/* NULL when the rule was not read from a file */
	unsigned int line;
	uint8_t family;
	uint8_t weight;			/* whose word stays with an accepted packet: filter's first, rules' before policies' */
};

struct tables *tables_new(struct instance *inst);	/* no table exists until it is named, as in Linux */
void tables_free(struct instance *inst, struct tables *tables);

/* How packets find their rules. The answers are the same, to the counter. */
enum rules_mode {
	RULES_COMPILED,		/* long chains by a classifier */
	RULES_WALK,		/* one rule after the other */
	RULES_CHECK,		/* so, too, every chain by a classifier beside it, and compared */
};
void tables_set_mode(struct instance *inst, enum rules_mode mode);
/* These packets will be received soon: long chains are asked for all of them at once. Nothing happens to them. */
void tables_look_ahead(struct instance *inst, uint8_t family, struct pkt *const *burst, unsigned int count);
/* There will be workers: what is otherwise made when a packet wants it is there, so that none waits while another's worker makes it. */
void tables_serve_workers(struct instance *inst);
/* RULES_CHECK: what the first difference was; NULL: none. */
const char *tables_difference(const struct instance *inst);
/* Chains that are compiled, their rules, and the memory that this takes. */
struct tables_compiled { uint32_t chains, rules; size_t bytes; };
struct tables_compiled tables_compiled(const struct instance *inst);

/* --- the kernel's socket options, on byte buffers --- */

/**
 * tables_replace() - IPT_SO_SET_REPLACE / IP6T_SO_SET_REPLACE
 * @replace: struct ipt_replace (ip6t_replace) and its entries, @len bytes; borrowed
 * @old:     room for replace->num_counters counters of the old generation; may be NULL
 * @lines:   source of each entry in blob order, or NULL; copied
 * Return: 0; negative errno as the kernel gives it, with the sentence in @why: nothing changed.
 */
struct rule_source { const char *file; unsigned int line; };
int tables_replace(struct instance *inst, uint8_t family, const void *replace, size_t len,
		   struct xt_counters *old, const struct rule_source *lines, struct refusal *why);
/**
 * tables_change_rule() - One rule more, less or another, while packets go on through the table
 * What iptables does by replacing the table, where that comes to the same: the counters of chains' ends go to zero, all others stay.
 * @change->entry: in user space's form, its target by name ("", "ACCEPT", a chain's, an extension's); borrowed; @entry_len bytes,
 * whatever they are
 * Return: 0; -E2BIG: beyond the chain's end; -ENOENT: no rule is like this one; what an extension says; -EOPNOTSUPP: it takes a whole replacement, since more
 * than this rule would change (what is reachable, what remembers, chains, room).
 */
struct rule_change {
	enum rule_change_kind { CHANGE_INSERT, CHANGE_REPLACE, CHANGE_DELETE, CHANGE_LOOK } kind;	/* LOOK: only whether it is there */
	bool is_append;			/* CHANGE_INSERT: behind the last rule, .at is nothing */
	const char *chain;
	uint32_t at;			/* from 0 */
	const void *entry;		/* CHANGE_DELETE: the first rule that is equal; NULL: the one that stands there. CHANGE_LOOK: wanted */
	size_t entry_len;
	struct rule_source source;
};
int tables_change_rule(struct instance *inst, uint8_t family, const char *table, const struct rule_change *change,
		       struct refusal *why);
/* Verifies and throws away: iptables-restore --test. */
int tables_check(struct instance *inst, uint8_t family, const void *replace, size_t len, struct refusal *why);
/* IPT_SO_GET_INFO; creates the empty table when the name is known (as the kernel's module loading does). */
int tables_get_info(struct instance *inst, uint8_t family, struct ipt_getinfo *info, struct refusal *why);
/* IPT_SO_GET_ENTRIES: the blob as user space sees it (names instead of pointers, counters filled in),
 * bytes beyond each extension's user_size zero. @size must equal the table's. */
int tables_get_entries(struct instance *inst, uint8_t family, const char *table, void *entries, size_t size,
		       struct rule_source *lines, struct refusal *why);
int tables_add_counters(struct instance *inst, uint8_t family, const void *counters_info, size_t len, struct refusal *why);
/* IPT_SO_GET_REVISION_MATCH / _TARGET: highest known revision >= asked: the revision, or -ENOENT, -EPROTONOSUPPORT. */
int tables_get_revision(uint8_t family, const char *name, bool is_target, uint8_t revision);

/* --- memory.c: what rules remember each by itself, into the same rules of another instance; others' is passed over --- */
void tables_memory_save(struct instance *inst, struct strbuf *out);
int tables_memory_load(struct instance *inst, const void *bytes, size_t len, struct refusal *why);	/* 0, -EINVAL, -ENOMEM */

/* Names of the existing tables, newest first, as /proc/net/ip_tables_names; calls @visit for each. */
void tables_each(struct instance *inst, uint8_t family, void (*visit)(void *priv, const char *name), void *priv);

/* Every rule with its counters, in order, of one family: for summaries and coverage. */
struct table_rule_view {
	struct table_rule_ref ref;
	struct xt_counters counters;
	bool is_policy;
	const char *policy;		/* "ACCEPT"/"DROP" when is_policy */
};
void tables_each_rule(struct instance *inst, uint8_t family, void (*visit)(void *priv, const struct table_rule_view *rule),
		      void *priv);

/* walk.c: are the rules that @first was held against answered by this packet's addresses alike? While the rules stay. */
struct record_first;
bool table_still_fits(const struct record_first *first, uint8_t family, const struct pkt *pkt);

/* --- tally.c: rules that are counted together, by whoever repeats a way through them --- */
struct tally {
	uint64_t packets, bytes;	/* not yet in the rules' own counters */
	uint32_t count;			/* 0: the rules have gone */
	struct xt_counters **counted;
	struct list node;		/* in the tables' list */
};
bool tally_open(struct instance *inst, struct tally *tally, struct xt_counters *const *counted, uint32_t count);
void tally_close(struct tally *tally);

/* The builtin tables (table/builtin/NAME.c): raw, mangle, nat, filter, security. */
struct table_kind {
	const char *name;
	uint32_t valid_hooks;		/* 1 << NF_INET_* */
	int priority[NF_INET_NUMHOOKS];	/* of each valid hook */
	bool is_nat;			/* asked by nat, first packets only */
	bool reroutes;			/* LOCAL_OUT: a packet that changed is routed again */
};
extern const char *const hook_chain_names[NF_INET_NUMHOOKS];	/* "PREROUTING", ... */
extern const struct table_kind *const table_kinds[];	/* made by tools/list-variants; NULL-terminated */

/* --- text --- */

/*
 * Where a command's tables come from and go to: an instance's own (table_source_of()), or what is kept between two
 * commands (control/store.h). The same words do the same to both.
 */
struct edit;
struct table_source {
	struct instance *inst;		/* extensions are asked here */
	int wait_sec;			/* for others who hold the tables: 0 not at all, -1 for ever */
	int (*open)(struct table_source *from, uint8_t family, const char *table, bool create, struct edit **out,
		    struct refusal *why);
	int (*commit)(struct table_source *from, struct edit *edit, struct refusal *why);
	int (*check)(struct table_source *from, struct edit *edit, struct refusal *why);	/* as commit would */
	void (*each)(struct table_source *from, uint8_t family, void (*visit)(void *priv, const char *name), void *priv);
	/* tables_change_rule(), where tables are in use; NULL: there is no such way */
	int (*change)(struct table_source *from, uint8_t family, const char *table, const struct rule_change *change, struct refusal *why);
	unsigned int (*look_up)(uint8_t family, const char *name, bool networks, union nf_inet_addr *addrs,
				unsigned int max);	/* an opt_look_up; a person types the words. NULL: names are refused */
	void (*warn)(const char *line);		/* what iptables says beside; NULL: nobody reads it */
	bool empties;			/* who opens a table does it to empty it: what its rules counted is nobody's concern */
};
struct table_source table_source_of(struct instance *inst);

enum restore_flag { RESTORE_NOFLUSH = 1, RESTORE_COUNTERS = 2, RESTORE_TEST = 4, RESTORE_ALL_OR_NOTHING = 8,
		    RESTORE_VERBOSE = 16 };
/**
 * rules_restore() - iptables-restore on a text
 * Commits table by table at each COMMIT, as upstream; with RESTORE_ALL_OR_NOTHING only when the whole
 * text is good (with RESTORE_COUNTERS, a policy without counters then counts from zero, instead of being
 * refused). Errors carry file:line:column and the width of the word.
 */
int rules_restore(struct instance *inst, uint8_t family, const char *text, size_t len, const char *file,
		  unsigned int flags, struct refusal *why);
/* The same with any tables; not RESTORE_ALL_OR_NOTHING. @only: one table's name, others are read and forgotten;
 * NULL: all. @out: what -L and -S in the text print, or NULL. @exit_code: upstream's, or NULL. */
int rules_restore_in(struct table_source *tables, uint8_t family, const char *text, size_t len, const char *file,
		     unsigned int flags, const char *only, struct strbuf *out, int *exit_code, struct refusal *why);
/*
 * rules_restore() with RESTORE_ALL_OR_NOTHING and RESTORE_COUNTERS in steps, beside workers but for the last: texts as if they were
 * one, in order; all that can still be wrong; from then on, until nothing else has changed rules, it cannot fail. Everything is borrowed until it is freed.
 */
struct rules_stage;
struct rules_stage *rules_stage_new(struct instance *inst, uint8_t family);	/* NULL: no memory */
int rules_stage_text(struct rules_stage *stage, const char *text, size_t len, const char *file, struct refusal *why);
int rules_stage_prepare(struct rules_stage *stage, struct refusal *why);	/* once */
void rules_stage_apply(struct rules_stage *stage);				/* prepared; alone; once */
void rules_stage_free(struct rules_stage *stage);				/* beside workers, applied or not; NULL is fine */

/* Reads a text as rules_restore() would, changes nothing, and tells of everything that is wrong, not of the first only.
 * Return: how many were found; negative: memory ran out. */
typedef void (*refusal_visit)(void *priv, const struct refusal *why);
int rules_check(struct instance *inst, uint8_t family, const char *text, size_t len, const char *file,
		refusal_visit visit, void *priv);
/* iptables-save text ([p:b] counters always; rules with counters when @counters). @stamp_ns: the "Generated by" time; < 0: no such comments. */
void rules_save(struct instance *inst, uint8_t family, bool counters, int64_t stamp_ns, struct strbuf *out);
/* One table, or with NULL all that exist. Return: 0; -ENOENT: no such table. */
int rules_save_in(struct table_source *tables, uint8_t family, const char *only, bool counters, int64_t stamp_ns,
		  struct strbuf *out, struct refusal *why);

/**
 * rules_command() - one iptables/ip6tables command line, as typed
 * @argv: argv[0] is "iptables" or "ip6tables"
 * @out:  what the command prints (-S, -L)
 * Return: 0, or the upstream exit code (1 generic, 2 usage, 3 version, 4 resource) with @why filled.
 */
int rules_command(struct instance *inst, int argc, char **argv, struct strbuf *out, struct refusal *why);
/* The same with any tables. @why->at.column then counts in the words joined by single blanks. */
int rules_command_in(struct table_source *tables, int argc, char **argv, struct strbuf *out, struct refusal *why);

/* One rule in iptables-save form ("-A FORWARD -p tcp -j ACCEPT"), for reports. false: no such rule. */
bool rules_print_one(struct instance *inst, const struct table_rule_ref *ref, struct strbuf *out);
/* The same for many: a table is opened once for all that are asked in a row. No rules may change meanwhile. NULL: no memory. */
struct rule_printer *rule_printer_new(struct instance *inst);
bool rule_printer_print(struct rule_printer *printer, const struct table_rule_ref *ref, struct strbuf *out);
void rule_printer_free(struct rule_printer *printer);

#endif
