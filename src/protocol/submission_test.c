#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "model/stored.h"
#include "protocol/submission.h"

static struct arena arena;
static struct buffer text;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 16, 256 << 20);
    buffer_init(&text, 16 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_done(&arena);
    buffer_done(&text);
    return 0;
}

/* Stands for wire/url and wire/egress. */
static int judge(void *self, struct slice url, struct why *why) {
    (void)self;
    if (!slice_starts(url, "http://") && !slice_starts(url, "https://"))
        return why_set(why, ERR_SYNTAX, "must begin with http:// or https://");
    if (slice_starts(url, "http://evil"))
        return why_set(why, ERR_DENIED, "host evil is not allowed by egress.allow");
    if (slice_starts(url, "http://denied"))
        return why_set(why, ERR_DENIED, "host denied is refused by egress.deny");
    if (url.length > LIMIT_URL_BYTES)
        return why_set(why, ERR_LIMIT, "the URL is too long");
    return 0;
}

static const struct submission_options options = {
    .namespace_name = { "default", 7 },
    .deadline_ms = 60000,
    .call_timeout_ms = 5000,
    .retry = { .first_ms = 1000, .factor_percent = 200, .max_ms = 300000 },
    .judge = judge,
};

static struct transaction_request taken(struct slice body) {
    struct transaction_request q;
    struct problem p;
    if (submission_decode(body, &options, &arena, &q, &p) != 0)
        fail_msg("%.*s refused: %s at %s", SLICE_PRINT(slice_upto(body, 300)), p.detail.text, p.field);
    return q;
}

static void the_saga_of_the_manual(void **state) {
    static const char body[] =
        "{\"gid\":\"trip-77\",\"mode\":\"saga\",\"name\":\"book-trip\",\"labels\":{\"user\":\"u9\"},"
        "\"deadline\":\"2m\",\n"
        " \"branches\":[\n"
        "  {\"id\":\"car\",\"action\":\"http://car/book\",\"compensate\":\"http://car/cancel\",\"body\": "
        "{\"days\":3} },\n"
        "  {\"id\":\"hotel\",\"action\":\"http://hotel/book\",\"compensate\":\"http://hotel/cancel\","
        "\"body\":{\"car\":\"${car#/ref}\"},\"retry\":{\"for\":\"30s\",\"then\":\"rollback\"}},\n"
        "  "
        "{\"id\":\"charge\",\"after\":[\"car\",\"hotel\"],\"pivot\":true,\"action\":{\"url\":\"http://pay/"
        "charge\","
        "\"timeout\":\"8s\"},\"body\":{\"sum\":\"${hotel#/price}\"}}]}";
    struct transaction_request q = taken(slice_text(body));
    (void)state;
    assert_true(slice_is(q.namespace_name, "default"));
    assert_true(slice_is(q.gid, "trip-77"));
    assert_false(q.gid_is_fresh);
    assert_int_equal(q.mode, MODE_SAGA);
    assert_int_equal(q.drive, DRIVE_SERVER);
    assert_true(slice_is(q.name, "book-trip"));
    assert_int_equal(q.label_count, 1);
    assert_true(slice_is(q.labels[0].key, "user"));
    assert_true(slice_is(q.labels[0].value, "u9"));
    assert_int_equal(q.deadline_ms, 120000);
    assert_int_equal(q.branch_count, 3);
    const struct branch_request *car = &q.branches[0];
    assert_true(slice_is(car->id, "car"));
    assert_true(slice_is(car->to[ROLE_FORWARD].url, "http://car/book"));
    assert_int_equal(car->to[ROLE_FORWARD].timeout_ms, 5000);
    assert_int_equal(car->to[ROLE_CONFIRM].url.length, 0);
    assert_true(slice_is(car->to[ROLE_BACKWARD].url, "http://car/cancel"));
    assert_true(slice_is(car->body, "{\"days\":3}"));
    assert_int_equal(car->after_count, 0);
    assert_true(car->referenced);
    assert_false(car->has_references);
    assert_int_equal(car->retry.for_ms, 0);
    const struct branch_request *hotel = &q.branches[1];
    assert_int_equal(hotel->after_count, 1);
    assert_int_equal(hotel->after[0], 0);
    assert_true(hotel->has_references);
    assert_true(hotel->referenced);
    assert_int_equal(hotel->retry.for_ms, 30000);
    assert_int_equal(hotel->retry.then, GIVE_UP_ROLLBACK);
    assert_int_equal(hotel->retry.first_ms, 1000);
    const struct branch_request *charge = &q.branches[2];
    assert_int_equal(charge->after_count, 2);
    assert_true(charge->pivot);
    assert_int_equal(charge->to[ROLE_FORWARD].timeout_ms, 8000);
    assert_int_equal(charge->to[ROLE_BACKWARD].url.length, 0);
}

static void the_tcc_of_the_manual(void **state) {
    struct transaction_request q = taken(
        SLICE("{\"gid\":\"order-4711\",\"mode\":\"tcc\",\"labels\":{\"order\":\"4711\"},\"deadline\":\"10s\","
              "\"branches\":[{\"id\":\"order\",\"base\":\"http://order/tcc\",\"body\":{\"id\":\"4711\"}},"
              "{\"id\":\"stock\",\"base\":{\"url\":\"http://stock/tcc/"
              "\",\"timeout\":\"2s\"},\"confirm\":\"http://stock/yes\"},"
              "{\"id\":\"points\",\"base\":\"http://points/tcc\",\"body\":null,\"cancel\":\"always\","
              "\"retry\":{\"first\":\"10ms\",\"factor\":1.5,\"max\":\"10ms\",\"then\":\"attention\"}}]}"));
    (void)state;
    assert_int_equal(q.mode, MODE_TCC);
    assert_true(slice_is(q.branches[0].to[ROLE_FORWARD].url, "http://order/tcc/try"));
    assert_true(slice_is(q.branches[0].to[ROLE_CONFIRM].url, "http://order/tcc/confirm"));
    assert_true(slice_is(q.branches[0].to[ROLE_BACKWARD].url, "http://order/tcc/cancel"));
    assert_false(q.branches[0].cancel_always);
    assert_true(slice_is(q.branches[1].to[ROLE_FORWARD].url, "http://stock/tcc/try"));
    assert_int_equal(q.branches[1].to[ROLE_FORWARD].timeout_ms, 2000);
    assert_true(slice_is(q.branches[1].to[ROLE_CONFIRM].url, "http://stock/yes"));
    assert_int_equal(q.branches[1].to[ROLE_CONFIRM].timeout_ms, 5000);
    assert_int_equal(q.branches[1].after_count, 0);
    assert_int_equal(q.branches[1].body.length, 0);
    assert_true(q.branches[2].cancel_always);
    assert_true(slice_is(q.branches[2].to[ROLE_BACKWARD].url, "http://points/tcc/cancel"));
    assert_true(slice_is(q.branches[2].body, "null"));
    assert_int_equal(q.branches[2].retry.first_ms, 10);
    assert_int_equal(q.branches[2].retry.factor_percent, 150);
    assert_int_equal(q.branches[2].retry.max_ms, 10);
    assert_int_equal(q.branches[2].retry.then, GIVE_UP_ATTENTION);
}

static void defaults_and_order(void **state) {
    struct transaction_request q =
        taken(SLICE("{\"mode\":\"saga\",\"branches\":[{\"id\":\"a\",\"base\":\"http://a/"
                    "s\"},{\"id\":\"b\",\"action\":\"http://b\"},"
                    "{\"id\":\"c\",\"action\":\"http://c\",\"after\":[]},{\"id\":\"d\",\"action\":\"http://"
                    "d\",\"after\":[\"a\"],"
                    "\"cancel\":\"always\",\"retry\":{\"max\":\"500ms\"}},{\"id\":\"e\",\"action\":\"http://"
                    "e\",\"retry\":{\"first\":\"10m\"}}]}"));
    (void)state;
    assert_int_equal(q.gid.length, 0);
    assert_int_equal(q.deadline_ms, 60000);
    assert_true(slice_is(q.branches[0].to[ROLE_FORWARD].url, "http://a/s/action"));
    assert_true(slice_is(q.branches[0].to[ROLE_BACKWARD].url, "http://a/s/compensate"));
    assert_int_equal(q.branches[1].after_count, 1);
    assert_int_equal(q.branches[2].after_count, 0);
    assert_int_equal(q.branches[3].after[0], 0);
    assert_true(q.branches[3].cancel_always);
    assert_int_equal(q.branches[3].retry.first_ms, 500);
    assert_int_equal(q.branches[3].retry.max_ms, 500);
    assert_int_equal(q.branches[4].after[0], 3);
    assert_int_equal(q.branches[4].retry.first_ms, 600000);
    assert_int_equal(q.branches[4].retry.max_ms, 600000);
    q = taken(SLICE("{\"mode\":\"tcc\",\"drive\":\"client\"}"));
    assert_int_equal(q.drive, DRIVE_CLIENT);
    assert_int_equal(q.branch_count, 0);
    q = taken(SLICE("{\"mode\":\"tcc\",\"drive\":\"client\",\"branches\":[{\"id\":\"a\",\"confirm\":\"http://"
                    "a/y\",\"cancel\":\"http://a/n\"}]}"));
    assert_int_equal(q.branches[0].to[ROLE_FORWARD].url.length, 0);
    q = taken(SLICE("{\"mode\":\"saga\",\"branches\":[{\"id\":\"a\",\"action\":\"http://a\",\"body\":\"$${x} "
                    "is no reference\"}]}"));
    assert_true(q.branches[0].has_references);
}

/* A branch that is good enough. */
#define B "{\"id\":\"b\",\"action\":\"http://b\"}"
#define SAGA(branches) "{\"mode\":\"saga\",\"branches\":[" branches "]}"
#define A(more) "{\"id\":\"a\",\"action\":\"http://a\"" more "}"
#define TCC(branches) "{\"mode\":\"tcc\",\"branches\":[" branches "]}"

static const struct fault {
    const char *body;
    enum problem_type type;
    const char *field;
    const char *nearest; /* or limit, or setting */
} faults[] = {
    { "", PROBLEM_MALFORMED_JSON, "", "" },
    { "{\"mode\":\"saga\",}", PROBLEM_MALFORMED_JSON, "", "" },
    { "{\"unknown\":1,\"mode\":}", PROBLEM_MALFORMED_JSON, "", "" },
    { "{\"mode\":\"saga\",\"mode\":\"saga\"}", PROBLEM_MALFORMED_JSON, "", "" },
    { "[]", PROBLEM_WRONG_TYPE, "", "" },
    { "\"x\"", PROBLEM_WRONG_TYPE, "", "" },
    { "{}", PROBLEM_MISSING_FIELD, "mode", "" },
    { "{\"mode\":\"saga\"}", PROBLEM_MISSING_FIELD, "branches", "" },
    { "{\"mod\":\"saga\"}", PROBLEM_UNKNOWN_FIELD, "mod", "mode" },
    { "{\"mode\":\"saga\",\"branhces\":[]}", PROBLEM_UNKNOWN_FIELD, "branhces", "branches" },
    { "{\"mode\":\"saga\",\"zzz\":[]}", PROBLEM_UNKNOWN_FIELD, "zzz", "" },
    { "{\"mode\":\"sage\"}", PROBLEM_INVALID_VALUE, "mode", "saga" },
    { "{\"mode\":\"xa\",\"branches\":[]}", PROBLEM_NOT_AVAILABLE, "mode", "" },
    { "{\"mode\":\"xa\",\"datasources\":[\"a\"]}", PROBLEM_NOT_AVAILABLE, "datasources", "" },
    { "{\"mode\":1}", PROBLEM_WRONG_TYPE, "mode", "" },
    { "{\"mode\":null}", PROBLEM_WRONG_TYPE, "mode", "" },
    { "{\"mode\":\"saga\",\"branches\":{}}", PROBLEM_WRONG_TYPE, "branches", "" },
    { "{\"mode\":\"saga\",\"branches\":[]}", PROBLEM_INVALID_VALUE, "branches", "" },
    { "{\"gid\":\"\",\"mode\":\"saga\",\"branches\":[" B "]}", PROBLEM_INVALID_GID, "gid", "" },
    { "{\"gid\":\"a b\",\"mode\":\"saga\",\"branches\":[" B "]}", PROBLEM_INVALID_GID, "gid", "" },
    { "{\"gid\":\"a/b\",\"mode\":\"saga\",\"branches\":[" B "]}", PROBLEM_INVALID_GID, "gid", "" },
    { "{\"gid\":\"\\u0000\",\"mode\":\"saga\",\"branches\":[" B "]}", PROBLEM_INVALID_GID, "gid", "" },
    { "{\"gid\":\"..\",\"mode\":\"saga\",\"branches\":[" B "]}", PROBLEM_INVALID_GID, "gid", "" },
    { "{\"gid\":7,\"mode\":\"saga\",\"branches\":[" B "]}", PROBLEM_WRONG_TYPE, "gid", "" },
    { "{\"mode\":\"saga\",\"drive\":\"cleint\",\"branches\":[" B "]}", PROBLEM_INVALID_VALUE, "drive",
      "client" },
    { "{\"mode\":\"saga\",\"deadline\":\"2\",\"branches\":[" B "]}", PROBLEM_INVALID_VALUE, "deadline", "" },
    { "{\"mode\":\"saga\",\"deadline\":2,\"branches\":[" B "]}", PROBLEM_WRONG_TYPE, "deadline", "" },
    { "{\"mode\":\"saga\",\"deadline\":\"9ms\",\"branches\":[" B "]}", PROBLEM_OVER_LIMIT, "deadline",
      "10ms to 30d" },
    { "{\"mode\":\"saga\",\"deadline\":\"31d\",\"branches\":[" B "]}", PROBLEM_OVER_LIMIT, "deadline",
      "10ms to 30d" },
    { "{\"mode\":\"saga\",\"name\":\"a\\u0000\",\"branches\":[" B "]}", PROBLEM_INVALID_VALUE, "name", "" },
    { "{\"mode\":\"saga\",\"labels\":[],\"branches\":[" B "]}", PROBLEM_WRONG_TYPE, "labels", "" },
    { "{\"mode\":\"saga\",\"labels\":{\"order\":4711},\"branches\":[" B "]}", PROBLEM_WRONG_TYPE,
      "labels.order", "" },
    { "{\"mode\":\"saga\",\"labels\":{\"\":\"x\"},\"branches\":[" B "]}", PROBLEM_INVALID_VALUE, "labels",
      "" },
    { SAGA("1"), PROBLEM_WRONG_TYPE, "branches[0]", "" },
    { SAGA("{}"), PROBLEM_MISSING_FIELD, "branches[0].id", "" },
    { SAGA(B ",{\"id\":\"a\"}"), PROBLEM_MISSING_FIELD, "branches[1].action", "" },
    { SAGA(B "," B), PROBLEM_INVALID_VALUE, "branches[1].id", "" },
    { SAGA("{\"id\":\"\",\"action\":\"http://a\"}"), PROBLEM_INVALID_VALUE, "branches[0].id", "" },
    { SAGA("{\"id\":\"a b\",\"action\":\"http://a\"}"), PROBLEM_INVALID_VALUE, "branches[0].id", "" },
    { SAGA(B "," A(",\"compensat\":\"http://a\"")), PROBLEM_UNKNOWN_FIELD, "branches[1].compensat",
      "compensate" },
    { SAGA(A(",\"confirm\":\"http://a\"")), PROBLEM_INVALID_VALUE, "branches[0].confirm", "" },
    { SAGA(A(",\"cancel\":\"http://a\"")), PROBLEM_INVALID_VALUE, "branches[0].cancel", "" },
    { SAGA(A(",\"compensate\":7")), PROBLEM_WRONG_TYPE, "branches[0].compensate", "" },
    { SAGA(A(",\"compensate\":{}")), PROBLEM_MISSING_FIELD, "branches[0].compensate.url", "" },
    { SAGA(A(",\"compensate\":{\"url\":\"http://a\",\"timout\":\"1s\"}")), PROBLEM_UNKNOWN_FIELD,
      "branches[0].compensate.timout", "timeout" },
    { SAGA(A(",\"compensate\":{\"url\":\"http://a\",\"timeout\":\"9ms\"}")), PROBLEM_OVER_LIMIT,
      "branches[0].compensate.timeout", "10ms to 5m" },
    { SAGA(A(",\"compensate\":{\"url\":\"http://a\",\"timeout\":\"301s\"}")), PROBLEM_OVER_LIMIT,
      "branches[0].compensate.timeout", "10ms to 5m" },
    { SAGA(A(",\"compensate\":\"ftp://a\"")), PROBLEM_INVALID_VALUE, "branches[0].compensate", "" },
    { SAGA(A(",\"compensate\":\"http://evil/x\"")), PROBLEM_EGRESS_REFUSED, "branches[0].compensate",
      "egress.allow" },
    { SAGA(A(",\"compensate\":\"http://denied/x\"")), PROBLEM_EGRESS_REFUSED, "branches[0].compensate",
      "egress.deny" },
    { SAGA("{\"id\":\"a\",\"base\":\"http://evil/x\"}"), PROBLEM_EGRESS_REFUSED, "branches[0].base",
      "egress.allow" },
    { SAGA("{\"id\":\"a\",\"base\":\"http://a/x?y=1\"}"), PROBLEM_INVALID_VALUE, "branches[0].base", "" },
    { SAGA("{\"id\":\"a\",\"base\":\"\"}"), PROBLEM_INVALID_VALUE, "branches[0].base", "" },
    { SAGA(A(",\"after\":\"b\"")), PROBLEM_WRONG_TYPE, "branches[0].after", "" },
    { SAGA(A(",\"after\":[1]")), PROBLEM_WRONG_TYPE, "branches[0].after[0]", "" },
    { SAGA("{\"id\":\"hotel\",\"action\":\"http://h\"}," A(",\"after\":[\"hotle\"]")), PROBLEM_INVALID_ORDER,
      "branches[1].after[0]", "hotel" },
    { SAGA(B "," A(",\"after\":[\"b\",\"b\"]")), PROBLEM_INVALID_ORDER, "branches[1].after[1]", "" },
    { SAGA(A(",\"after\":[\"a\"]")), PROBLEM_INVALID_ORDER, "branches[0].after", "" },
    { SAGA(A(",\"after\":[\"b\"]") "," B), PROBLEM_INVALID_ORDER, "branches[1].after", "" },
    { SAGA(A(",\"pivot\":1")), PROBLEM_WRONG_TYPE, "branches[0].pivot", "" },
    { SAGA(A(",\"pivot\":true") ",{\"id\":\"c\",\"action\":\"http://c\",\"pivot\":true}"),
      PROBLEM_INVALID_ORDER, "branches[1].pivot", "" },
    { SAGA(A(",\"pivot\":true") ",{\"id\":\"c\",\"action\":\"http://c\",\"after\":[]}"),
      PROBLEM_INVALID_ORDER, "branches[1].after", "" },
    { TCC("{\"id\":\"a\",\"base\":\"http://a\",\"pivot\":true}"), PROBLEM_INVALID_VALUE, "branches[0].pivot",
      "" },
    { TCC("{\"id\":\"a\",\"try\":\"http://a\"}"), PROBLEM_MISSING_FIELD, "branches[0].confirm", "" },
    { TCC("{\"id\":\"a\",\"try\":\"http://a\",\"confirm\":\"http://a\"}"), PROBLEM_MISSING_FIELD,
      "branches[0].cancel", "" },
    { TCC("{\"id\":\"a\",\"try\":\"http://a\",\"confirm\":\"http://a\",\"cancel\":\"always\"}"),
      PROBLEM_MISSING_FIELD, "branches[0].cancel", "" },
    { TCC("{\"id\":\"a\",\"confirm\":\"http://a\",\"cancel\":\"http://a\"}"), PROBLEM_MISSING_FIELD,
      "branches[0].try", "" },
    { TCC(A("")), PROBLEM_INVALID_VALUE, "branches[0].action", "" },
    { "{\"mode\":\"tcc\",\"drive\":\"client\",\"branches\":[{\"id\":\"a\",\"try\":\"http://a\"}]}",
      PROBLEM_MISSING_FIELD, "branches[0].confirm", "" },
    { "{\"mode\":\"saga\",\"drive\":\"client\",\"branches\":[" A(",\"pivot\":true") "]}",
      PROBLEM_INVALID_VALUE, "branches[0].pivot", "" },
    { "{\"mode\":\"saga\",\"drive\":\"client\",\"branches\":[" B "," A(",\"body\":\"${b#/x}\"") "]}",
      PROBLEM_INVALID_VALUE, "branches[1].body", "" },
    { SAGA(A(",\"retry\":1")), PROBLEM_WRONG_TYPE, "branches[0].retry", "" },
    { SAGA(A(",\"retry\":{\"frist\":\"1s\"}")), PROBLEM_UNKNOWN_FIELD, "branches[0].retry.frist", "first" },
    { SAGA(A(",\"retry\":{\"first\":\"9ms\"}")), PROBLEM_OVER_LIMIT, "branches[0].retry.first",
      "10ms to 24h" },
    { SAGA(A(",\"retry\":{\"first\":\"1s\",\"max\":\"999ms\"}")), PROBLEM_INVALID_VALUE,
      "branches[0].retry.max", "" },
    { SAGA(A(",\"retry\":{\"factor\":0.99}")), PROBLEM_OVER_LIMIT, "branches[0].retry.factor", "1 to 100" },
    { SAGA(A(",\"retry\":{\"factor\":100.01}")), PROBLEM_OVER_LIMIT, "branches[0].retry.factor", "1 to 100" },
    { SAGA(A(",\"retry\":{\"factor\":-2}")), PROBLEM_INVALID_VALUE, "branches[0].retry.factor", "" },
    { SAGA(A(",\"retry\":{\"factor\":1e1}")), PROBLEM_INVALID_VALUE, "branches[0].retry.factor", "" },
    { SAGA(A(",\"retry\":{\"factor\":\"2\"}")), PROBLEM_WRONG_TYPE, "branches[0].retry.factor", "" },
    { SAGA(A(",\"retry\":{\"for\":\"0s\"}")), PROBLEM_OVER_LIMIT, "branches[0].retry.for", "1ms to 30d" },
    { SAGA(A(",\"retry\":{\"then\":\"rolback\"}")), PROBLEM_INVALID_VALUE, "branches[0].retry.then",
      "rollback" },
    { SAGA(B "," A(",\"body\":{\"x\":\"${zzz#/x}\"}")), PROBLEM_INVALID_ORDER, "branches[1].body", "" },
    { SAGA("{\"id\":\"hotel\",\"action\":\"http://h\"}," A(",\"body\":{\"x\":\"${hotl#/x}\"}")),
      PROBLEM_INVALID_ORDER, "branches[1].body", "hotel" },
    { SAGA(A(",\"body\":{\"x\":\"${b#/x}\"}") "," B), PROBLEM_INVALID_ORDER, "branches[0].body", "" },
    { SAGA(A(",\"body\":{\"x\":\"${a#/x}\"}")), PROBLEM_INVALID_ORDER, "branches[0].body", "" },
    { SAGA(B "," A(",\"after\":[],\"body\":{\"x\":\"${b#/x}\"}")), PROBLEM_INVALID_ORDER, "branches[1].body",
      "" },
    { SAGA(B "," A(",\"body\":\"${b}\"")), PROBLEM_INVALID_VALUE, "branches[1].body", "" },
    { SAGA(B "," A(",\"body\":\"${b#x}\"")), PROBLEM_INVALID_VALUE, "branches[1].body", "" },
    { SAGA(B "," A(",\"body\":{\"${b#/x}\":1}")), PROBLEM_INVALID_VALUE, "branches[1].body", "" },
};

static void every_fault_names_its_field(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct transaction_request q = { .mode = 77 };
        struct problem p;
        const struct fault *row = &faults[i];
        int failed = submission_decode(slice_text(row->body), &options, &arena, &q, &p);
        if (failed != ERR_INVALID)
            fail_msg("taken: %s", row->body);
        if (p.type != row->type || strcmp(p.field, row->field) != 0)
            fail_msg("%s\n told %s at \"%s\" (%s)", row->body, problem_row(p.type)->path, p.field,
                     p.detail.text);
        if (row->nearest[0] != '\0' && strcmp(p.nearest, row->nearest) != 0 &&
            strcmp(p.limit, row->nearest) != 0 && strcmp(p.setting, row->nearest) != 0)
            fail_msg("%s\n nearest \"%s\" limit \"%s\" setting \"%s\"", row->body, p.nearest, p.limit,
                     p.setting);
        if (row->nearest[0] == '\0')
            assert_string_equal(p.nearest, "");
        assert_true(p.detail.text[0] != '\0');
        assert_int_equal(q.mode, 77);
        arena_reset(&arena);
    }
}

static void places_are_told(void **state) {
    struct transaction_request q;
    struct problem p;
    (void)state;
    assert_int_equal(
        submission_decode(SLICE("{\"mode\":\"saga\",\n \"branches\": [1,\n}"), &options, &arena, &q, &p),
        ERR_INVALID);
    assert_int_equal(p.line, 3);
    assert_int_equal(p.column, 1);
    assert_int_equal(
        submission_decode(SLICE("{\"mode\":\"saga\",\n  \"deadline\": \"soon\",\"branches\":[]}"), &options,
                          &arena, &q, &p),
        ERR_INVALID);
    assert_int_equal(p.line, 2);
    assert_int_equal(p.column, 15);
    assert_string_equal(p.value, "\"soon\"");
}

static void add_many(const char *unit, size_t count) {
    for (size_t i = 0; i < count; i++)
        buffer_add_text(&text, unit);
}

static enum problem_type told(void) {
    struct transaction_request q;
    struct problem p = { .type = PROBLEM_COUNT };
    arena_reset(&arena);
    assert_int_equal(buffer_failed(&text), 0);
    return submission_decode(buffer_slice(&text), &options, &arena, &q, &p) == 0 ? PROBLEM_COUNT : p.type;
}

static enum problem_type with_text(const char *before, const char *unit, size_t count, const char *after) {
    buffer_clear(&text);
    buffer_add_text(&text, before);
    add_many(unit, count);
    buffer_add_text(&text, after);
    return told();
}

static enum problem_type with_branches(size_t count) {
    buffer_clear(&text);
    buffer_add_text(&text, "{\"mode\":\"tcc\",\"branches\":[");
    for (size_t i = 0; i < count; i++)
        buffer_add_format(&text, "%s{\"id\":\"b%zu\",\"base\":\"http://b\"}", i == 0 ? "" : ",", i);
    buffer_add_text(&text, "]}");
    return told();
}

static enum problem_type with_labels(size_t count) {
    buffer_clear(&text);
    buffer_add_text(&text, "{\"mode\":\"saga\",\"branches\":[" B "],\"labels\":{");
    for (size_t i = 0; i < count; i++)
        buffer_add_format(&text, "%s\"l%zu\":\"\"", i == 0 ? "" : ",", i);
    buffer_add_text(&text, "}}");
    return told();
}

static enum problem_type with_bodies(size_t branches, size_t bytes) {
    buffer_clear(&text);
    buffer_add_text(&text, "{\"mode\":\"tcc\",\"branches\":[");
    for (size_t i = 0; i < branches; i++) {
        buffer_add_format(&text, "%s{\"id\":\"b%zu\",\"base\":\"http://b\",\"body\":\"", i == 0 ? "" : ",",
                          i);
        add_many("x", bytes - 2);
        buffer_add_text(&text, "\"}");
    }
    buffer_add_text(&text, "]}");
    return told();
}

static void limits_hold(void **state) {
    static const char gid_end[] = "\",\"mode\":\"saga\",\"branches\":[" B "]}";
    static const char name[] = "{\"mode\":\"saga\",\"branches\":[" B "],\"name\":\"";
    static const char key[] = "{\"mode\":\"saga\",\"branches\":[" B "],\"labels\":{\"";
    static const char value[] = "{\"mode\":\"saga\",\"branches\":[" B "],\"labels\":{\"k\":\"";
    static const char url[] = "{\"mode\":\"saga\",\"branches\":[{\"id\":\"a\",\"action\":\"http://a/";
    static const char id[] = "{\"mode\":\"saga\",\"branches\":[{\"action\":\"http://a\",\"id\":\"";
    static const struct {
        const char *before;
        size_t most;
        const char *after;
        enum problem_type over;
    } rows[] = {
        { "{\"gid\":\"", LIMIT_GID_BYTES, gid_end, PROBLEM_INVALID_GID },
        { name, LIMIT_NAME_BYTES, "\"}", PROBLEM_OVER_LIMIT },
        { key, LIMIT_NAME_BYTES, "\":\"\"}}", PROBLEM_OVER_LIMIT },
        { value, LIMIT_LABEL_BYTES, "\"}}", PROBLEM_OVER_LIMIT },
        { url, LIMIT_URL_BYTES - 9, "\"}]}", PROBLEM_OVER_LIMIT },
        { id, LIMIT_BRANCH_ID_BYTES, "\"}]}", PROBLEM_OVER_LIMIT },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(with_text(rows[i].before, "x", rows[i].most, rows[i].after), PROBLEM_COUNT);
        assert_int_equal(with_text(rows[i].before, "x", rows[i].most + 1, rows[i].after), rows[i].over);
        assert_int_equal(with_text(rows[i].before, "x", rows[i].most * 10, rows[i].after), rows[i].over);
    }
    assert_int_equal(with_branches(LIMIT_BRANCHES), PROBLEM_COUNT);
    assert_int_equal(with_branches(LIMIT_BRANCHES + 1), PROBLEM_OVER_LIMIT);
    assert_int_equal(with_branches(LIMIT_BRANCHES * 10), PROBLEM_OVER_LIMIT);
    assert_int_equal(with_labels(LIMIT_LABELS), PROBLEM_COUNT);
    assert_int_equal(with_labels(LIMIT_LABELS + 1), PROBLEM_OVER_LIMIT);
    assert_int_equal(with_labels(LIMIT_LABELS * 10), PROBLEM_OVER_LIMIT);
    assert_int_equal(with_bodies(1, LIMIT_BRANCH_PAYLOAD_BYTES), PROBLEM_COUNT);
    assert_int_equal(with_bodies(1, LIMIT_BRANCH_PAYLOAD_BYTES + 1), PROBLEM_TOO_LARGE);
    assert_int_equal(with_bodies(1, LIMIT_BRANCH_PAYLOAD_BYTES * 10),
                     PROBLEM_MALFORMED_JSON); /* one string */
    assert_int_equal(with_bodies(16, LIMIT_BRANCH_PAYLOAD_BYTES), PROBLEM_COUNT);
    assert_int_equal(with_bodies(17, LIMIT_BRANCH_PAYLOAD_BYTES), PROBLEM_TOO_LARGE);
}

/* Each of these makes another request of the one below. */
static const char *const changes[][2] = {
    { "\"g\"", "\"h\"" },
    { "\"gid\":\"g\",", "" },
    { "\"n\"", "\"m\"" },
    { "\"a\":\"1\"", "\"a\":\"2\"" },
    { "\"a\":\"1\",", "" },
    { "\"60s\"", "\"61s\"" },
    { "\"deadline\":\"60s\",", "" },
    { "\"id\":\"x\"", "\"id\":\"w\"" },
    { "http://x", "http://xx" },
    { "http://y", "http://x" },
    { ",\"timeout\":\"1s\"", "" },
    { "\"timeout\":\"1s\"", "\"timeout\":\"5s\"" },
    { "{\"a\":1,\"b\":2}", "{\"a\":1, \"b\":2}" },
    { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}" },
    { ",\"body\":{\"a\":1,\"b\":2}", ",\"body\":null" },
    { ",\"body\":{\"a\":1,\"b\":2}", "" },
    { "\"after\":[\"x\"],", "\"after\":[]," },
    { "\"after\":[\"x\"],", "" },
    { "\"max\":\"2s\"", "\"max\":\"3s\"" },
    { ",\"max\":\"2s\"", "" },
    { ",\"retry\":{\"first\":\"1s\",\"max\":\"2s\"}", "" },
    { "\"id\":\"y\"", "\"id\":\"y\",\"pivot\":true" },
    { "\"id\":\"y\"", "\"id\":\"y\",\"cancel\":\"always\"" },
};

/* Two spellings of one request have one fingerprint, and nothing that matters may change without it. */
static void fingerprints(void **state) {
    static const char first[] = "{\"gid\":\"g\",\"mode\":\"saga\",\"name\":\"n\",\"labels\":{\"a\":\"1\","
                                "\"b\":\"2\"},\"deadline\":\"60s\",\"branches\":["
                                "{\"id\":\"x\",\"action\":\"http://x\",\"compensate\":{\"url\":\"http://"
                                "y\",\"timeout\":\"1s\"},\"body\":{\"a\":1,\"b\":2}},"
                                "{\"id\":\"y\",\"action\":\"http://"
                                "z\",\"after\":[\"x\"],\"retry\":{\"first\":\"1s\",\"max\":\"2s\"}}]}";
    static const char *const same[] = {
        first,
        " {\n\"branches\" : [ {\"body\": {\"a\":1,\"b\":2} "
        ",\"compensate\":{\"timeout\":\"1000ms\",\"url\":\"http://y\"},"
        "\"action\":{\"url\":\"http:\\/\\/x\"},\"id\":\"\\u0078\"}, "
        "{\"retry\":{\"max\":\"2s\",\"first\":\"1s\"},\"after\":[\"x\"],"
        "\"action\":\"http://"
        "z\",\"id\":\"y\"}],\"deadline\":\"1m\",\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"name\":\"n\",\"mode\":"
        "\"saga\","
        "\"drive\":\"server\",\"gid\":\"g\"}",
    };
    uint8_t prints[sizeof changes / sizeof changes[0] + 1][32];
    struct submission_options other = options;
    struct transaction_request q = taken(slice_text(same[1]));
    (void)state;
    memcpy(prints[0], taken(slice_text(same[0])).fingerprint, 32);
    assert_memory_equal(prints[0], q.fingerprint, 32);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        buffer_clear(&text);
        const char *at = strstr(first, changes[i][0]);
        assert_non_null(at);
        buffer_add(&text, first, (size_t)(at - first));
        buffer_add_text(&text, changes[i][1]);
        buffer_add_text(&text, at + strlen(changes[i][0]));
        if (i == 7) { /* the id changed, so does who waits for it */
            char *after = strstr(text.at, "[\"x\"]");
            after[2] = 'w';
        }
        memcpy(prints[i + 1], taken(buffer_slice(&text)).fingerprint, 32);
        for (size_t j = 0; j <= i; j++)
            assert_memory_not_equal(prints[i + 1], prints[j], 32);
    }
    other.deadline_ms = 1;
    other.call_timeout_ms = 77;
    other.retry.first_ms = 5;
    struct problem p;
    assert_int_equal(submission_decode(slice_text(first), &other, &arena, &q, &p), 0);
    assert_memory_equal(prints[0], q.fingerprint, 32);
    other.namespace_name = SLICE("other");
    assert_int_equal(submission_decode(slice_text(first), &other, &arena, &q, &p), 0);
    assert_memory_not_equal(prints[0], q.fingerprint, 32);
}

static void gids(void **state) {
    uint8_t random[16] = { 0, 1, 2, 0xff, 0x10 };
    struct slice gid;
    struct slice again;
    (void)state;
    assert_int_equal(submission_fresh_name(STORED_TRANSACTION, random, &arena, &gid), 0);
    assert_true(slice_is(gid, "tx_000102ff100000000000000000000000"));
    assert_int_equal(submission_key_name(STORED_TRANSACTION, SLICE("default"), SLICE("k1"), &arena, &gid), 0);
    assert_int_equal(submission_key_name(STORED_TRANSACTION, SLICE("default"), SLICE("k1"), &arena, &again),
                     0);
    assert_true(slice_equal(gid, again));
    assert_true(submission_is_gid(gid));
    assert_int_equal(submission_key_name(STORED_TRANSACTION, SLICE("default"), SLICE("k2"), &arena, &again),
                     0);
    assert_false(slice_equal(gid, again));
    assert_int_equal(submission_key_name(STORED_TRANSACTION, SLICE("defaultk"), SLICE("1"), &arena, &again),
                     0);
    assert_false(slice_equal(gid, again));
    assert_true(submission_is_gid(SLICE("a.b_c:d-E9")));
    assert_false(submission_is_gid(SLICE("")));
    assert_false(submission_is_gid(SLICE(".")));
    assert_true(submission_is_gid(SLICE("...")));
}

static void a_branch_joins(void **state) {
    struct branch existing[2] = { { .id = SLICE("first") }, { .id = SLICE("second") } };
    struct transaction t = {
        .mode = MODE_TCC, .drive = DRIVE_CLIENT, .gid = SLICE("g"), .branches = existing, .branch_count = 2
    };
    struct branch_request q;
    struct problem p;
    uint8_t print[32];
    uint8_t again[32];
    (void)state;
    struct slice third =
        SLICE("{\"id\":\"third\",\"base\":\"http://t\",\"body\":{\"a\": 1},\"after\":[\"second\"]}");
    assert_int_equal(submission_decode_branch(third, &options, &t, &arena, &q, print, &p), 0);
    assert_true(slice_is(q.id, "third"));
    assert_int_equal(q.after_count, 1);
    assert_int_equal(q.after[0], 1);
    assert_true(slice_is(q.body, "{\"a\": 1}"));
    assert_true(slice_is(q.to[ROLE_CONFIRM].url, "http://t/confirm"));
    assert_int_equal(submission_decode_branch(third, &options, &t, &arena, &q, again, &p), 0);
    assert_memory_equal(print, again, 32);
    t.mode = MODE_SAGA;
    assert_int_equal(
        submission_decode_branch(SLICE("{\"id\":\"third\"}"), &options, &t, &arena, &q, print, &p), 0);
    assert_int_equal(q.after[0], 1);
    assert_int_equal(submission_decode_branch(SLICE("{\"id\":\"second\",\"compensate\":\"http://s\"}"),
                                              &options, &t, &arena, &q, print, &p),
                     0);
    assert_int_equal(q.after_count, 1);
    assert_int_equal(q.after[0], 0);
    assert_int_equal(
        submission_decode_branch(SLICE("{\"id\":\"first\"}"), &options, &t, &arena, &q, print, &p), 0);
    assert_int_equal(q.after_count, 0);
    static const char *const refused[][2] = {
        { "{\"id\":\"x\",\"after\":[\"secnd\"]}", "after[0]" },
        { "{\"id\":\"first\",\"after\":[\"second\"]}", "after[0]" },
        { "{\"id\":\"x\",\"after\":[\"x\"]}", "after[0]" },
        { "{\"id\":\"x\",\"pivot\":true}", "pivot" },
        { "{\"id\":\"x\",\"body\":\"${first#/a}\"}", "body" },
        { "{\"id\":\"x\",\"mode\":\"saga\"}", "mode" },
        { "{\"id\":\"x\",\"compensate\":\"http://evil\"}", "compensate" },
        { "[]", "" },
        { "{", "" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(
            submission_decode_branch(slice_text(refused[i][0]), &options, &t, &arena, &q, print, &p),
            ERR_INVALID);
        assert_string_equal(p.field, refused[i][1]);
    }
}

/* A thousand branches may join one by one, the next one not; whoever was there already may say so again. */
static void no_more_join_than_may_be_submitted(void **state) {
    static char ids[LIMIT_BRANCHES][8];
    static struct branch existing[LIMIT_BRANCHES];
    struct transaction t = { .mode = MODE_TCC,
                             .drive = DRIVE_CLIENT,
                             .status = STATUS_ACTIVE,
                             .gid = SLICE("g"),
                             .branches = existing };
    struct slice next = SLICE("{\"id\":\"next\",\"base\":\"http://t\"}");
    struct branch_request q;
    struct problem p;
    uint8_t print[32];
    (void)state;
    for (int i = 0; i < LIMIT_BRANCHES; i++) {
        snprintf(ids[i], sizeof ids[i], "b%d", i);
        existing[i].id = slice_text(ids[i]);
    }
    t.branch_count = LIMIT_BRANCHES - 1;
    assert_int_equal(submission_decode_branch(next, &options, &t, &arena, &q, print, &p), 0);
    t.branch_count = LIMIT_BRANCHES;
    assert_int_equal(submission_decode_branch(next, &options, &t, &arena, &q, print, &p), ERR_INVALID);
    assert_int_equal(p.type, PROBLEM_OVER_LIMIT);
    assert_string_equal(p.limit, "1000");
    assert_int_equal(submission_decode_branch(SLICE("{\"id\":\"b7\",\"base\":\"http://t\"}"), &options, &t,
                                              &arena, &q, print, &p),
                     0);
    t.status = STATUS_COMMITTING;
    assert_int_equal(submission_decode_branch(next, &options, &t, &arena, &q, print, &p), 0);
}

/* With every arena too small by a little, the answer is "no memory", never a crash. */
static void memory_may_be_short(void **state) {
    struct slice body =
        SLICE("{\"mode\":\"tcc\",\"labels\":{\"\\u0061\":\"\\u0062\"},\"branches\":[{\"id\":\"\\u0061\","
              "\"base\":\"http://a\"},"
              "{\"id\":\"b\",\"base\":\"http://b\",\"after\":[\"a\"],\"body\":\"${a#/x}\"}]}");
    (void)state;
    (void)taken(body);
    size_t needed = arena.used;
    for (size_t max = 16; max < needed; max += 16) {
        struct arena small;
        struct transaction_request q;
        struct problem p;
        arena_init(&small, 64, max);
        assert_int_equal(submission_decode(body, &options, &small, &q, &p), ERR_MEMORY);
        assert_int_equal(p.type, PROBLEM_BUSY);
        arena_done(&small);
    }
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_saga_of_the_manual),
        TEST(the_tcc_of_the_manual),
        TEST(defaults_and_order),
        TEST(every_fault_names_its_field),
        TEST(places_are_told),
        TEST(limits_hold),
        TEST(fingerprints),
        TEST(gids),
        TEST(a_branch_joins),
        TEST(memory_may_be_short),
        TEST(no_more_join_than_may_be_submitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
