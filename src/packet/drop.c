/* packet/drop.c - the end of a packet, told to whoever watches. */
#include "packet/drop.h"

#include "hook/hook.h"
#include "instance.h"

static const struct { const char *word, *sentence; } drop_reasons[DROP_REASON_COUNT] = {
#define DROP_TEXT(name, word, sentence) [DROP_##name] = { word, sentence },
	DROP_REASONS(DROP_TEXT)
#undef DROP_TEXT
};

const char *drop_reason_word(enum drop_reason reason)
{
	return reason < DROP_REASON_COUNT ? drop_reasons[reason].word : "unknown";
}

const char *drop_reason_sentence(enum drop_reason reason)
{
	return reason < DROP_REASON_COUNT ? drop_reasons[reason].sentence : "unknown";
}

void pkt_drop(struct instance *inst, struct pkt *pkt, enum drop_reason reason)
{
	pkt->drop_reason = (uint16_t)reason;
	if (pkt->hook)
		pkt->drop_hook = pkt->hook->hooknum;
	if (inst->observer.drop)
		inst->observer.drop(inst->observer.priv, pkt);
	pkt_free(inst, pkt);
}
