/*
 * table/help.c - iptables -h: the commands and options, then those of every extension that the command line names,
 * from the rows that parse them.
 */
#include "table/rule_text.h"

#include <stdio.h>

static const struct {
	const char *words, *text;
} commands[] = {
	{ "-A, --append CHAIN RULE", "add a rule at the end" },
	{ "-C, --check CHAIN RULE", "is there such a rule? exit code 0 or 1" },
	{ "-D, --delete CHAIN RULE", "take out the first such rule" },
	{ "-D, --delete CHAIN N", "take out rule N, counted from 1" },
	{ "-I, --insert CHAIN [N] RULE", "put a rule before rule N, or before all" },
	{ "-R, --replace CHAIN N RULE", "put a rule in the place of rule N" },
	{ "-L, --list [CHAIN [N]]", "show rules as a table" },
	{ "-S, --list-rules [CHAIN [N]]", "show rules as the commands that make them" },
	{ "-F, --flush [CHAIN]", "take out all rules" },
	{ "-Z, --zero [CHAIN [N]]", "count from zero again" },
	{ "-N, --new-chain CHAIN", "make a chain" },
	{ "-X, --delete-chain [CHAIN]", "take away a chain of one's own, or all" },
	{ "-E, --rename-chain OLD NEW", "give a chain another name" },
	{ "-P, --policy CHAIN TARGET", "what becomes of a packet that no rule decides: ACCEPT or DROP" },
}, options[] = {
	{ "-4, -6, --ipv4, --ipv6", "in a file: a line for one family only" },
	{ "[!] -p, --protocol PROTO", "by number or name: tcp, udp, icmp, all, ..." },
	{ "[!] -s, --source ADDR[/MASK][,...]", "where the packet comes from" },
	{ "[!] -d, --destination ADDR[/MASK][,...]", "where it goes" },
	{ "[!] -i, --in-interface NAME[+]", "the interface it came in by; + is any ending" },
	{ "[!] -o, --out-interface NAME[+]", "the interface it leaves by" },
	{ "[!] -f, --fragment", "second and later fragments (IPv4)" },
	{ "-m, --match NAME", "an extension's match, with its options; -m NAME -h explains them" },
	{ "-j, --jump TARGET", "a verdict, a chain, or an extension's target" },
	{ "-g, --goto CHAIN", "a chain that does not come back here" },
	{ "-c, --set-counters PACKETS BYTES", "start counting there" },
	{ "-t, --table NAME", "filter unless said otherwise; raw, mangle, nat, security" },
	{ "-n, --numeric", "addresses and ports as numbers" },
	{ "-v, --verbose", "counters and interfaces in lists" },
	{ "-x, --exact", "counters to the last digit" },
	{ "--line-numbers", "rules with their numbers" },
	{ "-J, --json", "-L and -S as JSON" },
	{ "-w, --wait [SECONDS]", "wait for other commands" },
	{ "-W, --wait-interval MICROSECONDS", "taken, and without effect, as in iptables 1.8.9" },
	{ "-M, --modprobe COMMAND", "taken, and without effect: there are no modules" },
	{ "--resolve", "before all other words: host names in -s, -d and other options are looked up" },
	{ "-V, --version", "the version of iptables that is stood in for" },
	{ "-h, --help", "this" },
};

static void print_rows(const struct ext_text *text, uint8_t family, struct strbuf *out)
{
	if (text->help_head)
		sb_printf(out, "\n%s\n", text->help_head);
	for (const struct opt *opt = text->options; opt && opt->name; opt++) {
		char words[128];

		if (opt->same_as) {
			sb_printf(out, "    --%s\n", opt->name);
			continue;
		}
		snprintf(words, sizeof(words), "%s--%s%s%s", opt->flags & OPT_INVERTIBLE ? "[!] " : "", opt->name,
			 opt_words(opt) ? " " : "", opt_words(opt) ? opt->arg ? opt->arg : "value" : "");
		sb_printf(out, "%-38s %s%s\n", words, opt->help ? opt->help : "", opt->flags & OPT_REQUIRED ? " (required)" : "");
	}
	if (text->help_tail)
		text->help_tail(family, out);
}

void rule_help(const char *program, const struct parse_env *env, const struct rule_command *cmd, struct strbuf *out)
{
	sb_printf(out,
		  "%s v1.8.9 (legacy)\n\n"
		  "Usage: %s -[ACD] chain rule-specification [options]\n"
		  "       %s -I chain [rulenum] rule-specification [options]\n"
		  "       %s -R chain rulenum rule-specification [options]\n"
		  "       %s -D chain rulenum [options]\n"
		  "       %s -[LS] [chain [rulenum]] [options]\n"
		  "       %s -[FZ] [chain] [options]\n"
		  "       %s -[NX] chain\n"
		  "       %s -E old-chain-name new-chain-name\n"
		  "       %s -P chain target [options]\n"
		  "       %s -h (print this help information)\n\nCommands:\n",
		  program, program, program, program, program, program, program, program, program, program, program);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		sb_printf(out, "  %-40s %s\n", commands[i].words, commands[i].text);
	sb_adds(out, "\nOptions:\n");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		sb_printf(out, "  %-40s %s\n", options[i].words, options[i].text);
	for (unsigned int i = 0; i < cmd->use_count; i++) {
		const struct ext_use *use = &cmd->uses[i];
		const struct ext_text *text = use->match ? use->match->text : use->target->text;

		if (text)
			print_rows(text, env->family, out);
	}
}
