/* A doubly linked list through its members: link in, link out, walk. A head is a link that points to itself
 * when the chain is empty; a member that is in no chain has NULL pointers. */
#ifndef BASE_CHAIN_H
#define BASE_CHAIN_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct chain {
    struct chain *next;
    struct chain *previous;
};

#define CHAIN_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void chain_init(struct chain *head) {
    head->next = head->previous = head;
}

static inline bool chain_empty(const struct chain *head) {
    return head->next == head;
}

static inline bool chain_linked(const struct chain *link) {
    return link->next != NULL;
}

static inline void chain_add_after(struct chain *place, struct chain *link) {
    assert(!chain_linked(link));
    link->previous = place;
    link->next = place->next;
    place->next->previous = link;
    place->next = link;
}

static inline void chain_add_last(struct chain *head, struct chain *link) {
    chain_add_after(head->previous, link);
}

static inline void chain_remove(struct chain *link) {
    if (!chain_linked(link))
        return;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = NULL;
}

#endif
