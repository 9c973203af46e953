/*
 * cli/conntrack_expect.c - the `conntrack` command on expectations: -L -I -D -G -F -C -S.
 * Exit codes and silence are upstream's: -I says nothing, and -D counts what it showed, which is nothing.
 */
#include <errno.h>
#include <string.h>

#include "cli/conntrack_args.h"
#include "cli/conntrack_cmd.h"
#include "conntrack/control.h"
#include "conntrack/expect.h"

enum { EXIT_FAILED = 1 };

struct listing { struct instance *inst; uint8_t family; struct strbuf *out; unsigned int shown; };

static void show_one(void *priv, const struct ct_expect *exp)
{
	struct listing *listing = priv;

	if (listing->family && exp->tuple.family != listing->family)
		return;
	ct_expect_print(listing->inst, exp, listing->out);
	sb_addc(listing->out, '\n');
	listing->shown++;
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
		ct_expect_print(inst, exp, out);
		sb_addc(out, '\n');
		return 0;
	}
	ct_expect_remove(inst, exp);
	conntrack_say(err, "0 expectations have been shown.");
	return EXIT_FAILED;
}

int conntrack_expect_command(struct instance *inst, const struct conntrack_args *args, struct strbuf *out,
			     struct strbuf *err)
{
	struct listing listing = { .inst = inst, .family = args->family, .out = out };
	const struct ct_stats *stats = ct_stats(inst);

	switch (args->cmd) {
	case CMD_LIST:
		ct_expect_each(inst, show_one, &listing);
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
