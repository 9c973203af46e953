/*
 * world.h - the instance that the packet fuzzers send into: a gateway with two legs, a VLAN, a raw IP leg,
 * routes of every kind, and rules that touch as much of a packet as rules can. Making it costs more than most
 * inputs: it serves many of them, forgetting all connections, fragments and neighbours in between. With
 * WEIR_FUZZ_FRESH=1 in the environment each input has one of its own.
 */
#ifndef WEIR_FUZZ_WORLD_H
#define WEIR_FUZZ_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "conntrack/conntrack.h"
#include "instance.h"
#include "packet/drop.h"
#include "path/path.h"
#include "route/route.h"
#include "table/table.h"

enum { WORLD_IFACES = 4 };

struct world {
	struct instance *inst;
	struct iface *iface[WORLD_IFACES];	/* eth0 eth1 eth0.5 tun0 */
	unsigned long bytes_out;
	unsigned int uses;
};

static const char world_rules4[] =
	"*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	"-A PREROUTING -s 10.0.0.66 -j CT --notrack\n"
	"-A PREROUTING -i tun0 -j CT --zone 7\nCOMMIT\n"
	"*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	":POSTROUTING ACCEPT [0:0]\n"
	"-A PREROUTING -p udp -m udp --dport 5000:6000 -j MARK --set-xmark 0x1/0xffffffff\n"
	"-A PREROUTING -m ttl --ttl-lt 5 -j TTL --ttl-inc 3\n"
	"-A PREROUTING -p tcp -m dscp --dscp 0x0a -j DSCP --set-dscp 0x2e\n"
	"-A PREROUTING -m addrtype --dst-type BROADCAST -j TOS --set-tos 0x10/0xff\n"
	"-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\n"
	"-A POSTROUTING -j CONNMARK --save-mark\n"
	"-A OUTPUT -p icmp -j MARK --set-xmark 0x2/0xffffffff\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
	"-A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2:8080\n"
	"-A PREROUTING -d 192.0.2.1/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353\n"
	"-A PREROUTING -d 198.51.100.0/24 -j NETMAP --to 10.0.0.0/24\n"
	"-A POSTROUTING -s 10.0.0.0/24 -o eth1 -p tcp -j MASQUERADE\n"
	"-A POSTROUTING -s 10.0.0.0/24 -o eth1 -j SNAT --to-source 192.0.2.1-192.0.2.3\nCOMMIT\n"
	"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	"-A INPUT -p icmp -m icmp --icmp-type 8/0 -m limit --limit 10/sec -j ACCEPT\n"
	"-A FORWARD -m conntrack --ctstate INVALID -j LOG --log-prefix \"bad \" --log-tcp-options --log-ip-options\n"
	"-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n"
	"-A FORWARD -p tcp -m multiport --dports 22,25,1000:2000 -j REJECT --reject-with tcp-reset\n"
	"-A FORWARD -p udp -m length --length 1000:65535 -j REJECT --reject-with icmp-port-unreachable\n"
	"-A FORWARD -m iprange --dst-range 192.0.2.100-192.0.2.200 -j DROP\n"
	"-A FORWARD -m mac --mac-source 02:00:00:00:00:77 -j LOG --log-macdecode\n"
	"-A FORWARD -p tcp -m tcp --tcp-option 8 -j ACCEPT\n"
	"-A INPUT -p tcp -m tcp --dport 23 -j REJECT --reject-with icmp-admin-prohibited\nCOMMIT\n";

static const char world_rules6[] =
	"*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	":POSTROUTING ACCEPT [0:0]\n"
	"-A PREROUTING -m hl --hl-lt 5 -j HL --hl-inc 3\n"
	"-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
	"-A PREROUTING -d 2001:db8:1::1/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [2001:db8::2]:8080\n"
	"-A POSTROUTING -s 2001:db8::/64 -o eth1 -j MASQUERADE\nCOMMIT\n"
	"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	"-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT\n"
	"-A FORWARD -m conntrack --ctstate INVALID -j LOG --log-prefix \"bad6 \" --log-tcp-options\n"
	"-A FORWARD -p tcp -m multiport --dports 22,25,1000:2000 -j REJECT --reject-with tcp-reset\n"
	"-A FORWARD -p udp -m length --length 1000:65535 -j REJECT --reject-with icmp6-port-unreachable\nCOMMIT\n";

static void world_transmit(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	struct world *world = priv;
	const uint8_t *bytes = frame;

	for (uint32_t i = 0; i < len; i++)	/* every byte that leaves is one we own */
		world->bytes_out += bytes[i];
}

static void world_log(void *priv, int level, const char *line)
{
	((struct world *)priv)->bytes_out += strlen(line);
}

static union nf_inet_addr world_addr(const char *text, uint8_t *family)
{
	union nf_inet_addr addr = { .all = { 0 } };

	*family = strchr(text, ':') ? NFPROTO_IPV6 : NFPROTO_IPV4;
	if (inet_pton(*family == NFPROTO_IPV6 ? AF_INET6 : AF_INET, text, &addr) != 1)
		abort();
	return addr;
}

static void must(int err, const struct refusal *why)
{
	if (err) {
		fprintf(stderr, "world: %s\n", why->text);
		abort();
	}
}

static void world_add_addr(struct world *world, struct iface *iface, const char *text, uint8_t prefix_len)
{
	struct iface_addr addr = { .iface = iface, .prefix_len = prefix_len, .flags = IFA_F_PERMANENT };
	struct refusal why = { 0 };

	addr.addr = addr.peer = world_addr(text, &addr.family);
	must(route_addr_add(world->inst, iface, &addr, &why), &why);
}

static void world_add_route(struct world *world, const char *dst, uint8_t prefix_len, uint8_t type, const char *via,
			    struct iface *oif, uint32_t mtu)
{
	struct route_spec spec = { .type = type, .prefix_len = prefix_len, .oif = oif, .mtu = mtu,
				   .table = RT_TABLE_MAIN, .protocol = RTPROT_BOOT };
	struct refusal why = { 0 };

	spec.dst = world_addr(dst, &spec.family);
	if (via)
		spec.gateway = world_addr(via, &spec.gateway_family);
	must(route_add(world->inst, &spec, false, &why), &why);
}

static void world_add_neigh(struct world *world, struct iface *iface, const char *text, uint8_t last)
{
	uint8_t mac[6] = { 2, 0, 0, 0, 1, last }, family;
	union nf_inet_addr addr = world_addr(text, &family);
	struct refusal why = { 0 };

	must(neigh_set_permanent(world->inst, iface, family, &addr, mac, &why), &why);
}

static void world_add_iface(struct world *world, int index, const char *name, unsigned short type, uint32_t mtu)
{
	struct refusal why = { 0 };
	struct iface *iface = NULL;

	must(iface_add(world->inst, name, type, &iface, &why), &why);
	world->iface[index] = iface;
	iface->mtu = mtu;
	if (type == ARPHRD_ETHER)
		memcpy(iface->mac, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)index }, 6);
	if (index == 2) {
		iface->vlan_parent = world->iface[0];
		iface->vlan_id = 5;
	}
	must(route_iface_set_up(world->inst, iface, true, &why), &why);
}

static void world_sysctl(struct world *world, const char *name, const char *value)
{
	struct refusal why = { 0 };

	must(sysctl_set(world->inst->sysctls, name, value, &why), &why);
}

static struct world *world_new(bool with_rules)
{
	struct world *world = calloc(1, sizeof(*world));
	struct refusal why = { 0 };
	struct instance *inst = instance_new(1, 1700000000ll * NSEC_PER_SEC, &why);

	must(inst ? 0 : -1, &why);
	world->inst = inst;
	world_add_iface(world, 0, "eth0", ARPHRD_ETHER, 1500);
	world_add_iface(world, 1, "eth1", ARPHRD_ETHER, 1400);
	world_add_iface(world, 2, "eth0.5", ARPHRD_ETHER, 1300);
	world_add_iface(world, 3, "tun0", ARPHRD_NONE, 1280);
	world_add_addr(world, world->iface[0], "10.0.0.1", 24);
	world_add_addr(world, world->iface[1], "192.0.2.1", 24);
	world_add_addr(world, world->iface[2], "10.5.0.1", 16);
	world_add_addr(world, world->iface[3], "10.9.0.1", 30);
	world_add_addr(world, world->iface[0], "2001:db8::1", 64);
	world_add_addr(world, world->iface[1], "2001:db8:1::1", 64);
	world_add_addr(world, world->iface[3], "fd00::1", 64);
	world_add_neigh(world, world->iface[0], "10.0.0.2", 2);
	world_add_neigh(world, world->iface[1], "192.0.2.2", 3);
	world_add_neigh(world, world->iface[0], "2001:db8::2", 4);
	world_add_neigh(world, world->iface[1], "2001:db8:1::2", 5);
	world_add_route(world, "0.0.0.0", 0, RTN_UNICAST, "192.0.2.2", world->iface[1], 0);
	world_add_route(world, "::", 0, RTN_UNICAST, "2001:db8:1::2", world->iface[1], 0);
	world_add_route(world, "172.16.0.0", 16, RTN_UNREACHABLE, NULL, NULL, 0);
	world_add_route(world, "172.17.0.0", 16, RTN_PROHIBIT, NULL, NULL, 0);
	world_add_route(world, "172.18.0.0", 16, RTN_BLACKHOLE, NULL, NULL, 0);
	world_add_route(world, "10.77.0.0", 16, RTN_UNICAST, "10.0.0.2", world->iface[0], 600);
	world_sysctl(world, "net.ipv4.ip_forward", "1");
	world_sysctl(world, "net.ipv6.conf.all.forwarding", "1");
	if (with_rules) {
		must(rules_restore(inst, NFPROTO_IPV4, world_rules4, sizeof(world_rules4) - 1, "rules.v4", 0, &why), &why);
		must(rules_restore(inst, NFPROTO_IPV6, world_rules6, sizeof(world_rules6) - 1, "rules.v6", 0, &why), &why);
	}
	must(ct_hooks_get(inst, NFPROTO_IPV4) | ct_hooks_get(inst, NFPROTO_IPV6), &why);
	inst->observer.priv = world;
	inst->observer.transmit = world_transmit;
	inst->observer.log = world_log;
	return world;
}

static void world_free(struct world *world)
{
	instance_free(world->inst);
	free(world);
}

static bool world_note_ct(void *priv, struct ct *ct)
{
	*(struct ct **)priv = ct;
	return false;
}

/* As if nothing had happened yet: what time does not end is ended, and time passes for the rest. */
static void world_forget(struct world *world)
{
	enum { LONG_SEC = 7 * 24 * 3600 };
	struct instance *inst = world->inst;
	struct ct *ct = NULL;

	while (ct_each(inst, world_note_ct, &ct), ct) {
		ct_kill(inst, ct);
		ct = NULL;
	}
	instance_advance(inst, inst->now_ns + (int64_t)LONG_SEC * NSEC_PER_SEC);
	rng_seed(&inst->rng, 1);
}

/* A world for one input; given back with world_put(). */
static inline struct world *world_get(struct world **kept, bool with_rules)
{
	struct world *world = *kept ? *kept : world_new(with_rules);

	*kept = NULL;
	return world;
}

static inline void world_put(struct world **kept, struct world *world)
{
	enum { USES_MAX = 500 };

	if (getenv("WEIR_FUZZ_FRESH") || ++world->uses == USES_MAX) {
		world_free(world);
		return;
	}
	world_forget(world);
	*kept = world;
}

#endif
