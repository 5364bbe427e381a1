/* The low-level SHA-256 of libcrypto is the only one that neither allocates nor looks an algorithm up by name
 * at every start: measured 0.29 us for 500 bytes against 0.55 by EVP, and 1.4 for HMAC(). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/err.h"

#define BLOCK_BYTES 64

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct digest), "struct digest holds libcrypto's running state");
_Static_assert(DIGEST_BYTES == SHA256_DIGEST_LENGTH, "SHA-256");

static SHA256_CTX *context(struct digest *d) {
    return (SHA256_CTX *)(void *)d->state;
}

void digest_init(struct digest *d) {
    int ok = SHA256_Init(context(d));
    assert(ok == 1);
}

void digest_add(struct digest *d, struct slice more) {
    if (more.length == 0)
        return;
    int ok = SHA256_Update(context(d), more.at, more.length);
    assert(ok == 1);
}

void digest_end(struct digest *d, uint8_t out[DIGEST_BYTES]) {
    int ok = SHA256_Final(out, context(d));
    assert(ok == 1);
}

void digest_sha256(struct slice s, uint8_t out[DIGEST_BYTES]) {
    struct digest d;
    digest_init(&d);
    digest_add(&d, s);
    digest_end(&d, out);
}

static void begin_padded(struct digest *d, const uint8_t block[BLOCK_BYTES], uint8_t pad) {
    char padded[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        padded[i] = (char)(block[i] ^ pad);
    digest_init(d);
    digest_add(d, slice_of(padded, sizeof padded));
    digest_wipe(padded, sizeof padded);
}

void digest_key_init(struct digest_key *key, struct slice secret) {
    uint8_t block[BLOCK_BYTES] = { 0 };
    if (secret.length > BLOCK_BYTES)
        digest_sha256(secret, block);
    else if (secret.length > 0)
        memcpy(block, secret.at, secret.length);
    begin_padded(&key->inner, block, 0x36);
    begin_padded(&key->outer, block, 0x5c);
    digest_wipe(block, sizeof block);
}

void digest_mac_begin(const struct digest_key *key, struct digest *d) {
    *d = key->inner;
}

void digest_mac_end(const struct digest_key *key, struct digest *d, uint8_t out[DIGEST_BYTES]) {
    uint8_t inside[DIGEST_BYTES];
    struct digest outer = key->outer;
    digest_end(d, inside);
    digest_add(&outer, slice_of((const char *)inside, sizeof inside));
    digest_end(&outer, out);
}

void digest_hmac_sha256(struct slice secret, struct slice message, uint8_t out[DIGEST_BYTES]) {
    struct digest_key key;
    struct digest d;
    digest_key_init(&key, secret);
    digest_mac_begin(&key, &d);
    digest_add(&d, message);
    digest_mac_end(&key, &d, out);
    digest_wipe(&key, sizeof key);
}

bool digest_equal(struct slice a, struct slice b) {
    return a.length == b.length && (a.length == 0 || CRYPTO_memcmp(a.at, b.at, a.length) == 0);
}

void digest_wipe(void *at, size_t length) {
    OPENSSL_cleanse(at, length);
}

void digest_add_hex(struct buffer *to, struct slice bytes) {
    static const char digits[] = "0123456789abcdef";
    char *out = buffer_reserve(to, bytes.length * 2);
    if (out == NULL)
        return;
    for (size_t i = 0; i < bytes.length; i++) {
        out[2 * i] = digits[bytes.at[i] >> 4 & 15];
        out[2 * i + 1] = digits[bytes.at[i] & 15];
    }
    buffer_grew(to, bytes.length * 2);
}

/* The value of a hexadecimal digit, or -1. */
static int nibble(char digit) {
    char low = (char)(digit | 0x20);
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

int digest_parse_hex(struct slice text, struct buffer *to) {
    if (text.length % 2 != 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.length; i++)
        if (nibble(text.at[i]) < 0)
            return ERR_SYNTAX;
    for (size_t i = 0; i < text.length; i += 2)
        buffer_add_byte(to, (char)(nibble(text.at[i]) << 4 | nibble(text.at[i + 1])));
    return buffer_failed(to);
}

static const char *letters_of(enum base64 alphabet) {
    return alphabet == BASE64_STANDARD ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                                       : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}

void digest_add_base64(struct buffer *to, struct slice bytes, enum base64 alphabet) {
    const char *letters = letters_of(alphabet);
    char *out = buffer_reserve(to, (bytes.length + 2) / 3 * 4);
    if (out == NULL)
        return;
    char *begin = out;
    for (size_t i = 0; i < bytes.length; i += 3) {
        char four[4] = { '=', '=', '=', '=' };
        uint32_t bits = 0;
        size_t count = bytes.length - i < 3 ? bytes.length - i : 3;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < count ? (uint8_t)bytes.at[i + j] : 0);
        for (size_t j = 0; j <= count; j++)
            four[j] = letters[bits >> (18 - 6 * j) & 63];
        memcpy(out, four, 4);
        out += alphabet == BASE64_URL ? count + 1 : 4;
    }
    buffer_grew(to, (size_t)(out - begin));
}

int digest_parse_base64(struct slice text, struct buffer *to, enum base64 alphabet) {
    const char *letters = letters_of(alphabet);
    size_t begin = to->length;
    size_t padding = 0;
    uint32_t bits = 0;
    if (alphabet == BASE64_STANDARD) {
        if (text.length % 4 != 0)
            return ERR_SYNTAX;
        while (padding < 2 && text.length > padding && text.at[text.length - 1 - padding] == '=')
            padding++;
    }
    text.length -= padding;
    if (text.length % 4 == 1)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.length; i++) {
        const char *letter = text.at[i] == '\0' ? NULL : strchr(letters, text.at[i]);
        if (letter == NULL)
            goto malformed;
        bits = bits << 6 | (uint32_t)(letter - letters);
        if (i % 4 != 0)
            buffer_add_byte(to, (char)(bits >> (6 - i % 4 * 2)));
    }
    if ((text.length % 4 == 2 && (bits & 15) != 0) || (text.length % 4 == 3 && (bits & 3) != 0))
        goto malformed;
    return buffer_failed(to);
malformed:
    buffer_cut(to, begin);
    return ERR_SYNTAX;
}
