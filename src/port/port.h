/*
 * port/port.h - where frames come from and go to, live. A driver is one file; a port is one interface of an instance on
 * one driver. What a peer left to its network card (checksums, segmentation) is done here, so that the instance sees
 * packets as they would be on a wire.
 */
#ifndef WEIR_PORT_H
#define WEIR_PORT_H

#include <pthread.h>

#include "base/refuse.h"
#include "base/strbuf.h"
#include "instance.h"

enum { PORT_FDS_MAX = 4, PORT_QUEUES_MAX = 64 };

struct port;
struct worker;

/* How much of a frame is yet to be done; the meaning of struct virtio_net_hdr. */
struct port_offload {
	uint8_t gso;			/* VIRTIO_NET_HDR_GSO_*, without the ECN bit */
	bool needs_sum;
	uint16_t sum_start, sum_offset;	/* from the frame's first byte */
	uint16_t header_len, segment_len;
};

struct port_driver {
	const char *name;		/* "tap" */
	const char *help;		/* "tap:NAME     a TAP device, made when it is not there" */
	bool is_ip;			/* raw IP packets, no frames */
	/*
	 * Fills port->fd (watched for reading), port->priv, port->mac when the device has one, port->mtu. When port->queues_wanted is
	 * more than 1, frames may be spread over so many queues; a device that has its own number of them sets it to that, or to 1.
	 */
	int (*open)(struct port *port, const char *arg, struct refusal *why);
	/* One more reader beside @queue->first, which open() left with more than one queue wanted. */
	int (*open_queue)(struct port *queue, const char *arg, struct refusal *why);
	/* As open(), with what another process had open: @fds are taken, @bytes are what it had read and not sent yet. */
	int (*adopt)(struct port *port, const char *arg, const int *fds, unsigned int count, const void *bytes, size_t len,
		     struct refusal *why);
	/* Its descriptors (at most PORT_FDS_MAX), still its own, and such bytes. NULL: port->fd alone. */
	unsigned int (*give)(struct port *port, int *fds, struct strbuf *bytes);
	/*
	 * Hands what is there to port_frame(), some 64 at most; negative errno: the port is dead. Other threads may send() meanwhile,
	 * one at a time: what both touch wants port_lock(), which is not held over port_frame(): that may send.
	 */
	int (*receive)(struct port *port);
	/* One frame, borrowed; what does not fit is dropped and counted. It may wait for flush(), if the driver has one. */
	void (*send)(struct port *port, const void *frame, uint32_t len);
	void (*flush)(struct port *port);
	void (*close)(struct port *port);
};
extern const struct port_driver port_tap, port_tun, port_packet, port_ring, port_xdp, port_unix, port_dgram, port_pcap;
extern const struct port_driver *const port_drivers[];	/* NULL-terminated */

struct port {
	struct list node;
	const struct port_driver *driver;
	struct instance *inst;
	struct iface *iface;		/* NULL: the host's own side ("local") */
	int fd;
	void *priv;			/* the driver's */
	void *owner;			/* whoever opened it */
	const char *complaint;		/* why receive() said that the port is dead, when there is more to say than errno; the driver's */
	bool is_given;			/* another process goes on with it: names in the file system stay */
	uint8_t mac[6];
	bool has_mac;
	bool may_be_partial;		/* frames come with checksums that the peer left undone, and nobody says which */
	uint32_t mtu;			/* of the device; 0: unknown */
	uint64_t rx_dropped, tx_dropped;
	struct pkt *burst[PKT_BURST_MAX];	/* gathered by port_frame() */
	unsigned int burst_count;
	struct port_share *share;	/* several threads send; NULL: one thread does it all */
	struct port *first;		/* of the ports that share a device's frames; mostly itself */
	unsigned int queue;		/* which of them this is */
	unsigned int queues_wanted;
	unsigned int queue_count;	/* the first's: how many there are, */
	struct port *queues[PORT_QUEUES_MAX];	/* and which */
};

/* @spec: "DRIVER:ARGUMENT"; @queues: how many readers may come, ->queues_wanted how many can. The interface comes later: port_attach(). NULL with @why. */
struct port *port_open(const char *spec, unsigned int queues, struct refusal *why);
/* One more reader, from 1 to @first->queues_wanted - 1; a port of its own until port_attach(). */
struct port *port_open_queue(const char *spec, struct port *first, unsigned int number, struct refusal *why);
/* From another process; @fds are taken, also when it fails. */
struct port *port_adopt(const char *spec, const int *fds, unsigned int count, const void *bytes, size_t len,
			struct refusal *why);
unsigned int port_give(struct port *port, int *fds, struct strbuf *bytes);
/* @iface NULL: packets come from the host and go to it. @first: the interface has that port already, and this one is one of its queues. */
void port_attach(struct port *port, struct instance *inst, struct iface *iface, struct port *first);
/* Who sends on an interface's port may take turns, or each have a queue of its own: that of number @which, if there are so many. */
static inline struct port *port_queue(struct port *first, unsigned int which)
{
	return first->queue_count > 1 ? first->queues[which % first->queue_count] : first;
}
/*
 * From now on @worker's thread alone calls port_receive(), any thread may send. @worker NULL: the instance's own thread receives.
 * 0 or -ENOMEM. Before the threads begin.
 */
int port_share(struct port *port, struct worker *worker);
void port_close(struct port *port);
/* Reads and processes what is there; negative errno: the port is dead. */
int port_receive(struct port *port);
/* A frame to the peer; it may wait in the driver for port_flush(). */
void port_send(struct port *port, const void *frame, uint32_t len);
void port_flush(struct port *port);

/* --- for drivers --- */
/* Fills in ->mac and ->mtu, as far as the host's device has them. @fd: any socket. */
void port_ask_device(struct port *port, int fd, const char *name);
/* Nobody sends between the two; receive() alone needs them: senders are one at a time. */
void port_lock(struct port *port);
void port_unlock(struct port *port);
/* One frame of the peer, borrowed; segmented and summed as @offload (NULL: nothing) says. */
void port_frame(struct port *port, uint8_t *frame, uint32_t len, const struct port_offload *offload);
/* --- tun_steer.c --- */
/* A device with several queues: packets of a flow, either way, come to one of them. 0, or negative errno: Linux decides. */
int tun_steer(int fd, bool is_ip);

/* --- segment.c --- */
/*
 * Cuts a large TCP or UDP frame into what a network card would have sent, each with lengths, numbers and sums made;
 * @emit is called for each. False: it is not what @offload says.
 */
bool port_segment(const uint8_t *frame, uint32_t len, const struct port_offload *offload,
		  void (*emit)(void *priv, uint8_t *frame, uint32_t len), void *priv);

#endif
