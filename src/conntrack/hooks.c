/*
 * conntrack/hooks.c - where conntrack stands on a packet's way, and who switches it on.
 * Tracking costs, so it is on per family only while a rule needs it. Switching it off leaves the
 * connections; when it comes back, TCP windows that moved on meanwhile are learned anew.
 */
#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "packet/defrag.h"

static unsigned int hook_in(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	return ct_packet_in(state->inst, pkt, state);
}

static unsigned int hook_local_out(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	/* A fragment that its sender asked not to be put together: not tracked, the template must not confuse rules. */
	if (state->family == NFPROTO_IPV4 && pkt_ip4(pkt)->frag_off & htons(IP4_MF | IP4_OFFSET_MASK)) {
		if (pkt->ct && pkt->ct->status & IPS_TEMPLATE)
			pkt_ct_reset(state->inst, pkt);
		return NF_ACCEPT;
	}
	return ct_packet_in(state->inst, pkt, state);
}

static unsigned int hook_confirm(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	if (pkt->ct && (ct_help_of(pkt->ct) || pkt->ct->status & IPS_SEQ_ADJUST)) {
		unsigned int verdict = ct_help_packet(state->inst, pkt, state);

		if (verdict != NF_ACCEPT)
			return verdict;
	}
	return ct_confirm(state->inst, pkt);
}

static void prefetch_burst(void *priv, struct pkt **burst, unsigned int count, const struct hook_state *state)
{
	ct_prefetch(state->inst, burst, count);
}

static const struct hook_ops hooks4[] = {
	{ NFPROTO_IPV4, NF_INET_PRE_ROUTING,  NF_IP_PRI_CONNTRACK, hook_in, "conntrack", NULL, prefetch_burst, true },
	{ NFPROTO_IPV4, NF_INET_LOCAL_OUT,    NF_IP_PRI_CONNTRACK, hook_local_out, "conntrack", NULL, NULL, true },
	{ NFPROTO_IPV4, NF_INET_POST_ROUTING, NF_IP_PRI_CONNTRACK_CONFIRM, hook_confirm, "confirm", NULL, NULL, true },
	{ NFPROTO_IPV4, NF_INET_LOCAL_IN,     NF_IP_PRI_CONNTRACK_CONFIRM, hook_confirm, "confirm", NULL, NULL, true },
};

static const struct hook_ops hooks6[] = {
	{ NFPROTO_IPV6, NF_INET_PRE_ROUTING,  NF_IP6_PRI_CONNTRACK, hook_in, "conntrack", NULL, prefetch_burst, true },
	{ NFPROTO_IPV6, NF_INET_LOCAL_OUT,    NF_IP6_PRI_CONNTRACK, hook_local_out, "conntrack", NULL, NULL, true },
	{ NFPROTO_IPV6, NF_INET_POST_ROUTING, NF_IP6_PRI_LAST, hook_confirm, "confirm", NULL, NULL, true },
	{ NFPROTO_IPV6, NF_INET_LOCAL_IN,     NF_IP6_PRI_LAST - 1, hook_confirm, "confirm", NULL, NULL, true },
};

static uint32_t *users_of(struct ct_table *table, uint8_t family)
{
	return family == NFPROTO_IPV4 ? &table->users4 : &table->users6;
}

/* A window width of zero means: learn it from the next segment. */
static bool forget_windows(void *priv, struct ct *ct)
{
	const uint8_t *family = priv;

	if (ct_family(ct) == *family && ct_proto_num(ct) == IPPROTO_TCP &&
	    ct->proto.tcp.state == TCP_CONNTRACK_ESTABLISHED) {
		ct->proto.tcp.seen[0].td_maxwin = 0;
		ct->proto.tcp.seen[1].td_maxwin = 0;
	}
	return true;
}

int ct_hooks_get(struct instance *inst, uint8_t family)
{
	const struct hook_ops *ops = family == NFPROTO_IPV4 ? hooks4 : hooks6;
	int err;

	if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
		return -EPROTO;
	if ((*users_of(inst->ct, family))++)
		return 0;
	err = defrag_hooks_get(inst, family);
	if (!err) {
		err = hook_register_all(inst->hooks, ops, ARRAY_SIZE(hooks4), NULL);
		if (err)
			defrag_hooks_put(inst, family);
	}
	if (err) {
		*users_of(inst->ct, family) = 0;
		return err;
	}
	ct_each(inst, forget_windows, &family);
	return 0;
}

void ct_hooks_put(struct instance *inst, uint8_t family)
{
	uint32_t *users = users_of(inst->ct, family);

	if (!*users || --*users)
		return;
	hook_unregister_all(inst->hooks, family == NFPROTO_IPV4 ? hooks4 : hooks6, ARRAY_SIZE(hooks4), NULL);
	defrag_hooks_put(inst, family);
}

bool ct_is_on(const struct instance *inst, uint8_t family)
{
	return *users_of(inst->ct, family) > 0;
}
