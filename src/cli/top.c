/*
 * cli/top.c - `weir top`: what a daemon's packets do, now. Each second the daemon tells its counters; what is shown is the difference.
 * Plain ANSI, as wide as the terminal; --once for scripts.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/remote.h"

static const char help[] =
"usage: weir top [--instance NAME|--socket PATH] [--once] [--interval SEC]\n"
"\n"
"Links, the busiest rules and connections, and drops with their rule, of a running daemon; rates are of the last interval. q ends it.\n"
"Connections show bytes when net.netfilter.nf_conntrack_acct is 1. With --once the totals are printed, once.\n";

enum { ROWS_MAX = 512, TEXT_MAX = 400 };

struct row { char kind; uint64_t packets, bytes, was_packets, was_bytes; char text[TEXT_MAX]; bool is_new; };
struct sample { struct row rows[ROWS_MAX]; unsigned int count; uint64_t sum[5]; };

static volatile sig_atomic_t stopped;

static void on_stop(int signal) { stopped = 1; }

static bool read_row(const char *line, struct row *row)
{
	char kind[8];
	int used = 0;

	if (sscanf(line, "%7s %" SCNu64 " %" SCNu64 " %n", kind, &row->packets, &row->bytes, &used) != 3 || !used)
		return false;
	row->kind = *kind;
	snprintf(row->text, sizeof(row->text), "%s", line + used);
	return true;
}

static void sample_read(char *text, struct sample *out)
{
	out->count = 0;
	for (char *line = text, *eol; *line; line = eol) {
		eol = strchrnul(line, '\n');
		if (*eol)
			*eol++ = '\0';
		if (!strncmp(line, "sum ", 4))
			sscanf(line + 4, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &out->sum[0], &out->sum[1], &out->sum[2],
			       &out->sum[3], &out->sum[4]);
		else if (out->count < ROWS_MAX && read_row(line, &out->rows[out->count]))
			out->count++;
	}
}

static int ask(const char *instance, struct sample *out)
{
	struct strbuf words = STRBUF_INIT;
	struct wire_record reply;
	int err;

	sb_add(&words, "watch", 6);
	err = remote_call("top", instance, &words, &reply);
	sb_free(&words);
	if (!err)
		sample_read((char *)reply.data, out);
	wire_record_free(&reply);
	return err;
}

static const char *human(double n, char out[16])
{
	static const char units[] = " kMGTP";
	unsigned int i = 0;

	for (; n >= 9999.5 && units[i + 1]; i++)
		n /= 1000;
	snprintf(out, 16, i ? "%.0f%c" : "%.0f", n, units[i]);
	return out;
}

/* What it was the last time; without a last time everything is as old as the daemon. */
static void compare(struct sample *now, const struct sample *before)
{
	for (unsigned int i = 0; i < now->count; i++) {
		struct row *row = &now->rows[i];

		row->was_packets = row->packets;
		row->was_bytes = row->bytes;
		for (unsigned int k = 0; k < before->count; k++) {
			const struct row *old = &before->rows[k];

			if (old->kind != row->kind || strcmp(old->text, row->text))
				continue;
			row->was_packets = MIN_OF(old->packets, row->packets);	/* set to zero meanwhile */
			row->was_bytes = MIN_OF(old->bytes, row->bytes);
			break;
		}
	}
}

static int by_rate(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	uint64_t p = x->packets - x->was_packets, q = y->packets - y->was_packets;

	if (p != q)
		return p < q ? 1 : -1;
	return x->packets == y->packets ? 0 : x->packets < y->packets ? 1 : -1;
}

static void section(const struct sample *s, char kind, const char *title, unsigned int rows, int width, double seconds, bool colour,
		    struct strbuf *out)
{
	char a[16], b[16], c[16];
	unsigned int shown = 0;

	for (unsigned int i = 0; i < s->count && shown < rows; i++) {
		const struct row *row = &s->rows[i];
		double rate = seconds > 0 ? (double)(row->packets - row->was_packets) / seconds : 0;

		if (row->kind != kind)
			continue;
		if (!shown++)
			sb_printf(out, "%s%8s %8s %8s  %s%s\n", colour ? "\033[1m" : "", "pkt/s", "packets", kind == 'd' ? "" : "bytes", title,
				  colour ? "\033[0m" : "");
		sb_printf(out, "%8s %8s %8s  %.*s\n", seconds > 0 ? human(rate, a) : "-", human((double)row->packets, b),
			  kind == 'd' ? "" : human((double)row->bytes, c), MAX_OF(width - 29, 10), row->text);
	}
	if (shown)
		sb_addc(out, '\n');
}

static void show(const struct sample *s, int width, int height, double seconds, bool colour, struct strbuf *out)
{
	unsigned int rows = height > 0 ? (unsigned int)MAX_OF((height - 12) / 4, 2) : ROWS_MAX;
	char a[16], b[16], c[16], d[16], e[16];

	sb_printf(out, "forwarded %s   to the host %s   sent %s   dropped %s   connections %s\n\n", human((double)s->sum[0], a),
		  human((double)s->sum[1], b), human((double)s->sum[2], c), human((double)s->sum[3], d), human((double)s->sum[4], e));
	section(s, 'l', "link", height > 0 ? 8 : ROWS_MAX, width, seconds, colour, out);
	section(s, 'r', "rule", rows, width, seconds, colour, out);
	section(s, 'f', "connection", rows, width, seconds, colour, out);
	section(s, 'd', "dropped because of", rows, width, seconds, colour, out);
}

static double seconds_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

/* True: somebody typed q. */
static bool wait_for_key(double seconds)
{
	struct pollfd keys = { .fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -1, .events = POLLIN };
	char key = 0;

	if (poll(&keys, 1, (int)(seconds * 1000)) > 0 && read(STDIN_FILENO, &key, 1) != 1)
		return true;
	return key == 'q';
}

static int watch_on(const char *instance, double interval)
{
	struct sample *now = calloc(1, sizeof(*now)), *before = calloc(1, sizeof(*before)), *swap;
	struct strbuf text = STRBUF_INIT;
	struct timespec last = { 0 };
	double seconds = 0;
	int err = now && before ? 0 : -ENOMEM;

	signal(SIGINT, on_stop);
	signal(SIGTERM, on_stop);
	while (!err && !stopped) {
		struct winsize size = { .ws_row = 24, .ws_col = 80 };

		err = ask(instance, now);
		if (err)
			break;
		seconds = last.tv_sec ? seconds_since(&last) : 0;
		clock_gettime(CLOCK_MONOTONIC, &last);
		compare(now, before);
		if (seconds > 0)
			qsort(now->rows, now->count, sizeof(now->rows[0]), by_rate);
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
		sb_reset(&text);
		sb_adds(&text, "\033[H\033[2J");
		show(now, size.ws_col ? size.ws_col : 80, size.ws_row ? size.ws_row : 24, seconds, true, &text);
		fwrite(sb_str(&text), 1, text.len, stdout);
		fflush(stdout);
		swap = before;
		before = now;
		now = swap;
		if (wait_for_key(interval))
			break;
	}
	free(now);
	free(before);
	sb_free(&text);
	return err;
}

static int show_once(const char *instance)
{
	struct sample *now = calloc(1, sizeof(*now));
	struct strbuf text = STRBUF_INIT;
	int err = now ? ask(instance, now) : -ENOMEM;

	if (!err) {
		compare(now, now);
		show(now, TEXT_MAX, 0, 0, false, &text);
		fwrite(sb_str(&text), 1, text.len, stdout);
	}
	free(now);
	sb_free(&text);
	return err;
}

int cmd_top(int argc, char **argv)
{
	const char *instance = NULL, *value = NULL;
	double interval = 1;
	bool once = false;
	char *end;

	for (int i = 1; i < argc; i++) {
		switch (remote_word(argc, argv, &i, help, &instance)) {
		case REMOTE_HELPED:
			return EXIT_DONE;
		case REMOTE_TAKEN:
			continue;
		case REMOTE_OTHER:
			break;
		}
		if (!strcmp(argv[i], "--once")) {
			once = true;
		} else if (remote_option(argv[i], "--interval", argc, argv, &i, &value)) {
			interval = strtod(value, &end);
			if (end == value || *end || !(interval >= 0.1 && interval <= 3600)) {
				fprintf(stderr, "weir top: --interval wants seconds, not \"%s\"\n", value);
				return EXIT_USAGE;
			}
		} else {
			fprintf(stderr, "weir top: \"%s\" is not understood\n      weir top --help\n", argv[i]);
			return EXIT_USAGE;
		}
	}
	return (once ? show_once(instance) : watch_on(instance, interval)) ? EXIT_INPUT : EXIT_DONE;
}
