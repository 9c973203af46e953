/*
 * base/crew.h - threads that work in company, and one that wants to be alone.
 *
 * A member goes in and out for each burst of its work: while it is in, nobody is alone. Going in and out costs a member two exchanges
 * on a line of its own, nothing that others write. Who wants to be alone closes the door, and waits until all members that are in
 * have come out: what is changed only by those who are alone, members may read without any further thought.
 *
 * A member at work on what nearly nobody changes is not in, but aside. Who is alone says whether he minds: who does not, works beside
 * it; who does (control) waits for it, too, and meanwhile nobody steps aside.
 *
 * Who wants to be alone, or finds the door closed, takes a number and has his turn in order: nobody comes twice before another who
 * waits, and who fell asleep is woken once. (Whoever comes first had it otherwise: others then slept dozens of times a burst.)
 *
 * Lock order: the door, a connection (ct_lock()), crew->telling.
 */
#ifndef WEIR_CREW_H
#define WEIR_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"

enum { CREW_MAX = 64 };

enum crew_place { CREW_OUT, CREW_AWAITED = 1, CREW_IN = 2, CREW_ASIDE = 4 };	/* awaited, beside one of the others: somebody sleeps over it */

struct crew_member {
	_Alignas(64) uint32_t place;	/* written by its thread, and by who falls asleep over it */
	char rest[60];
};

struct crew {			/* zeroed: nobody is there */
	uint32_t number;		/* the next one's; they go up by two */
	uint32_t turn;			/* whose number it is; odd: somebody is asleep until the next one's */
	uintptr_t alone;		/* which thread is; 0 = none */
	unsigned int depth;		/* how often it said so */
	bool is_closed;			/* it minds who is aside */
	uint32_t closings;		/* how often somebody did: what was read aside holds while this stays */
	unsigned int count;
	struct crew_member *members[CREW_MAX];
	/* what members write for each burst, far from what they read */
	uint64_t serial;		/* crew_serials() */
	uint8_t telling;		/* lock: somebody tells an observer what several may have to say */
};

/* Alone only. -ENOSPC when there are too many. */
int crew_join(struct crew *crew, struct crew_member *member);
void crew_leave(struct crew *crew, struct crew_member *member);

/*
 * True when the caller was not alone before; each call wants its crew_alone_end(), the last of which returns true.
 * @beside: it does not mind who is aside, unless a call within does.
 */
bool crew_alone_begin(struct crew *crew, bool beside);
bool crew_alone_end(struct crew *crew);
/* Is the caller alone, and said so once? */
bool crew_is_alone_once(const struct crew *crew);

void crew_in_late(struct crew *crew, struct crew_member *member);
void crew_wake(struct crew_member *member);

static inline void crew_move(struct crew_member *member, enum crew_place to)
{
	if (unlikely(__atomic_exchange_n(&member->place, to, __ATOMIC_SEQ_CST) & CREW_AWAITED))
		crew_wake(member);
}

static inline void crew_out(struct crew_member *member)
{
	crew_move(member, CREW_OUT);
}

/* Whoever takes a number after this one was read looks whether the caller is in. */
static inline bool crew_is_open(const struct crew *crew)
{
	uint32_t number = __atomic_load_n(&crew->number, __ATOMIC_SEQ_CST);

	return number == (__atomic_load_n(&crew->turn, __ATOMIC_SEQ_CST) & ~1u);
}

/* From outside, or from aside. */
static inline void crew_in(struct crew *crew, struct crew_member *member)
{
	crew_move(member, CREW_IN);
	if (unlikely(!crew_is_open(crew)))
		crew_in_late(crew, member);
}

/* From outside, or from within. When somebody minds, the caller is in afterwards: that is more. */
static inline void crew_aside(struct crew *crew, struct crew_member *member)
{
	crew_move(member, CREW_ASIDE);
	if (unlikely(__atomic_load_n(&crew->is_closed, __ATOMIC_SEQ_CST)))
		crew_in_late(crew, member);
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
