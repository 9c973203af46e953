/*
 * helper/h323_types.c - H.225.0: the messages between terminals and gatekeepers (RAS), and what call signalling
 * carries in its user-user element.
 */
#include "helper/h323_syntax.h"

static const struct per_type name = { .kind = PER_NAME };
static const struct per_type any_int = { .kind = PER_FREE };
static const struct per_type long_from_1 = { .kind = PER_LONG, .least = 1 };
static const struct per_type octets1_256 = { .kind = PER_TEXT, .width = 0, .least = 1, .unit = 2 };
static const struct per_type octets8_128 = { .kind = PER_TEXT, .width = 7, .least = 8, .unit = 2 };
static const struct per_type wide1_256 = { .kind = PER_TEXT, .width = 0, .least = 1, .unit = 4 };
static const struct per_type wide1_128 = { .kind = PER_TEXT, .width = 7, .least = 1, .unit = 4 };
static const struct per_type octets6 = { .kind = PER_FIXED, .least = 6 };
static const struct per_type octets2 = { .kind = PER_FIXED, .least = 2 };
static const struct per_type bits16 = { .kind = PER_BITS_SHORT };
static const struct per_type bit_data = { .kind = PER_BITS_DATA };
static const struct per_type either_x = CHOICE_X(1, 2, 2, M(nothing), M(nothing));

/* --- whom and what --- */
static const struct per_type h221_code_x = SEQUENCE_X(0, 3, 3, M(octet), M(octet), M(int16));
static const struct per_type non_standard_id = CHOICE_X(1, 2, 2, M(name), M(h221_code_x));
static const struct per_type non_standard = SEQUENCE(0, 2, M(non_standard_id), M(data));

static const struct per_type ip4 = SEQUENCE(0, 2, WANT(ip4_bytes, 0), M(int16));
static const struct per_type ip6 = SEQUENCE_X(0, 2, 2, WANT(ip6_bytes, 0), M(int16));
static const struct per_type hops = LIST(octets4);
static const struct per_type source_route = SEQUENCE_X(0, 4, 4, M(octets4), M(int16), M(hops), M(either_x));
static const struct per_type ipx = SEQUENCE(0, 3, M(octets6), M(octets4), M(octets2));
static const struct per_type transport = CHOICE_X(3, 7, 7, WANT(ip4, 0), M(source_route), M(ipx), WANT(ip6, 0), M(octets16),
	M(octets1_20), M(non_standard));
static const struct per_type transports = { .kind = PER_LIST, .keep = H323_ADDRESSES_MAX,
	.members = (const struct per_member[]){ WANT(transport, 0) } };

static const struct per_type alias = CHOICE_X(1, 2, 7, M(digits), M(wide1_256));
static const struct per_type aliases = LIST(alias);

static const struct per_type vendor = SEQUENCE_X(2, 3, 3, M(h221_code_x), O(octets1_256), O(octets1_256));
static const struct per_type only_non_standard = SEQUENCE_X(1, 1, 1, O(non_standard));		/* gatekeeper, terminal */
static const struct per_type conference_unit = SEQUENCE_X(1, 1, 2, O(non_standard));
static const struct per_type capability = SEQUENCE_X(1, 1, 3, O(non_standard));
static const struct per_type protocol = CHOICE_X(4, 9, 11, M(non_standard), M(capability), M(capability), M(capability),
	M(capability), M(capability), M(capability), M(capability), M(capability));
static const struct per_type protocols = LIST(protocol);
static const struct per_type gateway = SEQUENCE_X(2, 2, 2, O(protocols), O(non_standard));
static const struct per_type endpoint = SEQUENCE_X(6, 8, 10, O(non_standard), O(vendor), O(only_non_standard), O(gateway),
	O(conference_unit), O(only_non_standard), M(flag), M(flag));

static const struct per_type call_type = CHOICE_X(2, 4, 4, NOTHINGS3, M(nothing));
static const struct per_type q954 = SEQUENCE_X(0, 2, 2, M(flag), M(flag));
static const struct per_type services = SEQUENCE_X(0, 8, 8, FLAGS7, M(q954));
static const struct per_type goal = CHOICE_X(2, 3, 5, NOTHINGS3);
static const struct per_type extra_references = LIST(int16);
static const struct per_type call_id = SEQUENCE_X(0, 1, 1, M(octets16));

/* --- security: only PROGRESS has it in front of what we look for --- */
static const struct per_type security_mode = CHOICE_X(2, 3, 3, M(non_standard), M(nothing), M(nothing));
static const struct per_type security_ability = SEQUENCE_X(1, 4, 4, O(non_standard), M(security_mode), M(security_mode),
	M(security_mode));
static const struct per_type h245_security = CHOICE_X(2, 4, 4, M(non_standard), M(nothing), M(security_ability), M(security_ability));
static const struct per_type key_exchange = SEQUENCE_X(0, 3, 3, M(bits16), M(bits16), M(bits16));
static const struct per_type certificate = SEQUENCE_X(0, 2, 2, M(name), M(data));
static const struct per_type h235_non_standard = SEQUENCE(0, 2, M(name), M(data));
static const struct per_type token = SEQUENCE_X(8, 9, 11, M(name), O(long_from_1), O(wide1_128), O(key_exchange), O(octets8_128),
	O(any_int), O(certificate), O(wide1_128), O(h235_non_standard));
static const struct per_type tokens = LIST(token);
static const struct per_type octets8 = { .kind = PER_FIXED, .least = 8 };
static const struct per_type cipher_params = SEQUENCE_X(2, 2, 3, O(any_int), O(octets8));
static const struct per_type hashed = SEQUENCE(0, 3, M(name), M(cipher_params), M(bit_data));
static const struct per_type encrypted = SEQUENCE(0, 3, M(name), M(cipher_params), M(data));
static const struct per_type signed_ = SEQUENCE(0, 4, { NULL, PER_ENVELOPE, 0 }, M(name), M(cipher_params), M(bit_data));
static const struct per_type endpoint_hash = SEQUENCE(0, 3, M(alias), M(long_from_1), M(hashed));
static const struct per_type gatekeeper_hash = SEQUENCE(0, 3, M(wide1_128), M(long_from_1), M(hashed));
static const struct per_type encrypted_token = SEQUENCE(0, 2, M(name), M(encrypted));
static const struct per_type signed_token = SEQUENCE(0, 2, M(name), M(signed_));
static const struct per_type hashed_token = SEQUENCE(0, 3, M(name), M(token), M(hashed));
static const struct per_type nested_token = CHOICE_X(2, 4, 4, M(encrypted_token), M(signed_token), M(hashed_token), M(encrypted));
static const struct per_type crypto_token = CHOICE_X(3, 8, 8, M(endpoint_hash), M(gatekeeper_hash), M(encrypted), M(encrypted),
	M(signed_), M(signed_), M(signed_), M(nested_token));
static const struct per_type crypto_tokens = LIST(crypto_token);

/* --- call signalling --- */
static const struct per_type fast_start = { .kind = PER_LIST, .keep = H323_FAST_START_MAX,
	.members = (const struct per_member[]){ { &h245_open_channel, PER_WANTED | PER_ENVELOPE, 0 } } };
static const struct per_type tunneled = { .kind = PER_LIST, .keep = H323_TUNNELED_MAX, .group = H323_TUNNELED,
	.members = (const struct per_member[]){ { &h245_message, PER_WANTED | PER_ENVELOPE, 0 } } };

static const struct per_type setup = SEQUENCE_X(7, 13, 39, M(name), OWANT(transport, H323_H245), O(aliases), M(endpoint), O(aliases),
	OWANT(transport, H323_CALLED), O(aliases), O(extra_references), M(flag), M(octets16), M(goal), O(services), M(call_type),
	WANT(transport, H323_CALLER), SKIP, SKIP, SKIP, SKIP, SKIP, WANT(fast_start, 0), SKIP, SKIP, STOP);
static const struct per_type call_proceeding = SEQUENCE_X(1, 3, 12, M(name), M(endpoint), OWANT(transport, H323_H245),
	SKIP, SKIP, SKIP, SKIP, WANT(fast_start, 0));
static const struct per_type connected = SEQUENCE_X(1, 4, 19, M(name), OWANT(transport, H323_H245), M(endpoint), M(octets16),
	SKIP, SKIP, SKIP, SKIP, WANT(fast_start, 0));
static const struct per_type alerting = SEQUENCE_X(1, 3, 17, M(name), M(endpoint), OWANT(transport, H323_H245),
	SKIP, SKIP, SKIP, SKIP, WANT(fast_start, 0));
static const struct per_type information = SEQUENCE_X(0, 1, 7, M(name));
static const struct per_type release_reason = CHOICE_X(4, 12, 22, NOTHINGS3, NOTHINGS3, NOTHINGS3, NOTHINGS3);
static const struct per_type release_complete = SEQUENCE_X(1, 2, 11, M(name), O(release_reason));
static const struct per_type facility_reason = CHOICE_X(2, 4, 11, NOTHINGS3, M(nothing));
static const struct per_type facility = SEQUENCE_X(3, 5, 21, M(name), OWANT(transport, H323_ALTERNATIVE), O(aliases), O(octets16),
	NOTE(facility_reason, H323_REASON), SKIP, SKIP, SKIP, SKIP, SKIP, SKIP, WANT(transport, H323_H245), WANT(fast_start, 0));
static const struct per_type progress = SEQUENCE_X(5, 8, 11, M(name), M(endpoint), OWANT(transport, H323_H245), M(call_id),
	O(h245_security), O(tokens), O(crypto_tokens), OWANT(fast_start, 0));
static const struct per_type body = CHOICE_X(3, 7, 13, WANT(setup, 0), WANT(call_proceeding, 0), WANT(connected, 0), WANT(alerting, 0),
	M(information), M(release_complete), WANT(facility, 0), WANT(progress, 0));
static const struct per_type signalling = SEQUENCE_X(1, 2, 11, WANT(body, 0), O(non_standard), SKIP, SKIP, WANT(tunneled, 0), STOP);
const struct per_type h323_user_information = SEQUENCE_X(1, 2, 2, WANT(signalling, 0), STOP);

/* --- RAS --- */
static const struct per_type gatekeeper_request = SEQUENCE_X(4, 5, 18, M(int16), M(name), O(non_standard),
	WANT(transport, H323_RAS), STOP);
static const struct per_type gatekeeper_confirm = SEQUENCE_X(2, 5, 14, M(int16), M(name), O(non_standard), O(wide1_128),
	WANT(transport, H323_RAS), STOP);
static const struct per_type registration_request = SEQUENCE_X(3, 10, 31, M(int16), M(name), O(non_standard), M(flag),
	WANT(transports, H323_SIGNAL), WANT(transports, H323_RAS), M(endpoint), O(aliases), O(wide1_128), M(vendor), SKIP,
	NOTE(long_from_1, H323_LIFETIME), STOP);
static const struct per_type registration_confirm = SEQUENCE_X(3, 7, 24, M(int16), M(name), O(non_standard),
	WANT(transports, H323_SIGNAL), O(aliases), O(wide1_128), M(wide1_128), SKIP, NOTE(long_from_1, H323_LIFETIME), STOP);
static const struct per_type unregistration_request = SEQUENCE_X(3, 3, 15, M(int16), WANT(transports, H323_SIGNAL), STOP);
static const struct per_type admission_request = SEQUENCE_X(7, 10, 34, M(int16), M(call_type), O(either_x), M(wide1_128), O(aliases),
	OWANT(transport, H323_CALLED), O(aliases), M(aliases), OWANT(transport, H323_CALLER), STOP);
static const struct per_type admission_confirm = SEQUENCE_X(2, 5, 27, M(int16), M(long_int), M(either_x),
	WANT(transport, H323_SIGNAL), STOP);
static const struct per_type location_request = SEQUENCE_X(2, 5, 17, M(int16), O(wide1_128), M(aliases), O(non_standard),
	WANT(transport, H323_RAS), STOP);
static const struct per_type location_confirm = SEQUENCE_X(1, 4, 19, M(int16), WANT(transport, H323_SIGNAL),
	WANT(transport, H323_RAS), STOP);
static const struct per_type info_response = SEQUENCE_X(3, 7, 16, O(non_standard), M(int16), M(endpoint), M(wide1_128),
	WANT(transport, H323_RAS), WANT(transports, H323_SIGNAL), STOP);

#define STOP7 STOP, STOP, STOP, STOP, STOP, STOP, STOP
const struct per_type h323_ras_message = CHOICE_X(5, 24, 32, WANT(gatekeeper_request, 0), WANT(gatekeeper_confirm, 0), STOP,
	WANT(registration_request, 0), WANT(registration_confirm, 0), STOP, WANT(unregistration_request, 0), STOP, STOP,
	WANT(admission_request, 0), WANT(admission_confirm, 0), STOP7, WANT(location_request, 0), WANT(location_confirm, 0), STOP,
	STOP, WANT(info_response, 0), STOP, STOP7, STOP);
