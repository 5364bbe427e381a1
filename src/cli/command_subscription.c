/* Topics, and who gets what is published under them: subscriptions and their consumers. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/command_list.h"
#include "cli/intake.h"
#include "cli/letter.h"
#include "cli/moment.h"
#include "cli/progress.h"
#include "cli/view.h"

#define SUBSCRIPTIONS "/v1/subscriptions"
#define DELIVERIES "/v1/deliveries"
#define TOPICS "/v1/topics"
#define STEP_MS 1000
#define PULL_MAX 1000

static void add_state(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    (void)now_ms;
    buffer_add_slice(to, view_state(item, arena));
}

static enum paint state_paint(struct json_value item, struct arena *arena) {
    return paint_of_status(view_state(item, arena));
}

static void add_oldest(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    int64_t oldest_ms = 0;
    if (view_time(item, "oldest", arena, &oldest_ms))
        moment_add_age(to, now_ms - oldest_ms);
}

static enum paint dead_paint(struct json_value item, struct arena *arena) {
    (void)arena;
    return view_number(item, "dead", 0) > 0 ? PAINT_RED : PAINT_NONE;
}

static enum paint parked_paint(struct json_value item, struct arena *arena) {
    (void)arena;
    return view_number(item, "parked", 0) > 0 ? PAINT_YELLOW : PAINT_NONE;
}

static const struct listing_column subscription_columns[] = {
    { "NAME", NULL, "name", NULL },
    { "TOPIC", NULL, "topic", NULL },
    { "WAY", NULL, "way", NULL },
    { "TO", NULL, "to", NULL },
    { "STATE", add_state, NULL, state_paint },
    { "OWED", NULL, "owed", NULL },
    { "OLDEST", add_oldest, NULL, NULL },
    { "DEAD", NULL, "dead", dead_paint },
    { "PARKED", NULL, "parked", parked_paint },
    { "READY", NULL, "ready", NULL },
    { "OUT", NULL, "out", NULL },
    { "LANES", NULL, "lanes", NULL },
    { "ACKED", NULL, "acked", NULL },
    { "REFUSED", NULL, "refused", NULL },
    { "BY", NULL, "by", NULL },
    { "CHANGED", NULL, "changed", NULL },
    { NULL, NULL, NULL, NULL },
};

static int list(struct cli *cli, const char *collection, struct listing *listing) {
    struct errand errand;
    errand_begin(&errand, cli, collection, NULL, NULL);
    errand_filter(&errand, "limit", "limit");
    errand_filter(&errand, "cursor", "cursor");
    listing->all = flags_has(&cli->flags, "all");
    return errand_list(&errand, listing);
}

int command_sub_list(struct cli *cli) {
    struct listing listing = { .columns = subscription_columns,
                               .shown = "NAME,TOPIC,WAY,TO,STATE,OWED,OLDEST,DEAD,PARKED",
                               .name = "name",
                               .empty = "nobody subscribes; settle sub set NAME --topic TOPIC --push URL" };
    return list(cli, SUBSCRIPTIONS, &listing);
}

int command_sub_show(struct cli *cli) {
    struct errand errand;
    errand_begin(&errand, cli, SUBSCRIPTIONS, cli_word(cli, 0), NULL);
    return errand_flat(&errand);
}

/* ---- defining ---------------------------------------------------------------------------------------- */

static void put_retry(struct errand *e) {
    static const char *const names[] = { "first", "max", "for" };
    char flag[16];
    bool any = flags_has(&e->cli->flags, "retry-first") || flags_has(&e->cli->flags, "retry-max") ||
               flags_has(&e->cli->flags, "retry-for");
    if (!any)
        return;
    json_put_object(errand_body(e), "retry");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(flag, sizeof flag, "retry-%s", names[i]);
        errand_put_flag(e, flag, names[i]);
    }
    json_put_end(errand_body(e));
}

static int put_way(struct errand *e) {
    const struct flags *flags = &e->cli->flags;
    const char *sink = flags_value(flags, "sink");
    struct json_report report;
    struct json_value root;
    int ways = flags_has(flags, "push") + flags_has(flags, "pull") + (sink != NULL);
    if (ways != 1)
        return cli_fail(
            e->cli, EXIT_USAGE,
            "say how it gets its messages: --push URL, --pull, or --sink JSON; or give a file with "
            "the whole definition");
    errand_put_flag(e, "push", "push");
    if (flags_has(flags, "pull"))
        json_put_bool(errand_body(e), "pull", true);
    if (sink == NULL)
        return 0;
    if (json_check(slice_text(sink), &root, &report) != 0)
        return cli_fail(e->cli, EXIT_USAGE, "--sink: column %zu: %s; it looks like '{\"stomp\":{\"url\":…}}'",
                        report.column, report.say);
    json_put_raw(errand_body(e), "sink", root.raw);
    return 0;
}

static int put_subscription(struct errand *e) {
    const struct flags *flags = &e->cli->flags;
    const char *refused = flags_value(flags, "on-refused");
    if (!flags_has(flags, "topic"))
        return cli_fail(e->cli, EXIT_USAGE, "say whose messages it gets: --topic TOPIC");
    errand_put_flag(e, "topic", "topic");
    int code = put_way(e);
    if (code == 0)
        code = errand_put_number(e, "concurrency", "concurrency", 1, 1000);
    if (code != 0)
        return code;
    errand_put_flag(e, "timeout", "timeout");
    errand_put_flag(e, "ack", "ack");
    errand_put_flag(e, "ack-timeout", "ack_timeout");
    errand_put_flag(e, "description", "description");
    put_retry(e);
    if (flags_has(flags, "unordered"))
        json_put_bool(errand_body(e), "ordered", false);
    if (flags_has(flags, "no-park")) {
        json_put_object(errand_body(e), "dead");
        json_put_bool(errand_body(e), "park_key", false);
        json_put_end(errand_body(e));
    }
    if (refused != NULL) {
        json_put_object(errand_body(e), "on_refused");
        json_put_text(errand_body(e), "topic", refused);
        json_put_end(errand_body(e));
    }
    return 0;
}

int command_sub_set(struct cli *cli) {
    struct errand errand;
    errand_begin(&errand, cli, SUBSCRIPTIONS, cli_word(cli, 0), NULL);
    int code = cli_word(cli, 1) != NULL ? errand_file(&errand, cli_word(cli, 1), "a subscription in JSON")
                                        : put_subscription(&errand);
    if (code == 0)
        return errand_run(&errand, "PUT");
    errand_drop(&errand);
    return code;
}

int command_sub_delete(struct cli *cli) {
    return errand_delete(cli, SUBSCRIPTIONS, "Delete the subscription");
}

/* ---- operating --------------------------------------------------------------------------------------- */

int command_sub_pause(struct cli *cli) {
    return errand_steer(cli, SUBSCRIPTIONS, "/pause", "Stop delivering to");
}

int command_sub_resume(struct cli *cli) {
    return errand_steer(cli, SUBSCRIPTIONS, "/resume", "Deliver again to");
}

static void add_since(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    int64_t since_ms = 0;
    if (view_time(item, "since", arena, &since_ms))
        moment_add_age(to, now_ms - since_ms);
}

static const struct listing_column lane_columns[] = {
    { "KEY", NULL, "key", NULL },       { "DEAD DELIVERY", NULL, "delivery", NULL },
    { "SINCE", add_since, NULL, NULL }, { "PARKED", NULL, "parked", parked_paint },
    { NULL, NULL, NULL, NULL },
};

int command_sub_lanes(struct cli *cli) {
    struct listing listing = { .columns = lane_columns,
                               .name = "key",
                               .empty = "no key stands still behind a dead delivery" };
    struct errand errand;
    errand_begin(&errand, cli, SUBSCRIPTIONS, cli_word(cli, 0), "/lanes");
    errand_filter(&errand, "limit", "limit");
    return errand_list(&errand, &listing);
}

/* ---- consuming --------------------------------------------------------------------------------------- */

static int acknowledge(struct cli *cli, const char *delivery, const void *argument) {
    struct errand errand;
    (void)argument;
    errand_begin(&errand, cli, DELIVERIES, delivery, "/ack");
    return errand_run(&errand, "POST");
}

int command_sub_ack(struct cli *cli) {
    return intake_each(cli, acknowledge, NULL);
}

static int decline(struct cli *cli, const char *delivery, const void *argument) {
    struct errand errand;
    (void)argument;
    errand_begin(&errand, cli, DELIVERIES, delivery, "/nack");
    errand_put_flag(&errand, "delay", "delay");
    if (flags_has(&cli->flags, "refuse"))
        json_put_bool(errand_body(&errand), "refused", true);
    errand_put_reason(&errand, flags_value(&cli->flags, "reason"));
    return errand_run(&errand, "POST");
}

int command_sub_nack(struct cli *cli) {
    return intake_each(cli, decline, NULL);
}

static const struct listing_column pulled_columns[] = {
    { "ID", NULL, "id", NULL },
    { "TOPIC", NULL, "topic", NULL },
    { "KEY", NULL, "key", NULL },
    { "ATTEMPT", NULL, "attempt", NULL },
    { "NEXT", letter_add_next, NULL, NULL },
    { "BODY", letter_add_body, NULL, NULL },
    { NULL, NULL, NULL, NULL },
};

/* One request; waits at most wait_ms for the first delivery. */
static int pull(struct cli *cli, int wait_ms, struct cli_answer *answer) {
    struct errand errand;
    char wait[32];
    errand_begin(&errand, cli, SUBSCRIPTIONS, cli_word(cli, 0), "/pull");
    int code = errand_put_number(&errand, "max", "max", 1, PULL_MAX);
    if (code != 0) {
        errand_drop(&errand);
        return code;
    }
    errand_put_flag(&errand, "lease", "lease");
    if (wait_ms > 0) {
        snprintf(wait, sizeof wait, "%dms", wait_ms);
        json_put_text(errand_body(&errand), "wait", wait);
    }
    return errand_ask(&errand, "POST", 0, answer);
}

static bool has_items(const struct cli_answer *answer) {
    struct json_value items, item;
    if (!json_member(answer->root, "items", &items) || items.kind != JSON_ARRAY)
        return false;
    struct json_cursor cursor = json_cursor_of(items);
    return json_element_next(&cursor, &item);
}

/* Pull in steps of a second, so that the progress line lives, until something came or the time is over. */
static int pull_patiently(struct cli *cli, int wait_ms, struct cli_answer *answer) {
    int64_t end_ms = moment_now_ms() + wait_ms;
    struct progress progress;
    int code;
    if (cli->curl || cli->dry_run)
        return pull(cli, wait_ms > LIMIT_WAIT_MS ? LIMIT_WAIT_MS : wait_ms, answer);
    progress_begin(&progress, cli);
    for (;;) {
        int64_t left_ms = end_ms - moment_now_ms();
        code = pull(cli, left_ms <= 0 ? 0 : left_ms > STEP_MS ? STEP_MS : (int)left_ms, answer);
        if (code != 0 || answer->response == NULL || has_items(answer) || moment_now_ms() >= end_ms)
            break;
        progress_tick(&progress, "waiting for the first delivery");
        cli_release(answer);
    }
    progress_end(&progress);
    return code;
}

/* After what was pulled has been printed: whoever only wants to look at a queue's head does not ack. */
static int acknowledge_all(struct cli *cli, const struct cli_answer *answer) {
    struct json_value items, item;
    struct arena arena;
    int code = 0;
    json_member(answer->root, "items", &items);
    arena_init(&arena, 4096, 1024 * 1024);
    struct json_cursor cursor = json_cursor_of(items);
    while (code == 0 && json_element_next(&cursor, &item)) {
        char id[2 * LIMIT_GID_BYTES + 2];
        struct cli_answer acked;
        struct errand errand;
        snprintf(id, sizeof id, "%.*s", SLICE_PRINT(cli_text(item, "id", &arena)));
        errand_begin(&errand, cli, DELIVERIES, id, "/ack");
        code = errand_ask(&errand, "POST", 0, &acked);
        cli_release(&acked);
        arena_reset(&arena);
    }
    arena_done(&arena);
    return code;
}

int command_sub_pull(struct cli *cli) {
    struct listing listing = { .columns = pulled_columns, .name = "id", .empty = "nothing is waiting" };
    struct cli_answer answer;
    int wait_ms = 0, code = cli_duration(cli, "wait", 0, &wait_ms);
    if (code == 0)
        code = pull_patiently(cli, wait_ms, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    code = listing_print(cli, &listing, &answer);
    bool any = has_items(&answer);
    if (code == 0 && any && flags_has(&cli->flags, "ack"))
        code = acknowledge_all(cli, &answer);
    else if (code == 0 && any && cli->format == FORMAT_TABLE)
        cli_hint(cli, "yours until the lease ends · settle sub ack ID · settle sub nack ID");
    cli_release(&answer);
    return code == 0 && !any && wait_ms > 0 ? EXIT_STILL_RUNNING : code;
}

/* ---- topics ------------------------------------------------------------------------------------------ */

static void add_description(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    struct json_value definition;
    (void)now_ms;
    if (json_member(item, "definition", &definition))
        buffer_add_slice(to, cli_text(definition, "description", arena));
}

static const struct listing_column topic_columns[] = {
    { "NAME", NULL, "name", NULL }, { "DESCRIPTION", add_description, NULL, NULL },
    { "BY", NULL, "by", NULL },     { "CHANGED", NULL, "changed", NULL },
    { NULL, NULL, NULL, NULL },
};

int command_topic_list(struct cli *cli) {
    struct listing listing = { .columns = topic_columns,
                               .name = "name",
                               .empty = "no topic is described; messages need none of it" };
    return list(cli, TOPICS, &listing);
}

int command_topic_show(struct cli *cli) {
    struct errand errand;
    errand_begin(&errand, cli, TOPICS, cli_word(cli, 0), NULL);
    return errand_flat(&errand);
}

int command_topic_set(struct cli *cli) {
    struct errand errand;
    errand_begin(&errand, cli, TOPICS, cli_word(cli, 0), NULL);
    errand_body(&errand);
    errand_put_flag(&errand, "description", "description");
    return errand_run(&errand, "PUT");
}

int command_topic_delete(struct cli *cli) {
    return errand_delete(cli, TOPICS, "Forget the topic");
}
