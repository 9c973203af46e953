/*
 * ext/match/bpf.c - "-m bpf": a classic BPF program over the packet, offsets counted from the network header.
 * The program is checked once, as strictly as Linux does (jumps only forward and inside, no unwritten memory, a
 * return at the end), so that running it needs no other checks than those of packet bounds.
 */
#include "base/uapi.h"

#include <linux/filter.h>
#include <linux/netfilter/xt_bpf.h>

#include <stdio.h>

#include "ext/option.h"

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

static bool ancillary_is_known(uint32_t k)
{
	uint32_t what = k - (uint32_t)SKF_AD_OFF;

	return what % 4 == 0 && what <= SKF_AD_VLAN_TPID && what != SKF_AD_NLATTR && what != SKF_AD_NLATTR_NEST &&
	       what != SKF_AD_PAY_OFFSET;
}

static bool op_is_valid(const struct sock_filter *f, uint32_t left)
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
		       ancillary_is_known(f->k);
	case BPF_JMP:
		return op == BPF_JA ? f->k < left : f->jt < left && f->jf < left;
	}
	return true;
}

/* Every way to a read of memory must have written it; jumps go forward only, so one pass will do. */
static bool memory_is_written(const struct sock_filter *ops, unsigned int count)
{
	uint16_t at_entry[XT_BPF_MAX_NUM_INSTR], written = 0;

	memset(at_entry, 0xff, sizeof(at_entry));
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

static int program_check(const struct sock_filter *ops, unsigned int count, struct refusal *why)
{
	if (count == 0 || count > XT_BPF_MAX_NUM_INSTR)
		return refuse(why, -EINVAL, "bpf: a program has 1 to %d instructions, not %u", XT_BPF_MAX_NUM_INSTR, count);
	for (unsigned int pc = 0; pc < count; pc++)
		if (!op_is_known(&ops[pc]) || !op_is_valid(&ops[pc], count - pc - 1))
			return refuse(why, -EINVAL, "bpf: instruction %u is not valid", pc);
	if (BPF_CLASS(ops[count - 1].code) != BPF_RET)
		return refuse(why, -EINVAL, "bpf: the last instruction must return");
	if (!memory_is_written(ops, count))
		return refuse(why, -EINVAL, "bpf: memory is read before it is written");
	return 0;
}

/* --- the run --- */

/* Negative offsets: the link-layer header (with the packet behind it), the network header. */
static bool load(const struct pkt *pkt, uint32_t offset, uint16_t size, uint32_t *out)
{
	unsigned int len = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
	uint8_t bytes[4];

	if (offset <= INT32_MAX || offset >= (uint32_t)SKF_NET_OFF) {
		const uint8_t *at = pkt_at(pkt, offset <= INT32_MAX ? offset : offset - (uint32_t)SKF_NET_OFF, len);

		if (!at)
			return false;
		memcpy(bytes, at, len);
	} else if (offset >= (uint32_t)SKF_LL_OFF && pkt->mac) {
		offset -= (uint32_t)SKF_LL_OFF;
		for (unsigned int i = 0; i < len; i++, offset++) {
			if (offset < pkt->mac_len)
				bytes[i] = pkt->mac[offset];
			else if (offset - pkt->mac_len < pkt->len)
				bytes[i] = pkt->data[offset - pkt->mac_len];
			else
				return false;
		}
	} else {
		return false;
	}
	*out = len == 4 ? get_be32(bytes) : len == 2 ? get_be16(bytes) : bytes[0];
	return true;
}

static bool load_ancillary(const struct pkt *pkt, const struct ext_call *call, uint32_t what, uint32_t x, uint32_t *a)
{
	const struct iface *dev = call->state->hooknum == NF_INET_POST_ROUTING ? call->state->out : call->state->in;

	switch (what) {
	case SKF_AD_PROTOCOL: *a = pkt->protocol; return true;
	case SKF_AD_PKTTYPE: *a = pkt->type; return true;
	case SKF_AD_IFINDEX: *a = dev ? dev->index : 0; return dev;
	case SKF_AD_HATYPE: *a = dev ? dev->type : 0; return dev;
	case SKF_AD_MARK: *a = pkt->mark; return true;
	case SKF_AD_ALU_XOR_X: *a ^= x; return true;
	case SKF_AD_VLAN_TAG: *a = pkt->vlan_tci; return true;
	case SKF_AD_VLAN_TAG_PRESENT: *a = !!(pkt->flags & PKT_FLAG_VLAN); return true;
	case SKF_AD_VLAN_TPID: *a = pkt->flags & PKT_FLAG_VLAN ? ETH_P_8021Q : 0; return true;
	case SKF_AD_RANDOM: *a = rng_u32(&call->inst->rng); return true;
	default: *a = 0; return true;	/* one queue, one processor, no hash */
	}
}

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

static uint32_t run(const struct sock_filter *ops, const struct pkt *pkt, const struct ext_call *call)
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
				a = pkt->len;
			else if (mode == BPF_ABS && f->k >= (uint32_t)SKF_AD_OFF) {
				if (!load_ancillary(pkt, call, f->k - (uint32_t)SKF_AD_OFF, x, &a))
					return 0;
			} else if (!load(pkt, f->k + (mode == BPF_IND ? x : 0), BPF_SIZE(f->code), &a))
				return 0;
			break;
		case BPF_LDX:
			if (mode == BPF_MSH) {
				if (!load(pkt, f->k, BPF_B, &x))
					return 0;
				x = (x & 15) * 4;
			} else {
				x = mode == BPF_IMM ? f->k : mode == BPF_MEM ? memory[f->k] : pkt->len;
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

static bool bpf_match_0(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return run(((const struct xt_bpf_info *)data)->bpf_program, pkt, call);
}

static bool bpf_match_1(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return run(((const struct xt_bpf_info_v1 *)data)->bpf_program, pkt, call);
}

static int bpf_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_bpf_info *info = data;

	return program_check(info->bpf_program, info->bpf_program_num_elem, why);
}

static int bpf_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_bpf_info_v1 *info = data;

	if (info->mode != XT_BPF_MODE_BYTECODE)
		return refuse(why, -EINVAL, "bpf: only bytecode can be run here, no objects of the host's kernel");
	return program_check(info->bpf_program, info->bpf_program_num_elem, why);
}

/* --- text --- */

/* "2,48 0 0 9,6 0 0 1" */
static int parse_bytecode(struct opt_call *call, struct refusal *why)
{
	struct xt_bpf_info_v1 *info = call->info;
	const char *at = call->arg;
	unsigned short code, count;
	unsigned int read = 0;
	char comma;

	if (sscanf(at, "%hu%c", &count, &comma) != 2 || comma != ',' || !count || count > XT_BPF_MAX_NUM_INSTR)
		return refuse(why, -EINVAL, "bpf: --bytecode begins with the number of instructions (1 to %d) and a comma",
			      XT_BPF_MAX_NUM_INSTR);
	while ((at = strchr(at, ',')) && *++at) {
		struct sock_filter *f = &info->bpf_program[read];
		uint8_t jt, jf;
		unsigned int k;

		if (read == count)
			return refuse(why, -EINVAL, "bpf: there are more than %u instructions", count);
		if (sscanf(at, "%hu %hhu %hhu %u", &code, &jt, &jf, &k) != 4)
			return refuse(why, -EINVAL, "bpf: instruction %u is not four numbers", read);
		*f = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
		read++;
	}
	if (read != count)
		return refuse(why, -EINVAL, "bpf: there are %u instructions, not %u", read, count);
	info->mode = XT_BPF_MODE_BYTECODE;
	info->bpf_program_num_elem = count;
	return 0;
}

static int refuse_object(struct opt_call *call, struct refusal *why)
{
	return refuse(why, -EINVAL, "bpf: pinned objects live in the host's kernel and cannot be run here; use --bytecode");
}

static const struct opt bpf_options[] = {
	{ .name = "bytecode", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_bytecode, .arg = "program",
	  .help = "program generated by nfbpf_compile: count,code jt jf k,..." },
	{ .name = "object-pinned", .type = OPT_CUSTOM, .parse = refuse_object, .arg = "file", .help = "not possible here" },
	OPT_END
};

static void add_program(struct strbuf *out, const struct xt_bpf_info_v1 *info)
{
	unsigned int count = MIN_OF(info->bpf_program_num_elem, XT_BPF_MAX_NUM_INSTR);

	for (unsigned int i = 0; i < count; i++) {
		const struct sock_filter *f = &info->bpf_program[i];

		sb_printf(out, "%hu %hhu %hhu %u%s", f->code, f->jt, f->jf, f->k, i + 1 < count ? "," : "");
	}
}

static void bpf_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_bpf_info_v1 *info = data;

	sb_printf(out, " --bytecode \"%hu,", info->bpf_program_num_elem);
	add_program(out, info);
	sb_addc(out, '"');
}

static void bpf_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " match bpf ");
	add_program(out, data);
}

static const struct ext_text bpf_text = {
	.options = bpf_options, .help_head = "bpf match options:", .save = bpf_save, .print = bpf_print,
};

#define BPF_DEPENDS (DEP_BYTES | DEP_MAC | DEP_PKT_TYPE | DEP_MARK | DEP_IFACES | DEP_RANDOM | DEP_STATE)

const struct match match_bpf_0 = {
	.name = "bpf", .revision = 0, .families = FAMILY_ANY, .info_size = sizeof(struct xt_bpf_info),
	.user_size = offsetof(struct xt_bpf_info, filter), .depends = BPF_DEPENDS,
	.match = bpf_match_0, .checkentry = bpf_check_0,
};

const struct match match_bpf_1 = {
	.name = "bpf", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_bpf_info_v1),
	.user_size = offsetof(struct xt_bpf_info_v1, filter), .depends = BPF_DEPENDS,
	.match = bpf_match_1, .checkentry = bpf_check_1, .text = &bpf_text,
};
