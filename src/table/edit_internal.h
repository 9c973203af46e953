/* table/edit_internal.h - what edit.c and edit_blob.c share. */
#ifndef WEIR_TABLE_EDIT_INTERNAL_H
#define WEIR_TABLE_EDIT_INTERNAL_H

#include "table/edit.h"

struct edit_chain *edit_chain_new(const char *name, int hook);
void edit_chain_free(struct edit_chain *chain);		/* must be empty */
int edit_chain_put(struct edit *edit, struct edit_chain *chain, uint32_t at);
void edit_rule_free(struct edit_rule *rule);
int edit_rule_put(struct edit_chain *chain, struct edit_rule *rule, uint32_t at);

#endif
