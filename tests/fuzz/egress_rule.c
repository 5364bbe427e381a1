/* Rules of egress.allow and addresses as text: whatever is accepted prints back to itself. */
#include "fuzz.h"

#include "wire/egress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_of((const char *)data, size);
    struct arena arena;
    arena_init(&arena, 4096, 1 << 20);
    struct egress e;
    struct why why = { "" };
    egress_init(&e, &arena);
    (void)egress_allow(&e, text, &why);
    (void)egress_deny(&e, text, &why);
    struct address a;
    if (address_decode(text, &a) == 0) {
        char printed[ADDRESS_TEXT_BYTES];
        struct address again;
        FUZZ_CHECK(address_decode(slice_text(address_text(&a, printed)), &again) == 0);
        FUZZ_CHECK(address_equal(&a, &again));
        struct address inner = address_inner(&a);
        struct address innermost = address_inner(&inner);
        FUZZ_CHECK(!address_is4(&inner) || address_equal(&inner, &innermost));
        FUZZ_CHECK(egress_judge_address(&e, text, &a, 80, &why) != EGRESS_AT_CONNECT);
    }
    arena_done(&arena);
    return 0;
}
