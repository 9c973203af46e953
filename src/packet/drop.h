/* packet/drop.h - why a packet ended: one word per cause, the sentence beside it. */
#ifndef WEIR_PACKET_DROP_H
#define WEIR_PACKET_DROP_H

#include "packet/packet.h"

/* X(name, "word in summary.json", "sentence") - grow it where a cause is born. */
#define DROP_REASONS(X) \
	X(NONE, "none", "not dropped") \
	X(RULE, "rule", "a rule dropped it") \
	X(POLICY, "policy", "the chain's policy dropped it") \
	X(REJECT, "reject", "a rule rejected it") \
	X(HOTDROP, "hotdrop", "a match could not read the packet and dropped it") \
	X(HOOK, "hook", "a hook function dropped it") \
	X(QUEUE, "queue", "no program reads the queue") \
	X(MALFORMED, "malformed", "its header is malformed") \
	X(IP_CHECKSUM, "ip-checksum", "its IPv4 header checksum is wrong") \
	X(TRUNCATED, "truncated", "it is shorter than its header says") \
	X(OTHERHOST, "otherhost", "its frame was addressed to another host") \
	X(UNICAST_IN_L2_MULTICAST, "unicast-in-l2-multicast", "unicast packet in a broadcast or multicast frame") \
	X(PROTOCOL, "protocol", "its Ethernet type is not handled") \
	X(IFACE_DOWN, "iface-down", "its interface is down") \
	X(MARTIAN_SOURCE, "martian-source", "its source address cannot come from outside") \
	X(MARTIAN_DESTINATION, "martian-destination", "its destination address is not routable") \
	X(RP_FILTER, "rp-filter", "the way back to its source leads elsewhere (rp_filter)") \
	X(NO_ROUTE, "no-route", "no route to its destination") \
	X(BLACKHOLE, "blackhole", "a blackhole route swallowed it") \
	X(PROHIBIT, "prohibit", "a prohibit route refused it") \
	X(UNREACHABLE, "unreachable", "an unreachable route refused it") \
	X(FORWARDING_OFF, "forwarding-off", "forwarding is switched off") \
	X(TTL, "ttl", "its TTL or hop limit ran out") \
	X(MTU, "mtu", "it is larger than the way out allows and may not be fragmented") \
	X(IP_OPTIONS, "ip-options", "its IP options forbid it") \
	X(NEIGHBOUR, "neighbour", "the next hop did not answer ARP or ND") \
	X(FRAGMENT, "fragment", "its fragments did not fit together or never came") \
	X(CONNTRACK, "conntrack", "connection tracking refused it") \
	X(CONNTRACK_FULL, "conntrack-full", "the connection table is full") \
	X(CONFIRM, "confirm", "another packet confirmed the same connection first") \
	X(HELPER, "helper", "the connection's helper could not follow what it says") \
	X(NAT, "nat", "no free address or port for its translation") \
	X(LOCAL_PROTOCOL, "local-protocol", "the host has no use for it") \
	X(NO_MEMORY, "no-memory", "memory ran out") \
	X(SOCKET, "socket", "a socket of the host took it, and it is not routed to the host") \
	X(LOOP, "loop", "it circled inside the host without end") \
	X(MULTICAST, "multicast", "multicast forwarding is not done")

enum drop_reason {
#define DROP_ENUM(name, word, sentence) DROP_##name,
	DROP_REASONS(DROP_ENUM)
#undef DROP_ENUM
	DROP_REASON_COUNT
};

const char *drop_reason_word(enum drop_reason reason);
const char *drop_reason_sentence(enum drop_reason reason);

/* Reports to the observer with this reason and frees the packet. */
void pkt_drop(struct instance *inst, struct pkt *pkt, enum drop_reason reason);

#endif
