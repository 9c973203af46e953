/*
 * capture.c - any bytes as a capture file: read to the end, each packet taken in by an Ethernet and a raw IP
 * interface; what was read is written as pcapng and must read back equal.
 */
#include <stdlib.h>

#include "cli/run.h"
#include "packet/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int to_strbuf(void *priv, const void *bytes, size_t len)
{
	sb_add(priv, bytes, len);
	return 0;
}

static void reread(const struct strbuf *text, unsigned int count)
{
	struct capture_packet pkt;
	struct refusal why = { 0 };
	struct capture *cap;

	if (capture_open_bytes("again", text->s, text->len, &cap, &why))
		abort();
	while (count--)
		if (capture_next(cap, &pkt, &why) != 1)
			abort();
	if (capture_next(cap, &pkt, &why) != 0)
		abort();
	capture_close(cap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct instance *inst;		/* packets come and go, it stays as it is */
	static struct iface *in[2];
	struct refusal why = { 0 };
	struct strbuf text = STRBUF_INIT;
	struct pcapng *ng = pcapng_new(to_strbuf, &text, "fuzz");
	struct capture_packet cp;
	struct capture *cap;
	unsigned int written = 0;

	if (!inst) {
		inst = instance_new(1, 0, &why);
		if (!inst || iface_add(inst, "eth0", ARPHRD_ETHER, &in[0], &why) ||
		    iface_add(inst, "tun0", ARPHRD_NONE, &in[1], &why))
			abort();
	}
	if (!ng)
		abort();
	if (capture_open_bytes("fuzz", data, size, &cap, &why) == 0) {
		int r;

		while ((r = capture_next(cap, &cp, &why)) == 1) {
			int number = pcapng_iface(ng, capture_iface(cap, cp.iface)->name, cp.linktype);

			for (int i = linktype_is_ip(cp.linktype) ? 1 : 0; i >= 0; i--) {
				struct pkt *pkt;

				if (capture_take(inst, in[i], &cp, &pkt) == TAKE_OK) {
					pkt_complete_partial_sum(pkt);
					pkt_free(inst, pkt);
				}
			}
			if (cp.stamp_ns >= 0 && number >= 0 && written < 64 &&
			    pcapng_packet(ng, number, cp.stamp_ns, cp.bytes, cp.len / 2, cp.bytes + cp.len / 2,
					  cp.len - cp.len / 2, "c") == 0)
				written++;
		}
		if (r < 0 && !why.text[0])
			abort();
		capture_close(cap);
		reread(&text, written);
	} else if (!why.text[0]) {
		abort();
	}
	pcapng_free(ng);
	sb_free(&text);
	return 0;
}
