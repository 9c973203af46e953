/*
 * ext/registry.c - names to extensions. The lists are short and asked only while rules are loaded,
 * so a plain scan will do. An alias exists for text only; its rules carry another name.
 */
#include "ext/option.h"

#define FIND(list, type, name, revision, family) do {					\
	const struct type *found = NULL;						\
	for (const struct type *const *at = list; *at; at++) {				\
		const struct type *ext = *at;						\
		if (ext->abi_name || ext->revision != revision || strcmp(ext->name, name) ||	\
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
		if (!ext->text || strcmp(ext->name, name) || !(ext->families & family_bit(family)))	\
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
