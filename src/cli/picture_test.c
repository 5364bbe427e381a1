/* The timeline drawn from the API's documents: what runs side by side, what went wrong, where settled was
 * gone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/glyph.h"
#include "cli/letter.h"
#include "cli/picture.h"
#include "cli/view.h"

#define NOW_MS 1767780060000 /* 2026-01-07T10:01:00Z */

static char drawn[16384];

static struct json_value checked(const char *text) {
    struct json_value root;
    assert_int_equal(json_check(slice_text(text), &root, NULL), 0);
    return root;
}

static const char *draw(const char *transaction, const char *events, size_t width) {
    struct buffer b;
    buffer_init(&b, sizeof drawn);
    picture_draw_values(&b, checked(transaction), checked(events), NULL, 0, width, false, NOW_MS);
    buffer_add_byte(&b, '\0');
    assert_false(buffer_failed(&b));
    memcpy(drawn, b.at, b.length);
    buffer_done(&b);
    return drawn;
}

/* Documents read better one event to a line. */
/* clang-format off */
#define AT(ms) "\"gid\":\"g\",\"at\":\"2026-01-07T10:00:00." ms "Z\","
#define RUN(ms, branch, op) \
    "{\"event\":\"tx.op\"," AT(ms) "\"branch\":\"" branch "\",\"op\":\"" op "\",\"attempt\":1,\"state\":\"running\"}"
#define END(ms, branch, op, attempt, rest) \
    "{\"event\":\"tx.attempt\"," AT(ms) "\"branch\":\"" branch "\",\"op\":\"" op "\",\"attempt\":" attempt "," rest "}"
#define DONE "\"state\":\"done\",\"verdict\":\"done\",\"http\":200,\"took\":\"6ms\""

static const char order[] =
    "{\"gid\":\"order-4711\",\"mode\":\"tcc\",\"status\":\"committed\",\"labels\":{\"order\":\"4711\"},"
    "\"created\":\"2026-01-07T10:00:00.000Z\",\"took\":\"31ms\",\"attention\":null,\"reason\":null}";
static const char order_events[] =
    "{\"gid\":\"order-4711\",\"items\":["
    "{\"event\":\"tx.created\"," AT("000") "\"status\":\"active\",\"by\":\"shop-api\"},"
    RUN("002", "order", "try") ","
    RUN("002", "stock", "try") ","
    END("008", "stock", "try", "1", DONE) ","
    END("009", "order", "try", "1", DONE) ","
    "{\"event\":\"tx.decision\"," AT("012") "\"decision\":\"commit\",\"cause\":\"all-done\"},"
    "{\"event\":\"tx.status\"," AT("012") "\"status\":\"committing\"},"
    RUN("013", "order", "confirm") ","
    RUN("013", "stock", "confirm") ","
    END("014", "stock", "confirm", "1",
        "\"state\":\"retrying\",\"verdict\":\"unknown\",\"took\":\"1ms\",\"detail\":\"connection reset\"") ","
    END("019", "order", "confirm", "1", DONE) ","
    END("030", "stock", "confirm", "2", DONE) ","
    "{\"event\":\"tx.status\"," AT("031") "\"status\":\"committed\"}],\"next\":null}";

static const char trip[] =
    "{\"gid\":\"trip-77\",\"mode\":\"saga\",\"status\":\"rolled_back\",\"name\":\"book-trip\","
    "\"created\":\"2026-01-07T10:00:00Z\",\"finished\":\"2026-01-07T10:00:01.5Z\","
    "\"reason\":{\"branch\":\"hotel\",\"op\":\"action\",\"attempt\":1,\"http\":409,\"detail\":\"{\\\"error\\\":\\\"no rooms\\\"}\"}}";
static const char trip_events[] =
    "{\"items\":["
    "{\"event\":\"tx.created\"," AT("000") "\"status\":\"active\"},"
    RUN("001", "car", "action") ","
    END("005", "car", "action", "1", DONE) ","
    RUN("005", "hotel", "action") ","
    END("009", "hotel", "action", "1",
        "\"state\":\"refused\",\"verdict\":\"refused\",\"http\":409,\"took\":\"3ms\",\"detail\":\"no rooms\"") ","
    "{\"event\":\"tx.decision\"," AT("009") "\"decision\":\"rollback\",\"cause\":\"refused\","
    "\"branch\":\"hotel\",\"op\":\"action\",\"detail\":\"no rooms\"},"
    RUN("010", "car", "compensate") ","
    END("014", "car", "compensate", "1", DONE) ","
    "{\"event\":\"tx.status\"," AT("015") "\"status\":\"rolled_back\"}]}";

static const char crashed[] =
    "{\"gid\":\"g\",\"mode\":\"tcc\",\"status\":\"committed\",\"created\":\"2026-01-07T10:00:00Z\",\"took\":\"900ms\"}";
static const char crashed_events[] =
    "{\"items\":["
    RUN("010", "stock", "confirm") ","
    RUN("010", "points", "confirm") ","
    END("800", "stock", "confirm", "1", "\"state\":\"retrying\",\"verdict\":\"interrupted\",\"took\":\"0ms\"") ","
    END("800", "points", "confirm", "1", "\"state\":\"retrying\",\"verdict\":\"interrupted\",\"took\":\"0ms\"") ","
    END("810", "stock", "confirm", "2", DONE) ","
    END("810", "points", "confirm", "2", DONE) "]}";

static const char stuck[] =
    "{\"gid\":\"g\",\"mode\":\"saga\",\"status\":\"committing\",\"suspended\":true,\"created\":\"2026-01-07T10:00:00Z\","
    "\"attention\":{\"why\":\"points refused to confirm: user closed\",\"branch\":\"points\",\"op\":\"confirm\","
    "\"since\":\"2026-01-07T10:00:01Z\",\"next_try\":\"2026-01-07T10:02:00Z\"}}";
static const char stuck_events[] =
    "["
    RUN("001", "points", "confirm") ","
    END("002", "points", "confirm", "1",
        "\"state\":\"retrying\",\"verdict\":\"refused\",\"http\":409,\"took\":\"1ms\","
        "\"detail\":\"user closed\\u001b[2J\",\"next_try\":\"2026-01-07T10:02:00Z\"") ","
    "{\"event\":\"tx.status\"," AT("500") "\"suspended\":true,\"act\":\"suspend\",\"by\":\"ann\",\"detail\":\"down\"}]";
/* clang-format on */

static void side_by_side_shares_a_line(void **state) {
    (void)state;
    assert_string_equal(draw(order, order_events, 0),
                        "order-4711  tcc  committed  31 ms   label order=4711\n"
                        "    0 ms   begin          by shop-api\n"
                        "    2 ms   ├ order.try ✔ 200  6 ms   └ stock.try ✔ 200  6 ms\n"
                        "   12 ms   decision COMMIT  all-done\n"
                        "   13 ms   ├ order.confirm ✔ 200  6 ms   └ stock.confirm ✔ 200  6 ms (2nd try; 1st: "
                        "connection reset)\n"
                        "   31 ms   committed\n");
    assert_string_equal(draw(order, order_events, 59),
                        "order-4711  tcc  committed  31 ms   label order=4711\n"
                        "    0 ms   begin          by shop-api\n"
                        "    2 ms   ├ order.try ✔ 200  6 ms\n"
                        "           └ stock.try ✔ 200  6 ms\n"
                        "   12 ms   decision COMMIT  all-done\n"
                        "   13 ms   ├ order.confirm ✔ 200  6 ms\n"
                        "           └ stock.confirm ✔ 200  6 ms (2nd try; 1st: connection reset)\n"
                        "   31 ms   committed\n");
}

static void one_after_another_stands_below(void **state) {
    (void)state;
    assert_string_equal(draw(trip, trip_events, 0),
                        "trip-77  saga  rolled_back  1.50 s   book-trip\n"
                        "    0 ms   begin\n"
                        "    1 ms   car.action ✔ 200  6 ms\n"
                        "    5 ms   hotel.action ✘ 409  3 ms  \"no rooms\"\n"
                        "    9 ms   decision ROLLBACK  refused  hotel.action: no rooms\n"
                        "   10 ms   car.compensate ✔ 200  6 ms\n"
                        "   15 ms   rolled_back\n"
                        "  because hotel.action: HTTP 409, no rooms\n");
}

static void a_crash_shows_as_a_gap(void **state) {
    (void)state;
    assert_string_equal(
        draw(crashed, crashed_events, 0),
        "g  tcc  committed  900 ms\n"
        "   10 ms   ├ stock.confirm ⚡   └ points.confirm ⚡\n"
        "  800 ms   ┄┄┄ settled was gone for 790 ms, then took up where the log ends ┄┄┄\n"
        "  804 ms   ├ stock.confirm ✔ 200  6 ms (2nd try)   └ points.confirm ✔ 200  6 ms (2nd try)\n");
}

static void what_is_owed_and_by_hand_is_told(void **state) {
    (void)state;
    assert_string_equal(draw(stuck, stuck_events, 0),
                        "g  saga  committing (suspended)  1 m 00 s\n"
                        "    1 ms   points.confirm ✘ 409  1 ms  \"user closed?[2J\"  again in 1m\n"
                        "  500 ms   suspend  by ann  \"down\"\n"
                        "  needs attention: points refused to confirm: user closed · paused\n");
}

/* clang-format off */
static const char letter[] =
    "{\"id\":\"pay-88\",\"status\":\"committed\",\"topic\":\"payment.done\",\"key\":\"u9\","
    "\"created\":\"2026-01-07T10:00:00.000Z\",\"finished\":null,"
    "\"attention\":{\"why\":\"mail refused it\",\"next_try\":null},\"deliveries\":["
    "{\"id\":\"pay-88~ledger\",\"subscription\":\"ledger\",\"status\":\"acked\"},"
    "{\"id\":\"pay-88~audit\",\"subscription\":\"audit\",\"status\":\"delivering\"}]}";
#define OF(ms, name) \
    "\"id\":\"pay-88~" name "\",\"message\":\"pay-88\",\"subscription\":\"" name "\",\"at\":\"2026-01-07T10:00:00." ms "Z\","
#define MSG(ms) "\"id\":\"pay-88\",\"at\":\"2026-01-07T10:00:00." ms "Z\","
static const char letter_events[] =
    "{\"id\":\"pay-88\",\"items\":["
    "{\"event\":\"msg.created\"," MSG("000") "\"status\":\"half\",\"topic\":\"payment.done\",\"by\":\"pay\"},"
    "{\"event\":\"msg.op\"," MSG("002") "\"op\":\"check\",\"attempt\":1,\"state\":\"running\"},"
    "{\"event\":\"msg.attempt\"," MSG("004") "\"op\":\"check\",\"attempt\":1,\"state\":\"done\",\"verdict\":\"done\","
        "\"http\":200,\"took\":\"2ms\"},"
    "{\"event\":\"msg.decision\"," MSG("004") "\"decision\":\"commit\",\"cause\":\"check\"},"
    "{\"event\":\"msg.status\"," MSG("004") "\"status\":\"committed\"},"
    "{\"event\":\"delivery.created\"," OF("004", "ledger") "\"state\":\"pending\"},"
    "{\"event\":\"delivery.created\"," OF("004", "mail") "\"state\":\"pending\"},"
    "{\"event\":\"delivery.created\"," OF("004", "audit") "\"state\":\"pending\"},"
    "{\"event\":\"delivery.attempt\"," OF("007", "mail") "\"attempt\":1,\"state\":\"dead\",\"verdict\":\"refused\","
        "\"http\":409,\"took\":\"3ms\",\"detail\":\"no address\"},"
    "{\"event\":\"delivery.attempt\"," OF("007", "ledger") "\"attempt\":1,\"state\":\"retrying\",\"verdict\":\"unknown\","
        "\"took\":\"3ms\",\"detail\":\"connection reset\"},"
    "{\"event\":\"delivery.attempt\"," OF("009", "ledger") "\"attempt\":2,\"state\":\"acked\",\"verdict\":\"done\","
        "\"http\":200,\"took\":\"1ms\"},"
    "{\"event\":\"delivery.op\"," OF("020", "mail") "\"state\":\"discarded\",\"act\":\"discard\",\"by\":\"ann\","
        "\"detail\":\"called\"}]}";
/* clang-format on */

static void a_message_shows_its_deliveries_as_lanes(void **state) {
    (void)state;
    assert_string_equal(draw(letter, letter_events, 0),
                        "pay-88  message  committed  1 m 00 s   topic payment.done   key u9\n"
                        "    0 ms   half           by pay\n"
                        "    2 ms   check ✔ 200  2 ms\n"
                        "    4 ms   decision COMMIT  check\n"
                        "    4 ms   ├ ledger ✔ acked 200  1 ms (2nd try; 1st: connection reset)   ├ mail ✂ "
                        "discarded 409  3 ms  "
                        "\"no address\"   └ audit … delivering\n"
                        "   20 ms   discard mail  by ann  \"called\"\n"
                        "  needs attention: mail refused it\n");
}

/* The delivery that was under way when settled was killed is neither done nor refused. */
static void a_crash_shows_in_a_message_too(void **state) {
    (void)state;
    assert_string_equal(
        draw("{\"id\":\"pay-88\",\"status\":\"committed\",\"topic\":\"t\",\"created\":\"2026-01-07T10:00:00."
             "000Z\","
             "\"finished\":\"2026-01-07T10:00:00.801Z\",\"deliveries\":[]}",
             "{\"items\":[{\"event\":\"msg.created\"," MSG(
                 "000") "\"status\":\"committed\",\"by\":\"pay\"},"
                        "{\"event\":\"delivery.created\"," OF(
                            "001", "mail") "\"state\":\"pending\"},"
                                           "{\"event\":\"delivery.attempt\"," OF(
                                               "800", "mail") "\"attempt\":1,\"state\":\"retrying\","
                                                              "\"verdict\":\"interrupted\",\"took\":\"0s\"},"
                                                              "{\"event\":\"delivery.attempt\"," OF(
                                                                  "801",
                                                                  "mail") "\"attempt\":2,\"state\":\"acked\","
                                                                          "\"verdict\":\"done\",\"http\":200,"
                                                                          "\"took\":\"1ms\"}]}",
             0),
        "pay-88  message  committed  801 ms   topic t\n"
        "    0 ms   begin          by pay\n"
        "    1 ms   mail ⚡\n"
        "  800 ms   ┄┄┄ settled was gone for 799 ms, then took up where the log ends ┄┄┄\n"
        "  800 ms   mail ✔ acked 200  1 ms (2nd try)\n");
}

static void a_notification_shows_its_attempts(void **state) {
    (void)state;
    assert_string_equal(
        draw("{\"id\":\"n2\",\"status\":\"gave_up\",\"endpoint\":\"crm\",\"event\":\"order.paid\",\"ref\":"
             "\"4711\","
             "\"created\":\"2026-01-07T10:00:00.000Z\",\"finished\":\"2026-01-07T10:00:01.000Z\","
             "\"reason\":{\"why\":\"exhausted\"}}",
             "[{\"event\":\"ntf.created\"," MSG(
                 "000") "\"status\":\"active\"},"
                        "{\"event\":\"ntf.op\"," MSG(
                            "001") "\"op\":\"notify\",\"attempt\":1,\"state\":\"running\"},"
                                   "{\"event\":\"ntf.attempt\"," MSG(
                                       "003") "\"op\":\"notify\",\"attempt\":1,\"state\":\"retrying\","
                                              "\"verdict\":\"slow-down\",\"http\":503,\"took\":\"2ms\","
                                              "\"detail\":\"later\"},"
                                              "{\"event\":\"ntf.decision\"," MSG(
                                                  "004") "\"decision\":\"rollback\",\"cause\":\"patience\"}]",
             0),
        "n2  notification  gave_up  1.00 s   endpoint crm   event order.paid   ref 4711\n"
        "    0 ms   begin\n"
        "    1 ms   notify ? 503  2 ms  \"later\"\n"
        "    4 ms   decision ROLLBACK  patience\n"
        "  because exhausted\n");
}

static void a_transaction_shows_where_its_messages_went(void **state) {
    (void)state;
    static const char transaction[] =
        "{\"gid\":\"g\",\"mode\":\"tcc\",\"status\":\"committed\",\"took\":\"30ms\","
        "\"created\":\"2026-01-07T10:00:00.000Z\"}";
    static const char events[] = "[{\"event\":\"tx.sent\"," AT(
        "030") "\"message\":\"m1\",\"topic\":\"warehouse.ship\"},"
               "{\"event\":\"tx.sent\"," AT(
                   "030") "\"message\":\"m2\",\"topic\":\"nobody\"},"
                          "{\"event\":\"tx.sent\"," AT(
                              "030") "\"message\":\"m3\",\"topic\":\"old\"},"
                                     "{\"event\":\"tx.sent\"," AT(
                                         "030") "\"notification\":\"n1\",\"endpoint\":\"crm\"}]";
    struct json_value sent[] = {
        checked("{\"id\":\"m1\",\"deliveries\":[{\"subscription\":\"warehouse\",\"status\":\"acked\"},"
                "{\"subscription\":\"audit\",\"status\":\"dead\"}]}"),
        checked("{\"id\":\"m2\",\"finished\":\"2026-01-07T10:00:00Z\",\"deliveries\":[]}"),
    };
    struct buffer b;
    buffer_init(&b, sizeof drawn);
    picture_draw_values(&b, checked(transaction), checked(events), sent, 2, 0, false, NOW_MS);
    buffer_add_byte(&b, '\0');
    assert_string_equal(b.at, "g  tcc  committed  30 ms\n"
                              "   30 ms   message warehouse.ship → warehouse ✔ acked, audit ✘ dead\n"
                              "   30 ms   message nobody → nobody subscribes\n"
                              "   30 ms   message old  m3\n"
                              "   30 ms   notification crm  n1\n");
    buffer_done(&b);
}

static void states_of_messages_become_exit_codes(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int code;
        bool moves;
    } table[] = {
        { "{\"status\":\"half\"}", 7, true },
        { "{\"status\":\"committed\",\"finished\":\"2026-01-07T10:00:00Z\"}", 0, false },
        { "{\"status\":\"rolled_back\",\"finished\":\"2026-01-07T10:00:00Z\"}", 10, false },
        { "{\"status\":\"committed\",\"deliveries\":[{\"status\":\"acked\"},{\"status\":\"retrying\"}]}", 7,
          true },
        { "{\"status\":\"committed\",\"attention\":{\"why\":\"x\"},\"deliveries\":[{\"status\":\"dead\"}]}",
          11, false },
        { "{\"status\":\"committed\",\"deliveries\":3}", 7, true },
        { "{\"status\":\"gave_up\",\"finished\":\"2026-01-07T10:00:00Z\"}", 10, false },
        { "{\"status\":\"delivered\",\"finished\":\"2026-01-07T10:00:00Z\"}", 0, false },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(letter_exit(checked(table[i].json)), table[i].code);
        assert_int_equal(letter_moves(checked(table[i].json)), table[i].moves);
    }
}

static void odd_documents_do_no_harm(void **state) {
    (void)state;
    static const char *const transactions[] = { "null", "[]", "{}",
                                                "{\"gid\":1,\"status\":{},\"labels\":[],\"branches\":{}}" };
    static const char *const events[] = { "null",
                                          "{}",
                                          "[1,null,{}]",
                                          "{\"items\":{}}",
                                          "{\"items\":[{\"event\":\"tx.attempt\"}]}",
                                          "{\"items\":[{\"event\":\"tx.op\",\"state\":\"running\"}]}" };
    for (size_t i = 0; i < sizeof transactions / sizeof *transactions; i++)
        for (size_t k = 0; k < sizeof events / sizeof *events; k++)
            assert_non_null(draw(transactions[i], events[k], 40));
}

static void states_become_exit_codes(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int code;
    } table[] = {
        { "{\"status\":\"committed\"}", 0 },
        { "{\"status\":\"heuristic_commit\"}", 0 },
        { "{\"status\":\"rolled_back\"}", 10 },
        { "{\"status\":\"heuristic_rollback\"}", 10 },
        { "{\"status\":\"heuristic_mixed\"}", 11 },
        { "{\"status\":\"active\"}", 7 },
        { "{\"status\":\"committing\",\"attention\":null}", 7 },
        { "{\"status\":\"committing\",\"attention\":{\"why\":\"x\"}}", 11 },
        { "{\"status\":\"rolled_back\",\"attention\":{\"why\":\"x\"}}", 10 },
        { "{}", 1 },
        { "[]", 1 },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(view_exit(checked(table[i].json)), table[i].code);
}

static int set_locale(void **state) {
    (void)state;
    glyph_locale();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(side_by_side_shares_a_line),
        cmocka_unit_test(one_after_another_stands_below),
        cmocka_unit_test(a_crash_shows_as_a_gap),
        cmocka_unit_test(what_is_owed_and_by_hand_is_told),
        cmocka_unit_test(odd_documents_do_no_harm),
        cmocka_unit_test(states_become_exit_codes),
        cmocka_unit_test(a_message_shows_its_deliveries_as_lanes),
        cmocka_unit_test(a_transaction_shows_where_its_messages_went),
        cmocka_unit_test(a_crash_shows_in_a_message_too),
        cmocka_unit_test(a_notification_shows_its_attempts),
        cmocka_unit_test(states_of_messages_become_exit_codes),
    };
    return cmocka_run_group_tests(tests, set_locale, NULL);
}
