/* weir/conntrack.h - the connection table. */
#ifndef WEIR_PUBLIC_CONNTRACK_H
#define WEIR_PUBLIC_CONNTRACK_H

#include <weir/instance.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * weir_ct_enable() - Track connections of a family from now on, whether a rule needs it or not
 * Context: control. Return: 0, -EINVAL, -ENOMEM.
 */
WEIR_API int weir_ct_enable(struct weir *weir, int family);
/** weir_ct_count() - Connections in the table. */
WEIR_API uint32_t weir_ct_count(const struct weir *weir);

/**
 * weir_ct_each() - Visit the connections, the oldest first
 * @visit: returns false to stop; may end the connection it visits, no other
 * Context: control or worker.
 */
WEIR_API void weir_ct_each(struct weir *weir, bool (*visit)(void *priv, struct weir_ct *ct), void *priv);

/** weir_ct_text() - A line as `conntrack -L -o extended`. Return: given: free(); NULL: no memory. */
WEIR_API char *weir_ct_text(const struct weir *weir, const struct weir_ct *ct);
/** weir_ct_status() - Bits IPS_* of <linux/netfilter/nf_conntrack_common.h>. */
WEIR_API uint32_t weir_ct_status(const struct weir_ct *ct);
WEIR_API uint32_t weir_ct_mark(const struct weir_ct *ct);
WEIR_API void weir_ct_set_mark(struct weir_ct *ct, uint32_t mark);
/** weir_ct_timeout() - Seconds that it has left. */
WEIR_API uint32_t weir_ct_timeout(const struct weir *weir, const struct weir_ct *ct);
/**
 * weir_ct_set_timeout() - Give a connection a new lifetime
 * @seconds: counted from now, 1 to INT32_MAX
 * Context: control or worker. Return: 0; -ERANGE, or -ESTALE when it is being removed: nothing changed.
 */
WEIR_API int weir_ct_set_timeout(struct weir *weir, struct weir_ct *ct, uint32_t seconds);
/** weir_ct_end() - Remove it now. Return: 0; -ESTALE when that was done already. */
WEIR_API int weir_ct_end(struct weir *weir, struct weir_ct *ct);

#ifdef __cplusplus
}
#endif

#endif
