// An HTTP GET by libcurl's easy interface, which blocks until the transfer has ended.
#ifndef EASY_GET_H
#define EASY_GET_H

#include <stddef.h>

typedef enum { EASY_GET_OK, EASY_GET_TIMED_OUT, EASY_GET_FAILED } easy_get_result;

// Writes the body, which must be shorter than `capacity`, and a zero byte to `body`. Any thread may call it.
easy_get_result easy_get(const char *url, long timeout_ms, long *status, char *body, size_t capacity);

#endif
