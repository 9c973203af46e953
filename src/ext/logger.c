/* ext/logger.c - net.netfilter.nf_log.*: one logger a family. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/sysctl.h"
#include "base/uapi.h"

#include "ext/ext.h"
#include "ext/logger.h"

enum { PREFIX_ROOM = 128 };	/* group 0, without delay */

static uint8_t *logger_of(struct instance *inst, uint8_t family)
{
	return &inst->loggers[family == NFPROTO_IPV6];
}

/* "net.netfilter.nf_log.10": the last number is the family. */
static uint8_t family_of(const struct sysctl *ctl)
{
	return (uint8_t)atoi(strrchr(ctl->name, '.') + 1);
}

static const char *name_of(enum logger logger, uint8_t family)
{
	static const char *const names[] = { "nf_log_ipv4", "nfnetlink_log", "NONE" };

	return logger == LOGGER_LINES && family == NFPROTO_IPV6 ? "nf_log_ipv6" : names[logger];
}

/* As the kernel compares: "NONE" to the letter, a logger by its beginning, in any case. */
static int changed(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	uint8_t family = family_of(ctl);

	for (enum logger logger = LOGGER_LINES; logger <= LOGGER_NONE; logger++) {
		const char *name = name_of(logger, family);

		if (logger == LOGGER_NONE ? strcmp(text, name) : strncasecmp(text, name, strlen(name)))
			continue;
		*logger_of(priv, family) = (uint8_t)logger;
		return 0;
	}
	return refuse(why, -ENOENT, "%s: no logger is called \"%s\"; there are %s, nfnetlink_log and NONE", ctl->name, text,
		      name_of(LOGGER_LINES, family));
}

static void print(void *priv, const struct sysctl *ctl, struct strbuf *out)
{
	uint8_t family = family_of(ctl);

	sb_adds(out, name_of(*logger_of(priv, family), family));
}

int logger_settings(struct instance *inst)
{
	static const char *const names[] = { "net.netfilter.nf_log.2", "net.netfilter.nf_log.10" };
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !err; i++) {
		const struct sysctl ctl = { .name = names[i], .kind = SYSCTL_TEXT, .changed = changed, .print = print,
					    .priv = inst };

		err = sysctl_register(inst->sysctls, &ctl);
	}
	return err;
}

void logger_say(struct instance *inst, const struct pkt *pkt, const struct hook_state *state, int level, uint8_t log_flags,
		const char *prefix)
{
	const struct observer *observer = &inst->observer;
	char cut[PREFIX_ROOM];

	snprintf(cut, sizeof(cut), "%s", prefix);
	switch (*logger_of(inst, state->family)) {
	case LOGGER_LINES:
		log_packet(inst, pkt, state, level, log_flags, cut);
		break;
	case LOGGER_NFNETLINK:
		if (observer->nflog) {
			struct nflog log = { .prefix = cut, .state = state, .copy_len = pkt->len, .threshold = 1 };
			struct pkt *said = (struct pkt *)pkt;	/* its checksum is put off for the look, and back */
			be16 sum = pkt_sum_put_off(said);

			observer->nflog(observer->priv, pkt, &log);
			pkt_sum_put_back(said, sum);
		}
		break;
	case LOGGER_NONE:
		break;
	}
}
