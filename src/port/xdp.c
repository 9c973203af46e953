/*
 * port/xdp.c - AF_XDP on one queue of an interface: frames lie in memory that the driver (or, in copy mode, its generic
 * part) fills, and leave from there. libxdp loads the program that hands them over. No virtio header comes along: a
 * checksum that a peer on the same machine left undone is known by its looks.
 */
#ifdef WEIR_HAS_XDP
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#include "base/bigmem.h"
#include "base/late.h"
#include "packet/packet.h"
#include "port/port.h"

enum { FRAMES = 4096, FRAME_SIZE = XSK_UMEM__DEFAULT_FRAME_SIZE, RX_FRAMES = FRAMES / 2, RING = 2048 };

#define XDP_CALLS(X) X(xsk_socket__create) X(xsk_socket__delete) X(xsk_socket__fd) X(xsk_umem__create) X(xsk_umem__delete) \
	X(libxdp_set_print) X(libbpf_set_print)

struct xdp {
	struct { LATE_CALLS(XDP_CALLS) } call;
	struct xsk_socket *socket;
	struct xsk_umem *umem;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons done, rx;
	uint8_t *memory;
	uint64_t free[FRAMES];		/* frames to send from; the others are the device's, or on their way */
	unsigned int free_count, waiting;
};

static int check_queues(int ctl, const char *ifname, bool chosen, struct refusal *why)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq ifr = { .ifr_data = (void *)&channels };

	strcpy(ifr.ifr_name, ifname);
	if (chosen || ioctl(ctl, SIOCETHTOOL, &ifr))
		return 0;
	if (channels.combined_count > 1 || channels.rx_count > 1)
		return refuse(why, -EINVAL, "%s spreads frames over %u queues and a port sees one: \"ethtool -L %s combined 1\" (or rx 1), "
			      "or name the queue: xdp:%s,0", ifname, channels.combined_count + channels.rx_count, ifname, ifname);
	return 0;
}

static int look_at_device(struct port *port, const char *ifname, bool chosen, struct refusal *why)
{
	int ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	struct ifreq ifr = { 0 };

	if (ctl < 0)
		return refuse(why, -errno, "no socket: %s", strerror(errno));
	strcpy(ifr.ifr_name, ifname);
	err = ioctl(ctl, SIOCGIFINDEX, &ifr) ? refuse(why, -errno, "%s: %s", ifname, strerror(errno)) :
					       check_queues(ctl, ifname, chosen, why);
	if (!err)
		port_ask_device(port, ctl, ifname);
	if (!err && port->mtu + ETH_HLEN + 4 > FRAME_SIZE - XDP_PACKET_HEADROOM)
		err = refuse(why, -EMSGSIZE, "%s: an MTU of %u does not fit into the frames of AF_XDP", ifname, port->mtu);
	close(ctl);
	return err;
}

static void give(struct xdp *x, const uint64_t *frames, unsigned int count)
{
	uint32_t at;

	if (!count || xsk_ring_prod__reserve(&x->fill, count, &at) != count)
		return;
	for (unsigned int i = 0; i < count; i++)
		*xsk_ring_prod__fill_addr(&x->fill, at + i) = frames[i];
	xsk_ring_prod__submit(&x->fill, count);
}

static void xdp_close(struct port *port)
{
	struct xdp *x = port->priv;

	if (x->socket)
		x->call.xsk_socket__delete(x->socket);
	if (x->umem)
		x->call.xsk_umem__delete(x->umem);
	bigmem_free(x->memory, (size_t)FRAMES * FRAME_SIZE);
	free(x);
}

static int open_rings(struct xdp *x, const char *ifname, uint32_t queue)
{
	const struct xsk_umem_config umem = { .fill_size = RING, .comp_size = RING, .frame_size = FRAME_SIZE };
	const struct xsk_socket_config conf = { .rx_size = RING, .tx_size = RING, .bind_flags = XDP_USE_NEED_WAKEUP };
	uint64_t frames[RX_FRAMES];
	int err;

	x->memory = bigmem_alloc((size_t)FRAMES * FRAME_SIZE);
	if (!x->memory)
		return -ENOMEM;
	err = x->call.xsk_umem__create(&x->umem, x->memory, (uint64_t)FRAMES * FRAME_SIZE, &x->fill, &x->done, &umem);
	if (!err)
		err = x->call.xsk_socket__create(&x->socket, ifname, queue, x->umem, &x->rx, &x->tx, &conf);
	if (err)
		return err > 0 ? -err : err;
	for (unsigned int i = 0; i < RX_FRAMES; i++) {
		frames[i] = (uint64_t)i * FRAME_SIZE;
		x->free[x->free_count++] = (uint64_t)(RX_FRAMES + i) * FRAME_SIZE;
	}
	give(x, frames, RX_FRAMES);
	return 0;
}

static int bpf_silent(enum libbpf_print_level level, const char *format, va_list ap) { return 0; }
static int xdp_silent(enum libxdp_print_level level, const char *format, va_list ap) { return 0; }

static int xdp_open(struct port *port, const char *arg, struct refusal *why)
{
	const char *comma = strchr(arg, ',');
	size_t len = comma ? (size_t)(comma - arg) : strlen(arg);
	unsigned long queue = 0;
	struct xdp *x;
	char ifname[IFNAMSIZ];
	char *end = NULL;
	int err;

	if (comma)
		queue = strtoul(comma + 1, &end, 10);
	if (!len || len >= sizeof(ifname) || (comma && (!comma[1] || *end || queue > UINT16_MAX)))
		return refuse(why, -EINVAL, "\"%s\" is no interface with a queue: xdp:eth0 or xdp:eth0,3", arg);
	memcpy(ifname, arg, len);
	ifname[len] = '\0';
	err = look_at_device(port, ifname, comma, why);
	if (err)
		return err;
	x = port->priv = calloc(1, sizeof(struct xdp));
	if (!x)
		return refuse(why, -ENOMEM, "no memory for %s", ifname);
	err = late_open("libxdp.so.1", LATE_NAMES(XDP_CALLS), &x->call, sizeof(x->call), why);
	if (err) {
		free(x);
		port->priv = NULL;
		return err;
	}
	x->call.libbpf_set_print(bpf_silent);	/* what went wrong is in the error */
	x->call.libxdp_set_print(xdp_silent);
	err = open_rings(x, ifname, (uint32_t)queue);
	if (err) {
		xdp_close(port);
		return refuse(why, err, "%s: AF_XDP cannot be had on queue %lu: %s", ifname, queue, strerror(-err));
	}
	port->fd = x->call.xsk_socket__fd(x->socket);
	port->may_be_partial = true;
	return 0;
}

static int xdp_receive(struct port *port)
{
	struct xdp *x = port->priv;
	uint64_t frames[PKT_BURST_MAX];
	uint32_t at, count = xsk_ring_cons__peek(&x->rx, PKT_BURST_MAX, &at);

	for (uint32_t i = 0; i < count; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&x->rx, at + i);

		port_frame(port, x->memory + desc->addr, desc->len, NULL);
		frames[i] = desc->addr - desc->addr % FRAME_SIZE;
	}
	xsk_ring_cons__release(&x->rx, count);
	give(x, frames, count);
	if (xsk_ring_prod__needs_wakeup(&x->fill))
		recvfrom(port->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	return 0;
}

static void take_back(struct xdp *x)
{
	uint32_t at, count = xsk_ring_cons__peek(&x->done, RING, &at);

	for (uint32_t i = 0; i < count; i++)
		x->free[x->free_count++] = *xsk_ring_cons__comp_addr(&x->done, at + i);
	xsk_ring_cons__release(&x->done, count);
}

static void kick(struct port *port)
{
	struct xdp *x = port->priv;

	x->waiting = 0;
	if (xsk_ring_prod__needs_wakeup(&x->tx))
		sendto(port->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
}

static void xdp_send(struct port *port, const void *frame, uint32_t len)
{
	struct xdp *x = port->priv;
	struct xdp_desc *desc;
	uint32_t at;

	if (!x->free_count) {
		kick(port);
		take_back(x);
	}
	if (len > FRAME_SIZE || !x->free_count || !xsk_ring_prod__reserve(&x->tx, 1, &at)) {
		port->tx_dropped++;
		return;
	}
	desc = xsk_ring_prod__tx_desc(&x->tx, at);
	*desc = (struct xdp_desc){ .addr = x->free[--x->free_count], .len = len };
	memcpy(x->memory + desc->addr, frame, len);
	xsk_ring_prod__submit(&x->tx, 1);
	x->waiting++;
}

static void xdp_flush(struct port *port)
{
	struct xdp *x = port->priv;

	if (!x->waiting)
		return;
	kick(port);
	take_back(x);
}

const struct port_driver port_xdp = {
	.name = "xdp", .help = "xdp:IFACE[,Q]   the same by AF_XDP, one queue of it", .open = xdp_open,
	.receive = xdp_receive, .send = xdp_send, .flush = xdp_flush, .close = xdp_close,
};
#endif
