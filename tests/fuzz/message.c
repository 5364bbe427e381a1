/* Bodies of messages, of notifications, and of what is said about deliveries: a complaint that names
 * something, or a request that keeps every promise of model/request.h. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "protocol/delivery_form.h"
#include "protocol/message_form.h"
#include "protocol/notice_form.h"
#include "wire/http1.h"
#include "wire/sink_target.h"

static int judge(void *self, struct slice url, struct why *why) {
    (void)self;
    return url.length % 5 == 4 ? why_set(why, ERR_DENIED, "not allowed") : 0;
}

static bool has_datasource(void *self, struct slice name) {
    (void)self;
    return name.length % 3 != 2;
}

static bool has_endpoint(void *self, struct slice name) {
    (void)self;
    return name.length % 3 != 2;
}

static void check_problem(const struct problem *problem) {
    struct buffer out;
    struct json_value root;
    FUZZ_CHECK(problem_http(problem) >= 400);
    buffer_init(&out, 1 << 20);
    problem_render(problem, SLICE("/v1/messages"), SLICE("x"), &out);
    FUZZ_CHECK(json_check(buffer_slice(&out), &root, NULL) == 0);
    buffer_done(&out);
}

static void check_half(const struct transaction_request *q, struct arena *arena) {
    const struct branch_request *check = q->branches;
    struct sink_target target;
    if (q->branch_count == 0)
        return; /* it waits for its producer */
    FUZZ_CHECK(q->branch_count == 1);
    FUZZ_CHECK(slice_is(check->id, MESSAGE_CHECK_BRANCH));
    FUZZ_CHECK(check->to[ROLE_FORWARD].timeout_ms >= LIMIT_CALL_TIMEOUT_MS_MIN);
    FUZZ_CHECK(check->retry.first_ms >= LIMIT_RETRY_FIRST_MS_MIN);
    FUZZ_CHECK(check->retry.max_ms >= check->retry.first_ms);
    if (slice_starts(check->to[ROLE_FORWARD].url, "datasource://"))
        FUZZ_CHECK(sink_target_decode(check->to[ROLE_FORWARD].url, arena, &target, NULL) == 0);
}

static void check_message(const struct transaction_request *q, struct arena *arena) {
    const struct message_request *m = q->message;
    FUZZ_CHECK(q->mode == MODE_MESSAGE && m != NULL);
    FUZZ_CHECK(q->gid.length == 0 || submission_is_gid(q->gid));
    FUZZ_CHECK(m->head.topic.length >= 1 && m->head.topic.length <= LIMIT_TOPIC_BYTES);
    FUZZ_CHECK(m->head.key.length <= LIMIT_KEY_BYTES);
    FUZZ_CHECK(m->head.content_type.length >= 3);
    FUZZ_CHECK(m->body.length <= LIMIT_BRANCH_PAYLOAD_BYTES);
    FUZZ_CHECK(m->head.header_count <= LIMIT_MESSAGE_HEADERS);
    for (size_t i = 0; i < m->head.header_count; i++)
        FUZZ_CHECK(http1_is_token(m->head.headers[i].key));
    FUZZ_CHECK(q->label_count <= LIMIT_LABELS);
    FUZZ_CHECK(m->half || q->branch_count == 0);
    if (m->half)
        check_half(q, arena);
}

static void check_notice(const struct transaction_request *q) {
    const struct message_request *m = q->message;
    FUZZ_CHECK(q->mode == MODE_NOTICE && m != NULL && q->branch_count == 1);
    FUZZ_CHECK(q->gid.length == 0 || submission_is_gid(q->gid));
    FUZZ_CHECK(slice_equal(q->branches[0].id, m->only));
    FUZZ_CHECK(m->head.topic.length >= 1 && m->head.topic.length <= NOTICE_EVENT_BYTES);
    FUZZ_CHECK(m->head.key.length <= LIMIT_KEY_BYTES);
    FUZZ_CHECK(m->schedule_count >= 1 && m->schedule_count <= LIMIT_ATTEMPTS);
    for (size_t i = 0; i < m->schedule_count; i++)
        FUZZ_CHECK(m->schedule_ms[i] <= NOTICE_WAIT_MS_MAX);
    FUZZ_CHECK(m->success_http == 0 || (m->success_http >= 200 && m->success_http <= 299));
    FUZZ_CHECK(m->success_body.length <= NOTICE_SUCCESS_BYTES);
    FUZZ_CHECK(q->deadline_ms >= 60000);
}

static void read_as_notice(struct slice body, const struct submission_options *options, struct arena *arena) {
    struct transaction_request q;
    struct transaction_request again;
    struct problem problem;
    memset(&problem, 0, sizeof problem);
    if (notice_form_decode(body, options, arena, &q, &problem) != 0) {
        check_problem(&problem);
        return;
    }
    check_notice(&q);
    FUZZ_CHECK(notice_form_decode(body, options, arena, &again, &problem) == 0);
    FUZZ_CHECK(memcmp(q.fingerprint, again.fingerprint, 32) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct submission_options common = {
        .namespace_name = { "default", 7 },
        .call_timeout_ms = 5000,
        .judge = judge,
        .has_endpoint = has_endpoint,
    };
    static const struct message_options options = { .common = &common, .has_datasource = has_datasource };
    struct slice body = slice_of((const char *)data, size);
    struct transaction_request q;
    struct transaction_request again;
    struct delivery_command command;
    struct problem problem;
    struct arena arena;
    arena_init(&arena, 65536, 64 << 20);
    memset(&problem, 0, sizeof problem);
    if (message_form_decode(body, &options, &arena, &q, &problem) != 0) {
        check_problem(&problem);
    } else {
        check_message(&q, &arena);
        FUZZ_CHECK(message_form_decode(body, &options, &arena, &again, &problem) == 0);
        FUZZ_CHECK(memcmp(q.fingerprint, again.fingerprint, 32) == 0);
    }
    read_as_notice(body, &common, &arena);
    for (int act = 0; act < DELIVERY_ACT_COUNT; act++) {
        if (delivery_form_decode(body, (enum delivery_act)act, &arena, &command, &problem) != 0)
            check_problem(&problem);
        else
            FUZZ_CHECK(command.max >= 1 && command.max <= LIMIT_PULL && command.lease_ms <= LIMIT_LEASE_MS &&
                       command.wait_ms <= LIMIT_WAIT_MS && command.reason.length <= LIMIT_REASON_BYTES);
    }
    arena_done(&arena);
    return 0;
}
