/*
 * helper_world.h - one helper alone: payloads of both directions of a connection, translated or not, straight into it.
 *
 * Input: one control byte (bit 0 IPv6, bit 1 NAT, bits 4 to 6 settings of SIP), then records of one control byte (bit 0 the answering side speaks), two
 * bytes of length, and that much payload.
 * Whatever it says, the packet stays one: lengths agree with the bytes, the checksum holds.
 */
#ifndef WEIR_FUZZ_HELPER_WORLD_H
#define WEIR_FUZZ_HELPER_WORLD_H

#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "path/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HELPER_RECORDS = 16, HELPER_SEQ = 1000, HELPER_PAYLOAD_MAX = 8000 };

static struct ct *helper_master(struct instance *inst, const struct ct_helper *helper, uint8_t family, bool nat)
{
	struct ct_tuple orig = { .family = family, .proto = helper->proto }, reply;
	struct ct *ct;

	orig.src.ip = htonl(0x0a000002);
	orig.dst.ip = htonl(0x0a010002);
	orig.src_l4.port = htons(strcmp(helper->name, "sip") ? 3000 : 5060);
	orig.dst_l4.port = htons(strcmp(helper->name, "sip") ? 21 : 5060);
	ct_tuple_invert(&reply, &orig);
	if (nat)
		reply.dst.ip = htonl(0xc6336464);	/* 198.51.100.100: longer in text */
	ct = ct_new(inst, NULL, &orig, &reply);
	if (!ct || !ct_help_add(ct, helper))
		abort();
	if (nat)
		ct->status |= IPS_SRC_NAT;
	ct_set_timeout_sec(inst, ct, 1000);
	if (ct_insert(inst, ct))
		abort();
	return ct;
}

static struct pkt *helper_packet(struct instance *inst, const struct ct *ct, int dir, const uint8_t *data, uint32_t len)
{
	bool is_v4 = ct_family(ct) == NFPROTO_IPV4, is_tcp = ct_proto_num(ct) == IPPROTO_TCP;
	uint32_t l3 = is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	uint32_t l4 = is_tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr), total = l3 + l4 + len;
	uint8_t *bytes = calloc(1, total);
	uint32_t check_at, sum;
	struct pkt *pkt;
	be16 check;

	if (is_v4) {
		struct iphdr *ip = (struct iphdr *)bytes;

		ip->version = 4;
		ip->ihl = 5;
		ip->protocol = ct_proto_num(ct);
		ip->tot_len = htons((uint16_t)total);
		ip->saddr = ct_tuple(ct, dir)->src.ip;
		ip->daddr = ct_tuple(ct, dir)->dst.ip;
		csum_ip4_header(ip);
	} else {
		bytes[0] = 0x60;
		put_be16(bytes + 4, (uint16_t)(l4 + len));
		bytes[6] = ct_proto_num(ct);
	}
	if (is_tcp) {
		put_be32(bytes + l3 + 4, HELPER_SEQ);
		bytes[l3 + 12] = 5 << 4;
		bytes[l3 + 13] = 0x18;
	} else {
		put_be16(bytes + l3 + 4, (uint16_t)(l4 + len));
	}
	memcpy(bytes + l3 + l4, data, len);
	check_at = l3 + (is_tcp ? 16 : 6);
	memset(bytes + check_at, 0, 2);
	sum = is_v4 ? csum_pseudo4(ct_tuple(ct, dir)->src.ip, ct_tuple(ct, dir)->dst.ip, ct_proto_num(ct), l4 + len) :
		      csum_pseudo6(bytes + 8, bytes + 24, ct_proto_num(ct), l4 + len);
	check = csum_fold(csum_partial(bytes + l3, l4 + len, sum));
	memcpy(bytes + check_at, &check, 2);
	pkt = pkt_from_raw_ip(inst, NULL, bytes, total);
	free(bytes);
	return pkt;
}

static void helper_look(struct pkt *pkt)
{
	uint32_t says = pkt->data[0] >> 4 == 4 ? ntohs(pkt_ip4(pkt)->tot_len) :
			ntohs(pkt_ip6(pkt)->payload_len) + (uint32_t)sizeof(struct ipv6hdr);

	pkt->flags &= ~PKT_FLAG_CSUM_TRUSTED;
	if (says != pkt->len || pkt_parse(pkt) || !pkt_l4_checksum_ok(pkt))
		abort();
}

/* As many expectations as one connection may have. */
static unsigned int helper_expects_max(const struct instance *inst, const struct ct_helper *helper)
{
	unsigned int sum = ct_helper_policy_now(inst, helper, 0).max_expected;

	for (unsigned int class = 1; helper->more_policies && class < CT_EXPECT_CLASSES; class++)
		sum += ct_helper_policy_now(inst, helper, class).max_expected;
	return sum;
}

static int helper_fuzz(const struct ct_helper *helper, const uint8_t *data, size_t size)
{
	static struct instance *inst;
	struct hook_state state = { .hooknum = NF_INET_POST_ROUTING };
	struct ct *ct;

	if (size < 1)
		return 0;
	if (!inst)
		inst = instance_new(1, 0, NULL);
	state.inst = inst;
	state.family = data[0] & 1 && helper->ip6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	inst->ct->helper_conf.sip.direct_media = !(data[0] & 16);
	inst->ct->helper_conf.sip.direct_signalling = !(data[0] & 32);
	inst->ct->helper_conf.sip.external_media = data[0] >> 6 & 1;
	ct = helper_master(inst, helper, state.family, data[0] & 2);
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		if (!strcmp(helper->name, "ftp")) {
			ct_help_of(ct)->of.ftp.after_line[dir][0] = HELPER_SEQ;
			ct_help_of(ct)->of.ftp.lines[dir] = 1;
		}
	}
	data++;
	size--;
	for (int i = 0; i < HELPER_RECORDS && size >= 3; i++) {
		uint32_t len = MIN_OF(MIN_OF((uint32_t)get_be16(data + 1), (uint32_t)size - 3), (uint32_t)HELPER_PAYLOAD_MAX);
		int dir = data[0] & 1;
		struct pkt *pkt = helper_packet(inst, ct, dir, data + 3, len);

		data += 3 + len;
		size -= 3 + len;
		if (!pkt || pkt_parse(pkt)) {
			if (pkt)
				pkt_free(inst, pkt);
			continue;
		}
		pkt_ct_set(inst, pkt, ct, dir ? IP_CT_ESTABLISHED_REPLY : IP_CT_ESTABLISHED);
		ct_help_packet(inst, pkt, &state);
		helper_look(pkt);
		pkt_free(inst, pkt);
		if (inst->ct->expects.count > helper_expects_max(inst, helper))
			abort();
	}
	ct_kill(inst, ct);
	ct_put(inst, ct);
	if (inst->ct->expects.count || ct_count(inst))
		abort();
	return 0;
}

#endif
