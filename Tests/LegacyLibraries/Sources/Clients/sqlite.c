#include "internal.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct holder {
    sqlite3 *database;
    int milliseconds;
    int result;
};

static void *commit_later(void *argument) {
    struct holder *holder = argument;
    usleep(holder->milliseconds * 1000);
    holder->result = sqlite3_exec(holder->database, "commit", NULL, NULL, NULL);
    return NULL;
}

static int read_number(void *number, int columns, char **values, char **names) {
    (void)columns, (void)names;
    *(int *)number = atoi(values[0]);
    return 0;
}

static char *insert_while_locked(const char *path, int milliseconds) {
    struct holder holder = {.milliseconds = milliseconds, .result = SQLITE_ERROR};
    sqlite3 *database = NULL;
    pthread_t thread;
    char *failed = NULL;
    int rows = 0;
    // Without fsync, whose time is that of the disk.
    if (sqlite3_open(path, &holder.database) || sqlite3_open(path, &database)
        || sqlite3_exec(database, "pragma synchronous = off; create table numbers (n)", 0, 0, 0)
        || sqlite3_exec(holder.database, "pragma synchronous = off; begin immediate; insert into numbers values (1)", 0, 0, 0)) {
        failed = failure("sqlite3: %s", sqlite3_errmsg(holder.database));
    } else if (
        // The commit too may meet the lock that the other connection takes for a moment each time it tries.
        sqlite3_busy_timeout(holder.database, 10000) || sqlite3_busy_timeout(database, 10000)) {
        failed = failure("sqlite3_busy_timeout");
    } else if (pthread_create(&thread, NULL, commit_later, &holder) != 0) {
        failed = failure("pthread_create");
    } else {
        if (sqlite3_exec(database, "insert into numbers values (2)", 0, 0, 0)
            || sqlite3_exec(database, "select count(*) from numbers", read_number, &rows, 0)) {
            failed = failure("sqlite3: %s", sqlite3_errmsg(database));
        }
        pthread_join(thread, NULL);
        if (!failed && (rows != 2 || holder.result != SQLITE_OK)) failed = failure("%d rows, not 2", rows);
    }
    sqlite3_close(database);
    sqlite3_close(holder.database);
    return failed;
}

// A thread has a transaction open for a while; this one waits until it can insert.
char *sqlite_busy(int milliseconds) {
    char path[256];
    const char *directory = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/tandem-sqlite-XXXXXX", directory ? directory : "/tmp");
    int file = mkstemp(path);
    if (file < 0) return failure("mkstemp: %s", path);
    close(file);
    char *failed = insert_while_locked(path, milliseconds);
    unlink(path);
    return failed;
}
