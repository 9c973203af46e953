/* port/af_packet.c - the common ground of packet.c and ring.c. */
#include "port/af_packet.h"

#include <assert.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "packet/packet.h"

enum { BATCH = 64, SLOT_ROOM = 2048, SOCKET_BUFFER = 8 << 20 };

void af_packet_adopt(struct port *port, int fd, const char *ifname)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	port_ask_device(port, fd, ifname);
	port->fd = fd;
}

int af_packet_socket(struct port *port, const char *ifname, int *ifindex, struct refusal *why)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, size = SOCKET_BUFFER, err;
	struct ifreq ifr = { 0 };

	if (fd < 0)
		return refuse(why, -errno, "no packet socket: %s", strerror(errno));
	if (!*ifname || strlen(ifname) >= sizeof(ifr.ifr_name)) {
		close(fd);
		return refuse(why, -EINVAL, "\"%s\" is no interface", ifname);
	}
	strcpy(ifr.ifr_name, ifname);
	if (ioctl(fd, SIOCGIFINDEX, &ifr))
		goto fail;
	*ifindex = ifr.ifr_ifindex;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)))
		goto fail;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	af_packet_adopt(port, fd, ifname);
	return 0;
fail:
	err = -errno;
	close(fd);
	return refuse(why, err, "%s: %s", ifname, strerror(-err));
}

/* --- several sockets that share an interface's frames: each flow's, and those of the other direction, come to the same --- */

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING	/* Linux 6.1 knows it, its headers do not show it */
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

enum { SHARE_KIND = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_IGNORE_OUTGOING };

/* Until a socket belongs to the group it sees what the others see. The group knows nothing of its members' PACKET_IGNORE_OUTGOING, and older kernels not its flag. */
static int look_away(struct port *port, bool away)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0), no_outgoing[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { away ? 1 : ARRAY_SIZE(no_outgoing), away ? &none : no_outgoing };

	return setsockopt(port->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ? -errno : 0;
}

static int group_begin(struct port *port)
{
	int what = (SHARE_KIND | PACKET_FANOUT_FLAG_UNIQUEID) << 16;

	return setsockopt(port->fd, SOL_PACKET, PACKET_FANOUT, &what, sizeof(what)) ? -errno : 0;
}

static int group_join(struct port *port, int first)
{
	int group = 0, what;
	socklen_t len = sizeof(group);

	if (getsockopt(first, SOL_PACKET, PACKET_FANOUT, &group, &len))
		return -errno;
	what = SHARE_KIND << 16 | (group & 0xffff);
	return setsockopt(port->fd, SOL_PACKET, PACKET_FANOUT, &what, sizeof(what)) ? -errno : 0;
}

static int bind_to(struct port *port, int ifindex)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex };
	struct packet_mreq promiscuous = { .mr_type = PACKET_MR_PROMISC, .mr_ifindex = ifindex };

	if (setsockopt(port->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) ||
	    bind(port->fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return 0;
}

int af_packet_bind(struct port *port, int ifindex)
{
	int err = port->first != port ? look_away(port, true) : 0;

	if (!err)
		err = bind_to(port, ifindex);
	if (!err && port->first != port)
		err = group_join(port, port->first->fd);
	else if (!err && port->queues_wanted > 1 && group_begin(port))
		port->queues_wanted = 1;
	if (!err && (port->first != port || port->queues_wanted > 1))
		err = look_away(port, false);
	return err;
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

enum { TAG_LEN = 4 };
static_assert(sizeof(struct virtio_net_hdr) >= TAG_LEN, "the tag finds its room there");

void af_packet_frame(struct port *port, struct virtio_net_hdr *head, uint32_t len, uint32_t status, uint16_t tci, uint16_t tpid)
{
	uint8_t *frame = (uint8_t *)(head + 1);
	struct port_offload offload;
	bool unfinished = offload_of(head, &offload);

	if (status & TP_STATUS_VLAN_VALID) {
		memmove(frame - TAG_LEN, frame, 2 * ETH_ALEN);
		frame -= TAG_LEN;
		len += TAG_LEN;
		put_be16(frame + 2 * ETH_ALEN, status & TP_STATUS_VLAN_TPID_VALID ? tpid : ETH_P_8021Q);
		put_be16(frame + 2 * ETH_ALEN + 2, tci);
		offload.sum_start += TAG_LEN;
		offload.header_len += TAG_LEN;
	}
	port_frame(port, frame, len, unfinished ? &offload : NULL);
}

/* --- out --- */

struct slot { struct virtio_net_hdr none; uint8_t frame[SLOT_ROOM]; };

struct packet_batch {
	unsigned int count;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct slot slots[BATCH];
};

struct packet_batch *packet_batch_new(void)
{
	struct packet_batch *batch = calloc(1, sizeof(*batch));

	for (unsigned int i = 0; batch && i < BATCH; i++) {
		batch->iov[i].iov_base = &batch->slots[i];
		batch->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &batch->iov[i], .msg_iovlen = 1 };
	}
	return batch;
}

void packet_batch_free(struct packet_batch *batch)
{
	free(batch);
}

void packet_batch_add(struct packet_batch *batch, struct port *port, const void *frame, uint32_t len)
{
	struct virtio_net_hdr none = { 0 };
	struct iovec large[2] = { { &none, sizeof(none) }, { (void *)frame, len } };

	if (len > SLOT_ROOM) {	/* its place in the order is kept */
		packet_batch_send(batch, port);
		if (writev(port->fd, large, 2) < 0)
			port->tx_dropped++;
		return;
	}
	memcpy(batch->slots[batch->count].frame, frame, len);
	batch->iov[batch->count].iov_len = sizeof(none) + len;
	if (++batch->count == BATCH)
		packet_batch_send(batch, port);
}

/* A frame that the device refuses does not hold up those behind it; a full device drops the rest, as a full queue does. */
void packet_batch_send(struct packet_batch *batch, struct port *port)
{
	unsigned int at = 0;

	while (at < batch->count) {
		int sent = sendmmsg(port->fd, batch->msgs + at, batch->count - at, MSG_DONTWAIT);

		if (sent > 0) {
			at += (unsigned int)sent;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			port->tx_dropped += batch->count - at;
			break;
		} else if (errno != EINTR) {
			port->tx_dropped++;
			at++;
		}
	}
	batch->count = 0;
}
