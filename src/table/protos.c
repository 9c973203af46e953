/*
 * table/protos.c - protocols by name and number: those that iptables knows by itself, then /etc/protocols.
 */
#include "table/rule_text.h"

#include <netdb.h>

/* Equal numbers: the first name is the one that is printed. */
static const struct {
	const char *name;
	uint8_t number;
} well_known[] = {
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "icmp", IPPROTO_ICMP }, { "ipv6-icmp", IPPROTO_ICMPV6 },
	{ "icmpv6", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP }, { "udplite", IPPROTO_UDPLITE },
	{ "esp", IPPROTO_ESP }, { "ah", IPPROTO_AH }, { "all", 0 },
};

/* Printed only when /etc/protocols has no name of its own. */
static const struct {
	const char *name;
	uint8_t number;
} lesser_known[] = {
	{ "ipv6-mh", IPPROTO_MH }, { "mh", IPPROTO_MH },
};

bool proto_parse(const char *text, uint8_t *out)
{
	const struct protoent *known;
	uint64_t number;

	if (opt_u64(text, 0, UINT8_MAX, &number)) {
		*out = (uint8_t)number;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(well_known); i++) {
		if (!strcmp(well_known[i].name, text)) {
			*out = well_known[i].number;
			return true;
		}
	}
	known = getprotobyname(text);
	if (known) {
		*out = (uint8_t)known->p_proto;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(lesser_known); i++) {
		if (!strcmp(lesser_known[i].name, text)) {
			*out = lesser_known[i].number;
			return true;
		}
	}
	return false;
}

const char *proto_nearest(const char *text)
{
	struct suggestion near = { .wanted = text };

	for (size_t i = 0; i < ARRAY_SIZE(well_known); i++)
		suggest_offer(&near, well_known[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(lesser_known); i++)
		suggest_offer(&near, lesser_known[i].name);
	return near.best;
}

const char *proto_name(uint16_t proto)
{
	const struct protoent *known;

	for (size_t i = 0; i < ARRAY_SIZE(well_known); i++)
		if (well_known[i].number == proto)
			return well_known[i].name;
	known = getprotobynumber(proto);
	if (known)
		return known->p_name;
	for (size_t i = 0; i < ARRAY_SIZE(lesser_known); i++)
		if (lesser_known[i].number == proto)
			return lesser_known[i].name;
	return NULL;
}
