#include "Clients.h"
#include <stddef.h>

client_function curl_http, curl_https, bio_plain, bio_tls, pq_tcp, pq_unix, pq_prepared, redis_tcp, redis_unix, mariadb_tcp, mariadb_unix,
    mariadb_prepared, sqlite_busy;

// Returns the text of an error.
char *failure(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Returns a variable of the environment, which must be set.
const char *setting(const char *name);

// Returns a text of LARGE bytes, to be freed: more than a socket takes at once.
enum { LARGE = 1 << 20 };
char *large_text(void);
