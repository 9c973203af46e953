/*
 * bench/kernel/inject.bpf.c - writes the frames that bench/engine.c writes, inside the kernel.
 * BPF_PROG_TEST_RUN with live frames hands each one to the receive path of an interface: what the call costs is what the kernel's
 * forwarding costs, from receive to transmit.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct plan {
	__u32 flows, is_random, is_reply, nat_addr;	/* host order */
	__u32 first;					/* flow to begin with */
	__u8 dst_mac[6], src_mac[6];
};

volatile struct plan plan;
__u64 next, random_state = 88172645463325252ULL;

static __always_inline __u64 add32(__u64 sum, __u32 v) { return sum + (v >> 16) + (v & 0xffff); }

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return ~sum & 0xffff;
}

static __always_inline __u32 pick(void)
{
	__u32 n = plan.flows, i;

	if (plan.is_random) {
		random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
		return (__u32)(((random_state >> 32) * n) >> 32);
	}
	i = next++;
	if (next >= n)
		next = 0;
	return plan.first + i;
}

SEC("xdp")
int inject(struct xdp_md *ctx)
{
	__u8 *frame = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 i, src, dst, sport, dport = 53, swap;
	__u64 sum;

	if (frame + 60 > end)
		return XDP_ABORTED;
	i = pick();
	src = 0x0a010001 + i % 1021;
	dst = 0xc6120001 + i / 60000;
	sport = 1024 + i % 60000;
	if (plan.is_reply) {
		swap = sport;
		sport = dport;
		dport = swap;
		swap = src;
		src = dst;
		dst = plan.nat_addr ? plan.nat_addr : swap;
	}
	__builtin_memcpy(frame, (void *)plan.dst_mac, 6);
	__builtin_memcpy(frame + 6, (void *)plan.src_mac, 6);
	*(__u16 *)(frame + 12) = __builtin_bswap16(0x0800);
	sum = add32(add32(0x4500 + 46 + ((64 << 8) | 17), src), dst);
	*(__u32 *)(frame + 14) = __builtin_bswap32(0x45000000 | 46);
	*(__u32 *)(frame + 18) = 0;
	*(__u16 *)(frame + 22) = __builtin_bswap16((64 << 8) | 17);
	*(__u16 *)(frame + 24) = __builtin_bswap16(fold(sum));
	*(__u32 *)(frame + 26) = __builtin_bswap32(src);
	*(__u32 *)(frame + 30) = __builtin_bswap32(dst);
	sum = add32(add32(0, src), dst) + 17 + 26 + 26 + sport + dport;
	*(__u16 *)(frame + 34) = __builtin_bswap16(sport);
	*(__u16 *)(frame + 36) = __builtin_bswap16(dport);
	*(__u16 *)(frame + 38) = __builtin_bswap16(26);
	*(__u16 *)(frame + 40) = __builtin_bswap16(fold(sum));
	*(__u64 *)(frame + 42) = 0;
	*(__u64 *)(frame + 50) = 0;
	*(__u16 *)(frame + 58) = 0;
	return XDP_PASS;
}

/* On the interface itself: a veth has a receive queue for live frames only while it has a program. */
SEC("xdp")
int pass(struct xdp_md *ctx) { return XDP_PASS; }

char LICENSE[] SEC("license") = "GPL";
