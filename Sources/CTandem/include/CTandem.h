/// The part of Tandem that Swift cannot say: the stack switch, guarded stacks, and a few words of
/// memory whose address must not move and on which Swift must hold no access while stacks switch.
#ifndef CTANDEM_H
#define CTANDEM_H

#include "fiber.h"
#include "inbox.h"
#include "linux.h"
#include "main_queue.h"
#include "pulse.h"
#include "stack.h"
#include "trace.h"
#include "wait.h"

#endif
