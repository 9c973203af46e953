/* fuzz/helper_pptp.c - PPTP control messages, cut and bent. */
#include "helper_world.h"

extern const struct ct_helper ct_helper_pptp;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return helper_fuzz(&ct_helper_pptp, data, size);
}
