/* table/edit_log.h - the changes of an edit, as records: kept by edit_log.c, read by image.c. */
#ifndef WEIR_TABLE_EDIT_LOG_H
#define WEIR_TABLE_EDIT_LOG_H

#include "base/strbuf.h"
#include "table/edit_internal.h"

struct log_record {
	uint32_t size;			/* of all, a multiple of 8 */
	uint16_t op;			/* enum log_op */
	uint16_t data_size;
	uint32_t at;
	uint32_t spare;
	char chain[XT_FUNCTION_MAXNAMELEN + 2];	/* 32 bytes */
	uint8_t data[];
};
_Static_assert(sizeof(struct log_record) % 8 == 0, "entries in records are aligned");

/* What one commit did, checked as a whole: a torn one never was. */
struct log_batch {
	uint32_t magic, size, crc, spare;	/* size and crc of the records behind it */
	uint64_t cost;
};
enum { LOG_BATCH_MAGIC = 0x676f6c77, FRESH_MAX = 64 };

struct edit_log {
	struct strbuf records;
	uint64_t cost, cost_max;	/* of the records; beyond the maximum they are no longer kept */
	bool overflow;
	bool doubtful;			/* something was done that asks for the whole table's verification */
	struct fresh_rule {
		struct edit_chain *chain;
		struct edit_rule *rule;
	} fresh[FRESH_MAX];		/* new rules, to be looked at alone */
	unsigned int fresh_count;
	bool replaying;
	struct counter_plan **touched;	/* by the batch that is replayed: of rules, whose counters were set */
	uint32_t touched_count, touched_cap;
	struct edit_blob blob;		/* of the whole table, when it had to be made to be verified */
};

int edit_log_start(struct edit *edit, uint64_t cost_max);
/* Does again what @records say; -EINVAL: they do not fit the table. */
int edit_log_replay(struct edit *edit, const uint8_t *records, size_t size);

#endif
