// The limit for fetching: libcurl's multi interface, driven by epoll, and nothing else. Fetches one URL repeatedly, IN_FLIGHT at
// a time, and prints the fetches per second.
//
// Usage: curl_multi URL IN_FLIGHT FETCHES
#define _GNU_SOURCE
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

static CURLM *multi;
static int epoll, running;
static long timeout = -1;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *context, void *known) {
  (void)easy, (void)context;
  struct epoll_event event = {
      .events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0), .data.fd = fd};
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
  } else {
    epoll_ctl(epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    curl_multi_assign(multi, fd, multi);
  }
  return 0;
}

static int timer_changed(CURLM *same, long milliseconds, void *context) {
  (void)same, (void)context;
  timeout = milliseconds;
  return 0;
}

static size_t take(char *bytes, size_t size, size_t count, void *total) {
  (void)bytes;
  *(size_t *)total += size * count;
  return size * count;
}

int main(int count, char **words) {
  if (count != 4) return fprintf(stderr, "usage: %s URL IN_FLIGHT FETCHES\n", words[0]), 2;
  int in_flight = atoi(words[2]), left = atoi(words[3]), ended = 0, total = left;
  size_t bytes = 0;
  curl_global_init(CURL_GLOBAL_ALL);
  multi = curl_multi_init();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_changed);
  double start = now();
  for (int index = 0; index < in_flight && left; index++, left--) {
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, words[1]);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_multi_add_handle(multi, easy);
  }
  while (ended < total) {
    struct epoll_event events[256];
    int found = epoll_wait(epoll, events, 256, timeout < 0 ? 1000 : (int)timeout);
    if (!found || timeout == 0) curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    for (int index = 0; index < found; index++) {
      int ready = (events[index].events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events[index].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                  (events[index].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(multi, events[index].data.fd, ready, &running);
    }
    int messages;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &messages));) {
      if (message->data.result != CURLE_OK) return fprintf(stderr, "%s\n", curl_easy_strerror(message->data.result)), 1;
      CURL *easy = message->easy_handle;
      ended++;
      curl_multi_remove_handle(multi, easy);
      if (left > 0) left--, curl_multi_add_handle(multi, easy);
    }
  }
  if (!bytes) return fprintf(stderr, "the server answered nothing\n"), 1;
  printf("%.0f\n", total / (now() - start));
}
