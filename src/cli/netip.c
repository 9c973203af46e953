/*
 * cli/netip.c - `ip -batch` lines: the objects, and how names, numbers and addresses are read.
 * What ip(8) accepts and weir models is taken; what weir does not model is refused by name, never ignored.
 */
#include "cli/netip_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

static bool say(struct ipargs *a, struct text_pos at, int err, int exit_code, const char *fmt, va_list ap)
{
	char text[400];

	vsnprintf(text, sizeof(text), fmt, ap);
	refuse_at(a->why, at, err, "%s", text);
	a->exit_code = exit_code;
	return false;
}

bool ip_bad(struct ipargs *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(a, words_at(a->words, a->at ? a->at - 1 : 0), -EINVAL, IP_USAGE, fmt, ap);
	va_end(ap);
	return false;
}

bool ip_bad_next(struct ipargs *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(a, words_at(a->words, a->at), -EINVAL, IP_USAGE, fmt, ap);
	va_end(ap);
	return false;
}

bool ip_unknown(struct ipargs *a, const char *what, const char *const *known)
{
	const char *word = ip_word(a), *meant = word ? did_you_mean(word, known) : NULL;

	if (!word)
		return ip_bad_next(a, "%s is missing", what);
	if (meant)
		return ip_bad_next(a, "unknown %s \"%s\", did you mean \"%s\"?", what, word, meant);
	return ip_bad_next(a, "unknown %s \"%s\"", what, word);
}

bool ip_refused(struct ipargs *a, int err)
{
	if (a->why)
		a->why->at = words_from(a->words, 0);
	if (a->why && !a->why->text[0])
		refuse_at(a->why, words_from(a->words, 0), err, "refused: %s", strerror(-err));
	a->exit_code = IP_REFUSED;
	return false;
}

bool ip_is(struct ipargs *a, const char *name)
{
	const char *word = ip_word(a);

	if (!word || strcmp(word, name) != 0)
		return false;
	a->at++;
	return true;
}

bool ip_is_short(struct ipargs *a, const char *name, size_t least)
{
	const char *word = ip_word(a);
	size_t len = word ? strlen(word) : 0;

	if (len < least || strncmp(word, name, len) != 0)
		return false;
	a->at++;
	return true;
}

bool ip_value(struct ipargs *a, const char *what, const char **out)
{
	*out = ip_word(a);
	if (!*out)
		return ip_bad_next(a, "%s is missing after \"%s\"", what, a->at ? a->words->argv[a->at - 1] : "ip");
	a->at++;
	return true;
}

static bool number(const char *word, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long v;

	if (*word < '0' || *word > '9')
		return false;
	errno = 0;
	v = strtoull(word, &end, 0);
	if (*end || errno || v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool ip_u32(struct ipargs *a, const char *what, uint32_t min, uint32_t max, uint32_t *out)
{
	const char *word;
	uint64_t v = 0;

	if (!ip_value(a, what, &word))
		return false;
	if (!number(word, min, max, &v))
		return ip_bad(a, "%s is a number from %u to %u, not \"%s\"", what, min, max, word);
	*out = (uint32_t)v;
	return true;
}

bool ip_mac(struct ipargs *a, uint8_t mac[6])
{
	unsigned int b[6];
	const char *word;
	int used = 0;

	if (!ip_value(a, "a link-layer address", &word))
		return false;
	if (sscanf(word, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &used) != 6 || word[used])
		return ip_bad(a, "not a link-layer address (xx:xx:xx:xx:xx:xx): \"%s\"", word);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

/* ip(8) takes "10.1" as 10.1.0.0: missing bytes are zero. */
static bool addr4(const char *text, be32 *out)
{
	uint8_t bytes[4] = { 0 };
	int i = 0;

	for (;; i++) {
		unsigned int v = 0;
		const char *from = text;

		for (; *text >= '0' && *text <= '9' && text - from < 4; text++)
			v = v * 10 + (unsigned int)(*text - '0');
		if (text == from || v > 255 || i == 4)
			return false;
		bytes[i] = (uint8_t)v;
		if (*text == '\0')
			break;
		if (*text++ != '.')
			return false;
	}
	memcpy(out, bytes, sizeof(bytes));
	return true;
}

static bool addr_parse(const char *text, uint8_t *family, union nf_inet_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (*family != AF_INET && strchr(text, ':') && inet_pton(AF_INET6, text, &out->in6) == 1) {
		*family = AF_INET6;
		return true;
	}
	if (*family != AF_INET6 && addr4(text, &out->ip)) {
		*family = AF_INET;
		return true;
	}
	return false;
}

static const char *family_name(uint8_t family)
{
	return family == AF_INET ? "IPv4 " : family == AF_INET6 ? "IPv6 " : "";
}

bool ip_addr(struct ipargs *a, const char *what, uint8_t *family, union nf_inet_addr *out)
{
	const char *word;

	if (!ip_value(a, what, &word))
		return false;
	if (!addr_parse(word, family, out))
		return ip_bad(a, "not an %saddress: \"%s\"", *family ? family_name(*family) : "", word);
	return true;
}

static int mask_len(be32 mask)
{
	uint32_t m = ntohl(mask);

	if (~m & (~m + 1))
		return -1;
	return __builtin_popcount(m);
}

bool ip_prefix(struct ipargs *a, const char *what, struct ip_prefix *out)
{
	const char *word, *slash;
	char text[64];
	uint64_t len;

	memset(out, 0, sizeof(*out));
	out->family = a->family;
	if (!ip_value(a, what, &word))
		return false;
	if (strcmp(word, "default") == 0 || strcmp(word, "any") == 0 || strcmp(word, "all") == 0) {
		out->is_default = true;
		return true;
	}
	slash = strchr(word, '/');
	if ((slash ? (size_t)(slash - word) : strlen(word)) >= sizeof(text))
		return ip_bad(a, "not an %saddress: \"%s\"", family_name(a->family), word);
	snprintf(text, sizeof(text), "%.*s", slash ? (int)(slash - word) : (int)sizeof(text) - 1, word);
	if (!addr_parse(text, &out->family, &out->addr))
		return ip_bad(a, "not an %saddress%s: \"%s\"", family_name(a->family), slash ? " with prefix" : "", word);
	out->len = out->family == AF_INET ? 32 : 128;
	if (!slash)
		return true;
	out->has_len = true;
	if (number(slash + 1, 0, out->len, &len)) {
		out->len = (uint8_t)len;
		return true;
	}
	if (out->family == AF_INET && strchr(slash, '.')) {
		be32 mask;

		if (addr4(slash + 1, &mask) && mask_len(mask) >= 0) {
			out->len = (uint8_t)mask_len(mask);
			return true;
		}
	}
	return ip_bad(a, "a prefix length is a number from 0 to %u: \"%s\"", out->len, word);
}

/* The kernel's rule for interface names, which is also what keeps file names sane. */
static bool name_is_good(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || (unsigned char)*name <= ' ' || *name == 0x7f)
			return false;
	return true;
}

bool ip_dev(struct ipargs *a, struct iface **out)
{
	struct netip *ip = a->ip;
	unsigned short type;
	const char *name;
	int err;

	if (!ip_value(a, "a device", &name))
		return false;
	if (!name_is_good(name))
		return ip_bad(a, "not a device name: \"%s\"", name);
	*out = iface_find(ip->inst, name);
	if (*out)
		return true;
	type = ip->loading && ip->port_type ? ip->port_type(ip->priv, name) : 0;
	if (!type)
		return ip_bad(a, "cannot find device \"%s\"", name);
	/* A port of the run whose file has no link line: there, and up. */
	err = iface_add(ip->inst, name, type, out, a->why);
	if (!err)
		err = route_iface_set_up(ip->inst, *out, true, a->why);
	return err ? ip_refused(a, err) : true;
}

struct named { const char *name; uint32_t value; };

static bool named_value(struct ipargs *a, const char *what, const struct named *names, size_t count, uint32_t max,
			uint32_t *out)
{
	const char *word;
	uint64_t v = 0;

	if (!ip_value(a, what, &word))
		return false;
	if (number(word, 0, max, &v)) {
		*out = (uint32_t)v;
		return true;
	}
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, names[i].name) == 0) {
			*out = names[i].value;
			return true;
		}
	return ip_bad(a, "%s \"%s\" is not known: give its number", what, word);
}

bool ip_table(struct ipargs *a, uint32_t *out)
{
	static const struct named names[] = { { "main", RT_TABLE_MAIN }, { "local", RT_TABLE_LOCAL },
					      { "default", RT_TABLE_DEFAULT } };

	return named_value(a, "table", names, ARRAY_SIZE(names), UINT32_MAX, out);
}

bool ip_scope(struct ipargs *a, uint8_t *out)
{
	static const struct named names[] = { { "global", RT_SCOPE_UNIVERSE }, { "universe", RT_SCOPE_UNIVERSE },
					      { "site", RT_SCOPE_SITE }, { "link", RT_SCOPE_LINK },
					      { "host", RT_SCOPE_HOST }, { "nowhere", RT_SCOPE_NOWHERE } };
	uint32_t v = 0;

	if (!named_value(a, "scope", names, ARRAY_SIZE(names), 255, &v))
		return false;
	*out = (uint8_t)v;
	return true;
}

bool ip_protocol(struct ipargs *a, uint8_t *out)
{
	static const struct named names[] = { { "redirect", RTPROT_REDIRECT }, { "kernel", RTPROT_KERNEL },
					      { "boot", RTPROT_BOOT }, { "static", RTPROT_STATIC }, { "ra", RTPROT_RA },
					      { "dhcp", RTPROT_DHCP }, { "zebra", RTPROT_ZEBRA }, { "bird", RTPROT_BIRD },
					      { "bgp", RTPROT_BGP }, { "isis", RTPROT_ISIS }, { "ospf", RTPROT_OSPF },
					      { "rip", RTPROT_RIP }, { "eigrp", RTPROT_EIGRP } };
	uint32_t v = 0;

	if (!named_value(a, "protocol", names, ARRAY_SIZE(names), 255, &v))
		return false;
	*out = (uint8_t)v;
	return true;
}

bool ip_tos(struct ipargs *a, uint8_t *out)
{
	const char *word;
	char *end;
	unsigned long v;

	if (!ip_value(a, "tos", &word))
		return false;
	v = strtoul(word, &end, 16);	/* ip(8) reads it in base 16 */
	if (!*word || *end || v > 255)
		return ip_bad(a, "tos is a hexadecimal number from 0 to ff, not \"%s\"", word);
	*out = (uint8_t)v;
	return true;
}

bool ip_realm(struct ipargs *a, uint32_t *out)
{
	const char *word, *slash;
	uint64_t to = 0, from = 0;
	char head[16];

	if (!ip_value(a, "realm", &word))
		return false;
	slash = strchr(word, '/');
	snprintf(head, sizeof(head), "%.*s", slash ? (int)MIN_OF(slash - word, 15) : 15, word);
	if (slash) {			/* FROM/TO */
		if (!number(head, 0, 65535, &from) || !number(slash + 1, 0, 65535, &to))
			return ip_bad(a, "realms are two numbers FROM/TO, not \"%s\"", word);
	} else if (!number(word, 0, 65535, &to)) {
		return ip_bad(a, "a realm is a number from 0 to 65535, not \"%s\"", word);
	}
	*out = (uint32_t)(from << 16 | to);
	return true;
}

static bool object_line(struct ipargs *a)
{
	static const char *const known[] = { "link", "address", "route", "rule", "neighbour", "tuntap", NULL };
	/* ip(8)'s own order decides what an abbreviation means. */
	static const struct { const char *name; bool (*run)(struct ipargs *a); } objects[] = {
		{ "address", ip_address }, { "route", ip_route }, { "rule", ip_rule }, { "neighbor", ip_neigh },
		{ "neighbour", ip_neigh }, { "link", ip_link }, { "tuntap", ip_tuntap },
	};

	for (;;) {
		if (ip_is(a, "-4"))
			a->family = AF_INET;
		else if (ip_is(a, "-6"))
			a->family = AF_INET6;
		else
			break;
	}
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (ip_is_short(a, objects[i].name, 1))
			return objects[i].run(a);
	ip_unknown(a, "object", known);
	a->exit_code = IP_UNKNOWN_OBJECT;
	return false;
}

int netip_line(struct netip *ip, const struct words *words, unsigned int first, struct refusal *why)
{
	struct refusal nobody = { 0 };
	struct ipargs a = { .ip = ip, .words = words, .at = first, .why = why ? why : &nobody };

	ip->inst->changes++;
	if (object_line(&a)) {
		if (a.at == words->count)
			return IP_OK;
		ip_bad_next(&a, "\"%s\" is too much here", ip_word(&a));
	}
	return a.exit_code ? a.exit_code : IP_USAGE;
}

int netip_load(struct netip *ip, const char *text, size_t len, const char *file, struct refusal *why)
{
	struct line_reader reader = { text, text + len, 0 };
	struct refusal nobody = { 0 };
	const char *line;
	size_t line_len;

	if (!why)
		why = &nobody;
	while (line_next(&reader, &line, &line_len)) {
		struct words words;
		int err = words_split(&words, line, line_len, file, reader.number, why);

		if (err)
			return err;
		if (words.count && netip_line(ip, &words, strcmp(words.argv[0], "ip") == 0, why))
			err = why->err ? why->err : -EINVAL;
		words_free(&words);
		if (err)
			return err;
	}
	return 0;
}
