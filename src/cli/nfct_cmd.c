/*
 * cli/nfct_cmd.c - nfct 1.4.7's timeout subsystem: add, delete, get, list, flush, default-set, default-get.
 * Command and subsystem may stand in either order. Helpers that are programs are made known by nfct itself.
 */
#include "cli/nfct_cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/words.h"
#include "conntrack/timeout.h"

/* In the order in which they are listed; a NULL is a state that nobody can set. */
static const char *const tcp_states[] = {
	[TCP_CONNTRACK_SYN_SENT] = "SYN_SENT", [TCP_CONNTRACK_SYN_RECV] = "SYN_RECV",
	[TCP_CONNTRACK_ESTABLISHED] = "ESTABLISHED", [TCP_CONNTRACK_FIN_WAIT] = "FIN_WAIT",
	[TCP_CONNTRACK_CLOSE_WAIT] = "CLOSE_WAIT", [TCP_CONNTRACK_LAST_ACK] = "LAST_ACK",
	[TCP_CONNTRACK_TIME_WAIT] = "TIME_WAIT", [TCP_CONNTRACK_CLOSE] = "CLOSE",
	[TCP_CONNTRACK_SYN_SENT2] = "SYN_SENT2", [TCP_CONNTRACK_RETRANS] = "RETRANS",
	[TCP_CONNTRACK_UNACK] = "UNACKNOWLEDGED",
};
static const char *const sctp_states[] = { NULL, "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT",
					   "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT" };
static const char *const dccp_states[] = { NULL, "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING",
					   "TIMEWAIT" };
static const char *const stream_states[] = { "UNREPLIED", "REPLIED" };
static const char *const one_state[] = { "TIMEOUT" };

static const struct l4 { const char *name; uint8_t number; const char *const *states; unsigned int count; } l4s[] = {
	{ "tcp", IPPROTO_TCP, tcp_states, ARRAY_SIZE(tcp_states) },
	{ "udp", IPPROTO_UDP, stream_states, ARRAY_SIZE(stream_states) },
	{ "udplite", IPPROTO_UDPLITE, stream_states, ARRAY_SIZE(stream_states) },
	{ "sctp", IPPROTO_SCTP, sctp_states, ARRAY_SIZE(sctp_states) },
	{ "dccp", IPPROTO_DCCP, dccp_states, ARRAY_SIZE(dccp_states) },
	{ "icmp", IPPROTO_ICMP, one_state, 1 }, { "icmpv6", IPPROTO_ICMPV6, one_state, 1 },
	{ "gre", IPPROTO_GRE, stream_states, ARRAY_SIZE(stream_states) },
	{ "generic", IPPROTO_RAW, one_state, 1 },
};

enum { EXIT_FAILED = 1 };

static int fail(struct strbuf *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int fail(struct strbuf *err, const char *fmt, ...)
{
	va_list ap;

	sb_adds(err, "nfct v1.4.7: ");
	va_start(ap, fmt);
	sb_vprintf(err, fmt, ap);
	va_end(ap);
	sb_addc(err, '\n');
	return EXIT_FAILED;
}

static int answer(int error, struct strbuf *err)
{
	return error ? fail(err, "netlink error: %s", strerror(-error)) : 0;
}

static int find_protocols(char **word, uint8_t *family, const struct l4 **l4, struct strbuf *err)
{
	if (strcmp(word[0], "inet") == 0)
		*family = NFPROTO_IPV4;
	else if (strcmp(word[0], "inet6") == 0)
		*family = NFPROTO_IPV6;
	else
		return fail(err, "unknown layer 3 protocol");
	for (size_t i = 0; i < ARRAY_SIZE(l4s); i++) {
		if (strcmp(l4s[i].name, word[1]) == 0) {
			*l4 = &l4s[i];
			return 0;
		}
	}
	return fail(err, "unknown layer 4 protocol");
}

/* "established 100 close 10" */
static int read_values(const struct l4 *l4, int argc, char **argv, struct ct_policy_value *values, size_t *count,
		       struct strbuf *err)
{
	for (int i = 0; i < argc; i += 2) {
		unsigned int which = 0;

		while (which < l4->count && (!l4->states[which] || strcasecmp(l4->states[which], argv[i]) != 0))
			which++;
		if (which == l4->count)
			return fail(err, "Wrong state name: `%s' for protocol `%s'", argv[i], l4->name);
		if (i + 1 >= argc)
			return fail(err, "missing value for this timeout");
		if (*count == CT_POLICY_STATES_MAX)
			(*count)--;		/* a state said again and again: the last one holds */
		values[(*count)++] = (struct ct_policy_value){ which, (uint32_t)strtoul(argv[i + 1], NULL, 10) };
	}
	return 0;
}

static int add(struct instance *inst, int argc, char **argv, struct strbuf *err)
{
	struct ct_policy_value values[CT_POLICY_STATES_MAX];
	const struct l4 *l4;
	size_t count = 0;
	uint8_t family;
	char name[CT_POLICY_NAME_MAX];
	int code;

	if (argc < 3) {
		fail(err, "missing parameters");
		sb_adds(err, "syntax: nfct add timeout name family protocol state1 timeout1 ...\n");
		return EXIT_FAILED;
	}
	code = find_protocols(argv + 1, &family, &l4, err);
	if (!code)
		code = read_values(l4, argc - 3, argv + 3, values, &count, err);
	if (code)
		return code;
	if (!count)
		return answer(-EINVAL, err);
	snprintf(name, sizeof(name), "%s", argv[0]);
	return answer(ct_policy_add(inst, name, family, l4->number, values, count), err);
}

static void print_states(const struct l4 *l4, uint8_t family, const uint32_t *jiffies, struct strbuf *out)
{
	sb_printf(out, "\t.l3proto = %u,\n\t.l4proto = %u,\n\t.policy = {\n", family, l4->number);
	for (unsigned int i = 0; i < l4->count; i++)
		if (l4->states[i])
			sb_printf(out, "\t\t.%s = %u,\n", l4->states[i], jiffies[i] / WEIR_HZ);
	sb_adds(out, "\t},\n};\n");
}

static void print_policy(void *priv, const struct ct_timeout_policy *policy)
{
	for (size_t i = 0; i < ARRAY_SIZE(l4s); i++) {
		if (l4s[i].number != policy->proto->number)
			continue;
		sb_printf(priv, ".%s = {\n", policy->name);
		print_states(&l4s[i], policy->family, policy->jiffies, priv);
	}
}

static int set_default(struct instance *inst, int argc, char **argv, struct strbuf *err)
{
	struct ct_policy_value values[CT_POLICY_STATES_MAX];
	const struct l4 *l4;
	size_t count = 0;
	uint8_t family;
	int code;

	if (argc < 3) {
		fail(err, "missing parameters");
		sb_adds(err, "syntax: nfct default-set timeout family protocol state1 timeout1...\n");
		return EXIT_FAILED;
	}
	code = find_protocols(argv, &family, &l4, err);
	if (!code)
		code = read_values(l4, argc - 2, argv + 2, values, &count, err);
	if (code)
		return code;
	if (!count)
		return answer(-EINVAL, err);
	for (size_t i = 0; i < count; i++) {
		unsigned int *seconds = ct_timeout_default(inst, l4->number, values[i].which);

		if (!seconds || ct_proto_of(inst, l4->number)->number != l4->number)
			return answer(-EOPNOTSUPP, err);
		*seconds = values[i].seconds * WEIR_HZ / WEIR_HZ;	/* as many as its clock ticks hold */
	}
	return 0;
}

static int get_default(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err)
{
	uint32_t jiffies[CT_POLICY_STATES_MAX] = { 0 };
	const struct l4 *l4;
	uint8_t family;
	int code;

	if (argc < 2) {
		fail(err, "missing parameters");
		sb_adds(err, "syntax: nfct default-get timeout family protocol\n");
		return EXIT_FAILED;
	}
	code = find_protocols(argv, &family, &l4, err);
	if (code)
		return code;
	if (ct_proto_of(inst, l4->number)->number != l4->number)
		return answer(-EOPNOTSUPP, err);
	for (unsigned int i = 0; i < l4->count; i++) {
		const unsigned int *seconds = ct_timeout_default(inst, l4->number, i);

		jiffies[i] = seconds ? *seconds * WEIR_HZ : 0;
	}
	print_states(l4, family, jiffies, out);
	return 0;
}

#define USAGE "Usage: nfct command subsystem [parameters]...\n"

/* The first of @words that begins like @given; NULL: none does. */
static const char *word_of(const char *given, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(words[i], given, strlen(given)) == 0)
			return words[i];
	return NULL;
}

int nfct_command(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err)
{
	static const char *const commands[] = { "list", "add", "delete", "get", "flush", "disable", "default-set", "default-get" };
	static const char *const subsystems[] = { "timeout", "helper", "version", "help" };
	const char *command, *subsystem;
	struct ct_timeout_policy *policy;

	if (argc < 3) {
		sb_adds(err, USAGE);
		return EXIT_FAILED;
	}
	command = word_of(argv[1], commands, ARRAY_SIZE(commands));
	subsystem = word_of(argv[command ? 2 : 1], subsystems, ARRAY_SIZE(subsystems));
	if (!command && subsystem)	/* its old order */
		command = word_of(argv[2], commands, ARRAY_SIZE(commands));
	if (!subsystem || !command) {	/* upstream blames the first word in either case */
		fail(err, "Unknown %s: %s", subsystem ? "command" : "subsystem", argv[1]);
		sb_adds(err, USAGE);
		return EXIT_FAILED;
	}
	if (strcmp(subsystem, "timeout") != 0)
		return fail(err, "weir nfct knows no %s; weir exec -- nfct ... does", strcmp(subsystem, "helper") ? subsystem : "helpers");
	argc -= 3;
	argv += 3;
	if (strcmp(command, "add") == 0)
		return add(inst, argc, argv, err);
	if (strcmp(command, "list") == 0) {
		if (argc)
			return fail(err, "too many arguments");
		ct_policy_each(inst, print_policy, out);
		return 0;
	}
	if (strcmp(command, "flush") == 0) {
		ct_policy_flush(inst);
		return 0;
	}
	if (strcmp(command, "default-set") == 0)
		return set_default(inst, argc, argv, err);
	if (strcmp(command, "default-get") == 0)
		return get_default(inst, argc, argv, out, err);
	if (strcmp(command, "disable") == 0) {
		fail(err, "Missing command");
		sb_adds(err, "nfct <list|add|delete|get|default-set|default-get|flush> timeout [<parameters>, ...]\n");
		return EXIT_FAILED;
	}
	if (!argc)
		return fail(err, "missing timeout policy name");
	if (strcmp(command, "delete") == 0)
		return answer(ct_policy_delete(inst, argv[0]), err);
	policy = ct_policy_find(inst, argv[0]);
	if (!policy)
		return answer(-ENOENT, err);
	print_policy(out, policy);
	return 0;
}

static int conf_line(void *inst, struct words *words, struct refusal *why)
{
	char *argv[64] = { "nfct" };
	struct strbuf out = STRBUF_INIT, err = STRBUF_INIT;
	unsigned int from = strcmp(words->argv[0], "nfct") == 0 ? 1 : 0;
	int code = 0, argc = 1;

	for (unsigned int i = from; i < words->count && argc < (int)ARRAY_SIZE(argv); i++)
		argv[argc++] = words->argv[i];
	if (argc > 1 && nfct_command(inst, argc, argv, &out, &err))
		code = refuse_at(why, words_from(words, from), -EINVAL, "%.*s", (int)strcspn(sb_str(&err), "\n"), sb_str(&err));
	sb_free(&out);
	sb_free(&err);
	return code;
}

static void print_conf(void *priv, const struct ct_timeout_policy *policy)
{
	const struct l4 *l4 = NULL;
	struct strbuf *out = priv;

	for (size_t i = 0; i < ARRAY_SIZE(l4s) && !l4; i++)
		if (l4s[i].number == policy->proto->number)
			l4 = &l4s[i];
	l4 = l4 ? l4 : &l4s[ARRAY_SIZE(l4s) - 1];
	sb_printf(out, "nfct add timeout %s %s %s", policy->name, policy->family == NFPROTO_IPV6 ? "inet6" : "inet", l4->name);
	for (unsigned int i = 0; i < l4->count; i++)
		if (l4->states[i])
			sb_printf(out, " %s %u", l4->states[i], policy->jiffies[i] / WEIR_HZ);
	sb_addc(out, '\n');
}

void nfct_conf_text(const struct instance *inst, struct strbuf *out)
{
	ct_policy_each(inst, print_conf, out);
}

int nfct_conf_load(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why)
{
	return lines_visit(text, len, file, conf_line, inst, why);
}
