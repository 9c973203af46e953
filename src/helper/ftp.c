/*
 * helper/ftp.c - FTP: which data connections the control connection announces.
 * The client says where it listens (PORT, EPRT), or the server does (227 to PASV, 229 to EPSV). Commands begin lines, so
 * a segment is read only when the line before it was seen to end; one that is cut short is dropped, for a packet that
 * cannot be understood must not announce what we do not see.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "conntrack/helper.h"
#include "nat/mangle.h"

enum { FTP_NUMBERS_MAX = 6, FTP_TEXT_MAX = sizeof("|2|0000:0000:0000:0000:0000:0000:0000:0000|65535|") };

/* What is read: bytes of the payload from the command on; nobody looks beyond len. */
struct cursor {
	const uint8_t *at;
	uint32_t len;
};

struct place {			/* what was announced, and which bytes said so */
	uint8_t family;
	union nf_inet_addr addr;
	be16 port;
	uint32_t from, len;
};

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/*
 * Numbers between @sep; the last one ends at @end, or at whatever is no number when @end is 0. Their length, 0: they
 * are not all there. Numbers are as large as they like, as in Linux: what does not fit is shifted out.
 */
static uint32_t read_numbers(struct cursor c, uint32_t *numbers, unsigned int count, uint8_t sep, uint8_t end)
{
	unsigned int n = 0;

	memset(numbers, 0, count * sizeof(*numbers));
	for (uint32_t i = 0; i < c.len && n < count; i++) {
		if (is_digit(c.at[i]))
			numbers[n] = numbers[n] * 10 + (c.at[i] - '0');
		else if (c.at[i] == sep)
			n++;
		else
			return (c.at[i] == end || !end) && n == count - 1 ? i : 0;
	}
	return 0;
}

static be32 addr_of_numbers(const uint32_t *n)
{
	return htonl(n[0] << 24 | n[1] << 16 | n[2] << 8 | n[3]);
}

/* h,h,h,h,p,p */
static uint32_t read_six(struct cursor c, struct place *place, uint8_t end)
{
	uint32_t numbers[FTP_NUMBERS_MAX], len = read_numbers(c, numbers, FTP_NUMBERS_MAX, ',', end);

	if (!len)
		return 0;
	place->addr.ip = addr_of_numbers(numbers);
	place->port = htons((uint16_t)(numbers[4] << 8 | numbers[5]));
	return len;
}

static uint32_t read_port_command(struct cursor c, struct place *place)
{
	return read_six(c, place, '\r');
}

/* RFC 1123: the parentheses around the numbers may be missing, so the first digit begins them. */
static uint32_t read_pasv_reply(struct cursor c, struct place *place)
{
	uint32_t i = 0;

	while (i < c.len && !is_digit(c.at[i]))
		i++;
	if (i == c.len)
		return 0;
	place->from += i;
	return read_six((struct cursor){ c.at + i, c.len - i }, place, 0);
}

/* The port from @from up to @delim; the length from the beginning to behind it. */
static uint32_t read_port(struct cursor c, uint32_t from, uint8_t delim, be16 *port)
{
	uint16_t value = 0;

	for (uint32_t i = from; i < c.len; i++) {
		if (c.at[i] == delim) {
			if (!value)
				return 0;
			*port = htons(value);
			return i + 1;
		}
		if (!is_digit(c.at[i]))
			return 0;
		value = (uint16_t)(value * 10 + (c.at[i] - '0'));
	}
	return 0;
}

static bool is_delimiter(uint8_t c)
{
	return !is_digit(c) && c >= 33 && c <= 126;
}

/* An IPv6 address in text up to @delim. Linux takes leading zeros, as many as there are. */
static uint32_t read_addr6(struct cursor c, union nf_inet_addr *addr, uint8_t delim)
{
	char text[INET6_ADDRSTRLEN];	/* without leading zeros it fits, or it is none */
	uint32_t len = 0, used = 0;
	bool in_number = false;

	for (; len < c.len && c.at[len] != delim && c.at[len]; len++) {
		bool is_leading = c.at[len] == '0' && !in_number && len + 1 < c.len && isxdigit(c.at[len + 1]) &&
				  c.at[len + 1] != delim;

		if (is_leading)
			continue;
		in_number = isxdigit(c.at[len]);
		if (used == sizeof(text) - 1)
			return 0;
		text[used++] = (char)c.at[len];
	}
	if (len == c.len)
		return 0;
	text[used] = '\0';
	return inet_pton(AF_INET6, text, &addr->in6) == 1 ? len : 0;
}

/* |1|132.235.1.2|6275| or |2|1080::8:800:200C:417A|5282| */
static uint32_t read_eprt_command(struct cursor c, struct place *place)
{
	bool is_v4 = place->family == NFPROTO_IPV4;
	uint32_t numbers[4], len;
	struct cursor addr;
	uint8_t delim;

	if (c.len <= 3)
		return 0;
	delim = c.at[0];
	addr = (struct cursor){ c.at + 3, c.len - 3 };
	if (!is_delimiter(delim) || c.at[2] != delim || c.at[1] != (is_v4 ? '1' : '2'))
		return 0;
	if (is_v4) {
		len = read_numbers(addr, numbers, ARRAY_SIZE(numbers), '.', delim);
		if (len)
			place->addr.ip = addr_of_numbers(numbers);
	} else {
		len = read_addr6(addr, &place->addr, delim);
	}
	return len ? read_port(c, 3 + len + 1, delim, &place->port) : 0;
}

/* |||6446| */
static uint32_t read_epsv_reply(struct cursor c, struct place *place)
{
	if (c.len <= 3 || !is_delimiter(c.at[0]) || c.at[1] != c.at[0] || c.at[2] != c.at[0])
		return 0;
	return read_port(c, 3, c.at[0], &place->port);
}

/* h,h,h,h,p,p */
static void write_six(const union nf_inet_addr *addr, uint8_t family, uint16_t port, char *text)
{
	const uint8_t *b = (const uint8_t *)&addr->ip;

	snprintf(text, FTP_TEXT_MAX, "%u,%u,%u,%u,%u,%u", b[0], b[1], b[2], b[3], port >> 8, port & 0xff);
}

static void write_eprt(const union nf_inet_addr *addr, uint8_t family, uint16_t port, char *text)
{
	const uint8_t *b = (const uint8_t *)addr;

	if (family == NFPROTO_IPV4) {
		snprintf(text, FTP_TEXT_MAX, "|1|%u.%u.%u.%u|%u|", b[0], b[1], b[2], b[3], port);
		return;
	}
	/* In full, as Linux writes it. */
	text += sprintf(text, "|2|");
	for (int i = 0; i < 16; i += 2)
		text += sprintf(text, "%s%02x%02x", i ? ":" : "", b[i], b[i + 1]);
	sprintf(text, "|%u|", port);
}

static void write_epsv(const union nf_inet_addr *addr, uint8_t family, uint16_t port, char *text)
{
	snprintf(text, FTP_TEXT_MAX, "|||%u|", port);
}

static const struct command {
	const char *word;
	uint8_t skip_to;	/* what comes before the numbers; 0 = they follow at once */
	uint32_t (*read)(struct cursor c, struct place *place);
	void (*write)(const union nf_inet_addr *addr, uint8_t family, uint16_t port, char *text);
} commands[IP_CT_DIR_MAX][2] = {
	[IP_CT_DIR_ORIGINAL] = {
		{ "PORT", ' ', read_port_command, write_six },
		{ "EPRT", ' ', read_eprt_command, write_eprt },
	},
	[IP_CT_DIR_REPLY] = {
		{ "227 ", 0, read_pasv_reply, write_six },
		{ "229 ", '(', read_epsv_reply, write_epsv },
	},
};

enum found { FOUND_NOTHING, FOUND_PART, FOUND_ALL };

static enum found look_for(const struct command *command, struct cursor c, struct place *place)
{
	uint32_t word_len = (uint32_t)strlen(command->word), at = word_len;

	if (strncasecmp((const char *)c.at, command->word, MIN_OF(c.len, word_len)) != 0)
		return FOUND_NOTHING;
	if (c.len <= word_len)
		return FOUND_PART;
	if (command->skip_to) {
		while (c.at[at] != command->skip_to)
			if (++at >= c.len)
				return FOUND_PART;
		at++;
	}
	place->from = at;
	place->len = command->read((struct cursor){ c.at + at, c.len - at }, place);
	return place->len ? FOUND_ALL : FOUND_PART;
}

static bool is_line_begin(const struct ct_help *help, int dir, uint32_t seq)
{
	for (int i = 0; i < help->of.ftp.lines[dir]; i++)
		if (help->of.ftp.after_line[dir][i] == seq)
			return true;
	return false;
}

/* A line ended before @seq; the older of the two remembered ones is forgotten. */
static void note_line_end(struct ct_help *help, int dir, uint32_t seq)
{
	uint32_t *known = help->of.ftp.after_line[dir];

	if (is_line_begin(help, dir, seq))
		return;
	if (help->of.ftp.lines[dir] < CT_FTP_LINES) {
		known[help->of.ftp.lines[dir]++] = seq;
		return;
	}
	if ((int32_t)(known[0] - known[1]) >= 0)
		known++;	/* now at the older one */
	if ((int32_t)(seq - *known) > 0)
		*known = seq;
}

/* The announced connection will find its way through NAT: the packet names the address that is seen outside. */
static unsigned int translate(const struct ct_help_call *call, const struct command *command, const struct place *place,
			      struct ct_expect *exp)
{
	const union nf_inet_addr *addr = &ct_tuple(call->ct, !call->dir)->dst;
	struct ct_expect *made;
	char text[FTP_TEXT_MAX];
	uint16_t port;

	exp->saved_port = exp->tuple.dst_l4.port;
	exp->dir = !call->dir;
	exp->arrived = nat_follow_master;
	port = nat_expect_port(call->inst, exp, &made);
	if (!port)
		return ct_help_refuse(call, "all ports in use");
	command->write(addr, ct_family(call->ct), port, text);
	if (nat_mangle_tcp(call, place->from, place->len, text))
		return NF_ACCEPT;
	ct_expect_remove(call->inst, made);
	return ct_help_refuse(call, "cannot mangle packet");
}

static unsigned int announce(const struct ct_help_call *call, const struct command *command, const struct place *place)
{
	const struct ct_tuple *reverse = ct_tuple(call->ct, !call->dir);
	const union nf_inet_addr *listener = &reverse->dst;
	struct ct_expect exp;

	/* Somebody else's address: nobody may open holes to third hosts, unless the administrator says so. */
	if (!ct_addr_equal(&place->addr, &ct_tuple(call->ct, call->dir)->src)) {
		if (!ct_helper_conf(call->inst)->ftp.loose)
			return NF_ACCEPT;
		listener = &place->addr;
	}
	ct_expect_init(&exp, call->ct, 0, &reverse->src, listener, IPPROTO_TCP, place->port);
	if (call->ct->status & IPS_NAT_MASK)
		return translate(call, command, place, &exp);
	if (ct_expect_add(call->inst, &exp, NULL))
		return ct_help_refuse(call, "cannot add expectation");
	return NF_ACCEPT;
}

static unsigned int ftp_help(const struct ct_help_call *call)
{
	struct place place = { .family = ct_family(call->ct), .addr = ct_tuple(call->ct, call->dir)->src };
	const struct command *command = commands[call->dir];
	unsigned int verdict = NF_ACCEPT;
	enum found found = FOUND_NOTHING;
	uint32_t off, seq;
	struct cursor c;
	bool ends_line, picked_up;

	if (!ct_help_is_established(call))
		return NF_ACCEPT;
	pkt_forget_pieces(call->pkt);		/* Linux makes it linear here */
	if (!ct_help_tcp_payload(call, &off, &c.len))
		return NF_ACCEPT;
	c.at = call->pkt->data + off;
	ends_line = c.at[c.len - 1] == '\n';
	seq = get_be32(call->pkt->data + call->l4_off + 4);
	picked_up = call->help->of.ftp.picked_up[call->dir];

	if (is_line_begin(call->help, call->dir, seq) || picked_up) {
		if (!is_line_begin(call->help, call->dir, seq))
			call->help->of.ftp.picked_up[call->dir] = false;
		for (int i = 0; i < 2 && !found; i++)
			found = look_for(command = &commands[call->dir][i], c, &place);
		if (found == FOUND_PART)
			return ct_help_refuse(call, "partial matching of `%s'", command->word);
		if (found == FOUND_ALL)
			verdict = announce(call, command, &place);
	}
	/* The next segment as its sender numbers it, whatever NAT made of this one. */
	if (ends_line)
		note_line_end(call->help, call->dir, seq + c.len);
	return verdict;
}

/* Which segment begins a line is not known yet: the first one is taken for it. */
static void ftp_picked_up(struct ct_help *help)
{
	help->of.ftp.picked_up[IP_CT_DIR_ORIGINAL] = help->of.ftp.picked_up[IP_CT_DIR_REPLY] = true;
}

static bool ftp_restored(struct ct_help *help)
{
	uint8_t bytes[IP_CT_DIR_MAX];

	memcpy(bytes, help->of.ftp.picked_up, sizeof(bytes));
	return help->of.ftp.lines[0] <= CT_FTP_LINES && help->of.ftp.lines[1] <= CT_FTP_LINES && bytes[0] <= 1 && bytes[1] <= 1;
}

const struct ct_helper ct_helper_ftp = {
	.name = "ftp", .proto = IPPROTO_TCP, .ip4 = true, .ip6 = true,
	.policy = { .max_expected = 1, .timeout_sec = 300 }, .help = ftp_help, .picked_up = ftp_picked_up,
	.restored = ftp_restored,
};
