/* ext/state.c - a short list of blocks, one per kind of extension that remembers. */
#include "ext/state.h"
#include "ext/ext.h"

#include <stdlib.h>

struct ext_state_block {
	struct ext_state_block *next;
	const struct ext_state_kind *kind;
	_Alignas(max_align_t) uint8_t state[];
};

void *ext_state_if_any(const struct instance *inst, const struct ext_state_kind *kind)
{
	for (struct ext_state_block *block = inst->ext_states; block; block = block->next)
		if (block->kind == kind)
			return block->state;
	return NULL;
}

void *ext_state(struct instance *inst, const struct ext_state_kind *kind)
{
	void *state = ext_state_if_any(inst, kind);
	struct ext_state_block *block;

	if (state)
		return state;
	block = calloc(1, sizeof(*block) + kind->size);
	if (!block)
		return NULL;
	block->kind = kind;
	block->next = inst->ext_states;
	inst->ext_states = block;
	if (kind->init)
		kind->init(inst, block->state);
	return block->state;
}

void ext_states_free(struct instance *inst)
{
	struct ext_state_block *block;

	while ((block = inst->ext_states)) {
		inst->ext_states = block->next;
		if (block->kind->end)
			block->kind->end(inst, block->state);
		free(block);
	}
}

void ext_states_save(struct instance *inst, struct strbuf *out)
{
	struct strbuf one = STRBUF_INIT;

	for (struct ext_state_block *block = inst->ext_states; block; block = block->next) {
		if (!block->kind->save)
			continue;
		sb_reset(&one);
		block->kind->save(inst, block->state, &one);
		out_text(out, block->kind->name);
		out_u64(out, one.len);
		out_raw(out, sb_str(&one), one.len);
	}
	sb_free(&one);
}

int ext_states_load(struct instance *inst, const void *bytes, size_t len, struct refusal *why)
{
	struct bytes_in in = { bytes, (const uint8_t *)bytes + len };
	char name[32];

	while (in.at < in.end && !in.failed) {
		struct bytes_in part;
		uint64_t part_len;

		in_text(&in, name, sizeof(name));
		part_len = in_u64(&in);
		part.at = part_len <= (uint64_t)(in.end - in.at) ? in_take(&in, part_len) : NULL;
		if (!part.at || in.failed)
			break;
		part.end = part.at + part_len;
		part.failed = false;
		for (struct ext_state_block *block = inst->ext_states; block; block = block->next)
			if (block->kind->load && strcmp(block->kind->name, name) == 0 &&
			    (!block->kind->load(inst, block->state, &part) || part.failed))
				return refuse(why, -EINVAL, "what rules remember (%s) is damaged", name);
	}
	return in.at == in.end && !in.failed ? 0 : refuse(why, -EINVAL, "what rules remember is damaged");
}

int ext_file_name_check(const char *ext_name, const char *name, size_t size, struct refusal *why)
{
	if (!name[0])
		return refuse(why, -EINVAL, "%s: the name is empty", ext_name);
	if (strnlen(name, size) == size)
		return refuse(why, -ENAMETOOLONG, "%s: the name does not end", ext_name);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
		return refuse(why, -EINVAL, "%s: \"%s\" cannot be the name of a file", ext_name, name);
	return 0;
}
