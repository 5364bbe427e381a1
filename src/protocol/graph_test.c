#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "protocol/graph.h"

#define MOST 1000

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 16, 64 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static void nothing_and_one(void **state) {
    struct graph g;
    size_t culprit = 99;
    struct graph_node alone = { NULL, 0 };
    static const uint16_t zero[] = { 0 };
    struct graph_node itself = { zero, 1 };
    (void)state;
    assert_int_equal(graph_init(&g, &arena, NULL, 0, &culprit), 0);
    assert_int_equal(graph_init(&g, &arena, &alone, 1, &culprit), 0);
    assert_false(graph_before(&g, 0, 0));
    assert_int_equal(culprit, 99);
    assert_int_equal(graph_init(&g, &arena, &itself, 1, &culprit), ERR_INVALID);
    assert_int_equal(culprit, 0);
}

/* Every graph of four branches, against the closure by Warshall's algorithm. */
static void all_graphs_of_four(void **state) {
    (void)state;
    for (unsigned edges = 0; edges < 1u << 16; edges++) {
        uint16_t after[4][4];
        struct graph_node nodes[4];
        bool before[4][4]; /* before[b][a] */
        struct graph g;
        size_t culprit = 99;
        for (unsigned b = 0; b < 4; b++) {
            nodes[b] = (struct graph_node){ after[b], 0 };
            for (uint16_t a = 0; a < 4; a++) {
                before[b][a] = edges >> (b * 4 + a) & 1;
                if (before[b][a])
                    after[b][nodes[b].count++] = a;
            }
        }
        for (unsigned k = 0; k < 4; k++)
            for (unsigned b = 0; b < 4; b++)
                for (unsigned a = 0; a < 4; a++)
                    before[b][a] = before[b][a] || (before[b][k] && before[k][a]);
        bool circle = before[0][0] || before[1][1] || before[2][2] || before[3][3];
        assert_int_equal(graph_init(&g, &arena, nodes, 4, &culprit), circle ? ERR_INVALID : 0);
        if (circle) {
            assert_true(culprit < 4);
            assert_true(before[culprit][culprit]);
        } else {
            for (unsigned b = 0; b < 4; b++)
                for (unsigned a = 0; a < 4; a++)
                    assert_int_equal(graph_before(&g, a, b), before[b][a]);
        }
        arena_reset(&arena);
    }
}

static void a_long_chain_and_a_full_graph(void **state) {
    static uint16_t all[MOST];
    static struct graph_node nodes[MOST];
    struct graph g;
    size_t culprit;
    (void)state;
    for (uint16_t i = 0; i < MOST; i++) {
        all[i] = i;
        nodes[i] = (struct graph_node){ i == 0 ? NULL : &all[i - 1], i > 0 };
    }
    assert_int_equal(graph_init(&g, &arena, nodes, MOST, &culprit), 0);
    assert_true(graph_before(&g, 0, MOST - 1));
    assert_true(graph_before(&g, 64, 65));
    assert_false(graph_before(&g, MOST - 1, 0));
    nodes[0] = (struct graph_node){ &all[MOST - 1], 1 };
    assert_int_equal(graph_init(&g, &arena, nodes, MOST, &culprit), ERR_INVALID);
    for (uint16_t i = 0; i < MOST; i++)
        nodes[i] = (struct graph_node){ all, i };
    assert_int_equal(graph_init(&g, &arena, nodes, MOST, &culprit), 0);
    assert_true(graph_before(&g, 0, MOST - 1));
    assert_true(graph_before(&g, MOST - 2, MOST - 1));
}

static void memory_may_be_short(void **state) {
    static const uint16_t zero[] = { 0 };
    struct graph_node nodes[2] = { { NULL, 0 }, { zero, 1 } };
    struct graph g;
    size_t culprit;
    (void)state;
    for (size_t max = 1; max < 8; max++) {
        struct arena small;
        arena_init(&small, 16, max);
        assert_int_equal(graph_init(&g, &small, nodes, 2, &culprit), ERR_MEMORY);
        arena_done(&small);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_and_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_graphs_of_four, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_chain_and_a_full_graph, set_up, tear_down),
        cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
