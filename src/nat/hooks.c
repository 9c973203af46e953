/*
 * nat/hooks.c - where NAT stands on the way.
 * Destinations change before routing and filtering, sources after; only the first packet of a connection asks the
 * nat table, all others are rewritten by what was decided then. Packets without a connection pass untouched.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "nat/nat_internal.h"
#include "route/route.h"

/*
 * A service that no rule moved stays at its address and port, whoever has its answers: what nat_setup() would find out, too.
 * That somebody has them is counted. Not for ids and keys, which may vary, nor for exact searches.
 */
static bool destination_stays(const struct instance *inst, const struct ct *ct)
{
	const uint8_t proto = ct_proto_num(ct);

	return (proto == IPPROTO_UDP || proto == IPPROTO_TCP) && !inst->nat->exact_tries && !ct_is_confirmed(ct);
}

bool nat_is_exact(const struct instance *inst)
{
	return inst->nat->exact_tries;
}

/* No rule wanted it: it keeps its address, and its port unless somebody has it. */
static unsigned int bind_unchanged(struct instance *inst, struct ct *ct, enum nat_manip manip)
{
	const struct ct_tuple *reply = ct_tuple(ct, IP_CT_DIR_REPLY);
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	if (manip == NAT_MANIP_DST && likely(destination_stays(inst, ct))) {
		ct_tuple_taken(inst, reply, ct_reply_hash(inst, ct, reply), ct);
		ct->status |= IPS_DST_NAT_DONE;
		return NF_ACCEPT;
	}
	range.min_addr = manip == NAT_MANIP_SRC ? reply->dst : reply->src;
	range.max_addr = range.min_addr;
	return nat_choose(inst, ct, &range, manip);
}

unsigned int nat_repeat(struct pkt *pkt, enum nat_manip manip, const struct record_nat *nat, const struct hook_state *state)
{
	unsigned int verdict;

	switch (nat->kind) {
	case RECORD_NAT_UNCHANGED:
		return bind_unchanged(state->inst, pkt->ct, manip);
	case RECORD_NAT_RANGE:
		return nat_choose(state->inst, pkt->ct, &nat->range, manip);
	case RECORD_NAT_MASQUERADE:
		verdict = state->family == NFPROTO_IPV4 ? nat_masquerade4(pkt, &nat->range, state) : nat_masquerade6(pkt, &nat->range, state);
		return verdict == NF_ACCEPT && !(pkt->ct->status & IPS_SRC_NAT_DONE) ? bind_unchanged(state->inst, pkt->ct, manip) : verdict;
	case RECORD_NAT_NONE:
	case RECORD_NAT_ODD:
		break;
	}
	return NF_ACCEPT;
}

static unsigned int decide(struct nat_family *nf, struct pkt *pkt, struct ct *ct, const struct hook_state *state)
{
	enum nat_manip manip = nat_manip_of_hook(state->hooknum);
	uint32_t done = manip == NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;

	for (unsigned int i = 0; i < nf->lookup_count; i++) {
		unsigned int verdict = nf->lookups[i].fn(nf->lookups[i].priv, pkt, state);

		if (verdict != NF_ACCEPT || (ct->status & done))
			return verdict;
	}
	nat_record(nf->inst, manip, RECORD_NAT_UNCHANGED, NULL);
	return bind_unchanged(nf->inst, ct, manip);
}

/* A masqueraded connection may not leave by another interface than the one it got its address from. */
static bool has_left_its_iface(const struct pkt *pkt, const struct ct *ct, const struct hook_state *state)
{
	return ct->nat_masq_ifindex && state->hooknum == NF_INET_POST_ROUTING &&
	       ctinfo_dir(pkt->ctinfo) == IP_CT_DIR_ORIGINAL && ct->nat_masq_ifindex != (state->out ? state->out->index : 0);
}

static unsigned int end_connection(struct instance *inst, struct pkt *pkt, struct ct *ct)
{
	ct_count_packet(ct, ctinfo_dir(pkt->ctinfo), pkt->len);
	ct_kill(inst, ct);
	return NF_DROP;
}

bool nat_packet_half(struct pkt *pkt, const struct ct *ct, enum nat_manip manip, int dir)
{
	struct ct_tuple target;

	return ct_tuple_invert(&target, ct_tuple(ct, !dir)) && nat_rewrite(pkt, 0, &target, manip);
}

static unsigned int rewrite_packet(struct pkt *pkt, const struct ct *ct, uint8_t hooknum)
{
	enum nat_manip manip = nat_manip_of_hook(hooknum);
	int dir = ctinfo_dir(pkt->ctinfo);

	if (!(ct->status & nat_status_bit(manip, dir)))
		return NF_ACCEPT;
	return nat_packet_half(pkt, ct, manip, dir) ? NF_ACCEPT : NF_DROP;
}

static unsigned int translate(struct nat_family *nf, struct pkt *pkt, struct ct *ct, const struct hook_state *state)
{
	uint32_t done = nat_manip_of_hook(state->hooknum) == NAT_MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
	bool is_first = pkt->ctinfo == IP_CT_NEW || pkt->ctinfo == IP_CT_RELATED || pkt->ctinfo == IP_CT_RELATED_REPLY;

	if (is_first && !(ct->status & done)) {
		unsigned int verdict = decide(nf, pkt, ct, state);

		if (verdict != NF_ACCEPT)
			return verdict;
	} else if (has_left_its_iface(pkt, ct, state)) {
		return end_connection(nf->inst, pkt, ct);
	}
	return rewrite_packet(pkt, ct, state->hooknum);
}

/* Where an ICMP error's header begins; 0: this is not one. */
static uint32_t icmp_error_off(const struct pkt *pkt, uint8_t family)
{
	uint16_t frag_off;
	uint8_t proto;
	int off;

	if (pkt->ctinfo != IP_CT_RELATED && pkt->ctinfo != IP_CT_RELATED_REPLY)
		return 0;
	if (family == NFPROTO_IPV4)
		return pkt_ip4(pkt)->protocol == IPPROTO_ICMP ? pkt_ip4(pkt)->ihl * 4 : 0;
	proto = pkt_ip6(pkt)->nexthdr;
	off = nat_skip_ext_headers(pkt->data, pkt->len, sizeof(struct ipv6hdr), &proto, &frag_off);
	return off >= 0 && proto == IPPROTO_ICMPV6 ? off : 0;
}

static unsigned int nat_packet(struct nat_family *nf, struct pkt *pkt, const struct hook_state *state)
{
	uint32_t icmp_off = icmp_error_off(pkt, state->family);
	unsigned int verdict;

	if (icmp_off)
		verdict = nat_icmp_error(pkt, state->hooknum, icmp_off) ? NF_ACCEPT : NF_DROP;
	else
		verdict = translate(nf, pkt, pkt_ct(pkt), state);
	if (verdict == NF_DROP && pkt->drop_reason == DROP_NONE)
		pkt->drop_reason = DROP_NAT;
	return verdict;
}

static void read_dst(const struct pkt *pkt, uint8_t family, union nf_inet_addr *out)
{
	if (family == NFPROTO_IPV4)
		out->ip = pkt_ip4(pkt)->daddr;
	else
		memcpy(&out->in6, &pkt_ip6(pkt)->daddr, sizeof(out->in6));
}

static unsigned int nat_pre_routing(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	union nf_inet_addr before = { { 0 } }, after = { { 0 } };
	unsigned int verdict;

	if (!pkt_ct(pkt))
		return NF_ACCEPT;
	read_dst(pkt, state->family, &before);
	verdict = nat_packet(priv, pkt, state);
	if (verdict == NF_DROP || verdict == NF_STOLEN)
		return verdict;
	read_dst(pkt, state->family, &after);
	if (!ct_addr_equal(&before, &after))
		pkt->route.kind = ROUTE_NONE;	/* whatever was known leads to the old destination */
	return verdict;
}

static unsigned int nat_local_out(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	const struct ct *ct = pkt_ct(pkt);
	unsigned int verdict;
	int dir;

	if (!ct)
		return NF_ACCEPT;
	verdict = nat_packet(priv, pkt, state);
	if (verdict != NF_ACCEPT)
		return verdict;
	ct = pkt_ct(pkt);
	dir = ctinfo_dir(pkt->ctinfo);
	if (ct && !ct_addr_equal(&ct_tuple(ct, dir)->dst, &ct_tuple(ct, !dir)->src) &&
	    route_me_harder(state->inst, pkt) < 0) {
		pkt->drop_reason = DROP_NO_ROUTE;
		return NF_DROP;
	}
	return NF_ACCEPT;
}

static unsigned int nat_other(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	return pkt_ct(pkt) ? nat_packet(priv, pkt, state) : NF_ACCEPT;
}

static void family_hooks(struct nat_family *nf, struct hook_ops ops[NAT_HOOKS])
{
	const struct hook_ops all[NAT_HOOKS] = {
		{ .hooknum = NF_INET_PRE_ROUTING, .priority = NF_IP_PRI_NAT_DST, .fn = nat_pre_routing },
		{ .hooknum = NF_INET_POST_ROUTING, .priority = NF_IP_PRI_NAT_SRC, .fn = nat_other },
		{ .hooknum = NF_INET_LOCAL_OUT, .priority = NF_IP_PRI_NAT_DST, .fn = nat_local_out },
		{ .hooknum = NF_INET_LOCAL_IN, .priority = NF_IP_PRI_NAT_SRC, .fn = nat_other },
	};

	for (int i = 0; i < NAT_HOOKS; i++) {
		ops[i] = all[i];
		ops[i].family = nf->family;
		ops[i].name = "nat";
		ops[i].priv = nf;
		ops[i].is_open = true;
	}
}

static struct nat_family *family_of(struct instance *inst, uint8_t family)
{
	return family == NFPROTO_IPV4 ? &inst->nat->v4 : &inst->nat->v6;
}

int nat_hooks_get(struct instance *inst, uint8_t family, nat_lookup_fn lookup, void *priv)
{
	struct nat_family *nf = family_of(inst, family);
	struct hook_ops ops[NAT_HOOKS];
	int err;

	for (unsigned int i = 0; i < nf->lookup_count; i++) {
		if (nf->lookups[i].fn == lookup && nf->lookups[i].priv == priv) {
			nf->lookups[i].users++;
			return 0;
		}
	}
	if (nf->lookup_count == NAT_LOOKUPS_MAX)
		return -E2BIG;
	if (nf->lookup_count == 0) {
		family_hooks(nf, ops);
		for (int i = 0; i < NAT_HOOKS; i++) {
			err = hook_register(inst->hooks, &ops[i]);
			if (err) {
				while (i-- > 0)
					hook_unregister(inst->hooks, &ops[i]);
				return err;
			}
		}
	}
	nf->lookups[nf->lookup_count].fn = lookup;
	nf->lookups[nf->lookup_count].priv = priv;
	nf->lookups[nf->lookup_count++].users = 1;
	return 0;
}

void nat_hooks_put(struct instance *inst, uint8_t family, nat_lookup_fn lookup, void *priv)
{
	struct nat_family *nf = family_of(inst, family);
	struct hook_ops ops[NAT_HOOKS];

	for (unsigned int i = 0; i < nf->lookup_count; i++) {
		if (nf->lookups[i].fn != lookup || nf->lookups[i].priv != priv)
			continue;
		if (--nf->lookups[i].users > 0)
			return;
		memmove(&nf->lookups[i], &nf->lookups[i + 1], (nf->lookup_count - i - 1) * sizeof(nf->lookups[0]));
		if (--nf->lookup_count > 0)
			return;
		family_hooks(nf, ops);
		for (int j = 0; j < NAT_HOOKS; j++)
			hook_unregister(inst->hooks, &ops[j]);
		return;
	}
}

struct nat *nat_new(struct instance *inst)
{
	static const struct route_watch watch = { .addr_gone = nat_addr_gone, .iface_down = nat_iface_gone };
	struct nat *nat = calloc(1, sizeof(*nat));
	struct sysctl exact = { .name = "net.netfilter.nf_conntrack_weir_nat_exact", .kind = SYSCTL_UINT, .min = 0, .max = UINT32_MAX };

	if (!nat)
		return NULL;
	exact.value = &nat->exact_tries;
	if (inst->sysctls && sysctl_register(inst->sysctls, &exact) < 0) {
		free(nat);
		return NULL;
	}
	nat->v4.inst = nat->v6.inst = inst;
	nat->v4.family = NFPROTO_IPV4;
	nat->v6.family = NFPROTO_IPV6;
	if (!nat_source_index_new(nat)) {
		free(nat);
		return NULL;
	}
	if (inst->fib)
		route_set_watch(inst, &watch);
	return nat;
}

void nat_free(struct instance *inst, struct nat *nat)
{
	if (!nat)
		return;
	if (inst->fib)
		route_set_watch(inst, NULL);
	nat_source_index_free(nat);
	nat_cones_free(nat);
	free(nat);
}
