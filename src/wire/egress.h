/* Which hosts settled may call: the classifier behind egress.allow and egress.deny (reliability.md H6,
 * design.md 4 (4)).
 *
 * A URL is judged twice. At submit, on what is written: a literal address gets its final verdict, a name can
 * only be refused by egress.deny. At connect, on every address the name resolved to. Without any rule nothing
 * is allowed; the default of the setting is egress_allow_loopback().
 *
 * The order of judgement: settled's own listeners are never called; what egress.deny lists is refused;
 * link-local, metadata, multicast, reserved and unspecified addresses are refused unless egress.allow lists
 * exactly this address; everything else needs a rule of egress.allow, for its address or for the name in the
 * URL. An IPv4 address inside an IPv6 one (see address_inner) is never allowed in a URL; where a name
 * resolved to one it is judged as that IPv4 address, and egress.deny looks at both.
 *
 * Pure. Rules live in the arena given to egress_init, which must outlive the struct. Build it once, then read
 * it from any thread. */
#ifndef WIRE_EGRESS_H
#define WIRE_EGRESS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "wire/address.h"
#include "wire/url.h"

struct egress_rule;
struct egress_never;

struct egress {
    struct arena *arena;
    struct egress_rule *allow; /* newest first; order does not matter */
    struct egress_rule *deny;
    struct egress_never *never;
};

enum egress_verdict {
    EGRESS_ALLOWED,
    EGRESS_AT_CONNECT, /* a name: its addresses decide */
    EGRESS_REFUSED,    /* why names the host and the setting */
};

void egress_init(struct egress *e, struct arena *arena);
/* Add one rule: a host name ("stock", "stock.example.com"), all names below one ("*.example.com"), an address
 * ("10.0.0.7", "::1", "[::1]"), or a network ("10.0.0.0/8", "fd00::/8"). The text is copied. 0; ERR_SYNTAX
 * when it is none of these (why says so); ERR_INVALID for a network with bits set behind its prefix, which is
 * nearly always a mistake; ERR_MEMORY. */
int egress_allow(struct egress *e, struct slice rule, struct why *why);
int egress_deny(struct egress *e, struct slice rule, struct why *why);
/* 127.0.0.0/8 and ::1. 0 or ERR_MEMORY. */
int egress_allow_loopback(struct egress *e);
/* A listener of settled's own. The unspecified address (0.0.0.0 or ::) stands for every loopback address; the
 * caller adds the addresses of its interfaces itself. 0 or ERR_MEMORY. */
int egress_never(struct egress *e, const struct address *address, uint16_t port);

/* At submit. Never returns EGRESS_AT_CONNECT for a literal, nor EGRESS_ALLOWED for a name. */
enum egress_verdict egress_judge_url(const struct egress *e, const struct url *url, struct why *why);
/* At connect: one address that host (as in the URL, without brackets) stands for. Never EGRESS_AT_CONNECT. */
enum egress_verdict egress_judge_address(const struct egress *e, struct slice host,
                                         const struct address *address, uint16_t port, struct why *why);

#endif
