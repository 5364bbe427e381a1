/* H8: the specification's own example, both directions, every byte that could be tampered with, rotation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "wire/signature.h"

#define SECRET SLICE("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define AT_S 1614265330u
#define BODY "{\"test\": 2432232314}"
#define SIGNED "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct signature_secret secret;
static struct signature_secret other;

static int decode(void **state) {
    (void)state;
    assert_int_equal(signature_secret_decode(SECRET, &secret, NULL), 0);
    return signature_secret_decode(SLICE("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"), &other, NULL);
}

static int verify(struct slice id, struct slice at, struct slice signature, struct slice body,
                  uint64_t now_s) {
    struct signature_claim claim = { .id = id, .timestamp = at, .signature = signature, .body = body };
    return signature_verify(&claim, &secret, 1, now_s, NULL);
}

static void signs_as_the_specification_does(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b, 4096);
    signature_add(&b, &secret, 1, SLICE(ID), AT_S, SLICE(BODY));
    assert_true(slice_is(buffer_slice(&b), SIGNED));
    assert_int_equal(verify(SLICE(ID), SLICE("1614265330"), buffer_slice(&b), SLICE(BODY), AT_S), 0);
    buffer_done(&b);
}

static void notices_every_changed_byte(void **state) {
    (void)state;
    struct slice parts[4] = { SLICE(ID), SLICE("1614265330"), SLICE(SIGNED), SLICE(BODY) };
    for (size_t part = 0; part < 4; part++)
        for (size_t i = 0; i < parts[part].length; i++)
            for (int bit = 0; bit < 8; bit++) {
                char changed[64];
                struct slice p[4];
                memcpy(p, parts, sizeof p);
                memcpy(changed, parts[part].at, parts[part].length);
                changed[i] = (char)(changed[i] ^ 1 << bit);
                p[part] = slice_of(changed, parts[part].length);
                assert_int_not_equal(verify(p[0], p[1], p[2], p[3], AT_S), 0);
            }
    for (size_t length = 0; length < parts[2].length; length++)
        assert_int_not_equal(verify(parts[0], parts[1], slice_upto(parts[2], length), parts[3], AT_S), 0);
}

static void wants_a_fresh_timestamp(void **state) {
    (void)state;
    struct slice id = SLICE(ID), at = SLICE("1614265330"), signature = SLICE(SIGNED), body = SLICE(BODY);
    assert_int_equal(verify(id, at, signature, body, AT_S + 300), 0);
    assert_int_equal(verify(id, at, signature, body, AT_S - 300), 0);
    assert_int_equal(verify(id, at, signature, body, AT_S + 301), ERR_TIMEOUT);
    assert_int_equal(verify(id, at, signature, body, AT_S - 301), ERR_TIMEOUT);
    assert_int_equal(verify(id, SLICE("18446744073709551616"), signature, body, AT_S), ERR_SYNTAX);
    assert_int_equal(verify(id, SLICE("x"), signature, body, AT_S), ERR_SYNTAX);
    assert_int_equal(verify(id, SLICE("18446744073709551615"), signature, body, AT_S), ERR_TIMEOUT);
    assert_int_equal(verify(SLICE_NONE, at, signature, body, AT_S), ERR_SYNTAX);
    assert_int_equal(verify(id, SLICE_NONE, signature, body, AT_S), ERR_SYNTAX);
    assert_int_equal(verify(id, at, SLICE_NONE, body, AT_S), ERR_SYNTAX);
}

static void rotates_without_a_gap(void **state) {
    (void)state;
    struct signature_secret both[2] = { other, secret };
    struct buffer b;
    buffer_init(&b, 4096);
    signature_add(&b, both, 2, SLICE(ID), AT_S, SLICE(BODY));
    assert_int_equal(b.length, 2 * strlen(SIGNED) + 1);
    struct signature_claim claim = {
        .id = SLICE(ID), .timestamp = SLICE("1614265330"), .signature = buffer_slice(&b), .body = SLICE(BODY)
    };
    assert_int_equal(signature_verify(&claim, &secret, 1, AT_S, NULL), 0);
    assert_int_equal(signature_verify(&claim, &other, 1, AT_S, NULL), 0);
    /* A receiver with both secrets takes a word of either; words of other versions are passed over. */
    claim.signature = SLICE("v1a,zzz " SIGNED " v2,x");
    assert_int_equal(signature_verify(&claim, both, 2, AT_S, NULL), 0);
    assert_int_equal(signature_verify(&claim, &other, 1, AT_S, NULL), ERR_DENIED);
    assert_int_equal(signature_verify(&claim, NULL, 0, AT_S, NULL), ERR_DENIED);
    claim.signature = SLICE("v1 , " SIGNED "x");
    assert_int_equal(signature_verify(&claim, both, 2, AT_S, NULL), ERR_DENIED);
    buffer_done(&b);
}

static void reads_only_good_secrets(void **state) {
    (void)state;
    struct signature_secret s;
    struct why why;
    assert_int_equal(signature_secret_decode(SLICE(""), &s, &why), ERR_SYNTAX);
    assert_int_equal(signature_secret_decode(SLICE("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &s, &why),
                     ERR_SYNTAX);
    assert_int_equal(signature_secret_decode(SLICE("whsec_!!!!"), &s, &why), ERR_SYNTAX);
    assert_int_equal(signature_secret_decode(SLICE("whsec_"), &s, &why), ERR_LIMIT);
    assert_int_equal(signature_secret_decode(SLICE("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY="), &s, &why),
                     ERR_LIMIT); /* 23 bytes */
    char text[600] = "whsec_";
    memset(text + 6, 'A', sizeof text - 6);
    assert_int_equal(signature_secret_decode(slice_of(text, 6 + 168), &s, &why), 0); /* 126 bytes */
    assert_int_equal(signature_secret_decode(slice_of(text, 6 + 172), &s, &why), ERR_LIMIT);
    assert_int_equal(signature_secret_decode(slice_of(text, sizeof text), &s, &why), ERR_SYNTAX);
    assert_null(strstr(why.text, "AAAA"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_the_specification_does), cmocka_unit_test(notices_every_changed_byte),
        cmocka_unit_test(wants_a_fresh_timestamp),         cmocka_unit_test(rotates_without_a_gap),
        cmocka_unit_test(reads_only_good_secrets),
    };
    return cmocka_run_group_tests_name("signature", tests, decode, NULL);
}
