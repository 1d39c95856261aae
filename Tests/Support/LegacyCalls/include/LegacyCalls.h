/// Clients in plain C, which know nothing of green threads. Each waits 200 ms.
#ifndef LEGACY_CALLS_H
#define LEGACY_CALLS_H

/// A client. It returns null, or what went wrong.
typedef struct legacy_call {
  const char *name;
  const char *(*run)(void);
} legacy_call;

/// Returns the clients; the last has no name.
const legacy_call *legacy_calls(void);
/// The same for the clients in edges.c.
const legacy_call *legacy_edges(void);

/// A routine that takes 200 ms.
void legacy_slow_routine(void);

/// Makes the calls of this name, which need not wait, `count` times: scripts/measure/legacy counts what they cost. Returns 0, or 1 if
/// there is no such name.
int legacy_costs(const char *name, long count);

#endif
