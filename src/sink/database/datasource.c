#include "sink/database/datasource.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"
#include "sink/database/database_dial.h"
#include "sink/socket_address.h"

#define PASSWORD_BYTES 256
#define FILE_BYTES 1024

struct datasource_book {
    struct loop *loop;
    struct datasource_options options;
    struct chain sources;
    struct chain jobs; /* all that have not ended */
    uint64_t rules;    /* counts set_egress */
    struct datasource_counters counters;
};

/* The pool of one definition. It lives until it is out of the book and has neither channels nor jobs. */
struct datasource {
    struct chain link; /* in the book; unlinked: defined anew, or removed */
    struct datasource_book *book;
    struct database_place place;
    char name[DATASOURCE_NAME_BYTES + 1];
    char password_file[FILE_BYTES];
    uint32_t connections;
    uint32_t idle_ms;
    uint32_t connect_ms;
    struct chain waiting; /* jobs */
    struct chain idle;    /* channels, the last used last */
    struct timer soon;    /* serve in the next round */
    struct chain dials;   /* channels that are being opened */
    size_t channels;
    size_t dialling;
    size_t held; /* by functions that are at work on it */
};

/* One connection of a pool. */
struct channel {
    struct chain link; /* in dials or idle */
    struct datasource *source;
    struct database_dial *dial;
    struct database *database; /* NULL while dialling */
    struct datasource_job *job;
    struct timer idle;
    uint64_t rules;
    bool inspected;
    bool broken;
};

static void serve(struct datasource *s);

static void forget(struct datasource *s) {
    if (!chain_linked(&s->link) && s->channels == 0 && s->held == 0 && chain_empty(&s->waiting)) {
        timer_done(&s->soon);
        free(s);
    }
}

/* --- jobs that end --- */

static void detach(struct datasource_job *job) {
    chain_remove(&job->link);
    chain_remove(&job->in_book);
    timer_done(&job->timer);
}

static void fail(struct datasource_job *job, int code, bool connected, const char *say) {
    detach(job);
    job->events->failed(job->context, code, connected, say);
}

/* --- channels --- */

static void discard(struct channel *c) {
    struct datasource *s = c->source;
    chain_remove(&c->link);
    timer_done(&c->idle);
    if (c->dial != NULL) {
        database_dial_cancel(c->dial);
        s->dialling--;
    }
    database_close(c->database);
    s->channels--;
    s->book->counters.connections--;
    free(c);
}

static void on_idle(void *context) {
    struct channel *c = context;
    struct datasource *s = c->source;
    discard(c);
    forget(s);
}

/* Give it to the job that waits longest, or keep it for a while. */
static void rest(struct channel *c) {
    struct datasource *s = c->source;
    c->job = NULL;
    if (c->broken || !chain_linked(&s->link) || c->rules != s->book->rules) {
        discard(c);
    } else {
        chain_add_last(&s->idle, &c->link);
        timer_start(&c->idle, s->idle_ms);
    }
    serve(s);
    forget(s);
}

static void on_answered(void *context, const struct database_answer *a) {
    struct channel *c = context;
    c->broken |= a->code == ERR_CLOSED;
    c->job->events->answered(c->job->context, a);
}

static void on_lost(void *context) {
    struct channel *c = context;
    struct datasource *s = c->source;
    assert(c->job == NULL);
    discard(c);
    forget(s);
}

/* The dial is over; the connection reports to the channel from now on. */
static const struct database_events channel_events = { .answered = on_answered, .lost = on_lost };

static struct datasource_job *next_job(struct datasource *s) {
    return chain_empty(&s->waiting) ? NULL : CHAIN_OWNER(s->waiting.next, struct datasource_job, link);
}

static void on_dialled(void *context, int code, struct database *d, const struct why *why) {
    struct channel *c = context;
    struct datasource *s = c->source;
    c->dial = NULL;
    s->dialling--;
    chain_remove(&c->link);
    if (code == 0) {
        c->database = d;
        d->events = &channel_events;
        d->context = c;
        s->book->counters.opened++;
        rest(c);
        return;
    }
    s->book->counters.failed++;
    discard(c);
    struct datasource_job *job = next_job(s);
    s->held++; /* s stays while the job is told */
    if (job != NULL)
        fail(job, code, false, why->text);
    s->held--;
    serve(s);
    forget(s);
}

static int judge(void *context, const char *host, uint16_t port, const struct sockaddr *at, struct why *why) {
    const struct datasource_book *b = context;
    return socket_address_judge(b->options.egress, host, port, at, why);
}

/* The first line of the file, NUL-ended. */
static int read_password(struct datasource *s, char to[PASSWORD_BYTES], struct why *why) {
    struct datasource_book *b = s->book;
    struct buffer secret;
    to[0] = '\0';
    if (s->password_file[0] == '\0')
        return 0;
    if (b->options.secret == NULL)
        return why_set(why, ERR_DENIED, "password files are not set up here");
    buffer_init(&secret, PASSWORD_BYTES - 1);
    int code = b->options.secret(b->options.context, slice_text(s->password_file), &secret, why);
    if (code == 0)
        code = buffer_failed(&secret);
    if (code == 0 && secret.length > 0)
        memcpy(to, secret.at, secret.length);
    to[code == 0 ? secret.length : 0] = '\0';
    if (secret.at != NULL)
        explicit_bzero(secret.at, secret.length);
    buffer_done(&secret);
    return code;
}

static int dial(struct channel *c, struct why *why) {
    struct datasource *s = c->source;
    char password[PASSWORD_BYTES];
    int code = read_password(s, password, why);
    if (code != 0) /* ERR_DENIED means egress rules from here on */
        return why_prefix(why, code == ERR_DENIED ? ERR_INVALID : code, "password_file");
    struct database_dial_options options = {
        .place = &s->place,
        .password = password,
        .timeout_ms = s->connect_ms,
        .directories = s->book->options.directories,
        .directory_count = s->book->options.directory_count,
        .judge = judge,
        .judge_context = s->book,
        .done = on_dialled,
        .context = c,
    };
    code = database_dial_start(&c->dial, s->book->loop, &options, why);
    explicit_bzero(password, sizeof password);
    return code;
}

/* One more connection. On failure the job that waits longest is told, in the next round. */
static void open_channel(struct datasource *s) {
    struct why why = { .text = "no memory for a connection" };
    struct channel *c = calloc(1, sizeof *c);
    int code = c == NULL ? ERR_MEMORY : timer_init(&c->idle, s->book->loop, on_idle, c);
    if (code == 0) {
        c->source = s;
        c->rules = s->book->rules;
        code = dial(c, &why);
    }
    if (code == 0) {
        chain_add_last(&s->dials, &c->link);
        s->channels++;
        s->dialling++;
        s->book->counters.connections++;
        return;
    }
    if (c != NULL)
        timer_done(&c->idle);
    free(c);
    struct datasource_job *job = next_job(s);
    chain_remove(&job->link);
    job->failure = code;
    job->why = why;
    job->source = NULL;
    timer_start(&job->timer, 0);
}

/* The idle ones first, then new ones as far as the limit goes. */
static void serve(struct datasource *s) {
    struct datasource_job *job;
    s->held++; /* s stays meanwhile */
    while ((job = next_job(s)) != NULL && !chain_empty(&s->idle)) {
        struct channel *c = CHAIN_OWNER(s->idle.previous, struct channel, link);
        chain_remove(&c->link);
        timer_stop(&c->idle);
        chain_remove(&job->link);
        c->job = job;
        job->channel = c;
        job->events->ready(job->context);
    }
    size_t waiting = 0;
    for (struct chain *at = s->waiting.next; at != &s->waiting; at = at->next)
        waiting++;
    while (waiting > s->dialling && s->channels < s->connections && next_job(s) != NULL) {
        open_channel(s);
        waiting--;
    }
    s->held--;
}

static void on_soon(void *context) {
    struct datasource *s = context;
    serve(s);
    forget(s);
}

/* --- the book --- */

int datasource_book_open(struct datasource_book **out, struct loop *loop,
                         const struct datasource_options *options, struct why *why) {
    assert(options->egress != NULL);
    struct datasource_book *b = calloc(1, sizeof *b);
    if (b == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the datasources");
    b->loop = loop;
    b->options = *options;
    chain_init(&b->sources);
    chain_init(&b->jobs);
    *out = b;
    return 0;
}

static struct datasource *find(const struct datasource_book *b, struct slice name) {
    for (struct chain *at = b->sources.next; at != &b->sources; at = at->next) {
        struct datasource *s = CHAIN_OWNER(at, struct datasource, link);
        if (slice_is(name, s->name))
            return s;
    }
    return NULL;
}

static void discard_all(struct chain *channels) {
    while (!chain_empty(channels))
        discard(CHAIN_OWNER(channels->next, struct channel, link));
}

/* Out of the book: what runs ends with it, what waits is told, unless silently. */
static void retire(struct datasource *s, bool silently) {
    struct datasource_job *job;
    chain_remove(&s->link);
    s->book->counters.datasources--;
    discard_all(&s->idle);
    discard_all(&s->dials);
    while ((job = next_job(s)) != NULL) {
        chain_remove(&job->link);
        if (silently)
            continue;
        job->source = NULL;
        job->failure = why_set(&job->why, ERR_CONFLICT, "the datasource %s was changed or removed", s->name);
        timer_start(&job->timer, 0);
    }
    forget(s);
}

void datasource_book_close(struct datasource_book *b) {
    if (b == NULL)
        return;
    while (!chain_empty(&b->jobs)) {
        struct datasource_job *job = CHAIN_OWNER(b->jobs.next, struct datasource_job, in_book);
        datasource_job_drop(job);
        if (job->events->dropped != NULL)
            job->events->dropped(job->context);
    }
    while (!chain_empty(&b->sources)) {
        struct datasource *s = CHAIN_OWNER(b->sources.next, struct datasource, link);
        retire(s, true);
    }
    free(b);
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What stands for a host in a target (wire/sink_target.h). */
static int judge_name(struct slice name, struct why *why) {
    bool good = name.length > 0 && name.length < DATASOURCE_NAME_BYTES && is_letter(name.at[0]) &&
                name.at[name.length - 1] != '-';
    for (size_t i = 0; i < name.length && good; i++)
        good = is_letter(name.at[i]) || (name.at[i] >= '0' && name.at[i] <= '9') || name.at[i] == '-';
    return good ? 0
                : why_set(why, ERR_SYNTAX,
                          "a datasource's name is 1 to %d letters, digits and hyphens, a letter first and no "
                          "hyphen last",
                          DATASOURCE_NAME_BYTES - 1);
}

static int judge_count(const struct datasource_book *b, struct why *why) {
    if (b->counters.datasources < DATASOURCES_MAX)
        return 0;
    return why_set(why, ERR_LIMIT, "there are %d datasources already, which is the most", DATASOURCES_MAX);
}

static int judge_place(const struct datasource_book *b, const struct database_place *p, struct why *why) {
    if (p->kind == DATABASE_SQLITE && b->options.directory_count == 0)
        return why_set(why, ERR_DENIED,
                       "url: no folder is open to SQLite files; list it in datasource.directories");
    if (p->kind == DATABASE_SQLITE || !p->is_address)
        return 0;
    return egress_judge_address(b->options.egress, slice_text(p->host), &p->address, p->port, why) ==
                   EGRESS_ALLOWED
               ? 0
               : ERR_DENIED;
}

static int fill(struct datasource *s, struct datasource_book *b, const struct datasource_definition *d,
                struct why *why) {
    s->book = b;
    chain_init(&s->waiting);
    chain_init(&s->idle);
    chain_init(&s->dials);
    s->connections = d->connections == 0 ? DATASOURCE_CONNECTIONS : d->connections;
    s->idle_ms = d->idle_ms == 0 ? DATASOURCE_IDLE_MS : d->idle_ms;
    s->connect_ms = d->connect_ms == 0 ? DATASOURCE_CONNECT_MS : d->connect_ms;
    if (s->connections > DATASOURCE_CONNECTIONS_MAX)
        return why_set(why, ERR_LIMIT, "connections is %u; at most %d", s->connections,
                       DATASOURCE_CONNECTIONS_MAX);
    if (d->password_file.length >= sizeof s->password_file ||
        (d->password_file.length > 0 && !slice_starts(d->password_file, "/")))
        return why_set(why, ERR_INVALID, "password_file must be an absolute path below %zu bytes",
                       sizeof s->password_file);
    if (d->password_file.length > 0)
        memcpy(s->password_file, d->password_file.at, d->password_file.length);
    int code = database_place_decode(d->url, d->user, &s->place, why);
    if (code == 0)
        code = judge_place(b, &s->place, why);
    if (s->place.kind == DATABASE_SQLITE)
        s->connections = 1;
    return code;
}

int datasource_book_judge(struct datasource_book *b, struct slice name,
                          const struct datasource_definition *definition, struct why *why) {
    struct datasource *s = calloc(1, sizeof *s);
    int code = judge_name(name, why);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the datasource");
    if (code == 0 && find(b, name) == NULL)
        code = judge_count(b, why);
    if (code == 0)
        code = fill(s, b, definition, why);
    free(s);
    return code;
}

int datasource_book_put(struct datasource_book *b, struct slice name,
                        const struct datasource_definition *definition, struct why *why) {
    struct datasource *old = find(b, name);
    int code = judge_name(name, why);
    if (code != 0)
        return code;
    if (old == NULL && (code = judge_count(b, why)) != 0)
        return code;
    struct datasource *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the datasource");
    code = fill(s, b, definition, why);
    if (code == 0 && (code = timer_init(&s->soon, b->loop, on_soon, s)) != 0)
        why_set(why, code, "no memory for the datasource");
    if (code != 0) {
        free(s);
        return code;
    }
    memcpy(s->name, name.at, name.length);
    if (old != NULL)
        retire(old, false);
    chain_add_last(&b->sources, &s->link);
    b->counters.datasources++;
    return 0;
}

int datasource_book_remove(struct datasource_book *b, struct slice name) {
    struct datasource *s = find(b, name);
    if (s == NULL)
        return ERR_NOT_FOUND;
    retire(s, false);
    return 0;
}

bool datasource_book_has(const struct datasource_book *b, struct slice name) {
    return find(b, name) != NULL;
}

void datasource_book_set_egress(struct datasource_book *b, const struct egress *egress) {
    b->options.egress = egress;
    b->rules++;
    for (struct chain *at = b->sources.next; at != &b->sources; at = at->next)
        discard_all(&CHAIN_OWNER(at, struct datasource, link)->idle);
}

struct datasource_counters datasource_book_counters(const struct datasource_book *b) {
    struct datasource_counters counters = b->counters;
    for (struct chain *at = b->sources.next; at != &b->sources; at = at->next) {
        const struct datasource *s = CHAIN_OWNER(at, struct datasource, link);
        for (struct chain *idle = s->idle.next; idle != &s->idle; idle = idle->next)
            counters.idle++;
        for (struct chain *job = s->waiting.next; job != &s->waiting; job = job->next)
            counters.waiting++;
    }
    return counters;
}

/* --- jobs --- */

/* Its connection goes: a statement may still be under way on it. */
static void abandon(struct datasource_job *job) {
    struct channel *c = job->channel;
    if (c == NULL)
        return;
    struct datasource *s = c->source;
    job->channel = NULL;
    discard(c);
    serve(s);
    forget(s);
}

static void on_timer(void *context) {
    struct datasource_job *job = context;
    bool connected = job->channel != NULL;
    if (job->failure == 0)
        job->failure = why_set(&job->why, ERR_TIMEOUT,
                               connected ? "the database did not answer in time"
                                         : "no connection to the database in time");
    struct datasource *s = job->source;
    bool held = s != NULL;
    if (held)
        s->held++;
    chain_remove(&job->link);
    abandon(job);
    if (held) {
        s->held--;
        forget(s);
    }
    fail(job, job->failure, connected, job->why.text);
}

int datasource_job_start(struct datasource_book *b, struct slice name, struct datasource_job *job,
                         uint32_t timeout_ms, const struct datasource_job_events *events, void *context) {
    *job = (struct datasource_job){ .events = events, .context = context, .source = find(b, name) };
    int code = timer_init(&job->timer, b->loop, on_timer, job);
    if (code != 0)
        return code;
    chain_add_last(&b->jobs, &job->in_book);
    if (job->source == NULL) {
        job->failure = why_set(&job->why, ERR_NOT_FOUND, "there is no datasource %.*s",
                               (int)(name.length < 64 ? name.length : 64), name.at == NULL ? "" : name.at);
        timer_start(&job->timer, 0);
        return 0;
    }
    timer_start(&job->timer, timeout_ms);
    chain_add_last(&job->source->waiting, &job->link);
    timer_start(&job->source->soon, 0);
    return 0;
}

enum database_kind datasource_job_kind(const struct datasource_job *job) {
    return job->channel->source->place.kind;
}

const struct database_place *datasource_job_place(const struct datasource_job *job) {
    return &job->channel->source->place;
}

bool *datasource_job_inspected(struct datasource_job *job) {
    return &job->channel->inspected;
}

void datasource_job_run(struct datasource_job *job, const char *sql, const struct slice *values,
                        size_t count) {
    database_run(job->channel->database, sql, values, count);
}

void datasource_job_end(struct datasource_job *job) {
    struct channel *c = job->channel;
    detach(job);
    job->channel = NULL;
    rest(c);
}

void datasource_job_drop(struct datasource_job *job) {
    detach(job);
    abandon(job);
}
