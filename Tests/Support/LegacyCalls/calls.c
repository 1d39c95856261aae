#define _GNU_SOURCE
#include "LegacyCalls.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* MARK: An OS thread that does something 200 ms later */

typedef struct deed {
  void (*run)(int fd);
  int fd;
} deed;

static void *run_deed(void *context) {
  deed *deed = context;
  usleep(200000);
  deed->run(deed->fd);
  free(deed);
  return NULL;
}

static pthread_t later(void (*run)(int fd), int fd) {
  deed *new = malloc(sizeof *new);
  pthread_t thread;
  *new = (deed){run, fd};
  if (pthread_create(&thread, NULL, run_deed, new) != 0) abort();
  return thread;
}

static void write_hello(int fd) {
  if (write(fd, "hello", 5) != 5) abort();
}

/* MARK: The clients */

static const char *run_splice(void) {
  int from[2], to[2];
  char text[5];
  CHECK(pipe(from) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, to) == 0);
  pthread_t thread = later(write_hello, from[1]);
  CHECK(splice(from[0], NULL, to[0], NULL, 100, 0) == 5);
  CHECK(read(to[1], text, 5) == 5 && memcmp(text, "hello", 5) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  for (int end = 0; end < 2; end++) close(from[end]), close(to[end]);
  return NULL;
}

static const char *run_tee(void) {
  int from[2], to[2];
  char text[5];
  CHECK(pipe(from) == 0 && pipe(to) == 0);
  pthread_t thread = later(write_hello, from[1]);
  CHECK(tee(from[0], to[1], 100, 0) == 5);
  CHECK(read(from[0], text, 5) == 5 && read(to[0], text, 5) == 5 && memcmp(text, "hello", 5) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  for (int end = 0; end < 2; end++) close(from[end]), close(to[end]);
  return NULL;
}

static void send_three(int fd) {
  if (send(fd, "a", 1, 0) != 1 || send(fd, "bc", 2, 0) != 2 || send(fd, "def", 3, 0) != 3) abort();
}

static const char *run_recvmmsg(void) {
  int pair[2];
  char text[3][8];
  struct iovec parts[3];
  struct mmsghdr messages[3];
  memset(messages, 0, sizeof messages);
  for (int index = 0; index < 3; index++) {
    parts[index] = (struct iovec){text[index], sizeof text[index]};
    messages[index].msg_hdr.msg_iov = &parts[index];
    messages[index].msg_hdr.msg_iovlen = 1;
  }
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  pthread_t thread = later(send_three, pair[1]);
  CHECK(recvmmsg(pair[0], messages, 3, 0, NULL) == 3);
  CHECK(messages[0].msg_len == 1 && messages[1].msg_len == 2 && messages[2].msg_len == 3 && memcmp(text[2], "def", 3) == 0);
  for (int index = 0; index < 3; index++) parts[index].iov_len = messages[index].msg_len;
  CHECK(sendmmsg(pair[0], messages, 3, 0) == 3 && recv(pair[1], text[0], 8, 0) == 1 && recv(pair[1], text[0], 8, 0) == 2);
  CHECK(pthread_join(thread, NULL) == 0);
  close(pair[0]);
  close(pair[1]);
  return NULL;
}

static const char *run_semaphore_set(void) {
  int set = semget(IPC_PRIVATE, 1, 0600);
  struct sembuf lower = {0, -1, 0};
  struct timespec limit = {0, 200000000};
  CHECK(set >= 0);
  CHECK(semtimedop(set, &lower, 1, &limit) == -1 && errno == EAGAIN);
  CHECK(semctl(set, 0, IPC_RMID) == 0);
  return NULL;
}

static const char *run_file_lock(void) {
  char path[] = "/tmp/tandem-legacy-XXXXXX";
  int one = mkstemp(path), other = open(path, O_RDWR);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET}, unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
  CHECK(one >= 0 && other >= 0 && unlink(path) == 0);
  /* Locks of open files: each descriptor is an owner. */
  CHECK(fcntl(one, F_OFD_SETLK, &lock) == 0 && fcntl(other, F_OFD_SETLK, &lock) == -1);
  close(dup(one));
  usleep(100000);
  CHECK(fcntl(one, F_OFD_SETLK, &unlock) == 0 && fcntl(other, F_OFD_SETLKW, &lock) == 0);
  CHECK(lockf(one, F_TEST, 0) == -1);
  usleep(100000);
  close(one);
  close(other);
  return NULL;
}

static void unlock_file(int fd) {
  struct flock unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_OFD_SETLK, &unlock) != 0) abort();
}

static const char *run_file_lock_wait(void) {
  char path[] = "/tmp/tandem-legacy-XXXXXX";
  int one = mkstemp(path), other = open(path, O_RDWR);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  CHECK(one >= 0 && other >= 0 && unlink(path) == 0 && fcntl(one, F_OFD_SETLK, &lock) == 0);
  pthread_t thread = later(unlock_file, one);
  CHECK(fcntl(other, F_OFD_SETLKW, &lock) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  close(one);
  close(other);
  return NULL;
}

static const char *run_mq(void) {
  char path[40], text[64];
  static int number;
  snprintf(path, sizeof path, "/tandem-%d-%d", getpid(), __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
  struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 64};
  mqd_t queue = mq_open(path, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  /* Not every container has message queues, and a user may have few. */
  if (queue < 0) {
    usleep(200000);
    return NULL;
  }
  mq_unlink(path);
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_nsec += 200000000;
  if (limit.tv_nsec >= 1000000000) limit.tv_sec++, limit.tv_nsec -= 1000000000;
  CHECK(mq_timedreceive(queue, text, sizeof text, NULL, &limit) == -1 && errno == ETIMEDOUT);
  CHECK(mq_send(queue, "hello", 5, 0) == 0 && mq_receive(queue, text, sizeof text, NULL) == 5);
  mq_close(queue);
  return NULL;
}

static const char *run_epoll_pwait2(void) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct timespec limit = {0, 200000000};
  struct epoll_event event;
  CHECK(epoll >= 0 && epoll_pwait2(epoll, &event, 1, &limit, NULL) == 0);
  close(epoll);
  return NULL;
}

static once_flag flag = ONCE_FLAG_INIT;
static int initialized;
static void initialize(void) {
  usleep(50000);
  initialized++;
}

typedef struct box {
  mtx_t mutex;
  cnd_t condition;
  int value;
} box;

static int fill_box(void *context) {
  box *box = context;
  thrd_sleep(&(struct timespec){0, 100000000}, NULL);
  mtx_lock(&box->mutex);
  box->value = 7;
  cnd_signal(&box->condition);
  mtx_unlock(&box->mutex);
  return 5;
}

static const char *run_c11(void) {
  box box = {.value = 0};
  thrd_t thread;
  int result = 0;
  call_once(&flag, initialize);
  CHECK(initialized == 1);
  CHECK(mtx_init(&box.mutex, mtx_timed) == thrd_success && cnd_init(&box.condition) == thrd_success);
  CHECK(thrd_create(&thread, fill_box, &box) == thrd_success && mtx_lock(&box.mutex) == thrd_success);
  while (!box.value) CHECK(cnd_wait(&box.condition, &box.mutex) == thrd_success);
  CHECK(mtx_unlock(&box.mutex) == thrd_success && thrd_join(thread, &result) == thrd_success && result == 5);
  CHECK(thrd_sleep(&(struct timespec){0, 100000000}, NULL) == 0);
  return NULL;
}

static void write_lines(int fd) {
  FILE *stream = fdopen(fd, "w");
  fprintf(stream, "%d %s\n", 42, "answers");
  fprintf(stream, "the rest");
  fclose(stream);
}

/* What the compiler makes of stdio: inline functions, and with _FORTIFY_SOURCE the checked ones. */
static const char *run_stdio(void) {
  int ends[2], number = 0;
  char word[20], line[64];
  CHECK(pipe(ends) == 0);
  FILE *stream = fdopen(ends[0], "r");
  pthread_t thread = later(write_lines, ends[1]);
  CHECK(fscanf(stream, "%d %19s", &number, word) == 2 && number == 42 && strcmp(word, "answers") == 0);
  CHECK(getc_unlocked(stream) == '\n' && getc(stream) == 't');
  CHECK(fgets(line, sizeof line, stream) != NULL && strcmp(line, "he rest") == 0);
  CHECK(getc(stream) == EOF && feof(stream));
  CHECK(pthread_join(thread, NULL) == 0);
  fclose(stream);
  return NULL;
}

static const legacy_call all[] = {
    {"splice", run_splice},
    {"tee", run_tee},
    {"recvmmsg", run_recvmmsg},
    {"semaphore-set-limit", run_semaphore_set},
    {"file-lock", run_file_lock},
    {"file-lock-wait", run_file_lock_wait},
    {"mq", run_mq},
    {"epoll-pwait2", run_epoll_pwait2},
    {"c11", run_c11},
    {"stdio", run_stdio},
    {NULL, NULL},
};

const legacy_call *legacy_calls(void) { return all; }
