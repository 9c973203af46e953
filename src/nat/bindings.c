/*
 * nat/bindings.c - the bindings and sessions of stateful NAT64 by RFC 6146: endpoint-independent mapping, filtering as the rule
 * says, its TCP states and its lifetimes. A binding ends with its last session. Both are bounded: a new session over
 * the bound is refused, which drops its packet.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "ext/state.h"
#include "nat/bindings.h"

enum {
	BUCKETS = 8192,
	SESSIONS_MAX = 262144,
	PORT_TRIES = 2048,		/* places that one new binding may ask about */
	UDP_SEC = 300, ICMP_SEC = 60, TCP_TRANS_SEC = 240, TCP_EST_SEC = 7440, TCP_INCOMING_SEC = 6,
	TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4,
};

enum tcp_state { TCP_NONE, TCP_V4_INIT, TCP_V6_INIT, TCP_EST, TCP_V4_FIN, TCP_V6_FIN, TCP_BOTH_FIN, TCP_TRANS };

struct session {
	struct list by_hash, of_binding;
	struct timer timer;
	struct nat64 *nat64;
	struct nat64_binding *binding;
	struct nat64_end remote;	/* IPv4 */
	uint8_t state;
	int64_t ends_ns;
};

struct nat64 {
	struct instance *inst;
	unsigned int session_count, binding_count;
	struct list by_inside[BUCKETS], by_outside[BUCKETS], by_session[BUCKETS];
};

/* --- the three indices --- */

static struct list *bucket(const struct nat64 *nat64, const struct list *table, uint8_t proto, const struct nat64_end *end, uint64_t more)
{
	uint64_t words[4] = { (uint64_t)proto << 16 | end->key, 0, 0, more };

	memcpy(&words[1], &end->addr, 16);
	return (struct list *)&table[siphash_words(words, 4, &nat64->inst->hash_key) % BUCKETS];
}

static bool is_end(const struct nat64_end *a, const struct nat64_end *b)
{
	return a->key == b->key && !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static struct nat64_binding *find_inside(struct nat64 *nat64, uint8_t proto, const struct nat64_end *inside)
{
	struct list *head = bucket(nat64, nat64->by_inside, proto, inside, 0);

	list_for_each(node, head) {
		struct nat64_binding *b = list_entry(node, struct nat64_binding, by_inside);

		if (b->proto == proto && is_end(&b->inside, inside))
			return b;
	}
	return NULL;
}

static struct nat64_binding *find_outside(struct nat64 *nat64, uint8_t proto, const struct nat64_end *outside)
{
	struct list *head = bucket(nat64, nat64->by_outside, proto, outside, 0);

	list_for_each(node, head) {
		struct nat64_binding *b = list_entry(node, struct nat64_binding, by_outside);

		if (b->proto == proto && is_end(&b->outside, outside))
			return b;
	}
	return NULL;
}

static struct list *session_bucket(struct nat64 *nat64, const struct nat64_binding *b, const struct nat64_end *remote)
{
	return bucket(nat64, nat64->by_session, b->proto, &b->outside, (uint64_t)remote->addr.ip << 16 | remote->key);
}

static struct session *find_session(struct nat64 *nat64, const struct nat64_binding *b, const struct nat64_end *remote)
{
	struct list *head = session_bucket(nat64, b, remote);

	list_for_each(node, head) {
		struct session *s = list_entry(node, struct session, by_hash);

		if (s->binding == b && is_end(&s->remote, remote))
			return s;
	}
	return NULL;
}

/* --- birth and death --- */

static void binding_free(struct nat64 *nat64, struct nat64_binding *b)
{
	list_remove(&b->by_inside);
	list_remove(&b->by_outside);
	nat64->binding_count--;
	free(b);
}

static void session_free(struct session *s)
{
	struct nat64_binding *b = s->binding;

	timer_cancel(s->nat64->inst->timers, &s->timer);
	list_remove(&s->by_hash);
	list_remove(&s->of_binding);
	s->nat64->session_count--;
	if (list_is_empty(&b->sessions))
		binding_free(s->nat64, b);
	free(s);
}

static void session_ends(struct timer *timer, void *arg, int64_t now_ns)
{
	(void)timer;
	(void)now_ns;
	session_free(arg);
}

/* The same host gets the same address as long as that has room; a port keeps its class and parity, and itself if it can. */
static bool pick_outside(struct nat64 *nat64, const struct nat64_pool *pool, uint8_t proto, const struct nat64_end *inside,
			 struct nat64_end *out)
{
	uint32_t first = ntohl(pool->first), addrs = ntohl(pool->last) - first + 1;
	uint32_t host = (uint32_t)(siphash(&inside->addr, 16, &nat64->inst->hash_key) % addrs);
	uint32_t low = proto == NAT64_ICMP ? 0 : pool->first_key, high = proto == NAT64_ICMP ? 65535 : pool->last_key;
	uint32_t wish = ntohs(inside->key), step = high - low > 1 ? 2 : 1, tries, count, at;

	if (step == 2 && ((low ^ wish) & 1))
		low++;
	count = (high - low) / step + 1;
	tries = MIN_OF(count, (uint32_t)PORT_TRIES);
	*out = (struct nat64_end){ .key = inside->key };
	for (uint32_t a = 0; a < MIN_OF(addrs, 4u); a++) {
		out->addr.ip = htonl(first + (host + a) % addrs);
		out->key = inside->key;
		if (wish >= low && wish <= high && !find_outside(nat64, proto, out))
			return true;
		at = rng_u32(&nat64->inst->rng) % count;
		for (uint32_t n = 0; n < tries; n++, at = (at + 1) % count) {
			out->key = htons((uint16_t)(low + at * step));
			if (!find_outside(nat64, proto, out))
				return true;
		}
	}
	return false;
}

static struct nat64_binding *binding_new(struct nat64 *nat64, const struct nat64_pool *pool, uint8_t proto, const struct nat64_end *inside)
{
	struct nat64_end outside;
	struct nat64_binding *b;

	if (nat64->session_count >= SESSIONS_MAX || !pick_outside(nat64, pool, proto, inside, &outside))
		return NULL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->proto = proto;
	b->inside = *inside;
	b->outside = outside;
	b->pool = *pool;
	list_init(&b->sessions);
	list_append(bucket(nat64, nat64->by_inside, proto, inside, 0), &b->by_inside);
	list_append(bucket(nat64, nat64->by_outside, proto, &outside, 0), &b->by_outside);
	nat64->binding_count++;
	return b;
}

static struct session *session_new(struct nat64 *nat64, struct nat64_binding *b, const struct nat64_end *remote)
{
	struct session *s = nat64->session_count < SESSIONS_MAX ? calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return NULL;
	s->nat64 = nat64;
	s->binding = b;
	s->remote = *remote;
	timer_init(&s->timer, session_ends, s);
	list_append(session_bucket(nat64, b, remote), &s->by_hash);
	list_append(&b->sessions, &s->of_binding);
	nat64->session_count++;
	return s;
}

static void session_lives(struct session *s, unsigned int sec)
{
	s->ends_ns = s->nat64->inst->now_ns + (int64_t)sec * 1000000000;
	timer_arm(s->nat64->inst->timers, &s->timer, s->ends_ns);
}

/* --- TCP, RFC 6146 section 3.5.2.2; without the probe that asks a silent connection whether it lives --- */

static void tcp_lives(struct session *s, enum tcp_state state, unsigned int sec)
{
	s->state = (uint8_t)state;
	session_lives(s, sec);
}

static void tcp_step(struct session *s, bool from6, uint8_t flags)
{
	const enum tcp_state state = (enum tcp_state)s->state;

	switch (state) {
	case TCP_NONE:
		tcp_lives(s, from6 ? TCP_V6_INIT : TCP_V4_INIT, from6 ? TCP_TRANS_SEC : TCP_INCOMING_SEC);
		return;
	case TCP_V4_INIT:
		if (from6 && flags & TCP_SYN)
			tcp_lives(s, TCP_EST, TCP_EST_SEC);
		return;
	case TCP_V6_INIT:
		if (flags & TCP_SYN)
			from6 ? session_lives(s, TCP_TRANS_SEC) : tcp_lives(s, TCP_EST, TCP_EST_SEC);
		return;
	case TCP_EST:
		if (flags & TCP_RST)
			tcp_lives(s, TCP_TRANS, TCP_TRANS_SEC);
		else
			tcp_lives(s, flags & TCP_FIN ? (from6 ? TCP_V6_FIN : TCP_V4_FIN) : TCP_EST, TCP_EST_SEC);
		return;
	case TCP_V4_FIN:
	case TCP_V6_FIN:
		if (flags & TCP_FIN && from6 == (state == TCP_V4_FIN))
			tcp_lives(s, TCP_BOTH_FIN, TCP_TRANS_SEC);
		else
			session_lives(s, TCP_EST_SEC);
		return;
	case TCP_BOTH_FIN:
		return;
	case TCP_TRANS:
		if (!(flags & TCP_RST))
			tcp_lives(s, TCP_EST, TCP_EST_SEC);
		return;
	}
}

/* The session of a packet, begun when it may; false: the packet must not pass. Without a session only TCP passes: late segments. */
static bool touch(struct nat64 *nat64, struct nat64_binding *b, const struct nat64_end *remote, bool from6, uint8_t flags)
{
	struct session *s = find_session(nat64, b, remote);

	if (!s) {
		if (b->proto == NAT64_TCP && (flags & (TCP_SYN | TCP_RST)) != TCP_SYN)
			return !b->pool.is_filtering || from6;
		s = session_new(nat64, b, remote);
		if (!s)
			return false;
	}
	if (b->proto == NAT64_TCP)
		tcp_step(s, from6, flags);
	else
		session_lives(s, b->proto == NAT64_UDP ? UDP_SEC : ICMP_SEC);
	return true;
}

const struct nat64_binding *nat64_out(struct nat64 *nat64, const struct nat64_pool *pool, enum nat64_proto proto,
				      const struct nat64_end *inside, const struct nat64_end *remote, uint8_t tcp_flags)
{
	struct nat64_binding *b = find_inside(nat64, proto, inside);

	if (!b) {
		if (proto == NAT64_TCP && (tcp_flags & (TCP_SYN | TCP_RST)) != TCP_SYN)
			return NULL;
		b = binding_new(nat64, pool, proto, inside);
		if (!b)
			return NULL;
	}
	if (touch(nat64, b, remote, true, tcp_flags))
		return b;
	if (list_is_empty(&b->sessions))
		binding_free(nat64, b);
	return NULL;
}

static bool has_talked_to(const struct nat64_binding *b, be32 addr)
{
	list_for_each(node, &b->sessions)
		if (list_entry(node, struct session, of_binding)->remote.addr.ip == addr)
			return true;
	return false;
}

const struct nat64_binding *nat64_in(struct nat64 *nat64, enum nat64_proto proto, const struct nat64_end *outside,
				     const struct nat64_end *remote, uint8_t tcp_flags)
{
	struct nat64_binding *b = find_outside(nat64, proto, outside);

	if (!b || (b->pool.is_filtering && !find_session(nat64, b, remote) && !has_talked_to(b, remote->addr.ip)))
		return NULL;
	return touch(nat64, b, remote, false, tcp_flags) ? b : NULL;
}

const struct nat64_binding *nat64_of_inside(struct nat64 *nat64, enum nat64_proto proto, const struct nat64_end *inside)
{
	return find_inside(nat64, proto, inside);
}

const struct nat64_binding *nat64_of_outside(struct nat64 *nat64, enum nat64_proto proto, const struct nat64_end *outside)
{
	return find_outside(nat64, proto, outside);
}

/* --- the instance's block, and its file --- */

static void print_session(const struct session *s, struct strbuf *out)
{
	static const char *const protos[] = { "udp", "tcp", "icmp" };
	static const char *const states[] = { "-", "V4_INIT", "V6_INIT", "ESTABLISHED", "V4_FIN", "V6_FIN", "V4_V6_FIN", "TRANS" };
	const struct nat64_binding *b = s->binding;
	const int64_t left_ns = s->ends_ns - s->nat64->inst->now_ns;
	char inside[INET6_ADDRSTRLEN], outside[INET_ADDRSTRLEN], remote[INET_ADDRSTRLEN];

	inet_ntop(AF_INET6, &b->inside.addr, inside, sizeof(inside));
	inet_ntop(AF_INET, &b->outside.addr, outside, sizeof(outside));
	inet_ntop(AF_INET, &s->remote.addr, remote, sizeof(remote));
	sb_printf(out, "%-4s %" PRId64 " inside=%s,%u outside=%s,%u remote=%s,%u%s%s\n", protos[b->proto],
		  left_ns > 0 ? left_ns / 1000000000 : 0, inside, ntohs(b->inside.key), outside, ntohs(b->outside.key), remote,
		  ntohs(s->remote.key), b->proto == NAT64_TCP ? " " : "", b->proto == NAT64_TCP ? states[s->state] : "");
}

static void print_all(void *priv, struct strbuf *out)
{
	struct nat64 *nat64 = priv;

	for (unsigned int i = 0; i < BUCKETS; i++)
		list_for_each(b, &nat64->by_inside[i])
			list_for_each(s, &list_entry(b, struct nat64_binding, by_inside)->sessions)
				print_session(list_entry(s, struct session, of_binding), out);
}

static void nat64_init(struct instance *inst, void *state)
{
	struct nat64 *nat64 = state;

	nat64->inst = inst;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		list_init(&nat64->by_inside[i]);
		list_init(&nat64->by_outside[i]);
		list_init(&nat64->by_session[i]);
	}
	proc_register(inst->files, &(struct proc_file){ .path = "/proc/net/nat64", .print = print_all, .priv = nat64 });
}

static void nat64_end(struct instance *inst, void *state)
{
	struct nat64 *nat64 = state;

	(void)inst;
	for (unsigned int i = 0; i < BUCKETS; i++)
		while (!list_is_empty(&nat64->by_session[i]))
			session_free(list_entry(nat64->by_session[i].next, struct session, by_hash));
}

static const struct ext_state_kind nat64_kind = { .size = sizeof(struct nat64), .init = nat64_init, .end = nat64_end };

struct nat64 *nat64_state(struct instance *inst) { return ext_state(inst, &nat64_kind); }
struct nat64 *nat64_state_if_any(const struct instance *inst) { return ext_state_if_any(inst, &nat64_kind); }
