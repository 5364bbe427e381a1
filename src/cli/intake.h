/* What a command reads whole: a file, or standard input. */
#ifndef CLI_INTAKE_H
#define CLI_INTAKE_H

#include "base/bytes.h"
#include "cli/cli.h"

#define INTAKE_FILE_BYTES (64 * 1024 * 1024)
#define INTAKE_RATE_MAX 10000
#define INTAKE_BYTES (INTAKE_FILE_BYTES + 64 * 1024) /* what to initialise the buffer with */

/* Append all of the file, or of stdin when name is NULL or "-". what says what is expected, for somebody who
 * sits in front of an empty line. An exit code; failures are explained. */
int intake_read(struct cli *cli, const char *name, const char *what, struct buffer *to);

/* Act on each name of the command line; "-" stands for the lines of stdin, which are read before anything is
 * done. All are tried, so that one that fails does not hold up the others; the first failure's exit code
 * counts. With the flag --rate, of commands that have it, so many begin in a second at the most. */
int intake_each(struct cli *cli, int (*act)(struct cli *cli, const char *name, const void *argument),
                const void *argument);

#endif
