/*
 * port/tun.c - TAP and TUN devices: the far end is the host's own network stack. They announce no offloads, so the host
 * sends frames as they would be on a wire.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "packet/packet.h"
#include "port/port.h"

enum { FRAME_ROOM = 65536 + 64 };

/* Somebody may have made the device before, with queues or without. */
static int be_device(struct port *port, int fd, struct ifreq *ifr)
{
	const bool several = port->queues_wanted > 1 || port->first != port;

	ifr->ifr_flags |= several ? IFF_MULTI_QUEUE : 0;
	if (!ioctl(fd, TUNSETIFF, ifr))
		return 0;
	if (errno != EINVAL || port->first != port)
		return -errno;
	ifr->ifr_flags ^= IFF_MULTI_QUEUE;
	port->queues_wanted = 1;
	return ioctl(fd, TUNSETIFF, ifr) ? -errno : 0;
}

static int open_device(struct port *port, const char *name, short kind, struct refusal *why)
{
	struct ifreq ifr = { .ifr_flags = (short)(kind | IFF_NO_PI) };
	int fd, ctl, err;

	if (!*name || strlen(name) >= sizeof(ifr.ifr_name))
		return refuse(why, -EINVAL, "\"%s\" cannot be the name of a device", name);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return refuse(why, -errno, "/dev/net/tun cannot be opened: %s", strerror(errno));
	strcpy(ifr.ifr_name, name);
	err = be_device(port, fd, &ifr);
	if (err) {
		close(fd);
		return refuse(why, err, "%s: %s", name, strerror(-err));
	}
	port->fd = fd;
	if (port->queues_wanted > 1)
		tun_steer(fd, kind == IFF_TUN);	/* without it flows may change queues, no more */
	ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ctl >= 0) {
		if (!ioctl(ctl, SIOCGIFMTU, &ifr))
			port->mtu = (uint32_t)ifr.ifr_mtu;
		if (!ioctl(ctl, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP)) {
			ifr.ifr_flags |= IFF_UP;
			ioctl(ctl, SIOCSIFFLAGS, &ifr);	/* not ours to insist on */
		}
		close(ctl);
	}
	return 0;
}

static int adopt_device(struct port *port, const char *name, const int *fds, unsigned int count, const void *bytes, size_t len,
			struct refusal *why)
{
	struct ifreq ifr = { 0 };
	int ctl;

	if (count != 1)
		return refuse(why, -EINVAL, "%s comes with %u descriptors", name, count);
	port->fd = fds[0];
	ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ctl >= 0 && !ioctl(ctl, SIOCGIFMTU, &ifr))
		port->mtu = (uint32_t)ifr.ifr_mtu;
	if (ctl >= 0)
		close(ctl);
	return 0;
}

static int tap_open(struct port *port, const char *arg, struct refusal *why) { return open_device(port, arg, IFF_TAP, why); }
static int tun_open(struct port *port, const char *arg, struct refusal *why) { return open_device(port, arg, IFF_TUN, why); }

static int tun_receive(struct port *port)
{
	uint8_t frame[FRAME_ROOM];

	for (unsigned int i = 0; i < PKT_BURST_MAX; i++) {
		ssize_t n = read(port->fd, frame, sizeof(frame));

		if (n < 0)
			return errno == EAGAIN || errno == EINTR || errno == EIO ? 0 : -errno;
		port_frame(port, frame, (uint32_t)n, NULL);
	}
	return 0;
}

static void tun_send(struct port *port, const void *frame, uint32_t len)
{
	if (write(port->fd, frame, len) != (ssize_t)len)
		port->tx_dropped++;
}

static void tun_close(struct port *port)
{
	close(port->fd);
}

const struct port_driver port_tap = {
	.name = "tap", .help = "tap:NAME        a TAP device of the host", .open = tap_open, .open_queue = tap_open,
	.adopt = adopt_device, .receive = tun_receive,
	.send = tun_send, .close = tun_close,
};

const struct port_driver port_tun = {
	.name = "tun", .help = "tun:NAME        a TUN device of the host (raw IP)", .is_ip = true, .open = tun_open, .open_queue = tun_open,
	.adopt = adopt_device,
	.receive = tun_receive, .send = tun_send, .close = tun_close,
};
