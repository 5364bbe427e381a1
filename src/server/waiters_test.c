#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/loop.h"
#include "server/waiters.h"

struct guest {
    struct waiter waiter;
    int woken;
    const struct transaction *with;
};

static void wake(struct waiter *w, const struct transaction *t) {
    struct guest *g = (struct guest *)(void *)w;
    g->woken++;
    g->with = t;
}

static void wait_for(struct waiters *ws, struct guest *g, uint64_t id, uint64_t ms) {
    memset(g, 0, sizeof *g);
    g->waiter.wake = wake;
    assert_int_equal(waiters_add(ws, &g->waiter, id, ms), 0);
}

static void everybody_who_waits_is_woken_once(void **state) {
    struct loop *loop;
    struct waiters ws;
    struct guest guests[5];
    struct transaction t = { .id = 7 };
    (void)state;
    assert_int_equal(loop_new(&loop, NULL), 0);
    waiters_init(&ws, loop);
    waiters_final(&ws, &t);
    for (int i = 0; i < 3; i++)
        wait_for(&ws, &guests[i], 7, 10000);
    wait_for(&ws, &guests[3], 8, 10000);
    wait_for(&ws, &guests[4], 7, 10000);
    waiters_remove(&guests[4].waiter);
    waiters_remove(&guests[4].waiter);
    waiters_final(&ws, &t);
    waiters_final(&ws, &t);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(guests[i].woken, 1);
        assert_ptr_equal(guests[i].with, &t);
    }
    assert_int_equal(guests[3].woken, 0);
    assert_int_equal(guests[4].woken, 0);
    assert_int_equal(waiters_count(&ws), 1);
    waiters_expire(&ws);
    assert_int_equal(guests[3].woken, 1);
    assert_null(guests[3].with);
    assert_int_equal(waiters_count(&ws), 0);
    waiters_done(&ws);
    loop_free(loop);
}

static void who_waits_for_what_never_was_is_woken(void **state) {
    struct loop *loop;
    struct waiters ws;
    static struct guest guests[200];
    uint64_t ids[50];
    (void)state;
    assert_int_equal(loop_new(&loop, NULL), 0);
    waiters_init(&ws, loop);
    for (size_t i = 0; i < 200; i++)
        wait_for(&ws, &guests[i], 1 + i / 2, 10000);
    waiters_take_back(&ws, (struct id_set){ 0 });
    assert_int_equal(waiters_count(&ws), 200);
    for (size_t i = 0; i < 50; i++)
        ids[i] = 1 + 2 * i;
    waiters_take_back(&ws, (struct id_set){ .ids = ids, .count = 50 });
    assert_int_equal(waiters_count(&ws), 100);
    for (size_t i = 0; i < 200; i++) {
        uint64_t id = 1 + i / 2;
        assert_int_equal(guests[i].woken, id % 2 == 1 ? 1 : 0);
        assert_null(guests[i].with);
        waiters_remove(&guests[i].waiter);
    }
    waiters_done(&ws);
    loop_free(loop);
}

static void time_runs_out(void **state) {
    struct loop *loop;
    struct waiters ws;
    struct guest soon, late;
    (void)state;
    assert_int_equal(loop_new(&loop, NULL), 0);
    waiters_init(&ws, loop);
    wait_for(&ws, &soon, 7, 5);
    wait_for(&ws, &late, 7, 10000);
    loop_run_for(loop, 50);
    assert_int_equal(soon.woken, 1);
    assert_null(soon.with);
    assert_int_equal(late.woken, 0);
    /* A guest may wait again. */
    wait_for(&ws, &soon, 9, 5);
    loop_run_for(loop, 50);
    assert_int_equal(soon.woken, 1);
    waiters_remove(&late.waiter);
    waiters_done(&ws);
    loop_free(loop);
}

/* Many, in many chains of the table, removed in another order than added. */
static void a_crowd(void **state) {
    enum { CROWD = 3000 };
    static struct guest guests[CROWD];
    struct loop *loop;
    struct waiters ws;
    (void)state;
    assert_int_equal(loop_new(&loop, NULL), 0);
    waiters_init(&ws, loop);
    for (int i = 0; i < CROWD; i++)
        wait_for(&ws, &guests[i], (uint64_t)(i % 1000 + 1) << 16, 10000);
    for (int i = 0; i < 500; i++) {
        struct transaction t = { .id = (uint64_t)(2 * i + 1) << 16 };
        waiters_final(&ws, &t);
    }
    assert_int_equal(waiters_count(&ws), CROWD / 2);
    waiters_expire(&ws);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(guests[i].woken, 1);
        assert_int_equal(guests[i].with != NULL, (i % 1000) % 2 == 0);
    }
    waiters_done(&ws);
    loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_who_waits_is_woken_once),
        cmocka_unit_test(who_waits_for_what_never_was_is_woken),
        cmocka_unit_test(time_runs_out),
        cmocka_unit_test(a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
