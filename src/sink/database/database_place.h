/* Where a database is: the URL of a datasource, read strictly.
 *
 *     postgresql://USER@HOST[:5432]/DATABASE[?sslmode=MODE][&sslrootcert=FILE]
 *     mariadb://USER@HOST[:3306]/DATABASE[?ssl=MODE][&ssl_ca=FILE]          mysql:// is the same
 *     sqlite:/absolute/path/of/a/file.db
 *
 * MODE is disable, require (encrypted, whoever answers) or verify-full (the certificate must be signed by the
 * CA file and carry the host's name). Without one it is verify-full, or disable when the host is this
 * machine's loopback. Nothing else of libpq's or libmariadb's parameters can be said, and never a password:
 * it is in a file. Pure. */
#ifndef SINK_DATABASE_PLACE_H
#define SINK_DATABASE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/address.h"

enum database_kind {
    DATABASE_POSTGRESQL,
    DATABASE_MARIADB, /* and MySQL */
    DATABASE_SQLITE,
};

enum database_tls {
    DATABASE_TLS_OFF,
    DATABASE_TLS_REQUIRE,
    DATABASE_TLS_VERIFY,
};

#define DATABASE_HOST_BYTES 254
#define DATABASE_NAME_BYTES 129
#define DATABASE_PATH_BYTES 1024

struct database_place {
    enum database_kind kind;
    enum database_tls tls;
    bool is_address; /* host is a literal: address is set */
    uint16_t port;
    struct address address;
    char host[DATABASE_HOST_BYTES]; /* without brackets; empty for a file */
    char user[DATABASE_NAME_BYTES];
    char database[DATABASE_NAME_BYTES];
    char ca[DATABASE_PATH_BYTES];   /* empty: the system's */
    char path[DATABASE_PATH_BYTES]; /* SQLite */
};

/* user: instead of the URL's, may be empty. 0; ERR_SYNTAX, ERR_INVALID or ERR_LIMIT with a why that names the
 * part and what may stand there; ERR_MEMORY. */
int database_place_decode(struct slice url, struct slice user, struct database_place *out, struct why *why);
/* "postgresql://pay@db1:5432/shop", for people: without parameters. */
void database_place_describe(const struct database_place *p, struct buffer *to);
/* "PostgreSQL", "MariaDB", "SQLite". Static storage. */
const char *database_kind_name(enum database_kind kind);

#endif
