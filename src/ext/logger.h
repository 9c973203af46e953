/*
 * ext/logger.h - where a family's log goes that no rule's target names: net.netfilter.nf_log.2 and .10.
 * TRACE, "-m osf --log" and nf_conntrack_log_invalid write there; LOG and NFLOG are what they are.
 */
#ifndef WEIR_LOGGER_H
#define WEIR_LOGGER_H

#include "hook/hook.h"

enum logger {
	LOGGER_LINES,		/* "nf_log_ipv4", "nf_log_ipv6": a line as LOG writes it; how a namespace begins */
	LOGGER_NFNETLINK,	/* "nfnetlink_log": as NFLOG, group 0 */
	LOGGER_NONE,		/* "NONE" */
};

/* What Linux says where the caller has no wish: level notice, all that LOG can add but the MAC addresses. */
enum { LOGGER_LEVEL = 5, LOGGER_FLAGS = 0x0f };

/* The two settings. 0 or -ENOMEM. */
int logger_settings(struct instance *inst);
/* @level 0-7 and @log_flags NF_LOG_* count for lines only. A prefix longer than the kernel's 127 bytes is cut. */
void logger_say(struct instance *inst, const struct pkt *pkt, const struct hook_state *state, int level, uint8_t log_flags,
		const char *prefix);

#endif
