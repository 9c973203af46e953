/*
 * table_fixture.h - an instance that has tables and hooks and nothing else, and packets made by hand.
 */
#ifndef WEIR_TABLE_FIXTURE_H
#define WEIR_TABLE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "nat/nat.h"
#include "table/table_internal.h"

struct fixture {
	struct instance inst;
	struct iface in, out;
};

static inline struct instance *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	list_init(&f->inst.ifaces);
	f->inst.hooks = hooks_new();
	f->inst.nat = nat_new(&f->inst);
	f->inst.tables = tables_new(&f->inst);
	strcpy(f->in.name, "eth1");
	strcpy(f->out.name, "eth2");
	return &f->inst;
}

static inline void fixture_free(struct instance *inst)
{
	tables_free(inst, inst->tables);
	nat_free(inst, inst->nat);
	hooks_free(inst->hooks);
	free(inst);
}

static inline void fixture_in(struct instance *inst, const char *name)
{
	struct iface *iface = &((struct fixture *)inst)->in;

	memset(iface->name, 0, sizeof(iface->name));
	strcpy(iface->name, name);
}

static inline void fixture_out(struct instance *inst, const char *name)
{
	struct iface *iface = &((struct fixture *)inst)->out;

	memset(iface->name, 0, sizeof(iface->name));
	strcpy(iface->name, name);
}

static inline void restore_ok(struct instance *inst, const char *text, unsigned int flags)
{
	struct refusal why;

	if (rules_restore(inst, NFPROTO_IPV4, text, strlen(text), "test", flags, &why))
		fail_msg("%u:%u %s", why.at.line, why.at.column, why.text);
}

static inline struct pkt *raw_packet(const void *bytes, uint32_t len, uint8_t family)
{
	struct pkt *pkt = calloc(1, sizeof(*pkt));

	pkt->data = pkt->buf = malloc(len);
	memcpy(pkt->data, bytes, len);
	pkt->len = len;
	pkt->l.family = family;
	return pkt;
}

static inline struct pkt *udp_packet(const char *from, const char *to)
{
	struct {
		struct iphdr ip;
		uint16_t udp[4];
	} bytes = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tot_len = htons(28) } };

	inet_pton(AF_INET, from, &bytes.ip.saddr);
	inet_pton(AF_INET, to, &bytes.ip.daddr);
	return raw_packet(&bytes, sizeof(bytes), NFPROTO_IPV4);
}

static inline void free_packet(struct pkt *pkt)
{
	free(pkt->buf);
	free(pkt);
}

static inline unsigned int walk_hook(struct instance *inst, struct pkt *pkt, uint8_t family, const char *table,
				     uint8_t hook)
{
	struct fixture *f = (struct fixture *)inst;
	struct hook_state state = { .inst = inst, .family = family, .hooknum = hook, .in = &f->in, .out = &f->out };

	pkt->drop_reason = DROP_NONE;
	return (family == NFPROTO_IPV4 ? table_walk4 : table_walk6)(table_find(inst, family, table), pkt, &state);
}

static inline unsigned int forward(struct instance *inst, struct pkt *pkt)
{
	return walk_hook(inst, pkt, NFPROTO_IPV4, "filter", NF_INET_FORWARD);
}

struct rule_query {
	const char *chain;
	unsigned int number;
	int64_t packets;
};

static inline void rule_query_visit(void *priv, const struct table_rule_view *rule)
{
	struct rule_query *query = priv;

	if (!strcmp(rule->ref.chain, query->chain) && rule->ref.number == query->number)
		query->packets = (int64_t)rule->counters.pcnt;
}

static inline int rule_packets(struct instance *inst, const char *chain, unsigned int number)
{
	struct rule_query query = { chain, number, -1 };

	tables_each_rule(inst, NFPROTO_IPV4, rule_query_visit, &query);
	return (int)query.packets;
}

static inline int command(struct instance *inst, const char *line, struct strbuf *out, struct refusal *why)
{
	char text[256], *argv[32], *save = NULL;
	int argc = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return rules_command(inst, argc, argv, out, why);
}

#endif
