/* The bytes of one group commit: the entries of a turn, one behind the other. The store adds a checksum of
 * its own.
 *
 * Entry: kind byte, LEB128 id, LEB128 seq, LEB128 length, record bytes. */
#ifndef MODEL_JOURNAL_H
#define MODEL_JOURNAL_H

#include "base/bytes.h"
#include "model/stored.h"

void journal_encode(struct buffer *to, const struct stored_entry *entry);
/* Take the next entry off the front of *from. ERR_CORRUPT when it is cut or not an entry. */
int journal_decode(struct slice *from, struct stored_entry *out);

#endif
