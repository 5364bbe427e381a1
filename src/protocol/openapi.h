/* The API described: OpenAPI 3.1 for machines (GET /openapi.json) and a reference in Markdown for people
 * (docs/reference/http.md), both made from the tables of routes, query parameters, problems and schemas. What
 * the daemon does not have cannot stand in them.
 *
 * Pure; output goes to the buffer, whose failure the caller looks at. */
#ifndef PROTOCOL_OPENAPI_H
#define PROTOCOL_OPENAPI_H

#include "base/bytes.h"

/* The OpenAPI document; version is the daemon's ("0.1.0"). About 40 KiB, the same bytes each time. */
void openapi_render(const char *version, struct buffer *to);
/* The reference as Markdown. */
void openapi_reference(struct buffer *to);
/* The JSON schema of that name, or NULL. Written with ' for ". */
const char *openapi_schema(const char *name);

#endif
