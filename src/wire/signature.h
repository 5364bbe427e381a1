/* Standard Webhooks 1.0 signatures, symmetric: who sent this body, and when (reliability.md H8).
 *
 * The value of webhook-signature is "v1," and the base64 HMAC-SHA256 of "ID.TIMESTAMP.BODY", one such word
 * for each secret, separated by blanks; several words are how secrets are rotated without a gap. Pure. A
 * secret struct holds key material: signature_wipe() it when done. */
#ifndef WIRE_SIGNATURE_H
#define WIRE_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"

#define SIGNATURE_SECRET_BYTES_MIN 24
#define SIGNATURE_SECRET_BYTES_MAX 128
#define SIGNATURE_SECRETS 4 /* at most this many valid at once */
#define SIGNATURE_AGE_S 300 /* how far a timestamp may lie from now, either way */

struct signature_secret {
    struct digest_key key;
};

/* "whsec_" and the standard base64 of 24 to 128 bytes. 0, ERR_SYNTAX, or ERR_LIMIT when it is too short or
 * too long; why never quotes the secret. */
int signature_secret_decode(struct slice text, struct signature_secret *out, struct why *why);
void signature_wipe(struct signature_secret *secrets, size_t count);

/* Append the value of webhook-signature, one word for each of the 1 to SIGNATURE_SECRETS secrets. */
void signature_add(struct buffer *to, const struct signature_secret *secrets, size_t count, struct slice id,
                   uint64_t timestamp_s, struct slice body);

/* What a receiver has: the three headers and the body as they came. */
struct signature_claim {
    struct slice id;        /* webhook-id */
    struct slice timestamp; /* webhook-timestamp */
    struct slice signature; /* webhook-signature */
    struct slice body;
};

/* Does any word of the claim fit any secret, and is it fresh? Compares in constant time. 0; ERR_SYNTAX when a
 * header is missing or malformed; ERR_TIMEOUT when the timestamp is more than SIGNATURE_AGE_S from now;
 * ERR_DENIED when nothing fits. Words of other versions are passed over. */
int signature_verify(const struct signature_claim *claim, const struct signature_secret *secrets,
                     size_t count, uint64_t now_s, struct why *why);

#endif
