#include "sim/crew.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/coverage.h"

enum {
    JOBS_MAX = 64,
    LOOK_NS = 20 * 1000 * 1000,
};

struct shared {
    uint64_t next;
    uint64_t last;
    bool stop_early;
    uint64_t current[JOBS_MAX];
    struct crew_totals totals;
    struct coverage coverage[JOBS_MAX];
};

struct worker {
    pid_t pid;
    int words; /* its stderr */
};

static struct shared *shared;

void crew_report(uint64_t unit, const char *label, const struct trial_result *result) {
    struct crew_totals *totals = &shared->totals;
    uint64_t slot;

    __atomic_fetch_add(&totals->runs, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&totals->virtual_us, result->figures.virtual_us, __ATOMIC_RELAXED);
    __atomic_fetch_add(&totals->transactions, result->transactions, __ATOMIC_RELAXED);
    __atomic_fetch_add(&totals->calls, result->figures.calls, __ATOMIC_RELAXED);
    __atomic_fetch_add(&totals->crashes, result->figures.crashes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&totals->ends[result->end], 1, __ATOMIC_RELAXED);
    if (result->end == TRIAL_GOOD)
        return;
    slot = __atomic_fetch_add(&totals->failure_count, 1, __ATOMIC_RELAXED);
    if (slot >= CREW_FAILURES_MAX)
        return;
    totals->failures[slot].unit = unit;
    totals->failures[slot].result = *result;
    snprintf(totals->failures[slot].label, sizeof totals->failures[slot].label, "%s",
             label == NULL ? "" : label);
}

static void work_off(unsigned job, crew_work *work, void *context) {
    coverage_count_into(&shared->coverage[job]);
    for (;;) {
        uint64_t unit;

        if (shared->stop_early && __atomic_load_n(&shared->totals.failure_count, __ATOMIC_RELAXED) > 0)
            break;
        unit = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
        if (unit > shared->last)
            break;
        shared->current[job] = unit;
        work(unit, context);
        __atomic_fetch_add(&shared->totals.units, 1, __ATOMIC_RELAXED);
    }
    _exit(0);
}

static void hire(struct worker *worker, unsigned job, crew_work *work, void *context) {
    int words[2];

    if (pipe(words) != 0)
        abort();
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid < 0)
        abort();
    if (worker->pid == 0) {
        close(words[0]);
        if (dup2(words[1], STDERR_FILENO) < 0)
            _exit(1);
        work_off(job, work, context);
    }
    close(words[1]);
    worker->words = words[0];
}

/* A worker died in the middle of a unit. */
static void bury(struct worker *worker, unsigned job) {
    struct trial_result result = { .end = TRIAL_CRASH };
    ssize_t length = read(worker->words, result.failure.text, sizeof result.failure.text - 1);

    while (length > 0 && result.failure.text[length - 1] == '\n')
        result.failure.text[--length] = '\0';
    snprintf(result.failure.invariant, sizeof result.failure.invariant, "crash");
    crew_report(shared->current[job], NULL, &result);
    shared->totals.units++;
}

static void show_progress(const char *title, uint64_t first, uint64_t last) {
    const struct crew_totals *totals = &shared->totals;

    if (title == NULL || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 ", %.1f virtual hours, %" PRIu64 " failed ", title,
            totals->units, last - first + 1, (double)totals->virtual_us / 3.6e9, totals->failure_count);
}

static bool over(void) {
    return shared->next > shared->last || (shared->stop_early && shared->totals.failure_count > 0);
}

static void watch(struct worker *workers, unsigned jobs, const char *title, uint64_t first, crew_work *work,
                  void *context) {
    unsigned alive = jobs, looks = 0;

    while (alive > 0) {
        const struct timespec pause = { .tv_nsec = LOOK_NS };

        nanosleep(&pause, NULL);
        if (++looks % 25 == 0)
            show_progress(title, first, shared->last);
        for (unsigned job = 0; job < jobs; job++) {
            int status;

            if (workers[job].pid == 0 || waitpid(workers[job].pid, &status, WNOHANG) != workers[job].pid)
                continue;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                bury(&workers[job], job);
            close(workers[job].words);
            workers[job].pid = 0;
            if (over())
                alive--;
            else
                hire(&workers[job], job, work, context);
        }
    }
}

void crew_run(uint64_t first, uint64_t last, unsigned jobs, bool stop_early, const char *title,
              crew_work *work, void *context, struct crew_totals *out) {
    struct worker workers[JOBS_MAX] = { { 0 } };
    static struct coverage sum;

    jobs = jobs == 0 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : jobs;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    shared->next = first;
    shared->last = last;
    shared->stop_early = stop_early;
    for (unsigned job = 0; job < jobs; job++)
        hire(&workers[job], job, work, context);
    watch(workers, jobs, title, first, work, context);
    if (title != NULL && isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    for (unsigned job = 0; job < jobs; job++)
        coverage_add(&sum, &shared->coverage[job]);
    coverage_count_into(&sum);
    *out = shared->totals;
    munmap(shared, sizeof *shared);
}
