/* Libraries opened when they are needed: found, not there, without a function. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "base/late.h"

#define MATHS(X) X(floor) X(ceil)

static void found(void **state)
{
	struct { LATE_CALLS(MATHS) } maths;

	assert_int_equal(late_open("libnowhere.so.9 libm.so.6", LATE_NAMES(MATHS), &maths, sizeof(maths), NULL), 0);
	assert_true(maths.floor(1.5) == 1 && maths.ceil(1.5) == 2);
}

static void refused(void **state)
{
	struct refusal why = { 0 };
	void *calls[2];

	assert_int_equal(late_open("libnowhere.so.9 libnowhere.so.8", "f", calls, sizeof(void *), &why), -ENOENT);
	assert_string_equal(why.text, "the library libnowhere.so.9 is not installed here");
	assert_int_equal(late_open("libm.so.6", "floor no_such_thing", calls, sizeof(calls), &why), -ENOSYS);
	assert_string_equal(why.text, "the library libm.so.6 has no no_such_thing");
	assert_int_equal(late_open("libm.so.6", "floor", calls, sizeof(calls), &why), -EINVAL);	/* a pointer that nothing would fill */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(found), cmocka_unit_test(refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
