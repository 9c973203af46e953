/*
 * port/tun_steer.c - which queue of a TAP or TUN device a packet takes. Left alone, Linux moves a flow to the queue that last wrote its other direction,
 * and packets overtake each other on the way; this little program goes by addresses and ports, either way round, from first to last.
 * What it cannot read (short, of another protocol, tagged) takes the first queue.
 */
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "packet/packet.h"
#include "port/port.h"

/* r6: the packet, as loads want it; r7: the sum of all that counts; r8: where the ports are */
#define OP(code_, dst_, src_, off_, imm_) \
	((struct bpf_insn){ .code = (code_), .dst_reg = (dst_), .src_reg = (src_), .off = (off_), .imm = (imm_) })
#define LOAD(size_, at_)	OP(BPF_LD | BPF_ABS | (size_), 0, 0, 0, (at_))			/* r0 = packet[at] */
#define LOAD_FROM_R8(at_)	OP(BPF_LD | BPF_IND | BPF_H, 0, BPF_REG_8, 0, (at_))		/* r0 = packet[r8 + at] */
#define COUNT()			OP(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_7, BPF_REG_0, 0, 0)	/* r7 += r0 */
#define DO(op_, reg_, imm_)	OP(BPF_ALU64 | (op_) | BPF_K, (reg_), 0, 0, (imm_))
#define IF(op_, imm_, skip_)	OP(BPF_JMP | (op_) | BPF_K, BPF_REG_0, 0, (skip_), (imm_))
#define SKIP(skip_)		OP(BPF_JMP | BPF_JA, 0, 0, (skip_), 0)

enum { PROGRAM_MAX = 64, SPREAD = 0x1e3779b1 };

static unsigned int add_all(struct bpf_insn *to, const struct bpf_insn *ops, unsigned int count)
{
	memcpy(to, ops, count * sizeof(*ops));
	return count;
}
#define ADD(...) do {								\
	const struct bpf_insn ops[] = { __VA_ARGS__ };				\
	n += add_all(p + n, ops, ARRAY_SIZE(ops));				\
} while (0)

/* @ip: where its header is, behind an Ethernet's or at the beginning. Jumps to the end are set when it is known. */
static unsigned int program_make(struct bpf_insn *p, int ip)
{
	enum { END = INT16_MAX };
	unsigned int n = 0;

	ADD(OP(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0), DO(BPF_MOV, BPF_REG_7, 0));
	if (ip)
		ADD(LOAD(BPF_H, ip - 2), IF(BPF_JEQ, ETH_P_IP, 1), IF(BPF_JNE, ETH_P_IPV6, END));
	ADD(LOAD(BPF_B, ip), DO(BPF_RSH, BPF_REG_0, 4), IF(BPF_JEQ, 6, 13), IF(BPF_JNE, 4, END));
	/* IPv4, 12 instructions and the way over IPv6; of fragments addresses alone count */
	ADD(LOAD(BPF_W, ip + 12), COUNT(), LOAD(BPF_W, ip + 16), COUNT(), LOAD(BPF_H, ip + 6), IF(BPF_JSET, IP4_MF | IP4_OFFSET_MASK, END),
	    LOAD(BPF_B, ip), DO(BPF_AND, BPF_REG_0, 15), DO(BPF_LSH, BPF_REG_0, 2), OP(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_8, BPF_REG_0, 0, 0),
	    LOAD(BPF_B, ip + 9), SKIP(18));
	for (int word = 8; word < 40; word += 4)	/* IPv6, 18 instructions */
		ADD(LOAD(BPF_W, ip + word), COUNT());
	ADD(DO(BPF_MOV, BPF_REG_8, 40), LOAD(BPF_B, ip + 6));
	ADD(IF(BPF_JEQ, IPPROTO_TCP, 3), IF(BPF_JEQ, IPPROTO_UDP, 2), IF(BPF_JEQ, IPPROTO_SCTP, 1), IF(BPF_JNE, IPPROTO_UDPLITE, END));
	ADD(LOAD_FROM_R8(ip), COUNT(), LOAD_FROM_R8(ip + 2), COUNT());
	for (unsigned int i = 0; i < n; i++)
		if (p[i].off == END)
			p[i].off = (int16_t)(n - i - 1);
	ADD(OP(BPF_ALU | BPF_MUL | BPF_K, BPF_REG_7, 0, 0, SPREAD), OP(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_7, 0, 0, 16),
	    OP(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_7, 0, 0), OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
	return n;
}

int tun_steer(int fd, bool is_ip)
{
	struct bpf_insn program[PROGRAM_MAX];
	union bpf_attr attr;
	int steer, err;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = program_make(program, is_ip ? 0 : ETH_HLEN);
	attr.license = (uint64_t)(uintptr_t)"MIT";
	steer = (int)syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (steer < 0)
		return -errno;
	err = ioctl(fd, TUNSETSTEERINGEBPF, &steer) ? -errno : 0;
	close(steer);
	return err;
}
