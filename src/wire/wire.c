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

static int send_record(int fd, struct wire_head *head, const void *payload, size_t len, int flags, const int *fds,
		       unsigned int count)
{
	struct iovec iov[2] = { { head, sizeof(*head) }, { (void *)payload, len } };
	union { char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = head->flags & WIRE_MEMFD ? 1 : 2 };

	if (count) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
							 .cmsg_len = CMSG_LEN(count * sizeof(int)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, count * sizeof(int));
	}
	while (sendmsg(fd, &msg, flags | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int wire_send(int fd, struct wire_head *head, const void *payload, size_t len, int flags)
{
	int blob, err;

	if (len > WIRE_BLOB_MAX)
		return -EMSGSIZE;
	head->magic = WIRE_MAGIC;
	head->len = (uint32_t)len;
	head->flags &= ~(uint32_t)(WIRE_MEMFD | WIRE_FDS);
	if (len <= WIRE_INLINE_MAX)
		return send_record(fd, head, payload, len, flags, NULL, 0);
	blob = blob_make(payload, len);
	if (blob < 0)
		return blob;
	head->flags |= WIRE_MEMFD;
	err = send_record(fd, head, payload, len, flags, &blob, 1);
	close(blob);
	return err;
}

int wire_send_fds(int fd, struct wire_head *head, const void *payload, size_t len, const int *fds, unsigned int count)
{
	if (len > WIRE_INLINE_MAX || count > WIRE_FDS_MAX)
		return -EMSGSIZE;
	head->magic = WIRE_MAGIC;
	head->len = (uint32_t)len;
	head->flags = (head->flags & ~(uint32_t)WIRE_MEMFD) | (count ? WIRE_FDS : 0);
	return send_record(fd, head, payload, len, 0, fds, count);
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

/* The descriptors that came along, as many as there is room for; others are closed. */
static void take_fds(struct msghdr *msg, struct wire_record *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (out->fd_count < WIRE_FDS_MAX)
				out->fds[out->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

static void close_fds(struct wire_record *record)
{
	for (unsigned int i = 0; i < record->fd_count; i++)
		if (record->fds[i] >= 0)
			close(record->fds[i]);
	record->fd_count = 0;
}

int wire_receive(int fd, struct wire_record *out, int flags)
{
	union { char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))]; struct cmsghdr align; } control;
	uint8_t small[WIRE_INLINE_MAX];
	struct iovec iov[2] = { { &out->head, sizeof(out->head) }, { small, sizeof(small) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	bool is_blob, with_fds;
	ssize_t got;
	int err = -EPROTO;

	out->data = NULL;
	out->fd_count = 0;
	do
		got = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR && !(flags & MSG_DONTWAIT));
	if (got < 0)
		return -errno;
	if (got == 0)
		return -ECONNRESET;
	take_fds(&msg, out);
	out->peeked = got;
	is_blob = got >= (ssize_t)sizeof(out->head) && out->head.flags & WIRE_MEMFD;
	with_fds = got >= (ssize_t)sizeof(out->head) && out->head.flags & WIRE_FDS;
	if (got < (ssize_t)sizeof(out->head) || out->head.magic != WIRE_MAGIC || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    out->head.len > WIRE_BLOB_MAX || (is_blob && out->fd_count != 1) || (is_blob && with_fds) ||
	    (!is_blob && !with_fds != !out->fd_count) || (!is_blob && out->head.len != got - sizeof(out->head)))
		goto out;
	out->data = malloc(out->head.len + (size_t)1);
	err = out->data ? 0 : -ENOMEM;
	if (!err && is_blob)
		err = blob_take(out->fds[0], out->data, out->head.len);
	else if (!err)
		memcpy(out->data, small, out->head.len);
	if (!err)
		out->data[out->head.len] = 0;
out:
	if (is_blob)
		close_fds(out);
	if (err)
		wire_record_free(out);
	return err;
}

void wire_record_free(struct wire_record *record)
{
	free(record->data);
	record->data = NULL;
	close_fds(record);
}

int wire_call(int fd, struct wire_head *head, const void *payload, size_t len, struct wire_record *reply)
{
	int err = wire_send(fd, head, payload, len, 0);

	if (!err)
		err = wire_receive(fd, reply, 0);
	else
		*reply = (struct wire_record){ .data = NULL };
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
