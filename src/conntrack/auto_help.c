/*
 * conntrack/auto_help.c - helpers by port, without a rule: nf_conntrack_helper, as Linux had it before 6.0. Off by default, for whoever can
 * send packets to a port could then open others. What a CT rule says holds; else the port counts that the server has in the reply direction, so
 * that DNAT to a server's own port counts, too.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"

/* Those whose kernel modules take ports; the others listen where they always do (ct_helper.port). */
static const struct { const char *name; uint16_t port; } listed[CT_PORT_LISTS] = {
	{ "ftp", 21 }, { "tftp", 69 }, { "irc", 6667 }, { "sip", 5060 }, { "sane", 6566 },
};

static int list_of(const char *name)
{
	for (int i = 0; i < CT_PORT_LISTS; i++)
		if (!strcmp(listed[i].name, name))
			return i;
	return -1;
}

static bool listens_at(const struct ct_auto_help *conf, const struct ct_helper *helper, uint16_t port)
{
	int n = list_of(helper->name);

	if (n < 0)
		return helper->port && helper->port == port;
	for (unsigned int i = 0; i < conf->ports[n].count; i++)
		if (conf->ports[n].port[i] == port)
			return true;
	return false;
}

void ct_help_by_port(struct instance *inst, struct ct *ct)
{
	const struct ct_auto_help *conf = &inst->ct->auto_help;
	const struct ct_tuple *reply = ct_tuple(ct, IP_CT_DIR_REPLY);
	const struct ct_helper *found = NULL;
	struct ct_help *help = ct_help_of(ct);

	if (!conf->on || ct->status & (IPS_HELPER | IPS_TEMPLATE) || ct_master(ct) || (help && !list_is_empty(&help->expectations)) ||
	    (reply->proto != IPPROTO_TCP && reply->proto != IPPROTO_UDP))
		return;
	for (const struct ct_helper *const *at = ct_helpers; *at && !found; at++)
		if ((*at)->proto == reply->proto && (reply->family == NFPROTO_IPV4 ? (*at)->ip4 : (*at)->ip6) &&
		    listens_at(conf, *at, ntohs(reply->src_l4.port)))
			found = *at;
	if (help && help->helper == found)
		return;
	if (help)
		ct_help_free(inst, ct);
	if (found && ct_help_add(ct, found))
		ct->status &= ~(uint32_t)IPS_HELPER;	/* which means: a rule, or somebody, said so */
}

/* "21,2121": one to eight ports. */
static int ports_changed(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	struct ct_port_list *list = priv, read = { 0 };

	for (const char *at = text;; at++) {
		char *end;
		unsigned long port = strtoul(at, &end, 10);

		if (end == at || *at == '-' || *at == '+' || port < 1 || port > UINT16_MAX || (*end && *end != ','))
			return refuse(why, -EINVAL, "%s: \"%s\" is not a list of ports, such as 21,2121", ctl->name, text);
		if (read.count == CT_PORTS_MAX)
			return refuse(why, -EINVAL, "%s: at most %d ports", ctl->name, CT_PORTS_MAX);
		read.port[read.count++] = (uint16_t)port;
		at = end;
		if (!*at)
			break;
	}
	*list = read;
	return 0;
}

static void ports_print(void *priv, const struct sysctl *ctl, struct strbuf *out)
{
	const struct ct_port_list *list = priv;

	for (unsigned int i = 0; i < list->count; i++)
		sb_printf(out, "%s%u", i ? "," : "", list->port[i]);
}

int ct_auto_help_register(struct instance *inst, struct ct_auto_help *conf)
{
	const struct sysctl on = { .name = "net.netfilter.nf_conntrack_helper", .kind = SYSCTL_BOOL, .value = &conf->on };
	int err = sysctl_register(inst->sysctls, &on);

	for (int i = 0; i < CT_PORT_LISTS && !err; i++) {
		char name[64];
		const struct sysctl ctl = { .name = name, .kind = SYSCTL_TEXT, .changed = ports_changed, .print = ports_print,
					    .priv = &conf->ports[i] };

		snprintf(name, sizeof(name), "net.netfilter.nf_conntrack_%s_ports", listed[i].name);
		conf->ports[i] = (struct ct_port_list){ .port = { listed[i].port }, .count = 1 };
		err = sysctl_register(inst->sysctls, &ctl);
	}
	return err;
}
