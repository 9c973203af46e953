/*
 * hook/walk.c - asking everybody at one hook, in order, until one of them decides.
 * A queued packet remembers behind whom it stands, not at which place: others may come and go meanwhile.
 */
#include <stdlib.h>

#include "hook/hook_internal.h"
#include "hook/record.h"
#include "instance.h"
#include "packet/drop.h"
#include "path/path.h"

enum { REPEAT_MAX = 4096 };	/* a hook that repeats without end is broken: drop */

struct queued {
	struct hook_state state;
	int priority;
	uint64_t id;
	hook_fn fn;		/* who queued it */
	void *priv;
	struct path_key route_by;	/* what its route rests on; asked when it comes back changed */
};

static void walk_drop(struct instance *inst, struct pkt *pkt, const struct hook_state *state)
{
	pkt->hook = state;
	pkt_drop(inst, pkt, pkt->drop_reason ? pkt->drop_reason : DROP_HOOK);
}

/* NF_ACCEPT: nobody took it and bypass was asked for; NF_DROP, NF_STOLEN: it is gone. */
static unsigned int enqueue(struct pkt *pkt, const struct hook_state *state, const struct hook_entry *entry,
			    unsigned int verdict)
{
	struct instance *inst = state->inst;
	struct hooks *hooks = inst->hooks;
	struct queued *queued;
	int err = -ESRCH;

	if (hooks->queue) {
		queued = malloc(sizeof(*queued));
		err = -ENOMEM;
		if (queued) {
			*queued = (struct queued){ *state, entry->ops.priority, entry->id, entry->ops.fn,
						   entry->ops.priv, path_key_of(pkt) };
			pkt->hook = &queued->state;
			err = hooks->queue(hooks->queue_priv, pkt, &queued->state, verdict >> NF_VERDICT_QBITS);
			if (err >= 0)
				return NF_STOLEN;
			pkt->hook = state;
			free(queued);
		}
	}
	if (err == -ESRCH && verdict & NF_VERDICT_FLAG_QUEUE_BYPASS)
		return NF_ACCEPT;
	pkt->drop_reason = err == -ENOMEM ? DROP_NO_MEMORY : DROP_QUEUE;
	walk_drop(inst, pkt, state);
	return NF_DROP;
}

/* Walks @list from entry @i on; @list is held by the caller. */
static unsigned int walk_list(struct pkt *pkt, const struct hook_state *state, struct hook_list *list, unsigned int i)
{
	unsigned int repeats = 0;

	pkt->hook = state;
	while (i < list->count) {
		const struct hook_entry *entry = &list->entry[i];
		unsigned int verdict = entry->ops.fn(entry->ops.priv, pkt, state);

		switch (verdict & NF_VERDICT_MASK) {
		case NF_ACCEPT:
			i++;
			break;
		case NF_STOP:
			i = list->count;
			break;
		case NF_STOLEN:
			return NF_STOLEN;
		case NF_QUEUE:
			verdict = enqueue(pkt, state, entry, verdict);
			if (verdict != NF_ACCEPT)
				return verdict;
			i++;
			break;
		case NF_REPEAT:
			if (repeats++ < REPEAT_MAX)
				break;
			/* fallthrough */
		default:
			walk_drop(state->inst, pkt, state);
			return NF_DROP;
		}
	}
	pkt->hook = NULL;
	return NF_ACCEPT;
}

/* Somebody wants to know what this way rests on: everybody here must be able to say. */
static void record_hook(struct record *rec, const struct pkt *pkt, const struct hook_list *list)
{
	if (rec->pkt != pkt)
		rec->is_spoiled = true;		/* another packet, of this one's making */
	for (unsigned int i = 0; i < list->count; i++)
		if (!list->entry[i].ops.is_open)
			rec->is_spoiled = true;
}

unsigned int hook_walk(struct pkt *pkt, const struct hook_state *state)
{
	struct hook_list *list = hooks_at(state->inst->hooks, state->family, state->hooknum);
	unsigned int verdict;

	if (!list)
		return NF_ACCEPT;
	if (unlikely(state->inst->record))
		record_hook(state->inst->record, pkt, list);
	hook_list_get(list);
	verdict = walk_list(pkt, state, list, 0);
	hook_list_put(list);
	return verdict;
}

void hook_prefetch(struct pkt **burst, unsigned int count, const struct hook_state *state)
{
	struct hook_list *list = hooks_at(state->inst->hooks, state->family, state->hooknum);

	for (unsigned int i = 0; list && i < list->count; i++)
		if (list->entry[i].ops.prefetch)
			list->entry[i].ops.prefetch(list->entry[i].ops.priv, burst, count, state);
}

/* Who comes after the one that queued it, in the list as it is now. */
static unsigned int place_after(const struct hook_list *list, const struct queued *queued)
{
	unsigned int i = 0;

	while (i < list->count && (list->entry[i].ops.priority < queued->priority ||
				   (list->entry[i].ops.priority == queued->priority &&
				    list->entry[i].id >= queued->id)))
		i++;
	return i;
}

static unsigned int walk_on(struct pkt *pkt, const struct queued *queued)
{
	const struct hook_state *state = &queued->state;
	struct hook_list *list = hooks_at(state->inst->hooks, state->family, state->hooknum);
	unsigned int verdict;

	if (!list)
		return NF_ACCEPT;
	hook_list_get(list);
	verdict = walk_list(pkt, state, list, place_after(list, queued));
	hook_list_put(list);
	return verdict;
}

/* Once more, if it is still there. */
static unsigned int ask_again(struct pkt *pkt, const struct queued *queued)
{
	const struct hook_state *state = &queued->state;
	struct hook_list *list = hooks_at(state->inst->hooks, state->family, state->hooknum);
	unsigned int i = list ? place_after(list, queued) : 0, verdict = NF_ACCEPT;

	if (i && list->entry[i - 1].id == queued->id) {
		hook_list_get(list);
		verdict = list->entry[i - 1].ops.fn(list->entry[i - 1].ops.priv, pkt, state);
		hook_list_put(list);
	}
	return verdict;
}

/*
 * Verdicts are whole words, as in Linux: only a plain NF_ACCEPT asks those who come next; one with other bits, and NF_STOP, go
 * straight on. Who repeats and repeats again drops.
 */
void hook_reinject(struct instance *inst, struct pkt *pkt, unsigned int verdict)
{
	struct queued *queued = container_of(pkt->hook, struct queued, state);
	struct hook_entry behind = { .ops = { .fn = queued->fn, .priority = queued->priority, .priv = queued->priv },
				     .id = queued->id };

	if ((verdict == NF_ACCEPT || verdict == NF_REPEAT || verdict == NF_STOP) && !path_take_back(inst, pkt))
		verdict = NF_DROP;
	if (verdict == NF_REPEAT)
		verdict = ask_again(pkt, queued);
	if (verdict == NF_ACCEPT && !path_reroute(inst, pkt, &queued->state, &queued->route_by))
		verdict = NF_DROP;
	if ((verdict & NF_VERDICT_MASK) == NF_QUEUE) {
		verdict = enqueue(pkt, &queued->state, &behind, verdict);
		if (verdict == NF_DROP)
			verdict = NF_STOLEN;	/* it is gone already */
	}
	if (verdict == NF_ACCEPT) {
		verdict = walk_on(pkt, queued);
		if (verdict == NF_DROP)
			verdict = NF_STOLEN;
	}
	switch (verdict & NF_VERDICT_MASK) {
	case NF_ACCEPT:
	case NF_STOP:
		pkt->hook = NULL;
		path_continue(inst, pkt, &queued->state);
		break;
	case NF_STOLEN:
		break;
	default:
		if (!pkt->drop_reason)
			pkt->drop_reason = DROP_QUEUE;
		walk_drop(inst, pkt, &queued->state);
	}
	free(queued);
}
