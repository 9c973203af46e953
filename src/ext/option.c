/*
 * ext/option.c - options as rows: find the row, check what holds for every option, put the value.
 * A row with .same_as is only another spelling: everything else comes from the row it names.
 */
#include "ext/option.h"

#include <ctype.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

static const struct opt *row_named(const struct ext_text *text, const char *name)
{
	for (const struct opt *opt = text->options; opt && opt->name; opt++)
		if (strcmp(opt->name, name) == 0)
			return opt;
	return NULL;
}

static const struct opt *real_row(const struct ext_text *text, const struct opt *opt)
{
	const struct opt *real = opt->same_as ? row_named(text, opt->same_as) : NULL;

	return real ? real : opt;
}

const struct opt *opt_find(const struct ext_text *text, const char *name, bool *ambiguous)
{
	size_t len = strlen(name);
	const struct opt *found = NULL;

	*ambiguous = false;
	for (const struct opt *opt = text->options; opt && opt->name; opt++) {
		if (strncmp(opt->name, name, len))
			continue;
		if (opt->name[len] == '\0') {
			*ambiguous = false;
			return opt;
		}
		if (found)
			*ambiguous = true;
		found = opt;
	}
	return *ambiguous ? NULL : found;
}

const struct opt *opt_find_short(const struct ext_text *text, char short_name)
{
	for (const struct opt *opt = text->options; opt && opt->name; opt++)
		if (opt->short_name == short_name && short_name)
			return opt;
	return NULL;
}

unsigned int opt_row(const struct ext_text *text, const struct opt *opt)
{
	return real_row(text, opt) - text->options;
}

static const struct opt *excluded_by(const struct ext_text *text, const struct opt *opt, uint64_t seen)
{
	for (const struct opt *other = text->options; other->name; other++) {
		const char *at = opt->excludes;
		size_t len = strlen(other->name);

		if (!(seen & 1ull << (other - text->options)))
			continue;
		while (at && (at = strstr(at, other->name))) {
			bool starts = at == opt->excludes || at[-1] == ' ';

			at += len;
			if (starts && (*at == ' ' || *at == '\0'))
				return other;
		}
	}
	return NULL;
}

bool opt_number(const char *text, char **end, uint64_t *out)
{
	const char *p = text;

	while (isspace((unsigned char)*p))
		p++;
	if (*p == '-' || *p == '\0')
		return false;
	/* plain decimals, which almost all numbers are */
	if ((*p >= '1' && *p <= '9') || (*p == '0' && !isalnum((unsigned char)p[1]))) {
		uint64_t value = 0;
		unsigned int digits = 0;

		for (; *p >= '0' && *p <= '9' && digits < 18; p++, digits++)
			value = 10 * value + (uint64_t)(*p - '0');
		if (digits < 18) {
			*out = value;
			*end = (char *)p;
			return true;
		}
	}
	errno = 0;
	*out = strtoumax(text, end, 0);
	return *end != text && errno != ERANGE;
}

bool opt_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t value;
	char *end;

	if (!opt_number(text, &end, &value) || *end || value < min || value > max)
		return false;
	*out = value;
	return true;
}

static int port_of_service(const char *text, const char *proto, uint16_t *out, struct refusal *why)
{
	struct servent entry, *found = NULL;
	char buf[2048];

	if (!*text || getservbyname_r(text, proto, &entry, buf, sizeof(buf), &found) || !found) {
		refuse(why, -EINVAL, "\"%s\" is neither a port nor a known service", text);
		refuse_upstream(why, proto ? "invalid port/service `%s' specified" : "Port \"%s\" does not resolve to anything.", text);
		return -EINVAL;
	}
	*out = ntohs((uint16_t)found->s_port);
	return 0;
}

int opt_port(const char *text, const char *proto, uint16_t *out, struct refusal *why)
{
	uint64_t port;

	if (!opt_u64(text, 0, UINT16_MAX, &port))
		return port_of_service(text, proto, out, why);
	*out = port;
	return 0;
}

int opt_any_port(const char *text, uint16_t *out, struct refusal *why)
{
	char *end;
	int number = (int)strtoul(text, &end, 10);	/* getaddrinfo() keeps it in an int, too, and below 0 it is a name */

	if (*end || number < 0)
		return port_of_service(text, NULL, out, why);
	*out = (uint16_t)number;
	return 0;
}

int opt_port_range(const char *text, uint16_t *low, uint16_t *high, struct refusal *why)
{
	const char *colon = strchr(text, ':');
	char head[64];
	int err;

	*low = 0;
	*high = UINT16_MAX;
	if (!colon) {
		err = opt_any_port(text, low, why);
		*high = *low;
		return err;
	}
	if (snprintf(head, sizeof(head), "%.*s", (int)(colon - text), text) >= (int)sizeof(head))
		return refuse(why, -EINVAL, "\"%s\" is not a port", text);
	err = opt_any_port(head, low, why);
	return err || !colon[1] ? err : opt_any_port(colon + 1, high, why);
}

int opt_addr(const char *text, uint8_t family, union nf_inet_addr *out, struct refusal *why)
{
	union nf_inet_addr addr = { 0 };

	if (family == NFPROTO_IPV6 && inet_pton(AF_INET6, text, &addr) == 1) {
		*out = addr;
		return 0;
	}
	/* Each part is a number of C, "0x10" and "010" too; "10.1" is 10.1.0.0. */
	if (family == NFPROTO_IPV4) {
		uint8_t *byte = (uint8_t *)&addr.ip;
		const char *p = text;

		for (unsigned int part = 0; part < 4; part++) {
			uint64_t value;
			char *end;

			if (!opt_number(p, &end, &value) || value > 255)
				break;
			byte[part] = (uint8_t)value;
			if (*end == '\0') {
				*out = addr;
				return 0;
			}
			if (*end != '.')
				break;
			p = end + 1;
		}
	}
	return refuse(why, -EINVAL, "\"%s\" is not an %s address (names are not looked up)", text,
		      family == NFPROTO_IPV4 ? "IPv4" : "IPv6");
}

static void mask_of_len(uint8_t family, unsigned int len, union nf_inet_addr *mask)
{
	memset(mask, 0, sizeof(*mask));
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int bits = len > 32 ? 32 : len;

		mask->all[i] = bits ? htonl(~0u << (32 - bits)) : 0;
		len -= bits;
		if (family == NFPROTO_IPV4)
			break;
	}
}

int opt_addr_mask(const char *text, uint8_t family, union nf_inet_addr *addr, union nf_inet_addr *mask,
		  struct refusal *why)
{
	unsigned int full = family == NFPROTO_IPV4 ? 32 : 128;
	const char *slash = strchr(text, '/');
	char head[INET6_ADDRSTRLEN];
	uint64_t len;
	int err;

	if (slash && (size_t)(slash - text) >= sizeof(head))
		return refuse(why, -EINVAL, "\"%s\" is not an address", text);
	len = slash ? (size_t)(slash - text) : strnlen(text, sizeof(head) - 1);
	memcpy(head, text, len);
	head[len] = '\0';
	if (!slash && strlen(text) >= sizeof(head))
		return refuse(why, -EINVAL, "\"%s\" is not an address", text);
	if (!slash)
		mask_of_len(family, full, mask);
	else if (opt_u64(slash + 1, 0, full, &len))
		mask_of_len(family, len, mask);
	else if ((err = opt_addr(slash + 1, family, mask, NULL)))
		return refuse(why, err, "\"%s\" is not a netmask", slash + 1);
	err = opt_addr(head, family, addr, why);
	if (err)
		return err;
	for (unsigned int i = 0; i < 4; i++)
		addr->all[i] &= mask->all[i];
	return 0;
}

static bool host_number(const char *text, uint8_t family, union nf_inet_addr *out)
{
	union nf_inet_addr addr = { 0 };

	/* inet_aton() passes over what follows a blank, getaddrinfo() does not */
	if (family == NFPROTO_IPV4 ? strpbrk(text, " \t\n\v\f\r") || inet_aton(text, &addr.in) != 1 : inet_pton(AF_INET6, text, &addr) != 1)
		return false;
	*out = addr;
	return true;
}

int opt_host(const struct opt_call *call, const char *text, union nf_inet_addr *out, struct refusal *why)
{
	union nf_inet_addr found[OPT_ADDRS_PER_NAME] = { 0 };
	unsigned int count;

	if (host_number(text, call->family, out))
		return 0;
	if (!call->look_up)
		return refuse(why, -EINVAL, "\"%s\" is not an %s address (names are not looked up)", text,
			      call->family == NFPROTO_IPV4 ? "IPv4" : "IPv6");
	count = call->look_up(call->family, text, false, found, OPT_ADDRS_PER_NAME);
	if (!count) {
		refuse(why, -EINVAL, "host `%s' not found", text);
		refuse_upstream(why, "getaddrinfo: %s", gai_strerror(EAI_NONAME));
		return -EINVAL;
	}
	for (unsigned int i = 1; i < count; i++)
		if (memcmp(&found[i], &found[0], sizeof(found[0])))
			return refuse(why, -EINVAL, "%s resolves to more than one address", text);
	*out = found[0];
	return 0;
}

/* Ones from the left without a hole; -1 otherwise. */
static int len_of_mask(uint8_t family, const union nf_inet_addr *mask)
{
	union nf_inet_addr again;
	unsigned int full = family == NFPROTO_IPV4 ? 32 : 128, len = 0;

	while (len < full && (ntohl(mask->all[len / 32]) & (0x80000000u >> len % 32)))
		len++;
	mask_of_len(family, len, &again);
	return memcmp(&again, mask, full / 8) ? -1 : (int)len;
}

int opt_mask_len(const char *text, uint8_t family)
{
	union nf_inet_addr mask;
	uint64_t len;

	if (opt_u64(text, 0, family == NFPROTO_IPV4 ? 32 : 128, &len))
		return (int)len;
	return host_number(text, family, &mask) ? (uint8_t)len_of_mask(family, &mask) : -1;
}

bool opt_mask(const char *text, uint8_t family, union nf_inet_addr *mask)
{
	int len = opt_mask_len(text, family);

	memset(mask, 0xff, sizeof(*mask));
	if (len >= 0 && len <= 128)
		mask_of_len(family, (unsigned int)len, mask);
	return len >= 0;
}

int opt_host_mask(const struct opt_call *call, const char *text, union nf_inet_addr *addr, union nf_inet_addr *mask,
		  struct refusal *why)
{
	const char *slash = strchr(text, '/');
	char head[256];
	int err;

	memset(mask, 0xff, sizeof(*mask));
	if (!slash)
		return opt_host(call, text, addr, why);
	if ((size_t)(slash - text) >= sizeof(head))
		return refuse(why, -EINVAL, "\"%s\" is not an address", text);
	memcpy(head, text, slash - text);
	head[slash - text] = '\0';
	err = opt_host(call, head, addr, why);
	if (err)
		return err;
	return opt_mask(slash + 1, call->family, mask) ? 0 : refuse(why, -EINVAL, "\"%s\" is not a netmask", slash + 1);
}

static const struct opt_word proto_words[] = {
	{ "tcp", IPPROTO_TCP }, { "sctp", IPPROTO_SCTP }, { "udp", IPPROTO_UDP }, { "udplite", IPPROTO_UDPLITE },
	{ "icmp", IPPROTO_ICMP }, { "icmpv6", IPPROTO_ICMPV6 }, { "ipv6-icmp", IPPROTO_ICMPV6 },
	{ "esp", IPPROTO_ESP }, { "ah", IPPROTO_AH }, { "ipv6-mh", IPPROTO_MH }, { "mh", IPPROTO_MH },
	{ "dccp", IPPROTO_DCCP }, { "all", 0 }, { NULL }
};

int opt_proto(const char *text, uint8_t *out, struct refusal *why)
{
	struct protoent entry, *found = NULL;
	char buf[1024];
	uint64_t number;

	if (opt_u64(text, 0, UINT8_MAX, &number)) {
		*out = number;
		return 0;
	}
	if (*text && !getprotobyname_r(text, &entry, buf, sizeof(buf), &found) && found) {
		*out = found->p_proto;
		return 0;
	}
	for (const struct opt_word *word = proto_words; word->name; word++) {
		if (strcmp(word->name, text) == 0) {
			*out = word->value;
			return 0;
		}
	}
	return refuse(why, -EINVAL, "unknown protocol \"%s\"", text);
}

bool opt_word_bits(const char *list, const struct opt_word *words, uint32_t *bits, const char **bad)
{
	for (;;) {
		size_t len = strcspn(list, ",");
		const struct opt_word *word = words;

		while (word->name && (strlen(word->name) < len || strncasecmp(word->name, list, len)))
			word++;
		*bad = list;
		if (!len || !word->name)
			return false;
		*bits |= word->value;
		if (!list[len])
			return true;
		list += len + 1;
	}
}

const char *print_proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_UDPLITE: return "udplite";
	case IPPROTO_SCTP: return "sctp";
	case IPPROTO_DCCP: return "dccp";
	}
	return NULL;
}

const char *print_port(uint16_t port, const char *proto, const struct ext_view *view, char *buf)
{
	struct servent entry, *found = NULL;
	char room[2048];

	if (!view->numeric && !getservbyport_r(htons(port), proto, &entry, room, sizeof(room), &found) && found)
		snprintf(buf, 64, "%s", found->s_name);
	else
		snprintf(buf, 64, "%u", port);
	return buf;
}

void print_addr(struct strbuf *out, uint8_t family, const union nf_inet_addr *addr)
{
	char buf[INET6_ADDRSTRLEN];

	sb_adds(out, inet_ntop(family == NFPROTO_IPV4 ? AF_INET : AF_INET6, addr, buf, sizeof(buf)));
}

void print_addr_mask(struct strbuf *out, uint8_t family, const union nf_inet_addr *addr,
		     const union nf_inet_addr *mask, const struct ext_view *view)
{
	int full = family == NFPROTO_IPV4 ? 32 : 128, len = len_of_mask(family, mask);
	static const union nf_inet_addr zero;

	if (!view->numeric && memcmp(addr, &zero, full / 8) == 0) {
		sb_adds(out, " anywhere");
		return;
	}
	sb_addc(out, ' ');
	print_addr(out, family, addr);
	if (len < 0) {
		sb_addc(out, '/');
		print_addr(out, family, mask);
	} else if (len < full) {
		sb_printf(out, "/%d", len);
	}
}

void save_quoted(struct strbuf *out, const char *text)
{
	size_t plain = strspn(text, "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	if (plain && !text[plain]) {
		sb_printf(out, " %s", text);
		return;
	}
	sb_adds(out, " \"");
	for (; *text; text++) {
		if (strchr("\"\\'", *text))
			sb_addc(out, '\\');
		sb_addc(out, *text);
	}
	sb_addc(out, '"');
}

static void put_bits(void *info, size_t at, uint8_t width, uint32_t bits)
{
	uint8_t *where = (uint8_t *)info + at;
	uint16_t half;
	uint32_t word;

	if (width == 1) {
		*where |= bits;
	} else if (width == 2) {
		memcpy(&half, where, 2);
		half |= bits;
		memcpy(where, &half, 2);
	} else if (width == 4) {
		memcpy(&word, where, 4);
		word |= bits;
		memcpy(where, &word, 4);
	}
}

static void put_number(void *info, size_t at, unsigned int width, uint64_t value)
{
	uint8_t u8 = value;
	uint16_t u16 = value;
	uint32_t u32 = value;

	memcpy((uint8_t *)info + at, width == 1 ? (void *)&u8 : width == 2 ? (void *)&u16 :
	       width == 4 ? (void *)&u32 : (void *)&value, width);
}

static int parse_value(const char *ext_name, struct opt_call *call, struct refusal *why)
{
	static const uint8_t widths[] = {
		[OPT_U8] = 1, [OPT_U16] = 2, [OPT_U32] = 4, [OPT_U64] = 8,
		[OPT_U8_RANGE] = 1, [OPT_U16_RANGE] = 2, [OPT_U32_RANGE] = 4,
	};
	const struct opt *opt = call->opt;
	unsigned int width = opt->type < ARRAY_SIZE(widths) ? widths[opt->type] : 0;
	uint64_t min = opt->min, max = opt->max, low, high;
	char *end;

	if (!min && !max)
		max = width == 8 || !width ? UINT64_MAX : (1ull << 8 * width) - 1;
	switch (opt->type) {
	case OPT_FLAG:
	case OPT_CUSTOM:
		return 0;
	case OPT_U8: case OPT_U16: case OPT_U32: case OPT_U64:
		if (!opt_u64(call->arg, min, max, &low))
			goto bad_number;
		put_number(call->info, opt->at, width, low);
		return 0;
	case OPT_U8_RANGE: case OPT_U16_RANGE: case OPT_U32_RANGE:
		low = 0;
		high = max;
		if (!*call->arg) {
			end = (char *)call->arg;	/* no word is 0 */
			high = 0;
		} else if (*call->arg == ':') {
			end = (char *)call->arg;
		} else {
			if (!opt_number(call->arg, &end, &low) || low < min || low > max)
				goto bad_number;
			if (*end == '\0')
				high = low;
		}
		if (*end == ':' && end[1] && !opt_u64(end + 1, min, max, &high))
			goto bad_number;
		else if (*end && *end != ':')
			goto bad_number;
		put_number(call->info, opt->at, width, low);
		put_number(call->info, opt->at + width, width, high);
		return 0;
	case OPT_MARK_MASK:
		high = UINT32_MAX;
		if (!opt_number(call->arg, &end, &low) || low > UINT32_MAX || (*end && *end != '/') ||
		    (*end == '/' && !opt_u64(end + 1, 0, UINT32_MAX, &high)))
			return refuse(why, -EINVAL, "%s: --%s takes value[/mask] of 32 bits, not \"%s\"", ext_name,
				      opt->name, call->arg);
		put_number(call->info, opt->at, 4, low);
		put_number(call->info, opt->at + 4, 4, high);
		return 0;
	case OPT_TEXT:
		memset((uint8_t *)call->info + opt->at, 0, opt->size);
		/* upstream cuts a long one without a word */
		memcpy((uint8_t *)call->info + opt->at, call->arg, MIN_OF(strlen(call->arg), opt->size - 1));
		return 0;
	}
	return refuse(why, -EINVAL, "%s: --%s has no type", ext_name, opt->name);

bad_number:
	return refuse(why, -EINVAL, "%s: --%s takes %s (%" PRIu64 " to %" PRIu64 "), not \"%s\"", ext_name,
		      opt->name, opt->arg ? opt->arg : "a number", min, max, call->arg);
}

int opt_parse(const char *ext_name, const struct ext_text *text, struct opt_call *call, struct refusal *why)
{
	const struct opt *opt = call->opt = real_row(text, call->opt), *other;
	int err;

	if ((call->seen & 1ull << opt_row(text, opt)) && !(opt->flags & OPT_REPEATABLE))
		return refuse(why, -EINVAL, "%s: --%s can only be given once", ext_name, opt->name);
	if (call->invert && !(opt->flags & OPT_INVERTIBLE))
		return refuse(why, -EINVAL, "%s: --%s cannot be inverted", ext_name, opt->name);
	other = excluded_by(text, opt, call->seen);
	if (other)
		return refuse(why, -EINVAL, "%s: --%s cannot be used together with --%s", ext_name, opt->name,
			      other->name);
	if (opt_words(opt) && !call->arg)
		return refuse(why, -EINVAL, "%s: --%s requires an argument", ext_name, opt->name);
	if (opt_words(opt) > 1 && !call->arg2)
		return refuse(why, -EINVAL, "%s: --%s requires two arguments", ext_name, opt->name);
	err = parse_value(ext_name, call, why);
	if (err)
		return err;
	put_bits(call->info, opt->set_at, opt->set_width, opt->set_bits);
	if (call->invert)
		put_bits(call->info, opt->invert_at, opt->invert_width, opt->invert_bits);
	return opt->parse ? opt->parse(call, why) : 0;
}

int opt_finish(const char *ext_name, const struct ext_text *text, struct opt_call *call, struct refusal *why)
{
	for (const struct opt *opt = text->options; opt && opt->name; opt++)
		if ((opt->flags & OPT_REQUIRED) && !(call->seen & 1ull << (opt - text->options)))
			return refuse(why, -EINVAL, "%s: --%s is required", ext_name, opt->name);
	return text->finish ? text->finish(call->info, call->seen, call, why) : 0;
}
