/*
 * control/nl_filter.c - classic BPF on netlink messages: what conntrackd and ulogd attach so that uninteresting events
 * never reach them. Offsets count from the message's head; the ancillary loads find attributes.
 */
#include "base/cbpf.h"
#include "control/control_internal.h"

struct message_data {
	struct cbpf_data data;
	const uint8_t *msg;
};

/* Linux takes them all; what a message does not have ends the program when it is asked for. */
static bool any_ancillary(uint32_t what) { return true; }

int nl_filter_check(const struct sock_filter *filter, unsigned int len)
{
	unsigned int at;

	return cbpf_check(filter, len, any_ancillary, &at) == CBPF_GOOD ? 0 : -EINVAL;
}

/* Where attribute @type stands among those that begin at @from; 0: nowhere. */
static uint32_t find_attr(const uint8_t *msg, size_t len, uint32_t from, uint32_t type, bool inside)
{
	struct nlattr a;

	if (inside) {
		if (len < sizeof(a) || from > len - sizeof(a))
			return 0;
		memcpy(&a, msg + from, sizeof(a));
		if (a.nla_len > len - from)
			return 0;
		len = from + a.nla_len;
		from += sizeof(a);
	}
	while (from <= len && len - from >= sizeof(a)) {
		memcpy(&a, msg + from, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > len - from)
			return 0;
		if ((uint32_t)(a.nla_type & NLA_TYPE_MASK) == type)
			return from;
		from += NLA_ALIGN(a.nla_len);
	}
	return 0;
}

static bool load(const struct cbpf_data *data, uint32_t at, uint16_t size, uint32_t *out)
{
	const uint8_t *msg = container_of(data, struct message_data, data)->msg;

	if (at > data->len)
		return false;
	if (size == BPF_W && data->len - at >= 4)
		*out = get_be32(msg + at);
	else if (size == BPF_H && data->len - at >= 2)
		*out = get_be16(msg + at);
	else if (size == BPF_B && data->len - at >= 1)
		*out = msg[at];
	else
		return false;
	return true;
}

static bool load_attr(const struct cbpf_data *data, uint32_t what, uint32_t x, uint32_t *a)
{
	if (what != SKF_AD_NLATTR && what != SKF_AD_NLATTR_NEST)
		return false;
	*a = find_attr(container_of(data, struct message_data, data)->msg, data->len, *a, x, what == SKF_AD_NLATTR_NEST);
	return true;
}

bool nl_filter_passes(const struct nl_sock *sock, const void *msg, size_t len)
{
	struct message_data m = { { (uint32_t)len, load, load_attr }, msg };

	return cbpf_run(sock->filter, &m.data);
}
