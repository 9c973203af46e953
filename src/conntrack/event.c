/*
 * conntrack/event.c - what changed in a connection is gathered while a packet goes its way and told once,
 * when the packet is let out: as one NEW, or one UPDATE. The end is told at once.
 */
#include "conntrack/conntrack_internal.h"

static void tell(struct instance *inst, const struct ct *ct, enum ct_event_kind kind, uint32_t mask, bool expired)
{
	struct ct_event event = { kind, ct, mask, expired };

	if (inst->observer.ct_event)
		inst->observer.ct_event(inst->observer.priv, &event);
}

void ct_events_deliver(struct instance *inst, struct ct *ct)
{
	uint16_t mask = ct->event_mask;

	if (!mask || !ct_is_confirmed(ct) || ct_is_dying(ct) || !ct->event_wanted)
		return;
	ct->event_mask = 0;
	if (!(mask & ct->event_wanted))
		return;
	tell(inst, ct, mask & (1 << IPCT_NEW | 1 << IPCT_RELATED) ? CT_EVENT_NEW : CT_EVENT_UPDATE, mask, false);
}

void ct_event_destroy(struct instance *inst, struct ct *ct, bool expired)
{
	if (ct->event_wanted & 1 << IPCT_DESTROY)
		tell(inst, ct, CT_EVENT_DESTROY, 1 << IPCT_DESTROY, expired);
}
