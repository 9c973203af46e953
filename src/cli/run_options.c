/* cli/run_options.c - the command line of `weir run`. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/run.h"
#include "flowcache/flowcache.h"

enum { LONG_LOCAL = 256, LONG_SCRIPT, LONG_UNTIL, LONG_CONNTRACK, LONG_SEED, LONG_MAP, LONG_OUT, LONG_FORMAT,
       LONG_NO_CACHE, LONG_CACHE, LONG_WORKERS, LONG_HOST, LONG_STRICT, LONG_RULES };

static const struct option long_options[] = {
	{ "in", required_argument, NULL, 'i' },
	{ "local", required_argument, NULL, LONG_LOCAL },
	{ "script", required_argument, NULL, LONG_SCRIPT },
	{ "until", required_argument, NULL, LONG_UNTIL },
	{ "conntrack", required_argument, NULL, LONG_CONNTRACK },
	{ "seed", required_argument, NULL, LONG_SEED },
	{ "filter", required_argument, NULL, 'f' },
	{ "map", required_argument, NULL, LONG_MAP },
	{ "out", required_argument, NULL, LONG_OUT },
	{ "format", required_argument, NULL, LONG_FORMAT },
	{ "no-flow-cache", no_argument, NULL, LONG_NO_CACHE },
	{ "flow-cache", required_argument, NULL, LONG_CACHE },
	{ "rules", required_argument, NULL, LONG_RULES },
	{ "workers", required_argument, NULL, LONG_WORKERS },
	{ "host", required_argument, NULL, LONG_HOST },
	{ "strict-checksums", no_argument, NULL, LONG_STRICT },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static const char help[] =
"usage: weir run SNAPSHOT [-i IFACE=FILE]... [CAPTURE]... [options]\n"
"\n"
"Sends captured packets through a firewall as Linux would, and says what became of them.\n"
"SNAPSHOT is a directory: net.ip (ip -batch lines), sysctl.conf, rules.v4, rules.v6; all optional.\n"
"\n"
"Inputs\n"
"  -i, --in IFACE=FILE     packets that IFACE receives: pcap or pcapng, - is standard input; repeatable\n"
"  CAPTURE                 a pcapng that names its interfaces itself (see --map)\n"
"      --map NAME=IFACE    the interface NAME of captures is IFACE of the snapshot; more with commas\n"
"      --local FILE        packets that the host itself sends (raw IP)\n"
"      --script FILE       lines \"TIME COMMAND\": iptables, iptables-restore, conntrack, ip, sysctl, snapshot ...\n"
"  -f, --filter EXPR       only packets of the captures that this pcap-filter(7) expression matches\n"
"\n"
"The run\n"
"      --until TIME        let the clock run on to TIME (seconds since the epoch, up to nine decimals)\n"
"      --conntrack auto|on track connections from the moment that a rule needs it (auto), or always\n"
"      --seed N            of every random choice; the same seed gives the same bytes\n"
"      --host echo|silent  the host answers pings, for demonstrations; or says nothing at all, where its IP\n"
	"                          layer would send errors about IPv6 extension headers and fragments\n"
"      --strict-checksums  take checksums that the sender left to its network card as wrong\n"
"      --flow-cache MODE   on: remembered ways of known connections (the default); off: the full way for each packet;\n"
"                          check: the full way, compared with the remembered one; ends at the first difference\n"
"      --no-flow-cache     the same as --flow-cache=off\n"
"      --rules compiled|walk|check\n"
"                          long chains by a classifier; one rule after the other; or both, and stop where they differ\n"
"      --workers N         packets go by N workers in turn, as in the daemon; the same bytes\n"
"\n"
"Results\n"
"      --out DIR           captures of what left, was delivered and dropped, rules with counters, connections,\n"
"                          events, log lines, summary.json\n"
"      --format text|json  of the summary on standard output\n"
"  -q, --quiet             no summary, no progress\n"
"\n"
"Exit: 0 done, 2 wrong usage, 3 input refused, 5 internal error. More: man weir-run\n";

static int wrong(const char *fmt, ...) PRINTF_LIKE(1, 2);

static int wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("weir run: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\n         weir run --help lists the options\n", stderr);
	return EXIT_USAGE;
}

static void *push(void *array, unsigned int *count, size_t size)
{
	void *grown = realloc(array, (*count + 1) * size);

	if (!grown)
		abort();	/* a few words of the command line */
	(*count)++;
	return grown;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && !errno && *out >= min && *out <= max;
}

/* "A=B" into its halves; the text is argv's and is cut in place. */
static bool pair(char *text, char **left, char **right)
{
	char *equal = strchr(text, '=');

	if (!equal || equal == text || !equal[1])
		return false;
	*equal = '\0';
	*left = text;
	*right = equal + 1;
	return true;
}

static int add_port(struct run_options *o, char *text)
{
	char *iface, *path;

	if (!pair(text, &iface, &path))
		return wrong("-i takes IFACE=FILE, not \"%s\"", text);
	o->ports = push(o->ports, &o->port_count, sizeof(*o->ports));
	o->ports[o->port_count - 1] = (struct run_port){ iface, path };
	return 0;
}

static int add_maps(struct run_options *o, char *text)
{
	for (char *part = strtok(text, ","); part; part = strtok(NULL, ",")) {
		char *name, *iface;

		if (!pair(part, &name, &iface))
			return wrong("--map takes NAME=IFACE[,NAME=IFACE...], not \"%s\"", part);
		o->maps = push(o->maps, &o->map_count, sizeof(*o->maps));
		o->maps[o->map_count - 1] = (struct run_port){ .iface = iface, .path = name };
	}
	return 0;
}

static int unknown_option(char **argv)
{
	const char *names[ARRAY_SIZE(long_options)];
	const char *word = argv[optind - 1], *meant;
	char bare[64];
	size_t i;

	if (strncmp(word, "--", 2) != 0)
		return wrong("unknown option -%c", optopt);
	for (i = 0; long_options[i].name; i++)
		names[i] = long_options[i].name;
	names[i] = NULL;
	snprintf(bare, sizeof(bare), "%.*s", (int)MIN_OF(strcspn(word + 2, "="), sizeof(bare) - 1), word + 2);
	meant = did_you_mean(bare, names);
	return meant ? wrong("unknown option --%s, did you mean --%s?", bare, meant) : wrong("unknown option --%s", bare);
}

static bool rules_mode(const char *word, enum rules_mode *out)
{
	static const char *const words[] = { [RULES_COMPILED] = "compiled", [RULES_WALK] = "walk", [RULES_CHECK] = "check" };

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]) == 0) {
			*out = (enum rules_mode)i;
			return true;
		}
	}
	return false;
}

static int one_option(struct run_options *o, int c, char **argv)
{
	uint64_t n;

	switch (c) {
	case 'i':
		return add_port(o, optarg);
	case 'f':
		o->filter = optarg;
		return 0;
	case 'q':
		o->is_quiet = true;
		return 0;
	case LONG_LOCAL:
		o->locals = push(o->locals, &o->local_count, sizeof(*o->locals));
		o->locals[o->local_count - 1] = optarg;
		return 0;
	case LONG_SCRIPT:
		o->scripts = push(o->scripts, &o->script_count, sizeof(*o->scripts));
		o->scripts[o->script_count - 1] = optarg;
		return 0;
	case LONG_UNTIL:
		o->has_until = true;
		return time_parse(optarg, &o->until_ns) ? 0 :
		       wrong("--until takes seconds since the epoch, as 1700000000.25, not \"%s\"", optarg);
	case LONG_CONNTRACK:
		o->conntrack_on = strcmp(optarg, "on") == 0;
		return o->conntrack_on || strcmp(optarg, "auto") == 0 ? 0 :
		       wrong("--conntrack is auto or on, not \"%s\"", optarg);
	case LONG_SEED:
		return number(optarg, 0, UINT64_MAX, &o->seed) ? 0 : wrong("--seed takes a number, not \"%s\"", optarg);
	case LONG_MAP:
		return add_maps(o, optarg);
	case LONG_OUT:
		o->out = optarg;
		return *optarg ? 0 : wrong("--out takes a directory");
	case LONG_FORMAT:
		o->is_json = strcmp(optarg, "json") == 0;
		return o->is_json || strcmp(optarg, "text") == 0 ? 0 :
		       wrong("--format is text or json, not \"%s\"", optarg);
	case LONG_NO_CACHE:
		o->flow_mode = FLOW_OFF;
		return 0;
	case LONG_CACHE:
		o->flow_mode = strcmp(optarg, "on") == 0 ? FLOW_ON : strcmp(optarg, "check") == 0 ? FLOW_CHECK : FLOW_OFF;
		return o->flow_mode != FLOW_OFF || strcmp(optarg, "off") == 0 ? 0 :
		       wrong("--flow-cache is on, off or check, not \"%s\"", optarg);
	case LONG_RULES:
		return rules_mode(optarg, &o->rules) ? 0 : wrong("--rules is compiled, walk or check, not \"%s\"", optarg);
	case LONG_WORKERS:
		if (!number(optarg, 1, 64, &n))
			return wrong("--workers takes a number from 1 to 64, not \"%s\"", optarg);
		o->workers = (uint32_t)n;
		return 0;
	case LONG_HOST:
		o->host_echo = strcmp(optarg, "echo") == 0;
		o->host_silent = strcmp(optarg, "silent") == 0;
		return o->host_echo || o->host_silent ? 0 : wrong("--host takes echo or silent, not \"%s\"", optarg);
	case LONG_STRICT:
		o->strict_checksums = true;
		return 0;
	case 'h':
		fputs(help, stdout);
		return -1;
	case ':':
		return wrong("%s needs a value", argv[optind - 1]);
	default:
		return unknown_option(argv);
	}
}

/* Standard input can be read once. */
static bool stdin_twice(const struct run_options *o)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < o->port_count; i++)
		n += strcmp(o->ports[i].path, "-") == 0;
	for (unsigned int i = 0; i < o->local_count; i++)
		n += strcmp(o->locals[i], "-") == 0;
	return n > 1;
}

int run_options_parse(int argc, char **argv, struct run_options *o)
{
	const char *rules = getenv("WEIR_RULES");
	int c, err;

	*o = (struct run_options){ .workers = 1, .seed = 1, .flow_mode = FLOW_ON };
	if (rules && !rules_mode(rules, &o->rules))
		return wrong("WEIR_RULES is compiled, walk or check, not \"%s\"", rules);
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":i:f:qh", long_options, NULL)) != -1) {
		err = one_option(o, c, argv);
		if (err)
			return err;
	}
	if (optind == argc)
		return wrong("a SNAPSHOT directory is missing: weir run SNAPSHOT -i eth0=in.pcap");
	o->snapshot = argv[optind++];
	for (; optind < argc; optind++) {
		o->ports = push(o->ports, &o->port_count, sizeof(*o->ports));
		o->ports[o->port_count - 1] = (struct run_port){ NULL, argv[optind] };
	}
	return stdin_twice(o) ? wrong("standard input (-) can be read by one input only") : 0;
}

void run_options_free(struct run_options *o)
{
	free(o->ports);
	free(o->maps);
	free(o->locals);
	free(o->scripts);
}
