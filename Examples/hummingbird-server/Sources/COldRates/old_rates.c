// A blocking client, as C programs have had it for decades: a connection per request, send(2), and recv(2) until the line is complete.
#define _GNU_SOURCE

#include "old_rates.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_all(int connection, const char *text, size_t length) {
    while (length > 0) {
        ssize_t sent = send(connection, text, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return -1;
        text += sent;
        length -= (size_t)sent;
    }
    return 0;
}

/// Reads up to the end of a line. Returns the bytes read, 0 if the partner closed the connection first, or -1.
static ssize_t read_line(int connection, char *line, size_t size) {
    size_t used = 0;
    while (used < size - 1) {
        ssize_t received = recv(connection, line + used, size - 1 - used, 0);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) return received;
        used += (size_t)received;
        line[used] = '\0';
        if (line[used - 1] == '\n') return (ssize_t)used;
    }
    errno = EMSGSIZE;
    return -1;
}

enum old_rates_status old_rates_get(uint16_t port, const char *currency, long *rate, int *error) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char line[64];
    enum old_rates_status status = OLD_RATES_UNAVAILABLE;
    *error = 0;

    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0) {
        *error = errno;
        return status;
    }
    int length = snprintf(line, sizeof line, "RATE %.16s\n", currency);
    ssize_t received = -1;
    if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0 && send_all(connection, line, (size_t)length) == 0)
        received = read_line(connection, line, sizeof line);
    if (received < 0) {
        *error = errno;
    } else if (received > 0 && sscanf(line, "OK %ld", rate) == 1) {
        status = OLD_RATES_OK;
    } else if (received > 0) {
        status = OLD_RATES_UNKNOWN;
    }
    close(connection);
    return status;
}
