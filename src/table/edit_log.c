/*
 * table/edit_log.c - what is done to a table, written down while it is done, and done again from the records. A
 * record names its chain and carries what the caller of edit.h gave; so there is one way to change a table.
 */
#include "table/edit_log.h"

#include <stdlib.h>

int edit_log_start(struct edit *edit, uint64_t cost_max)
{
	edit->log = calloc(1, sizeof(*edit->log));
	if (!edit->log)
		return -ENOMEM;
	edit->log->cost_max = cost_max;
	return 0;
}

void edit_log_free(struct edit_log *log)
{
	if (!log)
		return;
	sb_free(&log->records);
	free(log->touched);
	edit_blob_free(&log->blob);
	free(log);
}

void edit_log_add(struct edit *edit, enum log_op op, const char *chain, uint32_t at, const void *data, size_t size,
		  uint64_t cost)
{
	static const char zeros[8];
	struct edit_log *log = edit->log;
	struct log_record record = { .op = op, .at = at, .data_size = (uint16_t)size };

	if (!log || log->replaying || log->overflow)
		return;
	log->cost += cost;
	if (log->cost > log->cost_max || size > UINT16_MAX) {
		log->overflow = true;
		sb_free(&log->records);
		return;
	}
	record.size = (uint32_t)ALIGN_UP(sizeof(record) + size, (size_t)8);
	memcpy(record.chain, chain, strnlen(chain, sizeof(record.chain) - 1));
	sb_add(&log->records, (const char *)&record, sizeof(record));
	if (size)
		sb_add(&log->records, data, size);
	sb_add(&log->records, zeros, record.size - sizeof(record) - size);
	if (log->records.failed)
		log->overflow = true;
}

int edit_log_touch(struct edit *edit, struct counter_plan *plan)
{
	struct edit_log *log = edit->log;

	if (!log || !log->replaying)
		return 0;
	if (log->touched_count == log->touched_cap) {
		uint32_t cap = log->touched_cap ? 2 * log->touched_cap : 64;
		struct counter_plan **touched = realloc(log->touched, cap * sizeof(*touched));

		if (!touched)
			return -ENOMEM;
		log->touched = touched;
		log->touched_cap = cap;
	}
	log->touched[log->touched_count++] = plan;
	return 0;
}

void edit_log_rule(struct edit_chain *chain, struct edit_rule *rule)
{
	struct edit_log *log = chain->edit->log;

	if (!log || log->replaying)
		return;
	if (log->fresh_count == FRESH_MAX)
		log->doubtful = true;
	else
		log->fresh[log->fresh_count++] = (struct fresh_rule){ chain, rule };
}

void edit_log_doubt(struct edit *edit)
{
	if (edit->log && !edit->log->replaying)
		edit->log->doubtful = true;
}

/* An entry in a record is one of ours, or the image was damaged. */
static bool entry_fits(const struct log_record *r, uint8_t family)
{
	const size_t head = entry_head_size(family);
	uint16_t target_at, target_size;

	if (r->data_size < head + sizeof(struct xt_entry_target) || entry_next_offset(r->data, family) != r->data_size)
		return false;
	target_at = entry_target_offset(r->data, family);
	if (target_at < head || target_at + sizeof(struct xt_entry_target) > r->data_size)
		return false;
	memcpy(&target_size, r->data + target_at, sizeof(target_size));
	if (target_size < sizeof(struct xt_entry_target) || target_at + target_size > r->data_size)
		return false;
	for (size_t at = head; at < target_at;) {
		uint16_t size;

		memcpy(&size, r->data + at, sizeof(size));
		if (size < sizeof(struct xt_entry_match) || size > target_at - at)
			return false;
		at += size;
	}
	return memchr(raw_target_name(r->data + target_at), '\0', XT_EXTENSION_MAXNAMELEN) &&
	       (raw_target_name(r->data + target_at)[0] || target_size >= sizeof(struct xt_standard_target));
}

static int replay_one(struct edit *edit, const struct log_record *r)
{
	struct edit_chain *chain = edit_chain_find(edit, r->chain);

	if (r->op == LOG_CHAIN_ADD)
		return edit_chain_add(edit, r->chain, NULL);
	if (!chain)
		return -ENOENT;
	switch ((enum log_op)r->op) {
	case LOG_CHAIN_ADD:
		break;
	case LOG_CHAIN_DELETE:
		return edit_chain_delete(edit, chain);
	case LOG_CHAIN_RENAME:
		if (!r->data_size || r->data_size > XT_FUNCTION_MAXNAMELEN || r->data[r->data_size - 1])
			return -EINVAL;
		return edit_chain_rename(edit, chain, (const char *)r->data);
	case LOG_FLUSH:
		return edit_chain_flush(chain);
	case LOG_ZERO:
		return edit_chain_zero(chain);
	case LOG_ZERO_RULE:
		return r->at < chain->count ? edit_rule_zero(chain, r->at) : -E2BIG;
	case LOG_POLICY:
		if (chain->hook < 0 || r->data_size != sizeof(struct xt_counters))
			return -EINVAL;
		chain->policy = (int)r->at;
		chain->counted.map = COUNTER_SET;
		memcpy(&chain->counted.counters, r->data, sizeof(struct xt_counters));
		return chain->policy == -NF_ACCEPT - 1 || chain->policy == -NF_DROP - 1 ? 0 : -EINVAL;
	case LOG_INSERT:
		return entry_fits(r, edit->family) ? edit_rule_insert(edit, chain, r->at, r->data, NULL) : -EINVAL;
	case LOG_REPLACE:
		return entry_fits(r, edit->family) ? edit_rule_replace(edit, chain, r->at, r->data, NULL) : -EINVAL;
	case LOG_DELETE:
		return r->at < chain->count ? edit_rule_delete(chain, r->at) : -E2BIG;
	case LOG_COUNTERS:
		if (r->at >= chain->count || r->data_size != sizeof(struct xt_counters))
			return -EINVAL;
		return edit_rule_count(chain, r->at, (const struct xt_counters *)r->data);
	case LOG_REACH:
		chain->hook_mask = r->at;
		return 0;
	}
	return -EINVAL;
}

/* A commit makes libiptc forget what policies counted, unless it was said in the same commit. */
static void policies_settle(struct edit *edit)
{
	for (uint32_t i = 0; i < edit->builtin_count; i++) {
		struct counter_plan *plan = &edit->chains[i]->counted;

		if (plan->map == COUNTER_KEEP)
			plan->counters = (struct xt_counters){ 0 };
		plan->map = COUNTER_KEEP;
	}
}

/* What this batch counted from somewhere is what later ones find, and may zero. */
static void rules_settle(struct edit_log *log)
{
	for (uint32_t i = 0; i < log->touched_count; i++)
		log->touched[i]->map = COUNTER_KEEP;
	log->touched_count = 0;
}

int edit_log_replay(struct edit *edit, const uint8_t *records, size_t size)
{
	int err = 0;

	edit->log->replaying = true;
	for (size_t at = 0; !err && at < size;) {
		const struct log_record *r = (const void *)(records + at);

		if (size - at < sizeof(*r) || r->size > size - at || r->size % 8 ||
		    r->size < sizeof(*r) + (size_t)r->data_size || r->chain[sizeof(r->chain) - 1])
			err = -EINVAL;
		else
			err = replay_one(edit, r);
		at += r->size;
	}
	edit->log->replaying = false;
	policies_settle(edit);
	rules_settle(edit->log);
	return err;
}
