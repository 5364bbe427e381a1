/* PUT /v1/datasources/{name}: the JSON body. What a URL may say is for the room that connects to it
 * (sink/database/database_place.h); here its members are read. Pure. */
#ifndef PROTOCOL_DATASOURCE_FORM_H
#define PROTOCOL_DATASOURCE_FORM_H

#include "protocol/form.h"

#define DATASOURCE_FORM_PATH_BYTES 1023
#define DATASOURCE_FORM_USER_BYTES 128
#define DATASOURCE_FORM_CONNECTIONS 32
#define DATASOURCE_FORM_CONNECT_MS_MIN 100u
#define DATASOURCE_FORM_CONNECT_MS_MAX 60000u
#define DATASOURCE_FORM_IDLE_MS_MIN 1000u
#define DATASOURCE_FORM_IDLE_MS_MAX 86400000u
#define DATASOURCE_FORM_TEXT_BYTES 1024 /* a description */

/* 0 and empty: not given. */
struct datasource_form {
    struct slice url;
    struct slice user;
    struct slice password_file;
    uint32_t connections;
    uint32_t connect_ms;
    uint32_t idle_ms;
};

/* Slices point into the document or the form's arena. 0; ERR_INVALID or ERR_MEMORY with the form's problem
 * filled. */
int datasource_form_read(struct form *f, struct json_value root, struct datasource_form *out);
/* A definition that was read before, from its source. 0; ERR_INVALID or ERR_MEMORY. */
int datasource_form_reread(struct slice source, struct arena *arena, struct datasource_form *out);

#endif
