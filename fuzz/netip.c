/* netip.c - any bytes as net.ip, and as sysctl.conf, on a fresh instance; a refusal has a sentence and a place. */
#include <stdlib.h>

#include "cli/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned short port_type(void *priv, const char *name)
{
	return strcmp(name, "eth0") == 0 ? ARPHRD_ETHER : strcmp(name, "tun0") == 0 ? ARPHRD_NONE : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct refusal why = { 0 };
	struct instance *inst = instance_new(1, 0, &why);
	struct netip ip = { .inst = inst, .loading = true, .port_type = port_type };
	int err;

	if (!inst || size > 16384) {
		if (inst)
			instance_free(inst);
		return 0;
	}
	if (size && data[0] == '=')
		err = sysctl_conf_load(inst, (const char *)data + 1, size - 1, "sysctl.conf", &why);
	else
		err = netip_load(&ip, (const char *)data, size, "net.ip", &why);
	if (err && (!why.text[0] || !why.at.line))
		abort();
	instance_free(inst);
	return 0;
}
