#include "cli/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
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

struct round {
    struct cli *cli;
    int (*act)(struct cli *cli, const char *name, const void *argument);
    const void *argument;
    long rate; /* 0: as fast as it goes */
    bool begun;
};

static int one(struct round *r, const char *name) {
    if (r->rate > 0 && r->begun) {
        struct timespec pause = { .tv_sec = r->rate == 1,
                                  .tv_nsec = r->rate == 1 ? 0 : 1000000000 / r->rate };
        nanosleep(&pause, NULL);
    }
    r->begun = true;
    return r->act(r->cli, name, r->argument);
}

static int each_line(struct round *r, struct buffer *text) {
    int result = 0;
    char *line, *end;
    buffer_add_byte(text, '\0');
    if (buffer_failed(text))
        return cli_fail(r->cli, EXIT_USAGE, "stdin has too many names");
    for (line = text->at; *line != '\0'; line = end) {
        end = line + strcspn(line, "\r\n");
        if (*end != '\0')
            *end++ = '\0';
        if (*line == '\0')
            continue;
        int code = one(r, line);
        result = result == 0 ? code : result;
    }
    return result;
}

int intake_each(struct cli *cli, int (*act)(struct cli *cli, const char *name, const void *argument),
                const void *argument) {
    struct round round = { .cli = cli, .act = act, .argument = argument };
    int result = cli_number(cli, "rate", 1, INTAKE_RATE_MAX, 0, &round.rate);
    if (result != 0)
        return result;
    for (size_t i = 0; cli_word(cli, i) != NULL; i++) {
        int code;
        if (strcmp(cli_word(cli, i), "-") == 0) {
            struct buffer text;
            buffer_init(&text, INTAKE_BYTES);
            code = intake_read(cli, "-", "names, one to a line,", &text);
            if (code == 0)
                code = each_line(&round, &text);
            buffer_done(&text);
        } else {
            code = one(&round, cli_word(cli, i));
        }
        result = result == 0 ? code : result;
    }
    return result;
}
