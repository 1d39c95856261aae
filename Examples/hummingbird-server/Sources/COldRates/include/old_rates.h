#ifndef OLD_RATES_H
#define OLD_RATES_H

#include <stdint.h>

/// The outcome of a call.
enum old_rates_status {
    OLD_RATES_OK = 0,
    /// The partner does not know the currency.
    OLD_RATES_UNKNOWN = 1,
    /// The partner cannot be reached, or has closed the connection.
    OLD_RATES_UNAVAILABLE = 2,
};

/// Asks the partner on 127.0.0.1 for the rate of a currency. Blocks until the partner has answered.
///
/// On OLD_RATES_OK stores the rate. On OLD_RATES_UNAVAILABLE stores the value of errno, or 0 if the connection was closed.
enum old_rates_status old_rates_get(uint16_t port, const char *currency, long *rate, int *error);

#endif
