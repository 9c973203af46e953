/* api/instance.c - weir/instance.h: life, topology, settings, clock, observer. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/procfs.h"
#include "base/sysctl.h"
#include "cli/netip.h"
#include "conntrack/expect.h"
#include "packet/drop.h"

int api_refused(struct weir_error *error, const struct refusal *why, int err)
{
	if (!error)
		return err;
	*error = (struct weir_error){ .code = err, .line = why->at.line, .column = why->at.column, .width = why->at.width };
	snprintf(error->text, sizeof(error->text), "%s", why->text);
	return err;
}

char *api_text(struct strbuf *text)
{
	char *s = text->failed ? NULL : text->s ? text->s : strdup("");

	if (text->failed)
		sb_free(text);
	*text = (struct strbuf)STRBUF_INIT;
	return s;
}

const char *weir_version(void)
{
	return WEIR_VERSION;
}

static void on_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	struct weir *weir = priv;

	if (weir->observer.transmit)
		weir->observer.transmit(weir->observer.priv, out->name, api_pkt_out(cause), frame, len);
}

static void on_deliver(void *priv, const struct pkt *pkt)
{
	struct weir *weir = priv;

	if (weir->observer.deliver)
		weir->observer.deliver(weir->observer.priv, api_pkt_out(pkt));
}

static void on_drop(void *priv, const struct pkt *pkt)
{
	struct weir *weir = priv;
	enum drop_reason reason = pkt->drop_reason < DROP_REASON_COUNT ? pkt->drop_reason : DROP_HOOK;

	if (weir->observer.drop)
		weir->observer.drop(weir->observer.priv, api_pkt_out(pkt), drop_reason_word(reason),
				    drop_reason_sentence(reason));
}

static void on_ct_event(void *priv, const struct ct_event *event)
{
	struct weir *weir = priv;
	enum weir_event kind = event->kind == CT_EVENT_NEW ? WEIR_CT_NEW :
			       event->kind == CT_EVENT_UPDATE ? WEIR_CT_UPDATE : WEIR_CT_DESTROY;

	if (!weir->observer.conntrack)
		return;
	sb_reset(&weir->line);
	ct_event_print(weir->inst, event, CT_TEXT_EXTENDED, &weir->line);
	weir->observer.conntrack(weir->observer.priv, kind, api_ct_out(event->ct), sb_str(&weir->line));
}

static void on_expect(void *priv, const struct ct_expect *exp, bool ended)
{
	struct weir *weir = priv;

	if (!weir->observer.expect)
		return;
	sb_reset(&weir->line);
	ct_expect_event_print(weir->inst, exp, ended, &weir->line);
	weir->observer.expect(weir->observer.priv, ended, api_expect_out(exp), sb_str(&weir->line));
}

static void on_log(void *priv, int level, const char *line)
{
	struct weir *weir = priv;

	if (weir->observer.log)
		weir->observer.log(weir->observer.priv, level, line);
}

struct weir *weir_open(uint64_t seed, int64_t now_ns, struct weir_error *error)
{
	struct refusal why = { 0 };
	struct weir *weir = calloc(1, sizeof(*weir));

	if (weir)
		weir->inst = instance_new(seed, now_ns, &why);
	if (!weir || !weir->inst) {
		if (!why.err)
			refuse(&why, -ENOMEM, "no memory for an instance");
		api_refused(error, &why, why.err);
		free(weir);
		return NULL;
	}
	return weir;
}

void weir_close(struct weir *weir)
{
	if (!weir)
		return;
	weir->inst->observer = (struct observer){ 0 };
	instance_free(weir->inst);
	for (struct api_hook *h = weir->hooks, *next; h; h = next) {
		next = h->next;
		free(h);
	}
	sb_free(&weir->line);
	free(weir);
}

int weir_ip(struct weir *weir, const char *text, struct weir_error *error)
{
	struct netip ip = { .inst = weir->inst, .loading = true };
	struct refusal why = { 0 };
	int err = netip_load(&ip, text, strlen(text), "ip", &why);

	return err ? api_refused(error, &why, err) : 0;
}

int weir_sysctl_set(struct weir *weir, const char *name, const char *value, struct weir_error *error)
{
	struct refusal why = { 0 };
	int err = sysctl_set(weir->inst->sysctls, name, value, &why);

	return err ? api_refused(error, &why, err) : 0;
}

char *weir_sysctl_get(struct weir *weir, const char *name, struct weir_error *error)
{
	struct refusal why = { 0 };
	struct strbuf text = STRBUF_INIT;
	int err = sysctl_get(weir->inst->sysctls, name, &text, &why);

	if (!err)
		return api_text(&text);
	sb_free(&text);
	api_refused(error, &why, err);
	return NULL;
}

char *weir_proc_read(struct weir *weir, const char *path, struct weir_error *error)
{
	struct refusal why = { 0 };
	struct strbuf text = STRBUF_INIT;
	int err = proc_read(weir->inst->files, path, &text, &why);

	if (!err)
		return api_text(&text);
	sb_free(&text);
	api_refused(error, &why, err);
	return NULL;
}

int weir_proc_write(struct weir *weir, const char *path, const char *text, size_t len, struct weir_error *error)
{
	struct refusal why = { 0 };
	int err = proc_write(weir->inst->files, path, text, len, &why);

	return err ? api_refused(error, &why, err) : 0;
}

struct path_visit { bool (*fn)(void *priv, const char *path); void *priv; };

static bool visit_path(void *priv, const struct proc_file *file)
{
	const struct path_visit *visit = priv;

	return visit->fn(visit->priv, file->path);
}

void weir_proc_each(struct weir *weir, bool (*fn)(void *priv, const char *path), void *priv)
{
	struct path_visit visit = { fn, priv };

	proc_each(weir->inst->files, visit_path, &visit);
}

int64_t weir_now(const struct weir *weir)
{
	return weir->inst->now_ns;
}

void weir_advance(struct weir *weir, int64_t now_ns)
{
	if (now_ns > weir->inst->now_ns)
		instance_advance(weir->inst, now_ns);
}

struct observer api_observer(struct weir *weir)
{
	return (struct observer){
		.priv = weir, .transmit = on_transmit, .deliver = on_deliver, .drop = on_drop,
		.ct_event = on_ct_event, .expect_event = on_expect, .log = on_log,
	};
}

void weir_observe(struct weir *weir, const struct weir_observer *observer)
{
	weir->observer = observer ? *observer : (struct weir_observer){ 0 };
	weir->inst->observer = observer ? api_observer(weir) : (struct observer){ 0 };
}
