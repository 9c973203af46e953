/*
 * base/bigmem.c - see bigmem.h. Below a large page it is malloc's; above, pages of our own, which come zeroed and
 * only when touched. The system is asked for large pages and may decline.
 */
#include "base/bigmem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CACHE_LINE = 64, SMALL_PAGE = 4096 };

static size_t round_up(size_t size, size_t to)
{
	return (size + to - 1) & ~(to - 1);
}

static void *alloc(size_t size, int advice)
{
	size_t whole, before;
	uint8_t *at;

	if (size < BIGMEM_PAGE) {
		void *memory = aligned_alloc(CACHE_LINE, round_up(size, CACHE_LINE));

		return memory ? memset(memory, 0, size) : NULL;
	}
	whole = round_up(size, BIGMEM_PAGE);
	if (whole < size)
		return NULL;
	at = mmap(NULL, whole + BIGMEM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	before = round_up((uintptr_t)at, BIGMEM_PAGE) - (uintptr_t)at;
	if (before)
		munmap(at, before);
	if (BIGMEM_PAGE - before)
		munmap(at + before + whole, BIGMEM_PAGE - before);
	madvise(at + before, whole, advice);
	return at + before;
}

void *bigmem_alloc(size_t size) { return alloc(size, MADV_HUGEPAGE); }
void *bigmem_alloc_small(size_t size) { return alloc(size, MADV_NOHUGEPAGE); }

void bigmem_touch(void *memory, size_t size)
{
	volatile uint8_t *at = memory;

	for (size_t i = 0; i < size; i += SMALL_PAGE)
		at[i] = at[i];
}

void bigmem_release(void *memory, size_t size, size_t from, size_t to)
{
	from = round_up(from, BIGMEM_PAGE);
	to &= ~((size_t)BIGMEM_PAGE - 1);
	if (size >= BIGMEM_PAGE && from < to)
		madvise((uint8_t *)memory + from, to - from, MADV_DONTNEED);
}

void bigmem_free(void *memory, size_t size)
{
	if (memory && size >= BIGMEM_PAGE)
		munmap(memory, round_up(size, BIGMEM_PAGE));
	else
		free(memory);
}
