/// libc's own mutex functions.
#ifndef TANDEM_PATCH_LIBC_MUTEX_H
#define TANDEM_PATCH_LIBC_MUTEX_H

#include <pthread.h>

/* The mutex functions are bound by version when the program is linked: looking them up could allocate, and an allocator may lock. */
#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
#else
#define FIRST_VERSION "GLIBC_2.17"
#endif
__asm__(".symver libc_mutex_lock,__pthread_mutex_lock@" FIRST_VERSION);
__asm__(".symver libc_mutex_trylock,__pthread_mutex_trylock@" FIRST_VERSION);
__asm__(".symver libc_mutex_unlock,__pthread_mutex_unlock@" FIRST_VERSION);
extern int libc_mutex_lock(pthread_mutex_t *mutex);
extern int libc_mutex_trylock(pthread_mutex_t *mutex);
extern int libc_mutex_unlock(pthread_mutex_t *mutex);

#endif
