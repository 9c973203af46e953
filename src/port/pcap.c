/*
 * port/pcap.c - a capture as a wire: its packets come in at the distances in which they were recorded, what is sent is written to
 * another capture. All such ports of an instance share one beginning, the earliest packet of all files, so that a question in one file
 * and its answer in another keep their order.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/write_all.h"
#include "driver/pcap.h"
#include "packet/packet.h"
#include "port/port.h"

enum { OUT_AT = 64 << 10, OUT_MAX = 4 << 20 };

struct pcap_port {
	struct capture *in;		/* NULL: nothing comes in, or all has come */
	struct capture_packet next;	/* borrowed from ->in, until that reads on */
	int64_t first_stamp_ns;		/* INT64_MAX: no packet; stays as it is for the other ports' sake */
	int64_t lag_ns;			/* from a packet's stamp to the moment on the clock when it comes */
	bool is_running;
	int out;			/* -1: what is sent goes nowhere */
	struct pcapng *writer;
	struct strbuf written;		/* and not in the file yet */
	int number;			/* the interface's, in what is written */
	struct refusal why;		/* the file ended in the middle */
};

/* At @at_ns on the clock (0: never) receive() is called. */
static void wake_at(const struct port *port, int64_t at_ns)
{
	const struct itimerspec when = { .it_value = { at_ns / NSEC_PER_SEC, at_ns % NSEC_PER_SEC } };

	timerfd_settime(port->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* The next packet that the captured host received. 1, 0 at the end, negative errno with ->why. */
static int read_on(struct pcap_port *p)
{
	struct refusal why = { 0 };
	int got;

	do
		got = capture_next(p->in, &p->next, &why);
	while (got > 0 && p->next.outbound);
	if (got > 0 && p->next.linktype != LINK_ETHERNET)
		got = refuse(&why, -EINVAL, "packet %llu has no Ethernet header (link type %u): a port is a wire of frames", (unsigned long long)p->next.number,
			     p->next.linktype);
	if (got < 0)
		refuse(&p->why, got, "%s: %s", capture_path(p->in), why.text);	/* the file's name goes with the capture */
	if (got <= 0) {
		capture_close(p->in);
		p->in = NULL;
	}
	return got;
}

static int gather(void *priv, const void *bytes, size_t len)
{
	struct strbuf *written = priv;

	if (written->len + len > OUT_MAX)
		return -ENOSPC;
	sb_add(written, bytes, len);
	return written->failed ? -ENOMEM : 0;
}

/* A disk that is full loses whole bursts, and says so in no way: nor does a wire. */
static void write_out(struct pcap_port *p)
{
	write_all(p->out, p->written.s, p->written.len);
	sb_reset(&p->written);
}

static void pcap_close(struct port *port)
{
	struct pcap_port *p = port->priv;

	if (p->out >= 0) {
		write_out(p);
		close(p->out);
	}
	pcapng_free(p->writer);
	sb_free(&p->written);
	capture_close(p->in);
	if (port->fd >= 0)
		close(port->fd);
	free(p);
}

static int open_output(struct pcap_port *p, const char *path, struct refusal *why)
{
	p->out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (p->out < 0)
		return refuse(why, -errno, "%s: %s", path, strerror(errno));
	p->writer = pcapng_new(gather, &p->written, "weir daemon");
	p->number = p->writer ? pcapng_iface(p->writer, "", LINK_ETHERNET) : -ENOMEM;
	return p->number < 0 ? refuse(why, -ENOMEM, "no memory for a port") : 0;
}

/* "IN", "IN,OUT" or ",OUT". */
static int pcap_open(struct port *port, const char *arg, struct refusal *why)
{
	const char *comma = strchr(arg, ',');
	struct pcap_port *p = calloc(1, sizeof(*p));
	char *path = strndup(arg, comma ? (size_t)(comma - arg) : strlen(arg));
	int err = 0;

	if (!p || !path) {
		free(path);
		free(p);
		return refuse(why, -ENOMEM, "no memory for a port");
	}
	port->priv = p;
	p->out = -1;
	p->first_stamp_ns = INT64_MAX;
	port->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (port->fd < 0)
		err = refuse(why, -errno, "no timer: %s", strerror(errno));
	else if (!*path && (!comma || !comma[1]))
		err = refuse(why, -EINVAL, "pcap: takes a capture to play, one to write, or both: pcap:IN,OUT");
	if (!err && *path) {
		err = capture_open(path, &p->in, &p->why);
		if (err)
			refuse(why, err, "%s: %s", path, p->why.text);
	}
	if (!err && p->in) {
		err = read_on(p);
		if (err > 0) {
			p->first_stamp_ns = p->next.stamp_ns;
			wake_at(port, 1);	/* as soon as somebody looks */
		} else if (err < 0) {
			*why = p->why;
		}
		err = MIN_OF(err, 0);
	}
	if (!err && comma && comma[1])
		err = open_output(p, comma + 1, why);
	free(path);
	if (err)
		pcap_close(port);
	return err;
}

/* Now is when the earliest packet of all captures comes. What is read of other ports here they never change. */
static void begin(struct port *port, struct pcap_port *p)
{
	int64_t earliest = p->first_stamp_ns;

	list_for_each(node, &port->inst->ifaces) {
		const struct port *other = list_entry(node, struct iface, node)->driver_priv;

		if (other && other->driver == &port_pcap)
			earliest = MIN_OF(earliest, ((struct pcap_port *)other->priv)->first_stamp_ns);
	}
	p->lag_ns = clock_ns(CLOCK_MONOTONIC) - earliest;
	p->is_running = true;
}

static int pcap_receive(struct port *port)
{
	struct pcap_port *p = port->priv;
	uint8_t frame[PKT_LEN_MAX];
	uint64_t times;
	int got = 1;

	if (read(port->fd, &times, sizeof(times)) < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!p->in)
		return 0;
	if (!p->is_running)
		begin(port, p);
	for (unsigned int i = 0; i < PKT_BURST_MAX && got > 0 && p->next.stamp_ns + p->lag_ns <= clock_ns(CLOCK_MONOTONIC); i++) {
		if (p->next.len < p->next.wire_len || p->next.len > sizeof(frame)) {
			port->rx_dropped++;	/* a wire has whole frames */
		} else {
			memcpy(frame, p->next.bytes, p->next.len);
			port_frame(port, frame, p->next.len, NULL);
		}
		got = read_on(p);
	}
	if (got > 0)
		wake_at(port, MAX_OF(p->next.stamp_ns + p->lag_ns, 1));
	if (got < 0)
		port->complaint = p->why.text;
	return MIN_OF(got, 0);
}

static void pcap_send(struct port *port, const void *frame, uint32_t len)
{
	struct pcap_port *p = port->priv;

	if (p->out < 0)
		return;
	if (p->written.len >= OUT_AT)
		write_out(p);
	if (pcapng_packet(p->writer, p->number, clock_ns(CLOCK_REALTIME), NULL, 0, frame, len, NULL))
		port->tx_dropped++;
}

static void pcap_flush(struct port *port)
{
	struct pcap_port *p = port->priv;

	if (p->out >= 0 && p->written.len)
		write_out(p);
}

const struct port_driver port_pcap = {
	.name = "pcap", .help = "pcap:IN[,OUT]   the frames of a capture, as fast as they were recorded; what is sent is written to OUT",
	.open = pcap_open, .receive = pcap_receive, .send = pcap_send, .flush = pcap_flush, .close = pcap_close,
};
