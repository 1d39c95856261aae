#include "CRegistry.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transfer {
    registry_answer *answer;
    size_t capacity;
    bool (*is_cancelled)(const void *context);
    const void *context;
};

static size_t append(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    registry_answer *answer = transfer->answer;
    size_t added = size * count;

    if (added > transfer->capacity - answer->length) {
        size_t capacity = 2 * transfer->capacity + added;
        unsigned char *body = realloc(answer->body, capacity);
        if (!body)
            return CURL_WRITEFUNC_ERROR;
        answer->body = body;
        transfer->capacity = capacity;
    }
    memcpy(answer->body + answer->length, bytes, added);
    answer->length += added;
    return added;
}

static int progress(void *context, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t upload_now)
{
    struct transfer *transfer = context;

    (void)total, (void)now, (void)upload_total, (void)upload_now;
    return transfer->is_cancelled(transfer->context);
}

static void copy_header(CURL *easy, const char *name, char *value, size_t capacity)
{
    struct curl_header *header;

    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        snprintf(value, capacity, "%s", header->value);
}

void *registry_handle_create(void) { return curl_easy_init(); }
void registry_handle_free(void *handle) { curl_easy_cleanup(handle); }

registry_outcome registry_get(void *handle, const char *url, const char *etag, long timeout_ms,
                              bool (*is_cancelled)(const void *context), const void *context, registry_answer *answer)
{
    struct transfer transfer = {answer, 0, is_cancelled, context};
    struct curl_slist *fields = NULL;
    char field[160];
    CURLcode result;

    *answer = (registry_answer){0};
    if (!handle)
        return registry_failed;
    curl_easy_reset(handle);
    if (etag) {
        snprintf(field, sizeof field, "If-None-Match: %s", etag);
        fields = curl_slist_append(NULL, field);
    }
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
    result = curl_easy_perform(handle);
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer->status);
    copy_header(handle, "ETag", answer->etag, sizeof answer->etag);
    copy_header(handle, "Retry-After", answer->retry_after, sizeof answer->retry_after);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(fields);
    if (result == CURLE_OK)
        return registry_answered;
    if (result == CURLE_OPERATION_TIMEDOUT)
        return registry_timed_out;
    return result == CURLE_ABORTED_BY_CALLBACK ? registry_cancelled : registry_failed;
}

void registry_answer_free(registry_answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}
