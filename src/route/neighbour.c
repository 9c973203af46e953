/*
 * route/neighbour.c - see neighbour.h. One table for both families; an entry lives by one timer.
 */
#include "route/route_internal.h"

#include <stdlib.h>

#include "base/sysctl.h"

enum {
	NEIGH_BUCKETS = 1024,
	GC_THRESH2 = 512,		/* forced collection brings the table down to this */
	FORCED_GC_AGE_SEC = 5,
	NUD_HAS_MAC = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY,
	NUD_CONNECTED_STATES = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE,
	NUD_TIMED = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE,
	/* What one waiting packet weighs: its bytes and about what the kernel's own bookkeeping of it does. */
	WAITING_OVERHEAD = 640,
};

struct neigh {
	struct neigh *next;		/* same bucket */
	struct neigh_table *table;
	struct iface *iface;
	uint8_t family, state, probes;
	bool router;
	bool is_remembered;		/* by the flow cache: its end is a change */
	bool failing;			/* its packets are being reported: must not be collected */
	uint8_t mac[6];
	union nf_inet_addr addr;
	int64_t updated_ns, confirmed_ns, used_ns;
	struct list waiting;		/* struct pkt.node */
	uint32_t waiting_bytes;
	struct timer timer;
};

struct neigh_params {
	const struct neigh_ops *ops;
	int ucast_solicit, mcast_solicit, retrans_ms, base_reachable_ms, delay_sec, queue_bytes;
	int gc_thresh1, gc_thresh2, gc_thresh3;
	int64_t reachable_ns;		/* drawn once from base_reachable_ms; 0 = not yet */
	unsigned int count;		/* entries that collection may take: all but permanent ones */
};

struct neigh_table {
	struct instance *inst;
	struct neigh *buckets[NEIGH_BUCKETS];
	struct neigh_params params[2];	/* IPv4, IPv6 */
};

static struct neigh_params *params_of(struct neigh_table *table, uint8_t family)
{
	return &table->params[family == NFPROTO_IPV6];
}

static unsigned int addr_len(uint8_t family) { return family == NFPROTO_IPV6 ? 16 : 4; }

static struct neigh **bucket_of(struct neigh_table *table, const struct iface *iface, uint8_t family,
				const union nf_inet_addr *addr)
{
	const struct hash_key *secret = &table->inst->hash_key;
	uint64_t key[3] = { (uint64_t)family << 32 | iface->index };

	/* Asked for with each packet: for 48 bits two multiplications by a secret will do. */
	if (family != NFPROTO_IPV6) {
		uint64_t hash = (((uint64_t)iface->index << 32 | addr->ip) ^ secret->k[0]) * (secret->k[1] | 1);

		hash = (hash ^ hash >> 32) * (secret->k[1] | 1);
		return &table->buckets[(hash >> 32) % NEIGH_BUCKETS];
	}
	memcpy(&key[1], addr, 16);
	return &table->buckets[siphash_words(key, 3, secret) % NEIGH_BUCKETS];
}

static struct neigh *find(struct neigh_table *table, const struct iface *iface, uint8_t family,
			  const union nf_inet_addr *addr)
{
	struct neigh *n;

	if (!table)
		return NULL;
	for (n = *bucket_of(table, iface, family, addr); n; n = n->next)
		if (n->iface == iface && n->family == family &&
		    (family == NFPROTO_IPV6 ? !memcmp(&n->addr, addr, 16) : n->addr.ip == addr->ip))
			return n;
	return NULL;
}

static struct pkt *waiting_pop(struct neigh *n)
{
	struct pkt *pkt;

	if (list_is_empty(&n->waiting))
		return NULL;
	pkt = list_entry(n->waiting.next, struct pkt, node);
	list_remove(&pkt->node);
	n->waiting_bytes -= pkt->len + WAITING_OVERHEAD;
	return pkt;
}

static void drop_waiting(struct neigh *n)
{
	struct pkt *pkt;

	while ((pkt = waiting_pop(n)))
		pkt_drop(n->table->inst, pkt, DROP_NEIGHBOUR);
}

static void neigh_unlink(struct neigh *n)
{
	struct neigh_table *table = n->table;
	struct neigh **at = bucket_of(table, n->iface, n->family, &n->addr);

	table->inst->changes += n->is_remembered;
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	if (n->state != NUD_PERMANENT)
		params_of(table, n->family)->count--;
	timer_cancel(table->inst->timers, &n->timer);
	drop_waiting(n);
	free(n);
}

/* --- the life of an entry --- */

static void arm(struct neigh *n, int64_t delay_ns)
{
	timer_arm(n->table->inst->timers, &n->timer, n->table->inst->now_ns + delay_ns);
}

static int64_t retrans_ns(const struct neigh_params *p)
{
	return (int64_t)MAX_OF(p->retrans_ms, 10) * NSEC_PER_MSEC;
}

static int64_t delay_ns(const struct neigh_params *p) { return (int64_t)p->delay_sec * NSEC_PER_SEC; }

/* Between half and one and a half of the base: so that neighbours do not expire together. */
static int64_t reachable_ns(struct neigh_table *table, struct neigh_params *p)
{
	if (!p->reachable_ns)
		p->reachable_ns = ((int64_t)rng_below(&table->inst->rng, (uint32_t)MAX_OF(p->base_reachable_ms, 1)) +
				   p->base_reachable_ms / 2) * NSEC_PER_MSEC;
	return p->reachable_ns;
}

static void set_state(struct neigh *n, uint8_t state)
{
	n->state = state;
	n->updated_ns = n->table->inst->now_ns;
}

static void probe(struct neigh *n)
{
	struct neigh_params *p = params_of(n->table, n->family);
	struct pkt *cause = list_is_empty(&n->waiting) ? NULL : list_entry(n->waiting.prev, struct pkt, node);
	bool unicast = n->probes < p->ucast_solicit;

	n->probes++;
	if (p->ops && (!unicast || n->state & NUD_HAS_MAC))
		p->ops->solicit(n->table->inst, n->iface, &n->addr, unicast ? n->mac : NULL, cause);
}

/* Nobody answered: the senders of the waiting packets are told. A report may make new packets wait. */
static void fail(struct neigh *n)
{
	struct neigh_params *p = params_of(n->table, n->family);
	struct pkt *pkt;

	set_state(n, NUD_FAILED);
	n->failing = true;
	while (n->state == NUD_FAILED && (pkt = waiting_pop(n))) {
		if (p->ops)
			p->ops->failure(n->table->inst, n->iface, pkt);
		else
			pkt_drop(n->table->inst, pkt, DROP_NEIGHBOUR);
	}
	n->failing = false;
}

static void on_timer(struct timer *timer, void *arg, int64_t now_ns)
{
	struct neigh *n = arg;
	struct neigh_params *p = params_of(n->table, n->family);
	int64_t next = retrans_ns(p);
	int max_probes = p->ucast_solicit;

	if (n->state == NUD_REACHABLE) {
		int64_t left = n->confirmed_ns + reachable_ns(n->table, p) - now_ns;

		if (left > 0) {
			next = left;
		} else if (now_ns <= n->used_ns + delay_ns(p)) {
			set_state(n, NUD_DELAY);
			next = delay_ns(p);
		} else {
			set_state(n, NUD_STALE);
		}
	} else if (n->state == NUD_DELAY) {
		if (now_ns <= n->confirmed_ns + delay_ns(p)) {
			set_state(n, NUD_REACHABLE);
			next = MAX_OF(n->confirmed_ns + reachable_ns(n->table, p) - now_ns, 1);
		} else {
			set_state(n, NUD_PROBE);
			n->probes = 0;
		}
	}
	if (n->state == NUD_INCOMPLETE)
		max_probes += p->mcast_solicit;
	if (n->state & (NUD_INCOMPLETE | NUD_PROBE) && n->probes >= max_probes) {
		fail(n);
		return;
	}
	if (n->state & NUD_TIMED)
		arm(n, next);
	if (n->state & (NUD_INCOMPLETE | NUD_PROBE))
		probe(n);
}

/* A packet leaves over an entry that nobody confirmed lately. */
static void use_stale(struct neigh *n)
{
	set_state(n, NUD_DELAY);
	arm(n, delay_ns(params_of(n->table, n->family)));
}

/* --- birth --- */

static void collect_garbage(struct neigh_table *table, uint8_t family)
{
	struct neigh_params *p = params_of(table, family);
	int64_t young = table->inst->now_ns - (int64_t)FORCED_GC_AGE_SEC * NSEC_PER_SEC;

	for (unsigned int i = 0; i < NEIGH_BUCKETS && p->count > (unsigned int)MAX_OF(p->gc_thresh2, 0); i++)
		for (struct neigh *n = table->buckets[i], *next; n; n = next) {
			next = n->next;
			if (n->family == family && !n->failing && list_is_empty(&n->waiting) &&
			    (n->state == NUD_FAILED || (n->state == NUD_STALE && n->updated_ns < young)))
				neigh_unlink(n);
		}
}

static struct neigh *make(struct neigh_table *table, struct iface *iface, uint8_t family,
			  const union nf_inet_addr *addr, bool permanent)
{
	struct neigh_params *p = params_of(table, family);
	struct neigh **bucket, *n;

	if (!permanent && p->count >= (unsigned int)MAX_OF(p->gc_thresh3, 0)) {
		collect_garbage(table, family);
		if (p->count >= (unsigned int)MAX_OF(p->gc_thresh3, 0))
			return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->table = table;
	n->iface = iface;
	n->family = family;
	memcpy(&n->addr, addr, addr_len(family));
	n->updated_ns = n->used_ns = table->inst->now_ns;
	n->confirmed_ns = table->inst->now_ns - 2 * (int64_t)p->base_reachable_ms * NSEC_PER_MSEC;
	list_init(&n->waiting);
	timer_init(&n->timer, on_timer, n);
	bucket = bucket_of(table, iface, family, addr);
	n->next = *bucket;
	*bucket = n;
	p->count += !permanent;
	return n;
}

/* --- for packets --- */

/* Addresses whose link-layer address follows from themselves or from the interface. */
static bool known_without_asking(struct instance *inst, const struct iface *iface, uint8_t family,
				 const union nf_inet_addr *addr, uint8_t mac[6])
{
	const uint8_t *a = (const uint8_t *)addr;

	if (iface->type != ARPHRD_ETHER && !iface->is_loopback) {
		memset(mac, 0, 6);
	} else if (family == NFPROTO_IPV6 && a[0] == 0xff) {
		mac[0] = mac[1] = 0x33;
		memcpy(mac + 2, a + 12, 4);
	} else if (family == NFPROTO_IPV4 && (a[0] & 0xf0) == 0xe0) {
		mac[0] = 1;
		mac[1] = 0;
		mac[2] = 0x5e;
		mac[3] = a[1] & 0x7f;
		memcpy(mac + 4, a + 2, 2);
	} else if (iface->noarp || iface->is_loopback) {
		memcpy(mac, iface->mac, 6);
	} else if (iface->is_pointopoint ||
		   (family == NFPROTO_IPV4 && route_addr_type4(inst, NULL, addr->ip) == RTN_BROADCAST)) {
		memset(mac, 0xff, 6);
	} else {
		return false;
	}
	return true;
}

static void wait_for_answer(struct neigh *n, struct pkt *pkt)
{
	uint32_t limit = (uint32_t)MAX_OF(params_of(n->table, n->family)->queue_bytes, 0);

	while (n->waiting_bytes + pkt->len + WAITING_OVERHEAD > limit) {
		struct pkt *oldest = waiting_pop(n);

		if (!oldest)
			break;
		pkt_drop(n->table->inst, oldest, DROP_NEIGHBOUR);
	}
	list_append(&n->waiting, &pkt->node);
	n->waiting_bytes += pkt->len + WAITING_OVERHEAD;
}

int neigh_resolve(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr,
		  struct pkt *pkt, uint8_t mac[6])
{
	struct neigh *n = find(inst->neigh, iface, family, addr);
	struct neigh_params *p = params_of(inst->neigh, family);
	bool first;

	if (!n && known_without_asking(inst, iface, family, addr, mac))
		return 0;
	if (!n)
		n = make(inst->neigh, iface, family, addr, false);
	if (!n) {
		pkt_drop(inst, pkt, DROP_NEIGHBOUR);
		return -ENOBUFS;
	}
	if (n->state & NUD_HAS_MAC) {
		memcpy(mac, n->mac, 6);
		if (n->state == NUD_STALE)
			use_stale(n);
		if (!(n->state & NUD_CONNECTED_STATES))
			n->used_ns = inst->now_ns;
		return 0;
	}
	n->used_ns = inst->now_ns;
	first = n->state != NUD_INCOMPLETE;
	if (first && p->mcast_solicit <= 0) {
		set_state(n, NUD_FAILED);
		pkt_drop(inst, pkt, DROP_NEIGHBOUR);
		return -EHOSTUNREACH;
	}
	if (first) {
		set_state(n, NUD_INCOMPLETE);
		n->probes = (uint8_t)p->ucast_solicit;
		arm(n, retrans_ns(p));
	}
	wait_for_answer(n, pkt);
	if (first)
		probe(n);
	return -EINPROGRESS;
}

bool neigh_lookup(struct instance *inst, const struct iface *iface, uint8_t family,
		  const union nf_inet_addr *addr, uint8_t mac[6])
{
	const struct neigh *n = find(inst->neigh, iface, family, addr);

	if (!n)
		return known_without_asking(inst, iface, family, addr, mac);
	if (!(n->state & NUD_HAS_MAC))
		return false;
	memcpy(mac, n->mac, 6);
	return true;
}

const struct neigh *neigh_remember(struct instance *inst, const struct iface *iface, uint8_t family,
				   const union nf_inet_addr *addr)
{
	struct neigh *n = find(inst->neigh, iface, family, addr);

	if (n)
		n->is_remembered = true;
	return n;
}

const uint8_t *neigh_mac_now(const struct neigh *n)
{
	return n->state & NUD_CONNECTED_STATES ? n->mac : NULL;
}

unsigned int neigh_state(struct instance *inst, const struct iface *iface, uint8_t family,
			 const union nf_inet_addr *addr)
{
	const struct neigh *n = find(inst->neigh, iface, family, addr);

	return n ? n->state : 0;
}

int64_t neigh_updated_ns(struct instance *inst, const struct iface *iface, uint8_t family,
			 const union nf_inet_addr *addr)
{
	const struct neigh *n = find(inst->neigh, iface, family, addr);

	return n ? n->updated_ns : INT64_MIN;
}

/* --- news from the protocols --- */

static void deliver_waiting(struct neigh *n)
{
	struct neigh_params *p = params_of(n->table, n->family);
	struct pkt *pkt;

	if (list_is_empty(&n->waiting))
		return;
	if (n->state == NUD_STALE)
		use_stale(n);
	while (n->state & NUD_HAS_MAC && (pkt = waiting_pop(n))) {
		if (p->ops)
			p->ops->ready(n->table->inst, n->iface, pkt, n->mac);
		else
			pkt_drop(n->table->inst, pkt, DROP_NEIGHBOUR);
	}
	drop_waiting(n);
}

static void become(struct neigh *n, uint8_t state)
{
	struct neigh_params *p = params_of(n->table, n->family);

	timer_cancel(n->table->inst->timers, &n->timer);
	if (state == NUD_PROBE)
		n->probes = 0;
	if (state & NUD_TIMED)
		arm(n, state == NUD_REACHABLE ? reachable_ns(n->table, p) : 0);
	n->state = state;
}

static int update(struct neigh *n, const uint8_t *mac, uint8_t state, unsigned int flags)
{
	int64_t now = n->table->inst->now_ns;
	uint8_t old = n->state;
	bool changes;

	if (old & (NUD_PERMANENT | NUD_NOARP))
		return -EPERM;
	if (!(state & NUD_HAS_MAC)) {
		timer_cancel(n->table->inst->timers, &n->timer);
		n->state = state;
		if (old & (NUD_INCOMPLETE | NUD_PROBE) && state == NUD_FAILED)
			fail(n);
		return 0;
	}
	if (!mac && !(old & NUD_HAS_MAC))
		return -EINVAL;
	changes = mac && !(old & NUD_HAS_MAC && !memcmp(mac, n->mac, 6));
	if (state & NUD_CONNECTED_STATES)
		n->confirmed_ns = now;
	if (old & NUD_HAS_MAC) {
		if (changes && !(flags & NEIGH_OVERRIDE)) {
			if (!(flags & NEIGH_WEAK_OVERRIDE) || !(old & NUD_CONNECTED_STATES))
				return 0;
			changes = false;
			state = NUD_STALE;
			flags &= ~NEIGH_SET_ROUTER;
		} else if (!changes && state == NUD_STALE) {
			state = old;
		}
	}
	if (state != old || changes)
		n->updated_ns = now;
	if (state != old)
		become(n, state);
	if (changes) {
		memcpy(n->mac, mac, 6);
		if (!(state & NUD_CONNECTED_STATES))
			n->confirmed_ns = now - 2 * (int64_t)params_of(n->table, n->family)->base_reachable_ms *
					  NSEC_PER_MSEC;
	}
	if (flags & NEIGH_SET_ROUTER)
		n->router = flags & NEIGH_IS_ROUTER;
	if (state != old && !(old & NUD_HAS_MAC))
		deliver_waiting(n);
	return 0;
}

int neigh_update(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr,
		 const uint8_t *mac, uint8_t state, unsigned int flags)
{
	struct neigh *n = find(inst->neigh, iface, family, addr);

	if (!n && !(flags & NEIGH_CREATE))
		return -ENOENT;
	if (!n)
		n = make(inst->neigh, iface, family, addr, false);
	return n ? update(n, mac, state, flags) : -ENOBUFS;
}

void neigh_set_ops(struct instance *inst, uint8_t family, const struct neigh_ops *ops)
{
	params_of(inst->neigh, family)->ops = ops;
}

/* --- control --- */

int neigh_set_permanent(struct instance *inst, struct iface *iface, uint8_t family,
			const union nf_inet_addr *addr, const uint8_t mac[6], struct refusal *why)
{
	struct neigh *n = find(inst->neigh, iface, family, addr);
	uint8_t old;

	if (!n)
		n = make(inst->neigh, iface, family, addr, true);
	else if (n->state != NUD_PERMANENT)
		params_of(inst->neigh, family)->count--;
	if (!n)
		return refuse(why, -ENOBUFS, "no memory for a neighbour");
	old = n->state;
	timer_cancel(inst->timers, &n->timer);
	memcpy(n->mac, mac, 6);
	n->state = NUD_PERMANENT;
	n->updated_ns = n->confirmed_ns = inst->now_ns;
	if (!(old & NUD_HAS_MAC))
		deliver_waiting(n);
	return 0;
}

int neigh_del(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr,
	      struct refusal *why)
{
	struct neigh *n = find(inst->neigh, iface, family, addr);

	if (!n)
		return refuse(why, -ENOENT, "%s has no such neighbour", iface->name);
	neigh_unlink(n);
	return 0;
}

void neigh_flush_iface(struct instance *inst, struct iface *iface, uint8_t family)
{
	for (unsigned int i = 0; inst->neigh && i < NEIGH_BUCKETS; i++)
		for (struct neigh *n = inst->neigh->buckets[i], *next; n; n = next) {
			next = n->next;
			if (n->iface == iface && (!family || n->family == family))
				neigh_unlink(n);
		}
}

void neigh_each(struct instance *inst, bool (*visit)(void *priv, const struct neigh_view *view), void *priv)
{
	for (unsigned int i = 0; i < NEIGH_BUCKETS; i++)
		for (const struct neigh *n = inst->neigh->buckets[i]; n; n = n->next) {
			struct neigh_view view = { .iface = n->iface, .family = n->family, .addr = n->addr,
						   .state = n->state, .router = n->router };

			memcpy(view.mac, n->mac, 6);
			if (!visit(priv, &view))
				return;
		}
}

static int register_params(struct instance *inst, struct neigh_params *p, const char *family)
{
	static const struct {
		const char *name;
		uint16_t at;
		int initial;
	} fields[] = {
		{ "ucast_solicit", offsetof(struct neigh_params, ucast_solicit), 3 },
		{ "mcast_solicit", offsetof(struct neigh_params, mcast_solicit), 3 },
		{ "retrans_time_ms", offsetof(struct neigh_params, retrans_ms), 1000 },
		{ "base_reachable_time_ms", offsetof(struct neigh_params, base_reachable_ms), 30000 },
		{ "delay_first_probe_time", offsetof(struct neigh_params, delay_sec), 5 },
		{ "unres_qlen_bytes", offsetof(struct neigh_params, queue_bytes), 212992 },
		{ "gc_thresh1", offsetof(struct neigh_params, gc_thresh1), 128 },
		{ "gc_thresh2", offsetof(struct neigh_params, gc_thresh2), GC_THRESH2 },
		{ "gc_thresh3", offsetof(struct neigh_params, gc_thresh3), 1024 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct strbuf name = STRBUF_INIT;
		struct sysctl ctl = { .kind = SYSCTL_INT, .value = (char *)p + fields[i].at, .max = 100000000 };
		int err = 0;

		*(int *)ctl.value = fields[i].initial;
		if (!inst->sysctls)
			continue;
		sb_printf(&name, "net.%s.neigh.default.%s", family, fields[i].name);
		ctl.name = name.s;
		err = name.failed ? -ENOMEM : sysctl_register(inst->sysctls, &ctl);
		sb_free(&name);
		if (err)
			return err;
	}
	return 0;
}

struct neigh_table *neigh_table_new(struct instance *inst)
{
	struct neigh_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->inst = inst;
	if (register_params(inst, &table->params[0], "ipv4") || register_params(inst, &table->params[1], "ipv6")) {
		free(table);
		return NULL;
	}
	return table;
}

void neigh_table_free(struct instance *inst, struct neigh_table *table)
{
	if (!table)
		return;
	for (unsigned int i = 0; i < NEIGH_BUCKETS; i++)
		for (struct neigh *n = table->buckets[i], *next; n; n = next) {
			struct pkt *pkt;

			next = n->next;
			timer_cancel(inst->timers, &n->timer);
			while ((pkt = waiting_pop(n)))
				pkt_free(inst, pkt);
			free(n);
		}
	if (inst->sysctls) {
		sysctl_unregister_prefix(inst->sysctls, "net.ipv4.neigh.");
		sysctl_unregister_prefix(inst->sysctls, "net.ipv6.neigh.");
	}
	free(table);
}
