/*
 * ext/registry.c - names to extensions. The lists are short and asked only while rules are loaded,
 * so a plain scan will do. An alias exists for text only; its rules carry another name.
 */
#include "ext/option.h"

#define FIND(list, type, name, revision, family) do {					\
	const struct type *found = NULL;						\
	for (const struct type *const *at = list; *at; at++) {				\
		const struct type *ext = *at;						\
		if (ext->name[0] != name[0] || ext->revision != revision || ext->abi_name ||	\
		    strcmp(ext->name, name) ||					\
		    !(ext->families & family_bit(family)))				\
			continue;							\
		if (!found || ext->families != FAMILY_ANY)				\
			found = ext;							\
	}										\
	return found;									\
} while (0)

#define FIND_TEXT(list, type, name, family) do {					\
	const struct type *found = NULL;						\
	for (const struct type *const *at = list; *at; at++) {				\
		const struct type *ext = *at;						\
		if (ext->name[0] != name[0] || strcmp(ext->name, name) || !ext->text ||	\
		    !(ext->families & family_bit(family)))	\
			continue;							\
		if (!found || ext->revision > found->revision ||			\
		    (ext->revision == found->revision && ext->families != FAMILY_ANY))	\
			found = ext;							\
	}										\
	return found;									\
} while (0)

const struct match *match_find(const char *name, uint8_t revision, uint8_t family)
{
	FIND(ext_matches, match, name, revision, family);
}

const struct target *target_find(const char *name, uint8_t revision, uint8_t family)
{
	FIND(ext_targets, target, name, revision, family);
}

const struct match *match_for_text(const char *name, uint8_t family)
{
	FIND_TEXT(ext_matches, match, name, family);
}

const struct target *target_for_text(const char *name, uint8_t family)
{
	FIND_TEXT(ext_targets, target, name, family);
}

static unsigned int memo_slot(const char *name)
{
	return ((unsigned char)name[0] * 7u + (name[0] ? (unsigned char)name[1] * 3u + (name[1] ? (unsigned char)name[2] : 0u) : 0u)) %
	       EXT_MEMO_SIZE;
}

const struct match *match_find_again(struct ext_memo *memo, const char *name, uint8_t revision, uint8_t family)
{
	const struct match **at = &memo->match[memo_slot(name)];

	if (!*at || (*at)->revision != revision || strcmp((*at)->name, name))
		*at = match_find(name, revision, family);
	return *at;
}

const struct target *target_find_again(struct ext_memo *memo, const char *name, uint8_t revision, uint8_t family)
{
	const struct target **at = &memo->target[memo_slot(name)];

	if (!*at || (*at)->revision != revision || strcmp((*at)->name, name))
		*at = target_find(name, revision, family);
	return *at;
}

const struct match *match_for_text_again(struct ext_memo *memo, const char *name, uint8_t family)
{
	const struct match **at = &memo->match_text[memo_slot(name)];

	if (!*at || strcmp((*at)->name, name))
		*at = match_for_text(name, family);
	return *at;
}

const struct target *target_for_text_again(struct ext_memo *memo, const char *name, uint8_t family)
{
	const struct target **at = &memo->target_text[memo_slot(name)];

	if (!*at || strcmp((*at)->name, name))
		*at = target_for_text(name, family);
	return *at;
}
