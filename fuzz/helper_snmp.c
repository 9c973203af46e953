/* fuzz/helper_snmp.c - SNMP messages, cut and bent; bit 2 of the first byte: to the trap helper. */
#include "helper_world.h"

extern const struct ct_helper ct_helper_snmp, ct_helper_snmp_trap;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return helper_fuzz(size && data[0] & 4 ? &ct_helper_snmp_trap : &ct_helper_snmp, data, size);
}
