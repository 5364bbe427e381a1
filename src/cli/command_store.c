/* The store: a running settled is asked for a backup, a stopped one's files are worked on by the program
 * settled itself, which alone knows how they are written. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command_list.h"
#include "cli/child.h"
#include "cli/progress.h"

static int run_settled(struct cli *cli, const char *const *arguments) {
    struct why why;
    if (cli->dry_run || cli->curl) {
        fputs("Would run: settled", stdout);
        for (size_t i = 0; arguments[i] != NULL; i++)
            printf(" %s", arguments[i]);
        puts("");
        return EXIT_DONE;
    }
    int result = child_run(arguments, &why);
    return result < 0 ? cli_fail(cli, EXIT_FAILED, "%s", why.text) : result == 0 ? EXIT_DONE : EXIT_FAILED;
}

static const char *data_folder(const struct cli *cli) {
    const char *data = flags_value(&cli->flags, "data");
    return data != NULL ? data : "./settle-data";
}

int command_store_verify(struct cli *cli) {
    const char *file = cli_word(cli, 0);
    const char *backup[] = { "--store-verify", file, NULL };
    const char *store[] = { "--data", data_folder(cli), "--store-verify", NULL };
    return run_settled(cli, file != NULL ? backup : store);
}

int command_store_compact(struct cli *cli) {
    const char *arguments[] = { "--data", data_folder(cli), "--store-compact", NULL };
    return run_settled(cli, arguments);
}

int command_store_restore(struct cli *cli) {
    char question[512];
    const char *reason = NULL, *file = cli_word(cli, 0);
    const char *arguments[] = { "--data",
                                data_folder(cli),
                                "--store-restore",
                                file,
                                flags_has(&cli->flags, "force") ? "--force" : NULL,
                                NULL };
    snprintf(question, sizeof question, "Put %.200s into %.200s", file, data_folder(cli));
    int code = cli_consent(cli, question, false, &reason);
    return code != 0 ? code : run_settled(cli, arguments);
}

/* A store that is behind what was acknowledged refuses to start; an operator who knows why may let it. */
int command_store_accept_loss(struct cli *cli) {
    char question[512];
    const char *reason = NULL;
    snprintf(question, sizeof question, "Let %.200s start although it has lost what it acknowledged",
             data_folder(cli));
    int code = cli_consent(cli, question, true, &reason);
    const char *arguments[] = { "--data", data_folder(cli), "--store-accept-loss",
                                reason == NULL ? "" : reason, NULL };
    return code != 0 ? code : run_settled(cli, arguments);
}

/* ---- backup ------------------------------------------------------------------------------------------ */

struct copy {
    struct progress progress;
    unsigned long long bytes;
    int file;
    int problem; /* errno of a failed write */
};

static int take_bytes(void *argument, const void *bytes, size_t length) {
    struct copy *c = argument;
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = write(c->file, at, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            c->problem = errno;
            return 1;
        }
        at += written;
        length -= (size_t)written;
        c->bytes += (unsigned long long)written;
    }
    progress_tick(&c->progress, "%.1f MiB copied", (double)c->bytes / (1024 * 1024));
    return 0;
}

/* Into FILE.part, synced and renamed when whole: a file of that name is always a whole backup. */
static int download(struct cli *cli, const char *file, const char *part) {
    struct copy copy = { .problem = 0 };
    stl_err e = { .code = 0 };
    copy.file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (copy.file < 0)
        return cli_fail(cli, EXIT_FAILED, "%s: %s", part, strerror(errno));
    progress_begin(&copy.progress, cli);
    int result = stl_download(cli->client, "/v1/store/backup", take_bytes, &copy, &e), code = 0;
    progress_end(&copy.progress);
    if (copy.problem != 0)
        code = cli_fail(cli, EXIT_FAILED, "%s: %s", part, strerror(copy.problem));
    else if (result != 0)
        code = cli_explain(cli, &e);
    else if (fsync(copy.file) != 0 || rename(part, file) != 0)
        code = cli_fail(cli, EXIT_FAILED, "%s: %s", file, strerror(errno));
    close(copy.file);
    if (code != 0)
        unlink(part);
    else
        cli_hint(cli, "%s: %llu bytes; settle store verify %s checks it", file, copy.bytes, file);
    return code;
}

int command_store_backup(struct cli *cli) {
    char part[4096];
    struct cli_answer answer;
    const char *file = cli_word(cli, 0);
    if (cli->curl)
        return cli_ask(cli, "GET", "/v1/store/backup", SLICE_NONE, 0, &answer);
    if (snprintf(part, sizeof part, "%s.part", file) >= (int)sizeof part)
        return cli_fail(cli, EXIT_USAGE, "the file's name is too long");
    if (access(file, F_OK) == 0 && !flags_has(&cli->flags, "force"))
        return cli_fail(cli, EXIT_CONFLICT, "%s is there already; --force overwrites it", file);
    int code = cli_open(cli);
    return code != 0 ? code : download(cli, file, part);
}
