/*
 * ext/match/ipp2p.c - "-m ipp2p": packets by which old file sharing programs give themselves away. Each protocol is a list of beginnings,
 * sometimes with a length that must agree: what their public protocol descriptions say. It finds some packets of a
 * connection, not all. (xtables-addons; the flags are its own)
 */
#include "base/uapi.h"

#include "classify/classify.h"
#include "ext/addons.h"

enum { EDK = 1 << 0, DATA_KAZAA = 1 << 1, DATA_EDK = 1 << 2, DATA_DC = 1 << 3, DC = 1 << 4, DATA_GNU = 1 << 5, GNU = 1 << 6,
       KAZAA = 1 << 7, BIT = 1 << 8, APPLE = 1 << 9, SOUL = 1 << 10, WINMX = 1 << 11, ARES = 1 << 12, MUTE = 1 << 13,
       WASTE = 1 << 14, XDCC = 1 << 15 };
enum { ON_TCP = 1, ON_UDP = 2 };

/* Payloads that begin like this. */
struct beginning {
	uint16_t protocol;
	uint8_t on, len;
	const char *bytes;
};
#define BEGINS(p, where, text) { p, where, sizeof(text) - 1, text }

static const struct beginning beginnings[] = {
	BEGINS(BIT, ON_TCP, "\x13" "BitTorrent protocol"), BEGINS(BIT, ON_TCP, "GET /scrape?info_hash="),
	BEGINS(BIT, ON_TCP, "GET /announce?info_hash="), BEGINS(BIT, ON_UDP, "\0\0\x04\x17\x27\x10\x19\x80"),	/* tracker: connect */
	BEGINS(BIT, ON_UDP, "d1:ad2:id20:"), BEGINS(BIT, ON_UDP, "d1:rd2:id20:"),				/* DHT */
	BEGINS(BIT, ON_UDP, "d1:eli20"),
	BEGINS(GNU, ON_TCP, "GNUTELLA CONNECT/"), BEGINS(GNU, ON_TCP, "GNUTELLA/"), BEGINS(GNU, ON_UDP, "GND\x01"),
	BEGINS(GNU, ON_UDP, "GND\x02"), BEGINS(DATA_GNU, ON_TCP, "GET /get/"), BEGINS(DATA_GNU, ON_TCP, "GET /uri-res/"),
	BEGINS(DC, ON_TCP, "$MyNick "), BEGINS(DC, ON_TCP, "$Lock "), BEGINS(DC, ON_TCP, "$Supports "), BEGINS(DC, ON_TCP, "$Key "),
	BEGINS(DC, ON_TCP, "$Hello "), BEGINS(DC, ON_TCP, "$ConnectToMe "), BEGINS(DC, ON_UDP, "$SR "), BEGINS(DC, ON_UDP, "$Ping "),
	BEGINS(DATA_DC, ON_TCP, "$ADCGET "), BEGINS(DATA_DC, ON_TCP, "$Get "), BEGINS(DATA_DC, ON_TCP, "$Direction "),
	BEGINS(DATA_KAZAA, ON_TCP, "GET /.hash="), BEGINS(KAZAA, ON_TCP, "GIVE "), BEGINS(KAZAA, ON_TCP, "GET /.supernode"),
	BEGINS(APPLE, ON_TCP, "ajprot\r\n"), BEGINS(WINMX, ON_TCP, "SEND "), BEGINS(MUTE, ON_TCP, "PublicKey: "),
	BEGINS(MUTE, ON_TCP, "AESKeyRequest"), BEGINS(WASTE, ON_TCP, "GET.sha1:"), BEGINS(XDCC, ON_TCP, "PRIVMSG "),
};

static uint32_t le32(const uint8_t *at)
{
	return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

/* eDonkey and eMule: a byte for the dialect, over TCP the length of what follows, an opcode. */
static bool is_edonkey(const uint8_t *at, uint32_t len, uint8_t on)
{
	enum { EDONKEY = 0xe3, EMULE = 0xc5, PACKED = 0xd4, KAD = 0xe4, KAD_PACKED = 0xe5 };

	if (len < 2)
		return false;
	if (on == ON_UDP)
		return (at[0] == EDONKEY && at[1] >= 0x90 && at[1] <= 0xa3) || (at[0] == EMULE && at[1] >= 0x90 && at[1] <= 0x94) ||
		       ((at[0] == KAD || at[0] == KAD_PACKED) && at[1] <= 0x62);
	return len >= 6 && (at[0] == EDONKEY || at[0] == EMULE || at[0] == PACKED) && le32(at + 1) == len - 5;
}

/* KaZaA signs its UDP packets at their end. */
static bool is_kazaa_udp(const uint8_t *at, uint32_t len)
{
	return len >= 6 && memcmp(at + len - 6, "KaZaA", 6) == 0;
}

/* SoulSeek: a length that agrees, then a small code, both little-endian. */
static bool is_soulseek(const uint8_t *at, uint32_t len)
{
	return len >= 8 && le32(at) == len - 4 && le32(at + 4) && le32(at + 4) < 152;
}

/* Ares: a length of two bytes that agrees, then one of its commands. */
static bool is_ares(const uint8_t *at, uint32_t len)
{
	return len >= 3 && (uint32_t)(at[0] | at[1] << 8) == len - 3 && (at[2] == 0x5a || at[2] == 0x09 || at[2] == 0x50 || at[2] == 0x51);
}

/* "PRIVMSG nick :xdcc send #7": an order to an IRC bot. */
static bool is_xdcc(const uint8_t *at, uint32_t len)
{
	static const char order[] = ":xdcc send #";

	for (uint32_t i = 0; i + sizeof(order) - 1 <= len && i < 64; i++)
		if (memcmp(at + i, order, sizeof(order) - 1) == 0)
			return true;
	return false;
}

static uint16_t protocols_of(const uint8_t *at, uint32_t len, uint8_t on)
{
	uint16_t found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
		if (beginnings[i].on == on && len >= beginnings[i].len && memcmp(at, beginnings[i].bytes, beginnings[i].len) == 0)
			found |= beginnings[i].protocol;
	if (found & XDCC && !is_xdcc(at, len))
		found &= ~XDCC;
	if (is_edonkey(at, len, on))
		found |= EDK;
	if (on == ON_UDP && is_kazaa_udp(at, len))
		found |= KAZAA;
	if (on == ON_TCP && is_soulseek(at, len))
		found |= SOUL;
	if (on == ON_TCP && is_ares(at, len))
		found |= ARES;
	return found;
}

static bool ipp2p_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ipt_p2p_info *info = data;
	uint32_t wanted = (uint32_t)info->cmd, header;
	const uint8_t *l4;

	if (!pkt->l.has_l4 || pkt->l.frag_off || (pkt->l.l4proto != IPPROTO_TCP && pkt->l.l4proto != IPPROTO_UDP))
		return false;
	header = pkt->l.l4proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	l4 = pkt_l4(pkt, header);
	if (!l4)
		return false;
	if (pkt->l.l4proto == IPPROTO_TCP)
		header = (l4[12] >> 4) * 4u;
	if (header >= pkt->l.l4_len)
		return false;	/* says nothing */
	/* asking for a protocol asks for its data connections, too */
	wanted |= (wanted & KAZAA ? DATA_KAZAA : 0) | (wanted & EDK ? DATA_EDK : 0) | (wanted & DC ? DATA_DC : 0) |
		  (wanted & GNU ? DATA_GNU : 0);
	return protocols_of(l4 + header, pkt->l.l4_len - header, pkt->l.l4proto == IPPROTO_TCP ? ON_TCP : ON_UDP) & wanted;
}

#define P2P(n, bit, h) { .name = n, .type = OPT_FLAG, .set_at = offsetof(struct ipt_p2p_info, cmd), .set_bits = bit, \
	.set_width = 4, .help = h }

static const struct opt ipp2p_options[] = {
	P2P("edk", EDK, "eDonkey and eMule"), P2P("kazaa", KAZAA, "KaZaA"), P2P("dc", DC, "Direct Connect"),
	P2P("gnu", GNU, "Gnutella"), P2P("bit", BIT, "BitTorrent"), P2P("apple", APPLE, "AppleJuice"),
	P2P("soul", SOUL, "SoulSeek"), P2P("winmx", WINMX, "WinMX"), P2P("ares", ARES, "Ares"), P2P("mute", MUTE, "MUTE"),
	P2P("waste", WASTE, "WASTE"), P2P("xdcc", XDCC, "orders to XDCC bots"),
	{ .name = "debug", .type = OPT_FLAG, .set_at = offsetof(struct ipt_p2p_info, debug), .set_bits = 1, .set_width = 4,
	  .help = "taken, and without effect here" },
	OPT_END
};

static int ipp2p_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return ((const struct ipt_p2p_info *)data)->cmd ? 0 : refuse(why, -EINVAL, "ipp2p: a protocol is required");
}

static void ipp2p_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_p2p_info *info = data;

	for (const struct opt *opt = ipp2p_options; opt->name; opt++)
		if ((uint32_t)(opt->set_at ? info->debug : info->cmd) & opt->set_bits)
			sb_printf(out, " --%s ", opt->name);
}

static void ipp2p_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m ipp2p ");
	ipp2p_save(data, view, out);
}

static const struct ext_text ipp2p_text = {
	.options = ipp2p_options, .help_head = "ipp2p match options:", .finish = ipp2p_finish,
	.save = ipp2p_save, .print = ipp2p_print,
};

const struct match match_ipp2p = {
	.name = "ipp2p", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct ipt_p2p_info), .depends = DEP_BYTES,
	.match = ipp2p_match, .classify = class_rule_nothing, .text = &ipp2p_text,
};
