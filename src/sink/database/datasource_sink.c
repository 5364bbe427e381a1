#include "sink/database/datasource_sink.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"
#include "sink/database/marker.h"

#define XID_FIRST 3 /* 0 is none, 1 and 2 count as committed for ever */

static const char ask_status[] =
    "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE"
    " (SELECT system_identifier FROM pg_control_system())::text || '/' ||"
    " ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int::text END,"
    " (SELECT (extract(epoch FROM stats_reset) * 1000000)::bigint FROM pg_stat_bgwriter)::text,"
    " pg_xact_status($1::xid8)";
/* A commit of settled's own, which waits for the disk and so for everything before it in the log. It writes a
 * note that nobody reads and changes no table. */
static const char ask_flush[] = "SELECT pg_logical_emit_message(true, 'settle', '')";

enum stage {
    STAGE_STATUS,
    STAGE_INSPECTION,
    STAGE_TOMBSTONE,
    STAGE_STATE,
    STAGE_FLUSH,
};

struct check_back {
    struct chain link; /* in the sink, until its outcome is given */
    struct datasource_sink *sink;
    struct datasource_job job;
    struct timer soon; /* for a verdict without a job */
    const struct call *call;
    struct slice system; /* of a check by xid */
    struct slice xid;
    bool by_xid;
    enum stage stage;
    uint64_t begun_ms;
    enum verdict verdict;
    struct why why;
};

struct datasource_sink {
    struct sink base;
    struct loop *loop;
    struct datasource_book *book;
    struct sink_options options;
    struct chain flights;
};

/* --- outcomes --- */

static void forget(struct check_back *f) {
    chain_remove(&f->link);
    timer_done(&f->soon);
    free(f);
}

static struct outcome outcome_of(const struct call *call, enum verdict verdict, const char *say) {
    return (struct outcome){
        .transaction = call->transaction,
        .branch = call->branch,
        .role = call->role,
        .attempt = call->attempt,
        .verdict = (uint8_t)verdict,
        .body = slice_text(say),
    };
}

static void tell(struct check_back *f) {
    struct datasource_sink *s = f->sink;
    struct outcome o = outcome_of(f->call, f->verdict, f->why.text);
    o.took_ms = (uint32_t)(loop_now_ms(s->loop) - f->begun_ms);
    struct check_back copy = *f; /* the words outlive the flight, so that the callee may send again */
    o.body = slice_text(copy.why.text);
    forget(f);
    s->options.on_outcome(s->options.context, &o);
}

static void on_soon(void *context) {
    tell(context);
}

__attribute__((format(printf, 3, 4))) static void decide(struct check_back *f, enum verdict verdict,
                                                         const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(f->why.text, sizeof f->why.text, format, arguments);
    va_end(arguments);
    f->verdict = verdict;
    datasource_job_end(&f->job);
    tell(f);
}

/* --- targets --- */

static bool is_number(struct slice text) {
    uint64_t number;
    return slice_u64(text, &number) == 0;
}

/* SYSTEM/TIMELINE/EPOCH; an older producer may have given no epoch. */
static bool is_system(struct slice text) {
    size_t parts = 0;
    while (text.length > 0 && parts < 4) {
        size_t length = slice_find(text, '/');
        if (!is_number(slice_upto(text, length)) || length + 1 == text.length)
            return false;
        text = slice_from(text, length + 1);
        parts++;
    }
    return parts == 2 || parts == 3;
}

int datasource_target_check(const struct sink_target *t, struct why *why) {
    uint64_t xid = 0;
    if (slice_is(t->path, "marker"))
        return t->parameter_count == 0
                   ? 0
                   : why_set(why, ERR_INVALID, "a check-back by marker has no parameters");
    if (!slice_is(t->path, "pg"))
        return why_set(why, ERR_INVALID, "a datasource's check-back is /pg or /marker");
    if (t->parameter_count != 2)
        return why_set(why, ERR_INVALID, "a check-back by transaction has the parameters xid and system");
    if (slice_u64(sink_target_value(t, "xid"), &xid) != 0 || xid < XID_FIRST)
        return why_set(why, ERR_INVALID,
                       "xid must be the producer's pg_current_xact_id(), a number from %d on", XID_FIRST);
    if (!is_system(sink_target_value(t, "system")))
        return why_set(why, ERR_INVALID,
                       "system must be SYSTEM_IDENTIFIER/TIMELINE/EPOCH as the producer's "
                       "database gave it");
    return 0;
}

/* --- PostgreSQL's own record --- */

static void ask(struct check_back *f, enum stage stage, const char *sql, const struct slice *value) {
    f->stage = stage;
    datasource_job_run(&f->job, sql, value, value == NULL ? 0 : 1);
}

/* The part of system up to its second slash, and what follows. */
static struct slice system_and_timeline(struct slice system, struct slice *epoch) {
    size_t first = slice_find(system, '/');
    size_t second = first + 1 + slice_find(slice_from(system, first + 1), '/');
    *epoch = slice_from(system, second + 1);
    return slice_upto(system, second);
}

/* A producer may commit with synchronous_commit off: then the commit is seen before it is on disk. */
static void on_committed(struct check_back *f) {
    if (datasource_job_kind(&f->job) == DATABASE_POSTGRESQL)
        ask(f, STAGE_FLUSH, ask_flush, NULL);
    else
        decide(f, VERDICT_DONE, "committed");
}

static void on_status(struct check_back *f, const struct database_answer *a) {
    struct slice here = database_cell(a, 0, 0), epoch_here = database_cell(a, 0, 1);
    struct slice status = database_cell(a, 0, 2), epoch;
    struct slice theirs = system_and_timeline(f->system, &epoch);
    if (here.at == NULL) {
        decide(f, VERDICT_UNKNOWN,
               "the server is a standby, which does not decide; the datasource must name the primary");
    } else if (!slice_equal(here, theirs)) {
        decide(f, VERDICT_UNKNOWN,
               "the transaction belongs to system/timeline %.*s, and this server is %.*s: what became of it "
               "cannot "
               "be known here",
               SLICE_PRINT(theirs), SLICE_PRINT(here));
    } else if (slice_is(status, "aborted")) {
        decide(f, VERDICT_REFUSED, "transaction %.*s has rolled back", SLICE_PRINT(f->xid));
    } else if (slice_is(status, "in progress")) {
        decide(f, VERDICT_UNKNOWN, "transaction %.*s is still open", SLICE_PRINT(f->xid));
    } else if (!slice_is(status, "committed")) {
        decide(f, VERDICT_UNKNOWN, "the server no longer knows what became of transaction %.*s",
               SLICE_PRINT(f->xid));
    } else if (epoch.length == 0) {
        decide(f, VERDICT_UNKNOWN,
               "transaction %.*s has committed, but system has no third part that would tell it from one "
               "that got "
               "the same number after a crash",
               SLICE_PRINT(f->xid));
    } else if (!slice_equal(epoch, epoch_here)) {
        decide(f, VERDICT_UNKNOWN,
               "a transaction %.*s has committed, but the server has recovered from a crash since (or its "
               "statistics were reset), and may have given the number twice",
               SLICE_PRINT(f->xid));
    } else {
        on_committed(f);
    }
}

/* --- the marker --- */

static void bury(struct check_back *f) {
    *datasource_job_inspected(&f->job) = true;
    ask(f, STAGE_TOMBSTONE, marker_tombstone(datasource_job_kind(&f->job)), &f->call->gid);
}

static void on_inspection(struct check_back *f, const struct database_answer *a) {
    struct slice fault = database_cell(a, 0, 0);
    if (a->rows != 1 || fault.at == NULL)
        decide(f, VERDICT_UNKNOWN, "the marker table cannot be inspected");
    else if (fault.length > 0)
        decide(f, VERDICT_UNKNOWN, "%.*s", SLICE_PRINT(fault));
    else
        bury(f);
}

static void on_tombstone(struct check_back *f, const struct database_answer *a) {
    if (a->code == 0 && a->changed == 1)
        decide(f, VERDICT_REFUSED, "there was no marker row: rolled back, and settled's own row keeps it so");
    else
        ask(f, STAGE_STATE, marker_state(datasource_job_kind(&f->job)), &f->call->gid);
}

static void on_state(struct check_back *f, const struct database_answer *a) {
    struct slice state = database_cell(a, 0, 0);
    if (a->rows != 1)
        decide(f, VERDICT_UNKNOWN, "the marker row was there and is gone");
    else if (slice_is(state, "committed"))
        on_committed(f);
    else if (slice_is(state, "rolled_back"))
        decide(f, VERDICT_REFUSED, "the marker row says rolled back");
    else
        decide(f, VERDICT_UNKNOWN, "the marker row's state is \"%.*s\"; it may be committed or rolled_back",
               SLICE_PRINT(slice_upto(state, 40)));
}

/* --- the job --- */

static void on_ready(void *context) {
    struct check_back *f = context;
    enum database_kind kind = datasource_job_kind(&f->job);
    if (f->by_xid && kind != DATABASE_POSTGRESQL)
        decide(f, VERDICT_UNKNOWN, "the datasource is %s; a check-back by transaction needs PostgreSQL",
               database_kind_name(kind));
    else if (f->by_xid)
        ask(f, STAGE_STATUS, ask_status, &f->xid);
    else if (*datasource_job_inspected(&f->job))
        bury(f);
    else
        ask(f, STAGE_INSPECTION, marker_inspection(kind), NULL);
}

static void on_error(struct check_back *f, const struct database_answer *a) {
    if (a->code == ERR_LOCKED)
        decide(f, VERDICT_UNKNOWN, "the local transaction is still open (%s)", a->say);
    else if (a->code == ERR_CLOSED)
        decide(f, VERDICT_UNKNOWN, "the connection to the database was lost: %s", a->say);
    else
        decide(f, VERDICT_UNKNOWN, "%s", a->say);
}

static void on_answered(void *context, const struct database_answer *a) {
    struct check_back *f = context;
    if (a->code != 0 && !(f->stage == STAGE_TOMBSTONE && a->code == ERR_CONFLICT)) {
        on_error(f, a);
        return;
    }
    switch (f->stage) {
    case STAGE_STATUS:
        on_status(f, a);
        break;
    case STAGE_INSPECTION:
        on_inspection(f, a);
        break;
    case STAGE_TOMBSTONE:
        on_tombstone(f, a);
        break;
    case STAGE_STATE:
        on_state(f, a);
        break;
    case STAGE_FLUSH:
        decide(f, VERDICT_DONE, "committed");
        break;
    }
}

static void on_failed(void *context, int code, bool connected, const char *say) {
    struct check_back *f = context;
    (void)connected; /* a statement that may have run is found the next time */
    f->verdict = code == ERR_DENIED ? VERDICT_FORBIDDEN : VERDICT_UNKNOWN;
    snprintf(f->why.text, sizeof f->why.text, "%s", say);
    tell(f);
}

static const struct datasource_job_events job_events = {
    .ready = on_ready,
    .answered = on_answered,
    .failed = on_failed,
};

/* --- the sink --- */

static int begin(struct check_back *f, const struct sink_target *target) {
    int code = datasource_target_check(target, &f->why);
    if (code != 0)
        return code;
    f->by_xid = slice_is(target->path, "pg");
    f->xid = sink_target_value(target, "xid");
    f->system = sink_target_value(target, "system");
    return datasource_job_start(f->sink->book, target->hosts[0].name, &f->job, f->call->timeout_ms,
                                &job_events, f);
}

static void send_call(struct sink *base, const struct call *call, const struct sink_target *target) {
    struct datasource_sink *s = (struct datasource_sink *)base;
    struct check_back *f = calloc(1, sizeof *f);
    if (f == NULL || timer_init(&f->soon, s->loop, on_soon, f) != 0) {
        /* The one outcome that cannot wait: there is nothing to keep it in. */
        struct outcome o = outcome_of(call, VERDICT_UNKNOWN, "no memory for a check-back");
        free(f);
        s->options.on_outcome(s->options.context, &o);
        return;
    }
    f->sink = s;
    f->call = call;
    f->begun_ms = loop_now_ms(s->loop);
    f->verdict = VERDICT_UNKNOWN;
    chain_add_last(&s->flights, &f->link);
    if (begin(f, target) != 0)
        timer_start(&f->soon, 0);
}

static void set_egress(struct sink *base, const struct egress *egress) {
    datasource_book_set_egress(((struct datasource_sink *)base)->book, egress);
}

static void close_sink(struct sink *base) {
    struct datasource_sink *s = (struct datasource_sink *)base;
    while (!chain_empty(&s->flights)) {
        struct check_back *f = CHAIN_OWNER(s->flights.next, struct check_back, link);
        if (f->job.events != NULL && chain_linked(&f->job.in_book))
            datasource_job_drop(&f->job);
        forget(f);
    }
    free(s);
}

int datasource_sink_open(struct sink **out, struct loop *loop, struct datasource_book *book,
                         const struct sink_options *options, struct why *why) {
    static const char *const schemes[] = { "datasource", NULL };
    static const struct sink_ops ops = {
        .schemes = schemes,
        .send = send_call,
        .set_egress = set_egress,
        .close = close_sink,
    };
    assert(options->on_outcome != NULL);
    struct datasource_sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the check-back sink");
    s->base.ops = &ops;
    s->loop = loop;
    s->book = book;
    s->options = *options;
    chain_init(&s->flights);
    *out = &s->base;
    return 0;
}
