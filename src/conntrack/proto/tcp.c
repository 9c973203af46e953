/*
 * conntrack/proto/tcp.c - TCP: which state a connection is in, as far as one in the middle can know.
 * Packets may be lost after us, and a host may have forgotten a connection that we remember. So a segment
 * that makes no sense to us but may to its receiver passes as "ignored", is noted, and the answer to it
 * decides who was right.
 */
#include "conntrack/proto/tcp_window.h"

extern const struct ct_proto ct_proto_tcp;

static const struct ct_timeout tcp_timeouts[TCP_CONNTRACK_TIMEOUT_MAX] = {
	[TCP_CONNTRACK_SYN_SENT]    = { "tcp_timeout_syn_sent", 120 },
	[TCP_CONNTRACK_SYN_RECV]    = { "tcp_timeout_syn_recv", 60 },
	[TCP_CONNTRACK_ESTABLISHED] = { "tcp_timeout_established", 5 * 24 * 3600 },
	[TCP_CONNTRACK_FIN_WAIT]    = { "tcp_timeout_fin_wait", 120 },
	[TCP_CONNTRACK_CLOSE_WAIT]  = { "tcp_timeout_close_wait", 60 },
	[TCP_CONNTRACK_LAST_ACK]    = { "tcp_timeout_last_ack", 30 },
	[TCP_CONNTRACK_TIME_WAIT]   = { "tcp_timeout_time_wait", 120 },
	[TCP_CONNTRACK_CLOSE]       = { "tcp_timeout_close", 10 },
	[TCP_CONNTRACK_SYN_SENT2]   = { NULL, 120 },
	[TCP_CONNTRACK_RETRANS]     = { "tcp_timeout_max_retrans", 300 },
	[TCP_CONNTRACK_UNACK]       = { "tcp_timeout_unacknowledged", 300 },
};

/*
 * The state after a segment, a letter for each state before it in the order of enum tcp_conntrack:
 * s SYN_SENT, R SYN_RECV, E ESTABLISHED, F FIN_WAIT, W CLOSE_WAIT, L LAST_ACK, T TIME_WAIT, C CLOSE,
 * 2 SYN_SENT2 (both opened at once); '.' ignored, '-' invalid.
 */
static const char next_states[IP_CT_DIR_MAX][TCP_KIND_COUNT][TCP_CONNTRACK_MAX + 1] = {
	[IP_CT_DIR_ORIGINAL] = {	/* 0sREFWLTC2 */
		[TCP_KIND_SYN]    = "ss.....ss2",
		[TCP_KIND_SYNACK] = "--R------R",
		[TCP_KIND_FIN]    = "--FFLLLTC-",
		[TCP_KIND_ACK]    = "E-EEWWTTC-",
		[TCP_KIND_RST]    = "-CCCCCCCCC",
		[TCP_KIND_NONE]   = "----------",
	},
	[IP_CT_DIR_REPLY] = {
		[TCP_KIND_SYN]    = "-2-----s-2",
		[TCP_KIND_SYNACK] = "-R.......R",
		[TCP_KIND_FIN]    = "--FFLLLTC-",
		[TCP_KIND_ACK]    = "-.REWWTTC.",
		[TCP_KIND_RST]    = "-CCCCCCCCC",
		[TCP_KIND_NONE]   = "----------",
	},
};

/* TCP_CONNTRACK_MAX: invalid; TCP_CONNTRACK_IGNORE: passes, nothing changes. */
static uint8_t next_state(uint8_t dir, enum tcp_kind kind, uint8_t state)
{
	switch (next_states[dir][kind][state]) {
	case 's': return TCP_CONNTRACK_SYN_SENT;
	case 'R': return TCP_CONNTRACK_SYN_RECV;
	case 'E': return TCP_CONNTRACK_ESTABLISHED;
	case 'F': return TCP_CONNTRACK_FIN_WAIT;
	case 'W': return TCP_CONNTRACK_CLOSE_WAIT;
	case 'L': return TCP_CONNTRACK_LAST_ACK;
	case 'T': return TCP_CONNTRACK_TIME_WAIT;
	case 'C': return TCP_CONNTRACK_CLOSE;
	case '2': return TCP_CONNTRACK_SYN_SENT2;
	case '.': return TCP_CONNTRACK_IGNORE;
	default:  return TCP_CONNTRACK_MAX;
	}
}

enum { FLAG_FIN = 0x01, FLAG_SYN = 0x02, FLAG_RST = 0x04, FLAG_ACK = 0x10, FLAG_URG = 0x20 };

/* PSH, ECE and CWR go with everything. */
static bool flags_make_sense(uint8_t flags)
{
	switch (flags & (FLAG_FIN | FLAG_SYN | FLAG_RST | FLAG_ACK | FLAG_URG)) {
	case FLAG_SYN:
	case FLAG_SYN | FLAG_URG:
	case FLAG_SYN | FLAG_ACK:
	case FLAG_RST:
	case FLAG_RST | FLAG_ACK:
	case FLAG_FIN | FLAG_ACK:
	case FLAG_FIN | FLAG_ACK | FLAG_URG:
	case FLAG_ACK:
	case FLAG_ACK | FLAG_URG:
		return true;
	default:
		return false;
	}
}

/* Reads and checks the header; says why not. */
static bool read_segment(struct instance *inst, struct pkt *pkt, const struct ct_l4 *l4, uint8_t ctinfo,
			 const struct hook_state *state, struct tcp_segment *seg)
{
	const uint8_t *th = l4->at;
	uint8_t flags;

	if (l4->len < sizeof(struct tcphdr))
		return false;		/* without a word, as the kernel */
	seg->header = th;
	seg->header_len = (th[12] >> 4) * 4u;
	if (seg->header_len < sizeof(struct tcphdr) || seg->header_len > l4->len) {
		ct_invalid(inst, pkt, "truncated packet");
		return false;
	}
	if (inst->ct->conf.checksum && state->hooknum == NF_INET_PRE_ROUTING && !pkt_l4_checksum_ok(pkt)) {
		ct_invalid(inst, pkt, "bad checksum");
		return false;
	}
	flags = th[13];
	if (!flags_make_sense(flags)) {
		ct_invalid(inst, pkt, "invalid tcp flag combination");
		return false;
	}
	seg->has_syn = flags & FLAG_SYN;
	seg->has_ack = flags & FLAG_ACK;
	seg->has_fin = flags & FLAG_FIN;
	seg->has_rst = flags & FLAG_RST;
	seg->kind = seg->has_rst ? TCP_KIND_RST :
		    seg->has_syn ? (seg->has_ack ? TCP_KIND_SYNACK : TCP_KIND_SYN) :
		    seg->has_fin ? TCP_KIND_FIN : seg->has_ack ? TCP_KIND_ACK : TCP_KIND_NONE;
	seg->seq = get_be32(th + 4);
	seg->ack = get_be32(th + 8);
	seg->window = get_be16(th + 14);
	seg->end = seg->seq + (l4->len - seg->header_len) + seg->has_syn + seg->has_fin;
	seg->dir = (uint8_t)ctinfo_dir(ctinfo);
	return true;
}

static bool begin(struct instance *inst, struct ct *ct, const struct pkt *pkt, const struct tcp_segment *seg)
{
	uint8_t state = next_state(IP_CT_DIR_ORIGINAL, seg->kind, TCP_CONNTRACK_NONE);
	struct ct_tcp *tcp = &ct->proto.tcp;
	struct ct_tcp_side *sender = &tcp->seen[IP_CT_DIR_ORIGINAL];

	if (state >= TCP_CONNTRACK_MAX) {
		ct_invalid(inst, pkt, "invalid new");
		return false;
	}
	if (state != TCP_CONNTRACK_SYN_SENT && !inst->ct->conf.tcp_loose)
		return false;
	memset(tcp, 0, sizeof(*tcp));
	sender->td_end = sender->td_maxend = seg->end;
	sender->td_maxwin = seg->window ? seg->window : 1;
	if (state == TCP_CONNTRACK_SYN_SENT) {
		tcp_read_options(seg, sender);
	} else {
		/* In the middle of its life: the options are unknown, so take all for possible. */
		sender->td_maxend += sender->td_maxwin;
		tcp->seen[0].flags = tcp->seen[1].flags = IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_BE_LIBERAL;
	}
	tcp->last_index = TCP_KIND_NONE;
	return true;
}

static bool is_closing(const struct ct *ct)
{
	switch (ct->proto.tcp.state) {
	case TCP_CONNTRACK_FIN_WAIT:
	case TCP_CONNTRACK_CLOSE_WAIT:
	case TCP_CONNTRACK_LAST_ACK:
	case TCP_CONNTRACK_TIME_WAIT:
	case TCP_CONNTRACK_CLOSE:
		return true;
	default:
		return false;
	}
}

static bool is_established(const struct ct *ct)
{
	return ct->proto.tcp.state == TCP_CONNTRACK_ESTABLISHED && ct->status & IPS_ASSURED;
}

/* Both ends went on without us: a SYN that we ignored has been answered. Follow them. */
static bool resync(struct ct_tcp *tcp, const struct tcp_segment *seg)
{
	struct ct_tcp_side *opener = &tcp->seen[tcp->last_dir], *answerer = &tcp->seen[seg->dir];

	if (seg->kind != TCP_KIND_SYNACK || tcp->last_index != TCP_KIND_SYN || tcp->last_dir == seg->dir ||
	    seg->ack != tcp->last_end)
		return false;
	tcp->last_flags &= ~TCP_LAST_CHALLENGE_ACK_DUE;
	opener->td_end = opener->td_maxend = tcp->last_end;
	opener->td_maxwin = tcp->last_win ? tcp->last_win : 1;
	opener->td_scale = tcp->last_wscale;
	opener->flags = tcp->last_flags;
	*answerer = (struct ct_tcp_side){ .flags = answerer->flags & IP_CT_TCP_FLAG_BE_LIBERAL };
	return true;
}

/* Notes a segment that passes without being believed, for the answer to it. */
static void note_ignored(struct ct_tcp *tcp, const struct tcp_segment *seg, uint8_t old_state)
{
	tcp->last_index = seg->kind;
	tcp->last_dir = seg->dir;
	tcp->last_seq = seg->seq;
	tcp->last_end = seg->end;
	tcp->last_win = seg->window;
	if (seg->kind == TCP_KIND_SYN && seg->dir == IP_CT_DIR_ORIGINAL) {
		struct ct_tcp_side offer = { 0 };

		tcp_read_options(seg, &offer);
		tcp->last_flags = offer.flags & (IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM);
		tcp->last_wscale = offer.flags & IP_CT_TCP_FLAG_WINDOW_SCALE ? offer.td_scale : 0;
		/* The answer may be a challenge ACK (RFC 5961), which must not pass for that of the last FIN. */
		if (old_state == TCP_CONNTRACK_LAST_ACK)
			tcp->last_flags |= TCP_LAST_CHALLENGE_ACK_DUE;
	}
	if (old_state == TCP_CONNTRACK_SYN_SENT && seg->kind == TCP_KIND_ACK && seg->dir == IP_CT_DIR_REPLY)
		tcp->last_ack = seg->ack;
}

enum reset { RESET_CHECK_WINDOW, RESET_TRUSTED, RESET_INVALID };

/* How far a reset is believed; *new_state goes back to the old one when it only might be meant. */
static enum reset judge_reset(const struct instance *inst, const struct ct *ct, const struct tcp_segment *seg,
			      uint8_t *new_state)
{
	const struct ct_tcp *tcp = &ct->proto.tcp;
	const struct ct_tcp_side *receiver = &tcp->seen[!seg->dir];

	/* Ending already: its numbers may belong to a successor by now. */
	if (is_closing(ct))
		return RESET_TRUSTED;

	if (receiver->flags & IP_CT_TCP_FLAG_MAXACK_SET && tcp->last_index != TCP_KIND_SYN) {
		if (seg->seq == 0 && !is_established(ct))
			return RESET_CHECK_WINDOW;	/* the answer to a SYN that we let through */
		if (seq_before(seg->seq, receiver->td_maxack) && !inst->ct->conf.tcp_ignore_invalid_rst)
			return RESET_INVALID;
		if (!is_established(ct) || seg->seq == receiver->td_maxack)
			return RESET_CHECK_WINDOW;
		/* Right behind this side's own last data is as good. */
		if (tcp->last_index == TCP_KIND_ACK && tcp->last_dir == seg->dir && seg->seq == tcp->last_end)
			return RESET_CHECK_WINDOW;
		/* Not exact: the receiver may answer with a challenge ACK and go on. */
		*new_state = tcp->state;
	}
	/* The answer to a SYN, or to a segment of a half-open connection, that we let through. */
	if (seg->ack == tcp->last_end &&
	    ((ct->status & IPS_SEEN_REPLY && tcp->last_index == TCP_KIND_SYN && tcp->last_dir != seg->dir) ||
	     (!(ct->status & IPS_ASSURED) && tcp->last_index == TCP_KIND_ACK)))
		return RESET_TRUSTED;
	/* The answer to a challenge ACK that we let through. */
	if (tcp->state == TCP_CONNTRACK_SYN_SENT && tcp->last_index == TCP_KIND_ACK &&
	    tcp->last_dir == IP_CT_DIR_REPLY && seg->seq == tcp->last_ack)
		return RESET_TRUSTED;
	return RESET_CHECK_WINDOW;
}

/* A RST or FIN outside the window: should the other side follow suit, we have lost track. */
static void distrust(struct instance *inst, struct ct *ct, const struct pkt *pkt, const struct tcp_segment *seg)
{
	uint32_t timeout = ct_timeout(inst, ct, &ct_proto_tcp, TCP_CONNTRACK_UNACK);
	struct ct_tcp *tcp = &ct->proto.tcp;

	if (!(ct->status & IPS_ASSURED) || ct->status & IPS_FIXED_TIMEOUT)
		return;
	if (seg->kind != TCP_KIND_RST && seg->kind != TCP_KIND_FIN)
		return;
	if (tcp->last_dir == seg->dir || (tcp->last_index != TCP_KIND_FIN && tcp->last_index != TCP_KIND_RST)) {
		tcp->last_index = seg->kind;
		tcp->last_dir = seg->dir;
		return;
	}
	if (ct_expires_ticks(inst, ct) < 120 * WEIR_HZ || ct_expires_ticks(inst, ct) <= timeout)
		return;
	ct_invalid(inst, pkt, "packet (index %d, dir %d) response for index %d lower timeout to %u", seg->kind,
		   seg->dir, tcp->last_index, timeout);
	ct_set_expiry(inst, ct, timeout);
}

static uint32_t pick_timeout(const struct instance *inst, const struct ct *ct, const struct tcp_segment *seg)
{
	const struct ct_tcp *tcp = &ct->proto.tcp;
	uint32_t normal = ct_timeout(inst, ct, &ct_proto_tcp, tcp->state);
	uint32_t retrans = ct_timeout(inst, ct, &ct_proto_tcp, TCP_CONNTRACK_RETRANS);
	uint32_t unack = ct_timeout(inst, ct, &ct_proto_tcp, TCP_CONNTRACK_UNACK);

	if (tcp->retrans >= inst->ct->conf.tcp_max_retrans && normal > retrans)
		return retrans;
	if (seg->kind == TCP_KIND_RST)
		return ct_timeout(inst, ct, &ct_proto_tcp, TCP_CONNTRACK_CLOSE);
	if ((tcp->seen[0].flags | tcp->seen[1].flags) & IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED && normal > unack)
		return unack;
	if (tcp->last_win == 0 && normal > retrans)
		return retrans;
	return normal;
}

/* The segment is believed: state, timeout, assurance. */
static int accept_segment(struct instance *inst, struct ct *ct, struct pkt *pkt, uint8_t ctinfo,
			  const struct tcp_segment *seg, uint8_t old_state, uint8_t new_state)
{
	struct ct_tcp *tcp = &ct->proto.tcp;
	uint32_t timeout, unack;

	tcp->last_index = seg->kind;
	tcp->last_dir = seg->dir;
	tcp->state = new_state;
	if (old_state != new_state) {
		if (new_state == TCP_CONNTRACK_FIN_WAIT)
			tcp->seen[seg->dir].flags |= IP_CT_TCP_FLAG_CLOSE_INIT;
		ct_event_note(ct, IPCT_PROTOINFO);
	}
	timeout = pick_timeout(inst, ct, seg);

	if (!(ct->status & IPS_SEEN_REPLY)) {
		/* A SYN answered by nothing but a reset was no connection. */
		if (seg->has_rst) {
			ct_count_packet(ct, seg->dir, pkt->len);
			ct_kill(inst, ct);
			return NF_ACCEPT;
		}
		/* Repeating a SYN prolongs nothing, or a reused port would keep an old mapping for ever. */
		if (seg->kind == TCP_KIND_SYN && old_state == TCP_CONNTRACK_SYN_SENT)
			return NF_ACCEPT;
		/* Picked up in the middle: short until the other side is heard. */
		unack = ct_timeout(inst, ct, &ct_proto_tcp, TCP_CONNTRACK_UNACK);
		if (new_state == TCP_CONNTRACK_ESTABLISHED && timeout > unack)
			timeout = unack;
	} else if (!(ct->status & IPS_ASSURED) && new_state == TCP_CONNTRACK_ESTABLISHED &&
		   (old_state == TCP_CONNTRACK_SYN_RECV || old_state == TCP_CONNTRACK_ESTABLISHED)) {
		ct->status |= IPS_ASSURED;
		ct_event_note(ct, IPCT_ASSURED);
	}
	ct_refresh(inst, ct, ctinfo, pkt, timeout);
	return NF_ACCEPT;
}

static int tcp_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4, uint8_t ctinfo,
		      const struct hook_state *state)
{
	struct ct_tcp *tcp = &ct->proto.tcp;
	uint8_t old_state, new_state;
	struct tcp_segment seg;

	if (!read_segment(inst, pkt, l4, ctinfo, state, &seg))
		return -NF_ACCEPT;
	if (!ct_is_confirmed(ct) && !begin(inst, ct, pkt, &seg))
		return -NF_ACCEPT;

	old_state = tcp->state;
	new_state = next_state(seg.dir, seg.kind, old_state);

	/* A SYN to a connection that is over begins a new one, if the old one's end was seen. */
	if (new_state == TCP_CONNTRACK_SYN_SENT && old_state >= TCP_CONNTRACK_TIME_WAIT) {
		if ((tcp->seen[0].flags | tcp->seen[1].flags) & IP_CT_TCP_FLAG_CLOSE_INIT ||
		    (tcp->last_dir == seg.dir && tcp->last_index == TCP_KIND_RST))
			return ct_kill(inst, ct) ? -NF_REPEAT : -NF_DROP;
		new_state = TCP_CONNTRACK_IGNORE;
	}

	switch (new_state) {
	case TCP_CONNTRACK_IGNORE:
		if (resync(tcp, &seg)) {
			old_state = TCP_CONNTRACK_SYN_SENT;
			new_state = TCP_CONNTRACK_SYN_RECV;
			break;
		}
		note_ignored(tcp, &seg, old_state);
		ct_invalid(inst, pkt, "packet (index %d) in dir %d ignored, state %s", seg.kind, seg.dir,
			   ct_tcp_state_name(old_state));
		return NF_ACCEPT;
	case TCP_CONNTRACK_MAX:
		/* The client, whom SYNPROXY has answered, asks after a server that has not: another SYN is due. */
		if (ct_synproxy_of(ct) && old_state == TCP_CONNTRACK_SYN_SENT && seg.kind == TCP_KIND_ACK &&
		    seg.dir == IP_CT_DIR_ORIGINAL && tcp->last_dir == IP_CT_DIR_ORIGINAL &&
		    tcp->seen[seg.dir].td_end - 1 == seg.seq)
			return NF_ACCEPT;
		ct_invalid(inst, pkt, "packet (index %d) in dir %d invalid, state %s", seg.kind, seg.dir,
			   ct_tcp_state_name(old_state));
		return -NF_ACCEPT;
	case TCP_CONNTRACK_TIME_WAIT:
		if (old_state == TCP_CONNTRACK_LAST_ACK && seg.kind == TCP_KIND_ACK && tcp->last_dir != seg.dir &&
		    tcp->last_index == TCP_KIND_SYN && tcp->last_flags & TCP_LAST_CHALLENGE_ACK_DUE) {
			tcp->last_flags &= ~TCP_LAST_CHALLENGE_ACK_DUE;
			ct_invalid(inst, pkt, "challenge-ack ignored");
			return NF_ACCEPT;
		}
		break;
	case TCP_CONNTRACK_SYN_SENT2:
		tcp->last_flags |= TCP_LAST_SIMULTANEOUS_OPEN;
		break;
	case TCP_CONNTRACK_SYN_RECV:
		if (seg.dir == IP_CT_DIR_REPLY && seg.kind == TCP_KIND_ACK &&
		    tcp->last_flags & TCP_LAST_SIMULTANEOUS_OPEN)
			new_state = TCP_CONNTRACK_ESTABLISHED;
		break;
	case TCP_CONNTRACK_CLOSE:
		if (seg.kind != TCP_KIND_RST)
			break;
		switch (judge_reset(inst, ct, &seg, &new_state)) {
		case RESET_TRUSTED:
			return accept_segment(inst, ct, pkt, ctinfo, &seg, old_state, new_state);
		case RESET_INVALID:
			ct_invalid(inst, pkt, "invalid rst");
			return -NF_ACCEPT;
		case RESET_CHECK_WINDOW:
			break;
		}
		break;
	}

	switch (tcp_check_window(inst, ct, pkt, &seg)) {
	case TCP_PASSES:
		return NF_ACCEPT;
	case TCP_INVALID:
		distrust(inst, ct, pkt, &seg);
		return -NF_ACCEPT;
	case TCP_FITS:
		break;
	}
	return accept_segment(inst, ct, pkt, ctinfo, &seg, old_state, new_state);
}

void ct_set_closing(struct instance *inst, struct ct *ct)
{
	uint8_t old_state;

	if (!ct || !ct_is_confirmed(ct) || ct_is_dying(ct) || ct_proto_num(ct) != IPPROTO_TCP)
		return;
	old_state = ct->proto.tcp.state;
	ct->proto.tcp.state = TCP_CONNTRACK_CLOSE;
	if (old_state == TCP_CONNTRACK_CLOSE || ct->status & IPS_FIXED_TIMEOUT)
		return;
	ct_set_expiry(inst, ct, ct_timeout(inst, ct, &ct_proto_tcp, TCP_CONNTRACK_CLOSE));
	ct_event_note(ct, IPCT_PROTOINFO);
}

static void tcp_print_state(const struct ct *ct, struct strbuf *out)
{
	sb_printf(out, "%s ", ct_tcp_state_name(ct->proto.tcp.state));
}

const struct ct_proto ct_proto_tcp = {
	.name = "tcp", .number = IPPROTO_TCP,
	.read_tuple = ct_read_ports,
	.packet = tcp_packet, .can_early_drop = is_closing, .print_state = tcp_print_state,
	.timeouts = tcp_timeouts, .timeout_count = ARRAY_SIZE(tcp_timeouts),
};
