/*
 * bench/flood.c - UDP frames out of an interface as fast as one core sends them, for bench/drivers:
 *   bench-flood IFACE TO-MAC SECONDS FLOWS
 * 10.0.0.2 to 10.1.0.2, 60 bytes, one flow after the other by its source port. Prints {"sent": N, "cpu_ns": N}.
 */
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "packet/packet.h"

enum { BATCH = 64, FRAME = 60 };

static void make_frame(uint8_t *f, const uint8_t *to, const uint8_t *from, uint16_t port)
{
	static const uint8_t addrs[8] = { 10, 0, 0, 2, 10, 1, 0, 2 };
	be16 sum;

	memset(f, 0, FRAME);
	memcpy(f, to, ETH_ALEN);
	memcpy(f + ETH_ALEN, from, ETH_ALEN);
	put_be16(f + 12, ETH_P_IP);
	f[14] = 0x45;
	put_be16(f + 16, FRAME - ETH_HLEN);
	f[22] = 64;
	f[23] = IPPROTO_UDP;
	memcpy(f + 26, addrs, sizeof(addrs));
	sum = csum_fold(csum_partial(f + 14, 20, 0));
	memcpy(f + 24, &sum, sizeof(sum));
	put_be16(f + 34, port);
	put_be16(f + 36, 9);
	put_be16(f + 38, FRAME - ETH_HLEN - 20);	/* no checksum: IPv4 allows it, and who forwards has less to do on both sides */
}

/* <net/if.h> and <linux/if.h> do not go together */
extern unsigned int if_nametoindex(const char *name);

int main(int argc, char **argv)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET };
	static uint8_t frames[BATCH][FRAME];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	uint8_t to[6], from[6] = { 2, 0, 0, 0, 9, 9 };
	unsigned int flows, flow = 0;
	uint64_t sent = 0;
	int64_t end;
	int fd, one = 1;

	if (argc != 5 || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", to, to + 1, to + 2, to + 3, to + 4, to + 5) != 6) {
		fprintf(stderr, "usage: bench-flood IFACE TO-MAC SECONDS FLOWS\n");
		return 2;
	}
	flows = (unsigned int)atoi(argv[4]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	addr.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		perror(argv[1]);
		return 1;
	}
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	for (unsigned int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ frames[i], FRAME };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	end = clock_ns(CLOCK_MONOTONIC) + (int64_t)(atof(argv[3]) * NSEC_PER_SEC);
	while (clock_ns(CLOCK_MONOTONIC) < end) {
		int n;

		for (unsigned int i = 0; i < BATCH; i++, flow = (flow + 1) % (flows ? flows : 1))
			make_frame(frames[i], to, from, (uint16_t)(1024 + flow));
		n = sendmmsg(fd, msgs, BATCH, 0);
		sent += n > 0 ? (uint64_t)n : 0;
	}
	printf("{\"sent\": %llu, \"cpu_ns\": %llu}\n", (unsigned long long)sent, (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
