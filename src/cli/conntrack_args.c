/*
 * cli/conntrack_args.c - reads a `conntrack` command line as conntrack-tools 1.4.7 does.
 * Options are rows: their names, and which command wants, takes or refuses them. A protocol brings rows of
 * its own, which exist only after its -p.
 */
#include "cli/conntrack_values.h"
#include "conntrack/labels.h"

#include <linux/netfilter/nf_conntrack_sctp.h>

#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { PROTO_ROWS_MAX = 11 };

/* For each of list, create, update, delete, get, flush, event: 0 refused, 1 wanted, 2 taken, 3 see the pairs. */
struct row { const char *name, *legal; };

static const struct row rows[OPT_COUNT] = {
	[OPT_ORIG_SRC] = { "src", "2322302" }, [OPT_ORIG_DST] = { "dst", "2322302" },
	[OPT_REPLY_SRC] = { "reply-src", "2322302" }, [OPT_REPLY_DST] = { "reply-dst", "2322302" },
	[OPT_PROTO] = { "protonum", "2122102" }, [OPT_TIMEOUT] = { "timeout", "0122000" },
	[OPT_STATUS] = { "status", "2222000" }, [OPT_ZERO] = { "zero", "2000000" },
	[OPT_EVENT_MASK] = { "event-mask", "0000002" }, [OPT_TUPLE_SRC] = { "tuple-src", "0000000" },
	[OPT_TUPLE_DST] = { "tuple-dst", "0000000" }, [OPT_MASK_SRC] = { "mask-src", "2022002" },
	[OPT_MASK_DST] = { "mask-dst", "2022002" }, [OPT_NAT_RANGE] = { "nat-range", "0200000" },
	[OPT_MARK] = { "mark", "2222002" }, [OPT_ID] = { "id", "0022200" }, [OPT_FAMILY] = { "family", "2022022" },
	[OPT_SRC_NAT] = { "src-nat", "2222002" }, [OPT_DST_NAT] = { "dst-nat", "2222002" },
	[OPT_OUTPUT] = { "output", "2022202" }, [OPT_SECMARK] = { "secmark", "2000002" },
	[OPT_BUFFER_SIZE] = { "buffer-size", "0000002" }, [OPT_ANY_NAT] = { "any-nat", "2000002" },
	[OPT_ZONE] = { "zone", "2202002" }, [OPT_LABEL] = { "label", "2022202" },
	[OPT_LABEL_ADD] = { "label-add", "0220000" }, [OPT_LABEL_DEL] = { "label-del", "0020000" },
	[OPT_ORIG_ZONE] = { "orig-zone", "2202002" }, [OPT_REPLY_ZONE] = { "reply-zone", "2202002" },
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
	VALUE_ORIG_VTAG, VALUE_REPLY_VTAG, VALUE_ROLE,
};

/* Commands on expectations have rows of their own, a letter for each of the above: create; delete and get. Protocols have likewise. */
static const char expect_rows[2][OPT_COUNT + 1] = { "11221120011110000000000000000",
						"11221000000000000000000000000" };

struct proto_row { const char *name, *legal; enum proto_value value; };
struct proto_options {
	const char *name;
	uint8_t number;
	const char *pairs[2];		/* ports come in pairs when a connection is made: what is said when one lacks */
	const char *expected[2];	/* of expectations: create; delete and get. NULL: they can be expected, but not described */
	struct proto_row rows[PROTO_ROWS_MAX + 1];
	struct option options[14];
};

#define PORT_ROWS \
	{ "sport", "2322302", VALUE_ORIG_SPORT }, { "dport", "2322302", VALUE_ORIG_DPORT }, \
	{ "reply-port-src", "2322302", VALUE_REPLY_SPORT }, { "reply-port-dst", "2322302", VALUE_REPLY_DPORT }, \
	{ "mask-port-src", "0000000", VALUE_MASK_SPORT }, { "mask-port-dst", "0000000", VALUE_MASK_DPORT }
#define TUPLE_ROWS \
	{ "tuple-port-src", "0000000", VALUE_TUPLE_SPORT }, { "tuple-port-dst", "0000000", VALUE_TUPLE_DPORT }
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
#define PORT_PAIRS { "`--sport' and `--dport'", "`--reply-src-port' and `--reply-dst-port'" }
#define STATE_ROW { "state", "2122202", VALUE_STATE }
#define STATE_OPTION { "state", required_argument, NULL, VALUE_STATE }
#define ICMP_ROWS(p) \
	{ p "-type", "2122102", VALUE_TYPE }, { p "-code", "2122102", VALUE_CODE }, { p "-id", "2222202", VALUE_ICMP_ID }
#define ICMP_OPTIONS(p) \
	{ p "-type", required_argument, NULL, VALUE_TYPE }, { p "-code", required_argument, NULL, VALUE_CODE }, \
	{ p "-id", required_argument, NULL, VALUE_ICMP_ID }

static const struct proto_options protos[] = {
	{ "tcp", IPPROTO_TCP, PORT_PAIRS, { "110011011", "111100000" }, { PORT_ROWS, STATE_ROW, TUPLE_ROWS }, { PORT_OPTIONS, STATE_OPTION } },
	{ "udp", IPPROTO_UDP, PORT_PAIRS, { "11001111", "11110000" }, { PORT_ROWS, TUPLE_ROWS }, { PORT_OPTIONS } },
	{ "udplite", IPPROTO_UDPLITE, PORT_PAIRS, { "11001111", "11110000" }, { PORT_ROWS, TUPLE_ROWS }, { PORT_OPTIONS } },
	{ "icmp", IPPROTO_ICMP, { NULL }, { NULL }, { ICMP_ROWS("icmp") }, { ICMP_OPTIONS("icmp") } },
	{ "icmpv6", IPPROTO_ICMPV6, { NULL }, { NULL }, { ICMP_ROWS("icmpv6") }, { ICMP_OPTIONS("icmpv6") } },
	{ "sctp", IPPROTO_SCTP, PORT_PAIRS, { "11001101111", "11110000000" },
	  { PORT_ROWS, STATE_ROW, TUPLE_ROWS, { "orig-vtag", "0120200", VALUE_ORIG_VTAG }, { "reply-vtag", "0120200", VALUE_REPLY_VTAG } },
	  { PORT_OPTIONS, STATE_OPTION, { "orig-vtag", required_argument, NULL, VALUE_ORIG_VTAG },
	    { "reply-vtag", required_argument, NULL, VALUE_REPLY_VTAG } } },
	{ "dccp", IPPROTO_DCCP, { "`--sport' and `--dport'", "`--reply-port-src' and `--report-port-dst'" }, { "1100110111", "1111000000" },
	  { PORT_ROWS, STATE_ROW, TUPLE_ROWS, { "role", "0100000", VALUE_ROLE } },
	  { PORT_OPTIONS, STATE_OPTION, { "role", required_argument, NULL, VALUE_ROLE } } },
	{ "gre", IPPROTO_GRE, { "`--srckey' and `--dstkey'", "`--reply-src-key' and `--reply-dst-key'" }, { "11111111", "11110000" },
	  { { "srckey", "2322302", VALUE_ORIG_SPORT }, { "dstkey", "2322302", VALUE_ORIG_DPORT },
	    { "reply-key-src", "2322302", VALUE_REPLY_SPORT }, { "reply-key-dst", "2322302", VALUE_REPLY_DPORT },
	    { "mask-key-src", "0000000", VALUE_MASK_SPORT }, { "mask-key-dst", "0000000", VALUE_MASK_DPORT },
	    { "tuple-key-src", "0000000", VALUE_TUPLE_SPORT }, { "tuple-key-dst", "0000000", VALUE_TUPLE_DPORT } },
	  { { "orig-key-src", required_argument, NULL, VALUE_ORIG_SPORT }, { "srckey", required_argument, NULL, VALUE_ORIG_SPORT },
	    { "orig-key-dst", required_argument, NULL, VALUE_ORIG_DPORT }, { "dstkey", required_argument, NULL, VALUE_ORIG_DPORT },
	    { "reply-key-src", required_argument, NULL, VALUE_REPLY_SPORT }, { "reply-key-dst", required_argument, NULL, VALUE_REPLY_DPORT },
	    { "mask-key-src", required_argument, NULL, VALUE_MASK_SPORT }, { "mask-key-dst", required_argument, NULL, VALUE_MASK_DPORT },
	    { "tuple-key-src", required_argument, NULL, VALUE_TUPLE_SPORT }, { "tuple-key-dst", required_argument, NULL, VALUE_TUPLE_DPORT } } },
};

/* --- commands --- */

static int parse_table(struct ct_parser *p)
{
	static const struct { const char *name; enum conntrack_table table; } names[] = {
		{ "expect", TABLE_EXPECT }, { "conntrack", TABLE_CONNTRACK }, { "dying", TABLE_DYING },
		{ "unconfirmed", TABLE_UNCONFIRMED },
	};
	const char *word = ct_optional_word(p);

	p->args->table = TABLE_CONNTRACK;
	if (!word)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strncmp(names[i].name, word, strlen(word)) == 0) {
			p->args->table = names[i].table;
			return 0;
		}
	}
	return ct_parse_failed(p, "unknown type `%s'", word);
}

static int parse_command(struct ct_parser *p, int letter)
{
	static const struct { char letter; enum conntrack_cmd cmd; const char *name; } cmds[] = {
		{ 'L', CMD_LIST, "dump" }, { 'I', CMD_CREATE, "create" }, { 'U', CMD_UPDATE, "update" },
		{ 'D', CMD_DELETE, "delete" }, { 'G', CMD_GET, "get" }, { 'F', CMD_FLUSH, "flush" },
		{ 'A', CMD_ADD, "add" }, { 'C', CMD_COUNT, "counter" }, { 'V', CMD_VERSION, "version" },
		{ 'h', CMD_HELP, "help" }, { 'S', CMD_STATS, "stats" }, { 'E', CMD_EVENT, "event" },
	};
	int code = parse_table(p);

	if (code)
		return code;
	if (letter != 'L' && (p->args->table == TABLE_DYING || p->args->table == TABLE_UNCONFIRMED))
		return ct_parse_failed(p, "Can't do that command with tables `dying' and `unconfirmed'");
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (cmds[i].letter != letter)
			continue;
		if (p->args->table == TABLE_EXPECT && (cmds[i].cmd == CMD_UPDATE || cmds[i].cmd == CMD_ADD))
			return ct_parse_failed(p, "Can't do --%s on expectations", cmds[i].name);
		if (p->args->cmd != CMD_NONE)
			return ct_parse_failed(p, "Invalid commands combination");
		p->args->cmd = cmds[i].cmd;
		return 0;
	}
	conntrack_say(p->err, "weir does not serve -%c", letter);
	return EXIT_OTHER;
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

static int parse_proto(struct ct_parser *p)
{
	struct conntrack_args *args = p->args;
	int number = find_proto_number(optarg);

	if (number < 0)
		return ct_parse_failed(p, "`%s' unsupported protocol", optarg);
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

static int parse_sctp_state(struct ct_parser *p)
{
	/* upstream's list ends before the states of heartbeats */
	for (uint8_t state = SCTP_CONNTRACK_NONE; state <= SCTP_CONNTRACK_SHUTDOWN_ACK_SENT; state++) {
		if (strcmp(optarg, ct_sctp_state_name(state)) == 0) {
			p->args->sctp.state = state;
			p->args->fields |= 1u << FIELD_SCTP_STATE;
			return 0;
		}
	}
	return ct_parse_failed(p, "unknown SCTP state `%s'", optarg);
}

/* No kernel tracks DCCP any more, so the word is all that is looked at; who asks for a state finds nobody. */
static int parse_dccp_state(struct ct_parser *p)
{
	static const char *const states[] = { "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",
					      "INVALID" };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (strcmp(optarg, states[i]) == 0) {
			p->args->fields |= 1u << FIELD_DCCP_STATE;
			return 0;
		}
	}
	return ct_parse_failed(p, "Unknown DCCP state `%s'", optarg);
}

static int parse_dccp_role(struct ct_parser *p)
{
	if (strncasecmp(optarg, "client", strlen(optarg)) && strncasecmp(optarg, "server", strlen(optarg)))
		return ct_parse_failed(p, "Unknown DCCP role `%s'", optarg);
	return 0;
}

static be16 read_port(const struct ct_parser *p)
{
	if (p->proto && p->proto->number == IPPROTO_GRE)
		return htons((uint16_t)strtoul(optarg, NULL, 0));
	return htons((uint16_t)atoi(optarg));
}

static int parse_tcp_state(struct ct_parser *p)
{
	for (uint8_t state = TCP_CONNTRACK_NONE; state < TCP_CONNTRACK_MAX; state++) {
		if (strcmp(optarg, ct_tcp_state_name(state)) == 0 ||
		    (state == TCP_CONNTRACK_LISTEN && strcmp(optarg, "LISTEN") == 0)) {
			p->args->tcp_state = state;
			p->args->fields |= 1u << FIELD_TCP_STATE;
			return 0;
		}
	}
	return ct_parse_failed(p, "unknown TCP state `%s'", optarg);
}

static int parse_proto_option(struct ct_parser *p, enum proto_value value)
{
	struct conntrack_args *args = p->args;
	unsigned int field;

	for (unsigned int i = 0; p->proto && p->proto->rows[i].name; i++) {
		if (p->proto->rows[i].value == value)
			p->proto_given |= 1u << i;
	}
	switch (value) {
	case VALUE_ORIG_SPORT:
		args->orig.src_l4.port = read_port(p);
		field = FIELD_ORIG_SPORT;
		break;
	case VALUE_ORIG_DPORT:
		args->orig.dst_l4.port = read_port(p);
		field = FIELD_ORIG_DPORT;
		break;
	case VALUE_REPLY_SPORT:
		args->reply.src_l4.port = read_port(p);
		field = FIELD_REPLY_SPORT;
		break;
	case VALUE_REPLY_DPORT:
		args->reply.dst_l4.port = read_port(p);
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
		return p->proto->number == IPPROTO_SCTP ? parse_sctp_state(p) :
		       p->proto->number == IPPROTO_DCCP ? parse_dccp_state(p) : parse_tcp_state(p);
	case VALUE_ORIG_VTAG: case VALUE_REPLY_VTAG:
		args->sctp.vtag[value == VALUE_REPLY_VTAG] = (uint32_t)atoi(optarg);	/* upstream does not swap it either */
		args->has_vtag[value == VALUE_REPLY_VTAG] = true;
		return 0;
	case VALUE_ROLE:
		return parse_dccp_role(p);
	case VALUE_TUPLE_SPORT:
		args->expected.src_l4.port = read_port(p);
		return 0;
	case VALUE_TUPLE_DPORT:
		args->expected.dst_l4.port = read_port(p);
		return 0;
	case VALUE_MASK_SPORT:
		args->mask_port_src = read_port(p);
		return 0;
	default:
		return 0;
	}
	args->fields |= 1u << field;
	return 0;
}

/* --- one option --- */

static int parse_option(struct ct_parser *p, int c)
{
	struct conntrack_args *args = p->args;

	switch (c) {
	case 'L': case 'I': case 'U': case 'D': case 'G': case 'F':
	case 'A': case 'C': case 'E': case 'S': case 'V': case 'h':
		return parse_command(p, c);
	case 's':
		return ct_read_tuple_addr(p, OPT_ORIG_SRC);
	case 'd':
		return ct_read_tuple_addr(p, OPT_ORIG_DST);
	case 'r':
		return ct_read_tuple_addr(p, OPT_REPLY_SRC);
	case 'q':
		return ct_read_tuple_addr(p, OPT_REPLY_DST);
	case '[':
		return ct_read_other_addr(p, OPT_TUPLE_SRC, rows[OPT_TUPLE_SRC].name, &args->expected.src);
	case ']':
		return ct_read_other_addr(p, OPT_TUPLE_DST, rows[OPT_TUPLE_DST].name, &args->expected.dst);
	case '{':
		return ct_read_other_addr(p, OPT_MASK_SRC, rows[OPT_MASK_SRC].name, &args->mask_src);
	case '}':
		return ct_read_other_addr(p, OPT_MASK_DST, rows[OPT_MASK_DST].name, &args->mask_dst);
	case 'n':
		return ct_read_nat(p, OPT_SRC_NAT, rows[OPT_SRC_NAT].name);
	case 'g':
		return ct_read_nat(p, OPT_DST_NAT, rows[OPT_DST_NAT].name);
	case 'j':
		return ct_read_nat(p, OPT_ANY_NAT, rows[OPT_ANY_NAT].name);
	case 'p':
		return parse_proto(p);
	case 'u':
		return ct_read_status(p);
	case 'o':
		return ct_read_output(p);
	case 'f':
		return ct_read_family(p);
	case 'm':
		ct_read_mark(p);
		return 0;
	case 't':
		args->timeout_sec = (uint32_t)atol(optarg);
		args->options |= 1u << OPT_TIMEOUT;
		return 0;
	case 'z':
		args->options |= 1u << OPT_ZERO;
		return 0;
	case 'e':
		return ct_read_events(p);
	case 'b':
		args->buffer_size = (uint32_t)atol(optarg);
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
		return ct_read_labels(p, c);
	case ':':
		return ct_parse_failed(p, "option `%s' requires an argument", p->argv[optind - 1]);
	case '?':
		return ct_parse_failed(p, "unknown option `%s'", p->argv[optind - 1]);
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
	case CMD_EVENT:
		return 6;
	case CMD_FLUSH:
		return 5;
	default:
		return -1;		/* takes nothing */
	}
}

static int check_row(struct ct_parser *p, const char *name, const char *legal, int column, bool is_given)
{
	char rule = column < 0 ? '0' : legal[column];

	if (is_given && rule == '0')
		return ct_parse_failed(p, "Illegal option `--%s' with this command", name);
	if (!is_given && rule == '1')
		return ct_parse_failed(p, "You need to supply the `--%s' option for this command", name);
	return 0;
}

/* One whole pair must be there; the sentence names the pair that was begun. */
static int check_pairs(struct ct_parser *p, uint32_t given, const char *first, const char *second)
{
	if ((given & 3) == 3 || (given & 12) == 12)
		return 0;
	return ct_parse_failed(p, "you have to specify %s", (given & 3) || !(given & 12) ? first : second);
}

static int check_expect_options(struct ct_parser *p)
{
	int which = p->args->cmd == CMD_CREATE ? 0 : 1, code = 0;

	for (int i = 0; i < OPT_COUNT && !code; i++)
		code = check_row(p, rows[i].name, expect_rows[which], i, args_have(p->args, i));
	for (int i = 0; p->proto && p->proto->rows[i].name && !code; i++) {
		code = check_row(p, p->proto->rows[i].name, p->proto->expected[which], p->proto->expected[which] ? i : -1,
				 p->proto_given & 1u << i);
	}
	return code;
}

static int check_options(struct ct_parser *p)
{
	const struct conntrack_args *args = p->args;
	int column = command_column(args->cmd), code;

	if (args->table == TABLE_EXPECT) {
		if (args->cmd == CMD_CREATE || args->cmd == CMD_DELETE || args->cmd == CMD_GET)
			return check_expect_options(p);
		column = args->cmd == CMD_LIST ? 5 : -1;	/* lists take -f and -o alone */
	}
	for (int i = 0; i < OPT_COUNT; i++) {
		if (i == OPT_OUTPUT && (args->cmd == CMD_EVENT || (args->cmd == CMD_LIST && args->table == TABLE_EXPECT)))
			continue;		/* taken, be they expectations */
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
	if (p->proto->pairs[0] && (column == 1 || column == 4))
		return check_pairs(p, p->proto_given, p->proto->pairs[0], p->proto->pairs[1]);
	return 0;
}

int conntrack_parse(const struct instance *inst, struct conntrack_args *args, int argc, char **argv, struct strbuf *err)
{
	struct ct_parser p = { .inst = inst, .args = args, .err = err, .argc = argc, .argv = argv };
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
	if (!args->events)
		args->events = ~0u;
	if (!args->family && (args->cmd == CMD_CREATE || args->cmd == CMD_ADD))
		args->family = NFPROTO_IPV4;
	args->orig.family = args->reply.family = args->expected.family = args->family;
	if (args_have(args, OPT_ANY_NAT) && (args_have(args, OPT_SRC_NAT) || args_have(args, OPT_DST_NAT)))
		return ct_parse_failed(&p, "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'");
	return check_options(&p);
}
