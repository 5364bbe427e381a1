#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "model/record.h"
#include "model/stored.h"
#include "model/transaction.h"

static const uint16_t after[] = { 0, 1 };
static const struct label labels[] = { { SLICE("order"), SLICE("4711") }, { SLICE("user"), SLICE("") } };

static const struct branch_request branches[] = {
    { .id = SLICE("a"),
      .to = { { SLICE("http://a/do"), 10 },
              { SLICE("http://a/confirm"), 300000 },
              { SLICE("http://a/undo"), 5000 } },
      .body = SLICE("{\"n\":1}"),
      .pivot = true,
      .referenced = true,
      .retry = { 10, 100, 10, 0, GIVE_UP_ROLLBACK } },
    { .id = SLICE("b") },
    { .id = SLICE("c"),
      .to = { { SLICE("http://c"), 1 } },
      .after = after,
      .after_count = 2,
      .cancel_always = true,
      .has_references = true,
      .retry = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, GIVE_UP_ATTENTION } },
};

static const uint32_t schedule[] = { 0, 15000, UINT32_MAX };

static const struct outgoing_request outgoing[] = {
    { .message = { .head = { .topic = SLICE("t"), .content_type = SLICE("a/b") }, .body = SLICE("x") } },
    { .on_rollback = true,
      .is_notice = true,
      .timeout_ms = 9,
      .message = { .head = { .topic = SLICE("e"), .content_type = SLICE("a/b") },
                   .only = SLICE("crm"),
                   .schedule_ms = schedule,
                   .schedule_count = 3 } },
};

static const struct transaction_request request = {
    .namespace_name = SLICE("default"),
    .gid = SLICE("order-4711"),
    .mode = MODE_TCC,
    .drive = DRIVE_CLIENT,
    .name = SLICE("place-order"),
    .labels = labels,
    .label_count = 2,
    .deadline_ms = UINT32_MAX,
    .branches = branches,
    .branch_count = 3,
    .fingerprint = { 1, 2, 3, [31] = 255 },
    .principal = SLICE("shop"),
    .outgoing = outgoing,
    .outgoing_count = 2,
};

static const struct message_request ship = {
    .head = { .topic = SLICE("warehouse.ship"),
              .key = SLICE("4711"),
              .content_type = SLICE("text/plain"),
              .headers = labels,
              .header_count = 2 },
    .body = SLICE("\0any bytes\xff"),
    .only = SLICE("warehouse"),
    .origin = SLICE("transaction order-4711"),
    .delay_ms = 5,
    .check_after_ms = 10000,
    .check_tries = 3,
    .half = true,
};

static const struct transaction_request message = {
    .namespace_name = SLICE("default"),
    .gid = SLICE("msg"),
    .mode = MODE_MESSAGE,
    .branches = branches,
    .branch_count = 1,
    .message = &ship,
};

static const struct message_request call_back = {
    .head = { .topic = SLICE("order.paid"), .content_type = SLICE("application/json") },
    .only = SLICE("crm"),
    .schedule_ms = schedule,
    .schedule_count = 3,
    .success_http = 204,
    .success_body = SLICE("success"),
};

static const struct transaction_request notice = {
    .namespace_name = SLICE("default"),
    .gid = SLICE("ntf"),
    .mode = MODE_NOTICE,
    .branches = branches,
    .branch_count = 1,
    .message = &call_back,
};

static const struct record examples[] = {
    { .kind = RECORD_CREATED, .at_ms = 1, .id = UINT64_MAX, .until_ms = UINT64_MAX, .request = &request },
    { .kind = RECORD_BRANCH, .at_ms = UINT64_MAX, .added = &branches[2] },
    { .kind = RECORD_FILLED, .at_ms = 2, .branch = 7, .text = SLICE("{\"x\":\0}") },
    { .kind = RECORD_ALLOWED, .at_ms = 2, .branch = UINT16_MAX, .role = ROLE_CONFIRM, .attempt = 1 },
    { .kind = RECORD_OUTCOME,
      .at_ms = 3,
      .branch = 300,
      .role = ROLE_BACKWARD,
      .attempt = UINT32_MAX,
      .verdict = VERDICT_SLOW_DOWN,
      .http = 503,
      .took_ms = 12,
      .next_ms = 999,
      .flags = RECORD_FLAG_ATTENTION | RECORD_FLAG_ANSWER,
      .text = SLICE("busy") },
    { .kind = RECORD_OUTCOME, .at_ms = 3, .verdict = VERDICT_DONE },
    { .kind = RECORD_DECIDED,
      .at_ms = 4,
      .decision = DECISION_ROLLBACK,
      .cause = CAUSE_REFUSED,
      .branch = 2,
      .role = ROLE_FORWARD,
      .text = SLICE("no rooms"),
      .who = SLICE("ops") },
    { .kind = RECORD_FINISHED, .at_ms = 5, .status = STATUS_ROLLED_BACK },
    { .kind = RECORD_SUSPENDED, .at_ms = 6, .text = SLICE("why"), .who = SLICE("who") },
    { .kind = RECORD_RESUMED, .at_ms = 7, .text = SLICE("why"), .who = SLICE("who") },
    { .kind = RECORD_RESOLVED,
      .at_ms = 8,
      .branch = 1,
      .role = ROLE_CONFIRM,
      .flags = RECORD_FLAG_NOT_DONE,
      .text = SLICE("why"),
      .who = SLICE("who") },
    { .kind = RECORD_NUDGED,
      .at_ms = 9,
      .branch = 1,
      .role = ROLE_FORWARD,
      .next_ms = 10,
      .text = SLICE("why"),
      .who = SLICE("who") },
    { .kind = RECORD_FORCED,
      .at_ms = 10,
      .status = STATUS_HEURISTIC_COMMIT,
      .text = SLICE("why"),
      .who = SLICE("who") },
    { .kind = RECORD_CREATED, .at_ms = 1, .id = 7, .request = &message },
    { .kind = RECORD_CREATED, .at_ms = 1, .id = 7, .until_ms = 9, .request = &notice },
    { .kind = RECORD_DELIVERY, .at_ms = 2, .id = UINT64_MAX, .next_ms = 3, .text = SLICE("warehouse") },
    { .kind = RECORD_SENT,
      .at_ms = 2,
      .made = STORED_NOTICE,
      .branch = 1,
      .text = SLICE("ntf_1"),
      .who = SLICE("crm") },
};

enum {
    EXAMPLES = sizeof examples / sizeof *examples,
};

static void same_branch(const struct branch_request *a, const struct branch_request *b) {
    assert_true(slice_equal(a->id, b->id));
    assert_true(slice_equal(a->body, b->body));
    for (int role = 0; role < ROLE_COUNT; role++) {
        assert_true(slice_equal(a->to[role].url, b->to[role].url));
        assert_int_equal(a->to[role].timeout_ms, b->to[role].timeout_ms);
    }
    assert_int_equal(a->after_count, b->after_count);
    for (size_t i = 0; i < a->after_count; i++)
        assert_int_equal(a->after[i], b->after[i]);
    assert_int_equal(a->pivot, b->pivot);
    assert_int_equal(a->cancel_always, b->cancel_always);
    assert_int_equal(a->has_references, b->has_references);
    assert_int_equal(a->referenced, b->referenced);
    assert_int_equal(a->retry.first_ms, b->retry.first_ms);
    assert_int_equal(a->retry.factor_percent, b->retry.factor_percent);
    assert_int_equal(a->retry.max_ms, b->retry.max_ms);
    assert_int_equal(a->retry.for_ms, b->retry.for_ms);
    assert_int_equal(a->retry.then, b->retry.then);
}

static void same_message(const struct message_request *a, const struct message_request *b) {
    assert_true(slice_equal(a->head.topic, b->head.topic));
    assert_true(slice_equal(a->head.key, b->head.key));
    assert_true(slice_equal(a->head.content_type, b->head.content_type));
    assert_true(slice_equal(a->body, b->body));
    assert_true(slice_equal(a->only, b->only));
    assert_true(slice_equal(a->origin, b->origin));
    assert_true(slice_equal(a->success_body, b->success_body));
    assert_int_equal(a->head.header_count, b->head.header_count);
    for (size_t i = 0; i < a->head.header_count; i++) {
        assert_true(slice_equal(a->head.headers[i].key, b->head.headers[i].key));
        assert_true(slice_equal(a->head.headers[i].value, b->head.headers[i].value));
    }
    assert_int_equal(a->delay_ms, b->delay_ms);
    assert_int_equal(a->check_after_ms, b->check_after_ms);
    assert_int_equal(a->check_tries, b->check_tries);
    assert_int_equal(a->half, b->half);
    assert_int_equal(a->success_http, b->success_http);
    assert_int_equal(a->schedule_count, b->schedule_count);
    for (size_t i = 0; i < a->schedule_count; i++)
        assert_int_equal(a->schedule_ms[i], b->schedule_ms[i]);
}

static void same_request(const struct transaction_request *a, const struct transaction_request *b) {
    assert_true(slice_equal(a->namespace_name, b->namespace_name));
    assert_true(slice_equal(a->gid, b->gid));
    assert_true(slice_equal(a->name, b->name));
    assert_true(slice_equal(a->principal, b->principal));
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->drive, b->drive);
    assert_int_equal(a->deadline_ms, b->deadline_ms);
    assert_memory_equal(a->fingerprint, b->fingerprint, sizeof a->fingerprint);
    assert_int_equal(a->label_count, b->label_count);
    for (size_t i = 0; i < a->label_count; i++) {
        assert_true(slice_equal(a->labels[i].key, b->labels[i].key));
        assert_true(slice_equal(a->labels[i].value, b->labels[i].value));
    }
    assert_int_equal(a->branch_count, b->branch_count);
    for (size_t i = 0; i < a->branch_count; i++)
        same_branch(&a->branches[i], &b->branches[i]);
    if (a->message != NULL)
        same_message(a->message, b->message);
    assert_int_equal(a->outgoing_count, b->outgoing_count);
    for (size_t i = 0; i < a->outgoing_count; i++) {
        assert_int_equal(a->outgoing[i].on_rollback, b->outgoing[i].on_rollback);
        assert_int_equal(a->outgoing[i].is_notice, b->outgoing[i].is_notice);
        assert_int_equal(a->outgoing[i].timeout_ms, b->outgoing[i].timeout_ms);
        same_message(&a->outgoing[i].message, &b->outgoing[i].message);
    }
}

static void same_record(const struct record *a, const struct record *b) {
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->at_ms, b->at_ms);
    assert_int_equal(a->branch, b->branch);
    assert_int_equal(a->role, b->role);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->http, b->http);
    assert_int_equal(a->took_ms, b->took_ms);
    assert_int_equal(a->next_ms, b->next_ms);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->decision, b->decision);
    assert_int_equal(a->cause, b->cause);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->until_ms, b->until_ms);
    assert_int_equal(a->made, b->made);
    assert_true(slice_equal(a->text, b->text));
    assert_true(slice_equal(a->who, b->who));
    if (a->kind == RECORD_CREATED)
        same_request(a->request, b->request);
    if (a->kind == RECORD_BRANCH)
        same_branch(a->added, b->added);
}

/* The bytes in memory of their own, so that a sanitizer sees a read past their end. */
static char *copy_of(struct slice bytes) {
    char *at = malloc(bytes.length + (bytes.length == 0));
    assert_non_null(at);
    if (bytes.length > 0)
        memcpy(at, bytes.at, bytes.length);
    return at;
}

/* Decode damaged bytes. Whatever is accepted must be a record: it is the same after another round. */
static int try_damaged(struct slice bytes, struct arena *arena) {
    struct record r;
    struct record again;
    char *copy = copy_of(bytes);
    arena_reset(arena);
    int result = record_decode(slice_of(copy, bytes.length), arena, &r);
    assert_true(result == 0 || result == ERR_CORRUPT);
    if (result == 0) {
        struct buffer b;
        buffer_init(&b, 1 << 20);
        record_encode(&b, &r);
        assert_int_equal(record_decode(buffer_slice(&b), arena, &again), 0);
        same_record(&r, &again);
        buffer_done(&b);
    }
    free(copy);
    return result;
}

static void every_kind_comes_back(void **state) {
    bool met[RECORD_KIND_END] = { false };
    struct arena arena;
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct record out;
        struct buffer b;
        buffer_init(&b, 1 << 16);
        record_encode(&b, &examples[i]);
        assert_int_equal(buffer_failed(&b), 0);
        assert_int_equal(record_decode(buffer_slice(&b), &arena, &out), 0);
        same_record(&examples[i], &out);
        met[examples[i].kind] = true;
        buffer_done(&b);
    }
    for (int kind = 1; kind < RECORD_KIND_END; kind++) {
        assert_true(met[kind]);
        assert_string_not_equal(record_word((uint8_t)kind), "?");
    }
    arena_done(&arena);
}

/* A record may end early only between two fields (it is then an older one); a request or a branch must be
 * whole. */
static void cut_records_are_corrupt(void **state) {
    struct arena arena;
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct buffer b;
        buffer_init(&b, 1 << 16);
        record_encode(&b, &examples[i]);
        size_t accepted = 0;
        for (size_t cut = 0; cut < b.length; cut++)
            accepted += try_damaged(slice_upto(buffer_slice(&b), cut), &arena) == 0;
        if (examples[i].request != NULL || examples[i].added != NULL)
            assert_int_equal(accepted, 0);
        assert_true(accepted <= 10); /* no kind has more fields */
        buffer_add_byte(&b, 0);
        assert_int_equal(try_damaged(buffer_slice(&b), &arena), ERR_CORRUPT); /* nothing may follow */
        buffer_done(&b);
    }
    arena_done(&arena);
}

static void changed_bytes_never_crash(void **state) {
    struct arena arena;
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct buffer b;
        buffer_init(&b, 1 << 16);
        record_encode(&b, &examples[i]);
        for (size_t at = 0; at < b.length; at++)
            for (int change = 1; change < 256; change++) {
                b.at[at] = (char)(b.at[at] ^ change);
                try_damaged(buffer_slice(&b), &arena);
                b.at[at] = (char)(b.at[at] ^ change);
            }
        buffer_done(&b);
    }
    arena_done(&arena);
}

static void nonsense_is_corrupt(void **state) {
    static const struct {
        const char *what;
        struct slice bytes;
    } rows[] = {
        { "nothing", { "", 0 } },
        { "kind 0", { "\x00\x01", 2 } },
        { "kind beyond the last", { "\x0f\x01", 2 } },
        { "allowed: role beyond the last", { "\x04\x01\x00\x03\x01", 5 } },
        { "outcome: verdict beyond the last", { "\x05\x01\x00\x00\x01\x0a", 6 } },
        { "outcome: http over 16 bits", { "\x05\x01\x00\x00\x01\x01\x80\x80\x04", 9 } },
        { "decided: decision beyond the last", { "\x06\x01\x03", 3 } },
        { "filled: text longer than the bytes",
          { "\x03\x01\x00\x7f"
            "abc",
            7 } },
        { "created: no request", { "\x01\x01\x01\x01", 4 } },
        { "a time in a long spelling", { "\x07\x81\x00\x04", 4 } },
    };
    struct arena arena;
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct record untouched = { .kind = 99 };
        assert_int_equal(record_decode(rows[i].bytes, &arena, &untouched), ERR_CORRUPT);
        assert_int_equal(untouched.kind, 99);
    }
    arena_done(&arena);
}

/* A count of 65,535 branches in a record of a few bytes must not take memory for them. */
static void counts_are_believed_only_as_far_as_the_bytes_go(void **state) {
    struct transaction_request small = request;
    struct record r = { .kind = RECORD_CREATED, .at_ms = 1, .id = 1, .until_ms = 1, .request = &small };
    struct record out;
    struct arena arena;
    struct buffer b;
    (void)state;
    small.branch_count = 0;
    small.label_count = 0;
    arena_init(&arena, 256, 4096);
    buffer_init(&b, 1 << 16);
    record_encode(&b, &r);
    buffer_cut(&b, b.length - 1);
    buffer_add(&b, "\xff\xff\x03", 3);
    assert_int_equal(record_decode(buffer_slice(&b), &arena, &out), ERR_CORRUPT);
    buffer_done(&b);
    arena_done(&arena);
}

static void too_little_memory_is_said(void **state) {
    struct buffer b;
    size_t failures = 0;
    int result = ERR_MEMORY;
    (void)state;
    buffer_init(&b, 1 << 16);
    record_encode(&b, &examples[0]);
    for (size_t max = 1; result != 0; max += 8, failures++) {
        struct arena arena;
        struct record out = { .kind = 99 };
        arena_init(&arena, 64, max);
        result = record_decode(buffer_slice(&b), &arena, &out);
        assert_true(result == 0 || (result == ERR_MEMORY && out.kind == 99));
        arena_done(&arena);
    }
    assert_true(failures > 5);
    buffer_done(&b);
}

static void frames_follow_one_another(void **state) {
    struct buffer b;
    struct slice bytes = SLICE("before");
    (void)state;
    buffer_init(&b, 1000);
    record_frame(&b, SLICE("one"));
    record_frame(&b, SLICE_NONE);
    record_frame(&b, SLICE("three"));
    struct slice from = buffer_slice(&b);
    assert_int_equal(record_unframe(&from, &bytes), 0);
    assert_true(slice_is(bytes, "one"));
    assert_int_equal(record_unframe(&from, &bytes), 0);
    assert_int_equal(bytes.length, 0);
    struct slice cut = slice_upto(from, from.length - 1);
    bytes = SLICE("before");
    assert_int_equal(record_unframe(&cut, &bytes), ERR_CORRUPT);
    assert_true(slice_is(bytes, "before"));
    assert_int_equal(record_unframe(&from, &bytes), 0);
    assert_true(slice_is(bytes, "three"));
    assert_int_equal(from.length, 0);
    assert_int_equal(record_unframe(&from, &bytes), ERR_CORRUPT);
    buffer_done(&b);
}

static void words_are_there_for_all(void **state) {
    (void)state;
    for (uint8_t verdict = 0; verdict < VERDICT_COUNT; verdict++)
        assert_string_not_equal(verdict_word(verdict), "?");
    assert_string_equal(verdict_word(VERDICT_COUNT), "?");
    for (uint8_t cause = CAUSE_NONE; cause <= CAUSE_OPERATOR; cause++)
        assert_string_not_equal(cause_word(cause), "?");
    assert_string_equal(cause_word(200), "?");
    assert_string_equal(decision_word(DECISION_COMMIT), "commit");
    assert_string_equal(decision_word(200), "?");
    assert_string_equal(record_word(0), "?");
    assert_string_equal(record_word(RECORD_KIND_END), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(cut_records_are_corrupt),
        cmocka_unit_test(changed_bytes_never_crash),
        cmocka_unit_test(nonsense_is_corrupt),
        cmocka_unit_test(counts_are_believed_only_as_far_as_the_bytes_go),
        cmocka_unit_test(too_little_memory_is_said),
        cmocka_unit_test(frames_follow_one_another),
        cmocka_unit_test(words_are_there_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
