/// A name server for tests: it stands before getaddrinfo(3), for libcurl too, and knows the names it was taught. Every other
/// name is the real one's business.
///
/// Linked into tests only: it replaces a function of libc.
#ifndef FAKE_RESOLVER_H
#define FAKE_RESOLVER_H

#pragma clang assume_nonnull begin

/// Teaches a name. Each look-up of it takes the next of these numeric addresses, which are separated by blanks, and the last
/// for ever after: so a name can lead elsewhere the second time. An address "hang" waits for `fake_resolver_release`.
void fake_resolver_teach(const char *name, const char *addresses);

/// Lets the look-ups that hang fail, and all that would hang later.
void fake_resolver_release(void);

/// How often this name was looked up.
int fake_resolver_lookups(const char *name);

#pragma clang assume_nonnull end
#endif
