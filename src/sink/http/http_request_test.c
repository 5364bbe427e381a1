/* The head of a call: every header of ux.md (b), and which of them stay the same over the attempts (G5). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "sink/http/http_request.h"
#include "wire/header_value.h"
#include "wire/http1.h"

#define NOW_MS UINT64_C(1767780000123)

static struct call call_of(uint32_t attempt) {
    return (struct call){ .attempt = attempt,
                          .deadline_ms = NOW_MS + 10000,
                          .gid = SLICE("order-4711.a:b_c"),
                          .branch_id = SLICE("stock"),
                          .operation = SLICE("try"),
                          .url = SLICE("http://stock:8080/tcc/try?x=1"),
                          .body = SLICE("{\"qty\":2}") };
}

struct reading {
    struct buffer text;
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_request r;
};

static void read_back(struct reading *out, const struct call *call, const struct signature_secret *secrets,
                      size_t count) {
    struct url url;
    size_t taken;
    assert_int_equal(url_decode(call->url, &url, NULL), 0);
    buffer_init(&out->text, 8192);
    assert_int_equal(http_request_write(&out->text, call, &url, secrets, count, NOW_MS), 0);
    http1_request_init(&out->r, out->headers, LIMIT_HEADERS);
    assert_int_equal(http1_request_decode(&out->r, buffer_slice(&out->text), &taken), 0);
    assert_int_equal(taken, out->text.length);
}

static void is(const struct reading *r, const char *name, const char *value) {
    struct slice found = http1_find(&r->r.head, name);
    if (!slice_is(found, value))
        fail_msg("%s: %.*s", name, SLICE_PRINT(found));
    assert_int_equal(http1_count(&r->r.head, name), 1);
}

static void carries_every_header(void **state) {
    (void)state;
    struct call call = call_of(3);
    struct signature_secret secret;
    struct reading r;
    assert_int_equal(signature_secret_decode(SLICE("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"), &secret, NULL),
                     0);
    read_back(&r, &call, &secret, 1);
    assert_true(slice_is(r.r.method, "POST"));
    assert_true(slice_is(r.r.target, "/tcc/try?x=1"));
    is(&r, "host", "stock:8080");
    is(&r, "content-type", "application/json");
    is(&r, "content-length", "9");
    is(&r, "settle-gid", "order-4711.a:b_c");
    is(&r, "settle-branch", "stock");
    is(&r, "settle-op", "try");
    is(&r, "settle-attempt", "3");
    is(&r, "settle-deadline", "2026-01-07T10:00:10.123Z");
    is(&r, "idempotency-key", "order-4711.a:b_c/stock/try");
    is(&r, "webhook-id", "order-4711~a:b_c/stock/try");
    is(&r, "webhook-timestamp", "1767780000");
    struct signature_claim claim = { .id = http1_find(&r.r.head, "webhook-id"),
                                     .timestamp = http1_find(&r.r.head, "webhook-timestamp"),
                                     .signature = http1_find(&r.r.head, "webhook-signature"),
                                     .body = call.body };
    assert_int_equal(signature_verify(&claim, &secret, 1, NOW_MS / 1000, NULL), 0);
    buffer_done(&r.text);
}

static void stays_the_same_over_attempts_where_it_must(void **state) {
    (void)state;
    struct call first = call_of(1), second = call_of(2), other = call_of(1);
    struct reading a, b, c;
    struct traceparent ta, tb, tc;
    other.branch_id = SLICE("points");
    read_back(&a, &first, NULL, 0);
    read_back(&b, &second, NULL, 0);
    read_back(&c, &other, NULL, 0);
    assert_null(http1_find(&a.r.head, "webhook-id").at);
    is(&b, "idempotency-key", "order-4711.a:b_c/stock/try");
    is(&b, "settle-attempt", "2");
    assert_int_equal(header_value_traceparent(http1_find(&a.r.head, "traceparent"), &ta), 0);
    assert_int_equal(header_value_traceparent(http1_find(&b.r.head, "traceparent"), &tb), 0);
    assert_int_equal(header_value_traceparent(http1_find(&c.r.head, "traceparent"), &tc), 0);
    assert_memory_equal(ta.trace, tb.trace, 16); /* one trace for the transaction */
    assert_memory_equal(ta.trace, tc.trace, 16);
    assert_memory_not_equal(ta.span, tb.span, 8);
    assert_memory_not_equal(ta.span, tc.span, 8);
    buffer_done(&a.text);
    buffer_done(&b.text);
    buffer_done(&c.text);
}

static void leaves_out_a_deadline_that_no_longer_applies(void **state) {
    (void)state;
    struct call call = call_of(1);
    struct reading r;
    call.deadline_ms = 0;
    call.body = SLICE_NONE;
    read_back(&r, &call, NULL, 0);
    assert_null(http1_find(&r.r.head, "settle-deadline").at);
    is(&r, "content-length", "0");
    buffer_done(&r.text);
}

static void carries_a_message(void **state) {
    static const struct label headers[] = { { { "X-Shop", 6 }, { "7", 1 } },
                                            { { "Settle-Refused-Why", 18 }, { "no\r\nEvil: 1\x7f", 12 } } };
    const struct call_message message = { .id = SLICE("pay-88"),
                                          .topic = SLICE("payment.done"),
                                          .key = SLICE("u\t9"),
                                          .content_type = SLICE("image/png"),
                                          .headers = headers,
                                          .header_count = 2 };
    struct call call = { .attempt = 2,
                         .gid = message.id,
                         .branch_id = SLICE("ware.house"),
                         .operation = SLICE("deliver"),
                         .url = SLICE("http://wh/ship"),
                         .body = SLICE("\0\1"),
                         .message = &message };
    struct reading r;
    (void)state;
    read_back(&r, &call, NULL, 0);
    is(&r, "content-type", "image/png");
    is(&r, "content-length", "2");
    is(&r, "settle-message", "pay-88");
    is(&r, "settle-topic", "payment.done");
    is(&r, "settle-key", "u 9");
    is(&r, "settle-subscription", "ware.house");
    is(&r, "settle-delivery", "pay-88~ware.house");
    is(&r, "settle-attempt", "2");
    is(&r, "idempotency-key", "pay-88/ware.house/deliver");
    is(&r, "x-shop", "7");
    is(&r, "settle-refused-why", "no  Evil: 1");
    assert_null(http1_find(&r.r.head, "evil").at);
    buffer_done(&r.text);
    call.message = NULL;
    call.operation = SLICE("check");
    read_back(&r, &call, NULL, 0);
    is(&r, "settle-message", "pay-88");
    buffer_done(&r.text);
}

static void lets_no_name_break_the_head(void **state) {
    (void)state;
    struct call call = call_of(1);
    struct buffer b;
    struct url url;
    buffer_init(&b, 8192);
    assert_int_equal(url_decode(call.url, &url, NULL), 0);
    call.gid = SLICE("a\r\nEvil: 1");
    assert_int_equal(http_request_write(&b, &call, &url, NULL, 0, NOW_MS), ERR_INVALID);
    buffer_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_every_header),
        cmocka_unit_test(stays_the_same_over_attempts_where_it_must),
        cmocka_unit_test(leaves_out_a_deadline_that_no_longer_applies),
        cmocka_unit_test(carries_a_message),
        cmocka_unit_test(lets_no_name_break_the_head),
    };
    return cmocka_run_group_tests_name("http_request", tests, NULL, NULL);
}
