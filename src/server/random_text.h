/* Texts that nobody can guess: a prefix and random bytes from the system in base64. */
#ifndef SERVER_RANDOM_TEXT_H
#define SERVER_RANDOM_TEXT_H

#include <stddef.h>

#include "base/digest.h"

/* prefix and that many (at most 48) random bytes in base64, NUL-ended; room must suffice. 0, ERR_IO when the
 * system has no random numbers, ERR_MEMORY. */
int random_text(const char *prefix, size_t bytes, enum base64 alphabet, char *to, size_t room);

#endif
