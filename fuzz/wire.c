/*
 * fuzz/wire.c - the socket of a daemon and whatever a process may send there: records that are nearly right, bytes that are none, descriptors, peers that do not
 * read or go away. The server is the daemon's own (daemon/server.h) at an abstract address; a watch of its loop takes the
 * next step of the input each round, so that one thread is both ends and everything is served between two steps.
 *
 * Input: steps of a kind, two bytes of length and that many bytes, of which the first says which of four connections: a record built from flags, operation,
 * cookie, a, b, c and payload; bytes as they are; reading what was answered; hanging up. A connection is made when it is first needed.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/uapi.h"
#include "daemon/server_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP_RECORD, STEP_RAW, STEP_READ, STEP_HANG_UP, STEP_COUNT };
enum { CONNS = 4, STEPS_MAX = 96, ROUNDS_AFTER = 3, MEMFD_BIT = 0x80, SHORT_MEMFD_BIT = 0x40, COOKIE_OF_FILE = 0x80 };

struct script {
	struct server *server;
	struct sockaddr_un at;
	socklen_t at_len;
	int fds[CONNS];
	const uint8_t *data;
	size_t size;
	unsigned int steps, rounds_after;
};

/* --- what daemon.c gives a server --- */

static int command(void *priv, int argc, char **argv, bool may_change, struct strbuf *out, struct strbuf *err)
{
	for (int i = 0; i < argc; i++)
		sb_printf(i % 2 ? err : out, "%s\n", argv[i]);
	return argc;
}

/* "loud" says so much that lines are lost. */
static void *follow(void *priv, struct conn *to, int argc, char **argv, struct strbuf *out, struct strbuf *err, size_t *room, int *code)
{
	*code = argc;
	if (strcmp(argv[0], "ends") == 0)
		return NULL;
	*room = 8192;
	for (int i = 0; strcmp(argv[0], "loud") == 0 && i < 64; i++)
		server_say(to, "a line\n", 7);
	return malloc(1);
}

static void unfollow(void *priv, void *following, struct strbuf *out, struct strbuf *err)
{
	free(following);
}

/* --- the other end --- */

static int conn_of(struct script *s, uint8_t which)
{
	int *fd = &s->fds[which % CONNS];

	if (*fd < 0) {
		*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (*fd < 0 || connect(*fd, (struct sockaddr *)&s->at, s->at_len))
			abort();
	}
	return *fd;
}

static void hang_up(struct script *s, uint8_t which)
{
	int *fd = &s->fds[which % CONNS];

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void send_bytes(int fd, const void *head, size_t head_len, const void *payload, size_t len, int along)
{
	struct iovec iov[2] = { { (void *)head, head_len }, { (void *)payload, len } };
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (along >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &along, sizeof(along));
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL);	/* a full socket takes no more, a daemon that hung up neither */
}

static void send_record(struct script *s, const uint8_t *data, size_t len)
{
	enum { HEAD = 16 };
	struct wire_head head = { .magic = WIRE_MAGIC };
	int blob = -1;

	if (len < HEAD)
		return;
	head.op = data[1] % (WIRE_OP_COUNT + 2);
	head.flags = data[2] & (WIRE_POSTED | WIRE_FDS | WIRE_WILL_POST);
	head.cookie = data[3] & COOKIE_OF_FILE ? 0x80000000u | (data[3] & 0x7f) : data[3];
	head.a = get_be32(data + 4);
	head.b = get_be32(data + 8);
	head.c = get_be32(data + 12);
	head.len = (uint32_t)(len - HEAD);
	if (data[2] & MEMFD_BIT) {
		blob = memfd_create("fuzz", MFD_CLOEXEC);
		if (blob < 0 || write(blob, data + HEAD, head.len) != (ssize_t)head.len)
			abort();
		head.flags |= WIRE_MEMFD;
		head.len -= data[2] & SHORT_MEMFD_BIT && head.len;
		len = HEAD;
	}
	send_bytes(conn_of(s, data[0]), &head, sizeof(head), data + HEAD, len - HEAD, blob);
	if (blob >= 0)
		close(blob);
}

static void read_all(int fd)
{
	struct wire_record r;

	while (wire_receive(fd, &r, MSG_DONTWAIT) == 0)
		wire_record_free(&r);
}

static void next_step(void *priv, uint32_t events)
{
	struct script *s = priv;
	size_t len;

	if (s->size < 4 || s->steps == STEPS_MAX) {
		if (s->rounds_after++ == ROUNDS_AFTER)
			server_stop(s->server);
		return;
	}
	s->steps++;
	len = MIN_OF((size_t)get_be16(s->data + 1), s->size - 3);
	switch (s->data[0] % STEP_COUNT) {
	case STEP_RECORD:
		send_record(s, s->data + 3, len);
		break;
	case STEP_RAW:
		if (len)
			send_bytes(conn_of(s, s->data[3]), s->data + 4, len - 1, NULL, 0, s->data[3] & MEMFD_BIT ? STDIN_FILENO : -1);
		break;
	case STEP_READ:
		read_all(conn_of(s, s->data[3]));
		break;
	case STEP_HANG_UP:
		hang_up(s, s->data[3]);
		break;
	}
	s->data += 3 + len;
	s->size -= 3 + len;
}

static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct server_callbacks callbacks = { .command = command, .follow = follow, .unfollow = unfollow };
	struct script s = { .at = { .sun_family = AF_UNIX }, .at_len = sizeof(s.at), .fds = { -1, -1, -1, -1 }, .data = data, .size = size };
	struct instance *inst = instance_new(1, clock_ns(CLOCK_REALTIME), NULL);
	const int free_fd = lowest_free_fd();
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), ever = eventfd(1, EFD_CLOEXEC);

	if (!inst || listener < 0 || ever < 0 || bind(listener, (struct sockaddr *)&s.at, sizeof(sa_family_t)) || listen(listener, CONNS) ||
	    getsockname(listener, (struct sockaddr *)&s.at, &s.at_len))
		abort();
	s.server = server_new_at(inst, listener, "", &callbacks, NULL);
	if (!s.server || server_watch(s.server, ever, EPOLLIN, next_step, &s) || server_run(s.server))
		abort();
	for (uint8_t i = 0; i < CONNS; i++)
		hang_up(&s, i);
	server_unwatch(s.server, ever);
	close(ever);
	server_free(s.server);
	instance_free(inst);
	if (lowest_free_fd() != free_fd)
		abort();	/* a descriptor that came along stayed open */
	return 0;
}
