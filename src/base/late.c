/*
 * base/late.c - dlopen and dlsym over lists of names.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/late.h"

/* The next word of a list into word; false at its end. */
static bool next_word(const char **list, char *word, size_t size)
{
	size_t len;

	*list += strspn(*list, " ");
	len = strcspn(*list, " ");
	if (!len || len >= size)
		return false;
	memcpy(word, *list, len);
	word[len] = '\0';
	*list += len;
	return true;
}

int late_open(const char *sonames, const char *names, void *calls, size_t size, struct refusal *why)
{
	char word[64], first[64] = "";
	void *library = NULL;
	size_t n = 0;

	while (!library && next_word(&sonames, word, sizeof(word))) {
		if (!*first)
			memcpy(first, word, sizeof(first));
		library = dlopen(word, RTLD_NOW | RTLD_LOCAL);
	}
	if (!library)
		return refuse(why, -ENOENT, "the library %s is not installed here", first);
	for (; n < size / sizeof(void *) && next_word(&names, word, sizeof(word)); n++) {
		void *found = dlsym(library, word);

		if (!found)
			return refuse(why, -ENOSYS, "the library %s has no %s", first, word);
		memcpy((char *)calls + n * sizeof(void *), &found, sizeof(found));
	}
	return n == size / sizeof(void *) ? 0 : refuse(why, -EINVAL, "%s: a list of functions does not fit", first);
}
