/* cli/nfacct_cmd.c - the script lines of nfacct(8): add, delete, flush, list, get. */
#include "cli/run.h"
#include "ext/nfacct.h"
#include "ext/option.h"

static int usage(const struct words *w, unsigned int word, struct refusal *why, const char *sentence)
{
	refuse_at(why, words_at(w, MIN_OF(word, w->count)), -EINVAL, "%s", sentence);
	return 1;
}

/* nfacct add NAME [packet|byte QUOTA] */
static int run_add(struct instance *inst, const struct words *w, struct refusal *why)
{
	uint32_t flags = 0;
	uint64_t quota = 0;

	if (w->count != 4 && w->count != 6)
		return usage(w, 3, why, "nfacct add takes NAME [packet|byte QUOTA]");
	if (w->count == 6) {
		if (strcmp(w->argv[4], "packet") == 0)
			flags = NFACCT_F_QUOTA_PKTS;
		else if (strcmp(w->argv[4], "byte") == 0)
			flags = NFACCT_F_QUOTA_BYTES;
		else
			return usage(w, 4, why, "a quota is of packet or byte");
		if (!opt_u64(w->argv[5], 0, UINT64_MAX, &quota))
			return usage(w, 5, why, "the quota is a number");
	}
	return acct_add(inst, w->argv[3], flags, quota, why) ? 1 : 0;
}

int nfacct_command(struct instance *inst, const struct words *w, struct strbuf *out, struct refusal *why)
{
	const char *verb = w->count > 2 ? w->argv[2] : "";

	if (strcmp(verb, "add") == 0)
		return run_add(inst, w, why);
	if (strcmp(verb, "delete") == 0)
		return w->count == 4 ? acct_delete(inst, w->argv[3], why) != 0 : usage(w, 3, why, "nfacct delete takes NAME");
	if (strcmp(verb, "flush") == 0) {
		acct_flush(inst);
		return 0;
	}
	if (strcmp(verb, "list") == 0)
		return acct_print(inst, NULL, w->count > 3 && strcmp(w->argv[3], "reset") == 0, out, why) ? 1 : 0;
	if (strcmp(verb, "get") == 0 && w->count > 3)
		return acct_print(inst, w->argv[3], w->count > 4 && strcmp(w->argv[4], "reset") == 0, out, why) ? 1 : 0;
	return usage(w, 2, why, "nfacct takes add, delete, flush, list or get");
}
