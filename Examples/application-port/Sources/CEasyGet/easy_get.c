#include "easy_get.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

typedef struct {
  char *bytes;
  size_t count, capacity;
} text;

static size_t append(char *bytes, size_t size, size_t count, void *user) {
  text *body = user;
  size *= count;
  if (size >= body->capacity - body->count) return 0;
  memcpy(body->bytes + body->count, bytes, size);
  body->count += size;
  body->bytes[body->count] = 0;
  return size;
}

static void start(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

easy_get_result easy_get(const char *url, long timeout_ms, long *status, char *body, size_t capacity) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
  CURL *curl = curl_easy_init();
  if (!curl) return EASY_GET_FAILED;
  text text = {body, 0, capacity};
  body[0] = 0;
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
  CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
  curl_easy_cleanup(curl);
  return code == CURLE_OK ? EASY_GET_OK : code == CURLE_OPERATION_TIMEDOUT ? EASY_GET_TIMED_OUT : EASY_GET_FAILED;
}
