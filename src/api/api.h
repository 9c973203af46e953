/* api/api.h - the handle behind the public headers. Its types are the engine's own under other names. */
#ifndef WEIR_API_INTERNAL_H
#define WEIR_API_INTERNAL_H

#include "base/crew.h"
#include "base/refuse.h"
#include "base/strbuf.h"
#include "hook/hook.h"
#include "instance.h"
#include "packet/packet.h"

#include <weir/weir.h>

struct weir {
	struct instance *inst;
	struct weir_observer observer;
	struct api_hook { struct api_hook *next; struct weir_hook ops; } *hooks;
	weir_queue_fn queue;
	void *queue_priv;
	struct strbuf line;
};

static inline struct pkt *api_pkt(const struct weir_pkt *pkt) { return (struct pkt *)(uintptr_t)pkt; }
static inline struct weir_pkt *api_pkt_out(const struct pkt *pkt) { return (struct weir_pkt *)(uintptr_t)pkt; }
static inline struct ct *api_ct(const struct weir_ct *ct) { return (struct ct *)(uintptr_t)ct; }
static inline struct weir_ct *api_ct_out(const struct ct *ct) { return (struct weir_ct *)(uintptr_t)ct; }
static inline struct ct_expect *api_expect(const struct weir_expect *exp) { return (struct ct_expect *)(uintptr_t)exp; }
static inline struct weir_expect *api_expect_out(const struct ct_expect *exp) { return (struct weir_expect *)(uintptr_t)exp; }
/* Copies a refusal for the caller; returns its errno (@err when there is none). */
int api_refused(struct weir_error *error, const struct refusal *why, int err);
/* The engine's observer that tells @weir's. */
struct observer api_observer(struct weir *weir);
char *api_text(struct strbuf *text);	/* takes the buffer's memory; NULL when it failed */

#endif
