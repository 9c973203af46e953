/*
 * cli/snapshot.c - a directory of files becomes an instance: links and routes, then sysctls, the host's sockets, then rules.
 * All of it or nothing: the caller throws the instance away when a file is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "cli/run.h"
#include "cli/nfct_cmd.h"
#include "cli/socket_text.h"
#include "conntrack/labels.h"

enum { SNAPSHOT_FILE_MAX = 256 << 20 };

static int part_find(const char *dir, const char *name, char **out, struct refusal *why)
{
	char *path;

	if (asprintf(&path, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name) < 0)
		return refuse(why, -ENOMEM, "no memory for a path");
	if (access(path, F_OK) == 0) {
		*out = path;
		return 0;
	}
	free(path);
	return 0;
}

int snapshot_find(const char *dir, struct snapshot_paths *paths, struct refusal *why)
{
	struct text_pos at = { .file = dir };
	struct stat st;
	int err;

	*paths = (struct snapshot_paths){ 0 };
	if (*dir == '\0' || stat(dir, &st) != 0)
		return refuse_at(why, at, -errno, "the snapshot cannot be read: %s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return refuse_at(why, at, -ENOTDIR,
				 "is a file: SNAPSHOT is a directory with net.ip, sysctl.conf, nfct.conf, connlabel.conf, rules.v4, rules.v6");
	err = part_find(dir, "net.ip", &paths->net, why);
	if (!err)
		err = part_find(dir, "sysctl.conf", &paths->sysctl, why);
	if (!err)
		err = part_find(dir, "host", &paths->host, why);
	if (!err)
		err = part_find(dir, "nfct.conf", &paths->nfct, why);
	if (!err)
		err = part_find(dir, "connlabel.conf", &paths->labels, why);
	if (!err)
		err = part_find(dir, "rules.v4", &paths->rules4, why);
	if (!err)
		err = part_find(dir, "rules.v6", &paths->rules6, why);
	return err;
}

void snapshot_paths_free(struct snapshot_paths *paths)
{
	free(paths->net);
	free(paths->sysctl);
	free(paths->host);
	free(paths->nfct);
	free(paths->labels);
	free(paths->rules4);
	free(paths->rules6);
	*paths = (struct snapshot_paths){ 0 };
}

static const char *skip_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static const char *trim_end(const char *from, const char *end)
{
	while (end > from && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return end;
}

/* "key = value"; a leading "-" lets a failure pass, as sysctl.conf(5) says. */
static int sysctl_line(struct instance *inst, const char *line, size_t len, struct text_pos at, struct refusal *why)
{
	const char *end = trim_end(line, line + len), *p = skip_blank(line, end), *equal, *key_end, *value;
	bool may_fail = false;
	char key[256], text[512];
	int err;

	if (p == end || *p == '#' || *p == ';')
		return 0;
	if (*p == '-') {
		may_fail = true;
		p = skip_blank(p + 1, end);
	}
	at.column = (unsigned int)(p - line) + 1;
	at.width = (unsigned int)(end - p);
	equal = memchr(p, '=', (size_t)(end - p));
	if (!equal)
		return refuse_at(why, at, -EINVAL, "not \"name = value\"");
	key_end = trim_end(p, equal);
	value = skip_blank(equal + 1, end);
	if (key_end == p)
		return refuse_at(why, at, -EINVAL, "a name is missing before \"=\"");
	if ((size_t)(key_end - p) >= sizeof(key) || (size_t)(end - value) >= sizeof(text))
		return refuse_at(why, at, -EINVAL, "the line is too long");
	at.width = (unsigned int)(key_end - p);
	snprintf(key, sizeof(key), "%.*s", (int)(key_end - p), p);
	snprintf(text, sizeof(text), "%.*s", (int)(end - value), value);
	err = sysctl_set(inst->sysctls, key, text, why);
	if (!err || may_fail)
		return 0;
	if (err != -ENOENT && value < end) {
		at.column = (unsigned int)(value - line) + 1;
		at.width = (unsigned int)(end - value);
	}
	if (why)
		why->at = at;
	return err;
}

int sysctl_conf_load(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why)
{
	struct line_reader reader = { text, text + len, 0 };
	const char *line;
	size_t line_len;

	while (line_next(&reader, &line, &line_len)) {
		int err = sysctl_line(inst, line, line_len, (struct text_pos){ .file = file, .line = reader.number }, why);

		if (err)
			return err;
	}
	return 0;
}

/* The names of all ports of a run must be known to net.ip, or there is no net.ip and the ports are all there is. */
static int ports_make(struct instance *inst, struct inputs *inputs, const struct snapshot_paths *paths,
		      struct refusal *why)
{
	for (unsigned int i = 0; i < inputs->count; i++) {
		const char *name = inputs->list[i].port;
		struct strbuf known = STRBUF_INIT;
		struct iface *iface;
		int err;

		if (!name || iface_find(inst, name))
			continue;
		if (!paths->net) {
			err = iface_add(inst, name, inputs_port_type(inputs, name), &iface, why);
			if (!err)
				err = route_iface_set_up(inst, iface, true, why);
			if (err)
				return err;
			continue;
		}
		list_for_each(node, &inst->ifaces) {
			const struct iface *other = list_entry(node, struct iface, node);

			if (!other->is_loopback)
				sb_printf(&known, "%s%s", known.len ? ", " : "", other->name);
		}
		err = refuse_at(why, (struct text_pos){ .file = paths->net }, -ENODEV,
				"does not name the interface of \"-i %s=%s\" (it names %s)", name, inputs->list[i].path,
				known.len ? sb_str(&known) : "none");
		sb_free(&known);
		return err;
	}
	return 0;
}

/* Output files are named after interfaces. */
static int names_check(struct instance *inst, struct refusal *why)
{
	static const char *const taken[] = { "local", "dropped" };

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (iface_find(inst, taken[i]))
			return refuse(why, -EINVAL, "an interface cannot be called \"%s\": %s.pcapng is an output file",
				      taken[i], taken[i]);
	return 0;
}

const char *const snapshot_part_names[PART_COUNT] = { "net.ip", "sysctl.conf", "host", "nfct.conf", "connlabel.conf",
						      "rules.v4", "rules.v6" };

/* *file NULL: there is no such part. */
static int part_read(const struct snapshot_paths *paths, const struct snapshot_texts *kept, enum snapshot_part part,
		     struct strbuf *text, const char **file, struct refusal *why)
{
	const char *const path[PART_COUNT] = { paths->net, paths->sysctl, paths->host, paths->nfct, paths->labels, paths->rules4,
					       paths->rules6 };

	*file = path[part];
	if (!kept)
		return *file ? file_read(*file, SNAPSHOT_FILE_MAX, text, why) : 0;
	*file = kept->part[part].len ? snapshot_part_names[part] : NULL;
	sb_reset(text);
	sb_add(text, sb_str(&kept->part[part]), kept->part[part].len);
	return text->failed ? refuse(why, -ENOMEM, "no memory for %s", snapshot_part_names[part]) : 0;
}

int snapshot_load_host(struct instance *inst, const struct snapshot_paths *paths, const struct snapshot_texts *kept,
		       struct inputs *inputs, bool conntrack_on, struct refusal *why)
{
	struct netip ip = { .inst = inst, .loading = true, .port_type = inputs_port_type, .priv = inputs };
	static int (*const load[PART_COUNT])(struct instance *inst, const char *text, size_t len, const char *file,
					     struct refusal *why) = {
		[PART_SYSCTL] = sysctl_conf_load, [PART_HOST] = host_load, [PART_NFCT] = nfct_conf_load,
		[PART_LABELS] = ct_label_names_load,
	};
	struct strbuf text = STRBUF_INIT;
	const char *file;
	int err;

	err = part_read(paths, kept, PART_NET, &text, &file, why);
	if (!err && file)
		err = netip_load(&ip, sb_str(&text), text.len, file, why);
	if (!err)
		err = ports_make(inst, inputs, paths, why);
	if (!err)
		err = names_check(inst, why);
	for (enum snapshot_part part = PART_SYSCTL; part <= PART_LABELS && !err; part++) {
		err = part_read(paths, kept, part, &text, &file, why);
		if (!err && file)
			err = load[part](inst, sb_str(&text), text.len, file, why);
	}
	if (!err && conntrack_on) {
		err = ct_hooks_get(inst, NFPROTO_IPV4);
		if (!err)
			err = ct_hooks_get(inst, NFPROTO_IPV6);
		if (err)
			refuse(why, err, "connection tracking cannot be switched on: %s", strerror(-err));
	}
	sb_free(&text);
	return err;
}

int snapshot_load_rules(struct instance *inst, const struct snapshot_paths *paths, const struct snapshot_texts *kept,
			struct refusal *why)
{
	struct strbuf text = STRBUF_INIT;
	int err = 0;

	for (enum snapshot_part part = PART_RULES4; part <= PART_RULES6 && !err; part++) {
		const char *file;

		err = part_read(paths, kept, part, &text, &file, why);
		if (!err && file)
			err = rules_restore(inst, part == PART_RULES4 ? NFPROTO_IPV4 : NFPROTO_IPV6, sb_str(&text), text.len, file,
					    RESTORE_ALL_OR_NOTHING | RESTORE_COUNTERS, why);
	}
	sb_free(&text);
	return err;
}

int snapshot_load(struct instance *inst, const struct snapshot_paths *paths, struct inputs *inputs, bool conntrack_on,
		  struct refusal *why)
{
	int err = snapshot_load_host(inst, paths, NULL, inputs, conntrack_on, why);

	return err ? err : snapshot_load_rules(inst, paths, NULL, why);
}
