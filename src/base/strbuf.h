/* base/strbuf.h - a string that grows; always NUL-terminated once something was added. */
#ifndef WEIR_BASE_STRBUF_H
#define WEIR_BASE_STRBUF_H

#include <stdarg.h>

#include "base/types.h"

struct strbuf {
	char *s;	/* owned; NULL while empty; released by sb_free() */
	size_t len, cap;
	bool failed;	/* memory ran out once: the text is incomplete */
};

#define STRBUF_INIT { NULL, 0, 0, false }

void sb_printf(struct strbuf *sb, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sb_vprintf(struct strbuf *sb, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void sb_add(struct strbuf *sb, const char *bytes, size_t len);
void sb_adds(struct strbuf *sb, const char *s);
void sb_addc(struct strbuf *sb, char c);
void sb_reset(struct strbuf *sb);	/* empties, keeps the memory */
void sb_free(struct strbuf *sb);
const char *sb_str(const struct strbuf *sb);	/* "" when empty; borrowed */

#endif
