/* ext/addons.c - numbers that rules share by name. */
#include "base/uapi.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "ext/addons.h"
#include "ext/state.h"

struct shared_numbers { struct list list; };

static void numbers_init(struct instance *inst, void *state)
{
	list_init(&((struct shared_numbers *)state)->list);
}

static void numbers_save(struct instance *inst, void *state, struct strbuf *out)
{
	const struct shared_numbers *all = state;

	list_for_each(node, &all->list) {
		const struct shared_number *number = list_entry(node, struct shared_number, node);

		out_text(out, number->path);
		out_u64(out, number->value);
	}
}

static bool numbers_load(struct instance *inst, void *state, struct bytes_in *in)
{
	const struct shared_numbers *all = state;

	while (in->at < in->end && !in->failed) {
		char path[sizeof(((struct shared_number *)0)->path)];
		uint64_t value;

		in_text(in, path, sizeof(path));
		value = in_u64(in);
		list_for_each(node, &all->list) {
			struct shared_number *number = list_entry(node, struct shared_number, node);

			if (!in->failed && strcmp(number->path, path) == 0)
				number->value = value;
		}
	}
	inst->changes++;
	return !in->failed;
}

static const struct ext_state_kind numbers_kind = {
	.size = sizeof(struct shared_numbers), .init = numbers_init, .name = "numbers", .save = numbers_save, .load = numbers_load,
};

static void number_print(void *priv, struct strbuf *out)
{
	sb_printf(out, "%" PRIu64 "\n", ((struct shared_number *)priv)->value);
}

struct shared_number *shared_number_get(struct instance *inst, const char *path, uint64_t initial, shared_number_write write,
					struct refusal *why)
{
	struct shared_numbers *all = ext_state(inst, &numbers_kind);
	struct shared_number *number;
	struct proc_file file = { .path = path, .print = number_print, .write = write };

	if (all) {
		list_for_each(node, &all->list) {
			number = list_entry(node, struct shared_number, node);
			if (strcmp(number->path, path) == 0) {
				number->rules++;
				return number;
			}
		}
	}
	number = all && strlen(path) < sizeof(number->path) ? calloc(1, sizeof(*number)) : NULL;
	file.priv = number;
	if (!number || proc_register(inst->files, &file)) {
		free(number);
		refuse(why, -ENOMEM, "%s cannot be made", path);
		return NULL;
	}
	number->inst = inst;
	number->rules = 1;
	number->value = initial;
	snprintf(number->path, sizeof(number->path), "%s", path);
	list_append(&all->list, &number->node);
	return number;
}

void shared_number_put(struct shared_number *number)
{
	if (--number->rules)
		return;
	proc_unregister(number->inst->files, number->path);
	list_remove(&number->node);
	free(number);
}

bool is_shared_name(const char *name, size_t size)
{
	size_t len = strnlen(name, size);

	return len && len < size && *name != '.' && !strchr(name, '/');
}
