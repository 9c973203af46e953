/*
 * nat/translate.c - IPv6 to IPv4 and back by RFC 7915. A packet is read into a view, its ends are resolved, a new header
 * is written and the payload copied with its checksum changed by the difference. An ICMP error holds a packet, and
 * that is translated by the same function, one level deep.
 */
#include "nat/translate.h"
#include "packet/packet.h"

enum {
	MIN6_MTU = 1280, ERROR4_MAX = 576, DF_FROM = 1260,
	QUOTE_MIN = 128,	/* a quote with extensions behind it (RFC 4884) */
	ICMP_HEAD = 8, FRAG_HEAD = 8,
};

/* One packet as its headers have it. */
struct view {
	bool is6, is_fragment, has_frag_header, df;
	uint8_t proto, tos, ttl;
	uint16_t frag_at;	/* bytes */
	bool more;
	uint32_t id;
	uint32_t off, len;	/* the payload as far as it is there */
	uint32_t total;		/* the payload as the headers say; more than len in quotes only */
};

/* --- reading --- */

static enum xlat_verdict fail(struct xlat *x, bool is_quote, uint8_t type, uint8_t code, uint32_t info)
{
	if (is_quote)
		return XLAT_DROP;
	x->err_type = type;
	x->err_code = code;
	x->err_info = info;
	return XLAT_ERROR;
}

static enum xlat_verdict read6(struct xlat *x, const uint8_t *p, uint32_t len, bool is_quote, struct view *v)
{
	uint32_t all, end, at = sizeof(struct ipv6hdr);
	uint8_t next;

	if (len < at || p[0] >> 4 != 6)
		return XLAT_DROP;
	all = at + get_be16(p + 4);
	if (all > len && !is_quote)
		return XLAT_DROP;
	end = MIN_OF(all, len);
	*v = (struct view){ .is6 = true, .tos = (uint8_t)(get_be16(p) >> 4), .ttl = p[7] };
	for (next = p[6]; !v->frag_at; ) {
		uint32_t size;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		if (end - at < 8)
			return XLAT_DROP;
		size = next == IPPROTO_FRAGMENT ? FRAG_HEAD : (p[at + 1] + 1u) * 8;
		if (size > end - at)
			return XLAT_DROP;
		if (next == IPPROTO_ROUTING && p[at + 3])
			return fail(x, is_quote, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, at + 3);
		if (next == IPPROTO_FRAGMENT) {
			if (v->has_frag_header)
				return XLAT_DROP;
			v->has_frag_header = true;
			v->frag_at = get_be16(p + at + 2) & IP6_OFFSET_MASK;
			v->more = p[at + 3] & IP6_MF;
			v->id = get_be32(p + at + 4);
		}
		next = p[at];
		at += size;
	}
	v->is_fragment = v->frag_at || v->more;
	v->proto = next;
	v->off = at;
	v->len = end - at;
	v->total = all - at;
	return XLAT_DONE;
}

/* A source route that has not come to its end. */
static bool has_hops_left(const uint8_t *option, uint32_t len)
{
	while (len && option[0] != 0) {
		uint32_t size = option[0] == 1 ? 1 : len > 1 ? option[1] : 0;

		if (!size || (option[0] != 1 && size < 2) || size > len)
			return false;
		if ((option[0] == 0x83 || option[0] == 0x89) && size > 2 && option[2] <= size)
			return true;
		option += size;
		len -= size;
	}
	return false;
}

static enum xlat_verdict read4(struct xlat *x, const uint8_t *p, uint32_t len, bool is_quote, struct view *v)
{
	uint32_t head, all, end;
	uint16_t frag;

	if (len < sizeof(struct iphdr) || p[0] >> 4 != 4)
		return XLAT_DROP;
	head = (p[0] & 15) * 4u;
	all = get_be16(p + 2);
	if (head < sizeof(struct iphdr) || head > len || all < head || (all > len && !is_quote))
		return XLAT_DROP;
	end = MIN_OF(all, len);
	frag = get_be16(p + 6);
	*v = (struct view){ .proto = p[9], .tos = p[1], .ttl = p[8], .off = head, .len = end - head, .total = all - head,
			    .df = frag & IP4_DF, .more = frag & IP4_MF, .frag_at = (uint16_t)((frag & IP4_OFFSET_MASK) * 8),
			    .id = get_be16(p + 4) };
	v->is_fragment = v->frag_at || v->more;
	if (!is_quote && has_hops_left(p + sizeof(struct iphdr), head - sizeof(struct iphdr)))
		return fail(x, is_quote, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0);
	return XLAT_DONE;
}

static bool is_icmp(const struct view *v) { return v->proto == (v->is6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP); }
static bool is_echo(const struct view *v, uint8_t type)
{
	return v->is6 ? type == ICMPV6_ECHO_REQUEST || type == ICMPV6_ECHO_REPLY : type == ICMP_ECHO || type == ICMP_ECHOREPLY;
}
static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP ||
	       proto == IPPROTO_SCTP;
}

/* Where a protocol whose checksum covers the addresses has it; 0: it has none of the kind. */
static uint32_t sum_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP ? 6 : 0;
}

/* --- checksums by difference --- */

static uint16_t folded(uint32_t sum) { return (uint16_t)~csum_fold(sum); }

static void change_sum(uint8_t *at, uint32_t from, uint32_t to)
{
	be16 old;
	uint32_t sum;

	memcpy(&old, at, 2);
	sum = (uint16_t)~old + (uint32_t)(uint16_t)~folded(from) + folded(to);
	old = csum_fold(sum);
	memcpy(at, &old, 2);
}

static uint32_t sum_of_ends(bool is6, const struct xlat_flow *f)
{
	uint32_t len = is6 ? 16 : 4;
	uint32_t sum = csum_partial(&f->dst, len, csum_partial(&f->src, len, 0));

	return (uint32_t)folded(sum) + (f->has_keys ? (uint32_t)f->src_key + f->dst_key : 0);
}

/* --- ICMP's words --- */

struct error_words { uint8_t type, code; uint32_t info; };	/* info: the second four bytes of the header */

static bool pointer_to4(uint32_t from, uint8_t *to)
{
	static const int8_t words[] = { 0, 1, -1, -1, 2, 2, 9, 8 };

	if (from >= 40 || (from < 8 && words[from] < 0))
		return false;
	*to = from < 8 ? (uint8_t)words[from] : from < 24 ? 12 : 16;
	return true;
}

static bool pointer_to6(uint8_t from, uint32_t *to)
{
	static const int8_t words[] = { 0, 1, 4, 4, -1, -1, -1, -1, 7, 6, -1, -1, 8, 8, 8, 8, 24, 24, 24, 24 };

	if (from >= ARRAY_SIZE(words) || words[from] < 0)
		return false;
	*to = (uint32_t)words[from];
	return true;
}

static bool error_to4(const struct xlat *x, const uint8_t *icmp, struct error_words *e)
{
	uint32_t info = get_be32(icmp + 4), mtu;
	uint8_t pointer;

	*e = (struct error_words){ .type = ICMP_DEST_UNREACH };
	switch (icmp[0]) {
	case ICMPV6_DEST_UNREACH:
		switch (icmp[1]) {
		case ICMPV6_NOROUTE: case ICMPV6_NOT_NEIGHBOUR: case ICMPV6_ADDR_UNREACH: e->code = ICMP_HOST_UNREACH; return true;
		case ICMPV6_ADM_PROHIBITED: e->code = ICMP_HOST_ANO; return true;
		case ICMPV6_PORT_UNREACH: e->code = ICMP_PORT_UNREACH; return true;
		default: return false;
		}
	case ICMPV6_PKT_TOOBIG:
		mtu = info > 20 ? info - 20 : 0;
		if (x->mtu4)
			mtu = MIN_OF(mtu, x->mtu4);
		if (x->mtu6 > 20)
			mtu = MIN_OF(mtu, x->mtu6 - 20);
		e->code = ICMP_FRAG_NEEDED;
		e->info = MIN_OF(mtu, 65535u);
		return true;
	case ICMPV6_TIME_EXCEED:
		*e = (struct error_words){ .type = ICMP_TIME_EXCEEDED, .code = icmp[1] };
		return true;
	case ICMPV6_PARAMPROB:
		if (icmp[1] == ICMPV6_UNK_NEXTHDR) {
			e->code = ICMP_PROT_UNREACH;
			return true;
		}
		if (icmp[1] != ICMPV6_HDR_FIELD || !pointer_to4(info, &pointer))
			return false;
		*e = (struct error_words){ .type = ICMP_PARAMETERPROB, .info = (uint32_t)pointer << 24 };
		return true;
	default:
		return false;
	}
}

/* What a router that does not say its MTU may have had (RFC 1191): the next one below the packet's length. */
static uint32_t plateau(uint32_t len)
{
	static const uint16_t steps[] = { 65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i] < len)
			return steps[i];
	return 68;
}

static bool unreachable_to6(const struct xlat *x, const uint8_t *icmp, uint32_t quoted_len, struct error_words *e)
{
	uint32_t mtu;

	*e = (struct error_words){ .type = ICMPV6_DEST_UNREACH };
	switch (icmp[1]) {
	case ICMP_NET_UNREACH: case ICMP_HOST_UNREACH: case ICMP_SR_FAILED: case ICMP_NET_UNKNOWN: case ICMP_HOST_UNKNOWN:
	case ICMP_HOST_ISOLATED: case ICMP_NET_UNR_TOS: case ICMP_HOST_UNR_TOS:
		e->code = ICMPV6_NOROUTE;
		return true;
	case ICMP_PROT_UNREACH:
		*e = (struct error_words){ ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR, offsetof(struct ipv6hdr, nexthdr) };
		return true;
	case ICMP_PORT_UNREACH:
		e->code = ICMPV6_PORT_UNREACH;
		return true;
	case ICMP_FRAG_NEEDED:
		mtu = get_be16(icmp + 6);
		mtu = (mtu ? mtu : plateau(quoted_len)) + 20;
		if (x->mtu6)
			mtu = MIN_OF(mtu, x->mtu6);
		if (x->mtu4)
			mtu = MIN_OF(mtu, x->mtu4 + 20);
		*e = (struct error_words){ ICMPV6_PKT_TOOBIG, 0, mtu };
		return true;
	case ICMP_NET_ANO: case ICMP_HOST_ANO: case ICMP_PKT_FILTERED: case ICMP_PREC_CUTOFF:
		e->code = ICMPV6_ADM_PROHIBITED;
		return true;
	default:
		return false;
	}
}

static bool error_to6(const struct xlat *x, const uint8_t *icmp, uint32_t quoted_len, struct error_words *e)
{
	switch (icmp[0]) {
	case ICMP_DEST_UNREACH:
		return unreachable_to6(x, icmp, quoted_len, e);
	case ICMP_TIME_EXCEEDED:
		*e = (struct error_words){ .type = ICMPV6_TIME_EXCEED, .code = icmp[1] };
		return true;
	case ICMP_PARAMETERPROB:
		*e = (struct error_words){ .type = ICMPV6_PARAMPROB, .code = ICMPV6_HDR_FIELD };
		return (icmp[1] == 0 || icmp[1] == 2) && pointer_to6(icmp[4], &e->info);
	default:
		return false;
	}
}

static bool is_error_type(const struct view *v, uint8_t type)
{
	return v->is6 ? type < 128 : type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB ||
				     type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT;
}

/* --- one packet --- */

static enum xlat_verdict one(struct xlat *x, const uint8_t *p, uint32_t len, uint8_t *out, struct xlat_flow *flow, uint32_t *out_len);

/* An error's payload: the quote, and what RFC 4884 puts behind it. Fills @flow->quote's target and *@size. */
static enum xlat_verdict error_body(struct xlat *x, const struct view *v, const uint8_t *icmp, uint8_t *out, uint32_t head,
				    struct xlat_flow *quote, uint32_t *size)
{
	uint32_t quoted = v->len - ICMP_HEAD, more = 0, n, most, unit = v->is6 ? 4 : 8;
	const uint8_t *q = icmp + ICMP_HEAD;
	struct error_words e;
	enum xlat_verdict verdict;

	if (quoted < (v->is6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)))
		return XLAT_DROP;
	if (!(v->is6 ? error_to4(x, icmp, &e) : error_to6(x, icmp, get_be16(q + 2), &e)))
		return XLAT_DROP;
	n = v->is6 ? (icmp[0] == ICMPV6_DEST_UNREACH || icmp[0] == ICMPV6_TIME_EXCEED ? icmp[4] * 8u : 0) : icmp[5] * 4u;
	if (n && n <= quoted) {
		more = quoted - n;
		quoted = n;
	}
	*quote = (struct xlat_flow){ .is_quote = true };
	verdict = one(x, q, quoted, out + ICMP_HEAD, quote, &n);
	if (verdict != XLAT_DONE)
		return verdict;
	most = (v->is6 ? ERROR4_MAX : MIN6_MTU) - head - ICMP_HEAD;
	if (!v->is6 && e.type != ICMPV6_DEST_UNREACH && e.type != ICMPV6_TIME_EXCEED)
		more = 0;
	if (more > most - QUOTE_MIN)
		more = 0;
	if (more) {
		uint32_t room = (most - more) / unit * unit, padded = MIN_OF(ALIGN_UP(MAX_OF(n, (uint32_t)QUOTE_MIN), unit), room);

		if (padded > n)
			memset(out + ICMP_HEAD + n, 0, padded - n);
		memcpy(out + ICMP_HEAD + padded, icmp + v->len - more, more);
		if (v->is6)
			e.info |= padded / 4 << 16;
		else
			e.info = padded / 8 << 24;
		*size = ICMP_HEAD + padded + more;
	} else {
		*size = ICMP_HEAD + MIN_OF(n, most);
	}
	out[0] = e.type;
	out[1] = e.code;
	put_be16(out + 2, 0);
	put_be32(out + 4, e.info);
	return XLAT_DONE;
}

static bool icmp_sum_holds(const struct view *v, const uint8_t *p)
{
	uint32_t pseudo = v->is6 ? csum_pseudo6(p + 8, p + 24, IPPROTO_ICMPV6, v->len) : 0;

	return csum_fold(csum_partial(p + v->off, v->len, pseudo)) == 0;
}

/* A whole datagram that came without a checksum gets one: IPv6 wants it. */
static bool udp_sum_make(uint8_t *udp, uint32_t len, const struct xlat_flow *to)
{
	uint32_t own = get_be16(udp + 4);
	be16 sum;

	if (own < sizeof(struct udphdr) || own > len)
		return false;
	sum = csum_fold(csum_partial(udp, own, csum_pseudo6(&to->src, &to->dst, IPPROTO_UDP, own)));
	sum = sum ? sum : 0xffff;
	memcpy(udp + 6, &sum, 2);
	return true;
}

static enum xlat_verdict change_transport(const struct view *v, const struct xlat_flow *from, const struct xlat_flow *to, uint8_t *l4)
{
	uint32_t at = sum_at(v->proto);

	if (v->frag_at)
		return XLAT_DONE;
	if (from->has_keys) {
		memcpy(l4, &to->src_key, 2);
		memcpy(l4 + 2, &to->dst_key, 2);
	}
	if (!at || v->len < at + 2)
		return XLAT_DONE;	/* short ones that are no quotes did not come so far */
	if (v->proto == IPPROTO_UDP && !l4[6] && !l4[7]) {
		if (v->is6 || from->is_quote)
			return XLAT_DONE;
		return !v->is_fragment && udp_sum_make(l4, v->len, to) ? XLAT_DONE : XLAT_DROP;
	}
	change_sum(l4 + at, sum_of_ends(v->is6, from), sum_of_ends(!v->is6, to));
	if (v->proto == IPPROTO_UDP && !l4[6] && !l4[7])
		l4[6] = l4[7] = 0xff;
	return XLAT_DONE;
}

static void change_echo(const struct view *v, const struct xlat_flow *from, const struct xlat_flow *to, uint8_t *icmp)
{
	struct xlat_flow bare = *(v->is6 ? from : to);
	uint32_t before, after, pseudo;
	be16 id = to->src_key != from->src_key ? to->src_key : to->dst_key;

	bare.has_keys = false;
	pseudo = sum_of_ends(true, &bare) + folded(htonl(v->total)) + htons(IPPROTO_ICMPV6);
	before = (v->is6 ? pseudo : 0) + htons((uint16_t)(icmp[0] << 8)) + from->src_key;
	if (v->is6)
		icmp[0] = icmp[0] == ICMPV6_ECHO_REQUEST ? ICMP_ECHO : ICMP_ECHOREPLY;
	else
		icmp[0] = icmp[0] == ICMP_ECHO ? ICMPV6_ECHO_REQUEST : ICMPV6_ECHO_REPLY;
	after = (v->is6 ? 0 : pseudo) + htons((uint16_t)(icmp[0] << 8)) + id;
	memcpy(icmp + 4, &id, 2);
	change_sum(icmp + 2, before, after);
}

static void write4(const struct xlat *x, const struct view *v, const struct xlat_flow *to, uint32_t total, uint8_t *out)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .tos = v->tos, .tot_len = htons((uint16_t)(sizeof(ip) + total)), .ttl = v->ttl,
			    .protocol = is_icmp(v) ? IPPROTO_ICMP : v->proto, .saddr = to->src.ip, .daddr = to->dst.ip };

	if (v->has_frag_header) {
		ip.id = htons((uint16_t)v->id);
		ip.frag_off = htons((uint16_t)((v->more ? IP4_MF : 0) | v->frag_at >> 3));
	} else if (sizeof(ip) + total > DF_FROM && !x->was_cut) {
		ip.frag_off = htons(IP4_DF);
	} else {
		ip.id = x->ip_id;
	}
	csum_ip4_header(&ip);
	memcpy(out, &ip, sizeof(ip));
}

static void write6(const struct view *v, const struct xlat_flow *to, uint32_t total, uint8_t *out)
{
	uint8_t proto = is_icmp(v) ? IPPROTO_ICMPV6 : v->proto;

	put_be32(out, 6u << 28 | (uint32_t)v->tos << 20);
	put_be16(out + 4, (uint16_t)(total + (v->is_fragment ? FRAG_HEAD : 0)));
	out[6] = v->is_fragment ? IPPROTO_FRAGMENT : proto;
	out[7] = v->ttl;
	memcpy(out + 8, &to->src, 16);
	memcpy(out + 24, &to->dst, 16);
	if (v->is_fragment) {
		out[40] = proto;
		out[41] = 0;
		put_be16(out + 42, (uint16_t)(v->frag_at | (v->more ? IP6_MF : 0)));
		put_be32(out + 44, v->id);
	}
}

/* Is it whole enough and of a kind that exists over there? Fills the rest of @f. */
static enum xlat_verdict look(const struct view *v, const uint8_t *p, struct xlat_flow *f)
{
	const uint8_t *l4 = p + v->off;

	f->is6 = v->is6;
	f->proto = v->proto;
	f->is_fragment = v->is_fragment;
	memcpy(&f->src, p + (v->is6 ? 8 : 12), v->is6 ? 16 : 4);
	memcpy(&f->dst, p + (v->is6 ? 24 : 16), v->is6 ? 16 : 4);
	if (v->proto == (v->is6 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return XLAT_DROP;
	if (is_icmp(v)) {
		if (v->is_fragment || v->len < ICMP_HEAD)
			return XLAT_DROP;
		f->is_error = is_error_type(v, l4[0]);
		if (is_echo(v, l4[0])) {
			f->has_keys = true;
			memcpy(&f->src_key, l4 + 4, 2);
			f->dst_key = f->src_key;
		} else if (!f->is_error || f->is_quote) {
			return XLAT_DROP;
		}
		return XLAT_DONE;
	}
	if (v->frag_at)
		return XLAT_DONE;
	if (!f->is_quote && v->len < (v->proto == IPPROTO_TCP ? sizeof(struct tcphdr) : has_ports(v->proto) ? sizeof(struct udphdr) : 0))
		return XLAT_DROP;
	if (has_ports(v->proto) && v->len >= 4) {
		f->has_keys = true;
		memcpy(&f->src_key, l4, 2);
		memcpy(&f->dst_key, l4 + 2, 2);
	}
	if (v->proto == IPPROTO_TCP && v->len >= sizeof(struct tcphdr))
		f->tcp_flags = l4[13];
	return XLAT_DONE;
}

static enum xlat_verdict one(struct xlat *x, const uint8_t *p, uint32_t len, uint8_t *out, struct xlat_flow *flow, uint32_t *out_len)
{
	const bool is_quote = flow->is_quote;
	struct xlat_flow from, quote;
	uint32_t head, total;
	enum xlat_verdict verdict;
	struct view v;

	verdict = x->in[0] >> 4 == 6 ? read6(x, p, len, is_quote, &v) : read4(x, p, len, is_quote, &v);
	if (verdict != XLAT_DONE)
		return verdict;
	verdict = look(&v, p, flow);
	if (verdict != XLAT_DONE)
		return verdict;
	head = v.is6 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr) + (v.is_fragment ? FRAG_HEAD : 0);
	total = v.total;
	if (total + head > (v.is6 ? 65535u : 65535u + sizeof(struct ipv6hdr)))
		return XLAT_DROP;
	if (flow->is_error) {
		if (!icmp_sum_holds(&v, p))
			return XLAT_DROP;
		verdict = error_body(x, &v, p + v.off, out + head, head, &quote, &total);
		if (verdict != XLAT_DONE)
			return verdict;
		flow->quote = &quote;
		v.len = total;
	} else {
		memcpy(out + head, p + v.off, v.len);
	}
	from = *flow;
	verdict = x->resolve(x->priv, flow);
	flow->quote = NULL;
	if (verdict != XLAT_DONE)
		return verdict;
	if (flow->is_error) {
		uint32_t pseudo = v.is6 ? 0 : csum_pseudo6(&flow->src, &flow->dst, IPPROTO_ICMPV6, total);
		be16 sum = csum_fold(csum_partial(out + head, total, pseudo));

		memcpy(out + head + 2, &sum, 2);
	} else if (is_icmp(&v)) {
		change_echo(&v, &from, flow, out + head);
	} else if (change_transport(&v, &from, flow, out + head) != XLAT_DONE) {
		return XLAT_DROP;
	}
	if (v.is6)
		write4(x, &v, flow, total, out);
	else
		write6(&v, flow, total, out);
	*out_len = head + v.len;
	if (!is_quote)
		x->may_cut = !v.df;
	return XLAT_DONE;
}

static enum xlat_verdict whole(struct xlat *x, uint8_t version)
{
	struct xlat_flow flow = { .is_quote = false };

	if (!x->in_len || x->in[0] >> 4 != version)
		return XLAT_DROP;
	return one(x, x->in, x->in_len, x->out, &flow, &x->out_len);
}

enum xlat_verdict xlat_6to4(struct xlat *x) { return whole(x, 6); }
enum xlat_verdict xlat_4to6(struct xlat *x) { return whole(x, 4); }
