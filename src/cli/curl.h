/* A request as the curl command that would send it, safe to paste into a shell. */
#ifndef CLI_CURL_H
#define CLI_CURL_H

#include "base/bytes.h"

/* token_from: "$SETTLE_TOKEN", the path of a file that holds the token, or NULL for none: the token itself is
 * never printed (reliability.md H11). accept: NULL or a media type. */
void curl_add(struct buffer *to, const char *method, const char *base_url, const char *path,
              struct slice body, const char *accept, const char *token_from);
/* Single quotes around a word, the way a POSIX shell wants it. */
void curl_add_quoted(struct buffer *to, struct slice word);

#endif
