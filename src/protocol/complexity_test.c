/* What a stranger may send costs at most in proportion to its length (reliability.md H15).
 *
 * Each case makes input of a size and works on it; the work for eight times the size may take three times as
 * much as eight times the work. Something quadratic takes eight times as much. CPU time, the best of several
 * rounds, each long enough for the clock: other processes make no difference. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/table.h"
#include "protocol/query.h"
#include "protocol/submission.h"
#include "wire/http1.h"
#include "wire/url.h"

enum {
    GROWTH = 8,
    PATIENCE = 3,
    ROUNDS = 5,
    ROUND_US = 3000,
};

struct trial {
    const char *name;
    size_t size; /* the large one; the small one is an eighth */
    void (*make)(struct buffer *to, size_t size);
    void (*work)(struct slice input);
};

static struct arena arena;

static double cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* CPU time of one piece of work, in microseconds. */
static double cost(const struct trial *trial, size_t size) {
    struct buffer input;
    double best = 1e18;
    buffer_init(&input, 64 << 20);
    trial->make(&input, size);
    assert_int_equal(buffer_failed(&input), 0);
    for (int round = 0; round < ROUNDS; round++) {
        unsigned times = 0;
        double begin = cpu_us();
        double took = 0;
        while (took < ROUND_US) {
            trial->work(buffer_slice(&input));
            times++;
            took = cpu_us() - begin;
        }
        best = took / times < best ? took / times : best;
    }
    buffer_done(&input);
    return best;
}

static void expect_linear(const struct trial *trial) {
    double small = cost(trial, trial->size / GROWTH);
    double large = cost(trial, trial->size);
    printf("%-40s %10.1f us %10.1f us, %.1f times\n", trial->name, small, large, large / small);
    if (large > small * GROWTH * PATIENCE)
        fail_msg("%s: %d times the input takes %.1f times as long", trial->name, GROWTH, large / small);
}

/* --- JSON --- */

static void check_json(struct slice input) {
    struct json_value root;
    assert_int_equal(json_check(input, &root, NULL), 0);
}

static void refuse_json(struct slice input) {
    struct json_value root;
    assert_true(json_check(input, &root, NULL) < 0);
}

static void make_keys(struct buffer *to, size_t size) {
    for (size_t i = 0; i < size; i++)
        buffer_add_format(to, "%s\"the-same-long-beginning-of-every-key-%zu-and-its-end\":0",
                          i == 0 ? "{" : ",", i);
    buffer_add_byte(to, '}');
}

static void make_objects(struct buffer *to, size_t size) {
    for (size_t i = 0; i < size; i++)
        buffer_add_text(to, i == 0 ? "[{\"a\":1,\"b\":[]}" : ",{\"a\":1,\"b\":[]}");
    buffer_add_byte(to, ']');
}

static void make_escapes(struct buffer *to, size_t size) {
    buffer_add_byte(to, '"');
    for (size_t i = 0; i < size; i++)
        buffer_add_text(to, "\\u00e9");
    buffer_add_byte(to, '"');
}

static void make_depth(struct buffer *to, size_t size) {
    for (size_t i = 0; i < size; i++)
        buffer_add_byte(to, '[');
}

static void make_ups_and_downs(struct buffer *to, size_t size) {
    buffer_add_byte(to, '[');
    for (size_t i = 0; i < size; i++)
        buffer_add_text(to, i == 0 ? "[[[[[[[[[[1]]]]]]]]]]" : ",[[[[[[[[[[1]]]]]]]]]]");
    buffer_add_byte(to, ']');
}

static void make_blanks(struct buffer *to, size_t size) {
    for (size_t i = 0; i < size; i++)
        buffer_add_text(to, " \n\t");
    buffer_add_text(to, "1");
}

static void json_is_linear(void **state) {
    static const struct trial trials[] = {
        { "keys of one object", LIMIT_JSON_KEYS, make_keys, check_json },
        { "small objects", 40000, make_objects, check_json },
        { "escapes in one string", 32000, make_escapes, check_json },
        { "brackets without end", 1000000, make_depth, refuse_json },
        { "up and down", 20000, make_ups_and_downs, check_json },
        { "blanks", 300000, make_blanks, check_json },
    };
    (void)state;
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++)
        expect_linear(&trials[i]);
}

/* --- submissions --- */

static int judge(void *self, struct slice url, struct why *why) {
    struct url u;
    (void)self;
    return url_decode(url, &u, why);
}

static const struct submission_options options = {
    .namespace_name = { "default", 7 },
    .deadline_ms = 60000,
    .call_timeout_ms = 5000,
    .retry = { .first_ms = 1000, .factor_percent = 200, .max_ms = 300000 },
    .judge = judge,
};

static void submit(struct slice input) {
    struct transaction_request q;
    struct problem p;
    arena_reset(&arena);
    if (submission_decode(input, &options, &arena, &q, &p) != 0)
        fail_msg("%s at %s", p.detail.text, p.field);
}

static void begin_saga(struct buffer *to) {
    buffer_add_text(to, "{\"mode\":\"saga\",\"branches\":[");
}

static void make_chain(struct buffer *to, size_t size) {
    begin_saga(to);
    for (size_t i = 0; i < size; i++)
        buffer_add_format(to, "%s{\"id\":\"branch-%zu\",\"action\":\"http://h/a\",\"body\":{\"x\":1}}",
                          i == 0 ? "" : ",", i);
    buffer_add_text(to, "]}");
}

/* Each names the first, its neighbour, and one far away. */
static void make_web(struct buffer *to, size_t size) {
    begin_saga(to);
    for (size_t i = 0; i < size; i++) {
        buffer_add_format(to, "%s{\"id\":\"b%zu\",\"action\":\"http://h/a\"", i == 0 ? "" : ",", i);
        if (i > 2)
            buffer_add_format(to, ",\"after\":[\"b0\",\"b%zu\",\"b%zu\"]", i - 1, i / 2);
        buffer_add_text(to, "}");
    }
    buffer_add_text(to, "]}");
}

static void make_references(struct buffer *to, size_t size) {
    begin_saga(to);
    for (size_t i = 0; i < size; i++)
        buffer_add_format(to, "%s{\"id\":\"b%zu\",\"action\":\"http://h/a\",\"body\":{\"x\":\"${b%zu#/a}\"}}",
                          i == 0 ? "" : ",", i, i == 0 ? 0 : i - 1);
    struct slice all = buffer_slice(to);
    /* The first one cannot name itself. */
    char *self = strstr(all.at, "${b0#/a}");
    assert_non_null(self);
    memset(self, 'x', strlen("${b0#/a}"));
    buffer_add_text(to, "]}");
}

static void submissions_are_linear(void **state) {
    static const struct trial trials[] = {
        { "branches in a row", LIMIT_BRANCHES, make_chain, submit },
        { "branches after others", LIMIT_BRANCHES, make_web, submit },
        { "branches with references", LIMIT_BRANCHES, make_references, submit },
    };
    (void)state;
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++)
        expect_linear(&trials[i]);
}

/* --- HTTP --- */

static void make_long_header(struct buffer *to, size_t size) {
    buffer_add_text(to, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
    for (size_t i = 0; i < size; i++)
        buffer_add_byte(to, 'a');
    buffer_add_text(to, "\r\n\r\n");
}

static void make_many_headers(struct buffer *to, size_t size) {
    buffer_add_text(to, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (size_t i = 1; i < size; i++)
        buffer_add_format(to, "X-Header-%zu: value\r\n", i);
    buffer_add_text(to, "\r\n");
}

/* One more byte each time, as from somebody who sends slowly. */
static void read_bytewise(struct slice input) {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_request r;
    size_t taken = 0;
    int code = ERR_MORE;
    http1_request_init(&r, headers, LIMIT_HEADERS);
    for (size_t length = 1; length <= input.length && code == ERR_MORE; length++)
        code = http1_request_decode(&r, slice_upto(input, length), &taken);
    assert_int_equal(code, 0);
}

static void read_head(struct slice input) {
    struct http1_header headers[LIMIT_HEADERS];
    struct http1_request r;
    size_t taken = 0;
    http1_request_init(&r, headers, LIMIT_HEADERS);
    assert_int_equal(http1_request_decode(&r, input, &taken), 0);
}

static void make_chunks(struct buffer *to, size_t size) {
    for (size_t i = 0; i < size; i++)
        buffer_add_text(to, "1;extension=0\r\nx\r\n");
    buffer_add_text(to, "0\r\n\r\n");
}

static void read_body(struct slice input) {
    struct http1_body b;
    http1_body_init(&b, HTTP1_CHUNKED, 0, LIMIT_BODY_BYTES);
    while (!b.finished) {
        struct slice piece;
        size_t taken = 0;
        assert_int_equal(http1_body_decode(&b, input, &taken, &piece), 0);
        input = slice_from(input, taken);
    }
}

static void make_query(struct buffer *to, size_t size) {
    buffer_add_text(to, "name=");
    for (size_t i = 0; i < size; i++)
        buffer_add_text(to, "%41");
}

static void read_query(struct slice input) {
    struct query q;
    struct problem p;
    arena_reset(&arena);
    (void)query_decode(input, QUERY_LIST, SLICE("default"), 0, &arena, &q, &p);
}

static void make_url(struct buffer *to, size_t size) {
    buffer_add_text(to, "http://a.b.c.example:80/");
    for (size_t i = 0; i < size; i++)
        buffer_add_text(to, "%41");
}

static void read_url(struct slice input) {
    struct url u;
    assert_int_equal(url_decode(input, &u, NULL), 0);
}

static void http_is_linear(void **state) {
    static const struct trial trials[] = {
        { "a long header, byte by byte", LIMIT_HEADER_BYTES - 200, make_long_header, read_bytewise },
        { "a long header", LIMIT_HEADER_BYTES - 200, make_long_header, read_head },
        { "many headers", LIMIT_HEADERS, make_many_headers, read_head },
        { "chunks of one byte", 800, make_chunks, read_body },
        { "a long query", 2400, make_query, read_query },
        { "a long URL", 640, make_url, read_url },
    };
    (void)state;
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++)
        expect_linear(&trials[i]);
}

/* --- tables --- */

/* Numbers as keys. Under the seed 1, which a stranger is supposed to have guessed wrong, all of them begin in
 * the first 256th of a table. */
enum {
    GUESSED = 1,
    REAL = 2,
    COLLISIONS = 100000,
};

static uint64_t hash_of(uint64_t seed, const uint64_t *key) {
    return hash_seeded(seed, slice_of((const char *)key, sizeof *key));
}

static void make_collisions(struct buffer *to, size_t size) {
    uint64_t key = 0;
    uint64_t mask = 0;
    while (mask < size * 2)
        mask = mask * 2 + 1;
    for (size_t made = 0; made < size; key++)
        if ((hash_of(GUESSED, &key) & mask) <= mask / 256) {
            buffer_add(to, (const char *)&key, sizeof key);
            made++;
        }
}

static void fill_table(struct slice input) {
    struct table t;
    table_init(&t);
    for (size_t i = 0; i < input.length; i += sizeof(uint64_t)) {
        uint64_t key;
        memcpy(&key, input.at + i, sizeof key);
        uint64_t hash = hash_of(REAL, &key);
        size_t cursor = 0;
        while (table_find(&t, hash, &cursor) != NULL)
            continue;
        assert_int_equal(table_reserve(&t), 0);
        table_add(&t, hash, (void *)(uintptr_t)(i + 1));
    }
    assert_int_equal(t.count, input.length / sizeof(uint64_t));
    table_done(&t);
}

static void make_plain(struct buffer *to, size_t size) {
    for (uint64_t key = 0; key < size; key++)
        buffer_add(to, (const char *)&key, sizeof key);
}

/* Against ordinary keys, as many: growing past the caches is not what is asked here. */
static void keys_that_were_to_collide_do_not(void **state) {
    static const struct trial chosen = { "chosen", COLLISIONS, make_collisions, fill_table };
    static const struct trial plain = { "plain", COLLISIONS, make_plain, fill_table };
    (void)state;
    double hostile = cost(&chosen, COLLISIONS);
    double ordinary = cost(&plain, COLLISIONS);
    printf("%d keys: chosen to collide %.1f us, ordinary %.1f us\n", COLLISIONS, hostile, ordinary);
    assert_true(hostile < ordinary * PATIENCE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_linear),
        cmocka_unit_test(submissions_are_linear),
        cmocka_unit_test(http_is_linear),
        cmocka_unit_test(keys_that_were_to_collide_do_not),
    };
    arena_init(&arena, 1 << 16, 256 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
