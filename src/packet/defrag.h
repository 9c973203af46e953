/*
 * packet/defrag.h - reassembly as nf_defrag_ipv4 / nf_defrag_ipv6 do it.
 */
#ifndef WEIR_PACKET_DEFRAG_H
#define WEIR_PACKET_DEFRAG_H

#include "instance.h"
#include "packet/packet.h"

/*
 * Who reassembles: queues of different users (and zones) never mix, as with the kernel's IP_DEFRAG_*.
 * Low bits: the user; the conntrack zone id goes above them.
 */
enum defrag_user {
	DEFRAG_LOCAL_DELIVER,		/* the host's own reassembly */
	DEFRAG_CONNTRACK_IN,
	DEFRAG_CONNTRACK_OUT,
	DEFRAG_USER_SHIFT = 8,
};

/* registers its sysctls (ipfrag_*, ip6frag_*, nf_conntrack_frag6_*) */
struct defrag *defrag_new(struct instance *inst);
void defrag_free(struct instance *inst, struct defrag *defrag);

/**
 * defrag_packet() - Hand a fragment to the reassembler
 * @pkt:  taken unless the result is 0
 * @user: enum defrag_user | zone << DEFRAG_USER_SHIFT
 *
 * When the datagram is complete, *@pkt is the whole of it (the first fragment's metadata with the last one's
 * interface, as in the kernel), with PKT_FLAG_REASSEMBLED, frag_max_size, piece_len, and its layers parsed again.
 * IPv6 as a host: see defrag6_host().
 * Return: 0: go on with *@pkt (whole, or not a fragment); -EINPROGRESS: kept; other negative: it was
 * dropped and reported.
 */
int defrag_packet(struct instance *inst, struct pkt **pkt, uint32_t user);

/**
 * defrag6_host() - The host meets a fragment header, after LOCAL_IN
 * @at:          where the header is; it may reach beyond the packet
 * @nexthdr_off: the byte that announces it
 *
 * Errors are answered with parameter problems. Return: as defrag_packet(); an atomic fragment keeps its header:
 * the bytes to step over.
 */
int defrag6_host(struct instance *inst, struct pkt **pkt, uint32_t at, uint32_t nexthdr_off);

/* Hooks at NF_IP_PRI_CONNTRACK_DEFRAG; conntrack switches them on with itself (counted). */
int defrag_hooks_get(struct instance *inst, uint8_t family);
void defrag_hooks_put(struct instance *inst, uint8_t family);

#endif
