/*
 * ext/match/u32.c - "-m u32": arithmetic on four bytes anywhere in the packet, compared with ranges.
 * Offsets start at the network header; '@' moves the start. What reaches beyond the packet does not fit.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_u32.h>

#include <ctype.h>
#include <stdlib.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool test_holds(const struct xt_u32_test *test, const struct pkt *pkt)
{
	uint32_t value, start = 0;
	const void *word = pkt_at(pkt, test->location[0].number, 4);

	if (!word)
		return false;
	value = get_be32(word);
	for (unsigned int i = 1; i < test->nnums; i++) {
		uint32_t number = test->location[i].number;

		switch (test->location[i].nextop) {
		case XT_U32_AND:
			value &= number;
			break;
		case XT_U32_LEFTSH:
			value <<= number;
			break;
		case XT_U32_RIGHTSH:
			value >>= number;
			break;
		case XT_U32_AT:
			if (value > UINT32_MAX - start || start + value > pkt->len || number > pkt->len)
				return false;
			start += value;
			word = pkt_at(pkt, start + number, 4);
			if (!word)
				return false;
			value = get_be32(word);
			break;
		}
	}
	for (unsigned int i = 0; i < test->nvalues; i++)
		if (value >= test->value[i].min && value <= test->value[i].max)
			return true;
	return false;
}

static bool u32_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_u32 *info = data;
	bool all = true;

	for (unsigned int i = 0; i < info->ntests && all; i++)
		all = test_holds(&info->tests[i], pkt);
	return all ^ info->invert;
}

static int u32_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_u32 *info = data;

	if (info->ntests > ARRAY_SIZE(info->tests))
		return refuse(why, -EINVAL, "u32: too many tests (%u)", info->ntests);
	for (unsigned int i = 0; i < info->ntests; i++) {
		const struct xt_u32_test *test = &info->tests[i];

		if (test->nnums > ARRAY_SIZE(test->location) || test->nvalues > ARRAY_SIZE(test->value))
			return refuse(why, -EINVAL, "u32: test %u has too many numbers or values", i);
		for (unsigned int op = 1; op < test->nnums; op++) {
			uint8_t next = test->location[op].nextop;

			if (next > XT_U32_AT)
				return refuse(why, -EINVAL, "u32: test %u has an unknown operator", i);
			if ((next == XT_U32_LEFTSH || next == XT_U32_RIGHTSH) && test->location[op].number > 31)
				return refuse(why, -EINVAL, "u32: test %u shifts by more than 31", i);
		}
	}
	return 0;
}

static bool read_number(const char **at, uint32_t *out)
{
	uint64_t value;
	char *end;

	if (!opt_number(*at, &end, &value) || value > UINT32_MAX)
		return false;
	*out = value;
	*at = end;
	return true;
}

static void skip_blanks(const char **at)
{
	while (isspace((unsigned char)**at))
		++*at;
}

static bool read_operator(const char **at, uint8_t *op)
{
	static const struct { const char *text; uint8_t op; } ops[] = {
		{ "<<", XT_U32_LEFTSH }, { ">>", XT_U32_RIGHTSH }, { "&", XT_U32_AND }, { "@", XT_U32_AT },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		if (strncmp(*at, ops[i].text, strlen(ops[i].text)) == 0) {
			*at += strlen(ops[i].text);
			*op = ops[i].op;
			return true;
		}
	}
	return false;
}

/* number (operator number)* '=' value[:value] (',' value[:value])*; false with *at where it fails. */
static bool read_test(const char **at, struct xt_u32_test *test)
{
	unsigned int count = 0;

	for (skip_blanks(at); **at != '='; skip_blanks(at)) {
		if (count && !read_operator(at, &test->location[count].nextop))
			return false;
		skip_blanks(at);
		if (!read_number(at, &test->location[count].number) || ++count > XT_U32_MAXSIZE)
			return false;
	}
	test->nnums = count;
	if (!count)
		return false;
	count = 0;
	do {
		struct xt_u32_value_element *value = &test->value[count];

		++*at;	/* '=' or ',' */
		skip_blanks(at);
		if (!read_number(at, &value->min))
			return false;
		value->max = value->min;
		skip_blanks(at);
		if (**at == ':') {
			++*at;
			skip_blanks(at);
			if (!read_number(at, &value->max))
				return false;
			skip_blanks(at);
		}
		if (++count > XT_U32_MAXSIZE)
			return false;
	} while (**at == ',');
	test->nvalues = count;
	return true;
}

static int u32_parse(struct opt_call *call, struct refusal *why)
{
	struct xt_u32 *info = call->info;
	const char *at = call->arg;

	if (strlen(call->arg) > 1024)
		return refuse(why, -EINVAL, "u32: the test is too long");
	for (;;) {
		if (info->ntests >= XT_U32_MAXSIZE)
			return refuse(why, -EINVAL, "u32: at most %d tests", XT_U32_MAXSIZE);
		if (!read_test(&at, &info->tests[info->ntests++]))
			return refuse(why, -EINVAL, "u32: \"%s\" is no test at character %zu", call->arg,
				      (size_t)(at - call->arg) + 1);
		if (!*at)
			return 0;
		if (strncmp(at, "&&", 2))
			return refuse(why, -EINVAL, "u32: \"&&\" is expected at character %zu",
				      (size_t)(at - call->arg) + 1);
		at += 2;
	}
}

static const struct opt u32_options[] = {
	{ .name = "u32", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = u32_parse,
	  .invert_at = offsetof(struct xt_u32, invert), .invert_bits = 1, .invert_width = 1,
	  .arg = "tests", .help = "location=value[:value],... && ...; location: number with & << >> @" },
	OPT_END
};

static void add_tests(const struct xt_u32 *info, struct strbuf *out)
{
	static const char *const op_words[] = { "&", "<<", ">>", "@" };

	sb_adds(out, "\"");
	for (unsigned int i = 0; i < MIN_OF(info->ntests, ARRAY_SIZE(info->tests)); i++) {
		const struct xt_u32_test *test = &info->tests[i];

		sb_printf(out, "%s0x%x", i ? "&&" : "", test->location[0].number);
		for (unsigned int n = 1; n < MIN_OF(test->nnums, ARRAY_SIZE(test->location)); n++)
			sb_printf(out, "%s0x%x", op_words[test->location[n].nextop & 3], test->location[n].number);
		for (unsigned int n = 0; n < MIN_OF(test->nvalues, ARRAY_SIZE(test->value)); n++) {
			const struct xt_u32_value_element *value = &test->value[n];

			sb_printf(out, "%c0x%x", n ? ',' : '=', value->min);
			if (value->min != value->max)
				sb_printf(out, ":0x%x", value->max);
		}
	}
	sb_adds(out, "\"");
}

static void u32_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_u32 *info = data;

	sb_adds(out, info->invert ? " ! --u32 " : " --u32 ");
	add_tests(info, out);
}

static void u32_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_u32 *info = data;

	sb_adds(out, info->invert ? " u32 ! " : " u32 ");
	add_tests(info, out);
}

static const struct ext_text u32_text = {
	.options = u32_options, .help_head = "u32 match options:", .save = u32_save, .print = u32_print,
};

const struct match match_u32 = {
	.name = "u32", .families = FAMILY_ANY, .info_size = sizeof(struct xt_u32), .depends = DEP_BYTES,
	.match = u32_match, .classify = class_rule_nothing, .checkentry = u32_check, .text = &u32_text,
};
