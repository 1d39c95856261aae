#define _GNU_SOURCE
#include "FakeResolver.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { most_names = 64, most_addresses = 8, longest = 64 };

static struct {
  char name[longest];
  char addresses[most_addresses][longest];
  int count, lookups;
} names[most_names];
static int count;
static bool released;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t release = PTHREAD_COND_INITIALIZER;

static int find(const char *name) {
  for (int index = 0; index < count; index++)
    if (!strcasecmp(names[index].name, name)) return index;
  return -1;
}

void fake_resolver_teach(const char *name, const char *addresses) {
  pthread_mutex_lock(&lock);
  int index = find(name);
  if (index < 0 && count < most_names) {
    index = count++;
    snprintf(names[index].name, longest, "%s", name);
  }
  if (index >= 0) {
    names[index].count = names[index].lookups = 0;
    for (const char *next = addresses; *next && names[index].count < most_addresses;) {
      size_t length = strcspn(next, " ");
      snprintf(names[index].addresses[names[index].count++], longest, "%.*s", (int)length, next);
      next += length + (next[length] == ' ');
    }
  }
  released = false;
  pthread_mutex_unlock(&lock);
}

void fake_resolver_release(void) {
  pthread_mutex_lock(&lock);
  released = true;
  pthread_cond_broadcast(&release);
  pthread_mutex_unlock(&lock);
}

int fake_resolver_lookups(const char *name) {
  pthread_mutex_lock(&lock);
  int index = find(name);
  int lookups = index < 0 ? 0 : names[index].lookups;
  pthread_mutex_unlock(&lock);
  return lookups;
}

int getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
  pthread_mutex_lock(&lock);
  int index = node ? find(node) : -1;
  if (index < 0 || !names[index].count) {
    pthread_mutex_unlock(&lock);
    return real(node, service, hints, result);
  }
  int number = names[index].lookups++;
  if (number >= names[index].count) number = names[index].count - 1;
  char address[longest];
  snprintf(address, longest, "%s", names[index].addresses[number]);
  if (!strcmp(address, "hang")) {
    while (!released) pthread_cond_wait(&release, &lock);
    pthread_mutex_unlock(&lock);
    return EAI_AGAIN;
  }
  pthread_mutex_unlock(&lock);
  struct addrinfo numeric = {0};
  if (hints) numeric = *hints;
  numeric.ai_family = AF_UNSPEC;
  numeric.ai_flags |= AI_NUMERICHOST;
  return real(address, service, &numeric, result);
}
