/*
 * conntrack/timeout.c - named timeout policies, and which timeout holds for a connection.
 */
#include "conntrack/timeout.h"

#include <stdlib.h>

#include "conntrack/conntrack_internal.h"

uint32_t ct_timeout(const struct instance *inst, const struct ct *ct, const struct ct_proto *proto, unsigned int which)
{
	const struct ct_timeout_policy *policy = ct->extra ? ct->extra->policy : NULL;

	if (policy && !policy->is_gone)
		return policy->jiffies[which];
	return inst->ct->timeouts_sec[proto->number][which] * WEIR_HZ;
}

unsigned int *ct_timeout_default(struct instance *inst, uint8_t number, unsigned int which)
{
	const struct ct_proto *proto = ct_proto_of(inst, number);

	if (proto->same_timeouts_as)
		proto = proto->same_timeouts_as;
	return which < proto->timeout_count ? &inst->ct->timeouts_sec[proto->number][which] : NULL;
}

struct ct_timeout_policy *ct_policy_find(const struct instance *inst, const char *name)
{
	list_for_each(node, &inst->ct->policies) {
		struct ct_timeout_policy *policy = list_entry(node, struct ct_timeout_policy, node);

		if (strncmp(policy->name, name, sizeof(policy->name)) == 0)
			return policy;
	}
	return NULL;
}

void ct_policy_change(struct instance *inst, struct ct_timeout_policy *policy, const struct ct_policy_value *values, size_t count)
{
	for (unsigned int i = 0; i < CT_POLICY_STATES_MAX; i++) {
		const unsigned int *seconds = ct_timeout_default(inst, policy->proto->number, i);

		policy->jiffies[i] = seconds ? *seconds * WEIR_HZ : 0;
	}
	for (size_t i = 0; i < count; i++)
		if (values[i].which < CT_POLICY_STATES_MAX)
			policy->jiffies[values[i].which] = values[i].seconds * WEIR_HZ;
}

int ct_policy_add(struct instance *inst, const char *name, uint8_t family, uint8_t number,
		  const struct ct_policy_value *values, size_t count)
{
	const struct ct_proto *proto = ct_proto_of(inst, number);
	struct ct_timeout_policy *policy;

	if (ct_policy_find(inst, name))
		return -EBUSY;
	if (proto->number != number)
		return -EOPNOTSUPP;
	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return -ENOMEM;
	memcpy(policy->name, name, strnlen(name, sizeof(policy->name) - 1));
	policy->proto = proto;
	policy->family = family;
	policy->shares = 1;
	ct_policy_change(inst, policy, values, count);
	list_append(&inst->ct->policies, &policy->node);
	return 0;
}

void ct_policy_put(struct ct_timeout_policy *policy)
{
	if (policy && --policy->shares == 0)
		free(policy);
}

static void forget(struct ct_timeout_policy *policy)
{
	list_remove(&policy->node);
	policy->is_gone = true;
	ct_policy_put(policy);
}

int ct_policy_delete(struct instance *inst, const char *name)
{
	struct ct_timeout_policy *policy = ct_policy_find(inst, name);

	if (!policy)
		return -ENOENT;
	if (policy->rules)
		return -EBUSY;
	forget(policy);
	return 0;
}

void ct_policy_flush(struct instance *inst)
{
	list_for_each_safe(node, &inst->ct->policies) {
		struct ct_timeout_policy *policy = list_entry(node, struct ct_timeout_policy, node);

		if (!policy->rules)
			forget(policy);
	}
}

void ct_policies_free(struct ct_table *table)
{
	list_for_each_safe(node, &table->policies)
		forget(list_entry(node, struct ct_timeout_policy, node));
}

void ct_policy_each(const struct instance *inst, void (*visit)(void *priv, const struct ct_timeout_policy *policy), void *priv)
{
	list_for_each(node, &inst->ct->policies)
		visit(priv, list_entry(node, struct ct_timeout_policy, node));
}

static bool give(struct ct *ct, struct ct_timeout_policy *policy)
{
	if (!ct_extra_get(ct))
		return false;
	policy->shares++;
	ct->extra->policy = policy;
	return true;
}

int ct_policy_attach(struct instance *inst, struct ct *template, struct ct_timeout_policy *policy)
{
	if (!give(template, policy))
		return -ENOMEM;
	policy->rules++;
	return 0;
}

void ct_policy_detach(struct instance *inst, struct ct *template)
{
	if (template->extra && template->extra->policy)
		template->extra->policy->rules--;
}

bool ct_policy_assign(struct ct *ct, const struct ct *template)
{
	struct ct_timeout_policy *policy = template->extra ? template->extra->policy : NULL;

	return !policy || policy->is_gone || give(ct, policy);
}
