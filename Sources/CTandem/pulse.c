#define _GNU_SOURCE
#include "pulse.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "linux.h"
#include "trace.h"

/* For code that reads memory that another thread may be writing: the thread under observation may have continued. */
#define UNSANITIZED __attribute__((no_sanitize("address", "thread")))

void tandem_pulse_enter(tandem_pulse *pulse) {
  pulse->thread = &tandem_this_thread;
  pulse->root = *(const uintptr_t *)__builtin_frame_address(0);
  pulse->turn_began = tandem_real_nanoseconds();
  __atomic_store_n(&pulse->polling, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&pulse->thread_id, tandem_thread_id(), __ATOMIC_RELEASE);
}

/* Fills in the green thread and the stack. Also called in a signal handler. */
UNSANITIZED static void describe(const tandem_pulse *pulse, tandem_registers registers, tandem_sighting *seen) {
  const tandem_fiber *fiber = __atomic_load_n(&pulse->thread->current, __ATOMIC_RELAXED);
  bool on_fiber = fiber && registers.sp >= fiber->low && registers.sp < fiber->high;
  uintptr_t root = on_fiber ? 0 : pulse->root;
  uintptr_t high = on_fiber ? fiber->high : pulse->root + 2 * sizeof(uintptr_t);
  seen->name = fiber ? fiber->name : NULL;
  seen->number = fiber ? fiber->number : 0;
  seen->count = tandem_trace_frames(registers, root, high, seen->addresses, sizeof seen->addresses / sizeof(uintptr_t));
}

/* MARK: a thread that computes */

enum { IDLE, REQUESTED, WALKING, DONE };

/* The one outstanding request. `Watchdog` makes requests under its lock, so there is one at a time. */
static struct {
  int state;
  int thread_id;
  const tandem_pulse *pulse;
  tandem_sighting seen;
} request;

static struct sigaction previous;

UNSANITIZED static void on_signal(int number, siginfo_t *info, void *context) {
  int error = errno, expected = REQUESTED;
  if (info->si_code == SI_TKILL && tandem_thread_id() == __atomic_load_n(&request.thread_id, __ATOMIC_RELAXED)) {
    if (__atomic_compare_exchange_n(&request.state, &expected, WALKING, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
      const mcontext_t *machine = &((const ucontext_t *)context)->uc_mcontext;
#if defined(__x86_64__)
      tandem_registers registers = {
          .pc = (uintptr_t)machine->gregs[REG_RIP], .sp = (uintptr_t)machine->gregs[REG_RSP],
          .fp = (uintptr_t)machine->gregs[REG_RBP]};
#elif defined(__aarch64__)
      tandem_registers registers = {
          .pc = machine->pc, .sp = machine->sp, .fp = machine->regs[29], .link = machine->regs[30]};
#endif
      describe(request.pulse, registers, &request.seen);
      __atomic_store_n(&request.state, DONE, __ATOMIC_RELEASE);
    }
  } else if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(number, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(number);
  }
  errno = error;
}

static int prepare_error;

static void prepare(void) {
  struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
  sigemptyset(&ours.sa_mask);
  if (sigaction(SIGURG, NULL, &previous) != 0 || sigaction(SIGURG, &ours, NULL) != 0) prepare_error = errno;
}

int tandem_pulse_prepare(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
  return prepare_error;
}

bool tandem_pulse_allow_interrupts(bool allowed) {
  sigset_t ours, before;
  sigemptyset(&ours);
  sigaddset(&ours, SIGURG);
  pthread_sigmask(allowed ? SIG_UNBLOCK : SIG_BLOCK, &ours, &before);
  return sigismember(&before, SIGURG);
}

/* Gives up after 50 ms: the thread may not handle the signal in time, for example if it gets no CPU. */
static void interrupt(const tandem_pulse *pulse, tandem_sighting *seen) {
  request.pulse = pulse;
  __atomic_store_n(&request.thread_id, pulse->thread_id, __ATOMIC_RELAXED);
  __atomic_store_n(&request.state, REQUESTED, __ATOMIC_RELEASE);
  if (syscall(SYS_tgkill, getpid(), pulse->thread_id, SIGURG) == 0) {
    for (int tries = 0; tries < 200 && __atomic_load_n(&request.state, __ATOMIC_ACQUIRE) != DONE; tries++)
      nanosleep(&(struct timespec){.tv_nsec = 250000}, NULL);
  }
  int expected = REQUESTED;
  if (!__atomic_compare_exchange_n(&request.state, &expected, IDLE, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
    while (__atomic_load_n(&request.state, __ATOMIC_ACQUIRE) != DONE) nanosleep(&(struct timespec){.tv_nsec = 250000}, NULL);
    *seen = request.seen;
    __atomic_store_n(&request.state, IDLE, __ATOMIC_RELAXED);
  }
}

/* MARK: a thread in a system call */

bool tandem_pulse_is_of_this_thread(const tandem_pulse *pulse) {
  return __atomic_load_n(&pulse->thread_id, __ATOMIC_ACQUIRE) == tandem_thread_id();
}

static bool read_thread_file(int thread_id, const char *name, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", thread_id, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, size - 1);
  close(fd);
  text[length > 0 ? length : 0] = 0;
  return length > 0;
}

static bool is_running(int thread_id) {
  char text[512];
  if (!read_thread_file(thread_id, "stat", text, sizeof text)) return false;
  const char *state = strrchr(text, ')');
  return state && strncmp(state, ") R", 3) == 0;
}

void tandem_pulse_look(const tandem_pulse *pulse, tandem_sighting *seen) {
  memset(seen, 0, sizeof *seen);
  char text[256];
  tandem_trace_prepare(); /* code may have been loaded since the last call */
  seen->is_running = is_running(pulse->thread_id);
  if (seen->is_running) {
    interrupt(pulse, seen);
    seen->is_running = true;
  } else if (read_thread_file(pulse->thread_id, "syscall", text, sizeof text)) {
    /* The last two words of the file are the stack pointer and the program counter. */
    char *pc = strrchr(text, ' ');
    if (!pc) return;
    *pc = 0;
    char *sp = strrchr(text, ' ');
    if (!sp) return;
    describe(pulse, (tandem_registers){.pc = strtoull(pc + 1, NULL, 16), .sp = strtoull(sp + 1, NULL, 16)}, seen);
  }
}

/* MARK: the watchdog's thread */

int tandem_start_watchdog_thread(void *(*body)(void *)) {
  sigset_t all, before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread, NULL, body, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error == 0) pthread_detach(thread);
  return error;
}

void tandem_pause(uint64_t nanoseconds) {
  struct timespec left = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}
