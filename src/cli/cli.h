/* cli/cli.h - what all weir commands share: exit codes, sentences with a caret, did-you-mean. */
#ifndef WEIR_CLI_H
#define WEIR_CLI_H

#include "base/refuse.h"
#include "base/strbuf.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FINDINGS = 1,	/* a test failed, a difference, a lint error */
	EXIT_USAGE = 2,
	EXIT_INPUT = 3,		/* unreadable, or refused */
	EXIT_UNDECIDABLE = 4,
	EXIT_INTERNAL = 5,
};

int cmd_run(int argc, char **argv);	/* argv[0] is "run" */
int cmd_check(int argc, char **argv);
int cmd_daemon(int argc, char **argv);
int cmd_remote(int argc, char **argv);
int cmd_nfnl_osf(int argc, char **argv);	/* argv[0] is the command that the daemon carries out */
int cmd_top(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_apply(int argc, char **argv);	/* argv[0] is "apply", "confirm" or "reload" */
int cmd_exec(int argc, char **argv);	/* returns the tool's own exit status */

/* "FILE:LINE:COLUMN: error: sentence", the line and a caret below; @prefix when there is no file. To stderr. */
void report_refusal(const char *prefix, const struct refusal *why);
/* The same into a string, for tests. @text: the file's contents when known, else the file is read again. */
void refusal_print(struct strbuf *out, const char *prefix, const struct refusal *why);

/* The word of a NULL-terminated list that @word was probably meant to be; NULL: none is near. */
const char *did_you_mean(const char *word, const char *const *known);

/* Valid UTF-8 as it is; else each byte above 0x7f as the Latin-1 letter that it may have been. JSON and pcapng need it. */
void sb_add_utf8(struct strbuf *out, const char *text);

/* The whole file, NUL-terminated. 0 or negative errno with @why filled. Refuses more than @max bytes. */
int file_read(const char *path, size_t max, struct strbuf *out, struct refusal *why);

/* "1700000000.5" to nanoseconds, up to nine decimals; false: not a time. */
bool time_parse(const char *text, int64_t *ns);
enum { TIME_TEXT_MAX = 32 };
/* Seconds with nine decimals. */
const char *time_text(int64_t ns, char out[TIME_TEXT_MAX]);
/* "31,204,118" */
const char *count_text(uint64_t n, char out[TIME_TEXT_MAX]);

#endif
