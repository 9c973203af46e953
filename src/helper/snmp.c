/*
 * helper/snmp.c - SNMP: questions to a whole network, and addresses inside translated messages.
 * Answers (from port 161) and traps (to port 162) of a translated host name its inner address in values of type IpAddress;
 * each one that equals it becomes the outer address. The message is read as versions 1 and 2c have it, in the order and with
 * the slips of the kernel's decoder; one that does not fit is dropped, and so are version 1's own traps.
 */
#include "helper/broadcast.h"

enum { SNMP_PORT = 161, TRAP_PORT = 162 };

/* BER: tags as they stand in a message. */
enum {
	BER_INTEGER = 0x02, BER_STRING = 0x04, BER_NULL = 0x05, BER_OID = 0x06, BER_SEQUENCE = 0x30,
	BER_CONSTRUCTED = 0x20, BER_LONG_TAG = 0x1f, BER_LENGTH_MORE = 0x80, BER_LENGTH_BYTES_MAX = 2,
	BER_APPLICATION = 0x40, BER_CONTEXT = 0x80,
	SNMP_IP_ADDRESS = BER_APPLICATION | 0,
};

struct reader {
	const uint8_t *at;
	uint32_t pos, end;	/* of the innermost value */
	bool matched;		/* what was asked for last was there */
};

struct value { uint32_t off, len; bool is_open; };	/* open: zeros end it */
struct level { uint32_t end_around; bool is_open; };

enum how { MUST = 0, MAY = 1, OR_ELSE = 2 | MAY };	/* or else: not when the one before was there */
enum taken { TAKEN_BAD = -1, TAKEN_NOT, TAKEN };

/* A tag and the length behind it. A constructed type may come without its mark; the other way round not. */
static enum taken take(struct reader *r, uint8_t tag, enum how how, struct value *value)
{
	uint8_t byte, first;

	if ((how == OR_ELSE && r->matched) || (how & MAY && r->pos == r->end))
		return TAKEN_NOT;
	r->matched = false;
	if (r->end - r->pos < 2)
		return TAKEN_BAD;
	byte = r->at[r->pos];
	if ((byte & BER_LONG_TAG) == BER_LONG_TAG)
		return TAKEN_BAD;
	if ((byte ^ tag) & ~(tag & BER_CONSTRUCTED))
		return how & MAY ? TAKEN_NOT : TAKEN_BAD;
	r->matched = true;
	first = r->at[r->pos + 1];
	r->pos += 2;
	*value = (struct value){ r->pos, first, false };
	if (first == BER_LENGTH_MORE) {
		if (!(byte & BER_CONSTRUCTED) || r->end - r->pos < 2)
			return TAKEN_BAD;
		*value = (struct value){ r->pos, 0, true };
		return TAKEN;
	}
	if (first > BER_LENGTH_MORE) {
		uint32_t bytes = first - BER_LENGTH_MORE;

		if (bytes > BER_LENGTH_BYTES_MAX || bytes > r->end - r->pos)
			return TAKEN_BAD;
		value->len = bytes == 1 ? r->at[r->pos] : get_be16(r->at + r->pos);
		r->pos += bytes;
		value->off = r->pos;
	}
	return value->len > r->end - r->pos ? TAKEN_BAD : TAKEN;
}

/* One that holds no others: read, and behind us. */
static enum taken take_leaf(struct reader *r, uint8_t tag, enum how how, struct value *value)
{
	enum taken taken = take(r, tag, how, value);

	if (taken == TAKEN)
		r->pos += value->len;
	return taken;
}

static enum taken enter(struct reader *r, uint8_t tag, enum how how, struct level *level)
{
	struct value value;
	enum taken taken = take(r, tag, how, &value);

	if (taken != TAKEN)
		return taken;
	*level = (struct level){ r->end, value.is_open };
	if (!value.is_open)
		r->end = r->pos + value.len;
	return TAKEN;
}

/* Does another element of the same kind follow in a list? */
static bool has_more(const struct reader *r, const struct level *level)
{
	return level->is_open ? r->end - r->pos >= 2 && r->at[r->pos] : r->pos < r->end;
}

/* The end of the innermost value must be here. */
static bool leave(struct reader *r, const struct level *level)
{
	if (!level->is_open) {
		if (r->pos != r->end)
			return false;
		r->end = level->end_around;
		return true;
	}
	if (r->end - r->pos < 2 || r->at[r->pos] || r->at[r->pos + 1])
		return false;
	r->pos += 2;
	return true;
}

struct rewrite { uint8_t *payload, *check; be32 from, to; };

/* The checksum follows each address; a message without one stays so. An odd address sums up bytewise the other way round. */
static bool rewrite_addr(const struct rewrite *rewrite, const struct value *value)
{
	uint8_t change[12] = { 0 };
	uint32_t odd = value->off & 1;
	be16 check;

	if (value->len != sizeof(be32))
		return false;
	if (memcmp(rewrite->payload + value->off, &rewrite->from, sizeof(be32)) != 0)
		return true;
	memcpy(&check, rewrite->check, sizeof(check));
	if (check) {
		memcpy(change + odd, &rewrite->from, sizeof(be32));
		for (uint32_t i = 0; i < sizeof(be32) + 2 * odd; i++)
			change[i] = (uint8_t)~change[i];
		memcpy(change + sizeof(be32) + 3 * odd, &rewrite->to, sizeof(be32));
		check = csum_fold(csum_partial(change, sizeof(change), (be16)~check));
		memcpy(rewrite->check, &check, sizeof(check));
	}
	memcpy(rewrite->payload + value->off, &rewrite->to, sizeof(be32));
	return true;
}

/* A variable's value: one of these. Several may follow each other where the decoder does not ask what came before. */
static bool read_value(struct reader *r, const struct rewrite *rewrite)
{
	static const struct { uint8_t tag; enum how how; } types[] = {
		{ BER_INTEGER, MAY }, { BER_STRING, OR_ELSE }, { BER_OID, OR_ELSE }, { SNMP_IP_ADDRESS, MAY },
		{ BER_APPLICATION | 1, MAY }, { BER_APPLICATION | 3, MAY }, { BER_APPLICATION | 4, MAY },
		{ BER_APPLICATION | 6, MAY }, { BER_APPLICATION | 2, MAY }, { BER_NULL, OR_ELSE },
		{ BER_CONTEXT | 0, OR_ELSE }, { BER_CONTEXT | 1, OR_ELSE }, { BER_CONTEXT | 2, OR_ELSE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct value value;
		enum taken taken = take_leaf(r, types[i].tag, types[i].how, &value);

		if (taken == TAKEN_BAD || (taken == TAKEN && types[i].tag == SNMP_IP_ADDRESS && !rewrite_addr(rewrite, &value)))
			return false;
	}
	return r->matched;
}

/* Behind its tag: request id, two numbers, variables. */
static bool read_pdu(struct reader *r, const struct level *pdu, const struct rewrite *rewrite)
{
	struct level list, variable;
	struct value value;

	for (int i = 0; i < 3; i++)
		if (take_leaf(r, BER_INTEGER, MUST, &value) != TAKEN)
			return false;
	if (enter(r, BER_SEQUENCE, MUST, &list) != TAKEN)
		return false;
	do {
		if (enter(r, BER_SEQUENCE, MUST, &variable) != TAKEN || take_leaf(r, BER_OID, MUST, &value) != TAKEN ||
		    !read_value(r, rewrite) || !leave(r, &variable))
			return false;
	} while (has_more(r, &list));
	return leave(r, &list) && leave(r, pdu);
}

static bool read_message(const struct rewrite *rewrite, uint32_t len)
{
	/* get, get-next, get-bulk, response, set, inform, trap, report */
	static const uint8_t kinds[] = { 0, 1, 5, 2, 3, 6, 7, 8 };
	struct reader r = { .at = rewrite->payload, .end = len };
	struct level message, pdu;
	struct value value;

	if (enter(&r, BER_SEQUENCE, MUST, &message) != TAKEN || take_leaf(&r, BER_INTEGER, MUST, &value) != TAKEN ||
	    value.len != 1 || r.at[value.off] > 1 || take_leaf(&r, BER_STRING, MUST, &value) != TAKEN)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		enum taken taken = enter(&r, BER_CONTEXT | BER_CONSTRUCTED | kinds[i], MAY, &pdu);

		if (taken == TAKEN_BAD || (taken == TAKEN && !read_pdu(&r, &pdu, rewrite)))
			return false;
	}
	return r.matched && leave(&r, &message);
}

static unsigned int snmp_translate(const struct ct_help_call *call)
{
	struct pkt *pkt = call->pkt;
	uint8_t *udp = pkt->data + call->l4_off;
	uint16_t udp_len = get_be16(udp + offsetof(struct udphdr, len));
	struct rewrite rewrite = { .payload = udp + sizeof(struct udphdr), .check = udp + offsetof(struct udphdr, check),
				   .from = ct_tuple(call->ct, IP_CT_DIR_ORIGINAL)->src.ip,
				   .to = ct_tuple(call->ct, IP_CT_DIR_REPLY)->dst.ip };

	if (get_be16(udp) == SNMP_PORT && call->dir != IP_CT_DIR_REPLY)
		return NF_ACCEPT;
	if (get_be16(udp + offsetof(struct udphdr, dest)) == TRAP_PORT && call->dir != IP_CT_DIR_ORIGINAL)
		return NF_ACCEPT;
	if (!(call->ct->status & IPS_NAT_MASK))
		return NF_ACCEPT;
	if (udp_len != pkt->len - call->l4_off)
		return ct_help_refuse(call, "dropping malformed packet");
	pkt_forget_pieces(pkt);		/* Linux makes it linear here */
	if (rewrite.from == rewrite.to || read_message(&rewrite, udp_len - (uint32_t)sizeof(struct udphdr)))
		return NF_ACCEPT;
	return ct_help_refuse(call, "parser failed");
}

static unsigned int snmp_help(const struct ct_help_call *call)
{
	broadcast_expect(call, ct_helper_conf(call->inst)->snmp.timeout);
	return snmp_translate(call);
}

static void snmp_set_policy(const struct ct_helper_conf *conf, unsigned int class, struct ct_expect_policy *policy)
{
	policy->timeout_sec = conf->snmp.timeout;
}

const struct ct_helper ct_helper_snmp = {
	.name = "snmp", .proto = IPPROTO_UDP, .ip4 = true, .port = SNMP_PORT,
	.policy.max_expected = 1, .set_policy = snmp_set_policy, .help = snmp_help,
};

const struct ct_helper ct_helper_snmp_trap = {
	.name = "snmp_trap", .proto = IPPROTO_UDP, .ip4 = true, .port = TRAP_PORT,
	.policy.timeout_sec = 180, .help = snmp_translate,
};
