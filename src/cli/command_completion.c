/* Completion scripts, printed from the table of commands. Gids, topics and other names come from the server,
 * through settle itself. */
#include <stdio.h>
#include <string.h>

#include "cli/command_list.h"
#include "cli/commands.h"

#define SCRIPT_BYTES (512 * 1024)

/* What lists the words of a kind; NULL: no command does. */
static const char *const listers[WORDS_END] = {
    [WORDS_GID] = "tx list",
    [WORDS_MESSAGE] = "msg list",
    [WORDS_HALF] = "msg list --status half",
    [WORDS_TOPIC] = "topic list",
    [WORDS_DEAD] = "dlq list",
    [WORDS_SUBSCRIPTION] = "sub list",
    [WORDS_ENDPOINT] = "endpoint list",
    [WORDS_NOTICE] = "notify list",
    [WORDS_DATASOURCE] = "ds list",
};

static void add_words(struct buffer *to, const struct command *c) {
    for (const struct flag *f = c->flags; f->name != NULL; f++)
        buffer_add_format(to, "--%s ", f->name);
    for (const struct flag *f = command_global_flags; f->name != NULL; f++)
        buffer_add_format(to, "--%s ", f->name);
}

/* The first words of all commands, each once, or the second words of a group. */
static void add_names(struct buffer *to, const char *group, const char *between) {
    const char *last = "";
    size_t last_length = 0;
    for (const struct command *c = command_table; c->name != NULL; c++) {
        size_t length = strcspn(c->name, " ");
        if (group == NULL) {
            if (length != last_length || strncmp(c->name, last, length) != 0)
                buffer_add_format(to, "%.*s%s", (int)length, c->name, between);
            last = c->name;
            last_length = length;
        } else if (strlen(group) == length && strncmp(c->name, group, length) == 0 &&
                   c->name[length] == ' ') {
            buffer_add_format(to, "%s%s", c->name + length + 1, between);
        }
    }
}

static bool first_of_group(const struct command *c) {
    size_t length = strcspn(c->name, " ");
    for (const struct command *other = command_table; other != c; other++)
        if (strncmp(other->name, c->name, length) == 0 && other->name[length] == ' ')
            return false;
    return c->name[length] == ' ';
}

static void add_bash(struct buffer *to) {
    buffer_add_text(
        to, "# settle completion for bash: source <(settle completion bash)\n"
            "_settle() {\n"
            "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=() w\n"
            "    COMPREPLY=()\n"
            "    for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do [[ $w == -* ]] || words+=(\"$w\"); done\n"
            "    case $prev in -o|--output) COMPREPLY=($(compgen -W 'table json jsonl gid' -- \"$cur\")); "
            "return;; esac\n"
            "    case \"${words[0]} ${words[1]}\" in\n");
    for (const struct command *c = command_table; c->name != NULL; c++) {
        bool pair = strchr(c->name, ' ') != NULL;
        buffer_add_format(to, "    \"%s%s\") if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '", c->name,
                          pair ? "" : " \"*\"");
        add_words(to, c);
        buffer_add_text(to, "' -- \"$cur\"))");
        if (listers[c->completes] != NULL)
            buffer_add_format(to,
                              "; else COMPREPLY=($(compgen -W \"$(settle %s -q -o gid 2>/dev/null)\" -- "
                              "\"$cur\"))",
                              listers[c->completes]);
        else if (c->completes == WORDS_FILE)
            buffer_add_text(to, "; else COMPREPLY=($(compgen -f -- \"$cur\"))");
        else if (c->completes == WORDS_SHELL)
            buffer_add_text(to, "; else COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\"))");
        buffer_add_text(to, "; fi; return;;\n");
    }
    for (const struct command *c = command_table; c->name != NULL; c++) {
        char group[32];
        size_t length = strcspn(c->name, " ");
        if (!first_of_group(c))
            continue;
        memcpy(group, c->name, length);
        group[length] = '\0';
        buffer_add_format(to, "    \"%s \"*) COMPREPLY=($(compgen -W '", group);
        add_names(to, group, " ");
        buffer_add_text(to, "' -- \"$cur\")); return;;\n");
    }
    buffer_add_text(to, "    esac\n    COMPREPLY=($(compgen -W '");
    add_names(to, NULL, " ");
    buffer_add_text(to, "help --help --version' -- \"$cur\"))\n}\ncomplete -F _settle settle\n");
}

/* zsh reads bash's completion; one script to keep true is better than two. */
static void add_zsh(struct buffer *to) {
    buffer_add_text(to, "#compdef settle\n# settle completion for zsh: source <(settle completion zsh)\n"
                        "autoload -U +X bashcompinit && bashcompinit\n");
    add_bash(to);
}

static void add_fish_flags(struct buffer *to, const char *condition, const struct flag *flags) {
    for (; flags->name != NULL; flags++) {
        buffer_add_format(to, "complete -c settle -n '%s' -l %s", condition, flags->name);
        if (flags->letter != 0)
            buffer_add_format(to, " -s %c", flags->letter);
        if (flags->value != NULL)
            buffer_add_text(to, " -r");
        buffer_add_text(to, " -d '");
        for (const char *at = flags->help; *at != '\0'; at++)
            buffer_add_byte(to, *at == '\'' ? ' ' : *at);
        buffer_add_text(to, "'\n");
    }
}

/* Flags and names of one command; condition holds behind its words. */
static void add_fish_command(struct buffer *to, const struct command *c) {
    char condition[64];
    snprintf(condition, sizeof condition, "__settle_at \"%s\"", c->name);
    add_fish_flags(to, condition, c->flags);
    if (listers[c->completes] != NULL)
        buffer_add_format(to, "complete -c settle -n '%s' -a '(settle %s -q -o gid 2>/dev/null)'\n",
                          condition, listers[c->completes]);
    if (c->completes == WORDS_FILE)
        buffer_add_format(to, "complete -c settle -n '%s' -F\n", condition);
    if (c->completes == WORDS_SHELL)
        buffer_add_format(to, "complete -c settle -n '%s' -a 'bash zsh fish'\n", condition);
}

static void add_fish(struct buffer *to) {
    buffer_add_text(to,
                    "# settle completion for fish: settle completion fish | source\ncomplete -c settle -f\n"
                    "function __settle_words\n    string match -v -- '-*' (commandline -opc)[2..]\nend\n"
                    "function __settle_only # the words so far are exactly these\n"
                    "    test \"$(__settle_words | string join ' ')\" = \"$argv[1]\"\nend\n"
                    "function __settle_at # they begin with these\n"
                    "    string match -q -- \"$argv[1] *\" \"$(__settle_words | string join ' ') \"\nend\n");
    for (const struct command *c = command_table; c->name != NULL; c++) {
        const char *space = strchr(c->name, ' ');
        int length = (int)strcspn(c->name, " ");
        if (space == NULL || first_of_group(c))
            buffer_add_format(to, "complete -c settle -n '__settle_only \"\"' -a %.*s -d '%s'\n", length,
                              c->name, space == NULL ? c->help : "...");
        if (space != NULL)
            buffer_add_format(to, "complete -c settle -n '__settle_only \"%.*s\"' -a %s -d '%s'\n", length,
                              c->name, space + 1, c->help);
        add_fish_command(to, c);
    }
    add_fish_flags(to, "true", command_global_flags);
}

int command_completion(struct cli *cli) {
    const char *shell = cli_word(cli, 0);
    struct buffer text;
    buffer_init(&text, SCRIPT_BYTES);
    if (strcmp(shell, "bash") == 0)
        add_bash(&text);
    else if (strcmp(shell, "zsh") == 0)
        add_zsh(&text);
    else if (strcmp(shell, "fish") == 0)
        add_fish(&text);
    else
        return cli_fail(cli, EXIT_USAGE, "there is completion for bash, zsh and fish, not for \"%s\"", shell);
    return cli_print(cli, &text);
}
