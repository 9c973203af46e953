/* cli/iptables.h - iptables and its relatives as commands: what a program's name asks for. */
#ifndef WEIR_CLI_IPTABLES_H
#define WEIR_CLI_IPTABLES_H

#include "cli/cli.h"

struct iptables_role {
	uint8_t family;
	const char *program;	/* "iptables" or "ip6tables", as messages name it */
	const char *instance;	/* NULL: by network namespace and user */
	bool looks_up;		/* names of hosts and networks are asked for */
	int (*run)(const struct iptables_role *role, int argc, char **argv);
};

/* "iptables", "ip6tables-legacy-save", a path to one; false: another program's name. */
bool iptables_name(const char *name, struct iptables_role *role);
/* argv[0] is such a name. Returns upstream's exit codes. */
int iptables_main(int argc, char **argv);

int iptables_command(const struct iptables_role *role, int argc, char **argv);
int iptables_save(const struct iptables_role *role, int argc, char **argv);
int iptables_restore(const struct iptables_role *role, int argc, char **argv);
int iptables_xml(const struct iptables_role *role, int argc, char **argv);

#endif
