#define _GNU_SOURCE
#include "waiters.h"

#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Calls that wait inside libc, where nothing can be put in their place. A green thread has an OS thread of the shared offload pool
   make them, and parks until it has. A cancellation does not end them: libc may write to the caller's memory until the call returns. */

/// Runs `job(context)` on an OS thread, and keeps errno and h_errno as it leaves them.
typedef struct job {
  void (*run)(void *context);
  void *context;
  int error, host_error;
} job;

static void run_job(void *context) {
  job *job = context;
  errno = 0;
  job->run(job->context);
  job->error = errno;
  job->host_error = h_errno;
}

static void offload(tandem_patch_function function, void (*run)(void *), void *context) {
  job job = {run, context, 0, 0};
  int saved = errno;
  tandem_patch_offload(function, run_job, &job);
  errno = job.error ? job.error : saved;
  h_errno = job.host_error;
}

/* OFFLOADED(type, name, area, (parameters), (arguments), fields, (initial values), call) */
#define OFFLOADED(type, name, area, parameters, arguments, fields, values, call)                                               \
  REAL(type, name, parameters, arguments)                                                                                      \
  struct name##_call {                                                                                                         \
    fields type result;                                                                                                        \
  };                                                                                                                           \
  static void run_##name(void *context) {                                                                                      \
    struct name##_call *a = context;                                                                                           \
    a->result = real_##name call;                                                                                              \
  }                                                                                                                            \
  type name parameters {                                                                                                       \
    if (!IS_GREEN(name, area)) return real_##name arguments;                                                                   \
    struct name##_call a = values;                                                                                             \
    offload(TANDEM_PATCH_##name, run_##name, &a);                                                                              \
    return a.result;                                                                                                           \
  }
#define VALUES(...) {__VA_ARGS__}

OFFLOADED(int, getaddrinfo, NAMES,
          (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found),
          (node, service, hints, found),
          const char *node; const char *service; const struct addrinfo *hints; struct addrinfo **found;,
          VALUES(node, service, hints, found), (a->node, a->service, a->hints, a->found))

OFFLOADED(int, getnameinfo, NAMES,
          (const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service, socklen_t size,
           int flags),
          (address, length, host, host_size, service, size, flags),
          const struct sockaddr *address; socklen_t length; char *host; socklen_t host_size; char *service; socklen_t size;
          int flags;, VALUES(address, length, host, host_size, service, size, flags),
          (a->address, a->length, a->host, a->host_size, a->service, a->size, a->flags))

OFFLOADED(struct hostent *, gethostbyname, NAMES, (const char *name), (name), const char *name;, VALUES(name), (a->name))

OFFLOADED(int, gethostbyname_r, NAMES,
          (const char *name, struct hostent *result, char *buffer, size_t size, struct hostent **found, int *error),
          (name, result, buffer, size, found, error),
          const char *name; struct hostent *host; char *buffer; size_t size; struct hostent **found; int *error;,
          VALUES(name, result, buffer, size, found, error), (a->name, a->host, a->buffer, a->size, a->found, a->error))

OFFLOADED(int, system, PROCESSES, (const char *command), (command), const char *command;, VALUES(command), (a->command))

OFFLOADED(int, pclose, PROCESSES, (FILE *file), (file), FILE *file;, VALUES(file), (a->file))

OFFLOADED(int, pthread_join, PROCESSES, (pthread_t thread, void **value), (thread, value), pthread_t thread; void **value;,
          VALUES(thread, value), (a->thread, a->value))

/* MARK: Calls that need no thread */

REAL(pid_t, waitpid, (pid_t process, int *status, int options), (process, status, options))

/// waitpid(2) for whichever child ends first, which no descriptor tells.
struct any_child {
  pid_t process;
  int *status;
  int options;
  pid_t result;
};

static void run_waitpid(void *context) {
  struct any_child *call = context;
  call->result = real_waitpid(call->process, call->status, call->options);
}

pid_t waitpid(pid_t process, int *status, int options) {
  if (!IS_GREEN(waitpid, PROCESSES) || (options & WNOHANG)) return real_waitpid(process, status, options);
  pid_t ended = real_waitpid(process, status, options | WNOHANG);
  if (ended != 0) return ended;
  int descriptor = process > 0 && !(options & (WUNTRACED | WCONTINUED)) ? (int)syscall(SYS_pidfd_open, (long)process, 0L) : -1;
  if (descriptor < 0) {
    struct any_child call = {process, status, options, 0};
    offload(TANDEM_PATCH_waitpid, run_waitpid, &call);
    return call.result;
  }
  struct pollfd entry = {.fd = descriptor, .events = POLLIN};
  tandem_patch_outcome outcome = tandem_patch_poll(TANDEM_PATCH_waitpid, &entry, 1, NEVER);
  int error = errno;
  close(descriptor);
  errno = error;
  return outcome == tandem_patch_cancelled ? -1 : real_waitpid(process, status, options);
}

REAL(int, flock, (int fd, int operation), (fd, operation))

/* The kernel tells nobody that a lock is free, and a thread per waiter could use up the pool: so try again and again. */
int flock(int fd, int operation) {
  if (!IS_GREEN(flock, PROCESSES) || (operation & LOCK_NB)) return real_flock(fd, operation);
  int saved = errno;
  for (uint64_t pause = 1000000;; pause = pause < 4000000 ? pause * 2 : pause) {
    int result = real_flock(fd, operation | LOCK_NB);
    if (result == 0) errno = saved;
    if (result == 0 || errno != EWOULDBLOCK) return result;
    if (!tandem_patch_sleep(TANDEM_PATCH_flock, after(pause))) {
      errno = ECANCELED;
      return -1;
    }
  }
}

REAL(int, sched_yield, (void), ())

int sched_yield(void) {
  if (!IS_GREEN(sched_yield, TIME)) return real_sched_yield();
  tandem_patch_sleep(TANDEM_PATCH_sched_yield, 0);
  return 0;
}
