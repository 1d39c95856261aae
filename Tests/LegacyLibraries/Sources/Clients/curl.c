#include "internal.h"
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

struct answer {
    size_t length;
    char text[64];
};

static size_t keep(char *data, size_t size, size_t count, void *into) {
    struct answer *answer = into;
    if (size * count >= sizeof answer->text - answer->length) return 0;
    memcpy(answer->text + answer->length, data, size * count);
    answer->length += size * count;
    return size * count;
}

static char *get(const char *origin, const char *port, const char *authority, int milliseconds) {
    struct answer answer = {0};
    char url[128], expected[32];
    long status = 0;
    snprintf(expected, sizeof expected, "%p", (void *)&answer);
    snprintf(url, sizeof url, "%s:%s/after/%d/%s", origin, port, milliseconds, expected);
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (authority) curl_easy_setopt(curl, CURLOPT_CAINFO, authority);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK) return failure("curl: %s", curl_easy_strerror(code));
    if (status != 200 || strcmp(answer.text, expected) != 0) return failure("status %ld, answer %s", status, answer.text);
    return NULL;
}

char *curl_http(int milliseconds) { return get("http://127.0.0.1", setting("TANDEM_HTTP_PORT"), NULL, milliseconds); }

char *curl_https(int milliseconds) {
    return get("https://localhost", setting("TANDEM_HTTPS_PORT"), setting("TANDEM_AUTHORITY"), milliseconds);
}
