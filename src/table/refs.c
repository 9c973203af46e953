/*
 * table/refs.c - rule references outlive the rule set they came from: a queued packet or a report may hold
 * one. Equal references are one object, so that loading a rule set a thousand times costs no more than once.
 */
#include "table/table_internal.h"

#include <stdlib.h>

#include "base/crew.h"

struct ref_node {
	struct ref_node *next;
	struct table_rule_ref ref;
};

struct text_node {
	struct text_node *next;
	char text[];
};

struct ref_pool {
	uint8_t lock;			/* who makes rules is beside workers, one of whom asks for a name */
	struct ref_node **refs;
	struct text_node **texts;
	size_t ref_count, ref_buckets, text_count, text_buckets;	/* buckets: powers of two */
};

enum { POOL_BUCKETS_MIN = 64 };

struct ref_pool *ref_pool_new(void)
{
	struct ref_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->ref_buckets = pool->text_buckets = POOL_BUCKETS_MIN;
	pool->refs = calloc(pool->ref_buckets, sizeof(*pool->refs));
	pool->texts = calloc(pool->text_buckets, sizeof(*pool->texts));
	if (!pool->refs || !pool->texts) {
		ref_pool_free(pool);
		return NULL;
	}
	return pool;
}

void ref_pool_free(struct ref_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; pool->refs && i < pool->ref_buckets; i++) {
		for (struct ref_node *node = pool->refs[i], *next; node; node = next) {
			next = node->next;
			free(node);
		}
	}
	for (size_t i = 0; pool->texts && i < pool->text_buckets; i++) {
		for (struct text_node *node = pool->texts[i], *next; node; node = next) {
			next = node->next;
			free(node);
		}
	}
	free(pool->refs);
	free(pool->texts);
	free(pool);
}

/* FNV-1a: names come from the administrator, not from the network. */
static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h ^ h >> 29;
}

static uint64_t text_hash(const char *text)
{
	return mix(0xcbf29ce484222325ull, text, strlen(text));
}

static uint64_t ref_hash(const struct table_rule_ref *ref)
{
	uint64_t h = 0xcbf29ce484222325ull;

	h = mix(h, &ref->table, sizeof(ref->table));
	h = mix(h, &ref->chain, sizeof(ref->chain));
	h = mix(h, &ref->file, sizeof(ref->file));
	h = mix(h, &ref->number, sizeof(ref->number));
	h = mix(h, &ref->line, sizeof(ref->line));
	return mix(h, &ref->family, sizeof(ref->family));
}

static void grow_texts(struct ref_pool *pool)
{
	size_t buckets = pool->text_buckets * 2;
	struct text_node **table = calloc(buckets, sizeof(*table));

	if (!table)
		return;		/* longer chains, nothing worse */
	for (size_t i = 0; i < pool->text_buckets; i++) {
		for (struct text_node *node = pool->texts[i], *next; node; node = next) {
			struct text_node **at = &table[text_hash(node->text) & (buckets - 1)];

			next = node->next;
			node->next = *at;
			*at = node;
		}
	}
	free(pool->texts);
	pool->texts = table;
	pool->text_buckets = buckets;
}

static const char *text_intern(struct ref_pool *pool, const char *text)
{
	uint64_t hash = text_hash(text);
	size_t len = strlen(text) + 1;
	struct text_node *node;

	for (node = pool->texts[hash & (pool->text_buckets - 1)]; node; node = node->next)
		if (!strcmp(node->text, text))
			return node->text;
	if (pool->text_count >= pool->text_buckets)
		grow_texts(pool);
	node = malloc(sizeof(*node) + len);
	if (!node)
		return NULL;
	memcpy(node->text, text, len);
	node->next = pool->texts[hash & (pool->text_buckets - 1)];
	pool->texts[hash & (pool->text_buckets - 1)] = node;
	pool->text_count++;
	return node->text;
}

static void grow_refs(struct ref_pool *pool)
{
	size_t buckets = pool->ref_buckets * 2;
	struct ref_node **table = calloc(buckets, sizeof(*table));

	if (!table)
		return;
	for (size_t i = 0; i < pool->ref_buckets; i++) {
		for (struct ref_node *node = pool->refs[i], *next; node; node = next) {
			struct ref_node **at = &table[ref_hash(&node->ref) & (buckets - 1)];

			next = node->next;
			node->next = *at;
			*at = node;
		}
	}
	free(pool->refs);
	pool->refs = table;
	pool->ref_buckets = buckets;
}

const char *ref_intern_text(struct ref_pool *pool, const char *text)
{
	const char *own;

	spin_lock(&pool->lock);
	own = text_intern(pool, text);
	spin_unlock(&pool->lock);
	return own;
}

static const struct table_rule_ref *intern(struct ref_pool *pool, const struct table_rule_ref *ref)
{
	struct table_rule_ref key = *ref;
	struct ref_node *node;
	uint64_t hash;

	/* texts are unique already: pointers compare */
	key.table = text_intern(pool, ref->table);
	key.chain = text_intern(pool, ref->chain);
	key.file = ref->file ? text_intern(pool, ref->file) : NULL;
	if (!key.table || !key.chain || (ref->file && !key.file))
		return NULL;
	hash = ref_hash(&key);
	for (node = pool->refs[hash & (pool->ref_buckets - 1)]; node; node = node->next) {
		if (node->ref.table == key.table && node->ref.chain == key.chain && node->ref.file == key.file &&
		    node->ref.number == key.number && node->ref.line == key.line && node->ref.family == key.family)
			return &node->ref;
	}
	if (pool->ref_count >= pool->ref_buckets)
		grow_refs(pool);
	node = malloc(sizeof(*node));
	if (!node)
		return NULL;
	node->ref = key;
	node->next = pool->refs[hash & (pool->ref_buckets - 1)];
	pool->refs[hash & (pool->ref_buckets - 1)] = node;
	pool->ref_count++;
	return &node->ref;
}

const struct table_rule_ref *ref_intern(struct ref_pool *pool, const struct table_rule_ref *ref)
{
	const struct table_rule_ref *own;

	spin_lock(&pool->lock);
	own = intern(pool, ref);
	spin_unlock(&pool->lock);
	return own;
}
