/*
 * conntrack/state.c - connections and expectations as bytes, in order of creation. Times are what is left of them, so a clock
 * that was set meanwhile does no harm; masters are named by serial number, helpers, policies and interfaces by name. Whatever is
 * read is checked before it is used: the file may come from anywhere.
 */
#include "conntrack/state.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/netfilter/nf_conntrack_sctp.h>

#include "base/bytes.h"
#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "conntrack/timeout.h"
#include "conntrack/user_helper.h"
#include "nat/mangle.h"
#include "nat/nat.h"

enum {
	STATE_FORM = 1,
	HELPER_NAME_ROOM = 32,
	STATUS_NEVER = IPS_DYING | IPS_TEMPLATE | IPS_UNTRACKED | IPS_OFFLOAD | IPS_HW_OFFLOAD,
	EXPECT_FLAGS = NF_CT_EXPECT_PERMANENT | NF_CT_EXPECT_INACTIVE | NF_CT_EXPECT_USERSPACE,
};

enum { EXTRA_ACCT = 1, EXTRA_STAMP = 2, EXTRA_LABELS = 4, EXTRA_SYNPROXY = 8, EXTRA_SEQ = 16, EXTRA_HELP = 32 };

/* --- tuples --- */

static void tuple_out(struct strbuf *out, const struct ct_tuple *tuple)
{
	out_raw(out, &tuple->src, sizeof(tuple->src));
	out_raw(out, &tuple->dst, sizeof(tuple->dst));
	out_raw(out, &tuple->src_l4, sizeof(tuple->src_l4));
	out_raw(out, &tuple->dst_l4, sizeof(tuple->dst_l4));
	out_u8(out, tuple->family);
	out_u8(out, tuple->proto);
}

static bool tuple_in(struct bytes_in *in, struct ct_tuple *tuple)
{
	memset(tuple, 0, sizeof(*tuple));
	in_raw(in, &tuple->src, sizeof(tuple->src));
	in_raw(in, &tuple->dst, sizeof(tuple->dst));
	in_raw(in, &tuple->src_l4, sizeof(tuple->src_l4));
	in_raw(in, &tuple->dst_l4, sizeof(tuple->dst_l4));
	tuple->family = in_u8(in);
	tuple->proto = in_u8(in);
	if (tuple->family == NFPROTO_IPV4)
		for (int i = 1; i < 4; i++)
			if (tuple->src.all[i] || tuple->dst.all[i])
				return false;
	return tuple->family == NFPROTO_IPV4 || tuple->family == NFPROTO_IPV6;
}

/* --- what protocols keep --- */

static void proto_out(const struct instance *inst, const struct ct *ct, struct strbuf *out)
{
	const struct ct_tcp *tcp = &ct->proto.tcp;

	switch (ct_proto_num(ct)) {
	case IPPROTO_TCP:
		for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
			out_u32(out, tcp->seen[dir].td_end);
			out_u32(out, tcp->seen[dir].td_maxend);
			out_u32(out, tcp->seen[dir].td_maxwin);
			out_u32(out, tcp->seen[dir].td_maxack);
			out_u8(out, tcp->seen[dir].td_scale);
			out_u8(out, tcp->seen[dir].flags);
		}
		out_u8(out, tcp->state);
		out_u8(out, tcp->last_dir);
		out_u8(out, tcp->retrans);
		out_u8(out, tcp->last_index);
		out_u8(out, tcp->last_wscale);
		out_u8(out, tcp->last_flags);
		out_u16(out, tcp->last_win);
		out_u32(out, tcp->last_seq);
		out_u32(out, tcp->last_ack);
		out_u32(out, tcp->last_end);
		break;
	case IPPROTO_SCTP:
		out_raw(out, ct->proto.sctp.vtag, sizeof(ct->proto.sctp.vtag));
		out_u8(out, ct->proto.sctp.state);
		out_u8(out, ct->proto.sctp.last_dir);
		out_u8(out, ct->proto.sctp.init[0]);
		out_u8(out, ct->proto.sctp.init[1]);
		out_u8(out, ct->proto.sctp.heartbeat_vtag_failed);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		out_u32(out, ct->proto.udp.stream_tick - (uint32_t)inst_jiffies(inst));
		break;
	case IPPROTO_GRE:
		out_u32(out, ct->proto.gre.timeout);
		out_u32(out, ct->proto.gre.stream_timeout);
		break;
	}
}

static bool tcp_in(struct bytes_in *in, struct ct_tcp *tcp)
{
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		tcp->seen[dir].td_end = in_u32(in);
		tcp->seen[dir].td_maxend = in_u32(in);
		tcp->seen[dir].td_maxwin = in_u32(in);
		tcp->seen[dir].td_maxack = in_u32(in);
		tcp->seen[dir].td_scale = in_u8(in);
		tcp->seen[dir].flags = in_u8(in);
	}
	tcp->state = in_u8(in);
	tcp->last_dir = in_u8(in);
	tcp->retrans = in_u8(in);
	tcp->last_index = in_u8(in);
	tcp->last_wscale = in_u8(in);
	tcp->last_flags = in_u8(in);
	tcp->last_win = in_u16(in);
	tcp->last_seq = in_u32(in);
	tcp->last_ack = in_u32(in);
	tcp->last_end = in_u32(in);
	return tcp->seen[0].td_scale <= 14 && tcp->seen[1].td_scale <= 14 && tcp->last_wscale <= 14 &&
	       tcp->state < TCP_CONNTRACK_MAX && tcp->last_dir < IP_CT_DIR_MAX && tcp->last_index < 16;
}

static bool proto_in(const struct instance *inst, struct bytes_in *in, struct ct *ct, uint32_t elapsed)
{
	switch (ct_proto_num(ct)) {
	case IPPROTO_TCP:
		return tcp_in(in, &ct->proto.tcp);
	case IPPROTO_SCTP:
		in_raw(in, ct->proto.sctp.vtag, sizeof(ct->proto.sctp.vtag));
		ct->proto.sctp.state = in_u8(in);
		ct->proto.sctp.last_dir = in_u8(in);
		ct->proto.sctp.init[0] = in_u8(in) != 0;
		ct->proto.sctp.init[1] = in_u8(in) != 0;
		ct->proto.sctp.heartbeat_vtag_failed = in_u8(in) != 0;
		return ct->proto.sctp.state < SCTP_CONNTRACK_MAX && ct->proto.sctp.last_dir < IP_CT_DIR_MAX;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		ct->proto.udp.stream_tick = (uint32_t)inst_jiffies(inst) + in_u32(in) - elapsed;
		break;
	case IPPROTO_GRE:
		ct->proto.gre.timeout = in_u32(in);
		ct->proto.gre.stream_timeout = in_u32(in);
		break;
	}
	return true;
}

/* --- what only some connections carry --- */

static void help_out(const struct ct_help *help, struct strbuf *out)
{
	out_text(out, help->helper->name);
	out_u8(out, help->events_wanted);
	out_u16(out, sizeof(help->of));
	out_raw(out, &help->of, sizeof(help->of));
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		const struct ct_tuple *tuple = ct_gre_key_tuple(help->gre_keys[dir]);

		out_u8(out, tuple != NULL);
		if (tuple)
			tuple_out(out, tuple);
	}
}

/* A helper that is not there any more helps nobody; what it knew is passed over. */
static bool help_in(struct instance *inst, struct bytes_in *in, struct ct *ct)
{
	const struct ct_helper *helper;
	char name[HELPER_NAME_ROOM];
	struct ct_help *help = NULL;
	struct ct_tuple tuple;
	uint8_t wanted;
	uint16_t size;

	in_text(in, name, sizeof(name));
	wanted = in_u8(in);
	size = in_u16(in);
	helper = ct_helper_find(inst, name, ct_family(ct), ct_proto_num(ct));
	if (helper)
		help = ct_help_add(ct, helper);
	else
		ct->status &= ~(uint32_t)IPS_HELPER;
	if (help && size == sizeof(help->of))
		in_raw(in, &help->of, sizeof(help->of));
	else
		in_take(in, size);
	if (help) {
		help->events_wanted = wanted;
		if (helper->restored && !helper->restored(help))
			return false;
	}
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		if (!in_u8(in))
			continue;
		if (!tuple_in(in, &tuple))
			return false;
		if (help && !ct_gre_key_add(inst, ct, dir, &tuple))
			return false;
	}
	return !in->failed;
}

static void extra_out(const struct ct *ct, struct strbuf *out)
{
	const struct ct_extra *e = ct->extra;
	uint8_t has = 0;

	if (e) {
		has |= e->has_acct ? EXTRA_ACCT : 0;
		has |= e->has_stamp ? EXTRA_STAMP : 0;
		has |= e->has_labels ? EXTRA_LABELS : 0;
		has |= e->has_synproxy ? EXTRA_SYNPROXY : 0;
		has |= ct->status & IPS_SEQ_ADJUST ? EXTRA_SEQ : 0;
		has |= e->help ? EXTRA_HELP : 0;
	}
	out_u8(out, e != NULL);
	if (!e)
		return;
	out_u8(out, has);
	out_u32(out, e->master ? e->master->serial : 0);
	out_u8(out, e->master != NULL);
	out_u32(out, e->secmark);
	out_text(out, e->policy && !e->policy->is_gone ? e->policy->name : "");
	for (int dir = 0; has & EXTRA_ACCT && dir < IP_CT_DIR_MAX; dir++) {
		out_u64(out, e->acct[dir].packets);
		out_u64(out, e->acct[dir].bytes);
	}
	if (has & EXTRA_STAMP)
		out_u64(out, (uint64_t)e->start_ns);
	if (has & EXTRA_LABELS)
		out_raw(out, e->labels, sizeof(e->labels));
	if (has & EXTRA_SYNPROXY) {
		out_u32(out, e->synproxy.isn);
		out_u32(out, e->synproxy.its);
		out_u32(out, e->synproxy.tsoff);
	}
	for (int dir = 0; has & EXTRA_SEQ && dir < IP_CT_DIR_MAX; dir++) {
		out_u32(out, e->seq[dir].position);
		out_u32(out, (uint32_t)e->seq[dir].before);
		out_u32(out, (uint32_t)e->seq[dir].after);
	}
	if (has & EXTRA_HELP)
		help_out(e->help, out);
}

/* Those that were read so far, by their serial numbers. */
struct restored {
	uint32_t *serials;
	struct ct **cts;	/* NULL: did not come back */
	uint32_t count;
};

static struct ct *restored_find(const struct restored *all, uint32_t serial)
{
	uint32_t low = 0, high = all->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (all->serials[mid] == serial)
			return all->cts[mid];
		if ((int32_t)(all->serials[mid] - serial) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool extra_in(struct instance *inst, struct bytes_in *in, struct ct *ct, const struct restored *all)
{
	char name[CT_POLICY_NAME_MAX];
	struct ct_timeout_policy *policy;
	struct ct *master = NULL;
	struct ct_extra *e;
	uint32_t serial;
	uint8_t has;

	if (!in_u8(in))
		return !in->failed;
	e = ct_extra_get(ct);
	if (!e)
		return false;
	has = in_u8(in);
	serial = in_u32(in);
	if (in_u8(in))
		master = restored_find(all, serial);
	e->secmark = in_u32(in);
	in_text(in, name, sizeof(name));
	policy = *name ? ct_policy_find(inst, name) : NULL;
	if (policy && policy->family == ct_family(ct)) {
		policy->shares++;
		e->policy = policy;
	}
	if (master) {
		ct_get(master);
		e->master = master;
	}
	e->has_acct = has & EXTRA_ACCT;
	e->has_stamp = has & EXTRA_STAMP;
	e->has_labels = has & EXTRA_LABELS;
	e->has_synproxy = has & EXTRA_SYNPROXY;
	for (int dir = 0; has & EXTRA_ACCT && dir < IP_CT_DIR_MAX; dir++) {
		e->acct[dir].packets = in_u64(in);
		e->acct[dir].bytes = in_u64(in);
	}
	if (has & EXTRA_STAMP)
		e->start_ns = (int64_t)in_u64(in);
	if (has & EXTRA_LABELS)
		in_raw(in, e->labels, sizeof(e->labels));
	if (has & EXTRA_SYNPROXY) {
		e->synproxy.isn = in_u32(in);
		e->synproxy.its = in_u32(in);
		e->synproxy.tsoff = in_u32(in);
	}
	for (int dir = 0; has & EXTRA_SEQ && dir < IP_CT_DIR_MAX; dir++) {
		e->seq[dir].position = in_u32(in);
		e->seq[dir].before = (int32_t)in_u32(in);
		e->seq[dir].after = (int32_t)in_u32(in);
	}
	return !(has & EXTRA_HELP) || help_in(inst, in, ct);
}

/* --- a connection --- */

struct saving { struct instance *inst; struct strbuf *out; uint32_t count; };

static bool save_one(void *priv, struct ct *ct)
{
	struct saving *s = priv;
	const struct iface *masq = ct->nat_masq_ifindex ? iface_by_index(s->inst, ct->nat_masq_ifindex) : NULL;
	struct strbuf *out = s->out;

	s->count++;
	out_u8(out, 1);
	out_u32(out, ct->serial);
	tuple_out(out, ct_tuple(ct, IP_CT_DIR_ORIGINAL));
	tuple_out(out, ct_tuple(ct, IP_CT_DIR_REPLY));
	out_u16(out, ct->zone.id);
	out_u8(out, ct->zone.flags);
	out_u8(out, ct->zone.dir);
	out_u32(out, ct->status);
	out_u32(out, ct->mark);
	out_u32(out, ct_expires_ticks(s->inst, ct));
	out_u16(out, ct->event_wanted);
	out_u8(out, ct->has_nat_ext);
	out_u8(out, ct->has_source);
	out_text(out, masq ? masq->name : "");
	proto_out(s->inst, ct, out);
	extra_out(ct, out);
	return true;
}

struct loading {
	struct instance *inst;
	struct bytes_in in;
	struct restored all;
	uint32_t elapsed, room;		/* ticks between saving and now */
	struct ct_state_report *report;
};

static bool remember(struct loading *l, uint32_t serial, struct ct *ct)
{
	if (l->all.count == l->room) {
		uint32_t room = l->room ? 2 * l->room : 1024;
		uint32_t *serials = realloc(l->all.serials, room * sizeof(*serials));
		struct ct **cts;

		if (!serials)
			return false;
		l->all.serials = serials;
		cts = realloc(l->all.cts, room * sizeof(struct ct *));
		if (!cts)
			return false;
		l->all.cts = cts;
		l->room = room;
	}
	l->all.serials[l->all.count] = serial;
	l->all.cts[l->all.count++] = ct;
	return true;
}

/* Into the table as it was; what ct_insert() takes a new one for is put right. */
static bool publish(struct loading *l, struct ct *ct, uint32_t status, bool by_source)
{
	uint32_t stream_tick = ct->proto.udp.stream_tick;
	int64_t start_ns = ct->extra ? ct->extra->start_ns : 0;

	ct->status = status & ~(uint32_t)IPS_CONFIRMED;
	if (ct_insert(l->inst, ct))
		return false;
	if (ct_proto_num(ct) == IPPROTO_UDP)
		ct->proto.udp.stream_tick = stream_tick;
	if (ct->extra)
		ct->extra->start_ns = start_ns;
	if (by_source)
		nat_ct_restored(l->inst, ct);
	return true;
}

static bool load_one(struct loading *l)
{
	struct bytes_in *in = &l->in;
	uint32_t serial = in_u32(in), status, left;
	struct ct_tuple orig, reply;
	struct ct_zone zone;
	const struct iface *masq;
	char name[IFNAMSIZ];
	bool by_source, good;
	struct ct *ct;

	good = tuple_in(in, &orig);
	good &= tuple_in(in, &reply);
	zone.id = in_u16(in);
	zone.flags = in_u8(in) & CT_ZONE_FLAG_MARK;
	zone.dir = in_u8(in) & CT_ZONE_DIR_BOTH;
	status = in_u32(in);
	if (!good || in->failed || orig.family != reply.family || orig.proto != reply.proto || status & STATUS_NEVER ||
	    !(status & IPS_CONFIRMED))
		return false;
	ct = ct_new(l->inst, &zone, &orig, &reply);
	if (!ct)
		return false;
	ct->serial = serial;
	ct->status = status & ~(uint32_t)IPS_CONFIRMED;
	ct->mark = in_u32(in);
	left = in_u32(in);
	ct->event_wanted = in_u16(in);
	ct->has_nat_ext = in_u8(in) != 0;
	by_source = in_u8(in) != 0;
	in_text(in, name, sizeof(name));
	masq = *name ? iface_find(l->inst, name) : NULL;
	ct->nat_masq_ifindex = masq ? masq->index : 0;
	good = proto_in(l->inst, in, ct, l->elapsed) && extra_in(l->inst, in, ct, &l->all) && !in->failed &&
	       left <= INT32_MAX;
	status &= ct->status | IPS_CONFIRMED;	/* a helper may be gone */
	if (good && left > l->elapsed) {
		ct->expires_tick = left - l->elapsed;
		good = publish(l, ct, status, by_source) && remember(l, serial, ct);
		l->report->connections++;
	} else if (good) {
		good = remember(l, serial, NULL);
		l->report->expired++;
	}
	ct_put(l->inst, ct);
	return good;
}

/* --- expectations --- */

/* 0: nothing happens; 1: what NAT does for most helpers; 2 and up: the helper's own. -1: unknown. */
static int arrival_number(const struct ct_expect *exp)
{
	if (!exp->arrived)
		return 0;
	if (exp->arrived == nat_follow_master)
		return 1;
	for (int i = 0; exp->helper && i < CT_HELPER_ARRIVALS; i++)
		if (exp->helper->arrivals[i] == exp->arrived)
			return 2 + i;
	return -1;
}

static void helper_out(const struct ct_helper *helper, struct strbuf *out)
{
	out_text(out, helper ? helper->name : "");
	out_u8(out, helper ? helper->proto : 0);
}

static const struct ct_helper *helper_in(const struct instance *inst, struct bytes_in *in, uint8_t family, bool *good)
{
	const struct ct_helper *helper = NULL;
	char name[HELPER_NAME_ROOM];
	uint8_t proto;

	in_text(in, name, sizeof(name));
	proto = in_u8(in);
	if (*name) {
		helper = ct_helper_find(inst, name, family, proto);
		*good &= helper != NULL;
	}
	return helper;
}

static void save_expectation(void *priv, const struct ct_expect *exp)
{
	struct saving *s = priv;
	int arrival = arrival_number(exp);
	int64_t left = exp->timer.expires_ns - s->inst->now_ns;

	/* what a program announced it announces again */
	if (arrival < 0 || !ct_is_confirmed(exp->master) || ct_user_helper_of(exp->helper))
		return;
	out_u8(s->out, 1);
	out_u32(s->out, exp->master->serial);
	tuple_out(s->out, &exp->tuple);
	out_raw(s->out, &exp->mask_src, sizeof(exp->mask_src));
	out_raw(s->out, &exp->mask_src_port, sizeof(exp->mask_src_port));
	out_raw(s->out, &exp->saved_addr, sizeof(exp->saved_addr));
	out_raw(s->out, &exp->saved_port, sizeof(exp->saved_port));
	out_u8(s->out, exp->dir);
	out_u8(s->out, exp->class);
	out_u8(s->out, exp->once_for_all);
	out_u8(s->out, (uint8_t)arrival);
	out_u32(s->out, exp->flags);
	out_u32(s->out, left > 0 ? (uint32_t)(left / NSEC_PER_JIFFY) : 0);
	helper_out(exp->helper, s->out);
	helper_out(exp->assign_helper, s->out);
}

static bool load_expectation(struct loading *l)
{
	struct bytes_in *in = &l->in;
	struct ct *master = restored_find(&l->all, in_u32(in));
	struct ct_expect exp = { .inst = l->inst }, *made;
	bool good = tuple_in(in, &exp.tuple), known = true;
	uint8_t arrival;
	uint32_t left;

	in_raw(in, &exp.mask_src, sizeof(exp.mask_src));
	in_raw(in, &exp.mask_src_port, sizeof(exp.mask_src_port));
	in_raw(in, &exp.saved_addr, sizeof(exp.saved_addr));
	in_raw(in, &exp.saved_port, sizeof(exp.saved_port));
	exp.dir = in_u8(in);
	exp.class = in_u8(in);
	exp.once_for_all = in_u8(in) != 0;
	arrival = in_u8(in);
	exp.flags = in_u32(in);
	left = in_u32(in);
	if (!good || in->failed || exp.dir >= IP_CT_DIR_MAX || exp.class >= CT_EXPECT_CLASSES ||
	    exp.flags & ~(uint32_t)EXPECT_FLAGS || arrival >= 2 + CT_HELPER_ARRIVALS || left > INT32_MAX)
		return false;
	exp.helper = helper_in(l->inst, in, exp.tuple.family, &known);
	exp.assign_helper = helper_in(l->inst, in, exp.tuple.family, &known);
	if (in->failed)
		return false;
	if (exp.helper && exp.class && !exp.helper->more_policies)
		return false;
	exp.arrived = arrival == 0 ? NULL : arrival == 1 ? nat_follow_master :
		      exp.helper ? exp.helper->arrivals[arrival - 2] : NULL;
	if (arrival && !exp.arrived)
		return false;
	if (!master || !known || left <= l->elapsed || exp.tuple.family != ct_family(master))
		return true;
	exp.master = master;
	/* its master may be helped by nobody any more */
	if (ct_expect_add(l->inst, &exp, &made) == 0) {
		ct_expect_set_timeout(l->inst, made, left - l->elapsed);
		l->report->expectations++;
	}
	return true;
}

/* --- all of it --- */

static const size_t stat_count = sizeof(struct ct_stats) / sizeof(uint64_t);

void ct_state_save(struct instance *inst, struct strbuf *out)
{
	const uint64_t *stats = (const uint64_t *)&inst->ct->stats;
	struct saving s = { .inst = inst, .out = out };

	ct_wheel_end_overdue(inst);
	out_u8(out, STATE_FORM);
	out_u64(out, (uint64_t)inst->now_ns);
	out_u32(out, inst->ct->serial);
	out_u32(out, inst->ct->id_mask);
	out_u32(out, inst->ct->count_peak);
	ct_each(inst, save_one, &s);
	out_u8(out, 0);
	ct_expect_each(inst, save_expectation, &s);
	out_u8(out, 0);
	out_u8(out, (uint8_t)stat_count);
	for (size_t i = 0; i < stat_count; i++)
		out_u64(out, stats[i]);
}

static bool load_all(struct loading *l)
{
	struct ct_table *table = l->inst->ct;
	uint64_t *stats = (uint64_t *)&table->stats;
	uint32_t serial, peak;
	uint8_t more;

	serial = in_u32(&l->in);
	table->id_mask = in_u32(&l->in);
	peak = in_u32(&l->in);
	while ((more = in_u8(&l->in)) == 1)
		if (!load_one(l))
			return false;
	if (more || l->in.failed)
		return false;
	while ((more = in_u8(&l->in)) == 1)
		if (!load_expectation(l))
			return false;
	if (more || in_u8(&l->in) != stat_count)
		return false;
	for (size_t i = 0; i < stat_count; i++)
		stats[i] = in_u64(&l->in);
	table->serial = serial;
	if (peak > table->count_peak)
		table->count_peak = peak;
	return !l->in.failed && l->in.at == l->in.end;
}

int ct_state_load(struct instance *inst, const void *bytes, size_t len, struct ct_state_report *report,
		  struct refusal *why)
{
	struct loading l = { .inst = inst, .in = { bytes, (const uint8_t *)bytes + len }, .report = report };
	int64_t elapsed;
	bool good;

	*report = (struct ct_state_report){ 0 };
	if (in_u8(&l.in) != STATE_FORM)
		return refuse(why, -EINVAL, "connections are written in a form that this weir does not know");
	if (__builtin_sub_overflow(inst->now_ns, (int64_t)in_u64(&l.in), &elapsed) || elapsed < 0)
		elapsed = 0;		/* the clock was set back */
	l.elapsed = (uint32_t)MIN_OF(elapsed / NSEC_PER_JIFFY, (int64_t)UINT32_MAX);
	good = load_all(&l);
	free(l.all.serials);
	free(l.all.cts);
	return good ? 0 : refuse(why, -EINVAL, "the connection with number %u (%zu bytes before the end) is damaged",
				 l.all.count + 1, (size_t)(l.in.end - l.in.at));
}
