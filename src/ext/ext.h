/*
 * ext/ext.h - what an extension is: a datapath half that answers, a text half that parses and saves.
 *
 * Adding one is one file in ext/match/ or ext/target/ with "const struct match match_NAME" (or
 * "const struct target target_NAME"); tools/list-variants finds it at build time. Each revision is
 * a struct of its own; the text half belongs to the highest one and may serve the others.
 */
#ifndef WEIR_EXT_H
#define WEIR_EXT_H

#include "base/uapi.h"

#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "base/refuse.h"
#include "base/strbuf.h"
#include "hook/hook.h"
#include "instance.h"
#include "packet/drop.h"
#include "packet/packet.h"

enum { FAMILY_V4 = 1, FAMILY_V6 = 2, FAMILY_ANY = 3 };
static inline unsigned int family_bit(uint8_t family) { return family == NFPROTO_IPV4 ? FAMILY_V4 : FAMILY_V6; }

/*
 * .depends: every packet field that the answer rests on; the flow cache keys on their union.
 * 0 is "unknown": never cached. DEP_NOTHING is said aloud.
 */
enum ext_depends {
	DEP_NOTHING = 1 << 0,
	DEP_L3_ADDRS = 1 << 1,
	DEP_L3_PROTO = 1 << 2,
	DEP_L3_LEN = 1 << 3,
	DEP_L3_TTL = 1 << 4,
	DEP_L3_TOS = 1 << 5,
	DEP_L3_FRAG = 1 << 6,
	DEP_L3_OPTIONS = 1 << 7,
	DEP_L4_SPORT = 1 << 8,
	DEP_L4_FLAGS = 1 << 9,
	DEP_L4_OPTIONS = 1 << 10,
	DEP_PAYLOAD = 1 << 11,
	DEP_IFACES = 1 << 12,
	DEP_MAC = 1 << 13,
	DEP_PKT_TYPE = 1 << 14,
	DEP_MARK = 1 << 15,
	DEP_CT_STATE = 1 << 16,		/* ctinfo, status, direction */
	DEP_CT_TUPLE = 1 << 17,
	DEP_CT_MARK = 1 << 18,
	DEP_CT_TIME = 1 << 19,		/* remaining life, counters */
	DEP_ROUTE = 1 << 20,		/* routing and address tables: generation */
	DEP_STATE = 1 << 21,		/* it remembers: never cached */
	DEP_TIME = 1 << 22,
	DEP_OWNER = 1 << 23,
	DEP_RANDOM = 1 << 24,
	DEP_CT_STATUS = 1 << 25,	/* status bits beyond what states show: IPS_ASSURED */
	DEP_L4_DPORT = 1 << 26,
	DEP_L4_PORTS = DEP_L4_SPORT | DEP_L4_DPORT,	/* or ICMP type and code */
	/* any byte from the network header on */
	DEP_BYTES = DEP_L3_ADDRS | DEP_L3_PROTO | DEP_L3_LEN | DEP_L3_TTL | DEP_L3_TOS | DEP_L3_FRAG | DEP_L3_OPTIONS |
		    DEP_L4_PORTS | DEP_L4_FLAGS | DEP_L4_OPTIONS | DEP_PAYLOAD,
};

/* One question to an extension while a rule is tried; lives on the walker's stack. */
struct ext_call {
	struct instance *inst;
	const struct hook_state *state;
	uint16_t thoff;		/* offset of L4 as the kernel's par->thoff */
	uint16_t fragoff;	/* bytes / 8 semantics as par->fragoff: non-zero for non-first fragments */
	bool hotdrop;		/* a match sets it: the packet is dropped at once */
	uint8_t family;
};

/* One rule that is being loaded: what checkentry may look at. */
struct ext_check {
	struct instance *inst;
	const char *table;	/* "filter", "nat", ... */
	unsigned int hook_mask;	/* 1 << NF_INET_* from where the rule is reachable */
	uint8_t family;
	uint16_t proto;		/* ip.proto / ipv6.proto of the rule; 0 any */
	bool proto_inverted;
	uint8_t ip6_flags;	/* IP6T_F_* of the rule */
	const void *entry;	/* struct ipt_entry or ip6t_entry; its matches were checked: u.kernel.match is a struct match */
	bool was_taken;		/* by an instance that was kept since: what the rule names was there, and lives while it does */
};

struct ext_text;
struct class_rule;

struct bytes_in;			/* base/bytes.h */

struct match {
	const char *name;
	uint8_t revision;
	uint8_t families;		/* FAMILY_* */
	uint32_t info_size;		/* kernel ABI struct, XT_ALIGNed by the loader */
	uint32_t user_size;		/* bytes user space sees; 0 = info_size */
	uint32_t hooks;			/* 1 << NF_INET_*; 0 any */
	const char *table;		/* only in this table; NULL any */
	uint16_t proto;			/* only for rules with this -p; 0 any */
	uint32_t depends;		/* enum ext_depends */
	uint32_t (*depends_of)(const void *info);	/* optional: narrower, for a rule with these settings */
	/*
	 * Optional, of the flags in DEP_L4_FLAGS: which of the 64 sets of FIN to URG get the same answer as @flags; 0: any other may
	 * get another one.
	 */
	uint64_t (*tcp_flags_alike)(const void *info, uint8_t flags);
	bool (*match)(const struct pkt *pkt, const void *info, struct ext_call *call);
	/*
	 * Optional: what must hold for a packet with a whole L4 header, lest the answer be no (classify/classify.h). It is also
	 * a promise that such a packet is answered without a trace: nothing remembered, no hotdrop. Who cannot promise that
	 * where all he says does hold, calls class_rule_close(). Rules are found by what their matches say here, up to the first
	 * that says nothing or closes. class_rule_nothing: the promise alone.
	 */
	void (*classify)(const void *info, struct class_rule *rule);
	int (*checkentry)(void *info, const struct ext_check *check, struct refusal *why);	/* 0 or -errno */
	void (*destroy)(void *info, const struct ext_check *check);
	/*
	 * Optional: what a rule remembers by itself, as bytes, and back into a rule of the same settings, when an instance goes on
	 * elsewhere. give: false when they are damaged.
	 */
	void (*keep)(const void *info, struct strbuf *out);
	bool (*give)(void *info, struct instance *inst, struct bytes_in *in);
	bool names_shared;		/* its checkentry asks what a rule of another table has made, by name */
	bool checks_rule_only;		/* its checkentry looks at nothing but the rule, and keeps nothing: workers need not wait for it */
	void (*attach)(struct instance *inst);	/* optional: an instance is made; files that exist without a rule */
	const struct ext_text *text;	/* NULL: an older revision without text of its own */
	const char *abi_name;		/* an alias for text only: the rule's data carries this name ("state" is
					 * conntrack, "NOTRACK" is CT); never found by match_find() */
};

struct target {
	const char *name;		/* "" is the standard target */
	uint8_t revision;
	uint8_t families;
	uint32_t info_size, user_size;
	uint32_t hooks;
	const char *table;
	uint16_t proto;
	uint32_t depends;		/* what its effect rests on */
	uint32_t depends_whole;		/* of a whole TCP, UDP or echo packet without options: less, since nothing is cut; 0: .depends */
	bool is_nat_source;		/* all it does is to choose a source: by a range of its own for nat_setup(), or nat_masquerade4(), 6() */
	/* XT_CONTINUE or a verdict; may replace nothing but bytes: the packet pointer stays. */
	unsigned int (*target)(struct pkt *pkt, const void *info, struct ext_call *call);
	int (*checkentry)(void *info, const struct ext_check *check, struct refusal *why);
	void (*destroy)(void *info, const struct ext_check *check);
	bool names_shared, checks_rule_only;
	const struct ext_text *text;
	const char *abi_name;		/* as in struct match */
};

/* Made by tools/list-variants; NULL-terminated. */
extern const struct match *const ext_matches[];
extern const struct target *const ext_targets[];

/* Exact revision, or NULL. The most specific family wins. */
const struct match *match_find(const char *name, uint8_t revision, uint8_t family);
const struct target *target_find(const char *name, uint8_t revision, uint8_t family);
/* Highest revision that has text, for a rule being written; NULL: unknown by name. */
const struct match *match_for_text(const char *name, uint8_t family);
const struct target *target_for_text(const char *name, uint8_t family);

/* What was found before, of one family: a hundred thousand rules ask for the same few names. Zeroed by its owner. */
enum { EXT_MEMO_SIZE = 32 };
struct ext_memo {
	const struct match *match[EXT_MEMO_SIZE], *match_text[EXT_MEMO_SIZE];
	const struct target *target[EXT_MEMO_SIZE], *target_text[EXT_MEMO_SIZE];
};
const struct match *match_find_again(struct ext_memo *memo, const char *name, uint8_t revision, uint8_t family);
const struct target *target_find_again(struct ext_memo *memo, const char *name, uint8_t revision, uint8_t family);
const struct match *match_for_text_again(struct ext_memo *memo, const char *name, uint8_t family);
const struct target *target_for_text_again(struct ext_memo *memo, const char *name, uint8_t family);

/* @len bytes of the packet at @off from the network header, or NULL when it ends before. */
static inline const void *pkt_at(const struct pkt *pkt, uint32_t off, uint32_t len)
{
	return off <= pkt->len && len <= pkt->len - off ? pkt->data + off : NULL;
}

/* The kernel's rule for names that become files of /proc: 0 or a refusal. @size: bytes that @name may fill. */
int ext_file_name_check(const char *ext_name, const char *name, size_t size, struct refusal *why);

/* Logged packets share one sentence builder: the kernel's nf_log_syslog lines. ext/logline.c */
void log_packet(struct instance *inst, const struct pkt *pkt, const struct hook_state *state, int level,
		uint8_t log_flags, const char *prefix);

#endif
