/*
 * control/log_netlink.c - NFLOG's other end: a program binds to a group and is told of its packets. Messages gather in one
 * datagram until the group's threshold, its time or the datagram's room is reached.
 */
#include "base/uapi.h"

#include <linux/netfilter/nfnetlink_log.h>
#include <stdlib.h>

#include "control/pkt_msg.h"
#include "ext/logger.h"

enum {
	KERNEL_ENOTSUPP = 524,
	LIST_BUCKETS = 16,
	GATHER_DEFAULT = 3776, GATHER_MAX = 131072,	/* bytes of a datagram: a page less what the kernel puts behind it */
	BEHIND_BUFFER = 320,
	TIMEOUT_DEFAULT = 100,		/* hundredths of a second */
	THRESHOLD_DEFAULT = 100,
	RANGE_MAX = UINT16_MAX - (int)sizeof(struct nlattr),
};

struct log_group {
	struct list node;		/* in control->log_groups */
	struct control *control;
	struct nl_sock *sock;		/* who listens */
	struct timer timer;		/* until what is gathered goes out */
	struct strbuf gathered;
	size_t room;			/* of the datagram that is being filled */
	uint32_t count;			/* messages in it */
	uint32_t timeout, gather, threshold, copy_range;
	uint32_t seq;
	uint16_t number, flags;		/* NFULNL_CFG_F_* */
	uint8_t copy_mode;		/* NFULNL_COPY_* */
};

static struct log_group *group_find(struct control *control, uint16_t number)
{
	list_for_each(node, &control->log_groups) {
		struct log_group *group = list_entry(node, struct log_group, node);

		if (group->number == number)
			return group;
	}
	return NULL;
}

/* --- what is gathered goes out --- */

static void flush(struct log_group *group)
{
	timer_cancel(group->control->inst->timers, &group->timer);
	if (group->count > 1)
		nl_end(&group->gathered, nl_begin(&group->gathered, NLMSG_DONE, 0, 0, 0, AF_UNSPEC, NFNETLINK_V0, group->number));
	if (group->count && !group->gathered.failed)
		nl_queue(group->sock, 0, group->gathered.s, group->gathered.len, false);
	sb_reset(&group->gathered);
	group->gathered.failed = false;
	group->count = 0;
}

static void on_time(struct timer *timer, void *arg, int64_t now_ns)
{
	flush(arg);
}

/* --- a packet's message --- */

/* The link-layer header that it came with. */
static void put_header(const struct pkt *pkt, const struct hook_state *state, struct strbuf *out)
{
	const struct iface *dev = pkt_dev(pkt, state);
	uint32_t len = dev && dev->type != ARPHRD_NONE ? ETH_HLEN : 0;

	if (!state->in || !dev || (len && (!pkt->mac || pkt->mac_len < len)))
		return;
	nl_put_u16(out, NFULA_HWTYPE, dev->type);
	nl_put_u16(out, NFULA_HWLEN, (uint16_t)len);
	nl_put(out, NFULA_HWHEADER, pkt->mac, len);
}

static void put_packet(struct log_group *group, const struct pkt *pkt, const struct hook_state *state, const struct nflog *log,
		       uint32_t bytes)
{
	struct nfulnl_msg_packet_hdr head = { .hook = state->hooknum,
					      .hw_protocol = htons(state->family == NFPROTO_IPV6 ? ETH_P_IPV6 : ETH_P_IP) };
	struct strbuf *out = &group->gathered;
	size_t at = nl_begin(out, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET, 0, 0, 0, state->family, NFNETLINK_V0, group->number);

	nl_put(out, NFULA_PACKET_HDR, &head, sizeof(head));
	nl_put_text(out, NFULA_PREFIX, log->prefix);
	if (state->in)
		nl_put_u32(out, NFULA_IFINDEX_INDEV, state->in->index);
	if (state->out)
		nl_put_u32(out, NFULA_IFINDEX_OUTDEV, state->out->index);
	if (pkt->mark)
		nl_put_u32(out, NFULA_MARK, pkt->mark);
	pkt_put_sender(pkt, state, NFULA_HWADDR, out);
	put_header(pkt, state, out);
	pkt_put_stamp(pkt, state, NFULA_TIMESTAMP, out);
	pkt_put_owner(pkt, NFULA_UID, NFULA_GID, out);
	if (group->flags & NFULNL_CFG_F_SEQ)
		nl_put_u32(out, NFULA_SEQ, group->seq++);
	if (group->flags & NFULNL_CFG_F_SEQ_GLOBAL)
		nl_put_u32(out, NFULA_SEQ_GLOBAL, ++group->control->log_seq);
	if (group->flags & NFULNL_CFG_F_CONNTRACK)
		pkt_put_ct(group->control->inst, pkt, NFULA_CT, NFULA_CT_INFO, out);
	if (bytes)
		nl_put(out, NFULA_PAYLOAD, pkt->data, bytes);
	nl_end(out, at);
}

/* What Linux reckons a message may take, whatever it takes in the end: a full datagram goes out by this measure. */
static size_t reckoned(const struct log_group *group, const struct pkt *pkt, const struct hook_state *state, const struct nflog *log,
		       uint32_t bytes)
{
	const size_t head = NLMSG_ALIGN(NLMSG_LENGTH(sizeof(struct nfgenmsg)));
	const size_t number = NLA_HDRLEN + sizeof(uint32_t);
	size_t len = 2 * head + 5 * number + NLA_HDRLEN + NLA_ALIGN(sizeof(struct nfulnl_msg_packet_hdr)) + NLA_HDRLEN +
		     NLA_ALIGN(strlen(log->prefix) + 1) + NLA_HDRLEN + sizeof(struct nfulnl_msg_packet_hw) + NLA_HDRLEN +
		     sizeof(struct nfulnl_msg_packet_timestamp);

	if (state->in)
		len += 2 * (NLA_HDRLEN + NLA_ALIGN(sizeof(uint16_t))) + NLA_HDRLEN + NLA_ALIGN(ETH_HLEN);
	if (group->flags & NFULNL_CFG_F_SEQ)
		len += number;
	if (group->flags & NFULNL_CFG_F_SEQ_GLOBAL)
		len += number;
	if (group->flags & NFULNL_CFG_F_CONNTRACK && pkt->ct) {
		struct strbuf ct = STRBUF_INIT;

		pkt_put_ct(group->control->inst, pkt, NFULA_CT, NFULA_CT_INFO, &ct);
		len += ct.len;
		sb_free(&ct);
	}
	return group->copy_mode == NFULNL_COPY_PACKET ? len + NLA_HDRLEN + NLA_ALIGN(bytes) : len;
}

/* The kernel's allocator gives powers of two, and the buffer may be filled to its end. */
static size_t room_of(size_t wanted)
{
	size_t room = 512;

	while (room < ((wanted + 63) & ~(size_t)63) + BEHIND_BUFFER)
		room *= 2;
	return room - BEHIND_BUFFER;
}

void log_packet_to_group(struct control *control, const struct pkt *pkt, const struct nflog *log)
{
	const struct hook_state *state = log->state;
	struct log_group *group = group_find(control, log->group);
	uint32_t bytes = 0, threshold;
	size_t len;

	if (!group)
		return;
	if (group->copy_mode == NFULNL_COPY_PACKET)
		bytes = MIN_OF(MIN_OF(group->copy_range, log->copy_len), pkt->len);
	threshold = log->threshold ? MIN_OF(group->threshold, (uint32_t)log->threshold) : group->threshold;
	len = reckoned(group, pkt, state, log, bytes);
	if (group->count && len > group->room - MIN_OF(group->room, group->gathered.len))
		flush(group);
	if (!group->count)
		group->room = room_of(MAX_OF((size_t)group->gather, len));
	put_packet(group, pkt, state, log, bytes);
	group->count++;
	if (group->count >= threshold)
		flush(group);
	else if (!timer_is_armed(&group->timer))
		timer_arm(control->inst->timers, &group->timer,
			  control->inst->now_ns + (int64_t)group->timeout * WEIR_HZ / 100 * NSEC_PER_JIFFY);
}

/* --- the life of a group --- */

static void group_end(struct log_group *group)
{
	flush(group);
	list_remove(&group->node);
	sb_free(&group->gathered);
	free(group);
}

void log_sock_closed(struct nl_sock *sock)
{
	list_for_each_safe(node, &sock->control->log_groups) {
		struct log_group *group = list_entry(node, struct log_group, node);

		if (group->sock == sock)
			group_end(group);
	}
}

void log_control_begin(struct control *control)
{
	list_init(&control->log_groups);
}

void log_control_end(struct control *control)
{
	list_for_each_safe(node, &control->log_groups)
		group_end(list_entry(node, struct log_group, node));
}

static int group_new(struct nl_request *req, uint16_t number, struct log_group **out)
{
	struct log_group *group = calloc(1, sizeof(*group));

	if (!group)
		return -ENOMEM;
	group->control = req->control;
	group->sock = req->sock;
	group->number = number;
	group->threshold = THRESHOLD_DEFAULT;
	group->timeout = TIMEOUT_DEFAULT;
	group->gather = GATHER_DEFAULT;
	group->copy_mode = NFULNL_COPY_PACKET;
	group->copy_range = RANGE_MAX;
	timer_init(&group->timer, on_time, group);
	list_push(&req->control->log_groups, &group->node);
	*out = group;
	return 0;
}

/* --- requests --- */

static void set_mode(struct log_group *group, const struct nfulnl_msg_config_mode *mode)
{
	uint32_t range = ntohl(mode->copy_range);

	if (mode->copy_mode > NFULNL_COPY_PACKET)
		return;
	group->copy_mode = mode->copy_mode;
	group->copy_range = mode->copy_mode != NFULNL_COPY_PACKET ? 0 : !range || range > RANGE_MAX ? RANGE_MAX : range;
}

static void set_all(struct log_group *group, const struct nlattr **a)
{
	struct nfulnl_msg_config_mode mode;
	uint32_t gather;
	be16 flags;

	if (a[NFULA_CFG_MODE]) {
		memcpy(&mode, nl_data(a[NFULA_CFG_MODE]), sizeof(mode));
		set_mode(group, &mode);
	}
	if (a[NFULA_CFG_TIMEOUT])
		group->timeout = nl_u32(a[NFULA_CFG_TIMEOUT]);
	if (a[NFULA_CFG_NLBUFSIZ]) {
		gather = nl_u32(a[NFULA_CFG_NLBUFSIZ]);
		if (gather >= GATHER_DEFAULT && gather <= GATHER_MAX)	/* others are passed over in silence */
			group->gather = gather;
	}
	if (a[NFULA_CFG_QTHRESH])
		group->threshold = nl_u32(a[NFULA_CFG_QTHRESH]);
	if (a[NFULA_CFG_FLAGS]) {
		memcpy(&flags, nl_data(a[NFULA_CFG_FLAGS]), sizeof(flags));
		group->flags = ntohs(flags);
	}
}

/* Of old: where the engine's own words about packets of a family go. */
static int bind_family(struct instance *inst, uint8_t family, bool on)
{
	if (family > NFPROTO_IPV6)
		return on ? -EINVAL : 0;
	if (family == NFPROTO_IPV4 || family == NFPROTO_IPV6)
		inst->loggers[family == NFPROTO_IPV6] = on ? LOGGER_NFNETLINK : LOGGER_NONE;
	return 0;
}

static int configure(struct nl_request *req)
{
	static const uint8_t lens[NFULA_CFG_MAX + 1] = {
		[NFULA_CFG_CMD] = sizeof(struct nfulnl_msg_config_cmd), [NFULA_CFG_MODE] = sizeof(struct nfulnl_msg_config_mode),
		[NFULA_CFG_TIMEOUT] = 4, [NFULA_CFG_QTHRESH] = 4, [NFULA_CFG_NLBUFSIZ] = 4, [NFULA_CFG_FLAGS] = 2,
	};
	const uint16_t number = ntohs(req->nfg->res_id);
	const struct nlattr *cmd = req->attrs[NFULA_CFG_CMD];
	struct log_group *group;
	uint8_t what = NFULNL_CFG_CMD_NONE;
	int err = nl_lengths_checked(req, lens, ARRAY_SIZE(lens));

	if (err)
		return err;
	if (cmd)
		memcpy(&what, nl_data(cmd), sizeof(what));
	if (what == NFULNL_CFG_CMD_PF_BIND || what == NFULNL_CFG_CMD_PF_UNBIND)
		return bind_family(req->control->inst, req->nfg->nfgen_family, what == NFULNL_CFG_CMD_PF_BIND);
	group = group_find(req->control, number);
	if (group && group->sock != req->sock)
		return -EPERM;
	if (cmd && what == NFULNL_CFG_CMD_BIND) {
		err = group ? -EBUSY : group_new(req, number, &group);
	} else if (cmd && what == NFULNL_CFG_CMD_UNBIND) {
		if (!group)
			return -ENODEV;
		group_end(group);
		return 0;
	} else if (cmd) {
		err = -KERNEL_ENOTSUPP;
	}
	if (err)
		return err;
	if (!group)
		return -ENODEV;
	set_all(group, req->attrs);
	return 0;
}

static int refuse_packet(struct nl_request *req) { return -KERNEL_ENOTSUPP; }

static const struct nl_command commands[] = {
	[NFULNL_MSG_PACKET] = { .call = refuse_packet, .attr_max = NFULA_MAX, .needs_change = true },
	[NFULNL_MSG_CONFIG] = { .call = configure, .attr_max = NFULA_CFG_MAX, .needs_change = true },
};

const struct nl_subsystem nl_log_subsystem = { NFNL_SUBSYS_ULOG, commands, ARRAY_SIZE(commands) };

/* --- /proc/net/netfilter/nf_log: who gets the words about a family, and who could --- */

void log_families_list(struct control *control, struct strbuf *out)
{
	static const char *const lines[NFPROTO_IPV6 + 1] = {
		[NFPROTO_IPV4] = "nf_log_ipv4", [NFPROTO_ARP] = "nf_log_arp", [NFPROTO_NETDEV] = "nf_log_netdev",
		[NFPROTO_BRIDGE] = "nf_log_bridge", [NFPROTO_IPV6] = "nf_log_ipv6",
	};

	for (unsigned int family = 0; family <= NFPROTO_IPV6; family++) {
		const char *name = lines[family] ? lines[family] : "NONE";
		uint8_t logger = control->inst->loggers[family == NFPROTO_IPV6];

		if ((family == NFPROTO_IPV4 || family == NFPROTO_IPV6) && logger != LOGGER_LINES)
			name = logger == LOGGER_NONE ? "NONE" : "nfnetlink_log";
		sb_printf(out, "%2u %s (%s%snfnetlink_log)\n", family, name, lines[family] ? lines[family] : "",
			  lines[family] ? "," : "");
	}
}

/* --- /proc/net/netfilter/nfnetlink_log: in the kernel's order, by bucket and the newest first --- */

void log_list(struct control *control, struct strbuf *out)
{
	for (unsigned int bucket = 0; bucket < LIST_BUCKETS; bucket++) {
		list_for_each(node, &control->log_groups) {
			const struct log_group *g = list_entry(node, struct log_group, node);

			if (g->number % LIST_BUCKETS == bucket)
				sb_printf(out, "%5u %6u %5u %1u %5u %6u %2u\n", g->number, g->sock->port, g->count,
					  g->copy_mode, g->copy_range, g->timeout, timer_is_armed(&g->timer) ? 2 : 1);
		}
	}
}
