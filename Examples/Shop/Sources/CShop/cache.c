#include "cache.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

struct cache {
    char *host;
    int port;
    struct pool pool;
};

struct cache *cache_create(const char *host, int port, int connections)
{
    struct cache *cache = malloc(sizeof *cache);
    cache->host = strdup(host);
    cache->port = port;
    pool_create(&cache->pool, connections);
    return cache;
}

static redisContext *take(struct cache *cache)
{
    struct timeval limit = {.tv_sec = 2};
    void *idle;
    redisContext *connection;

    if (!pool_take(&cache->pool, &idle))
        return NULL;
    connection = idle;
    if (connection && !connection_is_quiet(connection->fd)) {
        redisFree(connection);
        connection = NULL;
    }
    if (!connection) {
        connection = redisConnectWithTimeout(cache->host, cache->port, limit);
        if (connection && !connection->err)
            redisSetTimeout(connection, limit);
    }
    if (connection && !connection->err)
        return connection;
    fprintf(stderr, "cache: %s\n", connection ? connection->errstr : "no memory");
    if (connection)
        redisFree(connection);
    pool_give(&cache->pool, NULL);
    return NULL;
}

/* Runs one command of Redis, and copies the text of its reply if there is room for one. */
static enum shop_status run(struct cache *cache, char *value, size_t capacity, const char *format, ...)
{
    redisContext *connection = take(cache);
    redisReply *reply;
    enum shop_status status = SHOP_OK;
    va_list arguments;

    if (!connection)
        return SHOP_UNAVAILABLE;
    va_start(arguments, format);
    reply = redisvCommand(connection, format, arguments);
    va_end(arguments);
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "cache: %s\n", reply ? reply->str : connection->errstr);
        status = SHOP_UNAVAILABLE;
    } else if (value && (reply->type != REDIS_REPLY_STRING || (size_t)reply->len >= capacity)) {
        status = SHOP_NOT_FOUND;
    } else if (value) {
        memcpy(value, reply->str, reply->len);
        value[reply->len] = '\0';
    }
    if (reply) {
        freeReplyObject(reply);
    } else {
        redisFree(connection);
        connection = NULL;
    }
    pool_give(&cache->pool, connection);
    return status;
}

enum shop_status cache_get(struct cache *cache, const char *key, char *value, size_t capacity)
{
    return run(cache, value, capacity, "GET %s", key);
}

enum shop_status cache_put(struct cache *cache, const char *key, const char *value, int seconds)
{
    return run(cache, NULL, 0, "SET %s %s EX %d", key, value, seconds);
}

enum shop_status cache_remove(struct cache *cache, const char *key)
{
    return run(cache, NULL, 0, "DEL %s", key);
}
