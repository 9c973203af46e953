/*
 * cli/conntrack_follow.c - `conntrack -E`: which events somebody wants, and as which lines. What conntrack-tools leave out because the kernel's
 * message does not speak of it is left out here: a mark or a state that a filter asks for must be in the message.
 */
#include "cli/conntrack_follow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "cli/conntrack_args.h"
#include "cli/conntrack_forms.h"
#include "conntrack/expect.h"
#include "daemon/server.h"

enum { ROOM_DEFAULT = 212992 };

struct follower {
	struct list node;
	struct conntrack_args args;
	struct conn *to;
	unsigned int shown;
	bool xml_begun;
};

bool conntrack_is_following(int argc, char **argv)
{
	if (strcmp(argv[0], "conntrack"))
		return false;
	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], "-E", 2) || !strncmp(argv[i], "--event", strlen(argv[i]) > 4 ? strlen(argv[i]) : 7))
			return true;
	return false;
}

struct follower *follower_new(struct instance *inst, struct list *all, struct conn *to, int argc, char **argv, struct strbuf *out,
			      struct strbuf *err, int *code)
{
	struct follower *f = calloc(1, sizeof(*f));

	*code = f ? conntrack_parse(inst, &f->args, argc, argv, err) : 1;
	if (f && !*code)
		*code = conntrack_check_masks(&f->args, err);
	if (f && !*code && f->args.cmd != CMD_EVENT)
		*code = 2;
	if (*code) {
		free(f);
		return NULL;
	}
	if (args_have(&f->args, OPT_BUFFER_SIZE))
		sb_printf(err, "NOTICE: Netlink socket buffer size has been set to %zu bytes.\n", follower_room(f));
	f->to = to;
	list_append(all, &f->node);
	return f;
}

size_t follower_room(const struct follower *f)
{
	return f->args.buffer_size ? 2 * (size_t)f->args.buffer_size : ROOM_DEFAULT;
}

void follower_end(struct follower *f, struct strbuf *out, struct strbuf *err)
{
	if (out && f->xml_begun)
		sb_adds(out, "</conntrack>\n");
	if (err)
		conntrack_say(err, "%u %s events have been shown.", f->shown, f->args.table == TABLE_EXPECT ? "expectation" : "flow");
	list_remove(&f->node);
	free(f);
}

static void say(struct follower *f, const struct strbuf *line)
{
	f->shown++;
	server_say(f->to, sb_str(line), line->len);
}

/* "[1795368777.320649]\t", as wide as upstream has it. */
static bool wants(const struct instance *inst, const struct follower *f, const struct ct_event *event)
{
	const struct conntrack_args *args = &f->args;
	bool ended = event->kind == CT_EVENT_DESTROY;

	if (args->table != TABLE_CONNTRACK || !(args->events & 1u << event->kind))
		return false;
	if (args_have(args, OPT_MARK) && !event->ct->mark && !(event->mask & 1 << IPCT_MARK))
		return false;
	if (args->fields & 1u << FIELD_TCP_STATE && !ended && !(event->mask & 1 << IPCT_PROTOINFO))
		return false;
	return conntrack_is_meant(inst, args, event->ct);
}

static void show(const struct instance *inst, struct follower *f, const struct ct_event *event, struct strbuf *line)
{
	const unsigned int output = f->args.output;

	if (output & OUTPUT_XML && !f->xml_begun) {
		sb_adds(line, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n");
		f->xml_begun = true;
	}
	if (output & OUTPUT_STAMP && !(output & (OUTPUT_XML | OUTPUT_JSON)))
		conntrack_text_when(line);
	if (output & OUTPUT_XML)
		conntrack_event_xml(inst, event, conntrack_text_flags(&f->args), output & OUTPUT_STAMP, line);
	else if (output & OUTPUT_SAVE)
		conntrack_event_save(inst, event, line);
	else if (output & OUTPUT_JSON)
		conntrack_event_json(inst, event, line);
	else
		ct_event_print(inst, event, conntrack_text_flags(&f->args), line);
	sb_addc(line, '\n');
}

void followers_event(const struct instance *inst, struct list *all, const struct ct_event *event)
{
	list_for_each(node, all) {
		struct follower *f = list_entry(node, struct follower, node);
		struct strbuf line = STRBUF_INIT;

		if (wants(inst, f, event)) {
			show(inst, f, event, &line);
			say(f, &line);
		}
		sb_free(&line);
	}
}

void followers_expect(const struct instance *inst, struct list *all, const struct ct_expect *exp, bool ended)
{
	list_for_each(node, all) {
		struct follower *f = list_entry(node, struct follower, node);
		struct strbuf line = STRBUF_INIT;

		if (f->args.table == TABLE_EXPECT) {
			if (f->args.output & OUTPUT_XML && !f->shown)
				sb_adds(&line, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n");
			conntrack_expect_show(inst, exp, ended ? "destroy" : "new", f->args.output, &line);
			say(f, &line);
		}
		sb_free(&line);
	}
}
