/* fuzz/helper_sane.c - SANE requests and answers, cut and bent. */
#include "helper_world.h"

extern const struct ct_helper ct_helper_sane;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return helper_fuzz(&ct_helper_sane, data, size);
}
