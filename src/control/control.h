/*
 * control/control.h - the kernel's control interfaces on an instance: socket options, netlink, files. Callers hand in
 * what a tool handed to its kernel, and get back what the kernel would have said. Nothing here opens a socket; the
 * daemon and tests carry the bytes. Errors are negative errnos as the kernel gives them.
 */
#ifndef WEIR_CONTROL_H
#define WEIR_CONTROL_H

#include "base/strbuf.h"
#include "instance.h"

struct control;
struct nl_sock;

/* Who asks. Readers may look; changing things is for the owner of the instance and root. */
struct control_cred { bool may_change; };

struct control_callbacks {
	void *priv;
	/* @sock has datagrams waiting, see nl_sock_next(). */
	void (*ready)(void *priv, struct nl_sock *sock);
	/* What nobody serves, for `weir exec -v`: one line. */
	void (*unserved)(void *priv, const char *line);
};

/* Takes the instance's observer for events; @inst is borrowed and outlives it. NULL: no memory. */
struct control *control_new(struct instance *inst, const struct control_callbacks *callbacks);
void control_free(struct control *control);

/* --- sockopt.c --- */

/* The options that are weir's; others belong to the host's kernel. */
bool control_is_option(int level, int option);
/**
 * control_sockopt_get() - getsockopt(2)
 * @in:   what the tool's buffer held, as far as the option reads it; @in_len bytes
 * @room: the tool's optlen
 * @out:  what goes into its buffer; its length is the new optlen
 */
int control_sockopt_get(struct control *control, struct control_cred cred, int level, int option, const void *in,
			size_t in_len, size_t room, struct strbuf *out);
/* setsockopt(2). @out: REPLACE's old counters, which the tool wants through its embedded pointer. */
int control_sockopt_set(struct control *control, struct control_cred cred, int level, int option, const void *in,
			size_t in_len, struct strbuf *out);
/*
 * IPT_SO_SET_REPLACE for who wants to know why not. @out: the old counters; after a refusal its text and upstream's, each
 * with its NUL, or nothing.
 */
int control_rules_replace(struct control *control, struct control_cred cred, uint8_t family, bool only_check, const void *in,
			  size_t in_len, struct strbuf *out);
/* tables_change_rule(), for who may; -EOPNOTSUPP: it takes a replacement. */
struct rule_change;
int control_rule_change(struct control *control, struct control_cred cred, uint8_t family, const char *table,
			const struct rule_change *change);
/* SO_ORIGINAL_DST: where the TCP connection between these two addresses of the host once went. */
int control_original_dst(struct control *control, int level, const struct sockaddr_in6 *own,
			 const struct sockaddr_in6 *peer, struct strbuf *out);

/* --- nl_sock.c: netlink sockets, as tools see them --- */

/* @port: wanted, 0 = the kernel's choice for process @pid. -EADDRINUSE, -EPROTONOSUPPORT, -ENOMEM. */
int nl_sock_open(struct control *control, int protocol, uint32_t port, uint32_t pid, struct control_cred cred, void *owner,
		 struct nl_sock **out);
void nl_sock_close(struct nl_sock *sock);
struct nl_sock *nl_sock_find(struct control *control, uint32_t cookie);
uint32_t nl_sock_cookie(const struct nl_sock *sock);
uint32_t nl_sock_port(const struct nl_sock *sock);
void *nl_sock_owner(const struct nl_sock *sock);
int nl_sock_bind(struct nl_sock *sock, uint32_t port, uint32_t groups);
int nl_sock_option(struct nl_sock *sock, int level, int option, uint32_t value, const void *data, size_t len);
/* One datagram of requests; answers are queued when it returns. Only errors of sending itself. */
int nl_sock_send(struct nl_sock *sock, const void *data, size_t len);

struct nl_datagram {
	struct list node;
	uint32_t groups;	/* multicast group bit, 0 = unicast */
	bool overrun;		/* no data: messages were lost before this point */
	size_t len;
	uint8_t data[];
};
/* The oldest waiting one, given: free() it; dumps that wait for room go on. NULL: none. */
struct nl_datagram *nl_sock_next(struct nl_sock *sock);

/* --- files.c --- */

/*
 * A file below /proc or /sys that netfilter makes. 0 with its text; -ENOENT: weir's, but not there; -ENOSYS: not weir's.
 * @path: absolute and normalised (/proc/net, not /proc/self/net).
 */
int control_file_read(struct control *control, const char *path, struct strbuf *out);
int control_file_write(struct control *control, struct control_cred cred, const char *path, const char *text, size_t len);
/* Its mode bits (S_IFREG | 0440); same errors. */
int control_file_mode(struct control *control, const char *path, uint32_t *mode);

#endif
