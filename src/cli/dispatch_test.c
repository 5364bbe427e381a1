/* The settle command as a whole. */
#include "cli/stage_test.h"

#define COMMITTED                                                                                     \
    "{\"gid\":\"g1\",\"mode\":\"tcc\",\"status\":\"committed\",\"created\":\"2026-01-07T10:00:00Z\"," \
    "\"took\":\"31ms\"}"
#define ROLLED                                                                                             \
    "{\"gid\":\"g1\",\"status\":\"rolled_back\",\"reason\":{\"branch\":\"b\",\"op\":\"try\",\"http\":409," \
    "\"detail\":\"no\"}}"

static void help_and_usage(void **state) {
    (void)state;
    assert_int_equal(run(NULL), 0);
    assert_non_null(strstr(output, "settle demo"));
    assert_int_equal(run("--help", NULL), 0);
    assert_int_equal(run("--version", NULL), 0);
    assert_string_equal(output, "settle " SETTLE_VERSION "\n");
    assert_int_equal(run("help", "tx", "show", NULL), 0);
    assert_non_null(strstr(output, "settle tx show GID"));
    assert_int_equal(run("tx", "--help", NULL), 0);
    assert_non_null(strstr(output, "tx submit"));
    assert_int_equal(run("tx", "show", "--help", NULL), 0);
    assert_int_equal(run("--reference", NULL), 0);
    assert_non_null(strstr(output, "## settle tx show GID"));
    assert_int_equal(run("tx", NULL), 2);
    assert_int_equal(run("nonsense", NULL), 2);
    assert_int_equal(run("tx", "shwo", "g", NULL), 2);
    assert_non_null(strstr(errors, "did you mean \"settle tx show\""));
    assert_int_equal(run("endpoint", "add", "shop", NULL), 2);
    assert_null(strstr(errors, "settle ds add"));
    assert_non_null(strstr(errors, "settle endpoint --help lists them"));
    assert_int_equal(run("tx", "show", NULL), 2);
    assert_int_equal(run("tx", "show", "a", "b", NULL), 2);
    assert_int_equal(run("tx", "list", "-o", "yaml", NULL), 2);
    assert_int_equal(run("tx", "list", "--statsu", "x", NULL), 2);
    assert_non_null(strstr(errors, "did you mean --status?"));
    for (int i = 0; i < 3; i++) {
        static const char *const shells[] = { "bash", "zsh", "fish" };
        assert_int_equal(run("completion", shells[i], NULL), 0);
        assert_non_null(strstr(output, "settle tx list -q -o gid"));
    }
    assert_int_equal(run("completion", "csh", NULL), 2);
}

static void answers_become_exit_codes(void **state) {
    (void)state;
    static const struct {
        unsigned status;
        const char *body;
        int code;
    } table[] = {
        { 200, COMMITTED, 0 },
        { 200, ROLLED, 10 },
        { 202, "{\"gid\":\"g1\",\"status\":\"committing\"}", 7 },
        { 202, "{\"gid\":\"g1\",\"status\":\"committing\",\"attention\":{\"why\":\"x\"}}", 11 },
        { 200, "{\"gid\":\"g1\",\"status\":\"heuristic_mixed\"}", 11 },
        { 404, "{\"type\":\"/problems/not-found\",\"detail\":\"no g1\"}", 3 },
        { 409, "{\"type\":\"/problems/already-decided\",\"detail\":\"x\",\"decision\":\"rolled_back\"}", 4 },
        { 401, "{}", 5 },
        { 403, "{}", 5 },
        { 400, "{}", 1 },
        { 422, "{}", 1 },
        { 503, "{}", 1 },
        { 500, "garbage", 1 },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        answer_with(table[i].status, table[i].body);
        assert_int_equal(run("tx", "wait", "g1", "--timeout", "0ms", NULL), table[i].code);
        assert_string_equal(script.asked, "GET /v1/transactions/g1");
    }
    assert_int_equal(run("tx", "wait", "g1", "--server", "http://127.0.0.1:1", NULL), 6);
    assert_non_null(strstr(errors, "try: is settled running there?"));
    assert_int_equal(run("tx", "wait", "g1", "--server", "nonsense", NULL), 2);
    assert_int_equal(run("tx", "wait", "g1", "--timeout", "soon", NULL), 2);
}

static void failures_teach(void **state) {
    (void)state;
    answer_with(409, "{\"type\":\"/problems/already-decided\",\"title\":\"Already decided\",\"detail\":\"g1 "
                     "was rolled back\","
                     "\"decision\":\"rolled_back\",\"retry\":false}");
    assert_int_equal(run("tx", "commit", "g1", NULL), 4);
    assert_string_equal(script.asked, "POST /v1/transactions/g1/commit");
    assert_non_null(strstr(errors, "settle: g1 was rolled back\n  decision: rolled_back\n"));
    assert_non_null(strstr(errors, "/problems/already-decided\n"));
    assert_non_null(strstr(errors, "  read: http://127.0.0.1:"));
    assert_string_equal(output, "");
    answer_with(401, "{\"detail\":\"a token is needed\"}");
    assert_int_equal(run("tx", "show", "g1", NULL), 5);
    assert_non_null(strstr(errors, "--token-file: not set"));
    assert_non_null(strstr(errors, "/var/lib/settle/token"));
}

static void lists_have_four_shapes(void **state) {
    (void)state;
    const char *list = "{\"items\":[{\"gid\":\"order-4693\",\"mode\":\"tcc\",\"status\":\"committing\","
                       "\"attention\":{\"why\":\"refused\","
                       "\"branch\":\"points\",\"op\":\"confirm\"},\"suspended\":true},{\"gid\":\"trip-51\","
                       "\"mode\":\"saga\",\"status\":\"committed\"}],"
                       "\"next\":\"abc\",\"approx_total\":2}";
    answer_with(200, list);
    assert_int_equal(
        run("tx", "list", "--attention", "--label", "a b=c&d", "--mode", "tcc", "--limit", "2", NULL), 0);
    assert_string_equal(script.asked,
                        "GET /v1/transactions?mode=tcc&limit=2&attention=true&label.a%20b=c%26d");
    assert_string_equal(output, "GID         MODE  STATUS      AGE  WHERE           NEXT    WHY\n"
                                "order-4693  tcc   committing       points.confirm  paused  refused\n"
                                "trip-51     saga  committed                                \n");
    assert_non_null(strstr(errors, "1 needs attention"));
    assert_non_null(strstr(errors, "--cursor abc"));
    assert_int_equal(run("tx", "list", "-o", "gid", NULL), 0);
    assert_string_equal(output, "order-4693\ntrip-51\n");
    assert_int_equal(run("tx", "list", "-o", "jsonl", NULL), 0);
    assert_non_null(strstr(output, "}\n{\"gid\":\"trip-51\""));
    assert_int_equal(run("-o", "json", "tx", "list", NULL), 0);
    assert_int_equal(strncmp(output, list, strlen(list)), 0);
    assert_int_equal(run("tx", "list", "--columns", "status,gid", "-q", NULL), 0);
    assert_string_equal(output, "STATUS      GID\ncommitting  order-4693\ncommitted   trip-51\n");
    assert_string_equal(errors, "");
    assert_int_equal(run("tx", "list", "--columns", "nope", NULL), 2);
    assert_int_equal(run("tx", "list", "--label", "nope", NULL), 2);
    answer_with(200, "{\"items\":[],\"next\":null}");
    assert_int_equal(run("tx", "list", NULL), 0);
    assert_string_equal(output, "");
    assert_non_null(strstr(errors, "no such transactions"));
}

static void submit_reads_files_and_names_faults(void **state) {
    (void)state;
    char path[] = "/tmp/settle-submit-XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(write(file, "{\"mode\":\"tcc\"}", 14), 14);
    answer_with(200, COMMITTED);
    assert_int_equal(run("tx", "submit", path, "--wait", "5s", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/transactions?wait=5000ms");
    assert_string_equal(script.sent, "{\"mode\":\"tcc\"}");
    assert_string_equal(output, "g1  committed  31 ms\n");
    assert_int_equal(run("tx", "submit", path, "-o", "gid", NULL), 0);
    assert_string_equal(output, "g1\n");
    answer_with(200, ROLLED);
    assert_int_equal(run("tx", "submit", path, "--wait", "5s", NULL), 10);
    assert_non_null(strstr(output, "b.try: HTTP 409, no"));
    assert_int_equal(run("tx", "submit", path, NULL), 0); /* accepted: nobody asked how it ends */
    assert_int_equal(write(file, ",", 1), 1);
    assert_int_equal(run("tx", "submit", path, NULL), 2);
    assert_non_null(strstr(errors, "line 1, column 15"));
    close(file);
    unlink(path);
    assert_int_equal(run("tx", "submit", path, NULL), 2);
}

static void dangerous_acts_need_consent(void **state) {
    (void)state;
    answer_with(200, "{\"gid\":\"g1\",\"status\":\"heuristic_commit\"}");
    assert_int_equal(run("tx", "force", "g1", NULL), 2);
    assert_int_equal(run("tx", "force", "g1", "--commit", "--rollback", NULL), 2);
    assert_int_equal(run("tx", "force", "g1", "--commit", NULL), 2);
    assert_int_equal(run("tx", "force", "g1", "--commit", "--yes", NULL), 2);
    assert_int_equal(run("tx", "force", "g1", "--commit", "--reason", "r", NULL), 2);
    assert_int_equal(run("tx", "force", "g1", "--commit", "--yes", "--reason", "", NULL), 2);
    assert_int_equal(run("tx", "resolve", "g1", "points", NULL), 2);
    assert_int_equal(run("token", "revoke", "t1", NULL), 2);
    assert_int_equal(run("store", "restore", "x", NULL), 2);
    assert_int_equal(script.count, 0);
    assert_int_equal(run("tx", "force", "g1", "--commit", "--yes", "--reason", "ticket \"881\"", NULL), 0);
    assert_string_equal(script.asked, "POST /v1/transactions/g1/force");
    assert_string_equal(script.sent, "{\"decision\":\"commit\",\"reason\":\"ticket \\\"881\\\"\"}");
    assert_int_equal(
        run("tx", "resolve", "g1", "points", "--op", "confirm", "--not-done", "-y", "--reason", "r", NULL),
        0);
    assert_string_equal(script.asked, "POST /v1/transactions/g1/branches/points/resolve");
    assert_string_equal(script.sent, "{\"operation\":\"confirm\",\"as\":\"refused\",\"reason\":\"r\"}");
    assert_int_equal(run("token", "revoke", "t1", "-y", "--reason", "r", NULL), 0);
    assert_string_equal(script.asked, "DELETE /v1/tokens/t1");
}

static void dry_runs_change_nothing(void **state) {
    (void)state;
    answer_with(200, "{\"gid\":\"g1\",\"status\":\"committing\",\"attention\":{\"branch\":\"points\",\"op\":"
                     "\"confirm\"}}");
    assert_int_equal(run("tx", "force", "g1", "--commit", "--dry-run", NULL), 0);
    assert_string_equal(script.asked, "GET /v1/transactions/g1");
    assert_string_equal(
        output, "Would: mark points.confirm RESOLVED (no call) · status → heuristic_commit · write audit. "
                "Nothing was changed.\n");
    answer_with(200, "{}");
    assert_int_equal(run("tx", "retry", "g1", "--dry-run", NULL), 0);
    assert_int_equal(run("tx", "retry", "g1", "--branch", "b", "-n", NULL), 0);
    assert_non_null(
        strstr(output, "/v1/transactions/g1/branches/b/retry\n       {}\nNothing was changed.\n"));
    assert_int_equal(run("tx", "suspend", "g1", "--curl", "--reason", "r", NULL), 0);
    assert_non_null(strstr(output, "curl -sS -X POST 'http://127.0.0.1:"));
    assert_non_null(strstr(output, "/v1/transactions/g1/suspend'"));
    assert_non_null(strstr(output, "-d '{\"reason\":\"r\"}'\n"));
    assert_int_equal(run("tx", "show", "g1", "--curl", NULL), 0);
    assert_non_null(strstr(output, "/v1/transactions/g1'\n"));
    assert_int_equal(run("store", "backup", "/nonexistent/x", "--curl", NULL), 0);
    assert_int_equal(script.count, 0);
}

static void backups_are_whole_or_absent(void **state) {
    (void)state;
    char folder[] = "/tmp/settle-backup-XXXXXX", path[64], part[80];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/b", folder);
    snprintf(part, sizeof part, "%s/b.part", folder);
    answer_with(403, "{\"detail\":\"admin only\"}");
    assert_int_equal(run("store", "backup", path, NULL), 5);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(part, F_OK), 0);
    answer_with(200, "0123456789");
    assert_int_equal(run("store", "backup", path, NULL), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(run("store", "backup", path, NULL), 4);
    assert_int_equal(run("store", "backup", path, "--force", NULL), 0);
    unlink(path);
    rmdir(folder);
}

static void the_demo_touches_only_its_own(void **state) {
    (void)state;
    char folder[] = "/tmp/settle-demo-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(run("demo", "--fail", "nobody", NULL), 2);
    assert_int_equal(run("demo", "--clean", "--data", folder, NULL), 1);
    assert_non_null(strstr(errors, "was not made by settle demo"));
    assert_int_equal(access(folder, F_OK), 0);
    rmdir(folder);
    assert_int_equal(run("demo", "--clean", "--data", folder, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_usage),
        cmocka_unit_test_setup(answers_become_exit_codes, name_server),
        cmocka_unit_test_setup(failures_teach, name_server),
        cmocka_unit_test_setup(lists_have_four_shapes, name_server),
        cmocka_unit_test_setup(submit_reads_files_and_names_faults, name_server),
        cmocka_unit_test_setup(dangerous_acts_need_consent, name_server),
        cmocka_unit_test_setup(dry_runs_change_nothing, name_server),
        cmocka_unit_test_setup(backups_are_whole_or_absent, name_server),
        cmocka_unit_test(the_demo_touches_only_its_own),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
