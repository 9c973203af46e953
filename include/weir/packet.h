/* weir/packet.h - packets in, and what a hook or an observer may ask of one. */
#ifndef WEIR_PUBLIC_PACKET_H
#define WEIR_PUBLIC_PACKET_H

#include <weir/instance.h>

#ifdef __cplusplus
extern "C" {
#endif

/** struct weir_frame - Bytes that arrived; borrowed for the call */
struct weir_frame {
	const void *bytes;
	size_t len;
};

enum { WEIR_BURST_MAX = 64 };

/**
 * weir_receive() - Frames arrive at a port and go their way to the end
 * @in:     the interface's name
 * @frames: Ethernet frames, or raw IP packets for a tun device; each is processed as if it were alone, in order
 * @count:  up to WEIR_BURST_MAX
 *
 * What they cause (transmit, deliver, drop ...) is told before the call returns. Frames shorter than their link-layer header
 * are passed over.
 * Context: worker. Return: frames taken; -ENODEV no such interface, -E2BIG too many, -ENOMEM.
 */
WEIR_API int weir_receive(struct weir *weir, const char *in, const struct weir_frame *frames, size_t count);

/**
 * weir_send_local() - The host itself sends an IP packet, as through a raw socket
 * Context: worker. Return: 0; -EINVAL not an IP packet, -ENOMEM.
 */
WEIR_API int weir_send_local(struct weir *weir, const void *bytes, size_t len);

/** weir_pkt_bytes() - The packet from its IP header on. A hook may change bytes, not their number. */
WEIR_API void *weir_pkt_bytes(struct weir_pkt *pkt, size_t *len);
WEIR_API const void *weir_pkt_read(const struct weir_pkt *pkt, size_t *len);
/** weir_pkt_in(), weir_pkt_out() - Interface names; NULL where there is none (yet). */
WEIR_API const char *weir_pkt_in(const struct weir_pkt *pkt);
WEIR_API const char *weir_pkt_out(const struct weir_pkt *pkt);
WEIR_API uint32_t weir_pkt_mark(const struct weir_pkt *pkt);
WEIR_API void weir_pkt_set_mark(struct weir_pkt *pkt, uint32_t mark);
/** weir_pkt_ct() - Its connection, borrowed from the packet; NULL: none. */
WEIR_API struct weir_ct *weir_pkt_ct(const struct weir_pkt *pkt);
/** weir_pkt_serial() - Number of the received packet that it is, or that caused it; from 1. */
WEIR_API uint64_t weir_pkt_serial(const struct weir_pkt *pkt);
/**
 * weir_pkt_rule() - The last rule that decided about it, as "filter FORWARD 3"
 * @file: where the rule was read; may be set to NULL. @number 0 is the chain's policy.
 * Return: false: no rule did.
 */
WEIR_API bool weir_pkt_rule(const struct weir_pkt *pkt, const char **table, const char **chain, unsigned int *number,
			    const char **file, unsigned int *line);

#ifdef __cplusplus
}
#endif

#endif
