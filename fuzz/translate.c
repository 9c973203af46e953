/* translate.c - any bytes as a packet to be said in the other family's words: what comes out is a packet of just its length. */
#include <stdlib.h>

#include "nat/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* IPv4 addresses in the last four bytes of IPv6's; one in eight is nobody's. */
static enum xlat_verdict resolve(void *priv, struct xlat_flow *f)
{
	struct in6_addr prefix = { .s6_addr = { 0, 0x64, 0xff, 0x9b } };
	union nf_inet_addr src = { .all = { 0 } }, dst = src;

	(void)priv;
	if (f->is6) {
		memcpy(&src, &f->src.in6.s6_addr[12], 4);
		memcpy(&dst, &f->dst.in6.s6_addr[12], 4);
	} else {
		src.in6 = xlat_embed(&prefix, 96, f->src.ip);
		dst.in6 = xlat_embed(&prefix, 96, f->dst.ip);
	}
	f->src = src;
	f->dst = dst;
	f->src_key ^= htons(0x0101);
	return f->is6 && f->dst.in6.s6_addr[3] % 8 == 7 ? XLAT_NOT_MINE : XLAT_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xlat x = { .resolve = resolve, .in = data, .in_len = (uint32_t)size, .mtu4 = 1500, .mtu6 = 1480 };
	bool is6 = size && data[0] >> 4 == 6;

	if (size > 65575)
		return 0;
	x.out = malloc(XLAT_ROOM(size));
	if (x.out && (is6 ? xlat_6to4(&x) : xlat_4to6(&x)) == XLAT_DONE &&
	    (is6 ? x.out[0] >> 4 != 4 || get_be16(x.out + 2) != x.out_len : x.out[0] >> 4 != 6 || get_be16(x.out + 4) + 40u != x.out_len))
		abort();
	free(x.out);
	return 0;
}
