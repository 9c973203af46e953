/*
 * route/select6.c - which of our IPv6 addresses speaks to a destination: RFC 6724 with Linux's labels.
 *
 * Candidates are compared rule by rule; the first rule that tells them apart decides, and the earlier
 * candidate wins a tie.
 */
#include "route/route_internal.h"

/* Linux's policy table: it differs from RFC 6724 for unique local, 6to4 and 6bone addresses. */
static const struct {
	struct in6_addr prefix;
	uint8_t plen, label;
} labels[] = {	/* longest prefix first */
	{ { .s6_addr = { [15] = 1 } }, 128, 0 },
	{ { .s6_addr = { [10] = 0xff, 0xff } }, 96, 4 },
	{ { .s6_addr = { 0 } }, 96, 3 },
	{ { .s6_addr = { 0x20, 0x01 } }, 32, 6 },
	{ { .s6_addr = { 0x20, 0x01, 0, 0x10 } }, 28, 7 },
	{ { .s6_addr = { 0x20, 0x02 } }, 16, 2 },
	{ { .s6_addr = { 0x3f, 0xfe } }, 16, 12 },
	{ { .s6_addr = { 0xfe, 0xc0 } }, 10, 11 },
	{ { .s6_addr = { 0xfc } }, 7, 5 },
};

static unsigned int label_of(const struct in6_addr *addr)
{
	struct prefix p = prefix_of6(addr);

	for (unsigned int i = 0; i < ARRAY_SIZE(labels); i++)
		if (prefix_covers(prefix_of6(&labels[i].prefix), labels[i].plen, p))
			return labels[i].label;
	return 1;
}

static bool is_orchid(const struct in6_addr *a)
{
	return (get_be32(a->s6_addr) & 0xfffffff0) == 0x20010010;
}

static int common_bits(const struct in6_addr *a, const struct in6_addr *b)
{
	struct prefix x = prefix_of6(a), y = prefix_of6(b);

	if (x.hi != y.hi)
		return __builtin_clzll(x.hi ^ y.hi);
	return x.lo != y.lo ? 64 + __builtin_clzll(x.lo ^ y.lo) : 128;
}

struct wish {
	const struct in6_addr *dst;
	const struct iface *iface;
	int scope;
	unsigned int label;
};

enum rule { RULE_SAME, RULE_SCOPE, RULE_PREFERRED, RULE_IFACE, RULE_LABEL, RULE_PUBLIC, RULE_ORCHID,
	    RULE_PREFIX, RULE_COUNT };

/* How @a does in one rule: larger is better. */
static int grade(enum rule rule, const struct iface_addr *a, const struct wish *w)
{
	unsigned int class = addr6_classify(&a->addr.in6);
	int value;

	switch (rule) {
	case RULE_SAME:
		return prefix_equal(prefix_of6(&a->addr.in6), prefix_of6(w->dst));
	case RULE_SCOPE:
		/* Wide enough: the narrower the better. Too narrow: worse than all that are wide enough. */
		value = (int)addr6_scope(&a->addr.in6);
		return value >= w->scope ? -value : value - 128;
	case RULE_PREFERRED:
		return class & (ADDR6_MAPPED | ADDR6_COMPAT | ADDR6_LOOPBACK) ||
		       !(a->flags & (IFA_F_DEPRECATED | IFA_F_OPTIMISTIC));
	case RULE_IFACE:
		return !w->iface || w->iface == a->iface;
	case RULE_LABEL:
		return label_of(&a->addr.in6) == w->label;
	case RULE_PUBLIC:
		return !(a->flags & IFA_F_TEMPORARY);
	case RULE_ORCHID:
		return is_orchid(&a->addr.in6) == is_orchid(w->dst);
	case RULE_PREFIX:
		value = common_bits(&a->addr.in6, w->dst);
		return MIN_OF(value, (int)a->prefix_len);
	default:
		return 0;
	}
}

static bool is_better(const struct iface_addr *a, const struct iface_addr *best, const struct wish *w)
{
	if (!best)
		return true;
	for (int rule = 0; rule < RULE_COUNT; rule++) {
		int x = grade(rule, a, w), y = grade(rule, best, w);

		if (x != y)
			return x > y;
	}
	return false;
}

static void best_of_iface(const struct iface *iface, const struct wish *w, const struct iface_addr **best)
{
	list_for_each(node, &iface->addrs6) {
		const struct iface_addr *a = list_entry(node, struct iface_addr, node);

		if (is_better(a, *best, w))
			*best = a;
	}
}

bool addr6_select(struct fib *fib, const struct iface *iface, const struct in6_addr *dst, struct in6_addr *out)
{
	unsigned int class = addr6_classify(dst);
	struct wish w = { dst, iface, class & ADDR6_ANY ? -1 : (int)addr6_scope(dst), label_of(dst) };
	const struct iface_addr *best = NULL;

	/* Destinations of one link are spoken to with that link's addresses only. */
	if (iface && (class & ADDR6_MULTICAST || w.scope <= 2 || iface->conf->use_oif_addrs_only6))
		best_of_iface(iface, &w, &best);
	else
		list_for_each(node, &fib->inst->ifaces)
			best_of_iface(list_entry(node, struct iface, node), &w, &best);
	if (!best)
		return false;
	*out = best->addr.in6;
	return true;
}
