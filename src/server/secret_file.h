/* Files that hold secrets: read with their permissions checked, written so that a crash leaves the old one or
 * the new one (reliability.md H11). Below $CREDENTIALS_DIRECTORY (systemd's credentials) a group may read
 * too.
 *
 * Errors: ERR_NOT_FOUND no such file · ERR_DENIED group or others may read it · ERR_IO · ERR_LIMIT it is
 * longer than the room given · ERR_INVALID it is empty. */
#ifndef SERVER_SECRET_FILE_H
#define SERVER_SECRET_FILE_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"

/* The first line, without its line end, into to (NUL-ended; *length without the NUL). */
int secret_file_read(const char *path, char *to, size_t room, size_t *length, struct why *why);

/* The whole file appended to a buffer; the same checks, but empty is fine. */
int secret_file_load(const char *path, struct buffer *to, struct why *why);

/* Only look whether it could be read so, for files that a library reads. */
int secret_file_check(const char *path, struct why *why);

/* Replace or make the file, mode 0600, through "~fresh" beside it, a sync, a rename and a sync of the
 * directory. */
int secret_file_write(const char *path, struct slice content, struct why *why);

#endif
