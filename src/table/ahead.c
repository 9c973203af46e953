/*
 * table/ahead.c - long chains asked for a whole burst before its packets come to them one by one.
 * A look-up in a long chain waits for memory several times over; for a burst these waits are one. So a chain that most packets
 * of the last burst asked is asked by all of the next one ahead, each step for all before the next step. What a packet will
 * show when it gets there is guessed: its header as it is now, interfaces and states as the last packet had them. An
 * answer is taken only by a packet that shows the same in all that the chain asks for; a wrong guess costs time.
 */
#include "table/table_internal.h"

enum {
	PAUSE_BURSTS = 64,		/* when nobody takes the answers */
	ENTRY_LINES = 4,		/* cache lines of a usual rule */
};

typedef uint32_t four __attribute__((vector_size(16)));
_Static_assert(CLASS_WORDS % 4 == 0, "keys are compared four words at a time");

static __attribute__((noinline)) void chain_watch(struct ahead *ahead, const struct ruleset *rs, struct segment *segment)
{
	struct ahead_chain *chain = NULL;
	struct class_rule asked;

	if (ahead->count < AHEAD_CHAINS)
		chain = &ahead->chains[ahead->count++];
	for (uint32_t i = 0; !chain && i < AHEAD_CHAINS; i++)
		if (!ahead->chains[i].asked && ahead->chains[i].burst)
			chain = &ahead->chains[i];
	if (!chain)
		return;
	classifier_asks(segment->all, &asked);
	if (asked.sport_count || asked.dport_count)
		asked.mask[CLASS_PORTS] = UINT32_MAX;
	chain->rs = rs;
	chain->segment = segment;
	memcpy(chain->mask, asked.mask, sizeof(chain->mask));
	chain->states_mask = asked.states == CLASS_STATE_ANY ? 0 : UINT16_MAX;
	chain->asked = chain->used = chain->made = chain->burst = chain->pause = chain->next = 0;
}

bool ahead_take(struct ahead_chain *chain, const struct pkt *pkt, const struct class_key *key, struct class_found *found)
{
	const struct ahead_answer *answer;
	uint32_t i = chain->next;
	four differs = { 0 };
	uint64_t half[2];

	while (i < chain->made && chain->answers[i].pkt != pkt)
		i++;
	if (i >= chain->made)
		return false;
	chain->next = i + 1;
	answer = &chain->answers[i];
	for (unsigned int w = 0; w < CLASS_WORDS; w += sizeof(four) / sizeof(uint32_t)) {
		four a, b, mask;

		memcpy(&a, key->word + w, sizeof(a));
		memcpy(&b, answer->key.word + w, sizeof(b));
		memcpy(&mask, chain->mask + w, sizeof(mask));
		differs |= (a ^ b) & mask;
	}
	memcpy(half, &differs, sizeof(half));
	if (half[0] | half[1] | ((key->states ^ answer->key.states) & chain->states_mask))
		return false;
	*found = answer->found;
	chain->used++;
	return true;
}

void ahead_note(struct ahead *ahead, const struct ruleset *rs, struct segment *segment, const struct class_key *key)
{
	struct ahead_chain *chain;

	if (segment->compiled < ahead->chain_min)
		return;
	chain = ahead_chain_of(ahead, segment);
	if (!chain) {
		chain_watch(ahead, rs, segment);
		return;
	}
	chain->asked++;
	chain->ifaces = key->word[CLASS_IFACES];
	chain->states = key->states;
}

/* @burst: @count packets of the chain's family. */
static void chain_ask(struct ahead_chain *chain, struct pkt *const *burst, unsigned int count)
{
	struct class_search searches[PKT_BURST_MAX];
	const struct ruleset *rs = chain->rs;
	const struct segment *segment = chain->segment;
	const uint32_t *place = rs->moved ? rs->place : NULL;
	uint32_t n = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct ahead_answer *answer = &chain->answers[n];

		if (!compiled_key_ahead(&answer->key, rs->family, burst[i]))
			continue;
		answer->key.word[CLASS_IFACES] = chain->ifaces;
		answer->key.states = chain->states;
		answer->pkt = burst[i];
		classifier_begin(segment->all, &answer->key, &searches[n++]);
	}
	for (uint32_t i = 0; i < n; i++)
		classifier_open(segment->all, &searches[i]);
	for (uint32_t i = 0; i < n; i++) {
		const struct class_found found = classifier_end(segment->all, &chain->answers[i].key, &searches[i], place,
								segment->first);
		const uint32_t id = found.id;

		chain->answers[i].found = found;
		if (id == CLASS_NONE)
			continue;
		__builtin_prefetch(&rs->counters[id], 1);
		__builtin_prefetch(&rs->refs[id]);
		if (!found.note)
			__builtin_prefetch(&rs->at[place ? place[id] : id]);
	}
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t id = chain->answers[i].found.id;

		if (id == CLASS_NONE || chain->answers[i].found.note)
			continue;
		for (unsigned int line = 0; line < ENTRY_LINES; line++)
			__builtin_prefetch(rs->at[place ? place[id] : id] + line * 64);
	}
	chain->made = n;
}

void tables_look_ahead(struct instance *inst, uint8_t family, struct pkt *const *burst, unsigned int count)
{
	struct ahead *ahead = &inst->tables->ahead;

	ahead->has_answers = false;
	for (uint32_t i = 0; i < ahead->count; i++) {
		struct ahead_chain *chain = &ahead->chains[i];
		bool worth;

		if (chain->rs->family != family)
			continue;
		worth = count > 1 && chain->asked * 2 >= chain->burst;
		if (chain->made && chain->used * 4 < chain->made)
			chain->pause = PAUSE_BURSTS;
		chain->burst = count;
		chain->asked = chain->used = chain->made = chain->next = 0;
		if (chain->pause)
			chain->pause--;
		else if (worth)
			chain_ask(chain, burst, MIN_OF(count, (unsigned int)PKT_BURST_MAX));
	}
	for (uint32_t i = 0; i < ahead->count; i++)
		ahead->has_answers |= ahead->chains[i].made != 0;
}

void ahead_forget(struct ahead *ahead)
{
	ahead->count = 0;
	ahead->has_answers = false;
}
