#include "cli/listing.h"

#include <string.h>

#include "cli/moment.h"
#include "cli/view.h"

#define PAGE_BYTES (64 * 1024 * 1024)

void listing_add_age(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    int64_t created_ms = 0;
    if (view_time(item, "created", arena, &created_ms))
        moment_add_age(to, now_ms - created_ms);
}

void listing_add_why(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    (void)now_ms;
    view_add_why(to, item, arena);
}

void listing_add_labels(struct buffer *to, struct json_value item, struct arena *arena, int64_t now_ms) {
    (void)now_ms;
    view_add_labels(to, item, arena);
}

enum paint listing_status_paint(struct json_value item, struct arena *arena) {
    return paint_of_status(cli_text(item, "status", arena));
}

enum paint listing_attention_paint(struct json_value item, struct arena *arena) {
    (void)arena;
    return view_attention(item) ? PAINT_YELLOW : PAINT_NONE;
}

static bool items_of(const struct cli_answer *answer, struct json_value *items) {
    if (answer->root.kind == JSON_ARRAY) {
        *items = answer->root;
        return true;
    }
    return json_member(answer->root, "items", items) && items->kind == JSON_ARRAY;
}

static void add_cell(struct grid *g, const struct listing_column *column, struct json_value item,
                     struct arena *arena, int64_t now_ms, struct buffer *cell) {
    buffer_clear(cell);
    if (column->add != NULL)
        column->add(cell, item, arena, now_ms);
    else
        buffer_add_slice(cell, cli_text(item, column->member, arena));
    grid_cell(g, buffer_slice(cell), column->paint == NULL ? PAINT_NONE : column->paint(item, arena));
}

static int draw_table(struct cli *cli, struct listing *l, struct json_value items, struct buffer *to,
                      struct arena *arena, bool head) {
    const char *names[GRID_COLUMNS_MAX];
    const char *only = flags_value(&cli->flags, "columns");
    struct json_cursor cursor = json_cursor_of(items);
    struct json_value item;
    struct buffer cell;
    struct grid grid;
    struct why why;
    size_t count = 0;
    while (l->columns[count].head != NULL) {
        names[count] = l->columns[count].head;
        count++;
    }
    grid_init(&grid, names, count);
    buffer_init(&cell, 1024 * 1024);
    while (json_element_next(&cursor, &item)) {
        grid_row(&grid);
        for (size_t i = 0; i < count; i++)
            add_cell(&grid, &l->columns[i], item, arena, moment_now_ms(), &cell);
    }
    int result = grid_draw(&grid, to, only != NULL ? only : l->shown, cli->width, cli->colour, head, &why);
    grid_done(&grid);
    buffer_done(&cell);
    return result == 0 ? 0 : cli_fail(cli, EXIT_USAGE, "%s", why.text);
}

static void add_lines(const struct cli *cli, const struct listing *l, struct json_value items,
                      struct buffer *to, struct arena *arena) {
    struct json_cursor cursor = json_cursor_of(items);
    struct json_value item;
    while (json_element_next(&cursor, &item)) {
        if (cli->format == FORMAT_JSONL)
            buffer_add_slice(to, item.raw);
        else
            glyph_add_all(to, cli_text(item, l->name, arena));
        buffer_add_byte(to, '\n');
    }
}

static void count_rows(struct listing *l, struct json_value items) {
    struct json_cursor cursor = json_cursor_of(items);
    struct json_value item;
    while (json_element_next(&cursor, &item)) {
        l->rows++;
        l->attention += view_attention(item);
    }
}

static int print_page(struct cli *cli, struct listing *l, const struct cli_answer *answer, bool first) {
    struct json_value items;
    struct buffer text;
    struct arena arena;
    int code = 0;
    if (!items_of(answer, &items))
        return cli_fail(cli, EXIT_FAILED, "settled answered something that is not a list");
    buffer_init(&text, PAGE_BYTES);
    arena_init(&arena, 64 * 1024, PAGE_BYTES);
    size_t before = l->rows;
    count_rows(l, items);
    if (cli->format == FORMAT_JSON) {
        buffer_add_slice(&text, answer->body);
        if (!slice_ends(answer->body, "\n"))
            buffer_add_byte(&text, '\n');
    } else if (cli->format != FORMAT_TABLE) {
        add_lines(cli, l, items, &text, &arena);
    } else if (l->rows > before) {
        code = draw_table(cli, l, items, &text, &arena, first);
    }
    arena_done(&arena);
    if (code != 0) {
        buffer_done(&text);
        return code;
    }
    return cli_print(cli, &text);
}

int listing_print(struct cli *cli, struct listing *l, const struct cli_answer *answer) {
    int code = print_page(cli, l, answer, true);
    if (l->rows == 0 && code == 0 && cli->format == FORMAT_TABLE)
        cli_hint(cli, "%s", l->empty);
    return code;
}

static void next_path(struct buffer *path, const char *base, struct slice cursor) {
    buffer_clear(path);
    buffer_add_text(path, base);
    buffer_add_text(path, strchr(base, '?') == NULL ? "?cursor=" : "&cursor=");
    cli_add_escaped(path, cursor);
    buffer_add_byte(path, '\0');
}

int listing_run(struct cli *cli, struct listing *l, const char *base) {
    struct buffer path;
    struct arena arena;
    int code = 0;
    bool more = true;
    buffer_init(&path, 64 * 1024);
    arena_init(&arena, 4096, 1024 * 1024);
    buffer_add_text(&path, base);
    buffer_add_byte(&path, '\0');
    for (bool first = true; more && code == 0; first = false) {
        struct cli_answer answer;
        code = cli_ask(cli, "GET", path.at, SLICE_NONE, 0, &answer);
        if (code != 0 || answer.response == NULL)
            break;
        code = print_page(cli, l, &answer, first);
        struct slice next = cli_text(answer.root, "next", &arena);
        more = l->all && next.length > 0;
        if (more)
            next_path(&path, base, next);
        else if (next.length > 0 && code == 0 && cli->format == FORMAT_TABLE)
            cli_hint(cli, "there is more: --cursor %.*s, or --all", SLICE_PRINT(next));
        if (l->rows == 0 && code == 0 && cli->format == FORMAT_TABLE)
            cli_hint(cli, "%s", l->empty);
        cli_release(&answer);
    }
    arena_done(&arena);
    buffer_done(&path);
    return code;
}
