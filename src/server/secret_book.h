/* The secrets that targets and datasources name by file (password_file). A remote caller names the file, so
 * only files below the directories of the setting secrets.directories are read, by an absolute path without
 * "." and "..", and only with the permissions of server/secret_file.h (reliability.md H4, H11). */
#ifndef SERVER_SECRET_BOOK_H
#define SERVER_SECRET_BOOK_H

#include "base/bytes.h"
#include "base/err.h"
#include "server/settings.h"

/* Whether such a file may be named: 0, or ERR_DENIED with a why that names the file, the directories and the
 * setting. The file itself is not looked at. */
int secret_book_judge(const struct settings *s, struct slice file, struct why *why);
/* The first line of the file, without its line end, into to, which is cleared first. ERR_DENIED as above or
 * when others may read it; ERR_NOT_FOUND, ERR_IO, ERR_LIMIT, ERR_INVALID (empty), ERR_MEMORY. */
int secret_book_read(const struct settings *s, struct slice file, struct buffer *to, struct why *why);

#endif
