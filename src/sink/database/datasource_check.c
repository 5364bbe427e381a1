/* The check of a datasource: a handful of questions, and a sentence for each answer. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sink/database/datasource.h"
#include "sink/database/marker.h"

/* xid8 and pg_xact_status came with 13; MariaDB's SKIP LOCKED, which relays need, with 10.6; MySQL's
 * with 8.0.1. */
#define POSTGRESQL_LEAST 130000
#define MARIADB_LEAST_MAJOR 10
#define MARIADB_LEAST_MINOR 6
#define MYSQL_LEAST_MAJOR 8
#define SKEW_S_MAX 5

static const char postgresql_facts[] =
    "SELECT current_setting('server_version_num'), pg_is_in_recovery()::text,"
    " current_setting('default_transaction_read_only'),"
    " (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'),"
    " extract(epoch FROM clock_timestamp())::bigint::text, current_setting('max_prepared_transactions'),"
    " current_setting('fsync'), (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'),"
    " current_setting('server_version')";
static const char postgresql_identity[] =
    "SELECT (SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p"
    "  WHERE p.pronamespace = 'pg_catalog'::regnamespace AND NOT has_function_privilege(p.oid, 'EXECUTE')"
    "  AND p.proname IN ('pg_control_system', 'pg_walfile_name', 'pg_current_wal_insert_lsn', "
    "'pg_xact_status',"
    "  'pg_logical_emit_message')), has_table_privilege('pg_stat_bgwriter', 'SELECT')::text";
static const char mariadb_version[] = "SELECT version(), unix_timestamp()";
static const char mariadb_facts[] =
    "SHOW GLOBAL VARIABLES WHERE variable_name IN ('read_only', 'super_read_only', 'innodb_read_only', "
    "'time_zone',"
    " 'system_time_zone', 'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'tx_isolation',"
    " 'transaction_isolation', 'wsrep_on')";
static const char mariadb_cluster[] = "SHOW GLOBAL STATUS WHERE variable_name IN ('wsrep_ready', "
                                      "'wsrep_cluster_status', 'wsrep_local_state_comment')";
static const char sqlite_facts[] = "SELECT sqlite_version(), (SELECT journal_mode FROM pragma_journal_mode)";

struct check;
struct question {
    const char *sql; /* NULL: marker_* */
    void (*read)(struct check *c, const struct database_answer *a);
};

struct check {
    struct datasource_job job;
    struct datasource_report report;
    void (*done)(void *context, const struct datasource_report *r);
    void *context;
    char name[DATASOURCE_NAME_BYTES + 1];
    const struct question *questions;
    size_t next;
};

const char *finding_state_word(enum finding_state state) {
    static const char *const words[] = {
        [FINDING_OK] = "ok", [FINDING_WARN] = "warn", [FINDING_FAIL] = "fail"
    };
    return words[state];
}

__attribute__((format(printf, 4, 5))) static void find(struct check *c, const char *id,
                                                       enum finding_state state, const char *format, ...) {
    va_list arguments;
    if (c->report.count == FINDINGS_MAX)
        return;
    struct finding *f = &c->report.findings[c->report.count++];
    f->id = id;
    f->state = state;
    va_start(arguments, format);
    vsnprintf(f->say, sizeof f->say, format, arguments);
    va_end(arguments);
    if (state > c->report.worst)
        c->report.worst = state;
}

static void find_clock(struct check *c, struct slice seconds) {
    uint64_t theirs = 0;
    int64_t ours = (int64_t)time(NULL);
    slice_u64(slice_upto(seconds, slice_find(seconds, '.')), &theirs);
    int64_t skew = (int64_t)theirs - ours;
    if (skew < -SKEW_S_MAX || skew > SKEW_S_MAX)
        find(c, "clock", FINDING_WARN,
             "the server's clock is %" PRId64
             " s ahead of this host's: no decision depends on it, but times in logs and in "
             "the column created do not match",
             skew);
    else
        find(c, "clock", FINDING_OK, "the clocks agree within %d s", SKEW_S_MAX);
}

static void find_zone(struct check *c, struct slice zone) {
    bool utc = slice_is_nocase(zone, "UTC") || slice_is_nocase(zone, "Etc/UTC") || slice_is(zone, "+00:00") ||
               slice_is_nocase(zone, "GMT");
    if (utc)
        find(c, "timezone", FINDING_OK, "the server's time zone is %.*s", SLICE_PRINT(zone));
    else
        find(c, "timezone", FINDING_WARN,
             "the server's time zone is %.*s: settled's own sessions use UTC and markers are safe, but "
             "DELETE statements of "
             "other sessions compare created with local time, which jumps where there is summer time",
             SLICE_PRINT(zone));
}

/* --- PostgreSQL --- */

static void read_postgresql(struct check *c, const struct database_answer *a) {
    uint64_t version = 0;
    slice_u64(database_cell(a, 0, 0), &version);
    struct slice words = database_cell(a, 0, 8), commits = database_cell(a, 0, 7);
    if (version < POSTGRESQL_LEAST)
        find(c, "version", FINDING_FAIL, "PostgreSQL %.*s: pg_xact_status(xid8) needs 13 or newer",
             SLICE_PRINT(words));
    else
        find(c, "version", FINDING_OK, "PostgreSQL %.*s", SLICE_PRINT(words));
    if (slice_is(database_cell(a, 0, 1), "true"))
        find(c, "writable", FINDING_FAIL, "the server is a standby: a datasource must name the primary");
    else if (slice_is(database_cell(a, 0, 2), "on"))
        find(c, "writable", FINDING_FAIL,
             "default_transaction_read_only is on: check-backs by marker cannot write (ALTER ROLE … SET "
             "default_transaction_read_only = off)");
    else
        find(c, "writable", FINDING_OK, "the server takes writes");
    find_zone(c, database_cell(a, 0, 3));
    find_clock(c, database_cell(a, 0, 4));
    if (slice_is(database_cell(a, 0, 5), "0"))
        find(c, "xa", FINDING_WARN,
             "max_prepared_transactions is 0: XA branches are impossible here (needs a restart)");
    else
        find(c, "xa", FINDING_OK, "max_prepared_transactions is %.*s", SLICE_PRINT(database_cell(a, 0, 5)));
    if (!slice_is(database_cell(a, 0, 6), "on"))
        find(c, "durability", FINDING_FAIL,
             "fsync is off: a committed transaction may be lost after it was answered");
    else if (slice_is(commits, "off"))
        find(c, "durability", FINDING_WARN,
             "synchronous_commit is off for this role: a crash may lose what was just committed; check-backs "
             "wait until "
             "it is on disk");
    else
        find(c, "durability", FINDING_OK, "synchronous_commit is %.*s", SLICE_PRINT(commits));
}

static void read_identity(struct check *c, const struct database_answer *a) {
    const char *user = datasource_job_place(&c->job)->user;
    struct slice functions = database_cell(a, 0, 0);
    if (functions.length > 0)
        find(c, "identity", FINDING_FAIL,
             "check-backs on PostgreSQL cannot be confirmed: GRANT EXECUTE ON FUNCTION %.*s TO %s",
             SLICE_PRINT(functions), user);
    else if (!slice_is(database_cell(a, 0, 1), "true"))
        find(c, "identity", FINDING_FAIL,
             "check-backs by transaction are impossible: GRANT SELECT ON pg_stat_bgwriter TO %s", user);
    else
        find(c, "identity", FINDING_OK, "system identifier, timeline and transaction status can be read");
}

/* --- MariaDB --- */

static void read_version(struct check *c, const struct database_answer *a) {
    char text[64];
    struct slice version = slice_upto(database_cell(a, 0, 0), sizeof text - 1);
    unsigned major = 0, minor = 0;
    if (version.length > 0)
        memcpy(text, version.at, version.length);
    text[version.length] = '\0';
    sscanf(text, "%u.%u", &major, &minor);
    bool mariadb = strstr(text, "MariaDB") != NULL;
    bool good = mariadb ? major > MARIADB_LEAST_MAJOR ||
                              (major == MARIADB_LEAST_MAJOR && minor >= MARIADB_LEAST_MINOR)
                        : major >= MYSQL_LEAST_MAJOR;
    find(c, "version", good ? FINDING_OK : FINDING_FAIL, "%s%s%s", mariadb ? "" : "MySQL ", text,
         good ? "" : ": SKIP LOCKED and NOWAIT need MariaDB 10.6 or MySQL 8.0, or newer");
    find_clock(c, database_cell(a, 0, 1));
}

static struct slice variable(const struct database_answer *a, const char *name) {
    for (size_t i = 0; i < a->rows; i++)
        if (slice_is_nocase(database_cell(a, i, 0), name))
            return database_cell(a, i, 1);
    return SLICE_NONE;
}

static void read_mariadb(struct check *c, const struct database_answer *a) {
    struct slice zone = variable(a, "time_zone"), flush = variable(a, "innodb_flush_log_at_trx_commit");
    struct slice isolation = variable(a, "tx_isolation");
    struct slice read_only = variable(a, "read_only");
    if (isolation.length == 0)
        isolation = variable(a, "transaction_isolation");
    /* MariaDB 12 knows more words than ON. */
    bool off = slice_is_nocase(read_only, "OFF") || slice_is(read_only, "0");
    if (!off || slice_is_nocase(variable(a, "super_read_only"), "ON") ||
        slice_is_nocase(variable(a, "innodb_read_only"), "ON"))
        find(c, "writable", FINDING_FAIL,
             "the server is read-only: a datasource must name the one that takes writes");
    else
        find(c, "writable", FINDING_OK, "the server takes writes");
    find_zone(c, slice_is_nocase(zone, "SYSTEM") ? variable(a, "system_time_zone") : zone);
    if (slice_is(flush, "1"))
        find(c, "durability", FINDING_OK, "innodb_flush_log_at_trx_commit is 1");
    else
        find(c, "durability", FINDING_WARN,
             "innodb_flush_log_at_trx_commit is %.*s: a crash may lose a transaction that a check-back has "
             "seen as committed",
             SLICE_PRINT(flush));
    find(c, "isolation", FINDING_OK, "the default is %.*s; settled's sessions use READ-COMMITTED",
         SLICE_PRINT(isolation));
    if (slice_is_nocase(variable(a, "wsrep_on"), "ON"))
        find(c, "xa", FINDING_WARN, "the server is a Galera node: XA branches are impossible here");
    else
        find(c, "xa", FINDING_OK, "XA is possible; the binary log is %.*s",
             SLICE_PRINT(variable(a, "log_bin")));
}

static void read_cluster(struct check *c, const struct database_answer *a) {
    struct slice ready = variable(a, "wsrep_ready"), status = variable(a, "wsrep_cluster_status");
    struct slice state = variable(a, "wsrep_local_state_comment");
    if (status.length == 0 || slice_is_nocase(status, "Disconnected"))
        return; /* no cluster */
    if (slice_is_nocase(ready, "ON") && slice_is_nocase(status, "Primary"))
        find(c, "cluster", FINDING_OK, "Galera: %.*s in the primary component", SLICE_PRINT(state));
    else
        find(c, "cluster", FINDING_FAIL, "Galera: this node is not ready (%.*s, component %.*s)",
             SLICE_PRINT(state), SLICE_PRINT(status));
}

/* --- SQLite --- */

static void read_sqlite(struct check *c, const struct database_answer *a) {
    find(c, "version", FINDING_OK, "SQLite %.*s, journal mode %.*s", SLICE_PRINT(database_cell(a, 0, 0)),
         SLICE_PRINT(database_cell(a, 0, 1)));
}

/* --- the marker table --- */

static void read_inspection(struct check *c, const struct database_answer *a) {
    struct slice fault = database_cell(a, 0, 0);
    if (a->code != 0 || fault.length > 0)
        find(
            c, "marker", FINDING_WARN,
            "check-backs by marker are impossible: %.*s; docs/datasources.md has the statements that make it",
            fault.length > 0 ? (int)fault.length : (int)strlen(a->say), fault.length > 0 ? fault.at : a->say);
    else
        find(c, "marker", FINDING_OK, "the table settle_marker is there, and its key is right");
}

static void find_privilege(struct check *c, const char *id, const char *word,
                           const struct database_answer *a) {
    if (a->code == 0)
        find(c, id, FINDING_OK, "%s settle_marker works", word);
    else if (a->code == ERR_NOT_FOUND)
        find(c, id, FINDING_WARN, "%s settle_marker cannot be tried: there is no such table", word);
    else if (a->code == ERR_DENIED)
        find(c, id, FINDING_FAIL,
             "%s settle_marker is not allowed: GRANT SELECT, INSERT ON settle_marker TO %s (%s)", word,
             datasource_job_place(&c->job)->user, a->say);
    else
        find(c, id, FINDING_FAIL, "%s settle_marker fails: %s", word, a->say);
}

static void read_select(struct check *c, const struct database_answer *a) {
    find_privilege(c, "marker_select", "SELECT on", a);
}

static void read_insert(struct check *c, const struct database_answer *a) {
    find_privilege(c, "marker_insert", "INSERT into", a);
}

#define MARKER_QUESTIONS                                                       \
    { NULL, read_inspection }, { NULL, read_select }, { NULL, read_insert }, { \
        NULL, NULL                                                             \
    }

static const struct question questions_postgresql[] = {
    { postgresql_facts, read_postgresql },
    { postgresql_identity, read_identity },
    MARKER_QUESTIONS,
};
static const struct question questions_mariadb[] = {
    { mariadb_version, read_version },
    { mariadb_facts, read_mariadb },
    { mariadb_cluster, read_cluster },
    MARKER_QUESTIONS,
};
static const struct question questions_sqlite[] = {
    { sqlite_facts, read_sqlite },
    MARKER_QUESTIONS,
};

/* --- the job --- */

static void finish(struct check *c) {
    c->report.name = slice_text(c->name);
    c->done(c->context, &c->report);
    free(c);
}

static void ask(struct check *c) {
    const struct question *q = &c->questions[c->next];
    struct slice no_id = SLICE("");
    enum database_kind kind = datasource_job_kind(&c->job);
    if (q->read == NULL) {
        datasource_job_end(&c->job);
        finish(c);
    } else if (q->read == read_inspection) {
        datasource_job_run(&c->job, marker_inspection(kind), NULL, 0);
    } else if (q->read == read_select) {
        datasource_job_run(&c->job, marker_state(kind), &no_id, 1);
    } else if (q->read == read_insert) {
        datasource_job_run(&c->job, marker_privilege(kind), NULL, 0);
    } else {
        datasource_job_run(&c->job, q->sql, NULL, 0);
    }
}

static void on_ready(void *context) {
    static const struct question *const questions[] = {
        [DATABASE_POSTGRESQL] = questions_postgresql,
        [DATABASE_MARIADB] = questions_mariadb,
        [DATABASE_SQLITE] = questions_sqlite,
    };
    struct check *c = context;
    const struct database_place *place = datasource_job_place(&c->job);
    if (place->kind == DATABASE_SQLITE) {
        find(c, "reachable", FINDING_OK, "%s can be opened", place->path);
    } else {
        find(c, "reachable", FINDING_OK, "%s port %u answers", place->host, place->port);
        find(c, "login", FINDING_OK, "as %s into %s", place->user, place->database);
    }
    c->questions = questions[place->kind];
    ask(c);
}

static void on_answered(void *context, const struct database_answer *a) {
    struct check *c = context;
    const struct question *q = &c->questions[c->next++];
    if (a->code == ERR_CLOSED) {
        find(c, "reachable", FINDING_FAIL, "the connection was lost: %s", a->say);
        datasource_job_end(&c->job);
        finish(c);
        return;
    }
    bool marker = q->sql == NULL;
    if (a->code != 0 && !marker)
        find(c, "facts", FINDING_FAIL, "the server's settings cannot be read: %s", a->say);
    else
        q->read(c, a);
    ask(c);
}

static void on_failed(void *context, int code, bool connected, const char *say) {
    struct check *c = context;
    (void)connected;
    if (code == ERR_INVALID) /* it answered, and refused */
        find(c, "reachable", FINDING_OK, "it answers");
    find(c,
         code == ERR_INVALID  ? "login"
         : code == ERR_DENIED ? "allowed"
                              : "reachable",
         FINDING_FAIL, "%s", say);
    finish(c);
}

static const struct datasource_job_events events = {
    .ready = on_ready,
    .answered = on_answered,
    .failed = on_failed,
    .dropped = free,
};

int datasource_book_check(struct datasource_book *b, struct slice name, uint32_t timeout_ms,
                          void (*done)(void *context, const struct datasource_report *r), void *context) {
    if (!datasource_book_has(b, name))
        return ERR_NOT_FOUND;
    struct check *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_MEMORY;
    c->done = done;
    c->context = context;
    memcpy(c->name, name.at, name.length);
    int code = datasource_job_start(b, name, &c->job, timeout_ms, &events, c);
    if (code != 0)
        free(c);
    return code;
}
