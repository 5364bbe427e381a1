/* For tests: a loop with a book and its sink, and one check-back or check at a time. */
#ifndef SINK_DATASOURCE_TEST_H
#define SINK_DATASOURCE_TEST_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/loop.h"
#include "sink/database/datasource_sink.h"
#include "sink/database/marker.h"

struct rig {
    struct loop *loop;
    struct arena arena;
    struct egress egress;
    struct datasource_book *book;
    struct sink *sink;
    char folder[64];
    const char *folders[1];
    char password[96]; /* a file */
    size_t due;        /* outcomes that have not come */
    size_t verdicts[VERDICT_COUNT];
    char said[512]; /* the last outcome's sentence */
    struct datasource_report report;
    bool reported;
};

static inline void rig_on_outcome(void *context, const struct outcome *o) {
    struct rig *r = context;
    assert(r->due > 0);
    r->due--;
    r->verdicts[o->verdict]++;
    snprintf(r->said, sizeof r->said, "%.*s", SLICE_PRINT(o->body));
    if (r->due == 0)
        loop_stop(r->loop);
}

static inline void rig_on_report(void *context, const struct datasource_report *report) {
    struct rig *r = context;
    r->report = *report;
    r->reported = true;
    loop_stop(r->loop);
}

static inline int rig_secret(void *context, struct slice file, struct buffer *to, struct why *why) {
    char path[256], line[128] = "";
    (void)context;
    snprintf(path, sizeof path, "%.*s", SLICE_PRINT(file));
    FILE *f = fopen(path, "r");
    buffer_clear(to);
    if (f == NULL)
        return why_set(why, ERR_NOT_FOUND, "%s: no such file", path);
    char *got = fgets(line, sizeof line, f);
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    buffer_add_text(to, got == NULL ? "" : line);
    return 0;
}

static inline void rig_write(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert(f != NULL);
    fputs(text, f);
    fclose(f);
}

static inline void rig_open(struct rig *r) {
    memset(r, 0, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "/tmp/settle-test-XXXXXX");
    char *made = mkdtemp(r->folder);
    assert(made != NULL);
    r->folders[0] = r->folder;
    snprintf(r->password, sizeof r->password, "%s/password", r->folder);
    rig_write(r->password, "secret\n");
    int code = loop_new(&r->loop, NULL);
    assert(code == 0);
    arena_init(&r->arena, 4096, SIZE_MAX / 2);
    egress_init(&r->egress, &r->arena);
    egress_allow_loopback(&r->egress);
    struct datasource_options options = {
        .egress = &r->egress,
        .secret = rig_secret,
        .context = r,
        .directories = r->folders,
        .directory_count = 1,
    };
    code = datasource_book_open(&r->book, r->loop, &options, NULL);
    assert(code == 0);
    struct sink_options sink = { .egress = &r->egress, .on_outcome = rig_on_outcome, .context = r };
    code = datasource_sink_open(&r->sink, r->loop, r->book, &sink, NULL);
    assert(code == 0);
}

static inline void rig_close(struct rig *r) {
    char path[128];
    static const char *const files[] = {
        "password", "db", "db-wal", "db-shm", "db-journal", "link", "other"
    };
    sink_close(r->sink);
    datasource_book_close(r->book);
    loop_run_for(r->loop, 5);
    loop_free(r->loop);
    arena_done(&r->arena);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", r->folder, files[i]);
        unlink(path);
    }
    rmdir(r->folder);
}

static inline int rig_put(struct rig *r, const char *name, const char *url, struct why *why) {
    struct datasource_definition d = { .url = slice_text(url) };
    if (strncmp(url, "sqlite:", 7) != 0)
        d.password_file = slice_text(r->password);
    return datasource_book_put(r->book, slice_text(name), &d, why);
}

#define RIG_PARALLEL 64
/* count check-backs at once; all outcomes have come on return (in r->verdicts), or the test fails. */
static inline void rig_send(struct rig *r, const char *url, const char *gid, size_t count,
                            uint32_t timeout_ms) {
    static struct call calls[RIG_PARALLEL];
    static struct sink_target target;
    struct why why = { "" };
    arena_reset(&r->arena); /* the rules of egress stay: loopback is set again */
    egress_init(&r->egress, &r->arena);
    egress_allow_loopback(&r->egress);
    int code = sink_target_decode(slice_text(url), &r->arena, &target, &why);
    if (code != 0)
        fprintf(stderr, "%s: %s\n", url, why.text);
    assert(code == 0);
    memset(r->verdicts, 0, sizeof r->verdicts);
    r->due = count;
    for (size_t i = 0; i < count; i++) {
        calls[i] = (struct call){
            .transaction = i, .timeout_ms = timeout_ms, .gid = slice_text(gid), .url = slice_text(url)
        };
        r->sink->ops->send(r->sink, &calls[i], &target);
        assert(r->due == count);
    }
    loop_run_for(r->loop, timeout_ms + 3000);
    assert(r->due == 0);
}

static inline enum verdict rig_check_back(struct rig *r, const char *url, const char *gid) {
    rig_send(r, url, gid, 1, 5000);
    for (int v = 0; v < VERDICT_COUNT; v++)
        if (r->verdicts[v] == 1)
            return (enum verdict)v;
    return VERDICT_NONE;
}

/* Ask until the answer is yes or no: what was closed a moment ago may still be open to the server. */
static inline enum verdict rig_decided(struct rig *r, const char *url, const char *gid) {
    enum verdict v = VERDICT_UNKNOWN;
    for (int i = 0; i < 100 && v == VERDICT_UNKNOWN; i++) {
        v = rig_check_back(r, url, gid);
        if (v == VERDICT_UNKNOWN)
            usleep(20000);
    }
    return v;
}

static inline const struct finding *rig_finding(const struct rig *r, const char *id) {
    for (size_t i = 0; i < r->report.count; i++)
        if (strcmp(r->report.findings[i].id, id) == 0)
            return &r->report.findings[i];
    return NULL;
}

/* Check the datasource; returns the state of one finding, or -1 when it is not among them. */
static inline int rig_check(struct rig *r, const char *name, const char *id) {
    r->reported = false;
    int code = datasource_book_check(r->book, slice_text(name), 5000, rig_on_report, r);
    assert(code == 0);
    assert(!r->reported);
    loop_run_for(r->loop, 8000);
    assert(r->reported);
    const struct finding *f = rig_finding(r, id);
    return f == NULL ? -1 : (int)f->state;
}

/* --- every interleaving of a producer's transaction with check-backs --- */

enum ending {
    END_COMMIT,
    END_ROLLBACK,
    END_CRASH,
    ENDINGS,
};

/* A producer's own connection; each function returns whether the database agreed. */
struct producer {
    bool (*begin)(void *context);
    /* Insert the marker row, or take the transaction id; target gets the check-back's URL. */
    bool (*mark)(void *context, const char *id, char target[256]);
    bool (*commit)(void *context);
    void (*rollback)(void *context);
    void (*crash)(void *context); /* the connection ends in the middle, and a new one is made */
    void *context;
    bool early; /* a check-back may come before mark: the target is known then */
    size_t ids; /* used so far */
};

/* checks: how many before begin, before mark, before the end, after it. Dies when an answer contradicts what
 * the transaction did. */
static inline void rig_interleave(struct rig *r, struct producer *p, const char *first_target,
                                  const int checks[4], enum ending ending) {
    char id[64], target[256];
    bool refused = false, done = false, marked = false, committed = false;
    snprintf(id, sizeof id, "m-%d-%zu", (int)getpid(), p->ids++);
    snprintf(target, sizeof target, "%s", first_target);
    for (int step = 0; step < 4; step++) {
        for (int i = 0; i < checks[step]; i++) {
            enum verdict v = rig_check_back(r, target, id);
            refused |= v == VERDICT_REFUSED;
            done |= v == VERDICT_DONE;
            assert(v == VERDICT_REFUSED || v == VERDICT_DONE || v == VERDICT_UNKNOWN);
            assert(v != VERDICT_DONE || committed);
            assert(v != VERDICT_REFUSED || !committed);
        }
        if (step == 0) {
            bool begun = p->begin(p->context);
            assert(begun);
        } else if (step == 1) {
            marked = p->mark(p->context, id, target);
            assert(marked != refused); /* a decision of ours stops the producer, and nothing else does */
        } else if (step == 2 && ending == END_COMMIT) {
            committed = p->commit(p->context) && marked;
            assert(committed != refused);
        } else if (step == 2 && ending == END_ROLLBACK) {
            p->rollback(p->context);
        } else if (step == 2) {
            p->crash(p->context);
        }
    }
    enum verdict last = rig_decided(r, target, id);
    if (last != (committed ? VERDICT_DONE : VERDICT_REFUSED))
        fprintf(stderr, "%s: committed %d, said %d (%s)\n", target, committed, last, r->said);
    assert(last == (committed ? VERDICT_DONE : VERDICT_REFUSED));
    assert(!(refused && committed) && !(done && !committed));
}

/* All of them with at most four check-backs, at most two in one place. Returns how many. */
static inline size_t rig_interleave_all(struct rig *r, struct producer *p, const char *first_target) {
    size_t count = 0;
    for (int code = 0; code < 81; code++) {
        int checks[4] = { code % 3, code / 3 % 3, code / 9 % 3, code / 27 };
        if (checks[0] + checks[1] + checks[2] + checks[3] > 4)
            continue;
        if (!p->early && (checks[0] > 0 || checks[1] > 0))
            continue;
        for (int ending = 0; ending < ENDINGS; ending++, count++)
            rig_interleave(r, p, first_target, checks, (enum ending)ending);
    }
    return count;
}

#endif
