/*
 * conntrack/helper.h - helpers: who reads a protocol along and announces its further connections.
 * A helper is assigned by a CT rule only. It sees each packet of its connection when every rule has let it pass,
 * just before it is confirmed, and may rewrite it.
 */
#ifndef WEIR_HELPER_H
#define WEIR_HELPER_H

#include "conntrack/expect.h"

enum { CT_HELP_DATA_MAX = 32 };
enum { CT_FTP_LINES = 2 };	/* line ends remembered per direction */

struct ct_gre_key;

/* What PPTP's control connection has said; ids as the far side sees them, and as they were before NAT. */
struct ct_pptp {
	uint8_t session, call;	/* helper/pptp.c's own states */
	be16 client_id, server_id;
	be16 inner_client_id, inner_server_id;
};

/* Ports of H.323, and what NAT made of them: [direction of who said so], [the other] as seen outside. */
enum { CT_H323_CHANNELS = 4 };
struct ct_h323 {
	be16 signal_port[IP_CT_DIR_MAX];
	be16 rtp_port[CT_H323_CHANNELS][IP_CT_DIR_MAX];
	uint32_t lifetime_sec;			/* of a registration */
	uint16_t awaited[IP_CT_DIR_MAX];	/* bytes of the TPKT whose header came alone */
};

/* What a helped connection carries. */
struct ct_help {
	const struct ct_helper *helper;
	struct list expectations;	/* struct ct_expect */
	unsigned int expecting[CT_EXPECT_CLASSES];
	uint8_t events_wanted;		/* 1 << IPEXP_*: of these the observer hears */
	struct ct_gre_key *gre_keys[IP_CT_DIR_MAX];
	union {
		struct { uint32_t after_line[IP_CT_DIR_MAX][CT_FTP_LINES]; uint8_t lines[IP_CT_DIR_MAX];
			 bool picked_up[IP_CT_DIR_MAX]; } ftp;
		struct { bool start_requested; } sane;
		struct ct_pptp pptp;
		struct { uint32_t register_cseq, invite_cseq; be16 forced_port; } sip;
		struct ct_h323 h323;
		uint8_t user[CT_HELP_DATA_MAX];		/* a program's own */
	} of;
};

struct ct_help_call {
	struct instance *inst;
	struct pkt *pkt;
	struct ct *ct;
	struct ct_help *help;
	uint8_t ctinfo;
	uint8_t dir;
	uint32_t l4_off;	/* inside the packet */
	const struct hook_state *state;
};

struct ct_helper_conf;
struct ct_expect_policy {
	unsigned int max_expected;	/* 0 = as many as there may be at all */
	unsigned int timeout_sec;
	const char *name;		/* of the class; NULL = it has none */
};

enum { CT_HELPER_ARRIVALS = 2 };

struct ct_helper {
	const char *name;
	uint8_t proto;		/* of the connections it can help */
	bool ip4, ip6;
	uint16_t port;		/* where the protocol's servers listen; 0: a setting says so (auto_help.c), or nobody does */
	struct ct_expect_policy policy;		/* of class 0 */
	const struct ct_expect_policy *more_policies;	/* of classes 1 and up; NULL = there are none */
	/* What the settings say instead of @policy; NULL = nothing. */
	void (*set_policy)(const struct ct_helper_conf *conf, unsigned int class, struct ct_expect_policy *policy);
	/* NF_ACCEPT or NF_DROP. */
	unsigned int (*help)(const struct ct_help_call *call);
	/* The connection was put here by hand in the middle of its talk. NULL = that makes no difference. */
	void (*picked_up)(struct ct_help *help);
	/* The connection ends: what hangs on it ends, too. NULL = nothing but its expectations. */
	void (*ended)(struct instance *inst, struct ct *ct);
	/* What its expectations have as .arrived beside nat_follow_master(): by their place here they are found again. */
	ct_arrival_fn arrivals[CT_HELPER_ARRIVALS];
	const char *arrival_names[CT_HELPER_ARRIVALS];	/* by which programs ask for them; NULL = none can */
	/* What was remembered of a connection came from a file: false, it cannot be. NULL = it may be anything. */
	bool (*restored)(struct ct_help *help);
};
extern const struct ct_helper *const ct_helpers[];	/* made by tools/list-variants; NULL-terminated */

static inline const struct ct_expect_policy *ct_helper_policy(const struct ct_helper *helper, unsigned int class)
{
	return class && helper->more_policies ? &helper->more_policies[class - 1] : &helper->policy;
}

static inline const char *ct_helper_class_name(const struct ct_helper *helper, unsigned int class)
{
	return ct_helper_policy(helper, class)->name;
}

/* What can be set about helpers: net.netfilter.nf_conntrack_<helper>_*, the kernel's module parameters. */
struct ct_helper_conf {
	struct { unsigned int timeout; int direct_signalling, direct_media, external_media; } sip;
	struct { bool loose; } ftp;		/* expect connections to third hosts, too */
	struct { unsigned int max_dcc_channels, dcc_timeout; } irc;
	struct { unsigned int master_timeout; } amanda;
	struct { unsigned int timeout; } netbios_ns, snmp;
	struct { unsigned int default_rrq_ttl; int gkrouted_only; bool callforward_filter; } h323;
};
const struct ct_helper_conf *ct_helper_conf(const struct instance *inst);

/* Which connections have a helper without being told: auto_help.c. */
enum { CT_PORTS_MAX = 8, CT_PORT_LISTS = 5 };
struct ct_auto_help {
	bool on;
	struct ct_port_list { uint16_t port[CT_PORTS_MAX]; uint8_t count; } ports[CT_PORT_LISTS];
};
int ct_auto_help_register(struct instance *inst, struct ct_auto_help *conf);
/* What holds for its expectations of @class here and now; without a helper (NULL): no limit. */
struct ct_expect_policy ct_helper_policy_now(const struct instance *inst, const struct ct_helper *helper, unsigned int class);

/* Programs (user_helper.h) come before weir's own of the same name. */
const struct ct_helper *ct_helper_find(const struct instance *inst, const char *name, uint8_t family, uint8_t proto);

static inline struct ct_help *ct_help_of(const struct ct *ct) { return ct->extra ? ct->extra->help : NULL; }
static inline const struct ct_helper *ct_helper_of(const struct ct *ct)
{
	return ct->extra && ct->extra->help ? ct->extra->help->helper : NULL;
}
/* For templates and new connections; NULL: no memory. */
struct ct_help *ct_help_add(struct ct *ct, const struct ct_helper *helper);
/* A new connection takes over what its template says. */
void ct_help_assign(struct instance *inst, struct ct *ct, const struct ct *template);
/* Nobody said which: its port may (nf_conntrack_helper). Asked again when NAT changed the reply's tuple. */
void ct_help_by_port(struct instance *inst, struct ct *ct);
void ct_help_free(struct instance *inst, struct ct *ct);
/* The packet of a connection with a helper or with changed numbers, just before it is confirmed. */
unsigned int ct_help_packet(struct instance *inst, struct pkt *pkt, const struct hook_state *state);
/* Tells why a helper drops this packet (observer.helper). Return: NF_DROP. */
unsigned int ct_help_refuse(const struct ct_help_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The TCP payload of a packet that its connection's helper may read; false: there is none. */
bool ct_help_tcp_payload(const struct ct_help_call *call, uint32_t *off, uint32_t *len);
/* Both directions have been heard. */
static inline bool ct_help_is_established(const struct ct_help_call *call)
{
	return call->ctinfo == IP_CT_ESTABLISHED || call->ctinfo == IP_CT_ESTABLISHED_REPLY;
}

/* --- proto/gre.c: which call ids belong together, learned from PPTP --- */
/*
 * Packets to @tuple's destination and key come from its source key. One pair per direction of @master, until they are
 * forgotten: false when it has another one already.
 */
bool ct_gre_key_add(struct instance *inst, struct ct *master, int dir, const struct ct_tuple *tuple);
void ct_gre_keys_forget(struct instance *inst, struct ct *master);
const struct ct_tuple *ct_gre_key_tuple(const struct ct_gre_key *key);	/* NULL for NULL */

/* --- seqadj.c --- */
/* The payload of the segment that begins at @seq became @delta bytes longer. */
void ct_seqadj_note(struct ct *ct, int dir, uint32_t seq, int32_t delta);
/* What the far side of direction @dir sees @seq moved by. */
int32_t ct_seqadj_offset(const struct ct *ct, int dir, uint32_t seq);
/* Moves the numbers of a TCP segment; false: its options are cut short. */
bool ct_seqadj_apply(struct pkt *pkt, const struct ct *ct, int dir, uint32_t l4_off);

#endif
