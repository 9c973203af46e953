/*
 * table/tally.c - rules that are counted together.
 * The flow cache repeats one way for many packets: it counts them once for the whole way, and each rule on it gets its
 * part when somebody reads counters, or when the way or the rules end.
 */
#include <stdlib.h>

#include "table/table_internal.h"

static void fold(struct tally *tally)
{
	for (uint32_t i = 0; i < tally->count && tally->packets; i++) {
		tally->counted[i]->pcnt += tally->packets;
		tally->counted[i]->bcnt += tally->bytes;
	}
	tally->packets = tally->bytes = 0;
}

bool tally_open(struct instance *inst, struct tally *tally, struct xt_counters *const *counted, uint32_t count)
{
	*tally = (struct tally){ .count = count };
	tally->counted = malloc((count + 1) * sizeof(struct xt_counters *));
	if (!tally->counted)
		return false;
	memcpy(tally->counted, counted, count * sizeof(struct xt_counters *));
	list_append(&inst->tables->tallies, &tally->node);
	return true;
}

void tally_close(struct tally *tally)
{
	fold(tally);
	free(tally->counted);
	list_remove(&tally->node);
}

void tallies_fold(struct tables *tables)
{
	list_for_each(node, &tables->tallies)
		fold(list_entry(node, struct tally, node));
}

void tallies_settle(struct tables *tables)
{
	list_for_each(node, &tables->tallies) {
		fold(list_entry(node, struct tally, node));
		list_entry(node, struct tally, node)->count = 0;
	}
}
