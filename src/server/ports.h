/* Ports: the real clock, store and sink behind the driver's and the chores' functions. */
#ifndef SERVER_PORTS_H
#define SERVER_PORTS_H

#include "server/chores.h"
#include "server/daemon.h"
#include "server/driver.h"

/* Functions whose self is the daemon. */
struct driver_port ports_driver(struct daemon *d);
struct chores_port ports_chores(struct daemon *d);
/* committer_post for committer_options: context is the loop. */
void ports_post(void *context, void (*fn)(void *argument), void *argument);

#endif
