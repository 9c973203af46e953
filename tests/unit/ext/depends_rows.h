/*
 * tests/unit/ext/depends_rows.h - rules for extensions and revisions that upstream's suites do not name, what they need to find, and who
 * cannot say both yes and no, and why.
 */
#ifndef WEIR_DEPENDS_ROWS_H
#define WEIR_DEPENDS_ROWS_H

#include <linux/filter.h>
#include <linux/netfilter/nfnetlink_acct.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_SECMARK.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter_ipv6/ip6t_srh.h>

#include <unistd.h>

#include "ext/addons.h"
#include "ext/nfacct.h"
#include "ext/osf.h"
#include "host/secctx.h"

enum { SPOILS = DEP_STATE | DEP_TIME | DEP_RANDOM };

struct text_row {
	uint8_t families;
	const char *table, *chain, *rule;
};
#define FILTER(families, rule) { families, "filter", "FORWARD", rule }

static const struct text_row text_rows[] = {
	FILTER(FAMILY_ANY, "-m geoip --src-cc DE"), FILTER(FAMILY_ANY, "-m geoip ! --dst-cc DE"),
	FILTER(FAMILY_ANY, "-m asn --src-asn 7"), FILTER(FAMILY_ANY, "-m asn ! --dst-asn 7"),
	FILTER(FAMILY_ANY, "-p ipcomp -m ipcomp --ipcompspi 0x10:0x80000000"), FILTER(FAMILY_ANY, "-p ipcomp -m ipcomp ! --ipcompspi 18 --compres"),
	FILTER(FAMILY_ANY, "-m ipp2p --bit"), FILTER(FAMILY_ANY, "-p tcp -m ipp2p --edk --dc --kazaa --gnu --apple --winmx --soul --ares"),
	FILTER(FAMILY_ANY, "-p udp -m ipp2p --bit --edk"),
	FILTER(FAMILY_V4, "-m ipv4options --flags nop"), FILTER(FAMILY_V4, "-m ipv4options --flags lsrr,!ssrr,router-alert --any"),
	FILTER(FAMILY_V4, "-m ipv4options --flags !timestamp,!record-route"),
	FILTER(FAMILY_ANY, "-m ipvs --ipvs"), FILTER(FAMILY_ANY, "-m ipvs ! --ipvs"), FILTER(FAMILY_ANY, "-m ipvs --vproto tcp --vport 80"),
	FILTER(FAMILY_ANY, "-m ipvs ! --vproto tcp --vdir REPLY"),
	FILTER(FAMILY_ANY, "-m length --length 100:150"), FILTER(FAMILY_ANY, "-m length ! --length 150:200"),
	FILTER(FAMILY_ANY, "-m length2 --length 40:90"), FILTER(FAMILY_ANY, "-m length2 --length 20:60 --layer4"),
	FILTER(FAMILY_ANY, "-m length2 ! --length 0:20 --layer5"), FILTER(FAMILY_ANY, "-p sctp -m length2 ! --length 10 --layer7"),
	{ FAMILY_V6, "filter", "FORWARD", "-m srh --srh-segs-left-gt 1" }, { FAMILY_V6, "filter", "FORWARD", "-m srh ! --srh-next-hdr 6" },
	{ FAMILY_V6, "filter", "FORWARD", "-m srh ! --srh-psid 2001:db8::/32 ! --srh-nsid ::1 ! --srh-lsid ::2" },
	{ FAMILY_V6, "filter", "FORWARD", "-m srh ! --srh-tag 5 ! --srh-last-entry-eq 9 ! --srh-hdr-len-lt 1" },
	/* those who remember: they only have to keep their hands off other memory */
	FILTER(FAMILY_V4, "-m account --aaddr 10.0.0.0/8 --aname net"), FILTER(FAMILY_ANY, "-m condition ! --condition door"),
	FILTER(FAMILY_ANY, "-m condition --condition door"), FILTER(FAMILY_ANY, "-m connlabel --label 5"),
	FILTER(FAMILY_ANY, "-m connlabel --label 6 --set"), FILTER(FAMILY_ANY, "-m connlimit --connlimit-upto 100000"), FILTER(FAMILY_ANY, "-m fuzzy --lower-limit 3 --upper-limit 5"),
	FILTER(FAMILY_ANY, "-m iface --iface eth0 --up"), FILTER(FAMILY_ANY, "-m iface --dev-in --loopback"),
	FILTER(FAMILY_ANY, "-p tcp -m lscan --stealth --synscan --cnscan --grscan"), FILTER(FAMILY_ANY, "-m nfacct --nfacct-name few"),
	FILTER(FAMILY_ANY, "-m psd --psd-weight-threshold 2 --psd-delay-threshold 10000"), FILTER(FAMILY_ANY, "-m quota2 --name q --quota 1000"),
	FILTER(FAMILY_V4, "-p tcp -m osf --genre Linux --ttl 2"), FILTER(FAMILY_V4, "-p tcp -m osf ! --genre Linux"),
	FILTER(FAMILY_ANY, "-m rateest --rateest RE1 --rateest-lt --rateest-bps 8bit"),
	FILTER(FAMILY_ANY, "-m rateest --rateest RE1 --rateest-gt --rateest-bps 8bit"), FILTER(FAMILY_ANY, "-m time --datestart 2010-01-01"),
	{ FAMILY_ANY, "mangle", "PREROUTING", "-m socket --nowildcard" },
	{ FAMILY_ANY, "mangle", "FORWARD", "-j SECMARK --selctx system_u:object_r:weir_t:s0" },
	{ FAMILY_ANY, "raw", "PREROUTING", "-j CT --zone mark" }, { FAMILY_ANY, "raw", "PREROUTING", "-p tcp -j CT --helper ftp --ctevents new" },
	{ FAMILY_ANY, "mangle", "FORWARD", "-p tcp --syn -j TCPMSS --set-mss 500" },
	{ FAMILY_ANY, "mangle", "FORWARD", "-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu" },
};

/* What only older tools send. */
struct data_row {
	uint8_t families;
	const char *name;
	uint8_t revision, proto;
	bool is_target;
	const char *table, *chain;
	const void *data;
	size_t size;
};
#define DATA(...) .data = &(__VA_ARGS__), .size = sizeof(__VA_ARGS__)
#define MATCH(n, rev, fam) .name = n, .revision = rev, .families = fam, .table = "filter", .chain = "FORWARD"
#define HOST_MATCH(n, rev, fam) .name = n, .revision = rev, .families = fam, .table = "filter", .chain = "OUTPUT"
#define SOCKET_MATCH(rev, fam) .name = "socket", .revision = rev, .families = fam, .table = "mangle", .chain = "PREROUTING"
#define TARGET(n, rev, fam, where) .name = n, .revision = rev, .families = fam, .is_target = true, .table = where, .chain = "PREROUTING"
#define IS_TCP .bpf_program_num_elem = 4, .bpf_program = { { 0x30, 0, 0, 9 }, { 0x15, 0, 1, 6 }, { 6, 0, 0, 1 }, { 6, 0, 0, 0 } }
#define BY_SOURCE .avg = 10000, .burst = 5, .mode = XT_HASHLIMIT_HASH_SIP, .size = 16, .max = 64, .gc_interval = 1000, .expire = 10000, \
	.srcmask = 32, .dstmask = 32

static const struct data_row data_rows[] = {
	{ MATCH("addrtype", 0, FAMILY_V4), DATA((const struct xt_addrtype_info){ .dest = XT_ADDRTYPE_LOCAL }) },
	{ MATCH("addrtype", 0, FAMILY_V4), DATA((const struct xt_addrtype_info){ .source = XT_ADDRTYPE_LOCAL, .dest = XT_ADDRTYPE_MULTICAST,
		.invert_source = 1, .invert_dest = 1 }) },
	{ MATCH("bpf", 0, FAMILY_ANY), DATA((const struct xt_bpf_info){ IS_TCP }) },
	{ HOST_MATCH("cgroup", 0, FAMILY_ANY), DATA((const struct xt_cgroup_info_v0){ .id = 1 }) },
	{ HOST_MATCH("cgroup", 0, FAMILY_ANY), DATA((const struct xt_cgroup_info_v0){ .id = 1, .invert = 1 }) },
	{ HOST_MATCH("cgroup", 1, FAMILY_ANY), DATA((const struct xt_cgroup_info_v1){ .has_path = 1, .path = "a" }) },
	{ HOST_MATCH("cgroup", 1, FAMILY_ANY), DATA((const struct xt_cgroup_info_v1){ .has_classid = 1, .invert_classid = 1, .classid = 1 }) },
	{ MATCH("conntrack", 1, FAMILY_ANY), DATA((const struct xt_conntrack_mtinfo1){ .match_flags = XT_CONNTRACK_STATE, .state_mask = 2 }) },
	{ MATCH("conntrack", 1, FAMILY_ANY), DATA((const struct xt_conntrack_mtinfo1){
		.match_flags = XT_CONNTRACK_STATUS | XT_CONNTRACK_ORIGDST_PORT | XT_CONNTRACK_DIRECTION, .invert_flags = XT_CONNTRACK_ORIGDST_PORT,
		.status_mask = IPS_ASSURED, .origdst_port = 80 }) },
	{ MATCH("conntrack", 2, FAMILY_ANY), DATA((const struct xt_conntrack_mtinfo2){ .match_flags = XT_CONNTRACK_STATE, .state_mask = 0x142 }) },
	{ MATCH("conntrack", 2, FAMILY_ANY), DATA((const struct xt_conntrack_mtinfo2){
		.match_flags = XT_CONNTRACK_REPLSRC | XT_CONNTRACK_STATUS, .invert_flags = XT_CONNTRACK_REPLSRC | XT_CONNTRACK_STATUS,
		.replsrc_addr.all = { 1, 2, 3, 4 }, .replsrc_mask.all = { ~0u, ~0u, ~0u, ~0u }, .status_mask = IPS_EXPECTED }) },
	{ MATCH("hashlimit", 1, FAMILY_ANY), DATA((const struct xt_hashlimit_mtinfo1){ .name = "one", .cfg = { BY_SOURCE } }) },
	{ MATCH("hashlimit", 2, FAMILY_ANY), DATA((const struct xt_hashlimit_mtinfo2){ .name = "two", .cfg = { BY_SOURCE } }) },
	{ MATCH("nfacct", 0, FAMILY_ANY), DATA((const struct xt_nfacct_match_info){ .name = "more" }) },
	{ MATCH("recent", 0, FAMILY_ANY), DATA((const struct xt_recent_mtinfo){ .check_set = XT_RECENT_SET, .name = "r" }) },
	{ MATCH("recent", 0, FAMILY_ANY), DATA((const struct xt_recent_mtinfo){ .check_set = XT_RECENT_CHECK, .name = "r" }) },
	{ MATCH("srh", 0, FAMILY_V6), DATA((const struct ip6t_srh){ .mt_flags = IP6T_SRH_SEGS_GT, .segs_left = 1 }) },
	{ MATCH("srh", 0, FAMILY_V6), DATA((const struct ip6t_srh){ .mt_flags = IP6T_SRH_NEXTHDR | IP6T_SRH_TAG,
		.mt_invflags = IP6T_SRH_INV_NEXTHDR | IP6T_SRH_INV_TAG, .next_hdr = 6, .tag = 9 }) },
	{ MATCH("state", 0, FAMILY_ANY), DATA((const struct xt_state_info){ .statemask = 2 }) },
	{ MATCH("state", 0, FAMILY_ANY), DATA((const struct xt_state_info){ .statemask = XT_STATE_UNTRACKED | XT_STATE_INVALID }) },
	{ MATCH("udplite", 0, FAMILY_ANY), .proto = IPPROTO_UDPLITE, DATA((const struct xt_udp){ .spts = { 1000, 9000 }, .dpts = { 0, 0xffff } }) },
	{ MATCH("udplite", 0, FAMILY_ANY), .proto = IPPROTO_UDPLITE,
	  DATA((const struct xt_udp){ .spts = { 0, 0xffff }, .dpts = { 53, 53 }, .invflags = XT_UDP_INV_DSTPT }) },
	{ SOCKET_MATCH(0, FAMILY_V4), .proto = IPPROTO_TCP },
	{ SOCKET_MATCH(1, FAMILY_ANY), .proto = IPPROTO_TCP, DATA((const struct xt_socket_mtinfo1){ .flags = XT_SOCKET_TRANSPARENT }) },
	{ SOCKET_MATCH(2, FAMILY_ANY), DATA((const struct xt_socket_mtinfo2){ .flags = XT_SOCKET_NOWILDCARD }) },
	{ TARGET("CONNMARK", 1, FAMILY_ANY, "mangle"),
	  DATA((const struct xt_connmark_tginfo1){ .ctmark = 5, .ctmask = 0xff, .mode = XT_CONNMARK_SET }) },
	{ TARGET("CONNMARK", 1, FAMILY_ANY, "mangle"),
	  DATA((const struct xt_connmark_tginfo1){ .ctmask = ~0u, .nfmask = 0xf, .mode = XT_CONNMARK_SAVE }) },
	{ TARGET("CONNMARK", 1, FAMILY_ANY, "mangle"),
	  DATA((const struct xt_connmark_tginfo1){ .ctmask = 0xff, .nfmask = ~0u, .mode = XT_CONNMARK_RESTORE }) },
	{ TARGET("NOTRACK", 0, FAMILY_ANY, "raw") },
	{ TARGET("CT", 0, FAMILY_ANY, "raw"), DATA((const struct xt_ct_target_info){ .flags = XT_CT_NOTRACK }) },
	{ TARGET("CT", 0, FAMILY_ANY, "raw"), DATA((const struct xt_ct_target_info){ .zone = 7, .ct_events = 2 }) },
	{ TARGET("CT", 1, FAMILY_ANY, "raw"), DATA((const struct xt_ct_target_info_v1){ .flags = XT_CT_NOTRACK }) },
	{ TARGET("CT", 1, FAMILY_ANY, "raw"), DATA((const struct xt_ct_target_info_v1){ .zone = 7, .helper = "ftp" }), .proto = IPPROTO_TCP },
	{ TARGET("SECMARK", 0, FAMILY_ANY, "mangle"),
	  DATA((const struct xt_secmark_target_info){ .mode = SECMARK_MODE_SEL, .secctx = "system_u:object_r:weir_t:s0" }) },
};

static const char *const remembering_targets[] = {
	"ACCOUNT", "CHAOS", "CLUSTERIP", "CONNSECMARK", "DELUDE", "DNETMAP", "DNPT", "ECHO", "IDLETIMER", "LED", "LOG", "LOGMARK", "NAT46", "NAT64",
	"NFLOG", "NFQUEUE", "RATEEST", "REJECT", "SET", "SNPT", "SYNPROXY", "TARPIT", "TEE", "TPROXY", "TRACE", "ULOG",
};

static const char *const not_here[] = { "set", NULL };			/* no rule with it can be loaded: its sets come with ipset */
static const char *const never_yes[] = { NULL };
static const char *const never_no[] = { "comment", "account", NULL };	/* words; a book-keeper */
static const char *const no_effect[] = { "AUDIT", "CHECKSUM", NULL };	/* a line of the audit log; sums, which are compared nowhere here */

/* --- what rules name --- */

static const struct { const char *name; uint8_t size; } range_files[] = { { "DE.iv4", 4 }, { "DE.iv6", 16 }, { "7.iv4", 4 }, { "7.iv6", 16 } };
static char range_dir[] = "/tmp/weir-depends-XXXXXX";

/* Half of all addresses. */
static void range_file_make(const char *name, uint8_t size)
{
	uint8_t range[32] = { 0 };
	char path[128];
	FILE *file;

	memset(range + size, 0xff, size);
	range[size] = 0x7f;
	snprintf(path, sizeof(path), "%s/%s", range_dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(range, 2 * size, 1, file), 1);
	fclose(file);
}

static void facts_make(struct instance *inst)
{
	static const char line[] = "*:64:0:40:.:Linux:2.4::any", rates[] =
		"*security\n-A FORWARD -j RATEEST --rateest-name RE1 --rateest-interval 250ms --rateest-ewmalog 500ms\nCOMMIT\n";
	struct nf_osf_user_finger finger;
	struct refusal why = { 0 };
	uint32_t id;

	assert_non_null(mkdtemp(range_dir));
	for (size_t i = 0; i < ARRAY_SIZE(range_files); i++)
		range_file_make(range_files[i].name, range_files[i].size);
	assert_int_equal(sysctl_set(inst->sysctls, "net.weir.geoip_dir", range_dir, NULL), 0);
	assert_int_equal(sysctl_set(inst->sysctls, "net.weir.asn_dir", range_dir, NULL), 0);
	assert_int_equal(secctx_add(inst, "system_u:object_r:weir_t:s0", &id, NULL), 0);
	assert_int_equal(acct_add(inst, "few", NFACCT_F_QUOTA_PKTS, 20, NULL), 0);
	assert_int_equal(acct_add(inst, "more", NFACCT_F_QUOTA_PKTS, 50, NULL), 0);
	if (osf_line_parse(line, strlen(line), &finger, &why) || osf_add(inst, &finger, &why) ||
	    rules_restore(inst, NFPROTO_IPV4, rates, strlen(rates), "rates", 0, &why))
		fail_msg("%s", why.text);
}

static void facts_forget(struct instance *inst)
{
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(range_files); i++) {
		snprintf(path, sizeof(path), "%s/%s", range_dir, range_files[i].name);
		remove(path);
	}
	remove(range_dir);
}

#endif
