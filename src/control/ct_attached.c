/*
 * control/ct_attached.c - what a program says of a waiting packet's connection together with its verdict. Less may be changed than
 * by a request of its own: there is no event of it, and bits that cannot change are passed over.
 */
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "conntrack/control.h"
#include "conntrack/expect.h"
#include "conntrack/helper.h"
#include "conntrack/labels.h"
#include "conntrack/user_helper.h"
#include "control/ct_msg.h"

static int change_labels(struct ct *ct, const struct nlattr *labels, const struct nlattr *labels_mask)
{
	uint8_t given[CT_LABEL_BYTES] = { 0 }, mask[CT_LABEL_BYTES] = { 0 };
	size_t len = nl_len(labels);

	if (!len || len % sizeof(uint32_t) || len > sizeof(given) || (labels_mask && nl_len(labels_mask) != len))
		return -EINVAL;
	memcpy(given, nl_data(labels), len);
	if (labels_mask)
		memcpy(mask, nl_data(labels_mask), len);
	else
		memset(mask, 0xff, sizeof(mask));
	return ct_labels_replace(ct, given, mask);
}

/* A helper may be named again, not changed; what a program keeps may. */
static int check_helper(struct ct *ct, const struct nlattr *nest)
{
	const struct nlattr *a[CTA_HELP_MAX + 1];
	const struct ct_helper *helper = ct_helper_of(ct);

	if (nl_parse_nest(nest, a, CTA_HELP_MAX) || !a[CTA_HELP_NAME])
		return -EINVAL;
	if (!helper || !nl_len(a[CTA_HELP_NAME]))
		return -EOPNOTSUPP;
	if (strncmp(helper->name, nl_data(a[CTA_HELP_NAME]), nl_len(a[CTA_HELP_NAME])))
		return -EBUSY;
	if (a[CTA_HELP_INFO])
		ct_user_help_data(ct, nl_data(a[CTA_HELP_INFO]), nl_len(a[CTA_HELP_INFO]));
	return 0;
}

static int change(struct instance *inst, struct ct *ct, const struct nlattr **a)
{
	uint32_t value, mask = UINT32_MAX;
	int err = 0;

	if (a[CTA_TIMEOUT]) {
		if (nl_get_be32(a[CTA_TIMEOUT], &value))
			return -ERANGE;
		if (ct->status & IPS_FIXED_TIMEOUT)
			return -EPERM;
		ct_set_timeout_sec(inst, ct, value);
	}
	if (a[CTA_STATUS]) {
		err = nl_get_be32(a[CTA_STATUS], &value);
		err = err ? err : ct_control_update_status(ct, value);
	}
	if (!err && a[CTA_HELP])
		err = check_helper(ct, a[CTA_HELP]);
	if (!err && a[CTA_LABELS])
		err = change_labels(ct, a[CTA_LABELS], a[CTA_LABELS_MASK]);
	if (err || !a[CTA_MARK])
		return err;
	if (nl_get_be32(a[CTA_MARK], &value) || (a[CTA_MARK_MASK] && nl_get_be32(a[CTA_MARK_MASK], &mask)))
		return -ERANGE;
	ct->mark = (ct->mark & ~mask) ^ value;
	return 0;
}

static void expect(struct instance *inst, struct ct *master, const struct nlattr *nest)
{
	const struct nlattr *a[CTA_EXPECT_MAX + 1];
	struct ct_expect_request want;

	if (!nl_parse_nest(nest, a, CTA_EXPECT_MAX) && !expect_request_read(a, ct_family(master), &want))
		ct_control_expect_of(inst, master, &want);
}

int ct_change_attached(struct instance *inst, struct pkt *pkt, const struct nlattr *nest, const struct nlattr *expectation)
{
	const struct nlattr *a[CTA_MAX + 1];
	int err = nl_parse_nest(nest, a, CTA_MAX);

	if (!err)
		err = change(inst, pkt->ct, a);
	if (!err && expectation)
		expect(inst, pkt->ct, expectation);
	return err;
}

void ct_note_mangled(struct pkt *pkt, int32_t more)
{
	const struct tcphdr *tcp = pkt_l4(pkt, sizeof(*tcp));

	/* without a helper Linux keeps no account of numbers */
	if (tcp && pkt->ct->status & IPS_NAT_MASK && ct_proto_num(pkt->ct) == IPPROTO_TCP && ct_help_of(pkt->ct))
		ct_seqadj_note(pkt->ct, ctinfo_dir(pkt->ctinfo), ntohl(tcp->seq), more);
}
