/* MariaDB and MySQL by libmariadb's non-blocking calls: each *_start and *_cont gives what to wait for. */
#include "sink/database/database.h"

#include <assert.h>
#include <errmsg.h>
#include <mysql.h>
#include <mysql/plugin_auth.h>
#include <mysqld_error.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "net/loop.h"

#define CELL_BYTES 512 /* longer cells are cut */
#define HANDSHAKE_S 3  /* each wait of a connecting under TLS */
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

/* Read as MariaDB reads it; for MySQL the second half is a comment. There the shortest wait for a lock is a
 * second. */
static const char prepare_session[] =
    "SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', "
    "innodb_lock_wait_timeout = 1 /*M! , innodb_lock_wait_timeout = 0, max_statement_time = 5 */";
static const char prepare_isolation[] = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

enum stage {
    STAGE_CONNECTING,
    STAGE_IDLE,
    STAGE_PREPARING,
    STAGE_EXECUTING,
    STAGE_STORING,
    STAGE_FETCHING,
    STAGE_CLOSING_STATEMENT,
    STAGE_DEAD,
};

struct my {
    struct database base;
    MYSQL mysql;
    MYSQL_STMT *statement;
    enum stage stage;
    bool waiting; /* the library holds a suspended call */
    bool closing; /* to be freed when the thread that connects comes back */
    uv_work_t work;
    bool working;
    const char *sql;
    size_t count;
    char values[DATABASE_VALUES][DATABASE_VALUE_BYTES];
    unsigned long value_lengths[DATABASE_VALUES];
    char (*store)[CELL_BYTES]; /* DATABASE_CELLS of them, while there are rows */
    char row[DATABASE_COLUMNS][CELL_BYTES];
    unsigned long lengths[DATABASE_COLUMNS];
    my_bool nulls[DATABASE_COLUMNS];
    char address[NI_MAXHOST];
    char password[DATABASE_VALUE_BYTES];
    struct database_place place;
};

static void on_progress(struct database *d);
static void go_on(struct my *m);

static int code_of_errno(unsigned number) {
    switch (number) {
    case ER_LOCK_WAIT_TIMEOUT:
    case 3572: /* MySQL's NOWAIT */
        return ERR_LOCKED;
    case ER_DUP_ENTRY:
        return ERR_CONFLICT;
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_ERROR:
        return ERR_DENIED;
    case ER_NO_SUCH_TABLE:
    case ER_BAD_DB_ERROR:
        return ERR_NOT_FOUND;
    case ER_OPTION_PREVENTS_STATEMENT:
    case 1836: /* ER_READ_ONLY_MODE */
        return ERR_FENCED;
    case ER_LOCK_DEADLOCK:
        return ERR_AGAIN;
    case ER_DATA_TOO_LONG:
        return ERR_INVALID;
    case ER_RECORD_FILE_FULL:
    case ER_DISK_FULL:
        return ERR_SPACE;
    case 1969: /* MariaDB's max_statement_time */
        return ERR_TIMEOUT;
    case ER_SERVER_SHUTDOWN:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case 1927: /* ER_CONNECTION_KILLED */
        return ERR_CLOSED;
    default:
        return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ? ERR_CLOSED : ERR_IO;
    }
}

/* --- ends --- */

static void opened(struct my *m, int code, const struct why *why) {
    explicit_bzero(m->password, sizeof m->password);
    m->stage = code == 0 ? STAGE_IDLE : STAGE_DEAD;
    if (code != 0 ||
        database_watch(&m->base, (int)mysql_get_socket(&m->mysql), UV_READABLE, on_progress) != 0)
        database_unwatch(&m->base);
    m->base.events->opened(m->base.context, code, why);
}

static void connect_failed(struct my *m) {
    struct why why;
    int code = code_of_errno(mysql_errno(&m->mysql));
    if (code != ERR_DENIED && code != ERR_NOT_FOUND)
        code = ERR_IO;
    why_set(&why, code, "%.400s", mysql_error(&m->mysql));
    opened(m, code, &why);
}

/* The statement failed; its answer waits until the statement is closed. */
static void fail(struct my *m, unsigned number, const char *words) {
    database_say(&m->base, code_of_errno(number), words);
}

static void finish(struct my *m) {
    m->statement = NULL;
    m->stage = m->base.answer.code == ERR_CLOSED ? STAGE_DEAD : STAGE_IDLE;
    if (m->stage == STAGE_DEAD)
        database_unwatch(&m->base);
    else if (database_watch(&m->base, (int)mysql_get_socket(&m->mysql), UV_READABLE, on_progress) != 0)
        m->stage = STAGE_DEAD;
    database_answer(&m->base); /* may close it */
}

/* --- rows --- */

static void bind_values(struct my *m, MYSQL_BIND bind[DATABASE_VALUES]) {
    memset(bind, 0, DATABASE_VALUES * sizeof bind[0]);
    for (size_t i = 0; i < m->count; i++) {
        bind[i].buffer_type = MYSQL_TYPE_STRING;
        bind[i].buffer = m->values[i];
        bind[i].buffer_length = m->value_lengths[i];
        bind[i].length = &m->value_lengths[i];
    }
}

static bool bind_row(struct my *m) {
    MYSQL_BIND bind[DATABASE_COLUMNS];
    memset(bind, 0, sizeof bind);
    for (size_t i = 0; i < m->base.answer.columns; i++) {
        bind[i].buffer_type = MYSQL_TYPE_STRING;
        bind[i].buffer = m->row[i];
        bind[i].buffer_length = CELL_BYTES;
        bind[i].length = &m->lengths[i];
        bind[i].is_null = &m->nulls[i];
    }
    return mysql_stmt_bind_result(m->statement, bind) == 0;
}

static void keep_row(struct my *m) {
    struct database_answer *a = &m->base.answer;
    for (size_t i = 0; i < a->columns; i++) {
        size_t cell = a->rows * a->columns + i;
        size_t length = m->lengths[i] < CELL_BYTES ? m->lengths[i] : CELL_BYTES;
        memcpy(m->store[cell], m->row[i], length);
        m->base.cells[cell] = m->nulls[i] ? SLICE_NONE : slice_of(m->store[cell], length);
    }
    a->rows++;
}

/* The rows are here (store_result), so fetching does not wait. */
static void keep_rows(struct my *m) {
    struct database_answer *a = &m->base.answer;
    if (m->store == NULL)
        m->store = calloc(DATABASE_CELLS, sizeof *m->store);
    if (m->store == NULL || !bind_row(m)) {
        database_say(&m->base, ERR_MEMORY, "no memory for rows");
        return;
    }
    while ((a->rows + 1) * a->columns <= DATABASE_CELLS) {
        int code = mysql_stmt_fetch(m->statement);
        if (code != 0 && code != MYSQL_DATA_TRUNCATED)
            break;
        keep_row(m);
    }
}

/* --- one call after another --- */

/* Returns what to wait for, 0 when the call is over; then *failed says how. */
static int call(struct my *m, int ready, bool *failed) {
    MYSQL *connected = NULL;
    my_bool flag = 0;
    int code = 0, wait = 0;
    bool start = !m->waiting;
    switch (m->stage) {
    case STAGE_CONNECTING:
        wait = start ? mysql_real_connect_start(&connected, &m->mysql, m->address, m->place.user, m->password,
                                                m->place.database, m->place.port, NULL, 0)
                     : mysql_real_connect_cont(&connected, &m->mysql, ready);
        *failed = connected == NULL;
        break;
    case STAGE_PREPARING:
        wait = start ? mysql_stmt_prepare_start(&code, m->statement, m->sql, strlen(m->sql))
                     : mysql_stmt_prepare_cont(&code, m->statement, ready);
        break;
    case STAGE_EXECUTING:
        wait = start ? mysql_stmt_execute_start(&code, m->statement)
                     : mysql_stmt_execute_cont(&code, m->statement, ready);
        break;
    case STAGE_STORING:
        wait = start ? mysql_stmt_store_result_start(&code, m->statement)
                     : mysql_stmt_store_result_cont(&code, m->statement, ready);
        break;
    case STAGE_CLOSING_STATEMENT:
        wait = start ? mysql_stmt_close_start(&flag, m->statement)
                     : mysql_stmt_close_cont(&flag, m->statement, ready);
        break;
    default:
        assert(!"a stage without a call");
    }
    if (m->stage != STAGE_CONNECTING)
        *failed = code != 0;
    m->waiting = wait != 0;
    return wait;
}

/* Bind what the prepared statement wants. */
static bool bind_all(struct my *m) {
    MYSQL_BIND values[DATABASE_VALUES];
    if (mysql_stmt_param_count(m->statement) != m->count)
        return false;
    bind_values(m, values);
    return m->count == 0 || mysql_stmt_bind_param(m->statement, values) == 0;
}

static enum stage after_execute(struct my *m) {
    unsigned columns = mysql_stmt_field_count(m->statement);
    database_say(&m->base, 0, "");
    m->base.answer.changed = columns == 0 ? mysql_stmt_affected_rows(m->statement) : 0;
    if (columns == 0 || columns > DATABASE_COLUMNS)
        return STAGE_CLOSING_STATEMENT;
    m->base.answer.columns = columns;
    return STAGE_STORING;
}

/* A call is over: what comes next. */
static void next(struct my *m, bool failed) {
    if (m->stage == STAGE_CONNECTING) {
        if (failed)
            connect_failed(m);
        else
            opened(m, 0, NULL);
        return;
    }
    if (m->stage == STAGE_CLOSING_STATEMENT) {
        finish(m);
        return;
    }
    if (!failed && m->stage == STAGE_PREPARING && !bind_all(m))
        failed = true;
    if (failed) {
        fail(m, mysql_stmt_errno(m->statement), mysql_stmt_error(m->statement));
        m->stage = STAGE_CLOSING_STATEMENT;
    } else if (m->stage == STAGE_PREPARING) {
        m->stage = STAGE_EXECUTING;
    } else if (m->stage == STAGE_EXECUTING) {
        m->stage = after_execute(m);
    } else {
        keep_rows(m);
        m->stage = STAGE_CLOSING_STATEMENT;
    }
    go_on(m);
}

static int uv_events(int wait) {
    return ((wait & MYSQL_WAIT_READ) != 0 ? UV_READABLE : 0) |
           ((wait & MYSQL_WAIT_WRITE) != 0 ? UV_WRITABLE : 0) |
           ((wait & MYSQL_WAIT_EXCEPT) != 0 ? UV_PRIORITIZED : 0);
}

/* Nothing can be waited for: the connection is of no use. */
static void drop(struct my *m) {
    m->waiting = false;
    database_unwatch(&m->base);
    if (m->stage == STAGE_CONNECTING) {
        struct why why;
        why_set(&why, ERR_IO, "the connection's descriptor cannot be watched");
        opened(m, ERR_IO, &why);
        return;
    }
    m->stage = STAGE_DEAD;
    database_say(&m->base, ERR_CLOSED, "the connection's descriptor cannot be watched");
    database_answer(&m->base);
}

static void proceed(struct my *m, int ready) {
    bool failed = false;
    int wait = call(m, ready, &failed);
    if (wait == 0)
        next(m, failed);
    else if (database_watch(&m->base, (int)mysql_get_socket(&m->mysql), uv_events(wait), on_progress) != 0)
        drop(m);
}

static void go_on(struct my *m) {
    proceed(m, 0);
}

static void on_progress(struct database *d) {
    struct my *m = (struct my *)d;
    if (m->stage == STAGE_DEAD)
        return;
    if (m->stage == STAGE_IDLE) { /* nothing was asked, so it says goodbye */
        m->stage = STAGE_DEAD;
        database_unwatch(d);
        d->events->lost(d->context);
        return;
    }
    /* Level-triggered: the library tries, and waits again if it was too early. */
    int ready = (d->wanted & UV_WRITABLE) != 0 ? MYSQL_WAIT_WRITE : 0;
    if ((d->wanted & UV_READABLE) != 0 || ready == 0) /* 0: after an error, which reading shows */
        ready |= MYSQL_WAIT_READ;
    if (m->stage == STAGE_CONNECTING)
        database_unwatch(d); /* the library may close its socket */
    proceed(m, ready);
}

static void connect_work(uv_work_t *work);
static void after_connect(uv_work_t *work, int status);

static void on_start(void *context) {
    struct my *m = context;
    if (m->stage == STAGE_CONNECTING && m->place.tls != DATABASE_TLS_OFF) {
        m->working = true;
        uv_queue_work(loop_uv(m->base.loop), &m->work, connect_work,
                      after_connect); /* cannot fail with a callback */
        return;
    }
    if (m->stage == STAGE_DEAD || (m->stage == STAGE_PREPARING && m->statement == NULL)) {
        m->stage = STAGE_DEAD;
        database_answer(&m->base);
        return;
    }
    go_on(m);
}

static void run(struct database *d, const char *sql, const struct slice *values, size_t count) {
    struct my *m = (struct my *)d;
    m->sql = sql;
    m->count = count;
    for (size_t i = 0; i < count; i++) {
        memcpy(m->values[i], values[i].at == NULL ? "" : values[i].at, values[i].length);
        m->value_lengths[i] = values[i].length;
    }
    database_say(d, ERR_CLOSED, "the connection is closed");
    if (m->stage != STAGE_DEAD) {
        assert(m->stage == STAGE_IDLE);
        m->stage = STAGE_PREPARING;
        m->statement = mysql_stmt_init(&m->mysql);
    }
    timer_start(&d->soon, 0); /* the library may be done before it comes back */
}

/* --- connecting under TLS --- */

/* Two things that libmariadb does in the handshake need a way around.
 *
 * It waits in it without letting go of the thread: so the whole connecting happens on a worker thread then,
 * with the library's own timeouts.
 *
 * It checks the certificate for the host that was connected to, which is an address here. The name that the
 * certificate is for must take its place after the connection is made and before the handshake. There is one
 * moment in between where the library calls out: when an authentication plugin is to write its first bytes.
 * So one of ours is the first; the server does not know it and names the right one, as it does for every
 * account that uses another than the client's default. Whatever goes wrong here ends in a certificate that
 * does not fit the address, and nothing is sent. */
#define NAMING_PLUGIN "settle_host_name"

/* mysql/client_plugin.h declares these, but it includes a header that the package does not bring. */
struct client_plugin {
    int type;
    unsigned interface_version;
    const char *name;
    const char *author;
    const char *description;
    unsigned version[3];
    const char *license;
    void *api;
    int (*init)(char *, size_t, int, va_list);
    int (*deinit)(void);
    int (*options)(const char *option, const void *);
    int (*authenticate_user)(MYSQL_PLUGIN_VIO *channel, struct st_mysql *mysql);
};
struct st_mysql_client_plugin;
struct st_mysql_client_plugin *STDCALL mysql_client_register_plugin(struct st_mysql *mysql,
                                                                    struct st_mysql_client_plugin *plugin);
#define PLUGIN_AUTHENTICATION 2
#define PLUGIN_AUTHENTICATION_VERSION 0x0100

static int name_host(MYSQL_PLUGIN_VIO *channel, struct st_mysql *mysql) {
    struct my *m = CHAIN_OWNER(mysql, struct my, mysql);
    char *name = strdup(m->place.host);
    if (name == NULL)
        return CR_ERROR;
    free(mysql->host); /* a text of its own */
    mysql->host = name;
    return channel->write_packet(channel, (const unsigned char *)"", 0) == 0 ? CR_OK : CR_ERROR;
}

static struct client_plugin naming_plugin = {
    .type = PLUGIN_AUTHENTICATION,
    .interface_version = PLUGIN_AUTHENTICATION_VERSION,
    .name = NAMING_PLUGIN,
    .author = "settle",
    .description = "names the host that the certificate is for",
    .version = { 1, 0, 0 },
    .license = "Apache-2.0",
    .authenticate_user = name_host,
};

static void connect_work(uv_work_t *work) {
    struct my *m = CHAIN_OWNER(work, struct my, work);
    mysql_real_connect(&m->mysql, m->address, m->place.user, m->password, m->place.database, m->place.port,
                       NULL, 0);
}

static void close_connection(struct database *d);

static void after_connect(uv_work_t *work, int status) {
    struct my *m = CHAIN_OWNER(work, struct my, work);
    (void)status;
    m->working = false;
    if (m->closing)
        close_connection(&m->base);
    else if (mysql_errno(&m->mysql) != 0)
        connect_failed(m);
    else
        opened(m, 0, NULL);
}

static void close_connection(struct database *d) {
    struct my *m = (struct my *)d;
    if (m->working) {
        m->closing = true;
        return;
    }
    my_socket descriptor = mysql_get_socket(&m->mysql);
    explicit_bzero(m->password, sizeof m->password);
    /* The library would say goodbye, and wait for the network to take it. */
    if (descriptor != MARIADB_INVALID_SOCKET)
        shutdown((int)descriptor, SHUT_RDWR);
    m->mysql.options.reconnect = 0;
    mysql_close(&m->mysql);
    /* Its statement is detached now and wants to be freed; not one in the middle of being closed, which the
     * library may have half forgotten. */
    if (m->statement != NULL && !(m->waiting && m->stage == STAGE_CLOSING_STATEMENT))
        mysql_stmt_close(m->statement);
    free(m->store);
    free(m);
}

static const struct database_ops my_ops = { .run = run, .close = close_connection };

/* The library keeps it for the life of the process. */
static void register_naming(void) {
    static bool registered;
    if (!registered)
        mysql_client_register_plugin(NULL, (struct st_mysql_client_plugin *)(void *)&naming_plugin);
    registered = true;
}

static void set_options(struct my *m) {
    static const unsigned tcp = MYSQL_PROTOCOL_TCP, no_files = 0, patience = HANDSHAKE_S;
    static const my_bool yes = 1, no = 0;
    MYSQL *mysql = &m->mysql;
    const char *ca = m->place.ca[0] == '\0' ? SYSTEM_CA : m->place.ca;
    mysql_options(mysql, MYSQL_OPT_NONBLOCK, 0);
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &tcp);
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no_files); /* a server may not ask for files of this host */
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &no);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(mysql, MYSQL_INIT_COMMAND, prepare_session);
    mysql_options(mysql, MYSQL_INIT_COMMAND, prepare_isolation);
    /* None that asks a person, and none that sends the password as it is. */
    mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH,
                  NAMING_PLUGIN
                  ",mysql_native_password,client_ed25519,caching_sha2_password,sha256_password");
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, m->place.tls == DATABASE_TLS_OFF ? &no : &yes);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, m->place.tls == DATABASE_TLS_VERIFY ? &yes : &no);
    if (m->place.tls == DATABASE_TLS_VERIFY) {
        mysql_options(mysql, MYSQL_OPT_SSL_CA, ca);
        mysql_options(mysql, MYSQL_DEFAULT_AUTH, NAMING_PLUGIN);
    }
    if (m->place.tls != DATABASE_TLS_OFF) {
        mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &patience);
        mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &patience);
        mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &patience);
    }
}

int database_open_mariadb(struct database **out, struct loop *loop, const struct database_options *options,
                          struct why *why) {
    struct my *m = calloc(1, sizeof *m);
    if (m == NULL || mysql_init(&m->mysql) == NULL) {
        free(m);
        return why_set(why, ERR_MEMORY, "no memory for a connection to %s", options->place->host);
    }
    m->place = *options->place;
    if (m->place.tls == DATABASE_TLS_VERIFY)
        register_naming();
    if (database_init(&m->base, &my_ops, loop, options) != 0) {
        mysql_close(&m->mysql);
        free(m);
        return why_set(why, ERR_MEMORY, "no memory for a connection to %s", options->place->host);
    }
    socklen_t length =
        options->address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    getnameinfo(options->address, length, m->address, sizeof m->address, NULL, 0, NI_NUMERICHOST);
    strncpy(m->password, options->password, sizeof m->password - 1);
    set_options(m);
    m->base.soon.fire = on_start;
    timer_start(&m->base.soon, 0);
    *out = &m->base;
    return 0;
}
