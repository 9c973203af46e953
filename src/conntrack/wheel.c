/*
 * conntrack/wheel.c - when which connection is to be looked at: a wheel of wheels in ticks of WEIR_HZ.
 * A timer of its own would be a fifth of a connection's record; here it costs two numbers and a tick. One
 * timer of the instance stands for the whole wheel: it fires when the next used slot is due.
 *
 * A connection hangs on the level of the highest 6-bit digit in which its tick differs from the hand's, so
 * only slots ahead of the hand are in use (see base/timer.c).
 *
 * When very many end at one tick, a live instance would stand still: weir_expire_batch ends that many a step of the clock, and
 * who is late ends when somebody meets it.
 */
#include <limits.h>

#include "conntrack/conntrack_internal.h"
#include "nat/nat.h"

enum { DIGIT_BITS = 6, SLOTS = 1 << DIGIT_BITS, ASKED_AHEAD = 16, WALKED_AHEAD_MAX = 1 << 16 };
_Static_assert((int)SLOTS == (int)CT_WHEEL_SLOTS, "a slot for each digit");

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
			if (wheel->line[*level * SLOTS + *i].first)
				return true;
			wheel->used[*level] &= wheel->used[*level] - 1;
		}
	}
	return false;
}

/* --- lines: their ends have the line's own number for a neighbour --- */

static void mark(struct ct_marks *marks, uint32_t number)
{
	if (marks->appended++ & ((1u << marks->shift) - 1))
		return;
	if (marks->count == CT_MARKS) {
		for (int i = 0; i < CT_MARKS / 2; i++)
			marks->number[i] = marks->number[2 * i];
		marks->count = CT_MARKS / 2;
		marks->shift++;
	}
	marks->number[marks->count++] = number;
}

static void append(struct ct_table *table, unsigned int which, struct ct *ct)
{
	struct ct_line *line = &table->wheel.line[which];
	uint32_t number = ct_number(ct);

	if (which < CT_WHEEL_LEVELS * SLOTS) {
		struct ct_marks *marks = &table->wheel.marks[which];

		if (!line->last)
			marks->appended = marks->count = marks->shift = 0;
		mark(marks, number);
	}

	ct->age = (struct ct_links){ .next = CT_NUMBER_NONE | which, .prev = line->last ? line->last : CT_NUMBER_NONE | which };
	*(line->last ? &ct_at(table, line->last)->age.next : &line->first) = number;
	line->last = number;
}

static void take_out(struct ct_table *table, struct ct *ct)
{
	const uint32_t next = ct->age.next, prev = ct->age.prev;

	if (prev & CT_NUMBER_NONE)
		table->wheel.line[prev & ~CT_NUMBER_NONE].first = next & CT_NUMBER_NONE ? 0 : next;
	else
		ct_at(table, prev)->age.next = next;
	if (next & CT_NUMBER_NONE)
		table->wheel.line[next & ~CT_NUMBER_NONE].last = prev & CT_NUMBER_NONE ? 0 : prev;
	else
		ct_at(table, next)->age.prev = prev;
	ct->age.next = 0;
}

/* All of @from are the first of @to from now on. */
static void move_to_front(struct ct_table *table, unsigned int from, unsigned int to)
{
	struct ct_line *a = &table->wheel.line[from], *b = &table->wheel.line[to];

	if (!a->first)
		return;
	ct_at(table, a->first)->age.prev = CT_NUMBER_NONE | to;
	ct_at(table, a->last)->age.next = b->first ? b->first : CT_NUMBER_NONE | to;
	if (b->first)
		ct_at(table, b->first)->age.prev = a->last;
	else
		b->last = a->last;
	b->first = a->first;
	*a = (struct ct_line){ 0 };
}

static void place(struct ct_table *table, struct ct *ct, uint64_t tick)
{
	struct ct_wheel *wheel = &table->wheel;
	unsigned int level, i;

	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	level = (unsigned int)(63 - __builtin_clzll(tick ^ wheel->tick)) / DIGIT_BITS;
	i = tick >> (level * DIGIT_BITS) & (SLOTS - 1);
	wheel->used[level] |= 1ull << i;
	append(table, level * SLOTS + i, ct);
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

/* All who hang in a slot are about to be looked at: a step from each mark after the other, so that nobody waits for one alone. */
static void walk_ahead(const struct ct_table *table, unsigned int which, unsigned int most)
{
	const struct ct_marks *marks = &table->wheel.marks[which];
	uint32_t at[CT_MARKS];

	if (marks->count < 2 || marks->appended > MIN_OF(most, (unsigned int)WALKED_AHEAD_MAX))
		return;
	memcpy(at, marks->number, sizeof(at));
	at[0] = table->wheel.line[which].first;
	for (unsigned int step = 0; step < 1u << marks->shift; step++)
		for (unsigned int i = 0; i < marks->count; i++) {
			if (at[i] & CT_NUMBER_NONE || !at[i])
				continue;
			__builtin_prefetch(&ct_at(table, at[i])->expires_tick, 1);
			at[i] = ct_at(table, at[i])->age.next;
		}
}

/* What ending @ct will touch besides its record. */
static void ask_for_end(const struct instance *inst, struct ct *ct)
{
	nat_ct_ending(inst, ct);
	if (ct->extra)
		__builtin_prefetch(ct->extra, 1);
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++)
		__builtin_prefetch(ct_bucket(inst->ct, ct_node_hash(inst->ct, &ct->node[dir])), 1);
}

/* A slot ahead, for what ends in the next one, and two ahead for the records themselves. */
static void ask_for_next(const struct instance *inst)
{
	const struct ct_wheel *wheel = &inst->ct->wheel;
	uint64_t used = wheel->used[0];

	for (unsigned int turn = 0; used && turn < 2; turn++, used &= used - 1) {
		const unsigned int i = (unsigned int)__builtin_ctzll(used);
		const struct ct_marks *marks = &wheel->marks[i];
		const uint32_t tick = (uint32_t)slot_tick(wheel, 0, i);

		for (unsigned int k = 0; wheel->line[i].first && k < marks->count; k++) {
			struct ct *ct = ct_at(inst->ct, marks->number[k]);

			if (turn == 0 && ct->look_tick == tick && ct->age.next && (int32_t)(ct->expires_tick - tick) <= 0)
				ask_for_end(inst, ct);
			for (unsigned int at = 0; turn && at < sizeof(*ct); at += 64)
				__builtin_prefetch((const uint8_t *)ct + at, 1);
		}
	}
}

/* The next ones' memory: of a million connections that end together nearly all lie in DRAM. @many: most of them end. */
static void ask_ahead(const struct instance *inst, uint32_t first, uint32_t now, bool many)
{
	const struct ct_table *table = inst->ct;
	uint32_t at = first;

	for (int i = 0; i < ASKED_AHEAD && !(at & CT_NUMBER_NONE); i++) {
		const struct ct *ct = ct_at(table, at);

		__builtin_prefetch(&ct->expires_tick, 1);
		if (many) {
			__builtin_prefetch(ct, 1);
			__builtin_prefetch(&ct->extra, 1);
		}
		at = ct->age.next;
	}
	at = first;
	for (int i = 0; i < ASKED_AHEAD && !(at & CT_NUMBER_NONE); i++) {
		struct ct *ct = ct_at(table, at);

		at = ct->age.next;
		if ((int32_t)(ct->expires_tick - now) <= 0)
			ask_for_end(inst, ct);
	}
}

static void look_at_line(struct instance *inst, unsigned int which, unsigned int *budget)
{
	struct ct_wheel *wheel = &inst->ct->wheel;
	uint32_t now = (uint32_t)inst_jiffies(inst), asked = 0, first;
	unsigned int due = CT_LINE_DUE + wheel->depth;

	/* Who hears that one ends may ask for another, which looks at who is overdue; not for ever. */
	if (!wheel->line[which].first || due == CT_LINES)
		return;
	if (which < CT_WHEEL_LEVELS * SLOTS)
		walk_ahead(inst->ct, which, *budget);
	wheel->depth++;
	/* What is put back goes into slots ahead; what ends takes itself, and maybe others, from this line. */
	move_to_front(inst->ct, which, due);
	while ((first = wheel->line[due].first)) {
		struct ct *ct = ct_at(inst->ct, first);

		if (asked++ % ASKED_AHEAD == 0)
			ask_ahead(inst, first, now, which < SLOTS || which >= CT_WHEEL_LEVELS * SLOTS);
		if (*budget == 0) {		/* the rest another time */
			move_to_front(inst->ct, due, CT_LINE_LATE);
			break;
		}
		(*budget)--;
		take_out(inst->ct, ct);
		if ((int32_t)(ct->expires_tick - now) > 0)
			place(inst->ct, ct, whole_tick(inst, ct->expires_tick));
		else
			ct_end(inst, ct, true);
	}
	wheel->depth--;
}

void ct_wheel_end_overdue(struct instance *inst)
{
	unsigned int all = UINT_MAX;

	look_at_line(inst, CT_LINE_OVERDUE, &all);
}

static void turn(struct timer *timer, void *arg, int64_t now_ns)
{
	struct instance *inst = arg;
	struct ct_wheel *wheel = &inst->ct->wheel;
	unsigned int level, i, all = UINT_MAX, *budget = wheel->batch ? &wheel->left : &all;
	/* Whoever was away for a hundred ticks does not want a hundred batches now. */
	const uint64_t later = (uint64_t)(MAX_OF(inst->advance_ns, inst->now_ns) / NSEC_PER_JIFFY) + 1;

	if (wheel->advance != inst->advances) {
		wheel->advance = inst->advances;
		wheel->left = wheel->batch;
	}
	ct_retired_free(inst->ct);
	if (inst->nat)
		nat_retired_free(inst->nat);
	ct_wheel_end_overdue(inst);
	look_at_line(inst, CT_LINE_LATE, budget);
	while (first_slot(wheel, &level, &i)) {
		uint64_t tick = slot_tick(wheel, level, i);

		if (tick > (uint64_t)inst_jiffies(inst)) {
			ask_for_next(inst);
			arm(inst, !wheel->line[CT_LINE_LATE].first ? tick : MIN_OF(tick, later));
			return;
		}
		wheel->tick = tick;
		wheel->used[level] &= ~(1ull << i);
		look_at_line(inst, level * SLOTS + i, budget);
	}
	if (wheel->line[CT_LINE_LATE].first)
		arm(inst, later);
}

void ct_wheel_init(struct instance *inst, struct ct_wheel *wheel)
{
	wheel->tick = (uint64_t)inst_jiffies(inst);
	timer_init(&wheel->timer, turn, inst);
}

/* Somebody is to look at @ct when it expires. */
void ct_wheel_watch(struct instance *inst, struct ct *ct)
{
	if (ct_is_dying(ct))
		return;
	ct_wheel_forget(inst->ct, ct);
	if ((int32_t)(ct->expires_tick - (uint32_t)inst_jiffies(inst)) <= 0) {
		append(inst->ct, CT_LINE_OVERDUE, ct);
		ct->look_tick = ct->expires_tick;
		arm(inst, (uint64_t)inst_jiffies(inst) + 1);
		return;
	}
	place(inst->ct, ct, whole_tick(inst, ct->expires_tick));
	arm(inst, whole_tick(inst, ct->look_tick));
}

void ct_wheel_ask(const struct ct_table *table, const struct ct *ct)
{
	const struct ct_links age = ct->age;

	if (age.next && !(age.next & CT_NUMBER_NONE))
		__builtin_prefetch(&ct_at(table, age.next)->age, 1);
	if (age.next && !(age.prev & CT_NUMBER_NONE))
		__builtin_prefetch(&ct_at(table, age.prev)->age, 1);
}

void ct_wheel_forget(struct ct_table *table, struct ct *ct)
{
	if (ct->age.next)
		take_out(table, ct);
}
