/* cli/iptables_xml.c - iptables-xml: iptables-save text as the XML of iptables-1.8.9's tool. */
#include "cli/iptables.h"

#include <stdio.h>

int iptables_xml(const struct iptables_role *role, int argc, char **argv)
{
	fputs("iptables-xml: not yet\n", stderr);
	return 1;
}
