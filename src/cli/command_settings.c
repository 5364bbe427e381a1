/* settled's settings: as they are in force, as a file says them, and the file read again. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command_list.h"
#include "cli/child.h"
#include "cli/listing.h"
#include "cli/view.h"

int command_config_check(struct cli *cli) {
    const char *arguments[] = { "--check-config", cli_word(cli, 0), NULL };
    struct why why;
    int result = child_run(arguments, &why);
    if (result < 0)
        return cli_fail(cli, EXIT_FAILED, "%s", why.text);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- in force ---------------------------------------------------------------------------------------- */

static const struct listing_column setting_columns[] = {
    { "NAME", NULL, "name", NULL },       { "VALUE", NULL, "value", NULL },
    { "ORIGIN", NULL, "origin", NULL },   { "RELOAD", NULL, "reload", NULL },
    { "DEFAULT", NULL, "default", NULL }, { NULL, NULL, NULL, NULL },
};

int command_config_show(struct cli *cli) {
    struct listing listing = { .columns = setting_columns,
                               .name = "name",
                               .empty = "settled told no settings",
                               .shown =
                                   flags_has(&cli->flags, "origin") ? "NAME,VALUE,ORIGIN" : "NAME,VALUE" };
    return listing_run(cli, &listing, "/v1/config");
}

int command_config_diff(struct cli *cli) {
    return command_config_show(cli);
}

/* ---- reload ------------------------------------------------------------------------------------------ */

/* Settings change by file and signal only, never from afar (reliability.md H4): the process is asked for its
 * number and must be on this machine. */
int command_config_reload(struct cli *cli) {
    struct cli_answer answer;
    int code = cli_ask(cli, "GET", "/v1/info", SLICE_NONE, 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    int64_t pid = view_number(answer.root, "pid", 0);
    cli_release(&answer);
    if (pid <= 1)
        return cli_fail(cli, EXIT_FAILED,
                        "settled does not tell its process; send it SIGHUP: systemctl reload settled");
    if (cli->dry_run) {
        printf("Would: kill -HUP %lld\n", (long long)pid);
        return EXIT_DONE;
    }
    if (kill((pid_t)pid, SIGHUP) != 0)
        return cli_fail(cli, EXIT_NOT_ALLOWED,
                        "process %lld cannot be signalled from here; run this where settled runs",
                        (long long)pid);
    cli_hint(cli,
             "asked settled (process %lld) to read its settings again; its log and settle audit list say "
             "what changed",
             (long long)pid);
    return EXIT_DONE;
}
