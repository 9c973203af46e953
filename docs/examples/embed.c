/* embed.c - a firewall in twenty lines: cc embed.c $(pkg-config --cflags --libs weir) */
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

static void dropped(void *priv, const struct weir_pkt *pkt, const char *reason, const char *sentence)
{
	printf("packet %llu dropped: %s\n", (unsigned long long)weir_pkt_serial(pkt), sentence);
}

int main(void)
{
	static const unsigned char syn[] = "E\0\0(\0\1\0\0@\6f\313\12\0\0\2\12\1\0\2\3\350\0\27\0\0\0\1\0\0\0\0P\2\x20\0\0\0\0\0";
	struct weir_frame frame = { syn, sizeof(syn) - 1 };
	struct weir_observer observer = { .drop = dropped };
	struct weir_error error;
	struct weir *fw = weir_open(1, 0, &error);
	char *rules;

	if (!fw || weir_ip(fw, "tuntap add tun0 mode tun\ntuntap add tun1 mode tun\nlink set tun0 up\nlink set tun1 up\n"
			       "addr add 10.0.0.1/24 dev tun0\naddr add 10.1.0.1/24 dev tun1\n", &error) ||
	    weir_sysctl_set(fw, "net.ipv4.ip_forward", "1", &error) ||
	    weir_rules_restore(fw, NFPROTO_IPV4, "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n", 0, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	weir_observe(fw, &observer);
	weir_receive(fw, "tun0", &frame, 1);
	rules = weir_rules_save(fw, NFPROTO_IPV4, true);
	fputs(rules, stdout);
	free(rules);
	weir_close(fw);
	return 0;
}
