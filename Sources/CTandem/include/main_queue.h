/// libdispatch's main queue, which runs the main actor's code.
#ifndef TANDEM_MAIN_QUEUE_H
#define TANDEM_MAIN_QUEUE_H

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// Whether the caller is on the process's main thread and can run the main queue. False inside code that the queue itself runs.
bool tandem_main_queue_can_run(void);

/// Runs the main queue until the eventfd `done` is readable. Only if `tandem_main_queue_can_run` returned true.
void tandem_main_queue_run(int done);

TANDEM_NONNULL_END
#endif
