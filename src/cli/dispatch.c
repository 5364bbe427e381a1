#include "cli/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/glyph.h"

#define HELP_BYTES (256 * 1024)

static int print_help(struct cli *cli, const struct command *command, const char *group, bool reference) {
    struct buffer text;
    buffer_init(&text, HELP_BYTES);
    if (reference)
        command_reference(&text);
    else if (command != NULL)
        command_help_one(&text, command);
    else if (group == NULL || !command_help_group(&text, group))
        command_help(&text);
    return cli_print(cli, &text);
}

static int set_format(struct cli *cli) {
    static const char *const names[] = { "table", "json", "jsonl", "gid" };
    const char *value = flags_value(&cli->flags, "output");
    for (size_t i = 0; value != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0) {
            cli->format = (enum cli_format)i;
            return 0;
        }
    return value == NULL ? 0
                         : cli_fail(cli, EXIT_USAGE, "-o takes table, json, jsonl or gid, not \"%s\"", value);
}

static bool colour_wanted(const struct cli *cli, FILE *stream) {
    const char *forbidden = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(stream)) && !flags_has(&cli->flags, "no-color") &&
           (forbidden == NULL || *forbidden == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}

static int run(struct cli *cli, const struct command *command) {
    size_t words = cli->flags.word_count;
    cli->command = command;
    cli->colour = colour_wanted(cli, stdout);
    cli->colour_error = colour_wanted(cli, stderr);
    cli->quiet = flags_has(&cli->flags, "quiet");
    cli->curl = flags_has(&cli->flags, "curl");
    cli->dry_run = flags_has(&cli->flags, "dry-run");
    cli->yes = flags_has(&cli->flags, "yes");
    cli->terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    cli->width = glyph_columns(stdout);
    if (flags_has(&cli->flags, "help"))
        return print_help(cli, command, NULL, false);
    int code = set_format(cli);
    if (code != 0)
        return code;
    if (words < command->words_min || words > command->words_max)
        return cli_fail(cli, EXIT_USAGE, "settle %s takes %s; settle %s --help shows examples", command->name,
                        *command->arguments == '\0' ? "no further words" : command->arguments, command->name);
    code = command->run(cli);
    cli_close(cli);
    return code;
}

static int no_command(struct cli *cli, int argc, char **argv, int at) {
    struct buffer text;
    if (flags_has(&cli->flags, "version")) {
        printf("settle %s\n", SETTLE_VERSION);
        return EXIT_DONE;
    }
    if (at >= argc || strcmp(argv[at], "help") == 0)
        return print_help(cli, NULL, NULL, false);
    buffer_init(&text, HELP_BYTES);
    bool group = command_help_group(&text, argv[at]);
    bool wanted = flags_has(&cli->flags, "help") || at + 1 >= argc || strcmp(argv[at + 1], "--help") == 0 ||
                  strcmp(argv[at + 1], "-h") == 0;
    if (group && wanted) {
        cli_print(cli, &text);
        return at + 1 >= argc && !flags_has(&cli->flags, "help") ? EXIT_USAGE : EXIT_DONE;
    }
    buffer_done(&text);
    const char *word = group ? argv[at + 1] : argv[at],
               *nearest = command_nearest(group ? argv[at] : NULL, word);
    return cli_fail(cli, EXIT_USAGE, "there is no command \"%s%s%s\"%s%s%s; settle %s%s--help lists them",
                    argv[at], group ? " " : "", group ? word : "",
                    nearest == NULL ? "" : " (did you mean \"settle ", nearest == NULL ? "" : nearest,
                    nearest == NULL ? "" : "\"?)", group ? argv[at] : "", group ? " " : "");
}

int dispatch(int argc, char **argv) {
    struct cli cli = { .command = NULL };
    struct why why;
    int at = 1;
    if (argc == 2 && strcmp(argv[1], "--reference") == 0)
        return print_help(&cli, NULL, NULL, true);
    if (flags_parse(&cli.flags, argc, argv, 1, command_global_flags, NULL, true, &at, &why) != 0)
        return cli_fail(&cli, EXIT_USAGE, "%s; settle --help lists the flags", why.text);
    if (at < argc && strcmp(argv[at], "help") == 0 && at + 1 < argc) {
        int behind = at + 1;
        const struct command *asked = command_find(argc, argv, &behind);
        return print_help(&cli, asked, asked == NULL ? argv[at + 1] : NULL, false);
    }
    const struct command *command = command_find(argc, argv, &at);
    if (command == NULL)
        return no_command(&cli, argc, argv, at);
    if (flags_parse(&cli.flags, argc, argv, at, command->flags, command_global_flags, false, NULL, &why) != 0)
        return cli_fail(&cli, EXIT_USAGE, "%s; settle %s --help shows its flags", why.text, command->name);
    return run(&cli, command);
}
