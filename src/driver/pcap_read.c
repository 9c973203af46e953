/*
 * driver/pcap_read.c - reads captures: the window on the file, and the classic pcap format.
 *
 * libpcap hides pcapng's interface names and reads only one link type a file, so the formats are read
 * here. The file is seen through a window that grows to one packet at most: memory does not depend on
 * the capture's size, and pipes work.
 */
#include "driver/pcap_internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WINDOW_BYTES = 1 << 16,		/* stays in the second cache beside everything else */
	PCAP_FILE_HEADER = 24,
	PCAP_RECORD_HEADER = 16,
	PCAP_LINKTYPE_MASK = 0x03ffffff,
	PCAP_FCS_PRESENT = 0x04000000,
};

static const uint32_t magic_usec = 0xa1b2c3d4, magic_nsec = 0xa1b23c4d, magic_pcapng = 0x0a0d0d0a,
		      magic_kuznetzov = 0xa1b2cd34;

int capture_refuse(const struct capture *cap, struct refusal *why, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return refuse_at(why, (struct text_pos){ .file = cap->path }, -EINVAL, "byte %llu, packet %llu: %s",
			 (unsigned long long)cap->offset, (unsigned long long)cap->number + 1, text);
}

int capture_need(struct capture *cap, size_t n, struct refusal *why)
{
	if (capture_left(cap) >= n)
		return 1;
	if (cap->at_end)
		return 0;
	if (cap->start) {
		memmove(cap->buf, cap->buf + cap->start, capture_left(cap));
		cap->end -= cap->start;
		cap->start = 0;
	}
	if (n > cap->cap) {
		size_t room = MAX_OF(n, (size_t)WINDOW_BYTES);
		uint8_t *buf = realloc(cap->buf, room);

		if (!buf)
			return refuse_at(why, (struct text_pos){ .file = cap->path }, -ENOMEM, "no memory to read it");
		cap->buf = buf;
		cap->cap = room;
	}
	while (cap->end < n) {
		ssize_t got = read(cap->fd, cap->buf + cap->end, cap->cap - cap->end);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse_at(why, (struct text_pos){ .file = cap->path }, -errno, "cannot be read: %s",
					 strerror(errno));
		if (got == 0) {
			cap->at_end = true;
			return 0;
		}
		cap->end += (size_t)got;
	}
	return 1;
}

int capture_skip(struct capture *cap, uint64_t n, struct refusal *why)
{
	while (n > 0) {
		size_t step = MIN_OF(n, (uint64_t)WINDOW_BYTES);
		int r = capture_need(cap, step, why);

		if (r <= 0)
			return r;
		capture_advance(cap, step);
		n -= step;
	}
	return 1;
}

struct capture_iface *capture_iface_add(struct capture *cap, struct refusal *why)
{
	struct capture_iface *iface;

	if (cap->iface_count == CAPTURE_IFACES_MAX) {
		capture_refuse(cap, why, "more than %d interface descriptions", CAPTURE_IFACES_MAX);
		return NULL;
	}
	if (cap->iface_count == cap->iface_room) {
		uint32_t room = cap->iface_room ? cap->iface_room * 2 : 4;
		struct capture_iface *grown = realloc(cap->ifaces, room * sizeof(*grown));

		if (!grown) {
			refuse(why, -ENOMEM, "no memory for the capture's interfaces");
			return NULL;
		}
		cap->ifaces = grown;
		cap->iface_room = room;
	}
	iface = &cap->ifaces[cap->iface_count++];
	memset(iface, 0, sizeof(*iface));
	return iface;
}

/* Compressed captures are common enough to name them. */
static const char *compression_of(const uint8_t *p)
{
	static const struct { uint8_t magic[4], len; const char *tool; } known[] = {
		{ { 0x1f, 0x8b }, 2, "gzip" },
		{ { 'B', 'Z', 'h' }, 3, "bzip2" },
		{ { 0xfd, '7', 'z', 'X' }, 4, "xz" },
		{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, "zstd" },
		{ { 0x04, 0x22, 0x4d, 0x18 }, 4, "lz4" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (memcmp(p, known[i].magic, known[i].len) == 0)
			return known[i].tool;
	return NULL;
}

static int pcap_read_head(struct capture *cap, struct refusal *why)
{
	struct capture_iface *iface;
	const uint8_t *p;
	uint32_t link;
	int r = capture_need(cap, PCAP_FILE_HEADER, why);

	if (r <= 0)
		return r < 0 ? r : capture_refuse(cap, why, "the file ends inside its header (%zu of %d bytes)",
						  capture_left(cap), PCAP_FILE_HEADER);
	p = capture_at(cap);
	if (capture_u16(cap, p + 4) != 2)
		return capture_refuse(cap, why, "pcap version %u.%u is not known (2.4 is)",
				      capture_u16(cap, p + 4), capture_u16(cap, p + 6));
	iface = capture_iface_add(cap, why);
	if (!iface)
		return why ? why->err : -ENOMEM;
	link = capture_u32(cap, p + 20);
	iface->linktype = link & PCAP_LINKTYPE_MASK;
	if (link & PCAP_FCS_PRESENT)
		iface->fcs_len = (uint8_t)(link >> 28) * 2;
	iface->snaplen = capture_u32(cap, p + 16);
	cap->frac_ns = cap->nanosec ? 1 : 1000;
	cap->frac_end = NSEC_PER_SEC / cap->frac_ns;
	cap->is_plain = !cap->swapped && iface->linktype == LINK_ETHERNET && !iface->fcs_len;
	capture_advance(cap, PCAP_FILE_HEADER);
	return 0;
}

/* The record that nearly all are: it lies in the window and nothing is wrong with it. false: nothing is said, nothing done. */
static inline bool read_plain(struct capture *cap, struct capture_packet *pkt)
{
	const uint8_t *p = capture_at(cap);
	const size_t left = capture_left(cap);
	uint32_t head[4];	/* seconds, fraction, bytes here, bytes on the wire */

	if (unlikely(left < sizeof(head)))
		return false;
	memcpy(head, p, sizeof(head));
	if (unlikely(head[1] >= cap->frac_end || head[2] > CAPTURE_PACKET_MAX || head[2] > left - sizeof(head)))
		return false;
	*pkt = (struct capture_packet){
		.bytes = p + sizeof(head), .len = head[2], .wire_len = MAX_OF(head[3], head[2]),
		.stamp_ns = (int64_t)head[0] * NSEC_PER_SEC + (int64_t)head[1] * cap->frac_ns,
		.linktype = LINK_ETHERNET, .number = ++cap->number, .offset = cap->offset,
	};
	capture_advance(cap, sizeof(head) + head[2]);
	cap->ifaces[0].packets++;
	return true;
}

static int pcap_read_next(struct capture *cap, struct capture_packet *pkt, struct refusal *why)
{
	struct capture_iface *iface = &cap->ifaces[0];
	uint32_t sec, frac, len, wire_len;
	const uint8_t *p;
	int r = capture_has(cap, PCAP_RECORD_HEADER, why);

	if (r < 0)
		return r;
	if (r == 0) {
		if (capture_left(cap) == 0)
			return 0;
		return capture_refuse(cap, why, "the capture is truncated: %zu of %d bytes of a record header",
				      capture_left(cap), PCAP_RECORD_HEADER);
	}
	p = capture_at(cap);
	sec = capture_u32(cap, p);
	frac = capture_u32(cap, p + 4);
	len = capture_u32(cap, p + 8);
	wire_len = capture_u32(cap, p + 12);
	if (len > CAPTURE_PACKET_MAX)
		return capture_refuse(cap, why, "the capture is corrupt: a packet of %u bytes (at most %d)", len,
				      CAPTURE_PACKET_MAX);
	if (frac >= cap->frac_end)
		return capture_refuse(cap, why, "the capture is corrupt: %u %s in a time stamp", frac,
				      cap->nanosec ? "nanoseconds" : "microseconds");
	r = capture_has(cap, PCAP_RECORD_HEADER + (size_t)len, why);
	if (r < 0)
		return r;
	if (r == 0)
		return capture_refuse(cap, why, "the capture is truncated: %zu of %u bytes of a packet",
				      capture_left(cap) - PCAP_RECORD_HEADER, len);
	*pkt = (struct capture_packet){
		.bytes = capture_at(cap) + PCAP_RECORD_HEADER, .len = len, .wire_len = MAX_OF(wire_len, len),
		.stamp_ns = (int64_t)sec * NSEC_PER_SEC + (int64_t)frac * cap->frac_ns,
		.linktype = iface->linktype, .iface = 0, .offset = cap->offset, .swapped = cap->swapped,
	};
	capture_advance(cap, PCAP_RECORD_HEADER + (size_t)len);
	return 1;
}

static int read_magic(struct capture *cap, struct refusal *why)
{
	struct text_pos at = { .file = cap->path };
	uint32_t magic, other;
	const char *tool;
	int r = capture_need(cap, 4, why);

	if (r < 0)
		return r;
	if (r == 0)
		return capture_left(cap) == 0 ? refuse_at(why, at, -EINVAL, "the file is empty, not a capture") :
						refuse_at(why, at, -EINVAL, "is neither pcap nor pcapng (%zu bytes)",
							  capture_left(cap));
	memcpy(&magic, capture_at(cap), sizeof(magic));
	other = __builtin_bswap32(magic);
	if (magic == magic_pcapng) {
		cap->format = CAPTURE_PCAPNG;
		return pcapng_read_head(cap, why);
	}
	cap->format = CAPTURE_PCAP;
	cap->swapped = other == magic_usec || other == magic_nsec;
	cap->nanosec = magic == magic_nsec || other == magic_nsec;
	if (cap->swapped || cap->nanosec || magic == magic_usec)
		return pcap_read_head(cap, why);
	if (magic == magic_kuznetzov || other == magic_kuznetzov)
		return refuse_at(why, at, -EINVAL,
				 "is in the modified pcap format of old libpcap patches: convert it with editcap -F pcapng");
	tool = compression_of(capture_at(cap));
	if (tool)
		return refuse_at(why, at, -EINVAL, "is compressed: unpack it first with %s -dc", tool);
	return refuse_at(why, at, -EINVAL, "is neither pcap nor pcapng");
}

static struct capture *capture_alloc(const char *path, struct refusal *why)
{
	struct capture *cap = calloc(1, sizeof(*cap));

	if (cap)
		cap->path = strdup(path);
	if (!cap || !cap->path) {
		free(cap);
		refuse(why, -ENOMEM, "no memory to open %s", path);
		return NULL;
	}
	cap->fd = -1;
	return cap;
}

int capture_open(const char *path, struct capture **out, struct refusal *why)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct capture *cap;
	struct stat st;
	int err, fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return refuse_at(why, (struct text_pos){ .file = path }, -errno, "cannot be opened: %s", strerror(errno));
	cap = capture_alloc(is_stdin ? "<stdin>" : path, why);
	if (!cap) {
		if (!is_stdin)
			close(fd);
		return -ENOMEM;
	}
	cap->fd = fd;
	cap->close_fd = !is_stdin;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		cap->size = (uint64_t)st.st_size;
	err = read_magic(cap, why);
	if (err) {
		if (why && why->at.file == cap->path)
			why->at.file = path;	/* the caller's name outlives the capture */
		capture_close(cap);
		return err;
	}
	*out = cap;
	return 0;
}

int capture_open_bytes(const char *name, const void *bytes, size_t len, struct capture **out, struct refusal *why)
{
	struct capture *cap = capture_alloc(name, why);
	int err;

	if (!cap)
		return -ENOMEM;
	cap->buf = (uint8_t *)(uintptr_t)bytes;	/* only read: at_end keeps capture_need() from writing */
	cap->end = cap->cap = cap->size = len;
	cap->at_end = true;
	err = read_magic(cap, why);
	if (err) {
		if (why && why->at.file == cap->path)
			why->at.file = name;
		capture_close(cap);
		return err;
	}
	*out = cap;
	return 0;
}

void capture_close(struct capture *cap)
{
	if (!cap)
		return;
	if (cap->fd >= 0)
		free(cap->buf);
	if (cap->close_fd)
		close(cap->fd);
	free(cap->ifaces);
	free(cap->path);
	free(cap);
}

static __attribute__((noinline)) int read_any(struct capture *cap, struct capture_packet *pkt, struct refusal *why)
{
	struct capture_iface *iface;
	int r = cap->format == CAPTURE_PCAPNG ? pcapng_read_next(cap, pkt, why) : pcap_read_next(cap, pkt, why);

	if (r <= 0)
		return r;
	iface = &cap->ifaces[pkt->iface];
	if (pkt->linktype != LINK_ETHERNET && !linktype_is_usable(pkt->linktype)) {
		const char *name = linktype_name(pkt->linktype);

		cap->offset = pkt->offset;	/* name the packet's own place */
		return capture_refuse(cap, why, "link type %u%s%s%s is not one weir reads"
				      " (Ethernet, raw IP, IPv4, IPv6, loopback and Linux cooked captures are)",
				      pkt->linktype, name ? " (" : "", name ? name : "", name ? ")" : "");
	}
	if (iface->fcs_len && pkt->len == pkt->wire_len && pkt->len >= iface->fcs_len) {
		pkt->len -= iface->fcs_len;
		pkt->wire_len -= iface->fcs_len;
	}
	pkt->number = ++cap->number;
	iface->packets++;
	cap->last_stamp_ns = pkt->stamp_ns;
	return 1;
}

int capture_next(struct capture *cap, struct capture_packet *pkt, struct refusal *why)
{
	return likely(cap->is_plain) && likely(read_plain(cap, pkt)) ? 1 : read_any(cap, pkt, why);
}

int capture_next_many(struct capture *cap, struct capture_packet *list, unsigned int max, struct refusal *why)
{
	unsigned int n = 0;

	while (likely(cap->is_plain) && n < max && likely(read_plain(cap, &list[n])))
		n++;
	return n ? (int)n : read_any(cap, list, why);
}

const struct capture_iface *capture_iface(const struct capture *cap, uint32_t index)
{
	return index < cap->iface_count ? &cap->ifaces[index] : NULL;
}

uint32_t capture_iface_count(const struct capture *cap)
{
	return cap->iface_count;
}

const char *capture_path(const struct capture *cap)
{
	return cap->path;
}

uint64_t capture_offset(const struct capture *cap)
{
	return cap->offset;
}

uint64_t capture_size(const struct capture *cap)
{
	return cap->size;
}
