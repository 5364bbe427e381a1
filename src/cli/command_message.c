/* Reliable messages: publishing, deciding, looking. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/command_list.h"
#include "cli/letter.h"
#include "cli/moment.h"
#include "cli/occurrence.h"
#include "cli/picture.h"
#include "cli/progress.h"
#include "cli/view.h"

#define MESSAGES "/v1/messages"
#define POLL_MS 100

/* ---- publishing -------------------------------------------------------------------------------------- */

static int put_message(struct errand *e) {
    const char *const texts[][2] = { { "id", "id" }, { "key", "key" }, { "delay", "delay" } };
    json_put_text(errand_body(e), "topic", cli_word(e->cli, 0));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        errand_put_flag(e, texts[i][0], texts[i][1]);
    int code = letter_put_pairs(e, "header", "headers");
    if (code == 0)
        code = letter_put_pairs(e, "label", "labels");
    return code == 0 ? letter_put_body(e, 1) : code;
}

/* Send it; then, with a wait, follow it until it is final, so that a progress line can live. */
int command_msg_publish(struct cli *cli) {
    struct errand errand;
    int wait_ms = 0, code = cli_duration(cli, "wait", 0, &wait_ms);
    if (code != 0)
        return code;
    errand_begin(&errand, cli, MESSAGES, NULL, NULL);
    code = put_message(&errand);
    if (code == 0)
        return letter_send(&errand, MESSAGES, wait_ms);
    errand_drop(&errand);
    return code;
}

static int put_check(struct errand *e) {
    static const char *const ways[] = { "check-http", "check-marker", "check-pg" };
    const struct flags *flags = &e->cli->flags;
    const char *xid = flags_value(flags, "xid"), *system = flags_value(flags, "system");
    size_t way = 3, count = 0;
    for (size_t i = 0; i < 3; i++)
        if (flags_has(flags, ways[i])) {
            way = i;
            count++;
        }
    if (count != 1)
        return cli_fail(e->cli, EXIT_USAGE,
                        "say whom to ask when the producer stays silent: --check-http URL, --check-marker "
                        "DATASOURCE, or --check-pg DATASOURCE with --xid and --system");
    if ((way == 2) != (xid != NULL && system != NULL))
        return cli_fail(e->cli, EXIT_USAGE, "--xid and --system come with --check-pg, both of them");
    struct json_writer *w = errand_body(e);
    json_put_text(w, "state", "half");
    json_put_object(w, "check");
    errand_put_flag(e, "check-after", "after");
    errand_put_flag(e, "check-every", "every");
    int code = errand_put_number(e, "check-tries", "tries", 1, 1000000);
    if (way == 0) {
        json_put_text(w, "http", flags_value(flags, ways[0]));
    } else {
        json_put_object(w, way == 1 ? "marker" : "pg");
        json_put_text(w, "datasource", flags_value(flags, ways[way]));
        if (way == 2) {
            json_put_text(w, "xid", xid);
            json_put_text(w, "system", system);
        }
        json_put_end(w);
    }
    json_put_end(w);
    return code;
}

int command_msg_half(struct cli *cli) {
    struct errand errand;
    errand_begin(&errand, cli, MESSAGES, NULL, NULL);
    int code = flags_has(&cli->flags, "id")
                   ? put_message(&errand)
                   : cli_fail(cli, EXIT_USAGE,
                              "a half message needs --id: by it you commit it or roll it back later");
    if (code == 0)
        code = put_check(&errand);
    if (code == 0)
        return errand_run(&errand, "POST");
    errand_drop(&errand);
    return code;
}

/* ---- deciding ---------------------------------------------------------------------------------------- */

static int decide(struct cli *cli, const char *verb) {
    struct errand errand;
    errand_begin(&errand, cli, MESSAGES, cli_word(cli, 0), verb);
    errand_put_reason(&errand, flags_value(&cli->flags, "reason"));
    return errand_run(&errand, "POST");
}

int command_msg_commit(struct cli *cli) {
    return decide(cli, "/commit");
}

int command_msg_rollback(struct cli *cli) {
    return decide(cli, "/rollback");
}

static bool is_half(const struct cli_answer *answer) {
    struct json_value status;
    return json_member(answer->root, "status", &status) && json_is(status, "half");
}

/* Until it is decided; the API's own wait would go on until it is delivered, too. */
static int wait_decided(struct cli *cli, int wait_ms, struct cli_answer *answer) {
    int64_t end_ms = moment_now_ms() + wait_ms;
    struct progress progress;
    int code = 0;
    progress_begin(&progress, cli);
    while (code == 0 && is_half(answer) && moment_now_ms() < end_ms) {
        struct errand errand;
        usleep(POLL_MS * 1000);
        progress_tick(&progress, "%s is not decided yet", cli_word(cli, 0));
        cli_release(answer);
        errand_begin(&errand, cli, MESSAGES, cli_word(cli, 0), NULL);
        code = errand_ask(&errand, "GET", 0, answer);
    }
    progress_end(&progress);
    return code;
}

/* With a wait the exit code tells what came of it: committed 0, still half 7, rolled back 10. */
int command_msg_check(struct cli *cli) {
    struct errand errand;
    struct cli_answer answer;
    int wait_ms = 0, code = cli_duration(cli, "wait", 0, &wait_ms);
    if (code != 0)
        return code;
    errand_begin(&errand, cli, MESSAGES, cli_word(cli, 0), "/check");
    errand_put_reason(&errand, flags_value(&cli->flags, "reason"));
    code = errand_ask(&errand, "POST", 0, &answer);
    if (code == 0 && answer.response != NULL)
        code = wait_decided(cli, wait_ms, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    code = view_print(cli, &answer);
    if (code == 0 && wait_ms > 0) {
        struct json_value status;
        bool committed = json_member(answer.root, "status", &status) && json_is(status, "committed");
        code = committed ? EXIT_DONE : letter_exit(answer.root);
    }
    cli_release(&answer);
    return code;
}

/* ---- looking ----------------------------------------------------------------------------------------- */

static const struct listing_column message_columns[] = {
    { "ID", NULL, "id", listing_attention_paint },
    { "TOPIC", NULL, "topic", NULL },
    { "KEY", NULL, "key", NULL },
    { "STATUS", NULL, "status", listing_status_paint },
    { "AGE", listing_add_age, NULL, NULL },
    { "DELIVERIES", NULL, "deliveries", NULL },
    { "NEXT", letter_add_next, NULL, NULL },
    { "WHY", listing_add_why, NULL, NULL },
    { "LABELS", listing_add_labels, NULL, NULL },
    { "ORIGIN", NULL, "origin", NULL },
    { "CREATED", NULL, "created", NULL },
    { "FINISHED", NULL, "finished", NULL },
    { NULL, NULL, NULL, NULL },
};

int command_msg_list(struct cli *cli) {
    struct listing listing = { .columns = message_columns,
                               .shown = "ID,TOPIC,KEY,STATUS,AGE,DELIVERIES,NEXT,WHY",
                               .name = "id",
                               .all = flags_has(&cli->flags, "all"),
                               .empty = "no such messages; settle msg publish TOPIC --body '{}' makes one" };
    struct errand errand;
    errand_begin(&errand, cli, MESSAGES, NULL, NULL);
    errand_filter(&errand, "topic", "topic");
    errand_filter(&errand, "key", "key");
    int code = errand_filters(&errand);
    if (code != 0) {
        errand_drop(&errand);
        return code;
    }
    code = errand_list(&errand, &listing);
    if (code == 0 && listing.attention > 0 && cli->format == FORMAT_TABLE)
        cli_hint(cli, "%zu need%s attention · settle msg show ID · settle dlq list", listing.attention,
                 listing.attention == 1 ? "s" : "");
    return code;
}

int command_msg_show(struct cli *cli) {
    return picture_show(cli, MESSAGES);
}

int command_msg_events(struct cli *cli) {
    long limit = 0;
    int code = cli_number(cli, "limit", 1, 1000000, 0, &limit);
    if (code != 0)
        return code;
    return occurrence_follow(cli, MESSAGES, cli_word(cli, 0), flags_value(&cli->flags, "since"), limit,
                             flags_has(&cli->flags, "follow"));
}
