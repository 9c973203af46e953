/* Order, verdicts, and hooks that come and go while their own hook is walked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bare_instance.h"
#include "packet/drop.h"
#include "path/path.h"

static char trail[64];
static struct pkt *held;
static bool continued;

/* The path's part in a reinjected packet's way. */
void path_continue(struct instance *inst, struct pkt *pkt, const struct hook_state *state)
{
	continued = true;
	pkt_free(inst, pkt);
}

struct step {
	char letter;
	unsigned int verdict, later;	/* the second time it says @later */
	bool leaves, joins;
	struct hooks *hooks;
};

static unsigned int say(void *priv, struct pkt *pkt, const struct hook_state *state);

static struct hook_ops ops_of(struct step *step, int priority)
{
	return (struct hook_ops){ NFPROTO_IPV4, NF_INET_FORWARD, priority, say, "step", step, NULL };
}

static struct step newcomer = { .letter = 'n', .verdict = NF_ACCEPT };

static unsigned int say(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	struct step *step = priv;
	unsigned int verdict = step->verdict;
	size_t len = strlen(trail);

	trail[len] = step->letter;
	trail[len + 1] = '\0';
	if (step->later)
		step->verdict = step->later;
	if (step->leaves) {
		struct hook_ops ops = ops_of(step, 0);

		assert_int_equal(hook_unregister(step->hooks, &ops), 0);
		step->leaves = false;
	}
	if (step->joins) {
		struct hook_ops ops = ops_of(&newcomer, 100);

		assert_int_equal(hook_register(step->hooks, &ops), 0);
		step->joins = false;
	}
	return verdict;
}

static int hold(void *priv, struct pkt *pkt, const struct hook_state *state, unsigned int queue)
{
	if (queue != 5)
		return -ESRCH;
	held = pkt;
	return 0;
}

static unsigned int walk(struct bare *bare)
{
	struct hook_state state = { &bare->inst, NFPROTO_IPV4, NF_INET_FORWARD, NULL, NULL };
	struct pkt *pkt = pkt_new(&bare->inst, 20);
	unsigned int verdict;

	trail[0] = '\0';
	verdict = hook_walk(pkt, &state);
	if (verdict == NF_ACCEPT) {
		assert_null(pkt->hook);
		pkt_free(&bare->inst, pkt);
	}
	return verdict;
}

static void verdicts(void **state)
{
	struct bare *bare = bare_new();
	struct hooks *hooks = bare->inst.hooks;
	struct step a = { .letter = 'a', .verdict = NF_ACCEPT }, b = { .letter = 'b', .verdict = NF_ACCEPT },
		    c = { .letter = 'c', .verdict = NF_ACCEPT };
	struct hook_ops ops;

	ops = ops_of(&b, 10);
	hook_register(hooks, &ops);
	ops = ops_of(&c, 10);		/* equal priority: later, so asked first */
	hook_register(hooks, &ops);
	ops = ops_of(&a, -10);
	hook_register(hooks, &ops);
	assert_int_equal(walk(bare), NF_ACCEPT);
	assert_string_equal(trail, "acb");
	c.verdict = NF_STOP;
	assert_int_equal(walk(bare), NF_ACCEPT);
	assert_string_equal(trail, "ac");
	c.verdict = NF_REPEAT;
	c.later = NF_ACCEPT;
	assert_int_equal(walk(bare), NF_ACCEPT);
	assert_string_equal(trail, "accb");
	c.later = 0;
	c.verdict = NF_DROP;
	assert_int_equal(walk(bare), NF_DROP);
	assert_int_equal(bare->drops, 1);
	assert_int_equal(bare->last_reason, DROP_HOOK);
	c.verdict = NF_QUEUE_NR(7);
	assert_int_equal(walk(bare), NF_DROP);
	assert_int_equal(bare->last_reason, DROP_QUEUE);
	c.verdict = NF_QUEUE_NR(7) | NF_VERDICT_FLAG_QUEUE_BYPASS;
	assert_int_equal(walk(bare), NF_ACCEPT);
	assert_string_equal(trail, "acb");
	bare_free(bare);
}

static void queue_and_reinject(void **state)
{
	struct bare *bare = bare_new();
	struct hooks *hooks = bare->inst.hooks;
	struct step a = { .letter = 'a', .verdict = NF_QUEUE_NR(5) }, b = { .letter = 'b', .verdict = NF_ACCEPT };
	struct hook_ops ops_a = ops_of(&a, 0), ops_b = ops_of(&b, 1);

	hooks_set_queue(hooks, hold, NULL);
	hook_register(hooks, &ops_a);
	hook_register(hooks, &ops_b);
	assert_int_equal(walk(bare), NF_STOLEN);
	hook_reinject(&bare->inst, held, NF_ACCEPT);
	assert_string_equal(trail, "ab");
	assert_true(continued);
	assert_int_equal(walk(bare), NF_STOLEN);
	hook_unregister(hooks, &ops_a);		/* who queued it left meanwhile */
	continued = false;
	hook_reinject(&bare->inst, held, NF_REPEAT);
	assert_string_equal(trail, "ab");
	assert_true(continued);
	hook_register(hooks, &ops_a);
	assert_int_equal(walk(bare), NF_STOLEN);
	hook_reinject(&bare->inst, held, NF_DROP);
	assert_int_equal(bare->drops, 1);
	bare_free(bare);
}

static void coming_and_going(void **state)
{
	struct bare *bare = bare_new();
	struct hooks *hooks = bare->inst.hooks;
	struct step a = { .letter = 'a', .verdict = NF_ACCEPT, .leaves = true, .joins = true, .hooks = hooks },
		    b = { .letter = 'b', .verdict = NF_ACCEPT };
	struct hook_ops ops_a = ops_of(&a, 0), ops_b = ops_of(&b, 1);

	hook_register(hooks, &ops_a);
	hook_register(hooks, &ops_b);
	assert_int_equal(walk(bare), NF_ACCEPT);
	assert_string_equal(trail, "ab");
	assert_int_equal(walk(bare), NF_ACCEPT);
	assert_string_equal(trail, "bn");
	assert_int_equal(hook_unregister(hooks, &ops_a), -ENOENT);
	bare_free(bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(queue_and_reinject),
		cmocka_unit_test(coming_and_going),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
