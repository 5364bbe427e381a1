/* Dead letters: deliveries whose patience is over, or that were refused while nobody wants refusals. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/command_list.h"
#include "cli/intake.h"
#include "cli/letter.h"
#include "cli/view.h"

#define DELIVERIES "/v1/deliveries"
#define WHAT_BYTES (2 * LIMIT_GID_BYTES + 128)

static const struct listing_column delivery_columns[] = {
    { "ID", NULL, "id", NULL },
    { "TOPIC", NULL, "topic", NULL },
    { "KEY", NULL, "key", NULL },
    { "STATUS", NULL, "status", listing_status_paint },
    { "AGE", listing_add_age, NULL, NULL },
    { "ATTEMPTS", NULL, "attempts", NULL },
    { "NEXT", letter_add_next, NULL, NULL },
    { "WHY", letter_add_last, NULL, NULL },
    { "MESSAGE", NULL, "message", NULL },
    { "SUBSCRIPTION", NULL, "subscription", NULL },
    { "CREATED", NULL, "created", NULL },
    { NULL, NULL, NULL, NULL },
};

int command_dlq_list(struct cli *cli) {
    bool named = flags_has(&cli->flags, "status");
    struct listing listing = { .columns = delivery_columns,
                               .shown = named ? "ID,TOPIC,KEY,STATUS,AGE,ATTEMPTS,NEXT,WHY"
                                              : "ID,TOPIC,KEY,AGE,ATTEMPTS,WHY",
                               .name = "id",
                               .all = flags_has(&cli->flags, "all"),
                               .empty = named ? "no such deliveries" : "no dead letters" };
    struct errand errand;
    errand_begin(&errand, cli, DELIVERIES, NULL, NULL);
    if (!named)
        errand_query(&errand, "status", SLICE("dead"));
    errand_filter(&errand, "subscription", "subscription");
    errand_filter(&errand, "topic", "topic");
    errand_filter(&errand, "key", "key");
    int code = errand_filters(&errand);
    if (code != 0) {
        errand_drop(&errand);
        return code;
    }
    code = errand_list(&errand, &listing);
    if (code == 0 && listing.rows > 0 && !named && cli->format == FORMAT_TABLE)
        cli_hint(cli, "settle dlq replay ID · settle dlq edit ID · settle dlq discard ID");
    return code;
}

int command_dlq_show(struct cli *cli) {
    struct errand errand;
    errand_begin(&errand, cli, DELIVERIES, cli_word(cli, 0), NULL);
    return errand_flat(&errand);
}

/* ---- what becomes of them ---------------------------------------------------------------------------- */

/* One sentence for all of them. */
static void name_all(const struct cli *cli, const char *what, char *to, size_t size) {
    size_t count = cli->flags.word_count;
    bool piped = count == 1 && strcmp(cli_word(cli, 0), "-") == 0;
    if (piped)
        snprintf(to, size, "%s all deliveries that stdin names", what);
    else if (count == 1)
        snprintf(to, size, "%s %.257s", what, cli_word(cli, 0));
    else
        snprintf(to, size, "%s %zu deliveries", what, count);
}

struct verdict {
    const char *verb, *reason;
};

static int act(struct cli *cli, const char *delivery, const void *argument) {
    const struct verdict *verdict = argument;
    struct errand errand;
    errand_begin(&errand, cli, DELIVERIES, delivery, verdict->verb);
    errand_put_reason(&errand, verdict->reason);
    return errand_run(&errand, "POST");
}

static int act_on_all(struct cli *cli, const char *verb, const char *reason) {
    struct verdict verdict = { verb, reason };
    return intake_each(cli, act, &verdict);
}

int command_dlq_replay(struct cli *cli) {
    const char *reason = NULL;
    char what[WHAT_BYTES];
    name_all(cli, "Deliver again", what, sizeof what);
    int code = cli_reason(cli, what, &reason);
    return code == 0 ? act_on_all(cli, "/replay", reason) : code;
}

int command_dlq_discard(struct cli *cli) {
    const char *reason = NULL;
    char what[WHAT_BYTES];
    name_all(cli, "Give up for good", what, sizeof what);
    int code = cli_consent(cli, what, true, &reason);
    return code == 0 ? act_on_all(cli, "/discard", reason) : code;
}

int command_dlq_edit(struct cli *cli) {
    struct errand errand;
    const char *reason = NULL;
    char question[WHAT_BYTES];
    if (cli_word(cli, 1) == NULL && !flags_has(&cli->flags, "body"))
        return cli_fail(cli, EXIT_USAGE, "say what to send instead: --body JSON, or a file");
    snprintf(question, sizeof question, "Send something else instead of %.257s", cli_word(cli, 0));
    int code = cli_consent(cli, question, true, &reason);
    if (code != 0)
        return code;
    errand_begin(&errand, cli, DELIVERIES, cli_word(cli, 0), "/edit");
    errand_put_reason(&errand, reason);
    code = letter_put_body(&errand, 1);
    if (code == 0)
        return errand_run(&errand, "POST");
    errand_drop(&errand);
    return code;
}
