/*
 * conntrack/timeout.h - named timeout policies: "nfct add timeout NAME ..." and "-j CT --timeout NAME".
 * A connection that a rule gave a policy asks it in place of the sysctls. What a policy says of no state stays as the
 * sysctl was when the policy was made.
 */
#ifndef WEIR_CT_TIMEOUT_H
#define WEIR_CT_TIMEOUT_H

#include "base/list.h"
#include "conntrack/conntrack.h"

enum { CT_POLICY_NAME_MAX = 32, CT_POLICY_STATES_MAX = 16 };

struct ct_timeout_policy {
	struct list node;
	char name[CT_POLICY_NAME_MAX];
	const struct ct_proto *proto;	/* of unknown protocols: the generic one */
	uint8_t family;
	bool is_gone;			/* deleted while connections have it: they ask the sysctls again */
	uint32_t shares;		/* the list, each rule and each connection hold one */
	uint32_t rules;
	uint32_t jiffies[CT_POLICY_STATES_MAX];	/* by index into proto->timeouts */
};

/* One state's timeout as it was asked for. */
struct ct_policy_value { unsigned int which; uint32_t seconds; };

/* 0; -EBUSY when the name is taken, -EOPNOTSUPP without a tracker of that number, -ENOMEM. */
int ct_policy_add(struct instance *inst, const char *name, uint8_t family, uint8_t proto,
		  const struct ct_policy_value *values, size_t count);
/* Its values are these from now on, the others the sysctls'. */
void ct_policy_change(struct instance *inst, struct ct_timeout_policy *policy, const struct ct_policy_value *values, size_t count);
struct ct_timeout_policy *ct_policy_find(const struct instance *inst, const char *name);
/* -ENOENT; -EBUSY while a rule has it. */
int ct_policy_delete(struct instance *inst, const char *name);
/* All that no rule has. */
void ct_policy_flush(struct instance *inst);
/* In the order they were made. */
void ct_policy_each(const struct instance *inst, void (*visit)(void *priv, const struct ct_timeout_policy *policy), void *priv);

/* A rule's share; its template passes it on to connections. */
int ct_policy_attach(struct instance *inst, struct ct *template, struct ct_timeout_policy *policy);
void ct_policy_detach(struct instance *inst, struct ct *template);
/* A new connection takes over what its template says; false: no memory. */
bool ct_policy_assign(struct ct *ct, const struct ct *template);
void ct_policy_put(struct ct_timeout_policy *policy);	/* NULL is fine */
void ct_policies_free(struct ct_table *table);

/* Its default for all instances' rules without a policy: the sysctl, in seconds; -EINVAL out of range. */
unsigned int *ct_timeout_default(struct instance *inst, uint8_t proto, unsigned int which);

#endif
