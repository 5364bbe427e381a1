/* What every fuzz target shares: one entry, one check that stops the run.
 *
 * A target takes any bytes, feeds them to one parser or machine, and checks what the header promises; a
 * crash, a leak, a sanitizer's complaint or a failed check is a find. tests/fuzz/run builds and runs them. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                               \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "%s:%d: promise broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                        \
        }                                                                                   \
    } while (0)

#endif
