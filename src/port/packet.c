/*
 * port/packet.c - AF_PACKET on an interface of the host: every frame that comes in there, and frames out of it. What comes
 * from a peer on the same machine may be large and unsummed; the virtio header says so.
 */
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "packet/packet.h"
#include "port/port.h"

enum { BATCH = 32, FRAME_ROOM = 65536 + 64, SOCKET_BUFFER = 8 << 20 };

struct slot { struct virtio_net_hdr head; uint8_t frame[FRAME_ROOM]; };
struct packet_port { struct mmsghdr msgs[BATCH]; struct iovec iov[BATCH]; struct sockaddr_ll from[BATCH]; struct slot slots[BATCH]; };

static int packet_open(struct port *port, const char *arg, struct refusal *why)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq promiscuous = { .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, size = SOCKET_BUFFER, err;
	struct ifreq ifr = { 0 };

	if (fd < 0)
		return refuse(why, -errno, "no packet socket: %s", strerror(errno));
	if (!*arg || strlen(arg) >= sizeof(ifr.ifr_name)) {
		close(fd);
		return refuse(why, -EINVAL, "\"%s\" is no interface", arg);
	}
	strcpy(ifr.ifr_name, arg);
	if (ioctl(fd, SIOCGIFINDEX, &ifr))
		goto fail;
	addr.sll_ifindex = promiscuous.mr_ifindex = ifr.ifr_ifindex;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		goto fail;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!ioctl(fd, SIOCGIFHWADDR, &ifr)) {
		memcpy(port->mac, ifr.ifr_hwaddr.sa_data, sizeof(port->mac));
		port->has_mac = true;
	}
	if (!ioctl(fd, SIOCGIFMTU, &ifr))
		port->mtu = (uint32_t)ifr.ifr_mtu;
	port->priv = calloc(1, sizeof(struct packet_port));
	if (!port->priv) {
		errno = ENOMEM;
		goto fail;
	}
	port->fd = fd;
	return 0;
fail:
	err = -errno;
	close(fd);
	return refuse(why, err, "%s: %s", arg, strerror(-err));
}

/* What the virtio header says about a frame; false: nothing is left to be done. */
static bool offload_of(const struct virtio_net_hdr *head, struct port_offload *out)
{
	*out = (struct port_offload){
		.gso = head->gso_type & ~VIRTIO_NET_HDR_GSO_ECN,
		.needs_sum = head->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.sum_start = head->csum_start, .sum_offset = head->csum_offset,
		.header_len = head->hdr_len, .segment_len = head->gso_size,
	};
	return out->gso || out->needs_sum;
}

static int packet_receive(struct port *port)
{
	struct packet_port *p = port->priv;
	int count;

	for (unsigned int i = 0; i < BATCH; i++) {
		p->iov[i] = (struct iovec){ &p->slots[i], sizeof(p->slots[i].head) + sizeof(p->slots[i].frame) };
		p->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &p->iov[i], .msg_iovlen = 1 };
	}
	count = recvmmsg(port->fd, p->msgs, BATCH, MSG_DONTWAIT, NULL);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENETDOWN ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		struct slot *slot = &p->slots[i];
		struct port_offload offload;

		if (p->msgs[i].msg_len <= sizeof(slot->head))
			continue;
		port_frame(port, slot->frame, p->msgs[i].msg_len - (uint32_t)sizeof(slot->head),
			   offload_of(&slot->head, &offload) ? &offload : NULL);
	}
	return 0;
}

static void packet_send(struct port *port, const void *frame, uint32_t len)
{
	struct virtio_net_hdr none = { 0 };
	struct iovec iov[2] = { { &none, sizeof(none) }, { (void *)frame, len } };

	if (writev(port->fd, iov, 2) < 0)
		port->tx_dropped++;
}

static void packet_close(struct port *port)
{
	close(port->fd);
	free(port->priv);
}

const struct port_driver port_packet = {
	.name = "packet", .help = "packet:IFACE    an interface of the host, by AF_PACKET", .open = packet_open,
	.receive = packet_receive, .send = packet_send, .close = packet_close,
};
