/* Scenes of messages and notifications for the crash sweep: a subscription and an endpoint, a few messages
 * whose calls go as is written down, and what must have become of the first of them. */
#ifndef SIM_POST_SCENARIO_H
#define SIM_POST_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;
struct scenario;

enum {
    SCENE_CALLS_MAX = 5,
};

struct post_scene {
    uint8_t mode;     /* MODE_MESSAGE, MODE_NOTICE; 0: what the transaction sends on its decision */
    uint8_t messages; /* of the same key, one after the other; 0: one */
    bool half;
    uint8_t form; /* enum check_form */
    bool rolls_back;
    uint8_t dies_at;                       /* the producer, before its step of this number; 0: never */
    uint32_t rollback_at_ms, commit_at_ms; /* somebody else says so; 0: nobody */
    /* The first subscription; a second one takes everything at once, a third the refusals. */
    bool pull, by_call, ordered, park, refusals;
    uint32_t patience_ms;
    uint8_t end; /* enum status of the first message without any crash; 0: more than one is right */
    uint8_t push_count, call_count;
    uint8_t pushes[SCENE_CALLS_MAX]; /* enum reaction, of the first message at the first subscription */
    uint8_t calls[SCENE_CALLS_MAX];  /* of check-backs or a notification's attempts */
};

/* Channels, messages and everybody around them, onto the agenda. */
void post_scene_build(struct world *w, const struct post_scene *scene);
void post_scene_check(struct world *w, const struct post_scene *scene, bool undisturbed);
/* By index; NULL beyond the last. */
const struct scenario *post_scenario_at(size_t index);

#endif
