/*
 * tests/unit/ext/depends.c - what every match promises: its answer rests on the fields it names and on no other, and
 * it never reads beyond the packet; and every target: what it does to the packet rests on the fields it names. The infos are those of upstream.inc; packets are random, often too short, and lie
 * in memory of exactly their size so that a sanitizer sees each stray read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "conntrack/conntrack.h"
#include "ext/addons.h"
#include "host/socket.h"

struct upstream_case {
	int family;
	const char *table, *chain, *rule;
	const char *saved, *numeric, *named, *data;
	int exit_code;
};

static const struct upstream_case cases[] = {
#include "upstream.inc"
#include "upstream_match.inc"
};

enum { PACKETS_PER_INFO = 200 };

struct world {
	struct instance *inst;
	struct rng rng;
	struct iface eth;
	struct ct *ct;
	struct host_socket *sockets[2];
	struct hook_state state;
	struct ext_call call;
	struct pkt pkt;
	uint8_t mac[ETH_HLEN];
	uint32_t l4;
};

static void random_bytes(struct world *w, uint8_t *to, uint32_t len)
{
	while (len--)
		*to++ = rng_u32(&w->rng);
}

/* A packet of @family: its network header is whole, the rest as luck will have it. */
static void packet_new(struct world *w, uint8_t family)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, 132, 99 };
	uint32_t header = family == NFPROTO_IPV4 ? 20 + 4 * rng_below(&w->rng, 3) : 40;
	uint32_t len = header + (rng_below(&w->rng, 3) ? 20 + rng_below(&w->rng, 60) : rng_below(&w->rng, 20));
	uint8_t proto = protos[rng_below(&w->rng, ARRAY_SIZE(protos))];

	memset(&w->pkt, 0, sizeof(w->pkt));
	w->pkt.data = malloc(len);
	w->pkt.len = len;
	w->l4 = header;
	random_bytes(w, w->pkt.data, len);
	if (family == NFPROTO_IPV4) {
		struct iphdr *ip = pkt_ip4(&w->pkt);

		ip->version = 4;
		ip->ihl = header / 4;
		ip->tot_len = htons(len);
		ip->protocol = proto;
	} else {
		put_be32(w->pkt.data, 6u << 28 | (rng_u32(&w->rng) & 0xfffffff));
		pkt_ip6(&w->pkt)->nexthdr = proto;
	}
	if (len > header + 12)	/* sensible options most of the time */
		w->pkt.data[header + 12] = (5 + rng_below(&w->rng, 6)) << 4;
	random_bytes(w, w->mac, sizeof(w->mac));
	if (rng_below(&w->rng, 4)) {
		w->pkt.mac = w->mac;
		w->pkt.mac_len = ETH_HLEN;
	}
	w->pkt.protocol = family == NFPROTO_IPV4 ? ETH_P_IP : ETH_P_IPV6;
	w->pkt.mark = rng_below(&w->rng, 2) ? rng_below(&w->rng, 32) : 0;
	w->pkt.ct = rng_below(&w->rng, 2) ? w->ct : NULL;
	w->pkt.socket = rng_below(&w->rng, 3) ? w->sockets[rng_below(&w->rng, 2)] : NULL;
	w->pkt.ctinfo = w->pkt.ct ? rng_below(&w->rng, 5) : rng_below(&w->rng, 2) * IP_CT_UNTRACKED;
	w->ct->mark = rng_below(&w->rng, 32);
	w->ct->status = rng_u32(&w->rng) & (IPS_SEEN_REPLY | IPS_ASSURED | IPS_EXPECTED | IPS_SRC_NAT | IPS_DST_NAT);
	w->state.family = w->call.family = family;
	w->call.thoff = header;
	w->call.fragoff = rng_below(&w->rng, 8) ? 0 : rng_below(&w->rng, 3);
}

static void flip_bytes(struct world *w, uint32_t at, uint32_t len)
{
	if (at + len <= w->pkt.len)
		random_bytes(w, w->pkt.data + at, len);
}

/* Changes one field that goes by the name of @bit; false: this packet has none. */
static bool flip(struct world *w, uint32_t bit)
{
	bool v4 = w->call.family == NFPROTO_IPV4;

	switch (bit) {
	case DEP_L3_ADDRS: flip_bytes(w, v4 ? 12 : 8, v4 ? 8 : 32); return true;
	case DEP_L3_TTL: flip_bytes(w, v4 ? 8 : 7, 1); return true;
	case DEP_L3_TOS:
		if (v4)
			flip_bytes(w, 1, 1);
		else
			put_be16(w->pkt.data, (get_be16(w->pkt.data) & 0xf00f) | (rng_u32(&w->rng) & 0xff0));
		return true;
	case DEP_L4_SPORT: flip_bytes(w, w->l4, 2); return true;
	case DEP_L4_DPORT: flip_bytes(w, w->l4 + 2, 2); return true;
	case DEP_L4_FLAGS: flip_bytes(w, w->l4 + 13, 1); return w->pkt.len > w->l4 + 20;
	case DEP_MARK: w->pkt.mark ^= rng_u32(&w->rng); return true;
	case DEP_CT_MARK: w->ct->mark ^= rng_u32(&w->rng); return true;
	case DEP_MAC: random_bytes(w, w->mac, sizeof(w->mac)); return true;
	case DEP_PAYLOAD: flip_bytes(w, w->pkt.len > w->l4 + 60 ? w->l4 + 60 : w->pkt.len, w->pkt.len > w->l4 + 60); return true;
	case DEP_OWNER: w->pkt.socket = w->pkt.socket == w->sockets[0] ? w->sockets[1] : w->sockets[0]; return true;
	case DEP_CT_STATE: w->pkt.ctinfo = w->pkt.ct ? rng_below(&w->rng, 5) : 0; return true;
	}
	return false;
}

static unsigned int ask(struct world *w, const struct match *match, const void *info)
{
	bool answer;

	w->call.hotdrop = false;
	answer = match->match(&w->pkt, info, &w->call);
	return answer | w->call.hotdrop << 1;
}

static void match_keeps_its_word(struct world *w, const struct upstream_case *c, const struct match *match, void *info)
{
	uint8_t family = c->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	const struct ext_check check = { .inst = w->inst, .table = c->table, .hook_mask = 1 << NF_INET_FORWARD, .family = family,
					 .proto = match->proto ? match->proto : IPPROTO_TCP };
	uint32_t depends = match->depends_of ? match->depends_of(info) : match->depends;
	struct refusal why = { 0 };

	if (match->checkentry && match->checkentry(info, &check, &why))
		fail_msg("%s: %s", c->rule, why.text);
	assert_int_not_equal(depends, 0);
	assert_int_equal(depends & ~match->depends, 0);	/* a rule never rests on more than its match says */
	for (unsigned int i = 0; i < PACKETS_PER_INFO; i++) {
		unsigned int first;

		packet_new(w, family);
		first = ask(w, match, info);
		for (uint32_t bit = 2; bit && !(depends & (DEP_STATE | DEP_TIME)); bit <<= 1)
			if (!(depends & bit) && flip(w, bit) && ask(w, match, info) != first)
				fail_msg("%s of \"%s\" rests on %#x and does not say so", match->name, c->rule, bit);
		free(w->pkt.data);
	}
	if (match->destroy)
		match->destroy(info, &check);
}

/* --- targets --- */

enum { BYTES_MAX = 256 };

/* The packet before and after: whatever a target may touch. */
struct image {
	uint32_t len, mark, priority, secmark, ct_mark, ctinfo;
	uint8_t bytes[BYTES_MAX];
};

struct outcome {
	struct image before, after;
	unsigned int verdict;
	bool traced;
};

static void image_take(const struct world *w, const struct pkt *pkt, struct image *image)
{
	*image = (struct image){ .len = pkt->len, .mark = pkt->mark, .priority = pkt->priority, .secmark = pkt->secmark,
				 .ct_mark = w->ct->mark, .ctinfo = pkt->ctinfo };
	memcpy(image->bytes, pkt->data, MIN_OF(pkt->len, (uint32_t)BYTES_MAX));
}

/* Lets the target have a packet of its own that equals w->pkt; the world stays as it was. */
static void act(struct world *w, const struct target *target, const void *info, struct outcome *out)
{
	uint32_t ct_mark = w->ct->mark;
	struct pkt *pkt = pkt_new(w->inst, w->pkt.len);

	assert_non_null(pkt);
	memcpy(pkt->data, w->pkt.data, w->pkt.len);
	pkt->mark = w->pkt.mark;
	pkt->protocol = w->pkt.protocol;
	pkt->type = PACKET_HOST;
	pkt->in = pkt->out = &w->eth;
	pkt->route.mtu = 1500;
	pkt->route.oif = &w->eth;
	pkt->socket = host_socket_get(w->pkt.socket);
	pkt_parse(pkt);
	pkt->ct = w->pkt.ct;
	if (pkt->ct)
		ct_get(pkt->ct);
	pkt->ctinfo = w->pkt.ctinfo;
	pkt->hook = &w->state;
	image_take(w, pkt, &out->before);
	w->call.hotdrop = false;
	out->verdict = target->target(pkt, info, &w->call);
	image_take(w, pkt, &out->after);
	out->traced = pkt->flags & PKT_FLAG_TRACED;
	w->ct->mark = ct_mark;
	pkt_free(w->inst, pkt);
}

/* A value that differs before may be left alone or overwritten; one that does not differ must end up the same. */
static bool same_effect(uint32_t before_a, uint32_t after_a, uint32_t before_b, uint32_t after_b)
{
	return after_a == after_b || (before_a != before_b && after_a == before_a && after_b == before_b);
}

/* Sums follow from what they are sums of. */
static bool is_checksum(const struct world *w, uint32_t at)
{
	bool v4 = w->call.family == NFPROTO_IPV4;
	uint8_t proto = v4 ? w->pkt.data[9] : w->pkt.data[6];
	uint32_t sum = w->l4 + (proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2);

	return (v4 && at / 2 == 5) || at == sum || at == sum + 1;
}

static bool same_outcome(const struct world *w, const struct outcome *a, const struct outcome *b)
{
	bool same = a->verdict == b->verdict && a->after.len == b->after.len && a->traced == b->traced &&
		    same_effect(a->before.ctinfo, a->after.ctinfo, b->before.ctinfo, b->after.ctinfo) &&
		    same_effect(a->before.mark, a->after.mark, b->before.mark, b->after.mark) &&
		    same_effect(a->before.ct_mark, a->after.ct_mark, b->before.ct_mark, b->after.ct_mark) &&
		    a->after.priority == b->after.priority && a->after.secmark == b->after.secmark;

	for (uint32_t i = 0; same && i < MIN_OF(a->after.len, (uint32_t)BYTES_MAX); i++)
		same = is_checksum(w, i) || same_effect(a->before.bytes[i], a->after.bytes[i], b->before.bytes[i], b->after.bytes[i]);
	return same;
}

static void target_keeps_its_word(struct world *w, const struct upstream_case *c, const struct target *target, void *info)
{
	static const char *const hooks[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };
	uint8_t family = c->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	struct ext_check check = { .inst = w->inst, .table = c->table, .family = family, .proto = IPPROTO_TCP,
				   .ip6_flags = IP6T_F_PROTO };
	uint8_t hook = 0;
	struct refusal why = { 0 };

	while (strcmp(hooks[hook], c->chain))
		hook++;
	check.hook_mask = 1 << hook;
	if (target->depends & (DEP_STATE | DEP_TIME | DEP_RANDOM))
		return;		/* never remembered: there is nothing to hold against it */
	if (target->checkentry && target->checkentry(info, &check, &why))
		return;		/* it looks at the rule's own header, too: not here */
	assert_int_not_equal(target->depends, 0);
	w->state.hooknum = hook;
	for (unsigned int i = 0; i < PACKETS_PER_INFO; i++) {
		struct outcome first, second;

		packet_new(w, family);
		w->call.fragoff = 0;
		act(w, target, info, &first);
		for (uint32_t bit = 2; bit; bit <<= 1) {
			if ((target->depends & bit) || !flip(w, bit))
				continue;
			act(w, target, info, &second);
			if (!same_outcome(w, &first, &second))
				fail_msg("%s of \"%s\" rests on %#x and does not say so", target->name, c->rule, bit);
			first = second;
		}
		free(w->pkt.data);
	}
	w->state.hooknum = NF_INET_FORWARD;
	if (target->destroy)
		target->destroy(info, &check);
}

/* "tcp/0:00ff.. /0:c8.." - each extension's name, revision and data. */
static void each_extension(struct world *w, const struct upstream_case *c, bool targets)
{
	const uint8_t family = c->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	const char *at = c->data;

	while (at && *at) {
		char name[32] = "";
		unsigned int revision, byte;
		size_t len = strcspn(at, "/"), size = 0;
		const struct match *match;
		const struct target *target;
		uint8_t *info;

		memcpy(name, at, MIN_OF(len, sizeof(name) - 1));
		sscanf(at + len, "/%u", &revision);
		at = strchr(at, ':') + 1;
		len = strcspn(at, " ");
		info = malloc(len / 2 + 1);
		for (; size < len / 2 && sscanf(at + 2 * size, "%2x", &byte) == 1; size++)
			info[size] = byte;
		/* the last one is the target, whose name may be a match's with the same letters: LOG is no match */
		match = at[len] == ' ' && !targets ? match_find(name, revision, family) : NULL;
		target = at[len] != ' ' && targets && *name ? target_find(name, revision, family) : NULL;
		if (match)
			match_keeps_its_word(w, c, match, info);
		if (target)
			target_keeps_its_word(w, c, target, info);
		free(info);
		at += len + (at[len] == ' ');
	}
}

static void world_open(struct world *w)
{
	struct ct_tuple orig = { .family = NFPROTO_IPV4, .proto = IPPROTO_TCP, .src_l4.all = htons(1000), .dst_l4.all = htons(80) };
	const struct host_socket_spec owners[] = {
		{ .name = "a", .family = NFPROTO_IPV4, .proto = IPPROTO_RAW, .uid = 0, .gid = 54321, .cgroup = "" },
		{ .name = "b", .family = NFPROTO_IPV4, .proto = IPPROTO_RAW, .uid = 7, .gid = 5, .classid = 1, .cgroup = "a" },
	};
	struct ct_tuple reply;

	*w = (struct world){ .inst = instance_new(1, 1700000000ll * NSEC_PER_SEC, NULL) };
	assert_non_null(w->inst);
	rng_seed(&w->rng, 42);
	w->eth = (struct iface){ .index = 9, .name = "eth0", .type = ARPHRD_ETHER, .mtu = 1500 };
	list_init(&w->eth.addrs4);
	list_init(&w->eth.addrs6);
	w->state = (struct hook_state){ .inst = w->inst, .hooknum = NF_INET_FORWARD, .in = &w->eth, .out = &w->eth };
	w->call = (struct ext_call){ .inst = w->inst, .state = &w->state };
	assert_true(ct_tuple_invert(&reply, &orig));
	w->ct = ct_new(w->inst, NULL, &orig, &reply);
	assert_non_null(w->ct);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(host_socket_add(w->inst, &owners[i], NULL), 0);
		w->sockets[i] = host_socket_named(w->inst, owners[i].name);
	}
}

static void world_close(struct world *w)
{
	w->ct->status = 0;
	ct_put(w->inst, w->ct);
	instance_free(w->inst);
}

static void matches_rest_on_what_they_say(void **state)
{
	struct world w;

	world_open(&w);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (!cases[i].exit_code && strcmp(cases[i].chain, "OUTPUT"))
			each_extension(&w, &cases[i], false);
	world_close(&w);
}

/* Not those of the nat table: they bind a connection once, and nothing remembered rests on them (tests/unit/flowcache/nat.c). */
static void targets_rest_on_what_they_say(void **state)
{
	struct world w;

	world_open(&w);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (!cases[i].exit_code && strcmp(cases[i].table, "nat"))
			each_extension(&w, &cases[i], true);
	world_close(&w);
}

/* Targets that Linux does not have: of IPMARK every setting is drawn. */
static void addons_rest_on_what_they_say(void **state)
{
	const struct upstream_case ways[] = {
		{ .family = 4, .table = "mangle", .chain = "FORWARD", .rule = "-j IPMARK" },
		{ .family = 6, .table = "mangle", .chain = "FORWARD", .rule = "-j IPMARK" },
	};
	struct world w;

	world_open(&w);
	for (size_t i = 0; i < 60; i++) {
		const struct upstream_case *c = &ways[i % ARRAY_SIZE(ways)];
		const struct target *target = target_find("IPMARK", 1, c->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
		struct xt_ipmark_tginfo info = { .andmask = rng_u32(&w.rng), .ormask = rng_u32(&w.rng),
						 .selector = (uint8_t)rng_below(&w.rng, 2), .shift = (uint8_t)rng_below(&w.rng, 140) };

		assert_non_null(target);
		target_keeps_its_word(&w, c, target, &info);
	}
	world_close(&w);
}

/* What these do, their own memory, clock or luck decides, too: a way that meets one of them is never remembered. */
static void targets_with_memory_say_so(void **state)
{
	static const char *const names[] = { "ACCOUNT", "CHAOS", "CLUSTERIP", "DELUDE", "DNETMAP", "ECHO", "IDLETIMER", "LED", "LOG", "LOGMARK",
					     "NFLOG", "NFQUEUE", "RATEEST", "REJECT", "SET", "SYNPROXY", "TARPIT", "TEE", "TRACE", "ULOG" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unsigned int found = 0;

		for (const struct target *const *t = ext_targets; *t; t++) {
			if (strcmp((*t)->name, names[i]))
				continue;
			found++;
			if ((*t)->depends && !((*t)->depends & (DEP_STATE | DEP_TIME | DEP_RANDOM)))
				fail_msg("%s/%u may be remembered: %#x", (*t)->name, (*t)->revision, (*t)->depends);
		}
		assert_true(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addons_rest_on_what_they_say),
		cmocka_unit_test(targets_with_memory_say_so),
		cmocka_unit_test(matches_rest_on_what_they_say),
		cmocka_unit_test(targets_rest_on_what_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
