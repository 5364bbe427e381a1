/* A settled of one's own: found beside this program, started as a child, killed or stopped.
 *
 * The child dies with its parent (PR_SET_PDEATHSIG), so an interrupted demo leaves nothing running. */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct child {
    pid_t pid;      /* 0: not running */
    int output;     /* its stdout: kept open so that it may write there; -1 */
    char line[512]; /* its first line: "settled 0.1.0  store ...  api http://..." */
    char url[128];  /* of the API, taken from that line */
};

/* The program settled: beside this one, else in PATH. ERR_NOT_FOUND. */
int child_find(char *to, size_t size, struct why *why);
/* Start it on a data folder, listening on address ("127.0.0.1:0": a free port), its log appended to log.
 * Waits for the first line. ERR_NOT_FOUND, ERR_IO (it ended at once: the why quotes the log's last line),
 * ERR_TIMEOUT. */
int child_start(struct child *d, const char *data, const char *address, const char *log, struct why *why);
/* Gone from one moment to the next, as a power cut would do it. */
void child_kill(struct child *d);
/* SIGTERM, and SIGKILL after 10 s. */
void child_stop(struct child *d);
/* Run settled with these arguments (NULL-ended, without the program's name) in the foreground. Its exit code,
 * or ERR_NOT_FOUND, ERR_IO. */
int child_run(const char *const *arguments, struct why *why);

#endif
