/* ext/osf.c - see osf.h. */
#include "ext/osf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "ext/state.h"

enum { FIELDS = 9, FIELD_MAX = 128, OPTIONS_LEN_MAX = MAX_IPOPTLEN };

struct osf_entry {
	struct list node;
	struct nf_osf_user_finger finger;
};

struct osf_fingers { struct list of[2]; };	/* by the DF bit */

static void fingers_init(struct instance *inst, void *state)
{
	list_init(&((struct osf_fingers *)state)->of[0]);
	list_init(&((struct osf_fingers *)state)->of[1]);
}

static void fingers_end(struct instance *inst, void *state)
{
	struct osf_fingers *fingers = state;

	for (unsigned int df = 0; df < 2; df++)
		list_for_each_safe(node, &fingers->of[df])
			free(list_entry(node, struct osf_entry, node));
}

static const struct ext_state_kind osf_kind = { .size = sizeof(struct osf_fingers), .init = fingers_init, .end = fingers_end };

const struct nf_osf_user_finger *osf_next(const struct instance *inst, bool df, const void **at)
{
	const struct osf_fingers *fingers = ext_state_if_any(inst, &osf_kind);
	const struct list *node;

	if (!fingers)
		return NULL;
	node = *at ? ((const struct list *)*at)->next : fingers->of[df].next;
	*at = node;
	return node == &fingers->of[df] ? NULL : &list_entry(node, struct osf_entry, node)->finger;
}

static struct osf_entry *find(const struct osf_fingers *fingers, const struct nf_osf_user_finger *finger)
{
	if (fingers) {
		list_for_each(node, &fingers->of[!!finger->df]) {
			struct osf_entry *entry = list_entry(node, struct osf_entry, node);

			if (memcmp(&entry->finger, finger, sizeof(*finger)) == 0)
				return entry;
		}
	}
	return NULL;
}

bool osf_is_known(const struct instance *inst, const struct nf_osf_user_finger *finger)
{
	return find(ext_state_if_any(inst, &osf_kind), finger);
}

int osf_add(struct instance *inst, const struct nf_osf_user_finger *finger, struct refusal *why)
{
	struct osf_fingers *fingers = ext_state(inst, &osf_kind);
	struct osf_entry *entry;
	unsigned int len = 0;

	if (finger->opt_num > ARRAY_SIZE(finger->opt) || finger->wss.wc >= OSF_WSS_MAX ||
	    (finger->wss.wc == OSF_WSS_MODULO && !finger->wss.val))
		return refuse(why, -EINVAL, "osf: not a fingerprint");
	for (unsigned int i = 0; i < finger->opt_num; i++) {
		len += finger->opt[i].length;
		if (!finger->opt[i].length || len > OPTIONS_LEN_MAX || (finger->opt[i].kind == OSFOPT_MSS && finger->opt[i].length < 4))
			return refuse(why, -EINVAL, "osf: the options are no TCP header's");
	}
	if (find(fingers, finger))
		return 0;
	entry = fingers ? malloc(sizeof(*entry)) : NULL;
	if (!entry)
		return refuse(why, -ENOMEM, "osf: no memory");
	entry->finger = *finger;
	list_append(&fingers->of[!!finger->df], &entry->node);
	return 0;
}

int osf_remove(struct instance *inst, const struct nf_osf_user_finger *finger, struct refusal *why)
{
	struct osf_entry *entry = find(ext_state_if_any(inst, &osf_kind), finger);

	if (!entry)
		return refuse(why, -ENOENT, "osf: no such fingerprint");
	list_remove(&entry->node);
	free(entry);
	return 0;
}

/* "S4", "T2", "%8192", "5840"; anything else is any window. */
static void parse_window(const char *text, struct nf_osf_wc *out)
{
	if (*text == 'S' || *text == 'T') {
		out->wc = *text == 'S' ? OSF_WSS_MSS : OSF_WSS_MTU;
		out->val = text[1] == '*' ? 0 : strtoul(text + 1 + (text[1] == '%'), NULL, 10);
	} else if (*text == '%') {
		out->wc = OSF_WSS_MODULO;
		out->val = strtoul(text + 1, NULL, 10);
	} else if (isdigit((unsigned char)*text)) {
		out->val = strtoul(text, NULL, 10);
	}
}

/* "M*,S,T,N,W7": letters that mean nothing are stepped over. */
static void parse_options(const char *text, struct nf_osf_user_finger *finger)
{
	static const struct { char letter; uint8_t kind, length; } known[] = {
		{ 'E', OSFOPT_EOL, 1 }, { 'N', OSFOPT_NOP, 1 }, { 'M', OSFOPT_MSS, 4 }, { 'W', OSFOPT_WSO, 3 },
		{ 'S', OSFOPT_SACKP, 2 }, { 'T', OSFOPT_TS, 10 },
	};

	for (; *text && finger->opt_num < ARRAY_SIZE(finger->opt); text += *text == ',') {
		struct nf_osf_opt *opt = &finger->opt[finger->opt_num];

		while (isspace((unsigned char)*text))
			text++;
		for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
			if (*text != known[i].letter)
				continue;
			opt->kind = known[i].kind;
			opt->length = known[i].length;
			if (*text == 'M' && text[1] == '%')
				opt->wc.wc = OSF_WSS_MODULO;
			else if (*text == 'W')
				opt->wc.wc = text[1] == '%' ? OSF_WSS_MODULO : text[1] == 'S' ? OSF_WSS_MSS : text[1] == 'T' ? OSF_WSS_MTU : 0;
			if (*text == 'M' || *text == 'W')
				opt->wc.val = strtoul(text + 1 + !!opt->wc.wc, NULL, 10);
			finger->opt_num++;
		}
		text += strcspn(text, ",");
	}
}

int osf_line_parse(const char *line, size_t len, struct nf_osf_user_finger *out, struct refusal *why)
{
	enum { WINDOW, TTL, DF, SIZE, OPTIONS, GENRE, VERSION, SUBTYPE, DETAILS };
	char field[FIELDS][FIELD_MAX] = { "" };
	unsigned int n = 0;

	for (size_t i = 0, used = 0; i < len; i++) {
		if (line[i] == ':') {
			if (++n == FIELDS)
				break;
			used = 0;
			while (i + 1 < len && isspace((unsigned char)line[i + 1]))
				i++;
		} else if (used + 1 < FIELD_MAX) {
			field[n][used++] = line[i];
		}
	}
	if (n != DETAILS)
		return refuse(why, -EINVAL, "a fingerprint is nine fields with colons between (pf.os format)");
	memset(out, 0, sizeof(*out));
	parse_window(field[WINDOW], &out->wss);
	out->ttl = (uint8_t)strtoul(field[TTL], NULL, 10);
	out->df = (uint8_t)strtoul(field[DF], NULL, 10);
	out->ss = (uint16_t)strtoul(field[SIZE], NULL, 10);
	parse_options(field[OPTIONS], out);
	snprintf(out->genre, sizeof(out->genre), "%.*s", MAXGENRELEN - 1, field[GENRE] + (field[GENRE][0] == '@' || field[GENRE][0] == '*'));
	snprintf(out->version, sizeof(out->version), "%.*s", MAXGENRELEN - 1, field[VERSION]);
	snprintf(out->subtype, sizeof(out->subtype), "%.*s", MAXGENRELEN - 1, field[SUBTYPE]);
	return 0;
}

void osf_fingers_save(const struct instance *inst, struct strbuf *out)
{
	for (unsigned int df = 0; df < 2; df++) {
		const struct nf_osf_user_finger *finger;
		const void *at = NULL;

		while ((finger = osf_next(inst, df, &at)))
			out_raw(out, finger, sizeof(*finger));
	}
}

int osf_fingers_load(struct instance *inst, const void *bytes, size_t len, struct refusal *why)
{
	struct bytes_in in = { bytes, (const uint8_t *)bytes + len };
	struct nf_osf_user_finger finger;
	int err = 0;

	while (in.at < in.end && !err) {
		in_raw(&in, &finger, sizeof(finger));
		/* names and texts end */
		if (in.failed || !memchr(finger.genre, 0, sizeof(finger.genre)) || !memchr(finger.version, 0, sizeof(finger.version)) ||
		    !memchr(finger.subtype, 0, sizeof(finger.subtype)))
			return refuse(why, -EINVAL, "the fingerprints are damaged");
		err = osf_add(inst, &finger, why);
	}
	return err;
}
