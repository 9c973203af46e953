/*
 * hook/hook.h - who is asked at which point of a packet's way, in which order.
 * Modules register themselves; the path asks. Priorities are the kernel's NF_IP_PRI_* numbers;
 * equal priorities: a later registration is asked first, as in the kernel.
 */
#ifndef WEIR_HOOK_H
#define WEIR_HOOK_H

#include <limits.h>

#include "packet/packet.h"

#ifndef NF_IP_PRI_RAW_BEFORE_DEFRAG
#define NF_IP_PRI_RAW_BEFORE_DEFRAG (-450)
#endif

struct hook_state {
	struct instance *inst;
	uint8_t family;			/* NFPROTO_IPV4, NFPROTO_IPV6 */
	uint8_t hooknum;		/* NF_INET_* */
	struct iface *in, *out;		/* NULL where the hook has none */
};

/*
 * Returns NF_DROP, NF_ACCEPT, NF_STOLEN (the hook freed the packet, or keeps it with pkt->hook NULL), NF_QUEUE_NR(n) with
 * NF_VERDICT_FLAG_QUEUE_BYPASS, NF_REPEAT, NF_STOP. A dropping hook notes why: pkt->drop_reason.
 */
typedef unsigned int (*hook_fn)(void *priv, struct pkt *pkt, const struct hook_state *state);
/* Optional: touch memory that the hook will need for a whole burst (prefetch only, no effect). */
typedef void (*hook_prefetch_fn)(void *priv, struct pkt **burst, unsigned int count,
				 const struct hook_state *state);

struct hook_ops {
	uint8_t family;			/* NFPROTO_IPV4, NFPROTO_IPV6 or NFPROTO_INET for both */
	uint8_t hooknum;
	int priority;
	hook_fn fn;
	const char *name;		/* for traces: "conntrack", "filter" */
	void *priv;
	hook_prefetch_fn prefetch;
	bool is_open;			/* notes in inst->record all that its answers rest on beside packet and connection */
};

struct hooks;				/* per instance: (family, hooknum) -> ordered entries */

struct hooks *hooks_new(void);
void hooks_free(struct hooks *hooks);
void hooks_watch(struct hooks *hooks, uint64_t *changes);	/* counts whoever comes or goes */
/* @ops is copied. 0; -EINVAL for an unknown family or hook; -ENOMEM; -E2BIG above 1024 at one hook. */
int hook_register(struct hooks *hooks, const struct hook_ops *ops);
int hook_register_all(struct hooks *hooks, const struct hook_ops *ops, size_t count, void *priv);
/* Removes the entry registered with the same family, hooknum, fn and priv; -ENOENT when none. */
int hook_unregister(struct hooks *hooks, const struct hook_ops *ops);
void hook_unregister_all(struct hooks *hooks, const struct hook_ops *ops, size_t count, void *priv);

/**
 * hook_walk() - Ask everybody at one hook
 * Sets pkt->hook during the walk. On NF_DROP the packet was reported to the observer and freed;
 * on NF_STOLEN it belongs to somebody else; NF_QUEUE without a queue handler drops (or goes on
 * with bypass), with one it is NF_STOLEN to the caller.
 * Return: NF_ACCEPT: the caller goes on with it; NF_DROP, NF_STOLEN: it is gone.
 */
unsigned int hook_walk(struct pkt *pkt, const struct hook_state *state);
/* Lets every entry touch what it will need for a burst; changes nothing. */
void hook_prefetch(struct pkt **burst, unsigned int count, const struct hook_state *state);

/*
 * The queue handler of NF_QUEUE verdicts; takes the packet unless it returns < 0 (-ESRCH: nobody listens on that
 * queue, the only case in which bypass goes on). Each taken packet comes back through hook_reinject(), with
 * NF_DROP if need be; pkt->hook stays valid until then.
 */
typedef int (*queue_fn)(void *priv, struct pkt *pkt, const struct hook_state *state, unsigned int queue);
void hooks_set_queue(struct hooks *hooks, queue_fn fn, void *priv);
/* Somebody left a hook: Linux drops all that wait then. @fn is called after it has left; NULL: nobody wants to know. */
void hooks_set_left(struct hooks *hooks, void (*fn)(void *priv), void *priv);
/*
 * A queued packet comes back with its verdict; goes on after the hook entry that queued it (NF_ACCEPT), asks it again
 * (NF_REPEAT), leaves the hook (NF_STOP), queues again, or drops. A connection that began meanwhile with the same tuple takes
 * it over, and in LOCAL_OUT it is routed anew when what its route rests on has changed. When the hook ends with accept,
 * path_continue() carries it on its way.
 */
void hook_reinject(struct instance *inst, struct pkt *pkt, unsigned int verdict);

#endif
