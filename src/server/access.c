#include "server/access.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/json.h"
#include "server/random_text.h"
#include "server/secret_file.h"
#include "server/signing_secret.h"

struct access {
    char directory[PATH_MAX - 32];
    struct principal *principals; /* the built-in ones first */
    size_t count;
    size_t built_in;
    uint64_t generation;
    struct signing_secret secret;
    bool secret_is_given;
};

static const struct {
    uint32_t role;
    uint32_t includes; /* itself too */
    const char *word;
} roles[] = {
    { ACCESS_VIEWER, ACCESS_VIEWER, "viewer" },
    { ACCESS_PRODUCER, ACCESS_PRODUCER | ACCESS_VIEWER, "producer" },
    { ACCESS_CONSUMER, ACCESS_CONSUMER, "consumer" },
    { ACCESS_RECEIVER, ACCESS_RECEIVER, "receiver" },
    { ACCESS_OPERATOR, ACCESS_OPERATOR | ACCESS_PRODUCER | ACCESS_VIEWER, "operator" },
    { ACCESS_APPROVER, ACCESS_APPROVER | ACCESS_OPERATOR | ACCESS_PRODUCER | ACCESS_VIEWER, "approver" },
    { ACCESS_ADMIN, 127, "admin" },
};
enum { ROLES = sizeof roles / sizeof roles[0] };

bool access_may(uint32_t held, enum access_role needed) {
    uint32_t reach = 0;
    for (size_t i = 0; i < ROLES; i++)
        if ((held & roles[i].role) != 0)
            reach |= roles[i].includes;
    return (reach & (uint32_t)needed) != 0;
}

const char *access_role_word(uint32_t role) {
    for (size_t i = 0; i < ROLES; i++)
        if (roles[i].role == role)
            return roles[i].word;
    return NULL;
}

uint32_t access_role_from_word(struct slice word) {
    for (size_t i = 0; i < ROLES; i++)
        if (slice_is(word, roles[i].word))
            return roles[i].role;
    return 0;
}

static void path_of(const struct access *a, const char *file, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", a->directory, file);
}

static bool is_name(struct slice name) {
    if (name.length == 0 || name.length > ACCESS_NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != ':' && c != '-')
            return false;
    }
    return true;
}

static struct principal *add(struct access *a, const char *id, struct slice name, uint32_t held) {
    struct principal *p = &a->principals[a->count++];
    memset(p, 0, sizeof *p);
    snprintf(p->id, sizeof p->id, "%s", id);
    memcpy(p->name, name.at, name.length);
    p->roles = held;
    return p;
}

static void hash_bearer(struct slice bearer, uint8_t hash[32]) {
    digest_sha256(bearer, hash);
}

/* One line of the principals file. */
static int read_line(struct access *a, struct slice line, struct arena *arena) {
    struct json_value root, value, role;
    struct slice id, name, hash, word;
    uint32_t held = 0;
    uint64_t created = 0;
    uint64_t expires = 0;
    if (json_check(line, &root, NULL) != 0 || a->count - a->built_in == ACCESS_PRINCIPALS_MAX)
        return ERR_CORRUPT;
    if (!json_member(root, "id", &value) || json_string(value, arena, &id) != 0 ||
        id.length >= ACCESS_ID_BYTES)
        return ERR_CORRUPT;
    if (!json_member(root, "name", &value) || json_string(value, arena, &name) != 0 || !is_name(name))
        return ERR_CORRUPT;
    if (!json_member(root, "sha256", &value) || json_string(value, arena, &hash) != 0)
        return ERR_CORRUPT;
    if (!json_member(root, "roles", &value) || value.kind != JSON_ARRAY)
        return ERR_CORRUPT;
    for (struct json_cursor cursor = json_cursor_of(value); json_element_next(&cursor, &role);) {
        if (json_string(role, arena, &word) != 0 || access_role_from_word(word) == 0)
            return ERR_CORRUPT;
        held |= access_role_from_word(word);
    }
    if (!json_member(root, "created_ms", &value) || json_u64(value, &created) != 0)
        return ERR_CORRUPT;
    if (!json_member(root, "expires_ms", &value) || json_u64(value, &expires) != 0)
        return ERR_CORRUPT;
    char text[ACCESS_ID_BYTES];
    struct buffer decoded;
    buffer_init(&decoded, 64);
    if (digest_parse_hex(hash, &decoded) != 0 || decoded.length != DIGEST_BYTES) {
        buffer_done(&decoded);
        return ERR_CORRUPT;
    }
    snprintf(text, sizeof text, "%.*s", SLICE_PRINT(id));
    struct principal *p = add(a, text, name, held);
    memcpy(p->hash, decoded.at, DIGEST_BYTES);
    buffer_done(&decoded);
    p->created_ms = created;
    p->expires_ms = expires;
    return 0;
}

static int read_principals(struct access *a, struct why *why) {
    char path[PATH_MAX];
    struct buffer text;
    struct arena arena;
    path_of(a, "principals", path);
    buffer_init(&text, 1024 * 1024);
    arena_init(&arena, 4096, 65536);
    int code = secret_file_load(path, &text, why);
    struct slice rest = buffer_slice(&text);
    for (unsigned number = 1; code == 0 && rest.length > 0; number++) {
        size_t end = slice_find(rest, '\n');
        code = read_line(a, slice_upto(rest, end), &arena);
        if (code != 0)
            why_set(why, code, "%s:%u is not a principal", path, number);
        rest = slice_from(rest, end + 1);
        arena_reset(&arena);
    }
    arena_done(&arena);
    buffer_done(&text);
    return code == ERR_NOT_FOUND ? 0 : code;
}

static int write_principals(const struct access *a, struct why *why) {
    char path[PATH_MAX];
    struct buffer text;
    buffer_init(&text, 1024 * 1024);
    for (size_t i = a->built_in; i < a->count; i++) {
        const struct principal *p = &a->principals[i];
        struct json_writer w;
        struct buffer hex;
        buffer_init(&hex, 64);
        digest_add_hex(&hex, slice_of((const char *)p->hash, sizeof p->hash));
        json_writer_init(&w, &text);
        json_put_object(&w, NULL);
        json_put_text(&w, "id", p->id);
        json_put_text(&w, "name", p->name);
        json_put_array(&w, "roles");
        for (size_t j = 0; j < ROLES; j++)
            if ((p->roles & roles[j].role) != 0)
                json_put_text(&w, NULL, roles[j].word);
        json_put_end(&w);
        json_put_u64(&w, "created_ms", p->created_ms);
        json_put_u64(&w, "expires_ms", p->expires_ms);
        json_put_string(&w, "sha256", buffer_slice(&hex));
        buffer_done(&hex);
        json_put_end(&w);
        buffer_add_byte(&text, '\n');
    }
    path_of(a, "principals", path);
    int code = buffer_failed(&text) != 0 ? why_set(why, ERR_MEMORY, "%s: out of memory", path)
                                         : secret_file_write(path, buffer_slice(&text), why);
    buffer_done(&text);
    return code;
}

static int open_token(struct access *a, uint64_t now_ms, struct why *why) {
    char path[PATH_MAX];
    char bearer[512];
    size_t length = 0;
    path_of(a, "token", path);
    int code = secret_file_read(path, bearer, sizeof bearer, &length, why);
    if (code == ERR_NOT_FOUND) {
        char line[ACCESS_BEARER_BYTES + 1];
        code = random_text("stl_", 32, BASE64_URL, bearer, ACCESS_BEARER_BYTES);
        if (code != 0)
            return why_set(why, code, "no random numbers from the system");
        length = strlen(bearer);
        snprintf(line, sizeof line, "%.63s\n", bearer);
        code = secret_file_write(path, slice_text(line), why);
        digest_wipe(line, sizeof line);
    }
    if (code == 0) {
        struct principal *p = add(a, "tok_admin", SLICE("admin"), ACCESS_ADMIN);
        hash_bearer(slice_of(bearer, length), p->hash);
        p->created_ms = now_ms;
    }
    digest_wipe(bearer, sizeof bearer);
    return code;
}

static int open_secret(struct access *a, struct slice given, struct why *why) {
    char path[PATH_MAX];
    if (given.length > 0) {
        if (!signing_secret_is(given))
            return why_set(why, ERR_INVALID,
                           "auth.signing_secret: expected whsec_ and at least 24 bytes in base64");
        signing_secret_take(&a->secret, given);
        a->secret_is_given = true;
        return 0;
    }
    path_of(a, "signing-secret", path);
    int code = signing_secret_load(&a->secret, path, why);
    if (code != ERR_NOT_FOUND)
        return code;
    code = signing_secret_make(&a->secret, why);
    return code != 0 ? code : signing_secret_save(&a->secret, path, why);
}

/* Pages of its own, which no core dump takes along (H11). */
static struct access *allocate(void) {
    void *pages =
        mmap(NULL, sizeof(struct access), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    (void)madvise(pages, sizeof(struct access), MADV_DONTDUMP);
    return pages;
}

int access_open(struct access **out, const char *directory, struct slice extra_token,
                struct slice signing_secret, uint64_t now_ms, struct why *why) {
    struct access *a = allocate();
    if (a == NULL)
        return why_set(why, ERR_MEMORY, "out of memory");
    a->principals = calloc(ACCESS_PRINCIPALS_MAX + 2, sizeof *a->principals);
    int code = 0;
    if (a->principals == NULL)
        code = why_set(why, ERR_MEMORY, "out of memory");
    else if (snprintf(a->directory, sizeof a->directory, "%s", directory) >= (int)sizeof a->directory)
        code = why_set(why, ERR_INVALID, "%s: the path is too long", directory);
    if (code == 0)
        code = open_token(a, now_ms, why);
    if (code == 0 && extra_token.length > 0) {
        struct principal *p = add(a, "tok_settings", SLICE("admin"), ACCESS_ADMIN);
        hash_bearer(extra_token, p->hash);
        p->created_ms = now_ms;
    }
    a->built_in = a->count;
    if (code == 0)
        code = read_principals(a, why);
    if (code == 0)
        code = open_secret(a, signing_secret, why);
    if (code != 0) {
        access_close(a);
        return code;
    }
    a->generation = 1;
    *out = a;
    return 0;
}

void access_close(struct access *a) {
    if (a == NULL)
        return;
    free(a->principals);
    digest_wipe(a, sizeof *a);
    munmap(a, sizeof *a);
}

const struct principal *access_find(const struct access *a, struct slice bearer, uint64_t now_ms) {
    const struct principal *found = NULL;
    uint8_t hash[32];
    hash_bearer(bearer, hash);
    for (size_t i = 0; i < a->count; i++)
        if (digest_equal(slice_of((const char *)hash, sizeof hash),
                         slice_of((const char *)a->principals[i].hash, sizeof hash)))
            found = &a->principals[i];
    if (found != NULL && found->expires_ms != 0 && found->expires_ms <= now_ms)
        return NULL;
    return found;
}

uint64_t access_generation(const struct access *a) {
    return a->generation;
}

int access_new_id(char id[ACCESS_ID_BYTES], struct why *why) {
    int code = random_text("tok_", 12, BASE64_URL, id, ACCESS_ID_BYTES);
    return code == 0 ? 0 : why_set(why, ERR_IO, "no random numbers from the system");
}

const struct principal *access_by_id(const struct access *a, struct slice id) {
    for (size_t i = 0; i < a->count; i++)
        if (slice_is(id, a->principals[i].id))
            return &a->principals[i];
    return NULL;
}

int access_create(struct access *a, const char *id, struct slice name, uint32_t held, uint64_t expires_ms,
                  uint64_t now_ms, char bearer[ACCESS_BEARER_BYTES], const struct principal **out,
                  struct why *why) {
    assert(access_by_id(a, slice_text(id)) == NULL);
    if (!is_name(name))
        return why_set(why, ERR_INVALID, "a name is 1 to %d of A-Za-z0-9._:-", ACCESS_NAME_BYTES);
    if (held == 0 || (held & ~127u) != 0)
        return why_set(why, ERR_INVALID, "at least one role is needed");
    if (a->count - a->built_in >= ACCESS_PRINCIPALS_MAX)
        return why_set(why, ERR_LIMIT, "there are %d tokens already; revoke some", ACCESS_PRINCIPALS_MAX);
    if (random_text("stl_", 32, BASE64_URL, bearer, ACCESS_BEARER_BYTES) != 0)
        return why_set(why, ERR_IO, "no random numbers from the system");
    struct principal *p = add(a, id, name, held);
    p->created_ms = now_ms;
    p->expires_ms = expires_ms;
    hash_bearer(slice_text(bearer), p->hash);
    int code = write_principals(a, why);
    if (code != 0) {
        a->count--;
        digest_wipe(bearer, ACCESS_BEARER_BYTES);
        return code;
    }
    a->generation++;
    *out = p;
    return 0;
}

int access_revoke(struct access *a, struct slice id, struct why *why) {
    size_t found = SIZE_MAX;
    size_t named = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (slice_is(id, a->principals[i].id)) {
            found = i;
            named = 1;
            break;
        }
        if (slice_is(id, a->principals[i].name)) {
            found = i;
            named++;
        }
    }
    if (found == SIZE_MAX || named > 1)
        return why_set(why, found == SIZE_MAX ? ERR_NOT_FOUND : ERR_INVALID,
                       found == SIZE_MAX ? "no such token" : "several tokens have this name; use the id");
    if (found < a->built_in)
        return why_set(why, ERR_DENIED,
                       "the built-in token is replaced by removing DATA/token and restarting");
    struct principal gone = a->principals[found];
    memmove(&a->principals[found], &a->principals[found + 1], (a->count - found - 1) * sizeof gone);
    a->count--;
    int code = write_principals(a, why);
    if (code != 0) {
        memmove(&a->principals[found + 1], &a->principals[found], (a->count - found) * sizeof gone);
        a->principals[found] = gone;
        a->count++;
        return code;
    }
    a->generation++;
    return 0;
}

const struct principal *access_at(const struct access *a, size_t index) {
    return index < a->count ? &a->principals[index] : NULL;
}

bool access_is_built_in(const struct access *a, const struct principal *p) {
    return (size_t)(p - a->principals) < a->built_in;
}

void access_secrets(const struct access *a, uint64_t now_ms, struct slice *current, struct slice *previous) {
    signing_secret_now(&a->secret, now_ms, current, previous);
}

void access_secret_mark(const struct access *a, const uint8_t salt[32], struct buffer *to) {
    signing_secret_mark(&a->secret, salt, to);
}

int access_rotate(struct access *a, uint64_t overlap_ms, uint64_t now_ms, struct why *why) {
    char path[PATH_MAX];
    if (a->secret_is_given)
        return why_set(why, ERR_DENIED, "the signing secret comes from the settings; rotate it there");
    path_of(a, "signing-secret", path);
    int code = signing_secret_rotate(&a->secret, path, overlap_ms, now_ms, why);
    a->generation += code == 0;
    return code;
}

uint64_t access_overlap_until(const struct access *a) {
    return a->secret.before[0] == '\0' ? 0 : a->secret.before_until_ms;
}
