/* The reference pages that are made from tables of this room and of protocol/: docs/reference/ holds what
 * they print (tools/reference writes it again). What the tables do not have cannot stand in them.
 *
 * Pure functions; they append Markdown to a buffer, whose failure the caller looks at. */
#ifndef SERVER_REFERENCE_PAGE_H
#define SERVER_REFERENCE_PAGE_H

#include "base/bytes.h"

/* Every metric and every log event of server/catalog.def. */
void reference_page_metrics(struct buffer *to);
/* Every problem type of protocol/problem.def, a section each. */
void reference_page_problems(struct buffer *to);

#endif
