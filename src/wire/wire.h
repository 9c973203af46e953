/*
 * wire/wire.h - what travels between weir's processes: one SEQPACKET record is a head and its payload, a
 * large payload comes as a memfd. Host byte order: both ends are on one machine. The receiver owns a copy of
 * the payload before it looks at it, so the peer cannot change it meanwhile.
 */
#ifndef WEIR_WIRE_H
#define WEIR_WIRE_H

#include "base/types.h"

#include <sys/types.h>

struct sockaddr_un;

enum {
	WIRE_MAGIC = 0x52494557,		/* "WEIR" */
	WIRE_VERSION = 1,
	WIRE_INLINE_MAX = 64 << 10,		/* more goes into a memfd */
	WIRE_TOOL_MAX = 256 << 20,		/* of what a tool sends */
	WIRE_BLOB_MAX = 1 << 30,
	WIRE_FDS_MAX = 4,
};

enum wire_op {
	WIRE_HELLO,	/* a = version, b = client's pid; reply: a = version, b, c = halves of the network namespace's cookie (0: unknown),
			 * cookie = 1: the client may change things */
	WIRE_NLOPEN,	/* first record of a DATA connection: a = port wanted (0: any), b = protocol, c = pid; reply: cookie, a = port */
	WIRE_NLSEND,	/* cookie, payload = one datagram; the reply comes when it was fully processed; its payload: a sentence
			 * about what was not served */
	WIRE_NLDATA,	/* daemon to tool, on DATA: a = multicast group bits, payload */
	WIRE_BIND,	/* cookie, a = port (0: any), b = group bits; reply: a = port */
	WIRE_NLOPT,	/* cookie, a = level, b = option, c = value; payload of SO_ATTACH_FILTER */
	WIRE_SOGET,	/* a = level, b = option, c = room, payload = what the tool put there; reply: payload = output */
	WIRE_SOSET,	/* a = level, b = option, payload; reply: payload = old counters of REPLACE */
	WIRE_FOPEN,	/* a = open(2) flags, payload = path; reply: payload = content; -ENOSYS: not ours */
	WIRE_FWRITE,	/* payload = path NUL data */
	WIRE_FSTAT,	/* payload = path; reply: a = mode */
	WIRE_ORIGDST,	/* payload = two sockaddr_in6-sized addresses: own, peer; a = level; reply: payload = sockaddr */
	WIRE_ALIVE,	/* cookie: is it still open? 0 or -ENOENT */
	WIRE_FWOPEN,	/* first record of a connection that stands for a file opened to write: payload = path; reply: cookie */
	WIRE_COMMAND,	/* payload = NUL-separated words of one of weir's own commands; reply: a = exit code, b = bytes of stdout, rest stderr */
	WIRE_TAKEOVER,	/* from a daemon that comes: payload of the reply = state; nothing moves here until TAKEN, or the connection ends */
	WIRE_TAKE,	/* a = which; reply: payload = what it is, with its descriptors; -ENOENT: there are no more */
	WIRE_TAKEN,	/* the other one may end */
	WIRE_FOLLOW,	/* payload = words of a command that goes on: its lines come as TEXT; once more: it shall end */
	WIRE_TEXT,	/* daemon to a FOLLOW: b = bytes of stdout, rest stderr; c = 1: these are its last words, a = exit code */
	WIRE_REPLACE,	/* a = family, b = 1: only look whether it could be; payload = struct ipt_replace; reply: a = errno, payload = old
			 * counters, or with an errno two sentences, each with its NUL: weir's and iptables' */
	WIRE_LOCK,	/* a = 1: the rules are this connection's to change, until a = 0 or it ends; -EAGAIN: another one has them */
	WIRE_CHANGE,	/* a = family, b = kind of change, and 256: at the chain's end, c = place; payload = struct wire_change and the rule; what
			 * cannot be done alone is -EOPNOTSUPP: the client has WIRE_REPLACE */
	WIRE_OP_COUNT,
};

enum wire_flag {
	WIRE_MEMFD = 1,		/* the payload is in the memfd that came along */
	WIRE_OVERRUN = 2,	/* NLDATA without data: messages were lost (ENOBUFS) */
	WIRE_POSTED = 4,	/* no reply is wanted */
	WIRE_FDS = 8,		/* descriptors come along; of the payload all is inline */
	WIRE_WILL_POST = 16,	/* NLSEND: from now on some of this socket's datagrams come on DATA, and nobody waits */
};

struct wire_head {
	uint32_t magic;
	uint16_t op;
	int16_t err;		/* replies: 0 or negative errno */
	uint32_t len;		/* of the payload */
	uint32_t cookie;
	uint32_t a, b, c, flags;
};
_Static_assert(sizeof(struct wire_head) == 32, "the head is 32 bytes");

struct wire_record {
	struct wire_head head;
	uint8_t *data;		/* owned: malloc; NUL behind the last byte; NULL when empty */
	ssize_t peeked;		/* of a record that stays in the socket: its size there */
	int fds[WIRE_FDS_MAX];	/* owned; whoever keeps one puts -1 here */
	unsigned int fd_count;
};

/* WIRE_CHANGE: texts end with a NUL. */
struct wire_change { char table[32], chain[32]; };
enum { WIRE_CHANGE_APPEND = 256 };

/* 0; -EAGAIN when the socket is full, -EPIPE when the peer is gone, others negative errno. Fills magic, len, MEMFD. */
int wire_send(int fd, struct wire_head *head, const void *payload, size_t len, int flags);
/* The same with descriptors, which stay open here; -EMSGSIZE when the payload is more than WIRE_INLINE_MAX. */
int wire_send_fds(int fd, struct wire_head *head, const void *payload, size_t len, const int *fds, unsigned int count);
/* 0 with *out filled; -ECONNRESET: the peer closed; -EAGAIN; -EPROTO: not a record of ours. @flags: MSG_*. */
int wire_receive(int fd, struct wire_record *out, int flags);
void wire_record_free(struct wire_record *record);
/* Sends and waits for the answer. 0, the reply's own error, or -ECONNRESET when the daemon went away. */
int wire_call(int fd, struct wire_head *head, const void *payload, size_t len, struct wire_record *reply);

/* Where an instance listens: $WEIR_SOCKET, or NAME.sock below $XDG_RUNTIME_DIR/weir or /run/weir. -ENAMETOOLONG. */
int wire_path(const char *name, struct sockaddr_un *out);
/* A new connection, close-on-exec; negative errno. */
int wire_connect(const struct sockaddr_un *where);

#endif
