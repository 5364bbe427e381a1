/* The verbs for messages, subscriptions, dead letters, notifications and datasources: what they ask settled,
 * and what they print and return. */
#include "cli/stage_test.h"

#define ACCEPTED "{\"id\":\"m1\",\"status\":\"committed\",\"topic\":\"t\",\"deliveries\":2,\"finished\":null}"

static void a_message_is_published(void **state) {
    (void)state;
    char path[] = "/tmp/settle-body-XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(write(file, "a\0b", 3), 3);
    close(file);
    answer_with(201, ACCEPTED);
    assert_int_equal(run("msg", "publish", "t", "--id", "m1", "-k", "u9", "--delay", "5s", "-H", "A=1", "-l",
                         "order=4711", "--body", " {\"n\": 1}\n", NULL),
                     0);
    assert_string_equal(script.asked, "POST /v1/messages");
    assert_string_equal(script.sent,
                        "{\"topic\":\"t\",\"id\":\"m1\",\"key\":\"u9\",\"delay\":\"5s\",\"headers\":{\"A\":"
                        "\"1\"},\"labels\":{\"order\":\"4711\"},\"body\":{\"n\": 1}}");
    assert_string_equal(output, "m1  committed  2 deliveries\n");
    assert_int_equal(run("msg", "publish", "t", path, "--content-type", "text/plain", "-o", "gid", NULL), 0);
    assert_string_equal(script.sent,
                        "{\"topic\":\"t\",\"body_base64\":\"YQBi\",\"content_type\":\"text/plain\"}");
    assert_string_equal(output, "m1\n");
    script.count = 0;
    assert_int_equal(run("msg", "publish", "t", path, NULL), 2);
    assert_non_null(strstr(errors, "--content-type"));
    assert_int_equal(run("msg", "publish", "t", path, "--body", "1", NULL), 2);
    assert_int_equal(run("msg", "publish", "t", "-H", "A", NULL), 2);
    assert_int_equal(run("msg", "publish", "t", "--wait", "soon", NULL), 2);
    assert_int_equal(run("msg", "publish", "t", "--body", "1", "--dry-run", NULL), 0);
    assert_int_equal(script.count, 0);
    unlink(path);
}

static void a_wait_tells_by_its_exit_code(void **state) {
    (void)state;
    static const struct {
        const char *body, *said;
        int code;
    } table[] = {
        { "{\"id\":\"m1\",\"status\":\"committed\",\"finished\":\"2026-01-07T10:00:00Z\",\"deliveries\":[]}",
          "m1  committed  nobody subscribes\n", 0 },
        { "{\"id\":\"m1\",\"status\":\"committed\",\"attention\":{\"why\":\"w refused "
          "it\"},\"deliveries\":[{\"status\":"
          "\"dead\"},{\"status\":\"acked\"}]}",
          "m1  committed  1 acked, 1 dead  w refused it\n", 11 },
        { "{\"id\":\"m1\",\"status\":\"committed\",\"deliveries\":[{\"status\":\"retrying\"}]}",
          "m1  committed  1 retrying\n", 7 },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        answer_with(200, table[i].body);
        assert_int_equal(run("msg", "publish", "t", "--wait", "30ms", NULL), table[i].code);
        assert_string_equal(output, table[i].said);
    }
}

static void a_half_message_says_whom_to_ask(void **state) {
    (void)state;
    answer_with(201, "{\"id\":\"h\",\"status\":\"half\",\"deliveries\":0}");
    assert_int_equal(run("msg", "half", "t", "--id", "h", "--check-http", "http://p/c", "--check-after", "5s",
                         "--check-tries", "3", NULL),
                     0);
    assert_string_equal(script.sent,
                        "{\"topic\":\"t\",\"id\":\"h\",\"state\":\"half\",\"check\":{\"after\":\"5s\","
                        "\"tries\":3,\"http\":\"http://p/c\"}}");
    assert_string_equal(output, "h  half\n");
    assert_int_equal(
        run("msg", "half", "t", "--id", "h", "--check-pg", "pay", "--xid", "7", "--system", "1/1", NULL), 0);
    assert_non_null(
        strstr(script.sent, "{\"pg\":{\"datasource\":\"pay\",\"xid\":\"7\",\"system\":\"1/1\"}}"));
    assert_int_equal(run("msg", "half", "t", "--id", "h", "--check-marker", "pay", NULL), 0);
    assert_non_null(strstr(script.sent, "{\"marker\":{\"datasource\":\"pay\"}}"));
    script.count = 0;
    assert_int_equal(run("msg", "half", "t", "--check-http", "http://p/c", NULL), 2);
    assert_int_equal(run("msg", "half", "t", "--id", "h", NULL), 2);
    assert_int_equal(run("msg", "half", "t", "--id", "h", "--check-pg", "pay", NULL), 2);
    assert_int_equal(
        run("msg", "half", "t", "--id", "h", "--check-marker", "pay", "--check-http", "http://p/c", NULL), 2);
    assert_int_equal(script.count, 0);
    assert_int_equal(run("msg", "commit", "h", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/messages/h/commit");
    assert_int_equal(run("msg", "rollback", "h", "--reason", "declined", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/messages/h/rollback");
    assert_string_equal(script.sent, "{\"reason\":\"declined\"}");
    assert_int_equal(run("msg", "check", "h", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/messages/h/check");
    assert_int_equal(run("msg", "check", "h", "--wait", "150ms", NULL), 7);
    assert_string_equal(script.asked, "GET /v1/messages/h");
    answer_with(200, "{\"id\":\"h\",\"status\":\"rolled_back\"}");
    assert_int_equal(run("msg", "check", "h", "--wait", "5s", NULL), 10);
}

static void lists_are_filtered_and_teach(void **state) {
    (void)state;
    answer_with(
        200,
        "{\"items\":[{\"id\":\"m1\",\"status\":\"committed\",\"topic\":\"t\",\"deliveries\":2,\"attention\":"
        "{\"why\":\"w refused it\"}}],\"next\":null}");
    assert_int_equal(run("msg", "list", "--topic", "t", "--status", "half", "-a", "-l", "a=b", NULL), 0);
    assert_string_equal(script.asked, "GET /v1/messages?topic=t&status=half&attention=true&label.a=b");
    assert_string_equal(output, "ID  TOPIC  KEY  STATUS     AGE  DELIVERIES  NEXT  WHY\n"
                                "m1  t           committed       2                 w refused it\n");
    assert_non_null(strstr(errors, "1 needs attention"));
    assert_int_equal(run("dlq", "list", "--subscription", "w", NULL), 0);
    assert_string_equal(script.asked, "GET /v1/deliveries?status=dead&subscription=w");
    assert_int_equal(run("dlq", "list", "--status", "parked", "-o", "gid", NULL), 0);
    assert_string_equal(script.asked, "GET /v1/deliveries?status=parked");
    assert_string_equal(output, "m1\n");
    assert_int_equal(run("sub", "list", NULL), 0);
    assert_string_equal(script.asked, "GET /v1/subscriptions");
    assert_int_equal(run("sub", "lanes", "w", "--limit", "5", NULL), 0);
    assert_string_equal(script.asked, "GET /v1/subscriptions/w/lanes?limit=5");
    assert_int_equal(run("notify", "list", "--endpoint", "crm", NULL), 0);
    assert_string_equal(script.asked, "GET /v1/notifications?endpoint=crm");
    assert_int_equal(run("endpoint", "missed", "crm", "--since", "2026-01-07T00:00:00Z", NULL), 0);
    assert_string_equal(script.asked, "GET /v1/endpoints/crm/missed?since=2026-01-07T00:00:00Z");
    answer_with(200, "{\"items\":[],\"next\":null}");
    assert_int_equal(run("dlq", "list", NULL), 0);
    assert_string_equal(output, "");
    assert_non_null(strstr(errors, "no dead letters"));
    answer_with(404, "{\"detail\":\"there is no subscription x\"}");
    assert_int_equal(run("sub", "show", "x", NULL), 3);
    assert_non_null(strstr(errors, "try: settle sub list shows what there is"));
}

static void subscriptions_are_spelled(void **state) {
    (void)state;
    answer_with(200, "{\"name\":\"w\",\"topic\":\"t\",\"paused\":false}");
    assert_int_equal(run("sub", "set", "w", "--topic", "t", "--push", "http://w/x", "-c", "4", "--retry-for",
                         "7d", "--on-refused", "t.no", "--no-park", NULL),
                     0);
    assert_string_equal(script.asked, "PUT /v1/subscriptions/w");
    assert_string_equal(
        script.sent, "{\"topic\":\"t\",\"push\":\"http://w/x\",\"concurrency\":4,\"retry\":{\"for\":\"7d\"},"
                     "\"dead\":{\"park_key\":false},\"on_refused\":{\"topic\":\"t.no\"}}");
    assert_string_equal(output, "w  running\n");
    assert_int_equal(run("sub", "set", "w", "-t", "t", "--pull", "--unordered", "--ack-timeout", "1m", NULL),
                     0);
    assert_string_equal(script.sent,
                        "{\"topic\":\"t\",\"pull\":true,\"ack_timeout\":\"1m\",\"ordered\":false}");
    assert_int_equal(run("sub", "set", "w", "-t", "t", "--sink", "{\"stomp\":{\"url\":\"stomp://b\"}}", NULL),
                     0);
    assert_string_equal(script.sent, "{\"topic\":\"t\",\"sink\":{\"stomp\":{\"url\":\"stomp://b\"}}}");
    script.count = 0;
    assert_int_equal(run("sub", "set", "w", "--push", "http://w/x", NULL), 2);
    assert_int_equal(run("sub", "set", "w", "-t", "t", NULL), 2);
    assert_int_equal(run("sub", "set", "w", "-t", "t", "--pull", "--push", "http://w", NULL), 2);
    assert_int_equal(run("sub", "set", "w", "-t", "t", "--sink", "{", NULL), 2);
    assert_int_equal(run("sub", "set", "w", "/nonexistent/file", NULL), 2);
    assert_int_equal(run("sub", "pause", "w", NULL), 2);
    assert_int_equal(run("sub", "delete", "w", "--reason", "r", NULL), 2);
    assert_int_equal(script.count, 0);
    assert_int_equal(run("sub", "pause", "w", "--reason", "stocktaking", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/subscriptions/w/pause");
    assert_string_equal(script.sent, "{\"reason\":\"stocktaking\"}");
    assert_int_equal(run("sub", "delete", "w", "-y", "--reason", "r", NULL), 0);
    assert_string_equal(script.asked, "DELETE /v1/subscriptions/w");
    assert_int_equal(run("topic", "set", "t", "--description", "paid orders", NULL), 0);
    assert_string_equal(script.asked, "PUT /v1/topics/t");
    assert_string_equal(script.sent, "{\"description\":\"paid orders\"}");
}

static void consumers_pull_and_answer(void **state) {
    (void)state;
    answer_with(
        200, "{\"items\":[{\"id\":\"m1~w\",\"topic\":\"t\",\"key\":\"k\",\"attempt\":1,\"body\":{\"n\":1}},"
             "{\"id\":\"m2~w\",\"topic\":\"t\",\"attempt\":2,\"content_type\":\"text/plain\",\"body_base64\":"
             "\"YQBi\"}]}");
    assert_int_equal(run("sub", "pull", "w", "--max", "5", "--lease", "1m", "--wait", "500ms", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/subscriptions/w/pull");
    assert_non_null(strstr(script.sent, "{\"max\":5,\"lease\":\"1m\",\"wait\":\""));
    assert_string_equal(output, "ID    TOPIC  KEY  ATTEMPT  NEXT  BODY\n"
                                "m1~w  t      k    1              {\"n\":1}\n"
                                "m2~w  t           2              3 bytes of text/plain\n");
    assert_int_equal(script.count, 1);
    assert_int_equal(run("sub", "pull", "w", "--ack", NULL), 0);
    assert_int_equal(script.count, 4);
    assert_string_equal(script.asked, "POST /v1/deliveries/m2~w/ack");
    answer_with(200, "{\"items\":[]}");
    assert_int_equal(run("sub", "pull", "w", NULL), 0);
    assert_int_equal(run("sub", "pull", "w", "--wait", "30ms", NULL), 7);
    assert_non_null(strstr(errors, "nothing is waiting"));
    assert_int_equal(run("sub", "pull", "w", "--max", "0", NULL), 2);
    answer_with(200, "{\"id\":\"m1~w\",\"status\":\"retrying\"}");
    assert_int_equal(run("sub", "ack", "m1~w", "m2~w", NULL), 0);
    assert_int_equal(script.count, 2);
    assert_int_equal(run("sub", "nack", "m1~w", "--delay", "1m", "--reason", "busy", NULL), 0);
    assert_string_equal(script.sent, "{\"delay\":\"1m\",\"reason\":\"busy\"}");
    assert_int_equal(run("sub", "nack", "m1~w", "--refuse", NULL), 0);
    assert_string_equal(script.sent, "{\"refused\":true}");
}

static void dead_letters_are_settled_with_a_reason(void **state) {
    (void)state;
    answer_with(200, "{\"id\":\"m1~w\",\"status\":\"discarded\",\"replaced_by\":\"m9\"}");
    assert_int_equal(run("dlq", "replay", "m1~w", NULL), 2);
    assert_int_equal(run("dlq", "discard", "m1~w", "--reason", "r", NULL), 2);
    assert_int_equal(run("dlq", "edit", "m1~w", "--yes", "--reason", "r", NULL), 2);
    assert_int_equal(script.count, 0);
    assert_int_equal(run("dlq", "replay", "m1~w", "m2~w", "--reason", "fixed", NULL), 0);
    assert_int_equal(script.count, 2);
    assert_string_equal(script.asked, "POST /v1/deliveries/m2~w/replay");
    assert_int_equal(run("dlq", "discard", "m1~w", "-y", "--reason", "r", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/deliveries/m1~w/discard");
    assert_int_equal(run("dlq", "edit", "m1~w", "--body", "{}", "-y", "--reason", "r", NULL), 0);
    assert_string_equal(script.sent, "{\"reason\":\"r\",\"body\":{}}");
    assert_string_equal(output, "m1~w  discarded  replaced by m9\n");
    answer_with(409, "{\"detail\":\"it is not dead\"}");
    assert_int_equal(run("dlq", "discard", "m1~w", "m2~w", "-y", "--reason", "r", NULL), 4);
    assert_int_equal(script.count, 2);
}

static void notifications_and_their_endpoints(void **state) {
    (void)state;
    answer_with(201, "{\"id\":\"n1\",\"status\":\"scheduled\"}");
    assert_int_equal(run("notify", "send", "crm", "order.paid", "--id", "n1", "--ref", "4711", "--schedule",
                         "0s, 15s", "--success-body", "ok", "--body", "{}", NULL),
                     0);
    assert_string_equal(script.sent,
                        "{\"endpoint\":\"crm\",\"event\":\"order.paid\",\"id\":\"n1\",\"ref\":\"4711\","
                        "\"schedule\":[\"0s\",\"15s\"],\"success\":{\"body\":\"ok\"},\"body\":{}}");
    assert_int_equal(run("notify", "retry", "n1", "--reason", "back", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/notifications/n1/retry");
    assert_int_equal(run("notify", "cancel", "n1", "--reason", "r", NULL), 2);
    assert_int_equal(run("notify", "cancel", "n1", "-y", "--reason", "r", NULL), 0);
    assert_int_equal(
        run("endpoint", "set", "crm", "--url", "https://crm/hook", "--timeout", "5s", "-c", "2", NULL), 0);
    assert_string_equal(script.asked, "PUT /v1/endpoints/crm");
    assert_string_equal(script.sent, "{\"url\":\"https://crm/hook\",\"timeout\":\"5s\",\"concurrency\":2}");
    assert_int_equal(run("endpoint", "set", "crm", NULL), 2);
    assert_int_equal(run("endpoint", "disable", "crm", "--reason", "r", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/endpoints/crm/disable");
    assert_int_equal(run("endpoint", "rotate-secret", "crm", NULL), 2);
    assert_int_equal(run("endpoint", "rotate-secret", "crm", "-y", "--overlap", "24h", NULL), 0);
    assert_string_equal(script.sent, "{\"overlap\":\"24h\"}");
    answer_with(200, "{\"id\":\"n1\",\"status\":\"gave_up\",\"finished\":\"2026-01-07T10:00:00Z\"}");
    assert_int_equal(run("notify", "send", "crm", "order.paid", "--wait", "1s", NULL), 10);
}

static void a_datasource_is_checked(void **state) {
    (void)state;
    answer_with(
        200,
        "{\"name\":\"pay\",\"checks\":[{\"id\":\"login\",\"state\":\"ok\"},{\"id\":\"xa\",\"state\":\"warn\","
        "\"why\":\"0: no XA\"}]}");
    assert_int_equal(run("ds", "add", "pay", "postgresql://u@h/d", "--password-file", "/run/secrets/p", NULL),
                     0);
    assert_string_equal(script.asked, "PUT /v1/datasources/pay");
    assert_string_equal(script.sent, "{\"url\":\"postgresql://u@h/d\",\"password_file\":\"/run/secrets/p\"}");
    assert_string_equal(output, "CHECK  STATE  WHY\nlogin  ok     \nxa     warn   0: no XA\n");
    answer_with(200, "{\"checks\":[{\"id\":\"login\",\"state\":\"fail\",\"why\":\"no such user\"}]}");
    assert_int_equal(run("ds", "check", "pay", NULL), 1);
    assert_string_equal(script.asked, "POST /v1/datasources/pay/check");
    assert_int_equal(run("ds", "delete", "pay", "-y", "--reason", "r", NULL), 0);
    assert_string_equal(script.asked, "DELETE /v1/datasources/pay");
}

static void every_verb_has_an_example_and_completes(void **state) {
    (void)state;
    static const char *const groups[] = { "msg", "sub", "topic", "dlq", "endpoint", "notify", "ds" };
    for (const struct command *c = command_table; c->name != NULL; c++)
        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
            if (strncmp(c->name, groups[i], strlen(groups[i])) == 0 && c->name[strlen(groups[i])] == ' ')
                assert_non_null(c->examples);
    assert_int_equal(run("completion", "bash", NULL), 0);
    assert_non_null(strstr(output, "settle dlq list -q -o gid"));
    assert_non_null(strstr(output, "settle sub list -q -o gid"));
    assert_int_equal(run("completion", "fish", NULL), 0);
    assert_non_null(strstr(output, "'(settle msg list --status half -q -o gid 2>/dev/null)'"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_message_is_published, name_server),
        cmocka_unit_test_setup(a_wait_tells_by_its_exit_code, name_server),
        cmocka_unit_test_setup(a_half_message_says_whom_to_ask, name_server),
        cmocka_unit_test_setup(lists_are_filtered_and_teach, name_server),
        cmocka_unit_test_setup(subscriptions_are_spelled, name_server),
        cmocka_unit_test_setup(consumers_pull_and_answer, name_server),
        cmocka_unit_test_setup(dead_letters_are_settled_with_a_reason, name_server),
        cmocka_unit_test_setup(notifications_and_their_endpoints, name_server),
        cmocka_unit_test_setup(a_datasource_is_checked, name_server),
        cmocka_unit_test(every_verb_has_an_example_and_completes),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
