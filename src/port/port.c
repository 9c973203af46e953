/* port/port.c - the life of a port, and frames on their way into the instance. */
#include "port/port.h"

#include <linux/virtio_net.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "path/path.h"
#include "path/worker.h"

const struct port_driver *const port_drivers[] = {
	&port_tap, &port_tun, &port_packet, &port_ring,
#ifdef WEIR_HAS_XDP
	&port_xdp,
#endif
	&port_unix, &port_dgram, &port_pcap, NULL
};

static const struct port_driver *driver_of(const char *spec, const char **arg, struct refusal *why)
{
	const char *colon = strchr(spec, ':');

	*arg = colon ? colon + 1 : NULL;
	for (unsigned int i = 0; colon && port_drivers[i]; i++)
		if (strlen(port_drivers[i]->name) == (size_t)(colon - spec) &&
		    !strncmp(port_drivers[i]->name, spec, (size_t)(colon - spec)))
			return port_drivers[i];
	refuse(why, -EINVAL, "\"%s\" is no port: tap:NAME, tun:NAME, packet:INTERFACE, ring:INTERFACE, "
#ifdef WEIR_HAS_XDP
	       "xdp:INTERFACE[,QUEUE], "
#endif
	       "unix:PATH, dgram:OWN,PEER or pcap:IN[,OUT]", spec);
	return NULL;
}

static struct port *port_new(const struct port_driver *driver, struct refusal *why)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port) {
		refuse(why, -ENOMEM, "no memory for a port");
		return NULL;
	}
	port->driver = driver;
	port->fd = -1;
	port->first = port->queues[0] = port;
	port->queues_wanted = port->queue_count = 1;
	return port;
}

struct port *port_open(const char *spec, unsigned int queues, struct refusal *why)
{
	const char *arg;
	const struct port_driver *driver = driver_of(spec, &arg, why);
	struct port *port = driver ? port_new(driver, why) : NULL;

	if (port)
		port->queues_wanted = driver->open_queue ? MIN_OF(queues, (unsigned int)PORT_QUEUES_MAX) : 1;
	if (port && driver->open(port, arg, why)) {
		free(port);
		return NULL;
	}
	return port;
}

struct port *port_open_queue(const char *spec, struct port *first, unsigned int number, struct refusal *why)
{
	struct port *port = port_new(first->driver, why);

	if (!port)
		return NULL;
	port->first = first;
	port->queue = number;
	if (first->driver->open_queue(port, strchr(spec, ':') + 1, why)) {
		free(port);
		return NULL;
	}
	return port;
}

struct port *port_adopt(const char *spec, const int *fds, unsigned int count, const void *bytes, size_t len,
			struct refusal *why)
{
	const char *arg;
	const struct port_driver *driver = driver_of(spec, &arg, why);
	struct port *port = driver ? port_new(driver, why) : NULL;

	if (port && driver->adopt && count && !driver->adopt(port, arg, fds, count, bytes, len, why))
		return port;
	if (port && (!driver->adopt || !count))
		refuse(why, -EOPNOTSUPP, "%s cannot move from one daemon to another", spec);
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]);
	free(port);
	return NULL;
}

unsigned int port_give(struct port *port, int *fds, struct strbuf *bytes)
{
	if (port->driver->give)
		return port->driver->give(port, fds, bytes);
	fds[0] = port->fd;
	return 1;
}

void port_ask_device(struct port *port, int fd, const char *name)
{
	struct ifreq ifr = { 0 };

	strcpy(ifr.ifr_name, name);
	if (!ioctl(fd, SIOCGIFHWADDR, &ifr)) {
		memcpy(port->mac, ifr.ifr_hwaddr.sa_data, sizeof(port->mac));
		port->has_mac = true;
	}
	if (!ioctl(fd, SIOCGIFMTU, &ifr))
		port->mtu = (uint32_t)ifr.ifr_mtu;
}

void port_attach(struct port *port, struct instance *inst, struct iface *iface, struct port *first)
{
	port->inst = inst;
	port->iface = iface;
	if (first && first->queue_count < PORT_QUEUES_MAX) {
		port->first = first;
		port->queue = first->queue_count;
		first->queues[first->queue_count++] = port;
	} else if (iface) {
		iface->driver_priv = port;
	}
}

/* Frames wait here for their burst: what a driver hands over it may use again. */
enum { SHARE_ROOM = 1 << 18 };

struct port_share {
	pthread_mutex_t sending;
	struct worker *worker;
	struct worker_frame frames[PKT_BURST_MAX];
	unsigned int count;
	uint32_t used;
	uint8_t room[SHARE_ROOM];
};

int port_share(struct port *port, struct worker *worker)
{
	port->share = malloc(sizeof(*port->share));
	if (!port->share)
		return -ENOMEM;
	pthread_mutex_init(&port->share->sending, NULL);
	port->share->worker = worker;
	port->share->count = port->share->used = 0;
	return 0;
}

static void share_flush(struct port_share *share)
{
	if (share->count)
		worker_receive(share->worker, share->frames, share->count);
	share->count = share->used = 0;
}

static void share_take(struct port *port, const uint8_t *frame, uint32_t len)
{
	struct port_share *share = port->share;

	if (len > PKT_LEN_MAX) {
		port->rx_dropped++;
		return;
	}
	if (share->count == PKT_BURST_MAX || share->used + len > SHARE_ROOM)
		share_flush(share);
	memcpy(share->room + share->used, frame, len);
	share->frames[share->count++] = (struct worker_frame){ port->iface, share->room + share->used, len, port->may_be_partial };
	share->used += len;
}

void port_close(struct port *port)
{
	if (!port)
		return;
	if (port->share)
		pthread_mutex_destroy(&port->share->sending);
	free(port->share);
	if (port->iface)
		port->iface->driver_priv = NULL;
	port->driver->close(port);
	free(port);
}

static void flush(struct port *port)
{
	unsigned int count = port->burst_count;

	port->burst_count = 0;
	if (!count)
		return;
	if (port->iface) {
		path_receive(port->inst, port->burst, count);
		return;
	}
	for (unsigned int i = 0; i < count; i++) {
		port->inst->serial = port->burst[i]->serial;
		path_send_local(port->inst, port->burst[i]);
	}
}

int port_receive(struct port *port)
{
	int err = port->driver->receive(port);

	if (port->share && port->share->worker)
		share_flush(port->share);
	else
		flush(port);
	return err;
}

void port_lock(struct port *port)
{
	if (port->share)
		pthread_mutex_lock(&port->share->sending);
}

void port_unlock(struct port *port)
{
	if (port->share)
		pthread_mutex_unlock(&port->share->sending);
}

void port_send(struct port *port, const void *frame, uint32_t len)
{
	port_lock(port);
	port->driver->send(port, frame, len);
	port_unlock(port);
}

void port_flush(struct port *port)
{
	if (!port->driver->flush)
		return;
	port_lock(port);
	port->driver->flush(port);
	port_unlock(port);
}

static void take(void *priv, uint8_t *frame, uint32_t len)
{
	struct port *port = priv;
	struct pkt *pkt;

	if (port->share && port->share->worker) {
		share_take(port, frame, len);
		return;
	}
	if (port->iface && !port->iface->up) {
		port->rx_dropped++;
		return;
	}
	pkt = port->driver->is_ip ? pkt_from_raw_ip(port->inst, port->iface, frame, len) :
				    pkt_from_frame(port->inst, port->iface, frame, len);
	if (!pkt) {
		port->rx_dropped++;
		return;
	}
	if (port->may_be_partial)
		pkt_complete_partial_sum(pkt);
	pkt->stamp_ns = port->inst->now_ns;
	port->burst[port->burst_count++] = pkt;
	if (port->burst_count == PKT_BURST_MAX)
		flush(port);
}

/* The sum over all from sum_start on, where the field holds the pseudo header's already. */
static bool complete_sum(uint8_t *frame, uint32_t len, const struct port_offload *offload)
{
	uint32_t at = (uint32_t)offload->sum_start + offload->sum_offset;
	be16 sum;

	if (offload->sum_start > len || at + sizeof(sum) > len)
		return false;
	sum = csum_fold(csum_partial(frame + offload->sum_start, len - offload->sum_start, 0));
	if (!sum && offload->sum_offset == offsetof(struct udphdr, check))
		sum = 0xffff;
	memcpy(frame + at, &sum, sizeof(sum));
	return true;
}

void port_frame(struct port *port, uint8_t *frame, uint32_t len, const struct port_offload *offload)
{
	if (offload && offload->gso != VIRTIO_NET_HDR_GSO_NONE) {
		if (!port_segment(frame, len, offload, take, port))
			port->rx_dropped++;
		return;
	}
	if (offload && offload->needs_sum && !complete_sum(frame, len, offload)) {
		port->rx_dropped++;
		return;
	}
	take(port, frame, len);
}
