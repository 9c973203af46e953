/*
 * port/ring.c - AF_PACKET through a ring of blocks that the kernel fills and weir reads where they lie (TPACKET_V3). A
 * block is handed over when it is full or a millisecond old: more frames for one look than port/packet.c gets, and up to a
 * millisecond later when there are few. So the ring holds what comes in as many milliseconds as it has blocks, when nobody looks.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "packet/packet.h"
#include "port/af_packet.h"

enum { BLOCK_SIZE = 128 << 10, BLOCKS = 128, BLOCKS_MAX = 4096, FORMER_BLOCKS = 64, RING_SIZE = BLOCK_SIZE * BLOCKS, FRAME_SIZE = 2048, RETIRE_MS = 1 };

struct ring {
	struct packet_batch *out;
	uint8_t *blocks;
	uint32_t next, block_count;	/* of as many as whoever opened it chose: all are RING_SIZE */
};

static void ring_close(struct port *port)
{
	struct ring *ring = port->priv;

	if (ring && ring->blocks)
		munmap(ring->blocks, RING_SIZE);
	close(port->fd);
	if (ring)
		packet_batch_free(ring->out);
	free(ring);
}

static int map_blocks(struct port *port, struct ring *ring)
{
	struct tpacket_req3 req = { .tp_block_size = BLOCK_SIZE, .tp_block_nr = BLOCKS, .tp_frame_size = FRAME_SIZE,
				    .tp_frame_nr = BLOCK_SIZE / FRAME_SIZE * BLOCKS, .tp_retire_blk_tov = RETIRE_MS };
	int version = TPACKET_V3;
	void *memory;

	if (setsockopt(port->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(port->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		return -errno;
	memory = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, port->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	ring->blocks = memory;
	ring->block_count = BLOCKS;
	return 0;
}

/* The next block goes along: the kernel fills them in their order. */
static unsigned int ring_give(struct port *port, int *fds, struct strbuf *bytes)
{
	struct ring *ring = port->priv;

	out_u32(bytes, ring->next);
	out_u32(bytes, ring->block_count);
	fds[0] = port->fd;
	return 1;
}

static int ring_adopt(struct port *port, const char *arg, const int *fds, unsigned int count, const void *bytes, size_t len,
		      struct refusal *why)
{
	struct bytes_in in = { bytes, (const uint8_t *)bytes + len };
	struct ring *ring = calloc(1, sizeof(*ring));
	void *memory = MAP_FAILED;

	if (ring) {
		ring->next = in_u32(&in);
		ring->block_count = in.at < in.end ? in_u32(&in) : FORMER_BLOCKS;
		ring->out = packet_batch_new();
	}
	if (count == 1 && ring && ring->out && !in.failed && ring->block_count <= BLOCKS_MAX && ring->next < ring->block_count)
		memory = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	if (memory == MAP_FAILED) {
		if (ring)
			packet_batch_free(ring->out);
		free(ring);
		return refuse(why, -EINVAL, "ring:%s does not come whole from the other daemon", arg);
	}
	ring->blocks = memory;
	af_packet_adopt(port, fds[0], arg);
	port->priv = ring;
	return 0;
}

static int ring_open(struct port *port, const char *arg, struct refusal *why)
{
	struct ring *ring;
	int ifindex, err = af_packet_socket(port, arg, &ifindex, why);

	if (err)
		return err;
	ring = port->priv = calloc(1, sizeof(*ring));
	if (ring)
		ring->out = packet_batch_new();
	err = ring && ring->out ? map_blocks(port, ring) : -ENOMEM;
	if (!err)
		err = af_packet_bind(port, ifindex);
	if (!err)
		return 0;
	ring_close(port);
	return refuse(why, err, "%s: %s", arg, strerror(-err));
}

static void read_block(struct port *port, struct tpacket_block_desc *block)
{
	uint8_t *at = (uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;

	for (uint32_t i = 0; i < block->hdr.bh1.num_pkts; i++) {
		struct tpacket3_hdr *frame = (struct tpacket3_hdr *)at;
		struct virtio_net_hdr *head = (struct virtio_net_hdr *)(at + frame->tp_mac) - 1;

		if (frame->tp_snaplen == frame->tp_len)
			af_packet_frame(port, head, frame->tp_snaplen, frame->tp_status, frame->hv1.tp_vlan_tci, frame->hv1.tp_vlan_tpid);
		else
			port->rx_dropped++;
		at += frame->tp_next_offset;
	}
}

/* One block a look: others have their turn. What is left makes the descriptor ready again. */
static int ring_receive(struct port *port)
{
	struct ring *ring = port->priv;
	struct tpacket_block_desc *block = (void *)(ring->blocks + (size_t)ring->next * (RING_SIZE / ring->block_count));
	uint32_t *status = &block->hdr.bh1.block_status;
	socklen_t size = sizeof(int);
	int err;

	if (!(__atomic_load_n(status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
		if (getsockopt(port->fd, SOL_SOCKET, SO_ERROR, &err, &size))
			return -errno;
		return err == ENETDOWN ? 0 : -err;
	}
	read_block(port, block);
	__atomic_store_n(status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	ring->next = (ring->next + 1) % ring->block_count;
	return 0;
}

static void ring_send(struct port *port, const void *frame, uint32_t len)
{
	struct ring *ring = port->priv;

	packet_batch_add(ring->out, port, frame, len);
}

static void ring_flush(struct port *port)
{
	struct ring *ring = port->priv;

	packet_batch_send(ring->out, port);
}

const struct port_driver port_ring = {
	.name = "ring", .help = "ring:IFACE      the same through a shared ring (TPACKET_V3): for much traffic", .open = ring_open, .open_queue = ring_open,
	.adopt = ring_adopt, .give = ring_give,
	.receive = ring_receive, .send = ring_send, .flush = ring_flush, .close = ring_close,
};
