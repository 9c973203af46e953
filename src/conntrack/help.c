/*
 * conntrack/help.c - which connections have a helper, and when it is asked.
 * Only a CT rule assigns one, unless auto_help.c may: whoever can send packets to a port must not be able to open others.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "conntrack/user_helper.h"

const struct ct_helper *ct_helper_find(const struct instance *inst, const char *name, uint8_t family, uint8_t proto)
{
	list_for_each(node, &inst->ct->user_helpers) {
		const struct ct_user_helper *user = list_entry(node, struct ct_user_helper, node);

		if (!user->is_gone && !strcmp(user->name, name) && user->helper.proto == proto &&
		    (user->family == NFPROTO_UNSPEC || user->family == family))
			return &user->helper;
	}
	for (const struct ct_helper *const *helper = ct_helpers; *helper; helper++)
		if (strcmp((*helper)->name, name) == 0 && (*helper)->proto == proto &&
		    (family == NFPROTO_IPV4 ? (*helper)->ip4 : (*helper)->ip6))
			return *helper;
	return NULL;
}

const struct ct_helper_conf *ct_helper_conf(const struct instance *inst)
{
	return &inst->ct->helper_conf;
}

struct ct_expect_policy ct_helper_policy_now(const struct instance *inst, const struct ct_helper *helper, unsigned int class)
{
	struct ct_expect_policy policy = { 0 };

	if (!helper)
		return policy;
	policy = *ct_helper_policy(helper, class);
	if (helper->set_policy)
		helper->set_policy(ct_helper_conf(inst), class, &policy);
	return policy;
}

struct ct_help *ct_help_add(struct ct *ct, const struct ct_helper *helper)
{
	if (!ct_extra_get(ct) || ct->extra->help)
		return NULL;
	ct->extra->help = calloc(1, sizeof(*ct->extra->help));
	if (!ct->extra->help)
		return NULL;
	ct->extra->help->helper = helper;
	ct->extra->help->events_wanted = UINT8_MAX;
	list_init(&ct->extra->help->expectations);
	ct->status |= IPS_HELPER;
	return ct->extra->help;
}

void ct_help_assign(struct instance *inst, struct ct *ct, const struct ct *template)
{
	const struct ct_help *said = ct_help_of(template);
	struct ct_help *help = said ? ct_help_add(ct, said->helper) : NULL;

	if (!help)
		return;
	help->events_wanted = said->events_wanted;
	if (!template->event_wanted && !inst->ct->conf.events)
		help->events_wanted = 0;
}

void ct_help_free(struct instance *inst, struct ct *ct)
{
	if (!ct_help_of(ct))
		return;
	ct_expect_remove_all(inst, ct);
	ct_gre_keys_forget(inst, ct);
	free(ct->extra->help);
	ct->extra->help = NULL;
}

unsigned int ct_help_refuse(const struct ct_help_call *call, const char *fmt, ...)
{
	const struct observer *observer = &call->inst->observer;
	char reason[256];
	va_list ap;

	call->pkt->drop_reason = DROP_HELPER;
	if (!observer->helper)
		return NF_DROP;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	observer->helper(observer->priv, call->pkt, call->help->helper->name, reason);
	return NF_DROP;
}

bool ct_help_tcp_payload(const struct ct_help_call *call, uint32_t *off, uint32_t *len)
{
	const struct pkt *pkt = call->pkt;

	if (pkt->len - call->l4_off < sizeof(struct tcphdr))
		return false;
	*off = call->l4_off + (pkt->data[call->l4_off + 12] >> 4) * 4u;
	if (*off >= pkt->len)
		return false;
	*len = pkt->len - *off;
	return true;
}

unsigned int ct_help_packet(struct instance *inst, struct pkt *pkt, const struct hook_state *state)
{
	struct ct_help_call call = { .inst = inst, .pkt = pkt, .ct = pkt->ct, .help = ct_help_of(pkt->ct),
				     .ctinfo = pkt->ctinfo, .dir = ctinfo_dir(pkt->ctinfo), .state = state };
	bool is_renumbered = call.ct->status & IPS_SEQ_ADJUST && !(pkt->in && pkt->in->is_loopback);
	unsigned int verdict;
	struct ct_l4 l4;

	/* Helpers read no ICMP errors about the other direction. */
	if (call.ct->status & IPS_TEMPLATE || pkt->ctinfo == IP_CT_RELATED_REPLY ||
	    !ct_l4_find(pkt->data, pkt->len, state->family, &l4))
		return NF_ACCEPT;
	call.l4_off = (uint32_t)(l4.at - pkt->data);
	if (call.help && call.help->helper) {
		verdict = call.help->helper->help(&call);
		if (verdict != NF_ACCEPT) {
			if (pkt->drop_reason == DROP_NONE && (verdict & NF_VERDICT_MASK) != NF_QUEUE)
				pkt->drop_reason = DROP_HELPER;
			return verdict;
		}
	}
	if (is_renumbered && !ct_seqadj_apply(pkt, call.ct, call.dir, call.l4_off)) {
		pkt->drop_reason = DROP_HELPER;
		return NF_DROP;
	}
	return NF_ACCEPT;
}
