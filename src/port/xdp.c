/*
 * port/xdp.c - AF_XDP on an interface, a socket for each of its queues, or for one: frames lie in memory that the driver (or, in copy mode, its generic
 * part) fills, and leave from there. libxdp loads the program that hands them over. No virtio header comes along: a
 * checksum that a peer on the same machine left undone is known by its looks. The frames lie in a memory file: a process that takes the
 * port over maps them and the kernel's rings anew, and no frame is lost.
 */
#ifdef WEIR_HAS_XDP
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <linux/if_xdp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#include "base/late.h"
#include "packet/packet.h"
#include "port/port.h"

enum { FRAMES = 4096, FRAME_SIZE = XSK_UMEM__DEFAULT_FRAME_SIZE, RX_FRAMES = FRAMES / 2, RING = 2048,
       MEMORY_SIZE = FRAMES * FRAME_SIZE, BUSY_TRIES = 100, BUSY_PAUSE_US = 1000 };

#define XDP_CALLS(X) X(xsk_socket__create) X(xsk_socket__delete) X(xsk_socket__fd) X(xsk_umem__create) X(xsk_umem__delete) \
	X(libxdp_set_print) X(libbpf_set_print) X(libxdp_get_error) X(xdp_multiprog__get_from_ifindex) X(xdp_multiprog__next_prog) \
	X(xdp_multiprog__attach_mode) X(xdp_multiprog__close) X(xdp_program__name) X(xdp_program__detach) \
	X(xdp_multiprog__is_legacy) X(xdp_multiprog__main_prog)

struct xdp {
	struct { LATE_CALLS(XDP_CALLS) } call;
	struct xsk_socket *socket;
	struct xsk_umem *umem;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons done, rx;
	uint8_t *memory;
	int memory_fd, ifindex;
	char ifname[IFNAMSIZ];
	struct { void *at; size_t len; } maps[4];	/* of a socket that somebody else made; else libxdp's */
	uint64_t free[FRAMES];		/* frames to send from; the others are the device's, or on their way */
	unsigned int free_count, waiting;
};

/* A socket sends by the queue that it reads, so each needs its other half. */
static int check_queues(struct port *port, int ctl, const char *ifname, bool chosen, struct refusal *why)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq ifr = { .ifr_data = (void *)&channels };
	uint32_t in, out;

	strcpy(ifr.ifr_name, ifname);
	port->queues_wanted = 1;
	if (chosen || ioctl(ctl, SIOCETHTOOL, &ifr))
		return 0;
	in = channels.combined_count + channels.rx_count;
	out = channels.combined_count + channels.tx_count;
	if (in > 1 && (out < in || in > PORT_QUEUES_MAX))
		return refuse(why, -EINVAL, "%s spreads frames over %u queues, sends by %u, and a port has at most %u, each for both: \"ethtool -L %s combined 1\" "
			      "(or rx 1), or name the queue: xdp:%s,0", ifname, in, out, PORT_QUEUES_MAX, ifname, ifname);
	port->queues_wanted = MAX_OF(in, 1u);
	return 0;
}

static int look_at_device(struct port *port, const char *ifname, bool chosen, int *ifindex, struct refusal *why)
{
	int ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	struct ifreq ifr = { 0 };

	if (ctl < 0)
		return refuse(why, -errno, "no socket: %s", strerror(errno));
	strcpy(ifr.ifr_name, ifname);
	err = ioctl(ctl, SIOCGIFINDEX, &ifr) ? refuse(why, -errno, "%s: %s", ifname, strerror(errno)) :
					       check_queues(port, ctl, ifname, chosen, why);
	*ifindex = ifr.ifr_ifindex;
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

static void rings_close(struct xdp *x)
{
	if (x->socket)
		x->call.xsk_socket__delete(x->socket);
	if (x->umem)
		x->call.xsk_umem__delete(x->umem);
	for (size_t i = 0; i < ARRAY_SIZE(x->maps); i++)
		if (x->maps[i].at)
			munmap(x->maps[i].at, x->maps[i].len);
	if (x->memory)
		munmap(x->memory, MEMORY_SIZE);
	if (x->memory_fd >= 0)
		close(x->memory_fd);
	memset(x->maps, 0, sizeof(x->maps));
	x->socket = NULL;
	x->umem = NULL;
	x->memory = NULL;
	x->memory_fd = -1;
	x->free_count = 0;
}

/* The program that libxdp attached for the process that opened the port: that one is gone. */
static void program_detach(struct xdp *x)
{
	struct xdp_multiprog *all = x->call.xdp_multiprog__get_from_ifindex(x->ifindex);
	struct xdp_program *each = NULL;

	if (!all || x->call.libxdp_get_error(all))
		return;
	/* alone, or one of several behind libxdp's dispatcher */
	if (x->call.xdp_multiprog__is_legacy(all))
		each = x->call.xdp_multiprog__main_prog(all);
	else
		while ((each = x->call.xdp_multiprog__next_prog(each, all)) && strcmp(x->call.xdp_program__name(each), "xsk_def_prog"))
			;
	if (each && !strcmp(x->call.xdp_program__name(each), "xsk_def_prog"))
		x->call.xdp_program__detach(each, x->ifindex, x->call.xdp_multiprog__attach_mode(all), 0);
	x->call.xdp_multiprog__close(all);
}

static void xdp_close(struct port *port)
{
	struct xdp *x = port->priv;

	if (port->is_given) {		/* socket and program are another process's: libxdp's memory of them ends with this one */
		x->socket = NULL;
		x->umem = NULL;
	} else if (!x->socket) {
		close(port->fd);
		program_detach(x);
	}
	rings_close(x);
	free(x);
}

static int memory_map(struct xdp *x)
{
	void *at = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, x->memory_fd, 0);

	x->memory = at == MAP_FAILED ? NULL : at;
	return x->memory ? 0 : -errno;
}

static int open_rings(struct xdp *x, const char *ifname, uint32_t queue)
{
	const struct xsk_umem_config umem = { .fill_size = RING, .comp_size = RING, .frame_size = FRAME_SIZE };
	const struct xsk_socket_config conf = { .rx_size = RING, .tx_size = RING, .bind_flags = XDP_USE_NEED_WAKEUP };
	uint64_t frames[RX_FRAMES];
	int err;

	x->memory_fd = memfd_create("weir-frames", MFD_CLOEXEC);
	err = x->memory_fd < 0 || ftruncate(x->memory_fd, MEMORY_SIZE) ? -errno : memory_map(x);
	if (err)
		return err;
	err = x->call.xsk_umem__create(&x->umem, x->memory, MEMORY_SIZE, &x->fill, &x->done, &umem);
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

/* "eth0", "eth0,3" */
static int arg_read(const char *arg, char ifname[static IFNAMSIZ], unsigned long *queue, bool *chosen, struct refusal *why)
{
	const char *comma = strchr(arg, ',');
	size_t len = comma ? (size_t)(comma - arg) : strlen(arg);
	char *end = NULL;

	*queue = comma ? strtoul(comma + 1, &end, 10) : 0;
	*chosen = comma;
	if (!len || len >= IFNAMSIZ || (comma && (!comma[1] || *end || *queue > UINT16_MAX)))
		return refuse(why, -EINVAL, "\"%s\" is no interface with a queue: xdp:eth0 or xdp:eth0,3", arg);
	memcpy(ifname, arg, len);
	ifname[len] = '\0';
	return 0;
}

/* port->priv, without a socket. */
static int xdp_new(struct port *port, const char *arg, unsigned long *queue, struct refusal *why)
{
	char ifname[IFNAMSIZ];
	struct xdp *x;
	bool chosen;
	int ifindex = 0, err = arg_read(arg, ifname, queue, &chosen, why);

	if (!err)
		err = look_at_device(port, ifname, chosen, &ifindex, why);
	if (err)
		return err;
	x = port->priv = calloc(1, sizeof(struct xdp));
	if (!x)
		return refuse(why, -ENOMEM, "no memory for %s", ifname);
	x->memory_fd = -1;
	x->ifindex = ifindex;
	strcpy(x->ifname, ifname);
	err = late_open("libxdp.so.1", LATE_NAMES(XDP_CALLS), &x->call, sizeof(x->call), why);
	if (err) {
		free(x);
		port->priv = NULL;
		return err;
	}
	x->call.libbpf_set_print(bpf_silent);	/* what went wrong is in the error */
	x->call.libxdp_set_print(xdp_silent);
	port->may_be_partial = true;
	return 0;
}

static int xdp_open(struct port *port, const char *arg, struct refusal *why)
{
	unsigned long queue;
	int err = xdp_new(port, arg, &queue, why);
	struct xdp *x = port->priv;

	if (err)
		return err;
	queue += port->queue;
	err = open_rings(x, x->ifname, (uint32_t)queue);
	for (int i = 0; err == -EBUSY && i < BUSY_TRIES; i++) {	/* who closed it last: the kernel lets go of its queue a little later */
		rings_close(x);
		usleep(BUSY_PAUSE_US);
		err = open_rings(x, x->ifname, (uint32_t)queue);
	}
	if (err) {
		refuse(why, err, "%s: AF_XDP cannot be had on queue %lu: %s", x->ifname, queue, strerror(-err));
		rings_close(x);
		free(x);
		return err;
	}
	port->fd = x->call.xsk_socket__fd(x->socket);
	return 0;
}

/* --- from one process to another: the socket, the memory, and which frames are free; what else is, the rings say --- */

static unsigned int xdp_give(struct port *port, int *fds, struct strbuf *bytes)
{
	struct xdp *x = port->priv;

	sb_add(bytes, (const char *)x->free, x->free_count * sizeof(x->free[0]));
	fds[0] = port->fd;
	fds[1] = x->memory_fd;
	return 2;
}

static int ring_map(struct xdp *x, unsigned int which, int fd, off_t page, const struct xdp_ring_offset *off, size_t entry, void **at)
{
	const size_t len = off->desc + RING * entry;

	*at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, page);
	if (*at == MAP_FAILED)
		return -errno;
	x->maps[which].at = *at;
	x->maps[which].len = len;
	return 0;
}

/* Both kinds of rings have the same fields. */
#define RING_TAKE(ring_, base_, off_, room_) do {						\
	(ring_)->mask = RING - 1;								\
	(ring_)->size = RING;									\
	(ring_)->producer = (void *)((uint8_t *)(base_) + (off_)->producer);			\
	(ring_)->consumer = (void *)((uint8_t *)(base_) + (off_)->consumer);			\
	(ring_)->flags = (void *)((uint8_t *)(base_) + (off_)->flags);				\
	(ring_)->ring = (uint8_t *)(base_) + (off_)->desc;					\
	(ring_)->cached_prod = *(ring_)->producer;						\
	(ring_)->cached_cons = *(ring_)->consumer + (room_);					\
} while (0)

static int rings_take(struct xdp *x, int fd)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	void *fill, *done, *rx, *tx;
	int err = getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) ? -errno : len == sizeof(off) ? 0 : -EOPNOTSUPP;

	if (!err)
		err = ring_map(x, 0, fd, XDP_UMEM_PGOFF_FILL_RING, &off.fr, sizeof(uint64_t), &fill);
	if (!err)
		err = ring_map(x, 1, fd, XDP_UMEM_PGOFF_COMPLETION_RING, &off.cr, sizeof(uint64_t), &done);
	if (!err)
		err = ring_map(x, 2, fd, XDP_PGOFF_RX_RING, &off.rx, sizeof(struct xdp_desc), &rx);
	if (!err)
		err = ring_map(x, 3, fd, XDP_PGOFF_TX_RING, &off.tx, sizeof(struct xdp_desc), &tx);
	if (err)
		return err;
	RING_TAKE(&x->fill, fill, &off.fr, RING);
	RING_TAKE(&x->done, done, &off.cr, 0);
	RING_TAKE(&x->rx, rx, &off.rx, 0);
	RING_TAKE(&x->tx, tx, &off.tx, RING);
	return 0;
}

static int xdp_adopt(struct port *port, const char *arg, const int *fds, unsigned int count, const void *bytes, size_t len,
		     struct refusal *why)
{
	unsigned long queue;
	struct xdp *x;
	int err = count == 2 && len <= sizeof(x->free) && len % sizeof(x->free[0]) == 0 ? xdp_new(port, arg, &queue, why) :
		  refuse(why, -EPROTO, "the daemon before sent no AF_XDP port");

	if (err)
		return err;
	x = port->priv;
	memcpy(x->free, bytes, len);
	x->free_count = (unsigned int)(len / sizeof(x->free[0]));
	for (unsigned int i = 0; i < x->free_count; i++)
		if (x->free[i] % FRAME_SIZE || x->free[i] >= MEMORY_SIZE)
			err = -EPROTO;
	x->memory_fd = fds[1];
	err = err ? err : memory_map(x);
	err = err ? err : rings_take(x, fds[0]);
	if (err) {
		x->memory_fd = -1;	/* whoever called closes it */
		rings_close(x);
		free(x);
		return refuse(why, err, "%s: the AF_XDP port cannot be taken over: %s", arg, strerror(-err));
	}
	port->fd = fds[0];
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
	.name = "xdp", .help = "xdp:IFACE[,Q]   the same by AF_XDP, or one queue of it", .open = xdp_open, .open_queue = xdp_open,
	.adopt = xdp_adopt, .give = xdp_give,
	.receive = xdp_receive, .send = xdp_send, .flush = xdp_flush, .close = xdp_close,
};
#endif
