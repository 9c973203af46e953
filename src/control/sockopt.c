/*
 * control/sockopt.c - the socket options of ip_tables and ip6_tables: how iptables-legacy speaks to its kernel.
 * arp_tables, ebtables and IPVS answer as in a kernel that was built without them.
 */
#include "control/control_internal.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>

#include "conntrack/conntrack.h"
#include "path/worker.h"
#include "table/table.h"

/* Numbers above the tables' own, where other parts of netfilter begin; facts from their uapi headers. */
enum {
	OPTION_IP_SET = 83,
	OPTION_ARPT_FIRST = 96, OPTION_ARPT_LAST = 99,
	OPTION_EBT_FIRST = 128, OPTION_EBT_LAST = 131,
	OPTION_IPVS_FIRST = 1152, OPTION_IPVS_LAST = 1167,
};

static bool is_table_option(int level, int option)
{
	if (level == IPPROTO_IP)
		return option >= IPT_BASE_CTL && option <= IPT_SO_GET_REVISION_TARGET;
	return level == IPPROTO_IPV6 && (option == IP6T_SO_GET_INFO || option == IP6T_SO_GET_ENTRIES ||
					 option == IP6T_SO_GET_REVISION_MATCH || option == IP6T_SO_GET_REVISION_TARGET);
}

bool control_is_option(int level, int option)
{
	if (is_table_option(level, option))
		return true;
	if (level != IPPROTO_IP)
		return false;
	return option == OPTION_IP_SET || (option >= OPTION_ARPT_FIRST && option <= OPTION_ARPT_LAST) ||
	       (option >= OPTION_EBT_FIRST && option <= OPTION_EBT_LAST) ||
	       (option >= OPTION_IPVS_FIRST && option <= OPTION_IPVS_LAST);
}

static int get_info(struct control *control, uint8_t family, const void *in, size_t in_len, size_t room, struct strbuf *out)
{
	struct ipt_getinfo info;
	int err;

	if (room != sizeof(info) || in_len < sizeof(info.name))
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	memcpy(info.name, in, sizeof(info.name));
	err = tables_get_info(control->inst, family, &info, NULL);
	if (!err)
		sb_add(out, (const char *)&info, sizeof(info));
	return err;
}

static int get_entries(struct control *control, uint8_t family, const void *in, size_t in_len, size_t room,
		       struct strbuf *out)
{
	struct ipt_get_entries head;
	uint8_t *entries;
	bool paused;
	int err;

	if (room < sizeof(head) || in_len < sizeof(head))
		return -EINVAL;
	memcpy(&head, in, sizeof(head));
	if (room != sizeof(head) + (size_t)head.size)
		return -EINVAL;
	head.name[sizeof(head.name) - 1] = '\0';
	entries = calloc(1, head.size + 1u);
	if (!entries)
		return -ENOMEM;
	paused = worker_alone_pause(control->inst);
	err = tables_get_entries(control->inst, family, head.name, entries, head.size, NULL, NULL);
	worker_alone_resume(control->inst, paused);
	if (!err) {
		sb_add(out, in, sizeof(head));
		sb_add(out, (const char *)entries, head.size);
	}
	free(entries);
	return err;
}

static int get_revision(uint8_t family, bool is_target, const void *in, size_t in_len, size_t room, struct strbuf *out)
{
	struct xt_get_revision rev;
	int best;

	if (room != sizeof(rev) || in_len < sizeof(rev))
		return -EINVAL;
	memcpy(&rev, in, sizeof(rev));
	rev.name[sizeof(rev.name) - 1] = '\0';
	best = tables_get_revision(family, rev.name, is_target, rev.revision);
	if (best >= 0)
		sb_add(out, in, sizeof(rev));
	return best < 0 ? best : 0;
}

int control_sockopt_get(struct control *control, struct control_cred cred, int level, int option, const void *in,
			size_t in_len, size_t room, struct strbuf *out)
{
	const uint8_t family = level == IPPROTO_IP ? NFPROTO_IPV4 : NFPROTO_IPV6;
	int err;

	if (!is_table_option(level, option))
		return -ENOPROTOOPT;
	switch (option) {
	case IPT_SO_GET_INFO:
		err = get_info(control, family, in, in_len, room, out);
		break;
	case IPT_SO_GET_ENTRIES:
		err = get_entries(control, family, in, in_len, room, out);
		break;
	default:
		err = get_revision(family, option == (level == IPPROTO_IP ? IPT_SO_GET_REVISION_TARGET : IP6T_SO_GET_REVISION_TARGET),
				   in, in_len, room, out);
	}
	return err ? err : out->failed ? -ENOMEM : 0;
}

static int replace(struct control *control, uint8_t family, const void *in, size_t in_len, struct strbuf *out)
{
	struct xt_counters *old = NULL;
	struct ipt_replace head;
	struct refusal why;
	bool paused;
	int err;

	if (in_len < sizeof(head))
		return -EINVAL;
	memcpy(&head, in, sizeof(head));
	/* announced by the tool: a number beyond what any table holds is refused below, not allocated here */
	if (head.num_counters && head.num_counters <= in_len / sizeof(struct xt_counters) + (64u << 20) / sizeof(*old)) {
		old = calloc(head.num_counters, sizeof(*old));
		if (!old)
			return -ENOMEM;
	}
	why.text[0] = '\0';
	paused = worker_alone_pause(control->inst);
	err = tables_replace(control->inst, family, in, in_len, old, NULL, &why);
	worker_alone_resume(control->inst, paused);
	if (!err && old)
		sb_add(out, (const char *)old, head.num_counters * sizeof(*old));
	if (err && why.text[0] && control->callbacks.unserved)
		control->callbacks.unserved(control->callbacks.priv, why.text);
	free(old);
	return err ? err : out->failed ? -ENOMEM : 0;
}

int control_sockopt_set(struct control *control, struct control_cred cred, int level, int option, const void *in,
			size_t in_len, struct strbuf *out)
{
	const uint8_t family = level == IPPROTO_IP ? NFPROTO_IPV4 : NFPROTO_IPV6;

	if (!is_table_option(level, option))
		return -ENOPROTOOPT;
	if (!cred.may_change)
		return -EPERM;
	switch (option) {
	case IPT_SO_SET_REPLACE:
		return replace(control, family, in, in_len, out);
	case IPT_SO_SET_ADD_COUNTERS:
		return tables_add_counters(control->inst, family, in, in_len, NULL);
	default:
		return -ENOPROTOOPT;
	}
}

int control_rules_replace(struct control *control, struct control_cred cred, uint8_t family, bool only_check, const void *in,
			  size_t in_len, struct strbuf *out)
{
	struct refusal why = { 0 };
	struct ipt_replace head;
	struct xt_counters *old;
	bool paused;
	int err;

	if (!cred.may_change)
		return -EPERM;
	if (in_len < sizeof(head) || (family != NFPROTO_IPV4 && family != NFPROTO_IPV6))
		return -EINVAL;
	memcpy(&head, in, sizeof(head));
	if (only_check) {
		paused = worker_alone_pause(control->inst);
		err = tables_check(control->inst, family, in, in_len, &why);
		worker_alone_resume(control->inst, paused);
	} else {
		/* one more entry takes more bytes than its counters: other numbers are refused, not allocated */
		if (head.num_counters > (256u << 20) / sizeof(*old))
			return -EINVAL;
		old = calloc(head.num_counters + 1u, sizeof(*old));
		if (!old)
			return -ENOMEM;
		paused = worker_alone_pause(control->inst);
		err = tables_replace(control->inst, family, in, in_len, old, NULL, &why);
		worker_alone_resume(control->inst, paused);
		if (!err)
			sb_add(out, (const char *)old, head.num_counters * sizeof(*old));
		free(old);
	}
	if (err) {
		sb_add(out, why.text, strlen(why.text) + 1);
		sb_add(out, why.upstream, strlen(why.upstream) + 1);
	}
	return err;
}

int control_rule_change(struct control *control, struct control_cred cred, uint8_t family, const char *table,
			const struct rule_change *change)
{
	bool paused;
	int err;

	if (!cred.may_change)
		return -EPERM;
	if ((family != NFPROTO_IPV4 && family != NFPROTO_IPV6) || change->kind > CHANGE_LOOK ||
	    (change->is_append && change->kind != CHANGE_INSERT) || (!change->entry && change->kind != CHANGE_DELETE))
		return -EINVAL;
	paused = worker_alone_pause(control->inst);
	err = tables_change_rule(control->inst, family, table, change, NULL);
	worker_alone_resume(control->inst, paused);
	return err;
}

int control_original_dst(struct control *control, int level, const struct sockaddr_in6 *own,
			 const struct sockaddr_in6 *peer, struct strbuf *out)
{
	struct ct_tuple tuple = { .proto = IPPROTO_TCP, .src_l4.port = own->sin6_port, .dst_l4.port = peer->sin6_port };
	const struct ct_tuple *orig;
	struct ct *ct;
	int dir;

	/* what this socket sends is the reply direction */
	if (level == IPPROTO_IP) {
		tuple.family = NFPROTO_IPV4;
		memcpy(&tuple.src.ip, &own->sin6_addr.s6_addr[12], 4);
		memcpy(&tuple.dst.ip, &peer->sin6_addr.s6_addr[12], 4);
	} else {
		tuple.family = NFPROTO_IPV6;
		tuple.src.in6 = own->sin6_addr;
		tuple.dst.in6 = peer->sin6_addr;
	}
	ct = ct_find(control->inst, &(struct ct_zone){ .dir = CT_ZONE_DIR_BOTH }, &tuple, &dir);
	if (!ct)
		return -ENOENT;
	orig = ct_tuple(ct, IP_CT_DIR_ORIGINAL);
	if (level == IPPROTO_IP) {
		struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = orig->dst_l4.port, .sin_addr.s_addr = orig->dst.ip };

		sb_add(out, (const char *)&sin, sizeof(sin));
	} else {
		struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = orig->dst_l4.port, .sin6_addr = orig->dst.in6 };

		sb_add(out, (const char *)&sin6, sizeof(sin6));
	}
	ct_put(control->inst, ct);
	return 0;
}
