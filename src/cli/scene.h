/* The scene of the demo: a folder, a settled of its own in it, and the seven participants.
 *
 * The folder carries a mark, so that only a folder that a demo made is ever removed. */
#ifndef CLI_SCENE_H
#define CLI_SCENE_H

#include <stdbool.h>

#include "cli/cli.h"
#include "cli/child.h"
#include "demo/participant.h"

#define SCENE_PARTICIPANTS 7

#define SCENE_TOPIC "warehouse.ship"

struct scene {
    char folder[1024]; /* absolute */
    char data[1100], log[1100], token[1200];
    struct child settled;
    struct participant *participants[SCENE_PARTICIPANTS];
};

/* Remove what an earlier demo left in folder. 0 also when there is nothing; ERR_DENIED when the folder is
 * there and no demo made it; ERR_IO. */
int scene_clean(const char *folder, struct why *why);
/* Clean, make the folder, open the participants, start settled, open cli->client on it, subscribe the
 * warehouse to SCENE_TOPIC. On failure all of it is closed again. */
int scene_open(struct scene *s, struct cli *cli, const char *folder, struct why *why);
void scene_close(struct scene *s, struct cli *cli);

/* Kill settled; start it again on the same folder and address. */
void scene_kill(struct scene *s);
int scene_restart(struct scene *s, struct cli *cli, struct why *why);

struct participant *scene_participant(const struct scene *s, const char *name); /* NULL: no such name */

#endif
