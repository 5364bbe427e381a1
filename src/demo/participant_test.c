/* The demo's participants over real HTTP, and the barrier under every order of up to four calls (G6). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "demo/books.h"
#include "demo/business.h"
#include "demo/ledger.h"
#include "demo/participant.h"
#include "demo/service.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/settle-demo-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    for (size_t i = 0; participant_names[i] != NULL; i++) {
        static const char *const tails[] = { "", "-wal", "-shm" };
        for (size_t k = 0; k < 3; k++) {
            char path[128];
            snprintf(path, sizeof path, "%s/%s.db%s", folder, participant_names[i], tails[k]);
            unlink(path);
        }
    }
    return rmdir(folder);
}

/* ---- a caller as small as it gets -------------------------------------------------------------------- */

static int dial(const char *url) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const char *colon = strrchr(url, ':');
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Send raw bytes on a fresh connection; the status of the answer, and its whole text. */
static int exchange(const char *url, const char *bytes, char *answer, size_t size) {
    int fd = dial(url);
    size_t have = 0;
    ssize_t got;
    assert_int_equal(send(fd, bytes, strlen(bytes), 0), (ssize_t)strlen(bytes));
    while ((got = recv(fd, answer + have, size - 1 - have, 0)) > 0)
        have += (size_t)got;
    answer[have] = '\0';
    close(fd);
    return have < 12 ? 0 : (int)strtol(answer + 9, NULL, 10);
}

static int call(struct participant *p, const char *gid, const char *op, const char *body, char *answer,
                size_t size) {
    char bytes[2048];
    const char *path = strchr(participant_url(p) + 7, '/');
    snprintf(bytes, sizeof bytes,
             "POST %s/%s HTTP/1.1\r\nHost: x\r\nSettle-Gid: %s\r\nSettle-Branch: b\r\nSettle-Op: %s\r\n"
             "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
             path == NULL ? "" : path, op, gid, op, strlen(body), body);
    return exchange(participant_url(p), bytes, answer, size);
}

static int quick(struct participant *p, const char *gid, const char *op, const char *body) {
    char answer[4096];
    return call(p, gid, op, body, answer, sizeof answer);
}

static struct participant *open_one(const char *name) {
    struct participant *p = NULL;
    struct why why;
    assert_int_equal(participant_open(&p, name, folder, &why), 0);
    return p;
}

/* ---- tests ------------------------------------------------------------------------------------------- */

static void an_order_is_tried_and_confirmed_once(void **state) {
    (void)state;
    struct participant *all[8] = { NULL };
    struct books books;
    struct buffer text;
    for (size_t i = 0; participant_names[i] != NULL; i++)
        all[i] = open_one(participant_names[i]);
    for (int round = 0; round < 2; round++) { /* every call comes twice: nothing doubles */
        assert_int_equal(quick(all[0], "o1", "try", "{\"sku\":\"A1\",\"qty\":2,\"user\":\"u9\"}"), 200);
        assert_int_equal(quick(all[1], "o1", "try", "{\"sku\":\"A1\",\"qty\":2}"), 200);
        assert_int_equal(quick(all[2], "o1", "try", "{\"user\":\"u9\",\"add\":20}"), 200);
    }
    assert_int_equal(books_read(folder, &books, NULL), 0);
    assert_int_equal(books.reserved, 2);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(quick(all[i], "o1", "confirm", ""), 200);
    assert_int_equal(participant_confirmed(all[2]), 1);
    for (int round = 0; round < 2; round++)
        assert_int_equal(quick(all[3], "m1", "deliver", "{\"sku\":\"A1\",\"qty\":2}"), 200);
    assert_int_equal(participant_confirmed(all[3]), 1);
    assert_int_equal(quick(all[4], "t1", "action", "{\"days\":3}"), 200);
    assert_int_equal(quick(all[4], "t1", "compensate", ""), 200);
    assert_int_equal(books_read(folder, &books, NULL), 0);
    buffer_init(&text, 4096);
    assert_int_equal(books_differences(&books, &text), 0);
    assert_int_equal(books.orders_confirmed, 1);
    assert_int_equal(books.sold, 2);
    assert_int_equal(books.points, 20);
    assert_int_equal(books.parcels, 1);
    assert_int_equal(books.packed, 2);
    assert_int_equal(books.trips_undone, 1);
    assert_int_equal(books.available, 2 * BUSINESS_STOCK - 2);
    /* a split trip and an order without stock, points and parcel are seen */
    assert_int_equal(quick(all[4], "t2", "action", "{\"days\":3}"), 200);
    assert_int_equal(quick(all[0], "o2", "try", "{\"sku\":\"A1\",\"qty\":1,\"user\":\"u9\"}"), 200);
    assert_int_equal(quick(all[0], "o2", "confirm", ""), 200);
    assert_int_equal(books_read(folder, &books, NULL), 0);
    assert_int_equal(books_differences(&books, &text), 6);
    buffer_done(&text);
    for (size_t i = 0; participant_names[i] != NULL; i++)
        participant_close(all[i]);
}

static void business_says_no(void **state) {
    (void)state;
    char answer[4096];
    struct participant *stock = open_one("stock"), *charge = open_one("charge");
    assert_int_equal(call(stock, "big", "try", "{\"sku\":\"A1\",\"qty\":1001}", answer, sizeof answer), 409);
    assert_non_null(strstr(answer, "only 1000 of A1 left"));
    assert_int_equal(quick(stock, "none", "try", "{\"sku\":\"Z\",\"qty\":1}"), 409);
    assert_int_equal(quick(stock, "less", "try", "{\"sku\":\"A1\",\"qty\":-1}"), 409);
    assert_int_equal(quick(stock, "all", "try", "{\"sku\":\"A1\",\"qty\":1000}"), 200);
    assert_int_equal(quick(stock, "one", "try", "{\"sku\":\"A1\",\"qty\":1}"), 409);
    assert_int_equal(quick(stock, "all", "cancel", ""), 200);
    assert_int_equal(quick(stock, "one", "try", "{\"sku\":\"A1\",\"qty\":1}"), 200);
    assert_int_equal(quick(stock, "bad", "try", "{\"sku\":"), 409);
    assert_int_equal(quick(charge, "t", "action", "{\"car\":1500,\"hotel\":501}"), 409);
    assert_int_equal(call(charge, "t2", "action", "{\"car\":1500,\"hotel\":500}", answer, sizeof answer),
                     200);
    assert_non_null(strstr(answer, "\"price\":2000"));
    participant_trouble(charge, true, 0);
    assert_int_equal(call(charge, "t3", "action", "{\"car\":1,\"hotel\":1}", answer, sizeof answer), 409);
    assert_non_null(strstr(answer, "the card is blocked"));
    assert_int_equal(quick(charge, "t2", "compensate", ""), 200); /* trouble is for forward operations only */
    participant_close(stock);
    participant_close(charge);
}

static void a_closed_service_does_nothing(void **state) {
    (void)state;
    char answer[4096];
    struct participant *p = open_one("warehouse");
    participant_close_for(p, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(call(p, "m1", "deliver", "{\"sku\":\"A1\",\"qty\":1}", answer, sizeof answer), 503);
    assert_non_null(strstr(answer, "closed, come back later"));
    assert_int_equal(participant_confirmed(p), 0);
    assert_int_equal(quick(p, "m1", "deliver", "{\"sku\":\"A1\",\"qty\":1}"), 200);
    assert_int_equal(participant_confirmed(p), 1);
    assert_int_equal(quick(p, "m2", "deliver", "{\"sku\":\"A1\",\"qty\":0}"), 409);
    participant_close(p);
}

/* Whoever comes first, producer or check-back, decides; every later question gets the same answer. */
static void a_check_back_tells_what_the_producer_did(void **state) {
    (void)state;
    char answer[4096];
    struct participant *p = open_one("order");
    struct why why;
    assert_int_equal(participant_promise(folder, "g1", "u9", &why), 0);
    assert_int_equal(participant_promise(folder, "g1", "u9", &why), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(call(p, "g1", "check", "", answer, sizeof answer), 200);
        assert_non_null(strstr(answer, "{\"status\":\"committed\"}"));
        assert_int_equal(call(p, "g2", "check", "", answer, sizeof answer), 200);
        assert_non_null(strstr(answer, "{\"status\":\"rolled_back\"}"));
    }
    assert_int_equal(participant_promise(folder, "g2", "u9", &why), ERR_CONFLICT);
    assert_int_equal(call(p, "g2", "check", "", answer, sizeof answer), 200);
    assert_non_null(strstr(answer, "{\"status\":\"rolled_back\"}"));
    assert_int_equal(participant_promise("/nonexistent", "g3", "u9", &why), ERR_IO);
    participant_close(p);
}

static void requests_that_make_no_sense_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        int status;
    } table[] = {
        { "POST /tcc/try HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 400 },
        { "POST /tcc/try HTTP/1.1\r\nHost: x\r\nSettle-Gid: g\r\nSettle-Branch: b\r\nSettle-Op: explode\r\n"
          "Connection: close\r\nContent-Length: 0\r\n\r\n",
          400 },
        { "nonsense\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 400 },
    };
    char answer[4096];
    struct participant *p = open_one("order");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(exchange(participant_url(p), table[i].bytes, answer, sizeof answer),
                         table[i].status);
    participant_close(p);
}

static void a_connection_is_kept_and_pipelined(void **state) {
    (void)state;
    char bytes[1024], answer[4096] = "";
    struct participant *p = open_one("car");
    int fd = dial(participant_url(p)), length = 0;
    for (int i = 0; i < 2; i++)
        length += snprintf(bytes + length, sizeof bytes - (size_t)length,
                           "POST /book HTTP/1.1\r\nHost: x\r\nSettle-Gid: g%d\r\n"
                           "Settle-Branch: b\r\nSettle-Op: action\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "6\r\n{\"days\r\n4\r\n\":1}\r\n0\r\n\r\n",
                           i);
    assert_int_equal(send(fd, bytes, (size_t)length, 0), length);
    while (strstr(answer, "car-2") == NULL) {
        size_t have = strlen(answer);
        ssize_t got = recv(fd, answer + have, sizeof answer - 1 - have, 0);
        assert_true(got > 0);
        answer[have + (size_t)got] = '\0';
    }
    assert_non_null(strstr(answer, "car-1"));
    close(fd);
    participant_close(p);
}

static void a_confirm_can_be_slow_but_is_done_at_once(void **state) {
    (void)state;
    struct timespec before, after;
    struct participant *p = open_one("points");
    participant_trouble(p, false, 200);
    assert_int_equal(quick(p, "g", "try", "{\"user\":\"u\",\"add\":1}"), 200);
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(quick(p, "g", "confirm", ""), 200);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 190);
    assert_int_equal(participant_confirmed(p), 1);
    participant_close(p);
}

static enum barrier pass(struct ledger *l, int gid, const char *op) {
    char name[16];
    enum barrier barrier = BARRIER_TOO_LATE;
    snprintf(name, sizeof name, "g%d", gid);
    assert_int_equal(ledger_begin(l, slice_text(name), SLICE("b"), slice_text(op), &barrier, NULL), 0);
    if (barrier == BARRIER_TOO_LATE)
        ledger_rollback(l);
    else
        assert_int_equal(ledger_commit(l, NULL), 0);
    return barrier;
}

/* Every sequence of up to four of try, confirm, cancel; what each may do follows from what came before. */
static void the_barrier_holds_in_every_order(void **state) {
    (void)state;
    static const char *const ops[] = { "try", "confirm", "cancel" };
    struct ledger l;
    int gid = 0;
    assert_int_equal(ledger_open(&l, ":memory:", "", NULL), 0);
    for (int length = 1; length <= 4; length++) {
        int count = 1;
        for (int i = 0; i < length; i++)
            count *= 3;
        for (int sequence = 0; sequence < count; sequence++, gid++) {
            bool tried = false, confirmed = false, cancelled = false;
            for (int i = 0, rest = sequence; i < length; i++, rest /= 3) {
                enum barrier expected;
                if (rest % 3 == 0) {
                    expected = tried ? BARRIER_SKIP : cancelled ? BARRIER_TOO_LATE : BARRIER_PROCEED;
                    tried = tried || !cancelled;
                } else if (rest % 3 == 1) {
                    expected = confirmed ? BARRIER_SKIP : BARRIER_PROCEED;
                    confirmed = true;
                } else {
                    expected = cancelled || !tried ? BARRIER_SKIP : BARRIER_PROCEED;
                    cancelled = true;
                }
                assert_int_equal(pass(&l, gid, ops[rest % 3]), expected);
            }
        }
    }
    assert_int_equal(pass(&l, 1000, "compensate"), BARRIER_SKIP);
    assert_int_equal(pass(&l, 1000, "action"), BARRIER_TOO_LATE);
    ledger_close(&l);
}

static void names_and_folders_are_checked(void **state) {
    (void)state;
    struct participant *p = NULL;
    struct books books;
    struct why why;
    assert_int_equal(participant_open(&p, "nobody", folder, &why), ERR_NOT_FOUND);
    assert_int_equal(participant_open(&p, "order", "/nonexistent/folder", &why), ERR_IO);
    assert_int_equal(books_read("/nonexistent", &books, &why), ERR_IO);
    assert_null(p);
    participant_close(NULL);
    service_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_order_is_tried_and_confirmed_once, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(business_says_no, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_closed_service_does_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_check_back_tells_what_the_producer_did, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(requests_that_make_no_sense_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_connection_is_kept_and_pipelined, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_confirm_can_be_slow_but_is_done_at_once, make_folder,
                                        remove_folder),
        cmocka_unit_test(the_barrier_holds_in_every_order),
        cmocka_unit_test_setup_teardown(names_and_folders_are_checked, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
