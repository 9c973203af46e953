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
	FLAGS_AT4 = 33, FLAGS_AT6 = 53,	/* TCP's, behind a plain header */
};

static inline void header_load(const uint8_t *data, uint8_t family, struct ahead_header *out)
{
	const bool v4 = family == NFPROTO_IPV4;

	memcpy(&out->piece[0], data, sizeof(out->piece[0]));
	memcpy(&out->piece[1], data + (v4 ? 8 : 16), sizeof(out->piece[1]));
	memcpy(&out->piece[2], data + (v4 ? 8 : 28), sizeof(out->piece[2]));
}

/* No options, no extension headers, all of L4 that may be asked for is there. */
static inline bool is_plain(const struct pkt *pkt, uint8_t family)
{
	if (family == NFPROTO_IPV4)
		return pkt->data[0] == 0x45 && pkt->len >= sizeof(struct iphdr) + 4;
	return pkt->len >= sizeof(struct ipv6hdr) + 4;
}

/* Which bits of a header the chain asks for: as the bytes lie in the packet, in the same pieces as header_load() takes. */
static void chain_mask(struct ahead_chain *chain, uint8_t family, const struct class_rule *asked)
{
	uint8_t bytes[sizeof(struct ipv6hdr) + 4] = { 0 };
	const uint32_t head = asked->mask[CLASS_HEAD];
	const unsigned int words = family == NFPROTO_IPV4 ? 1 : 4;
	const unsigned int src = family == NFPROTO_IPV4 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, saddr);

	for (unsigned int i = 0; i < words; i++) {
		put_be32(bytes + src + 4 * i, asked->mask[CLASS_SRC + i]);
		put_be32(bytes + src + 4 * (words + i), asked->mask[CLASS_DST + i]);
	}
	put_be32(bytes + src + 8 * words, asked->mask[CLASS_PORTS]);
	if (family == NFPROTO_IPV4) {
		bytes[0] = 0xff;
		bytes[offsetof(struct iphdr, tos)] = (uint8_t)(head >> CLASS_HEAD_TOS);
		put_be16(bytes + offsetof(struct iphdr, frag_off), IP4_OFFSET_MASK);
		bytes[offsetof(struct iphdr, protocol)] = 0xff;
	} else {
		put_be32(bytes, (head >> CLASS_HEAD_TOS & 0xff) << 20);
		bytes[offsetof(struct ipv6hdr, nexthdr)] = 0xff;
	}
	header_load(bytes, family, &chain->header_mask);
}

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
	classifier_asks_terms(segment->all, &asked);
	if (asked.sport_count || asked.dport_count)
		asked.mask[CLASS_PORTS] = UINT32_MAX;
	chain->rs = rs;
	chain->segment = segment;
	chain->mark_mask = asked.mask[CLASS_MARK];
	chain->states_mask = asked.states == CLASS_STATE_ANY ? 0 : UINT16_MAX;
	chain->asks_ifaces = asked.mask[CLASS_IFACES] != 0;
	chain->asks_names = classifier_asks_words(segment->all) & CLASS_NAMES;
	memset(chain->last_names, 0, sizeof(chain->last_names));
	chain->asks_flags = asked.mask[CLASS_HEAD] >> CLASS_HEAD_FLAGS & 0xff;
	chain_mask(chain, rs->family, &asked);
	chain->knows_names = false;
	chain->asked = chain->used = chain->made = chain->burst = chain->pause = chain->next = 0;
}

/* Interfaces by name, as hashes; the names of the last packet are remembered. */
static uint32_t chain_ifaces(struct ahead_chain *chain, const struct hook_state *state)
{
	static const char none[IFNAMSIZ];
	const char *const names[] = { state->in ? state->in->name : none, state->out ? state->out->name : none };

	for (unsigned int i = 0; i < 2; i++) {
		if (!memcmp(chain->names[i], names[i], IFNAMSIZ) && chain->knows_names)
			continue;
		memcpy(chain->names[i], names[i], IFNAMSIZ);
		chain->hashes[i] = class_name_hash(names[i]);
	}
	chain->knows_names = true;
	return (uint32_t)chain->hashes[0] << 16 | chain->hashes[1];
}

static __attribute__((noinline)) bool names_differ(const char (*names)[IFNAMSIZ], const struct hook_state *state)
{
	static const char none[IFNAMSIZ];

	return memcmp(names[0], state->in ? state->in->name : none, IFNAMSIZ) || memcmp(names[1], state->out ? state->out->name : none, IFNAMSIZ);
}

static __attribute__((noinline)) void names_keep(struct ahead_chain *chain, const struct hook_state *state)
{
	struct class_key key;

	compiled_name(&key, CLASS_IN_NAME, state->in);
	compiled_name(&key, CLASS_OUT_NAME, state->out);
	memcpy(chain->last_names, key.word + CLASS_IN_NAME, sizeof(chain->last_names));
}

const struct class_found *ahead_take(struct ahead_chain *chain, const struct pkt *pkt, const struct hook_state *state)
{
	const struct ahead_answer *answer;
	const uint8_t family = chain->rs->family;
	struct ahead_header header;
	uint32_t i = chain->next, differs;
	four bits;
	uint64_t half[2];

	while (i < chain->made && chain->answers[i].pkt != pkt)
		i++;
	if (i >= chain->made)
		return NULL;
	chain->next = i;
	answer = &chain->answers[i];
	if (pkt->len != answer->len)
		return NULL;
	header_load(pkt->data, family, &header);
	bits = ((header.piece[0] ^ answer->header.piece[0]) & chain->header_mask.piece[0]) |
	       ((header.piece[1] ^ answer->header.piece[1]) & chain->header_mask.piece[1]) |
	       ((header.piece[2] ^ answer->header.piece[2]) & chain->header_mask.piece[2]);
	memcpy(half, &bits, sizeof(half));
	differs = (pkt->mark ^ answer->mark) & chain->mark_mask;
	if (chain->states_mask)
		differs |= compiled_states(pkt) ^ chain->guessed_states;
	if (chain->asks_flags && answer->is_tcp)
		differs |= pkt->data[family == NFPROTO_IPV4 ? FLAGS_AT4 : FLAGS_AT6] ^ answer->flags;
	if (chain->asks_ifaces)
		differs |= chain_ifaces(chain, state) ^ chain->guessed_ifaces;
	if (unlikely(chain->asks_names))
		differs |= names_differ(chain->guessed_names, state);
	if (half[0] | half[1] | differs)
		return NULL;
	chain->used++;
	return &chain->found[i];
}

void ahead_taken(struct ahead_chain *chain, const struct pkt *pkt, const struct hook_state *state)
{
	chain->asked++;
	if (chain->asks_ifaces)
		chain->ifaces = chain_ifaces(chain, state);
	if (unlikely(chain->asks_names))
		names_keep(chain, state);
	if (chain->states_mask)
		chain->states = compiled_states(pkt);
}

void ahead_note(struct ahead *ahead, const struct ruleset *rs, struct segment *segment, const struct class_key *key,
		const struct hook_state *state)
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
	if (unlikely(chain->asks_names))
		names_keep(chain, state);
}

_Static_assert((int)PKT_BURST_MAX <= (int)CLASS_BURST, "a burst is asked at once");

/* @burst: @count packets of the chain's family. */
static void chain_ask(struct ahead_chain *chain, struct pkt *const *burst, unsigned int count)
{
	const struct ruleset *rs = chain->rs;
	const struct segment *segment = chain->segment;
	const uint32_t *place = rs->moved ? rs->place : NULL;
	struct class_key keys[PKT_BURST_MAX];
	uint32_t n = 0;

	chain->guessed_ifaces = chain->ifaces;
	chain->guessed_states = chain->states;
	memcpy(chain->guessed_names, chain->last_names, sizeof(chain->guessed_names));
	for (unsigned int i = 0; i < count; i++) {
		struct ahead_answer *answer = &chain->answers[n];
		const struct pkt *pkt = burst[i];

		if (!is_plain(pkt, rs->family) || !compiled_key_ahead(&keys[n], rs->family, pkt) ||
		    (uint8_t)keys[n].word[CLASS_HEAD] != pkt->data[rs->family == NFPROTO_IPV4 ? 9 : 6])
			continue;
		keys[n].word[CLASS_IFACES] = chain->ifaces;
		keys[n].states = chain->states;
		if (chain->asks_names) {
			keys[n].unknown &= ~CLASS_NAMES;
			memcpy(keys[n].word + CLASS_IN_NAME, chain->guessed_names, sizeof(chain->guessed_names));
		}
		answer->pkt = pkt;
		answer->len = pkt->len;
		answer->mark = pkt->mark;
		header_load(pkt->data, rs->family, &answer->header);
		answer->flags = (uint8_t)(keys[n].word[CLASS_HEAD] >> CLASS_HEAD_FLAGS);
		answer->is_tcp = (keys[n].word[CLASS_HEAD] >> CLASS_HEAD_PROTO & 0xff) == IPPROTO_TCP;
		n++;
	}
	chain->made = n;
	if (n)
		classifier_find_burst(segment->all, keys, n, place, segment->first, chain->found);
	for (uint32_t i = 0; i < n; i++) {
		const struct class_found found = chain->found[i];

		if (found.id == CLASS_NONE)
			continue;
		__builtin_prefetch(&rs->counters[found.id], 1);
		__builtin_prefetch(&rs->refs[found.id]);
		if (!found.note)
			__builtin_prefetch(&rs->at[place ? place[found.id] : found.id]);
	}
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t id = chain->found[i].id;

		if (id == CLASS_NONE || chain->found[i].note)
			continue;
		for (unsigned int line = 0; line < ENTRY_LINES; line++)
			__builtin_prefetch(rs->at[place ? place[id] : id] + line * 64);
	}
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
