/* The table of settings as people read it: a settings file with every key, and the reference page.
 *
 * Pure functions of server/settings.def; they append to a buffer whose failure tells when it was too small.
 */
#ifndef SERVER_SETTINGS_PRINT_H
#define SERVER_SETTINGS_PRINT_H

#include "base/bytes.h"
#include "server/settings.h"

/* A complete file in libconfig's syntax, every key at its default under its explanation. Reading it back
 * gives the defaults. */
void settings_print_defaults(struct buffer *to);
/* The same keys as a page in Markdown: docs/reference/configuration.md. */
void settings_print_reference(struct buffer *to);
/* One name a line, for shell completion. */
void settings_print_names(struct buffer *to);

#endif
