/* conntrack/user_helper.c - see user_helper.h. */
#include "conntrack/user_helper.h"

#include <stdlib.h>

#include "conntrack/conntrack_internal.h"

/* Whoever has no program behind its queue is not in the way. */
static unsigned int to_queue(const struct ct_help_call *call)
{
	const struct ct_user_helper *helper = (const struct ct_user_helper *)call->help->helper;

	if (!helper->is_enabled || helper->is_gone)
		return NF_ACCEPT;
	return NF_QUEUE_NR((uint32_t)helper->queue) | NF_VERDICT_FLAG_QUEUE_BYPASS;
}

struct ct_user_helper *ct_user_helper_of(const struct ct_helper *helper)
{
	return helper && helper->help == to_queue ? (struct ct_user_helper *)helper : NULL;
}

struct ct_expect_policy *ct_user_helper_policy(struct ct_user_helper *helper, unsigned int class)
{
	return class ? &helper->more[class - 1] : &helper->helper.policy;
}

struct ct_user_helper *ct_user_helper_add(struct instance *inst, const char *name, uint16_t family, uint8_t proto, unsigned int classes)
{
	struct ct_user_helper *helper = calloc(1, sizeof(*helper));

	if (!helper)
		return NULL;
	memcpy(helper->name, name, strnlen(name, sizeof(helper->name) - 1));
	helper->family = family;
	helper->classes = classes;
	helper->helper = (struct ct_helper){
		.name = helper->name, .proto = proto, .ip4 = family == NFPROTO_IPV4 || family == NFPROTO_UNSPEC,
		.ip6 = family == NFPROTO_IPV6 || family == NFPROTO_UNSPEC, .more_policies = helper->more, .help = to_queue,
	};
	for (unsigned int i = 0; i < classes; i++)
		ct_user_helper_policy(helper, i)->name = helper->class_names[i];
	list_append(&inst->ct->user_helpers, &helper->node);
	return helper;
}

struct leaving { struct instance *inst; const struct ct_helper *helper; };

static bool leave(void *priv, struct ct *ct)
{
	const struct leaving *l = priv;

	if (ct_helper_of(ct) == l->helper)
		ct_help_free(l->inst, ct);
	return true;
}

int ct_user_helper_delete(struct instance *inst, struct ct_user_helper *helper)
{
	if (helper->rules)
		return -EBUSY;
	ct_each(inst, leave, &(struct leaving){ inst, &helper->helper });
	helper->is_gone = true;
	return 0;
}

void ct_user_helper_each(struct instance *inst, bool (*visit)(void *priv, struct ct_user_helper *helper), void *priv)
{
	list_for_each_safe(node, &inst->ct->user_helpers) {
		struct ct_user_helper *helper = list_entry(node, struct ct_user_helper, node);

		if (!helper->is_gone && !visit(priv, helper))
			return;
	}
}

void ct_user_helpers_free(struct ct_table *table)
{
	list_for_each_safe(node, &table->user_helpers)
		free(list_entry(node, struct ct_user_helper, node));
}

void ct_user_help_data(struct ct *ct, const void *data, size_t len)
{
	const struct ct_user_helper *helper = ct_user_helper_of(ct_helper_of(ct));
	struct ct_help *help = ct_help_of(ct);

	if (!helper || !helper->data_len || !data)
		return;
	memset(help->of.user, 0, sizeof(help->of.user));
	memcpy(help->of.user, data, MIN_OF(len, sizeof(help->of.user)));
}

bool ct_user_help_done(struct instance *inst, struct pkt *pkt)
{
	struct ct_l4 l4;

	if (pkt->ct->status & IPS_TEMPLATE || !ct_user_helper_of(ct_helper_of(pkt->ct)))
		return true;
	if (!ct_l4_find(pkt->data, pkt->len, ct_family(pkt->ct), &l4))
		return false;
	if (pkt->ct->status & IPS_SEQ_ADJUST && !(pkt->in && pkt->in->is_loopback) &&
	    !ct_seqadj_apply(pkt, pkt->ct, ctinfo_dir(pkt->ctinfo), (uint32_t)(l4.at - pkt->data)))
		return false;
	return ct_confirm(inst, pkt) == NF_ACCEPT;
}
