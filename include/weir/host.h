/* weir/host.h - what weir is told about the host's programs: their sockets, and who owns the packets they send. */
#ifndef WEIR_PUBLIC_HOST_H
#define WEIR_PUBLIC_HOST_H

#include <weir/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * weir_host() - Lines as in a script, without the time: "socket add ...", "socket del NAME", "secctx add CONTEXT"
 * @text: borrowed, NUL-terminated
 *
 * -m owner, -m cgroup, -m socket and -j TPROXY ask for these sockets, -j SECMARK for these contexts. A packet of the host belongs
 * to the socket whose protocol, addresses and ports it has; one that arrives finds its socket as in Linux. Lines before the
 * refused one keep their effect.
 * Context: control. Return: 0, or a negative errno with the place in @error.
 */
WEIR_API int weir_host(struct weir *weir, const char *text, struct weir_error *error);

/**
 * weir_send_from() - The socket of this name sends an IP packet, whatever its ports say
 * Context: worker. Return: 0; -ENOENT no such socket, -EINVAL not an IP packet, -ENOMEM.
 */
WEIR_API int weir_send_from(struct weir *weir, const char *socket, const void *bytes, size_t len);

/** weir_pkt_socket() - The name of the socket that a packet belongs to, borrowed; NULL: none, "" the kernel's own. */
WEIR_API const char *weir_pkt_socket(const struct weir_pkt *pkt);
/** weir_pkt_secctx() - The security context that SECMARK gave it, borrowed; NULL: none. */
WEIR_API const char *weir_pkt_secctx(const struct weir *weir, const struct weir_pkt *pkt);
/** weir_pkt_set_secctx() - Return: 0; -ENOENT when the context was not declared. */
WEIR_API int weir_pkt_set_secctx(struct weir *weir, struct weir_pkt *pkt, const char *context);

#ifdef __cplusplus
}
#endif

#endif
