/* What submitting needs to know of a transaction being built (the builder's own calls are public, settle.h).
 */
#ifndef CLIENT_CLIENT_TX_H
#define CLIENT_CLIENT_TX_H

#include "client/client.h"

/* The first failure of a builder call, told in *e; 0 when there was none. */
int client_tx_failed(const stl_tx *t, stl_err *e);
/* Whether the caller chose the gid: only then may a submit be repeated without doubling. */
bool client_tx_named(const stl_tx *t);

#endif
