/*
 * conntrack/user_helper.h - helpers that are programs: "nfct helper add NAME ...". A packet of a helped connection goes to
 * an NFQUEUE where a helper in weir would read it; the program's verdict brings it back, and it is confirmed then. What
 * it announces it says by ctnetlink.
 */
#ifndef WEIR_USER_HELPER_H
#define WEIR_USER_HELPER_H

#include "base/list.h"
#include "conntrack/helper.h"

enum { CT_HELPER_NAME_MAX = 16 };

struct ct_user_helper {
	struct ct_helper helper;	/* first: connections know this */
	struct list node;
	char name[CT_HELPER_NAME_MAX], class_names[CT_EXPECT_CLASSES][CT_HELPER_NAME_MAX];
	struct ct_expect_policy more[CT_EXPECT_CLASSES - 1];
	uint16_t family;		/* NFPROTO_UNSPEC: any */
	unsigned int classes;		/* 1 and up */
	uint32_t queue;
	uint32_t rules;			/* that name it */
	uint8_t data_len;		/* of what the program keeps at a connection */
	bool is_enabled;		/* else packets pass it by */
	bool is_gone;			/* deleted; kept, since a packet that waits somewhere may know it */
};

/* A new one, with name, protocols, @classes and what ct_user_helper_policy() holds to be filled in; NULL: no memory. */
struct ct_user_helper *ct_user_helper_add(struct instance *inst, const char *name, uint16_t family, uint8_t proto, unsigned int classes);
struct ct_expect_policy *ct_user_helper_policy(struct ct_user_helper *helper, unsigned int class);
/* -EBUSY while a rule names it. Connections that it helped go on without. */
int ct_user_helper_delete(struct instance *inst, struct ct_user_helper *helper);
/* In the order they were made, until @visit is false. */
void ct_user_helper_each(struct instance *inst, bool (*visit)(void *priv, struct ct_user_helper *helper), void *priv);
void ct_user_helpers_free(struct ct_table *table);

/* NULL: one of weir's own. */
struct ct_user_helper *ct_user_helper_of(const struct ct_helper *helper);
/* What the program behind its helper keeps at @ct is this, zeros behind it; no such helper, or NULL: nothing happens. */
void ct_user_help_data(struct ct *ct, const void *data, size_t len);
/* A program's answer brought the packet back: what was left to do behind its helper. False: it is dropped. */
bool ct_user_help_done(struct instance *inst, struct pkt *pkt);

#endif
