/*
 * base/bigmem.h - zeroed memory for big tables, in large pages where the system has them: a random access
 * then misses the cache once, not the page tables as well.
 */
#ifndef WEIR_BASE_BIGMEM_H
#define WEIR_BASE_BIGMEM_H

#include <stddef.h>

enum { BIGMEM_PAGE = 2 << 20 };

/* Aligned to a cache line at least, from a large page on to that. NULL without memory. */
void *bigmem_alloc(size_t size);
/* The same in small pages: memory of which perhaps only a little will be used. */
void *bigmem_alloc_small(size_t size);
/* Asks the system for all of it now: the pages are there, and nobody waits for one later. What stands in it stays. */
void bigmem_touch(void *memory, size_t size);
/* Large pages that lie wholly between the bytes @from and @to go back to the system, and are zero when they are touched again. */
void bigmem_release(void *memory, size_t size, size_t from, size_t to);
/* @size as it was asked for; NULL is fine. */
void bigmem_free(void *memory, size_t size);

#endif
