#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/digest.h"
#include "base/err.h"

static void assert_hex(const uint8_t digest[DIGEST_BYTES], const char *expected) {
    struct buffer b;
    buffer_init(&b, 128);
    digest_add_hex(&b, slice_of((const char *)digest, DIGEST_BYTES));
    assert_true(slice_is(buffer_slice(&b), expected));
    buffer_done(&b);
}

/* FIPS 180-4 examples. */
static void sha256_vectors(void **state) {
    uint8_t out[DIGEST_BYTES];
    struct digest d;
    (void)state;
    digest_sha256(SLICE_NONE, out);
    assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_sha256(SLICE("abc"), out);
    assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_init(&d);
    for (int i = 0; i < 1000000 / 50; i++)
        digest_add(&d, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    struct digest copy = d;
    digest_end(&d, out);
    assert_hex(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    digest_end(&copy, out);
    assert_hex(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231 cases 1, 2 and 6, then every length of key against libcrypto. */
static void hmac_vectors(void **state) {
    static const char twenty[] =
        "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b";
    char long_key[200];
    uint8_t out[DIGEST_BYTES];
    uint8_t expected[DIGEST_BYTES];
    (void)state;
    digest_hmac_sha256(slice_of(twenty, 20), SLICE("Hi There"), out);
    assert_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    digest_hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out);
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(long_key, '\xaa', sizeof long_key);
    digest_hmac_sha256(slice_of(long_key, 131),
                       SLICE("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    assert_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    for (size_t length = 0; length <= sizeof long_key; length++) {
        unsigned size = sizeof expected;
        struct digest_key key;
        struct digest d;
        digest_key_init(&key, slice_of(long_key, length));
        for (int again = 0; again < 2; again++) {
            digest_mac_begin(&key, &d);
            digest_add(&d, SLICE("msg_1."));
            digest_add(&d, SLICE_NONE);
            digest_add(&d, SLICE("1700000000.{}"));
            digest_mac_end(&key, &d, out);
            HMAC(EVP_sha256(), long_key, (int)length, (const unsigned char *)"msg_1.1700000000.{}", 19,
                 expected, &size);
            assert_memory_equal(out, expected, sizeof expected);
        }
    }
}

static void equality_and_wiping(void **state) {
    char secret[] = "secret";
    (void)state;
    assert_true(digest_equal(SLICE("abc"), SLICE("abc")));
    assert_false(digest_equal(SLICE("abc"), SLICE("abd")));
    assert_false(digest_equal(SLICE("abc"), SLICE("ab")));
    assert_true(digest_equal(SLICE_NONE, SLICE("")));
    digest_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        assert_int_equal(secret[i], 0);
}

static void hexadecimal(void **state) {
    struct buffer b;
    (void)state;
    buffer_init(&b, 16);
    digest_add_hex(&b, SLICE("\x00\x7f\x80\xff"));
    assert_true(slice_is(buffer_slice(&b), "007f80ff"));
    buffer_clear(&b);
    assert_int_equal(digest_parse_hex(SLICE("007F80ff"), &b), 0);
    assert_true(slice_equal(buffer_slice(&b), SLICE("\x00\x7f\x80\xff")));
    assert_int_equal(digest_parse_hex(SLICE("0"), &b), ERR_SYNTAX);
    assert_int_equal(digest_parse_hex(SLICE("0g"), &b), ERR_SYNTAX);
    assert_int_equal(digest_parse_hex(SLICE("0x"), &b), ERR_SYNTAX);
    assert_int_equal(b.length, 4);
    assert_int_equal(digest_parse_hex(SLICE("00112233445566778899aabbccddeeff"), &b), ERR_LIMIT);
    buffer_done(&b);
}

/* RFC 4648 section 10, and both alphabets. */
static void base64_vectors(void **state) {
    static const struct {
        const char *plain;
        const char *standard;
        const char *url;
    } rows[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xfb\xff\xfe", "+//+", "-__-" },
    };
    static const char *const malformed[] = { "Z",      "Zg",    "Zg=",  "Zg===",    "Zh==",
                                             "Zm9=",   "Zm9v=", "=Zm9", "Zg==Zg==", "Zm 9",
                                             "Zm9v\n", "-__-",  "====", "Z===",     "Z=g=" };
    static const char *const malformed_url[] = { "Z", "Zh", "Zm9", "Zg==", "+//+", "Zm9vZ", "Zm 9" };
    struct buffer b;
    (void)state;
    buffer_init(&b, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int url = 0; url < 2; url++) {
            const char *text = url ? rows[i].url : rows[i].standard;
            buffer_clear(&b);
            digest_add_base64(&b, slice_text(rows[i].plain), url ? BASE64_URL : BASE64_STANDARD);
            assert_true(slice_is(buffer_slice(&b), text));
            buffer_clear(&b);
            assert_int_equal(digest_parse_base64(slice_text(text), &b, url ? BASE64_URL : BASE64_STANDARD),
                             0);
            assert_true(slice_is(buffer_slice(&b), rows[i].plain));
        }
    buffer_clear(&b);
    buffer_add_text(&b, "kept");
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_equal(digest_parse_base64(slice_text(malformed[i]), &b, BASE64_STANDARD), ERR_SYNTAX);
    for (size_t i = 0; i < sizeof malformed_url / sizeof malformed_url[0]; i++)
        assert_int_equal(digest_parse_base64(slice_text(malformed_url[i]), &b, BASE64_URL), ERR_SYNTAX);
    assert_int_equal(digest_parse_base64(slice_of("Zm\0v", 4), &b, BASE64_URL), ERR_SYNTAX);
    assert_true(slice_is(buffer_slice(&b), "kept"));
    buffer_done(&b);
}

static void base64_round_trips(void **state) {
    char bytes[100];
    struct buffer text;
    struct buffer back;
    (void)state;
    buffer_init(&text, 1024);
    buffer_init(&back, 1024);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 167 + 13);
    for (size_t length = 0; length <= sizeof bytes; length++)
        for (int url = 0; url < 2; url++) {
            buffer_clear(&text);
            buffer_clear(&back);
            digest_add_base64(&text, slice_of(bytes, length), url ? BASE64_URL : BASE64_STANDARD);
            assert_int_equal(
                digest_parse_base64(buffer_slice(&text), &back, url ? BASE64_URL : BASE64_STANDARD), 0);
            assert_true(slice_equal(buffer_slice(&back), slice_of(bytes, length)));
        }
    buffer_done(&text);
    buffer_done(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),      cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(equality_and_wiping), cmocka_unit_test(hexadecimal),
        cmocka_unit_test(base64_vectors),      cmocka_unit_test(base64_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
