/// The main queue of libdispatch, where the main actor's code runs.
#ifndef TANDEM_MAIN_QUEUE_H
#define TANDEM_MAIN_QUEUE_H

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// Whether this is the process's main thread, and it can run what stands in the main queue: not so in code that the queue
/// itself runs.
bool tandem_main_queue_can_run(void);

/// Runs what comes into the main queue until the eventfd `done` is readable. Only where `tandem_main_queue_can_run`.
void tandem_main_queue_run(int done);

TANDEM_NONNULL_END
#endif
