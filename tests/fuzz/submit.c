/* POST bodies: a complaint that names something, or a request that keeps every promise of model/request.h. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "protocol/submission.h"

static int judge(void *self, struct slice url, struct why *why) {
    (void)self;
    return url.length % 5 == 4 ? why_set(why, ERR_DENIED, "not allowed") : 0;
}

static void check_branch(const struct transaction_request *q, size_t index) {
    const struct branch_request *b = &q->branches[index];
    FUZZ_CHECK(b->id.length >= 1 && b->id.length <= LIMIT_BRANCH_ID_BYTES);
    FUZZ_CHECK(b->body.length <= LIMIT_BRANCH_PAYLOAD_BYTES);
    FUZZ_CHECK(b->after_count <= q->branch_count);
    for (size_t i = 0; i < b->after_count; i++)
        FUZZ_CHECK(b->after[i] < q->branch_count && b->after[i] != index);
    for (size_t i = 0; i < index; i++)
        FUZZ_CHECK(!slice_equal(q->branches[i].id, b->id));
    for (int role = 0; role < ROLE_COUNT; role++)
        if (b->to[role].url.length > 0)
            FUZZ_CHECK(b->to[role].timeout_ms >= LIMIT_CALL_TIMEOUT_MS_MIN &&
                       b->to[role].timeout_ms <= LIMIT_CALL_TIMEOUT_MS_MAX);
    FUZZ_CHECK(b->retry.first_ms >= LIMIT_RETRY_FIRST_MS_MIN && b->retry.max_ms >= b->retry.first_ms);
    FUZZ_CHECK(b->retry.factor_percent >= 100);
}

static bool has_endpoint(void *self, struct slice name) {
    (void)self;
    return name.length > 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct submission_options options = {
        .namespace_name = { "default", 7 },
        .deadline_ms = 60000,
        .call_timeout_ms = 5000,
        .retry = { .first_ms = 1000, .factor_percent = 200, .max_ms = 300000 },
        .judge = judge,
        .has_endpoint = has_endpoint,
    };
    struct arena arena;
    arena_init(&arena, 65536, 64 << 20);
    struct transaction_request q;
    struct problem problem;
    memset(&problem, 0, sizeof problem);
    struct slice body = slice_of((const char *)data, size);
    if (submission_decode(body, &options, &arena, &q, &problem) != 0) {
        FUZZ_CHECK(problem_http(&problem) >= 400);
        struct buffer out;
        buffer_init(&out, 1 << 20);
        problem_render(&problem, SLICE("/v1/transactions"), SLICE("x"), &out);
        struct json_value root;
        FUZZ_CHECK(json_check(buffer_slice(&out), &root, NULL) == 0);
        buffer_done(&out);
        arena_done(&arena);
        return 0;
    }
    FUZZ_CHECK(q.mode == MODE_SAGA || q.mode == MODE_TCC);
    FUZZ_CHECK(q.gid.length == 0 || submission_is_gid(q.gid));
    FUZZ_CHECK(q.branch_count <= LIMIT_BRANCHES && (q.branch_count > 0 || q.drive == DRIVE_CLIENT));
    FUZZ_CHECK(q.label_count <= LIMIT_LABELS);
    FUZZ_CHECK(q.deadline_ms >= SUBMISSION_DEADLINE_MS_MIN && q.deadline_ms <= SUBMISSION_DEADLINE_MS_MAX);
    for (size_t i = 0; i < q.branch_count && i < 40; i++)
        check_branch(&q, i);
    struct transaction_request again;
    FUZZ_CHECK(submission_decode(body, &options, &arena, &again, &problem) == 0);
    FUZZ_CHECK(memcmp(q.fingerprint, again.fingerprint, 32) == 0);
    arena_done(&arena);
    return 0;
}
