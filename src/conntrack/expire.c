/*
 * conntrack/expire.c - how long a connection lives, what it counts, how it ends.
 * A refresh only writes expires_tick; on the wheel the connection stays where it was and, being looked at
 * early, moves to its new end. So a busy connection touches the wheel once per timeout, not once per packet,
 * and still ends at its exact tick.
 */
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "conntrack/timeout.h"
#include "nat/nat.h"

void ct_put(struct instance *inst, struct ct *ct)
{
	struct ct_table *table = inst->ct;
	struct ct *master;

	if (!ct || --ct->refs)
		return;
	if (ct->has_source)
		nat_ct_freed(inst, ct);
	master = ct_master(ct);
	if (!(ct->status & IPS_TEMPLATE)) {
		ct_wheel_forget(table, ct);
		table->count--;
	}
	if (master && ct_proto_num(ct) == IPPROTO_GRE)
		ct_gre_keys_forget(inst, master);
	ct_help_free(inst, ct);
	if (ct->extra) {
		ct_policy_put(ct->extra->policy);
		nat_cone_put(ct->extra->cone);
		nat_cone_put(ct->extra->hairpin_cone);
	}
	ct_extra_free(table, ct->extra);
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

void ct_start_expiry(struct instance *inst, struct ct *ct, uint32_t timeout_jiffies)
{
	ct->expires_tick = (uint32_t)inst_jiffies(inst) + timeout_jiffies;
	ct_wheel_watch(inst, ct);
}

void ct_set_expiry(struct instance *inst, struct ct *ct, uint32_t timeout_jiffies)
{
	ct->expires_tick = (uint32_t)inst_jiffies(inst) + timeout_jiffies;
	if ((int32_t)(ct->expires_tick - ct->look_tick) < 0 && !inst->in_company)	/* else soon: ct_settle() */
		ct_wheel_watch(inst, ct);
}

uint32_t ct_expires_ticks(const struct instance *inst, const struct ct *ct)
{
	int32_t left = (int32_t)(ct->expires_tick - (uint32_t)inst_jiffies(inst));

	return ct_is_confirmed(ct) && left > 0 ? (uint32_t)left : 0;
}

uint32_t ct_expires_sec(const struct instance *inst, const struct ct *ct)
{
	return ct_expires_ticks(inst, ct) / WEIR_HZ;
}

void ct_set_timeout_sec(struct instance *inst, struct ct *ct, uint32_t seconds)
{
	uint32_t ticks = MIN_OF(seconds, (uint32_t)CT_PRINTED_SECONDS_MAX) * WEIR_HZ;

	if (ct_is_confirmed(ct))
		ct_set_expiry(inst, ct, ticks);
	else
		ct->expires_tick = ticks;
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
			ct_set_expiry(inst, ct, timeout_jiffies);
		else
			ct->expires_tick = timeout_jiffies;
	}
	if (pkt)
		ct_count_packet(ct, ctinfo_dir(ctinfo), pkt->len);
}

bool ct_end(struct instance *inst, struct ct *ct, bool expired)
{
	const struct ct_helper *helper = ct_helper_of(ct);

	if (ct_is_dying(ct))
		return false;
	ct->status |= IPS_DYING;
	inst->ct->stats.ended++;
	if (!ct_is_confirmed(ct))
		return true;		/* never was in the table: nothing to take out */
	if (ct->extra && ct->extra->has_stamp)
		ct->extra->stop_ns = inst->now_ns;
	ct_event_destroy(inst, ct, expired);
	if (helper && helper->ended)
		helper->ended(inst, ct);
	if (!(ct->status & CT_STATUS_NAT_CLASH))
		ct_table_remove(inst->ct, &ct->node[IP_CT_DIR_ORIGINAL]);
	ct_table_remove(inst->ct, &ct->node[IP_CT_DIR_REPLY]);
	ct_wheel_forget(inst->ct, ct);
	ct_expect_remove_all(inst, ct);
	ct_put(inst, ct);
	return true;
}

bool ct_kill(struct instance *inst, struct ct *ct)
{
	return ct_end(inst, ct, false);
}
