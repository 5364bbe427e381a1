/* Waiting for transactions and following streams. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/command_list.h"
#include "cli/moment.h"
#include "cli/occurrence.h"
#include "cli/progress.h"
#include "cli/picture.h"
#include "cli/view.h"

#define STEP_MS 1000
#define TEXT_BYTES (16 * 1024 * 1024)

static void add_path(struct buffer *path, const char *gid, const char *tail) {
    buffer_init(path, 16 * 1024);
    buffer_add_text(path, "/v1/transactions/");
    cli_add_escaped(path, slice_text(gid));
    buffer_add_text(path, tail);
    buffer_add_byte(path, '\0');
}

/* Ask in steps of a second, so that the progress line lives, until final or the time is over. */
static int wait_final(struct cli *cli, const char *gid, int64_t end_ms, struct cli_answer *answer) {
    struct progress progress;
    int code;
    progress_begin(&progress, cli);
    for (;;) {
        char tail[32] = "";
        struct buffer path;
        int64_t left_ms = end_ms - moment_now_ms();
        int step_ms = left_ms <= 0 ? 0 : left_ms > STEP_MS ? STEP_MS : (int)left_ms;
        if (step_ms > 0)
            snprintf(tail, sizeof tail, "?wait=%dms", cli->curl ? (int)left_ms : step_ms);
        add_path(&path, gid, tail);
        code = cli_ask(cli, "GET", path.at, SLICE_NONE, step_ms, answer);
        buffer_done(&path);
        if (code != 0 || answer->response == NULL || view_final(answer->root) || moment_now_ms() >= end_ms)
            break;
        progress_tick(&progress, "%s is still running", gid);
        cli_release(answer);
    }
    progress_end(&progress);
    return code;
}

int command_tx_wait(struct cli *cli) {
    struct cli_answer answer;
    int for_ms = 0, code = cli_duration(cli, "timeout", 60000, &for_ms);
    if (code == 0)
        code = cli_duration(cli, "for", for_ms, &for_ms);
    if (code != 0)
        return code;
    code = wait_final(cli, cli_word(cli, 0), moment_now_ms() + for_ms, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    code = view_print(cli, &answer);
    if (code == 0)
        code = view_exit(answer.root);
    cli_release(&answer);
    return code;
}

/* ---- watching one transaction ------------------------------------------------------------------------ */

static int draw(struct cli *cli, const char *gid, size_t *lines, bool *final, int *state) {
    struct picture_source source;
    struct buffer text;
    int code = picture_fetch(cli, "/v1/transactions", gid, &source);
    if (code != 0 || source.transaction.response == NULL)
        return code;
    buffer_init(&text, TEXT_BYTES);
    if (*lines > 0)
        buffer_add_format(&text, "\033[%zuA\033[J", *lines);
    size_t from = text.length;
    picture_draw(&text, &source, cli->width, cli->colour);
    *lines = 0;
    for (size_t i = from; i < text.length; i++)
        *lines += text.at[i] == '\n';
    *final = view_final(source.transaction.root);
    *state = view_exit(source.transaction.root);
    picture_release(&source);
    return cli_print(cli, &text);
}

/* Redraws in place on a terminal. Elsewhere one drawing at the end is what can be read, so it waits first. */
int command_tx_watch(struct cli *cli) {
    const char *gid = cli_word(cli, 0);
    bool terminal = isatty(STDOUT_FILENO) && cli->format == FORMAT_TABLE, final = false;
    size_t lines = 0;
    int code = 0, state = EXIT_STILL_RUNNING;
    if (cli->curl || cli->format != FORMAT_TABLE)
        return occurrence_follow(cli, "/v1/transactions", gid, NULL, 0, true);
    while (code == 0 && !final) {
        struct cli_answer answer;
        if (!terminal) {
            code = wait_final(cli, gid, moment_now_ms() + 24 * 3600 * (int64_t)1000, &answer);
            cli_release(&answer);
        }
        if (code == 0)
            code = draw(cli, gid, &lines, &final, &state);
        if (code == 0 && !final && terminal)
            usleep(300 * 1000);
    }
    return code != 0 ? code : state;
}

/* ---- everything -------------------------------------------------------------------------------------- */

int command_events(struct cli *cli) {
    long limit = 0;
    int code = cli_number(cli, "limit", 1, 1000000, 0, &limit);
    if (code != 0)
        return code;
    return occurrence_follow(cli, NULL, NULL, flags_value(&cli->flags, "since"), limit,
                             flags_has(&cli->flags, "follow"));
}
