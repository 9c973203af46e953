/*
 * ext/mmdb.c - see mmdb.h. The database is a binary tree over the bits of an address, with a record at each leaf. It is
 * walked once, lower addresses first, when a rule is loaded; packets then see ranges. What the file says is not trusted: the
 * library checks each record, and here the tree may not be deeper than an address or wider than its nodes can make it.
 */
#include "base/uapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "ext/mmdb.h"

bool is_mmdb_path(const char *path)
{
	const size_t len = strlen(path);

	return len > 5 && !strcmp(path + len - 5, ".mmdb");
}

#ifdef WEIR_HAS_MMDB

#include <maxminddb.h>

/* Parts of the tree may stand for several prefixes (IPv4 in IPv6: mapped, 6to4, Teredo), but not for ever so many. */
enum { ALIASES_MAX = 8, SEEN_SLOTS = 4096, COUNT_MAX = 1 << 24 };

struct mmdb_walk {
	MMDB_s db;
	const char *name;
	unsigned int bits;		/* of an address */
	uint8_t width;
	uint8_t addr[16];		/* where we are */
	uint64_t visits_left;
	struct georanges *ranges;
	uint32_t cap;
	struct { uint32_t offset; bool is_known, is_ours; } seen[SEEN_SLOTS];	/* records already read */
};

static bool text_is(const MMDB_entry_data_s *value, const char *name)
{
	return value->has_data && value->type == MMDB_DATA_TYPE_UTF8_STRING && value->data_size == strlen(name) &&
	       !strncasecmp(value->utf8_string, name, value->data_size);
}

/* Is this the record of what we look for? Negative: it cannot be read. */
static int record_is_ours(struct mmdb_walk *w, MMDB_entry_s *entry)
{
	const unsigned int slot = entry->offset * 2654435761u % SEEN_SLOTS;
	const bool by_number = strlen(w->name) != 2 || (w->name[0] >= '0' && w->name[0] <= '9' && w->name[1] >= '0' && w->name[1] <= '9');
	MMDB_entry_data_s value = { 0 };
	bool ours = false;
	int err;

	if (w->seen[slot].is_known && w->seen[slot].offset == entry->offset)
		return w->seen[slot].is_ours;
	if (by_number) {
		err = MMDB_get_value(entry, &value, "autonomous_system_number", NULL);
		ours = !err && value.has_data && value.type == MMDB_DATA_TYPE_UINT32 && value.uint32 == strtoul(w->name, NULL, 10);
	} else {
		err = MMDB_get_value(entry, &value, "country", "iso_code", NULL);
		if (err || !value.has_data)	/* nobody knows where it is, but who registered it */
			err = MMDB_get_value(entry, &value, "registered_country", "iso_code", NULL);
		ours = !err && text_is(&value, w->name);
	}
	if (err && err != MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR && err != MMDB_INVALID_LOOKUP_PATH_ERROR)
		return -EINVAL;
	w->seen[slot].offset = entry->offset;
	w->seen[slot].is_known = true;
	w->seen[slot].is_ours = ours;
	return ours;
}

static bool follows(const uint8_t *last, const uint8_t *first, uint8_t width)
{
	uint8_t next[16];

	memcpy(next, last, width);
	for (int i = width - 1; i >= 0 && !++next[i]; i--)
		if (!i)
			return false;	/* beyond the last address */
	return !memcmp(next, first, width);
}

/* All addresses that begin with the first @depth bits of w->addr. */
static int range_add(struct mmdb_walk *w, unsigned int depth)
{
	uint8_t last[16], *pair;

	memcpy(last, w->addr, w->width);
	for (unsigned int bit = depth; bit < w->bits; bit++)
		last[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	pair = w->ranges->bytes + (size_t)w->ranges->count * 2 * w->width;
	if (w->ranges->count && follows(pair - w->width, w->addr, w->width)) {
		memcpy(pair - w->width, last, w->width);
		return 0;
	}
	if (w->ranges->count == w->cap) {
		const uint32_t cap = 2 * w->cap;
		struct georanges *grown = cap > COUNT_MAX ? NULL : realloc(w->ranges, sizeof(*grown) + (size_t)cap * 2 * w->width);

		if (!grown)
			return -ENOMEM;
		w->ranges = grown;
		w->cap = cap;
		pair = grown->bytes + (size_t)grown->count * 2 * w->width;
	}
	memcpy(pair, w->addr, w->width);
	memcpy(pair + w->width, last, w->width);
	w->ranges->count++;
	return 0;
}

static int walk_node(struct mmdb_walk *w, uint32_t node, unsigned int depth);

static int walk_record(struct mmdb_walk *w, uint8_t type, uint64_t record, MMDB_entry_s *entry, unsigned int depth)
{
	int ours;

	switch (type) {
	case MMDB_RECORD_TYPE_EMPTY:
		return 0;
	case MMDB_RECORD_TYPE_SEARCH_NODE:
		return walk_node(w, (uint32_t)record, depth);
	case MMDB_RECORD_TYPE_DATA:
		ours = record_is_ours(w, entry);
		return ours > 0 ? range_add(w, depth) : ours;
	}
	return -EINVAL;
}

static int walk_node(struct mmdb_walk *w, uint32_t node, unsigned int depth)
{
	MMDB_search_node_s n;
	int err;

	if (depth >= w->bits || !w->visits_left-- || MMDB_read_node(&w->db, node, &n) != MMDB_SUCCESS)
		return -EINVAL;
	err = walk_record(w, n.left_record_type, n.left_record, &n.left_record_entry, depth + 1);
	if (err)
		return err;
	w->addr[depth / 8] |= (uint8_t)(0x80 >> depth % 8);
	err = walk_record(w, n.right_record_type, n.right_record, &n.right_record_entry, depth + 1);
	w->addr[depth / 8] &= (uint8_t)~(0x80 >> depth % 8);
	return err;
}

/* IPv4 in a tree for IPv6 stands below 96 zero bits; an earlier leaf there speaks for all of it. */
static int walk_ipv4_in_ipv6(struct mmdb_walk *w)
{
	uint32_t node = 0;

	for (unsigned int depth = 0; depth < 96; depth++) {
		MMDB_search_node_s n;

		if (MMDB_read_node(&w->db, node, &n) != MMDB_SUCCESS)
			return -EINVAL;
		if (n.left_record_type != MMDB_RECORD_TYPE_SEARCH_NODE)
			return walk_record(w, n.left_record_type, n.left_record, &n.left_record_entry, 0);
		node = (uint32_t)n.left_record;
	}
	return walk_node(w, node, 0);
}

int mmdb_ranges(const char *path, const char *name, uint8_t family, struct georanges **out, struct refusal *why)
{
	struct mmdb_walk *w = calloc(1, sizeof(*w));
	const uint8_t width = family == NFPROTO_IPV4 ? 4 : 16;
	int err;

	if (!w)
		return refuse(why, -ENOMEM, "no memory for %s", path);
	err = MMDB_open(path, MMDB_MODE_MMAP, &w->db);
	if (err) {
		free(w);
		return refuse(why, err == MMDB_FILE_OPEN_ERROR ? -ENOENT : -EINVAL, "%s: %s", path, MMDB_strerror(err));
	}
	w->name = name;
	w->width = width;
	w->bits = width * 8u;
	w->visits_left = (uint64_t)w->db.metadata.node_count * ALIASES_MAX + 256;
	w->cap = 64;
	w->ranges = malloc(sizeof(*w->ranges) + (size_t)w->cap * 2 * width);
	if (!w->ranges) {
		err = -ENOMEM;
	} else {
		*w->ranges = (struct georanges){ .shares = 1, .width = width };
		if (w->db.metadata.ip_version == (family == NFPROTO_IPV4 ? 4 : 6))
			err = walk_node(w, 0, 0);
		else if (family == NFPROTO_IPV4)
			err = walk_ipv4_in_ipv6(w);
	}
	MMDB_close(&w->db);
	if (err)
		refuse(why, err, err == -ENOMEM ? "no memory for %s" : "%s is damaged: its tree is not one, or a record cannot be read", path);
	else if (!w->ranges->count)
		err = refuse(why, -ENOENT, "%s has no IPv%d addresses of %s", path, family == NFPROTO_IPV4 ? 4 : 6, name);
	if (err)
		free(w->ranges);
	else
		*out = w->ranges;
	free(w);
	return err;
}

#else

int mmdb_ranges(const char *path, const char *name, uint8_t family, struct georanges **out, struct refusal *why)
{
	return refuse(why, -EOPNOTSUPP, "%s: this weir was built without libmaxminddb", path);
}

#endif
