#ifndef CREGISTRY_H
#define CREGISTRY_H

#include <stdbool.h>
#include <stddef.h>

typedef enum registry_outcome {
    registry_answered,
    registry_timed_out,
    registry_cancelled,
    registry_failed,
} registry_outcome;

/* An answer of any status. The body is freed by registry_answer_free. */
typedef struct registry_answer {
    long status;
    char etag[128];
    char retry_after[64];
    unsigned char *body;
    size_t length;
} registry_answer;

/* An easy handle. It keeps its connection for the next request. One thread at a time. */
void *registry_handle_create(void);
void registry_handle_free(void *handle);

/* Sends a GET request and waits for the whole answer. libcurl calls is_cancelled about once per second, and more often while
   bytes arrive. */
registry_outcome registry_get(void *handle, const char *url, const char *etag, long timeout_ms,
                              bool (*is_cancelled)(const void *context), const void *context, registry_answer *answer);
void registry_answer_free(registry_answer *answer);

#endif
