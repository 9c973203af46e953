/*
 * tests/unit/flowcache/twin.h - routers that get the same packets and differ in what they remember: everything that one lets
 * others see, in one number.
 */
#ifndef TWIN_H
#define TWIN_H

#include "path/path_test.h"

#include "conntrack/conntrack.h"
#include "flowcache/flowcache.h"
#include "path/worker.h"
#include "rules_line.h"
#include "table/table.h"

enum { FLOWS = 40, MODES = 3, TWINS = MODES + 1 };

static const enum flow_mode twin_modes[TWINS] = { FLOW_OFF, FLOW_ON, FLOW_CHECK, FLOW_ON };	/* the last one by two workers */

struct twin {
	struct instance *inst;
	struct iface *port[2];
	struct worker *workers[2];
	unsigned int turn;
	uint64_t seen;			/* of everything observed, in order */
	uint64_t heard;			/* of events; in company they come a little later */
	uint64_t left, dropped, delivered, events;
	uint8_t last[FRAME_MAX];	/* what left last, as IP */
	uint32_t last_len;
	uint16_t echo_id[FLOWS];	/* as they left, in network order; NAT may have changed them */
};

static void mix_in(uint64_t *sum, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*sum = (*sum ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
}

static void see(struct twin *t, const void *bytes, size_t len)
{
	mix_in(&t->seen, bytes, len);
}

static void see_meta(struct twin *t, const struct pkt *pkt)
{
	uint32_t meta[] = { pkt->mark, pkt->priority, pkt->ctinfo, pkt->ct ? ct_id(t->inst, pkt->ct) : 0, pkt->flags,
			    pkt->rule ? pkt->rule->number : 99, (uint32_t)pkt->serial, pkt->route.mtu, pkt->l.family };

	see(t, meta, sizeof(meta));
}

/* The number of an echo is its flow's. */
static void see_echo(struct twin *t, const struct pkt *pkt)
{
	const uint8_t *l4 = pkt_l4(pkt, 8);

	if (l4 && (pkt->l.l4proto == IPPROTO_ICMP || pkt->l.l4proto == IPPROTO_ICMPV6) && get_be16(l4 + 6) < FLOWS &&
	    (l4[0] == 8 || l4[0] == 128))
		memcpy(&t->echo_id[get_be16(l4 + 6)], l4 + 4, 2);
}

static void on_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	struct twin *t = priv;

	t->left++;
	see(t, &out->index, sizeof(out->index));
	see(t, frame, len);
	see_meta(t, cause);
	see_echo(t, cause);
	if (cause->protocol != ETH_P_ARP && len > ETH_HLEN) {
		t->last_len = len - ETH_HLEN;
		memcpy(t->last, (const uint8_t *)frame + ETH_HLEN, t->last_len);
	}
}

static void on_deliver(void *priv, const struct pkt *pkt)
{
	struct twin *t = priv;

	t->delivered++;
	see(t, pkt->data, pkt->len);
	see_meta(t, pkt);
}

static void on_drop(void *priv, const struct pkt *pkt)
{
	struct twin *t = priv;

	t->dropped++;
	see(t, &pkt->drop_reason, sizeof(pkt->drop_reason));
	see(t, &pkt->drop_hook, sizeof(pkt->drop_hook));
	see(t, pkt->data, pkt->len);
}

static void on_event(void *priv, const struct ct_event *event)
{
	struct twin *t = priv;
	struct strbuf line = STRBUF_INIT;

	t->events++;
	ct_event_print(t->inst, event, CT_TEXT_EXTENDED, &line);
	mix_in(&t->heard, sb_str(&line), line.len);
	sb_free(&line);
}

static void command(struct twin *t, const char *line)
{
	struct strbuf out = STRBUF_INIT;
	int code = rules_line_to(t->inst, line, &out);

	see(t, &code, sizeof(code));
	see(t, sb_str(&out), out.len);
	sb_free(&out);
}

static bool print_ct(void *priv, struct ct *ct)
{
	struct twin *t = priv;
	struct strbuf line = STRBUF_INIT;

	ct_print(t->inst, ct, CT_TEXT_EXTENDED | CT_TEXT_ID, &line);
	see(t, sb_str(&line), line.len);
	sb_free(&line);
	return true;
}

static void see_state(struct twin *t)
{
	struct strbuf text = STRBUF_INIT;

	rules_save(t->inst, NFPROTO_IPV4, true, -1, &text);
	rules_save(t->inst, NFPROTO_IPV6, true, -1, &text);
	see(t, sb_str(&text), text.len);
	sb_free(&text);
	ct_each(t->inst, print_ct, t);
	for (int i = 0; i < 2; i++)
		see(t, &t->port[i]->stats, sizeof(t->port[i]->stats));
}

static void receive(struct twin *t, uint8_t frames[][FRAME_MAX], const uint32_t *len, const bool *out, uint32_t n)
{
	struct pkt *burst[8];

	for (uint32_t k = 0; k < n; k++) {
		struct worker_frame frame = { t->port[out[k]], frames[k], len[k] };

		memcpy(frames[k], t->port[out[k]]->mac, 6);
		if (t->workers[0])
			assert_int_equal(worker_receive(t->workers[++t->turn % 2], &frame, 1), 1);
		else
			burst[k] = pkt_from_frame(t->inst, t->port[out[k]], frames[k], len[k]);
	}
	if (!t->workers[0])
		path_receive(t->inst, burst, n);
}


static void workers_open(struct twin *t)
{
	for (int i = 0; i < 2; i++) {
		t->workers[i] = worker_new(t->inst, NULL);
		assert_non_null(t->workers[i]);
	}
}

static void twin_close(struct twin *t)
{
	worker_free(t->workers[0]);
	worker_free(t->workers[1]);
	instance_free(t->inst);
}

/* After each step. */
static void must_be_equal(const struct twin *twins, int step, const char *what)
{
	for (int i = 0; i < TWINS; i++) {
		if (twins[i].seen != twins[0].seen || twins[i].heard != twins[0].heard)
			fail_msg("step %d (%s): mode %d%s differs", step, what, twin_modes[i], i == MODES ? " by workers" : "");
		if (flowcache_difference(twins[i].inst))
			fail_msg("step %d: %s", step, flowcache_difference(twins[i].inst));
	}
}

#endif
