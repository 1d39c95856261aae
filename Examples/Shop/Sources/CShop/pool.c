#include "pool.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void pool_create(struct pool *pool, int limit)
{
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->returned, NULL);
    pool->limit = limit;
    pool->open = pool->idle_count = 0;
    pool->idle = calloc(limit, sizeof(void *));
}

bool pool_take(struct pool *pool, void **connection)
{
    struct timespec deadline;
    int status = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 10;
    pthread_mutex_lock(&pool->mutex);
    while (pool->idle_count == 0 && pool->open == pool->limit && status == 0)
        status = pthread_cond_timedwait(&pool->returned, &pool->mutex, &deadline);
    if (pool->idle_count > 0) {
        *connection = pool->idle[--pool->idle_count];
        status = 0;
    } else if (pool->open < pool->limit) {
        *connection = NULL;
        pool->open++;
        status = 0;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (status != 0)
        fprintf(stderr, "pool: all %d connections are in use\n", pool->limit);
    return status == 0;
}

void pool_give(struct pool *pool, void *connection)
{
    pthread_mutex_lock(&pool->mutex);
    if (connection)
        pool->idle[pool->idle_count++] = connection;
    else
        pool->open--;
    pthread_cond_signal(&pool->returned);
    pthread_mutex_unlock(&pool->mutex);
}

bool connection_is_quiet(int descriptor)
{
    struct pollfd entry = {.fd = descriptor, .events = POLLIN};
    return poll(&entry, 1, 0) == 0;
}
