/* A stopped or killed store, then damage, then a start (P3, P7). The bytes are damages: flipped bits, wiped
 * or misdirected sectors, cuts, removed and swapped files. Whatever they do: no crash; and when the store
 * opens and recovers, every batch the watermark knows is there with its right bytes, and every row that is
 * owed something is there and right. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>

#include "store/scratch.h"
#include "store/sqlite_store.h"
#include "store/torture_vfs.h"
#include "store/watermark.h"

#define BATCHES 24
#define TRIMMED 8
#define ROWS 12 /* odd ids are unfinished */
#define LOG_PAGES 30

/* Disks to damage: one stopped in order, one killed with logs on it. */
static struct torture *disks[2];
static struct watermark_line marks[2];
static char directory[SCRATCH_PATH_BYTES];

static const char *const files[] = { "journal.db", "journal.db-wal", "history.db", "history.db-wal" };

static struct slice batch_of(uint64_t seq, char bytes[16384]) {
    size_t length = (size_t)(seq * 977 % 12000) + 1;
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(seq * 31 + i * 7 + (i >> 8));
    return slice_of(bytes, length);
}

static struct stored_row row_of(uint64_t id, char image[512]) {
    memset(image, (int)('a' + id), 400);
    return (struct stored_row){ .kind = STORED_TRANSACTION,
                                .id = id,
                                .key_hash = id * 77,
                                .seq = (uint32_t)id,
                                .final = id % 2 == 0,
                                .key = SLICE("a key"),
                                .state = SLICE("a state"),
                                .image = slice_of(image, 400) };
}

static struct store *open_on(struct torture *disk) {
    struct sqlite_store_options options = { .vfs = torture_name(disk), .log_pages_max = LOG_PAGES };
    struct store *s = NULL;
    struct why why = { "" };
    return sqlite_store_open(&s, directory, &options, &why) == 0 ? s : NULL;
}

static void put_mark(struct watermark_line line) {
    struct watermark w;
    FUZZ_CHECK(watermark_create(&w, directory, NULL) == 0);
    FUZZ_CHECK(watermark_set(&w, 0, line, NULL) == 0);
    watermark_close(&w);
}

static void remove_directory(void) {
    scratch_remove(directory);
}

static void build_disks(void) {
    char bytes[16384];
    FUZZ_CHECK(scratch_make(directory, true) == 0);
    FUZZ_CHECK(atexit(remove_directory) == 0);
    struct torture *disk = torture_new();
    struct store *s = open_on(disk);
    FUZZ_CHECK(s != NULL);
    for (uint64_t seq = 1; seq <= BATCHES; seq++) {
        FUZZ_CHECK(s->ops->append(s, seq, batch_of(seq, bytes), NULL) == 0);
        struct stored_row row = row_of(seq, bytes);
        FUZZ_CHECK(seq > ROWS || s->ops->fold(s, &row, 1, NULL) == 0);
        FUZZ_CHECK(seq != ROWS + 2 || s->ops->trim(s, TRIMMED, NULL) == 0);
    }
    marks[0] = marks[1] = (struct watermark_line){ .epoch = 1, .seq = BATCHES };
    disks[1] = torture_image(disk, torture_moment(disk), TORTURE_KEEPS, 1);
    store_close(s);
    disks[0] = torture_image(disk, torture_moment(disk), TORTURE_KEEPS, 1);
    torture_free(disk);
}

static uint64_t take(const uint8_t **data, size_t *size, size_t bytes) {
    uint64_t number = 0;
    for (size_t i = 0; i<bytes && * size> 0; i++, (*data)++, (*size)--)
        number = number << 8 | **data;
    return number;
}

/* One damage of five bytes: what and where, the place as a part of the file's length. */
static void damage(struct torture *disk, const uint8_t **data, size_t *size) {
    uint64_t what = take(data, size, 1);
    uint64_t place = take(data, size, 3);
    char with = (char)take(data, size, 1);
    const char *name = files[what & 3];
    size_t length = 0;
    char *at = torture_file(disk, name, &length);
    if (at == NULL || length == 0)
        return;
    size_t offset = (size_t)(place * length >> 24);
    size_t sector = offset / 512 * 512;
    size_t part = length - sector < 512 ? length - sector : 512;
    switch (what >> 2 & 7) {
    case 0:
    case 1:
        at[offset] = (char)(at[offset] ^ (1 << (with & 7)));
        break;
    case 2:
        at[offset] = with;
        break;
    case 3:
        memset(at + sector, with, part);
        break;
    case 4: /* a misdirected write */
        memmove(at + (sector + (size_t)(uint8_t)with * 512) % (length - part + 1), at + sector, part);
        break;
    case 5: { /* cut */
        char *copy = malloc(offset + 1);
        memcpy(copy, at, offset);
        torture_put(disk, name, slice_of(copy, offset));
        free(copy);
        break;
    }
    case 6:
        torture_remove(disk, name);
        break;
    default: { /* another file's content */
        size_t other_length = 0;
        const char *other = torture_file(disk, files[(uint8_t)with & 3], &other_length);
        if (other != NULL && other != at) {
            char *copy = malloc(other_length + 1);
            memcpy(copy, other, other_length);
            torture_put(disk, name, slice_of(copy, other_length));
            free(copy);
        }
    }
    }
}

struct seen {
    uint64_t first;
    uint64_t last;
    unsigned unfinished;
};

static int see_batch(void *self, uint64_t seq, uint64_t epoch, struct slice batch) {
    struct seen *seen = self;
    char bytes[16384];
    FUZZ_CHECK(epoch == 1);
    FUZZ_CHECK(seen->last == 0 || seq == seen->last + 1);
    FUZZ_CHECK(seq <= BATCHES);
    FUZZ_CHECK(slice_equal(batch, batch_of(seq, bytes)));
    seen->first = seen->first == 0 ? seq : seen->first;
    seen->last = seq;
    return 0;
}

static int see_row(void *self, const struct stored_row *row) {
    struct seen *seen = self;
    char image[512];
    FUZZ_CHECK(row->kind == STORED_TRANSACTION && row->id >= 1 && row->id <= ROWS);
    struct stored_row right = row_of(row->id, image);
    FUZZ_CHECK(slice_equal(row->image, right.image) && slice_equal(row->key, right.key));
    FUZZ_CHECK(row->final == right.final && row->seq == right.seq);
    seen->unfinished += !row->final;
    return 0;
}

static void check(struct store *s) {
    struct seen seen = { 0 };
    struct store_visitor visit = { .row = see_row, .batch = see_batch, .self = &seen };
    struct store_usage usage;
    if (s->ops->recover(s, &visit, NULL) != 0)
        return; /* it says that it is damaged */
    s->ops->usage(s, &usage);
    FUZZ_CHECK(usage.batch_last == BATCHES);
    FUZZ_CHECK(usage.batch_trimmed <= TRIMMED);
    FUZZ_CHECK(seen.first == usage.batch_trimmed + 1 && seen.last == BATCHES);
    /* Rows whose records are still in the journal may be older; the others must be there. */
    FUZZ_CHECK(seen.unfinished >= (usage.batch_trimmed == TRIMMED ? TRIMMED / 2 : 0));
    char bytes[16384];
    (void)s->ops->append(s, BATCHES + 1, batch_of(BATCHES + 1, bytes), NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (disks[0] == NULL)
        build_disks();
    size_t which = take(&data, &size, 1) & 1;
    struct torture *disk = torture_image(disks[which], 0, TORTURE_KEEPS, 0);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        size_t length = 0;
        const char *at = torture_file(disks[which], files[i], &length);
        if (at != NULL)
            torture_put(disk, files[i], slice_of(at, length));
    }
    for (int i = 0; i < 32 && size > 0; i++)
        damage(disk, &data, &size);
    put_mark(marks[which]);
    struct store *s = open_on(disk);
    if (s != NULL) {
        check(s);
        store_close(s);
    }
    torture_free(disk);
    return 0;
}
