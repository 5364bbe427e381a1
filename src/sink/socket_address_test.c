#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/arena.h"
#include "sink/socket_address.h"

static struct sockaddr_storage of(int family, const char *text) {
    struct sockaddr_storage s;
    memset(&s, 0, sizeof s);
    s.ss_family = (sa_family_t)family;
    void *to = family == AF_INET ? (void *)&((struct sockaddr_in *)(void *)&s)->sin_addr
                                 : (void *)&((struct sockaddr_in6 *)(void *)&s)->sin6_addr;
    assert_int_equal(inet_pton(family, text, to), 1);
    return s;
}

static void what_is_read_is_the_address(void **state) {
    struct sockaddr_storage four = of(AF_INET, "10.1.2.3"), six = of(AF_INET6, "::ffff:10.1.2.3");
    struct sockaddr_storage other = { .ss_family = AF_UNIX };
    struct address a, b;
    (void)state;
    assert_true(socket_address_read((struct sockaddr *)&four, &a));
    assert_true(socket_address_read((struct sockaddr *)&six, &b));
    assert_memory_equal(&a, &b, sizeof a);
    assert_false(socket_address_read((struct sockaddr *)&other, &a));
    assert_false(socket_address_read(NULL, &a));
}

static void only_what_is_allowed_is_let_out(void **state) {
    struct sockaddr_storage loopback = of(AF_INET, "127.0.0.1"), away = of(AF_INET, "10.1.2.3");
    struct sockaddr_storage mapped = of(AF_INET6, "::ffff:10.1.2.3"), other = { .ss_family = AF_UNIX };
    struct why why;
    struct arena arena;
    struct egress egress;
    (void)state;
    arena_init(&arena, 1024, SIZE_MAX / 2);
    egress_init(&egress, &arena);
    assert_int_equal(egress_allow(&egress, SLICE("127.0.0.0/8"), &why), 0);
    assert_int_equal(socket_address_judge(&egress, "here", 80, (struct sockaddr *)&loopback, &why), 0);
    assert_int_equal(socket_address_judge(&egress, "db1", 80, (struct sockaddr *)&away, &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "db1"));
    assert_int_equal(socket_address_judge(&egress, "db1", 80, (struct sockaddr *)&mapped, &why), ERR_DENIED);
    assert_int_equal(socket_address_judge(&egress, "db1", 80, (struct sockaddr *)&other, &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "no IP address"));
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_the_address),
        cmocka_unit_test(only_what_is_allowed_is_let_out),
    };
    return cmocka_run_group_tests_name("socket_address", tests, NULL, NULL);
}
