/*
 * Asked once, when the program is loaded: what it runs on does not change.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"

static enum cpu_vectors widest;

__attribute__((constructor)) static void look(void)
{
	const char *most = getenv("WEIR_VECTORS");

#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
		widest = CPU_AVX512;
	else if (__builtin_cpu_supports("avx2"))
		widest = CPU_AVX2;
#endif
	if (most && !strcmp(most, "none"))
		widest = CPU_NO_VECTORS;
	else if (most && !strcmp(most, "avx2") && widest > CPU_AVX2)
		widest = CPU_AVX2;
}

enum cpu_vectors cpu_vectors(void) { return widest; }
