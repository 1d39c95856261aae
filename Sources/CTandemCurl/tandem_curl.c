#include "CTandemCurl.h"

#include <openssl/ssl.h>
#include <string.h>

CURLcode tandem_curl_set_long(CURL *easy, CURLoption option, long value) { return curl_easy_setopt(easy, option, value); }

CURLcode tandem_curl_set_offset(CURL *easy, CURLoption option, int64_t value) {
  return curl_easy_setopt(easy, option, (curl_off_t)value);
}

CURLcode tandem_curl_set_string(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}

CURLcode tandem_curl_set_pointer(CURL *easy, CURLoption option, const void *value) {
  return curl_easy_setopt(easy, option, value);
}

// These calls cannot fail: libcurl only stores the pointers.

void tandem_curl_set_receivers(CURL *easy, curl_write_callback header, curl_write_callback body, void *context) {
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, context);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, context);
}

void tandem_curl_set_sender(CURL *easy, curl_read_callback body, curl_seek_callback rewind, void *context) {
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, body);
  curl_easy_setopt(easy, CURLOPT_READDATA, context);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, context);
}

void tandem_curl_set_open_socket(CURL *easy, curl_opensocket_callback open_socket, void *context) {
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, context);
}

void tandem_curl_set_close_socket(CURL *easy, curl_closesocket_callback close_socket, void *context) {
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, context);
}

void tandem_curl_set_before_request(CURL *easy, curl_prereq_callback before_request, void *context) {
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, context);
}

CURLMcode tandem_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

void tandem_curl_multi_set_events(
    CURLM *multi, curl_socket_callback socket, curl_multi_timer_callback timer, void *context) {
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, context);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, context);
}

CURL *tandem_curl_multi_next_ended(CURLM *multi, CURLcode *result) {
  int left;
  for (;;) {
    CURLMsg *message = curl_multi_info_read(multi, &left);
    if (!message) return NULL;
    if (message->msg != CURLMSG_DONE) continue;
    *result = message->data.result;
    return message->easy_handle;
  }
}

curl_socket_t tandem_curl_socket(CURL *easy) {
  curl_socket_t socket = CURL_SOCKET_BAD;
  return curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK ? socket : CURL_SOCKET_BAD;
}

// Returns OpenSSL's object for the connection, or NULL. Use it only with functions that inspect or configure it: the others
// would do I/O that libcurl does not know of.
static SSL *tls(CURL *easy) {
  struct curl_tlssessioninfo *info = NULL;
  if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL) return NULL;
  return info->backend == CURLSSLBACKEND_OPENSSL ? info->internals : NULL;
}

bool tandem_curl_peer_closed_tls(CURL *easy) {
  SSL *ssl = tls(easy);
  return ssl != NULL && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool tandem_curl_speaks(CURL *easy, const char *protocol) {
  SSL *ssl = tls(easy);
  if (ssl == NULL) return false;
  const unsigned char *agreed = NULL;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl, &agreed, &length);
  return length == strlen(protocol) && memcmp(agreed, protocol, length) == 0;
}

void tandem_curl_let_writes_move(CURL *easy) {
  SSL *ssl = tls(easy);
  if (ssl != NULL) SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

bool tandem_curl_has_authorities_file(void) {
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  return info->age >= CURLVERSION_SEVENTH && info->cainfo != NULL;
}

CURLSH *tandem_curl_share_sessions(void) {
  CURLSH *share = curl_share_init();
  if (share != NULL) curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  return share;
}
