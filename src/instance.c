/*
 * instance.c - builds the house floor by floor and takes it down in reverse.
 * Interfaces that went away keep their memory until the end: a packet in a queue or a connection may name one.
 */
#include "instance.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "base/sysctl.h"
#include "conntrack/conntrack.h"
#include "ext/ext.h"
#include "ext/georanges.h"
#include "ext/logger.h"
#include "ext/state.h"
#include "flowcache/flowcache.h"
#include "host/secctx.h"
#include "host/socket.h"
#include "nat/nat.h"
#include "packet/defrag.h"
#include "path/path.h"
#include "route/route.h"
#include "table/table.h"

static int build_floors(struct instance *inst, struct refusal *why)
{
#define FLOOR(member, build, what) do { \
		inst->member = (build); \
		if (!inst->member) \
			return refuse(why, -ENOMEM, "instance: no memory for %s", what); \
	} while (0)

	FLOOR(timers, timers_new(inst->now_ns), "timers");
	FLOOR(pkt_pool, pkt_pool_new(), "packets");
	FLOOR(hooks, hooks_new(), "hooks");
	FLOOR(sysctls, sysctls_new(), "sysctls");
	FLOOR(files, proc_files_new(), "visible files");
	hooks_watch(inst->hooks, &inst->changes);
	sysctls_watch(inst->sysctls, &inst->changes);
	FLOOR(sockets, host_sockets_new(inst), "sockets");
	if (georanges_settings(inst) || logger_settings(inst))
		return refuse(why, -ENOMEM, "instance: no memory for settings");
	FLOOR(fib, fib_new(inst), "routes");
	FLOOR(neigh, neigh_table_new(inst), "neighbours");
	FLOOR(icmp, icmp_state_new(inst), "ICMP");
	FLOOR(defrag, defrag_new(inst), "fragments");
	FLOOR(ct, ct_table_new(inst), "connections");
	FLOOR(nat, nat_new(inst), "NAT");
	FLOOR(tables, tables_new(inst), "tables");
	FLOOR(flow, flowcache_new(inst), "the flow cache");
#undef FLOOR
	for (const struct match *const *m = ext_matches; *m; m++)
		if ((*m)->attach)
			(*m)->attach(inst);
	return 0;
}

static int build_loopback(struct instance *inst, struct refusal *why)
{
	struct iface_addr addr4 = { .family = NFPROTO_IPV4, .prefix_len = 8, .scope = RT_SCOPE_HOST,
				    .flags = IFA_F_PERMANENT };
	struct iface_addr addr6 = { .family = NFPROTO_IPV6, .prefix_len = 128, .scope = RT_SCOPE_HOST,
				    .flags = IFA_F_PERMANENT };
	int err = iface_add(inst, "lo", ARPHRD_LOOPBACK, &inst->lo, why);

	if (err)
		return err;
	addr4.addr.ip = addr4.peer.ip = htonl(INADDR_LOOPBACK);
	addr6.addr.in6 = addr6.peer.in6 = in6addr_loopback;
	addr4.iface = addr6.iface = inst->lo;
	err = route_iface_set_up(inst, inst->lo, true, why);
	if (!err)
		err = route_addr_add(inst, inst->lo, &addr4, why);
	if (!err)
		err = route_addr_add(inst, inst->lo, &addr6, why);
	return err;
}

struct instance *instance_new(uint64_t seed, int64_t now_ns, struct refusal *why)
{
	struct instance *inst = calloc(1, sizeof(*inst));

	if (!inst) {
		refuse(why, -ENOMEM, "instance: no memory");
		return NULL;
	}
	inst->now_ns = now_ns;
	inst->next_ifindex = 1;
	rng_seed(&inst->rng, seed);
	inst->hash_key.k[0] = rng_u64(&inst->rng);
	inst->hash_key.k[1] = rng_u64(&inst->rng);
	list_init(&inst->ifaces);
	list_init(&inst->gone_ifaces);
	if (build_floors(inst, why) || build_loopback(inst, why)) {
		instance_free(inst);
		return NULL;
	}
	return inst;
}

void instance_free(struct instance *inst)
{
	if (!inst)
		return;
	memset(&inst->observer, 0, sizeof(inst->observer));	/* nobody wants to hear of the end */
	if (inst->flow)
		flowcache_free(inst, inst->flow);
	inst->flow = NULL;
	if (inst->tables)
		tables_free(inst, inst->tables);
	if (inst->files)
		ext_states_free(inst);
	if (inst->fib)
		route_set_watch(inst, NULL);	/* nor need connections end one by one */
	while (!list_is_empty(&inst->ifaces))
		iface_remove(inst, list_entry(inst->ifaces.next, struct iface, node));
	/* Whoever holds packets goes before the connections that these packets share. */
	if (inst->defrag)
		defrag_free(inst, inst->defrag);
	if (inst->icmp)
		icmp_state_free(inst, inst->icmp);
	if (inst->neigh)
		neigh_table_free(inst, inst->neigh);
	if (inst->nat)
		nat_free(inst, inst->nat);
	inst->nat = NULL;
	if (inst->ct)
		ct_table_free(inst, inst->ct);
	if (inst->fib)
		fib_free(inst, inst->fib);
	list_for_each_safe(node, &inst->gone_ifaces)
		free(list_entry(node, struct iface, node));
	host_sockets_free(inst->sockets);
	secctxs_free(inst->secctxs);
	free(inst->geoip_dir);
	free(inst->asn_dir);
	sysctls_free(inst->sysctls);
	proc_files_free(inst->files);
	hooks_free(inst->hooks);
	pkt_pool_free(inst->pkt_pool);
	timers_free(inst->timers);
	free(inst);
}

void instance_advance(struct instance *inst, int64_t now_ns)
{
	int64_t due;

	inst->advance_ns = now_ns;
	inst->advances++;
	while ((due = timers_due_ns(inst->timers, now_ns)) != INT64_MAX) {
		inst->now_ns = MAX_OF(inst->now_ns, due);
		timers_run(inst->timers, inst->now_ns);
	}
	inst->now_ns = MAX_OF(inst->now_ns, now_ns);
}

struct iface *iface_find(const struct instance *inst, const char *name)
{
	list_for_each(node, &inst->ifaces) {
		struct iface *iface = list_entry(node, struct iface, node);

		if (strcmp(iface->name, name) == 0)
			return iface;
	}
	return NULL;
}

struct iface *iface_by_index(const struct instance *inst, unsigned int index)
{
	list_for_each(node, &inst->ifaces) {
		struct iface *iface = list_entry(node, struct iface, node);

		if (iface->index == index)
			return iface;
	}
	return NULL;
}

struct iface *iface_vlan_child(const struct instance *inst, const struct iface *parent, uint16_t vlan_id)
{
	list_for_each(node, &inst->ifaces) {
		struct iface *iface = list_entry(node, struct iface, node);

		if (iface->vlan_parent == parent && iface->vlan_id == vlan_id)
			return iface;
	}
	return NULL;
}

/* What the kernel accepts as a device name. */
static bool is_iface_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return false;
	return true;
}

int iface_add(struct instance *inst, const char *name, unsigned short type, struct iface **out, struct refusal *why)
{
	struct iface *iface;

	if (!is_iface_name(name))
		return refuse(why, -EINVAL, "link: \"%s\" is not an interface name", name);
	if (iface_find(inst, name))
		return refuse(why, -EEXIST, "link: \"%s\" exists already", name);
	iface = calloc(1, sizeof(*iface));
	if (!iface)
		return refuse(why, -ENOMEM, "link: no memory for \"%s\"", name);
	strcpy(iface->name, name);
	iface->type = type;
	iface->mtu = type == ARPHRD_LOOPBACK ? 65536 : ETH_DATA_LEN;
	iface->is_loopback = type == ARPHRD_LOOPBACK;
	iface->noarp = type != ARPHRD_ETHER;
	iface->multicast = type == ARPHRD_ETHER;
	if (type == ARPHRD_ETHER) {
		uint64_t random = rng_u64(&inst->rng);

		memcpy(iface->mac, &random, sizeof(iface->mac));
		iface->mac[0] = (iface->mac[0] & 0xfe) | 0x02;
	}
	list_init(&iface->addrs4);
	list_init(&iface->addrs6);
	iface->index = inst->next_ifindex;
	if (iface_conf_new(inst, iface)) {
		free(iface);
		return refuse(why, -ENOMEM, "link: no memory for \"%s\"", name);
	}
	inst->next_ifindex++;
	list_append(&inst->ifaces, &iface->node);
	inst->changes++;
	*out = iface;
	if (inst->observer.iface_new)
		inst->observer.iface_new(inst->observer.priv, iface);
	return 0;
}

void iface_remove(struct instance *inst, struct iface *iface)
{
	struct list *addrs[] = { &iface->addrs4, &iface->addrs6 };

	for (struct list *node = inst->ifaces.next; node != &inst->ifaces;) {
		struct iface *child = list_entry(node, struct iface, node);

		node = node->next;
		if (child->vlan_parent == iface) {
			iface_remove(inst, child);
			node = inst->ifaces.next;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		while (!list_is_empty(addrs[i])) {
			struct iface_addr *addr = list_entry(addrs[i]->next, struct iface_addr, node), key = *addr;

			if (route_addr_del(inst, iface, &key, NULL) || addrs[i]->next == &addr->node)
				break;
		}
	}
	if (iface->up)
		route_iface_set_up(inst, iface, false, NULL);
	iface->up = false;
	if (iface->conf)
		iface_conf_free(inst, iface);
	iface->conf = NULL;
	inst->changes++;
	list_remove(&iface->node);
	list_append(&inst->gone_ifaces, &iface->node);
	if (inst->lo == iface)
		inst->lo = NULL;
}
