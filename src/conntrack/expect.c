/*
 * conntrack/expect.c - connections announced by other ones.
 * Expectations that fit the same packet share its destination, so they hang in one bucket, and the newest is asked
 * first. Two that could both fit one packet clash: the second is refused.
 */
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"

void ct_expects_init(struct ct_expects *expects)
{
	list_init(&expects->by_age);
	expects->max = CT_EXPECT_MAX_DEFAULT;
}

void ct_expects_free(struct instance *inst, struct ct_expects *expects)
{
	list_for_each_safe(node, &expects->by_age) {
		struct ct_expect *exp = list_entry(node, struct ct_expect, by_age);

		timer_cancel(inst->timers, &exp->timer);
		free(exp);
	}
	free(expects->by_dst);
	expects->by_dst = NULL;
	list_init(&expects->by_age);
	expects->count = 0;
}

static struct list *bucket(const struct instance *inst, const struct ct_tuple *tuple)
{
	struct {
		union nf_inet_addr dst;
		be16 port;
		uint8_t family, proto;
	} key = { tuple->dst, tuple->dst_l4.all, tuple->family, tuple->proto };

	return &inst->ct->expects.by_dst[siphash(&key, sizeof(key), &inst->ct->key) % CT_EXPECT_BUCKETS];
}

/* Equal where the mask of the source looks, and in all of the destination. */
static bool fits(const struct ct_tuple *a, const struct ct_tuple *b, const union nf_inet_addr *mask, be16 port_mask)
{
	for (int i = 0; i < 4; i++)
		if ((a->src.all[i] ^ b->src.all[i]) & mask->all[i])
			return false;
	return !((a->src_l4.all ^ b->src_l4.all) & port_mask) && a->family == b->family && a->proto == b->proto &&
	       ct_addr_equal(&a->dst, &b->dst) && a->dst_l4.all == b->dst_l4.all;
}

static bool may_clash(const struct ct_expect *a, const struct ct_expect *b)
{
	union nf_inet_addr both;

	for (int i = 0; i < 4; i++)
		both.all[i] = a->mask_src.all[i] & b->mask_src.all[i];
	return a->master->zone.id == b->master->zone.id &&
	       fits(&a->tuple, &b->tuple, &both, a->mask_src_port & b->mask_src_port);
}

static bool says_the_same(const struct ct_expect *a, const struct ct_expect *b)
{
	return a->master->zone.id == b->master->zone.id && ct_tuple_equal(&a->tuple, &b->tuple) &&
	       ct_addr_equal(&a->mask_src, &b->mask_src) && a->mask_src_port == b->mask_src_port;
}

static void tell(struct instance *inst, const struct ct_expect *exp, bool ended)
{
	const struct ct_help *help = ct_help_of(exp->master);

	if (help && help->events_wanted & 1 << (ended ? IPEXP_DESTROY : IPEXP_NEW) && inst->observer.expect_event)
		inst->observer.expect_event(inst->observer.priv, exp, ended);
}

/* Out of the table; the caller frees it. */
static void unlink(struct instance *inst, struct ct_expect *exp)
{
	struct ct_help *help = ct_help_of(exp->master);

	timer_cancel(inst->timers, &exp->timer);
	list_remove(&exp->by_dst);
	list_remove(&exp->by_master);
	list_remove(&exp->by_age);
	inst->ct->expects.count--;
	inst->ct->stats.expect_delete++;
	if (help)
		help->expecting[exp->class]--;
	tell(inst, exp, true);
}

void ct_expect_remove(struct instance *inst, struct ct_expect *exp)
{
	unlink(inst, exp);
	free(exp);
}

void ct_expect_remove_all(struct instance *inst, struct ct *master)
{
	struct ct_help *help = ct_help_of(master);

	if (!help)
		return;
	list_for_each_safe(node, &help->expectations)
		ct_expect_remove(inst, list_entry(node, struct ct_expect, by_master));
}

static void expired(struct timer *timer, void *arg, int64_t now_ns)
{
	struct ct_expect *exp = arg;

	ct_expect_remove(exp->inst, exp);
}

void ct_expect_init(struct ct_expect *exp, struct ct *master, unsigned int class, const union nf_inet_addr *src,
		    const union nf_inet_addr *dst, uint8_t proto, be16 dst_port)
{
	uint8_t family = ct_family(master);
	size_t len = family == NFPROTO_IPV4 ? 4 : 16;	/* behind an IPv4 address the caller may have left anything */

	memset(exp, 0, sizeof(*exp));
	exp->master = master;
	exp->helper = ct_helper_of(master);
	exp->class = class;
	exp->tuple.family = family;
	exp->tuple.proto = proto;
	memcpy(&exp->tuple.dst, dst, len);
	exp->tuple.dst_l4.all = dst_port;
	if (src) {
		memcpy(&exp->tuple.src, src, len);
		memset(&exp->mask_src, 0xff, len);
	}
}

/* Makes way for @wanted, or says why it cannot be. */
static int make_way(struct instance *inst, const struct ct_expect *wanted, struct ct_help *help)
{
	unsigned int max_of_class = ct_helper_policy_now(inst, help->helper, wanted->class).max_expected;

	list_for_each_safe(node, bucket(inst, &wanted->tuple)) {
		struct ct_expect *other = list_entry(node, struct ct_expect, by_dst);

		if ((other->master == wanted->master || wanted->once_for_all) && says_the_same(other, wanted)) {
			if (other->class != wanted->class || other->master != wanted->master)
				return -EALREADY;
			ct_expect_remove(inst, other);
			break;
		}
		if (may_clash(other, wanted))
			return -EBUSY;
	}
	if (max_of_class && help->expecting[wanted->class] >= max_of_class) {
		for (struct list *node = help->expectations.prev; node != &help->expectations; node = node->prev) {
			struct ct_expect *oldest = list_entry(node, struct ct_expect, by_master);

			if (oldest->class != wanted->class)
				continue;
			ct_expect_remove(inst, oldest);
			break;
		}
	}
	return inst->ct->expects.count >= inst->ct->expects.max ? -EMFILE : 0;
}

static bool make_buckets(struct ct_expects *expects)
{
	if (expects->by_dst)
		return true;
	expects->by_dst = malloc(CT_EXPECT_BUCKETS * sizeof(*expects->by_dst));
	for (int i = 0; expects->by_dst && i < CT_EXPECT_BUCKETS; i++)
		list_init(&expects->by_dst[i]);
	return expects->by_dst != NULL;
}

void ct_expect_set_timeout(struct instance *inst, struct ct_expect *exp, uint32_t ticks)
{
	timer_arm(inst->timers, &exp->timer, (inst_jiffies(inst) + (int64_t)ticks) * NSEC_PER_JIFFY);
}

int ct_expect_add(struct instance *inst, const struct ct_expect *wanted, struct ct_expect **made)
{
	struct ct_expects *expects = &inst->ct->expects;
	struct ct_help *help = ct_help_of(wanted->master);
	struct ct_expect *exp;
	int err;

	if (!help || ct_is_dying(wanted->master))
		return -ESHUTDOWN;
	if (!make_buckets(expects))
		return -ENOMEM;
	err = make_way(inst, wanted, help);
	if (err)
		return err;
	exp = malloc(sizeof(*exp));
	if (!exp)
		return -ENOMEM;
	*exp = *wanted;
	exp->inst = inst;
	list_push(bucket(inst, &exp->tuple), &exp->by_dst);
	list_push(&help->expectations, &exp->by_master);
	list_append(&expects->by_age, &exp->by_age);
	help->expecting[exp->class]++;
	expects->count++;
	inst->ct->stats.expect_create++;
	timer_init(&exp->timer, expired, exp);
	ct_expect_set_timeout(inst, exp, ct_helper_policy_now(inst, help->helper, exp->class).timeout_sec * WEIR_HZ);
	tell(inst, exp, false);
	if (made)
		*made = exp;
	return 0;
}

static struct ct_expect *find(const struct instance *inst, const struct ct_tuple *tuple, uint16_t zone_id, uint32_t but_not)
{
	if (!inst->ct->expects.count)
		return NULL;
	list_for_each(node, bucket(inst, tuple)) {
		struct ct_expect *exp = list_entry(node, struct ct_expect, by_dst);

		if (!(exp->flags & but_not) && exp->master->zone.id == zone_id &&
		    fits(tuple, &exp->tuple, &exp->mask_src, exp->mask_src_port))
			return exp;
	}
	return NULL;
}

void ct_expect_extend(struct instance *inst, struct ct_expect *exp, uint32_t seconds)
{
	uint32_t ticks = seconds * WEIR_HZ;	/* wraps, as Linux's */

	timer_arm(inst->timers, &exp->timer, (inst_jiffies(inst) + MAX_OF(ticks, 1u)) * NSEC_PER_JIFFY);
}

struct ct_expect *ct_expect_find(const struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple)
{
	return find(inst, tuple, zone->id, 0);
}

uint32_t ct_expect_count(const struct instance *inst)
{
	return inst->ct->expects.count;
}

void ct_expect_flush(struct instance *inst)
{
	list_for_each_safe(node, &inst->ct->expects.by_age)
		ct_expect_remove(inst, list_entry(node, struct ct_expect, by_age));
}

bool ct_expect_arrive(struct instance *inst, struct ct *ct)
{
	struct ct_expect *exp = find(inst, ct_tuple(ct, IP_CT_DIR_ORIGINAL), ct->zone.id, NF_CT_EXPECT_INACTIVE);
	bool is_permanent;

	/* The other end cannot know of what has not left this machine yet. */
	if (!exp || !ct_is_confirmed(exp->master) || ct_is_dying(exp->master) || !ct_extra_get(ct))
		return false;
	is_permanent = exp->flags & NF_CT_EXPECT_PERMANENT;
	if (!is_permanent)
		unlink(inst, exp);
	inst->ct->stats.expect_new++;
	ct->status |= IPS_EXPECTED;
	ct_get(exp->master);
	ct->extra->master = exp->master;
	ct->mark = exp->master->mark;
	ct_set_secmark(ct, ct_secmark(exp->master));
	if (exp->assign_helper)
		ct_help_add(ct, exp->assign_helper);
	if (exp->arrived)
		exp->arrived(inst, ct, exp);
	if (!is_permanent)
		free(exp);
	return true;
}

void ct_expect_each(struct instance *inst, void (*visit)(void *priv, const struct ct_expect *exp), void *priv)
{
	list_for_each(node, &inst->ct->expects.by_age)
		visit(priv, list_entry(node, struct ct_expect, by_age));
}

uint32_t ct_expect_left_sec(const struct instance *inst, const struct ct_expect *exp)
{
	int64_t left = exp->timer.expires_ns / NSEC_PER_JIFFY - inst_jiffies(inst);

	return left > 0 ? (uint32_t)(left / WEIR_HZ) : 0;
}

static void print_addrs(const char *word, uint8_t family, const union nf_inet_addr *src, const union nf_inet_addr *dst,
			struct strbuf *out)
{
	int af = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

	inet_ntop(af, src, from, sizeof(from));
	inet_ntop(af, dst, to, sizeof(to));
	sb_printf(out, "%ssrc=%s %sdst=%s ", word, from, word, to);
}

static void print_l4(uint8_t proto, be16 src, be16 dst, struct strbuf *out)
{
	if (proto == IPPROTO_GRE)
		sb_printf(out, "srckey=0x%x dstkey=0x%x ", ntohs(src), ntohs(dst));
	else
		sb_printf(out, "sport=%u dport=%u ", ntohs(src), ntohs(dst));
}

void ct_expect_print(const struct instance *inst, const struct ct_expect *exp, struct strbuf *out)
{
	const struct ct_tuple *tuple = &exp->tuple, *master = ct_tuple(exp->master, IP_CT_DIR_ORIGINAL);
	static const struct { uint32_t bit; const char *word; } flags[] = {
		{ NF_CT_EXPECT_PERMANENT, "PERMANENT" }, { NF_CT_EXPECT_INACTIVE, "INACTIVE" },
		{ NF_CT_EXPECT_USERSPACE, "USERSPACE" },
	};
	union nf_inet_addr all_ones;
	const char *sep = "";

	memset(&all_ones, 0xff, sizeof(all_ones));
	sb_printf(out, "%u proto=%u ", ct_expect_left_sec(inst, exp), tuple->proto);
	print_addrs("", tuple->family, &tuple->src, &tuple->dst, out);
	print_l4(tuple->proto, tuple->src_l4.all, tuple->dst_l4.all, out);
	print_addrs("mask-", tuple->family, &exp->mask_src, &all_ones, out);
	print_l4(tuple->proto, exp->mask_src_port, UINT16_MAX, out);
	print_addrs("master-", master->family, &master->src, &master->dst, out);
	sb_printf(out, "sport=%u dport=%u ", ntohs(master->src_l4.port), ntohs(master->dst_l4.port));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!(exp->flags & flags[i].bit))
			continue;
		sb_printf(out, "%s%s", sep, flags[i].word);
		sep = ",";
	}
	sb_printf(out, "%sclass=%u", *sep ? " " : "", exp->class);
	if (exp->helper)
		sb_printf(out, " helper=%s", exp->helper->name);
}

void ct_expect_event_print(const struct instance *inst, const struct ct_expect *exp, bool ended, struct strbuf *out)
{
	sb_printf(out, "%9s ", ended ? "[DESTROY]" : "[NEW]");
	ct_expect_print(inst, exp, out);
}
