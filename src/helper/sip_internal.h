/*
 * helper/sip_internal.h - what the files of the SIP helper share: a message inside a packet, and finding things in it.
 *
 * Offsets count from the message's beginning, never pointers: rewriting moves the packet. Linux's parser is followed to the
 * byte, also where it is odd, since what it overlooks it neither translates nor drops.
 */
#ifndef WEIR_SIP_INTERNAL_H
#define WEIR_SIP_INTERNAL_H

#include <strings.h>

#include "conntrack/helper.h"

/* Classes of expectations. */
enum { SIP_SIGNALLING, SIP_AUDIO, SIP_VIDEO, SIP_IMAGE };

enum { SIP_DEFAULT_PORT = 5060, SIP_PORT_MIN = 1024 };

struct sip_msg {
	const struct ct_help_call *call;
	uint32_t at;		/* where it begins in the packet */
	int32_t len;
};

struct sip_span { int32_t off, len; };

/* An address and what it stands on; without a port it is SIP's own. */
struct sip_place {
	struct sip_span text;
	union nf_inet_addr addr;
	be16 port;
};

enum sip_header_id {
	SIP_CSEQ, SIP_FROM, SIP_TO, SIP_CONTACT, SIP_VIA_UDP, SIP_VIA_TCP, SIP_EXPIRES, SIP_CONTENT_LENGTH,
};
enum sdp_line_id { SDP_ANY, SDP_VERSION, SDP_OWNER, SDP_CONNECTION, SDP_MEDIA };

/* What looking for something ended with. */
enum sip_found { SIP_BAD = -1, SIP_ABSENT = 0, SIP_FOUND = 1 };

static inline const uint8_t *sip_bytes(const struct sip_msg *msg) { return msg->call->pkt->data + msg->at; }
static inline struct ct_help *sip_help_data(const struct sip_msg *msg) { return msg->call->help; }
static inline const struct ct_tuple *sip_tuple(const struct sip_msg *msg, int dir) { return ct_tuple(msg->call->ct, dir); }
static inline bool sip_is_translated(const struct sip_msg *msg) { return msg->call->ct->status & IPS_NAT_MASK; }

/* --- sip_parse.c --- */
bool sip_is_alpha(uint8_t c);		/* Latin-1, as the kernel counts letters */
/* Does the message (or what follows it in the packet) go on with @word at @off, in whatever case? */
bool sip_has_word(const struct sip_msg *msg, int32_t off, const char *word);
/* Reads a number of 32 bits; *end stays @off when there is none or it is too large. */
uint32_t sip_number(const struct sip_msg *msg, int32_t off, int32_t *end);
/* An address of the connection's family before @limit; IPv6 in brackets when @is_uri. */
bool sip_addr(const struct sip_msg *msg, int32_t off, int32_t limit, bool is_uri, union nf_inet_addr *addr, int32_t *end);

/* The value of the first such header behind @from. */
enum sip_found sip_header(const struct sip_msg *msg, int32_t from, enum sip_header_id id, struct sip_span *value);
/* The address of the first such header that can be read. */
enum sip_found sip_header_place(const struct sip_msg *msg, enum sip_header_id id, struct sip_place *place);
/* One after the other, in lists and in further headers: both at zero to begin with. */
struct sip_walk { int32_t from; bool is_in_list; };
enum sip_found sip_next_place(const struct sip_msg *msg, enum sip_header_id id, struct sip_walk *walk,
			      struct sip_place *place);
/* The address of a request line. */
enum sip_found sip_request_place(const struct sip_msg *msg, struct sip_place *place);

/* Parameters of a header, @name with its "=", behind @from. */
enum sip_found sip_param_number(const struct sip_msg *msg, int32_t from, const char *name, struct sip_span *text,
				uint32_t *value);
bool sip_param_addr(const struct sip_msg *msg, int32_t from, const char *name, bool is_uri, struct sip_span *text,
		    union nf_inet_addr *addr);
/* The protocol the header's owner wants to be reached by; false: not the one of this connection. */
bool sip_param_transport(const struct sip_msg *msg, int32_t from, uint8_t *proto);

/* The first line @id of a session description behind @from, looked for up to the first line @stop. */
enum sip_found sdp_line(const struct sip_msg *msg, int32_t from, enum sdp_line_id id, enum sdp_line_id stop,
			struct sip_span *value);
enum sip_found sdp_addr(const struct sip_msg *msg, int32_t from, enum sdp_line_id id, enum sdp_line_id stop,
			struct sip_span *text, union nf_inet_addr *addr);

/* --- sip_media.c --- */
/* Announces the media of the message's session description, if it has one. NF_ACCEPT, NF_DROP. */
unsigned int sip_media(struct sip_msg *msg);

/* --- sip_nat.c: each returns NF_ACCEPT or NF_DROP unless it is a bool --- */
/* The headers of a message of a translated connection. */
unsigned int sip_nat_message(struct sip_msg *msg);
/* An announced connection has come: ct_arrival_fn. */
void sip_nat_arrived(struct instance *inst, struct ct *ct, const struct ct_expect *exp);
/* Announces @exp as it is seen from outside, and says so in @text. */
unsigned int sip_nat_expect(struct sip_msg *msg, struct ct_expect *exp, struct sip_span text);
/* The same for a pair; *addr becomes what is seen from outside. */
unsigned int sip_nat_expect_media(struct sip_msg *msg, struct ct_expect *rtp, struct ct_expect *rtcp, struct sip_span port,
				  union nf_inet_addr *addr);
bool sip_nat_media_port(struct sip_msg *msg, struct sip_span port, uint16_t value);
bool sip_nat_media_addr(struct sip_msg *msg, int32_t from, const union nf_inet_addr *addr);
bool sip_nat_session_addr(struct sip_msg *msg, int32_t from, const union nf_inet_addr *addr);

#endif
