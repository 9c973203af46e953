/*
 * path/worker.c - a burst aside, in company, and what remains of it alone.
 * A packet that must wait for that makes later ones of its flow wait, too: they leave in the order in which they came.
 * When most of a burst was for somebody alone, the next one does without company: it would wait at the door twice.
 */
#include "path/worker.h"

#include <stdlib.h>

#include "base/crew.h"
#include "flowcache/flowcache.h"
#include "nat/nat.h"
#include "path/path_internal.h"
#include "table/table.h"

struct iface_counts { struct iface *iface; uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; };

struct worker {
	struct crew_member member;
	struct instance *inst;
	struct observer observer;
	bool has_observer;
	struct pkt_pool *pool;
	struct flow_company *flow;
	struct iface_counts *ifaces;	/* by index */
	unsigned int iface_room, touched_count;
	unsigned int *touched;
	bool begins_many;		/* most packets of its last burst were for somebody alone */
	/* while it is alone: what the instance's own are */
	struct observer their_observer;
	struct pkt_pool *their_pool;
};

static struct worker *worker_of(struct crew_member *member) { return container_of(member, struct worker, member); }

/* --- what is counted in company --- */

static inline struct iface_counts *counts_of(struct worker *worker, struct iface *iface)
{
	struct iface_counts *counts = &worker->ifaces[iface->index];

	if (unlikely(!counts->iface)) {
		counts->iface = iface;
		worker->touched[worker->touched_count++] = iface->index;
	}
	return counts;
}

static void fold(struct worker *worker)
{
	for (unsigned int i = 0; i < worker->touched_count; i++) {
		struct iface_counts *counts = &worker->ifaces[worker->touched[i]];

		counts->iface->stats.rx_packets += counts->rx_packets;
		counts->iface->stats.rx_bytes += counts->rx_bytes;
		counts->iface->stats.tx_packets += counts->tx_packets;
		counts->iface->stats.tx_bytes += counts->tx_bytes;
		*counts = (struct iface_counts){ NULL };
	}
	worker->touched_count = 0;
	flow_company_fold(worker->inst, worker->flow);
}

/* Interfaces came: there is a place for each. Without memory their packets wait for somebody alone. */
static void make_room(struct worker *worker, unsigned int indexes)
{
	struct iface_counts *ifaces;
	unsigned int *touched;

	if (indexes <= worker->iface_room)
		return;
	indexes += 16;
	ifaces = calloc(indexes, sizeof(*ifaces));
	touched = calloc(indexes, sizeof(*touched));
	if (ifaces && touched) {		/* nothing is counted now: somebody is alone */
		free(worker->ifaces);
		free(worker->touched);
		worker->ifaces = ifaces;
		worker->touched = touched;
		worker->iface_room = indexes;
	} else {
		free(ifaces);
		free(touched);
		worker->iface_room = 0;
	}
}

static inline bool has_room_for(const struct worker *worker, const struct iface *iface)
{
	return iface && iface->index < worker->iface_room;
}

/* --- alone --- */

static void alone_begin(struct instance *inst, struct worker *worker, bool beside)
{
	struct crew *crew = inst->crew;

	if (!crew || !crew_alone_begin(crew, beside))
		return;
	inst->in_company = false;
	for (unsigned int i = 0; i < crew->count; i++)
		fold(worker_of(crew->members[i]));
	inst->serial = __atomic_load_n(&crew->serial, __ATOMIC_RELAXED);
	if (!worker)
		return;
	worker->their_pool = inst->pkt_pool;
	inst->pkt_pool = worker->pool;
	worker->their_observer = inst->observer;
	if (worker->has_observer)
		inst->observer = worker->observer;
}

void worker_alone_begin(struct instance *inst, struct worker *worker)
{
	alone_begin(inst, worker, false);
}

void worker_alone_end(struct instance *inst, struct worker *worker)
{
	struct crew *crew = inst->crew;

	if (!crew)
		return;
	if (crew->depth == 1) {
		if (worker) {
			inst->pkt_pool = worker->their_pool;
			if (worker->has_observer)
				inst->observer = worker->their_observer;
		}
		if (crew->is_closed) {		/* else interfaces are the same, and numbers are drawn meanwhile */
			for (unsigned int i = 0; i < crew->count; i++)
				make_room(worker_of(crew->members[i]), inst->next_ifindex);
			crew->serial = MAX_OF(crew->serial, inst->serial);
		}
		inst->in_company = crew->count > 0;
	}
	crew_alone_end(crew);
}

bool worker_alone_pause(struct instance *inst)
{
	if (!inst->crew || !crew_is_alone_once(inst->crew))
		return false;
	worker_alone_end(inst, NULL);
	return true;
}

void worker_alone_resume(struct instance *inst, bool paused)
{
	if (paused)
		worker_alone_begin(inst, NULL);
}

/* --- life --- */

static void release(struct worker *worker)
{
	if (worker->pool)
		pkt_pool_free(worker->pool);
	flow_company_free(worker->flow);
	free(worker->ifaces);
	free(worker->touched);
	free(worker);
}

static struct crew *crew_of(struct instance *inst)
{
	struct crew *crew = inst->crew ? inst->crew : calloc(1, sizeof(*crew));

	if (!crew || inst->crew)
		return crew;
	crew->serial = inst->serial;
	inst->crew = crew;
	return crew;
}

struct worker *worker_new(struct instance *inst, const struct observer *observer)
{
	struct worker *worker = aligned_alloc(_Alignof(struct worker), sizeof(*worker));
	int err = -ENOMEM;

	if (!worker)
		return NULL;
	memset(worker, 0, sizeof(*worker));
	worker->inst = inst;
	worker->pool = pkt_pool_new();
	worker->flow = flow_company_new();
	if (observer) {
		worker->observer = *observer;
		worker->has_observer = true;
	}
	if (worker->pool && worker->flow && crew_of(inst)) {
		worker_alone_begin(inst, NULL);
		tables_serve_workers(inst);
		err = crew_join(inst->crew, &worker->member);
		worker_alone_end(inst, NULL);
	}
	if (!err)
		return worker;
	release(worker);
	return NULL;
}

void worker_free(struct worker *worker)
{
	struct instance *inst = worker ? worker->inst : NULL;
	struct crew *crew = worker ? inst->crew : NULL;
	bool is_last;

	if (!worker)
		return;
	worker_alone_begin(inst, NULL);
	crew_leave(crew, &worker->member);
	is_last = crew->count == 0;
	worker_alone_end(inst, NULL);
	release(worker);
	if (!is_last)
		return;
	inst->crew = NULL;
	free(crew);
}

/* --- a burst --- */

enum { BEGINS_MANY_MIN = 4 };	/* packets, before a burst says anything about the next one */

struct rest {			/* of a burst: what is left for somebody alone */
	struct pkt *pkts[PKT_BURST_MAX];
	struct ct_early early[PKT_BURST_MAX];
	struct ct *later[PKT_BURST_MAX];
	unsigned int count, later_count;
	bool has_early, has_unsound;
	uint32_t guesses;		/* flow_firsts_guess() */
	enum path_asked asked;
	uint32_t closings;		/* when it was checked */
	uint64_t flows;			/* a bit for each flow that waits */
};

static inline uint64_t flow_bit(const struct pkt *pkt)
{
	return pkt->has_flow_hash ? 1ull << (pkt->flow_hash & 63) : 0;
}

static void put_off(struct rest *rest, struct pkt *pkt)
{
	rest->early[rest->count].pkt = NULL;
	rest->pkts[rest->count++] = pkt;
	rest->flows |= flow_bit(pkt);
}

static unsigned int take_all(struct worker *worker, const struct worker_frame *frames, unsigned int count, struct pkt **burst)
{
	uint64_t serial = crew_serials(worker->inst->crew, count);
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct pkt *pkt = frames[i].len > PKT_LEN_MAX ? NULL :
				  pkt_arrive(worker->inst, worker->pool, frames[i].in, frames[i].bytes, frames[i].len, serial + i);

		if (!pkt)
			continue;
		if (frames[i].may_be_partial)
			pkt_complete_partial_sum(pkt);
		burst[n++] = pkt;
	}
	return n;
}

/* Sound IP packets of which nothing odd is known; the others are put off as they are. */
static unsigned int sort_out(struct worker *worker, struct pkt **burst, unsigned int count, struct pkt **sound, struct rest *rest)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct pkt *pkt = burst[i];

		/* a tagged frame's interface is found out on the full way */
		if (pkt->flags & PKT_FLAG_VLAN || !has_room_for(worker, pkt->in) ||
		    (pkt->protocol != ETH_P_IP && pkt->protocol != ETH_P_IPV6)) {
			put_off(rest, pkt);
			rest->has_unsound = true;
		} else
			sound[n++] = pkt;
	}
	path_check(worker->inst, sound, n);
	count = n;
	n = 0;
	for (unsigned int i = 0; i < count; i++) {
		if (sound[i]->drop_reason == DROP_NONE)
			sound[n++] = sound[i];
		else
			put_off(rest, sound[i]);
	}
	return n;
}

/* Observers hear of drops one at a time. */
static void drop(struct worker *worker, const struct observer *observer, struct pkt *pkt, enum drop_reason reason)
{
	pkt->drop_reason = (uint16_t)reason;
	if (!observer->drop)
		return;
	spin_lock(&worker->inst->crew->telling);
	observer->drop(observer->priv, pkt);
	spin_unlock(&worker->inst->crew->telling);
}

/* The remembered way's last step. */
static void finish(struct worker *worker, struct pkt *pkt, enum flow_way way, const uint8_t *mac)
{
	const struct observer *observer = worker->has_observer ? &worker->observer : &worker->inst->observer;
	struct iface *port;
	uint8_t *frame;
	uint32_t len;

	if (way == FLOW_DELIVER) {
		pkt->out = NULL;
		if (observer->deliver)
			observer->deliver(observer->priv, pkt);
	} else {
		frame = link_frame(pkt->route.oif, pkt, mac, pkt->protocol, &port);
		if (!frame || !port->up) {
			drop(worker, observer, pkt, frame ? DROP_IFACE_DOWN : DROP_NO_MEMORY);
		} else {
			len = (uint32_t)(pkt->data + pkt->len - frame);
			for (struct iface *i = pkt->route.oif; i; i = i->vlan_parent) {
				counts_of(worker, i)->tx_packets++;
				counts_of(worker, i)->tx_bytes += len;
			}
			if (observer->transmit)
				observer->transmit(observer->priv, port, pkt, frame, len);
		}
	}
	pkt->ct = NULL;			/* never had a share */
	pkt_give_back(worker->pool, pkt);
}

static void go_in_company(struct worker *worker, struct pkt *pkt, struct rest *rest)
{
	struct iface_counts *in = counts_of(worker, pkt->in);
	struct ct_early early = { NULL };
	struct ct *later = NULL;
	const uint8_t *mac = NULL;
	enum flow_way way;
	uint32_t len = pkt->len;

	way = flowcache_take_met(worker->inst, worker->flow, pkt, &mac, &early, &later);
	if (way == FLOW_FULL) {
		put_off(rest, pkt);
		rest->early[rest->count - 1] = early;
		rest->has_early |= early.pkt != NULL;
		return;
	}
	in->rx_packets++;
	in->rx_bytes += len;
	finish(worker, pkt, way, mac);
	if (unlikely(later))
		rest->later[rest->later_count++] = later;
}

/* Packets so far of connections that were there, and went a remembered way. */
static uint64_t hits_of(const struct instance *inst)
{
	return flowcache_stats(inst)->hits - flowcache_stats(inst)->begun;
}

/* @hits: of these in the burst, or NULL. */
static void do_alone(struct worker *worker, struct rest *rest, uint64_t *hits)
{
	struct instance *inst = worker->inst;

	alone_begin(inst, worker, true);
	if (hits)
		*hits = hits_of(inst);
	flow_firsts_hold(inst, rest->guesses);
	for (unsigned int i = 0; i < rest->later_count; i++)
		ct_settle(inst, rest->later[i]);
	if (rest->count) {
		if (rest->has_unsound || rest->closings != inst->crew->closings)
			path_check(inst, rest->pkts, rest->count);	/* it may be another world by now */
		path_go(inst, rest->pkts, rest->count, rest->asked, rest->has_early ? rest->early : NULL);
	}
	flow_firsts_hold(inst, FLOW_GUESSES_NONE);
	if (hits)
		*hits = hits_of(inst) - *hits;
	worker_alone_end(inst, worker);
}

/* All of it alone, as in an instance of one thread. */
static void go_alone(struct worker *worker, struct pkt **sound, unsigned int n, struct pkt **burst, unsigned int count, struct rest *rest)
{
	uint64_t hits;

	if (rest->asked == PATH_HASHED) {
		nat_hash(worker->inst, sound, n);
		ct_known_hint(worker->inst, sound, n);
		nat_hint(worker->inst, sound, n);
		rest->asked = PATH_ASKED;
		rest->guesses = flow_firsts_guess(worker->inst, worker->flow, sound, n, rest->closings);
	}
	crew_out(&worker->member);
	memcpy(rest->pkts, burst, count * sizeof(*burst));
	rest->count = count;
	do_alone(worker, rest, &hits);
	worker->begins_many = hits * 2 < count;
}

static void go_in_turn(struct worker *worker, struct pkt **sound, unsigned int n, unsigned int count, struct rest *rest)
{
	struct instance *inst = worker->inst;
	struct pkt *fresh[PKT_BURST_MAX];

	crew_in(inst->crew, &worker->member);
	if (rest->closings != inst->crew->closings) {	/* whether they are sound is to be asked again */
		for (unsigned int i = 0; i < n; i++)
			put_off(rest, sound[i]);
		n = 0;
	}
	if (n > 1)
		ct_known_prefetch(inst, sound, n, true, fresh);
	for (unsigned int i = 0; i < n; i++) {
		if (rest->flows & flow_bit(sound[i]))
			put_off(rest, sound[i]);
		else
			go_in_company(worker, sound[i], rest);
	}
	worker->begins_many = rest->count * 2 > count && count >= BEGINS_MANY_MIN;
	if (rest->count > 1) {
		crew_aside(inst->crew, &worker->member);
		nat_hash(inst, rest->pkts, rest->count);
		rest->guesses = flow_firsts_guess(inst, worker->flow, rest->pkts, rest->count, inst->crew->closings);
	}
	crew_out(&worker->member);
	if (rest->count || rest->later_count)
		do_alone(worker, rest, NULL);
}

/* @burst is aside. Leaves. */
static void go(struct worker *worker, struct pkt **burst, unsigned int count)
{
	struct instance *inst = worker->inst;
	struct pkt *sound[PKT_BURST_MAX];
	struct rest rest;
	unsigned int n;

	rest.count = rest.later_count = 0;
	rest.has_early = rest.has_unsound = false;
	rest.closings = inst->crew->closings;
	rest.flows = 0;
	rest.guesses = FLOW_GUESSES_NONE;
	n = sort_out(worker, burst, count, sound, &rest);
	rest.asked = n > 1 ? PATH_HASHED : PATH_NOT_ASKED;
	if (n > 1)
		ct_known_hash(inst, sound, n);
	if (worker->begins_many && count >= BEGINS_MANY_MIN)
		go_alone(worker, sound, n, burst, count, &rest);
	else
		go_in_turn(worker, sound, n, count, &rest);
}

unsigned int worker_receive(struct worker *worker, const struct worker_frame *frames, unsigned int count)
{
	struct pkt *burst[PKT_BURST_MAX];
	unsigned int taken;

	crew_aside(worker->inst->crew, &worker->member);
	taken = take_all(worker, frames, count, burst);
	go(worker, burst, taken);
	return taken;
}

void worker_receive_one(struct worker *worker, struct pkt *pkt)
{
	struct crew *crew = worker->inst->crew;

	pkt->flow_node = NULL;		/* noted before others may have changed it */
	__atomic_store_n(&crew->serial, pkt->serial, __ATOMIC_RELAXED);
	crew_aside(crew, &worker->member);
	go(worker, &pkt, 1);
}

/* --- spreading --- */

static uint32_t mix(uint64_t sum)
{
	sum *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(sum >> 32);
}

uint32_t worker_spread(const void *bytes, uint32_t len, bool is_ip)
{
	const uint8_t *at = bytes;
	uint32_t header, l4 = 0, a, b;
	uint64_t sum = 0;
	uint8_t proto;

	if (!is_ip) {
		uint16_t type;

		if (len < ETH_HLEN)
			return 0;
		type = get_be16(at + 12);
		at += ETH_HLEN;
		len -= ETH_HLEN;
		while ((type == ETH_P_8021Q || type == ETH_P_8021AD) && len >= 4) {
			type = get_be16(at + 2);
			at += 4;
			len -= 4;
		}
		if (type != ETH_P_IP && type != ETH_P_IPV6)
			return 0;
	}
	if (len >= sizeof(struct iphdr) && *at >> 4 == 4) {
		header = (*at & 15) * 4u;
		proto = at[9];
		sum = (uint64_t)get_be32(at + 12) + get_be32(at + 16);
		if (!(get_be16(at + 6) & (IP4_MF | IP4_OFFSET_MASK)))
			l4 = header;
	} else if (len >= sizeof(struct ipv6hdr) && *at >> 4 == 6) {
		proto = at[6];
		for (unsigned int i = 8; i < 40; i += 4)
			sum += get_be32(at + i);
		l4 = sizeof(struct ipv6hdr);
	} else {
		return 0;
	}
	if (l4 && (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP) && len >= l4 + 4) {
		a = get_be16(at + l4);
		b = get_be16(at + l4 + 2);
		sum += (uint64_t)(a + b) << 20;
	}
	return mix(sum + proto);
}
