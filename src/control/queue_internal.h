/* control/queue_internal.h - a queue of packets whose verdict a program gives, as its two files know it. */
#ifndef WEIR_CONTROL_QUEUE_INTERNAL_H
#define WEIR_CONTROL_QUEUE_INTERNAL_H

#include "control/control_internal.h"

enum {
	QUEUE_LEN_DEFAULT = 1024,
	QUEUE_RANGE_MAX = UINT16_MAX - (int)sizeof(struct nlattr),	/* what one attribute can hold */
	QUEUE_BYTES_MAX = 64 << 20,	/* of packets in all queues: more is as a full queue */
};

struct packet_queue {
	struct list node;		/* in control->packet_queues */
	struct control *control;
	struct nl_sock *sock;		/* whose queue it is */
	uint16_t number;
	uint8_t copy_mode;		/* NFQNL_COPY_* */
	uint32_t copy_range, max_len, flags;	/* NFQA_CFG_F_* */
	uint32_t dropped, user_dropped;	/* the queue was full; the program's socket was */
	uint32_t id, count;		/* newest packet's; packets that wait */
	struct list packets;		/* struct waiting, the oldest first */
};

/* The message that tells the program of @pkt, with @id. Sums that Linux leaves for later are made where the program wants the bytes. */
void queue_put_packet(const struct packet_queue *queue, struct pkt *pkt, const struct hook_state *state, uint32_t id,
		      struct strbuf *out);

#endif
