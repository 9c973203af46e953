/* ext/natrange.c - see natrange.h. Texts and their errors are those of iptables 1.8.9. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "ext/natrange.h"

struct nf_nat_range2 natrange_from_v0(const struct nf_nat_ipv4_multi_range_compat *mr)
{
	const struct nf_nat_ipv4_range *from = &mr->range[0];
	struct nf_nat_range2 range = { .flags = from->flags, .min_proto = from->min, .max_proto = from->max };

	range.min_addr.ip = from->min_ip;
	range.max_addr.ip = from->max_ip;
	return range;
}

struct nf_nat_range2 natrange_from_v1(const struct nf_nat_range *v1)
{
	return (struct nf_nat_range2){ .flags = v1->flags, .min_addr = v1->min_addr, .max_addr = v1->max_addr,
				       .min_proto = v1->min_proto, .max_proto = v1->max_proto };
}

void natrange_to_v0(struct nf_nat_ipv4_multi_range_compat *mr, const struct nf_nat_range2 *range)
{
	mr->rangesize = 1;
	mr->range[0] = (struct nf_nat_ipv4_range){ .flags = range->flags, .min_ip = range->min_addr.ip,
						   .max_ip = range->max_addr.ip, .min = range->min_proto,
						   .max = range->max_proto };
}

void natrange_to_v1(struct nf_nat_range *v1, const struct nf_nat_range2 *range)
{
	v1->flags = range->flags;
	v1->min_addr = range->min_addr;
	v1->max_addr = range->max_addr;
	v1->min_proto = range->min_proto;
	v1->max_proto = range->max_proto;
}

int natrange_check_v0(const struct nf_nat_ipv4_multi_range_compat *mr, struct refusal *why)
{
	if (mr->rangesize != 1)
		return refuse(why, -EINVAL, "a NAT rule has one range, not %u", mr->rangesize);
	return 0;
}

int natrange_track(const struct ext_check *check, struct refusal *why)
{
	int err = check->inst ? ct_hooks_get(check->inst, check->family) : 0;

	return err ? refuse(why, err, "connection tracking cannot be switched on") : 0;
}

void natrange_untrack(void *info, const struct ext_check *check)
{
	(void)info;
	if (check->inst)
		ct_hooks_put(check->inst, check->family);
}

static bool rule_has_ports(const struct opt_call *call)
{
	switch (call->e4 ? call->e4->ip.proto : call->e6 ? call->e6->ipv6.proto : 0) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_ICMP:
		return true;
	default:
		return false;
	}
}

/* A number at the front of the text; *end is where it stops. */
static bool read_number(const char *text, unsigned long max, const char **end, unsigned int *out)
{
	uint64_t value;
	char *stop;

	if (!opt_number(text, &stop, &value) || value > max)
		return false;
	*end = stop;
	*out = value;
	return true;
}

static int parse_port_range(const char *text, struct opt_call *call, struct nf_nat_range2 *range, struct refusal *why)
{
	unsigned int first, last, base;
	const char *end;
	uint16_t port;

	if (!rule_has_ports(call))
		return refuse(why, -EINVAL, "Need TCP, UDP, SCTP or DCCP with port specification");
	range->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	if (!read_number(text, UINT16_MAX, &end, &first)) {
		if (opt_port(text, NULL, &port, NULL) < 0)
			return refuse(why, -EINVAL, "Port `%s' not valid", text);
		first = port;
		end = "";
	}
	range->min_proto.all = range->max_proto.all = htons(first);
	if (*end == '\0')
		return 0;
	if (*end == ':')
		return refuse(why, -EINVAL, "Invalid port:port syntax - use dash");
	if (*end != '-')
		return refuse(why, -EINVAL, "Garbage after port value: `%s'", end);
	text = end + 1;
	if (!read_number(text, UINT16_MAX, &end, &last))
		return refuse(why, -EINVAL, "Port `%s' not valid", text);
	if (last < first)
		return refuse(why, -EINVAL, "Port range `%s' funky", text);
	range->max_proto.all = htons(last);
	if (*end == '\0')
		return 0;
	if (*end != '/')
		return refuse(why, -EINVAL, "Garbage after port range: `%s'", end);
	text = end + 1;
	if (!read_number(text, UINT16_MAX, &end, &base) || base == 0) {
		/* a service, but no number written in its place: "/0" is refused */
		if (strspn(text, "0123456789") == strlen(text) || opt_port(text, NULL, &port, NULL) < 0)
			return refuse(why, -EINVAL, "Port `%s' not valid", text);
		base = port;
	}
	range->flags |= NF_NAT_RANGE_PROTO_OFFSET;
	range->base_proto.all = htons(base);
	return 0;
}

int natrange_parse_ports(struct opt_call *call, struct nf_nat_range2 *range, struct refusal *why)
{
	return parse_port_range(call->arg, call, range, why);
}

int natrange_parse_addr(struct opt_call *call, struct nf_nat_range2 *range, struct refusal *why)
{
	int af = call->family == NFPROTO_IPV4 ? AF_INET : AF_INET6, err;
	char text[256], *addr = text, *bracket, *colon, *dash;

	if (strlen(call->arg) >= sizeof(text))
		return refuse(why, -EINVAL, "Bad IP address \"%s\"", call->arg);
	strcpy(text, call->arg);
	bracket = strchr(text, '[');
	if (bracket) {
		char *close = strchr(bracket, ']');

		if (!close || call->family == NFPROTO_IPV4)
			return refuse(why, -EINVAL, "Invalid address format");
		*close = '\0';
		addr = bracket + 1;
		colon = strchr(close + 1, ':');
	} else {
		colon = strchr(text, ':');
		if (colon && strchr(colon + 1, ':'))
			colon = NULL;		/* a bare IPv6 address */
	}
	if (colon) {
		err = parse_port_range(colon + 1, call, range, why);
		if (err)
			return err;
		if (colon == text || colon == text + 2)
			return 0;		/* ":80", "[]:80": ports alone */
		*colon = '\0';
	}
	range->flags |= NF_NAT_RANGE_MAP_IPS;
	dash = strchr(addr, '-');
	if (dash)
		*dash = '\0';
	if (inet_pton(af, addr, &range->min_addr) != 1)
		return refuse(why, -EINVAL, "Bad IP address \"%s\"", addr);
	range->max_addr = range->min_addr;
	if (dash && inet_pton(af, dash + 1, &range->max_addr) != 1)
		return refuse(why, -EINVAL, "Bad IP address \"%s\"", dash + 1);
	return 0;
}

static void print_addrs(const struct nf_nat_range2 *range, uint8_t family, struct strbuf *out)
{
	int af = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	bool has_brackets = family == NFPROTO_IPV6 && (range->flags & NF_NAT_RANGE_PROTO_SPECIFIED);
	char text[INET6_ADDRSTRLEN];

	if (has_brackets)
		sb_addc(out, '[');
	sb_adds(out, inet_ntop(af, &range->min_addr, text, sizeof(text)));
	if (!ct_addr_equal(&range->min_addr, &range->max_addr)) {
		sb_addc(out, '-');
		sb_adds(out, inet_ntop(af, &range->max_addr, text, sizeof(text)));
	}
	if (has_brackets)
		sb_addc(out, ']');
}

static void print_ports(const struct nf_nat_range2 *range, struct strbuf *out)
{
	sb_printf(out, "%u", ntohs(range->min_proto.all));
	if (range->max_proto.all != range->min_proto.all)
		sb_printf(out, "-%u", ntohs(range->max_proto.all));
	if (range->flags & NF_NAT_RANGE_PROTO_OFFSET)
		sb_printf(out, "/%u", ntohs(range->base_proto.all));
}

void natrange_print(const struct nf_nat_range2 *range, uint8_t family, const char *lead, const char *flag_lead,
		    bool is_ports_only, struct strbuf *out)
{
	bool has_addrs = range->flags & NF_NAT_RANGE_MAP_IPS, has_ports = range->flags & NF_NAT_RANGE_PROTO_SPECIFIED;

	if (has_addrs || has_ports)
		sb_printf(out, " %s", lead);
	if (has_addrs)
		print_addrs(range, family, out);
	if (has_ports && (has_addrs || !is_ports_only))
		sb_addc(out, ':');
	if (has_ports)
		print_ports(range, out);
	if (range->flags & NF_NAT_RANGE_PROTO_RANDOM)
		sb_printf(out, " %srandom", flag_lead);
	if (range->flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY)
		sb_printf(out, " %srandom-fully", flag_lead);
	if (range->flags & NF_NAT_RANGE_PERSISTENT)
		sb_printf(out, " %spersistent", flag_lead);
}
