#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/chain.h"

struct bead {
    int number;
    struct chain link;
};

static int sum_in_order(const struct chain *head) {
    int sum = 0;
    for (const struct chain *link = head->next; link != head; link = link->next)
        sum = sum * 10 + CHAIN_OWNER(link, const struct bead, link)->number;
    int back = 0;
    int scale = 1;
    for (const struct chain *link = head->previous; link != head; link = link->previous, scale *= 10)
        back += scale * CHAIN_OWNER(link, const struct bead, link)->number;
    assert_int_equal(sum, back); /* both directions tell the same */
    return sum;
}

static void links_in_and_out(void **state) {
    struct chain head;
    struct bead beads[4] = { { .number = 1 }, { .number = 2 }, { .number = 3 }, { .number = 4 } };
    (void)state;
    chain_init(&head);
    assert_true(chain_empty(&head));
    assert_false(chain_linked(&beads[0].link));
    chain_remove(&beads[0].link); /* in no chain: nothing to do */
    chain_add_last(&head, &beads[0].link);
    chain_add_last(&head, &beads[1].link);
    chain_add_after(&head, &beads[2].link);
    chain_add_after(&beads[0].link, &beads[3].link);
    assert_int_equal(sum_in_order(&head), 3142);
    chain_remove(&beads[0].link);
    chain_remove(&beads[0].link);
    assert_false(chain_linked(&beads[0].link));
    assert_int_equal(sum_in_order(&head), 342);
    chain_remove(&beads[1].link);
    chain_remove(&beads[2].link);
    chain_remove(&beads[3].link);
    assert_true(chain_empty(&head));
    chain_add_last(&head, &beads[0].link);
    assert_int_equal(sum_in_order(&head), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_in_and_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
