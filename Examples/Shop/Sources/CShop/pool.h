/* Connections that threads take and give back, at most `limit` at a time. */
#ifndef SHOP_POOL_H
#define SHOP_POOL_H

#include <pthread.h>
#include <stdbool.h>

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t returned;
    int limit, open, idle_count;
    void **idle;
};

void pool_create(struct pool *pool, int limit);

/* Sets an idle connection, or NULL when the caller is to open one. Returns false when none is returned within ten seconds. */
bool pool_take(struct pool *pool, void **connection);

/* Takes a connection back. NULL stands for one that the caller has closed, or could not open. */
void pool_give(struct pool *pool, void *connection);

/* Whether the server has not closed this idle connection. */
bool connection_is_quiet(int descriptor);

#endif
