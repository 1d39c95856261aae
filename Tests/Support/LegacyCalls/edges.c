#define _GNU_SOURCE
#include "LegacyCalls.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* What the manual pages and glibc promise beyond the usual use of a call. Each client waits at least 200 ms. */

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* An OS thread that reads from 200 ms later until the end. */
static void *drain(void *context) {
  char bytes[4096];
  usleep(200000);
  while (read((int)(intptr_t)context, bytes, sizeof bytes) > 0) {}
  return NULL;
}

static pthread_t start(void *(*run)(void *context), intptr_t context) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, (void *)context) != 0) abort();
  return thread;
}

/* MARK: Locks */

typedef struct meeting {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  int has_begun, is_over;
} meeting;

static void *wait_in_meeting(void *context) {
  meeting *meeting = context;
  pthread_mutex_lock(&meeting->mutex);
  __atomic_store_n(&meeting->has_begun, 1, __ATOMIC_RELEASE);
  usleep(200000);
  while (!meeting->is_over) pthread_cond_wait(&meeting->condition, &meeting->mutex);
  pthread_mutex_unlock(&meeting->mutex);
  return NULL;
}

/* pthread_cond_wait of an OS thread unlocks a mutex that a green thread waits for. */
static const char *run_condition_unlocks(void) {
  /* At irregular distances, so that some of the mutexes share a part of the table of waiters. */
  static char rooms[128 * 144 * 8] __attribute__((aligned(64)));
  static int begun;
  int room = __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED) % 128;
  meeting *meeting = (struct meeting *)(void *)(rooms + room * (room + 16) * 8);
  *meeting = (struct meeting){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  pthread_t thread = start(wait_in_meeting, (intptr_t)meeting);
  while (!__atomic_load_n(&meeting->has_begun, __ATOMIC_ACQUIRE)) usleep(1000);
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 10;
  CHECK(pthread_mutex_timedlock(&meeting->mutex, &limit) == 0);
  meeting->is_over = 1;
  CHECK(pthread_cond_signal(&meeting->condition) == 0 && pthread_mutex_unlock(&meeting->mutex) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  return NULL;
}

typedef struct nested {
  pthread_mutex_t mutex;
  int inside;
} nested;

/* A mutex that inherits priority, and may be locked twice by its owner: the green threads of a hub are different owners. */
static nested inheriting;
static void create_inheriting(void) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&inheriting.mutex, &kind);
}
static const char *run_inheriting_mutex(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, create_inheriting);
  CHECK(pthread_mutex_lock(&inheriting.mutex) == 0 && pthread_mutex_trylock(&inheriting.mutex) == 0);
  CHECK(inheriting.inside++ == 0);
  usleep(1000);
  CHECK(--inheriting.inside == 0);
  CHECK(pthread_mutex_unlock(&inheriting.mutex) == 0 && pthread_mutex_unlock(&inheriting.mutex) == 0);
  usleep(200000);
  return NULL;
}

void legacy_slow_routine(void) { usleep(200000); }

/* MARK: Descriptors */

/* A regular file never has these events. */
static const char *run_poll_file(void) {
  FILE *file = tmpfile();
  CHECK(file);
  struct pollfd entry = {.fd = fileno(file), .events = POLLPRI};
  double began = seconds();
  CHECK(poll(&entry, 1, 100) == 0 && seconds() - began >= 0.1);
  fd_set errors;
  FD_ZERO(&errors);
  FD_SET(fileno(file), &errors);
  CHECK(select(fileno(file) + 1, NULL, NULL, &errors, &(struct timeval){0, 100000}) == 0);
  fclose(file);
  return NULL;
}

static const char *run_invalid_times(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  struct timespec negative = {-1, 0};
  CHECK(sigtimedwait(&set, NULL, &negative) == -1 && errno == EINVAL);
  int semaphores = semget(IPC_PRIVATE, 1, 0600);
  CHECK(semaphores >= 0);
  int result = semtimedop(semaphores, &(struct sembuf){0, -1, 0}, 1, &negative), error = errno;
  semctl(semaphores, 0, IPC_RMID);
  CHECK(result == -1 && error == EINVAL);
  usleep(200000);
  return NULL;
}

static in_port_t refused_port(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, length) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0) abort();
  close(fd);
  return address.sin_port;
}

static const char *run_connect_again(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = refused_port()};
  CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno == ECONNREFUSED);
  CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno == ECONNREFUSED);
  close(fd);
  usleep(200000);
  return NULL;
}

static const char *run_sendfile_whole(void) {
  int pair[2];
  size_t size = 4 << 20;
  FILE *file = tmpfile();
  CHECK(file && ftruncate(fileno(file), (off_t)size) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pthread_t thread = start(drain, pair[1]);
  ssize_t sent = sendfile(pair[0], fileno(file), NULL, size);
  CHECK(sent == (ssize_t)size);
  close(pair[0]);
  CHECK(pthread_join(thread, NULL) == 0);
  close(pair[1]);
  fclose(file);
  return NULL;
}

static const char *run_terminal_full(void) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
  int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  CHECK(terminal >= 0);
  struct termios mode;
  tcgetattr(terminal, &mode);
  cfmakeraw(&mode);
  tcsetattr(terminal, TCSANOW, &mode);
  static char bytes[200000];
  pthread_t thread = start(drain, master);
  CHECK(write(terminal, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
  CHECK((fcntl(terminal, F_GETFL) & O_NONBLOCK) == 0);
  close(terminal);
  CHECK(pthread_join(thread, NULL) == 0);
  close(master);
  return NULL;
}

/* The descriptors of a message that MSG_WAITALL receives in two parts. */
static void send_descriptor(int fd, const char *text) {
  union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.head), &(int){0}, sizeof(int));
  struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
  if (sendmsg(fd, &message, 0) != (ssize_t)part.iov_len) abort();
}
static void *send_descriptors(void *context) {
  usleep(200000);
  send_descriptor((int)(intptr_t)context, "abc");
  send_descriptor((int)(intptr_t)context, "def");
  return NULL;
}
static const char *run_waitall_descriptors(void) {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pthread_t thread = start(send_descriptors, pair[1]);
  for (int turn = 0; turn < 2; turn++) {
    char text[6], control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {text, 6};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(pair[0], &message, MSG_WAITALL) == 3 && message.msg_controllen > 0 && !(message.msg_flags & MSG_CTRUNC));
    int received;
    memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
    close(received);
  }
  CHECK(pthread_join(thread, NULL) == 0);
  close(pair[0]), close(pair[1]);
  return NULL;
}

/* Half of a file is in memory. */
static const char *run_file_half_cached(void) {
  char path[] = "/var/tmp/tandem-legacy-XXXXXX";
  size_t size = 256 << 10;
  int fd = mkstemp(path);
  char *bytes = calloc(1, size);
  CHECK(fd >= 0 && unlink(path) == 0 && write(fd, bytes, size) == (ssize_t)size && fdatasync(fd) == 0);
  posix_fadvise(fd, (off_t)size / 2, 0, POSIX_FADV_DONTNEED);
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  ssize_t taken = read(fd, bytes, size);
  CHECK(taken == (ssize_t)size);
  posix_fadvise(fd, (off_t)size / 2, 0, POSIX_FADV_DONTNEED);
  CHECK(pread(fd, bytes, size, 0) == (ssize_t)size);
  close(fd);
  free(bytes);
  usleep(200000);
  return NULL;
}

/* MARK: Streams */

static void *write_later(void *context) {
  usleep(200000);
  if (write((int)(intptr_t)context, "later\n", 6) != 6) abort();
  return NULL;
}

static const char *run_stream_pushed_back(void) {
  int ends[2];
  CHECK(pipe(ends) == 0 && write(ends[1], "abc", 3) == 3);
  FILE *stream = fdopen(ends[0], "r");
  double began = seconds();
  CHECK(getc(stream) == 'a' && ungetc('X', stream) == 'X' && getc(stream) == 'X');
  pthread_t thread = start(write_later, ends[1]);
  CHECK(getc(stream) == 'b' && seconds() - began < 0.1 && getc(stream) == 'c' && getc(stream) == 'l');
  CHECK(pthread_join(thread, NULL) == 0);
  fclose(stream);
  close(ends[1]);
  return NULL;
}

static const char *run_stream_limit(void) {
  int pair[2];
  char line[8];
  struct timeval limit = {0, 200000};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  FILE *stream = fdopen(pair[0], "r");
  double began = seconds();
  CHECK(!fgets(line, sizeof line, stream) && errno == EAGAIN && ferror(stream));
  CHECK(seconds() - began < 0.35);
  fclose(stream);
  close(pair[1]);
  return NULL;
}

static const char *run_stream_wide(void) {
  int ends[2];
  char text[16] = "";
  CHECK(pipe(ends) == 0);
  FILE *stream = fdopen(ends[1], "w");
  CHECK(fputws(L"hello", stream) >= 0 && fflush(stream) == 0);
  CHECK(read(ends[0], text, sizeof text) == 5 && strcmp(text, "hello") == 0);
  CHECK(fputws(L"again", stream) >= 0 && fclose(stream) == 0);
  CHECK(read(ends[0], text, sizeof text) == 5 && strcmp(text, "again") == 0);
  close(ends[0]);
  usleep(200000);
  return NULL;
}

static void *answer(void *context) {
  int fd = (int)(intptr_t)context;
  char text[8];
  if (read(fd, text, 8) == 4) {
    usleep(200000);
    if (write(fd, "world\n", 6) != 6) abort();
  }
  return NULL;
}

/* glibc writes what is pending before it reads. */
static const char *run_stream_both(void) {
  int pair[2];
  char line[16];
  struct timeval limit = {2, 0};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  pthread_t thread = start(answer, pair[1]);
  FILE *stream = fdopen(pair[0], "r+");
  CHECK(fputs("ask\n", stream) >= 0 && fgets(line, sizeof line, stream) && strcmp(line, "world\n") == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  fclose(stream);
  close(pair[1]);
  return NULL;
}

static int fill_pipe(int fd) {
  static char bytes[4096];
  int flags = fcntl(fd, F_GETFL), total = 0;
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  for (ssize_t put; (put = write(fd, bytes, sizeof bytes)) > 0;) total += (int)put;
  fcntl(fd, F_SETFL, flags);
  return total;
}

static const char *run_stream_small(void) {
  int ends[2];
  char buffer[64];
  CHECK(pipe(ends) == 0);
  FILE *stream = fdopen(ends[1], "w");
  CHECK(setvbuf(stream, buffer, _IOFBF, sizeof buffer) == 0 && fill_pipe(ends[1]) > 0);
  pthread_t thread = start(drain, ends[0]);
  CHECK(fputs("hello", stream) >= 0 && fflush(stream) == 0);
  fclose(stream);
  CHECK(pthread_join(thread, NULL) == 0);
  close(ends[0]);
  return NULL;
}

extern int __overflow(FILE *stream, int byte);

/* putc_unlocked of optimized code puts bytes into the buffer, and calls this when it is full. */
static const char *run_stream_overflow(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  FILE *stream = fdopen(ends[1], "w");
  CHECK(fill_pipe(ends[1]) > 0);
  pthread_t thread = start(drain, ends[0]);
  for (int count = 0; count < 10000; count++) {
    if (stream->_IO_write_ptr < stream->_IO_write_end) *stream->_IO_write_ptr++ = 'y';
    else CHECK(__overflow(stream, 'y') == 'y');
  }
  fclose(stream);
  CHECK(pthread_join(thread, NULL) == 0);
  close(ends[0]);
  return NULL;
}

static void *write_mebibyte(void *context) {
  int fd = (int)(intptr_t)context;
  char *bytes = calloc(1, 1 << 20);
  usleep(200000);
  if (write(fd, bytes, 1 << 20) != 1 << 20) abort();
  close(fd);
  free(bytes);
  return NULL;
}

static const char *run_stream_unbuffered(void) {
  int ends[2];
  char *bytes = malloc(1 << 20);
  CHECK(pipe(ends) == 0);
  FILE *stream = fdopen(ends[0], "r");
  setvbuf(stream, NULL, _IONBF, 0);
  pthread_t thread = start(write_mebibyte, ends[1]);
  double began = seconds();
  CHECK(fread(bytes, 1, 1 << 20, stream) == 1 << 20);
  CHECK(seconds() - began < 2);
  CHECK(getc(stream) == EOF && feof(stream) && !ferror(stream));
  CHECK(pthread_join(thread, NULL) == 0);
  fclose(stream);
  free(bytes);
  return NULL;
}

/* A stream that its owner locked and closed: another one may get its memory. */
static const char *run_stream_locked_close(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  FILE *stream = fdopen(ends[0], "r");
  flockfile(stream);
  fclose(stream);
  close(ends[1]);
  usleep(200000);
  CHECK(pipe(ends) == 0);
  FILE *next = fdopen(ends[0], "r");
  CHECK(ftrylockfile(next) == 0);
  funlockfile(next);
  fclose(next);
  close(ends[1]);
  return NULL;
}

static const legacy_call all[] = {
    {"condition-unlocks", run_condition_unlocks},
    {"inheriting-mutex", run_inheriting_mutex},
    {"poll-file", run_poll_file},
    {"invalid-times", run_invalid_times},
    {"connect-again", run_connect_again},
    {"sendfile-whole", run_sendfile_whole},
    {"terminal-full", run_terminal_full},
    {"waitall-descriptors", run_waitall_descriptors},
    {"file-half-cached", run_file_half_cached},
    {"stream-pushed-back", run_stream_pushed_back},
    {"stream-limit", run_stream_limit},
    {"stream-wide", run_stream_wide},
    {"stream-both", run_stream_both},
    {"stream-small", run_stream_small},
    {"stream-overflow", run_stream_overflow},
    {"stream-unbuffered", run_stream_unbuffered},
    {"stream-locked-close", run_stream_locked_close},
    {NULL, NULL},
};

const legacy_call *legacy_edges(void) { return all; }
