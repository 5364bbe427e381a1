/* An errand: one request about one thing of the API, put together piece by piece, sent and printed.
 *
 *     struct errand e;
 *     errand_begin(&e, cli, "/v1/deliveries", id, "/nack");
 *     json_put_text(errand_body(&e), "reason", reason);
 *     return errand_run(&e, "POST", 0);
 *
 * Every errand that was begun is ended by errand_ask, errand_run or errand_drop. */
#ifndef CLI_ERRAND_H
#define CLI_ERRAND_H

#include "base/json.h"
#include "cli/cli.h"

struct listing;

struct errand {
    struct cli *cli;
    struct buffer path, body;
    struct json_writer w;
    bool open;  /* the body's object is not ended yet */
    bool asked; /* the path carries a query */
};

/* COLLECTION[/NAME][VERB]; name and verb may be NULL. */
void errand_begin(struct errand *e, struct cli *cli, const char *collection, const char *name,
                  const char *verb);
/* Add name=value to the query, percent-encoded. */
void errand_query(struct errand *e, const char *name, struct slice value);
/* A flag as a query parameter; nothing when it was not given. */
void errand_filter(struct errand *e, const char *flag, const char *parameter);
/* The flags status, attention, label, created-after, created-before, older-than, sort, limit and cursor, as
 * far as they were given. An exit code; 0: go on. */
int errand_filters(struct errand *e);
/* The writer of the body's object, which the first call opens. */
struct json_writer *errand_body(struct errand *e);
/* Members from flags, when they were given: as text, or as a whole number from min to max. */
void errand_put_flag(struct errand *e, const char *flag, const char *member);
int errand_put_number(struct errand *e, const char *flag, const char *member, long min, long max);
/* --reason, when it was given. */
void errand_put_reason(struct errand *e, const char *reason);

/* Send it as cli_ask does. wait_ms over 0 asks for ?wait= of that. */
int errand_ask(struct errand *e, const char *method, int wait_ms, struct cli_answer *answer);
/* Send it and print what came of it in one line (view_print). */
int errand_run(struct errand *e, const char *method);
/* GET it and print the pages. */
int errand_list(struct errand *e, struct listing *listing);
void errand_drop(struct errand *e);

/* The body is a file (or stdin) that holds JSON; what says what is expected. An exit code. */
int errand_file(struct errand *e, const char *file, const char *what);
/* GET it and print each member in a line of its own (cli/flat.h). */
int errand_flat(struct errand *e);
/* POST a verb, with a reason, to the thing that the first word names. what is the sentence without the name.
 */
int errand_steer(struct cli *cli, const char *collection, const char *verb, const char *what);
/* Ask, then DELETE the thing that the first word names. what is the question without the name. */
int errand_delete(struct cli *cli, const char *collection, const char *what);

#endif
