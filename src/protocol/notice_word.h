/* The words for where notifications are (ux.md (b), "Status words"). Pure. */
#ifndef PROTOCOL_NOTICE_WORD_H
#define PROTOCOL_NOTICE_WORD_H

#include <stddef.h>

#include "model/transaction.h"

enum notice_status {
    NOTICE_SCHEDULED = 0, /* its first attempt was not made yet */
    NOTICE_DELIVERING,    /* an attempt is out */
    NOTICE_RETRYING,      /* an attempt failed, and another will be made */
    NOTICE_DELIVERED,
    NOTICE_GAVE_UP,   /* every attempt failed, its endpoint is gone, or its time was over */
    NOTICE_CANCELLED, /* by hand */
    NOTICE_STATUS_COUNT,
};

enum notice_status notice_status(const struct transaction *t);
const char *notice_status_word(enum notice_status status);
const char *const *notice_status_words(size_t *count);
/* Why it gave up or was cancelled: "exhausted", "gone", "too late", "cancelled"; NULL when it did not. */
const char *notice_end_word(const struct transaction *t);
/* Attempts that were allowed, whether or not anything came of them. */
uint32_t notice_attempts(const struct transaction *t);

#endif
