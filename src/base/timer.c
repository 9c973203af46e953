/*
 * base/timer.c - a wheel of wheels: 64 slots a level, each level 64 times coarser than the one below.
 *
 * A timer hangs in the level of the highest 6-bit digit in which its tick differs from the wheel's own. So on
 * every level only slots ahead of the hand are in use, and the earliest timers are in the first used slot of
 * the lowest used level: a bitmap per level finds it. When the hand enters a slot its timers move down; those
 * of the hand's own tick are sorted once into `near`, where exact nanoseconds and arming order decide.
 */
#include "base/timer.h"

#include <stdlib.h>

enum {
	TICK_SHIFT = 20,	/* a tick is 2^20 ns, about a millisecond */
	DIGIT_BITS = 6,
	SLOTS = 1 << DIGIT_BITS,
	LEVELS = 8,		/* 8 digits cover every tick of an int64_t of nanoseconds */
};

struct timers {
	uint64_t tick;			/* where the hand stands */
	uint64_t orders;		/* arming order, handed out */
	int64_t quiet_ns;		/* nobody expires before this */
	uint64_t used[LEVELS];		/* a bit per slot that may hold a timer; emptied ones are cleared lazily */
	struct list near;		/* due in the hand's tick or before: sorted */
	struct list slot[LEVELS][SLOTS];
};

static uint64_t tick_of(int64_t ns)
{
	return ns <= 0 ? 0 : (uint64_t)ns >> TICK_SHIFT;
}

struct timers *timers_new(int64_t now_ns)
{
	struct timers *timers = calloc(1, sizeof(*timers));

	if (!timers)
		return NULL;
	timers->tick = tick_of(now_ns);
	list_init(&timers->near);
	for (int level = 0; level < LEVELS; level++)
		for (int i = 0; i < SLOTS; i++)
			list_init(&timers->slot[level][i]);
	return timers;
}

void timers_free(struct timers *timers)
{
	free(timers);
}

void timer_init(struct timer *timer, timer_fn fn, void *arg)
{
	*timer = (struct timer){ .fn = fn, .arg = arg };
}

static bool is_before(const struct timer *a, const struct timer *b)
{
	return a->expires_ns < b->expires_ns || (a->expires_ns == b->expires_ns && a->order < b->order);
}

static struct timer *timer_at(struct list *node)
{
	return list_entry(node, struct timer, node);
}

/* From the end: what is armed later usually expires later. */
static void near_insert(struct timers *timers, struct timer *timer)
{
	struct list *at = timers->near.prev;

	while (at != &timers->near && is_before(timer, timer_at(at)))
		at = at->prev;
	list_push(at, &timer->node);
}

static void place(struct timers *timers, struct timer *timer)
{
	uint64_t tick = tick_of(timer->expires_ns);
	unsigned int level, i;

	if (tick <= timers->tick) {
		near_insert(timers, timer);
		return;
	}
	level = (unsigned int)(63 - __builtin_clzll(tick ^ timers->tick)) / DIGIT_BITS;
	i = (tick >> (level * DIGIT_BITS)) & (SLOTS - 1);
	timers->used[level] |= 1ull << i;
	list_append(&timers->slot[level][i], &timer->node);
}

void timer_arm(struct timers *timers, struct timer *timer, int64_t expires_ns)
{
	timer_cancel(timers, timer);
	timer->expires_ns = expires_ns;
	timer->order = timers->orders++;
	timers->quiet_ns = MIN_OF(timers->quiet_ns, expires_ns);
	place(timers, timer);
}

void timer_cancel(struct timers *timers, struct timer *timer)
{
	if (!timer_is_armed(timer))
		return;
	list_remove(&timer->node);
	timer->node.next = timer->node.prev = NULL;
}

/* Merges the sorted singly linked chains (through node.next, NULL-ended) @a and @b. */
static struct list *merge_chains(struct list *a, struct list *b)
{
	struct list head = { NULL, NULL }, *tail = &head;

	while (a && b) {
		struct list **from = is_before(timer_at(b), timer_at(a)) ? &b : &a;

		tail->next = *from;
		tail = *from;
		*from = (*from)->next;
	}
	tail->next = a ? a : b;
	return head.next;
}

/* Moves a slot of the hand's tick into `near`, which then holds nothing later: merge sort, then one merge. */
static void sort_into_near(struct timers *timers, struct list *slot)
{
	struct list *runs[64] = { NULL }, *sorted = NULL, *node = slot->next;

	while (node != slot) {
		struct list *next = node->next;
		unsigned int i = 0;

		node->next = NULL;
		for (; runs[i]; i++) {
			node = merge_chains(runs[i], node);
			runs[i] = NULL;
		}
		runs[i] = node;
		node = next;
	}
	list_init(slot);
	for (unsigned int i = 0; i < ARRAY_SIZE(runs); i++)
		sorted = sorted ? runs[i] ? merge_chains(runs[i], sorted) : sorted : runs[i];
	while (sorted) {
		struct list *next = sorted->next;

		near_insert(timers, timer_at(sorted));
		sorted = next;
	}
}

/* The first used slot ahead of the hand; false: the wheel is empty. Clears the bits of emptied slots. */
static bool first_slot(struct timers *timers, unsigned int *level, unsigned int *i)
{
	for (*level = 0; *level < LEVELS; (*level)++) {
		while (timers->used[*level]) {
			*i = (unsigned int)__builtin_ctzll(timers->used[*level]);
			if (!list_is_empty(&timers->slot[*level][*i]))
				return true;
			timers->used[*level] &= timers->used[*level] - 1;
		}
	}
	return false;
}

/* The tick at which the hand enters slot @i of @level. */
static uint64_t slot_tick(const struct timers *timers, unsigned int level, unsigned int i)
{
	unsigned int shift = level * DIGIT_BITS;
	uint64_t above = timers->tick >> shift >> DIGIT_BITS << DIGIT_BITS;

	return (above | i) << shift;
}

static __attribute__((noinline)) int64_t look_for_due(struct timers *timers, int64_t limit_ns)
{
	uint64_t limit = tick_of(limit_ns);
	unsigned int level, i;
	int64_t first_ns;

	/* The hand never passes @limit_ns: timers armed later must not all end up in `near`. */
	while (list_is_empty(&timers->near) && first_slot(timers, &level, &i)) {
		struct list *slot = &timers->slot[level][i];
		uint64_t tick = slot_tick(timers, level, i);

		if (tick > limit) {
			timers->quiet_ns = (int64_t)(tick << TICK_SHIFT);
			return INT64_MAX;
		}
		timers->tick = tick;
		timers->used[level] &= ~(1ull << i);
		if (level == 0) {
			sort_into_near(timers, slot);
			break;
		}
		while (!list_is_empty(slot)) {
			struct list *node = slot->next;

			list_remove(node);
			place(timers, timer_at(node));
		}
	}
	first_ns = list_is_empty(&timers->near) ? INT64_MAX : timer_at(timers->near.next)->expires_ns;
	if (first_ns <= limit_ns)
		return first_ns;
	timers->quiet_ns = first_ns;
	return INT64_MAX;
}

int64_t timers_due_ns(struct timers *timers, int64_t limit_ns)
{
	return likely(limit_ns < timers->quiet_ns) ? INT64_MAX : look_for_due(timers, limit_ns);
}

int64_t timers_next_ns(const struct timers *timers)
{
	int64_t next = INT64_MAX;

	if (!list_is_empty(&timers->near))
		return timer_at(timers->near.next)->expires_ns;
	for (unsigned int level = 0; level < LEVELS && next == INT64_MAX; level++) {
		for (uint64_t used = timers->used[level]; used && next == INT64_MAX; used &= used - 1)
			list_for_each(node, &timers->slot[level][__builtin_ctzll(used)])
				next = MIN_OF(next, timer_at(node)->expires_ns);
	}
	return next;
}

void timers_run(struct timers *timers, int64_t now_ns)
{
	while (timers_due_ns(timers, now_ns) != INT64_MAX) {
		struct timer *timer = timer_at(timers->near.next);

		timer_cancel(timers, timer);
		timer->fn(timer, timer->arg, now_ns);
	}
}
