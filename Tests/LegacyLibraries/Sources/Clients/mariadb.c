#include "internal.h"
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The connection's number differs for each connection, so an answer that belongs to another client is found.
static char *sleep_in_server(MYSQL *connection, int milliseconds) {
    char query[64];
    snprintf(query, sizeof query, "SELECT SLEEP(%g), CONNECTION_ID()", milliseconds / 1000.0);
    if (mysql_query(connection, query) != 0) return failure("mysql_query: %s", mysql_error(connection));
    MYSQL_RES *result = mysql_store_result(connection);
    if (!result) return failure("mysql_store_result: %s", mysql_error(connection));
    char *failed = NULL;
    MYSQL_ROW row = mysql_fetch_row(result);
    if (!row || strcmp(row[0], "0") != 0 || strtoul(row[1], NULL, 10) != mysql_thread_id(connection)) {
        failed = failure("the answer is that of another connection");
    }
    mysql_free_result(result);
    return failed;
}

// Sends a large parameter, and receives it again.
static char *send_and_receive(MYSQL *connection, int milliseconds) {
    static const char query[] = "SELECT SLEEP(?), CONCAT('got ', ?)";
    double seconds = milliseconds / 1000.0;
    int slept = -1;
    unsigned long length = LARGE, received = 0;
    char *text = large_text(), *answer = calloc(1, LARGE + 4);
    MYSQL_BIND parameters[2] = {
        {.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = &seconds},
        {.buffer_type = MYSQL_TYPE_STRING, .buffer = text, .buffer_length = LARGE, .length = &length},
    };
    MYSQL_BIND results[2] = {
        {.buffer_type = MYSQL_TYPE_LONG, .buffer = &slept},
        {.buffer_type = MYSQL_TYPE_STRING, .buffer = answer, .buffer_length = LARGE + 4, .length = &received},
    };
    MYSQL_STMT *statement = mysql_stmt_init(connection);
    char *failed = NULL;
    if (mysql_stmt_prepare(statement, query, sizeof query - 1) || mysql_stmt_bind_param(statement, parameters)
        || mysql_stmt_execute(statement) || mysql_stmt_bind_result(statement, results) || mysql_stmt_fetch(statement)) {
        failed = failure("mysql_stmt: %s", mysql_stmt_error(statement));
    } else if (
        slept != 0 || received != LARGE + 4 || memcmp(answer, "got ", 4) != 0 || memcmp(answer + 4, text, LARGE) != 0) {
        failed = failure("the answer differs");
    }
    mysql_stmt_close(statement);
    free(text);
    free(answer);
    return failed;
}

static char *connected(const char *host, unsigned port, const char *socket, char *(*use)(MYSQL *, int), int milliseconds) {
    MYSQL *connection = mysql_init(NULL);
    char *failed = mysql_real_connect(connection, host, "tandem", NULL, NULL, port, socket, 0)
                       ? use(connection, milliseconds)
                       : failure("mysql_real_connect: %s", mysql_error(connection));
    mysql_close(connection);
    return failed;
}

char *mariadb_tcp(int milliseconds) {
    return connected("127.0.0.1", atoi(setting("TANDEM_MARIADB_PORT")), NULL, sleep_in_server, milliseconds);
}

char *mariadb_unix(int milliseconds) {
    return connected(NULL, 0, setting("TANDEM_MARIADB_SOCKET"), sleep_in_server, milliseconds);
}

char *mariadb_prepared(int milliseconds) {
    return connected("127.0.0.1", atoi(setting("TANDEM_MARIADB_PORT")), NULL, send_and_receive, milliseconds);
}
