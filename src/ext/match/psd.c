/*
 * ext/match/psd.c - "-m psd": port scans: packets of one sender to many ports in a short time. Each new port has a weight, and what adds
 * up to the threshold is a scan. The last 256 senders of each family are known, the oldest gives way. (xtables-addons)
 */
#include "base/uapi.h"

#include <stdlib.h>

#include "ext/addons.h"
#include "ext/state.h"

enum { SENDERS = 256, PORTS_MAX = 20, PRIVILEGED_END = 1024, TICKS_PER_SEC = 250 };
enum { WEIGHT_DEFAULT = 21, DELAY_DEFAULT = 300, LOW_DEFAULT = 3, HIGH_DEFAULT = 1, RATE_MAX = 10000 };

struct sender {
	union nf_inet_addr addr;
	int64_t tick;			/* when a port was new last */
	bool used;
	uint8_t count, weight;		/* weight wraps at 256, as the module's does not: it ends at the threshold */
	struct { be16 port; uint8_t proto; } ports[PORTS_MAX];
};

struct senders {
	struct sender *all[2];		/* IPv4, IPv6; made when the first packet comes */
};

static void senders_end(struct instance *inst, void *state)
{
	free(((struct senders *)state)->all[0]);
	free(((struct senders *)state)->all[1]);
}

static void senders_save(struct instance *inst, void *state, struct strbuf *out)
{
	struct senders *senders = state;

	for (unsigned int six = 0; six < 2; six++) {
		for (unsigned int i = 0; senders->all[six] && i < SENDERS; i++) {
			const struct sender *s = &senders->all[six][i];

			if (!s->used)
				continue;
			out_u8(out, (uint8_t)six);
			out_raw(out, &s->addr, sizeof(s->addr));
			out_u64(out, (uint64_t)s->tick);
			out_u8(out, s->weight);
			out_u8(out, s->count);
			for (unsigned int k = 0; k < s->count; k++) {
				out_u16(out, s->ports[k].port);
				out_u8(out, s->ports[k].proto);
			}
		}
	}
}

static bool senders_load(struct instance *inst, void *state, struct bytes_in *in)
{
	struct senders *senders = state;
	unsigned int loaded[2] = { 0, 0 };

	while (in->at < in->end && !in->failed) {
		struct sender s = { .used = true };
		const uint8_t six = in_u8(in);

		in_raw(in, &s.addr, sizeof(s.addr));
		s.tick = (int64_t)in_u64(in);
		s.weight = in_u8(in);
		s.count = in_u8(in);
		if (six > 1 || s.count > PORTS_MAX || s.tick > inst_jiffies(inst) || loaded[six] == SENDERS)
			return false;
		for (unsigned int k = 0; k < s.count; k++) {
			s.ports[k].port = in_u16(in);
			s.ports[k].proto = in_u8(in);
		}
		if (!senders->all[six])
			senders->all[six] = calloc(SENDERS, sizeof(*senders->all[six]));
		if (!in->failed && senders->all[six])
			senders->all[six][loaded[six]++] = s;
	}
	return !in->failed;
}

static const struct ext_state_kind senders_kind = {
	.size = sizeof(struct senders), .end = senders_end, .name = "psd", .save = senders_save, .load = senders_load,
};

static bool read_addrs(const struct pkt *pkt, uint8_t family, union nf_inet_addr *src, union nf_inet_addr *dst)
{
	static const union nf_inet_addr none;

	*src = *dst = none;
	if (family == NFPROTO_IPV4) {
		src->ip = pkt_ip4(pkt)->saddr;
		dst->ip = pkt_ip4(pkt)->daddr;
	} else {
		memcpy(&src->in6, &pkt_ip6(pkt)->saddr, 16);
		memcpy(&dst->in6, &pkt_ip6(pkt)->daddr, 16);
	}
	return memcmp(src, &none, sizeof(none)) && memcmp(src, dst, sizeof(*src));
}

/* The sender's record: its own, or that of the one who has been silent longest. */
static struct sender *sender_of(struct sender *all, const union nf_inet_addr *addr)
{
	struct sender *oldest = &all[0];

	for (unsigned int i = 0; i < SENDERS; i++) {
		if (all[i].used && memcmp(&all[i].addr, addr, sizeof(*addr)) == 0)
			return &all[i];
		if (oldest->used && (!all[i].used || all[i].tick < oldest->tick))
			oldest = &all[i];
	}
	oldest->used = false;
	return oldest;
}

static bool is_known_port(const struct sender *s, be16 port, uint8_t proto)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (s->ports[i].port == port && s->ports[i].proto == proto)
			return true;
	return false;
}

static bool note_port(struct sender *s, const struct xt_psd_info *info, be16 port, uint8_t proto, int64_t now)
{
	unsigned int weight = ntohs(port) < PRIVILEGED_END ? info->lo_ports_weight : info->hi_ports_weight;

	s->tick = now;
	if (s->weight >= info->weight_threshold)
		return true;
	s->weight = (uint8_t)MIN_OF(s->weight + weight, 255u);
	if (s->weight >= info->weight_threshold)
		return true;
	if (s->count < PORTS_MAX) {
		s->ports[s->count].port = port;
		s->ports[s->count].proto = proto;
		s->count++;
	}
	return false;
}

static bool psd_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	enum { RST_ACK = 4 | 16 };
	const struct xt_psd_info *info = data;
	struct senders *senders = ext_state(call->inst, &senders_kind);
	struct sender **all = senders ? &senders->all[call->family == NFPROTO_IPV6] : NULL, *s;
	uint8_t proto = call->family == NFPROTO_IPV4 ? pkt_ip4(pkt)->protocol : pkt->l.l4proto;
	uint32_t need = proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	const uint8_t *l4 = pkt->l.has_l4 && !pkt->l.frag_off ? pkt_at(pkt, pkt->l.l4_off, need) : NULL;
	int64_t now = inst_jiffies(call->inst);
	union nf_inet_addr src, dst;
	be16 port;

	if (!l4 || (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_UDPLITE) ||
	    !read_addrs(pkt, call->family, &src, &dst) || !all || (!*all && !(*all = calloc(SENDERS, sizeof(**all)))))
		return false;
	memcpy(&port, l4 + 2, 2);
	s = sender_of(*all, &src);
	/* what is not the beginning of a connection may be an answer */
	if (proto == IPPROTO_TCP && l4[13] & RST_ACK && !(s->used && is_known_port(s, port, proto)))
		return false;
	if (s->used && now - s->tick <= (int64_t)info->delay_threshold * TICKS_PER_SEC / 100)
		return !is_known_port(s, port, proto) && note_port(s, info, port, proto, now);
	*s = (struct sender){ .addr = src, .used = true };
	return note_port(s, info, port, proto, now);
}

static int psd_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_psd_info *info = data;

	if (check->inst)
		ext_state(check->inst, &senders_kind);	/* what is known of senders may come back before the first packet */
	if (!info->weight_threshold || info->lo_ports_weight > RATE_MAX || info->hi_ports_weight > RATE_MAX ||
	    info->weight_threshold > RATE_MAX || info->delay_threshold > RATE_MAX)
		return refuse(why, -EINVAL, "psd: thresholds and weights end at %d", RATE_MAX);
	return 0;
}

static void psd_init(void *data)
{
	*(struct xt_psd_info *)data = (struct xt_psd_info){ WEIGHT_DEFAULT, DELAY_DEFAULT, LOW_DEFAULT, HIGH_DEFAULT };
}

#define PSD(n, field, t, s, h) { .name = "psd-" n, .type = t, .at = offsetof(struct xt_psd_info, field), .size = s, \
	.max = RATE_MAX, .arg = "number", .help = h }

static const struct opt psd_options[] = {
	PSD("weight-threshold", weight_threshold, OPT_U32, 4, "weight from which packets are a scan"),
	PSD("delay-threshold", delay_threshold, OPT_U32, 4, "hundredths of seconds between ports of one scan"),
	PSD("lo-ports-weight", lo_ports_weight, OPT_U16, 2, "weight of a port below 1024"),
	PSD("hi-ports-weight", hi_ports_weight, OPT_U16, 2, "weight of any other port"),
	OPT_END
};

static void psd_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_psd_info *info = data;

	sb_printf(out, " --psd-weight-threshold %u --psd-delay-threshold %u --psd-lo-ports-weight %u --psd-hi-ports-weight %u ",
		  info->weight_threshold, info->delay_threshold, info->lo_ports_weight, info->hi_ports_weight);
}

static void psd_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m psd");
	psd_save(data, view, out);
}

static const struct ext_text psd_text = {
	.options = psd_options, .help_head = "psd match options:", .init = psd_init, .save = psd_save, .print = psd_print,
};

const struct match match_psd = {
	.name = "psd", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_psd_info),
	.depends = DEP_STATE | DEP_TIME, .match = psd_match, .checkentry = psd_check, .text = &psd_text,
};
