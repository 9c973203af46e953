/*
 * helper/sip_parse.c - finding headers, addresses and numbers in SIP messages and session descriptions.
 * Headers begin lines, may be folded, abbreviated, repeated and listed; lines end with CR, LF or both. Searches end where
 * Linux's end: the last place where a word would just fit is not looked at.
 */
#include "helper/sip_internal.h"

enum { NUMBER_DIGITS_MAX = sizeof("4294967295"), PORT_DIGITS_MAX = 5, NOWHERE = -1 };

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }
static bool is_line_end(uint8_t c) { return c == '\r' || c == '\n'; }

static int hex_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sip_is_alpha(uint8_t c)
{
	if (c >= 0xc0)
		return c != 0xd7 && c != 0xf7;
	c |= 0x20;
	return c >= 'a' && c <= 'z';
}

bool sip_has_word(const struct sip_msg *msg, int32_t off, const char *word)
{
	size_t len = strlen(word), left = msg->call->pkt->len - msg->at;

	return (size_t)off <= left && len <= left - (size_t)off &&
	       strncasecmp((const char *)sip_bytes(msg) + off, word, len) == 0;
}

uint32_t sip_number(const struct sip_msg *msg, int32_t off, int32_t *end)
{
	const uint8_t *at = sip_bytes(msg);
	uint64_t value = 0;
	int32_t i = off;

	*end = off;
	for (; i < msg->len && is_digit(at[i]); i++) {
		value = value * 10 + (at[i] - '0');
		if (i - off == NUMBER_DIGITS_MAX || value > UINT32_MAX)
			return 0;
	}
	*end = i;
	return (uint32_t)value;
}

/* What reads an address goes up to @limit; behind it everything is an end. */
struct reader { const uint8_t *at; int32_t pos, limit; };

static uint8_t peek(const struct reader *r)
{
	return r->pos < r->limit ? r->at[r->pos] : 0;
}

/* Four numbers up to 255, of any length; what follows must not look as if it belonged to them. */
static bool read_addr4(struct reader *r, uint8_t *out)
{
	for (int i = 0; i < 4; i++) {
		unsigned int value = 0;
		int32_t from = r->pos;

		for (; is_digit(peek(r)); r->pos++) {
			value = value * 10 + (peek(r) - '0');
			if (value > UINT8_MAX)
				return false;
		}
		if (r->pos == from)
			return false;
		out[i] = (uint8_t)value;
		if (i < 3) {
			if (peek(r) != '.')
				return false;
			r->pos++;
		}
	}
	return peek(r) != '.' && hex_value(peek(r)) < 0;
}

/* Groups of up to four significant digits; "::" stands for one group of zeros or more. */
static bool read_addr6(struct reader *r, uint8_t *out)
{
	enum { SIZE = 16 };
	uint8_t bytes[SIZE + 4] = { 0 };
	int used = 0, gap = -1;
	bool after_gap = false;

	if (peek(r) == ':') {
		r->pos++;
		if (peek(r) != ':')
			return false;
		r->pos++;
		gap = used = 2;
		after_gap = true;
	}
	for (;;) {
		int32_t group = r->pos;
		unsigned int value = 0;

		if (hex_value(peek(r)) < 0 || used == SIZE) {
			if (!after_gap || peek(r) == ':' || peek(r) == '.' || hex_value(peek(r)) >= 0)
				return false;
			break;
		}
		while (hex_value(peek(r)) >= 0) {
			if (value & 0xf000)
				return false;
			value = value << 4 | (unsigned int)hex_value(peek(r));
			r->pos++;
		}
		if (peek(r) == '.') {
			if (used + 4 > SIZE || (gap < 0 && used + 4 != SIZE))
				return false;
			r->pos = group;
			if (!read_addr4(r, bytes + used))
				return false;
			used += 4;
			break;
		}
		bytes[used++] = (uint8_t)(value >> 8);
		bytes[used++] = (uint8_t)value;
		after_gap = false;
		if (peek(r) != ':') {
			if (gap < 0 && used < SIZE)
				return false;
			break;
		}
		if (used == SIZE)
			return false;
		r->pos++;
		if (peek(r) == ':' && gap < 0) {
			r->pos++;
			used += 2;
			gap = used;
			after_gap = true;
		}
	}
	memcpy(out, bytes, SIZE);
	if (gap >= 0) {
		memset(out + gap, 0, (size_t)(SIZE - gap));
		memcpy(out + SIZE - (used - gap), bytes + gap, (size_t)(used - gap));
	}
	return true;
}

bool sip_addr(const struct sip_msg *msg, int32_t off, int32_t limit, bool is_uri, union nf_inet_addr *addr, int32_t *end)
{
	struct reader r = { sip_bytes(msg), off, limit };

	memset(addr, 0, sizeof(*addr));
	if (ct_family(msg->call->ct) == NFPROTO_IPV4) {
		if (!read_addr4(&r, (uint8_t *)addr))
			return false;
	} else {
		if (is_uri && peek(&r) != '[')
			return false;
		if (is_uri)
			r.pos++;
		if (!read_addr6(&r, (uint8_t *)addr))
			return false;
		if (is_uri && peek(&r) != ']')
			return false;
		if (is_uri)
			r.pos++;
	}
	*end = r.pos;
	return true;
}

/* What follows an address: nothing of a port, or a usable one that the message goes on behind. */
static bool read_port(const struct sip_msg *msg, int32_t off, int32_t limit, be16 *port, int32_t *end)
{
	const uint8_t *at = sip_bytes(msg);
	uint32_t value = 0;
	int32_t i = off + 1;

	if (off >= limit)
		return false;
	*port = htons(SIP_DEFAULT_PORT);
	*end = off;
	if (at[off] != ':')
		return true;
	for (; i < limit && is_digit(at[i]); i++) {
		value = value * 10 + (at[i] - '0');
		if (i - off > PORT_DIGITS_MAX)
			return false;
	}
	if (i == off + 1 || i >= limit || value < SIP_PORT_MIN || value > UINT16_MAX)
		return false;
	*port = htons((uint16_t)value);
	*end = i;
	return true;
}

static bool read_place(const struct sip_msg *msg, int32_t off, struct sip_place *place, int32_t *end)
{
	return sip_addr(msg, off, msg->len, true, &place->addr, end) && read_port(msg, *end, msg->len, &place->port, end);
}

/* --- lengths of values; what belongs to a value but is not wanted (a user's name) is skipped --- */
typedef int32_t (*length_fn)(const struct sip_msg *msg, int32_t off, int32_t *skip);

static int32_t digits_length(const struct sip_msg *msg, int32_t off, int32_t *skip)
{
	const uint8_t *at = sip_bytes(msg);
	int32_t i = off;

	while (i < msg->len && is_digit(at[i]))
		i++;
	return i - off;
}

static int32_t place_length(const struct sip_msg *msg, int32_t off, int32_t *skip)
{
	struct sip_place place;
	int32_t end;

	return read_place(msg, off, &place, &end) ? end - off : 0;
}

/* user@address: inside a URI nothing is folded. */
static int32_t user_place_length(const struct sip_msg *msg, int32_t off, int32_t *skip)
{
	const uint8_t *at = sip_bytes(msg);
	int32_t i = off;

	while (i < msg->len && at[i] != '@' && !is_line_end(at[i]))
		i++;
	*skip = i < msg->len && at[i] == '@' ? i + 1 - off : 0;
	return place_length(msg, off + *skip, skip);
}

static int32_t media_length(const struct sip_msg *msg, int32_t off, int32_t *skip)
{
	const uint8_t *at = sip_bytes(msg);
	int32_t i = off;

	while (i < msg->len && sip_is_alpha(at[i]))
		i++;
	if (i >= msg->len || at[i] != ' ')
		return 0;
	i++;
	return i - off + digits_length(msg, i, skip);
}

static int32_t sdp_addr_length(const struct sip_msg *msg, int32_t off, int32_t *skip)
{
	union nf_inet_addr addr;
	int32_t end;

	return sip_addr(msg, off, msg->len, false, &addr, &end) ? end - off : 0;
}

static const struct header {
	const char *name, *compact;
	const char *before;		/* what stands before the value */
	length_fn length;
} headers[] = {
	[SIP_CSEQ] = { "CSeq", NULL, NULL, digits_length },
	[SIP_FROM] = { "From", "f", "sip:", user_place_length },
	[SIP_TO] = { "To", "t", "sip:", user_place_length },
	[SIP_CONTACT] = { "Contact", "m", "sip:", user_place_length },
	[SIP_VIA_UDP] = { "Via", "v", "UDP ", place_length },
	[SIP_VIA_TCP] = { "Via", "v", "TCP ", place_length },
	[SIP_EXPIRES] = { "Expires", NULL, NULL, digits_length },
	[SIP_CONTENT_LENGTH] = { "Content-Length", "l", NULL, digits_length },
};

static const struct line {
	const char *name;
	const char *before[2];		/* IPv4, IPv6 */
	length_fn length;
} lines[] = {
	[SDP_VERSION] = { "v=", { NULL, NULL }, digits_length },
	[SDP_OWNER] = { "o=", { "IN IP4 ", "IN IP6 " }, sdp_addr_length },
	[SDP_CONNECTION] = { "c=", { "IN IP4 ", "IN IP6 " }, sdp_addr_length },
	[SDP_MEDIA] = { "m=", { NULL, NULL }, media_length },
};

/* --- lines --- */
/* Behind the end of a line at @off. */
static int32_t next_line(const uint8_t *at, int32_t off, int32_t limit)
{
	if (++off < limit && at[off - 1] == '\r' && at[off] == '\n')
		off++;
	return off;
}

/* A line ends at @off: where the next one goes on, when it belongs to the same header. */
static int32_t unfold(const uint8_t *at, int32_t off, int32_t limit)
{
	off = next_line(at, off, limit);
	if (off >= limit || !is_blank(at[off]))
		return NOWHERE;
	while (off < limit && is_blank(at[off]))
		off++;
	return off;
}

/* Blanks, and the end of one line among them. */
static int32_t skip_blanks(const uint8_t *at, int32_t off, int32_t limit)
{
	while (off < limit && is_blank(at[off]))
		off++;
	if (off < limit && is_line_end(at[off]))
		off = unfold(at, off, limit);
	return off < limit ? off : NOWHERE;
}

/* @word in what is left of a header. The first character of a folded line is not looked at. */
static int32_t find_in_header(const struct sip_msg *msg, int32_t off, int32_t limit, const char *word)
{
	int32_t len = (int32_t)strlen(word);
	const uint8_t *at = sip_bytes(msg);

	for (limit -= len; off < limit; off++) {
		if (is_line_end(at[off])) {
			off = unfold(at, off, limit);
			if (off == NOWHERE)
				return NOWHERE;
		} else if (strncasecmp((const char *)at + off, word, (size_t)len) == 0) {
			return off;
		}
	}
	return NOWHERE;
}

static bool line_has_name(const struct sip_msg *msg, int32_t off, const char *name)
{
	return msg->len - off >= (int32_t)strlen(name) && sip_has_word(msg, off, name);
}

/* How much of a line is the header's name; 0: it is another one. */
static int32_t name_length(const struct sip_msg *msg, int32_t off, const struct header *header)
{
	if (line_has_name(msg, off, header->name))
		return (int32_t)strlen(header->name);
	if (header->compact && msg->len - off >= 2 && sip_has_word(msg, off, header->compact) &&
	    !sip_is_alpha(sip_bytes(msg)[off + 1]))
		return 1;
	return 0;
}

/* The value at @off, or behind what must stand before it; where it was looked for when it is bad. */
static enum sip_found measure(const struct sip_msg *msg, int32_t off, length_fn length, struct sip_span *value)
{
	int32_t skip = 0;

	value->len = length(msg, off, &skip);
	if (!value->len)
		return SIP_BAD;
	value->off = off + skip;
	return SIP_FOUND;
}

enum sip_found sip_header(const struct sip_msg *msg, int32_t from, enum sip_header_id id, struct sip_span *value)
{
	const struct header *header = &headers[id];
	const uint8_t *at = sip_bytes(msg);

	for (int32_t off = from; off < msg->len; off++) {
		int32_t name;

		if (!is_line_end(at[off]))
			continue;
		off = next_line(at, off, msg->len);
		if (off >= msg->len)
			break;
		if (is_blank(at[off]))
			continue;
		name = name_length(msg, off, header);
		if (!name)
			continue;
		off = skip_blanks(at, off + name, msg->len);
		if (off == NOWHERE || at[off] != ':' || ++off >= msg->len)
			break;
		off = skip_blanks(at, off, msg->len);
		if (off == NOWHERE)
			break;
		value->off = off;
		if (header->before) {
			off = find_in_header(msg, off, msg->len, header->before);
			if (off == NOWHERE)
				return SIP_BAD;
			off += (int32_t)strlen(header->before);
		}
		return measure(msg, off, header->length, value);
	}
	return SIP_ABSENT;
}

/* The next value of a comma separated list. */
static enum sip_found next_in_list(const struct sip_msg *msg, int32_t from, const struct header *header,
				   struct sip_span *value)
{
	int32_t off = find_in_header(msg, from, msg->len, ",");

	if (off != NOWHERE)
		off = find_in_header(msg, off, msg->len, header->before);
	if (off == NOWHERE)
		return SIP_ABSENT;
	value->off = off + (int32_t)strlen(header->before);
	return measure(msg, value->off, header->length, value);
}

enum sip_found sip_next_place(const struct sip_msg *msg, enum sip_header_id id, struct sip_walk *walk,
			      struct sip_place *place)
{
	enum sip_found found = SIP_ABSENT;
	int32_t from = walk->from, end;

	while (walk->is_in_list) {
		found = next_in_list(msg, from, &headers[id], &place->text);
		if (found == SIP_FOUND)
			break;
		if (found == SIP_ABSENT)
			walk->is_in_list = false;
		else
			from = place->text.off;
	}
	while (found != SIP_FOUND) {
		found = sip_header(msg, from, id, &place->text);
		if (found == SIP_ABSENT)
			return found;
		from = place->text.off;
	}
	walk->is_in_list = true;
	if (!read_place(msg, place->text.off, place, &end))
		return SIP_BAD;
	walk->from = end;
	return SIP_FOUND;
}

enum sip_found sip_header_place(const struct sip_msg *msg, enum sip_header_id id, struct sip_place *place)
{
	struct sip_walk walk = { 0 };

	return sip_next_place(msg, id, &walk, place);
}

enum sip_found sip_request_place(const struct sip_msg *msg, struct sip_place *place)
{
	const int32_t scheme_len = sizeof("sip:") - 1;
	const uint8_t *at = sip_bytes(msg);
	int32_t off = 0, skip = 0, end;

	while (off < msg->len && sip_is_alpha(at[off]))
		off++;
	if (!off || ++off >= msg->len)
		return SIP_ABSENT;
	for (; off < msg->len - scheme_len; off++) {
		if (is_line_end(at[off]))
			return SIP_BAD;
		if (sip_has_word(msg, off, "sip:")) {
			off += scheme_len;
			break;
		}
	}
	if (!user_place_length(msg, off, &skip))
		return SIP_ABSENT;
	off += skip;
	if (!read_place(msg, off, place, &end))
		return SIP_BAD;
	place->text = (struct sip_span){ off, end - off };
	return SIP_FOUND;
}

/* --- parameters: up to the next comma --- */
/* Where the value of a parameter begins; *limit is where its header ends. */
static int32_t find_param(const struct sip_msg *msg, int32_t from, const char *name, int32_t *limit)
{
	int32_t off;

	*limit = find_in_header(msg, from, msg->len, ",");
	if (*limit == NOWHERE)
		*limit = msg->len;
	off = find_in_header(msg, from, *limit, name);
	return off == NOWHERE ? NOWHERE : off + (int32_t)strlen(name);
}

enum sip_found sip_param_number(const struct sip_msg *msg, int32_t from, const char *name, struct sip_span *text,
				uint32_t *value)
{
	int32_t limit, end, off = find_param(msg, from, name, &limit);
	struct sip_msg header = *msg;

	if (off == NOWHERE)
		return SIP_ABSENT;
	header.len = limit;
	*value = sip_number(&header, off, &end);
	if (end == off)
		return SIP_BAD;
	*text = (struct sip_span){ off, end - off };
	return SIP_FOUND;
}

bool sip_param_addr(const struct sip_msg *msg, int32_t from, const char *name, bool is_uri, struct sip_span *text,
		    union nf_inet_addr *addr)
{
	int32_t limit, end, off = find_param(msg, from, name, &limit);

	if (off == NOWHERE || !sip_addr(msg, off, limit, is_uri, addr, &end))
		return false;
	*text = (struct sip_span){ off, end - off };
	return true;
}

bool sip_param_transport(const struct sip_msg *msg, int32_t from, uint8_t *proto)
{
	int32_t limit, off = find_param(msg, from, "transport=", &limit);

	*proto = ct_proto_num(msg->call->ct);
	return off == NOWHERE || sip_has_word(msg, off, *proto == IPPROTO_TCP ? "TCP" : "UDP");
}

/* --- session descriptions: lines of one letter, never folded --- */
static int32_t find_in_line(const struct sip_msg *msg, int32_t off, const char *word)
{
	int32_t len = (int32_t)strlen(word), limit = msg->len - len;
	const uint8_t *at = sip_bytes(msg);

	for (; off < limit && !is_line_end(at[off]); off++)
		if (memcmp(at + off, word, (size_t)len) == 0)
			return off;
	return NOWHERE;
}

enum sip_found sdp_line(const struct sip_msg *msg, int32_t from, enum sdp_line_id id, enum sdp_line_id stop,
			struct sip_span *value)
{
	const char *before = lines[id].before[ct_family(msg->call->ct) != NFPROTO_IPV4];
	const uint8_t *at = sip_bytes(msg);

	for (int32_t off = from; off < msg->len; off++) {
		if (!is_line_end(at[off]))
			continue;
		off = next_line(at, off, msg->len);
		if (off >= msg->len || (stop != SDP_ANY && line_has_name(msg, off, lines[stop].name)))
			break;
		if (!line_has_name(msg, off, lines[id].name))
			continue;
		off += (int32_t)strlen(lines[id].name);
		value->off = off;
		if (before) {
			off = find_in_line(msg, off, before);
			if (off == NOWHERE)
				return SIP_BAD;
			off += (int32_t)strlen(before);
		}
		return measure(msg, off, lines[id].length, value);
	}
	return SIP_ABSENT;
}

enum sip_found sdp_addr(const struct sip_msg *msg, int32_t from, enum sdp_line_id id, enum sdp_line_id stop,
			struct sip_span *text, union nf_inet_addr *addr)
{
	enum sip_found found = sdp_line(msg, from, id, stop, text);
	int32_t end;

	if (found != SIP_FOUND)
		return found;
	return sip_addr(msg, text->off, text->off + text->len, false, addr, &end) ? SIP_FOUND : SIP_BAD;
}
