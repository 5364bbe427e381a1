#include "server/merge.h"

enum merge_choice merge_next(const struct merge_slice *slice, uint64_t memory) {
    if (slice->left == 0 && slice->more)
        return MERGE_WAIT;
    if (slice->left == 0)
        return memory == 0 ? MERGE_END : MERGE_MEMORY;
    if (memory == slice->next)
        return MERGE_BOTH;
    if (memory == 0)
        return MERGE_ROW;
    return (memory < slice->next) == slice->ascending ? MERGE_MEMORY : MERGE_ROW;
}
