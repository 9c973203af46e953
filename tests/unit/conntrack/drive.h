/*
 * tests/unit/conntrack/drive.h - packets through conntrack alone: in at PRE_ROUTING, confirmed at POST_ROUTING.
 * A driver remembers what the observer heard: the last reason, the events as text.
 */
#ifndef DRIVE_H
#define DRIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "conntrack/conntrack_internal.h"

#define DRIVE_BEGAN_NS ((int64_t)1600000000 * NSEC_PER_SEC)

struct drive {
	struct instance *inst;
	struct iface *in;
	struct ct *template;		/* what a CT rule would have attached; borrowed */
	char invalid[256];		/* last reason; "" = none since the last packet */
	struct strbuf events;		/* a line each */
	bool hold;			/* keep the packet instead of confirming it */
	struct pkt *held;
};

enum { CTSTATE_INVALID = -1, CTSTATE_DROPPED = -2 };

static inline void drive_heard_invalid(void *priv, const struct pkt *pkt, uint8_t l4proto, const char *reason)
{
	struct drive *d = priv;

	snprintf(d->invalid, sizeof(d->invalid), "%s", reason);
}

static inline void drive_heard_event(void *priv, const struct ct_event *event)
{
	struct drive *d = priv;

	ct_event_print(d->inst, event, 0, &d->events);
	sb_addc(&d->events, '\n');
}

static inline int drive_setup(void **state)
{
	struct drive *d = calloc(1, sizeof(*d));
	struct refusal why = { 0 };

	d->inst = instance_new(7, DRIVE_BEGAN_NS, &why);
	assert_non_null(d->inst);
	assert_int_equal(iface_add(d->inst, "eth0", ARPHRD_ETHER, &d->in, &why), 0);
	d->inst->observer.priv = d;
	d->inst->observer.invalid = drive_heard_invalid;
	d->inst->observer.ct_event = drive_heard_event;
	*state = d;
	return 0;
}

static inline int drive_teardown(void **state)
{
	struct drive *d = *state;

	pkt_free(d->inst, d->held);
	instance_free(d->inst);
	sb_free(&d->events);
	free(d);
	return 0;
}

static inline void drive_sysctl(struct drive *d, const char *name, const char *value)
{
	char full[128];

	snprintf(full, sizeof(full), "net.netfilter.nf_conntrack_%s", name);
	assert_int_equal(sysctl_set(d->inst->sysctls, full, value, NULL), 0);
}

static inline void drive_wait_ms(struct drive *d, int64_t ms)
{
	instance_advance(d->inst, d->inst->now_ns + ms * NSEC_PER_MSEC);
}

/* Lets the packet through; returns its ctinfo, CTSTATE_* or IP_CT_UNTRACKED. Takes the packet. */
static inline int drive_pkt(struct drive *d, struct pkt *pkt)
{
	struct hook_state state = { .inst = d->inst, .family = pkt->l.family, .hooknum = NF_INET_PRE_ROUTING, .in = d->in };
	int seen;

	d->invalid[0] = '\0';
	if (d->template) {
		ct_get(d->template);
		pkt->ct = d->template;
	}
	if (ct_packet_in(d->inst, pkt, &state) != NF_ACCEPT) {
		pkt_free(d->inst, pkt);
		return CTSTATE_DROPPED;
	}
	seen = pkt->ct ? pkt->ctinfo : pkt->ctinfo == IP_CT_UNTRACKED ? IP_CT_UNTRACKED : CTSTATE_INVALID;
	if (d->hold) {
		d->held = pkt;
		return seen;
	}
	if (ct_confirm(d->inst, pkt) != NF_ACCEPT)
		seen = CTSTATE_DROPPED;
	pkt_free(d->inst, pkt);
	return seen;
}

/* An IPv4 packet around @l4; checksums of TCP, UDP and ICMP are filled in. */
static inline struct pkt *drive_ip4(struct drive *d, const char *src, const char *dst, uint8_t proto, const void *l4,
				    uint32_t len)
{
	struct pkt *pkt = pkt_new(d->inst, sizeof(struct iphdr) + len);
	struct iphdr *ip = pkt_ip4(pkt);
	uint8_t *at = pkt->data + sizeof(*ip);
	uint32_t sum;

	*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = proto, .tot_len = htons(pkt->len) };
	inet_pton(AF_INET, src, &ip->saddr);
	inet_pton(AF_INET, dst, &ip->daddr);
	csum_ip4_header(ip);
	memcpy(at, l4, len);
	sum = proto == IPPROTO_ICMP ? 0 : csum_pseudo4(ip->saddr, ip->daddr, proto, len);
	sum = csum_fold(csum_partial(at, len, sum));
	if (proto == IPPROTO_TCP)
		memcpy(at + 16, &(be16){ (be16)sum }, 2);
	else if (proto == IPPROTO_UDP)
		memcpy(at + 6, &(be16){ (be16)sum }, 2);
	else if (proto == IPPROTO_ICMP)
		memcpy(at + 2, &(be16){ (be16)sum }, 2);
	pkt->protocol = ETH_P_IP;
	pkt->in = d->in;
	pkt->l.family = NFPROTO_IPV4;
	assert_int_equal(pkt_parse(pkt), 0);
	return pkt;
}

#define CLIENT "10.0.0.2"
#define SERVER "10.1.0.2"

static inline struct pkt *drive_udp(struct drive *d, const char *src, const char *dst, uint16_t sport, uint16_t dport)
{
	struct { struct udphdr h; char data[4]; } udp = { { htons(sport), htons(dport), htons(12), 0 }, "abc" };

	return drive_ip4(d, src, dst, IPPROTO_UDP, &udp, sizeof(udp));
}

/* A segment from the client's port 1000 to the server's 80, or back. @flags as letters of FSRPAUEC. */
static inline int drive_tcp_options(struct drive *d, int dir, const char *flags, uint32_t seq, uint32_t ack,
				    uint16_t window, uint32_t data_len, const void *options, uint32_t options_len)
{
	static const char letters[] = "FSRPAUEC";
	uint8_t segment[2000] = { 0 };

	put_be16(segment, dir ? 80 : 1000);
	put_be16(segment + 2, dir ? 1000 : 80);
	put_be32(segment + 4, seq);
	put_be32(segment + 8, ack);
	segment[12] = (uint8_t)((20 + options_len) / 4 << 4);
	for (; *flags; flags++)
		segment[13] |= 1 << (strchr(letters, *flags) - letters);
	put_be16(segment + 14, window);
	if (options_len)
		memcpy(segment + 20, options, options_len);
	return drive_pkt(d, drive_ip4(d, dir ? SERVER : CLIENT, dir ? CLIENT : SERVER, IPPROTO_TCP, segment,
				      20 + options_len + data_len));
}

static inline int drive_tcp(struct drive *d, int dir, const char *flags, uint32_t seq, uint32_t ack, uint32_t data_len)
{
	return drive_tcp_options(d, dir, flags, seq, ack, 8192, data_len, NULL, 0);
}

/* The only connection there is; NULL when there is none. */
static inline bool drive_first(void *priv, struct ct *ct)
{
	*(struct ct **)priv = ct;
	return false;
}

static inline struct ct *drive_ct(struct drive *d)
{
	struct ct *ct = NULL;

	ct_each(d->inst, drive_first, &ct);
	return ct;
}

static inline void drive_assert_events(struct drive *d, const char *expected)
{
	assert_string_equal(sb_str(&d->events), expected);
	sb_reset(&d->events);
}

#endif
