#define _GNU_SOURCE
#include "offloaded.h"

#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <resolv.h>

/* Weak in all builds: programs replace the resolver. */
#undef PATCHED
#define PATCHED __attribute__((weak, section("tandem_patch_text")))

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Looking up names of hosts, users and groups. libc talks to servers inside, so an OS thread makes the whole call. The options of
   resolver(3) that the hub's thread has set do not hold there. */

OFFLOADED(int, getaddrinfo, NAMES,
          (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found),
          (node, service, hints, found),
          const char *node; const char *service; const struct addrinfo *hints; struct addrinfo **found;,
          VALUES(node, service, hints, found), (a->node, a->service, a->hints, a->found))

OFFLOADED(int, getnameinfo, NAMES,
          (const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service, socklen_t size,
           int flags),
          (address, length, host, host_size, service, size, flags),
          const struct sockaddr *address; socklen_t length; char *host; socklen_t host_size; char *service; socklen_t size;
          int flags;, VALUES(address, length, host, host_size, service, size, flags),
          (a->address, a->length, a->host, a->host_size, a->service, a->size, a->flags))

OFFLOADED(struct hostent *, gethostbyname, NAMES, (const char *name), (name), const char *name;, VALUES(name), (a->name))

OFFLOADED(int, gethostbyname_r, NAMES,
          (const char *name, struct hostent *result, char *buffer, size_t size, struct hostent **found, int *error),
          (name, result, buffer, size, found, error),
          const char *name; struct hostent *host; char *buffer; size_t size; struct hostent **found; int *error;,
          VALUES(name, result, buffer, size, found, error), (a->name, a->host, a->buffer, a->size, a->found, a->error))

OFFLOADED(struct hostent *, gethostbyname2, NAMES, (const char *name, int family), (name, family), const char *name; int family;,
          VALUES(name, family), (a->name, a->family))

OFFLOADED(int, gethostbyname2_r, NAMES,
          (const char *name, int family, struct hostent *result, char *buffer, size_t size, struct hostent **found, int *error),
          (name, family, result, buffer, size, found, error),
          const char *name; int family; struct hostent *host; char *buffer; size_t size; struct hostent **found; int *error;,
          VALUES(name, family, result, buffer, size, found, error),
          (a->name, a->family, a->host, a->buffer, a->size, a->found, a->error))

OFFLOADED(struct hostent *, gethostbyaddr, NAMES, (const void *address, socklen_t length, int family), (address, length, family),
          const void *address; socklen_t length; int family;, VALUES(address, length, family), (a->address, a->length, a->family))

OFFLOADED(int, gethostbyaddr_r, NAMES,
          (const void *address, socklen_t length, int family, struct hostent *result, char *buffer, size_t size,
           struct hostent **found, int *error),
          (address, length, family, result, buffer, size, found, error),
          const void *address; socklen_t length; int family; struct hostent *host; char *buffer; size_t size;
          struct hostent **found; int *error;, VALUES(address, length, family, result, buffer, size, found, error),
          (a->address, a->length, a->family, a->host, a->buffer, a->size, a->found, a->error))

#define RESOLVE(name)                                                                                                          \
  OFFLOADED(int, name, NAMES, (const char *domain, int class, int type, unsigned char *answer, int size),                      \
            (domain, class, type, answer, size), const char *domain; int class; int type; unsigned char *answer; int size;,    \
            VALUES(domain, class, type, answer, size), (a->domain, a->class, a->type, a->answer, a->size))
#define RESOLVE_WITH_STATE(name)                                                                                               \
  OFFLOADED(int, name, NAMES, (res_state state, const char *domain, int class, int type, unsigned char *answer, int size),     \
            (state, domain, class, type, answer, size), res_state state; const char *domain; int class; int type;              \
            unsigned char *answer; int size;, VALUES(state, domain, class, type, answer, size),                                \
            (a->state, a->domain, a->class, a->type, a->answer, a->size))
RESOLVE(res_query)
RESOLVE(res_search)
RESOLVE_WITH_STATE(res_nquery)
RESOLVE_WITH_STATE(res_nsearch)

/* Users and groups, which may be kept on a server. */
#define BY_NAME(type, name) OFFLOADED(type, name, NAMES, (const char *key), (key), const char *key;, VALUES(key), (a->key))
#define BY_NUMBER(type, number, name)                                                                                          \
  OFFLOADED(type, name, NAMES, (number key), (key), number key;, VALUES(key), (a->key))
#define BY_NAME_R(type, name)                                                                                                  \
  OFFLOADED(int, name, NAMES, (const char *key, type *entry, char *buffer, size_t size, type **found),                         \
            (key, entry, buffer, size, found), const char *key; type *entry; char *buffer; size_t size; type **found;,         \
            VALUES(key, entry, buffer, size, found), (a->key, a->entry, a->buffer, a->size, a->found))
#define BY_NUMBER_R(type, number, name)                                                                                        \
  OFFLOADED(int, name, NAMES, (number key, type *entry, char *buffer, size_t size, type **found),                              \
            (key, entry, buffer, size, found), number key; type *entry; char *buffer; size_t size; type **found;,              \
            VALUES(key, entry, buffer, size, found), (a->key, a->entry, a->buffer, a->size, a->found))
BY_NAME(struct passwd *, getpwnam)
BY_NUMBER(struct passwd *, uid_t, getpwuid)
BY_NAME(struct group *, getgrnam)
BY_NUMBER(struct group *, gid_t, getgrgid)
BY_NAME_R(struct passwd, getpwnam_r)
BY_NUMBER_R(struct passwd, uid_t, getpwuid_r)
BY_NAME_R(struct group, getgrnam_r)
BY_NUMBER_R(struct group, gid_t, getgrgid_r)
OFFLOADED(int, getgrouplist, NAMES, (const char *user, gid_t first, gid_t *groups, int *count), (user, first, groups, count),
          const char *user; gid_t first; gid_t *groups; int *count;, VALUES(user, first, groups, count),
          (a->user, a->first, a->groups, a->count))

#endif
