/*
 * control/queue_netlink.c - NFQUEUE's other end: programs bind to queues, are told of packets, and say what becomes of them.
 * A packet waits in its queue's list; whoever takes it out of there gives it back to its hook, with NF_DROP when the program is
 * gone. So each ends exactly once.
 */
#include "base/uapi.h"

#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>

#include "control/ct_msg.h"
#include "control/queue_internal.h"
#include "packet/drop.h"
#include "path/path.h"

enum { KERNEL_ENOTSUPP = 524, LIST_BUCKETS = 16 };

struct waiting {
	struct list node;
	struct pkt *pkt;
	uint32_t id;
	uint32_t bytes;			/* what it counts against QUEUE_BYTES_MAX */
};

static struct packet_queue *queue_find(struct control *control, uint16_t number)
{
	list_for_each(node, &control->packet_queues) {
		struct packet_queue *queue = list_entry(node, struct packet_queue, node);

		if (queue->number == number)
			return queue;
	}
	return NULL;
}

/* --- packets that wait --- */

static void leave(struct packet_queue *queue, struct waiting *w)
{
	list_remove(&w->node);
	queue->count--;
	queue->control->queued_bytes -= w->bytes;
}

/* It may come back into a queue at once, also into this one. */
static void give_back(struct instance *inst, struct waiting *w, uint32_t verdict)
{
	struct pkt *pkt = w->pkt;

	free(w);
	hook_reinject(inst, pkt, verdict);
}

typedef bool (*chosen_fn)(const struct waiting *w, const void *priv);

/* Ends those that @chosen names (NULL: all). */
static void drop_waiting(struct packet_queue *queue, chosen_fn chosen, const void *priv)
{
	struct list gone;

	list_init(&gone);
	list_for_each_safe(node, &queue->packets) {
		struct waiting *w = list_entry(node, struct waiting, node);

		if (chosen && !chosen(w, priv))
			continue;
		leave(queue, w);
		list_append(&gone, &w->node);
	}
	list_for_each_safe(node, &gone)
		give_back(queue->control->inst, list_entry(node, struct waiting, node), NF_DROP);
}

static bool is_shared_beginning(const struct pkt *pkt)
{
	return pkt->ct && !ct_is_confirmed(pkt->ct) && !(pkt->ct->status & IPS_TEMPLATE) && pkt->ct->refs > 1;
}

static int enqueue(void *priv, struct pkt *pkt, const struct hook_state *state, unsigned int number)
{
	struct control *control = priv;
	struct packet_queue *queue = queue_find(control, (uint16_t)number);
	const uint32_t bytes = pkt->buf_len + (uint32_t)sizeof(*pkt);
	struct strbuf msg = STRBUF_INIT;
	struct waiting *w;
	int err = 0;

	if (!queue)
		return -ESRCH;
	if (queue->copy_mode == NFQNL_COPY_NONE || is_shared_beginning(pkt))
		return -EINVAL;
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	queue_put_packet(queue, pkt, state, queue->id + 1, &msg);
	if (msg.failed) {
		err = -ENOMEM;
	} else if (queue->count >= queue->max_len || control->queued_bytes + bytes > QUEUE_BYTES_MAX) {
		err = -ENOBUFS;
		queue->dropped += !(queue->flags & NFQA_CFG_F_FAIL_OPEN);
	} else {
		queue->id++;
		if (!nl_queue(queue->sock, 0, msg.s, msg.len, false)) {
			err = -ENOBUFS;
			queue->user_dropped += !(queue->flags & NFQA_CFG_F_FAIL_OPEN);
		}
	}
	sb_free(&msg);
	if (err) {
		free(w);
		if (err != -ENOBUFS || !(queue->flags & NFQA_CFG_F_FAIL_OPEN))
			return err;
		hook_reinject(control->inst, pkt, NF_ACCEPT);
		return 0;
	}
	pkt->flow_node = NULL;		/* it may be gone when the packet goes on */
	pkt->has_flow_hash = false;
	*w = (struct waiting){ .pkt = pkt, .id = queue->id, .bytes = bytes };
	list_append(&queue->packets, &w->node);
	queue->count++;
	control->queued_bytes += bytes;
	return 0;
}

/* --- the life of a queue --- */

static void queue_end(struct packet_queue *queue)
{
	list_remove(&queue->node);	/* first: what is dropped must not come back here */
	drop_waiting(queue, NULL, NULL);
	free(queue);
}

void queue_sock_closed(struct nl_sock *sock)
{
	list_for_each_safe(node, &sock->control->packet_queues) {
		struct packet_queue *queue = list_entry(node, struct packet_queue, node);

		if (queue->sock == sock)
			queue_end(queue);
	}
}

static bool is_of_iface(const struct waiting *w, const void *priv)
{
	const struct hook_state *state = w->pkt->hook;

	return state->in == priv || state->out == priv || w->pkt->in == priv;
}

void queue_iface_down(struct control *control, const struct iface *iface)
{
	list_for_each(node, &control->packet_queues)
		drop_waiting(list_entry(node, struct packet_queue, node), is_of_iface, iface);
}

/* As in Linux, which cannot tell who of a hook's list a waiting packet stands behind any more. */
static void hook_left(void *priv)
{
	struct control *control = priv;

	list_for_each(node, &control->packet_queues)
		drop_waiting(list_entry(node, struct packet_queue, node), NULL, NULL);
}

void queue_control_begin(struct control *control)
{
	list_init(&control->packet_queues);
	hooks_set_queue(control->inst->hooks, enqueue, control);
	hooks_set_left(control->inst->hooks, hook_left, control);
}

void queue_control_end(struct control *control)
{
	hooks_set_queue(control->inst->hooks, NULL, NULL);
	hooks_set_left(control->inst->hooks, NULL, NULL);
	list_for_each_safe(node, &control->packet_queues)
		queue_end(list_entry(node, struct packet_queue, node));
}

/* --- requests --- */

static int queue_new(struct nl_request *req, uint16_t number, struct packet_queue **out)
{
	struct packet_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return -ENOMEM;
	queue->control = req->control;
	queue->sock = req->sock;
	queue->number = number;
	queue->copy_mode = NFQNL_COPY_NONE;
	queue->copy_range = QUEUE_RANGE_MAX;
	queue->max_len = QUEUE_LEN_DEFAULT;
	list_init(&queue->packets);
	list_push(&req->control->packet_queues, &queue->node);
	*out = queue;
	return 0;
}

/* What the program wants to see of a packet; an unknown mode changes nothing and is no error. */
static void set_mode(struct packet_queue *queue, const struct nfqnl_msg_config_params *params)
{
	uint32_t range = ntohl(params->copy_range);

	if (params->copy_mode > NFQNL_COPY_PACKET)
		return;
	queue->copy_mode = params->copy_mode;
	queue->copy_range = params->copy_mode != NFQNL_COPY_PACKET ? 0 :
			    !range || range > QUEUE_RANGE_MAX ? QUEUE_RANGE_MAX : range;
}

static int flags_checked(struct nl_request *req, uint32_t *flags, uint32_t *mask)
{
	*flags = *mask = 0;
	if (!req->attrs[NFQA_CFG_FLAGS])
		return 0;
	if (!req->attrs[NFQA_CFG_MASK])
		return -EINVAL;
	*flags = nl_u32(req->attrs[NFQA_CFG_FLAGS]);
	*mask = nl_u32(req->attrs[NFQA_CFG_MASK]);
	return *flags >= NFQA_CFG_F_MAX ? -EOPNOTSUPP : 0;
}

static int configure(struct nl_request *req)
{
	static const uint8_t lens[NFQA_CFG_MAX + 1] = {
		[NFQA_CFG_CMD] = sizeof(struct nfqnl_msg_config_cmd),
		[NFQA_CFG_PARAMS] = sizeof(struct nfqnl_msg_config_params),
		[NFQA_CFG_QUEUE_MAXLEN] = 4, [NFQA_CFG_MASK] = 4, [NFQA_CFG_FLAGS] = 4,
	};
	const uint16_t number = ntohs(req->nfg->res_id);
	const struct nlattr **a = req->attrs;
	struct nfqnl_msg_config_cmd cmd = { .command = NFQNL_CFG_CMD_NONE };
	struct nfqnl_msg_config_params params;
	struct packet_queue *queue;
	uint32_t flags, mask;
	int err = nl_lengths_checked(req, lens, ARRAY_SIZE(lens));

	if (err)
		return err;
	if (a[NFQA_CFG_CMD])
		memcpy(&cmd, nl_data(a[NFQA_CFG_CMD]), sizeof(cmd));
	if (cmd.command == NFQNL_CFG_CMD_PF_BIND || cmd.command == NFQNL_CFG_CMD_PF_UNBIND)
		return 0;	/* of old: who is bound to a family is bound to its queues one by one now */
	err = flags_checked(req, &flags, &mask);
	if (err)
		return err;
	queue = queue_find(req->control, number);
	if (queue && queue->sock != req->sock)
		return -EPERM;
	if (a[NFQA_CFG_CMD] && cmd.command == NFQNL_CFG_CMD_BIND) {
		err = queue ? -EBUSY : queue_new(req, number, &queue);
	} else if (a[NFQA_CFG_CMD] && cmd.command == NFQNL_CFG_CMD_UNBIND) {
		if (!queue)
			return -ENODEV;
		queue_end(queue);
		return 0;
	} else if (a[NFQA_CFG_CMD]) {
		err = -EOPNOTSUPP;
	}
	if (err)
		return err;
	if (!queue)
		return -ENODEV;
	if (a[NFQA_CFG_PARAMS]) {
		memcpy(&params, nl_data(a[NFQA_CFG_PARAMS]), sizeof(params));
		set_mode(queue, &params);
	}
	if (a[NFQA_CFG_QUEUE_MAXLEN])
		queue->max_len = nl_u32(a[NFQA_CFG_QUEUE_MAXLEN]);
	queue->flags = (queue->flags & ~mask) | (flags & mask);
	return 0;
}

/* --- verdicts --- */

static const uint8_t verdict_lens[NFQA_MAX + 1] = {
	[NFQA_VERDICT_HDR] = sizeof(struct nfqnl_msg_verdict_hdr), [NFQA_MARK] = 4, [NFQA_PRIORITY] = 4,
};

/* The queue, and the verdict that is meant for it. */
static int verdict_read(struct nl_request *req, struct packet_queue **queue, uint32_t *verdict, uint32_t *id)
{
	struct nfqnl_msg_verdict_hdr head;
	uint32_t kind;
	int err = nl_lengths_checked(req, verdict_lens, ARRAY_SIZE(verdict_lens));

	if (err)
		return err;
	*queue = queue_find(req->control, ntohs(req->nfg->res_id));
	if (!*queue)
		return -ENODEV;
	if ((*queue)->sock != req->sock)
		return -EPERM;
	if (!req->attrs[NFQA_VERDICT_HDR])
		return -EINVAL;
	memcpy(&head, nl_data(req->attrs[NFQA_VERDICT_HDR]), sizeof(head));
	*verdict = ntohl(head.verdict);
	*id = ntohl(head.id);
	kind = *verdict & NF_VERDICT_MASK;
	return kind > NF_MAX_VERDICT || kind == NF_STOLEN ? -EINVAL : 0;
}

static void mark_it(const struct nl_request *req, struct pkt *pkt)
{
	if (req->attrs[NFQA_MARK])
		pkt->mark = nl_u32(req->attrs[NFQA_MARK]);
	if (req->attrs[NFQA_PRIORITY])
		pkt->priority = nl_u32(req->attrs[NFQA_PRIORITY]);
}

/* Bytes of one family with a header that ends within them: the rest of the way relies on that. */
static bool is_still_ip(const struct pkt *pkt, const uint8_t *bytes, size_t len)
{
	if (pkt->l.family == NFPROTO_IPV6)
		return len >= sizeof(struct ipv6hdr) && bytes[0] >> 4 == 6;
	return len >= sizeof(struct iphdr) && bytes[0] >> 4 == 4 && (bytes[0] & 15) >= 5 && (bytes[0] & 15) * 4u <= len;
}

/* The packet's bytes from now on; lengths and checksums inside them are the program's business. */
static bool replace_bytes(struct pkt *pkt, const uint8_t *bytes, size_t len)
{
	if (len < pkt->len && len < pkt->l.l4_off)
		return false;
	if (!is_still_ip(pkt, bytes, len) || (len > pkt->len && pkt_grow_tail(pkt, (uint32_t)(len - pkt->len))))
		return false;
	pkt_forget_pieces(pkt);
	memcpy(pkt->data, bytes, len);
	pkt->len = (uint32_t)len;
	pkt->is_sum_good = false;
	pkt->flags &= ~(PKT_FLAG_CSUM_TRUSTED | PKT_FLAG_CSUM_LATER | PKT_FLAG_CSUM_SUMMED);
	pkt_parse(pkt);
	return true;
}

static int give_verdict(struct nl_request *req)
{
	const struct nlattr *payload = req->attrs[NFQA_PAYLOAD];
	struct packet_queue *queue;
	struct waiting *w = NULL;
	uint32_t verdict, id;
	int err = verdict_read(req, &queue, &verdict, &id), more;

	if (err)
		return err;
	list_for_each(node, &queue->packets) {
		w = list_entry(node, struct waiting, node);
		if (w->id == id)
			break;
		w = NULL;
	}
	if (!w)
		return -ENOENT;
	leave(queue, w);
	err = req->attrs[NFQA_CT] && w->pkt->ct ? ct_change_attached(queue->control->inst, w->pkt, req->attrs[NFQA_CT], req->attrs[NFQA_EXP]) : -ENOENT;
	if (payload) {
		more = (int)nl_len(payload) - (int)w->pkt->len;
		if (!replace_bytes(w->pkt, nl_data(payload), nl_len(payload)))
			verdict = NF_DROP;
		if (!err && more)
			ct_note_mangled(w->pkt, more);
	}
	mark_it(req, w->pkt);
	give_back(req->control->inst, w, verdict);
	return 0;
}

/* The same for all up to a packet, which are in order of their ids. */
static int give_verdicts(struct nl_request *req)
{
	struct packet_queue *queue;
	uint32_t verdict, last;
	struct list batch;
	int err = verdict_read(req, &queue, &verdict, &last);

	if (err)
		return err;
	list_init(&batch);
	list_for_each_safe(node, &queue->packets) {
		struct waiting *w = list_entry(node, struct waiting, node);

		if ((int32_t)(w->id - last) > 0)
			break;
		leave(queue, w);
		list_append(&batch, &w->node);
	}
	if (list_is_empty(&batch))
		return -ENOENT;
	list_for_each_safe(node, &batch) {
		struct waiting *w = list_entry(node, struct waiting, node);

		mark_it(req, w->pkt);
		give_back(req->control->inst, w, verdict);
	}
	return 0;
}

static int refuse_packet(struct nl_request *req) { return -KERNEL_ENOTSUPP; }

static const struct nl_command commands[] = {
	[NFQNL_MSG_PACKET] = { .call = refuse_packet, .attr_max = NFQA_MAX, .needs_change = true },
	[NFQNL_MSG_VERDICT] = { .call = give_verdict, .attr_max = NFQA_MAX, .needs_change = true },
	[NFQNL_MSG_CONFIG] = { .call = configure, .attr_max = NFQA_CFG_MAX, .needs_change = true },
	[NFQNL_MSG_VERDICT_BATCH] = { .call = give_verdicts, .attr_max = NFQA_MAX, .needs_change = true },
};

const struct nl_subsystem nl_queue_subsystem = { NFNL_SUBSYS_QUEUE, commands, ARRAY_SIZE(commands) };

/* --- /proc/net/netfilter/nfnetlink_queue: in the kernel's order, by bucket and the newest first --- */

void queue_list(struct control *control, struct strbuf *out)
{
	for (unsigned int bucket = 0; bucket < LIST_BUCKETS; bucket++) {
		list_for_each(node, &control->packet_queues) {
			const struct packet_queue *q = list_entry(node, struct packet_queue, node);

			if (((q->number >> 8) ^ q->number) % LIST_BUCKETS == bucket)
				sb_printf(out, "%5u %6u %5u %1u %5u %5u %5u %8u %2d\n", q->number, q->sock->port, q->count,
					  q->copy_mode, q->copy_range, q->dropped, q->user_dropped, q->id, 1);
		}
	}
}
