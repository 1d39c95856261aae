#define _GNU_SOURCE
#include "CLegacyFetch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

typedef struct transfer {
  const legacy_fetch_limits *limits;
  legacy_fetch_answer *answer;
  size_t capacity;
  bool is_refused, is_too_long;
} transfer;

static size_t append(char *bytes, size_t size, size_t count, void *context) {
  transfer *transfer = context;
  legacy_fetch_answer *answer = transfer->answer;
  size_t added = size * count;
  if (added > transfer->limits->bytes - answer->length) {
    transfer->is_too_long = true;
    return CURL_WRITEFUNC_ERROR;
  }
  if (added > transfer->capacity - answer->length) {
    size_t capacity = 2 * transfer->capacity + added;
    unsigned char *body = realloc(answer->body, capacity);
    if (!body) return CURL_WRITEFUNC_ERROR;
    answer->body = body;
    transfer->capacity = capacity;
  }
  if (added) memcpy(answer->body + answer->length, bytes, added);
  answer->length += added;
  return added;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
  (void)purpose;
  transfer *transfer = context;
  if (!transfer->limits->permits(transfer->limits->context, &address->addr, address->addrlen)) {
    transfer->is_refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

legacy_fetch_outcome legacy_fetch(const char *url, const legacy_fetch_limits *limits, legacy_fetch_answer *answer) {
  *answer = (legacy_fetch_answer){0};
  CURL *easy = curl_easy_init();
  if (!easy) {
    answer->error = curl_easy_strerror(CURLE_OUT_OF_MEMORY);
    return legacy_fetch_failed;
  }
  transfer transfer = {limits, answer, 0, false, false};
  /* The other options only store numbers and pointers. */
  CURLcode result = curl_easy_setopt(easy, CURLOPT_URL, url);
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  /* A proxy of the environment would be connected in place of the host whose address is checked. */
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_PROXY, "");
  if (result == CURLE_OK && limits->authorities) result = curl_easy_setopt(easy, CURLOPT_CAINFO, limits->authorities);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, limits->timeout_ms);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, limits->connect_timeout_ms);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  if (result == CURLE_OK) result = curl_easy_perform(easy);
  if (result == CURLE_OK) {
    char *type = NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    if (type && !(answer->type = strdup(type))) result = CURLE_OUT_OF_MEMORY;
  }
  curl_easy_cleanup(easy);
  if (result == CURLE_OK) return legacy_fetch_done;
  answer->error = curl_easy_strerror(result);
  if (transfer.is_too_long) return legacy_fetch_too_long;
  if (result == CURLE_OPERATION_TIMEDOUT) return legacy_fetch_timed_out;
  return transfer.is_refused ? legacy_fetch_refused : legacy_fetch_failed;
}

void legacy_fetch_free(legacy_fetch_answer *answer) {
  free(answer->type);
  free(answer->body);
  *answer = (legacy_fetch_answer){0};
}
