/*
 * tests/unit/ext/clusterip.c - CLUSTERIP, which this machine's kernel no longer has: each packet is one node's, and only that
 * node's; the text, the file and the refusals of its last version (Linux 6.1, iptables 1.8.9's libipt_CLUSTERIP.t).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/procfs.h"
#include "path/path.h"
#include "route/route.h"
#include "table/table.h"

enum { HOSTS = 64, NODES = 3 };
#define RULE "-A INPUT -d 10.0.0.1/32 -i eth0 -j CLUSTERIP --new --hashmode %s --clustermac 01:AA:7B:47:F7:D7 --total-nodes %u --local-node %u --hash-init 1"
#define FILE_PATH "/proc/net/ipt_CLUSTERIP/10.0.0.1"

static void on_deliver(void *priv, const struct pkt *pkt)
{
	++*(unsigned int *)priv;
}

static int load(struct instance *inst, const char *rule, struct refusal *why)
{
	char text[512];

	snprintf(text, sizeof(text), "*filter\n%s\nCOMMIT\n", rule);
	return rules_restore(inst, NFPROTO_IPV4, text, strlen(text), "rules", 0, why);
}

static struct instance *host_new(void)
{
	struct instance *inst = instance_new(1, NSEC_PER_SEC, NULL);
	struct iface_addr addr = { .family = NFPROTO_IPV4, .prefix_len = 24, .flags = IFA_F_PERMANENT };
	struct iface *eth;

	assert_non_null(inst);
	assert_int_equal(iface_add(inst, "eth0", ARPHRD_NONE, &eth, NULL), 0);
	assert_int_equal(route_iface_set_up(inst, eth, true, NULL), 0);
	addr.addr.ip = addr.peer.ip = htonl(0x0a000001);
	addr.iface = eth;
	assert_int_equal(route_addr_add(inst, eth, &addr, NULL), 0);
	return inst;
}

/* Is UDP from 10.0.0.@host:@port let through? */
static bool arrives(struct instance *inst, uint8_t host, uint16_t port)
{
	unsigned int count = 0;
	struct pkt *pkt;
	uint8_t bytes[28] = { 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, host, 10, 0, 0, 1, 0, 0, 0, 53, 0, 8, 0, 0 };

	put_be16(bytes + 20, port);
	csum_ip4_header((struct iphdr *)bytes);
	inst->observer.priv = &count;
	inst->observer.deliver = on_deliver;
	pkt = pkt_from_raw_ip(inst, iface_find(inst, "eth0"), bytes, sizeof(bytes));
	path_receive(inst, &pkt, 1);
	return count;
}

static void each_packet_is_one_nodes(void **state)
{
	static const char *const modes[] = { "sourceip", "sourceip-sourceport", "sourceip-sourceport-destport" };

	for (unsigned int mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		unsigned int taken[HOSTS] = { 0 }, mine[NODES] = { 0 };

		for (unsigned int node = 0; node < NODES; node++) {
			struct instance *inst = host_new();
			char rule[256];

			snprintf(rule, sizeof(rule), RULE, modes[mode], NODES, node + 1);
			assert_int_equal(load(inst, rule, NULL), 0);
			for (unsigned int host = 0; host < HOSTS; host++) {
				bool in = arrives(inst, (uint8_t)(host + 10), 1000);

				taken[host] += in;
				mine[node] += in;
			}
			if (mode == 0)	/* the port changes nothing */
				assert_int_equal(arrives(inst, 10, 2000), arrives(inst, 10, 3000));
			instance_free(inst);
		}
		for (unsigned int host = 0; host < HOSTS; host++)
			assert_int_equal(taken[host], 1);
		for (unsigned int node = 0; node < NODES; node++)
			assert_in_range(mine[node], HOSTS / NODES / 2, HOSTS / NODES * 2);
	}
}

static void nodes_come_and_go(void **state)
{
	struct instance *inst = host_new();
	struct strbuf text = STRBUF_INIT;
	char rule[256];
	unsigned int before = 0, after = 0;

	snprintf(rule, sizeof(rule), RULE, "sourceip", 2, 1);
	assert_int_equal(load(inst, rule, NULL), 0);
	rules_save(inst, NFPROTO_IPV4, false, -1, &text);
	assert_non_null(strstr(sb_str(&text), rule));
	sb_reset(&text);
	for (unsigned int host = 10; host < 40; host++)
		before += arrives(inst, (uint8_t)host, 1);
	assert_in_range(before, 5, 25);
	assert_int_equal(proc_write(inst->files, FILE_PATH, "+2\n", 3, NULL), 0);
	assert_int_not_equal(proc_write(inst->files, FILE_PATH, "+2\n", 3, NULL), 0);
	assert_int_not_equal(proc_write(inst->files, FILE_PATH, "+3\n", 3, NULL), 0);
	assert_int_not_equal(proc_write(inst->files, FILE_PATH, "2\n", 2, NULL), 0);
	assert_int_equal(proc_read(inst->files, FILE_PATH, &text, NULL), 0);
	assert_string_equal(sb_str(&text), "1,2\n");
	for (unsigned int host = 10; host < 40; host++)
		after += arrives(inst, (uint8_t)host, 1);
	assert_int_equal(after, 30);
	assert_int_equal(proc_write(inst->files, FILE_PATH, "-1", 2, NULL), 0);
	sb_free(&text);
	assert_int_equal(load(inst, "", NULL), 0);
	assert_int_equal(proc_read(inst->files, FILE_PATH, &text, NULL), -ENOENT);
	instance_free(inst);
}

static void what_is_refused(void **state)
{
	static const char *const bad[] = {
		"-A INPUT -d 10.0.0.1 -j CLUSTERIP", "-A INPUT -i eth0 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:AA:7B:47:F7:D7 --total-nodes 2 --local-node 1",
		"-A INPUT -d 10.0.0.1 -i eth0 -j CLUSTERIP --new --hashmode sourceip --clustermac 00:AA:7B:47:F7:D7 --total-nodes 2 --local-node 1",
		"-A INPUT -d 10.0.0.1 -i eth0 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:AA:7B:47:F7:D7 --total-nodes 2 --local-node 0",
		"-A INPUT -d 10.0.0.1 -i eth0 -j CLUSTERIP --new --hashmode source --clustermac 01:AA:7B:47:F7:D7 --total-nodes 2 --local-node 1",
		"-A INPUT -d 10.0.0.1 -i eth0 -j CLUSTERIP --new --total-nodes 2 --local-node 1",
		"-A FORWARD -d 10.0.0.1 -i eth0 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:AA:7B:47:F7:D7 --total-nodes 2 --local-node 1",
		"-A INPUT -d 10.0.0.0/24 -i eth0 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:AA:7B:47:F7:D7 --total-nodes 2 --local-node 1",
		"-A INPUT -d 10.0.0.1 -i eth0 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:AA:7B:47:F7:D7 --total-nodes 17 --local-node 1",
	};
	struct instance *inst = host_new();

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct refusal why = { 0 };

		if (!load(inst, bad[i], &why))
			fail_msg("%s is not refused", bad[i]);
		assert_true(why.text[0]);
	}
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_packet_is_one_nodes), cmocka_unit_test(nodes_come_and_go), cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
