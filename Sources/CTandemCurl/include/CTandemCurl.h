/// Wrappers for the functions of libcurl that Swift cannot call because they take variable arguments. Each wrapper takes
/// arguments of one type.
#ifndef CTANDEM_CURL_H
#define CTANDEM_CURL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Call curl_easy_setopt(3); one function per type of value.
CURLcode tandem_curl_set_long(CURL *easy, CURLoption option, long value);
CURLcode tandem_curl_set_offset(CURL *easy, CURLoption option, int64_t value);
CURLcode tandem_curl_set_string(CURL *easy, CURLoption option, const char *_Nullable value);
CURLcode tandem_curl_set_pointer(CURL *easy, CURLoption option, const void *_Nullable value);

/// Sets CURLOPT_HEADERFUNCTION and CURLOPT_WRITEFUNCTION. Both callbacks get `context`.
void tandem_curl_set_receivers(CURL *easy, curl_write_callback header, curl_write_callback body, void *context);

/// Sets CURLOPT_READFUNCTION and CURLOPT_SEEKFUNCTION, which supply the body of the request. Both callbacks get `context`.
void tandem_curl_set_sender(CURL *easy, curl_read_callback body, curl_seek_callback rewind, void *context);

/// Sets CURLOPT_OPENSOCKETFUNCTION, which creates the socket of each connection.
void tandem_curl_set_open_socket(CURL *easy, curl_opensocket_callback open_socket, void *context);

/// Sets CURLOPT_CLOSESOCKETFUNCTION, which closes the socket of each connection. libcurl may call it long after the handle is
/// freed.
void tandem_curl_set_close_socket(CURL *easy, curl_closesocket_callback close_socket, void *context);

/// Sets CURLOPT_PREREQFUNCTION, which libcurl calls before each request, also on a connection that is already open.
void tandem_curl_set_before_request(CURL *easy, curl_prereq_callback before_request, void *context);

/// Returns the socket of the handle's connection, or CURL_SOCKET_BAD if it has none.
curl_socket_t tandem_curl_socket(CURL *easy);

/// Returns whether the peer of the handle's TLS connection has sent close_notify (RFC 8446 section 6.1). Returns false if libcurl
/// does not use OpenSSL, because then the answer is unknown.
bool tandem_curl_peer_closed_tls(CURL *easy);

/// Returns whether the handle's TLS connection has agreed on `protocol` by ALPN (RFC 7301).
bool tandem_curl_speaks(CURL *easy, const char *protocol);

/// Allows partial writes to the handle's TLS connection, and retries of a write from other memory (SSL_set_mode(3)).
void tandem_curl_let_writes_move(CURL *easy);

/// Returns whether libcurl was built with a default file of certificate authorities.
bool tandem_curl_has_authorities_file(void);

/// Returns a new share handle, by which the handles of one thread share TLS sessions. Returns null if there is no memory. The
/// caller frees it with curl_share_cleanup(3).
CURLSH *_Nullable tandem_curl_share_sessions(void);

/// Calls curl_multi_setopt(3).
CURLMcode tandem_curl_multi_set_long(CURLM *multi, CURLMoption option, long value);

/// Sets CURLMOPT_SOCKETFUNCTION and CURLMOPT_TIMERFUNCTION. Both callbacks get `context`. Null removes a callback.
void tandem_curl_multi_set_events(
    CURLM *multi, curl_socket_callback _Nullable socket, curl_multi_timer_callback _Nullable timer, void *_Nullable context);

/// Returns the handle of the next transfer that has ended, and sets `result` to its outcome. Returns null if there is none left.
CURL *_Nullable tandem_curl_multi_next_ended(CURLM *multi, CURLcode *result);

#pragma clang assume_nonnull end
#endif
