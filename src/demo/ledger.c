#include "demo/ledger.h"

#include <stdarg.h>

static const char barrier_schema[] =
    "create table if not exists barrier (gid text not null, branch text not null, op text not null,"
    " by text not null, at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ','now')),"
    " primary key (gid, branch, op)) without rowid;";

static int failed(struct ledger *l, struct why *why) {
    return why_set(why, ERR_IO, "%s", l->database == NULL ? "no database" : sqlite3_errmsg(l->database));
}

static int run(struct ledger *l, const char *sql, struct why *why) {
    return sqlite3_exec(l->database, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(l, why);
}

int ledger_open(struct ledger *l, const char *path, const char *schema, struct why *why) {
    l->database = NULL;
    if (sqlite3_open_v2(path, &l->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        return failed(l, why);
    sqlite3_busy_timeout(l->database, 2000);
    int result = run(l, "pragma journal_mode = wal; pragma synchronous = full;", why);
    if (result == 0)
        result = run(l, barrier_schema, why);
    return result == 0 ? run(l, schema, why) : result;
}

void ledger_close(struct ledger *l) {
    sqlite3_close(l->database);
    l->database = NULL;
}

/* ---- statements -------------------------------------------------------------------------------------- */

static int bind(sqlite3_stmt *statement, const char *kinds, va_list values) {
    int result = SQLITE_OK;
    for (int i = 0; kinds[i] != '\0' && result == SQLITE_OK; i++) {
        if (kinds[i] == 't') {
            const struct slice *text = va_arg(values, const struct slice *);
            result = sqlite3_bind_text(statement, i + 1, text->at == NULL ? "" : text->at, (int)text->length,
                                       SQLITE_TRANSIENT);
        } else {
            result = sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t));
        }
    }
    return result;
}

/* Prepare, bind and take the first step; *row tells whether there is one. The caller finalizes. */
static int start(struct ledger *l, sqlite3_stmt **statement, bool *row, struct why *why, const char *sql,
                 const char *kinds, va_list values) {
    *statement = NULL;
    if (sqlite3_prepare_v2(l->database, sql, -1, statement, NULL) != SQLITE_OK ||
        bind(*statement, kinds, values) != SQLITE_OK)
        return failed(l, why);
    int step = sqlite3_step(*statement);
    *row = step == SQLITE_ROW;
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : failed(l, why);
}

int ledger_change(struct ledger *l, int *changed, struct why *why, const char *sql, const char *kinds, ...) {
    sqlite3_stmt *statement;
    bool row = false;
    va_list values;
    va_start(values, kinds);
    int result = start(l, &statement, &row, why, sql, kinds, values);
    va_end(values);
    if (result == 0 && changed != NULL)
        *changed = sqlite3_changes(l->database);
    sqlite3_finalize(statement);
    return result;
}

int ledger_number(struct ledger *l, int64_t *number, int64_t fallback, struct why *why, const char *sql,
                  const char *kinds, ...) {
    sqlite3_stmt *statement;
    bool row = false;
    va_list values;
    va_start(values, kinds);
    int result = start(l, &statement, &row, why, sql, kinds, values);
    va_end(values);
    if (result == 0)
        *number = row && sqlite3_column_type(statement, 0) != SQLITE_NULL ? sqlite3_column_int64(statement, 0)
                                                                          : fallback;
    sqlite3_finalize(statement);
    return result;
}

/* ---- the barrier ------------------------------------------------------------------------------------- */

#define INSERT_ROW "insert or ignore into barrier (gid, branch, op, by) values (?, ?, ?, ?)"

/* Under which word the forward operation of this one is kept; empty when the word is not an operation. */
static struct slice forward_of(struct slice operation) {
    if (slice_is(operation, "try") || slice_is(operation, "confirm") || slice_is(operation, "cancel"))
        return SLICE("try");
    if (slice_is(operation, "action") || slice_is(operation, "compensate"))
        return SLICE("action");
    if (slice_is(operation, "produce") || slice_is(operation, "check"))
        return SLICE("produce");
    if (slice_is(operation, "deliver"))
        return operation;
    return SLICE("");
}

static int insert(struct ledger *l, const struct slice *gid, const struct slice *branch,
                  const struct slice *op, const struct slice *by, bool *inserted, struct why *why) {
    int rows = 0;
    int result = ledger_change(l, &rows, why, INSERT_ROW, "tttt", gid, branch, op, by);
    *inserted = rows == 1;
    return result;
}

static int pass(struct ledger *l, const struct slice *gid, const struct slice *branch,
                const struct slice *operation, enum barrier *barrier, struct why *why) {
    struct slice forward = forward_of(*operation);
    bool backward =
        slice_is(*operation, "cancel") || slice_is(*operation, "compensate") || slice_is(*operation, "check");
    bool marked = false, inserted = false;
    int64_t own = 0;
    int result = 0;
    if (backward)
        result = insert(l, gid, branch, &forward, operation, &marked, why);
    if (result == 0)
        result = insert(l, gid, branch, operation, operation, &inserted, why);
    if (result != 0)
        return result;
    *barrier = inserted && !marked ? BARRIER_PROCEED : BARRIER_SKIP;
    if (inserted || backward || !slice_equal(*operation, forward))
        return 0;
    result =
        ledger_number(l, &own, 0, why, "select by = op from barrier where gid = ? and branch = ? and op = ?",
                      "ttt", gid, branch, operation);
    if (result == 0 && own == 0)
        *barrier = BARRIER_TOO_LATE;
    return result;
}

int ledger_produced(struct ledger *l, struct slice gid, struct slice branch, bool *produced,
                    struct why *why) {
    int64_t own = 0;
    int result = ledger_number(l, &own, 0, why,
                               "select by = op from barrier where gid = ? and branch = ? and op = 'produce'",
                               "tt", &gid, &branch);
    *produced = own != 0;
    return result;
}

int ledger_begin(struct ledger *l, struct slice gid, struct slice branch, struct slice operation,
                 enum barrier *barrier, struct why *why) {
    if (gid.length == 0 || branch.length == 0 || forward_of(operation).length == 0)
        return why_set(why, ERR_INVALID, "Settle-Gid, Settle-Branch and Settle-Op are needed");
    int result = run(l, "begin immediate", why);
    if (result != 0)
        return result;
    result = pass(l, &gid, &branch, &operation, barrier, why);
    if (result != 0)
        ledger_rollback(l);
    return result;
}

int ledger_commit(struct ledger *l, struct why *why) {
    return run(l, "commit", why);
}

void ledger_rollback(struct ledger *l) {
    sqlite3_exec(l->database, "rollback", NULL, NULL, NULL);
}
