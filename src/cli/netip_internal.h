/* cli/netip_internal.h - what the five objects of `ip` share: the words still unread, and how values are read. */
#ifndef WEIR_CLI_NETIP_INTERNAL_H
#define WEIR_CLI_NETIP_INTERNAL_H

#include "cli/netip.h"

/* The reader of one line. The first refusal stays in *why; every function then returns false. */
struct ipargs {
	struct netip *ip;
	const struct words *words;
	unsigned int at;		/* next word */
	uint8_t family;			/* AF_UNSPEC, AF_INET, AF_INET6 */
	struct refusal *why;
	int exit_code;			/* of the refusal */
};

struct ip_prefix {
	uint8_t family, len;
	bool has_len, is_default;
	union nf_inet_addr addr;
};

static inline const char *ip_word(const struct ipargs *a)
{
	return a->at < a->words->count ? a->words->argv[a->at] : NULL;
}
/* Takes the next word when it is @name, or one that @name begins with when at least @least letters long. */
bool ip_is(struct ipargs *a, const char *name);
bool ip_is_short(struct ipargs *a, const char *name, size_t least);
/* Refuses the word before the next one / the next one / the whole line. Return false. */
bool ip_bad(struct ipargs *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool ip_bad_next(struct ipargs *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool ip_unknown(struct ipargs *a, const char *what, const char *const *known);
/* The engine refused: the sentence is its own, the place is the line. @err < 0. */
bool ip_refused(struct ipargs *a, int err);

bool ip_value(struct ipargs *a, const char *what, const char **out);	/* the next word, which must be there */
bool ip_u32(struct ipargs *a, const char *what, uint32_t min, uint32_t max, uint32_t *out);
bool ip_mac(struct ipargs *a, uint8_t mac[6]);
bool ip_addr(struct ipargs *a, const char *what, uint8_t *family, union nf_inet_addr *out);
bool ip_prefix(struct ipargs *a, const char *what, struct ip_prefix *out);
bool ip_dev(struct ipargs *a, struct iface **out);
bool ip_table(struct ipargs *a, uint32_t *out);
bool ip_scope(struct ipargs *a, uint8_t *out);
bool ip_protocol(struct ipargs *a, uint8_t *out);
bool ip_tos(struct ipargs *a, uint8_t *out);
bool ip_realm(struct ipargs *a, uint32_t *out);

bool ip_link(struct ipargs *a);
bool ip_tuntap(struct ipargs *a);
bool ip_address(struct ipargs *a);
bool ip_route(struct ipargs *a);
bool ip_rule(struct ipargs *a);
bool ip_neigh(struct ipargs *a);

#endif
