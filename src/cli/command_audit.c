/* The audit log: who did what by hand, and whether the chain of its lines is whole. */
#include <string.h>

#include "base/digest.h"
#include "base/leb128.h"
#include "cli/command_list.h"
#include "cli/listing.h"
#include "cli/progress.h"
#include "cli/view.h"

#define LINE_BYTES (1024 * 1024)
#define PAGE "200"

static const struct listing_column audit_columns[] = {
    { "TIME", NULL, "at", NULL },       { "WHO", NULL, "who", NULL },
    { "WHAT", NULL, "what", NULL },     { "GID", NULL, "gid", NULL },
    { "BRANCH", NULL, "branch", NULL }, { "REASON", NULL, "reason", NULL },
    { "NUMBER", NULL, "number", NULL }, { "HASH", NULL, "hash", NULL },
    { NULL, NULL, NULL, NULL },
};

static void add_path(struct buffer *path, struct slice limit, struct slice cursor) {
    buffer_add_text(path, "/v1/audit");
    if (limit.length > 0) {
        buffer_add_text(path, "?limit=");
        cli_add_escaped(path, limit);
    }
    if (cursor.length > 0) {
        buffer_add_text(path, limit.length == 0 ? "?cursor=" : "&cursor=");
        cli_add_escaped(path, cursor);
    }
    buffer_add_byte(path, '\0');
}

int command_audit_list(struct cli *cli) {
    struct listing listing = { .columns = audit_columns,
                               .name = "gid",
                               .all = flags_has(&cli->flags, "all"),
                               .shown = "TIME,WHO,WHAT,GID,BRANCH,REASON",
                               .empty = "nobody has done anything by hand" };
    struct buffer path;
    buffer_init(&path, 4096);
    add_path(&path, slice_text(flags_value(&cli->flags, "limit")),
             slice_text(flags_value(&cli->flags, "cursor")));
    int code = buffer_failed(&path) ? cli_fail(cli, EXIT_USAGE, "the cursor is too long")
                                    : listing_run(cli, &listing, path.at);
    buffer_done(&path);
    return code;
}

/* ---- verifying ------------------------------------------------------------------------------------- */

/* The walk from the newest line to the first. */
struct walk {
    struct cli *cli;
    struct arena arena;
    uint64_t number; /* of the line before in the walk, which is the later one; 0: none yet */
    char wanted[80]; /* the hash that the next line must have, hex; "": any */
    uint64_t lines, faults;
};

static void fault(struct walk *w, uint64_t number, const char *what) {
    w->faults++;
    cli_fail(w->cli, 0, "line %llu: %s", (unsigned long long)number, what);
}

/* SHA-256 over what the line says and the hash of the line before it, spelled as settled stores it: the hash,
 * the time as a number, then who, what, gid, branch and reason with their lengths. Computed here from the
 * text that was shown, so that it is the text that is proved. */
static bool hash_line(struct walk *w, struct json_value line, char hex[80]) {
    static const char *const members[] = { "who", "what", "gid", "branch", "reason" };
    struct slice before = cli_text(line, "hash_before", &w->arena);
    struct buffer record, out;
    uint8_t hash[DIGEST_BYTES];
    int64_t at_ms = 0;
    buffer_init(&record, LINE_BYTES);
    buffer_init(&out, 80);
    bool good = digest_parse_hex(before, &record) == 0 && view_time(line, "at", &w->arena, &at_ms);
    leb128_put(&record, (uint64_t)at_ms);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        leb128_put_bytes(&record, cli_text(line, members[i], &w->arena));
    digest_sha256(buffer_slice(&record), hash);
    digest_add_hex(&out, slice_of((const char *)hash, sizeof hash));
    buffer_add_byte(&out, '\0');
    good = good && !buffer_failed(&record) && !buffer_failed(&out);
    if (good)
        memcpy(hex, out.at, out.length);
    buffer_done(&record);
    buffer_done(&out);
    return good;
}

static bool is_nothing(struct slice hex) {
    for (size_t i = 0; i < hex.length; i++)
        if (hex.at[i] != '0')
            return false;
    return hex.length == 2 * DIGEST_BYTES;
}

static void check_line(struct walk *w, struct json_value line) {
    char hex[80] = "";
    uint64_t number = (uint64_t)view_number(line, "number", 0);
    struct slice hash = cli_text(line, "hash", &w->arena), before = cli_text(line, "hash_before", &w->arena);
    w->lines++;
    if (w->number != 0 && number + 1 != w->number)
        fault(w, number, "the line behind it is missing");
    if (!hash_line(w, line, hex) || !slice_is(hash, hex))
        fault(w, number, "it is not what was written: its hash does not fit its text");
    else if (w->wanted[0] != '\0' && !slice_is(hash, w->wanted))
        fault(w, number, "the line behind it was bound to another one");
    if (number == 1 && !is_nothing(before))
        fault(w, number, "it is the first line, but it was bound to one before it");
    w->number = number;
    w->wanted[0] = '\0';
    if (before.length < sizeof w->wanted && before.length > 0) {
        memcpy(w->wanted, before.at, before.length);
        w->wanted[before.length] = '\0';
    }
}

/* One page; cursor becomes that of the page behind it, "" at the end. */
static int check_page(struct walk *w, char cursor[512]) {
    struct cli_answer answer;
    struct buffer path;
    struct json_value items, line;
    buffer_init(&path, 4096);
    add_path(&path, SLICE(PAGE), slice_text(cursor));
    int code = cli_ask(w->cli, "GET", path.at, SLICE_NONE, 0, &answer);
    buffer_done(&path);
    cursor[0] = '\0';
    if (code != 0 || answer.response == NULL)
        return code;
    if (json_member(answer.root, "items", &items) && items.kind == JSON_ARRAY) {
        struct json_cursor walk = json_cursor_of(items);
        while (json_element_next(&walk, &line))
            check_line(w, line);
    }
    struct slice next = cli_text(answer.root, "next", &w->arena);
    if (next.length > 0 && next.length < 512) {
        memcpy(cursor, next.at, next.length);
        cursor[next.length] = '\0';
    }
    arena_reset(&w->arena);
    cli_release(&answer);
    return 0;
}

int command_audit_verify(struct cli *cli) {
    struct walk w = { .cli = cli };
    struct progress progress;
    char cursor[512] = "";
    int code;
    arena_init(&w.arena, 64 * 1024, 256 * 1024 * 1024);
    progress_begin(&progress, cli);
    do {
        code = check_page(&w, cursor);
        progress_tick(&progress, "%llu lines", (unsigned long long)w.lines);
    } while (code == 0 && cursor[0] != '\0');
    progress_end(&progress);
    arena_done(&w.arena);
    if (code != 0 || cli->curl)
        return code;
    if (w.number > 1)
        cli_hint(cli, "lines before %llu have passed their retention", (unsigned long long)w.number);
    if (w.faults > 0)
        return cli_fail(cli, EXIT_FAILED, "%llu of %llu lines are not as they were written",
                        (unsigned long long)w.faults, (unsigned long long)w.lines);
    cli_hint(cli, "%llu lines, an unbroken chain", (unsigned long long)w.lines);
    return EXIT_DONE;
}
