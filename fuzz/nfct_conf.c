/*
 * nfct_conf.c - any bytes as a snapshot's nfct.conf: lines of nfct commands. What was taken in is written as lines that make the same policies
 * again, whatever the names.
 */
#include <stdlib.h>

#include "cli/nfct_cmd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct instance *inst = instance_new(1, NSEC_PER_SEC, NULL), *again = instance_new(1, NSEC_PER_SEC, NULL);
	struct strbuf text = STRBUF_INIT, same = STRBUF_INIT;
	struct refusal why = { 0 };

	if (!inst || !again)
		abort();
	if (nfct_conf_load(inst, (const char *)data, size, "nfct.conf", &why) && !why.text[0])
		abort();
	nfct_conf_text(inst, &text);
	if (!memchr(data, '"', size) && !memchr(data, '\\', size) && !memchr(data, '#', size)) {
		if (nfct_conf_load(again, sb_str(&text), text.len, "nfct.conf", &why))
			abort();
		nfct_conf_text(again, &same);
		if (text.len != same.len || memcmp(sb_str(&text), sb_str(&same), text.len))
			abort();
	}
	sb_free(&text);
	sb_free(&same);
	instance_free(inst);
	instance_free(again);
	return 0;
}
