/*
 * weir/expect.h - expectations: connections that another one, their master, has announced.
 * One that arrives as announced is RELATED. An expectation ends with its master, with its time, or when it has been met.
 */
#ifndef WEIR_PUBLIC_EXPECT_H
#define WEIR_PUBLIC_EXPECT_H

#include <weir/conntrack.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct weir_expect_info - What is awaited
 * @tuple:     its first packet; of @src and @src_port only what the masks say counts
 * @flags:     NF_CT_EXPECT_PERMANENT (0x1: stays when it was met), NF_CT_EXPECT_INACTIVE (0x2: meets nothing)
 * @timeout:   seconds left; of a new one, its master's helper decides
 */
struct weir_expect_info {
	struct weir_tuple tuple;
	uint8_t src_mask[16];
	uint16_t src_port_mask;
	uint32_t flags, timeout;
	uint8_t class_number;		/* of the helper's kinds of expectations */
};

WEIR_API uint32_t weir_expect_count(const struct weir *weir);
/** weir_expect_each() - Visit them, the oldest first; nothing may be made or ended on the way. Context: control. */
WEIR_API void weir_expect_each(struct weir *weir, void (*visit)(void *priv, const struct weir_expect *exp), void *priv);
/** weir_expect_find() - What a packet of this tuple would meet. Return: borrowed until time moves; NULL. */
WEIR_API struct weir_expect *weir_expect_find(struct weir *weir, uint16_t zone, const struct weir_tuple *tuple);
WEIR_API void weir_expect_info(const struct weir *weir, const struct weir_expect *exp, struct weir_expect_info *out);
/** weir_expect_master() - Who announced it. Return: borrowed as long as @exp. */
WEIR_API struct weir_ct *weir_expect_master(const struct weir_expect *exp);
/** weir_expect_text() - A line as `conntrack -L expect`. Return: given: free(); NULL: no memory. */
WEIR_API char *weir_expect_text(const struct weir *weir, const struct weir_expect *exp);
/**
 * weir_expect_create() - Announce a connection of @master by hand
 * Context: control. Return: 0; -EOPNOTSUPP @master has no helper, -EEXIST, -EBUSY it clashes with another,
 * -EINVAL no such class, -EMFILE too many, -ENOMEM.
 */
WEIR_API int weir_expect_create(struct weir *weir, struct weir_ct *master, const struct weir_expect_info *info,
				struct weir_error *error);
/** weir_expect_end() - Await it no more. Context: control. */
WEIR_API void weir_expect_end(struct weir *weir, struct weir_expect *exp);

#ifdef __cplusplus
}
#endif

#endif
