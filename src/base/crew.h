/*
 * base/crew.h - threads that work in company, and one that wants to be alone.
 *
 * A member goes in and out for each burst of its work: while it is in, nobody is alone. Going in costs a member one exchange on
 * a line of its own, nothing that others write. Who wants to be alone closes the door, and waits until all members that are in
 * have come out: what is changed only by those who are alone, members may read without any further thought.
 *
 * Lock order: the door, a connection (ct_lock()), crew->telling.
 */
#ifndef WEIR_CREW_H
#define WEIR_CREW_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"

enum { CREW_MAX = 64 };

struct crew_member {
	_Alignas(64) uint32_t is_in;	/* written by its thread alone */
	char rest[60];
};

struct crew {
	uint32_t closed;		/* somebody is alone, or waits to be */
	uint8_t telling;		/* lock: somebody tells an observer what several may have to say */
	uint64_t serial;		/* crew_serials() */
	pthread_mutex_t door;
	uintptr_t alone;		/* which thread is; 0 = none */
	unsigned int depth;		/* how often it said so */
	unsigned int count;
	struct crew_member *members[CREW_MAX];
};

int crew_init(struct crew *crew);
void crew_close(struct crew *crew);
/* Alone only. -ENOSPC when there are too many. */
int crew_join(struct crew *crew, struct crew_member *member);
void crew_leave(struct crew *crew, struct crew_member *member);

/* True when the caller was not alone before; each call wants its crew_alone_end(), the last of which returns true. */
bool crew_alone_begin(struct crew *crew);
bool crew_alone_end(struct crew *crew);

void crew_wait(struct crew *crew);

static inline void crew_in(struct crew *crew, struct crew_member *member)
{
	for (;;) {
		__atomic_store_n(&member->is_in, 1, __ATOMIC_SEQ_CST);
		if (likely(!__atomic_load_n(&crew->closed, __ATOMIC_SEQ_CST)))
			return;
		__atomic_store_n(&member->is_in, 0, __ATOMIC_RELEASE);
		crew_wait(crew);
	}
}

static inline void crew_out(struct crew_member *member)
{
	__atomic_store_n(&member->is_in, 0, __ATOMIC_RELEASE);
}

/* The first of @count numbers that nobody else gets. */
static inline uint64_t crew_serials(struct crew *crew, unsigned int count)
{
	return __atomic_fetch_add(&crew->serial, count, __ATOMIC_RELAXED) + 1;
}

/* --- a lock for a few instructions; its owner may lose the processor, so who waits gives way in time --- */
void spin_wait(const uint8_t *lock);

static inline void spin_lock(uint8_t *lock)
{
	while (unlikely(__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)))
		spin_wait(lock);
}

static inline void spin_unlock(uint8_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
