/* The payment service, over HTTP. Any thread may call this function. */
#ifndef SHOP_PAYMENT_H
#define SHOP_PAYMENT_H

#include <stddef.h>

#include "shop_status.h"

/* Charges an order, and copies the confirmation of the service, which ends with a zero byte. */
enum shop_status payment_charge(const char *url, long long order, long long cents, char *confirmation, size_t capacity);

#endif
