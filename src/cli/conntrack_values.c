/* cli/conntrack_values.c - see conntrack_values.h: addresses, translations, lists of words, marks, labels. */
#include "cli/conntrack_values.h"
#include "conntrack/labels.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static void say(struct strbuf *err, const char *fmt, va_list ap)
{
	sb_adds(err, "conntrack v1.4.7 (conntrack-tools): ");
	sb_vprintf(err, fmt, ap);
	sb_addc(err, '\n');
}

void conntrack_say(struct strbuf *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
}

int ct_parse_failed(struct ct_parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(p->err, fmt, ap);
	va_end(ap);
	sb_adds(p->err, "Try `conntrack -h' or 'conntrack --help' for more information.\n");
	return EXIT_PARAMETER;
}

char *ct_optional_word(struct ct_parser *p)
{
	if (optarg || optind >= p->argc || p->argv[optind][0] == '-' || p->argv[optind][0] == '!')
		return NULL;
	return p->argv[optind++];
}

static int set_family(struct ct_parser *p, uint8_t family)
{
	if (p->args->family && p->args->family != family)
		return ct_parse_failed(p, "mismatched address family");
	p->args->family = family;
	return 0;
}

/* --- addresses --- */

static uint8_t read_addr(const char *text, union nf_inet_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (inet_aton(text, &addr->in))
		return NFPROTO_IPV4;
	return inet_pton(AF_INET6, text, &addr->in6) == 1 ? NFPROTO_IPV6 : 0;
}

static void mask_of_len(union nf_inet_addr *mask, unsigned int len)
{
	memset(mask, 0, sizeof(*mask));
	for (unsigned int i = 0; i < 4 && len; i++) {
		unsigned int bits = MIN_OF(len, 32u);

		mask->all[i] = htonl(~0u << (32 - bits));
		len -= bits;
	}
}

/* "addr[/len]"; *mask_len is -1 when no length is there. */
static int parse_addr(struct ct_parser *p, const char *text, const char *long_name, bool takes_mask,
		      union nf_inet_addr *addr, uint8_t *family, int *mask_len)
{
	char buf[INET6_ADDRSTRLEN + 8], *slash, *end;
	int code;

	snprintf(buf, sizeof(buf), "%s", text);
	slash = strchr(buf, '/');
	*mask_len = -1;
	if (slash) {
		*mask_len = strtol(slash + 1, &end, 10);
		if (*mask_len < 0 || *end || end == slash + 1)
			*mask_len = -2;
		*slash = '\0';
	}
	*family = read_addr(buf, addr);
	if (!*family)
		return ct_parse_failed(p, "Invalid IP address `%s'", text);
	if (*mask_len > (*family == NFPROTO_IPV4 ? 32 : 128))
		*mask_len = -2;
	code = set_family(p, *family);
	if (code)
		return code;
	if (*mask_len != -1 && !takes_mask)
		return ct_parse_failed(p, "CIDR notation unavailable for `--%s'", long_name);
	if (*mask_len == -2)
		return ct_parse_failed(p, "Invalid netmask");
	return 0;
}

int ct_read_tuple_addr(struct ct_parser *p, enum conntrack_opt opt)
{
	static const struct { const char *long_name; enum conntrack_field field; } names[] = {
		{ "orig-src", FIELD_ORIG_SRC }, { "orig-dst", FIELD_ORIG_DST }, { "reply-src", FIELD_REPLY_SRC },
		{ "reply-dst", FIELD_REPLY_DST },
	};
	struct conntrack_args *args = p->args;
	bool is_orig = opt == OPT_ORIG_SRC || opt == OPT_ORIG_DST;
	struct ct_tuple *tuple = is_orig ? &args->orig : &args->reply;
	bool is_src = opt == OPT_ORIG_SRC || opt == OPT_REPLY_SRC;
	uint8_t family;
	int mask_len, code;

	code = parse_addr(p, optarg, names[opt].long_name, is_orig, is_src ? &tuple->src : &tuple->dst, &family,
			  &mask_len);
	if (code)
		return code;
	args->options |= 1u << opt;
	args->fields |= 1u << names[opt].field | 1u << (is_orig ? FIELD_ORIG_FAMILY : FIELD_REPLY_FAMILY);
	if (mask_len >= 0 && mask_len != (family == NFPROTO_IPV4 ? 32 : 128)) {
		mask_of_len(is_src ? &args->mask_src : &args->mask_dst, mask_len);
		args->options |= 1u << (is_src ? OPT_MASK_SRC : OPT_MASK_DST);
	}
	return 0;
}

int ct_read_other_addr(struct ct_parser *p, enum conntrack_opt opt, const char *name, union nf_inet_addr *addr)
{
	uint8_t family;
	int mask_len, code = parse_addr(p, optarg, name, false, addr, &family, &mask_len);

	if (!code)
		p->args->options |= 1u << opt;
	return code;
}

static bool is_port(const char *text)
{
	for (const char *at = text; *at; at++) {
		if (!isdigit((unsigned char)*at))
			return false;
	}
	return strlen(text) <= 9 && atol(text) <= UINT16_MAX;
}

/* "addr", "addr:port", "[addr6]:port". */
int ct_read_nat(struct ct_parser *p, enum conntrack_opt opt, const char *name)
{
	struct nat_filter filter = { .addr_family = 0 };
	char buf[128], *port = NULL, *addr = buf;
	const char *word;
	int mask_len, code;

	p->args->options |= 1u << opt;
	word = ct_optional_word(p);
	if (!word)
		return 0;
	snprintf(buf, sizeof(buf), "%s", word);
	if (strchr(buf, '[')) {
		char *close;

		addr = strchr(buf, '[') + 1;
		close = strchr(addr, ']');
		if (!close)
			return ct_parse_failed(p, "No closing ']' around IPv6 address");
		if (close == addr)
			return ct_parse_failed(p, "No IPv6 address specified");
		port = strchr(close, ':');
		if (port)
			*close = '\0';
		else
			addr = buf;
	} else {
		port = strchr(buf, ':');
		if (port && strchr(port + 1, ':'))
			port = NULL;		/* a bare IPv6 address */
		else if (port)
			*port = '\0';
	}
	if (port && !*++port)
		return ct_parse_failed(p, "No port specified after `:'");
	if (port && !is_port(port))
		return ct_parse_failed(p, "Invalid port `%s'", port);
	code = parse_addr(p, addr, name, false, &filter.addr, &filter.addr_family, &mask_len);
	if (code)
		return code;
	if (port) {
		filter.has_port = true;
		filter.port = htons(atoi(port));
	}
	if (opt != OPT_DST_NAT)
		p->args->snat = filter;
	if (opt != OPT_SRC_NAT)
		p->args->dnat = filter;
	if (opt != OPT_ANY_NAT)
		p->args->fields |= 1u << FIELD_ORIG_FAMILY;
	return 0;
}

/* --- words --- */

struct word { const char *name; uint32_t value; };

/* One word or the beginning of it, any case. */
static bool read_word(struct ct_parser *p, const char *text, size_t len, const struct word *words, uint32_t *value)
{
	static const char *const nat_words[] = { "SRC_NAT", "DST_NAT" };

	for (size_t i = 0; i < ARRAY_SIZE(nat_words); i++) {
		if (strncasecmp(text, nat_words[i], len) == 0) {
			sb_printf(p->err, "WARNING: ignoring %s, use --%s instead\n", nat_words[i],
				  i ? "dst-nat" : "src-nat");
			return true;
		}
	}
	for (; words->name; words++) {
		if (strncasecmp(text, words->name, len) == 0) {
			*value |= words->value;
			return true;
		}
	}
	return false;
}

int ct_read_status(struct ct_parser *p)
{
	static const struct word words[] = {
		{ "ASSURED", IPS_ASSURED }, { "SEEN_REPLY", IPS_SEEN_REPLY }, { "UNSET", 0 },
		{ "FIXED_TIMEOUT", IPS_FIXED_TIMEOUT }, { "EXPECTED", IPS_EXPECTED }, { "OFFLOAD", IPS_OFFLOAD },
		{ "HW_OFFLOAD", IPS_HW_OFFLOAD }, { NULL }
	};
	uint32_t status = 0, mask = p->args->status_mask;

	p->args->options |= 1u << OPT_STATUS;
	for (const char *at = optarg;; at++) {
		size_t len = strcspn(at, ",");
		bool is_negated = *at == '!';

		if (is_negated && len) {
			at++;
			len--;
		}
		if (!is_negated && strncmp(at, "UNREPLIED", strlen("UNREPLIED")) == 0)
			mask |= IPS_SEEN_REPLY;
		else if (!len || !read_word(p, at, len, words, is_negated ? &mask : &status))
			return ct_parse_failed(p, "Bad parameter `%s'", at);
		at += len;
		if (!*at)
			break;
	}
	p->args->status = status;
	p->args->status_mask = mask ? mask : status;
	return 0;
}

int ct_read_output(struct ct_parser *p)
{
	static const struct word words[] = {
		{ "xml", OUTPUT_XML }, { "extended", OUTPUT_EXTENDED }, { "timestamp", OUTPUT_STAMP }, { "id", OUTPUT_ID },
		{ "ktimestamp", OUTPUT_KERNEL_STAMP }, { "labels", OUTPUT_LABELS }, { "userspace", 0 },
		{ "save", OUTPUT_SAVE }, { "json", OUTPUT_JSON }, { NULL }
	};
	uint32_t output = p->args->output;

	p->args->options |= 1u << OPT_OUTPUT;
	for (const char *at = optarg;; at++) {
		size_t len = strcspn(at, ",");

		if (!len || !read_word(p, at, len, words, &output))
			return ct_parse_failed(p, "Bad parameter `%s'", at);
		at += len;
		if (!*at)
			break;
	}
	p->args->output = output;
	if (output & OUTPUT_LABELS && !ct_label_names_are_loaded(p->inst))
		sb_adds(p->err, "nfct_labelmap_new: No such file or directory\n");
	if ((output & OUTPUT_SAVE) && (output & ~OUTPUT_SAVE)) {
		conntrack_say(p->err, "cannot combine save output with any other output type, use -o save only");
		return EXIT_OTHER;
	}
	return 0;
}

int ct_read_events(struct ct_parser *p)
{
	static const struct word words[] = {
		{ "ALL", ~0u }, { "NEW", 1u << CT_EVENT_NEW }, { "UPDATES", 1u << CT_EVENT_UPDATE }, { "DESTROY", 1u << CT_EVENT_DESTROY },
		{ NULL }
	};

	p->args->options |= 1u << OPT_EVENT_MASK;
	for (const char *at = optarg;; at++) {
		size_t len = strcspn(at, ",");

		if (!len || !read_word(p, at, len, words, &p->args->events))
			return ct_parse_failed(p, "Bad parameter `%s'", at);
		at += len;
		if (!*at)
			return 0;
	}
}

int ct_read_family(struct ct_parser *p)
{
	p->args->options |= 1u << OPT_FAMILY;
	if (strncmp(optarg, "ipv4", 4) == 0)
		return set_family(p, NFPROTO_IPV4);
	if (strncmp(optarg, "ipv6", 4) == 0)
		return set_family(p, NFPROTO_IPV6);
	return ct_parse_failed(p, "`%s' unsupported protocol", optarg);
}

void ct_read_mark(struct ct_parser *p)
{
	char *end;

	p->args->options |= 1u << OPT_MARK;
	p->args->mark = strtoul(optarg, &end, 0);
	p->args->mark_mask = *end == '/' ? strtoul(end + 1, NULL, 0) : ~0u;
}

/* "one,two"; --label-del alone means all. */
int ct_read_labels(struct ct_parser *p, int letter)
{
	struct conntrack_args *args = p->args;
	uint8_t *labels = letter == 'l' ? args->labels : letter == '<' ? args->labels_set : args->labels_clear;
	const char *at = letter == '>' ? ct_optional_word(p) : optarg;

	args->options |= 1u << (letter == 'l' ? OPT_LABEL : letter == '<' ? OPT_LABEL_ADD : OPT_LABEL_DEL);
	if (!ct_label_names_are_loaded(p->inst))
		sb_adds(p->err, "nfct_labelmap_new: No such file or directory\n");
	if (!at) {
		memset(labels, 0xff, CT_LABEL_BYTES);
		return 0;
	}
	for (;;) {
		char name[CT_LABEL_NAME_MAX];
		size_t len = strcspn(at, ",");
		int bit;

		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		bit = len < sizeof(name) ? ct_label_bit(p->inst, name) : -1;
		if (bit < 0)
			return ct_parse_failed(p, "unknown label '%s'", name);
		labels[bit / 8] |= (uint8_t)(1u << bit % 8);
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

