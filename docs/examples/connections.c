/* connections.c - who talks to whom: cc connections.c $(pkg-config --cflags --libs weir) */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

static void event(void *priv, enum weir_event what, const struct weir_ct *ct, const char *line)
{
	puts(line);
}

/* Ends what goes to port 23, and shows the rest. */
static bool look(void *priv, struct weir_ct *ct)
{
	struct weir_tuple t;
	char src[INET6_ADDRSTRLEN];

	weir_ct_tuple(ct, WEIR_ORIGINAL, &t);
	inet_ntop(t.family == NFPROTO_IPV4 ? AF_INET : AF_INET6, t.src, src, sizeof(src));
	if (t.dst_port == 23)
		weir_ct_end(priv, ct);
	else
		printf("%s talks to port %u: %s\n", src, t.dst_port, weir_ct_state(ct));
	return true;
}

int main(void)
{
	struct weir_observer observer = { .conntrack = event };
	struct weir_ct_request wanted = { .original = { .family = NFPROTO_IPV4, .proto = IPPROTO_TCP, .src_port = 1000 },
					  .has_timeout = true, .timeout = 60, .has_tcp_state = true, .tcp_state = 3 };
	struct weir_error error;
	struct weir *host = weir_open(1, 0, &error);

	if (!host) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	weir_observe(host, &observer);
	inet_pton(AF_INET, "10.0.0.2", wanted.original.src);
	inet_pton(AF_INET, "10.1.0.2", wanted.original.dst);
	for (wanted.original.dst_port = 22; wanted.original.dst_port <= 24; wanted.original.dst_port++) {
		if (weir_ct_create(host, &wanted, &error)) {
			fprintf(stderr, "%s\n", error.text);
			return 1;
		}
	}
	weir_ct_each(host, look, host);
	weir_advance(host, 61000000000);	/* their time is over */
	printf("%u left\n", weir_ct_count(host));
	weir_close(host);
	return 0;
}
