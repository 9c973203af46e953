/* weir/hook.h - functions of the program on a packet's way, between the tables, as nf_hook_ops in the kernel. */
#ifndef WEIR_PUBLIC_HOOK_H
#define WEIR_PUBLIC_HOOK_H

#include <weir/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * typedef weir_hook_fn - Asked for each packet at its hook
 * @pkt: borrowed; with NF_STOLEN it is given: weir_pkt_free()
 * Return: NF_ACCEPT, NF_DROP, NF_STOLEN, NF_QUEUE, NF_REPEAT or NF_STOP of <linux/netfilter.h>.
 */
typedef unsigned int (*weir_hook_fn)(void *priv, struct weir_pkt *pkt, int hook);

struct weir_hook {
	uint8_t family;		/* NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET: both */
	int hook;		/* NF_INET_PRE_ROUTING ... NF_INET_POST_ROUTING */
	int priority;		/* lower is asked earlier: NF_IP_PRI_FILTER - 1 is before the filter table */
	weir_hook_fn fn;
	void *priv;
	const char *name;	/* for traces; copied */
};

/**
 * weir_hook_register() - Context: control; from a callback too, then from the next packet on.
 * Return: 0; -EINVAL unknown family or hook, -ENOMEM, -E2BIG.
 */
WEIR_API int weir_hook_register(struct weir *weir, const struct weir_hook *hook);
/** weir_hook_unregister() - The one with the same family, hook, fn and priv. Return: 0, -ENOENT. */
WEIR_API int weir_hook_unregister(struct weir *weir, const struct weir_hook *hook);

/**
 * typedef weir_queue_fn - Takes packets of NF_QUEUE verdicts (rules with -j NFQUEUE, hooks)
 * @pkt: given when 0 is returned: weir_reinject()
 * Return: 0; negative: no room, the packet is dropped (or goes on, with bypass).
 */
typedef int (*weir_queue_fn)(void *priv, struct weir_pkt *pkt, int hook, unsigned int queue);

/** weir_queue() - Who takes queued packets; NULL: nobody, they are dropped. Context: control. */
WEIR_API void weir_queue(struct weir *weir, weir_queue_fn fn, void *priv);

/**
 * weir_reinject() - A queued packet goes on after the rule or function that queued it
 * @pkt:     taken; only packets that weir_queue_fn was given
 * @verdict: NF_ACCEPT, NF_DROP, NF_STOP, NF_REPEAT, or NF_QUEUE_NR(n)
 */
WEIR_API void weir_reinject(struct weir *weir, struct weir_pkt *pkt, unsigned int verdict);
/** weir_pkt_free() - Ends a packet that a hook stole; nobody is told. Queued ones end by weir_reinject(NF_DROP). */
WEIR_API void weir_pkt_free(struct weir *weir, struct weir_pkt *pkt);

#ifdef __cplusplus
}
#endif

#endif
