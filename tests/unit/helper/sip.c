/*
 * The settings of the SIP helper, which on Linux are parameters of a module for the whole machine and so out of reach of the
 * kernel cases; and what the parser makes of messages that end anywhere.
 */
#include "../conntrack/drive.h"

#include "conntrack/helper.h"
#include "helper/sip_internal.h"
#include "route/route.h"

extern const struct ct_helper ct_helper_sip_udp;

#define REGISTRATION "REGISTER sip:10.1.0.2 SIP/2.0\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@10.0.0.2>;transport=udp;expires=60\r\n\r\n"
#define OFFER(addr) "INVITE sip:b@10.1.0.2 SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nc=IN IP4 " addr "\r\nm=audio 5004 RTP\r\n"

static struct ct *connection(struct drive *d)
{
	struct ct_tuple orig = { .family = NFPROTO_IPV4, .proto = IPPROTO_UDP }, reply;
	struct ct *ct;

	inet_pton(AF_INET, CLIENT, &orig.src);
	inet_pton(AF_INET, SERVER, &orig.dst);
	orig.src_l4.port = orig.dst_l4.port = htons(5060);
	assert_true(ct_tuple_invert(&reply, &orig));
	ct = ct_new(d->inst, NULL, &orig, &reply);
	assert_non_null(ct);
	assert_non_null(ct_help_add(ct, &ct_helper_sip_udp));
	ct_set_timeout_sec(d->inst, ct, 100);
	assert_int_equal(ct_insert(d->inst, ct), 0);
	return ct;
}

static struct pkt *packet(struct drive *d, struct ct *ct, const char *text, uint32_t len)
{
	uint8_t udp[500] = { 0 };
	struct pkt *pkt;

	put_be16(udp + 4, (uint16_t)(sizeof(struct udphdr) + len));
	memcpy(udp + sizeof(struct udphdr), text, len);
	pkt = drive_ip4(d, CLIENT, SERVER, IPPROTO_UDP, udp, (uint32_t)sizeof(struct udphdr) + len);
	pkt_ct_set(d->inst, pkt, ct, IP_CT_ESTABLISHED);
	return pkt;
}

/* Leaves by @oif, unless that is NULL. */
static void say(struct drive *d, struct ct *ct, struct iface *oif, const char *text)
{
	struct hook_state state = { .inst = d->inst, .family = NFPROTO_IPV4, .hooknum = NF_INET_POST_ROUTING };
	struct pkt *pkt = packet(d, ct, text, (uint32_t)strlen(text));

	ct_expect_remove_all(d->inst, ct);
	pkt->route.oif = oif;
	assert_int_equal(ct_help_packet(d->inst, pkt, &state), NF_ACCEPT);
	pkt_free(d->inst, pkt);
}

static void first(void *priv, const struct ct_expect *exp)
{
	const struct ct_expect **found = priv;

	if (!*found)
		*found = exp;
}

static const struct ct_expect *expectation(struct drive *d)
{
	const struct ct_expect *exp = NULL;

	ct_expect_each(d->inst, first, &exp);
	return exp;
}

static void test_signalling(void **state)
{
	struct drive *d = *state;
	struct ct *ct = connection(d);

	say(d, ct, NULL, REGISTRATION);
	assert_int_equal(ct_expires_sec(d->inst, ct), 3600);
	assert_non_null(expectation(d));
	assert_int_equal(expectation(d)->mask_src.ip, UINT32_MAX);
	drive_sysctl(d, "sip_direct_signalling", "0");
	drive_sysctl(d, "sip_timeout", "500");
	say(d, ct, NULL, REGISTRATION);
	assert_int_equal(ct_expires_sec(d->inst, ct), 500);
	assert_non_null(expectation(d));
	assert_int_equal(expectation(d)->mask_src.ip, 0);
	ct_put(d->inst, ct);
}

static void add_network(struct drive *d, struct iface *iface, const char *text)
{
	struct iface_addr addr = { .family = NFPROTO_IPV4, .prefix_len = 24 };

	inet_pton(AF_INET, text, &addr.addr);
	addr.peer = addr.addr;
	assert_int_equal(route_iface_set_up(d->inst, iface, true, NULL), 0);
	assert_int_equal(route_addr_add(d->inst, iface, &addr, NULL), 0);
}

static void test_media(void **state)
{
	struct drive *d = *state;
	struct ct *ct = connection(d);
	struct iface *out;

	assert_int_equal(iface_add(d->inst, "eth1", ARPHRD_ETHER, &out, NULL), 0);
	add_network(d, d->in, "10.0.0.1");
	add_network(d, out, "10.1.0.1");
	say(d, ct, out, OFFER("10.0.0.77"));
	assert_null(expectation(d));		/* media of a third host */
	say(d, ct, out, OFFER("10.0.0.2"));
	assert_int_equal(expectation(d)->mask_src.ip, UINT32_MAX);
	drive_sysctl(d, "sip_direct_media", "0");
	say(d, ct, out, OFFER("10.0.0.77"));
	assert_int_equal(expectation(d)->mask_src.ip, 0);
	say(d, ct, out, OFFER("10.1.0.77"));
	assert_non_null(expectation(d));
	drive_sysctl(d, "sip_external_media", "1");
	say(d, ct, out, OFFER("10.1.0.77"));
	assert_null(expectation(d));		/* it is beyond the same interface as the one who is called */
	say(d, ct, out, OFFER("10.0.0.77"));
	assert_non_null(expectation(d));
	say(d, ct, out, OFFER("10.9.0.77"));
	assert_non_null(expectation(d));	/* no way there is known */
	ct_put(d->inst, ct);
}

/* A message may end anywhere, and what lies behind it in the packet is not its own. */
static void test_cut(void **state)
{
	struct drive *d = *state;
	struct ct *ct = connection(d);
	const uint32_t whole = sizeof(REGISTRATION) - 1;
	bool was_known = false;

	for (uint32_t len = 40; len <= whole; len++) {
		struct ct_help_call call = { .inst = d->inst, .pkt = packet(d, ct, REGISTRATION, len), .ct = ct,
					     .help = ct_help_of(ct), .l4_off = sizeof(struct iphdr) };
		struct sip_msg msg = { .call = &call, .at = sizeof(struct iphdr) + sizeof(struct udphdr), .len = (int32_t)len };
		enum sip_found found;
		struct sip_place place;
		struct sip_span text;
		uint32_t seconds;
		uint8_t proto;

		found = sip_header_place(&msg, SIP_CONTACT, &place);
		assert_true(found == SIP_FOUND || !was_known);
		was_known = found == SIP_FOUND;
		if (was_known) {
			bool has_expires = sip_param_number(&msg, place.text.off, "expires=", &text, &seconds) == SIP_FOUND;

			assert_int_equal(ntohs(place.port), 5060);
			assert_true(sip_param_transport(&msg, place.text.off, &proto) || len < whole - 15);	/* ";expires=60" and two line ends follow it */
			assert_true(!has_expires || seconds == 6 || seconds == 60);
			assert_true(has_expires || len < whole - 5);
		}
		pkt_free(d->inst, call.pkt);
	}
	assert_true(was_known);
	ct_put(d->inst, ct);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_signalling, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(test_media, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(test_cut, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
