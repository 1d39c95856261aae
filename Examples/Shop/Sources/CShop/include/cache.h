/* A cache in Redis. Any thread may call these functions. */
#ifndef SHOP_CACHE_H
#define SHOP_CACHE_H

#include <stddef.h>

#include "shop_status.h"

struct cache;

/* Opens no connection yet. */
struct cache *cache_create(const char *host, int port, int connections);

/* Copies the value, which ends with a zero byte. SHOP_NOT_FOUND also for one that does not fit. */
enum shop_status cache_get(struct cache *cache, const char *key, char *value, size_t capacity);

enum shop_status cache_put(struct cache *cache, const char *key, const char *value, int seconds);

enum shop_status cache_remove(struct cache *cache, const char *key);

#endif
