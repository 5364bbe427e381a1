/* A JSON document as a two-column table: every leaf with its path ("store.journal_bytes   81920"). For
 * answers whose members are figures. */
#ifndef CLI_FLAT_H
#define CLI_FLAT_H

#include "base/json.h"
#include "cli/cli.h"
#include "cli/grid.h"

/* Add a row for every leaf below value; path is what stands before it ("" at the top). */
void flat_add(struct grid *g, const char *path, struct json_value value, struct arena *arena);
/* GET path and print the answer: flat as a table, as it is otherwise. An exit code. */
int flat_show(struct cli *cli, const char *path);

#endif
