/*
 * weir/libiptc.h - the calls of libiptc over a kept instance: a program written for libip4tc and libip6tc is compiled with this
 * header (or unchanged, with -I.../weir/compat), linked with -lweir-iptc, and changes the rules that `weir iptables` shows. The instance is found as there:
 * a daemon's or a kept one, by network namespace and user, or through WEIR_INSTANCE or WEIR_SOCKET.
 */
#ifndef WEIR_LIBIPTC_H
#define WEIR_LIBIPTC_H

#include <limits.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <net/if.h>
#include <sys/types.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef char xt_chainlabel[32];
struct xtc_handle;
#define iptc_handle xtc_handle
#define ip6tc_handle xtc_handle
#define ipt_chainlabel xt_chainlabel
#define ip6t_chainlabel xt_chainlabel
#ifndef XT_MIN_ALIGN
#define XT_MIN_ALIGN __alignof__(struct _xt_align)
#endif
#define XTC_LABEL_ACCEPT IPTC_LABEL_ACCEPT
#define XTC_LABEL_DROP IPTC_LABEL_DROP
#define XTC_LABEL_QUEUE IPTC_LABEL_QUEUE
#define XTC_LABEL_RETURN IPTC_LABEL_RETURN
#define IPTC_LABEL_ACCEPT "ACCEPT"
#define IPTC_LABEL_DROP "DROP"
#define IPTC_LABEL_QUEUE "QUEUE"
#define IPTC_LABEL_RETURN "RETURN"
#define IP6TC_LABEL_ACCEPT IPTC_LABEL_ACCEPT
#define IP6TC_LABEL_DROP IPTC_LABEL_DROP
#define IP6TC_LABEL_QUEUE IPTC_LABEL_QUEUE
#define IP6TC_LABEL_RETURN IPTC_LABEL_RETURN

int iptc_is_chain(const char *chain, struct xtc_handle *handle);
/* The rules as they are now; NULL: errno says why. Commit changes all of them at once, or none. */
struct xtc_handle *iptc_init(const char *table);
void iptc_free(struct xtc_handle *handle);
const char *iptc_first_chain(struct xtc_handle *handle);
const char *iptc_next_chain(struct xtc_handle *handle);
const struct ipt_entry *iptc_first_rule(const char *chain, struct xtc_handle *handle);
const struct ipt_entry *iptc_next_rule(const struct ipt_entry *before, struct xtc_handle *handle);
const char *iptc_get_target(const struct ipt_entry *entry, struct xtc_handle *handle);
int iptc_builtin(const char *chain, struct xtc_handle *handle);
const char *iptc_get_policy(const char *chain, struct xt_counters *counters, struct xtc_handle *handle);
/* 1, or 0 with errno. Places count from 0 in these three, from 1 where counters are named. */
int iptc_insert_entry(const xt_chainlabel chain, const struct ipt_entry *entry, unsigned int place, struct xtc_handle *handle);
int iptc_replace_entry(const xt_chainlabel chain, const struct ipt_entry *entry, unsigned int place, struct xtc_handle *handle);
int iptc_delete_num_entry(const xt_chainlabel chain, unsigned int place, struct xtc_handle *handle);
int iptc_append_entry(const xt_chainlabel chain, const struct ipt_entry *entry, struct xtc_handle *handle);
int iptc_check_entry(const xt_chainlabel chain, const struct ipt_entry *entry, unsigned char *mask, struct xtc_handle *handle);
int iptc_delete_entry(const xt_chainlabel chain, const struct ipt_entry *entry, unsigned char *mask, struct xtc_handle *handle);
const char *iptc_check_packet(const xt_chainlabel chain, struct ipt_entry *entry, struct xtc_handle *handle);
int iptc_flush_entries(const xt_chainlabel chain, struct xtc_handle *handle);
int iptc_zero_entries(const xt_chainlabel chain, struct xtc_handle *handle);
int iptc_create_chain(const xt_chainlabel chain, struct xtc_handle *handle);
int iptc_delete_chain(const xt_chainlabel chain, struct xtc_handle *handle);
int iptc_rename_chain(const xt_chainlabel from, const xt_chainlabel to, struct xtc_handle *handle);
int iptc_set_policy(const xt_chainlabel chain, const xt_chainlabel policy, struct xt_counters *counters, struct xtc_handle *handle);
int iptc_get_references(unsigned int *references, const xt_chainlabel chain, struct xtc_handle *handle);
struct xt_counters *iptc_read_counter(const xt_chainlabel chain, unsigned int number, struct xtc_handle *handle);
int iptc_zero_counter(const xt_chainlabel chain, unsigned int number, struct xtc_handle *handle);
int iptc_set_counter(const xt_chainlabel chain, unsigned int number, struct xt_counters *counters, struct xtc_handle *handle);
int iptc_commit(struct xtc_handle *handle);
int iptc_get_raw_socket(void);
const char *iptc_strerror(int error);

/* The same for IPv6. */
int ip6tc_is_chain(const char *chain, struct xtc_handle *handle);
struct xtc_handle *ip6tc_init(const char *table);
void ip6tc_free(struct xtc_handle *handle);
const char *ip6tc_first_chain(struct xtc_handle *handle);
const char *ip6tc_next_chain(struct xtc_handle *handle);
const struct ip6t_entry *ip6tc_first_rule(const char *chain, struct xtc_handle *handle);
const struct ip6t_entry *ip6tc_next_rule(const struct ip6t_entry *before, struct xtc_handle *handle);
const char *ip6tc_get_target(const struct ip6t_entry *entry, struct xtc_handle *handle);
int ip6tc_builtin(const char *chain, struct xtc_handle *handle);
const char *ip6tc_get_policy(const char *chain, struct xt_counters *counters, struct xtc_handle *handle);
int ip6tc_insert_entry(const xt_chainlabel chain, const struct ip6t_entry *entry, unsigned int place, struct xtc_handle *handle);
int ip6tc_replace_entry(const xt_chainlabel chain, const struct ip6t_entry *entry, unsigned int place, struct xtc_handle *handle);
int ip6tc_delete_num_entry(const xt_chainlabel chain, unsigned int place, struct xtc_handle *handle);
int ip6tc_append_entry(const xt_chainlabel chain, const struct ip6t_entry *entry, struct xtc_handle *handle);
int ip6tc_check_entry(const xt_chainlabel chain, const struct ip6t_entry *entry, unsigned char *mask, struct xtc_handle *handle);
int ip6tc_delete_entry(const xt_chainlabel chain, const struct ip6t_entry *entry, unsigned char *mask, struct xtc_handle *handle);
const char *ip6tc_check_packet(const xt_chainlabel chain, struct ip6t_entry *entry, struct xtc_handle *handle);
int ip6tc_flush_entries(const xt_chainlabel chain, struct xtc_handle *handle);
int ip6tc_zero_entries(const xt_chainlabel chain, struct xtc_handle *handle);
int ip6tc_create_chain(const xt_chainlabel chain, struct xtc_handle *handle);
int ip6tc_delete_chain(const xt_chainlabel chain, struct xtc_handle *handle);
int ip6tc_rename_chain(const xt_chainlabel from, const xt_chainlabel to, struct xtc_handle *handle);
int ip6tc_set_policy(const xt_chainlabel chain, const xt_chainlabel policy, struct xt_counters *counters, struct xtc_handle *handle);
int ip6tc_get_references(unsigned int *references, const xt_chainlabel chain, struct xtc_handle *handle);
struct xt_counters *ip6tc_read_counter(const xt_chainlabel chain, unsigned int number, struct xtc_handle *handle);
int ip6tc_zero_counter(const xt_chainlabel chain, unsigned int number, struct xtc_handle *handle);
int ip6tc_set_counter(const xt_chainlabel chain, unsigned int number, struct xt_counters *counters, struct xtc_handle *handle);
int ip6tc_commit(struct xtc_handle *handle);
int ip6tc_get_raw_socket(void);
const char *ip6tc_strerror(int error);

/* Every entry of the table as the handle found it, on standard output, in libiptc's words. */
void dump_entries(struct xtc_handle *handle);
void dump_entries6(struct xtc_handle *handle);

/* Most calls once more, for programs that choose the family as they run. */
struct xtc_ops {
	int (*commit)(struct xtc_handle *handle);
	struct xtc_handle *(*init)(const char *table);
	void (*free)(struct xtc_handle *handle);
	int (*builtin)(const char *chain, struct xtc_handle *handle);
	int (*is_chain)(const char *chain, struct xtc_handle *handle);
	int (*flush_entries)(const xt_chainlabel chain, struct xtc_handle *handle);
	int (*create_chain)(const xt_chainlabel chain, struct xtc_handle *handle);
	const char *(*first_chain)(struct xtc_handle *handle);
	const char *(*next_chain)(struct xtc_handle *handle);
	const char *(*get_policy)(const char *chain, struct xt_counters *counters, struct xtc_handle *handle);
	int (*set_policy)(const xt_chainlabel chain, const xt_chainlabel policy, struct xt_counters *counters, struct xtc_handle *handle);
	const char *(*strerror)(int error);
};
extern const struct xtc_ops iptc_ops, ip6tc_ops;

#ifdef __cplusplus
}
#endif

#endif
