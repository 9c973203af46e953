/*
 * conntrack/sysctl.c - net.netfilter.nf_conntrack_*: the switches, and each tracker's timeouts, whose
 * names and defaults stand in the tracker's own table.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"

enum { CT_MAX_DEFAULT = 262144, CT_BUCKETS_DEFAULT = 262144, CT_BUCKETS_MAX = 1 << CT_BITS_MAX };

static void print_count(void *priv, const struct sysctl *ctl, struct strbuf *out)
{
	const struct ct_table *table = priv;

	sb_printf(out, "%u", table->count);
}

static int reserve_changed(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	struct instance *inst = priv;

	return ct_table_reserve(inst, inst->ct->conf.reserve) ? refuse(why, -ENOMEM, "sysctl: no memory for %s connections", text) : 0;
}

/* Under net.netfilter.nf_conntrack_. */
static int register_all(struct instance *inst, const struct sysctl *ctls, size_t count)
{
	char name[128];

	for (size_t i = 0; i < count; i++) {
		struct sysctl ctl = ctls[i];
		int err;

		snprintf(name, sizeof(name), "net.netfilter.nf_conntrack_%s", ctls[i].name);
		ctl.name = name;
		err = sysctl_register(inst->sysctls, &ctl);
		if (err)
			return err;
	}
	return 0;
}

static int register_timeouts(struct instance *inst, struct ct_table *table, const struct ct_proto *proto)
{
	char name[128];

	if (!proto->timeout_count)
		return 0;
	table->timeouts_sec[proto->number] = calloc(proto->timeout_count, sizeof(unsigned int));
	if (!table->timeouts_sec[proto->number])
		return -ENOMEM;
	for (size_t i = 0; i < proto->timeout_count; i++) {
		unsigned int *value = &table->timeouts_sec[proto->number][i];
		/* Linux takes negative ones, too: they are over before they begin. */
		struct sysctl ctl = { .name = name, .kind = SYSCTL_INT, .value = value,
				      .min = -CT_PRINTED_SECONDS_MAX, .max = CT_PRINTED_SECONDS_MAX };
		int err;

		*value = proto->timeouts[i].seconds;
		if (!proto->timeouts[i].sysctl)
			continue;
		snprintf(name, sizeof(name), "net.netfilter.nf_conntrack_%s", proto->timeouts[i].sysctl);
		err = sysctl_register(inst->sysctls, &ctl);
		if (err)
			return err;
	}
	return 0;
}

static int register_helper_conf(struct instance *inst, struct ct_helper_conf *conf)
{
	const struct sysctl params[] = {
		{ .name = "sip_timeout", .kind = SYSCTL_UINT, .value = &conf->sip.timeout },
		{ .name = "sip_direct_signalling", .kind = SYSCTL_INT, .value = &conf->sip.direct_signalling },
		{ .name = "sip_direct_media", .kind = SYSCTL_INT, .value = &conf->sip.direct_media },
		{ .name = "sip_external_media", .kind = SYSCTL_INT, .value = &conf->sip.external_media },
		{ .name = "ftp_loose", .kind = SYSCTL_BOOL, .value = &conf->ftp.loose },
		{ .name = "irc_max_dcc_channels", .kind = SYSCTL_UINT, .value = &conf->irc.max_dcc_channels, .min = 1, .max = 255 },
		{ .name = "irc_dcc_timeout", .kind = SYSCTL_SECONDS, .value = &conf->irc.dcc_timeout,
		  .max = CT_PRINTED_SECONDS_MAX },
		{ .name = "amanda_master_timeout", .kind = SYSCTL_SECONDS, .value = &conf->amanda.master_timeout,
		  .max = CT_PRINTED_SECONDS_MAX },
		{ .name = "snmp_timeout", .kind = SYSCTL_SECONDS, .value = &conf->snmp.timeout,
		  .min = 0, .max = CT_PRINTED_SECONDS_MAX },
		{ .name = "netbios_ns_timeout", .kind = SYSCTL_SECONDS, .value = &conf->netbios_ns.timeout,
		  .max = CT_PRINTED_SECONDS_MAX },
		{ .name = "h323_default_rrq_ttl", .kind = SYSCTL_UINT, .value = &conf->h323.default_rrq_ttl },
		{ .name = "h323_gkrouted_only", .kind = SYSCTL_INT, .value = &conf->h323.gkrouted_only },
		{ .name = "h323_callforward_filter", .kind = SYSCTL_BOOL, .value = &conf->h323.callforward_filter },
	};

	*conf = (struct ct_helper_conf){ .sip = { .timeout = 3600, .direct_signalling = 1, .direct_media = 1 },
					 .irc = { .max_dcc_channels = 8, .dcc_timeout = 300 },
					 .amanda.master_timeout = 300, .netbios_ns.timeout = 3, .snmp.timeout = 30,
					 .h323 = { 300, 1, true } };
	return register_all(inst, params, ARRAY_SIZE(params));
}

int ct_sysctls_register(struct instance *inst, struct ct_table *table)
{
	struct ct_conf *conf = &table->conf;
	const struct sysctl switches[] = {
		{ .name = "max", .kind = SYSCTL_INT, .value = &conf->max, .min = 0, .max = INT32_MAX },
		{ .name = "buckets", .kind = SYSCTL_UINT, .value = &conf->buckets, .min = 1, .max = CT_BUCKETS_MAX },
		{ .name = "count", .kind = SYSCTL_TEXT, .print = print_count, .priv = table, .read_only = true },
		{ .name = "checksum", .kind = SYSCTL_U8, .value = &conf->checksum, .min = 0, .max = 1 },
		{ .name = "log_invalid", .kind = SYSCTL_U8, .value = &conf->log_invalid, .min = 0, .max = 255 },
		{ .name = "acct", .kind = SYSCTL_U8, .value = &conf->acct, .min = 0, .max = 1 },
		{ .name = "events", .kind = SYSCTL_U8, .value = &conf->events, .min = 0, .max = 2 },
		{ .name = "timestamp", .kind = SYSCTL_U8, .value = &conf->timestamp, .min = 0, .max = 1 },
		{ .name = "tcp_loose", .kind = SYSCTL_U8, .value = &conf->tcp_loose, .min = 0, .max = 1 },
		{ .name = "tcp_be_liberal", .kind = SYSCTL_U8, .value = &conf->tcp_be_liberal, .min = 0, .max = 1 },
		{ .name = "tcp_ignore_invalid_rst", .kind = SYSCTL_U8, .value = &conf->tcp_ignore_invalid_rst,
		  .min = 0, .max = 1 },
		{ .name = "tcp_max_retrans", .kind = SYSCTL_U8, .value = &conf->tcp_max_retrans, .min = 0, .max = 255 },
		{ .name = "weir_expire_batch", .kind = SYSCTL_UINT, .value = &table->wheel.batch, .min = 0, .max = UINT32_MAX },
		{ .name = "weir_reserve", .kind = SYSCTL_UINT, .value = &conf->reserve, .min = 0, .max = CT_BUCKETS_MAX / IP_CT_DIR_MAX,
		  .changed = reserve_changed, .priv = inst },
		{ .name = "expect_max", .kind = SYSCTL_INT, .value = &table->expects.max, .min = 0, .max = INT32_MAX },
	};
	int err;

	*conf = (struct ct_conf){ .max = CT_MAX_DEFAULT, .buckets = CT_BUCKETS_DEFAULT, .checksum = 1, .events = 2,
				  .tcp_loose = 1, .tcp_max_retrans = 3 };
	err = register_all(inst, switches, ARRAY_SIZE(switches));
	if (!err)
		err = register_helper_conf(inst, &table->helper_conf);
	if (!err)
		err = ct_auto_help_register(inst, &table->auto_help);
	if (err)
		return err;
	for (const struct ct_proto *const *proto = ct_protos; *proto; proto++) {
		err = register_timeouts(inst, table, *proto);
		if (err)
			return err;
	}
	return 0;
}
