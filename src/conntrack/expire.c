/*
 * conntrack/expire.c - how long a connection lives, what it counts, how it ends.
 * A refresh only writes expires_jiffies; the timer stays where it was and, firing early, moves itself
 * behind the new end. So a busy connection touches the wheel once per timeout, not once per packet, and
 * still ends at its exact tick.
 */
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "nat/nat.h"

void ct_put(struct instance *inst, struct ct *ct)
{
	struct ct_table *table = inst->ct;
	struct ct *master;

	if (!ct || --ct->refs)
		return;
	if (ct->by_source.next)
		nat_ct_freed(inst, ct);
	master = ct->master;
	if (!(ct->status & IPS_TEMPLATE)) {
		timer_cancel(inst->timers, &ct->timer);
		list_remove(&ct->all);
		table->count--;
	}
	free(ct->extra);
	ct_record_free(table, ct);
	ct_put(inst, master);
}

void pkt_ct_reset(struct instance *inst, struct pkt *pkt)
{
	struct ct *ct = pkt->ct;

	pkt->ct = NULL;
	pkt->ctinfo = 0;
	ct_put(inst, ct);
}

void pkt_ct_set(struct instance *inst, struct pkt *pkt, struct ct *ct, uint8_t ctinfo)
{
	struct ct *old = pkt->ct;

	if (ct)
		ct_get(ct);
	pkt->ct = ct;
	pkt->ctinfo = ctinfo;
	ct_put(inst, old);
}

void ct_timer_fire(struct timer *timer, void *arg, int64_t now_ns)
{
	struct instance *inst = arg;
	struct ct *ct = container_of(timer, struct ct, timer);

	if (ct_is_dying(ct))
		return;
	if (ct->expires_jiffies > now_ns / NSEC_PER_JIFFY)
		timer_arm(inst->timers, timer, ct->expires_jiffies * NSEC_PER_JIFFY);
	else
		ct_end(inst, ct, true);
}

void ct_set_expiry(struct instance *inst, struct ct *ct, int64_t jiffies)
{
	int64_t at_ns = jiffies * NSEC_PER_JIFFY;

	ct->expires_jiffies = jiffies;
	if (!timer_is_armed(&ct->timer) || at_ns < ct->timer.expires_ns)
		timer_arm(inst->timers, &ct->timer, at_ns);
}

int64_t ct_expires_ticks(const struct instance *inst, const struct ct *ct)
{
	int64_t left;

	if (!ct_is_confirmed(ct))
		return 0;
	left = ct->expires_jiffies - inst_jiffies(inst);
	return left > 0 ? left : 0;
}

uint32_t ct_expires_sec(const struct instance *inst, const struct ct *ct)
{
	return (uint32_t)(ct_expires_ticks(inst, ct) / WEIR_HZ);
}

void ct_set_timeout_sec(struct instance *inst, struct ct *ct, uint32_t seconds)
{
	int64_t ticks = (int64_t)MIN_OF(seconds, CT_PRINTED_SECONDS_MAX) * WEIR_HZ;

	if (ct_is_confirmed(ct))
		ct_set_expiry(inst, ct, inst_jiffies(inst) + ticks);
	else
		ct->expires_jiffies = ticks;
}

void ct_count_packet(struct ct *ct, int dir, uint32_t bytes)
{
	if (!ct->extra || !ct->extra->has_acct)
		return;
	ct->extra->acct[dir].packets++;
	ct->extra->acct[dir].bytes += bytes;
}

void ct_refresh(struct instance *inst, struct ct *ct, uint8_t ctinfo, const struct pkt *pkt, uint32_t timeout_jiffies)
{
	if (!(ct->status & IPS_FIXED_TIMEOUT)) {
		if (ct_is_confirmed(ct))
			ct_set_expiry(inst, ct, inst_jiffies(inst) + timeout_jiffies);
		else
			ct->expires_jiffies = timeout_jiffies;
	}
	if (pkt)
		ct_count_packet(ct, ctinfo_dir(ctinfo), pkt->len);
}

bool ct_end(struct instance *inst, struct ct *ct, bool expired)
{
	if (ct_is_dying(ct))
		return false;
	ct->status |= IPS_DYING;
	if (!ct_is_confirmed(ct))
		return true;		/* never was in the table: nothing to take out */
	if (ct->extra && ct->extra->has_stamp)
		ct->extra->stop_ns = inst->now_ns;
	ct_event_destroy(inst, ct, expired);
	if (!(ct->status & CT_STATUS_NAT_CLASH))
		ct_table_remove(inst->ct, &ct->node[IP_CT_DIR_ORIGINAL]);
	ct_table_remove(inst->ct, &ct->node[IP_CT_DIR_REPLY]);
	timer_cancel(inst->timers, &ct->timer);
	ct_put(inst, ct);
	return true;
}

bool ct_kill(struct instance *inst, struct ct *ct)
{
	return ct_end(inst, ct, false);
}
