/// A resolver for tests: it intercepts getaddrinfo(3), also for libcurl, and knows the names it was taught. All other
/// names go to the real resolver.
///
/// Linked into tests only: it replaces a function of libc.
#ifndef FAKE_RESOLVER_H
#define FAKE_RESOLVER_H

#pragma clang assume_nonnull begin

/// Teaches a name. Each look-up of it returns the next of these numeric addresses, which are separated by blanks, and the last
/// address from then on, so a name can resolve differently the second time. The address "hang" waits for `fake_resolver_release`.
void fake_resolver_teach(const char *name, const char *addresses);

/// Makes hanging look-ups fail, now and later.
void fake_resolver_release(void);

/// The number of look-ups of this name.
int fake_resolver_lookups(const char *name);

#pragma clang assume_nonnull end
#endif
