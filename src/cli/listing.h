/* Lists of the API, {"items":[…],"next":"cursor"}, as table, JSON, lines or names, page by page. Each page is
 * printed before the next is asked for, so a long list costs no memory and a reader that goes away ends it.
 */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/grid.h"

/* One column: how a cell is written, and its colour. */
struct listing_column {
    const char *head;
    void (*add)(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms);
    const char *member;                                               /* used when add is NULL */
    enum paint (*paint)(struct json_value item, struct arena *arena); /* may be NULL */
};

struct listing {
    const struct listing_column *columns; /* ends with head NULL */
    const char *shown;                    /* columns shown unless --columns says otherwise; NULL: all */
    const char *name;                     /* the member that -o gid prints */
    const char *empty;                    /* hint when there is nothing */
    bool all;                             /* follow the cursor to the end */
    size_t rows;                          /* out: rows printed */
    size_t attention;                     /* out: rows that carry attention */
};

/* Cells that several lists share: the age of "created", the attention or the reason, the labels; colours of a
 * status word and of what needs attention. */
void listing_add_age(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms);
void listing_add_why(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms);
void listing_add_labels(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms);
enum paint listing_status_paint(struct json_value item, struct arena *arena);
enum paint listing_attention_paint(struct json_value item, struct arena *arena);

/* Print one answer that is there already. An exit code. */
int listing_print(struct cli *cli, struct listing *listing, const struct cli_answer *answer);
/* GET path (with its query, or without) and print. An exit code. */
int listing_run(struct cli *cli, struct listing *listing, const char *path);

#endif
