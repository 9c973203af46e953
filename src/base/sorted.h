/*
 * base/sorted.h - a name's place in an array that is sorted by names.
 */
#ifndef WEIR_BASE_SORTED_H
#define WEIR_BASE_SORTED_H

#include "base/types.h"

/* Where @name is, or belongs, in [@low, @high). @name_at: what the one at a place is called. */
static inline size_t sorted_place(size_t low, size_t high, const char *name, const char *(*name_at)(const void *priv, size_t at), const void *priv,
				  bool *found)
{
	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(name_at(priv, mid), name);

		if (!order) {
			*found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

#endif
