#include "server/random_text.h"

#include <assert.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/err.h"

int random_text(const char *prefix, size_t bytes, enum base64 alphabet, char *to, size_t room) {
    char random[48];
    struct buffer encoded;
    assert(bytes <= sizeof random);
    if (getrandom(random, bytes, 0) != (ssize_t)bytes)
        return ERR_IO;
    buffer_init(&encoded, room);
    digest_add_base64(&encoded, slice_of(random, bytes), alphabet);
    int written = snprintf(to, room, "%s%.*s", prefix, SLICE_PRINT(buffer_slice(&encoded)));
    int code = buffer_failed(&encoded);
    assert(code != 0 || (written > 0 && (size_t)written < room));
    digest_wipe(random, sizeof random);
    if (encoded.at != NULL)
        digest_wipe(encoded.at, encoded.length);
    buffer_done(&encoded);
    return code;
}
