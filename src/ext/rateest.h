/*
 * ext/rateest.h - named rate estimators: RATEEST feeds them, rateest asks them.
 * The average moves once per interval by a share of what was new in it, in the kernel's integers. Nobody keeps time: what
 * is due is caught up on when somebody looks.
 */
#ifndef WEIR_EXT_RATEEST_H
#define WEIR_EXT_RATEEST_H

#include "ext/ext.h"

struct rate_estimator;

/* Held estimators: rate_estimator_put(). NULL: there is none of this name. */
struct rate_estimator *rate_estimator_get(struct instance *inst, const char *name);
/* Made; or held when it is there with the same settings. NULL with *err -EINVAL (other settings, or wrong ones), -ENOMEM. */
struct rate_estimator *rate_estimator_make(struct instance *inst, const char *name, int8_t interval, uint8_t ewma_log, int *err);
void rate_estimator_put(struct rate_estimator *est);
void rate_estimator_count(struct rate_estimator *est, uint32_t bytes);
void rate_estimator_read(struct rate_estimator *est, uint64_t *bytes_sec, uint64_t *packets_sec);

#endif
