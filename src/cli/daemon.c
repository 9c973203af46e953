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
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sysctl.h"
#include "cli/conntrack_cmd.h"
#include "cli/conntrack_follow.h"
#include "cli/daemon.h"
#include "cli/daemon_state.h"
#include "cli/daemon_web.h"
#include "cli/nfacct_cmd.h"
#include "cli/nfct_cmd.h"
#include "cli/nfnl_osf_cmd.h"
#include "cli/run.h"
#include "daemon/confine.h"
#include "daemon/server.h"
#include "path/worker.h"
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
"                          unix:PATH (QEMU -netdev stream, passt), dgram:OWN,PEER (QEMU -netdev dgram),\n"
"                          pcap:IN[,OUT] (a capture, as fast as it was recorded)\n"
"      --local PORT        where packets for the host itself go and its own come from: tun:NAME\n"
"      --follow            links, addresses, routes, rules and permanent neighbours are this network namespace's, and keep up\n"
"      --conntrack auto|on track connections from the moment that a rule needs it (auto), or always\n"
"      --seed N            of every random choice (else the system's randomness)\n"
"      --state FILE        begin with what is in FILE, when it is there; keep connections and counters there on stop\n"
"      --save-every SEC    and every so many seconds before that\n"
"      --takeover          go on in the place of the daemon that serves there, with its connections, rules and ports\n"
"      --listen [ADDR:]PORT  a live page at /, Prometheus metrics at /metrics, /health; ADDR is 127.0.0.1 unless said\n"
"      --user NAME[:GROUP] become that user once the ports are open\n"
"      --no-confine        keep privileges and do without the list of system calls (for debuggers)\n"
"      --workers N         threads that move packets (1); ports are dealt out to them\n"
"  -d, --detach            go to the background once tools can connect\n"
"  -v, --verbose           say what tools ask for and weir does not serve, and which packets no rule dropped\n";

enum { LONG_SOCKET = 256, LONG_INSTANCE, LONG_CONNTRACK, LONG_SEED, LONG_PORT, LONG_LOCAL, LONG_STATE, LONG_SAVE_EVERY,
       LONG_TAKEOVER, LONG_USER, LONG_NO_CONFINE,
       LONG_FOLLOW, LONG_WORKERS, LONG_LISTEN };

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, LONG_SOCKET },
	{ "instance", required_argument, NULL, LONG_INSTANCE },
	{ "conntrack", required_argument, NULL, LONG_CONNTRACK },
	{ "seed", required_argument, NULL, LONG_SEED },
	{ "port", required_argument, NULL, LONG_PORT },
	{ "local", required_argument, NULL, LONG_LOCAL },
	{ "state", required_argument, NULL, LONG_STATE },
	{ "save-every", required_argument, NULL, LONG_SAVE_EVERY },
	{ "takeover", no_argument, NULL, LONG_TAKEOVER },
	{ "follow", no_argument, NULL, LONG_FOLLOW },
	{ "listen", required_argument, NULL, LONG_LISTEN },
	{ "user", required_argument, NULL, LONG_USER },
	{ "no-confine", no_argument, NULL, LONG_NO_CONFINE },
	{ "workers", required_argument, NULL, LONG_WORKERS },
	{ "detach", no_argument, NULL, 'd' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

/* A sanitizer's own calls are on nobody's list. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = true };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { IS_SANITIZED = true };
#else
enum { IS_SANITIZED = false };
#endif
#else
enum { IS_SANITIZED = false };
#endif

enum { HOST_FILE_MAX = 16 << 20 };

static int usage_error(const char *text, const char *word)
{
	fprintf(stderr, "weir daemon: %s%s\n      weir daemon --help lists the options\n", text, word);
	return EXIT_USAGE;
}

static int add_port(struct daemon *d, char *arg, bool is_local)
{
	char *equal = strchr(arg, '=');

	if (d->port_count == DAEMON_PORTS_ASKED_MAX)
		return usage_error("too many ports: ", arg);
	if (!is_local && (!equal || equal == arg))
		return usage_error("--port wants IFACE=PORT, not ", arg);
	if (!is_local)
		*equal = '\0';
	for (unsigned int i = 0; i < d->port_count; i++)
		if (is_local ? !d->ports[i].iface : d->ports[i].iface && !strcmp(d->ports[i].iface, arg))
			return usage_error(is_local ? "one --local is enough: " : "an interface has one port: ", arg);
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
		case LONG_STATE:
			d->state_path = optarg;
			break;
		case LONG_SAVE_EVERY:
			d->save_every_sec = (uint32_t)strtoul(optarg, &end, 10);
			if (*end || end == optarg || d->save_every_sec > 86400)
				return usage_error("--save-every wants seconds, not ", optarg);
			break;
		case LONG_FOLLOW:
			d->follow_host = true;
			break;
		case LONG_LISTEN:
			d->listen = optarg;
			break;
		case LONG_USER:
			d->user = optarg;
			break;
		case LONG_NO_CONFINE:
			d->no_confine = true;
			break;
		case LONG_WORKERS:
			d->workers = (uint32_t)strtoul(optarg, &end, 10);
			if (*end || end == optarg || !d->workers || d->workers > DAEMON_WORKERS_MAX)
				return usage_error("--workers wants a number from 1 to 64, not ", optarg);
			break;
		case LONG_TAKEOVER:
			d->takeover = true;
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
	d->snapshot_path = d->snapshot ? realpath(d->snapshot, NULL) : NULL;	/* for `weir reload`, from anywhere */
	if (d->save_every_sec && !d->state_path)
		return usage_error("--save-every needs --state FILE", "");
	if (!d->where.sun_family && wire_path(name, &d->where))
		return usage_error("the path of the socket is too long: ", name ? name : "");
	return -1;
}

/* What was before: of the daemon that is taken over, or in the file. *found: there was something. */
static int remember(struct daemon *d, struct kept *kept, bool *found, struct refusal *why)
{
	int err = 0;

	*found = d->takeover;
	if (d->takeover)
		return daemon_takeover_ask(d, kept, why);
	if (d->state_path) {
		err = kept_read(kept, d->state_path, why);
		*found = !err;
	}
	return err == -ENOENT ? 0 : err;
}

static int instance_fill(struct daemon *d, const struct kept *kept, struct refusal *why)
{
	struct run_options none = { .snapshot = d->snapshot };
	struct inputs inputs = { .options = &none };
	const struct snapshot_texts *texts = kept && !d->snapshot ? &kept->texts : NULL;
	int err = 0;

	/* live, neighbours are asked from a link-local address: interfaces make theirs, as Linux's do */
	err = sysctl_set(d->inst->sysctls, "net.ipv6.conf.default.addr_gen_mode", "0", why);
	/* and a million connections that end together hold nobody up */
	if (!err)
		err = sysctl_set(d->inst->sysctls, "net.netfilter.nf_conntrack_weir_expire_batch", "500", why);
	if (!err && d->snapshot)
		err = snapshot_find(d->snapshot, &d->paths, why);
	if (!err && kept)
		err = kept_give_early(d->inst, kept, why);
	if (!err)
		err = snapshot_load_host(d->inst, &d->paths, texts, &inputs, d->conntrack_on, why);
	if (!err)
		err = snapshot_load_rules(d->inst, &d->paths, texts, why);
	if (!err && kept && !texts)
		err = kept_give_counters(d->inst, kept, why);
	if (!err && d->paths.host)
		err = file_read(d->paths.host, HOST_FILE_MAX, &d->host, why);
	if (!err && texts)
		sb_add(&d->host, sb_str(&texts->part[PART_HOST]), texts->part[PART_HOST].len);
	return err;
}

/* The far end of one of our own devices is the host's, not ours. */
static bool is_far_end(void *priv, const char *link)
{
	const struct daemon *d = priv;

	for (unsigned int i = 0; i < d->port_count; i++)
		if ((!strncmp(d->ports[i].spec, "tap:", 4) || !strncmp(d->ports[i].spec, "tun:", 4)) && !strcmp(d->ports[i].spec + 4, link))
			return true;
	return false;
}

static int follow_begin(struct daemon *d, struct refusal *why)
{
	d->follow = follow_open(d->inst, is_far_end, d, d->verbose, why);
	return d->follow ? 0 : why->err;
}

static void on_host_change(void *priv, uint32_t events)
{
	struct daemon *d = priv;
	int err = follow_changes(d->follow);

	if (!err)
		return;
	fprintf(stderr, "weir daemon: --follow: the kernel tells no more: %s\n", strerror(-err));
	server_unwatch(d->server, follow_fd(d->follow));
}

static int load(struct daemon *d, struct refusal *why)
{
	struct ct_state_report report = { 0 };
	struct kept kept = { .orderly = false };
	bool found;
	int err;

	d->inst = instance_new(d->seed, clock_ns(CLOCK_REALTIME), why);
	if (!d->inst)
		return why->err ? why->err : refuse(why, -ENOMEM, "no memory for an instance");
	daemon_observe(d);
	err = remember(d, &kept, &found, why);
	d->conntrack_on |= !d->snapshot && kept.conntrack_on;
	if (!err)
		err = daemon_ports_open(d, why);
	if (!err)
		err = instance_fill(d, found ? &kept : NULL, why);
	if (!err && d->follow_host)
		err = follow_begin(d, why);
	if (!err)
		err = daemon_ports_ifaces(d, why);
	if (!err && found) {
		instance_advance(d->inst, clock_ns(CLOCK_REALTIME));
		err = kept_give(d->inst, &kept, &report, why);
	}
	if (!err && found && !d->detach)
		fprintf(stderr, "weir daemon: %u connections and %u expectations go on; %u ended meanwhile\n", report.connections,
			report.expectations, report.expired);
	kept_free(&kept);
	return err;
}

static int save(struct daemon *d, bool orderly, struct refusal *why)
{
	struct strbuf state = STRBUF_INIT;
	int err;

	kept_take(d->inst, &d->host, orderly, d->conntrack_on, &state);
	err = state_write(d->state_path, &state, why);
	sb_free(&state);
	return err;
}

static void on_save(void *priv, uint32_t events)
{
	struct daemon *d = priv;
	struct refusal why = { 0 };
	uint64_t times;

	/* rules that wait for their confirmation are nobody's yet */
	if (read(d->saver, &times, sizeof(times)) == sizeof(times) && !d->pending && save(d, false, &why))
		report_refusal("weir daemon", &why);
}

/* The file is right from the first moment on, and where it cannot be written that is known at once. */
static int saver_begin(struct daemon *d, struct refusal *why)
{
	struct itimerspec every = { .it_value.tv_sec = d->save_every_sec, .it_interval.tv_sec = d->save_every_sec };
	int err;

	if (!d->state_path)
		return 0;
	err = save(d, false, why);
	if (err || !d->save_every_sec)
		return err;
	d->saver = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = d->saver < 0 || timerfd_settime(d->saver, 0, &every, NULL) ? -errno :
	      server_watch(d->server, d->saver, EPOLLIN, on_save, d);
	return err ? refuse(why, err, "no timer for --save-every: %s", strerror(-err)) : 0;
}

static int command(void *priv, int argc, char **argv, bool may_change, struct strbuf *out, struct strbuf *errors)
{
	struct daemon *d = priv;
	struct refusal why = { 0 };
	bool paused;
	int code;

	if (!may_change) {
		sb_adds(errors, "weir daemon: only its owner and root may give commands\n");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "conntrack"))
		return conntrack_command(d->inst, argc, argv, out, errors);
	if (!strcmp(argv[0], "nfct"))
		return nfct_command(d->inst, argc, argv, out, errors);
	if (!strcmp(argv[0], "nfacct"))
		return nfacct_words(d->inst, argc, argv, out, errors);
	if (!strcmp(argv[0], "nfnl_osf"))
		return nfnl_osf_text(d->inst, argc, argv, errors);
	if (!strcmp(argv[0], "apply"))
		return daemon_apply(d, argc, argv, out, errors);
	if (!strcmp(argv[0], "confirm"))
		return daemon_confirm(d, out, errors);
	if (!strcmp(argv[0], "watch")) {
		watch_lines(&d->watch, d->inst, out);
		return EXIT_DONE;
	}
	if (!strcmp(argv[0], "snapshot")) {
		kept_take(d->inst, &d->host, false, d->conntrack_on, out);
		return out->failed ? EXIT_INTERNAL : EXIT_DONE;
	}
	if (!strcmp(argv[0], "snapshot-path")) {
		if (d->snapshot_path)
			sb_adds(out, d->snapshot_path);
		return EXIT_DONE;
	}
	if (strcmp(argv[0], "iptables") && strcmp(argv[0], "ip6tables")) {
		sb_printf(errors, "weir daemon: unknown command \"%s\"\n", argv[0]);
		return EXIT_USAGE;
	}
	paused = worker_alone_pause(d->inst);
	code = rules_command(d->inst, argc, argv, out, &why);
	worker_alone_resume(d->inst, paused);
	if (why.text[0])
		sb_printf(errors, "%s\n", why.text);
	return code;
}

static void *follow(void *priv, struct conn *to, int argc, char **argv, struct strbuf *out, struct strbuf *errors, size_t *room,
		    int *code)
{
	struct daemon *d = priv;
	struct follower *follower;

	if (!conntrack_is_following(argc, argv)) {
		sb_printf(errors, "weir daemon: \"%s\" does not go on\n", argv[0]);
		*code = EXIT_USAGE;
		return NULL;
	}
	follower = follower_new(d->inst, &d->followers, to, argc, argv, out, errors, code);
	if (follower)
		*room = follower_room(follower);
	return follower;
}

static void unfollow(void *priv, void *following, struct strbuf *out, struct strbuf *errors)
{
	follower_end(following, out, errors);
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

static struct server *server_begin(struct daemon *d, struct refusal *why)
{
	const struct server_callbacks callbacks = { .priv = d, .command = command, .unserved = unserved, .follow = follow, .unfollow = unfollow,
						    .takeover = daemon_takeover_give, .burst = daemon_burst };
	int listener = d->former_listener;

	d->former_listener = -1;
	if (listener >= 0)
		return server_new_at(d->inst, listener, d->where.sun_path, &callbacks, why);
	make_room(d->where.sun_path);
	return server_new(d->inst, d->where.sun_path, &callbacks, why);
}

static int signals_begin(struct daemon *d, struct refusal *why)
{
	sigset_t stop;
	int err;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	d->signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	err = d->signals < 0 ? -errno : server_watch(d->server, d->signals, EPOLLIN, on_signal, d);
	return err ? refuse(why, err, "no signals: %s", strerror(-err)) : 0;
}

/* The socket is that user's from then on; root may still use it. */
static int become_user(struct daemon *d, struct refusal *why)
{
	uid_t uid;
	gid_t gid;
	int err = confine_user(d->user, &uid, &gid, why);

	if (err)
		return err;
	if (d->state_path && !access(d->state_path, F_OK) && chown(d->state_path, uid, gid))
		return refuse(why, -errno, "%s cannot be given to %s: %s", d->state_path, d->user, strerror(errno));
	if (chown(d->where.sun_path, uid, gid) && geteuid() == 0)
		return refuse(why, -errno, "%s cannot be given to %s: %s", d->where.sun_path, d->user, strerror(errno));
	return confine_drop(uid, gid, why);
}

static int begin(struct daemon *d, struct refusal *why)
{
	int err = load(d, why);

	if (err)
		return err;
	d->server = server_begin(d, why);
	err = d->server ? daemon_ports_attach(d, why) : why->err;
	if (!err && d->follow)
		err = server_watch(d->server, follow_fd(d->follow), EPOLLIN, on_host_change, d);
	if (!err && d->listen)
		err = web_begin(d, d->listen, &d->web, why);
	if (!err)
		err = signals_begin(d, why);
	if (!err && d->user)
		err = become_user(d, why);
	if (!err && d->takeover)
		err = daemon_takeover_done(d, why);
	if (!err)
		err = saver_begin(d, why);
	/* an XDP program is taken off its interface at the end, and that takes privileges */
	for (unsigned int i = 0; i < d->port_count; i++)
		d->no_confine |= !strncmp(d->ports[i].spec, "xdp:", 4);
	if (!err && !d->no_confine)
		err = confine_capabilities(why);	/* before workers: each thread has its own */
	if (!err)
		err = daemon_workers_start(d, why);
	if (!err && !d->no_confine && !IS_SANITIZED)
		err = confine_calls(why);
	return err;
}

static int serve(struct daemon *d, int ready)
{
	struct refusal why = { 0 };
	int err = begin(d, &why);

	if (err) {
		daemon_workers_stop(d);
		report_refusal("weir daemon", &why);
		tell_parent(ready, EXIT_INPUT);
		return EXIT_INPUT;
	}
	if (!d->detach)
		fprintf(stderr, "weir daemon: serving at %s\n", d->where.sun_path);
	tell_parent(ready, EXIT_DONE);
	err = server_run(d->server);
	daemon_workers_stop(d);
	daemon_roll_back(d);
	if (!err && d->state_path && !d->taken_over && save(d, true, &why)) {
		report_refusal("weir daemon", &why);
		return EXIT_INTERNAL;
	}
	return err ? EXIT_INTERNAL : EXIT_DONE;
}

int cmd_daemon(int argc, char **argv)
{
	struct daemon d = { .signals = -1, .saver = -1, .former = -1, .former_listener = -1 };
	int ready = -1, code;

	if (getrandom(&d.seed, sizeof(d.seed), 0) != sizeof(d.seed))
		d.seed = (uint64_t)clock_ns(CLOCK_REALTIME);
	code = options_parse(argc, argv, &d);
	if (code >= 0)
		return code;
	if (d.detach) {
		code = go_to_background(&ready);
		if (code >= 0)
			return code;
	}
	code = serve(&d, ready);
	if (d.former >= 0) {		/* the daemon before goes on */
		for (unsigned int i = 0; i < d.port_count; i++)
			if (d.ports[i].port)
				d.ports[i].port->is_given = true;
		if (d.server)
			server_keep_path(d.server);
	}
	for (unsigned int i = 0; i < d.port_count; i++)
		port_close(d.ports[i].port);
	web_end(d.web);
	server_free(d.server);
	follow_close(d.follow);
	for (int *fd = (int[]){ d.signals, d.saver, d.former, d.former_listener, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	if (d.inst)
		instance_free(d.inst);
	sb_free(&d.host);
	watch_end(&d.watch);
	free(d.snapshot_path);
	snapshot_paths_free(&d.paths);
	return code;
}
