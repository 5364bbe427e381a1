/* Header values, signatures and their parts. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "wire/header_value.h"
#include "wire/http1.h"
#include "wire/signature.h"

static void trace(struct slice value) {
    struct traceparent t;
    struct traceparent again;
    struct buffer out;
    if (header_value_traceparent(value, &t) != 0)
        return;
    buffer_init(&out, 4096);
    header_value_add_traceparent(&out, &t);
    FUZZ_CHECK(out.length == TRACEPARENT_BYTES);
    FUZZ_CHECK(header_value_traceparent(buffer_slice(&out), &again) == 0);
    FUZZ_CHECK(memcmp(t.trace, again.trace, 16) == 0 && memcmp(t.span, again.span, 8) == 0);
    buffer_done(&out);
}

static void signature(struct slice value) {
    static struct signature_secret secret;
    static bool ready;
    if (!ready)
        FUZZ_CHECK(signature_secret_decode(SLICE("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &secret, NULL) ==
                   0);
    ready = true;
    struct signature_claim claim = { SLICE("msg_1"), SLICE("1614265330"), value, SLICE("{}") };
    int code = signature_verify(&claim, &secret, 1, 1614265330, NULL);
    if (code == 0)
        FUZZ_CHECK(value.length >= 47);
    claim.timestamp = value;
    (void)signature_verify(&claim, &secret, 1, 1614265330, NULL);
    struct signature_secret other;
    if (signature_secret_decode(value, &other, NULL) == 0)
        signature_wipe(&other, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice value = slice_of((const char *)data, size);
    struct slice out;
    uint32_t wait_ms = 0;
    if (header_value_retry_after(value, 1767780000000, &wait_ms) == 0)
        FUZZ_CHECK(wait_ms <= LIMIT_RETRY_AFTER_MS);
    if (header_value_content_type(value, &out) == 0)
        FUZZ_CHECK(out.length <= size);
    if (header_value_bearer(value, &out) == 0)
        FUZZ_CHECK(out.length > 0 && out.length < size);
    if (header_value_event_id(value, &out) == 0)
        FUZZ_CHECK(out.length >= 1 && out.length <= 128);
    (void)http1_list_has(value, "chunked");
    trace(value);
    signature(value);
    return 0;
}
