/* Durations, sizes, instants, hexadecimal, base64, near words: what is read is written back and read as the
 * same. */
#include "fuzz.h"

#include <string.h>

#include "base/digest.h"
#include "base/duration.h"
#include "base/instant.h"
#include "base/size.h"
#include "base/utf8.h"
#include "base/word.h"

static void numbers(struct slice text, struct buffer *out) {
    uint64_t a;
    uint64_t b;
    if (duration_parse(text, &a) == 0) {
        buffer_clear(out);
        duration_add(out, a);
        FUZZ_CHECK(duration_parse(buffer_slice(out), &b) == 0 && a == b);
    }
    if (size_parse(text, &a) == 0) {
        buffer_clear(out);
        size_add(out, a);
        FUZZ_CHECK(size_parse(buffer_slice(out), &b) == 0 && a == b);
    }
    if (slice_u64(text, &a) == 0) {
        buffer_clear(out);
        buffer_add_u64(out, a);
        FUZZ_CHECK(slice_u64(buffer_slice(out), &b) == 0 && a == b);
    }
}

static void instants(struct slice text, struct buffer *out) {
    uint64_t a;
    uint64_t b;
    if (instant_parse(text, &a) == 0) {
        FUZZ_CHECK(a <= INSTANT_MAX_MS);
        buffer_clear(out);
        instant_add(out, a);
        FUZZ_CHECK(out->length == 24 && instant_parse(buffer_slice(out), &b) == 0 && a == b);
    }
    if (instant_parse_http(text, &a) == 0) {
        buffer_clear(out);
        instant_add_http(out, a);
        FUZZ_CHECK(instant_parse_http(buffer_slice(out), &b) == 0 && a == b);
    }
}

static void letters(struct slice text, struct buffer *out) {
    struct buffer back;
    buffer_init(&back, 1 << 20);
    for (int alphabet = BASE64_STANDARD; alphabet <= BASE64_URL; alphabet++) {
        buffer_clear(out);
        buffer_clear(&back);
        digest_add_base64(out, text, (enum base64)alphabet);
        FUZZ_CHECK(digest_parse_base64(buffer_slice(out), &back, (enum base64)alphabet) == 0);
        FUZZ_CHECK(slice_equal(buffer_slice(&back), text));
        buffer_clear(&back);
        if (digest_parse_base64(text, &back, (enum base64)alphabet) == 0) {
            buffer_clear(out);
            digest_add_base64(out, buffer_slice(&back), (enum base64)alphabet);
            FUZZ_CHECK(slice_equal(buffer_slice(out), text));
        }
    }
    buffer_clear(out);
    buffer_clear(&back);
    digest_add_hex(out, text);
    FUZZ_CHECK(digest_parse_hex(buffer_slice(out), &back) == 0 && slice_equal(buffer_slice(&back), text));
    buffer_clear(&back);
    (void)digest_parse_hex(text, &back);
    buffer_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const known[] = { "compensate", "deadline", "action", "labels" };
    struct slice text = slice_of((const char *)data, size);
    struct buffer out;
    if (size > 4096)
        return 0;
    buffer_init(&out, 1 << 20);
    numbers(text, &out);
    instants(text, &out);
    letters(text, &out);
    (void)word_nearest(text, known, 4);
    (void)utf8_valid(text);
    buffer_done(&out);
    return 0;
}
