/* One run of the settle command: what every command needs, and how it ends.
 *
 * A command gets a struct cli, does its work through cli_ask and the printers, and returns an exit code. Only
 * cli_ and the commands themselves speak on stdout and stderr: results go to stdout, everything else to
 * stderr. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include <settle/settle.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/flags.h"

/* ux.md (c). */
enum cli_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_CONFLICT = 4,
    EXIT_NOT_ALLOWED = 5,
    EXIT_UNREACHABLE = 6,
    EXIT_STILL_RUNNING = 7,
    EXIT_ROLLED_BACK = 10,
    EXIT_ATTENTION = 11,
};

enum cli_format {
    FORMAT_TABLE,
    FORMAT_JSON,
    FORMAT_JSONL,
    FORMAT_GID,
};

struct command;

struct cli {
    const struct command *command;
    struct flags flags; /* global ones and the command's */
    enum cli_format format;
    bool colour;       /* on stdout */
    bool colour_error; /* on stderr */
    bool quiet, curl, dry_run, yes;
    bool terminal;      /* somebody sits in front of stdin and stderr and can be asked */
    size_t width;       /* of stdout; 0: no limit */
    stl_client *client; /* opened by the first cli_ask; see cli_open */
};

/* An answer of settled, its JSON checked. */
struct cli_answer {
    stl_response *response;
    struct json_value root; /* kind JSON_NULL when the body is not JSON */
    struct slice body;
};

/* Open the client if it is not open yet. An exit code; 0: go on. */
int cli_open(struct cli *cli);
void cli_close(struct cli *cli);

/* Ask settled. path carries its query; body is JSON or empty. An exit code: 0 and an answer that is a 2xx, or
 * the failure, already explained on stderr. With --curl nothing is sent: the request is printed as a curl
 * command; with --dry-run the same holds for everything but GET, in words. Then EXIT_DONE comes back with
 * out->response NULL: return it. Release the answer with cli_release. */
int cli_ask(struct cli *cli, const char *method, const char *path, struct slice body, int wait_ms,
            struct cli_answer *out);
void cli_release(struct cli_answer *answer); /* an answer that was zeroed is fine */

/* Explain a failure of libsettle (what happened, why, what to try, where to read on) and return its exit
 * code. */
int cli_explain(const struct cli *cli, const stl_err *e);
int cli_exit_of(int stl_code);
/* "settle: ..." in red on stderr; returns code. */
int cli_fail(const struct cli *cli, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A hint on stderr, silent with --quiet. */
void cli_hint(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Write a buffer to stdout and release it. EXIT_FAILED when it failed or stdout is gone. */
int cli_print(struct cli *cli, struct buffer *text);

/* Destructive verbs ask on a terminal; elsewhere they need --yes (and --reason when with_reason). what is the
 * question's sentence, without a question mark. *reason gets what was given or typed, borrowed from flags or
 * from the static line that was read. An exit code; 0: go on. */
int cli_consent(struct cli *cli, const char *what, bool with_reason, const char **reason);

/* Verbs that can be taken back do not ask, but those that the audit log keeps need a reason: --reason, or
 * typed on a terminal. what and *reason as above. An exit code; 0: go on. */
int cli_reason(struct cli *cli, const char *what, const char **reason);

/* A duration flag in ms, or fallback when it was not given. An exit code. */
int cli_duration(struct cli *cli, const char *flag, int fallback_ms, int *ms);
/* A whole number flag from min to max. */
int cli_number(struct cli *cli, const char *flag, long min, long max, long fallback, long *number);
/* The nth word behind the command, or NULL. */
const char *cli_word(const struct cli *cli, size_t n);

/* Path pieces: append text, percent-encoded. */
void cli_add_escaped(struct buffer *to, struct slice text);
/* Text of a member: decoded when simple, raw otherwise; "" when absent or null. Lives as long as the answer
 * or, for strings with escapes, until the arena is done. */
struct slice cli_text(struct json_value object, const char *name, struct arena *arena);

#endif
