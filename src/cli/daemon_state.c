/* cli/daemon_state.c - see daemon_state.h. */
#include "cli/daemon_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "ext/nfacct.h"
#include "ext/osf.h"
#include "ext/state.h"
#include "host/secctx.h"
#include "route/neighbour.h"

/* --- taking --- */

static void interfaces_out(const struct instance *inst, struct strbuf *out)
{
	list_for_each(node, &inst->ifaces) {
		const struct iface *i = list_entry(node, struct iface, node);

		out_text(out, i->name);
		out_u64(out, i->stats.rx_packets);
		out_u64(out, i->stats.rx_bytes);
		out_u64(out, i->stats.tx_packets);
		out_u64(out, i->stats.tx_bytes);
		out_u64(out, i->stats.rx_dropped);
	}
}

static bool neighbour_out(void *priv, const struct neigh_view *n)
{
	if (!(n->state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)))
		return true;
	out_text(priv, n->iface->name);
	out_u8(priv, n->family);
	out_raw(priv, &n->addr, sizeof(n->addr));
	out_raw(priv, n->mac, sizeof(n->mac));
	out_u8(priv, n->router);
	return true;
}

static void add_part(struct strbuf *out, const char *name, struct strbuf *part)
{
	out->failed |= part->failed;
	if (part->len)
		state_add(out, name, part->s, part->len);
	sb_reset(part);
}

void kept_take(struct instance *inst, const struct strbuf *host, bool orderly, bool conntrack_on, struct strbuf *out)
{
	struct snapshot_texts texts = { 0 };
	struct strbuf part = STRBUF_INIT;

	state_begin(out);
	out_u8(&part, orderly);
	out_u8(&part, conntrack_on);
	add_part(out, "flags", &part);
	snapshot_take(inst, &texts);
	for (int i = 0; i < PART_COUNT; i++)
		if (i != PART_HOST)
			add_part(out, snapshot_part_names[i], &texts.part[i]);
	if (host && host->len)
		state_add(out, snapshot_part_names[PART_HOST], host->s, host->len);
	for (uint32_t id = 1; secctx_name(inst, id); id++)
		out_text(&part, secctx_name(inst, id));
	add_part(out, "secctx", &part);
	acct_save(inst, &part);
	add_part(out, "nfacct", &part);
	osf_fingers_save(inst, &part);
	add_part(out, "osf", &part);
	interfaces_out(inst, &part);
	add_part(out, "interfaces", &part);
	neigh_each(inst, neighbour_out, &part);
	add_part(out, "neighbours", &part);
	ext_states_save(inst, &part);
	add_part(out, "remembered", &part);
	tables_memory_save(inst, &part);
	add_part(out, "rule-memory", &part);
	ct_state_save(inst, &part);
	add_part(out, "connections", &part);
	state_end(out);
	snapshot_texts_free(&texts);
	sb_free(&part);
}

/* --- reading --- */

int kept_open(struct kept *kept, struct strbuf *bytes, const char *name, struct refusal *why)
{
	const uint8_t *part;
	size_t len;
	int err;

	kept->bytes = *bytes;
	*bytes = (struct strbuf)STRBUF_INIT;
	err = state_open(sb_str(&kept->bytes), kept->bytes.len, name, &kept->file, why);
	for (int i = 0; i < PART_COUNT && !err; i++) {
		if (!state_find(&kept->file, snapshot_part_names[i], &part, &len))
			continue;
		if (memchr(part, 0, len))
			return refuse(why, -EINVAL, "%s: %s is no text", name, snapshot_part_names[i]);
		sb_add(&kept->texts.part[i], (const char *)part, len);
		if (kept->texts.part[i].failed)
			return refuse(why, -ENOMEM, "no memory for %s", name);
	}
	if (!err && state_find(&kept->file, "flags", &part, &len) && len == 2) {
		kept->orderly = part[0] == 1;
		kept->conntrack_on = part[1] == 1;
	}
	return err;
}

int kept_read(struct kept *kept, const char *path, struct refusal *why)
{
	struct strbuf bytes = STRBUF_INIT;
	int err;

	if (access(path, F_OK) && errno == ENOENT)
		return -ENOENT;
	err = file_read(path, STATE_SIZE_MAX, &bytes, why);
	if (!err)
		err = kept_open(kept, &bytes, path, why);
	sb_free(&bytes);
	return err == -ENOENT ? -EIO : err;
}

void kept_free(struct kept *kept)
{
	snapshot_texts_free(&kept->texts);
	sb_free(&kept->bytes);
}

/* --- giving --- */

static int interfaces_in(struct instance *inst, const uint8_t *bytes, size_t len, struct refusal *why)
{
	struct bytes_in in = { bytes, bytes + len };

	while (in.at < in.end && !in.failed) {
		char name[IFNAMSIZ];
		uint64_t n[5];
		struct iface *i;

		in_text(&in, name, sizeof(name));
		for (size_t k = 0; k < ARRAY_SIZE(n); k++)
			n[k] = in_u64(&in);
		i = iface_find(inst, name);
		if (!i || in.failed)
			continue;
		i->stats.rx_packets = n[0];
		i->stats.rx_bytes = n[1];
		i->stats.tx_packets = n[2];
		i->stats.tx_bytes = n[3];
		i->stats.rx_dropped = n[4];
	}
	return in.failed ? refuse(why, -EINVAL, "the counters of interfaces are damaged") : 0;
}

static int neighbours_in(struct instance *inst, const uint8_t *bytes, size_t len, struct refusal *why)
{
	struct bytes_in in = { bytes, bytes + len };

	while (in.at < in.end && !in.failed) {
		unsigned int flags = NEIGH_OVERRIDE | NEIGH_CREATE | NEIGH_SET_ROUTER;
		union nf_inet_addr addr;
		char name[IFNAMSIZ];
		uint8_t family, mac[6];
		struct iface *i;

		in_text(&in, name, sizeof(name));
		family = in_u8(&in);
		in_raw(&in, &addr, sizeof(addr));
		in_raw(&in, mac, sizeof(mac));
		flags |= in_u8(&in) ? NEIGH_IS_ROUTER : 0;
		i = iface_find(inst, name);
		if (in.failed || (family != NFPROTO_IPV4 && family != NFPROTO_IPV6))
			return refuse(why, -EINVAL, "the neighbours are damaged");
		if (i && i->up && i->type == ARPHRD_ETHER)
			neigh_update(inst, i, family, &addr, mac, NUD_STALE, flags);
	}
	return in.failed ? refuse(why, -EINVAL, "the neighbours are damaged") : 0;
}

/* In their order: connections hold their numbers. */
static int contexts_in(struct instance *inst, const uint8_t *bytes, size_t len, struct refusal *why)
{
	struct bytes_in in = { bytes, bytes + len };
	char context[256];
	uint32_t id;
	int err = 0;

	while (in.at < in.end && !err) {
		in_text(&in, context, sizeof(context));
		err = in.failed ? refuse(why, -EINVAL, "the security contexts are damaged") : secctx_add(inst, context, &id, why);
	}
	return err;
}

int kept_give_early(struct instance *inst, const struct kept *kept, struct refusal *why)
{
	const uint8_t *part;
	size_t len;
	int err = 0;

	if (state_find(&kept->file, "secctx", &part, &len))
		err = contexts_in(inst, part, len, why);
	if (!err && state_find(&kept->file, "nfacct", &part, &len))
		err = acct_load(inst, part, len, why);
	if (!err && state_find(&kept->file, "osf", &part, &len))
		err = osf_fingers_load(inst, part, len, why);
	return err;
}

/* Somebody else may have moved on since: as conntrackd's, such connections take what comes. */
static bool be_liberal(void *priv, struct ct *ct)
{
	if (ct_proto_num(ct) == IPPROTO_TCP)
		for (int dir = 0; dir < IP_CT_DIR_MAX; dir++)
			ct->proto.tcp.seen[dir].flags |= IP_CT_TCP_FLAG_BE_LIBERAL;
	return true;
}

int kept_give(struct instance *inst, const struct kept *kept, struct ct_state_report *report, struct refusal *why)
{
	const uint8_t *part;
	size_t len;
	int err = 0;

	*report = (struct ct_state_report){ 0 };
	if (state_find(&kept->file, "interfaces", &part, &len))
		err = interfaces_in(inst, part, len, why);
	if (!err && state_find(&kept->file, "neighbours", &part, &len))
		err = neighbours_in(inst, part, len, why);
	if (!err && state_find(&kept->file, "remembered", &part, &len))
		err = ext_states_load(inst, part, len, why);
	if (!err && state_find(&kept->file, "rule-memory", &part, &len))
		err = tables_memory_load(inst, part, len, why);
	if (!err && state_find(&kept->file, "connections", &part, &len))
		err = ct_state_load(inst, part, len, report, why);
	if (!err && !kept->orderly)
		ct_each(inst, be_liberal, NULL);
	return err;
}

/* --- counters of rules that stay --- */

/* A line of iptables-save: what it is about, and where its counters stand. */
struct save_line {
	const char *at, *body;	/* body: behind the counters */
	size_t len, body_len;
	const char *counters;	/* "[3:252]"; NULL: none */
	size_t counters_len;
	bool is_chain;
};

static bool line_read(const char **at, const char *end, struct save_line *out)
{
	const char *eol, *close;

	if (*at >= end)
		return false;
	eol = memchr(*at, '\n', (size_t)(end - *at));
	eol = eol ? eol : end;
	*out = (struct save_line){ .at = *at, .len = (size_t)(eol - *at), .body = *at, .body_len = (size_t)(eol - *at) };
	*at = eol + (eol < end);
	if (out->len && *out->at == ':') {
		const char *name_end = memchr(out->at, ' ', out->len);

		out->is_chain = true;
		out->counters = name_end ? memchr(name_end, '[', (size_t)(eol - name_end)) : NULL;
		out->body_len = name_end ? (size_t)(name_end - out->at) : out->len;
		out->counters_len = out->counters ? (size_t)(eol - out->counters) : 0;
	} else if (out->len && *out->at == '[') {
		close = memchr(out->at, ']', out->len);
		if (close && close + 1 < eol) {
			out->counters = out->at;
			out->counters_len = (size_t)(close + 1 - out->at);
			out->body = close + 2;
			out->body_len = (size_t)(eol - out->body);
		}
	}
	return true;
}

struct carried { struct carried *next; struct save_line line; uint32_t hash; };

static uint32_t hash_of(uint32_t table, const char *bytes, size_t len)
{
	uint32_t h = 2166136261u ^ table;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)bytes[i]) * 16777619u;
	return h;
}

/* "*filter" begins a table: all that follows is told apart by it. */
static void note_table(const struct save_line *line, uint32_t *table)
{
	if (line->len && *line->at == '*')
		*table = hash_of(0, line->at, line->len);
}

void counters_carry(const char *old, size_t old_len, const char *text, size_t len, struct strbuf *out)
{
	enum { BUCKETS = 4096 };
	struct carried *all, **ends[BUCKETS], *buckets[BUCKETS] = { NULL };
	const char *at = old, *end = old + old_len;
	uint32_t table = 0, count = 0;
	struct save_line line;

	while (line_read(&at, end, &line))
		count += line.counters != NULL;
	all = calloc(count + 1u, sizeof(*all));
	if (!all) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < BUCKETS; i++)
		ends[i] = &buckets[i];
	count = 0;
	for (at = old; line_read(&at, end, &line);) {
		struct carried *c = &all[count];

		note_table(&line, &table);
		if (!line.counters)
			continue;
		count++;
		c->line = line;
		c->hash = hash_of(table, line.body, line.body_len);
		*ends[c->hash % BUCKETS] = c;
		ends[c->hash % BUCKETS] = &c->next;
	}
	for (at = text, end = text + len, table = 0; line_read(&at, end, &line);) {
		struct carried **c;
		uint32_t hash;

		note_table(&line, &table);
		hash = hash_of(table, line.body, line.body_len);
		for (c = &buckets[hash % BUCKETS]; *c; c = &(*c)->next)
			if ((*c)->hash == hash && (*c)->line.body_len == line.body_len &&
			    !memcmp((*c)->line.body, line.body, line.body_len))
				break;
		if (!line.counters || !*c) {
			sb_add(out, line.at, line.len);
		} else if (line.is_chain) {
			sb_add(out, line.at, (size_t)(line.counters - line.at));
			sb_add(out, (*c)->line.counters, (*c)->line.counters_len);
			*c = (*c)->next;
		} else {
			sb_add(out, (*c)->line.counters, (*c)->line.counters_len);
			sb_addc(out, ' ');
			sb_add(out, line.body, line.body_len);
			*c = (*c)->next;
		}
		sb_addc(out, '\n');
	}
	free(all);
}

int kept_give_counters(struct instance *inst, const struct kept *kept, struct refusal *why)
{
	struct strbuf now = STRBUF_INIT, with = STRBUF_INIT;
	int err = 0;

	for (int six = 0; six < 2 && !err; six++) {
		const struct strbuf *old = &kept->texts.part[six ? PART_RULES6 : PART_RULES4];
		uint8_t family = six ? NFPROTO_IPV6 : NFPROTO_IPV4;

		sb_reset(&now);
		sb_reset(&with);
		rules_save(inst, family, true, -1, &now);
		if (!old->len || !now.len)
			continue;
		counters_carry(old->s, old->len, now.s, now.len, &with);
		err = with.failed ? refuse(why, -ENOMEM, "no memory for rules") :
		      rules_restore(inst, family, sb_str(&with), with.len, "kept counters", RESTORE_ALL_OR_NOTHING | RESTORE_COUNTERS, why);
	}
	sb_free(&now);
	sb_free(&with);
	return err;
}
