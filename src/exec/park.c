/* exec/park.c - receives that wait: their callers stand still, the supervisor goes on. */
#include "exec/exec_internal.h"
#include "base/clock.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static void unpark(struct supervisor *s, struct parked *p)
{
	epoll_ctl(s->epoll, EPOLL_CTL_DEL, p->fd, NULL);	/* the tool holds the file: closing alone would not do */
	close(p->fd);
	p->used = false;
}

static struct parked *more_room(struct supervisor *s)
{
	unsigned int room = s->parked_room ? s->parked_room * 2 : PARKED_FIRST;
	struct parked *more = realloc(s->parked, room * sizeof(*more)), *first;

	if (!more)
		return NULL;
	first = more + s->parked_room;
	memset(first, 0, (room - s->parked_room) * sizeof(*more));
	s->parked = more;
	s->parked_room = room;
	return first;
}

void park(struct supervisor *s, const struct seccomp_notif *n, struct tool_socket *sock, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };
	struct parked *p = NULL;

	for (unsigned int i = 0; i < s->parked_room; i++) {
		if (s->parked[i].used && s->parked[i].notif.pid == n->pid)
			unpark(s, &s->parked[i]);	/* a signal ended that one; its thread asks anew */
		if (!s->parked[i].used)
			p = &s->parked[i];
	}
	if (!p)
		p = more_room(s);
	if (!p) {
		close(fd);
		answer(s, n->id, -ENOBUFS);
		return;
	}
	*p = (struct parked){ .used = true, .fd = fd, .notif = *n };
	if (sock->receive_timeout_ns)
		p->deadline_ns = clock_ns(CLOCK_MONOTONIC) + sock->receive_timeout_ns;
	ev.data.u32 = (uint32_t)(p - s->parked);
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev);
}

void parked_ready(struct supervisor *s, unsigned int index)
{
	struct parked *p = &s->parked[index];
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u32 = index };

	if (!p->used)
		return;
	if (ioctl(s->notify, SECCOMP_IOCTL_NOTIF_ID_VALID, &p->notif.id) || try_receive(s, &p->notif, p->fd))
		unpark(s, p);
	else
		epoll_ctl(s->epoll, EPOLL_CTL_MOD, p->fd, &ev);
}

int parked_check(struct supervisor *s)
{
	int64_t now = 0, next = INT64_MAX;

	for (unsigned int i = 0; i < s->parked_room; i++) {
		struct parked *p = &s->parked[i];

		if (!p->used || !p->deadline_ns)
			continue;
		now = now ? now : clock_ns(CLOCK_MONOTONIC);
		if (p->deadline_ns <= now) {
			answer(s, p->notif.id, -EAGAIN);
			unpark(s, p);
		} else {
			next = MIN_OF(next, p->deadline_ns);
		}
	}
	return next == INT64_MAX ? -1 : (int)MIN_OF((next - now) / NSEC_PER_MSEC + 1, (int64_t)INT32_MAX);
}
