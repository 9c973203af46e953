/*
 * cli/snapshot_cmd.c - `weir snapshot`: a running daemon's instance, or this host's own network namespace, as the directory that
 * `weir run` and `weir daemon` read. Each line is tried on an instance first: what weir would refuse later is listed now.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "cli/daemon_state.h"
#include "cli/follow.h"
#include "cli/remote.h"
#include "cli/sink.h"
#include "daemon/rtnl.h"

static const char help[] =
"usage: weir snapshot DIR                       this host: its network namespace, as the caller sees it\n"
"       weir snapshot --instance NAME DIR       the instance of a running daemon (--socket PATH: where it listens)\n"
"\n"
"Writes net.ip, sysctl.conf, rules.v4, rules.v6 (and nfct.conf, connlabel.conf, host of an instance) into DIR, which must be\n"
"new or empty. What weir does not model is listed, and left out; the exit code is then 1. Rules are those of the legacy tables\n"
"(iptables-legacy-save) or, when there are none, what iptables-nft-save prints.\n";

struct taking {
	struct instance *scratch;
	struct snapshot_texts texts;
	struct rtnl_rules_seen rules;
	unsigned int findings;
};

static void find(struct taking *t, const char *what, const char *text)
{
	fprintf(stderr, "weir snapshot: %s%s%s\n", text ? text : "", text ? ": " : "", what);
	t->findings++;
}

static bool dir_is_new(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool is_empty = true;

	if (!d)
		return errno == ENOENT;
	while ((entry = readdir(d)))
		is_empty &= !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
	closedir(d);
	return is_empty;
}

/* --- links, addresses, routes, rules, neighbours --- */

static void on_line(void *priv, const struct rtnl_line *line)
{
	struct taking *t = priv;
	struct refusal why = { 0 };

	if (line->unknown)
		find(t, line->unknown, NULL);
	if (!line->text || rtnl_rule_comes_by_itself(&t->rules, line))
		return;
	if (follow_line(t->scratch, line, &why)) {
		find(t, why.text, line->text);
		return;
	}
	sb_printf(&t->texts.part[PART_NET], "%s\n", line->text);
}

static int take_net(struct taking *t, struct refusal *why)
{
	struct rtnl *rtnl = rtnl_open(false, why);
	int err = rtnl ? rtnl_dump(rtnl, on_line, t, why) : why->err;

	rtnl_close(rtnl);
	if (!err)
		rtnl_rules_missing(&t->rules, &t->texts.part[PART_NET]);
	return err;
}

/* --- settings --- */

/* "net.ipv4.conf.eth0/5.mtu" is net/ipv4/conf/eth0.5/mtu. */
static bool host_setting(const char *name, struct strbuf *out)
{
	struct strbuf path = STRBUF_INIT;
	char text[512];
	FILE *file;
	size_t n;

	sb_adds(&path, "/proc/sys/");
	for (; *name; name++)
		sb_addc(&path, *name == '.' ? '/' : *name == '/' ? '.' : *name);
	file = fopen(sb_str(&path), "re");
	sb_free(&path);
	if (!file)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	sb_add(out, text, n);
	return n > 0;
}

static bool same_words(const char *a, const char *b)
{
	for (;; a++, b++) {
		bool blank = isspace((unsigned char)*a) && isspace((unsigned char)*b);

		if (*a != *b && !blank)
			return false;
		if (!*a)
			return true;
	}
}

struct setting { struct taking *taking; bool of_ifaces; struct strbuf host, own; char **names; size_t count; };

static bool note_name(void *priv, const struct sysctl *ctl)
{
	struct setting *s = priv;
	char **more;

	if (ctl->read_only || setting_is_of_iface(ctl->name) != s->of_ifaces)
		return true;
	more = realloc(s->names, (s->count + 1) * sizeof(*more));
	if (!more)
		return false;
	s->names = more;
	s->names[s->count] = strdup(ctl->name);
	return s->names[s->count++] != NULL;
}

static void take_setting(struct setting *s, const char *name)
{
	struct taking *t = s->taking;
	struct refusal why = { 0 };

	sb_reset(&s->host);
	sb_reset(&s->own);
	if (!host_setting(name, &s->host) || sysctl_get(t->scratch->sysctls, name, &s->own, NULL) ||
	    same_words(sb_str(&s->host), sb_str(&s->own)))
		return;
	if (sysctl_set(t->scratch->sysctls, name, sb_str(&s->host), &why))
		find(t, why.text, NULL);
	else
		sb_printf(&t->texts.part[PART_SYSCTL], "%s = %s\n", name, sb_str(&s->host));
}

static void take_settings(struct taking *t)
{
	for (int of_ifaces = 0; of_ifaces < 2; of_ifaces++) {
		struct setting s = { .taking = t, .of_ifaces = of_ifaces };

		sysctl_each(t->scratch->sysctls, note_name, &s);	/* setting one may bring others */
		for (size_t i = 0; i < s.count; i++) {
			take_setting(&s, s.names[i]);
			free(s.names[i]);
		}
		free(s.names);
		sb_free(&s.host);
		sb_free(&s.own);
	}
}

/* --- rules --- */

/* What a program prints; false: it is not there, or failed. */
static bool output_of(const char *program, struct strbuf *out)
{
	char command[64], chunk[4096];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "%s -c 2>/dev/null", program);
	pipe = popen(command, "re");
	if (!pipe)
		return false;
	while ((n = fread(chunk, 1, sizeof(chunk), pipe)))
		sb_add(out, chunk, n);
	return pclose(pipe) == 0;
}

static bool has_tables(const struct strbuf *text) { return text->len && (*text->s == '*' || strstr(text->s, "\n*")); }

static void on_refusal(void *priv, const struct refusal *why)
{
	struct taking *t = priv;

	report_refusal("weir snapshot", why);
	t->findings++;
}

static void take_rules(struct taking *t, uint8_t family, struct strbuf *out)
{
	const bool six = family == NFPROTO_IPV6;
	struct strbuf nft = STRBUF_INIT;
	bool legacy = output_of(six ? "ip6tables-legacy-save" : "iptables-legacy-save", out);
	bool other = output_of(six ? "ip6tables-nft-save" : "iptables-nft-save", &nft);

	if (!legacy && !other)
		find(t, six ? "no ip6tables-legacy-save and no ip6tables-nft-save: IPv6 rules are left out" :
		     "no iptables-legacy-save and no iptables-nft-save: rules are left out", NULL);
	if (has_tables(out) && has_tables(&nft))
		find(t, "there are rules of nftables, too: left out", six ? "ip6tables" : "iptables");
	else if (!has_tables(out) && has_tables(&nft)) {
		sb_reset(out);
		sb_add(out, nft.s, nft.len);
	}
	if (nft.len && strstr(nft.s, "is incompatible"))
		find(t, "nftables has tables that iptables cannot show: left out", six ? "ip6tables" : "iptables");
	if (out->len && rules_check(t->scratch, family, out->s, out->len, six ? "rules.v6" : "rules.v4", on_refusal, t) < 0)
		t->findings++;
	sb_free(&nft);
}

/* --- --- */

static int take_host(struct taking *t, struct refusal *why)
{
	int err;

	t->scratch = instance_new(1, 0, why);
	if (!t->scratch)
		return -ENOMEM;
	t->scratch->trusts_sets = true;
	err = take_net(t, why);
	if (err)
		return err;
	take_settings(t);
	take_rules(t, NFPROTO_IPV4, &t->texts.part[PART_RULES4]);
	take_rules(t, NFPROTO_IPV6, &t->texts.part[PART_RULES6]);
	return 0;
}

static int take_instance(const char *instance, struct taking *t, struct refusal *why)
{
	struct strbuf words = STRBUF_INIT, bytes = STRBUF_INIT;
	struct kept kept = { .orderly = false };
	struct wire_record reply;
	int err;

	sb_add(&words, "snapshot", 9);
	err = remote_call("snapshot", instance, &words, &reply);
	sb_free(&words);
	if (err)
		return err;
	if (reply.head.a) {
		remote_print(&reply);
		return -EIO;
	}
	sb_add(&bytes, (const char *)reply.data, reply.head.b);
	wire_record_free(&reply);
	err = kept_open(&kept, &bytes, "the daemon's state", why);
	if (!err) {
		t->texts = kept.texts;
		kept.texts = (struct snapshot_texts){ 0 };
	}
	kept_free(&kept);
	return err;
}

int cmd_snapshot(int argc, char **argv)
{
	const char *instance = NULL, *dir = NULL;
	struct taking t = { .scratch = NULL };
	struct refusal why = { 0 };
	int err;

	for (int i = 1; i < argc; i++) {
		switch (remote_word(argc, argv, &i, help, &instance)) {
		case REMOTE_HELPED:
			return EXIT_DONE;
		case REMOTE_TAKEN:
			continue;
		case REMOTE_OTHER:
			break;
		}
		if (argv[i][0] == '-' || dir) {
			fprintf(stderr, "weir snapshot: \"%s\" is not understood\n      weir snapshot --help\n", argv[i]);
			return EXIT_USAGE;
		}
		dir = argv[i];
	}
	if (!dir || !dir_is_new(dir)) {
		fprintf(stderr, dir ? "weir snapshot: %s holds something already\n" : "weir snapshot: into which directory?\n", dir);
		return EXIT_USAGE;
	}
	err = instance ? take_instance(instance, &t, &why) : take_host(&t, &why);
	if (!err)
		err = snapshot_texts_write(&t.texts, dir, &why);
	if (err && why.text[0])
		report_refusal("weir snapshot", &why);
	snapshot_texts_free(&t.texts);
	if (t.scratch)
		instance_free(t.scratch);
	return err ? EXIT_INPUT : t.findings ? EXIT_FINDINGS : EXIT_DONE;
}
