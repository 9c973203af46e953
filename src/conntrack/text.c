/*
 * conntrack/text.c - connections and events as conntrack-tools print them.
 * What the line holds follows from what the kernel puts into the message: a listing has everything, an
 * update its state only when that changed, the end no timeout when it was expiry and no mark of zero.
 */
#include <time.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "conntrack/labels.h"
#include "host/secctx.h"

static const char *const tcp_state_names[] = {
	[TCP_CONNTRACK_NONE] = "NONE",
	[TCP_CONNTRACK_SYN_SENT] = "SYN_SENT",
	[TCP_CONNTRACK_SYN_RECV] = "SYN_RECV",
	[TCP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
	[TCP_CONNTRACK_FIN_WAIT] = "FIN_WAIT",
	[TCP_CONNTRACK_CLOSE_WAIT] = "CLOSE_WAIT",
	[TCP_CONNTRACK_LAST_ACK] = "LAST_ACK",
	[TCP_CONNTRACK_TIME_WAIT] = "TIME_WAIT",
	[TCP_CONNTRACK_CLOSE] = "CLOSE",
	[TCP_CONNTRACK_SYN_SENT2] = "SYN_SENT2",
};

const char *ct_tcp_state_name(uint8_t state)
{
	return tcp_state_names[state < ARRAY_SIZE(tcp_state_names) ? state : TCP_CONNTRACK_NONE];
}

const char *ct_proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_UDPLITE: return "udplite";
	case IPPROTO_ICMP: return "icmp";
	case IPPROTO_ICMPV6: return "icmpv6";
	case IPPROTO_SCTP: return "sctp";
	case IPPROTO_GRE: return "gre";
	case IPPROTO_DCCP: return "dccp";
	default: return "unknown";
	}
}

void ct_tuple_ports_print(const struct ct_tuple *tuple, struct strbuf *out)
{
	switch (tuple->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		sb_printf(out, "sport=%u dport=%u ", ntohs(tuple->src_l4.port), ntohs(tuple->dst_l4.port));
		break;
	case IPPROTO_GRE:
		sb_printf(out, "srckey=0x%x dstkey=0x%x ", ntohs(tuple->src_l4.all), ntohs(tuple->dst_l4.all));
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		sb_printf(out, "type=%d code=%d id=%d ", tuple->dst_l4.icmp.type, tuple->dst_l4.icmp.code,
			  ntohs(tuple->src_l4.icmp_id));
		break;
	}
}

static void print_tuple(const struct ct *ct, int dir, struct strbuf *out)
{
	const struct ct_tuple *tuple = ct_tuple(ct, dir);
	int family = tuple->family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	inet_ntop(family, &tuple->src, src, sizeof(src));
	inet_ntop(family, &tuple->dst, dst, sizeof(dst));
	sb_printf(out, "src=%s dst=%s ", src, dst);
	ct_tuple_ports_print(tuple, out);
}

static void print_counters(const struct ct *ct, int dir, struct strbuf *out)
{
	const struct ct_counter *counter = ct_counter(ct, dir);

	if (counter)
		sb_printf(out, "packets=%llu bytes=%llu ", (unsigned long long)counter->packets,
			  (unsigned long long)counter->bytes);
}

static void print_date(const char *word, int64_t ns, struct strbuf *out)
{
	time_t sec = (time_t)(ns / NSEC_PER_SEC);
	char date[32];

	if (!ctime_r(&sec, date))
		return;
	date[strcspn(date, "\n")] = '\0';
	sb_printf(out, "[%s=%s] ", word, date);
}

/* Those that have a name. */
static void print_labels(const struct instance *inst, const struct ct *ct, struct strbuf *out)
{
	const uint8_t *labels = ct_labels(ct);
	const char *sep = "labels=";

	for (unsigned int bit = 0; labels && bit < CT_LABELS; bit++) {
		const char *name = ct_label_is_set(labels, bit) ? ct_label_name(inst, bit) : NULL;

		if (!name)
			continue;
		sb_printf(out, "%s%s", sep, name);
		sep = ",";
	}
	if (*sep == ',')
		sb_addc(out, ' ');
}

/* What a message about a connection carries beside its tuples and status. */
struct shown {
	bool timeout, state, counters, mark, stamp, helper, use, labels, secctx;
};

static void print_connection(const struct instance *inst, const struct ct *ct, unsigned int flags,
			     const struct shown *shown, struct strbuf *out)
{
	const struct ct_proto *proto = ct_proto_of(inst, ct_proto_num(ct));
	bool zoned = ct->zone.id != 0;

	if (flags & CT_TEXT_EXTENDED) {
		bool v4 = ct_family(ct) == NFPROTO_IPV4;

		sb_printf(out, "%-8s %u ", v4 ? "ipv4" : "ipv6", v4 ? AF_INET : AF_INET6);
	}
	sb_printf(out, "%-8s %u ", ct_proto_name(ct_proto_num(ct)), ct_proto_num(ct));
	if (shown->timeout)
		sb_printf(out, "%u ", ct_expires_sec(inst, ct));
	if (shown->state && proto->print_state)
		proto->print_state(ct, out);
	print_tuple(ct, IP_CT_DIR_ORIGINAL, out);
	if (zoned && ct->zone.dir == CT_ZONE_DIR_ORIGINAL)
		sb_printf(out, "zone-orig=%u ", ct->zone.id);
	if (shown->counters)
		print_counters(ct, IP_CT_DIR_ORIGINAL, out);
	if (!(ct->status & IPS_SEEN_REPLY))
		sb_adds(out, "[UNREPLIED] ");
	print_tuple(ct, IP_CT_DIR_REPLY, out);
	if (zoned && ct->zone.dir == CT_ZONE_DIR_REPLY)
		sb_printf(out, "zone-reply=%u ", ct->zone.id);
	if (shown->counters)
		print_counters(ct, IP_CT_DIR_REPLY, out);
	if (ct->status & IPS_ASSURED)
		sb_adds(out, "[ASSURED] ");
	if (shown->mark)
		sb_printf(out, "mark=%u ", ct->mark);
	if (shown->secctx && secctx_name(inst, ct_secmark(ct)))
		sb_printf(out, "secctx=%s ", secctx_name(inst, ct_secmark(ct)));
	if (zoned && ct->zone.dir == CT_ZONE_DIR_BOTH)
		sb_printf(out, "zone=%u ", ct->zone.id);
	if (shown->stamp && ct->extra && ct->extra->has_stamp) {
		int64_t start = ct->extra->start_ns, stop = ct->extra->stop_ns;

		sb_printf(out, "delta-time=%llu ", (unsigned long long)((stop ? stop : inst->now_ns) / NSEC_PER_SEC -
									start / NSEC_PER_SEC));
		if (flags & CT_TEXT_TIMESTAMP) {
			print_date("start", start, out);
			if (stop)
				print_date("stop", stop, out);
		}
	}
	if (shown->helper && ct_helper_of(ct))
		sb_printf(out, "helper=%s ", ct_helper_of(ct)->name);
	if (shown->use)
		sb_printf(out, "use=%u ", ct->refs);
	if (flags & CT_TEXT_ID)
		sb_printf(out, "id=%u ", ct_id(inst, ct));
	if (shown->labels && flags & CT_TEXT_LABELS)
		print_labels(inst, ct, out);
	if (out->len)
		out->s[--out->len] = '\0';	/* the last blank */
}

void ct_print(const struct instance *inst, const struct ct *ct, unsigned int flags, struct strbuf *out)
{
	static const struct shown everything = { true, true, true, true, true, true, true, true, true };

	print_connection(inst, ct, flags, &everything, out);
}

void ct_event_print(const struct instance *inst, const struct ct_event *event, unsigned int flags, struct strbuf *out)
{
	static const char *const words[] = { "[NEW]", "[UPDATE]", "[DESTROY]" };
	bool ended = event->kind == CT_EVENT_DESTROY;
	struct shown shown = {
		.timeout = !ended || ct_expires_sec(inst, event->ct) > 0,
		.state = ended || event->mask & 1 << IPCT_PROTOINFO,
		.counters = ended,
		.mark = event->mask & 1 << IPCT_MARK || event->ct->mark,
		.stamp = ended,
		.helper = !ended,
		.secctx = !ended,
		.labels = event->mask & 1 << IPCT_LABEL,
	};

	sb_printf(out, "%9s ", words[event->kind]);
	print_connection(inst, event->ct, flags, &shown, out);
}
