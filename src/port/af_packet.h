/*
 * port/af_packet.h - what the two AF_PACKET drivers share: the socket on an interface of the host, frames out of it in
 * batches, and the words of the virtio header.
 */
#ifndef WEIR_PORT_AF_PACKET_H
#define WEIR_PORT_AF_PACKET_H

#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "port/port.h"

/*
 * A socket that sees no frame yet: af_packet_bind() opens its eyes. Fills port->fd, ->mac, ->mtu and *@ifindex.
 * 0, or negative errno with @why and nothing left open.
 */
int af_packet_socket(struct port *port, const char *ifname, int *ifindex, struct refusal *why);
/* The same with a socket that has been bound elsewhere. */
void af_packet_adopt(struct port *port, int fd, const char *ifname);
/*
 * From now on every frame that comes in there, whomever it is for; or this socket's share of them, when port->queues_wanted or
 * port->first say that there are several. 0 or negative errno; the socket stays open.
 */
int af_packet_bind(struct port *port, int ifindex);

/*
 * One frame as the socket gave it, to port_frame(): behind its virtio header, without the 802.1Q tag, which the kernel took
 * out (@status, TP_STATUS_VLAN_*) and which is put back over the last bytes of the virtio header.
 */
void af_packet_frame(struct port *port, struct virtio_net_hdr *head, uint32_t len, uint32_t status, uint16_t tci, uint16_t tpid);

/* Frames that wait for one system call. */
struct packet_batch;
struct packet_batch *packet_batch_new(void);		/* NULL: no memory */
void packet_batch_free(struct packet_batch *batch);
void packet_batch_add(struct packet_batch *batch, struct port *port, const void *frame, uint32_t len);
void packet_batch_send(struct packet_batch *batch, struct port *port);

#endif
