/*
 * fuzz/netlink.c - what a tool may write into a netlink socket and into a socket option: any bytes. The instance has a few
 * connections and an expectation, so that requests find something.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conntrack/control.h"
#include "control/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KIND_NETLINK, KIND_GET_OPTION, KIND_SET_OPTION, KIND_FILTER, KIND_FILE, KIND_COUNT };

static void begin_connections(struct instance *inst)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_GRE };

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		struct ct_request req = { .has_orig = true, .has_reply = true, .has_timeout = true, .timeout_sec = 100,
					  .zone.dir = CT_ZONE_DIR_BOTH };

		req.orig = (struct ct_tuple){ .family = NFPROTO_IPV4, .proto = protos[i], .src.ip = htonl(0xc0000201),
					      .dst.ip = htonl(0xc0000202), .src_l4.port = htons(1000), .dst_l4.port = htons(80) };
		if (protos[i] == IPPROTO_ICMP)
			req.orig.dst_l4.icmp.type = 8, req.orig.dst_l4.icmp.code = 0;
		if (ct_tuple_invert(&req.reply, &req.orig))
			ct_control_new(inst, &req);
	}
}

static void drain(struct nl_sock *sock)
{
	struct nl_datagram *d;

	while ((d = nl_sock_next(sock)))
		free(d);
}

static void one(struct control *control, struct nl_sock *sock, uint8_t kind, const uint8_t *data, size_t len)
{
	struct control_cred cred = { .may_change = true };
	struct strbuf out = STRBUF_INIT;
	char path[128];

	switch (kind % KIND_COUNT) {
	case KIND_NETLINK:
		nl_sock_send(sock, data, len);
		drain(sock);
		break;
	case KIND_GET_OPTION:
		control_sockopt_get(control, cred, len & 1 ? IPPROTO_IP : IPPROTO_IPV6, 64 + (len ? data[0] % 6 : 0), data, len, len, &out);
		break;
	case KIND_SET_OPTION:
		control_sockopt_set(control, cred, len & 1 ? IPPROTO_IP : IPPROTO_IPV6, 64 + (len ? data[0] % 2 : 0), data, len, &out);
		break;
	case KIND_FILTER:
		nl_sock_option(sock, SOL_SOCKET, SO_ATTACH_FILTER, 0, data, len);
		break;
	case KIND_FILE:
		snprintf(path, sizeof(path), "/proc/%.*s", (int)MIN_OF(len, sizeof(path) - 8), (const char *)data);
		control_file_read(control, path, &out);
		control_file_write(control, cred, path, "1", 1);
		break;
	}
	sb_free(&out);
}

/* Steps: kind, length (2 bytes), bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct control_callbacks none = { 0 };
	struct instance *inst = instance_new(1, (int64_t)1000 * NSEC_PER_SEC, NULL);
	struct control *control = inst ? control_new(inst, &none) : NULL;
	struct nl_sock *sock = NULL, *listener = NULL;

	if (!control || nl_sock_open(control, 12, 0, 1, (struct control_cred){ true }, NULL, &sock) ||
	    nl_sock_open(control, 12, 0, 1, (struct control_cred){ false }, NULL, &listener))
		abort();
	nl_sock_bind(listener, 0, UINT32_MAX);
	ct_hooks_get(inst, NFPROTO_IPV4);
	begin_connections(inst);
	while (size >= 3) {
		size_t len = MIN_OF((size_t)get_be16(data + 1), size - 3);

		one(control, sock, data[0], data + 3, len);
		data += 3 + len;
		size -= 3 + len;
		instance_advance(inst, inst->now_ns + NSEC_PER_SEC);
	}
	drain(listener);
	ct_hooks_put(inst, NFPROTO_IPV4);
	control_free(control);
	instance_free(inst);
	return 0;
}
