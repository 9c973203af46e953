/* control/control_internal.h - what the files of this folder share. */
#ifndef WEIR_CONTROL_INTERNAL_H
#define WEIR_CONTROL_INTERNAL_H

#include "control/control.h"

#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

enum {
	NL_RCVBUF_DEFAULT = 212992,
	NL_SKB_OVERHEAD = 768,		/* what a queued message counts beside its bytes, about as in the kernel */
	NL_DUMP_BYTES = 3776,		/* fits every tool's smallest dump buffer (4096) */
	NL_GROUP_COUNT = 32,
};

struct acct_object;
struct ct_event;
struct ct_expect;
struct nl_request;

/* A dump under way: more() fills one datagram at a time. */
struct nl_dump {
	bool active;
	uint32_t seq, type;
	uint16_t flags;
	/* Appends messages to @out while they fit NL_DUMP_BYTES; true: there is more. */
	bool (*more)(struct nl_sock *sock, struct nl_dump *dump, struct strbuf *out);
	void (*done)(struct nl_dump *dump);
	void *state;
	uint64_t at;			/* where it goes on, as more() understands it */
};

struct nl_sock {
	struct list node;		/* in control->socks */
	struct control *control;
	struct control_cred cred;
	void *owner;
	uint32_t cookie, port, pid, groups;
	int protocol;
	bool bound, no_enobufs, ext_ack, cap_ack;
	size_t rcvbuf, queued;
	bool congested;			/* an overrun was told and the queue has not been empty since */
	struct list queue;		/* struct nl_datagram */
	struct nl_dump dump;
	struct sock_filter *filter;
};

struct control {
	struct instance *inst;
	struct control_callbacks callbacks;
	struct observer before;		/* who observed until then, and still hears everything */
	struct list socks;
	uint32_t cookie;
	uint32_t groups;		/* that somebody listens to */
	uint32_t asker;			/* port of the socket whose request is served: its events name it; 0 = none */
	bool ends_expects;		/* the request is to end expectations; else they end as a consequence, which nobody asked for */
	struct nl_sock *echo_to;	/* that socket, while it wants its events itself (NLM_F_ECHO), a member or not */
	struct list packet_queues;	/* struct packet_queue, the newest first */
	size_t queued_bytes;		/* of packets in all of them */
	struct list log_groups;		/* struct log_group, the newest first */
	uint32_t log_seq;		/* messages of all groups so far */
};

/* --- one request on its way through nfnetlink --- */
struct nl_request {
	struct control *control;
	struct nl_sock *sock;
	const struct nlmsghdr *nlh;
	const struct nfgenmsg *nfg;
	const struct nlattr **attrs;	/* by type, as many as the command's table says */
	struct strbuf *reply;		/* messages for the asker */
	struct nlattr const *bad_attr;	/* extended error: where */
	const char *complaint;		/* extended error: what; static */
};

struct nl_command {
	/* 0 or negative errno; an ACK follows where one was asked for. */
	int (*call)(struct nl_request *req);
	/* Begins a dump: fills sock->dump, or leaves it when there is nothing that could be said. NULL: there is none. */
	int (*dump)(struct nl_request *req);
	unsigned int attr_max;
	bool needs_change;		/* only who may change */
};
struct nl_subsystem {
	unsigned int id;		/* NFNL_SUBSYS_* */
	const struct nl_command *commands;
	unsigned int command_count;
};
extern const struct nl_subsystem nl_ctnetlink, nl_expect, nl_timeout, nl_acct, nl_osf, nl_cthelper, nl_queue_subsystem, nl_log_subsystem;

/* --- nl_msg.c: messages are written into a strbuf --- */
/* Begins a message; its place for nl_end(). */
size_t nl_begin(struct strbuf *out, uint16_t type, uint16_t flags, uint32_t seq, uint32_t port, uint8_t family,
		uint8_t version, uint16_t res_id);
void nl_end(struct strbuf *out, size_t at);
void nl_put(struct strbuf *out, uint16_t type, const void *data, size_t len);
void nl_put_u8(struct strbuf *out, uint16_t type, uint8_t v);
void nl_put_be16(struct strbuf *out, uint16_t type, be16 v);
void nl_put_u16(struct strbuf *out, uint16_t type, uint16_t host);
void nl_put_u32(struct strbuf *out, uint16_t type, uint32_t host);
void nl_put_u64(struct strbuf *out, uint16_t type, uint64_t host);
void nl_put_text(struct strbuf *out, uint16_t type, const char *text);
size_t nl_nest(struct strbuf *out, uint16_t type);
void nl_nest_end(struct strbuf *out, size_t at);
/* Attributes of a region by type; those above @max are skipped. -EINVAL: malformed. */
int nl_parse(const void *data, size_t len, const struct nlattr **attrs, unsigned int max);
int nl_parse_nest(const struct nlattr *nest, const struct nlattr **attrs, unsigned int max);
static inline const void *nl_data(const struct nlattr *a) { return a + 1; }
static inline size_t nl_len(const struct nlattr *a) { return a->nla_len - sizeof(*a); }
/* -EINVAL / -ERANGE as the kernel's policies: too short. */
int nl_get_u8(const struct nlattr *a, uint8_t *out);
int nl_get_be16(const struct nlattr *a, be16 *out);
int nl_get_be32(const struct nlattr *a, uint32_t *host);
int nl_get_be64(const struct nlattr *a, uint64_t *host);
/* A name of at most @room - 1 bytes with its NUL; -EINVAL, -ERANGE. */
int nl_get_name(const struct nlattr *a, char *out, size_t room);
static inline uint32_t nl_u32(const struct nlattr *a)	/* of a checked length */
{
	be32 v;

	memcpy(&v, nl_data(a), sizeof(v));
	return ntohl(v);
}
/* Are the attributes of a request that are there as long as @lens says, by type? -ERANGE with the extended error of Linux. */
int nl_lengths_checked(struct nl_request *req, const uint8_t *lens, unsigned int count);

/* --- nl_sock.c --- */
/* Queues one datagram, or notes an overrun: false. @must: answers to requests are never dropped. */
bool nl_queue(struct nl_sock *sock, uint32_t groups, const void *data, size_t len, bool must);
/* To everybody in the group (1-based). */
void nl_multicast(struct control *control, unsigned int group, const struct strbuf *msg);
static inline bool nl_group_heard(const struct control *control, unsigned int group)
{
	return control->echo_to || control->groups & 1u << (group - 1);
}
/* Begins a dump of messages that are there already: nobody must come or go meanwhile. @all is taken, also on failure. */
int nl_dump_messages(struct nl_sock *sock, struct strbuf *all);
/* Fills the queue with what a dump still has to say, as room allows. */
void nl_dump_go_on(struct nl_sock *sock);

/* --- nl_filter.c: SO_ATTACH_FILTER --- */
/* -EINVAL: the kernel would not take the program. */
int nl_filter_check(const struct sock_filter *filter, unsigned int len);
bool nl_filter_passes(const struct nl_sock *sock, const void *msg, size_t len);

/* --- nfnetlink.c --- */
void nfnetlink_datagram(struct nl_sock *sock, const void *data, size_t len);

/* --- queue_netlink.c: packets that wait for a program's verdict --- */
void queue_control_begin(struct control *control);
void queue_control_end(struct control *control);
/* The program that was bound to queues is gone: what waits there is dropped. */
void queue_sock_closed(struct nl_sock *sock);
void queue_iface_down(struct control *control, const struct iface *iface);
/* /proc/net/netfilter/nfnetlink_queue */
void queue_list(struct control *control, struct strbuf *out);

/* --- log_netlink.c: packets that a program wants to know of --- */
void log_control_begin(struct control *control);
void log_control_end(struct control *control);
void log_sock_closed(struct nl_sock *sock);
void log_packet_to_group(struct control *control, const struct pkt *pkt, const struct nflog *log);
/* /proc/net/netfilter/nfnetlink_log, nf_log */
void log_list(struct control *control, struct strbuf *out);
void log_families_list(struct control *control, struct strbuf *out);

/* --- ctnetlink.c, expnetlink.c: events --- */
void ctnetlink_event(struct control *control, const struct ct_event *event);
void expnetlink_event(struct control *control, const struct ct_expect *exp, bool ended);
void acctnetlink_event(struct control *control, struct acct_object *acct);

#endif
