/* base/cbpf.h - classic BPF programs (linux/filter.h): checked once, then run over any data. */
#ifndef WEIR_BASE_CBPF_H
#define WEIR_BASE_CBPF_H

#include "base/types.h"

#include <linux/filter.h>

enum cbpf_fault { CBPF_GOOD, CBPF_BAD_SIZE, CBPF_BAD_OP, CBPF_NO_RETURN, CBPF_UNWRITTEN };

/*
 * What Linux asks of a program: known instructions, jumps forward and inside only, no memory read before it was written, a
 * return at the end. @ancillary_is_known: may offset SKF_AD_OFF + @what be loaded? *at: where CBPF_BAD_OP is.
 */
enum cbpf_fault cbpf_check(const struct sock_filter *ops, unsigned int count, bool (*ancillary_is_known)(uint32_t what),
			   unsigned int *at);

/* What a program reads; container_of() finds the rest. A load that answers false ends the program with 0. */
struct cbpf_data {
	uint32_t len;
	/* @size: BPF_W, BPF_H or BPF_B */
	bool (*load)(const struct cbpf_data *data, uint32_t offset, uint16_t size, uint32_t *out);
	/* SKF_AD_OFF + @what; *a is the accumulator, which some of them read. */
	bool (*ancillary)(const struct cbpf_data *data, uint32_t what, uint32_t x, uint32_t *a);
};

/* @ops: a program that cbpf_check() found good. What it returns. */
uint32_t cbpf_run(const struct sock_filter *ops, const struct cbpf_data *data);

#endif
