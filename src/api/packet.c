/* api/packet.c - weir/packet.h and weir/hook.h: packets in, questions about them, functions on their way. */
#include <stdlib.h>

#include "api/api.h"
#include "packet/drop.h"
#include "path/path.h"
#include "table/table.h"

_Static_assert((int)WEIR_BURST_MAX == (int)PKT_BURST_MAX, "the public burst is the engine's");

int weir_receive(struct weir *weir, const char *in, const struct weir_frame *frames, size_t count)
{
	struct iface *iface = iface_find(weir->inst, in);
	struct pkt *burst[PKT_BURST_MAX];
	unsigned int n = 0;

	if (!iface)
		return -ENODEV;
	if (count > PKT_BURST_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		struct pkt *pkt = NULL;

		if (frames[i].len <= PKT_LEN_MAX)
			pkt = iface->type == ARPHRD_ETHER ?
			      pkt_from_frame(weir->inst, iface, frames[i].bytes, (uint32_t)frames[i].len) :
			      pkt_from_raw_ip(weir->inst, iface, frames[i].bytes, (uint32_t)frames[i].len);
		if (pkt)
			burst[n++] = pkt;
	}
	if (n)
		path_receive(weir->inst, burst, n);
	return (int)n;
}

int weir_send_local(struct weir *weir, const void *bytes, size_t len)
{
	struct pkt *pkt = len && len <= PKT_LEN_MAX ? pkt_from_raw_ip(weir->inst, NULL, bytes, (uint32_t)len) : NULL;

	if (!pkt)
		return -EINVAL;
	path_send_local(weir->inst, pkt);
	return 0;
}

void *weir_pkt_bytes(struct weir_pkt *pkt, size_t *len)
{
	*len = api_pkt(pkt)->len;
	return api_pkt(pkt)->data;
}

const void *weir_pkt_read(const struct weir_pkt *pkt, size_t *len)
{
	*len = api_pkt(pkt)->len;
	return api_pkt(pkt)->data;
}

const char *weir_pkt_in(const struct weir_pkt *pkt)
{
	return api_pkt(pkt)->in ? api_pkt(pkt)->in->name : NULL;
}

const char *weir_pkt_out(const struct weir_pkt *pkt)
{
	return api_pkt(pkt)->out ? api_pkt(pkt)->out->name : NULL;
}

uint32_t weir_pkt_mark(const struct weir_pkt *pkt)
{
	return api_pkt(pkt)->mark;
}

void weir_pkt_set_mark(struct weir_pkt *pkt, uint32_t mark)
{
	api_pkt(pkt)->mark = mark;
}

struct weir_ct *weir_pkt_ct(const struct weir_pkt *pkt)
{
	return api_ct_out(api_pkt(pkt)->ct);
}

uint64_t weir_pkt_serial(const struct weir_pkt *pkt)
{
	return api_pkt(pkt)->serial;
}

bool weir_pkt_rule(const struct weir_pkt *pkt, const char **table, const char **chain, unsigned int *number,
		   const char **file, unsigned int *line)
{
	const struct table_rule_ref *rule = api_pkt(pkt)->rule;

	if (!rule)
		return false;
	*table = rule->table;
	*chain = rule->chain;
	*number = rule->number;
	*file = rule->file;
	*line = rule->line;
	return true;
}

static unsigned int ask(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	const struct api_hook *hook = priv;
	unsigned int verdict = hook->ops.fn(hook->ops.priv, api_pkt_out(pkt), state->hooknum);

	if ((verdict & NF_VERDICT_MASK) == NF_DROP)
		pkt->drop_reason = DROP_HOOK;
	return verdict;
}

static struct hook_ops ops_of(struct api_hook *hook)
{
	return (struct hook_ops){
		.family = hook->ops.family, .hooknum = (uint8_t)hook->ops.hook, .priority = hook->ops.priority,
		.fn = ask, .name = hook->ops.name, .priv = hook,
	};
}

int weir_hook_register(struct weir *weir, const struct weir_hook *ops)
{
	size_t name_len = ops->name ? strlen(ops->name) + 1 : 1;
	struct api_hook *hook;
	struct hook_ops engine;
	int err;

	if (!ops->fn || ops->hook < 0 || ops->hook >= NF_INET_NUMHOOKS)
		return -EINVAL;
	hook = calloc(1, sizeof(*hook) + name_len);
	if (!hook)
		return -ENOMEM;
	hook->ops = *ops;
	hook->ops.name = memcpy(hook + 1, ops->name ? ops->name : "", name_len);
	engine = ops_of(hook);
	err = hook_register(weir->inst->hooks, &engine);
	if (err) {
		free(hook);
		return err;
	}
	hook->next = weir->hooks;
	weir->hooks = hook;
	return 0;
}

int weir_hook_unregister(struct weir *weir, const struct weir_hook *ops)
{
	for (struct api_hook *h = weir->hooks; h; h = h->next) {
		struct hook_ops engine = ops_of(h);

		if (h->ops.family != ops->family || h->ops.hook != ops->hook || h->ops.fn != ops->fn ||
		    h->ops.priv != ops->priv)
			continue;
		/* The memory stays until weir_close(): a packet may be asking it right now. */
		if (hook_unregister(weir->inst->hooks, &engine) == 0)
			return 0;
	}
	return -ENOENT;
}

void weir_reinject(struct weir *weir, struct weir_pkt *pkt, unsigned int verdict)
{
	hook_reinject(weir->inst, api_pkt(pkt), verdict);
}

static int enqueue(void *priv, struct pkt *pkt, const struct hook_state *state, unsigned int queue)
{
	struct weir *weir = priv;

	return weir->queue(weir->queue_priv, api_pkt_out(pkt), state->hooknum, queue);
}

void weir_queue(struct weir *weir, weir_queue_fn fn, void *priv)
{
	weir->queue = fn;
	weir->queue_priv = priv;
	hooks_set_queue(weir->inst->hooks, fn ? enqueue : NULL, weir);
}

void weir_pkt_free(struct weir *weir, struct weir_pkt *pkt)
{
	pkt_free(weir->inst, api_pkt(pkt));
}
