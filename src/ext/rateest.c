/* ext/rateest.c - see rateest.h. */
#include "ext/rateest.h"

#include <linux/netfilter/xt_RATEEST.h>

#include <stdio.h>
#include <stdlib.h>

#include "ext/state.h"

enum {
	QUARTER_SEC = WEIR_HZ / 4,	/* in whole ticks: an interval of "1s" is 4 of these */
	AVERAGE_SHIFT = 8,		/* averages hold this many more bits */
	LATE_TICKS = 1,			/* a kernel timer fires in the tick after its own */
};

struct rate_counts { uint64_t bytes, packets; };

struct rate_estimator {
	struct list node;
	struct instance *inst;
	char name[IFNAMSIZ];
	unsigned int refs;
	int8_t interval;
	uint8_t ewma_log;
	unsigned int interval_log;	/* quarters of a second << this */
	struct rate_counts now, seen, average;
	int64_t due;			/* tick */
};

struct rate_estimators { struct list all; };

static void estimators_init(struct instance *inst, void *state)
{
	list_init(&((struct rate_estimators *)state)->all);
}

static void estimators_save(struct instance *inst, void *state, struct strbuf *out);
static bool estimators_load(struct instance *inst, void *state, struct bytes_in *in);
static const struct ext_state_kind estimators_kind = {
	.size = sizeof(struct rate_estimators), .init = estimators_init, .name = "rateest", .save = estimators_save,
	.load = estimators_load,
};

static uint64_t moved(uint64_t average, uint64_t fresh, const struct rate_estimator *est)
{
	fresh <<= 10 - est->interval_log;
	return average + (fresh >> est->ewma_log) - (average >> est->ewma_log);
}

static bool is_at_rest(const struct rate_estimator *est)
{
	return est->now.bytes == est->seen.bytes && est->now.packets == est->seen.packets &&
	       !(est->average.bytes >> est->ewma_log) && !(est->average.packets >> est->ewma_log);
}

/* Every interval that is over by now, one by one until nothing moves any more. */
static void catch_up(struct rate_estimator *est)
{
	int64_t tick = inst_jiffies(est->inst), step = (int64_t)QUARTER_SEC << est->interval_log;

	while (est->due + LATE_TICKS <= tick) {
		if (is_at_rest(est)) {
			est->due += (tick - LATE_TICKS - est->due) / step * step + step;
			return;
		}
		est->average.bytes = moved(est->average.bytes, est->now.bytes - est->seen.bytes, est);
		est->average.packets = moved(est->average.packets, est->now.packets - est->seen.packets, est);
		est->seen = est->now;
		est->due += step;
	}
}

void rate_estimator_count(struct rate_estimator *est, uint32_t bytes)
{
	catch_up(est);
	est->now.bytes += bytes;
	est->now.packets++;
}

void rate_estimator_read(struct rate_estimator *est, uint64_t *bytes_sec, uint64_t *packets_sec)
{
	catch_up(est);
	*bytes_sec = est->average.bytes >> AVERAGE_SHIFT;
	*packets_sec = est->average.packets >> AVERAGE_SHIFT;
}

struct rate_estimator *rate_estimator_get(struct instance *inst, const char *name)
{
	struct rate_estimators *estimators = ext_state_if_any(inst, &estimators_kind);

	if (estimators) {
		list_for_each(node, &estimators->all) {
			struct rate_estimator *est = list_entry(node, struct rate_estimator, node);

			if (strcmp(est->name, name) == 0) {
				est->refs++;
				return est;
			}
		}
	}
	return NULL;
}

struct rate_estimator *rate_estimator_make(struct instance *inst, const char *name, int8_t interval, uint8_t ewma_log, int *err)
{
	struct rate_estimators *estimators = ext_state(inst, &estimators_kind);
	struct rate_estimator *est = rate_estimator_get(inst, name);

	*err = -EINVAL;
	if (est) {
		if ((interval || ewma_log) && interval == est->interval && ewma_log == est->ewma_log)
			return est;
		rate_estimator_put(est);
		return NULL;
	}
	if (interval < -2 || interval > 3 || ewma_log == 0 || ewma_log >= 31)
		return NULL;
	*err = -ENOMEM;
	est = estimators ? calloc(1, sizeof(*est)) : NULL;
	if (!est)
		return NULL;
	est->inst = inst;
	snprintf(est->name, sizeof(est->name), "%s", name);
	est->refs = 1;
	est->interval = interval;
	est->ewma_log = ewma_log;
	est->interval_log = (unsigned int)(interval + 2);
	est->due = inst_jiffies(inst) + ((int64_t)QUARTER_SEC << est->interval_log);
	list_push(&estimators->all, &est->node);
	return est;
}

void rate_estimator_put(struct rate_estimator *est)
{
	if (--est->refs)
		return;
	list_remove(&est->node);
	free(est);
}

/* --- kept when the instance goes on elsewhere --- */

static void counts_out(struct strbuf *out, const struct rate_counts *counts)
{
	out_u64(out, counts->bytes);
	out_u64(out, counts->packets);
}

static struct rate_counts counts_in(struct bytes_in *in)
{
	struct rate_counts counts;

	counts.bytes = in_u64(in);
	counts.packets = in_u64(in);
	return counts;
}

static void estimators_save(struct instance *inst, void *state, struct strbuf *out)
{
	const struct rate_estimators *estimators = state;

	list_for_each(node, &estimators->all) {
		const struct rate_estimator *est = list_entry(node, struct rate_estimator, node);

		out_text(out, est->name);
		out_u8(out, (uint8_t)est->interval);
		out_u8(out, est->ewma_log);
		counts_out(out, &est->now);
		counts_out(out, &est->seen);
		counts_out(out, &est->average);
		out_u64(out, (uint64_t)est->due);
	}
}

/* Only into one that counts as the saved one did. */
static bool estimators_load(struct instance *inst, void *state, struct bytes_in *in)
{
	while (in->at < in->end && !in->failed) {
		struct rate_estimator read = { .inst = inst }, *est;

		in_text(in, read.name, sizeof(read.name));
		read.interval = (int8_t)in_u8(in);
		read.ewma_log = in_u8(in);
		read.now = counts_in(in);
		read.seen = counts_in(in);
		read.average = counts_in(in);
		read.due = (int64_t)in_u64(in);
		est = in->failed ? NULL : rate_estimator_get(inst, read.name);
		if (!est)
			continue;
		if (est->interval == read.interval && est->ewma_log == read.ewma_log && read.due >= 0 && read.due <= est->due) {
			est->now = read.now;
			est->seen = read.seen;
			est->average = read.average;
			est->due = read.due;
		}
		rate_estimator_put(est);
	}
	return !in->failed;
}
