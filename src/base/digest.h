/* Digests, and the letters that carry them: SHA-256 and HMAC-SHA256 over libcrypto, hexadecimal, base64,
 * comparing and forgetting secrets.
 *
 * A running digest is a plain value: it may be copied, and a copy runs on by itself. Nothing allocates and
 * nothing fails but what says so. No state outside the structs, any thread. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define DIGEST_BYTES 32

/* A running SHA-256. */
struct digest {
    uint64_t state[14];
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, struct slice more);
/* The digest of all that was added. d is used up. */
void digest_end(struct digest *d, uint8_t out[DIGEST_BYTES]);
void digest_sha256(struct slice s, uint8_t out[DIGEST_BYTES]);

/* A key of HMAC-SHA256 (RFC 2104), prepared once: signing with it costs two blocks less each time. It is a
 * secret: digest_wipe it when it is no longer needed. */
struct digest_key {
    struct digest inner;
    struct digest outer;
};

void digest_key_init(struct digest_key *key, struct slice secret); /* a secret of any length */
/* Sign in pieces: begin, digest_add as often as needed, end. */
void digest_mac_begin(const struct digest_key *key, struct digest *d);
void digest_mac_end(const struct digest_key *key, struct digest *d, uint8_t out[DIGEST_BYTES]);
void digest_hmac_sha256(struct slice secret, struct slice message, uint8_t out[DIGEST_BYTES]);

/* Compare in a time that depends on the lengths only. */
bool digest_equal(struct slice a, struct slice b);
/* Overwrite so that no compiler leaves it out. */
void digest_wipe(void *at, size_t length);

/* Append lower-case hexadecimal; take it back (either case). ERR_SYNTAX, or what the buffer says. */
void digest_add_hex(struct buffer *to, struct slice bytes);
int digest_parse_hex(struct slice text, struct buffer *to);

/* RFC 4648: the standard alphabet with '=' (section 4), or the URL-safe one without (section 5). Parsing is
 * strict: that alphabet only, padding exactly as it is written, no blanks, unused bits zero. ERR_SYNTAX, or
 * what the buffer says; on ERR_SYNTAX nothing was appended. */
enum base64 {
    BASE64_STANDARD,
    BASE64_URL,
};
void digest_add_base64(struct buffer *to, struct slice bytes, enum base64 alphabet);
int digest_parse_base64(struct slice text, struct buffer *to, enum base64 alphabet);

#endif
