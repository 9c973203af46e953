/* base/crc32c.h - CRC-32C (Castagnoli), the checksum of SCTP. */
#ifndef WEIR_BASE_CRC32C_H
#define WEIR_BASE_CRC32C_H

#include "base/types.h"

/* Running value: begin with ~0, continue with the result, end with its complement. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
