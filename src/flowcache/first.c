/*
 * flowcache/first.c - a packet that begins a connection goes the way of one that began another.
 *
 * Nobody knows it yet, so conntrack, the routes and NAT are asked as always. What is remembered is what the rules said of a packet
 * that looked the same in all that they asked for: which of them counted, and what they told NAT to do. Addresses that they asked
 * for are held against the same rules again. Only what leaves by another interface, untranslated in its destination, is remembered.
 */
#include <stdlib.h>

#include "base/crew.h"
#include "flowcache/flowcache_internal.h"
#include "host/socket.h"
#include "nat/nat.h"
#include "packet/drop.h"
#include "route/route.h"
#include "table/table.h"

enum { PAUSE_MAX = 255 };

/* A connection's status at its end of such a way is fixed until its source is chosen: nothing behind that asks. */
#define DEP_FIRST (DEP_ALIKE & ~(uint32_t)DEP_CT_STATUS)

static uint64_t look_of(const struct pkt *pkt, uint8_t asks)
{
	struct flow_first_look look = { .family = pkt->l.family, .proto = pkt->l.l4proto, .asks = asks };
	be16 ports[2];
	uint64_t word;

	memcpy(ports, pkt->data + pkt->l.l4_off, sizeof(ports));
	look.ports[0] = asks & ASKS_SPORT ? ports[0] : 0;
	look.ports[1] = asks & ASKS_DPORT ? ports[1] : 0;
	memcpy(&word, &look, sizeof(word));
	return word;
}

static uint64_t hash_of(uint64_t look, const struct iface *in)
{
	return (look ^ (uintptr_t)in >> 4) * 0x9e3779b97f4a7c15ull;
}

static struct flow_first *set_of(const struct flowcache *cache, uint64_t look, const struct iface *in)
{
	_Static_assert(FLOW_FIRST_SETS == 64, "a set is six bits of a hash");
	return &cache->first[(hash_of(look, in) >> 58) * FLOW_FIRST_WAYS];
}

/* Those aside look into what is remembered here: while it changes nobody is. */
static void change_begin(const struct instance *inst)
{
	if (inst->crew)
		crew_alone_begin(inst->crew, false);
	inst->flow->first_changes++;
}

static void change_end(const struct instance *inst)
{
	if (inst->crew)
		crew_alone_end(inst->crew);
}

static void forget(struct flowcache *cache)
{
	for (int i = 0; i < FLOW_FIRST_SETS * FLOW_FIRST_WAYS; i++) {
		if (cache->first[i].look)
			tally_close(&cache->first[i].tally);
		cache->first[i].look = 0;
	}
	cache->first_asks = 0;
	memset(cache->first_patience, 0, sizeof(cache->first_patience));
}

void flow_first_forget(struct instance *inst)
{
	if (!inst->flow->first)
		return;
	change_begin(inst);
	forget(inst->flow);
	change_end(inst);
}

static struct flow_first *find(const struct flowcache *cache, const struct pkt *pkt)
{
	for (uint8_t asks = 0; asks < ASKS_ALL; asks++) {
		struct flow_first *set;
		uint64_t look;

		if (!(cache->first_asks >> asks & 1))
			continue;
		look = look_of(pkt, asks);
		set = set_of(cache, look, pkt->in);
		for (int i = 0; i < FLOW_FIRST_WAYS; i++)
			if (set[i].look == look && flow_fit_holds(&set[i].fit, pkt, 0, 0) &&
			    table_still_fits(&set[i].asked, pkt->l.family, pkt))
				return &set[i];
	}
	return NULL;
}

/* --- learning --- */

static bool may_be_remembered(const struct instance *inst, const struct flow_recording *way, const struct pkt *pkt, enum flow_way ended)
{
	const uint32_t may_be = IPS_CONFIRMED | IPS_NAT_DONE_MASK | IPS_SRC_NAT;
	const struct record_first *first = &way->first;
	const struct ct *ct = pkt->ct;

	return ended == FLOW_FORWARD && !way->rec.is_spoiled && !way->rec.has_target && !way->rec.is_moving && way->rec.is_tracked &&
	       !(way->rec.depends & ~(uint32_t)DEP_FIRST) && first->is_new && !first->is_refused && ct && pkt->ctinfo == IP_CT_NEW &&
	       ct_is_confirmed(ct) && !(ct->status & ~may_be) && !ct->mark && !ct_secmark(ct) && !flow_is_special(ct) &&
	       first->nat[NAT_MANIP_SRC].kind != RECORD_NAT_ODD &&
	       (first->nat[NAT_MANIP_DST].kind == RECORD_NAT_NONE || first->nat[NAT_MANIP_DST].kind == RECORD_NAT_UNCHANGED) &&
	       !pkt->socket && flow_is_plain_route(pkt, ended) && !nat_is_exact(inst) && !host_sockets_connected(inst->sockets);
}

/* false: it is for few, or for nothing. */
static bool remember(struct instance *inst, struct flow_recording *way, const struct flow_result *result)
{
	struct flowcache *cache = inst->flow;
	const uint8_t asks = flow_asks(way->rec.depends);
	const struct pkt as_it_came = { .data = way->copy, .l = way->layers };
	struct flow_first *set, *last;
	uint64_t look;
	bool is_new;

	if (!cache->first) {
		change_begin(inst);
		cache->first = calloc(FLOW_FIRST_SETS * FLOW_FIRST_WAYS, sizeof(*cache->first));
		change_end(inst);
	}
	if (!cache->first)
		return false;
	look = look_of(&as_it_came, asks);
	set = set_of(cache, look, way->fit.in);
	last = &set[cache->first_next++ % FLOW_FIRST_WAYS];
	for (int i = 0; i < FLOW_FIRST_WAYS && last->look; i++)
		if (!set[i].look)
			last = &set[i];
	is_new = !last->look && !(asks & ASKS_SPORT);
	change_begin(inst);
	if (last->look)
		tally_close(&last->tally);
	last->look = 0;
	if (tally_open(inst, &last->tally, way->rec.counted, way->rec.count)) {
		last->look = look;
		last->fit = way->fit;
		last->result = *result;
		last->asked = way->first;
		cache->first_asks |= (uint8_t)(1 << asks);
	}
	change_end(inst);
	return is_new;
}

static struct flow_patience *patience_with(struct flowcache *cache, const struct pkt *pkt, const struct iface *in)
{
	_Static_assert(FLOW_FIRST_KINDS == 256, "a kind is eight bits of a hash");
	return &cache->first_patience[hash_of(look_of(pkt, ASKS_DPORT), in) >> 56];
}

/* The next one of its kind may end alike: it pauses the longer, the oftener it was for nothing. */
static void learned(struct flowcache *cache, bool good)
{
	const struct flow_recording *way = &cache->recording;
	const struct pkt as_it_came = { .data = (uint8_t *)way->copy, .l = way->layers };
	struct flow_patience *patience = patience_with(cache, &as_it_came, way->fit.in);

	patience->pause = (uint16_t)(good ? 0 : MIN_OF(patience->pause * 2 + 1, (int)PAUSE_MAX));
	patience->left = patience->pause;
	*(good ? &cache->stats.recorded : &cache->stats.refused) += 1;
}

/* FLOW_CHECK. Whom conntrack or NAT refuse in the end, they would have refused anyway. */
static void compare(struct flowcache *cache, const struct pkt *pkt, const struct flow_result *result)
{
	const struct flow_recording *way = &cache->recording;
	const struct flow_first *expected = way->expected_first;
	struct flow_result want;

	if (!expected->look || !way->rec.is_tracked || !way->first.is_new || way->first.is_refused)
		return;
	want = expected->result;
	want.neigh = way->expected_neigh;
	flow_compare(cache, pkt, result, &want, &expected->tally);
	for (int manip = 0; result->way != FLOW_FULL && manip < 2; manip++)
		if (memcmp(&way->first.nat[manip], &expected->asked.nat[manip], sizeof(way->first.nat[manip])))
			flow_differ(cache, pkt, "choice of NAT");
}

void flow_first_note(struct instance *inst, struct pkt *pkt, enum flow_way ended, const union nf_inet_addr *addr)
{
	struct flow_recording *way = &inst->flow->recording;
	struct flow_result result;
	bool good = may_be_remembered(inst, way, pkt, ended);

	way->ct = pkt->ct;		/* lent */
	flow_fit_narrow(inst, way);
	way->fit.status = way->fit.status_mask = way->fit.ct_mark = way->fit.ct_mark_mask = 0;
	flow_result_of(way, pkt, ended, &result);
	if (addr)
		result.neigh = neigh_remember(inst, pkt->route.oif, pkt->l.family, addr);
	way->fit.fields = way->fields & way->fit.fields_mask;
	if (way->expected_first)
		compare(inst->flow, pkt, &result);
	else
		learned(inst->flow, good && (result.neigh || pkt->route.oif->type != ARPHRD_ETHER) && flow_reproduces(way, pkt, &result) &&
				    remember(inst, way, &result));
	way->ct = NULL;
}

void flow_first_finish(struct instance *inst)
{
	static const struct flow_result nothing = { .way = FLOW_FULL };
	const struct flow_recording *way = &inst->flow->recording;
	const struct pkt gone = { .serial = inst->serial };

	if (way->expected_first)
		compare(inst->flow, &gone, &nothing);
	else
		learned(inst->flow, false);
}

/* --- repeating --- */

static enum flow_way drop(struct instance *inst, struct pkt *pkt, const struct hook_state *state, enum drop_reason reason)
{
	pkt->hook = state;
	pkt_drop(inst, pkt, pkt->drop_reason ? (enum drop_reason)pkt->drop_reason : reason);
	return FLOW_GONE;
}

/* Behind conntrack: what its hooks and NAT's would do in PRE_ROUTING and POST_ROUTING. */
static enum flow_way go(struct instance *inst, struct pkt *pkt, struct flow_first *first)
{
	const struct hook_state before = { .inst = inst, .family = pkt->l.family, .hooknum = NF_INET_PRE_ROUTING, .in = pkt->in };
	const struct hook_state after = { .inst = inst, .family = pkt->l.family, .hooknum = NF_INET_POST_ROUTING, .in = pkt->in,
					  .out = first->result.route.oif };
	const struct record_nat *nat = first->asked.nat;
	unsigned int verdict;

	first->tally.packets++;
	first->tally.bytes += pkt->len;
	nat_repeat(pkt, NAT_MANIP_DST, &nat[NAT_MANIP_DST], &before);	/* it stays: that is always accepted */
	verdict = nat_repeat(pkt, NAT_MANIP_SRC, &nat[NAT_MANIP_SRC], &after);
	flow_apply(pkt, pkt->ct, IP_CT_DIR_ORIGINAL, &first->result);
	if (unlikely(verdict != NF_ACCEPT)) {
		pkt->rule = first->asked.nat_rule;
		return drop(inst, pkt, &after, DROP_RULE);
	}
	if (unlikely(ct_confirm(inst, pkt) != NF_ACCEPT))
		return drop(inst, pkt, &after, DROP_HOOK);
	inst->flow->stats.hits++;
	inst->flow->stats.begun++;
	return FLOW_FORWARD;
}

/* --- aside --- */

void flow_firsts_hold(struct instance *inst, uint32_t number)
{
	inst->flow->guessed_at = number;
}

/* What control changed shows here before its rules go; what somebody alone with packets changes meanwhile may show or not. */
static HINTS bool is_current(const struct instance *inst)
{
	return *(const volatile uint64_t *)&inst->changes == *(const volatile uint64_t *)&inst->flow->changes;
}

uint32_t flow_firsts_guess(struct instance *inst, struct flow_company *own, struct pkt *const *pkts, unsigned int count, uint32_t closings)
{
	const struct flowcache *cache = inst->flow;
	struct route_aside *routes = flow_company_routes(own);

	if (!cache->first || !is_current(inst) || cache->mode != FLOW_ON || !routes || !route_aside_look(routes, inst, closings))
		return FLOW_GUESSES_NONE;
	for (unsigned int i = 0; i < count; i++) {
		struct pkt *pkt = pkts[i];
		const struct flow_first *first;

		pkt->first_guess = 0;
		if (!pkt->has_flow_hash || pkt->l.family != NFPROTO_IPV4 || !ct_has_ports(pkt) || !flow_is_fresh(pkt))
			continue;
		first = find(cache, pkt);
		if (first && route_aside_input(routes, pkt) == DROP_NONE && !memcmp(&pkt->route, &first->result.route, sizeof(pkt->route)))
			pkt->first_guess = (uint16_t)(first - cache->first + 1);
		memset(&pkt->route, 0, sizeof(pkt->route));
	}
	return cache->first_changes;
}

/* Its way, with its route and who is next door; NULL: none. */
static struct flow_first *meet(struct instance *inst, struct pkt *pkt, const struct neigh **neigh)
{
	struct flowcache *cache = inst->flow;
	struct flow_first *first;

	if (pkt->first_guess && cache->guessed_at == cache->first_changes) {
		const union nf_inet_addr to = { .ip = pkt_ip4(pkt)->daddr };

		first = &cache->first[pkt->first_guess - 1];
		pkt->route = first->result.route;
		*neigh = flow_neigh_of(inst, pkt, &first->result, &to);
		return *neigh || !first->result.neigh ? first : NULL;
	}
	first = find(cache, pkt);
	return first && flow_is_routed_alike(inst, pkt, NULL, &first->result, neigh) ? first : NULL;
}

enum flow_way flow_first_take(struct instance *inst, struct pkt *pkt, const struct neigh **neigh)
{
	struct flowcache *cache = inst->flow;
	struct flow_patience *patience;
	struct flow_first *first;

	if (!ct_has_ports(pkt) || !pkt->in || pkt->flags & PKT_FLAG_LOCAL || ct_owes_answer(inst))
		return FLOW_FULL;
	first = meet(inst, pkt, neigh);
	if (first && *neigh && !neigh_mac_now(*neigh)) {	/* who is next door is to be asked first */
		memset(&pkt->route, 0, sizeof(pkt->route));
		return FLOW_FULL;
	}
	if (!first || cache->mode == FLOW_CHECK) {
		memset(&pkt->route, 0, sizeof(pkt->route));
		patience = patience_with(cache, pkt, pkt->in);
		if (first || !patience->left)
			flow_record_first(inst, pkt, first, *neigh);
		else
			patience->left--;
		return FLOW_FULL;
	}
	if (unlikely(!ct_track_first(inst, pkt))) {
		memset(&pkt->route, 0, sizeof(pkt->route));
		cache->stats.late++;
		return FLOW_FULL;
	}
	return go(inst, pkt, first);
}
