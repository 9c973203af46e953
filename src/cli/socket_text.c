/* cli/socket_text.c - reads the lines that declare the host's sockets and security contexts. */
#include "cli/socket_text.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "host/secctx.h"
#include "host/socket.h"

struct reader {
	struct instance *inst;
	struct words *words;
	unsigned int at;		/* the word being read */
	struct refusal *why;
};

#define FAIL(r, i, ...) refuse_at((r)->why, words_at((r)->words, MIN_OF(i, (r)->words->count)), -EINVAL, __VA_ARGS__)

static const char *word_next(struct reader *r)
{
	return r->at < r->words->count ? r->words->argv[r->at++] : NULL;
}

static bool number_of(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 0);
	return !errno && !*end && *out <= max;
}

static int read_number(struct reader *r, const char *what, uint64_t max, uint32_t *out)
{
	const char *word = word_next(r);
	uint64_t value;

	if (!word)
		return FAIL(r, r->words->count, "%s needs a number", what);
	if (!number_of(word, max, &value))
		return FAIL(r, r->at - 1, "%s takes a number up to %llu, not \"%s\"", what, (unsigned long long)max, word);
	*out = (uint32_t)value;
	return 0;
}

/* "10.0.0.1:53", "[fd00::1]:53", without the port where @has_port is false; "*" is not known: say 0.0.0.0 or [::]. */
static int read_endpoint(struct reader *r, bool has_port, uint8_t *family, union nf_inet_addr *addr, be16 *port)
{
	const char *word = word_next(r), *host = word, *colon;
	char text[INET6_ADDRSTRLEN];
	uint64_t number = 0;
	size_t len;

	if (!word)
		return FAIL(r, r->words->count, "an address is missing");
	colon = strrchr(word, ':');
	if (*word == '[') {
		host = word + 1;
		len = strcspn(host, "]");
		colon = host[len] && host[len + 1] == ':' ? host + len + 1 : NULL;
		if (!host[len] || (!colon && host[len + 1]))
			return FAIL(r, r->at - 1, "\"%s\" is not [address]:port", word);
	} else {
		if (colon && strchr(word, ':') != colon)	/* a bare IPv6 address */
			colon = NULL;
		len = colon ? (size_t)(colon - word) : strlen(word);
	}
	if (len >= sizeof(text))
		return FAIL(r, r->at - 1, "\"%s\" is not an address", word);
	memcpy(text, host, len);
	text[len] = '\0';
	*addr = (union nf_inet_addr){ .all = { 0 } };
	if (inet_pton(AF_INET, text, &addr->in) == 1)
		*family = NFPROTO_IPV4;
	else if (inet_pton(AF_INET6, text, &addr->in6) == 1)
		*family = NFPROTO_IPV6;
	else
		return FAIL(r, r->at - 1, "\"%s\" is not an address", text);
	if (has_port && (!colon || !number_of(colon + 1, 65535, &number) || !number))
		return FAIL(r, r->at - 1, "a port from 1 to 65535 is missing in \"%s\"", word);
	if (!has_port && colon)
		return FAIL(r, r->at - 1, "raw sockets have no port: \"%s\"", word);
	*port = htons((uint16_t)number);
	return 0;
}

static int read_proto(struct reader *r, uint8_t *proto, bool *has_port)
{
	static const struct { const char *name; uint8_t proto; bool has_port; } known[] = {
		{ "tcp", IPPROTO_TCP, true }, { "udp", IPPROTO_UDP, true }, { "udplite", IPPROTO_UDPLITE, true },
		{ "sctp", IPPROTO_SCTP, true }, { "dccp", IPPROTO_DCCP, true }, { "raw", IPPROTO_RAW, false },
		{ "icmp", IPPROTO_ICMP, false }, { "icmpv6", IPPROTO_ICMPV6, false },
	};
	const char *word = word_next(r);
	uint64_t number;

	if (!word)
		return FAIL(r, r->words->count, "a protocol is missing");
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(word, known[i].name) == 0) {
			*proto = known[i].proto;
			*has_port = known[i].has_port;
			return 0;
		}
	}
	if (!number_of(word, 255, &number))
		return FAIL(r, r->at - 1, "unknown protocol \"%s\"", word);
	*proto = (uint8_t)number;
	*has_port = false;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		*has_port |= known[i].proto == number && known[i].has_port;
	return 0;
}

static int read_groups(struct reader *r, struct host_socket_spec *spec)
{
	const char *word = word_next(r);
	char *end;

	if (!word)
		return FAIL(r, r->words->count, "groups needs numbers with commas between them");
	for (;;) {
		unsigned long number;

		errno = 0;
		number = strtoul(word, &end, 10);
		if (end == word || errno || number > UINT32_MAX || (*end && *end != ','))
			return FAIL(r, r->at - 1, "groups takes numbers with commas between them");
		if (spec->group_count == SOCKET_GROUPS_MAX)
			return FAIL(r, r->at - 1, "more than %d groups", SOCKET_GROUPS_MAX);
		spec->groups[spec->group_count++] = (uint32_t)number;
		if (!*end)
			return 0;
		word = end + 1;
	}
}

/* "/a/b/" is "a/b": as Linux takes a path of a rule. */
static int read_cgroup(struct reader *r, char *room)
{
	const char *word = word_next(r);
	size_t len = 0;

	if (!word || strlen(word) >= SOCKET_CGROUP_MAX)
		return FAIL(r, r->at - !!word, "cgroup needs a path of less than %d bytes", SOCKET_CGROUP_MAX);
	for (; *word; word++)
		if (*word != '/' || (len && word[1] && word[1] != '/'))
			room[len++] = *word;
	room[len] = '\0';
	return 0;
}

static int read_peer(struct reader *r, bool has_port, struct host_socket_spec *spec)
{
	uint8_t family;
	int err = read_endpoint(r, has_port, &family, &spec->peer, &spec->peer_port);

	if (!err && family != spec->family)
		return FAIL(r, r->at - 1, "both ends are of one family");
	spec->connected = true;
	return err;
}

static int read_dev(struct reader *r, struct host_socket_spec *spec)
{
	const char *word = word_next(r);
	const struct iface *iface = word ? iface_find(r->inst, word) : NULL;

	if (!iface)
		return FAIL(r, r->at - !!word, "dev needs the name of an interface that there is");
	spec->dev = iface->index;
	return 0;
}

static int read_details(struct reader *r, bool has_port, struct host_socket_spec *spec, char *cgroup)
{
	static const char *const known[] = { "peer", "uid", "gid", "groups", "mark", "classid", "cgroup", "dev", "transparent",
					     "v6only", "kernel", NULL };
	const char *word, *meant;
	int err = 0;

	while (!err && (word = word_next(r))) {
		if (strcmp(word, "peer") == 0)
			err = read_peer(r, has_port, spec);
		else if (strcmp(word, "uid") == 0)
			err = read_number(r, word, UINT32_MAX - 1, &spec->uid);
		else if (strcmp(word, "gid") == 0)
			err = read_number(r, word, UINT32_MAX - 1, &spec->gid);
		else if (strcmp(word, "groups") == 0)
			err = read_groups(r, spec);
		else if (strcmp(word, "mark") == 0)
			err = read_number(r, word, UINT32_MAX, &spec->mark);
		else if (strcmp(word, "classid") == 0)
			err = read_number(r, word, UINT32_MAX, &spec->classid);
		else if (strcmp(word, "cgroup") == 0)
			err = read_cgroup(r, cgroup);
		else if (strcmp(word, "dev") == 0)
			err = read_dev(r, spec);
		else if (strcmp(word, "transparent") == 0)
			spec->transparent = true;
		else if (strcmp(word, "v6only") == 0)
			spec->v6only = true;
		else if (strcmp(word, "kernel") == 0)
			spec->no_program = true;
		else {
			meant = did_you_mean(word, known);
			err = FAIL(r, r->at - 1, "unknown word \"%s\"%s%s%s", word, meant ? ", did you mean \"" : "",
				   meant ? meant : "", meant ? "\"?" : "");
		}
	}
	return err;
}

static int socket_line(struct reader *r)
{
	struct host_socket_spec spec = { .name = NULL };
	const char *action = word_next(r);
	char cgroup[SOCKET_CGROUP_MAX] = "";
	bool has_port = true;
	int err;

	if (!action || (strcmp(action, "add") && strcmp(action, "del")))
		return FAIL(r, r->at - !!action, "socket takes add or del");
	spec.name = word_next(r);
	if (!spec.name)
		return FAIL(r, r->words->count, "the socket's name is missing");
	if (*action == 'd') {
		if (r->at < r->words->count)
			return FAIL(r, r->at, "socket del takes a name only");
		err = host_socket_del(r->inst, spec.name, r->why);
	} else {
		spec.cgroup = cgroup;
		err = read_proto(r, &spec.proto, &has_port);
		if (!err)
			err = read_endpoint(r, has_port, &spec.family, &spec.local, &spec.local_port);
		if (!err)
			err = read_details(r, has_port, &spec, cgroup);
		if (err)
			return err;
		err = host_socket_add(r->inst, &spec, r->why);
	}
	if (err && r->why && !r->why->at.line)
		r->why->at = words_at(r->words, MIN_OF(2u, r->words->count));
	return err;
}

static int secctx_line(struct reader *r)
{
	const char *action = word_next(r), *context;
	uint32_t id;

	if (!action || strcmp(action, "add"))
		return FAIL(r, r->at - !!action, "secctx takes: add CONTEXT");
	context = word_next(r);
	if (!context || r->at < r->words->count)
		return FAIL(r, r->at, "secctx takes: add CONTEXT");
	return secctx_add(r->inst, context, &id, r->why);
}

int host_line(struct instance *inst, struct words *words, unsigned int from, struct refusal *why)
{
	struct reader r = { inst, words, from, why };
	const char *word = word_next(&r);

	if (word && strcmp(word, "socket") == 0)
		return socket_line(&r);
	if (word && strcmp(word, "secctx") == 0)
		return secctx_line(&r);
	return FAIL(&r, from, "a line begins with socket or secctx");
}

static int one_line(void *inst, struct words *words, struct refusal *why)
{
	return host_line(inst, words, 0, why);
}

int host_load(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why)
{
	return lines_visit(text, len, file, one_line, inst, why);
}
