#include "cli/flags.h"

#include <assert.h>
#include <string.h>

#include "base/word.h"

static const struct flag *find_name(const struct flag *table, const char *name, size_t length) {
    for (; table != NULL && table->name != NULL; table++)
        if (strlen(table->name) == length && strncmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

static const struct flag *find_letter(const struct flag *table, char letter) {
    for (; table != NULL && table->name != NULL; table++)
        if (table->letter == letter)
            return table;
    return NULL;
}

static size_t collect(const struct flag *table, const char **names, size_t count) {
    for (; table != NULL && table->name != NULL && count < FLAGS_MAX; table++)
        names[count++] = table->name;
    return count;
}

static int unknown(const char *word, const struct flag *table, const struct flag *more, struct why *why) {
    const char *names[FLAGS_MAX];
    struct slice meant = slice_text(word + strspn(word, "-"));
    const char *best = word_nearest(slice_upto(meant, slice_find(meant, '=')), names,
                                    collect(more, names, collect(table, names, 0)));
    if (best != NULL)
        return why_set(why, ERR_INVALID, "unknown flag %s (did you mean --%s?)", word, best);
    return why_set(why, ERR_INVALID, "unknown flag %s", word);
}

static int give(struct flags *f, const struct flag *flag, const char *value, struct why *why) {
    if (f->given_count == FLAGS_MAX)
        return why_set(why, ERR_LIMIT, "more than %d flags", FLAGS_MAX);
    f->given[f->given_count++] = (struct flag_given){ .flag = flag, .value = value };
    return 0;
}

/* One flag at argv[*at]; moves *at past what it used. */
static int take_flag(struct flags *f, int argc, char **argv, int *at, const struct flag *table,
                     const struct flag *more, struct why *why) {
    const char *word = argv[*at], *equals = strchr(word, '='), *value = NULL;
    bool lettered = word[1] != '-';
    size_t length = equals == NULL ? strlen(word) : (size_t)(equals - word);
    const struct flag *flag;
    if (lettered) {
        flag = find_letter(table, word[1]);
        flag = flag != NULL ? flag : find_letter(more, word[1]);
        if (flag != NULL && word[2] != '\0') {
            if (flag->value == NULL)
                return unknown(word, table, more, why);
            value = word + 2 + (word[2] == '=');
        }
    } else {
        flag = find_name(table, word + 2, length - 2);
        flag = flag != NULL ? flag : find_name(more, word + 2, length - 2);
        value = equals == NULL ? NULL : equals + 1;
    }
    if (flag == NULL)
        return unknown(word, table, more, why);
    if (flag->value == NULL && value != NULL)
        return why_set(why, ERR_INVALID, "--%s takes no value", flag->name);
    if (flag->value != NULL && value == NULL) {
        if (*at + 1 >= argc)
            return why_set(why, ERR_INVALID, "--%s needs a value: --%s %s", flag->name, flag->name,
                           flag->value);
        value = argv[++*at];
    }
    ++*at;
    return give(f, flag, value, why);
}

int flags_parse(struct flags *f, int argc, char **argv, int from, const struct flag *table,
                const struct flag *more, bool until_word, int *stopped, struct why *why) {
    int at = from;
    bool only_words = false;
    assert(table != NULL);
    while (at < argc) {
        const char *word = argv[at];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            at++;
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            int result = take_flag(f, argc, argv, &at, table, more, why);
            if (result != 0)
                return result;
        } else if (until_word) {
            break;
        } else {
            if (f->word_count == FLAGS_MAX)
                return why_set(why, ERR_LIMIT, "more than %d words", FLAGS_MAX);
            f->words[f->word_count++] = word;
            at++;
        }
    }
    if (stopped != NULL)
        *stopped = at;
    return 0;
}

bool flags_has(const struct flags *f, const char *name) {
    for (size_t i = 0; i < f->given_count; i++)
        if (strcmp(f->given[i].flag->name, name) == 0)
            return true;
    return false;
}

const char *flags_value(const struct flags *f, const char *name) {
    for (size_t i = f->given_count; i > 0; i--)
        if (strcmp(f->given[i - 1].flag->name, name) == 0)
            return f->given[i - 1].value;
    return NULL;
}

const char *flags_next(const struct flags *f, const char *name, size_t *index) {
    while (*index < f->given_count) {
        const struct flag_given *g = &f->given[(*index)++];
        if (strcmp(g->flag->name, name) == 0)
            return g->value;
    }
    return NULL;
}
