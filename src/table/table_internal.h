/*
 * table/table_internal.h - how rule sets are kept: the blob in the kernel's form, and beside it what the
 * walker and people need. Both families share one code; only the header of an entry differs.
 */
#ifndef WEIR_TABLE_INTERNAL_H
#define WEIR_TABLE_INTERNAL_H

#include "classify/classify.h"
#include "table/table.h"

/* Both families use one layout for these; verify.c asserts it. */
#define BLOB_HEAD_SIZE (sizeof(struct ipt_replace))
/* The kernel's limit for one table, and what it keeps beside the blob. */
#define BLOB_SIZE_MAX (512u << 20)
#define BLOB_KEEP_SIZE 64u

/* What an entry is for people: rules proper, and the marks that hold a blob together. */
enum entry_role {
	ROLE_RULE,
	ROLE_HEAD,	/* ERROR entry with the name of a user's chain */
	ROLE_POLICY,	/* underflow of a builtin chain */
	ROLE_FOOT,	/* RETURN at the end of a user's chain */
	ROLE_END,	/* ERROR entry that ends the blob */
};

/*
 * A chain as the walker sees it: entries that only run through from the first on. The last one is its policy or foot
 * (or, in a blob that no libiptc made, whatever stands there).
 */
struct segment {
	uint32_t first, last;		/* places */
	uint32_t compiled;		/* rules in .all and .strings: 0 none */
	uint32_t strings_added;		/* of those in .all, how many want bytes: they came later */
	uint32_t depends;		/* enum ext_depends: what finding a rule rests on */
	uint8_t tcp_flags;		/* which of DEP_L4_FLAGS */
	bool bare_failed;
	bool is_worn;			/* by rules that came and went: to be compiled anew */
	bool end_fits;			/* every packet that gets to .last goes by what stands there */
	bool is_open;			/* many of its rules are of no group */
	uint8_t end_note;		/* NOTE_*: it is a policy */
	uint32_t end_id;
	struct classifier *all;		/* by everything that is known of its rules; NULL: walked through */
	struct classifier *bare;	/* by headers alone, for packets without a complete L4; made when one comes */
	struct segment_strings *strings;	/* rules that want some bytes of the packet, which .all does not know; NULL: none */
};

/* Where a jump goes. Places move when a rule is added; those who jump hold the number of an anchor. */
struct anchor {
	uint32_t place;			/* NO_PLACE: nothing stands there, and nobody gets there */
	uint32_t segment;
	int verdict;			/* as it came, for NO_PLACE */
};

enum { NO_PLACE = UINT32_MAX };
/* A verdict in a linked entry: go on with the next one. */
#define VERDICT_NEXT INT32_MAX

/*
 * One generation of a table. Immutable once built, but for counters and what extensions remember. An entry has an id, by
 * which people know it, and a place, where it stands in the blob; they are the same until a rule is added or deleted.
 */
struct ruleset {
	uint8_t **at;				/* entries, by place */
	const struct table_rule_ref **refs;	/* by id; owned by struct tables */
	struct xt_counters *counters;		/* by id, apart from what the walker only reads */
	uint32_t *place;			/* by id */
	uint8_t *roles;				/* enum entry_role, by id */
	uint8_t *remembers;			/* by id: it begins anew when the table is replaced */
	uint8_t *entries;			/* the blob; names replaced by pointers, counters by their address */
	uint32_t *offsets;			/* of each place in the blob that user space sees, rising */
	uint64_t *stack;			/* jumps to come back to: room for two walks, one inside the other */
	struct segment *segments;
	struct anchor *anchors;
	struct rule_source *sources;		/* by id, from the first change on; NULL: what refs say */
	uint32_t *free_ids;			/* of rules that were deleted */
	struct ref_pool *ref_pool;
	uint32_t segment_count, anchor_count;
	uint32_t size, number, stack_size;
	uint32_t arena_size;			/* of .entries; entries that were added lie elsewhere, each by itself */
	uint32_t id_room, id_used, free_id_count;
	uint32_t place_room, anchor_room;
	uint32_t remembering;			/* how many .remembers */
	uint32_t valid_hooks;
	uint32_t hook_entry[NF_INET_NUMHOOKS], underflow[NF_INET_NUMHOOKS];	/* offsets */
	struct anchor begin[NF_INET_NUMHOOKS], end[NF_INET_NUMHOOKS];		/* the same as places */
	unsigned int nesting;
	bool keep_counters;			/* the blob is somebody else's, to be looked at only */
	bool moved;				/* some id is not its place */
	bool was_taken;				/* kept.c: as in struct ext_check */
	bool is_released;			/* its extensions hold nothing any more */
	uint8_t family;
	uint8_t weight;				/* the least of .refs[]->weight */
	char table[XT_TABLE_MAXNAMELEN];
};

struct table {
	struct list node;			/* in tables->list[family], newest first */
	const struct table_kind *kind;
	struct instance *inst;
	struct ruleset *rules;
	uint8_t family;
};

struct ref_pool;

/* --- ahead.c: chains that a burst asks before its packets get there --- */
/* The first rules of a chain are so often the ones that decide that they are tried before anything is looked up. */
enum { TRIED_FIRST = 2, AHEAD_CHAINS = 4, AHEAD_MIN = 32 };
typedef uint32_t four __attribute__((vector_size(16)));
struct ahead_header { four piece[3]; };		/* of a packet: addresses, protocol, ports; they overlap */
struct ahead_answer {
	struct ahead_header header;	/* what it showed */
	const struct pkt *pkt;
	uint32_t len, mark;
	uint8_t flags;
	bool is_tcp;
};
struct ahead_chain {
	struct ahead_header header_mask;	/* of what any rule asks for */
	const struct ruleset *rs;
	struct segment *segment;
	uint32_t mark_mask;
	uint16_t states_mask;
	bool asks_ifaces, asks_names, asks_flags;	/* names by hash, or in full */
	uint32_t ifaces;		/* as the last packet showed them */
	char last_names[2][IFNAMSIZ], guessed_names[2][IFNAMSIZ];
	uint16_t states;
	uint16_t guessed_states;	/* the same when the answers were made */
	uint32_t guessed_ifaces;
	uint32_t burst, asked, used;	/* of the last burst's packets, how many asked, how many were guessed right */
	uint32_t pause;			/* bursts to wait */
	uint32_t made, next;
	bool knows_names;
	uint16_t hashes[2];
	char names[2][IFNAMSIZ];
	struct class_found found[PKT_BURST_MAX];
	struct ahead_answer answers[PKT_BURST_MAX];
};
struct ahead {
	uint32_t count;
	uint32_t chain_min;		/* rules; shorter chains stay in the nearer caches: AHEAD_MIN, but for tests */
	bool has_answers;
	struct ahead_chain chains[AHEAD_CHAINS];
};

struct tables {
	enum rules_mode mode;			/* every walk asks for this and for .has_answers: one line */
	struct ahead ahead;
	struct list list4, list6;
	struct list tallies;			/* struct tally.node */
	struct ref_pool *refs;
	uint64_t string_stamps;		/* packets that were searched for strings */
	char differs[256];			/* RULES_CHECK: the first difference */
};

static inline struct list *tables_of(struct tables *tables, uint8_t family)
{
	return family == NFPROTO_IPV4 ? &tables->list4 : &tables->list6;
}

/* --- entries of either family --- */

static inline size_t entry_head_size(uint8_t family)
{
	return family == NFPROTO_IPV4 ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
}

static inline uint16_t entry_target_offset(const void *e, uint8_t family)
{
	return family == NFPROTO_IPV4 ? ((const struct ipt_entry *)e)->target_offset
				      : ((const struct ip6t_entry *)e)->target_offset;
}

static inline uint16_t entry_next_offset(const void *e, uint8_t family)
{
	return family == NFPROTO_IPV4 ? ((const struct ipt_entry *)e)->next_offset
				      : ((const struct ip6t_entry *)e)->next_offset;
}

static inline unsigned int *entry_comefrom(void *e, uint8_t family)
{
	return family == NFPROTO_IPV4 ? &((struct ipt_entry *)e)->comefrom : &((struct ip6t_entry *)e)->comefrom;
}

static inline struct xt_counters *entry_counters(void *e, uint8_t family)
{
	return family == NFPROTO_IPV4 ? &((struct ipt_entry *)e)->counters : &((struct ip6t_entry *)e)->counters;
}

static inline uint16_t entry_proto(const void *e, uint8_t family)
{
	return family == NFPROTO_IPV4 ? ((const struct ipt_entry *)e)->ip.proto
				      : ((const struct ip6t_entry *)e)->ipv6.proto;
}

static inline uint8_t entry_flags(const void *e, uint8_t family)
{
	return family == NFPROTO_IPV4 ? ((const struct ipt_entry *)e)->ip.flags
				      : ((const struct ip6t_entry *)e)->ipv6.flags;
}

static inline uint8_t entry_invflags(const void *e, uint8_t family)
{
	return family == NFPROTO_IPV4 ? ((const struct ipt_entry *)e)->ip.invflags
				      : ((const struct ip6t_entry *)e)->ipv6.invflags;
}

static inline void entry_set_offsets(void *e, uint8_t family, uint16_t target_offset, uint16_t next_offset)
{
	if (family == NFPROTO_IPV4) {
		((struct ipt_entry *)e)->target_offset = target_offset;
		((struct ipt_entry *)e)->next_offset = next_offset;
	} else {
		((struct ip6t_entry *)e)->target_offset = target_offset;
		((struct ip6t_entry *)e)->next_offset = next_offset;
	}
}

static inline uint32_t entry_id(const struct ruleset *rs, const void *e)
{
	const uintptr_t counter = (uintptr_t)entry_counters((void *)e, rs->family)->pcnt;

	return (uint32_t)((const struct xt_counters *)counter - rs->counters);
}

static inline void *entry_target(const void *e, uint8_t family)
{
	return (char *)e + entry_target_offset(e, family);
}

/* No address, no interface, no protocol, no match: every packet. */
bool entry_is_unconditional(const void *e, uint8_t family);

#define for_each_match(m, e, family)								\
	for (struct xt_entry_match *m = (void *)((char *)(e) + entry_head_size(family));	\
	     (char *)m < (char *)entry_target(e, family);					\
	     m = (void *)((char *)m + m->u.match_size))

/* In a blob not yet verified a target may lie at any address: these read bytes. */
static inline const char *raw_target_name(const void *target)
{
	return (const char *)target + offsetof(struct xt_entry_target, u.user.name);
}

static inline int raw_verdict(const void *target)
{
	int v;

	memcpy(&v, (const char *)target + offsetof(struct xt_standard_target, verdict), sizeof(v));
	return v;
}

static inline bool target_is_standard(const void *target)
{
	return raw_target_name(target)[0] == '\0';
}

static inline bool target_is_error(const void *target)
{
	return !strncmp(raw_target_name(target), XT_ERROR_TARGET, sizeof(XT_ERROR_TARGET));
}

/* Entry @i of a blob as it came. */
static inline void *blob_entry(const struct ruleset *rs, uint32_t i)
{
	return rs->entries + rs->offsets[i];
}

/* --- verify.c: the form of a blob --- */
/* Everything but extensions. Fills in @rs's offsets, hooks, number, and each entry's comefrom. */
int blob_verify(struct ruleset *rs, const struct ipt_replace *head, struct refusal *why);
/* What is wrong with one entry by itself; NULL: nothing. */
const char *blob_entry_fault(const void *entry, uint32_t left, uint8_t family);
/* The same of its sizes only: its verdict may be a name still. */
const char *blob_entry_misfit(const void *entry, uint32_t left, uint8_t family);

/* --- edit.c: do both ask a packet's header for the same? --- */
bool entry_heads_equal(const void *a, const void *b, uint8_t family);

/* --- entry_exts.c: what extensions say of one entry whose comefrom is known --- */
/* On failure nothing is held. @memo: of the look-ups before. @steps: this is one; it is alone if that must be. */
struct alone_steps;
int entry_exts_check(struct alone_steps *steps, const struct ruleset *rs, void *e, struct ext_memo *memo, struct refusal *why);
void entry_exts_release(struct alone_steps *steps, const struct ruleset *rs, void *e);
/* Some extension of it asks for what other rules have made. @e: as it came, its sizes verified. */
bool entry_exts_share(const void *e, uint8_t family, struct ext_memo *memo);
/* Is there anything to release? @e: checked. */
bool entry_exts_hold(const struct ruleset *rs, void *e);
/* Does it keep anything that a new table would not have? */
bool entry_remembers(const void *entry, uint8_t family);
/* Of one rule reached from these hooks. @entry: aligned, ours to spoil. */
int rule_check_alone(struct instance *inst, uint8_t family, const char *table, void *entry, uint32_t hook_mask,
		     struct refusal *why);

/* --- ruleset.c --- */
/**
 * ruleset_build() - A blob of user space becomes a rule set, or is refused as the kernel refuses it
 * @head: struct ipt_replace (ip6t_replace), aligned; @entries: head->size bytes, borrowed
 * @lines: source of each entry, or NULL
 */
int ruleset_build(struct instance *inst, struct tables *tables, uint8_t family, const struct ipt_replace *head,
		  const void *entries, const struct rule_source *lines, struct ruleset **out, struct refusal *why);
/* Verifies in place: @entries is as before when it is done, but for comefrom, which is zero. @masks: for each of @count entry offsets in @starts the hooks that reach it. */
struct kept_rules;
int ruleset_check(struct instance *inst, uint8_t family, const struct ipt_replace *head, void *entries,
		  const struct rule_source *lines, const uint32_t *starts, uint32_t *masks, uint32_t count,
		  struct kept_rules *kept, struct refusal *why);
/* The same, but for all that is wrong with extensions, not only the first: @visit hears of each. */
int ruleset_check_all(struct instance *inst, uint8_t family, const struct ipt_replace *head, const void *entries,
		      const struct rule_source *lines, refusal_visit visit, void *priv);
/* Nobody goes by it, so its extensions end; many steps. */
void ruleset_release(struct alone_steps *steps, struct ruleset *rs);
void ruleset_free(struct instance *inst, struct ruleset *rs);		/* NULL is fine; no packet gets there any more */
/* The blob as user space gave it, names and all, with @counters, by place. @out: rs->size bytes. */
void ruleset_export(const struct ruleset *rs, const struct xt_counters *counters, void *out);
/* The same for one entry, without counters; @out is zeroed. */
void ruleset_export_entry(const struct ruleset *rs, uint32_t place, void *out);

/* --- tally.c --- */
void tallies_fold(struct tables *tables);	/* before counters are read */
void tallies_settle(struct tables *tables);	/* before rules go: nobody counts them any more */
/* --- change.c: one rule more or less in a table that packets go through --- */
/* A rule whose number changed gets its new name when somebody asks for it. */
const struct table_rule_ref *table_rule_name(const struct ruleset *rs, uint32_t id);

/* Rule @id, for people. */
static inline const struct table_rule_ref *table_rule(const struct ruleset *rs, uint32_t id)
{
	return likely(rs->refs[id]) ? rs->refs[id] : table_rule_name(rs, id);
}

static inline struct rule_source ruleset_source(const struct ruleset *rs, uint32_t place)
{
	const uint32_t id = entry_id(rs, rs->at[place]);

	return rs->sources ? rs->sources[id] : (struct rule_source){ rs->refs[id]->file, rs->refs[id]->line };
}

/* --- ruleset.c: the rules of another process, to be looked at: of a blob in user space's form, nothing asked of extensions --- */
int ruleset_view(struct tables *tables, uint8_t family, const struct ipt_replace *head, const void *entries, struct ruleset **out,
		 struct refusal *why);
void ruleset_drop(struct ruleset *rs);		/* what ruleset_view() made */

/* --- ruleset.c, again: one entry of a rule set --- */
int ruleset_entry_check(struct alone_steps *steps, struct ruleset *rs, void *entry, struct refusal *why);

/* --- link.c --- */
uint32_t segment_of_place(const struct ruleset *rs, uint32_t place);
/* What the walker goes by: places, segments, anchors instead of offsets in jumps; -ENOMEM. */
int ruleset_link(struct ruleset *rs);
/* A linked jump as user space knows it. */
int ruleset_verdict(const struct ruleset *rs, uint32_t place);

/* --- compile.c: chains as classifiers --- */
/* class_found.note: what a rule without a remainder says. */
enum { NOTE_NONE, NOTE_DROP, NOTE_ACCEPT };
/* What compiled rules know of a packet on its walk. */
struct compiled_key {
	bool known, has_l4, has_ifaces;
	uint64_t strings;		/* when the packet was searched for strings; 0: not yet */
	const struct pkt *pkt;		/* whose it is */
	const struct hook_state *state;
	struct class_cursor cursor;
	struct class_key key;
};
/* One rule came to, or is about to leave, a segment. Alone only; afterwards, beside workers, segment_settle(). */
void compiled_add(struct instance *inst, struct ruleset *rs, struct segment *segment, uint32_t id);
void compiled_remove(struct instance *inst, struct ruleset *rs, struct segment *segment, uint32_t id);
/* Compiles the chains that are worth it; what does not fit into memory stays a list. */
void ruleset_compile(struct instance *inst, struct ruleset *rs);
void segment_settle(struct instance *inst, struct ruleset *rs, struct segment *segment);
void ruleset_forget_compiled(struct ruleset *rs);
/*
 * The place of the first rule at or after @at, before the segment's last, that this packet can match; the last's when there
 * is none. Rules in between would have said no, and nothing else. @found: whether it need be tried at all.
 */
uint32_t compiled_find(struct instance *inst, const struct ruleset *rs, struct segment *segment, uint32_t at,
		       struct compiled_key *key, const struct pkt *pkt, const struct hook_state *state,
		       struct class_found *found);
/* The same for the segment's first place, if a burst asked ahead; NO_PLACE: it did not, or guessed wrong. */
uint32_t compiled_ahead(struct instance *inst, const struct ruleset *rs, struct segment *segment, struct compiled_key *key,
			const struct pkt *pkt, const struct hook_state *state, struct class_found *found);
/* RULES_CHECK: rule @place did what it was not to do. */
void compiled_differs(struct instance *inst, const struct ruleset *rs, uint32_t place, const char *what);
/* What a packet will show of itself, but for interfaces and states; false: it has no whole L4. */
uint16_t compiled_states(const struct pkt *pkt);
bool compiled_key_ahead(struct class_key *key, uint8_t family, const struct pkt *pkt);
/* An interface's name into a key; NULL: none. */
void compiled_name(struct class_key *key, enum class_word word, const struct iface *iface);

/* --- strings.c --- */
/* @heads: by headers; taken when it succeeds. @ids: of the rules, in the needles' order. */
struct segment_strings *strings_new(struct classifier *heads, const struct needle *needles, const uint32_t *ids, uint32_t count);
void strings_free(struct segment_strings *s);
/* false: it is none of these. */
bool strings_remove(struct segment_strings *s, uint32_t id, const struct class_rule *rule);
bool strings_are_worn(const struct segment_strings *s);
const struct classifier *strings_heads(const struct segment_strings *s);
size_t strings_bytes(const struct segment_strings *s);
/* The place of the first of these rules at or after @from that the packet can match, if it is before @before; else that. */
uint32_t strings_find(struct segment_strings *s, const struct ruleset *rs, uint64_t *stamps, struct compiled_key *key,
		      const struct pkt *pkt, uint32_t from, uint32_t before);

/* --- ahead.c, again --- */
static inline struct ahead_chain *ahead_chain_of(struct ahead *ahead, const struct segment *segment)
{
	for (uint32_t i = 0; i < ahead->count; i++)
		if (ahead->chains[i].segment == segment)
			return &ahead->chains[i];
	return NULL;
}

/* What was found ahead for a packet that is about to enter the chain; NULL: nothing, or the guess was wrong. */
const struct class_found *ahead_take(struct ahead_chain *chain, const struct pkt *pkt, const struct hook_state *state);
/* An answer that spared a look-up. */
void ahead_taken(struct ahead_chain *chain, const struct pkt *pkt, const struct hook_state *state);
/* A packet came as far as a look-up. */
void ahead_note(struct ahead *ahead, const struct ruleset *rs, struct segment *segment, const struct class_key *key,
		const struct hook_state *state);
/* A classifier changed or goes. */
void ahead_forget(struct ahead *ahead);

/* --- tables.c --- */
const struct table_kind *table_kind_find(const char *name);
struct table *table_find(struct instance *inst, uint8_t family, const char *name);
/* Finds the table or brings it into being, empty, with its hooks; -ENOENT for an unknown name. */
int table_get(struct instance *inst, uint8_t family, const char *name, struct table **out, struct refusal *why);
/* The blob of a table that nobody touched: policies ACCEPT. Given, free()d by the caller. */
struct ipt_replace *table_initial_blob(const struct table_kind *kind, uint8_t family);
/* Everything that can fail or takes time before @rs is published, beside workers. */
int table_prepare(struct instance *inst, struct table *table, struct ruleset *rs, uint32_t num_counters, struct refusal *why);
/*
 * From now on packets go by @rs. @from: by id of @rs the id before it whose count goes on there, or NO_PLACE; may be NULL. Alone
 * only. Return: the generation before, given; nobody counts there any more.
 */
struct ruleset *table_swap(struct instance *inst, struct table *table, struct ruleset *rs, const uint32_t *from);
/* By place, all as they are at one moment. Given: free(); NULL: no memory. */
struct xt_counters *table_counters(struct instance *inst, const struct ruleset *rs);

/* --- refs.c: rule references live as long as the tables, equal ones are one --- */
struct ref_pool *ref_pool_new(void);
void ref_pool_free(struct ref_pool *pool);
const struct table_rule_ref *ref_intern(struct ref_pool *pool, const struct table_rule_ref *ref);
const char *ref_intern_text(struct ref_pool *pool, const char *text);

/* --- walk.c: what hooks call; @priv is the struct table --- */
/* What a walk knows of an IPv6 packet's header chain; found at most once per packet version. */
struct chain_end {
	bool known, broken;		/* broken: the chain is cut short before any L4 */
	uint8_t proto;
	uint16_t offset, frag_off;	/* offset 0 in later fragments, as nothing was found there */
};
/* Where -p finds its protocol. A fragment in the middle of extension headers counts as broken. */
void chain_end_find(const struct pkt *pkt, struct chain_end *end);
/* Entry @id, at @entry, matched a traced packet: its log line. */
void table_trace(struct table *table, const uint8_t *entry, uint32_t id, const struct pkt *pkt,
		 const struct hook_state *state);
unsigned int table_walk4(void *priv, struct pkt *pkt, const struct hook_state *state);
unsigned int table_walk6(void *priv, struct pkt *pkt, const struct hook_state *state);
unsigned int table_reroute4(void *priv, struct pkt *pkt, const struct hook_state *state);
unsigned int table_reroute6(void *priv, struct pkt *pkt, const struct hook_state *state);


#endif
