/* fuzz/helper_h323.c - H.323: RAS, call signalling, or H.245 by itself, as bits 2 and 3 of the first byte say. */
#include "helper_world.h"

extern const struct ct_helper ct_helper_ras, ct_helper_q931, ct_helper_h245;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ct_helper *const helpers[] = { &ct_helper_q931, &ct_helper_ras, &ct_helper_h245, &ct_helper_q931 };

	return size ? helper_fuzz(helpers[data[0] >> 2 & 3], data, size) : 0;
}
