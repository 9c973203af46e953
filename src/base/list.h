/* base/list.h - intrusive doubly linked lists; the head is a node of its own. */
#ifndef WEIR_BASE_LIST_H
#define WEIR_BASE_LIST_H

#include "base/types.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

/* First in the list / last in the list / just before @at. */
static inline void list_push(struct list *head, struct list *node)
{
	list_insert_between(node, head, head->next);
}

static inline void list_append(struct list *head, struct list *node)
{
	list_insert_between(node, head->prev, head);
}

static inline void list_insert_before(struct list *at, struct list *node)
{
	list_insert_between(node, at->prev, at);
}

static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = node;
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_for_each(node, head) \
	for (struct list *node = (head)->next; node != (head); node = node->next)
/* Safe against removal of the current node. */
#define list_for_each_safe(node, head) \
	for (struct list *node = (head)->next, *node##_next = node->next; node != (head); \
	     node = node##_next, node##_next = node->next)

/* A chain of a hash table: a bucket is one pointer, and who is in it can leave without it (nat/source.c). */
struct chain {
	struct chain *next, **at;	/* at: the pointer that points here; NULL when in no chain */
};

#endif
