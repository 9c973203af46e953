/*
 * ext/natrange.h - what the NAT targets share: their range in the kernel's two older forms, as text and as one
 * struct nf_nat_range2.
 */
#ifndef WEIR_EXT_NATRANGE_H
#define WEIR_EXT_NATRANGE_H

#include "ext/option.h"
#include "nat/nat.h"

/* Revision 0 of IPv4: a list of ranges of which there is always one. */
struct nf_nat_range2 natrange_from_v0(const struct nf_nat_ipv4_multi_range_compat *mr);
struct nf_nat_range2 natrange_from_v1(const struct nf_nat_range *range);
void natrange_to_v0(struct nf_nat_ipv4_multi_range_compat *mr, const struct nf_nat_range2 *range);
void natrange_to_v1(struct nf_nat_range *v1, const struct nf_nat_range2 *range);

/* One range, and an address exactly where the target wants one. */
int natrange_check_v0(const struct nf_nat_ipv4_multi_range_compat *mr, struct refusal *why);

/* "--to-source", "--to-destination": [addr[-addr]][:port[-port[/base]]]. */
int natrange_parse_addr(struct opt_call *call, struct nf_nat_range2 *range, struct refusal *why);
/* "--to-ports": port[-port]. */
int natrange_parse_ports(struct opt_call *call, struct nf_nat_range2 *range, struct refusal *why);
/* What stands between @lead and the flags: " --to-source 192.0.2.1-192.0.2.9:1-2 --random". */
void natrange_print(const struct nf_nat_range2 *range, uint8_t family, const char *lead, const char *flag_lead,
		    bool is_ports_only, struct strbuf *out);

/* Every NAT target needs its connections tracked while its rule exists. */
int natrange_track(const struct ext_check *check, struct refusal *why);
void natrange_untrack(void *info, const struct ext_check *check);

/* A row that sets a bit of the range's flag word, which is at @flag_at. */
#define NATRANGE_FLAG_ROW(row_name, flag_at, bit, text) \
	{ .name = row_name, .type = OPT_FLAG, .set_at = flag_at, .set_bits = bit, \
	  .set_width = sizeof(unsigned int), .help = text }

#endif
