/*
 * table/alone.h - rules are made beside workers, whose packets go by others meanwhile: being alone is for what both touch.
 * Many such steps in a row are taken some at a time, so that whoever waits at the door has his turn in between. Who is alone
 * before he begins stays so.
 */
#ifndef WEIR_TABLE_ALONE_H
#define WEIR_TABLE_ALONE_H

#include "path/worker.h"

enum { ALONE_STEPS = 32 };	/* at a time: some microseconds */

struct alone_steps {
	struct instance *inst;
	unsigned int left;		/* 0: not alone */
};

/* The next step touches what workers touch. */
static inline void alone_step(struct alone_steps *steps)
{
	if (steps->left)
		return;
	worker_alone_begin(steps->inst, NULL);
	steps->left = ALONE_STEPS;
}

/* It is done, whatever it touched. */
static inline void alone_stepped(struct alone_steps *steps)
{
	if (steps->left && !--steps->left)
		worker_alone_end(steps->inst, NULL);
}

static inline void alone_steps_end(struct alone_steps *steps)
{
	if (steps->left)
		worker_alone_end(steps->inst, NULL);
	steps->left = 0;
}

#endif
