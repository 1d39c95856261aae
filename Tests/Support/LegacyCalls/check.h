/// Failures of the clients.
#ifndef LEGACY_CHECK_H
#define LEGACY_CHECK_H

#define TEXT(line) #line
#define LINE(line) TEXT(line)
/* Returns the place and the condition from the calling client, unless the condition holds. */
#define CHECK(condition)                                                                                                       \
  do                                                                                                                           \
    if (!(condition)) return __FILE_NAME__ ":" LINE(__LINE__) ": " #condition;                                                 \
  while (0)

#endif
