/* A confined process: what is listed works, what is not fails, what is deadly kills; and there is no way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/confine.h"

enum { AS_IT_SHOULD = 77 };

/* Runs @fn in a confined child: its wait status. */
static int confined(int (*fn)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		struct refusal why = { 0 };

		_exit(confine_calls(&why) ? 1 : fn());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int listed(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	void *memory = malloc(8 << 20);
	int good = fd >= 0 && memory && write(fd, "x", 1) == 1 && getpid() > 0;

	free(memory);
	return good ? AS_IT_SHOULD : 1;
}

static int not_listed(void)
{
	int one = socket(AF_INET, SOCK_STREAM, 0), first = errno, two = chmod("/dev/null", 0666);

	return one == -1 && first == EPERM && two == -1 && errno == EPERM ? AS_IT_SHOULD : 1;
}

static int run_a_program(void)
{
	char *argv[] = { "/bin/true", NULL };

	execv(argv[0], argv);
	return 1;
}

static int trace(void) { return ptrace(PTRACE_TRACEME, 0, 0, 0) ? 1 : 2; }
static int become_root(void) { return setuid(0) ? 1 : 2; }

static int has_nothing(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return 1;
	text[n] = '\0';
	return strstr(text, "CapEff:\t0000000000000000") && strstr(text, "CapPrm:\t0000000000000000") &&
	       strstr(text, "NoNewPrivs:\t1") && strstr(text, "Seccomp:\t2") ? AS_IT_SHOULD : 1;
}

static void expect_end(int (*fn)(void))
{
	int status = confined(fn);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), AS_IT_SHOULD);
}

static void expect_kill(int (*fn)(void))
{
	int status = confined(fn);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void test_calls(void **state)
{
	expect_end(listed);
	expect_end(not_listed);
	expect_end(has_nothing);
	expect_kill(run_a_program);
	expect_kill(trace);
	expect_kill(become_root);
}

static void test_names(void **state)
{
	struct refusal why = { 0 };
	uid_t uid;
	gid_t gid;

	assert_int_equal(confine_user("root", &uid, &gid, &why), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(confine_user("1234:root", &uid, &gid, &why), 0);
	assert_int_equal(uid, 1234);
	assert_int_equal(gid, 0);
	assert_int_equal(confine_user("4321", &uid, &gid, &why), 0);
	assert_int_equal(gid, 4321);
	assert_int_equal(confine_user("no such user", &uid, &gid, &why), -ENOENT);
	assert_int_equal(confine_user("0:no such group", &uid, &gid, &why), -ENOENT);
	assert_int_equal(confine_user("-1", &uid, &gid, &why), -ENOENT);
}

static void test_no_way_back(void **state)
{
	pid_t child;
	int status;

	if (geteuid())
		return;			/* only root can become somebody */
	child = fork();
	if (!child) {
		struct refusal why = { 0 };

		_exit(!confine_drop(65534, 65534, &why) && setuid(0) && getgroups(0, NULL) == 0 ? AS_IT_SHOULD : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == AS_IT_SHOULD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls), cmocka_unit_test(test_names), cmocka_unit_test(test_no_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
