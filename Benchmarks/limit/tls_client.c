// Opens sequential TLS connections to 127.0.0.1 in several threads, for a number of seconds. Each makes a full TLS 1.3 handshake,
// sends one GET and closes. Prints the number of completed connections.
//
// Usage: tls_client PORT PATH SECONDS THREADS

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static SSL_CTX *context;
static int port;
static char request[512];
static struct timespec end;
static atomic_long completed;

static void fail(const char *what) {
  fprintf(stderr, "tls_client: %s failed\n", what);
  exit(1);
}

static int is_over(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec);
}

static void fetch(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  SSL_set_tlsext_host_name(ssl, "localhost");
  char answer[4096];
  if (SSL_connect(ssl) != 1) fail("the handshake");
  if (SSL_write(ssl, request, strlen(request)) <= 0) fail("the request");
  int got = SSL_read(ssl, answer, sizeof answer);
  if (got < 12 || memcmp(answer, "HTTP/1.1 200", 12) != 0) fail("the response");
  SSL_shutdown(ssl);
  SSL_free(ssl);
  close(fd);
  completed++;
}

static void *run(void *unused) {
  while (!is_over()) fetch();
  return unused;
}

int main(int count, char **arguments) {
  if (count != 5) return fprintf(stderr, "usage: tls_client PORT PATH SECONDS THREADS\n"), 2;
  port = atoi(arguments[1]);
  snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", arguments[2]);
  int threads = atoi(arguments[4]);
  context = SSL_CTX_new(TLS_client_method());
  if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION)) fail("OpenSSL");
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += atoi(arguments[3]);
  pthread_t started[threads];
  for (int i = 0; i < threads; i++)
    if (pthread_create(&started[i], NULL, run, NULL) != 0) fail("pthread_create");
  for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
  printf("%ld\n", completed);
}
