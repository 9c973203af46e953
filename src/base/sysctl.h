/*
 * base/sysctl.h - names to variables: what sysctl.conf, `sysctl K=V` and /proc/sys reach.
 * A module registers its variables once; values are checked against min and max as the kernel does.
 * Names use dots ("net.ipv4.ip_forward"); slashes are accepted on input. Interface names with dots
 * are written with slashes there, as sysctl(8) does.
 */
#ifndef WEIR_BASE_SYSCTL_H
#define WEIR_BASE_SYSCTL_H

#include "base/refuse.h"
#include "base/strbuf.h"

struct sysctls;

enum sysctl_kind {
	SYSCTL_INT,		/* int */
	SYSCTL_UINT,		/* unsigned int */
	SYSCTL_SECONDS,		/* unsigned int, whole seconds */
	SYSCTL_BOOL,		/* bool as 0/1 */
	SYSCTL_U8,		/* uint8_t */
	SYSCTL_TEXT,		/* set/get functions only */
};

struct sysctl {
	const char *name;	/* copied at registration */
	enum sysctl_kind kind;
	void *value;		/* where it lives; owned by the module */
	int64_t min, max;	/* both 0: the kind's own range */
	bool read_only;
	/* Optional: called after a change (or instead of it for SYSCTL_TEXT); may refuse: value is put back. */
	int (*changed)(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why);
	void (*print)(void *priv, const struct sysctl *ctl, struct strbuf *out);	/* SYSCTL_TEXT */
	void *priv;
};

struct sysctls *sysctls_new(void);
void sysctls_watch(struct sysctls *ctls, uint64_t *changes);	/* counts whatever is set */
void sysctls_free(struct sysctls *ctls);
int sysctl_register(struct sysctls *ctls, const struct sysctl *ctl);
void sysctl_unregister_prefix(struct sysctls *ctls, const char *prefix);
/* -ENOENT for an unknown name (refused by name), -EINVAL for a bad value, -EACCES read-only. */
int sysctl_set(struct sysctls *ctls, const char *name, const char *value, struct refusal *why);
int sysctl_get(struct sysctls *ctls, const char *name, struct strbuf *out, struct refusal *why);
/* Every name in order; @visit returns false to stop. */
void sysctl_each(struct sysctls *ctls, bool (*visit)(void *priv, const struct sysctl *ctl), void *priv);

#endif
