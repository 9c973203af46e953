/*
 * ext/target/dnetmap.c - "-j DNETMAP": each inside host gets an address of a smaller outside network for itself, for as long as it
 * uses it. (xtables-addons, IPv4)
 *
 * A prefix is that network, shared by all rules that name it: one binding for each of its addresses, in order of their last use, so
 * that the next host gets what is free or was left alone for longest. Bindings that an administrator wrote are in no such order.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "base/hash.h"
#include "ext/addons.h"
#include "ext/natrange.h"
#include "ext/state.h"

enum { TTL_DEFAULT_SEC = 600, ADDRESSES_MAX = 1 << 16, CHAINS = 1 << 12, LOG_LEVEL = 6 };

struct binding {
	struct list node;		/* in its prefix' order of use; not while it is static */
	struct binding *next;		/* of the same chain, while it is bound */
	struct prefix *prefix;
	uint32_t inside;
	bool is_bound, is_static;
	int64_t until_ns, hit_ns;
};

struct prefix {
	struct list node;
	struct instance *inst;
	unsigned int rules;
	bool is_persistent, said_full;
	uint32_t first, count;
	char path[80], stat_path[80];
	struct list by_use;
	struct binding slots[];
};

struct dnetmap {
	struct list prefixes;
	struct binding *by_inside[CHAINS];
};

/* --- bindings --- */

static void say(struct instance *inst, const struct binding *b, const char *what)
{
	const uint32_t outside = b->prefix->first + (uint32_t)(b - b->prefix->slots);
	char line[96];

	if (!inst->observer.log)
		return;
	snprintf(line, sizeof(line), "xt_DNETMAP: %s binding %u.%u.%u.%u -> %u.%u.%u.%u", what, b->inside >> 24, b->inside >> 16 & 0xff,
		 b->inside >> 8 & 0xff, b->inside & 0xff, outside >> 24, outside >> 16 & 0xff, outside >> 8 & 0xff, outside & 0xff);
	inst->observer.log(inst->observer.priv, LOG_LEVEL, line);
}

static struct binding **chain_of(struct dnetmap *all, uint32_t inside)
{
	return &all->by_inside[jhash_words(&inside, 1, 0) % CHAINS];
}

static struct binding *binding_of_inside(struct dnetmap *all, uint32_t inside)
{
	struct binding *b = *chain_of(all, inside);

	while (b && b->inside != inside)
		b = b->next;
	return b;
}

static bool is_active(const struct binding *b, int64_t now_ns)
{
	return b->is_bound && (b->is_static || now_ns <= b->until_ns);
}

/* It is free, and the first that somebody new gets. */
static void unbind(struct dnetmap *all, struct binding *b)
{
	struct binding **at = chain_of(all, b->inside);

	if (!b->is_bound)
		return;
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	if (!b->is_static)
		list_remove(&b->node);
	list_push(&b->prefix->by_use, &b->node);
	b->is_bound = b->is_static = false;
	b->inside = 0;
	b->until_ns = MIN_OF(b->until_ns, b->prefix->inst->now_ns - 1);
}

static void bind_to(struct dnetmap *all, struct binding *b, uint32_t inside, bool is_static)
{
	struct binding **at = chain_of(all, inside);

	list_remove(&b->node);
	if (!is_static)
		list_append(&b->prefix->by_use, &b->node);
	b->inside = inside;
	b->is_bound = true;
	b->is_static = is_static;
	b->next = *at;
	*at = b;
}

static void use(struct binding *b, const struct xt_DNETMAP_tginfo *info, int64_t now_ns)
{
	int64_t ttl_sec = info->flags & XT_DNETMAP_TTL ? info->ttl : TTL_DEFAULT_SEC;

	if (b->is_static || ttl_sec < 0)
		return;
	b->until_ns = now_ns + ttl_sec * NSEC_PER_SEC;
	b->hit_ns = now_ns;
	list_remove(&b->node);
	list_append(&b->prefix->by_use, &b->node);
}

/* --- prefixes --- */

static uint32_t first_of(const struct xt_DNETMAP_tginfo *info) { return ntohl(info->prefix.min_addr.ip); }
static uint64_t count_of(const struct xt_DNETMAP_tginfo *info)
{
	return (uint64_t)ntohl(info->prefix.max_addr.ip) - first_of(info) + 1;
}

/* A network of CIDR's kind that is not too large. */
static bool is_network(uint32_t first, uint64_t count)
{
	return count && count <= ADDRESSES_MAX && !(count & (count - 1)) && !(first & (count - 1));
}

static struct prefix *prefix_at(const struct dnetmap *all, uint32_t first, uint64_t count)
{
	list_for_each(node, &all->prefixes) {
		struct prefix *p = list_entry(node, struct prefix, node);

		if (p->first == first && p->count == count)
			return p;
	}
	return NULL;
}

static bool is_named(const struct xt_DNETMAP_tginfo *info, const struct prefix *p)
{
	return !(info->flags & XT_DNETMAP_PREFIX) || (p->first == first_of(info) && p->count == count_of(info));
}

/* A new binding for @inside in the first of the rule's prefixes that has one; NULL: they are used up. */
static struct binding *bind_new(struct dnetmap *all, const struct xt_DNETMAP_tginfo *info, uint32_t inside, struct instance *inst)
{
	list_for_each(node, &all->prefixes) {
		struct prefix *p = list_entry(node, struct prefix, node);
		struct binding *b = list_is_empty(&p->by_use) ? NULL : list_entry(p->by_use.next, struct binding, node);
		char line[96];

		if (!is_named(info, p))
			continue;
		if (b && !is_active(b, inst->now_ns)) {
			if (b->is_bound)
				say(inst, b, "timeout");
			unbind(all, b);
			bind_to(all, b, inside, false);
			b->until_ns = inst->now_ns + (int64_t)(info->flags & XT_DNETMAP_TTL ? info->ttl : TTL_DEFAULT_SEC) * NSEC_PER_SEC;
			b->hit_ns = inst->now_ns;
			p->said_full = false;
			say(inst, b, "add");
			return b;
		}
		if (!p->said_full && inst->observer.log) {
			snprintf(line, sizeof(line), "xt_DNETMAP: ip %u.%u.%u.%u - no free adresses in prefix %u.%u.%u.%u/%d", inside >> 24,
				 inside >> 16 & 0xff, inside >> 8 & 0xff, inside & 0xff, p->first >> 24, p->first >> 16 & 0xff,
				 p->first >> 8 & 0xff, p->first & 0xff, 32 - __builtin_ctz(p->count));
			inst->observer.log(inst->observer.priv, LOG_LEVEL, line);
		}
		p->said_full = true;
	}
	return NULL;
}

/* --- its files --- */

static struct dnetmap *dnetmap_of(const struct instance *inst);

static void bindings_print(void *priv, struct strbuf *out)
{
	const struct prefix *p = priv;

	for (uint32_t i = 0; i < p->count; i++) {
		const struct binding *b = &p->slots[i];
		const uint32_t to = p->first + i;

		sb_printf(out, "%u.%u.%u.%u -> %u.%u.%u.%u --- ", b->inside >> 24, b->inside >> 16 & 0xff, b->inside >> 8 & 0xff,
			  b->inside & 0xff, to >> 24, to >> 16 & 0xff, to >> 8 & 0xff, to & 0xff);
		if (b->is_static)
			sb_adds(out, "ttl: S lasthit: S\n");
		else
			sb_printf(out, "ttl: %" PRId64 " lasthit: %" PRId64 "\n", (b->until_ns - p->inst->now_ns) / NSEC_PER_SEC,
				  b->hit_ns / NSEC_PER_SEC);
	}
}

static void stat_print(void *priv, struct strbuf *out)
{
	const struct prefix *p = priv;
	uint32_t dynamic = 0, fixed = 0;
	int64_t ttl_ns = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		const struct binding *b = &p->slots[i];

		fixed += b->is_static;
		if (!b->is_static && is_active(b, p->inst->now_ns)) {
			dynamic++;
			ttl_ns += b->until_ns - p->inst->now_ns;
		}
	}
	sb_printf(out, "%u %u %u %" PRId64 " %s\n", dynamic, fixed, p->count, dynamic ? ttl_ns / NSEC_PER_SEC / dynamic : 0,
		  p->is_persistent ? "persistent" : "");
}

/* "inside:outside" */
static int static_add(struct prefix *p, char *text, struct refusal *why)
{
	struct dnetmap *all = dnetmap_of(p->inst);
	char *colon = strchr(text, ':');
	union nf_inet_addr inside, outside;
	struct binding *b;

	if (colon)
		*colon = '\0';
	if (!colon || opt_addr(text, NFPROTO_IPV4, &inside, NULL) || opt_addr(colon + 1, NFPROTO_IPV4, &outside, NULL))
		return refuse(why, -EINVAL, "DNETMAP: the file takes \"+inside:outside\" with two addresses");
	if (ntohl(inside.ip) - p->first < p->count || ntohl(outside.ip) - p->first >= p->count)
		return refuse(why, -EINVAL, "DNETMAP: the outside address is one of the prefix, the inside address is none");
	b = binding_of_inside(all, ntohl(inside.ip));
	if (b) {
		say(p->inst, b, "timeout");
		unbind(all, b);
	}
	b = &p->slots[ntohl(outside.ip) - p->first];
	if (b->is_bound)
		say(p->inst, b, "timeout");
	unbind(all, b);
	bind_to(all, b, ntohl(inside.ip), true);
	return 0;
}

/* By either of its addresses. */
static int binding_remove(struct prefix *p, const char *text, struct refusal *why)
{
	struct dnetmap *all = dnetmap_of(p->inst);
	union nf_inet_addr addr;
	struct binding *b;

	if (opt_addr(text, NFPROTO_IPV4, &addr, NULL))
		return refuse(why, -EINVAL, "DNETMAP: \"%s\" is not an address", text);
	if (ntohl(addr.ip) - p->first < p->count)
		b = &p->slots[ntohl(addr.ip) - p->first];
	else
		b = binding_of_inside(all, ntohl(addr.ip));
	if (!b || !b->is_bound || b->prefix != p)
		return refuse(why, -EINVAL, "DNETMAP: %s is not bound here", text);
	say(p->inst, b, "remove");
	unbind(all, b);
	return 0;
}

static int bindings_write(void *priv, const char *text, size_t len, struct refusal *why)
{
	struct prefix *p = priv;
	char line[48];

	if (len >= sizeof(line))
		return refuse(why, -EINVAL, "DNETMAP: that is too long");
	memcpy(line, text, len);
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "flush") == 0) {
		for (uint32_t i = p->count; i--;)
			unbind(dnetmap_of(p->inst), &p->slots[i]);
		return 0;
	}
	if (strcmp(line, "+persistent") == 0 || strcmp(line, "-persistent") == 0) {
		p->is_persistent = *line == '+';
		return 0;
	}
	if (*line == '+')
		return static_add(p, line + 1, why);
	if (*line == '-')
		return binding_remove(p, line + 1, why);
	return refuse(why, -EINVAL, "DNETMAP: the file takes +inside:outside, -address, +persistent, -persistent, flush");
}

/* --- their life --- */

static struct prefix *prefix_new(struct dnetmap *all, struct instance *inst, uint32_t first, uint32_t count)
{
	struct prefix *p = calloc(1, sizeof(*p) + count * sizeof(*p->slots));
	struct proc_file bindings = { .print = bindings_print, .write = bindings_write, .priv = p };
	struct proc_file stat = { .print = stat_print, .priv = p };
	char name[40];

	if (!p)
		return NULL;
	p->inst = inst;
	p->first = first;
	p->count = count;
	snprintf(name, sizeof(name), "%u.%u.%u.%u_%d", first >> 24, first >> 16 & 0xff, first >> 8 & 0xff, first & 0xff, 32 - __builtin_ctz(count));
	snprintf(p->path, sizeof(p->path), "/proc/net/xt_DNETMAP/%s", name);
	snprintf(p->stat_path, sizeof(p->stat_path), "/proc/net/xt_DNETMAP/%s_stat", name);
	bindings.path = p->path;
	stat.path = p->stat_path;
	list_init(&p->by_use);
	for (uint32_t i = 0; i < count; i++) {
		p->slots[i] = (struct binding){ .prefix = p, .until_ns = inst->now_ns };
		list_append(&p->by_use, &p->slots[i].node);
	}
	if (proc_register(inst->files, &bindings))
		goto err_free;
	if (proc_register(inst->files, &stat))
		goto err_unregister;
	list_append(&all->prefixes, &p->node);
	return p;

err_unregister:
	proc_unregister(inst->files, p->path);
err_free:
	free(p);
	return NULL;
}

static void prefix_free(struct dnetmap *all, struct prefix *p)
{
	for (uint32_t i = 0; i < p->count; i++)
		unbind(all, &p->slots[i]);
	proc_unregister(p->inst->files, p->path);
	proc_unregister(p->inst->files, p->stat_path);
	list_remove(&p->node);
	free(p);
}

static void dnetmap_init(struct instance *inst, void *state)
{
	list_init(&((struct dnetmap *)state)->prefixes);
}

/* Persistent ones outlive their rules. */
static void dnetmap_end(struct instance *inst, void *state)
{
	struct dnetmap *all = state;

	list_for_each_safe(node, &all->prefixes)
		prefix_free(all, list_entry(node, struct prefix, node));
}

static void binding_save(const struct prefix *p, const struct binding *b, struct strbuf *out)
{
	out_u32(out, (uint32_t)(b - p->slots) + 1);
	out_u32(out, b->inside);
	out_u8(out, b->is_static);
	out_u64(out, (uint64_t)b->until_ns);
	out_u64(out, (uint64_t)b->hit_ns);
}

static void dnetmap_save_state(struct instance *inst, void *state, struct strbuf *out)
{
	const struct dnetmap *all = state;

	list_for_each(node, &all->prefixes) {
		const struct prefix *p = list_entry(node, struct prefix, node);

		out_u32(out, p->first);
		out_u32(out, p->count);
		out_u8(out, p->is_persistent);
		for (uint32_t i = 0; i < p->count; i++)
			if (p->slots[i].is_static)
				binding_save(p, &p->slots[i], out);
		list_for_each(used, &p->by_use)
			if (list_entry(used, struct binding, node)->is_bound)
				binding_save(p, list_entry(used, struct binding, node), out);
		out_u32(out, 0);
	}
}

static bool dnetmap_load_state(struct instance *inst, void *state, struct bytes_in *in)
{
	struct dnetmap *all = state;

	while (in->at < in->end && !in->failed) {
		uint32_t first = in_u32(in), count = in_u32(in), slot;
		bool is_persistent = in_u8(in);
		struct prefix *p = prefix_at(all, first, count);

		if (!p && is_persistent && !in->failed && is_network(first, count))
			p = prefix_new(all, inst, first, count);
		if (p)
			p->is_persistent = is_persistent;
		while ((slot = in_u32(in))) {
			uint32_t inside = in_u32(in);
			bool is_static = in_u8(in);
			int64_t until_ns = (int64_t)in_u64(in), hit_ns = (int64_t)in_u64(in);
			struct binding *b = p && slot <= p->count ? &p->slots[slot - 1] : NULL;

			if (in->failed)
				break;
			if (!b || b->is_bound || binding_of_inside(all, inside))
				continue;
			bind_to(all, b, inside, is_static);
			b->until_ns = MIN_OF(until_ns, inst->now_ns + (int64_t)INT32_MAX * NSEC_PER_SEC);
			b->until_ns = b->until_ns < 0 ? 0 : b->until_ns;
			b->hit_ns = hit_ns;
		}
	}
	return !in->failed;
}

static const struct ext_state_kind dnetmap_kind = {
	.size = sizeof(struct dnetmap), .init = dnetmap_init, .end = dnetmap_end, .name = "dnetmap",
	.save = dnetmap_save_state, .load = dnetmap_load_state,
};

static struct dnetmap *dnetmap_of(const struct instance *inst)
{
	return ext_state_if_any(inst, &dnetmap_kind);
}

/* --- the target --- */

static unsigned int map(struct pkt *pkt, struct ext_call *call, uint32_t to, enum nat_manip manip)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	range.min_addr.ip = range.max_addr.ip = htonl(to);
	return nat_setup(call->inst, pkt_ct(pkt), &range, manip);
}

/* From outside: to whom the address belongs now. */
static unsigned int map_back(struct dnetmap *all, struct pkt *pkt, const struct xt_DNETMAP_tginfo *info, struct ext_call *call)
{
	const uint32_t outside = ntohl(pkt_ip4(pkt)->daddr);

	list_for_each(node, &all->prefixes) {
		struct prefix *p = list_entry(node, struct prefix, node);
		struct binding *b = outside - p->first < p->count ? &p->slots[outside - p->first] : NULL;

		if (!b || !is_named(info, p) || !is_active(b, call->inst->now_ns))
			continue;
		use(b, info, call->inst->now_ns);
		return map(pkt, call, b->inside, NAT_MANIP_DST);
	}
	return XT_CONTINUE;
}

static unsigned int dnetmap_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_DNETMAP_tginfo *info = data;
	struct dnetmap *all = dnetmap_of(call->inst);
	const uint32_t inside = ntohl(pkt_ip4(pkt)->saddr);
	const int64_t now_ns = call->inst->now_ns;
	struct binding *b;

	if (!pkt_ct(pkt))
		return NF_DROP;
	if (!all)
		return XT_CONTINUE;
	if (call->state->hooknum == NF_INET_PRE_ROUTING)
		return map_back(all, pkt, info, call);
	b = binding_of_inside(all, inside);
	if (b && !b->is_static && info->flags & XT_DNETMAP_STATIC)
		return XT_CONTINUE;
	if (b && !is_active(b, now_ns) && !(info->flags & XT_DNETMAP_REUSE) && !is_named(info, b->prefix)) {
		say(call->inst, b, "timeout");
		unbind(all, b);
		b = NULL;
	}
	if (b)
		use(b, info, now_ns);
	else if (!(info->flags & XT_DNETMAP_STATIC))
		b = bind_new(all, info, inside, call->inst);
	return b ? map(pkt, call, b->prefix->first + (uint32_t)(b - b->prefix->slots), NAT_MANIP_SRC) : XT_CONTINUE;
}

static int dnetmap_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_DNETMAP_tginfo *info = data;
	struct dnetmap *all = ext_state(check->inst, &dnetmap_kind);
	struct prefix *p;
	int err;

	if (!all)
		return refuse(why, -ENOMEM, "DNETMAP: no memory");
	if (info->flags & XT_DNETMAP_PREFIX && !is_network(first_of(info), count_of(info)))
		return refuse(why, -EINVAL, "DNETMAP: the prefix is no network of at most %d addresses", ADDRESSES_MAX);
	if (info->flags & XT_DNETMAP_PREFIX && info->prefix.flags != NF_NAT_RANGE_MAP_IPS)
		return refuse(why, -EINVAL, "DNETMAP: a prefix has addresses and no ports");
	err = natrange_track(check, why);
	if (err || !(info->flags & XT_DNETMAP_PREFIX))
		return err;
	p = prefix_at(all, first_of(info), count_of(info));
	if (!p) {
		p = prefix_new(all, check->inst, first_of(info), (uint32_t)count_of(info));
		if (!p) {
			natrange_untrack(data, check);
			return refuse(why, -ENOMEM, "DNETMAP: the prefix' files cannot be made");
		}
		p->is_persistent = info->flags & XT_DNETMAP_PERSISTENT;
	}
	p->rules++;
	return 0;
}

static void dnetmap_destroy(void *data, const struct ext_check *check)
{
	const struct xt_DNETMAP_tginfo *info = data;
	struct dnetmap *all = dnetmap_of(check->inst);
	struct prefix *p = info->flags & XT_DNETMAP_PREFIX ? prefix_at(all, first_of(info), count_of(info)) : NULL;

	if (p && !--p->rules && !p->is_persistent)
		prefix_free(all, p);
	natrange_untrack(data, check);
}

/* --- text --- */

static int prefix_parse(struct opt_call *call, struct refusal *why)
{
	struct xt_DNETMAP_tginfo *info = call->info;
	union nf_inet_addr addr, mask;
	char head[64];
	size_t len = strcspn(call->arg, "/");
	int err = opt_addr_mask(call->arg, NFPROTO_IPV4, &addr, &mask, why);

	if (err)
		return err;
	snprintf(head, sizeof(head), "%.*s", (int)MIN_OF(len, sizeof(head) - 1), call->arg);
	if (opt_addr(head, NFPROTO_IPV4, &addr, why))
		return -EINVAL;
	if (addr.ip & ~mask.ip)
		return refuse(why, -EINVAL, "Bad network address \"%s\"", call->arg);
	if (!is_network(ntohl(addr.ip), (uint64_t)~ntohl(mask.ip) + 1))
		return refuse(why, -EINVAL, "Max netmask size is /16");
	info->flags |= XT_DNETMAP_PREFIX;
	info->prefix.flags = NF_NAT_RANGE_MAP_IPS;
	info->prefix.min_addr.ip = addr.ip;
	info->prefix.max_addr.ip = addr.ip | ~mask.ip;
	return 0;
}

static int ttl_parse(struct opt_call *call, struct refusal *why)
{
	struct xt_DNETMAP_tginfo *info = call->info;
	char *end;
	long value = strtol(call->arg, &end, 10);

	if (end == call->arg || *end || value < INT32_MIN || value > INT32_MAX)
		return refuse(why, -EINVAL, "DNETMAP: --ttl takes seconds, not \"%s\"", call->arg);
	info->flags |= XT_DNETMAP_TTL;
	info->ttl = (int32_t)value;
	return 0;
}

#define FLAG_ROW(row_name, bit, text) \
	{ .name = row_name, .type = OPT_FLAG, .set_at = offsetof(struct xt_DNETMAP_tginfo, flags), .set_bits = bit, .set_width = 1, .help = text }

static const struct opt dnetmap_options[] = {
	{ .name = "prefix", .type = OPT_CUSTOM, .parse = prefix_parse, .arg = "address[/mask]",
	  .help = "the network to map to; none: every prefix that there is" },
	FLAG_ROW("reuse", XT_DNETMAP_REUSE, "a host keeps its address of any prefix, even after its time"),
	{ .name = "ttl", .type = OPT_CUSTOM, .parse = ttl_parse, .arg = "seconds",
	  .help = "how long an unused binding lasts (600); negative: use does not prolong it" },
	FLAG_ROW("static", XT_DNETMAP_STATIC, "only bindings written to the prefix' file"),
	FLAG_ROW("persistent", XT_DNETMAP_PERSISTENT, "the prefix stays when its last rule goes"),
	OPT_END
};

static void dnetmap_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_DNETMAP_tginfo *info = data;
	const uint32_t first = first_of(info);

	if (info->flags & XT_DNETMAP_PREFIX)
		sb_printf(out, " --prefix %u.%u.%u.%u/%d", first >> 24, first >> 16 & 0xff, first >> 8 & 0xff, first & 0xff,
			  count_of(info) ? 32 - __builtin_ctzll(count_of(info)) : 0);
	if (info->flags & XT_DNETMAP_REUSE)
		sb_adds(out, " --reuse ");
	if (info->flags & XT_DNETMAP_STATIC)
		sb_adds(out, " --static ");
	if (info->flags & XT_DNETMAP_PERSISTENT)
		sb_adds(out, " --persistent ");
	if (info->flags & XT_DNETMAP_TTL)
		sb_printf(out, " --ttl %d ", info->ttl);
}

static void dnetmap_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -j DNETMAP");
	dnetmap_save(data, view, out);
}

static const struct ext_text dnetmap_text = {
	.options = dnetmap_options, .help_head = "DNETMAP target options:", .save = dnetmap_save, .print = dnetmap_print,
};

const struct target target_dnetmap = {
	.name = "DNETMAP", .revision = 0, .families = FAMILY_V4, .info_size = sizeof(struct xt_DNETMAP_tginfo), .table = "nat",
	.hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_POST_ROUTING | 1 << NF_INET_LOCAL_OUT, .depends = DEP_STATE,
	.target = dnetmap_target, .checkentry = dnetmap_check, .destroy = dnetmap_destroy, .text = &dnetmap_text,
};
