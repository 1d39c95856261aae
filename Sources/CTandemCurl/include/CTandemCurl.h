/// The parts of libcurl that Swift cannot call: functions with variable arguments, here with one type each.
#ifndef CTANDEM_CURL_H
#define CTANDEM_CURL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// curl_easy_setopt(3), by the type of the value.
CURLcode tandem_curl_set_long(CURL *easy, CURLoption option, long value);
CURLcode tandem_curl_set_offset(CURL *easy, CURLoption option, int64_t value);
CURLcode tandem_curl_set_string(CURL *easy, CURLoption option, const char *_Nullable value);
CURLcode tandem_curl_set_pointer(CURL *easy, CURLoption option, const void *_Nullable value);

/// CURLOPT_HEADERFUNCTION and CURLOPT_WRITEFUNCTION, which get the same context.
void tandem_curl_set_receivers(CURL *easy, curl_write_callback header, curl_write_callback body, void *context);

/// CURLOPT_READFUNCTION and CURLOPT_SEEKFUNCTION, which get the same context: they give the body of the request.
void tandem_curl_set_sender(CURL *easy, curl_read_callback body, curl_seek_callback rewind, void *context);

/// CURLOPT_OPENSOCKETFUNCTION: makes the socket of each connection.
void tandem_curl_set_open_socket(CURL *easy, curl_opensocket_callback open_socket, void *context);

/// CURLOPT_CLOSESOCKETFUNCTION: closes the socket of each connection, maybe long after the handle has gone.
void tandem_curl_set_close_socket(CURL *easy, curl_closesocket_callback close_socket, void *context);

/// CURLOPT_PREREQFUNCTION: asked for each request, also when it goes out on a connection that is open already.
void tandem_curl_set_before_request(CURL *easy, curl_prereq_callback before_request, void *context);

/// Returns the socket of the handle's connection, or CURL_SOCKET_BAD if it has none.
curl_socket_t tandem_curl_socket(CURL *easy);

/// Whether the peer of the handle's TLS connection has sent close_notify (RFC 8446, 6.1). False without OpenSSL: nothing is known.
bool tandem_curl_peer_closed_tls(CURL *easy);

/// Whether the handle's TLS connection has agreed on `protocol` by ALPN (RFC 7301).
bool tandem_curl_speaks(CURL *easy, const char *protocol);

/// Lets a write to the handle's TLS connection that could not be completed be repeated from other memory (SSL_set_mode(3)).
void tandem_curl_let_writes_move(CURL *easy);

/// Whether libcurl was built with a file of certificate authorities.
bool tandem_curl_has_authorities_file(void);

/// A share handle for TLS sessions among the handles of one thread; null without memory.
CURLSH *_Nullable tandem_curl_share_sessions(void);

/// curl_multi_setopt(3).
CURLMcode tandem_curl_multi_set_long(CURLM *multi, CURLMoption option, long value);

/// CURLMOPT_SOCKETFUNCTION and CURLMOPT_TIMERFUNCTION, which get the same context. Null uninstalls.
void tandem_curl_multi_set_events(
    CURLM *multi, curl_socket_callback _Nullable socket, curl_multi_timer_callback _Nullable timer, void *_Nullable context);

/// The next transfer that has ended, and how; null when there is no other.
CURL *_Nullable tandem_curl_multi_next_ended(CURLM *multi, CURLcode *result);

#pragma clang assume_nonnull end
#endif
