#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "model/transaction.h"

static const uint16_t after_first[] = { 0 };
static const struct label labels[] = { { SLICE("order"), SLICE("4711") } };

static const struct endpoint everywhere[ROLE_COUNT] = { { SLICE("http://x/do"), 1000 },
                                                        { SLICE("http://x/confirm"), 1000 },
                                                        { SLICE("http://x/undo"), 1000 } };

/* A transaction under construction: each record goes through its bytes. */
struct bench {
    struct memory memory;
    struct arena scratch;
    struct transaction t;
};

static void bench_open(struct bench *b, size_t memory_max) {
    memory_init(&b->memory, memory_max);
    arena_init(&b->scratch, 4096, 1 << 20);
    transaction_init(&b->t, &b->memory);
}

static void bench_close(struct bench *b) {
    transaction_done(&b->t);
    arena_done(&b->scratch);
    memory_done(&b->memory); /* asserts that everything came back */
}

static int put(struct bench *b, struct record r) {
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    if (r.at_ms == 0)
        r.at_ms = 1000 + b->t.seq;
    record_encode(&bytes, &r);
    arena_reset(&b->scratch);
    int result = transaction_apply(&b->t, buffer_slice(&bytes), &b->scratch);
    buffer_done(&bytes);
    if (result == 0)
        transaction_check(&b->t);
    return result;
}

static struct record created(uint8_t mode, uint16_t branch_count) {
    static struct branch_request branches[3];
    static struct transaction_request request;
    for (size_t i = 0; i < 3; i++) {
        static const struct slice ids[] = { SLICE("a"), SLICE("b"), SLICE("c") };
        branches[i] = (struct branch_request){ .id = ids[i],
                                               .body = SLICE("{\"n\":1}"),
                                               .after = after_first,
                                               .after_count = i > 0,
                                               .referenced = i == 0,
                                               .has_references = i == 1,
                                               .retry = { 100, 200, 1000, 0, 0 } };
        memcpy(branches[i].to, everywhere, sizeof everywhere);
    }
    request = (struct transaction_request){ .namespace_name = SLICE("default"),
                                            .gid = SLICE("t"),
                                            .mode = mode,
                                            .drive = branch_count == 0,
                                            .name = SLICE("name"),
                                            .labels = labels,
                                            .label_count = 1,
                                            .deadline_ms = 5000,
                                            .branches = branches,
                                            .branch_count = branch_count,
                                            .fingerprint = { 7 },
                                            .principal = SLICE("me") };
    return (struct record){ .kind = RECORD_CREATED, .id = 42, .until_ms = 6000, .request = &request };
}

static struct record allowed(uint16_t branch, uint8_t role) {
    return (struct record){ .kind = RECORD_ALLOWED, .branch = branch, .role = role, .attempt = 1 };
}

static struct record outcome(uint16_t branch, uint8_t role, uint8_t verdict, uint64_t next_ms) {
    return (struct record){ .kind = RECORD_OUTCOME,
                            .branch = branch,
                            .role = role,
                            .attempt = 1,
                            .verdict = verdict,
                            .http = verdict == VERDICT_DONE ? 200 : 500,
                            .next_ms = next_ms,
                            .text = SLICE("said") };
}

static struct record decided(uint8_t decision, uint8_t cause) {
    return (struct record){
        .kind = RECORD_DECIDED, .decision = decision, .cause = cause, .branch = 1, .text = SLICE("because")
    };
}

static struct record finished(uint8_t status) {
    return (struct record){ .kind = RECORD_FINISHED, .status = status };
}

/* A long life: every kind of record but BRANCH and FORCED. */
static size_t whole_life(struct record *out) {
    size_t count = 0;
    struct record answered = outcome(0, ROLE_FORWARD, VERDICT_DONE, 0);
    answered.flags = RECORD_FLAG_ANSWER;
    answered.text = SLICE("{\"ref\":9}");
    struct record unknown = outcome(1, ROLE_FORWARD, VERDICT_UNKNOWN, 2000);
    unknown.flags = RECORD_FLAG_ATTENTION;
    struct record refused = outcome(1, ROLE_FORWARD, VERDICT_REFUSED, 0);
    refused.attempt = 2;
    out[count++] = created(MODE_SAGA, 3);
    out[count++] = allowed(0, ROLE_FORWARD);
    out[count++] = answered;
    out[count++] = (struct record){ .kind = RECORD_FILLED, .branch = 1, .text = SLICE("{\"n\":9}") };
    out[count++] = allowed(1, ROLE_FORWARD);
    out[count++] = unknown;
    out[count++] = (struct record){ .kind = RECORD_SUSPENDED, .text = SLICE("wait"), .who = SLICE("ops") };
    out[count++] = (struct record){ .kind = RECORD_RESUMED, .who = SLICE("ops") };
    out[count++] =
        (struct record){ .kind = RECORD_NUDGED, .branch = 1, .next_ms = 1500, .who = SLICE("ops") };
    out[count++] = allowed(2, ROLE_FORWARD);
    out[count++] = refused;
    out[count++] = decided(DECISION_ROLLBACK, CAUSE_REFUSED);
    out[count++] = outcome(2, ROLE_FORWARD, VERDICT_NOT_SENT, 0);
    out[count++] = allowed(1, ROLE_BACKWARD);
    out[count++] = (struct record){ .kind = RECORD_RESOLVED,
                                    .branch = 1,
                                    .role = ROLE_BACKWARD,
                                    .text = SLICE("by hand"),
                                    .who = SLICE("ops") };
    out[count++] = allowed(0, ROLE_BACKWARD);
    out[count++] = outcome(0, ROLE_BACKWARD, VERDICT_DONE, 0);
    out[count++] = finished(STATUS_ROLLED_BACK);
    return count;
}

static void image_of(const struct transaction *t, struct buffer *to) {
    buffer_init(to, 1 << 20);
    transaction_image(t, to);
    assert_int_equal(buffer_failed(to), 0);
}

static void a_life_is_what_its_records_say(void **state) {
    struct record life[32];
    struct bench b;
    (void)state;
    bench_open(&b, 1 << 20);
    size_t count = whole_life(life);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(put(&b, life[i]), 0);
    assert_int_equal(b.t.seq, count);
    assert_int_equal(b.t.status, STATUS_ROLLED_BACK);
    assert_int_equal(b.t.decision, DECISION_ROLLBACK);
    assert_int_equal(b.t.cause, CAUSE_REFUSED);
    assert_int_equal(b.t.created_ms, 1000);
    assert_int_equal(b.t.deadline_ms, 6000);
    assert_int_equal(b.t.finished_ms, 1000 + count - 1);
    assert_true(b.t.reason_set && b.t.reason_has_branch);
    assert_int_equal(b.t.reason_branch, 1);
    assert_int_equal(b.t.reason_attempt, 2);
    assert_true(slice_is(b.t.reason_detail, "said"));
    assert_true(slice_is(branch_answer(&b.t.branches[0]), "{\"ref\":9}"));
    assert_true(slice_is(branch_payload(&b.t.branches[1]), "{\"n\":9}"));
    assert_true(b.t.branches[1].operation[ROLE_FORWARD].ever_unknown);
    assert_int_equal(b.t.branches[1].operation[ROLE_BACKWARD].status, OPERATION_RESOLVED);
    assert_int_equal(b.t.branches[2].operation[ROLE_FORWARD].status, OPERATION_SKIPPED);
    bench_close(&b);
}

static void loading_an_image_gives_the_same_image(void **state) {
    struct record life[32];
    size_t count = whole_life(life);
    (void)state;
    for (size_t upto = 1; upto <= count; upto++) { /* at every point of the life */
        struct bench first;
        struct bench second;
        struct buffer image;
        struct buffer again;
        bench_open(&first, 1 << 20);
        bench_open(&second, 1 << 20);
        for (size_t i = 0; i < upto; i++)
            assert_int_equal(put(&first, life[i]), 0);
        image_of(&first.t, &image);
        char *copy = malloc(image.length);
        memcpy(copy, image.at, image.length);
        assert_int_equal(
            transaction_load(&second.t, slice_of(copy, image.length), &second.memory, &second.scratch), 0);
        memset(copy, 'x', image.length); /* nothing may point into what it was loaded from */
        free(copy);
        image_of(&second.t, &again);
        assert_true(slice_equal(buffer_slice(&image), buffer_slice(&again)));
        assert_int_equal(second.t.seq, upto);
        assert_int_equal(second.t.status, first.t.status);
        assert_int_equal(second.t.updated_ms, first.t.updated_ms);
        assert_true(slice_is(second.t.gid, "t"));
        assert_true(slice_is(second.t.labels[0].value, "4711"));
        buffer_done(&image);
        buffer_done(&again);
        bench_close(&first);
        bench_close(&second);
    }
}

static void records_can_be_visited_in_order(void **state) {
    struct record life[32];
    struct image_cursor cursor;
    struct slice bytes;
    struct bench b;
    (void)state;
    bench_open(&b, 1 << 20);
    transaction_records(&b.t, &cursor);
    assert_false(transaction_next_record(&cursor, &bytes));
    size_t count = whole_life(life);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(put(&b, life[i]), 0);
    transaction_records(&b.t, &cursor);
    for (size_t i = 0; i < count; i++) {
        struct record r;
        assert_true(transaction_next_record(&cursor, &bytes));
        assert_int_equal(record_decode(bytes, &b.scratch, &r), 0);
        assert_int_equal(r.kind, life[i].kind);
        assert_int_equal(r.at_ms, 1000 + i);
    }
    assert_false(transaction_next_record(&cursor, &bytes));
    bench_close(&b);
}

/* What must never be accepted: a table of short lives and the record that may not come next. */
static void what_cannot_follow_is_corrupt(void **state) {
    static const struct {
        const char *what;
        int decided; /* decision before, 0: none */
        struct record next;
    } rows[] = {
        { "created twice", 0, { .kind = RECORD_CREATED } },
        { "no such branch", 0, { .kind = RECORD_ALLOWED, .branch = 3, .attempt = 1 } },
        { "no such branch", 0, { .kind = RECORD_FILLED, .branch = UINT16_MAX } },
        { "allowed while running", 0, { .kind = RECORD_ALLOWED, .branch = 0, .attempt = 1 } },
        { "allowed as attempt 0", 0, { .kind = RECORD_ALLOWED, .branch = 1 } },
        { "confirm undecided (I-T2)", 0, { .kind = RECORD_ALLOWED, .role = ROLE_CONFIRM, .attempt = 1 } },
        { "undo undecided (I-S2)", 0, { .kind = RECORD_ALLOWED, .role = ROLE_BACKWARD, .attempt = 1 } },
        { "undo under commit",
          DECISION_COMMIT,
          { .kind = RECORD_ALLOWED, .role = ROLE_BACKWARD, .attempt = 1 } },
        { "confirm under rollback",
          DECISION_ROLLBACK,
          { .kind = RECORD_ALLOWED, .role = ROLE_CONFIRM, .attempt = 1 } },
        { "confirm's outcome undecided",
          0,
          { .kind = RECORD_OUTCOME, .role = ROLE_CONFIRM, .verdict = VERDICT_DONE } },
        { "done and yet tried again",
          0,
          { .kind = RECORD_OUTCOME, .attempt = 1, .verdict = VERDICT_DONE, .next_ms = 9 } },
        { "decision none", 0, { .kind = RECORD_DECIDED } },
        { "decided twice (G1)",
          DECISION_COMMIT,
          { .kind = RECORD_DECIDED, .decision = DECISION_ROLLBACK, .cause = CAUSE_CLIENT } },
        { "decided twice alike",
          DECISION_COMMIT,
          { .kind = RECORD_DECIDED, .decision = DECISION_COMMIT, .cause = CAUSE_CLIENT } },
        { "refused by no branch",
          0,
          { .kind = RECORD_DECIDED, .decision = DECISION_ROLLBACK, .cause = CAUSE_REFUSED, .branch = 3 } },
        { "finished undecided", 0, { .kind = RECORD_FINISHED, .status = STATUS_COMMITTED } },
        { "finished while running",
          DECISION_COMMIT,
          { .kind = RECORD_FINISHED, .status = STATUS_COMMITTED } },
        { "finished as active", DECISION_COMMIT, { .kind = RECORD_FINISHED, .status = STATUS_ACTIVE } },
        { "finished as nothing", DECISION_COMMIT, { .kind = RECORD_FINISHED, .status = 0 } },
        { "finished as beyond the last", DECISION_COMMIT, { .kind = RECORD_FINISHED, .status = STATUS_END } },
        { "forced against the decision",
          DECISION_COMMIT,
          { .kind = RECORD_FORCED, .status = STATUS_HEURISTIC_ROLLBACK } },
        { "forced to a normal end", DECISION_COMMIT, { .kind = RECORD_FORCED, .status = STATUS_COMMITTED } },
        { "nudged without waiting", 0, { .kind = RECORD_NUDGED, .next_ms = 5 } },
        { "resolved before it began", 0, { .kind = RECORD_RESOLVED, .branch = 1 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench b;
        struct record next = rows[i].next;
        bench_open(&b, 1 << 20);
        assert_int_equal(put(&b, created(MODE_TCC, 3)), 0);
        assert_int_equal(put(&b, allowed(0, ROLE_FORWARD)), 0);
        if (rows[i].decided != 0)
            assert_int_equal(put(&b, decided((uint8_t)rows[i].decided, CAUSE_CLIENT)), 0);
        if (next.kind == RECORD_CREATED)
            next = created(MODE_TCC, 3);
        uint32_t seq = b.t.seq;
        int result = put(&b, next);
        if (result != ERR_CORRUPT)
            print_error("accepted: %s\n", rows[i].what);
        assert_int_equal(result, ERR_CORRUPT);
        assert_int_equal(b.t.seq, seq);
        bench_close(&b);
    }
}

static void nothing_follows_the_end(void **state) {
    struct record life[32];
    struct bench b;
    (void)state;
    bench_open(&b, 1 << 20);
    size_t count = whole_life(life);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(put(&b, life[i]), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(put(&b, life[i]), ERR_CORRUPT);
    assert_int_equal(b.t.seq, count);
    bench_close(&b);
}

static void the_first_record_must_be_a_creation(void **state) {
    struct record life[32];
    size_t count = whole_life(life);
    (void)state;
    for (size_t i = 1; i < count; i++) {
        struct bench b;
        bench_open(&b, 1 << 20);
        assert_int_equal(put(&b, life[i]), ERR_CORRUPT);
        assert_int_equal(b.t.seq, 0);
        bench_close(&b);
    }
}

/* Whatever a damaged image still loads as keeps every invariant; most of it does not load. The store's
 * checksum stands before this. */
static void damaged_images_are_corrupt_or_sane(void **state) {
    struct record life[32];
    struct buffer image;
    struct bench b;
    size_t refused = 0;
    size_t tried = 0;
    (void)state;
    bench_open(&b, 1 << 20);
    size_t count = whole_life(life);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(put(&b, life[i]), 0);
    image_of(&b.t, &image);
    bench_close(&b);
    for (size_t at = 0; at < image.length; at++)
        for (int change = 1; change < 256; change += at % 5 == 0 ? 1 : 13) {
            bench_open(&b, 1 << 20);
            image.at[at] = (char)(image.at[at] ^ change);
            int result = transaction_load(&b.t, buffer_slice(&image), &b.memory, &b.scratch);
            image.at[at] = (char)(image.at[at] ^ change);
            tried++;
            refused += result != 0;
            assert_true(result == 0 || result == ERR_CORRUPT);
            if (result == 0)
                transaction_check(&b.t);
            else
                assert_int_equal(b.memory.used, 0);
            bench_close(&b);
        }
    for (size_t cut = 0; cut < image.length; cut++) {
        bench_open(&b, 1 << 20);
        int result = transaction_load(&b.t, slice_upto(buffer_slice(&image), cut), &b.memory, &b.scratch);
        assert_true(result == 0 || result == ERR_CORRUPT);
        if (result == 0)
            transaction_check(&b.t);
        bench_close(&b);
    }
    print_message("%zu of %zu changes refused\n", refused, tried);
    assert_true(refused > tried / 4);
    buffer_done(&image);
}

/* At every budget: either the record is applied, or nothing has changed and the same record can be tried
 * again with more. */
static void too_little_memory_changes_nothing(void **state) {
    struct record life[32];
    size_t count = whole_life(life);
    size_t failures = 0;
    (void)state;
    for (size_t max = 1; max < 6000; max += 7) {
        struct bench b;
        bench_open(&b, max);
        for (size_t i = 0; i < count; i++) {
            struct transaction before = b.t;
            int result = put(&b, life[i]);
            if (result != 0) {
                assert_int_equal(result, ERR_MEMORY);
                failures++;
                assert_int_equal(b.t.seq, before.seq);
                assert_int_equal(b.t.status, before.status);
                assert_int_equal(b.t.branch_count, before.branch_count);
                assert_ptr_equal(b.t.branches, before.branches);
                assert_ptr_equal(b.t.labels, before.labels);
                b.memory.max = 1 << 20;
                assert_int_equal(put(&b, life[i]), 0);
                b.memory.max = b.memory.used;
            }
        }
        struct buffer image;
        struct bench again;
        image_of(&b.t, &image);
        bench_open(&again, 1 << 20);
        assert_int_equal(transaction_load(&again.t, buffer_slice(&image), &again.memory, &again.scratch), 0);
        assert_int_equal(again.t.seq, count);
        bench_close(&again);
        buffer_done(&image);
        bench_close(&b);
    }
    assert_true(failures > 100);
}

static void loading_with_too_little_memory_leaves_nothing(void **state) {
    struct record life[32];
    struct buffer image;
    struct bench b;
    int result = ERR_MEMORY;
    (void)state;
    bench_open(&b, 1 << 20);
    size_t count = whole_life(life);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(put(&b, life[i]), 0);
    image_of(&b.t, &image);
    bench_close(&b);
    for (size_t max = 1; result != 0; max += 16) {
        bench_open(&b, max);
        result = transaction_load(&b.t, buffer_slice(&image), &b.memory, &b.scratch);
        assert_true(result == 0 || (result == ERR_MEMORY && b.memory.used == 0));
        bench_close(&b);
    }
    buffer_done(&image);
}

static void branches_join_one_by_one(void **state) {
    struct branch_request joining = { .id = SLICE("x"), .body = SLICE("1"), .retry = { 10, 100, 10, 0, 0 } };
    struct bench b;
    (void)state;
    memcpy(joining.to, everywhere, sizeof everywhere);
    bench_open(&b, 1 << 20);
    assert_int_equal(put(&b, created(MODE_TCC, 0)), 0);
    for (uint16_t i = 0; i < 20; i++) {
        uint16_t after[] = { 0, (uint16_t)(i - 1) };
        char id[] = { (char)('a' + i) };
        joining.id = slice_of(id, 1);
        joining.after = after;
        joining.after_count = i == 0 ? 0 : 2;
        assert_int_equal(put(&b, (struct record){ .kind = RECORD_BRANCH, .added = &joining }), 0);
        after[1] = (uint16_t)(i + 1);
        joining.after_count = 2;
        assert_int_equal(put(&b, (struct record){ .kind = RECORD_BRANCH, .added = &joining }), ERR_CORRUPT);
        assert_int_equal(b.t.branch_count, i + 1);
    }
    assert_int_equal(transaction_branch(&b.t, SLICE("t")), 19);
    assert_int_equal(branch_after(&b.t.branches[19])[1], 18);
    assert_int_equal(transaction_branch(&b.t, SLICE("tt")), -1);
    bench_close(&b);
}

static void force_settles_what_was_in_progress(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b, 1 << 20);
    assert_int_equal(put(&b, created(MODE_SAGA, 3)), 0);
    assert_int_equal(put(&b, allowed(0, ROLE_FORWARD)), 0);
    assert_int_equal(put(&b, outcome(0, ROLE_FORWARD, VERDICT_UNKNOWN, 9000)), 0);
    assert_int_equal(put(&b, allowed(1, ROLE_FORWARD)), 0);
    assert_int_equal(put(&b, (struct record){ .kind = RECORD_FORCED,
                                              .status = STATUS_HEURISTIC_ROLLBACK,
                                              .text = SLICE("ticket 7") }),
                     0);
    assert_int_equal(b.t.status, STATUS_HEURISTIC_ROLLBACK);
    assert_int_equal(b.t.decision, DECISION_ROLLBACK);
    assert_int_equal(b.t.cause, CAUSE_OPERATOR);
    assert_true(slice_is(b.t.reason_detail, "ticket 7"));
    assert_int_equal(b.t.branches[0].operation[ROLE_FORWARD].status, OPERATION_RESOLVED);
    assert_int_equal(b.t.branches[1].operation[ROLE_FORWARD].status, OPERATION_RESOLVED);
    assert_int_equal(b.t.branches[2].operation[ROLE_FORWARD].status, OPERATION_PENDING);
    assert_int_equal(transaction_next(&b.t), 0);
    bench_close(&b);
}

static void a_rollback_gives_up_what_only_waits(void **state) {
    struct bench b;
    (void)state;
    bench_open(&b, 1 << 20);
    assert_int_equal(put(&b, created(MODE_TCC, 3)), 0);
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(put(&b, allowed(i, ROLE_FORWARD)), 0);
    assert_int_equal(put(&b, outcome(0, ROLE_FORWARD, VERDICT_UNKNOWN, 5000)), 0);
    assert_int_equal(put(&b, outcome(1, ROLE_FORWARD, VERDICT_WORKING, 2000)), 0);
    struct record late = decided(DECISION_ROLLBACK, CAUSE_DEADLINE);
    late.at_ms = 3000;
    assert_int_equal(put(&b, late), 0);
    const struct operation *waits = &b.t.branches[0].operation[ROLE_FORWARD];
    const struct operation *due = &b.t.branches[1].operation[ROLE_FORWARD];
    assert_int_equal(waits->status, OPERATION_SKIPPED);
    assert_int_equal(waits->attempt, 1);
    assert_int_equal(due->status, OPERATION_RUNNING); /* attempt 2 may be out already */
    assert_int_equal(due->attempt, 2);
    assert_int_equal(b.t.branches[2].operation[ROLE_FORWARD].status, OPERATION_RUNNING);
    bench_close(&b);
}

static void attention_is_the_oldest(void **state) {
    uint16_t branch = 99;
    uint8_t role = 99;
    struct bench b;
    (void)state;
    bench_open(&b, 1 << 20);
    assert_int_equal(put(&b, created(MODE_TCC, 3)), 0);
    assert_int_equal(transaction_attention(&b.t, &branch, &role), 0);
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(put(&b, allowed(i, ROLE_FORWARD)), 0);
    for (uint16_t i = 3; i-- > 1;) {
        struct record r = outcome(i, ROLE_FORWARD, VERDICT_UNKNOWN, 9000u - i);
        r.flags = RECORD_FLAG_ATTENTION;
        assert_int_equal(put(&b, r), 0);
    }
    assert_int_equal(transaction_attention(&b.t, &branch, &role), 1004);
    assert_int_equal(branch, 2);
    assert_int_equal(role, ROLE_FORWARD);
    assert_int_equal(transaction_next(&b.t), 8998);
    struct record done = outcome(2, ROLE_FORWARD, VERDICT_DONE, 0);
    done.attempt = 2;
    assert_int_equal(put(&b, done), 0);
    assert_int_equal(transaction_attention(&b.t, &branch, &role), 1005);
    assert_int_equal(branch, 1);
    bench_close(&b);
}

static void long_details_are_cut_and_answers_are_not(void **state) {
    static char said[LIMIT_ANSWER_BYTES];
    struct bench b;
    (void)state;
    memset(said, 'y', sizeof said);
    bench_open(&b, 1 << 20);
    assert_int_equal(put(&b, created(MODE_SAGA, 3)), 0);
    assert_int_equal(put(&b, allowed(0, ROLE_FORWARD)), 0);
    struct record r = outcome(0, ROLE_FORWARD, VERDICT_DONE, 0);
    r.text = slice_of(said, sizeof said);
    r.flags = RECORD_FLAG_ANSWER;
    assert_int_equal(put(&b, r), 0);
    assert_int_equal(b.t.branches[0].answer_length, LIMIT_ANSWER_BYTES);
    assert_int_equal(b.t.branches[0].operation[ROLE_FORWARD].detail_length, LIMIT_DETAIL_BYTES);
    bench_close(&b);
}

static void words_go_both_ways(void **state) {
    (void)state;
    for (uint8_t status = STATUS_ACTIVE; status < STATUS_END; status++)
        assert_int_equal(status_from_word(slice_text(status_word(status))), status);
    assert_string_equal(status_word(0), "?");
    assert_string_equal(status_word(STATUS_END), "?");
    assert_int_equal(status_from_word(SLICE("nonsense")), 0);
    assert_int_equal(status_from_word(SLICE_NONE), 0);
    assert_int_equal(operation_role(MODE_SAGA, SLICE("compensate")), ROLE_BACKWARD);
    assert_int_equal(operation_role(MODE_SAGA, SLICE("confirm")), -1);
    assert_int_equal(operation_role(MODE_SAGA, SLICE_NONE), -1);
    assert_int_equal(operation_role(MODE_TCC, SLICE("try")), ROLE_FORWARD);
    assert_int_equal(operation_role(MODE_TCC, SLICE("confirm")), ROLE_CONFIRM);
    assert_int_equal(operation_role(MODE_TCC, SLICE("cancel")), ROLE_BACKWARD);
    assert_false(status_is_final(STATUS_ROLLING_BACK));
    assert_true(status_is_final(STATUS_COMMITTED));
    assert_true(status_is_final(STATUS_HEURISTIC_MIXED));
    assert_false(status_is_final(STATUS_END));
    for (uint8_t status = OPERATION_PENDING; status <= OPERATION_RESOLVED; status++) {
        struct operation o = { .status = status, .open = true };
        bool waits = status == OPERATION_WAITING || status == OPERATION_RETRYING;
        if (waits)
            assert_string_equal(operation_status_word(&o), "running");
        else
            assert_true(strlen(operation_status_word(&o)) > 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_is_what_its_records_say),
        cmocka_unit_test(loading_an_image_gives_the_same_image),
        cmocka_unit_test(records_can_be_visited_in_order),
        cmocka_unit_test(what_cannot_follow_is_corrupt),
        cmocka_unit_test(nothing_follows_the_end),
        cmocka_unit_test(the_first_record_must_be_a_creation),
        cmocka_unit_test(damaged_images_are_corrupt_or_sane),
        cmocka_unit_test(too_little_memory_changes_nothing),
        cmocka_unit_test(loading_with_too_little_memory_leaves_nothing),
        cmocka_unit_test(branches_join_one_by_one),
        cmocka_unit_test(force_settles_what_was_in_progress),
        cmocka_unit_test(a_rollback_gives_up_what_only_waits),
        cmocka_unit_test(attention_is_the_oldest),
        cmocka_unit_test(long_details_are_cut_and_answers_are_not),
        cmocka_unit_test(words_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
