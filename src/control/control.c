/* control/control.c - the life of an instance's control interfaces, and its events on their way to who listens. */
#include "control/control_internal.h"

#include <stdlib.h>

#include "conntrack/conntrack.h"

static void on_ct_event(void *priv, const struct ct_event *event)
{
	struct control *control = priv;

	if (control->before.ct_event)
		control->before.ct_event(control->before.priv, event);
	ctnetlink_event(control, event);
}

static void on_expect_event(void *priv, const struct ct_expect *exp, bool ended)
{
	struct control *control = priv;

	if (control->before.expect_event)
		control->before.expect_event(control->before.priv, exp, ended);
	expnetlink_event(control, exp, ended);
}

static void on_overquota(void *priv, struct acct_object *acct)
{
	struct control *control = priv;

	if (control->before.overquota)
		control->before.overquota(control->before.priv, acct);
	acctnetlink_event(control, acct);
}

static void on_nflog(void *priv, const struct pkt *pkt, const struct nflog *log)
{
	struct control *control = priv;

	if (control->before.nflog)
		control->before.nflog(control->before.priv, pkt, log);
	log_packet_to_group(control, pkt, log);
}

static void on_iface_down(void *priv, struct iface *iface)
{
	struct control *control = priv;

	if (control->before.iface_down)
		control->before.iface_down(control->before.priv, iface);
	queue_iface_down(control, iface);
}

/* The others are handed on as they are. */
#define PASS(name, args, ...)										\
static void on_##name args										\
{													\
	struct control *control = priv;									\
													\
	if (control->before.name)									\
		control->before.name(control->before.priv, __VA_ARGS__);				\
}
PASS(transmit, (void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len), out, cause, frame, len)
PASS(deliver, (void *priv, const struct pkt *pkt), pkt)
PASS(drop, (void *priv, const struct pkt *pkt), pkt)
PASS(log, (void *priv, int level, const char *line), level, line)
PASS(invalid, (void *priv, const struct pkt *pkt, uint8_t l4proto, const char *reason), pkt, l4proto, reason)
PASS(helper, (void *priv, const struct pkt *pkt, const char *name, const char *reason), pkt, name, reason)
PASS(iface_new, (void *priv, struct iface *iface), iface)
PASS(made, (void *priv, const struct pkt *pkt, const struct pkt *cause), pkt, cause)
#undef PASS

struct control *control_new(struct instance *inst, const struct control_callbacks *callbacks)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return NULL;
	control->inst = inst;
	control->callbacks = *callbacks;
	control->before = inst->observer;
	list_init(&control->socks);
	queue_control_begin(control);
	log_control_begin(control);
	inst->observer = (struct observer){
		.priv = control, .transmit = on_transmit, .deliver = on_deliver, .drop = on_drop, .ct_event = on_ct_event,
		.log = on_log, .nflog = on_nflog, .invalid = on_invalid, .expect_event = on_expect_event,
		.helper = on_helper, .iface_new = on_iface_new, .iface_down = on_iface_down, .made = on_made,
		.overquota = on_overquota,
	};
	return control;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	list_for_each_safe(node, &control->socks)
		nl_sock_close(list_entry(node, struct nl_sock, node));
	queue_control_end(control);
	log_control_end(control);
	control->inst->observer = control->before;
	free(control);
}
