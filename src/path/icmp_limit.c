/*
 * path/icmp_limit.c - how often errors may be sent: a bucket for all of them, and one for each receiver.
 * Both count in the kernel's ticks; a peer's tokens serve ICMP errors, unreachable routes and redirects alike.
 */
#include "base/sysctl.h"
#include "path/path_internal.h"

enum { PEER_BURST = 6 };	/* a peer may save up this many errors */

struct icmp_peer *icmp_peer_get(struct instance *inst, uint8_t family, const void *addr)
{
	struct icmp_state *state = path_state(inst);
	union nf_inet_addr key = { .all = { 0 } };
	struct icmp_peer *peer, **slot;

	memcpy(&key, addr, family == NFPROTO_IPV6 ? 16 : 4);
	slot = &state->peers[siphash(&key, sizeof(key), &inst->hash_key) % ICMP_PEER_BUCKETS];
	for (peer = *slot; peer; peer = peer->next)
		if (peer->family == family && !memcmp(&peer->addr, &key, sizeof(key)))
			break;
	if (peer) {
		list_remove(&peer->lru);
		list_push(&state->peer_lru, &peer->lru);
		return peer;
	}
	if (state->peer_count >= ICMP_PEER_MAX) {
		struct icmp_peer **at;

		peer = list_entry(state->peer_lru.prev, struct icmp_peer, lru);
		at = &state->peers[siphash(&peer->addr, sizeof(key), &inst->hash_key) % ICMP_PEER_BUCKETS];
		while (*at != peer)
			at = &(*at)->next;
		*at = peer->next;
		list_remove(&peer->lru);
		memset(peer, 0, sizeof(*peer));
	} else {
		peer = calloc(1, sizeof(*peer));
		if (!peer)
			return NULL;
		state->peer_count++;
	}
	peer->addr = key;
	peer->family = family;
	peer->last = inst_jiffies(inst) - 60 * WEIR_HZ;	/* unheard of: its bucket fills at once */
	peer->next = *slot;
	*slot = peer;
	list_push(&state->peer_lru, &peer->lru);
	return peer;
}

bool icmp_peer_allow(struct instance *inst, struct icmp_peer *peer, int64_t timeout)
{
	int64_t now = inst_jiffies(inst);

	if (!peer)
		return true;
	if (now != peer->last) {
		peer->tokens = MIN_OF(peer->tokens + now - peer->last, PEER_BURST * timeout);
		peer->last = now;
	}
	if (peer->tokens < timeout)
		return false;
	peer->tokens -= timeout;
	return true;
}

bool icmp_error_allow(struct instance *inst, be32 saddr)
{
	struct icmp_state *state = path_state(inst);
	struct icmp_peer *peer = icmp_peer_get(inst, NFPROTO_IPV4, &saddr);
	int64_t now = inst_jiffies(inst);

	if (!peer)
		return true;
	peer->tokens = MIN_OF(peer->tokens + now - peer->last, state->error_burst);
	peer->last = now;
	if (peer->tokens < state->error_cost)
		return false;
	peer->tokens -= state->error_cost;
	return true;
}

bool icmp_global_allow(struct instance *inst)
{
	struct icmp_state *state = path_state(inst);
	int64_t now = inst_jiffies(inst), delta, more;

	if (state->credit > 0)
		return true;
	delta = MIN_OF(now - state->credit_stamp, WEIR_HZ);
	if (delta < WEIR_HZ / 50)
		return false;
	more = state->msgs_per_sec * delta / WEIR_HZ;
	if (!more)
		return false;
	state->credit_stamp = now;
	state->credit = MIN_OF(state->credit + more, state->msgs_burst);
	return true;
}

void icmp_global_consume(struct instance *inst)
{
	/* one on average, and not to be guessed from outside */
	path_state(inst)->credit -= rng_below(&inst->rng, 3);
}

/* "0-1,3-127": which ICMPv6 types are limited. */
static int ratemask6_changed(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	struct icmp_state *state = priv;
	uint8_t mask[ICMP6_TYPES / 8] = { 0 };
	const char *at = text;

	while (*at && *at != '\n') {
		char *end;
		unsigned long from = strtoul(at, &end, 10), to = from;

		if (end == at)
			return refuse(why, -EINVAL, "%s: \"%s\" is not a list of types", ctl->name, text);
		if (*end == '-') {
			at = end + 1;
			to = strtoul(at, &end, 10);
			if (end == at)
				return refuse(why, -EINVAL, "%s: \"%s\" is not a list of types", ctl->name, text);
		}
		if (from > to || to >= ICMP6_TYPES)
			return refuse(why, -EINVAL, "%s: types are 0 to 255, not \"%s\"", ctl->name, text);
		for (; from <= to; from++)
			mask[from / 8] |= 1 << from % 8;
		at = *end == ',' ? end + 1 : end;
		if (*end && *end != ',' && *end != '\n')
			return refuse(why, -EINVAL, "%s: \"%s\" is not a list of types", ctl->name, text);
	}
	memcpy(state->ratemask6, mask, sizeof(mask));
	return 0;
}

static void ratemask6_print(void *priv, const struct sysctl *ctl, struct strbuf *out)
{
	const struct icmp_state *state = priv;
	const char *comma = "";

	for (unsigned int from = 0; from < ICMP6_TYPES; from++) {
		unsigned int to = from;

		if (!(state->ratemask6[from / 8] & 1 << from % 8))
			continue;
		while (to + 1 < ICMP6_TYPES && state->ratemask6[(to + 1) / 8] & 1 << (to + 1) % 8)
			to++;
		sb_printf(out, "%s%u", comma, from);
		if (to > from)
			sb_printf(out, "-%u", to);
		comma = ",";
		from = to;
	}
}

static void set_defaults(struct icmp_state *state)
{
	state->ttl = 64;
	state->update_priority = 1;
	state->ratemask = 1u << ICMP_DEST_UNREACH | 1u << ICMP_SOURCE_QUENCH | 1u << ICMP_TIME_EXCEEDED |
			  1u << ICMP_PARAMETERPROB;
	state->ratelimit_ms = 1000;
	state->msgs_per_sec = 1000;
	state->msgs_burst = 50;
	state->echo_ignore_broadcasts = 1;
	state->bogus_responses = 1;
	state->ratelimit6_ms = 100;
	memset(state->ratemask6, 0xff, 16);
	state->ratemask6[0] &= ~(1 << ICMPV6_PKT_TOOBIG);
	state->flow_labels = 1;
	state->max_hbh_number = state->max_dst_number = 8;
	state->max_hbh_length = state->max_dst_length = INT32_MAX;
	state->error_cost = WEIR_HZ;
	state->error_burst = 5 * WEIR_HZ;
	state->redirect_number = 9;
	state->redirect_load = WEIR_HZ / 50;
	state->redirect_silence = (WEIR_HZ / 50) << 10;
}

int path_sysctls_register(struct instance *inst, struct icmp_state *state)
{
	const struct sysctl list[] = {
		{ "net.ipv4.ip_default_ttl", SYSCTL_INT, &state->ttl, 1, 255 },
		{ "net.ipv4.ip_forward_use_pmtu", SYSCTL_INT, &state->use_pmtu, 0, 255 },
		{ "net.ipv4.ip_no_pmtu_disc", SYSCTL_INT, &state->no_pmtu_disc, 0, 3 },
		{ "net.ipv4.ip_forward_update_priority", SYSCTL_INT, &state->update_priority, 0, 1 },
		{ "net.ipv4.fwmark_reflect", SYSCTL_INT, &state->mark_reflect4, 0, 255 },
		{ "net.ipv6.fwmark_reflect", SYSCTL_INT, &state->mark_reflect6, 0, 255 },
		{ "net.ipv4.icmp_ratemask", SYSCTL_UINT, &state->ratemask },
		{ "net.ipv4.icmp_ratelimit", SYSCTL_INT, &state->ratelimit_ms, 0, INT32_MAX },
		{ "net.ipv4.icmp_msgs_per_sec", SYSCTL_INT, &state->msgs_per_sec, 0, INT32_MAX },
		{ "net.ipv4.icmp_msgs_burst", SYSCTL_INT, &state->msgs_burst, 0, INT32_MAX },
		{ "net.ipv4.icmp_errors_use_inbound_ifaddr", SYSCTL_INT, &state->inbound_ifaddr, 0, 1 },
		{ "net.ipv4.icmp_echo_ignore_all", SYSCTL_INT, &state->echo_ignore_all, 0, 1 },
		{ "net.ipv4.icmp_echo_ignore_broadcasts", SYSCTL_INT, &state->echo_ignore_broadcasts, 0, 1 },
		{ "net.ipv4.icmp_echo_enable_probe", SYSCTL_INT, &state->echo_enable_probe, 0, 1 },
		{ "net.ipv4.icmp_ignore_bogus_error_responses", SYSCTL_INT, &state->bogus_responses, 0, 1 },
		{ "net.ipv6.icmp.ratelimit", SYSCTL_INT, &state->ratelimit6_ms, 0, INT32_MAX },
		{ "net.ipv6.icmp.ratemask", SYSCTL_TEXT, NULL, .changed = ratemask6_changed,
		  .print = ratemask6_print, .priv = state },
		{ "net.ipv6.icmp.echo_ignore_all", SYSCTL_INT, &state->echo_ignore_all6, 0, 1 },
		{ "net.ipv6.icmp.echo_ignore_multicast", SYSCTL_INT, &state->echo_ignore_multicast6, 0, 1 },
		{ "net.ipv6.icmp.echo_ignore_anycast", SYSCTL_INT, &state->echo_ignore_anycast6, 0, 1 },
		{ "net.ipv6.icmp.error_anycast_as_unicast", SYSCTL_INT, &state->anycast_as_unicast6, 0, 1 },
		{ "net.ipv6.auto_flowlabels", SYSCTL_INT, &state->flow_labels, 0, 3 },
		{ "net.ipv6.flowlabel_reflect", SYSCTL_INT, &state->flow_label_reflect, 0, 7 },
		{ "net.ipv6.max_hbh_opts_number", SYSCTL_INT, &state->max_hbh_number, -INT32_MAX, INT32_MAX },
		{ "net.ipv6.max_dst_opts_number", SYSCTL_INT, &state->max_dst_number, -INT32_MAX, INT32_MAX },
		{ "net.ipv6.max_hbh_length", SYSCTL_INT, &state->max_hbh_length, -INT32_MAX, INT32_MAX },
		{ "net.ipv6.max_dst_opts_length", SYSCTL_INT, &state->max_dst_length, -INT32_MAX, INT32_MAX },
		{ "net.ipv4.route.error_cost", SYSCTL_INT, &state->error_cost, 0, INT32_MAX },
		{ "net.ipv4.route.error_burst", SYSCTL_INT, &state->error_burst, 0, INT32_MAX },
		{ "net.ipv4.route.redirect_number", SYSCTL_INT, &state->redirect_number, 0, INT32_MAX },
		{ "net.ipv4.route.redirect_load", SYSCTL_INT, &state->redirect_load, 0, INT32_MAX },
		{ "net.ipv4.route.redirect_silence", SYSCTL_INT, &state->redirect_silence, 0, INT32_MAX },
	};
	int err;

	set_defaults(state);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		err = sysctl_register(inst->sysctls, &list[i]);
		if (err)
			return err;
	}
	return 0;
}

struct icmp_state *icmp_state_new(struct instance *inst)
{
	struct icmp_state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	list_init(&state->peer_lru);
	list_init(&state->backlog);
	list_init(&state->held);
	state->credit_stamp = inst_jiffies(inst) - WEIR_HZ;
	state->label_key.k[0] = rng_u64(&inst->rng);
	state->label_key.k[1] = rng_u64(&inst->rng);
	state->peers = calloc(ICMP_PEER_BUCKETS, sizeof(*state->peers));
	if (!state->peers || path_sysctls_register(inst, state)) {
		icmp_state_free(inst, state);
		return NULL;
	}
	if (inst->neigh) {
		neigh_set_ops(inst, NFPROTO_IPV4, &arp_neigh_ops);
		neigh_set_ops(inst, NFPROTO_IPV6, &ndisc_neigh_ops);
	}
	return state;
}

void icmp_state_free(struct instance *inst, struct icmp_state *state)
{
	if (!state)
		return;
	proxy_forget_all(inst, state);
	list_for_each_safe(node, &state->backlog)
		pkt_free(inst, list_entry(node, struct pkt, node));
	list_for_each_safe(node, &state->peer_lru)
		free(list_entry(node, struct icmp_peer, lru));
	free(state->peers);
	free(state);
}
