/*
 * table/image.c - a table's image: header, directory, blob, log. The directory says of each chain what a change of
 * one rule needs to know, so that a hundred thousand others stay unread: how many there are, which hooks reach
 * them, where they end for every packet, and whether they jump on.
 */
#include "table/image.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "table/edit_log.h"
#include "table/kept.h"

struct image_head {
	char magic[8];
	uint32_t version, crc;		/* crc: of header and directory, this field zero */
	uint32_t family, chains;
	uint64_t order;
	uint64_t blob_at, log_at;	/* bytes from the image's beginning */
	struct ipt_replace replace;	/* what the kernel would be told of the blob */
};

struct image_chain {
	char name[32];
	int32_t hook, policy;
	uint32_t count, references;
	uint32_t start, size;		/* of its rules in the blob */
	uint32_t hook_mask, stop, jumps, spare;
	struct xt_counters counters;	/* of the policy */
};

static const char image_magic[8] = "weirtbl";
enum { IMAGE_VERSION = 1, LOG_COST_MIN = 2000 };

/* Where a chain began in the blob, for the jumps in rules not yet read. */
struct image_start {
	uint32_t start;
	struct edit_chain *chain;
};

struct image_map {
	struct image_bytes bytes;
	struct image_start *starts;
	uint32_t count;
	uint64_t order, log_end;	/* log_end: of the last whole batch */
	uint64_t log_cost;
};

void image_map_free(struct image_map *map)
{
	if (!map)
		return;
	if (map->bytes.release)
		map->bytes.release(map->bytes.addr, map->bytes.len);
	free(map->starts);
	free(map);
}

uint64_t image_order(const struct edit *edit)
{
	return edit->image ? edit->image->order : 0;
}

/* --- reading --- */

static struct edit_chain *chain_at(const struct image_map *map, uint32_t start)
{
	uint32_t low = 0, high = map->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (map->starts[mid].start == start)
			return map->starts[mid].chain;
		if (map->starts[mid].start < start)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

int image_chain_read(struct edit_chain *chain)
{
	struct edit *edit = chain->edit;
	const uint8_t family = edit->family, *e = chain->unread_bytes;
	const uint32_t held = chain->count - chain->unread;
	struct edit_rule *slab = edit_alloc(edit, chain->unread * sizeof(*slab));
	struct edit_rule **rules = malloc((chain->count + 1) * sizeof(*rules));
	uint32_t at = chain->start;
	int err = -EINVAL;

	if (!slab || !rules) {
		err = -ENOMEM;
		goto err_free;
	}
	for (uint32_t i = 0; i < chain->unread; i++) {
		const uint32_t left = chain->unread_size - (uint32_t)(e - chain->unread_bytes);
		struct edit_rule *rule = &slab[i];
		const struct xt_standard_target *t;

		if (blob_entry_fault(e, left, family))
			goto err_free;
		rule->entry = (void *)e;	/* only read from here on */
		rule->kind = RULE_EXTENSION;
		rule->counted = (struct counter_plan){ COUNTER_KEEP, 0, *entry_counters((void *)e, family) };
		at += entry_next_offset(e, family);
		t = entry_target(e, family);
		if (!t->target.u.user.name[0]) {
			if (t->verdict < 0) {
				rule->kind = RULE_VERDICT;
			} else if ((uint32_t)t->verdict == at) {
				rule->kind = RULE_FALLTHROUGH;
			} else {
				rule->kind = RULE_JUMP;
				rule->jump = chain_at(edit->image, (uint32_t)t->verdict);
				if (!rule->jump)
					goto err_free;
			}
		}
		rules[i] = rule;
		e += entry_next_offset(e, family);
	}
	if (e != chain->unread_bytes + chain->unread_size)
		goto err_free;
	if (held)
		memcpy(rules + chain->unread, chain->rules, held * sizeof(*rules));
	free(chain->rules);
	chain->rules = rules;
	chain->cap = chain->count + 1;
	chain->unread = 0;
	return 0;

err_free:
	free(rules);
	return err;
}

static const struct image_head *head_of(const void *bytes, size_t len)
{
	const struct image_head *head = bytes;
	struct image_head bare;
	uint32_t crc;

	if (len < sizeof(*head) || memcmp(head->magic, image_magic, sizeof(image_magic)) || head->version != IMAGE_VERSION ||
	    head->chains > (len - sizeof(*head)) / sizeof(struct image_chain) ||
	    head->blob_at != sizeof(*head) + head->chains * sizeof(struct image_chain) || head->log_at > len ||
	    head->log_at < head->blob_at || head->log_at % 8 || head->replace.size > head->log_at - head->blob_at)
		return NULL;
	bare = *head;
	bare.crc = 0;
	crc = crc32c(~0u, &bare, sizeof(bare));
	crc = ~crc32c(crc, head + 1, head->chains * sizeof(struct image_chain));
	return crc == head->crc ? head : NULL;
}

bool image_peek(const void *bytes, size_t len, char table[static XT_TABLE_MAXNAMELEN], uint64_t *order)
{
	const struct image_head *head = bytes;

	if (len < sizeof(*head) || memcmp(head->magic, image_magic, sizeof(image_magic)) || head->version != IMAGE_VERSION)
		return false;
	memcpy(table, head->replace.name, XT_TABLE_MAXNAMELEN);
	table[XT_TABLE_MAXNAMELEN - 1] = '\0';
	*order = head->order;
	return true;
}

static int chains_open(struct edit *edit, const struct image_head *head)
{
	const struct image_chain *chains = (const void *)(head + 1);
	struct image_map *map = edit->image;

	map->starts = calloc(head->chains + 1, sizeof(*map->starts));
	if (!map->starts)
		return -ENOMEM;
	for (uint32_t i = 0; i < head->chains; i++) {
		const struct image_chain *from = &chains[i];
		struct edit_chain *chain;

		if (from->name[XT_FUNCTION_MAXNAMELEN - 1] || from->hook >= NF_INET_NUMHOOKS || from->start > head->replace.size ||
		    from->size > head->replace.size - from->start || from->start % 8)
			return -EINVAL;
		chain = edit_chain_new(edit, from->name, from->hook < 0 ? -1 : from->hook);
		if (!chain)
			return -ENOMEM;
		if (edit_chain_put(edit, chain, edit->count)) {
			edit_chain_free(chain);
			return -ENOMEM;
		}
		edit->builtin_count += from->hook >= 0;
		chain->policy = from->policy;
		chain->counted = (struct counter_plan){ COUNTER_KEEP, 0, from->counters };
		chain->references = from->references;
		chain->count = chain->unread = from->count;
		chain->start = from->start;
		chain->unread_bytes = (const uint8_t *)head + head->blob_at + from->start;
		chain->unread_size = from->size;
		chain->hook_mask = from->hook_mask;
		chain->stop = from->stop;
		chain->jumps = from->jumps;
		map->starts[map->count++] = (struct image_start){ from->start, chain };
	}
	return 0;
}

/* Batches in order; the first that is not whole ends the log: whoever wrote it did not come to its end. */
static int log_open(struct edit *edit, const struct image_head *head, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)head;
	struct image_map *map = edit->image;
	uint64_t at = head->log_at;

	while (len - at >= sizeof(struct log_batch)) {
		struct log_batch batch;
		int err;

		memcpy(&batch, bytes + at, sizeof(batch));
		if (batch.magic != LOG_BATCH_MAGIC || batch.size % 8 || batch.size > len - at - sizeof(batch) ||
		    batch.crc != (uint32_t)~crc32c(~0u, bytes + at + sizeof(batch), batch.size))
			break;
		err = edit_log_replay(edit, bytes + at + sizeof(batch), batch.size);
		if (err)
			return err;
		map->log_cost += batch.cost;
		at += sizeof(batch) + batch.size;
	}
	map->log_end = at;
	return 0;
}

static struct edit *edit_of_kind(struct instance *inst, uint8_t family, const struct table_kind *kind)
{
	struct edit *edit = calloc(1, sizeof(*edit));

	if (edit) {
		edit->inst = inst;
		edit->kind = kind;
		edit->family = family;
	}
	return edit;
}

int image_open(struct instance *inst, uint8_t family, const char *table, const struct image_bytes *bytes,
	       struct edit **out, struct refusal *why)
{
	const struct table_kind *kind = table_kind_find(table);
	const struct image_head *head = head_of(bytes->addr, bytes->len);
	struct edit *edit = kind ? edit_of_kind(inst, family, kind) : NULL;
	uint64_t rules = 0;
	int err;

	if (!edit || !(edit->image = calloc(1, sizeof(*edit->image)))) {
		bytes->release(bytes->addr, bytes->len);
		edit_free(edit);
		return kind ? refuse(why, -ENOMEM, "no memory") : refuse(why, -ENOENT, "unknown table '%s'", table);
	}
	edit->image->bytes = *bytes;
	if (!head || head->family != family || strcmp(head->replace.name, table)) {
		edit_free(edit);
		return refuse(why, -EINVAL, "table %s: what was kept of it is damaged", table);
	}
	edit->image->order = head->order;
	err = chains_open(edit, head);
	for (uint32_t i = 0; i < edit->count; i++)
		rules += edit->chains[i]->count;
	if (!err)
		err = edit_log_start(edit, LOG_COST_MIN + rules / 8);
	if (!err)
		err = log_open(edit, head, bytes->len);
	if (err) {
		edit_free(edit);
		return refuse(why, err, "table %s: what was kept of it is damaged (%s)", table, strerror(-err));
	}
	edit->log->cost_max -= MIN_OF(edit->image->log_cost, edit->log->cost_max);
	*out = edit;
	return 0;
}

int image_new(struct instance *inst, uint8_t family, const char *table, struct edit **out, struct refusal *why)
{
	const struct table_kind *kind = table_kind_find(table);
	struct edit *edit;
	int err = 0;

	if (!kind)
		return refuse(why, -ENOENT, "unknown table '%s'", table);
	edit = edit_of_kind(inst, family, kind);
	if (!edit)
		return refuse(why, -ENOMEM, "no memory");
	for (int hook = 0; !err && hook < NF_INET_NUMHOOKS; hook++) {
		struct edit_chain *chain;

		if (!(kind->valid_hooks & 1u << hook))
			continue;
		chain = edit_chain_new(edit, hook_chain_names[hook], hook);
		err = chain ? edit_chain_put(edit, chain, edit->builtin_count++) : -ENOMEM;
		if (err)
			break;
		chain->policy = -NF_ACCEPT - 1;
		chain->hook_mask = 1u << hook;
		chain->counted.map = COUNTER_KEEP;
	}
	if (!err)
		err = edit_log_start(edit, LOG_COST_MIN);
	if (err) {
		edit_free(edit);
		return refuse(why, err, "no memory");
	}
	*out = edit;
	return 0;
}

/* --- is the change allowed --- */

static void reach_set(struct edit_chain *chain, uint32_t mask)
{
	if (chain->hook_mask == mask)
		return;
	chain->hook_mask = mask;
	edit_log_add(chain->edit, LOG_REACH, chain->name, mask, NULL, 0, 1);
}

/* Any change makes libiptc forget what policies counted, unless the same commit says it. */
static void policies_forget(struct edit *edit)
{
	for (uint32_t i = 0; i < edit->builtin_count; i++)
		if (edit->chains[i]->counted.map == COUNTER_KEEP)
			edit->chains[i]->counted.counters = (struct xt_counters){ 0 };
}

static int check_whole(struct edit *edit, struct kept_rules *kept, struct refusal *why)
{
	uint32_t *starts = calloc(2 * (size_t)edit->count, sizeof(*starts)), *masks = starts + edit->count;
	struct edit_blob *blob = &edit->log->blob;
	int err;

	if (!starts)
		return refuse(why, -ENOMEM, "no memory");
	edit_blob_free(blob);
	policies_forget(edit);
	err = edit_blob_make(edit, blob, why);
	if (err)
		goto out;
	for (uint32_t i = 0; i < edit->count; i++)
		starts[i] = edit->chains[i]->start;
	err = ruleset_check(edit->inst, edit->family, &blob->head, blob->entries, blob->lines, starts, masks, edit->count, kept, why);
	for (uint32_t i = 0; !err && i < edit->count; i++)
		reach_set(edit->chains[i], masks[i]);
out:
	free(starts);
	return err;
}

/* A rule that changes nothing but itself: only its own extensions are asked. false: look at everything. */
static bool rule_is_fine(struct edit *edit, struct kept_rules *kept, struct edit_chain *chain, struct edit_rule *rule)
{
	const uint16_t size = entry_next_offset(rule->entry, edit->family);
	struct edit_chain *to = rule->kind == RULE_JUMP ? rule->jump : NULL;
	uint8_t *copy;
	bool fine;

	/* a jump to where nobody jumps on closes no loop; it brings new hooks only to rules that are there */
	if (to && (to == chain || to->jumps || (to->count && chain->hook_mask & ~to->hook_mask)))
		return false;
	copy = aligned_alloc(64, ALIGN_UP((size_t)size, (size_t)64));
	if (!copy)
		return false;
	memcpy(copy, rule->entry, size);
	if (rule->kind == RULE_JUMP || rule->kind == RULE_FALLTHROUGH)
		((struct xt_standard_target *)entry_target(copy, edit->family))->verdict = 8;
	kept_rules_need(kept, copy, edit->family);
	fine = !rule_check_alone(edit->inst, edit->family, edit->kind->name, copy, chain->hook_mask, NULL);
	free(copy);
	if (fine && to)
		reach_set(to, to->hook_mask | chain->hook_mask);
	return fine;
}

int image_check(struct table_source *from, struct edit *edit, struct refusal *why)
{
	struct kept_rules kept = { .from = from };
	struct edit_log *log = edit->log;
	bool fine = !log->doubtful;
	int err = 0;

	for (unsigned int i = 0; fine && i < log->fresh_count; i++)
		fine = rule_is_fine(edit, &kept, log->fresh[i].chain, log->fresh[i].rule);
	if (!fine)
		err = check_whole(edit, &kept, why);
	kept_rules_release(&kept);
	return err;
}

/* --- writing --- */

static void *head_make(struct edit *edit, uint64_t order, const struct edit_blob *blob, size_t *len)
{
	const size_t size = sizeof(struct image_head) + edit->count * sizeof(struct image_chain);
	struct image_head *head = calloc(1, size);
	struct image_chain *chains = (void *)(head + 1);

	if (!head)
		return NULL;
	memcpy(head->magic, image_magic, sizeof(head->magic));
	head->version = IMAGE_VERSION;
	head->family = edit->family;
	head->chains = edit->count;
	head->order = order;
	head->blob_at = size;
	head->log_at = ALIGN_UP(size + blob->head.size, (size_t)8);
	head->replace = blob->head;
	for (uint32_t i = 0; i < edit->count; i++) {
		const struct edit_chain *chain = edit->chains[i];
		struct image_chain *to = &chains[i];

		memcpy(to->name, chain->name, sizeof(chain->name));
		to->hook = chain->hook;
		to->policy = chain->policy;
		to->count = chain->count;
		to->references = chain->references;
		to->start = chain->start;
		to->hook_mask = chain->hook_mask;
		to->stop = chain->stop;
		to->jumps = chain->jumps;
		to->counters = chain->counted.counters;
		to->size = chain->size;
	}
	head->crc = (uint32_t)~crc32c(~0u, head, size);
	*len = size;
	return head;
}

int image_change_make(struct edit *edit, uint64_t order, struct image_change *out, struct refusal *why)
{
	struct edit_log *log = edit->log;
	int err;

	*out = (struct image_change){ .whole = !edit->image || log->overflow };
	if (out->whole) {
		if (log->blob.entries) {
			out->blob = log->blob;
			log->blob = (struct edit_blob){ 0 };
		} else {
			policies_forget(edit);
			err = edit_blob_make(edit, &out->blob, why);
			if (err)
				return err;
		}
		out->head = head_make(edit, edit->image ? edit->image->order : order, &out->blob, &out->head_len);
	} else {
		struct log_batch batch = {
			.magic = LOG_BATCH_MAGIC, .size = (uint32_t)log->records.len, .cost = log->cost,
			.crc = (uint32_t)~crc32c(~0u, sb_str(&log->records), log->records.len),
		};

		out->at = edit->image->log_end;
		out->head_len = sizeof(batch) + log->records.len;
		out->head = malloc(out->head_len);
		if (out->head) {
			memcpy(out->head, &batch, sizeof(batch));
			memcpy((uint8_t *)out->head + sizeof(batch), sb_str(&log->records), log->records.len);
		}
	}
	if (!out->head) {
		edit_blob_free(&out->blob);
		return refuse(why, -ENOMEM, "no memory");
	}
	return 0;
}

void image_change_free(struct image_change *change)
{
	edit_blob_free(&change->blob);
	free(change->head);
	*change = (struct image_change){ 0 };
}
