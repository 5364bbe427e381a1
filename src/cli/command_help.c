/* Help, printed from the table of commands. */
#include <string.h>

#include "cli/commands.h"

#define HELP_COLUMN 34

static void pad(struct buffer *to, size_t from) {
    for (size_t at = to->length - from; at < HELP_COLUMN; at++)
        buffer_add_byte(to, ' ');
}

static void add_flags(struct buffer *to, const struct flag *flags) {
    for (; flags->name != NULL; flags++) {
        size_t from = to->length;
        if (flags->letter != 0)
            buffer_add_format(to, "  -%c, --%s", flags->letter, flags->name);
        else
            buffer_add_format(to, "      --%s", flags->name);
        if (flags->value != NULL)
            buffer_add_format(to, " %s", flags->value);
        buffer_add_byte(to, ' ');
        pad(to, from);
        buffer_add_format(to, "%s\n", flags->help);
    }
}

static void add_line(struct buffer *to, const struct command *c) {
    size_t from = to->length;
    buffer_add_format(to, "  %s %s ", c->name, c->arguments);
    pad(to, from);
    buffer_add_format(to, "%s\n", c->help);
}

void command_help(struct buffer *to) {
    buffer_add_text(to, "settle: make several services reach one outcome.\n\n"
                        "  settled &                         start the coordinator\n"
                        "  settle demo                       watch it work\n"
                        "  settle tx submit order.json --wait 5s\n"
                        "  settle tx list --attention\n"
                        "  settle tx show order-4711\n\nCommands\n");
    for (const struct command *c = command_table; c->name != NULL; c++)
        add_line(to, c);
    buffer_add_text(to, "\nFlags of every command\n");
    add_flags(to, command_global_flags);
    buffer_add_text(
        to, "\nExit codes\n"
            "  0 done or committed · 1 failed · 2 usage · 3 not found · 4 conflict or already decided\n"
            "  5 not allowed · 6 unreachable · 7 still running · 10 rolled back · 11 needs attention\n\n"
            "settle COMMAND --help explains one command, with examples.\n");
}

bool command_help_group(struct buffer *to, const char *group) {
    size_t length = strlen(group);
    bool found = false;
    for (const struct command *c = command_table; c->name != NULL; c++) {
        if (strncmp(c->name, group, length) != 0 || c->name[length] != ' ')
            continue;
        if (!found)
            buffer_add_format(to, "settle %s ...\n\n", group);
        found = true;
        add_line(to, c);
    }
    if (found)
        buffer_add_format(to, "\nsettle %s COMMAND --help explains one command, with examples.\n", group);
    return found;
}

static void add_examples(struct buffer *to, const char *examples, const char *indent) {
    while (examples != NULL && *examples != '\0') {
        size_t length = strcspn(examples, "\n");
        buffer_add_format(to, "%s%.*s\n", indent, (int)length, examples);
        examples += length + (examples[length] == '\n');
    }
}

void command_help_one(struct buffer *to, const struct command *c) {
    buffer_add_format(to, "settle %s%s%s: %s\n", c->name, *c->arguments == '\0' ? "" : " ", c->arguments,
                      c->help);
    if (c->examples != NULL) {
        buffer_add_text(to, "\nExamples\n");
        add_examples(to, c->examples, "  ");
    }
    if (c->flags->name != NULL) {
        buffer_add_text(to, "\nFlags\n");
        add_flags(to, c->flags);
    }
    buffer_add_text(to, "\nFlags of every command\n");
    add_flags(to, command_global_flags);
}

static void reference_flags(struct buffer *to, const struct flag *flags) {
    for (; flags->name != NULL; flags++) {
        buffer_add_text(to, "- `");
        if (flags->letter != 0)
            buffer_add_format(to, "-%c, ", flags->letter);
        buffer_add_format(to, "--%s%s%s`: %s\n", flags->name, flags->value == NULL ? "" : " ",
                          flags->value == NULL ? "" : flags->value, flags->help);
    }
}

void command_reference(struct buffer *to) {
    buffer_add_text(to,
                    "# The settle command\n\nPrinted from the table of commands (`settle --reference`).\n\n"
                    "## Flags of every command\n\n");
    reference_flags(to, command_global_flags);
    buffer_add_text(
        to, "\n## Exit codes\n\n| code | means |\n| --- | --- |\n"
            "| 0 | done, or committed |\n| 1 | failed |\n| 2 | wrong usage |\n| 3 | not found |\n"
            "| 4 | conflict, or already decided |\n| 5 | not allowed |\n| 6 | settled cannot be reached |\n"
            "| 7 | the wait timed out, still running |\n| 10 | rolled back |\n| 11 | needs attention |\n");
    for (const struct command *c = command_table; c->name != NULL; c++) {
        buffer_add_format(to, "\n## settle %s%s%s\n\n%s.\n", c->name, *c->arguments == '\0' ? "" : " ",
                          c->arguments, c->help);
        if (c->flags->name != NULL) {
            buffer_add_byte(to, '\n');
            reference_flags(to, c->flags);
        }
        if (c->examples != NULL) {
            buffer_add_text(to, "\n```text\n");
            add_examples(to, c->examples, "");
            buffer_add_text(to, "```\n");
        }
    }
}
