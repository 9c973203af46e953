/* cli/main/main.c - `weir COMMAND`: finds the command, or says what to type. */
#include <stdio.h>
#include <string.h>

#include "cli/iptables.h"

static const char usage[] =
"weir: what a Linux firewall does to traffic, without a kernel and without root.\n"
"\n"
"  weir run fw -i eth0=in.pcap --out result      packets through the rules: verdicts, drops by line, what left\n"
"  weir check fw/rules.v4                        everything that is wrong with a rule file, at once\n"
"  weir daemon fw -d; weir exec -- iptables -S   an instance that stays, and unmodified tools on it\n"
"\n"
"fw is a directory; all parts are optional. On the firewall itself:\n"
"  mkdir fw; iptables-save > fw/rules.v4; ip6tables-save > fw/rules.v6\n"
"  fw/net.ip holds lines of `ip -batch`: link, addr, route, rule, neigh\n"
"  fw/sysctl.conf holds settings, as sysctl.conf(5)\n"
"\n"
"Options: weir run --help   manual: man weir-run   more: weir iptables, ip6tables, conntrack, nfct, nfacct, nfnl_osf, apply\n";

static const struct { const char *name; int (*run)(int argc, char **argv); } commands[] = {
	{ "run", cmd_run }, { "check", cmd_check },
	{ "iptables", iptables_main }, { "ip6tables", iptables_main },
	{ "iptables-save", iptables_main }, { "ip6tables-save", iptables_main },
	{ "iptables-restore", iptables_main }, { "ip6tables-restore", iptables_main },
	{ "iptables-xml", iptables_main },
	{ "daemon", cmd_daemon },
	{ "exec", cmd_exec },
	{ "snapshot", cmd_snapshot }, { "top", cmd_top },
	{ "apply", cmd_apply }, { "confirm", cmd_apply }, { "reload", cmd_apply },
	{ "conntrack", cmd_remote }, { "nfct", cmd_remote },
	{ "nfacct", cmd_remote }, { "nfnl_osf", cmd_nfnl_osf },
};

int main(int argc, char **argv)
{
	const char *known[ARRAY_SIZE(commands) + 1] = { NULL }, *meant;
	struct iptables_role role;

	if (argc > 0 && iptables_name(argv[0], &role))
		return iptables_main(argc, argv);	/* through a symlink of that name */
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		fputs(usage, stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("weir " WEIR_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		known[i] = commands[i].name;
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	meant = did_you_mean(argv[1], known);
	fprintf(stderr, "weir: unknown command \"%s\"", argv[1]);
	if (meant)
		fprintf(stderr, ", did you mean \"weir %s\"?\n", meant);
	else
		fputs("\n      weir alone lists what there is\n", stderr);
	return EXIT_USAGE;
}
