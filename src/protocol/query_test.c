#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/digest.h"
#include "protocol/query.h"

#define NOW UINT64_C(1767780000000) /* 2026-01-07T10:00:00Z */

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct query taken(const char *text, enum query_kind kind) {
    struct query q;
    struct problem p;
    if (query_decode(slice_text(text), kind, SLICE("default"), NOW, &arena, &q, &p) != 0)
        fail_msg("%s refused: %s", text, p.detail.text);
    return q;
}

static void everything_is_read(void **state) {
    struct query q = taken("mode=tcc&status=rolling_back,active&attention=true&suspended=false&label.order="
                           "4711&name=book+a%20trip"
                           "&branch_url=http%3A%2F%2Fstock&created_after=2026-01-07T09%3A00%3A00%2B00%3A00&"
                           "older_than=5m&sort=created"
                           "&limit=200&label.user=%C3%A9&",
                           QUERY_LIST);
    (void)state;
    assert_int_equal(q.filter.mode, MODE_TCC);
    assert_int_equal(q.filter.statuses, 1u << STATUS_ROLLING_BACK | 1u << STATUS_ACTIVE);
    assert_int_equal(q.filter.attention, 1);
    assert_int_equal(q.filter.suspended, -1);
    assert_int_equal(q.filter.label_count, 2);
    assert_true(slice_is(q.filter.labels[0].key, "order"));
    assert_true(slice_is(q.filter.labels[0].value, "4711"));
    assert_true(slice_is(q.filter.labels[1].value, "\xc3\xa9"));
    assert_true(slice_is(q.filter.name, "book a trip"));
    assert_true(slice_is(q.filter.branch_url, "http://stock"));
    assert_int_equal(q.filter.created_after_ms, NOW - 3600000);
    assert_int_equal(q.filter.created_before_ms, NOW - 300000);
    assert_true(slice_is(q.filter.namespace_name, "default"));
    assert_true(q.oldest_first);
    assert_int_equal(q.limit, 200);
    assert_false(q.has_cursor);
    q = taken("", QUERY_LIST);
    assert_int_equal(q.limit, QUERY_LIMIT_DEFAULT);
    assert_false(q.oldest_first);
    assert_int_equal(q.filter.statuses, 0);
    assert_int_equal(taken("wait=60s", QUERY_WAIT).wait_ms, 60000);
    assert_int_equal(taken("wait=", QUERY_WAIT).wait_ms, 0);
    assert_int_equal(taken("&&", QUERY_NONE).wait_ms, 0);
    assert_true(slice_is(taken("after=8812-3", QUERY_EVENTS).after, "8812-3"));
    assert_int_equal(taken("older_than=10000d", QUERY_LIST).filter.created_before_ms,
                     NOW - UINT64_C(864000000000));
    assert_int_equal(taken("older_than=100000d", QUERY_LIST).filter.created_before_ms, 1);
    assert_int_equal(
        taken("older_than=5m&created_before=2020-01-01T00:00:00Z", QUERY_LIST).filter.created_before_ms,
        UINT64_C(1577836800000));
    assert_int_equal(
        taken("created_before=2020-01-01T00:00:00Z&older_than=5m", QUERY_LIST).filter.created_before_ms,
        UINT64_C(1577836800000));
}

static void faults_are_named(void **state) {
    static const struct {
        const char *text;
        enum query_kind kind;
        enum problem_type type;
        const char *field;
        const char *nearest;
    } rows[] = {
        { "wiat=5s", QUERY_WAIT, PROBLEM_UNKNOWN_PARAMETER, "wiat", "wait" },
        { "x", QUERY_NONE, PROBLEM_UNKNOWN_PARAMETER, "x", "" },
        { "wait=5s", QUERY_NONE, PROBLEM_UNKNOWN_PARAMETER, "wait", "" },
        { "wait=5s", QUERY_LIST, PROBLEM_UNKNOWN_PARAMETER, "wait", "" },
        { "statsu=active", QUERY_LIST, PROBLEM_UNKNOWN_PARAMETER, "statsu", "status" },
        { "labels.order=1", QUERY_LIST, PROBLEM_UNKNOWN_PARAMETER, "labels.order", "" },
        { "=5", QUERY_LIST, PROBLEM_UNKNOWN_PARAMETER, "", "" },
        { "wait=5s&wait=6s", QUERY_WAIT, PROBLEM_INVALID_VALUE, "wait", "" },
        { "limit=5&limit=", QUERY_PAGE, PROBLEM_INVALID_VALUE, "limit", "" },
        { "label.a=1&label.a=2", QUERY_LIST, PROBLEM_INVALID_VALUE, "label.a", "" },
        { "label.=1", QUERY_LIST, PROBLEM_INVALID_VALUE, "label.", "" },
        { "wait=5", QUERY_WAIT, PROBLEM_INVALID_VALUE, "wait", "" },
        { "wait=-5s", QUERY_WAIT, PROBLEM_INVALID_VALUE, "wait", "" },
        { "wait=61s", QUERY_WAIT, PROBLEM_OVER_LIMIT, "wait", "1m" },
        { "wait=60001ms", QUERY_WAIT, PROBLEM_OVER_LIMIT, "wait", "1m" },
        { "wait=99999999999999999999d", QUERY_WAIT, PROBLEM_OVER_LIMIT, "wait", "1m" },
        { "limit=0", QUERY_LIST, PROBLEM_OVER_LIMIT, "limit", "1 to 200" },
        { "limit=201", QUERY_LIST, PROBLEM_OVER_LIMIT, "limit", "1 to 200" },
        { "limit=2000", QUERY_LIST, PROBLEM_OVER_LIMIT, "limit", "1 to 200" },
        { "limit=99999999999999999999999", QUERY_LIST, PROBLEM_OVER_LIMIT, "limit", "1 to 200" },
        { "limit=ten", QUERY_LIST, PROBLEM_INVALID_VALUE, "limit", "" },
        { "mode=xa", QUERY_LIST, PROBLEM_INVALID_VALUE, "mode", "" },
        { "status=rollingback", QUERY_LIST, PROBLEM_INVALID_VALUE, "status", "rolling_back" },
        { "status=active,,committed", QUERY_LIST, PROBLEM_INVALID_VALUE, "status", "" },
        { "attention=yes", QUERY_LIST, PROBLEM_INVALID_VALUE, "attention", "" },
        { "suspended=1", QUERY_LIST, PROBLEM_INVALID_VALUE, "suspended", "" },
        { "created_after=yesterday", QUERY_LIST, PROBLEM_INVALID_VALUE, "created_after", "" },
        { "created_after=2026-01-07T10:00:00+00:00", QUERY_LIST, PROBLEM_INVALID_VALUE, "created_after", "" },
        { "created_before=2026-13-07T10:00:00Z", QUERY_LIST, PROBLEM_INVALID_VALUE, "created_before", "" },
        { "older_than=old", QUERY_LIST, PROBLEM_INVALID_VALUE, "older_than", "" },
        { "sort=name", QUERY_LIST, PROBLEM_INVALID_VALUE, "sort", "" },
        { "cursor=xyz", QUERY_LIST, PROBLEM_INVALID_VALUE, "cursor", "" },
        { "cursor=AgAAAAAAAAAABw", QUERY_LIST, PROBLEM_INVALID_VALUE, "cursor", "" },
        { "cursor=AQIAAAAAAAAABw", QUERY_LIST, PROBLEM_INVALID_VALUE, "cursor", "" },
        { "cursor=AQAAAAAAAAAABwA", QUERY_LIST, PROBLEM_INVALID_VALUE, "cursor", "" },
        { "cursor=AQAAAAAAAAAABw&sort=created", QUERY_LIST, PROBLEM_INVALID_VALUE, "cursor", "" },
        { "wait=%", QUERY_WAIT, PROBLEM_BAD_REQUEST, "query", "" },
        { "wait=%4", QUERY_WAIT, PROBLEM_BAD_REQUEST, "query", "" },
        { "wait=%zz", QUERY_WAIT, PROBLEM_BAD_REQUEST, "query", "" },
        { "name=%00", QUERY_LIST, PROBLEM_BAD_REQUEST, "query", "" },
        { "name=a%0d%0ab", QUERY_LIST, PROBLEM_BAD_REQUEST, "query", "" },
        { "name=%ff", QUERY_LIST, PROBLEM_BAD_REQUEST, "query", "" },
        { "na%00me=x", QUERY_LIST, PROBLEM_BAD_REQUEST, "query", "" },
        { "label.1=&label.2=&label.3=&label.4=&label.5=&label.6=&label.7=&label.8=&label.9=", QUERY_LIST,
          PROBLEM_OVER_LIMIT, "label.9", "8" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct query q = { .limit = 77 };
        struct problem p;
        int failed =
            query_decode(slice_text(rows[i].text), rows[i].kind, SLICE("default"), NOW, &arena, &q, &p);
        if (failed != ERR_INVALID || p.type != rows[i].type || strcmp(p.field, rows[i].field) != 0 ||
            (strcmp(p.nearest, rows[i].nearest) != 0 && strcmp(p.limit, rows[i].nearest) != 0))
            fail_msg("%s: %d %s field %s nearest %s limit %s", rows[i].text, failed,
                     problem_row(p.type)->path, p.field, p.nearest, p.limit);
        assert_int_equal(q.limit, 77);
    }
}

static void cursors_round_trip(void **state) {
    static const uint64_t ids[] = { 0, 1, 7, UINT64_C(0x0123456789abcdef), UINT64_MAX };
    struct buffer b;
    (void)state;
    buffer_init(&b, 200);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        for (int ascending = 0; ascending < 2; ascending++) {
            buffer_clear(&b);
            buffer_add_text(&b, ascending ? "sort=created&cursor=" : "cursor=");
            query_add_cursor(ids[i], ascending, &b);
            buffer_add_byte(&b, '\0');
            struct query q = taken(b.at, QUERY_LIST);
            assert_true(q.has_cursor);
            assert_int_equal(q.cursor, ids[i]);
        }
    buffer_done(&b);
}

static void filters_choose(void **state) {
    struct label labels[] = { { SLICE("order"), SLICE("4711") }, { SLICE("user"), SLICE("u9") } };
    struct branch branches[2] = { { .id = SLICE("a") }, { .id = SLICE("b") } };
    struct transaction t = {
        .mode = MODE_TCC,
        .status = STATUS_COMMITTING,
        .created_ms = NOW - 600000,
        .namespace_name = SLICE("default"),
        .name = SLICE("shop"),
        .labels = labels,
        .label_count = 2,
        .branches = branches,
        .branch_count = 2,
    };
    static const struct {
        const char *text;
        bool matches;
    } rows[] = {
        { "", true },
        { "mode=tcc", true },
        { "mode=saga", false },
        { "status=committing", true },
        { "status=active,committing", true },
        { "status=active,committed", false },
        { "attention=true", true },
        { "attention=false", false },
        { "suspended=true", false },
        { "suspended=false", true },
        { "name=shop", true },
        { "name=sho", false },
        { "label.order=4711", true },
        { "label.order=471", false },
        { "label.order=", false },
        { "label.orde=4711", false },
        { "label.order=4711&label.user=u9", true },
        { "label.order=4711&label.user=u8", false },
        { "branch_url=http://stock", true },
        { "branch_url=http://stock/tcc/confirm", true },
        { "branch_url=http://stock/tcc/confirmed", false },
        { "branch_url=http://points", false },
        { "older_than=10m", false },
        { "older_than=9m", true },
        { "older_than=11m", false },
        { "created_after=2026-01-07T09:49:59.999Z", true },
        { "created_after=2026-01-07T09:50:00Z", false },
        { "created_before=2026-01-07T09:50:00.001Z", true },
        { "created_before=2026-01-07T09:50:00Z", false },
        { "mode=tcc&status=committing&attention=true&name=shop&label.user=u9&branch_url=http://"
          "s&older_than=1m",
          true },
        { "mode=tcc&status=committing&attention=true&name=shop&label.user=u9&branch_url=http://"
          "s&older_than=1d",
          false },
    };
    (void)state;
    branches[1].to[ROLE_CONFIRM] = (struct target){ "http://stock/tcc/confirm", 1000, 24 };
    branches[1].operation[ROLE_CONFIRM].attention_ms = NOW - 1000;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct query q = taken(rows[i].text, QUERY_LIST);
        if (list_filter_matches(&q.filter, &t) != rows[i].matches)
            fail_msg("%s", rows[i].text);
    }
    struct query q = taken("", QUERY_LIST);
    t.namespace_name = SLICE("other");
    assert_false(list_filter_matches(&q.filter, &t));
}

static void every_parameter_has_a_meaning(void **state) {
    (void)state;
    for (int kind = 0; kind < QUERY_KIND_COUNT; kind++)
        for (const char *const *name = query_names((enum query_kind)kind); *name != NULL; name++)
            assert_true(strlen(query_meaning(*name)) > 5);
}

static void memory_may_be_short(void **state) {
    struct arena small;
    struct query q;
    struct problem p;
    (void)state;
    arena_init(&small, 16, 8);
    assert_int_equal(query_decode(SLICE("name=a+long+name"), QUERY_LIST, SLICE("d"), NOW, &small, &q, &p),
                     ERR_MEMORY);
    assert_int_equal(p.type, PROBLEM_BUSY);
    arena_done(&small);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(everything_is_read),
        TEST(faults_are_named),
        TEST(cursors_round_trip),
        TEST(filters_choose),
        TEST(every_parameter_has_a_meaning),
        TEST(memory_may_be_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
