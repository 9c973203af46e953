/*
 * conntrack/known.c - the short way from a packet to its connection: for the flow cache, which comes before all hooks.
 * The packet's own bytes are hashed and compared; no tuple is written down.
 */
#include "conntrack/conntrack_internal.h"

struct simple_key {		/* as the bytes lie in the packet */
	uint64_t addrs[4];	/* IPv4: both in the first one */
	uint32_t ports;		/* an echo's id, type and code, as a tuple has them */
	uint8_t family, proto;
};

static inline void key_read(const struct pkt *pkt, struct simple_key *key)
{
	key->family = pkt->l.family;
	key->proto = pkt->l.l4proto;
	memcpy(&key->ports, pkt->data + pkt->l.l4_off, sizeof(key->ports));
	if (unlikely(!ct_has_ports(pkt))) {
		uint16_t id;

		memcpy(&id, pkt->data + pkt->l.l4_off + 4, sizeof(id));
		key->ports = key->ports << 16 | id;
	}
	if (key->family == NFPROTO_IPV4)
		memcpy(key->addrs, pkt->data + offsetof(struct iphdr, saddr), 8);
	else
		memcpy(key->addrs, pkt->data + offsetof(struct ipv6hdr, saddr), 32);
}

/* What ct_hash() says of the tuple in zone 0. */
static inline uint32_t key_hash(const struct ct_table *table, const struct simple_key *key)
{
	uint16_t src = (uint16_t)key->ports, dst = (uint16_t)(key->ports >> 16);
	uint64_t words[5], last;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ports and addresses are taken apart as little endian");
	last = (uint64_t)src << 48 | (uint64_t)dst << 32 | (uint64_t)key->family << 8 | key->proto;
	if (key->family == NFPROTO_IPV4) {
		words[0] = key->addrs[0] << 32 | key->addrs[0] >> 32;
		words[1] = last;
		return (uint32_t)siphash_words_here(words, 2, &table->key);
	}
	memcpy(words, key->addrs, 32);
	words[4] = last;
	return (uint32_t)siphash_words_here(words, 5, &table->key);
}

static inline bool key_is(const struct simple_key *key, const struct ct_tuple *tuple)
{
	uint64_t words[4];
	uint32_t ports;

	memcpy(&ports, &tuple->src_l4, sizeof(ports));
	if (ports != key->ports || tuple->family != key->family || tuple->proto != key->proto)
		return false;
	if (key->family == NFPROTO_IPV4)
		return (tuple->src.ip | (uint64_t)tuple->dst.ip << 32) == key->addrs[0];
	memcpy(words, tuple, 32);
	return !((words[0] ^ key->addrs[0]) | (words[1] ^ key->addrs[1]) | (words[2] ^ key->addrs[2]) |
		 (words[3] ^ key->addrs[3]));
}

/* The note of a burst ago still holds when the record still says so: it may have got another use, but is never given back. */
static inline bool note_holds(const struct simple_key *key, struct ct_node *node)
{
	const uint32_t asked = IPS_CONFIRMED | IPS_DYING | CT_STATUS_NAT_CLASH;
	const struct ct *ct = ct_of_node(node);

	return key_is(key, &node->tuple) && (ct->status & asked) == IPS_CONFIRMED && !ct->zone.id;
}

static inline bool is_mine(const struct simple_key *key, struct ct_node *node)
{
	return key_is(key, &node->tuple) && !ct_zone_id(&ct_of_node(node)->zone, node->tuple.dir);
}

/* Conntrack asks for an echo's sum before it looks for its connection. */
static inline bool is_wrong_echo(const struct instance *inst, struct pkt *pkt)
{
	return unlikely(!ct_has_ports(pkt)) && inst->ct->conf.checksum && !(pkt->flags & PKT_FLAG_LOCAL) && !pkt_l4_checksum_ok(pkt);
}

struct ct *ct_known(const struct instance *inst, struct pkt *pkt, int *dir)
{
	struct ct_node *node = pkt->flow_node;
	struct simple_key key;
	uint32_t hash;

	/* Somebody is to end first, and conntrack's hook sees to that; or it owes another packet an answer. */
	if (unlikely(ct_has_overdue(inst) || inst->ct->early.pkt) || is_wrong_echo(inst, pkt))
		return NULL;
	key_read(pkt, &key);
	if (node && likely(note_holds(&key, node))) {
		*dir = node->tuple.dir;
		return ct_is_late(inst, ct_of_node(node)) ? NULL : ct_of_node(node);
	}
	hash = pkt->has_flow_hash ? pkt->flow_hash : key_hash(inst->ct, &key);
	for (node = ct_link_towards(*ct_bucket(inst->ct, hash), hash); node; node = ct_link_towards(node->next, hash)) {
		*dir = node->tuple.dir;
		if (is_mine(&key, node) && !ct_is_late(inst, ct_of_node(node)))
			return ct_of_node(node);
	}
	return NULL;
}

/* TCP's flags that may end or begin a connection: FIN, SYN, RST. */
static inline bool is_turning_point(const struct pkt *pkt)
{
	enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4 };

	return pkt->l.l4proto == IPPROTO_TCP && pkt->data[pkt->l.l4_off + 13] & (FLAG_FIN | FLAG_SYN | FLAG_RST);
}

/* All that hangs in the table stays there meanwhile: a note of this burst holds. */
struct ct *ct_meet(const struct instance *inst, struct pkt *pkt, int *dir)
{
	struct ct_node *node = pkt->flow_node;
	struct simple_key key;
	uint32_t hash;
	struct ct *ct;

	if (unlikely(ct_has_overdue(inst) || is_turning_point(pkt)) || is_wrong_echo(inst, pkt))
		return NULL;
	key_read(pkt, &key);
	if (!node) {
		hash = pkt->has_flow_hash ? pkt->flow_hash : key_hash(inst->ct, &key);
		node = ct_link_towards(*ct_bucket(inst->ct, hash), hash);
		while (node && !is_mine(&key, node))
			node = ct_link_towards(node->next, hash);
		if (!node)
			return NULL;
	}
	if (inst->ct->conf.checksum)
		pkt_l4_checksum_early(pkt);
	*dir = node->tuple.dir;
	ct = ct_of_node(node);
	ct_lock(ct);
	if (likely(!ct_is_late(inst, ct) && !(ct->status & CT_STATUS_NAT_CLASH)))
		return ct;
	ct_unlock(ct);
	return NULL;
}

enum { CHAIN_PASSES = 4 };

struct search {		/* one packet's way along its bucket's chain */
	struct pkt *pkt;
	const ct_link *bucket;
	struct ct_node *node;
};

static unsigned int hash_all(const struct instance *inst, struct pkt *const *burst, unsigned int count, struct search *search)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct pkt *pkt = burst[i];
		struct simple_key key;

		pkt->flow_node = NULL;
		pkt->reply_hash = 0;
		pkt->has_flow_hash = ct_is_simple(pkt);
		if (!pkt->has_flow_hash)
			continue;
		key_read(pkt, &key);
		pkt->flow_addrs = key.addrs[0];
		pkt->flow_ports = key.ports;
		pkt->flow_hash = key_hash(inst->ct, &key);
		search[n] = (struct search){ pkt, ct_bucket(inst->ct, pkt->flow_hash), NULL };
		__builtin_prefetch(search[n++].bucket);
	}
	return n;
}

static void prefetch_record(const struct ct *ct)
{
	for (size_t at = 0; at < offsetof(struct ct, proto.udp.stream_tick) + 4; at += 64)
		__builtin_prefetch((const char *)ct + at, 1);
	__builtin_prefetch(&ct->proto.udp.stream_tick, 1);
}

/*
 * Pass after pass over the burst, each touching what the one before it asked for: bucket, node, the rest of the record.
 * While one packet's memory is on its way the others' is asked for, too.
 */
unsigned int ct_known_prefetch(const struct instance *inst, struct pkt *const *burst, unsigned int count, struct pkt **fresh)
{
	struct search search[PKT_BURST_MAX];
	unsigned int n = hash_all(inst, burst, count, search), new = 0, left;

	for (unsigned int i = 0; i < n; i++) {
		search[i].node = ct_link_towards(*search[i].bucket, search[i].pkt->flow_hash);
		__builtin_prefetch(search[i].node);
		__builtin_prefetch(search[i].node ? &search[i].node->tuple.dir : NULL);
	}
	for (unsigned int pass = 0; n && pass < CHAIN_PASSES; pass++, n = left) {
		left = 0;
		for (unsigned int i = 0; i < n; i++) {
			struct search *at = &search[i];
			struct simple_key key;

			if (!at->node) {
				if (ct_has_ports(at->pkt))
					fresh[new++] = at->pkt;
				continue;
			}
			key_read(at->pkt, &key);
			if (key_is(&key, &at->node->tuple)) {
				prefetch_record(ct_of_node(at->node));
				at->pkt->flow_node = at->node;
				continue;
			}
			at->node = ct_link_towards(at->node->next, at->pkt->flow_hash);
			__builtin_prefetch(at->node);
			__builtin_prefetch(at->node ? &at->node->tuple.dir : NULL);
			search[left++] = *at;
		}
	}
	for (unsigned int i = 0; i < count; i++)
		if (burst[i]->flow_node && ct_zone_id(&ct_of_node(burst[i]->flow_node)->zone, burst[i]->flow_node->tuple.dir))
			burst[i]->flow_node = NULL;
	return new;
}

struct ct_place ct_tuple_prefetch(const struct instance *inst, const struct ct_tuple *tuple)
{
	uint32_t hash = ct_hash(inst->ct, tuple, 0);
	struct ct_place place = { ct_bucket(inst->ct, hash), hash };

	__builtin_prefetch(place.bucket);
	return place;
}
