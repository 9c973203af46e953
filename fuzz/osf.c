/* osf.c - any bytes as a file of fingerprints (pf.os format): what is read can be loaded, or is refused with a sentence. */
#include <stdlib.h>

#include "cli/words.h"
#include "ext/osf.h"
#include "ext/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct instance inst = { 0 };
	struct line_reader reader = { .at = (const char *)data, .end = (const char *)data + size };
	const char *line;
	size_t len;

	while (line_next(&reader, &line, &len)) {
		struct nf_osf_user_finger finger;
		struct refusal why = { 0 };

		if (osf_line_parse(line, len, &finger, &why) || osf_add(&inst, &finger, &why)) {
			if (!why.text[0])
				abort();
			continue;
		}
		if (strnlen(finger.genre, MAXGENRELEN) == MAXGENRELEN || osf_remove(&inst, &finger, NULL) || osf_add(&inst, &finger, NULL))
			abort();
	}
	ext_states_free(&inst);
	return 0;
}
