/*
 * conntrack/seqadj.c - sequence numbers after NAT made a payload longer or shorter.
 * Per direction only the newest change is known exactly: numbers behind it move by all changes, numbers up to it by all
 * but the last. Acknowledgements, plain and selective, move back by what the other direction moved.
 */
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"

enum { OPT_END = 0, OPT_NOP = 1, OPT_SACK = 5, SACK_BLOCK_LEN = 8 };

static bool is_after(uint32_t a, uint32_t b)
{
	return (int32_t)(b - a) < 0;
}

void ct_seqadj_note(struct ct *ct, int dir, uint32_t seq, int32_t delta)
{
	struct ct_seqadj *adj;

	if (!delta || !ct->extra)
		return;
	ct->status |= IPS_SEQ_ADJUST;
	adj = &ct->extra->seq[dir];
	/* An old segment sent again is changed again, but counts once. */
	if (adj->before != adj->after && !is_after(seq, adj->position))
		return;
	adj->position = seq;
	adj->before = adj->after;
	adj->after += delta;
}

void ct_seqadj_begin(struct ct *ct, int dir, int32_t offset)
{
	if (!offset || !ct->extra)
		return;
	ct->status |= IPS_SEQ_ADJUST;
	ct->extra->seq[dir].before = ct->extra->seq[dir].after = offset;
}

bool ct_synproxy_add(struct ct *ct)
{
	if (!ct->extra)
		ct->extra = calloc(1, sizeof(*ct->extra));
	if (ct->extra)
		ct->extra->has_synproxy = true;
	return ct->extra;
}

int32_t ct_seqadj_offset(const struct ct *ct, int dir, uint32_t seq)
{
	const struct ct_seqadj *adj;

	if (!(ct->status & IPS_SEQ_ADJUST) || !ct->extra)	/* what nearly all have not is not looked for in memory that is far */
		return 0;
	adj = &ct->extra->seq[dir];
	return is_after(seq, adj->position) ? adj->after : adj->before;
}

/* A number of the changed direction, as its sender knows it. */
static uint32_t moved_back(const struct ct_seqadj *adj, uint32_t number)
{
	return number - (is_after(number - adj->before, adj->position) ? adj->after : adj->before);
}

static void replace(uint8_t *at, uint32_t number, uint8_t *tcp)
{
	be16 check;
	be32 from, to = htonl(number);

	memcpy(&from, at, sizeof(from));
	memcpy(at, &to, sizeof(to));
	memcpy(&check, tcp + offsetof(struct tcphdr, check), sizeof(check));
	csum_replace4(&check, from, to);
	memcpy(tcp + offsetof(struct tcphdr, check), &check, sizeof(check));
}

static bool adjust_sack(uint8_t *tcp, uint32_t header_len, const struct ct_seqadj *adj)
{
	uint32_t at = sizeof(struct tcphdr);

	while (at < header_len && tcp[at] != OPT_END) {
		uint8_t len;

		if (tcp[at] == OPT_NOP) {
			at++;
			continue;
		}
		if (header_len - at < 2)
			return false;
		len = tcp[at + 1];
		if (len < 2 || len > header_len - at)
			return false;
		if (tcp[at] == OPT_SACK && len >= 2 + SACK_BLOCK_LEN && (len - 2) % SACK_BLOCK_LEN == 0)
			for (uint32_t edge = at + 2; edge < at + len; edge += sizeof(be32))
				replace(tcp + edge, moved_back(adj, get_be32(tcp + edge)), tcp);
		at += len;
	}
	return true;
}

bool ct_seqadj_apply(struct pkt *pkt, const struct ct *ct, int dir, uint32_t l4_off)
{
	uint8_t *tcp = pkt->data + l4_off;
	uint32_t header_len;

	if (!ct->extra)
		return true;
	if (pkt->len < l4_off || pkt->len - l4_off < sizeof(struct tcphdr))
		return false;
	replace(tcp + 4, get_be32(tcp + 4) + ct_seqadj_offset(ct, dir, get_be32(tcp + 4)), tcp);
	if (!(tcp[13] & 0x10))
		return true;		/* acknowledges nothing */
	replace(tcp + 8, moved_back(&ct->extra->seq[!dir], get_be32(tcp + 8)), tcp);
	header_len = (tcp[12] >> 4) * 4u;
	if (header_len > pkt->len - l4_off)
		return false;
	return adjust_sack(tcp, header_len, &ct->extra->seq[!dir]);
}
