/* The rules page: the engine's rule tables as people read them, printed from the very rows that the engine
 * obeys (engine/rule.h). `settle-sim --rules` makes docs/rules.md of it. Pure. */
#ifndef SIM_RULES_PAGE_H
#define SIM_RULES_PAGE_H

#include "base/bytes.h"

/* Append the whole page in Markdown. Look at buffer_failed at the end. */
void rules_page_print(struct buffer *to);

#endif
