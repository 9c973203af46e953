/*
 * port/dgram.c - a frame a datagram over Unix sockets, one of ours and one of the peer's: what QEMU's "-netdev dgram" speaks. Nobody connects,
 * so that either side may come, go and come again.
 */
#include <stdlib.h>

#include "base/unix_name.h"
#include "packet/packet.h"
#include "port/port.h"

enum { BUFFER = 4 << 20 };

struct dgram_port { struct sockaddr_un own, peer; };

/* "OWN,PEER". */
static int read_paths(struct dgram_port *d, const char *arg, struct refusal *why)
{
	const char *comma = strchr(arg, ',');
	const size_t own = comma ? (size_t)(comma - arg) : 0, peer = comma ? strlen(comma + 1) : 0;

	if (!own || !peer || own >= sizeof(d->own.sun_path) || peer >= sizeof(d->peer.sun_path))
		return refuse(why, -EINVAL, "\"%s\" cannot be the paths of two sockets, ours and the peer's: dgram:OWN,PEER", arg);
	d->own.sun_family = d->peer.sun_family = AF_UNIX;
	memcpy(d->own.sun_path, arg, own);
	memcpy(d->peer.sun_path, comma + 1, peer);
	return 0;
}

static int dgram_open(struct port *port, const char *arg, struct refusal *why)
{
	struct dgram_port *d = calloc(1, sizeof(*d));
	const int room = BUFFER;
	int err;

	if (!d)
		return refuse(why, -ENOMEM, "no memory for a port");
	err = read_paths(d, arg, why);
	if (!err) {
		port->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		err = port->fd < 0 ? -errno : unix_bind(port->fd, &d->own);
		if (err)
			refuse(why, err, "%s: %s", d->own.sun_path, strerror(-err));
	}
	if (err) {
		if (port->fd >= 0)
			close(port->fd);
		free(d);
		return err;
	}
	setsockopt(port->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	port->priv = d;
	return 0;
}

static int dgram_adopt(struct port *port, const char *arg, const int *fds, unsigned int count, const void *bytes, size_t len,
		       struct refusal *why)
{
	struct dgram_port *d = calloc(1, sizeof(*d));

	if (!d || count != 1 || read_paths(d, arg, why)) {
		free(d);
		return refuse(why, -EINVAL, "dgram:%s did not come whole from the other daemon", arg);
	}
	port->fd = fds[0];
	port->priv = d;
	return 0;
}

static int dgram_receive(struct port *port)
{
	uint8_t frame[PKT_LEN_MAX];

	for (unsigned int i = 0; i < PKT_BURST_MAX; i++) {
		const ssize_t n = recv(port->fd, frame, sizeof(frame), MSG_TRUNC);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0 || n > (ssize_t)sizeof(frame))
			port->rx_dropped++;
		else
			port_frame(port, frame, (uint32_t)n, NULL);
	}
	return 0;
}

/* A peer that is not there, or does not read, loses frames as a wire's would. */
static void dgram_send(struct port *port, const void *frame, uint32_t len)
{
	const struct dgram_port *d = port->priv;

	if (sendto(port->fd, frame, len, MSG_NOSIGNAL, (const struct sockaddr *)&d->peer, sizeof(d->peer)) != (ssize_t)len)
		port->tx_dropped++;
}

static void dgram_close(struct port *port)
{
	struct dgram_port *d = port->priv;

	close(port->fd);
	if (!port->is_given)
		unlink(d->own.sun_path);
	free(d);
}

const struct port_driver port_dgram = {
	.name = "dgram", .help = "dgram:OWN,PEER  a frame a datagram, from the Unix socket OWN to PEER and back (QEMU -netdev dgram)",
	.open = dgram_open, .adopt = dgram_adopt, .receive = dgram_receive, .send = dgram_send, .close = dgram_close,
};
