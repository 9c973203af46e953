/*
 * ext/logline.c - a packet as one line of words, as LOG and the kernel's log have it.
 * Headers are read where they stand; what does not fit is said in the line ("TRUNCATED",
 * "INCOMPLETE [n bytes]"), never guessed. An ICMP error shows the packet it quotes, one level deep.
 */
#include "base/uapi.h"

#include <linux/netfilter/nf_log.h>

#include "ext/ext.h"
#include "host/socket.h"

struct logger {
	struct strbuf *out;
	const struct pkt *pkt;
	uint8_t flags;		/* NF_LOG_* */
};

static void add_hex(struct strbuf *out, const uint8_t *bytes, unsigned int len)
{
	sb_adds(out, "OPT (");
	for (unsigned int i = 0; i < len; i++)
		sb_printf(out, "%02X", bytes[i]);
	sb_adds(out, ") ");
}

/* May wrap when a header length points beyond the packet: the kernel prints the wrapped number, too. */
static void add_incomplete(const struct logger *log, uint32_t off, const char *tail)
{
	sb_printf(log->out, "INCOMPLETE [%u bytes] %s", log->pkt->len - off, tail);
}

static void add_owner_and_mark(const struct logger *log)
{
	const struct host_socket *socket = log->pkt->socket;

	if ((log->flags & NF_LOG_UID) && socket && !socket->spec.no_program)
		sb_printf(log->out, "UID=%u GID=%u ", socket->spec.uid, socket->spec.gid);
	if (log->pkt->mark)
		sb_printf(log->out, "MARK=0x%x ", log->pkt->mark);
}

/* false: the line ends here. */
static bool add_tcp(const struct logger *log, bool fragment, uint32_t off)
{
	static const struct { uint8_t bit; const char *word; } flags[] = {
		{ 0x80, "CWR " }, { 0x40, "ECE " }, { 0x20, "URG " }, { 0x10, "ACK " },
		{ 0x08, "PSH " }, { 0x04, "RST " }, { 0x02, "SYN " }, { 0x01, "FIN " },
	};
	const uint8_t *tcp, *options;
	unsigned int doff;

	sb_adds(log->out, "PROTO=TCP ");
	if (fragment)
		return true;
	tcp = pkt_at(log->pkt, off, sizeof(struct tcphdr));
	if (!tcp) {
		add_incomplete(log, off, "");
		return false;
	}
	sb_printf(log->out, "SPT=%u DPT=%u ", get_be16(tcp), get_be16(tcp + 2));
	if (log->flags & NF_LOG_TCPSEQ)
		sb_printf(log->out, "SEQ=%u ACK=%u ", get_be32(tcp + 4), get_be32(tcp + 8));
	sb_printf(log->out, "WINDOW=%u RES=0x%02x ", get_be16(tcp + 14), (tcp[12] & 0x0e) << 2);
	if (tcp[12] & 0x01)	/* RFC 9768 took it from the reserved bits */
		sb_adds(log->out, "AE ");
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
		if (tcp[13] & flags[i].bit)
			sb_adds(log->out, flags[i].word);
	sb_printf(log->out, "URGP=%u ", get_be16(tcp + 18));
	doff = (tcp[12] >> 4) * 4;
	if ((log->flags & NF_LOG_TCPOPT) && doff > sizeof(struct tcphdr)) {
		options = pkt_at(log->pkt, off + sizeof(struct tcphdr), doff - sizeof(struct tcphdr));
		if (!options) {
			sb_adds(log->out, "OPT (TRUNCATED)");
			return false;
		}
		add_hex(log->out, options, doff - sizeof(struct tcphdr));
	}
	return true;
}

static bool add_udp(const struct logger *log, uint8_t proto, bool fragment, uint32_t off)
{
	const uint8_t *udp;

	sb_adds(log->out, proto == IPPROTO_UDP ? "PROTO=UDP " : "PROTO=UDPLITE ");
	if (fragment)
		return true;
	udp = pkt_at(log->pkt, off, sizeof(struct udphdr));
	if (!udp) {
		add_incomplete(log, off, "");
		return false;
	}
	sb_printf(log->out, "SPT=%u DPT=%u LEN=%u ", get_be16(udp), get_be16(udp + 2), get_be16(udp + 4));
	return true;
}

static void add_ipv4(const struct logger *log, uint32_t base, bool quoted);

/* How much of each ICMP type must be there to be told in full; 0: no matter. */
static uint32_t icmp_full_len(uint8_t type)
{
	switch (type) {
	case ICMP_ECHOREPLY: case ICMP_ECHO:
		return 4;
	case ICMP_DEST_UNREACH: case ICMP_SOURCE_QUENCH: case ICMP_REDIRECT: case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return 8 + sizeof(struct iphdr);
	case ICMP_TIMESTAMP: case ICMP_TIMESTAMPREPLY:
		return 20;
	case ICMP_ADDRESS: case ICMP_ADDRESSREPLY:
		return 12;
	}
	return 0;
}

static void add_icmp(const struct logger *log, bool fragment, uint32_t off, bool quoted)
{
	const uint8_t *icmp;

	sb_adds(log->out, "PROTO=ICMP ");
	if (fragment)
		return;
	icmp = pkt_at(log->pkt, off, sizeof(struct icmphdr));
	if (!icmp) {
		add_incomplete(log, off, "");
		return;
	}
	sb_printf(log->out, "TYPE=%u CODE=%u ", icmp[0], icmp[1]);
	if (log->pkt->len - off < icmp_full_len(icmp[0])) {
		add_incomplete(log, off, "");
		return;
	}
	switch (icmp[0]) {
	case ICMP_ECHOREPLY:
	case ICMP_ECHO:
		sb_printf(log->out, "ID=%u SEQ=%u ", get_be16(icmp + 4), get_be16(icmp + 6));
		break;
	case ICMP_PARAMETERPROB:
		sb_printf(log->out, "PARAMETER=%u ", icmp[4]);
		break;
	case ICMP_REDIRECT:
		sb_printf(log->out, "GATEWAY=%u.%u.%u.%u ", icmp[4], icmp[5], icmp[6], icmp[7]);
		/* fall through */
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_TIME_EXCEEDED:
		if (!quoted) {
			sb_addc(log->out, '[');
			add_ipv4(log, off + sizeof(struct icmphdr), true);
			sb_adds(log->out, "] ");
		}
		if (icmp[0] == ICMP_DEST_UNREACH && icmp[1] == ICMP_FRAG_NEEDED)
			sb_printf(log->out, "MTU=%u ", get_be16(icmp + 6));
	}
}

/* AH and ESP are told by their security parameter index alone. */
static void add_spi(const struct logger *log, uint32_t off, uint32_t header_len, uint32_t spi_at)
{
	const uint8_t *header = pkt_at(log->pkt, off, header_len);

	if (header)
		sb_printf(log->out, "SPI=0x%x ", get_be32(header + spi_at));
	else
		add_incomplete(log, off, "");
}

enum { AH_LEN = 12, AH_SPI = 4, ESP_LEN = 8, ESP_SPI = 0 };

static void add_ipv4(const struct logger *log, uint32_t base, bool quoted)
{
	const uint8_t *ip = pkt_at(log->pkt, base, sizeof(struct iphdr)), *options;
	uint32_t header_len, off;
	uint16_t frag;
	bool fragment;

	if (!ip) {
		sb_adds(log->out, "TRUNCATED");
		return;
	}
	header_len = (ip[0] & 0x0f) * 4;
	off = base + header_len;
	frag = get_be16(ip + 6);
	fragment = frag & IP4_OFFSET_MASK;
	sb_printf(log->out, "SRC=%u.%u.%u.%u DST=%u.%u.%u.%u LEN=%u TOS=0x%02X PREC=0x%02X TTL=%u ID=%u ",
		  ip[12], ip[13], ip[14], ip[15], ip[16], ip[17], ip[18], ip[19], get_be16(ip + 2), ip[1] & 0x1e,
		  ip[1] & 0xe0, ip[8], get_be16(ip + 4));
	sb_printf(log->out, "%s%s%s", frag & 0x8000 ? "CE " : "", frag & IP4_DF ? "DF " : "",
		  frag & IP4_MF ? "MF " : "");
	if (fragment)
		sb_printf(log->out, "FRAG:%u ", frag & IP4_OFFSET_MASK);
	if ((log->flags & NF_LOG_IPOPT) && header_len > sizeof(struct iphdr)) {
		options = pkt_at(log->pkt, base + sizeof(struct iphdr), header_len - sizeof(struct iphdr));
		if (!options) {
			sb_adds(log->out, "TRUNCATED");
			return;
		}
		add_hex(log->out, options, header_len - sizeof(struct iphdr));
	}
	switch (ip[9]) {
	case IPPROTO_TCP:
		if (!add_tcp(log, fragment, off))
			return;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		if (!add_udp(log, ip[9], fragment, off))
			return;
		break;
	case IPPROTO_ICMP:
		add_icmp(log, fragment, off, quoted);
		break;
	case IPPROTO_AH:
		if (!fragment) {
			sb_adds(log->out, "PROTO=AH ");
			add_spi(log, off, AH_LEN, AH_SPI);
		}
		break;
	case IPPROTO_ESP:
		sb_adds(log->out, "PROTO=ESP ");
		if (!fragment)
			add_spi(log, off, ESP_LEN, ESP_SPI);
		break;
	default:
		sb_printf(log->out, "PROTO=%u ", ip[9]);
	}
	if (!quoted)
		add_owner_and_mark(log);
}

static void add_addr6(struct strbuf *out, const char *word, const uint8_t *addr)
{
	sb_printf(out, "%s=", word);
	for (unsigned int i = 0; i < 16; i += 2)
		sb_printf(out, "%s%02x%02x", i ? ":" : "", addr[i], addr[i + 1]);
	sb_addc(out, ' ');
}

static void add_ipv6(const struct logger *log, uint32_t base, bool quoted);

static bool add_icmpv6(const struct logger *log, bool fragment, uint32_t off, bool quoted)
{
	const uint8_t *icmp;

	sb_adds(log->out, "PROTO=ICMPv6 ");
	if (fragment)
		return true;
	icmp = pkt_at(log->pkt, off, sizeof(struct icmp6hdr));
	if (!icmp) {
		add_incomplete(log, off, "");
		return false;
	}
	sb_printf(log->out, "TYPE=%u CODE=%u ", icmp[0], icmp[1]);
	switch (icmp[0]) {
	case ICMPV6_ECHO_REQUEST:
	case ICMPV6_ECHO_REPLY:
		sb_printf(log->out, "ID=%u SEQ=%u ", get_be16(icmp + 4), get_be16(icmp + 6));
		break;
	case ICMPV6_PARAMPROB:
		sb_printf(log->out, "POINTER=%08x ", get_be32(icmp + 4));
		/* fall through */
	case ICMPV6_DEST_UNREACH:
	case ICMPV6_PKT_TOOBIG:
	case ICMPV6_TIME_EXCEED:
		if (!quoted) {
			sb_addc(log->out, '[');
			add_ipv6(log, off + sizeof(struct icmp6hdr), true);
			sb_adds(log->out, "] ");
		}
		if (icmp[0] == ICMPV6_PKT_TOOBIG)
			sb_printf(log->out, "MTU=%u ", get_be32(icmp + 4));
	}
	return true;
}

static bool is_extension(uint8_t header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING || header == IPPROTO_FRAGMENT ||
	       header == IPPROTO_ESP || header == IPPROTO_AH || header == IPPROTO_DSTOPTS;
}

/* One extension header; its length, or 0 when the line ends with it. */
static uint32_t add_extension(const struct logger *log, uint8_t header, uint32_t off, const uint8_t *opt,
			      bool *fragment)
{
	bool with_options = log->flags & NF_LOG_IPOPT;
	const uint8_t *more;

	switch (header) {
	case IPPROTO_FRAGMENT:
		sb_adds(log->out, "FRAG:");
		more = pkt_at(log->pkt, off, 8);
		if (!more) {
			sb_adds(log->out, "TRUNCATED ");
			return 0;
		}
		sb_printf(log->out, "%u %sID:%08x ", get_be16(more + 2) & IP6_OFFSET_MASK,
			  get_be16(more + 2) & IP6_MF ? "INCOMPLETE " : "", get_be32(more + 4));
		*fragment |= get_be16(more + 2) & IP6_OFFSET_MASK;
		return 8;
	case IPPROTO_AH:
	case IPPROTO_ESP:
		if (with_options) {
			uint32_t len = header == IPPROTO_AH ? AH_LEN : ESP_LEN;

			sb_adds(log->out, header == IPPROTO_AH ? "AH " : "ESP ");
			more = pkt_at(log->pkt, off, len);
			if (*fragment)
				sb_addc(log->out, ')');
			else if (!more)
				add_incomplete(log, off, ")");
			else
				sb_printf(log->out, "SPI=0x%x %s",
					  get_be32(more + (header == IPPROTO_AH ? AH_SPI : ESP_SPI)),
					  header == IPPROTO_ESP ? ")" : "");
			if (*fragment || !more)
				return 0;
		}
		return header == IPPROTO_AH ? (opt[1] + 2u) * 4 : 0;
	default:	/* hop-by-hop, destination options, routing */
		if (*fragment) {
			if (with_options)
				sb_addc(log->out, ')');
			return 0;
		}
		return (opt[1] + 1u) * 8;
	}
}

static void add_ipv6(const struct logger *log, uint32_t base, bool quoted)
{
	const uint8_t *ip = pkt_at(log->pkt, base, sizeof(struct ipv6hdr)), *opt;
	uint32_t off = base + sizeof(struct ipv6hdr), len;
	bool fragment = false;
	uint8_t header;

	if (!ip) {
		sb_adds(log->out, "TRUNCATED");
		return;
	}
	add_addr6(log->out, "SRC", ip + 8);
	add_addr6(log->out, "DST", ip + 24);
	sb_printf(log->out, "LEN=%zu TC=%u HOPLIMIT=%u FLOWLBL=%u ", get_be16(ip + 4) + sizeof(struct ipv6hdr),
		  get_be32(ip) >> 20 & 0xff, ip[7], get_be32(ip) & 0xfffff);
	for (header = ip[6]; is_extension(header); header = opt[0], off += len) {
		opt = pkt_at(log->pkt, off, 2);
		if (!opt) {
			sb_adds(log->out, "TRUNCATED");
			return;
		}
		if (log->flags & NF_LOG_IPOPT)
			sb_adds(log->out, "OPT ( ");
		len = add_extension(log, header, off, opt, &fragment);
		if (!len)
			return;
		if (log->flags & NF_LOG_IPOPT)
			sb_adds(log->out, ") ");
	}
	switch (header) {
	case IPPROTO_TCP:
		if (!add_tcp(log, fragment, off))
			return;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		if (!add_udp(log, header, fragment, off))
			return;
		break;
	case IPPROTO_ICMPV6:
		if (!add_icmpv6(log, fragment, off, quoted))
			return;
		break;
	default:
		sb_printf(log->out, "PROTO=%u ", header);
	}
	if (!quoted)
		add_owner_and_mark(log);
}

static void add_mac(struct strbuf *out, const char *word, const uint8_t *mac)
{
	sb_printf(out, "%s=%02x:%02x:%02x:%02x:%02x:%02x ", word, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* The frame's header as it stood after a VLAN tag was taken off: two addresses and the type. */
static void add_link(const struct logger *log, const struct iface *in)
{
	const struct pkt *pkt = log->pkt;
	bool has_header = pkt->mac && pkt->mac_len >= ETH_HLEN;

	if ((log->flags & NF_LOG_MACDECODE) && in->type == ARPHRD_ETHER) {
		if (!has_header)
			return;
		add_mac(log->out, "MACSRC", pkt->mac + ETH_ALEN);
		add_mac(log->out, "MACDST", pkt->mac);
		sb_printf(log->out, "MACPROTO=%04x ", pkt->protocol);
		return;
	}
	sb_adds(log->out, "MAC=");
	if (has_header) {
		for (unsigned int i = 0; i < 2 * ETH_ALEN; i++)
			sb_printf(log->out, "%02x:", pkt->mac[i]);
		sb_printf(log->out, "%02x:%02x", pkt->protocol >> 8, pkt->protocol & 0xff);
	}
	sb_addc(log->out, ' ');
}

void log_packet(struct instance *inst, const struct pkt *pkt, const struct hook_state *state, int level,
		uint8_t log_flags, const char *prefix)
{
	struct strbuf line = STRBUF_INIT;
	const struct logger log = { &line, pkt, log_flags };

	if (!inst->observer.log)
		return;
	sb_printf(&line, "%sIN=%s OUT=%s ", prefix, state->in ? state->in->name : "",
		  state->out ? state->out->name : "");
	if (state->in)
		add_link(&log, state->in);
	if (state->family == NFPROTO_IPV4)
		add_ipv4(&log, 0, false);
	else
		add_ipv6(&log, 0, false);
	inst->observer.log(inst->observer.priv, level, sb_str(&line));
	sb_free(&line);
}
