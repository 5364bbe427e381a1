#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* Stored numbers must never change: these were printed once and are the format now. The first is the value
 * that XXH3's specification gives for no bytes at all. */
static void stable_numbers_stay(void **state) {
    (void)state;
    assert_int_equal(hash_stable(SLICE_NONE), 0x2d06800538d394c2u);
    assert_int_equal(hash_stable(SLICE("")), 0x2d06800538d394c2u);
    assert_int_equal(hash_stable(SLICE("order-4711")), 0xeb5ea2963eb0cc60u);
    assert_int_equal(hash_stored(1, SLICE("default"), SLICE("order-4711")), 0xa8e0dee8b390b334u);
}

static void pairs_keep_their_border(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        assert_int_not_equal(hash_stored(seed, SLICE("a"), SLICE("bc")),
                             hash_stored(seed, SLICE("ab"), SLICE("c")));
        assert_int_not_equal(hash_stored(seed, SLICE("a"), SLICE("b")),
                             hash_stored(seed, SLICE("b"), SLICE("a")));
        assert_int_not_equal(hash_stored(seed, SLICE(""), SLICE("b")),
                             hash_stored(seed, SLICE("b"), SLICE("")));
    }
}

static int by_number(const void *a, const void *b) {
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

/* XXH3 multiplies the first eight bytes, masked with a published number and the seed, with the next eight:
 * who makes the first factor zero may put anything into the second. H15: a store's seed ends that. */
static void nobody_collides_a_store_that_has_a_seed(void **state) {
    enum { KEYS = 100000 };
    static const uint64_t mask = 0xbe4ba423396cfeb8u;
    static uint64_t hashes[KEYS];
    char key[32] = "................................";
    uint64_t factor = mask + hash_stable(SLICE("default"));
    uint64_t without = 0;
    (void)state;
    for (int i = 0; i < 8; i++)
        key[i] = (char)(factor >> (8 * i));
    for (uint64_t i = 0; i < KEYS; i++) {
        struct slice name = slice_of(key, sizeof key);
        memcpy(key + 8, &i, sizeof i);
        hashes[i] = hash_stored(0x5eed, SLICE("default"), name);
        if (i == 0)
            without = hash_pair_stable(SLICE("default"), name);
        assert_true(without == hash_pair_stable(SLICE("default"), name));
    }
    qsort(hashes, KEYS, sizeof hashes[0], by_number);
    for (size_t i = 1; i < KEYS; i++)
        assert_int_not_equal(hashes[i - 1], hashes[i]);
}

/* libcrypto's SipHash with one compression and three final rounds is the reference. */
static uint64_t reference(uint64_t seed, const void *at, size_t length) {
    uint64_t key[2] = { seed, ~seed };
    unsigned compression = 1;
    unsigned final = 3;
    size_t size = 8;
    uint64_t out = 0;
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t("size", &size),
                            OSSL_PARAM_construct_uint("c-rounds", &compression),
                            OSSL_PARAM_construct_uint("d-rounds", &final), OSSL_PARAM_construct_end() };
    assert_int_equal(EVP_MAC_CTX_set_params(context, params), 1);
    assert_int_equal(EVP_MAC_init(context, (const unsigned char *)key, sizeof key, params), 1);
    assert_int_equal(EVP_MAC_update(context, at, length), 1);
    assert_int_equal(EVP_MAC_final(context, (unsigned char *)&out, &size, sizeof out), 1);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return out;
}

static void seeded_is_siphash_1_3(void **state) {
    char bytes[70];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37 + 200);
    for (size_t length = 0; length <= sizeof bytes; length++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            uint64_t wide = seed * 0x9e3779b97f4a7c15u;
            assert_int_equal(hash_seeded(wide, slice_of(bytes, length)), reference(wide, bytes, length));
        }
    assert_int_equal(hash_seeded(7, SLICE_NONE), hash_seeded(7, SLICE("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stable_numbers_stay),
        cmocka_unit_test(pairs_keep_their_border),
        cmocka_unit_test(seeded_is_siphash_1_3),
        cmocka_unit_test(nobody_collides_a_store_that_has_a_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
