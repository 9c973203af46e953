/*
 * tests/api/ipq_calls.c - a program of libipq's days: says what it is told of each packet, and decides by the UDP destination port.
 * tests/live/programs_test.py runs it on the kernel and through `weir exec`, and compares what it says.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/libipq.h>

enum { PORT_DROP = 1, PORT_CHANGE = 2, PORT_END = 3, PORT_ACCEPT_TWICE = 4, BUFFER = 70000 };

static unsigned int port_of(const ipq_packet_msg_t *m)
{
	size_t at = m->data_len && m->payload[0] >> 4 == 6 ? 42 : 22;

	return m->data_len < at + 2 ? 0 : (unsigned int)(m->payload[at] << 8 | m->payload[at + 1]);
}

static void say(const ipq_packet_msg_t *m)
{
	printf("packet %lu mark %lu hook %u in \"%s\" out \"%s\" protocol %04x type %u stamp %s address ", m->packet_id, m->mark, m->hook,
	       m->indev_name, m->outdev_name, ntohs(m->hw_protocol), m->hw_type, m->timestamp_sec ? "yes" : "no");
	for (unsigned int i = 0; i < m->hw_addrlen; i++)
		printf("%02x", m->hw_addr[i]);
	printf(" data ");
	for (size_t i = 0; i < m->data_len; i++)
		printf("%02x", m->payload[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	unsigned int protocol = argc > 1 && !strcmp(argv[1], "6") ? PF_INET6 : PF_INET, port = 0;
	struct ipq_handle *h = ipq_create_handle(0, protocol);
	unsigned char *buf = malloc(BUFFER), changed[64];
	ssize_t got;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("bad family: %s\n", ipq_create_handle(0, PF_UNIX) ? "taken" : ipq_errstr());
	if (!h || !buf || ipq_set_mode(h, IPQ_COPY_PACKET, 0) < 0) {
		ipq_perror("ipq");
		return 1;
	}
	printf("nothing yet: %zd\n", ipq_read(h, buf, BUFFER, 1000));
	printf("no such packet: %s", ipq_set_verdict(h, 99, NF_ACCEPT, 0, NULL) > 0 ? "sent, " : ipq_errstr());
	got = ipq_read(h, buf, BUFFER, 0);
	printf("%s %s\n", got > 0 && ipq_message_type(buf) == NLMSG_ERROR ? "answer" : "none", strerror(ipq_get_msgerr(buf)));
	printf("ready\n");
	while (port != PORT_END) {
		ipq_packet_msg_t *m;

		got = ipq_read(h, buf, BUFFER, 0);
		if (got < 0) {
			ipq_perror("ipq_read");
			return 1;
		}
		if (ipq_message_type(buf) != IPQM_PACKET) {
			printf("error: %s\n", strerror(ipq_get_msgerr(buf)));
			continue;
		}
		m = ipq_get_packet(buf);
		say(m);
		port = port_of(m);
		if (port == PORT_CHANGE && m->data_len <= sizeof(changed)) {
			memcpy(changed, m->payload, m->data_len);
			changed[m->data_len - 1] ^= 1;
			ipq_set_verdict(h, m->packet_id, NF_ACCEPT, m->data_len, changed);
		} else {
			ipq_set_verdict(h, m->packet_id, port == PORT_DROP ? NF_DROP : NF_ACCEPT, 0, NULL);
			if (port == PORT_ACCEPT_TWICE)
				ipq_set_verdict(h, m->packet_id, NF_ACCEPT, 0, NULL);
		}
	}
	ipq_destroy_handle(h);
	free(buf);
	return 0;
}
