#include "sim/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/stage.h"

/* A file being read, and what it would be if every block were right. */
struct script {
    const char *path;
    struct slice left;
    struct buffer rewritten;
    unsigned line; /* of left's first line */
    unsigned blocks, wrong;
};

static struct slice next_line(struct script *f) {
    size_t end = slice_find(f->left, '\n');
    struct slice line = slice_upto(f->left, end);

    f->left = slice_from(f->left, end + 1);
    f->line++;
    return line;
}

static struct slice peek_line(const struct script *f) {
    return slice_upto(f->left, slice_find(f->left, '\n'));
}

static bool is_indented(struct slice line) {
    return line.length > 0 && (line.at[0] == ' ' || line.at[0] == '\t');
}

static void copy_line(struct script *f, struct slice line) {
    buffer_add_slice(&f->rewritten, line);
    buffer_add_byte(&f->rewritten, '\n');
}

/* One command with the indented lines under it. */
static void run_command(struct script *f, struct stage *s) {
    struct slice line = next_line(f), rest = slice_upto(f->left, 0);

    copy_line(f, line);
    while (f->left.length > 0 && is_indented(peek_line(f))) {
        struct slice more = next_line(f);

        copy_line(f, more);
        rest.length = (size_t)(more.at + more.length - rest.at);
    }
    stage_command(s, line, rest);
}

static struct slice take_expected(struct script *f) {
    struct slice expected = slice_upto(f->left, 0);

    while (f->left.length > 0 && peek_line(f).length > 0) {
        struct slice line = next_line(f);

        expected.length = (size_t)(line.at + line.length - expected.at) + 1;
    }
    return expected;
}

static void show_difference(struct script *f, unsigned line, struct slice expected, struct slice said) {
    printf("%s:%u: expected\n%.*s--- but it says\n%.*s", f->path, line, SLICE_PRINT(expected),
           SLICE_PRINT(said));
}

static void run_block(struct script *f, struct stage *s) {
    unsigned line = f->line;
    struct slice expected;

    buffer_clear(&s->said);
    while (f->left.length > 0 && !slice_is(peek_line(f), "----"))
        run_command(f, s);
    if (f->left.length > 0)
        (void)next_line(f);
    copy_line(f, SLICE("----"));
    expected = take_expected(f);
    f->blocks++;
    if (!slice_equal(expected, buffer_slice(&s->said))) {
        f->wrong++;
        show_difference(f, line, expected, buffer_slice(&s->said));
    }
    buffer_add_slice(&f->rewritten, buffer_slice(&s->said));
}

static bool read_file(const char *path, struct buffer *to) {
    FILE *from = fopen(path, "r");
    char piece[4096];
    size_t length;

    if (from == NULL) {
        fprintf(stderr, "settle-sim: cannot open %s\n", path);
        return false;
    }
    while ((length = fread(piece, 1, sizeof piece, from)) > 0)
        buffer_add(to, piece, length);
    fclose(from);
    if (to->length > 0 && to->at[to->length - 1] != '\n')
        buffer_add_byte(to, '\n');
    return true;
}

static bool write_file(const char *path, struct slice bytes) {
    FILE *to = fopen(path, "w");
    bool good = to != NULL && fwrite(bytes.at, 1, bytes.length, to) == bytes.length;

    return (to == NULL || fclose(to) == 0) && good;
}

static bool run_file(const char *path, bool rewrite) {
    struct script f = { .path = path, .line = 1 };
    struct buffer bytes;
    struct stage stage;
    bool good;

    buffer_init(&bytes, 16 * 1024 * 1024);
    buffer_init(&f.rewritten, 16 * 1024 * 1024);
    good = read_file(path, &bytes);
    f.left = buffer_slice(&bytes);
    stage_init(&stage);
    while (good && f.left.length > 0) {
        struct slice line = peek_line(&f);

        if (line.length == 0 || line.at[0] == '#')
            copy_line(&f, next_line(&f));
        else
            run_block(&f, &stage);
    }
    stage_done(&stage);
    if (good && rewrite && f.wrong > 0)
        f.wrong = write_file(path, buffer_slice(&f.rewritten)) ? 0 : f.wrong;
    printf("%-4s  %s, %u blocks\n", good && f.wrong == 0 ? "ok" : "FAIL", path, f.blocks);
    buffer_done(&bytes);
    buffer_done(&f.rewritten);
    return good && f.wrong == 0;
}

int transcript_run(char **paths, int count, bool rewrite) {
    int wrong = 0;

    for (int i = 0; i < count; i++)
        wrong += !run_file(paths[i], rewrite);
    printf("%d passed, %d failed\n", count - wrong, wrong);
    return wrong;
}
