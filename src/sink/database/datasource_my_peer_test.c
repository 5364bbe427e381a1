/* CP16, CP17, G8 against a real MariaDB, which tests/peers/datasource_test.py starts. */
#include "sink/database/datasource_peer_test.h"

#include <mysql.h>

static MYSQL *my, *admin;

static MYSQL *my_connect(const char *user, const char *password) {
    static const unsigned tcp = MYSQL_PROTOCOL_TCP;
    unsigned port = (unsigned)strtoul(getenv("SETTLE_TEST_MY"), NULL, 10);
    for (int i = 0; i < 200; i++) {
        MYSQL *m = mysql_init(NULL);
        mysql_options(m, MYSQL_OPT_PROTOCOL, &tcp);
        if (mysql_real_connect(m, "127.0.0.1", user, password, "shop", port, NULL, 0) != NULL)
            return m;
        mysql_close(m);
        usleep(50000);
    }
    fail_msg("no connection to MariaDB as %s", user);
    return NULL;
}

static bool my_does(MYSQL *m, const char *sql) {
    if (mysql_query(m, sql) != 0)
        return false;
    mysql_free_result(mysql_store_result(m));
    return true;
}

static void my_must(MYSQL *m, const char *sql) {
    if (!my_does(m, sql))
        fail_msg("%s: %s", sql, mysql_error(m));
}

static bool my_begin(void *context) {
    return my_does(*(MYSQL **)context, "START TRANSACTION");
}

static bool my_mark(void *context, const char *id, char target[256]) {
    char sql[160];
    (void)target;
    snprintf(sql, sizeof sql, "INSERT INTO settle_marker (id) VALUES ('%s')", id);
    return my_does(*(MYSQL **)context, sql);
}

static bool my_commit(void *context) {
    return my_does(*(MYSQL **)context, "COMMIT");
}

static void my_rollback(void *context) {
    my_must(*(MYSQL **)context, "ROLLBACK");
}

static void my_crash(void *context) {
    MYSQL **m = context;
    shutdown((int)mysql_get_socket(*m), SHUT_RDWR);
    mysql_close(*m);
    *m = my_connect("shop", "secret");
}

static void put_my(const char *name, const char *user) {
    char url[256];
    struct why why = { "" };
    snprintf(url, sizeof url, "mariadb://%s@127.0.0.1:%s/shop", user, getenv("SETTLE_TEST_MY"));
    if (rig_put(&rig, name, url, &why) != 0)
        fail_msg("%s: %s", url, why.text);
}

static int my_setup(void **state) {
    (void)state;
    if (getenv("SETTLE_TEST_MY") == NULL)
        return 0;
    rig_open(&rig);
    put_my("my", "settled");
    my = my_connect("shop", "secret");
    admin = my_connect("admin", "boss");
    my_must(my, "TRUNCATE settle_marker");
    return 0;
}

static int my_teardown(void **state) {
    (void)state;
    if (getenv("SETTLE_TEST_MY") == NULL)
        return 0;
    mysql_close(my);
    mysql_close(admin);
    rig_close(&rig);
    return 0;
}

static void my_every_interleaving(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    static const char *const levels[] = { "REPEATABLE READ", "READ UNCOMMITTED", "SERIALIZABLE" };
    char sql[96];
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        snprintf(sql, sizeof sql, "SET SESSION TRANSACTION ISOLATION LEVEL %s", levels[i]);
        my_must(my, sql);
        struct producer p = { my_begin, my_mark, my_commit, my_rollback, my_crash, &my, true, 1000 * i };
        assert_int_equal(rig_interleave_all(&rig, &p, "datasource://my/marker"), 150);
    }
}

/* A check-back holds no gap: neighbours of a missing id insert without waiting, and nobody deadlocks. */
static void my_neighbours_do_not_wait(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    MYSQL *other = my_connect("shop", "secret");
    my_must(my, "SET SESSION innodb_lock_wait_timeout = 0");
    my_must(other, "SET SESSION innodb_lock_wait_timeout = 0");
    my_must(my, "START TRANSACTION");
    my_must(my, "INSERT INTO settle_marker (id) VALUES ('g5')");
    my_must(other, "START TRANSACTION");
    my_must(other, "INSERT INTO settle_marker (id) VALUES ('g7')");
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "g5"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "still open"));
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "g6"), VERDICT_REFUSED);
    my_must(my, "INSERT INTO settle_marker (id) VALUES ('g4')");
    my_must(other, "INSERT INTO settle_marker (id) VALUES ('g8')");
    my_must(my, "COMMIT");
    my_must(other, "COMMIT");
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "g5"), VERDICT_DONE);
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "g7"), VERDICT_DONE);
    mysql_close(other);
}

static void my_prepared_is_still_open(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    my_must(my, "XA START 'x'");
    my_must(my, "INSERT INTO settle_marker (id) VALUES ('xa')");
    my_must(my, "XA END 'x'");
    my_must(my, "XA PREPARE 'x'");
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "xa"), VERDICT_UNKNOWN);
    my_must(my, "XA COMMIT 'x'");
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "xa"), VERDICT_DONE);
}

static void my_killed(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    my_must(my, "INSERT INTO settle_marker (id) VALUES ('kept')");
    my_must(my, "START TRANSACTION");
    my_must(my, "INSERT INTO settle_marker (id) VALUES ('lost')");
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "kept"), VERDICT_DONE);
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "lost"), VERDICT_UNKNOWN);
    ask_outside("my-kill");
    assert_int_equal(rig_decided(&rig, "datasource://my/marker", "kept"), VERDICT_DONE);
    assert_int_equal(rig_decided(&rig, "datasource://my/marker", "lost"), VERDICT_REFUSED);
    assert_false(my_does(my, "COMMIT"));
    mysql_close(my);
    mysql_close(admin);
    my = my_connect("shop", "secret");
    admin = my_connect("admin", "boss");
}

static void my_connections_that_are_cut(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "cut"), VERDICT_REFUSED);
    rig_send(&rig, "datasource://my/marker", "cut", 8, 5000);
    assert_int_equal(rig.verdicts[VERDICT_REFUSED], 8);
    until_idle(1, DATASOURCE_CONNECTIONS);
    my_must(admin, "KILL USER settled");
    until_idle(0, 0);
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "cut"), VERDICT_REFUSED);
    /* In the middle of a statement: it waits for the table, and its own time ends, or its connection does. */
    my_must(admin, "LOCK TABLES settle_marker WRITE");
    rig_send(&rig, "datasource://my/marker", "cut", 4, 100);
    assert_int_equal(rig.verdicts[VERDICT_UNKNOWN], 4);
    my_must(admin, "KILL USER settled");
    my_must(admin, "UNLOCK TABLES");
    assert_int_equal(rig_decided(&rig, "datasource://my/marker", "cut"), VERDICT_REFUSED);
}

static void my_answers_that_are_lost(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    struct producer p = { my_begin, my_mark, my_commit, my_rollback, my_crash, &my, true, 0 };
    lose_answers("datasource://my/marker", &p);
}

static void my_many_at_once(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    my_must(my, "INSERT INTO settle_marker (id) VALUES ('yes')");
    for (int round = 0; round < 4; round++) {
        rig_send(&rig, "datasource://my/marker", "yes", 32, 5000);
        assert_int_equal(rig.verdicts[VERDICT_DONE], 32);
    }
    /* The first of them inserts; those that meet it in the middle are told to ask again. */
    rig_send(&rig, "datasource://my/marker", "no", 32, 5000);
    assert_int_equal(rig.verdicts[VERDICT_REFUSED] + rig.verdicts[VERDICT_UNKNOWN], 32);
    assert_true(rig.verdicts[VERDICT_REFUSED] >= 1);
    rig_send(&rig, "datasource://my/marker", "no", 32, 5000);
    assert_int_equal(rig.verdicts[VERDICT_REFUSED], 32);
    assert_true(datasource_book_counters(rig.book).opened <= DATASOURCE_CONNECTIONS);
}

static void my_faults_that_a_check_finds(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    assert_int_equal(rig_check(&rig, "my", "login"), FINDING_OK);
    assert_int_equal(rig_finding(&rig, "version")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "writable")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "clock")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "timezone")->state, FINDING_WARN); /* +09:00 */
    assert_int_equal(rig_finding(&rig, "durability")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "marker")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "marker_select")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "marker_insert")->state, FINDING_OK);

    put_my("nobody", "nobody");
    assert_int_equal(rig_check(&rig, "nobody", "login"), FINDING_FAIL);
    rig_write(rig.password, "wrong\n");
    put_my("wrong", "settled");
    assert_int_equal(rig_check(&rig, "wrong", "login"), FINDING_FAIL);
    assert_int_equal(rig_check_back(&rig, "datasource://wrong/marker", "m"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "Access denied"));
    rig_write(rig.password, "secret\n");

    my_must(admin, "REVOKE INSERT ON shop.settle_marker FROM settled");
    assert_int_equal(rig_check(&rig, "my", "marker_insert"), FINDING_FAIL);
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "m"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "denied"));
    my_must(admin, "GRANT INSERT ON shop.settle_marker TO settled");
    my_must(admin, "SET GLOBAL read_only = 1");
    assert_int_equal(rig_check(&rig, "my", "writable"), FINDING_FAIL);
    assert_int_equal(rig_check_back(&rig, "datasource://my/marker", "m"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "read-only"));
    my_must(admin, "SET GLOBAL read_only = 0");
    my_must(admin, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    assert_int_equal(rig_check(&rig, "my", "durability"), FINDING_WARN);
    my_must(admin, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
}

static void my_tables_that_cannot_be_relied_on(void **state) {
    (void)state;
    port_of("SETTLE_TEST_MY");
    static const char *const bad[][2] = {
        { "SELECT 1", "no table" },
        { "CREATE TABLE settle_marker (id varchar(128) COLLATE ascii_bin PRIMARY KEY, state text) "
          "ENGINE=MyISAM",
          "InnoDB" },
        { "CREATE TABLE settle_marker (id varchar(128) COLLATE ascii_bin, state text)", "no unique key" },
        { "CREATE TABLE settle_marker (id varchar(128) COLLATE ascii_bin, state varchar(9), UNIQUE (id, "
          "state))",
          "no unique key" },
        { "CREATE TABLE settle_marker (id varchar(128) COLLATE ascii_bin, state text, UNIQUE (id(5)))",
          "no unique key" },
        { "CREATE TABLE settle_marker (id varchar(128) COLLATE ascii_general_ci PRIMARY KEY, state text)",
          "collation" },
    };
    my_must(my, "RENAME TABLE settle_marker TO settle_marker_kept");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char name[16], url[64];
        snprintf(name, sizeof name, "bad%zu", i);
        snprintf(url, sizeof url, "datasource://%s/marker", name);
        put_my(name, "settled");
        my_must(my, bad[i][0]);
        assert_int_equal(rig_check_back(&rig, url, "m"), VERDICT_UNKNOWN);
        if (strstr(rig.said, bad[i][1]) == NULL)
            fail_msg("%s: %s", bad[i][0], rig.said);
        assert_int_equal(rig_check(&rig, name, "marker"), FINDING_WARN);
        my_does(my, "DROP TABLE settle_marker");
    }
    my_must(my, "RENAME TABLE settle_marker_kept TO settle_marker");
}

static void my_tls(void **state) {
    (void)state;
    tls_of("mariadb", port_of("SETTLE_TEST_MY"), "ssl", "ssl_ca");
}

#define MY(test) cmocka_unit_test_setup_teardown(test, my_setup, my_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        MY(my_every_interleaving),
        MY(my_neighbours_do_not_wait),
        MY(my_prepared_is_still_open),
        MY(my_killed),
        MY(my_connections_that_are_cut),
        MY(my_answers_that_are_lost),
        MY(my_many_at_once),
        MY(my_faults_that_a_check_finds),
        MY(my_tables_that_cannot_be_relied_on),
        MY(my_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
