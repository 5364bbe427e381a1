#include "wire/address.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/err.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* One decimal number of 0 to 255, without leading zeros. */
static int decode_octet(struct slice text, uint8_t *out) {
    uint64_t number;
    if (text.length == 0 || text.length > 3 || (text.length > 1 && text.at[0] == '0'))
        return ERR_SYNTAX;
    if (slice_u64(text, &number) < 0 || number > 255)
        return ERR_SYNTAX;
    *out = (uint8_t)number;
    return 0;
}

static int decode_quad(struct slice text, uint8_t out[4]) {
    for (int i = 0; i < 4; i++) {
        size_t dot = slice_find(text, '.');
        if ((dot == text.length) != (i == 3) || decode_octet(slice_upto(text, dot), &out[i]) < 0)
            return ERR_SYNTAX;
        text = slice_from(text, dot + 1);
    }
    return 0;
}

struct address address_of4(const uint8_t bytes[4]) {
    struct address a;
    memcpy(a.bytes, mapped, 12);
    memcpy(a.bytes + 12, bytes, 4);
    return a;
}

int address_decode4(struct slice text, struct address *out) {
    uint8_t quad[4];
    if (decode_quad(text, quad) < 0)
        return ERR_SYNTAX;
    *out = address_of4(quad);
    return 0;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode_group(struct slice text, uint8_t out[2]) {
    unsigned number = 0;
    if (text.length == 0 || text.length > 4)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.length; i++) {
        int digit = hex_digit(text.at[i]);
        if (digit < 0)
            return ERR_SYNTAX;
        number = number * 16 + (unsigned)digit;
    }
    out[0] = (uint8_t)(number >> 8);
    out[1] = (uint8_t)number;
    return 0;
}

/* Groups separated by single colons, the last perhaps dotted, into at most max bytes. Returns how many bytes,
 * or ERR_SYNTAX. Empty text is no bytes. */
static int decode_groups(struct slice text, uint8_t *out, int max, bool dotted) {
    int used = 0;
    if (text.length == 0)
        return 0;
    for (;;) {
        size_t colon = slice_find(text, ':');
        struct slice group = slice_upto(text, colon);
        bool last = colon == text.length;
        if (last && dotted && slice_find(group, '.') < group.length) {
            if (used + 4 > max || decode_quad(group, out + used) < 0)
                return ERR_SYNTAX;
            return used + 4;
        }
        if (used + 2 > max || decode_group(group, out + used) < 0)
            return ERR_SYNTAX;
        used += 2;
        if (last)
            return used;
        text = slice_from(text, colon + 1);
    }
}

int address_decode6(struct slice text, struct address *out) {
    struct address a = { .bytes = { 0 } };
    uint8_t tail[16];
    size_t gap = text.length;
    for (size_t i = 0; i + 1 < text.length && gap == text.length; i++)
        if (text.at[i] == ':' && text.at[i + 1] == ':')
            gap = i;
    if (gap == text.length) {
        if (decode_groups(text, a.bytes, 16, true) != 16)
            return ERR_SYNTAX;
        *out = a;
        return 0;
    }
    /* A gap stands for at least one group of zeros (RFC 5952 4.2.2 is about writing; inet_pton agrees). */
    int before = decode_groups(slice_upto(text, gap), a.bytes, 14, false);
    if (before < 0)
        return ERR_SYNTAX;
    int after = decode_groups(slice_from(text, gap + 2), tail, 14 - before, true);
    if (after < 0)
        return ERR_SYNTAX;
    memcpy(a.bytes + 16 - after, tail, (size_t)after);
    *out = a;
    return 0;
}

int address_decode(struct slice text, struct address *out) {
    return slice_find(text, ':') < text.length ? address_decode6(text, out) : address_decode4(text, out);
}

bool address_is4(const struct address *a) {
    return memcmp(a->bytes, mapped, 12) == 0;
}

bool address_equal(const struct address *a, const struct address *b) {
    return memcmp(a->bytes, b->bytes, 16) == 0;
}

/* Eight bytes as one number, the first byte on top. */
static uint64_t half(const uint8_t *bytes) {
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return be64toh(number);
}

bool address_within(const struct address *a, const struct address *network, unsigned bits) {
    assert(bits <= 128);
    uint64_t high = half(a->bytes) ^ half(network->bytes);
    uint64_t low = half(a->bytes + 8) ^ half(network->bytes + 8);
    if (bits <= 64)
        return bits == 0 || high >> (64 - bits) == 0;
    return high == 0 && low >> (128 - bits) == 0;
}

static bool starts(const struct address *a, const uint8_t *bytes, size_t length) {
    return memcmp(a->bytes, bytes, length) == 0;
}

static struct address pick(const struct address *a, int i, int j, int k, int l, uint8_t flip) {
    const uint8_t quad[4] = { a->bytes[i] ^ flip, a->bytes[j] ^ flip, a->bytes[k] ^ flip,
                              a->bytes[l] ^ flip };
    return address_of4(quad);
}

struct address address_inner(const struct address *a) {
    static const uint8_t compatible[12] = { 0 };
    static const uint8_t translated[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0 };
    static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
    static const uint8_t nat64_local[6] = { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 };
    static const uint8_t teredo[4] = { 0x20, 0x01, 0x00, 0x00 };
    const uint8_t *b = a->bytes;
    if (address_is4(a))
        return *a;
    if (starts(a, compatible, 12)) {
        bool itself = b[12] == 0 && b[13] == 0 && b[14] == 0 && b[15] <= 1;
        return itself ? *a : pick(a, 12, 13, 14, 15, 0);
    }
    if (starts(a, translated, 12) || starts(a, nat64, 12))
        return pick(a, 12, 13, 14, 15, 0);
    if (starts(a, nat64_local, 6)) /* RFC 6052 2.2: a /48 prefix puts the address around byte 8 */
        return b[6] == 0 && b[7] == 0 ? pick(a, 12, 13, 14, 15, 0) : pick(a, 6, 7, 9, 10, 0);
    if (b[0] == 0x20 && b[1] == 0x02)
        return pick(a, 2, 3, 4, 5, 0);
    if (starts(a, teredo, 4))
        return pick(a, 12, 13, 14, 15, 0xff);
    if ((b[8] & 0xfd) == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe)
        return pick(a, 12, 13, 14, 15, 0);
    return *a;
}

/* The longest run of at least two zero groups, RFC 5952 4.2. Returns its length in groups. */
static int longest_gap(const struct address *a, int *begin) {
    int best = 0;
    for (int i = 0; i < 8; i++) {
        int length = 0;
        while (i + length < 8 && a->bytes[2 * (i + length)] == 0 && a->bytes[2 * (i + length) + 1] == 0)
            length++;
        if (length > best) {
            best = length;
            *begin = i;
        }
    }
    return best >= 2 ? best : 0;
}

void address_encode(struct buffer *b, const struct address *a) {
    if (address_is4(a)) {
        buffer_add_format(b, "%u.%u.%u.%u", a->bytes[12], a->bytes[13], a->bytes[14], a->bytes[15]);
        return;
    }
    int begin = 8;
    int length = longest_gap(a, &begin);
    for (int i = 0; i < 8; i++) {
        if (length > 0 && i == begin) {
            buffer_add_text(b, "::");
            i += length - 1;
            continue;
        }
        if (i > 0 && !(length > 0 && i == begin + length))
            buffer_add_byte(b, ':');
        buffer_add_format(b, "%x", (unsigned)(a->bytes[2 * i] << 8 | a->bytes[2 * i + 1]));
    }
}

const char *address_text(const struct address *a, char text[ADDRESS_TEXT_BYTES]) {
    struct buffer b;
    buffer_init(&b, ADDRESS_TEXT_BYTES * 2);
    address_encode(&b, a);
    struct slice s = slice_upto(buffer_slice(&b), ADDRESS_TEXT_BYTES - 1);
    if (s.length > 0)
        memcpy(text, s.at, s.length);
    text[s.length] = '\0';
    buffer_done(&b);
    return text;
}
