/*
 * helper/broadcast.h - questions that the host asks everybody, for the helpers of the protocols that do so.
 */
#ifndef WEIR_BROADCAST_H
#define WEIR_BROADCAST_H

#include "conntrack/helper.h"

/* The packet went out to a whole network: whoever answers from the helper's port within @timeout_sec belongs to it. */
void broadcast_expect(const struct ct_help_call *call, uint32_t timeout_sec);

#endif
