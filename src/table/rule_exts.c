/*
 * table/rule_exts.c - the extensions of a rule being read: loaded by -m and -j, and by -p when one of its
 * options turns up; whose an option is, and what it says when it is nobody's.
 */
#include "table/rule_parser.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

const struct base_option base_options[] = {
	{ "append", 'A', ARG_REQUIRED }, { "delete", 'D', ARG_REQUIRED }, { "check", 'C', ARG_REQUIRED },
	{ "insert", 'I', ARG_REQUIRED }, { "replace", 'R', ARG_REQUIRED }, { "list", 'L', ARG_OPTIONAL },
	{ "list-rules", 'S', ARG_OPTIONAL }, { "flush", 'F', ARG_OPTIONAL }, { "zero", 'Z', ARG_OPTIONAL },
	{ "new-chain", 'N', ARG_REQUIRED }, { "delete-chain", 'X', ARG_OPTIONAL },
	{ "rename-chain", 'E', ARG_REQUIRED }, { "policy", 'P', ARG_REQUIRED }, { "source", 's', ARG_REQUIRED },
	{ "destination", 'd', ARG_REQUIRED }, { "src", 's', ARG_REQUIRED }, { "dst", 'd', ARG_REQUIRED },
	{ "protocol", 'p', ARG_REQUIRED }, { "in-interface", 'i', ARG_REQUIRED }, { "jump", 'j', ARG_REQUIRED },
	{ "table", 't', ARG_REQUIRED }, { "match", 'm', ARG_REQUIRED }, { "numeric", 'n', ARG_NONE },
	{ "out-interface", 'o', ARG_REQUIRED }, { "verbose", 'v', ARG_NONE }, { "wait", 'w', ARG_OPTIONAL },
	{ "wait-interval", 'W', ARG_OPTIONAL }, { "exact", 'x', ARG_NONE }, { "fragments", 'f', ARG_NONE },
	{ "version", 'V', ARG_NONE }, { "help", 'h', ARG_OPTIONAL }, { "line-numbers", '0', ARG_NONE },
	{ "modprobe", 'M', ARG_REQUIRED }, { "set-counters", 'c', ARG_REQUIRED }, { "goto", 'g', ARG_REQUIRED },
	{ "ipv4", '4', ARG_NONE }, { "ipv6", '6', ARG_NONE }, { "json", 'J', ARG_NONE },
	{ NULL },
};

/* --- extensions --- */

static struct ext_use *use_add(struct parser *p, const char *name, uint8_t revision, uint32_t info_size)
{
	struct rule_command *cmd = p->cmd;
	const size_t size = sizeof(struct xt_entry_match) + XT_ALIGN(info_size);
	struct xt_entry_match *m;
	struct ext_use *use;

	if (size > UINT16_MAX)
		return NULL;
	if (!cmd->uses) {
		cmd->uses = cmd->use_room;
		p->use_cap = USES_ROOM;
	} else if (cmd->use_count == p->use_cap) {
		const unsigned int cap = 2 * p->use_cap;
		struct ext_use *uses = malloc(cap * sizeof(*uses));

		if (!uses)
			return NULL;
		memcpy(uses, cmd->uses, cmd->use_count * sizeof(*uses));
		if (cmd->uses != cmd->use_room)
			free(cmd->uses);
		cmd->uses = uses;
		p->use_cap = cap;
	}
	if (size <= (size_t)(DATA_ROOM - cmd->data_used)) {
		m = memset(cmd->data_room + cmd->data_used, 0, size);
		cmd->data_used += (uint16_t)size;
	} else {
		m = calloc(1, size);
	}
	if (!m)
		return NULL;
	m->u.user.match_size = (uint16_t)size;
	m->u.user.revision = revision;
	memcpy(m->u.user.name, name, strnlen(name, sizeof(m->u.user.name) - 1));
	use = &cmd->uses[cmd->use_count++];
	*use = (struct ext_use){ .data = m, .size = (uint16_t)size, .word = parser_last(p) };
	return use;
}

_Static_assert(sizeof(struct xt_entry_match) == sizeof(struct xt_entry_target), "one header for both");

static const struct ext_text *use_text(const struct ext_use *use)
{
	return use->match ? use->match->text : use->target->text;
}

static const char *use_name(const struct ext_use *use)
{
	return use->match ? use->match->name : use->target->name;
}

static void *use_info(const struct ext_use *use)
{
	return (char *)use->data + sizeof(struct xt_entry_match);
}

/* Three names that always meant one match. */
static const char *match_alias(const char *name)
{
	return !strcmp(name, "icmpv6") || !strcmp(name, "ipv6-icmp") ? "icmp6" : name;
}

static const struct match *match_named(const struct parser *p, const char *name)
{
	return p->env->memo ? match_for_text_again(p->env->memo, name, p->env->family) : match_for_text(name, p->env->family);
}

static int match_load(struct parser *p, const struct match *match)
{
	struct ext_use *use;
	bool repeats = false;

	for (unsigned int i = 0; i < p->cmd->use_count; i++)
		if (p->cmd->uses[i].match == match)
			repeats = p->cmd->uses[i].closed = true;
	use = use_add(p, match->abi_name ? match->abi_name : match->name, match->revision, match->info_size);
	if (!use)
		return refuse(p->why, -ENOMEM, "no memory");
	use->match = match;
	use->repeats = repeats;
	if (match->text && match->text->init)
		match->text->init(use_info(use));
	return 0;
}

int parser_match(struct parser *p)
{
	const struct match *match;
	struct suggestion near = { .wanted = p->arg };

	if (p->invert)
		return FAIL(p, p->word, "unexpected ! flag before --match");
	match = match_named(p, match_alias(p->arg));
	if (match)
		return match_load(p, match);
	for (const struct match *const *at = ext_matches; *at; at++)
		if ((*at)->text && (*at)->families & family_bit(p->env->family))
			suggest_offer(&near, (*at)->name);
	if (near.best)
		refuse_at(p->why, word_pos(p->env, parser_last(p)), -ENOENT, "unknown match '%s': did you mean '%s'?", p->arg,
			  near.best);
	else
		refuse_at(p->why, word_pos(p->env, parser_last(p)), -ENOENT, "unknown match '%s'", p->arg);
	refuse_upstream(p->why, "Couldn't load match `%s':No such file or directory", p->arg);
	return -ENOENT;
}

int parser_target_name(struct parser *p)
{
	if (!p->arg[0])
		return FAIL(p, parser_last(p), "Invalid target name (too short)");
	if (strlen(p->arg) >= XT_EXTENSION_MAXNAMELEN)
		return FAIL(p, parser_last(p), "Invalid target name `%s' (%u chars max)", p->arg, XT_EXTENSION_MAXNAMELEN - 1);
	for (const char *c = p->arg; *c; c++)
		if (isspace((unsigned char)*c))
			return FAIL(p, parser_last(p), "Invalid target name `%s'", p->arg);
	p->cmd->jump = p->arg;
	p->cmd->jump_word = parser_last(p);
	return 0;
}

bool parser_is_verdict(const char *name)
{
	if (!strchr("ADQR", name[0]))
		return false;
	return !strcmp(name, "ACCEPT") || !strcmp(name, "DROP") || !strcmp(name, "QUEUE") || !strcmp(name, "RETURN");
}

/* A target with options is loaded at once; verdicts and chains wait until the table is known. */
int parser_target(struct parser *p)
{
	const struct target *target;
	struct ext_use *use;
	int err = parser_target_name(p);

	if (err || parser_is_verdict(p->arg))
		return err;
	target = p->env->memo ? target_for_text_again(p->env->memo, p->arg, p->env->family)
			      : target_for_text(p->arg, p->env->family);
	if (!target)
		return 0;
	use = use_add(p, target->abi_name ? target->abi_name : target->name, target->revision, target->info_size);
	if (!use)
		return refuse(p->why, -ENOMEM, "no memory");
	use->target = target;
	p->cmd->has_target = true;
	if (target->text && target->text->init)
		target->text->init(use_info(use));
	return 0;
}

/* --- which option is it --- */

static const struct opt *row_meant(const struct ext_text *text, const struct opt *opt)
{
	return &text->options[opt_row(text, opt)];
}

/* Of the uses of one match the last takes options. */
static struct ext_use *use_open(struct parser *p, struct ext_use *use)
{
	for (unsigned int i = p->cmd->use_count; use->closed && i--;)
		if (p->cmd->uses[i].match == use->match)
			return &p->cmd->uses[i];
	return use;
}

/*
 * Exact names first, iptables' own before those of extensions, the extension loaded last before earlier ones. Loaded is each once, at its first
 * -m: "-m mark ... -m connmark ... -m mark --mark" gives connmark a second --mark, as upstream does.
 */
static bool option_exact(struct parser *p, const char *name, struct option_found *found)
{
	*found = (struct option_found){ NULL };
	for (unsigned int i = 0; base_options[i].name; i++) {
		if (base_options[i].name[0] == name[0] && !strcmp(base_options[i].name, name)) {
			found->base = &base_options[i];
			return true;
		}
	}
	for (unsigned int i = p->cmd->use_count; i--;) {
		struct ext_use *use = &p->cmd->uses[i];
		const struct ext_text *text = use_text(use);

		if (use->repeats || !text || !text->options)
			continue;
		for (const struct opt *opt = text->options; opt->name; opt++) {
			if (opt->name[0] == name[0] && !strcmp(opt->name, name)) {
				*found = (struct option_found){ .use = use_open(p, use), .opt = row_meant(text, opt) };
				return true;
			}
		}
	}
	return false;
}

/* A beginning of a name, when it can mean one option only. */
static bool option_abbreviated(struct parser *p, const char *name, struct option_found *found)
{
	const size_t len = strlen(name);
	bool any = false;

	*found = (struct option_found){ NULL };
	for (unsigned int i = 0; base_options[i].name; i++) {
		if (strncmp(base_options[i].name, name, len))
			continue;
		if (any && found->base->letter != base_options[i].letter)
			return false;
		found->base = &base_options[i];
		any = true;
	}
	for (unsigned int i = 0; i < p->cmd->use_count; i++) {
		struct ext_use *use = &p->cmd->uses[i];
		const struct ext_text *text = use_text(use);

		if (use->closed || !text || !text->options)
			continue;
		for (const struct opt *opt = text->options; opt->name; opt++) {
			if (strncmp(opt->name, name, len))
				continue;
			if (any && (found->use != use || found->opt != row_meant(text, opt)))
				return false;
			*found = (struct option_found){ .use = use, .opt = row_meant(text, opt) };
			any = true;
		}
	}
	return any;
}

bool parser_find_option(struct parser *p, const char *name, struct option_found *found)
{
	return option_exact(p, name, found) || option_abbreviated(p, name, found);
}

/* "-p tcp --dport 80" without -m tcp: the protocol's match is loaded when its option turns up. */
int parser_load_proto_match(struct parser *p, bool *loaded)
{
	const struct match *match;
	const char *name = p->proto_text;
	uint64_t number;

	*loaded = false;
	if (!name || p->proto_loaded)
		return 0;
	p->proto_loaded = true;
	if (opt_u64(name, 0, UINT8_MAX, &number))
		name = proto_name((uint16_t)number);
	match = name ? match_named(p, match_alias(name)) : NULL;
	if (!match)
		return 0;
	*loaded = true;
	return match_load(p, match);
}

int parser_ext_option(struct parser *p, struct ext_use *use, const struct opt *opt)
{
	const struct ext_text *text = use_text(use);
	struct opt_call call = {
		.opt = opt,
		.name = p->name + 2,
		.arg = p->arg,
		.invert = p->invert,
		.family = p->env->family,
		.info = use_info(use),
		.e4 = p->env->family == NFPROTO_IPV4 ? p->cmd->head : NULL,
		.e6 = p->env->family == NFPROTO_IPV6 ? p->cmd->head : NULL,
		.seen = use->seen,
		.inst = p->env->inst,
		.look_up = p->env->tables ? p->env->tables->look_up : NULL,
	};
	int err;

	if (opt->flags & OPT_WORD_MAY_FOLLOW && !call.arg && parser_has_arg(p))
		call.arg = parser_next(p);
	for (unsigned int i = 1; i < opt_words(opt); i++) {
		if (!parser_has_arg(p))
			return FAIL(p, p->word, "--%s requires %s", opt->name, opt_words(opt) == 2 ? "two args." : "more args.");
		call.arg2 = parser_next(p);
	}
	err = opt_parse(use_name(use), text, &call, p->why);
	if (err) {
		/* the argument is what is wrong, mostly; the option stands before it */
		if (p->why && !p->why->at.line)
			p->why->at = word_pos(p->env, p->arg && parser_last(p) != p->word ? parser_last(p) : p->word);
		return err;
	}
	use->seen |= 1ull << opt_row(text, opt);
	return 0;
}

int parser_unknown_option(struct parser *p)
{
	struct suggestion near = { .wanted = p->name + 2 };

	if (p->name[1] == '-' && p->name[2]) {
		for (unsigned int i = 0; base_options[i].name; i++)
			suggest_offer(&near, base_options[i].name);
		for (unsigned int i = 0; i < p->cmd->use_count; i++) {
			const struct ext_text *text = use_text(&p->cmd->uses[i]);

			for (const struct opt *opt = text ? text->options : NULL; opt && opt->name; opt++)
				suggest_offer(&near, opt->name);
		}
	}
	if (near.best && near.distance) {
		FAIL(p, p->word, "unknown option \"%s\": did you mean \"--%s\"?", p->name, near.best);
		refuse_upstream(p->why, "unknown option \"%s\"", p->name);
		return -EINVAL;
	}
	return FAIL(p, p->word, "unknown option \"%s\"", p->name);
}

int parser_finish_exts(struct parser *p)
{
	/* matches in their order, the target last */
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < p->cmd->use_count; i++) {
			struct ext_use *use = &p->cmd->uses[i];
			struct opt_call call = {
				.family = p->env->family,
				.info = use_info(use),
				.e4 = p->env->family == NFPROTO_IPV4 ? p->cmd->head : NULL,
				.e6 = p->env->family == NFPROTO_IPV6 ? p->cmd->head : NULL,
				.seen = use->seen,
				.inst = p->env->inst,
			};
			int err;

			if (!use_text(use) || (use->match ? 0u : 1u) != round)
				continue;
			err = opt_finish(use_name(use), use_text(use), &call, p->why);
			if (err) {
				if (p->why && !p->why->at.line)
					p->why->at = word_pos(p->env, use->word);
				return err;
			}
		}
	}
	return 0;
}

