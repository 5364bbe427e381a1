/* What a transaction's JSON says, in the words of a screen. Pure readers over the API's answers: absent
 * members read as empty, so an older or newer settled still shows. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/json.h"
#include "cli/cli.h"

/* A time member, epoch ms. False when absent or not a time. */
bool view_time(struct json_value object, const char *name, struct arena *arena, int64_t *epoch_ms);
/* A number member, or fallback. */
int64_t view_number(struct json_value object, const char *name, int64_t fallback);
bool view_true(struct json_value object, const char *name);

bool view_final(struct json_value transaction);
bool view_attention(struct json_value transaction);
/* "points.confirm": the operation that is owed or refused; "" when there is none. */
void view_add_where(struct buffer *to, struct json_value transaction, struct arena *arena);
/* "in 38s", "paused", "": when something is tried next. */
void view_add_next(struct buffer *to, struct json_value transaction, struct arena *arena, int64_t now_ms);
/* The reason or the attention in one sentence. */
void view_add_why(struct buffer *to, struct json_value transaction, struct arena *arena);
/* A participant's own words: of a JSON answer the member that says what is wrong (detail, error, message,
 * title), else the text as it came. Lives as long as the arena and the text. */
struct slice view_words(struct slice detail, struct arena *arena);
/* "order=4711 user=u9" */
void view_add_labels(struct buffer *to, struct json_value transaction, struct arena *arena);
/* How long it took so far: "31 ms"; nothing when it cannot be told. */
void view_add_took(struct buffer *to, struct json_value transaction, struct arena *arena, int64_t now_ms);

/* The exit code that a final (or not final) state stands for (ux.md c): committed 0, rolled back 10,
 * attention 11, still running 7. */
int view_exit(struct json_value transaction);

/* What a thing is called: gid, id or name; where it is: status, or whether it is paused or enabled. */
struct slice view_name(struct json_value thing, struct arena *arena);
struct slice view_state(struct json_value thing, struct arena *arena);

/* The one-line answer to a command that left a thing in some state, in the chosen format. */
int view_print(struct cli *cli, const struct cli_answer *answer);

#endif
