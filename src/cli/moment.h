/* Times and durations as people read them on a screen: rounded, and as short as the place asks for. The exact
 * spellings of the API are base/duration.h and base/instant.h.
 *
 * Pure but for moment_now_ms. Times are epoch ms in UTC. */
#ifndef CLI_MOMENT_H
#define CLI_MOMENT_H

#include <stdint.h>

#include "base/bytes.h"

int64_t moment_now_ms(void);
/* For a timeline: "31 ms", "1.25 s", "2 m 05 s". */
void moment_add_span(struct buffer *to, int64_t ms);
/* For a column: "12s", "14m", "2h11m", "9d". */
void moment_add_age(struct buffer *to, int64_t ms);
/* "12:30:05.120", UTC. */
void moment_add_clock(struct buffer *to, int64_t epoch_ms);

#endif
