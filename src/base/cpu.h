/*
 * Which vectors this processor has, of those that weir has faster forms for. Every such form answers as its plain twin does.
 */
#ifndef WEIR_BASE_CPU_H
#define WEIR_BASE_CPU_H

enum cpu_vectors { CPU_NO_VECTORS, CPU_AVX2, CPU_AVX512 };

/* The widest, or less where WEIR_VECTORS=none or =avx2 says so: the twins are compared by it. Read once, before main(). */
enum cpu_vectors cpu_vectors(void);

#endif
