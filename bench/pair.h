/*
 * bench/pair.h - what the host gives for this machine's first two processors: two threads of one core, cores that share a cache,
 * or cores far apart; and each of them wholly or together with somebody else's machine. It changes many times a minute, and moves
 * what two workers do by half. Two things tell: what a cache line costs that goes there and back, and how long arithmetic takes
 * that fills a core.
 */
#ifndef WEIR_BENCH_PAIR_H
#define WEIR_BENCH_PAIR_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "measure.h"

/* There and back; a few additions, of the first processor alone and of both at work. Zeros: not known. */
struct pair { double line_ns, alone_ns, work_ns[2]; };

enum { PAIR_LOTS = 9, PAIR_TURNS = 200, PAIR_ADDS = 5000 };

struct pair_hands {
	_Alignas(128) uint64_t line;	/* odd: goes there; even: came back */
	_Alignas(128) bool stop, crowded, is_measured;
	double until, line_ns, alone_ns, work_ns[2];
};

/* Each processor has one thread: it is born where it is to stay, or with real-time priority it would wait for its maker. */
static inline bool pair_start(pthread_t *thread, unsigned int processor, void *(*work)(void *), struct pair_hands *hands)
{
	pthread_attr_t attr;
	cpu_set_t set;
	bool ok;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	pthread_attr_init(&attr);
	ok = !pthread_attr_setaffinity_np(&attr, sizeof(set), &set) && !pthread_create(thread, &attr, work, hands);
	pthread_attr_destroy(&attr);
	return ok;
}

static inline bool pair_is_over(const struct pair_hands *hands)
{
	return __atomic_load_n(&hands->stop, __ATOMIC_ACQUIRE) || clock_of(CLOCK_MONOTONIC) > hands->until;
}

/* --- a line --- */

static bool pair_line_comes_back(struct pair_hands *hands, uint64_t seen)
{
	for (uint32_t n = 1; __atomic_load_n(&hands->line, __ATOMIC_ACQUIRE) != seen; n++)
		if (!(n & 0xffff) && pair_is_over(hands))
			return false;
	return true;
}

static void *pair_send(void *arg)
{
	struct pair_hands *hands = arg;
	double ns[PAIR_LOTS];
	unsigned int lots = 0;
	uint64_t x = 0;
	bool ok = true;

	while (ok && lots < PAIR_LOTS) {
		double begin = clock_of(CLOCK_MONOTONIC);

		for (int i = 0; i < PAIR_TURNS && ok; i++, x += 2) {
			__atomic_exchange_n(&hands->line, x + 1, __ATOMIC_ACQ_REL);
			ok = pair_line_comes_back(hands, x + 2);
		}
		ns[lots++] = (clock_of(CLOCK_MONOTONIC) - begin) / PAIR_TURNS;
	}
	hands->line_ns = ok ? median(ns, lots) : 0;
	__atomic_store_n(&hands->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *pair_answer(void *arg)
{
	struct pair_hands *hands = arg;

	while (!pair_is_over(hands)) {
		for (int i = 0; i < 1000; i++) {
			uint64_t x = __atomic_load_n(&hands->line, __ATOMIC_ACQUIRE);

			if (x & 1)
				__atomic_exchange_n(&hands->line, x + 1, __ATOMIC_ACQ_REL);
		}
	}
	return NULL;
}

/* --- arithmetic --- */

/* Eight sums that do not wait for each other: as much as a core can add. */
static inline void pair_add(void)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;

	for (int i = 0; i < PAIR_ADDS; i++) {
		a += b, b += 3, c += d, d += 3, e += f, f += 3, g += h, h += 3;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h));
	}
}

static double pair_add_ns(void)
{
	double ns[PAIR_LOTS];

	for (int i = -PAIR_LOTS; i < PAIR_LOTS; i++) {	/* a core that slept is slow at first */
		double begin = clock_of(CLOCK_MONOTONIC);

		pair_add();
		if (i >= 0)
			ns[i] = (clock_of(CLOCK_MONOTONIC) - begin) / PAIR_ADDS;
	}
	return median(ns, PAIR_LOTS);
}

/* The first measures while the second only waits, and then as often as it takes until the second has measured, too. */
static void *pair_work_first(void *arg)
{
	struct pair_hands *hands = arg;

	hands->alone_ns = pair_add_ns();
	__atomic_store_n(&hands->crowded, true, __ATOMIC_RELEASE);
	do {
		hands->work_ns[0] = pair_add_ns();
	} while (!__atomic_load_n(&hands->is_measured, __ATOMIC_ACQUIRE) && !pair_is_over(hands));
	__atomic_store_n(&hands->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *pair_work_second(void *arg)
{
	struct pair_hands *hands = arg;

	while (!__atomic_load_n(&hands->crowded, __ATOMIC_ACQUIRE) && !pair_is_over(hands))
		usleep(0);
	hands->work_ns[1] = pair_add_ns();
	__atomic_store_n(&hands->is_measured, true, __ATOMIC_RELEASE);
	while (!pair_is_over(hands))
		pair_add();
	return NULL;
}

/* Both at once, at most for a twentieth of a second. */
static inline bool pair_run(struct pair_hands *hands, void *(*first)(void *), void *(*second)(void *))
{
	pthread_t thread[2];
	bool ok;

	hands->stop = false;
	hands->until = clock_of(CLOCK_MONOTONIC) + 5e7;
	if (!pair_start(&thread[1], 1, second, hands))
		return false;
	ok = pair_start(&thread[0], 0, first, hands);
	if (ok)
		pthread_join(thread[0], NULL);
	__atomic_store_n(&hands->stop, true, __ATOMIC_RELEASE);
	pthread_join(thread[1], NULL);
	return ok;
}

/* Half a millisecond. Nothing is known with one processor, or when others had them meanwhile. */
static inline struct pair pair_look(void)
{
	struct pair_hands hands = { 0 };

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || !pair_run(&hands, pair_send, pair_answer) ||
	    !pair_run(&hands, pair_work_first, pair_work_second) || !hands.is_measured)
		return (struct pair){ 0 };
	return (struct pair){ hands.line_ns, hands.alone_ns, { hands.work_ns[0], hands.work_ns[1] } };
}

#endif
