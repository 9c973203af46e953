/*
 * ext/ratetable.h - the tables of -m hashlimit: one bucket of credit per group of packets.
 * Tables are known by name and family and live while a rule names them; the first rule settles how they count.
 */
#ifndef WEIR_EXT_RATETABLE_H
#define WEIR_EXT_RATETABLE_H

#include "ext/ext.h"

#include <linux/netfilter/xt_hashlimit.h>

#include <limits.h>

struct rate_table;

enum { RATE_TABLE_SIZE_MAX = 1048576 };	/* buckets, and entries */

/* The table of this name, made if need be and held; NULL: refused. */
struct rate_table *rate_table_get(struct instance *inst, const char *name, uint8_t family,
				  const struct hashlimit_cfg3 *cfg, unsigned int revision, struct refusal *why);
void rate_table_put(struct rate_table *table);
/* Is the packet below its group's rate? -1: it cannot be told, and the packet is to go. */
int rate_table_ask(struct rate_table *table, const struct pkt *pkt, const struct ext_call *call, uint32_t mode,
		   unsigned int revision);
/* What the first packet costs; 0 or less sense than that refuses a rule. */
uint64_t rate_credits(uint64_t user, unsigned int revision);
uint32_t rate_credits_bytes(uint32_t user);

#endif
