/* control/osfnetlink.c - fingerprints of operating systems, as nfnl_osf(8) loads and takes them away. */
#include "control/control_internal.h"

#include "ext/osf.h"

static int finger_read(const struct nl_request *req, struct nf_osf_user_finger *out)
{
	const struct nlattr *attr = req->attrs[OSF_ATTR_FINGER];

	if (!attr)
		return -EINVAL;
	if (nl_len(attr) < sizeof(*out))
		return -ERANGE;
	memcpy(out, nl_data(attr), sizeof(*out));
	return 0;
}

static bool ends(const char *text)
{
	return strnlen(text, MAXGENRELEN) < MAXGENRELEN;
}

static int add(struct nl_request *req)
{
	struct nf_osf_user_finger finger;
	int err = finger_read(req, &finger);

	if (err)
		return err;
	if (!(req->nlh->nlmsg_flags & NLM_F_CREATE) || !ends(finger.genre) || !ends(finger.subtype) || !ends(finger.version))
		return -EINVAL;
	if (req->nlh->nlmsg_flags & NLM_F_EXCL && osf_is_known(req->control->inst, &finger))
		return -EEXIST;
	return osf_add(req->control->inst, &finger, NULL);
}

static int take_away(struct nl_request *req)
{
	struct nf_osf_user_finger finger;
	int err = finger_read(req, &finger);

	return err ? err : osf_remove(req->control->inst, &finger, NULL);
}

static const struct nl_command commands[] = {
	[OSF_MSG_ADD] = { .call = add, .attr_max = OSF_ATTR_MAX, .needs_change = true },
	[OSF_MSG_REMOVE] = { .call = take_away, .attr_max = OSF_ATTR_MAX, .needs_change = true },
};

const struct nl_subsystem nl_osf = { NFNL_SUBSYS_OSF, commands, ARRAY_SIZE(commands) };
