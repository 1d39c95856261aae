/* The result of a call of this library. The reason for a failure is on standard error. */
#ifndef SHOP_STATUS_H
#define SHOP_STATUS_H

enum shop_status {
    SHOP_OK = 0,
    SHOP_NOT_FOUND,
    SHOP_SOLD_OUT,
    SHOP_REFUSED,     /* by the payment service */
    SHOP_UNAVAILABLE, /* a server does not answer, or answers with an error */
};

#endif
