// The limit: the cost of an HTTP answer with as little as possible besides the kernel.
//
// One thread, one epoll instance, one read and one write per request (or per batch of pipelined requests). It looks for the end
// of each request head and for three paths, and ignores the rest. Only /echo may have a body, which must be smaller than the
// buffers. The answers have the same fields as Tandem's. Do not expose it to a network.
//
//   GET /plaintext    Hello, World!
//   GET /sleep?ms=N   ok, after N milliseconds
//   POST /echo        the body of the request
//
// Usage: epoll_server PORT      listens on 127.0.0.1 and prints the port; 0 selects a free one

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { IN_SIZE = 8192, ANSWER_SIZE = 256, OUT_SIZE = IN_SIZE + ANSWER_SIZE, EVENTS = 256 };

struct connection {
    int fd;
    bool readable, hung_up, sleeping;
    size_t in_length, out_length;
    char in[IN_SIZE], out[OUT_SIZE];
};

struct answer { char bytes[ANSWER_SIZE]; size_t length; };
struct timer { uint64_t due; struct connection *connection; };

static struct answer hello, ok, not_found;
static struct answer echo_head;  // up to the value of Content-Length, which comes last
static struct timer *heap;  // heap[1] has the earliest deadline
static size_t heap_count, heap_capacity;

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now(void) {  // in microseconds
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void make_answer(struct answer *a, const char *status, const char *body, const char *date) {
    a->length = (size_t)snprintf(a->bytes, ANSWER_SIZE,
        "HTTP/1.1 %s\r\nContent-Length: %zu\r\nContent-Type: text/plain; charset=utf-8\r\nDate: %s\r\n\r\n%s",
        status, strlen(body), date, body);
}

static void make_answers_once_a_second(void) {
    static time_t made;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    if (t.tv_sec == made) return;
    made = t.tv_sec;
    char date[32];
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&made));
    make_answer(&hello, "200 OK", "Hello, World!", date);
    make_answer(&ok, "200 OK", "ok", date);
    make_answer(&not_found, "404 Not Found", "not found", date);
    echo_head.length = (size_t)snprintf(echo_head.bytes, ANSWER_SIZE,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff\r\nDate: %s\r\n"
        "Content-Length: ", date);
}

static void push_timer(uint64_t due, struct connection *c) {
    if (heap_count + 2 > heap_capacity) {
        heap_capacity = heap_capacity ? heap_capacity * 2 : 1024;
        if (!(heap = realloc(heap, heap_capacity * sizeof *heap))) fail("realloc");
    }
    size_t i = ++heap_count;
    for (; i > 1 && heap[i / 2].due > due; i /= 2) heap[i] = heap[i / 2];
    heap[i] = (struct timer){due, c};
}

static struct connection *pop_timer(void) {
    struct connection *first = heap[1].connection;
    struct timer last = heap[heap_count--];
    size_t i = 1;
    for (size_t child; (child = 2 * i) <= heap_count; i = child) {
        if (child < heap_count && heap[child + 1].due < heap[child].due) child++;
        if (heap[child].due >= last.due) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return first;
}

static void append(struct connection *c, const struct answer *a) {
    memcpy(c->out + c->out_length, a->bytes, a->length);
    c->out_length += a->length;
}

// Returns the value of Content-Length in the head from `line` to `end`, or 0 if there is none.
static size_t content_length(const char *line, const char *end) {
    while ((line = memchr(line, '\n', (size_t)(end - line)))) {
        line++;
        if (end - line > 15 && !strncasecmp(line, "Content-Length:", 15)) return strtoull(line + 15, NULL, 10);
    }
    return 0;
}

static void append_echo(struct connection *c, const char *body, size_t length) {
    char digits[20];
    size_t first = sizeof digits;
    for (size_t rest = length; first == sizeof digits || rest; rest /= 10) digits[--first] = (char)('0' + rest % 10);
    append(c, &echo_head);
    char *out = c->out + c->out_length;
    out = mempcpy(out, digits + first, sizeof digits - first);
    out = mempcpy(out, "\r\n\r\n", 4);
    out = mempcpy(out, body, length);
    c->out_length = (size_t)(out - c->out);
}

// Answers the complete requests that have arrived, while there is room for answers. A request that sleeps delays the next ones.
static void answer_requests(struct connection *c) {
    char *next = c->in, *end = c->in + c->in_length, *stop;
    while (!c->sleeping && c->out_length + ANSWER_SIZE <= OUT_SIZE
           && (stop = memmem(next, (size_t)(end - next), "\r\n\r\n", 4))) {
        if (!strncmp(next, "GET /plaintext ", 15)) {
            append(c, &hello);
        } else if (!strncmp(next, "GET /sleep?ms=", 14)) {
            push_timer(now() + strtoull(next + 14, NULL, 10) * 1000, c);
            c->sleeping = true;
        } else if (!strncmp(next, "POST /echo ", 11)) {
            size_t length = content_length(next, stop);
            // Waits for the rest of the body, or for room for the answer. A body that is too long fills the buffer: see serve().
            if (length > (size_t)(end - stop - 4) || c->out_length + ANSWER_SIZE + length > OUT_SIZE) break;
            append_echo(c, stop + 4, length);
            stop += length;
        } else {
            append(c, &not_found);
        }
        next = stop + 4;
    }
    c->in_length = (size_t)(end - next);
    if (c->in_length && next != c->in) memmove(c->in, next, c->in_length);
}

static void drop(struct connection *c) {
    close(c->fd);
    free(c);
}

// Continues a connection until it has to wait for its peer or its timer. The events are edge-triggered: after a short read the
// next bytes cause another event. A hang-up causes only one.
static void serve(struct connection *c) {
    for (;;) {
        answer_requests(c);
        if (c->out_length) {
            ssize_t n = send(c->fd, c->out, c->out_length, MSG_NOSIGNAL);
            if (n < 0 && errno == EAGAIN) return;
            if (n < 0) {
                if (!c->sleeping) return drop(c);
                c->out_length = 0;  // its timer still refers to it
                return;
            }
            c->out_length -= (size_t)n;
            if (c->out_length) memmove(c->out, c->out + n, c->out_length);
            if (c->in_length) continue;
        }
        if (c->sleeping || !c->readable) return;
        if (c->in_length == IN_SIZE) return drop(c);
        size_t room = IN_SIZE - c->in_length;
        ssize_t n = recv(c->fd, c->in + c->in_length, room, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) return drop(c);
        c->readable = n == (ssize_t)room || c->hung_up;
        if (n < 0) return;
        c->in_length += (size_t)n;
    }
}

static void accept_all(int epoll, int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = malloc(sizeof *c);
        if (!c) fail("malloc");
        c->fd = fd;
        c->readable = c->hung_up = c->sleeping = false;
        c->in_length = c->out_length = 0;
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e)) fail("epoll_ctl");
    }
    if (errno != EAGAIN && errno != ECONNABORTED) fail("accept4");
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) || listen(fd, 4096)) fail("listen");
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 2) { fprintf(stderr, "usage: %s PORT\n", argv[0]); return 64; }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int listener = listen_on((uint16_t)atoi(argv[1])), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN}, events[EVENTS];  // an event without a connection belongs to the listener
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e)) fail("epoll");

    for (;;) {
        int timeout = -1;
        if (heap_count) {
            uint64_t t = now();
            timeout = heap[1].due > t ? (int)((heap[1].due - t + 999) / 1000) : 0;
        }
        int n = epoll_wait(epoll, events, EVENTS, timeout);
        if (n < 0 && errno != EINTR) fail("epoll_wait");
        make_answers_once_a_second();
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) { accept_all(epoll, listener); continue; }
            c->hung_up |= (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
            c->readable |= (events[i].events & EPOLLIN) || c->hung_up;
            if (!c->sleeping || c->out_length) serve(c);
        }
        for (uint64_t t = heap_count ? now() : 0; heap_count && heap[1].due <= t;) {
            struct connection *c = pop_timer();
            c->sleeping = false;
            append(c, &ok);
            serve(c);
        }
    }
}
