/// OpenSSL's headers, and its macros as functions, because Swift cannot call macros.
#ifndef TANDEM_OPENSSL_H
#define TANDEM_OPENSSL_H

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/// Tells OpenSSL that a BIO has nothing to read, or no room to write, at the moment, so that it reports SSL_ERROR_WANT_READ or
/// SSL_ERROR_WANT_WRITE instead of an error (BIO_set_retry_read(3)).
static inline void tandem_bio_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void tandem_bio_retry_write(BIO *bio) { BIO_set_retry_write(bio); }
static inline void tandem_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

static inline int tandem_ssl_ctx_set_minimum_version(SSL_CTX *context, int version) {
  return SSL_CTX_set_min_proto_version(context, version);
}
static inline int tandem_ssl_ctx_set_groups(SSL_CTX *context, const char *groups) {
  return SSL_CTX_set1_groups_list(context, (char *)groups);
}
static inline int tandem_ssl_ctx_add_chain(SSL_CTX *context, X509 *certificate) {
  return SSL_CTX_add1_chain_cert(context, certificate);
}
static inline void tandem_ssl_ctx_disable_cache(SSL_CTX *context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}
static inline void tandem_ssl_ctx_read_ahead(SSL_CTX *context) { SSL_CTX_set_read_ahead(context, 1); }

/// Allows partial writes, and retries of a write from other memory. Releases OpenSSL's buffers while they are empty
/// (SSL_CTX_set_mode(3)).
static inline void tandem_ssl_ctx_set_modes(SSL_CTX *context) {
  SSL_CTX_set_mode(
      context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}
static inline void tandem_ssl_ctx_set_options(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}
static inline void tandem_ssl_ctx_disable_tickets(SSL_CTX *context) { SSL_CTX_set_options(context, SSL_OP_NO_TICKET); }
static inline void tandem_ssl_ctx_on_server_name(SSL_CTX *context, int (*callback)(SSL *, int *, void *)) {
  SSL_CTX_set_tlsext_servername_callback(context, callback);
}

static inline void tandem_ssl_set_owner(SSL *ssl, void *owner) { SSL_set_app_data(ssl, owner); }
static inline void *tandem_ssl_owner(const SSL *ssl) { return SSL_get_app_data(ssl); }
static inline const char *tandem_ssl_cipher(const SSL *ssl) { return SSL_get_cipher_name(ssl); }

static inline int tandem_error_library(unsigned long error) { return ERR_GET_LIB(error); }
static inline int tandem_error_reason(unsigned long error) { return ERR_GET_REASON(error); }

/// Prepares the cipher and the MAC of a session ticket: AES-256-CBC and HMAC-SHA-256 (RFC 5077, 4), with keys of 32 bytes each.
/// Returns 1 on success and 0 on failure.
static inline int tandem_ticket_prepare(
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const EVP_CIPHER *algorithm, const unsigned char *cipher_key,
    const unsigned char *mac_key, const unsigned char *iv, int encrypt) {
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)mac_key, 32),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, parameters) &&
         EVP_CipherInit_ex2(cipher, algorithm, cipher_key, iv, encrypt, NULL);
}

/// Whether the server is writing the session tickets of TLS 1.3, which follow the handshake.
static inline int tandem_ssl_writes_tickets(const SSL *ssl) {
  return SSL_get_state(ssl) == TLS_ST_SW_SESSION_TICKET && SSL_version(ssl) == TLS1_3_VERSION;
}

/// Whether an error is an alert that the peer has sent.
static inline int tandem_error_is_alert(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET;
}

/// Prints a distinguished name by RFC 4514, in UTF-8.
static inline int tandem_x509_print_name(BIO *bio, const X509_NAME *name) {
  return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
}

/// Prints the names and addresses that a certificate is for, such as "DNS:localhost, IP Address:127.0.0.1". Prints nothing if it
/// has none.
static inline void tandem_x509_print_hosts(BIO *bio, X509 *certificate) {
  int index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  if (index >= 0) X509V3_EXT_print(bio, X509_get_ext(certificate, index), 0, 0);
}

#endif
