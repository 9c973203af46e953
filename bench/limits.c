/*
 * bench/limits.c - a flood against the limits: ten million packets that make connections, fragments and expectations without end.
 *
 *	bench-limits [--packets N] > JSON lines
 *
 * A gateway with MASQUERADE and five helpers. Every packet is its own: SYNs, UDP and fragments of random tuples; TFTP requests, each a connection that expects
 * another; FTP, IRC and SIP connections that announce again and again (PORT, EPRT, DCC, REGISTER, INVITE); and some of what they announced arrives.
 * nf_conntrack_max, nf_conntrack_expect_max and what a helper may expect per connection hold after every burst, or the program ends with 1; so it does
 * when memory, resident or in the heap, grows after the first fifth.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "cli/cli.h"
#include "cli/netip.h"
#include "conntrack/conntrack.h"
#include "conntrack/expect.h"
#include "conntrack/helper.h"
#include "path/path.h"
#include "table/table.h"
#include "measure.h"

enum { BURST = 32, FRAME_ROOM = 1024, CT_MAX = 40000, EXPECT_MAX = 4096, TALKS = 3000, LOOKS = 20, PACKET_NS = 30000, HEAD = 14 + 20 };
enum { GROWTH_MIB_MAX = 4 };

static const char net[] =
	"link add dev in0 address 02:00:00:00:00:01\nlink add dev out0 address 02:00:00:00:00:02\nlink set dev in0 up\nlink set dev out0 up\n"
	"addr add 10.255.0.1/24 brd + dev in0\naddr add 203.0.113.2/24 brd + dev out0\n"
	"route add default via 203.0.113.1\nroute add 10.0.0.0/15 via 10.255.0.2\n"
	"neigh add 10.255.0.2 lladdr 02:00:00:00:00:04 dev in0 nud permanent\nneigh add 203.0.113.1 lladdr 02:00:00:00:00:03 dev out0 nud permanent\n";

static const char rules[] =
	"*raw\n-A PREROUTING -i in0 -p tcp --dport 21 -j CT --helper ftp\n-A PREROUTING -i in0 -p tcp --dport 6667 -j CT --helper irc\n"
	"-A PREROUTING -i in0 -p udp --dport 69 -j CT --helper tftp\n-A PREROUTING -i in0 -p udp --dport 5060 -j CT --helper sip\nCOMMIT\n"
	"*nat\n-A POSTROUTING -o out0 -j MASQUERADE\nCOMMIT\n"
	"*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i in0 -j ACCEPT\nCOMMIT\n";

static const char *const settings[][2] = {
	{ "net.ipv4.ip_forward", "1" },
	{ "net.netfilter.nf_conntrack_tcp_be_liberal", "1" },	/* who floods does not wait for acknowledgements */
	{ "net.netfilter.nf_conntrack_tcp_timeout_established", "15" },
	{ "net.netfilter.nf_conntrack_udp_timeout_stream", "15" },
};

/* A connection that announces others. */
struct talk {
	enum { FTP, IRC, SIP } kind;
	uint32_t client, server, seq;
	uint16_t port;
	uint16_t announced;		/* what it said last */
	unsigned int said;
};

static struct {
	struct instance *inst;
	struct iface *in, *out;
	struct rng rng;
	struct pkt *burst[BURST];
	unsigned int waiting;
	uint64_t packets, left, dropped;
	struct talk talks[TALKS];
	uint32_t next;			/* talks begun so far: each has a server of its own */
	unsigned int broken;
	unsigned int by_helper[4];
} w;

static uint32_t below(uint32_t n) { return rng_below(&w.rng, n); }
static void on_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len) { w.left++; }
static void on_drop(void *priv, const struct pkt *pkt) { w.dropped++; }

/* --- packets --- */

static bool count_each(void *priv, struct ct *ct)
{
	++*(unsigned int *)priv;
	return true;
}

/* What has ended counts, as in Linux, while a connection lives that it announced: only those in the table are held against the limit. */
static void look_at_limits(void)
{
	unsigned int listed = ct_count(w.inst);

	if (listed > CT_MAX) {
		listed = 0;
		ct_each(w.inst, count_each, &listed);
	}
	if (listed > CT_MAX || ct_expect_count(w.inst) > EXPECT_MAX) {
		fprintf(stderr, "bench-limits: %u connections, %u expectations\n", listed, ct_expect_count(w.inst));
		w.broken++;
	}
}

static void flush(void)
{
	const int64_t now = w.inst->now_ns + (int64_t)w.waiting * PACKET_NS;

	path_receive(w.inst, w.burst, w.waiting);
	w.packets += w.waiting;
	w.waiting = 0;
	instance_advance(w.inst, now);
	look_at_limits();
}

static void put(struct iface *in, struct iphdr ip, uint16_t sport, uint16_t dport, uint32_t seq, uint8_t flags, const char *text, uint32_t len)
{
	static const uint8_t peer[6] = { 2, 0, 0, 0, 0, 9 };
	const bool is_tcp = ip.protocol == IPPROTO_TCP;
	uint8_t frame[FRAME_ROOM] = { 0 }, *l4 = frame + HEAD;
	uint32_t l4_len = (is_tcp ? 20u : 8u) + len;
	be16 sum;

	memcpy(frame, in->mac, 6);
	memcpy(frame + 6, peer, 6);
	put_be16(frame + 12, ETH_P_IP);
	ip.version = 4;
	ip.ihl = 5;
	ip.tot_len = htons((uint16_t)(20 + l4_len));
	ip.ttl = 64;
	csum_ip4_header(&ip);
	memcpy(frame + 14, &ip, sizeof(ip));
	put_be16(l4, sport);
	put_be16(l4 + 2, dport);
	if (is_tcp) {
		put_be32(l4 + 4, seq);
		l4[12] = 5 << 4;
		l4[13] = flags;
		put_be16(l4 + 14, 60000);
	} else {
		put_be16(l4 + 4, (uint16_t)l4_len);
	}
	memcpy(l4 + l4_len - len, text, len);
	sum = csum_fold(csum_partial(l4, l4_len, csum_pseudo4(ip.saddr, ip.daddr, ip.protocol, l4_len)));
	memcpy(l4 + (is_tcp ? 16 : 6), sum ? &sum : &(be16){ 0xffff }, 2);
	w.burst[w.waiting++] = pkt_from_frame(w.inst, in, frame, HEAD + l4_len);
	if (w.waiting == BURST)
		flush();
}

static void noise(void)
{
	uint32_t kind = below(10);
	struct iphdr ip = { .protocol = kind < 5 ? IPPROTO_TCP : IPPROTO_UDP, .saddr = htonl(0x0a010000 + below(65000)),
			    .daddr = htonl(0xc6000000 + below(1 << 24)) };

	if (kind >= 8) {		/* a first, or some later, fragment that nothing follows */
		ip.id = rng_u16(&w.rng);
		ip.frag_off = htons(kind == 8 ? 0x2000 : (uint16_t)(below(0x1fff) | 0x2000 * below(2)));
	}
	put(w.in, ip, rng_u16(&w.rng), rng_u16(&w.rng), below(1 << 30), kind < 4 ? 2 : (uint8_t)below(64), "0123456789abcdef", 16);
}

static void tftp(void)
{
	static const char ask[] = "\0\1file\0octet";
	struct iphdr ip = { .protocol = IPPROTO_UDP, .saddr = htonl(0x0a010000 + below(65000)), .daddr = htonl(0xc6300000 + below(1 << 16)) };

	put(w.in, ip, (uint16_t)(1024 + below(60000)), 69, 0, 0, ask, sizeof(ask));
}

static void say(struct talk *talk, const char *text)
{
	struct iphdr ip = { .protocol = talk->kind == SIP ? IPPROTO_UDP : IPPROTO_TCP, .saddr = htonl(talk->client), .daddr = htonl(talk->server) };
	static const uint16_t port[] = { [FTP] = 21, [IRC] = 6667, [SIP] = 5060 };
	uint32_t len = (uint32_t)strlen(text);

	put(w.in, ip, talk->kind == SIP ? 5060 : talk->port, port[talk->kind], talk->seq, 0x18, text, len);
	talk->seq += len;
}

static void begin(struct talk *talk)
{
	struct iphdr out = { .protocol = IPPROTO_TCP }, back = { .protocol = IPPROTO_TCP, .daddr = htonl(0xcb007102) };
	uint16_t port;

	*talk = (struct talk){ .kind = below(4) < 2 ? FTP : below(2) ? IRC : SIP, .client = 0x0a000101 + w.next % 60000, .server = 0xc6400000 + w.next % (1 << 22),
			       .port = (uint16_t)(1024 + w.next % 60000), .seq = below(1u << 31), .announced = (uint16_t)(2000 + below(60000)) };
	w.next++;
	if (talk->kind == SIP)
		return;
	port = talk->kind == FTP ? 21 : 6667;
	out.saddr = htonl(talk->client);
	out.daddr = back.saddr = htonl(talk->server);
	put(w.in, out, talk->port, port, talk->seq++, 0x02, "", 0);
	put(w.out, back, port, talk->port, 5000, 0x12, "", 0);
	put(w.in, out, talk->port, port, talk->seq, 0x10, "", 0);
	say(talk, talk->kind == FTP ? "USER me\r\n" : "NICK me\r\n");
}

static void announce(struct talk *talk)
{
	uint32_t a = talk->client;
	char text[800], addr[16], media[200] = "", who[300];
	unsigned int port = talk->announced = (uint16_t)(2000 + 2 * below(30000));

	talk->said++;
	snprintf(addr, sizeof(addr), "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	if (talk->kind == IRC) {
		snprintf(text, sizeof(text), "PRIVMSG you :\1DCC SEND file %u %u 100\1\r\n", a, port);
	} else if (talk->kind == FTP && below(2)) {
		snprintf(text, sizeof(text), "EPRT |1|%s|%u|\r\n", addr, port);
	} else if (talk->kind == FTP) {
		snprintf(text, sizeof(text), "PORT %u,%u,%u,%u,%u,%u\r\n", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255, port >> 8, port & 255);
	} else {
		bool is_register = !below(4);

		if (!is_register)
			snprintf(media, sizeof(media), "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 0\r\nm=video %u RTP/AVP 31\r\n",
				 addr, addr, port, port + 2);
		snprintf(who, sizeof(who), "From: <sip:me@%s>;tag=1\r\nTo: <sip:you@example.com>\r\nCall-ID: %u@%s\r\nContact: <sip:me@%s:5060>\r\n",
			 addr, talk->said, addr, addr);
		snprintf(text, sizeof(text), "%s sip:you@example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s:5060;branch=z9hG4bK%u\r\n%sCSeq: %u %s\r\n%sContent-Length: %zu\r\n\r\n%s",
			 is_register ? "REGISTER" : "INVITE", addr, talk->said, who, talk->said, is_register ? "REGISTER" : "INVITE",
			 is_register ? "Expires: 3600\r\n" : "Content-Type: application/sdp\r\n", strlen(media), media);
	}
	say(talk, text);
}

/* What @talk announced comes: from its server to the gateway. */
static void arrive(const struct talk *talk)
{
	struct iphdr ip = { .protocol = talk->kind == SIP ? IPPROTO_UDP : IPPROTO_TCP, .saddr = htonl(talk->server), .daddr = htonl(0xcb007102) };

	put(w.out, ip, talk->kind == FTP ? 20 : (uint16_t)(1024 + below(60000)), talk->announced, below(1 << 30), 2, "", 0);
}

static void draw(void)
{
	struct talk *talk = &w.talks[below(TALKS)];
	uint32_t kind = below(100);

	if (kind < 35)
		noise();
	else if (kind < 50)
		tftp();
	else if (!talk->server || kind < 52)
		begin(talk);
	else if (kind < 90)
		announce(talk);
	else
		arrive(talk);
}

/* --- looks --- */

static void visit(void *priv, const struct ct_expect *exp)
{
	static const char *const names[] = { "ftp", "irc", "sip", "tftp" };
	const struct ct_help *help = ct_help_of(exp->master);
	unsigned int max = ct_helper_policy_now(w.inst, help->helper, exp->class).max_expected;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		w.by_helper[i] += !strcmp(help->helper->name, names[i]);
	if (max && help->expecting[exp->class] > max) {
		fprintf(stderr, "bench-limits: %u expectations of class %u of %s, not %u\n", help->expecting[exp->class], exp->class, help->helper->name, max);
		w.broken++;
	}
}

static int die(const char *what, const struct refusal *why)
{
	report_refusal("bench-limits", why);
	fprintf(stderr, "bench-limits: %s\n", what);
	return 1;
}

static int open_world(void)
{
	struct refusal why = { 0 };
	struct netip ip = { .loading = true };
	char number[16];

	w.inst = instance_new(1, 1700000000ll * NSEC_PER_SEC, &why);
	if (!w.inst)
		return die("instance", &why);
	ip.inst = w.inst;
	if (netip_load(&ip, net, strlen(net), "net.ip", &why))
		return die("net.ip", &why);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (sysctl_set(w.inst->sysctls, settings[i][0], settings[i][1], &why))
			return die(settings[i][0], &why);
	snprintf(number, sizeof(number), "%d", CT_MAX);
	if (sysctl_set(w.inst->sysctls, "net.netfilter.nf_conntrack_max", number, &why))
		return die("nf_conntrack_max", &why);
	snprintf(number, sizeof(number), "%d", EXPECT_MAX);
	if (sysctl_set(w.inst->sysctls, "net.netfilter.nf_conntrack_expect_max", number, &why))
		return die("nf_conntrack_expect_max", &why);
	if (rules_restore(w.inst, NFPROTO_IPV4, rules, strlen(rules), "limits.v4", RESTORE_ALL_OR_NOTHING, &why))
		return die("rules", &why);
	w.in = iface_find(w.inst, "in0");
	w.out = iface_find(w.inst, "out0");
	w.inst->observer = (struct observer){ .transmit = on_transmit, .drop = on_drop };
	rng_seed(&w.rng, 7);
	return 0;
}

int main(int argc, char **argv)
{
	const struct ct_stats *stats;
	uint64_t packets = 10000000;
	double first = 0, first_heap = 0, now = 0, heap = 0, peak = 0;
	unsigned int most_ct = 0, most_expect = 0;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--packets") && i + 1 < argc)
			packets = strtoull(argv[++i], NULL, 0);
	if (open_world())
		return 1;
	stats = ct_stats(w.inst);
	for (int look = 1; look <= LOOKS; look++) {
		while (w.packets < packets * (uint64_t)look / LOOKS)
			draw();
		memset(w.by_helper, 0, sizeof(w.by_helper));
		ct_expect_each(w.inst, visit, NULL);
		now = resident_mib();
		heap = (double)(mallinfo2().uordblks + mallinfo2().hblkhd) / (1 << 20);
		peak = MAX_OF(peak, now);
		most_ct = MAX_OF(most_ct, ct_count(w.inst));
		most_expect = MAX_OF(most_expect, ct_expect_count(w.inst));
		if (look == LOOKS / 5) {
			first = now;
			first_heap = heap;
		}
		fprintf(stderr, "%9llu packets, %3.0f s: %.1f MiB resident, %.1f in use; %u connections, %llu early drops, %llu refused; %u expectations (ftp %u, irc %u, sip %u, tftp %u), "
			"%llu made, %llu met, %llu ended\n", (unsigned long long)w.packets, (double)(w.inst->now_ns / NSEC_PER_SEC - 1700000000), now, heap, ct_count(w.inst),
			(unsigned long long)stats->early_drop, (unsigned long long)stats->drop, ct_expect_count(w.inst), w.by_helper[0], w.by_helper[1], w.by_helper[2], w.by_helper[3],
			(unsigned long long)stats->expect_create, (unsigned long long)stats->expect_new, (unsigned long long)stats->expect_delete);
		if (stats->expect_create - stats->expect_delete != ct_expect_count(w.inst)) {
			fprintf(stderr, "bench-limits: the count of expectations is not what was made less what ended\n");
			w.broken++;
		}
	}
	row("limits_packets", "packets", (double[]){ (double)w.packets }, 1, "SYNs, UDP, fragments, TFTP, and FTP, IRC and SIP connections that announce without end");
	row("limits_connections", "connections", (double[]){ most_ct }, 1, "the most there were; nf_conntrack_max is 40,000");
	row("limits_expectations", "expectations", (double[]){ most_expect }, 1, "the most there were; nf_conntrack_expect_max is 4,096");
	row("limits_expected", "expectations", (double[]){ (double)stats->expect_create }, 1, "made in all");
	row("limits_resident", "MiB", (double[]){ peak }, 1, "the most resident memory");
	row("limits_growth", "MiB", (double[]){ now - first }, 1, "resident memory at the end against that after a fifth of the packets");
	row("limits_heap_growth", "MiB", (double[]){ heap - first_heap }, 1, "memory in use, the same");
	if (now - first > GROWTH_MIB_MAX || heap - first_heap > GROWTH_MIB_MAX || !stats->expect_new || most_expect < EXPECT_MAX / 2)
		w.broken++;
	instance_free(w.inst);
	return w.broken != 0;
}
