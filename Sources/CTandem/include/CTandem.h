/// The parts of Tandem that cannot be written in Swift: the stack switch, guarded stacks, and small structs whose address must
/// not change and on which Swift must not hold an open access while stacks switch.
#ifndef CTANDEM_H
#define CTANDEM_H

#include "fiber.h"
#include "inbox.h"
#include "linux.h"
#include "main_queue.h"
#include "pulse.h"
#include "recorder.h"
#include "stack.h"
#include "system_calls.h"
#include "trace.h"
#include "wait.h"

#endif
