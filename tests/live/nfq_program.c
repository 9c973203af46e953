/*
 * tests/live/nfq_program.c - a program on libnetfilter_queue or libnetfilter_log, as their manuals teach it: "nfq_program queue NUMBER" accepts
 * all but UDP to port 1, "nfq_program log GROUP" tells of three packets; both say what they saw.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BUFFER = 70000, LOG_PACKETS = 3, PORT_DROP = 1, PORT_END = 3 };

static int last_port;

static int on_packet(struct nfq_q_handle *q, struct nfgenmsg *nfg, struct nfq_data *data, void *priv)
{
	struct nfqnl_msg_packet_hdr *head = nfq_get_msg_packet_hdr(data);
	struct nfqnl_msg_packet_hw *hw = nfq_get_packet_hw(data);
	struct timeval tv;
	unsigned char *bytes;
	int len = nfq_get_payload(data, &bytes);

	last_port = len >= 24 ? bytes[22] << 8 | bytes[23] : 0;
	printf("id %u protocol %04x hook %u mark %u in %u out %u address %02x:%02x stamp %s bytes %d verdict %d\n", ntohl(head->packet_id),
	       ntohs(head->hw_protocol), head->hook, nfq_get_nfmark(data), nfq_get_indev(data), nfq_get_outdev(data), hw ? hw->hw_addr[0] : 0,
	       hw ? hw->hw_addr[5] : 0, nfq_get_timestamp(data, &tv) == 0 && tv.tv_sec ? "yes" : "no", len,
	       nfq_set_verdict(q, ntohl(head->packet_id), last_port == PORT_DROP ? NF_DROP : NF_ACCEPT, 0, NULL) > 0);
	return 0;
}

static int queue(unsigned int number)
{
	struct nfq_handle *h = nfq_open();
	struct nfq_q_handle *q;
	static char buf[BUFFER];
	ssize_t got;

	if (!h || nfq_unbind_pf(h, AF_INET) < 0 || nfq_bind_pf(h, AF_INET) < 0)
		return perror("nfq_open"), 1;
	q = nfq_create_queue(h, (uint16_t)number, on_packet, NULL);
	if (!q || nfq_set_mode(q, NFQNL_COPY_PACKET, 0xffff) < 0 || nfq_set_queue_maxlen(q, 100) < 0 ||
	    nfq_set_queue_flags(q, NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO, NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO) < 0)
		return perror("nfq_create_queue"), 1;
	printf("ready\n");
	while (last_port != PORT_END && (got = recv(nfq_fd(h), buf, sizeof(buf), 0)) > 0)
		nfq_handle_packet(h, buf, (int)got);
	nfq_destroy_queue(q);
	nfq_close(h);
	return 0;
}

static int logged;

static int on_log(struct nflog_g_handle *g, struct nfgenmsg *nfg, struct nflog_data *data, void *priv)
{
	struct nfulnl_msg_packet_hdr *head = nflog_get_msg_packet_hdr(data);
	char *bytes;
	int len = nflog_get_payload(data, &bytes);
	uint32_t seq = 0;

	nflog_get_seq(data, &seq);
	printf("prefix \"%s\" protocol %04x hook %u mark %u in %u out %u header %u seq %u bytes %d\n", nflog_get_prefix(data), ntohs(head->hw_protocol),
	       head->hook, nflog_get_nfmark(data), nflog_get_indev(data), nflog_get_outdev(data), nflog_get_msg_packet_hwhdrlen(data), seq, len);
	logged++;
	return 0;
}

static int log_group(unsigned int number)
{
	struct nflog_handle *h = nflog_open();
	struct nflog_g_handle *g;
	static char buf[BUFFER];
	ssize_t got;

	if (!h || nflog_unbind_pf(h, AF_INET) < 0 || nflog_bind_pf(h, AF_INET) < 0)
		return perror("nflog_open"), 1;
	g = nflog_bind_group(h, (uint16_t)number);
	if (!g || nflog_set_mode(g, NFULNL_COPY_PACKET, 0xffff) < 0 || nflog_set_timeout(g, 10) < 0 || nflog_set_qthresh(g, 2) < 0 ||
	    nflog_set_flags(g, NFULNL_CFG_F_SEQ) < 0 || nflog_set_nlbufsiz(g, 8192) < 0)
		return perror("nflog_bind_group"), 1;
	nflog_callback_register(g, on_log, NULL);
	printf("ready\n");
	while (logged < LOG_PACKETS && (got = recv(nflog_fd(h), buf, sizeof(buf), 0)) > 0)
		nflog_handle_packet(h, buf, (int)got);
	nflog_unbind_group(g);
	nflog_close(h);
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3)
		return 2;
	return !strcmp(argv[1], "queue") ? queue((unsigned int)atoi(argv[2])) : log_group((unsigned int)atoi(argv[2]));
}
