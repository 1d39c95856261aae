// The limit for a stack switch: Boost.Context's, in and out. Prints the CPU nanoseconds per switch for each round.
#include <boost/context/fiber.hpp>
#include <cstdio>
#include <ctime>

static double cpu_nanoseconds() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return used.tv_sec * 1e9 + used.tv_nsec;
}

int main() {
  boost::context::fiber other([](boost::context::fiber &&main) {
    for (;;) main = std::move(main).resume();
    return std::move(main);
  });
  constexpr int count = 2000000;
  for (int round = -1; round < 7; round++) {
    double start = cpu_nanoseconds();
    for (int i = 0; i < count; i++) other = std::move(other).resume();
    if (round >= 0) std::printf("%.2f\n", (cpu_nanoseconds() - start) / count); /* round -1 is the warm-up */
  }
}
