/*
 * conntrack/proto/sctp.c - SCTP: a packet is a row of chunks, and each may move the state.
 * What belongs to an association is known by its verification tag: one for each direction, announced in
 * INIT and INIT ACK by the side that wants to be addressed with it. A heartbeat may also open a second path
 * of an association that we have not seen begin.
 */
#include "conntrack/conntrack_internal.h"

#include <linux/netfilter/nf_conntrack_sctp.h>

#include "base/crc32c.h"

extern const struct ct_proto ct_proto_sctp;

enum {
	SCTP_HEADER_LEN = 12,		/* ports, verification tag, checksum */
	SCTP_VTAG = 4, SCTP_CHECKSUM = 8,
	CHUNK_HEADER_LEN = 4,		/* type, flags, length */
	INIT_LEN = 16,			/* what an INIT begins with: its first word is the tag */
	CHUNK_FLAG_T = 0x01,		/* the tag is the peer's */
};

enum {
	CHUNK_DATA = 0, CHUNK_INIT = 1, CHUNK_INIT_ACK = 2, CHUNK_HEARTBEAT = 4, CHUNK_HEARTBEAT_ACK = 5,
	CHUNK_ABORT = 6, CHUNK_SHUTDOWN = 7, CHUNK_SHUTDOWN_ACK = 8, CHUNK_ERROR = 9, CHUNK_COOKIE_ECHO = 10,
	CHUNK_COOKIE_ACK = 11, CHUNK_SHUTDOWN_COMPLETE = 14, CHUNK_LAST = CHUNK_SHUTDOWN_COMPLETE,
};

static const struct ct_timeout sctp_timeouts[SCTP_CONNTRACK_MAX] = {
	[SCTP_CONNTRACK_CLOSED]            = { "sctp_timeout_closed", 10 },
	[SCTP_CONNTRACK_COOKIE_WAIT]       = { "sctp_timeout_cookie_wait", 3 },
	[SCTP_CONNTRACK_COOKIE_ECHOED]     = { "sctp_timeout_cookie_echoed", 3 },
	[SCTP_CONNTRACK_ESTABLISHED]       = { "sctp_timeout_established", 210 },
	[SCTP_CONNTRACK_SHUTDOWN_SENT]     = { "sctp_timeout_shutdown_sent", 3 },
	[SCTP_CONNTRACK_SHUTDOWN_RECD]     = { "sctp_timeout_shutdown_recd", 3 },
	[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT] = { "sctp_timeout_shutdown_ack_sent", 3 },
	[SCTP_CONNTRACK_HEARTBEAT_SENT]    = { "sctp_timeout_heartbeat_sent", 30 },
};

/*
 * The state after a chunk, a letter for each state before it in the order of enum sctp_conntrack: C CLOSED,
 * W COOKIE_WAIT, E COOKIE_ECHOED, S ESTABLISHED, s SHUTDOWN_SENT, r SHUTDOWN_RECD, a SHUTDOWN_ACK_SENT,
 * H HEARTBEAT_SENT; '-' invalid. Chunks without a row leave the state alone.
 */
static const char *const next_states[IP_CT_DIR_MAX][CHUNK_LAST + 1] = {
	[IP_CT_DIR_ORIGINAL] = {		/* 0CWESsraH */
		[CHUNK_INIT]              = "CCWESCCaW",
		[CHUNK_INIT_ACK]          = "CCWESsraC",
		[CHUNK_ABORT]             = "CCCCCCCCC",
		[CHUNK_SHUTDOWN]          = "CCWEssraC",
		[CHUNK_SHUTDOWN_ACK]      = "aCWESaaaa",
		[CHUNK_ERROR]             = "CCWESsraC",
		[CHUNK_COOKIE_ECHO]       = "CCEESsraC",
		[CHUNK_COOKIE_ACK]        = "CCWSSsraC",
		[CHUNK_SHUTDOWN_COMPLETE] = "CCWESsrCC",
		[CHUNK_HEARTBEAT]         = "HCWESsraH",
		[CHUNK_HEARTBEAT_ACK]     = "CCWESsraH",
	},
	[IP_CT_DIR_REPLY] = {
		[CHUNK_INIT]              = "-CWESsra-",
		[CHUNK_INIT_ACK]          = "-WWESsra-",
		[CHUNK_ABORT]             = "-CCCCCCC-",
		[CHUNK_SHUTDOWN]          = "-CWErsra-",
		[CHUNK_SHUTDOWN_ACK]      = "-CWESaaa-",
		[CHUNK_ERROR]             = "-CWCSsra-",
		[CHUNK_COOKIE_ECHO]       = "-CEESsra-",
		[CHUNK_COOKIE_ACK]        = "-CWSSsra-",
		[CHUNK_SHUTDOWN_COMPLETE] = "-CWESsrC-",
		[CHUNK_HEARTBEAT]         = "-CWESsraH",
		[CHUNK_HEARTBEAT_ACK]     = "-CWESsraS",
	},
};

static uint8_t next_state(int dir, uint8_t state, uint8_t chunk)
{
	if (chunk > CHUNK_LAST || !next_states[dir][chunk])
		return state;
	switch (next_states[dir][chunk][state]) {
	case 'C': return SCTP_CONNTRACK_CLOSED;
	case 'W': return SCTP_CONNTRACK_COOKIE_WAIT;
	case 'E': return SCTP_CONNTRACK_COOKIE_ECHOED;
	case 'S': return SCTP_CONNTRACK_ESTABLISHED;
	case 's': return SCTP_CONNTRACK_SHUTDOWN_SENT;
	case 'r': return SCTP_CONNTRACK_SHUTDOWN_RECD;
	case 'a': return SCTP_CONNTRACK_SHUTDOWN_ACK_SENT;
	case 'H': return SCTP_CONNTRACK_HEARTBEAT_SENT;
	default:  return SCTP_CONNTRACK_MAX;
	}
}

/* A walk along the chunks: type, flags and length are there, the rest may be cut. */
struct chunk {
	const uint8_t *at;
	uint32_t left;		/* bytes from @at to the end of the packet */
	unsigned int number;
};

static bool chunk_first(const struct ct_l4 *l4, struct chunk *chunk)
{
	*chunk = (struct chunk){ l4->at + SCTP_HEADER_LEN, l4->len - SCTP_HEADER_LEN, 0 };
	return chunk->left >= CHUNK_HEADER_LEN;
}

static bool chunk_next(struct chunk *chunk)
{
	uint32_t len = ALIGN_UP((uint32_t)get_be16(chunk->at + 2), 4u);

	if (len > chunk->left)
		len = chunk->left;
	chunk->at += len;
	chunk->left -= len;
	chunk->number++;
	return chunk->left >= CHUNK_HEADER_LEN;
}

static be32 read_tag(const uint8_t *at)
{
	be32 tag;

	memcpy(&tag, at, sizeof(tag));
	return tag;
}

static be32 vtag_of(const struct ct_l4 *l4) { return read_tag(l4->at + SCTP_VTAG); }

/* The tag that an INIT or INIT ACK announces; false: the chunk is cut. */
static bool announced_tag(const struct chunk *chunk, be32 *tag)
{
	if (chunk->left < CHUNK_HEADER_LEN + INIT_LEN)
		return false;
	*tag = read_tag(chunk->at + CHUNK_HEADER_LEN);
	return true;
}

static bool crc_wrong(const struct ct_l4 *l4)
{
	static const uint8_t zero[4];
	const uint8_t *sum = l4->at + SCTP_CHECKSUM;
	uint32_t crc = crc32c(~0u, l4->at, SCTP_CHECKSUM);

	crc = crc32c(crc, zero, sizeof(zero));
	crc = ~crc32c(crc, l4->at + SCTP_HEADER_LEN, l4->len - SCTP_HEADER_LEN);
	return crc != (sum[0] | (uint32_t)sum[1] << 8 | (uint32_t)sum[2] << 16 | (uint32_t)sum[3] << 24);
}

static bool sctp_refused(struct instance *inst, struct pkt *pkt, const struct ct_l4 *l4, const struct hook_state *state)
{
	if (l4->len < SCTP_HEADER_LEN) {
		ct_invalid(inst, pkt, "nf_ct_sctp: short packet ");
		return true;
	}
	if (state->hooknum == NF_INET_PRE_ROUTING && inst->ct->conf.checksum && !(pkt->flags & PKT_FLAG_CSUM_TRUSTED)) {
		if (crc_wrong(l4)) {
			ct_invalid(inst, pkt, "nf_ct_sctp: bad CRC ");
			return true;
		}
		pkt->flags |= PKT_FLAG_CSUM_TRUSTED;
	}
	return false;
}

struct chunk_set { uint64_t bits[4]; };

static void set_add(struct chunk_set *set, uint8_t type) { set->bits[type / 64] |= 1ull << type % 64; }
static bool set_has(const struct chunk_set *set, uint8_t type) { return set->bits[type / 64] >> type % 64 & 1; }

/* Some chunks travel alone, some only in front. Collects the types. */
static bool chunks_make_sense(struct instance *inst, const struct pkt *pkt, const struct ct_l4 *l4,
			      struct chunk_set *set)
{
	struct chunk chunk;
	bool alone = false;

	if (!chunk_first(l4, &chunk))
		return false;
	do {
		uint8_t type = chunk.at[0];
		uint16_t len;

		memcpy(&len, chunk.at + 2, sizeof(len));
		if (type == CHUNK_INIT || type == CHUNK_INIT_ACK || type == CHUNK_SHUTDOWN_COMPLETE)
			alone = true;
		if (!len || (chunk.number && (alone || type == CHUNK_COOKIE_ACK || type == CHUNK_COOKIE_ECHO))) {
			/* The length is printed in the byte order it has on the wire. */
			ct_invalid(inst, pkt, "do_basic_checks failed. chunk num %d, type %d, len %d flag %d\n",
				   (int)chunk.number, type, len, alone);
			return false;
		}
		set_add(set, type);
	} while (chunk_next(&chunk));
	return true;
}

/* What may begin an association, and the tags that are known from it. */
static bool begin(struct ct *ct, const struct ct_l4 *l4, const struct chunk_set *set)
{
	struct ct_sctp *sctp = &ct->proto.sctp;
	struct chunk chunk;

	if (set_has(set, CHUNK_ABORT) || set_has(set, CHUNK_SHUTDOWN_COMPLETE) || set_has(set, CHUNK_COOKIE_ACK))
		return false;
	memset(sctp, 0, sizeof(*sctp));
	chunk_first(l4, &chunk);
	do {
		uint8_t state = next_state(IP_CT_DIR_ORIGINAL, SCTP_CONNTRACK_NONE, chunk.at[0]);

		if (state == SCTP_CONNTRACK_NONE || state == SCTP_CONNTRACK_MAX)
			return false;
		switch (chunk.at[0]) {
		case CHUNK_INIT:
			if (vtag_of(l4) || !announced_tag(&chunk, &sctp->vtag[IP_CT_DIR_REPLY]))
				return false;
			break;
		case CHUNK_HEARTBEAT:
			sctp->vtag[IP_CT_DIR_ORIGINAL] = vtag_of(l4);
			break;
		case CHUNK_SHUTDOWN_ACK:	/* out of the blue: a SHUTDOWN COMPLETE is due */
			sctp->vtag[IP_CT_DIR_REPLY] = vtag_of(l4);
			break;
		}
	} while (chunk_next(&chunk));
	return true;
}

/* Chunks that are not bound to this direction's tag, or have rules of their own for it. */
static bool tag_is_free(const struct chunk_set *set)
{
	return set_has(set, CHUNK_INIT) || set_has(set, CHUNK_SHUTDOWN_COMPLETE) || set_has(set, CHUNK_COOKIE_ECHO) ||
	       set_has(set, CHUNK_ABORT) || set_has(set, CHUNK_SHUTDOWN_ACK) || set_has(set, CHUNK_HEARTBEAT) ||
	       set_has(set, CHUNK_HEARTBEAT_ACK);
}

struct walk {
	const struct ct_l4 *l4;
	const struct chunk_set *set;
	int dir;
	be32 vtag;
	bool ignore;		/* passes, but prolongs nothing */
};

enum heed { HEED, SKIP, REFUSE };

/* A heartbeat with a strange tag may come from a restarted peer: remembered until it is answered. */
static enum heed heed_heartbeat(struct ct_sctp *sctp, struct walk *walk, bool answer)
{
	if (sctp->vtag[walk->dir] == 0) {
		sctp->vtag[walk->dir] = walk->vtag;
		return HEED;
	}
	if (walk->vtag == sctp->vtag[walk->dir]) {
		sctp->heartbeat_vtag_failed = false;
		return HEED;
	}
	if (set_has(walk->set, CHUNK_DATA) || walk->ignore)
		return REFUSE;
	if (!answer) {
		sctp->heartbeat_vtag_failed = true;
		sctp->last_dir = (uint8_t)walk->dir;
		walk->ignore = true;
		return SKIP;
	}
	if (!sctp->heartbeat_vtag_failed || sctp->last_dir == walk->dir)
		return REFUSE;
	sctp->heartbeat_vtag_failed = false;
	sctp->vtag[walk->dir] = walk->vtag;
	sctp->vtag[!walk->dir] = 0;
	return HEED;
}

/* RFC 9260 section 8.5.1: the exceptions from the verification tag rule. */
static enum heed heed_tag(struct ct_sctp *sctp, struct walk *walk, const struct chunk *chunk)
{
	switch (chunk->at[0]) {
	case CHUNK_INIT:
		return walk->vtag ? REFUSE : HEED;
	case CHUNK_ABORT:
	case CHUNK_SHUTDOWN_COMPLETE:
		return walk->vtag == sctp->vtag[chunk->at[1] & CHUNK_FLAG_T ? !walk->dir : walk->dir] ? HEED : REFUSE;
	case CHUNK_COOKIE_ECHO:
		return walk->vtag == sctp->vtag[walk->dir] ? HEED : REFUSE;
	case CHUNK_COOKIE_ACK:
		sctp->init[0] = sctp->init[1] = false;
		return HEED;
	case CHUNK_HEARTBEAT:
		return heed_heartbeat(sctp, walk, false);
	case CHUNK_HEARTBEAT_ACK:
		return heed_heartbeat(sctp, walk, true);
	default:
		return HEED;
	}
}

/* Notes the tag that an INIT or INIT ACK wants the other side to use. */
static bool learn_tag(struct ct *ct, struct walk *walk, const struct chunk *chunk, uint8_t old_state, uint8_t new_state)
{
	struct ct_sctp *sctp = &ct->proto.sctp;
	be32 tag, *known = &sctp->vtag[!walk->dir];

	if (chunk->at[0] == CHUNK_INIT) {
		if (!announced_tag(chunk, &tag))
			return false;
		/* Both may have begun at once; repeating an INIT is no beginning. */
		if (old_state == SCTP_CONNTRACK_NONE || *known != tag) {
			if (sctp->init[walk->dir] && sctp->init[!walk->dir])
				sctp->init[!walk->dir] = false;
			sctp->init[walk->dir] = true;
		}
		*known = tag;
		if (new_state == SCTP_CONNTRACK_CLOSED && old_state == SCTP_CONNTRACK_CLOSED && ct_is_confirmed(ct))
			walk->ignore = true;
	} else if (chunk->at[0] == CHUNK_INIT_ACK) {
		if (!announced_tag(chunk, &tag))
			return false;
		if (*known != tag && ((!sctp->init[!walk->dir] && *known) || (sctp->init[0] && sctp->init[1])))
			return false;
		*known = tag;
	}
	return true;
}

static int sctp_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4, uint8_t ctinfo,
		       const struct hook_state *state)
{
	struct ct_sctp *sctp = &ct->proto.sctp;
	uint8_t old_state, new_state = SCTP_CONNTRACK_NONE;
	struct chunk_set set = { { 0 } };
	struct walk walk;
	struct chunk chunk;

	if (sctp_refused(inst, pkt, l4, state) || !chunks_make_sense(inst, pkt, l4, &set))
		return -NF_ACCEPT;
	if (!ct_is_confirmed(ct) && !begin(ct, l4, &set))
		return -NF_ACCEPT;
	walk = (struct walk){ l4, &set, ctinfo_dir(ctinfo), vtag_of(l4), false };
	if (!tag_is_free(&set) && walk.vtag != sctp->vtag[walk.dir]) {
		/* Printed as they lie on the wire, too. */
		ct_invalid(inst, pkt, "verification tag check failed %x vs %x for dir %d", walk.vtag,
			   sctp->vtag[walk.dir], walk.dir);
		return -NF_ACCEPT;
	}
	chunk_first(l4, &chunk);
	do {
		enum heed heed = heed_tag(sctp, &walk, &chunk);

		if (heed == REFUSE)
			return -NF_ACCEPT;
		if (heed == SKIP)
			continue;
		old_state = sctp->state;
		new_state = next_state(walk.dir, old_state, chunk.at[0]);
		if (new_state == SCTP_CONNTRACK_MAX) {
			ct_invalid(inst, pkt, "Invalid, old_state %d, dir %d, type %d", old_state, walk.dir, chunk.at[0]);
			return -NF_ACCEPT;
		}
		if (!learn_tag(ct, &walk, &chunk, old_state, new_state))
			return -NF_ACCEPT;
		sctp->state = new_state;
		if (old_state == new_state)
			continue;
		ct_event_note(ct, IPCT_PROTOINFO);
		if (new_state == SCTP_CONNTRACK_ESTABLISHED && !(ct->status & IPS_ASSURED)) {
			ct->status |= IPS_ASSURED;
			ct_event_note(ct, IPCT_ASSURED);
		}
	} while (chunk_next(&chunk));
	if (!walk.ignore)
		ct_refresh(inst, ct, ctinfo, pkt, ct_timeout(inst, ct, &ct_proto_sctp, new_state));
	return NF_ACCEPT;
}

static bool is_closing(const struct ct *ct)
{
	return ct->proto.sctp.state == SCTP_CONNTRACK_SHUTDOWN_SENT ||
	       ct->proto.sctp.state == SCTP_CONNTRACK_SHUTDOWN_RECD ||
	       ct->proto.sctp.state == SCTP_CONNTRACK_SHUTDOWN_ACK_SENT;
}

const char *ct_sctp_state_name(uint8_t state)
{
	static const char *const names[] = {
		[SCTP_CONNTRACK_NONE] = "NONE",
		[SCTP_CONNTRACK_CLOSED] = "CLOSED",
		[SCTP_CONNTRACK_COOKIE_WAIT] = "COOKIE_WAIT",
		[SCTP_CONNTRACK_COOKIE_ECHOED] = "COOKIE_ECHOED",
		[SCTP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
		[SCTP_CONNTRACK_SHUTDOWN_SENT] = "SHUTDOWN_SENT",
		[SCTP_CONNTRACK_SHUTDOWN_RECD] = "SHUTDOWN_RECD",
		[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT] = "SHUTDOWN_ACK_SENT",
		[SCTP_CONNTRACK_HEARTBEAT_SENT] = "HEARTBEAT_SENT",
	};

	return names[state < ARRAY_SIZE(names) && names[state] ? state : SCTP_CONNTRACK_NONE];
}

static void sctp_print_state(const struct ct *ct, struct strbuf *out)
{
	sb_printf(out, "%s ", ct_sctp_state_name(ct->proto.sctp.state));
}

const struct ct_proto ct_proto_sctp = {
	.name = "sctp", .number = IPPROTO_SCTP,
	.read_tuple = ct_read_ports,
	.packet = sctp_packet, .can_early_drop = is_closing, .print_state = sctp_print_state,
	.timeouts = sctp_timeouts, .timeout_count = ARRAY_SIZE(sctp_timeouts),
};
