/*
 * Compiled chains and their twin, the walk: random rules of many kinds, random packets (whole, cut short, fragments), and
 * after each the same verdict, deciding rule, mark; at the end the same counters. A third instance has both look, a
 * fourth asks ahead and guesses wrong at times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table_fixture.h"

enum { PACKETS = 1500, SETS = 16, TWINS = 4, AHEAD = 3, LONG_CHAIN = 90 };

static const char *pick(struct rng *rng, const char *const *words, unsigned int count)
{
	return words[rng_below(rng, count)];
}
#define PICK(rng, ...) pick(rng, (const char *const[]){ __VA_ARGS__ }, ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

static const char *address(struct rng *rng, bool v4)
{
	return v4 ? PICK(rng, "10.0.0.1", "10.0.0.2", "10.0.1.0/24", "10.0.0.0/16", "10.0.0.0/8", "192.168.7.9", "10.0.0.9/255.0.0.255", "10.0.1.128/25")
		  : PICK(rng, "fd00::1", "fd00::2", "fd00::/64", "fd00::/16", "fd00:0:0:1::/64", "fd00::1:0/112", "::/1", "fd01::9");
}

static void add_l4(struct rng *rng, bool v4, struct strbuf *out)
{
	const char *no = rng_below(rng, 4) ? "" : " !";
	const char *proto = PICK(rng, "tcp", "udp", "icmp", "47", "all", "sctp");

	if (!strcmp(proto, "icmp") && !v4)
		proto = "icmpv6";
	if (!rng_below(rng, 5)) {
		sb_printf(out, "%s -p %s", strcmp(proto, "all") ? no : "", proto);
		return;
	}
	sb_printf(out, " -p %s", proto);
	if (!rng_below(rng, 8))
		sb_adds(out, " -m limit --limit 100/sec --limit-burst 3");
	if (!strncmp(proto, "icmp", 4)) {
		sb_printf(out, v4 ? "%s --icmp-type %s" : "%s --icmpv6-type %s", no, PICK(rng, "8", "0", "3", "129"));
	} else if (strcmp(proto, "47") && strcmp(proto, "all")) {
		if (!rng_below(rng, 3))
			sb_printf(out, " -m multiport%s --%s %s", no, PICK(rng, "dports", "sports", "ports"),
				  PICK(rng, "22,53,80", "1:9,53,443", "1024:65535", "53"));
		sb_printf(out, " -m %s", proto);
		if (rng_below(rng, 2))
			sb_printf(out, "%s --dport %s", no, PICK(rng, "53", "80", "443", "50:60", "1024:65535", ":1023", "22"));
		else
			sb_printf(out, "%s --sport %s", no, PICK(rng, "53", "1024:", "999"));
		if (!strcmp(proto, "tcp") && !rng_below(rng, 4))
			sb_printf(out, "%s --tcp-flags %s", rng_below(rng, 3) ? "" : " !", PICK(rng, "SYN,ACK SYN", "ALL NONE", "FIN FIN"));
		if (!strcmp(proto, "tcp") && !rng_below(rng, 8))
			sb_adds(out, " --tcp-option 2");
	}
}

static void add_rule(struct rng *rng, bool v4, const char *chain, const char *deeper, struct strbuf *out)
{
	sb_printf(out, "-A %s", chain);
	if (rng_below(rng, 2))
		sb_printf(out, "%s -s %s", rng_below(rng, 6) ? "" : " !", address(rng, v4));
	if (rng_below(rng, 2))
		sb_printf(out, "%s -d %s", rng_below(rng, 6) ? "" : " !", address(rng, v4));
	if (!rng_below(rng, 4))
		sb_printf(out, "%s -i %s", rng_below(rng, 4) ? "" : " !", PICK(rng, "eth1", "eth+", "eth2", "lo"));
	if (!rng_below(rng, 4))
		sb_printf(out, "%s -o %s", rng_below(rng, 4) ? "" : " !", PICK(rng, "eth2", "e+", "eth3"));
	if (v4 && !rng_below(rng, 10))
		sb_printf(out, "%s -f", rng_below(rng, 2) ? "" : " !");
	if (rng_below(rng, 3))
		add_l4(rng, v4, out);
	if (!rng_below(rng, 5))
		sb_printf(out, " -m mark%s --mark %s", rng_below(rng, 3) ? "" : " !", PICK(rng, "0", "1", "2/2", "3"));
	if (!rng_below(rng, 8))
		sb_adds(out, " -m comment --comment \"a note\"");
	if (!rng_below(rng, 8))
		sb_printf(out, " -m iprange%s --src-range %s", rng_below(rng, 2) ? "" : " !",
			  v4 ? PICK(rng, "10.0.0.1-10.0.1.7", "10.0.0.2-10.0.0.9", "10.0.1.0-10.0.1.255", "10.0.0.1")
			     : PICK(rng, "fd00::-fd00::ff", "fd00::2-fd00::1:7", "fd00::1-fd00:0:0:1::7", "::-fd00::2", "fd00::3-ffff::", "fd00::1"));
	if (!rng_below(rng, 12))
		sb_printf(out, " -m iprange%s --dst-range %s", rng_below(rng, 2) ? "" : " !", v4 ? "10.0.0.2-10.0.0.7" : "fd00::2-fd00::9");
	if (!rng_below(rng, 8))
		sb_adds(out, " -m statistic --mode nth --every 3 --packet 0");
	if (!rng_below(rng, 10))
		sb_printf(out, " -m length%s --length %s", rng_below(rng, 2) ? "" : " !", PICK(rng, "0:60", "40", "28:48", "61:"));
	if (!rng_below(rng, 10))
		sb_printf(out, v4 ? " -m ttl %s" : " -m hl %s", v4 ? PICK(rng, "--ttl-eq 64", "! --ttl-eq 64", "--ttl-lt 9", "--ttl-gt 9", "--ttl-lt 0")
								  : PICK(rng, "--hl-eq 64", "! --hl-eq 7", "--hl-lt 9", "--hl-gt 9", "--hl-gt 255"));
	if (!rng_below(rng, 10))
		sb_printf(out, " -m pkttype%s --pkt-type %s", rng_below(rng, 2) ? "" : " !", PICK(rng, "unicast", "multicast", "broadcast"));
	if (!rng_below(rng, 10))
		sb_printf(out, " -m connmark%s --mark %s", rng_below(rng, 2) ? "" : " !", PICK(rng, "0", "1", "0/1"));
	if (!rng_below(rng, 8))
		sb_printf(out, " -m conntrack%s --ctstate %s", rng_below(rng, 2) ? "" : " !", PICK(rng, "INVALID", "UNTRACKED", "NEW,INVALID", "ESTABLISHED"));
	if (!rng_below(rng, 8))
		sb_printf(out, " -m conntrack%s %s %s", PICK(rng, "", " --ctstate NEW,ESTABLISHED", " --ctdir REPLY"), rng_below(rng, 2) ? "" : "!",
			  PICK(rng, "--ctproto tcp", "--ctproto 0", "--ctstatus NONE", "--ctstatus SEEN_REPLY,ASSURED", "--ctstatus ASSURED"));
	if (!rng_below(rng, 8))
		sb_printf(out, " -m ecn %s --ecn-ip-ect %u", rng_below(rng, 2) ? "" : "!", rng_below(rng, 3));
	if (!rng_below(rng, 10))
		sb_printf(out, " -m addrtype%s --dst-type %s --limit-iface-%s", rng_below(rng, 2) ? "" : " !", PICK(rng, "LOCAL", "UNICAST"), PICK(rng, "in", "out"));
	if (!rng_below(rng, 8))
		sb_printf(out, " -m addrtype%s --%s %s", rng_below(rng, 2) ? "" : " !", PICK(rng, "src-type", "dst-type"),
			  PICK(rng, "LOCAL", "UNICAST", "MULTICAST", v4 ? "UNICAST,BROADCAST" : "UNICAST"));
	if (!rng_below(rng, 8))
		sb_printf(out, " -m dscp%s --dscp %s", rng_below(rng, 3) ? "" : " !", PICK(rng, "0", "1", "46"));
	if (!rng_below(rng, 8))
		sb_printf(out, " -m tos%s --tos %s", rng_below(rng, 3) ? "" : " !", PICK(rng, "0/3", "4/4", "0xb8"));
	if (!rng_below(rng, 4))
		sb_printf(out, " -m string --algo %s%s --%s%s", PICK(rng, "bm", "kmp"), rng_below(rng, 5) ? "" : " !",
			  PICK(rng, "string ab", "hex-string |0204|", "string abc", "string bca", "string aabbaabba", "hex-string |e4|"),
			  PICK(rng, "", "", " --icase", " --from 42", " --from 45 --to 60", " --to 44 --icase"));
	if (!rng_below(rng, 12))
		sb_printf(out, " -j %s", PICK(rng, "ACCEPT", "DROP"));
	else if (!rng_below(rng, 8))
		sb_adds(out, " -j RETURN");
	else if (!rng_below(rng, 6))
		sb_printf(out, " -j MARK --set-xmark %s", PICK(rng, "1", "2", "3", "0"));
	else if (deeper && !rng_below(rng, 3))
		sb_printf(out, " -%s %s", PICK(rng, "j", "j", "g"), deeper);
	sb_addc(out, '\n');
}

static void random_text(struct rng *rng, bool v4, struct strbuf *out)
{
	sb_adds(out, "*mangle\n:FORWARD ACCEPT [0:0]\n:one - [0:0]\n:two - [0:0]\n:three - [0:0]\n");
	for (unsigned int i = 40 + rng_below(rng, LONG_CHAIN); i; i--)
		add_rule(rng, v4, "FORWARD", PICK(rng, "one", "two", "three"), out);
	for (unsigned int i = rng_below(rng, LONG_CHAIN); i; i--)
		add_rule(rng, v4, "one", PICK(rng, "two", "three"), out);
	for (unsigned int i = rng_below(rng, LONG_CHAIN); i; i--)
		add_rule(rng, v4, "two", "three", out);
	for (unsigned int i = rng_below(rng, 12); i; i--)
		add_rule(rng, v4, "three", NULL, out);
	sb_adds(out, "COMMIT\n");
}

static uint32_t random_l4(struct rng *rng, uint8_t proto, uint8_t *at)
{
	static const uint16_t ports[] = { 53, 80, 443, 22, 999, 1024, 5, 60000 };

	memset(at, 0, 40);
	put_be16(at, ports[rng_below(rng, ARRAY_SIZE(ports))]);
	put_be16(at + 2, ports[rng_below(rng, ARRAY_SIZE(ports))]);
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
		at[0] = (uint8_t[]){ 8, 0, 3, 129 }[rng_below(rng, 4)];
		at[1] = (uint8_t)rng_below(rng, 3);
	}
	at[12] = (uint8_t)((rng_below(rng, 8) ? 6 : rng_below(rng, 16)) << 4);
	at[13] = (uint8_t[]){ 2, 16, 0, 1, 18, 24 }[rng_below(rng, 6)];
	at[20] = 2;
	at[21] = 4;
	for (unsigned int i = 22; i < 40; i++)
		at[i] = (uint8_t[]){ 'a', 'b', 'c', 'A', 0xc4 }[rng_below(rng, rng_below(rng, 3) ? 2 : 5)];
	return 24 + 8 * rng_below(rng, 3);
}

static struct pkt *random_packet4(struct rng *rng)
{
	uint8_t bytes[128] = { 0x45, (uint8_t[]){ 0, 4, 0xb8, 0 }[rng_below(rng, 4)] };
	struct iphdr *ip = (struct iphdr *)bytes;
	uint32_t len;

	ip->protocol = (uint8_t[]){ 6, 17, 1, 47, 132, 6, 17 }[rng_below(rng, 7)];
	inet_pton(AF_INET, PICK(rng, "10.0.0.1", "10.0.0.2", "10.0.1.7", "10.0.1.200", "10.9.9.9", "192.168.7.9", "8.8.8.8"), &ip->saddr);
	inet_pton(AF_INET, PICK(rng, "10.0.0.1", "10.0.0.2", "10.0.1.7", "10.0.1.200", "10.9.9.9", "192.168.7.9", "8.8.8.8"), &ip->daddr);
	if (!rng_below(rng, 8))
		ip->frag_off = htons((uint16_t)(rng_below(rng, 2) ? IP4_MF | rng_below(rng, 3) : 1 + rng_below(rng, 9)));
	len = 20 + random_l4(rng, ip->protocol, bytes + 20);
	return raw_packet(bytes, rng_below(rng, 8) ? len : 20 + rng_below(rng, 24), NFPROTO_IPV4);
}

static struct pkt *random_packet6(struct rng *rng)
{
	uint8_t bytes[160] = { 0x60, 0x40 };
	struct ipv6hdr *ip6 = (struct ipv6hdr *)bytes;
	const uint8_t proto = (uint8_t[]){ 6, 17, 58, 47, 132, 6, 17, 59 }[rng_below(rng, 8)];
	uint8_t *next = &ip6->nexthdr;
	uint32_t at = 40;

	inet_pton(AF_INET6, PICK(rng, "fd00::1", "fd00::2", "fd00::1:7", "fd00:0:0:1::7", "fd01::9", "2001::1"), &ip6->saddr);
	inet_pton(AF_INET6, PICK(rng, "fd00::1", "fd00::2", "fd00::1:7", "fd00:0:0:1::7", "fd01::9", "2001::1"), &ip6->daddr);
	for (unsigned int i = rng_below(rng, 6) ? 0 : rng_below(rng, 4); i; i--) {
		*next = (uint8_t[]){ 0, 60, 43, 44, 51 }[rng_below(rng, 5)];
		next = bytes + at;
		put_be16(bytes + at + 2, (uint16_t)(rng_below(rng, 2) ? 0 : 8 * rng_below(rng, 3)));
		at += *next == 51 ? 8 : 8;
	}
	*next = proto;
	at += random_l4(rng, proto, bytes + at);
	return raw_packet(bytes, rng_below(rng, 8) ? at : 40 + rng_below(rng, 40), NFPROTO_IPV6);
}

struct sum {
	uint64_t values[4096];
	unsigned int count;
};

static void sum_visit(void *priv, const struct table_rule_view *rule)
{
	struct sum *sum = priv;

	sum->values[sum->count++] = rule->counters.pcnt;
	sum->values[sum->count++] = rule->counters.bcnt;
}

static void restore_family(struct instance *inst, bool v4, const char *text)
{
	struct refusal why;

	if (rules_restore(inst, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, text, strlen(text), "test", 0, &why))
		fail_msg("%u:%u %s", why.at.line, why.at.column, why.text);
}

/* A whole house: some matches ask for routes, and for connections. */
static struct iface in_iface, out_iface;

static unsigned int walk_mangle(struct instance *inst, struct pkt *pkt, uint8_t family)
{
	struct hook_state state = { .inst = inst, .family = family, .hooknum = NF_INET_FORWARD, .in = &in_iface, .out = &out_iface };

	pkt->drop_reason = DROP_NONE;
	return (family == NFPROTO_IPV4 ? table_walk4 : table_walk6)(table_find(inst, family, "mangle"), pkt, &state);
}

static void name_iface(struct iface *iface, const char *name)
{
	memset(iface->name, 0, sizeof(iface->name));
	strcpy(iface->name, name);
}

static void one_packet(struct instance **inst, struct rng *rng, bool v4, unsigned int *ahead)
{
	const uint8_t family = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	struct pkt *pkt = v4 ? random_packet4(rng) : random_packet6(rng);
	const char *in = PICK(rng, "eth1", "eth2", "lo", "wan"), *out = PICK(rng, "eth2", "eth3", "wan");
	const uint32_t mark = rng_below(rng, 4);
	const struct table_rule_ref *rule = NULL;
	uint32_t verdict = 0, reason = 0, mark_then = 0;
	struct ct ct = { .mark = rng_below(rng, 3), .status = (rng_below(rng, 2) ? IPS_SRC_NAT : 0) | (rng_below(rng, 2) ? IPS_SEEN_REPLY : 0) |
								      (rng_below(rng, 3) ? 0 : IPS_ASSURED) };
	const bool has_ct = rng_below(rng, 2);

	pkt->ctinfo = (uint8_t)(has_ct ? rng_below(rng, 5) : rng_below(rng, 2) ? IP_CT_UNTRACKED : 0);
	pkt->type = (pkt_type_t)(uint8_t[]){ PACKET_HOST, PACKET_MULTICAST, PACKET_LOOPBACK }[rng_below(rng, 3)];
	name_iface(&in_iface, in);
	name_iface(&out_iface, out);

	for (unsigned int t = 0; t < TWINS; t++) {
		uint32_t now;

		pkt->ct = has_ct ? &ct : NULL;
		inst[t]->now_ns += NSEC_PER_SEC / 50;
		if (t == AHEAD) {
			struct pkt *burst[] = { pkt, pkt };

			pkt->mark = rng_below(rng, 8) ? mark : 3 - mark;
			inst[t]->tables->ahead.chain_min = 1;
			tables_look_ahead(inst[t], family, burst, 2);
			*ahead += inst[t]->tables->ahead.has_answers;
		}
		pkt->mark = mark;
		pkt->rule = NULL;
		now = walk_mangle(inst[t], pkt, family);
		if (t) {
			assert_int_equal(now, verdict);
			assert_int_equal(pkt->drop_reason, reason);
			assert_int_equal(pkt->mark, mark_then);
			assert_string_equal(pkt->rule->chain, rule->chain);
			assert_int_equal(pkt->rule->number, rule->number);
		}
		verdict = now;
		reason = pkt->drop_reason;
		mark_then = pkt->mark;
		rule = pkt->rule;
	}
	pkt->ct = NULL;
	free_packet(pkt);
}

static void twins_agree(void **state)
{
	static const enum rules_mode modes[TWINS] = { RULES_WALK, RULES_COMPILED, RULES_CHECK, RULES_COMPILED };
	unsigned int ahead = 0;
	struct rng rng;

	rng_seed(&rng, 7);
	for (unsigned int set = 0; set < SETS; set++) {
		struct strbuf text = STRBUF_INIT;
		struct instance *inst[TWINS];
		struct sum *sums = calloc(TWINS, sizeof(*sums));
		const bool v4 = set % 2;

		random_text(&rng, v4, &text);
		for (unsigned int t = 0; t < TWINS; t++) {
			inst[t] = instance_new(1, 0, NULL);
			tables_set_mode(inst[t], modes[t]);
			restore_family(inst[t], v4, sb_str(&text));
		}
		assert_int_equal(tables_compiled(inst[0]).chains, 0);
		assert_true(tables_compiled(inst[1]).chains > 0);
		assert_true(tables_compiled(inst[2]).chains >= tables_compiled(inst[1]).chains);
		for (unsigned int i = 0; i < PACKETS; i++) {
			one_packet(inst, &rng, v4, &ahead);
			if (tables_difference(inst[2]))
				fail_msg("%s\n%s", tables_difference(inst[2]), sb_str(&text));
		}
		for (unsigned int t = 0; t < TWINS; t++)
			tables_each_rule(inst[t], v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, sum_visit, &sums[t]);
		assert_memory_equal(&sums[0], &sums[1], sizeof(*sums));
		assert_memory_equal(&sums[0], &sums[2], sizeof(*sums));
		assert_memory_equal(&sums[0], &sums[AHEAD], sizeof(*sums));
		for (unsigned int t = 0; t < TWINS; t++)
			instance_free(inst[t]);
		free(sums);
		sb_free(&text);
	}
	assert_in_range(ahead, 300, SETS * PACKETS);
}

/* A match that remembers stands before the ports: the rule may not be passed over for its ports. */
static void who_remembers_is_asked(void **state)
{
	struct instance *inst = fixture_new();
	struct strbuf text = STRBUF_INIT;
	struct pkt *pkt = udp_packet("1.1.1.1", "2.2.2.2");	/* to port 0 */

	sb_adds(&text, "*filter\n:FORWARD DROP [0:0]\n");
	for (unsigned int i = 0; i < 40; i++)
		sb_printf(&text, "-A FORWARD -p udp -m statistic --mode nth --every 2 --packet 1 -m udp --dport %u -j ACCEPT\n", i < 39 ? 7u : 0u);
	sb_adds(&text, "COMMIT\n");
	restore_ok(inst, sb_str(&text), 0);
	assert_int_equal(forward(inst, pkt), NF_DROP);
	assert_int_equal(forward(inst, pkt), NF_ACCEPT);
	assert_int_equal(pkt->rule->number, 40);
	sb_free(&text);
	free_packet(pkt);
	fixture_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twins_agree),
		cmocka_unit_test(who_remembers_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
