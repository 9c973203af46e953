/*
 * helper/netbios_ns.c - NetBIOS name service: the host asks by broadcast, anybody of the network may answer.
 */
#include "helper/broadcast.h"

static unsigned int netbios_ns_help(const struct ct_help_call *call)
{
	broadcast_expect(call, ct_helper_conf(call->inst)->netbios_ns.timeout);
	return NF_ACCEPT;
}

static void netbios_ns_set_policy(const struct ct_helper_conf *conf, unsigned int class, struct ct_expect_policy *policy)
{
	policy->timeout_sec = conf->netbios_ns.timeout;
}

const struct ct_helper ct_helper_netbios_ns = {
	.name = "netbios-ns", .proto = IPPROTO_UDP, .ip4 = true, .port = 137,
	.policy.max_expected = 1, .set_policy = netbios_ns_set_policy, .help = netbios_ns_help,
};
