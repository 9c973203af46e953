/* Packets that arrive: forwarded, delivered, sent, looped, cut. */
#include "path_test.h"

static void forwarded(void **state)
{
	struct router *r = *state;

	receive_on(r, 0, "4500002000070000401166c20a0000020a01000200050006000c130464617461" "00000000");
	expect_frame(r, 0, 1, "020000000102020000000101080045000020000700003f1167c20a0000020a01000200050006000c130464617461", false);
}

static void forwarded_with_a_tag(void **state)
{
	struct router *r = *state;
	struct iface *child;

	assert_int_equal(iface_add(r->inst, "eth1.5", ARPHRD_ETHER, &child, NULL), 0);
	child->vlan_parent = r->port[1];
	child->vlan_id = 5;
	memcpy(child->mac, r->port[1]->mac, 6);
	assert_int_equal(route_iface_set_up(r->inst, child, true, NULL), 0);
	assert_int_equal(route_add(r->inst, &(struct route_spec){ .family = NFPROTO_IPV4, .type = RTN_UNICAST,
		.prefix_len = 32, .dst.ip = htonl(0x0a010002), .oif = child }, false, NULL), 0);
	assert_int_equal(neigh_set_permanent(r->inst, child, NFPROTO_IPV4,
		&(union nf_inet_addr){ .ip = htonl(0x0a010002) }, (uint8_t[]){ 2, 0, 0, 0, 1, 2 }, NULL), 0);
	receive_on(r, 0, "4500002000070000401166c20a0000020a01000200050006000c130464617461");
	expect_frame(r, 0, 1, "020000000102020000000101" "81000005" "0800"
			      "45000020000700003f1167c20a0000020a01000200050006000c130464617461", false);
}

static void tagged_frames_belong_to_the_vlan(void **state)
{
	static const char plain[] = "45000020000700004011" "66c20a0000020a010002" "00050006000c130464617461";
	struct router *r = *state;
	uint8_t frame[FRAME_MAX];
	struct iface *child;
	struct pkt *pkt;
	uint32_t len;

	assert_int_equal(iface_add(r->inst, "eth0.7", ARPHRD_ETHER, &child, NULL), 0);
	child->vlan_parent = r->port[0];
	child->vlan_id = 7;
	memcpy(child->mac, r->port[0]->mac, 6);
	assert_int_equal(route_iface_set_up(r->inst, child, true, NULL), 0);
	for (int vid = 7; vid <= 8; vid++) {
		unhex("020000000001" "020000000002" "81000000" "0800", frame);
		frame[15] = vid;
		len = 18 + unhex(plain, frame + 18);
		pkt = pkt_from_frame(r->inst, r->port[0], frame, len);
		path_receive(r->inst, &pkt, 1);
		if (vid == 7)
			assert_int_equal(child->stats.rx_packets, 1);
		else
			assert_int_equal(r->last_drop, DROP_OTHERHOST);
	}
	/* the one that found its interface went on */
	assert_int_equal(r->frames, 1);
	assert_ptr_equal(r->frame[0].out, r->port[1]);
}

static void delivered_once(void **state)
{
	struct router *r = *state;

	receive_on(r, 0, "60000000000c1140fd000000000000000000000000000002fd000000000000000000000000000001"
			 "00050006000c2e0464617461");
	assert_int_equal(r->delivered, 1);
	assert_int_equal(r->frames, 0);
}

static void send_local(struct router *r, const char *hex)
{
	uint8_t bytes[FRAME_MAX];
	uint32_t len = unhex(hex, bytes);
	struct pkt *pkt = pkt_from_raw_ip(r->inst, NULL, bytes, len);

	assert_non_null(pkt);
	path_send_local(r->inst, pkt);
}

static void sent_with_the_header_filled_in(void **state)
{
	struct router *r = *state;

	/* no source, no length, a wrong checksum */
	send_local(r, "450000000007000040110000000000000a01000200050006000c000064617461");
	expect_frame(r, 0, 1, "0200000001020200000001010800" "45000020000700004011"
			      "66c20a010001" "0a01000200050006000c000064617461", true);
}

static void sent_to_itself_comes_back(void **state)
{
	struct router *r = *state;

	send_local(r, "4500002000070000401100000a0000010a01000100050006000c000064617461");
	assert_int_equal(r->delivered, 1);
	assert_int_equal(r->frames, 0);
}

static void cut_for_a_small_way_out(void **state)
{
	struct router *r = *state;

	r->port[1]->mtu = 68;
	receive_on(r, 0, "45000058000700004011668a0a0000020a010002000500060044cd38"
			 "787878787878787878787878787878787878787878787878787878787878"
			 "787878787878787878787878787878787878787878787878787878787878");
	assert_int_equal(r->frames, 2);
	assert_int_equal(r->frame[0].len, ETH_HLEN + 68);
	assert_int_equal(get_be16(r->frame[0].bytes + ETH_HLEN + 6), IP4_MF);
	assert_int_equal(r->frame[1].len, ETH_HLEN + 20 + 20);
	assert_int_equal(get_be16(r->frame[1].bytes + ETH_HLEN + 6), 48 / 8);
}

static void unanswered_next_hop_is_reported(void **state)
{
	struct router *r = *state;

	/* 10.1.0.3 is nobody: three questions, a second apart, then the sender hears */
	receive_on(r, 0, "4500002000070000401166c10a0000020a01000300050006000c130364617461");
	assert_int_equal(r->frames, 1);
	assert_int_equal(get_be16(r->frame[0].bytes + 12), ETH_P_ARP);
	instance_advance(r->inst, r->inst->now_ns + 4ll * NSEC_PER_SEC);
	assert_int_equal(r->frames, 4);
	assert_ptr_equal(r->frame[3].out, r->port[0]);
	assert_int_equal(r->frame[3].bytes[ETH_HLEN + 20], ICMP_DEST_UNREACH);
	assert_int_equal(r->frame[3].bytes[ETH_HLEN + 21], ICMP_HOST_UNREACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(forwarded, router_open, router_close),
		cmocka_unit_test_setup_teardown(forwarded_with_a_tag, router_open, router_close),
		cmocka_unit_test_setup_teardown(tagged_frames_belong_to_the_vlan, router_open, router_close),
		cmocka_unit_test_setup_teardown(delivered_once, router_open, router_close),
		cmocka_unit_test_setup_teardown(sent_with_the_header_filled_in, router_open, router_close),
		cmocka_unit_test_setup_teardown(sent_to_itself_comes_back, router_open, router_close),
		cmocka_unit_test_setup_teardown(cut_for_a_small_way_out, router_open, router_close),
		cmocka_unit_test_setup_teardown(unanswered_next_hop_is_reported, router_open, router_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
