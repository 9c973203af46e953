/* weir/instance.h - a host made of text: its interfaces, routes, settings and clock. */
#ifndef WEIR_INSTANCE_H
#define WEIR_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef WEIR_API
#define WEIR_API __attribute__((visibility("default")))
#endif

struct weir;
struct weir_pkt;
struct weir_ct;
struct weir_expect;

/* Families and hooks are the kernel's numbers: NFPROTO_IPV4, NF_INET_FORWARD, NF_ACCEPT ... of <linux/netfilter.h>. */

/** struct weir_error - Why something was refused: an errno for the program, a sentence for people */
struct weir_error {
	int code;		/* negative errno */
	unsigned int line, column, width;	/* in the text that was refused; 0 unknown */
	char text[512];
};

/** weir_version() - "0.1.0". Context: any. Return: static. */
WEIR_API const char *weir_version(void);

/**
 * weir_open() - Make a host with nothing but a loopback interface
 * @seed:   of every random choice; the same seed and calls give the same bytes
 * @now_ns: where its clock stands, since the epoch
 * @error:  filled on failure; may be NULL, here and everywhere
 *
 * Context: init.
 * Return:  the instance, given: weir_close(); NULL with @error.
 */
WEIR_API struct weir *weir_open(uint64_t seed, int64_t now_ns, struct weir_error *error);
WEIR_API void weir_close(struct weir *weir);

/**
 * weir_ip() - Lines of `ip -batch`: link, addr, route, rule, neigh
 * @text: borrowed, NUL-terminated; "link set eth0 up" makes the port eth0 when there is none
 *
 * Lines before the refused one keep their effect.
 * Context: control. Return: 0, or a negative errno with the place in @error.
 */
WEIR_API int weir_ip(struct weir *weir, const char *text, struct weir_error *error);

/**
 * weir_sysctl_set() - net.ipv4.ip_forward and its kin
 * Context: control. Return: 0; -ENOENT no such name, -EINVAL bad value, -EACCES read-only: nothing changed.
 */
WEIR_API int weir_sysctl_set(struct weir *weir, const char *name, const char *value, struct weir_error *error);
/** weir_sysctl_get() - Return: its text, given: free(); NULL with @error. */
WEIR_API char *weir_sysctl_get(struct weir *weir, const char *name, struct weir_error *error);

/**
 * weir_proc_read() - A file by which the host shows its state: "/proc/net/xt_recent/NAME" and its kin
 * Context: control. Return: its text, given: free(); NULL with @error (-ENOENT: no such file).
 */
WEIR_API char *weir_proc_read(struct weir *weir, const char *path, struct weir_error *error);
/**
 * weir_proc_write() - One write to such a file, where Linux allows it
 * @text: borrowed, @len bytes
 * Context: control. Return: 0; -ENOENT no such file, -EACCES read-only, or the file's own errno.
 */
WEIR_API int weir_proc_write(struct weir *weir, const char *path, const char *text, size_t len, struct weir_error *error);
/** weir_proc_each() - Paths of all such files, in order; @fn returns false to stop. Context: control. */
WEIR_API void weir_proc_each(struct weir *weir, bool (*fn)(void *priv, const char *path), void *priv);

/** weir_now() - Where the clock stands, in nanoseconds since the epoch. */
WEIR_API int64_t weir_now(const struct weir *weir);
/**
 * weir_advance() - Move the clock forward; what is due fires on the way, each at its own time
 * Going back is ignored. Context: worker.
 */
WEIR_API void weir_advance(struct weir *weir, int64_t now_ns);

/** enum weir_event - What weir_observer.conntrack tells of */
enum weir_event { WEIR_CT_NEW, WEIR_CT_UPDATE, WEIR_CT_DESTROY };

/**
 * struct weir_observer - What the program wants to hear; every callback may be NULL
 * Pointers are borrowed for the call. @packet is NULL where no packet is the cause.
 */
struct weir_observer {
	void *priv;
	/** A frame leaves by the interface @out: Ethernet, or raw IP for tun devices. */
	void (*transmit)(void *priv, const char *out, const struct weir_pkt *packet, const void *frame, size_t len);
	/** A packet reached the host itself. */
	void (*deliver)(void *priv, const struct weir_pkt *packet);
	/** A packet ends; @reason is a word ("rule", "ttl"), @sentence explains it. */
	void (*drop)(void *priv, const struct weir_pkt *packet, const char *reason, const char *sentence);
	/** A connection began, changed or ended; @line as `conntrack -E -o extended` prints it. */
	void (*conntrack)(void *priv, enum weir_event event, const struct weir_ct *ct, const char *line);
	/** A connection was announced, or will not be awaited any more; @line as `conntrack -E expect` prints it. */
	void (*expect)(void *priv, bool ended, const struct weir_expect *exp, const char *line);
	/** A line of LOG, without time; @level 0 to 7. */
	void (*log)(void *priv, int level, const char *line);
};

/** weir_observe() - From now on tell @observer (copied; NULL: nobody). Context: control. */
WEIR_API void weir_observe(struct weir *weir, const struct weir_observer *observer);

#ifdef __cplusplus
}
#endif

#endif
