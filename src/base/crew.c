/* base/crew.c - the slow half: waiting for the others. */
#include "base/crew.h"

#include <errno.h>
#include <time.h>

enum { TURNS_BUSY = 4000, TURNS_YIELDING = 200 };

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Whoever is waited for works for microseconds, unless its processor was taken away. */
static void give_way(unsigned int turn)
{
	const struct timespec nap = { 0, 50000 };

	if (turn < TURNS_BUSY)
		relax();
	else if (turn < TURNS_BUSY + TURNS_YIELDING)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

void spin_wait(const uint8_t *lock)
{
	for (unsigned int turn = 0; __atomic_load_n(lock, __ATOMIC_RELAXED); turn++)
		give_way(turn);
}

int crew_init(struct crew *crew)
{
	return -pthread_mutex_init(&crew->door, NULL);
}

void crew_close(struct crew *crew)
{
	pthread_mutex_destroy(&crew->door);
}

int crew_join(struct crew *crew, struct crew_member *member)
{
	if (crew->count == CREW_MAX)
		return -ENOSPC;
	member->is_in = 0;
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

/*
 * Mostly somebody is alone for some microseconds: less than it takes to fall asleep and be woken. Who looks on meanwhile also has a
 * chance against who comes again at once.
 */
static void lock_door(struct crew *crew)
{
	for (unsigned int turn = 0; turn < TURNS_BUSY; turn++) {
		if (!__atomic_load_n(&crew->closed, __ATOMIC_RELAXED) && !pthread_mutex_trylock(&crew->door))
			return;
		relax();
	}
	pthread_mutex_lock(&crew->door);
}

bool crew_alone_begin(struct crew *crew)
{
	const uintptr_t me = (uintptr_t)pthread_self();

	if (__atomic_load_n(&crew->alone, __ATOMIC_RELAXED) == me) {
		crew->depth++;
		return false;
	}
	lock_door(crew);
	__atomic_store_n(&crew->closed, 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < crew->count; i++)
		for (unsigned int turn = 0; __atomic_load_n(&crew->members[i]->is_in, __ATOMIC_SEQ_CST); turn++)
			give_way(turn);
	__atomic_store_n(&crew->alone, me, __ATOMIC_RELAXED);
	crew->depth = 1;
	return true;
}

bool crew_alone_end(struct crew *crew)
{
	if (--crew->depth)
		return false;
	__atomic_store_n(&crew->alone, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&crew->closed, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&crew->door);
	return true;
}

/* Behind somebody who is alone for long they queue at the door's lock. */
void crew_wait(struct crew *crew)
{
	for (unsigned int turn = 0; turn < TURNS_BUSY; turn++) {
		if (!__atomic_load_n(&crew->closed, __ATOMIC_RELAXED))
			return;
		relax();
	}
	pthread_mutex_lock(&crew->door);
	pthread_mutex_unlock(&crew->door);
}
