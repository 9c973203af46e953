/*
 * control/nl_filter.c - classic BPF on netlink messages: what conntrackd and ulogd attach so that uninteresting events
 * never reach them. Offsets count from the message's head; the ancillary loads find attributes.
 */
#include "control/control_internal.h"

enum { MEMORY_WORDS = BPF_MEMWORDS };

static bool is_known(uint16_t code)
{
	switch (code) {
	case BPF_LD | BPF_W | BPF_ABS: case BPF_LD | BPF_H | BPF_ABS: case BPF_LD | BPF_B | BPF_ABS:
	case BPF_LD | BPF_W | BPF_IND: case BPF_LD | BPF_H | BPF_IND: case BPF_LD | BPF_B | BPF_IND:
	case BPF_LD | BPF_W | BPF_LEN: case BPF_LDX | BPF_W | BPF_LEN: case BPF_LD | BPF_IMM: case BPF_LDX | BPF_IMM:
	case BPF_LD | BPF_MEM: case BPF_LDX | BPF_MEM: case BPF_ST: case BPF_STX:
	case BPF_LDX | BPF_B | BPF_MSH:
	case BPF_ALU | BPF_ADD | BPF_K: case BPF_ALU | BPF_ADD | BPF_X: case BPF_ALU | BPF_SUB | BPF_K:
	case BPF_ALU | BPF_SUB | BPF_X: case BPF_ALU | BPF_MUL | BPF_K: case BPF_ALU | BPF_MUL | BPF_X:
	case BPF_ALU | BPF_DIV | BPF_K: case BPF_ALU | BPF_DIV | BPF_X: case BPF_ALU | BPF_MOD | BPF_K:
	case BPF_ALU | BPF_MOD | BPF_X: case BPF_ALU | BPF_AND | BPF_K: case BPF_ALU | BPF_AND | BPF_X:
	case BPF_ALU | BPF_OR | BPF_K: case BPF_ALU | BPF_OR | BPF_X: case BPF_ALU | BPF_XOR | BPF_K:
	case BPF_ALU | BPF_XOR | BPF_X: case BPF_ALU | BPF_LSH | BPF_K: case BPF_ALU | BPF_LSH | BPF_X:
	case BPF_ALU | BPF_RSH | BPF_K: case BPF_ALU | BPF_RSH | BPF_X: case BPF_ALU | BPF_NEG:
	case BPF_JMP | BPF_JA: case BPF_JMP | BPF_JEQ | BPF_K: case BPF_JMP | BPF_JEQ | BPF_X:
	case BPF_JMP | BPF_JGT | BPF_K: case BPF_JMP | BPF_JGT | BPF_X: case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_X: case BPF_JMP | BPF_JSET | BPF_K: case BPF_JMP | BPF_JSET | BPF_X:
	case BPF_RET | BPF_K: case BPF_RET | BPF_A: case BPF_MISC | BPF_TAX: case BPF_MISC | BPF_TXA:
		return true;
	default:
		return false;
	}
}

int nl_filter_check(const struct sock_filter *filter, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++) {
		const struct sock_filter *f = &filter[i];
		uint64_t left = len - i - 1;

		if (!is_known(f->code))
			return -EINVAL;
		if ((f->code == (BPF_ALU | BPF_DIV | BPF_K) || f->code == (BPF_ALU | BPF_MOD | BPF_K)) && !f->k)
			return -EINVAL;
		if ((f->code == (BPF_ALU | BPF_LSH | BPF_K) || f->code == (BPF_ALU | BPF_RSH | BPF_K)) && f->k > 31)
			return -EINVAL;
		if ((f->code == BPF_ST || f->code == BPF_STX || f->code == (BPF_LD | BPF_MEM) ||
		     f->code == (BPF_LDX | BPF_MEM)) && f->k >= MEMORY_WORDS)
			return -EINVAL;
		if (f->code == (BPF_JMP | BPF_JA) ? f->k >= left :
		    BPF_CLASS(f->code) == BPF_JMP && (f->jt >= left || f->jf >= left))
			return -EINVAL;
	}
	return BPF_CLASS(filter[len - 1].code) == BPF_RET ? 0 : -EINVAL;
}

/* Where attribute @type stands among those that begin at @from; 0: nowhere. */
static uint32_t find_attr(const uint8_t *msg, size_t len, uint32_t from, uint32_t type, bool inside)
{
	struct nlattr a;

	if (inside) {
		if (len < sizeof(a) || from > len - sizeof(a))
			return 0;
		memcpy(&a, msg + from, sizeof(a));
		if (a.nla_len > len - from)
			return 0;
		len = from + a.nla_len;
		from += sizeof(a);
	}
	while (from <= len && len - from >= sizeof(a)) {
		memcpy(&a, msg + from, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > len - from)
			return 0;
		if ((uint32_t)(a.nla_type & NLA_TYPE_MASK) == type)
			return from;
		from += NLA_ALIGN(a.nla_len);
	}
	return 0;
}

static bool load(const uint8_t *msg, size_t len, uint32_t at, uint16_t size, uint32_t *a, uint32_t x)
{
	if (at == (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR) || at == (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR_NEST)) {
		*a = find_attr(msg, len, *a, x, at == (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR_NEST));
		return true;
	}
	if (at > len)
		return false;
	if (size == BPF_W && len - at >= 4)
		*a = get_be32(msg + at);
	else if (size == BPF_H && len - at >= 2)
		*a = get_be16(msg + at);
	else if (size == BPF_B && len - at >= 1)
		*a = msg[at];
	else
		return false;
	return true;
}

static bool compute(uint16_t op, uint32_t *a, uint32_t v)
{
	switch (op) {
	case BPF_ADD: *a += v; break;
	case BPF_SUB: *a -= v; break;
	case BPF_MUL: *a *= v; break;
	case BPF_AND: *a &= v; break;
	case BPF_OR: *a |= v; break;
	case BPF_XOR: *a ^= v; break;
	case BPF_LSH: *a <<= v & 31; break;
	case BPF_RSH: *a >>= v & 31; break;
	case BPF_NEG: *a = -*a; break;
	case BPF_DIV: if (!v) return false; *a /= v; break;
	case BPF_MOD: if (!v) return false; *a %= v; break;
	}
	return true;
}

static bool jumps(uint16_t op, uint32_t a, uint32_t v)
{
	switch (op) {
	case BPF_JEQ: return a == v;
	case BPF_JGT: return a > v;
	case BPF_JGE: return a >= v;
	default: return a & v;
	}
}

bool nl_filter_passes(const struct nl_sock *sock, const void *data, size_t len)
{
	uint32_t a = 0, x = 0, memory[MEMORY_WORDS] = { 0 };
	const uint8_t *msg = data;

	for (unsigned int pc = 0; pc < sock->filter_len; pc++) {
		const struct sock_filter *f = &sock->filter[pc];
		uint32_t v = BPF_SRC(f->code) == BPF_X ? x : f->k;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (BPF_MODE(f->code) == BPF_IMM)
				a = f->k;
			else if (BPF_MODE(f->code) == BPF_MEM)
				a = memory[f->k];
			else if (BPF_MODE(f->code) == BPF_LEN)
				a = (uint32_t)len;
			else if (!load(msg, len, BPF_MODE(f->code) == BPF_IND ? x + f->k : f->k, BPF_SIZE(f->code), &a, x))
				return false;
			break;
		case BPF_LDX:
			if (BPF_MODE(f->code) == BPF_IMM)
				x = f->k;
			else if (BPF_MODE(f->code) == BPF_MEM)
				x = memory[f->k];
			else if (BPF_MODE(f->code) == BPF_LEN)
				x = (uint32_t)len;
			else if (f->k < len)
				x = (msg[f->k] & 15u) * 4;
			else
				return false;
			break;
		case BPF_ST:
			memory[f->k] = a;
			break;
		case BPF_STX:
			memory[f->k] = x;
			break;
		case BPF_ALU:
			if (!compute(BPF_OP(f->code), &a, v))
				return false;
			break;
		case BPF_JMP:
			pc += BPF_OP(f->code) == BPF_JA ? f->k : jumps(BPF_OP(f->code), a, v) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		case BPF_MISC:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
			break;
		}
	}
	return false;
}
