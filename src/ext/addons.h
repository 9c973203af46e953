/*
 * ext/addons.h - the rules' data of extensions that never were in Linux itself (xtables-addons 3.23): there is no header
 * for them in <linux/netfilter/>, so that the layouts stand here, and what these extensions share.
 */
#ifndef WEIR_EXT_ADDONS_H
#define WEIR_EXT_ADDONS_H

#include "base/uapi.h"

#include <linux/netfilter/nf_nat.h>

#include "ext/option.h"

struct xt_condition_mtinfo {
	char name[31];
	uint8_t invert;
	void *condvar __attribute__((aligned(8)));
};

enum { XT_LENGTH_INVERT = 1, XT_LENGTH_LAYER3 = 2, XT_LENGTH_LAYER4 = 4, XT_LENGTH_LAYER5 = 8, XT_LENGTH_LAYER7 = 16 };
struct xt_length_mtinfo2 {
	uint32_t min, max;
	uint16_t flags;
};

enum { XT_V4OPTS_ALL = 1, XT_V4OPTS_ANY = 2 };
struct xt_ipv4options_mtinfo1 {
	uint32_t map, invert;
	uint8_t flags;
};

enum { LSCAN_STEALTH = 1, LSCAN_MIRAI = 2, LSCAN_SYN = 1, LSCAN_CN = 1, LSCAN_GR = 1 };
struct xt_lscan_mtinfo {
	uint8_t match_fl1, match_fl2, match_fl3, match_fl4;
};

enum { XT_IFACE_UP = 1 << 0, XT_IFACE_BROADCAST = 1 << 1, XT_IFACE_LOOPBACK = 1 << 2, XT_IFACE_POINTOPOINT = 1 << 3,
       XT_IFACE_RUNNING = 1 << 4, XT_IFACE_NOARP = 1 << 5, XT_IFACE_PROMISC = 1 << 6, XT_IFACE_MULTICAST = 1 << 7,
       XT_IFACE_DYNAMIC = 1 << 8, XT_IFACE_LOWER_UP = 1 << 9, XT_IFACE_DORMANT = 1 << 10, XT_IFACE_DEV_IN = 1 << 11,
       XT_IFACE_DEV_OUT = 1 << 12 };
struct xt_iface_mtinfo {
	char ifname[IFNAMSIZ];
	uint16_t flags, invflags;
};

enum { XT_QUOTA2_INVERT = 1, XT_QUOTA2_GROW = 2, XT_QUOTA2_PACKET = 4, XT_QUOTA2_NO_CHANGE = 8, XT_QUOTA2_MASK = 15 };
struct xt_quota_mtinfo2 {
	char name[15];
	uint8_t flags;
	uint64_t quota __attribute__((aligned(8)));
	void *master __attribute__((aligned(8)));
};

struct xt_fuzzy_mtinfo {
	uint32_t minimum_rate, maximum_rate, packets_total, bytes_total, previous_time, present_time, mean_rate;
	uint8_t acceptance_rate;
};

struct xt_psd_info {
	uint32_t weight_threshold, delay_threshold;
	uint16_t lo_ports_weight, hi_ports_weight;
};

enum { XT_GEO_SRC = 1, XT_GEO_DST = 2, XT_GEO_INV = 4, XT_GEO_MAX = 15 };
struct xt_geoip_match_info {
	uint8_t flags, count;
	uint16_t cc[XT_GEO_MAX];
	uint64_t mem[XT_GEO_MAX] __attribute__((aligned(8)));
};
struct xt_asn_match_info {
	uint32_t asn[XT_GEO_MAX];
	uint8_t flags, count;
	uint64_t mem[XT_GEO_MAX] __attribute__((aligned(8)));
};

struct ipt_p2p_info {
	int32_t cmd, debug;
};

enum { XTTARPIT_TARPIT, XTTARPIT_HONEYPOT, XTTARPIT_RESET };
struct xt_tarpit_tginfo {
	uint8_t variant;
};

enum { XTCHAOS_NORMAL, XTCHAOS_TARPIT, XTCHAOS_DELUDE };
struct xt_chaos_tginfo {
	uint8_t variant;
};

struct xt_logmark_tginfo {
	char prefix[14];
	uint8_t level;
};

enum { XT_IPMARK_SRC, XT_IPMARK_DST };
struct xt_ipmark_tginfo {
	uint32_t andmask, ormask;
	uint8_t selector, shift;
};

struct ipt_acc_info {
	be32 net_ip, net_mask;
	char table_name[32];
	int32_t table_nr;
};

enum { XT_DNETMAP_TTL = 1, XT_DNETMAP_REUSE = 2, XT_DNETMAP_PREFIX = 4, XT_DNETMAP_STATIC = 8, XT_DNETMAP_PERSISTENT = 16 };
struct xt_DNETMAP_tginfo {
	struct nf_nat_range prefix;
	uint8_t flags;
	int32_t ttl;
};

/*
 * A number with a name that rules share and a file shows: made by the first rule that names it, gone with the last.
 */
struct shared_number {
	struct list node;
	struct instance *inst;
	unsigned int rules;
	uint64_t value;
	char path[96];
};

typedef int (*shared_number_write)(void *number, const char *text, size_t len, struct refusal *why);

/* The one shown at @path, with @initial when it is new. NULL: no memory, or something else has the path. */
struct shared_number *shared_number_get(struct instance *inst, const char *path, uint64_t initial, shared_number_write write,
					struct refusal *why);
void shared_number_put(struct shared_number *number);
/* Names become names of files. */
bool is_shared_name(const char *name, size_t size);

#endif
