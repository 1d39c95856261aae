#include "internal.h"
#include <curl/curl.h>
#include <mysql.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct client clients[] = {
    {"curl-http", 250, curl_http},
    {"curl-https", 250, curl_https},
    {"bio-plain", 250, bio_plain},
    {"bio-tls", 250, bio_tls},
    {"pq-tcp", 200, pq_tcp},
    {"pq-unix", 200, pq_unix},
    {"pq-prepared", 500, pq_prepared},
    {"redis-tcp", 1000, redis_tcp},
    {"redis-unix", 1000, redis_unix},
    {"mariadb-tcp", 200, mariadb_tcp},
    {"mariadb-unix", 200, mariadb_unix},
    {"mariadb-prepared", 500, mariadb_prepared},
    {"sqlite-busy", 250, sqlite_busy},
};

const struct client *client_at(unsigned index) {
    return index < sizeof clients / sizeof *clients ? &clients[index] : NULL;
}

void prepare_libraries(void) {
    curl_global_init(CURL_GLOBAL_ALL);
    mysql_library_init(0, NULL, NULL);
}

void restart_getopt(void) { optind = 1; }

char *failure(const char *format, ...) {
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) abort();
    va_end(arguments);
    return text;
}

const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value) return value;
    fprintf(stderr, "%s is not set\n", name);
    exit(1);
}

char *large_text(void) {
    char *text = malloc(LARGE + 1);
    if (!text) abort();
    enum { PERIOD = 1021 };
    for (size_t i = 0; i < PERIOD; i++) text[i] = 'a' + i * 7 % 26;
    for (size_t i = PERIOD; i < LARGE; i += PERIOD) memcpy(text + i, text, LARGE - i < PERIOD ? LARGE - i : PERIOD);
    text[LARGE] = 0;
    return text;
}
