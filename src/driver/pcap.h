/*
 * driver/pcap.h - captures in and out: pcap and pcapng read in one pass with bounded memory, pcapng
 * written with interface names, nanoseconds and a comment per packet.
 */
#ifndef WEIR_DRIVER_PCAP_H
#define WEIR_DRIVER_PCAP_H

#include "base/refuse.h"
#include "base/strbuf.h"

struct instance;
struct iface;
struct pkt;

/* Link types by their registered numbers (the LINKTYPE_ values of files). */
enum linktype {
	LINK_NULL = 0,		/* 4 bytes address family in the writer's byte order */
	LINK_ETHERNET = 1,
	LINK_RAW_12 = 12,	/* raw IP, as some systems number it */
	LINK_RAW_14 = 14,
	LINK_RAW = 101,
	LINK_LOOP = 108,	/* as NULL, in network order */
	LINK_LINUX_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_LINUX_SLL2 = 276,
};
/* "Ethernet"; NULL: a type without a name here. */
const char *linktype_name(uint32_t linktype);
bool linktype_is_usable(uint32_t linktype);
/* Packets of this type carry no Ethernet header. */
bool linktype_is_ip(uint32_t linktype);

/* --- reading --- */

struct capture;

struct capture_iface {
	char name[64];		/* if_name; "" when the file gives none */
	uint32_t linktype;
	uint32_t snaplen;	/* 0: no limit known */
	uint8_t fcs_len;	/* bytes of frame check sequence at each frame's end */
	uint64_t packets;	/* read so far */
	/* pcapng time: units of 10^-n or 2^-n seconds, plus whole seconds */
	bool ts_binary;
	uint8_t ts_exponent;
	int64_t ts_offset_sec;
};

struct capture_packet {
	const uint8_t *bytes;	/* borrowed until the next call */
	uint32_t len;		/* bytes that the file holds */
	uint32_t wire_len;	/* bytes that were on the wire; more than len: the capture cut it */
	int64_t stamp_ns;
	uint32_t linktype;
	uint32_t iface;		/* index for capture_iface() */
	uint64_t number;	/* in its file, from 1, as Wireshark counts */
	uint64_t offset;	/* of its record in the file */
	bool outbound;		/* the capture says that the host sent it */
	bool swapped;		/* the file's byte order is not the machine's (LINK_NULL needs it) */
};

enum { CAPTURE_PACKET_MAX = 262144, CAPTURE_IFACES_MAX = 4096 };

/* Reads the file's head. -EINVAL with a sentence for what is not a capture; "-" is standard input. */
int capture_open(const char *path, struct capture **out, struct refusal *why);
/* The same on bytes in memory, which must outlive the capture. */
int capture_open_bytes(const char *name, const void *bytes, size_t len, struct capture **out, struct refusal *why);
void capture_close(struct capture *cap);
/* 1: *pkt is the next packet; 0: the end; negative: refused, with byte offset and packet number in the sentence. */
int capture_next(struct capture *cap, struct capture_packet *pkt, struct refusal *why);
/* The same for up to @max packets, as many as are there without waiting for more of the file: how many; their bytes stay until the next call. */
int capture_next_many(struct capture *cap, struct capture_packet *list, unsigned int max, struct refusal *why);
const struct capture_iface *capture_iface(const struct capture *cap, uint32_t index);
uint32_t capture_iface_count(const struct capture *cap);
const char *capture_path(const struct capture *cap);
uint64_t capture_offset(const struct capture *cap);	/* bytes read so far */
uint64_t capture_size(const struct capture *cap);	/* of the file; 0 unknown */

enum take { TAKE_OK, TAKE_OUTBOUND, TAKE_SHORT, TAKE_NO_MEMORY };
/**
 * capture_take() - A captured packet becomes one that @in received
 * @in:   NULL for packets that the host itself sends
 * @made: given, when TAKE_OK
 * Cooked captures (SLL) on an Ethernet interface get an Ethernet header back. What the capture cut off is
 * filled with zeros and its checksum is trusted. TAKE_OUTBOUND: sent by the captured host, not input.
 */
enum take capture_take(struct instance *inst, struct iface *in, const struct capture_packet *cap, struct pkt **made);

/* --- writing --- */

struct pcapng;

/* @write gets whole blocks; returns 0 or a negative errno, which ends all further writing. */
typedef int (*pcapng_write_fn)(void *priv, const void *bytes, size_t len);

struct pcapng *pcapng_new(pcapng_write_fn write, void *priv, const char *application);
void pcapng_free(struct pcapng *ng);
/* Number of a (name, linktype) pair; written as interface description when first named. Negative errno. */
int pcapng_iface(struct pcapng *ng, const char *name, uint32_t linktype);
/* @comment may be NULL. @wire_len 0: the same as @len. The frame comes in two parts: header and rest. */
int pcapng_packet(struct pcapng *ng, int iface, int64_t stamp_ns, const void *head, uint32_t head_len,
		  const void *rest, uint32_t rest_len, const char *comment);

#endif
