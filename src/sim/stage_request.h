/* How scripts write requests: "submit GID saga deadline=2m" and one indented line a branch. What a real
 * adapter would resolve (defaults, `after`, references) is resolved here. */
#ifndef SIM_STAGE_REQUEST_H
#define SIM_STAGE_REQUEST_H

#include "base/arena.h"
#include "base/bytes.h"
#include "model/request.h"
#include "model/transaction.h"

/* words: what follows "submit". lines: the branches. Everything is in the arena. Returns NULL, or what is
 * wrong. */
const char *stage_request(struct arena *arena, struct slice words, struct slice lines,
                          struct transaction_request *out);
/* One branch line ("branch ID ...") for a transaction in memory, or a request's earlier branches. */
const char *stage_branch(struct arena *arena, struct slice line, uint8_t mode,
                         const struct branch_request *before, uint16_t before_count,
                         struct branch_request *out);
/* The next word of a line, words being split at blanks; empty at the end. */
struct slice stage_word(struct slice *line);

#endif
