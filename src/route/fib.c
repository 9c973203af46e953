/*
 * route/fib.c - the tables of both families: birth, death, and what is common to their routes.
 */
#include "route/route_internal.h"

#include <stdlib.h>

struct fib_table *fib_table_find(struct fib *fib, uint8_t family, uint32_t id)
{
	struct fib_family *f = fib_family(fib, family);

	if (id == RT_TABLE_MAIN)
		return f->main;
	if (id == RT_TABLE_LOCAL)
		return f->local;
	list_for_each(node, &f->tables) {
		struct fib_table *table = list_entry(node, struct fib_table, node);

		if (table->id == id)
			return table;
	}
	return NULL;
}

struct fib_table *fib_table_make(struct fib *fib, uint8_t family, uint32_t id)
{
	struct fib_family *f = fib_family(fib, family);
	struct fib_table *table = fib_table_find(fib, family, id);

	if (table)
		return table;
	/* IPv4's local table begins its life inside main: neither exists without the other. */
	if (family == NFPROTO_IPV4 && id == RT_TABLE_LOCAL && !f->custom_rules &&
	    !fib_table_make(fib, family, RT_TABLE_MAIN))
		return NULL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->id = id;
	table->family = family;
	prefix_map_init(&table->map);
	list_append(&f->tables, &table->node);
	if (id == RT_TABLE_MAIN)
		f->main = table;
	else if (id == RT_TABLE_LOCAL)
		f->local = table;
	else if (id == RT_TABLE_DEFAULT)
		f->def = table;
	return table;
}

void fib_entry_free(struct fib *fib, struct route_entry *entry)
{
	struct prefix_leaf *leaf = entry->leaf;

	list_remove(&entry->dev_node);
	list_remove(&entry->node);
	if (list_is_empty(&leaf->routes))
		prefix_map_drop(&entry->table->map, leaf);
	free(entry);
	fib_changed(fib);
}

unsigned int fib_sweep(struct fib *fib, bool (*drop)(const struct route_entry *entry, const void *arg),
		       const void *arg)
{
	unsigned int count = 0;

	list_for_each_safe(node, &fib->entries) {
		struct route_entry *entry = list_entry(node, struct route_entry, dev_node);

		if (drop(entry, arg)) {
			fib_entry_free(fib, entry);
			count++;
		}
	}
	return count;
}

/* The bounds of the metrics: what fits an IP packet with its link header. */
static uint32_t bounded_mtu(const struct route_spec *spec)
{
	return spec->family == NFPROTO_IPV4 ? MIN_OF(spec->mtu, 65535u - 15) : MIN_OF(spec->mtu, 65535u - 15);
}

void fib_entry_set_metrics(struct route_entry *entry, const struct route_spec *spec)
{
	entry->mtu = bounded_mtu(spec);
	entry->advmss = MIN_OF(spec->advmss, 65535u - 40);
	entry->hoplimit = spec->hoplimit;
	entry->mtu_lock = spec->mtu_lock;
	entry->realm = spec->realm;
}

bool fib_entry_same_metrics(const struct route_entry *entry, const struct route_spec *spec)
{
	return (!spec->mtu || entry->mtu == spec->mtu) && (!spec->advmss || entry->advmss == spec->advmss) &&
	       (!spec->hoplimit || entry->hoplimit == spec->hoplimit);
}

static int family_init(struct fib_family *f)
{
	list_init(&f->tables);
	list_init(&f->rules);
	return 0;
}

static void family_clear(struct fib_family *f)
{
	list_for_each_safe(node, &f->tables) {
		struct fib_table *table = list_entry(node, struct fib_table, node);

		prefix_map_clear(&table->map);
		list_remove(&table->node);
		free(table);
	}
}

static bool drop_all(const struct route_entry *entry, const void *arg)
{
	return true;
}

struct fib *fib_new(struct instance *inst)
{
	struct fib *fib = calloc(1, sizeof(*fib));

	if (!fib)
		return NULL;
	fib->cache = calloc(FIB_CACHE_SLOTS, sizeof(*fib->cache));
	if (!fib->cache) {
		free(fib);
		return NULL;
	}
	fib->inst = inst;
	list_init(&fib->entries);
	family_init(&fib->v4);
	family_init(&fib->v6);
	/* IPv6 has its tables from the start, IPv4 makes them when the first route comes. */
	if (fib_rules_init(fib) < 0 || conf_init(fib) < 0 || !fib_table_make(fib, NFPROTO_IPV6, RT_TABLE_LOCAL) ||
	    !fib_table_make(fib, NFPROTO_IPV6, RT_TABLE_MAIN)) {
		fib_free(inst, fib);
		return NULL;
	}
	return fib;
}

void fib_free(struct instance *inst, struct fib *fib)
{
	if (!fib)
		return;
	fib_sweep(fib, drop_all, NULL);
	fib_rules_clear(fib);
	family_clear(&fib->v4);
	family_clear(&fib->v6);
	for (unsigned int i = 0; i < ADDR_HASH_BUCKETS; i++) {
		fib->addr_hash4[i] = NULL;	/* the records belong to the interfaces' lists */
		fib->addr_hash6[i] = NULL;
	}
	conf_clear(fib);
	free(fib->cache);
	free(fib);
}
