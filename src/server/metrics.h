/* Metrics in the text format of Prometheus (version 0.0.4), rows of server/catalog.def. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "server/daemon.h"

/* Append all of them. */
void metrics_render(struct daemon *d, struct buffer *to);

#endif
