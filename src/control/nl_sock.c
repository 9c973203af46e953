/*
 * control/nl_sock.c - netlink sockets as tools see them: ports, groups, a queue with a limit. Answers to requests
 * always find room; events do not, and then the tool hears of the overrun, as from its kernel.
 */
#include "control/control_internal.h"

#include <stdlib.h>

static struct nl_sock *by_port(struct control *control, int protocol, uint32_t port)
{
	list_for_each(node, &control->socks) {
		struct nl_sock *sock = list_entry(node, struct nl_sock, node);

		if (sock->protocol == protocol && sock->port == port)
			return sock;
	}
	return NULL;
}

/* A process's first port is its number, later ones count down from the top of the other half, as in Linux. */
static uint32_t port_choose(struct control *control, int protocol, uint32_t pid)
{
	uint32_t port = pid;

	for (uint32_t next = 0xfffff000u; !port || by_port(control, protocol, port); next--)
		port = next;
	return port;
}

int nl_sock_open(struct control *control, int protocol, uint32_t port, uint32_t pid, struct control_cred cred, void *owner,
		 struct nl_sock **out)
{
	struct nl_sock *sock;

	if (protocol != NETLINK_NETFILTER)
		return -EPROTONOSUPPORT;
	if (port && by_port(control, protocol, port))
		return -EADDRINUSE;
	sock = calloc(1, sizeof(*sock));
	if (!sock)
		return -ENOMEM;
	sock->control = control;
	sock->cred = cred;
	sock->owner = owner;
	sock->protocol = protocol;
	sock->pid = pid;
	sock->port = port ? port : port_choose(control, protocol, pid);
	sock->cookie = ++control->cookie;
	sock->rcvbuf = NL_RCVBUF_DEFAULT;
	list_init(&sock->queue);
	list_append(&control->socks, &sock->node);
	*out = sock;
	return 0;
}

static void groups_count(struct control *control)
{
	control->groups = 0;
	list_for_each(node, &control->socks)
		control->groups |= list_entry(node, struct nl_sock, node)->groups;
}

static void dump_end(struct nl_sock *sock)
{
	if (sock->dump.active && sock->dump.done)
		sock->dump.done(&sock->dump);
	sock->dump = (struct nl_dump){ 0 };
}

void nl_sock_close(struct nl_sock *sock)
{
	dump_end(sock);
	queue_sock_closed(sock);
	log_sock_closed(sock);
	list_remove(&sock->node);
	list_for_each_safe(node, &sock->queue)
		free(list_entry(node, struct nl_datagram, node));
	groups_count(sock->control);
	free(sock->filter);
	free(sock);
}

struct nl_sock *nl_sock_find(struct control *control, uint32_t cookie)
{
	list_for_each(node, &control->socks) {
		struct nl_sock *sock = list_entry(node, struct nl_sock, node);

		if (sock->cookie == cookie)
			return sock;
	}
	return NULL;
}

uint32_t nl_sock_cookie(const struct nl_sock *sock) { return sock->cookie; }
uint32_t nl_sock_port(const struct nl_sock *sock) { return sock->port; }
void *nl_sock_owner(const struct nl_sock *sock) { return sock->owner; }

int nl_sock_bind(struct nl_sock *sock, uint32_t port, uint32_t groups)
{
	if (port && port != sock->port) {
		if (sock->bound)
			return -EINVAL;
		if (by_port(sock->control, sock->protocol, port))
			return -EADDRINUSE;
		sock->port = port;
	}
	sock->bound = true;
	sock->groups = groups;
	groups_count(sock->control);
	return 0;
}

static int filter_attach(struct nl_sock *sock, const void *data, size_t len)
{
	struct sock_filter *filter;

	if (!len || len % sizeof(*filter) || len / sizeof(*filter) > BPF_MAXINSNS)
		return -EINVAL;
	filter = malloc(len);
	if (!filter)
		return -ENOMEM;
	memcpy(filter, data, len);
	if (nl_filter_check(filter, (unsigned int)(len / sizeof(*filter)))) {
		free(filter);
		return -EINVAL;
	}
	free(sock->filter);
	sock->filter = filter;
	return 0;
}

static int netlink_option(struct nl_sock *sock, int option, uint32_t value)
{
	switch (option) {
	case NETLINK_ADD_MEMBERSHIP:
	case NETLINK_DROP_MEMBERSHIP:
		if (!value || value > NL_GROUP_COUNT)
			return -EINVAL;
		if (option == NETLINK_ADD_MEMBERSHIP)
			sock->groups |= 1u << (value - 1);
		else
			sock->groups &= ~(1u << (value - 1));
		groups_count(sock->control);
		return 0;
	case NETLINK_NO_ENOBUFS:
		sock->no_enobufs = value;
		return 0;
	case NETLINK_EXT_ACK:
		sock->ext_ack = value;
		return 0;
	case NETLINK_CAP_ACK:
		sock->cap_ack = value;
		return 0;
	case NETLINK_PKTINFO:
	case NETLINK_BROADCAST_ERROR:
	case NETLINK_LISTEN_ALL_NSID:
	case NETLINK_GET_STRICT_CHK:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int nl_sock_option(struct nl_sock *sock, int level, int option, uint32_t value, const void *data, size_t len)
{
	if (level == SOL_NETLINK)
		return netlink_option(sock, option, value);
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (option) {
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		sock->rcvbuf = MIN_OF((size_t)value, (size_t)INT32_MAX / 2) * 2;
		return 0;
	case SO_ATTACH_FILTER:
		return filter_attach(sock, data, len);
	case SO_DETACH_FILTER:
		free(sock->filter);
		sock->filter = NULL;
		return 0;
	default:
		return 0;	/* timeouts, priorities and the like stay with the tool's own socket */
	}
}

static void enqueue(struct nl_sock *sock, uint32_t groups, const void *data, size_t len, bool overrun)
{
	struct nl_datagram *d = malloc(sizeof(*d) + len);

	if (!d)
		return;
	*d = (struct nl_datagram){ .groups = groups, .overrun = overrun, .len = len };
	if (len)
		memcpy(d->data, data, len);
	list_append(&sock->queue, &d->node);
	sock->queued += len + NL_SKB_OVERHEAD;
	if (sock->control->callbacks.ready)
		sock->control->callbacks.ready(sock->control->callbacks.priv, sock);
}

bool nl_queue(struct nl_sock *sock, uint32_t groups, const void *data, size_t len, bool must)
{
	if (must || sock->queued + len + NL_SKB_OVERHEAD <= sock->rcvbuf) {
		enqueue(sock, groups, data, len, false);
		return true;
	}
	if (!sock->no_enobufs && !sock->congested)
		enqueue(sock, 0, NULL, 0, true);
	sock->congested = true;
	return false;
}

void nl_multicast(struct control *control, unsigned int group, const struct strbuf *msg)
{
	uint32_t bit = 1u << (group - 1);

	if (msg->failed)
		return;
	list_for_each(node, &control->socks) {
		struct nl_sock *sock = list_entry(node, struct nl_sock, node);

		if (sock->groups & bit && sock != control->echo_to && (!sock->filter || nl_filter_passes(sock, msg->s, msg->len)))
			nl_queue(sock, bit, msg->s, msg->len, false);
	}
	if (control->echo_to && (!control->echo_to->filter || nl_filter_passes(control->echo_to, msg->s, msg->len)))
		nl_queue(control->echo_to, bit, msg->s, msg->len, false);
}

void nl_dump_go_on(struct nl_sock *sock)
{
	struct strbuf out = STRBUF_INIT;

	while (sock->dump.active && sock->queued < NL_RCVBUF_DEFAULT / 4) {
		bool more = sock->dump.more(sock, &sock->dump, &out);

		if (!more) {
			struct { struct nlmsghdr nlh; int err; } done = {
				{ sizeof(done), NLMSG_DONE, NLM_F_MULTI, sock->dump.seq, sock->port }, 0 };

			if (out.len + sizeof(done) > NL_DUMP_BYTES && out.len) {
				nl_queue(sock, 0, out.s, out.len, true);
				sb_reset(&out);
			}
			sb_add(&out, (const char *)&done, sizeof(done));
			dump_end(sock);
		}
		if (out.len && !out.failed)
			nl_queue(sock, 0, out.s, out.len, true);
		sb_reset(&out);
	}
	sb_free(&out);
}

static bool messages_more(struct nl_sock *sock, struct nl_dump *dump, struct strbuf *out)
{
	const struct strbuf *all = dump->state;

	while (dump->at < all->len) {
		uint32_t len;

		memcpy(&len, all->s + dump->at, sizeof(len));
		if (out->len && out->len + len > NL_DUMP_BYTES)
			return true;
		sb_add(out, all->s + dump->at, NLMSG_ALIGN(len));
		dump->at += NLMSG_ALIGN(len);
	}
	return false;
}

static void messages_done(struct nl_dump *dump)
{
	sb_free(dump->state);
	free(dump->state);
}

int nl_dump_messages(struct nl_sock *sock, struct strbuf *all)
{
	struct strbuf *kept = all->failed ? NULL : malloc(sizeof(*kept));

	if (!kept) {
		sb_free(all);
		return -ENOMEM;
	}
	*kept = *all;
	sock->dump = (struct nl_dump){ .more = messages_more, .done = messages_done, .state = kept };
	return 0;
}

struct nl_datagram *nl_sock_next(struct nl_sock *sock)
{
	struct nl_datagram *d;

	if (list_is_empty(&sock->queue))
		nl_dump_go_on(sock);
	if (list_is_empty(&sock->queue))
		return NULL;
	d = list_entry(sock->queue.next, struct nl_datagram, node);
	list_remove(&d->node);
	sock->queued -= d->len + NL_SKB_OVERHEAD;
	if (list_is_empty(&sock->queue))
		sock->congested = false;
	return d;
}

int nl_sock_send(struct nl_sock *sock, const void *data, size_t len)
{
	sock->bound = true;
	sock->control->asker = sock->port;
	nfnetlink_datagram(sock, data, len);
	sock->control->asker = 0;
	nl_dump_go_on(sock);
	return 0;
}
