/*
 * conntrack/proto/tcp_window.c - TCP windows as seen by the man in the middle (after Guido van Rooij,
 * "Real Stateful TCP Packet Filtering in IP Filter").
 *
 * For each side we keep: td_end, the highest sequence number it has sent; td_maxend, the highest one that
 * the other side lets it send; td_maxwin, the widest window it has offered. A segment fits when
 *     seq <= own td_maxend                              not beyond what the other side accepts
 *     end >= own td_end - other's td_maxwin             not older than what could still be wanted
 *     ack <= other's td_end                             acknowledges only what was sent
 *     ack >= other's td_end - a wide margin             and not something long gone
 * Packets may be lost after us, so each side's window is a guess, and a segment that only overshoots a
 * little is let through.
 */
#include "conntrack/helper.h"
#include "conntrack/proto/tcp_window.h"

enum {
	OPT_END = 0, OPT_NOP = 1, OPT_WSCALE = 3, OPT_SACK_PERMITTED = 4, OPT_SACK = 5, OPT_TIMESTAMP = 8,
	OPT_WSCALE_LEN = 3, OPT_SACK_PERMITTED_LEN = 2, OPT_TIMESTAMP_LEN = 10, OPT_SACK_BLOCK_LEN = 8,
	WSCALE_MAX = 14,
	ACK_MARGIN_MIN = 66000,
};

/* The next option from *at: its kind, with its length and place; OPT_END when there is none or it is cut. */
static uint8_t next_option(const uint8_t **at, const uint8_t *end, const uint8_t **option, uint8_t *len)
{
	while (*at < end && **at == OPT_NOP)
		(*at)++;
	if (end - *at < 2 || **at == OPT_END || (*at)[1] < 2 || (*at)[1] > end - *at)
		return OPT_END;
	*option = *at;
	*len = (*at)[1];
	*at += *len;
	return (*option)[0];
}

void tcp_read_options(const struct tcp_segment *seg, struct ct_tcp_side *side)
{
	const uint8_t *at = seg->header + sizeof(struct tcphdr), *end = seg->header + seg->header_len, *option;
	uint8_t kind, len;

	if (at == end)
		return;
	side->td_scale = 0;
	side->flags &= IP_CT_TCP_FLAG_BE_LIBERAL;
	while ((kind = next_option(&at, end, &option, &len)) != OPT_END) {
		if (kind == OPT_SACK_PERMITTED && len == OPT_SACK_PERMITTED_LEN) {
			side->flags |= IP_CT_TCP_FLAG_SACK_PERM;
		} else if (kind == OPT_WSCALE && len == OPT_WSCALE_LEN) {
			side->td_scale = MIN_OF(option[2], WSCALE_MAX);
			side->flags |= IP_CT_TCP_FLAG_WINDOW_SCALE;
		}
	}
}

/* The highest number that the segment acknowledges, selectively or not. */
static uint32_t highest_ack(const struct tcp_segment *seg)
{
	const uint8_t *at = seg->header + sizeof(struct tcphdr), *end = seg->header + seg->header_len, *option;
	uint32_t highest = seg->ack;
	uint8_t kind, len;

	while ((kind = next_option(&at, end, &option, &len)) != OPT_END) {
		if (kind != OPT_SACK || len < 2 + OPT_SACK_BLOCK_LEN || (len - 2) % OPT_SACK_BLOCK_LEN)
			continue;
		for (const uint8_t *block = option + 2; block < option + len; block += OPT_SACK_BLOCK_LEN) {
			uint32_t right = get_be32(block + 4);

			if (seq_after(right, highest))
				highest = right;
		}
		break;
	}
	return highest;
}

/* First SYN or SYN/ACK of a side: what it says is all that is known. */
static void begin_side(const struct tcp_segment *seg, struct ct_tcp_side *sender, struct ct_tcp_side *receiver)
{
	sender->td_end = sender->td_maxend = seg->end;
	sender->td_maxwin = seg->window ? seg->window : 1;
	tcp_read_options(seg, sender);
	/* Scaling is on only when both sides offered it (RFC 7323). */
	if (seg->dir == IP_CT_DIR_REPLY && !(sender->flags & receiver->flags & IP_CT_TCP_FLAG_WINDOW_SCALE))
		sender->td_scale = receiver->td_scale = 0;
}

/* A side whose beginning we have not seen. */
static void pick_up_side(const struct tcp_segment *seg, uint32_t sack, struct ct_tcp_side *sender,
			 struct ct_tcp_side *receiver)
{
	uint32_t window = (uint32_t)seg->window << sender->td_scale;

	sender->td_end = seg->end;
	sender->td_maxwin = window ? window : 1;
	sender->td_maxend = seg->end + sender->td_maxwin;
	if (receiver->td_maxwin == 0)
		receiver->td_end = receiver->td_maxend = sack;	/* nothing seen of it: believe the acknowledgement */
	else if (sack == receiver->td_end + 1)
		receiver->td_end++;				/* most likely the answer to a keepalive */
}

static bool is_liberal(const struct instance *inst, const struct ct_tcp_side *sender)
{
	return inst->ct->conf.tcp_be_liberal || sender->flags & IP_CT_TCP_FLAG_BE_LIBERAL;
}

/* Beyond what the receiver has offered. */
static enum tcp_fit beyond_window(struct instance *inst, const struct pkt *pkt, const struct tcp_segment *seg,
				  uint32_t sack, uint32_t margin, struct ct_tcp_side *sender,
				  struct ct_tcp_side *receiver)
{
	uint32_t overshot = seg->end - sender->td_maxend + 1, bound = sender->td_maxend + 1;

	if (receiver->td_maxwin && seq_after(seg->end, sender->td_end - receiver->td_maxwin - 1) &&
	    seq_after(sack, receiver->td_end - margin - 1) && overshot <= receiver->td_maxwin &&
	    seq_before(sack, receiver->td_end + 1)) {
		/* Some stacks send a little too much; its acknowledgement must not look wrong later. */
		sender->td_end = seg->end;
		sender->flags |= IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED;
		if (is_liberal(inst, sender))
			return TCP_FITS;
		ct_invalid(inst, pkt, "%u bytes more than expected", overshot);
		return TCP_PASSES;
	}
	if (is_liberal(inst, sender))
		return TCP_FITS;
	ct_invalid(inst, pkt, "SEQ is over upper bound %u (over the window of the receiver)", bound);
	return TCP_INVALID;
}

/* What a segment that fits tells about both sides. */
static void learn(struct ct_tcp *tcp, const struct tcp_segment *seg, uint32_t ack, uint32_t sack, uint32_t end)
{
	struct ct_tcp_side *sender = &tcp->seen[seg->dir], *receiver = &tcp->seen[!seg->dir];
	uint32_t window = seg->has_syn ? seg->window : (uint32_t)seg->window << sender->td_scale;

	sender->td_maxwin = MAX_OF(sender->td_maxwin, window + (sack - ack));
	if (seq_after(end, sender->td_end)) {
		sender->td_end = end;
		sender->flags |= IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED;
	}
	if (seg->has_ack && (!(sender->flags & IP_CT_TCP_FLAG_MAXACK_SET) || seq_after(ack, sender->td_maxack))) {
		sender->td_maxack = ack;
		sender->flags |= IP_CT_TCP_FLAG_MAXACK_SET;
	}
	if (receiver->td_maxwin != 0 && seq_after(end, sender->td_maxend))
		receiver->td_maxwin += end - sender->td_maxend;
	if (seq_after(sack + window, receiver->td_maxend - 1))
		receiver->td_maxend = sack + window + (window == 0);
	if (ack == receiver->td_end)
		receiver->flags &= ~IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED;
}

/* The same bare segment over and over: nobody answers any more. */
static void count_retransmission(struct ct_tcp *tcp, const struct tcp_segment *seg, uint32_t seq, uint32_t ack,
				 uint32_t end)
{
	if (seg->kind != TCP_KIND_ACK)
		return;
	if (tcp->last_dir == seg->dir && tcp->last_seq == seq && tcp->last_ack == ack && tcp->last_end == end &&
	    tcp->last_win == seg->window) {
		tcp->retrans++;
		return;
	}
	tcp->last_dir = seg->dir;
	tcp->last_seq = seq;
	tcp->last_ack = ack;
	tcp->last_end = end;
	tcp->last_win = seg->window;
	tcp->retrans = 0;
}

enum tcp_fit tcp_check_window(struct instance *inst, struct ct *ct, const struct pkt *pkt,
			      const struct tcp_segment *seg)
{
	struct ct_tcp *tcp = &ct->proto.tcp;
	struct ct_tcp_side *sender = &tcp->seen[seg->dir], *receiver = &tcp->seen[!seg->dir];
	uint32_t seq = seg->seq, end = seg->end, ack = seg->ack, sack = ack, margin;
	int32_t moved_by;

	if (receiver->flags & IP_CT_TCP_FLAG_SACK_PERM)
		sack = highest_ack(seg);
	/* It acknowledges numbers that the other side's payload was moved to. */
	moved_by = ct_seqadj_offset(ct, !seg->dir, ack - 1);
	ack -= moved_by;
	sack -= moved_by;

	if (sender->td_maxwin == 0) {
		if (seg->has_syn) {
			begin_side(seg, sender, receiver);
			if (!seg->has_ack)
				return TCP_FITS;	/* both opened at once */
		} else {
			pick_up_side(seg, sack, sender, receiver);
		}
	} else if (seg->has_syn && seq_after(end, sender->td_end) &&
		   (tcp->state == TCP_CONNTRACK_SYN_SENT || tcp->state == TCP_CONNTRACK_SYN_RECV)) {
		begin_side(seg, sender, receiver);	/* begun again with newer numbers */
		if (seg->dir == IP_CT_DIR_REPLY && !seg->has_ack)
			return TCP_FITS;
	}

	/* No acknowledgement, or a reset with a zero one as old stacks send it: take it for the right one. */
	if (!seg->has_ack || (seg->has_rst && ack == 0))
		ack = sack = receiver->td_end;
	/* A reset in answer to a SYN carries no sequence number. */
	if (seg->has_rst && seq == 0 && tcp->state == TCP_CONNTRACK_SYN_SENT)
		seq = end = sender->td_end;

	margin = MAX_OF(sender->td_maxwin, (uint32_t)ACK_MARGIN_MIN);
	if (!seq_before(seq, sender->td_maxend + 1)) {
		struct tcp_segment moved = *seg;

		moved.end = end;
		return beyond_window(inst, pkt, &moved, sack, margin, sender, receiver);
	}
	if (!seq_before(sack, receiver->td_end + 1)) {
		if (is_liberal(inst, sender))
			return TCP_FITS;
		ct_invalid(inst, pkt, "ACK is over upper bound %u (ACKed data not seen yet)", receiver->td_end + 1);
		return TCP_INVALID;
	}
	if (receiver->td_maxwin && !seq_after(end, sender->td_end - receiver->td_maxwin - 1)) {
		if (is_liberal(inst, sender))
			return TCP_FITS;
		ct_invalid(inst, pkt, "SEQ is under lower bound %u (already ACKed data retransmitted)",
			   sender->td_end - receiver->td_maxwin - 1);
		return TCP_PASSES;
	}
	if (!seq_after(sack, receiver->td_end - margin - 1)) {
		if (is_liberal(inst, sender))
			return TCP_FITS;
		ct_invalid(inst, pkt, "ignored ACK under lower bound %u (possible overly delayed)",
			   receiver->td_end - margin - 1);
		return TCP_PASSES;
	}
	learn(tcp, seg, ack, sack, end);
	count_retransmission(tcp, seg, seq, ack, end);
	return TCP_FITS;
}
