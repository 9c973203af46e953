/* control/nl_msg.c - netlink messages written into and read from byte buffers; every padding byte is zero. */
#include "control/control_internal.h"

static const char zeros[NLMSG_ALIGNTO];

static void pad(struct strbuf *out)
{
	sb_add(out, zeros, NLMSG_ALIGN(out->len) - out->len);
}

size_t nl_begin(struct strbuf *out, uint16_t type, uint16_t flags, uint32_t seq, uint32_t port, uint8_t family,
		uint8_t version, uint16_t res_id)
{
	struct nlmsghdr nlh = { .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = seq, .nlmsg_pid = port };
	struct nfgenmsg nfg = { .nfgen_family = family, .version = version, .res_id = htons(res_id) };
	size_t at = out->len;

	sb_add(out, (const char *)&nlh, sizeof(nlh));
	sb_add(out, (const char *)&nfg, sizeof(nfg));
	return at;
}

void nl_end(struct strbuf *out, size_t at)
{
	uint32_t len = (uint32_t)(out->len - at);

	if (out->failed)
		return;
	memcpy(out->s + at, &len, sizeof(len));
	pad(out);
}

void nl_put(struct strbuf *out, uint16_t type, const void *data, size_t len)
{
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + len), .nla_type = type };

	sb_add(out, (const char *)&a, sizeof(a));
	sb_add(out, data, len);
	pad(out);
}

void nl_put_u8(struct strbuf *out, uint16_t type, uint8_t v) { nl_put(out, type, &v, sizeof(v)); }
void nl_put_be16(struct strbuf *out, uint16_t type, be16 v) { nl_put(out, type, &v, sizeof(v)); }
void nl_put_u16(struct strbuf *out, uint16_t type, uint16_t host) { nl_put_be16(out, type, htons(host)); }

void nl_put_u32(struct strbuf *out, uint16_t type, uint32_t host)
{
	be32 v = htonl(host);

	nl_put(out, type, &v, sizeof(v));
}

void nl_put_u64(struct strbuf *out, uint16_t type, uint64_t host)
{
	be32 v[2] = { htonl((uint32_t)(host >> 32)), htonl((uint32_t)host) };

	nl_put(out, type, v, sizeof(v));
}

void nl_put_text(struct strbuf *out, uint16_t type, const char *text) { nl_put(out, type, text, strlen(text) + 1); }

size_t nl_nest(struct strbuf *out, uint16_t type)
{
	size_t at = out->len;
	struct nlattr a = { .nla_type = type | NLA_F_NESTED };

	sb_add(out, (const char *)&a, sizeof(a));
	return at;
}

void nl_nest_end(struct strbuf *out, size_t at)
{
	uint16_t len = (uint16_t)(out->len - at);

	if (!out->failed)
		memcpy(out->s + at, &len, sizeof(len));
}

int nl_parse(const void *data, size_t len, const struct nlattr **attrs, unsigned int max)
{
	const uint8_t *p = data;

	memset(attrs, 0, (max + 1) * sizeof(*attrs));
	while (len >= sizeof(struct nlattr)) {
		const struct nlattr *a = (const void *)p;
		unsigned int type = a->nla_type & NLA_TYPE_MASK;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < sizeof(*a) || a->nla_len > len)
			break;		/* Linux says so in its log, and takes what came before */
		if (type <= max)
			attrs[type] = a;
		if (step >= len)
			break;
		p += step;
		len -= step;
	}
	return 0;
}

int nl_parse_nest(const struct nlattr *nest, const struct nlattr **attrs, unsigned int max)
{
	return nl_parse(nl_data(nest), nl_len(nest), attrs, max);
}

int nl_get_u8(const struct nlattr *a, uint8_t *out)
{
	if (nl_len(a) < sizeof(*out))
		return -ERANGE;
	memcpy(out, nl_data(a), sizeof(*out));
	return 0;
}

int nl_get_be16(const struct nlattr *a, be16 *out)
{
	if (nl_len(a) < sizeof(*out))
		return -ERANGE;
	memcpy(out, nl_data(a), sizeof(*out));
	return 0;
}

int nl_get_be32(const struct nlattr *a, uint32_t *host)
{
	be32 v;

	if (nl_len(a) < sizeof(v))
		return -ERANGE;
	memcpy(&v, nl_data(a), sizeof(v));
	*host = ntohl(v);
	return 0;
}

int nl_get_be64(const struct nlattr *a, uint64_t *host)
{
	be32 v[2];

	if (nl_len(a) < sizeof(v))
		return -ERANGE;
	memcpy(v, nl_data(a), sizeof(v));
	*host = (uint64_t)ntohl(v[0]) << 32 | ntohl(v[1]);
	return 0;
}

int nl_get_name(const struct nlattr *a, char *out, size_t room)
{
	const char *text = nl_data(a);
	size_t len = nl_len(a), end = strnlen(text, MIN_OF(len, room));

	if (end == MIN_OF(len, room))
		return -EINVAL;		/* it does not end where it should */
	if (len > room)
		return -ERANGE;
	memcpy(out, text, end + 1);
	return 0;
}

int nl_lengths_checked(struct nl_request *req, const uint8_t *lens, unsigned int count)
{
	for (unsigned int type = 1; type < count; type++) {
		if (req->attrs[type] && nl_len(req->attrs[type]) < lens[type]) {
			req->bad_attr = req->attrs[type];
			req->complaint = "Attribute failed policy validation";
			return -ERANGE;
		}
	}
	return 0;
}
