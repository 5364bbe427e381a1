/* Canonical form: what a request means, fed piece by piece into a digest, so that two spellings of one
 * request get one fingerprint. Every piece is tagged and measured, so pieces cannot run into each other.
 *
 * Pure. The order of calls is part of the format, and the format is stored: change neither. */
#ifndef PROTOCOL_CANON_H
#define PROTOCOL_CANON_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/digest.h"

void canon_text(struct digest *d, char tag, struct slice text);
void canon_number(struct digest *d, char tag, uint64_t number);
/* The member is absent: different from empty and from zero. */
void canon_none(struct digest *d, char tag);

#endif
