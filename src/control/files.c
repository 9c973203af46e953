/*
 * control/files.c - the files below /proc that netfilter makes: what scripts test for, what tools read, and the settings.
 * A path that is not weir's is the host's.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/procfs.h"
#include "base/sysctl.h"
#include "conntrack/conntrack.h"
#include "control/control_internal.h"
#include "ext/ext.h"
#include "table/table.h"

struct file {
	const char *path;
	uint32_t mode;
	void (*read)(struct control *control, struct strbuf *out);
};

static void add_name(void *priv, const char *name)
{
	sb_printf(priv, "%s\n", name);
}

static void tables4(struct control *control, struct strbuf *out) { tables_each(control->inst, NFPROTO_IPV4, add_name, out); }
static void tables6(struct control *control, struct strbuf *out) { tables_each(control->inst, NFPROTO_IPV6, add_name, out); }

/* Each name once per revision, as the kernel lists its registrations. */
static void matches(uint8_t family, struct strbuf *out)
{
	for (const struct match *const *at = ext_matches; *at; at++)
		if (!(*at)->abi_name && (*at)->families & family_bit(family))
			sb_printf(out, "%s\n", (*at)->name);
}

static void targets(uint8_t family, struct strbuf *out)
{
	for (const struct target *const *at = ext_targets; *at; at++)
		if (!(*at)->abi_name && (*at)->families & family_bit(family))
			sb_printf(out, "%s\n", (*at)->name);
}

static void matches4(struct control *control, struct strbuf *out) { matches(NFPROTO_IPV4, out); }
static void matches6(struct control *control, struct strbuf *out) { matches(NFPROTO_IPV6, out); }
static void targets4(struct control *control, struct strbuf *out) { targets(NFPROTO_IPV4, out); }
static void targets6(struct control *control, struct strbuf *out) { targets(NFPROTO_IPV6, out); }

/* weir's own: which link has which index, as packets' messages name them. */
static void links(struct control *control, struct strbuf *out)
{
	list_for_each(node, &control->inst->ifaces) {
		const struct iface *iface = list_entry(node, struct iface, node);

		sb_printf(out, "%u %s\n", iface->index, iface->name);
	}
}

static const struct file files[] = {
	{ "/proc/net/netfilter/weir_links", 0444, links },
	{ "/proc/net/ip_tables_names", 0440, tables4 },
	{ "/proc/net/ip6_tables_names", 0440, tables6 },
	{ "/proc/net/ip_tables_matches", 0440, matches4 },
	{ "/proc/net/ip6_tables_matches", 0440, matches6 },
	{ "/proc/net/ip_tables_targets", 0440, targets4 },
	{ "/proc/net/ip6_tables_targets", 0440, targets6 },
	{ "/proc/net/netfilter/nfnetlink_queue", 0440, queue_list },
	{ "/proc/net/netfilter/nfnetlink_log", 0440, log_list },
	{ "/proc/net/netfilter/nf_log", 0444, log_families_list },
};

/* Families whose host tables must not shine through: they are as in a kernel without them. */
static const char *const absent[] = {
	"/proc/net/arp_tables_names", "/proc/net/ip_vs", "/proc/net/ip_vs_conn", "/proc/net/ip_vs_stats",
};

static const struct file *find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!strcmp(files[i].path, path))
			return &files[i];
	return NULL;
}

/* /proc/sys/net/ipv4/ip_forward is net.ipv4.ip_forward; false: not below /proc/sys/net. */
static bool setting_name(const char *path, char *out, size_t room)
{
	static const char head[] = "/proc/sys/net/";
	size_t n = 0;

	if (strncmp(path, head, sizeof(head) - 1))
		return false;
	for (const char *p = path + sizeof("/proc/sys/") - 1; *p && n + 1 < room; p++)
		out[n++] = *p == '/' ? '.' : *p == '.' ? '/' : *p;
	out[n] = '\0';
	return true;
}

static bool is_absent(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		if (!strcmp(absent[i], path))
			return true;
	return false;
}

int control_file_read(struct control *control, const char *path, struct strbuf *out)
{
	const struct file *file = find(path);
	char name[256];
	uint16_t mode;

	if (file) {
		file->read(control, out);
		return out->failed ? -ENOMEM : 0;
	}
	if (is_absent(path))
		return -ENOENT;
	if (!proc_mode(control->inst->files, path, &mode))
		return proc_read(control->inst->files, path, out, NULL);
	if (!setting_name(path, name, sizeof(name)) || sysctl_get(control->inst->sysctls, name, out, NULL))
		return -ENOSYS;
	sb_addc(out, '\n');
	return 0;
}

int control_file_write(struct control *control, struct control_cred cred, const char *path, const char *text, size_t len)
{
	char name[256], value[512];
	struct strbuf old = STRBUF_INIT;
	uint16_t mode;
	int err;

	if (find(path))
		return -EACCES;
	if (!proc_mode(control->inst->files, path, &mode))
		return !cred.may_change ? -EPERM : proc_write(control->inst->files, path, text, len, NULL);
	if (!setting_name(path, name, sizeof(name)))
		return -ENOSYS;
	err = sysctl_get(control->inst->sysctls, name, &old, NULL);
	sb_free(&old);
	if (err)
		return -ENOSYS;
	if (!cred.may_change)
		return -EPERM;
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (len >= sizeof(value))
		return -EINVAL;
	memcpy(value, text, len);
	value[len] = '\0';
	return sysctl_set(control->inst->sysctls, name, value, NULL);
}

int control_file_mode(struct control *control, const char *path, uint32_t *mode)
{
	const struct file *file = find(path);
	struct strbuf text = STRBUF_INIT;
	uint16_t bits;
	char name[256];
	int err;

	if (!proc_mode(control->inst->files, path, &bits)) {
		*mode = S_IFREG | bits;
		return 0;
	}
	if (file) {
		*mode = S_IFREG | file->mode;
		return 0;
	}
	if (is_absent(path))
		return -ENOENT;
	if (!setting_name(path, name, sizeof(name)))
		return -ENOSYS;
	err = sysctl_get(control->inst->sysctls, name, &text, NULL);
	sb_free(&text);
	*mode = S_IFREG | 0644;
	return err ? -ENOSYS : 0;
}
