/*
 * ext/synproxy.h - the proxy of TCP handshakes behind "-j SYNPROXY": what the target and the proxy's hook share.
 * The client's SYN is answered with a cookie and forgotten. An ACK that brings the cookie back starts a handshake with
 * the server in the client's name; from then on a hook moves numbers and clocks between the two.
 */
#ifndef WEIR_EXT_SYNPROXY_H
#define WEIR_EXT_SYNPROXY_H

#include "ext/ext.h"

#include <linux/netfilter/xt_SYNPROXY.h>

enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10, TCP_ECE = 0x40, TCP_CWR = 0x80 };

/* TCP options as read, and as they will be written: only those named in .options. */
struct syn_options {
	uint8_t options;		/* XT_SYNPROXY_OPT_* */
	uint8_t wscale;
	uint16_t mss, client_mss;	/* client_mss: what the cookie keeps */
	uint32_t tsval, tsecr;
};

/* Options of the TCP header at @off; false: the packet ends before they do. */
bool syn_options_read(const struct pkt *pkt, uint32_t off, struct syn_options *opts);
uint32_t syn_options_size(const struct syn_options *opts);
void syn_options_write(const struct syn_options *opts, uint8_t *at);

/* A number that says by itself which SYN it answered, a while ago at most, and about how large its MSS was. */
uint32_t syn_cookie_make(struct instance *inst, const struct pkt *syn, uint32_t off, uint16_t mss);
/* The MSS, or 0: @cookie was not made for a SYN of this ACK's connection. */
uint16_t syn_cookie_check(struct instance *inst, const struct pkt *ack, uint32_t off, uint32_t cookie);

/* A segment that the proxy makes out of the packet @cause, whose TCP header is at @off. */
struct syn_segment {
	bool back;			/* to the packet's source; else onward in its name */
	uint8_t flags;
	uint16_t window;
	uint32_t seq, ack;
	const struct syn_options *opts;
	struct ct *ct;			/* what it belongs to; NULL: conntrack will see */
	uint8_t ctinfo;
};
void syn_send(struct instance *inst, const struct pkt *cause, uint32_t off, const struct syn_segment *segment);

#endif
