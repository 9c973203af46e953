/* fuzz/helper_ftp.c - FTP control lines, cut and bent. */
#include "helper_world.h"

extern const struct ct_helper ct_helper_ftp;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return helper_fuzz(&ct_helper_ftp, data, size);
}
