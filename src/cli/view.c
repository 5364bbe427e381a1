#include "cli/view.h"

#include "base/duration.h"
#include "base/instant.h"
#include "cli/glyph.h"
#include "cli/moment.h"

#define SCRATCH_BYTES (16 * 1024 * 1024)

bool view_time(struct json_value object, const char *name, struct arena *arena, int64_t *epoch_ms) {
    uint64_t ms = 0;
    if (instant_parse(cli_text(object, name, arena), &ms) != 0)
        return false;
    *epoch_ms = (int64_t)ms;
    return true;
}

int64_t view_number(struct json_value object, const char *name, int64_t fallback) {
    struct json_value value;
    int64_t number = fallback;
    if (!json_member(object, name, &value) || json_i64(value, &number) != 0)
        return fallback;
    return number;
}

bool view_true(struct json_value object, const char *name) {
    struct json_value value;
    bool yes = false;
    return json_member(object, name, &value) && json_bool(value, &yes) == 0 && yes;
}

bool view_final(struct json_value transaction) {
    static const char *const finals[] = { "committed", "rolled_back", "heuristic_commit",
                                          "heuristic_rollback", "heuristic_mixed" };
    struct json_value status;
    for (size_t i = 0; i < sizeof finals / sizeof *finals; i++)
        if (json_member(transaction, "status", &status) && json_is(status, finals[i]))
            return true;
    return false;
}

bool view_attention(struct json_value transaction) {
    struct json_value attention;
    return json_member(transaction, "attention", &attention) &&
           (attention.kind == JSON_OBJECT || view_true(transaction, "attention"));
}

/* The state word of an operation: the member itself, or its member "state". */
static bool operation_is_owed(struct json_value operation) {
    static const char *const owed[] = { "running", "waiting", "retrying" };
    struct json_value state = operation;
    if (operation.kind == JSON_OBJECT && !json_member(operation, "state", &state))
        return false;
    for (size_t i = 0; i < sizeof owed / sizeof *owed; i++)
        if (json_is(state, owed[i]))
            return true;
    return false;
}

static bool add_owed(struct buffer *to, struct json_value branch, struct arena *arena) {
    static const char *const operations[] = { "compensate", "cancel", "confirm", "action", "try" };
    struct json_value operation;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (!json_member(branch, operations[i], &operation) || !operation_is_owed(operation))
            continue;
        buffer_add_slice(to, cli_text(branch, "id", arena));
        buffer_add_format(to, ".%s", operations[i]);
        return true;
    }
    return false;
}

static void add_place(struct buffer *to, struct json_value object, struct arena *arena) {
    struct slice branch = cli_text(object, "branch", arena), op = cli_text(object, "op", arena);
    buffer_add_slice(to, branch);
    if (branch.length > 0 && op.length > 0)
        buffer_add_byte(to, '.');
    buffer_add_slice(to, op);
}

void view_add_where(struct buffer *to, struct json_value transaction, struct arena *arena) {
    struct json_value part, branch;
    size_t before = to->length;
    if (json_member(transaction, "attention", &part) && part.kind == JSON_OBJECT)
        add_place(to, part, arena);
    if (to->length == before && json_member(transaction, "branches", &part) && part.kind == JSON_ARRAY) {
        struct json_cursor cursor = json_cursor_of(part);
        while (json_element_next(&cursor, &branch))
            if (add_owed(to, branch, arena))
                return;
    }
    if (to->length == before && json_member(transaction, "reason", &part) && part.kind == JSON_OBJECT)
        add_place(to, part, arena);
}

void view_add_next(struct buffer *to, struct json_value transaction, struct arena *arena, int64_t now_ms) {
    struct json_value attention;
    int64_t next_ms = 0;
    if (view_final(transaction))
        return;
    if (view_true(transaction, "suspended")) {
        buffer_add_text(to, "paused");
        return;
    }
    bool known = view_time(transaction, "next_try", arena, &next_ms) ||
                 (json_member(transaction, "attention", &attention) &&
                  view_time(attention, "next_try", arena, &next_ms));
    if (!known)
        return;
    if (next_ms <= now_ms) {
        buffer_add_text(to, "now");
        return;
    }
    buffer_add_text(to, "in ");
    moment_add_age(to, next_ms - now_ms + 999);
}

struct slice view_words(struct slice detail, struct arena *arena) {
    static const char *const names[] = { "detail", "error", "message", "title" };
    struct json_value root, value;
    struct slice copy, text;
    if (!slice_starts(detail, "{") || arena_copy(arena, detail, &copy) != 0 ||
        json_check(copy, &root, NULL) != 0)
        return detail;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_member(root, names[i], &value) && json_string(value, arena, &text) == 0 && text.length > 0)
            return text;
    return detail;
}

static void add_reason(struct buffer *to, struct json_value reason, struct arena *arena) {
    struct slice detail = view_words(cli_text(reason, "detail", arena), arena),
                 cause = cli_text(reason, "cause", arena);
    if (cause.length == 0)
        cause = cli_text(reason, "why", arena);
    size_t before = to->length;
    add_place(to, reason, arena);
    if (to->length > before)
        buffer_add_text(to, ": ");
    int64_t http = view_number(reason, "http", 0);
    if (http > 0)
        buffer_add_format(to, "HTTP %d%s", (int)http, detail.length > 0 ? ", " : "");
    buffer_add_slice(to, detail.length > 0 || http > 0 ? detail : cause);
}

void view_add_why(struct buffer *to, struct json_value transaction, struct arena *arena) {
    struct json_value part;
    if (json_member(transaction, "attention", &part) && part.kind == JSON_OBJECT)
        buffer_add_slice(to, cli_text(part, "why", arena));
    else if (json_member(transaction, "reason", &part) && part.kind == JSON_OBJECT)
        add_reason(to, part, arena);
    else
        buffer_add_slice(to, cli_text(transaction, "reason", arena));
}

void view_add_labels(struct buffer *to, struct json_value transaction, struct arena *arena) {
    struct json_value labels, key, value;
    struct slice text;
    bool first = true;
    if (!json_member(transaction, "labels", &labels) || labels.kind != JSON_OBJECT)
        return;
    struct json_cursor cursor = json_cursor_of(labels);
    while (json_member_next(&cursor, &key, &value)) {
        if (!first)
            buffer_add_byte(to, ' ');
        first = false;
        if (json_string(key, arena, &text) == 0)
            buffer_add_slice(to, text);
        buffer_add_byte(to, '=');
        buffer_add_slice(to, json_string(value, arena, &text) == 0 ? text : value.raw);
    }
}

void view_add_took(struct buffer *to, struct json_value transaction, struct arena *arena, int64_t now_ms) {
    int64_t from_ms = 0, until_ms = now_ms;
    uint64_t took_ms = 0;
    if (duration_parse(cli_text(transaction, "took", arena), &took_ms) == 0) {
        moment_add_span(to, (int64_t)took_ms);
        return;
    }
    if (!view_time(transaction, "created", arena, &from_ms))
        return;
    if (view_final(transaction) && !view_time(transaction, "finished", arena, &until_ms))
        return;
    moment_add_span(to, until_ms - from_ms);
}

int view_exit(struct json_value transaction) {
    struct json_value status;
    if (!json_member(transaction, "status", &status))
        return EXIT_FAILED;
    if (json_is(status, "committed") || json_is(status, "heuristic_commit"))
        return EXIT_DONE;
    if (json_is(status, "rolled_back") || json_is(status, "heuristic_rollback"))
        return EXIT_ROLLED_BACK;
    if (json_is(status, "heuristic_mixed") || view_attention(transaction))
        return EXIT_ATTENTION;
    return EXIT_STILL_RUNNING;
}

struct slice view_name(struct json_value thing, struct arena *arena) {
    static const char *const names[] = { "gid", "id", "name" };
    struct slice name = SLICE_NONE;
    for (size_t i = 0; i < sizeof names / sizeof *names && name.length == 0; i++)
        name = cli_text(thing, names[i], arena);
    return name;
}

struct slice view_state(struct json_value thing, struct arena *arena) {
    struct slice status = cli_text(thing, "status", arena);
    struct json_value switched;
    if (status.length == 0 && json_member(thing, "paused", &switched))
        return view_true(thing, "paused") ? SLICE("paused") : SLICE("running");
    if (status.length == 0 && json_member(thing, "enabled", &switched))
        return view_true(thing, "enabled") ? SLICE("enabled") : SLICE("disabled");
    return status;
}

/* Of a message: how many deliveries, or how many of them are where: "2 acked, 1 dead". */
static void add_deliveries(struct buffer *to, struct json_value deliveries, struct arena *arena) {
    static const char *const words[] = { "acked",  "delivering", "retrying", "pending",
                                         "parked", "refused",    "dead",     "discarded" };
    size_t before = to->length;
    int64_t number = 0;
    if (deliveries.kind == JSON_NUMBER && json_i64(deliveries, &number) == 0 && number > 0)
        buffer_add_format(to, "%lld deliver%s", (long long)number, number == 1 ? "y" : "ies");
    for (size_t i = 0; deliveries.kind == JSON_ARRAY && i < sizeof words / sizeof *words; i++) {
        struct json_cursor cursor = json_cursor_of(deliveries);
        struct json_value delivery;
        int count = 0;
        while (json_element_next(&cursor, &delivery))
            count += slice_is(cli_text(delivery, "status", arena), words[i]);
        if (count > 0)
            buffer_add_format(to, "%s%d %s", to->length > before ? ", " : "", count, words[i]);
    }
    if (to->length == before)
        buffer_add_text(to, "nobody subscribes");
}

/* What a line says behind name and status: how long it took, its deliveries, why. */
static void add_story(struct buffer *to, struct json_value root, struct arena *arena) {
    struct json_value member;
    struct slice replaced = cli_text(root, "replaced_by", arena);
    size_t before = to->length;
    struct slice status = cli_text(root, "status", arena);
    if (json_member(root, "gid", &member)) {
        view_add_took(to, root, arena, moment_now_ms());
        if (view_true(root, "suspended"))
            buffer_add_text(to, "  suspended");
    }
    if (slice_is(status, "committed") && json_member(root, "deliveries", &member))
        add_deliveries(to, member, arena);
    if (replaced.length > 0) {
        buffer_add_text(to, "replaced by ");
        glyph_add_all(to, replaced);
    }
    struct buffer why;
    buffer_init(&why, SCRATCH_BYTES);
    view_add_why(&why, root, arena);
    if (why.length > 0 && to->length > before)
        buffer_add_text(to, "  ");
    glyph_add_all(to, buffer_slice(&why));
    buffer_done(&why);
}

static void add_line(struct cli *cli, struct buffer *to, struct json_value root, struct arena *arena) {
    struct slice status = view_state(root, arena);
    struct buffer story;
    buffer_init(&story, SCRATCH_BYTES);
    paint_begin(to, PAINT_BOLD, cli->colour);
    glyph_add_all(to, view_name(root, arena));
    paint_end(to, PAINT_BOLD, cli->colour);
    if (status.length > 0) {
        buffer_add_text(to, "  ");
        paint_begin(to, paint_of_status(status), cli->colour);
        glyph_add_all(to, status);
        paint_end(to, paint_of_status(status), cli->colour);
    }
    add_story(&story, root, arena);
    if (story.length > 0)
        buffer_add_format(to, "  %.*s", SLICE_PRINT(buffer_slice(&story)));
    buffer_add_byte(to, '\n');
    buffer_done(&story);
}

int view_print(struct cli *cli, const struct cli_answer *answer) {
    struct buffer text;
    struct arena arena;
    buffer_init(&text, SCRATCH_BYTES);
    arena_init(&arena, 4096, SCRATCH_BYTES);
    if (cli->format == FORMAT_JSON || cli->format == FORMAT_JSONL) {
        buffer_add_slice(&text, answer->body);
        if (!slice_ends(answer->body, "\n"))
            buffer_add_byte(&text, '\n');
    } else if (cli->format == FORMAT_GID) {
        glyph_add_all(&text, view_name(answer->root, &arena));
        buffer_add_byte(&text, '\n');
    } else {
        add_line(cli, &text, answer->root, &arena);
    }
    arena_done(&arena);
    return cli_print(cli, &text);
}
