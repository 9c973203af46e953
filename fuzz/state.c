/*
 * fuzz/state.c - what a daemon begins with: the parts of a state, whose checksum anybody can make. What was loaded is walked,
 * printed, saved, and lives for a while.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "cli/daemon_state.h"
#include "ext/nfacct.h"
#include "ext/state.h"
#include "table/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KIND_CONNECTIONS, KIND_REMEMBERED, KIND_ACCOUNTS, KIND_FILE, KIND_COUNTERS, KIND_COUNT };

static const char rules[] =
	"*filter\n-A INPUT -m recent --set --name X -m hashlimit --hashlimit-upto 5/sec --hashlimit-name H --hashlimit-mode srcip\n"
	"-A INPUT -m condition --condition c\n-A INPUT -m conntrack --ctstate NEW\nCOMMIT\n"
	"*mangle\n-A FORWARD -m quota --quota 9999 -m limit --limit 3/sec\n-A FORWARD -m statistic --mode nth --every 3 --packet 1\n"
	"-A FORWARD -m connlimit --connlimit-above 3\n-A FORWARD -j RATEEST --rateest-name e --rateest-interval 1s --rateest-ewmalog 2s\n"
	"-A FORWARD -m psd\n-A FORWARD -j IDLETIMER --timeout 9 --label i\nCOMMIT\n";

static bool print_one(void *priv, struct ct *ct)
{
	void **args = priv;

	ct_print(args[0], ct, CT_TEXT_EXTENDED | CT_TEXT_LABELS | CT_TEXT_ID | CT_TEXT_TIMESTAMP, args[1]);
	return true;
}

static void whole_file(struct instance *inst, const uint8_t *data, size_t size)
{
	struct strbuf bytes = STRBUF_INIT;
	struct ct_state_report report;
	struct kept kept = { .orderly = false };

	state_begin(&bytes);
	sb_add(&bytes, (const char *)data, size);
	state_end(&bytes);
	if (!kept_open(&kept, &bytes, "fuzz", NULL) && !kept_give_early(inst, &kept, NULL))
		kept_give(inst, &kept, &report, NULL);
	kept_free(&kept);
	sb_free(&bytes);
}

/* Each rule's own name before any bytes: a name is a hash that nobody guesses. Parts are a byte's worth long. */
static void rule_memory(struct instance *inst, const uint8_t *data, size_t size)
{
	struct strbuf names = STRBUF_INIT, bytes = STRBUF_INIT;
	struct bytes_in in;

	tables_memory_save(inst, &names);
	in = (struct bytes_in){ (const uint8_t *)sb_str(&names), (const uint8_t *)sb_str(&names) + names.len };
	while (in.at < in.end && size) {
		const uint8_t *name = in_take(&in, 8);
		const size_t len = MIN_OF((size_t)*data, size - 1);

		in_take(&in, in_u32(&in));
		out_raw(&bytes, name, 8);
		out_u32(&bytes, (uint32_t)len);
		out_raw(&bytes, data + 1, len);
		data += len + 1;
		size -= len + 1;
	}
	tables_memory_load(inst, sb_str(&bytes), bytes.len, NULL);
	sb_free(&names);
	sb_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct instance *inst = instance_new(1, (int64_t)1000 * NSEC_PER_SEC, NULL);
	struct strbuf out = STRBUF_INIT;
	void *args[] = { inst, &out };
	struct ct_state_report report;
	struct iface *iface;

	if (!inst || !size || iface_add(inst, "eth0", ARPHRD_ETHER, &iface, NULL) ||
	    rules_restore(inst, NFPROTO_IPV4, rules, sizeof(rules) - 1, "fuzz", RESTORE_ALL_OR_NOTHING, NULL)) {
		if (inst)
			instance_free(inst);
		return 0;
	}
	if (data[0] == 'R')
		rule_memory(inst, data + 1, size - 1);
	else switch (data[0] % KIND_COUNT) {
	case KIND_CONNECTIONS:
		ct_state_load(inst, data + 1, size - 1, &report, NULL);
		break;
	case KIND_REMEMBERED:
		ext_states_load(inst, data + 1, size - 1, NULL);
		break;
	case KIND_ACCOUNTS:
		acct_load(inst, data + 1, size - 1, NULL);
		break;
	case KIND_FILE:
		whole_file(inst, data + 1, size - 1);
		break;
	case KIND_COUNTERS:
		counters_carry((const char *)data + 1, (size - 1) / 2, (const char *)data + 1 + (size - 1) / 2, (size - 1) / 2, &out);
		break;
	}
	ct_each(inst, print_one, args);
	sb_reset(&out);
	kept_take(inst, NULL, true, false, &out);
	instance_advance(inst, (int64_t)2000 * NSEC_PER_SEC);
	sb_free(&out);
	instance_free(inst);
	return 0;
}
