/*
 * conntrack/proto/tcp_window.h - what a segment says, and whether it fits what the other side accepts.
 */
#ifndef WEIR_CONNTRACK_TCP_WINDOW_H
#define WEIR_CONNTRACK_TCP_WINDOW_H

#include "conntrack/conntrack_internal.h"

enum tcp_kind { TCP_KIND_SYN, TCP_KIND_SYNACK, TCP_KIND_FIN, TCP_KIND_ACK, TCP_KIND_RST, TCP_KIND_NONE, TCP_KIND_COUNT };

/* Bits of ct_tcp.last_flags beside IP_CT_TCP_FLAG_*. */
enum { TCP_LAST_CHALLENGE_ACK_DUE = 0x40, TCP_LAST_SIMULTANEOUS_OPEN = 0x80 };

struct tcp_segment {
	const uint8_t *header;		/* with its options: @header_len was checked */
	uint32_t header_len;
	uint32_t seq, ack, end;		/* end: seq plus data, SYN and FIN count one each */
	uint16_t window;
	bool has_syn, has_ack, has_fin, has_rst;
	enum tcp_kind kind;
	uint8_t dir;
};

static inline bool seq_before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }
static inline bool seq_after(uint32_t a, uint32_t b) { return (int32_t)(b - a) < 0; }

/* Window scale and SACK-permitted of a SYN into @side; without options @side stays as it is. */
void tcp_read_options(const struct tcp_segment *seg, struct ct_tcp_side *side);

enum tcp_fit { TCP_FITS, TCP_PASSES, TCP_INVALID };	/* PASSES: let through, nothing is learned from it */
/* Checks @seg and, when it fits, moves the windows. Reports what does not fit. */
enum tcp_fit tcp_check_window(struct instance *inst, struct ct *ct, const struct pkt *pkt,
			      const struct tcp_segment *seg);

#endif
