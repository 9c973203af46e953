/*
 * What all bench programs do alike: clocks, medians, memory, a row. A row is a line of JSON, as bench/run reads it.
 */
#ifndef WEIR_BENCH_MEASURE_H
#define WEIR_BENCH_MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline double clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* This thread's CPU time: who else runs does not count. */
static inline double cpu_ns(void) { return clock_of(CLOCK_THREAD_CPUTIME_ID); }

static inline int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts @values. */
static inline double median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

enum { ROUNDS_MAX = 101 };

/* A line of JSON: the median, the least and the most of at most ROUNDS_MAX @values, which stay in their order. The median. */
static inline double row(const char *name, const char *unit, const double *values, unsigned int count, const char *what)
{
	double sorted[ROUNDS_MAX], mid;

	memcpy(sorted, values, count * sizeof(*values));
	mid = median(sorted, count);
	printf("{\"row\": \"%s\", \"unit\": \"%s\", \"median\": %.8g, \"min\": %.8g, \"max\": %.8g, \"what\": \"%s\"}\n", name, unit, mid,
	       sorted[0], sorted[count - 1], what);
	fflush(stdout);
	return mid;
}

/* Bytes of memory that this process has. */
static inline size_t resident(void)
{
	unsigned long size = 0, pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file) {
		if (fscanf(file, "%lu %lu", &size, &pages) != 2)
			pages = 0;
		fclose(file);
	}
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static inline double resident_mib(void) { return (double)resident() / (1 << 20); }

#endif
