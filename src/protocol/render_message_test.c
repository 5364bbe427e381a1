/* Messages and deliveries as JSON: every status in its word, attempts counted as people count, bodies as they
 * are; and the same life told as events. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "protocol/chronicle.h"
#include "protocol/message_form.h"
#include "protocol/render_message.h"

#define T0 UINT64_C(1767780000000)

struct life {
    struct memory memory;
    struct arena scratch;
    struct transaction t;
    struct buffer record;
    struct buffer out;
};

static void put(struct life *l, struct record r) {
    r.at_ms = T0 + l->t.seq * 1000;
    buffer_clear(&l->record);
    record_encode(&l->record, &r);
    arena_reset(&l->scratch);
    if (transaction_apply(&l->t, buffer_slice(&l->record), &l->scratch) != 0)
        fail_msg("record %s cannot follow", record_word(r.kind));
}

static void begin(struct life *l, const struct message_request *m, const struct branch_request *check) {
    struct transaction_request q = { .namespace_name = SLICE("default"),
                                     .gid = SLICE("pay-88"),
                                     .mode = MODE_MESSAGE,
                                     .principal = SLICE("shop"),
                                     .branches = check,
                                     .branch_count = check == NULL ? 0 : 1,
                                     .message = m };
    memory_init(&l->memory, SIZE_MAX / 2);
    arena_init(&l->scratch, 4096, SIZE_MAX / 2);
    transaction_init(&l->t, &l->memory);
    buffer_init(&l->record, 1 << 20);
    buffer_init(&l->out, 1 << 20);
    put(l, (struct record){ .kind = RECORD_CREATED, .id = 7, .request = &q });
}

static void end(struct life *l) {
    transaction_done(&l->t);
    memory_done(&l->memory);
    arena_done(&l->scratch);
    buffer_done(&l->record);
    buffer_done(&l->out);
}

static void commit(struct life *l, size_t deliveries) {
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    put(l, (struct record){ .kind = RECORD_DECIDED, .decision = DECISION_COMMIT, .cause = CAUSE_CLIENT });
    for (size_t i = 0; i < deliveries; i++)
        put(l, (struct record){ .kind = RECORD_DELIVERY, .id = i + 1, .text = slice_text(names[i]) });
}

static void outcome(struct life *l, uint16_t branch, uint32_t attempt, uint8_t verdict, uint64_t next_ms,
                    uint8_t flags) {
    put(l, (struct record){ .kind = RECORD_OUTCOME,
                            .branch = branch,
                            .role = ROLE_CONFIRM,
                            .attempt = attempt,
                            .verdict = verdict,
                            .http = verdict == VERDICT_DONE      ? 200
                                    : verdict == VERDICT_REFUSED ? 409
                                                                 : 500,
                            .next_ms = next_ms,
                            .flags = flags,
                            .text = SLICE("said\n") });
}

static const struct message_request plain = {
    .head = { .topic = { "t", 1 }, .key = { "k", 1 }, .content_type = { "application/json", 16 } },
    .body = { "{\"a\": 1}", 8 }
};

static void is_delivery(struct life *l, uint16_t branch, struct delivery_stand stand, const char *status,
                        uint64_t attempts) {
    struct json_writer w;
    struct json_value root, value;
    uint64_t number;
    buffer_clear(&l->out);
    json_writer_init(&w, &l->out);
    render_delivery(&w, &l->t, branch, &stand, false, SLICE_NONE);
    assert_int_equal(json_check(buffer_slice(&l->out), &root, NULL), 0);
    assert_true(json_member(root, "status", &value));
    if (!json_is(value, status))
        fail_msg("%.*s is not %s", SLICE_PRINT(buffer_slice(&l->out)), status);
    assert_true(json_member(root, "attempts", &value));
    assert_int_equal(json_u64(value, &number), 0);
    if (number != attempts)
        fail_msg("%.*s: not %llu attempts", SLICE_PRINT(buffer_slice(&l->out)), (unsigned long long)attempts);
}

static void every_status_of_a_delivery(void **state) {
    const struct delivery_stand none = { .out = false }, parked = { .parked = true };
    const struct delivery_stand leased = { .out = true, .lease_ms = T0 + 99000 };
    struct life l;
    (void)state;
    begin(&l, &plain, NULL);
    commit(&l, 8);
    is_delivery(&l, 0, none, "pending", 0);
    is_delivery(&l, 0, parked, "parked", 0);
    is_delivery(&l, 0, leased, "delivering", 1);
    l.t.branches[0].operation[ROLE_CONFIRM].open = true;
    is_delivery(&l, 0, none, "delivering", 1);
    l.t.branches[0].operation[ROLE_CONFIRM].open = false;
    outcome(&l, 0, 1, VERDICT_UNKNOWN, T0 + 50000, 0);
    is_delivery(&l, 0, none, "retrying", 1);
    is_delivery(&l, 0, leased, "delivering", 2);
    outcome(&l, 1, 1, VERDICT_WORKING, T0 + 50000, 0); /* pushed, and its consumer acks by a call */
    is_delivery(&l, 1, leased, "delivering", 1);
    is_delivery(&l, 1, none, "retrying", 1);
    outcome(&l, 2, 1, VERDICT_DONE, 0, 0);
    is_delivery(&l, 2, none, "acked", 1);
    outcome(&l, 3, 1, VERDICT_REFUSED, 0, 0);
    is_delivery(&l, 3, none, "refused", 1);
    outcome(&l, 4, 1, VERDICT_UNKNOWN, T0 + 50000, 0);
    outcome(&l, 4, 2, VERDICT_UNKNOWN, 0, RECORD_FLAG_DEAD);
    is_delivery(&l, 4, none, "dead", 2);
    put(&l, (struct record){ .kind = RECORD_NUDGED, .branch = 4, .role = ROLE_CONFIRM, .next_ms = T0 + 1 });
    is_delivery(&l, 4, none, "retrying", 2);
    put(&l, (struct record){
                .kind = RECORD_RESOLVED, .branch = 5, .role = ROLE_CONFIRM, .flags = RECORD_FLAG_NOT_DONE });
    is_delivery(&l, 5, none, "discarded", 1);
    end(&l);
}

static struct delivery_stand look(void *self, const struct transaction *t, uint16_t branch) {
    (void)self;
    (void)t;
    return (struct delivery_stand){ .parked = branch == 1 };
}

static void a_whole_message(void **state) {
    struct life l;
    struct json_writer w;
    (void)state;
    begin(&l, &plain, NULL);
    commit(&l, 2);
    outcome(&l, 0, 1, VERDICT_REFUSED, 0, RECORD_FLAG_DEAD);
    json_writer_init(&w, &l.out);
    render_message(&w, &l.t, look, NULL);
    static const char expected[] =
        "{\"id\":\"pay-88\",\"status\":\"committed\",\"topic\":\"t\",\"key\":\"k\",\"labels\":{},"
        "\"created\":\"2026-01-07T10:00:00.000Z\",\"updated\":\"2026-01-07T10:00:04.000Z\",\"finished\":null,"
        "\"decision\":{\"decision\":\"commit\",\"by\":\"client\",\"at\":\"2026-01-07T10:00:01.000Z\"},"
        "\"reason\":"
        "null,"
        "\"attention\":{\"why\":\"a refused it: said\",\"subscription\":\"a\",\"attempts\":1,"
        "\"since\":\"2026-01-07T10:00:04.000Z\",\"next_try\":null},\"content_type\":\"application/json\","
        "\"headers\":{},\"body\":{\"a\": 1},\"deliveries\":["
        "{\"id\":\"pay-88~a\",\"subscription\":\"a\",\"status\":\"dead\",\"attempts\":1,\"http\":409,"
        "\"detail\":\"said\",\"attention\":true},"
        "{\"id\":\"pay-88~b\",\"subscription\":\"b\",\"status\":\"parked\",\"attempts\":0,\"attention\":"
        "false}],"
        "\"links\":{\"self\":\"/v1/messages/pay-88\",\"events\":\"/v1/messages/pay-88/events\"}}";
    buffer_add_byte(&l.out, '\0');
    assert_string_equal(l.out.at, expected);
    end(&l);
}

static void bodies_that_are_no_json(void **state) {
    static const struct {
        const char *type;
        struct slice body;
        const char *shown;
    } rows[] = {
        { "image/png", { "\0\1", 2 }, "\"body_base64\":\"AAE=\"" },
        { "application/json", { "{not json", 9 }, "\"body_base64\":\"e25vdCBqc29u\"" },
        { "application/json", { "", 0 }, "\"body_base64\":\"\"" },
        { "text/plain", { "1", 1 }, "\"body_base64\":\"MQ==\"" },
        { "application/vnd.x+JSON; a=b", { "[1]", 3 }, "\"body\":[1]" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message_request m = plain;
        struct life l;
        struct json_writer w;
        m.head.content_type = slice_text(rows[i].type);
        m.body = rows[i].body;
        begin(&l, &m, NULL);
        commit(&l, 1);
        json_writer_init(&w, &l.out);
        render_pulled(&w, &l.t, 0, T0);
        buffer_add_byte(&l.out, '\0');
        if (strstr(l.out.at, rows[i].shown) == NULL)
            fail_msg("%s has no %s", l.out.at, rows[i].shown);
        end(&l);
    }
}

static void half_and_its_check(void **state) {
    struct message_request m = plain;
    struct branch_request check = { .id = SLICE(MESSAGE_CHECK_BRANCH),
                                    .to[ROLE_FORWARD] = { SLICE("http://pay/check"), 5000 } };
    struct life l;
    struct json_writer w;
    (void)state;
    m.half = true;
    begin(&l, &m, &check);
    put(&l, (struct record){ .kind = RECORD_ALLOWED, .attempt = 1, .next_ms = T0 + 10000 });
    put(&l, (struct record){ .kind = RECORD_OUTCOME,
                             .attempt = 1,
                             .verdict = VERDICT_UNKNOWN,
                             .http = 404,
                             .next_ms = T0 + 40000,
                             .flags = RECORD_FLAG_ATTENTION });
    json_writer_init(&w, &l.out);
    render_message_item(&w, &l.t);
    buffer_add_byte(&l.out, '\0');
    assert_non_null(strstr(l.out.at, "\"status\":\"half\""));
    assert_non_null(
        strstr(l.out.at, "\"why\":\"the check-back has not decided it after 1 attempts, HTTP 404\""));
    assert_non_null(strstr(
        l.out.at, "\"next_check\":\"2026-01-07T10:00:40.000Z\",\"check\":{\"attempts\":1,\"http\":404}"));
    assert_non_null(strstr(l.out.at, "\"deliveries\":0}"));
    end(&l);
}

static void a_life_as_events(void **state) {
    static const char *const names[] = { "msg.created",        "msg.decision",     "msg.status",
                                         "delivery.created",   "delivery.attempt", "delivery.attempt",
                                         "delivery.attention", "delivery.op",      "msg.sent",
                                         "msg.status" };
    struct life l;
    struct json_writer w;
    struct json_value root, items, item, event;
    size_t count = 0;
    (void)state;
    begin(&l, &plain, NULL);
    commit(&l, 1);
    outcome(&l, 0, 1, VERDICT_UNKNOWN, T0 + 50000, 0);
    outcome(&l, 0, 2, VERDICT_REFUSED, 0, RECORD_FLAG_DEAD);
    put(&l, (struct record){ .kind = RECORD_RESOLVED,
                             .role = ROLE_CONFIRM,
                             .flags = RECORD_FLAG_NOT_DONE,
                             .who = SLICE("maria"),
                             .text = SLICE("typo") });
    put(&l, (struct record){
                .kind = RECORD_SENT, .made = 4, .text = SLICE("msg_1"), .who = SLICE("t"), .branch = 0 });
    put(&l, (struct record){ .kind = RECORD_FINISHED, .status = STATUS_COMMITTED });
    json_writer_init(&w, &l.out);
    assert_int_equal(chronicle_list(&w, &l.t, 0, 0, &l.scratch), 0);
    assert_int_equal(json_check(buffer_slice(&l.out), &root, NULL), 0);
    assert_true(json_member(root, "items", &items));
    for (struct json_cursor c = json_cursor_of(items); json_element_next(&c, &item); count++) {
        assert_true(json_member(item, "event", &event));
        assert_true(count < sizeof names / sizeof names[0]);
        if (!json_is(event, names[count]))
            fail_msg("event %zu is %.*s, not %s", count, SLICE_PRINT(event.raw), names[count]);
    }
    assert_int_equal(count, sizeof names / sizeof names[0]);
    buffer_add_byte(&l.out, '\0');
    assert_non_null(strstr(l.out.at,
                           "\"event\":\"delivery.op\",\"id\":\"pay-88~a\",\"message\":\"pay-88\","
                           "\"subscription\":\"a\",\"at\":\"2026-01-07T10:00:05.000Z\",\"seq\":6,\"state\":"
                           "\"discarded\",\"act\":\"discard\",\"by\":\"maria\",\"detail\":\"typo\""));
    assert_non_null(strstr(l.out.at,
                           "\"event\":\"msg.sent\",\"id\":\"pay-88\",\"at\":\"2026-01-07T10:00:06.000Z\","
                           "\"seq\":7,\"message\":\"msg_1\",\"topic\":\"t\""));
    end(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_of_a_delivery), cmocka_unit_test(a_whole_message),
        cmocka_unit_test(bodies_that_are_no_json),    cmocka_unit_test(half_and_its_check),
        cmocka_unit_test(a_life_as_events),
    };
    return cmocka_run_group_tests_name("render_message", tests, NULL, NULL);
}
