/* Notifications as JSON, in the words of ux.md (b). Like protocol/render.h: nothing fails. Pure. */
#ifndef PROTOCOL_RENDER_NOTICE_H
#define PROTOCOL_RENDER_NOTICE_H

#include "base/json.h"
#include "protocol/notice_word.h"

/* The whole notification, with what it carries and its schedule. */
void render_notice(struct json_writer *w, const struct transaction *t);
/* As an item of a list and as the answer to an act. */
void render_notice_item(struct json_writer *w, const struct transaction *t);
/* As its receiver gets it that asks what it missed: the item with what it carries. */
void render_missed(struct json_writer *w, const struct transaction *t);

#endif
