/*
 * fuzz/queue.c - packets that wait in queues at every hook, and a program that says anything of them: verdicts with any bytes in the
 * place of a packet's, any other message, in any order; links go down and sockets close meanwhile.
 *
 * Input: steps of a kind, two bytes of length and that many bytes.
 */
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>

#include "control/control_internal.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 48, PACKET_MAX = 4000, QUEUES = 2 };
enum { STEP_PACKET, STEP_PACKET_BACK, STEP_LOCAL, STEP_VERDICT, STEP_CHANGE, STEP_MESSAGE, STEP_TIME, STEP_LINK, STEP_SOCKET, STEP_CONFIG, STEP_COUNT };

/* Each packet waits once at each of these places; an odd mark means that it has been looked at enough. */
static unsigned int wait_here(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	const struct nflog log = { .prefix = "fuzz", .state = state, .copy_len = pkt->len, .threshold = 2 };

	if (state->inst->observer.nflog)
		state->inst->observer.nflog(state->inst->observer.priv, pkt, &log);
	return pkt->mark & 1 ? NF_ACCEPT : NF_QUEUE_NR(state->hooknum % QUEUES);
}

static const struct hook_ops places[] = {
	{ NFPROTO_INET, NF_INET_PRE_ROUTING, -500, wait_here, "early" }, { NFPROTO_INET, NF_INET_PRE_ROUTING, -160, wait_here, "tracked" },
	{ NFPROTO_INET, NF_INET_FORWARD, -10, wait_here, "forward" }, { NFPROTO_INET, NF_INET_LOCAL_IN, -10, wait_here, "in" },
	{ NFPROTO_INET, NF_INET_LOCAL_OUT, -160, wait_here, "out" }, { NFPROTO_INET, NF_INET_POST_ROUTING, 50, wait_here, "post" },
};

struct program { struct control *control; struct nl_sock *sock; uint32_t id; };

static void drain(struct program *p)
{
	struct nl_datagram *d;

	while (p->sock && (d = nl_sock_next(p->sock)))
		free(d);
}

static void post(struct program *p, uint16_t type, uint16_t res, struct strbuf *attrs)
{
	struct strbuf out = STRBUF_INIT;
	size_t at = nl_begin(&out, type, NLM_F_REQUEST | NLM_F_ACK, 1, 0, 0, 0, res);

	sb_add(&out, sb_str(attrs), attrs->len);
	nl_end(&out, at);
	if (p->sock && !out.failed)
		nl_sock_send(p->sock, out.s, out.len);
	sb_free(&out);
	sb_free(attrs);
	drain(p);
}

static void open_socket(struct program *p)
{
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params params = { .copy_mode = NFQNL_COPY_PACKET };
	struct nfulnl_msg_config_cmd listen = { .command = NFULNL_CFG_CMD_BIND };

	if (nl_sock_open(p->control, 12, 0, 1, (struct control_cred){ true }, NULL, &p->sock))
		abort();
	for (uint16_t queue = 0; queue < QUEUES; queue++) {
		struct strbuf attrs = STRBUF_INIT;

		nl_put(&attrs, NFQA_CFG_CMD, &bind, sizeof(bind));
		nl_put(&attrs, NFQA_CFG_PARAMS, &params, sizeof(params));
		nl_put_u32(&attrs, NFQA_CFG_MASK, 31);
		nl_put_u32(&attrs, NFQA_CFG_FLAGS, 30);
		post(p, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, queue, &attrs);
	}
	struct strbuf attrs = STRBUF_INIT;
	nl_put(&attrs, NFULA_CFG_CMD, &listen, sizeof(listen));
	post(p, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, 0, &attrs);
}

/* @data: kind, id, queue; the rest are the packet's bytes (STEP_CHANGE) or attributes. */
static void verdict(struct program *p, bool changes, const uint8_t *data, size_t len)
{
	struct nfqnl_msg_verdict_hdr head;
	struct strbuf attrs = STRBUF_INIT;
	const bool batch = len && data[0] & 0x80;

	if (len < 3)
		return;
	head = (struct nfqnl_msg_verdict_hdr){ .verdict = htonl(data[0] & 0x40 ? get_be16(data) & ~0xc000u : data[0] & 7), .id = htonl(data[1]) };
	nl_put(&attrs, NFQA_VERDICT_HDR, &head, sizeof(head));
	if (data[0] & 0x20)
		nl_put_u32(&attrs, NFQA_MARK, data[0]);
	if (changes)
		nl_put(&attrs, NFQA_PAYLOAD, data + 3, MIN_OF(len - 3, (size_t)PACKET_MAX));
	else
		sb_add(&attrs, (const char *)data + 3, len - 3);
	post(p, (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | (batch ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT)), data[2] % QUEUES, &attrs);
}

static void packet(struct world *world, unsigned int kind, const uint8_t *data, size_t len)
{
	struct iface *in = world->iface[kind == STEP_PACKET_BACK];
	uint8_t *frame = malloc(14 + len + 1);
	struct pkt *pkt;

	len = MIN_OF(len, (size_t)PACKET_MAX);
	memcpy(frame, in->mac, 6);
	memcpy(frame + 6, "\2\0\0\0\0\x77", 6);
	put_be16(frame + 12, len && data[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
	memcpy(frame + 14, data, len);
	pkt = kind == STEP_LOCAL ? pkt_from_raw_ip(world->inst, NULL, frame + 14, (uint32_t)len) :
	      pkt_from_frame(world->inst, in, frame, (uint32_t)(14 + len));
	free(frame);
	if (!pkt)
		return;
	if (kind == STEP_LOCAL)
		path_send_local(world->inst, pkt);
	else
		path_receive(world->inst, &pkt, 1);
}

static void step(struct world *world, struct program *p, unsigned int kind, const uint8_t *data, size_t len)
{
	struct strbuf attrs = STRBUF_INIT;

	switch (kind % STEP_COUNT) {
	case STEP_PACKET:
	case STEP_PACKET_BACK:
	case STEP_LOCAL:
		packet(world, kind % STEP_COUNT, data, len);
		break;
	case STEP_VERDICT:
	case STEP_CHANGE:
		verdict(p, kind % STEP_COUNT == STEP_CHANGE, data, len);
		break;
	case STEP_MESSAGE:
		if (p->sock)
			nl_sock_send(p->sock, data, len);
		break;
	case STEP_TIME:
		instance_advance(world->inst, world->inst->now_ns + (int64_t)(len ? data[0] : 1) * NSEC_PER_SEC);
		break;
	case STEP_LINK:
		route_iface_set_up(world->inst, world->iface[len & 1], false, NULL);
		route_iface_set_up(world->inst, world->iface[len & 1], true, NULL);
		break;
	case STEP_SOCKET:
		nl_sock_close(p->sock);
		open_socket(p);
		break;
	case STEP_CONFIG:
		sb_add(&attrs, (const char *)data, len);
		post(p, len & 1 ? NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG : NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, 0, &attrs);
		break;
	}
	drain(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *kept;
	struct world *world = world_get(&kept, true);
	const struct control_callbacks none = { 0 };
	struct program p = { .control = control_new(world->inst, &none) };

	if (!p.control || hook_register_all(world->inst->hooks, places, ARRAY_SIZE(places), NULL))
		abort();
	open_socket(&p);
	for (int i = 0; i < STEPS_MAX && size >= 3; i++) {
		size_t len = MIN_OF((size_t)get_be16(data + 1), size - 3);

		step(world, &p, data[0], data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	if (size & 1)
		hook_unregister_all(world->inst->hooks, places, ARRAY_SIZE(places), NULL);
	control_free(p.control);
	if (!(size & 1))
		hook_unregister_all(world->inst->hooks, places, ARRAY_SIZE(places), NULL);
	world_put(&kept, world);
	return 0;
}
