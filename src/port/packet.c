/*
 * port/packet.c - AF_PACKET on an interface of the host: every frame that comes in there, and frames out of it. What comes
 * from a peer on the same machine may be large and unsummed; the virtio header says so.
 */
#include <stdlib.h>
#include <unistd.h>

#include "packet/packet.h"
#include "port/af_packet.h"

enum { BATCH = 32, FRAME_ROOM = 65536 + 64 };

struct slot { struct virtio_net_hdr head; uint8_t frame[FRAME_ROOM]; };
struct packet_port {
	struct packet_batch *out;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	union { struct cmsghdr head; uint8_t room[CMSG_SPACE(sizeof(struct tpacket_auxdata))]; } aux[BATCH];
	struct slot slots[BATCH];
};

static void packet_close(struct port *port)
{
	struct packet_port *p = port->priv;

	close(port->fd);
	if (p)
		packet_batch_free(p->out);
	free(p);
}

static int packet_adopt(struct port *port, const char *arg, const int *fds, unsigned int count, const void *bytes, size_t len,
			struct refusal *why)
{
	struct packet_port *p = calloc(1, sizeof(*p));

	if (p)
		p->out = packet_batch_new();
	if (count != 1 || !p || !p->out) {
		free(p);
		return refuse(why, -EINVAL, "packet:%s does not come whole from the other daemon", arg);
	}
	af_packet_adopt(port, fds[0], arg);
	port->priv = p;
	return 0;
}

static int packet_open(struct port *port, const char *arg, struct refusal *why)
{
	struct packet_port *p;
	int ifindex, err = af_packet_socket(port, arg, &ifindex, why);

	if (err)
		return err;
	p = port->priv = calloc(1, sizeof(*p));
	if (p)
		p->out = packet_batch_new();
	err = p && p->out ? af_packet_bind(port, ifindex) : -ENOMEM;
	if (!err)
		return 0;
	packet_close(port);
	return refuse(why, err, "%s: %s", arg, strerror(-err));
}

static struct tpacket_auxdata auxdata(struct msghdr *msg)
{
	struct tpacket_auxdata aux = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	return aux;
}

static int packet_receive(struct port *port)
{
	struct packet_port *p = port->priv;
	int count;

	for (unsigned int i = 0; i < BATCH; i++) {
		p->iov[i] = (struct iovec){ &p->slots[i], sizeof(p->slots[i].head) + sizeof(p->slots[i].frame) };
		p->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &p->iov[i], .msg_iovlen = 1,
						    .msg_control = &p->aux[i], .msg_controllen = sizeof(p->aux[i]) };
	}
	count = recvmmsg(port->fd, p->msgs, BATCH, MSG_DONTWAIT, NULL);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENETDOWN ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		struct tpacket_auxdata aux = auxdata(&p->msgs[i].msg_hdr);
		struct slot *slot = &p->slots[i];

		if (p->msgs[i].msg_len > sizeof(slot->head))
			af_packet_frame(port, &slot->head, p->msgs[i].msg_len - (uint32_t)sizeof(slot->head), aux.tp_status,
					aux.tp_vlan_tci, aux.tp_vlan_tpid);
	}
	return 0;
}

static void packet_send(struct port *port, const void *frame, uint32_t len)
{
	struct packet_port *p = port->priv;

	packet_batch_add(p->out, port, frame, len);
}

static void packet_flush(struct port *port)
{
	struct packet_port *p = port->priv;

	packet_batch_send(p->out, port);
}

const struct port_driver port_packet = {
	.name = "packet", .help = "packet:IFACE    an interface of the host, by AF_PACKET", .open = packet_open, .open_queue = packet_open,
	.adopt = packet_adopt,
	.receive = packet_receive, .send = packet_send, .flush = packet_flush, .close = packet_close,
};
