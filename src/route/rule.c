/*
 * route/rule.c - `ip rule`: which table is asked for which packet, both families.
 *
 * Rules stand in order of priority, a new one behind its equals. One without a priority goes just before
 * the second rule of the list, which puts it before main and before every rule added so earlier.
 */
#include "route/route_internal.h"

#include <stdlib.h>

static struct fib_rule *rule_at(struct list *node) { return list_entry(node, struct fib_rule, node); }

static bool range_given(uint16_t lo, uint16_t hi) { return lo || hi; }

static bool needs_dissect(const struct rule_spec *spec)
{
	return spec->ipproto || range_given(spec->sport_lo, spec->sport_hi) ||
	       range_given(spec->dport_lo, spec->dport_hi);
}

/* --- matching --- */

static bool iface_is(const struct instance *inst, const char *name, unsigned int index)
{
	const struct iface *iface = index ? iface_by_index(inst, index) : NULL;

	return iface && !strncmp(iface->name, name, IFNAMSIZ);
}

static struct prefix family_prefix(uint8_t family, const union nf_inet_addr *addr)
{
	return family == NFPROTO_IPV4 ? prefix_of4(addr->ip) : prefix_of6(&addr->in6);
}

static bool family_match(const struct fib_rule *r, const struct fib_query *q)
{
	const struct rule_spec *s = &r->spec;
	bool v4 = s->family == NFPROTO_IPV4;

	if (s->dst_len && !prefix_covers(r->dst, s->dst_len, family_prefix(s->family, &q->daddr)))
		return false;
	/* An IPv6 source that is yet to be chosen matches no `from`. */
	if (s->src_len && ((!v4 && !q->has_saddr) ||
			   !prefix_covers(r->src, s->src_len, family_prefix(s->family, &q->saddr))))
		return false;
	if (s->tos && s->tos != (q->tos & (v4 ? FIB4_TOS_MASK : 0xfc)))
		return false;
	if (s->ipproto && s->ipproto != q->proto)
		return false;
	if (range_given(s->sport_lo, s->sport_hi) && (q->sport < s->sport_lo || q->sport > s->sport_hi))
		return false;
	return !range_given(s->dport_lo, s->dport_hi) || (q->dport >= s->dport_lo && q->dport <= s->dport_hi);
}

static bool rule_match(const struct instance *inst, const struct fib_rule *r, const struct fib_query *q)
{
	const struct rule_spec *s = &r->spec;
	bool yes = (!s->iif[0] || iface_is(inst, s->iif, q->iif)) &&
		   (!s->oif[0] || iface_is(inst, s->oif, q->oif)) && !((s->mark ^ q->mark) & s->mark_mask) &&
		   family_match(r, q);

	return yes != s->invert;
}

static int action_error(uint8_t action)
{
	switch (action) {
	case FR_ACT_TO_TBL:
		return 0;
	case FR_ACT_UNREACHABLE:
		return -ENETUNREACH;
	case FR_ACT_PROHIBIT:
		return -EACCES;
	default:
		return -EINVAL;
	}
}

/* The next rule at or after @node that matches and decides: gotos followed, nops passed. */
static struct fib_rule *next_deciding(struct fib *fib, struct fib_family *f, struct list *node,
				      const struct fib_query *q)
{
	while (node != &f->rules) {
		struct fib_rule *r = rule_at(node);

		node = node->next;
		if (!rule_match(fib->inst, r, q) || r->spec.action == FR_ACT_NOP)
			continue;
		if (r->spec.action != FR_ACT_GOTO)
			return r;
		if (r->target)
			node = &r->target->node;
	}
	return NULL;
}

static int table_of_rule4(struct fib *fib, struct fib_table *table, const struct fib_query *q,
			  struct fib_result *result, void *arg)
{
	return fib4_table_lookup(fib, table, q, result);
}

static int rules_lookup(struct fib *fib, uint8_t family, const struct fib_query *q, fib6_table_fn lookup,
			void *arg, struct fib_result *result)
{
	struct fib_family *f = fib_family(fib, family);
	struct fib_rule *r = next_deciding(fib, f, f->rules.next, q);

	for (; r; r = next_deciding(fib, f, r->node.next, q)) {
		int err = action_error(r->spec.action);
		struct fib_table *table;

		if (err)
			return err;
		table = fib_table_find(fib, family, r->spec.table);
		err = table ? lookup(fib, table, q, result, arg) : -EAGAIN;
		if (!err && r->spec.suppress_prefixlength >= result->plen)
			continue;
		if (err != -EAGAIN)
			return err;
	}
	return -ENETUNREACH;
}

int fib4_rules_lookup(struct fib *fib, const struct fib_query *q, struct fib_result *result)
{
	return rules_lookup(fib, NFPROTO_IPV4, q, table_of_rule4, NULL, result);
}

int fib6_rules_lookup(struct fib *fib, const struct fib_query *q, fib6_table_fn table_lookup, void *arg,
		      struct fib_result *result)
{
	return rules_lookup(fib, NFPROTO_IPV6, q, table_lookup, arg, result);
}

/* Where the ports stand in protocols that rules can see them in; -1: none. */
static int ports_offset(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_DCCP:
	case IPPROTO_ESP:	/* the SPI */
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
		return 0;
	case IPPROTO_AH:
		return 4;
	default:
		return -1;
	}
}

void fib_query_dissect(struct fib *fib, uint8_t family, const struct pkt *pkt, struct fib_query *q)
{
	const uint8_t *ports;
	int at;

	if (!fib_family(fib, family)->dissect_rules)
		return;
	q->proto = pkt->l.l4proto;
	at = ports_offset(q->proto);
	/* Fragments have no ports here, not even first ones. */
	if (at < 0 || pkt->l.is_fragment)
		return;
	ports = pkt_l4(pkt, (uint32_t)at + 4);
	if (!ports)
		return;
	q->sport = get_be16(ports + at);
	q->dport = get_be16(ports + at + 2);
}

/* --- control --- */

static bool ranges_equal(const struct rule_spec *a, const struct rule_spec *b)
{
	return a->sport_lo == b->sport_lo && a->sport_hi == b->sport_hi && a->dport_lo == b->dport_lo &&
	       a->dport_hi == b->dport_hi;
}

static bool rules_equal(const struct fib_rule *a, const struct fib_rule *b)
{
	const struct rule_spec *x = &a->spec, *y = &b->spec;

	return x->action == y->action && x->table == y->table && x->priority == y->priority &&
	       !strncmp(x->iif, y->iif, IFNAMSIZ) && !strncmp(x->oif, y->oif, IFNAMSIZ) && x->mark == y->mark &&
	       x->mark_mask == y->mark_mask && x->suppress_prefixlength == y->suppress_prefixlength &&
	       x->ipproto == y->ipproto && ranges_equal(x, y) &&
	       (!y->src_len || (x->src_len == y->src_len && prefix_equal(a->src, b->src))) &&
	       (!y->dst_len || (x->dst_len == y->dst_len && prefix_equal(a->dst, b->dst))) &&
	       (!y->tos || x->tos == y->tos);
}

static uint32_t automatic_priority(const struct fib_family *f)
{
	struct list *first = f->rules.next;

	if (first == &f->rules || first->next == &f->rules || !rule_at(first->next)->spec.priority)
		return 0;
	return rule_at(first->next)->spec.priority - 1;
}

static struct fib_rule *find_priority(struct fib_family *f, uint32_t priority)
{
	list_for_each(node, &f->rules)
		if (rule_at(node)->spec.priority == priority)
			return rule_at(node);
	return NULL;
}

static void list_rule(struct fib_family *f, struct fib_rule *rule)
{
	struct list *node = f->rules.next;

	while (node != &f->rules && rule_at(node)->spec.priority <= rule->spec.priority)
		node = node->next;
	list_insert_before(node, &rule->node);
	/* Gotos that waited for this priority have found their target. */
	list_for_each(other, &f->rules) {
		struct fib_rule *r = rule_at(other);

		if (r->spec.action == FR_ACT_GOTO && !r->target && r->spec.goto_target == rule->spec.priority)
			r->target = rule;
	}
}

static void fill_rule(struct fib_rule *rule, const struct rule_spec *spec)
{
	rule->spec = *spec;
	rule->src = prefix_cut(family_prefix(spec->family, &spec->src), spec->src_len);
	rule->dst = prefix_cut(family_prefix(spec->family, &spec->dst), spec->dst_len);
	/* A mark that is not zero is compared whole unless a mask is given. */
	if (spec->mark && !spec->mark_mask)
		rule->spec.mark_mask = 0xffffffff;
}

static int check_spec(const struct rule_spec *spec, struct refusal *why)
{
	unsigned int bits = spec->family == NFPROTO_IPV4 ? 32 : 128;

	if (spec->src_len > bits || spec->dst_len > bits)
		return refuse(why, -EINVAL, "the prefix length of the rule is too large");
	if (spec->tos & (spec->family == NFPROTO_IPV4 ? ~IPTOS_TOS_MASK & 0xff : 0x03))
		return refuse(why, -EINVAL, "a rule cannot match this TOS value");
	if (spec->sport_lo > spec->sport_hi || (!spec->sport_lo && spec->sport_hi))
		return refuse(why, -EINVAL, "the source port range is empty");
	if (spec->dport_lo > spec->dport_hi || (!spec->dport_lo && spec->dport_hi))
		return refuse(why, -EINVAL, "the destination port range is empty");
	return 0;
}

int route_rule_add(struct instance *inst, const struct rule_spec *spec, struct refusal *why)
{
	struct fib_family *f = fib_family(inst->fib, spec->family);
	struct fib_rule *rule;
	int err = check_spec(spec, why);

	if (err)
		return err;
	inst->fib->minds_tos |= spec->tos != 0;
	rule = calloc(1, sizeof(*rule));
	if (!rule)
		return refuse(why, -ENOMEM, "no memory for a rule");
	fill_rule(rule, spec);
	if (!rule->spec.action)
		rule->spec.action = FR_ACT_TO_TBL;
	if (!rule->spec.table)
		rule->spec.table = RT_TABLE_MAIN;
	if (!spec->has_priority)
		rule->spec.priority = automatic_priority(f);
	if (rule->spec.action == FR_ACT_GOTO && rule->spec.goto_target <= rule->spec.priority)
		err = refuse(why, -EINVAL, "a rule can only go to a later priority");
	list_for_each(node, &f->rules)
		if (!err && rules_equal(rule_at(node), rule))
			err = refuse(why, -EEXIST, "the same rule exists");
	if (!err && spec->family == NFPROTO_IPV6 && rule->spec.action == FR_ACT_TO_TBL &&
	    !fib_table_make(inst->fib, NFPROTO_IPV6, rule->spec.table))
		err = refuse(why, -ENOBUFS, "no memory for a routing table");
	if (err) {
		free(rule);
		return err;
	}
	if (rule->spec.action == FR_ACT_GOTO)
		rule->target = find_priority(f, rule->spec.goto_target);
	list_rule(f, rule);
	f->dissect_rules += needs_dissect(spec);
	f->custom_rules = true;
	fib_changed(inst->fib);
	return 0;
}

/* Deletion matches by what was said; what was left out matches anything. */
static bool matches_request(const struct fib_rule *r, const struct fib_rule *want)
{
	const struct rule_spec *x = &r->spec, *y = &want->spec;

	return (!y->action || x->action == y->action) && (!y->table || x->table == y->table) &&
	       (!y->has_priority || x->priority == y->priority) &&
	       (!y->iif[0] || !strncmp(x->iif, y->iif, IFNAMSIZ)) &&
	       (!y->oif[0] || !strncmp(x->oif, y->oif, IFNAMSIZ)) && (!y->mark || x->mark == y->mark) &&
	       (!y->mark_mask || x->mark_mask == y->mark_mask) &&
	       (y->suppress_prefixlength == -1 || x->suppress_prefixlength == y->suppress_prefixlength) &&
	       (!y->ipproto || x->ipproto == y->ipproto) &&
	       (!range_given(y->sport_lo, y->sport_hi) ||
		(x->sport_lo == y->sport_lo && x->sport_hi == y->sport_hi)) &&
	       (!range_given(y->dport_lo, y->dport_hi) ||
		(x->dport_lo == y->dport_lo && x->dport_hi == y->dport_hi)) &&
	       (!y->src_len || (x->src_len == y->src_len && prefix_equal(r->src, want->src))) &&
	       (!y->dst_len || (x->dst_len == y->dst_len && prefix_equal(r->dst, want->dst))) &&
	       (!y->tos || x->tos == y->tos);
}

static void unlist_rule(struct fib_family *f, struct fib_rule *rule)
{
	struct list *next = rule->node.next;
	struct fib_rule *heir = next != &f->rules && rule_at(next)->spec.priority == rule->spec.priority ?
				rule_at(next) : NULL;

	list_remove(&rule->node);
	list_for_each(node, &f->rules)
		if (rule_at(node)->target == rule)
			rule_at(node)->target = heir;
}

int route_rule_del(struct instance *inst, const struct rule_spec *spec, struct refusal *why)
{
	struct fib_family *f = fib_family(inst->fib, spec->family);
	struct fib_rule want = { 0 };

	fill_rule(&want, spec);
	list_for_each(node, &f->rules) {
		struct fib_rule *r = rule_at(node);

		if (!matches_request(r, &want))
			continue;
		unlist_rule(f, r);
		f->dissect_rules -= needs_dissect(&r->spec);
		f->custom_rules = true;
		fib_changed(inst->fib);
		free(r);
		return 0;
	}
	return refuse(why, -ENOENT, "there is no such rule");
}

static int default_rule(struct fib *fib, uint8_t family, uint32_t priority, uint32_t table)
{
	struct fib_rule *rule = calloc(1, sizeof(*rule));

	if (!rule)
		return -ENOMEM;
	rule->spec = (struct rule_spec){ .family = family, .action = FR_ACT_TO_TBL, .priority = priority,
					 .table = table, .suppress_prefixlength = -1 };
	list_append(&fib_family(fib, family)->rules, &rule->node);
	return 0;
}

int fib_rules_init(struct fib *fib)
{
	if (default_rule(fib, NFPROTO_IPV4, 0, RT_TABLE_LOCAL) ||
	    default_rule(fib, NFPROTO_IPV4, 0x7ffe, RT_TABLE_MAIN) ||
	    default_rule(fib, NFPROTO_IPV4, 0x7fff, RT_TABLE_DEFAULT) ||
	    default_rule(fib, NFPROTO_IPV6, 0, RT_TABLE_LOCAL) ||
	    default_rule(fib, NFPROTO_IPV6, 0x7ffe, RT_TABLE_MAIN))
		return -ENOMEM;
	return 0;
}

void fib_rules_clear(struct fib *fib)
{
	struct fib_family *families[] = { &fib->v4, &fib->v6 };

	for (unsigned int i = 0; i < ARRAY_SIZE(families); i++)
		list_for_each_safe(node, &families[i]->rules) {
			list_remove(node);
			free(rule_at(node));
		}
}
