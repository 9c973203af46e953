/* cli/daemon.c - `weir daemon`: an instance that stays, with the control interfaces of a kernel. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "cli/conntrack_cmd.h"
#include "cli/nfct_cmd.h"
#include "cli/run.h"
#include "daemon/server.h"
#include "port/port.h"
#include "route/route.h"
#include "wire/wire.h"

static const char help[] =
"usage: weir daemon [SNAPSHOT] [options]\n"
"\n"
"Keeps an instance and serves it to unmodified tools: weir exec -- iptables -S\n"
"SNAPSHOT is a directory: net.ip (ip -batch lines), sysctl.conf, rules.v4, rules.v6; all optional.\n"
"\n"
"      --socket PATH       where to listen (else $WEIR_SOCKET, $XDG_RUNTIME_DIR/weir/default.sock, /run/weir/default.sock)\n"
"      --instance NAME     the same, as NAME.sock there\n"
"      --port IFACE=PORT   where the interface's frames come from and go to; repeatable. PORT is one of\n"
"                          tap:NAME, packet:INTERFACE, ring:INTERFACE, xdp:INTERFACE[,QUEUE],\n"
"                          unix:PATH (QEMU -netdev stream, passt)\n"
"      --local PORT        where packets for the host itself go and its own come from: tun:NAME\n"
"      --conntrack auto|on track connections from the moment that a rule needs it (auto), or always\n"
"      --seed N            of every random choice (else the system's randomness)\n"
"  -d, --detach            go to the background once tools can connect\n"
"  -v, --verbose           say what tools ask for and weir does not serve, and which packets no rule dropped\n";

enum { LONG_SOCKET = 256, LONG_INSTANCE, LONG_CONNTRACK, LONG_SEED, LONG_PORT, LONG_LOCAL };
enum { PORTS_MAX = 64 };

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, LONG_SOCKET },
	{ "instance", required_argument, NULL, LONG_INSTANCE },
	{ "conntrack", required_argument, NULL, LONG_CONNTRACK },
	{ "seed", required_argument, NULL, LONG_SEED },
	{ "port", required_argument, NULL, LONG_PORT },
	{ "local", required_argument, NULL, LONG_LOCAL },
	{ "detach", no_argument, NULL, 'd' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

struct daemon {
	const char *snapshot;
	struct sockaddr_un where;
	uint64_t seed;
	bool conntrack_on, detach, verbose;
	struct instance *inst;
	struct server *server;
	int signals;
	struct { const char *iface, *spec; struct port *port; } ports[PORTS_MAX];	/* iface NULL: the host's side */
	unsigned int port_count;
	bool in_burst;			/* frames of a port are on their way through: what they send waits */
	struct port *local;
};

static int usage_error(const char *text, const char *word)
{
	fprintf(stderr, "weir daemon: %s%s\n      weir daemon --help lists the options\n", text, word);
	return EXIT_USAGE;
}

static int add_port(struct daemon *d, char *arg, bool is_local)
{
	char *equal = strchr(arg, '=');

	if (d->port_count == PORTS_MAX)
		return usage_error("too many ports: ", arg);
	if (!is_local && (!equal || equal == arg))
		return usage_error("--port wants IFACE=PORT, not ", arg);
	if (!is_local)
		*equal = '\0';
	d->ports[d->port_count].iface = is_local ? NULL : arg;
	d->ports[d->port_count++].spec = is_local ? arg : equal + 1;
	return -1;
}

/* -1: go on; else the exit code. */
static int options_parse(int argc, char **argv, struct daemon *d)
{
	const char *name = NULL;
	char *end;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "dvh", long_options, NULL)) != -1) {
		switch (c) {
		case LONG_SOCKET:
			if (strlen(optarg) >= sizeof(d->where.sun_path))
				return usage_error("--socket: the path is too long: ", optarg);
			d->where.sun_family = AF_UNIX;
			strcpy(d->where.sun_path, optarg);
			break;
		case LONG_INSTANCE:
			name = optarg;
			break;
		case LONG_CONNTRACK:
			if (strcmp(optarg, "auto") && strcmp(optarg, "on"))
				return usage_error("--conntrack is auto or on, not ", optarg);
			d->conntrack_on = !strcmp(optarg, "on");
			break;
		case LONG_SEED:
			d->seed = strtoull(optarg, &end, 0);
			if (*end || end == optarg)
				return usage_error("--seed wants a number, not ", optarg);
			break;
		case LONG_PORT:
		case LONG_LOCAL:
			if (add_port(d, optarg, c == LONG_LOCAL) >= 0)
				return EXIT_USAGE;
			break;
		case 'd':
			d->detach = true;
			break;
		case 'v':
			d->verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_DONE;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind > 1)
		return usage_error("one snapshot is enough: ", argv[optind + 1]);
	d->snapshot = argv[optind];
	if (!d->where.sun_family && wire_path(name, &d->where))
		return usage_error("the path of the socket is too long: ", name ? name : "");
	return -1;
}

static int64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* --- ports --- */

/* What a burst sends waits for its end; what timers and commands send does not. */
static void send_on(struct daemon *d, struct port *port, const void *frame, uint32_t len)
{
	port_send(port, frame, len);
	if (!d->in_burst)
		port_flush(port);
}

static void on_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	struct port *port = out->driver_priv;

	if (port)
		send_on(priv, port, frame, len);
}

static void on_deliver(void *priv, const struct pkt *pkt)
{
	struct daemon *d = priv;

	if (d->local)
		send_on(d, d->local, pkt->data, pkt->len);
}

static void on_drop(void *priv, const struct pkt *pkt)
{
	const struct daemon *d = priv;

	if (d->verbose && !pkt->rule)
		fprintf(stderr, "weir daemon: dropped: %s\n", drop_reason_sentence(pkt->drop_reason));
}

static void on_port(void *priv, uint32_t events)
{
	struct port *port = priv;
	struct daemon *d = port->owner;
	int err;

	d->in_burst = true;
	err = port_receive(port);
	d->in_burst = false;
	for (unsigned int i = 0; i < d->port_count; i++)
		port_flush(d->ports[i].port);
	if (!err)
		return;
	fprintf(stderr, "weir daemon: %s of %s is gone: %s\n", port->driver->name, port->iface ? port->iface->name : "the host",
		strerror(-err));
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

static int ports_open(struct daemon *d, struct refusal *why)
{
	for (unsigned int i = 0; i < d->port_count; i++) {
		d->ports[i].port = port_open(d->ports[i].spec, why);
		if (!d->ports[i].port)
			return why->err;
		if (d->ports[i].iface)
			continue;
		if (!d->ports[i].port->driver->is_ip)
			return refuse(why, -EINVAL, "--local takes packets, not frames: tun:NAME");
		d->local = d->ports[i].port;
	}
	return 0;
}

/* An interface that no net.ip names is there with its port, up and without an address. */
static int ports_attach(struct daemon *d, struct refusal *why)
{
	for (unsigned int i = 0; i < d->port_count; i++) {
		struct port *port = d->ports[i].port;
		const char *name = d->ports[i].iface;
		struct iface *iface = name ? iface_find(d->inst, name) : NULL;
		int err = 0;

		if (name && !iface) {
			err = iface_add(d->inst, name, port->driver->is_ip ? ARPHRD_NONE : ARPHRD_ETHER, &iface, why);
			if (!err)
				err = route_iface_set_up(d->inst, iface, true, why);
		}
		if (err)
			return err;
		port_attach(port, d->inst, iface);
		port->owner = d;
		err = server_watch(d->server, port->fd, EPOLLIN, on_port, port);
		if (err)
			return refuse(why, err, "%s cannot be watched: %s", d->ports[i].spec, strerror(-err));
	}
	return 0;
}

static int load(struct daemon *d, struct refusal *why)
{
	struct run_options none = { .snapshot = d->snapshot };
	struct inputs inputs = { .options = &none };
	struct snapshot_paths paths = { 0 };
	int err = 0;

	d->inst = instance_new(d->seed, clock_now_ns(), why);
	if (!d->inst)
		return why->err ? why->err : refuse(why, -ENOMEM, "no memory for an instance");
	d->inst->observer = (struct observer){ .priv = d, .transmit = on_transmit, .deliver = on_deliver, .drop = on_drop,
					       .iface_new = on_iface_new };
	err = ports_open(d, why);
	/* live, neighbours are asked from a link-local address: interfaces make theirs, as Linux's do */
	if (!err)
		err = sysctl_set(d->inst->sysctls, "net.ipv6.conf.default.addr_gen_mode", "0", why);
	/* and a million connections that end together hold nobody up */
	if (!err)
		err = sysctl_set(d->inst->sysctls, "net.netfilter.nf_conntrack_weir_expire_batch", "500", why);
	if (!err && d->snapshot)
		err = snapshot_find(d->snapshot, &paths, why);
	if (!err)
		err = snapshot_load(d->inst, &paths, &inputs, d->conntrack_on, why);
	snapshot_paths_free(&paths);
	return err;
}

static int command(void *priv, int argc, char **argv, bool may_change, struct strbuf *out, struct strbuf *errors)
{
	struct daemon *d = priv;
	struct refusal why = { 0 };
	int code;

	if (!may_change) {
		sb_adds(errors, "weir daemon: only its owner and root may give commands\n");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "conntrack"))
		return conntrack_command(d->inst, argc, argv, out, errors);
	if (!strcmp(argv[0], "nfct"))
		return nfct_command(d->inst, argc, argv, out, errors);
	if (strcmp(argv[0], "iptables") && strcmp(argv[0], "ip6tables")) {
		sb_printf(errors, "weir daemon: unknown command \"%s\"\n", argv[0]);
		return EXIT_USAGE;
	}
	code = rules_command(d->inst, argc, argv, out, &why);
	if (why.text[0])
		sb_printf(errors, "%s\n", why.text);
	return code;
}

static void unserved(void *priv, const char *line)
{
	struct daemon *d = priv;

	if (d->verbose)
		fprintf(stderr, "weir daemon: %s\n", line);
}

static void on_signal(void *priv, uint32_t events)
{
	struct daemon *d = priv;
	struct signalfd_siginfo info;

	if (read(d->signals, &info, sizeof(info)) == sizeof(info))
		server_stop(d->server);
}

/* The directory of the socket, for the owner alone. */
static void make_room(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0755);
	}
}

/* The parent waits until the child serves, and ends with what it has to say. */
static int go_to_background(int *ready)
{
	int pair[2];
	char code;
	pid_t child;

	if (pipe2(pair, O_CLOEXEC))
		return EXIT_INTERNAL;
	fflush(NULL);
	child = fork();
	if (child < 0)
		return EXIT_INTERNAL;
	if (child > 0) {
		close(pair[1]);
		return read(pair[0], &code, 1) == 1 ? code : EXIT_INTERNAL;
	}
	close(pair[0]);
	setsid();
	*ready = pair[1];
	return -1;
}

static void tell_parent(int ready, char code)
{
	int null;

	if (ready < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0 && !code) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	if (write(ready, &code, 1) != 1)
		return;
	close(ready);
}

static int serve(struct daemon *d, int ready)
{
	const struct server_callbacks callbacks = { .priv = d, .command = command, .unserved = unserved };
	struct refusal why = { 0 };
	sigset_t stop;
	int err = load(d, &why);

	if (!err) {
		make_room(d->where.sun_path);
		d->server = server_new(d->inst, d->where.sun_path, &callbacks, &why);
		err = d->server ? ports_attach(d, &why) : why.err;
	}
	if (err) {
		report_refusal("weir daemon", &why);
		tell_parent(ready, EXIT_INPUT);
		return EXIT_INPUT;
	}
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	d->signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	server_watch(d->server, d->signals, EPOLLIN, on_signal, d);
	if (!d->detach)
		fprintf(stderr, "weir daemon: serving at %s\n", d->where.sun_path);
	tell_parent(ready, EXIT_DONE);
	err = server_run(d->server);
	return err ? EXIT_INTERNAL : EXIT_DONE;
}

int cmd_daemon(int argc, char **argv)
{
	struct daemon d = { .signals = -1 };
	int ready = -1, code;

	if (getrandom(&d.seed, sizeof(d.seed), 0) != sizeof(d.seed))
		d.seed = (uint64_t)clock_now_ns();
	code = options_parse(argc, argv, &d);
	if (code >= 0)
		return code;
	if (d.detach) {
		code = go_to_background(&ready);
		if (code >= 0)
			return code;
	}
	code = serve(&d, ready);
	for (unsigned int i = 0; i < d.port_count; i++)
		port_close(d.ports[i].port);
	server_free(d.server);
	if (d.signals >= 0)
		close(d.signals);
	if (d.inst)
		instance_free(d.inst);
	return code;
}
