#include "cli/curl.h"

#include <string.h>

void curl_add_quoted(struct buffer *to, struct slice word) {
    buffer_add_byte(to, '\'');
    for (size_t i = 0; i < word.length; i++) {
        if (word.at[i] == '\'')
            buffer_add_text(to, "'\\''");
        else
            buffer_add_byte(to, word.at[i]);
    }
    buffer_add_byte(to, '\'');
}

static void add_token(struct buffer *to, const char *token_from) {
    if (token_from == NULL)
        return;
    buffer_add_text(to, " -H \"Authorization: Bearer ");
    if (token_from[0] == '$') {
        buffer_add_text(to, token_from);
    } else {
        buffer_add_text(to, "$(cat ");
        curl_add_quoted(to, slice_text(token_from));
        buffer_add_text(to, ")");
    }
    buffer_add_text(to, "\"");
}

void curl_add(struct buffer *to, const char *method, const char *base_url, const char *path,
              struct slice body, const char *accept, const char *token_from) {
    struct buffer url;
    buffer_init(&url, 64 * 1024);
    buffer_add_text(&url, base_url);
    buffer_add_text(&url, path);
    buffer_add_text(to, "curl -sS");
    if (strcmp(method, "GET") != 0) {
        buffer_add_text(to, " -X ");
        buffer_add_text(to, method);
    }
    buffer_add_byte(to, ' ');
    curl_add_quoted(to, buffer_slice(&url));
    buffer_done(&url);
    add_token(to, token_from);
    if (accept != NULL) {
        buffer_add_text(to, " -H ");
        buffer_add_text(to, "'Accept: ");
        buffer_add_text(to, accept);
        buffer_add_text(to, "'");
    }
    if (body.length > 0) {
        buffer_add_text(to, " -H 'Content-Type: application/json' -d ");
        curl_add_quoted(to, body);
    }
    buffer_add_byte(to, '\n');
}
