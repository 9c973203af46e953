/*
 * base/sysctl.c - names to variables, kept sorted by name: lookups bisect, listings need no sort.
 * Numbers are read as the kernel's proc handlers read them: base by prefix, blanks around, nothing else.
 */
#include "base/sysctl.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct sysctls {
	struct sysctl **by_name;	/* owned, and their names */
	size_t count, room;
	uint64_t *changes;		/* NULL: nobody counts them */
};

struct sysctls *sysctls_new(void)
{
	return calloc(1, sizeof(struct sysctls));
}

static void entry_free(struct sysctl *ctl)
{
	free((char *)ctl->name);
	free(ctl);
}

void sysctls_watch(struct sysctls *ctls, uint64_t *changes)
{
	ctls->changes = changes;
}

void sysctls_free(struct sysctls *ctls)
{
	if (!ctls)
		return;
	for (size_t i = 0; i < ctls->count; i++)
		entry_free(ctls->by_name[i]);
	free(ctls->by_name);
	free(ctls);
}

/* As sysctl(8): whichever of '.' and '/' comes first separates, the other one then stands for itself. */
static char *canonical_name(const char *name)
{
	char *copy = strdup(name);
	size_t first = strcspn(name, "./");

	if (copy && name[first] == '/')
		for (char *p = copy; *p; p++)
			*p = *p == '/' ? '.' : *p == '.' ? '/' : *p;
	return copy;
}

/* Where @name is or would be. */
static size_t position(const struct sysctls *ctls, const char *name, bool *found)
{
	size_t lo = 0, hi = ctls->count;

	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(ctls->by_name[mid]->name, name);

		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int sysctl_register(struct sysctls *ctls, const struct sysctl *ctl)
{
	struct sysctl *copy;
	bool found;
	size_t at;

	if (ctls->count == ctls->room) {
		size_t room = ctls->room ? ctls->room * 2 : 128;
		struct sysctl **grown = realloc(ctls->by_name, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		ctls->by_name = grown;
		ctls->room = room;
	}
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *ctl;
	copy->name = canonical_name(ctl->name);
	if (!copy->name) {
		free(copy);
		return -ENOMEM;
	}
	at = position(ctls, copy->name, &found);
	if (found) {
		entry_free(copy);
		return -EEXIST;
	}
	memmove(&ctls->by_name[at + 1], &ctls->by_name[at], (ctls->count - at) * sizeof(*ctls->by_name));
	ctls->by_name[at] = copy;
	ctls->count++;
	return 0;
}

void sysctl_unregister_prefix(struct sysctls *ctls, const char *prefix)
{
	size_t kept = 0, len = strlen(prefix);

	for (size_t i = 0; i < ctls->count; i++) {
		if (strncmp(ctls->by_name[i]->name, prefix, len) == 0)
			entry_free(ctls->by_name[i]);
		else
			ctls->by_name[kept++] = ctls->by_name[i];
	}
	ctls->count = kept;
}

static struct sysctl *find(struct sysctls *ctls, const char *name, struct refusal *why, int *err)
{
	char *canonical = canonical_name(name);
	bool found = false;
	size_t at = 0;

	if (!canonical) {
		*err = refuse(why, -ENOMEM, "sysctl: no memory");
		return NULL;
	}
	at = position(ctls, canonical, &found);
	free(canonical);
	if (!found) {
		*err = refuse(why, -ENOENT, "sysctl: unknown key \"%s\"", name);
		return NULL;
	}
	return ctls->by_name[at];
}

static const struct { int64_t min, max; } kind_range[] = {
	[SYSCTL_INT] = { INT_MIN, INT_MAX },
	[SYSCTL_UINT] = { 0, UINT_MAX },
	[SYSCTL_SECONDS] = { 0, INT_MAX / WEIR_HZ },	/* the kernel keeps them as ticks in an int */
	[SYSCTL_BOOL] = { 0, 1 },
	[SYSCTL_U8] = { 0, UINT8_MAX },
};

static int64_t value_load(const struct sysctl *ctl)
{
	switch (ctl->kind) {
	case SYSCTL_INT:
		return *(int *)ctl->value;
	case SYSCTL_UINT:
	case SYSCTL_SECONDS:
		return *(unsigned int *)ctl->value;
	case SYSCTL_BOOL:
		return *(bool *)ctl->value;
	case SYSCTL_U8:
		return *(uint8_t *)ctl->value;
	case SYSCTL_TEXT:
		break;
	}
	return 0;
}

static void value_store(const struct sysctl *ctl, int64_t number)
{
	switch (ctl->kind) {
	case SYSCTL_INT:
		*(int *)ctl->value = (int)number;
		break;
	case SYSCTL_UINT:
	case SYSCTL_SECONDS:
		*(unsigned int *)ctl->value = (unsigned int)number;
		break;
	case SYSCTL_BOOL:
		*(bool *)ctl->value = number != 0;
		break;
	case SYSCTL_U8:
		*(uint8_t *)ctl->value = (uint8_t)number;
		break;
	case SYSCTL_TEXT:
		break;
	}
}

static bool read_number(const char *text, int64_t *out)
{
	bool negative;
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	negative = *text == '-';
	text += negative;
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*out = strtoll(text, &end, 0);
	if (errno)
		return false;
	if (negative)
		*out = -*out;
	/* the kernel takes the first number of a line and ignores what follows a blank */
	return *end == '\0' || isspace((unsigned char)*end);
}

int sysctl_set(struct sysctls *ctls, const char *name, const char *value, struct refusal *why)
{
	int64_t number, before, min, max;
	struct sysctl *ctl;
	int err = 0;

	ctl = find(ctls, name, why, &err);
	if (!ctl)
		return err;
	if (ctl->read_only)
		return refuse(why, -EACCES, "sysctl: \"%s\" is read-only", name);
	if (ctls->changes)
		(*ctls->changes)++;
	if (ctl->kind == SYSCTL_TEXT) {
		if (!ctl->changed)
			return refuse(why, -EACCES, "sysctl: \"%s\" cannot be set", name);
		return ctl->changed(ctl->priv, ctl, value, why);
	}
	if (!read_number(value, &number))
		return refuse(why, -EINVAL, "sysctl: \"%s\" is not a number for %s", value, name);
	min = ctl->min || ctl->max ? ctl->min : kind_range[ctl->kind].min;
	max = ctl->min || ctl->max ? ctl->max : kind_range[ctl->kind].max;
	if (number < min || number > max)
		return refuse(why, -EINVAL, "sysctl: %s takes %lld to %lld, not %s", name, (long long)min,
			      (long long)max, value);
	before = value_load(ctl);
	value_store(ctl, number);
	if (ctl->changed)
		err = ctl->changed(ctl->priv, ctl, value, why);
	if (err)
		value_store(ctl, before);
	return err;
}

int sysctl_get(struct sysctls *ctls, const char *name, struct strbuf *out, struct refusal *why)
{
	struct sysctl *ctl;
	int err = 0;

	ctl = find(ctls, name, why, &err);
	if (!ctl)
		return err;
	if (ctl->print)
		ctl->print(ctl->priv, ctl, out);
	else if (ctl->kind != SYSCTL_TEXT)
		sb_printf(out, "%lld", (long long)value_load(ctl));
	return 0;
}

void sysctl_each(struct sysctls *ctls, bool (*visit)(void *priv, const struct sysctl *ctl), void *priv)
{
	for (size_t i = 0; i < ctls->count; i++)
		if (!visit(priv, ctls->by_name[i]))
			return;
}
