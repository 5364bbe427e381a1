#include "sim/trial.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void trial_judge(const struct world *w, struct trial_result *out) {
    static const uint8_t ends[] = {
        [FAILURE_NONE] = TRIAL_GOOD,
        [FAILURE_CORRECTNESS] = TRIAL_CORRECTNESS,
        [FAILURE_LIVENESS] = TRIAL_LIVENESS,
    };

    *out = (struct trial_result){
        .end = ends[w->failure.kind],
        .failure = w->failure,
        .figures = w->figures,
        .transactions = w->plan_count + w->posts_drawn,
        .digest = w->digest,
    };
}

void trial_run(const struct trial *t, FILE *say, struct trial_result *out) {
    struct swarm swarm;
    struct world w;

    *out = (struct trial_result){ 0 };
    swarm_draw(&swarm, t->seed);
    swarm_without(&swarm, t->without);
    world_init(&w, &swarm);
    w.say = say;
    w.dropped = t->dropped;
    w.dropped_count = TRIAL_PLANS_MAX;
    if (t->horizon_ms != 0 && t->horizon_ms < w.faults_end_ms)
        w.faults_end_ms = t->horizon_ms;
    if (say != NULL)
        swarm_print(&swarm, say);
    world_populate(&w);
    world_run(&w);
    trial_judge(&w, out);
    world_done(&w);
}

static size_t read_all(int from, void *to, size_t length) {
    size_t got = 0;

    while (got < length) {
        ssize_t part = read(from, (char *)to + got, length - got);

        if (part <= 0)
            break;
        got += (size_t)part;
    }
    return got;
}

static void run_child(const struct trial *t, int results, int words) {
    struct trial_result result;
    ssize_t written;

    if (dup2(words, STDERR_FILENO) < 0)
        _exit(1);
    trial_run(t, NULL, &result);
    written = write(results, &result, sizeof result);
    _exit(written == (ssize_t)sizeof result ? 0 : 1);
}

void trial_run_apart(const struct trial *t, struct trial_result *out) {
    int results[2], words[2], status = 0;
    pid_t child;

    if (pipe(results) != 0 || pipe(words) != 0)
        abort();
    fflush(NULL);
    child = fork();
    if (child < 0)
        abort();
    if (child == 0)
        run_child(t, results[1], words[1]);
    close(results[1]);
    close(words[1]);
    *out = (struct trial_result){ 0 };
    if (read_all(results[0], out, sizeof *out) != sizeof *out) {
        size_t length;

        *out = (struct trial_result){ .end = TRIAL_CRASH };
        snprintf(out->failure.invariant, sizeof out->failure.invariant, "crash");
        length = read_all(words[0], out->failure.text, sizeof out->failure.text - 1);
        while (length > 0 && out->failure.text[length - 1] == '\n')
            out->failure.text[--length] = '\0';
    }
    close(results[0]);
    close(words[0]);
    while (waitpid(child, &status, 0) < 0)
        continue;
}

/* The number at *text, and *text moved behind it. False: none. */
static bool take_number(const char **text, uint64_t *out) {
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    *out = strtoull(*text, &end, 10);
    *text = end;
    return true;
}

static bool parse_without(const char *list, struct trial *t) {
    while (*list != '\0') {
        char name[32];
        size_t length = strcspn(list, ",");
        int class;

        if (length == 0 || length >= sizeof name)
            return false;
        memcpy(name, list, length);
        name[length] = '\0';
        class = swarm_class_of(name);
        if (class < 0)
            return false;
        t->without |= UINT32_C(1) << class;
        list += length + (list[length] == ',');
    }
    return true;
}

static bool parse_drop(const char *list, struct trial *t) {
    uint64_t number;

    while (*list != '\0') {
        if (!take_number(&list, &number) || number >= TRIAL_PLANS_MAX)
            return false;
        t->dropped[number] = true;
        if (*list == ',')
            list++;
    }
    return true;
}

bool trial_parse_part(const char *part, struct trial *t) {
    if (strncmp(part, "without=", 8) == 0)
        return parse_without(part + 8, t);
    if (strncmp(part, "drop=", 5) == 0)
        return parse_drop(part + 5, t);
    if (strncmp(part, "horizon=", 8) == 0) {
        part += 8;
        return take_number(&part, &t->horizon_ms) && *part == '\0';
    }
    return false;
}

bool trial_parse(const char *text, struct trial *out) {
    struct trial t = { 0 };
    const char *at = text + strspn(text, " \t");
    char part[1024];

    if (!take_number(&at, &t.seed))
        return false;
    for (;;) {
        size_t length;

        at += strspn(at, " \t\n");
        if (*at == '\0' || *at == '#')
            break;
        length = strcspn(at, " \t\n");
        if (length >= sizeof part)
            return false;
        memcpy(part, at, length);
        part[length] = '\0';
        if (!trial_parse_part(part, &t))
            return false;
        at += length;
    }
    *out = t;
    return true;
}

void trial_print(const struct trial *t, FILE *to) {
    const char *before = " without=";

    fprintf(to, "%" PRIu64, t->seed);
    for (int i = 0; i < SWARM_COUNT; i++)
        if ((t->without >> i & 1) != 0) {
            fprintf(to, "%s%s", before, swarm_name((enum swarm_class)i));
            before = ",";
        }
    before = " drop=";
    for (int i = 0; i < TRIAL_PLANS_MAX; i++)
        if (t->dropped[i]) {
            fprintf(to, "%s%d", before, i);
            before = ",";
        }
    if (t->horizon_ms != 0)
        fprintf(to, " horizon=%" PRIu64, t->horizon_ms);
}

const char *trial_end_word(uint8_t end) {
    static const char *const words[] = { "good", "liveness", "crash", "correctness" };

    assert(end < sizeof words / sizeof *words);
    return words[end];
}
