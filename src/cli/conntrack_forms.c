/*
 * cli/conntrack_forms.c - connections in the forms of `conntrack -o xml`, `-o save` and, beyond upstream, `-o json`.
 * xml and save are byte for byte conntrack-tools 1.4.7's.
 */
#include "cli/conntrack_forms.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "conntrack/helper.h"
#include "nat/nat.h"

static const char *address(const struct ct_tuple *tuple, const union nf_inet_addr *addr, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(tuple->family == NFPROTO_IPV4 ? AF_INET : AF_INET6, addr, text, INET6_ADDRSTRLEN);
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP;
}

/* "ESTABLISHED"; "" for protocols without states. */
static void state_name(const struct instance *inst, const struct ct *ct, struct strbuf *out)
{
	const struct ct_proto *proto = ct_proto_of(inst, ct_proto_num(ct));

	if (proto->print_state)
		proto->print_state(ct, out);
	while (out->len && out->s[out->len - 1] == ' ')
		out->s[--out->len] = '\0';
}

/* --- xml --- */

static void xml_direction(const struct ct *ct, int dir, bool with_counters, struct strbuf *out)
{
	const struct ct_tuple *t = ct_tuple(ct, dir);
	const struct ct_counter *counter = ct_counter(ct, dir);
	bool v4 = t->family == NFPROTO_IPV4;
	char text[INET6_ADDRSTRLEN];

	sb_printf(out, "<meta direction=\"%s\"><layer3 protonum=\"%u\" protoname=\"%s\">", dir ? "reply" : "original",
		  v4 ? AF_INET : AF_INET6, v4 ? "ipv4" : "ipv6");
	sb_printf(out, "<src>%s</src>", address(t, &t->src, text));
	sb_printf(out, "<dst>%s</dst></layer3>", address(t, &t->dst, text));
	sb_printf(out, "<layer4 protonum=\"%u\" protoname=\"%s\">", t->proto, ct_proto_name(t->proto));
	if (has_ports(t->proto))
		sb_printf(out, "<sport>%u</sport><dport>%u</dport>", ntohs(t->src_l4.port), ntohs(t->dst_l4.port));
	else if (t->proto == IPPROTO_GRE)
		sb_printf(out, "<srckey>0x%x</srckey><dstkey>0x%x</dstkey>", ntohs(t->src_l4.all), ntohs(t->dst_l4.all));
	sb_adds(out, "</layer4>");
	if (ct->zone.id && ct->zone.dir == 1 << dir)
		sb_printf(out, "<zone>%u</zone>", ct->zone.id);
	if (counter && with_counters)
		sb_printf(out, "<counters><packets>%llu</packets><bytes>%llu</bytes></counters>",
			  (unsigned long long)counter->packets, (unsigned long long)counter->bytes);
	sb_adds(out, "</meta>");
}

static void xml_stamp(const struct instance *inst, const struct ct *ct, unsigned int flags, struct strbuf *out)
{
	int64_t stop;

	if (!ct->extra || !ct->extra->has_stamp)
		return;
	stop = ct->extra->stop_ns;
	if (flags & CT_TEXT_TIMESTAMP) {
		sb_printf(out, "<timestamp><start>%lld</start>", (long long)ct->extra->start_ns);
		if (stop)
			sb_printf(out, "<stop>%lld</stop>", (long long)stop);
		sb_adds(out, "</timestamp>");
	}
	sb_printf(out, "<deltatime>%lld</deltatime>",
		  (long long)((stop ? stop : inst->now_ns) / NSEC_PER_SEC - ct->extra->start_ns / NSEC_PER_SEC));
}

static const char *const event_words[] = { [CT_EVENT_NEW] = "new", [CT_EVENT_UPDATE] = "update", [CT_EVENT_DESTROY] = "destroy" };

/* @event: NULL in a listing, which has everything. Its message has what ct_event_print() shows. */
static void xml_flow(const struct instance *inst, const struct ct *ct, const struct ct_event *event, unsigned int flags, struct strbuf *out)
{
	struct strbuf state = STRBUF_INIT;
	bool ended = event && event->kind == CT_EVENT_DESTROY;

	if (event)
		sb_printf(out, "<flow type=\"%s\">", event_words[event->kind]);
	else
		sb_adds(out, "<flow>");
	xml_direction(ct, IP_CT_DIR_ORIGINAL, !event || ended, out);
	xml_direction(ct, IP_CT_DIR_REPLY, !event || ended, out);
	sb_adds(out, "<meta direction=\"independent\">");
	if (event && !ended && !(event->mask & 1 << IPCT_PROTOINFO))
		sb_reset(&state);
	else if (ct_proto_num(ct) == IPPROTO_SCTP)	/* upstream takes the word from TCP's list */
		sb_adds(&state, ct_tcp_state_name(ct->proto.sctp.state));
	else
		state_name(inst, ct, &state);
	if (state.len)
		sb_printf(out, "<state>%s</state>", sb_str(&state));
	sb_free(&state);
	if (!ended || ct_expires_sec(inst, ct))
		sb_printf(out, "<timeout>%u</timeout>", ct_expires_sec(inst, ct));
	if (!event || ct->mark || event->mask & 1 << IPCT_MARK)
		sb_printf(out, "<mark>%u</mark>", ct->mark);
	if (ct->zone.id && ct->zone.dir == CT_ZONE_DIR_BOTH)
		sb_printf(out, "<zone>%u</zone>", ct->zone.id);
	if (!event)
		sb_printf(out, "<use>%u</use>", ct->refs);
	sb_printf(out, "<id>%u</id>", ct_id(inst, ct));
	if (ct->status & IPS_ASSURED)
		sb_adds(out, "<assured/>");
	if (!(ct->status & IPS_SEEN_REPLY))
		sb_adds(out, "<unreplied/>");
	if (!event || ended)
		xml_stamp(inst, ct, flags, out);
	sb_adds(out, "</meta>");
}

void conntrack_xml(const struct instance *inst, const struct ct *ct, unsigned int flags, struct strbuf *out)
{
	xml_flow(inst, ct, NULL, flags, out);
	sb_adds(out, "</flow>");
}

void conntrack_xml_when(struct strbuf *out)
{
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm))
		sb_printf(out, "<when><hour>%d</hour><min>%02d</min><sec>%02d</sec><wday>%d</wday><day>%d</day><month>%d</month><year>%d</year></when>",
			  tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_wday + 1, tm.tm_mday, tm.tm_mon + 1, tm.tm_year + 1900);
}

void conntrack_event_xml(const struct instance *inst, const struct ct_event *event, unsigned int flags, bool with_when, struct strbuf *out)
{
	xml_flow(inst, event->ct, event, flags, out);
	if (with_when)
		conntrack_xml_when(out);
	sb_adds(out, "</flow>");
}

/* --- save --- */

/* What -u takes back. */
static void save_status(uint32_t status, struct strbuf *out)
{
	static const struct { uint32_t bit; const char *word; } words[] = {
		{ IPS_SEEN_REPLY, "SEEN_REPLY" }, { IPS_ASSURED, "ASSURED" }, { IPS_FIXED_TIMEOUT, "FIXED_TIMEOUT" },
	};
	bool any = false;

	sb_adds(out, " -u ");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!(status & words[i].bit))
			continue;
		sb_printf(out, "%s%s", any ? "," : "", words[i].word);
		any = true;
	}
	if (!any)
		sb_adds(out, "UNSET");
}

static void save_ports(const struct ct *ct, struct strbuf *out)
{
	const struct ct_tuple *orig = ct_tuple(ct, IP_CT_DIR_ORIGINAL), *reply = ct_tuple(ct, IP_CT_DIR_REPLY);

	if (has_ports(orig->proto) && orig->proto != IPPROTO_DCCP)	/* nobody tracks it: there are none */
		sb_printf(out, " --sport %u --dport %u --reply-port-src %u --reply-port-dst %u", ntohs(orig->src_l4.port),
			  ntohs(orig->dst_l4.port), ntohs(reply->src_l4.port), ntohs(reply->dst_l4.port));
	else if (orig->proto == IPPROTO_GRE)
		sb_printf(out, " --srckey %u --dstkey %u --reply-key-src %u --reply-key-dst %u", ntohs(orig->src_l4.all),
			  ntohs(orig->dst_l4.all), ntohs(reply->src_l4.all), ntohs(reply->dst_l4.all));
	else if (orig->proto == IPPROTO_ICMP || orig->proto == IPPROTO_ICMPV6)
		sb_printf(out, " --icmp%1$s-type %2$u --icmp%1$s-code %3$u --icmp%1$s-id %4$u",
			  orig->proto == IPPROTO_ICMPV6 ? "v6" : "", orig->dst_l4.icmp.type, orig->dst_l4.icmp.code,
			  ntohs(orig->src_l4.icmp_id));
}

static void save_flow(const struct instance *inst, const struct ct *ct, const struct ct_event *event, struct strbuf *out)
{
	static const char letters[] = { [CT_EVENT_NEW] = 'A', [CT_EVENT_UPDATE] = 'U', [CT_EVENT_DESTROY] = 'D' };
	const struct ct_tuple *orig = ct_tuple(ct, IP_CT_DIR_ORIGINAL), *reply = ct_tuple(ct, IP_CT_DIR_REPLY);
	static const char *const zone_option[] = { [CT_ZONE_DIR_ORIGINAL] = "--orig-zone", [CT_ZONE_DIR_REPLY] = "--reply-zone",
						   [CT_ZONE_DIR_BOTH] = "-w" };
	bool dnat = (ct->status & IPS_DST_NAT_DONE) && !ct_addr_equal(&orig->dst, &reply->src);
	bool snat = (ct->status & IPS_SRC_NAT_DONE) && !ct_addr_equal(&orig->src, &reply->dst);
	struct strbuf state = STRBUF_INIT;
	char text[INET6_ADDRSTRLEN];

	sb_printf(out, "-%c", event ? letters[event->kind] : 'A');
	if (!event || event->kind != CT_EVENT_DESTROY || ct_expires_sec(inst, ct))
		sb_printf(out, " -t %u", ct_expires_sec(inst, ct));
	save_status(ct->status, out);
	if (ct->zone.id)
		sb_printf(out, " %s %u", zone_option[ct->zone.dir & 3], ct->zone.id);
	sb_printf(out, " -s %s", address(orig, &orig->src, text));
	sb_printf(out, " -d %s", address(orig, &orig->dst, text));
	sb_printf(out, " %s %s", dnat ? "-g" : "-r", address(reply, &reply->src, text));
	sb_printf(out, " %s %s", snat ? "-n" : "-q", address(reply, &reply->dst, text));
	if (strcmp(ct_proto_name(orig->proto), "unknown"))
		sb_printf(out, " -p %s", ct_proto_name(orig->proto));
	else
		sb_printf(out, " -p %u", orig->proto);
	save_ports(ct, out);
	if (!event || event->kind == CT_EVENT_DESTROY || event->mask & 1 << IPCT_PROTOINFO)
		state_name(inst, ct, &state);
	if (state.len)
		sb_printf(out, " --state %s", sb_str(&state));
	sb_free(&state);
	if (orig->proto == IPPROTO_SCTP)
		/* upstream neither swaps what -I is given nor what it shows */
		sb_printf(out, " --orig-vtag %u --reply-vtag %u", ct->proto.sctp.vtag[0], ct->proto.sctp.vtag[1]);
}

void conntrack_save(const struct instance *inst, const struct ct *ct, struct strbuf *out) { save_flow(inst, ct, NULL, out); }

void conntrack_event_save(const struct instance *inst, const struct ct_event *event, struct strbuf *out)
{
	save_flow(inst, event->ct, event, out);
}

/* --- json --- */

static json_t *json_direction(const struct ct *ct, int dir)
{
	const struct ct_tuple *t = ct_tuple(ct, dir);
	const struct ct_counter *counter = ct_counter(ct, dir);
	json_t *o = json_object();
	char text[INET6_ADDRSTRLEN];

	json_object_set_new(o, "src", json_string(address(t, &t->src, text)));
	json_object_set_new(o, "dst", json_string(address(t, &t->dst, text)));
	if (has_ports(t->proto)) {
		json_object_set_new(o, "sport", json_integer(ntohs(t->src_l4.port)));
		json_object_set_new(o, "dport", json_integer(ntohs(t->dst_l4.port)));
	} else if (t->proto == IPPROTO_GRE) {
		json_object_set_new(o, "srckey", json_integer(ntohs(t->src_l4.all)));
		json_object_set_new(o, "dstkey", json_integer(ntohs(t->dst_l4.all)));
	} else if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
		json_object_set_new(o, "type", json_integer(t->dst_l4.icmp.type));
		json_object_set_new(o, "code", json_integer(t->dst_l4.icmp.code));
		json_object_set_new(o, "id", json_integer(ntohs(t->src_l4.icmp_id)));
	}
	if (counter) {
		json_object_set_new(o, "packets", json_integer((json_int_t)counter->packets));
		json_object_set_new(o, "bytes", json_integer((json_int_t)counter->bytes));
	}
	return o;
}

static void json_flow(const struct instance *inst, const struct ct *ct, const struct ct_event *event, struct strbuf *out)
{
	struct strbuf state = STRBUF_INIT;
	json_t *o = json_object();
	char *text;

	if (event)
		json_object_set_new(o, "event", json_string(event_words[event->kind]));
	json_object_set_new(o, "family", json_string(ct_family(ct) == NFPROTO_IPV4 ? "ipv4" : "ipv6"));
	json_object_set_new(o, "protocol", json_string(ct_proto_name(ct_proto_num(ct))));
	json_object_set_new(o, "protonum", json_integer(ct_proto_num(ct)));
	json_object_set_new(o, "timeout", json_integer(ct_expires_sec(inst, ct)));
	state_name(inst, ct, &state);
	if (state.len)
		json_object_set_new(o, "state", json_string(sb_str(&state)));
	sb_free(&state);
	json_object_set_new(o, "original", json_direction(ct, IP_CT_DIR_ORIGINAL));
	json_object_set_new(o, "reply", json_direction(ct, IP_CT_DIR_REPLY));
	json_object_set_new(o, "replied", json_boolean(ct->status & IPS_SEEN_REPLY));
	json_object_set_new(o, "assured", json_boolean(ct->status & IPS_ASSURED));
	json_object_set_new(o, "mark", json_integer(ct->mark));
	if (ct->zone.id) {
		json_object_set_new(o, "zone", json_integer(ct->zone.id));
		json_object_set_new(o, "zone_direction", json_string(ct->zone.dir == CT_ZONE_DIR_ORIGINAL ? "original" :
								     ct->zone.dir == CT_ZONE_DIR_REPLY ? "reply" : "both"));
	}
	if (ct_helper_of(ct))
		json_object_set_new(o, "helper", json_string(ct_helper_of(ct)->name));
	json_object_set_new(o, "id", json_integer(ct_id(inst, ct)));
	text = json_dumps(o, JSON_COMPACT);
	sb_adds(out, text ? text : "{}");
	free(text);
	json_decref(o);
}

void conntrack_json(const struct instance *inst, const struct ct *ct, struct strbuf *out) { json_flow(inst, ct, NULL, out); }

void conntrack_event_json(const struct instance *inst, const struct ct_event *event, struct strbuf *out)
{
	json_flow(inst, event->ct, event, out);
}
