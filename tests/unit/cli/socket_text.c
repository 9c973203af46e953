/* Lines that declare the host's sockets: what they become, and refusals that point at their word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/socket_text.h"
#include "host/secctx.h"
#include "host/socket.h"

static int load(struct instance *inst, const char *text, struct refusal *why)
{
	return host_load(inst, text, strlen(text), "host", why);
}

static void lines_become_sockets(void **state)
{
	static const char text[] =
		"# a web server\n"
		"socket add www tcp [2001:db8::1]:80 uid 33 gid 33 groups 4,5 cgroup /system.slice//www.service/ classid 0x10001\n"
		"\n"
		"socket add dns udp 0.0.0.0:53 peer 192.0.2.1:9 mark 7 transparent dev lo\n"
		"socket add ping icmp 10.0.0.1 kernel\n"
		"secctx add system_u:object_r:httpd_packet_t:s0\n";
	struct refusal why = { 0 };
	struct instance *inst = instance_new(1, 0, &why);
	const struct host_socket_spec *s;

	assert_non_null(inst);
	if (load(inst, text, &why))
		fail_msg("%u:%u: %s", why.at.line, why.at.column, why.text);
	assert_int_equal(host_sockets_count(inst->sockets), 3);
	s = &host_socket_named(inst, "www")->spec;
	assert_true(s->family == NFPROTO_IPV6 && s->proto == IPPROTO_TCP && s->local_port == htons(80) && !s->connected);
	assert_true(s->uid == 33 && s->gid == 33 && s->group_count == 2 && s->groups[1] == 5 && s->classid == 0x10001);
	assert_string_equal(s->cgroup, "system.slice/www.service");
	s = &host_socket_named(inst, "dns")->spec;
	assert_true(s->connected && s->peer_port == htons(9) && s->mark == 7 && s->transparent && s->dev == inst->lo->index);
	s = &host_socket_named(inst, "ping")->spec;
	assert_true(s->proto == IPPROTO_ICMP && !s->local_port && s->no_program);
	assert_int_equal(secctx_find(inst, "system_u:object_r:httpd_packet_t:s0"), 1);
	assert_int_equal(load(inst, "socket del dns\n", &why), 0);
	assert_null(host_socket_named(inst, "dns"));
	instance_free(inst);
}

static void refusals_point_at_the_word(void **state)
{
	static const struct { const char *text; unsigned int line, column; const char *says; } cases[] = {
		{ "socket", 1, 7, "add or del" },
		{ "\nsocket put x", 2, 8, "add or del" },
		{ "socket add", 1, 11, "name" },
		{ "socket add x", 1, 13, "protocol" },
		{ "socket add x tpc 10.0.0.1:1", 1, 14, "tpc" },
		{ "socket add x tcp 10.0.0.1", 1, 18, "port" },
		{ "socket add x tcp 10.0.0.1:0", 1, 18, "port" },
		{ "socket add x tcp 10.0.0.1:65536", 1, 18, "port" },
		{ "socket add x tcp [::1:80", 1, 18, "[address]:port" },
		{ "socket add x raw 10.0.0.1:5", 1, 18, "no port" },
		{ "socket add x udp 10.0.0.1:5 peer [::1]:5", 1, 34, "family" },
		{ "socket add x udp 10.0.0.1:5 iud 5", 1, 29, "did you mean \"uid\"" },
		{ "socket add x udp 10.0.0.1:5 uid", 1, 32, "number" },
		{ "socket add x udp 10.0.0.1:5 uid 4294967295", 1, 33, "4294967294" },
		{ "socket add x udp 10.0.0.1:5 groups 1,,2", 1, 36, "commas" },
		{ "socket add x udp 10.0.0.1:5 dev eth7", 1, 33, "interface" },
		{ "socket add x udp 10.0.0.1:5\nsocket add x udp 10.0.0.1:6", 2, 12, "already" },
		{ "socket del y", 1, 12, "no \"y\"" },
		{ "socket del y z", 1, 14, "only" },
		{ "secctx add", 1, 11, "CONTEXT" },
		{ "sokcet add", 1, 1, "socket or secctx" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal why = { 0 };
		struct instance *inst = instance_new(1, 0, &why);

		assert_int_not_equal(load(inst, cases[i].text, &why), 0);
		if (why.at.line != cases[i].line || why.at.column != cases[i].column || !strstr(why.text, cases[i].says))
			fail_msg("\"%s\": %u:%u: %s", cases[i].text, why.at.line, why.at.column, why.text);
		instance_free(inst);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_sockets),
		cmocka_unit_test(refusals_point_at_the_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
