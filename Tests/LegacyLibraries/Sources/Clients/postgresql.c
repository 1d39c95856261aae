#include "internal.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The server's process differs for each connection, so an answer that belongs to another client is found.
static char *sleep_in_server(PGconn *connection, int milliseconds) {
    char seconds[16];
    const char *parameters[] = {seconds};
    snprintf(seconds, sizeof seconds, "%g", milliseconds / 1000.0);
    PGresult *result = PQexecParams(connection, "select pg_sleep($1), pg_backend_pid()", 1, NULL, parameters, NULL, NULL, 0);
    char *failed = NULL;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        failed = failure("PQexecParams: %s", PQerrorMessage(connection));
    } else if (PQntuples(result) != 1 || atoi(PQgetvalue(result, 0, 1)) != PQbackendPID(connection)) {
        failed = failure("the answer is that of another process: %s", PQgetvalue(result, 0, 1));
    }
    PQclear(result);
    return failed;
}

// Sends a large parameter, and receives it again.
static char *send_and_receive(PGconn *connection, int milliseconds) {
    char seconds[16];
    char *text = large_text();
    const char *parameters[] = {seconds, text};
    snprintf(seconds, sizeof seconds, "%g", milliseconds / 1000.0);
    char *failed = NULL;
    PGresult *prepared = PQprepare(connection, "echo", "select pg_sleep($1), 'got ' || $2::text", 2, NULL);
    PGresult *result = PQexecPrepared(connection, "echo", 2, parameters, NULL, NULL, 0);
    if (PQresultStatus(prepared) != PGRES_COMMAND_OK || PQresultStatus(result) != PGRES_TUPLES_OK) {
        failed = failure("PQexecPrepared: %s", PQerrorMessage(connection));
    } else if (
        PQgetlength(result, 0, 1) != LARGE + 4 || memcmp(PQgetvalue(result, 0, 1), "got ", 4) != 0
        || memcmp(PQgetvalue(result, 0, 1) + 4, text, LARGE) != 0) {
        failed = failure("the answer differs");
    }
    PQclear(prepared);
    PQclear(result);
    free(text);
    return failed;
}

static char *connected(const char *target, char *(*use)(PGconn *, int), int milliseconds) {
    PGconn *connection = PQconnectdb(target);
    char *failed = PQstatus(connection) == CONNECTION_OK ? use(connection, milliseconds)
                                                         : failure("PQconnectdb: %s", PQerrorMessage(connection));
    PQfinish(connection);
    return failed;
}

char *pq_tcp(int milliseconds) { return connected("", sleep_in_server, milliseconds); }

char *pq_prepared(int milliseconds) { return connected("", send_and_receive, milliseconds); }

char *pq_unix(int milliseconds) {
    char target[256];
    snprintf(target, sizeof target, "host=%s", setting("TANDEM_PG_SOCKET"));
    return connected(target, sleep_in_server, milliseconds);
}
