/* Commands that change a transaction. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/command_list.h"
#include "cli/intake.h"
#include "cli/view.h"

#define REQUEST_BYTES (LIMIT_REASON_BYTES * 8 + 4096)

static void start_path(struct buffer *path, const char *gid, const char *verb, int wait_ms) {
    buffer_init(path, 16 * 1024);
    buffer_add_text(path, "/v1/transactions/");
    cli_add_escaped(path, slice_text(gid));
    buffer_add_text(path, verb);
    if (wait_ms > 0)
        buffer_add_format(path, "?wait=%dms", wait_ms);
    buffer_add_byte(path, '\0');
}

/* POST and print what came of it. exit_by_state: the exit code tells the transaction's state. */
static int post(struct cli *cli, const char *path, struct slice body, int wait_ms, bool exit_by_state) {
    struct cli_answer answer;
    int code = cli_ask(cli, "POST", path, body, wait_ms, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    code = view_print(cli, &answer);
    if (code == 0 && exit_by_state)
        code = view_exit(answer.root);
    cli_release(&answer);
    return code;
}

/* {"reason":"…"} and whatever the caller has put before. */
static void end_body(struct json_writer *w, const char *reason) {
    if (reason != NULL)
        json_put_text(w, "reason", reason);
    json_put_end(w);
}

static int act(struct cli *cli, const char *verb, const char *reason) {
    struct buffer path, body;
    struct json_writer w;
    buffer_init(&body, REQUEST_BYTES);
    json_writer_init(&w, &body);
    json_put_object(&w, NULL);
    end_body(&w, reason);
    start_path(&path, cli_word(cli, 0), verb, 0);
    int code = buffer_failed(&body) || buffer_failed(&path)
                   ? cli_fail(cli, EXIT_USAGE, "the gid or the reason is too long")
                   : post(cli, path.at, buffer_slice(&body), 0, false);
    buffer_done(&path);
    buffer_done(&body);
    return code;
}

int command_tx_retry(struct cli *cli) {
    const char *branch = flags_value(&cli->flags, "branch");
    char verb[LIMIT_BRANCH_ID_BYTES * 3 + 32] = "/retry";
    if (branch != NULL) {
        struct buffer part;
        buffer_init(&part, sizeof verb - 1);
        buffer_add_text(&part, "/branches/");
        cli_add_escaped(&part, slice_text(branch));
        buffer_add_text(&part, "/retry");
        bool failed = buffer_failed(&part) != 0;
        if (!failed) {
            memcpy(verb, part.at, part.length);
            verb[part.length] = '\0';
        }
        buffer_done(&part);
        if (failed)
            return cli_fail(cli, EXIT_USAGE, "a branch id has at most %d characters", LIMIT_BRANCH_ID_BYTES);
    }
    return act(cli, verb, flags_value(&cli->flags, "reason"));
}

int command_tx_suspend(struct cli *cli) {
    return act(cli, "/suspend", flags_value(&cli->flags, "reason"));
}

int command_tx_resume(struct cli *cli) {
    return act(cli, "/resume", flags_value(&cli->flags, "reason"));
}

/* ---- deciding ---------------------------------------------------------------------------------------- */

static int decide(struct cli *cli, const char *verb) {
    struct buffer path;
    int wait_ms = 0, code = cli_duration(cli, "wait", 0, &wait_ms);
    if (code != 0)
        return code;
    wait_ms = wait_ms > LIMIT_WAIT_MS ? LIMIT_WAIT_MS : wait_ms;
    start_path(&path, cli_word(cli, 0), verb, wait_ms);
    bool commit = strcmp(verb, "/commit") == 0;
    code = post(cli, path.at, SLICE_NONE, wait_ms, wait_ms > 0 && commit);
    buffer_done(&path);
    return code;
}

int command_tx_commit(struct cli *cli) {
    return decide(cli, "/commit");
}

int command_tx_rollback(struct cli *cli) {
    return decide(cli, "/rollback");
}

/* ---- by hand ----------------------------------------------------------------------------------------- */

/* What forcing would do, told from the transaction's state: every operation that is owed, and the new status.
 */
static int preview_force(struct cli *cli, bool commit) {
    struct cli_answer answer;
    struct buffer path, text;
    struct arena arena;
    start_path(&path, cli_word(cli, 0), "", 0);
    int code = cli_ask(cli, "GET", path.at, SLICE_NONE, 0, &answer);
    buffer_done(&path);
    if (code != 0 || answer.response == NULL)
        return code;
    buffer_init(&text, REQUEST_BYTES);
    arena_init(&arena, 4096, 1024 * 1024);
    if (view_final(answer.root)) {
        buffer_add_text(&text, "It is final already; forcing it would be refused. Nothing was changed.\n");
    } else {
        buffer_add_text(&text, "Would: ");
        struct buffer where;
        buffer_init(&where, REQUEST_BYTES);
        view_add_where(&where, answer.root, &arena);
        if (where.length > 0)
            buffer_add_format(&text, "mark %.*s RESOLVED (no call) · ", SLICE_PRINT(buffer_slice(&where)));
        buffer_done(&where);
        buffer_add_format(&text, "status → heuristic_%s · write audit. Nothing was changed.\n",
                          commit ? "commit" : "rollback");
    }
    arena_done(&arena);
    cli_release(&answer);
    return cli_print(cli, &text);
}

int command_tx_force(struct cli *cli) {
    const char *reason = NULL;
    char question[LIMIT_GID_BYTES + 64];
    struct buffer path, body;
    struct json_writer w;
    bool commit = flags_has(&cli->flags, "commit"), rollback = flags_has(&cli->flags, "rollback");
    if (commit == rollback)
        return cli_fail(cli, EXIT_USAGE, "say --commit or --rollback");
    if (cli->dry_run && !cli->curl)
        return preview_force(cli, commit);
    snprintf(question, sizeof question, "End %.128s by hand as heuristic_%s", cli_word(cli, 0),
             commit ? "commit" : "rollback");
    int code = cli_consent(cli, question, true, &reason);
    if (code != 0)
        return code;
    buffer_init(&body, REQUEST_BYTES);
    json_writer_init(&w, &body);
    json_put_object(&w, NULL);
    json_put_text(&w, "decision", commit ? "commit" : "rollback");
    end_body(&w, reason);
    start_path(&path, cli_word(cli, 0), "/force", 0);
    code = post(cli, path.at, buffer_slice(&body), 0, false);
    buffer_done(&path);
    buffer_done(&body);
    return code;
}

int command_tx_resolve(struct cli *cli) {
    const char *reason = NULL, *op = flags_value(&cli->flags, "op");
    char question[LIMIT_GID_BYTES + 128];
    struct buffer path, verb, body;
    struct json_writer w;
    bool not_done = flags_has(&cli->flags, "not-done");
    snprintf(question, sizeof question, "Settle %.64s of %.128s by hand as %s", cli_word(cli, 1),
             cli_word(cli, 0), not_done ? "not done" : "done");
    int code = cli_consent(cli, question, true, &reason);
    if (code != 0)
        return code;
    buffer_init(&body, REQUEST_BYTES);
    json_writer_init(&w, &body);
    json_put_object(&w, NULL);
    if (op != NULL)
        json_put_text(&w, "operation", op);
    json_put_text(&w, "as", not_done ? "refused" : "done");
    end_body(&w, reason);
    buffer_init(&verb, 4096);
    buffer_add_text(&verb, "/branches/");
    cli_add_escaped(&verb, slice_text(cli_word(cli, 1)));
    buffer_add_text(&verb, "/resolve");
    buffer_add_byte(&verb, '\0');
    if (buffer_failed(&verb)) {
        code = cli_fail(cli, EXIT_USAGE, "a branch id has at most %d characters", LIMIT_BRANCH_ID_BYTES);
    } else {
        start_path(&path, cli_word(cli, 0), verb.at, 0);
        code = post(cli, path.at, buffer_slice(&body), 0, false);
        buffer_done(&path);
    }
    buffer_done(&verb);
    buffer_done(&body);
    return code;
}

/* ---- submitting -------------------------------------------------------------------------------------- */

int command_tx_submit(struct cli *cli) {
    struct buffer body;
    struct json_report report;
    struct json_value root;
    char path[64] = "/v1/transactions";
    int wait_ms = 0, code = cli_duration(cli, "wait", 0, &wait_ms);
    if (code != 0)
        return code;
    wait_ms = wait_ms > LIMIT_WAIT_MS ? LIMIT_WAIT_MS : wait_ms;
    if (wait_ms > 0)
        snprintf(path, sizeof path, "/v1/transactions?wait=%dms", wait_ms);
    buffer_init(&body, INTAKE_BYTES);
    code = intake_read(cli, cli_word(cli, 0), "a transaction in JSON", &body);
    if (code == 0 && json_check(buffer_slice(&body), &root, &report) != 0)
        code = cli_fail(cli, EXIT_USAGE, "%s: line %zu, column %zu: %s",
                        cli_word(cli, 0) == NULL ? "stdin" : cli_word(cli, 0), report.line, report.column,
                        report.say);
    if (code == 0)
        code = post(cli, path, buffer_slice(&body), wait_ms, wait_ms > 0);
    buffer_done(&body);
    return code;
}
