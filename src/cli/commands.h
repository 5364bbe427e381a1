/* The table of commands: what exists, how it is called, and where it is done. Help, completion and the
 * reference are printed from it, so that none of them can forget a command or a flag. A command that is not
 * in the table does not exist. All of it is constant. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/flags.h"

/* What completes a command's words. */
enum command_words {
    WORDS_NONE,
    WORDS_GID,
    WORDS_FILE,
    WORDS_SHELL,
    WORDS_MESSAGE,
    WORDS_HALF, /* a message that is not decided yet */
    WORDS_TOPIC,
    WORDS_SUBSCRIPTION,
    WORDS_DEAD, /* a dead delivery */
    WORDS_ENDPOINT,
    WORDS_NOTICE,
    WORDS_DATASOURCE,
    WORDS_END,
};

struct command {
    const char *name;      /* "tx show"; NULL ends the table */
    const char *arguments; /* "GID [BRANCH]", for people */
    const char *help;      /* one line */
    const char *examples;  /* lines, or NULL */
    const struct flag *flags;
    int (*run)(struct cli *cli);
    unsigned char words_min, words_max;
    unsigned char completes; /* enum command_words */
};

extern const struct command command_table[];
extern const struct flag command_global_flags[];

/* The command that the words at argv[at] name ("tx" "show"), moving *at past them; NULL when none. */
const struct command *command_find(int argc, char **argv, int *at);
/* The group's or the command's name nearest to a word, or NULL. group: only its commands; NULL: all. */
const char *command_nearest(const char *group, const char *word);

/* Help for everything, for a group ("tx"), or for one command. */
void command_help(struct buffer *to);
bool command_help_group(struct buffer *to, const char *group);
void command_help_one(struct buffer *to, const struct command *command);
/* The reference page docs/reference/cli.md. */
void command_reference(struct buffer *to);

#endif
