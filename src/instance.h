/*
 * instance.h - a network namespace in user space: everything that one firewall is made of.
 * No globals, no threads of its own, no clock of its own: the caller moves now_ns forward.
 */
#ifndef WEIR_INSTANCE_INTERNAL_H
#define WEIR_INSTANCE_INTERNAL_H


#include "base/hash.h"
#include "base/list.h"
#include "base/refuse.h"
#include "base/timer.h"
#include "hook/hook.h"
#include "packet/packet.h"

struct sysctls;
struct proc_files;
struct ext_state_block;
struct fib;
struct neigh_table;
struct defrag;
struct ct_table;
struct nat;
struct tables;
struct acct_object;
struct ct_event;
struct ct_expect;
struct log_line;
struct flowcache;
struct record;
struct host_sockets;
struct secctxs;
struct crew;

/* What a rule says when it shows a packet to the listeners of a group. */
struct nflog {
	const char *prefix;
	const struct hook_state *state;	/* where the packet is */
	uint32_t copy_len;		/* bytes of the packet that are wanted */
	uint16_t group;
	uint16_t threshold;		/* tell them when so many wait; 0: as they asked for */
};

/* What the outside hears of; every callback may be NULL. All pointers are borrowed for the call. */
struct observer {
	void *priv;
	/* A frame leaves @out: link-layer header and all (raw IP for ARPHRD_NONE interfaces). */
	void (*transmit)(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len);
	/* The packet reached the host (end of LOCAL_IN). */
	void (*deliver)(void *priv, const struct pkt *pkt);
	/* The packet ends here; pkt->drop_reason, drop_hook and rule say why. */
	void (*drop)(void *priv, const struct pkt *pkt);
	/* A connection or expectation event; see conntrack/event.h. */
	void (*ct_event)(void *priv, const struct ct_event *event);
	/* One line of LOG (without the kernel's time stamp), @level 0-7. */
	void (*log)(void *priv, int level, const char *line);
	/* NFLOG: what the rule says, and the packet as far as it says. */
	void (*nflog)(void *priv, const struct pkt *pkt, const struct nflog *log);
	/* conntrack refused to track: the kernel's own reason text ("invalid new", ...). */
	void (*invalid)(void *priv, const struct pkt *pkt, uint8_t l4proto, const char *reason);
	/* An expectation came into being or ended. */
	void (*expect_event)(void *priv, const struct ct_expect *exp, bool ended);
	/* A connection's helper drops the packet. */
	void (*helper)(void *priv, const struct pkt *pkt, const char *name, const char *reason);
	/* An accounting object of nfacct(8) reached its quota; told once until it is reset. */
	void (*overquota)(void *priv, struct acct_object *acct);
	/* An interface came into being; its address and MTU may still be set. */
	void (*iface_new)(void *priv, struct iface *iface);
	/* It goes down; packets that wait somewhere may still name it. */
	void (*iface_down)(void *priv, struct iface *iface);
	/* An ICMP error, RST or other packet weir made itself, before it enters LOCAL_OUT. */
	void (*made)(void *priv, const struct pkt *pkt, const struct pkt *cause);
};

struct iface {
	struct list node;		/* in instance->ifaces, by index */
	unsigned int index;		/* from 1; lo is 1 */
	char name[IFNAMSIZ];
	unsigned short type;		/* ARPHRD_ETHER, ARPHRD_LOOPBACK, ARPHRD_NONE */
	uint8_t mac[6];
	uint32_t mtu;
	uint32_t group;
	bool up, noarp, promisc, is_loopback, is_pointopoint;
	bool multicast;
	struct iface *vlan_parent;	/* 802.1Q child: frames of the parent with vlan_id belong to it */
	uint16_t vlan_id;
	struct iface_conf *conf;	/* net.ipv4.conf.IF.*, net.ipv6.conf.IF.*: route/iface_conf.h; owned by route */
	struct list addrs4, addrs6;	/* struct iface_addr (route/route.h) */
	struct {
		uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped;
	} stats;
	void *driver_priv;		/* for whoever attached it */
};

struct instance {
	int64_t now_ns;			/* the clock: since the epoch; only instance_advance() moves it */
	int64_t advance_ns;		/* where it moves it to, */
	uint32_t advances;		/* so many times so far */
	struct timers *timers;
	struct rng rng;			/* every random choice of the engine comes from here */
	struct hash_key hash_key;
	struct list ifaces;
	struct list gone_ifaces;	/* removed ones: packets and connections may still point at them */
	struct iface *lo;
	unsigned int next_ifindex;

	struct pkt_pool *pkt_pool;
	struct hooks *hooks;
	struct sysctls *sysctls;
	struct proc_files *files;	/* /proc/net/...: base/procfs.h */
	struct ext_state_block *ext_states;	/* ext/state.h */
	struct fib *fib;
	struct neigh_table *neigh;
	struct defrag *defrag;
	struct ct_table *ct;
	struct nat *nat;
	struct tables *tables;
	struct host_sockets *sockets;	/* those that somebody declared */
	struct secctxs *secctxs;	/* NULL: none was declared */
	struct icmp_state *icmp;	/* path/icmp: rate limits, id counters */

	struct observer observer;
	/* Grows with everything that a packet's way may rest on: rules, routes, hooks, settings, links. */
	uint64_t changes;
	struct flowcache *flow;
	struct record *record;		/* NULL: nobody wants to know what a packet's way rests on */
	uint64_t serial;		/* input packets so far */
	uint8_t loggers[2];		/* enum logger of IPv4, of IPv6: ext/logger.h */
	struct crew *crew;		/* path/worker.h; NULL: one thread does it all */
	bool in_company;		/* several workers may be at it now: connections are changed under their lock */
	char *geoip_dir, *asn_dir;	/* net.weir.geoip_dir, net.weir.asn_dir; NULL: the usual places */
	bool trusts_sets;		/* rules are only read and written: IP sets that they name are taken to exist */
	bool teeing;			/* a copy by TEE is on its way: none are made of what it meets */
	bool host_echo;			/* answer pings as a host would, for demonstrations */
	bool host_silent;		/* the host does not even judge extension headers after LOCAL_IN */
};

static inline int64_t inst_jiffies(const struct instance *inst) { return inst->now_ns / NSEC_PER_JIFFY; }

struct instance *instance_new(uint64_t seed, int64_t now_ns, struct refusal *why);
void instance_free(struct instance *inst);
/* Fires timers due until @now_ns, in order, with the clock standing at each one's time; never goes back. */
void instance_advance(struct instance *inst, int64_t now_ns);

struct iface *iface_find(const struct instance *inst, const char *name);
struct iface *iface_by_index(const struct instance *inst, unsigned int index);
/* -EEXIST, -EINVAL (name), -ENOMEM. Starts down, mtu 1500, random locally administered MAC. */
int iface_add(struct instance *inst, const char *name, unsigned short type, struct iface **out, struct refusal *why);
/* Its 802.1Q children go with it. The memory stays until the instance ends. */
void iface_remove(struct instance *inst, struct iface *iface);
/* The 802.1Q child of @parent for @vlan_id, or NULL. */
struct iface *iface_vlan_child(const struct instance *inst, const struct iface *parent, uint16_t vlan_id);

#endif
