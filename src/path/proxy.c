/*
 * path/proxy.c - questions that are answered for somebody else (proxy ARP, anycast addresses) wait a random while
 * when they went to everybody, so that the somebody, or a nearer proxy, comes first.
 */
#include "path/path_internal.h"

enum { PROXY_DELAY_JIFFIES = 200, PROXY_QUEUE_MAX = 64 };	/* neigh.proxy_delay, proxy_qlen */

struct held {
	struct list node;
	struct timer timer;
	struct instance *inst;
	struct pkt *pkt;
};

static void release(struct timer *timer, void *arg, int64_t now_ns)
{
	struct held *held = arg;
	struct instance *inst = held->inst;
	struct pkt *pkt = held->pkt;

	list_remove(&held->node);
	path_state(inst)->held_count--;
	free(held);
	pkt->opt.held = true;
	path_enter(inst);
	if (pkt->protocol == ETH_P_ARP) {
		arp_receive(inst, pkt);
	} else {
		ndisc_receive(inst, pkt, pkt->l.l4_off);
		pkt_free(inst, pkt);
	}
	path_leave(inst);
}

void proxy_hold(struct instance *inst, const struct pkt *pkt)
{
	struct icmp_state *state = path_state(inst);
	struct held *held;

	if (state->held_count > PROXY_QUEUE_MAX)
		return;
	held = calloc(1, sizeof(*held));
	if (!held)
		return;
	held->inst = inst;
	held->pkt = pkt_copy(inst, pkt);
	if (!held->pkt) {
		free(held);
		return;
	}
	timer_init(&held->timer, release, held);
	list_append(&state->held, &held->node);
	state->held_count++;
	timer_arm(inst->timers, &held->timer,
		  inst->now_ns + (int64_t)rng_below(&inst->rng, PROXY_DELAY_JIFFIES) * NSEC_PER_JIFFY);
}

void proxy_forget_all(struct instance *inst, struct icmp_state *state)
{
	list_for_each_safe(node, &state->held) {
		struct held *held = list_entry(node, struct held, node);

		timer_cancel(inst->timers, &held->timer);
		pkt_free(inst, held->pkt);
		free(held);
	}
}
