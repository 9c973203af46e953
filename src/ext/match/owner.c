/*
 * ext/match/owner.c - "-m owner": who sent the packet: the user and groups of the program that opened the socket.
 * weir knows that of sockets that were declared (host/socket.h); any other packet was sent by nobody. The kernel's own
 * sockets exist but no program holds them.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_owner.h>

#include <grp.h>
#include <pwd.h>

#include "classify/classify.h"
#include "ext/option.h"
#include "host/socket.h"

enum { BY_PROGRAM = XT_OWNER_UID | XT_OWNER_GID };

static bool between(uint32_t value, uint32_t min, uint32_t max)
{
	return value >= min && value <= max;
}

static bool group_fits(const struct host_socket_spec *s, const struct xt_owner_match_info *info)
{
	if (between(s->gid, info->gid_min, info->gid_max))
		return true;
	for (unsigned int i = 0; info->match & XT_OWNER_SUPPL_GROUPS && i < s->group_count; i++)
		if (between(s->groups[i], info->gid_min, info->gid_max))
			return true;
	return false;
}

static bool owner_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_owner_match_info *info = data;
	const struct host_socket_spec *s = pkt->socket ? &pkt->socket->spec : NULL;

	if (!s)
		return !(info->match ^ info->invert);
	if (info->match & info->invert & XT_OWNER_SOCKET)
		return false;
	if (s->no_program)
		return !((info->match ^ info->invert) & BY_PROGRAM);
	if (info->match & XT_OWNER_UID &&
	    between(s->uid, info->uid_min, info->uid_max) == !!(info->invert & XT_OWNER_UID))
		return false;
	return !(info->match & XT_OWNER_GID) || group_fits(s, info) != !!(info->invert & XT_OWNER_GID);
}

/* The number before zero is nobody's. */
static bool is_bad_range(uint32_t min, uint32_t max)
{
	return min == UINT32_MAX || max == UINT32_MAX || max < min;
}

static int owner_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_owner_match_info *info = data;

	if (info->match & ~(XT_OWNER_UID | XT_OWNER_GID | XT_OWNER_SOCKET | XT_OWNER_SUPPL_GROUPS))
		return refuse(why, -EINVAL, "owner: unknown flags %#x", info->match);
	if (info->match & XT_OWNER_UID && is_bad_range(info->uid_min, info->uid_max))
		return refuse(why, -EINVAL, "owner: users %u to %u are none", info->uid_min, info->uid_max);
	if (info->match & XT_OWNER_GID && is_bad_range(info->gid_min, info->gid_max))
		return refuse(why, -EINVAL, "owner: groups %u to %u are none", info->gid_min, info->gid_max);
	return 0;
}

/* "1000", "1000-1999", "1000:1999"; numbers as C writes them. */
static int read_range(struct opt_call *call, uint32_t *min, uint32_t *max, struct refusal *why)
{
	const char *end = call->arg + strcspn(call->arg, "-:");
	char first[32];
	uint64_t low, high;

	if ((size_t)(end - call->arg) >= sizeof(first))
		goto bad;
	memcpy(first, call->arg, end - call->arg);
	first[end - call->arg] = '\0';
	if (!opt_u64(first, 0, UINT32_MAX - 1, &low))
		goto bad;
	high = low;
	if (*end && !opt_u64(end + 1, 0, UINT32_MAX - 1, &high))
		goto bad;
	*min = (uint32_t)low;
	*max = (uint32_t)high;
	return 0;
bad:
	return refuse(why, -EINVAL, "owner: --%s takes a name or number[-number], not \"%s\"", call->opt->name, call->arg);
}

static int parse_uid(struct opt_call *call, struct refusal *why)
{
	struct xt_owner_match_info *info = call->info;
	struct passwd entry, *found = NULL;
	char room[4096];

	if (!getpwnam_r(call->arg, &entry, room, sizeof(room), &found) && found) {
		info->uid_min = info->uid_max = found->pw_uid;
		return 0;
	}
	return read_range(call, &info->uid_min, &info->uid_max, why);
}

static int parse_gid(struct opt_call *call, struct refusal *why)
{
	struct xt_owner_match_info *info = call->info;
	struct group entry, *found = NULL;
	char room[16384];

	if (!getgrnam_r(call->arg, &entry, room, sizeof(room), &found) && found) {
		info->gid_min = info->gid_max = found->gr_gid;
		return 0;
	}
	return read_range(call, &info->gid_min, &info->gid_max, why);
}

static int need_gid(struct opt_call *call, struct refusal *why)
{
	if (!(((struct xt_owner_match_info *)call->info)->match & XT_OWNER_GID))
		return refuse(why, -EINVAL, "owner: --suppl-groups needs --gid-owner before it");
	return 0;
}

#define OWNER_SET(bit) .set_at = offsetof(struct xt_owner_match_info, match), .set_bits = bit, .set_width = 1
#define OWNER_INVERT(bit) .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct xt_owner_match_info, invert), \
	.invert_bits = bit, .invert_width = 1

static const struct opt owner_options[] = {
	{ .name = "uid-owner", .type = OPT_CUSTOM, .parse = parse_uid, OWNER_SET(XT_OWNER_UID), OWNER_INVERT(XT_OWNER_UID),
	  .arg = "userid[-userid]", .help = "match the user who opened the socket (declared by \"socket add\")" },
	{ .name = "gid-owner", .type = OPT_CUSTOM, .parse = parse_gid, OWNER_SET(XT_OWNER_GID), OWNER_INVERT(XT_OWNER_GID),
	  .arg = "groupid[-groupid]", .help = "match the group that opened the socket" },
	{ .name = "socket-exists", .type = OPT_FLAG, OWNER_SET(XT_OWNER_SOCKET), OWNER_INVERT(XT_OWNER_SOCKET),
	  .help = "match packets that a socket sent" },
	{ .name = "suppl-groups", .type = OPT_FLAG, OWNER_SET(XT_OWNER_SUPPL_GROUPS), .parse = need_gid,
	  .help = "also match supplementary groups set with --gid-owner" },
	OPT_END
};

static int owner_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "owner: --uid-owner, --gid-owner or --socket-exists is required");
}

static void show_ids(uint32_t min, uint32_t max, const char *name, struct strbuf *out)
{
	if (min != max)
		sb_printf(out, " %u-%u", min, max);
	else if (name)
		sb_printf(out, " %s", name);
	else
		sb_printf(out, " %u", min);
}

/* In upstream's order: the socket, the user, the group, the supplementary ones. */
static void owner_show(const struct xt_owner_match_info *info, const char *const words[4], bool numeric, struct strbuf *out)
{
	static const uint8_t bits[4] = { XT_OWNER_SOCKET, XT_OWNER_UID, XT_OWNER_GID, XT_OWNER_SUPPL_GROUPS };
	struct passwd user, *user_found = NULL;
	struct group group, *group_found = NULL;
	char room[16384];

	for (unsigned int i = 0; i < 4; i++) {
		if (!(info->match & bits[i]))
			continue;
		sb_printf(out, "%s %s", info->invert & bits[i] ? " !" : "", words[i]);
		if (bits[i] == XT_OWNER_UID) {
			if (!numeric && getpwuid_r(info->uid_min, &user, room, sizeof(room), &user_found))
				user_found = NULL;
			show_ids(info->uid_min, info->uid_max, user_found ? user.pw_name : NULL, out);
		} else if (bits[i] == XT_OWNER_GID) {
			if (!numeric && getgrgid_r(info->gid_min, &group, room, sizeof(room), &group_found))
				group_found = NULL;
			show_ids(info->gid_min, info->gid_max, group_found ? group.gr_name : NULL, out);
		}
	}
}

static void owner_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	static const char *const words[] = { "--socket-exists", "--uid-owner", "--gid-owner", "--suppl-groups" };

	owner_show(data, words, true, out);
}

static void owner_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	static const char *const words[] = { "owner socket exists", "owner UID match", "owner GID match",
					     "incl. suppl. groups" };

	owner_show(data, words, view->numeric, out);
}

static const struct ext_text owner_text = {
	.options = owner_options, .help_head = "owner match options:", .finish = owner_finish,
	.save = owner_save, .print = owner_print,
};

const struct match match_owner = {
	.name = "owner", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_owner_match_info),
	.hooks = 1 << NF_INET_LOCAL_OUT | 1 << NF_INET_POST_ROUTING, .depends = DEP_OWNER,
	.match = owner_match, .classify = class_rule_nothing, .checkentry = owner_check, .checks_rule_only = true, .text = &owner_text,
};
