/*
 * cli/conntrack_args.h - one `conntrack` command line, read: what to do, to which connections, with what.
 */
#ifndef WEIR_CLI_CONNTRACK_ARGS_H
#define WEIR_CLI_CONNTRACK_ARGS_H

#include "conntrack/conntrack.h"

enum conntrack_cmd { CMD_NONE, CMD_LIST, CMD_CREATE, CMD_UPDATE, CMD_DELETE, CMD_GET, CMD_FLUSH, CMD_ADD, CMD_COUNT, CMD_STATS,
		     CMD_EVENT, CMD_VERSION, CMD_HELP };
enum conntrack_table { TABLE_CONNTRACK, TABLE_EXPECT, TABLE_DYING, TABLE_UNCONFIRMED };

/* Options of conntrack itself, in the order in which they are checked. */
enum conntrack_opt {
	OPT_ORIG_SRC, OPT_ORIG_DST, OPT_REPLY_SRC, OPT_REPLY_DST, OPT_PROTO, OPT_TIMEOUT, OPT_STATUS, OPT_ZERO,
	OPT_EVENT_MASK, OPT_TUPLE_SRC, OPT_TUPLE_DST, OPT_MASK_SRC, OPT_MASK_DST, OPT_NAT_RANGE, OPT_MARK, OPT_ID,
	OPT_FAMILY, OPT_SRC_NAT, OPT_DST_NAT, OPT_OUTPUT, OPT_SECMARK, OPT_BUFFER_SIZE, OPT_ANY_NAT, OPT_ZONE,
	OPT_LABEL, OPT_LABEL_ADD, OPT_LABEL_DEL, OPT_ORIG_ZONE, OPT_REPLY_ZONE, OPT_COUNT
};

/* Fields of the wanted connection that were given: bits of conntrack_args.fields. */
enum conntrack_field {
	FIELD_ORIG_SRC, FIELD_ORIG_DST, FIELD_REPLY_SRC, FIELD_REPLY_DST, FIELD_ORIG_FAMILY, FIELD_REPLY_FAMILY,
	FIELD_PROTO, FIELD_ORIG_SPORT, FIELD_ORIG_DPORT, FIELD_REPLY_SPORT, FIELD_REPLY_DPORT,
	FIELD_ICMP_TYPE, FIELD_ICMP_CODE, FIELD_ICMP_ID, FIELD_TCP_STATE, FIELD_SCTP_STATE, FIELD_DCCP_STATE,
};

enum { OUTPUT_XML = 1, OUTPUT_EXTENDED = 2, OUTPUT_ID = 4, OUTPUT_KERNEL_STAMP = 8, OUTPUT_LABELS = 16,
       OUTPUT_SAVE = 32, OUTPUT_JSON = 64, OUTPUT_STAMP = 128 };

struct nat_filter {			/* -n, -g: what the translation must be, or shall become */
	union nf_inet_addr addr;
	be16 port;
	uint8_t addr_family;		/* 0: no address given */
	bool has_port;
};

struct conntrack_args {
	enum conntrack_cmd cmd;
	enum conntrack_table table;
	uint8_t family;			/* NFPROTO_IPV4, NFPROTO_IPV6; 0 both */
	uint32_t options;		/* 1 << OPT_* */
	uint32_t fields;		/* 1 << FIELD_* */
	struct ct_tuple orig, reply;
	struct ct_tuple expected;	/* expectations: what will come, and where its source is looked at */
	be16 mask_port_src;
	union nf_inet_addr mask_src, mask_dst;
	uint32_t timeout_sec, mark, mark_mask, id, secmark;
	uint32_t status, status_mask;	/* of a listing: (status & mask) == status; else the bits to set */
	uint16_t zone, orig_zone, reply_zone;
	uint8_t tcp_state;
	struct ct_sctp sctp;
	bool has_vtag[IP_CT_DIR_MAX];
	bool is_tcp;			/* -p tcp: window tracking is switched off for what is changed */
	struct nat_filter snat, dnat;
	uint8_t labels[CT_LABEL_BYTES];		/* -l: all of them */
	uint8_t labels_set[CT_LABEL_BYTES], labels_clear[CT_LABEL_BYTES];	/* --label-add, --label-del */
	unsigned int output;		/* OUTPUT_* */
	uint32_t events;		/* -E: 1 << enum ct_event_kind */
	uint32_t buffer_size;		/* -b; 0 = the usual one */
	bool is_from_file;		/* -R: how many it was about is not said */
};

static inline bool args_have(const struct conntrack_args *args, enum conntrack_opt opt)
{
	return args->options & 1u << opt;
}

/* Appends "conntrack v1.4.7 (conntrack-tools): " and the sentence. */
void conntrack_say(struct strbuf *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* 0, or the exit code with the sentence in @err. */
int conntrack_parse(const struct instance *inst, struct conntrack_args *args, int argc, char **argv, struct strbuf *err);

/* Does what was read. Returns the exit code. */
int conntrack_carry_out(struct instance *inst, const struct conntrack_args *args, struct strbuf *out, struct strbuf *err);

/* --mask-src wants --src beside it. 0 or the exit code. */
int conntrack_check_masks(const struct conntrack_args *args, struct strbuf *err);
/* Is it one of those that a listing, a deletion or -E is about? */
bool conntrack_is_meant(const struct instance *inst, const struct conntrack_args *args, const struct ct *ct);
unsigned int conntrack_text_flags(const struct conntrack_args *args);	/* CT_TEXT_* */

/* The command when its table is "expect". */
int conntrack_expect_command(struct instance *inst, const struct conntrack_args *args, struct strbuf *out,
			     struct strbuf *err);

#endif
