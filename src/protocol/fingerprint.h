/* The fingerprint of a POST under an Idempotency-Key: what "the same request again" means (design.md 4 (17)).
 *
 * SHA-256 over namespace, path, query without `wait`, and the body. A body that is a JSON object is taken
 * member by member: their order, the blanks between them and the escapes in a string that stands alone mean
 * nothing; an array or an object inside is taken byte for byte, because it may be somebody's payload. Any
 * other body, and an object of more than FINGERPRINT_MEMBERS_MAX members, is taken byte for byte as a whole.
 * So it errs to one side only: two spellings of one request may get two fingerprints, and their sender a 422;
 * two requests never get one. It knows no route, and so it holds for every route there will be.
 *
 * A submit does not use it: its fingerprint lives as long as its gid (protocol/submission.h).
 *
 * Pure. The result is stored for a day: whoever changes it makes the repeats of that day look like others. */
#ifndef PROTOCOL_FINGERPRINT_H
#define PROTOCOL_FINGERPRINT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

#define FINGERPRINT_MEMBERS_MAX 32

/* path and query as they came in, query without '?'. The arena takes decoded strings. 0 or ERR_MEMORY. */
int fingerprint_of(struct slice namespace_name, struct slice path, struct slice query, struct slice body,
                   struct arena *arena, uint8_t out[32]);

#endif
