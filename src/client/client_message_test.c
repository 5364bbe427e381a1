/* Messages and notifications: what is sent, and what is read back. */
#include "client/scripted_test.h"

#define ANSWER(body) OK_HEAD "Connection: close\r\n\r\n" body

static const char *body_of(const struct script *s, int request) {
    return strstr(s->requests[request], "\r\n\r\n") + 4;
}

static void a_message_is_spelled(void **state) {
    (void)state;
    stl_msg *m = stl_msg_new("payment.done", "pay-88");
    size_t length = 0;
    stl_msg_key(m, "u9");
    stl_msg_delay(m, 1500);
    stl_msg_header(m, "X-Shop", "north");
    stl_msg_label(m, "order", "4711");
    stl_msg_body(m, NULL, "{\"sum\": 5}", 10);
    assert_string_equal(stl_msg_json(m, 0, &length),
                        "{\"id\":\"pay-88\",\"topic\":\"payment.done\",\"key\":\"u9\",\"delay\":\"1500ms\","
                        "\"headers\":{\"X-Shop\":\"north\"},\"labels\":{\"order\":\"4711\"},"
                        "\"body\":{\"sum\": 5}}");
    assert_int_equal(length, strlen(stl_msg_json(m, 0, NULL)));
    stl_msg_body(m, "text/plain", "a\0b", 3);
    assert_non_null(
        strstr(stl_msg_json(m, 0, NULL), "\"content_type\":\"text/plain\",\"body_base64\":\"YQBi\""));
    stl_msg_free(m);
    m = stl_msg_new("payment.done", NULL);
    assert_string_equal(stl_msg_json(m, 0, NULL), "{\"topic\":\"payment.done\"}");
    stl_msg_free(m);
    stl_msg_free(NULL);
}

static void the_three_check_backs_are_spelled(void **state) {
    (void)state;
    stl_msg *m = stl_msg_new("t", "a");
    stl_msg_check_http(m, "http://pay/check");
    stl_msg_check_times(m, 10000, 30000, 0, 5);
    assert_string_equal(stl_msg_json(m, 1, NULL),
                        "{\"id\":\"a\",\"topic\":\"t\",\"state\":\"half\",\"check\":{\"after\":\"10000ms\","
                        "\"every\":\"30000ms\",\"tries\":5,\"http\":\"http://pay/check\"}}");
    stl_msg_free(m);
    m = stl_msg_new("t", "a");
    stl_msg_check_pg(m, "pay", "7401", "7231/1");
    assert_non_null(
        strstr(stl_msg_json(m, 1, NULL),
               "\"check\":{\"pg\":{\"datasource\":\"pay\",\"xid\":\"7401\",\"system\":\"7231/1\"}}"));
    stl_msg_free(m);
    m = stl_msg_new("t", "a");
    stl_msg_check_marker(m, "pay");
    assert_non_null(strstr(stl_msg_json(m, 1, NULL), "\"check\":{\"marker\":{\"datasource\":\"pay\"}}"));
    assert_int_equal(stl_msg_check_http(m, "http://pay/check"), STL_EINVALID);
    assert_null(stl_msg_json(m, 1, NULL));
    stl_msg_free(m);
}

static void what_makes_no_sense_is_told_before_it_is_sent(void **state) {
    (void)state;
    static const struct {
        const char *topic, *id, *body, *check;
        int half;
        const char *say;
    } table[] = {
        { NULL, "a", NULL, NULL, 0, "topic" },
        { "t", "a", "{", NULL, 0, "not JSON" },
        { "t", "a", NULL, NULL, 1, "somebody to ask" },
        { "t", NULL, NULL, "http://a/b", 1, "id" },
        { "t", "a", NULL, "http://a/b", 0, "only a half message" },
    };
    stl_client *c = NULL;
    stl_err e;
    assert_int_equal(stl_client_open(&c, "http://127.0.0.1:1", NULL, NULL), 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        stl_msg *m = stl_msg_new(table[i].topic, table[i].id);
        if (table[i].body != NULL)
            stl_msg_body(m, NULL, table[i].body, strlen(table[i].body));
        if (table[i].check != NULL)
            stl_msg_check_http(m, table[i].check);
        int code = table[i].half ? stl_msg_half(c, m, &e) : stl_msg_publish(c, m, 0, NULL, &e);
        assert_int_equal(code, STL_EINVALID);
        assert_non_null(strstr(e.text, table[i].say));
        stl_msg_free(m);
    }
    assert_int_equal(stl_msg_commit(c, "", &e), STL_EINVALID);
    assert_int_equal(stl_ack(c, NULL, &e), STL_EINVALID);
    assert_int_equal(stl_pull(c, "s", 0, 0, 0, NULL, &e), STL_EINVALID);
    stl_client_close(c);
}

static void a_half_message_is_sent_and_decided(void **state) {
    (void)state;
    struct script s = { .answers = {
                            ANSWER("{\"id\":\"pay-88\",\"status\":\"half\"}"), NULL,
                            ANSWER("{\"id\":\"pay-88\",\"status\":\"committed\"}"), NULL,
                            "HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n"
                            "{\"type\":\"/problems/already-decided\",\"decision\":\"committed\"}" } };
    stl_msg *m = stl_msg_new("payment.done", "pay-88");
    stl_err e;
    start(&s);
    stl_client *c = open_client(&s, 2000);
    stl_msg_check_http(m, "http://pay/check");
    assert_int_equal(stl_msg_half(c, m, &e), 0);
    assert_int_equal(stl_msg_commit(c, "pay-88", &e), 0);
    assert_int_equal(stl_msg_rollback(c, "pay-88", &e), STL_ECONFLICT);
    assert_string_equal(e.decision, "committed");
    stl_msg_free(m);
    stl_client_close(c);
    finish(&s);
    assert_non_null(strstr(s.requests[0], "POST /v1/messages HTTP/1.1"));
    assert_non_null(strstr(body_of(&s, 0), "\"state\":\"half\""));
    assert_non_null(strstr(s.requests[1], "POST /v1/messages/pay-88/commit HTTP/1.1"));
    assert_non_null(strstr(s.requests[2], "POST /v1/messages/pay-88/rollback HTTP/1.1"));
}

static void a_message_is_final_when_its_deliveries_are(void **state) {
    (void)state;
    struct script s = {
        .answers = { ANSWER("{\"id\":\"m\",\"status\":\"committed\",\"attention\":null,\"deliveries\":2}"),
                     NULL,
                     ANSWER("{\"id\":\"m\",\"status\":\"committed\",\"finished\":\"2026-01-07T10:00:00Z\"}"),
                     NULL, ANSWER("{\"id\":\"m\",\"status\":\"half\"}") }
    };
    stl_msg *m = stl_msg_new("t", "m");
    stl_result *r = NULL;
    start(&s);
    stl_client *c = open_client(&s, 2000);
    assert_int_equal(stl_msg_publish(c, m, 3000, &r, NULL), 0);
    assert_string_equal(stl_result_gid(r), "m");
    assert_string_equal(stl_result_status(r), "committed");
    assert_false(stl_result_final(r));
    assert_false(stl_result_committed(r));
    stl_result_free(r);
    assert_int_equal(stl_msg_get(c, "m", &r, NULL), 0);
    assert_true(stl_result_final(r));
    assert_true(stl_result_committed(r));
    stl_result_free(r);
    assert_int_equal(stl_msg_check(c, "m", 0, &r, NULL), 0);
    assert_false(stl_result_final(r));
    stl_result_free(r);
    stl_msg_free(m);
    stl_client_close(c);
    finish(&s);
    assert_non_null(strstr(s.requests[0], "POST /v1/messages?wait=3000ms HTTP/1.1"));
    assert_non_null(strstr(s.requests[1], "GET /v1/messages/m HTTP/1.1"));
    assert_non_null(strstr(s.requests[2], "POST /v1/messages/m/check HTTP/1.1"));
}

static void a_batch_is_pulled_and_answered(void **state) {
    (void)state;
    struct script s = {
        .answers = { ANSWER("{\"items\":["
                            "{\"id\":\"m1~warehouse\",\"message\":\"m1\",\"topic\":\"ship\",\"key\":\"k\","
                            "\"attempt\":2,\"content_type\":\"application/json\","
                            "\"headers\":{\"A\":\"1\",\"B\":\"\\u00e4\"},\"body\":{\"n\": 1}},"
                            "{\"id\":\"m2~warehouse\",\"message\":\"m2\",\"topic\":\"ship\",\"attempt\":1,"
                            "\"content_type\":\"text/plain\",\"headers\":{},\"body_base64\":\"YQBi\"}]}"),
                     NULL, ANSWER("{}"), NULL, ANSWER("{}"), NULL, ANSWER("{}") }
    };
    stl_batch *b = NULL;
    start(&s);
    stl_client *c = open_client(&s, 2000);
    assert_int_equal(stl_pull(c, "warehouse", 50, 30000, 100, &b, NULL), 0);
    assert_int_equal(stl_batch_count(b), 2);
    const stl_delivery *d = stl_batch_at(b, 0);
    assert_string_equal(d->id, "m1~warehouse");
    assert_string_equal(d->message, "m1");
    assert_string_equal(d->topic, "ship");
    assert_string_equal(d->key, "k");
    assert_int_equal(d->attempt, 2);
    assert_int_equal(d->header_count, 2);
    assert_string_equal(d->headers[1].name, "B");
    assert_string_equal(d->headers[1].value, "\xc3\xa4");
    assert_string_equal(d->body, "{\"n\": 1}");
    d = stl_batch_at(b, 1);
    assert_string_equal(d->key, "");
    assert_int_equal(d->header_count, 0);
    assert_int_equal(d->body_length, 3);
    assert_memory_equal(d->body, "a\0b", 4);
    assert_null(stl_batch_at(b, 2));
    assert_int_equal(stl_ack(c, stl_batch_at(b, 0)->id, NULL), 0);
    assert_int_equal(stl_nack(c, d->id, 60000, "later", NULL), 0);
    assert_int_equal(stl_refuse(c, d->id, "no such sku", NULL), 0);
    stl_batch_free(b);
    stl_batch_free(NULL);
    stl_client_close(c);
    finish(&s);
    assert_non_null(strstr(s.requests[0], "POST /v1/subscriptions/warehouse/pull HTTP/1.1"));
    assert_string_equal(body_of(&s, 0), "{\"max\":50,\"lease\":\"30000ms\",\"wait\":\"100ms\"}");
    assert_non_null(strstr(s.requests[1], "POST /v1/deliveries/m1~warehouse/ack HTTP/1.1"));
    assert_non_null(strstr(s.requests[2], "POST /v1/deliveries/m2~warehouse/nack HTTP/1.1"));
    assert_string_equal(body_of(&s, 2), "{\"delay\":\"60000ms\",\"reason\":\"later\"}");
    assert_string_equal(body_of(&s, 3), "{\"refused\":true,\"reason\":\"no such sku\"}");
}

static void what_is_no_batch_is_refused(void **state) {
    (void)state;
    static const char *const answers[] = {
        ANSWER("[]"),
        ANSWER("{\"items\":[{\"topic\":\"x\"}]}"),
        ANSWER("{\"items\":[{\"id\":\"x\",\"body_base64\":\"!\"}]}"),
        ANSWER("garbage"),
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct script s = { .answers = { answers[i] } };
        stl_batch *b = NULL;
        stl_err e;
        start(&s);
        stl_client *c = open_client(&s, 2000);
        assert_int_equal(stl_pull(c, "w", 1, 0, 0, &b, &e), STL_EPROTOCOL);
        assert_int_equal(e.code, STL_EPROTOCOL);
        assert_null(b);
        stl_client_close(c);
        finish(&s);
    }
}

static void a_transaction_takes_messages_along(void **state) {
    (void)state;
    stl_tx *t = stl_tx_new("tcc", "order-1");
    stl_tx_tcc(t, "stock", "http://stock", NULL, 0);
    stl_tx_on_commit_msg(t, "warehouse.ship", "4711", "{\"order\":1}", 11);
    stl_tx_on_rollback_notify(t, "crm", "order.failed", NULL, 0);
    stl_tx_on_commit_notify(t, "crm", "order.paid", "1", 1);
    stl_tx_on_rollback_msg(t, "stock.free", NULL, NULL, 0);
    assert_non_null(strstr(
        stl_tx_json(t, NULL),
        "],\"on_commit\":[{\"topic\":\"warehouse.ship\",\"key\":\"4711\",\"body\":{\"order\":1}},"
        "{\"notify\":\"crm\",\"event\":\"order.paid\",\"body\":1}],"
        "\"on_rollback\":[{\"notify\":\"crm\",\"event\":\"order.failed\"},{\"topic\":\"stock.free\"}]}"));
    assert_int_equal(stl_tx_on_commit_notify(t, "crm", NULL, NULL, 0), STL_EINVALID);
    assert_null(stl_tx_json(t, NULL));
    stl_tx_free(t);
}

static void a_notification_is_spelled_and_sent(void **state) {
    (void)state;
    struct script s = { .answers = {
                            ANSWER("{\"id\":\"n1\",\"status\":\"scheduled\"}"), NULL,
                            ANSWER("{\"id\":\"n1\",\"status\":\"gave_up\",\"finished\":\"2026-01-07T10:"
                                   "00:00Z\"}") } };
    stl_notice *n = stl_notice_new("crm", "order.paid", "n1");
    stl_result *r = NULL;
    stl_err e;
    start(&s);
    stl_client *c = open_client(&s, 2000);
    stl_notice_ref(n, "4711");
    stl_notice_body(n, "{}", 2);
    stl_notice_after(n, 0);
    stl_notice_after(n, 15000);
    stl_notice_success(n, "success");
    assert_int_equal(stl_notify(c, n, 0, &r, NULL), 0);
    assert_string_equal(stl_result_status(r), "scheduled");
    assert_false(stl_result_final(r));
    stl_result_free(r);
    assert_int_equal(stl_notice_get(c, "n1", &r, NULL), 0);
    assert_true(stl_result_final(r));
    stl_result_free(r);
    stl_notice_free(n);
    n = stl_notice_new("crm", NULL, NULL);
    assert_int_equal(stl_notify(c, n, 0, NULL, &e), STL_EINVALID);
    stl_notice_free(n);
    stl_notice_free(NULL);
    stl_client_close(c);
    finish(&s);
    assert_string_equal(body_of(&s, 0),
                        "{\"id\":\"n1\",\"endpoint\":\"crm\",\"event\":\"order.paid\",\"ref\":\"4711\","
                        "\"schedule\":[\"0ms\",\"15000ms\"],\"success\":{\"body\":\"success\"},\"body\":{}}");
}

static void a_check_reply_says_what_it_was_told(void **state) {
    (void)state;
    assert_string_equal(stl_check_reply(STL_COMMITTED), "{\"status\":\"committed\"}");
    assert_string_equal(stl_check_reply(STL_ROLLED_BACK), "{\"status\":\"rolled_back\"}");
    assert_string_equal(stl_check_reply(STL_UNKNOWN), "{\"status\":\"unknown\"}");
    assert_string_equal(stl_check_reply(99), "{\"status\":\"unknown\"}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_spelled),
        cmocka_unit_test(the_three_check_backs_are_spelled),
        cmocka_unit_test(what_makes_no_sense_is_told_before_it_is_sent),
        cmocka_unit_test(a_half_message_is_sent_and_decided),
        cmocka_unit_test(a_message_is_final_when_its_deliveries_are),
        cmocka_unit_test(a_batch_is_pulled_and_answered),
        cmocka_unit_test(what_is_no_batch_is_refused),
        cmocka_unit_test(a_transaction_takes_messages_along),
        cmocka_unit_test(a_notification_is_spelled_and_sent),
        cmocka_unit_test(a_check_reply_says_what_it_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
