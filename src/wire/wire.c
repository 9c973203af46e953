/* wire/wire.c - records over SEQPACKET. A record is sent whole or not at all; what is malformed ends the connection. */
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int blob_make(const uint8_t *payload, size_t len)
{
	int fd = memfd_create("weir", MFD_CLOEXEC);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < len) {
		ssize_t n = write(fd, payload + done, len - done);

		if (n < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		done += (size_t)n;
	}
	return fd;
}

int wire_send(int fd, struct wire_head *head, const void *payload, size_t len, int flags)
{
	struct iovec iov[2] = { { head, sizeof(*head) }, { (void *)payload, len } };
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int blob = -1, err = 0;

	if (len > WIRE_BLOB_MAX)
		return -EMSGSIZE;
	head->magic = WIRE_MAGIC;
	head->len = (uint32_t)len;
	head->flags &= ~WIRE_MEMFD;
	if (len > WIRE_INLINE_MAX) {
		struct cmsghdr *c;

		blob = blob_make(payload, len);
		if (blob < 0)
			return blob;
		head->flags |= WIRE_MEMFD;
		msg.msg_iovlen = 1;
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(c), &blob, sizeof(blob));
	}
	while (sendmsg(fd, &msg, flags | MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		err = -errno;
		break;
	}
	if (blob >= 0)
		close(blob);
	return err;
}

static int blob_take(int blob, uint8_t *into, size_t len)
{
	struct stat st;
	size_t done = 0;

	if (fstat(blob, &st) || (uint64_t)st.st_size != len)
		return -EPROTO;
	while (done < len) {
		ssize_t n = pread(blob, into + done, len - done, (off_t)done);

		if (n <= 0)
			return -EPROTO;
		done += (size_t)n;
	}
	return 0;
}

/* The descriptor that came along, the first one; others are closed. -1: none. */
static int blob_of(struct msghdr *msg)
{
	int found = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (found < 0)
				found = fd;
			else
				close(fd);
		}
	}
	return found;
}

int wire_receive(int fd, struct wire_record *out, int flags)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	uint8_t small[WIRE_INLINE_MAX];
	struct iovec iov[2] = { { &out->head, sizeof(out->head) }, { small, sizeof(small) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	ssize_t got;
	int blob, err = -EPROTO;

	out->data = NULL;
	do
		got = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR && !(flags & MSG_DONTWAIT));
	if (got < 0)
		return -errno;
	if (got == 0)
		return -ECONNRESET;
	blob = blob_of(&msg);
	out->peeked = got;
	if (got < (ssize_t)sizeof(out->head) || out->head.magic != WIRE_MAGIC || msg.msg_flags & MSG_TRUNC ||
	    out->head.len > WIRE_BLOB_MAX || !(out->head.flags & WIRE_MEMFD) == (blob >= 0) ||
	    (blob < 0 && out->head.len != got - sizeof(out->head)))
		goto out;
	out->data = malloc(out->head.len + 1u);
	err = out->data ? 0 : -ENOMEM;
	if (!err && blob >= 0)
		err = blob_take(blob, out->data, out->head.len);
	else if (!err)
		memcpy(out->data, small, out->head.len);
	if (!err)
		out->data[out->head.len] = 0;
out:
	if (blob >= 0)
		close(blob);
	if (err)
		wire_record_free(out);
	return err;
}

void wire_record_free(struct wire_record *record)
{
	free(record->data);
	record->data = NULL;
}

int wire_call(int fd, struct wire_head *head, const void *payload, size_t len, struct wire_record *reply)
{
	int err = wire_send(fd, head, payload, len, 0);

	if (!err)
		err = wire_receive(fd, reply, 0);
	else
		reply->data = NULL;
	if (err)
		return err == -EPIPE || err == -EPROTO || err == -ENOTCONN ? -ECONNRESET : err;
	return reply->head.err;
}

int wire_path(const char *name, struct sockaddr_un *out)
{
	const char *whole = name ? NULL : getenv("WEIR_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (name && strchr(name, '/'))
		whole = name;
	if (whole)
		n = snprintf(out->sun_path, sizeof(out->sun_path), "%s", whole);
	else if (runtime && *runtime && geteuid() != 0)
		n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/weir/%s.sock", runtime, name ? name : "default");
	else
		n = snprintf(out->sun_path, sizeof(out->sun_path), "/run/weir/%s.sock", name ? name : "default");
	return n < (int)sizeof(out->sun_path) ? 0 : -ENAMETOOLONG;
}

int wire_connect(const struct sockaddr_un *where)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)where, sizeof(*where))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}
