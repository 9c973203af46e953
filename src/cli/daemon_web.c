/*
 * cli/daemon_web.c - `--listen`: metrics, health and the live page, by libmicrohttpd in the daemon's own loop. The page is one file
 * without anything from elsewhere; its numbers come as server-sent events, one text a second for all who watch.
 */
#include "cli/daemon_web.h"

#ifdef WEIR_HAS_WEB

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/list.h"
#include "base/late.h"
#include "cli/daemon.h"

extern const char weir_page[];			/* page.html, by tools/embed */
extern const size_t weir_page_len;

enum { CONNECTIONS_MAX = 64, IDLE_SEC = 30, STREAM_BLOCK = 32 << 10, HOST_MAX = 128 };

#define HTTP_CALLS(X) X(MHD_add_response_header) X(MHD_create_response_from_buffer) \
	X(MHD_create_response_from_callback) X(MHD_destroy_response) X(MHD_get_daemon_info) \
	X(MHD_lookup_connection_value) X(MHD_queue_response) X(MHD_resume_connection) X(MHD_run) \
	X(MHD_start_daemon) X(MHD_stop_daemon) X(MHD_suspend_connection)
/* The library, once somebody asked for --listen: the same for everybody in this process. */
static struct { LATE_CALLS(HTTP_CALLS) } http;

struct stream {
	struct list node;
	struct MHD_Connection *connection;
	struct strbuf text;		/* what it has not got yet */
	size_t at;
	bool is_asleep;
};

struct web {
	struct daemon *daemon;
	struct MHD_Daemon *http;
	struct list streams;
	int listener, timer;
	char host[HOST_MAX];		/* as the page's address begins, without port */
	bool is_loopback;
};

/* --- streams --- */

static ssize_t stream_read(void *priv, uint64_t pos, char *to, size_t room)
{
	struct stream *s = priv;
	size_t n = MIN_OF(s->text.len - s->at, room);

	if (!n) {
		s->is_asleep = true;
		http.MHD_suspend_connection(s->connection);
		return 0;
	}
	memcpy(to, s->text.s + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static void stream_free(void *priv)
{
	struct stream *s = priv;

	list_remove(&s->node);
	sb_free(&s->text);
	free(s);
}

/* Who did not read on gets the next text when he has read this one: nobody's delay grows anything here. */
static void stream_feed(struct stream *s, const struct strbuf *text)
{
	if (s->at < s->text.len)
		return;
	sb_reset(&s->text);
	s->at = 0;
	sb_add(&s->text, sb_str(text), text->len);
	if (!s->is_asleep)
		return;
	s->is_asleep = false;
	http.MHD_resume_connection(s->connection);
}

static void event_text(struct web *web, struct strbuf *out)
{
	sb_adds(out, "data: ");
	watch_json(&web->daemon->watch, web->daemon->inst, out);
	sb_adds(out, "\n\n");
}

static void on_second(void *priv, uint32_t events)
{
	struct strbuf text = STRBUF_INIT;
	struct web *web = priv;
	uint64_t times;

	if (read(web->timer, &times, sizeof(times)) != sizeof(times))
		return;
	if (!list_is_empty(&web->streams)) {
		event_text(web, &text);
		list_for_each(node, &web->streams)
			stream_feed(list_entry(node, struct stream, node), &text);
		sb_free(&text);
	}
	http.MHD_run(web->http);		/* and whoever said nothing for too long goes */
}

/* --- answers --- */

static enum MHD_Result send_response(struct MHD_Connection *c, unsigned int status, struct MHD_Response *r, const char *type)
{
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	http.MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	http.MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	http.MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	http.MHD_add_response_header(r, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; "
				"script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'");
	result = http.MHD_queue_response(c, status, r);
	http.MHD_destroy_response(r);
	return result;
}

static enum MHD_Result send_text(struct MHD_Connection *c, unsigned int status, const char *type, struct strbuf *text)
{
	struct MHD_Response *r;

	if (text->failed || !text->len) {
		sb_free(text);
		return MHD_NO;
	}
	r = http.MHD_create_response_from_buffer(text->len, text->s, MHD_RESPMEM_MUST_FREE);
	if (!r)
		sb_free(text);
	return send_response(c, status, r, type);
}

static enum MHD_Result send_words(struct MHD_Connection *c, unsigned int status, const char *words)
{
	return send_response(c, status, http.MHD_create_response_from_buffer(strlen(words), (void *)words, MHD_RESPMEM_PERSISTENT),
			     "text/plain; charset=utf-8");
}

static enum MHD_Result send_stream(struct web *web, struct MHD_Connection *c)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct MHD_Response *r;

	if (!s)
		return MHD_NO;
	s->connection = c;
	event_text(web, &s->text);
	r = http.MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, s, stream_free);
	if (!r) {
		sb_free(&s->text);
		free(s);
		return MHD_NO;
	}
	list_append(&web->streams, &s->node);
	return send_response(c, MHD_HTTP_OK, r, "text/event-stream");
}

/*
 * A page of somebody else may make a browser ask here under a name of its own that leads to this machine: on loopback only
 * this machine's names are answered.
 */
static bool is_our_name(const struct web *web, const char *host)
{
	size_t len;

	if (!web->is_loopback)
		return true;
	if (!host)
		return false;
	len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	return (len == 9 && !strncasecmp(host, "localhost", 9)) || (len == strlen(web->host) && !strncmp(host, web->host, len)) ||
	       (len == 5 && !strncmp(host, "[::1]", 5)) || (!strncmp(host, "127.", 4) && strspn(host, "0123456789.") == len);
}

static enum MHD_Result on_request(void *priv, struct MHD_Connection *c, const char *url, const char *method, const char *version,
				  const char *upload, size_t *upload_len, void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct web *web = priv;

	if (!*state) {			/* the head alone: answers come with the second call */
		*state = web;
		return MHD_YES;
	}
	if (*upload_len) {
		*upload_len = 0;	/* nothing that is sent here is read */
		return MHD_YES;
	}
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return send_words(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (!is_our_name(web, http.MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
		return send_words(c, MHD_HTTP_FORBIDDEN, "ask by this machine's own name or address\n");
	if (!strcmp(url, "/"))
		return send_response(c, MHD_HTTP_OK, http.MHD_create_response_from_buffer(weir_page_len, (void *)weir_page,
				     MHD_RESPMEM_PERSISTENT), "text/html; charset=utf-8");
	if (!strcmp(url, "/health"))
		return send_words(c, MHD_HTTP_OK, "ok\n");
	server_tick(web->daemon->server);
	if (!strcmp(url, "/metrics")) {
		watch_metrics(&web->daemon->watch, web->daemon->inst, &text);
		return send_text(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text);
	}
	if (!strcmp(url, "/state.json")) {
		watch_json(&web->daemon->watch, web->daemon->inst, &text);
		return send_text(c, MHD_HTTP_OK, "application/json", &text);
	}
	if (!strcmp(url, "/events"))
		return send_stream(web, c);
	return send_words(c, MHD_HTTP_NOT_FOUND, "there is /, /metrics, /health, /events and /state.json\n");
}

static void on_http(void *priv, uint32_t events)
{
	http.MHD_run(((struct web *)priv)->http);
}

/* --- life --- */

/* "127.0.0.1:9100", "[::1]:9100", ":9100" and "9100" (loopback); false: none of these. */
static bool address_read(const char *text, struct sockaddr_storage *at, socklen_t *len, struct web *web)
{
	const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
	struct sockaddr_in *in4 = (struct sockaddr_in *)at;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)at;
	char host[HOST_MAX] = "127.0.0.1", *end;
	unsigned long number = strtoul(port, &end, 10);

	if (end == port || *end || number > 65535)
		return false;
	if (colon && colon > text) {
		if ((size_t)(colon - text) >= sizeof(host))
			return false;
		memcpy(host, text, (size_t)(colon - text));
		host[colon - text] = '\0';
	}
	if (!strcmp(host, "localhost"))
		strcpy(host, "127.0.0.1");
	snprintf(web->host, sizeof(web->host), "%s", host);
	memset(at, 0, sizeof(*at));
	if (*host == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)number);
		*len = sizeof(*in6);
		web->is_loopback = !strcmp(host + 1, "::1");
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1;
	}
	in4->sin_family = AF_INET;
	in4->sin_port = htons((uint16_t)number);
	*len = sizeof(*in4);
	web->is_loopback = !strncmp(host, "127.", 4);
	return inet_pton(AF_INET, host, &in4->sin_addr) == 1;
}

static int socket_open(struct web *web, const char *text, bool in_company, struct refusal *why)
{
	struct sockaddr_storage at;
	socklen_t len;
	int one = 1;

	if (!address_read(text, &at, &len, web))
		return refuse(why, -EINVAL, "--listen wants ADDRESS:PORT, not \"%s\"", text);
	web->listener = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (web->listener < 0)
		return refuse(why, -errno, "--listen: no socket: %s", strerror(errno));
	setsockopt(web->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* the daemon that is taken over still listens for a moment */
	setsockopt(web->listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(web->listener, (struct sockaddr *)&at, len) || listen(web->listener, 64))
		return refuse(why, -errno, "--listen %s: %s", text, strerror(errno));
	if (getsockname(web->listener, (struct sockaddr *)&at, &len))
		return refuse(why, -errno, "--listen %s: %s", text, strerror(errno));
	fprintf(stderr, "weir daemon: http://%s:%u/\n", web->host,
		ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port));
	return 0;
}

static int web_watch(struct web *web, struct refusal *why)
{
	const struct itimerspec second = { .it_value.tv_sec = 1, .it_interval.tv_sec = 1 };
	const union MHD_DaemonInfo *info;
	int err;

	web->http = http.MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, web,
				     MHD_OPTION_LISTEN_SOCKET, web->listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_SEC, MHD_OPTION_END);
	if (!web->http)
		return refuse(why, -EIO, "--listen: the HTTP server does not start");
	web->listener = -1;		/* its own now */
	info = http.MHD_get_daemon_info(web->http, MHD_DAEMON_INFO_EPOLL_FD);
	web->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = !info || web->timer < 0 || timerfd_settime(web->timer, 0, &second, NULL) ? -EIO :
	      server_watch(web->daemon->server, info->epoll_fd, EPOLLIN, on_http, web);
	if (!err)
		err = server_watch(web->daemon->server, web->timer, EPOLLIN, on_second, web);
	return err ? refuse(why, err, "--listen: %s", strerror(-err)) : 0;
}

int web_begin(struct daemon *d, const char *address, struct web **out, struct refusal *why)
{
	int err = late_open("libmicrohttpd.so.12", LATE_NAMES(HTTP_CALLS), &http, sizeof(http), why);
	struct web *web;

	if (err)
		return err;
	web = calloc(1, sizeof(*web));
	if (!web)
		return refuse(why, -ENOMEM, "no memory for --listen");
	*out = web;
	web->daemon = d;
	web->listener = web->timer = -1;
	list_init(&web->streams);
	err = socket_open(web, address, d->takeover, why);
	return err ? err : web_watch(web, why);
}

void web_end(struct web *web)
{
	if (!web)
		return;
	list_for_each(node, &web->streams) {
		struct stream *s = list_entry(node, struct stream, node);

		if (s->is_asleep)
			http.MHD_resume_connection(s->connection);	/* nobody may sleep when it stops */
		s->is_asleep = false;
	}
	if (web->http)
		http.MHD_stop_daemon(web->http);
	if (web->listener >= 0)
		close(web->listener);
	if (web->timer >= 0)
		close(web->timer);
	free(web);
}

#else

int web_begin(struct daemon *d, const char *address, struct web **out, struct refusal *why)
{
	return refuse(why, -ENOSYS, "--listen: this weir was built without libmicrohttpd");
}

void web_end(struct web *web) { }

#endif
