/* weir/table.h - rules, in iptables' own words. */
#ifndef WEIR_PUBLIC_TABLE_H
#define WEIR_PUBLIC_TABLE_H

#include <weir/instance.h>

#ifdef __cplusplus
extern "C" {
#endif

/** enum weir_restore - Bits for weir_rules_restore(): iptables-restore's -n, -c, -t, and all tables or none */
enum weir_restore {
	WEIR_RESTORE_NOFLUSH = 1,
	WEIR_RESTORE_COUNTERS = 2,
	WEIR_RESTORE_TEST = 4,
	WEIR_RESTORE_ALL_OR_NOTHING = 8,
};

/**
 * weir_rules_restore() - What iptables-save printed becomes the rules
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @text:   borrowed, NUL-terminated
 *
 * Without WEIR_RESTORE_ALL_OR_NOTHING tables are replaced one by one at each COMMIT, as iptables-restore does.
 * Context: control; with workers best outside of alone: weir/worker.h. Return: 0, or a negative errno with the place in @error.
 */
WEIR_API int weir_rules_restore(struct weir *weir, int family, const char *text, unsigned int flags,
				struct weir_error *error);

/** weir_rules_save() - iptables-save text. Return: given: free(); NULL: no memory. Context: control. */
WEIR_API char *weir_rules_save(struct weir *weir, int family, bool counters);

/**
 * weir_iptables() - One command line
 * @argv: argv[0] is "iptables" or "ip6tables"; borrowed
 * @out:  what it prints, given: free(); may be NULL when nobody reads it
 * Context: control. Return: 0, or iptables' exit code with @error.
 */
WEIR_API int weir_iptables(struct weir *weir, int argc, char **argv, char **out, struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
