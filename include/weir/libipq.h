/*
 * weir/libipq.h - the calls of libipq over queue 0 of NFQUEUE: a program written for ip_queue, which kernels no longer have, is
 * compiled with this header and linked with -lweir-ipq. It runs on Linux as it is, and on weir through `weir exec`.
 *
 *	iptables -A OUTPUT -p icmp -j QUEUE		(or -j NFQUEUE --queue-num 0)
 *
 * A handle is for one family; packets of the other one that come to the queue are dropped, as if nobody read it.
 */
#ifndef WEIR_LIBIPQ_H
#define WEIR_LIBIPQ_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <linux/netfilter.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Types of messages beside NLMSG_ERROR. */
#define IPQM_BASE 0x10
#define IPQM_MODE (IPQM_BASE + 1)
#define IPQM_VERDICT (IPQM_BASE + 2)
#define IPQM_PACKET (IPQM_BASE + 3)
#define IPQM_MAX (IPQM_BASE + 4)

/* How much of a packet the program wants. */
enum { IPQ_COPY_NONE, IPQ_COPY_META, IPQ_COPY_PACKET };
#define IPQ_COPY_MAX IPQ_COPY_PACKET

typedef unsigned long ipq_id_t;

typedef struct ipq_packet_msg {
	unsigned long packet_id;	/* for ipq_set_verdict() */
	unsigned long mark;
	long timestamp_sec, timestamp_usec;	/* when it arrived; 0: nobody knows */
	unsigned int hook;		/* NF_INET_* */
	char indev_name[16], outdev_name[16];	/* "": none */
	unsigned short hw_protocol;	/* network order */
	unsigned short hw_type;		/* ARPHRD_*, of the link-layer address */
	unsigned char hw_addrlen;
	unsigned char hw_addr[8];
	size_t data_len;		/* bytes of the packet that follow */
	unsigned char payload[];
} ipq_packet_msg_t;

struct ipq_handle;

/**
 * ipq_create_handle() - A handle for packets of @protocol, PF_INET or PF_INET6; @flags are unused
 * Return: given, ipq_destroy_handle() releases it; NULL: ipq_errstr() says why.
 */
struct ipq_handle *ipq_create_handle(unsigned int flags, unsigned int protocol);
/* 0; NULL is fine. Packets that wait are dropped. */
int ipq_destroy_handle(struct ipq_handle *h);

/**
 * ipq_set_mode() - What is wanted of each packet; packets come from the first call on
 * @mode: IPQ_COPY_META or IPQ_COPY_PACKET
 * @len:  bytes of a packet, 0 = all
 * Return: above 0; -1. That somebody else has the queue comes as a message of type NLMSG_ERROR (EPERM).
 */
int ipq_set_mode(const struct ipq_handle *h, unsigned char mode, size_t len);

/**
 * ipq_read() - Waits for a message
 * @timeout: microseconds; 0 = for ever, below 0 = not at all
 * Return: its length in @buf; 0 when the time is over; -1.
 */
ssize_t ipq_read(const struct ipq_handle *h, unsigned char *buf, size_t len, int timeout);

/* What ipq_read() gave: IPQM_PACKET or NLMSG_ERROR, the packet (borrowed from @buf), the error as an errno. */
int ipq_message_type(const unsigned char *buf);
ipq_packet_msg_t *ipq_get_packet(const unsigned char *buf);
int ipq_get_msgerr(const unsigned char *buf);
/* The message's netlink header, whatever it is. */
void *ipq_get_msg(const unsigned char *buf);

/**
 * ipq_set_verdict() - What becomes of a packet
 * @verdict: NF_ACCEPT, NF_DROP, NF_REPEAT, NF_QUEUE_NR(n)
 * @buf:     its bytes from now on, @data_len of them; 0 = they stay
 * Return: above 0; -1. That no such packet waits comes as a message (ENOENT).
 */
int ipq_set_verdict(const struct ipq_handle *h, ipq_id_t id, unsigned int verdict, size_t data_len, unsigned char *buf);

/* Nothing can be asked that way: -1. */
int ipq_ctl(const struct ipq_handle *h, int request, ...);

/* Why the last call of this thread failed. */
char *ipq_errstr(void);
void ipq_perror(const char *s);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
