/* ext/georanges.c - reads files of address ranges, and finds an address in them. */
#include "base/uapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "ext/mmdb.h"

static char **setting_of(struct instance *inst, const struct sysctl *ctl)
{
	return strstr(ctl->name, "asn") ? &inst->asn_dir : &inst->geoip_dir;
}

static int dir_changed(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	char **dir = setting_of(priv, ctl), *copy = strdup(text);

	if (!copy || strlen(text) > 256) {
		free(copy);
		return refuse(why, -EINVAL, "%s: a folder's name has up to 256 bytes", ctl->name);
	}
	free(*dir);
	*dir = copy;
	return 0;
}

static void dir_print(void *priv, const struct sysctl *ctl, struct strbuf *out)
{
	const char *dir = *setting_of(priv, ctl);

	sb_adds(out, dir ? dir : strstr(ctl->name, "asn") ? "/usr/share/xt_asn" : "/usr/share/xt_geoip");
}

int georanges_settings(struct instance *inst)
{
	static const char *const names[] = { "net.weir.geoip_dir", "net.weir.asn_dir" };
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !err; i++) {
		const struct sysctl ctl = { .name = names[i], .kind = SYSCTL_TEXT, .changed = dir_changed, .print = dir_print,
					    .priv = inst };

		err = sysctl_register(inst->sysctls, &ctl);
	}
	return err;
}

enum { FILE_MAX = 64 << 20 };

/* Ranges that ascend and do not overlap: the search relies on it. */
static bool is_sound(const struct georanges *r)
{
	const uint8_t *at = r->bytes, *last = NULL;

	for (uint32_t i = 0; i < r->count; i++, at += 2 * r->width) {
		if (memcmp(at, at + r->width, r->width) > 0 || (last && memcmp(last, at, r->width) >= 0))
			return false;
		last = at + r->width;
	}
	return true;
}

static int read_file(FILE *file, const char *path, uint8_t width, struct georanges **out, struct refusal *why)
{
	struct georanges *r;
	long size;

	if (fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || size > FILE_MAX || size % (2 * width))
		return refuse(why, -EINVAL, "%s is not a file of address ranges", path);
	rewind(file);
	r = malloc(sizeof(*r) + (size_t)size);
	if (!r)
		return refuse(why, -ENOMEM, "no memory for %s", path);
	*r = (struct georanges){ .shares = 1, .count = (uint32_t)(size / (2 * width)), .width = width };
	if (fread(r->bytes, 1, (size_t)size, file) != (size_t)size || !is_sound(r)) {
		free(r);
		return refuse(why, -EINVAL, "%s is not a file of ascending address ranges", path);
	}
	*out = r;
	return 0;
}

int georanges_load(const char *dir, const char *name, uint8_t family, struct georanges **out, struct refusal *why)
{
	char path[512];
	FILE *file;
	int err;

	if (is_mmdb_path(dir))
		return mmdb_ranges(dir, name, family, out, why);
	snprintf(path, sizeof(path), "%s/%s.iv%d", dir, name, family == NFPROTO_IPV4 ? 4 : 6);
	file = fopen(path, "rbe");
	if (!file)
		return refuse(why, -ENOENT, "could not open %s: %s", path, strerror(errno));
	err = read_file(file, path, family == NFPROTO_IPV4 ? 4 : 16, out, why);
	fclose(file);
	return err;
}

bool georanges_has(const struct georanges *r, const void *addr)
{
	uint32_t low = 0, high = r->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const uint8_t *pair = r->bytes + (size_t)mid * 2 * r->width;

		if (memcmp(addr, pair, r->width) < 0)
			high = mid;
		else if (memcmp(addr, pair + r->width, r->width) > 0)
			low = mid + 1;
		else
			return true;
	}
	return false;
}
