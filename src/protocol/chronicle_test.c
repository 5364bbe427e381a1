#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "protocol/chronicle.h"

#define T0 UINT64_C(1767780000000) /* 2026-01-07T10:00:00Z */

/* A transaction that lives by its records. */
struct life {
    struct memory memory;
    struct arena scratch;
    struct transaction t;
    struct buffer text;
};

static void put(struct life *l, struct record r) {
    struct buffer bytes;
    buffer_init(&bytes, 1 << 16);
    r.at_ms = T0 + l->t.seq;
    record_encode(&bytes, &r);
    arena_reset(&l->scratch);
    assert_int_equal(transaction_apply(&l->t, buffer_slice(&bytes), &l->scratch), 0);
    buffer_done(&bytes);
}

static struct endpoint calls(const char *url) {
    return (struct endpoint){ .url = slice_text(url), .timeout_ms = 1000 };
}

static int begin(void **state) {
    static struct life life;
    static struct branch_request branches[2];
    static struct transaction_request request;
    branches[0] = (struct branch_request){ .id = SLICE("stock"), .retry = { 100, 200, 1000, 0, 0 } };
    branches[1] = (struct branch_request){ .id = SLICE("points"), .retry = { 100, 200, 1000, 0, 0 } };
    for (size_t i = 0; i < 2; i++)
        for (int role = 0; role < ROLE_COUNT; role++)
            branches[i].to[role] = calls("http://x");
    request = (struct transaction_request){ .namespace_name = SLICE("default"),
                                            .gid = SLICE("g"),
                                            .mode = MODE_TCC,
                                            .drive = DRIVE_CLIENT,
                                            .name = SLICE("shop"),
                                            .deadline_ms = 1000,
                                            .branches = branches,
                                            .branch_count = 1,
                                            .principal = SLICE("ci") };
    memory_init(&life.memory, 1 << 20);
    arena_init(&life.scratch, 4096, 1 << 20);
    buffer_init(&life.text, 1 << 20);
    transaction_init(&life.t, &life.memory);
    put(&life,
        (struct record){ .kind = RECORD_CREATED, .id = 42, .until_ms = T0 + 1000, .request = &request });
    put(&life, (struct record){ .kind = RECORD_BRANCH, .added = &branches[1] });
    *state = &life;
    return 0;
}

static int end(void **state) {
    struct life *l = *state;
    transaction_done(&l->t);
    arena_done(&l->scratch);
    buffer_done(&l->text);
    memory_done(&l->memory);
    return 0;
}

struct expected {
    const char *event;
    unsigned ms; /* behind T0 */
    unsigned seq;
    const char *rest; /* its other members, with ' for " */
};

static void add_quoted(struct buffer *to, const char *quoted) {
    for (const char *at = quoted; *at != '\0'; at++)
        buffer_add_byte(to, *at == '\'' ? '"' : *at);
}

static void expect_list(struct life *l, uint32_t after, uint32_t max, const struct expected *rows,
                        size_t count, const char *next) {
    struct json_writer w;
    struct json_value root;
    struct buffer expected;
    buffer_clear(&l->text);
    buffer_init(&expected, 1 << 16);
    add_quoted(&expected, "{'gid':'g','items':[");
    for (size_t i = 0; i < count; i++) {
        buffer_add_format(
            &expected, "%s{\"event\":\"%s\",\"gid\":\"g\",\"at\":\"2026-01-07T10:00:00.%03uZ\",\"seq\":%u,",
            i == 0 ? "" : ",", rows[i].event, rows[i].ms, rows[i].seq);
        add_quoted(&expected, rows[i].rest);
        buffer_add_byte(&expected, '}');
    }
    buffer_add_format(&expected, "],\"next\":%s}", next);
    json_writer_init(&w, &l->text);
    assert_int_equal(chronicle_list(&w, &l->t, after, max, &l->scratch), 0);
    assert_int_equal(json_check(buffer_slice(&l->text), &root, NULL), 0);
    if (!slice_equal(buffer_slice(&l->text), buffer_slice(&expected)))
        fail_msg("%.*s\n expected\n%.*s", SLICE_PRINT(buffer_slice(&l->text)),
                 SLICE_PRINT(buffer_slice(&expected)));
    buffer_done(&expected);
}

static struct record by_hand(uint8_t kind, uint8_t flags, const char *reason) {
    return (struct record){ .kind = kind,
                            .branch = 1,
                            .role = ROLE_CONFIRM,
                            .flags = flags,
                            .next_ms = kind == RECORD_NUDGED ? T0 + 7 : 0,
                            .who = SLICE("op"),
                            .text = slice_text(reason) };
}

#define CREATED                                                                                            \
    {                                                                                                      \
        "tx.created", 0, 1,                                                                                \
            "'status':'active','mode':'tcc','name':'shop','by':'ci','deadline':'2026-01-07T10:00:01.000Z'" \
    }
#define JOINED \
    { "tx.op", 1, 2, "'branch':'points','op':'try','state':'pending'" }
#define CONFIRM "'branch':'points','op':'confirm',"

static const struct expected troubled[] = {
    CREATED,
    JOINED,
    { "tx.decision", 2, 3, "'decision':'commit','cause':'client','by':'ci'" },
    { "tx.status", 2, 3, "'status':'committing'" },
    { "tx.op", 3, 4, CONFIRM "'attempt':1,'state':'running'" },
    { "tx.attempt", 4, 5,
      CONFIRM "'attempt':1,'state':'retrying','verdict':'refused','http':409,'took':'9ms',"
              "'detail':'user closed','next_try':'2026-01-07T10:00:00.500Z'" },
    { "tx.attention", 4, 5,
      CONFIRM "'attention':true,'attempts':1,'http':409,'detail':'user closed',"
              "'next_try':'2026-01-07T10:00:00.500Z'" },
    { "tx.status", 5, 6, "'suspended':true,'act':'suspend','by':'op','detail':'wait'" },
    { "tx.status", 6, 7, "'suspended':false,'act':'resume','by':'op'" },
    { "tx.op", 7, 8,
      CONFIRM "'state':'retrying','next_try':'2026-01-07T10:00:00.007Z','act':'retry','by':'op'" },
    { "tx.op", 8, 9,
      CONFIRM "'state':'resolved','as':'refused','act':'resolve','by':'op','detail':'ticket 881'" },
    { "tx.status", 9, 10, "'status':'heuristic_mixed'" },
};

static void a_life_with_trouble(void **state) {
    struct life *l = *state;
    size_t count = sizeof troubled / sizeof troubled[0];
    struct record refused = by_hand(RECORD_OUTCOME, RECORD_FLAG_ATTENTION, "user closed");
    refused.attempt = 1;
    refused.verdict = VERDICT_REFUSED;
    refused.http = 409;
    refused.took_ms = 9;
    refused.next_ms = T0 + 500;
    put(l,
        (struct record){
            .kind = RECORD_DECIDED, .decision = DECISION_COMMIT, .cause = CAUSE_CLIENT, .who = SLICE("ci") });
    put(l, (struct record){ .kind = RECORD_ALLOWED, .branch = 1, .role = ROLE_CONFIRM, .attempt = 1 });
    put(l, refused);
    put(l, by_hand(RECORD_SUSPENDED, 0, "wait"));
    put(l, by_hand(RECORD_RESUMED, 0, ""));
    put(l, by_hand(RECORD_NUDGED, 0, ""));
    put(l, by_hand(RECORD_RESOLVED, RECORD_FLAG_NOT_DONE, "ticket 881"));
    put(l, (struct record){ .kind = RECORD_FINISHED, .status = STATUS_HEURISTIC_MIXED });
    expect_list(l, 0, 2, troubled, 2, "2");
    expect_list(l, 0, 10, troubled, count, "null");
    expect_list(l, 0, 0, troubled, count, "null");
    expect_list(l, 9, 0, troubled + count - 1, 1, "null");
    expect_list(l, 10, 0, NULL, 0, "null");
    expect_list(l, UINT32_MAX, 1, NULL, 0, "null");
}

static void a_refusal_and_a_force(void **state) {
    static const struct expected rows[] = {
        { "tx.decision", 2, 3, "'decision':'rollback','cause':'deadline'" },
        { "tx.status", 2, 3, "'status':'rolling_back'" },
        { "tx.op", 3, 4, "'branch':'stock','op':'cancel','attempt':1,'state':'running'" },
        { "tx.attempt", 4, 5,
          "'branch':'stock','op':'cancel','attempt':1,'state':'done','verdict':'done','http':200,'took':'"
          "3ms'" },
        { "tx.status", 5, 6, "'status':'heuristic_rollback','act':'force','by':'boss','detail':'now'" },
    };
    struct life *l = *state;
    put(l, (struct record){ .kind = RECORD_DECIDED, .decision = DECISION_ROLLBACK, .cause = CAUSE_DEADLINE });
    put(l, (struct record){ .kind = RECORD_ALLOWED, .branch = 0, .role = ROLE_BACKWARD, .attempt = 1 });
    put(l, (struct record){ .kind = RECORD_OUTCOME,
                            .branch = 0,
                            .role = ROLE_BACKWARD,
                            .attempt = 1,
                            .verdict = VERDICT_DONE,
                            .http = 200,
                            .took_ms = 3,
                            .text = SLICE("not for the timeline") });
    put(l, (struct record){ .kind = RECORD_FORCED,
                            .status = STATUS_HEURISTIC_ROLLBACK,
                            .who = SLICE("boss"),
                            .text = SLICE("now") });
    expect_list(l, 2, 0, rows, sizeof rows / sizeof rows[0], "null");
}

/* Each event has a name, and counting and naming agree. */
static void every_kind_is_shown(void **state) {
    static const char *const names[] = { "tx.created",  "tx.status",    "tx.op",  "tx.attempt",
                                         "tx.decision", "tx.attention", "tx.sent" };
    static const char *const of_notices[] = { "ntf.created", "ntf.status",    "ntf.op",  "ntf.attempt",
                                              "ntf.status",  "ntf.attention", "ntf.sent" };
    (void)state;
    for (uint8_t kind = 1; kind < RECORD_KIND_END; kind++)
        for (uint8_t flags = 0; flags < 4; flags++) {
            struct transaction t = { .mode = flags < 2 ? MODE_SAGA : MODE_NOTICE };
            struct record r = { .kind = kind, .flags = flags & 1 };
            size_t count = chronicle_count(&t, &r);
            assert_true(count <= CHRONICLE_EVENTS_MAX);
            assert_int_equal(count == 0,
                             kind == RECORD_FILLED || (kind == RECORD_DECIDED && t.mode == MODE_NOTICE));
            for (size_t i = 0; i < count; i++) {
                bool known = false;
                for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
                    known = known ||
                            strcmp(chronicle_event(&t, &r, i), flags < 2 ? names[j] : of_notices[j]) == 0;
                assert_true(known);
            }
        }
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_life_with_trouble),
        TEST(a_refusal_and_a_force),
        TEST(every_kind_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
