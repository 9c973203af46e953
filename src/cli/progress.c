/* cli/progress.c - a bar on the terminal for long captures; the only place of weir run that looks at a real clock. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/run.h"
#include "base/clock.h"

enum { LOOK_EVERY = 1024, WIDTH = 20 };

void progress_begin(struct progress *p, bool quiet)
{
	*p = (struct progress){ .on = !quiet && isatty(STDERR_FILENO) };
	if (p->on)
		p->began_ns = clock_ns(CLOCK_MONOTONIC);
}

static void draw(struct progress *p, const struct run *run, int64_t now)
{
	char count[TIME_TEXT_MAX], bar[WIDTH + 1];
	uint64_t done, total, per_sec;
	double seconds = (double)(now - p->began_ns) / NSEC_PER_SEC;

	inputs_progress(&run->inputs, &done, &total);
	per_sec = seconds > 0 ? (uint64_t)((double)run->stats->packets / seconds) : 0;
	if (total) {
		unsigned int filled = (unsigned int)MIN_OF(done * WIDTH / total, (uint64_t)WIDTH);
		uint64_t left = done ? (uint64_t)(seconds * (double)(total - MIN_OF(done, total)) / (double)done) : 0;

		for (unsigned int i = 0; i < WIDTH; i++)
			bar[i] = i < filled ? '#' : '-';
		bar[WIDTH] = '\0';
		fprintf(stderr, "\r[%s] %3llu %%  %s packets  %llu k/s  eta %llu:%02llu ", bar,
			(unsigned long long)(done * 100 / total), count_text(run->stats->packets, count),
			(unsigned long long)per_sec / 1000, (unsigned long long)left / 60, (unsigned long long)left % 60);
	} else {
		fprintf(stderr, "\r%s packets  %llu k/s ", count_text(run->stats->packets, count),
			(unsigned long long)per_sec / 1000);
	}
	p->visible = true;
	p->shown_ns = now;
}

void progress_step(struct progress *p, const struct run *run, unsigned int packets)
{
	int64_t now;

	if (!p->on || (p->unseen += packets) < LOOK_EVERY)
		return;
	p->unseen = 0;
	now = clock_ns(CLOCK_MONOTONIC);
	if (now - p->began_ns >= NSEC_PER_SEC / 2 && now - p->shown_ns >= NSEC_PER_SEC / 5)
		draw(p, run, now);
}

void progress_end(struct progress *p, const struct run *run)
{
	if (!p->visible)
		return;
	draw(p, run, clock_ns(CLOCK_MONOTONIC));
	fputc('\n', stderr);
}
