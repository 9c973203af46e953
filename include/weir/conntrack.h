/* weir/conntrack.h - the connection table. */
#ifndef WEIR_PUBLIC_CONNTRACK_H
#define WEIR_PUBLIC_CONNTRACK_H

#include <weir/instance.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * weir_ct_enable() - Track connections of a family from now on, whether a rule needs it or not
 * Context: control. Return: 0, -EINVAL, -ENOMEM.
 */
WEIR_API int weir_ct_enable(struct weir *weir, int family);
/**
 * struct weir_tuple - One direction of a connection
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6; @proto: IPPROTO_*
 * @src, @dst: in network order; IPv4 uses the first four bytes, the rest is zero
 * @src_port, @dst_port: in host order; of ICMP @src_port is the id, of GRE both are keys
 */
struct weir_tuple {
	uint8_t family, proto, icmp_type, icmp_code;
	uint8_t src[16], dst[16];
	uint16_t src_port, dst_port;
};
enum weir_dir { WEIR_ORIGINAL, WEIR_REPLY };

/** weir_ct_count() - Connections in the table. */
WEIR_API uint32_t weir_ct_count(const struct weir *weir);

/**
 * weir_ct_each() - Visit the connections, the oldest first
 * @visit: returns false to stop; may end the connection it visits, no other
 * Context: control or worker.
 */
WEIR_API void weir_ct_each(struct weir *weir, bool (*visit)(void *priv, struct weir_ct *ct), void *priv);

/**
 * weir_ct_find() - The connection one of whose tuples this is
 * @zone: 0 unless rules give zones
 * @dir:  NULL, or filled with the direction that @tuple is
 * Context: control or worker. Return: shared: weir_ct_put(); NULL: there is none.
 */
WEIR_API struct weir_ct *weir_ct_find(struct weir *weir, uint16_t zone, const struct weir_tuple *tuple, enum weir_dir *dir);
/** weir_ct_share() - One share more, to keep a borrowed connection. Return: @ct, shared: weir_ct_put(). */
WEIR_API struct weir_ct *weir_ct_share(struct weir_ct *ct);
/** weir_ct_put() - Gives a share back; NULL is fine. A connection without shares that has ended is freed. */
WEIR_API void weir_ct_put(struct weir *weir, struct weir_ct *ct);

/** weir_ct_tuple() - What packets of a direction look like when they come; NAT makes the two differ. */
WEIR_API void weir_ct_tuple(const struct weir_ct *ct, enum weir_dir dir, struct weir_tuple *out);
/** weir_ct_id() - As `conntrack -o id`: no two living connections have the same. */
WEIR_API uint32_t weir_ct_id(const struct weir *weir, const struct weir_ct *ct);
WEIR_API uint16_t weir_ct_zone(const struct weir_ct *ct);
/** weir_ct_state() - "ESTABLISHED" and its kin of TCP and SCTP; "" for other protocols. Return: static. */
WEIR_API const char *weir_ct_state(const struct weir_ct *ct);
/** weir_ct_counters() - Packets and bytes of a direction. Return: false: nf_conntrack_acct was off when it began. */
WEIR_API bool weir_ct_counters(const struct weir_ct *ct, enum weir_dir dir, uint64_t *packets, uint64_t *bytes);
/** weir_ct_master() - Whose helper announced it. Return: borrowed as long as @ct; NULL: nobody's. */
WEIR_API struct weir_ct *weir_ct_master(const struct weir_ct *ct);
/** weir_ct_helper() - Who reads it along ("ftp"). Return: static; NULL: nobody. */
WEIR_API const char *weir_ct_helper(const struct weir_ct *ct);
/** weir_ct_has_label() - Is this of its 128 bits set ("-m connlabel")? */
WEIR_API bool weir_ct_has_label(const struct weir_ct *ct, unsigned int bit);

/**
 * struct weir_ct_request - A connection to be made, or what shall change in one
 * Zero what is not meant. @reply is the original tuple turned round unless @has_reply; NAT addresses go with it.
 */
struct weir_ct_request {
	struct weir_tuple original, reply;
	uint16_t zone;
	uint32_t timeout;		/* seconds */
	uint32_t status;		/* IPS_*: bits to set */
	uint32_t mark, mark_mask;	/* the bits of @mask become those of @mark; 0: all of them */
	uint8_t tcp_state;		/* TCP_CONNTRACK_* */
	bool has_reply, has_timeout, has_status, has_mark, has_tcp_state;
};
/**
 * weir_ct_create() - Begin a connection by hand; observers hear of it
 * Context: control. Return: 0; -EEXIST a tuple is known, -EINVAL, -EBUSY (status), -ENOMEM.
 */
WEIR_API int weir_ct_create(struct weir *weir, const struct weir_ct_request *request, struct weir_error *error);
/**
 * weir_ct_update() - Change a connection, as `conntrack -U`; its tuples stay as they are
 * Context: control. Return: 0; -ESTALE it is being removed, -EPERM its timeout is fixed, -EBUSY (status).
 */
WEIR_API int weir_ct_update(struct weir *weir, struct weir_ct *ct, const struct weir_ct_request *request,
			    struct weir_error *error);
/** weir_ct_flush() - End all connections, each with its event. Context: control. */
WEIR_API void weir_ct_flush(struct weir *weir);

/** struct weir_ct_stats - What `conntrack -S` counts, since the instance began */
struct weir_ct_stats {
	uint64_t found, invalid, insert, insert_failed, drop, early_drop, error, clash_resolved, full;
	uint64_t expect_new, expect_create, expect_delete;
};
WEIR_API void weir_ct_stats(const struct weir *weir, struct weir_ct_stats *out);

/** weir_ct_text() - A line as `conntrack -L -o extended`. Return: given: free(); NULL: no memory. */
WEIR_API char *weir_ct_text(const struct weir *weir, const struct weir_ct *ct);
/** weir_ct_status() - Bits IPS_* of <linux/netfilter/nf_conntrack_common.h>. */
WEIR_API uint32_t weir_ct_status(const struct weir_ct *ct);
WEIR_API uint32_t weir_ct_mark(const struct weir_ct *ct);
WEIR_API void weir_ct_set_mark(struct weir_ct *ct, uint32_t mark);
/** weir_ct_timeout() - Seconds that it has left. */
WEIR_API uint32_t weir_ct_timeout(const struct weir *weir, const struct weir_ct *ct);
/**
 * weir_ct_set_timeout() - Give a connection a new lifetime
 * @seconds: counted from now, 1 to INT32_MAX
 * Context: control or worker. Return: 0; -ERANGE, or -ESTALE when it is being removed: nothing changed.
 */
WEIR_API int weir_ct_set_timeout(struct weir *weir, struct weir_ct *ct, uint32_t seconds);
/** weir_ct_end() - Remove it now. Return: 0; -ESTALE when that was done already. */
WEIR_API int weir_ct_end(struct weir *weir, struct weir_ct *ct);

#ifdef __cplusplus
}
#endif

#endif
