/*
 * ext/target/nfqueue.c - "-j NFQUEUE": the packet waits for a program's verdict, in one queue or in one of several.
 * Both directions of a flow go to the same queue. Nobody listens: dropped, unless the rule says bypass.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_NFQUEUE.h>
#include <stdio.h>

#include "ext/option.h"

static uint32_t flow_hash(const struct pkt *pkt, const struct ext_call *call)
{
	uint32_t seed = (uint32_t)call->inst->hash_key.k[0], words[3];
	const struct in6_addr *from, *to;

	if (call->family == NFPROTO_IPV4) {
		const struct iphdr *ip = pkt_ip4(pkt);

		words[0] = MIN_OF(ip->saddr, ip->daddr);
		words[1] = MAX_OF(ip->saddr, ip->daddr);
		words[2] = ip->protocol;
	} else {
		from = &pkt_ip6(pkt)->saddr;
		to = &pkt_ip6(pkt)->daddr;
		words[0] = MIN_OF(from->s6_addr32[3], to->s6_addr32[3]);
		words[1] = MAX_OF(from->s6_addr32[3], to->s6_addr32[3]);
		words[2] = MIN_OF(from->s6_addr32[1], to->s6_addr32[1]);
	}
	return jhash_words(words, 3, seed);
}

static unsigned int enqueue(const struct pkt *pkt, const struct xt_NFQ_info_v3 *info, const struct ext_call *call)
{
	unsigned int queue = info->queuenum;

	/* one worker: the first of the queues that --queue-cpu-fanout spreads over */
	if (info->queues_total > 1 && !(info->flags & NFQ_FLAG_CPU_FANOUT))
		queue += hash_scale(flow_hash(pkt, call), info->queues_total);
	return NF_QUEUE_NR(queue) | (info->flags & NFQ_FLAG_BYPASS ? NF_VERDICT_FLAG_QUEUE_BYPASS : 0);
}

static unsigned int nfqueue_target_0(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return NF_QUEUE_NR((uint32_t)((const struct xt_NFQ_info *)data)->queuenum);
}

static unsigned int nfqueue_target_1(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_NFQ_info_v1 *info = data;
	struct xt_NFQ_info_v3 full = { .queuenum = info->queuenum, .queues_total = info->queues_total };

	return enqueue(pkt, &full, call);
}

static unsigned int nfqueue_target_2(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_NFQ_info_v2 *info = data;
	struct xt_NFQ_info_v3 full = { info->queuenum, info->queues_total, info->bypass ? NFQ_FLAG_BYPASS : 0 };

	return enqueue(pkt, &full, call);
}

static unsigned int nfqueue_target_3(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return enqueue(pkt, data, call);
}

static int nfqueue_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_NFQ_info_v1 *info = data;

	if (!info->queues_total)
		return refuse(why, -EINVAL, "NFQUEUE: no queues");
	if (info->queuenum + info->queues_total - 1u > UINT16_MAX)
		return refuse(why, -ERANGE, "NFQUEUE: the queues end beyond 65535");
	return 0;
}

static int nfqueue_check_2(void *data, const struct ext_check *check, struct refusal *why)
{
	int err = nfqueue_check_1(data, check, why);

	if (!err && ((const struct xt_NFQ_info_v2 *)data)->bypass > 1)
		return refuse(why, -EINVAL, "NFQUEUE: bypass is neither 0 nor 1");
	return err;
}

static int nfqueue_check_3(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_NFQ_info_v3 *info = data;
	int err = nfqueue_check_1(data, check, why);

	if (!err && info->flags & ~NFQ_FLAG_MASK)
		return refuse(why, -EINVAL, "NFQUEUE: unknown flags %#x", info->flags);
	return err;
}

static int parse_balance(struct opt_call *call, struct refusal *why)
{
	struct xt_NFQ_info_v3 *info = call->info;
	const char *colon = strchr(call->arg, ':');
	uint64_t first = 0, last = UINT16_MAX;
	char word[16];

	if (!colon || (size_t)(colon - call->arg) >= sizeof(word))
		return refuse(why, -EINVAL, "NFQUEUE: --queue-balance takes first:last, not \"%s\"", call->arg);
	snprintf(word, sizeof(word), "%.*s", (int)(colon - call->arg), call->arg);
	if ((*word && !opt_u64(word, 0, UINT16_MAX, &first)) || (colon[1] && !opt_u64(colon + 1, 0, UINT16_MAX, &last)) ||
	    first >= last)
		return refuse(why, -EINVAL, "NFQUEUE: --queue-balance takes first:last, not \"%s\"", call->arg);
	info->queuenum = first;
	info->queues_total = last - first + 1;
	return 0;
}

static void nfqueue_init(void *data)
{
	((struct xt_NFQ_info_v3 *)data)->queues_total = 1;
}

enum { ROW_BALANCE = 1, ROW_FANOUT = 3 };

static int nfqueue_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	if (seen & 1 << ROW_FANOUT && !(seen & 1 << ROW_BALANCE))
		return refuse(why, -EINVAL, "NFQUEUE: --queue-cpu-fanout needs --queue-balance");
	return 0;
}

static void show(const struct xt_NFQ_info_v3 *info, const char *dashes, struct strbuf *out)
{
	if (info->queues_total > 1)
		sb_printf(out, " %sbalance %u:%u", dashes, info->queuenum, info->queuenum + info->queues_total - 1);
	else
		sb_printf(out, " %snum %u", dashes, info->queuenum);
	if (info->flags & NFQ_FLAG_BYPASS)
		sb_printf(out, " %sbypass", dashes);
	if (info->flags & NFQ_FLAG_CPU_FANOUT)
		sb_printf(out, " %scpu-fanout", dashes);
}

static void nfqueue_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show(data, "--queue-", out);
}

static void nfqueue_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " NFQUEUE");
	show(data, "", out);
}

static const struct opt nfqueue_options[] = {
	{ .name = "queue-num", .type = OPT_U16, .at = offsetof(struct xt_NFQ_info_v3, queuenum), .arg = "number",
	  .excludes = "queue-balance", .help = "send the packet to this queue" },
	[ROW_BALANCE] = { .name = "queue-balance", .type = OPT_CUSTOM, .parse = parse_balance, .arg = "first:last",
	  .excludes = "queue-num", .help = "spread flows over these queues" },
	{ .name = "queue-bypass", .type = OPT_FLAG, .set_at = offsetof(struct xt_NFQ_info_v3, flags),
	  .set_bits = NFQ_FLAG_BYPASS, .set_width = 2, .help = "go on when nobody listens on the queue" },
	[ROW_FANOUT] = { .name = "queue-cpu-fanout", .type = OPT_FLAG, .set_at = offsetof(struct xt_NFQ_info_v3, flags),
	  .set_bits = NFQ_FLAG_CPU_FANOUT, .set_width = 2, .help = "choose the queue by worker, not by flow" },
	OPT_END
};

static const struct ext_text nfqueue_text = {
	.options = nfqueue_options, .help_head = "NFQUEUE target options:", .init = nfqueue_init,
	.finish = nfqueue_finish, .save = nfqueue_save, .print = nfqueue_print,
};

#define NFQUEUE_COMMON .name = "NFQUEUE", .families = FAMILY_ANY, .depends = DEP_STATE

const struct target target_nfqueue_0 = {
	NFQUEUE_COMMON, .revision = 0, .info_size = sizeof(struct xt_NFQ_info), .target = nfqueue_target_0,
};
const struct target target_nfqueue_1 = {
	NFQUEUE_COMMON, .revision = 1, .info_size = sizeof(struct xt_NFQ_info_v1), .target = nfqueue_target_1,
	.checkentry = nfqueue_check_1,
};
const struct target target_nfqueue_2 = {
	NFQUEUE_COMMON, .revision = 2, .info_size = sizeof(struct xt_NFQ_info_v2), .target = nfqueue_target_2,
	.checkentry = nfqueue_check_2,
};
const struct target target_nfqueue_3 = {
	NFQUEUE_COMMON, .revision = 3, .info_size = sizeof(struct xt_NFQ_info_v3), .target = nfqueue_target_3,
	.checkentry = nfqueue_check_3, .text = &nfqueue_text,
};
