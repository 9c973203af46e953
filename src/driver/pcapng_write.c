/*
 * driver/pcapng_write.c - writes pcapng: no packaged C library writes names, comments and nanoseconds.
 * Little-endian on every machine, and nothing in it depends on when or where it was written.
 */
#include "driver/pcap.h"

#include <stdlib.h>

struct pcapng {
	pcapng_write_fn write;
	void *priv;
	int err;			/* the first failure; nothing is written after it */
	struct strbuf block;		/* the block being made; kept for its memory */
	struct { char name[64]; uint32_t linktype; } *ifaces;
	int iface_count;
};

static void put_u16(struct strbuf *sb, uint16_t v)
{
	const char bytes[] = { (char)v, (char)(v >> 8) };

	sb_add(sb, bytes, sizeof(bytes));
}

static void put_u32(struct strbuf *sb, uint32_t v)
{
	put_u16(sb, (uint16_t)v);
	put_u16(sb, (uint16_t)(v >> 16));
}

static void put_padding(struct strbuf *sb)
{
	static const char zero[4];

	sb_add(sb, zero, (4 - sb->len % 4) % 4);
}

static void put_option(struct strbuf *sb, uint16_t code, const void *value, size_t len)
{
	len = MIN_OF(len, (size_t)65535);
	put_u16(sb, code);
	put_u16(sb, (uint16_t)len);
	sb_add(sb, value, len);
	put_padding(sb);
}

static void block_begin(struct pcapng *ng, uint32_t type)
{
	sb_reset(&ng->block);
	put_u32(&ng->block, type);
	put_u32(&ng->block, 0);		/* length: block_end() */
}

static int block_end(struct pcapng *ng)
{
	struct strbuf *sb = &ng->block;
	uint32_t len = (uint32_t)sb->len + 4;

	put_u32(sb, len);
	if (sb->failed)
		ng->err = -ENOMEM;
	if (ng->err)
		return ng->err;
	for (int i = 0; i < 4; i++)
		sb->s[4 + i] = (char)(len >> 8 * i);
	ng->err = ng->write(ng->priv, sb->s, sb->len);
	return ng->err;
}

struct pcapng *pcapng_new(pcapng_write_fn write, void *priv, const char *application)
{
	struct pcapng *ng = calloc(1, sizeof(*ng));

	if (!ng)
		return NULL;
	ng->write = write;
	ng->priv = priv;
	block_begin(ng, 0x0a0d0d0a);
	put_u32(&ng->block, 0x1a2b3c4d);
	put_u16(&ng->block, 1);
	put_u16(&ng->block, 0);
	put_u32(&ng->block, UINT32_MAX);	/* section length: not known */
	put_u32(&ng->block, UINT32_MAX);
	put_option(&ng->block, 4, application, strlen(application));
	put_option(&ng->block, 0, NULL, 0);
	block_end(ng);
	return ng;
}

void pcapng_free(struct pcapng *ng)
{
	if (!ng)
		return;
	sb_free(&ng->block);
	free(ng->ifaces);
	free(ng);
}

int pcapng_iface(struct pcapng *ng, const char *name, uint32_t linktype)
{
	static const uint8_t nanoseconds = 9;
	void *grown;
	int i;

	for (i = 0; i < ng->iface_count; i++)
		if (ng->ifaces[i].linktype == linktype && strcmp(ng->ifaces[i].name, name) == 0)
			return i;
	grown = realloc(ng->ifaces, (size_t)(i + 1) * sizeof(*ng->ifaces));
	if (!grown)
		return -ENOMEM;
	ng->ifaces = grown;
	strncpy(ng->ifaces[i].name, name, sizeof(ng->ifaces[i].name) - 1);
	ng->ifaces[i].name[sizeof(ng->ifaces[i].name) - 1] = '\0';
	ng->ifaces[i].linktype = linktype;
	block_begin(ng, 1);
	put_u16(&ng->block, (uint16_t)linktype);
	put_u16(&ng->block, 0);
	put_u32(&ng->block, 0);			/* no snaplen */
	put_option(&ng->block, 2, name, strlen(name));
	put_option(&ng->block, 9, &nanoseconds, 1);
	put_option(&ng->block, 0, NULL, 0);
	if (block_end(ng))
		return ng->err;
	ng->iface_count++;
	return i;
}

int pcapng_packet(struct pcapng *ng, int iface, int64_t stamp_ns, const void *head, uint32_t head_len,
		  const void *rest, uint32_t rest_len, const char *comment)
{
	uint64_t stamp = (uint64_t)stamp_ns;

	block_begin(ng, 6);
	put_u32(&ng->block, (uint32_t)iface);
	put_u32(&ng->block, (uint32_t)(stamp >> 32));
	put_u32(&ng->block, (uint32_t)stamp);
	put_u32(&ng->block, head_len + rest_len);
	put_u32(&ng->block, head_len + rest_len);
	sb_add(&ng->block, head, head_len);
	sb_add(&ng->block, rest, rest_len);
	put_padding(&ng->block);
	if (comment) {
		put_option(&ng->block, 1, comment, strlen(comment));
		put_option(&ng->block, 0, NULL, 0);
	}
	return block_end(ng);
}
