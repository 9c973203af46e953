/*
 * ext/match/state.c - the kernel's own "state" match. The command line has not used it since
 * iptables 1.4.18: "-m state" is written as conntrack with an alias bit; see conntrack.c.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_state.h>

#include "classify/classify.h"
#include "conntrack/conntrack.h"
#include "ext/option.h"

static bool state_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_state_info *info = data;

	if (pkt->ct)
		return info->statemask & XT_STATE_BIT(pkt->ctinfo);
	return info->statemask & (pkt->ctinfo == IP_CT_UNTRACKED ? XT_STATE_UNTRACKED : XT_STATE_INVALID);
}

/* Its bits are those of conntrack, but for one. */
static void state_classify(const void *data, struct class_rule *rule)
{
	const struct xt_state_info *info = data;
	const unsigned int same = XT_STATE_INVALID | XT_STATE_BIT(IP_CT_ESTABLISHED) | XT_STATE_BIT(IP_CT_RELATED) |
				  XT_STATE_BIT(IP_CT_NEW);

	class_rule_states(rule, (uint16_t)((info->statemask & same) |
					   (info->statemask & XT_STATE_UNTRACKED ? XT_CONNTRACK_STATE_UNTRACKED : 0)));
}

static int state_check(void *data, const struct ext_check *check, struct refusal *why)
{
	int err = ct_hooks_get(check->inst, check->family);

	return err ? refuse(why, err, "state: connection tracking cannot be switched on") : 0;
}

static void state_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

const struct match match_state = {
	.name = "state", .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_state_info), .depends = DEP_CT_STATE,
	.match = state_match, .classify = state_classify, .checkentry = state_check, .destroy = state_destroy,
};
