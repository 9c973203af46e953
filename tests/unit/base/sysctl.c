/* Names in both spellings, the kernel's idea of a number, bounds, and values put back when refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sysctl.h"

static int refuse_seven(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	return *(int *)ctl->value == 7 ? refuse(why, -EINVAL, "no seven") : 0;
}

static void sets_and_gets(void **state)
{
	struct sysctls *ctls = sysctls_new();
	struct strbuf out = STRBUF_INIT;
	struct refusal why = { 0 };
	int value = 1, vlan = 0;

	assert_int_equal(sysctl_register(ctls, &(struct sysctl){ .name = "net.ipv4.x", .kind = SYSCTL_INT,
				.value = &value, .min = -1, .max = 100, .changed = refuse_seven }), 0);
	assert_int_equal(sysctl_register(ctls, &(struct sysctl){ .name = "net.ipv4.conf.eth0/5.y", .kind = SYSCTL_INT,
				.value = &vlan }), 0);
	assert_int_equal(sysctl_register(ctls, &(struct sysctl){ .name = "net.ipv4.x", .kind = SYSCTL_INT }), -EEXIST);
	assert_int_equal(sysctl_set(ctls, "net/ipv4/x", " 0x10 \n", NULL), 0);
	assert_int_equal(value, 16);
	assert_int_equal(sysctl_set(ctls, "net.ipv4.x", "-1", NULL), 0);
	assert_int_equal(value, -1);
	assert_int_equal(sysctl_set(ctls, "net/ipv4/conf/eth0.5/y", "3", NULL), 0);
	assert_int_equal(vlan, 3);
	assert_int_equal(sysctl_set(ctls, "net.ipv4.x", "7", &why), -EINVAL);
	assert_string_equal(why.text, "no seven");
	assert_int_equal(sysctl_set(ctls, "net.ipv4.x", "101", NULL), -EINVAL);
	assert_int_equal(sysctl_set(ctls, "net.ipv4.x", "", NULL), -EINVAL);
	assert_int_equal(sysctl_set(ctls, "net.ipv4.x", "1x", NULL), -EINVAL);
	assert_int_equal(sysctl_set(ctls, "net.ipv4.x", "99999999999999999999", NULL), -EINVAL);
	assert_int_equal(sysctl_set(ctls, "net.ipv4.z", "1", NULL), -ENOENT);
	assert_int_equal(value, -1);
	assert_int_equal(sysctl_get(ctls, "net.ipv4.x", &out, NULL), 0);
	assert_string_equal(sb_str(&out), "-1");
	sysctl_unregister_prefix(ctls, "net.ipv4.conf.eth0/5.");
	assert_int_equal(sysctl_set(ctls, "net/ipv4/conf/eth0.5/y", "3", NULL), -ENOENT);
	sb_free(&out);
	sysctls_free(ctls);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sets_and_gets) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
