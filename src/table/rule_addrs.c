/*
 * table/rule_addrs.c - addresses of -s and -d: a list of numbers with masks, one rule for each. A name stands for all its
 * addresses, if whoever gives the command has asked that names be looked up.
 */
#include "table/rule_parser.h"

#include <ctype.h>
#include <stdlib.h>

/* An address may be short ("10.1"), a mask has all its bytes or is a length. */
static bool mask_is_whole(const char *text, uint8_t family)
{
	uint64_t len;
	unsigned int dots = 0;

	if (family == NFPROTO_IPV6 || opt_u64(text, 0, 32, &len))
		return true;
	for (const char *c = text; (c = strchr(c, '.')); c++)
		dots++;
	return dots == 3;
}

/* No mask: all bits. false: no such mask. */
static bool mask_parse(const char *text, uint8_t family, union nf_inet_addr *mask)
{
	union nf_inet_addr addr;
	char any[300];

	memset(mask, 0, sizeof(*mask));
	if (!text) {
		memset(mask, 0xff, family == NFPROTO_IPV4 ? 4 : 16);
		return true;
	}
	strcpy(stpcpy(any, family == NFPROTO_IPV4 ? "0.0.0.0/" : "::/"), text);
	return mask_is_whole(text, family) && !opt_addr_mask(any, family, &addr, mask, NULL);
}

/* Room for @more addresses behind those that are there and @left that are still to come. */
static bool list_grow(struct addr_list *list, unsigned int more, unsigned int left)
{
	const unsigned int room = list->count + more + left;
	union nf_inet_addr *addrs = calloc(room, sizeof(*addrs)), *masks = calloc(room, sizeof(*masks));

	if (!addrs || !masks) {
		free(addrs);
		free(masks);
		return false;
	}
	memcpy(addrs, list->addrs, list->count * sizeof(*addrs));
	memcpy(masks, list->masks, list->count * sizeof(*masks));
	addrs_free(list);
	list->addrs = addrs;
	list->masks = masks;
	return true;
}

static int name_add(struct parser *p, const char *name, const struct rule_word *word, const union nf_inet_addr *mask,
		    unsigned int left, struct addr_list *out)
{
	const struct table_source *tables = p->env->tables;
	union nf_inet_addr found[OPT_ADDRS_PER_NAME] = { 0 };
	unsigned int count = tables && tables->look_up ? tables->look_up(p->env->family, name, true, found, OPT_ADDRS_PER_NAME) : 0;

	if (!count && tables && tables->warn && !tables->look_up) {
		FAIL(p, word, "\"%s\" is no address, and names are looked up with --resolve only", name);
		refuse_upstream(p->why, "host/network `%s' not found", name);
		return -EINVAL;
	}
	if (!count)
		return FAIL(p, word, "host/network `%s' not found", name);
	if (!list_grow(out, count, left))
		return refuse(p->why, -ENOMEM, "no memory");
	for (unsigned int i = 0; i < count; i++) {
		for (unsigned int part = 0; part < 4; part++)
			found[i].all[part] &= mask->all[part];
		out->addrs[out->count] = found[i];
		out->masks[out->count++] = *mask;
	}
	return 0;
}

int parser_addrs(struct parser *p, const char *text, const struct rule_word *word, struct addr_list *out)
{
	static const union nf_inet_addr none;
	const uint8_t family = p->env->family;
	unsigned int left = 1;

	for (const char *c = text; (c = strchr(c, ',')); c++)
		left++;
	out->count = 0;
	out->addrs = left == 1 ? &out->one[0] : calloc(left, sizeof(*out->addrs));
	out->masks = left == 1 ? &out->one[1] : calloc(left, sizeof(*out->masks));
	if (!out->addrs || !out->masks)
		return refuse(p->why, -ENOMEM, "no memory");
	while (left--) {
		union nf_inet_addr addr = { 0 }, mask;
		char item[256], *slash;
		size_t len;
		int err;

		while (isspace((unsigned char)*text))
			text++;
		len = strcspn(text, ",");
		if (len >= sizeof(item))
			return FAIL(p, word, "host/network `%.60s...' not found", text);
		memcpy(item, text, len);
		item[len] = '\0';
		text += len + (text[len] == ',');
		slash = strrchr(item, '/');
		if (slash)
			*slash++ = '\0';
		if (!mask_parse(slash, family, &mask))
			return FAIL(p, word, "invalid mask `%s' specified", slash);
		/* under an empty mask the name may be any */
		if (memcmp(&mask, &none, sizeof(none)) && opt_addr(item, family, &addr, NULL)) {
			err = name_add(p, item, word, &mask, left, out);
			if (err)
				return err;
			continue;
		}
		for (unsigned int part = 0; part < 4; part++)
			addr.all[part] &= mask.all[part];
		out->addrs[out->count] = addr;
		out->masks[out->count++] = mask;
	}
	return 0;
}

void addrs_free(struct addr_list *list)
{
	if (list->addrs != &list->one[0])
		free(list->addrs);
	if (list->masks != &list->one[1])
		free(list->masks);
	list->addrs = list->masks = NULL;
}
