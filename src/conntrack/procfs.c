/*
 * conntrack/procfs.c - /proc/net/nf_conntrack, nf_conntrack_expect and stat/nf_conntrack, to the letter as Linux writes them: addresses of
 * IPv6 in full, GRE's timeouts before its tuple, zone=0 aloud, and a share more than a listing shows, the reader's own.
 */
#include "base/procfs.h"
#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "host/secctx.h"

struct listing { struct instance *inst; struct strbuf *out; };

static void put_addr(uint8_t family, const union nf_inet_addr *addr, struct strbuf *out)
{
	const uint8_t *b = (const uint8_t *)addr;

	if (family == NFPROTO_IPV4) {
		sb_printf(out, "%u.%u.%u.%u ", b[0], b[1], b[2], b[3]);
		return;
	}
	for (int i = 0; i < 16; i += 2)
		sb_printf(out, "%02x%02x%c", b[i], b[i + 1], i == 14 ? ' ' : ':');
}

static void put_tuple(const struct ct_tuple *tuple, struct strbuf *out)
{
	sb_adds(out, "src=");
	put_addr(tuple->family, &tuple->src, out);
	sb_adds(out, "dst=");
	put_addr(tuple->family, &tuple->dst, out);
	ct_tuple_ports_print(tuple, out);
}

static void put_zone(const struct ct *ct, uint8_t dir, struct strbuf *out)
{
	static const char *const words[] = { [CT_ZONE_DIR_ORIGINAL] = "zone-orig", [CT_ZONE_DIR_REPLY] = "zone-reply",
					     [CT_ZONE_DIR_BOTH] = "zone" };

	if ((ct->zone.dir & CT_ZONE_DIR_BOTH) == dir)
		sb_printf(out, "%s=%u ", words[dir], ct->zone.id);
}

static void put_counters(const struct ct *ct, int dir, struct strbuf *out)
{
	const struct ct_counter *counter = ct_counter(ct, dir);

	if (counter)
		sb_printf(out, "packets=%llu bytes=%llu ", (unsigned long long)counter->packets,
			  (unsigned long long)counter->bytes);
}

/* What its own protocol says of it. GRE keeps clock ticks. */
static void put_state(const struct instance *inst, const struct ct *ct, struct strbuf *out)
{
	const struct ct_proto *proto = ct_proto_of(inst, ct_proto_num(ct));

	if (ct_proto_num(ct) == IPPROTO_GRE)
		sb_printf(out, "timeout=%u, stream_timeout=%u ", ct->proto.gre.timeout / WEIR_HZ,
			  ct->proto.gre.stream_timeout / WEIR_HZ);
	else if (proto->print_state)
		proto->print_state(ct, out);
}

static bool put_connection(void *priv, struct ct *ct)
{
	const struct listing *l = priv;
	const char *context = secctx_name(l->inst, ct_secmark(ct));
	bool v4 = ct_family(ct) == NFPROTO_IPV4;
	uint8_t proto = ct_proto_of(l->inst, ct_proto_num(ct))->number;
	int64_t age;

	if ((int32_t)(ct->expires_tick - (uint32_t)inst_jiffies(l->inst)) <= 0)
		return true;
	sb_printf(l->out, "%-8s %u %-8s %u %u ", v4 ? "ipv4" : "ipv6", v4 ? AF_INET : AF_INET6, ct_proto_name(proto),
		  ct_proto_num(ct), ct_expires_sec(l->inst, ct));
	put_state(l->inst, ct, l->out);
	put_tuple(ct_tuple(ct, IP_CT_DIR_ORIGINAL), l->out);
	put_zone(ct, CT_ZONE_DIR_ORIGINAL, l->out);
	put_counters(ct, IP_CT_DIR_ORIGINAL, l->out);
	if (!(ct->status & IPS_SEEN_REPLY))
		sb_adds(l->out, "[UNREPLIED] ");
	put_tuple(ct_tuple(ct, IP_CT_DIR_REPLY), l->out);
	put_zone(ct, CT_ZONE_DIR_REPLY, l->out);
	put_counters(ct, IP_CT_DIR_REPLY, l->out);
	if (ct->status & IPS_ASSURED)
		sb_adds(l->out, "[ASSURED] ");
	sb_printf(l->out, "mark=%u ", ct->mark);
	if (context)
		sb_printf(l->out, "secctx=%s ", context);
	put_zone(ct, CT_ZONE_DIR_BOTH, l->out);
	if (ct->extra && ct->extra->has_stamp) {
		age = l->inst->now_ns - ct->extra->start_ns;
		sb_printf(l->out, "delta-time=%llu ", age > 0 ? (unsigned long long)(age / NSEC_PER_SEC) : 0);
	}
	sb_printf(l->out, "use=%u\n", ct->refs + 1);
	return !l->out->failed;
}

static void print_connections(void *priv, struct strbuf *out)
{
	ct_each(priv, put_connection, &(struct listing){ priv, out });
}

static void put_expectation(void *priv, const struct ct_expect *exp)
{
	static const struct { uint32_t bit; const char *word; } flags[] = {
		{ NF_CT_EXPECT_PERMANENT, "PERMANENT" }, { NF_CT_EXPECT_INACTIVE, "INACTIVE" }, { NF_CT_EXPECT_USERSPACE, "USERSPACE" },
	};
	const struct listing *l = priv;
	const char *sep = "";

	sb_printf(l->out, "%u l3proto = %u proto=%u ", ct_expect_left_sec(l->inst, exp), exp->tuple.family, exp->tuple.proto);
	put_tuple(&exp->tuple, l->out);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!(exp->flags & flags[i].bit))
			continue;
		sb_printf(l->out, "%s%s", sep, flags[i].word);
		sep = ",";
	}
	if (exp->helper) {
		sb_printf(l->out, "%s%s", exp->flags ? " " : "", exp->helper->name);
		if (ct_helper_class_name(exp->helper, exp->class))
			sb_printf(l->out, "/%s", ct_helper_class_name(exp->helper, exp->class));
	}
	sb_addc(l->out, '\n');
}

static void print_expectations(void *priv, struct strbuf *out)
{
	ct_expect_each(priv, put_expectation, &(struct listing){ priv, out });
}

/* As of a machine with one CPU; columns of zeros are those that Linux keeps for old readers. */
static void print_stats(void *priv, struct strbuf *out)
{
	const struct ct_stats *s = ct_stats(priv);
	const uint32_t columns[] = {
		ct_count(priv), (uint32_t)s->clash_resolved, (uint32_t)s->found, 0, (uint32_t)s->invalid, 0, 0, 0,
		(uint32_t)s->insert, (uint32_t)s->insert_failed, (uint32_t)s->drop, (uint32_t)s->early_drop, (uint32_t)s->error,
		(uint32_t)s->expect_new, (uint32_t)s->expect_create, (uint32_t)s->expect_delete, 0,
	};

	sb_adds(out, "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  "
		"expect_new expect_create expect_delete search_restart\n");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		sb_printf(out, "%s%08x", i == 0 ? "" : i == 1 || i == 13 ? "  " : " ", columns[i]);
	sb_addc(out, '\n');
}

int ct_proc_register(struct instance *inst)
{
	const struct proc_file files[] = {
		{ .path = "/proc/net/nf_conntrack", .print = print_connections },
		{ .path = "/proc/net/nf_conntrack_expect", .print = print_expectations },
		{ .path = "/proc/net/stat/nf_conntrack", .print = print_stats, .mode = 0444 },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !err; i++) {
		struct proc_file file = files[i];

		file.priv = inst;
		file.is_setting = true;		/* who writes state down lists connections itself */
		err = proc_register(inst->files, &file);
	}
	return err;
}
