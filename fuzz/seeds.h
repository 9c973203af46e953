/*
 * seeds.h - inputs that a target makes of the registry: at its start it runs them all, so that none of the extensions is ever passed over;
 * with WEIR_FUZZ_SEEDS=DIR it writes them there instead, for a fuzzer to begin with (tools/fuzz).
 */
#ifndef WEIR_FUZZ_SEEDS_H
#define WEIR_FUZZ_SEEDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void seed_use(const uint8_t *data, size_t size)
{
	static unsigned int number;
	const char *dir = getenv("WEIR_FUZZ_SEEDS");
	char path[512];
	FILE *out;

	if (!dir) {
		LLVMFuzzerTestOneInput(data, size);
		return;
	}
	snprintf(path, sizeof(path), "%s/registry%05u", dir, number++);
	out = fopen(path, "w");
	if (!out || fwrite(data, size, 1, out) != 1 || fclose(out))
		exit(1);
}

#endif
