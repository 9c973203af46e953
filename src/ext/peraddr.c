/* ext/peraddr.c - counters for each address of a network. */
#include "base/uapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "ext/peraddr.h"
#include "ext/state.h"

enum { BLOCK = 256, HOST_BITS_MAX = 24, NUMBERS_MAX = 128 };

struct peraddr {
	struct list node;
	struct instance *inst;
	unsigned int rules;
	int32_t number;
	char path[96];
	uint32_t net, mask, block_count;
	bool is_short;
	peraddr_print print;
	struct peraddr_slot **blocks;
};

struct peraddrs {
	struct list list;
	struct peraddr *numbered[NUMBERS_MAX];
};

static void tables_init(struct instance *inst, void *state)
{
	list_init(&((struct peraddrs *)state)->list);
}

static void tables_save(struct instance *inst, void *state, struct strbuf *out);
static bool tables_load(struct instance *inst, void *state, struct bytes_in *in);
static const struct ext_state_kind tables_kind = {
	.size = sizeof(struct peraddrs), .init = tables_init, .name = "peraddr", .save = tables_save, .load = tables_load,
};

static void table_print(void *priv, struct strbuf *out)
{
	const struct peraddr *t = priv;

	for (uint32_t b = 0; b < t->block_count; b++)
		for (uint32_t i = 0; t->blocks[b] && i < BLOCK; i++)
			if (t->blocks[b][i].last_ns)
				t->print(out, t->net + b * BLOCK + i, &t->blocks[b][i], t->inst);
}

static void table_clear(struct peraddr *t)
{
	for (uint32_t b = 0; b < t->block_count; b++) {
		free(t->blocks[b]);
		t->blocks[b] = NULL;
	}
}

/* "reset": all counters begin again. */
static int table_write(void *priv, const char *text, size_t len, struct refusal *why)
{
	if (len < 5 || memcmp(text, "reset", 5))
		return refuse(why, -EINVAL, "the file takes \"reset\"");
	table_clear(priv);
	return 0;
}

static int table_new(struct peraddrs *all, struct instance *inst, const char *path, uint32_t net, uint32_t mask,
		     peraddr_print print, bool is_short, struct peraddr **out, struct refusal *why)
{
	unsigned int host_bits = mask ? (unsigned int)__builtin_ctz(mask) : 0;
	struct peraddr *t = calloc(1, sizeof(*t));
	int32_t number = 0;
	struct proc_file file = { .path = path, .print = table_print, .write = table_write, .priv = t };
	int err = -ENOMEM;

	if (!t)
		return refuse(why, -ENOMEM, "no memory for %s", path);
	while (number < NUMBERS_MAX && all->numbered[number])
		number++;
	if (number == NUMBERS_MAX) {
		free(t);
		return refuse(why, -ENOSPC, "%s: there are %d tables already", path, NUMBERS_MAX);
	}
	*t = (struct peraddr){ .inst = inst, .rules = 1, .number = number, .net = net & mask, .mask = mask, .is_short = is_short, .print = print };
	t->block_count = host_bits > 8 ? 1u << (host_bits - 8) : 1;
	snprintf(t->path, sizeof(t->path), "%s", path);
	t->blocks = calloc(t->block_count, sizeof(*t->blocks));
	if (t->blocks)
		err = proc_register(inst->files, &file);
	if (err) {
		free(t->blocks);
		free(t);
		return refuse(why, err, "%s cannot be made", path);
	}
	list_append(&all->list, &t->node);
	all->numbered[number] = t;
	*out = t;
	return 0;
}

int peraddr_get(struct instance *inst, const char *path, uint32_t net, uint32_t mask, peraddr_print print, bool is_short,
		struct peraddr **out, struct refusal *why)
{
	struct peraddrs *all = ext_state(inst, &tables_kind);

	if (!all)
		return refuse(why, -ENOMEM, "no memory for %s", path);
	if (mask && (~mask & (~mask + 1) || mask >> HOST_BITS_MAX != UINT32_MAX >> HOST_BITS_MAX))
		return refuse(why, -EINVAL, "%s: a network has at most %d bits for hosts", path, HOST_BITS_MAX);
	list_for_each(node, &all->list) {
		struct peraddr *t = list_entry(node, struct peraddr, node);

		if (strcmp(t->path, path))
			continue;
		if (t->net != (net & mask) || t->mask != mask || t->is_short != is_short)
			return refuse(why, -EINVAL, "%s exists already, for another network", path);
		t->rules++;
		*out = t;
		return 0;
	}
	return table_new(all, inst, path, net, mask, print, is_short, out, why);
}

void peraddr_put(struct peraddr *t)
{
	if (--t->rules)
		return;
	((struct peraddrs *)ext_state_if_any(t->inst, &tables_kind))->numbered[t->number] = NULL;
	proc_unregister(t->inst->files, t->path);
	table_clear(t);
	free(t->blocks);
	list_remove(&t->node);
	free(t);
}

int32_t peraddr_number(const struct peraddr *t)
{
	return t->number;
}

struct peraddr *peraddr_numbered(const struct instance *inst, int32_t number)
{
	const struct peraddrs *all = ext_state_if_any(inst, &tables_kind);

	return all && number >= 0 && number < NUMBERS_MAX ? all->numbered[number] : NULL;
}

static struct peraddr_slot *slot_of(struct peraddr *t, uint32_t addr)
{
	uint32_t at = addr - t->net;

	if (!t->blocks[at / BLOCK])
		t->blocks[at / BLOCK] = calloc(BLOCK, sizeof(**t->blocks));
	return t->blocks[at / BLOCK] ? &t->blocks[at / BLOCK][at % BLOCK] : NULL;
}

static void count(struct peraddr *t, uint32_t addr, bool is_src, uint8_t proto, uint32_t len)
{
	struct peraddr_slot *slot = slot_of(t, addr);
	unsigned int kind = proto == IPPROTO_TCP ? 0 : proto == IPPROTO_UDP ? 1 : proto == IPPROTO_ICMP ? 2 : 3;
	struct peraddr_count *c;

	if (!slot)
		return;
	c = is_src ? &slot->src : &slot->dst;
	c->packets[kind]++;
	c->bytes[kind] += len;
	slot->last_ns = t->inst->now_ns;
}

void peraddr_add(struct peraddr *t, uint32_t saddr, uint32_t daddr, uint8_t proto, uint32_t len)
{
	if (!t->mask) {
		count(t, 0, true, proto, len);
		return;
	}
	if ((saddr & t->mask) == t->net)
		count(t, saddr, true, proto, len);
	if ((daddr & t->mask) == t->net)
		count(t, daddr, false, proto, len);
}

/* --- kept when the instance goes on elsewhere: every address that has something --- */

static void tables_save(struct instance *inst, void *state, struct strbuf *out)
{
	list_for_each(node, &((const struct peraddrs *)state)->list) {
		const struct peraddr *t = list_entry(node, struct peraddr, node);

		out_text(out, t->path);
		out_u32(out, t->net);
		out_u32(out, t->mask);
		for (uint32_t at = 0; at < t->block_count * BLOCK; at++) {
			const struct peraddr_slot *slot = t->blocks[at / BLOCK] ? &t->blocks[at / BLOCK][at % BLOCK] : NULL;

			if (!slot || !slot->last_ns)
				continue;
			out_u8(out, 1);
			out_u32(out, at);
			out_raw(out, slot, sizeof(*slot));
		}
		out_u8(out, 0);
	}
}

static struct peraddr *table_find(const struct peraddrs *all, const char *path, uint32_t net, uint32_t mask)
{
	list_for_each(node, &all->list) {
		struct peraddr *t = list_entry(node, struct peraddr, node);

		if (!strcmp(t->path, path) && t->net == net && t->mask == mask)
			return t;
	}
	return NULL;
}

static bool tables_load(struct instance *inst, void *state, struct bytes_in *in)
{
	while (in->at < in->end && !in->failed) {
		char path[sizeof(((struct peraddr *)0)->path)];
		struct peraddr *t;
		uint32_t net, mask;

		in_text(in, path, sizeof(path));
		net = in_u32(in);
		mask = in_u32(in);
		t = in->failed ? NULL : table_find(state, path, net, mask);
		while (in_u8(in)) {
			struct peraddr_slot read, *slot;
			const uint32_t at = in_u32(in);

			in_raw(in, &read, sizeof(read));
			if (in->failed || (t && at >= t->block_count * BLOCK))
				return false;
			slot = t ? slot_of(t, t->net + at) : NULL;
			if (slot)
				*slot = read;
		}
	}
	return !in->failed;
}
