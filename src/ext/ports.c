/* ext/ports.c - the text of port ranges, shared by tcp and udp. */
#include "ext/ports.h"

#include <stdio.h>

int ports_parse(const char *text, const char *proto, uint16_t range[2], struct refusal *why)
{
	const char *colon = strchr(text, ':');
	char head[64];
	int err = 0;

	if (!colon) {
		err = opt_port(text, proto, &range[0], why);
		range[1] = range[0];
		return err;
	}
	range[0] = 0;
	range[1] = UINT16_MAX;
	snprintf(head, sizeof(head), "%.*s", (int)(colon - text), text);
	if (head[0])
		err = opt_port(head, proto, &range[0], why);
	if (!err && colon[1])
		err = opt_port(colon + 1, proto, &range[1], why);
	if (!err && range[0] > range[1]) {
		err = refuse(why, -EINVAL, "the port range \"%s\" runs backwards", text);
		refuse_upstream(why, "invalid portrange (min > max)");
	}
	return err;
}

void ports_save(struct strbuf *out, const char *option, const uint16_t range[2], bool invert)
{
	if (range[0] == 0 && range[1] == UINT16_MAX)
		return;
	sb_printf(out, "%s %s %u", invert ? " !" : "", option, range[0]);
	if (range[0] != range[1])
		sb_printf(out, ":%u", range[1]);
}

void ports_print(struct strbuf *out, const char *word, const uint16_t range[2], bool invert, const char *proto,
		 const struct ext_view *view)
{
	char buf[64];

	if (range[0] == 0 && range[1] == UINT16_MAX && !invert)
		return;
	sb_printf(out, " %s%s:%s%s", word, range[0] == range[1] ? "" : "s", invert ? "!" : "",
		  print_port(range[0], proto, view, buf));
	if (range[0] != range[1])
		sb_printf(out, ":%s", print_port(range[1], proto, view, buf));
}
