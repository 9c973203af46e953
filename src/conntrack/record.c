/*
 * conntrack/record.c - the records that connections live in, and their numbers.
 * Records lie back to back in pieces of a large page, which begin at multiples of its size: a record finds its piece by its own
 * address. So a number of 32 bits says where a record is, and lists that pass through every record cost half of what
 * pointers would. Records are never given back while the table lives.
 */
#include <stdlib.h>

#include "base/bigmem.h"
#include "conntrack/conntrack_internal.h"

enum { SPARES_MAX = 4096 };
_Static_assert((int)CT_CHUNK_SIZE == (int)BIGMEM_PAGE, "a large page is a piece");

/* The first one is for those who never have many: small pages, of which only those in use are there. */
static struct ct_chunk *chunk_new(struct ct_table *table)
{
	struct ct_chunk **wider = NULL, *chunk;
	uint32_t number = table->chunk_count;

	if (number >= CT_CHUNKS_MAX)
		return NULL;
	if ((number & (number - 1)) == 0) {
		wider = calloc(MAX_OF(2 * number, 1u), sizeof(struct ct_chunk *));
		if (!wider)
			return NULL;
		if (number) {
			memcpy(wider, table->chunks, number * sizeof(struct ct_chunk *));
			table->retired_chunks[__builtin_ctz(number)] = table->chunks;
		}
		__atomic_store_n(&table->chunks, wider, __ATOMIC_RELEASE);
	}
	chunk = number ? bigmem_alloc(CT_CHUNK_SIZE) : bigmem_alloc_small(CT_CHUNK_SIZE);
	if (!chunk)
		return NULL;
	chunk->number = number;
	chunk->room = (CT_CHUNK_SIZE - sizeof(*chunk)) / sizeof(struct ct);
	table->chunks[number] = chunk;
	__atomic_store_n(&table->chunk_count, number + 1, __ATOMIC_RELEASE);
	return chunk;
}

struct ct *ct_record_alloc(struct ct_table *table)
{
	struct ct_chunk *chunk = table->filling < table->chunk_count ? table->chunks[table->filling] : NULL;
	struct ct *ct = table->free;

	if (ct) {
		table->free = (struct ct *)ct_link_node(ct->node[0].next);
		for (size_t at = 0; table->free && at < sizeof(*ct); at += 64)
			__builtin_prefetch((const char *)table->free + at, 1);
		memset(ct, 0, sizeof(*ct));
		return ct;
	}
	if (chunk && chunk->used == chunk->room)
		chunk = ++table->filling < table->chunk_count ? table->chunks[table->filling] : NULL;
	if (!chunk)
		chunk = chunk_new(table);
	return chunk ? &chunk->records[chunk->used++] : NULL;	/* zeroed already */
}

/* Pieces for @count records in all, touched; those of the next ones in use. */
int ct_records_reserve(struct ct_table *table, uint32_t count)
{
	uint64_t room = 0;

	for (uint32_t i = 0; i < table->chunk_count; i++)
		room += table->chunks[i]->room;
	while (room < count) {
		struct ct_chunk *chunk = chunk_new(table);

		if (!chunk)
			return -ENOMEM;
		room += chunk->room;
	}
	for (uint32_t i = table->filling; i < table->chunk_count; i++)
		bigmem_touch(table->chunks[i], CT_CHUNK_SIZE);
	return 0;
}

void ct_record_free(struct ct_table *table, struct ct *ct)
{
	ct->node[0].next = (uintptr_t)table->free;
	table->free = ct;
}

struct ct_extra *ct_extra_alloc(struct ct_table *table)
{
	struct ct_spare *spare = table->spares;

	if (!spare)
		return calloc(1, sizeof(struct ct_extra));
	table->spares = spare->next;
	table->spare_count--;
	return memset(spare, 0, sizeof(struct ct_extra));
}

void ct_extra_free(struct ct_table *table, struct ct_extra *extra)
{
	struct ct_spare *spare = (struct ct_spare *)extra;

	if (!extra || table->spare_count >= SPARES_MAX) {
		free(extra);
		return;
	}
	spare->next = table->spares;
	table->spares = spare;
	table->spare_count++;
}

/* How many there are is read first: so many are in whatever list is read then. */
HINTS const struct ct *ct_hint_of_number(const struct instance *inst, uint32_t number)
{
	const uint32_t count = __atomic_load_n(&inst->ct->chunk_count, __ATOMIC_ACQUIRE), which = number >> CT_CHUNK_SHIFT;
	struct ct_chunk *const *chunks = __atomic_load_n(&inst->ct->chunks, __ATOMIC_ACQUIRE);

	if (which >= count)
		return NULL;
	return (const struct ct *)((const char *)chunks[which] + (size_t)(number & ((1u << CT_CHUNK_SHIFT) - 1)) * CT_NUMBER_UNIT);
}

struct ct *ct_of_number(const struct instance *inst, uint32_t number)
{
	return ct_at(inst->ct, number);
}

void ct_records_free(struct ct_table *table)
{
	for (uint32_t i = 0; i < table->chunk_count; i++)
		bigmem_free(table->chunks[i], CT_CHUNK_SIZE);
	free(table->chunks);
	for (struct ct_spare *spare = table->spares, *next; spare; spare = next) {
		next = spare->next;
		free(spare);
	}
}
