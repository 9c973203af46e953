/*
 * path/ip4_options.c - IPv4 options: what a packet asks of each router on its way.
 *
 * Reading updates the header in place: a record route or timestamp slot is reserved and filled with the
 * address the packet was received by; when the way out is known, forwarding writes that one over it.
 * An octet at fault is named by its offset, for the parameter problem message.
 */
#include "path/path_internal.h"

struct option_walk {
	struct instance *inst;
	struct pkt *pkt;
	struct pkt_options *found;
	be32 own;		/* our address towards the sender, looked up once */
	bool own_known;
};

uint32_t ip4_timestamp(const struct instance *inst)
{
	/* RFC 781: milliseconds since midnight UTC */
	return (inst->now_ns / NSEC_PER_MSEC) % (24 * 3600 * 1000);
}

/* Which of our addresses the sender of @pkt should know (fib_compute_spec_dst). */
static be32 own_address(struct instance *inst, const struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	struct route_flow flow = { .family = NFPROTO_IPV4, .tos = ip->tos };
	struct pkt_route route;
	be32 own = 0;
	bool sender_known = ip->saddr != 0;

	if (pkt->route.kind == ROUTE_LOCAL_IN && pkt->route.type == RTN_LOCAL)
		return ip->daddr;
	flow.daddr.ip = ip->saddr;
	if (sender_known && !route_output(inst, &flow, &route))
		return flow.saddr.ip;
	route_select_addr4(inst, pkt->in, ip->saddr, sender_known ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK, &own);
	return own;
}

static void write_own(struct option_walk *walk, uint8_t *at)
{
	if (!walk->own_known)
		walk->own = own_address(walk->inst, walk->pkt);
	walk->own_known = true;
	memcpy(at, &walk->own, 4);
	walk->found->changed = true;
}

/* The address the packet leaves by (ip_rt_get_source). */
static void write_leaving(struct instance *inst, const struct pkt *pkt, uint8_t *at)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	struct route_flow flow = { .family = NFPROTO_IPV4, .tos = ip->tos, .mark = pkt->mark, .oif = pkt->route.oif };
	struct pkt_route route;
	be32 own = 0;

	flow.daddr.ip = ip->daddr;
	if (pkt->flags & PKT_FLAG_LOCAL)
		own = ip->saddr;
	else if (!route_output(inst, &flow, &route))
		own = flow.saddr.ip;
	else
		route_select_addr4(inst, pkt->route.oif, pkt->route.gateway.ip ? pkt->route.gateway.ip : ip->daddr,
				   RT_SCOPE_UNIVERSE, &own);
	memcpy(at, &own, 4);
}

/* Each reader returns 0, or 1 + the index inside the option of the octet at fault. */
static unsigned int read_source_route(struct option_walk *walk, const uint8_t *opt, uint8_t at)
{
	if (opt[1] < 3)
		return 1 + 1;
	if (opt[2] < 4)
		return 1 + 2;
	if (walk->found->srr)
		return 1 + 0;	/* RFC 1812 5.2.4.1: only one */
	walk->found->strict = opt[0] == IPOPT_SSRR;
	walk->found->srr = at;
	return 0;
}

static unsigned int read_record_route(struct option_walk *walk, uint8_t *opt, uint8_t at)
{
	if (walk->found->rr)
		return 1 + 0;
	if (opt[1] < 3)
		return 1 + 1;
	if (opt[2] < 4)
		return 1 + 2;
	if (opt[2] <= opt[1]) {
		if (opt[2] + 3 > opt[1])
			return 1 + 2;
		write_own(walk, opt + opt[2] - 1);
		opt[2] += 4;
		walk->found->rr_addr = true;
	}
	walk->found->rr = at;
	return 0;
}

static void write_time(struct option_walk *walk, uint8_t *at)
{
	put_be32(at, ip4_timestamp(walk->inst));
	walk->found->changed = true;
	walk->found->ts_time = true;
}

/* A free slot of the timestamp option, by its flag. */
static unsigned int read_timestamp_slot(struct option_walk *walk, uint8_t *opt)
{
	uint8_t *slot = opt + opt[2] - 1;
	be32 whose;

	switch (opt[3] & 0xf) {
	case IPOPT_TS_TSONLY:
		write_time(walk, slot);
		opt[2] += 4;
		return 0;
	case IPOPT_TS_TSANDADDR:
		if (opt[2] + 7 > opt[1])
			return 1 + 2;
		write_own(walk, slot);
		write_time(walk, slot + 4);
		walk->found->ts_addr = true;
		opt[2] += 8;
		return 0;
	case IPOPT_TS_PRESPEC:
		if (opt[2] + 7 > opt[1])
			return 1 + 2;
		memcpy(&whose, slot, 4);
		if (route_addr_type4(walk->inst, NULL, whose) == RTN_UNICAST)
			return 0;	/* somebody else's turn */
		write_time(walk, slot + 4);
		opt[2] += 8;
		return 0;
	default:
		return 0;
	}
}

static unsigned int read_timestamp(struct option_walk *walk, uint8_t *opt, uint8_t at)
{
	unsigned int bad;

	if (walk->found->ts)
		return 1 + 0;
	if (opt[1] < 4)
		return 1 + 1;
	if (opt[2] < 5)
		return 1 + 2;
	if (opt[2] <= opt[1]) {
		if (opt[2] + 3 > opt[1])
			return 1 + 2;
		bad = read_timestamp_slot(walk, opt);
		if (bad)
			return bad;
	} else if ((opt[3] & 0xf) != IPOPT_TS_PRESPEC) {
		/* full: count those who could not write */
		if (opt[3] >> 4 == 15)
			return 1 + 3;
		opt[3] += 0x10;
		walk->found->changed = true;
	}
	walk->found->ts = at;
	return 0;
}

static unsigned int read_option(struct option_walk *walk, uint8_t *opt, uint8_t at)
{
	switch (opt[0]) {
	case IPOPT_SSRR:
	case IPOPT_LSRR:
		return read_source_route(walk, opt, at);
	case IPOPT_RR:
		return read_record_route(walk, opt, at);
	case IPOPT_TIMESTAMP:
		return read_timestamp(walk, opt, at);
	case IPOPT_RA:
		if (opt[1] < 4)
			return 1 + 1;
		if (!opt[2] && !opt[3])
			walk->found->router_alert = at;
		return 0;
	case IPOPT_CIPSO:
		/* no domain of interpretation is configured: every label is unknown */
		if (walk->found->cipso)
			return 1 + 0;
		walk->found->cipso = at;
		return opt[1] < 8 ? 1 + 1 : 1 + 2;
	default:
		return 0;
	}
}

unsigned int ip4_options_read(struct instance *inst, struct pkt *pkt)
{
	struct option_walk walk = { .inst = inst, .pkt = pkt, .found = &pkt->opt };
	uint8_t *header = pkt->data;
	unsigned int end = sizeof(struct iphdr) + pkt->opt.len;
	unsigned int at = sizeof(struct iphdr);

	while (at < end) {
		unsigned int bad;

		if (header[at] == IPOPT_END) {
			for (at++; at < end; at++) {
				if (header[at] != IPOPT_END)
					pkt->opt.changed = true;
				header[at] = IPOPT_END;
			}
			return 0;
		}
		if (header[at] == IPOPT_NOOP) {
			at++;
			continue;
		}
		if (end - at < 2 || header[at + 1] < 2 || header[at + 1] > end - at)
			return at;
		bad = read_option(&walk, header + at, at);
		if (bad)
			return at + bad - 1;
		at += header[at + 1];
	}
	return 0;
}

/* Routes the packet to @next instead; the old route is put back when that fails. */
static int route_via(struct instance *inst, struct pkt *pkt, be32 next)
{
	struct iphdr *ip = pkt_ip4(pkt);
	struct pkt_route old = pkt->route;
	be32 daddr = ip->daddr;
	enum drop_reason reason;

	pkt->route = (struct pkt_route){ .kind = ROUTE_NONE };
	ip->daddr = next;
	reason = route_input(inst, pkt);
	ip->daddr = daddr;
	if (reason == DROP_NONE && pkt->route.kind != ROUTE_ERROR &&
	    (pkt->route.type == RTN_UNICAST || pkt->route.type == RTN_LOCAL))
		return 0;
	pkt->route = old;
	return -EINVAL;
}

int ip4_options_source_route(struct instance *inst, struct pkt *pkt)
{
	struct iphdr *ip = pkt_ip4(pkt);
	uint8_t *opt = pkt->data + pkt->opt.srr;
	unsigned int at, len = opt[1];
	be32 next = 0;

	if (pkt->type != PACKET_HOST)
		return -EINVAL;
	if (pkt->route.kind != ROUTE_ERROR && pkt->route.type == RTN_UNICAST) {
		if (!pkt->opt.strict)
			return 0;
		icmp_send(inst, pkt, ICMP_PARAMETERPROB, 0, 16u << 24);
		return -EINVAL;
	}
	if (pkt->route.type != RTN_LOCAL)
		return -EINVAL;
	for (at = opt[2]; at <= len; at += 4) {
		if (at + 3 > len) {
			icmp_send(inst, pkt, ICMP_PARAMETERPROB, 0, (uint32_t)(pkt->opt.srr + 2) << 24);
			return -EINVAL;
		}
		memcpy(&next, opt + at - 1, 4);
		if (route_via(inst, pkt, next))
			return -EINVAL;
		if (pkt->route.type != RTN_LOCAL)
			break;
		ip->daddr = next;	/* one of ours again: skip ahead */
		pkt->opt.changed = true;
	}
	if (at <= len) {
		pkt->opt.srr_hit = true;
		pkt->opt.nexthop = next;
		pkt->opt.changed = true;
	}
	return 0;
}

static void forward_source_route(struct instance *inst, struct pkt *pkt)
{
	uint8_t *opt = pkt->data + pkt->opt.srr;
	unsigned int at, len = opt[1];

	for (at = opt[2]; at + 3 <= len; at += 4) {
		if (memcmp(&pkt->opt.nexthop, opt + at - 1, 4))
			continue;
		pkt->opt.changed = true;
		pkt_ip4(pkt)->daddr = pkt->opt.nexthop;
		write_leaving(inst, pkt, opt + at - 1);
		opt[2] = at + 4;
		break;
	}
	if (pkt->opt.ts_addr) {
		opt = pkt->data + pkt->opt.ts;
		write_leaving(inst, pkt, opt + opt[2] - 9);
		pkt->opt.changed = true;
	}
}

/* Offsets were noted when the packet came in; whatever hooks did since, they must still lie in its header. */
static bool options_hold(const struct pkt *pkt)
{
	const struct pkt_options *o = &pkt->opt;
	const uint8_t at[] = { o->srr, o->rr, o->ts, o->cipso }, least[] = { 3, 3, 4, 2 };
	uint32_t end = pkt->len >= sizeof(struct iphdr) ? MIN_OF(pkt->len, pkt_ip4(pkt)->ihl * 4u) : 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++)
		if (at[i] && (at[i] + least[i] > end || pkt->data[at[i] + 1] < least[i] ||
			      at[i] + pkt->data[at[i] + 1] > end))
			return false;
	return true;
}

void ip4_options_forward(struct instance *inst, struct pkt *pkt)
{
	uint8_t *opt;

	if (!options_hold(pkt))
		return;
	if (pkt->opt.rr_addr) {
		opt = pkt->data + pkt->opt.rr;
		write_leaving(inst, pkt, opt + opt[2] - 5);
		pkt->opt.changed = true;
	}
	if (pkt->opt.srr_hit)
		forward_source_route(inst, pkt);
	if (pkt->opt.changed) {
		pkt->opt.changed = false;
		csum_ip4_header(pkt_ip4(pkt));
	}
}

void ip4_options_blank(uint8_t *opt, unsigned int left)
{
	while (left) {
		unsigned int len = 1;

		if (*opt == IPOPT_END)
			return;
		if (*opt != IPOPT_NOOP) {
			if (left < 2 || opt[1] < 2 || opt[1] > left)
				return;
			len = opt[1];
			if (!(*opt & IPOPT_COPY))
				memset(opt, IPOPT_NOOP, len);
		}
		opt += len;
		left -= len;
	}
}

/* --- answers --- */

static int echo_record_route(const uint8_t *from, bool wanted, struct ip4_reply_options *out)
{
	uint8_t *to = out->bytes + out->len;
	unsigned int len = from[1], slot = from[2];

	out->rr = sizeof(struct iphdr) + out->len;
	memcpy(to, from, len);
	if (wanted && slot <= len) {
		if (slot + 3 > len)
			return -EINVAL;
		to[2] = slot + 4;
		out->rr_addr = true;
	}
	out->len += len;
	return 0;
}

static int echo_timestamp(struct instance *inst, const struct pkt_options *in, const uint8_t *from,
			  struct ip4_reply_options *out)
{
	uint8_t *to = out->bytes + out->len;
	unsigned int len = from[1], slot = from[2];
	be32 whose;

	out->ts = sizeof(struct iphdr) + out->len;
	memcpy(to, from, len);
	out->len += len;
	if (slot > len)
		return 0;
	if (in->ts_addr) {
		if (slot + 3 > len)
			return -EINVAL;
		out->ts_addr = true;
		slot += 4;
	}
	if (in->ts_time) {
		if (slot + 3 > len)
			return -EINVAL;
		if ((to[3] & 0xf) != IPOPT_TS_PRESPEC) {
			out->ts_time = true;
			slot += 4;
		} else if (slot + 7 <= len) {
			memcpy(&whose, to + slot - 1, 4);
			if (route_addr_type4(inst, NULL, whose) != RTN_UNICAST) {
				out->ts_time = true;
				slot += 8;
			}
		}
	}
	to[2] = slot;
	return 0;
}

/* The way back: the hops that were passed, last one first. */
static void echo_source_route(const struct pkt *pkt, const uint8_t *from, struct ip4_reply_options *out)
{
	uint8_t *to = out->bytes + out->len;
	int len = from[1], slot = from[2], filled = 0;
	be32 first = 0;

	if (slot > len)
		slot = len + 1;
	slot -= 4;
	if (slot > 3) {
		memcpy(&first, from + slot - 1, 4);
		for (slot -= 4, filled = 4; slot > 3; slot -= 4, filled += 4)
			memcpy(to + filled - 1, from + slot - 1, 4);
		/* RFC 1812: a route that names its own source is mended */
		if (!memcmp(&pkt_ip4(pkt)->saddr, from + slot + 3, 4))
			filled -= 4;
	}
	if (filled <= 3)
		return;
	out->first_hop = first;
	to[0] = from[0];
	to[1] = filled + 3;
	to[2] = 4;
	out->srr = sizeof(struct iphdr) + out->len;
	out->len += filled + 3;
}

int ip4_options_echo(struct instance *inst, const struct pkt *pkt, struct ip4_reply_options *out)
{
	const struct pkt_options *in = &pkt->opt;

	memset(out, 0, sizeof(*out));
	if (!in->len)
		return 0;
	if (!options_hold(pkt))
		return -EINVAL;
	if (in->rr && echo_record_route(pkt->data + in->rr, in->rr_addr, out))
		return -EINVAL;
	if (in->ts && echo_timestamp(inst, in, pkt->data + in->ts, out))
		return -EINVAL;
	if (in->srr)
		echo_source_route(pkt, pkt->data + in->srr, out);
	if (in->cipso) {
		memcpy(out->bytes + out->len, pkt->data + in->cipso, pkt->data[in->cipso + 1]);
		out->len += pkt->data[in->cipso + 1];
	}
	while (out->len & 3)
		out->bytes[out->len++] = IPOPT_END;
	return 0;
}

void ip4_options_write(struct instance *inst, struct pkt *made, const struct ip4_reply_options *options, be32 final)
{
	uint8_t *header = made->data, *opt;

	memcpy(header + sizeof(struct iphdr), options->bytes, options->len);
	if (options->srr) {
		opt = header + options->srr;
		memcpy(opt + opt[1] - 4, &final, 4);
	}
	if (options->rr_addr) {
		opt = header + options->rr;
		write_leaving(inst, made, opt + opt[2] - 5);
	}
	if (options->ts_addr) {
		opt = header + options->ts;
		write_leaving(inst, made, opt + opt[2] - 9);
	}
	if (options->ts_time) {
		opt = header + options->ts;
		put_be32(opt + opt[2] - 5, ip4_timestamp(inst));
	}
}
