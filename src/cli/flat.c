#include "cli/flat.h"

#include <stdio.h>

#define TEXT_BYTES (16 * 1024 * 1024)
#define PATH_BYTES 512

static void add_leaf(struct grid *g, const char *path, struct json_value value, struct arena *arena) {
    struct slice text;
    grid_row(g);
    grid_cell(g, slice_text(path), PAINT_DIM);
    if (value.kind != JSON_STRING || json_string(value, arena, &text) != 0)
        text = value.raw;
    grid_cell(g, text, PAINT_NONE);
}

/* Lists of plain values are one row; the depth of a document is limited by its reader. */
void flat_add(struct grid *g, const char *path, struct json_value value, struct arena *arena) {
    struct json_value key, child;
    struct slice name;
    if (value.kind != JSON_OBJECT) {
        add_leaf(g, path, value, arena);
        return;
    }
    struct json_cursor cursor = json_cursor_of(value);
    while (json_member_next(&cursor, &key, &child)) {
        char below[PATH_BYTES];
        if (json_string(key, arena, &name) == 0)
            snprintf(below, sizeof below, "%s%s%.*s", path, *path == '\0' ? "" : ".", SLICE_PRINT(name));
        flat_add(g, below, child, arena);
    }
}

int flat_show(struct cli *cli, const char *path) {
    static const char *const names[] = { "NAME", "VALUE" };
    struct cli_answer answer;
    struct buffer text;
    struct arena arena;
    struct grid grid;
    int code = cli_ask(cli, "GET", path, SLICE_NONE, 0, &answer);
    if (code != 0 || answer.response == NULL)
        return code;
    buffer_init(&text, TEXT_BYTES);
    if (cli->format == FORMAT_TABLE && answer.root.kind == JSON_OBJECT) {
        arena_init(&arena, 4096, TEXT_BYTES);
        grid_init(&grid, names, 2);
        flat_add(&grid, "", answer.root, &arena);
        grid_draw(&grid, &text, NULL, cli->width, cli->colour, false, NULL);
        grid_done(&grid);
        arena_done(&arena);
    } else {
        buffer_add_slice(&text, answer.body);
        if (!slice_ends(answer.body, "\n"))
            buffer_add_byte(&text, '\n');
    }
    cli_release(&answer);
    return cli_print(cli, &text);
}
