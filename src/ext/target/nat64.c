/*
 * ext/target/nat64.c - "-j NAT64" for IPv6 packets, "-j NAT46" for IPv4 ones; weir's own, not Linux's. The packet ends here, and
 * what nat/translate.c makes of it arrives in the other family's path on the same interface, where conntrack and rules
 * see an ordinary packet. With --to-source bindings say who is who (nat/bindings.h), else prefix and mappings alone.
 */
#include <stdio.h>

#include "conntrack/conntrack.h"
#include "ext/option.h"
#include "nat/bindings.h"
#include "path/path.h"
#include "route/route.h"

enum { MAPS_MAX = 8 };
enum { HAS_PREFIX = 1, HAS_POOL = 2, HAS_PORTS = 4, BY_BINDINGS = 8, FILTERING = 16, ALL_FLAGS = 31 };

struct nat64_info {
	struct in6_addr prefix;
	uint8_t prefix_len, map_count;
	uint16_t flags;
	be32 first, last;
	uint16_t first_port, last_port;
	struct xlat_map maps[MAPS_MAX];
};

/* One packet at a rule. */
struct crossing {
	const struct nat64_info *info;
	struct nat64 *nat64;
	const struct nat64_binding *binding;	/* the last one found */
	bool is_ours;				/* somebody was found */
};

/* --- who is who --- */

static bool to4(const struct nat64_info *info, const struct in6_addr *six, union nf_inet_addr *out)
{
	be32 four;

	if (!xlat_map_to4(info->maps, info->map_count, six, &four) &&
	    !(info->flags & HAS_PREFIX && xlat_extract(&info->prefix, info->prefix_len, six, &four)))
		return false;
	memset(out, 0, sizeof(*out));
	out->ip = four;
	return xlat_is_unicast4(four);
}

static bool to6(const struct nat64_info *info, be32 four, union nf_inet_addr *out)
{
	struct in6_addr six;

	if (!xlat_is_unicast4(four))
		return false;
	if (!xlat_map_to6(info->maps, info->map_count, four, &six)) {
		if (!(info->flags & HAS_PREFIX))
			return false;
		six = xlat_embed(&info->prefix, info->prefix_len, four);
	}
	out->in6 = six;
	return xlat_is_unicast6(&six);
}

static bool proto_of(const struct xlat_flow *f, enum nat64_proto *out)
{
	*out = f->proto == IPPROTO_TCP ? NAT64_TCP : f->proto == IPPROTO_UDP ? NAT64_UDP : NAT64_ICMP;
	return f->has_keys && (*out != NAT64_ICMP || f->proto == (f->is6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP));
}

static struct nat64_end end_of(const union nf_inet_addr *addr, be16 key, bool is6)
{
	struct nat64_end end = { .key = key };

	if (is6)
		end.addr = *addr;
	else
		end.addr.ip = addr->ip;
	return end;
}

static void take4(union nf_inet_addr *addr, be16 *key, const struct nat64_end *end)
{
	*addr = end->addr;
	*key = end->key;
}

static enum xlat_verdict resolve64(void *priv, struct xlat_flow *f)
{
	struct crossing *c = priv;
	const struct nat64_info *info = c->info;
	const bool is_stateful = info->flags & HAS_POOL;
	union nf_inet_addr src, dst;
	struct nat64_end inside, remote;
	struct nat64_pool pool;
	enum nat64_proto proto;

	if (!is_stateful) {
		if (!to4(info, &f->src.in6, &src) || !to4(info, &f->dst.in6, &dst))
			return XLAT_NOT_MINE;
		f->src = src;
		f->dst = dst;
		return XLAT_DONE;
	}
	if (f->is_quote) {	/* what had come from outside */
		if (!proto_of(f, &proto) || !to4(info, &f->src.in6, &src))
			return XLAT_DROP;
		inside = end_of(&f->dst, f->dst_key, true);
		c->binding = nat64_of_inside(c->nat64, proto, &inside);
		if (!c->binding)
			return XLAT_DROP;
		f->src = src;
		take4(&f->dst, &f->dst_key, &c->binding->outside);
		return XLAT_DONE;
	}
	if (!to4(info, &f->dst.in6, &dst))
		return XLAT_NOT_MINE;
	if (f->is_error) {	/* whichever router it is from: outside it is where the host is */
		f->src = f->quote->dst;
		f->dst = dst;
		return XLAT_DONE;
	}
	if (!proto_of(f, &proto) || !xlat_is_unicast6(&f->src.in6) || to4(info, &f->src.in6, &src))
		return XLAT_DROP;	/* a source inside the prefix would circle */
	pool = (struct nat64_pool){ .first = info->first, .last = info->last, .prefix = info->prefix, .prefix_len = info->prefix_len,
				    .first_key = info->flags & HAS_PORTS ? info->first_port : 1024,
				    .last_key = info->flags & HAS_PORTS ? info->last_port : 65535,
				    .is_filtering = info->flags & FILTERING };
	inside = end_of(&f->src, f->src_key, true);
	remote = end_of(&dst, proto == NAT64_ICMP ? 0 : f->dst_key, false);
	c->binding = nat64_out(c->nat64, &pool, proto, &inside, &remote, f->tcp_flags);
	if (!c->binding)
		return XLAT_DROP;
	take4(&f->src, &f->src_key, &c->binding->outside);
	f->dst = dst;
	return XLAT_DONE;
}

static enum xlat_verdict resolve_bound(struct crossing *c, struct xlat_flow *f)
{
	struct nat64_end outside, remote;
	enum nat64_proto proto;
	be32 other = f->is_quote ? f->dst.ip : f->src.ip;
	struct in6_addr six;

	if (f->is_error) {	/* its quote has found the binding */
		f->dst = f->quote->src;
	} else {
		if (!proto_of(f, &proto))
			return XLAT_NOT_MINE;
		outside = f->is_quote ? end_of(&f->src, f->src_key, false) : end_of(&f->dst, f->dst_key, false);
		remote = end_of(&f->src, proto == NAT64_ICMP ? 0 : f->src_key, false);
		if (!nat64_of_outside(c->nat64, proto, &outside))
			return XLAT_NOT_MINE;
		c->is_ours = true;
		c->binding = f->is_quote ? nat64_of_outside(c->nat64, proto, &outside) :
					   nat64_in(c->nat64, proto, &outside, &remote, f->tcp_flags);
		if (!c->binding)
			return XLAT_DROP;
		take4(f->is_quote ? &f->src : &f->dst, f->is_quote ? &f->src_key : &f->dst_key, &c->binding->inside);
	}
	if (!xlat_is_unicast4(other))
		return XLAT_DROP;
	six = xlat_embed(&c->binding->pool.prefix, c->binding->pool.prefix_len, other);
	*(f->is_quote ? &f->dst.in6 : &f->src.in6) = six;
	return XLAT_DONE;
}

static enum xlat_verdict resolve46(void *priv, struct xlat_flow *f)
{
	struct crossing *c = priv;
	union nf_inet_addr src, dst;

	if (c->info->flags & BY_BINDINGS)
		return resolve_bound(c, f);
	if (!to6(c->info, f->src.ip, &src) || !to6(c->info, f->dst.ip, &dst))
		return XLAT_NOT_MINE;
	c->is_ours = true;
	f->src = src;
	f->dst = dst;
	return XLAT_DONE;
}

/* --- the way over --- */

static void tell(struct instance *inst, struct pkt *pkt, bool is6, uint8_t type, uint8_t code, uint32_t info)
{
	if (is6) {
		icmp6_send(inst, pkt, type, code, info);
		return;
	}
	if (pkt->route.kind == ROUTE_NONE && pkt->in && route_input(inst, pkt) != DROP_NONE)
		return;
	icmp_send(inst, pkt, type, code, info);
}

/* What the translated packet would meet over there is said here, in the words of the family that its sender speaks. True: go. */
static bool may_cross(struct instance *inst, struct pkt *pkt, const struct pkt *made, bool is6, bool may_cut)
{
	struct route_flow flow = { .family = is6 ? NFPROTO_IPV4 : NFPROTO_IPV6, .mark = pkt->mark, .any_src = true };
	struct pkt_route route = { .kind = ROUTE_NONE };

	if (is6) {
		flow.daddr.ip = pkt_ip4(made)->daddr;
		flow.tos = pkt_ip4(made)->tos & 0x1c;
	} else {
		flow.daddr.in6 = pkt_ip6(made)->daddr;
	}
	if (route_output(inst, &flow, &route) || route.kind == ROUTE_ERROR) {
		is6 ? tell(inst, pkt, is6, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, 0) :
		      tell(inst, pkt, is6, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		return false;
	}
	if (may_cut || !route.mtu || made->len <= route.mtu || route.flags & ROUTE_LOCAL)
		return true;
	is6 ? tell(inst, pkt, is6, ICMPV6_PKT_TOOBIG, 0, route.mtu + 20) :
	      tell(inst, pkt, is6, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, route.mtu - 20);
	return false;
}

/* Each crossing after the first is a hop: what circles between the families comes to an end. */
static uint8_t hops_needed(const struct pkt *pkt, const struct ext_call *call)
{
	return call->state->hooknum == NF_INET_LOCAL_OUT ? 0 : pkt->flags & PKT_FLAG_TRANSLATED ? 2 : 1;
}

static unsigned int cross(struct pkt *pkt, struct crossing *c, struct ext_call *call)
{
	const bool is6 = call->family == NFPROTO_IPV6;
	const uint8_t hops = is6 ? pkt_ip6(pkt)->hop_limit : pkt_ip4(pkt)->ttl, needed = hops_needed(pkt, call);
	struct instance *inst = call->inst;
	struct xlat x = { .resolve = is6 ? resolve64 : resolve46, .priv = c, .in = pkt->data, .in_len = pkt->len };
	struct pkt *made = pkt_new(inst, XLAT_ROOM(pkt->len));
	enum xlat_verdict verdict;

	if (!made)
		return NF_DROP;
	x.out = made->data;
	x.was_cut = pkt->flags & PKT_FLAG_REASSEMBLED;
	x.ip_id = htons(path_ip_id(inst));
	if (pkt->in)
		*(is6 ? &x.mtu6 : &x.mtu4) = pkt->in->mtu;
	verdict = is6 ? xlat_6to4(&x) : xlat_4to6(&x);
	if (verdict == XLAT_ERROR && (is6 || c->is_ours || !(c->info->flags & BY_BINDINGS)))
		tell(inst, pkt, is6, x.err_type, x.err_code, x.err_info);
	if (verdict != XLAT_DONE) {
		pkt_free(inst, made);
		/* What nobody's binding is about is for the host, as ever. */
		return verdict == XLAT_NOT_MINE || (c->info->flags & BY_BINDINGS && !c->is_ours) ? XT_CONTINUE : NF_DROP;
	}
	made->len = x.out_len;
	if (hops <= needed && needed) {
		pkt->drop_reason = DROP_TTL;
		is6 ? tell(inst, pkt, is6, ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT, 0) : tell(inst, pkt, is6, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
	} else if (may_cross(inst, pkt, made, is6, is6 ? !(pkt_ip4(made)->frag_off & htons(IP4_DF)) : x.may_cut) &&
		   ct_confirm(inst, pkt) == NF_ACCEPT) {
		if (needed == 2 && is6) {
			pkt_ip4(made)->ttl--;
			csum_ip4_header(pkt_ip4(made));
		} else if (needed == 2) {
			pkt_ip6(made)->hop_limit--;
		}
		if (!is6 && x.may_cut) {	/* leaves in pieces that fit every IPv6 link */
			made->flags |= PKT_FLAG_REASSEMBLED;
			made->frag_max_size = IPV6_MIN_MTU;
		}
		path_cross(inst, made, pkt, call->state->hooknum == NF_INET_LOCAL_OUT || !pkt->in ? inst->lo : pkt->in);
		pkt_free(inst, pkt);
		return NF_STOLEN;
	}
	pkt_free(inst, made);
	return NF_DROP;
}

static unsigned int nat64_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct crossing c = { .info = data };
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	union nf_inet_addr dst;

	c.nat64 = c.info->flags & HAS_POOL ? nat64_state_if_any(call->inst) : NULL;
	if (c.info->flags & HAS_POOL && !c.nat64)
		return XT_CONTINUE;
	if (pkt->type != PACKET_HOST || !xlat_is_unicast6(&ip->saddr) || !to4(c.info, &ip->daddr, &dst))
		return XT_CONTINUE;
	pkt->drop_reason = DROP_NAT;
	return cross(pkt, &c, call);
}

static unsigned int nat46_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct crossing c = { .info = data };
	const struct iphdr *ip = pkt_ip4(pkt);

	c.nat64 = c.info->flags & BY_BINDINGS ? nat64_state_if_any(call->inst) : NULL;
	if (c.info->flags & BY_BINDINGS && !c.nat64)
		return XT_CONTINUE;
	if (pkt->type != PACKET_HOST || !xlat_is_unicast4(ip->saddr) || !xlat_is_unicast4(ip->daddr))
		return XT_CONTINUE;
	pkt->drop_reason = DROP_NAT;
	return cross(pkt, &c, call);
}

/* --- rules --- */

static int nat64_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct nat64_info *info = data;
	const char *name = check->family == NFPROTO_IPV6 ? "NAT64" : "NAT46";
	int err;

	if (info->flags & ~ALL_FLAGS || info->map_count > MAPS_MAX ||
	    (info->flags & HAS_PREFIX && !xlat_prefix_len_fits(info->prefix_len)))
		return refuse(why, -EINVAL, "%s: damaged", name);
	if (info->flags & (check->family == NFPROTO_IPV6 ? BY_BINDINGS : HAS_POOL))
		return refuse(why, -EINVAL, "%s: an option of the other family", name);
	for (unsigned int i = 0; i < info->map_count; i++)
		if (info->maps[i].len4 > 32 || info->maps[i].len6 > 128 || 32 - info->maps[i].len4 > 128 - info->maps[i].len6)
			return refuse(why, -EINVAL, "%s: a mapping from more addresses than it has", name);
	if (info->flags & HAS_POOL && (!(info->flags & HAS_PREFIX) || ntohl(info->first) > ntohl(info->last) ||
				       (info->flags & HAS_PORTS && (!info->first_port || info->first_port > info->last_port))))
		return refuse(why, -EINVAL, "%s: --to-source needs a prefix, and ranges that do not run backwards", name);
	if (!check->inst)
		return 0;
	if (info->flags & (HAS_POOL | BY_BINDINGS) && !nat64_state(check->inst))
		return refuse(why, -ENOMEM, "%s: no memory for bindings", name);
	err = ct_hooks_get(check->inst, NFPROTO_IPV4);
	if (!err) {
		err = ct_hooks_get(check->inst, NFPROTO_IPV6);
		if (err)
			ct_hooks_put(check->inst, NFPROTO_IPV4);
	}
	return err ? refuse(why, err, "connection tracking cannot be switched on") : 0;
}

static void nat64_destroy(void *data, const struct ext_check *check)
{
	(void)data;
	if (check->inst) {
		ct_hooks_put(check->inst, NFPROTO_IPV4);
		ct_hooks_put(check->inst, NFPROTO_IPV6);
	}
}

/* "address[/length]" with no bit beyond the length. */
static int parse_net(const char *text, uint8_t family, union nf_inet_addr *addr, uint8_t *len, struct refusal *why)
{
	const unsigned int bits = family == NFPROTO_IPV4 ? 32 : 128;
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN];
	uint64_t n = bits;

	if (snprintf(host, sizeof(host), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text) >= (int)sizeof(host))
		return refuse(why, -EINVAL, "\"%s\" is no address", text);
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(family == NFPROTO_IPV4 ? AF_INET : AF_INET6, host, addr) != 1)
		return refuse(why, -EINVAL, "\"%s\" is no address", host);
	if (slash && !opt_u64(slash + 1, 0, bits, &n))
		return refuse(why, -EINVAL, "\"%s\" is no prefix length", slash + 1);
	for (unsigned int i = (unsigned int)n; i < bits; i++)
		if (((const uint8_t *)addr)[i / 8] >> (7 - i % 8) & 1)
			return refuse(why, -EINVAL, "\"%s\" has bits beyond its length", text);
	*len = (uint8_t)n;
	return 0;
}

static int parse_prefix(struct opt_call *call, struct refusal *why)
{
	struct nat64_info *info = call->info;
	union nf_inet_addr addr;
	int err = parse_net(call->arg, NFPROTO_IPV6, &addr, &info->prefix_len, why);

	if (err)
		return err;
	if (!xlat_prefix_len_fits(info->prefix_len) || (info->prefix_len > 64 && addr.in6.s6_addr[8]))
		return refuse(why, -EINVAL, "a prefix has 32, 40, 48, 56, 64 or 96 bits, and zeros in bits 64 to 71");
	info->prefix = addr.in6;
	info->flags |= HAS_PREFIX;
	return 0;
}

static int parse_map(struct opt_call *call, struct refusal *why)
{
	struct nat64_info *info = call->info;
	const char *equals = strchr(call->arg, '=');
	struct xlat_map *map = &info->maps[info->map_count];
	union nf_inet_addr four, six;
	char left[32];
	int err;

	if (info->map_count == MAPS_MAX)
		return refuse(why, -EINVAL, "a rule holds %d mappings", MAPS_MAX);
	if (!equals || equals - call->arg >= (int)sizeof(left))
		return refuse(why, -EINVAL, "a mapping is IPv4[/length]=IPv6[/length]");
	snprintf(left, sizeof(left), "%.*s", (int)(equals - call->arg), call->arg);
	err = parse_net(left, NFPROTO_IPV4, &four, &map->len4, why);
	if (!err)
		err = parse_net(equals + 1, NFPROTO_IPV6, &six, &map->len6, why);
	if (err)
		return err;
	if (32 - map->len4 > 128 - map->len6)
		return refuse(why, -EINVAL, "\"%s\" maps more addresses than there are", call->arg);
	map->four = four.ip;
	map->six = six.in6;
	info->map_count++;
	return 0;
}

/* A[-B][:first[-last]] */
static int parse_pool(struct opt_call *call, struct refusal *why)
{
	struct nat64_info *info = call->info;
	char text[64], *dash, *colon;
	uint64_t first, last;

	if (snprintf(text, sizeof(text), "%s", call->arg) >= (int)sizeof(text))
		return refuse(why, -EINVAL, "\"%s\" is no range of addresses", call->arg);
	colon = strchr(text, ':');
	if (colon) {
		*colon++ = 0;
		dash = strchr(colon, '-');
		if (dash)
			*dash++ = 0;
		if (!opt_u64(colon, 1, 65535, &first) || !opt_u64(dash ? dash : colon, first, 65535, &last))
			return refuse(why, -EINVAL, "\"%s\" has no range of ports", call->arg);
		info->first_port = (uint16_t)first;
		info->last_port = (uint16_t)last;
		info->flags |= HAS_PORTS;
	}
	dash = strchr(text, '-');
	if (dash)
		*dash++ = 0;
	if (inet_pton(AF_INET, text, &info->first) != 1 || inet_pton(AF_INET, dash ? dash : text, &info->last) != 1 ||
	    ntohl(info->first) > ntohl(info->last) || !xlat_is_unicast4(info->first) || !xlat_is_unicast4(info->last))
		return refuse(why, -EINVAL, "\"%s\" is no range of addresses", call->arg);
	info->flags |= HAS_POOL;
	return 0;
}

static int nat64_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	const struct nat64_info *info = data;

	(void)seen;
	(void)call;
	if (!(info->flags & (HAS_PREFIX | BY_BINDINGS)) && !info->map_count)
		return refuse(why, -EINVAL, "a --prefix or a --map is required");
	if (info->flags & HAS_POOL && !(info->flags & HAS_PREFIX))
		return refuse(why, -EINVAL, "--to-source needs --prefix");
	if (info->flags & FILTERING && !(info->flags & HAS_POOL))
		return refuse(why, -EINVAL, "--filter needs --to-source");
	if (info->flags & BY_BINDINGS && (info->flags & HAS_PREFIX || info->map_count))
		return refuse(why, -EINVAL, "--bindings say it all");
	return 0;
}

static void put4(struct strbuf *out, be32 four)
{
	print_addr(out, NFPROTO_IPV4, &(union nf_inet_addr){ .ip = four });
}

static void nat64_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct nat64_info *info = data;

	if (info->flags & HAS_PREFIX) {
		sb_adds(out, " --prefix ");
		print_addr(out, NFPROTO_IPV6, &(union nf_inet_addr){ .in6 = info->prefix });
		sb_printf(out, "/%u", info->prefix_len);
	}
	for (unsigned int i = 0; i < info->map_count && i < MAPS_MAX; i++) {
		sb_adds(out, " --map ");
		put4(out, info->maps[i].four);
		sb_printf(out, "/%u=", info->maps[i].len4);
		print_addr(out, NFPROTO_IPV6, &(union nf_inet_addr){ .in6 = info->maps[i].six });
		sb_printf(out, "/%u", info->maps[i].len6);
	}
	if (info->flags & HAS_POOL) {
		sb_adds(out, " --to-source ");
		put4(out, info->first);
		if (info->last != info->first) {
			sb_adds(out, "-");
			put4(out, info->last);
		}
		if (info->flags & HAS_PORTS)
			sb_printf(out, ":%u-%u", info->first_port, info->last_port);
	}
	if (info->flags & FILTERING)
		sb_adds(out, " --filter");
	if (info->flags & BY_BINDINGS)
		sb_adds(out, " --bindings");
}

#define NAT64_FLAG(n, bit, h) { .name = n, .type = OPT_FLAG, .set_at = offsetof(struct nat64_info, flags), .set_bits = bit, \
	.set_width = 2, .help = h }
#define NAT64_COMMON \
	{ .name = "prefix", .type = OPT_CUSTOM, .parse = parse_prefix, .arg = "prefix/length", \
	  .help = "where IPv4 addresses are inside IPv6 (RFC 6052)" }, \
	{ .name = "map", .type = OPT_CUSTOM, .flags = OPT_REPEATABLE, .parse = parse_map, .arg = "IPv4[/len]=IPv6[/len]", \
	  .help = "who is who (RFC 7757), before the prefix; up to 8 times" }

static const struct opt nat64_options[] = {
	NAT64_COMMON,
	{ .name = "to-source", .type = OPT_CUSTOM, .parse = parse_pool, .arg = "address[-address][:port-port]",
	  .help = "stateful: the IPv4 sources that IPv6 hosts share" },
	NAT64_FLAG("filter", FILTERING, "stateful: only an address that was talked to may answer"),
	OPT_END
};
static const struct opt nat46_options[] = {
	NAT64_COMMON,
	NAT64_FLAG("bindings", BY_BINDINGS, "what answers to NAT64 --to-source, and nothing else"),
	OPT_END
};

static const struct ext_text nat64_text = {
	.options = nat64_options, .help_head = "NAT64 target options (weir's own, not Linux's):",
	.finish = nat64_finish, .save = nat64_save, .print = nat64_save,
};
static const struct ext_text nat46_text = {
	.options = nat46_options, .help_head = "NAT46 target options (weir's own, not Linux's):",
	.finish = nat64_finish, .save = nat64_save, .print = nat64_save,
};

enum { HOOKS = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT };

const struct target target_nat64 = {
	.name = "NAT64", .families = FAMILY_V6, .table = "mangle", .hooks = HOOKS, .info_size = sizeof(struct nat64_info),
	.depends = DEP_STATE, .target = nat64_target, .checkentry = nat64_check, .destroy = nat64_destroy, .text = &nat64_text,
};
const struct target target_nat46 = {
	.name = "NAT46", .families = FAMILY_V4, .table = "mangle", .hooks = HOOKS, .info_size = sizeof(struct nat64_info),
	.depends = DEP_STATE, .target = nat46_target, .checkentry = nat64_check, .destroy = nat64_destroy, .text = &nat46_text,
};
