#include "internal.h"
#include <hiredis.h>
#include <stdlib.h>
#include <string.h>

static char *wait_and_echo(redisContext *redis, int milliseconds) {
    if (!redis || redis->err) return failure("redisConnect: %s", redis ? redis->errstr : "no memory");
    char *failed = NULL;
    redisReply *nothing = redisCommand(redis, "BLPOP nothing %d", milliseconds / 1000);
    if (!nothing) return failure("BLPOP: %s", redis->errstr);
    if (nothing->type != REDIS_REPLY_NIL) failed = failure("BLPOP: a reply of type %d", nothing->type);
    freeReplyObject(nothing);
    if (failed) return failed;
    redisReply *same = redisCommand(redis, "ECHO %b", &redis, sizeof redis);
    if (!same || same->type != REDIS_REPLY_STRING || same->len != sizeof redis || memcmp(same->str, &redis, sizeof redis) != 0) {
        failed = failure("ECHO: %s", same ? "another reply" : redis->errstr);
    }
    if (same) freeReplyObject(same);
    return failed;
}

char *redis_tcp(int milliseconds) {
    redisContext *redis = redisConnect("127.0.0.1", atoi(setting("TANDEM_REDIS_PORT")));
    char *failed = wait_and_echo(redis, milliseconds);
    redisFree(redis);
    return failed;
}

char *redis_unix(int milliseconds) {
    redisContext *redis = redisConnectUnix(setting("TANDEM_REDIS_SOCKET"));
    char *failed = wait_and_echo(redis, milliseconds);
    redisFree(redis);
    return failed;
}
