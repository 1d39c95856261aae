#include "CHTTPWire.h"

#include <stdlib.h>
#include <string.h>

bool tandem_wire_fast_paths(void) {
  const char *setting = getenv("TANDEM_FAST_PATHS");
  return setting == NULL || strcmp(setting, "off") != 0;
}
