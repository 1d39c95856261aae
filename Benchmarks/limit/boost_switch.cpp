// The limit for a stack switch: Boost.Context's, in and out again. Prints the nanoseconds of each of some rounds.
#include <boost/context/fiber.hpp>
#include <chrono>
#include <cstdio>

int main() {
  boost::context::fiber other([](boost::context::fiber &&main) {
    for (;;) main = std::move(main).resume();
    return std::move(main);
  });
  constexpr int count = 2000000;
  for (int round = -1; round < 7; round++) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; i++) other = std::move(other).resume();
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    if (round >= 0) std::printf("%.2f\n", took.count() / count); /* the first is the warm-up */
  }
}
