/* api/host.c - weir/host.h: the host's sockets and security contexts. */
#include "api/api.h"
#include "cli/socket_text.h"
#include "host/secctx.h"
#include "host/socket.h"
#include "path/path.h"

int weir_host(struct weir *weir, const char *text, struct weir_error *error)
{
	struct refusal why = { 0 };
	int err = host_load(weir->inst, text, strlen(text), "host", &why);

	return err ? api_refused(error, &why, err) : 0;
}

int weir_send_from(struct weir *weir, const char *name, const void *bytes, size_t len)
{
	struct host_socket *socket = host_socket_named(weir->inst, name);
	struct pkt *pkt;

	if (!socket)
		return -ENOENT;
	pkt = len && len <= PKT_LEN_MAX ? pkt_from_raw_ip(weir->inst, NULL, bytes, (uint32_t)len) : NULL;
	if (!pkt)
		return -EINVAL;
	pkt_socket_set(pkt, socket);
	path_send_local(weir->inst, pkt);
	return 0;
}

const char *weir_pkt_socket(const struct weir_pkt *pkt)
{
	const struct host_socket *socket = api_pkt(pkt)->socket;

	return socket ? socket->spec.name ? socket->spec.name : "" : NULL;
}

const char *weir_pkt_secctx(const struct weir *weir, const struct weir_pkt *pkt)
{
	return secctx_name(weir->inst, api_pkt(pkt)->secmark);
}

int weir_pkt_set_secctx(struct weir *weir, struct weir_pkt *pkt, const char *context)
{
	uint32_t id = secctx_find(weir->inst, context);

	if (!id)
		return -ENOENT;
	api_pkt(pkt)->secmark = id;
	return 0;
}
