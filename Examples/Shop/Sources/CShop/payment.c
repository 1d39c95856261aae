#include "payment.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

struct answer {
    char *text;
    size_t capacity, length;
};

static size_t keep(char *bytes, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    size_t length = size * count;

    if (answer->length + length >= answer->capacity)
        return 0;
    memcpy(answer->text + answer->length, bytes, length);
    answer->length += length;
    answer->text[answer->length] = '\0';
    return length;
}

enum shop_status payment_charge(const char *url, long long order, long long cents, char *confirmation, size_t capacity)
{
    struct answer answer = {.text = confirmation, .capacity = capacity};
    char form[80];
    long code = 0;
    CURLcode result;
    CURL *curl = curl_easy_init();

    if (!curl)
        return SHOP_UNAVAILABLE;
    confirmation[0] = '\0';
    snprintf(form, sizeof form, "order=%lld&cents=%lld", order, cents);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, form);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 5L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_cleanup(curl);
    if (code == 402)
        return SHOP_REFUSED;
    if (result == CURLE_OK && code == 200)
        return SHOP_OK;
    fprintf(stderr, "payment: %s, status %ld\n", curl_easy_strerror(result), code);
    return SHOP_UNAVAILABLE;
}
