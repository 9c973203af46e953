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

/* The words that ct_hash() makes of a tuple: of IPv4's addresses, and the last one. */
static inline uint64_t key_word_addrs(const struct simple_key *key)
{
	return key->addrs[0] << 32 | key->addrs[0] >> 32;
}

/* @kind: family and protocol, as they lie together in a tuple and in pkt_layers. */
static inline uint64_t key_word_last(uint32_t ports, uint16_t kind)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ports and addresses are taken apart as little endian");
	_Static_assert(!offsetof(struct pkt_layers, family) && offsetof(struct pkt_layers, l4proto) == 1,
		       "family and protocol lie together");
	return (uint64_t)(ports << 16 | ports >> 16) << 32 | __builtin_bswap16(kind);
}

static inline uint16_t key_kind(const struct simple_key *key)
{
	return (uint16_t)(key->family | key->proto << 8);
}

/* What ct_hash() says of the tuple in zone 0. */
static inline uint32_t key_hash(const struct ct_table *table, const struct simple_key *key)
{
	uint64_t words[5];

	if (key->family == NFPROTO_IPV4) {
		words[0] = key_word_addrs(key);
		words[1] = key_word_last(key->ports, key_kind(key));
		return (uint32_t)siphash_words_here(words, 2, &table->key);
	}
	memcpy(words, key->addrs, 32);
	words[4] = key_word_last(key->ports, key_kind(key));
	return (uint32_t)siphash_words_here(words, 5, &table->key);
}

static inline bool key_is(const struct simple_key *key, const struct ct_tuple *tuple)
{
	uint64_t words[4], last;

	_Static_assert(offsetof(struct ct_tuple, family) == offsetof(struct ct_tuple, src_l4) + 4 &&
		       offsetof(struct ct_tuple, dir) == offsetof(struct ct_tuple, family) + 2, "ports, family, protocol lie together");
	memcpy(&last, &tuple->src_l4, sizeof(last));
	if ((last ^ (key->ports | (uint64_t)key->family << 32 | (uint64_t)key->proto << 40)) << 16)
		return false;
	if (key->family == NFPROTO_IPV4)
		return !((tuple->src.ip ^ (uint32_t)key->addrs[0]) | (tuple->dst.ip ^ (uint32_t)(key->addrs[0] >> 32)));
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

struct ct *ct_known_noted(const struct instance *inst, const struct pkt *pkt, int *dir)
{
	struct ct_node *node = pkt->flow_node;
	const struct ct_tuple *tuple = &node->tuple;
	struct ct *ct = ct_of_node(node);
	uint64_t addrs, last;
	uint32_t ports;

	memcpy(&addrs, pkt->data + offsetof(struct iphdr, saddr), sizeof(addrs));
	memcpy(&ports, pkt->data + sizeof(struct iphdr), sizeof(ports));
	memcpy(&last, &tuple->src_l4, sizeof(last));
	/* one jump: all of it holds nearly always */
	if (unlikely((uint64_t)(ct_has_overdue(inst) | (inst->ct->early.pkt != NULL) | (inst->ct->wheel.line[CT_LINE_LATE].first != 0)) |
		     (tuple->src.ip ^ (uint32_t)addrs) | (tuple->dst.ip ^ (uint32_t)(addrs >> 32)) |
		     (last << 16 ^ ((uint64_t)ports << 16 | (uint64_t)NFPROTO_IPV4 << 48 | (uint64_t)IPPROTO_UDP << 56)) |
		     ct->zone.id))
		return NULL;
	*dir = tuple->dir;
	return ct;
}

/* Good, not there, or of no interest. */
static inline __attribute__((always_inline)) bool udp_sum_holds(const struct instance *inst, struct pkt *pkt, const uint8_t *udp)
{
	uint32_t len = pkt->l.l4_len;
	uint64_t sum;
	uint16_t check;

	memcpy(&check, udp + offsetof(struct udphdr, check), sizeof(check));
	if (!check || !inst->ct->conf.checksum || pkt->flags & PKT_FLAG_CSUM_TRUSTED)
		return true;
	if (pkt->l.family != NFPROTO_IPV4) {
		pkt_l4_checksum_early(pkt);
		return pkt->flags & PKT_FLAG_CSUM_TRUSTED;
	}
	memcpy(&sum, pkt->data + offsetof(struct iphdr, saddr), sizeof(sum));
	sum = csum_add64(sum, (uint64_t)htonl(IPPROTO_UDP) + htonl(len));
	if (csum_fold(csum_narrow(csum_few(udp, len, sum))))
		return false;
	pkt->flags |= PKT_FLAG_CSUM_TRUSTED;
	return true;
}

/* udp_packet() of an answered connection that stays as it is; the unit test beside the flow cache compares the two. */
static inline __attribute__((always_inline)) bool track_plain_udp(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir,
								  uint32_t l4_off)
{
	const uint32_t answered = IPS_SEEN_REPLY | IPS_CONFIRMED;
	const uint32_t asked = answered | IPS_FIXED_TIMEOUT | IPS_ASSURED | IPS_DYING | CT_STATUS_NAT_CLASH;
	const uint32_t now = (uint32_t)inst_jiffies(inst), status = ct->status & asked;
	const uint8_t *udp = pkt->data + l4_off;
	bool stream = (int32_t)(now - ct->proto.udp.stream_tick) > 0;
	uint32_t ends, len;

	if (ct->extra || (status != (answered | IPS_ASSURED) && (stream || status != answered)))
		return false;
	len = get_be16(udp + offsetof(struct udphdr, len));
	ends = now + inst->ct->timeouts_sec[IPPROTO_UDP][stream ? CT_UDP_STREAM : CT_UDP_UNREPLIED] * WEIR_HZ;
	if (len > pkt->l.l4_len || len < sizeof(struct udphdr) || (int32_t)(ends - ct->look_tick) < 0 || !udp_sum_holds(inst, pkt, udp))
		return false;
	ct->expires_tick = ends;
	ct_get(ct);
	pkt->ct = ct;
	pkt->ctinfo = dir == IP_CT_DIR_REPLY ? IP_CT_ESTABLISHED_REPLY : IP_CT_ESTABLISHED;
	return true;
}

bool ct_track_plain_udp(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir)
{
	return pkt->l.l4proto == IPPROTO_UDP && !(pkt->flags & PKT_FLAG_LOCAL) && track_plain_udp(inst, pkt, ct, dir, pkt->l.l4_off);
}

bool ct_track_plain_udp4(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir)
{
	return track_plain_udp(inst, pkt, ct, dir, sizeof(struct iphdr));
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

/* --- a burst, ahead --- */

enum { CHAIN_PASSES = 4 };

struct search {		/* one packet's way along its bucket's chain */
	struct pkt *pkt;
	const ct_link *bucket;
	uint64_t addrs, rest;	/* IPv4: both addresses; IPv6: the first eight bytes. Ports, family, protocol as in a tuple, upwards of 16 zero bits */
};

static inline bool search_ends(const struct search *at, const struct ct_node *node)
{
	const struct ct_tuple *tuple = &node->tuple;
	uint64_t rest, words[4], theirs[4];

	memcpy(&rest, &tuple->src_l4, sizeof(rest));
	rest = rest << 16 ^ at->rest;
	if (likely((uint8_t)(at->rest >> 48) == NFPROTO_IPV4))
		return !(rest | ((tuple->src.ip | (uint64_t)tuple->dst.ip << 32) ^ at->addrs));
	memcpy(words, at->pkt->data + offsetof(struct ipv6hdr, saddr), 32);
	memcpy(theirs, tuple, 32);
	return !(rest | (words[0] ^ theirs[0]) | (words[1] ^ theirs[1]) | (words[2] ^ theirs[2]) | (words[3] ^ theirs[3]));
}

/* Simple packets, hashed; @asks: with their buckets asked for, which nobody is changing. */
static inline __attribute__((always_inline)) unsigned int hash_all(const struct instance *inst, struct pkt *const *burst, unsigned int count,
								   struct search *search, bool asks)
{
	const struct ct_table *table = inst->ct;
	const ct_link *const buckets = asks ? table->buckets : NULL;
	const bool is_moving = asks && table->old_buckets;
	const unsigned int shift = asks ? 32 - table->bits : 0;
	uint64_t addrs[PKT_BURST_MAX], last[PKT_BURST_MAX];
	uint32_t hashes[PKT_BURST_MAX];
	unsigned int n = 0;

	_Static_assert(PKT_BURST_MAX % 4 == 0, "hashed four at a time");
	for (unsigned int i = 0; i < count; i++) {
		struct pkt *pkt = burst[i];
		struct search *at = &search[n];
		struct simple_key key;
		uint16_t kind;

		pkt->flow_node = NULL;
		pkt->reply_hash = 0;
		if (likely(ct_is_plain_udp4(pkt) || ct_is_plain_tcp4(pkt))) {
			memcpy(&key.ports, pkt->data + sizeof(struct iphdr), sizeof(key.ports));
			memcpy(key.addrs, pkt->data + offsetof(struct iphdr, saddr), 8);
			memcpy(&kind, &pkt->l, sizeof(kind));
		} else {
			pkt->has_flow_hash = ct_is_simple(pkt);
			if (!pkt->has_flow_hash)
				continue;
			key_read(pkt, &key);
			memcpy(&kind, &pkt->l, sizeof(kind));
			if (key.family != NFPROTO_IPV4)
				pkt->flow_hash = key_hash(inst->ct, &key);
		}
		pkt->has_flow_hash = true;
		at->pkt = pkt;
		at->addrs = key.addrs[0];
		at->rest = (uint64_t)key.ports << 16 | (uint64_t)kind << 48;
		addrs[n] = key_word_addrs(&key);
		last[n++] = key_word_last(key.ports, kind);
		pkt->flow_addrs = key.addrs[0];
		pkt->flow_ports = key.ports;
	}
	if (!n)
		return 0;
	siphash_pairs(addrs, last, n, &inst->ct->key, hashes);
	for (unsigned int i = 0; i < n; i++) {
		struct pkt *pkt = search[i].pkt;

		if (likely(pkt->l.family == NFPROTO_IPV4))
			pkt->flow_hash = hashes[i];
		if (!asks)
			continue;
		search[i].bucket = is_moving ? ct_bucket(table, pkt->flow_hash) : &buckets[pkt->flow_hash >> shift];
		__builtin_prefetch(search[i].bucket);
	}
	return n;
}

/* The same for those that ct_known_hash() has hashed. */
static unsigned int hashed_all(const struct instance *inst, struct pkt *const *burst, unsigned int count, struct search *search)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct pkt *pkt = burst[i];

		pkt->flow_node = NULL;
		if (!pkt->has_flow_hash)
			continue;
		search[n].pkt = pkt;
		search[n].addrs = pkt->flow_addrs;
		search[n].bucket = ct_bucket(inst->ct, pkt->flow_hash);
		__builtin_prefetch(search[n].bucket);
		search[n++].rest = (uint64_t)pkt->flow_ports << 16 | (uint64_t)pkt->l.family << 48 | (uint64_t)pkt->l.l4proto << 56;
	}
	return n;
}

enum { HIT_END = offsetof(struct ct, proto.udp.stream_tick) + 4 };	/* a hit touches nothing behind it */
_Static_assert(HIT_END == 144, "so that it is three lines, wherever the record begins");

/*
 * Pass after pass over the burst, each touching what the one before it asked for: bucket, node, the rest of the record.
 * While one packet's memory is on its way the others' is asked for, too. Whether a node is the one is as good as random: nothing
 * is jumped over for it.
 */
unsigned int ct_known_prefetch(const struct instance *inst, struct pkt *const *burst, unsigned int count, bool is_hashed, struct pkt **fresh)
{
	struct search search[PKT_BURST_MAX];
	struct ct_node *nodes[PKT_BURST_MAX];
	uint8_t who[PKT_BURST_MAX];	/* whose search goes on */
	unsigned int n = is_hashed ? hashed_all(inst, burst, count, search) : hash_all(inst, burst, count, search, true), new = 0, left = 0;

	for (unsigned int i = 0; i < n; i++) {
		const ct_link link = *search[i].bucket;
		const uint64_t there = ct_link_mask(link, search[i].pkt->flow_hash);
		struct ct_node *node = (struct ct_node *)((uintptr_t)ct_link_node(link) & there);
		const uintptr_t at = (uintptr_t)node | ((uintptr_t)search & ~there);

		__builtin_prefetch((const void *)at, 1);
		__builtin_prefetch((const void *)(at + offsetof(struct ct_node, tuple.dir)), 1);
		fresh[new] = search[i].pkt;
		new += !node;
		nodes[left] = node;
		who[left] = (uint8_t)i;
		left += node != NULL;
	}
	n = left;
	for (unsigned int pass = 0; n && pass < CHAIN_PASSES; pass++, n = left) {
		left = 0;
		for (unsigned int i = 0; i < n; i++) {
			const struct search *at = &search[who[i]];
			struct ct_node *node = nodes[i];
			const ct_link link = node->next;
			const uint64_t there = ct_link_mask(link, at->pkt->flow_hash);
			const bool found = search_ends(at, node);
			const uint64_t is_it = -(uint64_t)found;
			struct ct_node *next = (struct ct_node *)((uintptr_t)ct_link_node(link) & there);
			const uintptr_t ct = (uintptr_t)ct_of_node(node), then = (uintptr_t)next | ((uintptr_t)node & ~there);
			const uintptr_t first = ct + offsetof(struct ct, status), last = ct + HIT_END - 1;
			const uintptr_t other = then + offsetof(struct ct_node, tuple.dir);

			at->pkt->flow_node = (struct ct_node *)((uintptr_t)node & is_it);
			__builtin_prefetch((const void *)(then ^ ((then ^ first) & is_it)), 1);
			__builtin_prefetch((const void *)(other ^ ((other ^ last) & is_it)), 1);
			if (unlikely((uint8_t)(at->rest >> 56) == IPPROTO_TCP))
				__builtin_prefetch((const void *)(ct + offsetof(struct ct, proto.tcp) + sizeof(struct ct_tcp) - 1), 1);
			fresh[new] = at->pkt;
			new += !found & !next;
			nodes[left] = next;
			who[left] = who[i];
			left += !found & (next != NULL);
		}
	}
	for (unsigned int i = 0; inst->ct->has_zones && i < count; i++)
		if (burst[i]->flow_node && ct_zone_id(&ct_of_node(burst[i]->flow_node)->zone, burst[i]->flow_node->tuple.dir))
			burst[i]->flow_node = NULL;
	left = 0;
	for (unsigned int i = 0; i < new; i++) {
		fresh[left] = fresh[i];
		left += ct_has_ports(fresh[i]);
	}
	return left;
}

void ct_known_prefetch_counters(const struct instance *inst, struct pkt *const *burst, unsigned int count)
{
	for (unsigned int i = 0; inst->ct->conf.acct && i < count; i++)
		if (likely(burst[i]->flow_node != NULL))
			__builtin_prefetch(ct_of_node(burst[i]->flow_node)->extra, 1);
}

/* --- aside: the table may be changing meanwhile --- */

/* Bits that are read belong to those buckets, or to half as many. */
struct ct_window ct_window(const struct instance *inst)
{
	const unsigned int bits = __atomic_load_n(&inst->ct->bits, __ATOMIC_ACQUIRE);

	return (struct ct_window){ (uintptr_t)__atomic_load_n(&inst->ct->buckets, __ATOMIC_ACQUIRE), 32 - bits };
}

void ct_known_hash(const struct instance *inst, struct pkt *const *burst, unsigned int count)
{
	const struct ct_window window = ct_window(inst);
	const bool sums = inst->ct->conf.checksum;
	struct search search[PKT_BURST_MAX];
	unsigned int n = hash_all(inst, burst, count, search, false);

	for (unsigned int i = 0; i < n; i++) {
		ct_window_prefetch(window, search[i].pkt->flow_hash);
		if (sums && ct_has_ports(search[i].pkt))
			pkt_l4_checksum_ahead(search[i].pkt);
	}
}

static inline __attribute__((always_inline)) struct ct_node *hint_at(struct ct_window window, uint32_t hash)
{
	const ct_link *bucket = (const ct_link *)window.buckets + (hash >> window.shift);
	struct ct_node *node = ct_link_towards(*(const volatile ct_link *)bucket, hash);

	__builtin_prefetch(node ? node : (const void *)bucket, 1);
	__builtin_prefetch(node ? (const void *)&node->tuple.dir : bucket, 1);
	return node;
}

HINTS void ct_known_hint(const struct instance *inst, struct pkt *const *burst, unsigned int count)
{
	const struct ct_window window = ct_window(inst);
	struct ct_node *nodes[PKT_BURST_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (!burst[i]->has_flow_hash)
			continue;
		nodes[n] = hint_at(window, burst[i]->flow_hash);
		n += nodes[n] != NULL;
	}
	for (unsigned int i = 0; i < n; i++) {
		const unsigned int dir = *(const volatile uint8_t *)&nodes[i]->tuple.dir & 1;
		const uint8_t *ct = (const uint8_t *)(nodes[i] - dir) - offsetof(struct ct, node);

		__builtin_prefetch(ct + offsetof(struct ct, status), 1);
		__builtin_prefetch(ct + HIT_END - 1, 1);
	}
}

HINTS void ct_places_hint(const struct instance *inst, const uint32_t *hashes, unsigned int count)
{
	const struct ct_window window = ct_window(inst);

	for (unsigned int i = 0; i < count; i++)
		hint_at(window, hashes[i]);
}

void ct_answers_hash(const struct instance *inst, struct pkt *const *pkts, unsigned int count, const be32 *to, uint32_t *hashes)
{
	uint64_t addrs[PKT_BURST_MAX], last[PKT_BURST_MAX];

	if (!count)
		return;
	for (unsigned int i = 0; i < count; i++) {
		const uint64_t ours = to ? *to : (uint32_t)pkts[i]->flow_addrs, ports = pkts[i]->flow_ports;

		addrs[i] = pkts[i]->flow_addrs >> 32 << 32 | ours;
		last[i] = (ports >> 16) << 48 | (ports & 0xffff) << 32 | (uint64_t)pkts[i]->l.family << 8 | pkts[i]->l.l4proto;
	}
	siphash_pairs(addrs, last, count, &inst->ct->key, hashes);
}

struct ct_place ct_place_of(const struct instance *inst, uint32_t hash)
{
	return (struct ct_place){ ct_bucket(inst->ct, hash), hash };
}

struct ct_place ct_tuple_prefetch(const struct instance *inst, const struct ct_tuple *tuple)
{
	uint32_t hash = ct_hash(inst->ct, tuple, 0);
	struct ct_place place = { ct_bucket(inst->ct, hash), hash };

	__builtin_prefetch(place.bucket);
	return place;
}
