#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/scratch.h"
#include "store/tar.h"

static const char *const names[] = { "one", "two", "empty" };

struct fixture {
    char from[SCRATCH_PATH_BYTES];
    char to[SCRATCH_PATH_BYTES];
    char *stream;
    size_t length;
    struct why why;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(scratch_make(f->from, true), 0);
    assert_int_equal(scratch_make(f->to, true), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    scratch_remove(f->from);
    scratch_remove(f->to);
    free(f->stream);
    free(f);
    return 0;
}

/* Pack three files, reading the stream in pieces of this size. */
static void pack(struct fixture *f, size_t piece) {
    struct tar_pack *p = NULL;
    size_t got = 1;
    char large[1000];
    memset(large, 'x', sizeof large);
    assert_int_equal(scratch_write(f->from, "one", SLICE("the first file")), 0);
    assert_int_equal(scratch_write(f->from, "two", slice_of(large, sizeof large)), 0);
    assert_int_equal(scratch_write(f->from, "empty", SLICE("")), 0);
    assert_int_equal(tar_pack_open(&p, f->from, names, 3, &f->why), 0);
    free(f->stream);
    f->stream = calloc(1, tar_pack_bytes(p) + 1);
    f->length = 0;
    while (got > 0) {
        size_t left = tar_pack_bytes(p) + 1 - f->length;
        assert_int_equal(tar_pack_read(p, f->stream + f->length, piece < left ? piece : left, &got, &f->why),
                         0);
        f->length += got;
    }
    assert_int_equal(f->length, tar_pack_bytes(p));
    assert_int_equal(f->length % TAR_BLOCK, 0);
    tar_pack_close(p);
}

static int unpack(struct fixture *f, size_t length) {
    assert_int_equal(scratch_write(f->from, "archive", slice_of(f->stream, length)), 0);
    char path[SCRATCH_PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/archive", f->from);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code = tar_unpack(fd, f->to, names, 3, &f->why);
    close(fd);
    return code;
}

static void what_is_packed_comes_out(void **state) {
    struct fixture *f = *state;
    const size_t pieces[] = { 1, 100, 512, 777, 100000 };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        char *bytes = NULL;
        size_t length = 0;
        pack(f, pieces[i]);
        assert_int_equal(unpack(f, f->length), 0);
        assert_int_equal(scratch_read(f->to, "one", &bytes, &length), 0);
        assert_true(slice_is(slice_of(bytes, length), "the first file"));
        free(bytes);
        assert_int_equal(scratch_read(f->to, "two", &bytes, &length), 0);
        assert_int_equal(length, 1000);
        free(bytes);
        assert_int_equal(scratch_read(f->to, "empty", &bytes, &length), 0);
        assert_int_equal(length, 0);
        free(bytes);
    }
    struct stat found;
    char path[SCRATCH_PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/one", f->to);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
}

static void a_cut_stream_is_refused(void **state) {
    struct fixture *f = *state;
    pack(f, 512);
    size_t end = f->length - 2 * TAR_BLOCK; /* the end marks themselves may be cut: then it is cut too */
    for (size_t length = 0; length <= end; length += 97)
        assert_int_equal(unpack(f, length), ERR_CORRUPT);
}

static void a_damaged_heading_is_refused(void **state) {
    struct fixture *f = *state;
    for (size_t at = 0; at < 345; at += at == 150 ? 10 : 5) { /* 155: a blank, any byte will do */
        pack(f, 512);
        f->stream[at] = (char)(f->stream[at] ^ 0x20);
        assert_int_not_equal(unpack(f, f->length), 0);
    }
}

static void rename_first(struct fixture *f, const char *name, char type) {
    struct tar_header header = { .bytes = 14, .regular = true };
    snprintf(header.name, sizeof header.name, "%s", name);
    tar_header_encode(f->stream, &header);
    if (type == '0')
        return;
    unsigned sum = 0;
    f->stream[156] = type;
    memset(f->stream + 148, ' ', 8);
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += (unsigned char)f->stream[i];
    char digits[8];
    snprintf(digits, sizeof digits, "%06o", sum);
    memcpy(f->stream + 148, digits, 7);
}

static void only_known_names_come_out(void **state) {
    struct fixture *f = *state;
    pack(f, 512);
    rename_first(f, "three", '0');
    assert_int_equal(unpack(f, f->length), ERR_INVALID);
    rename_first(f, "two", '0');
    assert_int_equal(unpack(f, f->length), ERR_INVALID); /* twice */
    rename_first(f, "../../one", '0');
    assert_int_equal(unpack(f, f->length), 0); /* only the last part counts */
    rename_first(f, "a/path/", '0');
    assert_int_equal(unpack(f, f->length), ERR_INVALID);
    rename_first(f, "one", '2'); /* a link: skipped, so the file is missing */
    assert_int_equal(unpack(f, f->length), ERR_CORRUPT);
    rename_first(f, "one", '5');
    assert_int_equal(unpack(f, f->length), ERR_CORRUPT);
}

static void sizes_have_two_spellings(void **state) {
    (void)state;
    const uint64_t sizes[] = { 0, 1, 511, (UINT64_C(1) << 33) - 1, UINT64_C(1) << 33, INT64_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char block[TAR_BLOCK];
        struct tar_header in = {
            .name = "journal.db", .bytes = sizes[i], .modified_s = 12345, .regular = true
        };
        struct tar_header out;
        tar_header_encode(block, &in);
        assert_int_equal(tar_header_decode(block, &out), 0);
        assert_true(out.bytes == sizes[i]);
        assert_int_equal(out.modified_s, 12345);
        assert_string_equal(out.name, "journal.db");
    }
    char block[TAR_BLOCK] = { 0 };
    struct tar_header out;
    assert_int_equal(tar_header_decode(block, &out), ERR_NOT_FOUND);
    block[3] = 'x';
    assert_int_equal(tar_header_decode(block, &out), ERR_CORRUPT);
}

static void a_missing_file_is_not_packed(void **state) {
    struct fixture *f = *state;
    struct tar_pack *p = NULL;
    assert_int_equal(tar_pack_open(&p, f->from, names, 3, &f->why), ERR_IO);
    assert_null(p);
    pack(f, 512);
    assert_int_equal(tar_pack_open(&p, f->from, names, 3, &f->why), 0);
    assert_int_equal(scratch_write(f->from, "two", SLICE("shorter")), 0);
    char bytes[8192];
    size_t got = 0;
    assert_int_equal(tar_pack_read(p, bytes, sizeof bytes, &got, &f->why), ERR_IO);
    tar_pack_close(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_packed_comes_out),  TEST(a_cut_stream_is_refused),  TEST(a_damaged_heading_is_refused),
        TEST(only_known_names_come_out), TEST(sizes_have_two_spellings), TEST(a_missing_file_is_not_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
