/* A secret that signs what goes out (reliability.md H8), and, during a rotation, the one before it, in a file
 * of its own: first line the whsec_ text in use; second line the one before it and, behind a blank, the epoch
 * ms until which both sign. Replaced through a fresh file and a rename.
 *
 * Errors as in server/secret_file.h; ERR_INVALID: what stands in the file is no such secret; ERR_IO also when
 * there are no random numbers. Whoever holds the struct wipes it (signing_secret_wipe). */
#ifndef SERVER_SIGNING_SECRET_H
#define SERVER_SIGNING_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
    SIGNING_SECRET_BYTES = 128, /* room for a whsec_ text, NUL included */
};

struct signing_secret {
    char current[SIGNING_SECRET_BYTES];
    char before[SIGNING_SECRET_BYTES]; /* "": none */
    uint64_t before_until_ms;
};

/* Whether text is whsec_ and at least 24 bytes in base64. */
bool signing_secret_is(struct slice text);
/* A fresh one, in no file yet; or this text, which must be one. */
int signing_secret_make(struct signing_secret *s, struct why *why);
void signing_secret_take(struct signing_secret *s, struct slice text);
int signing_secret_load(struct signing_secret *s, const char *path, struct why *why);
int signing_secret_save(const struct signing_secret *s, const char *path, struct why *why);
/* A new one; the old one signs beside it until now_ms + overlap_ms. Saved when this returns 0; on failure s
 * is as before. */
int signing_secret_rotate(struct signing_secret *s, const char *path, uint64_t overlap_ms, uint64_t now_ms,
                          struct why *why);
/* NUL-ended texts inside s; previous is empty when its time is over. */
void signing_secret_now(const struct signing_secret *s, uint64_t now_ms, struct slice *current,
                        struct slice *previous);
/* A mark of the secret in use, 64 hexadecimal digits, appended: another secret has another mark. */
void signing_secret_mark(const struct signing_secret *s, const uint8_t salt[32], struct buffer *to);
void signing_secret_wipe(struct signing_secret *s);

#endif
