/* A name and a value: labels of a transaction, headers of a message. Borrowed slices. */
#ifndef MODEL_LABEL_H
#define MODEL_LABEL_H

#include "base/bytes.h"

struct label {
    struct slice key;
    struct slice value;
};

#endif
