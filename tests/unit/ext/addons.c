/*
 * tests/unit/ext/addons.c - extensions of xtables-addons. Their modules cannot be loaded here: what is expected is what the man page
 * xtables-addons(8) of 3.23 documents; texts are what its own libxt_*.so of Debian 12 save with iptables-legacy 1.8.9 (those of
 * length2, iface and DNETMAP could not be asked: Debian's are empty).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "base/sysctl.h"
#include "conntrack/conntrack.h"
#include "ext/state.h"
#include "path/path.h"
#include "route/route.h"
#include "table/table.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

struct world {
	struct instance *inst;
	struct iface *tun[2];
	unsigned int sent;
	uint8_t frame[2048];
	uint32_t len;
	char log[256];
};

static void on_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	struct world *w = priv;

	w->sent++;
	w->len = MIN_OF(len, (uint32_t)sizeof(w->frame));
	memcpy(w->frame, frame, w->len);
}

static void on_log(void *priv, int level, const char *line)
{
	struct world *w = priv;

	snprintf(w->log, sizeof(w->log), "<%d>%s", level, line);
}

/* A router between 10.0.0.0/24 and 10.1.0.0/24. */
static int world_open(void **state)
{
	static struct world w;
	struct iface_addr addr = { .family = NFPROTO_IPV4, .prefix_len = 24, .flags = IFA_F_PERMANENT };

	memset(&w, 0, sizeof(w));
	w.inst = instance_new(1, 1700000000ll * NSEC_PER_SEC, NULL);
	assert_non_null(w.inst);
	assert_int_equal(sysctl_set(w.inst->sysctls, "net.ipv4.ip_forward", "1", NULL), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(iface_add(w.inst, i ? "tun1" : "tun0", ARPHRD_NONE, &w.tun[i], NULL), 0);
		assert_int_equal(route_iface_set_up(w.inst, w.tun[i], true, NULL), 0);
		addr.addr.ip = addr.peer.ip = htonl(0x0a000001 | i << 16);
		addr.iface = w.tun[i];
		assert_int_equal(route_addr_add(w.inst, w.tun[i], &addr, NULL), 0);
	}
	w.inst->observer.priv = &w;
	w.inst->observer.transmit = on_transmit;
	w.inst->observer.log = on_log;
	*state = &w;
	return 0;
}

static int world_close(void **state)
{
	instance_free(((struct world *)*state)->inst);
	return 0;
}

static int load(struct world *w, const char *table, const char *rules, struct refusal *why)
{
	char text[2048];

	snprintf(text, sizeof(text), "*%s\n%s\nCOMMIT\n", table, rules);
	return rules_restore(w->inst, NFPROTO_IPV4, text, strlen(text), "rules", 0, why);
}

static void must_load(struct world *w, const char *table, const char *rules)
{
	struct refusal why = { 0 };

	if (load(w, table, rules, &why))
		fail_msg("%s: %s", rules, why.text);
}

/* @hit: packets that the rule which contains @words has counted. */
static void expect_count(struct world *w, const char *words, unsigned int hit)
{
	struct strbuf out = STRBUF_INIT;
	const char *at;
	char line[512];
	unsigned int packets = 0;

	rules_save(w->inst, NFPROTO_IPV4, true, -1, &out);
	at = strstr(sb_str(&out), words);
	if (!at)
		fail_msg("no rule with \"%s\" in\n%s", words, sb_str(&out));
	while (at > sb_str(&out) && at[-1] != '\n')
		at--;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	sscanf(line, "[%u:", &packets);
	if (packets != hit)
		fail_msg("%s: expected %u packets", line, hit);
	sb_free(&out);
}

static void ip_finish(uint8_t *p, uint32_t len, uint8_t proto, uint32_t src, uint32_t dst)
{
	struct iphdr *ip = (struct iphdr *)p;
	uint32_t header = ip->ihl * 4u;
	uint8_t *sum = p + header + (proto == IPPROTO_TCP ? 16 : 6);
	be16 check;

	ip->version = 4;
	ip->tot_len = htons(len);
	ip->ttl = 64;
	ip->protocol = proto;
	ip->saddr = htonl(src);
	ip->daddr = htonl(dst);
	csum_ip4_header(ip);
	check = csum_fold(csum_partial(p + header, len - header, csum_pseudo4(ip->saddr, ip->daddr, proto, len - header)));
	memcpy(sum, &check, 2);
}

static void receive(struct world *w, const uint8_t *p, uint32_t len)
{
	struct pkt *pkt = pkt_from_raw_ip(w->inst, w->tun[0], p, len);

	w->sent = 0;
	assert_non_null(pkt);
	path_receive(w->inst, &pkt, 1);
}

static void udp_from(struct world *w, uint32_t src, uint32_t dst, uint16_t dport, uint32_t payload)
{
	uint8_t p[1500] = { 0x45 };
	uint32_t len = 28 + payload;

	put_be16(p + 20, 1000);
	put_be16(p + 22, dport);
	put_be16(p + 24, 8 + payload);
	memset(p + 28, 'x', payload);
	ip_finish(p, len, IPPROTO_UDP, src, dst);
	receive(w, p, len);
}

static void udp(struct world *w, uint16_t dport, uint32_t payload)
{
	udp_from(w, 0x0a000002, 0x0a010002, dport, payload);
}

static void tcp_of(struct world *w, uint16_t sport, uint16_t dport, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t payload)
{
	uint8_t p[1500] = { 0x45, 0x10, 0, 0, 0x12, 0x34 };
	uint32_t len = 40 + payload;

	put_be16(p + 20, sport);
	put_be16(p + 22, dport);
	put_be32(p + 24, seq);
	put_be32(p + 28, ack);
	p[32] = 0x50;
	p[33] = flags;
	put_be16(p + 34, 1000);
	ip_finish(p, len, IPPROTO_TCP, 0x0a000002, 0x0a010002);
	receive(w, p, len);
}

static void texts_are_those_of_its_libraries(void **state)
{
	static const struct { const char *table, *rule, *saved; } rows[] = {
		{ "filter", "-A FORWARD -m condition ! --condition foo", "-m condition ! --condition \"foo\" \n" },
		{ "filter", "-A FORWARD -m length2 --length 5:10 --layer4", "-m length2 --length 5:10 --layer4 \n" },
		{ "filter", "-A FORWARD -m length2 ! --length 20", "-m length2 ! --length 20 --layer3 \n" },
		{ "filter", "-A FORWARD -m ipv4options --flags lsrr,!ssrr,31", "-m ipv4options --flags 3,!9,31 \n" },
		{ "filter", "-A FORWARD -m ipv4options --flags !nop,timestamp --any", "-m ipv4options --flags !1,4 --any \n" },
		{ "filter", "-A FORWARD -m iface --iface eth0 --up ! --loopback --arp", "-m iface --iface eth0 --up ! --loopback ! --noarp \n" },
		{ "filter", "-A FORWARD -m iface --dev-in ! --down", "-m iface --dev-in --up \n" },
		{ "filter", "-A FORWARD -m quota2 --name a --quota 1000", "-m quota2 --name a  --quota 1000 \n" },
		{ "filter", "-A FORWARD -m quota2 ! --quota 5 --name b --packets --no-change",
		  "-m quota2 --no-change  --packets  --name b  ! --quota 5 \n" },
		{ "filter", "-A FORWARD -m quota2 --grow --name g", "-m quota2 --grow  --name g  --quota 0 \n" },
		{ "filter", "-A FORWARD -m nth --every 5", "-m statistic --mode nth --every 5 --packet 0\n" },
		{ "filter", "-A FORWARD -m nth --every 5 --counter 0 --start 2 --packet 1", "-m statistic --mode nth --every 5 --packet 4\n" },
		{ "filter", "-A FORWARD -m account --aaddr 10.0.0.0/24 --aname net --ashort",
		  "-m account --aaddr 10.0.0.0/255.255.255.0 --aname net --ashort \n" },
		{ "filter", "-A FORWARD -j ACCOUNT --addr 10.0.0.0/8 --tname all", "-j ACCOUNT --addr 10.0.0.0/8  --tname all\n" },
		{ "filter", "-A FORWARD -m ipp2p --kazaa --edk", "-m ipp2p --edk  --kazaa \n" },
		{ "filter", "-A FORWARD -p tcp -m ipp2p --bit --gnu --dc --apple --soul --winmx --ares --debug",
		  "-m ipp2p --dc  --gnu  --bit  --apple  --soul  --winmx  --ares  --debug \n" },
		{ "filter", "-A FORWARD -m psd", "-m psd --psd-weight-threshold 21 --psd-delay-threshold 300 --psd-lo-ports-weight 3 --psd-hi-ports-weight 1 \n" },
		{ "filter", "-A FORWARD -m fuzzy --lower-limit 100 --upper-limit 200", "-m fuzzy --lower-limit 100  --upper-limit 200 \n" },
		{ "filter", "-A FORWARD -p tcp -m lscan --stealth --synscan --cnscan --grscan --mirai",
		  "-m lscan --stealth  --synscan  --cnscan  --grscan  --mirai \n" },
		{ "filter", "-A FORWARD -p tcp -j TARPIT", "-j TARPIT --tarpit \n" },
		{ "filter", "-A FORWARD -p tcp -j TARPIT --honeypot", "-j TARPIT --honeypot \n" },
		{ "filter", "-A FORWARD -p tcp -j TARPIT --reset", "-j TARPIT --reset \n" },
		{ "filter", "-A FORWARD -p tcp -j DELUDE", "-j DELUDE\n" },
		{ "filter", "-A FORWARD -j CHAOS", "-j CHAOS\n" }, { "filter", "-A FORWARD -j CHAOS --delude", "-j CHAOS --delude \n" },
		{ "filter", "-A FORWARD -p udp -j ECHO", "-j ECHO\n" },
		{ "filter", "-A FORWARD -j LOGMARK", "-j LOGMARK\n" },
		{ "filter", "-A FORWARD -j LOGMARK --log-level 7 --log-prefix hello", "-j LOGMARK --log-level 7  --log-prefix \"hello\" \n" },
		{ "mangle", "-A FORWARD -j IPMARK --addr src --and-mask 0xff --or-mask 0x10000", "-j IPMARK --addr src  --and-mask 0xff  --or-mask 0x10000 \n" },
		{ "mangle", "-A FORWARD -j IPMARK --addr dst --shift 5", "-j IPMARK --addr dst  --shift 5 \n" },
		{ "nat", "-A PREROUTING -j DNETMAP", "-j DNETMAP\n" },
		{ "nat", "-A POSTROUTING -j DNETMAP --static --ttl -5 --prefix 20.0.0.0/255.255.255.192 --persistent --reuse",
		  "-j DNETMAP --prefix 20.0.0.0/26 --reuse  --static  --persistent  --ttl -5 \n" },
		{ "nat", "-A OUTPUT -j DNETMAP --prefix 20.0.0.1 --ttl 010", "-j DNETMAP --prefix 20.0.0.1/32 --ttl 10 \n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world *w = *state;
		struct strbuf out = STRBUF_INIT;

		must_load(w, rows[i].table, rows[i].rule);
		rules_save(w->inst, NFPROTO_IPV4, false, -1, &out);
		if (!strstr(sb_str(&out), rows[i].saved))
			fail_msg("%s\nsaved as\n%s", rows[i].rule, sb_str(&out));
		sb_free(&out);
	}
}

static void refusals_name_the_cause(void **state)
{
	static const struct { const char *table, *rule, *says; } rows[] = {
		{ "filter", "-A FORWARD -m condition --condition a/b", "slash" }, { "filter", "-A FORWARD -m condition", "required" },
		{ "filter", "-A FORWARD -m length2 --layer4", "required" },
		{ "filter", "-A FORWARD -m length2 --length 5 --layer4 --layer5", "together" },
		{ "filter", "-A FORWARD -m ipv4options --flags nop,,lsrr", "missing" }, { "filter", "-A FORWARD -m ipv4options --flags 32", "32" },
		{ "filter", "-A FORWARD -m iface --up", "--dev-in" }, { "filter", "-A FORWARD -m iface --iface a", "state" },
		{ "filter", "-A FORWARD -m iface --iface a --up --down", "once" },
		{ "filter", "-A FORWARD -m quota2 --quota 5", "required" }, { "filter", "-A FORWARD -m quota2 --name .a", "dot" },
		{ "filter", "-A FORWARD -m fuzzy --lower-limit 5 --upper-limit 4", "higher" },
		{ "filter", "-A FORWARD -m fuzzy --lower-limit 2", "3 to" }, { "filter", "-A FORWARD -m lscan --stealth", "protocol 6" },
		{ "filter", "-A FORWARD -j TARPIT", "protocol 6" }, { "filter", "-A FORWARD -j ECHO", "protocol 17" },
		{ "filter", "-A FORWARD -m nth --every 5 --start 5", "below" }, { "filter", "-A FORWARD -m nth --every 5 --counter 1", "itself" },
		{ "filter", "-A FORWARD -m geoip --src-cc D", "two letters" }, { "filter", "-A FORWARD -m geoip --src-cc QQ", "QQ.iv4" },
		{ "filter", "-A FORWARD -m asn --src-asn x", "numbers" }, { "filter", "-A FORWARD -m asn --src-asn 1 --dst-asn 2", "together" },
		{ "filter", "-A FORWARD -j ACCOUNT --addr 8.0.0.0/7 --tname a", "24 bits" }, { "filter", "-A FORWARD -m account", "required" },
		{ "filter", "-A FORWARD -m ipp2p", "required" }, { "filter", "-A FORWARD -m ipp2p --debug", "required" },
		{ "mangle", "-A PREROUTING -p tcp -j TARPIT", "" }, { "filter", "-A FORWARD -j IPMARK --addr src", "mangle" },
		{ "mangle", "-A FORWARD -j IPMARK --addr both", "src or dst" }, { "filter", "-A FORWARD -j LOGMARK --log-level 8", "0 to 7" },
		{ "nat", "-A POSTROUTING -j DNETMAP --prefix 20.0.0.0/15", "/16" }, { "nat", "-A POSTROUTING -j DNETMAP --prefix 20.0.0.1/30", "Bad network" },
		{ "nat", "-A POSTROUTING -j DNETMAP --ttl 5s", "seconds" }, { "filter", "-A FORWARD -j DNETMAP", "nat" },
		{ "nat", "-A INPUT -j DNETMAP", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct refusal why = { 0 };

		if (!load(*state, rows[i].table, rows[i].rule, &why))
			fail_msg("%s is not refused", rows[i].rule);
		if (!strstr(why.text, rows[i].says))
			fail_msg("%s: %s", rows[i].rule, why.text);
	}
}

static void write_file(struct world *w, const char *path, const char *text)
{
	struct refusal why = { 0 };

	if (proc_write(w->inst->files, path, text, strlen(text), &why))
		fail_msg("%s: %s", path, why.text);
}

static void expect_file(struct world *w, const char *path, const char *want)
{
	struct strbuf out = STRBUF_INIT;

	assert_int_equal(proc_read(w->inst->files, path, &out, NULL), 0);
	assert_string_equal(sb_str(&out), want);
	sb_free(&out);
}

/* "Match on boolean value stored in /proc/net/nf_condition/name" */
static void conditions_are_files(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -m condition --condition a\n-A FORWARD -m condition ! --condition a");
	udp(w, 53, 4);
	expect_file(w, "/proc/net/nf_condition/a", "0\n");
	write_file(w, "/proc/net/nf_condition/a", "1\n");
	udp(w, 53, 4);
	udp(w, 53, 4);
	expect_file(w, "/proc/net/nf_condition/a", "1\n");
	write_file(w, "/proc/net/nf_condition/a", "x");
	expect_file(w, "/proc/net/nf_condition/a", "1\n");
	expect_count(w, "-m condition --condition", 2);
	expect_count(w, "-m condition !", 1);
	must_load(w, "filter", "-A FORWARD");
	assert_int_equal(proc_read(w->inst->files, "/proc/net/nf_condition/a", &(struct strbuf)STRBUF_INIT, NULL), -ENOENT);
}

/* Counts down, stops at 0 and matches no more; --grow counts up and always matches; one name, one counter. */
static void quotas_have_names(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -m quota2 --name q --quota 100\n-A FORWARD -m quota2 --grow --name g --packets\n"
		  "-A FORWARD -m quota2 --name q ! --quota 7 --no-change");
	udp(w, 53, 12);		/* 40 bytes */
	udp(w, 53, 12);
	expect_file(w, "/proc/net/xt_quota/q", "20\n");
	udp(w, 53, 12);
	expect_file(w, "/proc/net/xt_quota/q", "0\n");
	udp(w, 53, 0);
	expect_file(w, "/proc/net/xt_quota/g", "4\n");
	expect_count(w, "-m quota2 --grow", 4);
	expect_count(w, "--no-change", 3);	/* inverted: too little is left */
	write_file(w, "/proc/net/xt_quota/q", "50\n");
	write_file(w, "/proc/net/xt_quota/q", "+10");
	write_file(w, "/proc/net/xt_quota/q", "-20");
	expect_file(w, "/proc/net/xt_quota/q", "40\n");
	write_file(w, "/proc/net/xt_quota/q", "-41");
	expect_file(w, "/proc/net/xt_quota/q", "0\n");
}

static void lengths_by_layer(void **state)
{
	struct world *w = *state;
	uint8_t rr[40] = { 0x46, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0 };

	must_load(w, "raw", "-A PREROUTING -m length2 --length 128\n-A PREROUTING -m length2 --length 108 --layer4\n"
		  "-A PREROUTING -m length2 --length 100 --layer5\n-A PREROUTING -m length2 ! --length 0:99 --layer5\n"
		  "-A PREROUTING -m ipv4options --flags nop\n-A PREROUTING -m ipv4options --flags !nop\n"
		  "-A PREROUTING -m ipv4options --flags lsrr,nop --any\n-A PREROUTING -m ipv4options --flags 7,nop");
	udp(w, 53, 100);
	udp(w, 53, 99);
	expect_count(w, "--length 128 --layer3", 1);
	expect_count(w, "--length 108 --layer4", 1);
	expect_count(w, "--length 100 --layer5", 1);
	expect_count(w, "! --length 0:99", 1);
	put_be16(rr + 28, 16);
	ip_finish(rr, sizeof(rr), IPPROTO_UDP, 0x0a000002, 0x0a010002);
	receive(w, rr, sizeof(rr));
	expect_count(w, "--flags 1 \n", 1);
	expect_count(w, "--flags !1", 2);
	expect_count(w, "--flags 1,3 --any", 1);
	expect_count(w, "--flags 1,7", 0);
}

static void interfaces_have_states(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -m iface --dev-in --up ! --loopback\n-A FORWARD -m iface --iface lo --loopback --up\n"
		  "-A FORWARD -m iface --iface tun1 --down\n-A FORWARD -m iface --iface nope --down\n-A FORWARD -m iface --dev-out --noarp");
	udp(w, 53, 4);
	expect_count(w, "--dev-in", 1);
	expect_count(w, "--iface lo", 1);
	expect_count(w, "--iface tun1", 0);
	expect_count(w, "--iface nope", 0);
	expect_count(w, "--dev-out", 1);
}

/* Seven privileged ports in three seconds are a scan: 7 x 3 = 21. */
static void scans_are_many_ports(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -m psd");
	for (uint16_t port = 1; port <= 6; port++)
		udp(w, port, 4);
	udp(w, 6, 4);
	expect_count(w, "-m psd", 0);
	udp(w, 7, 4);
	expect_count(w, "-m psd", 1);
	for (uint16_t port = 2000; port < 2020; port++)
		udp_from(w, 0x0a000003, 0x0a010002, port, 4);
	expect_count(w, "-m psd", 1);	/* twenty times 1 is below it */
	udp_from(w, 0x0a000003, 0x0a010002, 2020, 4);
	expect_count(w, "-m psd", 2);
	instance_advance(w->inst, w->inst->now_ns + 4ll * NSEC_PER_SEC);
	udp(w, 9, 4);		/* too late for the same scan */
	expect_count(w, "-m psd", 2);
}

static void fuzzy_follows_the_rate(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -m fuzzy --lower-limit 10 --upper-limit 100");
	for (int i = 0; i < 20; i++) {		/* 5 a second: none match */
		udp(w, 53, 4);
		instance_advance(w->inst, w->inst->now_ns + NSEC_PER_SEC / 5);
	}
	expect_count(w, "-m fuzzy", 0);
	for (int i = 0; i < 1000; i++) {	/* 1000 a second: nearly all do, once that is known */
		udp(w, 53, 4);
		instance_advance(w->inst, w->inst->now_ns + NSEC_PER_SEC / 1000);
	}
	{
		struct strbuf out = STRBUF_INIT;
		unsigned int packets = 0;

		rules_save(w->inst, NFPROTO_IPV4, true, -1, &out);
		sscanf(strstr(sb_str(&out), "[") ? strstr(strstr(sb_str(&out), ":OUTPUT"), "\n[") + 1 : "", "[%u:", &packets);
		assert_in_range(packets, 800, 960);
		sb_free(&out);
	}
}

static void connections_that_only_look(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -p tcp -m lscan --stealth\n-A FORWARD -p tcp -m lscan --synscan\n-A FORWARD -p tcp -m lscan --cnscan\n"
		  "-A FORWARD -p tcp -m lscan --mirai");
	tcp_of(w, 1, 80, FIN, 5, 0, 0);			/* belongs to nothing */
	expect_count(w, "--stealth", 1);
	tcp_of(w, 2, 80, SYN, 5, 0, 0);
	tcp_of(w, 2, 80, RST, 6, 0, 0);			/* torn down after two packets */
	expect_count(w, "--synscan", 1);
	tcp_of(w, 3, 80, SYN, 0x0a010002, 0, 0);
	expect_count(w, "--mirai", 1);
	expect_count(w, "--cnscan", 0);
}

static void expect_answer(struct world *w, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t window)
{
	assert_int_equal(w->sent, 1);
	assert_int_equal(w->len, 40);
	assert_int_equal(get_be32(w->frame + 12), 0x0a010002);
	assert_int_equal(get_be32(w->frame + 16), 0x0a000002);
	assert_int_equal(get_be16(w->frame + 20), 80);
	assert_int_equal(w->frame[33], flags);
	assert_int_equal(get_be32(w->frame + 24), seq);
	assert_int_equal(get_be32(w->frame + 28), ack);
	assert_int_equal(get_be16(w->frame + 34), window);
	assert_int_equal(csum_fold(csum_partial(w->frame, 20, 0)), 0);
	assert_int_equal(csum_fold(csum_partial(w->frame + 20, 20, csum_pseudo4(htonl(0x0a010002), htonl(0x0a000002), IPPROTO_TCP, 20))), 0);
}

/* "completes a connection with the attacker but limits the window size to 0; attempts to close the connection are ignored" */
static void tarpits_hold(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -p tcp -j TARPIT");
	tcp_of(w, 1, 80, SYN, 100, 0, 0);
	expect_answer(w, SYN | ACK, 0, 101, 5);
	tcp_of(w, 1, 80, ACK, 101, 1, 0);
	expect_answer(w, ACK, 1, 101, 0);
	tcp_of(w, 1, 80, ACK, 101, 1, 10);
	expect_answer(w, ACK, 1, 101, 0);
	tcp_of(w, 1, 80, FIN | ACK, 111, 1, 0);
	assert_int_equal(w->sent, 0);
	tcp_of(w, 1, 80, RST, 111, 1, 0);
	assert_int_equal(w->sent, 0);
	tcp_of(w, 1, 80, SYN | ACK, 5, 9, 0);
	expect_answer(w, RST, 9, 0, 0);
	must_load(w, "filter", "-A FORWARD -p tcp -j TARPIT --reset");
	tcp_of(w, 1, 80, ACK, 101, 77, 0);
	expect_answer(w, RST, 77, 101, 0);
	must_load(w, "filter", "-A FORWARD -p tcp -j TARPIT --honeypot");
	tcp_of(w, 1, 80, ACK, 500, 77, 200);		/* what it sends is acknowledged */
	assert_int_equal(w->frame[33], ACK);
	assert_int_equal(get_be32(w->frame + 28), 700);
	assert_int_equal(w->frame[8], 127 + 1);
	tcp_of(w, 1, 80, FIN | ACK, 700, 77, 0);
	assert_int_equal(w->frame[33], RST);
}

/* "will reply to a SYN packet with SYN-ACK, and to all other packets with an RST" */
static void delude_opens_and_resets(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -p tcp -j DELUDE");
	tcp_of(w, 1, 80, SYN, 100, 0, 0);
	expect_answer(w, SYN | ACK, 0, 101, 0);
	tcp_of(w, 1, 80, ACK, 101, 1, 0);
	expect_answer(w, RST, 1, 0, 0);
	tcp_of(w, 1, 80, FIN, 101, 0, 5);
	expect_answer(w, RST | ACK, 0, 107, 0);
	tcp_of(w, 1, 80, RST, 101, 0, 0);
	assert_int_equal(w->sent, 0);
}

/* One in a hundred is rejected, one in a hundred of the others answered, the rest is dropped. */
static void chaos_is_rare(void **state)
{
	struct world *w = *state;
	unsigned int rejected = 0, played = 0;

	assert_int_equal(sysctl_set(w->inst->sysctls, "net.ipv4.icmp_ratemask", "0", NULL), 0);
	assert_int_equal(sysctl_set(w->inst->sysctls, "net.ipv4.icmp_msgs_burst", "100000", NULL), 0);
	assert_int_equal(sysctl_set(w->inst->sysctls, "net.ipv4.icmp_msgs_per_sec", "100000", NULL), 0);
	must_load(w, "filter", "-A FORWARD -j CHAOS --delude");
	for (int i = 0; i < 20000; i++) {
		tcp_of(w, 1, 80, SYN, 100, 0, 0);
		rejected += w->sent && w->frame[9] == IPPROTO_ICMP;
		played += w->sent && w->frame[9] == IPPROTO_TCP;
	}
	assert_in_range(rejected, 150, 260);
	assert_in_range(played, 150, 260);
}

static void echo_sends_back(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -p udp -j ECHO");
	udp(w, 7, 5);
	assert_int_equal(w->sent, 1);
	assert_int_equal(w->len, 33);
	assert_int_equal(get_be32(w->frame + 12), 0x0a010002);
	assert_int_equal(get_be16(w->frame + 20), 7);
	assert_memory_equal(w->frame + 28, "xxxxx", 5);
	assert_int_equal(csum_fold(csum_partial(w->frame + 20, 13, csum_pseudo4(htonl(0x0a010002), htonl(0x0a000002), IPPROTO_UDP, 13))), 0);
	udp(w, 7, 0);		/* nothing to send back */
	assert_int_equal(w->sent, 0);
}

/* 192.168.5.2 & 0xffff | 0x10000 in the manual: here 10.1.0.2. */
static void marks_come_from_addresses(void **state)
{
	struct world *w = *state;

	must_load(w, "mangle", "-A FORWARD -j IPMARK --addr dst --and-mask 0xffff --or-mask 0x10000\n-A FORWARD -j LOGMARK --log-prefix m:\n"
		  "-A FORWARD -j IPMARK --addr src --shift 24\n-A FORWARD -m mark --mark 10");
	udp(w, 53, 4);
	assert_string_equal(w->log, "<4>m:iif=2 hook=FORWARD nfmark=0x10002 secmark=0x0 classify=0x0 ctdir=ORIGINAL ct=NULL ctmark=NULL "
			    "ctstate=INVALID ctstatus=NONE");
	expect_count(w, "-m mark", 1);
}

/* The first, the sixth and so on; with --packet 2 the third, with --start 3 two later. */
static void nth_counts(void **state)
{
	struct world *w = *state;
	static const char *const rules[] = { "-m nth --every 3", "-m nth --every 3 --packet 2", "-m nth --every 3 --start 1" };
	static const char *const hits[] = { "1001001", "0010010", "0010010" };

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		char rule[64];
		unsigned int count = 0;

		snprintf(rule, sizeof(rule), "-A FORWARD %s", rules[i]);
		must_load(w, "filter", rule);
		for (const char *c = hits[i]; *c; c++) {
			udp(w, 53, 4);
			count += *c - '0';
			expect_count(w, "--mode nth", count);
		}
	}
}

static void hosts_are_counted(void **state)
{
	struct world *w = *state;

	must_load(w, "filter", "-A FORWARD -m account --aaddr 10.0.0.0/24 --aname a\n-A FORWARD -m account --aaddr 10.0.0.0/8 --aname b --ashort\n"
		  "-A FORWARD -j ACCOUNT --addr 10.1.0.0/16 --tname c\n-A FORWARD -j ACCOUNT --addr 0.0.0.0/0 --tname all");
	udp(w, 53, 12);
	tcp_of(w, 1, 80, SYN, 1, 1, 0);
	expect_file(w, "/proc/net/ipt_account/a", "ip = 10.0.0.2 bytes_src = 40 40 0 0 packets_src = 1 1 0 0 bytes_dst = 0 0 0 0 "
		    "packets_dst = 0 0 0 0 time = 0\n");
	expect_file(w, "/proc/net/ipt_account/b", "ip = 10.0.0.2 bytes_src = 80 packets_src = 2 bytes_dst = 0 packets_dst = 0 time = 0\n"
		    "ip = 10.1.0.2 bytes_src = 0 packets_src = 0 bytes_dst = 80 packets_dst = 2 time = 0\n");
	expect_file(w, "/proc/net/xt_ACCOUNT/c", "IP: 10.1.0.2 SRC packets: 0 bytes: 0 DST packets: 2 bytes: 80\n");
	expect_file(w, "/proc/net/xt_ACCOUNT/all", "IP: 0.0.0.0 SRC packets: 2 bytes: 80 DST packets: 0 bytes: 0\n");
	write_file(w, "/proc/net/ipt_account/a", "reset\n");
	expect_file(w, "/proc/net/ipt_account/a", "");
	must_load(w, "filter", "-A FORWARD -j ACCOUNT --addr 10.1.0.0/16 --tname c");
	expect_file(w, "/proc/net/xt_ACCOUNT/c", "IP: 10.1.0.2 SRC packets: 0 bytes: 0 DST packets: 2 bytes: 80\n");
}

static void put_ranges(const char *dir, const char *name, const char *hex)
{
	char path[128];
	FILE *file;
	unsigned int byte;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		fputc((int)byte, file);
	fclose(file);
}

static void addresses_have_countries(void **state)
{
	struct world *w = *state;
	char dir[] = "/tmp/weir-geo-XXXXXX", path[128];
	static const char *const files[] = { "DE.iv4", "FR.iv4", "XX.iv4", "YY.iv4", "7.iv4" };
	struct refusal why = { 0 };

	assert_non_null(mkdtemp(dir));
	put_ranges(dir, files[0], "0900000009ffffff0a0000000a000002c0000200c00002ff");
	put_ranges(dir, files[1], "0a0000030a00ffff0a0100000a010003");
	put_ranges(dir, files[2], "0a0100000a0100030a0000030a00ffff");	/* not ascending */
	put_ranges(dir, files[3], "0a0100000a0100");
	put_ranges(dir, files[4], "0a0100020a010002");
	assert_int_equal(sysctl_set(w->inst->sysctls, "net.weir.geoip_dir", dir, NULL), 0);
	assert_int_equal(sysctl_set(w->inst->sysctls, "net.weir.asn_dir", dir, NULL), 0);
	must_load(w, "filter", "-A FORWARD -m geoip --src-cc de\n-A FORWARD -m geoip ! --src-cc FR\n-A FORWARD -m geoip --dst-cc DE,FR\n"
		  "-A FORWARD -m asn --dst-asn 7");
	udp(w, 53, 4);
	udp_from(w, 0x0a000003, 0x0a010002, 53, 4);
	udp_from(w, 0x0a000002, 0x0a010004, 53, 4);
	expect_count(w, "--source-country DE", 2);
	expect_count(w, "! --source-country FR", 2);
	expect_count(w, "--destination-country DE,FR", 2);
	expect_count(w, "--dst-asn 7", 2);
	assert_int_not_equal(load(w, "filter", "-A FORWARD -m geoip --src-cc DE,XX", &why), 0);
	assert_non_null(strstr(why.text, "ascending"));
	assert_int_not_equal(load(w, "filter", "-A FORWARD -m geoip --src-cc YY", &why), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		remove(path);
	}
	remove(dir);
}

/* A new connection of @src: its source outside, 0 for none. */
static uint32_t outside_of(struct world *w, uint32_t src)
{
	static uint16_t port = 3000;

	memset(w->frame, 0, sizeof(w->frame));
	udp_from(w, src, 0x0a010002, port++, 4);
	return w->sent ? ntohl(((struct iphdr *)w->frame)->saddr) : 0;
}

/* A new connection to @dst, whose route is unknown: who gets it, or the sender whom an error tells so. */
static uint32_t inside_of(struct world *w, uint32_t dst)
{
	static uint16_t port = 5000;

	udp_from(w, 0x0a000009, dst, port++, 4);
	return ntohl(((struct iphdr *)w->frame)->daddr);
}

static void later(struct world *w, int64_t seconds)
{
	instance_advance(w->inst, w->inst->now_ns + seconds * NSEC_PER_SEC);
}

#define DNETMAP_FILE "/proc/net/xt_DNETMAP/20.0.0.0_31"

/* "dynamic two-way 1:1 mapping": free addresses first, then the one whose time is over; else the chain goes on. */
static void hosts_get_addresses(void **state)
{
	struct world *w = *state;
	char want[256];

	must_load(w, "nat", "-A POSTROUTING -j DNETMAP --prefix 20.0.0.0/31 --ttl 100\n-A POSTROUTING -j SNAT --to 10.1.0.77\n-A PREROUTING -j DNETMAP");
	assert_int_equal(outside_of(w, 0x0a000002), 0x14000000);
	assert_string_equal(w->log, "<6>xt_DNETMAP: add binding 10.0.0.2 -> 20.0.0.0");
	assert_int_equal(outside_of(w, 0x0a000003), 0x14000001);
	assert_int_equal(outside_of(w, 0x0a000002), 0x14000000);
	assert_int_equal(outside_of(w, 0x0a000004), 0x0a01004d);
	assert_non_null(strstr(w->log, "ip 10.0.0.4 - no free"));
	assert_int_equal(inside_of(w, 0x14000001), 0x0a000003);	/* 600 seconds again: the rule names no time */
	later(w, 50);
	snprintf(want, sizeof(want), "10.0.0.2 -> 20.0.0.0 --- ttl: 50 lasthit: %lld\n10.0.0.3 -> 20.0.0.1 --- ttl: 550 lasthit: %lld\n",
		 (long long)(w->inst->now_ns / NSEC_PER_SEC - 50), (long long)(w->inst->now_ns / NSEC_PER_SEC - 50));
	expect_file(w, DNETMAP_FILE, want);
	expect_file(w, DNETMAP_FILE "_stat", "2 0 2 300 \n");
	later(w, 51);
	expect_file(w, DNETMAP_FILE "_stat", "1 0 2 499 \n");
	assert_int_equal(inside_of(w, 0x14000000), 0x0a000009);	/* its time is over */
	assert_int_equal(outside_of(w, 0x0a000004), 0x14000000);
	assert_int_equal(inside_of(w, 0x14000000), 0x0a000004);
	must_load(w, "nat", "-A POSTROUTING -j MASQUERADE");
	assert_int_equal(proc_read(w->inst->files, DNETMAP_FILE, &(struct strbuf)STRBUF_INIT, NULL), -ENOENT);
}

static void bindings_are_written(void **state)
{
	static const char *const wrong[] = { "+10.0.0.2", "+20.0.0.1:20.0.0.0", "+10.0.0.2:20.0.0.2", "-10.0.0.99", "persistent", "",
					     "+10.0.0.2:20.0.0.0                              " };
	struct world *w = *state;
	struct refusal why;

	must_load(w, "nat", "-A POSTROUTING -j DNETMAP --prefix 20.0.0.0/31 --static\n-A PREROUTING -j DNETMAP --prefix 20.0.0.0/31");
	assert_int_equal(outside_of(w, 0x0a000002), 0x0a000002);
	write_file(w, DNETMAP_FILE, "+10.0.0.2:20.0.0.1\n");
	write_file(w, DNETMAP_FILE, "+10.1.0.2:20.0.0.0");
	assert_int_equal(outside_of(w, 0x0a000002), 0x14000001);
	assert_int_equal(inside_of(w, 0x14000000), 0x0a010002);
	later(w, 100000);
	expect_file(w, DNETMAP_FILE, "10.1.0.2 -> 20.0.0.0 --- ttl: S lasthit: S\n10.0.0.2 -> 20.0.0.1 --- ttl: S lasthit: S\n");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(proc_write(w->inst->files, DNETMAP_FILE, wrong[i], strlen(wrong[i]), &why), -EINVAL);
	write_file(w, DNETMAP_FILE, "+10.0.0.3:20.0.0.1");	/* the old one is timed out */
	assert_int_equal(outside_of(w, 0x0a000002), 0x0a000002);
	assert_int_equal(outside_of(w, 0x0a000003), 0x14000001);
	write_file(w, DNETMAP_FILE, "-20.0.0.0");
	write_file(w, DNETMAP_FILE, "+persistent");
	expect_file(w, DNETMAP_FILE "_stat", "0 1 2 0 persistent\n");
	must_load(w, "nat", "-A PREROUTING -j DNETMAP");
	assert_int_equal(inside_of(w, 0x14000001), 0x0a000003);	/* it outlived its rules */
	must_load(w, "nat", "-A POSTROUTING -j DNETMAP");
	assert_int_equal(outside_of(w, 0x0a000005), 0x14000000);	/* any prefix will do */
	write_file(w, DNETMAP_FILE, "flush");
	expect_file(w, DNETMAP_FILE "_stat", "0 0 2 0 persistent\n");
	assert_int_equal(outside_of(w, 0x0a000006), 0x14000000);
	must_load(w, "nat", "-A POSTROUTING -j DNETMAP --prefix 20.0.0.0/31");
	write_file(w, DNETMAP_FILE, "-persistent");
	must_load(w, "nat", "-A POSTROUTING -j DNETMAP");
	assert_int_equal(proc_read(w->inst->files, DNETMAP_FILE, &(struct strbuf)STRBUF_INIT, NULL), -ENOENT);
}

/* The man page's second example: "SNATs all flows whose source address is already actively bound to ANY prefix". */
static void prefixes_follow_each_other(void **state)
{
	struct world *w = *state;
	struct strbuf kept = STRBUF_INIT;

	must_load(w, "nat", "-A POSTROUTING -s 10.0.0.0/28 -j DNETMAP --prefix 20.0.0.0/32 --ttl 100\n"
		  "-A POSTROUTING -s 10.0.0.0/28 -j DNETMAP --prefix 30.0.0.0/32 --ttl 100\n-A POSTROUTING -j DNETMAP --prefix 20.0.0.0/32 --reuse --ttl -1");
	assert_int_equal(outside_of(w, 0x0a000002), 0x14000000);
	assert_int_equal(outside_of(w, 0x0a000003), 0x1e000000);
	assert_int_equal(outside_of(w, 0x0a000003), 0x1e000000);
	assert_int_equal(outside_of(w, 0x0a000004), 0x0a000004);
	later(w, 101);
	ext_states_save(w->inst, &kept);
	assert_int_equal(outside_of(w, 0x0a000003), 0x14000000);	/* the second's time is over: the first rule binds anew */
	assert_int_equal(outside_of(w, 0x0a000002), 0x1e000000);
	must_load(w, "nat", "-A POSTROUTING -j ACCEPT");
	must_load(w, "nat", "-A POSTROUTING -j DNETMAP --prefix 30.0.0.0/32 --reuse --ttl -1\n-A PREROUTING -j DNETMAP --prefix 20.0.0.0/32");
	assert_int_equal(ext_states_load(w->inst, sb_str(&kept), kept.len, NULL), 0);
	assert_int_equal(outside_of(w, 0x0a000003), 0x1e000000);	/* as it was kept, and its time stays over */
	assert_int_equal(inside_of(w, 0x1e000000), 0x0a000009);
	expect_file(w, "/proc/net/xt_DNETMAP/30.0.0.0_32_stat", "0 0 1 0 \n");
	sb_free(&kept);
}

static void say(struct world *w, uint8_t proto, const char *text, uint32_t len)
{
	uint8_t p[512] = { 0x45 };
	uint32_t header = proto == IPPROTO_TCP ? 40 : 28;

	if (proto == IPPROTO_TCP) {
		p[32] = 0x50;
		p[33] = ACK;
	} else {
		put_be16(p + 24, 8 + len);
	}
	memcpy(p + header, text, len);
	ip_finish(p, header + len, proto, 0x0a000002, 0x0a010002);
	receive(w, p, header + len);
}

/* What the protocols' own descriptions say that they begin with. */
static void old_programs_are_known(void **state)
{
	static const struct { const char *option; uint8_t proto; const char *text; uint32_t len; bool fits; } rows[] = {
#define SAYS(o, p, t, f) { o, p, t, sizeof(t) - 1, f }
		SAYS("bit", IPPROTO_TCP, "\x13" "BitTorrent protocol\0\0\0\0\0\0\0\0", true), SAYS("bit", IPPROTO_TCP, "\x13" "BitTorrent protoco", false),
		SAYS("bit", IPPROTO_UDP, "d1:ad2:id20:abcdefghij", true), SAYS("bit", IPPROTO_UDP, "\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0abcd", true),
		SAYS("bit", IPPROTO_TCP, "GET / HTTP/1.1\r\n", false), SAYS("gnu", IPPROTO_TCP, "GNUTELLA CONNECT/0.6\r\n", true),
		SAYS("gnu", IPPROTO_TCP, "GET /uri-res/N2R?urn:sha1:", true), SAYS("dc", IPPROTO_TCP, "$Lock EXTENDEDPROTOCOL", true),
		SAYS("dc", IPPROTO_UDP, "$Lock EXTENDEDPROTOCOL", false), SAYS("edk", IPPROTO_TCP, "\xe3\x05\0\0\0\x01" "abcd", true),
		SAYS("edk", IPPROTO_TCP, "\xe3\x06\0\0\0\x01" "abcd", false), SAYS("edk", IPPROTO_UDP, "\xe3\x96" "abcd", true),
		SAYS("kazaa", IPPROTO_TCP, "GIVE 123", true), SAYS("kazaa", IPPROTO_UDP, "\x27\0\0\0\xa9\x80KaZaA\0", true),
		SAYS("soul", IPPROTO_TCP, "\x08\0\0\0\x01\0\0\0abcd", true), SAYS("apple", IPPROTO_TCP, "ajprot\r\n", true),
		SAYS("xdcc", IPPROTO_TCP, "PRIVMSG bot :xdcc send #7\r\n", true), SAYS("xdcc", IPPROTO_TCP, "PRIVMSG bot :hello\r\n", false),
		SAYS("bit", IPPROTO_TCP, "", false), SAYS("gnu", IPPROTO_TCP, "\x13" "BitTorrent protocol\0\0\0\0\0\0\0\0", false),
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char rule[64];

		snprintf(rule, sizeof(rule), "-A FORWARD -m ipp2p --%s", rows[i].option);
		must_load(*state, "filter", rule);
		say(*state, rows[i].proto, rows[i].text, rows[i].len);
		expect_count(*state, "-m ipp2p", rows[i].fits);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
	const struct CMUnitTest tests[] = {
		TEST(texts_are_those_of_its_libraries), TEST(refusals_name_the_cause), TEST(conditions_are_files), TEST(quotas_have_names),
		TEST(lengths_by_layer), TEST(interfaces_have_states), TEST(scans_are_many_ports), TEST(fuzzy_follows_the_rate),
		TEST(connections_that_only_look), TEST(tarpits_hold), TEST(delude_opens_and_resets), TEST(chaos_is_rare),
		TEST(echo_sends_back), TEST(marks_come_from_addresses), TEST(nth_counts), TEST(old_programs_are_known), TEST(hosts_are_counted), TEST(addresses_have_countries),
		TEST(hosts_get_addresses), TEST(bindings_are_written), TEST(prefixes_follow_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
