/*
 * hook/hook.c - who registered where. A hook's list is built aside and swapped, so that a hook function may
 * register and unregister, itself included, while its own hook is being walked: the walk under way does
 * not see newcomers, and steps over those that left.
 */
#include "hook/hook_internal.h"

#include <stdlib.h>

struct hooks *hooks_new(void)
{
	return calloc(1, sizeof(struct hooks));
}

void hooks_watch(struct hooks *hooks, uint64_t *changes)
{
	hooks->changes = changes;
}

static void note_change(struct hooks *hooks)
{
	if (hooks->changes)
		(*hooks->changes)++;
}

void hook_list_put(struct hook_list *list)
{
	if (list && --list->refs == 0)
		free(list);
}

void hooks_free(struct hooks *hooks)
{
	if (!hooks)
		return;
	for (int family = 0; family < HOOK_FAMILIES; family++)
		for (int hooknum = 0; hooknum < NF_INET_NUMHOOKS; hooknum++)
			hook_list_put(hooks->at[family][hooknum]);
	free(hooks);
}

static unsigned int accept_all(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	return NF_ACCEPT;
}

static struct hook_list *list_new(unsigned int count)
{
	struct hook_list *list = malloc(sizeof(*list) + count * sizeof(list->entry[0]));

	if (list) {
		list->refs = 1;
		list->count = count;
	}
	return list;
}

static int register_one(struct hooks *hooks, int family, const struct hook_ops *ops)
{
	struct hook_list **at = &hooks->at[family][ops->hooknum], *old = *at, *list;
	unsigned int count = old ? old->count : 0, i = 0;

	if (count >= HOOK_ENTRIES_MAX)
		return -E2BIG;
	list = list_new(count + 1);
	if (!list)
		return -ENOMEM;
	for (; i < count && old->entry[i].ops.priority < ops->priority; i++)
		list->entry[i] = old->entry[i];
	list->entry[i] = (struct hook_entry){ .ops = *ops, .id = hooks->next_id++ };
	for (; i < count; i++)
		list->entry[i + 1] = old->entry[i];
	*at = list;
	hook_list_put(old);
	note_change(hooks);
	return 0;
}

static int unregister_one(struct hooks *hooks, int family, const struct hook_ops *ops)
{
	struct hook_list **at = &hooks->at[family][ops->hooknum], *old = *at, *list = NULL;
	unsigned int count = old ? old->count : 0, i = 0;

	while (i < count && (old->entry[i].ops.fn != ops->fn || old->entry[i].ops.priv != ops->priv ||
			     old->entry[i].ops.priority != ops->priority))
		i++;
	if (i == count)
		return -ENOENT;
	old->entry[i].ops.fn = accept_all;	/* a walk under way may still come by */
	old->entry[i].ops.prefetch = NULL;
	note_change(hooks);
	if (count > 1) {
		list = list_new(count - 1);
		if (!list)
			return 0;		/* out of memory: the place stays taken, and says yes */
		memcpy(list->entry, old->entry, i * sizeof(list->entry[0]));
		memcpy(list->entry + i, old->entry + i + 1, (count - 1 - i) * sizeof(list->entry[0]));
	}
	*at = list;
	hook_list_put(old);
	return 0;
}

static bool families_of(const struct hook_ops *ops, int *from, int *to)
{
	*from = ops->family == NFPROTO_IPV6;
	*to = ops->family != NFPROTO_IPV4;
	return ops->hooknum < NF_INET_NUMHOOKS && ops->fn &&
	       (ops->family == NFPROTO_IPV4 || ops->family == NFPROTO_IPV6 || ops->family == NFPROTO_INET);
}

int hook_register(struct hooks *hooks, const struct hook_ops *ops)
{
	int from, to, err = 0;

	if (!families_of(ops, &from, &to))
		return -EINVAL;
	for (int family = from; family <= to && !err; family++) {
		err = register_one(hooks, family, ops);
		if (err && family > from)
			unregister_one(hooks, from, ops);
	}
	return err;
}

int hook_unregister(struct hooks *hooks, const struct hook_ops *ops)
{
	int from, to, err = 0;

	if (!families_of(ops, &from, &to))
		return -EINVAL;
	for (int family = from; family <= to; family++) {
		int one = unregister_one(hooks, family, ops);

		err = err ? err : one;
	}
	if (!err && hooks->left)
		hooks->left(hooks->left_priv);
	return err;
}

int hook_register_all(struct hooks *hooks, const struct hook_ops *ops, size_t count, void *priv)
{
	for (size_t i = 0; i < count; i++) {
		struct hook_ops one = ops[i];
		int err;

		one.priv = priv;
		err = hook_register(hooks, &one);
		if (err) {
			hook_unregister_all(hooks, ops, i, priv);
			return err;
		}
	}
	return 0;
}

void hook_unregister_all(struct hooks *hooks, const struct hook_ops *ops, size_t count, void *priv)
{
	for (size_t i = 0; i < count; i++) {
		struct hook_ops one = ops[i];

		one.priv = priv;
		hook_unregister(hooks, &one);
	}
}

void hooks_set_queue(struct hooks *hooks, queue_fn fn, void *priv)
{
	hooks->queue = fn;
	hooks->queue_priv = priv;
}

void hooks_set_left(struct hooks *hooks, void (*fn)(void *priv), void *priv)
{
	hooks->left = fn;
	hooks->left_priv = priv;
}
