/*
 * daemon/conn.c - a tool's connection to the daemon. A DATA connection is a tool's netlink socket: what is queued for it goes out
 * as far as the tool reads, the rest waits in the instance, so that a slow tool costs its own queue only.
 */
#include "daemon/server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "table/table.h"

enum { COMMAND_WORDS_MAX = 1024, FOLLOW_OVERHEAD = 768, POSTED_AT_ONCE = 64, POSTED_MAX = 4096 };

void conn_close(struct conn *conn)
{
	struct server *server = conn->server;

	if (conn->watch.gone)
		return;
	if (conn->sock)
		nl_sock_close(conn->sock);
	if (server->holder == conn)
		server->holder = NULL;
	if (conn->following)
		server->callbacks.unfollow(server->callbacks.priv, conn->following, NULL, NULL);
	conn->following = NULL;
	list_for_each_safe(node, &conn->said)
		free(list_entry(node, struct said, node));
	list_init(&conn->said);
	free(conn->unsent);
	free(conn->path);
	list_remove(&conn->ready_node);
	epoll_ctl(server->epoll, EPOLL_CTL_DEL, conn->watch.fd, NULL);
	close(conn->watch.fd);
	conn->watch.gone = true;
	list_remove(&conn->node);
	list_append(&server->gone, &conn->node);
}

/* Who has asked so much without reading that an answer finds no room is hung up on: nobody waits for him. */
static void reply(struct conn *conn, struct wire_head *head, int err, const void *payload, size_t len)
{
	head->err = (int16_t)err;
	head->flags = 0;
	if (wire_send(conn->watch.fd, head, payload, len, MSG_DONTWAIT))
		conn_close(conn);
}

/* Requests that nobody waits for, @max of them. False: the tool is gone, and all that it said is done. */
static bool take_posted(struct conn *conn, unsigned int max)
{
	const struct server_callbacks *callbacks = &conn->server->callbacks;
	bool was_reset = false, is_there = true;

	if (callbacks->burst)
		callbacks->burst(callbacks->priv, true);
	for (unsigned int i = 0; i < max && is_there && !conn->watch.gone; i++) {
		struct wire_record r;
		int err = wire_receive(conn->watch.fd, &r, MSG_DONTWAIT);

		if (err == -EAGAIN)
			break;
		if (err == -ECONNRESET && !was_reset) {	/* it left messages unread: that is told before what it had still said */
			was_reset = true;
			continue;
		}
		is_there = !err;
		if (!err && r.head.op == WIRE_NLSEND)
			nl_sock_send(conn->sock, r.data, r.head.len);
		else if (!err)
			reply(conn, &r.head, -EINVAL, NULL, 0);
		wire_record_free(&r);
	}
	if (callbacks->burst)
		callbacks->burst(callbacks->priv, false);
	return is_there;
}

void conn_drain(struct conn *conn)
{
	for (;;) {
		struct nl_datagram *d = conn->unsent ? conn->unsent : nl_sock_next(conn->sock);
		struct wire_head head = { .op = WIRE_NLDATA };
		int err;

		conn->unsent = NULL;
		if (!d)
			break;
		head.a = d->groups;
		head.flags = d->overrun ? WIRE_OVERRUN : 0;
		err = wire_send(conn->watch.fd, &head, d->data, d->len, MSG_DONTWAIT);
		if (err == -EAGAIN || err == -ENOBUFS) {
			conn->unsent = d;
			break;
		}
		free(d);
		if (err) {
			take_posted(conn, POSTED_MAX);
			conn_close(conn);
			return;
		}
	}
	conn->is_ready = false;
	list_remove(&conn->ready_node);
	watch_events(conn->server, &conn->watch, conn->unsent ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* --- commands that go on --- */

static const char lost_lines[] = "WARNING: We have hit ENOBUFS! We are losing events.\n"
	"This message means that the current netlink socket buffer size is too small.\n"
	"Please, check --buffer-size in conntrack(8) manpage.\n";

static void say_more(struct conn *conn, const char *text, size_t len, bool is_error)
{
	struct said *said = malloc(sizeof(*said) + len);

	if (!said)
		return;
	said->is_error = is_error;
	said->len = len;
	memcpy(said->text, text, len);
	list_append(&conn->said, &said->node);
	conn->said_bytes += len + FOLLOW_OVERHEAD;
	watch_events(conn->server, &conn->watch, EPOLLIN | EPOLLOUT);
}

void server_say(struct conn *conn, const char *text, size_t len)
{
	if (conn->watch.gone)
		return;
	if (conn->said_bytes + len + FOLLOW_OVERHEAD <= conn->said_room) {
		say_more(conn, text, len, false);
		return;
	}
	if (!conn->said_lost)
		say_more(conn, lost_lines, sizeof(lost_lines) - 1, true);
	conn->said_lost = true;
}

static void drain_said(struct conn *conn)
{
	list_for_each_safe(node, &conn->said) {
		struct said *said = list_entry(node, struct said, node);
		struct wire_head head = { .op = WIRE_TEXT, .b = said->is_error ? 0 : (uint32_t)said->len };
		int err = wire_send(conn->watch.fd, &head, said->text, said->len, MSG_DONTWAIT);

		if (err == -EAGAIN || err == -ENOBUFS)
			return;
		if (err) {
			conn_close(conn);
			return;
		}
		list_remove(node);
		conn->said_bytes -= said->len + FOLLOW_OVERHEAD;
		free(said);
	}
	conn->said_lost = false;
	watch_events(conn->server, &conn->watch, EPOLLIN);
}

void conn_ready(void *priv, struct nl_sock *sock)
{
	struct conn *conn = nl_sock_owner(sock);

	/* sent when the loop comes by, after the request that caused it was answered in full */
	if (!conn || conn->watch.gone || conn->unsent || conn->is_ready)
		return;
	conn->is_ready = true;
	if (conn->server->in_round)
		list_append(&conn->server->ready, &conn->ready_node);
	else
		watch_events(conn->server, &conn->watch, EPOLLIN | EPOLLOUT);
}

static void serve_open(struct conn *conn, struct wire_record *r)
{
	struct wire_head head = r->head;
	int err = conn->sock ? -EINVAL :
		  nl_sock_open(conn->server->control, (int)head.b, head.a, head.c, conn->cred, conn, &conn->sock);

	if (!err) {
		head.cookie = nl_sock_cookie(conn->sock);
		head.a = nl_sock_port(conn->sock);
	}
	reply(conn, &head, err, NULL, 0);
}

enum { FILE_COOKIE_FIRST = 0x80000000u, FILE_WRITE_MAX = 4096 };

static void serve_file(struct conn *conn, struct wire_record *r)
{
	struct wire_head head = r->head;
	uint32_t mode;
	int err = conn->sock || conn->file_cookie ? -EINVAL :
		  control_file_mode(conn->server->control, (const char *)r->data, &mode);

	if (!err && !(mode & 0200))
		err = -EACCES;
	if (!err) {
		conn->path = strdup((const char *)r->data);
		conn->file_cookie = FILE_COOKIE_FIRST | ++conn->server->file_cookie;
		head.cookie = conn->file_cookie;
	}
	reply(conn, &head, err, NULL, 0);
}

/* What a tool wrote past its supervisor, a shell's "echo" to a duplicate for instance. */
static void drain_file(struct conn *conn)
{
	char text[FILE_WRITE_MAX];
	ssize_t got;

	while ((got = recv(conn->watch.fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
		control_file_write(conn->server->control, conn->cred, conn->path, text, (size_t)got);
	if (got == 0 || errno != EAGAIN)
		conn_close(conn);
}

static void drain_posted(struct conn *conn)
{
	if (!take_posted(conn, POSTED_MAX))
		conn_close(conn);
	else if (!conn->watch.gone && conn->is_ready)
		conn_drain(conn);
}

/* Before anything is asked: what was written or posted in one command is there in the next. */
static void drain_told(struct server *server)
{
	list_for_each_safe(node, &server->conns) {
		struct conn *conn = list_entry(node, struct conn, node);

		if (conn->file_cookie)
			drain_file(conn);
		else if (conn->posts)
			drain_posted(conn);
	}
}

static bool is_alive(struct server *server, uint32_t cookie)
{
	list_for_each(node, &server->conns) {
		struct conn *conn = list_entry(node, struct conn, node);

		if (conn->file_cookie ? conn->file_cookie == cookie : conn->sock && nl_sock_cookie(conn->sock) == cookie)
			return true;
	}
	return false;
}

/* The socket that a request is about, when it is the same user's. */
static struct nl_sock *sock_of(struct conn *conn, uint32_t cookie)
{
	struct nl_sock *sock = nl_sock_find(conn->server->control, cookie);
	struct conn *owner = sock ? nl_sock_owner(sock) : NULL;

	return owner && owner->cred.may_change == conn->cred.may_change ? sock : NULL;
}

/* 0, or -E2BIG, -EINVAL: not words, each with its NUL. */
static int words_of(const struct wire_record *r, char *argv[COMMAND_WORDS_MAX + 1], int *argc)
{
	*argc = 0;
	if (!r->head.len || r->data[r->head.len - 1])
		return -EINVAL;
	for (char *p = (char *)r->data, *end = p + r->head.len; p < end; p += strlen(p) + 1) {
		if (*argc == COMMAND_WORDS_MAX)
			return -E2BIG;
		argv[(*argc)++] = p;
	}
	argv[*argc] = NULL;
	return 0;
}

static void serve_command(struct conn *conn, struct wire_record *r, struct strbuf *out, struct wire_head *head, int *err)
{
	struct server *server = conn->server;
	struct strbuf errors = STRBUF_INIT;
	char *argv[COMMAND_WORDS_MAX + 1];
	int argc;

	*err = server->callbacks.command ? words_of(r, argv, &argc) : -EOPNOTSUPP;
	if (*err)
		return;
	head->a = (uint32_t)server->callbacks.command(server->callbacks.priv, argc, argv, conn->cred.may_change, out, &errors);
	head->b = (uint32_t)out->len;
	sb_add(out, sb_str(&errors), errors.len);
	sb_free(&errors);
}

static void send_text(struct conn *conn, struct strbuf *out, const struct strbuf *errors, bool is_last, int code)
{
	struct wire_head head = { .op = WIRE_TEXT, .a = (uint32_t)code, .b = (uint32_t)out->len, .c = is_last };

	sb_add(out, sb_str(errors), errors->len);
	if (wire_send(conn->watch.fd, &head, sb_str(out), out->len, MSG_DONTWAIT) || is_last)
		conn_close(conn);
}

/* Begins, or ends when it is asked for the second time. */
static void serve_follow(struct conn *conn, struct wire_record *r)
{
	struct server *server = conn->server;
	struct strbuf out = STRBUF_INIT, errors = STRBUF_INIT;
	char *argv[COMMAND_WORDS_MAX + 1];
	int argc, code = 0;

	if (conn->following) {
		void *following = conn->following;

		drain_said(conn);
		if (!conn->watch.gone) {
			conn->following = NULL;
			server->callbacks.unfollow(server->callbacks.priv, following, &out, &errors);
			send_text(conn, &out, &errors, true, 0);
		}
	} else if (!server->callbacks.follow || conn->sock || words_of(r, argv, &argc)) {
		conn_close(conn);
	} else {
		conn->following = server->callbacks.follow(server->callbacks.priv, conn, argc, argv, &out, &errors, &conn->said_room, &code);
		send_text(conn, &out, &errors, !conn->following, code);
	}
	sb_free(&out);
	sb_free(&errors);
}

static int serve_change(struct conn *conn, const struct wire_record *r)
{
	struct rule_change change = {
		.kind = r->head.b & ~(uint32_t)WIRE_CHANGE_APPEND, .is_append = r->head.b & WIRE_CHANGE_APPEND, .at = r->head.c,
	};
	struct wire_change names;

	if (r->head.len < sizeof(names))
		return -EINVAL;
	memcpy(&names, r->data, sizeof(names));
	if (!memchr(names.table, 0, sizeof(names.table)) || !memchr(names.chain, 0, sizeof(names.chain)))
		return -EINVAL;
	change.chain = names.chain;
	change.entry_len = r->head.len - sizeof(names);
	change.entry = change.entry_len ? r->data + sizeof(names) : NULL;
	return control_rule_change(conn->server->control, conn->cred, (uint8_t)r->head.a, names.table, &change);
}

static void serve_request(struct conn *conn, struct wire_record *r)
{
	struct control *control = conn->server->control;
	struct wire_head head = r->head;
	struct strbuf out = STRBUF_INIT;
	struct nl_sock *sock;
	size_t path_len;
	int err = 0;

	switch (head.op) {
	case WIRE_HELLO:
		err = head.a == WIRE_VERSION ? 0 : -EPROTO;
		head.a = WIRE_VERSION;
		head.b = (uint32_t)conn->server->netns;
		head.c = (uint32_t)(conn->server->netns >> 32);
		head.cookie = conn->cred.may_change;
		break;
	case WIRE_NLSEND:
		sock = sock_of(conn, head.cookie);
		conn->server->unserved[0] = 0;
		err = sock ? nl_sock_send(sock, r->data, head.len) : -ECONNREFUSED;
		if (sock) {
			struct conn *owner = nl_sock_owner(sock);

			owner->posts = owner->posts || head.flags & WIRE_WILL_POST;
			conn_drain(owner);	/* the answer is there when send() returns */
			sb_add(&out, conn->server->unserved, strlen(conn->server->unserved));
		}
		break;
	case WIRE_BIND:
		sock = sock_of(conn, head.cookie);
		err = sock ? nl_sock_bind(sock, head.a, head.b) : -ECONNREFUSED;
		head.a = sock ? nl_sock_port(sock) : 0;
		break;
	case WIRE_NLOPT:
		sock = sock_of(conn, head.cookie);
		err = sock ? nl_sock_option(sock, (int)head.a, (int)head.b, head.c, r->data, head.len) : -ECONNREFUSED;
		break;
	case WIRE_SOGET:
		err = control_sockopt_get(control, conn->cred, (int)head.a, (int)head.b, r->data, head.len, head.c, &out);
		break;
	case WIRE_SOSET:
		err = control_sockopt_set(control, conn->cred, (int)head.a, (int)head.b, r->data, head.len, &out);
		break;
	case WIRE_REPLACE:
		err = control_rules_replace(control, conn->cred, (uint8_t)head.a, head.b == 1, r->data, head.len, &out);
		head.a = 0;
		if (err && out.len) {	/* it is said why */
			head.a = (uint32_t)-err;
			err = 0;
		}
		break;
	case WIRE_CHANGE:
		err = conn->server->holder && conn->server->holder != conn ? -EAGAIN : serve_change(conn, r);
		break;
	case WIRE_LOCK:
		err = !conn->cred.may_change ? -EPERM : conn->server->holder && conn->server->holder != conn ? -EAGAIN : 0;
		if (!err)
			conn->server->holder = head.a ? conn : NULL;
		break;
	case WIRE_FOPEN:
		err = control_file_read(control, (const char *)r->data, &out);
		break;
	case WIRE_FSTAT:
		err = control_file_mode(control, (const char *)r->data, &head.a);
		break;
	case WIRE_FWRITE:
		path_len = strnlen((const char *)r->data, head.len);
		err = path_len == head.len ? -EINVAL :
		      control_file_write(control, conn->cred, (const char *)r->data, (const char *)r->data + path_len + 1,
					 head.len - path_len - 1);
		break;
	case WIRE_ORIGDST:
		err = head.len == 2 * sizeof(struct sockaddr_in6) ?
		      control_original_dst(control, (int)head.a, (const void *)r->data,
					   (const void *)(r->data + sizeof(struct sockaddr_in6)), &out) : -EINVAL;
		break;
	case WIRE_ALIVE:
		err = is_alive(conn->server, head.cookie) ? 0 : -ENOENT;
		break;
	case WIRE_COMMAND:
		serve_command(conn, r, &out, &head, &err);
		break;
	default:
		err = -EOPNOTSUPP;
	}
	if (!(r->head.flags & WIRE_POSTED))
		reply(conn, &head, err, sb_str(&out), err ? 0 : out.len);
	sb_free(&out);
}

/* A daemon hands everything over to its own user's, or to root's. */
static void serve_takeover(struct conn *conn, struct wire_record *r)
{
	struct server *server = conn->server;
	struct wire_head head = r->head;

	if (!conn->cred.may_change || !server->callbacks.takeover) {
		reply(conn, &head, !server->callbacks.takeover ? -EOPNOTSUPP : -EPERM, NULL, 0);
		return;
	}
	server->taken_over = server->callbacks.takeover(server->callbacks.priv, conn->watch.fd);
	if (server->taken_over)
		server_stop(server);
	conn_close(conn);
}

static void on_conn(void *priv, uint32_t events)
{
	struct conn *conn = priv;
	struct wire_record r;
	int err;

	if (events & EPOLLOUT && conn->sock)
		conn_drain(conn);
	else if (events & EPOLLOUT)
		drain_said(conn);
	if (conn->watch.gone || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (conn->file_cookie) {
		drain_file(conn);
		return;
	}
	if (conn->sock) {
		if (!take_posted(conn, POSTED_AT_ONCE))
			conn_close(conn);
		return;
	}
	err = wire_receive(conn->watch.fd, &r, MSG_DONTWAIT);
	if (err == -EAGAIN)
		return;
	if (err) {
		conn_close(conn);
		return;
	}
	server_tick(conn->server);
	if (r.head.op == WIRE_NLOPEN) {
		serve_open(conn, &r);
	} else if (r.head.op == WIRE_TAKEOVER) {
		drain_told(conn->server);
		serve_takeover(conn, &r);
	} else if (r.head.op == WIRE_FOLLOW) {
		serve_follow(conn, &r);
	} else if (r.head.op == WIRE_FWOPEN) {
		serve_file(conn, &r);
	} else {
		drain_told(conn->server);
		serve_request(conn, &r);
	}
	wire_record_free(&r);
}

void conn_accept(void *priv, uint32_t events)
{
	struct server *server = priv;
	int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	struct conn *conn;

	if (fd < 0)
		return;
	conn = calloc(1, sizeof(*conn));
	if (!conn || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len)) {
		free(conn);
		close(fd);
		return;
	}
	conn->server = server;
	conn->cred.may_change = peer.uid == 0 || peer.uid == geteuid();
	list_init(&conn->said);
	list_init(&conn->ready_node);
	conn->watch.fn = on_conn;
	conn->watch.priv = conn;
	list_append(&server->conns, &conn->node);
	if (watch_add(server, &conn->watch, fd, EPOLLIN))
		conn_close(conn);
}
