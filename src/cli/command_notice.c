/* Best-effort notifications and the endpoints that get them. */
#include <stdio.h>
#include <string.h>

#include "cli/command_list.h"
#include "cli/intake.h"
#include "cli/letter.h"
#include "cli/moment.h"
#include "cli/occurrence.h"
#include "cli/picture.h"
#include "cli/view.h"

#define ENDPOINTS "/v1/endpoints"
#define NOTIFICATIONS "/v1/notifications"
#define TEXT_BYTES (64 * 1024)

static void add_state(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    (void)now_ms;
    buffer_add_slice(to, view_state(item, arena));
}

static enum paint state_paint(struct json_value item, struct arena *arena) {
    return paint_of_status(view_state(item, arena));
}

/* ---- endpoints --------------------------------------------------------------------------------------- */

static void add_oldest(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    int64_t oldest_ms = 0;
    if (view_time(item, "oldest", arena, &oldest_ms))
        moment_add_age(to, now_ms - oldest_ms);
}

/* "well", or when it is tried again. */
static void add_health(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    int64_t probe_ms = 0;
    buffer_add_slice(to, cli_text(item, "health", arena));
    if (!view_time(item, "next_probe", arena, &probe_ms))
        return;
    buffer_add_text(to, probe_ms <= now_ms ? " now" : " in ");
    if (probe_ms > now_ms)
        moment_add_age(to, probe_ms - now_ms + 999);
}

static enum paint health_paint(struct json_value item, struct arena *arena) {
    return slice_is(cli_text(item, "health", arena), "well") ? PAINT_GREEN : PAINT_YELLOW;
}

static const struct listing_column endpoint_columns[] = {
    { "NAME", NULL, "name", NULL },
    { "TO", NULL, "to", NULL },
    { "STATE", add_state, NULL, state_paint },
    { "HEALTH", add_health, NULL, health_paint },
    { "FAILURES", NULL, "failures", NULL },
    { "OWED", NULL, "owed", NULL },
    { "OLDEST", add_oldest, NULL, NULL },
    { "REASON", NULL, "reason", NULL },
    { "OUT", NULL, "out", NULL },
    { "DELIVERED", NULL, "delivered", NULL },
    { "BY", NULL, "by", NULL },
    { "CHANGED", NULL, "changed", NULL },
    { NULL, NULL, NULL, NULL },
};

int command_endpoint_list(struct cli *cli) {
    struct listing listing = { .columns = endpoint_columns,
                               .shown = "NAME,TO,STATE,HEALTH,FAILURES,OWED,OLDEST,REASON",
                               .name = "name",
                               .all = flags_has(&cli->flags, "all"),
                               .empty = "no endpoints; settle endpoint set NAME --url URL" };
    struct errand errand;
    errand_begin(&errand, cli, ENDPOINTS, NULL, NULL);
    errand_filter(&errand, "limit", "limit");
    errand_filter(&errand, "cursor", "cursor");
    return errand_list(&errand, &listing);
}

int command_endpoint_show(struct cli *cli) {
    struct errand errand;
    errand_begin(&errand, cli, ENDPOINTS, cli_word(cli, 0), NULL);
    return errand_flat(&errand);
}

/* "0s,15s,1m" as a list. */
static void put_schedule(struct errand *e) {
    const char *text = flags_value(&e->cli->flags, "schedule");
    if (text == NULL)
        return;
    struct json_writer *w = errand_body(e);
    struct slice rest = slice_text(text);
    json_put_array(w, "schedule");
    while (rest.length > 0) {
        struct slice part = slice_upto(rest, slice_find(rest, ','));
        json_put_string(w, NULL, slice_trim(part));
        rest = slice_from(rest, part.length < rest.length ? part.length + 1 : part.length);
    }
    json_put_end(w);
}

static void put_success(struct errand *e) {
    const char *text = flags_value(&e->cli->flags, "success-body");
    if (text == NULL)
        return;
    json_put_object(errand_body(e), "success");
    json_put_text(errand_body(e), "body", text);
    json_put_end(errand_body(e));
}

/* The answer that makes an endpoint holds its secret, once. */
static int print_endpoint(struct cli *cli, struct cli_answer *answer) {
    struct buffer text;
    struct arena arena;
    buffer_init(&text, TEXT_BYTES);
    arena_init(&arena, 4096, TEXT_BYTES);
    struct slice secret = cli_text(answer->root, "secret", &arena);
    int code = view_print(cli, answer);
    if (secret.length > 0 && cli->format == FORMAT_TABLE)
        buffer_add_format(&text, "%.*s\n", SLICE_PRINT(secret));
    if (text.length > 0)
        cli_hint(cli, "its signing secret; this is the only time it is shown");
    if (code == 0)
        code = cli_print(cli, &text);
    else
        buffer_done(&text);
    arena_done(&arena);
    cli_release(answer);
    return code;
}

static int put_endpoint(struct errand *e) {
    if (!flags_has(&e->cli->flags, "url"))
        return cli_fail(e->cli, EXIT_USAGE,
                        "say where it is: --url URL; or give a file with the whole definition");
    errand_put_flag(e, "url", "url");
    errand_put_flag(e, "timeout", "timeout");
    errand_put_flag(e, "description", "description");
    return errand_put_number(e, "concurrency", "concurrency", 1, 1000);
}

int command_endpoint_set(struct cli *cli) {
    struct cli_answer answer;
    struct errand errand;
    errand_begin(&errand, cli, ENDPOINTS, cli_word(cli, 0), NULL);
    int code = cli_word(cli, 1) != NULL ? errand_file(&errand, cli_word(cli, 1), "an endpoint in JSON")
                                        : put_endpoint(&errand);
    if (code != 0) {
        errand_drop(&errand);
        return code;
    }
    code = errand_ask(&errand, "PUT", 0, &answer);
    return code != 0 || answer.response == NULL ? code : print_endpoint(cli, &answer);
}

int command_endpoint_enable(struct cli *cli) {
    return errand_steer(cli, ENDPOINTS, "/enable", "Send again to");
}

int command_endpoint_disable(struct cli *cli) {
    return errand_steer(cli, ENDPOINTS, "/disable", "Stop sending to");
}

int command_endpoint_delete(struct cli *cli) {
    return errand_delete(cli, ENDPOINTS, "Delete the endpoint");
}

int command_endpoint_rotate(struct cli *cli) {
    struct cli_answer answer;
    struct errand errand;
    struct buffer text;
    const char *reason = NULL;
    char question[256];
    snprintf(question, sizeof question, "Sign what %.128s gets with a new secret", cli_word(cli, 0));
    int code = cli_consent(cli, question, false, &reason);
    if (code != 0)
        return code;
    errand_begin(&errand, cli, ENDPOINTS, cli_word(cli, 0), "/rotate-secret");
    errand_body(&errand);
    errand_put_flag(&errand, "overlap", "overlap");
    code = errand_ask(&errand, "POST", 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    buffer_init(&text, TEXT_BYTES);
    buffer_add_slice(&text, answer.body);
    if (!slice_ends(answer.body, "\n"))
        buffer_add_byte(&text, '\n');
    cli_release(&answer);
    cli_hint(cli, "this is the only time the secret is shown");
    return cli_print(cli, &text);
}

/* ---- notifications ----------------------------------------------------------------------------------- */

static const struct listing_column notice_columns[] = {
    { "ID", NULL, "id", NULL },
    { "ENDPOINT", NULL, "endpoint", NULL },
    { "EVENT", NULL, "event", NULL },
    { "REF", NULL, "ref", NULL },
    { "STATUS", NULL, "status", listing_status_paint },
    { "AGE", listing_add_age, NULL, NULL },
    { "ATTEMPTS", NULL, "attempts", NULL },
    { "NEXT", letter_add_next, NULL, NULL },
    { "LAST", letter_add_last, NULL, NULL },
    { "GIVES UP", NULL, "gives_up_at", NULL },
    { "CREATED", NULL, "created", NULL },
    { NULL, NULL, NULL, NULL },
};

#define NOTICE_COLUMNS "ID,ENDPOINT,EVENT,REF,STATUS,AGE,ATTEMPTS,NEXT,LAST"

int command_endpoint_missed(struct cli *cli) {
    struct listing listing = { .columns = notice_columns,
                               .shown = "ID,EVENT,REF,STATUS,AGE,ATTEMPTS,LAST",
                               .name = "id",
                               .all = flags_has(&cli->flags, "all"),
                               .empty = "it has missed nothing" };
    struct errand errand;
    errand_begin(&errand, cli, ENDPOINTS, cli_word(cli, 0), "/missed");
    errand_filter(&errand, "since", "since");
    errand_filter(&errand, "limit", "limit");
    errand_filter(&errand, "cursor", "cursor");
    return errand_list(&errand, &listing);
}

int command_notify_list(struct cli *cli) {
    struct listing listing = { .columns = notice_columns,
                               .shown = NOTICE_COLUMNS,
                               .name = "id",
                               .all = flags_has(&cli->flags, "all"),
                               .empty = "no such notifications" };
    struct errand errand;
    errand_begin(&errand, cli, NOTIFICATIONS, NULL, NULL);
    errand_filter(&errand, "endpoint", "endpoint");
    errand_filter(&errand, "event", "event");
    errand_filter(&errand, "ref", "ref");
    int code = errand_filters(&errand);
    if (code == 0)
        return errand_list(&errand, &listing);
    errand_drop(&errand);
    return code;
}

int command_notify_show(struct cli *cli) {
    return picture_show(cli, NOTIFICATIONS);
}

int command_notify_events(struct cli *cli) {
    long limit = 0;
    int code = cli_number(cli, "limit", 1, 1000000, 0, &limit);
    if (code != 0)
        return code;
    return occurrence_follow(cli, NOTIFICATIONS, cli_word(cli, 0), flags_value(&cli->flags, "since"), limit,
                             flags_has(&cli->flags, "follow"));
}

int command_notify_send(struct cli *cli) {
    struct errand errand;
    int wait_ms = 0, code = cli_duration(cli, "wait", 0, &wait_ms);
    if (code != 0)
        return code;
    errand_begin(&errand, cli, NOTIFICATIONS, NULL, NULL);
    json_put_text(errand_body(&errand), "endpoint", cli_word(cli, 0));
    json_put_text(errand_body(&errand), "event", cli_word(cli, 1));
    errand_put_flag(&errand, "id", "id");
    errand_put_flag(&errand, "ref", "ref");
    errand_put_flag(&errand, "timeout", "timeout");
    put_schedule(&errand);
    put_success(&errand);
    code = letter_put_pairs(&errand, "header", "headers");
    if (code == 0)
        code = letter_put_pairs(&errand, "label", "labels");
    if (code == 0)
        code = letter_put_body(&errand, 2);
    if (code == 0)
        return letter_send(&errand, NOTIFICATIONS, wait_ms);
    errand_drop(&errand);
    return code;
}

static int retry(struct cli *cli, const char *id, const void *argument) {
    struct errand errand;
    errand_begin(&errand, cli, NOTIFICATIONS, id, "/retry");
    errand_put_reason(&errand, argument);
    return errand_run(&errand, "POST");
}

int command_notify_retry(struct cli *cli) {
    const char *reason = NULL;
    int code = cli_reason(cli, "Try again now", &reason);
    return code == 0 ? intake_each(cli, retry, reason) : code;
}

int command_notify_cancel(struct cli *cli) {
    struct errand errand;
    const char *reason = NULL;
    char question[256];
    snprintf(question, sizeof question, "Give up the notification %.128s", cli_word(cli, 0));
    int code = cli_consent(cli, question, true, &reason);
    if (code != 0)
        return code;
    errand_begin(&errand, cli, NOTIFICATIONS, cli_word(cli, 0), "/cancel");
    errand_put_reason(&errand, reason);
    return errand_run(&errand, "POST");
}
