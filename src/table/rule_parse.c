/*
 * table/rule_parse.c - the words of one iptables command, read as getopt_long() reads them for iptables:
 * bundled letters, unique beginnings of long names, options that exist only once their -m was read.
 */
#include "table/rule_parser.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	unsigned int bit;
	char letter;
	uint8_t inverts;	/* IPT_INV_*; the same for both families */
	unsigned int commands;	/* that it may stand beside */
} given_options[] = {
	{ GIVEN_NUMERIC, 'n', 0, CMD_LIST },
	{ GIVEN_SOURCE, 's', IPT_INV_SRCIP, CMD_WITH_RULE },
	{ GIVEN_DESTINATION, 'd', IPT_INV_DSTIP, CMD_WITH_RULE },
	{ GIVEN_PROTOCOL, 'p', XT_INV_PROTO, CMD_WITH_RULE },
	{ GIVEN_JUMP, 'j', 0, CMD_WITH_RULE },
	{ GIVEN_VERBOSE, 'v', 0, UINT_MAX },
	{ GIVEN_EXACT, 'x', 0, CMD_LIST },
	{ GIVEN_IN, 'i', IPT_INV_VIA_IN, CMD_WITH_RULE },
	{ GIVEN_OUT, 'o', IPT_INV_VIA_OUT, CMD_WITH_RULE },
	{ GIVEN_LINE_NUMBERS, '0', 0, CMD_LIST },
	{ GIVEN_JSON, 'J', 0, CMD_LIST | CMD_LIST_RULES },
	{ GIVEN_COUNTERS, 'c', 0, CMD_INSERT | CMD_REPLACE | CMD_APPEND | CMD_SET_POLICY },
	{ GIVEN_FRAGMENT, 'f', IPT_INV_FRAG, CMD_WITH_RULE },
};

_Static_assert(IPT_INV_VIA_IN == IP6T_INV_VIA_IN && IPT_INV_VIA_OUT == IP6T_INV_VIA_OUT &&
	       IPT_INV_SRCIP == IP6T_INV_SRCIP && IPT_INV_DSTIP == IP6T_INV_DSTIP, "one set of inversion flags");

static uint8_t *head_invflags(struct parser *p)
{
	return p->env->family == NFPROTO_IPV4 ? &((struct ipt_entry *)p->cmd->head)->ip.invflags
					      : &((struct ip6t_entry *)p->cmd->head)->ipv6.invflags;
}

static uint8_t *head_flags(struct parser *p)
{
	return p->env->family == NFPROTO_IPV4 ? &((struct ipt_entry *)p->cmd->head)->ip.flags
					      : &((struct ip6t_entry *)p->cmd->head)->ipv6.flags;
}

/* --- one option at a time --- */

static char command_letter(unsigned int kind)
{
	static const char letters[] = "IDDRALFZNXPESZC";
	unsigned int bit = 0;

	while (kind >> (bit + 1))
		bit++;
	return bit < sizeof(letters) - 1 ? letters[bit] : '?';
}

void parser_warn(const struct parser *p, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!p->env->tables || !p->env->tables->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	p->env->tables->warn(line);
}

static int command_add(struct parser *p, unsigned int kind, unsigned int beside)
{
	if (p->invert)
		return FAIL(p, p->word, "unexpected '!' flag");
	if (p->cmd->kind & ~beside)
		return FAIL(p, p->word, "Cannot use -%c with -%c", command_letter(kind),
			    command_letter(p->cmd->kind & ~beside));
	p->cmd->kind |= kind;
	return 0;
}

static int option_given(struct parser *p, unsigned int bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(given_options); i++) {
		if (given_options[i].bit != bit)
			continue;
		if (p->cmd->given & bit)
			return FAIL(p, p->word, "multiple -%c flags not allowed", given_options[i].letter);
		p->cmd->given |= bit;
		if (!p->invert)
			return 0;
		if (!given_options[i].inverts)
			return FAIL(p, p->word, "cannot have ! before -%c", given_options[i].letter);
		*head_invflags(p) |= given_options[i].inverts;
	}
	return 0;
}

static int rule_number(struct parser *p)
{
	const char *text = parser_next(p);
	uint64_t number;

	if (!opt_u64(text, 1, INT_MAX, &number))
		return FAIL(p, parser_last(p), "Invalid rule number `%s'", text);
	p->cmd->rule_number = (unsigned int)number;
	return 0;
}

static int chain_name_check(struct parser *p, const char *name, const struct rule_word *word)
{
	if (strlen(name) >= XT_EXTENSION_MAXNAMELEN)
		return FAIL(p, word, "chain name `%s' too long (must be under %u chars)", name,
			    XT_EXTENSION_MAXNAMELEN);
	if (*name == '-' || *name == '!')
		return FAIL(p, word, "chain name not allowed to start with `%c'", *name);
	if (!*name || parser_is_verdict(name) || target_for_text(name, p->env->family))
		return FAIL(p, word, "chain name may not clash with target name");
	for (const char *c = name; *c; c++)
		if (isspace((unsigned char)*c))
			return FAIL(p, word, "Invalid chain name `%s'", name);
	return 0;
}

static void chain_take(struct parser *p, const char *name, const struct rule_word *word)
{
	p->cmd->chain = name;
	p->cmd->chain_word = word;
}

/* "-L", "-LFORWARD", "-L FORWARD". */
static void chain_optional(struct parser *p)
{
	if (p->arg)
		chain_take(p, p->arg, p->word);
	else if (parser_has_arg(p)) {
		const char *name = parser_next(p);

		chain_take(p, name, parser_last(p));
	}
}

static int command_option(struct parser *p, char letter)
{
	static const unsigned int kinds[128] = {
		['A'] = CMD_APPEND, ['C'] = CMD_CHECK, ['D'] = CMD_DELETE, ['R'] = CMD_REPLACE, ['I'] = CMD_INSERT,
		['L'] = CMD_LIST, ['S'] = CMD_LIST_RULES, ['F'] = CMD_FLUSH, ['Z'] = CMD_ZERO, ['N'] = CMD_NEW_CHAIN,
		['X'] = CMD_DELETE_CHAIN, ['E'] = CMD_RENAME_CHAIN, ['P'] = CMD_SET_POLICY,
	};
	unsigned int beside = 0;
	int err = 0;

	if (letter == 'L' || letter == 'S')
		beside = CMD_ZERO | CMD_ZERO_NUM;
	else if (letter == 'Z')
		beside = CMD_LIST | CMD_LIST_RULES;
	if (letter == 'N')
		err = chain_name_check(p, p->arg, parser_last(p));
	if (!err)
		err = command_add(p, kinds[(unsigned char)letter], beside);
	if (err)
		return err;
	if (strchr("LSFZX", letter))
		chain_optional(p);
	else
		chain_take(p, p->arg, parser_last(p));
	switch (letter) {
	case 'D':
		if (parser_has_arg(p)) {
			p->cmd->kind = CMD_DELETE_NUM;
			return rule_number(p);
		}
		break;
	case 'R':
		if (!parser_has_arg(p))
			return FAIL(p, p->word, "-R requires a rule number");
		return rule_number(p);
	case 'I':
		p->cmd->rule_number = 1;
		return parser_has_arg(p) ? rule_number(p) : 0;
	case 'L':
	case 'S':
		return parser_has_arg(p) ? rule_number(p) : 0;
	case 'Z':
		if (parser_has_arg(p)) {
			p->cmd->kind = CMD_ZERO_NUM | (p->cmd->kind & ~CMD_ZERO);
			return rule_number(p);
		}
		break;
	case 'E':
		if (!parser_has_arg(p))
			return FAIL(p, p->word, "-E requires old-chain-name and new-chain-name");
		p->cmd->new_name = parser_next(p);
		return chain_name_check(p, p->cmd->new_name, parser_last(p));
	case 'P':
		if (!parser_has_arg(p))
			return FAIL(p, p->word, "-P requires a chain and a policy");
		p->cmd->policy = parser_next(p);
		break;
	}
	return 0;
}

/* IPv6 headers that only lead on to the protocol. */
static bool never_last(uint8_t proto)
{
	return proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT || proto == IPPROTO_AH ||
	       proto == IPPROTO_DSTOPTS;
}

static int protocol_option(struct parser *p)
{
	/* upstream takes the whole word here, "-ptcp" too, and finds no such protocol */
	char *text = parser_last(p)->text;
	uint8_t proto;
	int err = option_given(p, GIVEN_PROTOCOL);

	if (err)
		return err;
	for (char *c = text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	p->proto_text = text;
	if (!proto_parse(text, &proto)) {
		const char *meant = proto_nearest(text);

		if (meant)
			return FAIL(p, parser_last(p), "unknown protocol \"%s\" specified: did you mean \"%s\"?", text, meant);
		return FAIL(p, parser_last(p), "unknown protocol \"%s\" specified", text);
	}
	if (!proto && *head_invflags(p) & XT_INV_PROTO)
		return FAIL(p, parser_last(p), "rule would never match protocol");
	if (p->env->family == NFPROTO_IPV4) {
		((struct ipt_entry *)p->cmd->head)->ip.proto = proto;
	} else {
		((struct ip6t_entry *)p->cmd->head)->ipv6.proto = proto;
		*head_flags(p) |= IP6T_F_PROTO;
		if (never_last(proto) && !(*head_invflags(p) & XT_INV_PROTO))
			parser_warn(p, "Warning: never matched protocol: %s. use extension match instead.", text);
	}
	return 0;
}

static int iface_option(struct parser *p, unsigned int bit)
{
	const bool is_in = bit == GIVEN_IN, v4 = p->env->family == NFPROTO_IPV4;
	struct ipt_ip *ip4 = p->cmd->head;
	struct ip6t_ip6 *ip6 = p->cmd->head;
	char *name = v4 ? is_in ? ip4->iniface : ip4->outiface : is_in ? ip6->iniface : ip6->outiface;
	unsigned char *mask = v4 ? is_in ? ip4->iniface_mask : ip4->outiface_mask
				 : is_in ? ip6->iniface_mask : ip6->outiface_mask;
	const char *text = parser_last(p)->text;
	const size_t len = strlen(text);
	int err;

	if (!p->arg[0])
		return FAIL(p, p->word, "Empty interface is likely to be undesired");
	err = option_given(p, bit);
	if (err)
		return err;
	if (len + 1 > IFNAMSIZ)
		return FAIL(p, parser_last(p), "interface name `%s' must be shorter than IFNAMSIZ (%i)", text, IFNAMSIZ - 1);
	memcpy(name, text, len + 1);
	if (strpbrk(text, "/ "))
		parser_warn(p, "Warning: weird character in interface `%s' ('/' and ' ' are not allowed by the kernel).", text);
	if (text[len - 1] == '+')
		memset(mask, 0xff, len - 1);	/* the + itself stays in the name */
	else
		memset(mask, 0xff, len + 1);	/* and the end of the name counts */
	return 0;
}

static int counters_option(struct parser *p)
{
	unsigned long long packets, bytes;
	const char *second = strchr(p->arg, ',');
	int err = option_given(p, GIVEN_COUNTERS);

	if (err)
		return err;
	if (second)
		second++;
	else if (parser_has_arg(p))
		second = parser_next(p);
	else
		return FAIL(p, p->word, "-c requires packet and byte counter");
	if (sscanf(p->arg, "%llu", &packets) != 1)
		return FAIL(p, p->word, "-c packet counter not numeric");
	if (sscanf(second, "%llu", &bytes) != 1)
		return FAIL(p, p->word, "-c byte counter not numeric");
	p->cmd->counters = (struct xt_counters){ packets, bytes };
	return 0;
}

/* How long to wait for others is the table source's business; an interval means nothing to it. */
static int wait_option(struct parser *p, char letter)
{
	const char *text = p->arg ? p->arg : parser_has_arg(p) ? parser_next(p) : NULL;
	int seconds;

	if (p->env->restoring)
		return FAIL(p, p->word, "You cannot use `-%c' from iptables-restore", letter);
	if (letter == 'W') {
		p->wait_interval = true;
		if (!text)
			return FAIL(p, p->word, "wait interval value required");
	} else {
		p->waits = true;
	}
	if (text && sscanf(text, "%i", &seconds) != 1)
		return FAIL(p, p->word, letter == 'w' ? "wait seconds not numeric" : "wait interval not numeric");
	if (letter == 'w')
		p->cmd->wait_sec = text ? seconds : -1;
	else
		parser_warn(p, "Ignoring deprecated --wait-interval option.");
	return 0;
}

enum { SKIP_LINE = 1 };

static int family_option(struct parser *p, char letter)
{
	if ((letter == '4') == (p->env->family == NFPROTO_IPV4))
		return 0;
	if (p->env->restoring)
		return SKIP_LINE;
	return FAIL(p, p->word, "-%c is for the other family: use %s", letter, letter == '4' ? "iptables" : "ip6tables");
}

static int base_option(struct parser *p, char letter)
{
	int err;

	if (strchr("ACDRILSFZNXEP", letter))
		return command_option(p, letter);
	switch (letter) {
	case 'p':
		return protocol_option(p);
	case 's':
		p->sources = parser_last(p)->text;
		p->sources_word = parser_last(p);
		return option_given(p, GIVEN_SOURCE);
	case 'd':
		p->destinations = parser_last(p)->text;
		p->destinations_word = parser_last(p);
		return option_given(p, GIVEN_DESTINATION);
	case 'g':
		err = option_given(p, GIVEN_JUMP);
		p->cmd->is_goto = true;
		return err ? err : parser_target_name(p);
	case 'j':
		err = option_given(p, GIVEN_JUMP);
		return err ? err : parser_target(p);
	case 'i':
		return iface_option(p, GIVEN_IN);
	case 'o':
		return iface_option(p, GIVEN_OUT);
	case 'f':
		if (p->env->family == NFPROTO_IPV6)
			return FAIL(p, p->word, "`-f' is not supported in IPv6, use -m frag instead");
		*head_flags(p) |= IPT_F_FRAG;
		return option_given(p, GIVEN_FRAGMENT);
	case 'v':
		return p->cmd->verbose++ ? 0 : option_given(p, GIVEN_VERBOSE);
	case 'm':
		return parser_match(p);
	case 'n':
		return option_given(p, GIVEN_NUMERIC);
	case 't':
		if (p->invert)
			return FAIL(p, p->word, "unexpected ! flag before --table");
		if (p->env->restoring)
			return FAIL(p, p->word, "The -t option cannot be used in iptables-restore");
		p->cmd->table = p->arg;
		return 0;
	case 'x':
		return option_given(p, GIVEN_EXACT);
	case 'J':
		if (p->env->restoring)
			return FAIL(p, p->word, "You cannot use `-J' from iptables-restore");
		return option_given(p, GIVEN_JSON);
	case '0':
		return option_given(p, GIVEN_LINE_NUMBERS);
	case 'c':
		return counters_option(p);
	case 'w':
	case 'W':
		return wait_option(p, letter);
	case '4':
	case '6':
		return family_option(p, letter);
	case 'V':
		p->cmd->kind = CMD_VERSION;
		return SKIP_LINE;
	case 'h':
		p->cmd->kind = CMD_HELP;
		return SKIP_LINE;
	}
	return 0;	/* -M: there are no modules to load */
}

static int long_option(struct parser *p)
{
	char name[64];
	const char *text = p->word->text + 2, *equals = strchr(text, '=');
	const size_t len = equals ? (size_t)(equals - text) : strlen(text);
	struct option_found found;
	unsigned int words;
	int err;

	p->name = p->word->text;
	if (len >= sizeof(name))
		return parser_unknown_option(p);
	memcpy(name, text, len);
	name[len] = '\0';
	while (!parser_find_option(p, name, &found)) {
		bool loaded;

		err = parser_load_proto_match(p, &loaded);
		if (err)
			return err;
		if (!loaded)
			return parser_unknown_option(p);
	}
	if (found.base)
		words = found.base->arg == ARG_REQUIRED;
	else
		words = opt_words(found.opt);
	p->arg = equals ? equals + 1 : NULL;
	if (equals && !words && !(found.base && found.base->arg == ARG_OPTIONAL))
		return parser_unknown_option(p);
	if (words && !equals) {
		if (p->at >= p->words->count)
			return FAIL(p, p->word, "option \"%s\" requires an argument", p->word->text);
		p->arg = parser_next(p);
	}
	return found.base ? base_option(p, found.base->letter) : parser_ext_option(p, found.use, found.opt);
}

static int short_option(struct parser *p)
{
	const char letter = *p->letters++;
	const struct base_option *base = NULL;
	char name[3] = { '-', letter, '\0' };
	int err;

	for (unsigned int i = 0; base_options[i].name && letter != '0' && !base; i++)
		if (base_options[i].letter == letter)
			base = &base_options[i];
	p->name = name;
	if (!base) {
		bool loaded;

		/* upstream loads the protocol's match for an unknown letter, too; it has none */
		err = parser_load_proto_match(p, &loaded);
		return err ? err : FAIL(p, p->word, "unknown option \"%s\"", name);
	}
	p->arg = NULL;
	if (base->arg != ARG_NONE) {
		if (*p->letters) {
			p->arg = p->letters;
		} else if (base->arg == ARG_REQUIRED) {
			if (p->at >= p->words->count)
				return FAIL(p, p->word, "option \"%s\" requires an argument", p->word->text);
			p->arg = parser_next(p);
		}
		p->letters = "";
	}
	return base_option(p, letter);
}

static int words_read(struct parser *p)
{
	int err;

	while (*p->letters || p->at < p->words->count) {
		if (!*p->letters) {
			p->word = &p->words->list[p->at++];
			if (!strcmp(p->word->text, "--")) {
				if (p->at < p->words->count)
					return FAIL(p, &p->words->list[p->at], "unknown arguments found on commandline");
				break;
			}
			if (p->word->text[0] != '-' || !p->word->text[1]) {
				if (strcmp(p->word->text, "!"))
					return FAIL(p, p->word, "Bad argument `%s'", p->word->text);
				if (p->invert)
					return FAIL(p, p->word, "multiple consecutive ! not allowed");
				p->invert = true;
				continue;
			}
			if (p->word->text[1] != '-')
				p->letters = p->word->text + 1;
		}
		err = *p->letters ? short_option(p) : long_option(p);
		if (err)
			return err;
		p->invert = false;
	}
	return 0;
}

/* --- after the last word --- */

static int contradictions_check(struct parser *p)
{
	const struct rule_command *cmd = p->cmd;

	for (size_t i = 0; i < ARRAY_SIZE(given_options); i++)
		if (cmd->given & given_options[i].bit && !(given_options[i].commands & cmd->kind))
			return FAIL(p, NULL, "Illegal option `-%c' with this command", given_options[i].letter);
	if (cmd->chain && strlen(cmd->chain) >= XT_EXTENSION_MAXNAMELEN)
		return FAIL(p, cmd->chain_word, "chain name `%s' too long (must be under %u chars)", cmd->chain,
			    XT_EXTENSION_MAXNAMELEN);
	if (!(cmd->kind & CMD_WITH_RULE))
		return 0;
	if (cmd->given & GIVEN_OUT && (!strcmp(cmd->chain, "PREROUTING") || !strcmp(cmd->chain, "INPUT")))
		return FAIL(p, cmd->chain_word, "Can't use -o with %s", cmd->chain);
	if (cmd->given & GIVEN_IN && (!strcmp(cmd->chain, "POSTROUTING") || !strcmp(cmd->chain, "OUTPUT")))
		return FAIL(p, cmd->chain_word, "Can't use -i with %s", cmd->chain);
	return 0;
}

static int command_complete(struct parser *p)
{
	struct rule_command *cmd = p->cmd;
	const char *any = p->env->family == NFPROTO_IPV4 ? "0.0.0.0/0" : "::0/0";
	int err;

	if (!strcmp(cmd->table, "nat") && (!strcmp(cmd->jump, "DROP") || (cmd->policy && !strcmp(cmd->policy, "DROP"))))
		return FAIL(p, cmd->jump_word, "The \"nat\" table is not intended for filtering, "
			    "the use of DROP is therefore inhibited.");
	if (p->wait_interval && !p->waits)
		return FAIL(p, NULL, "--wait-interval only makes sense with --wait");
	err = parser_finish_exts(p);
	if (err)
		return err;
	if (!cmd->kind)
		return FAIL(p, p->word, "no command specified");
	if (p->invert)
		return FAIL(p, p->word, "nothing appropriate following !");
	if (cmd->is_goto)
		*head_flags(p) |= p->env->family == NFPROTO_IPV4 ? IPT_F_GOTO : IP6T_F_GOTO;
	*entry_counters(cmd->head, p->env->family) = cmd->counters;
	if (p->sources || cmd->kind & CMD_WITH_RULE)
		err = parser_addrs(p, p->sources ? p->sources : any, p->sources_word, &cmd->sources);
	if (!err && (p->destinations || cmd->kind & CMD_WITH_RULE))
		err = parser_addrs(p, p->destinations ? p->destinations : any, p->destinations_word, &cmd->destinations);
	if (err)
		return err;
	if ((cmd->sources.count > 1 || cmd->destinations.count > 1) &&
	    *head_invflags(p) & (IPT_INV_SRCIP | IPT_INV_DSTIP))
		return FAIL(p, p->sources_word ? p->sources_word : p->destinations_word,
			    "! not allowed with multiple source or destination IP addresses");
	if (cmd->kind == CMD_REPLACE && (cmd->sources.count != 1 || cmd->destinations.count != 1))
		return FAIL(p, p->sources_word ? p->sources_word : p->destinations_word,
			    "Replacement rule does not specify a unique address");
	return contradictions_check(p);
}

int rule_command_parse(const struct parse_env *env, const struct rule_words *words, struct rule_command *cmd,
		       struct refusal *why)
{
	struct parser p = { .env = env, .words = words, .cmd = cmd, .why = why, .at = 1, .letters = "" };
	int err;

	memset(cmd, 0, offsetof(struct rule_command, data_room));	/* which is zeroed as it is used */
	cmd->table = env->table;
	cmd->jump = "";
	cmd->head = cmd->head_room;
	err = words_read(&p);
	if (err == SKIP_LINE) {
		bool loaded;

		if (!(cmd->kind & (CMD_HELP | CMD_VERSION)))
			cmd->kind = 0;
		/* "-p tcp -h" asks about the protocol's match */
		if (cmd->kind & CMD_HELP)
			parser_load_proto_match(&p, &loaded);
		return 0;
	}
	if (!err)
		err = command_complete(&p);
	if (err)
		rule_command_free(cmd);
	return err;
}

void rule_command_free(struct rule_command *cmd)
{
	for (unsigned int i = 0; i < cmd->use_count; i++) {
		const uint8_t *data = cmd->uses[i].data;

		if (data < cmd->data_room || data >= cmd->data_room + DATA_ROOM)
			free(cmd->uses[i].data);
	}
	if (cmd->uses != cmd->use_room)
		free(cmd->uses);
	addrs_free(&cmd->sources);
	addrs_free(&cmd->destinations);
	cmd->uses = NULL;
	cmd->use_count = 0;
}
