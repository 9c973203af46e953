/*
 * cli/daemon_takeover.c - one daemon goes on in another's place. The old one stands still from the moment that it wrote its state
 * down; packets wait in the ports' own queues. Only when the new one says that it has everything does the old one end; if that
 * word does not come, it goes on as if nothing had been.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/daemon_state.h"
#include "wire/wire.h"

enum { PATIENCE_SEC = 30 };

static void be_patient(int fd)
{
	struct timeval patience = { .tv_sec = PATIENCE_SEC };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

/* --- who goes --- */

/* "IFACE" NUL "tap:x" NUL and the port's bytes; the listener is the last of them, and has neither name. */
static int give_port(struct daemon *d, int fd, unsigned int which)
{
	struct wire_head head = { .op = WIRE_TAKE, .a = which };
	struct strbuf text = STRBUF_INIT, bytes = STRBUF_INIT;
	int fds[PORT_FDS_MAX], err;
	unsigned int count = 0;

	if (which < d->port_count) {
		const char *iface = d->ports[which].iface ? d->ports[which].iface : "";

		count = port_give(d->ports[which].port, fds, &bytes);
		sb_add(&text, iface, strlen(iface) + 1);
		sb_add(&text, d->ports[which].spec, strlen(d->ports[which].spec) + 1);
		sb_add(&text, sb_str(&bytes), bytes.len);
	} else if (which == d->port_count) {
		fds[count++] = server_listener(d->server);
		sb_add(&text, "\0", 2);
	} else {
		head.err = -ENOENT;
	}
	err = text.failed || bytes.failed ? -ENOMEM : wire_send_fds(fd, &head, sb_str(&text), text.len, fds, count);
	sb_free(&text);
	sb_free(&bytes);
	return err;
}

bool daemon_takeover_give(void *daemon, int fd)
{
	struct wire_head head = { .op = WIRE_TAKEOVER };
	struct strbuf state = STRBUF_INIT;
	struct daemon *d = daemon;
	struct wire_record r;
	bool taken = false;
	int err;

	be_patient(fd);
	daemon_workers_rest(d);		/* they may have read frames that nobody would see */
	if (d->pending)
		head.err = -EBUSY;
	else
		kept_take(d->inst, &d->host, true, d->conntrack_on, &state);
	if (state.failed)
		head.err = -ENOMEM;
	err = wire_send(fd, &head, sb_str(&state), head.err ? 0 : state.len, 0);
	sb_free(&state);
	while (!err && !head.err && !taken && !wire_receive(fd, &r, 0)) {
		head.op = r.head.op;
		if (r.head.op == WIRE_TAKE)
			err = give_port(d, fd, r.head.a);
		else
			taken = r.head.op == WIRE_TAKEN;
		wire_record_free(&r);
		if (head.op != WIRE_TAKE && !taken)
			break;
	}
	if (taken) {
		d->taken_over = true;
		for (unsigned int i = 0; i < d->port_count; i++)
			d->ports[i].port->is_given = true;
		head = (struct wire_head){ .op = WIRE_TAKEN };
		wire_send(fd, &head, NULL, 0, 0);
	} else {
		daemon_workers_resume(d);
	}
	return taken;
}

/* --- who comes --- */

static bool is_of(const struct daemon *d, unsigned int which, const char *iface)
{
	return d->ports[which].iface ? !strcmp(d->ports[which].iface, iface) : !*iface;
}

static bool has_place(const struct daemon *d, const char *iface)
{
	for (unsigned int i = 0; i < d->port_count; i++)
		if (is_of(d, i, iface) && !d->ports[i].port)
			return true;
	return d->port_count < DAEMON_PORTS_MAX;
}

/* The first text of the record's, and what is behind it; NULL: it does not end. */
static const char *text_of(const uint8_t **at, const uint8_t *end)
{
	const char *text = (const char *)*at;
	const uint8_t *nul = memchr(*at, 0, (size_t)(end - *at));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

static int take_port(struct daemon *d, struct wire_record *r, struct refusal *why)
{
	const uint8_t *at = r->data, *end = at + r->head.len;
	const char *iface = text_of(&at, end), *spec = iface ? text_of(&at, end) : NULL;
	struct port *port;
	unsigned int i;

	if (!spec || !r->fd_count)
		return refuse(why, -EPROTO, "the daemon before sent what is no port");
	if (!*spec) {
		d->former_listener = r->fds[0];
		r->fds[0] = -1;
		return 0;
	}
	/* one that was asked for in another way is opened anew */
	for (i = 0; i < d->port_count; i++)
		if (is_of(d, i, iface) && strcmp(d->ports[i].spec, spec))
			return 0;
	if (!has_place(d, iface))
		return refuse(why, -EMFILE, "too many ports");
	port = port_adopt(spec, r->fds, r->fd_count, at, (size_t)(end - at), why);
	r->fd_count = 0;
	if (!port)
		return why->err;
	for (i = 0; i < d->port_count; i++)
		if (is_of(d, i, iface) && !d->ports[i].port)
			break;
	if (i == d->port_count) {	/* nobody asked for it, or it is one more queue */
		d->ports[i].iface = *iface ? strdup(iface) : NULL;	/* as long as the daemon lives, as argv's */
		d->ports[i].spec = strdup(spec);
		d->port_count++;
	}
	d->ports[i].port = port;
	return 0;
}

static int ask(struct daemon *d, struct kept *kept, struct refusal *why)
{
	struct wire_head head = { .op = WIRE_TAKEOVER };
	struct strbuf bytes = STRBUF_INIT;
	struct wire_record r;
	int err = wire_call(d->former, &head, NULL, 0, &r);

	if (err)
		return refuse(why, err, "the daemon at %s does not hand over: %s", d->where.sun_path,
			      err == -EBUSY ? "rules wait there for `weir confirm`" : strerror(-err));
	bytes.s = (char *)r.data;
	bytes.len = bytes.cap = r.head.len;
	r.data = NULL;
	err = kept_open(kept, &bytes, "the daemon's state", why);
	for (unsigned int which = 0; !err; which++) {
		head = (struct wire_head){ .op = WIRE_TAKE, .a = which };
		err = wire_call(d->former, &head, NULL, 0, &r);
		if (err == -ENOENT) {
			wire_record_free(&r);
			return d->former_listener >= 0 ? 0 : refuse(why, -EPROTO, "the daemon before gave no socket");
		}
		if (err)
			return refuse(why, err, "the daemon before ended: %s", strerror(-err));
		err = take_port(d, &r, why);
		wire_record_free(&r);
	}
	return err;
}

int daemon_takeover_ask(struct daemon *d, struct kept *kept, struct refusal *why)
{
	d->former = wire_connect(&d->where);
	if (d->former < 0)
		return refuse(why, d->former, "--takeover: no daemon serves at %s: %s", d->where.sun_path, strerror(-d->former));
	be_patient(d->former);
	return ask(d, kept, why);
}

int daemon_takeover_done(struct daemon *d, struct refusal *why)
{
	struct wire_head head = { .op = WIRE_TAKEN };
	struct wire_record r;
	int err = wire_call(d->former, &head, NULL, 0, &r);

	wire_record_free(&r);
	close(d->former);
	d->former = -1;
	return err ? refuse(why, err, "the daemon before went on by itself: %s", strerror(-err)) : 0;
}
