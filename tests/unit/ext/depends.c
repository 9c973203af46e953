/*
 * tests/unit/ext/depends.c - what every match promises: its answer rests on the fields it names and on no other, and
 * it never reads beyond the packet; and every target: what it does to the packet rests on the fields it names. Rules are those of
 * upstream.inc and of depends_rows.h, loaded as any rule is; packets (depends_world.h) are random, often too short, and lie in memory of
 * exactly their size so that a sanitizer sees each stray read. At the end the registry is gone through: whoever stands there was asked,
 * and said yes and no.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "table/table_internal.h"

#include "depends_world.h"

#include "upstream_cases.h"

#include "depends_rows.h"

enum { PACKETS_PER_INFO = 400, EXTENSIONS_MAX = 200 };

/* What an extension was seen to do; a target says yes when it did something. */
struct seen {
	uint32_t asked, yes, no;
};

struct proof {
	struct world world;
	struct seen matches[EXTENSIONS_MAX], targets[EXTENSIONS_MAX];
};

/* A rule as it was loaded. */
struct loaded {
	const struct ruleset *rs;
	const char *text;
	uint8_t *entry;
	bool is_nat;
};

static uint32_t place_in(const void *const *list, const void *ext)
{
	uint32_t i = 0;

	while (list[i] && list[i] != ext)
		i++;
	assert_true(list[i] && i < EXTENSIONS_MAX);
	return i;
}

static struct seen *seen_match(struct proof *p, const struct match *match)
{
	return &p->matches[place_in((const void *const *)ext_matches, match)];
}

static struct seen *seen_target(struct proof *p, const struct target *target)
{
	return &p->targets[place_in((const void *const *)ext_targets, target)];
}

static void count(struct seen *seen, bool yes)
{
	seen->asked++;
	seen->yes += yes;
	seen->no += !yes;
}

static unsigned int ask(struct proof *p, const struct match *match, const void *info)
{
	struct world *w = &p->world;
	bool answer;

	w->call.hotdrop = false;
	answer = match->match(&w->pkt, info, &w->call);
	count(seen_match(p, match), answer && !w->call.hotdrop);
	return answer | w->call.hotdrop << 1;
}

static void match_keeps_its_word(struct proof *p, const struct loaded *rule, const struct match *match, const void *info)
{
	uint32_t depends = match->depends_of ? match->depends_of(info) : match->depends;
	struct world *w = &p->world;

	assert_int_not_equal(depends, 0);
	assert_int_equal(depends & ~match->depends, 0);	/* a rule never rests on more than its match says */
	w->hint = info;
	w->hint_len = match->user_size ? match->user_size : match->info_size;
	for (unsigned int i = 0; i < PACKETS_PER_INFO; i++) {
		unsigned int first;

		packet_new(w);
		first = ask(p, match, info);
		for (uint32_t bit = 2; bit <= DEP_L4_DPORT && !(depends & SPOILS); bit <<= 1)
			if (!(depends & bit) && flip(w, bit) && ask(p, match, info) != first)
				fail_msg("%s/%u of \"%s\" rests on %#x and does not say so", match->name, match->revision, rule->text, bit);
		free(w->pkt.data);
	}
}

/* --- targets --- */

enum { BYTES_MAX = 256 };

/* The packet before and after: whatever a target may touch. */
struct image {
	uint32_t len, mark, priority, secmark, ct_mark, ctinfo;
	const struct ct *attached;	/* by the target; not the packet's own connection */
	uint8_t bytes[BYTES_MAX];
};

struct outcome {
	struct image before, after;
	unsigned int verdict;
	bool traced;
};

static void image_take(const struct world *w, const struct pkt *pkt, struct image *image)
{
	*image = (struct image){ .len = pkt->len, .mark = pkt->mark, .priority = pkt->priority, .secmark = pkt->secmark,
				 .ct_mark = w->ct->mark, .ctinfo = pkt->ctinfo,
				 .attached = pkt->ct == w->ct ? NULL : pkt->ct };
	memcpy(image->bytes, pkt->data, MIN_OF(pkt->len, (uint32_t)BYTES_MAX));
}

/* Lets the target have a packet of its own that equals w->pkt; the world stays as it was. */
static void act(struct world *w, const struct target *target, const void *info, struct outcome *out)
{
	uint32_t ct_mark = w->ct->mark;
	struct pkt *pkt = pkt_new(w->inst, w->pkt.len);

	assert_non_null(pkt);
	memcpy(pkt->data, w->pkt.data, w->pkt.len);
	pkt->mark = w->pkt.mark;
	pkt->protocol = w->pkt.protocol;
	pkt->type = w->pkt.type;
	pkt->in = w->state.in;
	pkt->out = w->state.out;
	pkt->route = w->pkt.route;
	pkt->socket = host_socket_get(w->pkt.socket);
	pkt_parse(pkt);
	pkt->ct = w->pkt.ct;
	if (pkt->ct)
		ct_get(pkt->ct);
	pkt->ctinfo = w->pkt.ctinfo;
	pkt->hook = &w->state;
	image_take(w, pkt, &out->before);
	w->call.hotdrop = false;
	out->verdict = target->target(pkt, info, &w->call);
	image_take(w, pkt, &out->after);
	out->traced = pkt->flags & PKT_FLAG_TRACED;
	w->ct->mark = ct_mark;
	pkt_free(w->inst, pkt);
}

/* A value that differs before may be left alone or overwritten; one that does not differ must end up the same. */
static bool same_effect(uint32_t before_a, uint32_t after_a, uint32_t before_b, uint32_t after_b)
{
	return after_a == after_b || (before_a != before_b && after_a == before_a && after_b == before_b);
}

/* Sums follow from what they are sums of. */
static bool is_checksum(const struct world *w, uint32_t at)
{
	bool v4 = w->call.family == NFPROTO_IPV4;
	uint8_t proto = proto_of(w);
	uint32_t sum = w->l4 + (proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2);

	return (v4 && at / 2 == 5) || at == sum || at == sum + 1;
}

static bool same_outcome(const struct world *w, const struct outcome *a, const struct outcome *b)
{
	bool same = a->verdict == b->verdict && a->after.len - a->before.len == b->after.len - b->before.len && a->traced == b->traced &&
		    a->after.attached == b->after.attached &&
		    same_effect(a->before.ctinfo, a->after.ctinfo, b->before.ctinfo, b->after.ctinfo) &&
		    same_effect(a->before.mark, a->after.mark, b->before.mark, b->after.mark) &&
		    same_effect(a->before.ct_mark, a->after.ct_mark, b->before.ct_mark, b->after.ct_mark) &&
		    a->after.priority == b->after.priority && a->after.secmark == b->after.secmark;

	for (uint32_t i = 0; same && i < MIN_OF(MIN_OF(a->after.len, b->after.len), (uint32_t)BYTES_MAX); i++)
		same = is_checksum(w, i) || same_effect(a->before.bytes[i], a->after.bytes[i], b->before.bytes[i], b->after.bytes[i]);
	return same;
}

static bool did_something(const struct outcome *out)
{
	return out->verdict != XT_CONTINUE || out->traced || memcmp(&out->before, &out->after, sizeof(out->before));
}

static void target_keeps_its_word(struct proof *p, const struct loaded *rule, const struct target *target, const void *info)
{
	struct world *w = &p->world;

	if (target->depends & SPOILS || rule->is_nat)
		return;		/* never remembered, or bound once (tests/unit/flowcache/nat.c): there is nothing to hold against it */
	assert_int_not_equal(target->depends, 0);
	w->hint = info;
	w->hint_len = target->user_size ? target->user_size : target->info_size;
	for (unsigned int i = 0; i < PACKETS_PER_INFO; i++) {
		struct outcome first, second;

		packet_new(w);
		if (w->call.fragoff && target->proto) {	/* the loader's rule is for whole headers */
			free(w->pkt.data);
			continue;
		}
		act(w, target, info, &first);
		count(seen_target(p, target), did_something(&first));
		for (uint32_t bit = 2; bit <= DEP_L4_DPORT; bit <<= 1) {
			if ((target->depends & bit) || !flip(w, bit))
				continue;
			act(w, target, info, &second);
			count(seen_target(p, target), did_something(&second));
			if (!same_outcome(w, &first, &second))
				fail_msg("%s/%u of \"%s\" rests on %#x and does not say so", target->name, target->revision, rule->text, bit);
			first = second;
		}
		free(w->pkt.data);
	}
}

/* --- rules --- */

/* The first rule of a table as it was loaded. */
static struct loaded first_rule(struct world *w, uint8_t family, const char *table, const char *text)
{
	list_for_each(node, tables_of(w->inst->tables, family)) {
		const struct ruleset *rs = list_entry(node, struct table, node)->rules;

		if (strcmp(rs->table, table))
			continue;
		for (uint32_t place = 0; place < rs->number; place++)
			if (rs->roles[entry_id(rs, rs->at[place])] == ROLE_RULE)
				return (struct loaded){ .rs = rs, .text = text, .entry = rs->at[place], .is_nat = !strcmp(table, "nat") };
	}
	fail_msg("\"%s\" is not there", text);
	return (struct loaded){ NULL };
}

static void rule_keeps_its_word(struct proof *p, const struct loaded *rule, uint8_t hook)
{
	const uint8_t family = rule->rs->family;
	const struct xt_entry_target *t = entry_target(rule->entry, family);
	struct world *w = &p->world;

	w->state.family = w->call.family = family;
	w->state.hooknum = hook;
	w->proto = entry_invflags(rule->entry, family) & XT_INV_PROTO ? 0 : (uint8_t)entry_proto(rule->entry, family);
	for_each_match(m, rule->entry, family) {
		w->state.in = hook <= NF_INET_FORWARD ? w->eth[0] : NULL;
		w->state.out = hook >= NF_INET_FORWARD ? w->eth[0] : NULL;
		match_keeps_its_word(p, rule, (const struct match *)m->u.kernel.match, m->data);
	}
	w->state.in = hook <= NF_INET_FORWARD ? w->eth[0] : NULL;
	w->state.out = hook >= NF_INET_FORWARD ? w->eth[0] : NULL;
	if (((const struct target *)t->u.kernel.target)->target)
		target_keeps_its_word(p, rule, (const struct target *)t->u.kernel.target, t->data);
}

static uint8_t hook_of(const char *chain)
{
	uint8_t hook = 0;

	while (strcmp(hook_chain_names[hook], chain))
		hook++;
	return hook;
}

static int load(struct world *w, uint8_t family, const char *table, const char *chain, const char *rule, struct refusal *why)
{
	char text[4096];

	if (chain)
		snprintf(text, sizeof(text), "*%s\n-A %s %s\nCOMMIT\n", table, chain, rule);
	else
		snprintf(text, sizeof(text), "*%s\nCOMMIT\n", table);
	return rules_restore(w->inst, family, text, strlen(text), "rules", 0, why);
}

static void ask_upstreams(void **state)
{
	struct proof *p = *state;
	unsigned int good = 0, asked = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct upstream_case *c = &cases[i];
		const uint8_t family = c->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
		struct refusal why = { 0 };
		struct loaded rule;

		good += !c->exit_code;
		/* some want what this world has not: their extensions' own rows stand in depends_rows.h */
		if (c->exit_code || load(&p->world, family, c->table, c->chain, c->rule, &why))
			continue;
		rule = first_rule(&p->world, family, c->table, c->rule);
		rule_keeps_its_word(p, &rule, hook_of(c->chain));
		asked++;
	}
	assert_true(asked > good / 20 * 19);
}

static void ask_own(void **state)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	struct proof *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(text_rows) * ARRAY_SIZE(families); i++) {
		const struct text_row *row = &text_rows[i / ARRAY_SIZE(families)];
		const uint8_t family = families[i % ARRAY_SIZE(families)];
		struct refusal why = { 0 };
		struct loaded rule;

		if (!(row->families & family_bit(family)))
			continue;
		if (load(&p->world, family, row->table, row->chain, row->rule, &why))
			fail_msg("\"%s\": %s", row->rule, why.text);
		rule = first_rule(&p->world, family, row->table, row->rule);
		rule_keeps_its_word(p, &rule, hook_of(row->chain));
	}
}

/* A rule for what only older tools send: its data as they would. */
static size_t entry_make(const struct data_row *row, uint8_t family, uint64_t *room)
{
	const size_t head = entry_head_size(family);
	const size_t data = XT_ALIGN(row->is_target ? target_find(row->name, row->revision, family)->info_size :
				     match_find(row->name, row->revision, family)->info_size);
	const size_t part = sizeof(struct xt_entry_match) + data;
	const size_t size = head + part + (row->is_target ? 0 : sizeof(struct xt_standard_target));
	struct xt_entry_match *m = (void *)((char *)room + head);

	memset(room, 0, size);
	if (family == NFPROTO_IPV4) {
		((struct ipt_entry *)room)->ip.proto = row->proto;
	} else {
		((struct ip6t_entry *)room)->ipv6.proto = row->proto;
		((struct ip6t_entry *)room)->ipv6.flags = row->proto ? IP6T_F_PROTO : 0;
	}
	entry_set_offsets(room, family, (uint16_t)(head + (row->is_target ? 0 : part)), (uint16_t)size);
	m->u.user.match_size = (uint16_t)part;
	m->u.user.revision = row->revision;
	strcpy(m->u.user.name, row->name);
	if (row->size)
		memcpy(m->data, row->data, row->size);
	if (!row->is_target) {
		struct xt_standard_target *t = (void *)((char *)room + head + part);

		t->target.u.user.target_size = sizeof(*t);
		strcpy(t->target.u.user.name, "ACCEPT");
	}
	return size;
}

static void ask_older(void **state)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	static uint64_t room[1024];
	struct proof *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(data_rows) * ARRAY_SIZE(families); i++) {
		const struct data_row *row = &data_rows[i / ARRAY_SIZE(families)];
		const uint8_t family = families[i % ARRAY_SIZE(families)];
		struct rule_change more = { .kind = CHANGE_INSERT, .chain = row->chain, .entry = room };
		struct refusal why = { 0 };
		struct loaded rule;

		if (!(row->families & family_bit(family)))
			continue;
		more.entry_len = entry_make(row, family, room);
		if (load(&p->world, family, row->table, NULL, NULL, &why) ||
		    tables_change_rule(p->world.inst, family, row->table, &more, &why))
			fail_msg("%s/%u: %s", row->name, row->revision, why.text);
		rule = first_rule(&p->world, family, row->table, row->name);
		rule_keeps_its_word(p, &rule, hook_of(row->chain));
	}
}

/* Targets that Linux does not have: of IPMARK every setting is drawn. */
static void ask_ipmark(void **state)
{
	struct proof *p = *state;
	struct world *w = &p->world;

	for (size_t i = 0; i < 60; i++) {
		const uint8_t family = i & 1 ? NFPROTO_IPV6 : NFPROTO_IPV4;
		struct refusal why = { 0 };
		struct loaded rule;
		char text[128];

		snprintf(text, sizeof(text), "-j IPMARK --addr %s --and-mask %#x --or-mask %#x --shift %u", i & 2 ? "src" : "dst",
			 rng_u32(&w->rng), rng_u32(&w->rng), rng_below(&w->rng, 129));
		if (load(w, family, "mangle", "FORWARD", text, &why))
			fail_msg("%s: %s", text, why.text);
		rule = first_rule(w, family, "mangle", text);
		rule_keeps_its_word(p, &rule, NF_INET_FORWARD);
	}
}

/* What these do, their own memory, clock or luck decides, too: a way that meets one of them is never remembered. */
static void targets_with_memory_say_so(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(remembering_targets); i++) {
		unsigned int found = 0;

		for (const struct target *const *t = ext_targets; *t; t++) {
			if (strcmp((*t)->name, remembering_targets[i]))
				continue;
			found++;
			if (!((*t)->depends & SPOILS))
				fail_msg("%s/%u may be remembered: %#x", (*t)->name, (*t)->revision, (*t)->depends);
		}
		assert_true(found);
	}
}

static bool is_listed(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name))
		names++;
	return *names;
}

static void everyone_was_asked(void **state)
{
	struct proof *p = *state;
	unsigned int left = 0;

	for (const struct match *const *at = ext_matches; *at; at++) {
		const struct match *m = *at;
		const struct seen *seen = seen_match(p, m);
		const bool yes = seen->yes || is_listed(never_yes, m->name), no = seen->no || is_listed(never_no, m->name);

		if (m->abi_name || is_listed(not_here, m->name) || (yes && no && seen->asked))
			continue;
		print_error("-m %s/%u of families %u: asked %u times, yes %u, no %u\n", m->name, m->revision, m->families, seen->asked, seen->yes,
			    seen->no);
		left++;
	}
	for (const struct target *const *at = ext_targets; *at; at++) {
		const struct target *t = *at;
		const struct seen *seen = seen_target(p, t);
		/* never remembered, or bound once, or no target of any rule: there is nothing to ask */
		const bool is_beside = t->depends & SPOILS || (t->table && !strcmp(t->table, "nat")) || !strcmp(t->name, XT_ERROR_TARGET);

		if (!t->target || t->abi_name || is_beside || seen->yes || (seen->asked && is_listed(no_effect, t->name)))
			continue;
		print_error("-j %s/%u of families %u: asked %u times, did something %u\n", t->name, t->revision, t->families, seen->asked, seen->yes);
		left++;
	}
	assert_int_equal(left, 0);
}

static int proof_open(void **state)
{
	struct proof *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	world_open(&p->world);
	facts_make(p->world.inst);
	*state = p;
	return 0;
}

static int proof_close(void **state)
{
	struct proof *p = *state;

	facts_forget(p->world.inst);
	world_close(&p->world);
	free(p);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_with_memory_say_so),
		cmocka_unit_test(ask_upstreams),
		cmocka_unit_test(ask_own),
		cmocka_unit_test(ask_older),
		cmocka_unit_test(ask_ipmark),
		cmocka_unit_test(everyone_was_asked),
	};

	return cmocka_run_group_tests(tests, proof_open, proof_close);
}
