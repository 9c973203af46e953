/*
 * bench/kernel/inject.c - pushes frames into the receive path of an interface, and says what a packet costs.
 *
 *	inject OBJECT DEV OUT COUNT RUNS flows=N [random=1] [reply=1] [nat=ADDR] [first=N]
 *
 * One line a run: thread CPU ns a packet, packets that left by OUT for each that came in. Built by bench/kernel/run, not by meson.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct plan {
	unsigned int flows, is_random, is_reply, nat_addr, first;
	unsigned char dst_mac[6], src_mac[6];
};

static void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* out is an ifb: what is sent to it counts as received there. */
static long frames_out(const char *dev)
{
	char path[128];
	FILE *f;
	long n = -1;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/rx_packets", dev);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%ld", &n) != 1)
		die(path);
	fclose(f);
	return n;
}

static void read_mac(const char *dev, unsigned char mac[6])
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(request.ifr_name, dev, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request))
		die(dev);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static size_t plan_offset(struct bpf_object *object)
{
	struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, ".bss", BTF_KIND_DATASEC);
	const struct btf_type *section = btf__type_by_id(btf, (unsigned int)id);
	const struct btf_var_secinfo *var = btf_var_secinfos(section);

	for (int i = 0; i < btf_vlen(section); i++)
		if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, var[i].type)->name_off), "plan"))
			return var[i].offset;
	die("no plan in the object");
	return 0;
}

static void give_plan(struct bpf_object *object, const struct plan *plan)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		unsigned int zero = 0;
		char *bytes;

		if (!strstr(bpf_map__name(map), ".bss"))
			continue;
		bytes = calloc(1, bpf_map__value_size(map));
		if (!bytes || bpf_map_lookup_elem(bpf_map__fd(map), &zero, bytes))
			die("read .bss");
		memcpy(bytes + plan_offset(object), plan, sizeof(*plan));
		if (bpf_map_update_elem(bpf_map__fd(map), &zero, bytes, 0))
			die("write .bss");
		free(bytes);
	}
}

static void read_word(struct plan *plan, const char *word)
{
	const char *equal = strchr(word, '=');
	unsigned int value = equal ? (unsigned int)strtoul(equal + 1, NULL, 0) : 0;

	if (!strncmp(word, "flows=", 6))
		plan->flows = value;
	else if (!strncmp(word, "random=", 7))
		plan->is_random = value;
	else if (!strncmp(word, "reply=", 6))
		plan->is_reply = value;
	else if (!strncmp(word, "nat=", 4))
		plan->nat_addr = value;
	else if (!strncmp(word, "first=", 6))
		plan->first = value;
	else
		die(word);
}

int main(int argc, char **argv)
{
	struct plan plan = { .flows = 1, .src_mac = { 2, 0, 0, 0, 0, 9 } };
	struct bpf_object *object;
	int index, program, pass;
	unsigned int count, runs;

	if (argc < 6) {
		fprintf(stderr, "usage: inject OBJECT DEV OUT COUNT RUNS KEY=VALUE...\n");
		return 2;
	}
	count = (unsigned int)strtoul(argv[4], NULL, 0);
	runs = (unsigned int)strtoul(argv[5], NULL, 0);
	for (int i = 6; i < argc; i++)
		read_word(&plan, argv[i]);
	read_mac(argv[2], plan.dst_mac);
	index = (int)if_nametoindex(argv[2]);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object))
		die(argv[1]);
	program = bpf_program__fd(bpf_object__find_program_by_name(object, "inject"));
	pass = bpf_program__fd(bpf_object__find_program_by_name(object, "pass"));
	bpf_xdp_attach(index, pass, XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
	give_plan(object, &plan);
	for (unsigned int run = 0; run < runs; run++) {
		char frame[60] = { 0 };
		struct xdp_md context = { .data_end = sizeof(frame), .ingress_ifindex = (unsigned int)index };
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = (int)count, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			    .batch_size = 64);
		long before = frames_out(argv[3]);
		double begin = cpu_ns();

		if (bpf_prog_test_run_opts(program, &options))
			die("BPF_PROG_TEST_RUN");
		printf("%.1f %.3f\n", (cpu_ns() - begin) / count, (double)(frames_out(argv[3]) - before) / count);
	}
	bpf_object__close(object);
	return 0;
}
