/*
 * helper/h323_place.c - addresses inside of H.323's messages: read, written over, and expected.
 */
#include "helper/h323.h"
#include "nat/mangle.h"

enum { PORT_LEN = 2, IP4_LEN = 4 };

bool h323_read_place(const struct h323_message *m, const struct per_note *note, struct h323_place *out)
{
	const struct pkt *pkt = m->call->pkt;
	uint8_t len = ct_family(m->call->ct) == NFPROTO_IPV4 ? IP4_LEN : sizeof(out->addr);

	if (!note || note->len != len || m->at + note->value + len + PORT_LEN > pkt->len)
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(&out->addr, pkt->data + m->at + note->value, len);
	memcpy(&out->port, pkt->data + m->at + note->value + len, PORT_LEN);
	return true;
}

bool h323_write_place(struct h323_message *m, const struct per_note *note, const union nf_inet_addr *addr, be16 port)
{
	const struct ct_help_call *call = m->call;
	uint8_t bytes[IP4_LEN + PORT_LEN];

	memcpy(bytes, &addr->ip, IP4_LEN);
	memcpy(bytes + IP4_LEN, &port, PORT_LEN);
	if (ct_proto_num(call->ct) == IPPROTO_TCP)
		return nat_mangle_tcp_bytes(call, m->payload_off + note->value, sizeof(bytes), bytes, sizeof(bytes));
	if (!nat_mangle_udp_bytes(call, m->payload_off + note->value, sizeof(bytes), bytes, sizeof(bytes)))
		return false;
	m->at = call->l4_off + sizeof(struct udphdr);
	return true;
}

void h323_expect_init(const struct h323_message *m, struct ct_expect *exp, const struct h323_place *place, uint8_t proto)
{
	struct ct *ct = m->call->ct;

	ct_expect_init(exp, ct, 0, &ct_tuple(ct, !m->call->dir)->src, &place->addr, proto, place->port);
}

bool h323_expect(const struct h323_message *m, const struct ct_expect *exp)
{
	return ct_expect_add(m->call->inst, exp, NULL) == 0;
}

int h323_expect_translated(struct h323_message *m, const struct per_note *note, struct ct_expect *exp, be16 port)
{
	struct instance *inst = m->call->inst;
	struct ct_expect *made;
	uint16_t outside;

	exp->saved_port = exp->tuple.dst_l4.port;
	exp->dir = !m->call->dir;
	exp->tuple.dst_l4.port = port;
	outside = nat_expect_port(inst, exp, &made);
	if (!outside)
		return 0;
	if (h323_write_place(m, note, h323_source_outside(m), htons(outside)))
		return outside;
	ct_expect_remove(inst, made);
	return -1;
}
