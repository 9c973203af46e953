/*
 * ext/peraddr.h - packets and bytes of each address of a network, counted by name: what "-m account" and "-j ACCOUNT" keep.
 * Rules that name one table share it; a network has at most 2^24 addresses, and memory for 256 at a time.
 */
#ifndef WEIR_EXT_PERADDR_H
#define WEIR_EXT_PERADDR_H

#include "ext/ext.h"

enum { PERADDR_PROTOS = 4 };		/* TCP, UDP, ICMP, others */

struct peraddr_count {
	uint64_t packets[PERADDR_PROTOS], bytes[PERADDR_PROTOS];
};

struct peraddr_slot {
	struct peraddr_count src, dst;
	int64_t last_ns;
};

struct peraddr;

/* How its file shows one address that has something to show. */
typedef void (*peraddr_print)(struct strbuf *out, uint32_t addr, const struct peraddr_slot *slot, const struct instance *inst);

/* The table shown at @path. -EINVAL when it exists for another network, or the network is too large. */
int peraddr_get(struct instance *inst, const char *path, uint32_t net, uint32_t mask, peraddr_print print, bool is_short,
		struct peraddr **out, struct refusal *why);
void peraddr_put(struct peraddr *table);
/* For rules that have room for a number only. */
int32_t peraddr_number(const struct peraddr *table);
struct peraddr *peraddr_numbered(const struct instance *inst, int32_t number);
/* 0.0.0.0/0: everything counts for 0.0.0.0, as sent. */
void peraddr_add(struct peraddr *table, uint32_t saddr, uint32_t daddr, uint8_t proto, uint32_t len);

#endif
