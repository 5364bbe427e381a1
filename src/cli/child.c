#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

#define READY_MS 15000
#define STOP_MS 10000
#define ARGUMENTS_MAX 32

static bool runnable(const char *path) {
    return access(path, X_OK) == 0;
}

int child_find(char *to, size_t size, struct why *why) {
    char here[4096];
    ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    if (length > 0) {
        here[length] = '\0';
        char *slash = strrchr(here, '/');
        if (slash != NULL && snprintf(to, size, "%.*s/settled", (int)(slash - here), here) < (int)size &&
            runnable(to))
            return 0;
    }
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t part = strcspn(path, ":");
        if (part > 0 && snprintf(to, size, "%.*s/settled", (int)part, path) < (int)size && runnable(to))
            return 0;
        path += part + (path[part] == ':');
    }
    return why_set(why, ERR_NOT_FOUND, "there is no settled beside this program or in PATH");
}

static void become(const char *program, const char *const *arguments, int output, const char *log,
                   pid_t parent) {
    const char *words[ARGUMENTS_MAX + 2] = { program };
    for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i] != NULL; i++)
        words[i + 1] = arguments[i];
    int log_file = log == NULL ? -1 : open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    if (output >= 0)
        dup2(output, STDOUT_FILENO);
    if (log_file >= 0)
        dup2(log_file, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    execv(program, (char *const *)words);
    _exit(127);
}

static void pause_ms(int ms) {
    struct timespec wait = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&wait, NULL);
}

/* True when the child has ended. */
static bool ended(struct child *d, int *status) {
    pid_t pid = waitpid(d->pid, status, WNOHANG);
    if (pid == 0)
        return false;
    d->pid = 0;
    return true;
}

static int read_line(struct child *d, struct why *why) {
    size_t have = 0;
    for (int waited_ms = 0; waited_ms < READY_MS; waited_ms += 100) {
        struct pollfd watched = { .fd = d->output, .events = POLLIN };
        if (poll(&watched, 1, 100) <= 0)
            continue;
        ssize_t got = read(d->output, d->line + have, sizeof d->line - 1 - have);
        if (got <= 0)
            return why_set(why, ERR_IO, "settled ended before it was ready");
        have += (size_t)got;
        d->line[have] = '\0';
        if (strchr(d->line, '\n') != NULL || have == sizeof d->line - 1) {
            d->line[strcspn(d->line, "\n")] = '\0';
            return 0;
        }
    }
    return why_set(why, ERR_TIMEOUT, "settled was not ready after %d s", READY_MS / 1000);
}

static int find_url(struct child *d, struct why *why) {
    const char *at = strstr(d->line, "api ");
    size_t length = at == NULL ? 0 : strcspn(at + 4, " \t");
    if (length == 0 || length >= sizeof d->url)
        return why_set(why, ERR_IO, "settled said \"%s\", which names no address", d->line);
    memcpy(d->url, at + 4, length);
    d->url[length] = '\0';
    return 0;
}

static void quote_log(const char *log, struct why *why) {
    char tail[1024];
    int file = open(log, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    off_t size = lseek(file, 0, SEEK_END);
    ssize_t got =
        pread(file, tail, sizeof tail - 1, size > (off_t)sizeof tail ? size - (off_t)sizeof tail + 1 : 0);
    close(file);
    while (got > 0 && (tail[got - 1] == '\n' || tail[got - 1] == ' '))
        got--;
    if (got <= 0)
        return;
    tail[got] = '\0';
    const char *line = strrchr(tail, '\n');
    why_prefix(why, ERR_IO, "%s", line == NULL ? tail : line + 1);
}

int child_start(struct child *d, const char *data, const char *address, const char *log, struct why *why) {
    char program[4096];
    const char *arguments[] = { "--data", data, "--listen", address, NULL };
    int ends[2];
    *d = (struct child){ .output = -1 };
    int result = child_find(program, sizeof program, why);
    if (result != 0)
        return result;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return why_set(why, ERR_IO, "pipe: %s", strerror(errno));
    pid_t parent = getpid();
    d->pid = fork();
    if (d->pid == 0)
        become(program, arguments, ends[1], log, parent);
    close(ends[1]);
    d->output = ends[0];
    if (d->pid < 0) {
        d->pid = 0;
        result = why_set(why, ERR_IO, "starting settled: %s", strerror(errno));
    }
    if (result == 0)
        result = read_line(d, why);
    if (result == 0)
        result = find_url(d, why);
    if (result != 0) {
        child_kill(d);
        quote_log(log, why);
    }
    return result;
}

static void let_go(struct child *d) {
    if (d->output >= 0)
        close(d->output);
    d->output = -1;
}

void child_kill(struct child *d) {
    int status;
    if (d->pid > 0) {
        kill(d->pid, SIGKILL);
        while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    d->pid = 0;
    let_go(d);
}

void child_stop(struct child *d) {
    int status;
    if (d->pid > 0)
        kill(d->pid, SIGTERM);
    for (int waited_ms = 0; d->pid > 0 && waited_ms < STOP_MS && !ended(d, &status); waited_ms += 10)
        pause_ms(10);
    child_kill(d);
}

int child_run(const char *const *arguments, struct why *why) {
    char program[4096];
    int status = 0, result = child_find(program, sizeof program, why);
    if (result != 0)
        return result;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(program, arguments, -1, NULL, parent);
    if (pid < 0)
        return why_set(why, ERR_IO, "starting settled: %s", strerror(errno));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return why_set(why, ERR_IO, "waiting for settled: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
