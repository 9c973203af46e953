/*
 * script.c - any bytes as a script: parsed, and its lines run on an instance with two interfaces (files and
 * directories excepted: a fuzzer has no business in the file system).
 */
#include <stdlib.h>

#include "cli/run.h"
#include "cli/words.h"
#include "path/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool touches_files(const uint8_t *data, size_t size)
{
	return memmem(data, size, "snapshot", 8) || memmem(data, size, "restore", 7) ||
	       memmem(data, size, "nfnl_osf", 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct refusal why = { 0 };
	struct run run = { .options = { .is_quiet = true, .seed = 1 } };
	struct iface *iface;

	if (size > 8192)
		return 0;
	if (script_parse((const char *)data, size, "script", &run.script, &why)) {
		if (!why.text[0] || !why.at.line)
			abort();
		return 0;
	}
	if (touches_files(data, size)) {
		script_free(run.script);
		return 0;
	}
	run.stats = calloc(1, sizeof(*run.stats));
	run.inst = instance_new(1, 0, &why);
	if (!run.stats || !run.inst || iface_add(run.inst, "eth0", ARPHRD_ETHER, &iface, &why) ||
	    iface_add(run.inst, "eth1", ARPHRD_ETHER, &iface, &why) || outputs_open(&run, &run.out, &why))
		abort();
	for (int lines = 0; script_next_ns(run.script) != INT64_MAX && lines < 64; lines++)
		script_step(&run);
	outputs_free(run.out);
	instance_free(run.inst);
	script_free(run.script);
	notes_free(&run.notes);
	free(run.stats);
	return 0;
}
