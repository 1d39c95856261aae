#include "internal.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

static char *error(const char *call) { return failure("%s: %s", call, ERR_reason_error_string(ERR_get_error())); }

static char *get(BIO *bio, int milliseconds) {
    char text[4096], expected[32];
    int length = 0, count;
    if (BIO_do_connect(bio) <= 0) return error("BIO_do_connect");
    snprintf(expected, sizeof expected, "%p", (void *)&text);
    int size = snprintf(
        text, sizeof text, "GET /after/%d/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", milliseconds, expected);
    if (BIO_write(bio, text, size) != size) return error("BIO_write");
    while ((count = BIO_read(bio, text + length, sizeof text - 1 - length)) > 0) length += count;
    text[length] = 0;
    const char *body = strstr(text, "\r\n\r\n");
    if (strncmp(text, "HTTP/1.1 200 ", 13) != 0 || !body || strcmp(body + 4, expected) != 0) {
        return failure("the answer: '%s'", text);
    }
    return NULL;
}

char *bio_plain(int milliseconds) {
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%s", setting("TANDEM_HTTP_PORT"));
    BIO *bio = BIO_new_connect(address);
    char *failed = get(bio, milliseconds);
    BIO_free_all(bio);
    return failed;
}

char *bio_tls(int milliseconds) {
    char address[32];
    char *failed = NULL;
    snprintf(address, sizeof address, "127.0.0.1:%s", setting("TANDEM_HTTPS_PORT"));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (!SSL_CTX_load_verify_file(context, setting("TANDEM_AUTHORITY"))) failed = error("SSL_CTX_load_verify_file");
    if (!failed) {
        BIO *bio = BIO_new_ssl_connect(context);
        SSL *ssl = NULL;
        BIO_get_ssl(bio, &ssl);
        SSL_set_mode(ssl, SSL_MODE_AUTO_RETRY);
        SSL_set_tlsext_host_name(ssl, "localhost");
        SSL_set1_host(ssl, "localhost");
        BIO_set_conn_hostname(bio, address);
        failed = get(bio, milliseconds);
        BIO_free_all(bio);
    }
    SSL_CTX_free(context);
    return failed;
}
