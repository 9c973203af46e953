/*
 * table/image.h - a table as bytes that outlive a process: the kernel's blob with a directory of its chains, and
 * behind it a log of what was done to it since. One rule more is one record more; when the log has become
 * dear to read, the table is written anew. Where the bytes lie is the store's business (control/store.h).
 */
#ifndef WEIR_TABLE_IMAGE_H
#define WEIR_TABLE_IMAGE_H

#include "table/edit.h"

struct image_bytes {
	const void *addr;
	size_t len;
	void (*release)(const void *addr, size_t len);	/* called once, when the edit goes */
};

/*
 * @bytes: taken. Chains are read when they are looked at. From here on what is done to the edit is logged.
 * Return: 0; -EINVAL: not an image, or a damaged one.
 */
int image_open(struct instance *inst, uint8_t family, const char *table, const struct image_bytes *bytes,
	       struct edit **out, struct refusal *why);
/* The table that nobody touched. */
int image_new(struct instance *inst, uint8_t family, const char *table, struct edit **out, struct refusal *why);
/* Of an image that is not opened: name and order of its table. false: not an image. */
bool image_peek(const void *bytes, size_t len, char table[static XT_TABLE_MAXNAMELEN], uint64_t *order);

/* Verifies the changed table as the kernel would, which has all tables of @from; what one change cannot have broken is not looked at again. */
int image_check(struct table_source *from, struct edit *edit, struct refusal *why);

struct image_change {
	bool whole;		/* head and blob replace the image; else tail is added at .at, what stands behind it is cut */
	uint64_t at;
	void *head;		/* owned */
	size_t head_len;
	struct edit_blob blob;
};
/* What has to be written after image_check(). @order: of the table's creation, for a new image. */
int image_change_make(struct edit *edit, uint64_t order, struct image_change *out, struct refusal *why);
void image_change_free(struct image_change *change);
uint64_t image_order(const struct edit *edit);		/* 0: there was none */

#endif
