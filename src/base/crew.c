/* base/crew.c - the slow half: waiting for the others. */
#include "base/clock.h"
#include "base/crew.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_ON_NS = 40000, TURNS_A_LOOK = 16, TURNS_YIELDING = 20 };

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/*
 * Whoever is waited for works for microseconds: less than it takes to fall asleep and be woken. Unless its processor was taken away:
 * then it is milliseconds, and whoever looks on keeps a processor from it. How long relax() takes differs tenfold between processors.
 */
struct patience { unsigned int turn; int64_t until_ns; };

/* false: enough of it. */
static bool look_on(struct patience *patience)
{
	relax();
	if (++patience->turn % TURNS_A_LOOK)
		return true;
	if (!patience->until_ns)
		patience->until_ns = clock_ns(CLOCK_MONOTONIC) + LOOK_ON_NS;
	return clock_ns(CLOCK_MONOTONIC) < patience->until_ns;
}

void spin_wait(const uint8_t *lock)
{
	const struct timespec nap = { 0, 50000 };
	struct patience patience = { 0 };
	unsigned int yields = 0;

	while (__atomic_load_n(lock, __ATOMIC_RELAXED)) {
		if (look_on(&patience))
			continue;
		if (yields++ < TURNS_YIELDING)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
}

/* Until @word, last seen as @seen, is changed by somebody who finds it @asleep. */
static void sleep_over(uint32_t *word, uint32_t seen, uint32_t asleep)
{
	if (seen == asleep || __atomic_compare_exchange_n(word, &seen, asleep, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, asleep, NULL, NULL, 0);
}

static void wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

int crew_join(struct crew *crew, struct crew_member *member)
{
	if (crew->count == CREW_MAX)
		return -ENOSPC;
	member->place = CREW_OUT;
	crew->members[crew->count++] = member;
	return 0;
}

void crew_leave(struct crew *crew, struct crew_member *member)
{
	for (unsigned int i = 0; i < crew->count; i++) {
		if (crew->members[i] != member)
			continue;
		crew->members[i] = crew->members[--crew->count];
		return;
	}
}

static void await_turn(struct crew *crew, uint32_t number)
{
	struct patience patience = { 0 };
	uint32_t turn;

	while (((turn = __atomic_load_n(&crew->turn, __ATOMIC_SEQ_CST)) & ~1u) != number)
		if (!look_on(&patience))
			sleep_over(&crew->turn, turn, turn | 1);
}

static void await_member(struct crew_member *member, uint32_t minded)
{
	struct patience patience = { 0 };
	uint32_t place;

	while ((place = __atomic_load_n(&member->place, __ATOMIC_SEQ_CST)) & minded)
		if (!look_on(&patience))
			sleep_over(&member->place, place, place | CREW_AWAITED);
}

/* Whose turn it is waits for those at work. */
static void await_all(struct crew *crew, bool beside)
{
	if (!beside)
		__atomic_store_n(&crew->is_closed, true, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < crew->count; i++)
		await_member(crew->members[i], beside ? CREW_IN : CREW_IN | CREW_ASIDE);
	if (!beside)
		crew->closings++;	/* nobody aside reads it now */
}

/* Whose turn it is lets the next one have his. Behind the exchange there may be no crew any more: that one may have been the last. */
static void pass_on(struct crew *crew)
{
	uint32_t next = (__atomic_load_n(&crew->turn, __ATOMIC_RELAXED) & ~1u) + 2;

	if (__atomic_exchange_n(&crew->turn, next, __ATOMIC_SEQ_CST) & 1)
		wake(&crew->turn);
}

bool crew_alone_begin(struct crew *crew, bool beside)
{
	const uintptr_t me = (uintptr_t)pthread_self();

	if (__atomic_load_n(&crew->alone, __ATOMIC_RELAXED) == me) {
		crew->depth++;
		if (!beside && !crew->is_closed)
			await_all(crew, false);
		return false;
	}
	await_turn(crew, __atomic_fetch_add(&crew->number, 2, __ATOMIC_SEQ_CST));
	await_all(crew, beside);
	__atomic_store_n(&crew->alone, me, __ATOMIC_RELAXED);
	crew->depth = 1;
	return true;
}

bool crew_alone_end(struct crew *crew)
{
	if (--crew->depth)
		return false;
	__atomic_store_n(&crew->alone, 0, __ATOMIC_RELAXED);
	if (crew->is_closed)
		__atomic_store_n(&crew->is_closed, false, __ATOMIC_SEQ_CST);
	pass_on(crew);
	return true;
}

bool crew_is_alone_once(const struct crew *crew)
{
	return __atomic_load_n(&crew->alone, __ATOMIC_RELAXED) == (uintptr_t)pthread_self() && crew->depth == 1;
}

void crew_in_late(struct crew *crew, struct crew_member *member)
{
	crew_out(member);
	await_turn(crew, __atomic_fetch_add(&crew->number, 2, __ATOMIC_SEQ_CST));
	__atomic_store_n(&member->place, CREW_IN, __ATOMIC_SEQ_CST);
	pass_on(crew);
}

void crew_wake(struct crew_member *member)
{
	wake(&member->place);
}
