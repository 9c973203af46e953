/*
 * port/unix.c - frames over a Unix stream socket, each behind its length in four bytes of network order: what QEMU's
 * "-netdev stream" and passt speak. The socket that is there is connected to; else one is made and a peer waited for. Many frames
 * go in one call, both ways.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/unix_name.h"
#include "packet/packet.h"
#include "port/port.h"

enum { LENGTH = 4, FRAME_ROOM = 65536 + 64, IN_ROOM = LENGTH + FRAME_ROOM + (128 << 10), SEND_WAITING_MAX = 4 << 20, SEND_AT = 64 << 10, LOOKS = 4 };

struct unix_port {
	int listener, peer;		/* -1: none */
	struct sockaddr_un at;
	uint32_t have;			/* bytes of the frame that is coming in: who receives alone looks at them, and changes peer */
	uint8_t in[IN_ROOM];
	uint8_t *out;			/* what the peer did not take yet: from out_at to out_len */
	size_t out_at, out_len;
	bool is_full;			/* it takes no more: EPOLLOUT is waited for */
	int epoll;			/* port->fd: listener and peer are behind it */
};


static void watch(struct unix_port *u, int fd, uint32_t events, int op)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	epoll_ctl(u->epoll, op, fd, &ev);
}

static void drop_peer(struct port *port)
{
	struct unix_port *u = port->priv;

	port_lock(port);
	close(u->peer);
	u->peer = -1;
	u->have = 0;
	u->out_at = u->out_len = 0;
	u->is_full = false;
	port_unlock(port);
}

static void take_peer(struct port *port, int fd)
{
	struct unix_port *u = port->priv;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (u->peer >= 0)
		drop_peer(port);
	port_lock(port);
	u->peer = fd;
	watch(u, fd, EPOLLIN, EPOLL_CTL_ADD);
	port_unlock(port);
}

static int unix_open(struct port *port, const char *arg, struct refusal *why)
{
	struct unix_port *u;
	int fd, err = 0;

	if (!*arg || strlen(arg) >= sizeof(u->at.sun_path))
		return refuse(why, -EINVAL, "\"%s\" cannot be the path of a socket", arg);
	u = calloc(1, sizeof(*u));
	if (!u)
		return refuse(why, -ENOMEM, "no memory for a port");
	port->priv = u;
	u->listener = u->peer = -1;
	u->at.sun_family = AF_UNIX;
	strcpy(u->at.sun_path, arg);
	u->epoll = epoll_create1(EPOLL_CLOEXEC);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (u->epoll < 0 || fd < 0) {
		err = -errno;
	} else if (!connect(fd, (struct sockaddr *)&u->at, sizeof(u->at))) {
		take_peer(port, fd);
	} else {
		err = unix_bind(fd, &u->at);
		if (!err && listen(fd, 1))
			err = -errno;
		if (!err) {
			fcntl(fd, F_SETFL, O_NONBLOCK);
			u->listener = fd;
			watch(u, fd, EPOLLIN, EPOLL_CTL_ADD);
		}
	}
	if (err) {
		if (fd >= 0)
			close(fd);
		if (u->epoll >= 0)
			close(u->epoll);
		free(u);
		return refuse(why, err, "%s: %s", arg, strerror(-err));
	}
	port->fd = u->epoll;
	return 0;
}

/* What was read and what was not taken yet, behind their lengths: the peers' streams go on where they stand. */
static unsigned int unix_give(struct port *port, int *fds, struct strbuf *bytes)
{
	struct unix_port *u = port->priv;
	unsigned int count = 0;

	out_u8(bytes, u->listener >= 0);
	out_u8(bytes, u->peer >= 0);
	out_u32(bytes, u->have);
	out_raw(bytes, u->in, u->have);
	out_u32(bytes, (uint32_t)(u->out_len - u->out_at));
	if (u->out_len > u->out_at)
		out_raw(bytes, u->out + u->out_at, u->out_len - u->out_at);
	if (u->listener >= 0)
		fds[count++] = u->listener;
	if (u->peer >= 0)
		fds[count++] = u->peer;
	return count;
}

static int unix_adopt(struct port *port, const char *arg, const int *fds, unsigned int count, const void *bytes, size_t len,
		      struct refusal *why)
{
	struct bytes_in in = { bytes, (const uint8_t *)bytes + len };
	struct unix_port *u = calloc(1, sizeof(*u));
	bool listens = in_u8(&in), has_peer = in_u8(&in);

	if (!u || strlen(arg) >= sizeof(u->at.sun_path) || count != (unsigned int)listens + has_peer)
		goto bad;
	u->listener = u->peer = -1;
	u->at.sun_family = AF_UNIX;
	strcpy(u->at.sun_path, arg);
	u->have = in_u32(&in);
	if (u->have > sizeof(u->in))
		goto bad;
	in_raw(&in, u->in, u->have);
	u->out_len = in_u32(&in);
	if (u->out_len > SEND_WAITING_MAX)
		goto bad;
	if (u->out_len) {
		u->out = malloc(SEND_WAITING_MAX);
		if (!u->out)
			goto bad;
		in_raw(&in, u->out, u->out_len);
	}
	u->epoll = in.failed ? -1 : epoll_create1(EPOLL_CLOEXEC);
	if (u->epoll < 0)
		goto bad;
	if (listens) {
		u->listener = fds[0];
		watch(u, u->listener, EPOLLIN, EPOLL_CTL_ADD);
	}
	if (has_peer) {
		u->peer = fds[listens];
		u->is_full = u->out_len;
		watch(u, u->peer, u->out_len ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_ADD);
	}
	port->priv = u;
	port->fd = u->epoll;
	return 0;
bad:
	if (u)
		free(u->out);
	free(u);
	return refuse(why, -EINVAL, "unix:%s did not come whole from the other daemon", arg);
}

static void send_waiting(struct unix_port *u)
{
	bool is_full;
	ssize_t n;

	if (u->peer < 0 || u->out_at == u->out_len)
		return;
	n = send(u->peer, u->out + u->out_at, u->out_len - u->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
	u->out_at += n > 0 ? (size_t)n : 0;
	is_full = u->out_at < u->out_len;
	if (!is_full)
		u->out_at = u->out_len = 0;
	if (is_full != u->is_full)
		watch(u, u->peer, is_full ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
	u->is_full = is_full;
}

/* Every frame that is there in full. False: the peer speaks another language, and is gone. */
static bool frames_take(struct port *port, struct unix_port *u)
{
	uint32_t at = 0;

	while (u->have - at >= LENGTH) {
		const uint32_t len = get_be32(u->in + at);

		if (!len || len > FRAME_ROOM) {
			drop_peer(port);
			return false;
		}
		if (u->have - at - LENGTH < len)
			break;
		at += LENGTH + len;
		port_frame(port, u->in + at - len, len, NULL);
	}
	u->have -= at;
	memmove(u->in, u->in + at, u->have);
	return true;
}

/* False: nothing more is there, or the peer is gone. */
static bool receive_some(struct port *port, struct unix_port *u)
{
	const size_t room = sizeof(u->in) - u->have;
	const ssize_t n = recv(u->peer, u->in + u->have, room, MSG_DONTWAIT);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			drop_peer(port);
		return false;
	}
	u->have += (uint32_t)n;
	return frames_take(port, u) && (size_t)n == room;
}

static int unix_receive(struct port *port)
{
	struct unix_port *u = port->priv;
	int fd;

	if (u->listener >= 0) {
		fd = accept4(u->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			take_peer(port, fd);
	}
	port_lock(port);
	send_waiting(u);
	port_unlock(port);
	for (unsigned int i = 0; i < LOOKS && u->peer >= 0; i++)
		if (!receive_some(port, u))
			break;
	return 0;
}

static void unix_send(struct port *port, const void *frame, uint32_t len)
{
	struct unix_port *u = port->priv;

	if (!u->out)
		u->out = malloc(SEND_WAITING_MAX);
	if (u->out_at && u->out_len + LENGTH + len > SEND_WAITING_MAX) {
		memmove(u->out, u->out + u->out_at, u->out_len - u->out_at);
		u->out_len -= u->out_at;
		u->out_at = 0;
	}
	if (u->peer < 0 || !u->out || u->out_len + LENGTH + len > SEND_WAITING_MAX) {
		port->tx_dropped++;
		return;
	}
	put_be32(u->out + u->out_len, len);
	memcpy(u->out + u->out_len + LENGTH, frame, len);
	u->out_len += LENGTH + len;
	if (!u->is_full && u->out_len - u->out_at >= SEND_AT)
		send_waiting(u);
}

static void unix_flush(struct port *port)
{
	struct unix_port *u = port->priv;

	if (!u->is_full)	/* else the peer says when */
		send_waiting(u);
}

static void unix_close(struct port *port)
{
	struct unix_port *u = port->priv;

	if (u->peer >= 0)
		close(u->peer);
	if (u->listener >= 0) {
		close(u->listener);
		if (!port->is_given)
			unlink(u->at.sun_path);
	}
	close(u->epoll);
	free(u->out);
	free(u);
}

const struct port_driver port_unix = {
	.name = "unix", .help = "unix:PATH       frames behind their length on a Unix socket (QEMU -netdev stream, passt)",
	.open = unix_open, .adopt = unix_adopt, .give = unix_give, .receive = unix_receive, .send = unix_send,
	.flush = unix_flush, .close = unix_close,
};
