/* ext/dsfield.c - reading and writing the byte of service, and its vocabulary. */
#include "ext/dsfield.h"

#include <stdio.h>

void dsfield_set(struct pkt *pkt, uint8_t family, uint8_t value)
{
	if (family == NFPROTO_IPV4) {
		struct iphdr *ip = pkt_ip4(pkt);
		be16 before, after;

		memcpy(&before, ip, 2);
		ip->tos = value;
		memcpy(&after, ip, 2);
		csum_replace2(&ip->check, before, after);
	} else {
		put_be16(pkt->data, (get_be16(pkt->data) & 0xf00f) | value << 4);
	}
}

static const struct opt_word classes[] = {
	{ "CS0", 0x00 }, { "CS1", 0x08 }, { "CS2", 0x10 }, { "CS3", 0x18 }, { "CS4", 0x20 }, { "CS5", 0x28 },
	{ "CS6", 0x30 }, { "CS7", 0x38 }, { "BE", 0x00 },
	{ "AF11", 0x0a }, { "AF12", 0x0c }, { "AF13", 0x0e }, { "AF21", 0x12 }, { "AF22", 0x14 }, { "AF23", 0x16 },
	{ "AF31", 0x1a }, { "AF32", 0x1c }, { "AF33", 0x1e }, { "AF41", 0x22 }, { "AF42", 0x24 }, { "AF43", 0x26 },
	{ "EF", 0x2e }, { NULL }
};

int dscp_parse_class(const char *text, uint8_t *dscp, struct refusal *why)
{
	for (const struct opt_word *word = classes; word->name; word++) {
		/* upstream reads no further than the name: "EFF" is EF */
		if (strncasecmp(word->name, text, strlen(word->name)) == 0) {
			*dscp = word->value;
			return 0;
		}
	}
	return refuse(why, -EINVAL, "\"%s\" is not a DSCP class", text);
}

static const struct opt_word tos_words[] = {
	{ "Minimize-Delay", 0x10 }, { "Maximize-Throughput", 0x08 }, { "Maximize-Reliability", 0x04 },
	{ "Minimize-Cost", 0x02 }, { "Normal-Service", 0x00 }, { NULL }
};

enum { TOS_WORD_MASK = 0x3f };

int tos_parse(const char *text, uint8_t *value, uint8_t *mask, struct refusal *why)
{
	const char *slash = strchr(text, '/');
	uint64_t number, bits = UINT8_MAX;
	char head[16] = "";

	for (const struct opt_word *word = tos_words; word->name; word++) {
		if (strcasecmp(word->name, text) == 0) {
			*value = word->value;
			*mask = TOS_WORD_MASK;
			return 0;
		}
	}
	snprintf(head, sizeof(head), "%.*s", slash ? (int)(slash - text) : 15, text);
	if (strlen(head) != (slash ? (size_t)(slash - text) : strlen(text)) ||
	    !opt_u64(head, 0, UINT8_MAX, &number) ||
	    (slash && !opt_u64(slash + 1, 0, UINT8_MAX, &bits)))
		return refuse(why, -EINVAL,
			      "\"%s\" is neither value[/mask] of 8 bits nor the name of a type of service", text);
	*value = number;
	*mask = bits;
	return 0;
}

const char *tos_name(uint8_t value, uint8_t mask)
{
	for (const struct opt_word *word = tos_words; mask == TOS_WORD_MASK && word->name; word++)
		if (word->value == value)
			return word->name;
	return NULL;
}
