/* The stock and the orders, in PostgreSQL. Any thread may call these functions. */
#ifndef SHOP_INVENTORY_H
#define SHOP_INVENTORY_H

#include "shop_status.h"

struct inventory;

struct shop_order {
    long long id, cents;
    int product, quantity;
    char customer[81], confirmation[41];
};

struct shop_report {
    long long orders, cents;
};

/* Opens no connection yet. `database` is a connection string of libpq; "" means the variables PGHOST and so on. */
struct inventory *inventory_create(const char *database, int connections);

/* Takes the quantity out of the stock and records the order, or does neither. Sets its id. */
enum shop_status order_place(struct inventory *inventory, const char *customer, int product, int quantity, long long cents,
                             long long *id);

/* Records the confirmation of the payment. */
enum shop_status order_confirm(struct inventory *inventory, long long id, const char *confirmation);

/* Removes an order that was not paid, and returns its quantity to the stock. */
enum shop_status order_cancel(struct inventory *inventory, long long id);

enum shop_status order_find(struct inventory *inventory, long long id, struct shop_order *order);

/* Sums up all orders. The query takes at least this many seconds. */
enum shop_status inventory_report(struct inventory *inventory, double seconds, struct shop_report *report);

#endif
