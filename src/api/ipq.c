/*
 * api/ipq.c - libipq's calls over NFQUEUE. A queue message is read, its attributes become the fixed record that libipq's programs know,
 * and that goes into their buffer; errors go through as they are.
 */
#include "weir/libipq.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>

enum { QUEUE = 0, PACKET_MAX = 65536, MESSAGE_MAX = PACKET_MAX + 1024, USEC_PER_MSEC = 1000 };

struct ipq_handle {
	int fd;
	uint8_t family;
	bool is_bound;
	uint8_t *message;	/* MESSAGE_MAX bytes for what comes */
};

static __thread struct { const char *what; int err; } last_error;

static int fail(const char *what, int err)
{
	last_error.what = what;
	last_error.err = err;
	errno = err;
	return -1;
}

char *ipq_errstr(void)
{
	static __thread char text[160];

	if (!last_error.what)
		return "no error";
	snprintf(text, sizeof(text), "%s%s%s", last_error.what, last_error.err ? ": " : "",
		 last_error.err ? strerror(last_error.err) : "");
	return text;
}

void ipq_perror(const char *s)
{
	fprintf(stderr, "%s%s%s\n", s ? s : "", s ? ": " : "", ipq_errstr());
}

/* --- messages out --- */

struct out {
	uint8_t *at;
	size_t len;
};

static void put(struct out *out, uint16_t type, const void *data, size_t len)
{
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + len), .nla_type = type };

	memcpy(out->at + out->len, &a, sizeof(a));
	memcpy(out->at + out->len + sizeof(a), data, len);
	memset(out->at + out->len + sizeof(a) + len, 0, NLA_ALIGN(len) - len);
	out->len += sizeof(a) + NLA_ALIGN(len);
}

static void begin(struct out *out, uint8_t *room, uint8_t family)
{
	struct nfgenmsg nfg = { .nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(QUEUE) };

	*out = (struct out){ room, NLMSG_HDRLEN };
	memcpy(out->at + out->len, &nfg, sizeof(nfg));
	out->len += NLMSG_ALIGN(sizeof(nfg));
}

static int post(const struct ipq_handle *h, struct out *out, uint16_t command)
{
	struct nlmsghdr nlh = { .nlmsg_len = (uint32_t)out->len, .nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | command),
				.nlmsg_flags = NLM_F_REQUEST };
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	ssize_t sent;

	memcpy(out->at, &nlh, sizeof(nlh));
	sent = sendto(h->fd, out->at, out->len, 0, (struct sockaddr *)&to, sizeof(to));
	return sent < 0 ? fail("the message could not be sent", errno) : (int)sent;
}

int ipq_set_mode(const struct ipq_handle *h, unsigned char mode, size_t len)
{
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND, .pf = htons(h ? h->family : 0) };
	struct nfqnl_msg_config_params params = { .copy_mode = mode, .copy_range = htonl(len > UINT16_MAX ? UINT16_MAX : (uint32_t)len) };
	uint8_t room[128];
	struct out out;
	int sent;

	if (!h || mode > IPQ_COPY_MAX)
		return fail("no such mode", EINVAL);
	begin(&out, room, h->family);
	if (!h->is_bound)
		put(&out, NFQA_CFG_CMD, &bind, sizeof(bind));
	put(&out, NFQA_CFG_PARAMS, &params, sizeof(params));
	sent = post(h, &out, NFQNL_MSG_CONFIG);
	if (sent > 0)
		((struct ipq_handle *)h)->is_bound = true;
	return sent;
}

int ipq_set_verdict(const struct ipq_handle *h, ipq_id_t id, unsigned int verdict, size_t data_len, unsigned char *buf)
{
	struct nfqnl_msg_verdict_hdr head = { .verdict = htonl(verdict), .id = htonl((uint32_t)id) };
	struct out out;
	uint8_t *room;
	int sent;

	if (!h || data_len > UINT16_MAX - sizeof(struct nlattr) || (data_len && !buf))
		return fail("no such packet", EINVAL);
	room = malloc(256 + data_len);
	if (!room)
		return fail("no memory", ENOMEM);
	begin(&out, room, h->family);
	put(&out, NFQA_VERDICT_HDR, &head, sizeof(head));
	if (data_len)
		put(&out, NFQA_PAYLOAD, buf, data_len);
	sent = post(h, &out, NFQNL_MSG_VERDICT);
	free(room);
	return sent;
}

int ipq_ctl(const struct ipq_handle *h, int request, ...)
{
	return fail("there is no such request", EOPNOTSUPP);
}

/* --- messages in --- */

/* On weir the links are not those of the machine: it says which ones they are. */
static void name_link(uint32_t index, char name[IF_NAMESIZE])
{
	FILE *links = fopen("/proc/net/netfilter/weir_links", "re");
	char line[64], found[IF_NAMESIZE];
	unsigned int number;

	*name = '\0';
	if (!links) {
		if (!if_indextoname(index, name))
			*name = '\0';
		return;
	}
	while (fgets(line, sizeof(line), links))
		if (sscanf(line, "%u %15s", &number, found) == 2 && number == index)
			strcpy(name, found);
	fclose(links);
}

static uint32_t be32_at(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return ntohl(v);
}

/* One attribute into the record; the packet's bytes are handed out. */
static void take(ipq_packet_msg_t *msg, uint16_t type, const uint8_t *data, size_t len, const uint8_t **bytes)
{
	struct nfqnl_msg_packet_hdr head;
	struct nfqnl_msg_packet_hw hw;

	if (type == NFQA_PACKET_HDR && len >= sizeof(head)) {
		memcpy(&head, data, sizeof(head));
		msg->packet_id = ntohl(head.packet_id);
		msg->hook = head.hook;
		msg->hw_protocol = head.hw_protocol;
	} else if (type == NFQA_MARK && len >= 4) {
		msg->mark = be32_at(data);
	} else if (type == NFQA_IFINDEX_INDEV && len >= 4) {
		name_link(be32_at(data), msg->indev_name);
	} else if (type == NFQA_IFINDEX_OUTDEV && len >= 4) {
		name_link(be32_at(data), msg->outdev_name);
	} else if (type == NFQA_TIMESTAMP && len >= 16) {
		msg->timestamp_sec = (long)((uint64_t)be32_at(data) << 32 | be32_at(data + 4));
		msg->timestamp_usec = (long)be32_at(data + 12);
	} else if (type == NFQA_HWADDR && len >= sizeof(hw)) {
		memcpy(&hw, data, sizeof(hw));
		msg->hw_type = ARPHRD_ETHER;
		msg->hw_addrlen = (unsigned char)(ntohs(hw.hw_addrlen) > sizeof(msg->hw_addr) ? sizeof(msg->hw_addr) :
						  ntohs(hw.hw_addrlen));
		memcpy(msg->hw_addr, hw.hw_addr, sizeof(msg->hw_addr));
	} else if (type == NFQA_PAYLOAD) {
		*bytes = data;
		msg->data_len = len;
	}
}

/* 0: it is of the other family, and dropped. */
static ssize_t take_packet(const struct ipq_handle *h, size_t got, unsigned char *buf, size_t len)
{
	const size_t head = NLMSG_ALIGN(NLMSG_LENGTH(sizeof(struct nfgenmsg)));
	struct nlmsghdr nlh = { .nlmsg_type = IPQM_PACKET };
	ipq_packet_msg_t msg = { 0 };
	const uint8_t *bytes = NULL;
	struct nlattr a;

	for (size_t at = head; at + sizeof(a) <= got; at += NLA_ALIGN(a.nla_len)) {
		memcpy(&a, h->message + at, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > got - at)
			break;
		take(&msg, a.nla_type, h->message + at + sizeof(a), a.nla_len - sizeof(a), &bytes);
	}
	if (got < head || ((struct nfgenmsg *)(h->message + NLMSG_HDRLEN))->nfgen_family != h->family) {
		ipq_set_verdict(h, msg.packet_id, NF_DROP, 0, NULL);
		return 0;
	}
	nlh.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + sizeof(msg) + msg.data_len);
	if (nlh.nlmsg_len > len)
		return fail("the packet is larger than the buffer", EMSGSIZE);
	memcpy(buf, &nlh, sizeof(nlh));
	memcpy(buf + NLMSG_HDRLEN, &msg, sizeof(msg));
	if (bytes)
		memcpy(buf + NLMSG_HDRLEN + sizeof(msg), bytes, msg.data_len);
	return (ssize_t)nlh.nlmsg_len;
}

ssize_t ipq_read(const struct ipq_handle *h, unsigned char *buf, size_t len, int timeout)
{
	struct pollfd ready = { .events = POLLIN };
	struct nlmsghdr nlh;
	ssize_t got;
	int n;

	if (!h || len < sizeof(nlh))
		return fail("no handle or no buffer", EINVAL);
	ready.fd = h->fd;
	do {
		if (timeout) {
			n = poll(&ready, 1, timeout < 0 ? 0 : (timeout + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
			if (n <= 0)
				return n ? fail("waiting failed", errno) : 0;
		}
		got = recv(h->fd, h->message, MESSAGE_MAX, 0);
		if (got < 0)
			return fail("nothing could be received", errno);
		if ((size_t)got < sizeof(nlh))
			return fail("half a message was received", EBADMSG);
		memcpy(&nlh, h->message, sizeof(nlh));
		if (nlh.nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) {
			if ((size_t)got > len)
				return fail("the message is larger than the buffer", EMSGSIZE);
			memcpy(buf, h->message, (size_t)got);
			return got;
		}
		got = take_packet(h, (size_t)got, buf, len);
	} while (!got);
	return got;
}

int ipq_message_type(const unsigned char *buf)
{
	struct nlmsghdr nlh;

	memcpy(&nlh, buf, sizeof(nlh));
	return nlh.nlmsg_type;
}

void *ipq_get_msg(const unsigned char *buf)
{
	return (void *)(uintptr_t)buf;
}

ipq_packet_msg_t *ipq_get_packet(const unsigned char *buf)
{
	return (ipq_packet_msg_t *)(uintptr_t)(buf + NLMSG_HDRLEN);
}

int ipq_get_msgerr(const unsigned char *buf)
{
	struct nlmsgerr e;

	memcpy(&e, buf + NLMSG_HDRLEN, sizeof(e));
	return -e.error;
}

/* --- life --- */

struct ipq_handle *ipq_create_handle(unsigned int flags, unsigned int protocol)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	struct ipq_handle *h;

	if (protocol != PF_INET && protocol != PF_INET6) {
		fail("a handle is for PF_INET or PF_INET6", EINVAL);
		return NULL;
	}
	h = calloc(1, sizeof(*h));
	if (h)
		h->message = malloc(MESSAGE_MAX);
	if (!h || !h->message) {
		free(h);
		fail("no memory", ENOMEM);
		return NULL;
	}
	h->family = (uint8_t)(protocol == PF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
	h->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (h->fd < 0 || bind(h->fd, (struct sockaddr *)&any, sizeof(any))) {
		fail("no netlink socket", errno);
		ipq_destroy_handle(h);
		return NULL;
	}
	return h;
}

int ipq_destroy_handle(struct ipq_handle *h)
{
	if (!h)
		return 0;
	if (h->fd >= 0)
		close(h->fd);
	free(h->message);
	free(h);
	return 0;
}
