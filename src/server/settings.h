/* Settings: what an operator can say to settled, from one table (server/settings.def).
 *
 * A value comes from the built-in default, then the file, then the environment, then the flags; a later
 * source wins, and settings_origin tells which it was. Every value is kept twice: as text in its shortest
 * spelling ("5m", "256MiB", "a, b") and, where the kind has one, as a number (ms, bytes, count, thousandths,
 * 0 or 1, index of a choice).
 *
 * A SECRET can also be given as NAME_file: the file's first line is the value. A file that holds a secret,
 * that one or the settings file itself, is refused when group or others may read it (reliability.md H11).
 *
 * Errors: ERR_INVALID the value does not fit its row · ERR_NOT_FOUND no such key (the why names the nearest)
 * · ERR_SYNTAX the file is malformed · ERR_IO a file cannot be read · ERR_DENIED a secret others can read ·
 * ERR_MEMORY. The why of a file's fault begins with FILE:LINE.
 *
 * Not thread-safe. Only the main program's thread uses it. */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum setting_kind {
    SETTING_KIND_TEXT,
    SETTING_KIND_SECRET,
    SETTING_KIND_ADDRESS,  /* host:port, [v6]:port */
    SETTING_KIND_PATH,     /* a file, empty: none */
    SETTING_KIND_FLAG,     /* true, false */
    SETTING_KIND_COUNT,    /* a plain number */
    SETTING_KIND_BYTES,    /* number, with KiB MiB GiB TiB */
    SETTING_KIND_DURATION, /* number with ms s m h d */
    SETTING_KIND_FACTOR,   /* decimal number, kept in thousandths */
    SETTING_KIND_CHOICE,
    SETTING_KIND_LIST, /* texts; in one line separated by commas */
};

enum setting_reload {
    SETTING_RELOAD_RESTART,
    SETTING_RELOAD_LIVE,
};

enum setting_origin {
    SETTING_ORIGIN_DEFAULT,
    SETTING_ORIGIN_FILE,
    SETTING_ORIGIN_ENVIRONMENT,
    SETTING_ORIGIN_FLAG,
};

enum setting_id {
#define SETTING(id, name, kind, unit, min, max, fallback, reload, words, help) SETTING_##id,
#include "server/settings.def"
#undef SETTING
    SETTING_COUNT,
};

struct setting {
    const char *name;
    enum setting_kind kind;
    const char *unit;
    uint64_t min;
    uint64_t max;
    const char *fallback; /* the default, spelled as an operator would */
    enum setting_reload reload;
    const char *words; /* choices, separated by blanks */
    const char *help;
};

struct setting_value {
    char *text; /* owned, NUL-ended; never NULL in an initialised struct settings */
    uint64_t number;
    char *from;     /* the NAME_file a secret was read from, owned; NULL otherwise */
    uint8_t origin; /* enum setting_origin */
    unsigned line;  /* of the file; 0 otherwise */
};

struct settings {
    struct setting_value values[SETTING_COUNT];
    char *file; /* the file that was read, owned; NULL: none */
};

/* The row of a setting. */
const struct setting *setting_row(enum setting_id id);
/* The setting of this name, or -1. */
int setting_find(struct slice name);
/* The name closest to this one; NULL when nothing is close. */
const char *setting_nearest(struct slice name);
const char *setting_kind_text(enum setting_kind kind);
/* A number of a COUNT, BYTES, DURATION or FACTOR, spelled. */
void setting_add_number(const struct setting *row, uint64_t number, struct buffer *to);

/* All defaults. ERR_MEMORY. */
int settings_init(struct settings *s);
void settings_done(struct settings *s); /* wipes secrets; also fine after a failed init */
/* A deep copy into an uninitialised struct. ERR_MEMORY. */
int settings_copy(const struct settings *from, struct settings *to);

/* Give one setting a value; checks kind and range. The old value stays on failure. */
int settings_set(struct settings *s, enum setting_id id, struct slice text, enum setting_origin origin,
                 unsigned line, struct why *why);
/* The same by name; NAME_file is understood for secrets. */
int settings_set_named(struct settings *s, struct slice name, struct slice text, enum setting_origin origin,
                       unsigned line, struct why *why);

/* A file in libconfig's syntax, or the same bytes already in memory (name only for complaints). On failure s
 * may hold a part of the file: throw it away. */
int settings_read_file(struct settings *s, const char *path, struct why *why);
int settings_read_text(struct settings *s, struct slice text, const char *name, struct why *why);
/* Variables SETTLED_LISTEN_API and so on out of an environment like environ. Unknown SETTLED_ variables are
 * not a fault (container platforms make some up): the first is named in *stranger unless that is NULL. */
int settings_read_environment(struct settings *s, char *const *environment, const char **stranger,
                              struct why *why);

/* What one row cannot say: rules between settings. */
int settings_check(const struct settings *s, struct why *why);

const char *settings_text(const struct settings *s, enum setting_id id); /* valid until the next change */
uint64_t settings_number(const struct settings *s, enum setting_id id);
const char *settings_file_of(const struct settings *s, enum setting_id id); /* NAME_file, NULL: none */
bool settings_flag(const struct settings *s, enum setting_id id);
/* Walk a list: *rest begins as NULL. False at the end. */
bool settings_list_next(const struct settings *s, enum setting_id id, const char **rest, struct slice *item);
/* Whether two hold the same value. */
bool settings_same(const struct settings *a, const struct settings *b, enum setting_id id);
/* What may be shown: secrets become "(set)" or "". */
const char *settings_shown(const struct settings *s, enum setting_id id);
/* "default", "/etc/settle/settled.conf:12", "SETTLED_STORE_URL", "--store.url", appended. */
void settings_origin(const struct settings *s, enum setting_id id, struct buffer *to);

#endif
