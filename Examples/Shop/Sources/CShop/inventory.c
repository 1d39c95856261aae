#include "inventory.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

struct inventory {
    char *database;
    struct pool pool;
};

struct inventory *inventory_create(const char *database, int connections)
{
    struct inventory *inventory = malloc(sizeof *inventory);
    inventory->database = strdup(database);
    pool_create(&inventory->pool, connections);
    return inventory;
}

static PGconn *take(struct inventory *inventory)
{
    void *idle;
    PGconn *connection;

    if (!pool_take(&inventory->pool, &idle))
        return NULL;
    connection = idle;
    if (connection && !connection_is_quiet(PQsocket(connection))) {
        PQfinish(connection);
        connection = NULL;
    }
    if (!connection)
        connection = PQconnectdb(inventory->database);
    if (PQstatus(connection) == CONNECTION_OK)
        return connection;
    fprintf(stderr, "inventory: %s", PQerrorMessage(connection));
    PQfinish(connection);
    pool_give(&inventory->pool, NULL);
    return NULL;
}

/* Closes a connection that is broken, or that is inside a transaction. */
static void give(struct inventory *inventory, PGconn *connection)
{
    if (PQstatus(connection) != CONNECTION_OK || PQtransactionStatus(connection) != PQTRANS_IDLE) {
        PQfinish(connection);
        connection = NULL;
    }
    pool_give(&inventory->pool, connection);
}

/* Returns NULL when the statement fails. */
static PGresult *query(PGconn *connection, const char *statement, int count, const char *const *values)
{
    PGresult *result = PQexecParams(connection, statement, count, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return result;
    fprintf(stderr, "inventory: %s", PQerrorMessage(connection));
    PQclear(result);
    return NULL;
}

static enum shop_status run(PGconn *connection, const char *statement, int count, const char *const *values)
{
    PGresult *result = query(connection, statement, count, values);
    enum shop_status status = !result ? SHOP_UNAVAILABLE : strcmp(PQcmdTuples(result), "0") == 0 ? SHOP_NOT_FOUND : SHOP_OK;

    PQclear(result);
    return status;
}

static enum shop_status place(PGconn *connection, const char *const values[4], int quantity, long long *id)
{
    enum shop_status status = run(connection, "BEGIN", 0, NULL);
    PGresult *result;

    if (status != SHOP_OK)
        return status;
    /* The lock of the row lasts until the end of the transaction. */
    result = query(connection, "SELECT quantity FROM stock WHERE product = $1 FOR UPDATE", 1, values);
    if (!result)
        return SHOP_UNAVAILABLE;
    status = PQntuples(result) == 0 ? SHOP_NOT_FOUND : atoi(PQgetvalue(result, 0, 0)) < quantity ? SHOP_SOLD_OUT : SHOP_OK;
    PQclear(result);
    if (status == SHOP_OK)
        status = run(connection, "UPDATE stock SET quantity = quantity - $2::int WHERE product = $1", 2, values);
    if (status != SHOP_OK) {
        run(connection, "ROLLBACK", 0, NULL);
        return status;
    }
    result = query(connection, "INSERT INTO orders (product, quantity, customer, cents) VALUES ($1, $2, $3, $4) RETURNING id", 4,
                   values);
    if (!result)
        return SHOP_UNAVAILABLE;
    *id = atoll(PQgetvalue(result, 0, 0));
    PQclear(result);
    return run(connection, "COMMIT", 0, NULL);
}

enum shop_status order_place(struct inventory *inventory, const char *customer, int product, int quantity, long long cents,
                             long long *id)
{
    PGconn *connection = take(inventory);
    char numbers[3][24];
    enum shop_status status;

    if (!connection)
        return SHOP_UNAVAILABLE;
    snprintf(numbers[0], sizeof numbers[0], "%d", product);
    snprintf(numbers[1], sizeof numbers[1], "%d", quantity);
    snprintf(numbers[2], sizeof numbers[2], "%lld", cents);
    status = place(connection, (const char *[]){numbers[0], numbers[1], customer, numbers[2]}, quantity, id);
    give(inventory, connection);
    return status;
}

static enum shop_status change_order(struct inventory *inventory, const char *statement, long long id, const char *value)
{
    PGconn *connection = take(inventory);
    char number[24];
    enum shop_status status;

    if (!connection)
        return SHOP_UNAVAILABLE;
    snprintf(number, sizeof number, "%lld", id);
    status = run(connection, statement, value ? 2 : 1, (const char *[]){number, value});
    give(inventory, connection);
    return status;
}

enum shop_status order_confirm(struct inventory *inventory, long long id, const char *confirmation)
{
    return change_order(inventory, "UPDATE orders SET confirmation = $2 WHERE id = $1", id, confirmation);
}

enum shop_status order_cancel(struct inventory *inventory, long long id)
{
    return change_order(inventory,
                        "WITH cancelled AS (DELETE FROM orders WHERE id = $1 RETURNING product, quantity) "
                        "UPDATE stock SET quantity = stock.quantity + cancelled.quantity "
                        "FROM cancelled WHERE stock.product = cancelled.product",
                        id, NULL);
}

enum shop_status order_find(struct inventory *inventory, long long id, struct shop_order *order)
{
    PGconn *connection = take(inventory);
    PGresult *result;
    char number[24];
    enum shop_status status = SHOP_UNAVAILABLE;

    if (!connection)
        return status;
    snprintf(number, sizeof number, "%lld", id);
    result = query(connection, "SELECT cents, product, quantity, customer, confirmation FROM orders WHERE id = $1", 1,
                   (const char *[]){number});
    if (result && PQntuples(result) == 0)
        status = SHOP_NOT_FOUND;
    else if (result) {
        status = SHOP_OK;
        order->id = id;
        order->cents = atoll(PQgetvalue(result, 0, 0));
        order->product = atoi(PQgetvalue(result, 0, 1));
        order->quantity = atoi(PQgetvalue(result, 0, 2));
        snprintf(order->customer, sizeof order->customer, "%s", PQgetvalue(result, 0, 3));
        snprintf(order->confirmation, sizeof order->confirmation, "%s", PQgetvalue(result, 0, 4));
    }
    PQclear(result);
    give(inventory, connection);
    return status;
}

enum shop_status inventory_report(struct inventory *inventory, double seconds, struct shop_report *report)
{
    PGconn *connection = take(inventory);
    PGresult *result;
    char number[24];

    if (!connection)
        return SHOP_UNAVAILABLE;
    snprintf(number, sizeof number, "%.3f", seconds);
    result = query(connection,
                   "SELECT count(*), coalesce(sum(cents), 0), (SELECT pg_sleep($1::float8)) FROM orders", 1,
                   (const char *[]){number});
    if (result) {
        report->orders = atoll(PQgetvalue(result, 0, 0));
        report->cents = atoll(PQgetvalue(result, 0, 1));
    }
    PQclear(result);
    give(inventory, connection);
    return result ? SHOP_OK : SHOP_UNAVAILABLE;
}
