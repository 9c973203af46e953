/*
 * cli/conntrack_expect.c - the `conntrack` command on expectations: -L -I -D -G -F -C -S.
 * Exit codes and silence are upstream's: -I says nothing, and -D counts what it showed, which is nothing.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "cli/conntrack_args.h"
#include "cli/conntrack_cmd.h"
#include "cli/conntrack_forms.h"
#include "conntrack/control.h"
#include "conntrack/expect.h"
#include "conntrack/helper.h"

enum { EXIT_FAILED = 1 };

void conntrack_text_when(struct strbuf *out)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	sb_printf(out, "[%-8lld.%-6lld]\t", (long long)now.tv_sec, (long long)now.tv_usec);
}

/* One of the three that an expectation has: @what is <expected>, <mask> or <master>, of layer 3 or 4. */
static void xml_ends(const char *what, const struct ct_tuple *of, bool is_layer4, struct strbuf *out)
{
	const int af = of->family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	sb_printf(out, "<%s>", what);
	if (!is_layer4)
		sb_printf(out, "<src>%s</src><dst>%s</dst>", inet_ntop(af, &of->src, src, sizeof(src)), inet_ntop(af, &of->dst, dst, sizeof(dst)));
	else if (of->proto == IPPROTO_GRE)
		sb_printf(out, "<srckey>0x%x</srckey><dstkey>0x%x</dstkey>", ntohs(of->src_l4.all), ntohs(of->dst_l4.all));
	else if (of->proto != IPPROTO_ICMP && of->proto != IPPROTO_ICMPV6)
		sb_printf(out, "<sport>%u</sport><dport>%u</dport>", ntohs(of->src_l4.port), ntohs(of->dst_l4.port));
	sb_printf(out, "</%s>", what);
}

static void xml(const struct instance *inst, const struct ct_expect *exp, const char *event, bool with_when, struct strbuf *out)
{
	struct ct_tuple mask = exp->tuple;
	const struct { const char *what; const struct ct_tuple *tuple; } ends[] = {
		{ "expected", &exp->tuple }, { "mask", &mask }, { "master", ct_tuple(exp->master, IP_CT_DIR_ORIGINAL) },
	};
	const bool v4 = exp->tuple.family == NFPROTO_IPV4;

	mask.src = exp->mask_src;
	mask.src_l4.all = exp->mask_src_port;
	memset(&mask.dst, 0xff, sizeof(mask.dst));
	mask.dst_l4.all = UINT16_MAX;
	if (event)
		sb_printf(out, "<flow type=\"%s\">", event);
	else
		sb_adds(out, "<flow>");
	sb_printf(out, "<layer3 protonum=\"%d\" protoname=\"%s\">", v4 ? AF_INET : AF_INET6, v4 ? "ipv4" : "ipv6");
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		xml_ends(ends[i].what, ends[i].tuple, false, out);
	sb_printf(out, "</layer3><layer4 protonum=\"%u\" protoname=\"%s\">", exp->tuple.proto, ct_proto_name(exp->tuple.proto));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		xml_ends(ends[i].what, ends[i].tuple, true, out);
	sb_adds(out, "</layer4><meta>");
	if (exp->helper)
		sb_printf(out, "<helper-name>%s</helper-name>", exp->helper->name);
	sb_printf(out, "<timeout>%u</timeout><class>%u</class>", ct_expect_left_sec(inst, exp), exp->class);
	if (with_when)
		conntrack_xml_when(out);
	sb_printf(out, "%s%s%s</meta></flow>", exp->flags & NF_CT_EXPECT_PERMANENT ? "<permanent/>" : "",
		  exp->flags & NF_CT_EXPECT_INACTIVE ? "<inactive/>" : "", exp->flags & NF_CT_EXPECT_USERSPACE ? "<userspace/>" : "");
}

static json_t *json_ends(const struct ct_tuple *of)
{
	const int af = of->family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	return json_pack("{s:s,s:s,s:i,s:i}", "src", inet_ntop(af, &of->src, src, sizeof(src)), "dst", inet_ntop(af, &of->dst, dst, sizeof(dst)),
			 of->proto == IPPROTO_GRE ? "srckey" : "sport", ntohs(of->src_l4.all), of->proto == IPPROTO_GRE ? "dstkey" : "dport",
			 ntohs(of->dst_l4.all));
}

/* One object: event, family, protocol, timeout, expected, mask, master, class, flags, helper. */
static void json(const struct instance *inst, const struct ct_expect *exp, const char *event, struct strbuf *out)
{
	struct ct_tuple mask = exp->tuple;
	json_t *o = json_object();
	char *text;

	mask.src = exp->mask_src;
	mask.src_l4.all = exp->mask_src_port;
	memset(&mask.dst, 0xff, sizeof(mask.dst));
	mask.dst_l4.all = UINT16_MAX;
	if (event)
		json_object_set_new(o, "event", json_string(event));
	json_object_set_new(o, "family", json_string(exp->tuple.family == NFPROTO_IPV4 ? "ipv4" : "ipv6"));
	json_object_set_new(o, "protocol", json_string(ct_proto_name(exp->tuple.proto)));
	json_object_set_new(o, "protonum", json_integer(exp->tuple.proto));
	json_object_set_new(o, "timeout", json_integer(ct_expect_left_sec(inst, exp)));
	json_object_set_new(o, "expected", json_ends(&exp->tuple));
	json_object_set_new(o, "mask", json_ends(&mask));
	json_object_set_new(o, "master", json_ends(ct_tuple(exp->master, IP_CT_DIR_ORIGINAL)));
	json_object_set_new(o, "class", json_integer(exp->class));
	json_object_set_new(o, "permanent", json_boolean(exp->flags & NF_CT_EXPECT_PERMANENT));
	json_object_set_new(o, "inactive", json_boolean(exp->flags & NF_CT_EXPECT_INACTIVE));
	if (exp->helper)
		json_object_set_new(o, "helper", json_string(exp->helper->name));
	text = json_dumps(o, JSON_COMPACT);
	sb_adds(out, text ? text : "{}");
	free(text);
	json_decref(o);
}

void conntrack_expect_show(const struct instance *inst, const struct ct_expect *exp, const char *event, unsigned int output, struct strbuf *out)
{
	if (output & OUTPUT_STAMP && !(output & (OUTPUT_XML | OUTPUT_JSON)))
		conntrack_text_when(out);
	if (output & OUTPUT_XML)
		xml(inst, exp, event, output & OUTPUT_STAMP, out);
	else if (output & OUTPUT_JSON)
		json(inst, exp, event, out);
	else if (event)
		ct_expect_event_print(inst, exp, strcmp(event, "new") != 0, out);
	else
		ct_expect_print(inst, exp, out);
	sb_addc(out, '\n');
}

struct listing { struct instance *inst; const struct conntrack_args *args; struct strbuf *out; unsigned int shown; };

static void xml_begin(const struct conntrack_args *args, struct strbuf *out)
{
	if (args->output & OUTPUT_XML)
		sb_adds(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n");
}

static void show_one(void *priv, const struct ct_expect *exp)
{
	struct listing *listing = priv;

	if (listing->args->family && exp->tuple.family != listing->args->family)
		return;
	if (!listing->shown++)
		xml_begin(listing->args, listing->out);
	conntrack_expect_show(listing->inst, exp, NULL, listing->args->output, listing->out);
}

static int failed(int err, enum conntrack_cmd cmd, struct strbuf *errors)
{
	const char *text = err == EINVAL ? "invalid parameters" :
			   err == ENOENT && cmd == CMD_CREATE ? "master conntrack not found" : strerror(err);

	conntrack_say(errors, "Operation failed: %s", text);
	return EXIT_FAILED;
}

static int create(struct instance *inst, const struct conntrack_args *args, struct strbuf *err)
{
	struct ct_expect_request req = { .tuple = args->expected, .mask_src = args->mask_src,
					 .mask_src_port = args->mask_port_src, .master = args->orig,
					 .zone = { .dir = CT_ZONE_DIR_BOTH } };
	int error = ct_control_expect_new(inst, &req);

	return error ? failed(-error, CMD_CREATE, err) : 0;
}

static int find(struct instance *inst, const struct conntrack_args *args, struct strbuf *out, struct strbuf *err)
{
	const struct ct_zone zone = { .dir = CT_ZONE_DIR_BOTH };
	struct ct_expect *exp = ct_expect_find(inst, &zone, &args->orig);

	if (!exp)
		return failed(ENOENT, args->cmd, err);
	if (args->cmd == CMD_GET) {
		xml_begin(args, out);
		conntrack_expect_show(inst, exp, NULL, args->output, out);
		return 0;
	}
	ct_expect_remove(inst, exp);
	conntrack_say(err, "0 expectations have been shown.");
	return EXIT_FAILED;
}

int conntrack_expect_command(struct instance *inst, const struct conntrack_args *args, struct strbuf *out,
			     struct strbuf *err)
{
	struct listing listing = { .inst = inst, .args = args, .out = out };
	const struct ct_stats *stats = ct_stats(inst);

	switch (args->cmd) {
	case CMD_LIST:
		ct_expect_each(inst, show_one, &listing);
		if (args->output & OUTPUT_XML && listing.shown)
			sb_adds(out, "</expect>\n");
		conntrack_say(err, "%u expectations have been shown.", listing.shown);
		return 0;
	case CMD_CREATE:
		return create(inst, args, err);
	case CMD_GET:
	case CMD_DELETE:
		return find(inst, args, out, err);
	case CMD_FLUSH:
		ct_expect_flush(inst);
		conntrack_say(err, "expectation table has been emptied.");
		return 0;
	case CMD_COUNT:
		sb_printf(out, "%u\n", ct_expect_count(inst));
		return 0;
	case CMD_STATS:
		sb_printf(out, "cpu=0   \texpect_new=%llu expect_create=%llu expect_delete=%llu \n",
			  (unsigned long long)stats->expect_new, (unsigned long long)stats->expect_create,
			  (unsigned long long)stats->expect_delete);
		return 0;
	default:
		return EXIT_FAILED;
	}
}
