/*
 * tests/unit/ext/depends_world.h - packets that look like what a rule asks for, and everything about one that can be changed by itself.
 * Half of all fields are drawn from the rule's own data: so nearly every rule meets packets that fit it and some that just do not.
 */
#ifndef WEIR_DEPENDS_WORLD_H
#define WEIR_DEPENDS_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "conntrack/conntrack.h"
#include "host/socket.h"
#include "route/route.h"

enum { BEGAN = 1700000000, SERVER = 0x0a010203 };		/* somebody listens at its port 80 */

struct world {
	struct instance *inst;
	struct rng rng;
	struct iface *eth[2];
	struct ct *ct;
	struct host_socket *sockets[2];
	struct hook_state state;
	struct ext_call call;
	struct pkt pkt;
	uint8_t mac[ETH_HLEN];
	uint32_t l4;
	uint32_t options, options_len;		/* the last IPv6 extension header */
	/* the rule that is asked */
	const uint8_t *hint;
	size_t hint_len;
	uint8_t proto;				/* what its header wants: nothing else gets to it; 0: any */
	struct iface_addr addr;			/* on eth[0], while .has_addr */
	bool has_addr;
};

/* @len bytes as luck will have them, or out of the rule's data. */
static void draw(struct world *w, void *to, uint32_t len)
{
	uint8_t *bytes = to;

	if (len && w->hint_len >= len && rng_below(&w->rng, 2)) {
		const uint32_t places = (uint32_t)(w->hint_len - len) / MIN_OF(len, 4u) + 1;

		memcpy(bytes, w->hint + rng_below(&w->rng, places) * MIN_OF(len, 4u), len);
		if (len == 2 && rng_below(&w->rng, 2))		/* ports of rules are in host order */
			put_be16(bytes, (uint16_t)(bytes[0] | bytes[1] << 8));
		if (len == 1 && !rng_below(&w->rng, 4))
			bytes[0] += (uint8_t)(rng_below(&w->rng, 3) - 1);
		return;
	}
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)rng_u32(&w->rng);
}

static void draw_at(struct world *w, uint32_t at, uint32_t len)
{
	if (len && at <= w->pkt.len && len <= w->pkt.len - at)
		draw(w, w->pkt.data + at, len);
}

/* Every byte by itself, up to @end or the packet's. */
static void draw_up_to(struct world *w, uint32_t at, uint32_t end)
{
	for (end = MIN_OF(end, w->pkt.len); at < end; at++)
		draw_at(w, at, 1);
}

static bool is_v4(const struct world *w)
{
	return w->call.family == NFPROTO_IPV4;
}

static void length_put(struct world *w)
{
	put_be16(w->pkt.data + (is_v4(w) ? 2 : 4), (uint16_t)(w->pkt.len - (is_v4(w) ? 0 : 40)));
}

static uint8_t proto_of(const struct world *w)
{
	return w->pkt.l.l4proto;
}

static void addrs_draw(struct world *w)
{
	const uint32_t at = is_v4(w) ? 12 : 8, len = is_v4(w) ? 4 : 16;

	draw_at(w, at, len);
	draw_at(w, at + len, len);
	if (w->has_addr && !rng_below(&w->rng, 4))
		memcpy(w->pkt.data + at + rng_below(&w->rng, 2) * len, &w->addr.addr, len);
	if (is_v4(w) && !rng_below(&w->rng, 4))
		put_be32(w->pkt.data + 16, SERVER);
	if (!rng_below(&w->rng, 8))
		w->pkt.data[at + len] = is_v4(w) ? 0xe0 : 0xff;	/* to a group */
}

/* Where IPv6 extension headers go, and how long they are; a piece that is no first one ends the chain. */
static uint32_t chain_draw(struct world *w, uint8_t kinds[4], uint8_t sizes[4])
{
	static const uint8_t drawn[] = { IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH };
	const uint32_t count = rng_below(&w->rng, 4) * !rng_below(&w->rng, 2);

	for (uint32_t i = 0; i < count; i++) {
		kinds[i] = i || rng_below(&w->rng, 3) ? drawn[rng_below(&w->rng, ARRAY_SIZE(drawn))] : IPPROTO_HOPOPTS;
		sizes[i] = kinds[i] == IPPROTO_FRAGMENT ? 8 : kinds[i] == IPPROTO_AH ? 16 : 8 * (1 + rng_below(&w->rng, 5));
	}
	return count;
}

static void chain_write(struct world *w, const uint8_t *kinds, const uint8_t *sizes, uint32_t count, uint8_t proto)
{
	uint8_t *next = w->pkt.data + 6;
	uint32_t at = 40;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t *header = w->pkt.data + at;

		*next = kinds[i];
		next = header;
		draw_up_to(w, at, at + sizes[i]);
		draw_at(w, at + 4, 4);
		header[1] = kinds[i] == IPPROTO_AH ? sizes[i] / 4 - 2 : sizes[i] / 8 - 1;
		if (kinds[i] == IPPROTO_FRAGMENT) {
			w->call.fragoff = rng_below(&w->rng, 3) ? 0 : (uint16_t)(1 + rng_below(&w->rng, 2));
			put_be16(header + 2, (uint16_t)(w->call.fragoff << 3 | rng_below(&w->rng, 2)));
		} else if (kinds[i] == IPPROTO_ROUTING && rng_below(&w->rng, 2)) {
			header[2] = 4;
			header[4] = header[1] / 2 ? header[1] / 2 - 1 : 0;
			header[3] = (uint8_t)rng_below(&w->rng, header[4] + 2u);
		}
		w->options = at;
		w->options_len = sizes[i];
		at += sizes[i];
		if (w->call.fragoff)
			break;
	}
	*next = proto;
	w->l4 = at;
}

/* What programs say to each other, now and then. */
static void payload_draw(struct world *w)
{
	static const char *const words[] = { "\023BitTorrent protocol", "d1:ad2:id20:", "GET / HTTP/1.0\r\n" };
	const char *word = words[rng_below(&w->rng, ARRAY_SIZE(words))];
	const uint32_t at = w->l4 + (rng_below(&w->rng, 2) ? 8 : 20), len = (uint32_t)strlen(word);

	if (rng_below(&w->rng, 4) || w->pkt.len < at + len)
		return;
	memcpy(w->pkt.data + at, word, len);
	if (at == w->l4 + 20)
		w->pkt.data[w->l4 + 12] = 0x50;
}

/* Options that are whole, most of the time. */
static void options4_draw(struct world *w, uint32_t at)
{
	static const uint8_t kinds[] = { 1, 7, 68, 130, 131, 137, 148, 31 };

	draw_up_to(w, at, w->l4);
	while (at < w->l4 && rng_below(&w->rng, 4)) {
		const uint8_t kind = kinds[rng_below(&w->rng, ARRAY_SIZE(kinds))];

		w->pkt.data[at] = kind;
		if (kind == 1) {
			at++;
			continue;
		}
		if (at + 4 > w->l4)
			return;
		w->pkt.data[at + 1] = 4;
		at += 4;
	}
}

static void l4_draw(struct world *w)
{
	const uint32_t at = w->l4;
	uint8_t *head = w->pkt.data + at;

	draw_up_to(w, at, w->pkt.len);
	draw_at(w, at, 2);
	draw_at(w, at + 2, 2);
	if (rng_below(&w->rng, 2))
		draw_at(w, at, 4);
	if (w->pkt.len >= at + 4 && !rng_below(&w->rng, 4))
		put_be16(head + 2, 80);
	if (w->pkt.len > at + 13 && rng_below(&w->rng, 4)) {	/* sensible options most of the time */
		head[12] = (uint8_t)((w->pkt.len == at + 20 ? 5 : 5 + rng_below(&w->rng, 6)) << 4 | (head[12] & 15));
		if (!rng_below(&w->rng, 3))
			head[13] = (uint8_t)(rng_below(&w->rng, 3) ? 2 : 18);
	}
	if (w->pkt.len >= at + 24 && !rng_below(&w->rng, 3))
		memcpy(head + 20, (uint8_t[]){ 2, 4, (uint8_t)rng_below(&w->rng, 7), (uint8_t)rng_u32(&w->rng) }, 4);
	if (w->pkt.len >= at + 16 && !rng_below(&w->rng, 3))	/* chunks of SCTP */
		put_be16(head + 14, (uint16_t)rng_below(&w->rng, 16));
	payload_draw(w);
}

/* A packet of the rule's family: its network header is whole, the rest as luck will have it. */
static void packet_new(struct world *w)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, 132, 99 };
	uint8_t proto = w->proto ? w->proto : protos[rng_below(&w->rng, ARRAY_SIZE(protos))];
	uint32_t header = is_v4(w) ? 20 + 4 * rng_below(&w->rng, 4) : 40, count = 0, len;
	uint8_t kinds[4], sizes[4];

	memset(&w->pkt, 0, sizeof(w->pkt));
	w->options_len = 0;
	w->call.fragoff = 0;
	if (!is_v4(w)) {
		count = chain_draw(w, kinds, sizes);
		for (uint32_t i = 0; i < count; i++)
			header += sizes[i];
	}
	len = header + (rng_below(&w->rng, 3) ? 20 + rng_below(&w->rng, 4) % 2 * rng_below(&w->rng, 100) : rng_below(&w->rng, 20));
	w->pkt.data = malloc(len);
	w->pkt.len = len;
	w->l4 = header;
	memset(w->pkt.data, 0, len);
	w->pkt.protocol = is_v4(w) ? ETH_P_IP : ETH_P_IPV6;
	if (is_v4(w)) {
		w->pkt.data[0] = (uint8_t)(0x40 | header / 4);
		w->pkt.data[9] = proto;
		draw_at(w, 1, 1);
		draw_at(w, 4, 2);
		draw_at(w, 8, 1);
		w->call.fragoff = rng_below(&w->rng, 8) ? 0 : (uint16_t)rng_below(&w->rng, 3);
		put_be16(w->pkt.data + 6, (uint16_t)(w->call.fragoff | rng_below(&w->rng, 2) << 14 | !rng_below(&w->rng, 8) << 13));
		options4_draw(w, 20);
	} else {
		put_be32(w->pkt.data, 6u << 28 | (rng_u32(&w->rng) & 0xfffffff));
		if (rng_below(&w->rng, 2))
			w->pkt.data[1] = 0;
		draw_at(w, 7, 1);
		chain_write(w, kinds, sizes, count, proto);
	}
	length_put(w);
	addrs_draw(w);
	l4_draw(w);
	draw(w, w->mac, sizeof(w->mac));
	draw(w, w->mac + 6, 6);
	if (rng_below(&w->rng, 4)) {
		w->pkt.mac = w->mac;
		w->pkt.mac_len = ETH_HLEN;
		put_be16(w->mac + 12, w->pkt.protocol);
	}
	if (!is_v4(w) && !rng_below(&w->rng, 8)) {	/* an address made of the hardware's */
		const uint8_t own[] = { w->mac[6] ^ 2, w->mac[7], w->mac[8], 0xff, 0xfe, w->mac[9], w->mac[10], w->mac[11] };

		memcpy(w->pkt.data + 16, own, sizeof(own));
	}
	w->pkt.in = w->state.in;
	w->pkt.out = w->state.out;
	w->pkt.type = (pkt_type_t)rng_below(&w->rng, 4);
	w->pkt.mark = rng_below(&w->rng, 2) ? rng_below(&w->rng, 32) : 0;
	if (!rng_below(&w->rng, 4))
		draw(w, &w->pkt.mark, 4);
	w->inst->now_ns += rng_below(&w->rng, 20) * 1000000ll;
	w->pkt.stamp_ns = w->inst->now_ns;
	w->pkt.route.mtu = 1500;
	w->pkt.route.oif = w->state.out;
	draw(w, &w->pkt.route.tclassid, 4);
	w->pkt.ct = rng_below(&w->rng, 2) ? w->ct : NULL;
	w->pkt.socket = rng_below(&w->rng, 3) ? w->sockets[rng_below(&w->rng, 2)] : NULL;
	w->pkt.ctinfo = w->pkt.ct ? rng_below(&w->rng, 5) : rng_below(&w->rng, 2) * IP_CT_UNTRACKED;
	w->ct->mark = rng_below(&w->rng, 32);
	w->ct->status = rng_u32(&w->rng) & (IPS_SEEN_REPLY | IPS_ASSURED | IPS_EXPECTED | IPS_SRC_NAT | IPS_DST_NAT);
	w->call.thoff = (uint16_t)w->l4;
	pkt_parse(&w->pkt);
}

/* --- one change, and what goes by another name stays --- */

static bool length_flip(struct world *w)
{
	const uint32_t whole = w->l4 + 60;
	uint32_t len = whole + rng_below(&w->rng, 60);
	uint8_t *data, drawn[2];

	draw(w, drawn, sizeof(drawn));
	if (get_be16(drawn) >= whole && get_be16(drawn) < 2000)
		len = get_be16(drawn);
	if (w->pkt.len < whole)
		return false;	/* a header that is cut is another matter */
	data = malloc(len);
	memset(data, 0, len);
	memcpy(data, w->pkt.data, MIN_OF(len, w->pkt.len));
	free(w->pkt.data);
	w->pkt.data = data;
	w->pkt.len = len;
	length_put(w);
	return true;
}

static void address_of_host_flip(struct world *w)
{
	if (w->has_addr)
		route_addr_del(w->inst, w->eth[0], &w->addr, NULL);
	w->addr = (struct iface_addr){ .iface = w->eth[0], .family = w->call.family, .prefix_len = is_v4(w) ? 24 : 64, .flags = IFA_F_PERMANENT };
	memcpy(&w->addr.addr, w->pkt.data + (is_v4(w) ? 16 : 24), is_v4(w) ? 4 : 16);
	w->addr.peer = w->addr.addr;
	w->has_addr = !route_addr_add(w->inst, w->eth[0], &w->addr, NULL);
}

static void tuple_flip(struct world *w)
{
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		struct ct_tuple *tuple = &w->ct->node[dir].tuple;

		tuple->family = w->call.family;
		draw(w, &tuple->src, is_v4(w) ? 4 : 16);
		draw(w, &tuple->dst, is_v4(w) ? 4 : 16);
		draw(w, &tuple->src_l4, 2);
		draw(w, &tuple->dst_l4, 2);
	}
}

/* Changes what goes by the name of @bit; false: this packet has nothing of it. */
static bool change(struct world *w, uint32_t bit)
{
	const bool v4 = is_v4(w), is_tcp = proto_of(w) == IPPROTO_TCP;
	const uint32_t l4 = w->l4;
	/* a header that claims more than there is may change what the rest means: nothing is made of that */
	const uint32_t tcp_end = w->pkt.len > l4 + 12 ? l4 + MAX_OF((w->pkt.data[l4 + 12] >> 4) * 4u, 20u) : w->pkt.len;

	switch (bit) {
	case DEP_L3_ADDRS: addrs_draw(w); return true;
	case DEP_L3_PROTO:
		if (w->proto || w->options_len)
			return false;
		w->pkt.data[v4 ? 9 : 6] = (uint8_t)(rng_below(&w->rng, 2) ? 100 + rng_below(&w->rng, 20) : IPPROTO_UDP);
		return true;
	case DEP_L3_LEN: return length_flip(w);
	case DEP_L3_TTL: draw_at(w, v4 ? 8 : 7, 1); return true;
	case DEP_L3_TOS:
		if (v4)
			draw_at(w, 1, 1);
		else
			put_be16(w->pkt.data, (get_be16(w->pkt.data) & 0xf00f) | (rng_u32(&w->rng) & 0xff0));
		return true;
	case DEP_L3_FRAG:
		if (!v4)
			return false;	/* a header that is there or not: whoever looks for it rests on all bytes */
		w->call.fragoff = rng_below(&w->rng, 2) ? 0 : (uint16_t)rng_below(&w->rng, 3);
		put_be16(w->pkt.data + 6, (uint16_t)(w->call.fragoff | rng_below(&w->rng, 2) << 14 | rng_below(&w->rng, 2) << 13));
		return true;
	case DEP_L3_OPTIONS:
		if (v4)
			options4_draw(w, 20);
		else if (w->options_len && w->pkt.data[w->options + 1] && w->pkt.data[6] != IPPROTO_FRAGMENT && !w->call.fragoff)
			draw_up_to(w, w->options + 4, w->options + w->options_len);
		return v4 ? l4 > 20 : w->options_len;
	case DEP_L4_SPORT: draw_at(w, l4, 2); return true;
	case DEP_L4_DPORT: draw_at(w, l4 + 2, 2); return true;
	case DEP_L4_FLAGS:
		if (is_tcp)
			draw_at(w, l4 + 13, 1);
		else
			draw_up_to(w, l4 + 4, l4 + 8);
		return true;
	case DEP_L4_OPTIONS:
		if (is_tcp)
			draw_up_to(w, l4 + 20, tcp_end);
		return is_tcp;
	case DEP_PAYLOAD:	/* and whatever else has no name */
		draw_at(w, v4 ? 4 : 3, v4 ? 2 : 1);
		if (is_tcp) {
			draw_up_to(w, l4 + 4, l4 + 12);
			draw_up_to(w, l4 + 14, l4 + 20);
		}
		draw_up_to(w, is_tcp ? tcp_end : l4 + 8, w->pkt.len);
		return true;
	case DEP_IFACES:
		for (struct iface **at = &w->state.in; at; at = at == &w->state.in ? &w->state.out : NULL)
			if (*at)
				*at = w->eth[rng_below(&w->rng, 2)];
		w->pkt.in = w->state.in;
		w->pkt.out = w->state.out;
		return true;
	case DEP_MAC: draw(w, w->mac, 12); return true;
	case DEP_PKT_TYPE: w->pkt.type = (pkt_type_t)rng_below(&w->rng, 4); return true;
	case DEP_MARK: w->pkt.mark ^= rng_u32(&w->rng); return true;
	case DEP_CT_STATE:
		w->pkt.ct = rng_below(&w->rng, 4) ? w->pkt.ct : NULL;
		w->pkt.ctinfo = w->pkt.ct ? rng_below(&w->rng, 5) : rng_below(&w->rng, 2) * IP_CT_UNTRACKED;
		w->ct->status ^= rng_u32(&w->rng) & (IPS_SEEN_REPLY | IPS_EXPECTED | IPS_SRC_NAT | IPS_DST_NAT);
		return true;
	case DEP_CT_STATUS: w->ct->status ^= IPS_ASSURED; return true;
	case DEP_CT_TUPLE: tuple_flip(w); return true;
	case DEP_CT_MARK: w->ct->mark ^= rng_u32(&w->rng); return true;
	case DEP_CT_TIME:
		w->ct->expires_tick = rng_u32(&w->rng);
		w->ct->extra->acct[0].packets = rng_below(&w->rng, 100);
		w->ct->extra->acct[1].bytes = rng_below(&w->rng, 10000);
		return true;
	case DEP_ROUTE:
		address_of_host_flip(w);
		w->pkt.route.mtu = 500 + rng_below(&w->rng, 1000);
		draw(w, &w->pkt.route.tclassid, 4);
		return true;
	case DEP_TIME:
		w->inst->now_ns = (int64_t)(BEGAN + rng_below(&w->rng, 10000000)) * NSEC_PER_SEC;
		w->inst->now_ns += rng_below(&w->rng, 20) * 1000000ll;
	w->pkt.stamp_ns = w->inst->now_ns;
		return true;
	case DEP_OWNER: w->pkt.socket = w->pkt.socket == w->sockets[0] ? w->sockets[1] : w->sockets[0]; return true;
	}
	return false;
}

static bool flip(struct world *w, uint32_t bit)
{
	if (!change(w, bit))
		return false;
	pkt_parse(&w->pkt);
	return true;
}

static void world_open(struct world *w)
{
	struct ct_tuple orig = { .family = NFPROTO_IPV4, .proto = IPPROTO_TCP, .src_l4.all = htons(1000), .dst_l4.all = htons(80) };
	const struct host_socket_spec servers[] = {
		{ .name = "web", .family = NFPROTO_IPV4, .local.ip = htonl(SERVER), .proto = IPPROTO_TCP, .local_port = htons(80), .transparent = true, .cgroup = "" },
		{ .name = "web6", .family = NFPROTO_IPV6, .proto = IPPROTO_TCP, .local_port = htons(80), .transparent = true, .v6only = true, .cgroup = "" },
	};
	const struct host_socket_spec owners[] = {
		{ .name = "a", .family = NFPROTO_IPV4, .proto = IPPROTO_RAW, .uid = 0, .gid = 54321, .cgroup = "" },
		{ .name = "b", .family = NFPROTO_IPV4, .proto = IPPROTO_RAW, .uid = 7, .gid = 5, .classid = 1, .cgroup = "a" },
	};
	struct ct_tuple reply;

	*w = (struct world){ .inst = instance_new(1, (int64_t)BEGAN * NSEC_PER_SEC, NULL) };
	assert_non_null(w->inst);
	rng_seed(&w->rng, 42);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(iface_add(w->inst, i ? "dsl0" : "eth0", i ? ARPHRD_NONE : ARPHRD_ETHER, &w->eth[i], NULL), 0);
		assert_int_equal(route_iface_set_up(w->inst, w->eth[i], true, NULL), 0);
		w->eth[i]->group = i;
		assert_int_equal(host_socket_add(w->inst, &owners[i], NULL), 0);
		assert_int_equal(host_socket_add(w->inst, &servers[i], NULL), 0);
		w->sockets[i] = host_socket_named(w->inst, owners[i].name);
	}
	assert_int_equal(sysctl_set(w->inst->sysctls, "net.netfilter.nf_conntrack_acct", "1", NULL), 0);
	w->call = (struct ext_call){ .inst = w->inst, .state = &w->state };
	assert_true(ct_tuple_invert(&reply, &orig));
	w->ct = ct_new(w->inst, NULL, &orig, &reply);
	assert_non_null(w->ct);
	assert_true(w->ct->extra && w->ct->extra->has_acct);
	w->ct->extra->has_labels = true;
}

static void world_close(struct world *w)
{
	w->ct->status = 0;
	ct_put(w->inst, w->ct);
	instance_free(w->inst);
}

#endif
