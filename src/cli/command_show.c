/* Looking at transactions. */
#include "base/duration.h"
#include "cli/command_list.h"
#include "cli/errand.h"
#include "cli/listing.h"
#include "cli/moment.h"
#include "cli/occurrence.h"
#include "cli/picture.h"
#include "cli/view.h"

/* ---- tx list ----------------------------------------------------------------------------------------- */

static void add_where(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    (void)now_ms;
    view_add_where(to, item, arena);
}

static const struct listing_column transaction_columns[] = {
    { "GID", NULL, "gid", listing_attention_paint },
    { "MODE", NULL, "mode", NULL },
    { "STATUS", NULL, "status", listing_status_paint },
    { "AGE", listing_add_age, NULL, NULL },
    { "WHERE", add_where, NULL, NULL },
    { "NEXT", view_add_next, NULL, NULL },
    { "WHY", listing_add_why, NULL, NULL },
    { "NAME", NULL, "name", NULL },
    { "LABELS", listing_add_labels, NULL, NULL },
    { "TOOK", view_add_took, NULL, NULL },
    { "CREATED", NULL, "created", NULL },
    { NULL, NULL, NULL, NULL },
};

int command_tx_list(struct cli *cli) {
    struct listing listing = { .columns = transaction_columns,
                               .shown = "GID,MODE,STATUS,AGE,WHERE,NEXT,WHY",
                               .name = "gid",
                               .all = flags_has(&cli->flags, "all"),
                               .empty = "no such transactions; settle demo makes some" };
    struct errand errand;
    errand_begin(&errand, cli, "/v1/transactions", NULL, NULL);
    errand_filter(&errand, "mode", "mode");
    errand_filter(&errand, "name", "name");
    errand_filter(&errand, "branch-url", "branch_url");
    if (flags_has(&cli->flags, "suspended"))
        errand_query(&errand, "suspended", SLICE("true"));
    int code = errand_filters(&errand);
    if (code != 0) {
        errand_drop(&errand);
        return code;
    }
    code = errand_list(&errand, &listing);
    if (code == 0 && listing.attention > 0 && cli->format == FORMAT_TABLE)
        cli_hint(cli, "%zu need%s attention · settle tx show GID", listing.attention,
                 listing.attention == 1 ? "s" : "");
    return code;
}

/* ---- tx show ----------------------------------------------------------------------------------------- */

int command_tx_show(struct cli *cli) {
    return picture_show(cli, "/v1/transactions");
}

int command_tx_events(struct cli *cli) {
    long limit = 0;
    int code = cli_number(cli, "limit", 1, 1000000, 0, &limit);
    if (code != 0)
        return code;
    return occurrence_follow(cli, "/v1/transactions", cli_word(cli, 0), flags_value(&cli->flags, "since"),
                             limit, flags_has(&cli->flags, "follow"));
}
