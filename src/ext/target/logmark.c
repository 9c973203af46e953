/* ext/target/logmark.c - "-j LOGMARK": a line of the log with the marks of packet and connection. (xtables-addons) */
#include "base/uapi.h"

#include "conntrack/conntrack.h"
#include "ext/addons.h"

enum { LEVEL_END = 8, LEVEL_DEFAULT = 4, STATES = 3 };

static void add_connection(struct strbuf *line, const struct instance *inst, const struct ct *ct, uint8_t ctinfo)
{
	static const char *const states[STATES] = { [IP_CT_ESTABLISHED] = "ESTABLISHED", [IP_CT_RELATED] = "RELATED", [IP_CT_NEW] = "NEW" };
	static const struct { uint32_t bit; const char *name; } status[] = {
		{ IPS_EXPECTED, "EXPECTED" }, { IPS_SEEN_REPLY, "SEEN_REPLY" }, { IPS_ASSURED, "ASSURED" }, { IPS_CONFIRMED, "CONFIRMED" },
	};
	const char *comma = "";

	/* Linux shows an address that it has made unrecognizable: a name for the connection, no more */
	sb_printf(line, " ct=0x%016llx ctmark=0x%x ctstate=%s", (unsigned long long)siphash(ct_tuple(ct, IP_CT_DIR_ORIGINAL),
		  offsetof(struct ct_tuple, dir), &inst->hash_key), ct->mark, states[ctinfo % IP_CT_IS_REPLY % STATES]);
	if (ct->status & IPS_SRC_NAT)
		sb_adds(line, ",SNAT");
	if (ct->status & IPS_DST_NAT)
		sb_adds(line, ",DNAT");
	sb_adds(line, " ctstatus=");
	for (size_t i = 0; i < ARRAY_SIZE(status); i++) {
		if (ct->status & status[i].bit) {
			sb_printf(line, "%s%s", comma, status[i].name);
			comma = ",";
		}
	}
	sb_printf(line, " lifetime=%us", ct_expires_sec(inst, ct));
}

static unsigned int logmark_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	static const char *const hooks[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };
	const struct xt_logmark_tginfo *info = data;
	const struct iface *iface = call->state->hooknum == NF_INET_POST_ROUTING || !pkt->in ? call->state->out : pkt->in;
	struct strbuf line = STRBUF_INIT;

	if (!call->inst->observer.log)
		return XT_CONTINUE;
	sb_printf(&line, "%.*siif=%u hook=%s nfmark=0x%x secmark=0x%x classify=0x%x ctdir=%s", (int)sizeof(info->prefix),
		  info->prefix, iface ? iface->index : 0, hooks[call->state->hooknum], pkt->mark, pkt->secmark, pkt->priority,
		  pkt->ctinfo >= IP_CT_IS_REPLY && pkt->ct ? "REPLY" : "ORIGINAL");
	if (pkt->ct)
		add_connection(&line, call->inst, pkt->ct, pkt->ctinfo);
	else
		sb_adds(&line, " ct=NULL ctmark=NULL ctstate=INVALID ctstatus=NONE");
	call->inst->observer.log(call->inst->observer.priv, info->level, sb_str(&line));
	sb_free(&line);
	return XT_CONTINUE;
}

static int logmark_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_logmark_tginfo *info = data;

	return info->level >= LEVEL_END ? refuse(why, -EINVAL, "LOGMARK: levels are 0 to %d", LEVEL_END - 1) : 0;
}

static void logmark_init(void *data)
{
	((struct xt_logmark_tginfo *)data)->level = LEVEL_DEFAULT;
}

static const struct opt logmark_options[] = {
	{ .name = "log-level", .type = OPT_U8, .at = offsetof(struct xt_logmark_tginfo, level), .size = 1, .max = LEVEL_END,
	  .arg = "level", .help = "level of the line, 0 to 7" },
	{ .name = "log-prefix", .type = OPT_TEXT, .at = offsetof(struct xt_logmark_tginfo, prefix),
	  .size = sizeof(((struct xt_logmark_tginfo *)0)->prefix), .arg = "prefix", .help = "what the line begins with" },
	OPT_END
};

static void logmark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_logmark_tginfo *info = data;

	if (info->level != LEVEL_DEFAULT)
		sb_printf(out, " --log-level %u ", info->level);
	if (info->prefix[0])
		sb_printf(out, " --log-prefix \"%.*s\" ", (int)sizeof(info->prefix), info->prefix);
}

static void logmark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -j LOGMARK");
	logmark_save(data, view, out);
}

static const struct ext_text logmark_text = {
	.options = logmark_options, .help_head = "LOGMARK target options:", .init = logmark_init,
	.save = logmark_save, .print = logmark_print,
};

const struct target target_logmark = {
	.name = "LOGMARK", .families = FAMILY_ANY, .info_size = sizeof(struct xt_logmark_tginfo), .depends = DEP_STATE,
	.target = logmark_target, .checkentry = logmark_check, .text = &logmark_text,
};
