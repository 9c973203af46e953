/* driver/pcap_internal.h - what the two readers share: a window on the file that never holds more than one block. */
#ifndef WEIR_DRIVER_PCAP_INTERNAL_H
#define WEIR_DRIVER_PCAP_INTERNAL_H

#include "driver/pcap.h"

enum capture_format { CAPTURE_PCAP, CAPTURE_PCAPNG };

struct capture {
	char *path;			/* owned */
	int fd;				/* -1: bytes in memory */
	bool close_fd;
	uint8_t *buf;			/* owned when fd >= 0, else borrowed */
	size_t cap, start, end;		/* unread bytes are buf[start..end) */
	uint64_t offset;		/* of buf[start] in the file */
	uint64_t size;
	bool at_end;			/* nothing more to read into buf */

	enum capture_format format;
	bool swapped;			/* fields are in the other byte order */
	bool nanosec;			/* classic pcap */
	bool is_plain;			/* classic pcap of Ethernet frames without check sequence, in the machine's byte order */
	uint32_t frac_end, frac_ns;	/* classic pcap: fractions in a second, and how long each is */
	struct capture_iface *ifaces;
	uint32_t iface_count, iface_room;
	uint32_t section_first;		/* pcapng: first interface of the current section */
	uint64_t number;		/* packets read */
	int64_t last_stamp_ns;		/* for packets without one (SPB) */
};

/* Makes @n bytes readable at buf + start: 1; 0: the file ends before; negative: read error, refused. */
int capture_need(struct capture *cap, size_t n, struct refusal *why);
static inline const uint8_t *capture_at(const struct capture *cap) { return cap->buf + cap->start; }
static inline size_t capture_left(const struct capture *cap) { return cap->end - cap->start; }
/* Mostly they are there. */
static inline int capture_has(struct capture *cap, size_t n, struct refusal *why)
{
	return likely(capture_left(cap) >= n) ? 1 : capture_need(cap, n, why);
}
static inline void capture_advance(struct capture *cap, size_t n) { cap->start += n; cap->offset += n; }
/* Passes over @n bytes without keeping them; as capture_need(). */
int capture_skip(struct capture *cap, uint64_t n, struct refusal *why);

static inline uint16_t capture_u16(const struct capture *cap, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return cap->swapped ? __builtin_bswap16(v) : v;
}

static inline uint32_t capture_u32(const struct capture *cap, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return cap->swapped ? __builtin_bswap32(v) : v;
}

/* "byte 1234, packet 7: ..." with the file's name as position. */
int capture_refuse(const struct capture *cap, struct refusal *why, const char *fmt, ...) PRINTF_LIKE(3, 4);
struct capture_iface *capture_iface_add(struct capture *cap, struct refusal *why);

int pcapng_read_head(struct capture *cap, struct refusal *why);
int pcapng_read_next(struct capture *cap, struct capture_packet *pkt, struct refusal *why);

#endif
