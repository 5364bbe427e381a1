#include "cli/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define STEP_BYTES (64 * 1024)

int intake_read(struct cli *cli, const char *name, const char *what, struct buffer *to) {
    bool standard = name == NULL || strcmp(name, "-") == 0;
    int file = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC), problem = errno;
    ssize_t got = 0;
    char *at = NULL;
    if (file < 0)
        return cli_fail(cli, EXIT_USAGE, "%s: %s", name, strerror(problem));
    if (standard && isatty(STDIN_FILENO))
        cli_hint(cli, "reading %s from the terminal; end it with ^D", what);
    while ((at = buffer_reserve(to, STEP_BYTES)) != NULL && (got = read(file, at, STEP_BYTES)) > 0)
        buffer_grew(to, (size_t)got);
    problem = errno;
    if (!standard)
        close(file);
    if (at == NULL)
        return cli_fail(cli, EXIT_USAGE, "%s is larger than %d MiB", standard ? "stdin" : name,
                        INTAKE_FILE_BYTES >> 20);
    return got < 0 ? cli_fail(cli, EXIT_USAGE, "%s: %s", standard ? "stdin" : name, strerror(problem)) : 0;
}
