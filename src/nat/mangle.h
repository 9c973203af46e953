/*
 * nat/mangle.h - what helpers do to a translated connection: rewrite what it says, and let the connection that it
 * announces follow it.
 */
#ifndef WEIR_NAT_MANGLE_H
#define WEIR_NAT_MANGLE_H

#include "conntrack/helper.h"

/*
 * Puts @text in place of @match_len bytes, @match_off into the payload of the TCP segment or UDP datagram of @call.
 * Lengths and checksums follow, and for TCP the sequence numbers of all that comes after. The packet may move:
 * pointers into it are stale. false: it would be too long; the packet is as it was.
 */
bool nat_mangle_tcp(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const char *text);
/* The sequence numbers are left to the caller: one ct_seqadj_note() for all that was changed in the segment. */
bool nat_mangle_tcp_part(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const char *text);
bool nat_mangle_udp(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const char *text);
bool nat_mangle_tcp_bytes(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const void *bytes,
			  uint32_t len);
bool nat_mangle_udp_bytes(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const void *bytes,
			  uint32_t len);

/* ct_expect.arrived: the connection is translated as its master is; its port is the one the master's side named. */
void nat_follow_master(struct instance *inst, struct ct *ct, const struct ct_expect *exp);
/*
 * Takes in @wanted with the port it has, or with another when that clashes. Return: the port, with the expectation in
 * *made; 0: there is none.
 */
uint16_t nat_expect_port(struct instance *inst, struct ct_expect *wanted, struct ct_expect **made);

#endif
