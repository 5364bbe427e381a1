/* Remembered answers: what a key gets, and what of it is there after a crash (design.md 4 (17)). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/limits.h"
#include "engine/engine.h"
#include "model/journal.h"

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
};

struct life {
    struct engine *engine;
    struct effects effects;
};

static const struct engine_options plain = {
    .memory_max = 64 << 20,
    .unfinished_max = 100,
    .calls_max = 100,
    .hash_seed = 9,
};

static const uint8_t print[32] = { 1, 2, 3 };

static void life_begin(struct life *l, struct slice journal) {
    struct stored_entry entry;
    assert_int_equal(engine_new(&l->engine, &plain, NULL), 0);
    effects_init(&l->effects, LIMIT_TURN_BUFFER_BYTES);
    while (journal.length > 0) {
        assert_int_equal(journal_decode(&journal, &entry), 0);
        assert_int_equal(engine_recover_entry(l->engine, 1, &entry, NULL), 0);
    }
    engine_recovered(l->engine, 1000);
    engine_turn(l->engine, 2);
}

static void life_end(struct life *l) {
    engine_free(l->engine);
    effects_done(&l->effects);
}

static int save(struct life *l, const char *key, uint16_t http, struct slice body) {
    struct remembered answer = { .http = http, .body = body };
    memcpy(answer.fingerprint, print, sizeof answer.fingerprint);
    return engine_answer_save(l->engine, SLICE("default"), slice_text(key), &answer, 1000, &l->effects);
}

static void expect(struct life *l, const char *key, int http, const char *body) {
    const struct remembered *r = engine_answer_find(l->engine, SLICE("default"), slice_text(key));
    if (r == NULL) {
        assert_int_equal(http, -1);
        return;
    }
    assert_int_equal(r->http, http);
    assert_true(slice_is(r->body, body));
    assert_memory_equal(r->fingerprint, print, sizeof print);
}

static void the_last_answer_counts_also_after_a_crash(void **state) {
    struct life l, next;
    (void)state;
    life_begin(&l, SLICE_NONE);
    assert_int_equal(save(&l, "begun", 0, SLICE("what it needs")), 0);
    assert_int_equal(save(&l, "done", 0, SLICE("")), 0);
    expect(&l, "done", 0, "");
    assert_int_equal(save(&l, "done", 201, SLICE("made")), 0);
    expect(&l, "begun", 0, "what it needs");
    expect(&l, "done", 201, "made");
    expect(&l, "other", -1, "");
    assert_int_equal(l.effects.entry_count, 4); /* the third record says that the second counts no more */
    life_begin(&next, buffer_slice(&l.effects.entries));
    expect(&next, "begun", 0, "what it needs");
    expect(&next, "done", 201, "made");
    life_end(&next);
    life_end(&l);
}

/* The process died between any two batches. */
static void every_beginning_of_the_journal_is_true(void **state) {
    static const struct {
        uint16_t http;
        const char *body;
    } saved[] = { { 0, "mark" }, { 202, "active" }, { 200, "committed" } };
    struct life l, next;
    (void)state;
    life_begin(&l, SLICE_NONE);
    for (size_t i = 0; i < sizeof saved / sizeof saved[0]; i++) {
        assert_int_equal(save(&l, "k", saved[i].http, slice_text(saved[i].body)), 0);
        life_begin(&next, buffer_slice(&l.effects.entries));
        expect(&next, "k", saved[i].http, saved[i].body);
        life_end(&next);
    }
    life_end(&l);
}

static void rows_are_read_back(void **state) {
    struct life l, next;
    struct arena arena;
    struct stored_row rows[4];
    (void)state;
    life_begin(&l, SLICE_NONE);
    assert_int_equal(save(&l, "k", 0, SLICE("mark")), 0);
    assert_int_equal(save(&l, "k", 200, SLICE("said")), 0);
    engine_durable(l.engine, 2);
    arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(engine_fold(l.engine, 9, rows, 4, 1 << 20, &arena), 2);
    assert_int_equal(rows[0].final + rows[1].final, 1); /* the mark counts no more */
    assert_int_equal(engine_new(&next.engine, &plain, NULL), 0);
    effects_init(&next.effects, LIMIT_TURN_BUFFER_BYTES);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(engine_recover_row(next.engine, &rows[i], NULL), 0);
    engine_recovered(next.engine, 1000);
    expect(&next, "k", 200, "said");
    engine_folded(l.engine);
    expect(&l, "k", 200, "said");
    arena_done(&arena);
    life_end(&next);
    life_end(&l);
}

static void a_day_later_it_is_forgotten(void **state) {
    struct life l;
    struct event tick = { .kind = EVENT_TICK, .namespace_name = SLICE("default") };
    (void)state;
    life_begin(&l, SLICE_NONE);
    assert_int_equal(save(&l, "k", 0, SLICE("mark")), 0);
    assert_int_equal(save(&l, "k", 200, SLICE("said")), 0);
    assert_int_equal(engine_due(l.engine), 1000 + DAY_MS);
    tick.now_ms = 1000 + DAY_MS - 1;
    assert_int_equal(engine_step(l.engine, &tick, &l.effects), 0);
    expect(&l, "k", 200, "said");
    tick.now_ms++;
    assert_int_equal(engine_step(l.engine, &tick, &l.effects), 0);
    expect(&l, "k", -1, "");
    life_end(&l);
}

/* The act is in this turn, so what makes its key known must be, too. */
static void what_is_small_fits_into_a_full_turn(void **state) {
    static char large[64 * 1024];
    struct life l;
    char key[16] = "k0";
    (void)state;
    life_begin(&l, SLICE_NONE);
    memset(large, 'x', sizeof large);
    for (int i = 0; save(&l, key, 200, slice_of(large, sizeof large)) == 0; i++) {
        key[0] = (char)('a' + i / 26);
        key[1] = (char)('a' + i % 26);
    }
    assert_in_range(l.effects.entries.length, LIMIT_TURN_BYTES - sizeof large - 1024, LIMIT_TURN_BYTES);
    for (int i = 0; i < 1000; i++) {
        key[2] = (char)('a' + i / 26);
        key[3] = (char)('a' + i % 26);
        assert_int_equal(save(&l, key, 0, slice_of(large, 100)), 0);
    }
    assert_int_equal(save(&l, "large", 200, slice_of(large, sizeof large)), ERR_LIMIT);
    expect(&l, "large", -1, "");
    assert_int_equal(buffer_failed(&l.effects.entries), 0);
    life_end(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_answer_counts_also_after_a_crash),
        cmocka_unit_test(every_beginning_of_the_journal_is_true),
        cmocka_unit_test(rows_are_read_back),
        cmocka_unit_test(a_day_later_it_is_forgotten),
        cmocka_unit_test(what_is_small_fits_into_a_full_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
