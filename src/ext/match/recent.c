/*
 * ext/match/recent.c - "-m recent": named lists of addresses with the times when they were last seen.
 * A list lives while a rule names it; its size in stamps grows with the largest --hitcount, and growing empties it.
 * /proc/net/xt_recent/NAME shows it and takes "+ADDRESS", "-ADDRESS" and "/". Times are the kernel's ticks.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_recent.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "ext/option.h"
#include "ext/state.h"

enum {
	STAMPS_END = 65536,		/* stamps of one address */
	STAMPS_DEFAULT = 32,
	LIST_TOT_DEFAULT = 100,		/* addresses of one list */
	LIST_TOT_MAX = 1 << 20,
	WRITE_MAX = 48,			/* bytes that one write may hold: the longest command */
};

#define SETTINGS_DIR "/sys/module/xt_recent/parameters/"

struct recent_entry {
	struct list in_bucket, by_use;	/* by_use: who was touched last stands last */
	union nf_inet_addr addr;
	uint8_t family, ttl;
	uint16_t next, count;		/* where the next stamp goes (0: it has just come round), stamps that hold something */
	uint64_t stamps[];
};

struct recent_list {
	struct list node;
	struct instance *inst;
	char name[XT_RECENT_NAME_LEN];
	union nf_inet_addr mask;	/* of the first rule that named it */
	unsigned int rules, entries;
	uint16_t stamp_mask;		/* stamps of an entry - 1; a power of two - 1 */
	unsigned int bucket_mask;
	struct list by_use;
	struct list buckets[];
};

struct recent_lists {
	struct list all;
	unsigned int list_tot, stamp_tot;	/* the module's ip_list_tot and ip_pkt_list_tot */
};

static void recent_lists_init(struct instance *inst, void *state)
{
	struct recent_lists *lists = state;

	list_init(&lists->all);
	lists->list_tot = LIST_TOT_DEFAULT;
}

static void recent_lists_save(struct instance *inst, void *state, struct strbuf *out);
static bool recent_lists_load(struct instance *inst, void *state, struct bytes_in *in);
static const struct ext_state_kind recent_kind = {
	.size = sizeof(struct recent_lists), .init = recent_lists_init, .name = "recent", .save = recent_lists_save,
	.load = recent_lists_load,
};

static unsigned int power_of_two(unsigned int at_least)
{
	unsigned int power = 1;

	while (power < at_least)
		power <<= 1;
	return power;
}

/* --- entries --- */

static struct list *bucket_of(struct recent_list *list, const union nf_inet_addr *addr)
{
	return &list->buckets[siphash(addr, sizeof(*addr), &list->inst->hash_key) & list->bucket_mask];
}

static struct recent_entry *entry_find(struct recent_list *list, const union nf_inet_addr *addr, uint8_t family,
				       uint8_t ttl)
{
	struct list *bucket = bucket_of(list, addr);

	list_for_each(node, bucket) {
		struct recent_entry *e = list_entry(node, struct recent_entry, in_bucket);

		if (e->family == family && memcmp(&e->addr, addr, sizeof(*addr)) == 0 &&
		    (!ttl || !e->ttl || ttl == e->ttl))
			return e;
	}
	return NULL;
}

static void entry_remove(struct recent_list *list, struct recent_entry *e)
{
	list_remove(&e->in_bucket);
	list_remove(&e->by_use);
	list->entries--;
	free(e);
}

static struct recent_entry *entry_add(struct recent_list *list, const union nf_inet_addr *addr, uint8_t family,
				      uint8_t ttl)
{
	const struct recent_lists *lists = ext_state_if_any(list->inst, &recent_kind);
	struct recent_entry *e;

	if (list->entries >= lists->list_tot)
		entry_remove(list, list_entry(list->by_use.next, struct recent_entry, by_use));
	e = malloc(sizeof(*e) + (list->stamp_mask + 1u) * sizeof(e->stamps[0]));
	if (!e)
		return NULL;
	e->addr = *addr;
	e->family = family;
	e->ttl = ttl;
	e->stamps[0] = inst_jiffies(list->inst);
	e->next = e->count = 1;
	list_append(bucket_of(list, addr), &e->in_bucket);
	list_append(&list->by_use, &e->by_use);
	list->entries++;
	return e;
}

static void entry_stamp(struct recent_list *list, struct recent_entry *e)
{
	e->next &= list->stamp_mask;
	e->stamps[e->next++] = inst_jiffies(list->inst);
	if (e->next > e->count)
		e->count = e->next;
	list_remove(&e->by_use);
	list_append(&list->by_use, &e->by_use);
}

static uint64_t newest_stamp(const struct recent_list *list, const struct recent_entry *e)
{
	return e->stamps[(uint16_t)(e->next - 1) & list->stamp_mask];
}

static void list_empty(struct recent_list *list)
{
	while (!list_is_empty(&list->by_use))
		entry_remove(list, list_entry(list->by_use.next, struct recent_entry, by_use));
}

/* --- the match --- */

/* The TTL as it arrived: forwarding has taken one off, but not from what a socket of this host sends. */
static uint8_t ttl_seen(const struct pkt *pkt, const struct ext_call *call)
{
	uint8_t ttl = call->family == NFPROTO_IPV4 ? pkt_ip4(pkt)->ttl : pkt_ip6(pkt)->hop_limit;
	bool has_socket = (pkt->flags & PKT_FLAG_LOCAL) && !(pkt->flags & (PKT_FLAG_TEED | PKT_FLAG_NO_SOCKET));

	return call->state->out && !has_socket ? ttl + 1 : ttl;
}

static bool enough_hits(const struct xt_recent_mtinfo *info, const struct recent_entry *e, int64_t since)
{
	unsigned int hits = 0;

	for (unsigned int i = 0; i < e->count; i++) {
		if (info->seconds && (int64_t)e->stamps[i] < since)
			continue;
		if (!info->hit_count || ++hits >= info->hit_count)
			return true;
	}
	return false;
}

static struct recent_list *list_find(struct instance *inst, const char *name)
{
	struct recent_lists *lists = ext_state(inst, &recent_kind);

	if (lists) {
		list_for_each(node, &lists->all) {
			struct recent_list *list = list_entry(node, struct recent_list, node);

			if (strcmp(list->name, name) == 0)
				return list;
		}
	}
	return NULL;
}

static bool recent_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_recent_mtinfo *info = data;	/* both revisions begin alike; the mask is the list's */
	struct recent_list *list = list_find(call->inst, info->name);
	union nf_inet_addr addr = { 0 };
	uint8_t ttl = ttl_seen(pkt, call), check = info->check_set;
	bool answer = info->invert;
	struct recent_entry *e;

	if (call->family == NFPROTO_IPV4)
		addr.ip = info->side == XT_RECENT_DEST ? pkt_ip4(pkt)->daddr : pkt_ip4(pkt)->saddr;
	else
		addr.in6 = info->side == XT_RECENT_DEST ? pkt_ip6(pkt)->daddr : pkt_ip6(pkt)->saddr;
	for (unsigned int i = 0; i < 4; i++)
		addr.all[i] &= list->mask.all[i];

	e = entry_find(list, &addr, call->family, check & XT_RECENT_TTL ? ttl : 0);
	if (!e) {
		if (!(check & XT_RECENT_SET))
			return answer;
		if (!entry_add(list, &addr, call->family, ttl))
			call->hotdrop = true;
		return !answer;
	}
	if (check & XT_RECENT_SET) {
		answer = !answer;
	} else if (check & XT_RECENT_REMOVE) {
		entry_remove(list, e);
		return !answer;
	} else {
		int64_t since = inst_jiffies(call->inst) - (uint32_t)(info->seconds * WEIR_HZ);

		if (enough_hits(info, e, since))
			answer = !answer;
		if (check & XT_RECENT_REAP) {
			/* only the one untouched longest is looked at; not when it is just to be touched */
			struct recent_entry *oldest = list_entry(list->by_use.next, struct recent_entry, by_use);

			if (!(oldest == e && (check & XT_RECENT_UPDATE) && answer) &&
			    (int64_t)newest_stamp(list, oldest) < since)
				entry_remove(list, oldest);
		}
	}
	if (check & XT_RECENT_SET || (check & XT_RECENT_UPDATE && answer)) {
		entry_stamp(list, e);
		e->ttl = ttl;
	}
	return answer;
}

/* --- /proc/net/xt_recent/NAME --- */

static void entry_print(const struct recent_list *list, const struct recent_entry *e, struct strbuf *out)
{
	char addr[INET6_ADDRSTRLEN];

	if (e->family == NFPROTO_IPV4) {
		sb_printf(out, "src=%s", inet_ntop(AF_INET, &e->addr, addr, sizeof(addr)));
	} else {
		sb_adds(out, "src=");
		for (unsigned int i = 0; i < 8; i++)
			sb_printf(out, "%s%04x", i ? ":" : "", ntohs(e->addr.in6.s6_addr16[i]));
	}
	sb_printf(out, " ttl: %u last_seen: %" PRIu64 " oldest_pkt: %u", e->ttl, newest_stamp(list, e), e->next);
	for (unsigned int i = 0; i < e->count; i++)
		sb_printf(out, "%s %" PRIu64, i ? "," : "", e->stamps[i]);
	sb_addc(out, '\n');
}

static void list_print(void *priv, struct strbuf *out)
{
	struct recent_list *list = priv;

	list_for_each(node, &list->by_use)
		entry_print(list, list_entry(node, struct recent_entry, by_use), out);
}

/* Four decimal numbers with dots: leading zeros mean nothing here. */
static bool read_addr4(const char *word, union nf_inet_addr *addr)
{
	uint8_t bytes[4];

	for (unsigned int i = 0; i < 4; i++) {
		unsigned int value = 0, digits = 0;

		for (; *word >= '0' && *word <= '9'; word++, digits++) {
			value = value * 10 + (*word - '0');
			if (value > UINT8_MAX)
				return false;
		}
		if (!digits || *word != ".\0"[i == 3])
			return false;
		word++;
		bytes[i] = value;
	}
	memcpy(&addr->ip, bytes, sizeof(bytes));
	return true;
}

static int list_write(void *priv, const char *text, size_t len, struct refusal *why)
{
	struct recent_list *list = priv;
	char word[WRITE_MAX];
	union nf_inet_addr addr = { 0 };
	struct recent_entry *e;
	size_t end;
	bool is6;

	if (len == 0)
		return 0;
	if (*text == '/') {
		list_empty(list);
		return 0;
	}
	if (*text != '+' && *text != '-')
		return refuse(why, -EINVAL, "%s takes \"+ADDRESS\", \"-ADDRESS\" or \"/\"", list->name);
	for (end = 1; end < MIN_OF(len, (size_t)WRITE_MAX) && text[end] && text[end] != '\n'; end++)
		word[end - 1] = text[end];
	word[MIN_OF(end - 1, (size_t)WRITE_MAX - 1)] = '\0';
	is6 = strchr(word, ':');
	if (is6 ? inet_pton(AF_INET6, word, &addr) != 1 : !read_addr4(word, &addr))
		return refuse(why, -EINVAL, "\"%s\" is not an address", word);
	e = entry_find(list, &addr, is6 ? NFPROTO_IPV6 : NFPROTO_IPV4, 0);
	if (!e && *text == '+')
		entry_add(list, &addr, is6 ? NFPROTO_IPV6 : NFPROTO_IPV4, 0);
	else if (e && *text == '+')
		entry_stamp(list, e);
	else if (e)
		entry_remove(list, e);
	return len > WRITE_MAX ? refuse(why, -ESPIPE, "one line at a time") : 0;
}

/* The module's parameters: Linux takes them when the module is loaded, weir while there is no list. */
static void tot_print(void *priv, struct strbuf *out)
{
	sb_printf(out, "%u\n", *(unsigned int *)priv);
}

static int setting_write(struct recent_lists *lists, unsigned int *value, unsigned int min, unsigned int max,
			 const char *text, size_t len, struct refusal *why)
{
	char word[16] = "";
	uint64_t number;

	memcpy(word, text, MIN_OF(len, sizeof(word) - 1));
	word[strcspn(word, "\n")] = '\0';
	if (!opt_u64(word, min, max, &number))
		return refuse(why, -EINVAL, "recent: a number from %u to %u", min, max);
	if (!list_is_empty(&lists->all))
		return refuse(why, -EBUSY, "recent: set it before the first rule with -m recent is there");
	*value = number;
	return 0;
}

static int list_tot_write(void *priv, const char *text, size_t len, struct refusal *why)
{
	struct recent_lists *lists = container_of(priv, struct recent_lists, list_tot);

	return setting_write(lists, priv, 1, LIST_TOT_MAX, text, len, why);
}

static int stamp_tot_write(void *priv, const char *text, size_t len, struct refusal *why)
{
	struct recent_lists *lists = container_of(priv, struct recent_lists, stamp_tot);

	return setting_write(lists, priv, 0, STAMPS_END - 1, text, len, why);
}

static void recent_attach(struct instance *inst)
{
	struct recent_lists *lists = ext_state(inst, &recent_kind);
	struct proc_file tot = { .path = SETTINGS_DIR "ip_list_tot", .print = tot_print, .write = list_tot_write, .is_setting = true };
	struct proc_file stamps = { .path = SETTINGS_DIR "ip_pkt_list_tot", .print = tot_print, .write = stamp_tot_write, .is_setting = true };

	if (!lists)
		return;
	tot.priv = &lists->list_tot;
	stamps.priv = &lists->stamp_tot;
	proc_register(inst->files, &tot);
	proc_register(inst->files, &stamps);
}

/* --- from one life of the instance to the next --- */

static void recent_lists_save(struct instance *inst, void *state, struct strbuf *out)
{
	const struct recent_lists *lists = state;

	list_for_each(at_list, &lists->all) {
		const struct recent_list *list = list_entry(at_list, struct recent_list, node);

		out_text(out, list->name);
		list_for_each(node, &list->by_use) {
			const struct recent_entry *e = list_entry(node, struct recent_entry, by_use);

			out_u8(out, e->family);
			out_raw(out, &e->addr, sizeof(e->addr));
			out_u8(out, e->ttl);
			out_u16(out, e->next);
			out_u16(out, e->count);
			for (unsigned int i = 0; i < e->count; i++)
				out_u64(out, e->stamps[i]);
		}
		out_u8(out, 0);
	}
}

static bool entry_load(struct recent_list *list, uint8_t family, struct bytes_in *in)
{
	union nf_inet_addr addr;
	uint16_t next, count;
	struct recent_entry *e;
	uint8_t ttl;

	in_raw(in, &addr, sizeof(addr));
	ttl = in_u8(in);
	next = in_u16(in);
	count = in_u16(in);
	if (in->failed || (family != NFPROTO_IPV4 && family != NFPROTO_IPV6) || !count || next > count)
		return false;
	/* A list that is gone, or remembers less than it did, has no use for it. */
	e = list && count <= list->stamp_mask + 1u && !entry_find(list, &addr, family, 0) ? entry_add(list, &addr, family, ttl) :
											   NULL;
	for (unsigned int i = 0; i < count; i++) {
		uint64_t stamp = in_u64(in);

		if (e)
			e->stamps[i] = stamp;
	}
	if (e) {
		e->next = next;
		e->count = count;
	}
	return !in->failed;
}

static bool recent_lists_load(struct instance *inst, void *state, struct bytes_in *in)
{
	while (in->at < in->end && !in->failed) {
		char name[XT_RECENT_NAME_LEN];
		struct recent_list *list;
		uint8_t family;

		in_text(in, name, sizeof(name));
		list = list_find(inst, name);
		while (!in->failed && (family = in_u8(in)))
			if (!entry_load(list, family, in))
				return false;
	}
	return !in->failed;
}

/* --- rules --- */

static int list_new(struct instance *inst, const char *name, const union nf_inet_addr *mask, uint16_t stamp_mask,
		    struct refusal *why)
{
	struct recent_lists *lists = ext_state(inst, &recent_kind);
	unsigned int buckets = lists ? power_of_two(lists->list_tot + 1) : 0;
	struct recent_list *list = buckets ? calloc(1, sizeof(*list) + buckets * sizeof(list->buckets[0])) : NULL;
	char path[XT_RECENT_NAME_LEN + 32];

	if (!list)
		return refuse(why, -ENOMEM, "recent: no memory for the list \"%s\"", name);
	list->inst = inst;
	list->rules = 1;
	list->mask = *mask;
	list->stamp_mask = stamp_mask;
	list->bucket_mask = buckets - 1;
	snprintf(list->name, sizeof(list->name), "%s", name);
	list_init(&list->by_use);
	for (unsigned int i = 0; i < buckets; i++)
		list_init(&list->buckets[i]);
	snprintf(path, sizeof(path), "/proc/net/xt_recent/%s", name);
	if (proc_register(inst->files, &(struct proc_file){ path, list_print, list_write, list })) {
		free(list);
		return refuse(why, -ENOMEM, "recent: no memory for the list \"%s\"", name);
	}
	list_append(&lists->all, &list->node);
	return 0;
}

static int recent_check(const struct xt_recent_mtinfo *info, const union nf_inet_addr *mask,
			const struct ext_check *check, struct refusal *why)
{
	uint8_t set = info->check_set;
	struct recent_lists *lists = ext_state(check->inst, &recent_kind);
	struct recent_list *list;
	unsigned int stamps;
	int err;

	if (!lists)
		return refuse(why, -ENOMEM, "recent: no memory");
	if (set & ~XT_RECENT_VALID_FLAGS)
		return refuse(why, -EINVAL, "recent: unknown flags %#x", set);
	if (__builtin_popcount(set & (XT_RECENT_SET | XT_RECENT_REMOVE | XT_RECENT_CHECK | XT_RECENT_UPDATE)) != 1)
		return refuse(why, -EINVAL, "recent: one of --set, --rcheck, --update, --remove is needed");
	if (set & (XT_RECENT_SET | XT_RECENT_REMOVE) &&
	    (info->seconds || info->hit_count || set & XT_RECENT_MODIFIERS))
		return refuse(why, -EINVAL, "recent: --seconds, --hitcount, --rttl and --reap belong to --rcheck and --update");
	if (set & XT_RECENT_REAP && !info->seconds)
		return refuse(why, -EINVAL, "recent: --reap needs --seconds");
	if (info->hit_count >= STAMPS_END)
		return refuse(why, -EINVAL, "recent: --hitcount is at most %u", STAMPS_END - 1);
	err = ext_file_name_check("recent", info->name, sizeof(info->name), why);
	if (err)
		return err;
	if (lists->stamp_tot && info->hit_count < lists->stamp_tot)
		stamps = power_of_two(lists->stamp_tot);
	else
		stamps = info->hit_count ? power_of_two(info->hit_count) : STAMPS_DEFAULT;
	list = list_find(check->inst, info->name);
	if (!list)
		return list_new(check->inst, info->name, mask, stamps - 1, why);
	if (stamps - 1 > list->stamp_mask) {
		list_empty(list);
		list->stamp_mask = stamps - 1;
	}
	list->rules++;
	return 0;
}

static int recent_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	union nf_inet_addr mask;

	memset(&mask, 0xff, sizeof(mask));
	return recent_check(data, &mask, check, why);
}

static int recent_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_recent_mtinfo_v1 *info = data;

	return recent_check(data, &info->mask, check, why);
}

static void recent_destroy(void *data, const struct ext_check *check)
{
	const struct xt_recent_mtinfo *info = data;
	struct recent_list *list = list_find(check->inst, info->name);
	char path[XT_RECENT_NAME_LEN + 32];

	if (!list || --list->rules)
		return;
	snprintf(path, sizeof(path), "/proc/net/xt_recent/%s", list->name);
	proc_unregister(check->inst->files, path);
	list_empty(list);
	list_remove(&list->node);
	free(list);
}

/* --- text --- */

/* A longer name is cut; what stood behind a shorter one (of "DEFAULT") stays, as upstream leaves it. */
static int parse_name(struct opt_call *call, struct refusal *why)
{
	struct xt_recent_mtinfo_v1 *info = call->info;

	snprintf(info->name, sizeof(info->name), "%s", call->arg);
	return 0;
}

static int parse_side(struct opt_call *call, struct refusal *why)
{
	((struct xt_recent_mtinfo_v1 *)call->info)->side =
		strcmp(call->opt->name, "rdest") == 0 ? XT_RECENT_DEST : XT_RECENT_SOURCE;
	return 0;
}

static int parse_mask(struct opt_call *call, struct refusal *why)
{
	return opt_host(call, call->arg, &((struct xt_recent_mtinfo_v1 *)call->info)->mask, why);
}

#define SETS(bits) .set_at = offsetof(struct xt_recent_mtinfo_v1, check_set), .set_bits = (bits), .set_width = 1
#define ACTION .type = OPT_FLAG, .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct xt_recent_mtinfo_v1, invert), \
	.invert_bits = 1, .invert_width = 1

enum { ROW_SET, ROW_RCHECK, ROW_UPDATE, ROW_REMOVE, ROW_SECONDS, ROW_REAP };

static const struct opt recent_options[] = {
	{ .name = "set", ACTION, SETS(XT_RECENT_SET), .excludes = "rcheck update remove rttl",
	  .help = "add the address to the list; always matches" },
	{ .name = "rcheck", ACTION, SETS(XT_RECENT_CHECK), .excludes = "set update remove", .help = "match if it is in the list" },
	{ .name = "update", ACTION, SETS(XT_RECENT_UPDATE), .excludes = "set rcheck remove",
	  .help = "match if it is in the list, and note the time" },
	{ .name = "remove", ACTION, SETS(XT_RECENT_REMOVE), .excludes = "set rcheck update rttl",
	  .help = "match if it is in the list, and take it out" },
	{ .name = "seconds", .type = OPT_U32, .min = 1, .max = UINT32_MAX, .at = offsetof(struct xt_recent_mtinfo_v1, seconds),
	  .size = 4, .arg = "seconds", .help = "only what was seen within the last seconds counts" },
	{ .name = "reap", .type = OPT_FLAG, SETS(XT_RECENT_REAP), .help = "take out what is older than --seconds" },
	{ .name = "hitcount", .type = OPT_U32, .at = offsetof(struct xt_recent_mtinfo_v1, hit_count), .size = 4, .arg = "hits",
	  .help = "match only when it was seen so many times" },
	{ .name = "rttl", .type = OPT_FLAG, SETS(XT_RECENT_TTL), .excludes = "set remove",
	  .help = "the TTL must be that of the packet that set it" },
	{ .name = "name", .type = OPT_CUSTOM, .parse = parse_name, .arg = "name", .help = "the list's name; DEFAULT if none is given" },
	{ .name = "rsource", .type = OPT_FLAG, .parse = parse_side, .help = "the source address (default)" },
	{ .name = "rdest", .type = OPT_FLAG, .parse = parse_side, .help = "the destination address" },
	{ .name = "mask", .type = OPT_CUSTOM, .parse = parse_mask, .arg = "netmask", .help = "put on each address first" },
	OPT_END
};

static void recent_init(void *data)
{
	struct xt_recent_mtinfo_v1 *info = data;

	strcpy(info->name, "DEFAULT");
	info->side = XT_RECENT_SOURCE;
	memset(&info->mask, 0xff, sizeof(info->mask));
}

static int recent_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	if (!(seen & (1 << ROW_SET | 1 << ROW_RCHECK | 1 << ROW_UPDATE | 1 << ROW_REMOVE)))
		return refuse(why, -EINVAL, "recent: one of --set, --rcheck, --update, --remove is required");
	if (seen & 1 << ROW_REAP && !(seen & 1 << ROW_SECONDS))
		return refuse(why, -EINVAL, "recent: --reap needs --seconds");
	return 0;
}

static const struct { uint8_t bit; const char *saved, *listed; } action_words[] = {
	{ XT_RECENT_SET, " --set", " SET" }, { XT_RECENT_CHECK, " --rcheck", " CHECK" },
	{ XT_RECENT_UPDATE, " --update", " UPDATE" }, { XT_RECENT_REMOVE, " --remove", " REMOVE" },
};

static void recent_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_recent_mtinfo_v1 *info = data;

	if (info->invert)
		sb_adds(out, " !");
	for (unsigned int i = 0; i < ARRAY_SIZE(action_words); i++)
		if (info->check_set & action_words[i].bit)
			sb_adds(out, action_words[i].saved);
	if (info->seconds)
		sb_printf(out, " --seconds %d", info->seconds);
	if (info->check_set & XT_RECENT_REAP)
		sb_adds(out, " --reap");
	if (info->hit_count)
		sb_printf(out, " --hitcount %d", info->hit_count);
	if (info->check_set & XT_RECENT_TTL)
		sb_adds(out, " --rttl");
	sb_printf(out, " --name %.*s --mask ", (int)sizeof(info->name), info->name);
	print_addr(out, view->family, &info->mask);
	sb_adds(out, info->side == XT_RECENT_SOURCE ? " --rsource" : info->side == XT_RECENT_DEST ? " --rdest" : "");
}

static void recent_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_recent_mtinfo_v1 *info = data;

	sb_adds(out, info->invert ? " ! recent:" : " recent:");
	for (unsigned int i = 0; i < ARRAY_SIZE(action_words); i++)
		if (info->check_set & action_words[i].bit)
			sb_adds(out, action_words[i].listed);
	if (info->seconds)
		sb_printf(out, " seconds: %d", info->seconds);
	if (info->check_set & XT_RECENT_REAP)
		sb_adds(out, " reap");
	if (info->hit_count)
		sb_printf(out, " hit_count: %d", info->hit_count);
	if (info->check_set & XT_RECENT_TTL)
		sb_adds(out, " TTL-Match");
	sb_printf(out, " name: %.*s", (int)sizeof(info->name), info->name);
	sb_adds(out, info->side == XT_RECENT_SOURCE ? " side: source" : info->side == XT_RECENT_DEST ? " side: dest" : "");
	sb_adds(out, " mask: ");
	print_addr(out, view->family, &info->mask);
}

static const struct ext_text recent_text = {
	.options = recent_options, .help_head = "recent match options:", .init = recent_init, .finish = recent_finish,
	.save = recent_save, .print = recent_print,
};

#define RECENT_COMMON .name = "recent", .families = FAMILY_ANY, .depends = DEP_STATE | DEP_TIME | DEP_L3_ADDRS | DEP_L3_TTL, \
	.match = recent_match, .destroy = recent_destroy

const struct match match_recent_0 = {
	RECENT_COMMON, .revision = 0, .info_size = sizeof(struct xt_recent_mtinfo), .checkentry = recent_check_0,
};
const struct match match_recent_1 = {
	RECENT_COMMON, .revision = 1, .info_size = sizeof(struct xt_recent_mtinfo_v1), .checkentry = recent_check_1,
	.attach = recent_attach, .text = &recent_text,
};
