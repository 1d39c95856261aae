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
  meeting meeting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  pthread_t thread = start(wait_in_meeting, (intptr_t)&meeting);
  while (!__atomic_load_n(&meeting.has_begun, __ATOMIC_ACQUIRE)) usleep(1000);
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 10;
  CHECK(pthread_mutex_timedlock(&meeting.mutex, &limit) == 0);
  meeting.is_over = 1;
  CHECK(pthread_cond_signal(&meeting.condition) == 0 && pthread_mutex_unlock(&meeting.mutex) == 0);
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
    {NULL, NULL},
};

const legacy_call *legacy_edges(void) { return all; }
