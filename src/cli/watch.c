/* cli/watch.c - see watch.h: counting. The text of a rule is kept from its first drop on: the rule may be gone when somebody asks. */
#include "cli/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "packet/packet.h"
#include "table/table.h"

static void count(const struct instance *inst, uint64_t *counter)
{
	if (inst->in_company)
		__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
	else
		++*counter;
}

void watch_transmit(struct watch *watch, const struct instance *inst, const struct pkt *cause)
{
	count(inst, cause && !(cause->flags & PKT_FLAG_LOCAL) ? &watch->forwarded : &watch->sent);
}

void watch_deliver(struct watch *watch, const struct instance *inst) { count(inst, &watch->delivered); }

/* The slot of the rule; NULL: there are too many. */
static uint64_t *slot_of(struct watch *watch, struct instance *inst, const struct table_rule_ref *ref, const char **text)
{
	struct strbuf rule = STRBUF_INIT;
	unsigned int i;

	for (i = 0; i < watch->rule_count; i++) {
		if (watch->rules[i].ref != ref)
			continue;
		*text = watch->rules[i].text;
		return &watch->rules[i].packets;
	}
	if (i == WATCH_RULES_MAX)
		return NULL;
	sb_printf(&rule, "%s %s", ref->table, ref->chain);
	if (!ref->number) {
		sb_adds(&rule, " policy");
	} else {
		sb_printf(&rule, " %u: ", ref->number);
		if (!rules_print_one(inst, ref, &rule))
			sb_adds(&rule, "a rule that is gone");
	}
	watch->rules[i].ref = ref;
	watch->rules[i].text = strdup(sb_str(&rule));
	sb_free(&rule);
	if (!watch->rules[i].text)
		return NULL;
	watch->rule_count++;
	*text = watch->rules[i].text;
	return &watch->rules[i].packets;
}

static void describe(const struct pkt *pkt, const char *why, char *out, size_t room)
{
	char src[INET6_ADDRSTRLEN] = "?", dst[INET6_ADDRSTRLEN] = "?";

	if (pkt->l.family == NFPROTO_IPV4) {
		inet_ntop(AF_INET, &pkt_ip4(pkt)->saddr, src, sizeof(src));
		inet_ntop(AF_INET, &pkt_ip4(pkt)->daddr, dst, sizeof(dst));
	} else if (pkt->l.family == NFPROTO_IPV6) {
		inet_ntop(AF_INET6, &pkt_ip6(pkt)->saddr, src, sizeof(src));
		inet_ntop(AF_INET6, &pkt_ip6(pkt)->daddr, dst, sizeof(dst));
	}
	snprintf(out, room, "%s > %s proto %u len %u: %s", src, dst, pkt->l.l4proto, pkt->len, why);
}

void watch_drop(struct watch *watch, struct instance *inst, const struct pkt *pkt)
{
	enum drop_reason reason = pkt->drop_reason < DROP_REASON_COUNT ? pkt->drop_reason : DROP_NONE;
	const char *why = drop_reason_sentence(reason);
	uint64_t *of_rule;
	unsigned int at;

	count(inst, &watch->drops);
	count(inst, &watch->reasons[reason]);
	count(inst, &watch->hooks[MIN_OF(pkt->drop_hook, (uint8_t)NF_INET_NUMHOOKS)]);
	if (inst->in_company)
		return;			/* of remembered ways none ends in a rule */
	of_rule = pkt->rule ? slot_of(watch, inst, pkt->rule, &why) : NULL;
	at = watch->recent_count++ % WATCH_RECENT;
	if (of_rule)
		++*of_rule;
	watch->recent[at].when_ns = inst->now_ns;
	describe(pkt, why, watch->recent[at].text, sizeof(watch->recent[at].text));
}

void watch_end(struct watch *watch)
{
	while (watch->rule_count)
		free(watch->rules[--watch->rule_count].text);
}
