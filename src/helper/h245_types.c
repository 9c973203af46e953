/*
 * helper/h245_types.c - H.245: opening a logical channel, and its acknowledgement. All other requests, commands and
 * indications end the reading at once.
 */
#include "helper/h323_syntax.h"

static const struct per_type name = { .kind = PER_NAME };
static const struct per_type bits2 = { .kind = PER_SMALL, .width = 2 };
static const struct per_type bits4 = { .kind = PER_SMALL, .width = 4 };
static const struct per_type bits5 = { .kind = PER_SMALL, .width = 5 };
static const struct per_type bits7 = { .kind = PER_SMALL, .width = 7 };
static const struct per_type bits8 = { .kind = PER_SMALL, .width = 8 };
static const struct per_type octets1_255 = { .kind = PER_TEXT, .width = 8, .least = 1, .unit = 2 };
static const struct per_type number = { .kind = PER_TEXT, .width = 4, .least = 1, .unit = 1 };
static const struct per_type octets6 = { .kind = PER_FIXED, .least = 6 };
static const struct per_type octets2 = { .kind = PER_FIXED, .least = 2 };

static const struct per_type either = CHOICE(1, 2, M(nothing), M(nothing));
static const struct per_type either_x = CHOICE_X(1, 2, 2, M(nothing), M(nothing));
static const struct per_type one_of_three_x = CHOICE_X(2, 3, 3, NOTHINGS3);

static const struct per_type non_standard_id = CHOICE(1, 2, M(name), M(h221_code));
static const struct per_type non_standard = SEQUENCE(0, 2, M(non_standard_id), M(data));
static const struct per_type non_standards = LIST(non_standard);

/* --- what is carried --- */
static const struct per_type h261 = SEQUENCE_X(2, 5, 6, O(bits2), O(bits2), M(flag), M(int16), M(flag));
static const struct per_type h262 = SEQUENCE_X(6, 17, 18, FLAGS7, M(flag), M(flag), M(flag), M(flag), O(long_int), O(long_int),
	O(int16), O(int16), O(bits4), O(long_int));
static const struct per_type h263 = SEQUENCE_X(7, 13, 21, O(bits5), O(bits5), O(bits5), O(bits5), O(bits5), M(long_int),
	M(flag), M(flag), M(flag), M(flag), M(flag), O(long_int), O(int16));
static const struct per_type is11172_video = SEQUENCE_X(6, 7, 8, M(flag), O(long_int), O(long_int), O(int16), O(int16), O(bits4),
	O(long_int));
static const struct per_type video = CHOICE_X(3, 5, 6, M(non_standard), M(h261), M(h262), M(h263), M(is11172_video));

static const struct per_type g7231 = SEQUENCE(0, 2, M(octet), M(flag));
static const struct per_type is11172_audio = SEQUENCE_X(0, 9, 9, FLAGS7, M(flag), M(int16));
static const struct per_type is13818_audio = SEQUENCE_X(0, 21, 21, FLAGS7, FLAGS7, M(flag), M(flag), M(flag), M(flag), M(flag),
	M(flag), M(int16));
static const struct per_type audio = CHOICE_X(4, 14, 22, M(non_standard), M(octet), M(octet), M(octet), M(octet), M(octet),
	M(octet), M(octet), M(g7231), M(octet), M(octet), M(octet), M(is11172_audio), M(is13818_audio));

static const struct per_type data_protocol = CHOICE_X(3, 7, 14, M(non_standard), NOTHINGS3, NOTHINGS3);
static const struct per_type t84_restricted = SEQUENCE_X(0, 19, 19, FLAGS7, FLAGS7, M(flag), M(flag), M(flag), M(flag), M(flag));
static const struct per_type t84_profile = CHOICE(1, 2, M(nothing), M(t84_restricted));
static const struct per_type t84 = SEQUENCE(0, 2, M(data_protocol), M(t84_profile));
static const struct per_type nlpid = SEQUENCE(0, 2, M(data_protocol), M(data));
static const struct per_type application = CHOICE_X(4, 10, 14, M(non_standard), NOTE(data_protocol, H323_T120), M(data_protocol),
	M(data_protocol), M(t84), M(data_protocol), M(data_protocol), M(nlpid), M(nothing), M(data_protocol));
static const struct per_type data_capability = SEQUENCE_X(0, 2, 2, WANT(application, 0), M(long_int));
static const struct per_type encryption = CHOICE_X(1, 2, 2, M(non_standard), M(nothing));
static const struct per_type data_type = CHOICE_X(3, 6, 9, M(non_standard), M(nothing), M(video), M(audio),
	WANT(data_capability, 0), M(encryption));

/* --- addresses --- */
static const struct per_type ip4 = SEQUENCE_X(0, 2, 2, WANT(ip4_bytes, 0), M(int16));
static const struct per_type ip6 = SEQUENCE_X(0, 2, 2, WANT(ip6_bytes, 0), M(int16));
static const struct per_type ipx = SEQUENCE_X(0, 3, 3, M(octets6), M(octets4), M(octets2));
static const struct per_type hops = LIST(octets4);
static const struct per_type source_route = SEQUENCE_X(0, 4, 4, M(either), M(octets4), M(int16), M(hops));
static const struct per_type unicast = CHOICE_X(3, 5, 7, WANT(ip4, 0), M(ipx), WANT(ip6, 0), M(octets16), M(source_route));
static const struct per_type group4 = SEQUENCE_X(0, 2, 2, M(octets4), M(int16));
static const struct per_type group6 = SEQUENCE_X(0, 2, 2, M(octets16), M(int16));
static const struct per_type multicast = CHOICE_X(1, 2, 4, M(group4), M(group6));
static const struct per_type transport = CHOICE_X(1, 2, 2, WANT(unicast, 0), M(multicast));

/* --- parameters of a channel --- */
static const struct per_type h222 = SEQUENCE_X(3, 5, 5, M(int16), M(int16), O(int16), O(data), O(data));
static const struct per_type al3 = SEQUENCE(0, 2, M(bits2), M(long_int));
static const struct per_type adaptation = CHOICE_X(3, 6, 9, M(non_standard), NOTHINGS3, M(nothing), M(al3));
static const struct per_type h223 = SEQUENCE_X(0, 2, 2, M(adaptation), M(flag));
static const struct per_type hdlc = SEQUENCE_X(0, 3, 3, M(one_of_three_x), M(int16), M(flag));
static const struct per_type error_recovery = SEQUENCE_X(0, 2, 2, M(bits7), M(one_of_three_x));
static const struct per_type v76_mode = CHOICE_X(1, 2, 2, M(error_recovery), M(nothing));
static const struct per_type v75 = SEQUENCE_X(0, 1, 1, M(flag));
static const struct per_type v76 = SEQUENCE_X(0, 5, 5, M(hdlc), M(one_of_three_x), M(flag), M(v76_mode), M(v75));
static const struct per_type h2250 = SEQUENCE_X(10, 11, 14, O(non_standards), M(octet), O(bits8), OWANT(transport, H323_MEDIA),
	O(flag), OWANT(transport, H323_MEDIA_CONTROL), STOP);
static const struct per_type h2250_ack = SEQUENCE_X(5, 5, 7, O(non_standards), O(bits8), OWANT(transport, H323_MEDIA),
	OWANT(transport, H323_MEDIA_CONTROL), O(bits5));

static const struct per_type forward_multiplex = CHOICE_X(2, 3, 5, M(h222), M(h223), M(v76), WANT(h2250, 0));
static const struct per_type reverse_multiplex = CHOICE_X(1, 2, 3, M(h223), M(v76), WANT(h2250, 0));
static const struct per_type reverse_ack_multiplex = CHOICE_X(0, 1, 2, M(h222), WANT(h2250, 0));
static const struct per_type forward_ack_multiplex = CHOICE_X(0, 1, 1, WANT(h2250_ack, 0));
static const struct per_type forward = SEQUENCE_X(1, 3, 5, O(int16), WANT(data_type, 0), WANT(forward_multiplex, 0));
static const struct per_type reverse = SEQUENCE_X(1, 2, 4, M(data_type), OWANT(reverse_multiplex, 0));
static const struct per_type reverse_ack = SEQUENCE_X(2, 3, 4, M(int16), O(int16), OWANT(reverse_ack_multiplex, 0));

static const struct per_type q2931_number = CHOICE_X(1, 2, 2, M(number), M(octets1_20));
static const struct per_type q2931 = SEQUENCE_X(1, 2, 2, M(q2931_number), O(octets1_20));
static const struct per_type network_address = CHOICE_X(2, 3, 3, M(q2931), M(digits), WANT(transport, 0));
static const struct per_type network_access = SEQUENCE_X(2, 4, 5, O(either_x), WANT(network_address, 0), M(flag), O(octets1_255));

const struct per_type h245_open_channel = SEQUENCE_X(1, 3, 5, M(int16), WANT(forward, H323_FORWARD), OWANT(reverse, H323_REVERSE),
	WANT(network_access, H323_STACK), STOP);
static const struct per_type open_channel_ack = SEQUENCE_X(1, 2, 5, M(int16), OWANT(reverse_ack, H323_REVERSE),
	WANT(network_access, H323_ACCEPTED_STACK), WANT(forward_ack_multiplex, H323_ACCEPTED), STOP);

#define STOP5 STOP, STOP, STOP, STOP, STOP
static const struct per_type request = CHOICE_X(4, 11, 15, STOP, STOP, STOP, WANT(h245_open_channel, 0), STOP5, STOP5, STOP);
static const struct per_type response = CHOICE_X(5, 19, 24, STOP5, WANT(open_channel_ack, 0), STOP5, STOP5, STOP5, STOP, STOP, STOP);
const struct per_type h245_message = CHOICE_X(2, 4, 4, WANT(request, 0), WANT(response, 0), STOP, STOP);
