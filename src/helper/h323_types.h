/*
 * helper/h323_types.h - the messages of H.323 that are read, and the names of what is noted in them.
 */
#ifndef WEIR_H323_TYPES_H
#define WEIR_H323_TYPES_H

#include "helper/h323_per.h"

/* A note's name is the sum of the names on the way to it: H323_FORWARD + H323_MEDIA. */
enum h323_note {
	H323_MESSAGE = 0,					/* which one, of those that are a choice */
	H323_MEDIA = 1, H323_MEDIA_CONTROL, H323_T120,		/* in the parameters of a channel; T120: which protocol */
	H323_FORWARD = 8, H323_REVERSE = 16, H323_ACCEPTED = 24,
	H323_STACK = 32, H323_ACCEPTED_STACK,			/* where T.120 is spoken */
	H323_H245, H323_CALLED, H323_CALLER, H323_ALTERNATIVE,	/* addresses of a call */
	H323_REASON,						/* of FACILITY */
	H323_RAS, H323_SIGNAL, H323_LIFETIME,			/* of RAS: its own address, that of calls, seconds */
};

enum {
	H323_FAST_START_MAX = 30, H323_TUNNELED_MAX = 4, H323_ADDRESSES_MAX = 10,	/* as many as Linux looks at */
	H323_TUNNELED = 64,		/* first group of H.245 inside of Q.931; fast start's channels begin at 0 */
	H323_T120_SEPARATE_LAN = 10, H323_REASON_FORWARDED = 1,
};

/* Of each message: the group of the transport's addresses, and what is to be made of them, by H.225.0 and H.245. */
extern const struct per_type h323_ras_message;
extern const struct per_type h323_user_information;	/* Q.931's user-user element */
extern const struct per_type h245_message, h245_open_channel;

#endif
