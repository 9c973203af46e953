/* fuzz/helper_sip.c - SIP messages, cut and bent; bit 2 of the first byte: over TCP. */
#include "helper_world.h"

extern const struct ct_helper ct_helper_sip_udp, ct_helper_sip_tcp;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return helper_fuzz(size && data[0] & 4 ? &ct_helper_sip_tcp : &ct_helper_sip_udp, data, size);
}
