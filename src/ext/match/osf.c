/*
 * ext/match/osf.c - "-m osf": which operating system sent this SYN, by the fingerprints that nfnl_osf(8) loaded?
 * "! --genre" is kept and shown, but Linux answers as without it, and so does weir. With --log any known system matches.
 */
#include "base/uapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "ext/logger.h"
#include "ext/option.h"
#include "ext/osf.h"

enum { MSS_USUAL = 1460, MSS_BY_MODEMS = 1448, SENTENCE_MAX = 128, FLAG_SYN = 0x02 };

struct syn {
	const struct iphdr *ip;
	const uint8_t *tcp, *options;
	uint32_t options_len;
	uint16_t window, total;
};

static bool syn_read(const struct pkt *pkt, struct syn *syn)
{
	uint32_t off, header;

	syn->ip = pkt_ip4(pkt);
	off = syn->ip->ihl * 4u;
	syn->tcp = pkt_at(pkt, off, sizeof(struct tcphdr));
	if (!syn->tcp || !(syn->tcp[13] & FLAG_SYN))
		return false;
	syn->total = ntohs(syn->ip->tot_len);
	syn->window = get_be16(syn->tcp + 14);
	header = (syn->tcp[12] >> 4) * 4u;
	syn->options_len = header > sizeof(struct tcphdr) ? header - sizeof(struct tcphdr) : 0;
	syn->options = pkt_at(pkt, off + sizeof(struct tcphdr), syn->options_len);
	return syn->options;
}

static bool ttl_fits(uint8_t ttl, uint32_t how, uint8_t wanted)
{
	return how == NF_OSF_TTL_NOCHECK || (how == NF_OSF_TTL_TRUE ? ttl == wanted : ttl <= wanted);
}

/* A multiple of the segment's size, be it the one it names, the usual one, or what modems make of that. */
static bool window_fits(uint16_t window, const struct nf_osf_wc *wss, uint16_t mss)
{
	uint32_t more = wss->wc == OSF_WSS_MTU ? 40 : 0;

	switch (wss->wc) {
	case OSF_WSS_PLAIN:
		return !wss->val || window == wss->val;
	case OSF_WSS_MSS: case OSF_WSS_MTU:
		return window == wss->val * (mss + more) || window == wss->val * (MSS_USUAL + more) ||
		       window == wss->val * (MSS_BY_MODEMS + more);
	case OSF_WSS_MODULO:
		return window % wss->val == 0;
	}
	return false;
}

static bool finger_fits(const struct syn *syn, const struct nf_osf_user_finger *finger, uint32_t ttl_how)
{
	const uint8_t *at = syn->options;
	uint32_t len = 0;
	uint16_t mss = 0;

	if (syn->total != finger->ss || !ttl_fits(syn->ip->ttl, ttl_how, finger->ttl))
		return false;
	for (unsigned int i = 0; i < finger->opt_num; i++)
		len += finger->opt[i].length;
	if (len != syn->options_len)
		return false;
	for (unsigned int i = 0; i < finger->opt_num; i++) {
		if (finger->opt[i].kind != *at)
			return false;
		if (*at == OSFOPT_MSS)
			mss = get_be16(at + 2);
		at += finger->opt[i].length;
	}
	return window_fits(syn->window, &finger->wss, mss);
}

static void tell(const struct pkt *pkt, const struct ext_call *call, const struct syn *syn, const struct nf_osf_user_finger *finger)
{
	char text[3 * SENTENCE_MAX], src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	unsigned int sport = get_be16(syn->tcp), dport = get_be16(syn->tcp + 2);

	inet_ntop(AF_INET, &syn->ip->saddr, src, sizeof(src));
	inet_ntop(AF_INET, &syn->ip->daddr, dst, sizeof(dst));
	if (finger)
		snprintf(text, sizeof(text), "%s [%s:%s] : %s:%u -> %s:%u hops=%d\n", finger->genre, finger->version, finger->subtype, src,
			 sport, dst, dport, finger->ttl - syn->ip->ttl);
	else
		snprintf(text, sizeof(text), "Remote OS is not known: %s:%u -> %s:%u\n", src, sport, dst, dport);
	text[SENTENCE_MAX - 1] = '\0';		/* Linux has no more room */
	logger_say(call->inst, pkt, call->state, LOGGER_LEVEL, LOGGER_FLAGS, text);
}

static bool osf_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct nf_osf_info *info = data;
	uint32_t ttl_how = info->flags & NF_OSF_TTL ? info->ttl : NF_OSF_TTL_TRUE;
	bool logs = info->flags & NF_OSF_LOG, found = false;
	const struct nf_osf_user_finger *finger;
	const void *at = NULL;
	struct syn syn;

	if (!syn_read(pkt, &syn))
		return false;
	while ((finger = osf_next(call->inst, syn.ip->frag_off & htons(IP4_DF), &at))) {
		if ((!logs && strncmp(info->genre, finger->genre, sizeof(info->genre))) || !finger_fits(&syn, finger, ttl_how))
			continue;
		found = true;
		if (logs)
			tell(pkt, call, &syn, finger);
		if (!logs || info->loglevel == NF_OSF_LOGLEVEL_FIRST)
			break;
	}
	if (!found && logs)
		tell(pkt, call, &syn, NULL);
	return found;
}

static int parse_genre(struct opt_call *call, struct refusal *why)
{
	struct nf_osf_info *info = call->info;

	snprintf(info->genre, sizeof(info->genre), "%s", call->arg);
	info->len = strlen(info->genre);
	return 0;
}

#define SETS(bits) .set_at = offsetof(struct nf_osf_info, flags), .set_bits = (bits), .set_width = 4

static const struct opt osf_options[] = {
	{ .name = "genre", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_genre,
	  .invert_at = offsetof(struct nf_osf_info, flags), .invert_bits = NF_OSF_INVERT, .invert_width = 4, .arg = "string",
	  .help = "match this system (fingerprints come from nfnl_osf)" },
	{ .name = "ttl", .type = OPT_U32, .min = 0, .max = 2, .at = offsetof(struct nf_osf_info, ttl), .size = 4, SETS(NF_OSF_TTL),
	  .arg = "level", .help = "0: the TTL must be equal, 1: less or equal, 2: any" },
	{ .name = "log", .type = OPT_U32, .min = 0, .max = 2, .at = offsetof(struct nf_osf_info, loglevel), .size = 4, SETS(NF_OSF_LOG),
	  .arg = "level", .help = "log what was found: 0 all, 1 the first, 2 all known" },
	OPT_END
};

static void osf_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct nf_osf_info *info = data;

	sb_printf(out, "%s --genre %.*s", info->flags & NF_OSF_INVERT ? " !" : "", MAXGENRELEN, info->genre);
	if (info->flags & NF_OSF_TTL)
		sb_printf(out, " --ttl %u", info->ttl);
	if (info->flags & NF_OSF_LOG)
		sb_printf(out, " --log %u", info->loglevel);
}

static void osf_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct nf_osf_info *info = data;

	sb_printf(out, " OS fingerprint match %s%.*s", info->flags & NF_OSF_INVERT ? "! " : "", MAXGENRELEN, info->genre);
}

static const struct ext_text osf_text = {
	.options = osf_options, .help_head = "OS fingerprint match options:", .save = osf_save, .print = osf_print,
};

const struct match match_osf = {
	.name = "osf", .families = FAMILY_V4, .info_size = sizeof(struct nf_osf_info), .proto = IPPROTO_TCP,
	.hooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_FORWARD,
	.depends = DEP_STATE | DEP_BYTES, .match = osf_match, .text = &osf_text,
};
