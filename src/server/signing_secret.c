#include "server/signing_secret.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "server/random_text.h"
#include "server/secret_file.h"

bool signing_secret_is(struct slice text) {
    /* whsec_ and at least 24 bytes in base64 (Standard Webhooks). */
    if (!slice_starts(text, "whsec_") || text.length < 6 + 32 || text.length >= SIGNING_SECRET_BYTES)
        return false;
    for (size_t i = 6; i < text.length; i++) {
        char c = text.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
              c == '/' || c == '='))
            return false;
    }
    return true;
}

int signing_secret_make(struct signing_secret *s, struct why *why) {
    *s = (struct signing_secret){ .before_until_ms = 0 };
    int code = random_text("whsec_", 32, BASE64_STANDARD, s->current, sizeof s->current);
    return code == 0 ? 0 : why_set(why, code, "no random numbers from the system");
}

void signing_secret_take(struct signing_secret *s, struct slice text) {
    *s = (struct signing_secret){ .before_until_ms = 0 };
    memcpy(s->current, text.at, text.length);
}

static int read_lines(struct signing_secret *s, struct slice text) {
    size_t end = slice_find(text, '\n');
    struct slice first = slice_trim(slice_upto(text, end));
    struct slice second = slice_from(text, end + 1);
    second = slice_trim(slice_upto(second, slice_find(second, '\n')));
    if (!signing_secret_is(first))
        return ERR_INVALID;
    signing_secret_take(s, first);
    if (second.length == 0)
        return 0;
    size_t blank = slice_find(second, ' ');
    struct slice before = slice_upto(second, blank);
    if (!signing_secret_is(before) || slice_u64(slice_from(second, blank + 1), &s->before_until_ms) != 0)
        return ERR_INVALID;
    memcpy(s->before, before.at, before.length);
    return 0;
}

int signing_secret_load(struct signing_secret *s, const char *path, struct why *why) {
    struct buffer text;
    buffer_init(&text, 4096);
    int code = secret_file_load(path, &text, why);
    if (code == 0 && (code = read_lines(s, buffer_slice(&text))) != 0)
        why_set(why, code, "%s: expected whsec_ and at least 24 bytes in base64", path);
    if (text.at != NULL)
        digest_wipe(text.at, text.length);
    buffer_done(&text);
    return code;
}

int signing_secret_save(const struct signing_secret *s, const char *path, struct why *why) {
    char text[2 * SIGNING_SECRET_BYTES + 64];
    if (s->before[0] != '\0')
        snprintf(text, sizeof text, "%s\n%s %llu\n", s->current, s->before,
                 (unsigned long long)s->before_until_ms);
    else
        snprintf(text, sizeof text, "%s\n", s->current);
    int code = secret_file_write(path, slice_text(text), why);
    digest_wipe(text, sizeof text);
    return code;
}

int signing_secret_rotate(struct signing_secret *s, const char *path, uint64_t overlap_ms, uint64_t now_ms,
                          struct why *why) {
    struct signing_secret next;
    int code = signing_secret_make(&next, why);
    if (code != 0)
        return code;
    memcpy(next.before, s->current, sizeof next.before);
    next.before_until_ms = now_ms + overlap_ms;
    code = signing_secret_save(&next, path, why);
    if (code == 0)
        *s = next;
    signing_secret_wipe(&next);
    return code;
}

void signing_secret_now(const struct signing_secret *s, uint64_t now_ms, struct slice *current,
                        struct slice *previous) {
    *current = slice_text(s->current);
    *previous = s->before_until_ms > now_ms ? slice_text(s->before) : SLICE_NONE;
}

void signing_secret_mark(const struct signing_secret *s, const uint8_t salt[32], struct buffer *to) {
    uint8_t mark[DIGEST_BYTES];
    digest_hmac_sha256(slice_text(s->current), slice_of((const char *)salt, 32), mark);
    digest_add_hex(to, slice_of((const char *)mark, sizeof mark));
}

void signing_secret_wipe(struct signing_secret *s) {
    digest_wipe(s, sizeof *s);
}
