/*
 * bench/chains.c - long chains that are not five-tuples: what a packet costs among a thousand `string` rules, and among
 * the chains that kube-proxy writes for a thousand services.
 *
 *	bench-chains [--rounds N] [--only ROW,ROW] > JSON lines
 *
 * string_1k: a packet of 1,400 bytes of text, to a port that all rules name, holding no rule's string; string_1k_other: to
 * another port; string_1k_hit: holding one rule's. services_1k: a packet to one of 1,000 services, each a chain
 * of two endpoints (statistic, comments), each endpoint a chain. names_1k, names_addr_1k, unsaid_1k: rules
 * that no group takes. "peer" is the same through the plain walk, one rule after the other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "table/table_internal.h"
#include "measure.h"

enum { RULES = 1000, LEN = 1400, BURST = 32, WORDS = 8 };

struct bench {
	struct instance *inst;
	struct table *table;
	struct hook_state state;
	struct iface in, out;
	struct pkt pkts[BURST];
	uint8_t bytes[BURST][LEN];
};

static void die(const char *what, const struct refusal *why)
{
	if (why)
		report_refusal("bench-chains", why);
	fprintf(stderr, "bench-chains: %s\n", what);
	exit(1);
}

/* Words as in requests: letters that follow each other by a skewed draw. */
static uint32_t draw_text(struct rng *rng, uint8_t *out, uint32_t len)
{
	static const char letters[] = "etaoinshrdlucmfwypvbgkjqxz-/. ";

	for (uint32_t i = 0; i < len; i++)
		out[i] = (uint8_t)letters[rng_below(rng, 1 + rng_below(rng, sizeof(letters) - 1))];
	return len;
}

static void string_rules(struct rng *rng, struct strbuf *text, char words[RULES][32])
{
	for (uint32_t i = 0; i < RULES; i++) {
		const uint32_t len = draw_text(rng, (uint8_t *)words[i], WORDS + rng_below(rng, 16));

		words[i][len - 1] = (char)('0' + i % 10);	/* not in the packets */
		words[i][0] = (char)('A' + i % 26);
		words[i][len] = 0;
		sb_printf(text, "-A FORWARD -p tcp -m tcp --dport 80 -m string --algo %s --string \"%s\" -j DROP\n", i % 2 ? "bm" : "kmp", words[i]);
	}
}

static void service_rules(struct strbuf *text)
{
	for (uint32_t i = 0; i < RULES; i++)
		sb_printf(text, ":SVC-%u - [0:0]\n:SEP-%u-0 - [0:0]\n:SEP-%u-1 - [0:0]\n", i, i, i);
	for (uint32_t i = 0; i < RULES; i++) {
		sb_printf(text, "-A FORWARD -d 10.96.%u.%u/32 -p tcp -m comment --comment \"default/svc-%u:http cluster IP\" -m tcp --dport 80 -j SVC-%u\n",
			  i / 250, i % 250 + 1, i, i);
		sb_printf(text, "-A SVC-%u -m comment --comment \"default/svc-%u:http\" -m statistic --mode random --probability 0.5 -j SEP-%u-0\n", i, i, i);
		sb_printf(text, "-A SVC-%u -m comment --comment \"default/svc-%u:http\" -j SEP-%u-1\n", i, i, i);
		for (unsigned int k = 0; k < 2; k++) {
			sb_printf(text, "-A SEP-%u-%u -s 10.244.%u.%u/32 -m comment --comment \"default/svc-%u:http\" -j MARK --set-xmark 0x4000/0x4000\n",
				  i, k, i / 200, i % 200 + k, i);
			sb_printf(text, "-A SEP-%u-%u -p tcp -m comment --comment \"default/svc-%u:http\" -m tcp -j ACCEPT\n", i, k, i);
		}
	}
}

static void bench_new(struct bench *b, struct strbuf *text)
{
	struct refusal why = { 0 };

	memset(b, 0, sizeof(*b));
	b->inst = instance_new(1, 0, &why);
	if (!b->inst)
		die("no instance", &why);
	if (rules_restore(b->inst, NFPROTO_IPV4, sb_str(text), text->len, "rules", 0, &why))
		die("rules", &why);
	b->table = table_find(b->inst, NFPROTO_IPV4, "filter");
	strcpy(b->in.name, "in0");
	strcpy(b->out.name, "out0");
	b->state = (struct hook_state){ .inst = b->inst, .family = NFPROTO_IPV4, .hooknum = NF_INET_FORWARD, .in = &b->in, .out = &b->out };
}

static void packet_make(struct bench *b, unsigned int slot, be32 dst, uint16_t port, uint32_t len)
{
	struct pkt *pkt = &b->pkts[slot];

	pkt->data = b->bytes[slot];
	pkt->len = len;
	pkt->protocol = ETH_P_IP;
	*pkt_ip4(pkt) = (struct iphdr){ .version = 4, .ihl = 5, .tot_len = htons((uint16_t)len), .ttl = 64, .protocol = IPPROTO_TCP,
					.saddr = htonl(0xc0a80001 + slot), .daddr = dst };
	put_be16(pkt->data + 20, (uint16_t)(1024 + slot));
	put_be16(pkt->data + 22, port);
	pkt->data[32] = 0x50;
	pkt_parse(pkt);
}

/* Each packet of the burst, @bursts times; the verdicts must be what both ways say. */
static double measure(struct bench *b, enum rules_mode mode, unsigned int bursts, unsigned int *drops)
{
	struct pkt *burst[BURST];
	double began;

	for (unsigned int i = 0; i < BURST; i++)
		burst[i] = &b->pkts[i];
	if (b->inst->tables->mode != mode)
		tables_set_mode(b->inst, mode);
	*drops = 0;
	began = cpu_ns();
	for (unsigned int n = 0; n < bursts; n++) {
		tables_look_ahead(b->inst, NFPROTO_IPV4, burst, BURST);
		for (unsigned int i = 0; i < BURST; i++) {
			b->pkts[i].rule = NULL;
			b->pkts[i].mark = 0;
			*drops += table_walk4(b->table, &b->pkts[i], &b->state) == NF_DROP;
		}
	}
	return (cpu_ns() - began) / (bursts * BURST);
}

static void compare(struct bench *b, const char *name, unsigned int rounds, unsigned int bursts, unsigned int walk_bursts, unsigned int drops_of_burst,
		const char *what)
{
	double ours[ROUNDS_MAX], walk[ROUNDS_MAX];
	unsigned int drops;

	for (unsigned int r = 0; r < rounds; r++) {
		walk[r] = measure(b, RULES_WALK, walk_bursts, &drops);
		if (drops != drops_of_burst * walk_bursts)
			die("the walk says otherwise", NULL);
		measure(b, RULES_COMPILED, 1, &drops);	/* caches filled by it again */
		ours[r] = measure(b, RULES_COMPILED, bursts, &drops);
		if (drops != drops_of_burst * bursts)
			die("the compiled rules say otherwise", NULL);
	}
	median(ours, rounds);
	median(walk, rounds);
	printf("{\"row\": \"%s\", \"unit\": \"ns\", \"median\": %.1f, \"min\": %.1f, \"max\": %.1f, \"peer\": {\"walk\": %.1f}, "
	       "\"ratio\": {\"walk\": %.1f}, \"what\": \"%s\"}\n", name, ours[rounds / 2], ours[0], ours[rounds - 1], walk[rounds / 2],
	       walk[rounds / 2] / ours[rounds / 2], what);
	fflush(stdout);
}

static void bench_strings(unsigned int rounds)
{
	static char words[RULES][32];
	struct bench *b = malloc(sizeof(*b));
	struct strbuf text = STRBUF_INIT;
	struct rng rng;

	rng_seed(&rng, 1);
	sb_adds(&text, "*filter\n:FORWARD ACCEPT [0:0]\n");
	string_rules(&rng, &text, words);
	sb_adds(&text, "COMMIT\n");
	bench_new(b, &text);
	for (unsigned int i = 0; i < BURST; i++) {
		packet_make(b, i, htonl(0x0a000001), 80, LEN);
		draw_text(&rng, b->bytes[i] + 40, LEN - 40);
	}
	compare(b, "string_1k", rounds, 20, 1, 0, "1,400 bytes among 1,000 string rules, none fits");
	for (unsigned int i = 0; i < BURST; i++) {
		const char *word = words[rng_below(&rng, RULES)];

		memcpy(b->bytes[i] + 40 + rng_below(&rng, LEN - 80), word, strlen(word));
	}
	compare(b, "string_1k_hit", rounds, 20, 1, BURST, "the same, one fits");
	for (unsigned int i = 0; i < BURST; i++)
		put_be16(b->bytes[i] + 22, 443);
	compare(b, "string_1k_other", rounds, 200, 20, 0, "the same, to a port that no rule names");
	sb_free(&text);
	instance_free(b->inst);
	free(b);
}

static void bench_services(unsigned int rounds)
{
	struct bench *b = malloc(sizeof(*b));
	struct strbuf text = STRBUF_INIT;
	struct rng rng;

	rng_seed(&rng, 2);
	sb_adds(&text, "*filter\n:FORWARD DROP [0:0]\n");
	service_rules(&text);
	sb_adds(&text, "COMMIT\n");
	bench_new(b, &text);
	for (unsigned int i = 0; i < BURST; i++) {
		const uint32_t n = rng_below(&rng, RULES);

		packet_make(b, i, htonl(0x0a600000 + (n / 250 << 8) + n % 250 + 1), 80, 60);
	}
	compare(b, "services_1k", rounds, 200, 20, 0, "to one of 1,000 services of kube-proxy's kind, two endpoints each");
	sb_free(&text);
	instance_free(b->inst);
	free(b);
}

/* Rules that no group takes: beginnings of interfaces' names, with and without an address beside them, or what nothing is known of. */
static void bench_open(unsigned int rounds, const char *name, const char *what)
{
	struct bench *b = malloc(sizeof(*b));
	struct strbuf text = STRBUF_INIT;

	sb_adds(&text, "*filter\n:FORWARD DROP [0:0]\n");
	for (uint32_t i = 0; i < RULES; i++) {
		if (!strcmp(name, "unsaid_1k"))
			sb_printf(&text, "-A FORWARD -m u32 --u32 \"12=%u\"", i);
		else
			sb_printf(&text, "-A FORWARD -i vpn%u+ ! -o out%u", i, i);
		if (!strcmp(name, "names_addr_1k"))
			sb_printf(&text, " -s 192.168.0.%u/32", i % 250);
		sb_adds(&text, " -j ACCEPT\n");
	}
	sb_adds(&text, "COMMIT\n");
	bench_new(b, &text);
	for (unsigned int i = 0; i < BURST; i++)
		packet_make(b, i, htonl(0x0a000001), 80, 60);
	compare(b, name, rounds, 20, 1, BURST, what);
	sb_free(&text);
	instance_free(b->inst);
	free(b);
}

static bool is_wanted(const char *only, const char *name)
{
	return !only || strstr(only, name);
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	unsigned int rounds = 9;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
			rounds = (unsigned int)strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--only") && i + 1 < argc)
			only = argv[++i];
		else
			die("usage: bench-chains [--rounds N] [--only ROW,ROW]", NULL);
	}
	rounds = MAX_OF(1u, MIN_OF(rounds, (unsigned int)ROUNDS_MAX));
	if (is_wanted(only, "string_1k"))
		bench_strings(rounds);
	if (is_wanted(only, "services_1k"))
		bench_services(rounds);
	if (is_wanted(only, "names_1k"))
		bench_open(rounds, "names_1k", "among 1,000 rules about beginnings of interfaces' names, none fits");
	if (is_wanted(only, "names_addr_1k"))
		bench_open(rounds, "names_addr_1k", "the same with an address in each");
	if (is_wanted(only, "unsaid_1k"))
		bench_open(rounds, "unsaid_1k", "among 1,000 rules of -m u32 and nothing else, none fits");
	return 0;
}
