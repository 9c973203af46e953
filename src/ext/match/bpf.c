/*
 * ext/match/bpf.c - "-m bpf": a classic BPF program over the packet, offsets counted from the network header.
 * Negative offsets reach the link-layer header and what is known of the packet beside its bytes.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_bpf.h>

#include <stdio.h>

#include "base/cbpf.h"
#include "classify/classify.h"
#include "ext/option.h"

/* --- the check --- */

static bool ancillary_is_known(uint32_t what)
{
	return what % 4 == 0 && what <= SKF_AD_VLAN_TPID && what != SKF_AD_NLATTR && what != SKF_AD_NLATTR_NEST &&
	       what != SKF_AD_PAY_OFFSET;
}

static int program_check(const struct sock_filter *ops, unsigned int count, struct refusal *why)
{
	unsigned int at;

	switch (count > XT_BPF_MAX_NUM_INSTR ? CBPF_BAD_SIZE : cbpf_check(ops, count, ancillary_is_known, &at)) {
	case CBPF_BAD_SIZE:
		return refuse(why, -EINVAL, "bpf: a program has 1 to %d instructions, not %u", XT_BPF_MAX_NUM_INSTR, count);
	case CBPF_BAD_OP:
		return refuse(why, -EINVAL, "bpf: instruction %u is not valid", at);
	case CBPF_NO_RETURN:
		return refuse(why, -EINVAL, "bpf: the last instruction must return");
	case CBPF_UNWRITTEN:
		return refuse(why, -EINVAL, "bpf: memory is read before it is written");
	case CBPF_GOOD:
		break;
	}
	return 0;
}

/* --- the run --- */

struct packet_data {
	struct cbpf_data data;
	const struct pkt *pkt;
	const struct ext_call *call;
};

/* Negative offsets: the link-layer header (with the packet behind it), the network header. */
static bool load(const struct cbpf_data *data, uint32_t offset, uint16_t size, uint32_t *out)
{
	const struct pkt *pkt = container_of(data, struct packet_data, data)->pkt;
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

static bool load_ancillary(const struct cbpf_data *data, uint32_t what, uint32_t x, uint32_t *a)
{
	const struct packet_data *p = container_of(data, struct packet_data, data);
	const struct pkt *pkt = p->pkt;
	const struct ext_call *call = p->call;
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

static uint32_t run(const struct sock_filter *ops, const struct pkt *pkt, const struct ext_call *call)
{
	struct packet_data p = { { pkt->len, load, load_ancillary }, pkt, call };

	return cbpf_run(ops, &p.data);
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
	sb_adds(out, "match bpf ");
	add_program(out, data);
}

static const struct ext_text bpf_text = {
	.options = bpf_options, .help_head = "bpf match options:", .save = bpf_save, .print = bpf_print,
};

#define BPF_DEPENDS (DEP_BYTES | DEP_MAC | DEP_PKT_TYPE | DEP_MARK | DEP_IFACES | DEP_RANDOM | DEP_STATE)

const struct match match_bpf_0 = {
	.name = "bpf", .revision = 0, .families = FAMILY_ANY, .info_size = sizeof(struct xt_bpf_info),
	.user_size = offsetof(struct xt_bpf_info, filter), .depends = BPF_DEPENDS,
	.match = bpf_match_0, .classify = class_rule_nothing, .checkentry = bpf_check_0,
};

const struct match match_bpf_1 = {
	.name = "bpf", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_bpf_info_v1),
	.user_size = offsetof(struct xt_bpf_info_v1, filter), .depends = BPF_DEPENDS,
	.match = bpf_match_1, .classify = class_rule_nothing, .checkentry = bpf_check_1, .text = &bpf_text,
};
