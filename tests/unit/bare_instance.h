/* bare_instance.h - an instance of the lowest floors only: clock, packets, hooks, sysctls; drops are counted. */
#ifndef WEIR_TEST_BARE_INSTANCE_H
#define WEIR_TEST_BARE_INSTANCE_H

#include <stdlib.h>

#include "base/sysctl.h"
#include "instance.h"

struct bare {
	struct instance inst;
	struct iface eth;
	unsigned int drops;
	uint16_t last_reason;
};

static void bare_drop(void *priv, const struct pkt *pkt)
{
	struct bare *bare = priv;

	bare->drops++;
	bare->last_reason = pkt->drop_reason;
}

static struct bare *bare_new(void)
{
	struct bare *bare = calloc(1, sizeof(*bare));

	bare->inst.now_ns = 1700000000ll * NSEC_PER_SEC;
	bare->inst.timers = timers_new(bare->inst.now_ns);
	bare->inst.pkt_pool = pkt_pool_new();
	bare->inst.hooks = hooks_new();
	bare->inst.sysctls = sysctls_new();
	bare->inst.observer.priv = bare;
	bare->inst.observer.drop = bare_drop;
	list_init(&bare->inst.ifaces);
	bare->eth = (struct iface){ .index = 2, .name = "eth0", .type = ARPHRD_ETHER, .mac = { 2, 0, 0, 0, 0, 1 } };
	list_append(&bare->inst.ifaces, &bare->eth.node);
	return bare;
}

static void bare_free(struct bare *bare)
{
	sysctls_free(bare->inst.sysctls);
	hooks_free(bare->inst.hooks);
	pkt_pool_free(bare->inst.pkt_pool);
	timers_free(bare->inst.timers);
	free(bare);
}

#endif
