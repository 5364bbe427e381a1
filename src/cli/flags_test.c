/* The command line: spellings, faults, and the table of commands itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/commands.h"
#include "cli/flags.h"

static const struct flag table[] = {
    { "label", "K=V", "", 'l' },
    { "all", NULL, "", 'a' },
    { NULL, NULL, NULL, 0 },
};
static const struct flag more[] = {
    { "output", "F", "", 'o' },
    { NULL, NULL, NULL, 0 },
};

static int parse(struct flags *f, struct why *why, int argc, char **argv) {
    memset(f, 0, sizeof *f);
    return flags_parse(f, argc, argv, 0, table, more, false, NULL, why);
}

#define PARSE(f, why, ...) \
    parse((f), (why), (int)(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)), (char *[]){ __VA_ARGS__ })

static void spellings_are_equal(void **state) {
    (void)state;
    struct flags f;
    struct why why;
    size_t index = 0;
    assert_int_equal(
        PARSE(&f, &why, "x", "--label", "a=1", "--label=b=2", "-lc=3", "-l=d=4", "-a", "y", "-o", "json"), 0);
    assert_int_equal(f.word_count, 2);
    assert_string_equal(f.words[1], "y");
    assert_string_equal(flags_next(&f, "label", &index), "a=1");
    assert_string_equal(flags_next(&f, "label", &index), "b=2");
    assert_string_equal(flags_next(&f, "label", &index), "c=3");
    assert_string_equal(flags_next(&f, "label", &index), "d=4");
    assert_null(flags_next(&f, "label", &index));
    assert_string_equal(flags_value(&f, "label"), "d=4");
    assert_true(flags_has(&f, "all"));
    assert_string_equal(flags_value(&f, "output"), "json");
    assert_null(flags_value(&f, "none"));
}

static void dashes_end_flags(void **state) {
    (void)state;
    struct flags f;
    assert_int_equal(PARSE(&f, NULL, "-", "--", "--all", "-l"), 0);
    assert_int_equal(f.word_count, 3);
    assert_string_equal(f.words[0], "-");
    assert_string_equal(f.words[1], "--all");
    assert_false(flags_has(&f, "all"));
}

static void faults_are_named(void **state) {
    (void)state;
    struct flags f;
    struct why why;
    assert_int_equal(PARSE(&f, &why, "--lable", "x"), ERR_INVALID);
    assert_string_equal(why.text, "unknown flag --lable (did you mean --label?)");
    assert_int_equal(PARSE(&f, &why, "--ouptut=x"), ERR_INVALID);
    assert_string_equal(why.text, "unknown flag --ouptut=x (did you mean --output?)");
    assert_int_equal(PARSE(&f, &why, "--zzzzzz"), ERR_INVALID);
    assert_string_equal(why.text, "unknown flag --zzzzzz");
    assert_int_equal(PARSE(&f, &why, "--all=yes"), ERR_INVALID);
    assert_string_equal(why.text, "--all takes no value");
    assert_int_equal(PARSE(&f, &why, "--label"), ERR_INVALID);
    assert_string_equal(why.text, "--label needs a value: --label K=V");
    assert_int_equal(PARSE(&f, &why, "-ax"), ERR_INVALID);
}

static void too_many_are_refused(void **state) {
    (void)state;
    static char *argv[10 * FLAGS_MAX];
    struct flags f;
    struct why why;
    for (size_t i = 0; i < sizeof argv / sizeof *argv; i++)
        argv[i] = "-a";
    assert_int_equal(parse(&f, &why, FLAGS_MAX, argv), 0);
    assert_int_equal(parse(&f, &why, FLAGS_MAX + 1, argv), ERR_LIMIT);
    assert_int_equal(parse(&f, &why, 10 * FLAGS_MAX, argv), ERR_LIMIT);
    for (size_t i = 0; i < sizeof argv / sizeof *argv; i++)
        argv[i] = "w";
    assert_int_equal(parse(&f, &why, FLAGS_MAX, argv), 0);
    assert_int_equal(parse(&f, &why, FLAGS_MAX + 1, argv), ERR_LIMIT);
}

static void commands_are_found(void **state) {
    (void)state;
    char *argv[] = { "tx", "show", "g" };
    int at = 0;
    assert_string_equal(command_find(3, argv, &at)->name, "tx show");
    assert_int_equal(at, 2);
    at = 1;
    assert_null(command_find(3, argv, &at));
    at = 0;
    assert_null(command_find(1, argv, &at));
    assert_string_equal(command_nearest(NULL, "stauts"), "status");
    assert_string_equal(command_nearest(NULL, "shwo"), "tx show");
    assert_string_equal(command_nearest("tx", "shwo"), "tx show");
    assert_null(command_nearest("sub", "qqqqqqqqq"));
    assert_null(command_nearest(NULL, "qqqqqqqqq"));
}

/* The table feeds help, completion and the reference, so it must be whole. */
static void the_table_is_whole(void **state) {
    (void)state;
    for (const struct command *c = command_table; c->name != NULL; c++) {
        assert_non_null(c->arguments);
        assert_non_null(c->help);
        assert_non_null(c->run);
        assert_non_null(c->flags);
        assert_true(c->words_min <= c->words_max);
        for (const struct command *other = command_table; other != c; other++)
            assert_string_not_equal(other->name, c->name);
        for (const struct flag *f = c->flags; f->name != NULL; f++) {
            assert_non_null(f->help);
            for (const struct flag *g = command_global_flags; g->name != NULL; g++) {
                assert_string_not_equal(f->name, g->name);
                assert_true(f->letter == 0 || f->letter != g->letter);
            }
        }
    }
}

static void help_names_everything(void **state) {
    (void)state;
    struct buffer text;
    buffer_init(&text, 1024 * 1024);
    command_help(&text);
    command_reference(&text);
    buffer_add_byte(&text, '\0');
    for (const struct command *c = command_table; c->name != NULL; c++) {
        const char *first = strstr(text.at, c->name);
        assert_non_null(first);
        assert_non_null(strstr(text.at, c->help));
    }
    buffer_clear(&text);
    assert_true(command_help_group(&text, "tx"));
    assert_false(command_help_group(&text, "t"));
    buffer_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_are_equal),   cmocka_unit_test(dashes_end_flags),
        cmocka_unit_test(faults_are_named),      cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(commands_are_found),    cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(help_names_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
