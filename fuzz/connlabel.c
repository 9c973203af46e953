/* connlabel.c - any bytes as a snapshot's connlabel.conf: names that are read are found again, what is not is refused with a sentence. */
#include <stdlib.h>

#include "conntrack/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct instance *inst = instance_new(1, NSEC_PER_SEC, NULL);
	struct refusal why = { 0 };

	if (!inst)
		abort();
	if (ct_label_names_load(inst, (const char *)data, size, "connlabel.conf", &why) && !why.text[0])
		abort();
	for (unsigned int bit = 0; bit < CT_LABELS; bit++) {
		const char *name = ct_label_name(inst, bit);

		if (name && !*name)
			abort();
	}
	instance_free(inst);
	return 0;
}
