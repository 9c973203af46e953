/*
 * cli/conntrack_args.c - reads a `conntrack` command line as conntrack-tools 1.4.7 does.
 * Options are rows: their names, and which command wants, takes or refuses them. A protocol brings rows of
 * its own, which exist only after its -p.
 */
#include "cli/conntrack_args.h"
#include "conntrack/labels.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { EXIT_OTHER = 1, EXIT_PARAMETER = 2 };
enum { PROTO_ROWS_MAX = 9, LONG_OPTIONS_MAX = 128 };

/* For each of list, create, update, delete, get, flush: 0 refused, 1 wanted, 2 taken, 3 see the pairs. */
struct row { const char *name, *legal; };

static const struct row rows[OPT_COUNT] = {
	[OPT_ORIG_SRC] = { "src", "232230" }, [OPT_ORIG_DST] = { "dst", "232230" },
	[OPT_REPLY_SRC] = { "reply-src", "232230" }, [OPT_REPLY_DST] = { "reply-dst", "232230" },
	[OPT_PROTO] = { "protonum", "212210" }, [OPT_TIMEOUT] = { "timeout", "012200" },
	[OPT_STATUS] = { "status", "222200" }, [OPT_ZERO] = { "zero", "200000" },
	[OPT_EVENT_MASK] = { "event-mask", "000000" }, [OPT_TUPLE_SRC] = { "tuple-src", "000000" },
	[OPT_TUPLE_DST] = { "tuple-dst", "000000" }, [OPT_MASK_SRC] = { "mask-src", "202200" },
	[OPT_MASK_DST] = { "mask-dst", "202200" }, [OPT_NAT_RANGE] = { "nat-range", "020000" },
	[OPT_MARK] = { "mark", "222200" }, [OPT_ID] = { "id", "002220" }, [OPT_FAMILY] = { "family", "202202" },
	[OPT_SRC_NAT] = { "src-nat", "222200" }, [OPT_DST_NAT] = { "dst-nat", "222200" },
	[OPT_OUTPUT] = { "output", "202220" }, [OPT_SECMARK] = { "secmark", "200000" },
	[OPT_BUFFER_SIZE] = { "buffer-size", "000000" }, [OPT_ANY_NAT] = { "any-nat", "200000" },
	[OPT_ZONE] = { "zone", "220200" }, [OPT_LABEL] = { "label", "202220" },
	[OPT_LABEL_ADD] = { "label-add", "022000" }, [OPT_LABEL_DEL] = { "label-del", "002000" },
	[OPT_ORIG_ZONE] = { "orig-zone", "220200" }, [OPT_REPLY_ZONE] = { "reply-zone", "220200" },
};

static const struct option base_options[] = {
	{ "dump", optional_argument, NULL, 'L' }, { "create", optional_argument, NULL, 'I' },
	{ "add", optional_argument, NULL, 'A' }, { "delete", optional_argument, NULL, 'D' },
	{ "update", optional_argument, NULL, 'U' }, { "get", optional_argument, NULL, 'G' },
	{ "flush", optional_argument, NULL, 'F' }, { "event", optional_argument, NULL, 'E' },
	{ "counter", optional_argument, NULL, 'C' }, { "stats", no_argument, NULL, 'S' },
	{ "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' },
	{ "orig-src", required_argument, NULL, 's' }, { "src", required_argument, NULL, 's' },
	{ "orig-dst", required_argument, NULL, 'd' }, { "dst", required_argument, NULL, 'd' },
	{ "reply-src", required_argument, NULL, 'r' }, { "reply-dst", required_argument, NULL, 'q' },
	{ "protonum", required_argument, NULL, 'p' }, { "timeout", required_argument, NULL, 't' },
	{ "status", required_argument, NULL, 'u' }, { "zero", no_argument, NULL, 'z' },
	{ "event-mask", required_argument, NULL, 'e' }, { "tuple-src", required_argument, NULL, '[' },
	{ "tuple-dst", required_argument, NULL, ']' }, { "mask-src", required_argument, NULL, '{' },
	{ "mask-dst", required_argument, NULL, '}' }, { "nat-range", required_argument, NULL, 'a' },
	{ "mark", required_argument, NULL, 'm' }, { "secmark", required_argument, NULL, 'c' },
	{ "id", optional_argument, NULL, 'i' }, { "family", required_argument, NULL, 'f' },
	{ "src-nat", optional_argument, NULL, 'n' }, { "dst-nat", optional_argument, NULL, 'g' },
	{ "output", required_argument, NULL, 'o' }, { "buffer-size", required_argument, NULL, 'b' },
	{ "any-nat", optional_argument, NULL, 'j' }, { "zone", required_argument, NULL, 'w' },
	{ "label", required_argument, NULL, 'l' }, { "label-add", required_argument, NULL, '<' },
	{ "label-del", optional_argument, NULL, '>' }, { "orig-zone", required_argument, NULL, '(' },
	{ "reply-zone", required_argument, NULL, ')' },
};
static const char short_options[] = ":LIUDGEFAhVs:d:r:q:p:t:u:e:a:z[:]:{:}:m:i:f:o:n::g::c:b:C::Sj::w:l:<:>::(:):";

/* What a protocol's own options write; the values of its long options. */
enum proto_value {
	VALUE_BASE = 256,
	VALUE_ORIG_SPORT = VALUE_BASE, VALUE_ORIG_DPORT, VALUE_REPLY_SPORT, VALUE_REPLY_DPORT, VALUE_MASK_SPORT,
	VALUE_MASK_DPORT, VALUE_STATE, VALUE_TUPLE_SPORT, VALUE_TUPLE_DPORT, VALUE_TYPE, VALUE_CODE, VALUE_ICMP_ID,
};

/*
 * Commands on expectations have rows of their own, a letter for each of the above: create; delete and get.
 * Rows of ports likewise, in the order of enum proto_value's rows.
 */
static const char expect_rows[2][OPT_COUNT + 1] = { "11221120011110000000000000000",
						"11221000000000000000000000000" };
static const char expect_port_rows[2][PROTO_ROWS_MAX + 1] = { "110011011", "111100000" };

struct proto_row { const char *name, *legal; enum proto_value value; };
struct proto_options {
	const char *name;
	uint8_t number;
	bool has_pairs;			/* ports come in pairs when a connection is made */
	struct proto_row rows[PROTO_ROWS_MAX + 1];
	struct option options[12];
};

#define PORT_ROWS \
	{ "sport", "232230", VALUE_ORIG_SPORT }, { "dport", "232230", VALUE_ORIG_DPORT }, \
	{ "reply-port-src", "232230", VALUE_REPLY_SPORT }, { "reply-port-dst", "232230", VALUE_REPLY_DPORT }, \
	{ "mask-port-src", "000000", VALUE_MASK_SPORT }, { "mask-port-dst", "000000", VALUE_MASK_DPORT }
#define TUPLE_ROWS \
	{ "tuple-port-src", "000000", VALUE_TUPLE_SPORT }, { "tuple-port-dst", "000000", VALUE_TUPLE_DPORT }
#define PORT_OPTIONS \
	{ "orig-port-src", required_argument, NULL, VALUE_ORIG_SPORT }, \
	{ "sport", required_argument, NULL, VALUE_ORIG_SPORT }, \
	{ "orig-port-dst", required_argument, NULL, VALUE_ORIG_DPORT }, \
	{ "dport", required_argument, NULL, VALUE_ORIG_DPORT }, \
	{ "reply-port-src", required_argument, NULL, VALUE_REPLY_SPORT }, \
	{ "reply-port-dst", required_argument, NULL, VALUE_REPLY_DPORT }, \
	{ "mask-port-src", required_argument, NULL, VALUE_MASK_SPORT }, \
	{ "mask-port-dst", required_argument, NULL, VALUE_MASK_DPORT }, \
	{ "tuple-port-src", required_argument, NULL, VALUE_TUPLE_SPORT }, \
	{ "tuple-port-dst", required_argument, NULL, VALUE_TUPLE_DPORT }
#define ICMP_ROWS(p) \
	{ p "-type", "212210", VALUE_TYPE }, { p "-code", "212210", VALUE_CODE }, { p "-id", "222220", VALUE_ICMP_ID }
#define ICMP_OPTIONS(p) \
	{ p "-type", required_argument, NULL, VALUE_TYPE }, { p "-code", required_argument, NULL, VALUE_CODE }, \
	{ p "-id", required_argument, NULL, VALUE_ICMP_ID }

static const struct proto_options protos[] = {
	{ "tcp", IPPROTO_TCP, true, { PORT_ROWS, { "state", "212220", VALUE_STATE }, TUPLE_ROWS },
	  { PORT_OPTIONS, { "state", required_argument, NULL, VALUE_STATE } } },
	{ "udp", IPPROTO_UDP, true, { PORT_ROWS, TUPLE_ROWS }, { PORT_OPTIONS } },
	{ "udplite", IPPROTO_UDPLITE, true, { PORT_ROWS, TUPLE_ROWS }, { PORT_OPTIONS } },
	{ "icmp", IPPROTO_ICMP, false, { ICMP_ROWS("icmp") }, { ICMP_OPTIONS("icmp") } },
	{ "icmpv6", IPPROTO_ICMPV6, false, { ICMP_ROWS("icmpv6") }, { ICMP_OPTIONS("icmpv6") } },
};

struct parser {
	const struct instance *inst;
	struct conntrack_args *args;
	struct strbuf *err;
	int argc;
	char **argv;
	const struct proto_options *proto;	/* NULL: none, or one without options */
	uint32_t proto_given;			/* bit per row of it */
	struct option options[LONG_OPTIONS_MAX];
	unsigned int option_count;
};

void conntrack_say(struct strbuf *err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sb_printf(err, "conntrack v1.4.7 (conntrack-tools): %s\n", text);
}

static int bad(struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int bad(struct parser *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conntrack_say(p->err, "%s", text);
	sb_adds(p->err, "Try `conntrack -h' or 'conntrack --help' for more information.\n");
	return EXIT_PARAMETER;
}

/* getopt leaves an optional argument that stands apart where it is. */
static char *optional_word(struct parser *p)
{
	if (optarg || optind >= p->argc || p->argv[optind][0] == '-' || p->argv[optind][0] == '!')
		return NULL;
	return p->argv[optind++];
}

static int set_family(struct parser *p, uint8_t family)
{
	if (p->args->family && p->args->family != family)
		return bad(p, "mismatched address family");
	p->args->family = family;
	return 0;
}

/* --- commands --- */

static int parse_table(struct parser *p)
{
	static const struct { const char *name; enum conntrack_table table; } names[] = {
		{ "expect", TABLE_EXPECT }, { "conntrack", TABLE_CONNTRACK }, { "dying", TABLE_DYING },
		{ "unconfirmed", TABLE_UNCONFIRMED },
	};
	const char *word = optional_word(p);

	p->args->table = TABLE_CONNTRACK;
	if (!word)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strncmp(names[i].name, word, strlen(word)) == 0) {
			p->args->table = names[i].table;
			return 0;
		}
	}
	return bad(p, "unknown type `%s'", word);
}

static int parse_command(struct parser *p, int letter)
{
	static const struct { char letter; enum conntrack_cmd cmd; const char *name; } cmds[] = {
		{ 'L', CMD_LIST, "dump" }, { 'I', CMD_CREATE, "create" }, { 'U', CMD_UPDATE, "update" },
		{ 'D', CMD_DELETE, "delete" }, { 'G', CMD_GET, "get" }, { 'F', CMD_FLUSH, "flush" },
		{ 'A', CMD_ADD, "add" }, { 'C', CMD_COUNT, "counter" }, { 'V', CMD_VERSION, "version" },
		{ 'h', CMD_HELP, "help" }, { 'S', CMD_STATS, "stats" },
	};
	int code = parse_table(p);

	if (code)
		return code;
	if (letter != 'L' && (p->args->table == TABLE_DYING || p->args->table == TABLE_UNCONFIRMED))
		return bad(p, "Can't do that command with tables `dying' and `unconfirmed'");
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (cmds[i].letter != letter)
			continue;
		if (p->args->table == TABLE_EXPECT && (cmds[i].cmd == CMD_UPDATE || cmds[i].cmd == CMD_ADD))
			return bad(p, "Can't do --%s on expectations", cmds[i].name);
		if (p->args->cmd != CMD_NONE)
			return bad(p, "Invalid commands combination");
		p->args->cmd = cmds[i].cmd;
		return 0;
	}
	conntrack_say(p->err, "weir does not serve -%c", letter);
	return EXIT_OTHER;
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
static int parse_addr(struct parser *p, const char *text, const char *long_name, bool takes_mask,
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
		return bad(p, "Invalid IP address `%s'", text);
	if (*mask_len > (*family == NFPROTO_IPV4 ? 32 : 128))
		*mask_len = -2;
	code = set_family(p, *family);
	if (code)
		return code;
	if (*mask_len != -1 && !takes_mask)
		return bad(p, "CIDR notation unavailable for `--%s'", long_name);
	if (*mask_len == -2)
		return bad(p, "Invalid netmask");
	return 0;
}

static int parse_tuple_addr(struct parser *p, enum conntrack_opt opt)
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

static int parse_other_addr(struct parser *p, enum conntrack_opt opt, union nf_inet_addr *addr)
{
	uint8_t family;
	int mask_len, code = parse_addr(p, optarg, rows[opt].name, false, addr, &family, &mask_len);

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
static int parse_nat(struct parser *p, enum conntrack_opt opt)
{
	struct nat_filter filter = { .addr_family = 0 };
	char buf[128], *port = NULL, *addr = buf;
	const char *word;
	int mask_len, code;

	p->args->options |= 1u << opt;
	word = optional_word(p);
	if (!word)
		return 0;
	snprintf(buf, sizeof(buf), "%s", word);
	if (strchr(buf, '[')) {
		char *close;

		addr = strchr(buf, '[') + 1;
		close = strchr(addr, ']');
		if (!close)
			return bad(p, "No closing ']' around IPv6 address");
		if (close == addr)
			return bad(p, "No IPv6 address specified");
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
		return bad(p, "No port specified after `:'");
	if (port && !is_port(port))
		return bad(p, "Invalid port `%s'", port);
	code = parse_addr(p, addr, rows[opt].name, false, &filter.addr, &filter.addr_family, &mask_len);
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
static bool read_word(struct parser *p, const char *text, size_t len, const struct word *words, uint32_t *value)
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

static int parse_status(struct parser *p)
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
			return bad(p, "Bad parameter `%s'", at);
		at += len;
		if (!*at)
			break;
	}
	p->args->status = status;
	p->args->status_mask = mask ? mask : status;
	return 0;
}

static int parse_output(struct parser *p)
{
	static const struct word words[] = {
		{ "xml", OUTPUT_XML }, { "extended", OUTPUT_EXTENDED }, { "timestamp", 0 }, { "id", OUTPUT_ID },
		{ "ktimestamp", OUTPUT_KERNEL_STAMP }, { "labels", OUTPUT_LABELS }, { "userspace", 0 },
		{ "save", OUTPUT_SAVE }, { "json", OUTPUT_JSON }, { NULL }
	};
	uint32_t output = p->args->output;

	p->args->options |= 1u << OPT_OUTPUT;
	for (const char *at = optarg;; at++) {
		size_t len = strcspn(at, ",");

		if (!len || !read_word(p, at, len, words, &output))
			return bad(p, "Bad parameter `%s'", at);
		at += len;
		if (!*at)
			break;
	}
	p->args->output = output;
	if ((output & OUTPUT_SAVE) && (output & ~OUTPUT_SAVE)) {
		conntrack_say(p->err, "cannot combine save output with any other output type, use -o save only");
		return EXIT_OTHER;
	}
	return 0;
}

static int parse_family(struct parser *p)
{
	p->args->options |= 1u << OPT_FAMILY;
	if (strncmp(optarg, "ipv4", 4) == 0)
		return set_family(p, NFPROTO_IPV4);
	if (strncmp(optarg, "ipv6", 4) == 0)
		return set_family(p, NFPROTO_IPV6);
	return bad(p, "`%s' unsupported protocol", optarg);
}

static void parse_mark(struct parser *p)
{
	char *end;

	p->args->options |= 1u << OPT_MARK;
	p->args->mark = strtoul(optarg, &end, 0);
	p->args->mark_mask = *end == '/' ? strtoul(end + 1, NULL, 0) : ~0u;
}

/* --- protocols --- */

static int find_proto_number(const char *name)
{
	struct protoent *entry;
	unsigned long value;
	char *end;

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (strcasecmp(protos[i].name, name) == 0)
			return protos[i].number;
	}
	entry = getprotobyname(name);
	if (entry)
		return entry->p_proto;
	value = strtoul(name, &end, 0);
	return end == name || *end || value > IPPROTO_RAW ? -1 : (int)value;
}

static int parse_proto(struct parser *p)
{
	struct conntrack_args *args = p->args;
	int number = find_proto_number(optarg);

	if (number < 0)
		return bad(p, "`%s' unsupported protocol", optarg);
	args->options |= 1u << OPT_PROTO;
	args->fields |= 1u << FIELD_PROTO;
	args->orig.proto = args->reply.proto = args->expected.proto = number;
	args->is_tcp = number == IPPROTO_TCP;
	p->proto = NULL;
	p->proto_given = 0;
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (protos[i].number == number)
			p->proto = &protos[i];
	}
	p->option_count = ARRAY_SIZE(base_options);
	for (const struct option *o = p->proto ? p->proto->options : NULL; o && o->name; o++)
		p->options[p->option_count++] = *o;
	p->options[p->option_count] = (struct option){ NULL, 0, NULL, 0 };
	return 0;
}

static int parse_tcp_state(struct parser *p)
{
	for (uint8_t state = TCP_CONNTRACK_NONE; state < TCP_CONNTRACK_MAX; state++) {
		if (strcmp(optarg, ct_tcp_state_name(state)) == 0 ||
		    (state == TCP_CONNTRACK_LISTEN && strcmp(optarg, "LISTEN") == 0)) {
			p->args->tcp_state = state;
			p->args->fields |= 1u << FIELD_TCP_STATE;
			return 0;
		}
	}
	return bad(p, "unknown TCP state `%s'", optarg);
}

static int parse_proto_option(struct parser *p, enum proto_value value)
{
	struct conntrack_args *args = p->args;
	unsigned int field;

	for (unsigned int i = 0; p->proto && p->proto->rows[i].name; i++) {
		if (p->proto->rows[i].value == value)
			p->proto_given |= 1u << i;
	}
	switch (value) {
	case VALUE_ORIG_SPORT:
		args->orig.src_l4.port = htons(atoi(optarg));
		field = FIELD_ORIG_SPORT;
		break;
	case VALUE_ORIG_DPORT:
		args->orig.dst_l4.port = htons(atoi(optarg));
		field = FIELD_ORIG_DPORT;
		break;
	case VALUE_REPLY_SPORT:
		args->reply.src_l4.port = htons(atoi(optarg));
		field = FIELD_REPLY_SPORT;
		break;
	case VALUE_REPLY_DPORT:
		args->reply.dst_l4.port = htons(atoi(optarg));
		field = FIELD_REPLY_DPORT;
		break;
	case VALUE_TYPE:
		args->orig.dst_l4.icmp.type = atoi(optarg);
		field = FIELD_ICMP_TYPE;
		break;
	case VALUE_CODE:
		args->orig.dst_l4.icmp.code = atoi(optarg);
		field = FIELD_ICMP_CODE;
		break;
	case VALUE_ICMP_ID:
		args->orig.src_l4.icmp_id = htons(atoi(optarg));
		field = FIELD_ICMP_ID;
		break;
	case VALUE_STATE:
		return parse_tcp_state(p);
	case VALUE_TUPLE_SPORT:
		args->expected.src_l4.port = htons(atoi(optarg));
		return 0;
	case VALUE_TUPLE_DPORT:
		args->expected.dst_l4.port = htons(atoi(optarg));
		return 0;
	case VALUE_MASK_SPORT:
		args->mask_port_src = htons(atoi(optarg));
		return 0;
	default:
		return 0;
	}
	args->fields |= 1u << field;
	return 0;
}

/* "one,two"; --label-del alone means all. */
static int parse_labels(struct parser *p, int letter)
{
	struct conntrack_args *args = p->args;
	uint8_t *labels = letter == 'l' ? args->labels : letter == '<' ? args->labels_set : args->labels_clear;
	const char *at = letter == '>' ? optional_word(p) : optarg;

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
			return bad(p, "unknown label '%s'", name);
		labels[bit / 8] |= (uint8_t)(1u << bit % 8);
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

/* --- one option --- */

static int parse_option(struct parser *p, int c)
{
	struct conntrack_args *args = p->args;

	switch (c) {
	case 'L': case 'I': case 'U': case 'D': case 'G': case 'F':
	case 'A': case 'C': case 'E': case 'S': case 'V': case 'h':
		return parse_command(p, c);
	case 's':
		return parse_tuple_addr(p, OPT_ORIG_SRC);
	case 'd':
		return parse_tuple_addr(p, OPT_ORIG_DST);
	case 'r':
		return parse_tuple_addr(p, OPT_REPLY_SRC);
	case 'q':
		return parse_tuple_addr(p, OPT_REPLY_DST);
	case '[':
		return parse_other_addr(p, OPT_TUPLE_SRC, &args->expected.src);
	case ']':
		return parse_other_addr(p, OPT_TUPLE_DST, &args->expected.dst);
	case '{':
		return parse_other_addr(p, OPT_MASK_SRC, &args->mask_src);
	case '}':
		return parse_other_addr(p, OPT_MASK_DST, &args->mask_dst);
	case 'n':
		return parse_nat(p, OPT_SRC_NAT);
	case 'g':
		return parse_nat(p, OPT_DST_NAT);
	case 'j':
		return parse_nat(p, OPT_ANY_NAT);
	case 'p':
		return parse_proto(p);
	case 'u':
		return parse_status(p);
	case 'o':
		return parse_output(p);
	case 'f':
		return parse_family(p);
	case 'm':
		parse_mark(p);
		return 0;
	case 't':
		args->timeout_sec = (uint32_t)atol(optarg);
		args->options |= 1u << OPT_TIMEOUT;
		return 0;
	case 'z':
		args->options |= 1u << OPT_ZERO;
		return 0;
	case 'e':
		args->options |= 1u << OPT_EVENT_MASK;
		return 0;
	case 'b':
		args->options |= 1u << OPT_BUFFER_SIZE;
		return 0;
	case 'a':
		sb_adds(p->err, "WARNING: ignoring -a, deprecated option.\n");
		return 0;
	case 'i':
		args->id = optarg ? (uint32_t)strtoul(optarg, NULL, 0) : 0;
		args->options |= 1u << OPT_ID;
		return 0;
	case 'c':
		args->secmark = (uint32_t)strtoul(optarg, NULL, 0);
		args->options |= 1u << OPT_SECMARK;
		return 0;
	case 'w':
		args->zone = (uint16_t)strtoul(optarg, NULL, 0);
		args->options |= 1u << OPT_ZONE;
		return 0;
	case '(':
		args->orig_zone = (uint16_t)strtoul(optarg, NULL, 0);
		args->options |= 1u << OPT_ORIG_ZONE;
		return 0;
	case ')':
		args->reply_zone = (uint16_t)strtoul(optarg, NULL, 0);
		args->options |= 1u << OPT_REPLY_ZONE;
		return 0;
	case 'l': case '<': case '>':
		return parse_labels(p, c);
	case ':':
		return bad(p, "option `%s' requires an argument", p->argv[optind - 1]);
	case '?':
		return bad(p, "unknown option `%s'", p->argv[optind - 1]);
	default:
		return parse_proto_option(p, c);
	}
}

/* --- which options go with which command --- */

static int command_column(enum conntrack_cmd cmd)
{
	switch (cmd) {
	case CMD_LIST:
		return 0;
	case CMD_CREATE:
	case CMD_ADD:
		return 1;
	case CMD_UPDATE:
		return 2;
	case CMD_DELETE:
		return 3;
	case CMD_GET:
		return 4;
	case CMD_FLUSH:
		return 5;
	default:
		return -1;		/* takes nothing */
	}
}

static int check_row(struct parser *p, const char *name, const char *legal, int column, bool is_given)
{
	char rule = column < 0 ? '0' : legal[column];

	if (is_given && rule == '0')
		return bad(p, "Illegal option `--%s' with this command", name);
	if (!is_given && rule == '1')
		return bad(p, "You need to supply the `--%s' option for this command", name);
	return 0;
}

/* One whole pair must be there; the sentence names the pair that was begun. */
static int check_pairs(struct parser *p, uint32_t given, const char *first, const char *second)
{
	if ((given & 3) == 3 || (given & 12) == 12)
		return 0;
	return bad(p, "you have to specify %s", (given & 3) || !(given & 12) ? first : second);
}

static int check_expect_options(struct parser *p)
{
	int which = p->args->cmd == CMD_CREATE ? 0 : 1, code = 0;

	for (int i = 0; i < OPT_COUNT && !code; i++)
		code = check_row(p, rows[i].name, expect_rows[which], i, args_have(p->args, i));
	for (int i = 0; p->proto && p->proto->rows[i].name && !code; i++) {
		/* UDP has no state: its rows skip one. ICMP can be expected, but not described. */
		code = check_row(p, p->proto->rows[i].name, expect_port_rows[which],
				 p->proto->has_pairs ? (int)p->proto->rows[i].value - VALUE_BASE : -1,
				 p->proto_given & 1u << i);
	}
	return code;
}

static int check_options(struct parser *p)
{
	const struct conntrack_args *args = p->args;
	int column = command_column(args->cmd), code;

	if (args->table == TABLE_EXPECT) {
		if (args->cmd == CMD_CREATE || args->cmd == CMD_DELETE || args->cmd == CMD_GET)
			return check_expect_options(p);
		column = args->cmd == CMD_LIST ? 5 : -1;	/* lists take -f alone */
	}
	for (int i = 0; i < OPT_COUNT; i++) {
		code = check_row(p, rows[i].name, rows[i].legal, column, args_have(args, i));
		if (code)
			return code;
	}
	if (column == 1 || column == 4) {
		code = check_pairs(p, args->options, "`--src' and `--dst'", "`--reply-src' and `--reply-dst'");
		if (code)
			return code;
	}
	if (!p->proto || args->cmd == CMD_HELP)
		return 0;
	for (int i = 0; p->proto->rows[i].name; i++) {
		const struct proto_row *row = &p->proto->rows[i];

		code = check_row(p, row->name, row->legal, column, p->proto_given & 1u << i);
		if (code)
			return code;
	}
	if (p->proto->has_pairs && (column == 1 || column == 4))
		return check_pairs(p, p->proto_given, "`--sport' and `--dport'",
				   "`--reply-src-port' and `--reply-dst-port'");
	return 0;
}

int conntrack_parse(const struct instance *inst, struct conntrack_args *args, int argc, char **argv, struct strbuf *err)
{
	struct parser p = { .inst = inst, .args = args, .err = err, .argc = argc, .argv = argv };
	int c, code;

	memset(args, 0, sizeof(*args));
	memcpy(p.options, base_options, sizeof(base_options));
	p.option_count = ARRAY_SIZE(base_options);
	opterr = 0;
	optind = 0;		/* glibc: start anew */
	while ((c = getopt_long(argc, argv, short_options, p.options, NULL)) != -1) {
		code = parse_option(&p, c);
		if (code)
			return code;
	}
	if (!args->family && (args->cmd == CMD_CREATE || args->cmd == CMD_ADD))
		args->family = NFPROTO_IPV4;
	args->orig.family = args->reply.family = args->expected.family = args->family;
	if (args_have(args, OPT_ANY_NAT) && (args_have(args, OPT_SRC_NAT) || args_have(args, OPT_DST_NAT)))
		return bad(&p, "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'");
	code = check_options(&p);
	if (code)
		return code;
	if (args->output & OUTPUT_LABELS && !ct_label_names_are_loaded(inst))
		sb_adds(err, "nfct_labelmap_new: No such file or directory\n");
	return 0;
}
