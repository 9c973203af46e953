/* cli/daemon_ports.c - a daemon's ports, and what its instance tells of packets. */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cli/conntrack_follow.h"
#include "cli/daemon.h"
#include "route/route.h"

/* The daemon's own thread has the first. */
static unsigned int own_lane(const struct daemon *d)
{
	return d->has_lanes ? (unsigned int)(uintptr_t)pthread_getspecific(d->lane) : 0;
}

void daemon_ports_flush(struct daemon *d)
{
	const unsigned int lane = own_lane(d);

	for (unsigned int i = 0; i < d->port_count; i++)
		if (port_queue(d->ports[i].port->first, lane) == d->ports[i].port)
			port_flush(d->ports[i].port);
}

void daemon_burst(void *priv, bool begins)
{
	struct daemon *d = priv;

	d->in_burst = begins;
	if (!begins)
		daemon_ports_flush(d);
}

/* What a burst sends waits for its end, a worker's too; what timers and commands send does not. */
static void send_on(struct daemon *d, struct port *port, const void *frame, uint32_t len)
{
	port_send(port, frame, len);
	if (d->crew && !pthread_equal(pthread_self(), d->own_thread))
		return;
	if (!d->in_burst)
		port_flush(port);
}

static void on_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	struct port *port = out->driver_priv;
	struct daemon *d = priv;

	watch_transmit(&d->watch, d->inst, cause);
	if (port)
		send_on(d, port->queue_count > 1 ? port_queue(port, own_lane(d)) : port, frame, len);
}

static void on_deliver(void *priv, const struct pkt *pkt)
{
	struct daemon *d = priv;

	watch_deliver(&d->watch, d->inst);
	if (d->local)
		send_on(d, d->local, pkt->data, pkt->len);
}

static void on_drop(void *priv, const struct pkt *pkt)
{
	struct daemon *d = priv;

	watch_drop(&d->watch, d->inst, pkt);
	if (d->verbose && !pkt->rule)
		fprintf(stderr, "weir daemon: dropped: %s\n", drop_reason_sentence(pkt->drop_reason));
}

void daemon_port_gone(const struct port *port, int err)
{
	fprintf(stderr, "weir daemon: %s of %s is gone: %s\n", port->driver->name, port->iface ? port->iface->name : "the host",
		port->complaint ? port->complaint : strerror(-err));
}

static void on_port(void *priv, uint32_t events)
{
	struct port *port = priv;
	struct daemon *d = port->owner;
	int err;

	daemon_burst(d, true);
	err = port_receive(port);
	daemon_burst(d, false);
	if (!err)
		return;
	daemon_port_gone(port, err);
	server_unwatch(d->server, port->fd);
}

/* Neighbours know the device's address already. */
static void on_iface_new(void *priv, struct iface *iface)
{
	const struct daemon *d = priv;

	for (unsigned int i = 0; i < d->port_count; i++) {
		const struct port *port = d->ports[i].port;

		if (!d->ports[i].iface || strcmp(d->ports[i].iface, iface->name))
			continue;
		if (port->has_mac)
			memcpy(iface->mac, port->mac, sizeof(port->mac));
		if (port->mtu)
			iface->mtu = port->mtu;
	}
}

/* The host's side is the daemon's own thread's. */
static int open_one(struct daemon *d, unsigned int which, struct refusal *why)
{
	struct port *first = port_open(d->ports[which].spec, d->ports[which].iface ? MAX_OF(d->workers, 1u) : 1, why);

	d->ports[which].port = first;
	for (unsigned int i = 1; first && i < first->queues_wanted; i++) {
		struct port *queue = d->port_count == DAEMON_PORTS_MAX ? NULL : port_open_queue(d->ports[which].spec, first, i, why);

		if (!queue)
			return why->err ? why->err : refuse(why, -EMFILE, "%s: too many queues of all ports together", d->ports[which].spec);
		d->ports[d->port_count] = d->ports[which];
		d->ports[d->port_count++].port = queue;
	}
	return first ? 0 : why->err;
}

int daemon_ports_open(struct daemon *d, struct refusal *why)
{
	for (unsigned int i = 0; i < d->port_count; i++) {
		int err = d->ports[i].port ? 0 : open_one(d, i, why);	/* else it came from the daemon before */

		if (err)
			return err;
		if (d->ports[i].iface)
			continue;
		if (!d->ports[i].port->driver->is_ip)
			return refuse(why, -EINVAL, "--local takes packets, not frames: tun:NAME");
		d->local = d->ports[i].port;
	}
	return 0;
}

/* An interface that no net.ip names is there with its port, up and without an address. */
int daemon_ports_ifaces(struct daemon *d, struct refusal *why)
{
	for (unsigned int i = 0; i < d->port_count; i++) {
		const struct port *port = d->ports[i].port;
		const char *name = d->ports[i].iface;
		struct iface *iface;
		int err;

		if (!name || iface_find(d->inst, name))
			continue;
		err = iface_add(d->inst, name, port->driver->is_ip ? ARPHRD_NONE : ARPHRD_ETHER, &iface, why);
		if (!err)
			err = route_iface_set_up(d->inst, iface, true, why);
		if (err)
			return err;
	}
	return 0;
}

int daemon_ports_attach(struct daemon *d, struct refusal *why)
{
	for (unsigned int i = 0; i < d->port_count; i++) {
		struct port *port = d->ports[i].port;
		struct iface *iface = d->ports[i].iface ? iface_find(d->inst, d->ports[i].iface) : NULL;
		int err;

		port_attach(port, d->inst, iface, iface ? iface->driver_priv : NULL);
		port->owner = d;
		if (d->workers > 1 && port->iface)	/* daemon_workers.c */
			continue;
		err = server_watch(d->server, port->fd, EPOLLIN, on_port, port);
		if (err)
			return refuse(why, err, "%s cannot be watched: %s", d->ports[i].spec, strerror(-err));
	}
	return 0;
}

static void on_ct_event(void *priv, const struct ct_event *event)
{
	struct daemon *d = priv;

	followers_event(d->inst, &d->followers, event);
}

static void on_expect_event(void *priv, const struct ct_expect *exp, bool ended)
{
	struct daemon *d = priv;

	followers_expect(d->inst, &d->followers, exp, ended);
}

void daemon_observe(struct daemon *d)
{
	list_init(&d->followers);
	d->watch.began_ns = d->inst->now_ns;
	d->inst->observer = (struct observer){ .priv = d, .transmit = on_transmit, .deliver = on_deliver, .drop = on_drop,
					       .iface_new = on_iface_new, .ct_event = on_ct_event, .expect_event = on_expect_event };
}
