/*
 * cli/conntrack_cmd.c - the `conntrack` command: -L -D -U -I -A -G -F -C -S on connections.
 * What it does to the table is ctnetlink's business (conntrack/control.h); which connections are meant, and what
 * is printed, is decided here as conntrack-tools 1.4.7 do.
 */
#include "cli/conntrack_cmd.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/conntrack_args.h"
#include "cli/conntrack_forms.h"
#include "conntrack/control.h"
#include "conntrack/labels.h"

enum { EXIT_FAILED = 1 };

/* --- which connections are meant --- */

static bool field_matches(const struct conntrack_args *args, const struct ct *ct, enum conntrack_field field)
{
	const struct ct_tuple *orig = ct_tuple(ct, IP_CT_DIR_ORIGINAL), *reply = ct_tuple(ct, IP_CT_DIR_REPLY);

	if (orig->proto == IPPROTO_GRE && field >= FIELD_ORIG_SPORT && field <= FIELD_REPLY_DPORT)
		return true;		/* upstream's library compares ports, not keys */
	switch (field) {
	case FIELD_ORIG_SRC:
		return args_have(args, OPT_MASK_SRC) || ct_addr_equal(&args->orig.src, &orig->src);
	case FIELD_ORIG_DST:
		return args_have(args, OPT_MASK_DST) || ct_addr_equal(&args->orig.dst, &orig->dst);
	case FIELD_REPLY_SRC:
		return ct_addr_equal(&args->reply.src, &reply->src);
	case FIELD_REPLY_DST:
		return ct_addr_equal(&args->reply.dst, &reply->dst);
	case FIELD_ORIG_FAMILY:
	case FIELD_REPLY_FAMILY:
		return orig->family == args->family;
	case FIELD_PROTO:
		return orig->proto == args->orig.proto;
	case FIELD_ORIG_SPORT:
		return orig->src_l4.port == args->orig.src_l4.port;
	case FIELD_ORIG_DPORT:
		return orig->dst_l4.port == args->orig.dst_l4.port;
	case FIELD_REPLY_SPORT:
		return reply->src_l4.port == args->reply.src_l4.port;
	case FIELD_REPLY_DPORT:
		return reply->dst_l4.port == args->reply.dst_l4.port;
	case FIELD_ICMP_TYPE:
		return orig->dst_l4.icmp.type == args->orig.dst_l4.icmp.type;
	case FIELD_ICMP_CODE:
		return orig->dst_l4.icmp.code == args->orig.dst_l4.icmp.code;
	case FIELD_ICMP_ID:
		return orig->src_l4.icmp_id == args->orig.src_l4.icmp_id;
	case FIELD_TCP_STATE:
		return orig->proto == IPPROTO_TCP && ct->proto.tcp.state == args->tcp_state;
	case FIELD_SCTP_STATE:
		return orig->proto == IPPROTO_SCTP && ct->proto.sctp.state == args->sctp.state;
	case FIELD_DCCP_STATE:
		return false;
	}
	return true;
}

static bool fields_match(const struct conntrack_args *args, const struct ct *ct, uint32_t fields)
{
	for (enum conntrack_field field = 0; fields >> field; field++) {
		if ((fields & 1u << field) && !field_matches(args, ct, field))
			return false;
	}
	return true;
}

/* Was this half translated, and to what was asked for? Nothing asked: any translation will do. */
static bool half_matches(const struct nat_filter *filter, const struct ct *ct, bool is_source)
{
	const struct ct_tuple *orig = ct_tuple(ct, IP_CT_DIR_ORIGINAL), *reply = ct_tuple(ct, IP_CT_DIR_REPLY);
	bool done = ct->status & (is_source ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE);
	const union nf_inet_addr *before = is_source ? &orig->src : &orig->dst;
	const union nf_inet_addr *after = is_source ? &reply->dst : &reply->src;
	be16 port_before = is_source ? orig->src_l4.all : orig->dst_l4.all;
	be16 port_after = is_source ? reply->dst_l4.all : reply->src_l4.all;
	bool has_addr = filter->addr_family == NFPROTO_IPV4;	/* upstream looks at no others */
	bool addr_changed = done && !ct_addr_equal(before, after), port_changed = done && port_before != port_after;
	bool is_icmp = orig->proto == IPPROTO_ICMP || orig->proto == IPPROTO_ICMPV6;

	if (has_addr && !(addr_changed && orig->family == NFPROTO_IPV4 && after->ip == filter->addr.ip))
		return false;
	if (filter->has_port && !(port_changed && filter->port == (is_icmp ? 0 : port_after)))
		return false;
	return has_addr || filter->has_port || addr_changed || port_changed;
}

static bool nat_matches(const struct conntrack_args *args, const struct ct *ct)
{
	if (args_have(args, OPT_ANY_NAT))
		return half_matches(&args->snat, ct, true) || half_matches(&args->dnat, ct, false);
	return (!args_have(args, OPT_SRC_NAT) || half_matches(&args->snat, ct, true)) &&
	       (!args_have(args, OPT_DST_NAT) || half_matches(&args->dnat, ct, false));
}

static bool network_matches(const union nf_inet_addr *addr, const union nf_inet_addr *net,
			    const union nf_inet_addr *mask)
{
	for (int i = 0; i < 4; i++) {
		if ((addr->all[i] ^ net->all[i]) & mask->all[i])
			return false;
	}
	return true;
}

static bool networks_match(const struct conntrack_args *args, const struct ct *ct)
{
	const struct ct_tuple *orig = ct_tuple(ct, IP_CT_DIR_ORIGINAL);

	if (args_have(args, OPT_MASK_SRC) &&
	    (orig->family != args->family || !network_matches(&orig->src, &args->orig.src, &args->mask_src)))
		return false;
	return !args_have(args, OPT_MASK_DST) ||
	       (orig->family == args->family && network_matches(&orig->dst, &args->orig.dst, &args->mask_dst));
}

static uint16_t zone_of(const struct ct *ct, uint8_t dir)
{
	return ct->zone.dir == dir ? ct->zone.id : 0;
}

static bool has_labels(const struct ct *ct, const uint8_t wanted[CT_LABEL_BYTES])
{
	const uint8_t *labels = ct_labels(ct);

	for (int i = 0; i < CT_LABEL_BYTES; i++)
		if (wanted[i] & ~(labels ? labels[i] : 0))
			return false;
	return true;
}

static bool values_match(const struct instance *inst, const struct conntrack_args *args, const struct ct *ct)
{
	if (args_have(args, OPT_MARK) && (ct->mark & args->mark_mask) != args->mark)
		return false;
	if (args_have(args, OPT_STATUS) && (ct->status & args->status) != args->status)
		return false;
	if (args_have(args, OPT_STATUS) && args->cmd == CMD_LIST && (ct->status & args->status_mask) != args->status)
		return false;
	if (args_have(args, OPT_ID) && ct_id(inst, ct) != args->id)
		return false;
	if (args_have(args, OPT_ZONE) && zone_of(ct, CT_ZONE_DIR_BOTH) != args->zone)
		return false;
	if (args_have(args, OPT_LABEL) && !has_labels(ct, args->labels))
		return false;
	return (!args_have(args, OPT_ORIG_ZONE) || zone_of(ct, CT_ZONE_DIR_ORIGINAL) == args->orig_zone) &&
	       (!args_have(args, OPT_REPLY_ZONE) || zone_of(ct, CT_ZONE_DIR_REPLY) == args->reply_zone);
}

/* Options that make a listing or a deletion look at the tuple, the timeout and the state at all. */
#define COMPARED (1u << OPT_ORIG_SRC | 1u << OPT_ORIG_DST | 1u << OPT_REPLY_SRC | 1u << OPT_REPLY_DST | \
		  1u << OPT_PROTO | 1u << OPT_MARK | 1u << OPT_SECMARK | 1u << OPT_STATUS | 1u << OPT_ID | 1u << OPT_ZONE | \
		  1u << OPT_ORIG_ZONE | 1u << OPT_REPLY_ZONE)

bool conntrack_is_meant(const struct instance *inst, const struct conntrack_args *args, const struct ct *ct)
{
	if (args->family && ct_family(ct) != args->family)
		return false;
	if (!nat_matches(args, ct) || !networks_match(args, ct) || !values_match(inst, args, ct))
		return false;
	if (!(args->options & COMPARED))
		return true;
	if (args_have(args, OPT_TIMEOUT) && ct_expires_sec(inst, ct) != args->timeout_sec)
		return false;
	return fields_match(args, ct, args->fields);
}

/* -U: values are what shall become, so only the tuple and the NAT are looked at. */
static bool is_meant_for_update(const struct instance *inst, const struct conntrack_args *args,
				const struct ct *ct)
{
	const uint32_t all = ~(1u << FIELD_TCP_STATE | 1u << FIELD_SCTP_STATE | 1u << FIELD_DCCP_STATE);

	if (args->family && ct_family(ct) != args->family)
		return false;
	if (!nat_matches(args, ct) || !networks_match(args, ct) ||
	    (args_have(args, OPT_ID) && ct_id(inst, ct) != args->id))
		return false;
	return fields_match(args, ct, args->fields & all);
}

/* --- a walk that may change the table: who is meant is noted first --- */

struct noted { struct ct *ct; char *text; };

struct walk {
	struct instance *inst;
	const struct conntrack_args *args;
	struct strbuf *out;
	struct noted *noted;
	size_t count, room;
	bool no_memory;
};

static unsigned int text_flags(const struct conntrack_args *args, bool with_stamp)
{
	return (args->output & OUTPUT_EXTENDED ? CT_TEXT_EXTENDED : 0) | (args->output & OUTPUT_ID ? CT_TEXT_ID : 0) |
	       (args->output & OUTPUT_LABELS ? CT_TEXT_LABELS : 0) |
	       (with_stamp && (args->output & OUTPUT_KERNEL_STAMP) ? CT_TEXT_TIMESTAMP : 0);
}

unsigned int conntrack_text_flags(const struct conntrack_args *args)
{
	return text_flags(args, true);
}

static bool is_due(const struct instance *inst, const struct ct *ct)
{
	return (int32_t)(ct->expires_tick - (uint32_t)inst_jiffies(inst)) <= 0;
}

static void print_as(const struct instance *inst, const struct ct *ct, const struct conntrack_args *args, bool with_stamp,
		     struct strbuf *out)
{
	if (args->output & OUTPUT_XML)
		conntrack_xml(inst, ct, text_flags(args, with_stamp), out);
	else if (args->output & OUTPUT_SAVE)
		conntrack_save(inst, ct, out);
	else if (args->output & OUTPUT_JSON)
		conntrack_json(inst, ct, out);
	else
		ct_print(inst, ct, text_flags(args, with_stamp), out);
}

static char *line_of(const struct walk *walk, const struct ct *ct)
{
	const struct ct_event ended = { .ct = ct, .kind = CT_EVENT_DESTROY };
	struct strbuf line = STRBUF_INIT;

	if (walk->args->output & OUTPUT_SAVE && walk->args->cmd == CMD_DELETE)
		conntrack_event_save(walk->inst, &ended, &line);
	else
		print_as(walk->inst, ct, walk->args, walk->args->output & OUTPUT_XML, &line);
	return line.s;
}

static bool note(struct walk *walk, struct ct *ct)
{
	if (walk->count == walk->room) {
		size_t room = walk->room ? 2 * walk->room : 64;
		struct noted *more = realloc(walk->noted, room * sizeof(*more));

		if (!more) {
			walk->no_memory = true;
			return false;
		}
		walk->noted = more;
		walk->room = room;
	}
	walk->noted[walk->count].text = line_of(walk, ct);
	walk->noted[walk->count++].ct = ct;
	ct_get(ct);
	return true;
}

static bool note_meant(void *priv, struct ct *ct)
{
	struct walk *walk = priv;

	if (is_due(walk->inst, ct) || !conntrack_is_meant(walk->inst, walk->args, ct))
		return true;
	return note(walk, ct);
}

static bool note_for_update(void *priv, struct ct *ct)
{
	struct walk *walk = priv;

	if (is_due(walk->inst, ct) || !is_meant_for_update(walk->inst, walk->args, ct))
		return true;
	return note(walk, ct);
}

static void walk_end(struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		ct_put(walk->inst, walk->noted[i].ct);
		free(walk->noted[i].text);
	}
	free(walk->noted);
}

/* --- errors --- */

static const char *error_text(int err, enum conntrack_cmd cmd)
{
	bool is_new = cmd == CMD_CREATE || cmd == CMD_ADD;

	switch (err) {
	case EINVAL:
		return cmd == CMD_ADD ? strerror(err) : "invalid parameters";
	case EEXIST:
		return cmd == CMD_CREATE ? "Such conntrack exists, try -U to update" : strerror(err);
	case ENOENT:
		return is_new || cmd == CMD_GET || cmd == CMD_DELETE ? "such conntrack doesn't exist" : strerror(err);
	case ENOMEM:
		return is_new || cmd == CMD_GET ? "not enough memory" : strerror(err);
	case EPERM:
		return "sorry, you must be root or get CAP_NET_ADMIN capability to do this";
	default:
		return strerror(err);
	}
}

static int failed(int err, enum conntrack_cmd cmd, struct strbuf *errors)
{
	conntrack_say(errors, "Operation failed: %s", error_text(err, cmd));
	return EXIT_FAILED;
}

/* --- commands --- */

struct listing { struct instance *inst; const struct conntrack_args *args; struct strbuf *out; unsigned int shown; };

static bool show_one(void *priv, struct ct *ct)
{
	struct listing *listing = priv;

	if (is_due(listing->inst, ct) || !conntrack_is_meant(listing->inst, listing->args, ct))
		return true;
	if (listing->args->output & OUTPUT_XML && !listing->shown)
		sb_adds(listing->out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n");
	print_as(listing->inst, ct, listing->args, true, listing->out);
	sb_addc(listing->out, '\n');
	listing->shown++;
	if (args_have(listing->args, OPT_ZERO) && ct->extra)
		memset(ct->extra->acct, 0, sizeof(ct->extra->acct));
	return true;
}

static int list(struct instance *inst, const struct conntrack_args *args, struct strbuf *out, struct strbuf *err)
{
	struct listing listing = { .inst = inst, .args = args, .out = out };

	if (args->table == TABLE_CONNTRACK) {
		if (args_have(args, OPT_ZERO) && (args->options & COMPARED)) {
			conntrack_say(err, "Can't use -z with filtering parameters");
			sb_adds(err, "Try `conntrack -h' or 'conntrack --help' for more information.\n");
			return 2;
		}
		if (args_have(args, OPT_STATUS) && !args->status_mask)
			return failed(EINVAL, CMD_LIST, err);
		ct_each(inst, show_one, &listing);
		if (args->output & OUTPUT_XML && listing.shown)
			sb_adds(out, "</conntrack>\n");
	}
	conntrack_say(err, "%u flow entries have been shown.", listing.shown);
	return 0;
}

static int delete(struct instance *inst, const struct conntrack_args *args, struct strbuf *out, struct strbuf *err)
{
	struct walk walk = { .inst = inst, .args = args, .out = out };
	unsigned int deleted = 0;

	ct_each(inst, note_meant, &walk);
	for (size_t i = 0; i < walk.count; i++) {
		if (!ct_kill(inst, walk.noted[i].ct))
			continue;	/* went with another one */
		sb_printf(out, "%s\n", walk.noted[i].text ? walk.noted[i].text : "");
		deleted++;
	}
	walk_end(&walk);
	if (walk.no_memory)
		return failed(ENOMEM, CMD_DELETE, err);
	if (args->is_from_file)
		return 0;
	conntrack_say(err, "%u flow entries have been deleted.", deleted);
	return deleted ? 0 : EXIT_FAILED;
}

/*
 * -U asks the kernel twice for each connection, to change it and to show it, but takes one message off its
 * socket for each question while the second brings two. So it falls behind: it shows and blames what lies there.
 */
struct replies {
	struct reply { char *text; int err; } *queue;
	size_t first, count, room;
};

static bool reply_push(struct replies *replies, char *text, int err)
{
	if (replies->count == replies->room) {
		size_t room = replies->room ? 2 * replies->room : 64;
		struct reply *more = realloc(replies->queue, room * sizeof(*more));

		if (!more) {
			free(text);
			return false;
		}
		replies->queue = more;
		replies->room = room;
	}
	replies->queue[replies->count++] = (struct reply){ .text = text, .err = err };
	return true;
}

/* The oldest message: its error, or 0; @out gets a line of data when it is wanted. */
static int reply_take(struct replies *replies, struct strbuf *out)
{
	struct reply *reply;

	if (replies->first == replies->count)
		return 0;
	reply = &replies->queue[replies->first++];
	if (reply->text && out)
		sb_printf(out, "%s\n", reply->text);
	free(reply->text);
	return reply->err;
}

static void replies_free(struct replies *replies)
{
	while (replies->first < replies->count)
		reply_take(replies, NULL);
	free(replies->queue);
}

/* Only where that changes something. */
static void fill_labels(const struct conntrack_args *args, const struct ct *ct, struct ct_request *req)
{
	const uint8_t *labels = ct_labels(ct);

	for (int i = 0; i < CT_LABEL_BYTES; i++) {
		uint8_t old = labels ? labels[i] : 0;

		req->labels[i] = (uint8_t)((old & ~args->labels_clear[i]) | args->labels_set[i]);
		req->has_labels |= req->labels[i] != old;
	}
}

static void fill_values(const struct conntrack_args *args, struct ct_request *req)
{
	req->has_timeout = args_have(args, OPT_TIMEOUT);
	req->timeout_sec = args->timeout_sec;
	req->has_tcp_state = args->fields & 1u << FIELD_TCP_STATE;
	req->tcp_state = args->tcp_state;
	req->has_tcp_flags = args->is_tcp;
	/* What was made by hand has no window to be in. */
	req->tcp_flags = IP_CT_TCP_FLAG_BE_LIBERAL | IP_CT_TCP_FLAG_SACK_PERM;
	if (req->has_tcp_state && req->tcp_state >= TCP_CONNTRACK_TIME_WAIT)
		req->tcp_flags |= IP_CT_TCP_FLAG_CLOSE_INIT;
	req->has_sctp = (args->fields & 1u << FIELD_SCTP_STATE) && args->has_vtag[0] && args->has_vtag[1];
	req->sctp.state = args->sctp.state;
	memcpy(req->sctp.vtag, args->sctp.vtag, sizeof(req->sctp.vtag));
	req->has_snat = args->snat.addr_family || args->snat.has_port;
	req->has_dnat = args->dnat.addr_family || args->dnat.has_port;
}

static bool is_unchanged(const struct walk *walk, const struct ct *ct, const struct ct_request *req)
{
	return (!req->has_timeout || ct_expires_sec(walk->inst, ct) == req->timeout_sec) &&
	       (!req->has_status || (ct->status & req->status) == req->status) &&
	       (!req->has_mark || ct->mark == req->mark) && !req->has_labels &&
	       (!req->has_tcp_state || (ct_proto_num(ct) == IPPROTO_TCP && ct->proto.tcp.state == req->tcp_state)) &&
	       (!(walk->args->fields & 1u << FIELD_SCTP_STATE) ||
		(ct_proto_num(ct) == IPPROTO_SCTP && ct->proto.sctp.state == req->sctp.state));
}

static void ask_to_change(struct walk *walk, struct ct *ct, const struct ct_request *req, struct replies *replies)
{
	int err;

	if (!walk->args->family)
		err = EOPNOTSUPP;	/* the request names no family: nothing can be looked up */
	else if (zone_of(ct, CT_ZONE_DIR_BOTH) || zone_of(ct, CT_ZONE_DIR_ORIGINAL))
		err = ENOENT;		/* nor does it name a zone */
	else if (walk->args->fields & 1u << FIELD_SCTP_STATE && !req->has_sctp)
		err = EINVAL;		/* its state comes with both tags or not at all */
	else
		err = -ct_control_change(walk->inst, ct, req);
	reply_push(replies, NULL, err);
}

static void ask_to_show(struct walk *walk, struct ct *ct, struct replies *replies)
{
	if (!walk->args->family) {
		reply_push(replies, NULL, EOPNOTSUPP);
	} else if (ct_is_dying(ct) || zone_of(ct, CT_ZONE_DIR_BOTH) || zone_of(ct, CT_ZONE_DIR_ORIGINAL)) {
		reply_push(replies, NULL, ENOENT);
	} else {
		reply_push(replies, line_of(walk, ct), 0);
		reply_push(replies, NULL, 0);
	}
}

static int update(struct instance *inst, const struct conntrack_args *args, struct strbuf *out, struct strbuf *err)
{
	struct walk walk = { .inst = inst, .args = args, .out = out };
	struct replies replies = { .queue = NULL };
	unsigned int updated = 0;
	int fatal = 0;

	ct_each(inst, note_for_update, &walk);
	for (size_t i = 0; i < walk.count && !fatal; i++) {
		struct ct *ct = walk.noted[i].ct;
		struct ct_request req = { .has_status = args_have(args, OPT_STATUS), .has_mark = args_have(args, OPT_MARK) };
		int error;

		fill_values(args, &req);
		req.status = ct->status | args->status;
		req.mark = (ct->mark & ~args->mark_mask) ^ args->mark;
		req.mark_mask = ~0u;
		fill_labels(args, ct, &req);
		if (is_unchanged(&walk, ct, &req) && !req.has_snat && !req.has_dnat)
			continue;
		ask_to_change(&walk, ct, &req, &replies);
		error = reply_take(&replies, NULL);
		if (error)
			sb_printf(err, "Operation failed: %s\n", error_text(error, CMD_UPDATE));
		ask_to_show(&walk, ct, &replies);
		error = reply_take(&replies, out);
		if (error == 0)
			updated++;
		else if (error != ENOENT)
			fatal = error;
	}
	replies_free(&replies);
	walk_end(&walk);
	if (fatal || walk.no_memory)
		return failed(fatal ? fatal : ENOMEM, CMD_UPDATE, err);
	if (args->is_from_file)
		return 0;
	conntrack_say(err, "%u flow entries have been updated.", updated);
	return updated ? 0 : EXIT_FAILED;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP || proto == IPPROTO_GRE;
}

/* The tuples that were given; the one that was not is the other turned round. */
static int fill_tuples(const struct conntrack_args *args, struct ct_request *req)
{
	bool has_orig = args_have(args, OPT_ORIG_SRC) || args_have(args, OPT_ORIG_DST);
	bool has_reply = args_have(args, OPT_REPLY_SRC) || args_have(args, OPT_REPLY_DST);
	const uint32_t reply_ports = 1u << FIELD_REPLY_SPORT | 1u << FIELD_REPLY_DPORT;

	req->orig = args->orig;
	req->reply = args->reply;
	if (!has_ports(args->orig.proto) && args->orig.proto != IPPROTO_ICMP && args->orig.proto != IPPROTO_ICMPV6) {
		req->orig.src_l4.all = req->orig.dst_l4.all = 0;	/* its tracker knows none */
		req->reply.src_l4.all = req->reply.dst_l4.all = 0;
	}
	req->has_orig = req->has_reply = true;
	if (!has_orig)
		return ct_tuple_invert(&req->orig, &req->reply) ? 0 : -EINVAL;
	if (!ct_tuple_invert(&req->reply, &req->orig))
		return -EINVAL;
	if (!has_reply)
		return 0;
	if (!args_have(args, OPT_REPLY_SRC) || !args_have(args, OPT_REPLY_DST))
		return -EINVAL;
	req->reply.src = args->reply.src;
	req->reply.dst = args->reply.dst;
	if (has_ports(args->orig.proto)) {
		if ((args->fields & reply_ports) != reply_ports)
			return -EINVAL;
		req->reply.src_l4 = args->reply.src_l4;
		req->reply.dst_l4 = args->reply.dst_l4;
	}
	return 0;
}

/* A direction's zone cannot be given beside another zone. */
static int fill_zone(const struct conntrack_args *args, struct ct_zone *zone)
{
	const struct { enum conntrack_opt opt; uint16_t id; uint8_t dir; } halves[] = {
		{ OPT_ORIG_ZONE, args->orig_zone, CT_ZONE_DIR_ORIGINAL },
		{ OPT_REPLY_ZONE, args->reply_zone, CT_ZONE_DIR_REPLY },
	};

	*zone = (struct ct_zone){ .id = args->zone, .dir = CT_ZONE_DIR_BOTH };
	for (size_t i = 0; i < ARRAY_SIZE(halves); i++) {
		if (!args_have(args, halves[i].opt))
			continue;
		if (zone->id)
			return -EINVAL;
		zone->id = halves[i].id;
		zone->dir = halves[i].dir;
	}
	return 0;
}

static void fill_range(const struct nat_filter *filter, uint8_t proto, struct nf_nat_range2 *range)
{
	if (filter->addr_family) {
		range->flags |= NF_NAT_RANGE_MAP_IPS;
		range->min_addr = range->max_addr = filter->addr;
	}
	if (filter->has_port && (proto == IPPROTO_TCP || proto == IPPROTO_UDP)) {	/* upstream's library sends no others */
		range->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
		range->min_proto.all = range->max_proto.all = filter->port;
	}
}

static int create(struct instance *inst, const struct conntrack_args *args, struct strbuf *err)
{
	struct ct_request req = { .has_status = args_have(args, OPT_STATUS), .status = args->status | IPS_CONFIRMED,
				  .has_mark = args_have(args, OPT_MARK), .mark = args->mark, .mark_mask = ~0u };
	int error = fill_tuples(args, &req);

	if (!error)
		error = fill_zone(args, &req.zone);
	if (!error) {
		fill_values(args, &req);
		fill_range(&args->snat, args->orig.proto, &req.snat);
		fill_range(&args->dnat, args->orig.proto, &req.dnat);
		error = ct_control_new(inst, &req);
	}
	if (error == -EEXIST && args->cmd == CMD_ADD) {
		if (!args->is_from_file)
			conntrack_say(err, "0 flow entries have been added.");
		return 0;
	}
	if (error)
		return failed(-error, args->cmd, err);
	if (!args->is_from_file)
		conntrack_say(err, "1 flow entries have been %s.", args->cmd == CMD_ADD ? "added" : "created");
	return 0;
}

static int get(struct instance *inst, const struct conntrack_args *args, struct strbuf *out, struct strbuf *err)
{
	const struct ct_zone zone = { .dir = CT_ZONE_DIR_BOTH };
	struct ct_request req = { .has_orig = false };
	bool by_reply = !args_have(args, OPT_ORIG_SRC);
	struct ct *ct = NULL;
	int dir;

	if (!args->family)
		return failed(EOPNOTSUPP, CMD_GET, err);
	if (fill_tuples(args, &req))
		return failed(EINVAL, CMD_GET, err);
	ct = ct_find(inst, &zone, by_reply ? &req.reply : &req.orig, &dir);
	if (!ct)
		return failed(ENOENT, CMD_GET, err);
	if (!fields_match(args, ct, args->fields)) {	/* DCCP's ports, which nobody keeps */
		ct_put(inst, ct);
		conntrack_say(err, "0 flow entries have been shown.");
		return EXIT_FAILED;
	}
	if (args->output & OUTPUT_XML)
		sb_adds(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n");
	print_as(inst, ct, args, true, out);
	sb_addc(out, '\n');
	ct_put(inst, ct);		/* what -o xml opened stays open, as upstream has it */
	conntrack_say(err, "1 flow entries have been shown.");
	return 0;
}

static int flush(struct instance *inst, const struct conntrack_args *args, struct strbuf *err)
{
	ct_control_flush(inst);
	conntrack_say(err, "connection tracking table has been emptied.");
	return 0;
}

/* As of a machine with one CPU. */
static int show_stats(struct instance *inst, struct strbuf *out)
{
	const struct ct_stats *s = ct_stats(inst);

	sb_printf(out, "cpu=0   \tfound=%llu invalid=%llu insert=%llu insert_failed=%llu drop=%llu early_drop=%llu error=%llu "
		  "search_restart=0 clash_resolve=%llu chaintoolong=0 \n", (unsigned long long)s->found,
		  (unsigned long long)s->invalid, (unsigned long long)s->insert, (unsigned long long)s->insert_failed,
		  (unsigned long long)s->drop, (unsigned long long)s->early_drop, (unsigned long long)s->error,
		  (unsigned long long)s->clash_resolved);
	return 0;
}

int conntrack_check_masks(const struct conntrack_args *args, struct strbuf *err)
{
	const char *half = NULL;

	if (args_have(args, OPT_MASK_SRC) && !args_have(args, OPT_ORIG_SRC))
		half = "src";
	else if (args_have(args, OPT_MASK_DST) && !args_have(args, OPT_ORIG_DST))
		half = "dst";
	if (!half)
		return 0;
	conntrack_say(err, "Can't use --mask-%s without --%s", half, half);
	sb_adds(err, "Try `conntrack -h' or 'conntrack --help' for more information.\n");
	return 2;
}

int conntrack_carry_out(struct instance *inst, const struct conntrack_args *args, struct strbuf *out, struct strbuf *err)
{
	int code = conntrack_check_masks(args, err);

	if (code)
		return code;
	if (args->table == TABLE_EXPECT && args->cmd != CMD_VERSION && args->cmd != CMD_HELP)
		return conntrack_expect_command(inst, args, out, err);
	switch (args->cmd) {
	case CMD_LIST:
		return list(inst, args, out, err);
	case CMD_DELETE:
		return delete(inst, args, out, err);
	case CMD_UPDATE:
		return update(inst, args, out, err);
	case CMD_CREATE:
	case CMD_ADD:
		return create(inst, args, err);
	case CMD_GET:
		return get(inst, args, out, err);
	case CMD_FLUSH:
		return flush(inst, args, err);
	case CMD_COUNT:
		sb_printf(out, "%u\n", ct_count(inst));
		return 0;
	case CMD_STATS:
		return show_stats(inst, out);
	case CMD_VERSION:
		sb_adds(out, "conntrack v1.4.7 (conntrack-tools)\n");
		return 0;
	case CMD_EVENT:
		conntrack_say(err, "-E follows a daemon: weir conntrack -E");
		return 1;
	case CMD_NONE:
	case CMD_HELP:
		sb_adds(out, "weir serves these of conntrack's commands: -L -D -U -I -A -G -F -E -C -S -R -V, with its options.\n");
		return 0;
	}
	return EXIT_FAILED;
}

int conntrack_command(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err)
{
	struct conntrack_args args;
	int code;

	if (conntrack_is_file(argc, argv))
		return conntrack_file_command(inst, argv[2], out, err);
	code = conntrack_parse(inst, &args, argc, argv, err);
	return code ? code : conntrack_carry_out(inst, &args, out, err);
}
