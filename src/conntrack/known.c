/*
 * conntrack/known.c - the short way from a packet to its connection: for the flow cache, which comes before all hooks.
 * The packet's own bytes are hashed and compared; no tuple is written down.
 */
#include "conntrack/conntrack_internal.h"

struct simple_key {		/* as the bytes lie in the packet */
	uint64_t addrs[4];	/* IPv4: both in the first one */
	uint32_t ports;
	uint8_t family, proto;
};

static inline void key_read(const struct pkt *pkt, struct simple_key *key)
{
	key->family = pkt->l.family;
	key->proto = pkt->l.l4proto;
	memcpy(&key->ports, pkt->data + pkt->l.l4_off, sizeof(key->ports));
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

uint32_t ct_simple_hash(const struct instance *inst, const struct pkt *pkt)
{
	struct simple_key key;

	key_read(pkt, &key);
	return key_hash(inst->ct, &key);
}

struct ct *ct_known(const struct instance *inst, const struct pkt *pkt, uint32_t hash, int *dir)
{
	struct simple_key key;

	key_read(pkt, &key);
	for (struct ct_node *node = *ct_bucket(inst->ct, hash); node; node = node->next) {
		*dir = node->tuple.dir;
		if (key_is(&key, &node->tuple) && !ct_zone_id(&ct_of_node(node)->zone, *dir))
			return ct_of_node(node);
	}
	return NULL;
}

/*
 * Three passes, each touching what the one before it asked for: bucket, first node, the rest of the record. While one
 * packet's memory is on its way the others' is asked for, too.
 */
void ct_known_prefetch(const struct instance *inst, struct pkt *const *burst, unsigned int count)
{
	struct ct_node **bucket[PKT_BURST_MAX], *node[PKT_BURST_MAX];
	unsigned int found = 0, there = 0;

	for (unsigned int i = 0; i < count && found < PKT_BURST_MAX; i++) {
		if (!burst[i]->has_flow_hash)
			continue;
		bucket[found] = ct_bucket(inst->ct, burst[i]->flow_hash);
		__builtin_prefetch(bucket[found++]);
	}
	for (unsigned int i = 0; i < found; i++) {
		node[there] = *bucket[i];
		if (!node[there])
			continue;
		__builtin_prefetch(node[there]);
		__builtin_prefetch(&node[there++]->tuple.dir);
	}
	for (unsigned int i = 0; i < there; i++) {
		const struct ct *ct = ct_of_node(node[i]);

		for (size_t at = 0; at < offsetof(struct ct, proto.udp.stream_tick) + 4; at += 64)
			__builtin_prefetch((const char *)ct + at, 1);
		__builtin_prefetch(&ct->proto.udp.stream_tick, 1);
		if (node[i]->next)
			__builtin_prefetch(&node[i]->next->tuple);
	}
}
