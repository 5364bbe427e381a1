/* PostgreSQL by libpq. Addresses are resolved and judged before (hostaddr), and every option that libpq would
 * otherwise take from files of a home folder is given. */
#include "sink/database/database.h"

#include <assert.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"

/* Below no folder: libpq takes a file that is missing for none, without a word. */
#define NO_FILE "/dev/null/none"
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

static const char prepare_session[] =
    "SELECT set_config('lock_timeout', '50ms', false), set_config('statement_timeout', '5s', false),"
    " set_config('default_transaction_isolation', 'read committed', false),"
    " set_config('synchronous_commit',"
    "  CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'"
    "  ELSE current_setting('synchronous_commit') END, false),"
    " set_config('TimeZone', 'UTC', false), set_config('idle_in_transaction_session_timeout', '10s', false)";

enum stage {
    STAGE_CONNECTING,
    STAGE_PREPARING,
    STAGE_IDLE,
    STAGE_RUNNING,
    STAGE_DEAD,
};

struct pg {
    struct database base;
    PGconn *connection;
    PGresult *result; /* of the statement, the first one that is an error if there is one */
    enum stage stage;
};

static void on_progress(struct database *d);

static void be_quiet(void *context, const PGresult *notice) {
    (void)context; /* libpq would write it to the error output */
    (void)notice;
}

static int watch(struct pg *p, int events) {
    return database_watch(&p->base, PQsocket(p->connection), events, on_progress);
}

static void opened(struct pg *p, int code, const struct why *why) {
    p->stage = code == 0 ? STAGE_IDLE : STAGE_DEAD;
    if (code != 0)
        database_unwatch(&p->base);
    p->base.events->opened(p->base.context, code, why);
}

/* --- errors --- */

static int code_of_state(const char *state) {
    static const struct {
        const char *begin;
        int code;
    } table[] = {
        { "55P03", ERR_LOCKED },    { "23505", ERR_CONFLICT },  { "42501", ERR_DENIED },
        { "28", ERR_DENIED },       { "42P01", ERR_NOT_FOUND }, { "42883", ERR_NOT_FOUND },
        { "3D000", ERR_NOT_FOUND }, { "57014", ERR_TIMEOUT },   { "25006", ERR_FENCED },
        { "40", ERR_AGAIN },        { "22", ERR_INVALID },      { "53100", ERR_SPACE },
        { "57P", ERR_CLOSED },      { "08", ERR_CLOSED },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strncmp(state, table[i].begin, strlen(table[i].begin)) == 0)
            return table[i].code;
    return ERR_IO;
}

/* libpq keeps no SQLSTATE of a failed login, but it writes one into its verbose message: "FATAL:  28P01: ".
 */
static int code_of_message(const char *message) {
    for (const char *at = strchr(message, ':'); at != NULL; at = strchr(at + 1, ':')) {
        const char *state = at + 1 + strspn(at + 1, " ");
        bool digits = strcspn(state, "0123456789") < 5; /* "FATAL" is no state */
        if (digits && strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && state[5] == ':')
            return code_of_state(state);
    }
    return ERR_IO;
}

static void connect_failed(struct pg *p) {
    struct why why;
    const char *message = PQerrorMessage(p->connection);
    int code = code_of_message(message);
    size_t length = strcspn(message, "\n");
    /* ERR_CLOSED would say that something ran. */
    if (code != ERR_DENIED && code != ERR_NOT_FOUND)
        code = ERR_IO;
    why_set(&why, code, "%.*s", (int)(length < 400 ? length : 400), message);
    opened(p, code, &why);
}

/* --- statements --- */

static void send_statement(struct pg *p, const char *sql, const struct slice *values, size_t count) {
    char texts[DATABASE_VALUES][DATABASE_VALUE_BYTES];
    const char *at[DATABASE_VALUES] = { NULL };
    for (size_t i = 0; i < count; i++) {
        memcpy(texts[i], values[i].at == NULL ? "" : values[i].at, values[i].length);
        texts[i][values[i].length] = '\0';
        at[i] = texts[i];
    }
    int sent = PQsendQueryParams(p->connection, sql, (int)count, NULL, at, NULL, NULL, 0);
    int left = sent == 1 ? PQflush(p->connection) : -1;
    if (left >= 0 && watch(p, left == 0 ? UV_READABLE : UV_READABLE | UV_WRITABLE) == 0)
        return;
    p->stage = STAGE_DEAD;
    database_unwatch(&p->base);
    database_answer_soon(&p->base, ERR_CLOSED, PQerrorMessage(p->connection));
}

static void run(struct database *d, const char *sql, const struct slice *values, size_t count) {
    struct pg *p = (struct pg *)d;
    if (p->stage == STAGE_DEAD) {
        database_answer_soon(d, ERR_CLOSED, "the connection is closed");
        return;
    }
    assert(p->stage == STAGE_IDLE);
    p->stage = STAGE_RUNNING;
    send_statement(p, sql, values, count);
}

static void read_cells(struct pg *p) {
    struct database_answer *a = &p->base.answer;
    size_t rows = (size_t)PQntuples(p->result);
    a->columns = (size_t)PQnfields(p->result);
    if (a->columns == 0 || a->columns > DATABASE_COLUMNS)
        return;
    a->rows = rows < DATABASE_CELLS / a->columns ? rows : DATABASE_CELLS / a->columns;
    for (size_t i = 0; i < a->rows * a->columns; i++) {
        int row = (int)(i / a->columns);
        int column = (int)(i % a->columns);
        p->base.cells[i] =
            PQgetisnull(p->result, row, column)
                ? SLICE_NONE
                : slice_of(PQgetvalue(p->result, row, column), PQgetlength(p->result, row, column));
    }
}

static void read_result(struct pg *p) {
    ExecStatusType status = p->result == NULL ? PGRES_FATAL_ERROR : PQresultStatus(p->result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        database_say(&p->base, 0, "");
        slice_u64(slice_text(PQcmdTuples(p->result)), &p->base.answer.changed);
        read_cells(p);
        return;
    }
    const char *state = p->result == NULL ? NULL : PQresultErrorField(p->result, PG_DIAG_SQLSTATE);
    const char *words = p->result == NULL ? NULL : PQresultErrorField(p->result, PG_DIAG_MESSAGE_PRIMARY);
    bool dead = PQstatus(p->connection) == CONNECTION_BAD;
    database_say(&p->base, dead || state == NULL ? ERR_CLOSED : code_of_state(state),
                 words == NULL ? PQerrorMessage(p->connection) : words);
}

/* The statement has come to its end, or the connection to its own. */
static void finish(struct pg *p) {
    struct why why;
    bool preparing = p->stage == STAGE_PREPARING;
    read_result(p);
    bool dead = p->base.answer.code == ERR_CLOSED || watch(p, UV_READABLE) != 0;
    p->stage = dead ? STAGE_DEAD : STAGE_IDLE;
    if (dead)
        database_unwatch(&p->base);
    if (!preparing) {
        PGresult *result = p->result;
        p->result = NULL;
        database_answer(&p->base); /* may close it */
        PQclear(result);
        return;
    }
    int code = p->base.answer.code == 0 && !dead ? 0 : ERR_IO;
    why_set(&why, code, "the session cannot be prepared: %s", p->base.said.text);
    PQclear(p->result);
    p->result = NULL;
    opened(p, code, &why);
}

static void receive(struct pg *p) {
    int left = PQflush(p->connection);
    if (left < 0 || PQconsumeInput(p->connection) == 0) {
        finish(p);
        return;
    }
    while (PQisBusy(p->connection) == 0) {
        PGresult *result = PQgetResult(p->connection);
        if (result == NULL) {
            finish(p);
            return;
        }
        if (p->result == NULL)
            p->result = result;
        else
            PQclear(result);
    }
    if (watch(p, left == 0 ? UV_READABLE : UV_READABLE | UV_WRITABLE) != 0)
        finish(p);
}

/* Nothing was asked: the server said something on its own accord, or goodbye. */
static void overhear(struct pg *p) {
    if (PQconsumeInput(p->connection) == 1 && PQstatus(p->connection) == CONNECTION_OK) {
        PQfreemem(PQnotifies(p->connection));
        if (watch(p, UV_READABLE) == 0)
            return;
    }
    p->stage = STAGE_DEAD;
    database_unwatch(&p->base);
    p->base.events->lost(p->base.context);
}

/* --- connecting --- */

static void connect_further(struct pg *p) {
    database_unwatch(&p->base); /* libpq may close its socket and take another */
    PostgresPollingStatusType status = PQconnectPoll(p->connection);
    int code = 0;
    if (status == PGRES_POLLING_READING)
        code = watch(p, UV_READABLE);
    else if (status == PGRES_POLLING_WRITING)
        code = watch(p, UV_WRITABLE);
    if (status == PGRES_POLLING_FAILED || code != 0) {
        connect_failed(p);
        return;
    }
    if (status != PGRES_POLLING_OK)
        return;
    PQsetErrorVerbosity(p->connection, PQERRORS_DEFAULT);
    p->stage = STAGE_PREPARING;
    if (PQsetnonblocking(p->connection, 1) != 0 ||
        PQsendQueryParams(p->connection, prepare_session, 0, NULL, NULL, NULL, NULL, 0) != 1)
        connect_failed(p);
    else
        receive(p);
}

static void on_progress(struct database *d) {
    struct pg *p = (struct pg *)d;
    switch (p->stage) {
    case STAGE_CONNECTING:
        connect_further(p);
        break;
    case STAGE_PREPARING:
    case STAGE_RUNNING:
        receive(p);
        break;
    case STAGE_IDLE:
        overhear(p);
        break;
    case STAGE_DEAD:
        break;
    }
}

static void close_connection(struct database *d) {
    struct pg *p = (struct pg *)d;
    PQclear(p->result);
    PQfinish(p->connection);
    free(p);
}

static const struct database_ops pg_ops = { .run = run, .close = close_connection };

static PGconn *start(const struct database_options *o) {
    const struct database_place *place = o->place;
    static const char *const modes[] = { "disable", "require", "verify-full" };
    char address[NI_MAXHOST] = "", port[8];
    socklen_t length =
        o->address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    getnameinfo(o->address, length, address, sizeof address, NULL, 0, NI_NUMERICHOST);
    snprintf(port, sizeof port, "%u", place->port);
    const char *const option[][2] = {
        { "host", place->host },
        { "hostaddr", address },
        { "port", port },
        { "dbname", place->database },
        { "user", place->user },
        { "password", o->password },
        { "passfile", NO_FILE },
        { "sslmode", modes[place->tls] },
        { "sslrootcert", place->ca[0] != '\0'                ? place->ca
                         : place->tls == DATABASE_TLS_VERIFY ? SYSTEM_CA
                                                             : NO_FILE },
        { "sslcert", NO_FILE },
        { "sslcrl", NO_FILE },
        { "gssencmode", "disable" },
        { "target_session_attrs", "any" },
        { "client_encoding", "UTF8" },
        { "application_name", "settled" },
        { "options", "" },
    };
    enum { OPTIONS = sizeof option / sizeof option[0] };
    const char *names[OPTIONS + 1] = { NULL }, *values[OPTIONS + 1] = { NULL };
    for (size_t i = 0; i < OPTIONS; i++) {
        names[i] = option[i][0];
        values[i] = option[i][1];
    }
    return PQconnectStartParams(names, values, 0);
}

int database_open_postgresql(struct database **out, struct loop *loop, const struct database_options *options,
                             struct why *why) {
    struct pg *p = calloc(1, sizeof *p);
    if (p == NULL || database_init(&p->base, &pg_ops, loop, options) != 0) {
        free(p);
        return why_set(why, ERR_MEMORY, "no memory for a connection to %s", options->place->host);
    }
    p->connection = start(options);
    if (p->connection == NULL || PQstatus(p->connection) == CONNECTION_BAD ||
        (PQsetErrorVerbosity(p->connection, PQERRORS_VERBOSE), watch(p, UV_WRITABLE) != 0)) {
        const char *words = p->connection == NULL ? "no memory" : PQerrorMessage(p->connection);
        int code = why_set(why, ERR_IO, "%.*s", (int)strcspn(words, "\n"), words);
        database_close(&p->base);
        return code;
    }
    PQsetNoticeReceiver(p->connection, be_quiet, NULL);
    *out = &p->base;
    return 0;
}
