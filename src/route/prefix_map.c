/*
 * route/prefix_map.c - longest prefix match: one hash table per prefix length, tried longest first.
 *
 * Real tables use few lengths (a full IPv4 table about 25), and a miss costs one probe of a bucket array.
 * The keys are the administrator's, so a fixed mixing function will do.
 */
#include "route/route_internal.h"

#include <stdlib.h>

static uint32_t prefix_hash(struct prefix p)
{
	uint64_t h = (p.hi ^ (p.lo * 0x9e3779b97f4a7c15ull)) * 0xd6e8feb86659fd93ull;

	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return (uint32_t)(h >> 32);
}

void prefix_map_init(struct prefix_map *map)
{
	memset(map, 0, sizeof(*map));
}

void prefix_map_clear(struct prefix_map *map)
{
	for (unsigned int plen = 0; plen < ARRAY_SIZE(map->level); plen++) {
		struct prefix_level *level = &map->level[plen];

		for (uint32_t i = 0; level->buckets && i <= level->mask; i++)
			while (level->buckets[i]) {
				struct prefix_leaf *leaf = level->buckets[i];

				level->buckets[i] = leaf->next;
				free(leaf);
			}
		free(level->buckets);
	}
	prefix_map_init(map);
}

static struct prefix_leaf *level_get(const struct prefix_level *level, struct prefix prefix)
{
	struct prefix_leaf *leaf;

	if (!level->buckets)
		return NULL;
	for (leaf = level->buckets[prefix_hash(prefix) & level->mask]; leaf; leaf = leaf->next)
		if (prefix_equal(leaf->prefix, prefix))
			return leaf;
	return NULL;
}

struct prefix_leaf *prefix_map_get(const struct prefix_map *map, struct prefix prefix, unsigned int plen)
{
	return level_get(&map->level[plen], prefix_cut(prefix, plen));
}

/* Doubles the buckets when the chains get long. Failing to is slow, not wrong. */
static void level_grow(struct prefix_level *level)
{
	uint32_t mask = level->mask * 2 + 1;
	struct prefix_leaf **buckets = calloc((size_t)mask + 1, sizeof(*buckets));

	if (!buckets)
		return;
	for (uint32_t i = 0; i <= level->mask; i++)
		while (level->buckets[i]) {
			struct prefix_leaf *leaf = level->buckets[i];
			struct prefix_leaf **to = &buckets[prefix_hash(leaf->prefix) & mask];

			level->buckets[i] = leaf->next;
			leaf->next = *to;
			*to = leaf;
		}
	free(level->buckets);
	level->buckets = buckets;
	level->mask = mask;
}

static void lens_add(struct prefix_map *map, unsigned int plen)
{
	unsigned int i = map->len_count++;

	for (; i > 0 && map->lens[i - 1] < plen; i--)
		map->lens[i] = map->lens[i - 1];
	map->lens[i] = (uint8_t)plen;
}

static void lens_remove(struct prefix_map *map, unsigned int plen)
{
	unsigned int i = 0;

	while (map->lens[i] != plen)
		i++;
	map->len_count--;
	memmove(&map->lens[i], &map->lens[i + 1], map->len_count - i);
}

struct prefix_leaf *prefix_map_make(struct prefix_map *map, struct prefix prefix, unsigned int plen)
{
	struct prefix_level *level = &map->level[plen];
	struct prefix_leaf *leaf = prefix_map_get(map, prefix, plen);
	struct prefix_leaf **to;

	if (leaf)
		return leaf;
	if (!level->buckets) {
		level->buckets = calloc(4, sizeof(*level->buckets));
		if (!level->buckets)
			return NULL;
		level->mask = 3;
	} else if (level->count > level->mask) {
		level_grow(level);
	}
	leaf = calloc(1, sizeof(*leaf));
	if (!leaf)
		return NULL;
	leaf->prefix = prefix_cut(prefix, plen);
	leaf->plen = (uint8_t)plen;
	list_init(&leaf->routes);
	to = &level->buckets[prefix_hash(leaf->prefix) & level->mask];
	leaf->next = *to;
	*to = leaf;
	if (level->count++ == 0)
		lens_add(map, plen);
	return leaf;
}

void prefix_map_drop(struct prefix_map *map, struct prefix_leaf *leaf)
{
	struct prefix_level *level = &map->level[leaf->plen];
	struct prefix_leaf **at = &level->buckets[prefix_hash(leaf->prefix) & level->mask];

	while (*at != leaf)
		at = &(*at)->next;
	*at = leaf->next;
	if (--level->count == 0)
		lens_remove(map, leaf->plen);
	free(leaf);
}

struct prefix_leaf *prefix_map_next(const struct prefix_map *map, struct prefix addr, unsigned int *pos)
{
	while (*pos < map->len_count) {
		unsigned int plen = map->lens[(*pos)++];
		struct prefix_leaf *leaf = level_get(&map->level[plen], prefix_cut(addr, plen));

		if (leaf)
			return leaf;
	}
	return NULL;
}
