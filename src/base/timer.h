/*
 * base/timer.h - a hierarchical timer wheel on the instance's clock (virtual or real).
 * Arm, re-arm and cancel are O(1); timers_run() does bounded work per expired timer and never
 * scans live ones. A timer fires at the first timers_run() whose time is >= expires_ns, and
 * timers that are due fire in order of (expires_ns, arming order), so a run repeats to the byte.
 */
#ifndef WEIR_BASE_TIMER_H
#define WEIR_BASE_TIMER_H

#include "base/list.h"

struct timer;
typedef void (*timer_fn)(struct timer *timer, void *arg, int64_t now_ns);

struct timer {
	struct list node;	/* in a wheel slot while armed */
	int64_t expires_ns;
	uint64_t order;
	timer_fn fn;		/* called unarmed: may free the timer or arm it again */
	void *arg;
};

struct timers;			/* the wheel */

struct timers *timers_new(int64_t now_ns);
void timers_free(struct timers *timers);		/* armed timers are forgotten, not fired */
void timer_init(struct timer *timer, timer_fn fn, void *arg);
static inline bool timer_is_armed(const struct timer *timer) { return timer->node.next != NULL; }
void timer_arm(struct timers *timers, struct timer *timer, int64_t expires_ns);	/* re-arms too */
void timer_cancel(struct timers *timers, struct timer *timer);			/* unarmed: no-op */
/* When the next timer is due; INT64_MAX: none is armed. Looks through one slot: for idle loops, not per packet. */
int64_t timers_next_ns(const struct timers *timers);
/* The same if it is at or before @limit_ns, INT64_MAX otherwise: O(1) amortised. */
int64_t timers_due_ns(struct timers *timers, int64_t limit_ns);
/* Fires everything due at or before @now_ns. */
void timers_run(struct timers *timers, int64_t now_ns);

#endif
