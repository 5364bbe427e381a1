/* CP16, CP17, G8 against a real PostgreSQL, which tests/peers/datasource_test.py starts. */
#include "sink/database/datasource_peer_test.h"

#include <libpq-fe.h>
#include <signal.h>

static PGconn *pg_connect(const char *user, const char *password) {
    char text[200];
    snprintf(text, sizeof text, "host=127.0.0.1 port=%s dbname=shop user=%s password=%s",
             getenv("SETTLE_TEST_PG"), user, password);
    PGconn *c = PQconnectdb(text);
    for (int i = 0; i < 200 && PQstatus(c) != CONNECTION_OK; i++) { /* it may be recovering */
        usleep(50000);
        PQreset(c);
    }
    assert_int_equal(PQstatus(c), CONNECTION_OK);
    return c;
}

/* The first cell, or NULL when the statement failed; good until the next call. */
static const char *pg_ask(PGconn *c, const char *sql) {
    static char cell[256];
    PGresult *r = PQexec(c, sql);
    bool good = PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK;
    /* A failed transaction's COMMIT succeeds, with another word. */
    good = good && !(strcmp(sql, "COMMIT") == 0 && strcmp(PQcmdStatus(r), "COMMIT") != 0);
    snprintf(cell, sizeof cell, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return good ? cell : NULL;
}

static void pg_must(PGconn *c, const char *sql) {
    if (pg_ask(c, sql) == NULL)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
}

static bool pg_begin(void *context) {
    return pg_ask(*(PGconn **)context, "BEGIN") != NULL;
}

static bool pg_mark(void *context, const char *id, char target[256]) {
    const char *values[1] = { id };
    (void)target;
    PGresult *r =
        PQexecParams(*(PGconn **)context, marker_insert(DATABASE_POSTGRESQL), 1, NULL, values, NULL, NULL, 0);
    bool good = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    return good;
}

/* The URL of a check-back for the transaction that is open on this connection. */
static bool pg_take_xid(void *context, const char *id, char target[256]) {
    PGresult *r = PQexec(*(PGconn **)context, marker_identity);
    bool good = PQresultStatus(r) == PGRES_TUPLES_OK;
    (void)id;
    snprintf(target, 256, "datasource://pg/pg?xid=%s&system=%s", good ? PQgetvalue(r, 0, 0) : "",
             good ? PQgetvalue(r, 0, 1) : "");
    PQclear(r);
    return good;
}

static bool pg_commit(void *context) {
    return pg_ask(*(PGconn **)context, "COMMIT") != NULL;
}

static void pg_rollback(void *context) {
    pg_ask(*(PGconn **)context, "ROLLBACK");
}

static void pg_crash(void *context) {
    PGconn **c = context;
    shutdown(PQsocket(*c), SHUT_RDWR);
    PQfinish(*c);
    *c = pg_connect("shop", "secret");
}

static void put_pg(const char *name, const char *user, const char *host, const char *more) {
    char url[256];
    struct why why = { "" };
    snprintf(url, sizeof url, "postgresql://%s@%s:%s/shop%s", user, host, getenv("SETTLE_TEST_PG"), more);
    if (rig_put(&rig, name, url, &why) != 0)
        fail_msg("%s: %s", url, why.text);
}

static PGconn *pg, *boss;

static int pg_setup(void **state) {
    (void)state;
    if (getenv("SETTLE_TEST_PG") == NULL)
        return 0;
    rig_open(&rig);
    put_pg("pg", "settled", "127.0.0.1", "");
    pg = pg_connect("shop", "secret");
    boss = pg_connect("postgres", "boss");
    pg_must(pg, "TRUNCATE settle_marker");
    return 0;
}

static int pg_teardown(void **state) {
    (void)state;
    if (getenv("SETTLE_TEST_PG") == NULL)
        return 0;
    PQfinish(pg);
    PQfinish(boss);
    rig_close(&rig);
    return 0;
}

static void pg_every_interleaving_by_marker(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    struct producer p = { pg_begin, pg_mark, pg_commit, pg_rollback, pg_crash, &pg, true, 0 };
    assert_int_equal(rig_interleave_all(&rig, &p, "datasource://pg/marker"), 150);
}

static void pg_every_interleaving_by_xid(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    struct producer p = { pg_begin, pg_take_xid, pg_commit, pg_rollback, pg_crash, &pg, false, 0 };
    assert_int_equal(rig_interleave_all(&rig, &p, ""), 27);
}

/* The same, in sessions that were told to be serializable and to commit without waiting for the disk. */
static void pg_other_session_defaults(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    pg_must(boss, "ALTER ROLE settled SET default_transaction_isolation = 'serializable'");
    pg_must(boss, "ALTER ROLE settled SET synchronous_commit = off");
    pg_must(pg, "SET synchronous_commit = off");
    struct producer p = { pg_begin, pg_mark, pg_commit, pg_rollback, pg_crash, &pg, true, 1000 };
    static const int checks[4] = { 0, 0, 1, 2 };
    rig_interleave(&rig, &p, "datasource://pg/marker", checks, END_COMMIT);
    rig_interleave(&rig, &p, "datasource://pg/marker", checks, END_ROLLBACK);
    assert_int_equal(rig_check(&rig, "pg", "durability"), FINDING_WARN);
    pg_must(boss, "ALTER ROLE settled RESET ALL");
}

/* Kill one backend: PostgreSQL ends all others and recovers as after a crash, under the same postmaster. */
static void pg_make_it_crash(void) {
    int victim = (int)strtol(pg_ask(pg, "SELECT pg_backend_pid()"), NULL, 10);
    assert_true(victim > 1);
    assert_int_equal(kill(victim, SIGKILL), 0);
    PQfinish(pg);
    PQfinish(boss);
    usleep(200000);
    pg = pg_connect("shop", "secret");
    boss = pg_connect("postgres", "boss");
    until_idle(0, 0); /* goodbyes of idle connections are heard */
}

/* What is called committed survives a crash, even when the producer did not wait for the disk. */
static void pg_committed_is_on_disk(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    char id[32], sql[128];
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "disk-%d", i);
        pg_must(pg, "SET synchronous_commit = off");
        pg_must(pg, "BEGIN");
        char target[256];
        assert_true(pg_mark(&pg, id, target));
        assert_true(i % 2 == 0 || pg_take_xid(&pg, id, target));
        pg_must(pg, "COMMIT");
        assert_int_equal(rig_check_back(&rig, i % 2 == 0 ? "datasource://pg/marker" : target, id),
                         VERDICT_DONE);
        pg_make_it_crash();
        snprintf(sql, sizeof sql, "SELECT count(*) FROM settle_marker WHERE id = 'disk-%d'", i);
        assert_string_equal(pg_ask(pg, sql), "1");
    }
}

/* The reason for the third part of system: a number that was given before a crash is given again after it. */
static void pg_a_number_given_twice(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    char target[256], naive[256], lost[32], sql[128];
    bool reused = false;
    for (int i = 0; i < 20 && !reused; i++) {
        pg_must(boss, "CHECKPOINT");
        pg_must(pg, "BEGIN");
        assert_true(pg_take_xid(&pg, "", target));
        snprintf(lost, sizeof lost, "%s", pg_ask(pg, "SELECT pg_current_xact_id()"));
        assert_int_equal(rig_check_back(&rig, target, ""), VERDICT_UNKNOWN);
        pg_make_it_crash();
        assert_int_not_equal(rig_check_back(&rig, target, ""), VERDICT_DONE);
        pg_must(pg, "BEGIN");
        reused = strcmp(pg_ask(pg, "SELECT pg_current_xact_id()"), lost) == 0;
        pg_must(pg, "INSERT INTO settle_marker (id) VALUES (gen_random_uuid())");
        pg_must(pg, "COMMIT");
    }
    assert_true(reused);
    snprintf(sql, sizeof sql, "SELECT pg_xact_status('%s')", lost);
    assert_string_equal(pg_ask(pg, sql), "committed"); /* of another transaction */
    assert_int_equal(rig_check_back(&rig, target, ""), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "crash"));
    snprintf(naive, sizeof naive, "%.*s", (int)(strrchr(target, '/') - target), target);
    assert_int_equal(rig_check_back(&rig, naive, ""), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "third part"));
}

static void pg_system_timeline_and_future(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    char target[256], other[300];
    pg_must(pg, "BEGIN");
    assert_true(pg_take_xid(&pg, "", target));
    char *system = strstr(target, "system=") + 7;
    char *timeline = strchr(system, '/') + 1;
    pg_must(pg, "COMMIT");
    assert_int_equal(rig_check_back(&rig, target, ""), VERDICT_DONE);
    /* A timeline that is not this one, a system that is not this one: no answer, whatever the number says
     * here. */
    snprintf(other, sizeof other, "%.*s9%s", (int)(timeline - target), target, timeline);
    assert_int_equal(rig_check_back(&rig, other, ""), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "cannot be known"));
    snprintf(other, sizeof other, "%.*s9%s", (int)(system - target), target, system);
    assert_int_equal(rig_check_back(&rig, other, ""), VERDICT_UNKNOWN);
    snprintf(other, sizeof other, "datasource://pg/pg?xid=9999999&system=%s", system);
    assert_int_equal(rig_check_back(&rig, other, ""), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "future"));
    /* Rolled back is true under any epoch; another's rows in the way do not matter. */
    pg_must(pg, "BEGIN");
    assert_true(pg_take_xid(&pg, "", target));
    pg_must(pg, "ROLLBACK");
    assert_int_equal(rig_check_back(&rig, target, ""), VERDICT_REFUSED);
}

/* A clean restart keeps transaction numbers and statistics: the answer stays. */
static void pg_restarts(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    char committed[256], open[256];
    pg_must(pg, "BEGIN");
    assert_true(pg_take_xid(&pg, "", committed));
    assert_true(pg_mark(&pg, "kept", open));
    pg_must(pg, "COMMIT");
    pg_must(pg, "BEGIN");
    assert_true(pg_mark(&pg, "lost", open));
    assert_true(pg_take_xid(&pg, "", open));
    assert_int_equal(rig_check_back(&rig, committed, ""), VERDICT_DONE);
    ask_outside("pg-restart");
    if (rig_check_back(&rig, committed, "") != VERDICT_DONE)
        fail_msg("%s", rig.said);
    assert_int_equal(rig_check_back(&rig, open, ""), VERDICT_REFUSED);
    ask_outside("pg-kill");
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "kept"), VERDICT_DONE);
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "lost"), VERDICT_REFUSED);
    assert_int_equal(rig_check_back(&rig, committed, ""), VERDICT_UNKNOWN);
    PQreset(pg);
    PQreset(boss);
}

/* A standby decides nothing. Promoted, it is another timeline: numbers mean nothing there, and markers still
 * do. */
static void pg_fails_over(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    char committed[256], open[256];
    pg_must(pg, "BEGIN");
    assert_true(pg_take_xid(&pg, "", committed));
    assert_true(pg_mark(&pg, "kept", open));
    pg_must(pg, "COMMIT");
    assert_int_equal(rig_check_back(&rig, committed, ""), VERDICT_DONE);
    ask_outside("pg-standby");
    PQreset(pg);
    PQreset(boss);
    assert_string_equal(pg_ask(boss, "SELECT pg_is_in_recovery()"), "t");
    assert_int_equal(rig_check_back(&rig, committed, ""), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "standby"));
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "kept"), VERDICT_UNKNOWN);
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "lost"), VERDICT_UNKNOWN);
    assert_int_equal(rig_check(&rig, "pg", "writable"), FINDING_FAIL);
    pg_must(boss, "SELECT pg_promote()");
    assert_int_equal(rig_check_back(&rig, committed, ""), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "system/timeline"));
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "kept"), VERDICT_DONE);
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "lost"), VERDICT_REFUSED);
}

static void pg_connections_that_are_cut(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    static const char cut[] =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'settled'";
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "cut"), VERDICT_REFUSED);
    rig_send(&rig, "datasource://pg/marker", "cut", 8, 5000);
    assert_int_equal(rig.verdicts[VERDICT_REFUSED], 8);
    until_idle(1, DATASOURCE_CONNECTIONS);
    pg_must(boss, cut);
    until_idle(0, 0); /* their goodbyes are heard */
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "cut"), VERDICT_REFUSED);
    /* In the middle of a statement: the check-back waits for the producer's lock when its backend goes. */
    pg_must(boss, "BEGIN");
    pg_must(boss, "LOCK TABLE settle_marker IN ACCESS EXCLUSIVE MODE");
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "cut"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "lock timeout"));
    pg_must(boss, "ROLLBACK");
    /* The call's own time ends first. */
    pg_must(boss, "BEGIN");
    pg_must(boss, "LOCK TABLE settle_marker IN ACCESS EXCLUSIVE MODE");
    rig_send(&rig, "datasource://pg/marker", "cut", 4, 20);
    assert_int_equal(rig.verdicts[VERDICT_UNKNOWN], 4);
    pg_must(boss, "ROLLBACK");
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "cut"), VERDICT_REFUSED);
}

static void pg_answers_that_are_lost(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    struct producer p = { pg_begin, pg_mark, pg_commit, pg_rollback, pg_crash, &pg, true, 0 };
    lose_answers("datasource://pg/marker", &p);
}

static void pg_many_at_once(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    pg_must(pg, "INSERT INTO settle_marker (id) VALUES ('yes')");
    for (int round = 0; round < 4; round++) {
        rig_send(&rig, "datasource://pg/marker", "yes", 32, 5000);
        assert_int_equal(rig.verdicts[VERDICT_DONE], 32);
        rig_send(&rig, "datasource://pg/marker", round % 2 == 0 ? "no" : "never", 32, 5000);
        assert_int_equal(rig.verdicts[VERDICT_REFUSED], 32);
    }
    assert_true(datasource_book_counters(rig.book).opened <= DATASOURCE_CONNECTIONS);
}

/* What must be told before it hurts, and what a check-back then says. */
static void pg_faults_that_a_check_finds(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    assert_int_equal(rig_check(&rig, "pg", "identity"), FINDING_OK);
    assert_int_equal(rig_finding(&rig, "login")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "version")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "writable")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "clock")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "timezone")->state, FINDING_WARN); /* the server's is Asia/Tokyo */
    assert_int_equal(rig_finding(&rig, "xa")->state, FINDING_WARN);
    assert_int_equal(rig_finding(&rig, "marker")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "marker_select")->state, FINDING_OK);
    assert_int_equal(rig_finding(&rig, "marker_insert")->state, FINDING_OK);
    assert_string_equal(pg_ask(pg, "SELECT count(*) FROM settle_marker"), "0");

    put_pg("nobody", "nobody", "127.0.0.1", "");
    if (rig_check(&rig, "nobody", "login") != FINDING_FAIL)
        fail_msg("%s", rig.report.findings[0].say);
    assert_int_equal(rig_check_back(&rig, "datasource://nobody/marker", "m"), VERDICT_UNKNOWN);
    rig_write(rig.password, "wrong\n");
    put_pg("wrong", "settled", "127.0.0.1", "");
    assert_int_equal(rig_check(&rig, "wrong", "login"), FINDING_FAIL);
    assert_non_null(strstr(rig_finding(&rig, "login")->say, "password authentication failed"));
    assert_null(strstr(rig_finding(&rig, "login")->say, "wrong"));
    rig_write(rig.password, "secret\n");

    pg_must(boss, "REVOKE INSERT ON settle_marker FROM settled");
    assert_int_equal(rig_check(&rig, "pg", "marker_insert"), FINDING_FAIL);
    assert_int_equal(rig_check_back(&rig, "datasource://pg/marker", "m"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "permission denied"));
    pg_must(boss, "GRANT INSERT ON settle_marker TO settled");
    pg_must(boss, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public");
    assert_int_equal(rig_check(&rig, "pg", "identity"), FINDING_FAIL);
    assert_non_null(strstr(rig_finding(&rig, "identity")->say,
                           "GRANT EXECUTE ON FUNCTION pg_control_system() TO settled"));
    pg_must(boss, "GRANT EXECUTE ON FUNCTION pg_control_system() TO public");
    pg_must(boss, "ALTER ROLE settled SET default_transaction_read_only = on");
    put_pg("ro", "settled", "127.0.0.1", "");
    assert_int_equal(rig_check(&rig, "ro", "writable"), FINDING_FAIL);
    assert_int_equal(rig_check_back(&rig, "datasource://ro/marker", "m"), VERDICT_UNKNOWN);
    assert_non_null(strstr(rig.said, "read-only"));
    pg_must(boss, "ALTER ROLE settled RESET ALL");
}

static void pg_tables_that_cannot_be_relied_on(void **state) {
    (void)state;
    port_of("SETTLE_TEST_PG");
    static const char *const bad[][2] = {
        { "SELECT 1", "no table" },
        { "CREATE UNLOGGED TABLE settle_marker (id varchar(128) PRIMARY KEY, state text)", "unlogged" },
        { "CREATE TABLE settle_marker (id varchar(128), state text)", "no unique key" },
        { "CREATE TABLE settle_marker (id varchar(128), state text, UNIQUE (id, state))", "no unique key" },
        { "CREATE TABLE settle_marker (id varchar(128) UNIQUE DEFERRABLE, state text)", "no unique key" },
        { "CREATE VIEW settle_marker AS SELECT 'm'::text AS id, 'committed'::text AS state",
          "not a plain table" },
    };
    pg_must(pg, "ALTER TABLE settle_marker RENAME TO settle_marker_kept");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "bad%zu", i);
        put_pg(name, "settled", "127.0.0.1", "");
        pg_must(pg, bad[i][0]);
        pg_ask(pg, "GRANT SELECT, INSERT ON settle_marker TO settled");
        char url[64];
        snprintf(url, sizeof url, "datasource://%s/marker", name);
        assert_int_equal(rig_check_back(&rig, url, "m"), VERDICT_UNKNOWN);
        if (strstr(rig.said, bad[i][1]) == NULL)
            fail_msg("%s: %s", bad[i][0], rig.said);
        assert_int_equal(rig_check(&rig, name, "marker"), FINDING_WARN);
        pg_ask(pg, i == 5 ? "DROP VIEW settle_marker" : "DROP TABLE settle_marker");
    }
    pg_must(pg, "ALTER TABLE settle_marker_kept RENAME TO settle_marker");
}

static void pg_tls(void **state) {
    (void)state;
    tls_of("postgresql", port_of("SETTLE_TEST_PG"), "sslmode", "sslrootcert");
}

#define PG(test) cmocka_unit_test_setup_teardown(test, pg_setup, pg_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PG(pg_every_interleaving_by_marker),
        PG(pg_every_interleaving_by_xid),
        PG(pg_other_session_defaults),
        PG(pg_committed_is_on_disk),
        PG(pg_a_number_given_twice),
        PG(pg_system_timeline_and_future),
        PG(pg_restarts),
        PG(pg_fails_over),
        PG(pg_connections_that_are_cut),
        PG(pg_answers_that_are_lost),
        PG(pg_many_at_once),
        PG(pg_faults_that_a_check_finds),
        PG(pg_tables_that_cannot_be_relied_on),
        PG(pg_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
