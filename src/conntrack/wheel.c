/*
 * conntrack/wheel.c - when which connection is to be looked at: a wheel of wheels in ticks of WEIR_HZ.
 * A timer of its own would be a fifth of a connection's record; here it costs two pointers and a tick. One
 * timer of the instance stands for the whole wheel: it fires when the next used slot is due.
 *
 * A connection hangs on the level of the highest 6-bit digit in which its tick differs from the hand's, so
 * only slots ahead of the hand are in use (see base/timer.c).
 *
 * When very many end at one tick, a live instance would stand still: weir_expire_batch ends that many a tick, and
 * who is late ends when somebody meets it.
 */
#include <limits.h>

#include "conntrack/conntrack_internal.h"

enum { DIGIT_BITS = 6, SLOTS = 1 << DIGIT_BITS, ASKED_AHEAD = 16 };

static uint64_t slot_tick(const struct ct_wheel *wheel, unsigned int level, unsigned int i)
{
	unsigned int shift = level * DIGIT_BITS;
	uint64_t above = wheel->tick >> shift >> DIGIT_BITS << DIGIT_BITS;

	return (above | i) << shift;
}

/* The first used slot ahead of the hand; false: the wheel is empty. Clears the bits of emptied slots. */
static bool first_slot(struct ct_wheel *wheel, unsigned int *level, unsigned int *i)
{
	for (*level = 0; *level < CT_WHEEL_LEVELS; (*level)++) {
		while (wheel->used[*level]) {
			*i = (unsigned int)__builtin_ctzll(wheel->used[*level]);
			if (!list_is_empty(&wheel->slot[*level][*i]))
				return true;
			wheel->used[*level] &= wheel->used[*level] - 1;
		}
	}
	return false;
}

static void place(struct ct_wheel *wheel, struct ct *ct, uint64_t tick)
{
	unsigned int level, i;

	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	level = (unsigned int)(63 - __builtin_clzll(tick ^ wheel->tick)) / DIGIT_BITS;
	i = tick >> (level * DIGIT_BITS) & (SLOTS - 1);
	wheel->used[level] |= 1ull << i;
	list_append(&wheel->slot[level][i], &ct->age);
	ct->look_tick = (uint32_t)tick;
}

static void arm(struct instance *inst, uint64_t tick)
{
	struct timer *timer = &inst->ct->wheel.timer;
	int64_t at_ns = (int64_t)tick * NSEC_PER_JIFFY;

	if (!timer_is_armed(timer) || at_ns < timer->expires_ns)
		timer_arm(inst->timers, timer, at_ns);
}

/* A tick that is known modulo 2^32, not further than half of that from now. */
static uint64_t whole_tick(const struct instance *inst, uint32_t tick)
{
	int64_t now = inst_jiffies(inst);

	return (uint64_t)(now + (int32_t)(tick - (uint32_t)now));
}

/* The next ones' memory: of a million connections that end together nearly all lie in DRAM. */
static void ask_ahead(const struct ct_table *table, const struct list *due)
{
	const struct list *at = due->next;

	for (int i = 0; i < ASKED_AHEAD && at != due; i++, at = at->next) {
		const uint8_t *record = (const uint8_t *)list_entry(at, struct ct, age);

		__builtin_prefetch(record, 1);
		__builtin_prefetch(record + 64, 1);
		__builtin_prefetch(record + 128, 1);
	}
	at = due->next;
	for (int i = 0; i < ASKED_AHEAD && at != due; i++, at = at->next) {
		struct ct *ct = list_entry(at, struct ct, age);

		for (int dir = 0; dir < IP_CT_DIR_MAX; dir++)
			__builtin_prefetch(ct_bucket(table, ct_node_hash(table, &ct->node[dir])), 1);
	}
}

static void look_at_slot(struct instance *inst, struct list *slot, unsigned int *budget)
{
	struct ct_wheel *wheel = &inst->ct->wheel;
	uint32_t now = (uint32_t)inst_jiffies(inst), asked = 0;
	struct list due;

	if (list_is_empty(slot))
		return;
	/* What is put back goes into slots ahead; what ends takes itself, and maybe others, from this list. */
	list_insert_between(&due, slot->prev, slot);
	list_remove(slot);
	while (!list_is_empty(&due)) {
		struct ct *ct = list_entry(due.next, struct ct, age);

		if (asked++ % ASKED_AHEAD == 0)
			ask_ahead(inst->ct, &due);
		if (*budget == 0) {		/* the rest another time */
			due.prev->next = wheel->late.next;
			wheel->late.next->prev = due.prev;
			wheel->late.next = due.next;
			due.next->prev = &wheel->late;
			return;
		}
		(*budget)--;
		ct_wheel_forget(ct);
		if ((int32_t)(ct->expires_tick - now) > 0)
			place(wheel, ct, whole_tick(inst, ct->expires_tick));
		else
			ct_end(inst, ct, true);
	}
}

void ct_wheel_end_overdue(struct instance *inst)
{
	unsigned int all = UINT_MAX;

	look_at_slot(inst, &inst->ct->wheel.overdue, &all);
}

static void turn(struct timer *timer, void *arg, int64_t now_ns)
{
	struct instance *inst = arg;
	struct ct_wheel *wheel = &inst->ct->wheel;
	unsigned int level, i, budget = wheel->batch ? wheel->batch : UINT_MAX;

	ct_wheel_end_overdue(inst);
	look_at_slot(inst, &wheel->late, &budget);
	while (first_slot(wheel, &level, &i)) {
		struct list *slot = &wheel->slot[level][i];
		uint64_t tick = slot_tick(wheel, level, i);

		if (tick > (uint64_t)inst_jiffies(inst)) {
			arm(inst, list_is_empty(&wheel->late) ? tick : (uint64_t)inst_jiffies(inst) + 1);
			return;
		}
		wheel->tick = tick;
		wheel->used[level] &= ~(1ull << i);
		look_at_slot(inst, slot, &budget);
	}
	if (!list_is_empty(&wheel->late))
		arm(inst, (uint64_t)inst_jiffies(inst) + 1);
}

void ct_wheel_init(struct instance *inst, struct ct_wheel *wheel)
{
	wheel->tick = (uint64_t)inst_jiffies(inst);
	list_init(&wheel->overdue);
	list_init(&wheel->late);
	for (int level = 0; level < CT_WHEEL_LEVELS; level++)
		for (int i = 0; i < SLOTS; i++)
			list_init(&wheel->slot[level][i]);
	timer_init(&wheel->timer, turn, inst);
}

/* Somebody is to look at @ct when it expires. */
void ct_wheel_watch(struct instance *inst, struct ct *ct)
{
	struct ct_wheel *wheel = &inst->ct->wheel;

	if (ct_is_dying(ct))
		return;
	if (ct->age.next)
		list_remove(&ct->age);
	if ((int32_t)(ct->expires_tick - (uint32_t)inst_jiffies(inst)) <= 0) {
		list_append(&wheel->overdue, &ct->age);
		ct->look_tick = ct->expires_tick;
		arm(inst, (uint64_t)inst_jiffies(inst) + 1);
		return;
	}
	place(wheel, ct, whole_tick(inst, ct->expires_tick));
	arm(inst, whole_tick(inst, ct->look_tick));
}

void ct_wheel_forget(struct ct *ct)
{
	if (!ct->age.next)
		return;
	list_remove(&ct->age);
	ct->age.next = NULL;
}
