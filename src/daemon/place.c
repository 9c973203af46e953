/*
 * daemon/place.c - the tables of a daemon as a command's source: fetched as iptables fetches the kernel's, taken apart and
 * changed here, sent back whole. The daemon judges; here nothing is asked of extensions but their words. When no
 * daemon runs, all of it is the kept directory's.
 */
#include "daemon/place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "control/store.h"
#include "instance.h"
#include "table/image.h"
#include "wire/wire.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
enum { LOCK_POLL_NS = 1000000, FETCH_TRIES = 16 };

struct place {
	struct table_source tables;	/* first: the callbacks get back to the place; of a daemon */
	struct store *store;		/* NULL: a daemon's */
	int fd;
	bool locked, may_change;
};

/* --- speaking --- */

static int call(struct place *place, struct wire_head head, const void *payload, size_t len, struct wire_record *reply)
{
	int err = wire_call(place->fd, &head, payload, len, reply);

	if (err)
		wire_record_free(reply);
	return err;
}

static int gone(const struct place *place, int err, struct refusal *why)
{
	return refuse(why, err, "the daemon does not answer: %s", strerror(-err));
}

int place_lock(struct place *place, int wait_sec, struct refusal *why)
{
	struct timespec began, now;
	struct wire_record reply;
	int err;

	if (place->store)
		return store_lock(place->store, wait_sec, why);
	if (place->locked || !place->may_change)	/* who only looks waits for nobody */
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (;;) {
		const struct timespec pause = { .tv_nsec = LOCK_POLL_NS };

		err = call(place, (struct wire_head){ .op = WIRE_LOCK, .a = 1 }, NULL, 0, &reply);
		if (!err)
			wire_record_free(&reply);
		if (err != -EAGAIN)
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (wait_sec >= 0 && now.tv_sec - began.tv_sec - (now.tv_nsec < began.tv_nsec) >= wait_sec)
			return refuse(why, err, "another command holds the daemon's rules");
		nanosleep(&pause, NULL);
	}
	place->locked = !err;
	return err ? gone(place, err, why) : 0;
}

void place_unlock(struct place *place)
{
	struct wire_record reply;

	if (place->store)
		store_unlock(place->store);
	else if (place->locked && !call(place, (struct wire_head){ .op = WIRE_LOCK }, NULL, 0, &reply))
		wire_record_free(&reply);
	place->locked = false;
}

static int level_of(uint8_t family)
{
	return family == NFPROTO_IPV4 ? IPPROTO_IP : IPPROTO_IPV6;
}

static int ask(struct place *place, uint8_t family, int option, const void *in, size_t in_len, size_t room, struct wire_record *reply)
{
	const struct wire_head head = { .op = WIRE_SOGET, .a = (uint32_t)level_of(family), .b = (uint32_t)option, .c = (uint32_t)room };
	int err = call(place, head, in, in_len, reply);

	if (!err && reply->head.len != room) {
		wire_record_free(reply);
		err = -EPROTO;
	}
	return err;
}

static int fetch_info(struct place *place, uint8_t family, const char *table, struct ipt_getinfo *info)
{
	struct wire_record reply;
	int err;

	*info = (struct ipt_getinfo){ .valid_hooks = 0 };
	strcpy(info->name, table);
	err = ask(place, family, IPT_SO_GET_INFO, info, sizeof(*info), sizeof(*info), &reply);
	if (err)
		return err;
	memcpy(info, reply.data, sizeof(*info));
	wire_record_free(&reply);
	return 0;
}

/* The table as it stands: its description, and a record with its entries behind struct ipt_get_entries. */
static int fetch(struct place *place, uint8_t family, const char *table, struct ipt_replace *head, struct wire_record *entries)
{
	struct ipt_get_entries ask_for = { .size = 0 };
	struct ipt_getinfo info;
	int err = -EAGAIN;

	strcpy(ask_for.name, table);
	for (unsigned int i = 0; err == -EAGAIN && i < FETCH_TRIES; i++) {	/* it may change between the two questions */
		err = fetch_info(place, family, table, &info);
		ask_for.size = info.size;
		if (!err && info.size > WIRE_BLOB_MAX - sizeof(ask_for))
			err = -EPROTO;
		if (!err)
			err = ask(place, family, IPT_SO_GET_ENTRIES, &ask_for, sizeof(ask_for), sizeof(ask_for) + info.size, entries);
	}
	if (err)
		return err;
	*head = (struct ipt_replace){ .valid_hooks = info.valid_hooks, .num_entries = info.num_entries, .size = info.size };
	strcpy(head->name, table);
	memcpy(head->hook_entry, info.hook_entry, sizeof(head->hook_entry));
	memcpy(head->underflow, info.underflow, sizeof(head->underflow));
	return 0;
}

/* The names of the tables that there are, a line each, newest first. */
static int fetch_names(struct place *place, uint8_t family, struct wire_record *names)
{
	const char *path = family == NFPROTO_IPV4 ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names";

	return call(place, (struct wire_head){ .op = WIRE_FOPEN, .a = O_RDONLY }, path, strlen(path), names);
}

/* The next of them; false: there are no more. */
static bool next_name(char **at, char name[static XT_TABLE_MAXNAMELEN])
{
	while (**at) {
		const size_t len = strcspn(*at, "\n");
		const bool fits = len && len < XT_TABLE_MAXNAMELEN;

		if (fits)
			snprintf(name, XT_TABLE_MAXNAMELEN, "%.*s", (int)len, *at);
		*at += len + ((*at)[len] == '\n');
		if (fits)
			return true;
	}
	return false;
}

static bool table_exists(struct place *place, uint8_t family, const char *table)
{
	char name[XT_TABLE_MAXNAMELEN], *at;
	struct wire_record names;
	bool found = false;

	if (fetch_names(place, family, &names))
		return false;
	at = (char *)names.data;
	while (!found && at && next_name(&at, name))
		found = !strcmp(name, table);
	wire_record_free(&names);
	return found;
}

/* --- as a source of tables --- */

static int there_open(struct table_source *from, uint8_t family, const char *table, bool create, struct edit **out,
		      struct refusal *why)
{
	struct place *place = (struct place *)from;
	struct wire_record entries;
	struct ipt_replace head;
	int err = place_lock(place, from->wait_sec, why);

	if (err)
		return err;
	if (!table_kind_find(table))
		return refuse(why, -ENOENT, "unknown table '%s'", table);
	/* a look at it makes a table, as the kernel's; who does not want that looks for its name first */
	if (!create && !table_exists(place, family, table))
		return image_new(from->inst, family, table, out, why);
	err = fetch(place, family, table, &head, &entries);
	if (err)
		return gone(place, err, why);
	err = edit_open_blob(from->inst, family, &head, entries.data + sizeof(struct ipt_get_entries), out, why);
	wire_record_free(&entries);
	return err;
}

/* What a refusal's payload says, as if it had been refused here. */
static int refused(const struct wire_record *reply, struct refusal *why)
{
	const char *text = (const char *)reply->data;
	const size_t len = text ? strnlen(text, reply->head.len) : 0;
	const int err = reply->head.a && reply->head.a < 4096 ? -(int)reply->head.a : -EPROTO;

	if (!len)
		return refuse(why, err, "%s", strerror(-err));
	refuse(why, err, "%s", text);
	if (len + 1 < reply->head.len && text[len + 1])
		refuse_upstream(why, "%s", text + len + 1);
	return err;
}

/* @old: the former counters, owned by the record; NULL with @only_check. */
static int blob_send(struct place *place, const struct edit *edit, struct edit_blob *blob, bool only_check, struct wire_record *reply,
		     struct refusal *why)
{
	const struct wire_head head = { .op = WIRE_REPLACE, .a = edit->family, .b = only_check };
	const size_t len = sizeof(blob->head) + blob->head.size;
	uint8_t *payload = malloc(len);
	int err;

	if (!payload)
		return refuse(why, -ENOMEM, "no memory");
	memcpy(payload, &blob->head, sizeof(blob->head));
	memcpy(payload + sizeof(blob->head), blob->entries, blob->head.size);
	err = call(place, head, payload, len, reply);
	free(payload);
	if (err)
		return err == -EPERM ? refuse(why, err, "only the daemon's owner and root may change its rules") : gone(place, err, why);
	if (reply->head.a)
		err = refused(reply, why);
	else if (!only_check && reply->head.len != blob->head.num_counters * sizeof(struct xt_counters))
		err = gone(place, -EPROTO, why);
	if (err)
		wire_record_free(reply);
	return err;
}

/* The new rules count on from where the old ones were when they went. */
static int counters_send(struct place *place, const struct edit *edit, const struct edit_blob *blob, const void *old)
{
	const size_t size = blob->head.num_entries * sizeof(struct xt_counters);
	const struct wire_head head = { .op = WIRE_SOSET, .a = (uint32_t)level_of(edit->family), .b = IPT_SO_SET_ADD_COUNTERS };
	struct xt_counters_info *info = calloc(1, sizeof(*info) + size);
	struct wire_record reply;
	int err;

	if (!info)
		return -ENOMEM;
	strcpy(info->name, blob->head.name);
	info->num_counters = blob->head.num_entries;
	edit_counters(edit, old, info->counters);
	err = call(place, head, info, sizeof(*info) + size, &reply);
	if (!err)
		wire_record_free(&reply);
	free(info);
	return err;
}

static int there_commit(struct table_source *from, struct edit *edit, struct refusal *why)
{
	struct place *place = (struct place *)from;
	struct ipt_getinfo info = { .num_entries = edit->old_number };
	struct wire_record reply;
	struct edit_blob blob;
	int err = 0;

	if (!edit->old_number)		/* there was no such table: there is one from now on */
		err = fetch_info(place, edit->family, edit->kind->name, &info);
	if (err)
		return gone(place, err, why);
	err = edit_blob_make(edit, &blob, why);
	if (err)
		return err;
	blob.head.num_counters = info.num_entries;
	err = blob_send(place, edit, &blob, false, &reply, why);
	if (!err) {
		err = counters_send(place, edit, &blob, reply.data);
		if (err)
			gone(place, err, why);
		wire_record_free(&reply);
	}
	edit_blob_free(&blob);
	return err;
}

/* One rule, as a record; not by a daemon that does not know how, nor while others hold the rules. */
static int there_change(struct table_source *from, uint8_t family, const char *table, const struct rule_change *change, struct refusal *why)
{
	struct place *place = (struct place *)from;
	const struct wire_head head = {
		.op = WIRE_CHANGE, .a = family, .b = change->kind | (change->is_append ? WIRE_CHANGE_APPEND : 0), .c = change->at,
	};
	const size_t len = sizeof(struct wire_change) + change->entry_len;
	struct wire_change names = { .table = "" };
	struct wire_record reply;
	uint8_t *payload;
	int err;

	if (strlen(table) >= sizeof(names.table) || strlen(change->chain) >= sizeof(names.chain))
		return -EOPNOTSUPP;
	payload = malloc(len);
	if (!payload)
		return -ENOMEM;
	strcpy(names.table, table);
	strcpy(names.chain, change->chain);
	memcpy(payload, &names, sizeof(names));
	memcpy(payload + sizeof(names), change->entry, change->entry_len);
	err = call(place, head, payload, len, &reply);
	if (!err)
		wire_record_free(&reply);
	free(payload);
	return err;
}

static int there_check(struct table_source *from, struct edit *edit, struct refusal *why)
{
	struct place *place = (struct place *)from;
	struct wire_record reply;
	struct edit_blob blob;
	int err = edit_blob_make(edit, &blob, why);

	if (err)
		return err;
	blob.head.num_counters = 1;
	err = blob_send(place, edit, &blob, true, &reply, why);
	if (!err)
		wire_record_free(&reply);
	edit_blob_free(&blob);
	return err;
}

static void there_each(struct table_source *from, uint8_t family, void (*visit)(void *priv, const char *name), void *priv)
{
	struct place *place = (struct place *)from;
	char name[XT_TABLE_MAXNAMELEN], *at;
	struct wire_record names;

	if (place_lock(place, from->wait_sec, NULL) || fetch_names(place, family, &names))
		return;
	at = (char *)names.data;
	while (at && next_name(&at, name))
		visit(priv, name);
	wire_record_free(&names);
}

uint64_t place_stamp(struct place *place, uint8_t family, const char *table)
{
	struct wire_record entries;
	struct ipt_replace head;
	uint32_t crc = ~0u;
	uint8_t *e;

	if (place->store)
		return store_stamp(place->store, family, table);
	if (strlen(table) >= XT_TABLE_MAXNAMELEN || fetch(place, family, table, &head, &entries))
		return 0;
	e = entries.data + sizeof(struct ipt_get_entries);
	for (uint32_t at = 0; at < head.size && !blob_entry_fault(e + at, head.size - at, family); at += entry_next_offset(e + at, family))
		*entry_counters(e + at, family) = (struct xt_counters){ 0 };
	crc = crc32c(crc, e, head.size);
	wire_record_free(&entries);
	return (uint64_t)head.num_entries << 32 | crc;
}

/* --- finding it --- */

static uint64_t own_cookie(void)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		cookie = 0;
	if (fd >= 0)
		close(fd);
	return cookie;
}

/* @is_ours: only a daemon of this network namespace, and of this user. */
static int daemon_find(struct place *place, const struct sockaddr_un *where, bool is_ours)
{
	struct wire_head head = { .op = WIRE_HELLO, .a = WIRE_VERSION, .b = (uint32_t)getpid() };
	struct wire_record reply;
	uint64_t cookie;
	int err;

	place->fd = wire_connect(where);
	if (place->fd < 0)
		return place->fd;
	err = wire_call(place->fd, &head, NULL, 0, &reply);
	if (!err) {
		cookie = (uint64_t)reply.head.c << 32 | reply.head.b;
		place->may_change = reply.head.cookie == 1;
		if (is_ours && (!place->may_change || !cookie || cookie != own_cookie()))
			err = -ENOENT;
		wire_record_free(&reply);
	}
	if (err) {
		close(place->fd);
		place->fd = -1;
	}
	return err;
}

static int find(struct place *place, const char *name, struct refusal *why)
{
	const char *named = name ? NULL : getenv("WEIR_SOCKET");
	struct sockaddr_un where;
	struct stat st;
	int err;

	if (name && strchr(name, '/') && (stat(name, &st) || !S_ISSOCK(st.st_mode)))
		return -ENOENT;
	if (wire_path(name, &where))
		return named ? refuse(why, -ENAMETOOLONG, "WEIR_SOCKET: the path is too long") : -ENOENT;
	err = daemon_find(place, &where, !name && !named);
	if (err && named)	/* rules would go where nobody looks for them */
		return refuse(why, -ECONNREFUSED, "no daemon answers at %s: %s", where.sun_path, strerror(-err));
	if (err && name && strchr(name, '/'))
		return refuse(why, -ECONNREFUSED, "no daemon answers at %s: %s", name, strerror(-err));
	return err ? -ENOENT : 0;
}

int place_open(const char *name, struct instance *inst, struct place **out, struct refusal *why)
{
	struct place *place = calloc(1, sizeof(*place));
	int err;

	if (!place)
		return refuse(why, -ENOMEM, "no memory");
	place->fd = -1;
	place->tables = (struct table_source){ inst, 0, there_open, there_commit, there_check, there_each, there_change };
	err = find(place, name, why);
	if (err == -ENOENT)
		err = store_open(name, inst, &place->store, why);
	if (err) {
		place_close(place);
		return err;
	}
	*out = place;
	return 0;
}

void place_close(struct place *place)
{
	if (!place)
		return;
	store_close(place->store);
	if (place->fd >= 0)
		close(place->fd);
	free(place);
}

struct table_source *place_tables(struct place *place)
{
	return place->store ? store_tables(place->store) : &place->tables;
}
