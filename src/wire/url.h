/* The URL of a participant: http or https, strict (RFC 3986 narrowed by reliability.md H6).
 *
 * Read once at submit and once per call; both readings are this one, so that nothing can be judged as one
 * host and called as another. Pure, no allocation: slices look into the caller's text. */
#ifndef WIRE_URL_H
#define WIRE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/address.h"

struct url {
    bool secure;            /* https */
    bool is_address;        /* the host is a literal: address is set */
    uint16_t port;          /* 80 or 443 when not written */
    struct slice host;      /* without brackets and port, as written */
    struct slice authority; /* host and port as written: what Host carries */
    struct slice target;    /* path and query; static "/" when the URL ends after the authority */
    struct address address;
};

/* 0, ERR_LIMIT (over LIMIT_URL_BYTES) or ERR_SYNTAX; why says what is wrong and quotes no more than the host.
 * Refused: other schemes, user names, fragments, blanks, control characters (also percent-encoded), bytes
 * over 0x7e, broken percent-encoding, backslashes and the other bytes that RFC 3986 does not allow, an empty
 * host, an address zone, numbers as hosts in any form but four plain decimals (so 127.1, 0x7f.1, 2130706433
 * and 0177.0.0.1 are refused), labels over 63 or names over 253 bytes, port 0 or over 65535, and a query
 * right behind the authority. */
int url_decode(struct slice text, struct url *out, struct why *why);

/* Only "host[:port]", by the same rules: sets host, port (standard_port when not written), is_address and
 * address. 0 or ERR_SYNTAX. */
int url_decode_authority(struct slice text, uint16_t standard_port, struct url *out, struct why *why);

#endif
