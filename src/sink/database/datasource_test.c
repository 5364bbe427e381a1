/* CP17, G8: the book of datasources, and check-backs against a SQLite file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <sqlite3.h>
#include <sys/socket.h>

#include "sink/database/datasource_test.h"

static struct rig rig;
static char path[128], url[160];

static sqlite3 *file_open(void) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    return db;
}

static int exec(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int setup(void **state) {
    (void)state;
    rig_open(&rig);
    snprintf(path, sizeof path, "%s/db", rig.folder);
    snprintf(url, sizeof url, "sqlite:%s", path);
    sqlite3 *db = file_open();
    assert_int_equal(exec(db, marker_schema(DATABASE_SQLITE)), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(rig_put(&rig, "pay", url, NULL), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rig_close(&rig);
    return 0;
}

/* --- decisions --- */

static void a_row_decides(void **state) {
    (void)state;
    sqlite3 *db = file_open();
    assert_int_equal(exec(db, "INSERT INTO settle_marker (id) VALUES ('m1')"), SQLITE_OK);
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m1"), VERDICT_DONE);
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m1"), VERDICT_DONE);
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m2"), VERDICT_REFUSED);
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m2"), VERDICT_REFUSED);
    assert_int_equal(exec(db, "INSERT INTO settle_marker (id) VALUES ('m2')"), SQLITE_CONSTRAINT);
    sqlite3_close(db);
}

/* While anybody writes, the file cannot tell whose transaction it is. */
static void an_open_transaction_is_unknown(void **state) {
    (void)state;
    sqlite3 *db = file_open();
    assert_int_equal(exec(db, "BEGIN IMMEDIATE; INSERT INTO settle_marker (id) VALUES ('m3')"), SQLITE_OK);
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m3"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "still open"));
    assert_int_equal(exec(db, "COMMIT"), SQLITE_OK);
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m3"), VERDICT_DONE);
    sqlite3_close(db);
}

struct writer {
    sqlite3 *db;
};

static bool lite_begin(void *context) {
    struct writer *w = context;
    return exec(w->db, "BEGIN") == SQLITE_OK;
}

static bool lite_mark(void *context, const char *id, char target[256]) {
    struct writer *w = context;
    sqlite3_stmt *s = NULL;
    (void)target;
    sqlite3_prepare_v2(w->db, marker_insert(DATABASE_SQLITE), -1, &s, NULL);
    sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
    int result = sqlite3_step(s);
    sqlite3_finalize(s);
    return result == SQLITE_DONE;
}

static bool lite_commit(void *context) {
    struct writer *w = context;
    return exec(w->db, "COMMIT") == SQLITE_OK;
}

static void lite_rollback(void *context) {
    struct writer *w = context;
    exec(w->db, "ROLLBACK");
}

static void lite_crash(void *context) {
    struct writer *w = context;
    sqlite3_close(w->db);
    w->db = file_open();
}

static void every_interleaving(void **state) {
    (void)state;
    for (int wal = 0; wal < 2; wal++) {
        struct writer writer = { .db = file_open() };
        exec(writer.db, wal ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = DELETE");
        struct producer p = { lite_begin, lite_mark, lite_commit, lite_rollback,
                              lite_crash, &writer,   true,        (size_t)wal * 1000 };
        assert_int_equal(rig_interleave_all(&rig, &p, "datasource://pay/marker"), 150);
        sqlite3_close(writer.db);
    }
}

static void a_lost_file_or_table_is_unknown(void **state) {
    (void)state;
    sqlite3 *db = file_open();
    exec(db, "DROP TABLE settle_marker");
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m1"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "no table settle_marker"));
    /* Without a key there would be no decision. */
    exec(db, "CREATE TABLE settle_marker (id TEXT, state TEXT)");
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m1"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "ON CONFLICT"));
    sqlite3_close(db);
    snprintf(url, sizeof url, "sqlite:%s/none", rig.folder);
    assert_int_equal(rig_put(&rig, "none", url, NULL), 0);
    assert_int_equal(rig_check_back(&rig, "datasource://none/marker", "m1"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "no such file"));
}

/* A link out of the folders is found when the file is opened. */
static void only_below_the_folders(void **state) {
    (void)state;
    char link[128];
    struct why why = { "" };
    snprintf(link, sizeof link, "%s/link", rig.folder);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    snprintf(url, sizeof url, "sqlite:%s", link);
    assert_int_equal(rig_put(&rig, "link", url, NULL), 0);
    assert_int_equal(rig_check_back(&rig, "datasource://link/marker", "m1"), VERDICT_FORBIDDEN);
    assert_non_null(strstr(rig.said, "datasource.directories"));
    struct datasource_options none = { .egress = &rig.egress };
    struct datasource_book *b;
    assert_int_equal(datasource_book_open(&b, rig.loop, &none, NULL), 0);
    struct datasource_definition d = { .url = slice_text(url) };
    assert_int_equal(datasource_book_put(b, SLICE("x"), &d, &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "datasource.directories"));
    datasource_book_close(b);
}

static void checks_of_a_file(void **state) {
    (void)state;
    assert_int_equal(rig_check(&rig, "pay", "reachable"), FINDING_OK);
    assert_int_equal(rig.report.worst, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "marker")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "marker_insert")->state, FINDING_OK);
    sqlite3 *db = file_open();
    sqlite3_stmt *s = NULL;
    sqlite3_prepare_v2(db, "SELECT count(*) FROM settle_marker", -1, &s, NULL);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(s, 0), 0); /* a check changes nothing */
    sqlite3_finalize(s);
    exec(db, "DROP TABLE settle_marker");
    sqlite3_close(db);
    assert_int_equal(rig_check(&rig, "pay", "marker"), FINDING_WARN);
    assert_int_equal(rig_finding(&rig, "marker_select")->state, FINDING_WARN);
}

/* --- the book --- */

static void what_a_target_may_say(void **state) {
    (void)state;
    static const char *const bad[] = {
        "datasource://pay/other",
        "datasource://pay/marker?x=1",
        "datasource://pay/pg?xid=12",
        "datasource://pay/pg?xid=2&system=1%2F1%2F1",
        "datasource://pay/pg?xid=twelve&system=1%2F1%2F1",
        "datasource://pay/pg?xid=12&system=1",
        "datasource://pay/pg?xid=12&system=1%2F",
        "datasource://pay/pg?xid=12&system=1%2F1%2F1%2F1",
        "datasource://pay/pg?xid=99999999999999999999999&system=1%2F1%2F1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(rig_check_back(&rig, bad[i], "m1"), VERDICT_UNKNOWN);
        assert_true(rig.said[0] != '\0');
    }
    assert_int_equal(rig_check_back(&rig, "datasource://pay/pg?xid=12&system=1%2F1%2F1", "m1"),
                     VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "needs PostgreSQL"));
    assert_int_equal(rig_check_back(&rig, "datasource://nobody/marker", "m1"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "no datasource nobody"));
}

static void what_a_definition_may_say(void **state) {
    (void)state;
    struct why why = { "" };
    assert_int_equal(rig_put(&rig, "", url, &why), ERR_SYNTAX);
    assert_int_equal(rig_put(&rig, "9pay", url, &why), ERR_SYNTAX);
    assert_int_equal(rig_put(&rig, "pay-", url, &why), ERR_SYNTAX);
    assert_int_equal(rig_put(&rig, "pay_x", url, &why), ERR_SYNTAX);
    assert_int_equal(rig_put(&rig, "far", "postgresql://u@10.0.0.1/shop", &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "egress"));
    struct datasource_definition d = { .url = SLICE("postgresql://u@db/shop"), .connections = 33 };
    assert_int_equal(datasource_book_put(rig.book, SLICE("many"), &d, &why), ERR_LIMIT);
    d = (struct datasource_definition){ .url = SLICE("postgresql://u@db/shop"),
                                        .password_file = SLICE("pw") };
    assert_int_equal(datasource_book_put(rig.book, SLICE("file"), &d, &why), ERR_INVALID);
    assert_int_equal(datasource_book_remove(rig.book, SLICE("nobody")), ERR_NOT_FOUND);
    for (int i = 1; i < DATASOURCES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(rig_put(&rig, name, url, &why), 0);
    }
    assert_int_equal(rig_put(&rig, "onemore", url, &why), ERR_LIMIT);
    assert_int_equal(rig_put(&rig, "pay", url, &why), 0); /* it is there already */
    assert_int_equal(datasource_book_counters(rig.book).datasources, DATASOURCES_MAX);
}

/* One connection to a file, many check-backs in order; then definitions that change under way. */
static void jobs_wait_in_order(void **state) {
    (void)state;
    rig_send(&rig, "datasource://pay/marker", "m1", 32, 5000);
    assert_int_equal(rig.verdicts[VERDICT_REFUSED], 32);
    assert_int_equal(datasource_book_counters(rig.book).opened, 1);
    assert_int_equal(datasource_book_counters(rig.book).idle, 1);
    assert_int_equal(datasource_book_remove(rig.book, SLICE("pay")), 0);
    assert_int_equal(datasource_book_counters(rig.book).connections, 0);
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m1"), VERDICT_UNKNOWN);
}

static void on_outcome_remove(void *context, const struct outcome *o) {
    rig_on_outcome(context, o);
    datasource_book_remove(rig.book, SLICE("pay"));
}

static void removed_while_jobs_run(void **state) {
    (void)state;
    struct sink_options options = { .egress = &rig.egress, .on_outcome = on_outcome_remove, .context = &rig };
    sink_close(rig.sink);
    assert_int_equal(datasource_sink_open(&rig.sink, rig.loop, rig.book, &options, NULL), 0);
    rig_send(&rig, "datasource://pay/marker", "m1", 8, 5000);
    assert_int_equal(rig.verdicts[VERDICT_REFUSED] + rig.verdicts[VERDICT_UNKNOWN], 8);
    /* The one that was removed under, and the one that had its connection by then. */
    assert_int_equal(rig.verdicts[VERDICT_REFUSED], 2);
    assert_int_equal(datasource_book_counters(rig.book).connections, 0);
}

/* A server that is not there, and one that never says a word. */
static void unreachable_servers(void **state) {
    (void)state;
    static const char *const schemes[] = { "postgresql", "mariadb" };
    for (int listening = 0; listening < 2; listening++)
        for (int i = 0; i < 2; i++) {
            struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
            socklen_t length = sizeof address;
            char text[96];
            int server = socket(AF_INET, SOCK_STREAM, 0);
            assert_int_equal(bind(server, (struct sockaddr *)&address, length), 0);
            assert_int_equal(getsockname(server, (struct sockaddr *)&address, &length), 0);
            if (listening)
                assert_int_equal(listen(server, 8), 0);
            snprintf(text, sizeof text, "%s://u@localhost:%u/shop", schemes[i], ntohs(address.sin_port));
            assert_int_equal(rig_put(&rig, "mute", text, NULL), 0);
            rig_send(&rig, "datasource://mute/marker", "m", 6, 200);
            assert_int_equal(rig.verdicts[VERDICT_UNKNOWN], 6);
            assert_int_equal(rig_check(&rig, "mute", "reachable"), FINDING_FAIL);
            assert_int_equal(datasource_book_remove(rig.book, SLICE("mute")), 0);
            close(server);
        }
    assert_int_equal(rig_put(&rig, "gone", "postgresql://u@no-such-host.invalid/shop", NULL), 0);
    assert_int_equal(rig_check(&rig, "gone", "reachable"), FINDING_FAIL);
}

/* Rules that change are obeyed by the next job, and what was connected under the old ones is let go. */
static void egress_rules_change(void **state) {
    (void)state;
    struct egress none;
    struct arena arena;
    arena_init(&arena, 1024, 65536);
    egress_init(&none, &arena);
    assert_int_equal(rig_put(&rig, "near", "postgresql://u@localhost:1/d", NULL), 0);
    assert_int_equal(rig_check_back(&rig, "datasource://pay/marker", "m"), VERDICT_REFUSED);
    assert_int_equal(rig_check_back(&rig, "datasource://near/marker", "m"), VERDICT_UNKNOWN);
    assert_int_equal(datasource_book_counters(rig.book).idle, 1);
    rig.sink->ops->set_egress(rig.sink, &none);
    assert_int_equal(datasource_book_counters(rig.book).idle, 0);
    assert_int_equal(rig_check_back(&rig, "datasource://near/marker", "m"), VERDICT_FORBIDDEN);
    assert_non_null(strstr(rig.said, "egress"));
    assert_int_equal(rig_check(&rig, "near", "allowed"), FINDING_FAIL);
    datasource_book_set_egress(rig.book, &rig.egress);
    arena_done(&arena);
}

/* Everything at work when the book goes: nobody is called, nothing is left. */
static void closed_while_at_work(void **state) {
    (void)state;
    struct datasource_book *b;
    struct datasource_options options = { .egress = &rig.egress,
                                          .directories = rig.folders,
                                          .directory_count = 1 };
    struct datasource_definition file = { .url = slice_text(url) };
    struct datasource_definition far = { .url = SLICE("postgresql://u@localhost:1/d") };
    struct datasource_definition other = { .url = SLICE("mariadb://u@127.0.0.1:1/d?ssl=require") };
    for (int rounds = 0; rounds < 3; rounds++) {
        assert_int_equal(datasource_book_open(&b, rig.loop, &options, NULL), 0);
        assert_int_equal(datasource_book_put(b, SLICE("file"), &file, NULL), 0);
        assert_int_equal(datasource_book_put(b, SLICE("far"), &far, NULL), 0);
        assert_int_equal(datasource_book_put(b, SLICE("other"), &other, NULL), 0);
        rig.reported = false;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(datasource_book_check(b, SLICE("file"), 1000, rig_on_report, &rig), 0);
            assert_int_equal(datasource_book_check(b, SLICE("far"), 1000, rig_on_report, &rig), 0);
            assert_int_equal(datasource_book_check(b, SLICE("other"), 1000, rig_on_report, &rig), 0);
        }
        for (int i = 0; i < rounds; i++)
            uv_run(loop_uv(rig.loop), UV_RUN_NOWAIT);
        rig.reported = false;
        datasource_book_close(b);
        loop_run_for(rig.loop, 20);
        assert_false(rig.reported);
    }
}

/* What docs/datasources.md shows is what the code means. */
static void documents_show_the_statements(void **state) {
    (void)state;
    static char page[65536], squeezed[65536], wanted[4096];
    FILE *f = fopen("docs/datasources.md", "r");
    if (f == NULL) {
        print_message("skipped: not started in the repository's folder\n");
        skip();
    }
    page[fread(page, 1, sizeof page - 1, f)] = '\0';
    fclose(f);
    for (int kind = DATABASE_POSTGRESQL; kind <= DATABASE_SQLITE; kind++) {
        const char *schema = marker_schema((enum database_kind)kind);
        snprintf(wanted, sizeof wanted, "%.*s", (int)(strstr(schema, "\n-- ") - schema), schema);
        assert_non_null(strstr(page, wanted));
    }
    char *to = squeezed;
    for (const char *at = page; *at != '\0'; at++) /* blanks and line ends become one blank */
        if ((*at != '\n' && *at != ' ') || (to > squeezed && to[-1] != ' '))
            *to++ = *at == '\n' ? ' ' : *at;
    assert_non_null(strstr(squeezed, marker_identity));
}

/* A password file that cannot be read stops the connection before it is made. */
static void a_missing_password_file(void **state) {
    (void)state;
    struct datasource_definition d = { .url = SLICE("postgresql://u@127.0.0.1:1/shop"),
                                       .password_file = SLICE("/nonexistent/password") };
    assert_int_equal(datasource_book_put(rig.book, SLICE("pw"), &d, NULL), 0);
    assert_int_equal(rig_check_back(&rig, "datasource://pw/marker", "m"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "password_file"));
    assert_int_equal(datasource_book_counters(rig.book).connections, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_transaction_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(every_interleaving, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_file_or_table_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(only_below_the_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(checks_of_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_target_may_say, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_definition_may_say, setup, teardown),
        cmocka_unit_test_setup_teardown(jobs_wait_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(removed_while_jobs_run, setup, teardown),
        cmocka_unit_test_setup_teardown(unreachable_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_password_file, setup, teardown),
        cmocka_unit_test_setup_teardown(egress_rules_change, setup, teardown),
        cmocka_unit_test_setup_teardown(closed_while_at_work, setup, teardown),
        cmocka_unit_test(documents_show_the_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
