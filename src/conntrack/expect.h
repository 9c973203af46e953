/*
 * conntrack/expect.h - connections announced by other ones.
 * An expectation belongs to its master: it is unlinked at the latest when the master ends, and shares nothing.
 * What arrives first and fits takes it away, unless it is permanent.
 */
#ifndef WEIR_EXPECT_H
#define WEIR_EXPECT_H

#include "conntrack/conntrack.h"

struct ct_helper;
struct ct_expect;

enum { CT_EXPECT_CLASSES = 4, CT_EXPECT_BUCKETS = 1024, CT_EXPECT_MAX_DEFAULT = 4 * CT_EXPECT_BUCKETS };

/* What happens to the connection that arrives, before any rule sees it. */
typedef void (*ct_arrival_fn)(struct instance *inst, struct ct *ct, const struct ct_expect *exp);

struct ct_expect {
	struct list by_dst;		/* newest first */
	struct list by_master;		/* newest first */
	struct list by_age;
	struct ct_tuple tuple;
	union nf_inet_addr mask_src;
	be16 mask_src_port;
	struct ct *master;		/* borrowed: outlives it */
	const struct ct_helper *helper;	/* who announced it; NULL = control */
	const struct ct_helper *assign_helper;	/* what the connection is to be helped by; NULL = nobody */
	ct_arrival_fn arrived;		/* NULL = nothing */
	union nf_inet_addr saved_addr;	/* NAT: what the master's side has said; of most helpers only the port */
	be16 saved_port;
	uint8_t dir;			/* NAT: of the connection, as the master sees it */
	uint8_t class;
	bool once_for_all;		/* wanted: an equal one of another master serves as well (-EALREADY) */
	uint32_t flags;			/* NF_CT_EXPECT_* */
	struct instance *inst;
	struct timer timer;
};

/* The table of an instance; its buckets are made when the first expectation comes. */
struct ct_expects {
	struct list *by_dst;
	struct list by_age;
	unsigned int count, max;
};

void ct_expects_init(struct ct_expects *expects);
void ct_expects_free(struct instance *inst, struct ct_expects *expects);

/* An expectation of @master for @proto from @src (NULL: from anywhere) and any port to @dst, @dst_port. */
void ct_expect_init(struct ct_expect *exp, struct ct *master, unsigned int class, const union nf_inet_addr *src,
		    const union nf_inet_addr *dst, uint8_t proto, be16 dst_port);
/*
 * Takes in a copy of @wanted, in place of an equal one of the same master; made room for by the master's oldest
 * when its class is full. Return: 0, with the copy in *made unless that is NULL; -EBUSY: clashes with another,
 * -EALREADY: another class, or as @wanted->once_for_all says another master, announced it, -EMFILE: the table is full, -ENOMEM.
 */
int ct_expect_add(struct instance *inst, const struct ct_expect *wanted, struct ct_expect **made);
/* The newest one that a packet of @tuple would fit, be it inactive; NULL: nobody waits for it. */
struct ct_expect *ct_expect_find(const struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple);
uint32_t ct_expect_count(const struct instance *inst);
/* Ends all of them, each with its event. */
void ct_expect_flush(struct instance *inst);
/* It ends so many ticks from now. */
void ct_expect_set_timeout(struct instance *inst, struct ct_expect *exp, uint32_t ticks);
/* Ends it, with an event. */
void ct_expect_remove(struct instance *inst, struct ct_expect *exp);
void ct_expect_remove_all(struct instance *inst, struct ct *master);
/* A new connection: was it announced? Then it becomes the master's child, with all that follows; false: it was not. */
bool ct_expect_arrive(struct instance *inst, struct ct *ct);
/* From now on it lasts this long. */
void ct_expect_extend(struct instance *inst, struct ct_expect *exp, uint32_t seconds);
/* Nobody must be added or removed on the way. Oldest first. */
void ct_expect_each(struct instance *inst, void (*visit)(void *priv, const struct ct_expect *exp), void *priv);
uint32_t ct_expect_left_sec(const struct instance *inst, const struct ct_expect *exp);

/* As conntrack -L expect prints it. */
void ct_expect_print(const struct instance *inst, const struct ct_expect *exp, struct strbuf *out);
/* As conntrack -E expect prints it. */
void ct_expect_event_print(const struct instance *inst, const struct ct_expect *exp, bool ended, struct strbuf *out);

#endif
