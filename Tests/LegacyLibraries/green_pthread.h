// Compiled into a program in C by -include: its threads are green threads. Programs.swift sets the two functions.
#include <pthread.h>

int (*green_pthread_start)(pthread_t *, void *(*)(void *), void *);
int (*green_pthread_join)(pthread_t, void **);

#define pthread_create(thread, attributes, body, argument) green_pthread_start(thread, body, argument)
#define pthread_join(thread, result) green_pthread_join(thread, result)
