#include "wire/signature.h"

#include <assert.h>

/* "v1," and 44 letters of base64 for 32 bytes. */
#define WORD_LENGTH (3 + 44)
/* A header of more words than this was not written by anyone who wants to be understood. */
#define WORDS_MAX 16

int signature_secret_decode(struct slice text, struct signature_secret *out, struct why *why) {
    struct buffer raw;
    buffer_init(&raw, 1024);
    int code = slice_starts(text, "whsec_") && text.length < 512
                   ? digest_parse_base64(slice_from(text, 6), &raw, BASE64_STANDARD)
                   : ERR_SYNTAX;
    if (code < 0)
        why_set(why, code, "a signing secret is written whsec_ and then base64");
    else if (raw.length < SIGNATURE_SECRET_BYTES_MIN || raw.length > SIGNATURE_SECRET_BYTES_MAX)
        code = why_set(why, ERR_LIMIT, "a signing secret has %d to %d bytes", SIGNATURE_SECRET_BYTES_MIN,
                       SIGNATURE_SECRET_BYTES_MAX);
    else
        digest_key_init(&out->key, buffer_slice(&raw));
    if (raw.at != NULL)
        digest_wipe(raw.at, raw.capacity);
    buffer_done(&raw);
    return code;
}

void signature_wipe(struct signature_secret *secrets, size_t count) {
    digest_wipe(secrets, count * sizeof *secrets);
}

/* The number as decimal text at the end of digits. */
static struct slice decimal(uint64_t number, char digits[20]) {
    size_t at = 20;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return slice_of(digits + at, 20 - at);
}

static void sign(const struct signature_secret *secret, struct slice id, struct slice timestamp,
                 struct slice body, uint8_t out[DIGEST_BYTES]) {
    struct digest d;
    digest_mac_begin(&secret->key, &d);
    digest_add(&d, id);
    digest_add(&d, SLICE("."));
    digest_add(&d, timestamp);
    digest_add(&d, SLICE("."));
    digest_add(&d, body);
    digest_mac_end(&secret->key, &d, out);
}

void signature_add(struct buffer *to, const struct signature_secret *secrets, size_t count, struct slice id,
                   uint64_t timestamp_s, struct slice body) {
    char digits[20];
    struct slice timestamp = decimal(timestamp_s, digits);
    assert(count >= 1);
    assert(count <= SIGNATURE_SECRETS);
    for (size_t i = 0; i < count; i++) {
        uint8_t mac[DIGEST_BYTES];
        sign(&secrets[i], id, timestamp, body, mac);
        buffer_add_slice(to, i == 0 ? SLICE("v1,") : SLICE(" v1,"));
        digest_add_base64(to, slice_of((const char *)mac, sizeof mac), BASE64_STANDARD);
    }
}

static int check_age(struct slice timestamp, uint64_t now_s, struct why *why) {
    uint64_t at_s;
    if (slice_u64(timestamp, &at_s) < 0)
        return why_set(why, ERR_SYNTAX, "webhook-timestamp is not a number of seconds");
    uint64_t apart = at_s > now_s ? at_s - now_s : now_s - at_s;
    if (apart > SIGNATURE_AGE_S)
        return why_set(why, ERR_TIMEOUT, "webhook-timestamp is more than %d s from now", SIGNATURE_AGE_S);
    return 0;
}

int signature_verify(const struct signature_claim *claim, const struct signature_secret *secrets,
                     size_t count, uint64_t now_s, struct why *why) {
    assert(count <= SIGNATURE_SECRETS);
    if (claim->id.length == 0 || claim->timestamp.length == 0 || claim->signature.length == 0)
        return why_set(why, ERR_SYNTAX, "webhook-id, webhook-timestamp or webhook-signature is missing");
    int code = check_age(claim->timestamp, now_s, why);
    if (code < 0)
        return code;
    char wanted[SIGNATURE_SECRETS][64];
    struct buffer text;
    buffer_init(&text, 128);
    for (size_t i = 0; i < count; i++) {
        uint8_t mac[DIGEST_BYTES];
        sign(&secrets[i], claim->id, claim->timestamp, claim->body, mac);
        buffer_clear(&text);
        buffer_add_slice(&text, SLICE("v1,"));
        digest_add_base64(&text, slice_of((const char *)mac, sizeof mac), BASE64_STANDARD);
        if (buffer_failed(&text) != 0)
            break;
        assert(text.length == WORD_LENGTH);
        for (size_t n = 0; n < WORD_LENGTH; n++)
            wanted[i][n] = text.at[n];
    }
    code = buffer_failed(&text);
    buffer_done(&text);
    if (code != 0)
        return why_set(why, ERR_MEMORY, "no memory to verify a signature");
    bool fits = false;
    struct slice rest = claim->signature;
    for (int words = 0; words < WORDS_MAX && rest.length > 0; words++) {
        size_t blank = slice_find(rest, ' ');
        struct slice word = slice_upto(rest, blank);
        for (size_t i = 0; i < count; i++)
            fits |= digest_equal(word, slice_of(wanted[i], WORD_LENGTH));
        rest = slice_from(rest, blank + 1);
    }
    return fits ? 0 : why_set(why, ERR_DENIED, "webhook-signature fits no secret");
}
