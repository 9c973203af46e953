/*
 * cli/inputs.c - several captures as one stream in the order of time.
 * Each capture shows its next packet; the earliest of them comes first, and among equals the capture that was
 * named first. Within one file the file's own order counts: what is stamped earlier than the packet before it
 * is taken at once, and said once.
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/late.h"
#include "cli/run.h"

#define PCAP_CALLS(X) X(pcap_open_dead) X(pcap_compile) X(pcap_geterr) X(pcap_close) X(pcap_freecode) X(pcap_offline_filter)
/* libpcap's compiler of filters, opened when a filter is asked for */
struct pcap_calls { LATE_CALLS(PCAP_CALLS) };

/* The name that libpcap's compiler has for a link type of files. */
static int dlt_of(uint32_t linktype)
{
	switch (linktype) {
	case LINK_RAW: case LINK_RAW_12: case LINK_RAW_14: return DLT_RAW;
	case LINK_NULL: return DLT_NULL;
	case LINK_LOOP: return DLT_LOOP;
	case LINK_LINUX_SLL: return DLT_LINUX_SLL;
#ifdef DLT_LINUX_SLL2
	case LINK_LINUX_SLL2: return DLT_LINUX_SLL2;
#endif
	case LINK_IPV4: return DLT_IPV4;
	case LINK_IPV6: return DLT_IPV6;
	default: return DLT_EN10MB;
	}
}

static int filter_compile(struct inputs *in, uint32_t linktype, struct bpf_program **out, struct refusal *why)
{
	struct bpf_program *program;
	pcap_t *dead;
	int err = 0;

	for (unsigned int i = 0; i < in->filter_count; i++)
		if (in->filters[i].linktype == linktype) {
			*out = in->filters[i].program;
			return 0;
		}
	if (in->filter_count == ARRAY_SIZE(in->filters))
		return refuse(why, -E2BIG, "-f: more than %zu link types in one run", ARRAY_SIZE(in->filters));
	if (!in->pcap) {
		in->pcap = calloc(1, sizeof(*in->pcap));
		err = in->pcap ? late_open("libpcap.so.0.8 libpcap.so.1", LATE_NAMES(PCAP_CALLS), in->pcap, sizeof(*in->pcap), why) :
				 refuse(why, -ENOMEM, "-f: no memory");
		if (err)
			return err;
	}
	program = calloc(1, sizeof(*program));
	dead = in->pcap->pcap_open_dead(dlt_of(linktype), CAPTURE_PACKET_MAX);
	if (!program || !dead)
		err = refuse(why, -ENOMEM, "-f: no memory");
	else if (in->pcap->pcap_compile(dead, program, in->options->filter, 1, PCAP_NETMASK_UNKNOWN))
		err = refuse(why, -EINVAL, "-f \"%s\": %s", in->options->filter, in->pcap->pcap_geterr(dead));
	if (dead)
		in->pcap->pcap_close(dead);
	if (err) {
		free(program);
		return err;
	}
	in->filters[in->filter_count].linktype = linktype;
	in->filters[in->filter_count++].program = program;
	*out = program;
	return 0;
}

/* 1 the filter matches, 0 it does not. */
static int filter_match(struct inputs *in, const struct capture_packet *pkt, struct refusal *why)
{
	struct pcap_pkthdr header = { .caplen = pkt->len, .len = pkt->wire_len };
	struct bpf_program *program;
	int err = filter_compile(in, pkt->linktype, &program, why);

	return err ? err : in->pcap->pcap_offline_filter(program, &header, pkt->bytes) != 0;
}

/* 1 the head is taken, 0 it is passed over; negative: refused. */
static int head_check(struct inputs *in, struct input *input, struct refusal *why)
{
	int r = 1;

	if (input->is_local && !linktype_is_ip(input->head->linktype))
		return refuse_at(why, (struct text_pos){ .file = input->path }, -EINVAL,
				 "packet %llu: --local takes raw IP packets, not link type %u (%s)",
				 (unsigned long long)input->head->number, input->head->linktype,
				 linktype_name(input->head->linktype));
	if (in->options->filter)
		r = filter_match(in, input->head, why);
	input->filtered += r == 0;
	return r;
}

int input_refill(struct inputs *in, struct input *input, struct refusal *why)
{
	const bool is_looked_at = input->is_local || in->options->filter;
	int r;

	input->head = input->heads;
	do {
		r = capture_next_many(input->cap, input->heads, is_looked_at ? 1 : INPUT_HEADS, why);
		input->heads_end = input->heads + MAX_OF(r, 0);
		if (r > 0 && is_looked_at)
			r = head_check(in, input, why);
		else if (r <= 0)
			break;
	} while (r == 0);
	if (r <= 0) {
		in->next_ns[input - in->list] = INT64_MAX;
		return r;
	}
	input_show(in, input);
	return 0;
}

static int input_open(struct inputs *in, const char *path, const char *port, bool is_local, struct refusal *why)
{
	struct input *input = &in->list[in->count];
	int err;

	input->path = path;
	input->port = port;
	input->is_local = is_local;
	input->last_ns = INT64_MIN;
	input->head = input->heads_end = input->heads;
	in->next_ns[in->count] = INT64_MAX;
	err = capture_open(path, &input->cap, why);
	if (err)
		return err;
	in->count++;
	return input_refill(in, input, why);
}

int inputs_open(struct inputs *in, struct run_options *options, struct refusal *why)
{
	struct bpf_program *program;
	int err = 0;

	*in = (struct inputs){ .options = options };
	in->list = calloc(options->port_count + options->local_count + 1, sizeof(*in->list));
	in->next_ns = calloc(options->port_count + options->local_count + 1, sizeof(*in->next_ns));
	if (!in->list || !in->next_ns)
		return refuse(why, -ENOMEM, "no memory for the inputs");
	if (options->filter)		/* a wrong expression is wrong without packets, too */
		err = filter_compile(in, LINK_ETHERNET, &program, why);
	for (unsigned int i = 0; i < options->port_count && !err; i++)
		err = input_open(in, options->ports[i].path, options->ports[i].iface, false, why);
	for (unsigned int i = 0; i < options->local_count && !err; i++)
		err = input_open(in, options->locals[i], NULL, true, why);
	return err;
}

void inputs_close(struct inputs *in)
{
	for (unsigned int i = 0; i < in->count; i++) {
		capture_close(in->list[i].cap);
		free(in->list[i].ifaces);
	}
	for (unsigned int i = 0; i < in->filter_count; i++) {
		in->pcap->pcap_freecode(in->filters[i].program);
		free(in->filters[i].program);
	}
	free(in->pcap);
	in->pcap = NULL;
	free(in->list);
	in->list = NULL;
	free(in->next_ns);
	in->next_ns = NULL;
	in->count = 0;
}

/* What the snapshot calls an interface that a capture names. */
static const char *mapped(const struct inputs *in, const char *name)
{
	for (unsigned int i = 0; i < in->options->map_count; i++)
		if (strcmp(in->options->maps[i].path, name) == 0)
			return in->options->maps[i].iface;
	return name;
}

struct iface *input_iface_find(struct inputs *in, struct input *input, struct instance *inst, struct refusal *why)
{
	uint32_t index = input->head->iface;
	struct text_pos at = { .file = input->path };
	const char *name;

	if (index >= input->iface_count) {
		uint32_t count = capture_iface_count(input->cap);
		struct iface **grown = realloc(input->ifaces, count * sizeof(struct iface *));

		if (!grown) {
			refuse(why, -ENOMEM, "no memory for interfaces");
			return NULL;
		}
		memset(grown + input->iface_count, 0, (count - input->iface_count) * sizeof(struct iface *));
		input->ifaces = grown;
		input->iface_count = count;
	}
	name = input->port ? input->port : mapped(in, capture_iface(input->cap, index)->name);
	if (!*name) {
		refuse_at(why, at, -EINVAL, "packet %llu: the capture does not name its interfaces: give it as -i IFACE=%s",
			  (unsigned long long)input->head->number, input->path);
		return NULL;
	}
	input->ifaces[index] = iface_find(inst, name);
	if (input->ifaces[index] && input->ifaces[index]->type != ARPHRD_ETHER && !linktype_is_ip(input->head->linktype)) {
		input->ifaces[index] = NULL;
		refuse_at(why, at, -EINVAL, "holds %s frames, but %s is a device of raw IP packets",
			  linktype_name(input->head->linktype), name);
		return NULL;
	}
	if (!input->ifaces[index])
		refuse_at(why, at, -ENODEV, input->port ? "interface %s is gone or not in the snapshot" :
			  "its interface \"%s\" is not in the snapshot: add --map %s=IFACE", name, name);
	return input->ifaces[index];
}

void inputs_forget_ifaces(struct inputs *in)
{
	for (unsigned int i = 0; i < in->count; i++)
		if (in->list[i].ifaces)
			memset(in->list[i].ifaces, 0, in->list[i].iface_count * sizeof(struct iface *));
}

unsigned short inputs_port_type(void *priv, const char *name)
{
	struct inputs *in = priv;
	unsigned short type = 0;

	for (unsigned int i = 0; i < in->count; i++) {
		struct input *input = &in->list[i];

		for (uint32_t k = 0; k < capture_iface_count(input->cap) && !input->is_local; k++) {
			const struct capture_iface *iface = capture_iface(input->cap, k);

			if (strcmp(input->port ? input->port : mapped(in, iface->name), name) != 0)
				continue;
			if (!linktype_is_ip(iface->linktype))
				return ARPHRD_ETHER;
			type = ARPHRD_NONE;
		}
		if (!input->is_local && input->port && !type && strcmp(input->port, name) == 0)
			type = ARPHRD_ETHER;	/* an empty capture without interfaces */
	}
	return type;
}

void inputs_progress(const struct inputs *in, uint64_t *done, uint64_t *total)
{
	bool known = true;

	*done = *total = 0;
	for (unsigned int i = 0; i < in->count; i++) {
		uint64_t size = capture_size(in->list[i].cap);

		*done += capture_offset(in->list[i].cap);
		*total += size;
		known = known && size;
	}
	if (!known)
		*total = 0;
}
