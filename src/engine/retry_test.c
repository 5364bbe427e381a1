#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/seat.h"

/* One operation of one branch, and the outcome that is being judged. */
struct bench {
    struct engine engine;
    struct transaction t;
    struct branch branch;
    struct event event;
    struct outcome outcome;
    struct step s;
};

static struct bench bench;

static struct bench *fresh(uint8_t verdict) {
    struct bench *b = &bench;
    *b = (struct bench){ 0 };
    b->engine.options = (struct engine_options){ .attention_tries = 5, .attention_ms = 300000 };
    b->branch = (struct branch){
        .retry = { .first_ms = 1000, .factor_percent = 200, .max_ms = 60000 },
        .to = { [ROLE_BACKWARD] = { "http://x/undo", 1000, 13 } },
    };
    b->branch.operation[ROLE_FORWARD] =
        (struct operation){ .status = OPERATION_RUNNING, .attempt = 1, .first_ms = 1000000 };
    b->t = (struct transaction){ .branches = &b->branch, .branch_count = 1, .status = STATUS_ACTIVE };
    b->event.now_ms = 1000000;
    b->outcome = (struct outcome){ .verdict = verdict, .attempt = 1 };
    b->s = (struct step){
        .engine = &b->engine, .event = &b->event, .transaction = &b->t, .outcome = &b->outcome
    };
    return b;
}

static struct operation *operation(struct bench *b) {
    return &b->branch.operation[ROLE_FORWARD];
}

static uint64_t pause(struct bench *b, uint64_t random) {
    b->event.random = random;
    return retry_next(&b->s) - b->event.now_ms;
}

static uint64_t draw(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* The pause of the base, plus or minus 20 percent, both ends about reached. */
static void expect_jitter(struct bench *b, uint64_t base_ms) {
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        uint64_t pause_ms = pause(b, draw(&seed));
        least = pause_ms < least ? pause_ms : least;
        most = pause_ms > most ? pause_ms : most;
    }
    assert_in_range(least, base_ms * 8 / 10, base_ms * 81 / 100 + 1);
    assert_in_range(most, base_ms * 119 / 100 - 1, base_ms * 12 / 10);
}

static void backs_off_up_to_the_cap(void **state) {
    static const uint64_t pauses[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
    (void)state;
    for (uint32_t failures = 0; failures < 8; failures++) {
        struct bench *b = fresh(VERDICT_UNKNOWN);
        operation(b)->failures = failures;
        expect_jitter(b, pauses[failures]);
    }
    struct bench *b = fresh(VERDICT_UNKNOWN);
    operation(b)->failures = UINT32_MAX; /* years of failures cost no time and do not overflow */
    expect_jitter(b, 60000);
}

static void other_factors(void **state) {
    static const struct {
        struct retry_policy retry;
        uint32_t failures;
        uint64_t base_ms;
    } rows[] = {
        { { .first_ms = 500, .factor_percent = 100, .max_ms = 500 }, 3, 500 },
        { { .first_ms = 500, .factor_percent = 100, .max_ms = 60000 }, UINT32_MAX, 500 }, /* and at once */
        { { .first_ms = 100, .factor_percent = 150, .max_ms = 1000000 }, 2, 225 },
        { { .first_ms = 10, .factor_percent = 101, .max_ms = 60000 }, UINT32_MAX, 60000 }, /* it does grow */
        { { .first_ms = 4000000000u, .factor_percent = UINT32_MAX, .max_ms = UINT32_MAX }, 9, UINT32_MAX },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench *b = fresh(VERDICT_NOT_SENT);
        b->branch.retry = rows[i].retry;
        operation(b)->failures = rows[i].failures;
        expect_jitter(b, rows[i].base_ms);
    }
    struct bench *b = fresh(VERDICT_NOT_SENT);
    b->branch.retry = (struct retry_policy){ .first_ms = 10, .factor_percent = 100, .max_ms = 10 };
    for (uint64_t random = 0; random < 100000; random += 77)
        assert_in_range(pause(b, random << 11), 8, 12);
}

static void branches_that_fail_together_do_not_come_back_together(void **state) {
    struct bench *b = fresh(VERDICT_UNKNOWN);
    uint64_t first = pause(b, 12345);
    int different = 0;
    (void)state;
    struct branch many[20];
    for (uint16_t i = 0; i < 20; i++)
        many[i] = b->branch;
    b->t.branches = many;
    b->t.branch_count = 20;
    for (uint16_t i = 1; i < 20; i++) {
        b->outcome.branch = i;
        b->s.branch = i;
        different += pause(b, 12345) != first;
    }
    assert_true(different > 15);
}

static void the_participant_may_name_the_pause(void **state) {
    static const uint8_t verdicts[] = { VERDICT_WORKING, VERDICT_SLOW_DOWN };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct bench *b = fresh(verdicts[i]);
        operation(b)->failures = 4;
        b->outcome.retry_after_ms = 7000;
        assert_int_equal(pause(b, 1), 7000);
        assert_int_equal(pause(b, UINT64_MAX), 7000);
    }
    struct bench *b = fresh(VERDICT_SLOW_DOWN);
    operation(b)->failures = 2;
    expect_jitter(b, 4000); /* nothing named: the branch's own backoff */
    b = fresh(VERDICT_UNKNOWN);
    b->outcome.retry_after_ms = 7000; /* only 425, 429 and 503 may */
    expect_jitter(b, 1000);
}

static void work_in_progress_is_asked_again_at_a_steady_pace(void **state) {
    (void)state;
    struct bench *b = fresh(VERDICT_WORKING);
    operation(b)->failures = 6;
    assert_int_equal(pause(b, 99), 1000); /* retry.first */
    b->engine.options.working_ms = 250;
    assert_int_equal(pause(b, 99), 250);
}

static void what_is_no_fault_of_the_participant_is_tried_at_once(void **state) {
    (void)state;
    assert_int_equal(pause(fresh(VERDICT_INTERRUPTED), 99), 0);
    assert_int_equal(pause(fresh(VERDICT_STALE), 99), 0);
    struct bench *b = fresh(VERDICT_STALE); /* twice in a row is no accident */
    operation(b)->verdict = VERDICT_STALE;
    expect_jitter(b, 1000);
}

static void refusals_of_decided_work_wait_at_the_cap(void **state) {
    (void)state;
    expect_jitter(fresh(VERDICT_REFUSED), 60000);
    expect_jitter(fresh(VERDICT_FORBIDDEN), 60000);
}

static void patience_ends_with_one_last_try(void **state) {
    (void)state;
    struct bench *b = fresh(VERDICT_UNKNOWN);
    b->branch.retry.for_ms = 10000;
    operation(b)->failures = 4; /* 16 s would be next */
    assert_false(retry_out_of_patience(&b->s));
    assert_int_equal(pause(b, 1), 10000);
    b->event.now_ms += 9999;
    assert_int_equal(pause(b, 1), 1);
    assert_false(retry_out_of_patience(&b->s));
    b->event.now_ms += 1;
    assert_true(retry_out_of_patience(&b->s));
}

static void patience_is_only_for_undecided_forward_steps(void **state) {
    (void)state;
    struct bench *b = fresh(VERDICT_UNKNOWN);
    b->branch.retry.for_ms = 10;
    b->event.now_ms += 1000;
    assert_true(retry_out_of_patience(&b->s));
    b->t.status = STATUS_COMMITTING;
    assert_false(retry_out_of_patience(&b->s));
    b->t.status = STATUS_ROLLING_BACK;
    assert_false(retry_out_of_patience(&b->s));
    b->t.status = STATUS_ACTIVE;
    b->branch.retry.then = GIVE_UP_ATTENTION;
    assert_false(retry_out_of_patience(&b->s));
    assert_true(retry_needs_attention(&b->s));
    b->branch.retry = (struct retry_policy){ .first_ms = 10, .factor_percent = 100, .max_ms = 10 };
    assert_false(retry_out_of_patience(&b->s)); /* no patience of its own: until the deadline */
}

/* Giving up on a pivot that may have happened and cannot be undone would be a lie (see drive.c). */
static void a_pivot_in_doubt_is_never_given_up(void **state) {
    (void)state;
    struct bench *b = fresh(VERDICT_UNKNOWN);
    b->branch.retry.for_ms = 10;
    b->event.now_ms += 1000;
    b->branch.pivot = true;
    assert_true(retry_out_of_patience(&b->s)); /* it can be undone */
    b->branch.to[ROLE_BACKWARD] = (struct target){ 0 };
    assert_false(retry_out_of_patience(&b->s));
}

static void attention_comes_after_tries_or_time(void **state) {
    (void)state;
    struct bench *b = fresh(VERDICT_UNKNOWN);
    for (uint32_t failures = 0; failures < 20; failures++) {
        operation(b)->failures = failures;
        assert_int_equal(retry_needs_attention(&b->s), failures + 1 >= 5);
    }
    operation(b)->failures = 0;
    b->event.now_ms = operation(b)->first_ms + 299999;
    assert_false(retry_needs_attention(&b->s));
    b->event.now_ms++;
    assert_true(retry_needs_attention(&b->s));
}

static void attention_by_kind_of_answer(void **state) {
    (void)state;
    assert_true(retry_needs_attention(&fresh(VERDICT_FORBIDDEN)->s)); /* nobody but an operator can help */
    assert_true(retry_needs_attention(&fresh(VERDICT_REFUSED)->s));
    struct bench *b = fresh(VERDICT_WORKING); /* 425 does not count, however often and long */
    operation(b)->failures = 100;
    b->event.now_ms += 1000000000;
    assert_false(retry_needs_attention(&b->s));
    b = fresh(VERDICT_INTERRUPTED);
    operation(b)->failures = 100;
    assert_false(retry_needs_attention(&b->s));
    b = fresh(VERDICT_WORKING); /* once raised it stays until the operation is over */
    operation(b)->attention_ms = 5;
    assert_true(retry_needs_attention(&b->s));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backs_off_up_to_the_cap),
        cmocka_unit_test(other_factors),
        cmocka_unit_test(branches_that_fail_together_do_not_come_back_together),
        cmocka_unit_test(the_participant_may_name_the_pause),
        cmocka_unit_test(work_in_progress_is_asked_again_at_a_steady_pace),
        cmocka_unit_test(what_is_no_fault_of_the_participant_is_tried_at_once),
        cmocka_unit_test(refusals_of_decided_work_wait_at_the_cap),
        cmocka_unit_test(patience_ends_with_one_last_try),
        cmocka_unit_test(patience_is_only_for_undecided_forward_steps),
        cmocka_unit_test(a_pivot_in_doubt_is_never_given_up),
        cmocka_unit_test(attention_comes_after_tries_or_time),
        cmocka_unit_test(attention_by_kind_of_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
