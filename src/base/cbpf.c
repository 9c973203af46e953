/*
 * base/cbpf.c - the classic BPF machine. A program is checked once, as strictly as Linux does, so that running it needs no
 * other checks than those of its data's bounds.
 */
#include "base/cbpf.h"

/* Parts of classic BPF that its user header leaves out. */
#ifndef BPF_MOD
#define BPF_MOD 0x90
#endif
#ifndef BPF_XOR
#define BPF_XOR 0xa0
#endif

/* --- the check --- */

static bool op_is_known(const struct sock_filter *f)
{
	uint16_t rest = f->code & ~(BPF_CLASS(f->code) | BPF_OP(f->code) | BPF_SRC(f->code));

	if (f->code > 0xff)
		return false;
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
		return f->code == (BPF_LD | BPF_IMM) || f->code == (BPF_LD | BPF_MEM) || f->code == (BPF_LD | BPF_W | BPF_LEN) ||
		       ((BPF_MODE(f->code) == BPF_ABS || BPF_MODE(f->code) == BPF_IND) && BPF_SIZE(f->code) != 0x18);
	case BPF_LDX:
		return f->code == (BPF_LDX | BPF_IMM) || f->code == (BPF_LDX | BPF_MEM) || f->code == (BPF_LDX | BPF_W | BPF_LEN) ||
		       f->code == (BPF_LDX | BPF_B | BPF_MSH);
	case BPF_ST:
		return f->code == BPF_ST;
	case BPF_STX:
		return f->code == BPF_STX;
	case BPF_ALU:
		return !rest && (BPF_OP(f->code) <= BPF_XOR) && (BPF_OP(f->code) != BPF_NEG || BPF_SRC(f->code) == BPF_K);
	case BPF_JMP:
		return f->code == (BPF_JMP | BPF_JA) || (!rest && BPF_OP(f->code) >= BPF_JEQ && BPF_OP(f->code) <= BPF_JSET);
	case BPF_RET:
		return f->code == (BPF_RET | BPF_K) || f->code == (BPF_RET | BPF_A);
	default:
		return f->code == (BPF_MISC | BPF_TAX) || f->code == (BPF_MISC | BPF_TXA);
	}
}

static bool op_is_valid(const struct sock_filter *f, uint32_t left, bool (*ancillary_is_known)(uint32_t what))
{
	uint16_t op = BPF_OP(f->code);

	switch (BPF_CLASS(f->code)) {
	case BPF_ALU:
		if (BPF_SRC(f->code) == BPF_K && (op == BPF_DIV || op == BPF_MOD))
			return f->k != 0;
		return !(BPF_SRC(f->code) == BPF_K && (op == BPF_LSH || op == BPF_RSH)) || f->k < 32;
	case BPF_ST:
	case BPF_STX:
		return f->k < BPF_MEMWORDS;
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(f->code) == BPF_MEM)
			return f->k < BPF_MEMWORDS;
		return BPF_CLASS(f->code) != BPF_LD || BPF_MODE(f->code) != BPF_ABS || f->k < (uint32_t)SKF_AD_OFF ||
		       ancillary_is_known(f->k - (uint32_t)SKF_AD_OFF);
	case BPF_JMP:
		return op == BPF_JA ? f->k < left : f->jt < left && f->jf < left;
	}
	return true;
}

/* Every way to a read of memory must have written it; jumps go forward only, so one pass will do. */
static bool memory_is_written(const struct sock_filter *ops, unsigned int count)
{
	uint16_t at_entry[BPF_MAXINSNS], written = 0;

	memset(at_entry, 0xff, count * sizeof(*at_entry));
	for (unsigned int pc = 0; pc < count; pc++) {
		const struct sock_filter *f = &ops[pc];

		written &= at_entry[pc];
		if (BPF_CLASS(f->code) == BPF_ST || BPF_CLASS(f->code) == BPF_STX) {
			written |= 1u << f->k;
		} else if (f->code == (BPF_LD | BPF_MEM) || f->code == (BPF_LDX | BPF_MEM)) {
			if (!(written & 1u << f->k))
				return false;
		} else if (BPF_CLASS(f->code) == BPF_JMP) {
			if (BPF_OP(f->code) == BPF_JA) {
				at_entry[pc + 1 + f->k] &= written;
			} else {
				at_entry[pc + 1 + f->jt] &= written;
				at_entry[pc + 1 + f->jf] &= written;
			}
			written = UINT16_MAX;
		}
	}
	return true;
}

enum cbpf_fault cbpf_check(const struct sock_filter *ops, unsigned int count, bool (*ancillary_is_known)(uint32_t what),
			   unsigned int *at)
{
	*at = 0;
	if (count == 0 || count > BPF_MAXINSNS)
		return CBPF_BAD_SIZE;
	for (; *at < count; ++*at)
		if (!op_is_known(&ops[*at]) || !op_is_valid(&ops[*at], count - *at - 1, ancillary_is_known))
			return CBPF_BAD_OP;
	if (BPF_CLASS(ops[count - 1].code) != BPF_RET)
		return CBPF_NO_RETURN;
	return memory_is_written(ops, count) ? CBPF_GOOD : CBPF_UNWRITTEN;
}

/* --- the run --- */

static bool alu(uint16_t op, uint32_t *a, uint32_t b)
{
	switch (op) {
	case BPF_ADD: *a += b; return true;
	case BPF_SUB: *a -= b; return true;
	case BPF_MUL: *a *= b; return true;
	case BPF_DIV: *a = b ? *a / b : 0; return b;
	case BPF_MOD: *a = b ? *a % b : 0; return b;
	case BPF_AND: *a &= b; return true;
	case BPF_OR: *a |= b; return true;
	case BPF_XOR: *a ^= b; return true;
	case BPF_LSH: *a <<= b & 31; return true;
	case BPF_RSH: *a >>= b & 31; return true;
	default: *a = -*a; return true;
	}
}

static bool jump_taken(uint16_t op, uint32_t a, uint32_t b)
{
	return op == BPF_JEQ ? a == b : op == BPF_JGT ? a > b : op == BPF_JGE ? a >= b : (a & b) != 0;
}

uint32_t cbpf_run(const struct sock_filter *ops, const struct cbpf_data *data)
{
	uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = { 0 };

	for (const struct sock_filter *f = ops;; f++) {
		uint32_t operand = BPF_SRC(f->code) == BPF_X ? x : f->k;
		uint16_t mode = BPF_MODE(f->code);

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (mode == BPF_IMM)
				a = f->k;
			else if (mode == BPF_MEM)
				a = memory[f->k];
			else if (mode == BPF_LEN)
				a = data->len;
			else if (mode == BPF_ABS && f->k >= (uint32_t)SKF_AD_OFF) {
				if (!data->ancillary(data, f->k - (uint32_t)SKF_AD_OFF, x, &a))
					return 0;
			} else if (!data->load(data, f->k + (mode == BPF_IND ? x : 0), BPF_SIZE(f->code), &a))
				return 0;
			break;
		case BPF_LDX:
			if (mode == BPF_MSH) {
				if (!data->load(data, f->k, BPF_B, &x))
					return 0;
				x = (x & 15) * 4;
			} else {
				x = mode == BPF_IMM ? f->k : mode == BPF_MEM ? memory[f->k] : data->len;
			}
			break;
		case BPF_ST:
			memory[f->k] = a;
			break;
		case BPF_STX:
			memory[f->k] = x;
			break;
		case BPF_ALU:
			if (!alu(BPF_OP(f->code), &a, operand))
				return 0;
			break;
		case BPF_JMP:
			f += BPF_OP(f->code) == BPF_JA ? f->k : jump_taken(BPF_OP(f->code), a, operand) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
		}
	}
}
